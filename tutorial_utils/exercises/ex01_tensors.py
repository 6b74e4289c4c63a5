"""The exercises of notebook 01, tensors."""

import torch

from tutorial_utils.exercises import Exercise, call, expect_close


def standardize(x):  # (N, D) -> (N, D)
    return (x - x.mean(dim=0)) / x.std(dim=0)


def verify_standardize(attempt):
    x = torch.tensor([[1.0, 10.0], [3.0, 30.0], [5.0, 20.0]])
    expected = torch.tensor([[-1.0, -1.0], [0.0, 1.0], [1.0, 0.0]])  # by hand: means 3 and 20, deviations 2 and 10
    expect_close(
        call(attempt, x),
        expected,
        mistakes={
            "you took one mean and one deviation over the whole tensor. `dim=0` runs down the rows and leaves one for "
            "each column": (x - 11.5) / x.std(),
            "you divided by the variance; the standard deviation is its root, `std`": expected / torch.tensor([2, 10]),
            "you subtracted the mean; dividing by `x.std(dim=0)` is still to come": x - torch.tensor([3, 20]),
        },
    )


standardize = Exercise(
    standardize,
    verify_standardize,
    hints=(
        "One mean for each column: which dimension has to disappear?",
        "`x.mean(dim=0)` has shape (D,), and (N, D) minus (D,) broadcasts.",
        "Subtract `x.mean(dim=0)`, then divide by `x.std(dim=0)`.",
    ),
)
