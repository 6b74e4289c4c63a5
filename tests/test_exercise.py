"""What an exercise says to an attempt, whatever the attempt is, and that nothing of it stays behind."""

import contextlib
import json
import random
import re
import signal
import sys
import threading
import time
import traceback
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._device import _device_constructors
from torch.utils.data import Dataset

from tutorial_utils.exercises import exercise as machinery
from tutorial_utils.exercises import guard, progress
from tutorial_utils.exercises.cases import case
from tutorial_utils.exercises.catalogue import find_modules
from tutorial_utils.exercises.compare import Words, find_difference, state
from tutorial_utils.exercises.exercise import Exercise
from tutorial_utils.exercises.guard import TimeUp, Watch, is_learners
from tutorial_utils.exercises.record import read_record, record_file, remember
from tutorial_utils.exercises.relations import find_relation
from tutorial_utils.exercises.rules import (
    Calls,
    keeps_arguments,
    keeps_random_state,
    on_any_device,
    without_calls,
    without_loop,
)


def double(x):  # (N,) -> (N,)
    return 2 * x


def first_shape():
    size = 28
    return (1, size, size)


class Squares(Dataset):
    def __init__(self, count):
        self.count = count

    def __getitem__(self, index):
        return index**2


def make_double(**settings):
    exercise = Exercise(double, hints=("Twice.", "Use `*`."), **settings)
    exercise.example(torch.tensor([1.0, 2.0, 3.0]), gives=torch.tensor([2.0, 4.0, 6.0]))
    exercise.inputs(lambda: [(torch.randn(size),) for size in (1, 7)])
    exercise.mistakes({"you squared; doubling multiplies by two": lambda x: x**2})
    return exercise


DOUBLE = make_double(rules=(keeps_arguments,))
SHAPE = Exercise(first_shape, hints=("Look.",))
SHAPE.example(gives=(1, 28, 28))
SQUARES = Exercise(Squares, hints=("Look.",), observe=lambda attempt, count: {"entry 2": attempt(count)[2]})
SQUARES.example(3, gives={"entry 2": 4})


@pytest.fixture(autouse=True)
def own_record(tmp_path, monkeypatch):
    path = tmp_path / "progress.json"
    monkeypatch.setenv("TUTORIAL_PROGRESS", str(path))
    return path


def reply(attempt, exercise=DOUBLE):
    outcome, text = exercise.judge(attempt)
    assert outcome == "not yet", text
    assert text.startswith("Not yet. ")
    assert text.endswith((".", "?"))
    return text


# ------------------------------------------------------------------------------------------------- three outcomes


def test_what_is_right_is_correct(capsys):
    DOUBLE.check(lambda x: x + x)
    SHAPE.check((1, 28, 28))
    SQUARES.check(Squares)
    assert capsys.readouterr().out == "Correct.\n" * 3


def test_an_exercise_may_say_something_that_goes_further_once_it_is_solved(capsys):
    exercise = make_double(further="`x + x` is as fast.")
    exercise.check(lambda x: x**2)
    assert "as fast" not in capsys.readouterr().out
    exercise.check(double)
    assert capsys.readouterr().out == "Correct.\n`x + x` is as fast.\n"


def test_a_stub_is_not_attempted():
    def stub(x):
        raise NotImplementedError

    class Stub(Dataset):
        def __init__(self, count):
            raise NotImplementedError

    for exercise, attempt in (DOUBLE, stub), (SQUARES, Stub), (SHAPE, ...):
        assert exercise.judge(attempt) == ("not attempted", "Not attempted yet.")


def test_a_method_that_is_missing_is_not_a_stub():
    class Module(nn.Module):
        pass

    class Unreadable(Dataset):
        def __init__(self, count):
            pass

    assert 'missing the required "forward"' in reply(Module())
    assert "should implement __getitem__" in reply(Unreadable, SQUARES)


def test_a_wrong_answer_reads_what_came_what_was_expected_and_why():
    assert reply(lambda x: x**2) == (
        "Not yet. For `x` = [1, 2, 3], your result is [1, 4, 9], expected [2, 4, 6]: you squared; doubling "
        "multiplies by two."
    )


@pytest.mark.parametrize(
    ("attempt", "words"),
    [
        (lambda x: None, r"is None, expected a tensor of shape \(3,\): is a `return` missing\?"),
        (lambda x: [2.0, 4.0, 6.0], r"is a list, .*`torch\.tensor"),
        (lambda x: (2 * x).numpy(), "is a NumPy array, .*functions of torch"),
        (lambda x: 2.0, "is a float, expected a tensor"),
        (lambda x: "2 4 6", "is a str, expected a tensor"),
        (lambda x: nn.ReLU(), "is a ReLU, expected a tensor"),
        (lambda x: (2 * x).double(), r"dtype torch\.float64, expected torch\.float32: the numbers are right"),
        (
            lambda x: (2 * x).long(),
            r"dtype torch\.int64, expected torch\.float32: what follows the decimal point was cut",
        ),
        (lambda x: (2 * x).unsqueeze(1), r"shape \(3, 1\), expected \(3,\): .*dimension of size 1"),
        (lambda x: 2 * x[:2], r"shape \(2,\), expected \(3,\)\.$"),
        (lambda x: 2 * x[1:], r"shape \(2,\), expected \(3,\): the first entry is missing\.$"),
        (lambda x: 6 * x, "each number is 3 times what it should be"),
        (
            lambda x: torch.tensor([2.0, 4.0, 6.0]),
            r"For `x` = \[-?0.\d+\], your result has shape \(3,\), expected \(1,\)\.$",
        ),
        (lambda x: x**2 if len(x) == 3 else x, r"\[1, 4, 9\], expected \[2, 4, 6\]\.$"),
        (lambda x: 2 * x.to("meta"), "on the device meta, expected cpu: .*`device=x.device`"),
        (lambda x: x / 0 * 0, r"is \[nan, nan, nan\], expected \[2, 4, 6\]: nan comes from"),
        (lambda x: x.mul_(2), "changes its argument `x` in place"),
        (lambda: 1, r"called with 1 argument, \(x\); yours has the parameters \(\)"),
        (lambda x, y: 1, r"yours has the parameters \(x, y\)"),
        (torch.ones(3), "got an object of type Tensor, expected a function: .*`double`, and not its result"),
        (None, "got an object of type NoneType"),
        ("double", "got an object of type str"),
        (nn.ReLU, "got the class ReLU, expected a function"),
        (nn.ReLU(), r"is \[1, 2, 3\], expected \[2, 4, 6\]"),
        (torch.cat, r"cannot be used as the exercise says: TypeError: cat"),
        (lambda x: torch.empty(3).mul(2), "nan, nan, nan"),
        (lambda x: sys.exit(1), r"ends the program \(SystemExit\)"),
    ],
)
def test_whatever_an_attempt_is_or_returns_the_reply_is_a_sentence(attempt, words):
    assert re.search(words, reply(attempt)), reply(attempt)


@pytest.mark.parametrize("attempt", [lambda x: (2 * x).requires_grad_(), lambda x: x.add(x).view(-1), nn.Flatten(0)])
def test_gradients_and_views_do_not_matter(attempt):
    expected = "not yet" if isinstance(attempt, nn.Module) else "correct"
    assert DOUBLE.judge(attempt)[0] == expected


def test_a_class_is_asked_for_as_a_class():
    assert "pass the class itself, without parentheses" in reply(Squares(3), SQUARES)


def test_what_an_attempt_prints_is_shown(capsys):
    DOUBLE.check(lambda x: print(len(x)) or 2 * x)
    assert capsys.readouterr().out == "3\nCorrect.\n"


def test_of_the_later_cases_what_an_attempt_prints_is_shown_where_it_fails(capsys):
    DOUBLE.check(lambda x: print(len(x)) or (2 * x if len(x) < 7 else x))
    assert capsys.readouterr().out.startswith("3\n7\nNot yet. For `x`: (7,), float32, your result is [")


def test_an_assert_of_the_learner_is_a_reply():
    def attempt(x):
        assert x.sum() == 0, "sum is not 0"

    assert reply(lambda x: attempt(x)) == "Not yet. An assert in your code failed: sum is not 0."


# --------------------------------------------------------------------------------------------- errors, time, depth


def test_what_stands_between_the_learners_code_and_pytorch_hides_in_the_traceback():
    with pytest.raises(RuntimeError, match="invalid for input") as caught:
        DOUBLE.check(lambda x: x.reshape(5))
    frames = [frame for frame, _ in traceback.walk_tb(caught.value.__traceback__)]
    ours = [frame.f_locals for frame in frames if guard.is_of_exercises(frame.f_code.co_filename)]
    assert len(ours) > 1  # the check itself, and what fills memory
    assert all("__tracebackhide__" in names for names in ours)


def test_the_learners_error_is_raised_whole_without_lines_of_the_package():
    def helper(x):
        return x.no_such_thing

    def attempt(x):
        return helper(x)

    with pytest.raises(AttributeError, match="no_such_thing") as caught:
        DOUBLE.check(attempt)
    names = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert names[-2:] == ["attempt", "helper"]
    assert not {"judge", "run", "returned"}.intersection(names)
    assert read_record(record_file()) == {DOUBLE.key: "crashed"}


def test_an_error_says_what_the_code_was_called_with_and_the_mistake_that_ends_in_it():
    exercise = make_double()
    exercise.mistakes({"a table needs two dimensions": lambda x: x @ x.T.reshape(1, -1)})
    for attempt, notes in (
        (lambda x: x.no_such_thing, ["double was called with x: (3,), float32"]),
        (lambda x: x @ x.reshape(1, -1), ["double was called with x: (3,), float32", "A table needs two dimensions."]),
    ):
        outcome, error = exercise.judge(attempt)
        assert (outcome, error.__notes__) == ("crashed", notes)


def apply(function, x):
    return function(x)


def test_an_error_in_what_the_check_passed_in_is_told_in_words():
    namespace = {}
    exec(compile("def add_text(x):\n    return x + 'a'", guard.__file__, "exec"), namespace)  # a function of a check
    exercise = Exercise(apply, hints=("Call it.",))
    exercise.example(namespace["add_text"], 3, gives=None)

    def attempt(function, x):
        return function(x)

    assert reply(attempt, exercise).startswith(
        "Not yet. What your code passes on, in `return function(x)`, cannot be used there: TypeError: unsupported"
    )


def test_two_arguments_are_counted_and_listed():
    def add(a, b):
        return a + b

    text = reply(lambda a: a, Exercise(add, hints=("Add.",)))
    assert text.startswith("Not yet. `add` is called with 2 arguments, (a, b); yours has the parameters (a).")


def test_an_assert_without_a_message_is_told_too():
    def attempt(x):
        raise AssertionError

    assert reply(attempt) == "Not yet. An assert in your code failed: it has no message."


def test_an_error_in_a_library_that_the_learner_called_is_the_learners():
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        DOUBLE.check(lambda x: x.reshape(1, 3) @ x.reshape(1, 3))


def test_an_interrupt_by_the_learner_stops_the_check():
    def attempt(x):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        DOUBLE.check(attempt)


def test_endless_recursion_is_told():
    def attempt(x):
        return attempt(x)

    assert "calls itself without an end" in reply(attempt)


def endless(x):
    while True:
        pass


def asleep(x):
    time.sleep(60)


def stubborn(x):
    while True:
        with contextlib.suppress(Exception):
            time.sleep(60)


@pytest.mark.parametrize(
    ("attempt", "computing", "waiting", "told"),
    [
        (endless, 0.1, 60, "0.1 seconds of computing"),
        (asleep, 60, 0.1, "0.1 seconds, most of them of waiting"),
        (stubborn, 60, 0.1, "0.1 seconds, most of them of waiting"),
    ],
)
def test_an_attempt_has_a_limited_time(attempt, computing, waiting, told, monkeypatch):
    monkeypatch.setattr(machinery, "TIME_LIMIT", computing)
    monkeypatch.setattr(machinery, "WALL_LIMIT", waiting)
    assert DOUBLE.judge(attempt) == (
        "timed out",
        f"Not yet. Your code was stopped after {told}; it should need less than a second. Does it ever end?",
    )


needs_timer = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="Windows has no such timer")


@pytest.mark.parametrize("limit", [pytest.param(guard._limit_by_timer, marks=needs_timer), guard._limit_by_interrupt])
def test_both_ways_of_limiting_time_stop_what_is_endless_and_nothing_else(limit):
    interrupt = signal.getsignal(signal.SIGINT)
    with pytest.raises(TimeUp), limit(Watch(0.05, 0.05)):
        endless(None)
    with limit(Watch(0.05, 0.05)):
        pass
    time.sleep(0.1)  # a timer that was still running would raise here
    with pytest.raises(KeyboardInterrupt), limit(Watch(5, 5)):
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is interrupt
    assert not issubclass(TimeUp, Exception)


def test_outside_the_main_thread_a_check_works_without_a_limit():
    outcomes = []
    thread = threading.Thread(target=lambda: outcomes.append(DOUBLE.judge(double)))
    thread.start()
    thread.join()
    assert outcomes == [("correct", "Correct.")]


def test_code_of_the_package_of_python_and_of_libraries_is_not_the_learners():
    assert is_learners(__file__)
    assert is_learners("<ipython-input-1-abc>")
    assert not is_learners(machinery.__file__)
    assert not is_learners(torch.__file__)
    assert not is_learners(json.__file__)
    assert not is_learners("<frozen importlib._bootstrap>")


# ------------------------------------------------------------------------------------------------ no trace is left


def wreck(x):
    """Change all that the cells below a check could notice."""
    random.seed(7), np.random.seed(7), torch.manual_seed(7)
    torch.set_default_dtype(torch.float64)
    torch.set_default_device("meta")
    torch.set_grad_enabled(False)
    torch.set_num_threads(torch.get_num_threads() + 1)
    torch.use_deterministic_algorithms(True)
    torch.set_anomaly_enabled(True)
    sys.setrecursionlimit(sys.getrecursionlimit() + 100)
    warnings.simplefilter("ignore")
    return torch.tensor([2.0, 4.0, 6.0], device="cpu", dtype=torch.float32)


def observe():
    return [
        random.getstate(),
        np.random.get_state()[1].tolist(),
        torch.get_rng_state().tolist(),
        torch.get_default_dtype(),
        torch.get_default_device(),
        torch.is_grad_enabled(),
        torch.get_num_threads(),
        torch.are_deterministic_algorithms_enabled(),
        torch.is_anomaly_enabled(),
        sys.getrecursionlimit(),
        list(warnings.filters),
    ]


def test_nothing_an_attempt_does_reaches_the_cells_below():
    before = observe()
    assert DOUBLE.judge(wreck)[0] == "not yet"
    assert observe() == before


def test_the_settings_of_the_notebook_do_not_reach_the_attempt():
    def attempt(x):
        assert torch.ones(1).dtype == torch.float32
        assert torch.is_grad_enabled()
        assert torch.get_num_threads() == 1  # what is tiny gains nothing by more, and waits where cores are busy
        return torch.rand(3)

    try:
        torch.set_default_dtype(torch.float64)
        with torch.no_grad():
            first, second = reply(attempt), reply(attempt)
            torch.rand(1)
            assert reply(attempt) == first == second  # the same random numbers each time
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


def test_memory_that_is_not_initialised_holds_no_zeros_by_luck():
    with guard.guarded(5, 5):
        assert torch.empty(3).isnan().all()
        assert torch.empty_like(torch.ones(2, 3)).isnan().all()
        assert torch.ones(2).new_empty(3, dtype=torch.uint8).tolist() == [255] * 3
        assert torch.empty(2, dtype=torch.bool).all()
        assert nn.Linear(2, 3).weight.isfinite().all()
        assert torch.empty(2, 3, layout=torch.sparse_coo).is_sparse


def test_a_check_knows_devices_without_numbers_and_leaves_them_to_the_cells_below():
    def build():
        return nn.Linear(1_000_000, 1_000_000)  # 4 TB: with numbers, no machine makes it

    _device_constructors.cache_clear()  # as in a notebook whose first meta tensor is made in a check
    with guard.guarded(5, 5):
        with torch.device("meta"):
            assert build().weight.is_meta
        with FakeTensorMode():
            assert build().weight.shape == (1_000_000, 1_000_000)
    with torch.device("meta"):
        assert build().weight.is_meta


# ---------------------------------------------------------------------------------------------- hints and solutions


def test_hints_come_one_by_one_and_then_again(capsys):
    exercise = Exercise(double, hints=("Twice.", "Times two.", "Use `*`."))
    for _ in range(4):
        exercise.hint()
    assert capsys.readouterr().out.splitlines() == [
        "Hint 1 of 3: Twice.",
        "Hint 2 of 3: Times two.",
        "Hint 3 of 3: Use `*`.",
        "Hint 1 of 3: Twice.",
    ]


def test_the_solution_is_the_code_of_the_answer(capsys):
    DOUBLE.solution()
    assert capsys.readouterr().out == "def double(x):  # (N,) -> (N,)\n    return 2 * x\n"
    SHAPE.solution()
    assert capsys.readouterr().out == "size = 28\nfirst_shape = (1, size, size)\n"


def test_in_a_notebook_the_solution_is_highlighted(monkeypatch, capsys):
    shown = []
    monkeypatch.setattr(machinery, "in_notebook", lambda: True)
    monkeypatch.setattr("IPython.display.display", shown.append)
    DOUBLE.solution()
    assert [piece.data for piece in shown] == [f"```python\n{DOUBLE.source}\n```"]
    assert capsys.readouterr().out == ""


def show_help(exercise, capsys):
    """Return the lines that a hint and the solution of an exercise print."""
    exercise.hint()
    exercise.solution()
    return capsys.readouterr().out.splitlines()


def test_a_class_can_do_without_hints_and_solutions(monkeypatch, capsys):
    monkeypatch.setenv("TUTORIAL_HINTS", "never")
    monkeypatch.setenv("TUTORIAL_SOLUTIONS", "Never")
    assert show_help(make_double(), capsys) == [
        "Hints are not shown in this class (TUTORIAL_HINTS=never).",
        "Solutions are not shown in this class (TUTORIAL_SOLUTIONS=never).",
    ]


def test_hints_and_solutions_can_wait_until_the_exercise_is_solved(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("TUTORIAL_PROGRESS", str(tmp_path / "progress.json"))
    monkeypatch.setenv("TUTORIAL_HINTS", "after-correct")
    monkeypatch.setenv("TUTORIAL_SOLUTIONS", "after-correct")
    exercise = make_double()
    assert show_help(exercise, capsys) == [
        "Hints are shown once the exercise is solved (TUTORIAL_HINTS=after-correct).",
        "Solutions are shown once the exercise is solved (TUTORIAL_SOLUTIONS=after-correct).",
    ]
    exercise.check(double)
    capsys.readouterr()
    hint, first, *_ = show_help(exercise, capsys)
    assert hint.startswith("Hint 1 of ")
    assert first.startswith("def double(x)")


def test_a_setting_for_a_class_that_means_nothing_says_what_there_is(monkeypatch):
    monkeypatch.setenv("TUTORIAL_SOLUTIONS", "maybe")
    with pytest.raises(ValueError, match=r"maybe means nothing\. Choose always, after-correct, or never"):
        DOUBLE.solution()


# ------------------------------------------------------------------------------------------------------- comparing


@pytest.mark.parametrize(
    ("result", "expected", "words"),
    [
        (torch.ones(2, 3), torch.ones(3, 2), r"has shape \(2, 3\), expected \(3, 2\)\.$"),
        (torch.ones(4, 5), torch.zeros(4, 5), r"differs in 20 of 20 places; at \[0, 0\] it is 1, expected 0"),
        (torch.tensor([1]), torch.tensor([True]), r"dtype torch\.int64, expected torch\.bool\.$"),
        (1, Words("nothing"), "is 1, expected nothing"),
        (Words("a whole model"), {"a": 1}, "is a whole model, expected a dictionary"),
        (torch.tensor(2.0), 2.0, r"is a Tensor, expected a Python number: `\.item\(\)`"),
        (np.float64(2.0), 2.0, "expected a Python number"),
        (True, 1, "is True, expected the number 1"),
        ("2", 2, "is '2', expected the number 2"),
        (2.0, 2, r"is 2\.0, a float, expected a whole number, an int"),
        ((2.0, 0), (2, 0), r"your result\[0\] is 2\.0, a float"),
        (torch.ones(1, device="meta"), "a", "is a tensor of shape"),
        (None, 2, r"is None, expected the number 2: is a `return` missing\?"),
        (2.1, 2.0, r"is 2\.1, expected 2\.$"),
        (1, True, "is 1, expected True"),
        (None, "a", r"is None, expected 'a': is a `return` missing\?"),
        ([1, 2], (1, 2), "is a list, expected a tuple of length 2"),
        (None, (1, 2), "is None, expected a tuple of length 2: is a `return` missing"),
        ((1,), (1, 2), "has length 1, expected 2"),
        ((1, 3), (1, 2), r"is \(1, 3\), expected \(1, 2\)"),
        ((torch.ones(1), 3), (torch.ones(1), 2), r"your result\[1\] is 3, expected 2"),
        ({"a": 1}, {"b": 1}, r"has the keys \['a'\], expected \['b'\]"),
        (dict.fromkeys("abcdefxy"), dict.fromkeys("abcdefgh"), r"your result lacks the keys \['g', 'h'\]"),
        (dict.fromkeys("abcdefgh"), dict.fromkeys("abcdefg"), r"your result has the keys \['h'\] too many"),
        ({"a": 1}, {"a": 2}, r"your result\['a'\] is 1, expected 2"),
        ([1], {"a": 2}, "is a list, expected a dictionary"),
        (3, {"a": 2}, "is an int, expected a dictionary"),
        (float("nan"), 1.0, "is nan, expected 1"),
    ],
)
def test_a_difference_is_put_into_words(result, expected, words):
    difference = find_difference(result, expected, "your result")
    assert re.search(f"(?i){words}", state(*difference))


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (torch.tensor([1.000001]), torch.tensor([1.0])),
        (torch.tensor([float("nan")]), torch.tensor([float("nan")])),
        (torch.tensor([1.0], requires_grad=True), torch.tensor([1.0])),
        (nn.Parameter(torch.ones(2)), torch.ones(2)),
        (torch.Size([1, 2]), (1, 2)),
        (float("nan"), float("nan")),
        (torch.ones(2, device="meta"), torch.zeros(2, device="meta")),
        (1, 1.0),
        ({"a": [1.0, "b"]}, {"a": [1.0, "b"]}),
        (None, None),
        (torch.tensor([1 + 2j]), torch.tensor([1 + 2j])),
    ],
)
def test_what_is_equal_up_to_rounding_passes(result, expected):
    assert find_difference(result, expected) is None


def test_whole_numbers_are_compared_exactly():
    assert find_difference(torch.tensor([1_000_000]), torch.tensor([1_000_001])) is not None
    for other in 1_000_000, 10**40:
        assert find_difference(other, 1_000_001) is not None


def test_a_number_of_numpy_is_equal_to_another_one_and_to_no_number_of_pythons():
    assert find_difference(np.uint32(3), np.uint32(3)) is None
    assert find_difference(np.uint32(3), np.uint32(4)) is not None
    assert find_difference(np.uint32(3), 3) is not None


def test_arrays_and_tables_are_compared_as_a_whole():
    for make in np.array, pd.Series:
        assert find_difference(make([1, 2]), make([1, 2])) is None
        for other in [1, 3], [1, 2, 3]:
            assert find_difference(make(other), make([1, 2])) is not None


def test_words_are_shown_as_they_are_and_ask_for_no_return():
    difference = find_difference(Words("None"), torch.ones(2), "the gradient")
    assert difference == ("the gradient is None, expected a tensor of shape (2,)", "")


def test_a_gradient_that_is_none_is_no_missing_return():
    difference = find_difference(None, torch.ones(2), "`x.grad`")
    assert difference == ("`x.grad` is None, expected a tensor of shape (2,)", "")


def test_the_name_stands_in_the_message():
    assert state(*find_difference(1, 2, "the second row")) == "The second row is 1, expected 2."


@pytest.mark.parametrize(
    ("found", "expected", "words"),
    [
        ([torch.ones(2, 3)], [torch.ones(3, 2)], ""),  # equal numbers prove nothing
        ([torch.arange(6.0).reshape(2, 3)], [torch.arange(6.0).reshape(2, 3).T], "rows and columns exchanged"),
        ([torch.arange(6.0).reshape(1, 2, 3)], [torch.arange(6.0).reshape(1, 2, 3).mT], "last two dimensions"),
        ([torch.arange(4.0).unsqueeze(1)], [torch.arange(4.0)], "dimension of size 1"),
        ([torch.arange(4.0).long()], [torch.arange(4.0)], "in another dtype"),
        ([np.array([1, 2, 4], dtype=">u4")], [torch.tensor([1, 2, 4])], "in another dtype"),
        ([torch.tensor([1, 2, 3])], [torch.tensor([1.5, 2.5, 3.2])], "cut off"),
        ([torch.tensor([-1.0, 2.0, 3.0])], [torch.tensor([1.0, -2.0, -3.0])], "sign is turned"),
        ([torch.tensor([3.0, 1.0, 2.0])], [torch.tensor([1.0, 2.0, 3.0])], "shifted by one place"),
        ([10.0, 20.0, 5.0], [2.0, 4.0, 1.0], "5 times"),
        ([0.5, 1.0, 2.0], [2.0, 4.0, 8.0], "divided by 4"),
        ([3.0, 5.0, 9.0], [2.0, 4.0, 8.0], "1 too large"),
        ([0.2, 0.4, 0.4], [0.8, 0.6, 0.6], ""),  # two different numbers: 1 minus them may be chance
        ([0.2, 0.4, 0.7], [0.8, 0.6, 0.3], "1 minus it"),
        ([torch.tensor([1.0, 2.0, 3.0]), 4], [torch.tensor([2.0, 4.0, 6.0]), 5], ""),  # holds on one case only
        ([(1, 2)], [(2, 1)], "the two have changed places"),
        ([torch.ones(3, device="meta")], [torch.arange(3.0)], ""),
        (["a", None], ["b", torch.ones(2)], ""),
        ([torch.arange(3.0).expand(3, 3)], [torch.arange(3.0)], "each of its rows"),
        ([torch.tensor(6.0)], [torch.arange(4.0)], "sum of the entries"),
        ([torch.tensor([False, False, True])], [torch.tensor([True, True, False])], ""),
    ],
)
def test_how_numbers_relate_is_said_where_it_holds_on_all_cases(found, expected, words):
    text = find_relation(found, expected)
    assert re.search(words, text) if words else text == ""


@pytest.mark.parametrize(
    ("change", "value"),
    [
        (lambda rows: rows.append(1), [1, 2]),
        (lambda rows: rows.update(b=1), {"a": 1}),
        (lambda rows: rows.fill(0), np.ones(2)),
        (lambda rows: rows.unsqueeze_(0), torch.ones(2)),
    ],
)
def test_a_changed_argument_is_told_by_its_name_and_stays_whole(change, value):
    def ignore(rows):
        return None

    exercise = Exercise(ignore, hints=("Do nothing.",), rules=(keeps_arguments,))
    exercise.example(value, gives=None)
    before = str(value)

    def attempt(given):
        change(given)

    assert "changes its argument `rows` in place" in reply(attempt, exercise)
    assert str(value) == before
    assert exercise.judge(lambda rows: None)[0] == "correct"


def test_a_mistake_is_named_only_where_the_attempt_agrees_on_every_case():
    exercise = make_double()
    exercise.mistakes({"you added 2": lambda x: x + 2})
    assert "you added 2" in reply(lambda x: 2 + x, exercise)
    assert "added" not in reply(lambda x: x + 2 if len(x) == 3 else x, exercise)


def test_a_long_reply_is_broken_between_words(capsys):
    DOUBLE.check(lambda x: x**2)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= machinery.WIDTH
    assert " ".join(lines) == reply(lambda x: x**2)


def test_of_two_mistakes_that_fit_the_one_that_fits_on_all_cases_is_named():
    exercise = Exercise(double, hints=("Twice.",))
    exercise.inputs(lambda: [(3,), (0,), (-2,)])
    exercise.mistakes({"3 is wrong": lambda x: 2 * x + (x == 3), "1 is added": lambda x: 2 * x + (x >= 0)})
    assert "1 is added" in reply(lambda x: 2 * x + int(x > -1), exercise)
    assert "3 is wrong" in reply(lambda x: 7 if x == 3 else 2 * x + 9, exercise)  # which fits on the case of the reply


def test_a_case_may_have_a_name():
    exercise = Exercise(double, hints=("Twice.",))
    exercise.inputs(lambda: [case(torch.arange(3.0), name="for a small table")])
    assert reply(lambda x: x, exercise).startswith("Not yet. For a small table, your result is [0, 1, 2], expected")


def test_settings_that_an_attempt_leaves_behind_are_told():
    def attempt(x):
        torch.set_grad_enabled(False)
        return 2 * x

    assert "changes whether gradients are recorded from True to False" in reply(attempt)
    assert torch.is_grad_enabled()


@pytest.mark.parametrize(
    "attempt",
    [
        lambda x: torch.stack([2 * number for number in x]),
        lambda x: torch.tensor([2 * number for number in x.tolist()]),
        lambda x: torch.tensor(list(map(double, x.numpy()))),
        lambda x: torch.tensor([2 * x[i].item() for i in range(len(x))]),
    ],
)
def test_a_loop_over_the_entries_is_noticed_however_it_is_written(attempt):
    exercise = make_double(rules=(without_loop("Double all at once.", lambda size: (torch.randn(size),)),))
    assert reply(attempt, exercise).endswith("as a loop does. Double all at once.")
    assert exercise.judge(lambda x: x.add(x).mul(3).div(3))[0] == "correct"


def test_rules_are_kept_or_told():
    def draw(x):
        return 2 * x + 0 * torch.rand(len(x))

    assert "random numbers of PyTorch" in reply(draw, make_double(rules=(keeps_random_state,)))
    assert "`add` of PyTorch has made it. Write" in reply(
        lambda x: torch.add(x, x), make_double(rules=(without_calls("Write it.", "add"),))
    )
    device = on_any_device("make it where `x` is", torch.ones(2))
    assert "on the device cpu, expected meta: make it" in reply(
        lambda x: torch.zeros(len(x)) if x.is_meta else 2 * x, make_double(rules=(device,))
    )
    assert (
        make_double(rules=(keeps_random_state, without_calls("Write it.", "add"), device)).judge(double)[0] == "correct"
    )


def test_what_a_first_import_takes_does_not_count():
    importing = "def look(watch, work):\n    work()\n    import sys\n    return watch.look(sys._getframe())"
    namespace = {}
    exec(compile(importing, "<frozen importlib._bootstrap>", "exec"), namespace)

    def work():
        end = time.process_time() + 0.1
        while time.process_time() < end:
            pass

    watch = Watch(0.05, 60)
    assert not namespace["look"](watch, work)
    work()
    assert watch.look(sys._getframe()) == "0.05 seconds of computing"


def test_a_value_that_is_none_is_no_missing_return():
    assert reply(None, SHAPE) == "Not yet. check got None, expected a value: what should `first_shape` be?"


def test_the_calls_of_pytorchs_functions_are_noted_by_name():
    with Calls() as calls:
        torch.ones(2).sum()
        torch.cat([torch.zeros(1)])
    assert calls.names == ["ones", "sum", "zeros", "cat"]


# ---------------------------------------------------------------------------------------- what replies call things


class Scale:
    def __init__(self, factor):
        self.factor = factor

    def __call__(self, x):
        return self.factor * x


def scale(attempt, factor, x):
    return {"what comes out": attempt(factor)(x)}


def test_the_inputs_of_an_exercise_have_the_names_that_observe_gives_them():
    exercise = Exercise(Scale, hints=("Times.",), observe=scale, rules=(keeps_arguments,))
    exercise.example(2, torch.tensor([3.0]), gives=torch.tensor([6.0]))
    wrong, fails, in_place = (
        type("Scale", (Scale,), {"__call__": f})
        for f in (
            lambda self, x: x,
            lambda self, x: x.no_such_thing,
            lambda self, x: x.mul_(self.factor),
        )
    )
    assert reply(wrong, exercise).startswith("Not yet. For `factor` = 2 and `x` = [3], what comes out is [3], expected")
    assert exercise.judge(fails)[1].__notes__ == ["Scale was called with factor: 2, x: (1,), float32"]
    assert "changes its argument `x` in place" in reply(in_place, exercise)


def test_words_are_shown_whole_and_without_quotes():
    words = Words("a list of two transforms, of which the second fails with an error of more than eighty characters")
    assert find_difference(words, Words("a tensor"), "it").what == f"it is {words}, expected a tensor"


# -------------------------------------------------------------------------------------------------------- progress


def test_progress_counts_what_is_solved_and_keeps_it(own_record, capsys):
    remember("01_tensors.standardize", "not yet")
    remember("01_tensors.standardize", "correct")
    remember("01_tensors.standardize", "crashed")
    assert read_record(own_record) == {"01_tensors.standardize": "correct"}

    lines = table(capsys)
    assert lines[0].split() == ["notebook", "exercises", "solved"]
    assert [line.split()[0] for line in lines[1:-1]] == [f"{m.removeprefix('ex')}" for m in modules()]
    (row,) = [line.split() for line in lines if line.startswith("01_tensors")]
    assert row[2] == "1"
    assert lines[-1].split()[0] == "all"
    assert lines[-1].split()[2] == "1"


def table(capsys):
    """Return the lines of the table that `progress` prints, without what follows."""
    progress()
    return capsys.readouterr().out.partition("\n\n")[0].splitlines()


def modules():
    return [module.__name__.rpartition(".")[2] for module in find_modules()]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        '{"a": "solved"}',
        '{"a": []}',
        "\ufffd",
        '{"a"',
        '{"a": {}}',
        '{"a": {"outcome": "solved"}}',
        '{"a": {"outcome": "correct", "due": "soon"}}',
        '{"a": {"outcome": "correct", "solved": 3}}',
        '{"a": {"outcome": "correct", "solved": [3]}}',
    ],
)
def test_a_damaged_record_starts_anew_with_a_word(content, own_record, capsys):
    own_record.write_text(content)
    remember("01_tensors.standardize", "correct")
    said = capsys.readouterr().out
    assert said.count(f"Your progress in {own_record} cannot be read") == 1
    assert "starts anew" in said
    assert read_record(own_record) == {"01_tensors.standardize": "correct"}


def test_a_folder_in_place_of_the_record_does_not_stop_the_lesson(own_record, capsys):
    own_record.mkdir()
    for _ in range(2):
        DOUBLE.check(double)
    progress()
    said = capsys.readouterr().out
    assert said.count("cannot be read") == said.count("is not saved") == 1  # and not after every check
    assert said.count("Correct.") == 2


def test_progress_does_not_count_what_the_course_no_longer_asks(capsys):
    remember("01_tensors.asked_last_year", "correct")
    assert table(capsys)[-1].split()[2] == "0"


def test_a_record_that_cannot_be_written_does_not_stop_the_lesson(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").touch()
    monkeypatch.setenv("TUTORIAL_PROGRESS", str(tmp_path / "file" / "progress.json"))
    DOUBLE.check(double)
    said = capsys.readouterr().out
    assert "Your progress is not saved" in said
    assert "Set TUTORIAL_PROGRESS to a file that can be written" in said
    assert said.endswith("Correct.\n")


def test_without_a_setting_the_record_is_in_the_users_data_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("TUTORIAL_PROGRESS")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert record_file().name == "progress.json"
    assert record_file().parent.name == "tutorial_utils"


def remember_twenty(name):
    for number in range(20):
        remember(f"{name}.{number}", "correct")


def test_several_kernels_may_solve_at_once(own_record, fork):
    kernels = [fork(remember_twenty, name) for name in "abc"]
    assert [kernel.finish().returncode for kernel in kernels] == [0, 0, 0]
    assert read_record(own_record) == {f"{name}.{i}": "correct" for name in "abc" for i in range(20)}
    assert [path.name for path in own_record.parent.glob("progress*") if path.suffix != ".lock"] == ["progress.json"]
