"""What the capstone gives to the learner: pictures, a brief, hints, a card, and its place in the progress."""

import json
import re
from pathlib import Path

import pytest
import torch
from PIL import Image

from tutorial_utils.capstone import cli, grade, signs, tables
from tutorial_utils.capstone.hints import HINTS
from tutorial_utils.capstone.output import OutputError, read_answers, read_model, read_split, tensors_of
from tutorial_utils.capstone.stages import STAGES
from tutorial_utils.capstone.tables import Folder
from tutorial_utils.exercises import catalogue

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
SMALL = {"left": (3, 2), "right": (3, 2), "priority": (1, 1)}


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Folder:
    monkeypatch.setattr(signs, "OBJECTS", SMALL)
    return Folder.read(signs.draw_signs(tmp_path / "data"))


def test_the_pictures_are_of_all_kinds(tmp_path):
    folder = Folder.read(signs.draw_signs(tmp_path / "data"))
    kinds, sizes = set(), set()
    for row in folder.readable("train"):
        with Image.open(folder.path / row.file) as image:
            kinds.add((image.format, image.mode))
            sizes |= {*image.size}
    assert kinds >= {("PNG", "L"), ("PNG", "RGB"), ("PNG", "RGBA"), ("JPEG", "L"), ("JPEG", "RGB")}
    assert min(sizes) >= 32
    assert max(sizes) <= 96
    assert len(folder.train) - len(folder.readable("train")) == 3
    counts = [sum(row.label == name for row in folder.train) for name in folder.classes]
    assert max(counts) > 3 * min(counts)
    assert {row.object for row in folder.train}.isdisjoint({row.object for row in folder.test})
    assert not list(tmp_path.glob(".*"))


def test_the_same_seed_draws_the_same_files(folder, tmp_path):
    again = Folder.read(signs.draw_signs(tmp_path / "again"))
    assert again.train == folder.train
    assert all((again.path / row.file).read_bytes() == (folder.path / row.file).read_bytes() for row in folder.train)


def test_a_drawing_that_fails_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(signs, "damage", lambda *arguments: 1 / 0)
    monkeypatch.setattr(signs, "OBJECTS", SMALL)
    with pytest.raises(ZeroDivisionError):
        signs.draw_signs(tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_left_is_right_in_a_mirror():
    flipped = signs.draw("left").transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    assert flipped.tobytes() == signs.draw("right").tobytes() != signs.draw("left").tobytes()


def test_start_overwrites_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(signs, "OBJECTS", SMALL)
    assert cli.main(["start", str(tmp_path / "capstone")]) == 0
    script = tmp_path / "capstone" / "train.py"
    assert script.read_text() == ""
    script.write_text("import torch")
    assert cli.main(["start", str(tmp_path / "capstone")]) == 0
    assert script.read_text() == "import torch"
    assert "brief.md" in capsys.readouterr().out


def test_other_labels_leave_no_test_picture_its_own(folder):
    other = tables.with_other_test(folder)
    assert other.train == folder.train
    assert not [1 for one, two in zip(folder.test, other.test, strict=True) if one.label == two.label]


def test_names_and_rows_change_together(folder):
    changed, new = tables.renamed(folder)
    assert changed.train != folder.train
    back = {name: old for old, name in new.items()}
    assert {row.file: back[row.label] for row in changed.train} == {row.file: row.label for row in folder.train}
    assert [new[name] for name in folder.classes] == changed.classes[::-1]


def test_copies_make_a_folder_larger_and_stay_with_their_object(folder, tmp_path):
    large = tables.of_size(folder, len(folder.train) + 7, {folder.train[0].file}).write(tmp_path / "large")
    assert len(large.train) == len(folder.train) + 7
    assert {row.object for row in large.train[-7:]} == {folder.train[0].object}
    assert all((large.path / row.file).exists() for row in large.train)


def test_every_stage_has_hints_and_every_hint_a_stage():
    assert list(HINTS) == list(STAGES)
    assert all(2 <= len(hints) <= 3 for hints in HINTS.values())
    assert len(STAGES) == catalogue.STAGES


def test_hints_name_sections_that_are_there():
    text = {path.name[:2]: path.read_text(encoding="utf-8") for path in NOTEBOOKS.glob("0*.ipynb")}
    titles = {number: re.findall(r'"#{2,3} ([^"\\]+)', page) for number, page in text.items()}
    wrong = []
    for stage, hints in HINTS.items():
        for hint in hints:
            for number, name in re.findall(r"\b(0[0-7]), “([^”]+)”", hint):
                if not any(title.startswith(name) for title in titles[number]):
                    wrong.append((stage, number, name))
    assert wrong == []


def test_the_page_of_the_site_shows_the_reply_to_an_empty_file(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TUTORIAL_PROGRESS", str(tmp_path / "progress.json"))
    (tmp_path / "train.py").touch()
    assert cli.main(["check", str(tmp_path / "train.py")]) == 1
    page = (NOTEBOOKS.parent / "docs" / "capstone.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```text\n(.*?)```", page, re.DOTALL)
    assert capsys.readouterr().out.partition("\n\n")[0] + "\n" == shown


def test_hints_go_from_gentle_to_telling(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TUTORIAL_PROGRESS", str(tmp_path / "progress.json"))
    for _ in range(4):
        cli.main(["hint", "resume"])
    said = capsys.readouterr().out.splitlines()
    assert [line.partition(": ")[2] for line in said] == [*HINTS["resume"], HINTS["resume"][-1]]


def test_stages_speak_chinese_and_follow_each_other():
    seen = set()
    for name, stage in STAGES.items():
        assert any("一" <= sign <= "鿿" for sign in stage.chinese)
        assert set(stage.after) <= seen
        seen.add(name)


def test_progress_counts_the_stages(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TUTORIAL_PROGRESS", str(tmp_path / "progress.json"))
    catalogue.progress()
    assert "capstone" not in capsys.readouterr().out
    (tmp_path / "progress.json").write_text(json.dumps({"capstone.runs": "correct", "capstone.files": "not yet"}))
    catalogue.progress()
    assert re.search(r"capstone, stages +22 +1\n", capsys.readouterr().out)


def test_an_empty_script_is_not_attempted(tmp_path):
    (tmp_path / "train.py").touch()
    outcomes, replies = grade(tmp_path)
    assert outcomes == {f"capstone.{name}": "not attempted" for name in STAGES}
    assert replies == {"capstone.runs": "train.py is empty."}


@pytest.mark.parametrize(
    ("line", "word"),
    [("a.png stop 0.5", "tab"), ("a.png\tstop\t50%", "tab"), ("a.png\tstop\t97.3", "between 0 and 1")],
)
def test_lines_of_another_form_are_refused(line, word):
    with pytest.raises(OutputError, match=word):
        read_answers(line)


def test_a_split_has_two_parts_and_each_file_once(tmp_path):
    (tmp_path / "split.csv").write_text("file,part\na,train\nb,test\n")
    with pytest.raises(OutputError, match="write train or val"):
        read_split(tmp_path)
    (tmp_path / "split.csv").write_text("file,part\na,train\na,val\n")
    with pytest.raises(OutputError, match="twice"):
        read_split(tmp_path)


def test_a_model_file_with_code_is_not_run(tmp_path):
    torch.save({"model": torch.nn.Linear(1, 1), "path": Path()}, tmp_path / "model.pt")
    with pytest.raises(OutputError, match="weights_only"):
        read_model(tmp_path / "model.pt")


def test_tensors_are_found_wherever_they_are():
    found = tensors_of({"a": {"b": torch.tensor(1)}, "c": [2, (torch.tensor(3),)]})
    assert {name: value.item() for name, value in found.items()} == {"a.b": 1, "c.1.0": 3}


def test_a_card_says_what_the_files_say(folder, tmp_path, capsys):
    output = tmp_path / "run"
    output.mkdir()
    (output / "metrics.csv").write_text("epoch,train_loss,val_loss,val_accuracy\n1,2,1.5,0.5\n2,1,1.25,0.75\n")
    rows = folder.readable("train")
    parts = [f"{row.file},{'val' if number % 4 == 0 else 'train'}\n" for number, row in enumerate(rows)]
    (output / "split.csv").write_text("file,part\n" + "".join(parts))
    report = {"classes": ["left", "priority", "right"], "epoch": 2, "test_accuracy": 0.8}
    report |= {"accuracy_by_class": {"left": 0.75, "priority": None, "right": 1.0}}
    report |= {"confusion": [[3, 0, 1], [0, 0, 0], [0, 0, 1]]}
    (output / "report.json").write_text(json.dumps(report))

    assert cli.main(["card", str(output)]) == 0  # data/ lies beside it
    page = (output / "card.md").read_text(encoding="utf-8")
    assert "80.0% of 5 test pictures" in page
    assert "Epoch 2 was chosen" in page
    assert "| priority |" in page
    assert "none in the test part" in page
    assert "left: fewer than 80 %" in page
    with Image.open(output / "card.png") as image:
        assert image.width > 600
    (output / "report.json").unlink()
    assert cli.main(["card", str(output)]) == 1
    assert "There is no report.json" in capsys.readouterr().err
