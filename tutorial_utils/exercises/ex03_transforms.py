"""The exercises of notebook 03, transforms."""

import inspect
import itertools

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from tutorial_utils.data import CLASSES
from tutorial_utils.exercises.cases import case
from tutorial_utils.exercises.compare import Words, name_type
from tutorial_utils.exercises.exercise import exercise
from tutorial_utils.exercises.observe import kind_of
from tutorial_utils.exercises.rules import keeps_arguments, without_loop


def take_pair(result, first, second):
    """Return the two values of a pair, by name, or what there is instead of a pair."""
    if isinstance(result, tuple | list) and len(result) == 2:
        return {"your result": Words("a pair"), first: result[0], second: result[1]}
    length = f" of length {len(result)}" if isinstance(result, tuple | list) else ""
    kind = kind_of(result) if isinstance(result, Tensor) else name_type(result)
    return {"your result": None if result is None else Words(kind + length)}


def say_kind(value):
    """Return in words what there is."""
    if isinstance(value, Image.Image):
        return "a PIL image"
    return f"a tensor of {value.dtype}" if isinstance(value, Tensor) else name_type(value)


# --------------------------------------------------------------------------- from a picture to a tensor, by hand


@exercise(
    hints=(
        "Three steps: a tensor from the array, the channels to the front, the numbers to 0 to 1.",
        "`x.permute(2, 0, 1)` puts dimension 2 first, then 0, then 1.",
        "`torch.from_numpy(pixels)` makes the tensor, and `/ 255` makes floats.",
    ),
)
def to_float_image(pixels):  # (H, W, C) uint8, a NumPy array -> (C, H, W) float32
    image = torch.from_numpy(pixels).permute(2, 0, 1)  # (C, H, W), uint8
    return image / 255


to_float_image.example(
    np.array([[[255, 0, 0]]], dtype=np.uint8),
    gives=torch.tensor([[[1.0]], [[0.0]], [[0.0]]]),  # three channels of one pixel; 255 / 255 = 1
)


@to_float_image.inputs
def arrays():
    yield (np.array([[[51], [204]]], dtype=np.uint8),)  # grey
    for shape in (2, 1, 3), (2, 4, 3), (3, 3, 3), (5, 2, 4):
        yield (torch.randint(20, 250, shape).to(torch.uint8).numpy(),)
    yield (np.zeros((2, 3, 3), dtype=np.uint8),)


def stored(pixels):  # (H, W, C) -> (H, W, C)
    return torch.from_numpy(pixels)


def in_front(pixels):  # (H, W, C) -> (C, H, W)
    return stored(pixels).permute(2, 0, 1)


def torn(pixels):  # (H, W, C) -> (C, H, W), the numbers in the wrong places
    return stored(pixels).reshape(pixels.shape[2], *pixels.shape[:2])


to_float_image.mistakes(
    {
        "`reshape` cuts the row of numbers into other pieces and mixes the channels; `permute` changes the order of "
        "the dimensions": lambda p: torn(p) / 255,
        "`reshape` mixes the channels, `permute` changes their place; dividing by 255 is still to come": torn,
        "`reshape` mixes the channels, `permute` changes their place; and the numbers go from 0 to 255": (
            lambda p: torn(p).float()
        ),
        "the channels are last, as they came; `permute` brings them to the front": lambda p: stored(p) / 255,
        "the channels are last, as they came, and the numbers are still bytes": stored,
        "`unsqueeze(0)` adds the one channel of a grey picture; here the channels are there, at the end, and `permute` "
        "brings them to the front": lambda p: stored(p).unsqueeze(0) / 255,
        "the channels are in front, but height and width have changed places": lambda p: (
            stored(p).permute(2, 1, 0) / 255
        ),
        "height and width have changed places, and dividing by 255 is still to come": (
            lambda p: stored(p).permute(2, 1, 0).float()
        ),
        "`permute` lists the old dimensions in their new order: the one that comes first is dimension 2": (
            lambda p: stored(p).permute(1, 2, 0) / 255
        ),
        "the channels are in the middle; they should come first": lambda p: stored(p).transpose(1, 2) / 255,
        "the order is right; dividing by 255 is still to come": in_front,
        "the order is right, but the numbers go from 0 to 255; divide by 255": lambda p: in_front(p).float(),
        "white is 255, and has to become 1; you divided by 256": lambda p: in_front(p) / 256,
        "`//` drops what stands behind the point; `/` keeps it": lambda p: in_front(p) // 255,
        "white is 255, whatever the largest number in this picture is; divide by 255": lambda p: in_front(p) / p.max(),
        "you stretched the numbers of this picture to 0 to 1; black is 0 and white is 255 in every picture": (
            lambda p: (in_front(p) - p.min().astype(float)) / (p.max().astype(float) - p.min())
        ),
        "black became -1; it should be 0": lambda p: in_front(p) / 127.5 - 1,
        "the numbers are right, but of `float64`, NumPy's usual type; `.float()` makes `float32`": (
            lambda p: in_front(p).double() / 255
        ),
    }
)


# ------------------------------------------------------------------ PyTorch already has this: ToImage and ToDtype


@exercise(
    hints=(
        "By what does `ToDtype` divide, with `scale=True`, if it gets 32-bit integers? What should it be here?",
        "`v2.ToImage()(pixels)` has shape (1, H, W). `v2.ToDtype(torch.float32)` alone scales nothing.",
        "Divide by 4095 yourself.",
    ),
)
def from_12_bit(pixels):  # (H, W) int32, a NumPy array, 0 to 4095 -> (1, H, W) float32
    image = v2.ToImage()(pixels)  # (1, H, W), int32
    return v2.ToDtype(torch.float32)(image) / 4095


from_12_bit.example(
    np.array([[0, 819, 4095]], dtype=np.int32),
    gives=torch.tensor([[[0.0, 0.2, 1.0]]]),  # 819 is a fifth of 4095
)


@from_12_bit.inputs
def camera_pictures():
    yield (np.array([[819, 1638], [1000, 7]], dtype=np.int32),)  # a dark one, as high as wide
    for shape in (1, 1), (3, 1), (2, 3), (4, 7):
        yield (torch.randint(300, 4000, shape, dtype=torch.int32).numpy(),)
    yield (np.zeros((2, 3), dtype=np.int32),)


def grey(pixels):  # (H, W) -> (1, H, W)
    return torch.from_numpy(pixels).unsqueeze(0)


LARGEST = 2**31 - 1  # of 32-bit integers

from_12_bit.mistakes(
    {
        "the numbers are nearly 0. `scale=True` divides a 32-bit integer by the largest value of its type, "
        "2,147,483,647; the largest value of this camera is 4095": lambda p: grey(p) / LARGEST,
        "`//` drops what stands behind the point; `/` keeps it": lambda p: grey(p) // 4095,
        "the numbers are as they came; dividing by 4095 is still to come": grey,
        "the numbers are floats, but as they came, from 0 to 4095. Without `scale=True` nothing is scaled, so divide "
        "by 4095": lambda p: grey(p).float(),
        "255 is the largest value of a byte; the largest value of this camera is 4095": lambda p: grey(p) / 255,
        "65535 is the largest value of 16 bits; the largest value of this camera is 4095": lambda p: grey(p) / 65535,
        "4096 is the number of values, from 0 to 4095, so the largest is 4095": lambda p: grey(p) / 4096,
        "you divided by the largest value of this picture, so that each picture would get a scale of its own, and a "
        "dark one would become bright; divide by the largest value that the camera can give, 4095": (
            lambda p: grey(p) / p.max()
        ),
        "you stretched the numbers of this picture to 0 to 1; black is 0 and white is 4095 in every picture": (
            lambda p: (grey(p) - p.min()) / (p.max() - p.min())
        ),
        "bytes cannot hold 4095: they start again at 0 after 255. Make floats first": (
            lambda p: torch.from_numpy(p.astype(np.uint8)).unsqueeze(0) / 255
        ),
        "a byte has 256 values and this camera has 4096, so that the finer steps are lost; make floats first": (
            lambda p: torch.from_numpy((p * 255 / 4095).astype(np.uint8)).unsqueeze(0) / 255
        ),
        "a byte has 256 values and this camera has 4096: a step of 16 became one of 1. Make floats first": (
            lambda p: torch.from_numpy((p / 16).astype(np.uint8)).unsqueeze(0) / 255
        ),
        "the channel in front is missing; `ToImage` adds it, and so does `unsqueeze(0)`": lambda p: grey(p)[0] / 4095,
        "the channel in front is missing, and dividing by 4095 is still to come": lambda p: grey(p)[0],
        "the channel is at the end; `unsqueeze(0)` adds it in front": lambda p: grey(p)[0].unsqueeze(-1) / 4095,
        "the numbers are right, but of `float64`, NumPy's usual type; `.float()` makes `float32`": (
            lambda p: grey(p).double() / 4095
        ),
    }
)


# ------------------------------------------------------------------------- a transform runs when a sample is read

TOPS, SHOES = (0, 2, 4, 6), (5, 7, 9)


def observe_group(attempt, label):
    group = attempt(label)
    return {"your result": Words("a text") if isinstance(group, str) else group}


@exercise(
    hints=(
        "`label in (5, 7, 9)` is True for the shoes.",
        "Two `if` lines with a `return` each, and a last `return` for the rest.",
    ),
    observe=observe_group,
)
def to_group(label):  # int, 0 to 9 -> int, 0 to 2
    if label in (0, 2, 4, 6):  # tops
        return 0
    if label in (5, 7, 9):  # shoes
        return 1
    return 2  # the rest


for known, group in (4, 0), (8, 2):  # a coat is a top, a bag none of both
    to_group.example(known, gives=group, name=f"for label {known}, {CLASSES[known]}")


@to_group.inputs
def other_labels():
    for label in (7, 0, 1, 2, 3, 5, 6, 9):
        yield case(label, name=f"for label {label}, {CLASSES[label]}")


to_group.mistakes(
    {
        "it gives 0 for each of the ten labels. If you wrote `label == 0 or 2`: Python reads it as `(label == 0) or "
        "2`, and 2 counts as true. `label in (0, 2)` asks what you mean": lambda label: 0,
        "it gives 1 for each label that is not a top. If you wrote `label == 5 or 7`: Python reads it as "
        "`(label == 5) or 7`, and 7 counts as true. `label in (5, 7)` asks what you mean": (
            lambda label: 0 if label in TOPS else 1
        ),
        "it gives 2 for each of the ten labels. Is `label` compared with names? It is a number, and equal to no name": (
            lambda label: 2
        ),
        "it gives 2 for the tops, too. If a second `if` has the `else`, this `else` belongs to the tops as well; "
        "`elif` or `return` ends the question": lambda label: 1 if label in SHOES else 2,
        "for the rest no `return` is reached; what is neither top nor shoe is group 2": (
            lambda label: 0 if label in TOPS else 1 if label in SHOES else None
        ),
        "nothing comes back, for no label; `print` shows a value, `return` gives it back": lambda label: None,
        "a comparison gives True or False, and a group is one of the numbers 0, 1, 2": lambda label: label in SHOES,
        "a group is a number, without quotes; the model knows no names": lambda label: "tops",
        "it gives 2 for all but the tops. Does a `return` for the rest stand where shoes are still to be asked for?": (
            lambda label: 0 if label in TOPS else 2
        ),
        "tops and shoes have changed places; tops are group 0": lambda label: (1, 0, 2)[to_group.answer(label)],
        "the groups begin with 0: tops 0, shoes 1, the rest 2": lambda label: to_group.answer(label) + 1,
        "the rest became a top; it is group 2": lambda label: int(label in SHOES),
        "Dress, label 3, belongs to the rest": lambda label: 0 if label == 3 else to_group.answer(label),
    }
)


class Pictures(Dataset[tuple[Tensor, Tensor]]):
    """Pictures of 2 x 3 pixels, stored as FashionMNIST stores them. It keeps a list of the samples that were read."""

    def __init__(self, count, channels=1):
        self.data = torch.randint(0, 256, (count, 2, 3, channels)).to(torch.uint8)
        self.data = self.data[..., 0] if channels == 1 else self.data
        self.targets = torch.randint(0, 10, (count,))
        self.read = [0] * count

    def __len__(self):
        return len(self.read)

    def __getitem__(self, index):
        if index >= len(self):
            raise IndexError(index)
        self.read[index] += 1
        image, label = self.data[index], int(self.targets[index])
        image = image.unsqueeze(0) if image.ndim == 2 else image.permute(2, 0, 1)
        return 1 - image / 255, 10 * label  # the transforms: a negative, and the label times ten


class Table(Dataset[tuple[Tensor, Tensor]]):
    """Pictures that are stored under another name, as in a class of one's own."""

    def __init__(self, count):
        self.rows = Pictures(count)
        self.read = self.rows.read

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        return self.rows[index]


def read_and_count(attempt, dataset):
    result = take_pair(attempt(dataset), "the tensor of images", "the tensor of labels")
    return result | {"the list of how often each sample was read": dataset.read}


@exercise(
    hints=(
        "What goes around the transforms: `dataset[index]` or `dataset.data`?",
        "First a list of all samples: `[dataset[index] for index in range(len(dataset))]`. Each is a pair.",
        "Then `torch.stack` of all images and `torch.tensor` of all labels.",
    ),
    observe=read_and_count,
)
def read_all(dataset):  # N samples -> (N, C, H, W), (N,)
    samples = [dataset[index] for index in range(len(dataset))]  # each is read once
    images = torch.stack([image for image, label in samples])  # (N, C, H, W)
    labels = torch.tensor([label for image, label in samples])  # (N,)
    return images, labels


two = Pictures(2)
two.data = torch.tensor([[[0, 51, 102], [153, 204, 255]], [[255, 0, 0], [0, 0, 255]]], dtype=torch.uint8)
two.targets = torch.tensor([9, 2])
read_all.example(
    two,
    name="for a data set of 2 samples",
    gives={
        "the tensor of images": torch.tensor(  # 1 - x / 255
            [[[[1.0, 0.8, 0.6], [0.4, 0.2, 0.0]]], [[[0.0, 1.0, 1.0], [1.0, 1.0, 0.0]]]]
        ),
        "the tensor of labels": torch.tensor([90, 20]),
        "the list of how often each sample was read": [1, 1],
    },
)


@read_all.inputs
def data_sets():
    yield case(Pictures(1), name="for a data set of 1 sample")
    yield case(Pictures(4), name="for a data set of 4 samples")
    yield case(Pictures(3, channels=3), name="for a data set of 3 colour pictures")
    yield case(Pictures(70), name="for a data set of 70 samples")
    yield case(Table(2), name="for a data set of 2 samples without `.data` and `.targets`")


def read_with(pick=lambda dataset: range(len(dataset)), join=torch.stack, gather=torch.tensor):
    """Return an attempt that reads the samples of the indices that `pick` chooses, and joins what it read."""

    def attempt(dataset):
        images, labels = zip(*[dataset[index] for index in pick(dataset)], strict=True)
        return join(images), gather(labels)

    return attempt


def read_twice(dataset):
    return read_with()(dataset)[0], read_with()(dataset)[1]


def forget_return(dataset):
    read_with()(dataset)


RAW = "`.data` is what is stored, and no transform has run. Read the samples, `dataset[index]`"

read_all.mistakes(
    {
        RAW: lambda d: (d.data, d.targets),
        f"{RAW}, and nothing else is needed": lambda d: (d.data.unsqueeze(1), d.targets),
        f"{RAW}; the transform decides what becomes of the pixels": lambda d: (d.data.unsqueeze(1) / 255, d.targets),
        f"{RAW}; the transform may do more than scaling": lambda d: (d.data / 255, d.targets),
        f"{RAW}; `.float()` keeps 0 to 255": lambda d: (d.data.float(), d.targets),
        "`.targets` is what is stored, and no `target_transform` has run. The label of a sample is "
        "`dataset[index][1]`": lambda d: (read_with()(d)[0], d.targets),
        "the images are as they are stored, and no transform has run; the image of a sample is `dataset[index][0]`": (
            lambda d: (d.data, read_with()(d)[1])
        ),
        "the channel is gone. `stack` keeps (C, H, W) and puts N in front; `cat` joins along a dimension that is "
        "there": read_with(join=torch.cat),
        "the channel is gone: `stack` puts N in front, `cat` joins along a dimension that is there. And each sample is "
        "read twice": lambda d: (read_with(join=torch.cat)(d)[0], read_with()(d)[1]),
        "this is the first sample alone. Does a `return` stand in the loop?": lambda d: d[0],
        "this is the first sample alone. Does a `return` stand in the loop, or is it the first batch of a loader?": (
            read_with(lambda d: [0])
        ),
        "these are 64 samples at most: the first batch of a loader? It gives one batch after another": (
            lambda d: next(iter(DataLoader(d, batch_size=64)))
        ),
        "this is the last sample alone; collect all of them in a list": lambda d: [d[i] for i in range(len(d))][-1],
        "this is the last sample alone, as a batch of one; collect all of them in lists before you stack": (
            lambda d: tuple(part[-1:] for part in read_with()(d))
        ),
        "these are pairs, one for each sample; put images and labels into lists of their own": (
            lambda d: [d[i] for i in range(len(d))]
        ),
        "all samples are there, in another order; is that `shuffle=True`?": (
            lambda d: next(iter(DataLoader(d, batch_size=len(d), shuffle=True)))
        ),
        "the last sample is missing; `range(len(dataset))` ends before the length": (
            lambda d: read_with(lambda d: range(len(d) - 1))(d)
        ),
        "in the pair, the images come first": lambda d: read_with()(d)[::-1],
        "each sample was read twice, once for its image and once for its label. Each reading runs the transforms "
        "again, and a random one would give another picture: keep the pair when you read it": read_twice,
        "sample 0 was read once more than the others, for its shape? Each reading runs the transforms again": (
            lambda d: d[0] and read_with()(d)
        ),
        "only the images came back; the result is a pair, images and labels": lambda d: read_with()(d)[0],
        "each sample is read, but nothing comes back": forget_return,
        "labels are whole numbers; `torch.tensor` keeps them (`torch.Tensor`, with a capital T, makes floats)": (
            read_with(gather=torch.Tensor)
        ),
    }
)


# --------------------------------------------------------------------------------------- labels as rows: one-hot


@exercise(
    hints=(
        "Begin with one-hot rows, as floats: (N, K).",
        "Every place gets `amount / classes_count`, and the place of the label 1 - amount on top of it.",
        "`(1 - amount) * rows + amount / classes_count`: the number at the end is added to every place.",
    ),
    rules=(
        without_loop(
            "`F.one_hot` and `scatter_` take all labels at once.",
            lambda size: (torch.arange(size) % 3, 3, 0.2),
            lambda size: (torch.tensor([2, 0]), size, 0.2),
        ),
    ),
    further="`nn.CrossEntropyLoss(label_smoothing=0.2)` does this inside the loss, so that labels can stay numbers.",
)
def smooth_labels(labels, classes_count, amount):  # (N,) int64 -> (N, K) float32
    one_hot = F.one_hot(labels, classes_count).float()  # (N, K)
    return (1 - amount) * one_hot + amount / classes_count


smooth_labels.example(
    torch.tensor([2]),
    4,
    0.2,
    gives=torch.tensor([[0.05, 0.05, 0.85, 0.05]]),  # 0.2 / 4 = 0.05 for each, and 1 - 0.2 on top for class 2
)


@smooth_labels.inputs
def label_rows():
    yield torch.tensor([2, 0, 2]), 4, 0.2  # the last class does not occur
    yield torch.tensor([1]), 2, 0.5
    yield torch.tensor([4, 1]), 5, 0.0
    yield torch.tensor([0, 2, 1, 1]), 4, 1.0
    yield torch.tensor([0, 3, 9, 9, 5, 1]), 10, 0.1
    yield torch.arange(12) % 7, 12, 0.3


def hot(labels, classes_count):
    return F.one_hot(labels, classes_count).float()


def fill(labels, classes_count, right, other):
    """Return rows with one number in the place of the label, and another one in all other places."""
    rows = torch.full((len(labels), classes_count), float(other))
    return rows.scatter_(1, labels.unsqueeze(1), float(right))


COLUMN = "a column is missing: `F.one_hot` without a number of classes ends at the largest label that occurs"

smooth_labels.mistakes(
    {
        f"{COLUMN}; tell it `classes_count`": lambda n, k, a: (1 - a) * F.one_hot(n) + a / k,
        f"{COLUMN}, and the share of a class is `amount / classes_count`": (
            lambda n, k, a: (1 - a) * F.one_hot(n) + a / (n.max().item() + 1)
        ),
        "there are not always 10 classes; take `classes_count`": lambda n, k, a: (1 - a) * hot(n, 10) + a / 10,
        "there are not always 4 classes; take `classes_count`": lambda n, k, a: (1 - a) * hot(n, 4) + a / 4,
        "each share should be `amount / classes_count`; you divided by one less": (
            lambda n, k, a: (1 - a) * hot(n, k) + a / (k - 1)
        ),
        "you took `amount` from all places; only the 1 gives it away": lambda n, k, a: hot(n, k) - a + a / k,
        "`scatter_` needs an index for each row, (N, 1): `labels.unsqueeze(1)`": (
            lambda n, k, a: torch.zeros(len(n), k).scatter_(1, n, 1.0) * (1 - a) + a / k
        ),
        "`labels.unsqueeze(0)` is one row, so that all was written into the first; `labels.unsqueeze(1)` has N rows": (
            lambda n, k, a: torch.zeros(len(n), k).scatter_(1, n.unsqueeze(0), 1.0) * (1 - a) + a / k
        ),
        "this has a row for each class; `[labels]` picks the row of each label": (
            lambda n, k, a: (1 - a) * torch.eye(k) + a / k
        ),
        "the amount is not always 0.2; take `amount`": lambda n, k, a: 0.8 * hot(n, k) + 0.2 / k,
        "these are plain one-hot rows; `amount` is still to be shared out": lambda n, k, a: hot(n, k),
        "these are plain one-hot rows, of whole numbers; `amount` is still to be shared out": (
            lambda n, k, a: F.one_hot(n, k)
        ),
        "you shared `amount` out among the other classes; here all K get a share, the right one too, so a share is "
        "`amount / classes_count`": lambda n, k, a: fill(n, k, 1 - a, a / (k - 1)),
        "each row adds up to more than 1: the 1 has to give `amount` away before all get a share": (
            lambda n, k, a: hot(n, k) + a / k
        ),
        "you took `amount` from the 1; sharing it out among all classes is still to come": (
            lambda n, k, a: (1 - a) * hot(n, k)
        ),
        "each class got the whole `amount`; a share is `amount / classes_count`": lambda n, k, a: (
            (1 - a) * hot(n, k) + a
        ),
        "`amount` and 1 - amount have changed places": lambda n, k, a: a * hot(n, k) + (1 - a) / k,
        "the right place has 1 - amount, and the others got the whole `amount`; each place gets `amount / "
        "classes_count`": lambda n, k, a: fill(n, k, 1 - a, a),
        "the right place should get its share as well, 1 - amount + amount / K": lambda n, k, a: fill(
            n, k, 1 - a, a / k
        ),
        "the right place should give `amount` away, 1 - amount + amount / K": lambda n, k, a: fill(n, k, 1, a / k),
        "you divided by the number of labels; the amount is shared out among the classes": (
            lambda n, k, a: (1 - a) * hot(n, k) + a / len(n)
        ),
        "the sum was multiplied, not the rows alone; the share is added after that": (
            lambda n, k, a: (1 - a) * (hot(n, k) + a / k)
        ),
        "rows and columns have changed places; each label has a row": (lambda n, k, a: smooth_labels.answer(n, k, a).T),
    }
)


# ------------------------------------------------------------------- normalize: mean 0, standard deviation 1


def find_statistics(attempt, images):
    return take_pair(attempt(images), "the mean", "the standard deviation")


@exercise(
    hints=(
        "Bytes have no mean in PyTorch. What makes floats from 0 to 1 of them?",
        "Which dimensions of (N, C, H, W) have to disappear, so that (C,) is left?",
        "`mean` and `std` take several dimensions at once: `dim=(0, 2, 3)`.",
    ),
    observe=find_statistics,
    further="NumPy's `std` divides by the number of pixels, not by one less. With millions of pixels nobody sees it.",
)
def channel_statistics(images):  # (N, C, H, W) uint8 -> (C,), (C,) float32
    scaled = images / 255  # 0 to 1
    return scaled.mean(dim=(0, 2, 3)), scaled.std(dim=(0, 2, 3))


channel_statistics.example(
    torch.tensor([[[[0]]], [[[255]]]], dtype=torch.uint8),
    gives={  # 0 and 1 lie 0.5 from their mean; 0.25 + 0.25, divided by 2 - 1, has the root 0.7071
        "the mean": torch.tensor([0.5]),
        "the standard deviation": torch.tensor([0.7071068]),
    },
)


@channel_statistics.inputs
def batches_of_bytes():
    yield (torch.tensor([[[[51, 102]], [[0, 153]]]], dtype=torch.uint8),)  # one image of two channels
    for shape in (3, 1, 2, 2), (2, 3, 2, 3), (3, 3, 3, 3), (4, 2, 5, 1), (1, 4, 3, 2), (2, 1, 6, 7):
        brightness = torch.randint(0, 150, (*shape[:2], 1, 1))  # of each image and channel
        yield ((brightness + torch.randint(0, 100, shape)).to(torch.uint8),)
    yield (torch.full((2, 3, 2, 2), 51, dtype=torch.uint8),)  # nothing varies


def scaled(images):
    return images / 255


def statistics(mean_dim, std_dim=None, scale=scaled, **settings):
    """Return an attempt that takes the mean over some dimensions, and the deviation over the same or over others."""

    def attempt(images):
        x, dims = scale(images), mean_dim if std_dim is None else std_dim
        return x.mean(dim=mean_dim, **settings), x.std(dim=dims, **settings)

    return attempt


ALL, REST = (0, 1, 2, 3), (0, 2, 3)

for sentence, dims in {
    "this is one number for all channels; leave dimension 1, C, out of `dim`, and it stays": ALL,
    "this is one number for each column of the pictures, because the last dimension, W, has stayed; C should stay": (
        (0, 1, 2)
    ),
    "this is one number for each row of the pictures, because H has stayed; C should stay": (0, 1, 3),
    "this is one number for each image, because N has stayed; C should stay": (1, 2, 3),
    "this is one row for each image; all images together have one, so `dim` needs 0 as well": (2, 3),
    "`dim=(0, 1)` removes N and C; all but C should go": (0, 1),
    "H is still there; `dim=(0, 2, 3)` removes it, too": (0, 3),
    "W is still there; `dim=(0, 2, 3)` removes it, too": (0, 2),
    "only the first dimension, N, has gone; H and W should go as well, `dim=(0, 2, 3)`": 0,
    "the channels are gone, because `dim=1` removes C; all but C should go, `dim=(0, 2, 3)`": 1,
}.items():
    channel_statistics.mistakes({sentence: statistics(dims)})

channel_statistics.mistakes(
    {
        "the mean is right, but this is one deviation for all channels; `std` needs `dim=(0, 2, 3)` as well": (
            lambda x: (scaled(x).mean(dim=REST), scaled(x).std())
        ),
        "these are numbers on the scale from 0 to 255; divide the images by 255 first": (
            statistics(REST, scale=torch.Tensor.float)
        ),
        "the mean is right, but the deviation is on the scale from 0 to 255": (
            lambda x: (scaled(x).mean(dim=REST), x.float().std(dim=REST))
        ),
        "white is 255, whatever the largest number in these images is; divide by 255": (
            statistics(REST, scale=lambda x: x / x.max())
        ),
        "white is 255, and has to become 1; you divided by 256": statistics(REST, scale=lambda x: x / 256),
        "bytes have no mean; dividing by 255 makes floats": statistics(REST, scale=lambda x: x),
        "`keepdim=True` keeps dimensions of size 1; here they should go": statistics(REST, keepdim=True),
        "the means come first, then the deviations": lambda x: channel_statistics.answer(x)[::-1],
        "both are the means; the second should be the deviations": lambda x: (scaled(x).mean(dim=REST),) * 2,
        "the mean over the images of their deviations is something else: it misses that one picture is darker than "
        "another. Take one deviation over all pixels of a channel": (
            lambda x: (scaled(x).mean(dim=REST), scaled(x).std(dim=(2, 3)).mean(dim=0))
        ),
        "the deviation of the images' means misses how the pixels of one image differ. Take one deviation over all "
        "pixels of a channel": lambda x: (scaled(x).mean(dim=REST), scaled(x).mean(dim=(2, 3)).std(dim=0)),
        "a deviation of deviations is something else. Take one over all pixels of a channel": (
            lambda x: (scaled(x).mean(dim=REST), scaled(x).std(dim=0).std(dim=1).std(dim=1))
        ),
        "this is the variance; the standard deviation is its root": (
            lambda x: (scaled(x).mean(dim=REST), scaled(x).var(dim=REST))
        ),
        "your deviation divides by the number of pixels; `std` of PyTorch divides by one less": (
            lambda x: (scaled(x).mean(dim=REST), scaled(x).std(dim=REST, correction=0))
        ),
        "one tensor holds both; a pair is `return means, deviations`": (
            lambda x: torch.stack(channel_statistics.answer(x))
        ),
        "these are the numbers of the first image alone": lambda x: channel_statistics.answer(x[:1]),
        "only the means came back; the result is a pair, `return means, deviations`": lambda x: scaled(x).mean(
            dim=REST
        ),
    }
)


@exercise(
    hints=(
        "`Normalize` subtracts the mean and then divides. What undoes the division, and what the subtraction?",
        "Shapes line up from the right, so (C,) would meet W. Which shape meets C in (C, H, W)?",
        "`mean.reshape(-1, 1, 1)` is (C, 1, 1): one number for each channel, for all its pixels.",
    ),
    rules=(keeps_arguments,),
    further="`v2.Normalize` does it, too, with the mean `-mean / std` and the deviation `1 / std`.",
)
def undo_normalize(x, mean, std):  # (..., C, H, W), (C,), (C,) -> (..., C, H, W)
    return x * std.reshape(-1, 1, 1) + mean.reshape(-1, 1, 1)


undo_normalize.example(
    torch.tensor([[[2.0]], [[-1.0]]]),
    torch.tensor([0.5, 0.4]),
    torch.tensor([0.25, 0.1]),
    gives=torch.tensor([[[1.0]], [[0.3]]]),  # 2 * 0.25 + 0.5 and -1 * 0.1 + 0.4
)


@undo_normalize.inputs
def normalized_images():
    for shape in (1, 1, 2), (3, 2, 3), (3, 3, 3), (4, 2, 5), (1, 2, 1, 3), (2, 3, 2, 2), (3, 3, 3, 3), (5, 1, 4, 2):
        channels = shape[-3]
        mean, std = 0.1 + 0.8 * torch.rand(channels), 0.1 + 0.3 * torch.rand(channels)
        yield 2 * torch.randn(shape), mean, std


def per_channel(numbers):  # (C,) -> (C, 1, 1)
    return numbers.reshape(-1, 1, 1)


def undo(combine, reshape=per_channel):
    """Return an attempt that combines `x`, means and deviations, both reshaped."""
    return lambda x, mean, std: combine(x, reshape(mean), reshape(std))


undo_normalize.mistakes(
    {
        "(C,) met the columns, because shapes line up from the right; each channel has a number of its own, so (C,) "
        "needs the shape (C, 1, 1)": lambda x, mean, std: x * std + mean,
        "(C, 1) met the rows, because shapes line up from the right; (C,) needs the shape (C, 1, 1)": (
            undo(lambda x, m, s: x * s + m, lambda numbers: numbers.unsqueeze(1))
        ),
        "`std` has the shape (C, 1, 1) and met the channels; `mean` needs it as well": (
            lambda x, mean, std: x * per_channel(std) + mean
        ),
        "`mean` has the shape (C, 1, 1) and met the channels; `std` needs it as well": (
            lambda x, mean, std: x * std + per_channel(mean)
        ),
        "for one image the batch dimension in front is too much; the shape (C, 1, 1) fits both, an image and a batch": (
            undo(lambda x, m, s: x * s + m, lambda numbers: numbers.reshape(1, -1, 1, 1))
        ),
        "there are not always 3 channels; -1 in `reshape` finds out how many there are": (
            undo(lambda x, m, s: x * s + m, lambda numbers: numbers.reshape(3, 1, 1))
        ),
        "you normalized once more; undoing it is times `std`, then plus `mean`": undo(lambda x, m, s: (x - m) / s),
        "what was done last is undone first: times `std`, then plus `mean`": undo(lambda x, m, s: (x + m) * s),
        "times `std` is right; plus `mean` is still to come": undo(lambda x, m, s: x * s),
        "plus `mean` is right; times `std` comes before it": undo(lambda x, m, s: x + m),
        "`Normalize` divided by `std`, so multiply by it": undo(lambda x, m, s: x / s + m),
        "`Normalize` subtracted the mean, so add it": undo(lambda x, m, s: x * s - m),
        "mean and deviation have changed places: times `std`, plus `mean`": undo(lambda x, m, s: x * m + s),
        "the mean was multiplied as well; first times `std`, then plus `mean`": undo(lambda x, m, s: x + m * s),
        "first times `std`, then plus `mean`; you added first, and divided": undo(lambda x, m, s: (x + m) / s),
        "times `std` is right, but the mean comes after it, with a plus": undo(lambda x, m, s: (x - m) * s),
        "all channels got the same numbers; each has its own": lambda x, mean, std: x * std.mean() + mean.mean(),
        "this is the first channel alone. Does a `return` stand in the loop?": lambda x, m, s: x[0] * s[0] + m[0],
        "all channels got the numbers of the first": lambda x, mean, std: x * std[0] + mean[0],
        "this is `x` as it came": lambda x, mean, std: x,
        "the numbers are cut to 0 to 1 at the end; undoing is times `std`, plus `mean`, and nothing more": (
            undo(lambda x, m, s: (x * s + m).clamp(0, 1))
        ),
    }
)


@undo_normalize.mistake("dimension 0 is that of the channels for one image only; in a batch, `x[0]` is an image")
def undo_along_dimension_0(x, mean, std):
    x = x.clone()
    for channel in range(len(mean)):
        x[channel] = x[channel] * std[channel] + mean[channel]
    return x


@undo_normalize.mistake("`x[:, channel]` is a channel in a batch only; in one image, it is a row")
def undo_along_dimension_1(x, mean, std):
    x = x.clone()
    for channel in range(len(mean)):
        x[:, channel] = x[:, channel] * std[channel] + mean[channel]
    return x


# ------------------------------------------------------------------------------------------ the order of the steps


def run_steps(steps, picture):
    """Return what comes out of a list of transforms; where there is no tensor, say what there is."""
    result = picture
    for number, step in enumerate(steps, start=1):
        name = f"step {number}, {getattr(step, '__name__', type(step).__name__)},"
        if inspect.isclass(step):
            return Words(f"nothing: {name} is a class and not yet a transform")
        if not callable(step):
            return Words(f"nothing: {name} cannot be called")
        try:
            made = step(result)
        except Exception as error:
            reason = str(error).strip().partition("\n")[0].rstrip(".")
            return Words(f"an error: {name} gets {say_kind(result)} and fails ({reason})")
        result = made
    return result if isinstance(result, Tensor) else Words(say_kind(result))


def observe_output(result, what, tensor):
    """Observe whether `what` comes out is a tensor, and which."""
    if isinstance(result, Tensor):
        return {what: Words("a tensor"), tensor: result}
    return {what: result}


def make_list(attempt, pixels):
    steps = attempt()
    steps = list(steps.transforms) if isinstance(steps, v2.Compose) else steps
    if not isinstance(steps, list | tuple):
        return {"`signed_steps`": Words(say_kind(steps))}
    result = run_steps(steps, Image.fromarray(pixels))
    return {"`signed_steps`": Words("a list of transforms")} | observe_output(result, "what comes out", "the result")


@exercise(
    hints=(
        "The three steps in the order of this section. The last one has to make −1 of 0, and 1 of 1.",
        "(0 − mean) / std = −1 and (1 − mean) / std = 1: which mean and which std?",
        "The mean lies in the middle, 0.5, and 0 and 1 are 0.5 away from it. One number for each of three channels.",
    ),
    observe=make_list,
)
def signed_steps():
    return [
        v2.ToImage(),
        v2.ToDtype(torch.float32, scale=True),
        v2.Normalize(mean=[0.5, 0.5, 0.5], std=[0.5, 0.5, 0.5]),
    ]


signed_steps.example(
    np.array([[[255, 0, 51]]], dtype=np.uint8),
    name="for a pixel (255, 0, 51)",
    gives={"the result": torch.tensor([[[1.0]], [[-1.0]], [[-0.6]]])},  # 1, 0 and 0.2, doubled, less 1
)


@signed_steps.inputs
def colour_pictures():
    yield case(
        np.array([[[0, 255, 51], [102, 0, 255]]], dtype=np.uint8), name="for the pixels (0, 255, 51), (102, 0, 255)"
    )
    for rows, columns in (3, 1), (4, 5):
        picture = torch.randint(0, 256, (rows, columns, 3)).to(torch.uint8).numpy()
        yield case(picture, name=f"for a picture of {rows} rows and {columns} columns")


TO_IMAGE, TO_FLOAT, UNSCALED = v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.ToDtype(torch.float32)


def to_normalize(mean, std):
    return v2.Normalize([mean] * 3, [std] * 3)


HALF = to_normalize(0.5, 0.5)
FIRST = "`ToImage` comes first: without it, `ToDtype` hands the picture on untouched"

for sentence, steps in {
    FIRST: [TO_FLOAT, HALF],
    f"{FIRST}, and `Normalize` gets what `ToImage` made": [TO_FLOAT, TO_IMAGE, HALF],
    "`Normalize` needs floats: `ToDtype`, which makes them, belongs before it": [TO_IMAGE, HALF, TO_FLOAT],
    "`Normalize` comes last; it needs a tensor of floats": [HALF, TO_IMAGE, TO_FLOAT],
    "`ToImage` is missing: without it, `ToDtype` hands the picture on untouched": [TO_FLOAT],
    "parentheses make a transform of a class, `v2.ToImage()`": [
        v2.ToImage,
        v2.ToDtype(torch.float32, scale=True),
        HALF,
    ],
    "`ToDtype` and `Normalize` are still to come": [TO_IMAGE],
    "black is 0 and white is 1 now; `Normalize` with the right mean and deviation is still to come": [
        TO_IMAGE,
        TO_FLOAT,
    ],
    "`scale=True` is missing: the bytes became floats, but stayed 0 to 255, and `Normalize` worked on these": (
        [TO_IMAGE, UNSCALED, HALF]
    ),
    "floats from 0 to 255 come out; `scale=True` and `Normalize` are missing": [TO_IMAGE, UNSCALED],
    "the mean is right, and black is −0.5 now; a deviation of 0.5 doubles it": (
        [TO_IMAGE, TO_FLOAT, to_normalize(0.5, 1.0)]
    ),
    "black is 0 and white is 2 now; the mean should be what lies in the middle, 0.5": (
        [TO_IMAGE, TO_FLOAT, to_normalize(0.0, 0.5)]
    ),
    "black is −2 and white is 2 now; a deviation twice as large makes −1 and 1": (
        [TO_IMAGE, TO_FLOAT, to_normalize(0.5, 0.25)]
    ),
    "mean and deviation belong to numbers from 0 to 255, but the step before has scaled them to 0 to 1": (
        [TO_IMAGE, TO_FLOAT, to_normalize(127.5, 127.5)]
    ),
    "this is the way from −1 and 1 to 0 and 1; here black, 0, has to become −1": (
        [TO_IMAGE, TO_FLOAT, to_normalize(-1.0, 2.0)]
    ),
    "black is −1, but white is 0: mean and deviation should be 0.5": [TO_IMAGE, TO_FLOAT, to_normalize(1.0, 1.0)],
    "black is −2, but white is 0: the mean should be 0.5": [TO_IMAGE, TO_FLOAT, to_normalize(1.0, 0.5)],
    "black is 1 and white is 2 now: `Normalize` subtracts its mean, so −1 adds 1": (
        [TO_IMAGE, TO_FLOAT, to_normalize(-1.0, 1.0)]
    ),
    "this picture has three channels, so mean and deviation are lists of three numbers": [
        TO_IMAGE,
        TO_FLOAT,
        v2.Normalize([0.5, 0.5], [0.5, 0.5]),
    ],
}.items():
    signed_steps.mistakes({sentence: lambda steps=steps: steps})


# -------------------------------------------------------------------------- augmentation: new pictures from old ones


def compare(versions, others):
    if versions.equal(others):
        return "the same versions"
    shared = any(one.equal(other) for one in versions for other in others)
    return "some of the same versions" if shared else "other versions"


def draw_and_watch(attempt, image, count, seed):
    called, made = [], []

    def change(x):
        called.append(x.clone())
        made.append(x + torch.rand(()))
        return made[-1].clone()

    change.__qualname__ = "change"

    def draw(seed):
        called.clear()
        made.clear()
        return attempt(image.clone(), change, count, seed)

    versions = draw(seed)
    result = {"your result": torch.zeros_like(versions) if isinstance(versions, Tensor) else versions}
    result["the number of calls of `change`"] = len(called)
    if not isinstance(versions, Tensor) or versions.shape != (count, *image.shape) or len(made) != count:
        return result
    right = all(x.numel() == image.numel() and x.reshape(image.shape).equal(image) for x in called)
    result["what `change` gets"] = Words("`image` each time" if right else "not `image` each time")
    is_made = versions.equal(torch.stack(made).reshape(versions.shape))
    untouched = all(version.equal(image) for version in versions)
    result["what comes back"] = Words(
        "what `change` made" if is_made else "`image` as it was" if untouched else "not what `change` made"
    )
    different = len({version.sum().item() for version in versions})
    result[f"the number of different versions among the {count}"] = different
    again, other = draw(seed), draw(seed + 1)
    result["what a second call with the same seed gives"] = Words(compare(versions, again))
    result["what a call with the next seed gives"] = Words(compare(versions, other))
    return result


@exercise(
    hints=(
        "Where must the seed be set: once before all draws, or before each of them?",
        "`torch.stack` makes (count, C, H, W) of a list of `count` images.",
        "First `torch.manual_seed(seed)`, then `change(image)` as often as `count` says, then `torch.stack`.",
    ),
    observe=draw_and_watch,
)
def draw_versions(image, change, count, seed):  # (C, H, W) -> (count, C, H, W)
    torch.manual_seed(seed)
    return torch.stack([change(image) for _ in range(count)])


draw_versions.example(
    torch.tensor([[[0.0, 0.25, 0.5]]]),
    5,
    7,
    gives={
        "the number of calls of `change`": 5,
        "the number of different versions among the 5": 5,
        "what a second call with the same seed gives": Words("the same versions"),
        "what a call with the next seed gives": Words("other versions"),
    },
)


@draw_versions.inputs
def draws():
    for shape, count, seed in ((1, 1, 1), 1, 3), ((1, 2, 3), 2, 0), ((3, 2, 2), 4, 42), ((2, 1, 5), 11, 1234):
        yield torch.rand(shape), count, seed


def draw_with(pick_seed=lambda seed: seed, pick_count=lambda count: count, join=torch.stack):
    """Return an attempt with another seed, another number of versions, or another way of joining them."""

    def attempt(image, change, count, seed):
        torch.manual_seed(pick_seed(seed))
        return join([change(image) for _ in range(pick_count(count))])

    return attempt


def seed_each(pick_seed):
    """Return an attempt that sets a seed before each version."""

    def attempt(image, change, count, seed):
        versions = []
        for number in range(count):
            torch.manual_seed(pick_seed(seed, number))
            versions.append(change(image))
        return torch.stack(versions)

    return attempt


def without_seed(image, change, count, seed):
    return torch.stack([change(image) for _ in range(count)])


def seed_afterwards(image, change, count, seed):
    versions = without_seed(image, change, count, seed)
    torch.manual_seed(seed)
    return versions


draw_versions.mistakes(
    {
        "the generator starts anew before each version. Call `torch.manual_seed(seed)` once, before the first": (
            seed_each(lambda seed, number: seed)
        ),
        "is the seed of each version `seed` plus its number? Then the next seed repeats all but one. Call "
        "`torch.manual_seed(seed)` once, before the first": seed_each(lambda seed, number: seed + number),
        "`torch.manual_seed(seed)` before the first draw repeats them; the seeds of Python and NumPy belong to other "
        "generators": without_seed,
        "the seed stands after the draws; `torch.manual_seed(seed)` comes before the first": seed_afterwards,
        "the same seed gives the same, and so does every other one; is it `seed` that you pass on to "
        "`torch.manual_seed`?": draw_with(pick_seed=lambda seed: 0),
        "there are not always 5 versions; take `count`": draw_with(pick_count=lambda count: 5),
        "one version is missing; `range(count)` counts from 0 to `count` - 1": (
            draw_with(pick_count=lambda count: count - 1)
        ),
        "this is a list; `torch.stack` makes one tensor of it": draw_with(join=list),
        "`cat` joins along a dimension that is there; `stack` puts a new one in front": draw_with(join=torch.cat),
        "`stack` puts the new dimension in front, unless `dim` says otherwise": (
            draw_with(join=lambda versions: torch.stack(versions, dim=1))
        ),
        "this is one version without the dimension in front. Does a `return` stand in the loop?": (
            draw_with(pick_count=lambda count: 1, join=lambda versions: versions[0])
        ),
    }
)


@draw_versions.mistake("each version is made of the one before; each should be made of `image`: `change(image)`")
def change_the_changed(image, change, count, seed):
    torch.manual_seed(seed)
    versions = []
    for _ in range(count):
        image = change(image)
        versions.append(image)
    return torch.stack(versions)


@draw_versions.mistake("`change` draws anew at each call, and only then; call it once for each version")
def change_all_at_once(image, change, count, seed):
    torch.manual_seed(seed)
    return change(image.expand(count, -1, -1, -1))


@draw_versions.mistake("use what `change` returns; it leaves `image` as it is")
def throw_away(image, change, count, seed):
    torch.manual_seed(seed)
    for _ in range(count):
        change(image)
    return torch.stack([image] * count)


# --------------------------------------------------------------------------------------------- a transform of your own


def frame_one(attempt, width, image):
    frame = attempt(width)
    attempt(width + 2)  # another object of the class
    if not callable(frame):
        return {"`AddFrame(width)`": Words("an object that cannot be called")}
    return {"`AddFrame(width)`": Words("an object that can be called"), "the result": frame(image)}


@exercise(
    hints=(
        "`__init__` keeps `self.width`. `__call__` works on a copy, `image.clone()`, so that `image` stays as it is.",
        "`framed[:, : self.width] = 1` makes the top white, `framed[:, :, : self.width] = 1` the left.",
        "The bottom begins at row `rows - self.width`. With `-self.width`, width 0 would mean all rows.",
    ),
    observe=frame_one,
    rules=(keeps_arguments,),
)
class AddFrame:  # (C, H, W) float32 -> (C, H, W) float32
    def __init__(self, width):
        self.width = width

    def __call__(self, image):
        _, rows, columns = image.shape
        framed = image.clone()
        framed[:, : self.width] = 1  # top
        framed[:, rows - self.width :] = 1  # bottom
        framed[:, :, : self.width] = 1  # left
        framed[:, :, columns - self.width :] = 1  # right
        return framed


AddFrame.example(
    1,
    torch.tensor([[[0.1, 0.2, 0.3], [0.4, 0.5, 0.6], [0.7, 0.8, 0.9]]]),
    gives={"the result": torch.tensor([[[1.0, 1.0, 1.0], [1.0, 0.5, 1.0], [1.0, 1.0, 1.0]]])},  # 0.5 is inside
)


@AddFrame.inputs
def pictures():
    yield 0, torch.tensor([[[0.1, 0.2], [0.3, 0.4]]])
    for width, shape in (1, (2, 3, 4)), (1, (3, 5, 6)), (2, (1, 5, 7)), (3, (3, 9, 8)), (2, (6, 6, 6)), (0, (3, 4, 5)):
        yield width, torch.rand(shape) - 0.2


def framing(draw):
    """Return a class whose objects return what `draw` makes of a copy of the picture and the width."""

    class AddFrame:
        def __init__(self, width):
            self.width = width

        def __call__(self, image):
            return draw(image.clone(), self.width)

    return AddFrame


def paint(image, width, parts="tblr", white=1.0):
    _, rows, columns = image.shape
    places = {
        "t": np.s_[:, :width],
        "b": np.s_[:, rows - width :],
        "l": np.s_[:, :, :width],
        "r": np.s_[:, :, columns - width :],
    }
    for part in parts:
        image[places[part]] = white
    return image


def painting(**settings):
    """Return a class that paints only some sides, or in another colour."""
    return framing(lambda image, width: paint(image, width, **settings))


def inside(image, width):
    _, rows, columns = image.shape
    return image[:, width : rows - width, width : columns - width]


def paint_channels(image, width):
    image[:width] = image[-width:] = 1
    image[:, :width] = image[:, -width:] = 1
    return image


def paint_from_zero(image, width):
    for i in range(width):
        image[:, i] = image[:, -i] = 1
        image[:, :, i] = image[:, :, -i] = 1
    return image


def paint_turned(image, width):
    _, columns, rows = image.shape
    image[:, :width] = image[:, rows - width :] = 1
    image[:, :, :width] = image[:, :, columns - width :] = 1
    return image


def paint_corners(image, width):
    _, rows, columns = image.shape
    image[:, :width, :width] = image[:, rows - width :, columns - width :] = 1
    return image


def paint_lines(image, width):
    """Paint one line on each side, `width` pixels from the edge."""
    image[:, width] = image[:, -width] = 1
    image[:, :, width] = image[:, :, -width] = 1
    return image


def fill_inside(image, width):
    inside(image, width).fill_(1)
    return image


AddFrame.mistakes(
    {
        "everything is white. For width 0, `-width` is 0 as well: `x[-0:]` is all of `x`, and `x[0:-0]` is empty. "
        "Count from the front, `rows - self.width`": (
            framing(lambda x, width: paint(x, width) if width else torch.ones_like(x))
        ),
        "top and bottom are white; left and right are still to come": painting(parts="tb"),
        "left and right are white; top and bottom are still to come": painting(parts="lr"),
        "a loop over `i` begins with 0, and `-0` is the first line, not the last; count from the end with `-i - 1`": (
            framing(paint_from_zero)
        ),
        "height and width have changed places: the shape is (C, H, W)": framing(paint_turned),
        "top and left are white; bottom and right are still to come": painting(parts="tl"),
        "dimension 0 is that of the channels; the rows are dimension 1 and the columns dimension 2": (
            framing(paint_channels)
        ),
        "only the first channel has a frame; `:` in the place of the channel means all": (
            framing(lambda x, width: torch.cat([paint(x[:1], width), x[1:]]))
        ),
        "only the corners are white; rows and columns need an assignment each, with `:` for all of the other": (
            framing(paint_corners)
        ),
        "the frame is black; white is 1": painting(white=0.0),
        "255 is the white of bytes; these are floats, and white is 1": painting(white=255.0),
        "inside and outside have changed places": framing(fill_inside),
        "the picture has grown; the frame should cover its outermost pixels": (
            framing(lambda x, width: F.pad(x, [width] * 4, value=1.0))
        ),
        "the picture has shrunk; the frame should stand in place of what you cut off": framing(inside),
        "the frame is always one pixel wide; use `self.width`": framing(lambda x, width: paint(x, 1)),
        "the frame is one pixel too wide; `[: width]` ends before `width`": framing(
            lambda x, width: paint(x, width + 1)
        ),
        "one line on each side is white; `[: width]` takes the outermost `width` of them": framing(paint_lines),
        "only the outermost line on each side is white; `[: width]` takes `width` of them": (
            framing(lambda x, width: paint(x, min(width, 1)))
        ),
        "the image came back as it was": framing(lambda x, width: x),
        "nothing comes back; is a `return` missing in `__call__`?": framing(lambda x, width: None),
    }
)


@AddFrame.mistake(
    "the frame is as wide as that of an object that was made later: the setting belongs to the object, "
    "`self.width = width`, and not to the class or to a global name"
)
class FrameOfTheClass(AddFrame.answer):
    def __init__(self, width):
        type(self).width = width


@AddFrame.mistake("`__call__` is missing (two underscores on each side)")
class FrameWithoutCall:
    def __init__(self, width):
        self.width = width


# ---------------------------------------------------------------------------------------------- a whole batch at once


def tell_varying(factors, darkest):
    """Return along which dimensions numbers differ, as letters."""
    letters = [name for axis, name in enumerate("NCHW") if (factors.amax(axis) - factors.amin(axis)).max() > 1e-4]
    alike = [f", all are {name}" for name, value in (("1", 1.0), ("`darkest`", darkest)) if is_all(factors, value)]
    return Words(", ".join(letters) or "".join(["none", *(alike[:1] if len(factors) > 1 else [])]))


def is_all(tensor, value):
    return torch.allclose(tensor, torch.full_like(tensor, value))


def dim_and_measure(attempt, images, darkest):
    """Observe what the factors have in common with those of any right answer, whichever they are."""
    before = images.clone()
    dimmed = attempt(images, darkest)
    if not isinstance(dimmed, Tensor):
        return {"your result": dimmed}
    result = {"your result": torch.zeros_like(dimmed)}
    if dimmed.shape != images.shape or not dimmed.is_floating_point():
        return result
    factors = dimmed / before
    if darkest == 1:
        return result | {"what comes back": Words("`images` as they were" if is_all(factors, 1.0) else "other images")}
    varying = result["the list of dimensions along which the factors differ"] = tell_varying(factors, darkest)
    if len(images) < 500 or varying != "N":
        return result
    factors = factors[:, 0, 0, 0]
    result["the range of the factors"] = Words(f"from {factors.min():z.1f} to {factors.max():z.1f}")
    steps = factors.diff().sign().unique().tolist()
    result["the order of the factors"] = Words("none" if len(steps) > 1 else "rising" if steps == [1] else "falling")
    result["what a second call gives"] = Words(
        "the same factors" if attempt(before, darkest).equal(dimmed) else "other factors"
    )
    different = factors.unique().numel()
    result["the number of different factors"] = say_many(different, len(factors))
    if different > 0.9 * len(factors):
        parts = torch.histc(factors, 4, darkest, 1) / len(factors)
        even = (parts - 0.25).abs().max() < 0.07
        result["the share of factors in each quarter of that range"] = Words(
            "about 25% each" if even else ", ".join(f"{part:.0%}" for part in parts)
        )
    return result


def say_many(number, of):
    return Words(f"almost {of}" if number > 0.9 * of else str(number) if number < 100 else f"about {round(number, -2)}")


@exercise(
    hints=(
        "One random number for each image, as the coins of `FlipEach`: which shape meets N, and no other dimension?",
        "`torch.rand(len(images), 1, 1, 1)` gives 0 to 1. Multiply and add, so that it becomes darkest to 1.",
        "The factors are `darkest + (1 - darkest) * torch.rand(...)`. With `device=images.device` it runs anywhere.",
    ),
    observe=dim_and_measure,
    rules=(
        keeps_arguments,
        without_loop(
            "`torch.rand(len(images), 1, 1, 1)` draws all factors at once.",
            lambda size: (torch.rand(size, 1, 2, 2), 0.4),
        ),
    ),
)
def dim_each(images, darkest):  # (N, C, H, W) float32 -> (N, C, H, W) float32
    factors = torch.rand(len(images), 1, 1, 1, device=images.device)  # (N, 1, 1, 1), from 0 to 1
    return images * (darkest + (1 - darkest) * factors)


dim_each.example(
    torch.tensor([[[[0.2, 0.8]]], [[[0.5, 0.1]]]]),
    1.0,
    gives={"what comes back": Words("`images` as they were")},  # each factor lies between 1 and 1
)


@dim_each.inputs
def lit_images():
    for shape, darkest in ((2, 1, 1, 3), 0.4), ((3, 3, 2, 3), 0.4), ((4, 2, 4, 4), 0.0), ((1, 3, 2, 2), 0.5):
        yield 0.2 + 0.8 * torch.rand(shape), darkest
    for darkest in 0.4, 0.9, 0.0:
        yield torch.full((1000, 1, 1, 2), 0.5), darkest


def dim_by(shape, low=None, span=None):
    """Return an attempt with factors of a shape, in which letters stand for sizes, from `low`, and `span` wide."""

    def attempt(images, darkest):
        sizes = dict(zip("NCHW", images.shape, strict=True))
        factors = torch.rand([sizes.get(size, 1) for size in shape])
        start = darkest if low is None else low
        return images * (start + (1 - darkest if span is None else span) * factors)

    return attempt


def factors_for(images):
    return torch.rand(len(images), 1, 1, 1)


def dim_by_coins(chance):
    """Return an attempt that leaves some images as they are, and makes all others as dark as can be."""
    return lambda images, darkest: torch.where(factors_for(images) < chance, images, images * darkest)


def dim_with_a_seed(images, darkest):
    torch.manual_seed(0)
    return dim_each.answer(images, darkest)


RANGE = "`torch.rand` gives 0 to 1; times (1 - darkest), plus darkest, it gives darkest to 1"

dim_each.mistakes(
    {
        "one factor for all images; draw one for each: (N, 1, 1, 1)": dim_by("1"),
        "one factor for all images, and from 0 to 1; draw one for each, (N, 1, 1, 1), from `darkest` to 1": (
            dim_by("1", low=0, span=1)
        ),
        "N numbers in a row met W, because shapes line up from the right; they need the shape (N, 1, 1, 1)": dim_by(
            "N"
        ),
        "(N, 1) met H, because shapes line up from the right; the factors need the shape (N, 1, 1, 1)": dim_by("N1"),
        "(N, 1, 1) met C, because shapes line up from the right; the factors need the shape (N, 1, 1, 1)": dim_by(
            "N11"
        ),
        "each channel of an image has a factor of its own; one for the whole image has the shape (N, 1, 1, 1)": (
            dim_by("NC11")
        ),
        "each pixel has a factor of its own; one for the whole image has the shape (N, 1, 1, 1)": dim_by("NCHW"),
        "the images are as they were; multiply each by its own factor": lambda images, darkest: images,
        f"the factors begin at 0, not at `darkest`: {RANGE}": dim_by("N111", low=0, span=1),
        f"the factors go beyond 1: {RANGE}": dim_by("N111", span=1),
        f"the factors end at 1 - darkest: {RANGE}": dim_by("N111", low=0),
        "the factors end at `darkest`; they should begin there": lambda x, darkest: x * darkest * factors_for(x),
        "the numbers were subtracted from the pixels; multiply": (
            lambda x, darkest: x - (darkest + (1 - darkest) * factors_for(x))
        ),
        f"the factors begin at 1 - darkest, not at `darkest`: {RANGE}": (
            lambda x, darkest: x * (1 - darkest * factors_for(x))
        ),
        "`darkest` is not always 0.4": lambda x, darkest: x * (0.4 + 0.6 * factors_for(x)),
        "you divided, so that the images became brighter; multiply": (
            lambda x, darkest: x / (darkest + (1 - darkest) * factors_for(x))
        ),
        "all factors are `darkest`; none was drawn": lambda x, darkest: x * darkest,
        "`randn` draws from the bell curve, which has no bounds; `rand` gives 0 to 1": (
            lambda x, darkest: x * (darkest + (1 - darkest) * torch.randn(len(x), 1, 1, 1))
        ),
        "what is below `darkest` is raised to it, so that `darkest` itself comes up again and again; widen and move "
        "the range instead": lambda x, darkest: x * factors_for(x).clamp(min=darkest),
        "the numbers were added to the pixels; multiply": (
            lambda x, darkest: x + (darkest + (1 - darkest) * factors_for(x))
        ),
        "the factors are spaced evenly, in order; is that `linspace`? It draws nothing": (
            lambda x, darkest: x * torch.linspace(darkest, 1, len(x)).reshape(-1, 1, 1, 1)
        ),
        "is there a seed inside the function? It makes all batches alike; leave it out": dim_with_a_seed,
        "an image is either as it was or as dark as can be; each factor between should be as likely": dim_by_coins(0.5),
        "the product of two draws is more often small than large; draw once for each image": (
            lambda x, darkest: x * (darkest + (1 - darkest) * factors_for(x) * factors_for(x))
        ),
    }
)


# --------------------------------------------------------------------------------------------- does augmentation help?

ROWS, COLUMNS, READINGS = 20, 24, 24
WHITE, GREY = (6, 6), (14, 17)  # the places of two pixels in an else black picture; the middle lies between them


def to_picture(pixels, channels):
    """Return a grey or a colour picture of an array of bytes, (H, W)."""
    return Image.fromarray(pixels if channels == 1 else np.stack([pixels // (i + 1) for i in range(channels)], axis=-1))


def read_often(steps, picture, times):
    """Return what comes out each time, (times, C, H, W); nothing where it is not always a tensor of one shape."""
    readings = [run_steps(steps, picture) for _ in range(times)]
    shapes = {reading.shape if isinstance(reading, Tensor) else reading for reading in readings}
    return torch.stack(readings) if len(shapes) == 1 and isinstance(readings[0], Tensor) else torch.empty(0)


def read_pipeline(attempt, mean, std, train):
    pipeline = attempt(mean, std, train)
    if not callable(pipeline):
        return {"what comes back": None if pipeline is None else Words(say_kind(pipeline))}
    channels = len(mean)
    pixels = np.zeros((ROWS, COLUMNS), dtype=np.uint8)
    black = to_picture(pixels.copy(), channels)
    pixels[WHITE], pixels[GREY] = 255, 102
    steps, picture = (
        pipeline.transforms if isinstance(pipeline, v2.Compose) else [pipeline],
        to_picture(pixels, channels),
    )
    first = run_steps(steps, picture)
    seen = {"what comes back": Words("a transform")} | observe_output(first, "what it makes of a picture", "its result")
    if not isinstance(first, Tensor):
        return seen
    seen["its result"] = torch.zeros_like(first)
    dark = read_often(steps, black, 4)  # (4, C, H, W)
    if dark.ndim > 1:
        found = [f"{part.min().item():z.4g} to {part.max().item():z.4g}" for part in dark.unbind(1)]
        seen["the range of a black picture, by channel,"] = Words(" and ".join(found))
    if first.shape != (channels, ROWS, COLUMNS) or first.dtype != torch.float32:
        return seen
    watched = train and channels == 1
    readings = read_often(steps, picture, READINGS if watched else 10)
    alike = all(reading.equal(readings[0]) for reading in readings)
    seen["what several readings of one picture give"] = Words("equal tensors" if alike else "different tensors")
    if not train and alike:
        seen |= {"the brightest pixel": first[:, *WHITE], "the grey pixel": first[:, *GREY]}
    elif watched and not alike and len(readings):
        seen |= find_changes(readings[:, 0] * std[0] + mean[0])
    return seen


def find_changes(views):
    """Observe how often views of the picture, (N, H, W), are mirrored, and how far they are moved."""
    each, places = torch.arange(len(views)), views.flatten(1).argmax(dim=1)  # the places of the white pixel
    rows, columns = places // COLUMNS, places % COLUMNS
    padded = F.pad(views, [COLUMNS] * 4)
    ways = {}  # which views have the grey pixel so far down and to the right of the white one
    for down, right in itertools.product(
        (GREY[0] - WHITE[0], WHITE[0] - GREY[0]), (GREY[1] - WHITE[1], WHITE[1] - GREY[1])
    ):
        grey = padded[each, rows + COLUMNS + down, columns + COLUMNS + right]
        ways[down > 0, right > 0] = (grey - 0.4).abs() < 1e-3
    whole = (views.sum(dim=(1, 2)) - 1.4).abs() < 1e-2
    if not (torch.stack([*ways.values()]).any(dim=0) & whole).all():
        return {"how the two pixels in the picture lie to each other": Words("changed, or one is lost")}
    turned, mirrored = ways[False, True] | ways[False, False], ways[True, False] | ways[False, False]
    share = mirrored.float().mean().item()
    right = columns - torch.where(mirrored, COLUMNS - 1 - WHITE[1], WHITE[1])
    down = rows - torch.where(turned, ROWS - 1 - WHITE[0], WHITE[0])
    moved = ((right != 0) | (down != 0)).float().mean().item()
    return {
        "how the two pixels in the picture lie to each other": Words("as before, or mirrored"),
        "the share of pictures that are upside down": turned.float().mean().item(),
        "the share of pictures that are mirrored": Words("about half" if 0.15 < share < 0.85 else f"{share:.0%}"),
        f"the farthest move left or right, of {COLUMNS} columns,": right.abs().max().item(),
        f"the farthest move up or down, of {ROWS} rows,": down.abs().max().item(),
        "the share of pictures that are moved": Words("nearly all" if moved > 0.7 else "half or fewer"),
    }


@exercise(
    hints=(
        "Which steps are the same for both? Begin with a list of those that come first.",
        "`if train:` adds the two random changes to the list, and `Normalize` follows in any case.",
        "`v2.RandomHorizontalFlip(p=0.5)` and `v2.RandomAffine(degrees=0, translate=(0.1, 0.1))`.",
    ),
    observe=read_pipeline,
)
def make_pipeline(mean, std, train):  # C numbers, C numbers, bool -> PIL image to (C, H, W)
    steps = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True)]
    if train:
        steps.append(v2.RandomHorizontalFlip(p=0.5))
        steps.append(v2.RandomAffine(degrees=0, translate=(0.1, 0.1)))
    steps.append(v2.Normalize(mean=mean, std=std))
    return v2.Compose(steps)


for train in False, True:
    make_pipeline.example(
        [0.25],
        [0.5],
        train,
        gives={  # (0 - 0.25) / 0.5 = -0.5
            "the range of a black picture, by channel,": Words("-0.5 to -0.5"),
            "what several readings of one picture give": Words("different tensors" if train else "equal tensors"),
        },
    )


@make_pipeline.inputs
def statistics_of_data_sets():
    for train in False, True:
        yield [0.5, 0.2, 0.1], [0.5, 0.1, 0.2], train


FLIP, SHIFT = v2.RandomHorizontalFlip(p=0.5), v2.RandomAffine(degrees=0, translate=(0.1, 0.1))


def pipeline(
    changes=(FLIP, SHIFT), test=(), first=(TO_IMAGE, TO_FLOAT), normalize=v2.Normalize, last=(), join=v2.Compose
):
    """Return an attempt with other steps: random changes in training and in the test, what comes first and last."""

    def attempt(mean, std, train):
        return join([*first, *(changes if train else test), normalize(mean, std), *(last if train else ())])

    return attempt


def skip_normalize(*when):
    """Return an attempt that leaves `Normalize` out in training (True), in the test (False), or in both."""

    def attempt(mean, std, train):
        steps = pipeline()(mean, std, train).transforms
        return v2.Compose(steps[:-1] if train in when else steps)

    return attempt


def affine(degrees, *translate):
    return v2.RandomAffine(degrees, translate=translate)


BELONG = "random changes belong to training only, inside `if train:`"

make_pipeline.mistakes(
    {
        "a shift fills with 0 what comes in from outside, and 0 is black only before `Normalize`: put the random "
        "changes before it": pipeline(changes=(), last=(FLIP, SHIFT)),
        f"{BELONG}; here the test has them and training has not": pipeline(changes=(), test=(FLIP, SHIFT)),
        f"{BELONG}; here the test has them as well": pipeline(test=(FLIP, SHIFT)),
        "the two random changes of training are still to come, inside `if train:`": pipeline(changes=()),
        "`v2.RandomHorizontalFlip(p=0.5)` mirrors about half; no picture is mirrored yet": pipeline(changes=(SHIFT,)),
        "with `p=1`, each picture is mirrored; `p=0.5` mirrors about half": (
            pipeline(changes=(v2.RandomHorizontalFlip(p=1), SHIFT))
        ),
        "`v2.RandomAffine(degrees=0, translate=(0.1, 0.1))` moves the picture; it is only mirrored yet": (
            pipeline(changes=(FLIP,))
        ),
        "pictures are turned upside down; `RandomHorizontalFlip` exchanges left and right": (
            pipeline(changes=(v2.RandomVerticalFlip(p=0.5), SHIFT))
        ),
        "`translate` has one number for each way, first left or right, then up or down; the second is 0": (
            pipeline(changes=(FLIP, affine(0, 0.1, 0)))
        ),
        "`translate` has one number for each way, first left or right, then up or down; the first is 0": (
            pipeline(changes=(FLIP, affine(0, 0, 0.1)))
        ),
        "is that 0.15, the shift of this section? Here it is 0.1": pipeline(changes=(FLIP, affine(0, 0.15, 0.15))),
        "only a flip and a shift belong here. Are pictures turned, scaled, moved too far, or covered?": pipeline(
            changes=(FLIP, affine(20, 0.1, 0.1))
        ),
        "is one of the two left out at times, as `RandomChoice` and `RandomApply` do? Each picture is moved, and about "
        "half of them are mirrored": pipeline(changes=(v2.RandomApply([FLIP, SHIFT], p=0.5),)),
        "`ToDtype` is missing: `Normalize` needs floats": pipeline(first=(TO_IMAGE,)),
        "`ToImage` is missing, and without it `ToDtype` hands the picture on untouched": pipeline(first=(TO_FLOAT,)),
        "`scale=True` is missing, so `Normalize` got 0 to 255": pipeline(first=(TO_IMAGE, UNSCALED)),
        "`mean` and `std` are lists already; brackets around them make lists of lists": (
            pipeline(normalize=lambda mean, std: v2.Normalize([mean], [std]))
        ),
        "mean and deviation have changed places; `Normalize(mean, std)`": (
            pipeline(normalize=lambda mean, std: v2.Normalize(std, mean))
        ),
        "0.25 and 0.5 are the numbers of the example; take `mean` and `std`": (
            pipeline(normalize=lambda mean, std: v2.Normalize([0.25], [0.5]))
        ),
        "nothing is normalized; `Normalize` is the last step of both pipelines": skip_normalize(True, False),
        "the test is not normalized; `Normalize` belongs to both pipelines": skip_normalize(False),
        "training is not normalized; `Normalize` belongs to both pipelines": skip_normalize(True),
        "`v2.Compose(steps)` makes one transform of a list": pipeline(join=list),
        "nothing comes back; is a `return` missing?": lambda mean, std, train: None,
        "in training nothing comes back; does the `return` stand in an `else`?": (
            lambda mean, std, train: None if train else pipeline()(mean, std, train)
        ),
        "in the test nothing comes back; does the `return` stand inside `if train:`?": (
            lambda mean, std, train: pipeline()(mean, std, train) if train else None
        ),
    }
)
