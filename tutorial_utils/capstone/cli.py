"""The command line of the capstone."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tutorial_utils.capstone.hints import HINTS, next_hint
from tutorial_utils.command import program

if TYPE_CHECKING:  # it imports PyTorch, which takes seconds
    from tutorial_utils.capstone.judge import Verdict

FOLDER = Path("work", "capstone")
EPILOG = """\
The scripts run with your rights, on your machine, without a GPU and a network, on small data: 4 minutes on two cores.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; return the exit status: 0, or 1 where something is not right yet."""
    options = make_parser().parse_args(arguments)
    try:
        return int(options.command(options))
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog=program("capstone"),
        description="From an empty file: write a training script, and have it judged.",
        epilog=EPILOG,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    begin = commands.add_parser("start", help="make the folder, with the brief, the pictures and two empty scripts")
    begin.add_argument("folder", type=Path, nargs="?", default=FOLDER, help=f"(default: {FOLDER})")
    begin.set_defaults(command=start)
    look = commands.add_parser("check", help="run your scripts and say what was seen, up to the first thing to mend")
    look.add_argument("script", type=Path, nargs="?", default=FOLDER / "train.py", metavar="train.py")
    look.add_argument("--data", type=Path, help="pictures of your own, in the same layout (default: data, beside it)")
    look.add_argument("--all", action="store_true", help="go on after a stage that is not passed")
    look.add_argument("--stage", choices=HINTS, metavar="STAGE", help="look at this stage only")
    look.set_defaults(command=check)
    help_ = commands.add_parser("hint", help="help with a stage: a little more each time")
    help_.add_argument("stage", choices=HINTS, metavar="STAGE", help=", ".join(HINTS))
    help_.set_defaults(command=hint)
    page = commands.add_parser("card", help="make one page of what a run has written: the model card")
    page.add_argument("output", type=Path, help="the folder that train.py has written to")
    page.add_argument("--data", type=Path, help="(default: data, beside that folder or its parents)")
    page.set_defaults(command=card)
    return parser


def start(options: argparse.Namespace) -> int:
    """Make the folder of the capstone; what is there stays."""
    from tutorial_utils.capstone.signs import draw_signs

    folder: Path = options.folder
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "brief.md").exists():
        brief = Path(__file__).with_name("brief.md").read_text(encoding="utf-8")
        (folder / "brief.md").write_text(brief, encoding="utf-8")
    for name in ("train.py", "predict.py"):
        (folder / name).touch()
    if not (folder / "data").exists():
        draw_signs(folder / "data")
    print(f"{folder} holds brief.md, which says what to do, data/, and two empty files: train.py and predict.py.")
    print(f"先读 {folder / 'brief.md'}，再从空文件写起。随时可以检查：")
    print(f"\n    {program('capstone')} check {folder / 'train.py'}")
    return 0


def check(options: argparse.Namespace) -> int:
    """Run the stages, print a line for each, and the reply where one is not passed."""
    from tutorial_utils.capstone.judge import judge
    from tutorial_utils.capstone.stages import STAGES, Stage
    from tutorial_utils.exercises.record import remember

    data = options.data or options.script.parent / "data"
    names = [options.stage] if options.stage else list(STAGES)
    begun, verdicts = time.monotonic(), list["Verdict"]()

    def announce(stage: Stage) -> None:
        print(f"{list(STAGES).index(stage.name) + 1:>2}/{len(STAGES)} {stage.name:<10}", end="", flush=True)
        if sys.stdout.isatty():  # what is written over as soon as it is known
            waiting = f" … at most {stage.limit} s of processor time for a run"
            print(waiting + "\b" * len(waiting), end="", flush=True)

    for verdict in judge(options.script, data, names, options.all, announce):
        verdicts.append(verdict)
        show(verdict)
        if verdict.outcome != "waits" and options.data is None:
            remember(f"capstone.{verdict.stage.name}", "correct" if verdict.outcome == "passed" else "not yet")
    passed = sum(verdict.outcome == "passed" for verdict in verdicts)
    print(f"\n{passed} of {len(names)} stages passed, in {time.monotonic() - begun:.0f} s.")
    missing = [verdict for verdict in verdicts if verdict.outcome != "passed" and not verdict.stage.bonus]
    return int(bool(missing))


def show(verdict: "Verdict") -> None:
    """Print what was seen, or the reply."""
    stage, fault = verdict.stage, verdict.fault
    mark = {"passed": "✓", "not yet": "✗", "waits": "·"}[verdict.outcome]
    said = verdict.seen if fault is None else stage.title
    print(f" {mark} {said.ljust(50 * sys.stdout.isatty())}", flush=True)
    if fault is None:
        return
    for word, text in (("Done", f"The judge {fault.did}."), ("Seen", fault.seen), ("Means", fault.means)):
        first, *others = text.splitlines() or [""]
        print("\n".join([f"     {word + ':':<7}{first}", *(f"            {line}" for line in others)]))
    print(f"     中文：  {fault.chinese}")
    print(f"     Help:  {program('capstone')} hint {stage.name}")


def hint(options: argparse.Namespace) -> int:
    """Print the next hint of a stage."""
    print(next_hint(options.stage))
    return 0


def card(options: argparse.Namespace) -> int:
    """Make the model card in the output folder of a run."""
    from tutorial_utils.capstone.card import write_card

    output: Path = options.output
    places = [options.data] if options.data else [folder / "data" for folder in (output, *output.resolve().parents)]
    data = next((place for place in places if (place / "train.csv").exists()), places[0])
    print(f"The model card is in {write_card(output, data)}.")
    return 0
