"""The loops that train a model, measure it, and collect what it says."""

import math
from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from tutorial_utils.progress import progress_bar

Batches = Iterable[tuple[Tensor, Tensor]]  # a DataLoader, or a list of (images (N, ...), labels (N,))
LossFunction = Callable[[Tensor, Tensor], Tensor]  # logits (N, K) and labels (N,) to one number, the mean over N


class Metrics(NamedTuple):
    """What `test_loop` measures: the mean loss per example, and the share (0 to 1) of examples classified right."""

    loss: float
    accuracy: float


def explain_mistakes(loop: Callable) -> Callable:
    """Return `loop` with the same results, and with a sentence instead of a riddle for the commonest mistakes.

    The loops below stay as plain as the lessons show them; what is checked is checked here, on the way in and out of
    them. The loop that is returned raises ValueError for an empty dataloader, batches that are no pairs of inputs and
    labels, logits that do not fit the labels, and labels out of range, and FloatingPointError for a loss that is not
    finite (on an accelerator at the end of the epoch, so that it need not wait for every batch).
    """

    @wraps(loop)
    def explained(dataloader: Batches, model: nn.Module, loss_fn: LossFunction, *args, **kwargs):
        batch_labels, losses = None, []

        def checked_batches() -> Iterator[tuple[Tensor, Tensor]]:
            nonlocal batch_labels
            for batch in dataloader:
                images, batch_labels = _check_pair(batch)
                yield images, batch_labels
            if batch_labels is None:
                raise ValueError(
                    "The dataloader has no batch: its dataset is empty, or drop_last=True dropped the only, short one."
                )

        def checked_loss(logits: Tensor, labels: Tensor) -> Tensor:
            _check_logits(logits, batch_labels, getattr(loss_fn, "ignore_index", None))
            loss = loss_fn(logits, labels)
            losses.append(loss.detach())
            if loss.device.type == "cpu" and not (loss.ndim == 0 and math.isfinite(losses[-1])):
                _check_finite(losses[-1:], first=len(losses))
            return loss

        result = loop(checked_batches(), model, checked_loss, *args, **kwargs)
        _check_finite(losses)
        return result

    return explained


@explain_mistakes
def train_loop(dataloader: Batches, model: nn.Module, loss_fn: LossFunction, optimizer: Optimizer) -> float:
    """Train `model` for one epoch; return the mean loss per example, each measured just before the step it led to.

    Every batch of `dataloader` is moved to the device of the model's parameters. The model is left in training mode.
    """
    device = next(model.parameters()).device
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


@explain_mistakes
def test_loop(dataloader: Batches, model: nn.Module, loss_fn: LossFunction) -> Metrics:
    """Return the mean loss per example and the accuracy of `model` over all batches of `dataloader`.

    Every batch is moved to the device of the model's parameters. Nothing is learned; the model is left in evaluation
    mode.
    """
    device = next(model.parameters()).device
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


def _check_pair(batch: object) -> tuple[Tensor, Tensor]:
    """Return `batch` if it is a pair of inputs (N, ...) and labels (N, ...)."""
    if isinstance(batch, Tensor) or len(batch) != 2:
        kind = "a single tensor" if isinstance(batch, Tensor) else f"{len(batch)} things"
        raise ValueError(
            f"Each batch must be a pair, images and labels; this one is {kind}. A dataset's __getitem__ must return "
            "both: `return image, label`."
        )
    images, labels = batch
    if len(images) != len(labels):
        raise ValueError(f"A batch has {len(images)} images but {len(labels)} labels: every image needs its own label.")
    return images, labels


def _check_logits(logits: Tensor, labels: Tensor, ignored: int | None) -> None:
    """Raise ValueError unless class labels (N,) of integers fit the logits (N, K); other kinds of labels may pass."""
    if labels.ndim != 1 or labels.is_floating_point():
        return
    if logits.ndim != 2 or len(logits) != len(labels):
        raise ValueError(
            f"For {len(labels)} labels the model must return logits of shape ({len(labels)}, K), one row per image and "
            f"one column per class; it returned {tuple(logits.shape)}."
        )
    if labels.device.type != "cpu":
        return  # a look at labels on an accelerator would make it wait
    classes = logits.shape[1]
    low, high = _range(labels)
    if ignored is not None and not 0 <= low <= high < classes:  # looked for only then: it would cost every batch time
        low, high = _range(labels[labels != ignored])
    if low < 0 or high >= classes:
        raise ValueError(
            f"The model returns {classes} numbers per image, for the classes 0 ... {classes - 1}, but the labels of "
            f"this batch run from {low} to {high}. Either the model's last layer has the wrong size, or the labels are "
            "wrong."
        )


def _range(labels: Tensor) -> tuple[int, int]:
    """Return the smallest and the largest of some integers (N,), or 0 and 0 if there are none."""
    return tuple(map(int, labels.aminmax())) if len(labels) else (0, 0)


def _check_finite(losses: list[Tensor], first: int = 1) -> None:
    """Raise FloatingPointError if one of the losses, of the batches that start with number `first`, is not finite."""
    if not losses or bool(torch.stack(losses).isfinite().all()):
        return
    batch = first + int(torch.stack(losses).isfinite().logical_not().nonzero()[0])
    raise FloatingPointError(
        f"The loss became {float(losses[batch - first])} in batch {batch}. Usual causes: a learning rate that is too "
        "high (try a tenth of it), inputs that are not finite or not scaled, a logarithm or a division of zero."
    )
