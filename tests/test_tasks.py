"""The loops on tasks that the lessons do not have: numbers worked out another way, or a sentence at once."""

import copy
import math
import re
from functools import partial

import pytest
import torch
import torch.nn.functional as F
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
    with torch.autocast("cpu", dtype=torch.bfloat16):  # anew: PyTorch 2.9 keeps weights that it has cast for the test
        assert train_loop(dataloader, model, nn.CrossEntropyLoss(), sgd(model)) == pytest.approx(plain.loss, rel=5e-2)


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
    assert ("scale=True" in sentence) == (dtype != torch.float64)


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
        (lambda x: None, "an object of type NoneType"),
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
