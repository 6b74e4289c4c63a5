"""What the grader reads, chooses and looks for, part by part."""

import ast
import json
import os
import pickle
import sys
import time
from types import SimpleNamespace

import pytest
from filled import MODULES, fill
from test_grade import CHECK_PICK, OUTER, PICK, PICK_STUB, SET_UP, answers, dump

from tutorial_utils.exercises import ex01_tensors
from tutorial_utils.grading import attempt, closed, worker
from tutorial_utils.grading.choose import choose, find_module
from tutorial_utils.grading.look import look
from tutorial_utils.grading.pool import find_keys
from tutorial_utils.grading.read import parse_cells
from tutorial_utils.grading.statements import find_names, find_statements

NAMES = ["pick", "outer"]


def code_of(plan):
    """Return the statements of a plan as they would be written."""
    return [ast.unparse(statement.node) for statement in plan.statements]


def plan(*cells, name="pick", lesson=()):
    plans, _ = choose(parse_cells(dump(*cells)), NAMES, lesson)
    return plans.get(name)


@pytest.mark.parametrize("module", MODULES)
def test_what_the_courses_own_notebooks_import_is_no_remark(module):
    """Notebook 02 writes a module and imports it; 07 uses libraries that may be missing."""
    statements, _ = find_statements(parse_cells(json.dumps(fill(module)).encode()))
    assert worker.find_missing(statements, module) == ""
    added, _ = find_statements(parse_cells(dump("import no_such_library.part")))
    assert worker.find_missing([*statements, *added], module) == "ModuleNotFoundError: no_such_library.part in cell 1"


# ---------------------------------------------------------------------------------------------------------- choosing


@pytest.mark.parametrize(
    ("cells", "needed"),
    [
        (["import torch, math", "def pick(s, c):\n    return torch.ones(1)"], ["import torch", 1]),
        (["from math import sin, cos", "pick = cos"], ["from math import cos", 1]),
        (["N = 3\nM = 4", "def rows():\n    return N", "pick = rows"], ["N = 3", 1, 2]),
        (["N = 3", "pick = N", "N = 5"], ["N = 3", 1]),  # what it was then
        (["def pick(s, c):\n    return N", "N = 5"], [0, "N = 5"]),  # what it is when it is called
        (["x = []", "x.append(1)\nx[0] = 2", "y = 0", "pick = x"], ["x = []", "x.append(1)", "x[0] = 2", 3]),
        (["n = 1\nn += 1", "pick = n"], ["n = 1", "n += 1", 1]),
        (["for n in range(3):\n    train()", "n = 1", "pick = n"], ["n = 1", 2]),
        (["for n in range(3):\n    pass", "pick = n"], [0, 1]),  # there is no other
        (["def pick(model):\n    return model", "model = train()"], [0]),  # its own argument
        (["def pick(s, c):\n    return s", "pick = wrap(pick)", "wrap = id"], [0, 1, 2]),
        (["from math import *", "pick = pi"], [0, 1]),
        ([OUTER, "def pick(s, c):\n    return outer(s, c)"], [0, 1]),
    ],
)
def test_an_exercise_needs_what_its_names_lead_to(cells, needed):
    whole = [ast.unparse(ast.parse(cells[part])) if isinstance(part, int) else part for part in needed]
    assert code_of(plan(*cells)) == whole


def test_a_value_is_taken_with_the_loop_that_fills_it():
    steps = "pick = 0\nfor n in range(3):\n    pick = pick + n\nex.pick.check(pick)"
    assert len(plan(steps).statements) == 2


def test_the_last_answer_that_is_no_stub_counts():
    assert "return 2" in code_of(plan("def pick(a, b): return 1", "def pick(a, b): return 2", PICK_STUB))[-1]
    assert plan(PICK_STUB, CHECK_PICK).is_stub
    assert plan("pick = ...").is_stub
    assert plan("x = 1") is None
    assert isinstance(plan("def pick(:"), SyntaxError)


def test_a_statement_of_the_lesson_answers_nothing():
    lesson = {ast.dump(ast.parse("pick = 3").body[0])}
    assert plan(PICK_STUB, "pick = 3", lesson=lesson).is_stub


@pytest.mark.parametrize("module", MODULES)
def test_the_courses_own_notebook_is_all_stubs_and_nothing_in_it_is_flagged(module):
    names = list(find_keys()[module])
    for notebook, untouched in (fill(module, []), True), (fill(module), False):
        content = dump(*notebook["cells"])
        plans, _ = choose(parse_cells(content), names, worker.lesson(module))
        assert list(plans) == names
        whole = [statement.node for plan in plans.values() for statement in plan.statements]
        assert look(whole, names) == []
        functions = [plan for plan in plans.values() if not isinstance(plan.answer.node, ast.ClassDef)]
        assert {plan.is_stub for plan in functions} == {untouched}


@pytest.mark.parametrize(
    ("code", "module"),
    [
        ("from tutorial_utils.exercises import ex01_tensors as ex", "ex01_tensors"),
        ("import tutorial_utils.exercises.ex05_autograd", "ex05_autograd"),
        ("from tutorial_utils.exercises.ex05_autograd import kept, accumulate", "ex05_autograd"),
        ("# import ex01_tensors", ""),
        ("import torch", ""),
    ],
)
def test_a_notebook_belongs_to_the_module_that_it_imports(code, module):
    assert find_module(parse_cells(dump(code)), ["ex01_tensors", "ex05_autograd"]) == module


def test_names_that_a_function_has_of_its_own_are_not_the_notebooks():
    binds, uses = find_names(ast.parse("class A(B):\n    c = d\n    def e(self, f):\n        return c + f + g").body[0])
    assert (set(binds), set(uses)) == ({"A"}, {"B", "d", "c", "g"})


def test_what_cannot_be_parsed_is_named_and_leaves_the_rest():
    statements, broken = find_statements(parse_cells(dump("x = 1", "def", "((" * 3000, "%%html\n<b>", "!ls\ny = 2")))
    assert [cell.number for cell, _ in broken] == [2, 3]
    assert {name for statement in statements for name in statement.binds} >= {"x", "y"}


# -------------------------------------------------------------------------------------------------- looking, closing


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("model.eval()\ntorch.compile(f)\nopen('x')\nimport os\nos.path.join('a')", []),
        ("eval('1')", ["eval"]),
        ("f.__globals__", ["__globals__"]),
        ("getattr(f, 'x')\ngetattr(f, a + b)", ["getattr of a computed name"]),
        ("from gc import get_objects", ["gc.get_objects"]),
        ("from tutorial_utils.exercises import ex01_tensors, progress", []),
        ("from tutorial_utils.exercises.exercise import Exercise", ["tutorial_utils.exercises.exercise"]),
        ("f = ex.pick.answer\nself.answer = 3", ["pick.answer"]),
        ("open('/proc/1/mem')", ["/proc/"]),
        ("import sys\nsys.modules\nmodel.modules()", ["sys.modules"]),
        ("class A:\n    def __eq__(self, other): return True", ["a method __eq__"]),
    ],
)
def test_what_is_worth_a_look_is_found_and_no_more(code, found):
    assert look(ast.parse(code).body, NAMES) == found


def frame(*files):
    """Return what looks like a frame in the last of the files, called from those before it."""
    back = None
    for file in files:
        name = file.removesuffix(".py")
        back = SimpleNamespace(f_code=SimpleNamespace(co_filename=file), f_globals={"__name__": name}, f_back=back)
    return back


SECRET = f"{closed.PACKAGE}{os.sep}exercises{os.sep}ex01_tensors.py"


@pytest.mark.parametrize(
    ("event", "arguments", "files", "refused"),
    [
        ("open", (SECRET,), ("judge.py", "cell 3"), "a file of the exercises"),
        ("open", (SECRET.encode(),), ("cell 3", "pathlib.py"), "a file of the exercises"),
        ("open", (SECRET,), ("judge.py", "linecache.py"), ""),
        ("open", ("/tmp/x",), ("cell 3",), ""),
        ("open", (3,), ("cell 3",), ""),
        ("sys._getframe", (), ("cell 3",), "sys._getframe"),
        ("sys._getframe", (), ("cell 3", "inspect.py"), "sys._getframe"),
        ("sys._getframe", (), ("cell 3", "collections.py"), ""),
        ("object.__getattr__", (None, "tb_frame"), ("cell 3",), "tb_frame"),
        ("object.__getattr__", (None, "__code__"), ("cell 3",), ""),
    ],
)
def test_only_handed_in_code_is_refused_what_is_not_its_own(event, arguments, files, refused):
    assert closed.refuse(event, arguments, frame(*files), [0]) == refused


def test_processes_are_counted():
    started = [0]
    for _ in range(closed.PROCESSES_ALLOWED):
        assert closed.refuse("os.fork", (), frame("cell 3"), started) == ""
    assert closed.refuse("os.fork", (), frame("cell 3"), started) == "more than 64 processes"


def test_lines_for_a_traceback_are_no_offence():
    assert closed.is_by_linecache(frame("torch.py", "linecache.py", "tokenize.py"))
    assert not closed.is_by_linecache(frame("cell 3", "pathlib.py"))


def test_a_function_that_was_replaced_is_named(monkeypatch):
    compare = closed.take_stock()
    assert compare() == []
    monkeypatch.setattr("torch.equal", lambda *tensors: True)
    assert compare() == ["torch.equal"]


@pytest.fixture
def stand_ins(monkeypatch):
    """The stand-ins of one module in the place of the exercises, until the test is over."""
    import tutorial_utils

    before = {name: module for name, module in sys.modules.items() if name.startswith(closed.CLOSED_MODULES)}
    rooms = {name: vars(tutorial_utils)[name] for name in ("exercises", "grading")}
    caught = []
    closed.stand_in([("ex01_tensors", NAMES)], caught)
    yield caught
    for name in [name for name in sys.modules if name.startswith(closed.CLOSED_MODULES)]:
        del sys.modules[name]
    sys.modules.update(before)
    vars(tutorial_utils).update(rooms)


def test_a_stand_in_says_nothing_and_knows_nothing(stand_ins, capsys):
    from tutorial_utils import exercises
    from tutorial_utils.exercises import ex01_tensors as ex

    ex.pick.check(None)
    ex.pick.hint()
    exercises.progress()
    assert capsys.readouterr().out == ""
    assert not hasattr(ex.pick, "answer")
    with pytest.raises(ModuleNotFoundError):
        import tutorial_utils.exercises.exercise  # noqa: F401


def test_only_what_pickles_finds_the_functions_of_the_exercises(stand_ins):
    own = ex01_tensors.__name__
    name, helper = next(
        (name, value) for name, value in vars(ex01_tensors).items() if getattr(value, "__module__", "") == own
    )
    assert pickle.loads(pickle.dumps(helper)) is helper
    for line in f"ex.{name}", f"getattr(ex, {name!r})", f"from {own} import {name}":
        code = compile(f"from tutorial_utils.exercises import ex01_tensors as ex\n{line}", "cell 1", "exec")
        with pytest.raises((AttributeError, ImportError), match=name):
            exec(code, {})
    assert stand_ins == [f"{name} of the exercises"] * 3


# --------------------------------------------------------------------------------------------------------- judging


def try_pick(*cells, monkeypatch):
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    return attempt.run_and_judge(plan(*cells), ex01_tensors.pick, seconds=10)


@pytest.mark.parametrize(
    ("cells", "outcome", "reply", "first"),
    [
        (["import torch", PICK], "correct", "Correct.", ""),
        (["pick = 3"], "not yet", "expected a function", ""),
        (["pick = nothing"], "crashed", "NameError: name 'nothing' is not defined in cell 1", "NameError"),
        (["import no_such as n", "pick = n.f"], "not reached", "NameError", "ModuleNotFoundError: no_such in cell 1"),
        (["import no_such as n", "def pick(s, c):\n    return n.f(s)"], "not reached", "in cell 2, line 2", "no_such"),
        (["def pick(s, c):\n    return s.nothing"], "crashed", "'nothing' in cell 1, line 2.", ""),
        (["raise SystemExit", "pick = exit()"], "crashed", "SystemExit", "SystemExit"),
        (["ex.pick.check(nothing)"], "crashed", "NameError", ""),
    ],
)
def test_the_reply_says_what_became_of_an_answer(cells, outcome, reply, first, monkeypatch):
    found = try_pick(*cells, monkeypatch=monkeypatch)
    assert found[0] == outcome
    assert reply in found[1]
    assert first in found[2]


def test_a_verdict_is_a_line_with_the_nonce():
    reader, writer = os.pipe()
    os.write(writer, b'print\n["correct", "", "", []]\n')
    attempt.report(writer, "secret", ("not yet", "Not yet. 对", "", ["gc", "gc"]))
    os.close(writer)
    assert worker.listen(reader, "secret", end=time.monotonic() + 60) == ("not yet", "Not yet. 对", "", ["gc"])
    os.close(reader)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no such statuses")
@pytest.mark.parametrize(
    ("status", "outcome", "words"),
    [(9, "timed out", "never ends"), (11, "crashed", "SIGSEGV"), (256, "crashed", "exit")],
)
def test_a_process_that_ends_without_a_word_is_explained(status, outcome, words):
    found = worker.explain_end(status)
    assert found[0] == outcome
    assert words in found[1]


@pytest.mark.slow  # as on Windows and macOS: a fresh process for each exercise
def test_where_nothing_can_be_forked_the_verdict_is_the_same(monkeypatch):
    monkeypatch.setattr(worker, "FORKS", False)
    job = {"module": "ex01_tensors", "cells": parse_cells(dump(*answers(SET_UP))), "seconds": 10}
    job |= {"memory": 2**31, "processes": 0}
    found = worker.grade(job, {"ex01_tensors": {"pick": ex01_tensors.pick}})
    assert found == {
        "outcomes": {
            "pick": (
                "correct",
                f"Correct.\n{ex01_tensors.pick.further}",
            )
        },
        "remarks": [],
    }
