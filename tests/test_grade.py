import csv
import io
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from types import SimpleNamespace

import nbformat
import pytest

from tutorial_utils.exercises import ex01_tensors
from tutorial_utils.exercises.catalogue import find_exercises
from tutorial_utils.tools.grade import main

IMPORT = "from tutorial_utils.exercises import ex01_tensors as ex"
EXERCISES = list(find_exercises(ex01_tensors).values())
FIRST, SECOND, THIRD = [exercise for exercise in EXERCISES if not exercise.asks_for_a_value][:3]


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


def read_table(text):
    """Return the rows of a table, a dictionary each."""
    return list(csv.DictReader(io.StringIO(text)))


class OneByOne(ThreadPoolExecutor):
    """Runs what is submitted at once, in the thread of the test: threads of their own leave event loops open."""

    def submit(self, function, *arguments):
        finished = Future()
        finished.set_result(function(*arguments))
        return finished


@pytest.fixture
def grade(quick_kernels, monkeypatch, capsys):
    """Returns a function that does what the command does, in this process, and returns its table."""
    monkeypatch.setattr("tutorial_utils.tools.grade.ThreadPoolExecutor", OneByOne)

    def run(*arguments):
        main([str(argument) for argument in arguments])
        return read_table(capsys.readouterr().out)

    return run


def stub(exercise):
    return f"def {exercise.name}(*inputs):\n    raise NotImplementedError"


CORRECT, NOT_YET, NOT_ATTEMPTED = "correct", "not yet", "not attempted"
CRASHED, TIMED_OUT = "crashed", "timed out"
CHECK_7 = f"ex.{FIRST.name}.check(7)"
HANDED_IN = {  # the cells of each notebook, what became of the first two exercises, and the remark
    "solved.ipynb": (
        [f"import torch\n{IMPORT}", asks(FIRST, FIRST.source), asks(SECOND, stub(SECOND))],
        (CORRECT, NOT_ATTEMPTED),
        "",
    ),
    "wrong.ipynb": (
        [IMPORT, f"ex.{FIRST.name}.check(lambda *inputs: None)\nex.{SECOND.name}.check(7)"],
        (NOT_YET, NOT_YET),
        "",
    ),
    "crash.ipynb": (
        [IMPORT, asks(FIRST, "syntax error"), f"ex.{SECOND.name}.check(lambda *x: 1 / 0)"],
        (CRASHED, CRASHED),
        "",
    ),
    "killed.ipynb": (
        [IMPORT, CHECK_7, "import os; os.write(2, b'Traceback'); os._exit(1)", asks(SECOND, "")],
        (NOT_YET, CRASHED),
        "its kernel died",
    ),
    "asking.ipynb": ([IMPORT, "input()", CHECK_7], (NOT_YET, NOT_ATTEMPTED), ""),
    "empty.ipynb": ([], ("", ""), "imports no exercises as ex"),
}
ENDLESS = {
    "endless.ipynb": (
        [IMPORT, CHECK_7, "while True:\n    pass", asks(SECOND, "")],
        (NOT_YET, TIMED_OUT),
        "timed out after 30 s",
    ),
    "printing.ipynb": (
        [IMPORT, "while True:\n    print('x' * 1000)", asks(FIRST, "")],
        (TIMED_OUT, NOT_ATTEMPTED),
        "timed out after 30 s",
    ),
}


def expect_row(row, file, outcomes, remark):
    assert row["file"] == str(file)
    assert (row[FIRST.key], row[SECOND.key]) == outcomes
    assert row[THIRD.key] == (NOT_ATTEMPTED if outcomes[0] else "")
    assert row["total"] == str(outcomes.count(CORRECT))
    assert row["remark"] == remark


def expect_table(table, files, handed_in):
    """The table has a row for each notebook, and for three files that are none."""
    assert len(table) == len(files) == len(handed_in) + 3
    assert list(table[0])[1:-2] == [exercise.key for exercise in EXERCISES]
    for row, file, (_, outcomes, remark) in zip(table, files, handed_in.values(), strict=False):
        expect_row(row, file, outcomes, remark)
    for row, file, reason in zip(table[-3:], files[-3:], ["cannot be read: "] * 2 + ["is no notebook: "], strict=True):
        assert row["remark"].startswith(reason)
        expect_row(row, file, ("", ""), row["remark"])


@pytest.fixture
def hand_in_all(hand_in, tmp_path):
    """Returns a function that writes notebooks, returns their files and three more; they must be left alone."""
    before = {}

    def write(handed_in):
        files = [hand_in(name, *cells) for name, (cells, _, _) in handed_in.items()]
        (tmp_path / "text.ipynb").write_text("no notebook")
        files += [tmp_path / "missing.ipynb", tmp_path, tmp_path / "text.ipynb"]
        before.update({file: file.read_bytes() for file in files if file.is_file()})
        return files

    yield write
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_each_notebook_gets_a_row_whatever_is_in_it(hand_in_all, grade):
    files = hand_in_all(HANDED_IN)
    expect_table(grade(*files), files, HANDED_IN)


@pytest.mark.slow  # a fresh process, and kernels of its own
def test_the_command_writes_a_table(hand_in_all):
    some = dict(islice(HANDED_IN.items(), 2))
    files = hand_in_all(some)
    command = [sys.executable, "-m", "tutorial_utils.grade", *map(str, files)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    expect_table(read_table(result.stdout), files, some)


@pytest.mark.long  # as the quick tests above and below, but all with real kernels, two of which wait until time is over
def test_the_command_gives_each_notebook_its_row_in_time_too_and_keeps_quiet(hand_in_all):
    files = hand_in_all(HANDED_IN | ENDLESS)
    command = [sys.executable, "-m", "tutorial_utils.grade", *map(str, files), "--timeout=30", "--jobs=4"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    expect_table(read_table(result.stdout), files, HANDED_IN | ENDLESS)
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("name", ENDLESS)
def test_a_notebook_without_an_end_is_stopped_when_its_time_is_over(name, hand_in, grade, monkeypatch, tmp_path):
    (*cells, endless, last), outcomes, remark = ENDLESS[name]
    late = tmp_path / "late"
    clock = SimpleNamespace(monotonic=lambda: 1000 * late.exists())
    monkeypatch.setattr("tutorial_utils.tools.grade.time", clock)
    file = hand_in(name, *cells, f"open({str(late)!r}, 'w').close()", endless, last)
    (row,) = grade(file, "--timeout=30")
    expect_row(row, file, outcomes, remark)


def test_an_attempt_without_an_end_is_timed_out_and_the_notebook_goes_on(hand_in, grade):
    less_time = "from tutorial_utils.exercises import exercise\nexercise.TIME_LIMIT = 0.2  # seconds"
    endless = f"ex.{FIRST.name}.check(lambda *inputs: [0 for _ in iter(int, 1)])"
    file = hand_in("slow.ipynb", f"{IMPORT}\n{less_time}", endless, f"ex.{SECOND.name}.check(7)")
    (row,) = grade(file)
    expect_row(row, file, (TIMED_OUT, NOT_YET), "")


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
