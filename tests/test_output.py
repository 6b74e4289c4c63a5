"""The output folder of a run: one run at a time, the truth in its files, and a sentence where one is damaged."""

import errno
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import filelock
import pandas as pd
import pytest

from tutorial_utils import train
from tutorial_utils.checkpoints import read_checkpoint
from tutorial_utils.command import NOBODY_READS, end_with
from tutorial_utils.training import output, processes

FILES = ["options.json", "metrics.csv", "history.png", "checkpoint.pt", "model.pt", "test.json"]
FEW = ["--batch-size=20", "--subset=20"]
VARIABLES = ("RANK", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "WORLD_SIZE")


@pytest.fixture(autouse=True)
def settings(real_set, monkeypatch, tmp_path):
    """Every test trains on the tiny set, without plots, and no launcher has set anything."""
    monkeypatch.setenv("TUTORIAL_DEVICE", "cpu")
    monkeypatch.chdir(tmp_path)
    for name in (*VARIABLES, *processes.OTHER_LAUNCHERS, "SLURM_PROCID", "TORCHELASTIC_RESTART_COUNT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(output, "plot_history", lambda history: Figure())


class Figure:
    def savefig(self, file, **options):
        file.write(b"a picture")


def run(*options):
    return train.main(["--output=run", *FEW, *options])


# ------------------------------------------------------------------------------------------------------------ the truth


def test_fewer_epochs_than_are_finished_are_measured_as_what_they_are(tmp_path, capsys):
    assert run("--epochs=3") == 0
    before = json.loads((tmp_path / "run" / "test.json").read_text())
    capsys.readouterr()
    assert run("--epochs=1", "--resume") == 0
    assert json.loads((tmp_path / "run" / "test.json").read_text()) == before
    assert before["epochs"] == read_checkpoint(tmp_path / "run" / "checkpoint.pt")["epoch"] == 3
    said = capsys.readouterr().out
    assert "That is more than --epochs 1: it is measured as it is, and nothing is trained." in said
    assert "epoch 1/" not in said


# ---------------------------------------------------------------------------------------------------- one run at a time


def test_a_second_run_into_the_same_folder_is_refused_and_changes_nothing(tmp_path, monkeypatch, capsys):
    def train_loop(batches, *rest):
        assert run("--epochs=1", "--resume") == 1
        return 0.5

    monkeypatch.setattr(train, "train_loop", train_loop)
    assert run("--epochs=1") == 0
    assert re.match(r"FileExistsError: Another run is writing to run: wait .* --output\.\n", capsys.readouterr().err)
    assert json.loads((tmp_path / "run" / "test.json").read_text())["epochs"] == 1


def test_a_lock_whose_process_is_dead_stops_nobody(tmp_path):
    (tmp_path / "run").mkdir()
    hold = "import filelock, os, sys; filelock.FileLock(sys.argv[1]).acquire(); os._exit(1)"
    subprocess.run([sys.executable, "-c", hold, tmp_path / "run" / ".lock"])
    assert (tmp_path / "run" / ".lock").exists()
    assert run("--epochs=0") == 0
    filelock.FileLock(tmp_path / "run" / ".lock", timeout=0).acquire().lock.release()  # and the run holds it no more


def test_a_run_that_failed_lets_go_of_its_folder(monkeypatch, capsys):
    with monkeypatch.context() as patch:
        patch.setattr(train, "begin", lambda *rest: (_ for _ in ()).throw(ValueError("sparks")))
        assert run() == 1
    assert run("--epochs=0") == 0


def test_only_the_process_of_rank_0_holds_the_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    with output.own(tmp_path / "other"):
        pass
    assert not (tmp_path / "other").exists()


# -------------------------------------------------------------------------------------------------------- damaged files


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("options.json", None, "which holds how the run was begun, is missing"),
        ("options.json", b"", "is damaged"),
        ("options.json", b'{"model": ', "is damaged"),
        ("options.json", b"[1]", "is damaged .found .1"),
        ("options.json", b"\xff\xfe", "is damaged"),
        ("metrics.csv", None, "which holds the metrics of each epoch, is missing"),
        ("metrics.csv", b"", "is damaged"),
        ("metrics.csv", b"\xff\xfe\x00", "is damaged"),
        ("metrics.csv", b"epoch,train_loss,val_loss,val_accuracy\n1,x,2,3\n", "is damaged"),
        ("metrics.csv", b"epoch,train_loss,val_loss,val_accuracy\n", "of 0 epochs, the checkpoint has 1"),
        ("metrics.csv", b"epoch,loss\n1,2\n", "found loss of 1 epochs"),
    ],
)
def test_a_file_that_is_missing_or_damaged_is_a_sentence_with_what_to_do(file, content, words, tmp_path, capsys):
    assert run("--epochs=1") == 0
    path = tmp_path / "run" / file
    path.unlink() if content is None else path.write_bytes(content)
    assert run("--epochs=2", "--resume") == 1
    message = capsys.readouterr().err
    assert message.startswith(f"ValueError: run{os.sep}{file}, which holds ")
    assert re.search(words, message)
    assert "put it back from a copy, or begin again in another --output" in message
    assert message.count("\n") == 1


@pytest.mark.parametrize("file", FILES)
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a file that is always full is Linux's")
def test_a_disk_that_fills_is_a_sentence_for_every_file(file, tmp_path, capsys):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / f"{file}.unfinished").symlink_to("/dev/full")
    assert run("--epochs=1") == 1
    message = capsys.readouterr().err
    assert re.search(rf"No space left on device: run/{file} could not be written, and is as it was", message)


# ------------------------------------------------------------------------------------------------------------ launchers


def start(monkeypatch, **variables):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    processes.check_launcher()


TORCHRUN = dict.fromkeys(VARIABLES, "1") | {"MASTER_ADDR": "localhost", "WORLD_SIZE": "2"}


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"WORLD_SIZE": "1"},
        TORCHRUN,
        TORCHRUN | {"SLURM_PROCID": "3", "SLURM_NTASKS": "4", "SLURM_STEP_NUM_TASKS": "4"},  # torchrun inside srun
        {"SLURM_PROCID": "0", "SLURM_NTASKS": "1"},  # the script of a job
        {"SLURM_PROCID": "0", "SLURM_NTASKS": "4"},  # the script of a job that may start four tasks
        {"SLURM_PROCID": "0", "SLURM_NTASKS": "4", "SLURM_STEP_NUM_TASKS": "1"},  # srun --ntasks=1
        {"SLURM_NTASKS": "4"},  # a shell of salloc
        {"OMPI_COMM_WORLD_SIZE": "1", "PMI_SIZE": "1"},
    ],
)
def test_a_process_that_is_alone_or_started_by_torchrun_trains(monkeypatch, variables):
    start(monkeypatch, **variables)


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"RANK": "0"}, "RANK is set, but WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE, MASTER_ADDR, MASTER_PORT not"),
        ({"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "a", "MASTER_PORT": "1"}, "LOCAL_RANK, LOCAL_WORLD_SIZE not"),
        (TORCHRUN | {"RANK": "first"}, "RANK is set, but RANK to no number"),
        (TORCHRUN | {"RANK": "2"}, "RANK is 2, but the last of 2 processes has 1"),
        ({"WORLD_SIZE": "2"}, "WORLD_SIZE is 2, but RANK is not set"),
        ({"WORLD_SIZE": "two"}, "WORLD_SIZE is two, but RANK is not set"),
        (
            {"SLURM_PROCID": "1", "SLURM_NTASKS": "4"},
            r"starts 4 processes \(SLURM_NTASKS\), and each would",
        ),
        ({"SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "2", "SLURM_NTASKS": "2"}, "srun starts 2 processes"),
        ({"OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "0"}, "mpirun starts 2 processes"),
        ({"MV2_COMM_WORLD_SIZE": "2"}, "mpirun starts 2 processes"),
        ({"PMI_SIZE": "3", "PMI_RANK": "2"}, "mpiexec starts 3 processes"),
    ],
)
def test_a_process_of_another_launcher_is_told_what_to_type(monkeypatch, variables, words, capsys, tmp_path):
    with pytest.raises(ValueError, match=words) as error:
        start(monkeypatch, **variables)
    assert "torchrun --standalone --nproc-per-node=2 -m tutorial_utils.train" in str(error.value)
    assert run("--batch-size=4", "--epochs=1") == 1
    assert capsys.readouterr().err == f"ValueError: {error.value}\n"
    assert not (tmp_path / "run").exists()


def test_a_measurement_of_fewer_examples_than_processes_counts_what_there_is(monkeypatch):
    seen = []
    monkeypatch.setattr(train, "reduce_mean", lambda metrics, examples, device: seen.append(examples) or metrics)
    nobody = processes.Process(rank=3, world_size=4, device=None)
    assert train.measure(list(range(3)), train.nn.Flatten(), None, nobody) == (0, 0)
    assert seen == [0]


# ---------------------------------------------------------------------------------------------- nobody reads the output


def test_a_command_whose_output_nobody_reads_ends_without_a_word(tmp_path, capfd):
    class Pipe:
        def fileno(self):
            return file.fileno()

        def flush(self):
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    with (tmp_path / "out").open("w") as file, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", Pipe())
        with pytest.raises(SystemExit) as end:
            end_with(lambda: 0)
        os.write(file.fileno(), b"what Python still had to write")
    assert end.value.code == NOBODY_READS
    assert (tmp_path / "out").read_text() == ""
    assert capfd.readouterr().err == ""


def test_a_command_ends_with_the_status_that_it_returns():
    for status in 0, 1, None:
        with pytest.raises(SystemExit) as end:
            end_with(lambda status=status: status)
        assert end.value.code == status


def test_a_run_that_nobody_reads_is_no_failed_write(monkeypatch):
    monkeypatch.setattr(train, "load", lambda options: (_ for _ in ()).throw(BrokenPipeError))
    with pytest.raises(BrokenPipeError):
        run()


@pytest.mark.skipif(os.name == "nt", reason="needs a shell with pipes")
def test_the_doctor_can_be_piped_into_head(tmp_path):
    command = f"{sys.executable} -m tutorial_utils.doctor | head -n 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert done.stdout.startswith("[")
    assert done.stderr == ""


def test_the_metrics_of_a_resumed_run_are_those_of_every_epoch(tmp_path):
    assert run("--epochs=1") == 0
    assert run("--epochs=2", "--resume") == 0
    assert list(pd.read_csv(tmp_path / "run" / "metrics.csv")["epoch"]) == [1, 2]
