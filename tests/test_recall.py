"""Spaced recall: what the record keeps of the days, what `progress` offers, and what `review` shows."""

import ast
import json
from datetime import date, timedelta
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tutorial_utils.exercises import ex01_tensors as ex01
from tutorial_utils.exercises import ex02_datasets as ex02
from tutorial_utils.exercises import progress, recall, record, review
from tutorial_utils.exercises.catalogue import every_exercise
from tutorial_utils.exercises.record import Entry, read_entries, remember

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
SOFTMAX = "01_tensors.softmax"
START = date(2026, 2, 26)


class Calendar:
    """The day that the course takes for today, as a number counted from the start."""

    def __init__(self):
        self.number = 0

    def __call__(self):
        return START + timedelta(days=self.number)


@pytest.fixture(autouse=True)
def own_record(tmp_path, monkeypatch):
    path = tmp_path / "progress.json"
    monkeypatch.setenv("TUTORIAL_PROGRESS", str(path))
    yield path
    for exercise in every_exercise():
        exercise.from_memory = False


@pytest.fixture
def calendar(monkeypatch):
    calendar = Calendar()
    monkeypatch.setattr(record, "today", calendar)
    return calendar


def solve(exercise):
    exercise.check(exercise.answer)


def day(number):
    return START + timedelta(days=number)


# ------------------------------------------------------------------------------------------------------- the record


def test_the_record_keeps_the_day_of_a_solution_and_when_it_comes_again(own_record, calendar):
    solve(ex01.softmax)
    assert json.loads(own_record.read_text()) == {
        SOFTMAX: {"outcome": "correct", "solved": ["2026-02-26"], "due": "2026-03-01"}
    }
    assert read_entries(own_record) == {SOFTMAX: Entry("correct", (day(0),), day(3))}


def test_what_is_not_solved_has_no_dates(own_record):
    ex01.softmax.check(...)
    assert json.loads(own_record.read_text()) == {SOFTMAX: {"outcome": "not attempted"}}


def test_a_record_without_dates_is_read_and_what_it_calls_correct_is_due(own_record, calendar):
    own_record.write_text(json.dumps({SOFTMAX: "correct", "01_tensors.pick": "not yet"}))
    assert read_entries(own_record) == {SOFTMAX: Entry("correct"), "01_tensors.pick": Entry("not yet")}
    assert Entry("correct").is_due
    assert not Entry("not yet").is_due
    remember("01_tensors.pick", "correct")
    assert read_entries(own_record)[SOFTMAX] == Entry("correct")


def test_only_a_repetition_from_memory_counts_and_the_pauses_grow(own_record, calendar):
    solve(ex01.softmax)
    solved = [0]
    for pause in 3, 7, 21, 60, 60:
        calendar.number = solved[-1] + pause - 1
        solve(ex01.softmax)  # such as when all cells of the notebook run once more
        assert not read_entries(own_record)[SOFTMAX].is_due
        calendar.number += 1
        assert read_entries(own_record)[SOFTMAX].is_due
        review()
        solve(ex01.softmax)
        solved.append(calendar.number)
        assert read_entries(own_record)[SOFTMAX].solved == tuple(map(day, solved))


def test_a_repetition_that_fails_comes_again_tomorrow_and_stays_solved(own_record, calendar):
    solve(ex01.softmax)
    calendar.number = 5
    review()
    ex01.softmax.check(...)  # the empty stub does not count
    ex01.softmax.check(lambda x: x)
    solve(ex01.softmax)  # nor does a second attempt, which has read the reply to the first
    assert read_entries(own_record) == {SOFTMAX: Entry("correct", (day(0),), day(6))}

    calendar.number = 6
    review()
    with pytest.raises(ZeroDivisionError):
        ex01.softmax.check(lambda x: 1 / 0)
    assert read_entries(own_record) == {SOFTMAX: Entry("correct", (day(0),), day(7))}

    calendar.number = 7
    review()
    solve(ex01.softmax)
    assert read_entries(own_record) == {SOFTMAX: Entry("correct", (day(0), day(7)), day(14))}


# ---------------------------------------------------------------------------------------------------------- progress


def test_progress_names_the_first_exercise_that_is_not_solved(capsys):
    every = every_exercise()
    for exercise in [*every[:3], every[5]]:
        remember(exercise.key, "correct")
    remember(every[3].key, "not yet")
    progress()
    assert f"\n\nNext: {every[3].title}\n" in capsys.readouterr().out
    assert every[3].title == "00 · mean_per_example"


def test_progress_names_nothing_to_do_when_all_is_solved_today(own_record, capsys):
    entry = record.format_entry(Entry("correct").after("correct", from_memory=True))
    own_record.write_text(json.dumps({exercise.key: entry for exercise in every_exercise()}))
    progress()
    assert capsys.readouterr().out.splitlines()[-1].startswith("all ")


def test_progress_offers_up_to_three_exercises_the_longest_due_first(own_record, calendar, capsys):
    for number, name in enumerate(["softmax", "pick", "outer", "hours"]):
        calendar.number = number
        remember(f"01_tensors.{name}", "correct")
    progress()
    assert "\n\nAgain, from memory: 01 · softmax. This shows the first:\n" in capsys.readouterr().out
    calendar.number = 9
    progress()
    assert "\nAgain, from memory: 01 · softmax, 01 · pick, 01 · outer. " in capsys.readouterr().out


# ------------------------------------------------------------------------------------------------------------ review


def test_review_shows_the_task_and_a_stub_that_runs(calendar, capsys):
    remember("02_datasets.Windows", "correct")
    calendar.number = 3
    review()
    said = capsys.readouterr().out
    assert said.startswith("Exercise: ")
    assert "> 练习：" in said
    code = said[said.index("from torch") :]
    assert code.startswith(
        "from torch.utils.data import Dataset\nfrom tutorial_utils.exercises import ex02_datasets\n\n"
    )
    exec(compile(code, "cell", "exec"), {})
    assert capsys.readouterr().out == "Not attempted yet.\n"


def test_review_says_when_the_next_exercise_comes(calendar, capsys):
    review()
    solve(ex01.softmax)
    review()
    assert capsys.readouterr().out == (
        "There is nothing to do again yet: an exercise comes again some days after you have solved it.\n"
        f"Correct.\n{ex01.softmax.further}\n"
        "There is nothing to do again today. The next one comes on 2026-03-01.\n"
    )


def test_review_without_the_notebooks_says_where_to_start_it(calendar, tmp_path, monkeypatch, capsys):
    remember(SOFTMAX, "correct")
    calendar.number = 3
    monkeypatch.setattr(recall, "COURSE", [tmp_path])
    monkeypatch.chdir(tmp_path)
    review()
    assert capsys.readouterr().out.startswith("01 · softmax is due. Its task stands in its notebook: start Python")
    assert not ex01.softmax.from_memory


@pytest.mark.parametrize("exercise", every_exercise(), ids=lambda exercise: exercise.key)
def test_every_task_is_found_with_its_stub_and_what_its_answer_imports(exercise):
    text, stub = recall.find_task(exercise, [NOTEBOOKS])
    assert text.startswith("### Exercise: ")
    assert "> 练习：" in text
    assert ("raise NotImplementedError" in stub) != (f"\n{exercise.name} = ...  #" in stub)
    used = {node.id for node in ast.walk(ast.parse(exercise.source)) if isinstance(node, ast.Name)}
    bound = {alias.asname or alias.name for node in ast.parse(stub).body[:-2] for alias in getattr(node, "names", [])}
    assert {"torch", "nn", "F", "np", "Dataset", "DataLoader", "v2"} & used <= bound


@pytest.mark.parametrize("exercise", [ex01.hours, ex01.softmax, ex02.Windows], ids=lambda exercise: exercise.name)
def test_in_a_learners_copy_the_stub_is_empty_too(exercise, tmp_path):
    file = f"{exercise.key.partition('.')[0]}.ipynb"
    copy = nbformat.read(NOTEBOOKS / file, as_version=4)
    (cell,) = [cell for cell in copy.cells if f"ex.{exercise.name}.check({exercise.name})" in cell.source]
    cell.source = f"{exercise.source}\n\n\nex.{exercise.name}.check({exercise.name})"
    copy.cells.insert(0, nbformat.v4.new_code_cell("%pip list"))
    nbformat.write(copy, tmp_path / file)

    text, stub = recall.find_task(exercise, [tmp_path / "empty", tmp_path])
    original_text, original = recall.find_task(exercise, [NOTEBOOKS])
    assert text == original_text

    def bare(code):
        return ast.dump(ast.parse(code))

    assert bare(stub) == bare(original)


def test_in_a_notebook_the_task_is_markdown(quick_kernels, own_record, tmp_path):
    own_record.write_text(json.dumps({SOFTMAX: "correct"}))
    cell = nbformat.v4.new_code_cell("from tutorial_utils.exercises import review; review()")
    NotebookClient(nbformat.v4.new_notebook(cells=[cell]), resources={"metadata": {"path": str(tmp_path)}}).execute()
    (output,) = cell.outputs
    assert output.data["text/markdown"].startswith("### Exercise: softmax\n")
    assert "```python\nfrom tutorial_utils.exercises import ex01_tensors\n" in output.data["text/markdown"]
