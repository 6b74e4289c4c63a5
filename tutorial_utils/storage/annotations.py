"""The table that says which label belongs to which image file, checked before anything is trained on it.

What is clear is read right; where it is not, an error names the file and its line, counted from 1.
"""

import codecs
import csv
import io
import mimetypes
import re
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from tutorial_utils.progress import progress_bar
from tutorial_utils.storage.image_files import find_mode, read_image

SEPARATORS = (",", "\t", ";", "，")  # the last is the comma of a Chinese keyboard
EXCEL = "sep="  # how the first line of a table tells Excel its separator
LABEL = {"label", "class", "target", "category", "标签", "类别"}  # what a header calls the column of the labels
WHOLE = re.compile(r"[+-]?[0-9]+")
NUMBER = re.compile(r"[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?")
DECIMAL_COMMA = re.compile(r"[+-]?[0-9]*,[0-9]+")


class Row(NamedTuple):
    """One row of a table."""

    line: int  # in the file, from 1
    name: str  # of an image file
    label: str


@dataclass(frozen=True)
class Annotations:
    """What a table says about image files, one entry for each of its rows.

    Attributes:
        names: the file names.
        labels: ints or floats, as they stand in the table; for labels that are words, the index of each in `classes`.
        classes: the words, sorted; empty if the labels are numbers.
        mode: "L" if all images are grey, else "RGB".
        lines: the line of each file name in the table.
    """

    names: list[str]
    labels: list[int] | list[float]
    classes: list[str]
    mode: str
    lines: dict[str, int]
    annotations_file: Path
    img_dir: Path

    def read_image(self, name: str) -> Tensor:
        """Return the image in the file `name` as a uint8 tensor, (1, H, W) if all images are grey, else (3, H, W).

        Raises:
            FileNotFoundError: the file has gone.
            ValueError: its data are damaged.
        """
        try:
            return read_image(self.img_dir / name, self.mode)
        except (FileNotFoundError, ValueError) as error:
            raise type(error)(f"{self.annotations_file}, line {self.lines.get(name, 'unknown')}: {error}") from error


def read_annotations(annotations_file: str | Path, img_dir: str | Path) -> Annotations:
    """Return what a table says about image files, once each row is complete and each file is an image.

    A row is a file name and a label, separated by commas, tabs or semicolons; further columns do not count. A header
    row, empty lines, blanks around a value, quotes and Excel's byte order mark are no part of the data. Names stay as
    they are ("007"); only where no file has such a name, a backslash of Windows is a slash. Labels are all numbers, or
    all words, and a file has one of them.

    Raises:
        FileNotFoundError: there is no such table, or an image is missing.
        ValueError: the table or an image cannot be understood.
    """
    annotations_file, img_dir = Path(annotations_file).expanduser(), Path(img_dir).expanduser()
    rows = read_rows(annotations_file, img_dir)
    labels, classes = number_labels(annotations_file, rows)
    modes = set()
    for row in progress_bar(rows, title="looking at the images", unit=" files", show=len(rows) > 1000):
        try:
            modes.add(find_mode(img_dir / row.name))
        except (FileNotFoundError, ValueError) as error:
            raise type(error)(f"{annotations_file}, line {row.line}: {error}{_guess(img_dir, row)}") from error
    lines = {row.name: row.line for row in reversed(rows)}
    mode = "RGB" if "RGB" in modes else "L"
    return Annotations([row.name for row in rows], labels, classes, mode, lines, annotations_file, img_dir)


def read_rows(annotations_file: Path, img_dir: Path) -> list[Row]:
    """Return the rows of a table without its header, if it has one.

    Raises:
        FileNotFoundError: there is no such table.
        ValueError: it is no table, it is empty, a row has no name, no label, or another length than the first, a file
            has two labels, or the labels seem to be elsewhere than in the second column.
    """
    text = decode(annotations_file)
    separator = find_separator(text, img_dir)
    table = split(annotations_file, text, separator)
    if not table:
        raise ValueError(f"{annotations_file} is empty: each of its lines shall hold a file name and a label.")
    rows = [Row(line, find_name(values[0], img_dir), [*values, ""][1]) for line, values in table]
    start = int(is_header(rows[0], rows[1:], img_dir))
    for line, values in table[start:]:
        if fault := find_fault(values, table[0][1], separator):
            raise ValueError(f"{annotations_file}, line {line}: {fault}.")
    if fault := find_label_elsewhere([values for _, values in table], start) or find_contradiction(rows[start:]):
        raise ValueError(f"{annotations_file}, {fault}.")
    return rows[start:]


def find_name(name: str, img_dir: Path) -> str:
    """Return the name of a file as it stands in a table; where no file has it, with slashes for backslashes."""
    return name if "\\" not in name or _is_file(img_dir / name) else name.replace("\\", "/")


def find_label_elsewhere(table: list[list[str]], start: int) -> str | None:
    """Return why the second column does not hold the labels, by its header; else None.

    The first `start` rows are a header: one, or none, and then nothing is known.
    """
    if not start:
        return None
    second, *others = [name.casefold() for name in table[0][1:]] or [""]
    marks = [values[1:] for values in table[1:]]
    if second not in LABEL and (found := LABEL & set(others)):
        return f"header: the second column is {second!r}, and {min(found)!r} stands after it: make it the second"
    if all(len(row) > 1 and sorted(row) == ["0"] * (len(row) - 1) + ["1"] for row in marks):
        return "header: a 1 marks the class of each row (one-hot): write one column instead, with the class"
    return None


def find_contradiction(rows: list[Row]) -> str | None:
    """Return which file has two labels, or None."""
    firsts: dict[str, Row] = {}
    for row in rows:
        first = firsts.setdefault(row.name, row)
        if first.label != row.label:
            return f"line {row.line}: {row.name} is {row.label!r} here, but {first.label!r} in line {first.line}"
    return None


def find_fault(values: list[str], first: list[str], separator: str) -> str | None:
    """Return what is wrong with a row of a table whose first row is `first`, or None."""
    if len(values) < 2 or not values[0] or not values[1]:
        row = separator.join(values)
        return f"{row!r} is not a file name and a label, with a comma, a tab or a semicolon in between"
    if len(values) != len(first) and _filled(values) != _filled(first):
        advice = f"put a value that holds {separator!r} itself between double quotes"
        return f"there are {len(values)} values, but {len(first)} in the first row: {advice}"
    return None


def decode(annotations_file: Path) -> str:
    """Return the text of a file in UTF-8, or in UTF-16 with a byte order mark; a ValueError says where it is none."""
    content = annotations_file.read_bytes()
    encoding = "utf-16" if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    line = 1
    try:
        text = content.decode(encoding)
        if "\0" not in text:
            return text
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
    raise ValueError(f"{annotations_file}, line {line}: this is no text in UTF-8. Save the table as “CSV UTF-8”.")


def find_separator(text: str, img_dir: Path) -> str:
    """Return the separator by which the first rows name the most files, or else by which most have two values."""

    def count(separator: str) -> tuple[int, int]:
        rows: list[list[str]] = []
        with suppress(csv.Error):  # what is wrong with a row is told later, by its line
            rows.extend(row for row in islice(_reader(text, separator), 20) if len(row) > 1)
        return sum(_is_file(img_dir / row[0].strip()) for row in rows), len(rows)

    return max(SEPARATORS, key=count)


def split(annotations_file: Path, text: str, separator: str) -> list[tuple[int, list[str]]]:
    """Return the line and the values of each row of a table that is not empty."""
    reader = _reader(text, separator, strict=True)
    table, line = [], 1
    try:
        for row in reader:
            values = [value.strip() for value in row]
            if any(values) and not (line == 1 and values[0] == EXCEL):
                table.append((line, values))
            line = reader.line_num + 1  # a value between quotes may go over several lines
    except csv.Error as error:
        raise ValueError(f"{annotations_file}, line {line}: this row cannot be understood ({error}).") from error
    return table


def is_header(first: Row, others: list[Row], img_dir: Path) -> bool:
    """Return whether the first row names the columns: no file and no name of an image, no number, no label of others.

    In doubt it is a sample, and an error names its line; a sample that is taken for a header is missed by nobody.
    """
    image = (mimetypes.guess_type(first.name)[0] or "").startswith("image/")
    alike = Path(first.name).suffix in {Path(row.name).suffix for row in others} - {""}
    numbers = NUMBER.fullmatch(first.name) or NUMBER.fullmatch(first.label)
    if not others or image or alike or numbers or _is_file(img_dir / first.name):
        return False
    return first.label not in {row.label for row in others}


def number_labels(annotations_file: Path, rows: list[Row]) -> tuple[list[int] | list[float], list[str]]:
    """Return the labels of the rows as numbers, and the classes that they count if they are words, else no classes.

    Raises:
        ValueError: some labels are numbers and some are words.
    """
    for row in rows:
        if DECIMAL_COMMA.fullmatch(row.label):
            raise ValueError(f"{annotations_file}, line {row.line}: write the label {row.label!r} with a point.")
    labels = [row.label for row in rows]
    numbers = [row for row in rows if NUMBER.fullmatch(row.label)]
    words = [row for row in rows if not NUMBER.fullmatch(row.label)]
    if numbers and words:
        row = min(words, numbers, key=len)[0]
        raise ValueError(
            f"{annotations_file}, line {row.line}: the label {row.label!r} is of another kind than most. "
            f"{len(numbers)} labels are numbers and {len(words)} are words: write all as numbers, or all as words."
        )
    if words:
        classes = sorted(set(labels))
        numbering = {word: number for number, word in enumerate(classes)}
        return [numbering[label] for label in labels], classes
    convert = int if all(WHOLE.fullmatch(label) for label in labels) else float
    return [convert(label) for label in labels], []


def _reader(text: str, separator: str, strict: bool = False) -> Any:
    """Return what yields the values of each row of a table."""
    return csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=strict)


def _is_file(path: Path) -> bool:
    """Return whether there is such a file; False also for what can be no name."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _filled(values: list[str]) -> int:
    """Return how many values a row has without the empty ones at its end."""
    return max(number for number, value in enumerate(values, start=1) if value)


def _guess(img_dir: Path, row: Row) -> str:
    """Return what may have been meant by the name of a file that is not there, as the end of a sentence."""
    path = img_dir / row.name
    if _is_file(path):
        return ""
    if _is_file(img_dir / row.label):
        return ", but there is one of the name of the label: write the file first, then its label"
    names = {path.name.casefold(), path.stem.casefold()}
    with suppress(OSError):
        for file in sorted(path.parent.iterdir()):
            if names & {file.name.casefold(), file.stem.casefold()}:
                return f"; is it {file.name}?"
    return ""
