"""The exercises of notebook 03, transforms."""

import inspect

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import Dataset
from torchvision.transforms import v2

from tutorial_utils.data import CLASSES
from tutorial_utils.exercises.compare import expect_close
from tutorial_utils.exercises.old import Calls, Exercise, call, expect_no_loop, find_difference  # noqa: F401


def expect_kind(result, expected, mistakes=None, name="your result"):
    """Compare type, shape, dtype and device, whatever the values are; `mistakes` holds zeros in wrong shapes."""
    blank = torch.zeros_like(result) if isinstance(result, Tensor) else result
    expect_close(blank, torch.zeros_like(expected), mistakes, name)


def expect_pair(result, wanted):
    """Expect two values, as `return a, b` gives them."""
    found = "None" if result is None else f"one object of type {type(result).__name__}"
    found = f"a {type(result).__name__} of length {len(result)}" if isinstance(result, tuple | list) else found
    pair = isinstance(result, tuple | list) and len(result) == 2
    missing = " Is a `return` missing?" if result is None else ""
    assert pair, f"Your result is {found}, expected a pair, {wanted}.{missing}"


# --------------------------------------------------------------------------- from a picture to a tensor, by hand


def to_float_image(pixels):  # (H, W, C) uint8, a NumPy array -> (C, H, W) float32
    image = torch.from_numpy(pixels).permute(2, 0, 1)  # (C, H, W), uint8
    return image / 255


def verify_to_float_image(attempt):
    pixels = (11 * np.arange(24, dtype=np.uint8)).reshape(2, 4, 3)
    whole = torch.tensor([pixels[:, :, channel].tolist() for channel in range(3)], dtype=torch.uint8)
    expected = whole / 255
    torn = torch.from_numpy(pixels).reshape(3, 2, 4)
    turned = whole.permute(0, 2, 1)
    channels_last = whole.permute(1, 2, 0)
    expect_close(
        call(attempt, pixels),
        expected,
        mistakes={
            "the shape is right, but `reshape` cuts the row of numbers into other pieces and mixes the channels; "
            "`permute` changes the order of the dimensions": torn / 255,
            "the channels are last, as they came; `permute` brings them to the front": channels_last / 255,
            "the channels are last, as they came, and the numbers are still bytes": channels_last,
            "`unsqueeze(0)` adds the one channel of a grey picture; this one has three, at the end, and `permute` "
            "brings them to the front": channels_last.unsqueeze(0) / 255,
            "the channels are in front, but height and width have changed places": turned / 255,
            "the order is right; dividing by 255 is still to come": whole,
            "the order is right, but the numbers go from 0 to 255; divide by 255": whole.float(),
            "white is 255, and has to become 1; you divided by 256": whole / 256,
            "`//` drops what stands behind the point; `/` keeps it": whole // 255,
            "white is 255, whatever the largest number in this picture is; divide by 255": whole / 253,
        },
        name="for an array of shape (2, 4, 3), your result",
    )
    expect_close(
        call(attempt, np.array([[[51], [204]]], dtype=np.uint8)),
        torch.tensor([[[0.2, 0.8]]]),
        name="for a grey array of shape (1, 2, 1), your result",
    )


to_float_image = Exercise(
    to_float_image,
    verify_to_float_image,
    hints=(
        "Three steps: a tensor from the array, the channels to the front, the numbers to 0 to 1.",
        "`x.permute(2, 0, 1)` puts dimension 2 first, then 0, then 1.",
        "`torch.from_numpy(pixels)` makes the tensor, and `/ 255` makes floats.",
    ),
)


# ------------------------------------------------------------------ PyTorch already has this: ToImage and ToDtype


def from_12_bit(pixels):  # (H, W) int32, a NumPy array, 0 to 4095 -> (1, H, W) float32
    image = v2.ToImage()(pixels)  # (1, H, W), int32
    return v2.ToDtype(torch.float32)(image) / 4095


def verify_from_12_bit(attempt):
    pixels = np.array([[0, 819, 1638], [2457, 3276, 1000]], dtype=np.int32)
    expected = torch.tensor([[[0.0, 0.2, 0.4], [0.6, 0.8, 1000 / 4095]]])
    whole = torch.from_numpy(pixels).unsqueeze(0)
    expect_close(
        call(attempt, pixels),
        expected,
        mistakes={
            "the numbers are nearly 0. `scale=True` divides a 32-bit integer by the largest value of its type, "
            "2,147,483,647; the largest value of this camera is 4095": whole / (2**31 - 1),
            "`//` drops what stands behind the point; `/` keeps it": whole // 4095,
            "the numbers are as they came; dividing by 4095 is still to come": whole,
            "the numbers are floats, but as they came, from 0 to 4095. Without `scale=True` nothing is scaled, so "
            "divide by 4095": whole.float(),
            "255 is the largest value of a byte; the largest value of this camera is 4095": whole / 255,
            "65535 is the largest value of 16 bits; the largest value of this camera is 4095": whole / 65535,
            "4096 is the number of values, from 0 to 4095, so the largest is 4095": whole / 4096,
            "you divided by the largest value of this picture, so that each picture would get a scale of its own, and "
            "a dark one would become bright; divide by the largest value that the camera can give, 4095": whole / 3276,
            "bytes cannot hold 4095: they start again at 0 after 255. Make floats first": whole.to(torch.uint8) / 255,
            "the channel in front is missing; `ToImage` adds it, and so does `unsqueeze(0)`": expected[0],
            "the channel is at the end; `unsqueeze(0)` adds it in front": expected[0].unsqueeze(-1),
        },
    )
    expect_close(
        call(attempt, np.array([[4095, 1365]], dtype=np.int32)),
        torch.tensor([[[1.0, 1 / 3]]]),
        name="for the pixels 4095 and 1365, your result",
    )


from_12_bit = Exercise(
    from_12_bit,
    verify_from_12_bit,
    hints=(
        "By what does `ToDtype` divide, with `scale=True`, if it gets 32-bit integers? What should it be here?",
        "`v2.ToImage()(pixels)` has shape (1, H, W). `v2.ToDtype(torch.float32)` alone scales nothing.",
        "Divide by 4095 yourself.",
    ),
)


# ------------------------------------------------------------------------- a transform runs when a sample is read


def to_group(label):  # int, 0 to 9 -> int, 0 to 2
    if label in (0, 2, 4, 6):  # tops
        return 0
    if label in (5, 7, 9):  # shoes
        return 1
    return 2  # the rest


def verify_to_group(attempt):
    groups = [0, 2, 0, 2, 0, 1, 0, 1, 2, 1]
    results = [attempt(label) for label in range(10)]
    first = results[0]
    assert type(first) is not int or any(result is not first for result in results), (
        f"Your function gives {first} for each of the ten labels. If you wrote `label == 0 or 2`: Python reads it as "
        "`(label == 0) or 2`, and 2 counts as true. `label in (0, 2)` asks what you mean."
    )
    for label, (result, group) in enumerate(zip(results, groups, strict=True)):
        rest = "; what is neither top nor shoe is group 2" if group == 2 else ", and `print` gives nothing back"
        expect_close(
            result,
            group,
            mistakes={
                "a comparison gives True or False, and a group is one of the numbers 0, 1, 2": result is True,
                f"for this label no `return` is reached{rest}": None,
                "a group is a number; the model knows no names": ("top", "shoe", "rest")[group],
            },
            name=f"for label {label}, {CLASSES[label]}, your result",
        )


to_group = Exercise(
    to_group,
    verify_to_group,
    hints=(
        "`label in (5, 7, 9)` is True for the shoes.",
        "Two `if` lines with a `return` each, and a last `return` for the rest.",
    ),
)


class Pictures(Dataset[tuple[Tensor, Tensor]]):
    """Four pictures of 2 x 3 pixels. It keeps a list of the samples that were read."""

    def __init__(self):
        self.data = (9 * torch.arange(24)).to(torch.uint8).reshape(4, 2, 3)
        self.targets = torch.tensor([3, 0, 2, 2])
        self.read = []

    def __len__(self):
        return len(self.data)

    def __getitem__(self, index):
        if index >= len(self):
            raise IndexError(index)
        self.read.append(int(index))
        image, label = self.data[index].unsqueeze(0), int(self.targets[index])
        return 1 - image / 255, 10 * label  # the transforms: a negative, and the label times ten


def read_all(dataset):  # N samples -> (N, C, H, W), (N,)
    samples = [dataset[index] for index in range(len(dataset))]  # each is read once
    images = torch.stack([image for image, label in samples])  # (N, C, H, W)
    labels = torch.tensor([label for image, label in samples])  # (N,)
    return images, labels


def verify_read_all(attempt):
    pictures = Pictures()
    result = attempt(pictures)
    expect_pair(result, "images and labels")
    grey = pictures.data / 255
    images, labels = (1 - grey).unsqueeze(1), torch.tensor([30, 0, 20, 20])
    raw = "`.data` is what is stored, and no transform has run. Read the samples, `dataset[index]`"
    expect_close(
        result[0],
        images,
        mistakes={
            raw: pictures.data,
            f"{raw}, and nothing else is needed": pictures.data.unsqueeze(1),
            f"{raw}; the transform decides what becomes of the pixels": grey.unsqueeze(1),
            f"{raw}; the transform may do more than scaling": grey,
            "the channel is gone. `stack` keeps (C, H, W) and puts N in front; `cat` joins along a dimension that is "
            "there": images.flatten(0, 1),
            "this is the first image alone": images[0],
            "this is the last image alone; collect all of them in a list": images[-1],
            "these are the labels; in the pair, the images come first": labels,
        },
        name="the tensor of images",
    )
    expect_close(
        result[1],
        labels,
        mistakes={
            "`.targets` is what is stored, and no `target_transform` has run. The label of a sample is "
            "`dataset[index][1]`": pictures.targets,
        },
        name="the tensor of labels",
    )
    times = len(pictures.read) / len(pictures)
    assert times == 1, (
        f"Images and labels are right, but samples were read {len(pictures.read)} times, and there are {len(pictures)} "
        "of them. Each reading runs the transforms again, and a random one would give another picture: keep each pair, "
        "image and label, when you read it."
    )


read_all = Exercise(
    read_all,
    verify_read_all,
    hints=(
        "What goes around the transforms: `dataset[index]` or `dataset.data`?",
        "First a list of all samples: `[dataset[index] for index in range(len(dataset))]`. Each is a pair.",
        "Then `torch.stack` of all images and `torch.tensor` of all labels.",
    ),
)


# --------------------------------------------------------------------------------------- labels as rows: one-hot


def smooth_labels(labels, classes_count, amount):  # (N,) int64 -> (N, K) float32
    one_hot = F.one_hot(labels, classes_count).float()  # (N, K)
    return (1 - amount) * one_hot + amount / classes_count


def verify_smooth_labels(attempt):
    labels = torch.tensor([2, 0, 2])
    hot = torch.tensor([[0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 1, 0]])  # the last class does not occur
    narrow = 0.8 * hot[:, :3]
    expect_close(
        call(attempt, labels, 4, 0.2),
        torch.tensor([[0.05, 0.05, 0.85, 0.05], [0.85, 0.05, 0.05, 0.05], [0.05, 0.05, 0.85, 0.05]]),
        mistakes={
            "a column is missing: `F.one_hot` without a number of classes ends at the largest label that occurs; tell "
            "it `classes_count`": narrow + 0.05,
            "a column is missing: `F.one_hot` without a number of classes ends at the largest label that occurs, and "
            "the share of a class is `amount / classes_count`": narrow + 0.2 / 3,
            "these are plain one-hot rows; `amount` is still to be shared out": hot.float(),
            "these are plain one-hot rows, of whole numbers; `amount` is still to be shared out": hot,
            "you shared `amount` out among the other classes; here all K get a share, the right one too, so a share is "
            "`amount / classes_count`": 0.8 * hot + 0.2 / 3 * (1 - hot),
            "each row adds up to more than 1: the 1 has to give `amount` away before all get a share": hot + 0.05,
            "you took `amount` from the 1; sharing it out among all classes is still to come": 0.8 * hot,
            "each class got the whole `amount`; a share is `amount / classes_count`": 0.8 * hot + 0.2,
            "`amount` and 1 - amount have changed places": 0.2 * hot + 0.2,
            "the right place has the right number, and the others got the whole `amount`": 0.8 * hot + 0.2 * (1 - hot),
            "the right place should get its share as well, 1 - amount + amount / K": 0.8 * hot + 0.05 * (1 - hot),
        },
        name="for the labels 2, 0, 2 of 4 classes and amount 0.2, your result",
    )
    expect_close(
        call(attempt, torch.tensor([4, 1]), 5, 0.0),
        torch.tensor([[0.0, 0.0, 0.0, 0.0, 1.0], [0.0, 1.0, 0.0, 0.0, 0.0]]),
        name="for amount 0, your result",
    )
    expect_close(
        call(attempt, torch.tensor([1]), 2, 0.5),
        torch.tensor([[0.25, 0.75]]),
        name="for label 1 of 2 classes and amount 0.5, your result",
    )
    few, many = torch.arange(2) % 4, torch.arange(40) % 4
    advice = "`F.one_hot` and `scatter_` take all labels at once."
    expect_no_loop(attempt, (few, 4, 0.2), (many, 4, 0.2), len(many) - len(few), advice)


smooth_labels = Exercise(
    smooth_labels,
    verify_smooth_labels,
    hints=(
        "Begin with one-hot rows, as floats: (N, K).",
        "Every place gets `amount / classes_count`, and the place of the label 1 - amount on top of it.",
        "`(1 - amount) * rows + amount / classes_count`: the number at the end is added to every place.",
    ),
)


# ------------------------------------------------------------------- normalize: mean 0, standard deviation 1


def channel_statistics(images):  # (N, C, H, W) uint8 -> (C,), (C,) float32
    scaled = images / 255  # 0 to 1
    return scaled.mean(dim=(0, 2, 3)), scaled.std(dim=(0, 2, 3))


def verify_channel_statistics(attempt):
    red, green, blue = (
        [[[0, 51, 20], [102, 7, 30]], [[204, 153, 240], [250, 90, 211]]],
        [[[10, 10, 30], [10, 50, 10]], [[90, 90, 80], [90, 20, 90]]],
        [[[250, 0, 250], [0, 250, 9]], [[128, 130, 128], [120, 128, 100]]],
    )
    images = torch.tensor([red, green, blue], dtype=torch.uint8).transpose(0, 1).contiguous()  # (2, 3, 2, 3)
    parts = [np.array(channel) / 255 for channel in (red, green, blue)]
    mean = torch.tensor([part.mean() for part in parts], dtype=torch.float32)
    std = torch.tensor([part.std(ddof=1) for part in parts], dtype=torch.float32)
    result = call(attempt, images)
    expect_pair(result, "the means and the deviations")
    x = images / 255
    wrong_dims = {
        "this is one number for all channels; leave dimension 1, C, out of `dim`, and it stays": None,
        "this is one number for each column of the pictures, because the last dimension, W, has stayed; C should "
        "stay": (0, 1, 2),
        "this is one number for each image, because N has stayed; C should stay": (1, 2, 3),
        "this is one row for each image; all images together have one, so `dim` needs 0 as well": (2, 3),
        "`dim=(0, 1)` removes N and C; all but C should go": (0, 1),
        "only the first dimension, N, has gone; H and W should go as well, `dim=(0, 2, 3)`": 0,
        "the channels are gone, because `dim=1` removes C; all but C should go, `dim=(0, 2, 3)`": 1,
    }
    bytes_scale = "these are numbers on the scale from 0 to 255; divide the images by 255 first"
    keep = "`keepdim=True` keeps dimensions of size 1; here they should go"
    expect_close(
        result[0],
        mean,
        mistakes={
            **{sentence: x.mean(dim=dim) for sentence, dim in wrong_dims.items()},
            bytes_scale: mean * 255,
            "white is 255, whatever the largest number in these images is; divide by 255": mean * 255 / 250,
            keep: x.mean(dim=(0, 2, 3), keepdim=True),
            "these are the deviations; the means come first": std,
        },
        name="the mean",
    )
    expect_close(
        result[1],
        std,
        mistakes={
            **{sentence: x.std(dim=dim) for sentence, dim in wrong_dims.items()},
            bytes_scale: std * 255,
            keep: x.std(dim=(0, 2, 3), keepdim=True),
            "the mean over the images of their deviations is something else: it misses that one picture is darker than "
            "another. Take one deviation over all pixels of a channel": x.std(dim=(2, 3)).mean(dim=0),
            "this is the variance; the standard deviation is its root": std.square(),
            "your deviation divides by the number of pixels; `std` of PyTorch divides by one less": x.std(
                dim=(0, 2, 3), correction=0
            ),
        },
        name="the standard deviation",
    )
    grey = call(attempt, torch.tensor([0, 255], dtype=torch.uint8).reshape(2, 1, 1, 1))
    expect_close(tuple(grey), (torch.tensor([0.5]), torch.tensor([0.5**0.5])), name="for a black and a white pixel")


channel_statistics = Exercise(
    channel_statistics,
    verify_channel_statistics,
    hints=(
        "Bytes have no mean in PyTorch. What makes floats from 0 to 1 of them?",
        "Which dimensions of (N, C, H, W) have to disappear, so that (C,) is left?",
        "`mean` and `std` take several dimensions at once: `dim=(0, 2, 3)`.",
    ),
)


def undo_normalize(x, mean, std):  # (..., C, H, W), (C,), (C,) -> (..., C, H, W)
    return x * std.reshape(-1, 1, 1) + mean.reshape(-1, 1, 1)


def verify_undo_normalize(attempt):
    mean, std = torch.tensor([0.5, 0.4, 0.2]), torch.tensor([0.25, 0.2, 0.1])
    normalize = v2.Normalize(mean.tolist(), std.tolist())
    image = torch.arange(18.0).reshape(3, 2, 3) / 17  # as wide as it has channels
    x = normalize(image)
    means, deviations = mean.reshape(3, 1, 1), std.reshape(3, 1, 1)
    expect_close(
        call(attempt, x, mean, std),
        image,
        mistakes={
            "nothing failed, because this image has as many columns as channels, but each column got a mean and a "
            "deviation of its own. (C,) needs the shape (C, 1, 1)": x * std + mean,
            "you normalized once more; undoing it is times `std`, then plus `mean`": (x - means) / deviations,
            "what was done last is undone first: times `std`, then plus `mean`": (x + means) * deviations,
            "times `std` is right; plus `mean` is still to come": x * deviations,
            "plus `mean` is right; times `std` comes before it": x + means,
            "`Normalize` divided by `std`, so multiply by it": x / deviations + means,
            "`Normalize` subtracted the mean, so add it": x * deviations - means,
            "for one image the batch dimension in front is too much; the shape (C, 1, 1) fits both, an image and a "
            "batch": image.unsqueeze(0),
            "mean and deviation have changed places: times `std`, plus `mean`": x * means + deviations,
            "all channels got the numbers of the first": x * std[0] + mean[0],
            "this is `x` as it came": x,
        },
        name="for an image of shape (3, 2, 3), your result",
    )
    batch = torch.stack([image[..., :2], 1 - image[..., 1:]])  # (2, 3, 2, 2)
    expect_close(
        call(attempt, normalize(batch), mean, std), batch, name="for a batch of shape (2, 3, 2, 2), your result"
    )
    grey = torch.tensor([[[0.25, 1.0, 0.0, 0.5]]])
    expect_close(
        call(attempt, v2.Normalize([0.3], [0.5])(grey), torch.tensor([0.3]), torch.tensor([0.5])),
        grey,
        name="for a grey image of shape (1, 1, 4), your result",
    )


undo_normalize = Exercise(
    undo_normalize,
    verify_undo_normalize,
    hints=(
        "`Normalize` subtracts the mean and then divides. What undoes the division, and what the subtraction?",
        "Shapes line up from the right, so (C,) would meet W. Which shape meets C in (C, H, W)?",
        "`mean.reshape(-1, 1, 1)` is (C, 1, 1): one number for each channel, for all its pixels.",
    ),
)


# ------------------------------------------------------------------------------------------ the order of the steps


def signed_steps():
    return [
        v2.ToImage(),
        v2.ToDtype(torch.float32, scale=True),
        v2.Normalize(mean=[0.5, 0.5, 0.5], std=[0.5, 0.5, 0.5]),
    ]


def verify_signed_steps(attempt):
    steps = list(attempt.transforms) if isinstance(attempt, v2.Compose) else attempt
    assert isinstance(steps, list | tuple), (
        f"`signed_steps` is of type {type(steps).__name__}, expected a list of transforms: `[..., ..., ...]`."
    )
    pixels = np.array([[[0, 255, 51], [102, 0, 255]]], dtype=np.uint8)  # (H, W, C) = (1, 2, 3)
    zero_one = torch.tensor([[[0.0, 0.4]], [[1.0, 0.0]], [[0.2, 1.0]]])  # (C, H, W)
    result, trace = Image.fromarray(pixels), ["the picture is a PIL image"]
    for number, step in enumerate(steps, start=1):
        name = f"step {number}, {getattr(step, '__name__', type(step).__name__)},"
        assert not inspect.isclass(step), f"{name[0].upper()}{name[1:]} is a class; parentheses make a transform of it."
        assert callable(step), f"{name[0].upper()}{name[1:]} cannot be called; a transform can."
        try:
            result = step(result)
        except (TypeError, ValueError, RuntimeError) as error:
            reason = str(error).strip().partition("\n")[0].rstrip(".")
            raise AssertionError(
                f"{name[0].upper()}{name[1:]} fails: {reason}. What came before: {'; '.join(trace)}."
            ) from error
        trace.append(f"{name} makes {describe_kind(result)}")
    assert not isinstance(result, Image.Image), (
        "What comes out is a PIL image, expected a tensor. `v2.ToImage()` makes one, and without it in front, "
        "`ToDtype` hands the picture on untouched."
    )
    expect_close(
        result,
        zero_one * 2 - 1,
        mistakes={
            "black is 0 and white is 1 now; `Normalize` with the right mean and deviation is still to come": zero_one,
            "bytes come out; `ToDtype` makes floats of them": (zero_one * 255).to(torch.uint8),
            "`scale=True` is missing: the bytes became floats, but stayed 0 to 255, and `Normalize` worked on these": (
                zero_one * 255 - 0.5
            )
            / 0.5,
            "floats from 0 to 255 come out; `scale=True` and `Normalize` are missing": zero_one * 255,
            "the mean is right, and black is −0.5 now; a deviation of 0.5 doubles it": zero_one - 0.5,
            "black is 0 and white is 2 now; the mean should be what lies in the middle, 0.5": zero_one * 2,
            "black is −2 and white is 2 now; a deviation twice as large makes −1 and 1": (zero_one - 0.5) / 0.25,
            "mean and deviation belong to numbers from 0 to 255, but the step before has scaled them to 0 to 1": (
                zero_one - 127.5
            )
            / 127.5,
            "this is the way from −1 and 1 to 0 and 1; here black, 0, has to become −1": (zero_one + 1) / 2,
            "black is −1, but white is 0: the deviation should be 0.5": zero_one - 1,
            "black is 1 and white is 2 now: `Normalize` subtracts its mean, so −1 adds 1": zero_one + 1,
        },
        name="for the pixels (0, 255, 51) and (102, 0, 255), what comes out",
    )


def describe_kind(value):
    """Return in words what a step has made."""
    if isinstance(value, Image.Image):
        return "a PIL image"
    return f"a tensor of {value.dtype}" if isinstance(value, Tensor) else f"a {type(value).__name__}"


signed_steps = Exercise(
    signed_steps,
    verify_signed_steps,
    hints=(
        "The three steps in the order of this section. The last one has to make −1 of 0, and 1 of 1.",
        "(0 − mean) / std = −1 and (1 − mean) / std = 1: which mean and which std?",
        "The mean lies in the middle, 0.5, and 0 and 1 are 0.5 away from it. One number for each of three channels.",
    ),
)


# -------------------------------------------------------------------------- augmentation: new pictures from old ones


def draw_versions(image, change, count, seed):  # (C, H, W) -> (count, C, H, W)
    torch.manual_seed(seed)
    return torch.stack([change(image) for _ in range(count)])


def verify_draw_versions(attempt):
    image = torch.tensor([[[0.0, 0.25, 0.5], [0.125, 0.75, 0.375]]])  # (1, 2, 3)
    seen, made = [], []

    def change(x):
        seen.append(x.clone())
        made.append(x + torch.rand(()))
        return made[-1].clone()

    def draw(count, seed):
        seen.clear()
        made.clear()
        return call(attempt, image, change, count, seed)

    result = draw(4, 7)
    joined = {"`cat` joins along a dimension that is there; `stack` puts a new one in front": torch.zeros(4, 2, 3)}
    expect_kind(result, torch.zeros(4, 1, 2, 3), joined)
    times = "once" if len(seen) == 1 else f"{len(seen)} times"
    assert len(seen) == 4, (
        f"For 4 versions, `change` was called {times}, expected 4 times. It draws anew at each call, and once per call."
    )
    assert all(x.shape == image.shape and x.equal(image) for x in seen), (
        "A version was made of another version. Each is made of `image`: `change(image)`."
    )
    expect_close(
        result,
        torch.stack(made),
        mistakes={"this is `image` as it was; use what `change` returns": image.expand(4, -1, -1, -1)},
    )
    assert not all(version.equal(result[0]) for version in result), (
        "All 4 versions are equal: the generator starts anew before each. Call `torch.manual_seed(seed)` once, before "
        "the first."
    )
    assert draw(4, 7).equal(result), (
        "A second call with the same seed gave other versions. `torch.manual_seed(seed)` before the first draw repeats "
        "them."
    )
    assert not draw(4, 8).equal(result), "Another seed gave the same versions. Is it `seed` that you pass on?"
    expect_kind(draw(1, 7), torch.zeros(1, 1, 2, 3), name="for `count=1`, your result")


draw_versions = Exercise(
    draw_versions,
    verify_draw_versions,
    hints=(
        "Where must the seed be set: once before all draws, or before each of them?",
        "`torch.stack` makes (count, C, H, W) of a list of `count` images.",
        "First `torch.manual_seed(seed)`, then `change(image)` as often as `count` says, then `torch.stack`.",
    ),
)


# --------------------------------------------------------------------------------------------- a transform of your own


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


def verify_add_frame(attempt):
    image = torch.arange(60.0).reshape(2, 5, 6) / 100
    one, two, none = attempt(1), attempt(2), attempt(0)
    assert callable(one), (
        "An object of your class cannot be called: `__call__` is missing (two underscores on each side)."
    )
    framed = {width: F.pad(image[:, width:-width, width:-width], [width] * 4, value=1.0) for width in (1, 2)}
    inner = framed[1] != 1
    row_frame, column_frame = image.clone(), image.clone()
    row_frame[:, [0, -1]] = 1
    column_frame[:, :, [0, -1]] = 1
    top_left = image.clone()
    top_left[:, 0], top_left[:, :, 0] = 1, 1
    expect_close(
        call(one, image),
        framed[1],
        mistakes={
            "the frame is as wide as that of `AddFrame(2)`, which was made after it: the setting belongs to the "
            "object, `self.width = width`": framed[2],
            "there is no frame. If the class keeps `width` somewhere else than in `self`, the last object decides, "
            "here `AddFrame(0)`": image,
            "top and bottom are white; left and right are still to come": row_frame,
            "left and right are white; top and bottom are still to come": column_frame,
            "top and left are white; bottom and right are still to come": top_left,
            "everything is white: dimension 0 is that of the channels, the rows are dimension 1 and the columns "
            "dimension 2": torch.ones_like(image),
            "only the first channel has a frame; `:` in the place of the channel means all": torch.cat(
                [framed[1][:1], image[1:]]
            ),
            "the frame is black; white is 1": framed[1] * inner,
            "inside and outside have changed places": torch.where(inner, 1.0, image),
            "the picture has grown; the frame should cover its outermost pixels": F.pad(image, [1] * 4, value=1.0),
            "the picture has shrunk; the frame should stand in place of what you cut off": image[:, 1:-1, 1:-1],
            "255 is the white of bytes; these are floats, and white is 1": torch.where(inner, framed[1], 255.0),
        },
        name="for `AddFrame(1)`, the result",
    )
    expect_close(
        call(two, image),
        framed[2],
        mistakes={"the frame is one pixel wide; use `self.width`": framed[1]},
        name="for `AddFrame(2)`, the result",
    )
    expect_close(
        call(none, image),
        image,
        mistakes={
            "everything is white. For width 0, `-width` is 0 as well: `x[-0:]` is all of `x`, and `x[0:-0]` is empty. "
            "Count from the front, `rows - self.width`": torch.ones_like(image),
        },
        name="for `AddFrame(0)`, the result",
    )


AddFrame = Exercise(
    AddFrame,
    verify_add_frame,
    hints=(
        "`__init__` keeps `self.width`. `__call__` works on a copy, `image.clone()`, so that `image` stays as it is.",
        "`framed[:, : self.width] = 1` makes the top white, `framed[:, :, : self.width] = 1` the left.",
        "The bottom begins at row `rows - self.width`. With `-self.width`, width 0 would mean all rows.",
    ),
)


# ---------------------------------------------------------------------------------------------- a whole batch at once


def dim_each(images, darkest):  # (N, C, H, W) float32 -> (N, C, H, W) float32
    factors = torch.rand(len(images), 1, 1, 1, device=images.device)  # (N, 1, 1, 1), from 0 to 1
    return images * (darkest + (1 - darkest) * factors)


def verify_dim_each(attempt):
    images = 0.2 + torch.arange(54.0).reshape(3, 3, 2, 3) / 100
    result = call(attempt, images, 0.4)
    expect_kind(result, images, name="for images of shape (3, 3, 2, 3), your result")
    factors = result / images
    varying = [name for axis, name in enumerate("NCHW") if (factors.amax(axis) - factors.amin(axis)).max() > 1e-4]
    assert not torch.allclose(factors, torch.ones(())), "The images are as they were. Multiply each by its own factor."
    assert varying, "All images got the same factor. Draw one for each image: (N, 1, 1, 1)."
    assert "N" in varying, (
        f"The factors differ along {', '.join(varying)}, and are the same for all images. Shapes line up from the "
        "right, so N numbers need the shape (N, 1, 1, 1)."
    )
    assert varying == ["N"], (
        f"The factors differ along {', '.join(varying)}: one image has several. Draw one number for each image, in the "
        "shape (N, 1, 1, 1)."
    )
    grey = torch.full((500, 1, 1, 2), 0.5)
    for darkest in 0.4, 0.9:
        result = call(attempt, grey, darkest)
        expect_kind(result, grey, name="for images of shape (500, 1, 1, 2), your result")
        expect_factors((result / grey)[:, 0, 0, 0], darkest)
    expect_close(call(attempt, images, 1.0), images, name="for `darkest=1`, your result")
    assert not attempt(grey.clone(), 0.4).equal(attempt(grey.clone(), 0.4)), (
        "Two calls gave the same factors. A seed inside the function makes all batches alike; leave it out."
    )
    advice = "`torch.rand(len(images), 1, 1, 1)` draws all factors at once."
    expect_no_loop(attempt, (grey[:2].clone(), 0.4), (grey[:60].clone(), 0.4), 58, advice)


def expect_factors(factors, darkest):
    """Expect 500 factors to be spread evenly between `darkest` and 1."""
    low, high = factors.min().item(), factors.max().item()
    found = f"For `darkest={darkest}`, the factors of 500 images run from {low:.2f} to {high:.2f}"
    advice = "`torch.rand` gives 0 to 1; times (1 − darkest), plus darkest, it gives darkest to 1"
    assert darkest - 1e-3 < low <= high < 1.001, f"{found}, expected {darkest} to 1: {advice}."
    span = 1 - darkest
    reached = low < darkest + 0.1 * span, high > 1 - 0.1 * span
    assert all(reached), f"{found}, expected all from {darkest} to 1: {advice}."
    middle = ((factors - (1 + darkest) / 2).abs() < span / 4).float().mean().item()
    assert 0.4 < middle < 0.6, (
        f"{found} as they should, but {middle:.0%} of them lie in the middle half of that range, expected about half: "
        "each number between should be as likely as any other."
    )


dim_each = Exercise(
    dim_each,
    verify_dim_each,
    hints=(
        "One random number for each image, as the coins of `FlipEach`: which shape meets N, and no other dimension?",
        "`torch.rand(len(images), 1, 1, 1)` gives 0 to 1. Multiply and add, so that it becomes darkest to 1.",
        "The factors are `darkest + (1 - darkest) * torch.rand(...)`. With `device=images.device` it runs anywhere.",
    ),
)


# --------------------------------------------------------------------------------------------- does augmentation help?


def make_pipeline(mean, std, train):  # C numbers, C numbers, bool -> PIL image to (C, H, W)
    steps = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True)]
    if train:
        steps.append(v2.RandomHorizontalFlip(p=0.5))
        steps.append(v2.RandomAffine(degrees=0, translate=(0.1, 0.1)))
    steps.append(v2.Normalize(mean=mean, std=std))
    return v2.Compose(steps)


def verify_make_pipeline(attempt):
    mean, std = [0.25], [0.5]
    pixels = np.zeros((20, 20), dtype=np.uint8)
    pixels[9, 3], pixels[9, 16] = 255, 102  # a white pixel, and a grey one as far to the right of the middle
    picture, black = Image.fromarray(pixels), Image.new("L", (20, 20), 0)
    zero_one = torch.tensor(pixels.tolist()).unsqueeze(0) / 255

    test = expect_pipeline(call(attempt, mean, std, False), "test")
    readings = [test(picture) for _ in range(8)]
    expect_kind(readings[0], zero_one, name="what the test pipeline makes of a grey picture of 20 x 20 pixels")
    assert all(reading.equal(readings[0]) for reading in readings), (
        "With `train=False`, the same picture comes out in different forms. Random changes belong into `if train:`."
    )
    expect_close(
        readings[0],
        (zero_one - 0.25) / 0.5,
        mistakes={
            "it is not normalized; `Normalize` belongs to both pipelines": zero_one,
            "`scale=True` is missing, so `Normalize` got 0 to 255": (zero_one * 255 - 0.25) / 0.5,
        },
        name="with `train=False`, the picture",
    )
    colour = Image.new("RGB", (4, 3), (255, 51, 0))
    expect_close(
        expect_pipeline(call(attempt, [0.5, 0.2, 0.1], [0.5, 0.1, 0.2], False), "test")(colour)[:, 0, 0],
        torch.tensor([1.0, 0.0, -0.5]),
        name="for a colour picture, the first pixel",
    )

    train = expect_pipeline(call(attempt, mean, std, True), "training")
    expect_kind(train(picture), zero_one, name="what the training pipeline makes of a grey picture of 20 x 20 pixels")
    dark = torch.stack([train(black) for _ in range(12)])
    zeros = dark == 0
    assert not zeros.all(), "With `train=True`, nothing is normalized: a black picture comes out as 0."
    assert not zeros.any(), (
        f"In training, a black picture comes out with pixels from {dark.min():.3g} to {dark.max():.3g}, expected all "
        "-0.5. A shift fills with 0 what comes in from outside, and 0 is black only before `Normalize`: put the random "
        "changes before it."
    )
    expect_close(dark, torch.full_like(dark, -0.5), name="in training, a black picture")
    expect_changes(torch.stack([train(picture) for _ in range(60)])[:, 0] * 0.5 + 0.25)


def expect_pipeline(result, name):
    """Return a function that runs the pipeline `result`, and tells what fails in it."""
    advice = "; `v2.Compose(steps)` makes one transform of a list" if isinstance(result, list | tuple) else ""
    assert result is not None, f"The {name} pipeline is None, expected a `v2.Compose`: is a `return` missing?"
    assert callable(result), f"The {name} pipeline is of type {type(result).__name__}, expected a `v2.Compose`{advice}."

    def run(picture):
        try:
            return result(picture)
        except (TypeError, ValueError, RuntimeError) as error:
            reason = str(error).strip().partition("\n")[0].rstrip(".")
            kind = "colour" if picture.mode == "RGB" else "grey"
            raise AssertionError(
                f"The {name} pipeline fails on a {kind} picture: {reason}. Look at its steps, one by one: each needs "
                "what the one before it has made."
            ) from error

    return run


def expect_changes(views):
    """Expect 60 views of the picture, (60, 20, 20), to be mirrored by chance, and moved by up to 2 pixels."""
    assert not all(view.equal(views[0]) for view in views), (
        "With `train=True`, the same picture comes out 60 times in the same form. Random changes belong to training."
    )
    places = views.flatten(1).argmax(dim=1)  # of the white pixel
    rows, columns = places // 20, places % 20
    padded = F.pad(views, [13] * 4)  # the grey pixel is 13 columns away
    each = torch.arange(60)
    upright, mirrored = (padded[each, rows + 13, columns + 13 + way].sub(0.4).abs() < 1e-3 for way in (13, -13))
    assert (upright | mirrored).all(), (
        "In training, some pictures come out with pixels out of place, or lost. A shift moves all of them alike, by at "
        "most a tenth, and a flip mirrors them. Are `degrees=0` and `translate=(0.1, 0.1)`?"
    )
    share = mirrored.float().mean().item()
    assert 0.2 < share < 0.8, (
        f"In training, {share:.0%} of 60 pictures are mirrored, expected about half: `v2.RandomHorizontalFlip(p=0.5)`."
    )
    for moved, way in (columns - torch.where(mirrored, 16, 3), "left or right"), (rows - 9, "up or down"):
        assert moved.any(), f"In training, no picture moves {way}. `translate=(0.1, 0.1)` has one number for each way."
        farthest = moved.abs().max().item()
        assert farthest <= 2, (
            f"In training, pictures of 20 pixels move {way} by up to {farthest}, expected at most 2, a tenth. The "
            "numbers of `translate` are shares of the size."
        )


make_pipeline = Exercise(
    make_pipeline,
    verify_make_pipeline,
    hints=(
        "Which steps are the same for both? Begin with a list of those that come first.",
        "`if train:` adds the two random changes to the list, and `Normalize` follows in any case.",
        "`v2.RandomHorizontalFlip(p=0.5)` and `v2.RandomAffine(degrees=0, translate=(0.1, 0.1))`.",
    ),
)
