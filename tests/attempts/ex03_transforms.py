"""Answers that learners give to the exercises of notebook 03, and what the reply to each must say."""

import numpy as np
import torch
from torch.nn import functional as F
from torchvision.transforms import ToTensor, v2

# ----------------------------------------------------------------------------------------------------------- read_all


def read_each_twice(dataset):
    images = torch.stack([dataset[index][0] for index in range(len(dataset))])
    return images, torch.tensor([dataset[index][1] for index in range(len(dataset))])


def join_images(dataset):
    images, labels = zip(*dataset, strict=True)
    return torch.cat(images), torch.tensor(labels)


def keep_lists(dataset):
    images, labels = zip(*dataset, strict=True)
    return torch.stack(images), labels


def read_labels_from_targets(dataset):
    return torch.stack([image for image, _ in dataset]), dataset.targets


# ----------------------------------------------------------------------------------------------------- smooth_labels


def smooth_in_a_loop(labels, classes_count, amount):
    rows = torch.full((len(labels), classes_count), amount / classes_count)
    for row, label in enumerate(labels):
        rows[row, label] += 1 - amount
    return rows


def hot(labels, classes_count):
    return F.one_hot(labels, classes_count).float()


def share_among_the_others(labels, classes_count, amount):
    rows = torch.full((len(labels), classes_count), amount / (classes_count - 1))
    return rows.scatter_(1, labels.unsqueeze(1), 1 - amount)


def fill_and_scatter(labels, classes_count, amount):
    rows = torch.full((len(labels), classes_count), amount / classes_count)
    return rows.scatter_(1, labels.unsqueeze(1), 1 - amount)


def fill_whole_and_scatter(labels, classes_count, amount):
    return torch.full((len(labels), classes_count), amount).scatter_(1, labels.unsqueeze(1), 1 - amount)


# ------------------------------------------------------------------------------------------------ channel_statistics


def scaled(images):
    return images / 255


def average_deviations(images):
    x = scaled(images)
    return x.mean(dim=(0, 2, 3)), x.std(dim=(2, 3)).mean(dim=0)


# ----------------------------------------------------------------------------------------------------- draw_versions


def seed_each_time(image, change, count, seed):
    versions = []
    for _ in range(count):
        torch.manual_seed(seed)
        versions.append(change(image))
    return torch.stack(versions)


def without_a_seed(image, change, count, seed):
    return torch.stack([change(image) for _ in range(count)])


def fixed_seed(image, change, count, seed):
    torch.manual_seed(0)
    return without_a_seed(image, change, count, seed)


def change_all_at_once(image, change, count, seed):
    torch.manual_seed(seed)
    return change(image.expand(count, -1, -1, -1))


def change_the_changed(image, change, count, seed):
    torch.manual_seed(seed)
    versions = []
    for _ in range(count):
        image = change(image)
        versions.append(image)
    return torch.stack(versions)


def throw_away(image, change, count, seed):
    torch.manual_seed(seed)
    for _ in range(count):
        change(image)
    return torch.stack([image] * count)


def list_versions(image, change, count, seed):
    torch.manual_seed(seed)
    return [change(image) for _ in range(count)]


# ---------------------------------------------------------------------------------------------------------- AddFrame


def frame(draw):
    """Return a class whose objects return what `draw` makes of a copy of the picture and the width."""

    class AddFrame:
        def __init__(self, width):
            self.width = width

        def __call__(self, image):
            return draw(image.clone(), self.width)

    return AddFrame


def draw(image, width, parts="tblr", white=1.0):
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


def count_from_the_end(image, width):
    framed = torch.ones_like(image)
    framed[:, width:-width, width:-width] = image[:, width:-width, width:-width]
    return framed


def fill_the_inside(image, width):
    _, rows, columns = image.shape
    image[:, width : rows - width, width : columns - width] = 1
    return image


def frame_channels(image, width):
    image[:width] = image[-width:] = 1
    image[:, :width] = image[:, -width:] = 1
    return image


def frame_first_channel(image, width):
    draw(image[:1], width)
    return image


class FrameInPlace:
    def __init__(self, width):
        self.width = width

    def __call__(self, image):
        return draw(image, self.width)


class FrameForAll:
    def __init__(self, width):
        FrameForAll.width = width

    def __call__(self, image):
        return draw(image.clone(), self.width)


class FrameWithoutCall:
    def __init__(self, width):
        self.width = width

    def forward(self, image):
        return draw(image.clone(), self.width)


# ---------------------------------------------------------------------------------------------------------- dim_each


def dim(*shape, low=None, span=None):
    """Return an attempt with factors of the shape `shape`, where a string stands for a size of the images."""

    def attempt(images, darkest):
        sizes = dict(zip("NCHW", images.shape, strict=True))
        factors = torch.rand([sizes.get(size, size) for size in shape])
        start = darkest if low is None else low
        return images * (start + (1 - darkest if span is None else span) * factors)

    return attempt


def dim_in_a_loop(images, darkest):
    return torch.stack([image * (darkest + (1 - darkest) * torch.rand(1)) for image in images])


def dim_in_place(images, darkest):
    images *= dim("N", 1, 1, 1)(torch.ones_like(images), darkest)
    return images


def dim_with_a_seed(images, darkest):
    torch.manual_seed(0)
    return dim("N", 1, 1, 1)(images, darkest)


def dim_darkest_or_nothing(images, darkest, chance=0.2):
    coins = torch.rand(len(images), 1, 1, 1) < chance
    return torch.where(coins, images, images * darkest)


def dim_by_a_fair_coin(images, darkest):
    return dim_darkest_or_nothing(images, darkest, 0.5)


# ----------------------------------------------------------------------------------------------------- make_pipeline

TO_TENSOR = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True)]
FLIP, SHIFT = v2.RandomHorizontalFlip(p=0.5), v2.RandomAffine(degrees=0, translate=(0.1, 0.1))


def pipeline(*changes, before=True):
    """Return an attempt with `changes` in training, before or after `Normalize`."""

    def attempt(mean, std, train):
        first, last = TO_TENSOR, [v2.Normalize(mean, std)]
        inserted = list(changes) if train else []
        return v2.Compose([*first, *inserted, *last] if before else [*first, *last, *inserted])

    return attempt


def always_augment(mean, std, train):
    return v2.Compose([*TO_TENSOR, FLIP, SHIFT, v2.Normalize(mean, std)])


def augment_the_test(mean, std, train):
    return pipeline(FLIP, SHIFT)(mean, std, not train)


def normalize_training_only(mean, std, train):
    return v2.Compose([*TO_TENSOR, FLIP, SHIFT, v2.Normalize(mean, std)] if train else TO_TENSOR)


def normalize_test_only(mean, std, train):
    return v2.Compose([*TO_TENSOR, FLIP, SHIFT] if train else [*TO_TENSOR, v2.Normalize(mean, std)])


def forget_scale(mean, std, train):
    return v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32), v2.Normalize(mean, std)])


def forget_to_dtype(mean, std, train):
    return v2.Compose([v2.ToImage(), v2.Normalize(mean, std)])


def nest_the_mean(mean, std, train):
    return v2.Compose([*TO_TENSOR, v2.Normalize([mean], [std])])


def return_steps(mean, std, train):
    return [*TO_TENSOR, v2.Normalize(mean, std)]


def forget_return(mean, std, train):
    v2.Compose([*TO_TENSOR, v2.Normalize(mean, std)])


# -------------------------------------------------------------------------------------------------------------------

HALF, HALVES = v2.Normalize([0.5], [0.5]), [0.5, 0.5, 0.5]

WRONG = {
    "to_float_image": {
        "reshape instead of permute": (
            lambda p: torch.from_numpy(p).reshape(-1, *p.shape[:2]) / 255,
            "mixes the channels",
        ),
        "channels last": (lambda p: torch.from_numpy(p) / 255, "channels are last, as they came; "),
        "channels last, and bytes": (torch.from_numpy, "and the numbers are still bytes"),
        "one more channel": (lambda p: torch.from_numpy(p).unsqueeze(0) / 255, "this one has three, at the end"),
        "width before height": (lambda p: torch.from_numpy(p).permute(2, 1, 0) / 255, "height and width have changed"),
        "still bytes": (lambda p: torch.from_numpy(p).permute(2, 0, 1), "dividing by 255 is still to come"),
        "floats to 255": (lambda p: torch.from_numpy(p).permute(2, 0, 1).float(), "go from 0 to 255; divide by 255"),
        "the largest of the picture": (
            lambda p: torch.from_numpy(p).permute(2, 0, 1) / p.max(),
            "whatever the largest number",
        ),
        "divided by 256": (lambda p: torch.from_numpy(p).permute(2, 0, 1) / 256, "you divided by 256"),
        "whole-number division": (lambda p: torch.from_numpy(p).permute(2, 0, 1) // 255, "drops what stands behind"),
        "NumPy divides": (lambda p: torch.from_numpy(p.transpose(2, 0, 1) / 255), "dtype torch.float64"),
        "a NumPy array": (lambda p: p.transpose(2, 0, 1) / np.float32(255), "a NumPy array"),
    },
    "from_12_bit": {
        "scale=True": (v2.Compose(TO_TENSOR), "2,147,483,647"),
        "nothing divided": (ToTensor(), "dividing by 4095 is still to come"),
        "nothing scaled": (v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32)]), "Without `scale=True` nothing"),
        "the scale of bytes": (lambda p: v2.ToImage()(p) / 255, "255 is the largest value of a byte"),
        "65535": (lambda p: v2.ToImage()(p) / 65535, "largest value of 16 bits"),
        "4096": (lambda p: v2.ToImage()(p) / 4096, "so the largest is 4095"),
        "the largest of the picture": (lambda p: v2.ToImage()(p) / p.max(), "largest value of this picture"),
        "through bytes": (lambda p: v2.Compose(TO_TENSOR)(p.astype(np.uint8)), "start again at 0 after 255"),
        "whole-number division": (lambda p: v2.ToImage()(p) // 4095, "`//` drops"),
        "no channel": (lambda p: torch.from_numpy(p) / 4095, "channel in front is missing"),
        "the channel last": (lambda p: torch.from_numpy(p).unsqueeze(-1) / 4095, "adds it in front"),
    },
    "to_group": {
        "or instead of in": (lambda n: 0 if n == 0 or 2 or 4 or 6 else 1, "Python reads it as"),  # noqa: SIM222
        "a comparison": (lambda n: n in (5, 7, 9), "gives True or False"),
        "no rest": (lambda n: 0 if n in (0, 2, 4, 6) else 1 if n in (5, 7, 9) else None, "no `return` is reached"),
        "the name": (lambda n: "top" if n in (0, 2, 4, 6) else "shoe" if n in (5, 7, 9) else "rest", "knows no names"),
        "a dress as a top": (lambda n: 0 if n in (0, 2, 3, 4, 6) else 1 if n in (5, 7, 9) else 2, "label 3, Dress, "),
        "printed": (lambda n: print("", end=""), "`print` gives nothing back"),
        "a tensor": (lambda n: torch.tensor([0, 2, 0, 2, 0, 1, 0, 1, 2, 1])[n], "item"),
    },
    "read_all": {
        "what is stored": (lambda d: (d.data, d.targets), "no transform has run"),
        "what is stored, with a channel": (lambda d: (d.data.unsqueeze(1), d.targets), "no transform has run"),
        "scaled by hand": (lambda d: (d.data / 255, d.targets), "may do more than scaling"),
        "scaled by hand, with a channel": (lambda d: (d.data.unsqueeze(1) / 255, d.targets), "decides what becomes"),
        "stored labels": (read_labels_from_targets, "no `target_transform` has run"),
        "cat": (join_images, "the channel is gone"),
        "the first sample": (lambda d: d[0], "the first image alone"),
        "the last sample": (lambda d: [d[index] for index in range(len(d))][-1], "the last image alone"),
        "labels first": (lambda d: read_each_twice(d)[::-1], "the images come first"),
        "read twice": (read_each_twice, r"read 8 times, and there are 4 of them.*keep each pair"),
        "labels as a tuple": (keep_lists, "labels is a tuple"),
        "images only": (lambda d: torch.stack([image for image, _ in d]), "expected a pair"),
        "nothing returned": (lambda d: None, "Is a `return` missing"),
    },
    "smooth_labels": {
        "no number of classes": (lambda n, k, a: (1 - a) * F.one_hot(n) + a / k, "a column is missing"),
        "no number of classes at all": (
            lambda n, k, a: (1 - a) * F.one_hot(n) + a / (n.max().item() + 1),
            "a column is missing.*and the share",
        ),
        "hard rows": (lambda n, k, a: hot(n, k), "still to be shared out"),
        "hard rows of whole numbers": (lambda n, k, a: F.one_hot(n, k), "of whole numbers"),
        "shared among the others": (share_among_the_others, "among the other classes"),
        "more than 1": (lambda n, k, a: hot(n, k) + a / k, "adds up to more than 1"),
        "not shared out": (lambda n, k, a: (1 - a) * hot(n, k), "sharing it out among all"),
        "the whole amount for each": (lambda n, k, a: (1 - a) * hot(n, k) + a, "each class got the whole"),
        "exchanged": (lambda n, k, a: a * hot(n, k) + (1 - a) / k, "have changed places"),
        "no share for the label": (fill_and_scatter, "the right place should get its share"),
        "the whole amount for the others": (fill_whole_and_scatter, "the others got the whole"),
        "a loop": (smooth_in_a_loop, "there is a loop in it"),
        "double": (lambda n, k, a: ((1 - a) * F.one_hot(n, k) + a / k).double(), "dtype torch.float64"),
    },
    "channel_statistics": {
        "everything": (lambda x: (scaled(x).mean(), scaled(x).std()), "one number for all channels"),
        "columns": (lambda x: (scaled(x).mean((0, 1, 2)), scaled(x).std((0, 1, 2))), "each column of the pictures"),
        "each image": (lambda x: (scaled(x).mean((2, 3)), scaled(x).std((2, 3))), "one row for each image"),
        "only C and the images": (
            lambda x: (scaled(x).mean((0, 1)), scaled(x).std((0, 1))),
            r"`dim=\(0, 1\)` removes N and C",
        ),
        "all but N": (lambda x: (scaled(x).mean((1, 2, 3)), scaled(x).std((1, 2, 3))), "because N has stayed"),
        "the largest of the images": (
            lambda x: ((x / x.max()).mean((0, 2, 3)), (x / x.max()).std((0, 2, 3))),
            "whatever the largest number",
        ),
        "only N": (lambda x: (scaled(x).mean(0), scaled(x).std(0)), "only the first dimension"),
        "0 to 255": (lambda x: (x.float().mean((0, 2, 3)), x.float().std((0, 2, 3))), "scale from 0 to 255"),
        "mean of deviations": (average_deviations, "one picture is darker than another"),
        "the variance": (lambda x: (scaled(x).mean((0, 2, 3)), scaled(x).var((0, 2, 3))), "this is the variance"),
        "divided by N": (
            lambda x: (scaled(x).mean((0, 2, 3)), scaled(x).std((0, 2, 3), correction=0)),
            "divides by one less",
        ),
        "exchanged": (lambda x: (scaled(x).std((0, 2, 3)), scaled(x).mean((0, 2, 3))), "the means come first"),
        "only C": (lambda x: (scaled(x).mean(1), scaled(x).std(1)), "because `dim=1` removes C"),
        "kept dimensions": (
            lambda x: (scaled(x).mean((0, 2, 3), keepdim=True), scaled(x).std((0, 2, 3), keepdim=True)),
            "here they should go",
        ),
        "scaled deviations of bytes": (
            lambda x: (scaled(x).mean((0, 2, 3)), x.float().std((0, 2, 3))),
            "standard deviation.*scale from 0 to 255",
        ),
        "only the mean": (lambda x: scaled(x).mean((0, 2, 3)), "expected a pair"),
        "nothing returned": (lambda x: None, "Is a `return` missing"),
    },
    "undo_normalize": {
        "along the columns": (lambda x, mean, std: x * std + mean, "each column got a mean"),
        "once more": (lambda x, mean, std: v2.Normalize(mean.tolist(), std.tolist())(x), "normalized once more"),
        "mean before std": (
            lambda x, mean, std: (x + mean.reshape(-1, 1, 1)) * std.reshape(-1, 1, 1),
            "done last is undone first",
        ),
        "no mean": (lambda x, mean, std: x * std.reshape(-1, 1, 1), "plus `mean` is still to come"),
        "no std": (lambda x, mean, std: x + mean.reshape(-1, 1, 1), "times `std` comes before it"),
        "divided": (lambda x, mean, std: x / std.reshape(-1, 1, 1) + mean.reshape(-1, 1, 1), "multiply by it"),
        "subtracted": (lambda x, mean, std: x * std.reshape(-1, 1, 1) - mean.reshape(-1, 1, 1), "so add it"),
        "for batches only": (
            lambda x, mean, std: x * std.reshape(1, -1, 1, 1) + mean.reshape(1, -1, 1, 1),
            "fits both, an image and a batch",
        ),
        "in place": (
            lambda x, mean, std: x.mul_(std.reshape(-1, 1, 1)).add_(mean.reshape(-1, 1, 1)),
            "changes its argument `x` in place",
        ),
        "the first channel": (lambda x, mean, std: x * std[0] + mean[0], "the numbers of the first"),
        "exchanged": (
            lambda x, mean, std: x * mean.reshape(-1, 1, 1) + std.reshape(-1, 1, 1),
            "mean and deviation have changed places",
        ),
        "untouched": (lambda x, mean, std: x, "`x` as it came"),
    },
    "signed_steps": {
        "no ToImage": ([v2.ToDtype(torch.float32, scale=True), HALF], "Step 2, Normalize, fails: .*PIL"),
        "ToDtype alone": ([v2.ToDtype(torch.float32, scale=True)], "hands the picture on untouched"),
        "not a transform": (["ToImage"], "Step 1, str, cannot be called"),
        "Normalize before ToDtype": (
            [v2.ToImage(), HALF, TO_TENSOR[1]],
            "Step 2, Normalize, fails: .*step 1, ToImage, makes a tensor of torch.uint8",
        ),
        "ToDtype before ToImage": ([TO_TENSOR[1], v2.ToImage(), HALF], "step 1, ToDtype, makes a PIL image"),
        "no scale=True": ([v2.ToImage(), v2.ToDtype(torch.float32), HALF], "`scale=True` is missing"),
        "no Normalize": (TO_TENSOR, "`Normalize` with the right mean"),
        "ToImage alone": ([v2.ToImage()], "`ToDtype` makes floats"),
        "floats to 255": ([v2.ToImage(), v2.ToDtype(torch.float32)], "`scale=True` and `Normalize` are missing"),
        "std 1": ([*TO_TENSOR, v2.Normalize(HALVES, [1.0] * 3)], "a deviation of 0.5 doubles it"),
        "mean 0": ([*TO_TENSOR, v2.Normalize([0.0] * 3, HALVES)], "what lies in the middle"),
        "std 0.25": ([*TO_TENSOR, v2.Normalize(HALVES, [0.25] * 3)], "a deviation twice as large"),
        "mean of bytes": ([*TO_TENSOR, v2.Normalize([127.5] * 3, [127.5] * 3)], "belong to numbers from 0 to 255"),
        "the way back": ([*TO_TENSOR, v2.Normalize([-1.0] * 3, [2.0] * 3)], "way from −1 and 1"),
        "mean 1": ([*TO_TENSOR, v2.Normalize([1.0] * 3, [1.0] * 3)], "white is 0"),
        "mean -1": ([*TO_TENSOR, v2.Normalize([-1.0] * 3, [1.0] * 3)], "so −1 adds 1"),
        "a class": ([v2.ToImage, v2.ToDtype], "parentheses make a transform of it"),
        "one transform": (v2.ToImage(), "expected a list of transforms"),
    },
    "draw_versions": {
        "seed each time": (seed_each_time, "All 4 versions are equal"),
        "no seed": (without_a_seed, "same seed gave other versions"),
        "a fixed seed": (fixed_seed, "Another seed gave the same"),
        "all at once": (change_all_at_once, "`change` was called once"),
        "version of a version": (change_the_changed, "made of another version"),
        "thrown away": (throw_away, "use what `change` returns"),
        "a list": (list_versions, "`torch.stack"),
        "cat": (lambda *inputs: torch.cat(list_versions(*inputs)), "`stack` puts a new one in front"),
    },
    "AddFrame": {
        "in place": (FrameInPlace, "changes its argument `image` in place"),
        "one setting for all": (FrameForAll, "no frame. If the class keeps `width`"),
        "width 0 from the end": (frame(count_from_the_end), "`-width` is 0 as well"),
        "top and bottom": (frame(lambda x, width: draw(x, width, "tb")), "left and right are still to come"),
        "left and right": (frame(lambda x, width: draw(x, width, "lr")), "top and bottom are still to come"),
        "top and left": (frame(lambda x, width: draw(x, width, "tl")), "bottom and right are still to come"),
        "the channels taken for rows": (frame(frame_channels), "dimension 0 is that of the channels"),
        "the first channel": (frame(frame_first_channel), "only the first channel"),
        "black": (frame(lambda x, width: draw(x, width, white=0.0)), "white is 1"),
        "255": (frame(lambda x, width: draw(x, width, white=255.0)), "255 is the white of bytes"),
        "the inside": (frame(fill_the_inside), "inside and outside have changed places"),
        "outside the picture": (frame(lambda x, width: F.pad(x, [width] * 4, value=1.0)), "has grown"),
        "cut off": (frame(lambda x, width: x[:, width:-width, width:-width]), "has shrunk"),
        "always one": (frame(lambda x, width: draw(x, 1)), "use `self.width`"),
        "no __call__": (FrameWithoutCall, "`__call__` is missing"),
        "nothing returned": (frame(lambda x, width: None), "is a `return` missing"),
    },
    "dim_each": {
        "one for all": (dim(1), "All images got the same factor"),
        "one for each column": (dim("N"), r"along W, .*need the shape \(N, 1, 1, 1\)"),
        "one for each channel": (dim("N", 1, 1), r"along C, .*the same for all images"),
        "one for each pixel": (dim("N", "C", "H", "W"), "N, C, H, W: one image has several"),
        "untouched": (lambda images, darkest: images, "as they were"),
        "0 to 1": (dim("N", 1, 1, 1, low=0, span=1), r"expected 0.4 to 1: .*times \(1 − darkest\)"),
        "darkest to more than 1": (dim("N", 1, 1, 1, span=1), r"expected 0.4 to 1: .*times \(1 − darkest\)"),
        "half the way": (dim("N", 1, 1, 1, span=0.05), "expected all from 0.4 to 1"),
        "darkest or nothing": (dim_darkest_or_nothing, "as likely as any other"),
        "darkest or nothing, as often": (dim_by_a_fair_coin, "as likely as any other"),
        "a loop": (dim_in_a_loop, "there is a loop in it"),
        "in place": (dim_in_place, "changes its argument `images` in place"),
        "a seed": (dim_with_a_seed, "makes all batches alike"),
    },
    "make_pipeline": {
        "changes after Normalize": (pipeline(FLIP, SHIFT, before=False), "only before `Normalize`"),
        "changes in the test": (augment_the_test, "belong into `if train:`"),
        "changes always": (always_augment, "belong into `if train:`"),
        "no changes": (pipeline(), "belong to training"),
        "no flip": (pipeline(SHIFT), "0% of 60 pictures are mirrored"),
        "always a flip": (pipeline(v2.RandomHorizontalFlip(p=1.0), SHIFT), "100% of 60 pictures are mirrored"),
        "no shift": (pipeline(FLIP), "no picture moves left or right"),
        "a shift along one direction": (pipeline(FLIP, v2.RandomAffine(0, translate=(0.1, 0))), "moves up or down"),
        "a shift that is too wide": (
            pipeline(FLIP, v2.RandomAffine(0, translate=(0.15, 0.15))),
            "by up to 3, expected at most 2",
        ),
        "a shift out of the picture": (
            pipeline(FLIP, v2.RandomAffine(0, translate=(0.6, 0.6))),
            "out of place, or lost",
        ),
        "a turn": (pipeline(FLIP, v2.RandomAffine(20, translate=(0.1, 0.1))), "Are `degrees=0`"),
        "bytes to Normalize": (forget_to_dtype, "test pipeline fails on a grey picture: .*float tensor"),
        "mean in a list of its own": (nest_the_mean, "fails on a colour picture"),
        "the test not normalized": (normalize_training_only, "`Normalize` belongs to both"),
        "training not normalized": (normalize_test_only, "nothing is normalized"),
        "no scale=True": (forget_scale, "`Normalize` got 0 to 255"),
        "a list": (return_steps, "makes one transform of a list"),
        "nothing returned": (forget_return, "is a `return` missing"),
    },
}

RIGHT = {}
