"""Whole notebooks in a kernel, and whether what their exercises need alone gives the same outcomes."""

import json
from types import SimpleNamespace

import pytest
from filled import MODULES, fill
from test_grade import (
    CHECK_OUTER,
    CHECK_PICK,
    CLASS,
    CORRECT,
    CRASHED,
    NOT_ATTEMPTED,
    NOT_REACHED,
    NOT_YET,
    SET_UP,
    TIMED_OUT,
    code,
    dump,
    read_table,
)

from tutorial_utils.exercises.catalogue import find_exercises
from tutorial_utils.grading.full import grade_fully
from tutorial_utils.grading.pool import find_keys
from tutorial_utils.grading.read import parse_cells
from tutorial_utils.tools.grade import main

KEYS = find_keys()["ex01_tensors"]
SAME = (
    "solved",
    "stub",
    "wrong",
    "another name",
    "as exercises",
    "version 3",
    "syntax",
    "error",
    "no torch",
    "helpers",
)


@pytest.fixture
def grade(quick_kernels):
    """Returns a function that runs a whole notebook, and returns what became of `pick` and `outer`, and the remark."""

    def run(content, seconds=60):
        outcomes, remark = grade_fully(parse_cells(content), KEYS, seconds)
        return (outcomes["01_tensors.pick"], outcomes["01_tensors.outer"]), remark

    return run


@pytest.mark.parametrize("name", SAME)
def test_an_honest_notebook_has_the_same_outcomes_in_full(name, grade):
    content, outcomes, _ = CLASS[name]
    book = json.loads(content)
    cells = book.get("cells") or book["worksheets"][0]["cells"]
    for outcome, check in zip(outcomes, (CHECK_PICK, CHECK_OUTER), strict=True):
        if outcome != NOT_ATTEMPTED and f"{check.partition('(')[0]}(" not in content.decode():
            cells.append(code(check, input=check))  # which a full run needs
    assert grade(json.dumps(book).encode())[0] == outcomes


@pytest.mark.parametrize(
    ("cells", "outcomes", "remark"),
    [
        (
            [SET_UP, "pick = 7", CHECK_PICK, "import os; os.write(2, b'Traceback'); os._exit(1)", CHECK_OUTER],
            (NOT_YET, NOT_REACHED),
            "its kernel died",
        ),
        (
            ["import google.colab", SET_UP],
            (NOT_ATTEMPTED, NOT_ATTEMPTED),
            "ModuleNotFoundError: google.colab in cell 1",
        ),
        ([f"import google.colab\n{SET_UP}", f"outer = 7\n{CHECK_OUTER}"], (NOT_ATTEMPTED, NOT_REACHED), "google.colab"),
        (
            [code("1 / 0", metadata={"tags": ["raises-exception"]}), "", "input()"],
            (NOT_ATTEMPTED, NOT_ATTEMPTED),
            "StdinNot",
        ),
    ],
)
def test_a_remark_in_full_names_the_first_cause(cells, outcomes, remark, grade):
    found, said = grade(dump(*cells))
    assert found == outcomes
    assert remark in said


@pytest.mark.parametrize(
    ("endless", "outcomes"),
    [
        ("while True:\n    pass", (NOT_ATTEMPTED, NOT_REACHED)),
        ("while True:\n    print('x' * 1000)", (NOT_ATTEMPTED, NOT_REACHED)),
        (f"while True:\n    pass\n{CHECK_PICK}", (TIMED_OUT, NOT_REACHED)),
    ],
)
def test_a_notebook_without_an_end_is_stopped_when_its_time_is_over(endless, outcomes, grade, monkeypatch, tmp_path):
    late = tmp_path / "late"
    clock = SimpleNamespace(monotonic=lambda: 1000 * late.exists())
    monkeypatch.setattr("tutorial_utils.grading.full.time", clock)
    found = grade(dump(SET_UP, f"open({str(late)!r}, 'w').close()", endless, CHECK_OUTER), seconds=30)
    assert found == (outcomes, "timed out after 30 s")


@pytest.mark.slow  # a hundred exercises
def test_every_solution_of_the_course_is_correct_without_a_remark(tmp_path, capsys):
    for module in MODULES:
        (tmp_path / f"{module.removeprefix('ex')}.ipynb").write_text(json.dumps(fill(module)), encoding="utf-8")
    main([str(tmp_path), "--sandbox=off"])
    rows = read_table(capsys.readouterr().out)
    assert [row["remark"] for row in rows] == [""] * len(MODULES)
    assert [int(row["total"]) for row in rows] == [len(find_keys()[module]) for module in MODULES]


@pytest.mark.long  # minutes: it trains all that the notebooks train
@pytest.mark.parametrize("module", MODULES)
def test_the_course_itself_has_the_same_outcomes_in_full(module, tmp_path, capsys):
    names = list(find_exercises(MODULES[module]))
    for number, solved in enumerate([names, names[::2]]):
        path = tmp_path / str(number) / f"{module.removeprefix('ex')}.ipynb"
        path.parent.mkdir()
        path.write_text(json.dumps(fill(module, solved)), encoding="utf-8")
    tables = []
    for way in "--full", "--sandbox=auto":
        main([str(tmp_path), way])
        tables.append(read_table(capsys.readouterr().out))
    for row in [row for table in tables for row in table]:
        del row["remark"]
    assert tables[0] == tables[1]
    assert [row["total"] for row in tables[0]] == [str(len(names)), str(len(names[::2]))]
    assert CRASHED not in tables[0][0].values()
    assert CORRECT in tables[0][1].values()
