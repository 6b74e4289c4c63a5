"""The judge: runs a learner's scripts through the stages, in order, and says of each what it saw."""

import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tutorial_utils.capstone.faults import Fault
from tutorial_utils.capstone.signs import draw_signs
from tutorial_utils.capstone.stages import STAGES, Stage
from tutorial_utils.capstone.trials import Trials


@dataclass(frozen=True)
class Verdict:
    """What became of one stage.

    Attributes:
        outcome: "passed", "not yet", or "waits", where a stage that it builds on is not passed.
        seen: what was seen, where it passed; else which stage it waits for.
        fault: why it did not pass.
    """

    stage: Stage
    outcome: str
    seen: str = ""
    fault: Fault | None = None
    seconds: float = 0.0

    @property
    def text(self) -> str:
        """All that the reply says."""
        fault = self.fault
        return "\n".join([f"The judge {fault.did}.", fault.seen, fault.means, fault.chinese]) if fault else self.seen


def judge(
    script: Path,
    data: Path,
    stages: Iterable[str] = STAGES,
    go_on: bool = True,
    begin: Callable[[Stage], None] = lambda stage: None,
) -> Iterator[Verdict]:
    """Yield the verdict of each stage, in order, up to the first that is not passed unless `go_on` is true.

    Only the given stages are looked at; what they build on is taken for granted then. `begin` is told each one first.
    A script that does not pass the first stage is run once.

    Raises:
        ValueError: `data` is no data folder.
    """
    chosen = [STAGES[name] for name in STAGES if name in set(stages)]
    with tempfile.TemporaryDirectory(prefix="capstone_", ignore_cleanup_errors=True) as folder:
        trials, failed = Trials(script, data, Path(folder)), set[str]()
        try:
            for stage in chosen:
                begin(stage)
                if stage.name != "runs" and "runs" not in failed:
                    for name in (name for other in chosen for name in other.needs):
                        trials.begin(name)
                verdict = look(stage, trials, failed)
                yield verdict
                if verdict.outcome != "passed":
                    failed.add(stage.name)
                    if not (go_on or stage.bonus):
                        break
        finally:
            trials.close()


def look(stage: Stage, trials: Trials, failed: set[str]) -> Verdict:
    """Return the verdict of one stage."""
    if awaited := [name for name in stage.after if name in failed]:
        return Verdict(stage, "waits", f"for {awaited[0]}")
    begun = time.monotonic()
    try:
        seen = stage.judge(trials)
    except Fault as fault:
        return Verdict(stage, "not yet", fault=fault, seconds=time.monotonic() - begun)
    return Verdict(stage, "passed", seen, seconds=time.monotonic() - begun)


def grade(folder: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Return the outcome of each stage for the capstone in a learner's folder, and the reply where it did not pass.

    The learner's code runs, with your rights on this machine, on signs that are drawn for it. The keys are
    "capstone.runs" and so on; the outcomes are "correct", "not yet", "not attempted" where `train.py` is empty, and
    "not reached" where a stage that it builds on did not pass.
    """
    script = folder / "train.py"
    if not script.exists() or not script.read_text(encoding="utf-8", errors="replace").strip():
        keys = [f"capstone.{name}" for name in STAGES]
        return dict.fromkeys(keys, "not attempted"), {keys[0]: "train.py is empty."}
    with tempfile.TemporaryDirectory(prefix="capstone_grade_", ignore_cleanup_errors=True) as drawn:
        verdicts = {f"capstone.{each.stage.name}": each for each in judge(script, draw_signs(Path(drawn) / "data"))}
    said = {"passed": "correct", "not yet": "not yet", "waits": "not reached"}
    outcomes = {key: said[verdict.outcome] for key, verdict in verdicts.items()}
    return outcomes, {key: verdict.text for key, verdict in verdicts.items() if verdict.fault}
