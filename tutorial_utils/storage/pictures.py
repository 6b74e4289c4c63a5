"""The file of a picture, of any format, mode and size, as the tensor that a model takes."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor
from torchvision.transforms.v2 import functional

from tutorial_utils.storage.image_files import as_shown


class PictureError(ValueError):
    """A file is no picture that can be read; the sentence names the file and says why."""


@dataclass(frozen=True)
class Preparation:
    """How a picture becomes the input of a model: 1 channel (grey) or 3, its size, and what each channel is scaled by.

    The mean and the standard deviation of each channel are those of the training part, for pixels of 0 to 1.
    """

    channels: int
    size: int
    mean: Sequence[float]
    std: Sequence[float]

    def read(self, path: str | Path) -> Tensor:
        """Return the picture in the file `path` as a uint8 tensor (C, size, size), or raise PictureError."""
        return read_picture(path, self.size, self.channels)

    def normalize(self, images: Tensor) -> Tensor:
        """Return uint8 images (..., C, H, W) as float32, each channel with mean 0 and standard deviation 1 or so."""
        scaled = functional.to_dtype(images, torch.float32, scale=True)  # 0 ... 255 -> 0 ... 1
        normalized: Tensor = functional.normalize(scaled, list(self.mean), list(self.std))
        return normalized


def read_picture(path: str | Path, size: int, channels: int = 3) -> Tensor:
    """Return the picture in the file `path` as a uint8 tensor (C, size, size), in colours (C = 3) or grey (C = 1).

    It is turned as the camera was held, made as small (or large) as it has to be, and the longer side is cut at both
    ends. What is transparent is white. Of several frames, it is the first.

    Raises:
        PictureError: the file is missing, damaged, or no picture that Pillow can read.
    """
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path) as picture:
            picture.draft(None, (2 * size, 2 * size))  # a JPEG of a camera need not be read in its full size
            square = ImageOps.fit(as_shown(picture).convert("RGB"), (size, size), Image.Resampling.BILINEAR)
            image: Tensor = functional.pil_to_tensor(square.convert("L" if channels == 1 else "RGB"))
    except Exception as error:  # what a damaged file leads to is not documented
        raise PictureError(f"{path}: {_explain(Path(path), error)}") from error
    return image


def _explain(path: Path, error: Exception) -> str:
    """Return why the file `path` could not be read as a picture, after that raised `error`."""
    if not path.exists():
        return "there is no such file."
    if path.is_dir():
        return "this is a folder, expected the file of a picture."
    if path.stat().st_size == 0:
        return "the file is empty."
    if path.suffix.lower() in {".heic", ".heif"}:
        return "Pillow cannot read HEIC, the format of a phone: export it as JPEG."
    if isinstance(error, UnidentifiedImageError):
        return "this is no picture in a format that Pillow can read, such as JPEG or PNG."
    return f"the picture cannot be read ({next(iter(str(error).splitlines()), type(error).__name__).rstrip('.')})."
