"""`python -m tutorial_utils.lab`, which `make lab` runs: your own copies of the notebooks, opened in JupyterLab."""

import argparse
import errno
import json
import os
import socket
import sys
from contextlib import suppress
from pathlib import Path

from tutorial_utils.tools.copies import copy_notebooks, explain, write_whole

COURSE = Path(__file__).resolve().parents[2]  # the package is installed from here (pip install -e), not copied
FIRST_NOTEBOOK = "00_quickstart.ipynb"
SETTINGS = ".lab"  # among the copies: the folder of JupyterLab's settings for the course
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
