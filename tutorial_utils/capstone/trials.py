"""The runs that the stages look at: each is done once, two at a time, and shared by all stages that need it."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil

import tutorial_utils.capstone.tables as tables
from tutorial_utils.capstone.output import FILES, Answer, OutputError, read_answers, read_metrics
from tutorial_utils.capstone.runs import Run, end_all, run
from tutorial_utils.capstone.tables import Folder, Row

EPOCHS = 10  # of the run that most stages look at
LIMITS = {  # seconds of processor time for a run, where that is not 60
    **dict.fromkeys(("quick", "again", "other_seed", "damaged", "rare"), 30),
    "together": 180,
}
ODD = 321  # training pictures that leave one over in batches of 2, 4, 5, 8, 10, 16, 20, 32, 40, 64, 80 or 160


class Trials:
    """The runs of one learner's scripts, in a folder of their own.

    Args:
        script: the learner's `train.py`, with `predict.py` beside it.
        data: a folder with `train.csv` and `test.csv`.
        folder: an empty folder to work in.
    """

    def __init__(self, script: Path, data: Path, folder: Path):
        self.script, self.predict_script = script.resolve(), script.resolve().with_name("predict.py")
        self.folder = folder
        self.given = Folder.read(data)
        readable = replace(self.given, train=self.given.readable("train"), test=self.given.readable("test"))
        self.data = readable.write(folder / "data")
        self.small = tables.few(readable, 4).write(folder / "small")
        self.runs: list[Run] = []
        self._pool = ThreadPoolExecutor(2)
        self._begun: dict[str, Future[Run]] = {}
        self._answers: dict[str, dict[str, Answer]] = {}

    def data_of(self, name: str) -> Folder:
        """Return one of the data folders that were made from the given one."""
        return Folder.read(self.folder / name)

    def begin(self, name: str) -> None:
        """Start the run `name`, as soon as one of two workers is free, after those that it goes on from.

        They come first in the queue, so that no worker waits for a run that none is left to do.
        """
        for other in BEFORE.get(name, ()):
            self.begin(other)
        if name not in self._begun:
            self._begun[name] = self._pool.submit(TRIALS[name], self)

    def get(self, name: str) -> Run:
        """Return the run `name` once it has ended."""
        self.begin(name)
        return self._begun[name].result()

    def close(self) -> None:
        """End what still runs."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        end_all()
        self._pool.shutdown()

    def train(self, name: str, data: Folder, epochs: int = EPOCHS, seed: int = 1, resume: bool = False) -> list[str]:
        """Return the command of a training whose output goes to the folder of the run `name`."""
        options = {"--data": data.path, "--output": self.folder / name / "output", "--epochs": epochs, "--seed": seed}
        words = [str(word) for option in options.items() for word in option]
        return [str(self.script), *words, *(["--resume"] if resume else [])]

    def run(self, name: str, command: list[str], **more: object) -> Run:
        """Run a command for the run `name`."""
        done = run(command, self.folder / name, limit_of(name), **more)  # type: ignore[arg-type]
        self.runs.append(done)
        return done

    def predict(self, model: Path, files: list[Path], name: str) -> Run:
        """Return what became of `predict.py`, asked about these files."""
        return self.run(name, [str(self.predict_script), str(model), *map(str, files)])

    def answers(self, trial: str, data: Folder, rows: list[Row]) -> dict[str, Answer]:
        """Return by file what the model of a run says about the pictures of some rows; asked once for each.

        Raises:
            OutputError: not every picture was answered.
        """
        known = self._answers.setdefault(trial, {})
        if unknown := [row.file for row in rows if row.file not in known]:
            output = self.get(trial).output
            done = self.predict(output / "model.pt", [data.path / file for file in unknown], f"{trial}-answers")
            said = read_answers(done.stdout)
            for file in unknown:
                if (answer := said.get(str(data.path / file))) is None:
                    raise OutputError(
                        f"predict.py says nothing about {file}, a whole picture.\n{done.last_words}".rstrip(),
                        "predict.py 对每张完好的图片都要打印一行。",
                    )
                known[file] = answer
        return known


def limit_of(name: str) -> int:
    """Return how many seconds of processor time a run, or an answer of predict.py, may take."""
    return LIMITS.get(name, 60)


def quick(trials: Trials) -> Run:
    """Two epochs on a few pictures."""
    return trials.run("quick", trials.train("quick", trials.small, 2))


def again(trials: Trials) -> Run:
    """The same once more."""
    return trials.run("again", trials.train("again", trials.small, 2))


def other_seed(trials: Trials) -> Run:
    """The same with another seed."""
    return trials.run("other_seed", trials.train("other_seed", trials.small, 2, seed=2))


def damaged(trials: Trials) -> Run:
    """One epoch on a few pictures, some of which are damaged."""
    folder = trials.folder / "with-damage"
    data = tables.with_damage(trials.small).write(folder)
    tables.damage(data, "train")
    tables.damage(data, "test")
    return trials.run("damaged", trials.train("damaged", data, 1))


def base(trials: Trials) -> Run:
    """All epochs on all pictures."""
    return trials.run("base", trials.train("base", trials.data))


def tested(trials: Trials) -> Run:
    """All epochs, with other labels and other pictures in the test part."""
    data = tables.with_other_test(trials.data).write(trials.folder / "other-test", tables.negative)
    return trials.run("tested", trials.train("tested", data))


def relabelled(trials: Trials) -> Run:
    """All epochs, with other labels alone in the test part; asked for only if `tested` differs."""
    data = tables.with_other_test(trials.data).write(trials.folder / "other-labels")
    return trials.run("relabelled", trials.train("relabelled", data))


def renamed(trials: Trials) -> Run:
    """All epochs, with other names of the classes and the rows in another order."""
    data = tables.renamed(trials.data)[0].write(trials.folder / "other-names")
    return trials.run("renamed", trials.train("renamed", data))


def odd(trials: Trials) -> Run:
    """One epoch, with so many training pictures that one is left over; how many validate is only known afterwards."""
    data = tables.of_size(trials.small, ODD)
    for attempt in range(3):
        done = trials.run("odd", trials.train("odd", data.write(trials.folder / f"odd-{attempt}"), 1))
        if done.status or (missing := ODD - tables.trained_on(done.output)) == 0:
            break
        data = tables.of_size(data, len(data.train) + missing, tables.trained_files(done.output))
    return done


def rare(trials: Trials) -> Run:
    """One epoch, with a class of one picture, and one that the test part lacks."""
    return trials.run("rare", trials.train("rare", tables.rare(trials.small).write(trials.folder / "few"), 1))


def killed(trials: Trials) -> Run:
    """All epochs, killed in the middle of the fourth."""
    seen: list[float] = []

    def interrupt(process: psutil.Process) -> bool:
        """Return whether three epochs are done, and a third of the time of one more has gone by."""
        count = count_rows(trials.folder / "killed" / "output")
        if not seen and count == EPOCHS:
            return False  # they were written at the end, all at once
        while count > len(seen):
            seen.append(time.monotonic())
        return len(seen) >= 3 and time.monotonic() - seen[2] > (seen[2] - seen[1]) / 3

    return trials.run("killed", trials.train("killed", trials.data), interrupt=interrupt)


def resumed(trials: Trials) -> Run:
    """The killed run, gone on with."""
    tables.copy_output(trials.get("killed").output, trials.folder / "resumed")
    output = trials.folder / "resumed" / "output"
    counts = [count_rows(output)]

    def interrupt(process: psutil.Process) -> bool:
        """Note how many epochs are in metrics.csv, and let it go on."""
        counts.append(count_rows(output) or counts[0])
        return False

    done = trials.run("resumed", trials.train("resumed", trials.data, resume=True), interrupt=interrupt)
    done.began_anew = 1 in counts  # three epochs were done before
    return done


def cut(trials: Trials) -> Run:
    """The killed run, gone on with, and killed while it saves."""
    tables.copy_output(trials.get("killed").output, trials.folder / "cut")
    sizes = [file.stat().st_size for file in trials.get("base").output.rglob("*.pt*") if file.is_file()]
    largest = min(sizes, default=1 << 16) // 2
    return trials.run("cut", trials.train("cut", trials.data, resume=True), largest=largest)


def mended(trials: Trials) -> Run:
    """That run, gone on with."""
    tables.copy_output(trials.get("cut").output, trials.folder / "mended")
    return trials.run("mended", trials.train("mended", trials.data, resume=True))


def together(trials: Trials) -> Run:
    """All epochs, by two processes, the second of which stands still for a while after two epochs."""
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--local-addr=127.0.0.1", "--nproc-per-node=2"]
    output = trials.folder / "together" / "output"
    seen: list[float] = []  # when each epoch was done
    marks: list[tuple[float, int]] = []  # when the second process was halted and let go, and how many epochs there were

    def interrupt(process: psutil.Process) -> bool:
        """Halt the second process after two epochs, for as long as the first needs for some, and let it go on."""
        with suppress(psutil.Error):
            now, count = time.monotonic(), count_rows(output)
            seen.extend([now] * (count - len(seen)))
            if not marks and count >= 2:
                marks.append((now, count))
                for child in second(process):
                    child.suspend()
            elif len(marks) == 1 and now - marks[0][0] > max(6, 4 * (seen[1] - seen[0])):
                marks.append((now, count))
                for child in second(process):
                    child.resume()
        return False

    done = trials.run("together", [*torchrun, *trials.train("together", trials.data)], interrupt=interrupt)
    done.rows_while_halted = marks[1][1] - marks[0][1] if len(marks) > 1 else None
    return done


def second(process: psutil.Process) -> list[psutil.Process]:
    """Return the process of rank 1 among those that torchrun has started."""
    return [child for child in process.children(recursive=True) if child.environ().get("RANK") == "1"]


def count_rows(output: Path) -> int:
    """Return how many epochs are in `metrics.csv` now, 0 while it is being written."""
    with suppress(OutputError):
        return len(read_metrics(output))
    return 0


TRIALS: dict[str, Callable[[Trials], Run]] = {
    trial.__name__: trial
    for trial in (
        *(quick, again, other_seed, damaged, base, tested, relabelled, renamed, odd, rare),
        *(killed, resumed, cut, mended, together),
    )
}


BEFORE = {"resumed": ("killed",), "cut": ("base", "killed"), "mended": ("cut",)}  # what a run itself waits for


def lacking(output: Path) -> list[str]:
    """Return which of the four files are not in the output folder."""
    return [name for name in FILES if not (output / name).is_file()]
