"""Which files a folder of pictures holds, of which classes, and for which part."""

from collections.abc import Iterator
from pathlib import Path

from tutorial_utils.storage.annotations import read_rows
from tutorial_utils.training.processes import print_once

LABELS = "labels.csv"
PARTS = {  # and the names that people give their folders
    "train": {"train", "training"},
    "val": {"val", "valid", "validation", "dev"},
    "test": {"test", "testing"},
}
OTHER_FILES = {"thumbs.db", "desktop.ini", "__macosx", LABELS}  # what systems put there, and no picture


def find_parts(folder: Path) -> dict[str, list[tuple[Path, str]]]:
    """Return the files with their classes by the parts that the folder is divided into; else `train` has all."""
    if not folder.is_dir():
        raise FileNotFoundError(f"There is no folder {folder}: --images names a folder of pictures.")
    if (folder / LABELS).exists():
        return {"train": find_pictures(folder)}
    folders = [path for path in visible(folder) if path.is_dir()]
    parts: dict[str, list[tuple[Path, str]]] = {}
    for part, names in PARTS.items():
        for home in folders:
            if home.name.casefold() in names:
                parts.setdefault(part, []).extend(find_pictures(home))
    if "train" in parts and (len(parts) > 1 or len(folders) == 1):
        if others := [home.name for home in folders if home.name.casefold() not in set().union(*PARTS.values())]:
            print_once(f"{folder} is parted by its folders; {', '.join(others)} among them is no part, and left out.")
        return parts
    return {"train": find_pictures(folder)}


def find_pictures(folder: Path) -> list[tuple[Path, str]]:
    """Return the files below a folder with their classes, in the order of their names, or that of `labels.csv`."""
    if (folder / LABELS).exists():
        rows = [(folder / row.name, row.label) for row in read_rows(folder / LABELS, folder)]
        return list(dict.fromkeys(rows))  # a picture that comes twice must not stand in two parts
    found = {home.name: list(walk(home)) for home in visible(folder) if home.is_dir()}
    if empty := [name for name, files in found.items() if not files]:
        print_once(f"{folder} has no file in {', '.join(empty)}: that is no class.")
    return [(file, name) for name, files in found.items() for file in files]


def walk(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder; a link to a folder around it leads to nothing new."""
    for path in visible(folder):
        if path.is_dir():
            if not folder.resolve().is_relative_to(path.resolve()):
                yield from walk(path)
        else:
            yield path


def visible(folder: Path) -> list[Path]:
    """Return what is in a folder, in the order of the names, without hidden files and those of the system."""
    names = (path for path in folder.iterdir() if path.name[0] != "." and path.name.lower() not in OTHER_FILES)
    return sorted(names, key=lambda path: path.name)
