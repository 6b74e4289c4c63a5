"""The exercises of notebook 06, optimization."""

import math
from unittest import mock

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from tutorial_utils.exercises.compare import expect_close
from tutorial_utils.exercises.old import Calls, Exercise, call, expect_no_loop, find_difference  # noqa: F401


def _as_pair(result):
    """Return a list as a tuple, as one is as good as the other."""
    return tuple(result) if isinstance(result, list) else result


def three_way_split(count, val_size, test_size, seed):  # -> (train,), (val,), (test,)
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(count, generator=generator)  # (count,)
    return order.split([count - val_size - test_size, val_size, test_size])


def verify_three_way_split(attempt):
    parts = attempt(20, 5, 3, 1)
    _expect_index_tensors(parts)
    sizes = tuple(len(part) for part in parts)
    wrong_order = "; the order is train, val, test" if sorted(sizes) == [3, 5, 12] else ""
    assert sizes == (12, 5, 3), (
        f"For count 20, val_size 5 and test_size 3 the sizes of your sets are {sizes}, expected "
        f"(12, 5, 3){wrong_order}."
    )
    joined = torch.cat(tuple(parts))
    indices, times = joined.unique(return_counts=True)
    assert indices.aminmax() == (0, 19), (
        f"Your indices run from {indices.min()} to {indices.max()}; 20 samples have the indices 0 to 19."
    )
    assert times.max() == 1, (
        f"Index {indices[times.argmax()]} is there {times.max()} times: the sets overlap. Shuffle all indices once, "
        "and cut the one list into three."
    )
    assert any(part.max() - part.min() >= len(part) for part in parts), (
        "Your sets are three unbroken blocks, such as 0, 1, 2 ...: they are not chosen at random. "
        "`torch.randperm(count)` shuffles the indices."
    )
    assert _as_sets(attempt(20, 5, 3, 1)) == _as_sets(parts), (
        "Two calls with the same seed give different sets: let the random numbers begin from `seed`."
    )
    splits = [_as_sets(attempt(20, 5, 3, seed)) for seed in (1, 2, 3, 4)]
    for name, *chosen in zip(("train", "val", "test"), *splits, strict=True):
        assert any(other != chosen[0] for other in chosen), (
            f"Four seeds give the same {name} indices: let the random numbers begin from `seed`, and not from a fixed "
            "number."
        )
    sizes = tuple(len(part) for part in attempt(6, 2, 0, 1))
    assert sizes == (4, 2, 0), (
        f"With count 6, val_size 2 and test_size 0 the sizes are {sizes}, expected (4, 2, 0). A slice that counts from "
        "the end fails at 0: `x[-0:]` is all of x."
    )


def _expect_index_tensors(parts):
    assert parts is not None, "Your result is None, expected three tensors: is a `return` missing?"
    assert isinstance(parts, tuple | list), (
        f"Your result is an object of type {type(parts).__name__}, expected three tensors: `return train, val, test`."
    )
    assert len(parts) == 3, f"Your result has {len(parts)} entries, expected three: `return train, val, test`."
    for name, part in zip(("train", "val", "test"), parts, strict=True):
        assert isinstance(part, Tensor), (
            f"{name} is a {type(part).__name__}, expected a tensor of indices; `torch.randperm(count)` is one."
        )
        assert (part.ndim, part.dtype) == (1, torch.int64), (
            f"{name} has shape {tuple(part.shape)} and dtype {part.dtype}, expected one dimension of torch.int64."
        )


def _as_sets(parts):
    return [set(part.tolist()) for part in parts]


three_way_split = Exercise(
    three_way_split,
    verify_three_way_split,
    hints=(
        "Shuffle all indices once; then the three sets are three pieces of one list.",
        "`torch.Generator().manual_seed(seed)` makes the random numbers, and `torch.randperm(count, generator=...)` "
        "shuffles 0 ... count - 1.",
        "`order.split([first, second, third])` cuts a tensor into pieces of these sizes.",
    ),
)


def sgd_step(parameters, lr):  # each parameter (...) changes in place
    with torch.no_grad():
        for parameter in parameters:
            if parameter.grad is not None:
                parameter -= lr * parameter.grad


def verify_sgd_step(attempt):
    first, second = torch.tensor([1.0, 2.0], requires_grad=True), torch.tensor(3.0, requires_grad=True)
    first.grad, second.grad = torch.tensor([10.0, -20.0]), torch.tensor(0.5)
    frozen = torch.tensor([7.0])
    attempt(iter([first, frozen, second]), 0.1)
    expect_close(
        first,
        torch.tensor([0.0, 4.0]),  # 1 - 0.1 * 10 and 2 + 0.1 * 20
        mistakes={
            "nothing has changed. `w = w - ...` makes a new tensor and leaves the parameter alone; `w -= ...` changes "
            "the parameter itself": torch.tensor([1.0, 2.0]),
            "it went up the slope. The loss falls against the gradient: subtract": torch.tensor([2.0, 0.0]),
            "the whole gradient was subtracted; the step is lr times as long": torch.tensor([-9.0, 22.0]),
        },
        name="the first parameter",
    )
    expect_close(
        second,
        torch.tensor(2.95),
        mistakes={"only the first parameter has moved. Does the loop end too early?": torch.tensor(3.0)},
        name="the last parameter",
    )
    expect_close(frozen, torch.tensor([7.0]), name="the parameter without a gradient")
    cleared = first.grad is None or bool(first.grad.eq(0).all())
    assert not cleared, "The gradients are cleared after your step. Leave them: to clear is the job of `zero_grad`."
    expect_close(first.grad, torch.tensor([10.0, -20.0]), name="after your step the first gradient")
    assert first.requires_grad, (
        "After your step the parameter does not require gradients any more; the next step needs it."
    )


sgd_step = Exercise(
    sgd_step,
    verify_sgd_step,
    hints=(
        "For each parameter: against its gradient, lr times as far.",
        "PyTorch records what happens to a parameter; the step itself must not be recorded, so it stands under "
        "`torch.no_grad()`.",
        "In the loop, skip a parameter whose `grad` is None; otherwise `parameter -= lr * parameter.grad`.",
    ),
)


def train_step(model, loss_fn, optimizer, images, labels):  # (N, ...), (N, ...) -> float
    loss = loss_fn(model(images), labels)

    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

    return loss.item()


class _Recorder(torch.optim.SGD):
    """SGD that writes down what is called, in `events`."""

    def __init__(self, model, lr):
        super().__init__(model.parameters(), lr=lr)
        self.events: list[str] = []
        model.weight.register_post_accumulate_grad_hook(lambda _: self.events.append("backward"))

    def zero_grad(self, set_to_none=True):
        self.events.append("zero_grad")
        super().zero_grad(set_to_none)

    def step(self, closure=None):
        self.events.append("step")
        return super().step(closure)


def verify_train_step(attempt):
    hours, points = torch.tensor([[1.0], [2.0], [3.0]]), torch.tensor([[3.0], [6.0], [9.0]])
    model = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(model.weight)
    optimizer = _Recorder(model, lr=0.1)
    losses, weights, labels_first = [], [], []

    def loss_fn(predictions, targets):
        labels_first.append(targets.requires_grad)
        return nn.functional.mse_loss(predictions, targets)

    for _ in range(2):
        losses.append(attempt(model, loss_fn, optimizer, hours, points))
        weights.append(model.weight.item())
    still = _find_what_keeps_it_still(optimizer.events)
    assert weights[0] != 0, f"Your step does not change the weight: {still}."
    expect_close(
        weights,
        [2.8, 2.8 + 0.2 * 28 / 30],  # by hand: each step takes 28/30 of the way to 3
        mistakes={
            "the second step used the first gradient again, because `backward` adds to it. Call "
            "`optimizer.zero_grad()` before `backward`": [2.8, 2.8 + 2.8 + 0.2 * 28 / 30],
        },
        name="the weight after each of two calls",
    )
    after = 0.2**2 * 14 / 3  # by hand: at w = 2.8 the errors are 0.2, 0.4 and 0.6
    expect_close(
        losses[0],
        42.0,
        mistakes={
            "this is the loss after the step. Return the one that the step came from": after,
            "you multiplied the loss by the number of examples; return it as `loss_fn` gives it": 126.0,
        },
        name="the loss that the first call returns",
    )
    expect_close(losses[1], after, name="the loss that the second call returns")
    assert not any(labels_first), (
        "The numbers are right, as the mean squared error takes its two arguments in any order. The cross-entropy does "
        "not: first what the model says, then the labels."
    )
    assert model.training, "Your step leaves the model in evaluation mode; dropout would be off while it is trained."


def _find_what_keeps_it_still(events):
    """Return why the weight stays as it is, given the order in which things were called."""
    if "backward" not in events:
        return "`loss.backward()` is not called, so there is no gradient"
    if "step" not in events:
        return "`optimizer.step()` is not called"
    if events.index("step") < events.index("backward"):
        return "`optimizer.step()` comes before `loss.backward()`, when there is no gradient yet"
    return "`zero_grad` stands between `backward` and `step`, so the gradient is gone before it is used"


train_step = Exercise(
    train_step,
    verify_train_step,
    hints=(
        "First the loss, then three lines in the order of the section above.",
        "`optimizer.zero_grad()`, `loss.backward()`, `optimizer.step()`.",
        "`loss.item()` takes the number out of the tensor.",
    ),
)


def cross_entropy(logits, labels):  # (N, K), (N,) -> ()
    log_probabilities = logits.log_softmax(dim=1)  # (N, K)
    of_labels = log_probabilities.gather(1, labels.unsqueeze(1))  # (N, 1)
    return -of_labels.mean()


def verify_cross_entropy(attempt):
    probabilities = torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7]])
    logits, labels = probabilities.log() + torch.tensor([[3.0], [-1.0]]), torch.tensor([0, 1])
    functional = nn.functional
    with (
        mock.patch.object(functional, "cross_entropy", wraps=functional.cross_entropy) as ready_made,
        mock.patch.object(functional, "nll_loss", wraps=functional.nll_loss) as half_made,
    ):
        result = call(attempt, logits, labels)
    assert not isinstance(result, float), (
        "Your result is a float, expected a tensor of shape (): without its tensor a loss has no `backward`. Leave out "
        "`.item()`."
    )
    right = -(math.log(0.5) + math.log(0.2)) / 2  # by hand
    all_pairs = -sum(map(math.log, (0.5, 0.3, 0.1, 0.2))) / 4
    expect_close(
        result,
        torch.tensor(right),
        mistakes={
            "one loss for each image came back; their mean is still to come": torch.tensor([0.5, 0.2]).log().neg(),
            "this is the sum over the images; take the mean": torch.tensor(2 * right),
            "this is the mean over all N × K numbers; of each row, one belongs to the label": torch.tensor(right / 3),
            "the sign is wrong. The logarithm of a probability is negative, and the loss is minus that": (
                torch.tensor(-right)
            ),
            "you took the logits themselves; `log_softmax` is still to come": -(logits[0, 0] + logits[1, 1]) / 2,
            "you took the probabilities themselves; their logarithm is still to come": torch.tensor(-0.35),
            "the softmax runs down the columns, over the images. For each image the probabilities of the classes add "
            "up to 1: `dim=1`": -(logits.log_softmax(dim=0)[0, 0] + logits.log_softmax(dim=0)[1, 1]) / 2,
            "there is a softmax too many: `log_softmax` wants the logits": (
                nn.functional.cross_entropy(probabilities, labels)
            ),
            "every image was combined with every label. Pair them: row 0 with label 0, row 1 with label 1": (
                torch.tensor(all_pairs)
            ),
        },
    )
    used = ready_made.called or half_made.called
    assert not used, (
        "The number is right, but PyTorch's own loss has computed it. Write it with `log_softmax` and an index."
    )
    large = call(attempt, torch.tensor([[1000.0, 0.0, -1000.0]]), torch.tensor([1]))
    hint = "log_softmax never takes the exponential of 1000. `softmax` and then `log` do, and a probability becomes 0"
    expect_close(
        large,
        torch.tensor(1000.0),
        mistakes={hint: torch.tensor(torch.inf), f"{hint}, or infinity": torch.tensor(torch.nan)},
        name="for the logits [1000, 0, -1000] and the label 1 your result",
    )
    leaf = logits.clone().requires_grad_()
    loss = attempt(leaf, labels)
    assert loss.requires_grad, (
        "Your result has no graph, so `backward` cannot reach the logits. Is there a `detach`, or a new `torch.tensor`?"
    )


cross_entropy = Exercise(
    cross_entropy,
    verify_cross_entropy,
    hints=(
        "Two parts: the logarithms of the probabilities, then those of the right classes alone.",
        "`logits.log_softmax(dim=1)`; then `gather` takes one column from each row (01).",
        "`log_probabilities.gather(1, labels.unsqueeze(1))` has shape (N, 1). Minus, and the mean.",
    ),
)


def mean_loss(dataloader, model, loss_fn):  # batches of (N, ...), (N, ...) -> float
    total, examples = 0.0, 0
    model.eval()
    with torch.no_grad():
        for images, labels in dataloader:
            total += loss_fn(model(images), labels).item() * len(labels)
            examples += len(labels)
    return total / examples


def verify_mean_loss(attempt):
    inputs = torch.tensor([[1.0], [2.0], [3.0], [4.0], [5.0]])
    targets = inputs + torch.tensor([[1.0], [1.0], [2.0], [2.0], [6.0]])  # squared errors: 1 1, 4 4, 36
    layer = nn.Linear(1, 1)
    model = nn.Sequential(layer, nn.Dropout(1.0))
    nn.init.ones_(layer.weight)
    nn.init.zeros_(layer.bias)
    model.train()
    recorded = []

    def loss_fn(predictions, targets):
        recorded.append(predictions.requires_grad)
        return nn.functional.mse_loss(predictions, targets)

    result = attempt(DataLoader(TensorDataset(inputs, targets), batch_size=2), model, loss_fn)
    mean_of_means = "you took the mean of the batch means; the last batch has one example and must not count as two"
    in_training = float((targets**2).mean())  # the dropout has made every prediction 0
    means = (targets**2)[:2].mean(), (targets**2)[2:4].mean(), (targets**2)[4:].mean()
    dropped = "dropout is still on. `model.eval()` turns it off"
    expect_close(
        result,
        46 / 5,
        mistakes={
            mean_of_means: 41 / 3,
            "you added the batch means; weigh each by its size, and divide by the number of examples": 41.0,
            "this is the sum over the examples; divide it by their number": 46.0,
            "you divided by the number of batches, not of examples": 46 / 3,
            "you divided the sum of the batch means by the number of examples; weigh each mean by its size": 41 / 5,
            "the short last batch counts as a full one. Its size is `len(labels)`": 41 * 2 / 6,
            "the short last batch counts as a full one, and so its loss twice. Its size is `len(labels)`": 41 * 2 / 5,
            "this is the loss of the last batch alone": 36.0,
            "this is the loss of the first batch alone. Does `return` stand inside the loop?": 1.0,
            dropped: in_training,
            f"{dropped}. And the mean of batch means lets the short batch count too much": float(sum(means) / 3),
        },
    )
    assert not any(recorded), (
        "The number is right, but a graph was recorded for each batch, for a backward pass that never comes: "
        "`with torch.no_grad():`."
    )
    assert layer.weight.item() == 1, "The weights have changed: measuring learns nothing, so it needs no optimizer."


mean_loss = Exercise(
    mean_loss,
    verify_mean_loss,
    hints=(
        "`loss_fn` gives the mean of one batch. What must you multiply it by before you add?",
        "Keep two sums: of loss × batch size, and of batch sizes. `test_loop` of 00 does the same.",
        "`model.eval()` and `with torch.no_grad():` come before the loop.",
    ),
)


def steps_and_rate():
    return math.ceil(10_000 / 512), 0.02 * 512 / 64


def verify_steps_and_rate(attempt):
    assert isinstance(attempt, tuple | list), (
        f"You wrote an object of type {type(attempt).__name__}, expected a pair of numbers: steps, rate."
    )
    assert len(attempt) == 2, f"You wrote {len(attempt)} values, expected a pair of numbers: steps, rate."
    steps, rate = attempt
    for name, value in ("steps", steps), ("the rate", rate):
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        assert is_number, f"For {name} you wrote {value!r:.40}, expected a Python number."
    assert steps >= 1, f"{steps} steps are less than one: the steps come first, then the rate."
    known_steps = {
        19: "19 whole batches leave 272 images over, and they make a batch too",
        156: "that is for batches of 64, and leaves images over",
        157: "that is for batches of 64",
    }
    assert float(steps).is_integer(), f"{steps:.2f} steps: the last batch is short, but it takes a whole step."
    assert steps == 20, f"{steps} steps do not fit: {known_steps.get(steps, 'divide 10,000 by 512, and round up')}."
    assert isinstance(steps, int), f"{steps} has the right size; a number of steps is an int. `math.ceil` gives one."
    known_rates = {
        0.02: "the rate of the small batches is kept; the few steps would not get far",
        0.0025: "you divided. Larger batches take fewer steps, and each may be longer",
        0.02 * 512: "that is 512 times the rate; the batch has grown from 64 to 512, which is 512 / 64 times",
    }
    advice = next((text for wrong, text in known_rates.items() if math.isclose(rate, wrong)), "")
    assert math.isclose(rate, 0.16, rel_tol=1e-6), (
        f"The steps are right. The rate {rate} does not fit: {advice or 'k times the batch, k times the rate'}."
    )


steps_and_rate = Exercise(
    steps_and_rate,
    verify_steps_and_rate,
    hints=(
        "Divide for the steps, and think of the short last batch. For the rate: how many times as large is a batch?",
        "The batch is 512 / 64 = 8 times as large.",
    ),
)


def momentum_step(w, gradient, velocity, lr, momentum):  # (D,), (D,), (D,) -> (D,), (D,)
    velocity = momentum * velocity + gradient
    return w - lr * velocity, velocity


def verify_momentum_step(attempt):
    w, gradient, velocity = torch.tensor([1.0, -2.0]), torch.tensor([0.5, -4.0]), torch.tensor([3.0, 1.0])
    new_velocity, new_w = torch.tensor([3.2, -3.1]), torch.tensor([0.36, -1.38])  # by hand
    with_rate = torch.tensor([2.8, 0.1])  # 0.9 * velocity + lr * gradient
    averaged = torch.tensor([2.75, 0.5])  # 0.9 * velocity + 0.1 * gradient
    expect_close(
        _as_pair(call(attempt, w, gradient, velocity, 0.2, 0.9)),
        (new_w, new_velocity),
        mistakes={
            "the new velocity is missing: `return w, velocity`": new_w,
            "the two have changed places: first w, then the velocity": (new_velocity, new_w),
            "you went on with the old velocity. Slow it down and add the gradient first; then move": (
                w - 0.2 * velocity,
                new_velocity,
            ),
            "you returned the old velocity; the next step needs the new one": (new_w, velocity),
            "w has moved by the gradient alone; it moves by the new velocity": (w - 0.2 * gradient, new_velocity),
            "w moves against the velocity: subtract": (w + 0.2 * new_velocity, new_velocity),
            "w has moved by the whole velocity; the step is lr times as long": (w - new_velocity, new_velocity),
            "lr stands before the gradient. Here it belongs to the step, and the whole gradient enters the velocity": (
                w - with_rate,
                with_rate,
            ),
            "this velocity has the other sign and the rate in it, as some books write it. `torch.optim.SGD` adds the "
            "gradient, and subtracts lr times the velocity": (
                w + 0.9 * velocity - 0.2 * gradient,
                0.9 * velocity - 0.2 * gradient,
            ),
            "you weighed the gradient with 1 - momentum, as a running mean does. `torch.optim.SGD` adds all of it": (
                w - 0.2 * averaged,
                averaged,
            ),
            "the velocity was not slowed down: multiply the old one by momentum": (
                w - 0.2 * (velocity + gradient),
                velocity + gradient,
            ),
            "momentum multiplies the gradient, too; it slows down the old velocity alone": (
                w - 0.2 * 0.9 * (velocity + gradient),
                0.9 * (velocity + gradient),
            ),
        },
    )
    expect_close(
        _as_pair(call(attempt, torch.tensor([[10.0]]), torch.tensor([[2.0]]), torch.tensor([[4.0]]), 0.25, 0.5)),
        (torch.tensor([[9.0]]), torch.tensor([[4.0]])),
        mistakes={
            "this is the result for momentum 0.9. Use the argument `momentum`": (
                torch.tensor([[8.6]]),
                torch.tensor([[5.6]]),
            ),
            "this is the result for lr 0.2. Use the argument `lr`": (
                torch.tensor([[9.2]]),
                torch.tensor([[4.0]]),
            ),
        },
        name="for lr 0.25 and momentum 0.5 your result",
    )


momentum_step = Exercise(
    momentum_step,
    verify_momentum_step,
    hints=(
        "Two lines: first the velocity, then w.",
        "The new velocity is `momentum * velocity + gradient`, and w moves against it, lr times as far.",
    ),
)


def halved_rate(lr, epoch, every):  # float, int, int -> float
    return lr * 0.5 ** (epoch // every)


def verify_halved_rate(attempt):
    rates = [call(attempt, 0.8, epoch, 3) for epoch in range(7)]
    for rate in rates:
        if not isinstance(rate, float):
            expect_close(rate, 0.8)
    expect_close(
        rates,
        [0.8, 0.8, 0.8, 0.4, 0.4, 0.4, 0.2],
        mistakes={
            "it falls a little in every epoch. `/` divides with a fraction, `//` rounds down": [
                0.8 * 0.5 ** (epoch / 3) for epoch in range(7)
            ],
            "it is halved one epoch too early: epoch 0 is the first of the three": [0.8, 0.8, 0.4, 0.4, 0.4, 0.2, 0.2],
            "it is halved in every epoch; `epoch // every` counts how many halvings there have been": [
                0.8 * 0.5**epoch for epoch in range(7)
            ],
            "it is halved once and never again. The exponent of 0.5 is the number of halvings": [0.8] * 3 + [0.4] * 4,
            "`%` gives what is left over; `//` counts the whole periods": [
                0.8 * 0.5 ** (epoch % 3) for epoch in range(7)
            ],
            "you multiplied 0.5 by the number of halvings; 0.5 to the power of it is `0.5 ** n`": [
                0.8 * 0.5 * (epoch // 3) for epoch in range(7)
            ],
        },
        name="with lr 0.8 and every 3, the list of the rates of epochs 0 to 6",
    )
    expect_close(
        call(attempt, 0.16, 4, 1),
        0.01,
        mistakes={"you divided by 2 times the number of halvings; 2 to the power of it is `2**n`": 0.02},
        name="with lr 0.16 and every 1, the rate of epoch 4",
    )


halved_rate = Exercise(
    halved_rate,
    verify_halved_rate,
    hints=(
        "How many halvings have there been before this epoch?",
        "`epoch // every` counts them, and each multiplies by 0.5.",
    ),
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


def verify_early_stopping(attempt):
    _expect_stop(
        attempt,
        (1.0, 0.8, 0.9, 0.7, 0.75, 0.76, 0.72),
        stop=6,
        best=4,
        mistakes={
            2: "do not count every epoch; count those that have brought no new lowest loss",
            3: "one epoch without a new lowest loss is not yet a reason; patience says how many in a row are",
            1: "True means stop, and you return it where the loss is still getting lower",
            5: "the epochs without a new lowest loss must be in a row. A new lowest loss begins the count again",
            7: "you wait one epoch too long. Stop when patience is reached: `>=`",
            None: "each call has to count its epoch, in `self.epoch`, and to keep a new lowest loss, in `self.lowest`",
        },
    )
    _expect_stop(
        attempt,
        (0.5, 0.8, 0.7, 0.6),
        stop=3,
        best=1,
        mistakes={None: "you compared with the epoch before; compare with the lowest loss of all"},
    )
    _expect_stop(
        attempt,
        (0.7, 0.7, 0.7, 0.7),
        stop=3,
        best=1,
        mistakes={None: "an equal loss is not lower, so compare with `<`"},
    )


def _expect_stop(attempt, losses, *, stop, best, mistakes):
    """Raise AssertionError unless an object with patience 2 stops after epoch `stop` and names epoch `best`."""
    stopper, stopped = attempt(2), None
    for epoch, loss in enumerate(losses, start=1):
        answer = stopper.should_stop(loss)
        assert isinstance(answer, bool), (
            f"`should_stop` returned {answer!r:.40}, expected True or False"
            f"{': is a `return` missing?' if answer is None else '.'}"
        )
        if answer:
            stopped = epoch
            break
    told = f"With patience 2 and the losses {list(losses)}"
    found = f"it stops after epoch {stopped}" if stopped else "it never stops"
    advice = mistakes.get(stopped, "")
    assert stopped == stop, f"{told} {found}, expected after epoch {stop}{': ' if advice else ''}{advice}."
    advice = {0: ": set it where there is a new lowest loss", best - 1: ": the first epoch is 1, not 0"}
    found = getattr(stopper, "best_epoch", None)
    assert isinstance(found, int), f"{told} `best_epoch` is {found!r:.40}, expected the number {best}."
    assert found <= len(losses), (
        f"{told} `best_epoch` is {found}. An earlier object has left something behind: what an object remembers is set "
        "on `self`, in `__init__`."
    )
    assert found == best, f"{told} `best_epoch` is {found}, expected {best}{advice.get(found, '')}."


EarlyStopping = Exercise(
    EarlyStopping,
    verify_early_stopping,
    hints=(
        "Each call is one epoch: count it. Is its loss lower than the lowest so far?",
        "If it is, remember the loss and the epoch. How many epochs have passed since the best one?",
        "Stop when `self.epoch - self.best_epoch >= self.patience`.",
    ),
)


def confusion_matrix(predictions, labels, classes_count):  # (N,), (N,) -> (K, K)
    pairs = classes_count * labels + predictions  # (N,), one number for each pair
    counts = pairs.bincount(minlength=classes_count**2)  # (K * K,)
    return counts.reshape(classes_count, classes_count)


def verify_confusion_matrix(attempt):
    labels, predictions = torch.tensor([0, 0, 0, 1, 1, 2]), torch.tensor([0, 1, 1, 1, 0, 0])
    expected = torch.tensor([[1, 2, 0], [1, 1, 0], [1, 0, 0]])
    flat = "the counts are right; `reshape` makes K rows of K from them"
    expect_close(
        call(attempt, predictions, labels, 3),
        expected,
        mistakes={
            "rows and columns have changed places. The row is the actual class, so the label is multiplied by K": (
                expected.T
            ),
            "a pair that occurs twice is counted once: `matrix[labels, predictions] += 1` writes, it does not add up. "
            "`bincount` does": expected.clamp(max=1),
            flat: expected.flatten(),
            f"{flat}, and `minlength` keeps the last, empty ones": expected.flatten()[:7],
            "the counts are right, but as floats; counts are whole numbers, `.long()` converts them": expected.float(),
            "these are shares; count": expected / len(labels),
        },
    )
    expect_close(
        call(attempt, torch.tensor([1, 1, 0]), torch.tensor([0, 0, 1]), 4),
        torch.tensor([[0, 2, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]),
        mistakes={
            "the largest number that occurs does not tell how many classes there are; `classes_count` does": (
                torch.tensor([[0, 2], [1, 0]])
            ),
        },
        name="for four classes, two of which do not occur, your result",
    )
    many = torch.arange(300)
    with Calls() as calls:
        attempt(many * 7 % 10, many % 10, 10)
    advice = "Without a loop: one number for each pair, and one `bincount`."
    assert len(calls.names) <= 25, (
        f"The counts are right, but for 300 images your code calls PyTorch {len(calls.names)} times. {advice}"
    )
    unpacked = {"tolist", "__iter__"}.intersection(calls.names)
    assert not unpacked, f"The counts are right, but your code looks at the images one by one. {advice}"


confusion_matrix = Exercise(
    confusion_matrix,
    verify_confusion_matrix,
    hints=(
        "Give each pair of actual and predicted class a number of its own, from 0 to K² - 1.",
        "`classes_count * labels + predictions`, then `bincount`. What if the last pairs never occur?",
        "`bincount(minlength=classes_count**2)`, then `reshape(classes_count, classes_count)`.",
    ),
)


def most_confused(matrix):  # (K, K) -> (actual, predicted)
    mistakes = matrix.clone().fill_diagonal_(0)  # (K, K)
    return divmod(int(mistakes.argmax()), len(matrix))


def verify_most_confused(attempt):
    matrix = torch.tensor([[50, 6, 0], [7, 90, 1], [9, 3, 80]])
    result = _as_pair(call(attempt, matrix))
    if isinstance(result, tuple) and len(result) == 2:
        for value in result:
            whole = not isinstance(value, float)
            assert whole, f"{value!r:.20} is a float, expected a whole number: `//` divides without a fraction."
    expect_close(
        result,
        (2, 0),
        mistakes={
            "this cell is on the diagonal, where the right answers are. Put zeros there first, in a copy": (1, 1),
            "row and column have changed places: first the actual class": (0, 2),
            "these two have the most mistakes in both directions together; one cell is asked for": (0, 1),
            "this is the place in the flat matrix; `divmod(place, K)` makes row and column of it": 6,
            "this matrix has 3 columns, not 10; `len(matrix)` says how many": (0, 6),
            "this is the count in the cell; its row and column are asked for": 9,
        },
    )
    matrix = torch.tensor([[9, 6, 2, 1], [0, 9, 1, 8], [1, 6, 9, 1], [5, 5, 5, 9]])
    expect_close(
        _as_pair(call(attempt, matrix)),
        (1, 3),
        mistakes={
            "this is the row and the column with the most mistakes in all; one cell is asked for": (3, 1),
        },
        name="for another matrix, of four classes, your result",
    )


most_confused = Exercise(
    most_confused,
    verify_most_confused,
    hints=(
        "The diagonal is no mistake: what must be there before you look for the largest number?",
        "`matrix.clone().fill_diagonal_(0)`; then `int(... .argmax())` is the place in the flat matrix.",
        "`divmod(place, len(matrix))` is (row, column).",
    ),
)


def average_gradients(models):  # the .grad of each parameter (...) changes
    for copies in zip(*(model.parameters() for model in models), strict=True):
        mean = torch.stack([copy.grad for copy in copies]).mean(dim=0)
        for copy in copies:
            copy.grad = mean.clone()


def verify_average_gradients(attempt):
    models = [nn.Linear(2, 1) for _ in range(3)]
    grads = [[[3.0, 0.0]], [[1.0, -2.0]], [[5.0, 8.0]]], [[1.0], [2.0], [6.0]]
    for number, model in enumerate(models):
        model.weight.grad, model.bias.grad = torch.tensor(grads[0][number]), torch.tensor(grads[1][number])
        nn.init.constant_(model.weight, number)
    attempt(models)
    for number, model in enumerate(models):
        still = "this is still its own" if number else "nothing has changed"
        expect_close(
            model.weight.grad,
            torch.tensor([[3.0, 2.0]]),
            mistakes={
                f"{still}. Put the mean into `.grad` of each copy": torch.tensor(grads[0][number]),
                "you divided by 2, and there are three copies; `len(models)` says how many": torch.tensor([[4.5, 3.0]]),
                "you divided each gradient by the number of copies; first add those of all copies": (
                    torch.tensor(grads[0][number]) / 3
                ),
                "this is the sum; with three copies the step would be three times as long": torch.tensor([[9.0, 6.0]]),
                "this is one number for the whole gradient. The mean runs over the copies: stack them, `dim=0`": (
                    torch.full((1, 2), 2.5)
                ),
                "some gradients were overwritten before they were read. First the mean of all, then write": (
                    torch.tensor([[3.0, 8 / 3]])
                ),
            },
            name=f"in model {number}, the gradient of the weight",
        )
        expect_close(
            model.bias.grad,
            torch.tensor([3.0]),
            mistakes={"the weight is right; the bias has a gradient, too": torch.tensor(grads[1][number])},
            name=f"in model {number}, the gradient of the bias",
        )
        expect_close(
            model.weight.detach(),
            torch.full((1, 2), float(number)),
            mistakes={"you averaged the weights, too": torch.ones(1, 2)},
            name=f"the weight of model {number}",
        )
    models[0].weight.grad.zero_()
    assert models[1].weight.grad.any(), (
        "The copies share one tensor: what the next `backward` adds to one gradient, it adds to all. Give each its "
        "own, with `mean.clone()`."
    )


average_gradients = Exercise(
    average_gradients,
    verify_average_gradients,
    hints=(
        "Take the first parameter of each model, then the second of each, and so on.",
        "`zip(*(model.parameters() for model in models))` gives the copies of one parameter together.",
        "`torch.stack([copy.grad for copy in copies]).mean(dim=0)` is the mean; each copy gets a clone of it.",
    ),
)


def choose_rate(rates, train, val, steps):  # pairs of x (N,) and y (N,) -> (float, float)
    mse, lowest = nn.MSELoss(), float("inf")
    for lr in rates:
        w = torch.tensor(0.0, requires_grad=True)
        optimizer = torch.optim.SGD([w], lr=lr)
        for _ in range(steps):
            loss = mse(w * train[0], train[1])

            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

        val_loss = mse(w.detach() * val[0], val[1])
        if val_loss < lowest:
            lowest, best = val_loss, (lr, w.item())
    return best


def verify_choose_rate(attempt):
    train = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([3.0, 6.0, 9.0])  # w goes to 3
    val = torch.tensor([1.0, 2.0]), torch.tensor([2.0, 4.0])  # w = 2 would be best

    def end(lr, steps=10, start=0.0):  # each step multiplies the distance to 3 by 1 - lr * 28 / 3
        return 3 + (start - 3) * (1 - lr * 28 / 3) ** steps

    rates = 0.005, 0.01, 0.02, 0.007
    expect_close(
        _as_pair(attempt(rates, train, val, 10)),
        (0.01, end(0.01)),
        mistakes={
            "0.02 has the lowest loss on the training part. Choose by the validation part": (0.02, end(0.02)),
            "0.005 has learned least. You want the lowest validation loss": (0.005, end(0.005)),
            "this is the last rate. Is `lowest` set back in every round of the loop?": (0.007, end(0.007)),
            "the rate is right; the weight is that of the last rate. Keep the weight of the best": (0.01, end(0.007)),
            "each rate went on from the weight of the one before. Begin at 0 for each": (
                0.01,
                end(0.01, start=end(0.005)),
            ),
            "the gradients add up from step to step. Which line clears them?": _choose_without_clearing(rates),
            "the weight was learned from the validation part. Learn from `train`, choose with `val`": (
                0.02,
                2 * (1 - 0.9**10),
            ),
            "you looked at the validation loss after each step; look once, after the last": (0.02, end(0.02, steps=5)),
            "these steps are as long as the sum of the squared errors makes them; take the mean": (
                0.005,
                end(3 * 0.005),
            ),
            "that is one step too few": (0.01, end(0.01, steps=9)),
            "that is one step too many": (0.01, end(0.01, steps=11)),
            "the two have changed places: first the rate, then w": (end(0.01), 0.01),
            "this is the validation loss; return the weight": (0.01, 2.5 * (end(0.01) - 2) ** 2),
            "the weight of the best rate is missing: return both": 0.01,
        },
    )
    expect_close(
        attempt((1e6, 0.01, 2e6), train, val, 10)[0],
        0.01,
        mistakes={
            "with 1e6 the loss becomes nan, and `<` with nan is always False, also inside `min`. Keep a rate only if "
            "its loss is lower than the lowest so far": 1e6,
            "with 2e6 the loss becomes nan, and a comparison with nan is always False. Keep a rate only if its loss is "
            "`<` the lowest so far": 2e6,
        },
        name="of the rates 1e6, 0.01 and 2e6 your choice",
    )


def _choose_without_clearing(rates):
    """Return what comes out without `zero_grad`, ten steps for each rate."""
    ends = {}
    for lr in rates:
        w, velocity = 0.0, 0.0
        for _ in range(10):
            velocity += 28 / 3 * (w - 3)
            w -= lr * velocity
        ends[lr] = w
    best = min(ends, key=lambda lr: abs(ends[lr] - 2))
    return best, ends[best]


choose_rate = Exercise(
    choose_rate,
    verify_choose_rate,
    hints=(
        "For each rate: a new w = 0, its own optimizer, `steps` training steps, then one look at the validation part.",
        "The step is that of `descend`, in One weight, one step. Remember the lowest validation loss so far, as early "
        "stopping does.",
        "Start with `lowest = float('inf')`; where the validation loss is lower, keep it and `(lr, w.item())`.",
    ),
)
