"""The command line of `python -m tutorial_utils.train`."""

import argparse
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from tutorial_utils.command import program
from tutorial_utils.models import MODELS
from tutorial_utils.training.processes import world_size

OPTIMIZERS = {"SGD": torch.optim.SGD, "Adam": torch.optim.Adam}
DEFAULTS = {"model": "NeuralNetwork", "epochs": 5, "batch_size": 64, "optimizer": "SGD", "lr": 0.1}
DEFAULTS_FOR_PICTURES = {"model": "SmallResNet", "epochs": 40, "batch_size": 16, "optimizer": "Adam", "lr": 1e-3}

LARGEST = 2**32 - 1  # that every library takes as a seed


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
    images: Path | None  # a folder of pictures, in place of Fashion-MNIST
    size: int | None  # of those pictures, in pixels
    subset: int | None  # train on that many images only
    output: Path
    resume: bool


def parse(arguments: Sequence[str] | None) -> Options:
    """Return the options of the command line.

    >>> parse(["--lr", "0.01"]).lr
    0.01
    """
    parser = make_parser()
    options = parser.parse_args(arguments)
    if options.images is None and options.size:
        parser.error("--size goes with --images; the images of Fashion-MNIST have 28 x 28 pixels")
    if options.images is not None and options.data:
        parser.error("--data is the folder of Fashion-MNIST; with --images there is nothing to look for in it")
    for name, value in (DEFAULTS if options.images is None else DEFAULTS_FOR_PICTURES).items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    if options.images is not None:
        options.size = options.size or 64
        if options.model != "SmallResNet":
            parser.error(f"--model {options.model} is made for Fashion-MNIST; for --images, take SmallResNet")
    options.output = options.output or Path("runs", options.model)
    processes = world_size()
    if options.batch_size % processes:
        nearest = max(1, round(options.batch_size / processes)) * processes
        parser.error(f"--batch-size {options.batch_size} cannot be shared by {processes} processes; {nearest} can")
    return Options(**vars(options))


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line; options whose default depends on others are None there."""
    parser = argparse.ArgumentParser(
        prog=program("train"),
        description="Train on Fashion-MNIST, or with --images on a folder of your own pictures.",
    )
    add = parser.add_argument
    add("--images", type=Path, metavar="FOLDER", help="pictures: a folder for each class in it, or a labels.csv")
    add("--size", type=at_least(16), help="of those pictures, in pixels, cut to a square (default: 64)")
    add("--model", choices=MODELS, help=default("model"))
    add("--epochs", type=at_least(0), help=f"passes over the images, in all {default('epochs')}")
    add("--batch-size", type=at_least(1), help=f"images per step, all processes together {default('batch_size')}")
    add("--optimizer", choices=OPTIMIZERS, help=default("optimizer"))
    add("--lr", type=positive, help=f"learning rate {default('lr')}")
    add("--seed", type=at_least(0), default=0, help="of the weights and the order of the images (default: 0)")
    add("--data", type=Path, help="the folder of Fashion-MNIST (default: the one that the notebooks use)")
    add("--subset", type=at_least(1), help="train on that many images only, for a quick try")
    add("--output", type=Path, help="the folder to write to (default: runs/ and the name of the model)")
    add("--resume", action="store_true", help="go on from the checkpoint in the output folder, if there is one")
    return parser


def default(name: str) -> str:
    """Return what the help says of the default of an option."""
    return f"(default: {DEFAULTS[name]}, with --images {DEFAULTS_FOR_PICTURES[name]})"


def at_least(smallest: int) -> Callable[[str], int]:
    """Return a function that reads a whole number and refuses one below `smallest` or above `LARGEST`."""

    def whole_number(text: str) -> int:
        if int(text) < smallest:
            raise argparse.ArgumentTypeError(f"{text} is less than {smallest}")
        if int(text) > LARGEST:
            raise argparse.ArgumentTypeError(f"{text} is more than {LARGEST}")
        return int(text)

    return whole_number


def positive(text: str) -> float:
    """Return the number in `text` if it is finite and above 0."""
    if not 0 < float(text) < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not a number above 0")
    return float(text)
