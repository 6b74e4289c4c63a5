"""The exercises of notebook 06, optimization."""

import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from tutorial_utils.exercises.cases import case
from tutorial_utils.exercises.compare import Words, find_difference, show, state
from tutorial_utils.exercises.exercise import exercise
from tutorial_utils.exercises.observe import gradients, in_training, numbers, take_apart
from tutorial_utils.exercises.rules import keeps_arguments, without_calls, without_loop

ORDINALS = "first", "second", "third"


def pair(attempt, *inputs):
    """Observe what comes back; a list is as good as a tuple."""
    result = attempt(*inputs)
    return {"your result": tuple(result) if isinstance(result, list) else result}


def as_before(before, after):
    """Return in words whether something is as it was before, or what it is now."""
    now = show(after) if isinstance(after, torch.Tensor | None) else "changed"
    return Words("as before" if find_difference(after, before) is None else now)


# ------------------------------------------------------------------------------------------------- one weight, one step


def leaf(values, gradient=None, learns=True):
    """Return a parameter with a gradient, or without one."""
    parameter = torch.tensor(values).requires_grad_(learns)
    parameter.grad = None if gradient is None else torch.tensor(gradient)
    return parameter


def move(attempt, parameters, lr):
    before = [p.grad if p.grad is None else p.grad.clone() for p in parameters]
    back = attempt((p for p in parameters), lr)  # as `model.parameters()` yields them
    named = list(zip(ORDINALS, parameters, before, strict=False))
    return {
        **{f"the {which} parameter": p.detach().clone() for which, p, _ in named},
        "what comes back": back,
        **{f"the gradient of the {which} parameter": as_before(grad, p.grad) for which, p, grad in named},
        **{f"`requires_grad` of the {which} parameter": p.requires_grad for which, p, _ in named},
    }


@exercise(
    hints=(
        "For each parameter: against its gradient, lr times as far.",
        "PyTorch records what happens to a parameter; the step itself must not be recorded, so it stands under "
        "`torch.no_grad()`.",
        "In the loop, skip a parameter whose `grad` is None; otherwise `parameter -= lr * parameter.grad`.",
    ),
    observe=move,
)
def sgd_step(parameters, lr):  # each parameter (...) changes in place
    with torch.no_grad():
        for parameter in parameters:
            if parameter.grad is not None:
                parameter -= lr * parameter.grad


sgd_step.example(
    [leaf([1.0, 2.0], [10.0, -20.0])],
    0.1,
    gives={"the first parameter": torch.tensor([0.0, 4.0])},  # 1 - 0.1 * 10 and 2 + 0.1 * 20
    name="for the parameter [1, 2] with the gradient [10, -20], and lr = 0.1",
)


@sgd_step.inputs
def parameters_and_rates():
    one, three = leaf([1.0, 2.0], [10.0, -20.0]), leaf(3.0, 0.5)
    found = "the parameter [1, 2] with the gradient [10, -20]"
    yield case([one, three], 0.1, name=f"for {found}, one of 3 with the gradient 0.5, and lr = 0.1")
    yield case([one], 0.5, name=f"for {found}, and lr = 0.5")
    frozen, unused = leaf([7.0], learns=False), leaf([7.0])
    yield case([one, frozen, three], 2.0, name=f"for {found}, a frozen one of [7], one of 3, and lr = 2")
    yield case([unused, three], 0.1, name="for a parameter [7] without a gradient, one of 3, and lr = 0.1")
    yield case([unused], 0.1, name="for one parameter, without a gradient")
    large = [torch.randn(shape, requires_grad=True) for shape in ((4, 3), (3,), (2, 1, 5))]
    for parameter in large:
        parameter.grad = torch.randn_like(parameter)
    yield case(large, 0.01, name="for three parameters of the shapes (4, 3), (3,) and (2, 1, 5), and lr = 0.01")


def moving(change):
    """Return a step that adds to each parameter what `change` makes of it and lr."""

    def wrong(parameters, lr):
        with torch.no_grad():
            for p in parameters:
                if p.grad is not None:
                    p += change(p, lr)

    return wrong


def moving_and(then):
    """Return a right step that does something else with each parameter."""

    def wrong(parameters, lr):
        with torch.no_grad():
            for p in parameters:
                if p.grad is not None:
                    p -= lr * p.grad
                    then(p, lr)

    return wrong


sgd_step.mistakes(
    {
        "no parameter has moved. `w = w - ...` makes a new tensor and leaves the parameter alone; `w -= ...` changes "
        "the parameter itself": lambda parameters, lr: None,
        "it went up the slope. The loss falls against the gradient: subtract": moving(lambda p, lr: lr * p.grad),
        "the whole gradient was subtracted; the step is lr times as long": moving(lambda p, lr: -p.grad),
        "the gradient was divided by lr; the step is lr times as long": moving(lambda p, lr: -p.grad / lr),
        "that is right for lr = 0.1 alone. Use the argument `lr`": moving(lambda p, lr: -0.1 * p.grad),
        "that is right for lr = 0.01 alone. Use the argument `lr`": moving(lambda p, lr: -0.01 * p.grad),
        "all numbers of a parameter moved by their mean gradient; each has a gradient of its own": moving(
            lambda p, lr: -lr * p.grad.mean()
        ),
        "each number moved by lr, whatever the size of its gradient; multiply lr by the gradient": moving(
            lambda p, lr: -lr * p.grad.sign()
        ),
        "the parameter was multiplied by lr; it is the gradient that says where to go": moving(lambda p, lr: -lr * p),
        "the parameters are set to the step; subtract it from them": moving(lambda p, lr: -p - lr * p.grad),
        "the gradient has become 0. Leave it: to clear is the job of `zero_grad`": moving_and(
            lambda p, lr: p.grad.zero_()
        ),
        "the gradient is gone. Leave it: to clear is the job of `zero_grad`": moving_and(
            lambda p, lr: setattr(p, "grad", None)
        ),
        "the gradient itself was multiplied by lr. Leave it, and subtract `lr * parameter.grad`": moving_and(
            lambda p, lr: p.grad.mul_(lr)
        ),
        "the next step needs the gradient of this parameter: `requires_grad` stays True": moving_and(
            lambda p, lr: p.requires_grad_(False)
        ),
    }
)


@sgd_step.mistake("only the first parameter has moved. Does the loop end too early?")
def move_the_first(parameters, lr):
    sgd_step.answer([next(parameters)], lr)


@sgd_step.mistake("those after a parameter without a gradient have not moved. Skip that one, and go on with the next")
def stop_at_none(parameters, lr):
    with torch.no_grad():
        for p in parameters:
            if p.grad is None:
                return
            p -= lr * p.grad


@sgd_step.mistake("new tensors come back, and the parameters are as they were. Change each itself, with `w -= ...`")
def return_new(parameters, lr):
    return [p - lr * p.grad for p in parameters if p.grad is not None]


@sgd_step.mistake(
    "PyTorch records what is done to a parameter, and refuses to record this. Do the step under `torch.no_grad()`"
)
def move_recorded(parameters, lr):
    for p in parameters:
        if p.grad is not None:
            p -= lr * p.grad


# ------------------------------------------------------------------------------------------ three lines and their order


def train_on(attempt, model, loss_fn, make_optimizer, batches):
    """Observe what each of several calls does to the model, and returns."""
    optimizer, seen, start, events = make_optimizer(model.parameters()), {}, numbers(model), []
    optimizer.register_step_pre_hook(lambda *_: events.append("step" if gradient_of(model) else "step without"))
    for p in model.parameters():
        p.register_post_accumulate_grad_hook(lambda _: events.append("backward"))
    for number, batch in enumerate(batches, 1):
        loss = attempt(model, loss_fn, optimizer, *batch)
        still = "step" not in events and find_difference(numbers(model), start) is None
        assert not still, f"Your step leaves the parameters as they were: {name_what_is_missing(events)}."
        seen |= {f"`{name}` after call {number}": tensor for name, tensor in numbers(model).items()}
        seen[f"the loss that call {number} returns"] = loss
        mode = "training mode" if len(in_training(model)) == len(list(model.modules())) else "evaluation mode"
        seen[f"the mode of the model after call {number}"] = Words(mode)
    return seen


def gradient_of(model):
    return any(p.grad is not None for p in model.parameters())


def name_what_is_missing(events):
    """Return why no step had a gradient, given what was called in which order."""
    if "backward" not in events:
        return "`loss.backward()` is not called, so there is no gradient"
    if "step without" not in events:
        return "`optimizer.step()` is not called"
    if events.index("step without") < events.index("backward"):
        return "`optimizer.step()` comes before `loss.backward()`, when there is no gradient yet"
    return "the gradient is cleared between `backward` and `step`, so it is gone before it is used"


@exercise(
    hints=(
        "First the loss, then three lines in the order of the section above.",
        "`optimizer.zero_grad()`, `loss.backward()`, `optimizer.step()`.",
        "`loss.item()` takes the number out of the tensor.",
    ),
    observe=train_on,
)
def train_step(model, loss_fn, optimizer, images, labels):  # (N, ...), (N, ...) -> float
    loss = loss_fn(model(images), labels)

    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

    return loss.item()


def plain_sgd(parameters):
    return torch.optim.SGD(parameters, lr=0.1)


def adam(parameters):
    return torch.optim.Adam(parameters, lr=0.1)


students = torch.tensor([[1.0], [2.0], [3.0]]), torch.tensor([[3.0], [6.0], [9.0]])
one_weight = nn.Linear(1, 1, bias=False).requires_grad_(False)
one_weight.weight.zero_()
one_weight.requires_grad_(True)

train_step.example(
    one_weight,
    nn.MSELoss(),
    plain_sgd,
    [students, students],
    gives={
        "`weight` after call 1": torch.tensor([[2.8]]),  # 0 + 0.1 * 28
        "the loss that call 1 returns": 42.0,  # (9 + 36 + 81) / 3
        "`weight` after call 2": torch.tensor([[2.8 + 0.2 * 28 / 30]]),  # each step takes 28 / 30 of the way to 3
        "the loss that call 2 returns": 0.2**2 * 14 / 3,  # at 2.8 the errors are 0.2, 0.4 and 0.6
    },
    name="for the three students and one weight",
)


@train_step.inputs
def models_and_batches():
    batches = [(torch.randn(size, 2), torch.randint(2, (size, 1)).float()) for size in (3, 1, 4)]
    told = "for a linear layer and `BCEWithLogitsLoss`"
    yield case(nn.Linear(2, 1), nn.BCEWithLogitsLoss(), plain_sgd, batches, name=told)
    layers = nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Dropout(), nn.Linear(4, 3)
    batches = [(torch.randn(size, 3), torch.randint(3, (size,))) for size in (5, 2)]
    told = "for a network with dropout and `CrossEntropyLoss`, trained by Adam"
    yield case(nn.Sequential(*layers), nn.CrossEntropyLoss(), adam, batches, name=told)


def train_in_order(order, finish=lambda loss, again, labels: loss.item(), say=lambda logits: logits):
    """Return a training step that calls these, in this order, and makes its result by `finish`."""

    def wrong(model, loss_fn, optimizer, images, labels):
        loss = loss_fn(say(model(images)), labels)
        for name in order.split():
            getattr(loss if name == "backward" else optimizer, name)()
        return finish(loss, lambda: loss_fn(model(images), labels).item(), labels)

    return wrong


RIGHT_ORDER = "zero_grad backward step"

train_step.mistakes(
    {
        "the second step used the first gradient again, because `backward` adds to it. Call `optimizer.zero_grad()` "
        "before `backward`": train_in_order("backward step"),
        "the optimizer has taken two steps; one is asked for": train_in_order("zero_grad backward step step"),
        "this is the loss after the step. Return the one that the step came from": train_in_order(
            RIGHT_ORDER, lambda loss, again, labels: again()
        ),
        "you multiplied the loss by the number of examples; return it as `loss_fn` gives it": train_in_order(
            RIGHT_ORDER, lambda loss, again, labels: loss.item() * len(labels)
        ),
        "you divided the loss by the number of examples; `loss_fn` gives the mean already": train_in_order(
            RIGHT_ORDER, lambda loss, again, labels: loss.item() / len(labels)
        ),
        "there is a softmax too many: `loss_fn` gets what the model says, as it is": train_in_order(
            RIGHT_ORDER, say=lambda logits: logits.softmax(dim=1)
        ),
        "there is no graph from the loss to the model, as a `detach` or `torch.no_grad()` leaves it": train_in_order(
            RIGHT_ORDER, say=lambda logits: logits.detach()
        ),
    }
)


@train_step.mistake(
    "the mean squared error takes its two arguments in any order, and other losses do not: first what the model says, "
    "then the labels"
)
def train_labels_first(model, loss_fn, optimizer, images, labels):
    return train_step.answer(model, lambda says, labels: loss_fn(labels, says), optimizer, images, labels)


@train_step.mistake("evaluation mode turns dropout off; train the model in training mode, and leave it there")
def train_in_evaluation_mode(model, *others):
    return train_step.answer(model.eval(), *others)


@train_step.mistake("evaluation mode turns dropout off, and the batch norm, too; train the model in training mode")
def train_in_evaluation_mode_for_a_while(model, *others):
    loss = train_in_evaluation_mode(model, *others)
    model.train()
    return loss


@train_step.mistake("the model was called twice, and dropout draws anew each time; compute the loss once")
def train_and_compute_again(model, loss_fn, optimizer, images, labels):
    optimizer.zero_grad()
    loss_fn(model(images), labels).backward()
    loss = loss_fn(model(images), labels).item()
    optimizer.step()
    return loss


@train_step.mistake("the parameters moved by plain SGD, whatever the optimizer is; `optimizer.step()` takes its step")
def train_by_hand(model, loss_fn, optimizer, images, labels):
    model.zero_grad()
    loss = loss_fn(model(images), labels)
    loss.backward()
    sgd_step.answer(model.parameters(), optimizer.param_groups[0]["lr"])
    return loss.item()


# --------------------------------------------------------------------------------------------------- a loss for classes


def go_back(attempt, logits, labels):
    """Observe the loss, and what `backward` makes of it."""
    start = logits.clone().requires_grad_()
    given = start * 1  # as the logits of a model, it is no leaf
    result = attempt(given, labels)
    seen = {"your result": result, "`logits` afterwards": as_before(logits, given.detach())}
    if isinstance(result, torch.Tensor):
        seen["`requires_grad` of your result"] = result.requires_grad
        if result.requires_grad and result.numel() == 1:
            result.backward()
            gradient = Words("None") if start.grad is None else start.grad
            seen["the gradient of `logits`, by `backward` from your result,"] = gradient
    return seen


@exercise(
    hints=(
        "Two parts: the logarithms of the probabilities, then those of the right classes alone.",
        "`logits.log_softmax(dim=1)`; then `gather` takes one column from each row (01).",
        "`log_probabilities.gather(1, labels.unsqueeze(1))` has shape (N, 1). Minus, and the mean.",
    ),
    observe=go_back,
    rules=(keeps_arguments, without_calls("Write it with `log_softmax` and an index.", "cross_entropy", "nll_loss")),
)
def cross_entropy(logits, labels):  # (N, K), (N,) -> ()
    log_probabilities = logits.log_softmax(dim=1)  # (N, K)
    of_labels = log_probabilities.gather(1, labels.unsqueeze(1))  # (N, 1)
    return -of_labels.mean()


cross_entropy.example(
    torch.tensor([[0.5, 0.25, 0.25], [0.5, 0.25, 0.25]]).log() + torch.tensor([[5.0], [-2.0]]),
    torch.tensor([0, 1]),
    gives=torch.tensor(1.5 * math.log(2)),  # (ln 2 + ln 4) / 2
    name="for the two images of the table",
)


@cross_entropy.inputs
def logits_and_labels():
    yield torch.tensor([[2.0, 0.0, -1.0]]), torch.tensor([2])
    yield torch.tensor([[1.0, 3.0], [0.0, 0.0], [5.0, -1.0]]), torch.tensor([1, 0, 0])
    yield torch.tensor([[1000.0, 0.0, -1000.0]]), torch.tensor([1])
    yield torch.tensor([[1000.0, 0.0, -1000.0]]), torch.tensor([0])
    yield torch.tensor([[1000.0, 999.0], [-1000.0, -1001.0]]), torch.tensor([1, 0])
    yield torch.tensor([[3.0], [-4.0]]), torch.tensor([0, 0])  # one class: its probability is 1
    yield 3 * torch.randn(7, 4), torch.randint(4, (7,))
    yield 3 * torch.randn(4, 4), torch.tensor([3, 3, 1, 0])


def picked(table, labels):
    return table[range(len(labels)), labels]


def probability(logits, labels):
    return picked(logits.softmax(dim=1), labels)


def log_likelihood(logits, labels):
    return picked(logits.log_softmax(dim=1), labels)


def offset(tiny):
    return lambda logits, labels: -(probability(logits, labels) + tiny).log().mean()


TOO_LARGE = "log_softmax never takes the exponential of 1000"

cross_entropy.mistakes(
    {
        "one loss for each image came back; their mean is still to come": lambda x, y: -log_likelihood(x, y),
        "this is the sum over the images; take the mean": lambda x, y: -log_likelihood(x, y).sum(),
        "this is the mean over all N × K numbers; of each row, one belongs to the label": (
            lambda x, y: -(x.log_softmax(dim=1) * functional.one_hot(y, x.shape[1])).mean()
        ),
        "the logarithms of all classes entered it; of each row, one belongs to the label": (
            lambda x, y: -x.log_softmax(dim=1).mean()
        ),
        "the sign is wrong. The logarithm of a probability is negative, and the loss is minus that": (
            lambda x, y: log_likelihood(x, y).mean()
        ),
        "you took the logits themselves; `log_softmax` is still to come": lambda x, y: -picked(x, y).mean(),
        "you took the logarithm of the logits; `log_softmax` first makes probabilities": (
            lambda x, y: -picked(x.log(), y).mean()
        ),
        "you took the probabilities themselves; their logarithm is still to come": lambda x, y: (
            -probability(x, y).mean()
        ),
        "you took 1 minus the probability; the loss is minus its logarithm": lambda x, y: 1 - probability(x, y).mean(),
        "the softmax runs down the columns, over the images. For each image the probabilities of the classes add up to "
        "1: `dim=1`": lambda x, y: -picked(x.log_softmax(dim=0), y).mean(),
        "there is a softmax too many: `log_softmax` wants the logits": lambda x, y: (
            -log_likelihood(x.softmax(1), y).mean()
        ),
        "there is a logarithm too many: `log_softmax` has taken it": (
            lambda x, y: -picked(x.log_softmax(dim=1).log(), y).mean()
        ),
        "every image was combined with every label. Pair them: row 0 with label 0, row 1 with label 1": (
            lambda x, y: -x.log_softmax(dim=1)[:, y].mean()
        ),
        "`log_probabilities[labels]` takes whole rows; the labels number the columns": (
            lambda x, y: -x.log_softmax(dim=1)[y].mean()
        ),
        "this is the mean over the best class of each image, whatever its label is": (
            lambda x, y: -x.log_softmax(dim=1).amax(dim=1).mean()
        ),
        "the mean comes first here, and then the logarithm; it is the mean of the logarithms": (
            lambda x, y: -probability(x, y).mean().log()
        ),
        f"{TOO_LARGE}. `exp` by hand does, and it gives infinity": (
            lambda x, y: (x.exp().sum(dim=1).log() - picked(x, y)).mean()
        ),
        f"{TOO_LARGE}. `exp` by hand does, and infinity / infinity is nan": (
            lambda x, y: -picked(x.exp() / x.exp().sum(dim=1, keepdim=True), y).log().mean()
        ),
        f"{TOO_LARGE}. `softmax` and then `log` do, and a probability becomes 0": lambda x, y: (
            -probability(x, y).log().mean()
        ),
        "you subtracted the largest number of the whole table, which is far above some rows; `log_softmax` looks at "
        "each row": lambda x, y: ((x - x.max()).exp().sum(dim=1).log() - picked(x - x.max(), y)).mean(),
        "there is no graph from the result back to `logits`, as a `detach` or `torch.no_grad()` leaves it": (
            lambda x, y: cross_entropy.answer(x.detach(), y)
        ),
        "a new tensor with `requires_grad` has no graph behind it, and `backward` cannot reach the logits": (
            lambda x, y: torch.tensor(cross_entropy.answer(x, y).item(), requires_grad=True)
        ),
        "that is a number; a loss is a tensor, from which `backward` can start. Leave out `.item()`": (
            lambda x, y: cross_entropy.answer(x, y).item()
        ),
    }
)


cross_entropy.mistakes(
    {
        f"{tiny} in place of a probability of 0 hides the infinity, and large losses are too small; use "
        "`log_softmax`": offset(tiny)
        for tiny in (1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12, 1e-15)
    }
)


# --------------------------------------------------------------------------------------- fit: the loop around the loops


def measure_all(attempt, model, loss_fn, images, labels, batch_size):
    """Observe the mean loss, and whether anything was recorded or learned."""
    graphs, before = [], numbers(model)
    hook = loss_fn.register_forward_pre_hook(lambda _, inputs: graphs.append(inputs[0].requires_grad))
    try:
        result = attempt(DataLoader(TensorDataset(images, labels), batch_size=batch_size), model, loss_fn)
    finally:
        hook.remove()
    return {
        "your result": result,
        "the number of batches for which a graph was recorded": sum(graphs),
        "what the model holds afterwards": as_before(before, numbers(model)),
    }


@exercise(
    hints=(
        "`loss_fn` gives the mean of one batch. What must you multiply it by before you add?",
        "Keep two sums: of loss × batch size, and of batch sizes. `test_loop` of 00 does the same.",
        "`model.eval()` and `with torch.no_grad():` come before the loop.",
    ),
    observe=measure_all,
)
def mean_loss(dataloader, model, loss_fn):  # batches of (N, ...), (N, ...) -> float
    total, examples = 0.0, 0
    model.eval()
    with torch.no_grad():
        for images, labels in dataloader:
            total += loss_fn(model(images), labels).item() * len(labels)
            examples += len(labels)
    return total / examples


same = nn.Linear(1, 1)  # its outputs are its inputs
same.load_state_dict({"weight": torch.ones(1, 1), "bias": torch.zeros(1)})
inputs = torch.tensor([[1.0], [2.0], [3.0], [4.0], [5.0]])
errors = torch.tensor([[1.0], [1.0], [2.0], [2.0], [6.0]])

mean_loss.example(
    nn.Sequential(same, nn.Dropout()),
    nn.MSELoss(),
    inputs,
    inputs + errors,
    2,
    gives=9.2,  # (1 + 1 + 4 + 4 + 36) / 5
    name="for batches of 2, 2 and 1 examples with the mean losses 1, 4 and 36",
)


@mean_loss.inputs
def models_and_examples():
    model = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Dropout(), nn.Linear(8, 4))
    loss_fn = nn.CrossEntropyLoss()
    for count, size in (7, 3), (6, 3), (5, 8), (9, 4):
        told = f"for {count} examples of four classes, in batches of {size}"
        yield case(model, loss_fn, torch.randn(count, 3), torch.randint(4, (count,)), size, name=told)
    one = torch.randn(1, 3), torch.tensor([2])
    yield case(nn.Linear(3, 4).eval(), loss_fn, *one, 4, name="for one example and a model in evaluation mode")


def measuring(finish, evaluate=True, grad=False):
    """Return a measurement that makes its result of the lists of batch means and batch sizes, and the batch size."""

    def wrong(dataloader, model, loss_fn):
        if evaluate:
            model.eval()
        with torch.set_grad_enabled(grad):
            batches = [(loss_fn(model(images), labels).item(), len(labels)) for images, labels in dataloader]
        return finish(*zip(*batches, strict=True), dataloader.batch_size)

    return wrong


def total(means, sizes):
    return sum(mean * size for mean, size in zip(means, sizes, strict=True))


DROPPED = "dropout is still on, or the batch norm learns. `model.eval()` turns both off"

mean_loss.mistakes(
    {
        "you took the mean of the batch means; a short last batch must not count as much as a full one": measuring(
            lambda ms, ns, size: sum(ms) / len(ms)
        ),
        "you added the batch means; weigh each by its size, and divide by the number of examples": measuring(
            lambda ms, ns, size: sum(ms)
        ),
        "this is the sum over the examples; divide it by their number": measuring(lambda ms, ns, size: total(ms, ns)),
        "you divided by the number of batches, not of examples": measuring(
            lambda ms, ns, size: total(ms, ns) / len(ms)
        ),
        "you divided the sum of the batch means by the number of examples; weigh each mean by its size": measuring(
            lambda ms, ns, size: sum(ms) / sum(ns)
        ),
        "the number of examples is right, but the short last batch is weighed as a full one. Its size is "
        "`len(labels)`": measuring(lambda ms, ns, size: sum(ms) * size / sum(ns)),
        "each loss is weighed by its size, but the short last batch is counted as a full one. Its size is "
        "`len(labels)`": measuring(lambda ms, ns, size: total(ms, ns) / (len(ms) * size)),
        "this is the loss of the last batch alone": measuring(lambda ms, ns, size: ms[-1]),
        "this is the loss of the first batch alone. Does `return` stand inside the loop?": measuring(
            lambda ms, ns, size: ms[0]
        ),
        "this is the share of the first batch alone. Does `return` stand inside the loop?": measuring(
            lambda ms, ns, size: ms[0] * ns[0] / sum(ns)
        ),
        "the last batch is missing": measuring(lambda ms, ns, size: total(ms[:-1], ns[:-1]) / max(sum(ns[:-1]), 1)),
        DROPPED: measuring(lambda ms, ns, size: total(ms, ns) / sum(ns), evaluate=False),
        f"{DROPPED}. And the mean of batch means lets a short batch count too much": measuring(
            lambda ms, ns, size: sum(ms) / len(ms), evaluate=False
        ),
        "a graph was recorded for each batch, for a backward pass that never comes: `with torch.no_grad():`": measuring(
            lambda ms, ns, size: total(ms, ns) / sum(ns), grad=True
        ),
        f"{DROPPED}. And a graph is recorded for each batch, which `torch.no_grad()` prevents": measuring(
            lambda ms, ns, size: total(ms, ns) / sum(ns), evaluate=False, grad=True
        ),
        "you took the mean of the batch means, and a short last batch must not count as much as a full one. And a "
        "graph is recorded for each batch, which `torch.no_grad()` prevents": measuring(
            lambda ms, ns, size: sum(ms) / len(ms), grad=True
        ),
        f"{DROPPED}. The mean of batch means lets a short batch count too much. And a graph is recorded for each "
        "batch": measuring(lambda ms, ns, size: sum(ms) / len(ms), evaluate=False, grad=True),
        "that is a tensor; `.item()` takes the number out": measuring(
            lambda ms, ns, size: torch.tensor(total(ms, ns) / sum(ns))
        ),
    }
)


# ---------------------------------------------------------------------------------------------------- momentum and Adam


@exercise(
    hints=(
        "Two lines: first the velocity, then w.",
        "The new velocity is `momentum * velocity + gradient`, and w moves against it, lr times as far.",
    ),
    observe=pair,
    rules=(keeps_arguments,),
)
def momentum_step(w, gradient, velocity, lr, momentum):  # (D,), (D,), (D,) -> (D,), (D,)
    velocity = momentum * velocity + gradient
    return w - lr * velocity, velocity


momentum_step.example(
    torch.tensor([1.0]),
    torch.tensor([2.0]),
    torch.tensor([10.0]),
    0.1,
    0.9,
    gives=(torch.tensor([-0.1]), torch.tensor([11.0])),  # 0.9 * 10 + 2 = 11, and 1 - 0.1 * 11
)


@momentum_step.inputs
def weights_and_rates():
    yield torch.tensor([1.0, -2.0]), torch.tensor([0.5, -4.0]), torch.tensor([3.0, 1.0]), 0.2, 0.9
    yield torch.tensor([10.0]), torch.tensor([2.0]), torch.tensor([4.0]), 0.25, 0.5
    yield torch.tensor([1.0, 5.0]), torch.tensor([3.0, -1.0]), torch.zeros(2), 0.01, 0.9
    yield torch.randn(4), torch.randn(4), torch.randn(4), 0.5, 0.25
    yield torch.randn(3), torch.randn(3), torch.randn(3), 2.0, 1.0


def stepping(new_velocity):
    """Return a step with another velocity, which w moves by."""

    def wrong(w, gradient, velocity, lr, momentum):
        velocity = new_velocity(gradient, velocity, lr, momentum)
        return w - lr * velocity, velocity

    return wrong


def momentum(velocity=lambda g, v, lr, m: m * v + g, w=lambda w, g, old, v, lr: w - lr * v):
    """Return a step with another new velocity, or another new w."""

    def wrong(old_w, gradient, old_velocity, lr, momentum):
        new = velocity(gradient, old_velocity, lr, momentum)
        return w(old_w, gradient, old_velocity, new, lr), new

    return wrong


momentum_step.mistakes(
    {
        "the new velocity is missing: `return w, velocity`": lambda *inputs: momentum_step.answer(*inputs)[0],
        "the two have changed places: first w, then the velocity": lambda *inputs: momentum_step.answer(*inputs)[::-1],
        "w moved by the old velocity. Slow it down and add the gradient first; then move": momentum(
            w=lambda w, g, old, v, lr: w - lr * old
        ),
        "you returned the old velocity; the next step needs the new one": (
            lambda w, g, v, lr, m: (w - lr * (m * v + g), v)
        ),
        "you returned the old w; the new one is `w - lr * velocity`": momentum(w=lambda w, g, old, v, lr: w),
        "w has moved by the gradient alone; it moves by the new velocity": momentum(
            w=lambda w, g, old, v, lr: w - lr * g
        ),
        "w moves against the velocity: subtract": momentum(w=lambda w, g, old, v, lr: w + lr * v),
        "w has moved by the whole velocity; the step is lr times as long": momentum(w=lambda w, g, old, v, lr: w - v),
        "lr stands before the gradient. Here it belongs to the step, and the whole gradient enters the "
        "velocity": momentum(lambda g, v, lr, m: m * v + lr * g, lambda w, g, old, v, lr: w - v),
        "lr is in it twice, before the gradient and in the step. Here it belongs to the step alone": momentum(
            lambda g, v, lr, m: m * v + lr * g
        ),
        "this velocity has the other sign and the rate in it, as some books write it. `torch.optim.SGD` adds the "
        "gradient, and subtracts lr times the velocity": momentum(
            lambda g, v, lr, m: m * v - lr * g, lambda w, g, old, v, lr: w + v
        ),
        "the gradient is subtracted from the velocity; add it, as w moves against the velocity": momentum(
            lambda g, v, lr, m: m * v - g
        ),
        "you weighed the gradient with 1 - momentum, as a running mean does. `torch.optim.SGD` adds all of "
        "it": momentum(lambda g, v, lr, m: m * v + (1 - m) * g),
        "the velocity was not slowed down: multiply the old one by momentum": momentum(lambda g, v, lr, m: v + g),
        "momentum multiplies the gradient, too; it slows down the old velocity alone": momentum(
            lambda g, v, lr, m: m * (v + g)
        ),
        "momentum multiplies the gradient; it slows down the old velocity": momentum(lambda g, v, lr, m: v + m * g),
        "this is a step of Nesterov's kind, which looks one step ahead; plain momentum moves by the new velocity": (
            lambda w, g, v, lr, m: (w - lr * (g + m * (m * v + g)), m * v + g)
        ),
        "that is right for momentum = 0.9 alone. Use the argument `momentum`": momentum(
            lambda g, v, lr, m: 0.9 * v + g
        ),
        "that is right for lr = 0.1 alone. Use the argument `lr`": momentum(w=lambda w, g, old, v, lr: w - 0.1 * v),
    }
)


def take_step(attempt, *inputs):
    """Observe w and what is in the state, each by its name."""
    seen = take_apart(attempt(*inputs), "your result", "a pair", "the new w", "the new state")
    state = seen.pop("the new state", None)
    names = "the number of steps", "the new mean", "the new square"
    return seen | (take_apart(state, "the new state", "a triple", *names) if "the new w" in seen else {})


@exercise(
    hints=(
        "Count the step; then both means, both without their bias, and w. The decay is a part of the last.",
        "With one step more in `t`: `mean = 0.9 * mean + 0.1 * gradient`, and the square likewise with 0.999 and "
        "0.001; then divide them by `1 - 0.9**t` and `1 - 0.999**t`, for the step alone.",
        "`w * (1 - lr * weight_decay)` is the decay; from it, subtract lr times the ratio.",
    ),
    observe=take_step,
    rules=(keeps_arguments,),
)
def adamw_step(w, gradient, state, lr, weight_decay):  # (D,), (D,), (int, (D,), (D,))
    t, mean, square = state
    t = t + 1
    mean = 0.9 * mean + 0.1 * gradient
    square = 0.999 * square + 0.001 * gradient**2
    ratio = mean / (1 - 0.9**t) / ((square / (1 - 0.999**t)).sqrt() + 1e-8)
    return w * (1 - lr * weight_decay) - lr * ratio, (t, mean, square)


adamw_step.example(
    torch.tensor([1.0]),
    torch.tensor([4.0]),
    (0, torch.tensor([0.0]), torch.tensor([0.0])),
    0.1,
    0.5,
    gives={  # the ratio is 4 / 4 = 1: 1 * (1 - 0.05) - 0.1
        "the new w": torch.tensor([0.85]),
        "the number of steps": 1,
        "the new mean": torch.tensor([0.4]),
        "the new square": torch.tensor([0.016]),
    },
)


@adamw_step.inputs
def weights_means_and_numbers():
    yield torch.tensor([1.0, -2.0]), torch.tensor([0.5, -4.0]), (0, *torch.zeros(2, 2)), 0.01, 0.1
    for t, lr, weight_decay in (2, 0.1, 0.0), (5, 0.03, 0.01), (40, 0.5, 0.2), (1000, 0.001, 1.0):
        yield *torch.randn(2, 4), (t, torch.randn(4), torch.rand(4)), lr, weight_decay
    yield torch.randn(3), torch.zeros(3), (0, *torch.zeros(2, 3)), 0.1, 0.1  # no gradient: the decay alone
    yield torch.ones(2), torch.tensor([1e-7, -3e-8]), (0, *torch.zeros(2, 2)), 0.1, 0.1  # nearly none: 1e-8 counts


def adamw(
    mean=lambda m, g: 0.9 * m + 0.1 * g,
    square=lambda s, g: 0.999 * s + 0.001 * g**2,
    ratio=lambda m, s, t: m / (1 - 0.9**t) / ((s / (1 - 0.999**t)).sqrt() + 1e-8),
    finish=lambda w, ratio, lr, decay: w * (1 - lr * decay) - lr * ratio,
    pull=lambda w, g, decay: g,
    count=1,
    back=lambda w, t, m, s: (w, (t, m, s)),
):
    """Return a step of AdamW with something else in one of its parts."""

    def wrong(w, gradient, state, lr, weight_decay):
        t, old_mean, old_square = state[0] + count, *state[1:]
        gradient = pull(w, gradient, weight_decay)
        new_mean, new_square = mean(old_mean, gradient), square(old_square, gradient)
        return back(finish(w, ratio(new_mean, new_square, t), lr, weight_decay), t, new_mean, new_square)

    return wrong


adamw_step.mistakes(
    {
        "there is no decay: multiply w by `1 - lr * weight_decay`": adamw(finish=lambda w, r, lr, d: w - lr * r),
        "the decay enters the gradient, as in plain Adam; in AdamW it shrinks w itself": adamw(
            pull=lambda w, g, d: g + d * w, finish=lambda w, r, lr, d: w - lr * r
        ),
        "w shrinks by the whole decay; it is lr times as much": adamw(finish=lambda w, r, lr, d: w * (1 - d) - lr * r),
        "w grows; the decay is subtracted": adamw(finish=lambda w, r, lr, d: w * (1 + lr * d) - lr * r),
        "lr is missing before the ratio": adamw(finish=lambda w, r, lr, d: w * (1 - lr * d) - r),
        "w moves up the slope; subtract the ratio": adamw(finish=lambda w, r, lr, d: w * (1 - lr * d) + lr * r),
        "the means begin at 0 and are too small at first: divide by `1 - 0.9**t` and `1 - 0.999**t`": adamw(
            ratio=lambda m, s, t: m / (s.sqrt() + 1e-8)
        ),
        "the square has not been divided by `1 - 0.999**t`": adamw(
            ratio=lambda m, s, t: m / (1 - 0.9**t) / (s.sqrt() + 1e-8)
        ),
        "the mean has not been divided by `1 - 0.9**t`": adamw(
            ratio=lambda m, s, t: m / ((s / (1 - 0.999**t)).sqrt() + 1e-8)
        ),
        "that is right in the first step alone. The number of steps is in `state`": adamw(
            ratio=lambda m, s, t: m / 0.1 / ((s / 0.001).sqrt() + 1e-8)
        ),
        "the root is missing: divide by the root of the mean of squares": adamw(
            ratio=lambda m, s, t: m / (1 - 0.9**t) / (s / (1 - 0.999**t) + 1e-8)
        ),
        "1e-8 is under the root; add it to the root": adamw(
            ratio=lambda m, s, t: m / (1 - 0.9**t) / (s / (1 - 0.999**t) + 1e-8).sqrt()
        ),
        "the gradient is to be squared in the second mean": adamw(square=lambda s, g: 0.999 * s + 0.001 * g),
        "the second mean forgets as fast as the first; its numbers are 0.999 and 0.001": adamw(
            square=lambda s, g: 0.9 * s + 0.1 * g**2
        ),
        "the whole gradient enters the mean, as in momentum; here it is a tenth": adamw(mean=lambda m, g: 0.9 * m + g),
        "the two means have changed places; the order is steps, mean, square": adamw(
            back=lambda w, t, m, s: (w, (t, s, m))
        ),
        "the number of steps has not grown; the next step needs it": adamw(back=lambda w, t, m, s: (w, (t - 1, m, s))),
    }
)


@adamw_step.mistake("the means come back divided; the next step needs them as they are, and divides anew")
def give_back_divided(*inputs):
    w, (t, mean, square) = adamw_step.answer(*inputs)
    return w, (t, mean / (1 - 0.9**t), square / (1 - 0.999**t))


@adamw_step.mistake("the step came first, and then the decay of what it left; w shrinks before the step")
def decay_afterwards(w, gradient, state, lr, weight_decay):
    w, state = adamw_step.answer(w, gradient, state, lr, 0.0)
    return w * (1 - lr * weight_decay), state


# ------------------------------------------------------------------------------------- a schedule for the learning rate


@exercise(
    hints=(
        "Two cases: `step < warm_up`, and the rest. In the first, step 0 has 1 / warm_up already.",
        "After the warm-up: which share of the way from `warm_up` to `steps` is done?",
        "Half a cosine is `(1 + math.cos(math.pi * share)) / 2`, with `share = (step - warm_up) / (steps - warm_up)`.",
    ),
    further="`SequentialLR` puts `LinearLR` and `CosineAnnealingLR` one after the other, which gives the same.",
)
def warm_up_cosine(step, warm_up, steps):  # int, int, int -> float
    if step < warm_up:
        return (step + 1) / warm_up
    share = (step - warm_up) / (steps - warm_up)
    return (1 + math.cos(math.pi * share)) / 2


warm_up_cosine.example(8, 4, 12, gives=0.5)  # half of the way from 4 to 12


@warm_up_cosine.inputs
def steps_of_schedules():
    for step in 0, 1, 2, 3, 4, 6, 9, 11, 12:
        yield step, 4, 12
    for step in 0, 1, 2, 5:
        yield step, 1, 5
    for step in 0, 9, 10, 40, 100:
        yield step, 10, 100
    for step in 0, 2, 4:
        yield step, 0, 4  # no warm-up


def cooling(change, warming=lambda step, warm_up: (step + 1) / warm_up):
    """Return a schedule with another fall, which `change` makes of step, warm_up and steps, or another warm-up."""
    return lambda step, warm_up, steps: warming(step, warm_up) if step < warm_up else change(step, warm_up, steps)


def share_of(step, warm_up, steps):
    return (step - warm_up) / (steps - warm_up)


def half_cosine(share):
    return (1 + math.cos(math.pi * share)) / 2


def fall(step, warm_up, steps):
    return half_cosine(share_of(step, warm_up, steps))


warm_up_cosine.mistakes(
    {
        "the warm-up begins at 0, where a step moves nothing; step 0 has 1 / warm_up, so count from 1": cooling(
            fall, lambda step, warm_up: step / warm_up
        ),
        "there is no warm-up": lambda step, warm_up, steps: fall(max(step, warm_up), warm_up, steps),
        "every step of the warm-up has 1 / warm_up; the factor grows by it with each step": cooling(
            fall, lambda step, warm_up: 1 / warm_up
        ),
        "the warm-up goes from 1 down; turn it round": cooling(fall, lambda step, warm_up: 1 - step / warm_up),
        "the warm-up takes one step too many: the first without it is `step == warm_up`, so ask for `<`": (
            lambda step, warm_up, steps: (step + 1) / warm_up if 0 < warm_up >= step else fall(step, warm_up, steps)
        ),
        "`//` cuts the warm-up to whole numbers; divide with `/`": cooling(
            fall, lambda step, warm_up: (step + 1) // warm_up
        ),
        "the cosine goes on below 0: add 1, and take half of it": cooling(lambda *s: math.cos(math.pi * share_of(*s))),
        "1 is added, so the factor begins at 2; take half of the sum": cooling(lambda *s: 2 * fall(*s)),
        "half of the cosine is taken, but 1 was not added before": cooling(
            lambda *s: math.cos(math.pi * share_of(*s)) / 2
        ),
        "`/ 2` takes half of the cosine alone; put the sum in parentheses": cooling(
            lambda *s: 1 + math.cos(math.pi * share_of(*s)) / 2
        ),
        "`0.5 * 1` takes half of the 1 alone; put the sum in parentheses": cooling(
            lambda *s: 0.5 + math.cos(math.pi * share_of(*s))
        ),
        "this is a quarter of the wave, which falls late; half of it is `(1 + cos(pi * share)) / 2`": cooling(
            lambda *s: math.cos(math.pi / 2 * share_of(*s))
        ),
        "this is the whole wave, which comes back to 1; half of it ends at pi": cooling(
            lambda *s: half_cosine(2 * share_of(*s))
        ),
        "pi is missing: half of the wave is from 0 to pi": cooling(lambda *s: half_cosine(share_of(*s) / math.pi)),
        "`cos` takes its angle with pi, and not in degrees: half of the wave ends at `math.pi`, not 180": cooling(
            lambda *s: half_cosine(180 * share_of(*s) / math.pi)
        ),
        "this is a sine; the cosine is 1 at the start": cooling(lambda *s: (1 + math.sin(math.pi * share_of(*s))) / 2),
        "the cosine rises from 0 to 1; it should fall": cooling(lambda *s: 1 - fall(*s)),
        "it falls on a straight line; after the warm-up comes half a cosine": cooling(lambda *s: 1 - share_of(*s)),
        "after the warm-up the factor stays 1; it should fall to 0": cooling(lambda *s: 1.0),
        "the warm-up and the cosine are multiplied; after the warm-up has ended, the cosine begins": (
            lambda step, warm_up, steps: min(1.0, (step + 1) / max(warm_up, 1)) * half_cosine(step / steps)
        ),
        "after the warm-up the factor stays at 1; half a cosine brings it down to 0": (
            lambda step, warm_up, steps: min(1, (step + 1) / warm_up)
        ),
        "the cosine begins at step 0, so it is below 1 when the warm-up ends. Subtract `warm_up` from both": cooling(
            lambda step, warm_up, steps: half_cosine(step / steps)
        ),
        "the way that is left is `steps - warm_up`; divided by `steps`, the share ends below 1": cooling(
            lambda step, warm_up, steps: half_cosine((step - warm_up) / steps)
        ),
        "`warm_up` is subtracted below alone; the way that is done is `step - warm_up`": cooling(
            lambda step, warm_up, steps: half_cosine(step / (steps - warm_up))
        ),
        "it reaches 0 one step too early; it does so at `steps`": cooling(
            lambda step, warm_up, steps: half_cosine((step - warm_up) / (steps - warm_up - 1))
        ),
        "the cosine is one step ahead; at `warm_up` its share is 0": cooling(
            lambda step, warm_up, steps: half_cosine((step - warm_up + 1) / (steps - warm_up))
        ),
        "`//` cuts the share of the way to whole numbers; divide with `/`": cooling(
            lambda step, warm_up, steps: half_cosine((step - warm_up) // (steps - warm_up))
        ),
        "that is right for warm_up = 4 alone. Use the argument `warm_up`": (
            lambda step, warm_up, steps: warm_up_cosine.answer(step, 4, steps)
        ),
        "that is right for steps = 12 alone. Use the argument `steps`": (
            lambda step, warm_up, steps: warm_up_cosine.answer(step, warm_up, 12)
        ),
    }
)


# --------------------------------------------------------------------------------------------------- a step of today


def clip(attempt, parameters, max_norm):
    """Observe the gradients afterwards, what comes back, and whether the parameters are left to themselves."""
    before = [p.detach().clone() for p in parameters]
    back = attempt((p for p in parameters), max_norm)  # as `model.parameters()` yields them
    seen = {"what comes back": back}
    for which, p, old in zip(ORDINALS, parameters, before, strict=False):
        seen[f"the gradient of the {which} parameter"] = Words("None") if p.grad is None else p.grad.clone()
        seen[f"the {which} parameter"] = as_before(old, p.detach())
    return seen


@exercise(
    hints=(
        "One norm for all gradients together: the root of the sum of all their squares.",
        "`parameters` can be read once: make a list of those that have a gradient.",
        "If the norm is above `max_norm`, `p.grad *= max_norm / norm` for each.",
    ),
    observe=clip,
    further="`nn.utils.clip_grad_norm_` does the same.",
)
def clip_by_norm(parameters, max_norm):  # each .grad (...) changes in place -> float
    grads = [p.grad for p in parameters if p.grad is not None]
    norm = sum(grad.square().sum().item() for grad in grads) ** 0.5
    if norm > max_norm:
        for grad in grads:
            grad *= max_norm / norm
    return norm


clip_by_norm.example(
    [leaf([0.0, 0.0], [3.0, 0.0]), leaf(0.0, 4.0)],
    1.0,
    gives={
        "what comes back": 5.0,  # 3, 4, 5: the root of 9 + 16
        "the gradient of the first parameter": torch.tensor([0.6, 0.0]),
        "the gradient of the second parameter": torch.tensor(0.8),
    },
    name="for the gradients [3, 0] and 4, and max_norm = 1",
)


@clip_by_norm.inputs
def gradients_and_norms():
    three, four = leaf([0.0, 0.0], [3.0, 0.0]), leaf(0.0, -4.0)
    told = "for the gradients [3, 0] and -4"
    for max_norm in 2.5, 10.0, 3.5, 5.0:
        yield case([three, four], max_norm, name=f"{told}, and max_norm = {max_norm}")
    yield case(
        [three, leaf([7.0]), four], 2.0, name=f"{told}, a parameter without a gradient between, and max_norm = 2"
    )
    yield case([leaf([1.0, 2.0], [0.0, 0.0])], 1.0, name="for a gradient of zeros, and max_norm = 1")
    large = [torch.randn(shape, requires_grad=True) for shape in ((4, 3), (3,), (2, 1, 5))]
    for parameter in large:
        parameter.grad = torch.randn_like(parameter)
    yield case(large, 0.5, name="for three parameters of the shapes (4, 3), (3,) and (2, 1, 5), and max_norm = 0.5")


def clipping(factor, norm_of=lambda grads: sum(grad.square().sum().item() for grad in grads) ** 0.5):
    """Return a clipping that multiplies each gradient by what `factor` makes of norm, limit and gradient."""

    def wrong(parameters, max_norm):
        grads = [p.grad for p in parameters if p.grad is not None]
        norm = norm_of(grads)
        for grad in grads:
            grad *= factor(norm, max_norm, grad)
        return norm

    return wrong


def limit(norm, max_norm, _):
    return min(1.0, max_norm / norm) if norm else 1.0


clip_by_norm.mistakes(
    {
        "each gradient has a norm of its own here. Take one for all together, so that their direction stays": clipping(
            lambda norm, max_norm, grad: limit(grad.norm().item(), max_norm, grad)
        ),
        "short gradients have become longer. Scale only if the norm is above `max_norm`": clipping(
            lambda norm, max_norm, grad: max_norm / norm if norm else 1.0
        ),
        "the norm is right, and the gradients are as they were. Scale them in place": clipping(lambda *_: 1.0),
        "this is the sum of the squares; the norm is its root": clipping(
            limit, lambda grads: sum(grad.square().sum().item() for grad in grads)
        ),
        "this is the sum of the sizes; the norm is the root of the sum of the squares": clipping(
            limit, lambda grads: sum(grad.abs().sum().item() for grad in grads)
        ),
        "the norms of the parts were added. Add their squares, and take the root at the end": clipping(
            limit, lambda grads: sum(grad.norm().item() for grad in grads)
        ),
        "this is the largest number; the norm takes all of them": clipping(
            limit, lambda grads: max(grad.abs().max().item() for grad in grads)
        ),
        "they are divided by the norm, and their norm is 1; it should be `max_norm`": clipping(
            lambda norm, max_norm, grad: 1 / norm if norm > max_norm else 1.0
        ),
        "they are multiplied by `max_norm`; divide by the norm, too": clipping(
            lambda norm, max_norm, grad: max_norm if norm > max_norm else 1.0
        ),
    }
)


@clip_by_norm.mistake("each number was clipped by itself, which turns the direction. Scale all by one factor")
def clip_each_number(parameters, max_norm):
    grads = [p.grad for p in parameters if p.grad is not None]
    norm = sum(grad.square().sum().item() for grad in grads) ** 0.5
    for grad in grads:
        grad.clamp_(-max_norm, max_norm)
    return norm


@clip_by_norm.mistake("this is the norm after clipping; return the one before it, which shows how the training goes")
def give_back_the_new_norm(parameters, max_norm):
    return min(clip_by_norm.answer(parameters, max_norm), max_norm)


# ---------------------------------------------------------------------------------------- overfitting, and when to stop


def stop(attempt, patience, losses):
    """Observe two objects, made one after the other: nothing of the first may be left in the second."""
    first, second = follow(attempt(patience), losses), follow(attempt(patience), losses)
    assert find_difference(second, first) is None, (
        "Two objects were given the same losses, one after the other, and the second behaves otherwise: something of "
        "the first is left. What an object remembers is set on `self`, in `__init__`."
    )
    return second


def follow(stopper, losses):
    """Return what an object says, until it says stop."""
    best_epochs, stopped = [], Words("none")
    for epoch, loss in enumerate(losses, 1):
        answer = stopper.should_stop(loss)
        best_epochs.append(getattr(stopper, "best_epoch", None))
        if not isinstance(answer, bool | np.bool_):
            return {"what `should_stop` returns": answer}
        if answer:
            stopped = epoch
            break
    return {
        "what `should_stop` returns": Words("True or False"),
        "the epoch in which it stops": stopped,
        "the list of `best_epoch` after each epoch": best_epochs,
    }


@exercise(
    hints=(
        "Each call is one epoch: count it. Is its loss lower than the lowest so far?",
        "If it is, remember the loss and the epoch. How many epochs have passed since the best one?",
        "Stop when `self.epoch - self.best_epoch >= self.patience`.",
    ),
    observe=stop,
)
class EarlyStopping:  # should_stop(val_loss): float -> bool
    def __init__(self, patience):
        self.patience = patience
        self.epoch, self.best_epoch, self.lowest = 0, 0, float("inf")

    def should_stop(self, val_loss):
        self.epoch += 1
        if val_loss < self.lowest:
            self.lowest, self.best_epoch = val_loss, self.epoch
        return self.epoch - self.best_epoch >= self.patience


EarlyStopping.example(
    2,
    [0.9, 0.7, 0.8, 0.75],
    gives={"the epoch in which it stops": 4, "the list of `best_epoch` after each epoch": [1, 2, 2, 2]},
    name="for patience 2 and the losses 0.9, 0.7, 0.8 and 0.75",
)


@EarlyStopping.inputs
def losses_of_epochs():
    for patience, losses in (
        (2, [1.0, 0.8, 0.9, 0.7, 0.75, 0.76, 0.77, 0.78, 0.79]),
        (2, [0.5, 0.8, 0.7, 0.6, 0.65]),
        (2, [0.7, 0.7, 0.7, 0.8]),
        (2, [3.0, 2.0, 1.0, 0.5, 0.25]),
        (1, [0.5, 0.6, 0.4, 0.7, 0.8]),
        (3, [0.5, 0.4, 0.6, 0.45, 0.3, 0.35, 0.4, 0.3, 0.5]),
        (5, [400.0, 300.0, 310.0, 305.0, 320.0, 290.0, 295.0]),
        (3, [2e6, 3e6, 2.5e6, 2.1e6, 1e6]),
        (2, [-1.0, -2.0, -1.5, -1.9, -3.0]),
        (2, [0.0, 0.1, 0.2, 0.3]),
    ):
        yield case(patience, losses, name=f"for patience {patience} and the losses {losses}")


def stopping(
    says=lambda self: self.waited >= self.patience,
    better=lambda self, loss: loss < self.lowest,
    best=lambda self: self.found[-1],
    count=lambda waited, is_better: 0 if is_better else waited + 1,
):
    """Return a class that is right, but for what it says, takes for better or the best epoch, or counts."""

    class Stopper:
        def __init__(self, patience):
            self.patience, self.lowest, self.previous = patience, float("inf"), float("inf")
            self.epoch, self.best_epoch, self.waited, self.found = 0, 0, 0, [0]

        def should_stop(self, val_loss):
            self.epoch += 1
            is_better = better(self, val_loss)
            self.waited = count(self.waited, is_better)
            if is_better:
                self.lowest = val_loss
                self.found.append(self.epoch)
            self.previous, self.best_epoch = val_loss, best(self)
            return says(self)

    return Stopper


EarlyStopping.mistakes(
    {
        "the epochs without a new lowest loss must be in a row. A new lowest loss begins the count again": stopping(
            count=lambda waited, is_better: waited + (not is_better)
        ),
        "you wait one epoch too long. Stop when patience is reached: `>=`": stopping(
            lambda self: self.waited > self.patience
        ),
        "one epoch without a new lowest loss is not yet a reason; patience says how many in a row are": stopping(
            lambda self: self.waited > 0
        ),
        "a new lowest loss itself counts as the first epoch without one; the count begins again at 0": stopping(
            lambda self: self.waited + 1 >= self.patience and self.epoch > 1
        ),
        "that is right for patience 2 alone. Use `self.patience`": stopping(lambda self: self.waited >= 2),
        "that is right for patience 3 alone. Use `self.patience`": stopping(lambda self: self.waited >= 3),
        "every epoch counts here; count those that have brought no new lowest loss": stopping(
            lambda self: self.epoch >= self.patience
        ),
        "each call has to count its epoch, in `self.epoch`": stopping(lambda self: False, best=lambda self: 0),
        "the lowest loss is not kept, so that each loss is a new lowest one; write it to `self.lowest`": stopping(
            better=lambda self, loss: True
        ),
        "you compared with the epoch before; compare with the lowest loss of all": stopping(
            better=lambda self, loss: loss < self.previous
        ),
        "an equal loss is not lower, so compare with `<`": stopping(better=lambda self, loss: loss <= self.lowest),
        "a higher loss is taken for the better one; compare with `<`": stopping(
            better=lambda self, loss: self.epoch == 1 or loss > self.lowest
        ),
        "no epoch counts as the best one. A loss that is lower than the lowest so far, at first `float('inf')`, begins "
        "the count again": stopping(better=lambda self, loss: loss > self.lowest),
        "losses are compared with 0; begin with `float('inf')`, above all of them": stopping(
            better=lambda self, loss: loss < min(self.lowest, 0)
        ),
        "the epoch is counted after the comparison, so `best_epoch` lags behind; count it first": stopping(
            lambda self: self.epoch - self.found[-1] + 1 >= self.patience, best=lambda self: self.found[-1] - 1
        ),
        "epochs are counted from 0; the first epoch is 1": stopping(best=lambda self: self.found[-1] - 1),
        "`best_epoch` is still 0; set it where there is a new lowest loss": stopping(best=lambda self: 0),
        "`best_epoch` is the last epoch; the best one is that of the lowest loss": stopping(
            best=lambda self: self.epoch
        ),
        "`best_epoch` holds the lowest loss; its epoch is asked for": stopping(best=lambda self: self.lowest),
        "`best_epoch` counts how many new lowest losses there were; the number of the epoch is asked for": stopping(
            best=lambda self: len(self.found) - 1
        ),
        "it stops in the first epoch, which always has the lowest loss so far. True means stop, False go on": stopping(
            lambda self: self.waited < self.patience
        ),
    }
)


# --------------------------------------------------------------------------------------------- all images, and one test


@exercise(
    hints=(
        "Give each pair of actual and predicted class a number of its own, from 0 to K² - 1.",
        "`classes_count * labels + predictions`, then `bincount`. What if the last pairs never occur?",
        "`bincount(minlength=classes_count**2)`, then `reshape(classes_count, classes_count)`.",
    ),
    rules=(
        keeps_arguments,
        without_loop(
            "Give each pair one number, and count them all with one `bincount`.",
            lambda size: (torch.arange(size) % 3, torch.arange(size) % 2, 3),
            lambda size: (torch.arange(30) % 4, torch.arange(30) % 3, size),
        ),
    ),
)
def confusion_matrix(predictions, labels, classes_count):  # (N,), (N,) -> (K, K)
    pairs = classes_count * labels + predictions  # (N,), one number for each pair
    counts = pairs.bincount(minlength=classes_count**2)  # (K * K,)
    return counts.reshape(classes_count, classes_count)


confusion_matrix.example(
    torch.tensor([0, 1, 1]),
    torch.tensor([0, 0, 1]),
    3,
    gives=torch.tensor([[1, 1, 0], [0, 1, 0], [0, 0, 0]]),  # the second image is a zero, taken for a one
)


@confusion_matrix.inputs
def predictions_and_labels():
    yield torch.tensor([0, 1, 1, 1, 0, 0]), torch.tensor([0, 0, 0, 1, 1, 2]), 3
    yield torch.tensor([1, 1, 0]), torch.tensor([0, 0, 1]), 4
    yield torch.tensor([1]), torch.tensor([0]), 2
    yield torch.tensor([0, 0]), torch.tensor([0, 0]), 1
    yield torch.randint(10, (200,)), torch.randint(10, (200,)), 10
    yield torch.randint(5, (30,)), torch.randint(5, (30,)), 12


def counted(predictions, labels, size):
    return (size * labels + predictions).bincount(minlength=size**2).reshape(size, size)


confusion_matrix.mistakes(
    {
        "rows and columns have changed places. The row is the actual class, so the label is multiplied by K": (
            lambda p, y, size: counted(y, p, size)
        ),
        "the counts are right; `reshape` makes K rows of K from them": lambda p, y, size: counted(p, y, size).flatten(),
        "the counts are there, but as one row, and without the last, empty ones. `minlength` keeps them, and `reshape` "
        "makes K rows of K": lambda p, y, size: (size * y + p).bincount(),
        "the last pairs may never occur, and `bincount` ends with the largest number that does; `minlength` keeps all "
        "K * K": lambda p, y, size: (size * y + p).bincount().reshape(size, size),
        "the counts are right, but as floats; counts are whole numbers, `.long()` converts them": (
            lambda p, y, size: counted(p, y, size).float()
        ),
        "these are shares of all; count": lambda p, y, size: counted(p, y, size) / len(y),
        "these are shares of each row; count": lambda p, y, size: (
            counted(p, y, size) / counted(p, y, size).sum(dim=1, keepdim=True)
        ),
        "the largest number that occurs does not tell how many classes there are; `classes_count` does": (
            lambda p, y, size: counted(p, y, 1 + int(torch.maximum(p, y).max()))
        ),
        "that is right for ten classes alone; `classes_count` says how many there are": (
            lambda p, y, size: counted(p, y, 10)
        ),
        "that is right for three classes alone; `classes_count` says how many there are": (
            lambda p, y, size: counted(p, y, 3)
        ),
        "label and prediction are added, so that several pairs get one number; multiply the label by K": (
            lambda p, y, size: (y + p).bincount(minlength=size**2).reshape(size, size)
        ),
    }
)


@confusion_matrix.mistake(
    "a pair that occurs twice is counted once: `matrix[labels, predictions] += 1` writes, it does not add up. "
    "`bincount` does"
)
def add_once(predictions, labels, size):
    matrix = torch.zeros(size, size, dtype=torch.int64)
    matrix[labels, predictions] += 1
    return matrix


# ------------------------------------------------------------------------------------------- a hunt for silent bugs

TELLS = {  # what is seen of each run and of no other; `tests/test_hunt.py` measures it
    "A": "its first loss is near ln 64 = 4.16, and not near ln 10 = 2.30. Of what are there 64?",
    "B": "the gradient of one of its layers is 0",
    "C": "it learns its training images, and nearly all its answers on the validation images are wrong",
    "D": "its first loss is near ln 10; after one step on the same batch, the loss is far above it",
    "E": "two answers to the same image differ",
    "F": "its loss on one batch falls, and stays above 1.46",
    "G": "it fits one batch to a loss of nearly 0, and then names a few classes only. Which labels are in its batches?",
    "H": "on one batch its loss falls at first, and then jumps about; the weights swing",
    "I": "only one number differs: the mean of its training inputs is not 0",
    "J": "its first loss is about 64 times ln 10",
}
NUMBERS = dict(zip(TELLS, (3, 8, 6, 10, 5, 2, 9, 1, 7, 4), strict=True))


def name_faults(attempt):
    """Observe for each run whether its fault is named, without giving the right one away."""
    value = attempt()
    if not isinstance(value, dict):
        return {"what you wrote": Words(show(value))}
    for run in value.keys() & TELLS.keys():
        number = value[run]
        assert number in NUMBERS.values(), f"Run {run} is said to be {show(number)}, expected a number from 1 to 10."
    for run, tell in TELLS.items():
        named = value.get(run, NUMBERS[run])
        assert named == NUMBERS[run], state(f"run {run} is not number {named}", tell)
    return {"what you wrote": Words("a dictionary"), "the runs that it names": sorted(map(str, value))}


@exercise(
    hints=(
        "First those of which the first loss says it all, then those of which one gradient does.",
        "`examine(repair(...))` tests a guess: a run that is well again has the fault in the part that was put back.",
        "Three of the faults are in the part `loss`, two in `prepare`; the other five have one part each.",
    ),
    observe=name_faults,
)
def found():
    return {"A": 3, "B": 8, "C": 6, "D": 10, "E": 5, "F": 2, "G": 9, "H": 1, "I": 7, "J": 4}


found.example(gives={"the runs that it names": [*"ABCDEFGHIJ"]})
found.mistakes(
    {
        tell: lambda run=run: NUMBERS | {run: 1 + NUMBERS[run] % 10}  # the next number, after 10 again 1
        for run, tell in TELLS.items()
    }
)


# ---------------------------------------------------------------------------------------------- from notebook to script


def after_backward(attempt, models, grads):
    """Observe all gradients, and whether the copies and their weights are left to themselves."""
    for model, own in zip(models, grads, strict=True):
        for p, grad in zip(model.parameters(), own, strict=True):
            p.grad = grad
    attempt(models)
    seen = {}
    for number, model in enumerate(models):
        told = f"in model {number}, "
        seen |= {f"{told}the gradient of `{name}`": grad for name, grad in gradients(model).items()}
        seen |= {f"{told}`{name}` itself": tensor for name, tensor in numbers(model).items()}
    for number, model in enumerate(models):
        others = {
            p.grad.data_ptr() for other in models if other is not model for p in other.parameters() if has_grad(p)
        }
        shared = any(has_grad(p) and p.grad.data_ptr() in others for p in model.parameters())
        seen[f"the memory of the gradients of model {number}"] = Words(
            "shared with another copy" if shared else "its own"
        )
    return seen


def has_grad(parameter):
    return parameter.grad is not None


@exercise(
    hints=(
        "Take the first parameter of each model, then the second of each, and so on.",
        "`zip(*(model.parameters() for model in models))` gives the copies of one parameter together.",
        "`torch.stack([copy.grad for copy in copies]).mean(dim=0)` is the mean; each copy gets a clone of it.",
    ),
    observe=after_backward,
)
def average_gradients(models):  # the .grad of each parameter (...) changes
    for copies in zip(*(model.parameters() for model in models), strict=True):
        mean = torch.stack([copy.grad for copy in copies]).mean(dim=0)
        for copy in copies:
            copy.grad = mean.clone()


average_gradients.example(
    [nn.Linear(2, 1, bias=False) for _ in range(2)],
    [[torch.tensor([[3.0, 0.0]])], [torch.tensor([[1.0, 4.0]])]],
    gives={f"in model {number}, the gradient of `weight`": torch.tensor([[2.0, 2.0]]) for number in range(2)},
    name="for two copies with the gradients [3, 0] and [1, 4] of one weight",
)


@average_gradients.inputs
def copies_of_models():
    def nested():
        layers = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4, bias=False))
        return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), layers)

    for told, make, count in (
        ("three copies of a layer with a bias", lambda: nn.Linear(2, 1), 3),
        ("one copy", lambda: nn.Linear(2, 1), 1),
        ("five copies of a nested model with equal layers and a batch norm", nested, 5),
    ):
        models = [make() for _ in range(count)]
        yield case(models, [[torch.randn_like(p) for p in model.parameters()] for model in models], name=f"for {told}")


def together(models):
    return zip(*(model.parameters() for model in models), strict=True)


def combining(combine):
    """Return an exchange that makes something else than the mean of the stacked gradients."""

    def wrong(models):
        for copies in together(models):
            combined = combine(torch.stack([p.grad for p in copies]))
            for p in copies:
                p.grad = combined.clone()

    return wrong


average_gradients.mistakes(
    {
        "nothing has changed. Put the mean into `.grad` of each copy": lambda models: None,
        "this is the sum; with it, the step is as many times too long as there are copies": combining(
            lambda grads: grads.sum(dim=0)
        ),
        "you divided by 2; `len(models)` says how many copies there are": combining(lambda grads: grads.sum(dim=0) / 2),
        "this is one number for the whole gradient. The mean runs over the copies: stack them, `dim=0`": combining(
            lambda grads: torch.full_like(grads[0], float(grads.mean()))
        ),
        "this is the gradient of the first copy; the mean of all is asked for": combining(lambda grads: grads[0]),
        "this is the gradient of the last copy; the mean of all is asked for": combining(lambda grads: grads[-1]),
        "this is the mean of the parameters themselves; take that of their `.grad`": lambda models: [
            setattr(p, "grad", mean.clone())
            for copies in together(models)
            for mean in [torch.stack([copy.detach() for copy in copies]).mean(dim=0)]
            for p in copies
        ],
    }
)


@average_gradients.mistake(
    "the mean is right, but one tensor serves all copies: what one adds to it, it adds to all. `mean.clone()` is a new "
    "one"
)
def share_one_gradient(models):
    for copies in together(models):
        mean = torch.stack([p.grad for p in copies]).mean(dim=0)
        for p in copies:
            p.grad = mean


@average_gradients.mistake("some gradients were overwritten before they were read. First the mean of all, then write")
def read_what_is_written(models):
    for copies in together(models):
        for p in copies:
            p.grad = torch.stack([q.grad for q in copies]).mean(dim=0)


@average_gradients.mistake("the first copy has the mean, and the others have not got it; write it to each")
def write_the_first_alone(models):
    for copies in together(models):
        copies[0].grad = torch.stack([p.grad for p in copies]).mean(dim=0)


@average_gradients.mistake("you divided each gradient by the number of copies; first add those of all copies")
def divide_alone(models):
    for model in models:
        for p in model.parameters():
            p.grad = p.grad / len(models)


@average_gradients.mistake("all parameters of one copy were averaged with one another; average each over the copies")
def average_within_a_model(models):
    for model in models:
        for p in model.parameters():
            p.grad = torch.full_like(p, float(p.grad.mean()))


@average_gradients.mistake("the bias and other parameters are left out; average the gradient of each parameter")
def only_the_first_parameter(models):
    copies = next(together(models))
    mean = torch.stack([p.grad for p in copies]).mean(dim=0)
    for p in copies:
        p.grad = mean.clone()


@average_gradients.mistake("the gradients are right, but you averaged the parameters, too; they stay as they are")
def average_parameters_too(models):
    average_gradients.answer(models)
    with torch.no_grad():
        for copies in together(models):
            mean = torch.stack(copies).mean(dim=0)
            for p in copies:
                p.copy_(mean)


@average_gradients.mistake("this averages the parameters; it is their gradients that are to be averaged")
def average_parameters(models):
    with torch.no_grad():
        for copies in together(models):
            mean = torch.stack(copies).mean(dim=0)
            for p in copies:
                p.copy_(mean)
