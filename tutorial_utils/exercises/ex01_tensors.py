"""The exercises of notebook 01, tensors."""

import sys
from functools import partial
from itertools import permutations, product

import numpy as np
import torch
from torch import Tensor

from tutorial_utils.exercises.cases import case
from tutorial_utils.exercises.compare import Words
from tutorial_utils.exercises.exercise import exercise
from tutorial_utils.exercises.observe import kind_of
from tutorial_utils.exercises.rules import keeps_arguments, on_any_device, without_loop


def combine(make, *ways):
    """Return mistakes of several parts: `make` gets one way to do each part; the right way has no sentence."""
    chosen = [options for options in product(*(way.items() for way in ways)) if any(said for said, _ in options)]
    return {
        "; ".join(said for said, _ in options if said): partial(make, *(do for _, do in options)) for options in chosen
    }


# ------------------------------------------------------------------------------------------------------ create a tensor


@exercise(
    hints=(
        "Which function counts like Python's `range`?",
        "`torch.arange(start, end, step)`: the end itself is not included.",
    ),
    observe=lambda attempt: {"`hours`": attempt()},
)
def hours():
    return torch.arange(0, 24, 3)  # (8,)


hours.example(gives={"`hours`": torch.tensor([0, 3, 6, 9, 12, 15, 18, 21])})
hours.mistakes(
    {
        "the last hour, 21, is missing; `arange` does not include its end": lambda: torch.arange(0, 21, 3),
        "24 is in it; `arange` stops before its end, and yours lies after 24": lambda: torch.arange(0, 25, 3),
        "the numbers are right, but they are decimal numbers; `arange` of whole numbers, without a point, gives "
        "`int64`": lambda: torch.arange(0.0, 24, 3),
        "the first hour, 0, is missing": lambda: torch.arange(3, 24, 3),
        "these are all numbers up to 20; the third argument of `arange` is the step": lambda: torch.arange(21),
        "the step comes third, after the end": lambda: torch.arange(0, 3, 24),
        "the last hour is 21, and the first is 0": lambda: torch.arange(3, 27, 3),
        "the hours are right; one pair of brackets too many makes them a table": lambda: torch.arange(0, 24, 3)[None],
        "the hours are right, but as a column; a row has the shape (8,)": lambda: torch.arange(0, 24, 3)[:, None],
        "the third argument of `arange` is the step, and not how many there are": lambda: torch.arange(0, 24, 8),
        "these are all the hours; with a step, the third argument of `arange`, it leaves some out": (
            lambda: torch.arange(24)
        ),
        "this counts the readings; the first is at hour 0, the next at hour 3": lambda: torch.arange(8),
    }
)


def draw(attempt, x):
    """Observe what any right answer has in common: it is drawn anew, evenly, for each place."""
    noise = attempt(x)
    noise = noise.clone() if isinstance(noise, Tensor) else noise
    kind = torch.zeros_like(noise) if isinstance(noise, Tensor) else noise
    if x.numel() < 1000 or not isinstance(noise, Tensor) or noise.dtype != torch.float32 or noise.shape != x.shape:
        return {"your result": kind}
    low, high = noise.min().item(), noise.max().item()
    different = noise.unique().numel()
    middle = (noise.abs() < 0.5).float().mean().item()
    ordered = noise.diff(dim=-1).ge(0).all()
    return {
        "your result": kind,
        f"what fills the {x.numel()} places of your result": Words(
            "a number for each"
            if different > 0.9 * x.numel()
            else f"only {different} different numbers"
            if different > 1
            else "one number"
        ),
        "the range of your result": [round(low, 1) + 0.0, round(high, 1) + 0.0],
        "the count of numbers below -1 or above 1 in your result": int((noise.abs() > 1).sum()),
        "the share of numbers between -0.5 and 0.5 in your result": round(middle, 1),
        "the order of the numbers in your result": Words("from small to large" if ordered else "mixed"),
        "what a second call gives": Words("the same numbers" if noise.equal(attempt(x)) else "new numbers"),
    }


@exercise(
    hints=(
        "`rand_like` draws numbers between 0 and 1, in the shape of another tensor. If that is whole, say which dtype.",
        "Times 2 they lie between 0 and 2. What is left to do?",
        "`torch.rand_like(x, dtype=torch.float32)`, times 2, minus 1.",
    ),
    observe=draw,
    rules=(keeps_arguments,),
)
def noise_like(x):  # any shape and dtype -> the same shape, float32
    return 2 * torch.rand_like(x, dtype=torch.float32) - 1


noise_like.example(
    torch.arange(2000.0).reshape(40, 50) / 100,
    gives={  # 0 becomes -1, 0.25 becomes -0.5, 0.75 becomes 0.5, and 1 becomes 1
        "the range of your result": [-1.0, 1.0],
        "the share of numbers between -0.5 and 0.5 in your result": 0.5,
    },
)


@noise_like.inputs
def tensors_of_many_dtypes():
    yield (torch.arange(6).reshape(2, 3),)
    yield (torch.arange(3000).reshape(30, 1, 100),)
    yield (torch.ones(3, dtype=torch.float64),)
    for dtype in torch.uint8, torch.bool, torch.float16, torch.int32:
        yield (torch.ones(2, 3, 4, dtype=dtype),)
    yield (torch.zeros(0, 3),)


def drawn(x):
    return torch.rand_like(x, dtype=torch.float32)


def bell(x):
    return torch.randn_like(x, dtype=torch.float32)


noise_like.mistakes(
    {
        "that is the range of `rand_like`. Make it twice as wide, then move it down": drawn,
        "the range should be twice as wide; double what `rand_like` gives, then subtract 1": lambda x: drawn(x) - 1,
        "the range has the right middle, but it should be twice as wide": lambda x: drawn(x) - 0.5,
        "the range has the right width; now move it down": lambda x: 2 * drawn(x),
        "you subtracted before you multiplied; double first, then subtract 1": lambda x: 2 * (drawn(x) - 1),
        "the bell curve of `randn` has no bounds; `rand_like` stays between 0 and 1, and that range you can widen and "
        "move": bell,
        "`randn` draws from the bell curve, which has no bounds; `rand_like`, without the `n`, stays between 0 and "
        "1": lambda x: 2 * bell(x) - 1,
        "`clamp` puts all that lies outside onto the bounds; `rand_like` draws evenly": lambda x: bell(x).clamp(-1, 1),
        "these are whole numbers; `rand_like` draws from all that lies between": (
            lambda x: torch.randint(-1, 2, x.shape).float()
        ),
        "between -1 and 1 there are three whole numbers alone; `rand_like` draws from all that lies between": (
            lambda x: torch.randint(-1, 2, x.shape)
        ),
        "it is one number, repeated; draw a number for each place": lambda x: 2 * torch.rand(1).expand(x.shape) - 1,
        "`x` gives the shape alone; leave its numbers out": lambda x: x * (2 * drawn(x) - 1.0),
        "`x` gives the shape alone; do not add its numbers": lambda x: x + (2 * drawn(x) - 1.0),
        "these numbers go up in equal steps; nothing was drawn": (
            lambda x: torch.linspace(-1, 1, x.numel()).reshape(x.shape)
        ),
        "is there a seed inside, or are the numbers drawn outside the function?": (
            lambda x: 2 * torch.rand(x.shape, generator=torch.Generator().manual_seed(0)) - 1
        ),
        "`rand_like` takes the dtype of `x`, and there are no whole numbers between 0 and 1; say "
        "`dtype=torch.float32`": lambda x: 2 * torch.rand_like(x) - 1,
        "it should be `float32`, whatever the dtype of `x` is": lambda x: (2 * torch.rand(x.shape) - 1).to(x.dtype),
    }
)


# ----------------------------------------------------------------------------------------------------------- attributes


@exercise(
    hints=(
        "How many numbers are there, and how many bytes does each take?",
        "`x.numel()` counts the numbers, `x.element_size()` the bytes of one.",
    ),
    further="`x.nbytes` gives the same number.",
)
def count_bytes(x):  # any shape and dtype -> a Python int
    return x.numel() * x.element_size()


count_bytes.example(torch.zeros(3, 4), gives=48)  # 12 numbers of 4 bytes


@count_bytes.inputs
def tensors_of_many_sizes():
    for shape, dtype in {
        (2, 5, 7): torch.int64,
        (5,): torch.bool,
        (): torch.float32,
        (1, 3): torch.float64,
        (3, 3): torch.uint8,
        (0, 3): torch.float32,
        (2, 2, 2, 3): torch.float16,
    }.items():
        yield case(torch.zeros(shape, dtype=dtype), name=f"for shape {shape} and {str(dtype).removeprefix('torch.')}")
    yield case(torch.zeros(6, 4)[:, :1], name="for the first column of a table of shape (6, 4) and float32")


count_bytes.mistakes(
    {
        "that is how many numbers there are; each takes `x.element_size()` bytes": lambda x: x.numel(),
        "that is what one number takes; `x.numel()` counts them": lambda x: x.element_size(),
        "that is 4 for each number, true for `float32`; for other dtypes, ask `x.element_size()`": (
            lambda x: 4 * x.numel()
        ),
        "that is 8 for each number; the dtype decides, ask `x.element_size()`": lambda x: 8 * x.numel(),
        "that is in bits; a byte has 8 of them": lambda x: 8 * x.numel() * x.element_size(),
        "`len(x)` counts along the first dimension only; `x.numel()` counts all numbers": (
            lambda x: len(x) * x.element_size()
        ),
        "`x.shape[0]` counts along the first dimension only; `x.numel()` counts all numbers": (
            lambda x: x.shape[0] * x.element_size()
        ),
        "you took two dimensions; there may be any number of them, and `x.numel()` counts all numbers": (
            lambda x: x.shape[0] * x.shape[1] * x.element_size()
        ),
        "`x.ndim` counts the dimensions; `x.numel()` counts the numbers": lambda x: x.ndim * x.element_size(),
        "you added the sizes up; a table of 3 rows and 4 columns has 3 · 4 numbers": (
            lambda x: sum(x.shape) * x.element_size()
        ),
        "you added; each of the numbers takes that many bytes": lambda x: x.numel() + x.element_size(),
        "`untyped_storage` also counts what belongs to the larger table": lambda x: x.untyped_storage().nbytes(),
        "the number is right; it should be an `int`, as whole numbers give it": (
            lambda x: float(x.numel() * x.element_size())
        ),
        "that is not the size of the numbers, but of the object of Python that holds them": (
            lambda x: sys.getsizeof(x)
        ),
    }
)


# ------------------------------------------------------------------------------------------------------ the accelerator


@exercise(
    hints=(
        "Which two attributes of `other` do you need?",
        "`.to(other.device)` returns a tensor on that device, `.to(other.dtype)` one of that dtype.",
        "`x.to(other.device, other.dtype)` does both.",
    ),
    further="`x.to(other)` does the same.",
)
def to_match(x, other):  # any shape, any shape -> the shape of x
    return x.to(other.device, other.dtype)


to_match.example(torch.tensor([1, 2]), torch.ones(3), gives=torch.tensor([1.0, 2.0]))
to_match.example(
    torch.tensor([1, 2]), torch.ones(2, device="meta"), gives=torch.tensor([1.0, 2.0], device="meta")
)  # whether the numbers arrive there nobody can see


@to_match.inputs
def pairs_that_do_not_match():
    yield torch.tensor([[1.5, -2.0, 0.25]]), torch.ones(2, 2, dtype=torch.float64)
    yield torch.tensor([[1.5], [-2.0]], dtype=torch.float64), torch.tensor(1.0)
    yield torch.tensor([1.9, -1.9]), torch.tensor([7, 8])
    yield torch.tensor(3), torch.tensor([1.0, 2.0])
    yield torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])
    yield torch.ones(0, 3, dtype=torch.uint8), torch.tensor([True])
    yield torch.ones(2, 3), torch.ones(4, dtype=torch.float16, device="meta")
    yield torch.ones(2, 3), torch.ones(2, 3, device="meta")
    yield torch.ones(2, device="meta"), torch.ones(1, dtype=torch.int64, device="meta")


to_match.mistakes(
    {
        "you converted `other`; it is `x` that has to change": lambda x, other: other.to(x.device, x.dtype),
        "you converted the dtype of `other`; it is `x` that has to change": lambda x, other: other.to(x.dtype),
        "you returned `other`; its dtype and device are wanted with the numbers of `x`": lambda x, other: other,
        "that is `x` as it was. Read `other.dtype` and `other.device`, and use what `.to` returns: `x` itself stays as "
        "it is": lambda x, other: x,
        "the dtype is right. Read the device from `other.device`, and use what `.to` returns: it does not move `x` "
        "itself": lambda x, other: x.to(other.dtype),
        "the device is right. Read the dtype from `other.dtype`, and use what `.to` returns: it does not convert `x` "
        "itself": lambda x, other: x.to(other.device),
        "it is `float32` whatever `other` is. Read the dtype from `other.dtype`": (
            lambda x, other: x.float().to(other.device)
        ),
        "it is on the CPU, and `float32`, whatever `other` is; read both from `other`": lambda x, other: x.float(),
        "`.to` takes the device first, then the dtype": lambda x, other: x.to(other.dtype, other.device),
        "it has the shape of `other`; only its dtype and device are wanted": (
            lambda x, other: x.to(other.device, other.dtype).expand_as(other)
        ),
    }
)


# ------------------------------------------------------------------------------------------------------ index and slice


def change_a_copy(attempt, x):
    result = attempt(x)
    shared = isinstance(result, Tensor) and result.numel() and result.data_ptr() == x.data_ptr()
    return {
        "your result": result,
        "`x`, after the call,": x,
        "the memory of your result": Words("that of `x`" if shared else "its own"),
    }


@exercise(
    hints=(
        "Which mask marks the entries that have to change?",
        "`clone` the tensor first, so that `x` stays as it is; then assign to the copy through the mask.",
        "`result = x.clone()`, then `result[result < 0] = 0`.",
    ),
    observe=change_a_copy,
)
def replace_negative(x):  # any shape -> the same shape
    result = x.clone()
    result[result < 0] = 0
    return result


replace_negative.example(torch.tensor([[-1.0, 2.0], [3.0, -4.0]]), gives=torch.tensor([[0.0, 2.0], [3.0, 0.0]]))


@replace_negative.inputs
def signs():
    yield (torch.tensor([[-1.5, 2.25, 0.5], [3.0, -0.25, -4.0]]),)
    yield (torch.tensor([-1.0, 0.0, 5.0, -2.0, -2.0]),)
    yield (torch.tensor([3.0, 0.01]),)
    yield (torch.tensor([[-3.0], [-0.01]]),)
    yield (torch.tensor(-7.0),)
    yield (1000 * torch.randn(2, 3, 4),)


def replace_in_x(x):
    x[x < 0] = 0
    return x


replace_negative.mistakes(
    {
        "a mask as an index takes entries out, and the table is lost; assign, `result[mask] = 0`": lambda x: x[x >= 0],
        "the mask took the positive entries out, as one row; assign 0 to the negative ones, `result[mask] = 0`": (
            lambda x: x[x > 0]
        ),
        "you took the negative numbers out; assign 0 to them, `result[mask] = 0`": lambda x: x[x < 0],
        "you kept the negative numbers and replaced the others; turn the comparison round": lambda x: x.clamp(max=0),
        "you took their signs away; they should become 0": lambda x: x.abs(),
        "you turned the sign of all numbers": lambda x: -x,
        "that is the mask; use it as an index to set those entries to 0": lambda x: x < 0,
        "that is the mask of what stays; take the numbers of `x` where it is True, and 0 elsewhere": lambda x: x > 0,
        "that is 1 where `x` is positive; the numbers themselves should stay": lambda x: (x > 0).float(),
        "that is `x` itself, as it was; change a copy, and return the copy": lambda x: x,
        "that is a copy of `x`, and nothing has changed in it; assign to it, `result[mask] = 0`": lambda x: x.clone(),
        "you changed `x` itself; `clone` it first, and change the copy": replace_in_x,
        "where nothing is negative, you return `x` itself; a copy is wanted there, too": (
            lambda x: x.relu() if (x < 0).any() else x
        ),
        "the negative ones became 1": lambda x: torch.where(x < 0, 1.0, x),
        "small positive numbers became 0, too; only what is below 0 changes": lambda x: torch.where(x < 1, 0.0, x),
        "the numbers were cut to whole ones; leave the dtype as it is": lambda x: x.clamp(min=0).trunc(),
    }
)


@exercise(
    hints=(
        "`gather` picks one entry of each row, without a loop.",
        "`scores.gather(1, index)` wants the index as a table: `chosen.unsqueeze(1)` has the shape (N, 1).",
        "What `gather` gives has the shape (N, 1) too; `squeeze(1)` makes it (N,).",
    ),
    rules=(
        without_loop(
            "`gather` picks from all rows at once.",
            lambda size: (torch.randn(size, 5), torch.randint(5, (size,))),
            lambda size: (torch.randn(3, size), torch.randint(size, (3,))),
        ),
    ),
    further="`scores[torch.arange(len(scores)), chosen]` does the same: two indices, row and column, taken in pairs.",
)
def pick(scores, chosen):  # (N, K), (N,) -> (N,)
    return scores.gather(1, chosen.unsqueeze(1)).squeeze(1)  # (N, K) -> (N, 1) -> (N,)


pick.example(
    torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]),
    torch.tensor([2, 0]),
    gives=torch.tensor([3.0, 4.0]),  # the third of the first row, the first of the second row
)


@pick.inputs
def rows_and_columns():
    yield torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([1, 1])
    yield torch.tensor([[0.5, 3.0, -1.0], [-2.0, 0.25, 7.0]]), torch.tensor([1, 0])
    yield torch.tensor([[0.5, -7.0, 3.0]]), torch.tensor([1])
    yield torch.tensor([[3.0], [-5.0], [3.0]]), torch.tensor([0, 0, 0])
    yield torch.tensor([[4.0]]), torch.tensor([0])
    yield torch.tensor([[5.0, -1.0, 2.0], [6.0, 8.0, 0.0], [9.0, 3.0, 7.0]]), torch.tensor([2, 0, 1])
    yield 1000 * torch.randn(8, 4), torch.tensor([0, 2, 1, 0, 2, 2, 1, 3])
    yield torch.randn(5, 12), torch.tensor([10, 0, 3, 10, 7])


ROWS = torch.arange  # rows, numbered
column = "make `chosen` a column, with `unsqueeze(1)`"
pick.mistakes(
    {
        "the numbers are right, but in a table with one column; `squeeze(1)` makes it a row": (
            lambda scores, chosen: scores.gather(1, chosen.unsqueeze(1))
        ),
        "`squeeze()` takes away every dimension of size 1; `squeeze(1)` only that one": (
            lambda scores, chosen: scores.gather(1, chosen.unsqueeze(1)).squeeze()
        ),
        "`scores[:, chosen]` takes all these columns of every row; take one entry of each": (
            lambda scores, chosen: scores[:, chosen]
        ),
        "`scores[chosen]` takes whole rows; `chosen` numbers the columns": lambda scores, chosen: scores[chosen],
        "these are the largest entries of the rows; you want those that `chosen` names": (
            lambda scores, chosen: scores.amax(1)
        ),
        "these are the places of the largest entries; you want those that `chosen` names": (
            lambda scores, chosen: scores.argmax(1)
        ),
        "these are the places; you want the entries of `scores` there": lambda scores, chosen: chosen,
        f"all are from the first row, and as a table; {column}": (
            lambda scores, chosen: scores.gather(1, chosen.unsqueeze(0))
        ),
        f"all are from the first row; for `gather`, {column}": lambda scores, chosen: scores[0, chosen],
        f"`gather` wants an index with as many dimensions as `scores`; {column}": (
            lambda scores, chosen: scores.gather(1, chosen)
        ),
        f"along dimension 0 `gather` goes down a column; take dimension 1, and {column}": (
            lambda scores, chosen: scores.gather(0, chosen.unsqueeze(0)).squeeze(0)
        ),
        f"along dimension 0 `gather` goes down a column, and gives a table here; take dimension 1, and {column}": (
            lambda scores, chosen: scores.gather(0, chosen.unsqueeze(0))
        ),
        "along dimension 0 `gather` goes down a column; dimension 1 goes along a row": (
            lambda scores, chosen: scores.gather(0, chosen.unsqueeze(1)).squeeze(1)
        ),
        "along dimension 0 `gather` goes down a column; take dimension 1, and then `squeeze(1)`": (
            lambda scores, chosen: scores.gather(0, chosen.unsqueeze(1))
        ),
        "rows and columns have changed places: the first index of `scores[…, …]` is the row": (
            lambda scores, chosen: scores[chosen, torch.arange(len(chosen))]
        ),
        "`one_hot` finds out itself how many columns there are, and is too narrow if nobody chose the last; tell it, "
        "`num_classes=scores.shape[1]`": (lambda scores, chosen: (scores * torch.nn.functional.one_hot(chosen)).sum(1)),
        "a mask that is too narrow does not fit; tell `one_hot` how many columns there are, "
        "`num_classes=scores.shape[1]`": (lambda scores, chosen: scores[torch.nn.functional.one_hot(chosen).bool()]),
        "columns are counted from 0": lambda scores, chosen: scores.gather(1, chosen.unsqueeze(1) - 1).squeeze(1),
        "every row gives the entry of the column that the first row names": lambda scores, chosen: scores[:, chosen[0]],
        "the entries are right, but added up": lambda scores, chosen: scores.gather(1, chosen.unsqueeze(1)).sum(),
    }
)


# ----------------------------------------------------------------------------------------------------------------- join


@exercise(
    hints=(
        "Which shape does the column of ones have, so that `cat` can put it beside `x`?",
        "(N, 1), as a slice of one column has; `torch.ones_like(x[:, :1])` also has the dtype and the device of `x`.",
        "`torch.cat([x, ones], dim=1)` puts two tables side by side.",
    ),
    rules=(on_any_device("make the ones where `x` is, as `torch.ones_like` does", torch.ones(3, 2)),),
)
def add_ones(x):  # (N, D) -> (N, D + 1)
    return torch.cat([x, torch.ones_like(x[:, :1])], dim=1)


add_ones.example(
    torch.tensor([[2.0, 3.0], [4.0, 5.0]]),
    gives=torch.tensor([[2.0, 3.0, 1.0], [4.0, 5.0, 1.0]]),
)


@add_ones.inputs
def tables_of_many_dtypes():
    for shape in (3, 2), (1, 3), (4, 1), (1, 1), (5, 8), (3, 3):
        yield (torch.randn(shape),)
    for dtype in torch.int64, torch.float64, torch.bool, torch.uint8, torch.float16:
        yield (torch.tensor([[0.0, 2.0], [4.0, 5.0], [1.0, 7.0]]).to(dtype),)


def overwrite_with_ones(x):
    result = x.clone()
    result[:, -1] = 1
    return result


add_ones.mistakes(
    {
        "the column of ones is on the left; in the list for `cat` it comes after `x`": (
            lambda x: torch.cat([torch.ones_like(x[:, :1]), x], 1)
        ),
        "you added a row below; a column goes along dimension 1": lambda x: torch.cat([x, torch.ones_like(x[:1])]),
        "without `dim=1`, `cat` puts the ones below, where a column does not fit": (
            lambda x: torch.cat([x, torch.ones_like(x[:, :1])])
        ),
        "you added 1 to every number; the ones are a column of their own": lambda x: x + 1,
        "a column was added, but of zeros": lambda x: torch.cat([x, torch.zeros_like(x[:, :1])], 1),
        "a column was added, but it is the first one of `x` again": lambda x: torch.cat([x, x[:, :1]], 1),
        "you overwrote the last column; the ones come beside it": overwrite_with_ones,
        "there are as many new columns as old ones; slice `x` to one column, `x[:, :1]`, for the shape of the ones": (
            lambda x: torch.cat([x, torch.ones_like(x)], 1)
        ),
        "you put as many rows below; the ones are one column, to the right": lambda x: torch.cat(
            [x, torch.ones_like(x)]
        ),
        "the result is `float32`, whatever the dtype of `x` is": (
            lambda x: torch.cat([x.float(), torch.ones(len(x), 1)], 1)
        ),
        "the ones were `float32`; `torch.ones_like` takes the dtype of `x`": (
            lambda x: torch.cat([x, torch.ones(len(x), 1)], 1)
        ),
        "the ones were whole numbers; `torch.ones_like` takes the dtype of `x`": (
            lambda x: torch.cat([x, torch.ones(len(x), 1, dtype=torch.int64)], 1)
        ),
        "a row of N ones, `x[:, 0]`, has one dimension, and a table two: the slice `x[:, :1]` keeps the dimension": (
            lambda x: torch.cat([x, torch.ones_like(x[:, 0])], 1)
        ),
        "`cat` takes the tensors as one list, `[x, ones]`": lambda x: torch.cat(x, x[:, :1] * 0 + 1, dim=1),
        "`stack` needs equal shapes, and makes a new dimension; `cat` puts tables side by side": (
            lambda x: torch.stack([x, torch.ones_like(x[:, :1])], 1)
        ),
        "the number of ones is that of the rows, `x.shape[0]`; `x.shape[1]` counts the columns": (
            lambda x: torch.cat([x, torch.ones(x.shape[1], 1, dtype=x.dtype)], 1)
        ),
    }
)


# ----------------------------------------------------------------------------------------------------- change the shape


@exercise(
    hints=(
        "Do you need the same numbers in other pieces, or the dimensions in another order?",
        "`permute` lists the old dimensions in their new order. The images, dimension 0, stay in front.",
        "The colours, dimension 3, come next, then dimensions 1 and 2.",
    )
)
def to_channels_first(images):  # (N, H, W, C) -> (N, C, H, W)
    return images.permute(0, 3, 1, 2)


to_channels_first.example(
    torch.tensor([[[[1, 2, 3], [4, 5, 6]]]]),
    gives=torch.tensor([[[[1, 4]], [[2, 5]], [[3, 6]]]]),
    name="for the picture of two pixels",
)


@to_channels_first.inputs
def pictures():
    for shape in (2, 4, 5, 3), (1, 2, 2, 3), (3, 3, 3, 3), (5, 1, 4, 1), (2, 3, 2, 4):
        yield (torch.randn(shape),)
    for dtype in torch.uint8, torch.float64, torch.int64:
        yield (torch.arange(60).reshape(2, 2, 5, 3).to(dtype),)


to_channels_first.mistakes(
    {
        "`reshape` and `view` give the right shape and mix up the colours; `permute` exchanges dimensions": (
            lambda images: images.reshape(len(images), -1, *images.shape[1:3])
        ),
        "`reshape` mixes up the colours, and there may be more or less than 3; `permute` exchanges dimensions": (
            lambda images: images.reshape(-1, 3, *images.shape[1:3])
        ),
        "these are the images as they came: `permute` changes nothing in them, use what it returns": (
            lambda images: images
        ),
        "rows and columns have changed places too; only the colours should move, and H still comes before W": (
            lambda images: images.permute(0, 3, 2, 1)
        ),
        "a batch has four dimensions, and `permute` wants them all": lambda images: images.permute(2, 0, 1),
        "that is the first picture alone": lambda images: images[0].permute(2, 0, 1),
        "leave the dtype as it is": lambda images: images.permute(0, 3, 1, 2).float(),
        "leave the values as they are": lambda images: images.permute(0, 3, 1, 2) / 255,
        "the colours are in the right place, but their order is reversed": (
            lambda images: images.flip(3).permute(0, 3, 1, 2)
        ),
    }
)
to_channels_first.mistakes(
    {
        f"your dimensions are {', '.join('NHWC'[old] for old in order)}; `permute` lists the old dimensions in their "
        "new order": partial(lambda images, order: images.permute(order), order=order)
        for order in permutations(range(4))
        if order not in [(0, 3, 1, 2), (0, 1, 2, 3), (0, 3, 2, 1)]
    }
)


# --------------------------------------------------------------------------------------------------------- broadcasting


@exercise(
    hints=(
        "Which of the two should be a column, so that it is repeated to the right?",
        "Lined up from the right, (N, 1) and (M,) give (N, M).",
        "`a.unsqueeze(1)` has the shape (N, 1); multiply it by `b`.",
    ),
    rules=(
        without_loop(
            "With a dimension of size 1, broadcasting repeats what is needed.",
            lambda size: (torch.randn(size), torch.randn(3)),
            lambda size: (torch.randn(3), torch.randn(size)),
        ),
    ),
)
def outer(a, b):  # (N,), (M,) -> (N, M)
    return a.unsqueeze(1) * b  # (N, 1) * (M,) -> (N, M)


outer.example(
    torch.tensor([1.0, 2.0]),
    torch.tensor([3.0, 5.0, 7.0]),
    gives=torch.tensor([[3.0, 5.0, 7.0], [6.0, 10.0, 14.0]]),  # 1 times each, then 2 times each
)


@outer.inputs
def rows():
    yield torch.tensor([1.0, -2.0, 4.0]), torch.tensor([0.5, 20.0, -50.0])
    yield torch.tensor([1.0, 2.0, 3.0]), torch.tensor([2.0, 2.0, 2.0])
    for n, m in (3, 1), (1, 4), (1, 1), (2, 2), (7, 5), (12, 11):
        yield 10 * torch.randn(n), torch.randn(m)


outer.mistakes(
    {
        "each number of `a` met one number of `b`. Make `a` a column, with `unsqueeze(1)`, and it meets them all": (
            lambda a, b: a * b
        ),
        "`unsqueeze(0)` makes `a` one row; as a column, `unsqueeze(1)`, it meets all of `b`": (
            lambda a, b: a.unsqueeze(0) * b
        ),
        "both are columns; leave `b` a row, and `a` meets all of it": lambda a, b: a.unsqueeze(1) * b.unsqueeze(1),
        "the table is turned: `a` runs along the rows. As (N, 1), it puts one of its numbers in each row": (
            lambda a, b: a * b.unsqueeze(1)
        ),
        "you added; each entry is a product": lambda a, b: a.unsqueeze(1) + b,
        "`@` adds the products up; leave them as a table, with `*`": lambda a, b: a @ b,
        "`@` of (N, 1) needs one row on the other side, (1, M); or multiply with `*`": lambda a, b: a.unsqueeze(1) @ b,
        "`squeeze()` takes away every dimension of size 1, and for one number in `a` or `b` the table is lost": (
            lambda a, b: (a.unsqueeze(1) * b).squeeze()
        ),
        "the products are right, but all in one row; leave them as a table, (N, M)": (
            lambda a, b: (a.unsqueeze(1) * b).flatten()
        ),
    }
)


# ------------------------------------------------------------------------------------------------------------- products


@exercise(
    hints=(
        "In a matrix product the inner sizes must be equal. Which two sizes are equal here?",
        "`weight.T` has the shape (D, K), and (N, D) @ (D, K) gives (N, K).",
        "Add `bias` at the end: (N, K) plus (K,) broadcasts.",
    )
)
def linear(x, weight, bias):  # (N, D), (K, D), (K,) -> (N, K)
    return x @ weight.T + bias


linear.example(
    torch.tensor([[1.0, 2.0]]),
    torch.tensor([[3.0, 4.0], [5.0, 6.0]]),
    torch.tensor([10.0, 20.0]),
    gives=torch.tensor([[21.0, 37.0]]),  # 1 · 3 + 2 · 4 + 10 and 1 · 5 + 2 · 6 + 20
)


@linear.inputs
def layers():
    yield (
        torch.tensor([[1.0, 2.0], [3.0, 5.0]]),
        torch.tensor([[1.0, 10.0], [2.0, -3.0]]),
        torch.tensor([0.5, 100.0]),
    )
    for n, d, k in (1, 4, 2), (3, 2, 4), (2, 3, 2), (4, 1, 3), (3, 3, 1), (1, 1, 1), (3, 3, 3), (6, 9, 8):
        yield torch.randn(n, d), torch.randn(k, d), 10 * torch.randn(k)


linear.mistakes(
    {
        "each row of `x` met the columns of `weight`, but its rows are the outputs; transpose it, `weight.T`": (
            lambda x, weight, bias: x @ weight + bias
        ),
        "`reshape` and `view` cut `weight` into other pieces; `weight.T` exchanges rows and columns": (
            lambda x, weight, bias: x @ weight.reshape(-1, len(weight)) + bias
        ),
        "the products are right; adding `bias` is still to come": lambda x, weight, bias: x @ weight.T,
        "adding `bias` is still to come, and the rows of `weight` are the outputs; transpose it, `weight.T`": (
            lambda x, weight, bias: x @ weight
        ),
        "you subtracted `bias`; add it": lambda x, weight, bias: x @ weight.T - bias,
        "you multiplied by `bias`; add it": lambda x, weight, bias: x @ weight.T * bias,
        "the table is turned: each row is an output, expected an example": (
            lambda x, weight, bias: (x @ weight.T + bias).T
        ),
        "the table is turned, each row is an output, and `bias` ran along it; `x` comes first, `x @ weight.T`": (
            lambda x, weight, bias: weight @ x.T + bias
        ),
        "`x` comes first in the product, and `weight` is transposed: (N, D) @ (D, K)": (
            lambda x, weight, bias: weight @ x + bias
        ),
        "as a column, `bias` goes down the examples; as it is, (K,), each output gets its own": (
            lambda x, weight, bias: x @ weight.T + bias.unsqueeze(1)
        ),
        "`*` multiplies entry by entry; the matrix product `@` also adds up": (
            lambda x, weight, bias: x * weight + bias
        ),
        "`weight.T` is right, but `*` multiplies entry by entry; the matrix product `@` also adds up": (
            lambda x, weight, bias: x * weight.T + bias
        ),
        "you added `bias` to `x`, before the product; it belongs to the outputs": (
            lambda x, weight, bias: (x + bias) @ weight.T
        ),
        "negative numbers became 0; that is a layer of its own, after this one": (
            lambda x, weight, bias: (x @ weight.T + bias).relu()
        ),
        "every output got the bias of the first; leave `bias` whole": lambda x, weight, bias: x @ weight.T + bias[0],
    }
)


# --------------------------------------------------------------------------------------------------------------- reduce


@exercise(
    hints=(
        "One mean for each column: which dimension has to disappear?",
        "`x.mean(dim=0)` has shape (D,), and (N, D) minus (D,) broadcasts.",
        "Subtract `x.mean(dim=0)`, then divide by `x.std(dim=0)`.",
    ),
    rules=(
        keeps_arguments,
        without_loop(
            "`x.mean(dim=0)` gives the means of all columns at once.",
            lambda size: (torch.randn(5, size),),
            lambda size: (torch.randn(size, 3),),
        ),
    ),
    further="`std` of PyTorch divides by N - 1; that of NumPy divides by N, unless you say `ddof=1`.",
)
def standardize(x):  # (N, D) -> (N, D)
    return (x - x.mean(dim=0)) / x.std(dim=0)


standardize.example(
    torch.tensor([[1.0, 10.0], [3.0, 30.0], [5.0, 20.0]]),
    gives=torch.tensor([[-1.0, -1.0], [0.0, 1.0], [1.0, 0.0]]),  # the means are 3 and 20, the deviations 2 and 10
)


@standardize.inputs
def tables():
    for shape in (2, 2), (3, 1), (3, 3), (4, 7), (30, 3):
        yield (5 * torch.randn(shape) + 2,)
    yield (torch.rand(6, 2) / 10 - 0.5,)


standardize.mistakes(
    {
        "you took one mean and one deviation over the whole tensor. `dim=0` runs down the rows and leaves one for each "
        "column": lambda x: (x - x.mean()) / x.std(),
        "you took one deviation over the whole tensor; `std` needs `dim=0` too": lambda x: (x - x.mean(0)) / x.std(),
        "you took one mean over the whole tensor; `mean` needs `dim=0` too": lambda x: (x - x.mean()) / x.std(0),
        "each row has mean 0 now; with `dim=0`, dimension 0 disappears and one number per column is left": (
            lambda x: (x - x.mean(1, keepdim=True)) / x.std(1, keepdim=True)
        ),
        "with `dim=1`, dimension 1 disappears and one number per row is left; you need one per column": (
            lambda x: (x - x.mean(1)) / x.std(1)
        ),
        "the mean is one per row; with `dim=0`, it is one per column": lambda x: (x - x.mean(1)) / x.std(0),
        "the deviation is one per row; with `dim=0`, it is one per column": lambda x: (x - x.mean(0)) / x.std(1),
        "you divided by the variance; the standard deviation is its root, `std`": lambda x: (x - x.mean(0)) / x.var(0),
        "you multiplied by the standard deviation; divide by it": lambda x: (x - x.mean(0)) * x.std(0),
        "you subtracted the mean; dividing by `x.std(dim=0)` is still to come": lambda x: x - x.mean(0),
        "you divided by the deviation; the mean, subtracted first, is missing": lambda x: x / x.std(0),
        "you divided before you subtracted; put the difference in parentheses": lambda x: x - x.mean(0) / x.std(0),
        "you added the mean; subtract it": lambda x: (x + x.mean(0)) / x.std(0),
        "you subtracted `x` from the mean; subtract the mean from `x`": lambda x: (x.mean(0) - x) / x.std(0),
        "you divided by the range from the smallest to the largest; the standard deviation is `std`": (
            lambda x: (x - x.mean(0)) / (x.amax(0) - x.amin(0))
        ),
        "your columns run from 0 to 1 now; subtract the mean, and divide by the standard deviation": (
            lambda x: (x - x.amin(0)) / (x.amax(0) - x.amin(0))
        ),
        "your deviation divides by N, as NumPy's does; `x.std` of PyTorch divides by N - 1": (
            lambda x: (x - x.mean(0)) / x.std(0, correction=0)
        ),
    }
)


@exercise(
    hints=(
        "First all the differences, (N, M, D). Which shape does `a` need, so that each point meets all of `b`?",
        "`a.unsqueeze(1)` is (N, 1, D). Lined up from the right with (M, D), it gives (N, M, D).",
        "Square the differences, add up dimension 2, and take the root with `sqrt()`.",
    ),
    rules=(
        without_loop(
            "With `a` as (N, 1, D), broadcasting makes all the pairs.",
            lambda size: (torch.randn(size, 2), torch.randn(3, 2)),
            lambda size: (torch.randn(3, 2), torch.randn(size, 2)),
            lambda size: (torch.randn(3, size), torch.randn(2, size)),
        ),
    ),
    further="`torch.cdist(a, b)` does the same.",
)
def pairwise_distances(a, b):  # (N, D), (M, D) -> (N, M)
    difference = a.unsqueeze(1) - b  # (N, 1, D) - (M, D) -> (N, M, D)
    return (difference * difference).sum(dim=2).sqrt()  # (N, M)


pairwise_distances.example(
    torch.tensor([[0.0, 0.0], [3.0, 4.0]]),
    torch.tensor([[0.0, 0.0]]),
    gives=torch.tensor([[0.0], [5.0]]),  # the root of 9 + 16
)


@pairwise_distances.inputs
def points():
    yield torch.tensor([[0.0, 0.0], [-3.0, 4.0]]), torch.tensor([[0.0, 0.0], [0.0, 8.0], [-3.0, 0.0]])
    yield torch.tensor([[0.0, 0.0], [-3.0, 4.0]]), torch.tensor([[0.0, 0.0], [5.0, 12.0]])
    yield torch.tensor([[1.0, 2.0, 2.0]]), torch.tensor([[0.0, 0.0, 0.0], [1.0, 2.0, 7.0]])
    for n, m, d in (2, 3, 1), (1, 1, 4), (3, 1, 2), (2, 4, 3), (3, 3, 3), (5, 6, 8):
        yield 10 * torch.randn(n, d), 10 * torch.randn(m, d)


def differences(a, b):
    return a.unsqueeze(1) - b


pairwise_distances.mistakes(
    {
        "each point of `a` met one of `b`; `a.unsqueeze(1)` lets it meet them all": lambda a, b: (a - b).norm(dim=1),
        "these are the differences of two tables; `a.unsqueeze(1)` lets each point meet all of `b`": lambda a, b: a - b,
        "as `unsqueeze(0)`, `a` meets `b` point by point; `unsqueeze(1)` makes the pairs": (
            lambda a, b: (a.unsqueeze(0) - b).norm(dim=2)
        ),
        "these are the squares of the distances; the root, `sqrt`, is still to come": (
            lambda a, b: differences(a, b).square().sum(2)
        ),
        "you added up the differences without their signs; a distance adds up squares, and takes the root": (
            lambda a, b: differences(a, b).abs().sum(2)
        ),
        "you added up the differences before you squared them; square first": (
            lambda a, b: differences(a, b).sum(2).square().sqrt()
        ),
        "the differences are added up as they are; square them first, and take the root of the sum": (
            lambda a, b: differences(a, b).sum(2)
        ),
        "the root of differences that are not squared is nan where they are negative; square them first": (
            lambda a, b: differences(a, b).sum(2).sqrt()
        ),
        "the table is turned: rows should stand for the points of `a`, columns for those of `b`": (
            lambda a, b: differences(b, a).norm(dim=2)
        ),
        "you took a mean over the coordinates; a distance has the sum": (
            lambda a, b: differences(a, b).square().mean(2).sqrt()
        ),
        "these are the differences; square them, add up the last dimension, take the root": differences,
        "these are the squares; add up the last dimension, take the root": lambda a, b: differences(a, b).square(),
        "the coordinates are not added up yet; they are the last dimension": lambda a, b: differences(a, b).abs(),
        "you added up everything; `dim=2` adds up the coordinates of each pair": lambda a, b: differences(a, b).norm(),
        "you added up dimension 1, the points of `b`; the coordinates are dimension 2": (
            lambda a, b: differences(a, b).norm(dim=1)
        ),
        "you added up dimension 0, the points of `a`; the coordinates are dimension 2": (
            lambda a, b: differences(a, b).norm(dim=0)
        ),
        "`squeeze()` takes away every dimension of size 1, and with one point in `a` or `b` the table is lost": (
            lambda a, b: differences(a, b).norm(dim=2).squeeze()
        ),
        "you added the coordinates of the two points; subtract them": (lambda a, b: (a.unsqueeze(1) + b).norm(dim=2)),
        "you took the largest difference; a distance adds up the squares of all": (
            lambda a, b: differences(a, b).abs().amax(2)
        ),
    }
)


@exercise(
    hints=(
        "Three steps: subtract the largest number of each row, take `exp`, divide by the sum of each row.",
        "`keepdim=True` leaves (N, 1), which broadcasts against (N, K).",
        "`max` with a `dim` returns two tensors; you need the first: `largest, _ = x.max(dim=1, keepdim=True)`.",
    ),
    rules=(keeps_arguments,),
    further="`torch.softmax(x, dim=1)` does the same.",
)
def softmax(x):  # (N, K) -> (N, K)
    largest, _ = x.max(dim=1, keepdim=True)  # (N, 1)
    powers = (x - largest).exp()
    return powers / powers.sum(dim=1, keepdim=True)


softmax.example(torch.tensor([[0.0, 0.0]]), gives=torch.tensor([[0.5, 0.5]]))
softmax.example(torch.tensor([[1000.0, 1000.0]]), gives=torch.tensor([[0.5, 0.5]]))
softmax.example(
    torch.tensor([[1.0, 2.0, 5.0], [4.0, 1.0, 3.0], [2.0, 2.0, 6.0]]).log(),
    gives=torch.tensor([[0.125, 0.25, 0.625], [0.5, 0.125, 0.375], [0.2, 0.2, 0.6]]),  # rows of powers: 8, 8 and 10
    name="for rows with the powers 1, 2, 5 and 4, 1, 3 and 2, 2, 6",
)


@softmax.inputs
def rows_of_scores():
    yield (torch.tensor([[1.0, -1.0], [0.5, 3.0]]),)
    yield (torch.tensor([[1000.0, 1000.0, 0.0], [-1000.0, -1000.0, -1000.0]]),)
    yield (torch.tensor([[1000.0, -1000.0], [0.0, 100.0]]),)
    yield (torch.tensor([[60.0, 200.0, 90.0, 203.0]]),)
    yield (torch.tensor([[-3000.0, -3001.0], [-3000.0, -3000.0]]),)
    for shape in (4, 5), (1, 3), (3, 1), (1, 1), (6, 2):
        yield (3 * torch.randn(shape),)


TABLE_MAX = (
    "you subtracted the largest number of the whole table, which is far above some rows; each row has a largest number "
    "of its own, `max(dim=1, keepdim=True)`"
)
TABLE_SUM = "you divided by the sum of everything; each row has its own, `sum(dim=1, keepdim=True)`"
COLUMN_MAX = "you subtracted the largest number of each column; each row has its own, `max(dim=1, keepdim=True)`"
COLUMN_SUM = "each column adds up to 1, expected each row; `sum(dim=1, keepdim=True)` adds up a row"
wrong_steps = combine(
    lambda lower, share, x: share(lower(x).exp()),
    {
        "": lambda x: x - x.amax(1, keepdim=True),
        "`exp` of 1000 is infinity, and of -1000 it is 0; subtract the largest number of each row first": (lambda x: x),
        TABLE_MAX: lambda x: x - x.max(),
        "`max(dim=1)` lost its dimension, and its numbers met the columns; `keepdim=True` keeps it": (
            lambda x: x - x.amax(1)
        ),
        COLUMN_MAX: lambda x: x - x.amax(0),
    },
    {
        "": lambda powers: powers / powers.sum(1, keepdim=True),
        COLUMN_SUM: lambda powers: powers / powers.sum(0),
        TABLE_SUM: lambda powers: powers / powers.sum(),
        "`sum(dim=1)` lost its dimension, and its numbers met the columns; `keepdim=True` keeps it": (
            lambda powers: powers / powers.sum(1)
        ),
        "dividing the powers of each row by their sum is still to come": lambda powers: powers,
    },
)
wrong_steps["each column adds up to 1, expected each row; `dim=1` runs along a row"] = wrong_steps.pop(
    f"{COLUMN_MAX}; {COLUMN_SUM}"
)
wrong_steps["the whole table adds up to 1, expected each row; `dim=1` runs along a row"] = wrong_steps.pop(
    f"{TABLE_MAX}; {TABLE_SUM}"
)
softmax.mistakes(wrong_steps)
softmax.mistakes(
    {
        "the result is right where nothing was clamped; subtract the largest number of each row instead": (
            lambda x: x.clamp(max=80).exp() / x.clamp(max=80).exp().sum(1, keepdim=True)
        ),
        "you subtracted the mean of each row; some numbers may lie far above it, and `exp` of them is infinity. "
        "Subtract the largest": lambda x: (
            (x - x.mean(1, keepdim=True)).exp() / (x - x.mean(1, keepdim=True)).exp().sum(1, keepdim=True)
        ),
        "you subtracted the smallest number of each row; what lies far above it is still too large for `exp`": (
            lambda x: (x - x.amin(1, keepdim=True)).exp() / (x - x.amin(1, keepdim=True)).exp().sum(1, keepdim=True)
        ),
        "you subtracted the place of the largest number of each row, and not the number": (
            lambda x: (x - x.argmax(1, keepdim=True)).exp() / (x - x.argmax(1, keepdim=True)).exp().sum(1, keepdim=True)
        ),
        "these are the logarithms of the shares": lambda x: torch.log_softmax(x, 1),
        "`max` with a `dim` returns two tensors, the values and their places; take the first": (
            lambda x: x - x.max(dim=1, keepdim=True)
        ),
        "each number is divided by the sum of its row; take `exp` first": lambda x: x / x.sum(1, keepdim=True),
        "the first row is the only one that adds up to 1: you divided all rows by its sum": (
            lambda x: (x - x.amax(1, keepdim=True)).exp() / (x - x.amax(1, keepdim=True)).exp()[0].sum()
        ),
    }
)


# ------------------------------------------------------------------------------------------------------ change in place


def change_in_place(attempt, x, row):
    """Observe the whole table of which `x` is a view, as well as what comes back."""
    whole = torch.cat([x, x], dim=1)
    view = whole[:, : x.shape[1]]
    result = attempt(view, row)
    back = Words("`x` itself" if result is view else kind_of(result).replace("a tensor", "another tensor,"))
    return {"`x`": view.clone(), "what comes back": back, "the table of which `x` is a part": whole}


@exercise(
    hints=(
        "`x[row]` is a view of the row: what you change there in place, changes in `x`.",
        "`x[row] *= 2` or `x[row].mul_(2)`; then return `x`.",
    ),
    observe=change_in_place,
)
def double_row_(x, row):  # (N, D), a whole number -> x itself
    x[row] *= 2
    return x


double_row_.example(
    torch.tensor([[1.0, 2.0], [3.0, 5.0]]),
    1,
    gives={"`x`": torch.tensor([[1.0, 2.0], [6.0, 10.0]]), "what comes back": Words("`x` itself")},
)


@double_row_.inputs
def tables_and_rows():
    yield torch.tensor([[1.0, 2.0], [3.0, -5.0]]), 0
    yield torch.tensor([[1.5, 0.0], [3.0, -5.0], [7.0, 4.0]]), 2
    yield torch.tensor([[3.0, -7.0]]), 0
    yield torch.tensor([[3.0], [4.0], [5.0]]), 1
    yield torch.randn(5, 4), 1
    yield torch.randn(5, 4), 3
    yield torch.randn(3, 3), 1


def then_return(change, result):
    """Return a mistake: change a copy of `x` or `x` itself, then return something."""

    def mistake(x, row):
        changed = change(x, row)
        return result(x, changed, row)

    return mistake


def double_in(x, row):
    x[row] *= 2
    return x


def keep_x(x, changed, row):
    return x


double_row_.mistakes(
    {
        "`x` has not changed; `x[row] * 2` and `x[[row]]` make new tensors, `x[row] *= 2` or `x[row].mul_(2)` changes "
        "the row of `x`": lambda x, row: x,
        "`x` has not changed, and nothing is returned; `x[row] *= 2` or `x[row].mul_(2)` changes the row of `x`": (
            lambda x, row: None
        ),
        "`x` has not changed, and what comes back is a new table; double the row in `x` itself, as in `x[row] *= 2`": (
            lambda x, row: double_in(x.clone(), row)
        ),
        "`x` has not changed, and what comes back is the doubled row alone": lambda x, row: x[row] * 2,
        "`x` has changed as it should; return it": then_return(double_in, lambda x, changed, row: None),
        "`x` has changed as it should; return all of it, and not the row": (
            then_return(double_in, lambda x, changed, row: x[row])
        ),
        "`x` has changed as it should; return `x` itself, and not another tensor made of it": (
            then_return(double_in, lambda x, changed, row: x.clone())
        ),
        "the whole table is doubled; `x[row]` is the row": lambda x, row: x.mul_(2),
        "that is a column; `x[row]` is the row": then_return(lambda x, row: x[:, row].mul_(2), keep_x),
        "you squared the row": then_return(lambda x, row: x[row].square_(), keep_x),
        "you added 2 to each number of the row": then_return(lambda x, row: x[row].add_(2), keep_x),
        "it is always row 1; `row` says which one": then_return(lambda x, row: x[1].mul_(2), keep_x),
        "rows are counted from 0; that is the row before": then_return(lambda x, row: x[row - 1].mul_(2), keep_x),
        "all rows up to this one are doubled": then_return(lambda x, row: x[: row + 1].mul_(2), keep_x),
        "all rows from this one on are doubled": then_return(lambda x, row: x[row:].mul_(2), keep_x),
        "the row is doubled twice": then_return(lambda x, row: x[row].mul_(4), keep_x),
    }
)


# -------------------------------------------------------------------------------------------------- the bridge to NumPy


def change_afterwards(attempt, array):
    result = attempt(array)
    before = result.clone() if isinstance(result, Tensor) else result
    array.fill(9)
    return {"your result": before, "your tensor, once the array is filled with 9,": result}


@exercise(
    hints=(
        "Which of the two, `torch.from_numpy` and `torch.tensor`, makes a copy every time?",
        "`torch.tensor` can be told the `dtype`.",
    ),
    observe=change_afterwards,
)
def to_tensor(array):  # any shape, a NumPy array -> the same shape, float32
    return torch.tensor(array, dtype=torch.float32)


to_tensor.example(
    np.array([1, 2]),
    gives={
        "your result": torch.tensor([1.0, 2.0]),
        "your tensor, once the array is filled with 9,": torch.tensor([1.0, 2.0]),
    },
)


@to_tensor.inputs
def arrays():
    for dtype in np.float64, np.float32, np.int32, np.uint8, np.float16:
        yield (np.array([[1.5, 2.0], [0.25, 4.0]]).astype(dtype),)
    yield (np.array([True, False]),)
    yield (np.linspace(-1000, 1000, 7),)
    yield (np.zeros((0, 3), dtype=np.float32),)
    yield (np.arange(24.0, dtype=np.float32).reshape(2, 3, 4).T - 11.5,)


keeps = "a tensor keeps the type of the array unless you ask for another one, with `dtype=torch.float32`"
to_tensor.mistakes(
    {
        f"{keeps}; and `from_numpy` shares its memory": torch.from_numpy,
        keeps: torch.tensor,
        "they share memory. `from_numpy`, `as_tensor` and `torch.Tensor` share it, and `.float()` and `.to` copy only "
        "if there is something to convert; `torch.tensor`, with a small t, always copies": lambda array: (
            torch.from_numpy(array).float()
        ),
        "this copy is still an array; `torch.tensor` makes a tensor": lambda array: array.astype(np.float32),
        "a list of whole numbers gives `int64`; say `dtype=torch.float32`": lambda array: torch.tensor(array.tolist()),
        "the usual type of NumPy is `float64`; ask for `torch.float32`": (
            lambda array: torch.tensor(array, dtype=torch.float64)
        ),
        "what follows the decimal point was cut off; convert to `torch.float32` alone": (
            lambda array: torch.tensor(array).int().float()
        ),
        "`float16` keeps three digits or so; ask for `torch.float32` at once": (
            lambda array: torch.tensor(array, dtype=torch.float16).float()
        ),
        "the shape is lost; leave it as it is": lambda array: torch.tensor(array, dtype=torch.float32).flatten(),
    }
)


# ------------------------------------------------------------------------------------------------ a picture is a tensor


@exercise(
    hints=(
        "How many rows of pictures are there? `reshape` can find out with -1: (rows, columns, H, W).",
        "A line of the sheet runs through all pictures of its row: exchange `columns` and H, with `permute`.",
        "From (rows, H, columns, W), one `reshape` leads to (-1, columns * W). Then divide by 255.",
    )
)
def contact_sheet(images, columns):  # (N, H, W) uint8 -> (rows * H, columns * W) float32
    _, height, width = images.shape
    tiles = images.reshape(-1, columns, height, width)  # (rows, columns, H, W)
    tiles = tiles.permute(0, 2, 1, 3)  # (rows, H, columns, W)
    return tiles.reshape(-1, columns * width) / 255


contact_sheet.example(
    torch.tensor([[[0]], [[51]], [[102]], [[255]]], dtype=torch.uint8),
    2,
    gives=torch.tensor([[0.0, 0.2], [0.4, 1.0]]),  # 51 and 102 are a fifth and two fifths of 255
    name="for four pictures of one pixel, 0, 51, 102 and 255, and `columns` = 2",
)


@contact_sheet.inputs
def albums():
    for count, height, width, columns in [
        (4, 1, 2, 2),
        (6, 2, 3, 3),
        (6, 3, 2, 2),
        (4, 2, 2, 1),
        (5, 2, 2, 5),
        (1, 3, 4, 1),
        (8, 4, 4, 2),
    ]:
        images = torch.randint(256, (count, height, width), dtype=torch.uint8)
        images[images > 200] = 255 if count in (5, 6) else 200
        kind = f"{count} pictures of {height} x {width} pixels"
        yield case(images, columns, name=f"for {kind.replace('1 pictures', 'one picture')} and `columns` = {columns}")


TILES = "rows", "columns", "H", "W"


def tile(images, columns):
    return images.reshape(-1, columns, *images.shape[1:]).permute(0, 2, 1, 3).reshape(-1, columns * images.shape[2])


def tile_downwards(images, columns):
    tiles = images.reshape(columns, -1, *images.shape[1:]).permute(1, 2, 0, 3)
    return tiles.reshape(-1, columns * images.shape[2])


contact_sheet.mistakes(
    combine(
        lambda lay, scale, images, columns: scale(lay(images, columns)),
        {
            "": tile,
            "the shape is right, but a `reshape` alone cuts the row of numbers into other pieces, and the pictures are "
            "torn. `permute` has to come between, to (rows, H, columns, W)": (
                lambda images, columns: images.reshape(-1, columns * images.shape[2])
            ),
            "the pictures run down the columns; the second belongs to the right of the first": tile_downwards,
            "rows and columns of the sheet have changed places; `columns` says how many pictures stand side by side": (
                lambda images, columns: tile(images, len(images) // columns)
            ),
        },
        {
            "": lambda sheet: sheet / 255,
            "dividing by 255 is still to come": lambda sheet: sheet,
            "the numbers run from 0 to 255; divide by 255": lambda sheet: sheet.float(),
            "whole numbers cannot hold what lies between 0 and 1; divide with `/`, and leave the dtype that it gives": (
                lambda sheet: sheet // 255
            ),
            "you divided by 256; the largest number of `uint8` is 255": lambda sheet: sheet / 256,
            "you divided by the largest number that is there; white is always 255": lambda sheet: sheet / sheet.max(),
        },
    )
)
contact_sheet.mistakes(
    {
        "the pictures are not laid out yet; they are as they came, from 0 to 1": lambda images, columns: images / 255,
        "all pictures stand in one column; `columns` says how many stand side by side": (
            lambda images, columns: tile(images, 1) / 255
        ),
        "all pictures stand in one row; after `columns` of them, the next row begins": (
            lambda images, columns: tile(images, len(images)) / 255
        ),
        "`columns` pictures stand one below the other; they should stand side by side": (
            lambda images, columns: tile_downwards(images, len(images) // columns) / 255
        ),
        "that is the first row of pictures alone; is `return` inside a loop?": (
            lambda images, columns: tile(images[:columns], columns) / 255
        ),
        "each picture is turned: its rows and columns have changed places": (
            lambda images, columns: tile(images.transpose(1, 2), columns) / 255
        ),
        "these are the tiles, (rows, columns, H, W); exchange `columns` and H, then make them one table": (
            lambda images, columns: images.reshape(-1, columns, *images.shape[1:]) / 255
        ),
        "the tiles are in the right order, (rows, H, columns, W); one `reshape` makes them one table": (
            lambda images, columns: images.reshape(-1, columns, *images.shape[1:]).permute(0, 2, 1, 3) / 255
        ),
        "after `permute` the order in memory is another; `view` cannot make one row of it, `reshape` can": (
            lambda images, columns: (
                images.view(-1, columns, *images.shape[1:]).permute(0, 2, 1, 3).view(-1, columns * images.shape[2])
                / 255
            )
        ),
    }
)
contact_sheet.mistakes(
    {
        f"`permute` made ({', '.join(TILES[old] for old in order)}) of (rows, columns, H, W); (rows, H, columns, W) "
        "puts the pictures side by side": partial(
            lambda images, columns, order: (
                images.reshape(-1, columns, *images.shape[1:]).permute(order).reshape(-1, columns * images.shape[2])
                / 255
            ),
            order=order,
        )
        for order in [(0, 1, 3, 2), (0, 2, 3, 1), (0, 3, 1, 2), (0, 3, 2, 1)]
    }
)
