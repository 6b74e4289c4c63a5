import itertools
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import torch.distributed as dist
from matplotlib.figure import Figure
from torch import nn

from tutorial_utils import data, train
from tutorial_utils.checkpoints import load_checkpoint, read_checkpoint
from tutorial_utils.models import NeuralNetwork
from tutorial_utils.storage import fashion_mnist, sketches
from tutorial_utils.training import output as output_folder
from tutorial_utils.training import processes as process_group

# 126 to train on, which one, two and three processes can share evenly; 11 to validate with, which they cannot, nor 25.
SIZES = {True: 137, False: 25}
EQUAL = ["--epochs=3", "--batch-size=24", "--lr=0.01", "--seed=5"]  # the last batch of an epoch is a short one
posix = pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals, and PyTorch no torchrun there")


def draw(train, report):
    print("drawing", flush=True)
    rng = np.random.default_rng(SIZES[train])
    return rng.integers(0, 256, (SIZES[train], 28, 28), np.uint8), rng.integers(0, 10, SIZES[train], np.uint8)


def train_with(fault, *arguments):
    """Train as the command does, on the tiny set, and suffer a fault in the middle of the second epoch."""
    loop, epochs = train.train_loop, itertools.count(1)

    def disturbed(batches, epoch):
        for step, batch in enumerate(batches):
            yield batch
            if (epoch, step) == (2, 2) and os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") == "0":
                fault()

    train.train_loop = lambda batches, *rest: loop(disturbed(batches, next(epochs)), *rest)
    sketches.draw, data.FashionMNIST.mirrors = draw, ()
    return train.main([str(argument) for argument in arguments] or None)


def interrupt():
    os.kill(os.getpid(), signal.SIGINT)


def terminate():
    os.kill(os.getpid(), signal.SIGTERM)


def terminate_the_second():
    if os.environ["RANK"] == "1":
        terminate()


def kill_the_second():
    if os.environ["RANK"] == "1":
        os.kill(os.getpid(), signal.SIGKILL)


def terminate_torchrun():
    if os.environ["RANK"] == "0":
        os.kill(os.getppid(), signal.SIGTERM)


@pytest.fixture(scope="module")
def tiny_set(tmp_path_factory):
    """A data folder with a few random images, where other processes find them."""
    folder = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sketches, "draw", draw)
        fashion_mnist.draw(folder)
    return folder


@pytest.fixture(autouse=True)
def settings(own_data_folder, tiny_set, monkeypatch, tmp_path):
    """Every test trains on the tiny set, draws no loss curves, which takes longer, and writes to an empty folder."""
    figure = Figure(figsize=(1, 1))
    monkeypatch.setattr(output_folder, "plot_history", lambda history: figure)
    for name, value in variables(tiny_set).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)


def variables(data_folder):
    names = {"TUTORIAL_DATA": str(data_folder), "TUTORIAL_SOURCE": "sketch", "TUTORIAL_DEVICE": "cpu"}
    return names | {"OMP_NUM_THREADS": "1"}


def run_alone(output, *options):
    """Return the exit status of the command without torchrun, in this process."""
    return train.main([f"--output={output}", *options])


@pytest.fixture
def run_together(fork):
    """Returns a function that returns what became of processes that call a function, and find each other to do so.

    They are told what torchrun tells its processes, but are forked, which is many times cheaper. What Gloo itself
    prints in PyTorch 2.9, with whom it is connected, is left out.
    """

    def run(processes, function, *arguments, **environment):
        store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
        address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(store.port)}
        count = {"WORLD_SIZE": str(processes), "LOCAL_WORLD_SIZE": str(processes)}
        torchelastic = {"TORCHELASTIC_RESTART_COUNT": "0", "TORCHELASTIC_USE_AGENT_STORE": "True"}
        environment |= address | count | torchelastic
        ranks = [{"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(processes)]
        begun = [fork(function, *arguments, **environment, **rank) for rank in ranks]
        ended = [process.finish() for process in begun]
        for done in ended:
            done.stdout = re.sub(r"(?m)^\[Gloo\] Rank \d+ is connected to .*\n", "", done.stdout)
        return ended

    return run


def torchrun(processes, *command, restarts=0):
    """Return what became of a command that torchrun starts on so many processes."""
    options = ["--standalone", "--local-addr=127.0.0.1", f"--nproc-per-node={processes}", f"--max-restarts={restarts}"]
    return run([sys.executable, "-m", "torch.distributed.run", *options, *command])


def run(command):
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=240)


def write_script(folder, fault):
    """Return a file with a script that trains as the command does, and suffers the fault."""
    path = folder / "script.py"
    lines = [
        "import sys",
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})",
        "import test_train",
        "sys.stdout.reconfigure(line_buffering=True)",
        f"sys.exit(test_train.train_with(test_train.{fault.__name__}))",
    ]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def metrics(output):
    """Return the table of `metrics.csv`, and the test metrics."""
    test = json.loads((output / "test.json").read_text(encoding="utf-8"))
    return pd.read_csv(output / "metrics.csv", index_col="epoch"), [test["test_loss"], test["test_accuracy"]]


def assert_close(output, expected):
    """Two runs have the same loss curves and the same test metrics, but for rounding."""
    (curves, test), (expected_curves, expected_test) = metrics(output), metrics(expected)
    pd.testing.assert_frame_equal(curves, expected_curves, rtol=1e-5)
    assert test == pytest.approx(expected_test, rel=1e-5)


def assert_same(output, expected):
    """Two runs have the same metrics, to the last digit, and the same weights, to the last bit."""
    for name in "metrics.csv", "test.json":
        assert (output / name).read_text() == (expected / name).read_text()
    ours, theirs = (read_checkpoint(folder / "checkpoint.pt") for folder in (output, expected))
    assert ours["epoch"] == theirs["epoch"]
    assert all(tensor.equal(theirs["model"][name]) for name, tensor in ours["model"].items())


@pytest.fixture(scope="module")
def expected(tiny_set, tmp_path_factory):
    """The output of one process alone, which is never stopped."""
    output = tmp_path_factory.mktemp("alone")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables(tiny_set).items():
            patch.setenv(name, value)
        assert run_alone(output, *EQUAL) == 0
    return output


# ------------------------------------------------------------------------------------------------------- one process


def test_without_training_it_measures_the_fresh_model_as_worked_out_by_hand(tmp_path):
    assert run_alone(tmp_path, "--epochs=0", "--seed=3") == 0

    torch.manual_seed(3)
    model = NeuralNetwork()
    test = data.FashionMNIST(train=False)
    logits = model(test.data.unsqueeze(1) / 255)
    loss = nn.functional.cross_entropy(logits, test.targets).item()
    accuracy = (logits.argmax(dim=1) == test.targets).float().mean().item()
    assert metrics(tmp_path)[1] == pytest.approx([loss, accuracy])


def test_alone_it_prints_a_line_for_every_epoch_and_learns(capsys, tmp_path):
    assert run_alone(tmp_path, "--epochs=8", "--optimizer=Adam", "--lr=1e-3") == 0
    first, *epochs, last = capsys.readouterr().out.splitlines()
    assert "126 sketch images, processes: 1" in first
    assert [line.partition("  ")[0] for line in epochs] == [f"epoch {number}/8" for number in range(1, 9)]
    losses = metrics(tmp_path)[0]["train_loss"].to_list()
    assert losses[-1] < losses[0] - 0.3  # the labels are random: it learns the images by heart
    assert last.startswith("test loss")


def test_the_files_in_the_output_folder_are_whole_and_agree(expected):
    assert {file.name for file in expected.iterdir()} == {
        *(".lock", "checkpoint.pt", "history.png", "metrics.csv", "model.pt", "options.json", "test.json")
    }
    model = NeuralNetwork()
    assert load_checkpoint(expected / "checkpoint.pt", model) == 3
    curves, test = metrics(expected)
    assert list(curves.index) == [1, 2, 3]
    assert list(curves) == ["train_loss", "val_loss", "val_accuracy"]
    assert (expected / "history.png").read_bytes().startswith(b"\x89PNG")
    images = data.FashionMNIST(train=False)
    loss = nn.functional.cross_entropy(model(images.data.unsqueeze(1) / 255), images.targets).item()
    assert test[0] == pytest.approx(loss)


def test_the_order_of_the_images_changes_from_epoch_to_epoch(monkeypatch, tmp_path):
    orders = []

    def seen(dataloader, *rest):
        orders.append([int(label) for _, labels in dataloader for label in labels])
        return 0.0

    monkeypatch.setattr(train, "train_loop", seen)
    run_alone(tmp_path, "--epochs=2")
    first, second = orders
    assert first != second
    assert sorted(first) == sorted(second)


@pytest.mark.parametrize("name", ["NeuralNetwork", "ConvNet"])
def test_every_model_can_be_chosen_and_gets_its_own_folder(capsys, name, tmp_path):
    assert train.main([f"--model={name}", "--epochs=1", "--subset=8"]) == 0
    assert capsys.readouterr().out.startswith(name)
    assert (tmp_path / "runs" / name / "metrics.csv").exists()


def test_the_data_folder_can_be_chosen(capsys, tiny_set, monkeypatch, tmp_path):
    monkeypatch.setenv("TUTORIAL_DATA", str(tmp_path / "empty"))
    assert run_alone(tmp_path / "run", f"--data={tiny_set}", "--epochs=0") == 0
    assert "126 sketch images" in capsys.readouterr().out
    assert not (tmp_path / "empty").exists()


# ------------------------------------------------------------------------------------------------- several processes


@posix
@pytest.mark.parametrize("processes", [1, 2, 3])
def test_several_processes_learn_and_measure_what_one_does_with_the_same_batches(
    processes, run_together, expected, tmp_path
):
    first, *others = run_together(processes, train.main, [*EQUAL, f"--output={tmp_path / 'run'}"])
    assert [done.returncode for done in (first, *others)] == [0] * processes, first.stderr
    assert_close(tmp_path / "run", expected)
    lines = first.stdout.splitlines()
    assert f"processes: {processes}," in lines[0]
    assert len(lines) == 5
    assert not any(done.stdout for done in others)


@posix
def test_a_signal_to_one_process_stops_all_after_the_same_step_and_one_prepares_the_data(run_together, tmp_path):
    new = {"TUTORIAL_DATA": str(tmp_path / "new"), "TUTORIAL_SOURCE": "auto"}
    options = [*EQUAL, "--output", tmp_path / "run"]
    first, second = run_together(2, train_with, terminate_the_second, *options, **new)
    assert (first.returncode, second.returncode) == (143, 143)
    assert "Stopped by SIGTERM in epoch 2" in first.stdout
    assert read_checkpoint(tmp_path / "run" / "checkpoint.pt")["epoch"] == 1
    assert "Connection" not in first.stderr + second.stderr  # none was left alone
    assert first.stdout.count("drawing") == 2  # training and test images
    assert first.stdout.count("could not be downloaded") == 1
    assert second.stdout == ""


# With torchrun, the slow test after this one ends as this one does.
@pytest.mark.parametrize(
    "processes", [pytest.param(0, marks=pytest.mark.slow), pytest.param(2, marks=[pytest.mark.long, posix])]
)
def test_the_command_trains_so_without_and_with_torchrun(processes, expected, tmp_path):
    command = ["-m", "tutorial_utils.train", *EQUAL, "--output", tmp_path / "run"]
    done = torchrun(processes, *command) if processes else run([sys.executable, *command])
    assert done.returncode == 0, done.stderr
    assert_close(tmp_path / "run", expected)
    assert len(done.stdout.splitlines()) == 5  # printed once, not by every process


@pytest.mark.slow
@posix
def test_a_run_goes_on_when_a_worker_is_killed_and_ends_as_if_nothing_had_happened(expected, tmp_path):
    script, output = write_script(tmp_path, kill_the_second), tmp_path / "run"
    done = torchrun(2, script, *EQUAL, "--output", output, restarts=1)
    assert done.returncode == 0, done.stderr
    assert "Going on after epoch 1" in done.stdout
    assert_close(output, expected)


@pytest.mark.slow
@posix
def test_sigterm_to_torchrun_leaves_a_checkpoint_from_which_one_process_can_go_on(tmp_path):
    script, output = write_script(tmp_path, terminate_torchrun), tmp_path / "run"
    done = torchrun(2, script, "--epochs=1000000", "--batch-size=24", "--output", output)
    assert done.returncode == 1
    epoch = int(re.search(r"Stopped by SIGTERM in epoch (\d+)", done.stdout)[1])

    assert read_checkpoint(output / "checkpoint.pt")["epoch"] == epoch - 1 >= 1
    assert run_alone(output, f"--epochs={epoch}", "--batch-size=24", "--resume") == 0
    assert list(metrics(output)[0].index) == list(range(1, epoch + 1))


def test_processes_that_see_different_checkpoints_all_end_with_a_sentence(monkeypatch):
    def gather(everyone, seen):
        everyone[:] = [seen, 3]

    monkeypatch.setattr(process_group.dist, "is_initialized", lambda: True)
    monkeypatch.setattr(process_group.dist, "get_world_size", lambda: 2)
    monkeypatch.setattr(process_group.dist, "all_gather_object", gather)
    process_group.require_same(3)
    with pytest.raises(ValueError, match=r"\[2, 3\].*--output that they share"):
        process_group.require_same(2)


# ------------------------------------------------------------------------------------------------- stopping, going on


@posix
@pytest.mark.parametrize(("fault", "name", "status"), [(terminate, "SIGTERM", 143), (interrupt, "SIGINT", 130)])
def test_a_run_stopped_in_mid_epoch_resumes_to_exactly_the_run_that_was_never_stopped(
    fault, name, status, fork, tmp_path, capsys
):
    adam = ["--epochs=4", "--batch-size=16", "--optimizer=Adam", "--lr=1e-3"]
    done = fork(train_with, fault, *adam, "--output", tmp_path / "stopped").finish()
    assert done.returncode == status, done.stderr
    assert done.stderr == ""
    last = done.stdout.splitlines()[-1]
    assert last.startswith(f"Stopped by {name} in epoch 2, which is given up")
    assert "holds the 1 before it" in last
    assert read_checkpoint(tmp_path / "stopped" / "checkpoint.pt")["epoch"] == 1
    assert not (tmp_path / "stopped" / "test.json").exists()

    assert run_alone(tmp_path / "stopped", *adam, "--resume") == 0
    assert "Going on after epoch 1" in capsys.readouterr().out
    assert run_alone(tmp_path / "unstopped", *adam) == 0
    assert_same(tmp_path / "stopped", tmp_path / "unstopped")


@pytest.mark.skipif(os.name == "nt", reason="os.kill ends the process there")
def test_a_signal_that_comes_while_a_checkpoint_is_written_waits_until_it_is(monkeypatch, tmp_path):
    def save(path, model, optimizer, epoch):
        if epoch == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        train_save(path, model, optimizer, epoch)

    train_save = output_folder.save_checkpoint
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(output_folder, "save_checkpoint", save)
    assert run_alone(tmp_path, "--epochs=3") == 143
    assert signal.getsignal(signal.SIGTERM) == before
    assert read_checkpoint(tmp_path / "checkpoint.pt")["epoch"] == 1


def test_a_run_stopped_before_its_first_epoch_is_over_has_a_checkpoint_to_go_on_from(monkeypatch, tmp_path, expected):
    def stop(*rest):
        raise train.Stopped(signal.SIGTERM, 1)

    with monkeypatch.context() as patch:
        patch.setattr(train, "train_loop", stop)
        assert run_alone(tmp_path, *EQUAL) == 143
    assert read_checkpoint(tmp_path / "checkpoint.pt")["epoch"] == 0
    assert run_alone(tmp_path, *EQUAL, "--resume") == 0
    assert_same(tmp_path, expected)


def test_an_epoch_whose_checkpoint_could_not_be_saved_is_trained_again(monkeypatch, tmp_path, expected, capsys):
    def save(path, model, optimizer, epoch):
        if epoch == 2:
            raise OSError(28, "No space left on device")
        train_save(path, model, optimizer, epoch)

    train_save = output_folder.save_checkpoint
    with monkeypatch.context() as patch:
        patch.setattr(output_folder, "save_checkpoint", save)
        assert run_alone(tmp_path, *EQUAL) == 1
    assert capsys.readouterr().err == "OSError: [Errno 28] No space left on device\n"
    assert len(pd.read_csv(tmp_path / "metrics.csv")) == 2
    assert run_alone(tmp_path, *EQUAL, "--resume") == 0
    assert_same(tmp_path, expected)


def test_a_finished_run_only_measures_again_and_more_epochs_go_on(tmp_path, expected, capsys):
    options = [*EQUAL, "--resume"]
    assert run_alone(tmp_path, *options, "--epochs=2") == 0
    assert "starting from the beginning" in capsys.readouterr().out
    assert run_alone(tmp_path, *options, "--epochs=2") == 0
    assert "epoch 2/2" not in capsys.readouterr().out
    assert run_alone(tmp_path, *options, "--epochs=3") == 0
    assert_same(tmp_path, expected)


# ---------------------------------------------------------------------------------------------- what could go wrong


def test_a_folder_with_a_checkpoint_is_not_written_over(capsys, tmp_path, monkeypatch):
    assert run_alone(tmp_path, "--epochs=0") == 0
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    assert run_alone(tmp_path, "--epochs=1") == 1
    message = capsys.readouterr().err
    assert re.fullmatch(r"FileExistsError: .*checkpoint.pt is there already: add --resume to go on, or .*\n", message)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_what_torchrun_starts_again_goes_on_by_itself(tmp_path, monkeypatch):
    assert run_alone(tmp_path, "--epochs=1") == 0
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    assert run_alone(tmp_path, "--epochs=1") == 0


@pytest.mark.parametrize(
    "other", ["--lr=0.2", "--model=ConvNet", "--batch-size=32", "--optimizer=Adam", "--seed=1", "--subset=9"]
)
def test_a_run_is_not_resumed_with_other_options(other, capsys, tmp_path):
    assert run_alone(tmp_path, "--epochs=0") == 0
    assert run_alone(tmp_path, "--resume", other) == 1
    name, value = other.removeprefix("--").replace("-", "_").split("=")
    assert re.search(rf"was begun with {name} .*, not {value}\. Repeat the options", capsys.readouterr().err)


@pytest.mark.parametrize("content", ["epoch,train_loss,val_loss,val_accuracy\n", "epoch,loss\n1,2\n", ""])
def test_metrics_that_do_not_fit_the_checkpoint_are_told(content, capsys, tmp_path):
    assert run_alone(tmp_path, "--epochs=1", "--subset=8") == 0
    (tmp_path / "metrics.csv").write_text(content, encoding="utf-8")
    assert run_alone(tmp_path, "--epochs=2", "--subset=8", "--resume") == 1
    assert "Error: " in capsys.readouterr().err


def test_a_loss_that_is_not_finite_ends_the_run_with_a_sentence(capsys, tmp_path):
    assert run_alone(tmp_path, "--lr=1e30") == 1
    assert re.match(r"FloatingPointError: The loss became \w+ in batch \d.*learning rate", capsys.readouterr().err)
    assert read_checkpoint(tmp_path / "checkpoint.pt")["epoch"] == 0


def test_what_nobody_expects_keeps_its_traceback(monkeypatch, tmp_path):
    monkeypatch.setattr(train, "train_loop", lambda *rest: {}["nothing"])
    with pytest.raises(KeyError, match="nothing"):
        run_alone(tmp_path)


def test_ctrl_c_before_training_begins_is_no_traceback(monkeypatch, tmp_path, capsys):
    def interrupt(options):
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "load", interrupt)
    assert run_alone(tmp_path) == 130
    assert capsys.readouterr().out == "Stopped before training began.\n"


@pytest.mark.parametrize(
    "option",
    ["--epochs=-1", "--batch-size=0", "--lr=0", "--lr=nan", "--lr=inf", "--subset=0", "--seed=x", "--seed=4294967296"],
)
def test_a_number_that_makes_no_sense_is_a_usage_error(option, capsys, tmp_path):
    with pytest.raises(SystemExit, match="2"):
        run_alone(tmp_path, option)
    assert f"argument {option.split('=')[0]}: " in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("size", "processes", "nearest"), [(9, 2, 8), (2, 8, 8), (64, 3, 63)])
def test_a_batch_that_cannot_be_shared_out_evenly_is_a_usage_error(size, processes, nearest, capsys, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", str(processes))
    with pytest.raises(SystemExit, match="2"):
        train.parse([f"--batch-size={size}"])
    message = capsys.readouterr().err
    assert f"--batch-size {size} cannot be shared by {processes} processes; {nearest} can" in message
