"""The exercises of notebook 02, data sets and loaders."""

import itertools
import pickle
import struct
import tempfile
import threading
from collections import Counter
from functools import partial
from pathlib import Path
from unittest import mock

import pandas as pd
import torch
from torch.nn.utils.rnn import pad_sequence
from torch.overrides import TorchFunctionMode
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    Subset,
    TensorDataset,
    WeightedRandomSampler,
    random_split,
)

from tutorial_utils.exercises.cases import case, run
from tutorial_utils.exercises.compare import Words, find_difference, name_type
from tutorial_utils.exercises.exercise import exercise
from tutorial_utils.exercises.observe import changed, kind_of, take_apart
from tutorial_utils.exercises.rules import keeps_arguments, keeps_random_state, random_states


def without_loader(advice):
    """Expect, as a rule, that no DataLoader makes the batches."""

    def refuse(*args, **kwargs):
        raise AssertionError(f"A DataLoader of PyTorch does the work here. {advice}")

    def rule(attempt, problem):
        with mock.patch.object(BatchSampler, "__init__", refuse):
            run(problem, attempt, problem.cases[0])

    return rule


class OneByOne(Dataset):
    """Pairs, one at a time: a list or a slice of indices is an error, as for a folder of files."""

    def __init__(self, rows, labels):
        self.rows, self.labels = rows, labels

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        if not hasattr(index, "__index__"):
            raise TypeError(f"this data set takes one index at a time, a whole number, and got {name_type(index)}")
        return self.rows[index], self.labels[index]


# -------------------------------------------------------------------------------------------------------------- Dataset


def windows_of(attempt, series, size):
    """Observe the length and, once it is right, each sample, and what is behind the last one."""
    assert hasattr(attempt, "__len__"), "Your class has no method `__len__` (two underscores on each side)."
    windows = attempt(series, size)
    samples = len(series) - size
    seen = {"`len(windows)`": windows.__len__()}
    if seen["`len(windows)`"] != samples:
        return seen
    for index in range(samples):
        name = f"`windows[{index}]`"
        try:
            sample = windows[index]
        except IndexError as error:
            seen[name] = Words(f"an IndexError ({error})")
        else:
            seen |= take_apart(sample, name, "a pair", f"the window of {name}", f"the label of {name}")
    beyond = f"`windows[{samples}]`, which is beyond the end,"
    try:
        windows[samples]
    except Exception as error:
        return seen | {beyond: Words(name_type(error))}
    return seen | {beyond: Words("no error")}


@exercise(
    hints=(
        "Write down all samples of the example by hand. What is the position of each label?",
        "Number `index` is the slice from `index` to `index + size`, and its label stands at `index + size`.",
        "The last label stands at `len(series) - 1`, so the last index is `len(series) - 1 - size`.",
    ),
    observe=windows_of,
)
class Windows(Dataset):  # series (T,), size -> samples (size,), ()
    def __init__(self, series, size):
        self.series, self.size = series, size

    def __len__(self):
        return len(self.series) - self.size

    def __getitem__(self, index):
        return self.series[index : index + self.size], self.series[index + self.size]


Windows.example(
    torch.tensor([3.0, 1.0, 4.0, 1.5, 5.0]),
    2,
    gives={
        "`len(windows)`": 3,
        "the window of `windows[0]`": torch.tensor([3.0, 1.0]),
        "the label of `windows[0]`": torch.tensor(4.0),
        "the window of `windows[2]`": torch.tensor([4.0, 1.5]),
        "the label of `windows[2]`": torch.tensor(5.0),
        "`windows[3]`, which is beyond the end,": Words("an IndexError"),
    },
)


@Windows.inputs
def series():
    for values, size in (6, 2), (6, 1), (4, 3), (2, 1), (9, 4):
        yield torch.randn(values), size
    yield torch.arange(10, 17), 3
    yield torch.tensor([2.0, 2.0, 2.0, -1.0, -1.0], dtype=torch.float64), 2


def windows_by(choose=None, length=lambda count, size: count - size):
    """Return a mistaken class, whose samples are `choose(series, size, index)`, and whose length is another."""
    item = Windows.answer.__getitem__ if choose is None else lambda self, i: choose(self.series, self.size, i)
    return changed(Windows.answer, __getitem__=item, __len__=lambda self: length(len(self.series), self.size))


Windows.mistakes(
    {
        "2 is the size of the example; use `size`": windows_by(lambda x, size, i: (x[i : i + 2], x[i + 2])),
        "your windows stand side by side; they overlap: each starts one value after the one before": windows_by(
            length=lambda count, size: (count - 1) // size
        ),
        "the last of these windows has no value after it that could be its label": windows_by(
            length=lambda count, size: count - size + 1
        ),
        "that is the length of the series; the last windows would reach beyond its end": windows_by(
            length=lambda count, size: count
        ),
        "the last window, whose label is the last value, is left out": windows_by(
            length=lambda count, size: count - size - 1
        ),
        "windows overlap, so there are more of them: each starts one value after the one before": windows_by(
            length=lambda count, size: count // size
        ),
        "windows overlap; sample 1 starts at position 1 and not at `size`": windows_by(
            lambda x, size, i: (x[i * size : (i + 1) * size], x[(i + 1) * size])
        ),
        "that is the last value of the window; the value after it is at `index + size`": windows_by(
            lambda x, size, i: (x[i : i + size], x[i + size - 1])
        ),
        "that comes one value too late; the value after the window is at `index + size`": windows_by(
            lambda x, size, i: (x[i : i + size], x[i + size + 1])
        ),
        "that is the last value of the series; each window has a label of its own, at `index + size`": windows_by(
            lambda x, size, i: (x[i : i + size], x[-1])
        ),
        "your window holds its own label; a slice leaves out its end, so `index + size` is the end": windows_by(
            lambda x, size, i: (x[i : i + size + 1], x[i + size])
        ),
        "your window is one value short; a slice leaves out its end, so `index + size` is the end": windows_by(
            lambda x, size, i: (x[i : i + size - 1], x[i + size])
        ),
        "your window begins one value too late; sample 0 begins at position 0": windows_by(
            lambda x, size, i: (x[i + 1 : i + size + 1], x[i + size])
        ),
        "your window and its label come one value too late; sample 0 begins at position 0": windows_by(
            lambda x, size, i: (x[i + 1 : i + size + 1], x[i + size + 1])
        ),
        "a slice goes from a start to an end, and both move: `index` to `index + size`": windows_by(
            lambda x, size, i: (x[i:size], x[i + size])
        ),
        "that is sample 0 again; use `index`": windows_by(lambda x, size, i: (x[:size], x[size])),
        "a slice gives a tensor of shape (1,); one index, `series[index + size]`, gives the value": windows_by(
            lambda x, size, i: (x[i : i + size], x[i + size : i + size + 1])
        ),
        "the window comes first, and then its label": windows_by(lambda x, size, i: (x[i + size], x[i : i + size])),
        "a `for` loop over these windows would never end": windows_by(
            lambda x, size, i: (x[i % (len(x) - size) :][:size], x[i % (len(x) - size) + size])
        ),
    }
)


# ----------------------------------------------------------------------------------------------------------- DataLoader


@exercise(
    hints=(
        "How many full batches are there, and how many examples are left over?",
        "`divmod(10, 4)` is `(2, 2)`: 2 full batches, 2 left over. Which of the four cases adds one to the full ones?",
    ),
    rules=(without_loader("Find the number by arithmetic alone: `examples // batch_size` is how many are full."),),
)
def count_batches(examples, batch_size, drop_last):  # int, int, bool -> int
    full, rest = divmod(examples, batch_size)
    return full if drop_last or rest == 0 else full + 1


count_batches.example(10, 4, False, gives=3)  # 4 + 4 + 2
count_batches.example(10, 4, True, gives=2)
count_batches.example(8, 4, False, gives=2)  # 4 + 4
count_batches.example(8, 4, True, gives=2)


@count_batches.inputs
def sizes_of_passes():
    yield from itertools.product((5, 11, 3, 1, 0, 7, 12), (4, 3, 1, 12), (False, True))
    yield from itertools.product((60_000,), (64, 128, 100_000), (False, True))


def rounded_up(examples, batch_size):
    return -(-examples // batch_size)


count_batches.mistakes(
    {
        "4 is the size of the example; use `batch_size`": lambda n, size, drop: count_batches.answer(n, 4, drop),
        "one was added to the full batches, whatever is left over and whatever `drop_last` is": (
            lambda n, size, drop: n // size + 1
        ),
        "True and False of `drop_last` have changed places": (
            lambda n, size, drop: rounded_up(n, size) if drop else n // size
        ),
        "`/` gives a fraction; `//` divides and rounds down to a whole number": lambda n, size, drop: n / size,
        "what is left over makes one more batch, a short one": lambda n, size, drop: n // size,
        "`round` goes up or down to the nearest whole number; a short batch counts as one however short it is": (
            lambda n, size, drop: n // size if drop else round(n / size)
        ),
        "that is upside down: divide `examples` by `batch_size`": lambda n, size, drop: size // n,
        "that is how many examples are left over; `//` says how many batches are full": (
            lambda n, size, drop: n % size
        ),
        "each example that is left over was added; together they make one batch": (
            lambda n, size, drop: n // size + (0 if drop else n % size)
        ),
        "`drop_last=True` leaves the short batch out": lambda n, size, drop: rounded_up(n, size),
        "no example is left over, so there is no short batch to add": lambda n, size, drop: n // size + (not drop),
        "no example is left over, so there is no short batch to drop": lambda n, size, drop: rounded_up(n, size) - drop,
        "a single example that is left over makes a batch, too": (
            lambda n, size, drop: n // size + (not drop and n % size > 1)
        ),
        "a batch that is not full is dropped, even if it is the only one": (
            lambda n, size, drop: max(1, count_batches.answer(n, size, drop))
        ),
    }
)


def batches_of(attempt, *inputs):
    """Observe the number of batches, and each of them."""
    batches = attempt(*inputs)
    if not isinstance(batches, list):
        pair = isinstance(batches, tuple) and len(batches) == 2 and isinstance(batches[0], torch.Tensor)
        found = "a pair of tensors, which is one batch" if pair else kind_of(batches)
        return {"your result": None if batches is None else Words(found)}
    seen = {"your result": Words("a list of batches"), "the number of batches": len(batches)}
    for number, batch in enumerate(batches):
        name = f"batch {number}"
        seen |= take_apart(batch, name, "a pair", f"`rows` of {name}", f"`labels` of {name}")
    return seen


@exercise(
    hints=(
        "Choose, fetch, collate: the cell that made one batch by hand, inside a loop over the starts.",
        "`order[start : start + batch_size]` chooses; at the end of the list, a slice is short without an error.",
        "`rows, labels = zip(*samples, strict=True)` turns pairs into rows and labels; `torch.stack` joins each.",
    ),
    observe=batches_of,
    rules=(keeps_arguments, without_loader("Choose, fetch and collate by hand.")),
)
def make_batches(dataset, order, batch_size):  # -> [((B, D), (B,)), ...]
    batches = []
    for start in range(0, len(order), batch_size):
        samples = [dataset[index] for index in order[start : start + batch_size]]
        rows, labels = zip(*samples, strict=True)
        batches.append((torch.stack(rows), torch.stack(labels)))  # (B, D), (B,)
    return batches


class Students(OneByOne):
    """Named as in the notebook."""


hours = torch.tensor([[2.0, 8.0], [6.0, 7.0], [9.0, 4.0], [4.0, 6.0], [8.0, 8.0]])
passed = torch.tensor([0, 1, 1, 0, 1])

make_batches.example(
    Students(hours, passed),
    [2, 0, 4],
    2,
    gives={
        "the number of batches": 2,
        "`rows` of batch 0": torch.tensor([[9.0, 4.0], [2.0, 8.0]]),
        "`labels` of batch 0": torch.tensor([1, 0]),
        "`rows` of batch 1": torch.tensor([[8.0, 8.0]]),
        "`labels` of batch 1": torch.tensor([1]),
    },
)


@make_batches.inputs
def orders():
    for order, batch_size in ([4, 0, 3, 2, 1], 2), ([3, 1, 4, 2], 2), ([2, 4], 3), ([1, 1, 3], 1), ([], 2):
        yield Students(hours, passed), order, batch_size
    yield OneByOne(torch.randn(12, 1), torch.arange(12)), torch.randperm(12).tolist(), 3
    yield OneByOne(torch.randn(3, 4, dtype=torch.float64), torch.randn(3)), [2, 2, 0, 1, 0, 2, 1, 1], 3


def cut(order, size):
    return [order[start : start + size] for start in range(0, len(order), size)]


def stack(samples):
    rows, labels = zip(*samples, strict=True)
    return torch.stack(rows), torch.stack(labels)


def batches_by(choose, collate=stack):
    """Return a mistaken `make_batches`, of the indices that `choose` gives for each batch."""
    return lambda dataset, order, size: [
        collate([dataset[i] for i in chosen]) for chosen in choose(dataset, order, size)
    ]


def collated_by(collate):
    """Return a mistaken `make_batches` that collates rows and labels in another way."""
    return batches_by(
        lambda dataset, order, size: cut(order, size), lambda samples: collate(*zip(*samples, strict=True))
    )


make_batches.mistakes(
    {
        "2 is the size of the example; use `batch_size`": batches_by(lambda dataset, order, size: cut(order, 2)),
        "your batches hold the first samples of the data set; `order` says which index comes when": batches_by(
            lambda dataset, order, size: cut(range(len(order)), size)
        ),
        "your batches go through the whole data set; `order` says which indices come, and when": batches_by(
            lambda dataset, order, size: cut(range(len(dataset)), size)
        ),
        "the starts run to the length of the data set, and not to that of `order`": batches_by(
            lambda dataset, order, size: [order[i : i + size] for i in range(0, len(dataset), size)]
        ),
        "the last batch is missing, even where it is full": batches_by(
            lambda dataset, order, size: [order[i : i + size] for i in range(0, len(order) - size, size)]
        ),
        "the short last batch is missing": batches_by(
            lambda dataset, order, size: cut(order[: len(order) // size * size], size)
        ),
        "only the first batch is there; does a `return` stand inside the loop?": batches_by(
            lambda dataset, order, size: cut(order, size)[:1]
        ),
        "only the last batch is there; does the `append` stand inside the loop?": batches_by(
            lambda dataset, order, size: cut(order, size)[-1:]
        ),
        "a batch holds the samples of those before it, too; begin with empty lists for each batch": batches_by(
            lambda dataset, order, size: [order[: i + size] for i in range(0, len(order), size)]
        ),
        "batches overlap; each starts `batch_size` after the one before": batches_by(
            lambda dataset, order, size: [order[i : i + size] for i in range(len(order))]
        ),
        "`batch_size` is the number of samples in a batch, and not the number of batches": batches_by(
            lambda dataset, order, size: cut(order, max(1, len(order) // size))
        ),
        "the indices are sorted; take them as they come in `order`": batches_by(
            lambda dataset, order, size: cut(sorted(order), size)
        ),
        "an index that comes twice in `order` comes twice in the batches": batches_by(
            lambda dataset, order, size: cut(list(dict.fromkeys(order)), size)
        ),
        "`order` is gone through from its end": batches_by(lambda dataset, order, size: cut(order[::-1], size)),
        "`torch.tensor` makes a tensor of numbers; `torch.stack` joins tensors": collated_by(
            lambda rows, labels: (torch.tensor(rows), torch.tensor(labels))
        ),
        "`cat` joins the rows to one long row; `stack` puts them below each other": collated_by(
            lambda rows, labels: (torch.cat(rows), torch.stack(labels))
        ),
        "`cat` joins along a dimension that is there, and a label has none; `stack` makes a new one": collated_by(
            lambda rows, labels: (torch.stack(rows), torch.cat(labels))
        ),
        "the samples are stacked along dimension 1; a batch has one row for each sample": collated_by(
            lambda rows, labels: (torch.stack(rows, dim=1), torch.stack(labels))
        ),
        "the rows come first, then the labels": collated_by(
            lambda rows, labels: (torch.stack(labels), torch.stack(rows))
        ),
        "the rows and the labels are entries of the list one by one; `append((rows, labels))` adds a pair": (
            lambda *inputs: [tensor for batch in make_batches.answer(*inputs) for tensor in batch]
        ),
        "these are the samples of each batch; collating them is still to come": batches_by(
            lambda dataset, order, size: cut(order, size), list
        ),
        "these are the indices of each batch; fetching and collating the samples is still to come": (
            lambda dataset, order, size: cut(order, size)
        ),
    }
)


@make_batches.mistake("that is the first batch alone; does the `return` stand inside the loop?")
def return_the_first_batch(dataset, order, batch_size):
    return next(iter(make_batches.answer(dataset, order, batch_size)), None)


@make_batches.mistake("that is the last batch alone; collect all of them in a list")
def return_the_last_batch(dataset, order, batch_size):
    return make_batches.answer(dataset, order, batch_size)[-1]


# -------------------------------------------------------------------------------------------------------- Fashion-MNIST


@exercise(
    hints=(
        "`content[3]` is the number of dimensions, already as a number. Where does the first size begin?",
        "The sizes are `content[4:8]`, `content[8:12]` and so on, one slice for each dimension.",
        'Size number i is `int.from_bytes(content[4 + 4 * i : 8 + 4 * i], "big")`.',
    ),
)
def read_shape(content):  # bytes of an IDX file -> (size, ...)
    dimensions = content[3]
    ends = range(8, 8 + 4 * dimensions, 4)  # where each size ends
    return tuple(int.from_bytes(content[end - 4 : end], "big") for end in ends)


read_shape.example(
    bytes([0, 0, 8, 1, 0, 0, 234, 96]) + bytes(60_000),
    gives=(60_000,),  # 234 × 256 + 96
    name="for a file of 60,000 labels",
)


@read_shape.inputs
def idx_files():
    for sizes in (300, 2, 3), (70_000,), (12,), (5, 3, 2, 4), (20, 30), (1, 1, 1), (258, 1, 2), (4, 0, 0x01020304):
        values = bytes(n % 256 for n in range(7, 7 + 20))  # more than any header needs
        header = struct.pack(f">4B{len(sizes)}I", 0, 0, 8, len(sizes), *sizes)
        shape = " × ".join(f"{size:,}" for size in sizes)
        yield case(header + values + bytes(max(0, torch.Size(sizes).numel() - 20)), name=f"for a file of shape {shape}")
    header = struct.pack(">4B2I", 0, 0, 13, 2, 3, 5)  # 4 bytes for each value
    yield case(header + struct.pack(">15f", *range(15)), name="for a file of shape 3 × 5, of float32,")


def sizes_by(read, dimensions=lambda content: content[3]):
    """Return a mistaken `read_shape` that reads each size, or how many there are, in another way."""
    return lambda content: tuple(read(content, i) for i in range(dimensions(content)))


def size_at(content, start, stop=4, order="big"):
    return int.from_bytes(content[start : start + stop], order)


read_shape.mistakes(
    {
        "three sizes were read; `content[3]` says how many there are": sizes_by(
            lambda content, i: size_at(content, 4 + 4 * i), lambda content: 3
        ),
        'the first byte counts most, which is `int.from_bytes(..., "big")`': sizes_by(
            lambda content, i: size_at(content, 4 + 4 * i, order="little")
        ),
        "the first four bytes are no size: they hold the type and the number of dimensions": sizes_by(
            lambda content, i: size_at(content, 4 * i)
        ),
        "the sizes begin at byte 4; the first one is skipped": sizes_by(lambda content, i: size_at(content, 8 + 4 * i)),
        "only the last byte of each size was read; all four belong to it, and 60,000 is 234 × 256 + 96": sizes_by(
            lambda content, i: content[7 + 4 * i]
        ),
        "only the first byte of each size was read; all four belong to it": sizes_by(
            lambda content, i: content[4 + 4 * i]
        ),
        "only the last two bytes of each size were read; all four belong to it": sizes_by(
            lambda content, i: size_at(content, 6 + 4 * i, 2)
        ),
        "only the first three bytes of each size were read; a slice leaves out its end": sizes_by(
            lambda content, i: size_at(content, 4 + 4 * i, 3)
        ),
        "your slices move on by one byte; the sizes begin at 4, 8, 12 and so on": sizes_by(
            lambda content, i: size_at(content, 4 + i)
        ),
        "the four bytes were added up; each counts 256 times the one behind it": sizes_by(
            lambda content, i: sum(content[4 + 4 * i : 8 + 4 * i])
        ),
        "these are single bytes; four of them make one size": lambda content: tuple(content[4 : 4 + 4 * content[3]]),
        'these are bytes; `int.from_bytes(four, "big")` makes a number of four of them': sizes_by(
            lambda content, i: content[4 + 4 * i : 8 + 4 * i]
        ),
        "the sizes stand in the order of the dimensions": lambda content: read_shape.answer(content)[::-1],
        "the number of dimensions is no size": lambda content: (content[3], *read_shape.answer(content)),
        "the last size is missing": lambda content: read_shape.answer(content)[:-1],
        "one number too many was read, out of the values": sizes_by(
            lambda content, i: size_at(content, 4 + 4 * i), lambda content: content[3] + 1
        ),
        "byte 2 is the type of the values; the number of dimensions is `content[3]`": sizes_by(
            lambda content, i: size_at(content, 4 + 4 * i), lambda content: content[2]
        ),
        "the first size came back alone; does the `return` stand inside the loop?": (
            lambda content: read_shape.answer(content)[0]
        ),
        "a tuple with one entry needs a comma, `(12,)`, or `tuple(...)` of a list": (
            lambda content: read_shape.answer(content) if content[3] > 1 else read_shape.answer(content)[0]
        ),
    }
)


# ------------------------------------------------------------------------------------------------------ your own images


def labels_of(attempt, text):
    """Observe the result for a file of this text."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "labels.csv"
        path.write_bytes(text.encode())
        return {"your result": attempt(path)}


@exercise(
    hints=(
        "What does `read_csv` do with the first line, unless you say otherwise?",
        "Without a header, pandas numbers the columns: `table[1]` is the second one.",
        "`table[1].tolist()` is a list of whole numbers, and `torch.tensor` makes a tensor of it.",
    ),
    observe=labels_of,
)
def read_labels(path):  # a CSV file without a header -> (N,) int64
    table = pd.read_csv(path, header=None)
    return torch.tensor(table[1].tolist())


read_labels.example("a.png,7\nb.png,0\n", gives=torch.tensor([7, 0]), name="for the lines `a.png,7` and `b.png,0`")


@read_labels.inputs
def tables():
    text = "00412.png,7\n00007.png,0\n01500.png,7\n00093.png,2\n"
    yield case(text, name="for a file of 4 lines, whose labels are 7, 0, 7 and 2")
    yield case("x.png,12\ny.png,345\nz.png,-6", name="for labels of 12, 345 and -6, without a line break at the end")
    yield case("a.png,4\n", name="for a file of one line")
    yield case("b 1.png,16777217\na 2.png,3\n", name="for a label of 16,777,217")
    lines = [f"{n}.png,{label}\n" for n, label in enumerate(torch.randint(10, (70,)).tolist())]
    yield case("".join(lines), name="for a file of 70 lines")


def read_table(path):
    return pd.read_csv(path, header=None)


read_labels.mistakes(
    {
        "the first line is missing, and it is a sample, too: `header=None` says that there is no header": (
            lambda path: torch.tensor(pd.read_csv(path).iloc[:, 1].to_numpy())
        ),
        "the first line is missing; the file has no header, so say `header=None`": (
            lambda path: torch.tensor(pd.read_csv(path).iloc[:, 1].tolist())
        ),
        "without `header=None`, the first line gives the names of the columns, and none of them is 1": (
            lambda path: torch.tensor(pd.read_csv(path)[1].tolist())
        ),
        "the last line is missing": lambda path: read_labels.answer(path)[:-1],
        "a label that comes twice is there twice; `unique` keeps one": (
            lambda path: torch.tensor(read_table(path)[1].unique())
        ),
        "these are the numbers in the names of the files; the labels are in the second column": (
            lambda path: torch.tensor([int("".join(filter(str.isdigit, name))) for name in read_table(path)[0]])
        ),
        "these are texts, and a tensor holds numbers: the labels are in column 1, and `int(...)` makes a number": (
            lambda path: torch.tensor(read_table(path)[0].tolist())
        ),
        "the table has the names, too, and a tensor has numbers alone; choose column 1": (
            lambda path: torch.tensor(read_table(path).values)
        ),
        "only the last character was read; a label may have several digits": (
            lambda path: torch.tensor([int(line[-1]) for line in path.read_text().splitlines()])
        ),
        "that is a Series of pandas; `.tolist()` makes a list of it, and `torch.tensor(...)` a tensor": (
            lambda path: read_table(path)[1]
        ),
        "`table[[1]]` is a table of one column; `table[1]` is the column, in one dimension": (
            lambda path: torch.tensor(read_table(path)[[1]].values)
        ),
        "a single label has the shape (1,) still; `squeeze()` and `np.loadtxt` drop this dimension": (
            lambda path: torch.tensor(read_table(path)[[1]].values).squeeze()
        ),
        "float32 has about seven digits, and a larger number loses its last ones on the way": (
            lambda path: torch.tensor(read_table(path)[1].tolist(), dtype=torch.float32).long()
        ),
    }
)


# --------------------------------------------------------------------------------------------------------- collate_fn

ROWS, LENGTHS, LABELS = "the first result (rows)", "the second result (lengths)", "the third result (labels)"


def padded_by(attempt, samples):
    """Observe the rows and, once they are right, the lengths and the labels."""
    rows = pad_sequence([row for row, _ in samples], batch_first=True)
    result = attempt(samples)
    seen = take_apart(result, "your result", "three tensors", ROWS, LENGTHS, LABELS)
    right = len(seen) == 1 or find_difference(result[0], rows) is None
    return seen if right else {"your result": seen["your result"], ROWS: result[0]}


@exercise(
    hints=(
        "Take the rows and the labels apart as `keep_sizes` does. What is the length of the longest row?",
        "Start with `torch.zeros(N, L)`, L being that length, and copy each row into the front of its place.",
        "`padded[i, :len(row)] = row` copies one; `torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)` does all.",
    ),
    observe=padded_by,
)
def pad_batch(samples):  # [((L,), int), ...] -> (N, max L), (N,), (N,)
    rows, labels = zip(*samples, strict=True)
    lengths = torch.tensor([len(row) for row in rows])  # (N,)
    padded = torch.zeros(len(rows), int(lengths.max()))  # (N, max L)
    for target, row in zip(padded, rows, strict=True):
        target[: len(row)] = row
    return padded, lengths, torch.tensor(labels)


pad_batch.example(
    [(torch.tensor([5.0, 3.0]), 1), (torch.tensor([4.0, 1.0, 2.0]), 0)],
    gives={
        ROWS: torch.tensor([[5.0, 3.0, 0.0], [4.0, 1.0, 2.0]]),
        LENGTHS: torch.tensor([2, 3]),
        LABELS: torch.tensor([1, 0]),
    },
    name="for the samples ([5, 3], 1) and ([4, 1, 2], 0)",
)


@pad_batch.inputs
def sentences():
    rows = [torch.tensor([5.0, 0.0]), torch.tensor([4.0, -1.5, 2.0, 6.0]), torch.tensor([7.0])]
    yield case(
        list(zip(rows, (1, 0, 8), strict=True)), name="for rows of the lengths 2, 4 and 1, the first being [5, 0]"
    )
    for lengths in (3, 1), (2, 2), (4,), (1, 1), (1, 9, 3, 3, 7), (2, 0, 3), (3, 4, 2, 4):
        samples = [(torch.randn(length), label) for length, label in zip(lengths, (6, 300, -2, 6, 0), strict=False)]
        told = f"rows of the lengths {', '.join(map(str, lengths))}" if len(lengths) > 1 else "a single row"
        yield case(samples, name=f"for {told}")


def padded_with(
    width=max,
    fill=torch.zeros,
    place=lambda row, width: slice(len(row)),
    samples_of=list,
    dtype=None,
):
    """Return a mistaken `pad_batch`: another width, other values behind the rows, other samples."""

    def attempt(samples):
        rows, labels = zip(*samples_of(samples), strict=True)
        lengths = [len(row) for row in rows]
        padded = fill(len(rows), width(lengths), dtype=dtype)
        for i, row in enumerate(rows):
            padded[i, place(row, padded.shape[1])] = row
        return padded, torch.tensor(lengths), torch.tensor(labels)

    return attempt


def with_results(change):
    """Return a mistaken `pad_batch` that makes something else of the samples and the right results."""
    return lambda samples: change([row for row, _ in samples], *pad_batch.answer(samples))


pad_batch.mistakes(
    {
        "the zeros belong behind the values; yours stand before them": padded_with(
            place=lambda row, width: slice(width - len(row), None)
        ),
        "a row fills the front of its place, `padded[i, :len(row)]`, and not all of it": padded_with(
            place=lambda row, width: slice(None)
        ),
        "the longest row decides the width; yours are cut off at the shortest": with_results(
            lambda rows, padded, lengths, labels: (padded[:, : lengths.min()], lengths, labels)
        ),
        "the longest row decides the width, and not the first one": padded_with(width=lambda sizes: sizes[0]),
        "the longest row decides the width, and one column more is not needed": padded_with(
            width=lambda lengths: max(lengths) + 1
        ),
        "3 is the width of the example; the longest row decides": padded_with(width=lambda lengths: 3),
        "`torch.empty` does not fill its memory; `torch.zeros` does": padded_with(
            fill=lambda *sizes, **settings: torch.empty(*sizes, **settings)
        ),
        "whole numbers lose what follows the decimal point; leave `torch.zeros` its float32": padded_with(
            dtype=torch.int64
        ),
        "nothing is copied into the zeros; write into a slice: `padded[i, :len(row)] = row`": with_results(
            lambda rows, padded, lengths, labels: (torch.zeros_like(padded), lengths, labels)
        ),
        "the samples are sorted by length; keep them in their order": padded_with(
            samples_of=lambda samples: sorted(samples, key=lambda sample: -len(sample[0]))
        ),
        "rows and columns are exchanged; there is one row for each sample (`batch_first=True` of `pad_sequence`)": (
            with_results(lambda rows, padded, lengths, labels: (padded.T, lengths, labels))
        ),
        "rows of different length cannot be stacked; copy them into `torch.zeros(N, L)`": with_results(
            lambda rows, padded, lengths, labels: (torch.stack(rows), lengths, labels)
        ),
        "these are the rows as they came; copy them into `torch.zeros(N, L)`": with_results(
            lambda rows, padded, lengths, labels: (rows, lengths, labels)
        ),
        "these are the lengths with the zeros; take them from the samples": with_results(
            lambda rows, padded, lengths, labels: (padded, torch.tensor([len(row) for row in padded]), labels)
        ),
        "a 0 in a sample is a value like any other; `len(row)` counts it": with_results(
            lambda rows, padded, lengths, labels: (padded, (padded != 0).sum(dim=1), labels)
        ),
        "the order is rows, lengths, labels": with_results(
            lambda rows, padded, lengths, labels: (padded, labels, lengths)
        ),
        "the order is rows, lengths, labels; your lengths come first": with_results(
            lambda rows, padded, lengths, labels: (lengths, padded, labels)
        ),
        "that is the length of the longest row; there is one for each row": with_results(
            lambda rows, padded, lengths, labels: (padded, lengths.max(), labels)
        ),
    }
)


# ------------------------------------------------------------------------------------------------------------- samplers


@exercise(
    hints=(
        "Four samples of a class should have 0.8 together. How much has each of them?",
        "`labels.bincount()` counts the samples of each class; `shares[labels]` is the share of each sample's class.",
        "With one count per class, `shares[labels] / counts[labels]` is the answer.",
    ),
)
def sample_weights(labels, shares):  # (N,) int64, (K,) float32 -> (N,) float32
    counts = labels.bincount(minlength=len(shares))  # (K,)
    return (shares / counts)[labels]


sample_weights.example(
    torch.tensor([1, 0, 1]),
    torch.tensor([0.2, 0.8]),
    gives=torch.tensor([0.4, 0.2, 0.4]),  # 0.8 / 2, 0.2 / 1, 0.8 / 2
)


@sample_weights.inputs
def classes():
    yield torch.tensor([1, 0, 1, 1, 0, 1]), torch.tensor([0.2, 0.8])
    yield torch.tensor([2, 0, 2, 2, 2]), torch.tensor([0.6, 0.0, 0.4, 0.0])  # no sample of class 1 or 3
    yield torch.tensor([0, 1, 1, 2, 2, 2]), torch.tensor([3.0, 0.0, 6.0])  # whole numbers; a class that is not drawn
    yield torch.tensor([3, 1, 3]), torch.tensor([0.0, 0.3, 0.0, 0.7])
    yield torch.tensor([0, 0, 0, 0]), torch.tensor([1.0])
    yield torch.tensor([0]), torch.tensor([0.5])
    yield torch.randint(5, (60,)), torch.rand(5)


sample_weights.mistakes(
    {
        "each sample has the whole share of its class; divide it among the samples of the class": (
            lambda labels, shares: shares[labels]
        ),
        "all classes have equal weights; `shares` says how much of the draws each should get": (
            lambda labels, shares: 1 / labels.bincount()[labels]
        ),
        "all samples have equal weights": lambda labels, shares: torch.ones(len(labels)) / len(labels),
        "that is one weight for each class; `[labels]` picks the weight of each sample": (
            lambda labels, shares: shares / labels.bincount()
        ),
        "there is one weight for each class; `[labels]` picks the weight of each sample": (
            lambda labels, shares: shares / labels.bincount(minlength=len(shares))
        ),
        "the last class has no weights; classes go from 0 to K - 1": (
            lambda labels, shares: sample_weights.answer(labels, shares) * (labels < labels.max())
        ),
        "you multiplied by the size of the class; a larger class must give smaller weights": (
            lambda labels, shares: (shares * labels.bincount(minlength=len(shares)))[labels]
        ),
        "you divided by the number of all samples; it takes the number in the same class": (
            lambda labels, shares: shares[labels] / len(labels)
        ),
        "that is upside down: divide the share by the number of samples": (
            lambda labels, shares: labels.bincount()[labels] / shares[labels]
        ),
        "you divided by the share of the class in the data; divide by the number of its samples": (
            lambda labels, shares: shares[labels] / (labels.bincount()[labels] / len(labels))
        ),
        "a class without samples has a count, too, 0: `unique` leaves it out, `bincount(minlength=len(shares))` does "
        "not": lambda labels, shares: shares[labels] / labels.unique(return_counts=True)[1][labels],
        "`unique` leaves out a class without samples; `bincount(minlength=len(shares))` counts 0 for it": (
            lambda labels, shares: (shares / labels.unique(return_counts=True)[1])[labels]
        ),
        "`bincount()` ends with the largest label that is there; with `minlength=len(shares)`, it has one count for "
        "each class": lambda labels, shares: (shares / labels.bincount())[labels],
        "`shares[labels]` has one entry for each sample, the counts have one for each class; `counts[labels]` fits": (
            lambda labels, shares: shares[labels] / labels.bincount()
        ),
        "the weights were divided by their sum; those of class k have to add up to `shares[k]`": (
            lambda labels, shares: sample_weights.answer(labels, shares) / sample_weights.answer(labels, shares).sum()
        ),
    }
)


# -------------------------------------------------------------------------------------------- train, validation, test

PARTS = "train", "validation", "test"


def parts_of(attempt, *inputs):
    """Observe what holds for every random split, first each part, then all together, then two calls."""
    count, seed = inputs[0], inputs[3]
    result = attempt(*inputs)
    seen = take_apart(result, "your result", "three tensors", *(f"the {name} part" for name in PARTS))
    if len(seen) == 1:
        return seen
    seen |= {f"the {name} part": Words(kind_of_part(part)) for name, part in zip(PARTS, result, strict=True)}
    if not all(isinstance(part, torch.Tensor) and part.ndim == 1 for part in result):
        return seen
    parts = [part.tolist() for part in result]
    indices = [index for part in parts for index in part]
    seen["the number of indices that come more than once"] = len(indices) - len(set(indices))
    seen["the range of the indices"] = (min(indices), max(indices)) if indices else ()
    if count >= 50:
        seen |= chance_of(dict(zip(PARTS, parts, strict=True)))
        again, other = ([part.tolist() for part in attempt(*inputs[:3], number)] for number in (seed, seed + 1))
        seen["a second call with the same seed"] = Words("the same split" if parts == again else "another split")
        seen["a call with another seed"] = Words("the same split" if parts == other else "another split")
    return seen


def kind_of_part(part):
    if not isinstance(part, torch.Tensor):
        return name_type(part)
    return f"a tensor of shape {tuple(part.shape)}, {str(part.dtype).removeprefix('torch.')}"


def chance_of(parts):
    """Observe whether a part is one block of neighbours, or lies behind another one, as chance hardly ever makes it."""
    seen = {}
    for name, part in parts.items():
        block = len(part) > 4 and max(part) - min(part) == len(part) - 1
        seen[f"the choice of the {name} part"] = Words("one block of neighbours" if block else "a random one")
    for one, other in itertools.combinations([name for name in PARTS if len(parts[name]) > 4], 2):
        apart = max(parts[one]) < min(parts[other]) or max(parts[other]) < min(parts[one])
        seen[f"the place of the {one} and the {other} part"] = Words("one behind the other" if apart else "mixed")
    return seen


@exercise(
    hints=(
        "One random order of all indices, cut twice, cannot overlap.",
        "`torch.randperm(count, generator=generator)` is that order, and its generator gets the seed.",
        "`order.split([a, b, c])` cuts it into three parts of these sizes; slices do it, too.",
    ),
    observe=parts_of,
    rules=(keeps_random_state,),
)
def split_indices(count, val_size, test_size, seed):  # -> (train,), (val,), (test,)
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(count, generator=generator)  # (count,)
    return order.split([count - val_size - test_size, val_size, test_size])


split_indices.example(
    5,
    1,
    2,
    0,
    gives={
        "the train part": Words("a tensor of shape (2,), int64"),
        "the validation part": Words("a tensor of shape (1,), int64"),
        "the test part": Words("a tensor of shape (2,), int64"),
        "the number of indices that come more than once": 0,
        "the range of the indices": (0, 4),
    },
)


@split_indices.inputs
def sizes_of_parts():
    yield from (
        (50, 12, 8, 3),
        (60, 10, 20, 0),
        (10, 4, 0, 1),
        (10, 0, 4, 1),
        (10, 5, 5, 1),
        (4, 4, 0, 2),
        (1, 0, 0, 7),
    )
    yield 300, 50, 50, 123


def cut_order(order, count, val_size, test_size):
    return order.split([count - val_size - test_size, val_size, test_size])


def order_of(count, seed):
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed))


def parts_by(choose):
    """Return a mistaken `split_indices` that cuts another order of the indices, `choose(count, seed)`."""
    return lambda count, val_size, test_size, seed: cut_order(choose(count, seed), count, val_size, test_size)


def parts_with(change):
    """Return a mistaken `split_indices` that makes something else of the right parts."""
    return lambda count, val_size, test_size, seed: change(*split_indices.answer(count, val_size, test_size, seed))


split_indices.mistakes(
    {
        "the parts are cut from the indices in their own order; if the data are sorted by class, a part holds few of "
        "them. `torch.randperm` makes a random order": parts_by(lambda count, seed: torch.arange(count)),
        "`randperm` draws without the seed; give it a generator that has the seed": parts_by(
            lambda count, seed: torch.randperm(count)
        ),
        "the seed has no effect; does the generator get `seed`, or a fixed number?": parts_by(
            lambda count, seed: order_of(count, 0)
        ),
        "`randint` draws with replacement; `randperm` has each index once": parts_by(
            lambda count, seed: torch.randint(count, (count,), generator=torch.Generator().manual_seed(seed))
        ),
        "indices go from 0 to `count` - 1": parts_by(lambda count, seed: order_of(count, seed) + 1),
        "the order is train, validation, test; yours begins with the test": parts_with(
            lambda train, val, test: (test, val, train)
        ),
        "the order is train, validation, test; yours begins with the validation": parts_with(
            lambda train, val, test: (val, test, train)
        ),
        "the order is train, validation, test; your last two have changed places": parts_with(
            lambda train, val, test: (train, test, val)
        ),
        "the parts are lists; `torch.tensor(..., dtype=torch.int64)` makes tensors of them": parts_with(
            lambda train, val, test: (train.tolist(), val.tolist(), test.tolist())
        ),
        "nothing in `torch.tensor([])` says which dtype it has, and float32 is what it takes then: say "
        "`dtype=torch.int64`": parts_with(
            lambda train, val, test: tuple(torch.tensor(part.tolist()) for part in (train, val, test))
        ),
        "validation and test have indices in common; the test part begins where the validation part ends": (
            lambda count, val_size, test_size, seed: (
                (order := order_of(count, seed))[val_size + test_size :],
                order[:val_size],
                order[:test_size],
            )
        ),
        "the three parts are drawn one by one, and nothing keeps an index from coming twice; cut one random order": (
            lambda count, val_size, test_size, seed: (
                order_of(count, seed)[: count - val_size - test_size],
                order_of(count, seed + 1000)[:val_size],
                order_of(count, seed + 2000)[:test_size],
            )
        ),
        "all other indices are for training, and yours has those of the test, too": (
            lambda count, val_size, test_size, seed: (
                (order := order_of(count, seed))[val_size:],
                order[:val_size],
                order[val_size : val_size + test_size],
            )
        ),
        "a part of size 0 is to be empty, but `order[-0:]` is everything: count from the front": (
            lambda count, val_size, test_size, seed: (
                (order := order_of(count, seed))[: count - val_size - test_size],
                order[count - val_size - test_size : -test_size],
                order[-test_size:],
            )
        ),
        "a size may be 0, and `-0` is the front and not the end: count from the front": (
            lambda count, val_size, test_size, seed: (
                (order := order_of(count, seed))[: -(val_size + test_size)],
                order[-(val_size + test_size) : -test_size],
                order[-test_size:],
            )
        ),
        "only the validation part is drawn; the test part should be, too": (
            lambda count, val_size, test_size, seed: (
                (rest := order_of(count, seed)[val_size:].sort().values)[test_size:],
                order_of(count, seed)[:val_size],
                rest[:test_size],
            )
        ),
    }
)


# ------------------------------------------------------------------------------------------------- where the time goes


def samples_of(attempt, images, labels, indices):
    """Observe what `__getitems__` returns, and then what was there before it."""
    assert hasattr(attempt, "__getitems__"), "Your class has no method `__getitems__`, with an s at the end."
    pictures = attempt(images, labels)
    result = pictures.__getitems__(indices)
    asked = f"`__getitems__({indices})`"
    if not isinstance(result, list):
        shapes = [str(tuple(x.shape)) for x in result if isinstance(x, torch.Tensor)] if type(result) is tuple else []
        found = f"a tuple of tensors of the shapes {' and '.join(shapes)}" if shapes else kind_of(result)
        return {asked: None if result is None else Words(found)}
    seen = {asked: Words("a list of samples"), "the number of samples": len(result)}
    for number, sample in enumerate(result):
        name = f"sample {number} of {asked}"
        seen |= take_apart(sample, name, "a pair", f"the image of {name}", f"the label of {name}")
    return seen | {"`len(pictures)`": len(pictures), "`pictures[0]`": pictures[0]}


CONVERSIONS = {"to", "float", "type", "div", "truediv", "divide", "true_divide", "mul", "multiply", "rmul"}


class Operations(TorchFunctionMode):
    """Notes what is converted, or taken out of all images or labels, by the number of values of each operation."""

    def __init__(self, examples):
        super().__init__()
        self.examples, self.sizes = examples, []

    def __torch_function__(self, function, types, args=(), kwargs=None):
        tensors = [value for value in args if isinstance(value, torch.Tensor)]
        name = getattr(function, "__name__", "").strip("_")
        out_of_all = name in ("getitem", "index_select") and tensors[0].shape[:1] == (self.examples,)
        if name in CONVERSIONS or out_of_all:
            converted = name in CONVERSIONS
            self.sizes.append(max((x.numel() for x in tensors), default=0) if converted else 0)
        return function(*args, **(kwargs or {}))


def a_batch_at_once(attempt, problem):
    """Expect, as a rule, as many operations for six samples as for two, and none on all images."""
    images, labels = torch.zeros(9, 2, 3, dtype=torch.uint8), torch.arange(9)
    pictures = attempt(images, labels)
    with Operations(len(images)) as few:
        pictures.__getitems__([0, 1])
    with Operations(len(images)) as many:
        pictures.__getitems__([0, 1, 2, 3, 2, 1])
    assert len(few.sizes) == len(many.sizes), (
        f"The samples are right, but your code takes out and converts them with {len(few.sizes)} operations for two "
        f"samples, and with {len(many.sizes)} for six. Index once, `self.images[indices]`, and divide the whole batch."
    )
    assert max(few.sizes, default=0) <= images[:2].numel(), (
        "The samples are right, but all images of the data set are converted for a batch of two. Choose first, "
        "`self.images[indices]`, and divide only these."
    )


@exercise(
    hints=(
        "A tensor can be indexed by a list: `self.images[indices]` has shape (B, H, W).",
        "The channel is the second dimension now: `unsqueeze(1)` gives (B, 1, H, W). Then divide all of it by 255.",
        "`list(zip(images, self.labels[indices], strict=True))` is the list of samples.",
    ),
    observe=samples_of,
    rules=(a_batch_at_once,),
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


Pictures.example(
    torch.tensor([[[0, 255]], [[51, 102]], [[204, 153]], [[255, 0]]], dtype=torch.uint8),
    torch.tensor([5, 6, 7, 8]),
    [3, 0],
    gives={
        "the number of samples": 2,
        "the image of sample 0 of `__getitems__([3, 0])`": torch.tensor([[[1.0, 0.0]]]),  # 255 / 255 and 0 / 255
        "the label of sample 0 of `__getitems__([3, 0])`": torch.tensor(8),
        "the image of sample 1 of `__getitems__([3, 0])`": torch.tensor([[[0.0, 1.0]]]),
        "the label of sample 1 of `__getitems__([3, 0])`": torch.tensor(5),
    },
    name="for 4 images of 1 × 2",
)


@Pictures.inputs
def albums():
    for shape, indices in (
        ((4, 2, 3), [3, 0, 3]),
        ((5, 3, 3), [1]),
        ((1, 2, 1), [0]),
        ((6, 4, 2), [5, 4, 3, 2, 1, 0]),
        ((3, 1, 1), [1, 1]),
        ((40, 28, 28), [12, 39, 0, 7]),
    ):
        name = f"for {shape[0]} images of {shape[1]} × {shape[2]}"
        yield case(torch.randint(256, shape, dtype=torch.uint8), torch.randint(10, shape[:1]), indices, name=name)


def images_of(self, indices):
    return self.images[indices].unsqueeze(1) / 255


def pair_up(images, labels):
    return list(zip(images, labels, strict=False))


Pictures.mistakes(
    {
        sentence: changed(Pictures.answer, __getitems__=getitems)
        for sentence, getitems in {
            "`list(zip(images, labels))` makes samples of the two": (
                lambda self, indices: (images_of(self, indices), self.labels[indices])
            ),
            "`self[indices]` is a single pair, with all images in the place of one": lambda self, indices: self[
                indices
            ],
            "`zip` alone makes the pairs one by one when it is asked; `list(zip(...))` makes them now": (
                lambda self, indices: zip(images_of(self, indices), self.labels[indices], strict=True)
            ),
            "the images are still bytes; divide by 255": (
                lambda self, indices: pair_up(self.images[indices].unsqueeze(1), self.labels[indices])
            ),
            "the values go from 0 to 255; divide by 255": (
                lambda self, indices: pair_up(self.images[indices].unsqueeze(1).float(), self.labels[indices])
            ),
            "divide by 255 whatever the images are; the largest value differs from batch to batch": (
                lambda self, indices: pair_up(
                    self.images[indices].unsqueeze(1) / self.images[indices].max(), self.labels[indices]
                )
            ),
            "`//` divides whole numbers and rounds down; `/` does not": (
                lambda self, indices: pair_up(self.images[indices].unsqueeze(1) // 255, self.labels[indices])
            ),
            "the dimension of the channel is missing: `unsqueeze(1)` makes (B, 1, H, W) of (B, H, W)": (
                lambda self, indices: pair_up(self.images[indices] / 255, self.labels[indices])
            ),
            "the channel comes before H and W: `unsqueeze(1)` makes (B, 1, H, W) of (B, H, W)": (
                lambda self, indices: pair_up(self.images[indices].unsqueeze(-1) / 255, self.labels[indices])
            ),
            "`unsqueeze(0)` adds a dimension in front of the batch; the channel comes after it, `unsqueeze(1)`": (
                lambda self, indices: pair_up(self.images[indices].unsqueeze(0) / 255, self.labels[indices])
            ),
            "with `unsqueeze(0)`, the batch is inside one image; the channel comes after the batch, `unsqueeze(1)`": (
                lambda self, indices: list(
                    zip(self.images[indices].unsqueeze(0) / 255, self.labels[indices], strict=True)
                )
            ),
            "an index that comes twice gives its sample twice": (
                lambda self, indices: pair_up(
                    images_of(self, [*dict.fromkeys(indices)]), self.labels[[*dict.fromkeys(indices)]]
                )
            ),
            "the samples come in the order of `indices`, and not sorted": (
                lambda self, indices: pair_up(images_of(self, sorted(indices)), self.labels[sorted(indices)])
            ),
            "these are the first samples; `indices` says which ones": (
                lambda self, indices: pair_up(images_of(self, range(len(indices))), self.labels[: len(indices)])
            ),
            "these are all samples; `indices` says which ones": (
                lambda self, indices: pair_up(self.images.unsqueeze(1) / 255, self.labels)
            ),
            "the labels are the first ones; they need `[indices]`, too": (
                lambda self, indices: pair_up(images_of(self, indices), self.labels)
            ),
            "labels stay tensors, as in `__getitem__`": (
                lambda self, indices: pair_up(images_of(self, indices), self.labels[indices].tolist())
            ),
            "the image comes first, and then its label": (
                lambda self, indices: pair_up(self.labels[indices], images_of(self, indices))
            ),
            "only the first sample is there; does the `return` stand inside a loop?": (
                lambda self, indices: [self[indices[0]]]
            ),
        }.items()
    }
)


# -------------------------------------------------------------------------------------------------------------- workers


def verdict_on(attempt, make):
    """Observe the result for what `make()` returns, or the error of pickle that comes through."""
    thing = make()
    try:
        result = attempt(thing)
        return {"your result": Words("bytes") if isinstance(result, bytes) else result}  # they differ from run to run
    except Exception as error:
        if not is_from_pickle(error, thing):
            raise
        return {"your result": Words(f"{name_type(error)} that pickle raised")}


def is_from_pickle(error, thing):
    """Return whether pickling `thing` raises an error like this one."""
    try:
        pickle.dumps(thing)
    except Exception as own:
        return type(own) is type(error) and str(own) == str(error)
    return False


@exercise(
    hints=(
        "Try it: `pickle.dumps(thing)` returns bytes, or raises an error.",
        "Put the call into `try:`, and `return False` into `except Exception:`. What is left for the end?",
    ),
    observe=verdict_on,
)
def can_be_sent(thing):  # any object -> bool
    try:
        pickle.dumps(thing)
    except Exception:
        return False
    return True


class Reluctant:
    """An object whose pickling raises an error."""

    def __init__(self, error):
        self.error = error

    def __reduce__(self):
        raise self.error


class Sealed:
    """An object that can be written, and cannot be read again."""

    def __reduce__(self):
        return int, ("sealed",)


can_be_sent.example(lambda: [1, 2], gives=True, name="for the list [1, 2]")
can_be_sent.example(lambda: lambda label: label + 1, gives=False, name="for `lambda label: label + 1`")


@can_be_sent.inputs
def things():
    for error in pickle.PicklingError(""), AttributeError(""), TypeError(""), ValueError(""), OSError(""):
        kind = name_type(error)
        yield case(partial(Reluctant, error), name=f"for an object with which pickle raises {kind}")
    yield case(lambda: (n for n in [1]), name="for a generator, `(n for n in [1])`")
    yield case(lambda: {"key": [lambda: 1]}, name="for a dictionary of a list of a `lambda`")
    yield case(lambda: iter(DataLoader(TensorDataset(torch.arange(1)))), name="for `iter(dataloader)`")
    yield case(threading.Lock, name="for a lock")
    yield case(lambda: torch.arange(3), name="for a tensor")
    yield case(lambda: TensorDataset(torch.arange(3)), name="for a `TensorDataset`")
    yield case(lambda: len, name="for the function `len`")
    yield case(lambda: Counter, name="for the class `Counter`")
    for kind in type(None), bool, int, str, list:
        yield case(kind, name=f"for {kind()!r}")
    yield case(Sealed, name="for an object that can be written, but not read again")


def catching(*errors):
    """Return a mistaken `can_be_sent` that catches these errors alone."""

    def attempt(thing):
        try:
            pickle.dumps(thing)
        except errors:
            return False
        return True

    return attempt


def says(when_written, when_not):
    """Return a mistaken `can_be_sent` that returns one of these, `when_written` being called with the thing."""

    def attempt(thing):
        return when_written(thing) if can_be_sent.answer(thing) else when_not

    return attempt


can_be_sent.mistakes({"catch the error, `except Exception:`, and return False then": catching()})
can_be_sent.mistakes(
    {
        f"you catch {' and '.join(kind.__name__ for kind in kinds)} alone; pickle raises errors of other kinds, too, "
        "and `except Exception` catches them all": catching(*kinds)
        for number in (1, 2, 3)
        for kinds in itertools.combinations((pickle.PicklingError, AttributeError, TypeError, ValueError), number)
    }
)
can_be_sent.mistakes(
    {
        "True and False have changed places": says(lambda thing: False, True),
        "it is True for everything; where `pickle.dumps` raises an error, return False": lambda thing: True,
        "it is False for everything; a mistake of your own inside `try`, such as `pickle.dump` without its s, is "
        "caught, too": lambda thing: False,
        "`pickle.dumps` returns bytes or raises an error; make True and False of the two": lambda thing: pickle.dumps(
            thing
        ),
        "these are the bytes; return True if there are some": says(pickle.dumps, False),
        "is a `return True` missing?": says(lambda thing: None, False),
        "is a `return False` missing?": says(lambda thing: True, None),
        "whether it can be called does not decide: a function with a name can be sent": lambda thing: (
            not callable(thing)
        ),
    }
)


@can_be_sent.mistake("the bytes were read back, too; asked is only whether they can be written")
def read_back(thing):
    try:
        pickle.loads(pickle.dumps(thing))
    except Exception:
        return False
    return True


# ------------------------------------------------------------------------------------------------------------- together

VAL, TRAIN = "the validation loader", "the training loader"
BLOCK = "one block of the data set"
EVEN = "about the same within a class"


def use_of_loaders(attempt, dataset, labels, val_size, batch_size, seed):
    """Observe validation; once it is right, training; and once that is right, what the seed decides on."""
    before = random_states()
    made = attempt(dataset, labels, val_size, batch_size, seed)
    kept = random_states() == before
    first, second = "the first of the two", "the second of the two"
    seen = take_apart(made, "your result", "two DataLoaders", first, second)
    if len(seen) == 1:
        return seen
    seen |= {name: Words(name_type(seen[name])) for name in (first, second)}
    if not all(isinstance(loader, DataLoader) for loader in made):
        return seen
    val, train = passes_over(*made)
    seen |= seen_of_validation(val)
    if seen.get("the choice of the validation part") == BLOCK:
        return seen
    sizes = list(map(len, cut(range(val_size), batch_size)))
    if not val or val[0] != val[1] or len(set(flat(val[0]))) != val_size or list(map(len, val[0])) != sizes:
        return seen
    seen |= seen_of_training(train, val, labels)
    if not train or len(flat(train[0])) != len(dataset) - val_size:
        return seen
    same_val, same_train = passes_over(*attempt(dataset, labels, val_size, batch_size, seed), training=1)
    other_val, _ = passes_over(*attempt(dataset, labels, val_size, batch_size, seed + 1), training=0)
    part, words = set(flat(val[0])), (Words("another one"), Words("the same again"))
    return seen | {
        "with the same seed, the validation part": words[part == set(flat(same_val[0]))],
        "with the same seed, the sequence of the draws": words[train[:1] == same_train],
        "with another seed, the validation part": words[part == set(flat(other_val[0]))],
        "the state of the global random numbers": Words("as it was" if kept else "changed"),
    }


def passes_over(train_dataloader, val_dataloader, training=5):
    """Return two passes of validation and some of training, each the positions in the data set by batches."""
    return several_passes(val_dataloader, 2), several_passes(train_dataloader, training)


def several_passes(dataloader, number):
    try:
        return [[positions.tolist() for positions, _ in dataloader] for _ in range(number)]
    except IndexError:  # from a sampler that chooses what its data set does not have
        return []


def flat(batches):
    return [position for batch in batches for position in batch]


def seen_of_passes(passes, loader):
    seen = {f"what comes out of {loader}": Words("batches" if passes else "an IndexError")}
    if passes:
        seen[f"the number of samples in a pass over {loader}"] = len(flat(passes[0]))
        seen[f"the list of batch sizes of {loader}"] = list(map(len, passes[0]))
    return seen


def seen_of_validation(passes):
    seen = seen_of_passes(passes, VAL)
    if not passes:
        return seen
    positions = sorted(flat(passes[0]))
    block = len(set(positions)) == len(positions) > 4 and positions[-1] - positions[0] == len(positions) - 1
    return seen | {
        f"what a pass over {VAL} gives": once_or_more(passes[0]),
        f"the order of a second pass over {VAL}": Words("the same" if passes[0] == passes[1] else "another one"),
        "the choice of the validation part": Words(BLOCK if block else "a random one"),
    }


def seen_of_training(passes, val, labels):
    seen = seen_of_passes(passes, TRAIN)
    if not passes:
        return seen
    positions = flat(map(flat, passes))
    leaked = set(positions) & set(flat(val[0]))
    frequency = compare_samples(positions, labels)
    even = frequency == EVEN
    return seen | {
        f"what {TRAIN} gives of the validation samples": Words("some of them" if leaked else "none of them"),
        f"what a pass over {TRAIN} draws": once_or_more(passes[0]),
        "the frequency of single samples among the draws": Words(frequency),
        "the frequency of the classes among the draws": Words(
            compare_frequencies(labels[positions], labels) if even else "no question yet"
        ),
    }


def once_or_more(batches):
    once = len(set(flat(batches))) == len(flat(batches))
    return Words("each sample once" if once else "some samples several times")


def compare_frequencies(drawn, labels):
    """Return in words how frequent the classes are among those drawn."""
    counts = labels.bincount()
    there = counts.nonzero().flatten()
    shares = drawn.bincount(minlength=len(counts))[there] / len(drawn)
    rarest = int(counts[there].argmin())
    equal, before, now = 1 / len(there), float(counts[there][rarest] / len(labels)), float(shares[rarest])
    if bool(((0.65 * equal < shares) & (shares < 1.5 * equal)).all()):
        return "about the same for all"
    if now < 0.6 * before:
        return "less equal than in the data"
    return "about that in the data" if now < (before * equal) ** 0.5 else "highest for the rarest class"


def compare_samples(positions, labels):
    """Return in words how often samples are drawn, beside the others of their class."""
    times = torch.tensor(positions).bincount(minlength=len(labels))
    means = torch.zeros(int(labels.max()) + 1).index_add(0, labels, times.float()) / labels.bincount().clamp(min=1)
    if int((times > 0).sum()) < 0.1 * len(labels):
        return "0 for nearly all of them"
    return (
        EVEN if bool((times < 3 * means[labels] + 10).all()) else "far higher for a few than for others of their class"
    )


@exercise(
    hints=(
        "Four steps: split, weights of the training part, its sampler, two loaders. Each has a cell above.",
        "The weights come from `labels[train_part.indices]`, so that position i of the part has weight number i.",
        "One `torch.Generator().manual_seed(seed)` can serve `random_split` and `WeightedRandomSampler`.",
    ),
    observe=use_of_loaders,
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


def rare_and_frequent(*counts):
    labels = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    return list(enumerate(labels.tolist())), labels


make_dataloaders.example(
    *rare_and_frequent(90, 30),
    24,
    10,
    3,
    gives={
        f"the number of samples in a pass over {VAL}": 24,
        f"the list of batch sizes of {VAL}": [10, 10, 4],
        f"the number of samples in a pass over {TRAIN}": 96,
        "the frequency of the classes among the draws": Words("about the same for all"),
    },
    name="for 120 samples, `val_size` = 24 and `batch_size` = 10",
)


@make_dataloaders.inputs
def unequal_classes():
    labels = rare_and_frequent(20, 0, 100, 60)[1][torch.randperm(180)]  # no sample of class 1
    dataset = list(enumerate(labels.tolist()))
    yield case(dataset, labels, 30, 64, 0, name="for 180 samples, `val_size` = 30 and `batch_size` = 64")
    yield case(*rare_and_frequent(40, 80), 20, 20, 5, name="for 120 samples, `val_size` = 20 and `batch_size` = 20")


def random_parts(dataset, val_size, generator):
    return random_split(dataset, [len(dataset) - val_size, val_size], generator=generator)


def random_parts_without_seed(dataset, val_size, generator):
    return random_parts(dataset, val_size, None)


def loaders_by(
    split=random_parts,
    seed_of=lambda seed: seed,
    labels_of=lambda labels, part: labels[part.indices],
    weigh=lambda labels: 1 / labels.bincount()[labels],
    number=lambda weights, part: len(part),
    seeded=True,
    sampled=True,
    parts_for=lambda dataset, train_part, val_part: (train_part, val_part),
    train=(),
    val=(),
):
    """Return a mistaken `make_dataloaders`, in which a step is another, or a loader has other settings."""

    def attempt(dataset, labels, val_size, batch_size, seed):
        generator = torch.Generator().manual_seed(seed_of(seed))
        train_part, val_part = split(dataset, val_size, generator)
        order = {"shuffle": True, "generator": generator}
        if sampled:
            weights = weigh(labels_of(labels, train_part))
            draws = number(weights, train_part)
            order = {"sampler": WeightedRandomSampler(weights, draws, generator=generator if seeded else None)}
        train_from, val_from = parts_for(dataset, train_part, val_part)
        return (
            DataLoader(train_from, **{"batch_size": batch_size} | order | dict(train)),
            DataLoader(val_from, **{"batch_size": batch_size} | dict(val)),
        )

    return attempt


def with_global_seed(answer):
    def attempt(dataset, labels, val_size, batch_size, seed):
        torch.manual_seed(seed)
        return answer(dataset, labels, val_size, batch_size, seed)

    return attempt


make_dataloaders.mistakes(
    {
        "the training loader comes first, then that for validation": (
            lambda *inputs: make_dataloaders.answer(*inputs)[::-1]
        ),
        "so many are for training; look at the order of the sizes, and at which loader gets which part": loaders_by(
            split=lambda dataset, val_size, generator: random_parts(dataset, len(dataset) - val_size, generator)
        ),
        "the global seed decides on the split, and the draws come later; use a generator of your own": (
            with_global_seed(loaders_by(split=random_parts_without_seed, seeded=False))
        ),
        "`torch.manual_seed` changes what is drawn in the rest of the program; a generator of your own is "
        "`torch.Generator().manual_seed(seed)`": with_global_seed(make_dataloaders.answer),
        "`random_split` draws without the seed; give it a generator that has it": loaders_by(
            split=random_parts_without_seed
        ),
        "the sampler draws without the seed; it needs a generator, too: `WeightedRandomSampler(..., "
        "generator=generator)`": loaders_by(seeded=False),
        "the seed has no effect; does the generator get `seed`, or a fixed number?": loaders_by(seed_of=lambda seed: 0),
        "the data may be sorted by class, and one block holds few classes then; `random_split` chooses at random": (
            loaders_by(
                split=lambda dataset, size, generator: (
                    Subset(dataset, range(len(dataset) - size)),
                    Subset(dataset, range(len(dataset) - size, len(dataset))),
                )
            )
        ),
        "the training loader gets the whole data set, and with it the validation samples": loaders_by(
            labels_of=lambda labels, part: labels,
            number=lambda weights, part: len(weights),
            parts_for=lambda dataset, train_part, val_part: (dataset, val_part),
        ),
        "the training loader gets the whole data set; give it the training part": loaders_by(
            parts_for=lambda dataset, train_part, val_part: (dataset, val_part)
        ),
        "the sampler chooses positions in the training part, and it has weights for all samples; compute them from "
        "`labels[train_part.indices]`": loaders_by(labels_of=lambda labels, part: labels),
        "the weights belong to other samples: number i of the training part is sample `train_part.indices[i]`, so take "
        "`labels[train_part.indices]`": loaders_by(labels_of=lambda labels, part: labels[: len(part)]),
        "the sampler takes one weight for each sample, not for each class: `(1 / counts)[labels]`": loaders_by(
            weigh=lambda labels: 1 / labels.bincount()
        ),
        "a frequent class must get small weights: 1 divided by the count": loaders_by(
            weigh=lambda labels: labels.bincount()[labels].float()
        ),
        "all samples have equal weights, so the classes stay as unequal as they are": loaders_by(
            weigh=lambda labels: torch.ones(len(labels))
        ),
        "each sample is drawn once, so the classes stay as unequal as they are; a `WeightedRandomSampler` draws with "
        "replacement": loaders_by(sampled=False),
        "a pass draws one batch alone; it is to draw as many as there are training samples": (
            lambda *inputs: loaders_by(number=lambda weights, part: inputs[3])(*inputs)
        ),
        "the order of validation changes from pass to pass; leave `shuffle` out there": loaders_by(
            val={"shuffle": True}
        ),
        "`drop_last` leaves samples out; validation gives every sample once": loaders_by(val={"drop_last": True}),
        "`drop_last` leaves draws out; a pass draws as many as there are training samples": loaders_by(
            train={"drop_last": True}
        ),
        "the training loader does not get `batch_size`, and 1 is what it takes then": loaders_by(
            train={"batch_size": 1}
        ),
        "the validation loader does not get `batch_size`, and 1 is what it takes then": loaders_by(
            val={"batch_size": 1}
        ),
        "these are the two parts; a DataLoader of each is still to come": (
            lambda *inputs: tuple(loader.dataset for loader in make_dataloaders.answer(*inputs))
        ),
    }
)


@make_dataloaders.mistake("both loaders have a sampler; what you measure with comes once each")
def sample_validation_too(dataset, labels, val_size, batch_size, seed):
    train_dataloader, val_dataloader = make_dataloaders.answer(dataset, labels, val_size, batch_size, seed)
    part = val_dataloader.dataset
    val_labels = labels[part.indices]
    weights = 1 / val_labels.bincount()[val_labels]
    sampler = WeightedRandomSampler(weights, len(weights), generator=torch.Generator().manual_seed(seed))
    return train_dataloader, DataLoader(part, batch_size, sampler=sampler)
