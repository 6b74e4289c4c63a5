"""Answers that learners give to the exercises of notebook 03: right ones, and wrong ones that are no known mistake."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader
from torchvision.transforms import ToTensor, v2

# ------------------------------------------------------------------------------------------------------------ by loops


def convert_in_loops(pixels):
    height, width, channels = pixels.shape
    image = torch.zeros(channels, height, width)
    for row in range(height):
        for column in range(width):
            for channel in range(channels):
                image[channel, row, column] = int(pixels[row, column, channel]) / 255
    return image


def group_in_one_variable(label):
    group = 2
    if label in [0, 2, 4, 6]:
        group = 0
    elif label == 5 or label == 7 or label == 9:
        group = 1
    return group


def read_into_zeros(dataset):
    labels = torch.zeros(len(dataset), dtype=torch.int64)
    images = None
    for i in range(len(dataset)):
        image, label = dataset[i]
        images = torch.zeros(len(dataset), *image.shape) if images is None else images
        images[i], labels[i] = image, label
    return images, labels


def read_by_zip(dataset):
    images, labels = zip(*dataset, strict=True)
    return torch.stack(images), torch.tensor(labels)


def read_with_a_loader(dataset):
    images, labels = next(iter(DataLoader(dataset, batch_size=len(dataset))))
    return [images, labels]


def read_batches(dataset):
    batches = list(DataLoader(dataset, batch_size=2))
    return torch.cat([batch[0] for batch in batches]), torch.cat([batch[1] for batch in batches])


def read_as_stored_by_length(dataset):
    samples = [dataset[i] for i in range(len(dataset.data))]
    return torch.stack([image for image, _ in samples]), torch.tensor([label for _, label in samples])


def smooth_with_scatter(labels, classes_count, amount):
    rows = torch.full((len(labels), classes_count), amount / classes_count)
    return rows.scatter_(1, labels[:, None], 1 - amount + amount / classes_count)


def smooth_by_index(labels, classes_count, amount):
    rows = torch.full((labels.shape[0], classes_count), amount / classes_count)
    rows[torch.arange(len(labels)), labels] += 1 - amount
    return rows


def smooth_in_a_loop(labels, classes_count, amount):
    rows = torch.full((len(labels), classes_count), amount / classes_count)
    for row, label in enumerate(labels):
        rows[row, label] += 1 - amount
    return rows


def smooth_a_list(labels, classes_count, amount):
    share = amount / classes_count
    return torch.tensor([[share + (1 - amount) * (k == n) for k in range(classes_count)] for n in labels.tolist()])


def smooth_class_by_class(labels, classes_count, amount):
    columns = [(labels == k) * (1 - amount) + amount / classes_count for k in range(classes_count)]
    return torch.stack(columns, dim=1)


def measure_each_channel(images):
    channels = [images[:, channel].float() / 255 for channel in range(images.shape[1])]
    return torch.stack([x.mean() for x in channels]), torch.stack([x.std() for x in channels])


def measure_in_rows(images):
    rows = (images / 255).transpose(0, 1).flatten(1)  # (C, N * H * W)
    squares = (rows - rows.mean(dim=1, keepdim=True)).square()
    return rows.mean(dim=1), (squares.sum(dim=1) / (rows.shape[1] - 1)).sqrt()


def measure_with_numpy(images):
    x = images.numpy() / 255
    mean, std = x.mean(axis=(0, 2, 3)), x.std(axis=(0, 2, 3), ddof=1)
    return torch.from_numpy(mean).float(), torch.from_numpy(std).float()


def undo_each_channel(x, mean, std):
    result = x.clone()
    for channel in range(len(mean)):
        result[..., channel, :, :] = x[..., channel, :, :] * std[channel] + mean[channel]
    return result


def undo_in_place(x, mean, std):
    x *= std[:, None, None]
    x += mean[:, None, None]
    return x


# ------------------------------------------------------------------------------------------------------- random changes


def draw_into_zeros(image, change, count, seed):
    versions = torch.zeros(count, *image.shape)
    torch.manual_seed(seed)
    for number in range(count):
        versions[number] = change(image)
    return versions


def draw_with_far_seeds(image, change, count, seed):
    versions = []
    for number in range(count):
        torch.manual_seed(1000 * seed + number)
        versions.append(change(image))
    return torch.stack(versions)


def draw_a_row(image, change, count, seed):
    with torch.random.fork_rng():
        torch.random.manual_seed(seed)
        return torch.cat([change(image).unsqueeze(0) for _ in range(count)], dim=0)


def leave_out_an_argument(image, change, count, seed):
    torch.manual_seed(seed)
    return torch.stack([change() for _ in range(count)])


class FrameByMask:
    def __init__(self, width):
        self.border = width

    def __call__(self, image):
        inner = torch.zeros_like(image, dtype=torch.bool)
        rows, columns = image.shape[1:]
        inner[:, self.border : rows - self.border, self.border : columns - self.border] = True
        return torch.where(inner, image, 1.0)


class FrameInALoop(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.width = width

    def forward(self, image):
        result = image.clone()
        for i in range(self.width):
            result[:, i, :] = result[:, -1 - i, :] = 1.0
            result[:, :, i] = result[:, :, -1 - i] = 1.0
        return result


class FrameOfPad:
    def __init__(self, width):
        self.width = width

    def __call__(self, image):
        w = self.width
        if w == 0:
            return image
        return F.pad(image[:, w:-w, w:-w], (w, w, w, w), value=1)


class FrameInPlace:
    def __init__(self, width):
        self.width = width

    def __call__(self, image):
        if self.width > 0:
            image[:, : self.width] = image[:, -self.width :] = 1
            image[:, :, : self.width] = image[:, :, -self.width :] = 1
        return image


class FrameWithoutWidth:
    def __init__(self, width):
        pass

    def __call__(self, image):
        return image[:, : self.width]


def dim_uniformly(images, darkest):
    return images * torch.empty(images.shape[0], 1, 1, 1).uniform_(darkest, 1)


def dim_downwards(images, darkest):
    factors = 1 - (1 - darkest) * torch.rand(images.size(0))
    return torch.einsum("nchw,n->nchw", images, factors)


def dim_turned(images, darkest):
    factors = torch.from_numpy(np.random.uniform(darkest, 1, len(images))).float()
    return (images.permute(1, 2, 3, 0) * factors).permute(3, 0, 1, 2)


def dim_in_a_loop(images, darkest):
    return torch.stack([image * (darkest + (1 - darkest) * torch.rand(1)) for image in images])


def dim_in_place(images, darkest):
    images *= darkest + (1 - darkest) * torch.rand(len(images), 1, 1, 1)
    return images


# ----------------------------------------------------------------------------------------------------- make_pipeline

TO_TENSOR = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True)]
FLIP, SHIFT = v2.RandomHorizontalFlip(), v2.RandomAffine(0, translate=(0.1, 0.1))
HALVES = [0.5, 0.5, 0.5]


def change_pictures_first(mean, std, train):
    changes = [SHIFT, FLIP] if train else []
    return v2.Compose([*changes, *TO_TENSOR, v2.Normalize(mean, std)])


def compose_composed(mean, std, train):
    prepare, normalize = v2.Compose(TO_TENSOR), v2.Normalize(mean=mean, std=std)
    if not train:
        return v2.Compose([prepare, normalize])
    return v2.Compose([prepare, v2.RandomApply([v2.RandomHorizontalFlip(p=1.0)]), SHIFT, normalize])


def write_a_function(mean, std, train):
    def run(picture):
        image = ToTensor()(picture)
        if train:
            image = SHIFT(FLIP(image))
        return (image - torch.tensor(mean).view(-1, 1, 1)) / torch.tensor(std).view(-1, 1, 1)

    return run


def steps_between(*changes):
    return lambda mean, std, train: v2.Compose([*TO_TENSOR, *(changes if train else ()), v2.Normalize(mean, std)])


# -------------------------------------------------------------------------------------------------------------------

RIGHT = {
    "to_float_image": {
        "loops": convert_in_loops,
        "NumPy": lambda p: torch.from_numpy(p.transpose(2, 0, 1).astype(np.float32) / 255),
        "stacked channels": lambda p: torch.stack([torch.tensor(p[..., c]) / 255 for c in range(p.shape[2])]),
        "torchvision": ToTensor(),
        "einsum": lambda p: torch.einsum("hwc->chw", torch.tensor(p).float()) / 255.0,
    },
    "from_12_bit": {
        "by hand": lambda pixels: torch.tensor(pixels).unsqueeze(0) / 4095,
        "NumPy": lambda pixels: torch.from_numpy(pixels[None].astype(np.float32) / 4095),
        "a pipeline": v2.Compose([v2.ToImage(), v2.Lambda(lambda x: x.float() / 4095)]),
        "undone scale": lambda pixels: v2.Compose(TO_TENSOR)(pixels) * ((2**31 - 1) / 4095),
    },
    "to_group": {
        "one variable": group_in_one_variable,
        "a list": lambda label: [0, 2, 0, 2, 0, 1, 0, 1, 2, 1][label],
        "a dictionary": lambda label: {0: 0, 2: 0, 4: 0, 6: 0, 5: 1, 7: 1, 9: 1}.get(label, 2),
    },
    "read_all": {
        "zip": read_by_zip,
        "zeros": read_into_zeros,
        "a loader": read_with_a_loader,
        "batches": read_batches,
    },
    "smooth_labels": {
        "scatter": smooth_with_scatter,
        "index": smooth_by_index,
        "eye": lambda n, k, a: torch.eye(k)[n] * (1 - a) + a / k,
        "compared": lambda n, k, a: (n.unsqueeze(1) == torch.arange(k)).float() * (1 - a) + a / k,
        "lerp": lambda n, k, a: torch.lerp(F.one_hot(n, k).float(), torch.full((len(n), k), 1 / k), a),
    },
    "channel_statistics": {
        "each channel": measure_each_channel,
        "rows": measure_in_rows,
        "NumPy": measure_with_numpy,
        "std_mean": lambda images: torch.std_mean(images.float() / 255, dim=[0, 2, 3])[::-1],
    },
    "undo_normalize": {
        "each channel": undo_each_channel,
        "None": lambda x, mean, std: x.mul(std[:, None, None]).add(mean[:, None, None]),
        "Normalize": lambda x, mean, std: v2.Normalize((-mean / std).tolist(), (1 / std).tolist())(x),
        "channels last": lambda x, mean, std: (x.movedim(-3, -1) * std + mean).movedim(-1, -3),
        "two shapes": lambda x, m, s: (
            x * s.view(-1, 1, 1) + m.view(1, -1, 1, 1) if x.ndim > 3 else undo_each_channel(x, m, s)
        ),
    },
    "signed_steps": {
        "one number": [*TO_TENSOR, v2.Normalize([0.5], [0.5])],
        "a function": [*TO_TENSOR, v2.Lambda(lambda x: 2 * x - 1)],
        "on bytes": [v2.ToImage(), v2.ToDtype(torch.float32), v2.Normalize([127.5] * 3, [127.5] * 3)],
        "composed": v2.Compose([*TO_TENSOR, v2.Normalize(HALVES, HALVES)]),
        "an older transform": [ToTensor(), v2.Normalize(HALVES, HALVES)],
    },
    "draw_versions": {"zeros": draw_into_zeros, "far seeds": draw_with_far_seeds, "cat": draw_a_row},
    "AddFrame": {"a mask": FrameByMask, "a loop in a module": FrameInALoop, "pad": FrameOfPad},
    "dim_each": {"uniform_": dim_uniformly, "downwards": dim_downwards, "NumPy": dim_turned},
    "make_pipeline": {
        "pictures first": change_pictures_first,
        "composed": compose_composed,
        "a function": write_a_function,
        "the defaults": steps_between(FLIP, SHIFT),
    },
}

WRONG = {
    "to_float_image": {
        "an array": (lambda p: p.transpose(2, 0, 1) / np.float32(255), "a NumPy array"),
        "three channels": (
            lambda p: torch.stack([torch.tensor(p[..., c]) for c in range(3)]) / 255,
            r"\(1, 2, 1\), uint8",
        ),
        "half": (lambda p: (torch.from_numpy(p).permute(2, 0, 1) / 255).half(), "dtype torch.float16, expected"),
    },
    "from_12_bit": {
        "two dimensions in front": (
            lambda p: torch.tensor(p)[None, None] / 4095,
            "dimension of size 1 is missing or too",
        ),
        "an array": (lambda p: (p / 4095)[None], "a NumPy array"),
        "no such method": (lambda p: p.unsqueeze(0) / 4095, r"called with pixels: an array \(1, 3\), int32"),
    },
    "to_group": {
        "a tensor": (lambda label: torch.tensor(group_in_one_variable(label)), "`.item"),
        "a missing key": (lambda label: {0: 0, 2: 0, 4: 0, 6: 0, 5: 1, 7: 1, 9: 1}[label], "for label 8, Bag"),
        "a coat left out": (
            lambda label: 0 if label in (0, 2, 6) else 1 if label in (5, 7, 9) else 2,
            "Coat.* 2, expected 0",
        ),
    },
    "read_all": {
        "labels as a list": (lambda d: (read_by_zip(d)[0], read_by_zip(d)[1].tolist()), "labels is a list"),
        "a length of its own": (
            lambda d: (torch.stack([d[i][0] for i in range(2)]), torch.zeros(2)),
            "tensor of labels has",
        ),
        "the length of `.data`": (read_as_stored_by_length, "no attribute 'data'"),
        "shuffled": (lambda d: read_with_a_loader(sorted(d, key=lambda pair: pair[1])), "expected"),
    },
    "smooth_labels": {
        "a loop": (smooth_in_a_loop, "as a loop does"),
        "a list": (smooth_a_list, "as a loop does"),
        "class by class": (smooth_class_by_class, "as a loop does"),
        "double": (lambda n, k, a: ((1 - a) * F.one_hot(n, k) + a / k).double(), "right, in another dtype"),
    },
    "channel_statistics": {
        "bytes": (lambda x: (x.mean(dim=(0, 2, 3)), x.std(dim=(0, 2, 3))), "Bytes have no mean"),
        "one tensor": (lambda x: torch.stack(measure_in_rows(x)), "is a tensor of .*expected a pair"),
        "nothing": (lambda x: None, "is a `return` missing"),
        "printed": (lambda x: print(x.shape, end=""), "is a `return` missing"),
    },
    "undo_normalize": {
        "in place": (undo_in_place, "changes its argument `x` in place"),
        "flat": (lambda x, mean, std: undo_each_channel(x, mean, std).flatten(), "right, in one dimension"),
    },
    "signed_steps": {
        "one transform": (v2.ToImage(), "is a ToImage, expected a list of transforms"),
        "names": (["ToImage"], "step 1, str, cannot be called"),
        "an error of one's own": (
            [lambda picture: picture.no_such_thing],
            "step 1, <lambda>, gets a PIL image and fails",
        ),
        "a set": ({v2.ToImage()}, "is a set, expected a list"),
        "none": ([], "what comes out is a PIL image"),
    },
    "draw_versions": {
        "no argument": (leave_out_an_argument, r"called with image: \(1, 1, 3\), float32"),
        "nothing": (lambda image, change, count, seed: None, "is a `return` missing"),
        "copies": (lambda image, change, count, seed: image.expand(count, -1, -1, -1), "calls of `change` is 0"),
    },
    "AddFrame": {
        "in place": (FrameInPlace, "changes its argument `image` in place"),
        "no width": (FrameWithoutWidth, r"called with width: 1, image: \(1, 3, 3\)"),
    },
    "dim_each": {
        "a loop": (dim_in_a_loop, "as a loop does"),
        "in place": (dim_in_place, "changes its argument `images` in place"),
        "half the way": (
            lambda x, d: x * (d + (1 - d) / 2 * torch.rand(len(x), 1, 1, 1)),
            "from 0.4 to 0.7, expected from 0.4",
        ),
        "ten levels": (
            lambda x, d: x * (d + (1 - d) * torch.randint(10, (len(x), 1, 1, 1)) / 9),
            "different factors is 10",
        ),
        "sums": (lambda x, d: x * (d + (1 - d) * torch.rand(2, len(x), 1, 1, 1).mean(0)), "expected about 25% each"),
    },
    "make_pipeline": {
        "bilinear": (steps_between(FLIP, v2.RandomAffine(0, (0.1, 0.1), shear=20)), "changed, or one is lost"),
        "cropped": (steps_between(FLIP, SHIFT, v2.CenterCrop(10)), "shape"),
        "one number for Normalize": (
            lambda mean, std, train: v2.Normalize(0.5, 0.5),
            "(?s)not iterable.*called with mean",
        ),
        "seldom mirrored": (steps_between(v2.RandomHorizontalFlip(p=0.05), SHIFT), "%, expected about half"),
        "a class": (lambda mean, std, train: v2.Compose, "what it makes of a picture is"),
    },
}
