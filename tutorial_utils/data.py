"""Fashion-MNIST that is always there, real or drawn; a data set of image files; a split with a seed.

Source of the data set: Xiao, Rasul and Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine
Learning Algorithms", 2017, https://arxiv.org/abs/1708.07747 (MIT licence).
"""

import gzip
import hashlib
import os
import queue
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import pandas as pd
import platformdirs
import requests
import torch
import urllib3
from torch import Tensor
from torch.utils.data import Dataset, Subset, default_collate, random_split
from torch.utils.data._utils.collate import default_collate_fn_map
from torchvision import datasets, tv_tensors
from torchvision.io import decode_image
from torchvision.transforms import ToTensor, v2

from tutorial_utils import sketches
from tutorial_utils.progress import progress_bar

CLASSES = tuple(datasets.FashionMNIST.classes)
POLICIES = ("auto", "offline", "real", "sketch")
SHA256 = {
    "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
}
SUMS_FILE = "SHA256SUMS"  # kept beside the drawn files, in the format of `sha256sum`
TIMEOUT = 8  # seconds of silence after which a server counts as out of reach
SLOWEST = 20_000  # bytes per second: with less, drawing is the better choice
LARGEST = 2**26  # bytes: more than any of the files has


class DownloadError(RuntimeError):
    """No mirror delivered the files; the message gives each address and its reason."""


# ---------------------------------------------------------------------------------------------- the data set


class FashionMNIST(datasets.FashionMNIST):
    """70,000 grey images of 28 x 28 pixels in ten classes; a drop-in for `torchvision.datasets.FashionMNIST`.

    It differs in four ways. `download` is on unless you switch it off. Without a network there is still data: small
    drawn garments in the same format; `.source`, "real" or "sketch", says which you got. The files are verified each
    time and stay compressed. And batches come straight from memory: with `ToTensor()`, or with
    `Compose([ToImage(), ToDtype(torch.float32, scale=True)])` of `transforms.v2`, a `DataLoader` is many times faster.

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

    mirrors = (
        *datasets.FashionMNIST.mirrors,
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    )

    def __init__(
        self,
        root: str | Path | None = None,
        train: bool = True,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        download: bool = True,
    ):
        folder = data_folder(root)
        self.source = prepare_files(folder, self.mirrors, download)
        self._files = source_folder(folder, self.source)
        super().__init__(folder, train, transform, target_transform, download=False)

    @property
    def raw_folder(self) -> str:
        """The folder of the four compressed files."""
        return str(self._files)

    def _check_legacy_exist(self) -> bool:
        return False  # torchvision's old cache of processed tensors is never looked at

    def _check_exists(self) -> bool:
        return True  # prepare_files has seen to it

    def _load_data(self) -> tuple[Tensor, Tensor]:
        split = "train" if self.train else "t10k"
        images = read_idx(self._files / f"{split}-images-idx3-ubyte.gz")  # (N, 28, 28)
        labels = read_idx(self._files / f"{split}-labels-idx1-ubyte.gz")  # (N,)
        return images, labels.long()

    def __getitems__(self, indices: Sequence[int]) -> Sequence[tuple[Any, Any]]:
        """Return the samples at `indices`, converted all at once where the transform is one of the two known ones."""
        convert = _batch_transform(self.transform)
        if convert is None or type(self).__getitem__ is not datasets.FashionMNIST.__getitem__:
            return [self[index] for index in indices]
        indices = torch.from_numpy(np.array(indices, np.int64))  # (B,); for a list, four times as fast as torch.tensor
        images = convert(self.data.index_select(0, indices).unsqueeze(1))  # (B, 28, 28) uint8 -> (B, 1, 28, 28) float32
        labels = self.targets.index_select(0, indices)  # (B,)
        if self.target_transform is None:
            return _Batch(images, labels)
        return [(image, self.target_transform(label)) for image, label in _Batch(images, labels)]

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}\nSource: {self.source}"


def _batch_transform(transform: Callable | None) -> Callable[[Tensor], Tensor] | None:
    """Return what does to a uint8 batch (B, 1, H, W) what `transform` does to each image, or None if unknown."""
    if type(transform) is ToTensor:
        return lambda images: images.to(torch.get_default_dtype()).div_(255)
    if type(transform) is v2.Compose and [type(step) for step in transform.transforms] == [v2.ToImage, v2.ToDtype]:
        to_dtype = transform.transforms[1]
        if to_dtype.dtype is torch.float32 and to_dtype.scale:
            return lambda images: to_dtype(images).as_subclass(tv_tensors.Image)
    return None


class _Batch(Sequence):
    """The samples of a batch, a sequence of pairs, kept as the two tensors that a `DataLoader` makes of them anyway."""

    def __init__(self, images: Tensor, labels: Tensor):  # (B, C, H, W), (B,)
        self.images, self.labels = images, labels

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> "_Sample":
        return _Sample((self.images[index].as_subclass(type(self.images)), self.labels[index].item()))


class _Sample(tuple):
    """A sample of a `_Batch`: an image and its label. By its type, `DataLoader` finds the function below."""


def _collate(samples: Sequence[_Sample], *, collate_fn_map: dict | None = None) -> list[Tensor]:
    """Return the images (B, C, H, W) and the labels (B,) of some samples; those of a whole batch as they are."""
    if isinstance(samples, _Batch):
        return [samples.images.as_subclass(Tensor), samples.labels]
    return default_collate([tuple(sample) for sample in samples])


default_collate_fn_map[_Sample] = _collate  # how the documentation of default_collate teaches it a new type


# -------------------------------------------------------------------------------------- image files, and splitting


class CustomImageDataset(Dataset):
    """Samples from image files: sample i is a pair, the image (C, H, W) as a uint8 tensor, and its label.

    Args:
        annotations_file: a CSV file without a header row; each row is a file name and its label.
        img_dir: the folder that the file names start from.
        transform: changes an image (a tensor) when it is read.
        target_transform: changes a label when it is read.

    `.names` and `.labels` list the file names and the labels, before any transform.

    Raises:
        FileNotFoundError: there is no such CSV file.
        RuntimeError: the image that is asked for is missing, or is no image (on reading it, not before).

    Source: the class of https://docs.pytorch.org/tutorials/beginner/basics/data_tutorial.html
    """

    def __init__(
        self,
        annotations_file: str | Path,
        img_dir: str | Path,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
    ):
        table = pd.read_csv(annotations_file, header=None)
        self.names = table[0].tolist()
        self.labels = table[1].tolist()
        self.img_dir = Path(img_dir)
        self.transform = transform
        self.target_transform = target_transform

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image = decode_image(self.img_dir / self.names[index])  # (C, H, W)
        label = self.labels[index]
        if self.transform:
            image = self.transform(image)
        if self.target_transform:
            label = self.target_transform(label)
        return image, label


def train_val_split(dataset: Dataset, val_size: int, seed: int) -> list[Subset]:
    """Return two parts of `dataset`, the training part and `val_size` random samples for validation.

    The same seed gives the same parts. Neither part may be empty.

    Raises:
        ValueError: `val_size` is not a whole number from 1 to one less than the size of `dataset`.
    """
    if val_size not in range(1, len(dataset)):
        raise ValueError(f"val_size is {val_size}: choose from 1 to {len(dataset) - 1}.")
    generator = torch.Generator().manual_seed(seed)
    return random_split(dataset, [len(dataset) - val_size, val_size], generator=generator)


# ------------------------------------------------------------------------------------------- the files on disk


def data_folder(root: str | Path | None = None) -> Path:
    """Return the folder that holds the data: `root`, else `TUTORIAL_DATA`, else one cache folder per user."""
    chosen = root or os.environ.get("TUTORIAL_DATA") or platformdirs.user_cache_path("tutorial_utils")
    return Path(chosen).expanduser().absolute()


def data_policy() -> str:
    """Return the policy that `TUTORIAL_SOURCE` names, by default "auto".

    Raises:
        ValueError: it names none of `POLICIES`.
    """
    policy = os.environ.get("TUTORIAL_SOURCE") or "auto"
    if policy not in POLICIES:
        raise ValueError(f"TUTORIAL_SOURCE is {policy!r}: set it to one of {', '.join(POLICIES)}, or unset it.")
    return policy


def source_folder(folder: Path, source: str) -> Path:
    """Return where in the data folder the files of `source`, "real" or "sketch", belong."""
    return folder / "FashionMNIST" / {"real": "raw", "sketch": f"sketch-{sketches.VERSION}"}[source]


def find_source(folder: Path) -> str | None:
    """Return the set that is whole in the data folder: "real" if it is, else "sketch" if that is, else None."""
    return next((source for source in ("real", "sketch") if find_damage(folder, source) is None), None)


def find_damage(folder: Path, source: str) -> str | None:
    """Return what is wrong with the files of `source` in the data folder, or None if all four are whole."""
    files = source_folder(folder, source)
    try:
        sums = SHA256 if source == "real" else _read_sums(files / SUMS_FILE)
        for name, expected in sums.items():
            with (files / name).open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != expected:
                    return f"{files / name} is damaged"
    except FileNotFoundError as error:
        return f"{error.filename} is missing"
    except (OSError, ValueError) as error:
        return f"{files} cannot be read ({error})"
    return None


def prepare_files(folder: Path, mirrors: Sequence[str] = FashionMNIST.mirrors, download: bool = True) -> str:
    """Return the source to use, "real" or "sketch", once its files are whole in the data folder.

    With `download` they are fetched from `mirrors` or drawn if need be, as far as `TUTORIAL_SOURCE` allows.
    Raises what `FashionMNIST` does.
    """
    policy = data_policy()
    _tidy(folder)
    if policy != "sketch" and find_damage(folder, "real") is None:
        return "real"
    if download and (policy == "real" or (policy == "auto" and folder not in _given_up)):
        try:
            fetch(folder, mirrors)
            return "real"
        except DownloadError as error:
            if policy == "real":
                raise
            _given_up.add(folder)
            print(f"{error} Until then you work with drawn stand-in images.")
    if policy != "real" and find_damage(folder, "sketch") is None:
        return "sketch"
    if not download:
        damage = find_damage(folder, "real" if policy == "real" else "sketch")
        raise RuntimeError(f"There is no whole Fashion-MNIST in {folder}: {damage}. Pass download=True to get it.")
    draw(folder)
    return "sketch"


_given_up: set[Path] = set()  # data folders that this process could not fill: one data set, and one wait, per kernel


def fetch(folder: Path, mirrors: Sequence[str] = FashionMNIST.mirrors) -> None:
    """Download the four files of Fashion-MNIST (31 MB) into the data folder, from the first mirror that works.

    Raises:
        DownloadError: no mirror delivered them.
        OSError: the data folder cannot be written to.
    """
    with _workplace(folder) as scratch:
        if find_damage(folder, "real") is None:  # another process was faster
            return
        reasons = []
        for mirror in mirrors:
            try:
                for name, sha256 in SHA256.items():
                    _download(mirror + name, scratch / name, sha256)
            except (requests.RequestException, urllib3.exceptions.HTTPError, ValueError) as error:
                reasons.append(f"{mirror}: {_plain_reason(error)}")
            else:
                return _publish(scratch, source_folder(folder, "real"))
    raise DownloadError(
        f"Fashion-MNIST could not be downloaded ({'; '.join(reasons)}). Try again in a new kernel once there is a "
        f"network, or put the four .gz files into {source_folder(folder, 'real')}."
    )


def draw(folder: Path) -> None:
    """Draw the stand-in for Fashion-MNIST into the data folder, as four files of the same names and format.

    Raises:
        OSError: the data folder cannot be written to.
    """
    with _workplace(folder) as scratch:
        if find_damage(folder, "sketch") is None:  # another process was faster
            return
        with progress_bar(title="drawing garments", unit=" images", total=70_000) as bar:
            for split, train in ("train", True), ("t10k", False):
                images, labels = sketches.draw(train, bar.update)
                write_idx(scratch / f"{split}-images-idx3-ubyte.gz", images)
                write_idx(scratch / f"{split}-labels-idx1-ubyte.gz", labels)
        sums = [f"{hashlib.sha256((scratch / name).read_bytes()).hexdigest()}  {name}\n" for name in SHA256]
        (scratch / SUMS_FILE).write_text("".join(sums), encoding="ascii")
        _publish(scratch, source_folder(folder, "sketch"))


def _download(url: str, path: Path, sha256: str) -> None:
    """Write what `url` delivers to `path`, unless it is there; raise ValueError if it is not the expected file."""
    if path.exists():  # from a mirror that failed at a later file
        return
    content = bytearray()
    for part in _receive(url, title=path.name):
        content += part
        if len(content) > LARGEST:
            raise ValueError("it sends more than the expected file")
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ValueError("what came is not the expected file")
    path.write_bytes(content)


def _receive(url: str, title: str) -> Iterator[bytes]:
    """Yield what `url` delivers, part by part, with a bar; raise ValueError as soon as it comes too slowly.

    A thread does the waiting: a lookup of a name, or a connection that is tried at many addresses, may take a minute,
    and nothing else would end it sooner.
    """
    parts = queue.SimpleQueue()
    threading.Thread(target=_request, args=(url, parts), daemon=True).start()
    with progress_bar(title=title, unit="B", unit_scale=True) as bar:
        start, received = time.monotonic(), 0
        while True:
            try:
                part = parts.get(timeout=TIMEOUT)
            except queue.Empty:
                raise ValueError(f"no answer for {TIMEOUT} seconds") from None
            if isinstance(part, Exception):
                raise part
            if isinstance(part, int):  # the answer is there: how many bytes will come
                bar.total, start = part, time.monotonic()
            elif part:
                yield part
                bar.update(len(part))
                received += len(part)
            else:
                return
            if time.monotonic() > start + TIMEOUT:
                if received < SLOWEST * TIMEOUT:
                    raise ValueError(f"it sends less than {SLOWEST // 1000} kB per second")
                start, received = time.monotonic(), 0


def _request(url: str, parts: queue.SimpleQueue) -> None:
    """Put into `parts` how many bytes `url` announces, the bytes as they come, and b"" at the end; or the error."""
    try:
        with requests.get(url, stream=True, timeout=2 * TIMEOUT, headers={"Accept-Encoding": "identity"}) as response:
            response.raise_for_status()
            parts.put(int(response.headers.get("Content-Length", 0)))
            while part := response.raw.read1(2**16):  # what is there; `read` would wait for all of it
                parts.put(part)
            parts.put(b"")
    except Exception as error:
        parts.put(error)


def _plain_reason(error: Exception) -> str:
    """Return in a few words why a download failed."""
    if isinstance(error, requests.HTTPError):
        return f"HTTP status {error.response.status_code}"
    if isinstance(error, urllib3.exceptions.ProtocolError):
        return "the connection broke off"
    while error.__cause__ or (error.__context__ and not error.__suppress_context__):
        error = error.__cause__ or error.__context__
    return getattr(error, "strerror", None) or str(error)


@contextmanager
def _workplace(folder: Path) -> Iterator[Path]:
    """Yield an empty folder for files in the making; only one process at a time gets past this line.

    The lock is the operating system's: it ends with the process that holds it. What a killed process left in the
    folder is removed by the next one.
    """
    home = folder / "FashionMNIST"
    scratch = home / "unfinished"
    try:
        home.mkdir(parents=True, exist_ok=True)
        with _locked(home / ".lock"):
            shutil.rmtree(scratch, ignore_errors=True)
            scratch.mkdir()
            try:
                yield scratch
            finally:
                shutil.rmtree(scratch, ignore_errors=True)
    except OSError as error:
        raise OSError(
            error.errno,
            f"{error.strerror or error}. The data need 100 MB in a folder that you can write to: set TUTORIAL_DATA to "
            "one, or to one that holds them already",
            str(error.filename or home),
        ) from error


def _tidy(folder: Path) -> None:
    """Remove what a killed process left in the data folder, unless another process is at work there."""
    home = folder / "FashionMNIST"
    with suppress(OSError, filelock.Timeout):
        if (home / "unfinished").exists():
            with filelock.FileLock(home / ".lock", timeout=0):
                shutil.rmtree(home / "unfinished")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock file `path`; while another process holds it, say so and wait."""
    lock = filelock.FileLock(path)
    try:
        lock.acquire(timeout=1)
    except filelock.Timeout:
        print("Another process is preparing the data; waiting until it is done.")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _publish(scratch: Path, files: Path) -> None:
    """Move all files of `scratch` into the folder `files`, each in one step, in place of what stood there."""
    files.mkdir(exist_ok=True)
    for file in scratch.iterdir():
        if (files / file.name).is_dir():
            shutil.rmtree(files / file.name)
        file.replace(files / file.name)


def _read_sums(path: Path) -> dict[str, str]:
    """Return the SHA-256 of each of the four files, by name, from a file in the format of `sha256sum`."""
    sums = dict(reversed(line.split()) for line in path.read_text(encoding="ascii").splitlines())
    if sums.keys() != SHA256.keys():
        raise ValueError(f"{path.name} does not name the four files")
    return sums


def read_idx(path: Path) -> Tensor:
    """Return the array of bytes in a gzipped IDX file as a uint8 tensor of the shape that the file gives.

    Source: "The IDX file format", https://web.archive.org/web/2023/http://yann.lecun.com/exdb/mnist/
    """
    content = gzip.decompress(path.read_bytes())
    dimensions = content[3]  # the header: two zeros, the type (8 is uint8), the number of dimensions, their sizes
    shape = np.frombuffer(content, ">i4", dimensions, offset=4)
    values = np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions)
    return torch.from_numpy(values.reshape(shape).copy())


def write_idx(path: Path, array: np.ndarray) -> None:
    """Write a uint8 array as a gzipped IDX file; the same array gives the same bytes."""
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes()
    path.write_bytes(gzip.compress(header + array.tobytes(), compresslevel=1, mtime=0))
