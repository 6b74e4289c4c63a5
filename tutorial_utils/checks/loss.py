"""What a loss is computed from, and that it is one finite number."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from tutorial_utils.checks.batches import Seen, check_finite
from tutorial_utils.checks.outputs import check_outputs, explain_broadcast
from tutorial_utils.checks.words import describe, name_of, shape_of
from tutorial_utils.metrics import LossFunction, Rules, rules_of, setting_of


def check_reduction(loss_fn: LossFunction | None) -> None:
    """Raise ValueError if the loss function gives anything but the mean over a batch."""
    if (reduction := setting_of(loss_fn, "reduction")) not in (None, "mean", "batchmean"):
        raise ValueError(
            f"The loss function has reduction={reduction!r}, and the loops need the mean over a batch, one number: "
            "leave reduction out."
        )


class CheckedLoss:
    """A loss function that computes what the function inside of it computes, from outputs that fit the labels."""

    def __init__(self, loss_fn: LossFunction | None, seen: Seen):
        self.loss_fn, self.seen, self.rules = loss_fn, seen, rules_of(loss_fn)

    def __call__(self, logits: Tensor, labels: Tensor) -> Any:
        seen, loss_fn = self.seen, self.loss_fn
        assert loss_fn is not None
        assert seen.labels is not None
        logits, labels = widen(logits), widen(labels)
        check_outputs(self.rules, logits, seen.labels)
        loss = compute(loss_fn, logits, labels, first=not seen.losses)
        if loss.device.type == "cpu" and math.isfinite(loss.detach()):
            seen.losses.append(loss.detach())
            return loss
        loss = skip_ignored(self.rules, loss, logits, seen.labels)
        seen.losses.append(loss.detach())
        if loss.device.type == "cpu":
            check_finite(seen)
        return loss


def widen(numbers: Tensor) -> Tensor:
    """Return numbers in half precision as float32, as sums and logarithms of them need; others as they are."""
    return numbers.float() if numbers.dtype in (torch.float16, torch.bfloat16) else numbers


def compute(loss_fn: LossFunction, logits: Tensor, labels: Tensor, first: bool) -> Tensor:
    """Return the loss; what goes wrong is told with what it was called with, and why if that is sure."""
    try:
        if first and labels.is_floating_point() and logits.shape != labels.shape:
            with _Broadcasts(logits, labels):
                loss = loss_fn(logits, labels)
        else:
            loss = loss_fn(logits, labels)
    except Mismatch as mismatch:
        raise ValueError(str(mismatch)) from None
    except Exception as error:
        if sentence := explain_loss(loss_fn, logits, labels):
            raise ValueError(sentence) from error
        error.add_note(f"The loss was called with outputs: {describe(logits)}, and labels: {describe(labels)}.")
        raise
    if not isinstance(loss, Tensor) or loss.ndim:
        raise ValueError(f"The loss function returned {describe(loss)}, expected one number, the mean over the batch.")
    return loss


def skip_ignored(rules: Rules, loss: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
    """Return `loss`, or 0 where it is the mean over no label, because all are ignored; no accelerator has to wait."""
    if rules.ignored is None or labels.is_floating_point():
        return loss
    counted = (labels != rules.ignored).sum()
    if labels.device.type == "cpu":
        return loss if counted else 0 * logits.sum()
    return torch.where(counted > 0, loss, 0 * logits.sum())


def explain_loss(loss_fn: LossFunction, logits: Tensor, labels: Tensor) -> str | None:
    """Return why a loss could not be computed: what makes the same call work was missing. None if nothing does."""
    dtype = f"The labels are {name_of(labels.dtype)}; "
    shapes = f"The model returned {shape_of(logits)}, and the labels have the shape {shape_of(labels)}; "
    column = shapes + "make the labels a column, too: `labels.unsqueeze(1)`"
    repairs: dict[str, Callable[[], tuple[Tensor, Tensor]]] = {
        f"{dtype}classes must be int64: `.long()`.": lambda: (logits, labels.long()),
        f"{dtype}expected numbers like the model's: `.float()`.": lambda: (logits, labels.to(logits.dtype)),
        f"{column}.": lambda: (logits, labels.unsqueeze(1)),
        f"{column}, as numbers: `.float()`.": lambda: (logits, labels.unsqueeze(1).to(logits.dtype)),
        f"{shapes}`.squeeze(1)` makes them alike.": lambda: (logits, labels.squeeze(1)),
    }
    for sentence, repair in repairs.items():
        try:
            with torch.no_grad():
                check_outputs(rules_of(loss_fn), *repair())
                loss_fn(*repair())
        except Exception:
            continue
        return sentence
    return None


class Mismatch(Exception):  # noqa: N818
    """Outputs and labels of different shapes were about to be combined, each with each."""


class _Broadcasts(TorchFunctionMode):
    """Raises Mismatch when an operation on these outputs and labels gives more numbers than either of them has."""

    def __init__(self, logits: Tensor, labels: Tensor):
        super().__init__()
        self.logits, self.labels = logits, labels

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        pair = {id(self.logits), id(self.labels)}
        most = max(self.logits.numel(), self.labels.numel())
        if isinstance(result, Tensor) and result.numel() > most and {id(argument) for argument in args[:2]} == pair:
            raise Mismatch(explain_broadcast(self.logits, self.labels))
        return result
