"""The loops on tasks that the lessons do not have: numbers worked out another way, or a sentence at once."""

import copy
import math
import re
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from tutorial_utils.checks import check_schedule
from tutorial_utils.loops import fit, predict, report_epoch, test_loop, train_loop


def sgd(model, lr=0.1):
    return torch.optim.SGD(model.parameters(), lr=lr)


def batches(*tensors, size=5):
    return DataLoader(TensorDataset(*tensors), batch_size=size)


class Given(nn.Module):
    """A model that returns its inputs: the test says what the logits are."""

    def __init__(self):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(()))

    def forward(self, logits):
        return logits + self.bias


def refused(dataloader, model, loss_fn, optimizer=None):
    """Return the sentence with which both loops refuse, the same in both; the weights stay as they were."""
    before = copy.deepcopy(model.state_dict())
    sentences = []
    for run in (
        lambda: train_loop(dataloader, model, loss_fn, optimizer or sgd(model)),
        lambda: test_loop(dataloader, model, loss_fn),
    ):
        with pytest.raises(ValueError, match=r"\w") as caught:
            run()
        sentences.append(str(caught.value))
    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)
    assert sentences[0] == sentences[1]
    return sentences[0]


# ------------------------------------------------------------------------------------------------------- yes or no


@pytest.mark.parametrize("loss_fn", [nn.BCEWithLogitsLoss(), F.binary_cross_entropy_with_logits])
def test_the_accuracy_of_one_logit_is_the_share_on_the_right_side_of_0(loss_fn):
    logits = torch.tensor([[-2.0], [0.3], [-0.1], [4.0], [0.2], [1.0]])
    labels = torch.tensor([[0.0], [1.0], [1.0], [1.0], [0.0], [1.0]])
    metrics = test_loop(batches(logits, labels, size=4), Given(), loss_fn)
    assert metrics.accuracy == pytest.approx(4 / 6)
    assert metrics.loss == pytest.approx(F.binary_cross_entropy_with_logits(logits, labels).item())


def test_the_accuracy_of_a_probability_is_the_share_on_the_right_side_of_one_half():
    probabilities, labels = torch.tensor([0.4, 0.6, 0.9]), torch.tensor([1.0, 1.0, 0.0])
    assert test_loop([(probabilities, labels)], Given(), nn.BCELoss()).accuracy == pytest.approx(1 / 3)


def test_of_several_labels_for_each_image_every_one_counts():
    logits = torch.tensor([[1.0, -1.0, 1.0], [-1.0, -1.0, 1.0]])
    labels = torch.tensor([[1.0, 1.0, 1.0], [0.0, 0.0, 0.0]])
    assert test_loop([(logits, labels)], Given(), nn.BCEWithLogitsLoss()).accuracy == pytest.approx(4 / 6)


def test_labels_of_another_shape_or_dtype_than_the_one_logit_are_told_with_the_cure():
    logits = torch.zeros(6, 1)
    sentence = refused(batches(logits, torch.ones(6)), Given(), nn.BCEWithLogitsLoss())
    assert re.search(r"returned \(5, 1\).*labels have the shape \(5,\).*`labels.unsqueeze\(1\)`", sentence)
    sentence = refused(batches(logits, torch.ones(6, 1, dtype=torch.long)), Given(), nn.BCEWithLogitsLoss())
    assert re.search(r"labels are int64; expected numbers like the model's: `.float\(\)`", sentence)
    sentence = refused(batches(logits, torch.ones(6, dtype=torch.long)), Given(), nn.BCEWithLogitsLoss())
    assert "`labels.unsqueeze(1)`, as numbers: `.float()`" in sentence


def test_labels_that_are_neither_yes_nor_no_are_told():
    sentence = refused(batches(torch.zeros(3, 1), torch.tensor([[0.0], [1.0], [2.0]])), Given(), nn.BCEWithLogitsLoss())
    assert "run from 0 to 2; BCEWithLogitsLoss takes 0 for no and 1 for yes" in sentence


# ------------------------------------------------------------------------------------------- shares of the classes


@pytest.mark.parametrize("loss_fn", [nn.CrossEntropyLoss(), F.cross_entropy, lambda z, y: F.cross_entropy(z, y)])
@pytest.mark.parametrize("n", [2, 3, 5])
def test_one_hot_and_soft_labels_count_as_the_class_with_the_largest_share(loss_fn, n):
    logits = torch.randn(7, n, generator=torch.manual_seed(n))
    labels = torch.randint(n, (7,))
    plain = test_loop(batches(logits, labels), Given(), nn.CrossEntropyLoss())
    one_hot = test_loop(batches(logits, F.one_hot(labels, n).float()), Given(), loss_fn)
    assert one_hot == pytest.approx(plain)
    soft = 0.9 * F.one_hot(labels, n) + 0.1 / n
    assert test_loop(batches(logits, soft), Given(), loss_fn).accuracy == pytest.approx(plain.accuracy)


@pytest.mark.parametrize("labels", [torch.zeros(4), torch.zeros(4, 2)])
def test_labels_that_are_neither_classes_nor_shares_of_them_are_told(labels):
    sentence = refused([(torch.zeros(4, 3), labels)], Given(), nn.CrossEntropyLoss())
    assert re.search(r"must be whole numbers, `.long\(\)`, of shape \(4,\); as shares.*\(4, 3\)", sentence)


# --------------------------------------------------------------------------------------------------------- numbers

LOSSES_OF_NUMBERS = [nn.MSELoss(), nn.L1Loss(), nn.HuberLoss(), F.mse_loss, lambda y, t: ((y - t) ** 2).mean()]


@pytest.mark.parametrize("loss_fn", LOSSES_OF_NUMBERS)
@pytest.mark.parametrize(("outputs", "labels"), [((6, 1), (6,)), ((6,), (6, 1))])
def test_numbers_of_another_shape_than_the_outputs_are_told_with_both_before_the_first_step(loss_fn, outputs, labels):
    dataloader = batches(torch.rand(outputs), torch.rand(labels), size=6)
    sentence = refused(dataloader, Given(), loss_fn)
    assert f"The model returned {outputs}, and the labels have the shape {labels}" in sentence
    cure = re.search(r"`labels\.(reshape\([^`]*)`", sentence)[1]
    fitting = eval(f"torch.rand(labels).{cure}", {"torch": torch, "labels": labels})
    assert fitting.shape == outputs


def test_a_loss_of_your_own_may_fit_the_shapes_itself():
    def loss_fn(outputs, labels):
        return F.mse_loss(outputs.squeeze(1), labels)

    outputs, labels = torch.rand(6, 1), torch.rand(6)
    assert test_loop(batches(outputs, labels), Given(), loss_fn).loss == pytest.approx(
        ((outputs.squeeze(1) - labels) ** 2).mean().item()
    )


def test_numbers_have_no_accuracy_and_history_and_line_say_so(capsys):
    model, features = nn.Linear(4, 1), torch.rand(12, 4)
    dataloader = batches(features, features.sum(dim=1, keepdim=True))
    history = fit(model, dataloader, dataloader, nn.MSELoss(), sgd(model), epochs=20)
    assert history["val_loss"][-1] < history["val_loss"][0] / 2
    assert all(math.isnan(accuracy) for accuracy in history["val_accuracy"])
    assert capsys.readouterr().out.count("val accuracy none (the labels are numbers)") == 20


def test_a_line_without_an_accuracy_says_why(capsys):
    report_epoch("epoch 1/1", {"val_loss": [0.5], "val_accuracy": [math.nan]})
    assert capsys.readouterr().out == "epoch 1/1  val loss 0.5000  val accuracy none (the labels are numbers)\n"


# ------------------------------------------------------------------------------------------------ half precision


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_the_mean_of_many_batches_is_right_in_half_precision(dtype):
    dataloader = [(torch.zeros(64, 10, dtype=dtype), torch.arange(64) % 10)] * 938
    model = Given().to(dtype)
    assert test_loop(dataloader, model, nn.CrossEntropyLoss()).loss == pytest.approx(math.log(10), rel=5e-3)
    assert train_loop(dataloader, model, nn.CrossEntropyLoss(), sgd(model)) == pytest.approx(math.log(10), rel=5e-3)
    assert model.bias.dtype == dtype


def test_double_precision_is_kept():
    logits, labels = torch.randn(9, 3, dtype=torch.float64), torch.arange(9) % 3
    loss = test_loop(batches(logits, labels), Given().double(), nn.CrossEntropyLoss()).loss
    assert loss == pytest.approx(F.cross_entropy(logits, labels).item(), rel=1e-14)


def test_under_autocast_the_numbers_are_those_of_float32_but_for_rounding():
    torch.manual_seed(0)
    model = nn.Linear(4, 3)
    dataloader = batches(torch.rand(40, 4), torch.arange(40) % 3)
    plain = test_loop(dataloader, model, nn.CrossEntropyLoss())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert test_loop(dataloader, model, nn.CrossEntropyLoss()).loss == pytest.approx(plain.loss, rel=1e-2)
        assert train_loop(dataloader, model, nn.CrossEntropyLoss(), sgd(model)) == pytest.approx(plain.loss, rel=5e-2)


def test_one_autocast_block_around_all_epochs_learns_what_one_around_each_step_does():
    torch.manual_seed(0)
    model = nn.Linear(4, 3)
    by_hand = copy.deepcopy(model)
    dataloader = batches(torch.rand(40, 4), torch.arange(40) % 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        optimizer = sgd(model)
        losses = [train_loop(dataloader, model, nn.CrossEntropyLoss(), optimizer) for _ in range(3)]

    optimizer = sgd(by_hand)
    for expected in losses:
        total = 0.0
        for inputs, labels in dataloader:
            with torch.autocast("cpu", dtype=torch.bfloat16):
                loss = F.cross_entropy(by_hand(inputs).float(), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(labels)
        assert total / 40 == pytest.approx(expected, rel=1e-4)
    assert losses == sorted(losses, reverse=True)
    torch.testing.assert_close(model.state_dict(), by_hand.state_dict(), rtol=1e-3, atol=1e-4)


# ----------------------------------------------------------------------------------- ignored labels, class weights


@pytest.mark.parametrize("loss_fn", [nn.CrossEntropyLoss(), F.cross_entropy, nn.CrossEntropyLoss(ignore_index=1)])
@pytest.mark.parametrize("size", [1, 2, 3, 8])
def test_what_is_ignored_counts_neither_in_the_loss_nor_in_the_accuracy(loss_fn, size):
    ignored = getattr(loss_fn, "ignore_index", -100)
    logits = torch.randn(8, 3, generator=torch.manual_seed(1))
    labels = torch.tensor([0, ignored, 2, ignored, ignored, 2, 0, ignored])
    kept = labels != ignored
    metrics = test_loop(batches(logits, labels, size=size), Given(), loss_fn)
    assert metrics.loss == pytest.approx(F.cross_entropy(logits[kept], labels[kept]).item())
    assert metrics.accuracy == pytest.approx((logits[kept].argmax(1) == labels[kept]).float().mean().item())
    model = Given()
    trained = train_loop(batches(logits, labels, size=size), model, loss_fn, sgd(model))
    assert trained == pytest.approx(metrics.loss, rel=1e-5)  # a bias on all logits changes no loss


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("size", [1, 2, 7, 100])
def test_with_class_weights_the_loss_is_the_same_for_any_batch_size(size, smoothing):
    torch.manual_seed(0)
    logits, labels = torch.randn(100, 3), torch.randint(3, (100,))
    labels[::9] = -100
    weight = torch.tensor([0.2, 1.0, 5.0])
    settings = {"weight": weight, "label_smoothing": smoothing}
    expected = F.cross_entropy(logits, labels, **settings).item()
    for loss_fn in nn.CrossEntropyLoss(**settings), partial(F.cross_entropy, **settings):
        metrics = test_loop(batches(logits, labels, size=size), Given(), loss_fn)
        assert metrics.loss == pytest.approx(expected, rel=1e-5)
        kept = labels >= 0
        assert metrics.accuracy == pytest.approx((logits.argmax(1) == labels)[kept].float().mean().item())


@pytest.mark.parametrize("reduction", ["sum", "none"])
def test_a_loss_that_is_no_mean_is_told(reduction):
    loss_fn = nn.CrossEntropyLoss(reduction=reduction)
    assert f"reduction='{reduction}'" in refused([(torch.zeros(4, 3), torch.zeros(4).long())], Given(), loss_fn)


def test_a_loss_of_your_own_that_is_no_number_is_told():
    sentence = refused([(torch.zeros(4, 3), torch.zeros(4).long())], Given(), lambda z, y: z.sum(dim=1))
    assert "returned (4,) float32, expected one number" in sentence


# ------------------------------------------------------------------------------------------ sequences and pixels


@pytest.mark.parametrize("rest", [(5,), (4, 6)])
def test_every_word_and_every_pixel_is_an_example(rest):
    torch.manual_seed(0)
    logits, labels = torch.randn(7, 3, *rest), torch.randint(3, (7, *rest))
    labels[0, 0] = -100
    kept = labels >= 0
    metrics = test_loop(batches(logits, labels, size=4), Given(), nn.CrossEntropyLoss())
    assert metrics.loss == pytest.approx(F.cross_entropy(logits, labels).item(), rel=1e-5)
    assert metrics.accuracy == pytest.approx((logits.argmax(1) == labels)[kept].float().mean().item())


def test_classes_that_are_last_are_told():
    sentence = refused([(torch.zeros(2, 5, 3), torch.zeros(2, 5).long())], Given(), nn.CrossEntropyLoss())
    assert "must return logits of shape (2, K, 5)" in sentence
    assert "`logits.movedim(-1, 1)`" in sentence


def test_labels_in_a_column_are_told():
    sentence = refused([(torch.zeros(4, 3), torch.zeros(4, 1).long())], Given(), nn.CrossEntropyLoss())
    assert "labels have the shape (4, 1), expected (4,)" in sentence
    assert "`.squeeze(1)`" in sentence


# ------------------------------------------------------------------------------------------------ what a batch is


class Dictionaries(Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        return {"image": torch.zeros(3), "label": index % 3}


class Named(Dictionaries):
    def __getitem__(self, index):
        return torch.zeros(3), ["cat", "dog"][index % 2]


@pytest.mark.parametrize(
    ("dataloader", "told"),
    [
        (DataLoader(Dictionaries(), batch_size=2), "a dictionary with 'image', 'label'"),
        (DataLoader(Named(), batch_size=2), "labels of a batch are text, such as 'cat'"),
        ([(["a.png", "b.png"], torch.zeros(2).long())], "images of a batch are text, such as 'a.png'"),
        ([(torch.zeros(2, 3), [torch.zeros(2), torch.zeros(2)])], "labels of a batch are a list of 2"),
        ([(torch.zeros(2, 3), {"a": 1})], "labels of a batch are a dictionary with 'a'"),
        ([7], "this one is an object of type int"),
        ([(torch.zeros(3), torch.tensor(1))], "3 images but 1 labels"),
    ],
)
def test_a_batch_that_is_no_pair_of_tensors_is_told(dataloader, told):
    assert told in refused(dataloader, Given(), nn.CrossEntropyLoss())


def test_images_of_different_sizes_are_told():
    images = [(torch.zeros(1, 4, 4), 0), (torch.zeros(1, 5, 4), 1)]
    sentence = refused(DataLoader(images, batch_size=2), Given(), nn.CrossEntropyLoss())
    assert "different sizes" in sentence
    assert "v2.Resize" in sentence


@pytest.mark.parametrize("dtype", [torch.int32, torch.int8, torch.int16])
def test_class_labels_of_another_integer_type_are_told(dtype):
    sentence = refused([(torch.zeros(4, 3), torch.zeros(4, dtype=dtype))], Given(), nn.CrossEntropyLoss())
    assert f"labels are {str(dtype)[6:]}; classes must be int64: `.long()`" in sentence


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.float64])
def test_images_of_another_type_than_the_weights_are_told(dtype):
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    sentence = refused([(torch.ones(4, 2, 2, dtype=dtype), torch.zeros(4).long())], model, nn.CrossEntropyLoss())
    assert f"images are {str(dtype)[6:]}, and the model's weights are float32" in sentence
    assert ("scale=True" in sentence) == (dtype == torch.uint8)  # of int64 it would divide by the largest: 2**63


def test_bytes_are_no_mistake_of_a_model_that_converts_them():
    class Converting(nn.Linear):
        def forward(self, images):
            return super().forward(images / 255)

    test_loop([(torch.ones(4, 2, dtype=torch.uint8), torch.zeros(4).long())], Converting(2, 3), nn.CrossEntropyLoss())


def test_what_goes_wrong_for_an_unknown_reason_stays_as_it_is_with_a_note_of_what_was_called():
    model = nn.Linear(4, 3)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied") as caught:
        train_loop([(torch.zeros(2, 5), torch.zeros(2).long())], model, nn.CrossEntropyLoss(), sgd(model))
    assert caught.value.__notes__ == ["The model was called with images: (2, 5) float32."]

    def fails(logits, labels):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine") as caught:
        test_loop([(torch.zeros(2, 4), torch.zeros(2).long())], model, fails)
    assert caught.value.__notes__ == ["The loss was called with outputs: (2, 3) float32, and labels: (2,) int64."]


# ---------------------------------------------------------------------------------------------- what a model is


@pytest.mark.parametrize(
    ("outputs", "told"),
    [
        (lambda x: (x, x), "a tuple of 2"),
        (lambda x: {"out": x}, "a dictionary with 'out'"),
        (lambda x: None, "None"),
    ],
)
def test_a_model_that_returns_no_single_tensor_is_told(outputs, told):
    model = Given()
    model.forward = outputs
    dataloader = [(torch.zeros(4, 3), torch.zeros(4).long())]
    assert f"returned {told}, expected one tensor" in refused(dataloader, model, nn.CrossEntropyLoss())
    with pytest.raises(ValueError, match=re.escape(told)):
        predict(dataloader, model)


def test_a_model_without_parameters_is_measured_on_the_cpu():
    logits, labels = torch.eye(3), torch.tensor([0, 1, 0])
    assert test_loop([(logits, labels)], nn.Identity(), nn.CrossEntropyLoss()).accuracy == pytest.approx(2 / 3)
    assert torch.equal(predict([(logits, labels)], nn.Identity())[0], logits)


def test_a_batch_of_one_example_in_front_of_batch_normalisation_is_told():
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    dataloader = batches(torch.rand(9, 3), torch.arange(9) % 3, size=4)  # the last batch has one example
    with pytest.raises(ValueError, match=r"one example only.*drop_last=True, or with another batch_size"):
        train_loop(dataloader, model, nn.CrossEntropyLoss(), sgd(model))
    test_loop(dataloader, model, nn.CrossEntropyLoss())  # where running averages are used, one is enough


@pytest.mark.parametrize(
    "wrap", [nn.DataParallel, partial(torch.compile, backend="eager")], ids=["DataParallel", "compile"]
)
def test_a_wrapped_model_learns_and_measures_the_same(wrap):
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Linear(4, 3))
    wrapped = wrap(copy.deepcopy(plain))
    dataloader = batches(torch.rand(20, 4), torch.arange(20) % 3)
    results = []
    for model in plain, wrapped:
        trained = train_loop(dataloader, model, nn.CrossEntropyLoss(), sgd(model))
        results.append((trained, test_loop(dataloader, model, nn.CrossEntropyLoss())))
    assert results[0] == results[1]


# --------------------------------------------------------------------------------------- optimizers and schedules


def test_an_optimizer_of_an_earlier_model_is_told_before_the_first_step():
    model, earlier = nn.Linear(4, 3), nn.Linear(4, 3)
    with pytest.raises(ValueError, match=r"holds none of this model's parameters.*build it anew"):
        train_loop([(torch.zeros(2, 4), torch.zeros(2).long())], model, nn.CrossEntropyLoss(), sgd(earlier))


def test_an_optimizer_of_a_part_of_the_model_is_no_mistake():
    model = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 3))
    train_loop([(torch.zeros(2, 4), torch.zeros(2).long())], model, nn.CrossEntropyLoss(), sgd(model[1]))
    compiled = torch.compile(model, backend="eager")
    train_loop([(torch.zeros(2, 4), torch.zeros(2).long())], compiled, nn.CrossEntropyLoss(), sgd(model))


def test_an_optimizer_that_needs_a_closure_is_told():
    model = nn.Linear(4, 3)
    with pytest.raises(ValueError, match=r"LBFGS computes the loss several times.*`optimizer.step\(closure\)`"):
        train_loop(
            [(torch.zeros(2, 4), torch.zeros(2).long())],
            model,
            nn.CrossEntropyLoss(),
            torch.optim.LBFGS(model.parameters()),
        )


@pytest.mark.parametrize(("total_steps", "fits"), [(3, True), (2, False), (12, False)])
def test_a_one_cycle_schedule_is_told_how_many_steps_fit_takes(total_steps, fits):
    model = nn.Linear(4, 3)
    optimizer = sgd(model)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=total_steps)
    dataloader = batches(torch.rand(8, 4), torch.arange(8) % 3, size=2)
    if fits:
        rates = []
        optimizer.register_step_pre_hook(lambda own, *_: rates.append(own.param_groups[0]["lr"]))
        fit(
            model,
            dataloader,
            dataloader,
            nn.CrossEntropyLoss(),
            optimizer,
            epochs=3,
            scheduler=schedule,
            progress=False,
        )
        assert len(set(rates)) == 3  # one for each epoch
        return
    with pytest.raises(
        ValueError, match=rf"OneCycleLR has {total_steps} steps to go, and fit takes 3, .*total_steps=3"
    ):
        fit(model, dataloader, dataloader, nn.CrossEntropyLoss(), optimizer, epochs=3, scheduler=schedule)


def test_a_schedule_of_another_optimizer_is_told():
    model = nn.Linear(4, 3)
    with pytest.raises(ValueError, match="made for another optimizer"):
        check_schedule(torch.optim.lr_scheduler.StepLR(sgd(model), 1), sgd(model), 3)


@pytest.mark.parametrize("show", [True, False])
def test_a_generator_that_is_used_up_is_told_in_the_second_epoch(show):
    model = nn.Linear(4, 3)
    stream = ((torch.rand(2, 4), torch.zeros(2).long()) for _ in range(3))
    val = [(torch.rand(2, 4), torch.zeros(2).long())]
    with pytest.raises(ValueError, match="it is an iterator, such as a generator, that can be gone through once"):
        fit(model, stream, val, nn.CrossEntropyLoss(), sgd(model), epochs=2, progress=show)


@pytest.mark.parametrize(("part", "told"), [(0, "images"), (1, "labels")])
def test_a_loss_is_not_finite_because_of_what_came_in(part, told):
    pair = [torch.rand(4, 1), torch.rand(4, 1)]
    pair[part][2] = math.nan
    with pytest.raises(FloatingPointError, match=f"became nan in batch 1. The {told} of this batch hold nan or inf"):
        test_loop([tuple(pair)], Given(), nn.MSELoss())


# --------------------------------------------------------------------------------------------- losses of your own


class Focal(nn.CrossEntropyLoss):
    """A loss of each image, times a factor; the mean is its own."""

    def __init__(self, **settings):
        super().__init__(reduction="none", **settings)

    def forward(self, logits, labels):
        losses = super().forward(logits, labels)
        return ((1 - torch.exp(-losses)) ** 2 * losses).mean()


@dataclass
class Smoothed:
    """A loss object that is no module, and has no hash."""

    smoothing: float = 0.1

    def __call__(self, logits, labels):
        return F.cross_entropy(logits, labels, label_smoothing=self.smoothing)


@pytest.mark.parametrize("loss_fn", [Focal(), Focal(weight=torch.tensor([1.0, 2.0, 3.0])), Smoothed()])
@pytest.mark.parametrize("size", [1, 4, 9])
def test_a_loss_of_your_own_takes_its_own_mean(loss_fn, size):
    logits, labels = torch.randn(8, 3, generator=torch.manual_seed(0)), torch.arange(8) % 3
    metrics = test_loop(batches(logits, labels, size=size), Given(), loss_fn)
    assert metrics.loss == pytest.approx(loss_fn(logits, labels).item(), rel=1e-5)
    assert metrics.accuracy == pytest.approx((logits.argmax(1) == labels).float().mean().item())


@pytest.mark.parametrize(
    "loss_fn",
    [
        lambda z, y: F.binary_cross_entropy_with_logits(z.squeeze(1), y.float()),
        lambda z, y: F.binary_cross_entropy(z.sigmoid(), y.unsqueeze(1).float()),
        lambda z, y: nn.BCEWithLogitsLoss()(z, y.view(-1, 1).double()),
        lambda z, y: sum(F.binary_cross_entropy_with_logits(z, y[:, None].float()) for _ in range(2)),
    ],
)
def test_one_logit_is_no_choice_between_classes(loss_fn):
    logits, labels = torch.tensor([[-2.0], [0.3], [-0.1], [4.0], [0.2]]), torch.tensor([0, 1, 1, 1, 1])
    accuracy = test_loop(batches(logits, labels, size=3), Given(), loss_fn).accuracy
    assert accuracy == pytest.approx(4 / 5)


def test_where_a_loss_does_not_tell_what_one_logit_says_no_accuracy_is_invented():
    logits, labels = torch.randn(5, 1), torch.tensor([0, 1, 1, 0, 1])
    by_hand = lambda z, y: torch.where(y == 1, -z[:, 0], z[:, 0]).exp().log1p().mean()  # noqa: E731
    assert math.isnan(test_loop([(logits, labels)], Given(), by_hand).accuracy)


def test_a_loss_that_flattens_a_sequence_is_measured_word_by_word():
    torch.manual_seed(0)
    logits, labels = torch.randn(7, 5, 3), torch.randint(3, (7, 5))
    labels[:3, 3:] = 0  # filled up

    def loss_fn(logits, labels):
        return F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=0)

    kept = labels != 0
    metrics = test_loop(batches(logits, labels, size=2), Given(), loss_fn)
    assert metrics.loss == pytest.approx(loss_fn(logits, labels).item(), rel=1e-5)
    assert metrics.accuracy == pytest.approx((logits.argmax(2) == labels)[kept].float().mean().item())


def test_where_two_dimensions_could_be_the_classes_no_accuracy_is_invented():
    logits, labels = torch.randn(4, 3, 3), torch.randint(3, (4, 3))
    loss_fn = lambda z, y: F.cross_entropy(z.flatten(0, 1), y.flatten())  # noqa: E731
    assert math.isnan(test_loop([(logits, labels)], Given(), loss_fn).accuracy)
    assert not math.isnan(test_loop([(logits, labels)], Given(), nn.CrossEntropyLoss()).accuracy)


@pytest.mark.parametrize("size", [1, 3, 100])
def test_class_weights_inside_of_a_function_count_as_outside(size):
    torch.manual_seed(0)
    logits, labels, weight = torch.randn(20, 3), torch.randint(3, (20,)), torch.tensor([0.2, 1.0, 5.0])
    loss_fn = lambda z, y: F.cross_entropy(z, y, weight)  # noqa: E731
    expected = F.cross_entropy(logits, labels, weight).item()
    assert test_loop(batches(logits, labels, size=size), Given(), loss_fn).loss == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("size", [1, 3, 100])
def test_class_weights_of_a_hinge_loss_are_no_part_of_its_mean(size):
    torch.manual_seed(0)
    logits, labels = torch.randn(20, 3), torch.randint(3, (20,))
    loss_fn = nn.MultiMarginLoss(weight=torch.tensor([0.2, 1.0, 5.0]))
    loss = test_loop(batches(logits, labels, size=size), Given(), loss_fn).loss
    assert loss == pytest.approx(loss_fn(logits, labels).item(), rel=1e-5)


@pytest.mark.parametrize(
    "loss_fn",
    [
        lambda z, y: F.mse_loss(z, y),
        lambda z, y: F.l1_loss(input=z, target=y),
        lambda z, y: (z.tanh() - y.abs()).pow(2).mean(),
        lambda z, y: nn.HuberLoss()(z * 2, y),
        nn.MultiLabelSoftMarginLoss(),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.int64])
def test_a_loss_that_would_pair_each_output_with_each_label_is_told(loss_fn, dtype):
    sentence = refused([(torch.zeros(8, 1), torch.ones(8, dtype=dtype))], Given(), loss_fn)
    assert re.search(r"returned \(8, 1\).*shape \(8,\).*pairs each.*`labels.reshape\(\(-1, 1\)\)`", sentence)


def test_what_pairs_each_with_each_on_purpose_is_no_mistake():
    def rank(risks, times):  # (N, 1), (N,)
        later = times[:, None] <= times
        return (torch.relu(1 - risks + risks.T) * later).mean()

    risks, times = torch.randn(8, 1), torch.rand(8)
    assert test_loop([(risks, times)], Given(), rank).loss == pytest.approx(rank(risks, times).item())


def test_a_sum_inside_of_a_function_is_told():
    loss_fn = lambda z, y: F.cross_entropy(z, y, reduction="sum")  # noqa: E731
    assert "reduction='sum'" in refused([(torch.zeros(4, 3), torch.zeros(4).long())], Given(), loss_fn)
    loss_fn = lambda z, y: F.cross_entropy(z, y, reduction="sum") / len(y)  # noqa: E731
    test_loop([(torch.zeros(4, 3), torch.zeros(4).long())], Given(), loss_fn)


def test_a_compiled_loss_counts_like_the_loss_itself():
    logits, labels = torch.randn(8, 1), torch.ones(8, 1)
    plain, compiled = nn.BCEWithLogitsLoss(), torch.compile(nn.BCEWithLogitsLoss(), backend="eager")
    assert test_loop([(logits, labels)], Given(), compiled) == test_loop([(logits, labels)], Given(), plain)


@pytest.mark.parametrize(
    "loss_fn", [nn.GaussianNLLLoss(), nn.CTCLoss(), nn.TripletMarginLoss(), lambda logits: logits.sum()]
)
def test_a_loss_that_takes_other_arguments_is_told(loss_fn):
    sentence = refused([(torch.zeros(4, 3), torch.zeros(4, 3))], Given(), loss_fn)
    assert "with two arguments, outputs and labels" in sentence
    assert "Write a function of the two" in sentence


def test_a_loss_with_weights_in_half_precision_is_computed_in_it_and_summed_in_float32():
    logits, labels = torch.zeros(64, 10, dtype=torch.float16), torch.arange(64) % 10
    loss_fn = nn.CrossEntropyLoss(weight=torch.ones(10, dtype=torch.float16))
    loss = test_loop([(logits, labels)] * 938, Given().half(), loss_fn).loss
    assert loss == pytest.approx(math.log(10), rel=5e-3)


# --------------------------------------------------------------------------- what a loss cannot be computed from


@pytest.mark.parametrize(
    ("loss_fn", "labels"),
    [
        (nn.NLLLoss(), torch.zeros(4).long()),
        (F.nll_loss, torch.zeros(4).long()),
        (nn.KLDivLoss(reduction="batchmean"), torch.full((4, 3), 1 / 3)),
    ],
)
def test_outputs_that_are_no_logarithms_of_probabilities_are_told(loss_fn, labels):
    probabilities = torch.full((4, 3), 1 / 3)
    assert "takes logarithms of probabilities, which are never above 0" in refused(
        [(probabilities, labels)], Given(), loss_fn
    )
    expected = loss_fn(probabilities.log(), labels).item()
    assert test_loop([(probabilities.log(), labels)], Given(), loss_fn).loss == pytest.approx(expected)


@pytest.mark.parametrize("loss_fn", [nn.BCELoss(), F.binary_cross_entropy])
def test_outputs_that_are_no_probabilities_are_told(loss_fn):
    sentence = refused([(torch.tensor([[-1.5], [2.0]]), torch.ones(2, 1))], Given(), loss_fn)
    assert (
        "takes probabilities, 0 to 1, and the model returned numbers from -1.5 to 2: use nn.BCEWithLogits" in sentence
    )


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool])
def test_one_hot_labels_that_are_no_numbers_are_told(dtype):
    sentence = refused([(torch.zeros(4, 3), torch.eye(4, 3, dtype=dtype))], Given(), nn.CrossEntropyLoss())
    assert re.search(r"as one-hot labels are. .*`.float\(\)`; as classes, `.argmax\(dim=1\)`.* \(4,\)", sentence)


def test_masks_with_a_dimension_of_channels_are_told():
    sentence = refused([(torch.zeros(2, 3, 4, 5), torch.zeros(2, 1, 4, 5).long())], Given(), nn.CrossEntropyLoss())
    assert re.search(r"expected \(2, 4, 5\) .*`.squeeze\(1\)`", sentence)


@pytest.mark.parametrize("loss_fn", [nn.MSELoss(), nn.BCEWithLogitsLoss()])
def test_a_model_that_squeezes_away_the_only_example_is_told(loss_fn):
    model = Given()
    model.forward = lambda x: (x + model.bias).squeeze()
    test_loop(batches(torch.zeros(4, 1), torch.zeros(4), size=2), model, loss_fn)
    with pytest.raises(ValueError, match=r"`.squeeze\(1\)` does not"):
        test_loop(batches(torch.zeros(5, 1), torch.zeros(5), size=2), model, loss_fn)


@pytest.mark.parametrize("dtype", [torch.float64, torch.int64])
def test_labels_whose_dtype_stops_the_gradient_are_told_before_the_first_step(dtype):
    model = nn.Linear(2, 1)
    dataloader = [(torch.zeros(4, 2), torch.ones(4, 1, dtype=dtype))]
    with pytest.raises(ValueError, match=rf"labels are {str(dtype)[6:]}.*`labels.to\(torch.float32\)`"):
        train_loop(dataloader, model, nn.HuberLoss(), sgd(model))
    try:
        nn.MSELoss()(model(dataloader[0][0]), dataloader[0][1]).backward()
    except RuntimeError:  # in PyTorch 2.9
        with pytest.raises(ValueError, match=r"`labels.to\(torch.float32\)`"):
            train_loop(dataloader, model, nn.MSELoss(), sgd(model))
    else:
        train_loop(dataloader, model, nn.MSELoss(), sgd(model))  # has a gradient all the same


@pytest.mark.parametrize("weight", [torch.tensor([1, 2, 3]), torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)])
def test_class_weights_of_another_dtype_are_told(weight):
    dataloader = [(torch.zeros(4, 3), torch.zeros(4).long())]
    sentence = refused(dataloader, Given(), nn.CrossEntropyLoss(weight=weight))
    assert f"class weights are {str(weight.dtype)[6:]}, " in sentence
    assert "`weight.to(torch.float32)`" in sentence


def test_negative_class_weights_are_told():
    loss_fn = nn.CrossEntropyLoss(weight=torch.tensor([1.0, -2.0, 1.0]))
    assert "class weights is -2" in refused([(torch.zeros(4, 3), torch.zeros(4).long())], Given(), loss_fn)


def test_a_divergence_of_sequences_has_no_accuracy_since_the_classes_may_be_anywhere():
    logits, shares = torch.randn(4, 5, 3).log_softmax(2), torch.rand(4, 5, 3).softmax(2)
    assert math.isnan(test_loop([(logits, shares)], Given(), nn.KLDivLoss(reduction="batchmean")).accuracy)


def test_arguments_in_another_order_are_told():
    model, dataloader = nn.Linear(3, 3), [(torch.zeros(2, 3), torch.zeros(2).long())]
    with pytest.raises(ValueError, match=r"model is a list of 1, expected one that can be called. .*in order"):
        fit(dataloader, model, dataloader, nn.CrossEntropyLoss(), sgd(model), epochs=1)


@pytest.mark.parametrize(("nothing", "called"), [(None, "None"), (nn.Flatten(), "type Flatten"), (3, "int")])
def test_what_gives_no_batches_is_told(nothing, called):
    model, dataloader = nn.Linear(3, 3), [(torch.zeros(2, 3), torch.zeros(2).long())]
    with pytest.raises(ValueError, match=f"The dataloader is .*{called}, expected one that gives batches"):
        fit(model, dataloader, nothing, nn.CrossEntropyLoss(), sgd(model), epochs=1)


@pytest.mark.parametrize("weight", [None, torch.tensor([0.5, 1.0, 2.0])])
def test_class_labels_in_bytes_count_like_others(weight):
    logits, labels = torch.randn(8, 3), torch.arange(8) % 3
    loss_fn = nn.CrossEntropyLoss(weight=weight)
    plain = test_loop([(logits, labels)], Given(), loss_fn)
    assert test_loop([(logits, labels.byte())], Given(), loss_fn) == plain


def test_yes_may_be_one_and_no_minus_one():
    logits, labels = torch.tensor([[2.0], [-1.0], [0.5]]), torch.tensor([[1.0], [-1.0], [-1.0]])
    assert test_loop([(logits, labels)], Given(), nn.SoftMarginLoss()).accuracy == pytest.approx(2 / 3)


def test_complex_labels_have_no_accuracy():
    numbers = torch.randn(4, 2, dtype=torch.complex64)
    assert math.isnan(test_loop([(numbers, numbers)], nn.Identity(), lambda z, y: (z - y).abs().mean()).accuracy)


@pytest.mark.parametrize(
    ("loss_fn", "labels", "nothing"),
    [
        (nn.MSELoss(), torch.ones(3, 2), slice(0, 0)),
        (nn.CrossEntropyLoss(weight=torch.tensor([0.0, 1.0])), torch.tensor([1, 0, 1]), slice(1, 2)),
        (lambda z, y: F.cross_entropy(z, y, ignore_index=0), torch.tensor([1, 0, 1]), slice(1, 2)),
    ],
)
def test_a_batch_in_which_no_label_counts_changes_nothing(loss_fn, labels, nothing):
    logits = torch.randn(3, 2)
    pair, empty = (logits, labels), (logits[nothing], labels[nothing])
    assert test_loop([pair, empty], Given(), loss_fn).loss == test_loop([pair], Given(), loss_fn).loss
    model = Given()
    assert math.isfinite(train_loop([pair, empty], model, loss_fn, sgd(model)))
    assert model.bias.isfinite()


def test_that_no_label_of_any_batch_counts_is_told():
    dataloader = batches(torch.randn(4, 3), torch.full((4,), -100), size=2)
    assert "No label of any batch counts" in refused(dataloader, Given(), nn.CrossEntropyLoss())


# ------------------------------------------------------------------------------------- samples, classes, objects


class Samples(Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        return torch.zeros(3), index % 3


@pytest.mark.parametrize(
    "samples",
    [Samples(), DataLoader(Samples(), batch_size=None), TensorDataset(torch.zeros(4, 3), torch.zeros(4).long())],
)
def test_samples_in_place_of_batches_are_told(samples):
    assert "pass DataLoader(dataset, batch_size=64)" in refused(samples, Given(), nn.CrossEntropyLoss())


def test_arrays_are_told_how_to_become_tensors():
    batch = np.zeros((2, 3)), np.zeros(2)
    assert "`torch.as_tensor`" in refused([batch], Given(), nn.CrossEntropyLoss())


def test_pictures_that_are_no_tensors_are_told():
    dataloader = DataLoader([(Image.new("L", (4, 4)), 0)] * 2, batch_size=2)
    sentence = refused(dataloader, Given(), nn.CrossEntropyLoss())
    assert "PIL.Image.Image" in sentence
    assert "v2.ToImage()" in sentence


def test_labels_of_different_lengths_are_not_called_images():
    sentence = refused(DataLoader([(torch.zeros(3), torch.zeros(n)) for n in (1, 2)], batch_size=2), Given(), F.l1_loss)
    assert re.search(r"samples of a batch have different sizes \(got \[1\].* \[2\] at entry 1\).*collate_fn", sentence)


def test_a_class_in_place_of_an_object_is_told():
    dataloader, model = [(torch.zeros(2, 3), torch.zeros(2).long())], nn.Linear(3, 3)
    with pytest.raises(ValueError, match=r"loss function is the class CrossEntropyLoss.*`CrossEntropyLoss\(...\)`"):
        test_loop(dataloader, model, nn.CrossEntropyLoss)
    with pytest.raises(ValueError, match="model is the class Given"):
        test_loop(dataloader, Given, nn.CrossEntropyLoss())
    with pytest.raises(ValueError, match="optimizer is the class SGD"):
        train_loop(dataloader, model, nn.CrossEntropyLoss(), torch.optim.SGD)
    with pytest.raises(ValueError, match="scheduler is the class StepLR"):
        check_schedule(torch.optim.lr_scheduler.StepLR, sgd(model), 3)
    with pytest.raises(ValueError, match=r"loss function is an object of type SGD.*They are dataloader, model"):
        train_loop(dataloader, model, sgd(model), nn.CrossEntropyLoss())


@pytest.mark.parametrize(
    ("model", "images", "told"),
    [
        (nn.Conv2d(3, 2, 3), torch.zeros(4, 9, 9, 3), "`images.movedim(-1, 1)`"),
        (nn.Conv2d(1, 2, 3), torch.zeros(4, 9, 9), "`images.unsqueeze(1)`"),
        (nn.Embedding(5, 2), torch.full((4,), 7), "rows for 0 ... 4, and the images of this batch go up to 7"),
    ],
)
def test_what_the_model_takes_is_told_where_that_alone_is_missing(model, images, told):
    assert told in refused([(images, torch.zeros(4).long())], model, nn.CrossEntropyLoss())


# ---------------------------------------------------------------------------------------------- nothing is learned


def test_frozen_parameters_are_told_before_the_first_step():
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    model[0].requires_grad_(False)
    dataloader = [(torch.zeros(2, 3), torch.zeros(2).long())]
    with pytest.raises(ValueError, match=r"holds are frozen, requires_grad=False"):
        train_loop(dataloader, model, nn.CrossEntropyLoss(), sgd(model[0]))
    train_loop(dataloader, model, nn.CrossEntropyLoss(), sgd(model))


def test_the_loss_may_be_what_learns():
    class Head(nn.Linear):
        def forward(self, features, labels):
            return F.cross_entropy(super().forward(features), labels)

    model, loss_fn = nn.Linear(3, 4).requires_grad_(False), Head(4, 3)
    before = loss_fn.bias.clone()
    train_loop([(torch.zeros(2, 3), torch.zeros(2).long())], model, loss_fn, sgd(loss_fn))
    assert not torch.equal(loss_fn.bias, before)


class Cut(nn.Linear):
    def forward(self, images):
        return super().forward(images).detach()


@pytest.mark.parametrize(
    ("model", "loss_fn", "told"),
    [
        (Cut(3, 3), nn.CrossEntropyLoss(), "the model cuts the way back"),
        (nn.Linear(3, 3), lambda z, y: (z.argmax(1) != y).float().mean(), "the loss function cuts the way back"),
    ],
)
def test_a_loss_that_leads_back_to_no_parameter_is_told(model, loss_fn, told):
    dataloader = [(torch.zeros(2, 3), torch.zeros(2).long())]
    with pytest.raises(ValueError, match=told):
        train_loop(dataloader, model, loss_fn, sgd(model))
    test_loop(dataloader, model, loss_fn)
    with torch.no_grad(), pytest.raises(ValueError, match="training runs inside of"):
        train_loop(dataloader, model, loss_fn, sgd(model))


class ByHand:
    """An optimizer as one writes it to learn what one is."""

    def __init__(self, parameters):
        self.parameters = list(parameters)

    def step(self):
        with torch.no_grad():
            for parameter in self.parameters:
                parameter -= 0.1 * parameter.grad

    def zero_grad(self):
        for parameter in self.parameters:
            parameter.grad = None


class Halving:
    """A schedule of the same kind."""

    def __init__(self, optimizer):
        self.steps, self.own = 0, optimizer

    def step(self):
        self.steps += 1


def test_an_optimizer_and_a_schedule_of_your_own_are_no_mistake():
    torch.manual_seed(0)
    ours, usual = nn.Linear(4, 3), nn.Linear(4, 3)
    usual.load_state_dict(ours.state_dict())
    dataloader, by_hand = batches(torch.rand(8, 4), torch.arange(8) % 3), ByHand(ours.parameters())
    schedule = Halving(by_hand)
    settings = {"epochs": 2, "progress": False}
    history = fit(ours, dataloader, dataloader, nn.CrossEntropyLoss(), by_hand, scheduler=schedule, **settings)
    assert history == fit(usual, dataloader, dataloader, nn.CrossEntropyLoss(), sgd(usual), **settings)
    assert schedule.steps == 2


def test_several_optimizers_or_schedules_in_a_list_are_told():
    model = nn.Linear(3, 3)
    with pytest.raises(ValueError, match=r"optimizer is a list of 2, expected one object"):
        train_loop([(torch.zeros(2, 3), torch.zeros(2).long())], model, nn.CrossEntropyLoss(), [sgd(model)] * 2)
    with pytest.raises(ValueError, match=r"scheduler is a list of 1.*ChainedScheduler"):
        check_schedule([torch.optim.lr_scheduler.StepLR(sgd(model), 1)], sgd(model), 3)


def test_a_schedule_that_waits_for_the_loss_to_grow_is_told():
    optimizer = sgd(nn.Linear(3, 3))
    with pytest.raises(ValueError, match=r"mode='max'.*build it with mode='min'"):
        check_schedule(torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, mode="max"), optimizer, 3)
