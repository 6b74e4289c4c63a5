"""Image files as uint8 tensors of one mode, so that images of all kinds can stand in one batch."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor
from torchvision.transforms.v2.functional import pil_to_tensor

GREY = {"1", "L", "LA", "La", "I;16", "I;16L", "I;16B", "I;16N"}  # PIL's names of the modes with one value per pixel
COLOUR = {"P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV"}
ENDINGS = {"PNG": b"IEND", "JPEG": b"\xff\xd9", "GIF": b";"}  # what stands near the end of a whole file


def find_mode(path: Path) -> str:
    """Return "L" if the image in a file is grey, "RGB" if it is in colour; of most files only the header is read.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no image that can be read, by its header or because its end is missing.
    """
    with open_image(path) as image:
        if not _ends_well(path, image):
            image.load()  # which raises an error if pixels are missing, and not only what some programs leave out
        return mode_of(image)


def mode_of(image: Image.Image) -> str:
    """Return "L" if an image is grey, "RGB" if it is in colour; a TypeError says where its pixels are neither."""
    mode = "I;16" if _has_16_bits(image) else image.mode
    if mode not in GREY | COLOUR:
        raise TypeError(f"its pixels, of the kind {mode}, are neither grey nor RGB: save it so, with 8 or 16 bits")
    return "L" if mode in GREY else "RGB"


def read_image(path: Path, mode: str = "RGB") -> Tensor:
    """Return the image in a file as a uint8 tensor: (1, H, W) for the mode "L", (3, H, W) for "RGB".

    It is what a viewer shows. Of 16 bits, the upper 8 are kept; of several frames, the first.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no image, or it is damaged.
    """
    with open_image(path) as stored:
        pixels: Tensor = pil_to_tensor(as_shown(stored).convert(mode))
        return pixels


def as_shown(stored: Image.Image) -> Image.Image:
    """Return an image as a viewer shows it: turned as the camera noted, 8 bits, on white where it is transparent."""
    mode_of(stored)
    image = ImageOps.exif_transpose(stored)
    if _has_16_bits(stored):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if {"A", "a"} & set(image.getbands()) or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image


@contextmanager
def open_image(path: Path) -> Iterator[Image.Image]:
    """Yield the image in a file, not read yet; whatever goes wrong with it names the file."""
    try:
        with path.open("rb") as file, Image.open(file) as image:
            yield image
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no file {path}") from None
    except UnidentifiedImageError:
        raise ValueError(f"{path} is no image of a kind that can be read here, or its beginning is damaged") from None
    except Exception as error:  # of all kinds: each format meets damage in its own way
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise ValueError(f"the image {path} cannot be read ({reason})") from error


def _has_16_bits(image: Image.Image) -> bool:
    """Return whether the image has one value of 16 bits per pixel; some versions of PIL give it a mode of 32 bits."""
    return image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM"))


def _ends_well(path: Path, image: Image.Image) -> bool:
    """Return whether the last bytes of an image file hold what ends its format, or the format has no such end."""
    with path.open("rb") as file:
        file.seek(-min(64, path.stat().st_size), os.SEEK_END)
        return ENDINGS.get(image.format or "", b"") in file.read()
