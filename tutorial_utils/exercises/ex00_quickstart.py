"""The exercises of notebook 00, a whole program."""

import math
import pickle
import tempfile
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tutorial_utils.exercises.cases import case
from tutorial_utils.exercises.compare import Words
from tutorial_utils.exercises.exercise import exercise
from tutorial_utils.exercises.observe import gradients, in_training, kind_of, learning, numbers
from tutorial_utils.exercises.rules import keeps_arguments
from tutorial_utils.models import NeuralNetwork

# -------------------------------------------------------------------------------------------------------------- data


def shape_in_words(attempt):
    """Observe a shape without giving the right one away."""
    found = attempt()
    if isinstance(found, Tensor):
        return {"`batch_shape`": Words(f"a tensor of shape {tuple(found.shape)}"), "its parts": None}
    if not isinstance(found, tuple | list):
        return {"`batch_shape`": Words(f"of type {type(found).__name__}"), "its parts": None}
    right = (32, 1, 28, 28)
    if tuple(found) == right:
        return {"`batch_shape`": Words("the shape of a batch of 32 images"), "its parts": right}
    return {"`batch_shape`": Words(f"{tuple(found)}"), "its parts": tuple(found)}


@exercise(
    hints=(
        "Look at what the cell with `next(iter(train_dataloader))` printed for 64 images.",
        "Only N changes. Write the four numbers in parentheses, in the order N, C, H, W.",
    ),
    observe=shape_in_words,
)
def batch_shape():
    return (32, 1, 28, 28)  # (N, C, H, W)


batch_shape.example(gives={"its parts": (32, 1, 28, 28)})  # 64 became 32
batch_shape.mistakes(
    {
        "that is one image. A batch of them has one dimension more, in front": lambda: (1, 28, 28),
        "C is missing: grey images have one channel, and its 1 is part of the shape": lambda: (32, 28, 28),
        "the channels come last here; PyTorch puts them right after N": lambda: (32, 28, 28, 1),
        "N and C have changed places: the batch comes first": lambda: (1, 32, 28, 28),
        "that is the batch above, of 64 images. How many are there in yours?": lambda: (64, 1, 28, 28),
        "three channels are red, green and blue; these images are grey": lambda: (32, 3, 28, 28),
        "the rows of each image are still below one another: H and W are two dimensions": lambda: (32, 1, 784),
        "that is what `Flatten` will make of the batch. The DataLoader keeps C, H and W apart": lambda: (32, 784),
        "that is the shape of the labels. The images have four dimensions": lambda: (32,),
        "the shape alone is asked for: four numbers in parentheses": lambda: torch.zeros(32, 1, 28, 28),
        "four numbers in parentheses are asked for, with commas between them": lambda: 32 * 1 * 28 * 28,
        "that is how many numbers there are in all; the shape has one for each dimension": lambda: (32 * 1 * 28 * 28,),
    }
)


# ------------------------------------------------------------------------------------------------------------- model


@exercise(
    hints=(
        "Each layer stands between two neighbours in the list: `sizes[i]` inputs and `sizes[i + 1]` outputs.",
        "Loop over the layers, and add inputs * outputs + outputs to a total that starts at 0.",
        "There is one layer fewer than there are sizes: `for i in range(len(sizes) - 1)`.",
    ),
    rules=(keeps_arguments,),
)
def count_by_formula(sizes):  # a list such as [784, 512, 512, 10] -> int
    total = 0
    for i in range(len(sizes) - 1):
        inputs, outputs = sizes[i], sizes[i + 1]
        total += inputs * outputs + outputs  # the weights and the biases
    return total


count_by_formula.example([3, 2, 1], gives=11)  # 3 * 2 + 2 and 2 * 1 + 1


@count_by_formula.inputs
def lists_of_sizes():
    for sizes in [4, 3, 5], [6, 2], [2, 3, 1, 4], [5, 5, 5], [1, 1], [7, 2, 3, 3, 3, 10], [784, 512, 512, 10]:
        yield (sizes,)


def count_and_return_in_the_loop(sizes):
    for a, b in pairwise(sizes):
        return a * b + b


count_by_formula.mistakes(
    {
        "these are the weights; each layer has one bias per output as well": lambda sizes: sum(
            a * b for a, b in pairwise(sizes)
        ),
        "a layer has one bias per output; you counted one per input": lambda sizes: sum(
            a * b + a for a, b in pairwise(sizes)
        ),
        "a layer has one bias per output; you counted one for the whole layer": lambda sizes: sum(
            a * b + 1 for a, b in pairwise(sizes)
        ),
        "a layer has one bias per output; you counted one for the whole network": lambda sizes: (
            sum(a * b for a, b in pairwise(sizes)) + 1
        ),
        "the inputs of the first layer are no outputs of a layer, so they have no biases": lambda sizes: (
            sum(a * b for a, b in pairwise(sizes)) + sum(sizes)
        ),
        "the last layer has biases, too": lambda sizes: sum(a * b for a, b in pairwise(sizes)) + sum(sizes[1:-1]),
        "those are the biases; each layer has inputs * outputs weights as well": lambda sizes: sum(sizes[1:]),
        "that is the first layer; add the others": count_and_return_in_the_loop,
        "that is the last layer; add the others": lambda sizes: (sizes[-2] + 1) * sizes[-1],
        "that is all but the last layer: there is one layer fewer than there are sizes, not two": lambda sizes: sum(
            a * b + b for a, b in pairwise(sizes[:-1])
        ),
        "that is all but the first layer": lambda sizes: sum(a * b + b for a, b in pairwise(sizes[1:])),
        "that is right for two layers and three sizes; there may be any number of them": lambda sizes: (
            (sizes[0] + 1) * sizes[1] + (sizes[1] + 1) * sizes[2]
        ),
        "these are the first two layers; there may be any number of them": lambda sizes: sum(
            a * b + b for a, b in list(pairwise(sizes))[:2]
        ),
        "these are the layers one by one; add them up": lambda sizes: [a * b + b for a, b in pairwise(sizes)],
        "the numbers of the layers are added, not multiplied": lambda sizes: math.prod(
            a * b + b for a, b in pairwise(sizes)
        ),
        "a layer has inputs * outputs weights; you added the two": lambda sizes: sum(
            a + b + b for a, b in pairwise(sizes)
        ),
        "that is the number for [784, 512, 512, 10]; use the argument `sizes`": lambda sizes: 669_706,
        "a number of weights is whole, an int: multiply and add, without `/` and `float`": lambda sizes: float(
            sum(a * b + b for a, b in pairwise(sizes))
        ),
    }
)


@count_by_formula.mistake("`range(len(sizes))` goes one too far: the last size has no neighbour to its right")
def count_too_far(sizes):
    return sum(sizes[i] * sizes[i + 1] + sizes[i + 1] for i in range(len(sizes)))


# -------------------------------------------------------------------------------------------------------------- loss


@exercise(
    hints=(
        "The logarithm of all numbers at once, without a loop: `p.log()`.",
        "Three steps: the logarithm of each p, the minus, the mean (`.mean()`).",
    ),
    rules=(keeps_arguments,),
    further="The logarithm of the product of all p is the sum of their logarithms; but the product of a thousand "
    "probabilities is 0 in float32, so every program adds logarithms.",
)
def loss_by_hand(p):  # (N,) -> ()
    return -p.log().mean()


loss_by_hand.example(torch.tensor([0.5, 0.25]), gives=torch.tensor(1.0397))  # (0.6931 + 1.3863) / 2


@loss_by_hand.inputs
def probabilities():
    yield (torch.tensor([0.5, 0.25, 0.125]),)
    yield (torch.tensor([1.0, 1.0, 1.0, math.exp(-2)]),)
    yield (torch.tensor([0.3]),)
    yield (torch.full((5,), 0.7),)
    yield (torch.rand(40) * 0.9 + 0.05,)
    yield (torch.full((2_000,), 0.01),)  # whose product is 0 in float32


loss_by_hand.mistakes(
    {
        "the minus is missing: the logarithm of a number below 1 is negative": lambda p: p.log().mean(),
        "you added them up; the loss is their mean": lambda p: -p.log().sum(),
        "these are the costs of the single images; the loss is their mean": lambda p: -p.log(),
        "these are the logarithms of the single images; the loss is their mean, with a minus": lambda p: p.log(),
        "you took the logarithm of the mean. First the logarithm of each p, then the mean": lambda p: -p.mean().log(),
        "that is the logarithm of the product, which becomes 0, and its logarithm infinite, for many images. Take the "
        "mean of the logarithms": lambda p: -p.prod().log() / len(p),
        "that is the logarithm of the product; take the mean of the logarithms": lambda p: -p.prod().log(),
        "that is the logarithm to base 10; `log` is the natural one, ln": lambda p: -p.log10().mean(),
        "that is the logarithm to base 2; `log` is the natural one, ln": lambda p: -p.log2().mean(),
        "that is how far p is from 1 on average; the cost of an image is -ln p": lambda p: (1 - p).mean(),
        "the logarithm is missing: the cost of an image is -ln p": lambda p: -p.mean(),
        "the minus stands inside the logarithm, and that of a negative number is nan": lambda p: (-p).log().mean(),
        "that is ln(1 - p), the cost of all the other classes; take -ln p": lambda p: -(1 - p).log().mean(),
        "the mean divides by N, and not by a fixed number such as 2": lambda p: -p.log().sum() / 2,
        "a cross-entropy with itself weighs each logarithm by p. Here every image counts alike": lambda p: (
            -(p * p.log()).mean()
        ),
        "the number is right. Leave it a tensor, without `float` or `.item()`": lambda p: -p.log().mean().item(),
        "the number is right, in a list of one: the shape is (), without a dimension": lambda p: (
            -p.log().mean(0, keepdim=True)
        ),
    }
)


# ---------------------------------------------------------------------------------------------------------- training


@exercise(
    hints=(
        "A mean times the number of what it is the mean of gives the sum.",
        "`losses * sizes` are the sums of all batches. Add them up, and divide by the number of all images.",
        "The two lines above this exercise that print means show the expression; `float(...)` goes around it.",
    ),
    rules=(keeps_arguments,),
)
def mean_per_example(losses, sizes):  # (B,), (B,) -> float
    return float((losses * sizes).sum() / sizes.sum())


mean_per_example.example(torch.tensor([2.0, 5.0]), torch.tensor([3, 1]), gives=2.75)  # (2 + 2 + 2 + 5) / 4


@mean_per_example.inputs
def batches_of_losses():
    yield torch.tensor([0.5, 2.0, 3.5]), torch.tensor([4, 3, 1])
    yield torch.tensor([1.0, 4.0]), torch.tensor([64, 32])
    yield torch.tensor([3.0]), torch.tensor([5])
    yield torch.rand(50) + 0.5, torch.cat([torch.full((49,), 64), torch.tensor([17])])
    yield torch.tensor([0.0, 0.25, 0.75, 2.0]), torch.tensor([2, 2, 2, 2])


mean_per_example.mistakes(
    {
        "that is the mean of the batch means, where an image of a short batch counts for more": lambda losses, sizes: (
            float(losses.mean())
        ),
        "that is the sum over all images; divide it by their number": lambda losses, sizes: float(
            (losses * sizes).sum()
        ),
        "you divided by the number of batches; divide by the number of images, `sizes.sum()`": lambda losses, sizes: (
            float((losses * sizes).sum() / len(losses))
        ),
        "each loss has to count as often as its batch has images: multiply by `sizes` before the sum": lambda a, b: (
            float(a.sum() / b.sum())
        ),
        "the number is right; `float(...)` takes it out of the tensor": lambda losses, sizes: (
            (losses * sizes).sum() / sizes.sum()
        ),
        "these are the parts of the batches; add them up": lambda losses, sizes: losses * sizes / sizes.sum(),
        "what follows the decimal point is cut off, as by `//` or `int`; divide with `/`": lambda losses, sizes: float(
            (losses * sizes).sum() // sizes.sum()
        ),
        "each loss was divided by the size of its batch; it is a mean already, so multiply": lambda losses, sizes: (
            float((losses / sizes).sum())
        ),
        "the loss of the last batch is missing": lambda losses, sizes: float((losses * sizes)[:-1].sum() / sizes.sum()),
        "that is the first batch alone": lambda losses, sizes: float(losses[0]),
        "you divided by the size of one batch; divide by the number of all images, `sizes.sum()`": lambda a, b: float(
            (a * b).sum() / b[0]
        ),
        "every batch was counted as large as the first": lambda losses, sizes: float(
            losses.sum() * sizes[0] / sizes.sum()
        ),
    }
)


RATE = 0.5
STEPS = "Each step needs three calls: `optimizer.zero_grad()`, `loss.backward()`, `optimizer.step()`"


class Recorder(torch.optim.SGD):
    """SGD that writes down, in `calls`, what is called."""

    def __init__(self, model, lr):
        super().__init__(model.parameters(), lr=lr)
        self.calls = []
        model.weight.register_post_accumulate_grad_hook(lambda _: self.calls.append("backward"))

    def zero_grad(self, set_to_none=True):
        self.calls.append("zero_grad")
        super().zero_grad(set_to_none)

    def step(self, closure=None):
        self.calls.append("step")
        return super().step(closure)


def train_on(attempt, images, labels, start, left_over, steps):
    """Observe what an attempt returns, and what becomes of a model of one layer, of which a gradient is left over."""
    model = nn.Linear(images.shape[1], len(start), bias=False)
    model.weight = nn.Parameter(start.clone())
    model.weight.grad = left_over.clone()
    optimizer = Recorder(model, RATE)
    losses = attempt(model, optimizer, images, labels, steps)
    if model.weight.equal(start):
        return {"the weight of the model": start, "the calls": tuple(optimizer.calls[:3])}
    held = isinstance(losses, list) and any(isinstance(loss, Tensor) for loss in losses)
    return {
        "the weight of the model": model.weight.detach().clone(),
        "your result": Words("a list of tensors") if held else losses,
        "after your code, the list of modules in training mode": in_training(model),
    }


@exercise(
    hints=(
        "The heart of `train_loop` is what you need: four lines, in a loop over `range(steps)`.",
        "Before the loop: `loss_fn = nn.CrossEntropyLoss()` and an empty list.",
        "The last line of the loop is `losses.append(loss.item())`, and after the loop comes `return losses`.",
    ),
    observe=train_on,
    further="Training code is tried in this way first: a model that cannot learn one batch by heart learns nothing.",
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


repeat_batch.example(
    torch.tensor([[1.0]]),
    torch.tensor([0]),
    torch.zeros(2, 1),
    torch.tensor([[1.0], [-2.0]]),
    1,
    name="after 1 step on one image, with lr=0.5",
    # Both logits are 0, so the loss is ln 2, the probabilities are 1/2, and the gradient is (1/2 - 1, 1/2).
    gives={"the weight of the model": torch.tensor([[0.25], [-0.25]]), "your result": [0.6931]},
)


@repeat_batch.inputs
def batches_and_steps():
    for steps, size, classes in (4, 4, 2), (2, 7, 3), (3, 1, 5):
        images, labels = torch.randn(size, 3), torch.randint(classes, (size,))
        start, left_over = torch.randn(classes, 3), torch.randn(classes, 3)
        yield case(
            images, labels, start, left_over, steps, name=f"after {steps} steps on a batch of {size}, with lr=0.5"
        )


def step_by_step(*order, first=(), scores=lambda logits: logits, more=0, loss_of=None, give=lambda losses: losses):
    """Return an attempt that makes the calls in `order` in each step, and those in `first` before the first."""

    def attempt(model, optimizer, images, labels, steps):
        def find_loss():
            return F.cross_entropy(scores(model(images)), labels)

        calls = {"zero_grad": optimizer.zero_grad, "step": optimizer.step}
        losses = []
        for name in first:
            calls[name]()
        for _ in range(max(0, steps + more)):
            loss = find_loss()
            for name in order:
                loss.backward() if name == "backward" else calls[name]()
            losses.append((find_loss() if loss_of == "after" else loss).item())
        return give(losses)

    return attempt


USUAL = "zero_grad", "backward", "step"
repeat_batch.mistakes(
    {
        "nothing clears the gradients, so each `backward` adds to those of all steps before. Call "
        "`optimizer.zero_grad()` in each step": step_by_step("backward", "step"),
        "the gradients are cleared once only, and then each `backward` adds to those before. `optimizer.zero_grad()` "
        "belongs inside the loop": step_by_step("backward", "step", first=["zero_grad"]),
        "the first step used a gradient that was left over from before the call. `optimizer.zero_grad()` belongs "
        "before `loss.backward()`": step_by_step("backward", "step", "zero_grad"),
        f"`zero_grad` stands between `backward` and `step`, so the weights have not moved. {STEPS}": step_by_step(
            "backward", "zero_grad", "step"
        ),
        f"`optimizer.step()` is missing, so the weights have not moved. {STEPS}": step_by_step("zero_grad", "backward"),
        f"`optimizer.step()` is missing, so the weights have not moved; and nothing clears the gradients. {STEPS}": (
            step_by_step("backward")
        ),
        f"`loss.backward()` is missing, so each step used the gradient from before the call. {STEPS}": step_by_step(
            "step"
        ),
        f"`optimizer.step()` comes before `loss.backward()`, and uses an old gradient. {STEPS}": step_by_step(
            "step", "zero_grad", "backward"
        ),
        f"`loss.backward()` is missing, so there is no gradient, and the weights have not moved. {STEPS}": step_by_step(
            "zero_grad", "step"
        ),
        f"`optimizer.step()` comes right after `zero_grad`, when there is no gradient. {STEPS}": step_by_step(
            "zero_grad", "step", "backward"
        ),
        "that is one step too many": step_by_step(*USUAL, more=1),
        "that is one step too few; there should be as many as `steps` says": step_by_step(*USUAL, more=-1),
        "the model made one step; there should be as many as `steps` says. Does the `return` stand in the loop?": (
            lambda model, optimizer, images, labels, steps: step_by_step(*USUAL)(model, optimizer, images, labels, 1)
        ),
        "use the optimizer that was passed in; yours has another learning rate": (
            lambda model, optimizer, images, labels, steps: step_by_step(*USUAL)(
                model, torch.optim.SGD(model.parameters(), lr=1e-3), images, labels, steps
            )
        ),
        "`nn.CrossEntropyLoss` takes the logits; softmax is already in it": step_by_step(
            *USUAL, scores=lambda logits: logits.softmax(dim=1)
        ),
        "the model is right, but these are the losses after the steps; the one of a step is computed before it": (
            step_by_step(*USUAL, loss_of="after")
        ),
        "the model is right, but you return the first loss alone. The `return` belongs after the loop": step_by_step(
            *USUAL, give=lambda losses: losses[0]
        ),
        "the model is right, but you return the last loss alone; collect all of them in a list": step_by_step(
            *USUAL, give=lambda losses: losses[-1]
        ),
        "the model is right, but you return the mean of the losses; collect them in a list": step_by_step(
            *USUAL, give=lambda losses: sum(losses) / len(losses)
        ),
        "the model is right, but the losses come as one tensor; a list of Python floats is asked for": step_by_step(
            *USUAL, give=torch.tensor
        ),
        "the model is right; is a `return` missing at the end?": step_by_step(*USUAL, give=lambda losses: None),
    }
)


@repeat_batch.mistake("each of them keeps what was stored to compute it; `loss.item()` is the number alone")
def keep_tensors(model, optimizer, images, labels, steps):
    losses = []
    for _ in range(steps):
        loss = F.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss)
    return losses


# --------------------------------------------------------------------------------------------------------- measuring


@exercise(
    hints=(
        "Which line of `test_loop` compares predictions with labels?",
        "`logits.argmax(dim=1)` are the predictions. No softmax is needed: the highest score is also the highest "
        "probability.",
        "`(predictions == labels).sum()` counts the right ones. Divide by `len(labels)`, and put `float(...)` around.",
    ),
    rules=(keeps_arguments,),
)
def accuracy_of(logits, labels):  # (N, K), (N,) -> float
    predictions = logits.argmax(dim=1)  # (N,)
    return float((predictions == labels).float().mean())


accuracy_of.example(
    torch.tensor([[1.0, 3.0, 2.0], [0.5, -1.0, 0.0]]), torch.tensor([1, 2]), gives=0.5
)  # predicted: 1 and 0


@accuracy_of.inputs
def scores_and_labels():
    square = torch.tensor(
        [
            [0.5, 5.0, 0.1, 0.2, 0.3],
            [3.0, 0.4, 1.0, 0.2, 0.5],
            [0.3, 1.2, 0.5, 0.1, -1.0],
            [0.2, 0.5, 0.4, 2.0, 2.5],
            [0.1, -0.2, 0.6, 1.5, 0.7],
        ]
    )
    yield square, torch.tensor([1, 0, 1, 4, 2])  # predicted: 1, 0, 1, 4, 3; down the columns: 1, 0, 1, 3, 3
    for size, classes in (7, 3), (40, 10), (3, 7):
        logits = 4 * torch.randn(size, classes) - 2
        labels = logits.argmax(dim=1)
        labels[::3] = (labels[::3] + 1) % classes
        yield logits, labels
    yield torch.tensor([[-3.0, -1.0]]), torch.tensor([1])
    yield torch.tensor([[1.0, 2.0], [4.0, 3.0]]), torch.tensor([0, 1])


def compare_with(predict):
    return lambda logits, labels: float((predict(logits) == labels).float().mean())


accuracy_of.mistakes(
    {
        "`dim=0` looks for the highest score of each class, and there is another number of classes than of images; you "
        "need that of each image, `dim=1`": compare_with(lambda logits: logits.argmax(dim=0)),
        "without a `dim`, `argmax` finds one place in the whole table; you need one per image": compare_with(
            torch.argmax
        ),
        "labels are compared with scores, which `max` gives first; `argmax` gives the classes": compare_with(
            lambda logits: logits.amax(dim=1)
        ),
        "that is the lowest score of each image; take the highest, `argmax`": compare_with(
            lambda logits: logits.argmin(dim=1)
        ),
        "classes count from 0, as the places that `argmax` gives": compare_with(
            lambda logits: logits.argmax(dim=1) + 1
        ),
        "that is the share of the wrong ones": lambda logits, labels: float(
            (logits.argmax(1) != labels).float().mean()
        ),
        "what follows the decimal point is cut off, as by `//` or `int`; `/` divides": lambda logits, labels: float(
            (logits.argmax(1) == labels).sum() // len(labels)
        ),
        "that is how many are right; divide by the number of images": lambda logits, labels: int(
            (logits.argmax(1) == labels).sum()
        ),
        "that is the number of right ones; divide by the number of images": lambda logits, labels: float(
            (logits.argmax(1) == labels).sum()
        ),
        "that is how many are right, as a tensor; divide by the number of images, and `float(...)` makes a Python "
        "number of it": lambda logits, labels: (logits.argmax(1) == labels).sum(),
        "the number is right; `float(...)` takes it out of the tensor": lambda logits, labels: (
            (logits.argmax(1) == labels).float().mean()
        ),
        "that is in percent; a share lies between 0 and 1": lambda logits, labels: (
            100 * float((logits.argmax(1) == labels).float().mean())
        ),
        "that says for each image whether it is right; `.float().mean()` makes a share of it, `float(...)` a number": (
            lambda logits, labels: logits.argmax(1) == labels
        ),
        "you divided by the number of classes; divide by the number of images": lambda logits, labels: (
            float((logits.argmax(1) == labels).sum()) / logits.shape[1]
        ),
        "you divided by the number of all scores; divide by the number of images": lambda logits, labels: (
            float((logits.argmax(1) == labels).sum()) / logits.numel()
        ),
        "that looks at the first image alone": lambda logits, labels: float(logits[0].argmax() == labels[0]),
        "a `return` inside the loop divides the count after the first image": lambda logits, labels: (
            float(logits[0].argmax() == labels[0]) / len(labels)
        ),
    }
)


# ------------------------------------------------------------------------------------------------------------ epochs


def make_two(attempt, learning_rate):
    """Observe two calls: what they return, what the optimizers move, and whether they begin differently."""
    result, again = attempt(learning_rate), attempt(learning_rate)
    observed = {"your result": Words("a pair, the model and the optimizer")}
    if not (isinstance(result, tuple | list) and len(result) == 2):
        return {"your result": Words(kind_of(result))}
    kinds = [
        "the optimizer"
        if isinstance(part, torch.optim.SGD)
        else "the model"
        if type(part) is NeuralNetwork
        else f"the class {part.__name__}"
        if isinstance(part, type)
        else kind_of(part)
        for part in result
    ]
    if kinds != ["the model", "the optimizer"]:
        return {"your result": Words(f"a pair, {kinds[0]} and {kinds[1]}")}
    model, optimizer = result
    where = next(model.parameters()).device.type
    if where != "cpu":
        return observed | {"the device of the model": Words(where)}
    own = {id(parameter) for parameter in model.parameters()}
    moved = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    which = (
        "all parameters of the model"
        if own == moved
        else "some parameters of the model"
        if own & moved
        else ("parameters of another model")
    )
    return observed | {
        "the device of the model": Words(where),
        "the learning rate of the optimizer": optimizer.param_groups[0]["lr"],
        "the momentum of the optimizer": optimizer.param_groups[0]["momentum"],
        "what the optimizer moves": Words(which),
        "the parameters that learn": learning(model),
        "the second model": Words("the first model again" if again[0] is model else "another model"),
        "its numbers": Words(
            "the same" if next(again[0].parameters()).equal(next(model.parameters())) else "other random ones"
        ),
        "the modules in training mode": in_training(model),
    }


@exercise(
    hints=(
        "The cell that trains begins with both: new model, new optimizer.",
        "The optimizer is told which numbers to move, `model.parameters()`, and how far, `lr=learning_rate`.",
    ),
    observe=make_two,
)
def fresh_start(learning_rate):  # float -> (model, optimizer)
    model = NeuralNetwork()
    optimizer = torch.optim.SGD(model.parameters(), lr=learning_rate)
    return model, optimizer


fresh_start.example(0.1, gives={"the learning rate of the optimizer": 0.1, "the second model": Words("another model")})


@fresh_start.inputs
def learning_rates():
    yield (0.03,)
    yield (1.0,)


def start(learning_rate, model=None, owner=None):
    model = model or NeuralNetwork()
    return model, torch.optim.SGD((owner or model).parameters(), lr=learning_rate)


SHARED = NeuralNetwork()
fresh_start.mistakes(
    {
        "say `lr=learning_rate`; without it the rate is 0.001, and the argument is lost": lambda rate: start(1e-3),
        "its steps would never change the model that you return. Make one model, and use its name twice": (
            lambda rate: start(rate, owner=NeuralNetwork())
        ),
        "`model.parameters()` is all of them": lambda rate: (
            (model := NeuralNetwork()),
            torch.optim.SGD(model.linear_relu_stack[4].parameters(), lr=rate),
        ),
        "a fresh start needs a new one, `NeuralNetwork()`, made in the function": lambda rate: start(rate, SHARED),
        "leave the seed out: who calls the function may set one": lambda rate: torch.manual_seed(0) and start(rate),
        "leave it on the CPU, where it is made": lambda rate: start(rate, NeuralNetwork().to("meta")),
        "return the model first": lambda rate: start(rate)[::-1],
        "parentheses make a model: `NeuralNetwork()`": lambda rate: (NeuralNetwork, start(rate)[1]),
        "`return model, optimizer` returns both": lambda rate: NeuralNetwork(),
        "`return model, optimizer` returns both, and you return the second": lambda rate: start(rate)[1],
        "is a `return` missing?": lambda rate: None,
        "`torch.optim.SGD` was asked for": lambda rate: (
            (model := NeuralNetwork()),
            torch.optim.Adam(model.parameters(), lr=rate),
        ),
    }
)


# ----------------------------------------------------------------------------------------------------------- classes


@exercise(
    hints=(
        "The cell that computes `class_accuracy` is nearly what you need. Which images does it choose for class k?",
        "`predictions == k` chooses the images that are taken for class k. What share of them is right?",
        "Collect `correct[predictions == k].mean()` for each k, and `torch.stack` makes a tensor of the list.",
    ),
    rules=(keeps_arguments,),
)
def precision(predictions, labels, classes_count):  # (N,), (N,), int -> (K,)
    correct = (predictions == labels).float()  # (N,)
    shares = [correct[predictions == k].mean() for k in range(classes_count)]
    return torch.stack(shares)  # (K,)


precision.example(
    torch.tensor([0, 0, 1, 0]), torch.tensor([0, 1, 1, 1]), 2, gives=torch.tensor([1 / 3, 1.0])
)  # class 0 is guessed three times


@precision.inputs
def guesses():
    yield torch.tensor([0, 2, 0, 1, 0, 2, 1, 0, 2]), torch.tensor([0, 2, 1, 1, 1, 2, 1, 2, 0]), 3
    yield (
        torch.tensor([3, 3, 1, 0, 2, 2, 1, 3]),
        torch.tensor([3, 0, 1, 0, 1, 3, 1, 3]),
        4,
    )  # nothing belongs to class 2
    yield torch.tensor([0, 0, 0]), torch.tensor([0, 0, 0]), 1
    predictions = torch.cat([torch.arange(12), torch.randint(12, (60,))])
    yield predictions, torch.where(torch.rand(72) < 0.6, predictions, torch.randint(12, (72,))), 12


def share(choose, reduce=torch.mean, classes=None, join=torch.stack, start=0):
    """Return an attempt that reduces `correct` where `choose(predictions, labels)` is k, for each k."""

    def attempt(predictions, labels, classes_count):
        correct = (predictions == labels).float()
        chosen = choose(predictions, labels)
        ks = classes(labels) if classes else range(start, classes_count + start)
        return join([reduce(correct[chosen == k]) for k in ks])

    return attempt


def take_predictions(predictions, labels):
    return predictions


precision.mistakes(
    {
        "that is the accuracy of each class, out of the images that belong to it. Take those that are *predicted* as "
        "class k": share(lambda predictions, labels: labels),
        "these are the numbers of right guesses; divide each by how often the class is guessed": share(
            take_predictions, torch.sum
        ),
        "you counted the right guesses; divide by how often the class is guessed": lambda predictions, labels, count: (
            predictions[predictions == labels].bincount(minlength=count)
        ),
        "that is class 0 alone. Collect one number per class; `return` stands after the loop": lambda p, labels, k: (
            (labels[p == 0] == 0).float().mean()
        ),
        "that is the last class alone. Collect one number per class in a list": lambda p, labels, k: (
            (labels[p == k - 1] == k - 1).float().mean()
        ),
        "you divided by the number of all images; divide by how often class k is guessed": lambda p, labels, k: (
            share(take_predictions, torch.sum)(p, labels, k) / len(p)
        ),
        "that is how often each class is guessed, right or wrong": lambda p, labels, k: (
            p.bincount(minlength=k) / len(p)
        ),
        "that is one accuracy for all classes; you need one number per class": lambda p, labels, k: (
            (p == labels).float().mean()
        ),
        "classes are counted from 0, as `range(classes_count)` does": share(take_predictions, start=1),
        "there are `classes_count` classes, and not always ten": share(take_predictions, classes=lambda _: range(10)),
        "a class to which no image belongs may be guessed; `range(classes_count)` leaves no class out": share(
            take_predictions, classes=torch.unique
        ),
        "the numbers are right, but they lie in a list; `torch.tensor(...)` makes a tensor of Python numbers": share(
            take_predictions, join=lambda shares: [float(x) for x in shares]
        ),
        "the numbers are right, but they lie in a list; `torch.stack(...)` makes one tensor of many": share(
            take_predictions, join=list
        ),
        "these are the shares of the wrong guesses": share(take_predictions, lambda correct: 1 - correct.mean()),
        "that is in percent; a share lies between 0 and 1": share(
            take_predictions, lambda correct: 100 * correct.mean()
        ),
    }
)


# ------------------------------------------------------------------------------------------------------- save, load

FILE = "what the file holds"


def save_between(attempt, trained, fresh):
    """Observe both models and the file after a call."""
    learned, random = numbers(trained), numbers(fresh)

    def tell(found):
        if not isinstance(found, dict) or not all(isinstance(x, Tensor) for x in found.values()):
            return Words(kind_of(found))
        for name, known in ("the numbers of `trained`", learned), ("the numbers `fresh` began with", random):
            if found.keys() == known.keys() and all(found[key].equal(known[key]) for key in known):
                return Words(name)
        return Words(f"a dictionary of {', '.join(map(str, list(found)[:3]))}" if len(found) < 4 else "other numbers")

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.pt"
        refused = suppress(pickle.UnpicklingError)  # whose message advises `weights_only=False`
        with patch.object(torch, "load", wraps=torch.load) as load, refused:
            attempt(trained, fresh, file)
        read = [call.args[:1] or (call.kwargs.get("f"),) for call in load.mock_calls]
        trusted = not all(call.kwargs.get("weights_only", True) for call in load.mock_calls)
        return {
            FILE: tell_file(file, tell),
            "what `trained` holds": tell(trained.state_dict()),
            "what `fresh` holds": tell(fresh.state_dict()),
            "the file": Words("read" if read else "never read"),
            "`weights_only`": Words("False" if trusted else "True"),
            "the modules in training mode": in_training(trained) + in_training(fresh),
        }


def tell_file(file, tell):
    if not file.is_file():
        return Words("nothing: there is no file")
    try:
        return tell(torch.load(file, weights_only=True))
    except pickle.UnpicklingError:
        return Words("more than tensors, which `weights_only=True` refuses to read")


@exercise(
    hints=(
        "Three lines: write a state dict, read it, load it into the other model.",
        "`torch.save(what, file)` writes, `torch.load(file, weights_only=True)` returns what was written.",
        "A model takes in a state dict with `fresh.load_state_dict(state_dict)`.",
    ),
    observe=save_between,
)
def save_and_load(trained, fresh, file):  # two models, a path -> None
    torch.save(trained.state_dict(), file)
    state_dict = torch.load(file, weights_only=True)
    fresh.load_state_dict(state_dict)


def one_weight(value):
    layer = nn.Linear(1, 1, bias=False)
    nn.init.constant_(layer.weight, value)
    return layer


save_and_load.example(
    one_weight(0.7),
    one_weight(0.2),
    name="with the weight 0.7 in `trained` and 0.2 in `fresh`",
    gives={FILE: Words("the numbers of `trained`"), "what `fresh` holds": Words("the numbers of `trained`")},
)


@save_and_load.inputs
def pairs_of_models():
    for make in (
        lambda: nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)),
        lambda: nn.Sequential(nn.Conv2d(1, 2, 3, bias=False), nn.BatchNorm2d(2), nn.Sequential(nn.Linear(2, 2))),
    ):
        trained, fresh = make(), make()
        for buffer in trained.buffers():
            buffer.add_(3)
        yield case(trained, fresh, name="for models of several layers")


def by_file(saved="state dict", source=None, trust=False, into="fresh"):
    """Return an attempt that saves something of `source`, and loads into `into`, "nothing" for neither."""

    def attempt(trained, fresh, file):
        model = fresh if source == "fresh" else trained
        if saved:
            torch.save(model if saved == "model" else model.state_dict(), file)
        found = torch.load(file, weights_only=not trust) if into != "trained's own" else trained.state_dict()
        if into == "trained":
            trained.load_state_dict(found)
        elif into != "nothing":
            fresh.load_state_dict(found)

    return attempt


def save_only(trained, fresh, file):
    torch.save(trained.state_dict(), file)


def load_parameters_only(trained, fresh, file):
    torch.save(dict(trained.named_parameters()), file)
    fresh.load_state_dict(torch.load(file, weights_only=True), strict=False)


save_and_load.mistakes(
    {
        "`torch.save(what, file)` writes it": by_file(saved=None, into="trained's own"),
        "as for a whole model, or a method without its parentheses. Save `trained.state_dict()`": by_file("model"),
        "the whole model was saved; save `trained.state_dict()`": by_file("model", into="trained's own"),
        "you trust a whole model from a file, which may run code. Save `trained.state_dict()`": lambda t, f, file: (
            torch.save(t, file),
            f.load_state_dict(torch.load(file, weights_only=False).state_dict()),
        ),
        "those of `trained` are worth keeping: `fresh` was saved": by_file(source="fresh"),
        "now `trained` has the numbers of `fresh`, and all it had learned is gone. Save `trained`, load into `fresh`": (
            by_file(source="fresh", into="trained")
        ),
        "what was read has not reached it. `fresh.load_state_dict(...)` puts it in; to give the name `fresh` to "
        "something else does not reach the caller's model": by_file(into="nothing"),
        "the file is right, but nothing was read from it and put into `fresh`": save_only,
        "the numbers came from `trained` directly. Read the file: one day `trained` is gone, and the file is all there "
        "is": by_file(into="trained's own"),
        "`weights_only=False` would also run code that hides in a file": by_file(trust=True),
        "buffers, such as the means of batch normalisation, are missing; `state_dict()` has them": load_parameters_only,
    }
)


# --------------------------------------------------------------------------------------------------------- one image


class Witness(nn.Module):
    """A model with the same logits for every image, which writes down how it was asked."""

    def __init__(self, logits):
        super().__init__()
        self.logits = nn.Parameter(logits)  # (K,)
        self.asked = []

    def forward(self, images):
        self.asked.append((tuple(images.shape), self.training, torch.is_grad_enabled()))
        return self.logits.repeat(len(images), 1)  # (N, K)


def ask_once(attempt, logits, image, classes):
    """Observe how the model was asked, and what comes back."""
    model = Witness(logits)
    result = attempt(model, image, classes)
    shape, training, grads = model.asked[-1] if model.asked else (Words("nothing: it was not called"), None, None)
    return {
        "the shape of what the model got": shape,
        "the mode in which the model was asked": Words("training" if training else "evaluation"),
        "gradients": Words("prepared" if grads else "not prepared"),
        "your result": tuple(result) if isinstance(result, list) else result,
        "after your code, the gradients of the model": gradients(model),
    }


@exercise(
    hints=(
        "The first cell of this section does nearly all of it, for `fresh_model` and the first test image.",
        "In this order: `model.eval()`, `torch.no_grad()`, `image.unsqueeze(0)`, the logits, `softmax(dim=1)`, row 0.",
        "`argmax` of the probabilities is the number of the class; take its name from `classes` and its probability "
        "from the row.",
    ),
    observe=ask_once,
)
def predict_one(model, image, classes):  # (C, H, W) -> (name, probability)
    model.eval()
    with torch.no_grad():
        logits = model(image.unsqueeze(0))  # (1, C, H, W) -> (1, K)
    probabilities = logits.softmax(dim=1)[0]  # (K,)
    predicted = int(probabilities.argmax())
    return classes[predicted], float(probabilities[predicted])


predict_one.example(
    torch.tensor([0.1, 0.6, 0.3]).log() + 2,
    torch.ones(1, 2, 2),
    ["ant", "bee", "cat"],
    name='for the probabilities 0.1, 0.6, 0.3 and the names ["ant", "bee", "cat"]',
    gives=("bee", 0.6),
)


@predict_one.inputs
def logits_and_images():
    for weights, names, shape in (
        ([2.0, 1.0, 4.0, 13.0], ["oak", "elm", "fir", "yew"], (3, 2, 3)),
        ([7.0, 1.0], ["yes", "no"], (1, 5, 5)),
    ):
        shares = torch.tensor(weights) / sum(weights)
        shown = ", ".join(f"{share:.3g}" for share in shares)
        yield case(shares.log() - 3, torch.randn(shape), names, name=f"for the probabilities {shown}")


def predict(finish, batch=lambda image: image.unsqueeze(0), evaluate=True, grads=False):
    """Return an attempt: `finish(logits, probabilities, classes)` returns what it returns."""

    def attempt(model, image, classes):
        if evaluate:
            model.eval()
        with torch.set_grad_enabled(grads):
            logits = model(batch(image))
        return finish(logits, logits.softmax(dim=1)[0], classes)

    return attempt


def name_of(p, classes):
    return classes[int(p.argmax())]


def pair(x, p, classes):
    return name_of(p, classes), float(p.max())


ONE = "a batch of one is wanted. `unsqueeze(0)` adds the dimension of the batch in front"
predict_one.mistakes(
    {
        ONE: predict(pair, batch=lambda image: image),
        f"{ONE}, and `unsqueeze(1)` in another place": predict(pair, batch=lambda image: image.unsqueeze(1)),
        "call `model.eval()` first": predict(pair, evaluate=False),
        "nothing is learned here, so call the model in a block `with torch.no_grad():`": predict(pair, grads=True),
        "call `model.eval()` first, and the model in a block `with torch.no_grad():`": predict(
            pair, evaluate=False, grads=True
        ),
        "the second one is the logit, a score; softmax makes probabilities of all of them": predict(
            lambda x, p, classes: (name_of(p, classes), float(x.max()))
        ),
        "the first one is the number of the class; `classes` has its name": predict(
            lambda x, p, classes: (int(p.argmax()), float(p.max()))
        ),
        "the first one is the number of the class, as a tensor; `int(...)` makes a Python number of it, and `classes` "
        "has the name": predict(lambda x, p, classes: (p.argmax(), float(p.max()))),
        "the two have changed places; the name comes first": predict(lambda x, p, classes: pair(x, p, classes)[::-1]),
        "`softmax(dim=0)` runs over the images of the batch, and there is one; `dim=1` runs over the classes": predict(
            lambda x, p, classes: pair(x, x.softmax(dim=0)[0], classes)
        ),
        "the name is right; the probability is that of `softmax(dim=0)`, over the batch, and there is one image": (
            predict(lambda x, p, classes: (name_of(p, classes), 1.0))
        ),
        "sigmoid looks at each score alone; softmax shares 1 out among all classes": predict(
            lambda x, p, classes: (name_of(p, classes), float(x.max().sigmoid()))
        ),
        "that is the logarithm of the probability": predict(
            lambda x, p, classes: (name_of(p, classes), float(p.max().log()))
        ),
        "that is in percent; a probability lies between 0 and 1": predict(
            lambda x, p, classes: (name_of(p, classes), 100 * float(p.max()))
        ),
        "that is the class with the lowest score": predict(
            lambda x, p, classes: (classes[int(p.argmin())], float(p.min()))
        ),
        "that is the first class, whatever its probability is": predict(
            lambda x, p, classes: (classes[0], float(p[0]))
        ),
        "the second one is still a tensor. `float(...)` makes a Python number of it": predict(
            lambda x, p, classes: (name_of(p, classes), p.max())
        ),
        "return the probability as well: `return name, probability`": predict(
            lambda x, p, classes: name_of(p, classes)
        ),
        "return the name as well: `return name, probability`": predict(lambda x, p, classes: float(p.max())),
        "all the probabilities came back; that of the class is wanted": predict(
            lambda x, p, classes: (name_of(p, classes), p)
        ),
        "the probability is rounded; leave it as it is": predict(
            lambda x, p, classes: (name_of(p, classes), round(float(p.max()), 2))
        ),
    }
)
