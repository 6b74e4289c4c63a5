import contextlib
import copy
import inspect
import io
import math
import os
import signal
import sys

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from tutorial_utils import loops
from tutorial_utils.loops import Metrics, fit, predict, report_epoch, test_loop, train_loop
from tutorial_utils.models import NeuralNetwork

loss_fn = nn.CrossEntropyLoss()


def examples(n, classes=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(n, 4, generator=generator)
    return TensorDataset(images, torch.arange(n) % classes)


def linear_model():
    torch.manual_seed(0)
    return nn.Linear(4, 3)


class Constant(nn.Module):
    """Gives the same logits for every image, so that every number of the loops can be worked by hand."""

    def __init__(self, *logits):
        super().__init__()
        self.logits = nn.Parameter(torch.tensor(logits))

    def forward(self, images):
        return self.logits.expand(len(images), -1)


# ---------------------------------------------------------------------------------------------------- train_loop


def test_training_equals_the_usual_loop_bit_for_bit():
    dataset = examples(23)
    ours, usual = linear_model(), linear_model()
    optimizer = torch.optim.SGD(ours.parameters(), lr=0.1, momentum=0.9)
    train_loop(DataLoader(dataset, batch_size=5), ours, loss_fn, optimizer)

    optimizer = torch.optim.SGD(usual.parameters(), lr=0.1, momentum=0.9)
    for images, labels in DataLoader(dataset, batch_size=5):
        optimizer.zero_grad()
        nn.functional.cross_entropy(usual(images), labels).backward()
        optimizer.step()

    torch.testing.assert_close(ours.state_dict(), usual.state_dict(), rtol=0, atol=0)


def test_the_training_loss_weighs_every_example_once():
    dataset = TensorDataset(torch.zeros(5, 1), torch.tensor([0, 0, 0, 0, 1]))
    model = Constant(math.log(3.0), 0.0)  # probabilities 3/4 and 1/4, and a learning rate of 0 keeps them
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)

    loss = train_loop(DataLoader(dataset, batch_size=4), model, loss_fn, optimizer)

    assert isinstance(loss, float)
    assert loss == pytest.approx((4 * math.log(4 / 3) + math.log(4)) / 5)  # a mean of batch means would give 0.837


def test_training_leaves_training_mode_even_after_a_test():
    model = nn.Sequential(nn.Dropout(0.5), nn.Linear(4, 3))
    dataloader = DataLoader(examples(6), batch_size=3)
    test_loop(dataloader, model, loss_fn)
    train_loop(dataloader, model, loss_fn, torch.optim.SGD(model.parameters(), lr=0.1))
    assert model.training


def test_old_gradients_do_not_leak_into_the_first_step():
    dataloader = DataLoader(examples(6), batch_size=3)
    clean, dirty = linear_model(), linear_model()
    dirty.weight.grad = torch.full_like(dirty.weight, 100.0)
    for model in clean, dirty:
        train_loop(dataloader, model, loss_fn, torch.optim.SGD(model.parameters(), lr=0.1))
    torch.testing.assert_close(clean.state_dict(), dirty.state_dict(), rtol=0, atol=0)


# ----------------------------------------------------------------------------------------------------- test_loop


def test_loss_and_accuracy_are_per_example():
    dataset = TensorDataset(torch.zeros(5, 1), torch.tensor([0, 0, 0, 0, 1]))
    metrics = test_loop(DataLoader(dataset, batch_size=4), Constant(math.log(3.0), 0.0), loss_fn)

    assert metrics == Metrics(loss=pytest.approx((4 * math.log(4 / 3) + math.log(4)) / 5), accuracy=pytest.approx(0.8))
    assert all(type(value) is float for value in metrics)


def test_testing_changes_no_weight_and_no_gradient_and_leaves_evaluation_mode():
    model = linear_model()
    before = copy.deepcopy(model.state_dict())
    test_loop(DataLoader(examples(6), batch_size=3), model, loss_fn)

    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)
    assert model.weight.grad is None
    assert not model.training


def test_testing_twice_gives_the_same_in_spite_of_dropout():
    model = nn.Sequential(nn.Dropout(0.5), linear_model())
    dataloader = DataLoader(examples(30), batch_size=7)
    assert test_loop(dataloader, model, loss_fn) == test_loop(dataloader, model, loss_fn)


# ------------------------------------------------------------------------------------------------------- predict


def test_predictions_are_the_logits_in_the_order_of_the_examples():
    dataset, model = examples(7), nn.Sequential(nn.Dropout(0.5), linear_model())
    logits, labels = predict(DataLoader(dataset, batch_size=3), model)

    torch.testing.assert_close(logits, model.eval()(dataset.tensors[0]))
    assert torch.equal(labels, dataset.tensors[1])
    assert not logits.requires_grad


# -------------------------------------------------------------------------------------- one device for all of it


@pytest.mark.parametrize("device", ["meta"])
def test_batches_follow_the_device_of_the_model(device):
    """On the meta device nothing is computed, so the loops fail only where they need the first number."""
    model = linear_model().to(device)
    seen = []

    def seen_loss(logits, labels):
        seen.append((logits.device.type, labels.device.type))
        return loss_fn(logits, labels)

    for loop in train_loop, test_loop:
        optimizer = [torch.optim.SGD(model.parameters(), lr=0.1)] if loop is train_loop else []
        with pytest.raises((RuntimeError, NotImplementedError)):
            loop(DataLoader(examples(6), batch_size=3), model, seen_loss, *optimizer)
    assert set(seen) == {(device, device)}


def test_predictions_follow_the_device_of_the_model_and_come_back():
    class Recorder(nn.Linear):
        def forward(self, images):
            self.seen = images.device.type
            return torch.zeros(len(images), 3)

    model = Recorder(4, 3, device="meta")
    logits, labels = predict(DataLoader(examples(6), batch_size=3), model)
    assert model.seen == "meta"
    assert logits.device.type == labels.device.type == "cpu"


# ------------------------------------------------------------------------------------------- mistakes in one sentence


def run_both(dataloader, model, loss=loss_fn):
    """Yield calls of both loops, for what goes wrong in either."""
    yield lambda: train_loop(dataloader, model, loss, torch.optim.SGD(model.parameters(), lr=0.1))
    yield lambda: test_loop(dataloader, model, loss)


@pytest.mark.parametrize("batch_size", [2, 3])  # two images unpack into "images" and "labels" without a word
def test_a_batch_without_labels_is_told(batch_size):
    dataloader = DataLoader(torch.rand(6, 4), batch_size=batch_size)
    for run in run_both(dataloader, linear_model()):
        with pytest.raises(ValueError, match=r"a pair, images and labels; this one is a single tensor"):
            run()


def test_a_batch_of_three_things_is_told():
    dataloader = DataLoader(TensorDataset(*torch.rand(3, 6, 4)), batch_size=3)
    for run in run_both(dataloader, linear_model()):
        with pytest.raises(ValueError, match=r"this one is 3 things"):
            run()


def test_images_without_a_label_each_are_told():
    for run in run_both([(torch.rand(4, 4), torch.zeros(3, dtype=torch.long))], linear_model()):
        with pytest.raises(ValueError, match=r"4 images but 3 labels"):
            run()


@pytest.mark.parametrize("dataloader", [[], DataLoader(examples(3), batch_size=4, drop_last=True)])
def test_an_empty_dataloader_is_told(dataloader):
    for run in run_both(dataloader, linear_model()):
        with pytest.raises(ValueError, match=r"has no batch: its dataset is empty, or drop_last=True"):
            run()


@pytest.mark.parametrize(("labels", "span"), [([0, 1, 3], "from 0 to 3"), ([-1, 0, 1], "from -1 to 1")])
def test_labels_out_of_range_are_told_before_any_step(labels, span):
    model = linear_model()
    before = copy.deepcopy(model.state_dict())
    for run in run_both([(torch.rand(3, 4), torch.tensor(labels))], model):
        with pytest.raises(ValueError, match=rf"returns 3 numbers per image.*{span}"):
            run()
    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)


@pytest.mark.parametrize("shape", [(3,), (3, 4, 2), (2, 4)])
def test_logits_of_the_wrong_shape_are_told(shape):
    model = linear_model()
    model.forward = lambda images: torch.zeros(shape, requires_grad=True)
    for run in run_both([(torch.rand(3, 4), torch.zeros(3, dtype=torch.long))], model):
        with pytest.raises(ValueError, match=rf"logits of shape \(3, K\).*it returned \({shape[0]},"):
            run()


def test_labels_that_the_loss_ignores_are_no_mistake():
    dataloader = [(torch.rand(3, 4), torch.tensor([0, -100, 2])), (torch.rand(1, 4), torch.tensor([1]))]
    metrics = test_loop(dataloader, linear_model(), loss_fn)
    assert math.isfinite(metrics.loss)


def test_targets_of_a_regression_are_no_mistake():
    dataloader = [(torch.rand(3, 4), torch.rand(3, 3) * 50)]
    model = linear_model()
    train_loop(dataloader, model, nn.MSELoss(), torch.optim.SGD(model.parameters(), lr=0.001))


@pytest.mark.parametrize(("bad", "name"), [(math.nan, "nan"), (math.inf, "(nan|inf)")])
def test_a_loss_that_is_not_finite_stops_with_the_number_of_the_batch(bad, name):
    dataloader = DataLoader(TensorDataset(torch.rand(9, 4), torch.tensor([0, 0, 0, 0, 1, 0, 0, 0, 0])), batch_size=3)
    seen = []

    def counted_loss(logits, labels):
        seen.append(len(labels))
        return loss_fn(logits, labels) * (bad if labels.any() else 1)

    for run in run_both(dataloader, linear_model(), counted_loss):
        with pytest.raises(FloatingPointError, match=rf"became {name} in batch 2\. Usual causes: a learning rate"):
            run()
    assert len(seen) == 4  # two batches each: it stops at once


def test_a_learning_rate_that_is_far_too_high_ends_in_that_sentence():
    torch.manual_seed(0)
    model = NeuralNetwork()
    dataloader = [(torch.rand(8, 1, 28, 28), torch.arange(8))] * 50
    with pytest.raises(FloatingPointError, match="learning rate"):
        train_loop(dataloader, model, loss_fn, torch.optim.SGD(model.parameters(), lr=1e6))


def test_the_explained_loops_show_their_own_signature_and_source():
    assert list(inspect.signature(train_loop).parameters) == ["dataloader", "model", "loss_fn", "optimizer"]
    assert list(inspect.signature(test_loop).parameters) == ["dataloader", "model", "loss_fn"]
    assert "optimizer.step()" in inspect.getsource(train_loop)


# ----------------------------------------------------------------------------------------------------------- fit


def run_fit(model, epochs=3, **kwargs):
    optimizer = kwargs.pop("optimizer", None) or torch.optim.SGD(model.parameters(), lr=0.1)
    train, val = DataLoader(examples(12), batch_size=5), DataLoader(examples(7, seed=1), batch_size=5)
    return fit(model, train, val, loss_fn, optimizer, epochs=epochs, **kwargs)


def test_the_history_is_what_the_loops_return_epoch_by_epoch():
    model, by_hand = linear_model(), linear_model()
    history = run_fit(model)

    optimizer = torch.optim.SGD(by_hand.parameters(), lr=0.1)
    train, val = DataLoader(examples(12), batch_size=5), DataLoader(examples(7, seed=1), batch_size=5)
    rows = [(train_loop(train, by_hand, loss_fn, optimizer), *test_loop(val, by_hand, loss_fn)) for _ in range(3)]

    assert list(history) == ["train_loss", "val_loss", "val_accuracy"]
    assert list(zip(*history.values(), strict=True)) == rows
    torch.testing.assert_close(model.state_dict(), by_hand.state_dict(), rtol=0, atol=0)


def test_a_line_is_printed_for_every_epoch(capsys):
    history = run_fit(linear_model(), epochs=2)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines[1].startswith("epoch 2/2")
    assert f"train loss {history['train_loss'][1]:.4f}" in lines[1]
    assert f"val accuracy {history['val_accuracy'][1]:.1%}" in lines[1]


def test_the_line_of_an_epoch_shows_the_newest_values_in_order(capsys):
    report_epoch("epoch 2/3", {"train_loss": [9.0, 0.7], "val_accuracy": [0.1, 0.8125]})
    assert capsys.readouterr().out == "epoch 2/3  train loss 0.7000  val accuracy 81.2%\n"


@pytest.mark.parametrize("progress", [True, False])
def test_a_bar_is_shown_for_every_epoch_if_it_is_wanted(monkeypatch, progress):
    shown = []

    def record(iterable, **settings):
        shown.append(settings)
        return contextlib.nullcontext(iterable)

    monkeypatch.setattr(loops, "progress_bar", record)
    run_fit(linear_model(), epochs=2, progress=progress)
    assert shown == [{"title": f"epoch {epoch}/2", "show": progress} for epoch in (1, 2)]


def test_without_progress_it_is_silent(capsys):
    run_fit(linear_model(), progress=False)
    assert capsys.readouterr() == ("", "")


def test_zero_epochs_train_nothing():
    model = linear_model()
    before = copy.deepcopy(model.state_dict())
    assert run_fit(model, epochs=0) == {"train_loss": [], "val_loss": [], "val_accuracy": []}
    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)


def test_the_scheduler_steps_once_per_epoch():
    model = linear_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)
    run_fit(model, epochs=3, optimizer=optimizer, scheduler=scheduler)
    assert optimizer.param_groups[0]["lr"] == 0.125


def test_a_scheduler_that_waits_for_a_plateau_sees_the_validation_loss():
    model = linear_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, threshold=0.0)
    history = run_fit(model, optimizer=optimizer, scheduler=scheduler)
    assert scheduler.best == min(history["val_loss"])


@pytest.mark.parametrize("epoch", [1, 3])
def test_an_interrupt_keeps_what_was_learned_and_returns_the_history_so_far(epoch, capsys):
    model, calls = linear_model(), []
    start = copy.deepcopy(model.state_dict())

    def interrupted_loss(logits, labels):
        calls.append(None)
        if len(calls) == 5 * (epoch - 1) + 2:  # three training and two validation batches make an epoch
            os.kill(os.getpid(), signal.SIGINT)
        return loss_fn(logits, labels)

    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    train, val = DataLoader(examples(12), batch_size=5), DataLoader(examples(7), batch_size=5)
    history = fit(model, train, val, interrupted_loss, optimizer, epochs=9)

    assert [len(values) for values in history.values()] == [epoch - 1] * 3
    assert not torch.equal(model.weight, start["weight"])
    assert f"Interrupted in epoch {epoch}: the model keeps what it has learned" in capsys.readouterr().out


def test_the_bar_is_gone_before_the_line_about_an_interrupt(monkeypatch):
    screen = io.StringIO()
    screen.isatty = lambda: True
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setattr(sys, "stderr", screen)

    def interrupted_loss(logits, labels):
        raise KeyboardInterrupt

    model = linear_model()
    dataloader = DataLoader(examples(12), batch_size=5)
    fit(model, dataloader, dataloader, interrupted_loss, torch.optim.SGD(model.parameters(), lr=0.1), epochs=1)
    assert "epoch 1/1:   0%" in screen.getvalue()
    assert "\rInterrupted in epoch 1" in screen.getvalue()
