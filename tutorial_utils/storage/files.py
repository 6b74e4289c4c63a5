"""Files that are whole or absent, and folders that one process at a time prepares."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import filelock


@contextmanager
def write_atomically(path: str | Path) -> Iterator[BinaryIO]:
    """Yield a file to write to, which takes the name `path` in one step once it is whole and on the disk.

    If writing fails, the unfinished file is removed. Only a killed process cannot do that; then the next one that
    writes to `path` writes over what was left.
    """
    path = Path(path)
    unfinished = path.with_name(f"{path.name}.unfinished")
    try:
        with unfinished.open("w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def lock(path: Path) -> Iterator[None]:
    """Hold the lock file `path`; while another process holds it, say so and wait.

    The lock is the operating system's: it ends with the process that holds it.
    """
    held = filelock.FileLock(path)
    try:
        held.acquire(timeout=1)
    except filelock.Timeout:
        print("Another process is preparing the data; waiting until it is done.")
        held.acquire()
    try:
        yield
    finally:
        held.release()


@contextmanager
def scratch_folder(home: Path) -> Iterator[Path]:
    """Yield an empty folder in `home` for files in the making; only one process at a time gets past this line.

    What a killed process left in the folder is removed by the next one.
    """
    scratch = home / "unfinished"
    home.mkdir(parents=True, exist_ok=True)
    with lock(home / ".lock"):
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        try:
            yield scratch
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def remove_leftovers(home: Path) -> None:
    """Remove the scratch folder that a killed process left in `home`, unless another process is at work there."""
    with suppress(OSError, filelock.Timeout):
        if (home / "unfinished").exists():
            with filelock.FileLock(home / ".lock", timeout=0):
                shutil.rmtree(home / "unfinished")


def replace_files(scratch: Path, folder: Path) -> None:
    """Move all files of `scratch` into `folder`, each in one step, in place of what stood there."""
    folder.mkdir(exist_ok=True)
    for file in scratch.iterdir():
        if (folder / file.name).is_dir():
            shutil.rmtree(folder / file.name)
        file.replace(folder / file.name)
