"""Answers that learners give to the exercises of notebook 01, and what the reply to each must say."""

import numpy as np
import torch


def replace_in_place(x):
    x[x < 0] = 0
    return x


def convert_without_assignment(x, other):
    x.to(other.device, other.dtype)
    return x


def pick_in_a_loop(scores, chosen):
    return torch.stack([row[place] for row, place in zip(scores, chosen, strict=True)])


def multiply_in_a_loop(a, b):
    return torch.stack([number * b for number in a])


def standardize_in_a_loop(x):
    result = torch.zeros_like(x)
    for column in range(x.shape[1]):
        result[:, column] = (x[:, column] - x[:, column].mean()) / x[:, column].std()
    return result


def measure_in_a_loop(a, b):
    result = torch.zeros(len(a), len(b))
    for i in range(len(a)):
        for j in range(len(b)):
            result[i, j] = (a[i] - b[j]).square().sum().sqrt()
    return result


def subtract_without_keepdim(x):
    powers = (x - x.max(dim=1).values).exp()
    return powers / powers.sum(dim=1, keepdim=True)


def share_without_keepdim(x):
    powers = (x - x.max(dim=1).values).exp()
    return powers / powers.sum(dim=1)


def share_one_sum(x):
    powers = (x - x.max(dim=1, keepdim=True).values).exp()
    return powers / powers.sum()


def double_a_new_row(x, row):
    chosen = x[row]
    chosen = chosen * 2
    return x


def double_a_copy(x, row):
    x = x.clone()
    x[row] *= 2
    return x


def double_without_return(x, row):
    x[row] *= 2


def double_and_return_the_row(x, row):
    return x[row].mul_(2)


def fill_downwards(images, columns):
    tiles = images.reshape(columns, -1, *images.shape[1:])
    return tiles.permute(1, 2, 0, 3).reshape(-1, columns * images.shape[2]) / 255


def tile(images, columns):
    tiles = images.reshape(-1, columns, *images.shape[1:]).permute(0, 2, 1, 3)
    return tiles.reshape(-1, columns * images.shape[2])


WRONG = {
    "hours": {
        "the end left out": (torch.arange(0, 21, 3), "does not include its end"),
        "the end too far": (torch.arange(0, 27, 3), "`arange` stops before its end"),
        "no hour 0": (torch.arange(3, 24, 3), "the first hour, 0, is missing"),
        "how many for the step": (torch.arange(0, 24, 8), "is the step, and not how many"),
        "floats": (torch.arange(0.0, 24.0, 3.0), "without a point"),
        "no step": (torch.arange(24), "third argument of `arange` is the step"),
        "a list": (list(range(0, 24, 3)), "is a list, expected a tensor"),
    },
    "noise_like": {
        "between 0 and 1": (lambda x: torch.rand_like(x, dtype=torch.float32), "that is the range of `rand_like`"),
        "moved but not widened": (
            lambda x: torch.rand_like(x, dtype=torch.float32) - 1,
            "run from -1.00 to 0.00.*A factor widens",
        ),
        "the bell curve": (lambda x: torch.randn_like(x, dtype=torch.float32), "bell curve"),
        "of the dtype of x": (lambda x: 2 * torch.rand(x.shape).to(x.dtype) - 1, "dtype torch.int64.*`.float"),
        "one number for all": (
            lambda x: torch.zeros(x.shape) + 2 * torch.rand(50) - 1,
            r"too few different numbers \(50\)",
        ),
        "seeded": (lambda x: torch.manual_seed(0) and 2 * torch.rand(x.shape) - 1, "leave the seed out"),
    },
    "count_bytes": {
        "how many numbers": (lambda x: x.numel(), "each takes `x.element_size"),
        "4 bytes for each": (lambda x: 4 * x.numel(), "true for `float32`"),
        "the length": (lambda x: len(x) * x.element_size(), "along the first dimension only"),
        "two dimensions": (lambda x: x.shape[0] * x.shape[1] * x.element_size(), "you took two dimensions"),
        "a tensor": (lambda x: torch.tensor(x.numel() * x.element_size()), "`.item"),
        "a float": (lambda x: float(x.numel() * x.element_size()), "expected a whole number"),
    },
    "to_match": {
        "a dtype by heart": (lambda x, other: x.float().to(other.device), "Read the dtype from `other.dtype`"),
        "only the device": (lambda x, other: x.to(other.device), "Read the dtype from `other.dtype`"),
        "not assigned": (convert_without_assignment, "use what `.to` returns"),
        "only the dtype": (lambda x, other: x.to(other.dtype), "expected meta, the device of `other`"),
        "the other one": (lambda x, other: other.to(x.device, x.dtype), "it is `x` that has to change"),
    },
    "replace_negative": {
        "in place": (replace_in_place, "changes its argument `x` in place"),
        "the entries that stay": (lambda x: x[x >= 0], r"the table is lost; assign"),
        "the mask": (lambda x: x < 0, "that is the mask"),
        "without the sign": (lambda x: x.abs(), "took their signs away"),
        "the wrong way round": (lambda x: x.clamp(max=0), "turn the comparison round"),
    },
    "pick": {
        "one column": (lambda scores, chosen: scores.gather(1, chosen.unsqueeze(1)), r"`squeeze\(1\)` makes it a row"),
        "columns of all rows": (lambda scores, chosen: scores[:, chosen], "take one entry of each"),
        "rows": (lambda scores, chosen: scores[chosen], "takes whole rows"),
        "places as a row": (lambda scores, chosen: scores.gather(1, chosen.unsqueeze(0)), "all are from the first row"),
        "places of the first row": (lambda scores, chosen: scores[0, chosen], "all are from the first row"),
        "squeezed too much": (
            lambda scores, chosen: scores.gather(1, chosen.unsqueeze(1)).squeeze(),
            r"For one row, .*`squeeze\(1\)` only that one",
        ),
        "the largest": (lambda scores, chosen: scores.max(dim=1).values, "largest entries of the rows"),
        "a loop": (pick_in_a_loop, "there is a loop in it. `gather`"),
    },
    "add_ones": {
        "in front": (lambda x: torch.cat([torch.ones_like(x[:, :1]), x], dim=1), "is on the left"),
        "a row": (lambda x: torch.cat([x, torch.ones_like(x[:1])]), "added a row below"),
        "added": (lambda x: x + 1, "the ones are a column of their own"),
        "as many ones as numbers": (lambda x: torch.cat([x, torch.ones_like(x)], dim=1), "slice `x` to one column"),
        "float32 always": (
            lambda x: torch.cat([x, torch.ones(len(x), 1, device=x.device)], dim=1),
            "int64.*`torch.ones_like` takes that of `x`",
        ),
        "on the CPU": (
            lambda x: torch.cat([x.cpu() if x.is_cpu else torch.zeros(3, 2), torch.ones(3, 1, dtype=x.dtype)], dim=1),
            "still on the cpu: make the ones where `x` is",
        ),
    },
    "to_channels_first": {
        "reshape": (lambda images: images.reshape(*images.shape[:1], 3, *images.shape[1:3]), "mix up the colours"),
        "width before height": (lambda images: images.transpose(1, 3), "H still comes before W"),
        "where each goes": (lambda images: images.permute(0, 2, 3, 1), "the old dimensions in their new order"),
        "unchanged": (lambda images: images, "use what it returns"),
        "the colours before the images": (lambda images: images.permute(3, 0, 1, 2), "dimension 0 stays"),
        "another dtype": (lambda images: images.permute(0, 3, 1, 2).float(), "leave the dtype as it is"),
    },
    "outer": {
        "pairs": (lambda a, b: a * b, "Make `a` a column"),
        "turned": (lambda a, b: a * b.unsqueeze(1), "the table is turned"),
        "a row": (lambda a, b: a.unsqueeze(0) * b, r"as a column, `unsqueeze\(1\)`"),
        "two columns": (lambda a, b: a.unsqueeze(1) * b.unsqueeze(1), "leave `b` a row"),
        "summed up": (lambda a, b: a @ b, "leave them as a table"),
        "added": (lambda a, b: a.unsqueeze(1) + b, "you added"),
        "a loop": (multiply_in_a_loop, "there is a loop in it. With a dimension of size 1"),
    },
    "linear": {
        "not transposed": (lambda x, weight, bias: x @ weight + bias, "transpose it, `weight.T`"),
        "no bias": (lambda x, weight, bias: x @ weight.T, "adding `bias` is still to come"),
        "turned": (lambda x, weight, bias: (x @ weight.T + bias).T, "the table is turned"),
        "a minus": (lambda x, weight, bias: x @ weight.T - bias, "subtracted `bias`"),
    },
    "standardize": {
        "one mean over everything": (lambda x: (x - x.mean()) / x.std(), "`dim=0` runs down the rows"),
        "each row instead of each column": (
            lambda x: (x - x.mean(dim=1, keepdim=True)) / x.std(dim=1, keepdim=True),
            "each row has mean 0 now",
        ),
        "the variance": (lambda x: (x - x.mean(dim=0)) / x.var(dim=0), "divided by the variance"),
        "only the mean": (lambda x: x - x.mean(dim=0), "dividing by `x.std"),
        "no parentheses": (lambda x: x - x.mean(dim=0) / x.std(dim=0), "put the difference in parentheses"),
        "the deviation of NumPy": (lambda x: (x - x.mean(dim=0)) / x.std(dim=0, correction=0), "divides by N - 1"),
        "a loop": (standardize_in_a_loop, "means of all columns at once"),
    },
    "pairwise_distances": {
        "pairs": (lambda a, b: (a - b).square().sum(dim=1).sqrt(), r"`a.unsqueeze\(1\)` lets it meet them all"),
        "squares": (lambda a, b: (a.unsqueeze(1) - b).square().sum(dim=2), "the root, `sqrt`, is still to come"),
        "without signs": (lambda a, b: (a.unsqueeze(1) - b).abs().sum(dim=2), "without their signs"),
        "turned": (lambda a, b: torch.cdist(b, a), "the table is turned"),
        "a mean": (lambda a, b: (a.unsqueeze(1) - b).square().mean(dim=2).sqrt(), "a distance has the sum"),
        "dimension 1": (lambda a, b: (a.unsqueeze(1) - b).square().sum(dim=1).sqrt(), "dimension 1, the points of `b`"),
        "dimension 0": (lambda a, b: (a.unsqueeze(1) - b).square().sum(dim=0).sqrt(), "dimension 0, the points of `a`"),
        "no dim": (lambda a, b: (a.unsqueeze(1) - b).square().sum().sqrt(), "you added up everything"),
        "not added up": (lambda a, b: (a.unsqueeze(1) - b).square().sqrt(), "are not added up yet"),
        "loops": (measure_in_a_loop, "there is a loop in it. With `a` as"),
    },
    "softmax": {
        "overflow": (lambda x: x.exp() / x.exp().sum(dim=1, keepdim=True), "Subtract the largest number of each row"),
        "one largest number": (
            lambda x: (x - x.max()).exp() / (x - x.max()).exp().sum(dim=1, keepdim=True),
            "largest number of its own",
        ),
        "columns": (lambda x: torch.softmax(x, dim=0), "each column adds up to 1"),
        "no keepdim in the sum": (lambda x: x.exp() / x.exp().sum(dim=1), r"`sum\(dim=1\)` lost its dimension"),
        "no keepdim in the maximum": (subtract_without_keepdim, r"`max\(dim=1\)` lost its dimension"),
        "no keepdim at all": (share_without_keepdim, "both need `keepdim=True`"),
        "one sum": (lambda x: x.exp() / x.exp().sum(), "sum of everything"),
        "one sum of all rows": (share_one_sum, "the sum of the whole table"),
        "the logarithm": (lambda x: torch.log_softmax(x, dim=1), "logarithms"),
    },
    "double_row_": {
        "a new row under the old name": (double_a_new_row, r"`x` has not changed.*`x\[row\].mul_\(2\)`"),
        "a copy": (double_a_copy, "right, but it is a new tensor"),
        "no return": (double_without_return, "comes back is None, expected `x` itself"),
        "the row": (double_and_return_the_row, r"another tensor, of shape \(2,\)"),
        "everything": (lambda x, row: x.mul_(2), "the whole table is doubled"),
        "a list of rows": (lambda x, row: x[[row]].mul_(2), r"`x\[\[row\]\]` make new tensors"),
    },
    "to_tensor": {
        "shared": (torch.from_numpy, "keeps the type of the array, here float64"),
        "copied as it is": (torch.tensor, "keeps the type of the array, here float64"),
        "shared where nothing is converted": (
            lambda array: torch.from_numpy(array).float(),
            "array of float32.*`.float..` copies only if",
        ),
        "an array": (lambda array: array.astype(np.float32), "is a NumPy array"),
    },
    "contact_sheet": {
        "reshape alone": (
            lambda images, columns: images.reshape(-1, columns * images.shape[2]) / 255,
            "the pictures are torn. `permute` has to come between",
        ),
        "down the columns": (fill_downwards, "run down the columns"),
        "not divided": (tile, "dividing by 255 is still to come"),
        "0 to 255": (lambda images, columns: tile(images, columns).float(), "from 0 to 255; divide by 255"),
        "rows for columns": (
            lambda images, columns: tile(images, len(images) // columns) / 255,
            "how many pictures stand side by side",
        ),
        "divided as whole numbers": (lambda images, columns: tile(images, columns) // 255, "divide with `/`"),
    },
}

RIGHT = {}
