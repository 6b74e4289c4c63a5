"""The loops that train a model, measure it, and collect what it says."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from tutorial_utils.checks import Batches, LossFunction, checked
from tutorial_utils.progress import progress_bar


class Metrics(NamedTuple):
    """What `test_loop` measures: the mean loss per example, and the share (0 to 1) of examples classified right."""

    loss: float
    accuracy: float


def train_loop(dataloader: Batches, model: nn.Module, loss_fn: LossFunction, optimizer: Optimizer) -> float:
    """Train `model` for one epoch; return the mean loss per example, each measured just before the step it led to.

    Every batch of `dataloader` is moved to the device of the model's parameters. The model is left in training mode.
    """
    device = next(model.parameters()).device
    dataloader, loss_fn = checked(dataloader, loss_fn)  # mistakes become sentences
    model.train()
    total_loss, examples = 0.0, 0
    for images, labels in dataloader:
        images, labels = images.to(device), labels.to(device)
        loss = loss_fn(model(images), labels)

        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

        total_loss += loss.detach() * len(labels)
        examples += len(labels)
    return float(total_loss / examples)


def test_loop(dataloader: Batches, model: nn.Module, loss_fn: LossFunction) -> Metrics:
    """Return the mean loss per example and the accuracy of `model` over all batches of `dataloader`.

    Every batch is moved to the device of the model's parameters. Nothing is learned; the model is left in evaluation
    mode.
    """
    device = next(model.parameters()).device
    dataloader, loss_fn = checked(dataloader, loss_fn)  # mistakes become sentences
    model.eval()
    total_loss, correct, examples = 0.0, 0, 0
    with torch.no_grad():
        for images, labels in dataloader:
            images, labels = images.to(device), labels.to(device)
            logits = model(images)  # (N, K)
            total_loss += loss_fn(logits, labels) * len(labels)
            correct += (logits.argmax(dim=1) == labels).sum()
            examples += len(labels)
    return Metrics(loss=float(total_loss / examples), accuracy=float(correct / examples))


test_loop.__test__ = False  # the field's name for it is no test that pytest should collect


def predict(dataloader: Batches, model: nn.Module) -> tuple[Tensor, Tensor]:
    """Return the logits (N, K) of `model` for all examples of `dataloader`, and their labels (N,), both on the CPU.

    N counts the examples in the order in which the dataloader gives them. The model is left in evaluation mode.
    """
    device = next(model.parameters()).device
    model.eval()
    all_logits, all_labels = [], []
    with torch.no_grad():
        for images, labels in dataloader:
            all_logits.append(model(images.to(device)).cpu())
            all_labels.append(labels.cpu())
    return torch.cat(all_logits), torch.cat(all_labels)  # (N, K), (N,)


def fit(
    model: nn.Module,
    train_dataloader: Batches,
    val_dataloader: Batches,
    loss_fn: LossFunction,
    optimizer: Optimizer,
    *,
    epochs: int,
    scheduler: LRScheduler | None = None,
    progress: bool = True,
) -> dict[str, list[float]]:
    """Train `model` for `epochs` epochs; return its history: "train_loss", "val_loss", "val_accuracy", one per epoch.

    The scheduler steps after every epoch. With `progress`, a bar shows the running epoch and a line each finished one.
    An interrupt (Ctrl-C, or the stop button of a notebook) ends training: the model keeps what it has learned, and
    the history of the finished epochs is returned.
    """
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    try:
        for epoch in range(1, epochs + 1):
            title = f"epoch {epoch}/{epochs}"
            with progress_bar(train_dataloader, title=title, show=progress) as bar:
                train_loss = train_loop(bar, model, loss_fn, optimizer)
            val = test_loop(val_dataloader, model, loss_fn)
            for name, value in zip(history, (train_loss, *val), strict=True):
                history[name].append(value)
            step_scheduler(scheduler, val.loss)
            report_epoch(title, history, show=progress)
    except KeyboardInterrupt:
        print(f"Interrupted in epoch {epoch}: the model keeps what it has learned so far.")
    return history


def step_scheduler(scheduler: LRScheduler | None, val_loss: float) -> None:
    """Let the scheduler, if there is one, set the learning rate for the next epoch; some do it by the loss of this."""
    if isinstance(scheduler, ReduceLROnPlateau):
        scheduler.step(val_loss)
    elif scheduler is not None:
        scheduler.step()


def report_epoch(title: str, history: dict[str, list[float]], *, show: bool = True) -> None:
    """Print one line with the newest value of each name in `history`, accuracies as per cent."""
    if show:
        latest = ((name.replace("_", " "), values[-1]) for name, values in history.items())
        print(title, *(f"{name} {value:{'.1%' if 'accuracy' in name else '.4f'}}" for name, value in latest), sep="  ")
