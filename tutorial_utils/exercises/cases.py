"""Cases that an attempt is tried on, what is observed of it, and which mistake it agrees with."""

import copy
import inspect
import io
import random
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, redirect_stdout
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from tutorial_utils.exercises.compare import find_difference, name_type, show, state
from tutorial_utils.exercises.guard import SETTINGS, expect_settings
from tutorial_utils.exercises.relations import find_relation

Observations = Mapping[str, Any]
Observe = Callable[..., Observations]  # called with an attempt and the inputs of a case


class Case(NamedTuple):
    """Inputs, and how a reply calls them; without a name it lists them."""

    inputs: tuple[Any, ...]
    name: str = ""


def case(*inputs: Any, name: str = "") -> Case:
    """Return a case: what an attempt is called with, and how a reply calls it, such as "for one row"."""
    return Case(inputs, name)


def returned(attempt: Callable[..., Any], *inputs: Any) -> Observations:
    """Observe what an attempt returns: what most exercises ask for."""
    return {"your result": attempt(*inputs)}


class Problem:
    """An answer, the cases that an attempt is tried on beside it, and mistakes as code.

    Args:
        answer: a function or a class; a function without parameters stands for the value that it returns.
        observe: runs an attempt on the inputs of a case, and returns what there is to compare, by name.
    """

    def __init__(self, answer: Callable[..., Any], observe: Observe) -> None:
        self.answer, self.observe = answer, observe
        self.examples: list[tuple[Case, Any]] = []
        self.known_mistakes: dict[str, Callable[..., Any]] = {}
        self._make_inputs: Callable[[], Iterable[Any]] = tuple
        self._cases: list[Case] = []
        self._known: dict[tuple[Callable[..., Any], int], Observations] = {}

    @property
    def name(self) -> str:
        """The name of what the learner writes."""
        return self.answer.__name__

    def example(self, *inputs: Any, gives: Any, name: str = "") -> None:
        """Add a case that was worked by hand: the answer has to give `gives`, one observation or several by name."""
        self.examples.append((Case(inputs, name), gives))
        self._cases = []

    def inputs(self, generator: Callable[[], Iterable[Any]]) -> Callable[[], Iterable[Any]]:
        """Take over, as a decorator, a generator of inputs: of tuples, or of what `case(...)` returns."""
        self._make_inputs, self._cases = generator, []
        return generator

    def mistakes(self, by_sentence: Mapping[str, Callable[..., Any]]) -> None:
        """Add wrong answers, each by the sentence that explains what is wrong with it."""
        assert not self.known_mistakes.keys() & by_sentence.keys(), "two mistakes with one sentence"
        self.known_mistakes |= by_sentence

    def mistake(self, sentence: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Add, as a decorator, a wrong answer that takes more than one line."""

        def add(wrong: Callable[..., Any]) -> Callable[..., Any]:
            self.mistakes({sentence: wrong})
            return wrong

        return add

    @property
    def input_names(self) -> list[str]:
        """How replies call the inputs: as `observe` does, or where it takes any number of them, as the answer does."""
        _, *own = inspect.signature(self.observe).parameters.values()
        if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in own):
            return list(inspect.signature(self.answer).parameters)
        return [parameter.name for parameter in own]

    @property
    def cases(self) -> list[Case]:
        """The cases in the order in which an attempt is tried: the examples, then the inputs, the same every time."""
        if not self._cases:
            torch.default_generator.manual_seed(1)
            made = [made if isinstance(made, Case) else Case(made) for made in self._make_inputs()]
            self._cases = [case for case, _ in self.examples] + made
        return self._cases

    def known(self, code: Callable[..., Any], position: int) -> Observations:
        """Return what is observed of the answer or of a mistake on a case; it is run once, as it stays the same."""
        if (code, position) not in self._known:
            self._known[code, position] = observe_all(self, code, self.cases[position])
        return self._known[code, position]


Rule = Callable[[Callable[..., Any], Problem], None]


def run(problem: Problem, attempt: Callable[..., Any], tried: Case) -> Observations:
    """Return what is observed of an attempt on copies of the inputs of a case, with random numbers from a fixed state.

    Raises:
        Exception: what the attempt raised, with a note of what it was called with.
    """
    for seed in random.seed, np.random.seed, torch.default_generator.manual_seed:  # `torch.manual_seed` takes 2 ms
        seed(0)
    settings = [setting.ask() for setting in SETTINGS]
    try:
        observed: Observations = problem.observe(attempt, *copy.deepcopy(tried.inputs))
    except Exception as error:
        if tried.inputs and not isinstance(error, AssertionError):
            called = (
                f"was tried {tried.name}" if tried.name else f"was called with {describe(problem, tried, brief=True)}"
            )
            error.add_note(f"{problem.name} {called}")
        raise
    expect_settings(settings)
    return observed


def expect_as_answer(attempt: Callable[..., Any], problem: Problem) -> None:
    """Compare what is observed of an attempt with what is observed of the answer, on every case.

    Raises:
        AssertionError: they differ; the message says how, and what that means if all cases agree on it.
        Exception: what the attempt itself raised, with a note of what it was called with.
    """
    cases = problem.cases
    for number, tried in enumerate(cases):
        try:
            with printing_later(number > 0):
                found = run(problem, attempt, tried)
                _compare(found, attempt, problem, cases, number)
        except AssertionError:
            raise
        except Exception as error:
            if error.args and (advice := find_mistake(attempt, problem, cases, number)):
                error.add_note(state(advice))
            raise


def _compare(
    found: Observations, attempt: Callable[..., Any], problem: Problem, cases: list[Case], number: int
) -> None:
    """Raise AssertionError with what is known of the first difference, if there is any."""
    for name, expected in problem.known(problem.answer, number).items():
        difference = find_difference(found.get(name), expected, name)
        if difference:
            advice = find_mistake(attempt, problem, cases, number)
            advice = advice or difference.advice or find_relation(*_both(attempt, problem, cases, name))
            where = describe(problem, cases[number])
            raise AssertionError(state(f"{where}, {difference.what}" if where else difference.what, advice))


def silent() -> AbstractContextManager[Any]:
    """Keep back what an attempt prints: the learner has seen it once."""
    return redirect_stdout(io.StringIO())


@contextmanager
def printing_later(later: bool) -> Iterator[None]:
    """Print what the block prints at once, or later and only if it fails."""
    kept = io.StringIO()
    try:
        with redirect_stdout(kept) if later else nullcontext():
            yield
    except BaseException:
        print(kept.getvalue(), end="")
        raise


def find_mistake(attempt: Callable[..., Any], problem: Problem, cases: list[Case], number: int) -> str:
    """Return the sentence of the mistake that the attempt makes: it agrees with it on each case where it is one.

    `number` is that of the case to explain. A mistake that the attempt agrees with on all cases comes before one that
    it agrees with only where that differs from the answer. Nothing is returned where no mistake fits.
    """
    seen: dict[int, Observations] = {}

    def look(position: int) -> Observations:
        if position not in seen:
            seen[position] = observe_all(problem, attempt, cases[position])
        return seen[position]

    order = [number, *(position for position in range(len(cases)) if position != number)]
    in_part = ""
    for sentence, mistake in problem.known_mistakes.items():
        everywhere = True
        for position in order:
            wrong = problem.known(mistake, position)
            fits = agree(look(position), wrong)
            if agree(wrong, problem.known(problem.answer, position)) and position != number:
                everywhere = everywhere and fits
            elif not fits:
                break
        else:
            if everywhere:
                return sentence
            in_part = in_part or sentence
    return in_part


def observe_all(problem: Problem, attempt: Callable[..., Any], tried: Case) -> Observations:
    """Return what is observed of an attempt; its error, where it raises one."""
    try:
        with silent(), warnings.catch_warnings(action="ignore"):  # the learner has seen them once
            return run(problem, attempt, tried)
    except (Exception, SystemExit) as error:
        return {"the error": f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"}


def agree(one: Observations, other: Observations) -> bool:
    """Return whether two runs cannot be told apart."""
    return one.keys() == other.keys() and all(find_difference(one[name], other[name]) is None for name in other)


def _both(attempt: Callable[..., Any], problem: Problem, cases: list[Case], name: str) -> tuple[list[Any], list[Any]]:
    """Return what was observed under a name of the attempt, and of the answer, on each case."""
    found = [observe_all(problem, attempt, tried).get(name) for tried in cases]
    return found, [problem.known(problem.answer, position).get(name) for position in range(len(cases))]


def describe(problem: Problem, tried: Case, brief: bool = False) -> str:
    """Return how a reply calls the inputs of a case: its name, small values, or types and shapes."""
    names = problem.input_names
    if brief:
        return ", ".join(f"{name}: {_kind(value)}" for name, value in zip(names, tried.inputs, strict=False))
    if tried.name or not tried.inputs:
        return tried.name
    shown = [f"`{name}`{_value(value)}" for name, value in zip(names, tried.inputs, strict=False)]
    return f"for {' and '.join(filter(None, [', '.join(shown[:-1]), shown[-1]]))}"


def _value(value: Any) -> str:
    """Return a value, if it is short, or its type and shape, as they follow a name."""
    if isinstance(value, Tensor | np.ndarray) and np.prod(value.shape) <= 6 and np.ndim(value) <= 2 and _numbers(value):
        kind = "" if value.dtype in (torch.float32, torch.int64) else f" ({str(value.dtype).removeprefix('torch.')})"
        return f" = {show(value if isinstance(value, Tensor) else value.tolist())}{kind}"
    if isinstance(value, Tensor | np.ndarray | nn.Module) or len(repr(value)) > 60 or " at 0x" in repr(value):
        return f": {_kind(value)}"
    return f" = {show(value)}"


def _numbers(value: Any) -> bool:
    return not isinstance(value, Tensor) or not value.is_meta


def _kind(value: Any) -> str:
    """Return the type of a value, of a tensor its shape and dtype: what an error is often about."""
    if isinstance(value, Tensor | np.ndarray):
        where = "" if not isinstance(value, Tensor) or value.device.type == "cpu" else f", on {value.device}"
        kind = "" if isinstance(value, Tensor) else "an array "
        return f"{kind}{tuple(value.shape)}, {str(value.dtype).removeprefix('torch.')}{where}"
    plain = isinstance(value, int | float | str | list | tuple | dict | type(None)) and len(repr(value)) <= 60
    return repr(value) if plain else name_type(value)
