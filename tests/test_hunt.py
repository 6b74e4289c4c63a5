"""Each planted fault raises nothing, shows in a number by a margin, and goes away with its own repair alone."""

import math
import os

import numpy as np
import pytest
import torch

from tutorial_utils.data import FashionMNIST
from tutorial_utils.exercises import ex06_optimization
from tutorial_utils.hunt import RUNS, SUSPECTS, Run, planted_runs, repair
from tutorial_utils.storage import sketches

LEARNERS_DATA = os.environ.get("TUTORIAL_DATA")  # before a test has a folder of its own
SEEDS = 0, 1


def draw(seed, count):
    """Return images and labels as the course draws them, `count` of each class, and mixed."""
    seeds = np.random.SeedSequence(seed).spawn(10)
    images = [sketches.draw_chunk(label, seeds[label])[:count] for label in range(10)]
    order = torch.randperm(10 * count, generator=torch.Generator().manual_seed(seed))
    images = torch.from_numpy(np.concatenate(images)).float()
    return images[order], torch.arange(10).repeat_interleave(count)[order]


def read_real_images(monkeypatch):
    monkeypatch.setenv("TUTORIAL_SOURCE", "real")
    monkeypatch.delenv("TUTORIAL_DATA")
    if LEARNERS_DATA:
        monkeypatch.setenv("TUTORIAL_DATA", LEARNERS_DATA)
    try:
        data = FashionMNIST(train=True, download=False)
    except RuntimeError:
        pytest.skip("the real images are not on this machine, and a test never loads them")
    return [(data.data[rows].float(), data.targets[rows]) for rows in (slice(2500), slice(-1000, None))]


@pytest.fixture(params=["drawn images", "real images"])
def parts(request, monkeypatch):
    """Images to learn from, and others to measure with."""
    return read_real_images(monkeypatch) if request.param == "real images" else (draw(1, 250), draw(2, 100))


def losses_on_one_batch(run, steps=60):
    batch = next(iter(run.batches()))
    return [run.step(*batch) for _ in range(steps)]


def last_losses(run):
    losses = losses_on_one_batch(run)[-20:]
    return math.inf if any(math.isnan(loss) for loss in losses) else max(losses)


def smallest_gradient(run):
    losses_on_one_batch(run, steps=1)
    return min(0.0 if layer.weight.grad is None else float(layer.weight.grad.norm()) for layer in run.model[1::3])


def agreement(run):
    images, _ = run.val
    return float((run.predict(images) == run.predict(images)).float().mean())


def learned(run, epochs=4):
    """Return the accuracy on both parts: without a fault, 0.5 to 0.8 after four epochs, and above 0.65 after twelve."""
    for _ in range(epochs):
        for batch in run.batches():
            run.step(*batch)
    return [float((run.predict(images) == labels).float().mean()) for images, labels in (run.train, run.val)]


SIGNS = {  # how a number is measured, what it is without a fault, and with it
    "NoZeroGrad": (last_losses, lambda loss: loss < 0.7, lambda loss: loss > 1.2),
    "SoftmaxTwice": (last_losses, lambda loss: loss < 0.7, lambda loss: 1.461 < loss < 2.3),
    "WrongDim": (lambda run: losses_on_one_batch(run)[0], lambda loss: loss < 2.8, lambda loss: 3.8 < loss < 5),
    "Summed": (lambda run: losses_on_one_batch(run)[0], lambda loss: loss < 2.8, lambda loss: loss > 120),
    "NoEval": (agreement, lambda share: share == 1, lambda share: share < 0.95),
    "LabelsShifted": (
        lambda run: learned(run, epochs=12),
        lambda seen: min(seen) > 0.6,
        lambda seen: seen[0] > 0.6 and seen[1] < 0.05,
    ),
    "ValStatistics": (lambda run: abs(run.train[0].mean()), lambda mean: mean < 2e-5, lambda mean: mean > 2e-4),
    "Frozen": (smallest_gradient, lambda norm: norm > 0.1, lambda norm: norm == 0),
    "NotShuffled": (learned, lambda seen: min(seen) > 0.45, lambda seen: max(seen) < 0.4),
    "RateTooHigh": (lambda run: losses_on_one_batch(run)[1], lambda loss: loss < 3, lambda loss: not loss < 10),
}
each_run = pytest.mark.parametrize("kind", RUNS.values(), ids=lambda kind: kind.__name__)


@pytest.mark.parametrize("seed", SEEDS)
@each_run
def test_a_fault_raises_nothing_and_shifts_its_number(kind, seed, parts):
    measure, well, ill = SIGNS[kind.__name__]
    healthy, found = measure(Run(*parts, seed)), measure(kind(*parts, seed))
    assert well(healthy), healthy
    assert ill(found), found
    assert not ill(healthy)


@each_run
def test_a_run_with_a_fault_goes_on_to_the_end(kind):
    learned(kind(*(draw(1, 50), draw(2, 20))))


@each_run
def test_the_part_that_is_put_back_repairs_a_run_and_no_other_part_does(kind):
    parts = draw(1, 250), draw(2, 100)
    measure, _, ill = SIGNS[kind.__name__]
    (own,) = [name for name in vars(kind) if name in ("lr", "__init__") or not name.startswith("__")]
    others = {name for name in vars(Run) if name == "lr" or callable(vars(Run)[name])} - {own}
    assert measure(repair(kind, own)(*parts)) == measure(Run(*parts))
    assert len(others) == 6
    for other in others:
        assert ill(measure(repair(kind, other)(*parts))), other


def test_every_suspect_is_behind_one_letter_and_the_exercise_knows_it():
    assert set(SUSPECTS.values()) == set(RUNS.values()) == set(Run.__subclasses__())
    assert list(SUSPECTS) == list(range(1, 11))
    assert planted_runs() == RUNS
    assert {run: SUSPECTS[number] for run, number in ex06_optimization.NUMBERS.items()} == RUNS


def test_a_run_without_a_fault_is_the_loop_of_pytorch():
    parts = draw(3, 20), draw(4, 20)
    run = Run(*parts)
    images, labels = next(iter(run.batches()))
    weights = [p.detach().clone() for p in run.model.parameters()]
    torch.manual_seed(7)
    loss = torch.nn.CrossEntropyLoss()(run.model(images), labels)
    grads = torch.autograd.grad(loss, list(run.model.parameters()))
    torch.manual_seed(7)
    assert run.step(images, labels) == loss.item()
    for p, weight, grad in zip(run.model.parameters(), weights, grads, strict=True):
        torch.testing.assert_close(p.detach(), weight - 0.1 * grad)
    assert sorted(torch.cat([labels for _, labels in run.batches()]).tolist()) == sorted(parts[0][1].tolist())
