"""What the sentences are made of: a few words on a tensor, and on anything else."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

ORDER = (
    "Are the arguments in order? They are dataloader, model, loss_fn, optimizer; of fit model, train_dataloader, "
    "val_dataloader, loss_fn, optimizer."
)


def describe(value: Any) -> str:
    """Return a few words on a value: of a tensor its shape and dtype, of a collection what it holds."""
    if isinstance(value, Tensor):
        return f"{shape_of(value)} {name_of(value.dtype)}"
    if isinstance(value, Mapping):
        return f"a dictionary with {', '.join(map(repr, value))}"
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)}"
    return "None" if value is None else f"an object of type {type(value).__name__}"


def shape_of(tensor: Tensor) -> str:
    """Return the shape of a tensor as it is written."""
    return str(tuple(tensor.shape))


def shape_of_classes(logits: Tensor) -> str:
    """Return the shape that class labels have for these logits (N, K, ...)."""
    return str(tuple(logits.shape[:1] + logits.shape[2:]))


def name_of(thing: Any) -> str:
    """Return the name of a dtype, a class or a function without that of its module."""
    return getattr(thing, "__name__", None) or str(thing).removeprefix("torch.")


def range_of(labels: Tensor) -> tuple[float, float]:
    """Return the smallest and the largest of some labels, or 0 and 0 if there are none."""
    if not labels.numel():
        return 0, 0
    low, high = labels.aminmax()
    return low.item(), high.item()
