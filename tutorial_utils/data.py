"""Fashion-MNIST that is always there, real or drawn; a data set of image files; a split with a seed."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset, Subset, random_split
from torchvision import datasets

from tutorial_utils.storage.annotations import read_annotations
from tutorial_utils.storage.batches import fetch_batch
from tutorial_utils.storage.fashion_mnist import MIRRORS, data_folder, prepare_files, source_folder
from tutorial_utils.storage.idx import read_idx

__all__ = ["CLASSES", "CustomImageDataset", "FashionMNIST", "read_annotations", "train_val_split"]

CLASSES = tuple(datasets.FashionMNIST.classes)


class FashionMNIST(datasets.FashionMNIST):
    """70,000 grey images of 28 x 28 pixels in ten classes; a drop-in for `torchvision.datasets.FashionMNIST`.

    It differs in four ways. `download` is on unless you switch it off. Without a network there is still data: small
    drawn garments in the same format; `.source`, "real" or "sketch", says which you got. The files are verified each
    time and stay compressed; `.files` leads to each of the four, also to one that you unpacked. And batches come
    straight from memory: with `ToTensor()`, or with `Compose([ToImage(), ToDtype(torch.float32, scale=True)])` of
    `transforms.v2`, a `DataLoader` is many times faster.

    Args:
        root: the data folder; by default `TUTORIAL_DATA`, or else a cache folder that all notebooks share.
        train: the 60,000 training images, or else the 10,000 test images.
        transform: changes an image (a PIL image) when it is read.
        target_transform: changes a label (an int in 0 ... 9) when it is read.
        download: fetch or draw what is missing; otherwise only what is on disk is used.

    `TUTORIAL_SOURCE` is the policy: `auto` (what is there, else download, else draw), `offline` (never touch the
    network), `real` (fail rather than draw) or `sketch` (always draw).

    Raises:
        ValueError: `TUTORIAL_SOURCE` is no policy.
        RuntimeError: there are no data, and the policy or `download=False` forbids what it takes to get some.
        OSError: the data folder cannot be written to.
    """

    mirrors = MIRRORS

    def __init__(
        self,
        root: str | Path | None = None,
        train: bool = True,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = True,
    ):
        folder = data_folder(root)
        self.source, self.files = prepare_files(folder, self.mirrors, download)
        self._raw_folder = str(source_folder(folder, self.source))
        super().__init__(folder, train, transform, target_transform, download=False)

    @property
    def raw_folder(self) -> str:
        """The folder of the four files."""
        return self._raw_folder

    def _check_legacy_exist(self) -> bool:
        return False  # torchvision's old cache of processed tensors is never looked at

    def _check_exists(self) -> bool:
        return True  # prepare_files has seen to it

    def _load_data(self) -> tuple[Tensor, Tensor]:
        split = "train" if self.train else "t10k"
        images = read_idx(self.files[f"{split}-images-idx3-ubyte.gz"])  # (N, 28, 28)
        labels = read_idx(self.files[f"{split}-labels-idx1-ubyte.gz"])  # (N,)
        return images, labels.long()

    def __getitems__(self, indices: Sequence[int]) -> list[tuple[Any, Any]]:
        """Return the samples at `indices`: what a `DataLoader` asks for, all of a batch at once."""
        return fetch_batch(self, indices)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}\nSource: {self.source}"


class CustomImageDataset(Dataset):  # type: ignore[type-arg]  # the lesson knows no such brackets yet
    """Samples from image files: sample i is a pair, the image (C, H, W) as a uint8 tensor, and its label, a number.

    Args:
        annotations_file: a CSV file; each row is a file name and its label.
        img_dir: the folder that the file names start from.
        transform: changes an image (a tensor) when it is read.
        target_transform: changes a label when it is read.

    `.names` and `.labels` list the file names and the labels, before any transform. Labels that are words are numbered
    in alphabetical order; `.classes` lists the words then, and is empty for labels that are numbers.

    All images have as many channels: C is 1 if all files are grey, else 3. They are read as a viewer shows them (see
    `read_image` in storage/image_files.py). Their sizes are those of the files: where these differ, batches need a
    transform such as `v2.Resize((H, W))`, or else `default_collate` says that it expects tensors of equal size.

    Raises:
        FileNotFoundError: there is no such CSV file, or an image in it is missing.
        ValueError: a row cannot be understood, or a file is no image. If its pixels are damaged, that may show only
            when it is read.

    Source: the class of https://docs.pytorch.org/tutorials/beginner/basics/data_tutorial.html
    """

    def __init__(
        self,
        annotations_file: str | Path,
        img_dir: str | Path,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
    ):
        self.table = read_annotations(annotations_file, img_dir)
        self.names, self.labels = self.table.names, self.table.labels
        self.classes = self.table.classes
        self.transform = transform
        self.target_transform = target_transform

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image = self.table.read_image(self.names[index])  # (C, H, W)
        label = self.labels[index]
        if self.transform:
            image = self.transform(image)
        if self.target_transform:
            label = self.target_transform(label)
        return image, label


def train_val_split(dataset: Any, val_size: int, seed: int) -> list[Subset[Any]]:
    """Return two parts of `dataset`, the training part and `val_size` random samples for validation.

    The same seed gives the same parts. Neither part may be empty.

    >>> train_data, val_data = train_val_split(range(100), val_size=20, seed=0)
    >>> len(train_data), len(val_data)
    (80, 20)

    Raises:
        ValueError: `val_size` is not a whole number from 1 to one less than the size of `dataset`.
    """
    if val_size not in range(1, len(dataset)):
        raise ValueError(f"val_size is {val_size}: choose from 1 to {len(dataset) - 1}.")
    generator = torch.Generator().manual_seed(seed)
    return random_split(dataset, [len(dataset) - val_size, val_size], generator=generator)
