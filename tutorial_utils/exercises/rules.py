"""What an attempt has to keep to beside its results: rules with a name, for an exercise to list.

A rule runs once the results are right. The task says what a rule enforces.
"""

import copy
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from tutorial_utils.exercises.cases import Problem, Rule, run
from tutorial_utils.exercises.compare import find_difference
from tutorial_utils.exercises.guard import is_learners

Inputs = tuple[Any, ...]
COPY = "Work on a copy (`.clone()`), or compute a new tensor: `x - 1`, not `x -= 1` or `x.sub_(1)`."


class Calls(TorchFunctionMode):
    """Notes the names of the functions of PyTorch that the code in its `with` block calls.

    >>> with Calls() as calls:
    ...     product = torch.ones(2, 3).T @ torch.ones(2)
    >>> calls.names
    ['ones', '__get__', 'ones', 'matmul']
    """

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        __tracebackhide__ = True  # an error of the learner's shows no lines of ours
        self.names.append(getattr(function, "__name__", ""))
        return function(*args, **(kwargs or {}))


def keeps_arguments(attempt: Callable[..., Any], problem: Problem) -> None:
    """Expect that the arguments of a function are what they were before the call."""
    for tried in problem.cases:
        inputs = copy.deepcopy(tried.inputs)
        problem.observe(attempt, *inputs)
        for position, (before, after) in enumerate(zip(tried.inputs, inputs, strict=True)):
            if _is_changed(before, after):
                raise AssertionError(
                    f"The result is right, but your code changes its argument `{_name_argument(problem, position)}` in "
                    f"place: whoever passed it in still needs it as it was. "
                    f"{COPY if isinstance(before, Tensor) else 'Work on a copy of it.'}"
                )


def keeps_random_state(attempt: Callable[..., Any], problem: Problem) -> None:
    """Expect that the global random numbers of PyTorch, NumPy and Python go on as if nothing had been called."""
    for tried in problem.cases:
        inputs = copy.deepcopy(tried.inputs)
        before = random_states()
        problem.observe(attempt, *inputs)
        changed = [name for name, state in random_states().items() if state != before[name]]
        assert not changed, (
            f"The result is right, but your code draws from or seeds the global random numbers of {changed[0]}: what "
            "comes after it in the notebook is no longer what it was. Take a generator of its own."
        )


def random_states() -> dict[str, Any]:
    """Return the states of the global random numbers, by whose they are."""
    return {
        "PyTorch": torch.get_rng_state().tolist(),
        "NumPy": [part.tolist() if isinstance(part, np.ndarray) else part for part in np.random.get_state()],
        "Python": random.getstate(),
    }


def without_calls(advice: str, *names: str) -> Rule:
    """Expect that none of these functions of PyTorch is called, such as `cross_entropy` where it is to be written."""

    def rule(attempt: Callable[..., Any], problem: Problem) -> None:
        for tried in problem.cases:
            with Calls() as calls:
                run(problem, attempt, tried)
            used = [name for name in calls.names if name in names]
            assert not used, f"The result is right, but `{used[0]}` of PyTorch has made it. {advice}"

    return rule


def without_loop(advice: str, *sized: Callable[[int], Inputs]) -> Rule:
    """Expect that the attempt has no loop: its own code does as many steps for large inputs as for small ones.

    Args:
        advice: what does the work of the loop.
        sized: makes inputs, of which one size is the number that it gets; one for each size that may be large.
    """

    def rule(attempt: Callable[..., Any], problem: Problem) -> None:
        for make in sized:
            steps, takes_out = zip(*(_watch_steps(problem, attempt, make(size)) for size in (4, 24)), strict=True)
            assert steps[1] - steps[0] < 20, (
                f"The result is right, but your code does more steps for larger inputs, as a loop does. {advice}"
            )
            assert not any(takes_out), (
                f"The result is right, but your code takes the numbers out of PyTorch, one by one. {advice}"
            )

    return rule


def _watch_steps(problem: Problem, attempt: Callable[..., Any], inputs: Inputs) -> tuple[int, bool]:
    """Return how many instructions of the learner's own code run, and whether it makes a list of a tensor's numbers."""
    with Calls() as calls, counted_steps() as steps:
        problem.observe(attempt, *inputs)
    return steps.count, not {"tolist", "__iter__"}.isdisjoint(calls.names)


class Steps:
    """Counts instructions, as a trace function of Python."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, frame: FrameType, event: str, argument: Any) -> "Steps | None":
        if event == "call" and not is_learners(frame.f_code.co_filename):
            return None
        frame.f_trace_opcodes = True
        self.count += event == "opcode"
        return self


@contextmanager
def counted_steps() -> Iterator[Steps]:
    """Count, in the block, the instructions of Python that code of the learner's runs."""
    before, steps = sys.gettrace(), Steps()
    sys.settrace(steps)
    try:
        yield steps
    finally:
        sys.settrace(before)


def on_any_device(advice: str, *inputs: Any) -> Rule:
    """Expect a result where the inputs are: on `meta`, a device without numbers that stands for an accelerator."""

    def rule(attempt: Callable[..., Any], problem: Problem) -> None:
        moved = [x.to("meta") if isinstance(x, Tensor | nn.Module) else x for x in copy.deepcopy(inputs)]
        told = "The result is right on the CPU, but for inputs on another device"
        expected = problem.observe(problem.answer, *moved)
        try:
            found = problem.observe(attempt, *moved)
        except (RuntimeError, NotImplementedError) as error:
            if not error.args:
                raise
            raise AssertionError(f"{told} your code fails ({str(error).splitlines()[0]}): {advice}.") from error
        for name, wanted in expected.items():
            difference = find_difference(found.get(name), wanted, name)
            assert difference is None, f"{told} {difference.what}: {advice}."

    return rule


def _is_changed(before: Any, after: Any) -> bool:
    """Return whether an argument is no longer what it was before the call."""
    if isinstance(before, np.ndarray):
        return not np.array_equal(before, after)
    return isinstance(before, Tensor | list | dict) and find_difference(after, before) is not None


def _name_argument(problem: Problem, position: int) -> str:
    """Return the name of the argument at `position`."""
    names = problem.input_names
    return names[position] if position < len(names) else f"number {position + 1}"
