"""The four files of Fashion-MNIST: where they belong, whether they are whole, and how to get real or drawn ones.

Source of the data set: Xiao, Rasul and Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine
Learning Algorithms", 2017, https://arxiv.org/abs/1708.07747 (MIT licence).
"""

import gzip
import hashlib
import os
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import platformdirs
from torchvision import datasets

from tutorial_utils.progress import progress_bar
from tutorial_utils.storage import download, sketches
from tutorial_utils.storage.files import remove_leftovers, replace_files, scratch_folder
from tutorial_utils.storage.idx import is_whole, unpack, write_idx

POLICIES = ("auto", "offline", "real", "sketch")
SHA256 = {
    "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
}
UNPACKED_SHA256 = {  # of what is in them
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
MISSING = "is missing"
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
    _, faults = find_files(folder, source)
    return next(iter(faults.values()), None)


def find_files(folder: Path, source: str) -> tuple[dict[str, Path], dict[str, str]]:
    """Return the whole files of `source`, each by its name, and what is wrong with the others of the four."""
    place = source_folder(folder, source)
    try:
        sums = SHA256 if source == "real" else _read_sums(place / SUMS_FILE)
    except FileNotFoundError as error:
        return {}, {SUMS_FILE: f"{error.filename} {MISSING}"}
    except (OSError, ValueError) as error:
        return {}, {SUMS_FILE: f"{place} cannot be read ({error})"}
    whole, faults = {}, {}
    for name, sha256 in sums.items():
        accepted = {sha256, UNPACKED_SHA256[name.removesuffix(".gz")]} if source == "real" else {sha256}
        path, fault = find_file(place / name, accepted)
        if fault is None:
            whole[name] = path
        else:
            faults[name] = fault
    return whole, faults


def find_file(path: Path, accepted: set[str]) -> tuple[Path, str | None]:
    """Return where the file `path` is, and None if it is whole, else what is wrong with it.

    One that was put there by hand may be unpacked, as torchvision and other programs leave it, with a name of theirs.
    """
    unpacked = path.with_suffix("")
    faults = []
    for candidate in path, unpacked, unpacked.with_name(unpacked.name.replace("-idx", ".idx")):
        fault = find_fault(candidate, accepted)
        if fault is None:
            return candidate, None
        faults.append(fault)
    return path, next((fault for fault in faults if not fault.endswith(MISSING)), faults[0])


def find_fault(path: Path, accepted: set[str]) -> str | None:
    """Return what is wrong with a file, or None if its SHA-256, or that of what is packed in it, is `accepted`."""
    try:
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() in accepted:
                return None
        stored = path.read_bytes()
        content = unpack(stored)
    except FileNotFoundError:
        return f"{path} {MISSING}"
    except (gzip.BadGzipFile, EOFError, zlib.error):
        return f"{path} is damaged"
    except OSError as error:
        return f"{path} cannot be read ({error.strerror})"
    if hashlib.sha256(content).hexdigest() in accepted:
        return None
    if not is_whole(content):
        return f"{path} is damaged"
    doubt = ", or damaged" if content is stored else ""  # of what was packed, gzip has checked the bytes
    return f"{path} is a file of another data set (those of MNIST have the same names){doubt}"


def explain_faults(folder: Path) -> str | None:
    """Return why the real files in the data folder are not enough; None if they are, or if there are none at all."""
    whole, faults = find_files(folder, "real")
    if not faults or (not whole and all(fault.endswith(MISSING) for fault in faults.values())):
        return None
    return f"{len(whole) or 'none'} of the four files of Fashion-MNIST can be used; {'; '.join(faults.values())}"


def prepare_files(folder: Path, mirrors: Sequence[str] = MIRRORS, allowed: bool = True) -> tuple[str, dict[str, Path]]:
    """Return the source to use, "real" or "sketch", and its four files by name, once they are whole in the data folder.

    Where getting them is `allowed`, they are fetched from `mirrors` or drawn if need be, as far as `TUTORIAL_SOURCE`
    permits. Raises what `FashionMNIST` does.
    """
    policy = data_policy()
    remove_leftovers(home(folder))
    for source in (policy,) if policy in ("real", "sketch") else ("real", "sketch"):
        files, faults = find_files(folder, source)
        if not faults:
            return source, files
        if source == "real" and allowed:
            _tell_faults(folder)
            if policy != "offline" and _fetched(folder, mirrors, policy):
                return source, find_files(folder, source)[0]
    if not allowed:
        damage = (policy != "sketch" and explain_faults(folder)) or next(iter(faults.values()))
        raise RuntimeError(f"There is no whole Fashion-MNIST in {folder}: {damage}. Pass download=True to get it.")
    draw(folder)
    return "sketch", find_files(folder, "sketch")[0]


def _tell_faults(folder: Path) -> None:
    """Print why the real files in the data folder are not enough, once per kernel."""
    faults = explain_faults(folder)
    if faults and faults not in _told:
        _told.add(faults)
        print(f"In {source_folder(folder, 'real')}, {faults}.")


def _fetched(folder: Path, mirrors: Sequence[str], policy: str) -> bool:
    """Fetch the real files and return True, or print why they did not come; under "real", that is an error."""
    if policy == "auto" and folder in _given_up:
        return False
    try:
        fetch(folder, mirrors)
    except download.DownloadError as error:
        if policy == "real":
            raise
        _given_up.add(folder)
        print(f"{error} Until then you work with drawn stand-in images.")
        return False
    return True


_given_up: set[Path] = set()  # data folders that this process could not fill: one data set, and one wait, per kernel
_told: set[str] = set()  # what was said about files that cannot be used


def fetch(folder: Path, mirrors: Sequence[str] = MIRRORS) -> None:
    """Download what is missing of Fashion-MNIST (31 MB) into the data folder, from the first mirror that works.

    Raises:
        DownloadError: no mirror delivered it.
        OSError: the data folder cannot be written to.
    """
    with workspace(folder) as scratch:
        whole, missing = find_files(folder, "real")
        if not missing:  # another process was faster
            return
        reasons = []
        for mirror in mirrors:
            try:
                for name in missing:
                    download.download(mirror + name, scratch / name, SHA256[name])
            except download.ERRORS as error:
                reasons.append(f"{mirror}: {download.explain(error)}")
            else:
                return replace_files(scratch, source_folder(folder, "real"))
    wanted = ", ".join(missing) if whole else "the four .gz files"
    raise download.DownloadError(
        f"Fashion-MNIST could not be downloaded ({'; '.join(reasons)}). Try again in a new kernel once there is a "
        f"network, or put {wanted} into {source_folder(folder, 'real')}."
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
