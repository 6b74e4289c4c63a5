"""What a loss is computed from, and that it is one finite number."""

import inspect
import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tutorial_utils.checks.batches import Seen, check_finite
from tutorial_utils.checks.outputs import check_logarithms, check_outputs
from tutorial_utils.checks.watch import Mismatch, Watch
from tutorial_utils.checks.words import describe, name_of, range_of, shape_of
from tutorial_utils.metrics import KNOWN, LossFunction, computes_as, kind_of, rules_of, setting_of, uncompiled, weigh

HALF = (torch.float16, torch.bfloat16)


def check_loss_function(loss_fn: Any) -> None:
    """Raise ValueError if the loss function gives no mean over a batch, or its class weights can be none."""
    rules, reduction = rules_of(loss_fn), setting_of(loss_fn, "reduction")
    own = rules.kind in KNOWN and not computes_as(loss_fn, rules.kind)  # it may take the mean itself
    if reduction not in (None, "mean", "batchmean") and not own:
        raise ValueError(
            f"The loss function has reduction={reduction!r}, and the loops need the mean over a batch, one number: "
            "leave reduction out."
        )
    if rules.weights is not None and bool((rules.weights < 0).any()):
        raise ValueError(
            f"The smallest of the class weights is {float(rules.weights.min()):g}; a weight below 0 would reward "
            "mistakes. Use 0 for a class that does not count."
        )


class CheckedLoss:
    """A loss function that computes what the function inside of it computes, from outputs that fit the labels."""

    def __init__(self, loss_fn: LossFunction | None, seen: Seen, learning: bool):
        self.loss_fn, self.seen, self.learning = loss_fn, seen, learning
        self.rules = self.known = rules_of(loss_fn)  # `rules` may be learned from the first batch
        self.in_half = any(tensor.dtype in HALF for tensor in tensors_of(loss_fn))

    def __call__(self, logits: Tensor, labels: Tensor) -> Any:
        seen, loss_fn = self.seen, self.loss_fn
        assert loss_fn is not None
        assert seen.labels is not None
        if not self.in_half:
            logits, labels = widen(logits), widen(labels)
        check_outputs(self.known, logits, seen.labels)
        loss = compute(loss_fn, logits, labels) if seen.losses else self.compute_first(loss_fn, logits, labels)
        if self.learning and not loss.requires_grad:
            raise ValueError(explain_no_gradient(logits))
        loss = widen(loss)
        if loss.device.type == "cpu" and math.isfinite(loss.detach()):
            seen.losses.append(loss.detach())
            return loss
        loss = self.skip_uncounted(loss, logits, labels)
        seen.losses.append(loss.detach())
        if loss.device.type == "cpu":
            check_finite(seen)
        return loss

    def compute_first(self, loss_fn: LossFunction, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of the first batch, at which more is looked at, since it costs time."""
        if computes_as(loss_fn, self.known.kind):
            check_logarithms(self.known, logits)
        if uncompiled(loss_fn) is not loss_fn or self.known.takes_classes:
            return compute(loss_fn, logits, labels)
        with Watch(logits, labels) as watch:
            loss = compute(loss_fn, logits, labels)
        if self.learning and logits.requires_grad and labels.dtype != logits.dtype:
            check_gradient(loss, logits, labels)
        found = watch.find_loss(loss)
        if found is not None and self.known.kind not in KNOWN:
            check_loss_function(found.loss_fn)
            self.rules = found.rules
        return loss

    def skip_uncounted(self, loss: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
        """Return `loss`, or 0 where it is the mean over no label that counts; no accelerator has to wait."""
        weight = weigh(self, labels)
        if isinstance(weight, Tensor):
            self.seen.skipped.append(weight == 0)
            return torch.where(weight == 0, 0 * logits.sum(), loss)
        if weight:
            return loss
        self.seen.skipped.append(True)
        return 0 * logits.sum()


def tensors_of(loss_fn: Any) -> list[Tensor]:
    """Return the tensors that a loss function computes with, next to outputs and labels."""
    if isinstance(loss_fn, nn.Module):
        return [*loss_fn.parameters(), *loss_fn.buffers()]
    settings = loss_fn.keywords.values() if isinstance(loss_fn, partial) else ()
    return [value for value in settings if isinstance(value, Tensor)]


def widen(numbers: Tensor) -> Tensor:
    """Return numbers in half precision as float32, as sums and logarithms of them need; others as they are."""
    return numbers.float() if numbers.dtype in HALF else numbers


def compute(loss_fn: LossFunction, logits: Tensor, labels: Tensor) -> Tensor:
    """Return the loss; what goes wrong is told with what it was called with, and why if that is sure."""
    try:
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


def explain_loss(loss_fn: LossFunction, logits: Tensor, labels: Tensor) -> str | None:
    """Return why a loss could not be computed: which rule of it was broken, or what makes the same call work."""
    return explain_call(loss_fn) or explain_weights(loss_fn, logits) or explain_repair(loss_fn, logits, labels)


def explain_call(loss_fn: LossFunction) -> str | None:
    """Return why a loss function cannot be called with outputs and labels, or None if it can."""
    try:
        inspect.signature(getattr(loss_fn, "forward", loss_fn)).bind("outputs", "labels")
    except TypeError as error:
        name = name_of(loss_fn if hasattr(loss_fn, "__name__") else kind_of(loss_fn))
        return (
            f"The loops call the loss function with two arguments, outputs and labels, and {name} takes others "
            f"({error}). Write a function of the two that calls it with all that it needs, and pass that."
        )
    except ValueError:  # some have no signature
        pass
    return None


def explain_weights(loss_fn: LossFunction, logits: Tensor) -> str | None:
    """Return why class weights cannot be used with these logits, or None if they can."""
    weights = rules_of(loss_fn).weights
    if weights is None or weights.dtype == logits.dtype:
        return None
    return (
        f"The class weights are {name_of(weights.dtype)}, and the outputs that the loss is computed from are "
        f"{name_of(logits.dtype)}: make them alike, `weight.to({logits.dtype})`."
    )


def explain_repair(loss_fn: LossFunction, logits: Tensor, labels: Tensor) -> str | None:
    """Return what makes the same call work, or None if nothing does."""
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
    if kind_of(loss_fn) in (nn.BCELoss, F.binary_cross_entropy):
        low, high = range_of(logits.detach())
        sentence = (
            f"BCELoss takes probabilities, 0 to 1, and the model returned numbers from {low:.4g} to {high:.4g}: use "
            "nn.BCEWithLogitsLoss, which takes them as they are."
        )
        repairs[sentence] = lambda: (logits.sigmoid(), labels)
    for sentence, repair in repairs.items():
        try:
            with torch.no_grad():
                check_outputs(rules_of(loss_fn), *repair())
                loss_fn(*repair())
        except Exception:
            continue
        return sentence
    return None


def check_gradient(loss: Tensor, logits: Tensor, labels: Tensor) -> None:
    """Raise ValueError if the gradient of a loss cannot be computed because the labels have another dtype."""
    try:
        torch.autograd.grad(loss, logits, retain_graph=True)
    except RuntimeError as error:
        if "Found dtype" in str(error):
            raise ValueError(
                f"The labels are {name_of(labels.dtype)}, and the model's outputs {name_of(logits.dtype)}; this loss "
                f"has a gradient only where they are alike: `labels.to({logits.dtype})`."
            ) from error


def explain_no_gradient(logits: Tensor) -> str:
    """Return why a loss leads back to no parameter."""
    if not torch.is_grad_enabled():
        where = "training runs inside of `torch.no_grad()` or `torch.inference_mode()`: leave it first."
    elif logits.requires_grad:
        where = (
            "the loss function cuts the way back, as `.detach()`, `.item()`, `argmax`, a comparison or a number made "
            "anew do."
        )
    else:
        where = (
            "the model's outputs do not depend on a parameter with requires_grad=True, or the model cuts the way back, "
            "as `.detach()`, `torch.no_grad()`, `argmax` or a new tensor do."
        )
    return f"The loss has no gradient, so nothing can be learned: {where}"
