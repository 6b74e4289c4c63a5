"""Which files a folder of pictures holds, of which classes, and for which part."""

from collections.abc import Iterator
from pathlib import Path

from tutorial_utils.storage.annotations import read_rows

LABELS = "labels.csv"
PARTS = ("train", "val", "test")
OTHER_FILES = {"thumbs.db", "desktop.ini", "__macosx", LABELS}  # what systems put there, and no picture


def find_parts(folder: Path) -> dict[str, list[tuple[Path, str]]]:
    """Return the files with their classes by the parts that the folder is divided into; else `train` has all."""
    if not folder.is_dir():
        raise FileNotFoundError(f"There is no folder {folder}: --images names a folder of pictures.")
    if (folder / "train").is_dir() and any((folder / part).is_dir() for part in PARTS[1:]):
        return {part: find_pictures(folder / part) for part in PARTS if (folder / part).is_dir()}
    return {"train": find_pictures(folder)}


def find_pictures(folder: Path) -> list[tuple[Path, str]]:
    """Return the files below a folder with their classes, in the order of their names, or that of `labels.csv`."""
    if (folder / LABELS).exists():
        return [(folder / row.name, row.label) for row in read_rows(folder / LABELS, folder)]
    return [(file, home.name) for home in visible(folder) if home.is_dir() for file in walk(home)]


def walk(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder."""
    for path in visible(folder):
        if path.is_dir():
            yield from walk(path)
        else:
            yield path


def visible(folder: Path) -> list[Path]:
    """Return what is in a folder, in the order of the names, without hidden files and those of the system."""
    names = (path for path in folder.iterdir() if path.name[0] != "." and path.name.lower() not in OTHER_FILES)
    return sorted(names, key=lambda path: path.name)
