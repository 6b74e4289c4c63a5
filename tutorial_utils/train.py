"""`python -m tutorial_utils.train`: notebook 06 as a script, on one process or on several.

    python -m tutorial_utils.train --epochs 5 --optimizer Adam --lr 1e-3
    torchrun --standalone --nproc-per-node=2 -m tutorial_utils.train --epochs 5

(Where a machine does not know its own name, `--local-addr=127.0.0.1` keeps torchrun from asking for it.)

`torchrun` starts the same script several times, on one machine or on many, and tells each process in environment
variables which one it is (`RANK`), and of how many (`WORLD_SIZE`). Every process holds the whole model and computes the
gradients of its own part of each batch; `DistributedDataParallel` averages them before the step, so that all models
stay equal. Several processes therefore learn what one process learns from the same batches.

Source: https://docs.pytorch.org/tutorials/beginner/ddp_series_multigpu.html
"""

import argparse
import os
from collections.abc import Sequence

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, Dataset, DistributedSampler, Subset
from torchvision.transforms import v2

from tutorial_utils.data import FashionMNIST, train_val_split
from tutorial_utils.devices import pick_device
from tutorial_utils.loops import test_loop, train_loop
from tutorial_utils.models import ConvNet, NeuralNetwork

MODELS = {"NeuralNetwork": NeuralNetwork, "ConvNet": ConvNet}
OPTIMIZERS = {"SGD": torch.optim.SGD, "Adam": torch.optim.Adam}


def main(arguments: Sequence[str] | None = None) -> None:
    """Train as the command line says; print the metrics after every epoch, and those of the test images at the end."""
    options = parse(arguments)
    rank, processes, device = join_processes()
    try:
        train(options, rank, processes, device)
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(prog="python -m tutorial_utils.train", description="Train on Fashion-MNIST.")
    parser.add_argument("--model", choices=MODELS, default="NeuralNetwork")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=64, help="images per step, all processes together")
    parser.add_argument("--optimizer", choices=OPTIMIZERS, default="SGD")
    parser.add_argument("--lr", type=float, default=0.1, help="learning rate (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", help="the data folder (default: the one that the notebooks use)")
    parser.add_argument("--subset", type=int, help="train on that many images only, for a quick try")
    return parser.parse_args(arguments)


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
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return dist.get_rank(), dist.get_world_size(), device


def train(options: argparse.Namespace, rank: int, processes: int, device: torch.device) -> None:
    """Train one model on all processes together; the process of rank 0 prints how it goes."""
    train_data, val_data, test_data = load(options)
    # Each process draws its own part, in a shuffled order.
    sampler = DistributedSampler(train_data, processes, rank, seed=options.seed)
    batch_size = share(options.batch_size, processes)
    train_dataloader = DataLoader(train_data, batch_size=batch_size, sampler=sampler)

    torch.manual_seed(options.seed)
    model = MODELS[options.model]().to(device)
    trained = DistributedDataParallel(model) if processes > 1 else model  # the same parameters
    loss_fn = nn.CrossEntropyLoss()
    optimizer = OPTIMIZERS[options.optimizer](trained.parameters(), lr=options.lr)

    say = print if rank == 0 else lambda line: None
    say(f"{options.model}, {len(train_data):,} images, processes: {processes}, device: {device}")
    for epoch in range(1, options.epochs + 1):
        sampler.set_epoch(epoch)  # another order in every epoch
        train_loss = train_loop(train_dataloader, trained, loss_fn, optimizer)
        (train_loss,) = average([train_loss], len(sampler), device)
        loss, accuracy = measure(val_data, model, loss_fn, rank, processes)
        say(f"epoch {epoch}: train loss {train_loss:.4f}, val loss {loss:.4f}, val accuracy {accuracy:.2%}")
    loss, accuracy = measure(test_data, model, loss_fn, rank, processes)
    say(f"test loss {loss:.4f}, test accuracy {accuracy:.2%}")


def load(options: argparse.Namespace) -> tuple[Dataset, Dataset, Dataset]:
    """Return the images to train on, to validate with and to test on; the same in every process."""
    to_tensor = v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])
    all_train_data = FashionMNIST(options.data, train=True, transform=to_tensor)
    train_data, val_data = train_val_split(all_train_data, len(all_train_data) // 12, options.seed)  # 55,000 and 5,000
    if options.subset is not None:
        train_data = Subset(train_data, range(min(options.subset, len(train_data))))
    return train_data, val_data, FashionMNIST(options.data, train=False, transform=to_tensor)


def share(batch_size: int, processes: int) -> int:
    """Return how many images of each batch one process takes.

    Raises:
        ValueError: the batch cannot be shared out evenly.
    """
    if batch_size % processes:
        raise ValueError(f"--batch-size {batch_size} cannot be shared out among {processes} processes evenly.")
    return batch_size // processes


def measure(dataset: Dataset, model: nn.Module, loss_fn: nn.Module, rank: int, processes: int) -> list[float]:
    """Return the mean loss per example and the accuracy over the whole dataset; each process measures a part of it."""
    part = Subset(dataset, range(rank, len(dataset), processes))  # no example twice: parts may differ in length
    metrics = test_loop(DataLoader(part, batch_size=1000), model, loss_fn)
    return average(metrics, len(part), next(model.parameters()).device)


def average(means: Sequence[float], examples: int, device: torch.device) -> list[float]:
    """Return the means over the examples of all processes, from the means over those of this process."""
    if not dist.is_initialized():
        return list(means)
    sums = torch.tensor([*means, 1.0], dtype=torch.float64, device=device) * examples
    dist.all_reduce(sums)  # adds up the tensors of all processes; each gets the result
    return (sums[:-1] / sums[-1]).tolist()


if __name__ == "__main__":
    main()
