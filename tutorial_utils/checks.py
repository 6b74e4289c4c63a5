"""The mistakes of a training loop, each told in a sentence where PyTorch would give a riddle, or nothing.

A sentence states what was seen. It names a cause only where that is certain: because a rule of the loss is broken, or
because the very same call works once the cause is taken away, which is tried on a copy.
"""

import copy
import inspect
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR
from torch.overrides import TorchFunctionMode

from tutorial_utils.metrics import LossFunction, Rules, Task, rules_of, setting_of

Batches = Iterable[tuple[Tensor, Tensor]]  # a DataLoader, or a list of (images (N, ...), labels (N, ...))


def checked(
    dataloader: Batches, model: nn.Module, loss_fn: LossFunction | None = None, optimizer: Optimizer | None = None
) -> tuple[Batches, nn.Module, "CheckedLoss"]:
    """Return the same batches, model and loss function, each looked at on its way into and out of a loop.

    What the loop computes stays the same, but that a loss is computed in float32 from outputs in half precision, and
    that the loss of a batch in which every label is ignored is 0, and not nan.

    Raises:
        ValueError: (as soon as it can be seen) the optimizer has none of the model's parameters or needs a closure; the
            loss is no mean; a batch is no pair of tensors; outputs do not fit the labels; there is no batch.
        FloatingPointError: a loss is not finite (on an accelerator, told at the end of the epoch: it need not wait).
    """
    if optimizer is not None:
        _check_optimizer(optimizer, model)
    if setting_of(loss_fn, "reduction") not in (None, "mean", "batchmean"):
        raise ValueError(
            f"The loss function has reduction={setting_of(loss_fn, 'reduction')!r}, and the loops need the mean over a "
            "batch, one number: leave reduction out."
        )
    seen = Seen()
    return _look_at_batches(dataloader, seen), CheckedModel(model), CheckedLoss(loss_fn, seen)


@dataclass
class Seen:
    """What has passed so far: the running batch, as the dataloader gave it, and the losses of all batches."""

    images: Tensor | None = None
    labels: Tensor | None = None
    losses: list[Tensor] = field(default_factory=list)


# A batch


def _look_at_batches(dataloader: Batches, seen: Seen) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the batches, each a pair of tensors of one length, and check at the end that there were some."""
    try:
        for batch in dataloader:
            seen.images, seen.labels = _check_pair(batch)
            yield seen.images, seen.labels
    except RuntimeError as error:
        if "stack expects each tensor to be equal size" not in str(error):
            raise
        sizes = str(error).partition("equal size, but ")[2] or str(error)
        raise ValueError(
            f"The images of a batch have different sizes ({sizes}), so they are no one tensor: give all of them one "
            "size in the transform, such as v2.Resize((64, 64))."
        ) from error
    if seen.labels is None:
        raise ValueError(_explain_empty(dataloader))
    check_finite(seen)


def _check_pair(batch: Any) -> tuple[Tensor, Tensor]:
    """Return `batch` if it is a pair of inputs (N, ...) and labels (N, ...), both tensors."""
    if isinstance(batch, Mapping):
        raise ValueError(
            f"Each batch must be a pair, images and labels; this one is {_describe(batch)}. Let the dataset's "
            "__getitem__ return the two: `return sample['image'], sample['label']`."
        )
    if isinstance(batch, Tensor) or not isinstance(batch, Sequence) or len(batch) != 2:
        things = f"{len(batch)} things" if isinstance(batch, Sequence) else f"an object of type {type(batch).__name__}"
        raise ValueError(
            f"Each batch must be a pair, images and labels; this one is "
            f"{'a single tensor' if isinstance(batch, Tensor) else things}. A dataset's __getitem__ must return "
            "both: `return image, label`."
        )
    for name, part in zip(("images", "labels"), batch, strict=True):
        if not isinstance(part, Tensor):
            raise ValueError(_explain_part(name, part))
    images, labels = batch
    if images.ndim == 0 or labels.ndim == 0 or len(images) != len(labels):
        raise ValueError(
            f"A batch has {_count(images)} images but {_count(labels)} labels: every image needs its own label."
        )
    return images, labels


def _explain_part(name: str, part: Any) -> str:
    """Return what is wrong with a half of a batch that is no tensor."""
    first = part[0] if isinstance(part, Sequence) and len(part) else part
    if isinstance(first, str):
        return (
            f"The {name} of a batch are text, such as {first!r}, and PyTorch computes with numbers: number the "
            "classes, as in `label = classes.index(name)`, in the dataset or as its target_transform."
        )
    return (
        f"The {name} of a batch are {_describe(part)}, expected one tensor. What a dataset returns for one sample must "
        "be a pair of a tensor and a number, or two tensors."
    )


def _explain_empty(dataloader: Batches) -> str:
    """Return why a dataloader may have no batch; an iterator, perhaps inside of a progress bar, can be used up."""
    if isinstance(dataloader, Iterator) or isinstance(getattr(dataloader, "iterable", None), Iterator):
        return (
            "The dataloader has no batch: it is an iterator, such as a generator, that can be gone through once, and "
            "nothing is left of it. Pass a DataLoader or a list, which begin anew in every epoch."
        )
    return "The dataloader has no batch: its dataset is empty, or drop_last=True dropped the only, short one."


def _count(part: Tensor) -> int:
    """Return how many examples a tensor holds."""
    return len(part) if part.ndim else 1


# The model


class CheckedModel(nn.Module):
    """The model inside of it, but that an error says what it was called with, and why if that is certain."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        try:
            outputs = self.model(images)
        except Exception as error:
            if sentence := _explain_forward(error, images, self.model):
                raise ValueError(sentence) from error
            error.add_note(f"The model was called with images: {_describe(images)}.")
            raise
        if not isinstance(outputs, Tensor):
            raise ValueError(
                f"The model returned {_describe(outputs)}, expected one tensor, the logits. Return that one alone, or "
                "put a small module around the model whose forward picks it."
            )
        return outputs


def _explain_forward(error: Exception, images: Tensor, model: nn.Module) -> str | None:
    """Return why the model could not be called with these images, or None if that is not certain."""
    if "Expected more than 1 value per channel" in str(error) and len(images) == 1:
        return (
            "This batch has one example only, and BatchNorm in training needs at least two values to take a mean of. "
            "Build the DataLoader with drop_last=True, or with another batch_size."
        )
    wanted = next((p.dtype for p in model.parameters() if p.is_floating_point()), None)
    if wanted is not None and images.dtype != wanted and _works(model, images.to(wanted)):
        scale = ", scale=True" if not images.is_floating_point() else ""
        return (
            f"The images are {_name(images.dtype)}, and the model's weights are {_name(wanted)}. Convert the images in "
            f"the transform: v2.ToDtype({wanted}{scale})."
        )
    return None


def _works(model: nn.Module, images: Tensor) -> bool:
    """Return whether a copy of `model` can be called with `images`; nothing else changes."""
    try:
        with torch.no_grad(), torch.random.fork_rng([]):
            copy.deepcopy(model).eval()(images)
    except Exception:
        return False
    return True


# The loss


class CheckedLoss:
    """A loss function that computes what the function inside of it computes, from outputs that fit the labels."""

    def __init__(self, loss_fn: LossFunction | None, seen: Seen):
        self.loss_fn, self.seen, self.rules = loss_fn, seen, rules_of(loss_fn)

    def __call__(self, logits: Tensor, labels: Tensor) -> Any:
        seen, loss_fn = self.seen, self.loss_fn
        assert loss_fn is not None
        assert seen.labels is not None
        logits, labels = _widen(logits), _widen(labels)
        _check_outputs(self.rules, logits, seen.labels)
        loss = _compute(loss_fn, logits, labels, first=not seen.losses)
        if loss.device.type == "cpu" and math.isfinite(loss.detach()):
            seen.losses.append(loss.detach())
            return loss
        loss = _skip_ignored(self.rules, loss, logits, seen.labels)
        seen.losses.append(loss.detach())
        if loss.device.type == "cpu":
            check_finite(seen)
        return loss


def _widen(numbers: Tensor) -> Tensor:
    """Return numbers in half precision as float32, as sums and logarithms of them need; others as they are."""
    return numbers.float() if numbers.dtype in (torch.float16, torch.bfloat16) else numbers


def _compute(loss_fn: LossFunction, logits: Tensor, labels: Tensor, first: bool) -> Tensor:
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
        if sentence := _explain_loss(loss_fn, logits, labels):
            raise ValueError(sentence) from error
        error.add_note(f"The loss was called with outputs: {_describe(logits)}, and labels: {_describe(labels)}.")
        raise
    if not isinstance(loss, Tensor) or loss.ndim:
        raise ValueError(f"The loss function returned {_describe(loss)}, expected one number, the mean over the batch.")
    return loss


def _skip_ignored(rules: Rules, loss: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
    """Return `loss`, or 0 where it is the mean over no label, because all are ignored; no accelerator has to wait."""
    if rules.ignored is None or labels.is_floating_point():
        return loss
    counted = (labels != rules.ignored).sum()
    if labels.device.type == "cpu":
        return loss if counted else 0 * logits.sum()
    return torch.where(counted > 0, loss, 0 * logits.sum())


def _check_outputs(rules: Rules, logits: Tensor, labels: Tensor) -> None:
    """Raise ValueError if outputs do not fit the labels of their batch, as far as the rules of the loss are known."""
    if rules.task is Task.NUMBER and logits.shape != labels.shape:
        raise ValueError(_explain_broadcast(logits, labels))
    if rules.task is Task.YES_OR_NO:
        _check_yes_or_no(rules, labels)
    elif rules.takes_classes and not labels.is_floating_point():
        _check_classes(rules, logits, labels)
    elif rules.takes_classes and logits.shape != labels.shape:
        raise ValueError(
            f"The labels are {_describe(labels)}. As classes they must be whole numbers, `.long()`, of shape "
            f"{_drop_classes(logits)}; as shares of the classes, of the logits' shape, {_shape(logits)}."
        )


def _check_yes_or_no(rules: Rules, labels: Tensor) -> None:
    """Raise ValueError unless all labels are between no, 0, and yes, 1."""
    if labels.device.type != "cpu":
        return  # a look at labels on an accelerator would make it wait
    low, high = _range(labels)
    if low < 0 or high > 1:
        raise ValueError(
            f"The labels of this batch run from {low:g} to {high:g}; {_name(rules.kind)} takes 0 for no and 1 for yes. "
            "For one of several classes, use nn.CrossEntropyLoss with one logit for each class."
        )


def _check_classes(rules: Rules, logits: Tensor, labels: Tensor) -> None:
    """Raise ValueError unless class labels (N, ...) fit the logits (N, K, ...)."""
    if logits.ndim != labels.ndim + 1 or logits.shape[:1] + logits.shape[2:] != labels.shape:
        raise ValueError(_explain_classes(logits, labels))
    if labels.device.type != "cpu":
        return  # as above
    classes = logits.shape[1]
    low, high = _range(labels)
    if rules.ignored is not None and not 0 <= low <= high < classes:  # only then: it would cost every batch time
        low, high = _range(labels[labels != rules.ignored])
    if low < 0 or high >= classes:
        raise ValueError(
            f"The model returns {classes} numbers per image, for the classes 0 ... {classes - 1}, but the labels of "
            f"this batch run from {low} to {high}. Either the model's last layer has the wrong size, or the labels are "
            "wrong."
        )


def _explain_classes(logits: Tensor, labels: Tensor) -> str:
    """Return which shape the logits should have for class labels, and how they or the labels can get it."""
    if labels.ndim > 1 and labels.shape[1:] == (1,) and logits.ndim == 2 and len(logits) == len(labels):
        return (
            f"The labels have the shape {_shape(labels)}, expected {_drop_classes(logits)} for logits of shape "
            f"{_shape(logits)}: `.squeeze(1)` takes the 1 away."
        )
    wanted = ", ".join(map(str, [len(labels), "K", *labels.shape[1:]]))
    sentence = (
        f"For labels of shape {_shape(labels)} the model must return logits of shape ({wanted}), one number per class; "
        f"it returned {_shape(logits)}."
    )
    if logits.ndim > 2 and logits.shape[:-1] == labels.shape:
        sentence += " The classes are last: `logits.movedim(-1, 1)` puts them where they belong."
    return sentence


def _explain_loss(loss_fn: LossFunction, logits: Tensor, labels: Tensor) -> str | None:
    """Return why a loss could not be computed: what makes the same call work was missing. None if nothing does."""
    dtype = f"The labels are {_name(labels.dtype)}; "
    shapes = f"The model returned {_shape(logits)}, and the labels have the shape {_shape(labels)}; "
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
                _check_outputs(rules_of(loss_fn), *repair())
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
            raise Mismatch(_explain_broadcast(self.logits, self.labels))
        return result


def _explain_broadcast(logits: Tensor, labels: Tensor) -> str:
    """Return why numbers of different shapes cannot be compared one by one."""
    sentence = (
        f"The model returned {_shape(logits)}, and the labels have the shape {_shape(labels)}. A loss of numbers "
        "compares each with its own, so the shapes must be equal; otherwise PyTorch pairs each number with many."
    )
    if logits.numel() == labels.numel():
        sentence += f" `labels.reshape({_shape(logits).replace(str(len(labels)), '-1', 1)})` makes them so."
    return sentence


def check_finite(seen: Seen) -> None:
    """Raise FloatingPointError if one of the losses is not finite."""
    if not seen.losses or bool(torch.stack(seen.losses).isfinite().all()):
        return
    losses = torch.stack(seen.losses)
    batch = 1 + int(losses.isfinite().logical_not().nonzero()[0])
    sentence = f"The loss became {float(losses[batch - 1])} in batch {batch}. "
    for name, part in (("images", seen.images), ("labels", seen.labels)):
        if batch == len(losses) and part is not None and not bool(part.isfinite().all()):
            raise FloatingPointError(f"{sentence}The {name} of this batch hold nan or inf, before the model sees them.")
    raise FloatingPointError(
        f"{sentence}Usual causes: a learning rate that is too high (try a tenth of it), inputs that are not scaled, a "
        "logarithm or a division of zero."
    )


# The optimizer


def _check_optimizer(optimizer: Optimizer, model: nn.Module) -> None:
    """Raise ValueError if the optimizer cannot train the model in a loop that calls `step()`."""
    own = {id(parameter) for parameter in model.parameters()}
    if not any(id(parameter) in own for group in optimizer.param_groups for parameter in group["params"]):
        raise ValueError(
            "The optimizer holds none of this model's parameters, so no step would change the model. It was made for "
            "another one: build it anew, from this model's parameters, after the model."
        )
    closure = inspect.signature(optimizer.step).parameters.get("closure")
    if closure is not None and closure.default is closure.empty:
        raise ValueError(
            f"{type(optimizer).__name__} computes the loss several times in a step, by a function that it is given: "
            "`optimizer.step(closure)`. The loops of the course call `optimizer.step()`. Take another optimizer, or "
            "write a loop with a closure."
        )


def check_schedule(scheduler: LRScheduler | None, optimizer: Optimizer, epochs: int) -> None:
    """Raise ValueError if a scheduler that steps once per epoch cannot do what it was made for."""
    if scheduler is None:
        return
    if scheduler.optimizer is not optimizer:
        raise ValueError(
            "The scheduler was made for another optimizer, so it would change none of this one's learning rates: build "
            "it anew, from this optimizer, after the optimizer."
        )
    if isinstance(scheduler, OneCycleLR) and scheduler.total_steps - scheduler.last_epoch != epochs:
        raise ValueError(
            f"OneCycleLR has {scheduler.total_steps - scheduler.last_epoch} steps to go, and fit takes {epochs}, one "
            f"after each epoch: build it with total_steps={epochs}. To step after every batch, write the loop yourself."
        )


# Words


def _describe(value: Any) -> str:
    """Return a few words on a value: of a tensor its shape and dtype, of a collection what it holds."""
    if isinstance(value, Tensor):
        return f"{_shape(value)} {_name(value.dtype)}"
    if isinstance(value, Mapping):
        return f"a dictionary with {', '.join(map(repr, value))}"
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)}"
    return f"an object of type {type(value).__name__}"


def _shape(tensor: Tensor) -> str:
    """Return the shape of a tensor as it is written."""
    return str(tuple(tensor.shape))


def _drop_classes(logits: Tensor) -> str:
    """Return the shape that class labels have for these logits (N, K, ...)."""
    return str(tuple(logits.shape[:1] + logits.shape[2:]))


def _name(thing: Any) -> str:
    """Return the name of a dtype, a class or a function without that of its module."""
    return getattr(thing, "__name__", None) or str(thing).removeprefix("torch.")


def _range(labels: Tensor) -> tuple[float, float]:
    """Return the smallest and the largest of some labels, or 0 and 0 if there are none."""
    if not labels.numel():
        return 0, 0
    low, high = labels.aminmax()
    return low.item(), high.item()
