"""What becomes of notebooks as real classes hand them in: odd, broken, and dishonest ones, too."""

import csv
import io
import json
import re

import pytest

from tutorial_utils.exercises import ex01_tensors
from tutorial_utils.exercises.catalogue import find_exercises
from tutorial_utils.grading.pool import find_keys
from tutorial_utils.tools.grade import main

EXERCISES = find_exercises(ex01_tensors)
PICK, OUTER = EXERCISES["pick"].source, EXERCISES["outer"].source
TORCH, COURSE = "import torch", "from tutorial_utils.exercises import ex01_tensors as ex"
SET_UP = f"{TORCH}\n{COURSE}"
PICK_STUB = "def pick(scores, chosen):\n    raise NotImplementedError  # your code here"
CHECK_PICK, CHECK_OUTER = "ex.pick.check(pick)", "ex.outer.check(outer)"
CORRECT, NOT_YET, NOT_ATTEMPTED = "correct", "not yet", "not attempted"
CRASHED, TIMED_OUT, NOT_REACHED = "crashed", "timed out", "not reached"
BOTH = CORRECT, CORRECT
WRONG = "def pick(scores, chosen):\n    return scores[0]"


def code(source, **more):
    return {"cell_type": "code", "source": source, "metadata": {}, "outputs": [], "execution_count": None} | more


def text(source):
    return {"cell_type": "markdown", "source": source, "metadata": {}}


def notebook(*cells, **more):
    made = [code(cell) if isinstance(cell, str) else cell for cell in cells]
    return {"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 4} | more


def dump(*cells, **more):
    return json.dumps(notebook(*cells, **more), ensure_ascii=False).encode()


def answers(*before):
    """Return cells that solve two exercises, after those given."""
    return *before, f"{PICK}\n{CHECK_PICK}", f"{OUTER}\n{CHECK_OUTER}"


def cheat(*lines):
    """Return cells in which `pick` is a cheat, and `outer` is solved."""
    return SET_UP, "\n".join([*lines, CHECK_PICK]), OUTER


VERSION_3 = {
    "worksheets": [{"cells": [{"cell_type": "code", "input": cell.splitlines(True)} for cell in answers(SET_UP)]}],
    "nbformat": 3,
}
COLAB = {"colab": {"provenance": []}, "accelerator": "GPU", "vscode": {"interpreter": {"hash": "1"}}, "widgets": {}}
NBGRADER = {"nbgrader": {"grade": True, "solution": True, "locked": False, "schema_version": 3}}
MEGABYTE = {"output_type": "stream", "name": "stdout", "text": "x" * 1_000_000}

HONEST = {  # for each file its content, what became of `pick` and `outer`, and the remark
    "solved": (dump(*answers(SET_UP)), BOTH, ""),
    "stub": (dump(SET_UP, f"{PICK_STUB}\n{CHECK_PICK}", OUTER), (NOT_ATTEMPTED, CORRECT), ""),
    "wrong": (dump(SET_UP, f"{WRONG}\n{CHECK_PICK}"), (NOT_YET, NOT_ATTEMPTED), ""),
    "another name": (dump(SET_UP, "mine = lambda s, c: s\nex.pick.check(mine)"), (NOT_YET, NOT_ATTEMPTED), ""),
    "no lines": (dump(SET_UP, PICK, OUTER), BOTH, ""),
    "above": (dump(SET_UP, PICK, f"{PICK_STUB}\n{CHECK_PICK}", OUTER), BOTH, ""),
    "below": (dump(SET_UP, f"{PICK_STUB}\n{CHECK_PICK}", OUTER, PICK), BOTH, ""),
    "text": (dump(SET_UP, text("# Not code"), text(f"{PICK}\n{CHECK_PICK}"), OUTER), BOTH, "pick .* cell of text"),
    "as exercises": (
        dump(
            f"{TORCH}\nimport tutorial_utils.exercises.ex01_tensors as exercises", f"{PICK}\nexercises.pick.check(pick)"
        ),
        (CORRECT, NOT_ATTEMPTED),
        "",
    ),
    "from": (dump(f"{TORCH}\nfrom tutorial_utils.exercises.ex01_tensors import outer, pick", PICK, OUTER), BOTH, ""),
    "without as": (
        dump(
            f"{TORCH}\nimport tutorial_utils.exercises.ex01_tensors", PICK, OUTER, "tutorial_utils.exercises.progress()"
        ),
        BOTH,
        "",
    ),
    "01_tensors": (dump(TORCH, PICK, OUTER), BOTH, ""),
    "exit": (dump(SET_UP, "exit()", "quit()", PICK, "import os; os._exit(1)", OUTER), BOTH, ""),
    "exit within": (
        dump(SET_UP, "import os\npick = os._exit(1)", OUTER),
        (CRASHED, CORRECT),
        "flagged: pick: os._exit",
    ),
    "mark": (b"\xef\xbb\xbf" + dump(*answers(SET_UP)), BOTH, ""),
    "windows": (dump(*(cell.replace("\n", "\r\n") for cell in answers(SET_UP))).replace(b"\n", b"\r\n"), BOTH, ""),
    "version 3": (json.dumps(VERSION_3).encode(), BOTH, ""),
    "ids": (dump(*(code(cell, id="same") for cell in answers(SET_UP)), nbformat_minor=5), BOTH, ""),
    "no ids": (dump(*answers(SET_UP), nbformat_minor=5), BOTH, ""),
    "colab": (dump(*(code(cell, metadata=NBGRADER) for cell in answers(SET_UP)), metadata=COLAB), BOTH, ""),
    "no metadata": (
        json.dumps({"cells": [{"cell_type": "code", "source": c} for c in answers(SET_UP)]}).encode(),
        BOTH,
        "",
    ),
    "large": (dump(code(SET_UP, outputs=[MEGABYTE]), *answers()), BOTH, ""),
    "foreign": (
        dump(f"from google.colab import drive\nimport torch\n{COURSE}", *answers()),
        BOTH,
        "^ModuleNotFoundError: google.colab in cell 1$",
    ),
    "not reached": (
        dump(SET_UP, "import no_such_library as lib\ntwo = lib.two()", f"{WRONG}[two]\n{CHECK_PICK}", OUTER),
        (NOT_REACHED, CORRECT),
        "^ModuleNotFoundError: no_such_library in cell 2$",
    ),
    "progress": (dump("import os\nos.environ['TUTORIAL_PROGRESS'] = '/dev/full'", *answers(SET_UP)), BOTH, ""),
    "syntax": (dump(SET_UP, f"def pick(scores, chosen)\n    return 1\n{CHECK_PICK}", OUTER), (CRASHED, CORRECT), ""),
    "error": (
        dump(SET_UP, f"def pick(scores, chosen):\n    return 1 / 0\n{CHECK_PICK}", OUTER),
        (CRASHED, CORRECT),
        "",
    ),
    "no torch": (dump(COURSE, "def pick(scores, chosen):\n    return torch.ones(3)"), (CRASHED, NOT_ATTEMPTED), ""),
    "magics": (
        dump("%matplotlib inline\n!pip list", f"%load_ext x\n{SET_UP}", f"%%time\n{PICK}", OUTER, "%%bash\nrm x"),
        BOTH,
        "",
    ),
    "helpers": (
        dump(
            SET_UP, "def rows(x):\n    return torch.arange(N(x))\nN = len", "def pick(s, c):\n    return s[rows(s), c]"
        ),
        (CORRECT, NOT_ATTEMPTED),
        "",
    ),
    "steps": (
        dump(SET_UP, "table = {}\ntable['f'] = lambda s, c: s[torch.arange(len(s)), c]", "pick = table['f']"),
        (CORRECT, NOT_ATTEMPTED),
        "",
    ),
    "training": (dump(SET_UP, "while True:\n    pass", *answers()), BOTH, ""),
    "endless": (dump(SET_UP, f"pick = [0 for _ in iter(int, 1)]\n{CHECK_PICK}", OUTER), (TIMED_OUT, CORRECT), ""),
    "endless inside": (
        dump(SET_UP, "def pick(scores, chosen):\n    while True: pass", OUTER),
        (TIMED_OUT, CORRECT),
        "",
    ),
    "memory": (dump(SET_UP, "def pick(scores, chosen):\n    return bytearray(2**40)", OUTER), (CRASHED, CORRECT), ""),
}
CHEATS = {  # what each of them writes, the outcome of `pick`, and the remark
    "the answer": (["pick = ex.pick.answer"], CRASHED, "flagged: pick: pick.answer"),
    "the judge": (
        [
            "from tutorial_utils.exercises.exercise import Exercise",
            "Exercise.judge = lambda *a: ('correct', '')",
            WRONG,
        ],
        NOT_YET,
        "",
    ),
    "the stand-in": (["type(ex.pick).check = type(ex.pick).judge = lambda *a: ('correct', '')", WRONG], NOT_YET, ""),
    "the record": (
        ["from tutorial_utils.exercises.record import remember", "remember('01_tensors.pick', 'correct')", WRONG],
        NOT_YET,
        "",
    ),
    "the file": (
        ["import os, pathlib", "pathlib.Path(os.environ['TUTORIAL_PROGRESS']).write_text('{}')", WRONG],
        NOT_YET,
        "",
    ),
    "the source": (
        [
            "def pick(scores, chosen):",
            "    import tutorial_utils",
            "    code = open(tutorial_utils.__path__[0] + '/exercises/ex01_tensors.py').read()",
        ],
        CRASHED,
        "flagged: pick: a file of the exercises",
    ),
    "import anew": (
        [
            "def pick(scores, chosen):",
            "    import sys",
            "    for name in [name for name in sys.modules if 'exercises' in name]: del sys.modules[name]",
            "    from tutorial_utils.exercises import ex01_tensors",
            "    return ex01_tensors.pick.answer(scores, chosen)",
        ],
        CRASHED,
        "flagged: pick: .*, a file of the exercises",
    ),
    "frames": (
        ["def pick(scores, chosen):", "    import sys", "    return sys._getframe(3).f_locals"],
        CRASHED,
        "flagged: pick: f_locals, _getframe, sys._getframe",
    ),
    "a traceback": (
        [
            "def pick(scores, chosen):",
            "    try: 1 / 0",
            "    except Exception as error: return error.__traceback__.tb_frame.f_back",
        ],
        CRASHED,
        "flagged: pick: f_back, tb_frame",
    ),
    "all objects": (
        ["import gc", "def pick(s, c):", "    return gc.get_objects()"],
        CRASHED,
        "flagged: pick: gc.get_objects",
    ),
    "the comparison": (
        ["def pick(s, c):", "    torch.equal = torch.allclose = lambda *a, **k: True", "    return s[:, 0]"],
        NOT_YET,
        "flagged: pick: replaced torch.",
    ),
    "the pipe": (
        ["def pick(s, c):", "    import os", '    os.write(3, b\'["correct", "", "", []]\\n\')', "    return s"],
        NOT_YET,
        "flagged: pick: os.write",
    ),
    "equal to all": (
        ["class Anything:", "    def __eq__(self, other): return True", "def pick(s, c):", "    return Anything()"],
        NOT_YET,
        "flagged: pick: a method __eq__",
    ),
    "the globals": (
        ["def pick(s, c):", "    return ex.pick.check.__func__.__globals__['load_exercises']()"],
        CRASHED,
        "flagged: pick: __globals__",
    ),
}
CLASS = HONEST | {
    name: (dump(*cheat(*lines)), (pick, CORRECT), remark) for name, (lines, pick, remark) in CHEATS.items()
}
NO_NOTEBOOKS = {
    "words": (b"no notebook", "is no notebook: it is not JSON"),
    "a list": (b"[1, 2]", "is no notebook: it has no cells"),
    "empty": (b"", "is no notebook"),
    "of others": (dump("import torch"), "imports no exercises"),
}


def read_table(written):
    return list(csv.DictReader(io.StringIO(written.removeprefix("\ufeff"))))


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """The rows of the whole class by name, from one run of the command; nothing in its folder is changed."""
    folder = tmp_path_factory.mktemp("class")
    for name, (content, *_) in (CLASS | NO_NOTEBOOKS).items():
        (folder / f"{name}.ipynb").write_bytes(content)
    output = tmp_path_factory.mktemp("grades") / "grades.csv"
    main([str(folder / "*.ipynb"), "--output", str(output), "--timeout=1", "--sandbox=off", "--jobs=2"])
    for name, (content, *_) in (CLASS | NO_NOTEBOOKS).items():
        assert (folder / f"{name}.ipynb").read_bytes() == content
    assert len(list(folder.iterdir())) == len(CLASS | NO_NOTEBOOKS)
    rows = read_table(output.read_text(encoding="utf-8"))
    return {row["file"].removeprefix(f"{folder}/").removesuffix(".ipynb"): row for row in rows}


@pytest.mark.parametrize("name", CLASS)
def test_each_odd_notebook_gets_its_row(name, table):
    _, outcomes, remark = CLASS[name]
    row = table[name]
    assert (row["01_tensors.pick"], row["01_tensors.outer"]) == outcomes
    assert row["total"] == str(outcomes.count(CORRECT))
    assert row["01_tensors.hours"] == NOT_ATTEMPTED
    if remark:
        assert re.search(remark, row["remark"])
    elif name in HONEST:
        assert row["remark"] == ""


@pytest.mark.parametrize("name", NO_NOTEBOOKS)
def test_a_file_that_is_no_notebook_of_the_course_gets_a_row_that_says_so(name, table):
    assert table[name]["remark"].startswith(NO_NOTEBOOKS[name][1])
    assert table[name]["total"] == "0"
    assert table[name]["01_tensors.pick"] == ""


def test_the_columns_are_those_of_the_notebook(table):
    assert list(next(iter(table.values()))) == ["file", *find_keys()["ex01_tensors"].values(), "total", "remark"]
