"""Learners' scripts for the tests: right ones in several styles, and forked processes, which are cheap, to run them."""

import os
import runpy
import signal
import sys
from contextlib import contextmanager
from pathlib import Path

import torch
from forked import FORKS, Forked
from variants import VARIANTS

from tutorial_utils.capstone import runs, watch

RIGHT = Path(__file__).parent / "right"
STYLES = sorted([*(path.name.removesuffix("_train.py") for path in RIGHT.glob("*_train.py")), *VARIANTS])


def put(style: str, folder: Path, *changes: tuple[str, str, str]) -> Path:
    """Write the scripts of a style to a folder, with changes (file, old, new), and return train.py."""
    for kind in ("train", "predict"):
        own = RIGHT / f"{style}_{kind}.py"
        text = (own if own.exists() else RIGHT / f"plain_{kind}.py").read_text(encoding="utf-8")
        for file, old, new in (*(("train", *pair) for pair in VARIANTS.get(style, ())), *changes):
            if file == kind:
                assert old in text, f"{style}_{kind}.py has no {old!r}"
                text = text.replace(old, new)
        (folder / f"{kind}.py").write_text(text, encoding="utf-8")
    if style == "finetune":
        save_body(folder)
    return folder / "train.py"


def save_body(folder: Path) -> None:
    """Write the beginning of a network as a file, as if somebody else had trained it."""
    network = runpy.run_path(str(RIGHT / "plain_train.py"))["build"](8)
    body = {name: value for name, value in network.state_dict().items() if int(name.split(".")[0]) < 12}
    torch.save(body, folder / "finetune_body.pt")


def run_script(command: list[str], folder: Path) -> int:
    """In a forked process, do what `python command` does in a folder."""
    os.setsid()
    os.chdir(folder)
    if os.environ[watch.NOTES] or os.environ[watch.LARGEST]:
        runpy.run_path(watch.__file__)
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = command
    sys.path.insert(0, str(Path(command[0]).parent))
    runpy.run_path(command[0], run_name="__main__")
    return 0


class ForkedProcess:
    """A forked process with what `runs.run` asks of `Popen`."""

    def __init__(self, forked: Forked):
        self.process, self.pid = forked.process, forked.process.pid

    def poll(self) -> int | None:
        return self.process.exitcode

    @property
    def returncode(self) -> int | None:
        return self.process.exitcode

    def wait(self) -> None:
        self.process.join()


@contextmanager
def start_forked(command, place, environment):
    """Start a script as `runs.start` does, in a forked process; what is no script, in a fresh one."""
    if command[0] == "-m" or not FORKS:
        with START(command, place, environment) as process:
            yield process
        return
    process = ForkedProcess(Forked(place, run_script, command, place / "here", **environment))
    try:
        yield process
    finally:
        runs.end(process.pid)
        process.wait()


START = runs.start
