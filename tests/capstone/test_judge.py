"""The judge: right scripts pass, and each fault is found by the stages that it concerns, with the right words."""

import inspect
import random
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))

from flaws import FLAWS, QUICK
from scripts import STYLES, put, start_forked

from tutorial_utils.capstone import runs, trials
from tutorial_utils.capstone.judge import judge
from tutorial_utils.capstone.signs import draw_signs
from tutorial_utils.capstone.stages import STAGES
from tutorial_utils.capstone.tables import Row, write_rows


@pytest.fixture(scope="module")
def signs(tmp_path_factory):
    return draw_signs(tmp_path_factory.mktemp("signs") / "data")


@pytest.fixture(autouse=True)
def quick_processes(monkeypatch):
    monkeypatch.setattr(runs, "start", start_forked)


@pytest.mark.long
@pytest.mark.parametrize("style", STYLES)
def test_a_right_script_passes_every_stage_but_the_bonus(style, signs, tmp_path):
    if style == "lightning":
        pytest.importorskip("pytorch_lightning")
    verdicts = list(judge(put(style, tmp_path), signs, [name for name in STAGES if not STAGES[name].bonus]))
    assert {verdict.stage.name: verdict.text for verdict in verdicts if verdict.outcome != "passed"} == {}


@pytest.mark.long
def test_a_right_script_passes_the_bonus(signs, tmp_path):
    (verdict,) = judge(put("together", tmp_path), signs, ["together"])
    assert verdict.outcome == "passed", verdict.text


def draw_own(folder):
    """Draw a folder of pictures as a learner may bring it: three classes, two to five objects of each."""
    dice, rows = random.Random(1), {"train": [], "test": []}
    for name, colour, counts in (("cat", "tan", (5, 2)), ("dog", "brown", (4, 2)), ("鱼", "navy", (2, 1))):
        for part, count in zip(rows, counts, strict=True):
            for number in range(3 * count):
                file = f"{part} {name} {number}.jpg"
                size = dice.randint(100, 300), dice.randint(100, 300)
                image = Image.blend(Image.new("RGB", size, colour), Image.effect_noise(size, 90).convert("RGB"), 0.2)
                (folder / "my pictures").mkdir(parents=True, exist_ok=True)
                image.save(folder / "my pictures" / file)
                rows[part].append(Row(f"my pictures/{file}", name, f"{name} {number // 3}"))
    for part in rows:
        write_rows(folder / f"{part}.csv", rows[part])
    return folder


@pytest.mark.long
def test_a_folder_of_ones_own_has_the_same_judge(tmp_path):
    verdicts = list(
        judge(put("plain", tmp_path), draw_own(tmp_path / "own"), [n for n in STAGES if not STAGES[n].bonus])
    )
    assert {verdict.stage.name: verdict.text for verdict in verdicts if verdict.outcome != "passed"} == {}


def find(flaw, signs, folder):
    """Return what the stages that a flaw concerns, and a few that it does not, say about it."""
    script = put(flaw.style, folder, *flaw.changes)
    return {verdict.stage.name: verdict for verdict in judge(script, signs, {*flaw.fails, *flaw.passes})}


def assert_found(flaw, signs, folder):
    verdicts = find(flaw, signs, folder)
    outcomes = {name: (verdict.outcome, verdict.text) for name, verdict in verdicts.items()}
    assert {name for name, (outcome, _) in outcomes.items() if outcome != "passed"} == set(flaw.fails), outcomes
    said = outcomes[flaw.fails[0]][1]
    assert flaw.word in said, said
    fault = verdicts[flaw.fails[0]].fault
    assert any("一" <= sign <= "鿿" for sign in fault.chinese)


@pytest.mark.parametrize("name", QUICK)
def test_a_fault_is_found(name, signs, tmp_path):
    assert_found(FLAWS[name], signs, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("name", sorted(FLAWS.keys() - set(QUICK)))
def test_every_fault_is_found(name, signs, tmp_path):
    assert_found(FLAWS[name], signs, tmp_path)


@pytest.mark.parametrize("last", trials.TRIALS)
def test_no_run_waits_for_one_that_is_begun_after_it(last, tmp_path, monkeypatch):
    """Two workers, which both wait for a third run, would wait for ever."""
    begun = []
    instead = {name: lambda trials, name=name: begun.append(name) for name in trials.TRIALS}
    monkeypatch.setattr(trials, "TRIALS", instead)
    folder = trials.Trials.__new__(trials.Trials)
    folder._pool, folder._begun = ThreadPoolExecutor(1), {}
    folder.get(last)
    folder.close()
    source = inspect.getsource(ORIGINAL[last])
    assert begun[-1] == last
    assert {name for name in ORIGINAL if f'trials.get("{name}")' in source} <= set(begun[:-1])


ORIGINAL = dict(trials.TRIALS)


def test_there_is_a_fault_for_every_stage():
    found = {name for flaw in FLAWS.values() for name in flaw.fails}
    assert [name for name in STAGES if name not in found] == []


def test_there_are_thirty_flaws_and_five_styles():
    assert len(FLAWS) >= 30
    assert len(STYLES) >= 5
