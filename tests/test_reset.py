"""Starting over: `lab --reset` brings a notebook or an exercise back as it was given, and loses nothing."""

import json
from pathlib import Path

import pytest

from tutorial_utils.exercises.catalogue import find_exercises, find_modules
from tutorial_utils.tools import lab
from tutorial_utils.tools.copies import copy_notebooks
from tutorial_utils.tools.reset import find_stubs, read_notebook

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))
STUB = "def double(x):\n    raise NotImplementedError\n\n\nex.double.check(double)"
ANSWER = "def double(x):\n    return x + x  # 两倍\n\n\nex.double.check(double)"


def cell(name: str, source: str, kind: str = "code", **more) -> dict:
    outputs = {"execution_count": None, "outputs": []} if kind == "code" else {}
    return {"cell_type": kind, "id": name, "metadata": {}, "source": source.splitlines(True)} | outputs | more


@pytest.fixture
def work(tmp_path, monkeypatch) -> Path:
    """The folder of a learner who has answered the exercise in 05 and written a note below it."""
    cells = [cell("title", "# 05", "markdown"), cell("ex-double", STUB), cell("ex-double-help", "# ex.double.hint()")]
    for name, content in {"00_quickstart": [cell("ex-zero", "ex.zero.check(zero)")], "05_autograd": cells}.items():
        write(tmp_path / "notebooks" / f"{name}.ipynb", content)
    monkeypatch.setattr(lab, "COURSE", tmp_path)
    copy_notebooks(tmp_path / "notebooks", tmp_path / "work")
    answered = cell("ex-double", ANSWER, outputs=[{"output_type": "stream", "name": "stdout", "text": "Correct.\n"}])
    write(tmp_path / "work" / "05_autograd.ipynb", [cells[0], answered, cells[2], cell("own", "我的笔记", "markdown")])
    return tmp_path / "work"


def write(path: Path, cells: list[dict]) -> None:
    path.parent.mkdir(exist_ok=True)
    notebook = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(notebook, ensure_ascii=False), encoding="utf-8")


def sources(path: Path) -> dict[str, str]:
    return {cell["id"]: "".join(cell["source"]) for cell in read_notebook(path)["cells"]}


def files(work: Path) -> set[str]:
    return {path.name for path in work.iterdir() if not path.name.startswith(".")}


def the_sentence(work: Path, what: str) -> str:
    with pytest.raises(SystemExit) as caught:
        lab.main(["--reset", what])
    (sentence,) = str(caught.value).splitlines()
    return sentence


@pytest.mark.parametrize("what", ["05.double", "05_autograd.double"])
def test_an_exercise_gets_its_stub_back_and_nothing_else_changes(work, capsys, what):
    lab.main(["--reset", what])
    assert sources(work / "05_autograd.ipynb") == {
        "title": "# 05",
        "ex-double": STUB,
        "ex-double-help": "# ex.double.hint()",
        "own": "我的笔记",
    }
    assert read_notebook(work / "05_autograd.ipynb")["cells"][1]["outputs"] == []
    said = capsys.readouterr().out
    assert "05_autograd.double.1.py" in said
    assert "Reload Notebook from Disk" in said


def test_what_was_written_is_kept_each_time_in_a_file_of_its_own(work):
    answered = (work / "05_autograd.ipynb").read_bytes()
    lab.main(["--reset", "05.double"])
    (work / "05_autograd.ipynb").write_bytes(answered.replace(b"x + x", b"2 * x"))
    lab.main(["--reset", "05.double"])
    assert (work / "05_autograd.double.1.py").read_text(encoding="utf-8") == ANSWER
    assert (work / "05_autograd.double.2.py").read_text(encoding="utf-8") == ANSWER.replace("x + x", "2 * x")


@pytest.mark.parametrize("what", ["05", "05_autograd", "05_autograd.ipynb"])
def test_a_notebook_is_made_anew_and_the_old_one_is_kept_word_for_word(work, capsys, what):
    answered = (work / "05_autograd.ipynb").read_bytes()
    lab.main(["--reset", what])
    assert (work / "05_autograd.ipynb").read_bytes() == (work.parent / "notebooks/05_autograd.ipynb").read_bytes()
    assert (work / "05_autograd.1.ipynb").read_bytes() == answered
    assert "05_autograd.1.ipynb" in capsys.readouterr().out


def test_a_notebook_that_is_made_anew_counts_as_todays(work, capsys):
    original = work.parent / "notebooks" / "05_autograd.ipynb"
    original.write_text(original.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert copy_notebooks(original.parent, work) == ["05_autograd.ipynb"]
    lab.main(["--reset", "05"])
    assert copy_notebooks(original.parent, work) == []


@pytest.mark.parametrize("what", ["05", "05.double"])
def test_what_is_as_it_was_given_stays_without_another_file(work, capsys, what):
    lab.main(["--reset", "05"])
    before = files(work)
    lab.main(["--reset", what])
    assert "is as it was given." in capsys.readouterr().out
    assert files(work) == before


def test_a_notebook_that_is_not_there_yet_is_made(work):
    (work / "05_autograd.ipynb").unlink()
    lab.main(["--reset", "05"])
    assert files(work) == {"00_quickstart.ipynb", "05_autograd.ipynb"}


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("08", "There is no notebook '08': name one of 00, 05."),
        ("5", "There is no notebook '5': name one of 00, 05."),
        ("", "There is no notebook ''"),
        ("05.triple", "There is no exercise 'triple' in 05_autograd.ipynb: name one of double."),
        ("../05", "There is no notebook ''"),
    ],
)
def test_an_unknown_name_ends_in_a_sentence_with_those_there_are(work, what, told):
    before = files(work)
    assert the_sentence(work, what).startswith(told)
    assert files(work) == before


@pytest.mark.parametrize(
    ("content", "told"),
    [(None, "nothing to reset"), ('{"cel', "--reset 05"), ("[]", "--reset 05"), ('{"cells": []}', "--reset 05")],
)
def test_a_copy_without_the_cell_is_not_touched_and_the_sentence_says_what_helps(work, content, told):
    copy = work / "05_autograd.ipynb"
    copy.unlink() if content is None else copy.write_text(content, encoding="utf-8")
    assert told in the_sentence(work, "05.double")
    assert content is None or copy.read_text(encoding="utf-8") == content
    assert files(work) <= {"00_quickstart.ipynb", "05_autograd.ipynb"}


def test_a_disk_that_is_full_loses_neither_the_answer_nor_the_notebook(work, monkeypatch):
    answered = (work / "05_autograd.ipynb").read_bytes()

    def refuse(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tutorial_utils.tools.reset.write_whole", refuse)
    assert "the disk is full" in the_sentence(work, "05.double")
    assert (work / "05_autograd.ipynb").read_bytes() == answered


@pytest.mark.parametrize(("path", "module"), list(zip(NOTEBOOKS, find_modules(), strict=True)), ids=lambda x: None)
def test_every_exercise_has_a_cell_with_its_stub(path, module):
    stubs = find_stubs(read_notebook(path))
    assert stubs.keys() == find_exercises(module).keys()
    assert all(stub["id"].startswith("ex-") for stub in stubs.values())
