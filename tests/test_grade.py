import csv
import io
import subprocess
import sys

import nbformat
import pytest

from tutorial_utils.exercises import ex01_tensors
from tutorial_utils.exercises.record import find_exercises
from tutorial_utils.grade import main

IMPORT = "from tutorial_utils.exercises import ex01_tensors as ex"
EXERCISES = list(find_exercises(ex01_tensors).values())
FIRST, SECOND, THIRD = [exercise for exercise in EXERCISES if not exercise.asks_for_a_value][:3]
ENDLESS = "while True:\n    pass"


def asks(exercise, code):
    return f"{code}\nex.{exercise.name}.check({exercise.name})"


@pytest.fixture
def hand_in(tmp_path):
    """Returns a function that writes a notebook of the given cells, and returns its file."""

    def write(name, *cells):
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        nbformat.write(notebook, tmp_path / name)
        return tmp_path / name

    return write


def grade(*arguments):
    """Run the command; return its table, a dictionary for each row, and what it said on standard error."""
    command = [sys.executable, "-m", "tutorial_utils.grade", *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    return list(csv.DictReader(io.StringIO(result.stdout))), result.stderr


def test_each_notebook_gets_a_row_whatever_is_in_it(hand_in, tmp_path):
    def stub(exercise):
        return f"def {exercise.name}(*inputs):\n    raise NotImplementedError"

    files = [
        hand_in("solved.ipynb", f"import torch\n{IMPORT}", asks(FIRST, FIRST.source), asks(SECOND, stub(SECOND))),
        hand_in("wrong.ipynb", IMPORT, f"ex.{FIRST.name}.check(lambda *inputs: None)\nex.{SECOND.name}.check(7)"),
        hand_in("crash.ipynb", IMPORT, asks(FIRST, "syntax error"), f"ex.{SECOND.name}.check(lambda *x: 1 / 0)"),
        hand_in(
            "killed.ipynb",
            IMPORT,
            f"ex.{FIRST.name}.check(7)",
            "import os; os.write(2, b'Traceback'); os._exit(1)",
            asks(SECOND, ""),
        ),
        hand_in("endless.ipynb", IMPORT, f"ex.{FIRST.name}.check(7)", ENDLESS, asks(SECOND, "")),
        hand_in("printing.ipynb", IMPORT, "while True:\n    print('x' * 1000)", asks(FIRST, "")),
        hand_in("asking.ipynb", IMPORT, "input()", f"ex.{FIRST.name}.check(7)"),
        hand_in("empty.ipynb"),
        tmp_path / "missing.ipynb",
        tmp_path,
        tmp_path / "text.ipynb",
    ]
    files[-1].write_text("no notebook")
    before = {file: file.read_bytes() for file in files if file.is_file()}

    table, said = grade(*files, "--timeout=30", "--jobs=4")

    assert {file: file.read_bytes() for file in before} == before
    assert sorted(tmp_path.iterdir()) == sorted(before)
    assert [row["file"] for row in table] == [str(file) for file in files]
    assert list(table[0])[1:-2] == [exercise.key for exercise in EXERCISES]
    outcomes = [(row[FIRST.key], row[SECOND.key], row[THIRD.key], row["total"]) for row in table]
    assert outcomes == [
        ("correct", "not attempted", "not attempted", "1"),
        ("not yet", "not yet", "not attempted", "0"),
        ("crashed", "crashed", "not attempted", "0"),
        ("not yet", "crashed", "not attempted", "0"),
        ("not yet", "timed out", "not attempted", "0"),
        ("timed out", "not attempted", "not attempted", "0"),
        ("not yet", "not attempted", "not attempted", "0"),
        *[("", "", "", "0")] * 4,
    ]
    remarks = [row["remark"] for row in table]
    assert remarks[:3] == ["", "", ""]
    assert remarks[3] == "its kernel died"
    assert remarks[4] == remarks[5] == "timed out after 30 s"
    assert remarks[6] == ""
    assert remarks[7] == "imports no exercises as ex"
    assert remarks[8].startswith("cannot be read: ")
    assert remarks[9].startswith("cannot be read: ")
    assert remarks[10].startswith("is no notebook: ")
    assert "Traceback" not in said


def test_an_attempt_without_an_end_is_timed_out_and_the_notebook_goes_on(hand_in):
    cells = f"ex.{FIRST.name}.check(lambda *inputs: [0 for _ in iter(int, 1)])", f"ex.{SECOND.name}.check(7)"
    (row,), _ = grade(hand_in("slow.ipynb", IMPORT, *cells))
    assert (row[FIRST.key], row[SECOND.key], row["remark"]) == ("timed out", "not yet", "")


def test_the_table_goes_to_a_file(hand_in, tmp_path):
    main([str(hand_in("empty.ipynb")), "--output", str(tmp_path / "grades.csv")])
    assert (tmp_path / "grades.csv").read_text() == (
        f"file,total,remark\n{tmp_path / 'empty.ipynb'},0,imports no exercises as ex\n"
    )


def test_a_notebook_is_not_written_over(hand_in, tmp_path, capsys):
    file = hand_in("empty.ipynb")
    for output, reason in (file, "is one of the notebooks"), (tmp_path / "no" / "x.csv", "there is no folder"):
        with pytest.raises(SystemExit):
            main([str(file), "--output", str(output)])
        assert reason in capsys.readouterr().err
    nbformat.read(file, as_version=4)


def test_help_says_what_it_does_and_what_it_does_not_protect_from(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    said = capsys.readouterr().out
    assert "Execute copies of notebooks" in said
    assert "RUNS" in said
    assert "container" in said
