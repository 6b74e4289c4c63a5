"""Several processes that train one model together: who they are, and what they tell each other.

`torchrun` tells each process in environment variables which one it is (`RANK`), and of how many (`WORLD_SIZE`).

Source: https://docs.pytorch.org/docs/stable/distributed.html
"""

import os
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from tutorial_utils.devices import pick_device

TORCHRUN = ("WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")  # what it sets besides RANK
RECENT: deque[Tensor] = deque(maxlen=4)  # what was last reduced
OTHER_LAUNCHERS = {  # by the variable that says how many processes each has started
    "SLURM_STEP_NUM_TASKS": "srun",
    "SLURM_NTASKS": "SLURM",
    "OMPI_COMM_WORLD_SIZE": "mpirun",
    "MV2_COMM_WORLD_SIZE": "mpirun",
    "PMI_SIZE": "mpiexec",
}


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
    check_launcher()
    device = pick_device()
    if "RANK" not in os.environ:  # not started by torchrun
        return Process(rank=0, world_size=1, device=device)
    if device.type == "cuda" and torch.cuda.device_count() >= int(os.environ["LOCAL_WORLD_SIZE"]):
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    else:
        device = torch.device("cpu")
    store, rank, world_size = next(rendezvous("env://"))
    if os.environ["LOCAL_WORLD_SIZE"] == os.environ["WORLD_SIZE"]:
        # On one host, torchrun keeps its store when it starts the workers again: read none of the last ones' addresses.
        store = PrefixStore(str(restarts()), store)
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, store=store, rank=rank, world_size=world_size)
    return Process(rank, world_size, device)


def check_launcher() -> None:
    """Raise ValueError unless this process was started alone, or with others by torchrun (or in the same way).

    Processes that know nothing of each other would each train alone, and all write to one folder.
    """
    if "RANK" in os.environ:
        missing = [name for name in TORCHRUN if name not in os.environ]
        strange = [name for name in ("RANK", *TORCHRUN[:3]) if not os.environ.get(name, "0").isdecimal()]
        if missing or strange:
            wrong = f"{', '.join(missing)} not" if missing else f"{', '.join(strange)} to no number"
            raise ValueError(f"RANK is set, but {wrong}: was this started by another launcher? {advise()}")
        rank, size = os.environ["RANK"], os.environ["WORLD_SIZE"]
        if int(rank) >= int(size):
            raise ValueError(f"RANK is {rank}, but the last of {size} processes has {int(size) - 1}. {advise()}")
    elif os.environ.get("WORLD_SIZE", "1") != "1":
        raise ValueError(f"WORLD_SIZE is {os.environ['WORLD_SIZE']}, but RANK is not set. {advise()}")
    else:
        check_other_launchers()


def check_other_launchers() -> None:
    """Raise ValueError if another launcher than torchrun has started this process together with others."""
    task = os.environ.get("SLURM_PROCID")
    in_step = "SLURM_STEP_NUM_TASKS" in os.environ
    ignored = {"SLURM_NTASKS"} if in_step or task == "0" else set()  # of the job: its script runs once, as task 0
    if task is None:  # a shell of salloc, not one of the tasks
        ignored = {"SLURM_STEP_NUM_TASKS", "SLURM_NTASKS"}
    for name, launcher in OTHER_LAUNCHERS.items():
        count = os.environ.get(name, "1")
        if name not in ignored and count not in ("0", "1"):
            raise ValueError(
                f"{launcher} starts {count} processes ({name}), and each would train alone, into the same folder. "
                f"Start one task per host (such as srun --ntasks-per-node=1), and in it torchrun. {advise()}"
            )


def advise() -> str:
    """Return what to type to train with several processes, and with one."""
    return (
        "For two processes on one host: torchrun --standalone --nproc-per-node=2 -m tutorial_utils.train ...; the "
        "page From laptop to cluster (docs/cluster.md) has the rest. To train alone, unset these variables."
    )


def world_size() -> int:
    """Return of how many processes this one is, as far as torchrun says."""
    said = os.environ.get("WORLD_SIZE", "1")
    return max(1, int(said)) if said.isdecimal() else 1  # what is no number, `check_launcher` will tell


def restarts() -> int:
    """Return how many times torchrun has started the workers again."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", 0))


def share_buffers(model: nn.Module) -> None:
    """Give all processes the buffers of the model in rank 0, such as BatchNorm's averages, which each counts alone."""
    if dist.is_initialized():
        for buffer in model.buffers():
            dist.broadcast(buffer, src=0)


def destroy_process_group() -> None:
    """Leave the processes that `init_process_group` has joined, if any."""
    if dist.is_initialized():
        dist.destroy_process_group()


def all_reduce(shared: Tensor, operation: Any = dist.ReduceOp.SUM) -> None:
    """Reduce a tensor in place over all processes, and keep it until some others have been reduced.

    A thread of Gloo lets go of it last. If no one else holds it by then, the thread waits for Python's lock, and at the
    end of the program, PyTorch 2.9 waits for the thread with that lock in its hands: for ever.
    """
    RECENT.append(shared)
    dist.all_reduce(shared, operation)


def reduce_mean(means: Sequence[float], examples: int, device: torch.device) -> list[float]:
    """Return the means over the examples of all processes, from the means over those of this process."""
    if not dist.is_initialized():
        return list(means)
    sums = torch.tensor([*means, 1.0], dtype=torch.float64, device=device) * examples
    all_reduce(sums)  # adds up the tensors of all processes; each gets the result
    averages: list[float] = (sums[:-1] / sums[-1]).tolist()
    return averages


def reduce_max(number: int) -> int:
    """Return the highest of the numbers that the processes call this with, once all of them have."""
    if not dist.is_initialized():
        return number
    shared = torch.tensor(number)  # on the CPU: no GPU has to wait for it
    all_reduce(shared, dist.ReduceOp.MAX)
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
    return "RANK" not in os.environ or int(os.environ["LOCAL_RANK"]) == 0


def print_once(line: str) -> None:
    """Print a line, once for all processes."""
    if is_rank_zero():
        print(line)
