"""What a run trains on, validates with and is tested on: Fashion-MNIST, or a folder of pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils.data import Dataset, Subset
from torchvision.transforms import v2

from tutorial_utils.data import CLASSES, FashionMNIST, train_val_split
from tutorial_utils.models import MODELS
from tutorial_utils.storage.pictures import Preparation
from tutorial_utils.training import processes
from tutorial_utils.training.options import Options
from tutorial_utils.training.pictures import Pictures, load_pictures, preview

Part = Subset[Any] | FashionMNIST | Pictures


@dataclass(frozen=True)
class Images:
    """The three parts, and what the model needs to know of them."""

    train: Part
    val: Part
    test: Part
    classes: Sequence[str]
    preparation: Preparation
    source: str  # "real" or "sketch", or the folder

    @property
    def parts(self) -> tuple[Dataset[Any], Part, Part]:
        """The three parts, as data sets of pairs: an image (C, H, W) float32, and its label."""
        return self.train, self.val, self.test

    def arguments(self, model: str) -> dict[str, int]:
        """Return what the model's constructor is called with; the networks of the lessons need nothing."""
        if model != "SmallResNet":
            return {}
        return {"channels": self.preparation.channels, "classes": len(self.classes)}

    def build(self, model: str) -> nn.Module:
        """Return a new model for these images."""
        return MODELS[model](**self.arguments(model))

    def __str__(self) -> str:
        sizes = [len(part) for part in (self.train, self.val, self.test)]
        if self.source in ("real", "sketch"):
            return f"{sizes[0]:,} {self.source} images"
        train, val, test = (f"{size:,}" for size in sizes)
        classes = f"{len(self.classes)} classes ({preview(self.classes)})"
        return f"{train} pictures of {classes}, {val} to validate with and {test} to test on"


def load(options: Options) -> Images:
    """Return the images that the options name; the same in every process."""
    images = load_fashion_mnist(options) if options.images is None else load_folder(options)
    if options.subset is None:
        return images
    some = Subset(images.train, range(min(options.subset, len(images.train))))
    return Images(some, *images.parts[1:], images.classes, images.preparation, images.source)


def load_fashion_mnist(options: Options) -> Images:
    """Return Fashion-MNIST; the first process of each host prepares the files if need be, while the others wait."""
    to_tensor = v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])
    first = processes.is_local_rank_zero()
    if not first:
        processes.barrier()
    all_train_data = FashionMNIST(options.data, train=True, transform=to_tensor, download=first)
    if first:
        processes.barrier()
    test_data = FashionMNIST(options.data, train=False, transform=to_tensor, download=False)
    train_data, val_data = train_val_split(all_train_data, len(all_train_data) // 12, options.seed)  # 55,000 and 5,000
    preparation = Preparation(channels=1, size=28, mean=[0.0], std=[1.0])
    return Images(train_data, val_data, test_data, CLASSES, preparation, test_data.source)


def load_folder(options: Options) -> Images:
    """Return the pictures of the folder that `--images` names."""
    assert options.images is not None and options.size is not None  # noqa: PT018
    parts, classes, source = load_pictures(options.images, options.size, options.seed)
    return Images(**parts, classes=classes, preparation=parts["train"].preparation, source=source)
