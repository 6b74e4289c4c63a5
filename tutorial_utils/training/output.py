"""The files in the output folder of a run, each written in one step, and by the process of rank 0 alone."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import filelock
import pandas as pd
from torch import nn
from torch.optim import Optimizer

from tutorial_utils.checkpoints import explain_failed_write, load_checkpoint, save_checkpoint, write_atomically
from tutorial_utils.loops import Metrics
from tutorial_utils.plots import plot_history
from tutorial_utils.predict import Classifier, save_classifier
from tutorial_utils.storage.files import lock
from tutorial_utils.training.images import Images
from tutorial_utils.training.options import Options
from tutorial_utils.training.processes import is_rank_zero, print_once, reduce_max, require_same, restarts

METRICS = ["train_loss", "val_loss", "val_accuracy"]
FIXED = ["model", "batch_size", "optimizer", "lr", "seed", "subset", "size"]  # what one run cannot change on the way


@contextmanager
def own(folder: Path) -> Iterator[None]:
    """Keep the output folder for this run alone while the block runs.

    The lock is the operating system's, on the file `.lock`: it ends with the process of rank 0, however that ends.
    Where the file system has no locks, nothing is held.

    Raises:
        OSError: another run writes to the folder, or it cannot be made.
    """
    if not is_rank_zero():
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        try:
            stack.enter_context(lock(folder / ".lock", patience=0))
        except filelock.Timeout as error:
            raise FileExistsError(
                f"Another run is writing to {folder}: wait until it is over, stop it, or choose another --output."
            ) from error
        yield


def begin(options: Options, images: str, model: nn.Module, optimizer: Optimizer) -> pd.DataFrame:
    """Return the metrics of the finished epochs, whose checkpoint is loaded; those of a new run are none, and saved.

    Raises:
        OSError: there is a checkpoint already, and no `--resume`; or the folder cannot be read or written.
        ValueError: the checkpoint belongs to a run with other options, or is damaged; the processes see different ones.
    """
    checkpoint, settings_file = options.output / "checkpoint.pt", options.output / "options.json"
    settings = {name: getattr(options, name) for name in FIXED} | {"images": images}
    restarted = reduce_max(restarts()) > 0  # by torchrun: a worker has died
    history = pd.DataFrame(columns=METRICS, index=pd.RangeIndex(0, name="epoch"), dtype=float)
    if found := checkpoint.exists():
        if not (options.resume or restarted):
            raise FileExistsError(f"{checkpoint} is there already: add --resume to go on, or choose another --output.")
        check_settings(settings_file, settings)
        history = read_metrics(options.output / "metrics.csv", load_checkpoint(checkpoint, model, optimizer))
        print_once(f"Going on after epoch {len(history)}, from {checkpoint}.")
        if len(history) > options.epochs:
            print_once(f"That is more than --epochs {options.epochs}: it is measured as it is, and nothing is trained.")
    elif options.resume:
        print_once(f"There is no {checkpoint} yet: starting from the beginning.")
    require_same({"images": images, "epochs in the checkpoint": len(history) if found else None})
    if not found:  # every process has looked, so now there may be one
        write(settings_file, json.dumps(settings, indent=2))
        save(options.output, history, model, optimizer)
    return history


def check_settings(path: Path, settings: dict[str, Any]) -> None:
    """Raise ValueError unless `settings` are those that the file `path` has kept of the run."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(explain_damage(path, "how the run was begun", error)) from error
    if not isinstance(kept, dict):
        raise ValueError(explain_damage(path, "how the run was begun", f"found {kept!r:.40}"))
    if other := [name for name in settings if kept.get(name) != settings[name]]:
        raise ValueError(
            f"The run in {path.parent} was begun with "
            + "; ".join(f"{name} {kept.get(name)}, not {settings[name]}" for name in other)
            + ". Repeat the options that it was begun with, or choose another --output."
        )


def read_metrics(path: Path, epochs: int) -> pd.DataFrame:
    """Return the metrics of the first epochs from the file `path`; a last one whose checkpoint is missing is cut off.

    Raises:
        ValueError: the file is missing or damaged, or does not hold so many epochs.
    """
    try:
        table = pd.read_csv(path, index_col="epoch", dtype=dict.fromkeys(METRICS, str))
        history = table.head(epochs).astype(float)  # by way of text, no digit is lost
    except (OSError, ValueError) as error:  # pandas' own errors are of these kinds
        raise ValueError(explain_damage(path, "the metrics of each epoch", error)) from error
    if list(history) != METRICS or list(history.index) != list(range(1, epochs + 1)):
        rows = f"found {', '.join(map(str, history))} of {len(history)} epochs, the checkpoint has {epochs}"
        raise ValueError(explain_damage(path, "the metrics of each epoch", rows))
    return history


def explain_damage(path: Path, content: str, error: object) -> str:
    """Return what to do about a file of the output folder that is missing, or does not hold what it should."""
    found = "is missing" if isinstance(error, FileNotFoundError) else f"is damaged ({str(error).rstrip('.')})"
    return (
        f"{path}, which holds {content}, {found}. Without it the run cannot go on: put it back from a copy, or "
        "begin again in another --output. (The weights are in checkpoint.pt, whole: load_checkpoint reads them.)"
    )


def curves_of(history: pd.DataFrame) -> dict[str, list[float]]:
    """Return the metrics of the finished epochs as `fit` returns them, one list for each name."""
    return {str(name): values.tolist() for name, values in history.items()}


def save(output: Path, history: pd.DataFrame, model: nn.Module, optimizer: Optimizer) -> None:
    """Write the files of the finished epochs; it is the checkpoint that makes an epoch count, so it comes last."""
    if is_rank_zero():
        write(output / "metrics.csv", history.to_csv(lineterminator="\n"))
        picture = output / "history.png"
        with explain_failed_write(picture), write_atomically(picture) as file:
            plot_history(curves_of(history)).savefig(file, format="png", bbox_inches="tight")
        save_checkpoint(output / "checkpoint.pt", model, optimizer, epoch=len(history))


def finish(options: Options, images: Images, model: nn.Module, epochs: int, metrics: Metrics) -> None:
    """Write the trained model for `tutorial_utils.predict`; print the test metrics and write them to their file."""
    if is_rank_zero():
        arguments = images.arguments(options.model)
        classifier = Classifier(options.model, arguments, model, images.classes, images.preparation)
        save_classifier(options.output / "model.pt", classifier)
    results = {"epochs": epochs, "test_loss": metrics.loss, "test_accuracy": metrics.accuracy}
    write(options.output / "test.json", json.dumps(results, indent=2))
    print_once(f"test loss {metrics.loss:.4f}, test accuracy {metrics.accuracy:.2%}")


def write(path: Path, text: str) -> None:
    """Write the text to the file `path` in one step, once for all processes."""
    if is_rank_zero():
        path.parent.mkdir(parents=True, exist_ok=True)
        with explain_failed_write(path), write_atomically(path) as file:
            file.write(f"{text.rstrip()}\n".encode())
