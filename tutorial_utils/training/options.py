"""The command line of `python -m tutorial_utils.train`."""

import argparse
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from tutorial_utils.models import ConvNet, NeuralNetwork

MODELS = {"NeuralNetwork": NeuralNetwork, "ConvNet": ConvNet}
OPTIMIZERS = {"SGD": torch.optim.SGD, "Adam": torch.optim.Adam}


@dataclass(frozen=True)
class Options:
    """What a run is told: which model to train, on what, how, and where to write."""

    model: str
    epochs: int
    batch_size: int  # images per step, all processes together
    optimizer: str
    lr: float
    seed: int
    data: Path | None
    subset: int | None  # train on that many images only
    output: Path
    resume: bool


def parse(arguments: Sequence[str] | None) -> Options:
    """Return the options of the command line.

    >>> parse(["--lr", "0.01"]).lr
    0.01
    """
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
    return Options(**vars(options))


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
