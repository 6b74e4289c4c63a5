"""The command line of bubblewrap, in which a process has no network and sees no files but Python's and the course's."""

import os
import shutil
import site
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path
from subprocess import DEVNULL, run

from tutorial_utils.exercises.recall import COURSE, PACKAGE

DISK = 2**28  # bytes that may be written to the folder for temporary files, and to shared memory
SYSTEM = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store"),
    *("/etc/alternatives", "/etc/fonts", "/etc/group", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d"),
    *("/etc/localtime", "/etc/nsswitch.conf", "/etc/passwd"),
)


def find_bubblewrap() -> str:
    """Return why notebooks cannot run in bubblewrap on this machine, or nothing if they can."""
    if shutil.which("bwrap") is None:
        return "bubblewrap is not installed (on Debian and Ubuntu: apt install bubblewrap)"
    tried = run([*wrap([]), "true"], stdin=DEVNULL, capture_output=True, text=True, check=False)
    return f"bubblewrap does not work here: {tried.stderr.strip()[:200]}" if tried.returncode else ""


def wrap(readable: Iterable[Path]) -> list[str]:
    """Return the beginning of a command line; what follows it runs in a sandbox.

    In it there is no network, no other process, and no file but those of the system's programs, of Python, of this
    package, and in the folders `readable`; all of them can only be read. `/tmp` is empty, small, and gone afterwards.
    """
    command = [
        "bwrap",
        "--unshare-all",
        "--die-with-parent",
        "--new-session",
        "--hostname",
        "grade",
        "--cap-drop",
        "ALL",
    ]
    for name in SYSTEM:
        command += ["--ro-bind-try", name, name]
    command += ["--proc", "/proc", "--dev", "/dev", "--size", str(DISK), "--tmpfs", "/dev/shm", "--remount-ro", "/dev"]
    command += ["--size", str(DISK), "--tmpfs", "/tmp"]
    for path in dict.fromkeys([*find_folders(), *readable]):
        command += ["--ro-bind-try", str(path), str(path)]
    return [*command, "--chdir", "/tmp", "--setenv", "HOME", "/tmp", "--setenv", "TMPDIR", "/tmp", "--"]


def find_folders() -> list[Path]:
    """Return the folders of this Python, of its packages, and of the course."""
    paths = sysconfig.get_paths()
    folders = [
        Path(name) for name in (sys.prefix, sys.base_prefix, *map(paths.get, ("stdlib", "purelib", "platlib"))) if name
    ]
    folders += [Path(sys.executable).parent, Path(os.path.realpath(sys.executable)).parent]
    folders += [Path(name) for name in site.getsitepackages()] + [PACKAGE, *COURSE]
    return [folder for folder in folders if folder.is_dir() and folder != Path("/")]
