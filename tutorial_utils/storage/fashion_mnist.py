"""The four files of Fashion-MNIST: where they belong, whether they are whole, and how to get real or drawn ones.

Source of the data set: Xiao, Rasul and Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine
Learning Algorithms", 2017, https://arxiv.org/abs/1708.07747 (MIT licence).
"""

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import platformdirs
from torchvision import datasets

from tutorial_utils.progress import progress_bar
from tutorial_utils.storage import download, sketches
from tutorial_utils.storage.files import remove_leftovers, replace_files, scratch_folder
from tutorial_utils.storage.idx import write_idx

POLICIES = ("auto", "offline", "real", "sketch")
SHA256 = {
    "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
}
SUMS_FILE = "SHA256SUMS"  # kept beside the drawn files, in the format of `sha256sum`
MIRRORS = (
    *datasets.FashionMNIST.mirrors,
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
)


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
    return home(folder) / {"real": "raw", "sketch": f"sketch-{sketches.VERSION}"}[source]


def home(folder: Path) -> Path:
    """Return the part of the data folder that belongs to Fashion-MNIST."""
    return folder / "FashionMNIST"


def find_source(folder: Path) -> str | None:
    """Return the set that is whole in the data folder: "real" if it is, else "sketch" if that is, else None."""
    return next((source for source in ("real", "sketch") if verify(folder, source) is None), None)


def verify(folder: Path, source: str) -> str | None:
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


def prepare_files(folder: Path, mirrors: Sequence[str] = MIRRORS, allowed: bool = True) -> str:
    """Return the source to use, "real" or "sketch", once its files are whole in the data folder.

    Where getting them is `allowed`, they are fetched from `mirrors` or drawn if need be, as far as `TUTORIAL_SOURCE`
    permits. Raises what `FashionMNIST` does.
    """
    policy = data_policy()
    remove_leftovers(home(folder))
    if policy != "sketch" and verify(folder, "real") is None:
        return "real"
    if allowed and (policy == "real" or (policy == "auto" and folder not in _given_up)):
        try:
            fetch(folder, mirrors)
            return "real"
        except download.DownloadError as error:
            if policy == "real":
                raise
            _given_up.add(folder)
            print(f"{error} Until then you work with drawn stand-in images.")
    if policy != "real" and verify(folder, "sketch") is None:
        return "sketch"
    if not allowed:
        damage = verify(folder, "real" if policy == "real" else "sketch")
        raise RuntimeError(f"There is no whole Fashion-MNIST in {folder}: {damage}. Pass download=True to get it.")
    draw(folder)
    return "sketch"


_given_up: set[Path] = set()  # data folders that this process could not fill: one data set, and one wait, per kernel


def fetch(folder: Path, mirrors: Sequence[str] = MIRRORS) -> None:
    """Download the four files of Fashion-MNIST (31 MB) into the data folder, from the first mirror that works.

    Raises:
        DownloadError: no mirror delivered them.
        OSError: the data folder cannot be written to.
    """
    with workspace(folder) as scratch:
        if verify(folder, "real") is None:  # another process was faster
            return
        reasons = []
        for mirror in mirrors:
            try:
                for name, sha256 in SHA256.items():
                    download.download(mirror + name, scratch / name, sha256)
            except download.ERRORS as error:
                reasons.append(f"{mirror}: {download.explain(error)}")
            else:
                return replace_files(scratch, source_folder(folder, "real"))
    raise download.DownloadError(
        f"Fashion-MNIST could not be downloaded ({'; '.join(reasons)}). Try again in a new kernel once there is a "
        f"network, or put the four .gz files into {source_folder(folder, 'real')}."
    )


def draw(folder: Path) -> None:
    """Draw the stand-in for Fashion-MNIST into the data folder, as four files of the same names and format.

    Raises:
        OSError: the data folder cannot be written to.
    """
    with workspace(folder) as scratch:
        if verify(folder, "sketch") is None:  # another process was faster
            return
        with progress_bar(title="drawing garments", unit=" images", total=70_000) as bar:
            for split, train in ("train", True), ("t10k", False):
                images, labels = sketches.draw(train, bar.update)
                write_idx(scratch / f"{split}-images-idx3-ubyte.gz", images)
                write_idx(scratch / f"{split}-labels-idx1-ubyte.gz", labels)
        sums = [f"{hashlib.sha256((scratch / name).read_bytes()).hexdigest()}  {name}\n" for name in SHA256]
        (scratch / SUMS_FILE).write_text("".join(sums), encoding="ascii")
        replace_files(scratch, source_folder(folder, "sketch"))


@contextmanager
def workspace(folder: Path) -> Iterator[Path]:
    """Yield an empty folder in the data folder, locked for this process; an OSError says what the data need."""
    try:
        with scratch_folder(home(folder)) as scratch:
            yield scratch
    except OSError as error:
        raise OSError(
            error.errno,
            f"{error.strerror or error}. The data need 100 MB in a folder that you can write to: set TUTORIAL_DATA to "
            "one, or to one that holds them already",
            str(error.filename or home(folder)),
        ) from error


def _read_sums(path: Path) -> dict[str, str]:
    """Return the SHA-256 of each of the four files, by name, from a file in the format of `sha256sum`."""
    lines = [line.split() for line in path.read_text(encoding="ascii").splitlines()]
    sums = {name: sha256 for sha256, name in lines}
    if sums.keys() != SHA256.keys():
        raise ValueError(f"{path.name} does not name the four files")
    return sums
