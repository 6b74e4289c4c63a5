"""The loops that train a model, measure it, and collect what it says."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from tutorial_utils.checks import Batches, check_schedule, checked
from tutorial_utils.devices import device_of
from tutorial_utils.metrics import LossFunction, count_correct, count_labels, weigh
from tutorial_utils.progress import progress_bar

__all__ = [
    "Batches",
    "Metrics",
    "append_epoch",
    "fit",
    "predict",
    "report_epoch",
    "step_scheduler",
    "test_loop",
    "train_loop",
]


class Metrics(NamedTuple):
    """What `test_loop` measures: the mean loss per label, and the share (0 to 1) of labels that are predicted right.

    The accuracy is nan where there is none: a number that is predicted can be close, and neither right nor wrong.
    """

    loss: float
    accuracy: float


def train_loop(dataloader: Batches, model: nn.Module, loss_fn: LossFunction, optimizer: Optimizer) -> float:
    """Train `model` for one epoch; return the mean loss per label, each measured just before the step it led to.

    Every batch of `dataloader` is moved to the device of the model's parameters. The model is left in training mode.
    Labels that `loss_fn` ignores do not count, and its class weights do: the mean is the same for any batch size.
    """
    dataloader, model, loss_fn = checked(dataloader, model, loss_fn, optimizer)
    device = device_of(model)
    model.train()
    total_loss, total_weight = 0.0, 0
    for images, labels in dataloader:
        images, labels = images.to(device), labels.to(device)
        loss = loss_fn(model(images), labels)

        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

        weight = weigh(loss_fn, labels)
        total_loss += loss.detach() * weight
        total_weight += weight
    return float(total_loss / total_weight)


def test_loop(dataloader: Batches, model: nn.Module, loss_fn: LossFunction) -> Metrics:
    """Return the mean loss per label and the accuracy of `model` over all batches of `dataloader`.

    Every batch is moved to the device of the model's parameters. Nothing is learned; the model is left in evaluation
    mode.
    """
    dataloader, model, loss_fn = checked(dataloader, model, loss_fn)
    device = device_of(model)
    model.eval()
    total_loss, total_weight, correct, examples = 0.0, 0, 0, 0
    with torch.no_grad():
        for images, labels in dataloader:
            images, labels = images.to(device), labels.to(device)
            logits = model(images)  # (N, K)
            loss = loss_fn(logits, labels)

            weight = weigh(loss_fn, labels)
            total_loss += loss * weight
            total_weight += weight
            correct += count_correct(loss_fn, logits, labels)
            examples += count_labels(loss_fn, labels)
    return Metrics(float(total_loss / total_weight), float(correct / examples))


setattr(test_loop, "__test__", False)  # noqa: B010 - the field's name for it is no test that pytest should collect


def predict(dataloader: Batches, model: nn.Module) -> tuple[Tensor, Tensor]:
    """Return the logits (N, K) of `model` for all examples of `dataloader`, and their labels (N,), both on the CPU.

    N counts the examples in the order in which the dataloader gives them. The model is left in evaluation mode.
    """
    dataloader, model, _ = checked(dataloader, model)
    device = device_of(model)
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
    the history of the finished epochs is returned. Where labels are numbers, every accuracy in it is nan.
    """
    check_schedule(scheduler, optimizer, epochs)
    history: dict[str, list[float]] = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    try:
        for epoch in range(1, epochs + 1):
            title = f"epoch {epoch}/{epochs}"
            with progress_bar(train_dataloader, title=title, show=progress) as bar:
                train_loss = train_loop(bar, model, loss_fn, optimizer)
            val = test_loop(val_dataloader, model, loss_fn)
            append_epoch(history, train_loss, val.loss, val.accuracy)
            step_scheduler(scheduler, val.loss)
            report_epoch(title, history, show=progress)
    except KeyboardInterrupt:
        print(f"Interrupted in epoch {epoch}: the model keeps what it has learned so far.")
    return history


def append_epoch(history: dict[str, list[float]], *values: float) -> None:
    """Append one value to each list of `history`, in order.

    >>> history = {"train_loss": [0.9], "val_loss": [0.8]}
    >>> append_epoch(history, 0.5, 0.6)
    >>> history
    {'train_loss': [0.9, 0.5], 'val_loss': [0.8, 0.6]}
    """
    for name, value in zip(history, values, strict=True):
        history[name].append(value)


def step_scheduler(scheduler: LRScheduler | None, val_loss: float) -> None:
    """Let the scheduler, if there is one, set the learning rate for the next epoch; some do it by the loss of this."""
    if isinstance(scheduler, ReduceLROnPlateau):
        scheduler.step(val_loss)
    elif scheduler is not None:
        scheduler.step()


def report_epoch(title: str, history: dict[str, list[float]], *, show: bool = True) -> None:
    """Print one line with the newest value of each name in `history`, accuracies as per cent.

    >>> report_epoch("epoch 1/1", {"val_loss": [0.25], "val_accuracy": [0.875]})
    epoch 1/1  val loss 0.2500  val accuracy 87.5%
    """
    if show:
        latest = (f"{name.replace('_', ' ')} {_format(name, values[-1])}" for name, values in history.items())
        print(title, *latest, sep="  ")


def _format(name: str, value: float) -> str:
    """Return a value of a history as it is printed."""
    if "accuracy" not in name:
        return f"{value:.4f}"
    return "none (the labels are numbers)" if math.isnan(value) else f"{value:.1%}"
