"""The tables of the capstone, `train.csv` and `test.csv`, and other folders made from one: fewer rows, other names.

What must stay the same when something changes is how the judge finds faults, so it changes one thing at a time.
"""

import csv
import random
import re
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageOps

from tutorial_utils.capstone.output import read_split

PARTS = ("train", "test")


@dataclass(frozen=True)
class Row:
    """One row of `train.csv` or `test.csv`."""

    file: str  # from the folder of the table on, with slashes
    label: str  # the name of the class
    object: str  # pictures of one object belong together


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """Write a table with its header."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["file", "class", "object"])
        writer.writerows([row.file, row.label, row.object] for row in rows)


def read_rows(path: Path) -> list[Row]:
    """Return the rows of a table.

    Raises:
        ValueError: there is no such table, or it lacks a column.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return [Row(row["file"], row["class"], row["object"]) for row in csv.DictReader(file)]
    except FileNotFoundError:
        raise ValueError(f"There is no {path}: --data names a folder with train.csv and test.csv in it.") from None
    except KeyError as error:
        raise ValueError(f"{path} has no column {error}: its header shall be file,class,object.") from None


def can_be_read(path: Path) -> bool:
    """Return whether the file holds a whole picture."""
    try:
        with Image.open(path) as image:
            image.load()
    except Exception:  # what a damaged file leads to is not documented
        return False
    return True


@dataclass
class Folder:
    """A data folder: where it is, and the rows of its two tables."""

    path: Path
    train: list[Row]
    test: list[Row]

    @classmethod
    def read(cls, path: Path) -> "Folder":
        """Return the data folder at `path`, or raise ValueError."""
        return cls(path, read_rows(path / "train.csv"), read_rows(path / "test.csv"))

    @property
    def classes(self) -> list[str]:
        """The names of all classes, sorted."""
        return sorted({row.label for row in self.train})

    def readable(self, part: str) -> list[Row]:
        """Return the rows of a part whose files are whole pictures."""
        return [row for row in getattr(self, part) if can_be_read(self.path / row.file)]

    def write(self, target: Path, edit: Callable[[Path, Path], None] | None = None) -> "Folder":
        """Write these rows to the folder `target`, with the files they name, and return it.

        `edit(source, copy)` copies a picture of the test part otherwise than as it is.
        """
        for part in PARTS:
            rows: list[Row] = getattr(self, part)
            for row in rows:
                (target / row.file).parent.mkdir(parents=True, exist_ok=True)
                copy = edit if edit and part == "test" else shutil.copyfile
                if (source := original(self.path / row.file)).exists():  # a damaged file is written later
                    copy(source, target / row.file)
            write_rows(target / f"{part}.csv", rows)
        return Folder(target, self.train, self.test)


def original(path: Path) -> Path:
    """Return the file itself, or of what `of_size` names a copy, the original."""
    return path if path.exists() else path.with_name(re.sub(r"^copy[0-9]+_", "", path.name))


def few(folder: Folder, objects: int) -> Folder:
    """Return a folder with so many objects of each class at most, and half as many for the test."""
    return replace(folder, train=first_objects(folder.train, objects), test=first_objects(folder.test, objects // 2))


def first_objects(rows: list[Row], count: int) -> list[Row]:
    """Return the rows of the first `count` objects of each class."""
    objects: dict[str, list[str]] = {}
    for row in rows:
        known = objects.setdefault(row.label, [])
        if row.object not in known:
            known.append(row.object)
    return [row for row in rows if row.object in objects[row.label][:count]]


def with_other_test(folder: Folder) -> Folder:
    """Return a folder in which no test picture has its class any more: each has the next one.

    A model that learns gets worse on it, epoch by epoch. So whatever is chosen by it is another.
    """
    names = folder.classes
    following = dict(zip(names, names[1:] + names[:1], strict=True))
    return replace(folder, test=[replace(row, label=following.get(row.label, row.label)) for row in folder.test])


def negative(source: Path, copy: Path) -> None:
    """Copy a picture with its colours turned into their opposites; what cannot be read is copied as it is."""
    if not can_be_read(source):
        shutil.copyfile(source, copy)
        return
    with Image.open(source) as image:
        mode = image.mode
        turned = ImageOps.invert(image.convert("L" if mode == "L" else "RGB"))
        turned.convert(mode).save(copy, format=image.format)


def renamed(folder: Folder, seed: int = 3) -> tuple[Folder, dict[str, str]]:
    """Return a folder with the rows in another order and each class under another name, and the new name of each.

    The new names sort the other way round.
    """
    names = folder.classes
    new = {name: f"{len(names) - place:04} {name[::-1]}" for place, name in enumerate(names)}
    dice = random.Random(seed)
    train, test = ([replace(row, label=new.get(row.label, row.label)) for row in rows] for rows in both(folder))
    return replace(folder, train=dice.sample(train, len(train)), test=dice.sample(test, len(test))), new


def both(folder: Folder) -> tuple[list[Row], list[Row]]:
    """Return the rows of both parts."""
    return folder.train, folder.test


def with_damage(folder: Folder) -> Folder:
    """Return a folder with three more rows in each part, whose files `damage` writes."""

    def more(rows: list[Row], part: str) -> list[Row]:
        named = zip(DAMAGED, rows, strict=False)
        return rows + [replace(row, file=f"images/{part}_{file}", object=f"damaged {file}") for file, row in named]

    return replace(folder, train=more(folder.train, "train"), test=more(folder.test, "test"))


DAMAGED = ("empty.png", "half.jpg", "page.png")


def damage(folder: Folder, part: str) -> list[Path]:
    """Write the damaged files of a part: nothing, the first half of a picture, and a web page; return them."""
    paths = [folder.path / "images" / f"{part}_{name}" for name in DAMAGED]
    picture = BytesIO()
    Image.effect_mandelbrot((64, 64), (-2, -1, 1, 1), 40).convert("RGB").save(picture, format="JPEG")
    content = picture.getvalue()
    for path, data in zip(paths, (b"", content[: len(content) // 2], b"<html>404 Not Found</html>"), strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return paths


def of_size(folder: Folder, count: int, grow: set[str] | None = None) -> Folder:
    """Return a folder with `count` training pictures: copies of those in `grow` come, or the last copies go.

    Copies belong to the object of their original, so that they stay on its side of a split.
    """
    originals = [row for row in folder.train if "/copy" not in row.file]
    sources = [row for row in originals if grow is None or row.file in grow]
    copies = [row for row in folder.train if "/copy" in row.file][: max(0, count - len(originals))]
    while len(originals) + len(copies) < count:
        number = len(copies)
        row = sources[number % len(sources)]
        copies.append(replace(row, file=f"{Path(row.file).parent.as_posix()}/copy{number:04}_{Path(row.file).name}"))
    return replace(folder, train=originals + copies)


def trained_files(output: Path) -> set[str]:
    """Return the files on which a run has trained."""
    return {file for file, part in read_split(output).items() if part == "train"}


def trained_on(output: Path) -> int:
    """Return on how many pictures a run has trained."""
    return len(trained_files(output))


def rare(folder: Folder) -> Folder:
    """Return a folder where the first class has a single training picture, and the last one no test picture."""
    first, *_, last = folder.classes
    single = next(row for row in folder.train if row.label == first)
    train = [row for row in folder.train if row.label != first or row == single]
    return replace(folder, train=train, test=[row for row in folder.test if row.label != last])


def copy_output(source: Path, folder: Path) -> None:
    """Copy what a run has written so far, as the beginning of another."""
    shutil.rmtree(folder, ignore_errors=True)
    if source.exists():
        shutil.copytree(source, folder / "output")
