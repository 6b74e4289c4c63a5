"""The model card: one page about a model, from what its training has written."""

from collections import Counter
from pathlib import Path

import pandas as pd

from tutorial_utils.capstone.output import Report, read_metrics, read_report, read_split
from tutorial_utils.capstone.tables import Folder
from tutorial_utils.storage.files import write_atomically
from tutorial_utils.style import BLUE, ORANGE, Figure, course_style


def write_card(output: Path, data: Path) -> Path:
    """Write `card.md` and `card.png` to the output folder of a run on the folder `data`, and return the page.

    Raises:
        ValueError: a file of the run, or a table of the data, is missing or is not what the brief asks for.
    """
    metrics, report = pd.DataFrame(read_metrics(output)).set_index("epoch"), read_report(output)
    page = describe(report, Folder.read(data), read_split(output), metrics)
    with course_style():
        figure = draw(report, metrics)
    with write_atomically(output / "card.png") as file:
        figure.savefig(file, format="png", bbox_inches="tight")
    with write_atomically(output / "card.md") as file:
        file.write(page.encode())
    return output / "card.md"


def draw(report: Report, metrics: pd.DataFrame) -> Figure:
    """Return the curves of training and validation, and the confusion matrix."""
    figure = Figure(figsize=(12, 4), layout="constrained")
    loss, confusion = figure.subplots(1, 2)
    loss.plot(metrics.index, metrics["train_loss"], label="training", color=BLUE)
    loss.plot(metrics.index, metrics["val_loss"], label="validation", color=ORANGE)
    loss.axvline(report.epoch, color="grey", linestyle=":", label=f"chosen: epoch {report.epoch}")
    loss.set(xlabel="epoch", ylabel="mean loss per picture", title="Training")
    loss.legend()
    size = range(len(report.classes))
    confusion.imshow(report.confusion, cmap="Blues")
    confusion.grid(visible=False)
    confusion.set(xlabel="predicted", ylabel="true", title="Test pictures")
    confusion.set_xticks(size, report.classes, rotation=45, ha="right")
    confusion.set_yticks(size, report.classes)
    darkest = max(map(max, report.confusion), default=0)
    for y, row in enumerate(report.confusion):
        for x, count in enumerate(row):
            confusion.text(x, y, count, ha="center", va="center", color="white" if 2 * count > darkest else "black")
    return figure


def describe(report: Report, data: Folder, split: dict[str, str], metrics: pd.DataFrame) -> str:
    """Return the page, in Markdown."""
    trained, tested = Counter(row.label for row in data.train), [sum(row) for row in report.confusion]
    parts, objects = Counter(split.values()), {row.object for row in data.train}
    rows = []
    for name, count in zip(report.classes, tested, strict=True):
        accuracy = report.accuracy_by_class.get(name)
        share = "none in the test part" if accuracy is None else f"{accuracy:.1%}"
        rows.append(f"| {name} | {trained[name]} | {count} | {share} |")
    chosen = metrics.loc[report.epoch]
    weak = [name for name, share in report.accuracy_by_class.items() if share is not None and share < 0.8]
    few = [name for name in report.classes if trained[name] < 30]
    return "\n".join(
        [
            "# Model card",
            "",
            f"A network that tells {len(report.classes)} classes of pictures apart. It names "
            f"{report.test_accuracy:.1%} of {sum(tested)} test pictures right.",
            "",
            "![The loss of training and validation by epoch, and the confusion matrix of the test pictures](card.png)",
            "",
            "## Data",
            "",
            f"- {len(data.train)} pictures of {len(objects)} objects in `train.csv`: {parts['train']} trained, "
            f"{parts['val']} validated, and {len(data.train) - len(split)} could not be read.",
            f"- {len(data.test)} pictures in `test.csv`, of which {sum(tested)} were counted, once, at the end.",
            "",
            "## Training",
            "",
            f"{len(metrics)} epochs. Epoch {report.epoch} was chosen by the validation part: loss "
            f"{chosen['val_loss']:.3f}, accuracy {chosen['val_accuracy']:.1%}.",
            "",
            "## By class",
            "",
            "| class | pictures in train.csv | test pictures | named right |",
            "|---|---|---|---|",
            *rows,
            "",
            "## What it should not be used for",
            "",
            "- Anything on which a life depends, such as driving.",
            f"- Pictures of another kind than these, and things that are none of the {len(report.classes)} classes: it "
            "names one of them in any case.",
            *([f"- {', '.join(weak)}: fewer than 80 % are named right."] if weak else []),
            *([f"- {', '.join(few)}: fewer than 30 pictures to learn from, so the numbers say little."] if few else []),
            "",
        ]
    )
