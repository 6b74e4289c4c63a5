"""Answers that learners give to the exercises of notebook 02, and what the reply to each must say."""

import pickle

import pandas as pd
import torch
from torch.utils.data import DataLoader, Dataset, WeightedRandomSampler, random_split

# ------------------------------------------------------------------------------------------------------------ Windows


class Windows(Dataset):
    """A right answer, to be spoilt in one place by each of the classes below."""

    def __init__(self, series, size):
        self.series, self.size = series, size

    def __len__(self):
        return len(self.series) - self.size

    def __getitem__(self, index):
        return self.series[index : index + self.size], self.series[index + self.size]


class OneTooMany(Windows):
    def __len__(self):
        return len(self.series) - self.size + 1


class AsLongAsTheSeries(Windows):
    def __len__(self):
        return len(self.series)


class OneTooFew(Windows):
    def __len__(self):
        return len(self.series) - self.size - 1


class WithoutLength(Dataset):
    def __init__(self, series, size):
        pass


class LengthNotReturned(Windows):
    def __len__(self):
        len(self.series) - self.size


class LabelInside(Windows):
    def __getitem__(self, index):
        return self.series[index : index + self.size], self.series[index + self.size - 1]


class LabelTooLate(Windows):
    def __getitem__(self, index):
        return self.series[index : index + self.size], self.series[index + self.size + 1]


class LabelInWindow(Windows):
    def __getitem__(self, index):
        return self.series[index : index + self.size + 1], self.series[index + self.size]


class LabelIsSlice(Windows):
    def __getitem__(self, index):
        return self.series[index : index + self.size], self.series[index + self.size : index + self.size + 1]


class WithoutLabel(Windows):
    def __getitem__(self, index):
        return self.series[index : index + self.size]


class Apart(Windows):
    def __getitem__(self, index):
        return super().__getitem__(index * self.size)


class WithoutEnd(Windows):
    def __getitem__(self, index):
        return super().__getitem__(index % len(self))


# ------------------------------------------------------------------------------------------------------- make_batches


def collate(samples):
    rows, labels = zip(*samples, strict=True)
    return torch.stack(rows), torch.stack(labels)


def in_order_of_the_data(dataset, order, batch_size):
    return [
        collate([dataset[i] for i in range(start, min(start + batch_size, len(order)))])
        for start in range(0, len(order), batch_size)
    ]


def without_the_last(dataset, order, batch_size):
    starts = range(0, len(order) - batch_size + 1, batch_size)
    return [collate([dataset[i] for i in order[start : start + batch_size]]) for start in starts]


def first_batch_only(dataset, order, batch_size):
    batches = []
    for start in range(0, len(order), batch_size):
        batches.append(collate([dataset[i] for i in order[start : start + batch_size]]))
        return batches


def one_batch(dataset, order, batch_size):
    return collate([dataset[i] for i in order[:batch_size]])


def not_stacked(dataset, order, batch_size):
    return [
        tuple(zip(*[dataset[i] for i in order[start : start + batch_size]], strict=True))
        for start in range(0, len(order), batch_size)
    ]


def overlapping(dataset, order, batch_size):
    return [collate([dataset[i] for i in order[start : start + batch_size]]) for start in range(len(order))]


def using_up_the_order(dataset, order, batch_size):
    batches = []
    while order:
        batches.append(collate([dataset[order.pop(0)] for _ in range(min(batch_size, len(order)))]))
    return batches


# ---------------------------------------------------------------------------------------------------------- read_shape


def sizes(content, number, order="big", start=4):
    return tuple(int.from_bytes(content[start + 4 * i : start + 4 + 4 * i], order) for i in range(number))


# ---------------------------------------------------------------------------------------------------------- pad_batch


def pad(samples, width=max, front=False):
    rows, labels = zip(*samples, strict=True)
    lengths = torch.tensor([len(row) for row in rows])
    padded = torch.zeros(len(rows), width(lengths.tolist()))
    for target, row in zip(padded, rows, strict=True):
        row = row[: len(target)]
        if front:
            target[len(target) - len(row) :] = row
        else:
            target[: len(row)] = row
    return padded, lengths, torch.tensor(labels)


def lengths_of_the_padded(samples):
    padded, _, labels = pad(samples)
    return padded, torch.tensor([len(row) for row in padded]), labels


def lengths_of_what_is_not_0(samples):
    padded, _, labels = pad(samples)
    return padded, (padded != 0).sum(dim=1), labels


def labels_second(samples):
    padded, lengths, labels = pad(samples)
    return padded, labels, lengths


# ------------------------------------------------------------------------------------------------------ split_indices


def split(count, val_size, test_size, generator):
    order = torch.randperm(count, generator=generator)
    return order.split([count - val_size - test_size, val_size, test_size])


def split_with_global_seed(count, val_size, test_size, seed):
    torch.manual_seed(seed)
    return split(count, val_size, test_size, None)


def split_with_replacement(count, val_size, test_size, seed):
    generator = torch.Generator().manual_seed(seed)
    return tuple(
        torch.randint(count, (size,), generator=generator)
        for size in (count - val_size - test_size, val_size, test_size)
    )


def split_from_the_end(count, val_size, test_size, seed):
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    return order[: -(val_size + test_size)], order[-(val_size + test_size) : -test_size], order[-test_size:]


# ----------------------------------------------------------------------------------------------------------- Pictures


class Pictures(Dataset):
    """Gives samples one by one, which is right; `__getitems__` is spoilt by each of the classes below."""

    def __init__(self, images, labels):
        self.images, self.labels = images, labels

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return self.images[index].unsqueeze(0) / 255, self.labels[index]


class OneByOne(Pictures):
    def __getitems__(self, indices):
        return [self[index] for index in indices]


class PairOfTensors(Pictures):
    def __getitems__(self, indices):
        return self.images[indices].unsqueeze(1) / 255, self.labels[indices]


class OnlyZip(Pictures):
    def __getitems__(self, indices):
        return zip(self.images[indices].unsqueeze(1) / 255, self.labels[indices], strict=True)


class StillBytes(Pictures):
    def __getitems__(self, indices):
        return list(zip(self.images[indices].unsqueeze(1), self.labels[indices], strict=True))


class NotDivided(Pictures):
    def __getitems__(self, indices):
        return list(zip(self.images[indices].unsqueeze(1).float(), self.labels[indices], strict=True))


class WithoutChannel(Pictures):
    def __getitems__(self, indices):
        return list(zip(self.images[indices] / 255, self.labels[indices], strict=True))


class AllOfThem(Pictures):
    def __getitems__(self, indices):
        return list(zip(self.images.unsqueeze(1) / 255, self.labels, strict=True))


class ChannelBeforeBatch(Pictures):
    def __getitems__(self, indices):
        return list(zip(self.images[indices].unsqueeze(0) / 255, self.labels[indices], strict=False))


class ConvertsAll(Pictures):
    def __getitems__(self, indices):
        return list(zip((self.images.unsqueeze(1) / 255)[indices], self.labels[indices], strict=True))


class NumbersAsLabels(Pictures):
    def __getitems__(self, indices):
        return list(zip(self.images[indices].unsqueeze(1) / 255, self.labels[indices].tolist(), strict=True))


# -------------------------------------------------------------------------------------------------------- can_be_sent


def only_pickling_errors(thing):
    try:
        pickle.dumps(thing)
    except pickle.PicklingError:
        return False
    return True


def only_common_errors(thing):
    try:
        pickle.dumps(thing)
    except (pickle.PicklingError, AttributeError, TypeError):
        return False
    return True


def returns_the_bytes(thing):
    try:
        return pickle.dumps(thing)
    except Exception:
        return False


def nothing_after_try(thing):
    try:
        pickle.dumps(thing)
    except Exception:
        return False


def upside_down(thing):
    try:
        pickle.dumps(thing)
    except Exception:
        return True
    return False


# --------------------------------------------------------------------------------------------------- make_dataloaders


def make(
    dataset,
    labels,
    val_size,
    batch_size,
    seed,
    weigh=lambda labels, part: labels[part.indices],
    split_seed=True,
    sample_seed=True,
    sample_all=False,
    balance=True,
    **val_settings,
):
    generator = torch.Generator().manual_seed(seed)
    sizes = [len(dataset) - val_size, val_size]
    train_part, val_part = random_split(dataset, sizes, **({"generator": generator} if split_seed else {}))
    train_labels = labels if sample_all else weigh(labels, train_part)
    weights = 1 / train_labels.bincount()[train_labels]
    sampler = WeightedRandomSampler(weights, len(weights), generator=generator if sample_seed else None)
    order = {"sampler": sampler} if balance else {"shuffle": True, "generator": generator}
    return (
        DataLoader(dataset if sample_all else train_part, batch_size, **order),
        DataLoader(val_part, batch_size, **val_settings),
    )


def spoilt(**settings):
    return lambda dataset, labels, val_size, batch_size, seed: make(
        dataset, labels, val_size, batch_size, seed, **settings
    )


def one_weight_per_class(dataset, labels, val_size, batch_size, seed):
    train_dataloader, val_dataloader = make(dataset, labels, val_size, batch_size, seed)
    part = train_dataloader.dataset
    weights = 1 / labels[part.indices].bincount()
    return DataLoader(part, batch_size, sampler=WeightedRandomSampler(weights, len(part))), val_dataloader


def with_global_seed(dataset, labels, val_size, batch_size, seed):
    torch.manual_seed(seed)
    return make(dataset, labels, val_size, batch_size, seed)


def cut_at_the_end(dataset, labels, val_size, batch_size, seed):
    size = len(dataset) - val_size
    train_part, val_part = (torch.utils.data.Subset(dataset, part) for part in (range(size), range(size, len(dataset))))
    weights = 1 / labels[:size].bincount()[labels[:size]]
    sampler = WeightedRandomSampler(weights, size, generator=torch.Generator().manual_seed(seed))
    return DataLoader(train_part, batch_size, sampler=sampler), DataLoader(val_part, batch_size)


WRONG = {
    "Windows": {
        "one window too many": (OneTooMany, "no value after it"),
        "the length of the series": (AsLongAsTheSeries, "the length of the series"),
        "one window too few": (OneTooFew, "leaves out the last window"),
        "no length": (WithoutLength, "no method `__len__`"),
        "the length is not returned": (LengthNotReturned, "is a `return` missing"),
        "the label is the last of the window": (LabelInside, "the last value of the window"),
        "the label comes late": (LabelTooLate, "one value too late"),
        "the label is in the window": (LabelInWindow, "holds its own label"),
        "the label is a slice": (LabelIsSlice, "gives the value"),
        "no label": (WithoutLabel, "expected a pair"),
        "windows do not overlap": (Apart, "windows overlap"),
        "no end": (WithoutEnd, "an IndexError has to tell"),
        "an object of the class": (Windows(torch.zeros(3), 1), "pass the class itself"),
    },
    "count_batches": {
        "rounded down": (lambda examples, batch_size, drop_last: examples // batch_size, "the 2 left over make"),
        "always one more": (lambda examples, batch_size, drop_last: examples // batch_size + 1, "leaves the short"),
        "one more without a rest": (
            lambda examples, batch_size, drop_last: examples // batch_size + (not drop_last),
            "no example is left over",
        ),
        "rounded to the nearest": (
            lambda examples, batch_size, drop_last: (
                examples // batch_size if drop_last else round(examples / batch_size)
            ),
            "the 2 left over make",
        ),
        "always one less": (
            lambda examples, batch_size, drop_last: -(-examples // batch_size) - drop_last,
            "no short batch to drop",
        ),
        "a fraction": (lambda examples, batch_size, drop_last: examples / batch_size, "`//` divides"),
        "the other way round": (
            lambda examples, batch_size, drop_last: -(-examples // batch_size) if drop_last else examples // batch_size,
            "the 2 left over make",
        ),
    },
    "make_batches": {
        "the order is not used": (in_order_of_the_data, "`order` says which"),
        "no short batch": (without_the_last, "short last batch is missing"),
        "return in the loop": (first_batch_only, "inside the loop"),
        "one batch": (one_batch, "inside the loop"),
        "not stacked": (not_stacked, "Collate them"),
        "steps of one": (overlapping, "batches overlap"),
        "the order is used up": (using_up_the_order, "changes its argument `order`"),
    },
    "read_shape": {
        "always three sizes": (lambda content: sizes(content, 3), "the last two are values"),
        "the other byte order": (lambda content: sizes(content, content[3], "little"), "first byte counts most"),
        "from the first byte": (lambda content: sizes(content, content[3], start=0), "are no size"),
        "one byte of each": (
            lambda content: tuple(content[7 + 4 * i] for i in range(content[3])),
            "1 × 256 \\+ 44",
        ),
        "the first byte of each": (
            lambda content: tuple(content[4 + 4 * i] for i in range(content[3])),
            "all four belong to it",
        ),
        "two bytes of each": (
            lambda content: tuple(content[6 + 4 * i] * 256 + content[7 + 4 * i] for i in range(content[3])),
            "70,000 takes three",
        ),
        "bytes": (lambda content: tuple(content[4 + 4 * i : 8 + 4 * i] for i in range(content[3])), "these are bytes"),
        "a list": (lambda content: list(sizes(content, content[3])), "makes a tuple of a list"),
        "a number for one dimension": (
            lambda content: sizes(content, content[3]) if content[3] > 1 else sizes(content, 1)[0],
            "needs a comma",
        ),
        "at most three": (lambda content: sizes(content, min(content[3], 3)), "there are"),
    },
    "read_labels": {
        "the first line lost": (
            lambda path: torch.tensor(pd.read_csv(path).iloc[:, 1].tolist(), dtype=torch.int64),
            "`header=None` says",
        ),
        "a list": (lambda path: pd.read_csv(path, header=None)[1].tolist(), "makes one from numbers"),
        "a header expected": (lambda path: torch.tensor(pd.read_csv(path)[1].tolist()), "no column 1"),
        "a Series": (lambda path: pd.read_csv(path, header=None)[1], "a Series of pandas"),
        "floats": (lambda path: torch.tensor(pd.read_csv(path, header=None)[1].tolist()).float(), "`.long\\(\\)`"),
        "a NumPy array": (lambda path: pd.read_csv(path, header=None)[1].to_numpy(), "torch.from_numpy"),
        "two dimensions": (lambda path: torch.tensor(pd.read_csv(path, header=None)[[1]].values), "squeeze"),
        "each label once": (
            lambda path: torch.tensor(pd.read_csv(path, header=None)[1].unique().tolist()),
            "`unique` keeps one",
        ),
        "the names": (
            lambda path: torch.tensor([int(name[:5]) for name in pd.read_csv(path, header=None)[0]]),
            "in the names of the files",
        ),
    },
    "pad_batch": {
        "zeros in front": (lambda samples: pad(samples, front=True), "the zeros belong behind"),
        "cut off": (lambda samples: pad(samples, width=min), "the longest row decides"),
        "lengths with the zeros": (lengths_of_the_padded, "lengths with the zeros"),
        "lengths without any zeros": (lengths_of_what_is_not_0, "a value like any other"),
        "another order": (labels_second, "the order is rows, lengths, labels"),
        "only the rows": (lambda samples: pad(samples)[0], "expected three tensors"),
        "batch second": (lambda samples: (pad(samples)[0].T, *pad(samples)[1:]), "batch_first"),
        "a list of labels": (
            lambda samples: (*pad(samples)[:2], [label for _, label in samples]),
            "\\(labels\\) is a list",
        ),
        "a fixed width": (lambda samples: pad(samples, width=lambda lengths: 4), "for another batch|For another batch"),
        "sorted in place": (
            lambda samples: samples.sort(key=lambda sample: -len(sample[0])) or pad(samples),
            "changes its argument",
        ),
        "not padded": (
            lambda samples: ([row for row, _ in samples], *pad(samples)[1:]),
            "copy them into",
        ),
    },
    "sample_weights": {
        "not divided": (lambda labels, shares: shares[labels], "divide it among"),
        "all classes equal": (lambda labels, shares: 1 / labels.bincount()[labels], "how much of the draws"),
        "one weight per class": (lambda labels, shares: shares / labels.bincount(), "picks the weight of each"),
        "multiplied": (lambda labels, shares: (shares * labels.bincount())[labels], "must give smaller"),
        "divided by all": (lambda labels, shares: shares[labels] / len(labels), "number in the same class"),
        "upside down": (lambda labels, shares: labels.bincount()[labels] / shares[labels], "upside down"),
        "unique": (
            lambda labels, shares: shares[labels] / labels.unique(return_counts=True)[1][labels],
            "`unique` leaves",
        ),
        "a list": (lambda labels, shares: (shares / labels.bincount())[labels].tolist(), "makes one from numbers"),
    },
    "split_indices": {
        "no random order": (lambda count, v, t, seed: torch.arange(count).split([count - v - t, v, t]), "one block"),
        "no generator": (lambda count, v, t, seed: split(count, v, t, None), "same seed give different parts"),
        "a global seed": (split_with_global_seed, "generator of your own"),
        "a fixed seed": (
            lambda count, v, t, seed: split(count, v, t, torch.Generator().manual_seed(0)),
            "fixed number",
        ),
        "with replacement": (split_with_replacement, "indices come twice"),
        "another order of the parts": (
            lambda count, v, t, seed: split(count, v, t, torch.Generator().manual_seed(seed))[::-1],
            "train, validation, test, in this order",
        ),
        "from the end": (split_from_the_end, "count from the front"),
        "sets": (
            lambda count, v, t, seed: [set(part.tolist()) for part in split(count, v, t, None)],
            "train part is a set",
        ),
        "two parts": (lambda count, v, t, seed: split(count, v, t, None)[:2], "expected three tensors"),
    },
    "Pictures": {
        "one by one": (OneByOne, "converted one by one"),
        "two tensors": (PairOfTensors, "a pair of two tensors"),
        "zip": (OnlyZip, "`list\\(zip"),
        "bytes": (StillBytes, "still bytes"),
        "not divided": (NotDivided, "values are to go from 0 to 1"),
        "no channel": (WithoutChannel, "dimension of the channel"),
        "all samples": (AllOfThem, "these are all samples"),
        "numbers as labels": (NumbersAsLabels, "labels stay tensors"),
        "the channel before the batch": (ChannelBeforeBatch, "the channel comes after it"),
        "all converted, then chosen": (ConvertsAll, "Choose first"),
        "no such method": (Pictures, "no method `__getitems__`"),
    },
    "can_be_sent": {
        "one kind of error": (only_pickling_errors, "several kinds of errors"),
        "three kinds of errors": (only_common_errors, "NotImplementedError: .*several kinds of errors"),
        "the bytes": (returns_the_bytes, "the bytes themselves"),
        "nothing returned": (nothing_after_try, "is a `return` missing"),
        "upside down": (upside_down, "it can be pickled"),
        "always": (lambda thing: True, "it cannot be pickled"),
        "no try": (lambda thing: bool(pickle.dumps(thing)), "several kinds of errors"),
    },
    "make_dataloaders": {
        "weights of other samples": (spoilt(weigh=lambda labels, part: labels[: len(part)]), "expected about half"),
        "weights of all samples": (spoilt(weigh=lambda labels, part: labels), "labels of the training part alone"),
        "one weight per class": (one_weight_per_class, "not for each class"),
        "the whole data set": (spoilt(sample_all=True), "validation samples come from the training loader"),
        "shuffled only": (spoilt(balance=False), "exactly once"),
        "split without the seed": (spoilt(split_seed=False), "generator with that seed to `random_split`"),
        "sampler without the seed": (spoilt(sample_seed=False), "The sampler needs a generator"),
        "a global seed": (with_global_seed, "generator of your own"),
        "validation is shuffled": (spoilt(shuffle=True), "differ in their order"),
        "validation is cut short": (spoilt(drop_last=True), "without `drop_last`"),
        "the wrong way round": (lambda *inputs: make(*inputs)[::-1], "training loader comes first"),
        "no random split": (cut_at_the_end, "one block of the data set"),
        "one loader": (lambda *inputs: make(*inputs)[0], "expected two DataLoaders"),
    },
}

RIGHT = {}
