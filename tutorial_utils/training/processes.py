"""Several processes that train one model together: who they are, and what they tell each other.

`torchrun` tells each process in environment variables which one it is (`RANK`), and of how many (`WORLD_SIZE`).

Source: https://docs.pytorch.org/docs/stable/distributed.html
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist

from tutorial_utils.devices import pick_device


@dataclass(frozen=True)
class Process:
    """One of the processes of a run: its number, how many there are, and the device that it computes on."""

    rank: int
    world_size: int
    device: torch.device


def init_process_group() -> Process:
    """Return which process this is; under torchrun, once it has joined the others.

    Processes that have a GPU each talk through NCCL; otherwise all compute on the CPU, and talk through Gloo.
    """
    device = pick_device()
    if "RANK" not in os.environ:  # not started by torchrun
        return Process(rank=0, world_size=1, device=device)
    if device.type == "cuda" and torch.cuda.device_count() >= int(os.environ["LOCAL_WORLD_SIZE"]):
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    else:
        device = torch.device("cpu")
    store, rank, world_size = next(dist.rendezvous("env://"))
    if os.environ["LOCAL_WORLD_SIZE"] == os.environ["WORLD_SIZE"]:
        # On one host, torchrun keeps its store when it starts the workers again: read none of the last ones' addresses.
        store = dist.PrefixStore(os.environ["TORCHELASTIC_RESTART_COUNT"], store)
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, store=store, rank=rank, world_size=world_size)
    return Process(rank, world_size, device)


def destroy_process_group() -> None:
    """Leave the processes that `init_process_group` has joined, if any."""
    if dist.is_initialized():
        dist.destroy_process_group()


def reduce_mean(means: Sequence[float], examples: int, device: torch.device) -> list[float]:
    """Return the means over the examples of all processes, from the means over those of this process."""
    if not dist.is_initialized():
        return list(means)
    sums = torch.tensor([*means, 1.0], dtype=torch.float64, device=device) * examples
    dist.all_reduce(sums)  # adds up the tensors of all processes; each gets the result
    averages: list[float] = (sums[:-1] / sums[-1]).tolist()
    return averages


def reduce_max(number: int) -> int:
    """Return the highest of the numbers that the processes call this with, once all of them have."""
    if not dist.is_initialized():
        return number
    shared = torch.tensor(number)  # on the CPU: no GPU has to wait for it
    dist.all_reduce(shared, dist.ReduceOp.MAX)
    return int(shared)


def barrier() -> None:
    """Wait until all processes have come here."""
    reduce_max(0)


def require_same(seen: Any) -> None:
    """Raise ValueError, in every process, unless all processes call this with the same."""
    if dist.is_initialized():
        everyone: list[Any] = [None] * dist.get_world_size()
        dist.all_gather_object(everyone, seen)
        if any(other != everyone[0] for other in everyone):
            raise ValueError(
                f"The processes do not see the same data or checkpoint: {everyone}, by rank. Give all hosts the same "
                "images, and an --output that they share."
            )


def is_rank_zero() -> bool:
    """Return whether this is the process that prints and writes."""
    return int(os.environ.get("RANK", 0)) == 0


def is_local_rank_zero() -> bool:
    """Return whether this is the first process of its host."""
    return int(os.environ.get("LOCAL_RANK", 0)) == 0


def print_once(line: str) -> None:
    """Print a line, once for all processes."""
    if is_rank_zero():
        print(line)
