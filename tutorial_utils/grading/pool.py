"""Several notebooks at once: each in a worker, which waits for the next one as long as it lives."""

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tutorial_utils.exercises.recall import PACKAGE
from tutorial_utils.grading.full import grade_fully
from tutorial_utils.grading.read import Cell
from tutorial_utils.grading.sandbox import wrap
from tutorial_utils.storage.fashion_mnist import data_folder

KEPT = (  # what a worker sees of the environment: no passwords, and nothing that names a graphics card
    *("PATH", "LANG", "LC_ALL", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "LD_LIBRARY_PATH", "PYTHONUTF8"),
    *("TUTORIAL_SOURCE", "MPLCONFIGDIR", "HOME", "USERPROFILE"),
)


@dataclass(frozen=True)
class Limits:
    """What an exercise may use, and where it runs.

    Args:
        seconds: of computing, for one exercise, or for a whole notebook in full.
        memory: bytes, beyond those of Python and PyTorch.
        sandboxed: whether it runs in bubblewrap.
        full: whether the whole notebook runs, in a kernel.
    """

    seconds: float = 30
    memory: int = 2**31
    sandboxed: bool = False
    full: bool = False


@dataclass(frozen=True)
class Task:
    """A notebook to grade: its path, its learner, the module of its exercises, with their keys, and its cells."""

    path: Path
    learner: str
    module: str
    keys: dict[str, str]
    cells: list[Cell]


Found = tuple[dict[str, str], dict[str, str], str]  # outcomes and replies by key, and a remark


class Worker:
    """A process that grades one notebook after another."""

    def __init__(self, limits: Limits) -> None:
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        ours = {
            "CUDA_VISIBLE_DEVICES": "",
            "MPLBACKEND": "agg",
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(PACKAGE.parent),
            "TUTORIAL_DATA": str(data_folder().absolute()),
            "TUTORIAL_SOURCE": kept.get("TUTORIAL_SOURCE", "offline"),
        }
        command = wrap([data_folder()]) if limits.sandboxed else []
        self.limits = limits
        self.process = subprocess.Popen(
            [*command, sys.executable, "-m", "tutorial_utils.grading.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=kept | ours,
            start_new_session=True,  # Ctrl-C is for the one who asks
        )

    def grade(self, task: Task) -> Found:
        """Return what became of the exercises of a notebook.

        Raises:
            EOFError: the worker ended without an answer, or was too slow and had to be ended.
        """
        limits = self.limits
        job = {"module": task.module, "cells": task.cells, "seconds": limits.seconds, "memory": limits.memory}
        job["processes"] = 256 if limits.sandboxed else 0
        assert self.process.stdin
        assert self.process.stdout
        watch = threading.Timer(60 + len(task.keys) * (3 * limits.seconds + 150), self.process.kill)
        watch.start()
        try:
            self.process.stdin.write(json.dumps(job).encode() + b"\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
        except (BrokenPipeError, ValueError):
            answer = b""
        finally:
            watch.cancel()
        if not answer:
            raise EOFError
        return unpack(json.loads(answer), task.keys)

    def close(self) -> None:
        """End the process, and in a sandbox all that it has started."""
        self.process.kill()
        self.process.communicate()


def unpack(answer: dict[str, Any], keys: dict[str, str]) -> Found:
    """Return what a worker found, by the keys of the exercises."""
    verdicts = {keys[name]: verdict for name, verdict in answer["outcomes"].items()}
    outcomes = {key: outcome for key, (outcome, _) in verdicts.items()}
    replies = {key: reply for key, (_, reply) in verdicts.items()}
    return outcomes, replies, "; ".join(answer["remarks"])


def grade_tasks(tasks: Sequence[Task], limits: Limits, jobs: int) -> Iterator[tuple[Task, Found]]:
    """Yield what became of each notebook, as soon as it is done, `jobs` at a time.

    In a sandbox, the notebooks of one learner share a worker, and no others: they cannot harm anybody else's.
    """
    groups: queue.SimpleQueue[list[Task]] = queue.SimpleQueue()
    by_learner: dict[str, list[Task]] = {}
    for task in tasks:
        by_learner.setdefault(task.learner if limits.sandboxed else str(task.path), []).append(task)
    for group in by_learner.values():
        groups.put(group)
    done: queue.SimpleQueue[tuple[Task, Found]] = queue.SimpleQueue()
    hands = [Hand(limits, groups, done) for _ in range(max(1, min(jobs, len(by_learner))))]
    try:
        for hand in hands:
            hand.start()
        for _ in tasks:
            yield done.get()
    finally:
        for hand in hands:
            hand.stop()


class Hand(threading.Thread):
    """Takes groups of notebooks, and has each notebook graded."""

    def __init__(
        self,
        limits: Limits,
        groups: "queue.SimpleQueue[list[Task]]",
        done: "queue.SimpleQueue[tuple[Task, Found]]",
    ) -> None:
        super().__init__(daemon=True)
        self.limits, self.groups, self.done = limits, groups, done
        self.worker: Worker | None = None
        self.stopped = False

    def run(self) -> None:
        """Work until there is nothing left to do."""
        while not self.stopped:
            try:
                group = self.groups.get_nowait()
            except queue.Empty:
                break
            for task in group:
                self.done.put((task, self.grade(task)))
            if self.limits.sandboxed:
                self.drop()
        self.drop()

    def grade(self, task: Task) -> Found:
        """Return what became of a notebook, whatever happens."""
        try:
            if self.limits.full:
                outcomes, remark = grade_fully(task.cells, task.keys, self.limits.seconds)
                return outcomes, {}, remark
            self.worker = self.worker or Worker(self.limits)
            return self.worker.grade(task)
        except EOFError:
            self.drop()
            return {}, {}, "could not be graded: its process ended; try --full"
        except Exception as error:  # one notebook must never stop the rest
            self.drop()
            return {}, {}, f"could not be graded: {type(error).__name__}: {str(error)[:100]}"

    def drop(self) -> None:
        """End the worker, if there is one."""
        worker, self.worker = self.worker, None
        if worker:
            worker.close()

    def stop(self) -> None:
        """End as soon as possible."""
        self.stopped = True
        self.drop()


@cache
def find_keys() -> dict[str, dict[str, str]]:
    """Return for each module, such as "ex01_tensors", the keys of its exercises by name."""
    from tutorial_utils.exercises.catalogue import find_exercises, find_modules

    return {
        module.__name__.rpartition(".")[2]: {name: exercise.key for name, exercise in find_exercises(module).items()}
        for module in find_modules()
    }
