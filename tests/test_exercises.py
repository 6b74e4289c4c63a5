"""The collection of exercises proves itself: an exercise is tested by being in its module."""

import ast
import inspect
import re
from importlib import import_module
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch

from tutorial_utils.exercises.cases import agree, observe_all
from tutorial_utils.exercises.catalogue import find_exercises, find_modules
from tutorial_utils.exercises.compare import find_difference
from tutorial_utils.exercises.exercise import Exercise

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
MODULES = {module.__name__.rpartition(".")[2]: module for module in find_modules()}
EXERCISES = {
    exercise.key: (module, name, exercise)
    for module in MODULES.values()
    for name, exercise in find_exercises(module).items()
}
ATTEMPTS = {module: import_module(f"attempts.{module}") for module in MODULES}
STUB_ERROR = "raise NotImplementedError  # your code here"

each_module = pytest.mark.parametrize("module", MODULES)
each_exercise = pytest.mark.parametrize("key", EXERCISES)
each_known_mistake = pytest.mark.parametrize(
    ("key", "sentence"),
    [(key, sentence) for key, (_, _, exercise) in EXERCISES.items() for sentence in exercise.known_mistakes],
)


def each_attempt(kind):
    """Run a test for each attempt of a kind, RIGHT or WRONG, in the modules of `attempts`."""
    attempts = [
        (module, name, label)
        for module, collection in ATTEMPTS.items()
        for name, by_label in getattr(collection, kind).items()
        for label in by_label
    ]
    return pytest.mark.parametrize(("module", "name", "label"), attempts)


def read_cells(module):
    return nbformat.read(NOTEBOOKS / f"{module.removeprefix('ex')}.ipynb", as_version=4).cells


def find_stubs(module):
    """Return the cells that ask for an answer, by the name that they pass to the check."""
    stubs = {}
    for position, cell in enumerate(read_cells(module)):
        if cell.cell_type == "code":
            for name in re.findall(r"^ex\.(\w+)\.check\(", cell.source, re.MULTILINE):
                stubs.setdefault(name, []).append((position, cell.source))
    return stubs


def run_stub(source, check):
    """Run the code of a stub cell with `check` in place of the exercise's, and return what is passed to it."""
    definition, _, last = source.rpartition("\n")
    name = re.fullmatch(r"ex\.(\w+)\.check\(\1\)", last).group(1)
    namespace = {}
    exec("import torch\nfrom torch import nn\nfrom torch.utils.data import Dataset\n" + definition, namespace)
    check(namespace[name])


def parameters(function):
    return list(inspect.signature(function).parameters)


# -------------------------------------------------------------------------------------------------- the collection


def test_there_is_a_module_for_each_notebook_with_five_exercises_or_more():
    assert list(MODULES) == [f"ex{path.stem}" for path in sorted(NOTEBOOKS.glob("*.ipynb"))]
    for name, module in MODULES.items():
        assert len(find_exercises(module)) >= 5, name
    assert len(EXERCISES) >= 44


@each_exercise
def test_it_has_the_name_of_its_answer_and_up_to_three_hints(key):
    module, name, exercise = EXERCISES[key]
    assert exercise.name == name
    assert key == f"{module.__name__.rpartition('.ex')[2]}.{name}"
    assert 1 <= len(exercise.hints) <= 3
    assert len(set(exercise.hints)) == len(exercise.hints)
    for hint in exercise.hints:
        assert hint[-1] in ".?"


@each_exercise
def test_the_answer_is_correct(key):
    _, _, exercise = EXERCISES[key]
    attempt = exercise.answer() if exercise.asks_for_a_value else exercise.answer
    assert exercise.judge(attempt) == ("correct", f"Correct.\n{exercise.further}".rstrip())


@each_exercise
def test_the_printed_solution_is_correct(key):
    module, name, exercise = EXERCISES[key]
    namespace = {k: v for k, v in vars(module).items() if not isinstance(v, Exercise)}
    exec(exercise.source, namespace)
    assert exercise.judge(namespace[name])[0] == "correct"


@each_exercise
def test_nothing_that_comes_back_makes_the_check_fail(key):
    _, _, exercise = EXERCISES[key]
    for result in None, 3, 2.5, "text", [1, 2], np.zeros(3), torch.zeros(2, 3), torch.zeros(1, device="meta"), torch:
        attempt = result if exercise.asks_for_a_value else lambda *inputs, result=result, **named: result
        outcome, reply = exercise.judge(attempt)
        assert outcome == "not yet", (result, reply)
        assert reply.startswith("Not yet. ")


@each_exercise
def test_the_example_that_was_worked_by_hand_is_what_the_answer_gives(key):
    exercise = EXERCISES[key][2]
    for tried, gives in exercise.examples:
        observed = observe_all(exercise, exercise.answer, tried)
        by_name = gives if isinstance(gives, dict) and gives.keys() <= observed.keys() else {"your result": gives}
        for name, expected in by_name.items():
            assert find_difference(observed[name], expected, name) is None


@each_exercise
def test_the_cases_are_the_same_every_time(key):
    exercise = EXERCISES[key][2]
    for one, other in zip(exercise.cases, exercise.cases, strict=True):
        assert agree(observe_all(exercise, exercise.answer, one), observe_all(exercise, exercise.answer, other))


@each_known_mistake
def test_a_known_mistake_is_refused_with_its_own_sentence(key, sentence):
    exercise = EXERCISES[key][2]
    wrong = exercise.known_mistakes[sentence]
    outcome, reply = exercise.judge(wrong() if exercise.asks_for_a_value else wrong)
    if isinstance(reply, Exception):
        reply = "\n".join(reply.__notes__)
    assert outcome in ("not yet", "crashed")
    assert sentence.lower() in reply.lower()


@each_attempt("RIGHT")
def test_a_right_answer_in_another_style_is_correct(module, name, label):
    exercise = vars(MODULES[module])[name]
    outcome, reply = exercise.judge(ATTEMPTS[module].RIGHT[name][label])
    assert outcome == "correct", reply


@each_attempt("WRONG")
def test_the_reply_to_a_wrong_answer_says_what_is_known(module, name, label):
    attempt, words = ATTEMPTS[module].WRONG[name][label]
    outcome, reply = vars(MODULES[module])[name].judge(attempt)
    if isinstance(reply, Exception):
        reply = "\n".join([str(reply), *reply.__notes__])
    assert outcome in ("not yet", "crashed", "timed out"), reply
    assert re.search(words, reply), reply
    assert "cannot be used as the exercise says" not in reply


@each_module
def test_each_exercise_has_an_example_two_known_mistakes_and_a_right_answer_in_another_style(module):
    exercises = find_exercises(MODULES[module])
    assert ATTEMPTS[module].RIGHT.keys() == exercises.keys()
    for name, exercise in exercises.items():
        assert exercise.examples, name
        assert len(exercise.known_mistakes) >= 2, name


# ---------------------------------------------------------------------------------------------- in the notebook


@each_module
def test_each_exercise_is_asked_once_in_its_own_notebook_in_the_order_of_the_module(module):
    stubs = find_stubs(module)
    assert list(stubs) == list(find_exercises(MODULES[module]))
    assert all(len(cells) == 1 for cells in stubs.values())


@each_exercise
def test_the_stub_is_not_attempted_and_has_the_parameters_of_the_answer(key):
    module, name, exercise = EXERCISES[key]
    (_, source) = find_stubs(module.__name__.rpartition(".")[2])[name][0]
    assert source.endswith(f"\nex.{name}.check({name})")
    first = ast.parse(source).body[-2]
    assert "# " in source.splitlines()[first.lineno - 1], "no shapes in the first line"

    def check(attempt):
        if exercise.asks_for_a_value:
            assert attempt is ...
        else:
            assert type(attempt) is type(exercise.answer)
            assert parameters(attempt) == parameters(exercise.answer)
            assert STUB_ERROR in source
        assert exercise.judge(attempt) == ("not attempted", "Not attempted yet.")

    run_stub(source, check)


@each_exercise
def test_the_task_is_told_in_both_languages_and_hint_and_solution_stand_below(key):
    module, name, _ = EXERCISES[key]
    cells = read_cells(module.__name__.rpartition(".")[2])
    (position, _) = find_stubs(module.__name__.rpartition(".")[2])[name][0]
    assert re.match(r"### Exercise: ", cells[position - 1].source)
    assert re.search(r"^> 练习：.+", cells[position - 1].source, re.MULTILINE)
    assert cells[position + 1].source == f"# ex.{name}.hint()\n# ex.{name}.solution()"
