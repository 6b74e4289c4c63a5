"""Whole batches from memory: the one place where the course's data set is faster than torchvision's.

A `DataLoader` asks a data set with `__getitems__` for all samples of a batch at once, and hands the list that it gets
to its `collate_fn`. `fetch_batch` returns such a list, and the list keeps the batch as two tensors besides. The default
`collate_fn` takes those as they are; any other finds an ordinary list of samples, which is filled when it looks.
"""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import default_collate
from torch.utils.data._utils.collate import default_collate_fn_map
from torchvision import datasets, tv_tensors
from torchvision.transforms import ToTensor, v2

Convert = Callable[[Tensor], Tensor]


def fetch_batch(dataset: datasets.MNIST, indices: Sequence[int]) -> list[tuple[Any, Any]]:
    """Return the samples of `dataset` at `indices`, converted all at once where its transform is a known one."""
    convert = find_conversion(dataset.transform)
    if convert is None or type(dataset).__getitem__ is not datasets.MNIST.__getitem__:
        return [dataset[index] for index in indices]
    places = torch.from_numpy(np.array(indices, np.int64))  # (B,); for a list, four times as fast as torch.tensor
    images = convert(dataset.data.index_select(0, places).unsqueeze(1))  # (B, 28, 28) -> (B, 1, 28, 28)
    labels = dataset.targets.index_select(0, places)  # (B,)
    batch = Batch(images, labels)
    if dataset.target_transform is None:
        return batch
    return [(image, dataset.target_transform(label)) for image, label in batch]


def find_conversion(transform: Any) -> Convert | None:
    """Return what does to a uint8 batch (B, 1, H, W) what `transform` does to each image, or None if unknown."""
    if type(transform) is ToTensor:
        return lambda images: images.to(torch.get_default_dtype()).div_(255)
    if type(transform) is v2.Compose and [type(step) for step in transform.transforms] == [v2.ToImage, v2.ToDtype]:
        to_dtype = transform.transforms[1]
        if to_dtype.dtype is torch.float32 and to_dtype.scale:
            return lambda images: to_dtype(images).as_subclass(tv_tensors.Image)
    return None


class Sample(tuple):  # type: ignore[type-arg]
    """The first sample of a `Batch` that nobody has looked into. By its type, `default_collate` finds `collate`."""


class Batch(list):  # type: ignore[type-arg]
    """A list of samples, pairs of an image and an int, that is empty until somebody looks at more than the first.

    Until then `.tensors` holds its images (B, C, H, W) and labels (B,); from then on it is None.
    """

    tensors: tuple[Tensor, Tensor] | None = None

    def __init__(self, images: Tensor, labels: Tensor):
        super().__init__()
        self.tensors = images, labels

    def fill(self) -> None:
        """Put the samples into the list."""
        if self.tensors is not None:
            images, labels = self.tensors
            self.tensors = None
            kind = type(images)
            self.extend(zip([image.as_subclass(kind) for image in images], labels.tolist(), strict=True))

    def __getitem__(self, index: Any) -> Any:
        if index == 0 and self.tensors is not None and len(self.tensors[1]):
            images, labels = self.tensors
            return Sample((images[0].as_subclass(type(images)), int(labels[0])))
        self.fill()
        return super().__getitem__(index)


def _fill_first(name: str) -> Callable[..., Any]:
    """Return the method `name` of a list, on a `Batch` that it fills first."""
    method = getattr(list, name)

    @wraps(method)
    def filled(self: Batch, *args: Any, **kwargs: Any) -> Any:
        self.fill()
        return method(self, *args, **kwargs)

    return filled


for _name in vars(list).keys() - vars(Batch).keys() - {"__new__", "__getattribute__", "__class_getitem__", "__hash__"}:
    setattr(Batch, _name, _fill_first(_name))


def collate(samples: list[Any], *, collate_fn_map: dict[Any, Any] | None = None) -> list[Tensor]:
    """Return the images (B, C, H, W) and the labels (B,) of some samples; those of an untouched batch as they are."""
    if isinstance(samples, Batch) and samples.tensors is not None:
        images, labels = samples.tensors
        return [images.as_subclass(Tensor), labels]
    pairs: list[Tensor] = default_collate([tuple(sample) for sample in samples])
    return pairs


default_collate_fn_map[Sample] = collate  # how the documentation of default_collate teaches it a new type
