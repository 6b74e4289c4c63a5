"""What came back, and how it differs from what was expected: what was seen, and no guess at why."""

from numbers import Number
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor


class Difference(NamedTuple):
    """How a result differs from what is expected, and what that usually means (or nothing)."""

    what: str
    advice: str = ""


class Words(str):
    """Something observed that is no value, such as "`x` itself": it is shown whole, without quotes."""

    __slots__ = ()


def state(what: str, advice: str = "") -> str:
    """Return a sentence of what was seen and what it means, which may be unknown.

    >>> state("your result is 1, expected 2", "that is the first one")
    'Your result is 1, expected 2: that is the first one.'
    """
    text = f"{what}: {advice.rstrip()}" if advice else what
    return f"{text[0].upper()}{text[1:]}{'' if text.endswith(('.', '?')) else '.'}"


def find_difference(result: Any, expected: Any, name: str = "it") -> Difference | None:
    """Return in words how `result` differs from `expected`, or None if it does not.

    >>> find_difference(torch.tensor([1, 2]), torch.tensor([1.0, 2.0]))
    Difference(what='it has dtype torch.int64, expected torch.float32', advice='')
    """
    if isinstance(expected, Tensor):
        return _compare_types(result, expected, name) or _compare_tensors(result, expected, name)
    if isinstance(expected, tuple | list):
        return _compare_sequences(result, expected, name)
    if isinstance(expected, dict):
        return _compare_dicts(result, expected, name)
    if is_number(expected) and not isinstance(expected, np.generic):
        return _compare_numbers(result, expected, name)
    if type(result) is not type(expected) or not _is_equal(result, expected):
        return Difference(f"{name} is {show(result)}, expected {show(expected)}", _advise_none(result, name))
    return None


def _is_equal(result: Any, expected: Any) -> bool:
    """Return whether two values of one type are equal: arrays and tables as a whole."""
    try:
        return bool(np.all(np.asarray(result == expected)))
    except ValueError:  # of different shape
        return False


def _compare_types(result: Any, expected: Tensor, name: str) -> Difference | None:
    if isinstance(result, Tensor):
        return None
    found = name_type(result)
    if isinstance(result, np.ndarray | np.generic):
        found, advice = "a NumPy array", "stay with functions of torch, or convert it with `torch.from_numpy`"
    elif isinstance(result, list | tuple | Number):
        advice = "`torch.tensor(...)` makes one from numbers, `torch.stack(...)` from tensors"
    else:
        advice = _advise_none(result, name)
    return Difference(f"{name} is {found}, expected a tensor of shape {tuple(expected.shape)}", advice)


def _compare_tensors(result: Tensor, expected: Tensor, name: str) -> Difference | None:
    found, wanted = tuple(result.shape), tuple(expected.shape)
    if found != wanted:
        return Difference(f"{name} has shape {found}, expected {wanted}")
    if result.dtype != expected.dtype:
        return Difference(f"{name} has dtype {result.dtype}, expected {expected.dtype}")
    if result.device != expected.device:
        advice = "`.to` moves a tensor, and `device=x.device` or `torch.zeros_like(x)` makes one where `x` is"
        return Difference(f"{name} is on the device {result.device}, expected {expected.device}", advice)
    if result.is_meta:
        return None  # there are no numbers to compare
    result, expected = result.detach(), expected.detach()
    right = torch.isclose(result, expected, *find_tolerances(expected.dtype), equal_nan=True)
    if bool(right.all()):
        return None
    return _describe_values(result, expected, right, name)


def _describe_values(result: Tensor, expected: Tensor, right: Tensor, name: str) -> Difference:
    """Return where two tensors of one shape differ; `right` is True where they do not."""
    advice = ""
    if bool(result.isnan().any()):
        advice = (
            "nan comes from 0 / 0, from infinity - infinity or infinity / infinity, from the logarithm or the root of "
            "a negative number, or from memory that holds nothing yet, as that of `torch.empty`"
        )
    if expected.numel() <= 12:
        return Difference(f"{name} is {show(result)}, expected {show(expected)}", advice)
    place = tuple(right.logical_not().nonzero()[0].tolist())
    index = ", ".join(map(str, place))
    return Difference(
        f"{name} differs in {int((~right).sum())} of {expected.numel()} places; at [{index}] it is "
        f"{show(result[place])}, expected {show(expected[place])}",
        advice,
    )


def find_tolerances(dtype: torch.dtype) -> tuple[float, float]:
    """Return the relative and the absolute tolerance: none for whole numbers, room for another order for floats."""
    if not dtype.is_floating_point:
        return 0.0, 0.0
    return (1e-4, 1e-5) if torch.finfo(dtype).bits <= 32 else (1e-6, 1e-7)


def _compare_sequences(result: Any, expected: tuple[Any, ...] | list[Any], name: str) -> Difference | None:
    kind = tuple if isinstance(expected, tuple) else list
    if not isinstance(result, kind):
        what = f"{name} is {name_type(result)}, expected a {kind.__name__} of length {len(expected)}"
        return Difference(what, _advise_none(result, name))
    if len(result) != len(expected):
        return Difference(f"{name} has length {len(result)}, expected {len(expected)}")
    for position, (entry, wanted) in enumerate(zip(result, expected, strict=True)):
        if difference := find_difference(entry, wanted, f"{name}[{position}]"):
            simple = all(isinstance(value, Number | str) for value in (*result, *expected))
            shown = show(result), show(expected)
            if simple and shown[0] != shown[1]:
                return Difference(f"{name} is {shown[0]}, expected {shown[1]}", difference.advice)
            return difference
    return None


def _compare_dicts(result: Any, expected: dict[Any, Any], name: str) -> Difference | None:
    if not isinstance(result, dict):
        return Difference(f"{name} is {name_type(result)}, expected a dictionary", _advise_none(result, name))
    if result.keys() != expected.keys() and len(expected) > 6:
        missing, more = ([key for key in a if key not in b] for a, b in ((expected, result), (result, expected)))
        found = f"{name} lacks the keys {show(missing)}" if missing else f"{name} has the keys {show(more)} too many"
        return Difference(found)
    if result.keys() != expected.keys():
        return Difference(f"{name} has the keys {show(list(result))}, expected {show(list(expected))}")
    differences = (find_difference(result[key], expected[key], f"{name}[{key!r}]") for key in expected)
    return next((difference for difference in differences if difference), None)


def _compare_numbers(result: Any, expected: Any, name: str) -> Difference | None:
    if isinstance(result, Tensor | np.ndarray | np.generic) and np.prod(result.shape) == 1:
        what = f"{name} is {name_type(result)}, expected a Python number"
        return Difference(what, "`.item()` takes it out")
    if not is_number(result) or isinstance(result, np.generic):
        return Difference(f"{name} is {show(result)}, expected the number {show(expected)}", _advise_none(result, name))
    if isinstance(expected, int) and not isinstance(result, int):
        return Difference(f"{name} is {result!r}, {name_type(result)}, expected a whole number, an int")
    close = result == expected if isinstance(expected, int) else np.isclose(result, expected, 1e-4, 1e-6, True)
    if not close:
        return Difference(f"{name} is {show(result)}, expected {show(expected)}")
    return None


def is_number(value: Any) -> bool:
    """Return whether `value` is a number; True and False are none here."""
    return isinstance(value, Number) and not isinstance(value, bool)


def name_type(value: Any) -> str:
    """Return the type of a value with its article, such as "an int"; of words, the words."""
    if isinstance(value, Words):
        return str(value)
    name = type(value).__name__
    return "None" if value is None else f"{'an' if name[0] in 'aeioAEIO' else 'a'} {name}"


def _advise_none(result: Any, name: str) -> str:
    """Return the question that a None raises where something was to come back; a gradient is None for other reasons."""
    asked = name == "it" or any(word in name for word in ("result", "comes back", "return", "(", "["))
    return "is a `return` missing?" if result is None and asked and ".grad" not in name else ""


def show(value: Any) -> str:
    """Return a value as a short text, floats with four digits after the point."""
    if isinstance(value, Tensor):
        small = value.numel() <= 12 and not value.is_meta
        value = value.detach().tolist() if small else f"a tensor of shape {tuple(value.shape)}"
    if isinstance(value, float):
        return f"{value:.4f}".rstrip("0").rstrip(".") if 1e-3 <= abs(value) < 1e6 or value == 0 else f"{value:.4g}"
    if isinstance(value, list):
        return f"[{', '.join(map(show, value))}]"
    if isinstance(value, tuple):
        return f"({', '.join(map(show, value))}{',' if len(value) == 1 else ''})"
    if isinstance(value, Words):
        return str(value)
    plain = isinstance(value, str) and value.startswith("a tensor of")
    text = str(value) if plain else repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
