"""Answers that learners give to the exercises of notebook 01, and what the reply to each must say."""

import numpy as np
import torch
from torch.nn import functional as F


def replace_by_masked_copy(x):
    copy = x.clone()
    copy *= copy > 0
    return copy


def pick_in_a_loop(scores, chosen):
    return torch.stack([row[place] for row, place in zip(scores, chosen, strict=True)])


def pick_in_a_loop_of_columns(scores, chosen):
    result = torch.zeros(len(scores))
    for column in range(scores.shape[1]):
        result[chosen == column] = scores[chosen == column, column]
    return result


def pick_from_lists(scores, chosen):
    return torch.tensor([row[place] for row, place in zip(scores.tolist(), chosen.tolist(), strict=True)])


def write_into_ones(x):
    result = torch.ones(x.shape[0], x.shape[1] + 1, dtype=x.dtype, device=x.device)
    result[:, :-1] = x
    return result


def multiply_in_a_loop(a, b):
    return torch.stack([number * b for number in a])


def multiply_in_a_loop_of_columns(a, b):
    return torch.stack([a * number for number in b], dim=1)


def multiply_row_by_row(x, weight, bias):
    return torch.stack([weight @ row + bias for row in x])


def standardize_in_a_loop(x):
    result = torch.zeros_like(x)
    for column in range(x.shape[1]):
        result[:, column] = (x[:, column] - x[:, column].mean()) / x[:, column].std()
    return result


def standardize_row_by_row(x):
    return torch.stack([(row - x.mean(0)) / x.std(0) for row in x])


def standardize_in_place(x):
    x -= x.mean(0)
    x /= x.std(0)
    return x


def standardize_a_copy(x):
    x = x.clone()
    x -= x.mean(axis=0)
    x /= x.std(axis=0)
    return x


def measure_in_a_loop(a, b):
    result = torch.zeros(len(a), len(b))
    for i in range(len(a)):
        for j in range(len(b)):
            result[i, j] = (a[i] - b[j]).square().sum().sqrt()
    return result


def measure_coordinate_by_coordinate(a, b):
    total = torch.zeros(len(a), len(b))
    for d in range(a.shape[1]):
        total += (a[:, d].unsqueeze(1) - b[:, d]) ** 2
    return total.sqrt()


def measure_in_the_plane(a, b):
    x, y = a[:, :1] - b[:, 0], a[:, 1:2] - b[:, 1]
    return (x * x + y * y).sqrt()


def share_row_by_row(x):
    rows = [(row - row.max()).exp() for row in x]
    return torch.stack([row / row.sum() for row in rows])


def share_in_place(x):
    x -= x.amax(1, keepdim=True)
    return x.exp() / x.exp().sum(1, keepdim=True)


def double_number_by_number(x, row):
    for column in range(x.shape[1]):
        x[row, column] *= 2
    return x


def double_by_assignment(x, row):
    x[row] = x[row] * 2
    return x


def double_a_named_row(x, row):
    chosen = x[row]
    chosen *= 2
    return x


def double_the_next_row(x, row):
    x[row + 1] *= 2
    return x


def double_two_columns(x, row):
    x[row, :2] *= 2
    return x


def paste(images, columns):
    count, height, width = images.shape
    sheet = torch.zeros(count // columns * height, columns * width)
    for number, image in enumerate(images):
        row, column = divmod(number, columns)
        sheet[row * height : (row + 1) * height, column * width : (column + 1) * width] = image / 255
    return sheet


def join_rows(images, columns):
    return torch.vstack([torch.hstack(tuple(row)) for row in images.split(columns)]) / 255


RIGHT = {
    "hours": {
        "typed": torch.tensor([0, 3, 6, 9, 12, 15, 18, 21]),
        "times": torch.arange(8) * 3,
        "a slice": torch.arange(24)[::3],
        "another end": torch.arange(0, 22, 3),
    },
    "noise_like": {
        "converted first": lambda x: torch.rand_like(x.float()) * 2 - 1,
        "moved first": lambda x: (torch.rand(x.shape) - 0.5) * 2,
        "in place": lambda x: torch.empty(x.shape).uniform_(-1, 1),
        "NumPy": lambda x: torch.tensor(np.random.uniform(-1, 1, x.shape), dtype=torch.float32),
    },
    "count_bytes": {
        "an attribute": lambda x: x.nbytes,
        "sizes": lambda x: torch.Size(x.shape).numel() * x.dtype.itemsize,
        "NumPy": lambda x: x.numpy().nbytes,
    },
    "to_match": {
        "one after the other": lambda x, other: x.to(other.dtype).to(other.device),
        "like a tensor": lambda x, other: x.to(other),
        "its type": lambda x, other: x.type_as(other),
        "keywords": lambda x, other: x.to(device=other.device, dtype=other.dtype),
    },
    "replace_negative": {
        "relu": torch.relu,
        "clamp": lambda x: x.clamp(min=0),
        "where": lambda x: torch.where(x < 0, 0.0, x),
        "a mask as a factor": replace_by_masked_copy,
        "NumPy": lambda x: torch.tensor(np.maximum(x.numpy(), 0)),
    },
    "pick": {
        "pairs of indices": lambda scores, chosen: scores[torch.arange(len(scores)), chosen],
        "one-hot": lambda scores, chosen: (scores * F.one_hot(chosen, scores.shape[1])).sum(1),
        "the diagonal": lambda scores, chosen: scores[:, chosen].diagonal(),
        "along a dimension": lambda scores, chosen: torch.take_along_dim(scores, chosen[:, None], dim=1).flatten(),
    },
    "add_ones": {
        "new ones": lambda x: torch.cat((x, x.new_ones(len(x), 1)), 1),
        "pad": lambda x: F.pad(x, (0, 1), value=1),
        "written into ones": write_into_ones,
        "columns": lambda x: torch.column_stack([x, torch.ones_like(x[:, 0])]),
    },
    "to_channels_first": {
        "moved": lambda images: images.movedim(-1, 1),
        "stacked": lambda images: torch.stack(images.unbind(3), dim=1),
        "two exchanges": lambda images: images.transpose(2, 3).transpose(1, 2),
        "einsum": lambda images: torch.einsum("nhwc->nchw", images),
    },
    "outer": {
        "None": lambda a, b: a[:, None] * b[None, :],
        "ready-made": torch.outer,
        "a matrix product": lambda a, b: a.reshape(-1, 1) @ b.reshape(1, -1),
        "einsum": lambda a, b: torch.einsum("n,m->nm", a, b),
    },
    "linear": {
        "ready-made": F.linear,
        "einsum": lambda x, weight, bias: torch.einsum("nd,kd->nk", x, weight) + bias,
        "broadcast": lambda x, weight, bias: (x.unsqueeze(1) * weight).sum(2) + bias,
        "turned and turned back": lambda x, weight, bias: (weight @ x.T + bias.unsqueeze(1)).T,
        "a loop": multiply_row_by_row,
    },
    "standardize": {
        "keepdim": lambda x: (x - x.mean(0, keepdim=True)) / x.std(0, keepdim=True),
        "a copy, in place": standardize_a_copy,
        "by hand": lambda x: (x - x.sum(0) / len(x)) / ((x - x.mean(0)).square().sum(0) / (len(x) - 1)).sqrt(),
        "columns as rows": lambda x: ((x.T - x.mean(0)[:, None]) / x.std(0)[:, None]).T,
    },
    "pairwise_distances": {
        "ready-made": torch.cdist,
        "a norm": lambda a, b: (a[:, None] - b[None]).norm(dim=-1),
        "a binomial": lambda a, b: (a.square().sum(1)[:, None] + b.square().sum(1) - 2 * a @ b.T).clamp(min=0).sqrt(),
        "vmap": lambda a, b: torch.vmap(lambda point: (b - point).square().sum(1).sqrt())(a),
    },
    "softmax": {
        "ready-made": lambda x: torch.softmax(x, dim=1),
        "logarithms": lambda x: (x - x.logsumexp(1, keepdim=True)).exp(),
        "unsqueeze": lambda x: (x - x.amax(1)[:, None]).exp() / (x - x.amax(1)[:, None]).exp().sum(1).unsqueeze(1),
        "a loop": share_row_by_row,
    },
    "double_row_": {
        "assigned": double_by_assignment,
        "a name for the row": double_a_named_row,
        "a loop": double_number_by_number,
        "added to itself": lambda x, row: x[row].add_(x[row]) is None or x,
    },
    "to_tensor": {
        "float after a copy": lambda array: torch.tensor(array).float(),
        "a clone": lambda array: torch.from_numpy(array).float().clone(),
        "NumPy converts": lambda array: torch.from_numpy(array.astype(np.float32)),
        "copy=True": lambda array: torch.from_numpy(array).to(torch.float32, copy=True),
    },
    "contact_sheet": {
        "pasted": paste,
        "rows joined": join_rows,
        "einsum": lambda images, columns: (
            torch.einsum("rchw->rhcw", images.unflatten(0, (-1, columns)) / 255).flatten(2).flatten(0, 1)
        ),
    },
}

WRONG = {
    "hours": {
        "a list": (list(range(0, 24, 3)), "is a list, expected a tensor"),
        "backwards": (torch.arange(21, -1, -3), "the order is reversed"),
        "int32": (torch.arange(0, 24, 3, dtype=torch.int32), "the numbers are right, in another dtype"),
        "equal steps": (torch.linspace(0, 21, 8), "but they are decimal numbers"),
    },
    "noise_like": {
        "the global seed": (lambda x: torch.manual_seed(0) and 2 * torch.rand(x.shape) - 1, "is there a seed inside"),
        "a row for all": (
            lambda x: torch.zeros(x.shape) + 2 * torch.rand(x.shape[-1]) - 1,
            r"is only 50 different numbers, expected a number for each\.$",
        ),
        "in the middle more often": (lambda x: torch.randn(x.shape).tanh(), r"is 0\.4, expected 0\.5\.$"),
        "a little too wide": (lambda x: 2.02 * torch.rand(x.shape) - 1.01, "the count of numbers below -1 or above 1"),
        "in place": (lambda x: x.float().uniform_(-1, 1), "changes its argument `x` in place"),
        "float64": (lambda x: 2 * torch.rand_like(x, dtype=torch.float64) - 1, r"expected torch\.float32\.$"),
    },
    "count_bytes": {
        "a tensor": (lambda x: torch.tensor(x.numel() * x.element_size()), r"`\.item\(\)` takes it out"),
        "no parentheses": (lambda x: x.numel() * x.element_size, r"was called with x: \(3, 4\), float32"),
        "a table of dtypes": (lambda x: {torch.float32: 4}[x.dtype] * x.numel(), r"was tried for shape \(2, 5, 7\)"),
        "the example": (lambda x: 48, r"your result is 48, expected 560\.$"),
    },
    "to_match": {
        "one or the other": (
            lambda x, other: x.to(other.dtype) if x.dtype != other.dtype else x.to(other.device),
            "is on the device cpu, expected meta: `.to` moves",
        ),
        "a pair": (lambda x, other: (x.to(other), other), "is a tuple, expected a tensor"),
    },
    "replace_negative": {
        "the whole of it": (torch.zeros_like, r"is \[\[0, 0\], \[0, 0\]\], expected \[\[0, 2\], \[3, 0\]\]\.$"),
        "rows and columns": (
            lambda x: torch.stack([x[i].relu() for i in range(len(x[0]))]),
            r"called with x: \(2, 3\)",
        ),
        "what leaks": (F.leaky_relu, r"-0\.01, 2\].*, expected \[\[0, 2\], \[3, 0\]\]\.$"),
    },
    "pick": {
        "a loop": (pick_in_a_loop, "as a loop does. `gather`"),
        "a loop of columns": (pick_in_a_loop_of_columns, "as a loop does. `gather`"),
        "lists": (pick_from_lists, "as a loop does. `gather`"),
        "columns of the first row": (lambda scores, chosen: torch.take(scores, chosen), "all are from the first row"),
        "two rows": (
            lambda scores, chosen: scores[torch.arange(2), chosen],
            r"called with scores: \(1, 3\), float32, chosen: \(1,\), int64",
        ),
        "the other dimension away": (
            lambda scores, chosen: scores.gather(1, chosen.unsqueeze(1)).squeeze(0),
            "a dimension of size 1 is missing or too many",
        ),
    },
    "add_ones": {
        "on the CPU": (lambda x: torch.cat([x, torch.ones(len(x), 1, dtype=x.dtype)], 1), "make the ones where `x` is"),
        "two rows": (lambda x: torch.cat([x, torch.ones(2, 1)], 1), r"called with x: \(3, 2\), float32$"),
        "nothing written": (lambda x: torch.cat([x, torch.empty(len(x), 1)], 1), "or from memory that holds nothing"),
    },
    "to_channels_first": {
        "the edges away": (lambda images: images.permute(0, 3, 1, 2).squeeze(), "a dimension of size 1 is missing"),
        "three colours": (
            lambda images: torch.stack([images[..., 0], images[..., 1], images[..., 2]], 1),
            r"called with images: \(5, 1, 4, 1\), float32",
        ),
        "a stack in front": (lambda images: torch.stack(images.unbind(3)), "your dimensions are C, N, H, W"),
    },
    "outer": {
        "a loop": (multiply_in_a_loop, "as a loop does. With a dimension of size 1"),
        "a loop of columns": (multiply_in_a_loop_of_columns, "as a loop does. With a dimension of size 1"),
        "two rows": (lambda a, b: a.reshape(2, 1) * b, r"called with a: \(3,\), float32, b: \(3,\), float32"),
        "summed up": (lambda a, b: (a.unsqueeze(1) * b).sum(1), "that is the sum along the rows"),
    },
    "linear": {
        "a layer of its own": (
            lambda x, weight, bias: torch.nn.Linear(*weight.T.shape)(x),
            r"expected \[\[21, 37\]\]\.$",
        ),
        "the sum of the biases": (lambda x, weight, bias: x @ weight.T + bias.sum(), r"expected \[\[21, 37\]\]\.$"),
        "the first example": (lambda x, weight, bias: weight @ x[0] + bias, "that is the first entry alone"),
    },
    "standardize": {
        "a loop": (standardize_in_a_loop, "means of all columns at once"),
        "a loop of rows": (standardize_row_by_row, "means of all columns at once"),
        "in place": (standardize_in_place, "changes its argument `x` in place"),
        "the numbers of the text": (lambda x: (x - 3) / 2, r"expected \[\[-1, -1\], \[0, 1\], \[1, 0\]\]\.$"),
    },
    "pairwise_distances": {
        "loops": (measure_in_a_loop, "as a loop does. With `a` as"),
        "a loop of coordinates": (measure_coordinate_by_coordinate, "as a loop does. With `a` as"),
        "two coordinates": (measure_in_the_plane, r"is \[\[2\.2361, 0\]\], expected \[\[3, 5\]\]\.$"),
    },
    "softmax": {
        "in place": (share_in_place, "changes its argument `x` in place"),
        "another base": (lambda x: 2**x / (2**x).sum(1, keepdim=True), "nan"),
        "float64": (
            lambda x: (x.double().exp() / x.double().exp().sum(1, keepdim=True)).float(),
            "infinity / infinity",
        ),
        "each number by itself": (torch.sigmoid, r"is \[\[1, 1\]\], expected \[\[0\.5, 0\.5\]\]\.$"),
    },
    "double_row_": {
        "a list of rows": (lambda x, row: x[[row]].mul_(2) is None or x, r"`x\[\[row\]\]` make new tensors"),
        "the next row": (double_the_next_row, r"called with x: \(2, 2\), float32, row: 1"),
        "two columns": (double_two_columns, "and `row` = 1, `x` differs in 2 of 20"),
    },
    "to_tensor": {
        "another dtype": (lambda array: torch.tensor(array, dtype=np.float32), r"called with array: an array \(2,\)"),
        "as a tensor": (lambda array: torch.as_tensor(array, dtype=torch.float32), "they share memory"),
        "a slice of one": (lambda array: torch.tensor(array[None], dtype=torch.float32), "a dimension of size 1"),
    },
    "contact_sheet": {
        "rounded": (lambda images, columns: paste(images, columns).round(), "rounded to whole ones"),
        "28 pixels": (lambda images, columns: images.reshape(-1, columns * 28) / 255, "was tried for four pictures"),
        "a division with a point": (
            lambda images, columns: images.reshape(len(images) / columns, -1),
            "was tried for four pictures",
        ),
    },
}
