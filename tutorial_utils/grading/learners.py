"""Who handed a notebook in: by the names of its file and folders, and by the list of a class."""

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

NAMES = ("name", "full name", "student", "student name", "姓名", "名字")
IDS = (
    *("id", "identifier", "participant", "id number", "sis user id", "sis login id", "student id", "number"),
    *("username", "user name", "login", "github_username", "github username", "email", "email address", "e-mail"),
    *("学号", "用户名", "邮箱"),
)
MOODLE = re.compile(r"(?P<name>.+)_(?P<id>\d+)_assignsubmission_")  # Anna Smith_12345_assignsubmission_file_
CANVAS = re.compile(r"(?P<name>[^\W\d_]+)_(?:LATE_)?(?P<id>\d+)_\d+_")  # smithanna_LATE_12345_67890_05_autograd.ipynb


@dataclass(frozen=True)
class Learner:
    """One line of the list of a class: an id, a name, and all its columns."""

    id: str
    name: str
    row: dict[str, str] = field(default_factory=dict, hash=False)

    @property
    def signs(self) -> set[str]:
        """What the names of files and folders may call the learner, in small letters."""
        by_column = {column.strip().lower(): value.strip().lower() for column, value in self.row.items() if value}
        signs = {value for column, value in by_column.items() if column in (*IDS, *NAMES)}
        signs |= {number for sign in signs for number in re.findall(r"^participant (\d+)$", sign)}
        signs |= {sign.partition("@")[0] for sign in signs if "@" in sign}
        if self.name:
            words = re.findall(r"\w+", self.name.lower())
            signs |= {" ".join(words), "".join(words), "".join(words[-1:] + words[:-1])}  # Canvas: the last name first
        return {unicodedata.normalize("NFC", sign) for sign in signs if len(sign) > 1 or not sign.isascii()}


def read_roster(path: Path) -> list[Learner]:
    """Return the learners in the list of a class, a CSV file with a first line that names its columns.

    Lists as Moodle (grading worksheet), Canvas (gradebook) and GitHub Classroom export them are understood, and so is
    any other that has a column of ids, such as `id` or 学号, or one of names.

    Raises:
        OSError: the file cannot be read.
        ValueError: it has no such column.
    """
    text = decode(path.read_bytes())
    first = text.partition("\n")[0]
    reader = csv.DictReader(io.StringIO(text), delimiter=max(",;\t", key=first.count))
    columns = {(column or "").strip().lower(): column for column in reader.fieldnames or []}
    id_column = next((columns[name] for name in IDS if name in columns), None)
    name_column = next((columns[name] for name in NAMES if name in columns), None)
    if id_column is None and name_column is None:
        raise ValueError(f"none of its columns ({', '.join(columns)}) is known: name one `id`, and one `name`")
    found = []
    for row in reader:
        whole = {column: value for column, value in row.items() if isinstance(column, str) and isinstance(value, str)}
        name = whole.get(name_column or "", "").strip()
        number = whole.get(id_column or "", "").strip() or name
        if number and not name.startswith("Points Possible"):
            found.append(Learner(number, name, whole))
    return found


def decode(content: bytes) -> str:
    """Return the text of a list, which Excel may have written in UTF-8, in UTF-16, or, in China, in GB 18030."""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("gb18030", errors="replace")


def find_learner(path: Path, learners: Sequence[Learner]) -> Learner | None:
    """Return the learner whose id or name stands in the path of a file, the longest one; None if none or two fit."""
    text = unicodedata.normalize("NFC", path.as_posix()).lower()
    best: tuple[int, list[Learner]] = 0, []
    for learner in learners:
        length = max((len(sign) for sign in learner.signs if stands_in(sign, text)), default=0)
        if length > best[0]:
            best = length, [learner]
        elif length and length == best[0]:
            best[1].append(learner)
    return best[1][0] if len(best[1]) == 1 else None


def stands_in(sign: str, text: str) -> bool:
    """Return whether `sign` stands in a path as a word or words of its own."""
    return bool(re.search(rf"(?<![^\W_]){re.escape(sign)}(?![^\W_])", text))


def guess_learner(path: Path, notebooks: Iterable[str]) -> str:
    """Return the name of who handed in a file, from its name and folders, as Moodle, Canvas and GitHub lay them out.

    >>> names = ["01_tensors", "05_autograd"]
    >>> guess_learner(Path("handed_in/anna/05_autograd.ipynb"), names)
    'anna'
    >>> guess_learner(Path("handed_in/Anna Smith_123_assignsubmission_file/05_autograd.ipynb"), names)
    'Anna Smith 123'
    >>> guess_learner(Path("handed_in/05_autograd-anna.ipynb"), names)
    'anna'
    """
    for part in reversed(path.parts):
        if found := MOODLE.match(part) or CANVAS.match(part):
            return f"{found['name']} {found['id']}"
    rest = re.sub(r"\s*\(\d+\)$|[-_ ]*[Cc]opy\d*$", "", path.stem)  # of a second download, or of JupyterLab
    for name in notebooks:
        rest = rest.replace(name, "")
    rest = re.sub(r"^[\W_]+|[\W_]+$", "", rest)
    folders = [part for part in path.parent.parts if part not in ("notebooks", "work", ".", "..")]
    return rest if rest or not folders else folders[-1]
