"""How fast the course is, next to what it could be compared with: `make bench` prints the table of docs/speed.md.

What is compared runs in turns, so that a busy machine slows down all of it. Each number is a ratio of medians. Exits
with status 1 if one is above its limit. A library that is not installed (the extra `bench` has them) is left out.
`make bench ARGS=loading` measures the rows of one function alone.
"""

import argparse
import contextlib
import gzip
import io
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from importlib import import_module, util
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import pyperf
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset
from torchvision import datasets
from torchvision.transforms import ToTensor

from tutorial_utils.data import FashionMNIST
from tutorial_utils.loops import fit, train_loop
from tutorial_utils.models import NeuralNetwork
from tutorial_utils.progress import progress_bar
from tutorial_utils.storage.fashion_mnist import data_folder

COURSE = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((COURSE / "notebooks").glob("*.ipynb"))
BATCH_SIZE = 64
loss_fn = nn.CrossEntropyLoss()

Example = tuple[torch.Tensor, int]
Batches = Iterable[tuple[torch.Tensor, torch.Tensor]]


class Row(NamedTuple):
    """One line of the table: a number, in words what it is, and the largest that is allowed (None: any)."""

    what: str
    against: str
    value: float
    limit: float | None
    unit: str = " ×"

    def __str__(self) -> str:
        limit = "printed" if self.limit is None else f"≤ {self.limit:g}{self.unit}"
        return (
            f"| {self.what} | {self.against} | {limit} | {self.value:.3g}{self.unit}{' **too slow**' * self.failed} |"
        )

    @property
    def failed(self) -> bool:
        return self.limit is not None and self.value > self.limit


def in_turns(rounds: int, *functions: Callable[[], object]) -> list[float]:
    """Return for each function the median of what `rounds` calls took, in seconds, or of the numbers they return."""
    times: list[list[float]] = [[] for _ in functions]
    for _ in progress_bar(range(rounds), title=functions[0].__name__, unit=" rounds"):
        for function, column in zip(functions, times, strict=True):
            start = time.perf_counter()
            result = function()
            column.append(result if isinstance(result, float) else time.perf_counter() - start)
    return [median(column) for column in times]


# ------------------------------------------------------------------------------------------------ loading and training


def torchvisions(folder: Path) -> datasets.FashionMNIST:
    """Return torchvision's class over the same images, which it wants extracted in a folder."""
    raw = folder / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for file in Path(FashionMNIST().raw_folder).glob("*.gz"):  # as the course keeps them
        (raw / file.stem).write_bytes(gzip.decompress(file.read_bytes()))
    return datasets.FashionMNIST(folder, transform=ToTensor())


def fresh() -> tuple[NeuralNetwork, torch.optim.Optimizer]:
    """Return a new model and its optimizer, always the same."""
    torch.manual_seed(0)
    model = NeuralNetwork()
    return model, torch.optim.SGD(model.parameters(), lr=0.1)


def usual_loop(batches: Batches) -> None:
    """Train for one epoch in as few lines as can be."""
    model, optimizer = fresh()
    for images, labels in batches:
        optimizer.zero_grad()
        loss_fn(model(images), labels).backward()
        optimizer.step()


def unchecked_loop(batches: Batches) -> None:
    """Train for one epoch as `train_loop` does, but for its checks and for what tasks other than the lessons' need."""
    model, optimizer = fresh()
    model.train()
    total_loss, examples = torch.zeros(()), 0
    for images, labels in batches:
        images, labels = images.to("cpu"), labels.to("cpu")
        loss = loss_fn(model(images), labels)

        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

        total_loss += loss.detach() * len(labels)
        examples += len(labels)
    float(total_loss / examples)


def lightning(dataset: Dataset[Example]) -> None:
    """Train for one epoch with Lightning's Trainer."""
    import pytorch_lightning as pl

    class Module(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model, self.optimizer = fresh()

        def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], number: int) -> torch.Tensor:
            images, labels = batch
            loss: torch.Tensor = loss_fn(self.model(images), labels)
            return loss

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return self.optimizer

    off = "enable_progress_bar", "enable_model_summary", "enable_checkpointing", "logger"
    trainer = pl.Trainer(max_epochs=1, accelerator="cpu", devices=1, **dict.fromkeys(off, False))
    trainer.fit(Module(), DataLoader(dataset, batch_size=BATCH_SIZE, shuffle=True))


def skorch(dataset: Dataset[Example]) -> None:
    """Train for one epoch with skorch's NeuralNet."""
    from skorch import NeuralNetClassifier

    fresh()
    net = NeuralNetClassifier(
        NeuralNetwork,
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.SGD,
        lr=0.1,
        max_epochs=1,
        batch_size=BATCH_SIZE,
        iterator_train__shuffle=True,
        train_split=None,
        callbacks__print_log=None,
    )
    net.fit(dataset, y=None)


def ignite(dataset: Dataset[Example]) -> None:
    """Train for one epoch with Ignite's supervised trainer."""
    from ignite.engine import create_supervised_trainer

    model, optimizer = fresh()
    trainer = create_supervised_trainer(model, optimizer, loss_fn)
    trainer.run(DataLoader(dataset, batch_size=BATCH_SIZE, shuffle=True), max_epochs=1)


LIBRARIES = {
    "Lightning": ("pytorch_lightning", lightning),
    "skorch": ("skorch", skorch),
    "Ignite": ("ignite", ignite),
}


def one_pass(batches: Batches) -> None:
    """Go through all batches and do nothing."""
    for _ in batches:
        pass


def loading() -> Iterator[Row]:
    """Yield what an epoch of training, and one pass over the images without training, take."""
    installed = {name: train for name, (module, train) in LIBRARIES.items() if util.find_spec(module)}
    with tempfile.TemporaryDirectory() as folder:
        theirs: Dataset[Example] = torchvisions(Path(folder))
    dataloader: DataLoader[Example] = DataLoader(FashionMNIST(transform=ToTensor()), BATCH_SIZE, shuffle=True)
    their_dataloader = DataLoader(theirs, batch_size=BATCH_SIZE, shuffle=True)
    in_memory = list(dataloader)

    def one_epoch(batches: Batches = dataloader) -> None:
        model, optimizer = fresh()
        train_loop(batches, model, loss_fn, optimizer)

    what = "one epoch: `train_loop` and `DataLoader`"
    ours, limit, unchecked, bare = in_turns(
        11,
        one_epoch,
        lambda: one_epoch(in_memory),
        lambda: unchecked_loop(in_memory),
        lambda: usual_loop(in_memory),
    )
    yield Row("one epoch: `train_loop` in memory", "the same loop without its checks", limit / unchecked, 1.03)
    yield Row(what, "`train_loop` on batches that are in memory", ours / limit, 1.10)
    yield Row(what, "the barest loop on batches that are in memory", ours / bare, None)
    ours, usual, *others, our_pass, their_pass = in_turns(
        5,
        one_epoch,
        lambda: usual_loop(their_dataloader),
        *(lambda train=train: train(theirs) for train in installed.values()),
        lambda: one_pass(dataloader),
        lambda: one_pass(their_dataloader),
    )
    yield Row(what, "the usual loop on torchvision's data set", ours / usual, 0.35)
    for name, seconds in zip(installed, others, strict=True):
        yield Row(what, f"{name} on torchvision's data set", ours / seconds, 0.5)
    yield Row("one pass of the `DataLoader`", "torchvision's data set", our_pass / their_pass, 0.125)


class Terminal(io.StringIO):
    """A stream that somebody seems to watch, so that bars are drawn to it."""

    def isatty(self) -> bool:
        return True


def bar() -> Iterator[Row]:
    """Yield what the progress bar costs."""
    images, labels = next(iter(DataLoader(FashionMNIST(transform=ToTensor()), batch_size=20_000)))
    train_dataloader = DataLoader(TensorDataset(images, labels), batch_size=BATCH_SIZE)
    val_dataloader = DataLoader(TensorDataset(images[:1000], labels[:1000]), batch_size=BATCH_SIZE)

    def fit_and_show(progress: bool = True) -> None:
        model, optimizer = fresh()
        with contextlib.redirect_stderr(Terminal()), contextlib.redirect_stdout(io.StringIO()):
            fit(model, train_dataloader, val_dataloader, loss_fn, optimizer, epochs=2, progress=progress)

    shown, silent = in_turns(9, fit_and_show, lambda: fit_and_show(progress=False))
    yield Row("`fit` with its progress bar", "without", shown / silent, 1.03)


# ----------------------------------------------------------------------------------- a large file, imports, exercises


def cell(stem: str, cell_id: str) -> str:
    """Return the source of a cell, so that what the lesson shows is what is measured."""
    notebook = json.loads((COURSE / "notebooks" / f"{stem}.ipynb").read_text(encoding="utf-8"))
    (source,) = ("".join(cell["source"]) for cell in notebook["cells"] if cell["id"] == cell_id)
    return source


LOAD = """
import psutil, resource, sys, time
import torch
from torchvision.models import vgg16
LOAD_FUNCTION
torch.set_num_threads(1)  # several would sort weights into copies of their own for an answer, in both ways
image = torch.zeros(1, 3, 32, 32)  # a small one, as what it takes is the same in both ways
before, start = psutil.Process().memory_info().rss, time.perf_counter()
model, state_dict = load(sys.argv[1])
print(time.perf_counter() - start)
with torch.no_grad():
    model.eval()(image)
print(time.perf_counter() - start)
print(1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def large_file() -> Iterator[Row]:
    """Yield what loading VGG16 takes, memory-mapped, in the way of notebook 07."""
    from torchvision.models import vgg16

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "vgg16.pt")
        torch.save(vgg16().state_dict(), file)
        runs: dict[str, list[list[float]]] = {"mapped": [], "plain": []}
        for _ in progress_bar(range(5), title="VGG16", unit=" rounds"):
            for name, results in runs.items():
                function = cell("07_save_load", f"vgg-{name}").replace(f"load_{name}", "load")
                output = run(sys.executable, "-c", LOAD.replace("LOAD_FUNCTION", function), str(file))
                results.append([float(line) for line in output.splitlines()])
    mapped, plain = ([median(column) for column in zip(*results, strict=True)] for results in runs.values())
    what = "VGG16 from its file: mmap, meta, assign"
    yield Row(what, "`load_state_dict(torch.load(...))`", mapped[0] / plain[0], 0.05)
    yield Row("... until its first answer", "the same", mapped[1] / plain[1], None)
    yield Row("... peak of the memory, with an answer", "the same", mapped[2] / plain[2], 0.6)


def run(*command: str, **variables: str) -> str:
    """Return what a command prints; end the benchmark if it fails."""
    result = subprocess.run(command, capture_output=True, text=True, cwd=COURSE, env=os.environ | variables)
    if result.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{result.stdout}{result.stderr}")
    return result.stdout


def imports() -> Iterator[Row]:
    """Yield what importing the loops takes."""

    def import_loops() -> None:
        run(sys.executable, "-c", "import tutorial_utils.loops")

    ours, torchs = in_turns(11, import_loops, lambda: run(sys.executable, "-c", "import torch"))
    yield Row("`import tutorial_utils.loops`", "`import torch`", ours / torchs, 1.05)


def checks() -> Iterator[Row]:
    """Yield what the check of an exercise takes when the answer is right."""
    from tutorial_utils.exercises.exercise import Exercise

    times = []
    for notebook in NOTEBOOKS:
        module = import_module(f"tutorial_utils.exercises.ex{notebook.stem}")
        for exercise in progress_bar([*vars(module).values()], title=notebook.stem, unit=" checks"):
            if isinstance(exercise, Exercise):
                start = time.perf_counter()
                with contextlib.redirect_stdout(io.StringIO()):
                    exercise.check(exercise.answer)
                times.append(1000 * (time.perf_counter() - start))
    yield Row("the check of an exercise, median", f"all {len(times)}", median(times), 50, " ms")
    yield Row("the slowest check of an exercise", f"all {len(times)}", max(times), 1000, " ms")


# ------------------------------------------------------------------------------------------------- the whole course


def notebooks() -> Iterator[Row]:
    """Yield what all eight notebooks take under pytest, and how much of that is training and importing."""
    with tempfile.TemporaryDirectory() as folder:
        copies = [Path(folder, notebook.name) for notebook in NOTEBOOKS]
        for notebook, copy in zip(NOTEBOOKS, copies, strict=True):
            copy.write_bytes(notebook.read_bytes())
        start = time.perf_counter()
        run(
            sys.executable,
            "-m",
            "pytest",
            f"--rootdir={COURSE}",
            "-c",
            "pyproject.toml",
            "-p",
            "no:cacheprovider",
            "--overwrite",
            folder,
        )
        wall = time.perf_counter() - start
        seconds = [pair for copy in copies for pair in cell_times(json.loads(copy.read_text(encoding="utf-8")))]
    trained = sum(took for source, took in seconds if does_train_or_import(source))
    yield Row("all eight notebooks under `pytest`", "side by side, one for each core", wall, None, " s")
    yield Row("... of which their cells train and import", "summed over all eight", trained, None, " s")


def cell_times(notebook: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield the source of each code cell that has run, and the seconds that it took."""
    for code in notebook["cells"]:
        if times := code["metadata"].get("execution"):
            began, ended = (datetime.fromisoformat(times[f"iopub.status.{end}"]) for end in ("busy", "idle"))
            yield "".join(code["source"]), (ended - began).total_seconds()


def does_train_or_import(source: str) -> bool:
    """Return whether a cell trains a model or imports modules."""
    return any(word in source for word in ("import ", "train_loop(", "fit(", ".backward()", "run_module("))


TRAIN = "-m", "tutorial_utils.train", "--epochs=3", "--batch-size=64"
TORCHRUN = "-m", "torch.distributed.run", "--standalone", "--local-addr=127.0.0.1", "--nproc-per-node=2"


def processes() -> Iterator[Row]:
    """Yield what two processes cost that share one CPU and the batches of one."""
    with tempfile.TemporaryDirectory() as folder:
        number = iter(range(99))

        def train_alone() -> None:
            run(sys.executable, *TRAIN, f"--output={folder}/{next(number)}")

        def train_on_two() -> None:
            run(sys.executable, *TORCHRUN, *TRAIN, f"--output={folder}/{next(number)}")

        alone, on_two = in_turns(3, train_alone, train_on_two)
    yield Row("two processes, three epochs, batch 64", "one process", on_two / alone, None)


GROUPS = [loading, bar, large_file, imports, checks, notebooks, processes]


def machine() -> str:
    """Return a line that names the machine."""
    facts = pyperf.Run([1.0], collect_metadata=True).get_metadata()
    cpu = facts.get("cpu_model_name", facts["platform"])
    versions = f"Python {facts['python_version'].split()[0]}, PyTorch {torch.__version__.partition('+')[0]}"
    return (
        f"{cpu}, {os.cpu_count()} cores, {torch.get_num_threads()} threads; {versions}; {FashionMNIST().source} images"
    )


def main() -> int:
    """Print the table; return 1 if a row is above its limit, else 0."""
    names = {group.__name__: group for group in GROUPS}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("groups", nargs="*", choices=[[], *names], help="measure these alone")
    groups = parser.parse_args().groups or names
    os.environ |= {"TUTORIAL_DEVICE": "cpu", "TUTORIAL_DATA": str(data_folder())}
    os.environ["TUTORIAL_PROGRESS"] = os.devnull  # the checks of the exercises are not yours
    warnings.simplefilter("ignore")  # what the libraries advise
    logging.disable()

    rows: list[Row] = []
    for name in groups:
        rows.extend(names[name]())
    print(f"\n{machine()}\n\n| what | against | must be | is |\n|---|---|---|---|")
    print(*rows, sep="\n")
    return int(any(row.failed for row in rows))


if __name__ == "__main__":
    sys.exit(main())
