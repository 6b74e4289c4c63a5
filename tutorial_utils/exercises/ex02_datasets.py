"""The exercises of notebook 02, data sets and loaders."""

import pickle
import struct
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch.overrides import TorchFunctionMode
from torch.utils.data import DataLoader, Dataset, TensorDataset, WeightedRandomSampler, random_split

from tutorial_utils.exercises.compare import expect_close
from tutorial_utils.exercises.old import Calls, Exercise, call, expect_no_loop, find_difference  # noqa: F401


class Windows(Dataset):  # series (T,), size -> samples (size,), ()
    def __init__(self, series, size):
        self.series, self.size = series, size

    def __len__(self):
        return len(self.series) - self.size

    def __getitem__(self, index):
        return self.series[index : index + self.size], self.series[index + self.size]


def verify_windows(attempt):
    series = torch.tensor([3.0, 1.0, 4.0, 1.5, 5.0, 9.0, 2.5])
    windows = attempt(series.clone(), 2)
    expect_close(
        count_samples(windows),
        5,
        mistakes={
            "six windows fit into 7 values, but the last one has no value after it that could be its label": 6,
            "this is the length of the series; the last windows would reach beyond its end": 7,
            "this leaves out the last window, whose label is the last value": 4,
            "windows overlap: each starts one value after the one before": 3,
        },
        name="the length of `Windows` for 7 values and size 2",
    )
    expect_sample(
        windows[0],
        series[:2],
        torch.tensor(4.0),
        mistakes={
            "your window holds its own label; a slice leaves out its end, so `index + size` is the end": series[:3],
            "your window begins one value too late; sample 0 begins at position 0": series[1:3],
            "your label is the last value of the series; each window has its own, at `index + size`": series[6],
            "your label is the last value of the window; the value after it is at `index + size`": series[1],
            "your label comes one value too late; the value after the window is at `index + size`": series[3],
            "a slice gives a tensor of shape (1,); one index, `series[index + size]`, gives the value": series[2:3],
        },
        name="sample 0 of 3, 1, 4, 1.5, ...",
    )
    expect_sample(
        windows[1],
        series[1:3],
        torch.tensor(1.5),
        mistakes={
            "windows overlap, so sample 1 starts at position 1 and not at `size`": series[2:4],
            "this is sample 0 again; use `index`": series[:2],
        },
        name="sample 1 of 3, 1, 4, 1.5, ...",
    )
    expect_sample(windows[4], torch.tensor([5.0, 9.0]), torch.tensor(2.5), {}, name="the last sample")
    try:
        windows[5]
    except IndexError:
        pass
    else:
        raise AssertionError(
            "There are 5 samples, and `windows[5]` came back without an error. Beyond the end, an IndexError has to "
            "tell a `for` loop to stop."
        )
    longer = attempt(torch.arange(10, 20), 4)
    expect_close(count_samples(longer), 6, name="the length for 10 values and size 4")
    expect_sample(longer[5], torch.arange(15, 19), torch.tensor(19), {}, name="sample 5 of 10, 11, 12, ... with size 4")


def expect_sample(sample, window, label, mistakes, name):
    """Raise AssertionError unless `sample` is the pair of `window` and `label`."""
    expect_several(sample, 2, f"{name[0].upper()}{name[1:]}", "a pair, the window and the value after it")
    expect_close(sample[0], window, mistakes, name=f"the window of {name}")
    expect_close(sample[1], label, mistakes, name=f"the label of {name}")


def expect_several(result, number, name, wanted):
    """Raise AssertionError unless `result` is a tuple or a list of `number` entries."""
    several = isinstance(result, tuple | list) and len(result) == number
    advice = " Is a `return` missing?" if result is None else ""
    assert several, f"{name} is {describe(result)}, expected {wanted}.{advice}"


def describe(value):
    """Return in words what came back instead of several results."""
    if value is None:
        return "None"
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of length {len(value)}"
    return f"one object of type {type(value).__name__}"


def count_samples(dataset):
    """Return what `__len__` returns, whatever that is."""
    assert hasattr(dataset, "__len__"), "Your class has no method `__len__` (two underscores on each side)."
    return dataset.__len__()


Windows = Exercise(
    Windows,
    verify_windows,
    hints=(
        "Write down all samples of the example by hand. What is the position of each label?",
        "Number `index` is the slice from `index` to `index + size`, and its label stands at `index + size`.",
        "The last label stands at `len(series) - 1`, so the last index is `len(series) - 1 - size`.",
    ),
)


def count_batches(examples, batch_size, drop_last):  # int, int, bool -> int
    full, rest = divmod(examples, batch_size)
    return full if drop_last or rest == 0 else full + 1


def verify_count_batches(attempt):
    for examples, batch_size, drop_last in [
        (10, 4, False),
        (10, 4, True),
        (8, 4, False),
        (8, 4, True),
        (5, 4, False),
        (11, 4, True),
        (3, 4, False),
        (3, 4, True),
    ]:
        expected = len(DataLoader(TensorDataset(torch.arange(examples)), batch_size=batch_size, drop_last=drop_last))
        full, rest = divmod(examples, batch_size)
        if rest == 0:
            advice = {
                "no example is left over, so there is no short batch to add": full + 1,
                "no example is left over, so there is no short batch to drop": full - 1,
            }
        elif drop_last:
            advice = {"`drop_last=True` leaves the short batch out": full + 1}
        else:
            advice = {f"the {rest} left over make one more batch, a short one": full}
        advice["`/` gives a fraction, `//` divides and rounds down to a whole number"] = examples / batch_size
        expect_close(
            call(attempt, examples, batch_size, drop_last),
            expected,
            mistakes=advice,
            name=f"`count_batches({examples}, {batch_size}, {drop_last})`",
        )


count_batches = Exercise(
    count_batches,
    verify_count_batches,
    hints=(
        "How many full batches are there, and how many examples are left over?",
        "`divmod(10, 4)` is `(2, 2)`: 2 full batches, 2 left over. Which of the four cases adds one to the full ones?",
    ),
)


def make_batches(dataset, order, batch_size):  # -> [((B, D), (B,)), ...]
    batches = []
    for start in range(0, len(order), batch_size):
        samples = [dataset[index] for index in order[start : start + batch_size]]
        rows, labels = zip(*samples, strict=True)
        batches.append((torch.stack(rows), torch.stack(labels)))  # (B, D), (B,)
    return batches


def verify_make_batches(attempt):
    rows = torch.tensor([[2.0, 8.0], [6.0, 7.0], [9.0, 4.0], [4.0, 6.0], [8.0, 5.0]])
    labels = torch.tensor([0, 1, 2, 3, 4])
    dataset = TensorDataset(rows, labels)

    def cut(*groups):
        return [(rows[group], labels[group]) for group in groups]

    def make(order, batch_size):
        made = call(attempt, dataset, order, batch_size)
        return [tuple(batch) if isinstance(batch, list) else batch for batch in made] if type(made) is list else made

    result = make([4, 0, 3, 2, 1], 2)
    assert not isinstance(result, tuple) or len(result) != 2 or not isinstance(result[0], torch.Tensor), (
        "Your result is one batch, expected a list of all batches. Does the `return` stand inside the loop?"
    )
    first = result[0] if isinstance(result, list) and result and isinstance(result[0], tuple) else ()
    assert not (first and isinstance(first[0], list | tuple)), (
        f"In your first batch the rows are a {type(first[0]).__name__}, expected one tensor of shape (2, 2). "
        "Collate them: `torch.stack(rows)`."
    )
    expect_close(
        result,
        cut([4, 0], [3, 2], [1]),
        mistakes={
            "the short last batch is missing": cut([4, 0], [3, 2]),
            "`cat` joins the rows to one long row; `torch.stack` puts them below each other": [
                (rows[group].flatten(), labels[group]) for group in ([4, 0], [3, 2], [1])
            ],
            "your batches are in the order of the data set; `order` says which index comes when": cut(
                [0, 1], [2, 3], [4]
            ),
            "only one batch came back; does the `return` stand inside the loop?": cut([4, 0]),
            "batches overlap; each starts `batch_size` after the one before: `range(0, len(order), batch_size)`": cut(
                [4, 0], [0, 3], [3, 2], [2, 1], [1]
            ),
        },
        name="for the order [4, 0, 3, 2, 1] and size 2, your result",
    )
    expect_close(
        make([2, 4], 3),
        cut([2, 4]),
        mistakes={"a batch that is not full is a batch, too": []},
        name="for the order [2, 4] and size 3, your result",
    )
    expect_close(make([1, 1, 3], 1), cut([1], [1], [3]), name="for the order [1, 1, 3] and size 1, your result")


make_batches = Exercise(
    make_batches,
    verify_make_batches,
    hints=(
        "Choose, fetch, collate: the cell that made one batch by hand, inside a loop over the starts.",
        "`order[start : start + batch_size]` chooses; at the end of the list, a slice is short without an error.",
        "`rows, labels = zip(*samples, strict=True)` turns pairs into rows and labels; `torch.stack` joins each.",
    ),
)


def read_shape(content):  # bytes of an IDX file -> (size, ...)
    dimensions = content[3]
    ends = range(8, 8 + 4 * dimensions, 4)  # where each size ends
    return tuple(int.from_bytes(content[end - 4 : end], "big") for end in ends)


def verify_read_shape(attempt):
    def write(*sizes):
        return struct.pack(f">4B{len(sizes)}I", 0, 0, 8, len(sizes), *sizes)

    result = call(attempt, write(300, 2, 3) + bytes(300 * 2 * 3))
    assert not (isinstance(result, tuple) and any(isinstance(size, np.generic) for size in result)), (
        "Your sizes are numbers of NumPy, expected Python's own: `.tolist()` of the array, or `int(...)` of each."
    )
    expect_close(
        result,
        (300, 2, 3),
        mistakes={
            "you read the last byte of each size; 300 takes two of its four: 1 × 256 + 44": (44, 2, 3),
            "you read the first byte of each size; all four belong to it": (0, 0, 0),
            'the first byte counts most, which is `int.from_bytes(..., "big")`': struct.unpack(
                "<3I", struct.pack(">3I", 300, 2, 3)
            ),
            "the first four bytes are no size: they hold the type and the number of dimensions": (2051, 300, 2),
            "the number of dimensions is no size": (3, 300, 2, 3),
            "the sizes stand in the order of the dimensions": (3, 2, 300),
            "only the first size came back; there are `content[3]` of them": (300,),
            "this is the first size alone; there are `content[3]` of them": 300,
            "the last size is missing; does your `range` stop one too early?": (300, 2),
            "`tuple(...)` makes a tuple of a list": [300, 2, 3],
            "these are single bytes; four of them make one size": tuple(struct.pack(">3I", 300, 2, 3)),
            "your slices move by one byte; the sizes begin at 4, 8 and 12": (300, 300 * 256, 300 * 65536),
            'these are bytes; `int.from_bytes(four, "big")` makes a number of four of them': tuple(
                struct.pack(">I", size) for size in (300, 2, 3)
            ),
        },
        name="for 300 images of 2 × 3, your result",
    )
    values = int.from_bytes(bytes([7] * 4), "big")
    expect_close(
        call(attempt, write(12) + bytes([7] * 12)),
        (12,),
        mistakes={
            "you read three sizes, and the last two are values; `content[3]` says how many there are": (
                12,
                values,
                values,
            ),
            "a tuple with one element needs a comma: `(12,)`, or `tuple(...)` of a list": 12,
        },
        name="for 12 labels, your result",
    )
    expect_close(
        call(attempt, write(70_000) + bytes(70_000)),
        (70_000,),
        mistakes={"you read two bytes of the size; 70,000 takes three, and all four belong to it": (4464,)},
        name="for 70,000 labels, your result",
    )
    expect_close(
        call(attempt, write(5, 3, 2, 4) + bytes(120)),
        (5, 3, 2, 4),
        mistakes={"you read three sizes; `content[3]` says how many there are": (5, 3, 2)},
        name="for 5 images of 3 × 2 × 4, your result",
    )


read_shape = Exercise(
    read_shape,
    verify_read_shape,
    hints=(
        "`content[3]` is the number of dimensions, already as a number. Where does the first size begin?",
        "The sizes are `content[4:8]`, `content[8:12]` and so on, one slice for each dimension.",
        'Size number i is `int.from_bytes(content[4 + 4 * i : 8 + 4 * i], "big")`.',
    ),
)


def read_labels(path):  # a CSV file without a header -> (N,) int64
    table = pd.read_csv(path, header=None)
    return torch.tensor(table[1].tolist())


def verify_read_labels(attempt):
    expect_labels(
        attempt,
        [("00412.png", 7), ("00007.png", 0), ("01500.png", 7), ("00093.png", 2)],
        mistakes={
            "the first line is missing, taken for a header; `header=None` says that there is none": [0, 7, 2],
            "the last line is missing": [7, 0, 7],
            "two files have label 7, so it comes twice; `unique` keeps one": [7, 0, 2],
            "these are the numbers in the names of the files; the labels are in the second column": [412, 7, 1500, 93],
        },
    )
    expect_labels(
        attempt, [("a.png", 4)], mistakes={"the first line is missing; `header=None` says there is no header": []}
    )


def expect_labels(attempt, rows, mistakes):
    """Let `attempt` read a file of these rows, and compare the labels."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "labels.csv"
        path.write_text("".join(f"{name},{label}\n" for name, label in rows), encoding="utf-8")
        try:
            result = call(attempt, path)
        except KeyError as error:
            if error.args != (1,):
                raise
            raise AssertionError(
                "The table has no column 1: `read_csv` took the first line for the names of the columns. With "
                "`header=None` they are 0 and 1, and no line is lost."
            ) from None
    assert not isinstance(result, pd.Series | pd.DataFrame), (
        f"Your result is a {type(result).__name__} of pandas, expected a tensor. `.tolist()` gives its values as a "
        "list, and `torch.tensor(...)` makes a tensor of that."
    )
    expect_close(
        result,
        torch.tensor([label for _, label in rows]),
        mistakes={sentence: torch.tensor(labels, dtype=torch.int64) for sentence, labels in mistakes.items()},
        name=f"your result for a file of {len(rows)} lines" if len(rows) > 1 else "your result for a file of one line",
    )


read_labels = Exercise(
    read_labels,
    verify_read_labels,
    hints=(
        "What does `read_csv` do with the first line, unless you say otherwise?",
        "Without a header, pandas numbers the columns: `table[1]` is the second one.",
        "`table[1].tolist()` is a list of whole numbers, and `torch.tensor` makes a tensor of it.",
    ),
)


def pad_batch(samples):  # [((L,), int), ...] -> (N, max L), (N,), (N,)
    rows, labels = zip(*samples, strict=True)
    lengths = torch.tensor([len(row) for row in rows])  # (N,)
    padded = torch.zeros(len(rows), int(lengths.max()))  # (N, max L)
    for target, row in zip(padded, rows, strict=True):
        target[: len(row)] = row
    return padded, lengths, torch.tensor(labels)


def verify_pad_batch(attempt):
    rows = [torch.tensor([5.0, 0.0]), torch.tensor([4.0, 1.0, 2.0, 6.0]), torch.tensor([7.0])]
    padded = torch.tensor([[5.0, 0.0, 0.0, 0.0], [4.0, 1.0, 2.0, 6.0], [7.0, 0.0, 0.0, 0.0]])
    lengths, labels = torch.tensor([2, 4, 1]), torch.tensor([1, 0, 8])
    result = call(attempt, list(zip(rows, labels.tolist(), strict=True)))
    front = torch.tensor([[0.0, 0.0, 5.0, 0.0], [4.0, 1.0, 2.0, 6.0], [0.0, 0.0, 0.0, 7.0]])
    expect_several(result, 3, "Your result", "three tensors: the padded rows, their lengths, the labels")
    expect_close(
        result[0],
        padded,
        mistakes={
            "the zeros belong behind the values; yours stand before them": front,
            "the longest row decides the width; yours are cut off at the shortest": padded[:, :1],
            "this is the transpose; one row for each sample (`batch_first=True`, if you used `pad_sequence`)": padded.T,
            "rows of different length cannot be one tensor; copy them into `torch.zeros(N, L)` first": rows,
            "keep the samples in their order": padded[[1, 0, 2]],
            "nothing is copied into the zeros; write into a slice: `padded[i, :len(row)] = row`": torch.zeros(3, 4),
        },
        name="the first result (rows)",
    )
    expect_close(
        result[1],
        lengths,
        mistakes={
            "these are the labels; the order is rows, lengths, labels": labels,
            "these are the lengths with the zeros; take them from the samples": torch.tensor([4, 4, 4]),
            "the first sample is [5, 0], and its 0 is a value like any other; `len(row)` counts it": torch.tensor(
                [1, 4, 1]
            ),
        },
        name="the second result (lengths)",
    )
    expect_close(result[2], labels, name="the third result (labels)")
    again = call(attempt, [(torch.tensor([1.0, 2.0, 3.0]), 6), (torch.tensor([9.0]), 5)])
    expect_close(
        again[0], torch.tensor([[1.0, 2.0, 3.0], [9.0, 0.0, 0.0]]), name="for another batch, the first result (rows)"
    )
    expect_close(again[1], torch.tensor([3, 1]), name="for another batch, the second result (lengths)")
    expect_close(again[2], torch.tensor([6, 5]), name="for another batch, the third result (labels)")


pad_batch = Exercise(
    pad_batch,
    verify_pad_batch,
    hints=(
        "Take the rows and the labels apart as `keep_sizes` does. What is the length of the longest row?",
        "Start with `torch.zeros(N, L)`, L being that length, and copy each row into the front of its place.",
        "`padded[i, :len(row)] = row` copies one; `torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)` does all.",
    ),
)


def sample_weights(labels, shares):  # (N,) int64, (K,) float32 -> (N,) float32
    counts = labels.bincount(minlength=len(shares))  # (K,)
    return (shares / counts)[labels]


def verify_sample_weights(attempt):
    labels, shares = torch.tensor([1, 0, 1, 1, 0, 1]), torch.tensor([0.2, 0.8])  # by hand: 0.2 / 2 and 0.8 / 4
    expect_close(
        call(attempt, labels, shares),
        torch.tensor([0.2, 0.1, 0.2, 0.2, 0.1, 0.2]),
        mistakes={
            "each sample has the whole share of its class; divide it among the samples of the class": shares[labels],
            "this makes all classes equal; `shares` says how much of the draws each should get": torch.tensor(
                [0.25, 0.5, 0.25, 0.25, 0.5, 0.25]
            ),
            "this is one weight per class; `[labels]` picks the weight of each sample": torch.tensor([0.1, 0.2]),
            "you multiplied by the size of the class; a larger class must give smaller weights": torch.tensor(
                [3.2, 0.4, 3.2, 3.2, 0.4, 3.2]
            ),
            "you divided by the number of all samples; it takes the number in the same class": shares[labels] / 6,
            "this is upside down: the share belongs above the line": torch.tensor([5.0, 10.0, 5.0, 5.0, 10.0, 5.0]),
        },
        name="for the labels [1, 0, 1, 1, 0, 1] and the shares [0.2, 0.8], your result",
    )
    gap, shares = torch.tensor([2, 0, 2, 2, 2]), torch.tensor([0.6, 0.0, 0.4, 0.0])
    try:
        result = call(attempt, gap, shares)
    except (IndexError, RuntimeError) as error:
        raise AssertionError(
            f"No label in [2, 0, 2, 2, 2] is 1 or 3, and your code fails there: {error}. One count per class, also for "
            "a class without samples, is what `labels.bincount(minlength=len(shares))` gives; `unique` leaves them out."
        ) from None
    expect_close(
        result,
        torch.tensor([0.1, 0.6, 0.1, 0.1, 0.1]),
        name="for the labels [2, 0, 2, 2, 2] and the shares [0.6, 0, 0.4, 0], your result",
    )


sample_weights = Exercise(
    sample_weights,
    verify_sample_weights,
    hints=(
        "Four samples of a class shall have 0.8 together. How much does each of them have?",
        "`labels.bincount()` counts the samples of each class; `shares[labels]` is the share of each sample's class.",
        "With one count per class, `shares[labels] / counts[labels]` is the answer.",
    ),
)


def split_indices(count, val_size, test_size, seed):  # -> (train,), (val,), (test,)
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(count, generator=generator)  # (count,)
    return order.split([count - val_size - test_size, val_size, test_size])


def verify_split_indices(attempt):
    parts = split_checked(attempt, 50, 12, 8, 3)
    positions = sorted(torch.cat(parts).tolist())
    twice = len(positions) - len(set(positions))
    assert twice == 0, (
        f"{twice} indices come twice: the parts overlap, or you drew with replacement. Cut one random order, "
        "`torch.randperm(count)`, into three pieces."
    )
    assert positions == list(range(50)), f"Your indices go from {positions[0]} to {positions[-1]}, expected 0 to 49."
    for part, name in zip(parts, ("train", "validation", "test"), strict=True):
        assert part.max() - part.min() >= len(part), (
            f"Your {name} part is one block of neighbours. If the data are sorted by class, it holds few classes: "
            "choose at random, with `torch.randperm`."
        )
    torch.manual_seed(1)
    state = torch.get_rng_state()
    again = split_checked(attempt, 50, 12, 8, 3)
    assert all(map(torch.equal, parts, again)), (
        "Two calls with the same seed give different parts. Pass a generator with that seed: "
        "`torch.randperm(count, generator=generator)`."
    )
    assert torch.get_rng_state().equal(state), (
        "Your code changes the random numbers of everything else in the program (`torch.manual_seed`). Make a "
        "generator of your own: `torch.Generator().manual_seed(seed)`."
    )
    other = split_checked(attempt, 50, 12, 8, 4)
    assert not all(map(torch.equal, parts, other)), (
        "The seeds 3 and 4 give the same parts. Does the generator get `seed`, or a fixed number?"
    )
    for sizes in [(6, 4, 0), (6, 0, 4)]:
        found = tuple(map(len, split_checked(attempt, 10, sizes[1], sizes[2], 0, expect_sizes=False)))
        assert found == sizes, (
            f"For 10 indices, of which {sizes[1]} for validation and {sizes[2]} for the test, your parts have the "
            f"sizes {found}, expected {sizes}. A size may be 0, and `order[-0:]` is everything: count from the front."
        )


def split_checked(attempt, count, val_size, test_size, seed, expect_sizes=True):
    """Return the three parts, once they are known to be tensors of indices (and of the right sizes)."""
    result = call(attempt, count, val_size, test_size, seed)
    expect_several(result, 3, "Your result", "three tensors: train, validation, test")
    for part, name in zip(result, ("train", "validation", "test"), strict=True):
        assert isinstance(part, torch.Tensor), (
            f"Your {name} part is a {type(part).__name__}, expected a tensor. "
            "`torch.tensor(...)` makes one from a list of indices."
        )
        assert part.ndim == 1, f"Your {name} part has shape {tuple(part.shape)}, expected one dimension of indices."
        advice = "" if len(part) else " `torch.tensor([])` is float32, as nothing in it says otherwise."
        assert part.dtype == torch.int64, (
            f"Your {name} part of size {len(part)} has dtype {part.dtype}, expected torch.int64 for indices.{advice}"
        )
    found, wanted = tuple(map(len, result)), (count - val_size - test_size, val_size, test_size)
    if expect_sizes:
        assert found == wanted, (
            f"Your parts have the sizes {found}, expected {wanted}: train, validation, test, in this order."
        )
    return result


split_indices = Exercise(
    split_indices,
    verify_split_indices,
    hints=(
        "One random order of all indices, cut twice, cannot overlap.",
        "`torch.randperm(count, generator=generator)` is that order, and its generator gets the seed.",
        "`order.split([a, b, c])` cuts it into three parts of these sizes; slices do it, too.",
    ),
)


class Pictures(Dataset):  # images (N, H, W) uint8, labels (N,) -> samples (1, H, W), ()
    def __init__(self, images, labels):
        self.images, self.labels = images, labels

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return self.images[index].unsqueeze(0) / 255, self.labels[index]

    def __getitems__(self, indices):
        images = self.images[indices].unsqueeze(1) / 255  # (B, 1, H, W)
        return list(zip(images, self.labels[indices], strict=True))


CONVERSIONS = {"to", "float", "type", "div", "truediv", "divide", "true_divide", "mul", "multiply", "rmul"}


class Conversions(TorchFunctionMode):
    """Notes how many values each conversion gets that the code in its `with` block makes."""

    def __init__(self):
        super().__init__()
        self.sizes = []

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if getattr(function, "__name__", "").strip("_") in CONVERSIONS:
            self.sizes.append(max((value.numel() for value in args if isinstance(value, torch.Tensor)), default=0))
        return function(*args, **(kwargs or {}))


def verify_pictures(attempt):
    images = torch.arange(0, 240, 10, dtype=torch.uint8).reshape(4, 2, 3)
    labels = torch.tensor([5, 6, 7, 8])
    assert hasattr(attempt, "__getitems__"), "Your class has no method `__getitems__`, with an s."
    pictures = attempt(images.clone(), labels.clone())
    indices = [3, 0, 3]
    result = pictures.__getitems__(list(indices))
    assert not (isinstance(result, tuple | list) and list(map(type, result)) == [torch.Tensor] * 2), (
        "Your result is a pair of two tensors, expected a list of samples: (image, label), (image, label), ... "
        "`list(zip(images, labels))` makes one of the other; to collate comes later."
    )
    assert isinstance(result, list), (
        f"`__getitems__` returns {describe(result)}, expected a list of samples."
        f"{' Is a `return` missing?' if result is None else ' `list(zip(images, labels))` makes one.'}"
    )
    converted = images[indices].float().unsqueeze(1) / 255
    expected = list(zip(converted, labels[indices], strict=True))
    expect_close(
        result,
        expected,
        mistakes={
            "divide by 255: the values are to go from 0 to 1": [(image * 255, label) for image, label in expected],
            "the images are still bytes; divide by 255": [(images[i].unsqueeze(0), labels[i]) for i in indices],
            "the dimension of the channel is missing: `unsqueeze(1)` makes (B, 1, H, W) of (B, H, W)": [
                (image[0], label) for image, label in expected
            ],
            "each index once, and in the order of `indices`": [expected[1], expected[0]],
            "these are the first samples; `indices` says which ones": [
                (images[i].unsqueeze(0) / 255, labels[i]) for i in range(3)
            ],
            "these are all samples; `indices` says which ones": [
                (images[i].unsqueeze(0) / 255, labels[i]) for i in range(4)
            ],
            "labels stay tensors, as in `__getitem__`": [(image, int(label)) for image, label in expected],
            "`unsqueeze(0)` adds a dimension in front of the batch; the channel comes after it, `unsqueeze(1)`": [
                (converted.squeeze(1), labels[3])
            ],
        },
        name="for the indices [3, 0, 3], your result",
    )
    with Conversions() as few:
        pictures.__getitems__([0, 1])
    with Conversions() as many:
        pictures.__getitems__([0, 1, 2, 3, 2, 1])
    assert len(few.sizes) == len(many.sizes), (
        f"The samples are right, but they are converted one by one: {len(few.sizes)} operations for two samples, "
        f"{len(many.sizes)} for six. Index once, `self.images[indices]`, and divide the whole batch."
    )
    assert max(few.sizes, default=0) <= images[:2].numel(), (
        "The samples are right, but all images of the data set are converted for a batch of two. Choose first, "
        "`self.images[indices]`, and divide only these."
    )
    expect_close(count_samples(pictures), 4, name="the length for four images")
    expect_close(
        pictures[1], (images[1].float().unsqueeze(0) / 255, labels[1]), name="sample number 1 of `__getitem__`"
    )


Pictures = Exercise(
    Pictures,
    verify_pictures,
    hints=(
        "A tensor can be indexed by a list: `self.images[indices]` has shape (B, H, W).",
        "The channel is the second dimension now: `unsqueeze(1)` gives (B, 1, H, W). Then divide all of it by 255.",
        "`list(zip(images, self.labels[indices], strict=True))` is the list of samples.",
    ),
)


def can_be_sent(thing):  # any object -> bool
    try:
        pickle.dumps(thing)
    except Exception:
        return False
    return True


def verify_can_be_sent(attempt):
    def local():
        return 0

    things = {
        "a list": ([1, 2], True),
        "a tensor": (torch.arange(3), True),
        "a `TensorDataset`": (TensorDataset(torch.arange(3)), True),
        "the function `len`": (len, True),
        "a `lambda`": (lambda label: label + 1, False),
        "a function inside a function": (local, False),
        "a list with a `lambda` in it": ([1, lambda label: label + 1], False),
        "a generator, `(n for n in [1])`": ((n for n in [1]), False),
        "`iter(dataloader)`": (iter(DataLoader(TensorDataset(torch.arange(1)))), False),
        "None": (None, True),
    }
    for name, (thing, expected) in things.items():
        try:
            result = attempt(thing)
        except Exception as error:
            if not is_from_pickle(error, thing):
                raise
            raise AssertionError(
                f"For {name} your code stops with {type(error).__name__}: {error}. Pickle raises several kinds of "
                "errors; `except Exception:` catches them all, and False is the answer then."
            ) from None
        assert not isinstance(result, bytes), (
            f"For {name} your result is the bytes themselves, expected True: that there are bytes is all you need."
        )
        expect_close(
            result,
            expected,
            mistakes={
                "it can be pickled: `pickle.dumps`, with an s, returns bytes for it": False,
                "it cannot be pickled: `pickle.dumps` raises an error for it": True,
            },
            name=f"your result for {name}",
        )


def is_from_pickle(error, thing):
    """Return whether pickling `thing` raises an error like this one."""
    try:
        pickle.dumps(thing)
    except Exception as own:
        return type(own) is type(error) and str(own) == str(error)
    return False


can_be_sent = Exercise(
    can_be_sent,
    verify_can_be_sent,
    hints=(
        "Try it: `pickle.dumps(thing)` returns bytes, or raises an error.",
        "Put the call into `try:`, and `return False` into `except Exception:`. What is left for the end?",
    ),
)


def make_dataloaders(dataset, labels, val_size, batch_size, seed):  # -> train, val
    generator = torch.Generator().manual_seed(seed)
    sizes = [len(dataset) - val_size, val_size]
    train_part, val_part = random_split(dataset, sizes, generator=generator)

    train_labels = labels[train_part.indices]
    weights = 1 / train_labels.bincount()[train_labels]
    sampler = WeightedRandomSampler(weights, len(weights), generator=generator)

    train_dataloader = DataLoader(train_part, batch_size=batch_size, sampler=sampler)
    val_dataloader = DataLoader(val_part, batch_size=batch_size)
    return train_dataloader, val_dataloader


def verify_make_dataloaders(attempt):
    labels = torch.tensor([0] * 90 + [1] * 30)
    dataset = TensorDataset(torch.arange(120), labels)

    def make(seed):
        result = call(attempt, dataset, labels, 24, 10, seed)
        expect_several(result, 2, "Your result", "two DataLoaders, `train_dataloader, val_dataloader`")
        for dataloader in result:
            kind = type(dataloader).__name__
            assert isinstance(dataloader, DataLoader), f"One of your two results is a {kind}, expected a DataLoader."
        return result

    train_dataloader, val_dataloader = make(3)
    validation = list_positions(val_dataloader)
    expect_validation(val_dataloader, validation)
    draws = [list_positions(train_dataloader) for _ in range(10)]
    expect_training(train_dataloader, draws, validation, labels)
    expect_reproducible(make)


def list_positions(dataloader):
    """Return the positions in the data set of what one pass over `dataloader` gives."""
    try:
        return torch.cat([positions for positions, _ in dataloader]).tolist()
    except IndexError:
        raise AssertionError(
            "A sampler chooses samples that its part does not have. A sampler's positions are those in the part: "
            "compute the weights from the labels of the training part alone, `labels[train_part.indices]`."
        ) from None


def expect_validation(dataloader, positions):
    """Raise AssertionError unless the 24 validation samples come once each, in a fixed order, in tens."""
    assert len(positions) != 96, (
        "Your second loader has 96 samples, as the first should: the training loader comes first, then validation."
    )
    assert len(positions) == 24, (
        f"One pass over the validation loader gives {len(positions)} samples, expected 24: everyone, once "
        "(without `drop_last`)."
    )
    assert len(set(positions)) == 24, (
        f"The validation loader repeats samples: {len(set(positions))} of 24 are different. It gets no sampler: the "
        "images that you measure with keep their true shares."
    )
    assert list_positions(dataloader) == positions, (
        "Two passes over the validation loader differ in their order. Leave `shuffle` out there."
    )
    assert set(positions) not in (set(range(24)), set(range(96, 120))), (
        "Your validation part is one block of the data set, and the data may be sorted by class. `random_split` "
        "chooses at random."
    )
    sizes = [len(batch) for batch, _ in dataloader]
    assert sizes == [10, 10, 4], (
        f"The first validation batches have the sizes {sizes[:3]}, expected [10, 10, 4]. Does `batch_size` arrive?"
    )


def expect_training(dataloader, draws, validation, labels):
    """Raise AssertionError unless each pass draws 96 training samples, half of them from each class."""
    everything = [position for positions in draws for position in positions]
    leaked = set(everything) & set(validation)
    assert not leaked, (
        f"{len(leaked)} of the 24 validation samples come from the training loader, too. Give it the training part, "
        "not the whole data set."
    )
    assert len(draws[0]) == 96, (
        f"One pass over the training loader gives {len(draws[0])} samples, expected 96, the size of its part."
    )
    assert len(set(draws[0])) < 96, (
        "The training loader gives each sample exactly once, so the classes are as unequal as before. Give it a "
        "`WeightedRandomSampler`, which draws with replacement."
    )
    assert len(set(everything)) > 10, (
        f"In ten passes the training loader gives {len(set(everything))} different samples, always the same ones. The "
        "sampler takes one weight for each sample, not for each class: `(1 / counts)[labels]`."
    )
    share = Counter(labels[everything].tolist())[1] / len(everything)
    assert 0.4 < share < 0.6, (
        f"{share:.0%} of the training samples drawn are of class 1, expected about half. The weights are "
        "`1 / counts[labels]`, counts and labels being those of the training part: `labels[train_part.indices]`."
    )
    sizes = [len(batch) for batch, _ in dataloader]
    assert max(sizes) == 10, f"The first training batches have the sizes {sizes[:3]}, expected [10, 10, 10]."


def expect_reproducible(make):
    """Raise AssertionError unless the seed, and nothing else, decides on the parts and on what is drawn."""
    passes = []
    for outside, seed in [(1, 3), (2, 3), (2, 4)]:
        torch.manual_seed(outside)  # what happens elsewhere in the program
        state = torch.get_rng_state()
        train_dataloader, val_dataloader = make(seed)
        untouched = torch.get_rng_state().equal(state)
        torch.manual_seed(outside)
        passes.append((list_positions(train_dataloader), list_positions(val_dataloader)))
    (train, val), (same_train, same_val), (_, other_val) = passes
    assert val == same_val, (
        "The same seed gives different validation parts when random numbers were drawn elsewhere before. Pass a "
        "generator with that seed to `random_split`."
    )
    assert train == same_train, (
        "The same seed gives the same parts, but other training samples are drawn. The sampler needs a generator, too: "
        "`WeightedRandomSampler(..., generator=generator)`."
    )
    assert sorted(val) != sorted(other_val), "The seeds 3 and 4 give the same validation part. Does `seed` arrive?"
    assert untouched, (
        "Your code changes the random numbers of everything else in the program (`torch.manual_seed`). Make a "
        "generator of your own: `torch.Generator().manual_seed(seed)`."
    )


make_dataloaders = Exercise(
    make_dataloaders,
    verify_make_dataloaders,
    hints=(
        "Four steps: split, weights of the training part, its sampler, two loaders. Each has a cell above.",
        "The weights come from `labels[train_part.indices]`, so that position i of the part has weight number i.",
        "One `torch.Generator().manual_seed(seed)` can serve `random_split` and `WeightedRandomSampler`.",
    ),
)
