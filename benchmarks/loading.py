"""How long one pass over the 60,000 training images takes, next to torchvision's own class: `make bench`.

Exits with status 1 if it takes more than an eighth. Both classes run in turns, so that a busy machine slows down both.
"""

import gzip
import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch
from torch.utils.data import DataLoader, Dataset
from torchvision import datasets
from torchvision.transforms import ToTensor, v2

from tutorial_utils.data import FashionMNIST
from tutorial_utils.progress import progress_bar

TRANSFORMS = {
    "ToTensor()": ToTensor(),
    "Compose([ToImage(), ToDtype()])": v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True)]),
}
ALLOWED = 1 / 8
ROUNDS = 5


def torchvisions(folder: Path) -> datasets.FashionMNIST:
    """Return torchvision's class over the same images, which it wants extracted in a folder."""
    raw = folder / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for file in Path(FashionMNIST().raw_folder).glob("*.gz"):
        (raw / file.stem).write_bytes(gzip.decompress(file.read_bytes()))
    return datasets.FashionMNIST(folder)


def seconds_for_a_pass(dataset: Dataset) -> float:
    """Return how long a plain DataLoader takes to hand out all batches of 64."""
    start = time.perf_counter()
    for _ in DataLoader(dataset, batch_size=64):
        pass
    return time.perf_counter() - start


def main() -> int:
    """Print one line for each transform; return 1 if a ratio of medians is above the allowed one, else 0."""
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = FashionMNIST(), torchvisions(Path(folder))
    failures = 0
    for name, transform in TRANSFORMS.items():
        ours.transform = theirs.transform = transform
        rounds = progress_bar(range(ROUNDS), title=name, unit=" rounds")
        times = [(seconds_for_a_pass(ours), seconds_for_a_pass(theirs)) for _ in rounds]
        our_time, their_time = (statistics.median(column) for column in zip(*times, strict=True))
        ratio = our_time / their_time
        failures += ratio > ALLOWED
        print(f"{name:<34}{our_time:6.2f} s, torchvision {their_time:6.2f} s, ratio {ratio:.3f}, at most {ALLOWED}")
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main())
