"""The commonest mistakes of a training loop, each told in a sentence where PyTorch would give a riddle, or nothing."""

import math
from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor

Batches = Iterable[tuple[Tensor, Tensor]]  # a DataLoader, or a list of (images (N, ...), labels (N,))
LossFunction = Callable[[Tensor, Tensor], Tensor]  # logits (N, K) and labels (N,) to one number, the mean over N


def checked(dataloader: Batches, loss_fn: LossFunction) -> tuple[Batches, LossFunction]:
    """Return the same batches and the same losses, each looked at on its way into and out of a loop.

    A loop that has passed them through here raises ValueError for an empty dataloader, batches that are no pairs of
    inputs and labels, logits that do not fit the labels, and labels out of range, and FloatingPointError for a loss
    that is not finite (on an accelerator at the end of the epoch, so that it need not wait for every batch).
    """
    labels_of_batch, losses = None, []

    def batches() -> Iterator[tuple[Tensor, Tensor]]:
        nonlocal labels_of_batch
        for batch in dataloader:
            images, labels_of_batch = _check_pair(batch)
            yield images, labels_of_batch
        if labels_of_batch is None:
            raise ValueError(
                "The dataloader has no batch: its dataset is empty, or drop_last=True dropped the only, short one."
            )
        _check_finite(losses)

    def loss_of(logits: Tensor, labels: Tensor) -> Tensor:
        _check_logits(logits, labels_of_batch, getattr(loss_fn, "ignore_index", None))
        loss = loss_fn(logits, labels)
        losses.append(loss.detach())
        if loss.device.type == "cpu" and not (loss.ndim == 0 and math.isfinite(losses[-1])):
            _check_finite(losses[-1:], first=len(losses))
        return loss

    return batches(), loss_of


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
