"""What a run has written, read and checked against the brief: the four files, and the lines of `predict.py`."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

FILES = ("model.pt", "metrics.csv", "split.csv", "report.json")
METRICS = ("epoch", "train_loss", "val_loss", "val_accuracy")
PARTS = ("train", "val")


class OutputError(ValueError):
    """A file is not what the brief asks for; the sentence says what was found, and `chinese` what to do."""

    def __init__(self, sentence: str, chinese: str):
        super().__init__(sentence)
        self.chinese = chinese


class Answer(NamedTuple):
    """One line of `predict.py`."""

    name: str
    probability: float


@dataclass(frozen=True)
class Report:
    """What `report.json` says."""

    classes: list[str]
    epoch: int
    test_accuracy: float
    accuracy_by_class: dict[str, float | None]
    confusion: list[list[int]]


def read_csv(path: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    """Return the rows of a table by column, or raise OutputError where it is missing or lacks a column."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            found = tuple(reader.fieldnames or ())
            rows = list(reader)
    except FileNotFoundError:
        raise OutputError(f"There is no {path.name} in the output folder.", f"输出文件夹里没有 {path.name}。") from None
    if missing := [name for name in columns if name not in found]:
        header = ",".join(columns)
        raise OutputError(
            f"{path.name} lacks the column {missing[0]}: its first line is {','.join(found)!r}, expected {header!r}.",
            f"{path.name} 的表头应为 {header}。",
        )
    return rows


def read_metrics(output: Path) -> list[dict[str, float]]:
    """Return the rows of `metrics.csv`, one for each epoch, with the four columns as numbers; or raise OutputError."""
    try:
        return [{name: float(row[name]) for name in METRICS} for row in read_csv(output / "metrics.csv", METRICS)]
    except (TypeError, ValueError) as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(f"metrics.csv holds what is no number ({error}).", "metrics.csv 里应当全是数字。") from error


def read_split(output: Path) -> dict[str, str]:
    """Return the part, `train` or `val`, of each file in `split.csv`, or raise OutputError."""
    rows = read_csv(output / "split.csv", ("file", "part"))
    if strange := sorted({row["part"] for row in rows} - set(PARTS)):
        raise OutputError(f"split.csv has the part {strange[0]!r}: write train or val.", "part 只能写 train 或 val。")
    files = [row["file"] for row in rows]
    if double := sorted({file for file in files if files.count(file) > 1}):
        raise OutputError(f"split.csv names {double[0]} twice.", "split.csv 里每个文件只能出现一次。")
    return {row["file"]: row["part"] for row in rows}


def read_report(output: Path) -> Report:
    """Return what `report.json` says, or raise OutputError where something is missing."""
    try:
        content = json.loads((output / "report.json").read_text(encoding="utf-8"))
        return Report(
            classes=[str(name) for name in content["classes"]],
            epoch=int(content["epoch"]),
            test_accuracy=float(content["test_accuracy"]),
            accuracy_by_class=dict(content["accuracy_by_class"]),
            confusion=[[whole(count) for count in row] for row in content["confusion"]],
        )
    except FileNotFoundError:
        raise OutputError("There is no report.json in the output folder.", "输出文件夹里没有 report.json。") from None
    except KeyError as error:
        raise OutputError(f"report.json lacks {error}.", f"report.json 里缺少 {error}。") from None
    except (TypeError, ValueError, AttributeError) as error:
        raise OutputError(
            f"report.json cannot be understood ({error}).", "report.json 的内容不符合说明，请对照 brief.md。"
        ) from None


def whole(count: object) -> int:
    """Return a number of pictures, or raise ValueError where it is none."""
    if not isinstance(count, int | float) or not float(count).is_integer():
        raise ValueError(f"confusion counts pictures, and holds {count!r}")
    return int(count)


def read_model(path: Path) -> Any:
    """Return what is in a model file, read without running code, or raise OutputError."""
    try:
        return torch.load(path, weights_only=True, map_location="cpu")
    except FileNotFoundError:
        raise OutputError(f"There is no {path.name} in the output folder.", f"输出文件夹里没有 {path.name}。") from None
    except Exception as error:  # what a damaged or foreign file leads to is open
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise OutputError(
            f"torch.load({path.name!r}, weights_only=True) fails: {reason[:200]}",
            "weights_only=True 读不了这个文件：只保存 state_dict、数字、字符串和列表。",
        ) from error


def tensors_of(content: Any, name: str = "") -> dict[str, Tensor]:
    """Return all tensors in nested dictionaries and lists, each by its place.

    >>> tensors_of({"a": [torch.tensor(1)], "b": "text"})
    {'a.0': tensor(1)}
    """
    if isinstance(content, Tensor):
        return {name: content}
    if isinstance(content, dict):
        items = list(content.items())
    elif isinstance(content, list | tuple):
        items = list(enumerate(content))
    else:
        return {}
    found: dict[str, Tensor] = {}
    for key, value in items:
        found |= tensors_of(value, f"{name}.{key}" if name else str(key))
    return found


def differences(one: Path, other: Path) -> list[str]:
    """Return the names of the tensors that two model files do not share to the last bit."""
    left, right = (tensors_of(read_model(path)) for path in (one, other))
    return [name for name in {**left, **right} if not equal(left.get(name), right.get(name))]


def equal(one: Tensor | None, other: Tensor | None) -> bool:
    """Return whether two tensors have the same dtype, shape and bits."""
    if one is None or other is None or one.dtype != other.dtype or one.shape != other.shape:
        return False
    return torch.equal(one, other)


def read_answers(stdout: str) -> dict[str, Answer]:
    """Return the answer for each file that `predict.py` has printed, or raise OutputError."""
    answers = {}
    for line in stdout.splitlines():
        try:
            file, name, probability = line.rstrip("\r").split("\t")
            answers[file] = Answer(name, float(probability))
        except ValueError:
            raise OutputError(
                f"predict.py printed {line[:80]!r}: expected file, name and probability, with a tab between them.",
                "predict.py 每行打印：文件、类别名、概率，用制表符（\\t）隔开。",
            ) from None
        if not 0 <= answers[file].probability <= 1:
            raise OutputError(
                f"predict.py printed the probability {probability} for {file}: it lies between 0 and 1.",
                "概率应在 0 和 1 之间（softmax）。",
            )
    return answers
