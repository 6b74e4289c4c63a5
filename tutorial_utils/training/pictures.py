"""A folder of your own pictures as a training, a validation and a test part.

A folder for each class holds its pictures, in folders of their own if need be; or `labels.csv` has a row for each
picture: its file, from this folder on, and its class. Where the pictures are parted already, into `train` and `test`
and perhaps `val`, they stay so; a part that is missing is taken from the others at random.
"""

import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms import v2

from tutorial_utils.progress import progress_bar
from tutorial_utils.storage.pictures import PictureError, Preparation, read_picture
from tutorial_utils.training.picture_files import LABELS, PARTS, find_parts
from tutorial_utils.training.processes import is_rank_zero, print_once

SHARE = 0.15  # of each class, for each part that is taken from the training part


@dataclass(frozen=True)
class Pictures(Dataset[tuple[Tensor, int]]):
    """Samples from pictures in memory: sample i is an image (C, H, W) float32, normalised, and its label (an int)."""

    images: Tensor  # (N, C, H, W) uint8
    labels: Tensor  # (N,)
    preparation: Preparation
    augment: v2.Transform | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = self.augment(self.images[index]) if self.augment else self.images[index]
        return self.preparation.normalize(image), int(self.labels[index])


@dataclass(frozen=True)
class Labelled:
    """Pictures (N, 3, H, W), the class of each, and the file."""

    images: Tensor
    classes: list[str]
    files: list[str]


def load_pictures(folder: Path, size: int, seed: int) -> tuple[dict[str, Pictures], list[str], str]:
    """Return the pictures of a folder by part (`train`, `val`, `test`), the names of their classes, and a fingerprint.

    Files that cannot be read are named and left out.

    Raises:
        OSError: there is no such folder.
        ValueError: it holds fewer than two classes, or a class has too few pictures to share out.
    """
    found = {part: read_all(part, files, folder, size) for part, files in find_parts(folder).items()}
    classes = sorted(set(found["train"].classes))
    if len(classes) < 2:
        inner = [path for path in folder.glob("*/*/") if path.is_dir()]
        question = f" (Are the folders in {inner[0].parent} the classes? Then name that.)" if inner else ""
        raise ValueError(
            f"{folder} holds pictures of {', '.join(classes) or 'no class'}; two classes are the least. Put the "
            f"pictures of each class into a folder with its name, or list them in {LABELS}, a row each: file, class."
            f"{question}"
        )
    labels = {part: number(classes, pictures.classes, folder / part) for part, pictures in found.items()}
    grey = all(bool((pictures.images == pictures.images[:, :1]).all()) for pictures in found.values())
    images = {part: pictures.images[:, :1] if grey else pictures.images for part, pictures in found.items()}
    parts = share_out(images, labels, classes, seed)
    return prepare(parts), classes, f"{folder.resolve()} ({fingerprint(found)})"


def read_all(part: str, files: list[tuple[Path, str]], folder: Path, size: int) -> Labelled:
    """Return the pictures in the files, each as (3, size, size); what cannot be read is named and left out."""
    images, classes, names, bad = [], [], [], []
    for path, label in progress_bar(files, title="reading pictures", unit=" files", show=is_rank_zero()):
        try:
            images.append(read_picture(path, size))
        except PictureError as error:
            bad.append(str(error))
            continue
        classes.append(label)
        names.append(Path(os.path.relpath(path, folder)).as_posix())
    if bad:
        print_once(f"{len(bad)} of {len(files)} files are left out:")
        for line in [*bad[:10], f"and {len(bad) - 10} more"] if len(bad) > 11 else bad:
            print_once(f"  {line}")
    if not images:
        raise ValueError(
            f"{folder} holds no picture to {'train on' if part == 'train' else part}, in folders named for the classes "
            f"or in {LABELS}."
        )
    return Labelled(torch.stack(images), classes, names)


def fingerprint(found: dict[str, Labelled]) -> str:
    """Return how many pictures there are, and a number that changes when one comes, goes, or changes its class."""
    rows = [f"{part}/{row}" for part, some in found.items() for row in zip(some.files, some.classes, strict=True)]
    return f"{len(rows)} pictures, {hashlib.sha256(repr(sorted(rows)).encode()).hexdigest()[:8]}"


def number(classes: list[str], names: list[str], folder: Path) -> Tensor:
    """Return for each name its place among the classes."""
    if strange := sorted(set(names) - set(classes)):
        raise ValueError(f"{folder} holds {', '.join(strange)}, of which there is no picture to train on.")
    return torch.tensor([classes.index(name) for name in names])


def share_out(
    images: dict[str, Tensor], labels: dict[str, Tensor], classes: list[str], seed: int
) -> dict[str, tuple[Tensor, Tensor]]:
    """Return the images and labels of each part; a missing one gets its share of every class of the training part."""
    missing = [part for part in PARTS if part not in images]
    places = split(labels["train"], len(missing), classes, seed)
    parts = {part: (images[part], labels[part]) for part in images}
    for part, chosen in zip([*missing, "train"], places, strict=True):
        parts[part] = images["train"][chosen], labels["train"][chosen]
    return parts


def preview(names: Sequence[str]) -> str:
    """Return the names in a row; of many, the first five and the number of the others.

    >>> preview([*"abcdefgh"])
    'a, b, c, d, e and 3 more'
    """
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def split(labels: Tensor, others: int, classes: Sequence[str], seed: int) -> list[Tensor]:
    """Return the places of the pictures of so many other parts, each with its share of every class, then of the rest.

    The same seed gives the same parts.

    Raises:
        ValueError: a class has fewer pictures than there are parts.
    """
    counts = Counter(labels.tolist())
    if few := [f"{name} ({counts[k]})" for k, name in enumerate(classes) if counts[k] <= others]:
        raise ValueError(
            f"Too few pictures of {preview(few)}: each class needs {others + 1} at least, to train on, to validate "
            "with and to test on."
        )
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    part_of = torch.full((len(labels),), others)  # (N,): all in the last one, which is trained on
    for k, count in counts.items():
        members = order[labels[order] == k]
        size = max(1, min(round(SHARE * count), (count - 1) // max(1, others)))
        for part in range(others):
            part_of[members[part * size : (part + 1) * size]] = part
    return [order[part_of[order] == part] for part in range(others + 1)]


def measure(images: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean and the standard deviation (C,) of each channel of images (N, C, H, W) uint8, for 0 to 1.

    It counts how often each value comes: the images as fractions would take eight times their memory. A channel that
    never changes has the deviation 1.
    """
    counts = torch.stack([torch.bincount(channel.flatten(), minlength=256) for channel in images.unbind(1)])  # (C, 256)
    shares = counts / counts.sum(dim=1, keepdim=True).double()
    values = torch.arange(256, dtype=torch.float64) / 255  # (256,)
    mean = shares @ values  # (C,)
    std = (shares * (values - mean.unsqueeze(1)).square()).sum(dim=1).sqrt()
    return mean, torch.where(std > 0, std, 1.0)


def prepare(parts: dict[str, tuple[Tensor, Tensor]]) -> dict[str, Pictures]:
    """Return the parts as data sets, normalised by the training part, which is also varied a little each time.

    The variation is mild, and mirrors nothing: in a mirror, a letter or a hand means something else.
    """
    images = parts["train"][0]
    size = images.shape[-1]
    mean, std = measure(images)
    preparation = Preparation(images.shape[1], size, mean.tolist(), std.tolist())
    vary = v2.Compose(
        [
            v2.RandomResizedCrop(size, scale=(0.8, 1.0), ratio=(0.9, 1.1), antialias=True),
            v2.ColorJitter(brightness=0.2, contrast=0.2),
        ]
    )
    return {part: Pictures(*parts[part], preparation, vary if part == "train" else None) for part in PARTS}
