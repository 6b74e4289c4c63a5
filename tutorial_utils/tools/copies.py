"""The learner's own copies of the notebooks: made once, never overwritten."""

import errno
import hashlib
import json
import os
from pathlib import Path

RECORD = ".originals.json"  # in the folder of the copies: which original, by its SHA-256, each copy was made from


def copy_notebooks(originals: Path, copies: Path) -> list[str]:
    """Copy what is absent from `copies`, overwrite nothing, and return the names whose original is newer than the copy.

    Newer means that the original's content is another than when the copy was made. Where the record of that is lost,
    the copies count as made from today's originals.

    Raises:
        OSError: `copies` cannot be written to.
    """
    copies.mkdir(parents=True, exist_ok=True)
    made_from, newer = read_record(copies / RECORD), []
    for original in course_files(originals):
        name = original.relative_to(originals).as_posix()
        content = original.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        if not (copies / name).exists():
            write_whole(copies / name, content)
        if (copies / name).read_bytes() == content:
            made_from[name] = digest
        if made_from.setdefault(name, digest) != digest:
            newer.append(name)
    write_whole(copies / RECORD, json.dumps(made_from, indent=1).encode())
    return newer


def course_files(originals: Path) -> list[Path]:
    """Return the notebooks and, from the folders beside them, the files that they show, in order."""
    return sorted([*originals.glob("*.ipynb"), *(path for path in originals.glob("[!._]*/**/*") if path.is_file())])


def read_record(path: Path) -> dict[str, str]:
    """Return the recorded SHA-256 by file name; nothing where the record is lost or damaged."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def write_whole(path: Path, content: bytes) -> None:
    """Write `content` to `path`, where it appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_bytes(content)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def explain(error: OSError, copies: Path) -> str:
    """Return what to do when `error` kept the notebooks from being copied."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (
            f"Your notebooks cannot be copied to {copies}, because the disk is full: free some space and start again."
        )
    return (
        f"Your notebooks cannot be copied to {copies} ({error.strerror}): make that folder writable, "
        "or name a folder of your own with --folder."
    )
