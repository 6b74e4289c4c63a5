"""`python -m tutorial_utils.train`: notebook 06 as a script, on one process or on several.

Here on one, and then on two::

    python -m tutorial_utils.train --epochs 5 --optimizer Adam --lr 1e-3
    torchrun --standalone --nproc-per-node=2 -m tutorial_utils.train --epochs 5

(Where a machine does not know its own name, `--local-addr=127.0.0.1` keeps torchrun from asking for it.)

`torchrun` starts the same script several times, on one machine or on many, and tells each process in environment
variables which one it is (`RANK`), and of how many (`WORLD_SIZE`). Every process holds the whole model and computes the
gradients of its own part of each batch; `DistributedDataParallel` averages them before the step, so that all models
stay equal. `--batch-size` counts the images of all processes together, so several processes learn what one learns from
the same batches, with the same learning rate. (Where the training images cannot be shared out evenly, the first ones
of an epoch come twice; the metrics count every image that was seen. Validation and test see each image once.)

The process of rank 0 writes to the folder `--output`, each file in one step: `options.json`, how the run was begun;
`checkpoint.pt`, `metrics.csv` and `history.png`, the finished epochs; `test.json`, the test metrics at the end. SIGTERM
and Ctrl-C end a run after the current step: the epoch is given up, and `--resume` goes on from the last finished one.

Exit status: 0, finished; 1, it failed, and a sentence says why; 2, the command is wrong; 143 and 130, stopped by
SIGTERM and by Ctrl-C. (`torchrun` has its own: 0, or 1 for all the rest.)

Source: https://docs.pytorch.org/tutorials/beginner/ddp_series_multigpu.html
"""

import argparse
import json
import math
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer
from torch.utils.data import DataLoader, Dataset, DistributedSampler, Subset
from torchvision.transforms import v2

from tutorial_utils.checkpoints import load_checkpoint, save_checkpoint, write_atomically
from tutorial_utils.data import DownloadError, FashionMNIST, train_val_split
from tutorial_utils.devices import pick_device
from tutorial_utils.loops import Batches, report_epoch, test_loop, train_loop
from tutorial_utils.models import ConvNet, NeuralNetwork
from tutorial_utils.plots import plot_history
from tutorial_utils.progress import progress_bar

MODELS = {"NeuralNetwork": NeuralNetwork, "ConvNet": ConvNet}
OPTIMIZERS = {"SGD": torch.optim.SGD, "Adam": torch.optim.Adam}
METRICS = ["train_loss", "val_loss", "val_accuracy"]
FIXED = ["model", "batch_size", "optimizer", "lr", "seed", "subset"]  # options that one run cannot change on the way


class Stopped(Exception):  # noqa: N818
    """A signal has ended training between two steps. Its arguments: the number of the signal, and the epoch."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Train as the command line says; return the exit status."""
    options = parse(arguments)
    try:
        run(options)
    except Stopped as stop:
        number, epoch = stop.args
        say(
            f"Stopped by {signal.Signals(number).name} in epoch {epoch}, which is given up; {options.output} holds the "
            f"{epoch - 1} before it. The same command with --resume goes on from there, to the very same end."
        )
        return 128 + number
    except KeyboardInterrupt:
        say("Stopped before training began.")
        return 128 + signal.SIGINT
    except (OSError, ValueError, FloatingPointError, DownloadError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


def run(options: argparse.Namespace) -> None:
    """Train together with the processes that torchrun has started, if it has, and part from them."""
    try:
        train(options, *join_processes())
    except Stopped:
        part_from_processes()
        raise
    part_from_processes()  # not after a failure: a process that failed must not wait for the others


# ------------------------------------------------------------------------------------------------------ the command


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(prog="python -m tutorial_utils.train", description="Train on Fashion-MNIST.")
    add = parser.add_argument
    add("--model", choices=MODELS, default="NeuralNetwork", help="(default: %(default)s)")
    add("--epochs", type=at_least(0), default=5, help="passes over the images, in all (default: %(default)s)")
    add("--batch-size", type=at_least(1), default=64, help="images per step, all processes together (default: 64)")
    add("--optimizer", choices=OPTIMIZERS, default="SGD", help="(default: %(default)s)")
    add("--lr", type=positive, default=0.1, help="learning rate (default: %(default)s)")
    add("--seed", type=at_least(0), default=0, help="of the weights and the order of the images (default: 0)")
    add("--data", type=Path, help="the data folder (default: the one that the notebooks use)")
    add("--subset", type=at_least(1), help="train on that many images only, for a quick try")
    add("--output", type=Path, help="the folder to write to (default: runs/ and the name of the model)")
    add("--resume", action="store_true", help="go on from the checkpoint in the output folder, if there is one")
    options = parser.parse_args(arguments)
    options.output = options.output or Path("runs", options.model)
    processes = int(os.environ.get("WORLD_SIZE", 1))
    if options.batch_size % processes:
        nearest = max(1, round(options.batch_size / processes)) * processes
        parser.error(f"--batch-size {options.batch_size} cannot be shared by {processes} processes; {nearest} can")
    return options


def at_least(smallest: int) -> Callable[[str], int]:
    """Return a function that reads a whole number and refuses one below `smallest`."""

    def whole_number(text: str) -> int:
        if int(text) < smallest:
            raise argparse.ArgumentTypeError(f"{text} is less than {smallest}")
        return int(text)

    return whole_number


def positive(text: str) -> float:
    """Return the number in `text` if it is finite and above 0."""
    if not 0 < float(text) < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not a number above 0")
    return float(text)


# ---------------------------------------------------------------------------------------------------------- training


def train(options: argparse.Namespace, rank: int, processes: int, device: torch.device) -> None:
    """Train one model on all processes together; the process of rank 0 prints how it goes and writes the files."""
    train_data, val_data, test_data = load(options)
    sampler = DistributedSampler(train_data, processes, rank, seed=options.seed)  # this process's part, shuffled
    train_dataloader = DataLoader(train_data, batch_size=options.batch_size // processes, sampler=sampler)

    torch.manual_seed(options.seed)
    model = MODELS[options.model]().to(device)
    loss_fn = nn.CrossEntropyLoss()
    optimizer = OPTIMIZERS[options.optimizer](model.parameters(), lr=options.lr)
    say(f"{options.model}, {len(train_data):,} {test_data.source} images, processes: {processes}, device: {device}")
    history = begin(options, test_data.source, model, optimizer)  # of the epochs that are finished already
    trained = DistributedDataParallel(model) if processes > 1 else model  # the same parameters

    with stop_signals() as caught:
        for epoch in range(len(history) + 1, options.epochs + 1):
            sampler.set_epoch(epoch)  # another order in every epoch
            train_loss = train_loop(until_stopped(train_dataloader, caught, epoch), trained, loss_fn, optimizer)
            (train_loss,) = average([train_loss], len(sampler), device)
            history.loc[epoch] = train_loss, *measure(val_data, model, loss_fn, rank, processes)
            save(options.output, history, model, optimizer)
            report_epoch(f"epoch {epoch}/{options.epochs}", history.to_dict("list"), show=rank == 0)
        finish(options, measure(test_data, model, loss_fn, rank, processes))


def load(options: argparse.Namespace) -> tuple[Dataset, Dataset, Dataset]:
    """Return the images to train on, to validate with and to test on; the same in every process.

    The first process of each host prepares the files if need be, while the others wait.
    """
    to_tensor = v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])
    first = int(os.environ.get("LOCAL_RANK", 0)) == 0
    if not first:
        highest(0)
    all_train_data = FashionMNIST(options.data, train=True, transform=to_tensor, download=first)
    if first:
        highest(0)
    test_data = FashionMNIST(options.data, train=False, transform=to_tensor, download=False)
    train_data, val_data = train_val_split(all_train_data, len(all_train_data) // 12, options.seed)  # 55,000 and 5,000
    if options.subset is not None:
        train_data = Subset(train_data, range(min(options.subset, len(train_data))))
    return train_data, val_data, test_data


def measure(dataset: Dataset, model: nn.Module, loss_fn: nn.Module, rank: int, processes: int) -> list[float]:
    """Return the mean loss per example and the accuracy over the whole dataset; each process measures a part of it."""
    part = Subset(dataset, range(rank, len(dataset), processes))  # no example twice: parts may differ in length
    metrics = test_loop(DataLoader(part, batch_size=1000), model, loss_fn)
    return average(metrics, len(part), next(model.parameters()).device)


@contextmanager
def stop_signals() -> Iterator[list[int]]:
    """Yield a list to which SIGTERM and Ctrl-C add their numbers, instead of ending the process at once."""
    caught = [0]
    old = {
        number: signal.signal(number, lambda number, frame: caught.append(number))
        for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield caught
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


def until_stopped(batches: Batches, caught: list[int], epoch: int) -> Iterator:
    """Yield the batches, with a bar; raise Stopped before one if a signal was caught, in this process or another.

    All processes leave after the same step, so that none of them waits for one that has left.
    """
    with progress_bar(batches, title=f"epoch {epoch}", show=is_first()) as bar:
        for batch in bar:
            if number := highest(caught[-1]):
                raise Stopped(number, epoch)
            yield batch


# --------------------------------------------------------------------------------------------- several processes


def join_processes() -> tuple[int, int, torch.device]:
    """Return the rank of this process, the number of processes, and its device; under torchrun, join the others first.

    Processes that have a GPU each talk through NCCL; otherwise all compute on the CPU, and talk through Gloo.
    """
    device = pick_device()
    if "RANK" not in os.environ:  # not started by torchrun
        return 0, 1, device
    if device.type == "cuda" and torch.cuda.device_count() >= int(os.environ["LOCAL_WORLD_SIZE"]):
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    else:
        device = torch.device("cpu")
    store, rank, processes = next(dist.rendezvous("env://"))
    if os.environ["LOCAL_WORLD_SIZE"] == os.environ["WORLD_SIZE"]:
        # On one host, torchrun keeps its store when it starts the workers again: read none of the last ones' addresses.
        store = dist.PrefixStore(os.environ["TORCHELASTIC_RESTART_COUNT"], store)
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, store=store, rank=rank, world_size=processes)
    return rank, processes, device


def part_from_processes() -> None:
    """Leave the processes that `join_processes` has joined, if any."""
    if dist.is_initialized():
        dist.destroy_process_group()


def average(means: Sequence[float], examples: int, device: torch.device) -> list[float]:
    """Return the means over the examples of all processes, from the means over those of this process."""
    if not dist.is_initialized():
        return list(means)
    sums = torch.tensor([*means, 1.0], dtype=torch.float64, device=device) * examples
    dist.all_reduce(sums)  # adds up the tensors of all processes; each gets the result
    return (sums[:-1] / sums[-1]).tolist()


def highest(number: int) -> int:
    """Return the highest of the numbers that the processes call this with, once all of them have."""
    if not dist.is_initialized():
        return number
    shared = torch.tensor(number)  # on the CPU: no GPU has to wait for it
    dist.all_reduce(shared, dist.ReduceOp.MAX)
    return int(shared)


def check_same(seen: Any) -> None:
    """Raise ValueError, in every process, unless all processes call this with the same."""
    if dist.is_initialized():
        everyone = [None] * dist.get_world_size()
        dist.all_gather_object(everyone, seen)
        if any(other != everyone[0] for other in everyone):
            raise ValueError(
                f"The processes do not see the same data or checkpoint: {everyone}, by rank. Give all hosts the same "
                "images, and an --output that they share."
            )


def is_first() -> bool:
    """Return whether this is the process that prints and writes."""
    return int(os.environ.get("RANK", 0)) == 0


def say(line: str) -> None:
    """Print a line, once for all processes."""
    if is_first():
        print(line)


# -------------------------------------------------------------------------------------------------------- the files


def begin(options: argparse.Namespace, images: str, model: nn.Module, optimizer: Optimizer) -> pd.DataFrame:
    """Return the metrics of the finished epochs, whose checkpoint is loaded; those of a new run are none, and saved.

    Raises:
        OSError: there is a checkpoint already, and no `--resume`; or the folder cannot be read or written.
        ValueError: the checkpoint belongs to a run with other options, or is damaged; the processes see different ones.
    """
    checkpoint, settings_file = options.output / "checkpoint.pt", options.output / "options.json"
    settings = {name: getattr(options, name) for name in FIXED} | {"images": images}
    restarted = highest(int(os.environ.get("TORCHELASTIC_RESTART_COUNT", 0))) > 0  # by torchrun: a worker has died
    history = pd.DataFrame(columns=METRICS, index=pd.RangeIndex(0, name="epoch"), dtype=float)
    if found := checkpoint.exists():
        if not (options.resume or restarted):
            raise FileExistsError(f"{checkpoint} is there already: add --resume to go on, or choose another --output.")
        check_settings(settings_file, settings)
        history = read_metrics(options.output / "metrics.csv", load_checkpoint(checkpoint, model, optimizer))
        say(f"Going on after epoch {len(history)}, from {checkpoint}.")
    elif options.resume:
        say(f"There is no {checkpoint} yet: starting from the beginning.")
    check_same({"images": images, "epochs in the checkpoint": len(history) if found else None})
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
    if is_first():
        write(output / "metrics.csv", history.to_csv(lineterminator="\n"))
        with write_atomically(output / "history.png") as file:
            plot_history(history.to_dict("list")).savefig(file, format="png", bbox_inches="tight")
        save_checkpoint(output / "checkpoint.pt", model, optimizer, epoch=len(history))


def finish(options: argparse.Namespace, metrics: Sequence[float]) -> None:
    """Print the test metrics and write them to their file."""
    loss, accuracy = metrics
    results = {"epochs": options.epochs, "test_loss": loss, "test_accuracy": accuracy}
    write(options.output / "test.json", json.dumps(results, indent=2))
    say(f"test loss {loss:.4f}, test accuracy {accuracy:.2%}")


def write(path: Path, text: str) -> None:
    """Write the text to the file `path` in one step, once for all processes."""
    if is_first():
        path.parent.mkdir(parents=True, exist_ok=True)
        with write_atomically(path) as file:
            file.write(f"{text.rstrip()}\n".encode())


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)  # in a log file, too, every line is there at once
    sys.exit(main())
