"""The files in the output folder of a run, each written in one step, and by the process of rank 0 alone."""

import json
import os
from pathlib import Path
from typing import Any

import pandas as pd
from torch import nn
from torch.optim import Optimizer

from tutorial_utils.checkpoints import load_checkpoint, save_checkpoint, write_atomically
from tutorial_utils.loops import Metrics
from tutorial_utils.plots import plot_history
from tutorial_utils.training.options import Options
from tutorial_utils.training.processes import is_rank_zero, print_once, reduce_max, require_same

METRICS = ["train_loss", "val_loss", "val_accuracy"]
FIXED = ["model", "batch_size", "optimizer", "lr", "seed", "subset"]  # options that one run cannot change on the way


def begin(options: Options, images: str, model: nn.Module, optimizer: Optimizer) -> pd.DataFrame:
    """Return the metrics of the finished epochs, whose checkpoint is loaded; those of a new run are none, and saved.

    Raises:
        OSError: there is a checkpoint already, and no `--resume`; or the folder cannot be read or written.
        ValueError: the checkpoint belongs to a run with other options, or is damaged; the processes see different ones.
    """
    checkpoint, settings_file = options.output / "checkpoint.pt", options.output / "options.json"
    settings = {name: getattr(options, name) for name in FIXED} | {"images": images}
    restarted = reduce_max(int(os.environ.get("TORCHELASTIC_RESTART_COUNT", 0))) > 0  # by torchrun: a worker has died
    history = pd.DataFrame(columns=METRICS, index=pd.RangeIndex(0, name="epoch"), dtype=float)
    if found := checkpoint.exists():
        if not (options.resume or restarted):
            raise FileExistsError(f"{checkpoint} is there already: add --resume to go on, or choose another --output.")
        check_settings(settings_file, settings)
        history = read_metrics(options.output / "metrics.csv", load_checkpoint(checkpoint, model, optimizer))
        print_once(f"Going on after epoch {len(history)}, from {checkpoint}.")
    elif options.resume:
        print_once(f"There is no {checkpoint} yet: starting from the beginning.")
    require_same({"images": images, "epochs in the checkpoint": len(history) if found else None})
    if not found:  # every process has looked, so now there may be one
        write(settings_file, json.dumps(settings, indent=2))
        save(options.output, history, model, optimizer)
    return history


def check_settings(path: Path, settings: dict[str, Any]) -> None:
    """Raise ValueError unless `settings` are those that the file `path` has kept of the run."""
    kept = json.loads(path.read_text(encoding="utf-8"))
    if other := [name for name in settings if kept.get(name) != settings[name]]:
        raise ValueError(
            f"The run in {path.parent} was begun with "
            + "; ".join(f"{name} {kept.get(name)}, not {settings[name]}" for name in other)
            + ". Repeat the options that it was begun with, or choose another --output."
        )


def read_metrics(path: Path, epochs: int) -> pd.DataFrame:
    """Return the metrics of the first epochs from the file `path`; a last one whose checkpoint is missing is cut off.

    Raises:
        OSError: the file cannot be read.
        ValueError: it does not hold so many epochs.
    """
    table = pd.read_csv(path, index_col="epoch", dtype=dict.fromkeys(METRICS, str))
    history = table.head(epochs).astype(float)  # by way of text, no digit is lost
    if list(history) != METRICS or list(history.index) != list(range(1, epochs + 1)):
        raise ValueError(f"{path} does not hold the {epochs} epochs of the checkpoint: choose another --output.")
    return history


def save(output: Path, history: pd.DataFrame, model: nn.Module, optimizer: Optimizer) -> None:
    """Write the files of the finished epochs; it is the checkpoint that makes an epoch count, so it comes last."""
    if is_rank_zero():
        write(output / "metrics.csv", history.to_csv(lineterminator="\n"))
        with write_atomically(output / "history.png") as file:
            plot_history(history.to_dict("list")).savefig(file, format="png", bbox_inches="tight")
        save_checkpoint(output / "checkpoint.pt", model, optimizer, epoch=len(history))


def finish(options: Options, metrics: Metrics) -> None:
    """Print the test metrics and write them to their file."""
    results = {"epochs": options.epochs, "test_loss": metrics.loss, "test_accuracy": metrics.accuracy}
    write(options.output / "test.json", json.dumps(results, indent=2))
    print_once(f"test loss {metrics.loss:.4f}, test accuracy {metrics.accuracy:.2%}")


def write(path: Path, text: str) -> None:
    """Write the text to the file `path` in one step, once for all processes."""
    if is_rank_zero():
        path.parent.mkdir(parents=True, exist_ok=True)
        with write_atomically(path) as file:
            file.write(f"{text.rstrip()}\n".encode())
