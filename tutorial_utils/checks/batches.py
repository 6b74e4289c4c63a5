"""What a dataloader gives: pairs of tensors, at least one of them, whose losses are finite."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from tutorial_utils.checks.words import describe

Batches = Iterable[tuple[Tensor, Tensor]]  # a DataLoader, or a list of (images (N, ...), labels (N, ...))


@dataclass
class Seen:
    """What has passed so far: the running batch, as the dataloader gave it, and the losses of all batches."""

    images: Tensor | None = None
    labels: Tensor | None = None
    losses: list[Tensor] = field(default_factory=list)


def look_at(dataloader: Batches, seen: Seen) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the batches, each a pair of tensors of one length, and check at the end that there were some."""
    try:
        for batch in dataloader:
            seen.images, seen.labels = check_pair(batch)
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
        raise ValueError(explain_empty(dataloader))
    check_finite(seen)


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
        raise ValueError(
            f"A batch has {count_examples(images)} images but {count_examples(labels)} labels: every image needs its "
            "own label."
        )
    return images, labels


def explain_part(name: str, part: Any) -> str:
    """Return what is wrong with a half of a batch that is no tensor."""
    first = part[0] if isinstance(part, Sequence) and len(part) else part
    if isinstance(first, str):
        return (
            f"The {name} of a batch are text, such as {first!r}, and PyTorch computes with numbers: number the "
            "classes, as in `label = classes.index(name)`, in the dataset or as its target_transform."
        )
    return (
        f"The {name} of a batch are {describe(part)}, expected one tensor. What a dataset returns for one sample must "
        "be a pair of a tensor and a number, or two tensors."
    )


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
