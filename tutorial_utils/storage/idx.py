"""The IDX format, in which MNIST and its relatives are stored: a header with the sizes, then the bytes.

Source: "The IDX file format", https://web.archive.org/web/2023/http://yann.lecun.com/exdb/mnist/
"""

import gzip
import math
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def read_idx(path: Path) -> Tensor:
    """Return the array of bytes in an IDX file, gzipped or not, as a uint8 tensor of the shape that the file gives."""
    content = unpack(path.read_bytes())
    dimensions = content[3]  # the header: two zeros, the type (8 is uint8), the number of dimensions, their sizes
    shape = np.frombuffer(content, ">i4", dimensions, offset=4)
    values = np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions)
    return torch.from_numpy(values.reshape(shape).copy())


def unpack(content: bytes) -> bytes:
    """Return the content of a file without the packing of gzip, if it has any."""
    return gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content


def is_whole(content: bytes) -> bool:
    """Return whether the content of a file, unpacked, is IDX and has as many bytes as its header says."""
    if len(content) < 4 or content[:3] != bytes([0, 0, 8]) or len(content) < 4 + 4 * content[3]:
        return False
    shape: list[int] = np.frombuffer(content, ">i4", content[3], offset=4).tolist()
    return len(content) == 4 + 4 * len(shape) + math.prod(shape)


def write_idx(path: Path, array: NDArray[np.uint8]) -> None:
    """Write a uint8 array as a gzipped IDX file; the same array gives the same bytes.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_idx(Path(folder, "labels.gz"), np.array([3, 1], np.uint8))
    ...     read_idx(Path(folder, "labels.gz"))
    tensor([3, 1], dtype=torch.uint8)
    """
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes()
    path.write_bytes(gzip.compress(header + array.tobytes(), compresslevel=1, mtime=0))
