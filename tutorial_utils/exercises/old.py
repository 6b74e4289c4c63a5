# mypy: ignore-errors
# ruff: noqa: D101, D103, E501
"""Exercises that compare with fixed values."""

import copy
import inspect

from tutorial_utils.exercises import rules
from tutorial_utils.exercises.compare import find_difference as find_difference
from tutorial_utils.exercises.exercise import Exercise as New
from tutorial_utils.exercises.rules import COPY
from tutorial_utils.exercises.rules import Calls as Calls


class Exercise(New):
    def __init__(self, answer, verify, hints, further=""):
        super().__init__(answer, hints=hints, further=further)
        self.verify = verify


def call(attempt, *inputs):
    copies = copy.deepcopy(inputs)
    result = attempt(*copies)
    for position, (before, after) in enumerate(zip(inputs, copies, strict=True)):
        if rules._is_changed(before, after):
            try:
                name = list(inspect.signature(attempt).parameters)[position]
            except (IndexError, TypeError, ValueError):
                name = f"number {position + 1}"
            raise AssertionError(
                f"Your code changes its argument `{name}` in place: whoever passed it in still needs it as it was. {COPY}"
            )
    return result


def expect_no_loop(attempt, few, many, added, advice):
    counts = []
    for inputs in few, many:
        with Calls() as calls:
            attempt(*inputs)
        counts.append(len(calls.names))
    assert counts[1] - counts[0] < added, (
        f"The numbers are right, but your code calls PyTorch {counts[0]} times for a small input and {counts[1]} times "
        f"for a larger one: there is a loop in it. {advice}"
    )
