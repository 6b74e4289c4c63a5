"""`python -m tutorial_utils.lab`, which `make lab` runs: your own copies of the notebooks, opened in JupyterLab."""

import argparse
import errno
import hashlib
import json
import os
import socket
import sys
from contextlib import suppress
from pathlib import Path

COURSE = Path(__file__).resolve().parents[2]  # the package is installed from here (pip install -e), not copied
FIRST_NOTEBOOK = "00_quickstart.ipynb"
RECORD = ".originals.json"  # in the folder of the copies: which original, by its SHA-256, each copy was made from
SETTINGS = ".lab"  # there, too: the folder of JupyterLab's settings for the course
NO_QUESTIONS = {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False}}


def main(arguments: list[str] | None = None) -> None:
    """Bring the copies in `work/` up to date and serve them with JupyterLab until it is stopped.

    `arguments`, by default those of the command line, are passed on to JupyterLab.

    Raises:
        SystemExit: something is missing that only you can mend; the message says what.
    """
    options = sys.argv[1:] if arguments is None else arguments
    originals, copies = COURSE / "notebooks", COURSE / "work"
    if not any(originals.glob("*.ipynb")):
        sys.exit(f"There are no notebooks in {originals}: install the course from its own folder (pip install -e .).")
    try:
        newer = copy_notebooks(originals, copies)
        write_whole(copies / SETTINGS / "overrides.json", json.dumps(NO_QUESTIONS).encode())
    except OSError as error:
        sys.exit(explain(error, copies))
    if newer:
        print(
            f"Newer in the course than your copy in work/: {', '.join(newer)}. Your copy stays; to get the new one, "
            "rename or delete your copy and start again."
        )
    with suppress(KeyboardInterrupt):  # Ctrl-C before JupyterLab listens for it
        serve(copies, options)


# ------------------------------------------------------------------------------------------- the learner's copies


def copy_notebooks(originals: Path, copies: Path) -> list[str]:
    """Copy what is absent from `copies`, overwrite nothing, and return the names whose original is newer than the copy.

    Newer means that the original's content is another than when the copy was made. Where the record of that is lost,
    the copies count as made from today's originals.

    Raises:
        OSError: `copies` cannot be written to.
    """
    copies.mkdir(exist_ok=True)
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
        "or move the course to a folder of your own."
    )


# ------------------------------------------------------------------------------------------- JupyterLab


def serve(copies: Path, options: list[str]) -> None:
    """Run JupyterLab on the folder `copies`, opened at the first notebook, until it is stopped."""
    try:
        from jupyterlab.labapp import LabApp  # late: without JupyterLab, the copies are still made
    except ImportError:
        sys.exit(
            "JupyterLab is not installed in this Python: run `make lab`, or pip install -e . in the course's folder."
        )
    chosen, rest = parse(options)
    port = free_port(chosen.port, chosen.ip)
    if port != chosen.port:
        print(f"Port {chosen.port} is in use, probably by a JupyterLab that still runs; using {port}.")
    if "SSH_CONNECTION" in os.environ:
        print(f"You are connected by ssh: on your own computer, run `ssh -N -L {port}:localhost:{port} ...` as well.")
    print(f"Starting JupyterLab on port {port}, with your notebooks in {copies}. Ctrl-C ends it.", flush=True)
    LabApp.launch_instance([*jupyter_options(copies), f"--port={port}", f"--ip={chosen.ip}", *rest])


def parse(options: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """Return the port and the address to listen on, and the other options, for JupyterLab alone."""
    parser = argparse.ArgumentParser(prog="make lab", add_help=False, allow_abbrev=False)
    parser.add_argument("--port", type=int, default=8888)
    parser.add_argument("--ip", default="localhost")
    return parser.parse_known_args(options)


def free_port(first: int, ip: str) -> int:
    """Return the first port, from `first` on, that nothing listens on.

    Raises:
        SystemExit: 50 ports in a row are taken.
    """
    for port in range(first, first + 50):
        try:
            socket.create_server(("" if ip == "*" else ip, port)).close()
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
        else:
            return port
    sys.exit(f"The ports from {first} to {first + 49} are all in use: choose another with --port.")


def jupyter_options(copies: Path) -> list[str]:
    """Return the options of JupyterLab that fit this machine."""
    options = [
        f"--ServerApp.root_dir={copies}",
        f"--LabApp.default_url=/lab/tree/{FIRST_NOTEBOOK}",
        f"--LabApp.app_settings_dir={copies / SETTINGS}",
        "--KernelManager.transport_encryption=auto",  # or the kernel warns of eavesdroppers
        "--ServerApp.answer_yes=True",  # one Ctrl-C is enough
        "--ServerApp.log_level=ERROR",  # so that the address, which is logged as critical, stands out
        "--LabApp.log_level=ERROR",
    ]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.append("--allow-root")
    if not has_display():
        options.append("--no-browser")
    return options


def has_display() -> bool:
    """Return whether a browser opened here would be seen: not over ssh, nor on a Linux without a screen."""
    if "SSH_CONNECTION" in os.environ:
        return False
    return sys.platform != "linux" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
