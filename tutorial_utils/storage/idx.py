"""The IDX format, in which MNIST and its relatives are stored: a header with the sizes, then the bytes.

Source: "The IDX file format", https://web.archive.org/web/2023/http://yann.lecun.com/exdb/mnist/
"""

import gzip
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def read_idx(path: Path) -> Tensor:
    """Return the array of bytes in a gzipped IDX file as a uint8 tensor of the shape that the file gives."""
    content = gzip.decompress(path.read_bytes())
    dimensions = content[3]  # the header: two zeros, the type (8 is uint8), the number of dimensions, their sizes
    shape = np.frombuffer(content, ">i4", dimensions, offset=4)
    values = np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions)
    return torch.from_numpy(values.reshape(shape).copy())


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
