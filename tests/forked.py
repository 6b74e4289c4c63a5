"""Processes that cost next to nothing: forked from one that has imported PyTorch, which takes seconds each time.

Linux forks safely; elsewhere each process is a fresh one, slower and otherwise the same. So it is in `make mutate`,
which tests each mutant in a fork of its own: that cannot use what its parent forks from.
"""

import multiprocessing
import os
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

FORKS = sys.platform == "linux" and "MUTANT_UNDER_TEST" not in os.environ
CONTEXT = multiprocessing.get_context("forkserver" if FORKS else "spawn")
CONTEXT.set_forkserver_preload(
    ["pytest", "ipykernel.kernelapp", "tutorial_utils.train", "tutorial_utils.exercises.ex00_quickstart"]
)
PATIENCE = 120  # seconds after which a process that should have ended, or said something, counts as stuck

_parent = None  # in such a process, the connection to the test


class Forked:
    """A process that calls `function(*arguments)` in the environment and folder of the test, with those changes.

    It ends with what the function returns as its status. What it prints is in two files in `folder`.
    """

    def __init__(self, folder: Path, function: Callable, *arguments: object, **environment: str):
        self.files = [folder / "stdout", folder / "stderr"]
        self._child, child_end = CONTEXT.Pipe()
        self.process = CONTEXT.Process(
            target=_run,
            args=(function, arguments, os.environ | environment, Path.cwd(), self.files, child_end),
        )
        self.process.start()
        child_end.close()  # so that a process that ends early is noticed

    def wait_until_told(self) -> str:
        """Return what the process passes to `tell`, as soon as it does."""
        assert self._child.poll(PATIENCE), f"the process says nothing: {self.read()}"
        try:
            return self._child.recv()
        except EOFError:
            raise AssertionError(f"the process ended too early: {self.read()}") from None

    def finish(self) -> CompletedProcess:
        """Return the status and the output of the process once it has ended."""
        self.process.join(PATIENCE)
        assert self.process.exitcode is not None, f"the process never ends: {self.read()}"
        return CompletedProcess(self.process.name, self.process.exitcode, *self.read())

    def kill(self) -> None:
        """End the process at once."""
        self.process.kill()
        self.process.join()

    def read(self) -> list[str]:
        """Return what the process has written so far to standard output and to standard error."""
        return [file.read_text(encoding="utf-8") if file.exists() else "" for file in self.files]


def tell(sentence: str) -> None:
    """In such a process, pass a sentence to the test that waits for it."""
    _parent.send(sentence)


def wait_for_ever() -> None:
    """In such a process, wait until the test kills it."""
    _parent.recv()


def _run(function, arguments, environment, folder, files, parent):
    global _parent
    _parent = parent
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    for number, (path, stream) in enumerate(zip(files, (sys.stdout, sys.stderr), strict=True), start=1):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, number)
        os.close(file)
        stream.reconfigure(encoding="utf-8", line_buffering=True)
    sys.exit(function(*arguments))


# ------------------------------------------------------------------------------------------------ kernels of Jupyter


class ForkedKernel:
    """A forked process that is a kernel of Jupyter, with the methods of `Popen` that Jupyter calls."""

    stdin = stdout = stderr = None

    def __init__(self, forked: Forked):
        forked.wait_until_told()  # before, a signal to its group would reach the tests
        self.pid, self._process = forked.process.pid, forked.process

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self) -> int:
        self._process.join()
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)


def run_kernel(command: list[str], folder: str | None) -> None:
    """In such a process, do what the command that starts a kernel does."""
    from ipykernel.kernelapp import launch_new_instance

    os.setsid()  # Jupyter sends its signals to a group
    tell("in a group of its own")
    os.chdir(folder or ".")
    launch_new_instance(command[command.index("ipykernel_launcher") + 1 :])
