"""Answers that learners give to the exercises of notebook 02, and what the reply to each must say."""

import csv
import io
import math
import pickle
import random
import struct
import warnings

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import (
    DataLoader,
    Dataset,
    RandomSampler,
    Subset,
    TensorDataset,
    WeightedRandomSampler,
    default_collate,
    random_split,
)

# ------------------------------------------------------------------------------------------------------------ Windows


class Listed(Dataset):
    def __init__(self, series, size):
        self.samples = [(series[i : i + size], series[i + size]) for i in range(len(series) - size)]

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        return self.samples[index]


class Unfolded(Dataset):
    def __init__(self, series, size):
        self.windows, self.labels = series.unfold(0, size, 1)[:-1], series[size:]

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return [self.windows[index], self.labels[index]]


class Guarded(Dataset):
    def __init__(self, series, size):
        super().__init__()
        self.series = series
        self.size = size
        self.n = series.numel() - size

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        if i >= self.n:
            raise IndexError(f"{i} is beyond the end")
        window = torch.stack([self.series[i + k] for k in range(self.size)])
        return window, self.series[i + self.size]


class WithoutLength(Dataset):
    def __init__(self, series, size):
        self.series, self.size = series, size

    def __getitem__(self, index):
        return self.series[index : index + self.size], self.series[index + self.size]


class WithoutLabel(Guarded):
    def __getitem__(self, index):
        return self.series[index : index + self.size]


class LengthNotReturned(Guarded):
    def __len__(self):
        self.n  # noqa: B018


class SampleNotReturned(Guarded):
    def __getitem__(self, index):
        self.series[index : index + self.size]


class NumberAsLabel(Guarded):
    def __getitem__(self, index):
        return self.series[index : index + self.size], self.series[index + self.size].item()


class NoSelf(Guarded):
    def __getitem__(self, index):
        return series[index : index + size], series[index + size]  # noqa: F821


# ------------------------------------------------------------------------------------------------------- make_batches


def popping(dataset, order, batch_size):
    left, batches = list(order), []
    while left:
        samples = [dataset[left.pop(0)] for _ in range(min(batch_size, len(left)))]
        batches.append(default_collate(samples))
    return batches


def counting(dataset, order, batch_size):
    batches, rows, labels = [], [], []
    for number, index in enumerate(order, start=1):
        row, label = dataset[index]
        rows.append(row)
        labels.append(label)
        if len(rows) == batch_size or number == len(order):
            batches.append((torch.stack(rows), torch.tensor(labels)))
            rows, labels = [], []
    return batches


def by_positions(dataset, order, batch_size):
    return [
        tuple(torch.stack(part) for part in zip(*(dataset[i] for i in order[s : s + batch_size]), strict=True))
        for s in range(0, len(order), batch_size)
    ]


def using_up_the_order(dataset, order, batch_size):
    batches = []
    while order:
        batches.append(default_collate([dataset[order.pop(0)] for _ in range(min(batch_size, len(order)))]))
    return batches


# ---------------------------------------------------------------------------------------------------- files and tables


def by_csv(path):
    with path.open(newline="") as file:
        return torch.tensor([int(label) for _, label in csv.reader(file)])


def by_lines(path):
    return torch.tensor([int(line.rsplit(",", 1)[1]) for line in path.read_text().splitlines()], dtype=torch.int64)


def three_by_struct(content):
    return struct.unpack(">3I", content[4:16])


# ---------------------------------------------------------------------------------------------------------- pad_batch


def pad_each(samples):
    longest = max(len(row) for row, _ in samples)
    rows = [F.pad(row, (0, longest - len(row))) for row, _ in samples]
    return torch.stack(rows), torch.tensor([len(row) for row, _ in samples]), torch.tensor([y for _, y in samples])


def pad_by_library(samples):
    rows, labels = zip(*samples, strict=True)
    padded = pad_sequence(rows, batch_first=True)
    return [padded, torch.LongTensor([r.shape[0] for r in rows]), torch.LongTensor(labels)]


def pad_by_lists(samples):
    longest = max(row.numel() for row, _ in samples)
    rows = [row.tolist() + [0.0] * (longest - len(row)) for row, _ in samples]
    return torch.tensor(rows), *(torch.tensor(x) for x in zip(*((len(row), y) for row, y in samples), strict=True))


# ------------------------------------------------------------------------------------------------------ sample_weights


def weigh_in_a_loop(labels, shares):
    return torch.stack([shares[label] / (labels == label).sum() for label in labels])


def weigh_by_class(labels, shares):
    weights = torch.zeros(len(labels))
    for k in range(len(shares)):
        mask = labels == k
        if mask.any():
            weights[mask] = shares[k] / mask.sum()
    return weights


# ------------------------------------------------------------------------------------------------------- split_indices


def split_by_random_split(count, val_size, test_size, seed):
    sizes = [count - val_size - test_size, val_size, test_size]
    with warnings.catch_warnings(action="ignore"):  # a part of size 0
        parts = random_split(range(count), sizes, generator=torch.Generator().manual_seed(seed))
    return tuple(torch.tensor(part.indices, dtype=torch.int64) for part in parts)


def split_by_numpy(count, val_size, test_size, seed):
    order = torch.from_numpy(np.random.default_rng(seed).permutation(count))
    return order[val_size + test_size :], order[:val_size], order[val_size : val_size + test_size]


def split_by_python(count, val_size, test_size, seed):
    order = list(range(count))
    random.Random(seed).shuffle(order)
    train = count - val_size - test_size
    parts = order[:train], order[train : train + val_size], order[train + val_size :]
    return [torch.tensor(sorted(part), dtype=torch.long) for part in parts]


def split_with_global_seed(count, val_size, test_size, seed):
    torch.manual_seed(seed)
    return torch.randperm(count).split([count - val_size - test_size, val_size, test_size])


def split_with_global_numpy(count, val_size, test_size, seed):
    np.random.seed(seed)
    order = torch.from_numpy(np.random.permutation(count))
    return order.split([count - val_size - test_size, val_size, test_size])


# ----------------------------------------------------------------------------------------------------------- Pictures


class Pictures(Dataset):
    def __init__(self, images, labels):
        self.images, self.labels = images, labels

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return self.images[index].unsqueeze(0) / 255, self.labels[index]


class Comprehension(Pictures):
    def __getitems__(self, indices):
        images = self.images[indices].float().div(255)[:, None]
        return [(image, label) for image, label in zip(images, self.labels[indices], strict=True)]


class ByPosition(Pictures):
    def __getitems__(self, indices):
        chosen = torch.tensor(indices)
        images, labels = self.images[chosen].to(torch.float32) / 255.0, self.labels[chosen]
        return [(images[i].unsqueeze(0), labels[i]) for i in range(len(indices))]


class ByLists(Pictures):
    def __getitems__(self, indices):
        batch = self.images.index_select(0, torch.tensor(indices))
        batch = (batch / 255).view(len(indices), 1, *batch.shape[1:])
        return list(map(list, zip(batch, self.labels[indices], strict=True)))


class OneByOne(Pictures):
    def __getitems__(self, indices):
        return [self[index] for index in indices]


class IndexedOneByOne(Pictures):
    def __getitems__(self, indices):
        images = torch.stack([self.images[i] for i in indices]).unsqueeze(1) / 255
        return list(zip(images, self.labels[indices], strict=True))


class ConvertsAll(Pictures):
    def __getitems__(self, indices):
        return list(zip((self.images.unsqueeze(1) / 255)[indices], self.labels[indices], strict=True))


class NothingReturned(Pictures):
    def __getitems__(self, indices):
        list(zip(self.images[indices].unsqueeze(1) / 255, self.labels[indices], strict=True))


# -------------------------------------------------------------------------------------------------------- can_be_sent


def else_branch(thing):
    try:
        data = pickle.dumps(thing)
    except BaseException:
        return False
    else:
        return isinstance(data, bytes)


def into_a_file(thing):
    try:
        pickle.dump(thing, io.BytesIO())
        return True
    except Exception:
        return False


def with_a_flag(thing):
    result = True
    try:
        pickle.dumps(thing)
    except Exception as error:
        del error
        result = False
    return result


def typo(thing):
    try:
        pickle.dump(thing)
    except Exception:
        return False
    return True


# --------------------------------------------------------------------------------------------------- make_dataloaders


def two_generators(dataset, labels, val_size, batch_size, seed):
    order = torch.randperm(len(dataset), generator=torch.Generator().manual_seed(seed)).tolist()
    train, val = order[val_size:], order[:val_size]
    counts = torch.bincount(labels[train])
    weights = [1 / counts[label].item() for label in labels[train]]
    generator = torch.Generator().manual_seed(seed)
    sampler = WeightedRandomSampler(weights, len(train), True, generator)
    return (
        DataLoader(Subset(dataset, train), batch_size, sampler=sampler),
        DataLoader(Subset(dataset, val), batch_size, shuffle=False),
    )


def weights_for_a_subset(dataset, labels, val_size, batch_size, seed):
    g = torch.Generator()
    g.manual_seed(seed)
    train, val = random_split(dataset, (len(dataset) - val_size, val_size), g)
    weights = (1.0 / labels.bincount().float())[labels][train.indices]
    sampler = WeightedRandomSampler(weights=weights, num_samples=len(train), replacement=True, generator=g)
    return [DataLoader(train, batch_size=batch_size, sampler=sampler, generator=g), DataLoader(val, batch_size)]


def all_in_one_list(dataset, labels, val_size, batch_size, seed):
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(dataset), generator=generator)
    val, train = order[:val_size], order[val_size:]
    weights = torch.zeros(len(train))
    for k in labels.unique():
        mask = labels[train] == k
        weights[mask] = 1 / mask.sum() if mask.any() else 0
    sampler = WeightedRandomSampler(weights.tolist(), len(train), generator=generator)
    train_dataloader = DataLoader(Subset(dataset, train.tolist()), batch_size=batch_size, sampler=sampler)
    val_dataloader = DataLoader(Subset(dataset, val.tolist()), batch_size=batch_size)
    return train_dataloader, val_dataloader


def sampler_and_shuffle(dataset, labels, val_size, batch_size, seed):
    sampler = RandomSampler(dataset)
    return DataLoader(dataset, batch_size, shuffle=True, sampler=sampler), DataLoader(dataset, batch_size)


def sampled_without_replacement(dataset, labels, val_size, batch_size, seed):
    train, val = random_split(dataset, [len(dataset) - val_size, val_size], torch.Generator().manual_seed(seed))
    weights = (1 / labels[train.indices].bincount())[labels[train.indices]]
    sampler = WeightedRandomSampler(weights, len(train), replacement=False)
    return DataLoader(train, batch_size, sampler=sampler), DataLoader(val, batch_size)


RIGHT = {
    "Windows": {"a list of samples": Listed, "unfold, and a list for a pair": Unfolded, "its own error": Guarded},
    "count_batches": {
        "math": lambda n, b, drop: math.floor(n / b) if drop else math.ceil(n / b),
        "a remainder as a truth value": lambda n, b, drop: n // b + int(n % b > 0 and not drop),
        "rounding up by adding": lambda n, b, drop: (n if drop else n + b - 1) // b,
        "the length of a range": lambda n, b, drop: len(range(b, n + 1, b) if drop else range(0, n, b)),
    },
    "make_batches": {"a copy is used up": popping, "one loop over all": counting, "comprehension": by_positions},
    "read_shape": {
        "struct": lambda content: struct.unpack(f">{content[3]}I", content[4 : 4 + 4 * content[3]]),
        "NumPy": lambda content: tuple(np.frombuffer(content, ">u4", content[3], 4).tolist()),
        "powers of 256": lambda content: tuple(
            sum(byte * 256 ** (3 - i) for i, byte in enumerate(content[s : s + 4]))
            for s in range(4, 4 + 4 * content[3], 4)
        ),
    },
    "read_labels": {
        "csv": by_csv,
        "lines": by_lines,
        "the array": lambda path: torch.from_numpy(pd.read_csv(path, header=None).iloc[:, 1].values.copy()),
        "names": lambda path: torch.tensor(pd.read_csv(path, names=["file", "label"])["label"].values),
    },
    "pad_batch": {"F.pad": pad_each, "pad_sequence, and a list": pad_by_library, "Python lists": pad_by_lists},
    "sample_weights": {
        "a loop": weigh_in_a_loop,
        "class by class": weigh_by_class,
        "indexed twice": lambda labels, shares: shares[labels] / labels.bincount()[labels],
        "one-hot": lambda labels, shares: (
            (hot := F.one_hot(labels, len(shares)).float()) @ (shares / hot.sum(dim=0).clamp(min=1))
        ),
    },
    "split_indices": {
        "random_split": split_by_random_split,
        "NumPy's generator": split_by_numpy,
        "Python's generator, sorted": split_by_python,
    },
    "Pictures": {"comprehension": Comprehension, "by position": ByPosition, "index_select, lists": ByLists},
    "can_be_sent": {"else": else_branch, "into a file": into_a_file, "a flag": with_a_flag},
    "make_dataloaders": {
        "two generators": two_generators,
        "counts of all, a list": weights_for_a_subset,
        "without random_split": all_in_one_list,
    },
}

WRONG = {
    "Windows": {
        "no length": (WithoutLength, "no method `__len__`"),
        "the length is not returned": (LengthNotReturned, "is None, expected the number 3: is a `return` missing"),
        "no label": (WithoutLabel, r"`windows\[0\]` is a tensor of shape \(2,\), expected a pair"),
        "the sample is not returned": (SampleNotReturned, r"`windows\[0\]` is None, expected a pair: is a `return`"),
        "a number as the label": (NumberAsLabel, r"is a float, expected a tensor of shape \(\)"),
        "an unknown name": (NoSelf, "name 'series' is not defined(.|\n)*`?series`?: "),
        "an object of the class": (Guarded(torch.zeros(3), 1), "pass the class itself"),
    },
    "count_batches": {
        "a DataLoader": (
            lambda examples, batch_size, drop_last: len(
                DataLoader(range(examples), batch_size=batch_size, drop_last=drop_last)
            ),
            "by arithmetic alone",
        ),
        "rounded by NumPy": (
            lambda n, b, drop: np.floor(n / b) if drop else np.ceil(n / b),
            "expected a Python number: `.item",
        ),
        "a text": (lambda n, b, drop: f"{n // b} batches", "is '2 batches', expected the number 3"),
        "divided by zero": (lambda n, b, drop: n // (b - 4), r"by zero\nwas called with|by zero(.|\n)*batch_size: 4"),
    },
    "make_batches": {
        "the order is used up": (using_up_the_order, "changes its argument `order`"),
        "a list of indices as index": (
            lambda dataset, order, b: [dataset[order[s : s + b]] for s in range(0, len(order), b)],
            "What your code passes on, in `.*, cannot be used there: TypeError: .*list",
        ),
        "a generator": (lambda *inputs: (b for b in by_positions(*inputs)), "is of type generator, expected a list"),
        "a DataLoader": (
            lambda dataset, order, b: [tuple(x) for x in DataLoader(Subset(dataset, order), b)],
            "by hand",
        ),
        "nothing": (lambda dataset, order, b: print(end=""), "is a `return` missing"),
    },
    "read_shape": {
        "three by struct": (three_by_struct, "three sizes were read"),
        "an array": (
            lambda content: np.frombuffer(content, ">u4", content[3], 4),
            "is a ndarray|is an ndarray",
        ),
        "the example": (lambda content: (60_000,), r"300 × 2 × 3, your result has length 1, expected 3\.$"),
        "hexadecimal digits": (
            lambda content: tuple(int(content[4 + 4 * i : 8 + 4 * i].hex()) for i in range(content[3])),
            "invalid literal(.|\n)*for a file of 60,000 labels",
        ),
    },
    "read_labels": {
        "int32": (lambda path: by_lines(path).int(), "dtype torch.int32, expected torch.int64: the numbers are right"),
        "text": (lambda path: [line[-1] for line in path.read_text().splitlines()], "is a list, expected a tensor"),
        "no such column": (lambda path: torch.tensor(pd.read_csv(path)["label"].tolist()), "label"),
    },
    "pad_batch": {
        "only the rows": (lambda samples: pad_each(samples)[0], "is a tensor of shape .*, expected three tensors"),
        "two results": (lambda samples: pad_each(samples)[:2], "a tuple of length 2, expected three tensors"),
        "lengths as floats": (
            lambda samples: ((made := pad_each(samples))[0], made[1].float(), made[2]),
            r"\(lengths\) has dtype torch.float32, expected torch.int64",
        ),
        "a second row too long": (
            lambda samples: (torch.zeros(2, 3).index_put_((torch.tensor(0),), samples[0][0]), None, None),
            "pad_batch was called with|shape",
        ),
    },
    "sample_weights": {
        "float64": (
            lambda labels, shares: weigh_by_class(labels, shares).double(),
            "the numbers are right, in another",
        ),
        "nothing": (lambda labels, shares: None, "is a `return` missing"),
    },
    "split_indices": {
        "a global seed": (split_with_global_seed, "random numbers of PyTorch"),
        "a global seed of NumPy": (split_with_global_numpy, "random numbers of NumPy"),
        "one tensor": (lambda count, v, t, seed: torch.randperm(count), "expected three tensors"),
        "in a column": (
            lambda *inputs: [part[:, None] for part in split_by_numpy(*inputs)],
            r"the train part is a tensor of shape \(2, 1\), int64, expected a tensor of shape \(2,\), int64",
        ),
        "half at random": (
            lambda count, v, t, seed: (
                (order := torch.randperm(count, generator=torch.Generator().manual_seed(seed)))[: count - v - t]
                .sort()
                .values,
                order[count - v - t :].sort().values[:v],
                order[count - v - t :].sort().values[v:],
            ),
            "the validation and the test part is one behind the other, expected mixed",
        ),
    },
    "Pictures": {
        "one by one": (OneByOne, "divide the whole batch"),
        "indexed one by one": (IndexedOneByOne, "Index once"),
        "all converted, then chosen": (ConvertsAll, "Choose first"),
        "no such method": (Pictures, "no method `__getitems__`"),
        "nothing returned": (NothingReturned, "is None, expected a list of samples: is a `return` missing"),
    },
    "can_be_sent": {
        "a mistake inside try": (typo, "is False for everything"),
        "no parameter used": (lambda thing: pickle.dumps(thingy), "name 'thingy' is not defined"),  # noqa: F821
        "a text": (lambda thing: "True", "is 'True', expected True"),
        "by its type": (lambda thing: isinstance(thing, (int, str, list, torch.Tensor, TensorDataset)), "is False, "),
    },
    "make_dataloaders": {
        "one loader": (lambda *inputs: two_generators(*inputs)[0], "is of type DataLoader, expected two DataLoaders"),
        "sampler and shuffle": (sampler_and_shuffle, "mutually exclusive(.|\n)*for 120 samples"),
        "without replacement": (sampled_without_replacement, "draws is each sample once, expected some"),
    },
}
