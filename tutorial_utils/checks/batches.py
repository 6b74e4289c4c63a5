"""What a dataloader gives: pairs of tensors, at least one of them, whose losses are finite."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Number
from typing import Any

import torch
from torch import Tensor

from tutorial_utils.checks.words import ORDER, describe

ONE_SAMPLE = (
    "So this is one sample, and no batch: pass DataLoader(dataset, batch_size=64), not the dataset, and not "
    "batch_size=None."
)
Batches = Iterable[tuple[Tensor, Tensor]]  # a DataLoader, or a list of (images (N, ...), labels (N, ...))


@dataclass
class Seen:
    """What has passed so far: the running batch, as the dataloader gave it, and the losses of all batches.

    `skipped` says of the batches that were looked at for it whether no label of them counts.
    """

    images: Tensor | None = None
    labels: Tensor | None = None
    losses: list[Tensor] = field(default_factory=list)
    skipped: list[Any] = field(default_factory=list)  # of bool, or on an accelerator of tensors of one


def check_iterable(dataloader: Any) -> None:
    """Raise ValueError if no batches can come from `dataloader`."""
    if not isinstance(dataloader, Iterable) and not hasattr(dataloader, "__getitem__"):
        raise ValueError(
            f"The dataloader is {describe(dataloader)}, expected one that gives batches, such as a DataLoader. {ORDER}"
        )


def look_at(dataloader: Batches, seen: Seen) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the batches, each a pair of tensors of one length, and check at the end that there were some."""
    try:
        for batch in dataloader:
            seen.images, seen.labels = check_pair(batch)
            yield seen.images, seen.labels
    except (RuntimeError, TypeError) as error:
        if sentence := explain_collate(str(error)):
            raise ValueError(sentence) from error
        raise
    if seen.labels is None:
        raise ValueError(explain_empty(dataloader))
    check_finite(seen)
    if seen.losses and len(seen.skipped) == len(seen.losses) and all(seen.skipped):
        raise ValueError(
            "No label of any batch counts: each is ignored by the loss (ignore_index), has the class weight 0, or is "
            "in an empty batch. So there is nothing to learn from or to measure."
        )


def explain_collate(error: str) -> str | None:
    """Return why a DataLoader could not make a batch of its samples, or None if its error does not tell."""
    _, told, sizes = error.partition("stack expects each tensor to be equal size, but ")
    if told or "Trying to resize storage that is not resizable" in error:
        return (
            f"The samples of a batch have different sizes{f' ({sizes.strip()})' * bool(told)}, so they are no one "
            "tensor. Give all images one size in the transform, such as v2.Resize((64, 64)); texts or labels of "
            "different lengths need a collate_fn that fills them up."
        )
    _, told, kind = error.partition(
        "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists;"
    )
    if told:
        return (
            f"A DataLoader makes batches of tensors and numbers;{kind.rstrip()} in a sample. Let the dataset, or its "
            "transform, turn it into a tensor: a picture by v2.ToImage() and v2.ToDtype(torch.float32, scale=True)."
        )
    return None


def check_pair(batch: Any) -> tuple[Tensor, Tensor]:
    """Return `batch` if it is a pair of inputs (N, ...) and labels (N, ...), both tensors."""
    if isinstance(batch, Mapping):
        raise ValueError(
            f"Each batch must be a pair, images and labels; this one is {describe(batch)}. Let the dataset's "
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
            raise ValueError(explain_part(name, part))
    images, labels = batch
    if images.ndim == 0 or labels.ndim == 0 or len(images) != len(labels):
        raise ValueError(explain_lengths(images, labels))
    return images, labels


def explain_part(name: str, part: Any) -> str:
    """Return what is wrong with a half of a batch that is no tensor."""
    first = part[0] if isinstance(part, Sequence) and len(part) else part
    if isinstance(first, str):
        return (
            f"The {name} of a batch are text, such as {first!r}, and PyTorch computes with numbers: number the "
            "classes, as in `label = classes.index(name)`, in the dataset or as its target_transform."
        )
    if isinstance(part, Number):
        return f"The {name} of a batch are one number, {part}. {ONE_SAMPLE}"
    if hasattr(part, "__array__"):
        return f"The {name} of a batch are {describe(part)}, expected a tensor: `torch.as_tensor` makes one of it."
    return (
        f"The {name} of a batch are {describe(part)}, expected one tensor. What a dataset returns for one sample must "
        "be a pair of a tensor and a number, or two tensors. For a model of several inputs, write the loop yourself."
    )


def explain_lengths(images: Tensor, labels: Tensor) -> str:
    """Return why there is no label for each image."""
    counts = [count_examples(part) for part in (images, labels)]
    sentence = "A batch has {} images but {} labels: every image needs its own label.".format(*counts)
    if labels.ndim:
        return sentence
    return f"{sentence} {ONE_SAMPLE}" if counts[0] != counts[1] else f"The label has no dimension. {ONE_SAMPLE}"


def explain_empty(dataloader: Batches) -> str:
    """Return why a dataloader may have no batch; an iterator, perhaps inside of a progress bar, can be used up."""
    if isinstance(dataloader, Iterator) or isinstance(getattr(dataloader, "iterable", None), Iterator):
        return (
            "The dataloader has no batch: it is an iterator, such as a generator, that can be gone through once, and "
            "nothing is left of it. Pass a DataLoader or a list, which begin anew in every epoch."
        )
    return "The dataloader has no batch: its dataset is empty, or drop_last=True dropped the only, short one."


def count_examples(part: Tensor) -> int:
    """Return how many examples a tensor holds."""
    return len(part) if part.ndim else 1


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
