"""What runs first in every process of the judge, as its `sitecustomize.py`: it notes who asks for the network.

With `CAPSTONE_LARGEST`, no file can grow beyond so many bytes: the process is killed while it writes on. That is how a
machine fails in the middle of saving, each time at the same byte. Standard library only, and nothing of the course.
"""

import os
import signal
import sys
from typing import Any

NOTES, LARGEST = "CAPSTONE_NOTES", "CAPSTONE_LARGEST"
HERE = ("localhost", "127.", "::1", "0.0.0.0")
MACHINE = os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "localhost")


def is_here(host: object) -> bool:
    """Return whether the name or address is this machine's own, where `torchrun` lets its processes meet."""
    name = host.decode() if isinstance(host, bytes) else host
    return not isinstance(name, str) or not name or name.startswith(HERE) or name == MACHINE


def refuse_network(event: str, details: tuple[Any, ...]) -> None:
    """Note and refuse what would leave this machine; a hook for `sys.addaudithook`."""
    if event == "socket.getaddrinfo":
        host = details[0]
    elif event == "socket.connect" and isinstance(details[1], tuple):
        host = details[1][0]
    else:
        return
    if not is_here(host):
        with open(os.environ[NOTES], "a", encoding="utf-8") as notes:  # noqa: PTH123 - pathlib takes time to import
            notes.write(f"{host}\n")
        raise OSError(f"capstone check: there is no network here, and {host} was asked for")


def limit_files(largest: int) -> None:
    """Let this process be killed when it writes a file beyond `largest` bytes."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # Python ignores it, and would raise an OSError instead


if os.environ.get(NOTES):
    sys.addaudithook(refuse_network)
if os.environ.get(LARGEST):
    limit_files(int(os.environ[LARGEST]))
