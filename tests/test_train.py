import os
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from tutorial_utils import data, sketches, train

SIZES = {True: 132, False: 21}  # 121 to train on and 11 to validate with; two processes cannot share 21 or 11 evenly


@pytest.fixture(autouse=True)
def tiny_set(own_data_folder, monkeypatch):
    """A few random images, drawn into the data folder of the test, where other processes find them."""

    def draw(train, report):
        rng = np.random.default_rng(SIZES[train])
        return rng.integers(0, 256, (SIZES[train], 28, 28), np.uint8), rng.integers(0, 10, SIZES[train], np.uint8)

    monkeypatch.setattr(sketches, "draw", draw)
    monkeypatch.setenv("TUTORIAL_SOURCE", "sketch")
    monkeypatch.setenv("TUTORIAL_DEVICE", "cpu")
    data.draw(own_data_folder)


def run_alone(capsys, *options):
    train.main(options)
    return capsys.readouterr().out


def run_on_two(*options):
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--local-addr=127.0.0.1"]
    result = subprocess.run(
        [*torchrun, "--nproc-per-node=2", "-m", "tutorial_utils.train", *options],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def numbers(line):
    """Return the numbers in a line, such as the loss and the accuracy (in per cent) in the last one."""
    return [float(number) for number in re.findall(r"\d+\.\d+", line)]


def test_without_training_it_prints_the_metrics_of_the_fresh_model_worked_by_hand(capsys):
    *_, last = run_alone(capsys, "--epochs=0", "--seed=3").splitlines()

    torch.manual_seed(3)
    model = train.NeuralNetwork()
    test = data.FashionMNIST(train=False)
    logits = model(test.data.unsqueeze(1) / 255)
    loss = nn.functional.cross_entropy(logits, test.targets).item()
    accuracy = (logits.argmax(dim=1) == test.targets).float().mean().item()
    assert last.startswith("test loss")
    assert numbers(last) == pytest.approx([loss, accuracy * 100], abs=0.006)


def test_alone_it_prints_a_line_for_every_epoch_and_learns(capsys):
    first, *epochs, last = run_alone(capsys, "--epochs=8", "--optimizer=Adam", "--lr=1e-3").splitlines()
    assert "121 images, processes: 1" in first
    assert [line.partition(":")[0] for line in epochs] == [f"epoch {number}" for number in range(1, 9)]
    losses = [numbers(line)[0] for line in epochs]
    assert losses[-1] < losses[0] - 0.3  # the labels are random: it learns the images by heart
    assert last.startswith("test loss")


def test_two_processes_learn_and_measure_what_one_does_with_the_same_batches(capsys):
    options = "--epochs=2", "--batch-size=20", "--subset=90"  # the last of five batches is a short one
    alone, on_two = run_alone(capsys, *options).splitlines(), run_on_two(*options).splitlines()
    assert len(on_two) == len(alone) == 4  # printed once, not by every process
    assert "processes: 2" in on_two[0]
    for ours, expected in zip(on_two[1:], alone[1:], strict=True):
        assert numbers(ours) == pytest.approx(numbers(expected), abs=0.0002)


def test_the_order_of_the_images_changes_from_epoch_to_epoch(capsys, monkeypatch):
    orders = []

    def seen(dataloader, *rest):
        orders.append([int(label) for _, labels in dataloader for label in labels])
        return 0.0

    monkeypatch.setattr(train, "train_loop", seen)
    run_alone(capsys, "--epochs=2")
    first, second = orders
    assert first != second
    assert sorted(first) == sorted(second)


@pytest.mark.parametrize("name", ["NeuralNetwork", "ConvNet"])
def test_every_model_can_be_chosen(capsys, name):
    assert run_alone(capsys, f"--model={name}", "--epochs=1", "--subset=8").startswith(name)


def test_the_data_folder_can_be_chosen(capsys, own_data_folder, monkeypatch, tmp_path):
    monkeypatch.setenv("TUTORIAL_DATA", str(tmp_path / "empty"))
    assert "121 images" in run_alone(capsys, f"--data={own_data_folder}", "--epochs=0")
    assert not (tmp_path / "empty").exists()


def test_a_batch_that_cannot_be_shared_out_evenly_is_told():
    with pytest.raises(ValueError, match="--batch-size 9 cannot be shared out among 2 processes"):
        train.share(9, 2)
