"""`python -m tutorial_utils.lab`, which `make lab` runs: your own copies of the notebooks, opened in JupyterLab."""

import argparse
import errno
import json
import os
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from tutorial_utils.command import program
from tutorial_utils.tools.copies import copy_notebooks, explain, write_whole
from tutorial_utils.tools.reset import reset

COURSE = Path(__file__).resolve().parents[2]  # where the package is: in the course's folder, or in site-packages
FIRST_NOTEBOOK = "00_quickstart.ipynb"
SETTINGS = ".lab"  # among the copies: the folder of JupyterLab's settings for the course
NO_QUESTIONS = {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False}}


def main(arguments: Sequence[str] | None = None) -> None:
    """Bring your copies up to date and serve them with JupyterLab until it is stopped, or do what the options say.

    Raises:
        SystemExit: something is missing that only you can mend; the message says what.
    """
    options, rest = parse(arguments)
    originals, copies = find_folders()
    copies = options.folder.absolute() if options.folder else copies
    if not any(originals.glob("*.ipynb")):
        sys.exit(f"There are no notebooks in {originals}: install the course anew, as the README says.")
    try:
        if options.reset is not None:
            print(reset(options.reset, originals, copies))
            return
        bring_up_to_date(originals, copies)
    except OSError as error:
        sys.exit(explain(error, copies))
    except ValueError as error:
        sys.exit(str(error))
    if options.copy:
        print(f"Your notebooks are in {copies}.")
        return
    with suppress(KeyboardInterrupt):  # Ctrl-C before JupyterLab listens for it
        serve(copies, options, rest)


def find_folders() -> tuple[Path, Path]:
    """Return where the notebooks are, and where your copies go: beside them, or into the folder where you are."""
    packed = COURSE / "tutorial_utils" / "notebooks"  # in a wheel
    if packed.is_dir():
        return packed, Path("pytorch-course").absolute()
    return COURSE / "notebooks", COURSE / "work"


def bring_up_to_date(originals: Path, copies: Path) -> None:
    """Make the copies that are absent, with JupyterLab's settings, and tell which originals have become newer."""
    newer = copy_notebooks(originals, copies)
    write_whole(copies / SETTINGS / "overrides.json", json.dumps(NO_QUESTIONS).encode())
    if newer:
        print(
            f"Newer in the course than your copy in {copies.name}/: {', '.join(newer)}. Your copy stays; to get the "
            "new one, rename or delete your copy and start again (--reset 05 does that for 05, and keeps yours)."
        )


def serve(copies: Path, chosen: argparse.Namespace, rest: list[str]) -> None:
    """Run JupyterLab on the folder `copies`, opened at the first notebook, until it is stopped."""
    try:
        from jupyterlab.labapp import LabApp  # late: without JupyterLab, the copies are still made
    except ImportError:
        sys.exit("JupyterLab is not installed in this Python: run `make lab`, or pip install jupyterlab.")
    port = free_port(chosen.port, chosen.ip)
    if port != chosen.port:
        print(f"Port {chosen.port} is in use, probably by a JupyterLab that still runs; using {port}.")
    if "SSH_CONNECTION" in os.environ:
        print(f"You are connected by ssh: on your own computer, run `ssh -N -L {port}:localhost:{port} ...` as well.")
    print(f"Starting JupyterLab on port {port}, with your notebooks in {copies}. Ctrl-C ends it.", flush=True)
    LabApp.launch_instance([*jupyter_options(copies), f"--port={port}", f"--ip={chosen.ip}", *rest])


def parse(arguments: Sequence[str] | None) -> tuple[argparse.Namespace, list[str]]:
    """Return the options of the command line, and those that are for JupyterLab alone."""
    parser = argparse.ArgumentParser(
        prog=program("lab"),
        description="Copy the notebooks, where you have no copy yet, and open yours in JupyterLab. Copies are never "
        "overwritten.",
        epilog="Other options are passed on to JupyterLab; `jupyter lab --help` lists them.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    folder = "where your copies are (default: work/ in the course's folder; from a wheel, ./pytorch-course)"
    add("--folder", type=Path, help=folder)
    add("--copy", action="store_true", help="make the copies that are absent and end, for work in an editor")
    back = "put a notebook (05) or an exercise (05.descend) back as it was given, keep yours beside it, and end"
    add("--reset", metavar="WHAT", help=back)
    add("--port", type=int, default=8888, help="where JupyterLab listens, if nothing else does (default: 8888)")
    add("--ip", default="localhost", help="the address that it listens on (default: localhost)")
    return parser.parse_known_args(arguments)


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
