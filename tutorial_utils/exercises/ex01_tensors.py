"""The exercises of notebook 01, tensors."""

import math

import numpy as np
import torch
from torch import Tensor, nn

from tutorial_utils.exercises.compare import Words, expect_close
from tutorial_utils.exercises.exercise import exercise
from tutorial_utils.exercises.old import Calls, Exercise, call, expect_no_loop, find_difference  # noqa: F401
from tutorial_utils.exercises.rules import keeps_arguments, without_loop


def expect_kind(result, expected):
    """Compare type, shape and dtype, whatever the values and the device are."""
    found = torch.zeros_like(result, device="cpu") if isinstance(result, Tensor) else result
    expect_close(found, torch.zeros_like(expected, device="cpu"))


def expect_device(attempt, x, expected, advice):
    """Expect a result where `x` is: on `meta`, a device without numbers that stands for an accelerator."""
    moved = "The result is right on the CPU, but for an `x` on another device"
    try:
        result = attempt(x.to("meta"))
    except (RuntimeError, NotImplementedError) as error:
        if not error.args:
            raise
        raise AssertionError(f"{moved} your code fails ({str(error).splitlines()[0]}): {advice}.") from error
    expect_kind(result, expected)
    assert result.device.type == "meta", f"{moved} it is still on the {result.device.type}: {advice}."


# ------------------------------------------------------------------------------------------------------ create a tensor


def hours():
    return torch.arange(0, 24, 3)  # (8,)


def verify_hours(attempt):
    expected = torch.tensor([0, 3, 6, 9, 12, 15, 18, 21])
    expect_close(
        attempt,
        expected,
        mistakes={
            "`arange` does not include its end, so an end of 21 stops at 18": expected[:-1],
            "24 is in it; `arange` stops before its end, and yours lies after 24": torch.arange(0, 25, 3),
            "`arange` counts in the type of its numbers; without a point they give `int64`": expected.float(),
            "the first hour, 0, is missing": expected[1:],
            "the third argument of `arange` is the step, and not how many there are": torch.arange(0, 21, 8),
            "these are all the hours; the third argument of `arange` is the step": torch.arange(24),
            "this counts the readings; the third argument of `arange` is the step": torch.arange(8),
        },
        name="`hours`",
    )


hours = Exercise(
    hours,
    verify_hours,
    hints=(
        "Which function counts like Python's `range`?",
        "`torch.arange(start, end, step)`: the end itself is not included.",
    ),
)


def noise_like(x):  # any shape and dtype -> the same shape, float32
    return 2 * torch.rand_like(x, dtype=torch.float32) - 1


def verify_noise_like(attempt):
    x = torch.arange(2_000).reshape(40, 50)
    noise = call(attempt, x)
    expect_kind(noise, torch.zeros(40, 50))
    values = noise.unique().numel()
    assert values > 1_000, (
        f"The 2000 places of your result hold too few different numbers ({values}): draw one for each place."
    )
    low, high = noise.min().item(), noise.max().item()
    found = f"The numbers of your result run from {low:z.2f} to {high:z.2f}, expected from -1 to 1"
    assert not (low < -1 and high > 1), (
        f"{found}. The bell curve of `randn` has no bounds; `rand_like` stays between 0 and 1, and that range you can "
        "widen and move."
    )
    assert low < 0 or high > 1.01, (
        f"{found}: that is the range of `rand_like`. Make it twice as wide, then move it down."
    )
    fits = -1 <= low < -0.98 and 0.98 < high <= 1
    assert fits, f"{found}. A factor widens the range of `rand_like`, 0 to 1; an added or subtracted number moves it."
    assert not noise.equal(call(attempt, x)), (
        "Two calls gave the same numbers. With a seed inside, the noise is always the same; leave the seed out."
    )
    expect_kind(call(attempt, torch.ones(3, dtype=torch.float64)), torch.zeros(3))


noise_like = Exercise(
    noise_like,
    verify_noise_like,
    hints=(
        "`rand_like` draws numbers between 0 and 1, in the shape of another tensor. If that is whole, say which dtype.",
        "Times 2 they lie between 0 and 2. What is left to do?",
        "`torch.rand_like(x, dtype=torch.float32)`, times 2, minus 1.",
    ),
)


# ----------------------------------------------------------------------------------------------------------- attributes


def count_bytes(x):  # any shape and dtype -> a Python number
    return x.numel() * x.element_size()


def verify_count_bytes(attempt):
    expect_close(
        call(attempt, torch.zeros(2, 5, 7, dtype=torch.int64)),
        560,
        mistakes={
            "that is how many numbers there are; each takes `x.element_size()` bytes": 70,
            "that is what one number takes; `x.numel()` counts them": 8,
            "that is 4 for each number, true for `float32`; for other dtypes, ask `x.element_size()`": 280,
            "`len(x)` counts along the first dimension only; `x.numel()` counts all numbers": 16,
            "you took two dimensions; there may be any number of them, and `x.numel()` counts all numbers": 80,
        },
        name="for shape (2, 5, 7) and int64, your result",
    )
    expect_close(call(attempt, torch.zeros(3, 4)), 48, name="for shape (3, 4) and float32, your result")
    expect_close(call(attempt, torch.zeros(9, dtype=torch.bool)), 9, name="for shape (9,) and bool, your result")
    expect_close(call(attempt, torch.tensor(7.0)), 4, name="for a single float32, whose shape is (), your result")


count_bytes = Exercise(
    count_bytes,
    verify_count_bytes,
    hints=(
        "How many numbers are there, and how many bytes does each take?",
        "`x.numel()` counts the numbers, `x.element_size()` the bytes of one.",
    ),
)


# ------------------------------------------------------------------------------------------------------ the accelerator


def to_match(x, other):  # any shape, any shape -> the shape of x
    return x.to(other.device, other.dtype)


def verify_to_match(attempt):
    for start, wanted in (torch.float64, torch.float32), (torch.float32, torch.float64), (torch.int64, torch.float32):
        x, other = torch.tensor([[1, -2, 5], [4, 7, 3]]).to(start), torch.tensor([9, 8], dtype=wanted)
        advice = "Read the dtype from `other.dtype`, and use what `.to` returns: `x` itself stays as it is"
        expect_close(
            call(attempt, x, other),
            x.to(wanted),
            mistakes={
                "you converted `other`; it is `x` that has to change": other.to(start),
                "you returned `other`; its dtype is wanted with the numbers of `x`": other,
                f"that is the dtype of `x`. {advice}": x,
            },
        )
    x, other = torch.ones(2, 3), torch.ones(4, dtype=torch.float64, device="meta")
    result = attempt(x, other)
    expect_kind(result, x.double())
    assert result.device == other.device, (
        f"Your result is on the device {result.device}, expected {other.device}, the device of `other` this time. Read "
        "it from `other.device`; and as `.to` does not move `x` itself, use what it returns."
    )


to_match = Exercise(
    to_match,
    verify_to_match,
    hints=(
        "Which two attributes of `other` do you need?",
        "`.to(other.device)` returns a tensor on that device, `.to(other.dtype)` one of that dtype.",
        "`x.to(other.device, other.dtype)` does both.",
    ),
)


# ------------------------------------------------------------------------------------------------------ index and slice


def replace_negative(x):  # any shape -> the same shape
    result = x.clone()
    result[result < 0] = 0
    return result


def verify_replace_negative(attempt):
    x = torch.tensor([[-1.5, 2.0, 0.5], [3.0, -0.25, -4.0]])
    expected = torch.tensor([[0.0, 2.0, 0.5], [3.0, 0.0, 0.0]])
    expect_close(
        call(attempt, x),
        expected,
        mistakes={
            "a mask as an index takes entries out, and the table is lost; assign, `result[mask] = 0`": x[x >= 0],
            "you took the negative numbers out; assign 0 to them, `result[mask] = 0`": x[x < 0],
            "you kept the negative numbers and replaced the others; turn the comparison round": x - expected,
            "you took their signs away; they should become 0": x.abs(),
            "that is the mask; use it as an index to set those entries to 0": x < 0,
            "`x` is still as it was; you have to return the copy that you changed": x,
        },
    )
    x = torch.tensor([-1.0, 0.0, 5.0, -2.0])
    expect_close(call(attempt, x), torch.tensor([0.0, 0.0, 5.0, 0.0]), name="for a row of four numbers, your result")
    x = torch.tensor([3.0, 0.01])
    expect_close(call(attempt, x), x, name="for a row without negative numbers, your result")


replace_negative = Exercise(
    replace_negative,
    verify_replace_negative,
    hints=(
        "Which mask marks the entries that have to change?",
        "`clone` the tensor first, so that `x` stays as it is; then assign to the copy through the mask.",
        "`result = x.clone()`, then `result[result < 0] = 0`.",
    ),
)


def pick(scores, chosen):  # (N, K), (N,) -> (N,)
    return scores.gather(1, chosen.unsqueeze(1)).squeeze(1)  # (N, K) -> (N, 1) -> (N,)


def verify_pick(attempt):
    scores = torch.tensor([[0.5, 3.0, -1.0], [2.0, 0.25, 7.0], [4.0, -6.0, 1.0], [8.0, 5.0, 9.0]])
    chosen = torch.tensor([0, 2, 1, 0])
    expected = torch.tensor([0.5, 7.0, -6.0, 8.0])  # by hand
    first = "all are from the first row: `unsqueeze(0)` makes `chosen` one row"
    expect_close(
        call(attempt, scores, chosen),
        expected,
        mistakes={
            "the numbers are right, but in a table with one column; `squeeze(1)` makes it a row": expected.unsqueeze(1),
            "`scores[:, chosen]` takes all these columns of every row; take one entry of each": scores[:, chosen],
            "`scores[chosen]` takes whole rows; `chosen` numbers the columns": scores[chosen],
            "these are the largest entries of the rows; you want those that `chosen` names": scores.amax(dim=1),
            "these are the places; you want the entries of `scores` there": chosen,
            f"{first}, `unsqueeze(1)` one column": scores[:1, chosen],
            f"{first}; make it a column, with `unsqueeze(1)`": scores[0, chosen],
        },
    )
    expect_close(
        call(attempt, scores[1:2], chosen[1:2]),
        torch.tensor([7.0]),
        mistakes={"`squeeze()` takes away every dimension of size 1; `squeeze(1)` only that one": torch.tensor(7.0)},
        name="for one row, your result",
    )
    square = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    expect_close(
        call(attempt, square, torch.tensor([1, 1])),
        torch.tensor([2.0, 4.0]),
        mistakes={"you went down the columns; in `gather`, dimension 1 goes along a row": torch.tensor([3.0, 4.0])},
        name="for `[[1, 2], [3, 4]]` and `[1, 1]`, your result",
    )
    few, many = (scores, chosen), (scores.repeat(5, 1), chosen.repeat(5))
    expect_no_loop(attempt, few, many, 16, "`gather` picks from all rows at once.")


pick = Exercise(
    pick,
    verify_pick,
    hints=(
        "`gather` picks one entry of each row, without a loop.",
        "`scores.gather(1, index)` wants the index as a table: `chosen.unsqueeze(1)` has the shape (N, 1).",
        "What `gather` gives has the shape (N, 1) too; `squeeze(1)` makes it (N,).",
    ),
)


# ----------------------------------------------------------------------------------------------------------------- join


def add_ones(x):  # (N, D) -> (N, D + 1)
    return torch.cat([x, torch.ones_like(x[:, :1])], dim=1)


def verify_add_ones(attempt):
    x = torch.tensor([[2.0, 3.0], [4.0, 5.0], [6.0, 7.0]])
    expected = torch.tensor([[2.0, 3.0, 1.0], [4.0, 5.0, 1.0], [6.0, 7.0, 1.0]])
    expect_close(
        call(attempt, x),
        expected,
        mistakes={
            "the column of ones is on the left; in the list for `cat` it comes after `x`": expected[:, [2, 0, 1]],
            "you added a row below; a column goes along dimension 1": torch.cat([x, torch.ones(1, 2)]),
            "you added 1 to every number; the ones are a column of their own": x + 1,
            "a column was added, but not of ones": expected.where(expected > 1, 0),
            "there are as many new columns as old ones; slice `x` to one column, `x[:, :1]`, for the shape of the "
            "ones": torch.cat([x, torch.ones_like(x)], dim=1),
        },
    )
    for dtype in torch.float64, torch.int64:
        expect_close(
            call(attempt, x.to(dtype)),
            expected.to(dtype),
            mistakes={"the ones had another dtype than `x`; `torch.ones_like` takes that of `x`": expected},
            name=f"for an `x` of {dtype}, your result",
        )
    expect_device(attempt, x, expected, "make the ones where `x` is, as `torch.ones_like` does")


add_ones = Exercise(
    add_ones,
    verify_add_ones,
    hints=(
        "Which shape does the column of ones have, so that `cat` can put it beside `x`?",
        "(N, 1), as a slice of one column has; `torch.ones_like(x[:, :1])` also has the dtype and the device of `x`.",
        "`torch.cat([x, ones], dim=1)` puts two tables side by side.",
    ),
)


# ----------------------------------------------------------------------------------------------------- change the shape


def to_channels_first(images):  # (N, H, W, C) -> (N, C, H, W)
    return images.permute(0, 3, 1, 2)


def verify_to_channels_first(attempt):
    images = torch.arange(2.0 * 4 * 5 * 3).reshape(2, 4, 5, 3)
    expected = torch.stack([images[..., 0], images[..., 1], images[..., 2]], dim=1)
    expect_close(
        call(attempt, images),
        expected,
        mistakes={
            "`reshape` and `view` give the right shape and mix up the colours; `permute` exchanges "
            "dimensions": images.reshape(2, 3, 4, 5),
            "rows and columns have changed places too; only the colours should move, and H still comes before "
            "W": images.permute(0, 3, 2, 1),
            "these are the images as they came: `permute` changes nothing in them, use what it returns": images,
            "the images belong in front; dimension 0 stays where it is": images.permute(3, 0, 1, 2),
            "you listed where each dimension goes; `permute` wants the old dimensions in their new "
            "order": images.permute(0, 2, 3, 1),
        },
    )
    one = torch.arange(12, dtype=torch.uint8).reshape(1, 2, 2, 3)
    expected = torch.stack(one.unbind(3), dim=1)
    expect_close(
        call(attempt, one),
        expected,
        mistakes={"leave the dtype as it is": expected.float()},
        name="for one image of 2 x 2 pixels in uint8, your result",
    )


to_channels_first = Exercise(
    to_channels_first,
    verify_to_channels_first,
    hints=(
        "Do you need the same numbers in other pieces, or the dimensions in another order?",
        "`permute` lists the old dimensions in their new order. The images, dimension 0, stay in front.",
        "The colours, dimension 3, come next, then dimensions 1 and 2.",
    ),
)


# --------------------------------------------------------------------------------------------------------- broadcasting


def outer(a, b):  # (N,), (M,) -> (N, M)
    return a.unsqueeze(1) * b  # (N, 1) * (M,) -> (N, M)


def verify_outer(attempt):
    a, b = torch.tensor([1.0, 2.0, 4.0]), torch.tensor([10.0, 20.0, 50.0])
    expected = torch.tensor([[10.0, 20.0, 50.0], [20.0, 40.0, 100.0], [40.0, 80.0, 200.0]])  # by hand
    turned = "the table is turned: `a` runs along the rows. As (N, 1), it puts one of its numbers in each row"
    expect_close(
        call(attempt, a, b),
        expected,
        mistakes={
            "each number of `a` met one number of `b`. Make `a` a column, with `unsqueeze`, and it meets them all": a
            * b,
            "`unsqueeze(0)` makes `a` one row; as a column, `unsqueeze(1)`, it meets all of `b`": (a * b).unsqueeze(0),
            "both are columns; leave `b` a row, and `a` meets all of it": (a * b).unsqueeze(1),
            turned: expected.T,
            "you added; each entry is a product": a.unsqueeze(1) + b,
            "the products are added up; leave them as a table": a @ b,
        },
    )
    a, b = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 5.0, 7.0, 9.0])
    expected = torch.tensor([[3.0, 5.0, 7.0, 9.0], [6.0, 10.0, 14.0, 18.0]])
    expect_close(call(attempt, a, b), expected, {turned: expected.T}, name="for N = 2 and M = 4, your result")
    advice = "With a dimension of size 1, broadcasting repeats what is needed."
    expect_no_loop(attempt, (a, b), (a.repeat(10), b), 18, advice)
    expect_no_loop(attempt, (a, b), (a, b.repeat(10)), 36, advice)


outer = Exercise(
    outer,
    verify_outer,
    hints=(
        "Which of the two should be a column, so that it is repeated to the right?",
        "Lined up from the right, (N, 1) and (M,) give (N, M).",
        "`a.unsqueeze(1)` has the shape (N, 1); multiply it by `b`.",
    ),
)


# ------------------------------------------------------------------------------------------------------------- products


def linear(x, weight, bias):  # (N, D), (K, D), (K,) -> (N, K)
    return x @ weight.T + bias


def verify_linear(attempt):
    x = torch.tensor([[1.0, 2.0], [3.0, 5.0], [-1.0, 0.0]])
    weight, bias = torch.tensor([[1.0, 10.0], [2.0, -3.0]]), torch.tensor([0.5, 100.0])
    expected = torch.tensor([[21.5, 96.0], [53.5, 91.0], [-0.5, 98.0]])  # by hand
    expect_close(
        call(attempt, x, weight, bias),
        expected,
        mistakes={
            "each row of `x` met the columns of `weight`, but its rows are the outputs; transpose it, "
            "`weight.T`. In this square case no error tells you": x @ weight + bias,
            "the products are right; adding `bias` is still to come": expected - bias,
            "you subtracted `bias`; add it": expected - 2 * bias,
            "the table is turned: each row is an output, expected an example": expected.T,
        },
    )
    x, weight = torch.tensor([[1.0, 0.0, 2.0, -1.0]]), torch.tensor([[1.0, 2.0, 3.0, 4.0], [-5.0, 6.0, 7.0, 0.5]])
    expect_close(
        call(attempt, x, weight, bias),
        nn.functional.linear(x, weight, bias),
        name="for `x` of shape (1, 4) and `weight` of shape (2, 4), your result",
    )


linear = Exercise(
    linear,
    verify_linear,
    hints=(
        "In a matrix product the inner sizes must be equal. Which two sizes are equal here?",
        "`weight.T` has the shape (D, K), and (N, D) @ (D, K) gives (N, K).",
        "Add `bias` at the end: (N, K) plus (K,) broadcasts.",
    ),
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
        without_loop("`x.mean(dim=0)` gives the means of all columns at once.", lambda size: (torch.randn(5, size),)),
    ),
)
def standardize(x):  # (N, D) -> (N, D)
    return (x - x.mean(dim=0)) / x.std(dim=0)


standardize.example(
    torch.tensor([[1.0, 10.0], [3.0, 30.0], [5.0, 20.0]]),
    gives=torch.tensor([[-1.0, -1.0], [0.0, 1.0], [1.0, 0.0]]),  # the means are 3 and 20, the deviations 2 and 10
)


@standardize.inputs
def tables():
    for shape in (2, 2), (3, 1), (4, 7), (30, 3):
        yield (5 * torch.randn(shape) + 2,)
    yield (torch.randn(3, 2, dtype=torch.float64) + 1000,)


standardize.mistakes(
    {
        "you took one mean and one deviation over the whole tensor. `dim=0` runs down the rows and leaves one for each "
        "column": lambda x: (x - x.mean()) / x.std(),
        "you took one deviation over the whole tensor; `std` needs `dim=0` too": lambda x: (x - x.mean(0)) / x.std(),
        "you took one mean over the whole tensor; `mean` needs `dim=0` too": lambda x: (x - x.mean()) / x.std(0),
        "each row has mean 0 now; with `dim=0`, dimension 0 disappears and one number per column is left": (
            lambda x: (x - x.mean(1, keepdim=True)) / x.std(1, keepdim=True)
        ),
        "you divided by the variance; the standard deviation is its root, `std`": lambda x: (x - x.mean(0)) / x.var(0),
        "you subtracted the mean; dividing by `x.std(dim=0)` is still to come": lambda x: x - x.mean(0),
        "you divided before you subtracted; put the difference in parentheses": lambda x: x - x.mean(0) / x.std(0),
        "your deviation divides by N, as NumPy's does; `x.std` of PyTorch divides by N - 1": (
            lambda x: (x - x.mean(0)) / x.std(0, correction=0)
        ),
    }
)


def pairwise_distances(a, b):  # (N, D), (M, D) -> (N, M)
    difference = a.unsqueeze(1) - b  # (N, 1, D) - (M, D) -> (N, M, D)
    return (difference * difference).sum(dim=2).sqrt()  # (N, M)


def verify_pairwise_distances(attempt):
    a, b = torch.tensor([[0.0, 0.0], [-3.0, 4.0]]), torch.tensor([[0.0, 0.0], [0.0, 8.0], [-3.0, 0.0]])
    expected = torch.tensor([[0.0, 8.0, 3.0], [5.0, 5.0, 4.0]])  # by hand: 3 and 4 give 5
    for count, points in (2, b[:2]), (3, b):
        near = expected[:, :count]
        differences = a.unsqueeze(1) - points
        expect_close(
            call(attempt, a, points),
            near,
            mistakes={
                "each point of `a` met one of `b`; `a.unsqueeze(1)` lets it meet them all": torch.tensor([0.0, 5.0]),
                "these are the squares of the distances; the root, `sqrt`, is still to come": near.square(),
                "you added up the differences without their signs; a distance adds up squares, and takes the "
                "root": differences.abs().sum(dim=2),
                "the table is turned: rows should stand for the points of `a`, columns for those of `b`": near.T,
                "you took a mean over the coordinates; a distance has the sum": near / 2**0.5,
                "these are the differences; square them, add up the last dimension, take the root": differences,
                "the coordinates are not added up yet; they are the last dimension": differences.abs(),
                "you added up everything; `dim=2` adds up the coordinates of each pair": differences.norm(),
                "you added up dimension 1, the points of `b`; the coordinates are dimension 2": differences.norm(dim=1),
                "you added up dimension 0, the points of `a`; the coordinates are dimension 2": differences.norm(dim=0),
            },
            name=f"for 2 points in `a` and {count} in `b`, your result",
        )
    in_space = torch.tensor([[1.0, 2.0, 2.0]]), torch.tensor([[0.0, 0.0, 0.0], [1.0, 2.0, 7.0]])
    expect_close(
        call(attempt, *in_space), torch.tensor([[3.0, 5.0]]), name="for points with 3 coordinates, your result"
    )
    advice = "With `a` as (N, 1, D), broadcasting makes all the pairs."
    expect_no_loop(attempt, (a, b), (a.repeat(9, 1), b), 16, advice)
    expect_no_loop(attempt, (a, b), (a, b.repeat(9, 1)), 24, advice)


pairwise_distances = Exercise(
    pairwise_distances,
    verify_pairwise_distances,
    hints=(
        "First all the differences, (N, M, D). Which shape does `a` need, so that each point meets all of `b`?",
        "`a.unsqueeze(1)` is (N, 1, D). Lined up from the right with (M, D), it gives (N, M, D).",
        "Square the differences, add up dimension 2, and take the root with `sqrt()`.",
    ),
)


def softmax(x):  # (N, K) -> (N, K)
    largest, _ = x.max(dim=1, keepdim=True)  # (N, 1)
    powers = (x - largest).exp()
    return powers / powers.sum(dim=1, keepdim=True)


def verify_softmax(attempt):
    powers = torch.tensor([[1.0, 2.0, 5.0], [4.0, 1.0, 3.0], [2.0, 2.0, 6.0]])
    expected = torch.tensor([[0.125, 0.25, 0.625], [0.5, 0.125, 0.375], [0.2, 0.2, 0.6]])  # by hand: rows 8, 8, 10
    stable = powers / torch.tensor([[5.0], [4.0], [6.0]])
    lost = "`sum(dim=1)` lost its dimension, and its numbers met the columns; `keepdim=True` keeps it"
    crossed = powers / torch.tensor([5.0, 4.0, 6.0])
    one_sum = "you divided by the sum of everything; each row has its own, `sum(dim=1, keepdim=True)`"
    expect_close(
        call(attempt, powers.log()),
        expected,
        mistakes={
            "each column adds up to 1, expected each row; `dim=1` adds up a row": powers / powers.sum(dim=0),
            one_sum: powers / powers.sum(),
            one_sum.replace("everything", "the whole table"): stable / stable.sum(),
            lost: powers / powers.sum(dim=1),
            f"{lost} there": stable / stable.sum(dim=1),
            lost.replace("sum", "max"): crossed / crossed.sum(dim=1, keepdim=True),
            "`max` and `sum` lost their dimension; both need `keepdim=True`": crossed / crossed.sum(dim=1),
            "these are the powers; dividing each row by its sum is still to come": powers,
            "these are powers, the largest of each row 1; dividing each row by its sum is still to come": stable,
            "these are the logarithms of the shares": expected.log(),
        },
    )
    large = torch.tensor([[1000.0, 1000.0, 0.0], [-1000.0, -1000.0, -1000.0]])
    nan = math.nan
    expect_close(
        call(attempt, large),
        torch.tensor([[0.5, 0.5, 0.0], [1 / 3, 1 / 3, 1 / 3]]),
        mistakes={
            "`exp` of 1000 is infinity, and of -1000 it is 0. Subtract the largest number of each row "
            "first": torch.tensor([[nan, nan, 0.0], [nan, nan, nan]]),
            "you subtracted the largest number of the whole table, which is far above the second row; each row has "
            "a largest number of its own, `max(dim=1, keepdim=True)`": torch.tensor([[0.5, 0.5, 0.0], [nan, nan, nan]]),
        },
        name="for rows of 1000 and -1000, your result",
    )


softmax = Exercise(
    softmax,
    verify_softmax,
    hints=(
        "Three steps: subtract the largest number of each row, take `exp`, divide by the sum of each row.",
        "`keepdim=True` leaves (N, 1), which broadcasts against (N, K).",
        "`max` with a `dim` returns two tensors; you need the first: `largest, _ = x.max(dim=1, keepdim=True)`.",
    ),
)


# ------------------------------------------------------------------------------------------------------ change in place


def change_in_place(attempt, x, row):
    """Observe the whole table of which `x` is a view, as well as what comes back."""
    whole = torch.cat([x, x], dim=1)
    view = whole[:, : x.shape[1]]
    result = attempt(view, row)
    back = Words("`x` itself") if result is view else Words("another tensor" if isinstance(result, Tensor) else result)
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
    torch.tensor([[1.0, 2.0], [3.0, 5.0], [7.0, 4.0]]),
    1,
    gives={"`x`": torch.tensor([[1.0, 2.0], [6.0, 10.0], [7.0, 4.0]])},
)


# -------------------------------------------------------------------------------------------------- the bridge to NumPy


def to_tensor(array):  # any shape, a NumPy array -> the same shape, float32
    return torch.tensor(array, dtype=torch.float32)


def verify_to_tensor(attempt):
    numbers = [[1.5, 2.0, -3.0], [0.25, 4.0, 8.0]]
    for dtype in np.float64, np.int32:
        array = np.array(numbers, dtype=dtype)
        expect_close(
            call(attempt, array),
            torch.tensor(array.tolist(), dtype=torch.float32),
            mistakes={
                f"a tensor keeps the type of the array, here {np.dtype(dtype)}, unless you ask for another "
                "one": torch.from_numpy(array),
            },
        )
    for dtype in np.float64, np.float32:
        array = np.array(numbers, dtype=dtype)
        result = attempt(array)
        expect_close(result, torch.tensor(numbers), name=f"for an array of {np.dtype(dtype)}, your result")
        array[0, 0] = 99
        assert result[0, 0] != 99, (
            f"An array of {np.dtype(dtype)} was changed afterwards, and your tensor with it: they share memory. "
            "`from_numpy` and `as_tensor` share it, and `.float()` copies only if there is something to convert; "
            "`torch.tensor` always copies."
        )


to_tensor = Exercise(
    to_tensor,
    verify_to_tensor,
    hints=(
        "Which of the two, `torch.from_numpy` and `torch.tensor`, makes a copy every time?",
        "`torch.tensor` can be told the `dtype`.",
    ),
)


# ------------------------------------------------------------------------------------------------ a picture is a tensor


def contact_sheet(images, columns):  # (N, H, W) uint8 -> (rows * H, columns * W) float32
    _, height, width = images.shape
    tiles = images.reshape(-1, columns, height, width)  # (rows, columns, H, W)
    tiles = tiles.permute(0, 2, 1, 3)  # (rows, H, columns, W)
    return tiles.reshape(-1, columns * width) / 255


def verify_contact_sheet(attempt):
    images = (7 * torch.arange(6 * 2 * 3)).to(torch.uint8).reshape(6, 2, 3)
    a, b, c, d, e, f = images.float().numpy()
    cases = {
        3: ([[a, b, c], [d, e, f]], [[a, c, e], [b, d, f]]),  # columns: the sheet, and one filled column by column
        2: ([[a, b], [c, d], [e, f]], [[a, d], [b, e], [c, f]]),
        6: ([[a, b, c, d, e, f]], [[a, b, c, d, e, f]]),
    }
    for columns, (sheet, by_column) in cases.items():
        grey = torch.from_numpy(np.block(sheet))  # 0 to 255
        torn, down = images.reshape(grey.shape), torch.from_numpy(np.block(by_column))
        turned = torch.from_numpy(np.block(cases.get(6 // columns, cases[columns])[0]))
        expect_close(
            call(attempt, images, columns),
            grey / 255,
            mistakes={
                "the shape is right, but a `reshape` alone cuts the row of numbers into other pieces, and the pictures "
                "are torn. `permute` has to come between, to (rows, H, columns, W)": torn / 255,
                "the pictures are torn: a `reshape` alone cuts the row of numbers into other pieces. And the "
                "numbers should be 0 to 1": torn,
                "the pictures run down the columns; the second belongs to the right of the first": down / 255,
                "rows and columns of the sheet have changed places; `columns` says how many pictures stand side by "
                "side": turned / 255,
                "the pictures are where they should be; dividing by 255 is still to come": grey.to(torch.uint8),
                "the pictures are where they should be, but from 0 to 255; divide by 255": grey,
                "whole numbers cannot hold what lies between 0 and 1; divide with `/`": torch.zeros_like(torn),
            },
            name=f"for 6 pictures of 2 x 3 pixels and columns={columns}, your result",
        )


contact_sheet = Exercise(
    contact_sheet,
    verify_contact_sheet,
    hints=(
        "How many rows of pictures are there? `reshape` can find out with -1: (rows, columns, H, W).",
        "A line of the sheet runs through all pictures of its row: exchange `columns` and H, with `permute`.",
        "From (rows, H, columns, W), one `reshape` leads to (-1, columns * W). Then divide by 255.",
    ),
)
