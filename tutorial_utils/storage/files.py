"""Files that are whole or absent, and folders that one process at a time prepares."""

import errno
import os
import platform
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import filelock

SCRATCH = "unfinished"  # the folder of files in the making
ABANDONED = 86_400  # seconds after which a scratch folder that no lock protects belongs to nobody any more


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
def lock(path: Path, patience: float | None = None) -> Iterator[bool]:
    """Hold the lock file `path`, and yield True; where the file system has no locks, yield False and hold nothing.

    While another process holds it, wait for at most `patience` seconds; by default say so, and wait until it is done.
    The lock is the operating system's and ends with the process that holds it, so a dead one never blocks. A mark that
    stands for a lock, such as a file with the holder's name, would stay behind: where False comes, do what needs none.

    Raises:
        filelock.Timeout: another process still holds it after `patience` seconds.
    """
    if not can_lock(path):
        yield False
        return
    held = filelock.FileLock(path)
    try:
        held.acquire(timeout=1 if patience is None else patience)
    except filelock.Timeout:
        if patience is not None:
            raise
        print("Another process is preparing the data; waiting until it is done.")
        held.acquire()
    try:
        yield True
    finally:
        held.release()


def can_lock(path: Path) -> bool:
    """Return whether the file system has locks for the file `path`; some of computing clusters have none.

    filelock is not asked: its versions answer with an error, a warning, a mark that stays behind, or a wait for ever.
    """
    if os.name == "nt":
        return True
    import fcntl  # Windows has no such module

    with path.open("ab") as file:  # closing it ends the lock
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            return error.errno in (errno.EAGAIN, errno.EACCES)  # another process holds it
    return True


@contextmanager
def scratch_folder(home: Path) -> Iterator[Path]:
    """Yield an empty folder in `home` for files in the making; only one process at a time gets past this line.

    What a killed process left in the folder is removed by the next one. Where the file system has no locks, each
    process gets a folder of its own: some work is done twice, and what is whole is the same.
    """
    home.mkdir(parents=True, exist_ok=True)
    with lock(home / ".lock") as locked:
        scratch = home / (SCRATCH if locked else f"{SCRATCH}-{platform.node()}-{os.getpid()}-{threading.get_ident()}")
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        try:
            yield scratch
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def remove_leftovers(home: Path) -> None:
    """Remove the scratch folders that killed processes left in `home`, but none where a process may be at work."""
    with suppress(OSError, filelock.Timeout):
        for scratch in list(home.glob(f"{SCRATCH}*")):
            with lock(home / ".lock", patience=0) as locked:
                protected = locked and scratch.name == SCRATCH  # made under this lock, unlike all others
                if protected or time.time() - scratch.stat().st_mtime > ABANDONED:
                    shutil.rmtree(scratch)


def replace_files(scratch: Path, folder: Path) -> None:
    """Move all files of `scratch` into `folder`, each in one step, in place of what stood there."""
    folder.mkdir(exist_ok=True)
    for file in scratch.iterdir():
        if (folder / file.name).is_dir():
            shutil.rmtree(folder / file.name)
        file.replace(folder / file.name)
