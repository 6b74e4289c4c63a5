"""The exercises of notebook 00, a whole program."""

import math
import pickle
import tempfile
from pathlib import Path
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tutorial_utils.exercises.compare import expect_close
from tutorial_utils.exercises.old import Calls, Exercise, call, expect_no_loop, find_difference  # noqa: F401
from tutorial_utils.models import NeuralNetwork

# -------------------------------------------------------------------------------------------------------------- data


def batch_shape():
    return (32, 1, 28, 28)  # (N, C, H, W)


def verify_batch_shape(attempt):
    """Unlike `expect_close`, say what is wrong without giving the answer away."""
    right = (32, 1, 28, 28)
    if isinstance(attempt, Tensor):
        raise AssertionError(
            f"`batch_shape` is a tensor of shape {tuple(attempt.shape)}. The shape alone is asked for: four numbers in "
            "parentheses."
        )
    assert isinstance(attempt, tuple | list), (
        f"`batch_shape` is of type {type(attempt).__name__}, expected a tuple: four numbers in parentheses, with "
        "commas between them."
    )
    attempt = tuple(attempt)
    known = {
        (1, 28, 28): "That is one image. A batch of them has one dimension more, in front.",
        (32, 28, 28): "C is missing: grey images have one channel, and its 1 is part of the shape.",
        (32, 28, 28, 1): "The channels come last here; PyTorch puts them right after N.",
        (1, 32, 28, 28): "N and C have changed places: the batch comes first.",
        (64, 1, 28, 28): "That is the batch above, of 64 images. How many are there in yours?",
        (32, 3, 28, 28): "Three channels are red, green and blue; these images are grey.",
        (32, 1, 784): "The rows of each image are still below one another: H and W are two dimensions.",
        (32, 784): "That is what `Flatten` will make of the batch. The DataLoader keeps C, H and W apart.",
        (32,): "That is the shape of the labels. The images have four dimensions.",
    }
    advice = known.get(
        attempt, "Compare it with the batch of 64 above: which of its four numbers belongs to the batch?"
    )
    assert attempt == right, f"`batch_shape` is {attempt}. {advice}"


batch_shape = Exercise(
    batch_shape,
    verify_batch_shape,
    hints=(
        "Look at what the cell with `next(iter(train_dataloader))` printed for 64 images.",
        "Only N changes. Write the four numbers in parentheses, in the order N, C, H, W.",
    ),
)


# ------------------------------------------------------------------------------------------------------------- model


def count_by_formula(sizes):  # a list such as [784, 512, 512, 10] -> int
    total = 0
    for i in range(len(sizes) - 1):
        inputs, outputs = sizes[i], sizes[i + 1]
        total += inputs * outputs + outputs  # the weights and the biases
    return total


def verify_count_by_formula(attempt):
    expect_close(
        call(attempt, [4, 3, 5]),
        35,  # (4 * 3 + 3) + (3 * 5 + 5)
        mistakes={
            "these are the weights; each layer has one bias per output as well": 27,
            "a layer has one bias per output; you counted one per input": 34,
            "a layer has one bias per output; you counted one for the whole layer": 29,
            "the 4 inputs are no layer, so they have no biases": 39,
            "the last layer has biases, too": 30,
            "that is the first layer; add the others": 15,
            "that is the last layer; add the others": 20,
            "these are the layers one by one; add them up": [15, 20],
            "numbers of different layers are added, not multiplied": 300,
            "that is the number for [784, 512, 512, 10]; use the argument `sizes`": 669_706,
        },
        name="for [4, 3, 5], your result",
    )
    expect_close(
        call(attempt, [6, 2]),
        14,  # 6 * 2 + 2
        mistakes={"one layer counts, too: two sizes make one pair": 0},
        name="for [6, 2], your result",
    )
    expect_close(
        call(attempt, [2, 3, 1, 4]),
        21,  # (6 + 3) + (3 + 1) + (4 + 4)
        mistakes={"that is the first two layers; there may be any number of them": 13},
        name="for [2, 3, 1, 4], your result",
    )
    expect_close(call(attempt, [784, 512, 512, 10]), 669_706, name="for [784, 512, 512, 10], your result")


count_by_formula = Exercise(
    count_by_formula,
    verify_count_by_formula,
    hints=(
        "Each layer stands between two neighbours in the list: `sizes[i]` inputs and `sizes[i + 1]` outputs.",
        "Loop over the layers, and add inputs * outputs + outputs to a total that starts at 0.",
        "There is one layer fewer than there are sizes: `for i in range(len(sizes) - 1)`.",
    ),
)


# -------------------------------------------------------------------------------------------------------------- loss


def loss_by_hand(p):  # (N,) -> ()
    return -p.log().mean()


def verify_loss_by_hand(attempt):
    p = torch.tensor([0.5, 0.25, 0.125])
    costs = torch.tensor([1.0, 2.0, 3.0]) * math.log(2)  # by hand: -ln of 1/2, 1/4, 1/8
    expect_close(
        call(attempt, p),
        costs.mean(),
        mistakes={
            "the minus is missing: the logarithm of a number below 1 is negative": -costs.mean(),
            "you added them up; the loss is their mean": costs.sum(),
            "these are the costs of the single images; the loss is their mean": costs,
            "these are the logarithms of the single images; the loss is their mean, with a minus": -costs,
            "you took the logarithm of the mean. First the logarithm of each p, then the mean": -p.mean().log(),
            "that is the logarithm to base 10; `log` is the natural one, ln": -p.log10().mean(),
            "that is the logarithm to base 2; `log` is the natural one, ln": -p.log2().mean(),
            "that is how far p is from 1 on average; the cost of an image is -ln p": (1 - p).mean(),
            "the logarithm is missing: the cost of an image is -ln p": -p.mean(),
            "the number is right. Leave it a tensor, without `float` or `.item()`": costs.mean().item(),
        },
        name="for p = [0.5, 0.25, 0.125], your result",
    )
    expect_close(
        call(attempt, torch.tensor([1.0, 1.0, 1.0, math.exp(-2)])),
        torch.tensor(0.5),
        mistakes={
            "p may have any number of entries; you divided by 3": torch.tensor(2 / 3),
        },
        name="for p = [1, 1, 1, 0.1353], your result",
    )


loss_by_hand = Exercise(
    loss_by_hand,
    verify_loss_by_hand,
    hints=(
        "The logarithm of all numbers at once, without a loop: `p.log()`.",
        "Three steps: the logarithm of each p, the minus, the mean (`.mean()`).",
    ),
)


# ---------------------------------------------------------------------------------------------------------- training


def mean_per_example(losses, sizes):  # (B,), (B,) -> float
    return float((losses * sizes).sum() / sizes.sum())


def verify_mean_per_example(attempt):
    losses, sizes = torch.tensor([0.5, 2.0, 3.5]), torch.tensor([4, 3, 1])
    expect_close(
        call(attempt, losses, sizes),
        1.4375,  # (2 + 6 + 3.5) / 8
        mistakes={
            "that is the mean of the batch means, where an image of a short batch counts for more": 2.0,
            "that is the sum over all images; divide it by their number": 11.5,
            "you divided by the number of batches; divide by the number of images, `sizes.sum()`": 11.5 / 3,
            "each loss has to count as often as its batch has images: multiply by `sizes` before the sum": 0.75,
            "the number is right; `float(...)` takes it out of the tensor": torch.tensor(1.4375),
            "these are the parts of the batches; add them up": losses * sizes / 8,
            "`//` and `int` round down; divide with `/`": 1.0,
        },
        name="for the losses [0.5, 2, 3.5] and the sizes [4, 3, 1], your result",
    )
    expect_close(
        call(attempt, torch.tensor([1.0, 4.0]), torch.tensor([64, 32])),
        2.0,
        name="for the losses [1, 4] and the sizes [64, 32], your result",
    )
    expect_close(call(attempt, torch.tensor([3.0]), torch.tensor([5])), 3.0, name="for one batch, your result")


mean_per_example = Exercise(
    mean_per_example,
    verify_mean_per_example,
    hints=(
        "A mean times the number of what it is the mean of gives the sum.",
        "`losses * sizes` are the sums of all batches. Add them up, and divide by the number of all images.",
        "The two lines above this exercise that print means show the expression; `float(...)` goes around it.",
    ),
)


def repeat_batch(model, optimizer, images, labels, steps):  # -> [float, ...]
    loss_fn = nn.CrossEntropyLoss()
    losses = []
    for _ in range(steps):
        loss = loss_fn(model(images), labels)

        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

        losses.append(loss.item())
    return losses


RATE = 0.5


def descend(weight, images, labels, kept, scores=lambda logits: logits, rate=RATE):
    """Return the losses of some steps and the weight after them, without an optimizer.

    A gradient of ones is left over at the start; `kept` says for each step how much of the last gradient stays.
    """
    losses, gradient = [], torch.ones_like(weight)
    for keep in kept:
        weight = weight.detach().requires_grad_()
        loss = F.cross_entropy(scores(images @ weight.T), labels)
        gradient = keep * gradient + torch.autograd.grad(loss, weight)[0]
        weight = weight - rate * gradient
        losses.append(loss.item())
    return losses, weight.detach()


def verify_repeat_batch(attempt):
    images = torch.tensor([[1.0, 0.5, -1.0], [0.0, 2.0, 1.0], [-1.0, 1.0, 0.5], [2.0, 0.0, 1.5]])
    labels, start = torch.tensor([0, 1, 1, 0]), torch.tensor([[0.1, -0.2, 0.3], [0.2, 0.4, -0.1]])
    model = nn.Linear(3, 2, bias=False)
    model.weight = nn.Parameter(start.clone())
    model.weight.grad = torch.ones_like(start)  # left over from before
    losses = attempt(model, torch.optim.SGD(model.parameters(), lr=RATE), images, labels, 4)

    expected, weight = descend(start, images, labels, [0, 0, 0, 0])
    assert not model.weight.equal(start), (
        "The weights of `model` have not moved. Each step needs three calls, in this order: `optimizer.zero_grad()`, "
        "`loss.backward()`, `optimizer.step()`."
    )
    expect_close(
        model.weight,
        weight,
        mistakes={
            "nothing clears the gradients, so each `backward` adds to those of all steps before. Call "
            "`optimizer.zero_grad()` in each step": descend(start, images, labels, [1, 1, 1, 1])[1],
            "the gradients are cleared once only, and then each `backward` adds to those before. "
            "`optimizer.zero_grad()` belongs into the loop": descend(start, images, labels, [0, 1, 1, 1])[1],
            "the first step used a gradient that was left over from before the call. "
            "`optimizer.zero_grad()` belongs before `loss.backward()`": descend(start, images, labels, [1, 0, 0, 0])[1],
            "the model made one step; there should be as many as `steps` says": descend(start, images, labels, [0])[1],
            "use the optimizer that was passed in; yours has another learning rate": descend(
                start, images, labels, [0, 0, 0, 0], rate=1e-3
            )[1],
            "that is one step too many": descend(start, images, labels, [0] * 5)[1],
            "that is one step too few; there should be as many as `steps` says": descend(
                start, images, labels, [0] * 3
            )[1],
            "without `backward`, each step used the gradient that was left over from before the call": start - 4 * RATE,
            "`nn.CrossEntropyLoss` takes the logits; softmax is already in it": descend(
                start, images, labels, [0, 0, 0, 0], lambda logits: logits.softmax(dim=1)
            )[1],
        },
        name="after 4 steps, each of `zero_grad`, `backward` and `step`, the weight of the model",
    )
    after = descend(start, images, labels, [0] * 5)[0][1:]
    if isinstance(losses, list) and any(isinstance(loss, Tensor) for loss in losses):
        raise AssertionError(
            "The steps are right, but your list holds tensors, and each keeps what was stored to compute it. "
            "`loss.item()` is the number alone."
        )
    expect_close(
        losses,
        expected,
        mistakes={
            "these are the losses after the steps; the one of a step is computed before it": after,
            "the function returns the first loss alone. Its `return` belongs after the loop": expected[0],
            "the function returns the last loss alone; collect all of them in a list": expected[-1],
        },
        name="the steps are right, but what you return",
    )


repeat_batch = Exercise(
    repeat_batch,
    verify_repeat_batch,
    hints=(
        "The heart of `train_loop` is what you need: four lines, in a loop over `range(steps)`.",
        "Before the loop: `loss_fn = nn.CrossEntropyLoss()` and an empty list.",
        "The last line of the loop is `losses.append(loss.item())`, and after the loop comes `return losses`.",
    ),
)


# --------------------------------------------------------------------------------------------------------- measuring


def accuracy_of(logits, labels):  # (N, K), (N,) -> float
    predictions = logits.argmax(dim=1)  # (N,)
    return float((predictions == labels).float().mean())


def verify_accuracy_of(attempt):
    square = torch.tensor(
        [
            [0.5, 5.0, 0.1, 0.2, 0.3],
            [3.0, 0.4, 1.0, 0.2, 0.5],
            [0.3, 1.2, 0.5, 0.1, -1.0],
            [0.2, 0.5, 0.4, 2.0, 2.5],
            [0.1, -0.2, 0.6, 1.5, 0.7],
        ]
    )
    labels = torch.tensor([1, 0, 1, 4, 2])  # predicted: 1, 0, 1, 4, 3; along dim=0: 1, 0, 1, 3, 3
    hits = torch.tensor([True, True, True, True, False])
    each = (
        "that says for each image whether it is right; `.float().mean()` makes a share of it, and `float(...)` a number"
    )
    expect_close(
        call(attempt, square, labels),
        0.8,
        mistakes={
            "`dim=0` looks for the highest score of each class; you need that of each image, `dim=1`": 0.6,
            "without a `dim`, `argmax` finds one place in the whole table; you need one per image": 0.4,
            "that is the share of the wrong ones": 0.2,
            "`//` and `int` round down to 0; `/` divides. Or do you compare labels with scores, of `max`? `argmax` "
            "gives the classes": 0.0,
            "that is how many are right; divide by the number of images": 4,
            "that is the number of right ones; divide by the number of images": 4.0,
            "that is how many are right, as a tensor; divide by the number of images, and `float(...)` makes a "
            "Python number of it": torch.tensor(4),
            "that is in percent; a share lies between 0 and 1": 80.0,
            "the number is right; `float(...)` takes it out of the tensor": torch.tensor(0.8),
            each: hits,
            f"{each} of that": hits.float(),
        },
        name="for 5 images, 4 of them right, your result",
    )
    table = torch.tensor(
        [[2.0, 1.0, 0.0], [0.0, 1.0, 3.0], [1.0, 5.0, 2.0], [-1.0, -2.0, -3.0], [0.5, 0.6, 0.1]]
    )  # (5, 3)
    labels = torch.tensor([0, 2, 2, 1, 1])  # predicted: 0, 2, 1, 0, 1
    expect_close(
        call(attempt, table, labels),
        0.6,
        mistakes={"you divided by the number of classes; divide by the number of images": 1.0},
        name="for 5 images, 3 of them right, your result",
    )
    expect_close(call(attempt, table, 0 * labels), 0.4, name="for 5 images, 2 of them right, your result")


accuracy_of = Exercise(
    accuracy_of,
    verify_accuracy_of,
    hints=(
        "Which line of `test_loop` compares predictions with labels?",
        "`logits.argmax(dim=1)` are the predictions. No softmax is needed: the highest score is also the highest "
        "probability.",
        "`(predictions == labels).sum()` counts the right ones. Divide by `len(labels)`, and put `float(...)` around.",
    ),
)


# ------------------------------------------------------------------------------------------------------------ epochs


def fresh_start(learning_rate):  # float -> (model, optimizer)
    model = NeuralNetwork()
    optimizer = torch.optim.SGD(model.parameters(), lr=learning_rate)
    return model, optimizer


def verify_fresh_start(attempt):
    model, optimizer = take_pair(call(attempt, 0.03))
    rate = optimizer.param_groups[0]["lr"]
    found = f"The learning rate of the optimizer is {rate}, expected 0.03, as in the call"
    assert rate != 1e-3, f"{found}: say `lr=learning_rate`. Without it, or with a constant, the argument is lost."
    assert rate == 0.03, f"{found}."
    where = next(model.parameters()).device
    assert where.type == "cpu", f"The model is on the device {where}; leave it on the CPU, where it is made."
    own = {id(parameter) for parameter in model.parameters()}
    moved = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    assert own & moved, (
        "The optimizer was made for the parameters of another model, so its steps would never change the one that you "
        "return. Make one model, give it a name, and use that name twice."
    )
    assert own == moved, (
        "The optimizer has only some of the parameters of the model. `model.parameters()` is all of them."
    )
    again, _ = take_pair(call(attempt, 0.03))
    assert again is not model, (
        "Two calls returned the same model. A fresh start needs a new one, `NeuralNetwork()`, made in the function."
    )
    assert not next(again.parameters()).equal(next(model.parameters())), (
        "Two calls returned models with the same numbers. Leave the seed out: who calls the function may set one."
    )


def take_pair(result):
    """Return the model and the optimizer in `result`, or raise AssertionError if it is something else."""
    if not (isinstance(result, tuple | list) and len(result) == 2):
        found = "None" if result is None else f"an object of type {type(result).__name__}"
        advice = "Is a `return` missing?" if result is None else "`return model, optimizer` returns both."
        raise AssertionError(f"Your result is {found}, expected a pair, the model and the optimizer. {advice}")
    model, optimizer = result
    assert not isinstance(model, torch.optim.Optimizer), (
        "The optimizer comes first in your result; return the model first."
    )
    assert model is not NeuralNetwork, "Your first result is the class. Parentheses make a model: `NeuralNetwork()`."
    assert type(model).__name__ == "NeuralNetwork", (
        f"Your first result is of type {type(model).__name__}, expected a `NeuralNetwork`."
    )
    assert isinstance(optimizer, torch.optim.SGD), (
        f"Your second result is of type {type(optimizer).__name__}, expected an optimizer, `torch.optim.SGD`."
    )
    return model, optimizer


fresh_start = Exercise(
    fresh_start,
    verify_fresh_start,
    hints=(
        "The cell that trains begins with both: new model, new optimizer.",
        "The optimizer is told which numbers to move, `model.parameters()`, and how far, `lr=learning_rate`.",
    ),
)


# ----------------------------------------------------------------------------------------------------------- classes


def precision(predictions, labels, classes_count):  # (N,), (N,), int -> (K,)
    correct = (predictions == labels).float()  # (N,)
    shares = [correct[predictions == k].mean() for k in range(classes_count)]
    return torch.stack(shares)  # (K,)


def verify_precision(attempt):
    predictions = torch.tensor([0, 2, 0, 1, 0, 2, 1, 0, 2])
    labels = torch.tensor([0, 2, 1, 1, 1, 2, 1, 2, 0])
    expected = torch.tensor([1 / 4, 1.0, 2 / 3])
    expect_close(
        call(attempt, predictions, labels, 3),
        expected,
        mistakes={
            "that is the accuracy of each class, out of the images that belong to it. Take those that are "
            "*predicted* as class k": torch.tensor([1 / 2, 1 / 2, 2 / 3]),
            "these are the numbers of right guesses; divide each by how often the class is guessed": torch.tensor(
                [1.0, 2.0, 2.0]
            ),
            "you counted the right guesses; divide by how often the class is guessed": torch.tensor([1, 2, 2]),
            "that is class 0 alone. Collect one number per class, and put the `return` after the loop": expected[0],
            "you divided by the number of all images; divide by how often class k is guessed": torch.tensor(
                [1 / 9, 2 / 9, 2 / 9]
            ),
            "that is how often each class is guessed, right or wrong": torch.tensor([4 / 9, 2 / 9, 3 / 9]),
            "that is one accuracy for all classes; you need one number per class": torch.tensor(5 / 9),
            "classes are counted from 0, as `range(classes_count)` does": torch.tensor([1.0, 2 / 3, math.nan]),
            "there are `classes_count` classes, and not always ten": torch.cat([expected, torch.full((7,), math.nan)]),
            "the numbers are right, but they lie in a list; `torch.tensor(...)` makes a tensor of Python "
            "numbers": expected.tolist(),
            "the numbers are right, but they lie in a list; `torch.stack(...)` makes one tensor of many": list(
                expected
            ),
        },
    )
    predictions = torch.tensor([3, 3, 1, 0, 2, 2, 1, 3])
    labels = torch.tensor([3, 0, 1, 0, 1, 3, 1, 3])  # no image belongs to class 2
    expect_close(
        call(attempt, predictions, labels, 4),
        torch.tensor([1.0, 1.0, 0.0, 2 / 3]),
        mistakes={
            "no label is 2, but the model guesses 2; `range(classes_count)` leaves no class out": torch.tensor(
                [1.0, 1.0, 2 / 3]
            )
        },
        name="for four classes, your result",
    )


precision = Exercise(
    precision,
    verify_precision,
    hints=(
        "The cell that computes `class_accuracy` is nearly what you need. Which images does it choose for class k?",
        "`predictions == k` chooses the images that are taken for class k. What share of them is right?",
        "Collect `correct[predictions == k].mean()` for each k, and `torch.stack` makes a tensor of the list.",
    ),
)


# ------------------------------------------------------------------------------------------------------- save, load


def save_and_load(trained, fresh, file):  # two models, a path -> None
    torch.save(trained.state_dict(), file)
    state_dict = torch.load(file, weights_only=True)
    fresh.load_state_dict(state_dict)


def verify_save_and_load(attempt):
    trained, fresh = (nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)) for _ in range(2))
    learned, random = (copy_numbers(model) for model in (trained, fresh))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.pt"
        try:
            with patch.object(torch, "load", wraps=torch.load) as load:
                attempt(trained, fresh, file)
        except pickle.UnpicklingError:  # its message advises `weights_only=False`
            read_numbers(file)
            raise
        assert file.is_file(), "There is no file: `torch.save(what, file)` writes it."
        saved = read_numbers(file)
    assert not has(trained.state_dict(), random), (
        "Now `trained` has the numbers of `fresh`, and all that it had learned is gone. Save the state dict of "
        "`trained`, and load it into `fresh`."
    )
    assert has(trained.state_dict(), learned), "The numbers of `trained` have changed; it should stay as it was."
    assert not has(saved, random), "The file holds the numbers of `fresh`; those of `trained` are worth keeping."
    assert has(saved, learned), (
        "The file does not hold the state dict of `trained`, as `trained.state_dict()` gives it."
    )
    assert not has(fresh.state_dict(), random), (
        "The file is right, but the numbers of `fresh` have not changed. `fresh.load_state_dict(...)` puts those from "
        "the file in; giving the name `fresh` to something else does not reach the caller's model."
    )
    assert has(fresh.state_dict(), learned), "The numbers of `fresh` have changed, but not to those of `trained`."
    assert all(reading.kwargs.get("weights_only", True) for reading in load.mock_calls), (
        "The numbers are right, but `weights_only=False` would also run code that hides in a file. Read it with "
        "`weights_only=True`."
    )


def copy_numbers(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def read_numbers(file):
    """Return what was saved, or raise AssertionError if it is more than tensors."""
    try:
        return torch.load(file, weights_only=True)
    except pickle.UnpicklingError as error:
        raise AssertionError(
            "`weights_only=True` refuses to read what is in the file, as it does for a whole model. Save "
            "`trained.state_dict()`, with its parentheses."
        ) from error


def has(found, numbers):
    """Return whether `found` is a state dict with the names and the values of `numbers`."""
    if not isinstance(found, dict) or found.keys() != numbers.keys():
        return False
    return all(isinstance(found[name], Tensor) and found[name].equal(numbers[name]) for name in numbers)


save_and_load = Exercise(
    save_and_load,
    verify_save_and_load,
    hints=(
        "Three lines: write a state dict, read it, load it into the other model.",
        "`torch.save(what, file)` writes, `torch.load(file, weights_only=True)` returns what was written.",
        "A model takes in a state dict with `fresh.load_state_dict(state_dict)`.",
    ),
)


# --------------------------------------------------------------------------------------------------------- one image


def predict_one(model, image, classes):  # (C, H, W) -> (name, probability)
    model.eval()
    with torch.no_grad():
        logits = model(image.unsqueeze(0))  # (1, C, H, W) -> (1, K)
    probabilities = logits.softmax(dim=1)[0]  # (K,)
    predicted = int(probabilities.argmax())
    return classes[predicted], float(probabilities[predicted])


class Witness(nn.Module):
    """A model that gives every image the same logits, and writes down how it was asked."""

    def __init__(self, logits):
        super().__init__()
        self.logits = nn.Parameter(logits)  # (K,)
        self.asked = []

    def forward(self, images):
        self.asked.append((tuple(images.shape), self.training, torch.is_grad_enabled()))
        return self.logits.repeat(len(images), 1)  # (N, K)


def verify_predict_one(attempt):
    image = torch.arange(12.0).reshape(2, 2, 3)
    for weights, names in (
        ([1.0, 6.0, 3.0], ["ant", "bee", "cat"]),
        ([2.0, 1.0, 4.0, 13.0], ["oak", "elm", "fir", "yew"]),
    ):
        logits = torch.tensor(weights).log() + 2  # e to the power of each is in the ratio of the weights
        model = Witness(logits)
        result = attempt(model, image.clone(), names)
        expect_asked_well(model, image)
        best = max(weights)
        k, probability = weights.index(best), best / sum(weights)
        name, score = names[k], float(logits[k])
        expect_close(
            tuple(result) if isinstance(result, list) else result,
            (name, probability),
            mistakes={
                "the second one is the logit, a score; softmax makes probabilities of all of them": (name, score),
                "the first one is the number of the class; `classes` has its name": (k, probability),
                "the first one is the number of the class, as a tensor; `int(...)` makes a Python number of it, and "
                "`classes` has the name": (torch.tensor(k), probability),
                "the two have changed places; the name comes first": (probability, name),
                "`softmax(dim=0)` runs over the images of the batch, and there is one; `dim=1` runs over the classes": (
                    names[0],
                    1.0,
                ),
                "the probability is that of `softmax(dim=0)`, over the images of the batch, and there is one; "
                "`dim=1` runs over the classes": (name, 1.0),
                "sigmoid looks at each score alone; softmax shares 1 out among all classes": (
                    name,
                    float(logits[k].sigmoid()),
                ),
                "that is the logarithm of the probability": (name, math.log(probability)),
                "that is in percent; a probability lies between 0 and 1": (name, 100 * probability),
                "that is the class with the lowest score": (
                    names[weights.index(min(weights))],
                    min(weights) / sum(weights),
                ),
                "the second one is still a tensor. `float(...)` makes a Python number of it": (
                    name,
                    torch.tensor(probability),
                ),
                "return the probability as well: `return name, probability`": name,
            },
        )


def expect_asked_well(model, image):
    """Raise AssertionError unless the Witness `model` got a batch of one image, in eval mode and without gradients."""
    assert model.asked, "Your function does not call the model: `model(...)` gives the logits."
    shape, training, gradients = model.asked[-1]
    assert shape == (1, *image.shape), (
        f"The model got a tensor of shape {shape}, expected {(1, *image.shape)}, a batch of one. `unsqueeze(0)` adds "
        "the dimension of the batch in front."
    )
    assert not training, "The model was in training mode when it was asked. Call `model.eval()` first."
    assert not gradients, (
        "Nothing is learned here, but gradients were prepared. Call the model in a block `with torch.no_grad():`."
    )


predict_one = Exercise(
    predict_one,
    verify_predict_one,
    hints=(
        "The first cell of this section does nearly all of it, for `fresh_model` and the first test image.",
        "In this order: `model.eval()`, `torch.no_grad()`, `image.unsqueeze(0)`, the logits, `softmax(dim=1)`, row 0.",
        "`argmax` of the probabilities is the number of the class; take its name from `classes` and its probability "
        "from the row.",
    ),
)
