"""A learner's script as a process: what it was told, what it said, how it ended, and what it took."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

import tutorial_utils.capstone.watch as watch

PATIENCE = 0.02  # seconds between two looks at a process
WAITING = 3  # times the processor time that a process may take altogether
LIVING: set[int] = set()  # processes that run now


@dataclass
class Run:
    """One process that has ended.

    Attributes:
        status: its exit status, negative for a signal.
        seconds: of processor time, and `memory` in bytes, as last seen.
        late: whether it was ended because it took too long; `waited` is how long altogether, in seconds.
        hosts: what it asked the network for.
    """

    command: list[str]
    folder: Path  # with its output
    status: int = 0
    stdout: str = ""
    stderr: str = ""
    seconds: float = 0.0
    memory: int = 0
    late: bool = False
    waited: float = 0.0
    hosts: list[str] = field(default_factory=list)
    began_anew: bool = False  # whether metrics.csv became shorter on the way
    rows_while_halted: int | None = None  # epochs that one process finished while its fellow stood still

    @property
    def output(self) -> Path:
        """The folder that it was told to write to."""
        return self.folder / "output"

    @property
    def started_in(self) -> Path:
        """The folder in which it was started, empty before."""
        return self.folder / "process" / "here"

    @property
    def last_words(self) -> str:
        """The last lines of standard error, which name the mistake."""
        lines = [line for line in self.stderr.splitlines() if line.strip()]
        return "\n".join(lines[-6:])


def run(
    command: Sequence[str | Path],
    folder: Path,
    limit: float,
    interrupt: Callable[[psutil.Process], bool] = lambda process: False,
    largest: int | None = None,
) -> Run:
    """Return what became of a Python command that was run for at most `limit` seconds of processor time.

    It runs in a folder of its own, on one thread, without a GPU and a network, so that the same command does the same.
    `interrupt` is asked again and again, and ends the process at once, as a power cut does, when it returns True.
    With `largest`, the process is killed while it writes a file beyond so many bytes.
    """
    done = Run([str(part) for part in command], folder)
    place = folder / "process"
    with prepare(place, largest) as environment, start(done.command, place, environment) as process:
        begun, looked = time.monotonic(), psutil.Process(process.pid)
        while process.poll() is None:
            look(looked, done)
            done.waited = time.monotonic() - begun
            done.late = done.seconds > limit or done.waited > WAITING * limit * crowd()
            if done.late or interrupt(looked):
                end(process.pid)
            time.sleep(PATIENCE)
    done.status = process.returncode
    done.stdout, done.stderr = ((place / name).read_text(encoding="utf-8", errors="replace") for name in STREAMS)
    done.hosts = sorted(set((place / "notes").read_text(encoding="utf-8").split("\n")) - {""})
    return done


STREAMS = ("stdout", "stderr")


@contextmanager
def prepare(place: Path, largest: int | None) -> Iterator[dict[str, str]]:
    """Make an empty folder to run in, and yield the environment of a process there."""
    shutil.rmtree(place, ignore_errors=True)
    (place / "watch").mkdir(parents=True)
    (place / "here").mkdir()
    (place / "notes").touch()
    shutil.copyfile(watch.__file__, place / "watch" / "sitecustomize.py")
    paths = [str(place / "watch"), *filter(None, [os.environ.get("PYTHONPATH")])]
    settings = {
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONIOENCODING": "utf-8",
        "PYTHONUNBUFFERED": "1",
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "TUTORIAL_DEVICE": "cpu",
        watch.NOTES: str(place / "notes"),
        watch.LARGEST: "" if largest is None else str(largest),
    }
    yield os.environ | settings


@contextmanager
def start(command: list[str], place: Path, environment: dict[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    """Start Python, in a group of processes of its own, which ends with the block."""
    with (place / "stdout").open("wb") as stdout, (place / "stderr").open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=place / "here",
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
        LIVING.add(process.pid)
        try:
            yield process
        finally:
            end(process.pid)
            process.wait()
            LIVING.discard(process.pid)


def crowd() -> float:
    """Return how many times longer everything takes, because others use this machine, too; 1 where nobody does."""
    return max(1.0, psutil.getloadavg()[0] / (os.cpu_count() or 1))


def look(process: psutil.Process, done: Run) -> None:
    """Note what a process takes now, with those that it has started."""
    with suppress(psutil.Error):
        family = [process, *process.children(recursive=True)]
        times = [member.cpu_times() for member in family]
        done.seconds = max(done.seconds, sum(each.user + each.system for each in times))
        done.memory = max(done.memory, *(member.memory_info().rss for member in family))


def end(pid: int) -> None:
    """End a process and all that it has started, at once."""
    with suppress(OSError, psutil.Error):
        if hasattr(os, "killpg"):
            os.killpg(pid, signal.SIGKILL)
        else:
            for process in (*psutil.Process(pid).children(recursive=True), psutil.Process(pid)):
                process.kill()


def end_all() -> None:
    """End every process that runs now."""
    for pid in list(LIVING):
        end(pid)
