"""Checkpoints: what a training run needs to go on after a stop, in one file that is always whole."""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from tutorial_utils.devices import device_of
from tutorial_utils.storage.checkpoint_file import (
    FORMAT,
    check_fit,
    check_loadable,
    explain_failed_write,
    match_names,
    read_checkpoint,
)
from tutorial_utils.storage.files import write_atomically

__all__ = [
    "check_fit",
    "check_loadable",
    "explain_failed_write",
    "get_random_state",
    "load_checkpoint",
    "match_names",
    "read_checkpoint",
    "save_checkpoint",
    "set_random_state",
    "write_atomically",
]


def save_checkpoint(
    path: str | Path, model: nn.Module, optimizer: Optimizer, epoch: int, scheduler: LRScheduler | None = None
) -> None:
    """Write what training needs to go on after `epoch` finished epochs to the file `path`, in one step.

    That is the state of the model, the optimizer and the scheduler, and of PyTorch's random numbers, on the CPU and on
    the device of the model. (Python's and NumPy's random numbers, and a DataLoader's own generator, are not PyTorch's.)
    Until the new file is whole, an old one of the same name stays as it is. One process writes to one path.

    Raises:
        ValueError: a state holds something that `load_checkpoint` would refuse to read, or a lazy layer has no shape.
        OSError: the file cannot be written.
    """
    checkpoint = {
        "format": FORMAT,
        "epoch": int(epoch),
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "scheduler": scheduler.state_dict() if scheduler else None,
        "random_state": get_random_state(device_of(model)),
    }
    with explain_failed_write(path), write_atomically(path) as file:
        torch.save(checkpoint, file)
        check_loadable(file)


def load_checkpoint(
    path: str | Path, model: nn.Module, optimizer: Optimizer | None = None, scheduler: LRScheduler | None = None
) -> int:
    """Return the number of finished epochs in the file of `save_checkpoint`, its state loaded into what is handed in.

    Everything goes to the device where the model is. The random numbers go on as they would have, if there is an
    optimizer; without one, the model is loaded and nothing else. Nothing in the file is executed. What `torch.compile`
    and `DataParallel` put before the names of a model's parameters may be there, or not, in the file and in the model.

    Raises:
        OSError: there is no such file, or it cannot be opened.
        ValueError: it is no whole checkpoint, or it does not fit. Then nothing that was handed in has changed.
    """
    checkpoint = read_checkpoint(path)
    checkpoint["model"] = match_names(checkpoint["model"], model)
    check_fit(path, checkpoint, model, optimizer, scheduler)

    model.load_state_dict(checkpoint["model"])
    if optimizer:
        optimizer.load_state_dict(checkpoint["optimizer"])
        set_random_state(checkpoint["random_state"], device_of(model))
    if scheduler:
        scheduler.load_state_dict(checkpoint["scheduler"])
    return int(checkpoint["epoch"])


def get_random_state(device: torch.device) -> dict[str, Tensor]:
    """Return the state of PyTorch's random numbers on the CPU and on `device`, by type of device, as uint8 tensors."""
    state = {"cpu": torch.get_rng_state()}
    if device.type != "cpu":
        state[device.type] = torch.get_device_module(device).get_rng_state(device)
    return state


def set_random_state(state: dict[str, Tensor], device: torch.device) -> None:
    """Let PyTorch's random numbers on the CPU, and on `device` if `state` has its type, go on from `state`."""
    torch.set_rng_state(state["cpu"])
    if device.type != "cpu" and device.type in state:
        torch.get_device_module(device).set_rng_state(state[device.type], device)
