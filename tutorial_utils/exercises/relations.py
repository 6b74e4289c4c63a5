"""A general look at how numbers that differ relate to those expected: a true relation says more than two lists.

It is an observation that holds on every case in which the two differ, and no cause; what leads there is not known.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tutorial_utils.exercises.compare import find_difference, find_tolerances, is_number

ENOUGH = 3  # different numbers, below which an agreement may be chance

RELATIONS: dict[str, Callable[[Any], Any]] = {  # what becomes of the expected value, by the words for it
    "the numbers are right, in another dtype": lambda x: x,  # that nothing else differs makes it worth saying
    "the numbers are right, but a dimension of size 1 is missing or too many": lambda x: x.squeeze(),
    "the numbers are right, in one dimension": lambda x: x.flatten(),
    "the numbers are right, with rows and columns exchanged": lambda x: x.T if x.ndim == 2 else None,
    "the last two dimensions have changed places": lambda x: x.transpose(-1, -2),
    "dimensions 0 and 1 have changed places": lambda x: x.transpose(0, 1),
    "that is the first entry alone": lambda x: x[0],
    "that is the last entry alone": lambda x: x[-1],
    "the first entry is missing": lambda x: x[1:],
    "the last entry is missing": lambda x: x[:-1],
    "the order is reversed": lambda x: x.flip(0),
    "the order within each row is reversed": lambda x: x.flip(-1),
    "the entries are shifted by one place": lambda x: x.roll(1, 0),
    "the entries are shifted by one place, to the front": lambda x: x.roll(-1, 0),
    "the sign is turned": lambda x: -x,
    "signs are missing": lambda x: x.abs(),
    "negative numbers became 0": lambda x: x.clamp(min=0),
    "what follows the decimal point was cut off": lambda x: x.trunc(),
    "the numbers are rounded to whole ones": lambda x: x.round(),
    "yes and no are exchanged": lambda x: ~x if x.dtype == torch.bool else None,
    "each number is 1 divided by what it should be": lambda x: 1 / x,
    "that is the square": lambda x: x.square(),
    "that is the square root": lambda x: x.sqrt(),
    "that is the logarithm": lambda x: x.log(),
    "that is e to the power of it": lambda x: x.exp(),
    "that is 1 minus it": lambda x: 1 - x,
    "that is the sum of the entries": lambda x: x.sum(),
    "that is the mean of the entries": lambda x: x.mean(),
    "that is the sum down the columns": lambda x: x.sum(0),
    "that is the sum along the rows": lambda x: x.sum(-1),
    "that is the mean down the columns": lambda x: x.mean(0),
    "that is the mean along the rows": lambda x: x.mean(-1),
    "it is a table, and each of its rows has all the numbers that are expected": lambda x: x.expand(len(x), len(x)),
}


def find_relation(found: Sequence[Any], expected: Sequence[Any]) -> str:
    """Return in words how found values relate to the expected ones, or nothing; both have one entry for each case.

    >>> find_relation([torch.tensor([1, 2, 3]), torch.tensor([7])], [torch.tensor([3, 2, 1]), torch.tensor([7])])
    'the order is reversed'
    >>> find_relation([torch.tensor([2.0, 4.0, 10.0])], [torch.tensor([1.0, 2.0, 5.0])])
    'each number is 2 times what it should be'
    """
    differing = [(a, b) for a, b in zip(found, expected, strict=True) if find_difference(a, b) is not None]
    if all(isinstance(a, tuple | list) and isinstance(b, tuple | list) for a, b in differing):
        turned = all(find_difference(type(b)(a[::-1]), b) is None for a, b in differing)
        return ("the two have changed places" if len(differing[0][1]) == 2 else "the order is reversed") * turned
    pairs = []
    for a, b in ((_as_tensor(a), _as_tensor(b)) for a, b in differing):
        if a is None or b is None or a.is_meta or b.is_meta:
            return ""
        pairs.append((a, b))
    if len({number for _, b in pairs for number in b.detach().flatten().tolist()}) < ENOUGH:
        return ""
    for words, relation in RELATIONS.items():
        if all(_holds(relation, a, b) for a, b in pairs):
            return words
    return _find_factor(pairs) or _find_sum(pairs)


def _as_tensor(value: Any) -> Tensor | None:
    if isinstance(value, Tensor):
        return value.detach()
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "fiub":
        return torch.from_numpy(np.array(value, dtype=value.dtype.newbyteorder("=")))
    return torch.tensor(value) if is_number(value) and not isinstance(value, complex) else None


def _holds(relation: Callable[[Any], Any], found: Tensor, expected: Tensor) -> bool:
    """Return whether the found values are what the relation makes of the expected ones, whatever the dtype is."""
    try:
        made = relation(expected)
    except (RuntimeError, IndexError, TypeError):  # it is none for this shape or dtype
        return False
    if made is None:
        return False
    if relation is RELATIONS["the numbers are right, but a dimension of size 1 is missing or too many"]:
        found = found.squeeze()
    return _close(found, made)


def _close(found: Tensor, made: Tensor) -> bool:
    if found.shape != made.shape:
        return False
    tolerances = max(find_tolerances(found.dtype), find_tolerances(made.dtype))
    return bool(torch.isclose(found.double(), made.double(), *tolerances, equal_nan=True).all())


def _find_factor(pairs: Sequence[tuple[Tensor, Tensor]]) -> str:
    """Return the constant factor between found and expected values, or nothing."""
    if any(a.shape != b.shape or a.dtype.is_complex or b.dtype == torch.bool for a, b in pairs):
        return ""
    found, expected = (torch.cat([x.double().flatten() for x in side]) for side in zip(*pairs, strict=True))
    factor = float((found @ expected) / (expected @ expected))
    if not factor or abs(factor - 1) < 1e-3 or not np.isfinite(factor) or not _close(found, factor * expected):
        return ""
    if abs(factor) < 1 and abs(1 / factor - round(1 / factor)) < 1e-4:
        return f"each number is what it should be, divided by {round(1 / factor)}"
    return f"each number is {factor:.4g} times what it should be"


def _find_sum(pairs: Sequence[tuple[Tensor, Tensor]]) -> str:
    """Return the constant that was added to the expected values, or nothing."""
    if any(a.shape != b.shape or a.dtype == torch.bool or b.dtype == torch.bool for a, b in pairs):
        return ""
    differences = torch.cat([(a.double() - b.double()).flatten() for a, b in pairs])
    added = float(differences.mean())
    if not np.isfinite(added) or not bool(torch.isclose(differences, differences.mean(), 1e-4, 1e-5).all()):
        return ""
    return f"each number is {abs(added):.4g} too {'large' if added > 0 else 'small'}"
