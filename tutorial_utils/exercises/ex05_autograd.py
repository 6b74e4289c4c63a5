"""The exercises of notebook 05, autograd."""

import warnings
import weakref
from contextlib import ExitStack, suppress

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_pre_hook

from tutorial_utils.exercises.cases import case
from tutorial_utils.exercises.compare import Words, find_difference, show
from tutorial_utils.exercises.exercise import exercise
from tutorial_utils.exercises.observe import kind_of, learning, numbers
from tutorial_utils.exercises.rules import Calls, keeps_arguments, without_calls


class Formula(str):
    """A function of `x` that a reply can show: the text of an expression; `names` are what else stands in it."""

    def __new__(cls, text, **names):
        formula = super().__new__(cls, text)
        formula.names = names
        return formula

    def __call__(self, x=None):
        return eval(compile(self, __file__, "eval"), {"torch": torch, "x": x, **self.names})

    def __repr__(self):
        return f"`{self}`"


def fill(layer, *values):
    """Give the parameters of a layer these values, and return the layer."""
    with torch.no_grad():
        for parameter, value in zip(layer.parameters(), values, strict=True):
            parameter.copy_(torch.tensor(value))
    return layer


def list_up(names):
    """Return names or numbers as they stand in a sentence, the last one after an "and"."""
    *others, last = map(str, names) if (names := list(names)) else ["nothing"]
    return Words(f"{', '.join(others)} and {last}" if others else last)


# ------------------------------------------------------------------------------------- a gradient answers "what if?"


@exercise(
    hints=(
        "Begin with `measure_slopes` above. Where does it call the function for the second time, and where should it?",
        "For each number make a `step`: zeros, one for each number of `x`, the nudge at that one place, and then "
        "`step.reshape(x.shape)`.",
        "The slope is `(f(x + step) - f(x - step)) / (2 * nudge)`.",
    ),
    rules=(keeps_arguments,),
    further="With half the nudge, the error of the central difference is a quarter, that of one side alone a half.",
)
def numerical_gradient(f, x, nudge):  # f(x): (); x: any shape -> the same shape
    slopes = []
    for i in range(x.numel()):
        step = torch.zeros(x.numel(), dtype=x.dtype)
        step[i] = nudge
        step = step.reshape(x.shape)
        slopes.append((f(x + step) - f(x - step)) / (2 * nudge))
    return torch.stack(slopes).reshape(x.shape)


numerical_gradient.example(
    *(Formula("(x**3).sum()"), torch.tensor([2.0]), 0.5),
    gives=torch.tensor([12.25]),  # 2.5³ is 15.625, 1.5³ is 3.375, and they are 1 apart
)
numerical_gradient.example(
    *(Formula("3 * x[0] * x[1]"), torch.tensor([2.0, 5.0]), 0.125),
    gives=torch.tensor([15.0, 6.0]),  # a plane in each direction, with the slopes 3 · 5 and 3 · 2
)


@numerical_gradient.inputs
def functions_and_nudges():
    table = torch.tensor([[1.0, 2.0, -1.0], [3.0, 0.0, -2.0]], dtype=torch.float64)
    weights = torch.tensor([[1.0, 2.0, 4.0], [-1.0, 3.0, 0.5]], dtype=torch.float64)
    yield Formula("(weights * x**3).sum()", weights=weights), table, 0.5
    yield Formula("(x[0] * x[1]**3).sum()"), torch.randn(2, 1, 2, dtype=torch.float64), 1.5
    yield Formula("x**3"), torch.tensor(-2.0), 0.25
    yield Formula("(x**3).sum()"), torch.tensor([0.5, -1.0, 3.0]), 0.1
    yield case(Formula("(x[0] * x[1]**3).sum()"), torch.randn(3, 2).t(), 0.5, name="for a transposed `x`")


def measure(slope):
    """Return an attempt that goes from number to number; `slope` gets `f`, `x`, a step in its shape, and the nudge."""

    def attempt(f, x, nudge):
        steps = nudge * torch.eye(x.numel(), dtype=x.dtype)
        return torch.stack([slope(f, x, step.reshape(x.shape), nudge) for step in steps]).reshape(x.shape)

    return attempt


def nudge_copies(up_stays, down_stays):
    """Return an attempt that nudges two copies of `x`; so many nudges stay in each when it goes on."""

    def attempt(f, x, nudge):
        slopes, up, down = (torch.empty(x.shape, dtype=x.dtype).copy_(start) for start in (0 * x, x, x))
        for i in range(x.numel()):
            up.view(-1)[i] += nudge
            down.view(-1)[i] -= nudge
            slopes.view(-1)[i] = (f(up) - f(down)) / (2 * nudge)
            up.view(-1)[i] += (up_stays - 1) * nudge
            down.view(-1)[i] += (down_stays + 1) * nudge
        return slopes

    return attempt


def all_at_once(f, x, nudge):
    return (f(x + nudge) - f(x - nudge)) / (2 * nudge)


numerical_gradient.mistakes(
    {
        "you nudged all numbers at once; nudge one at a time": all_at_once,
        "you nudged all numbers at once, for one slope each": lambda f, x, n: torch.full_like(x, all_at_once(f, x, n)),
        "you went to one side, up from `x`; go to both": measure(lambda f, x, s, n: (f(x + s) - f(x)) / n),
        "you went to one side, down from `x`; go to both": measure(lambda f, x, s, n: (f(x) - f(x - s)) / n),
        "this is half of the way; go below `x`, too": measure(lambda f, x, s, n: (f(x + s) - f(x)) / (2 * n)),
        "the two places are `2 * nudge` apart, not `nudge`": measure(lambda f, x, s, n: (f(x + s) - f(x - s)) / n),
        "the two places are `2 * nudge` apart, not 2": measure(lambda f, x, s, n: (f(x + s) - f(x - s)) / 2),
        "`2 * nudge` needs brackets below the `/`": measure(lambda f, x, s, n: (f(x + s) - f(x - s)) / 2 * n),
        "the difference needs brackets": measure(lambda f, x, s, n: f(x + s) - f(x - s) / (2 * n)),
        "dividing by `2 * nudge` is still to come": measure(lambda f, x, s, n: f(x + s) - f(x - s)),
        "the sign is turned: f above minus f below": measure(lambda f, x, s, n: (f(x - s) - f(x + s)) / (2 * n)),
        "the two places are one: `above = x` makes no copy": measure(lambda f, x, s, n: f(x) - f(x)),
        "this is the exact gradient; measure it with `nudge`": lambda f, x, n: torch.autograd.functional.jacobian(f, x),
        "your nudge is 0.001, whatever `nudge` is": lambda f, x, n: numerical_gradient.answer(f, x, 1e-3),
        "the nudges stay when the next number is nudged; start each time from `x`": nudge_copies(1, -1),
        "a number stays nudged down when the next one is nudged; start each time from `x`": nudge_copies(-1, -1),
        "a number stays nudged up when the next one is nudged; start each time from `x`": nudge_copies(1, 1),
    }
)


@numerical_gradient.mistake(
    "you nudged whole rows; nudge one number at a time: `step[i]`, and then `step.reshape(x.shape)`"
)
def nudge_rows(f, x, nudge):
    slopes = torch.zeros_like(x)
    for i in range(len(x)):
        step = torch.zeros_like(x)
        step[i] = nudge
        slopes[i] = (f(x + step) - f(x - step)) / (2 * nudge)
    return slopes


def after_one(rest):
    """Return an attempt that ends after the first slope, and leaves `rest` in the other places."""

    def attempt(f, x, nudge):
        slopes = numerical_gradient.answer(f, x, nudge)
        slopes.view(-1)[1:] = rest  # which was made in rows
        return slopes

    return attempt


numerical_gradient.mistakes(
    {
        "only the first slope was measured: is the `return` inside the loop?": after_one(0),
        "only the first slope was written into `torch.empty`: is the `return` inside the loop?": after_one(
            float("nan")
        ),
    }
)


# ------------------------------------------------------------------------------ forward does two things, backward three


class Value:
    """The class of the notebook: a number, what it was made from, and its slope with respect to each of these."""

    def __init__(self, data, parents=(), slopes=()):
        self.data, self.grad = data, 0.0
        self.parents, self.slopes = parents, slopes

    def __add__(self, other):
        return Value(self.data + other.data, (self, other), (1.0, 1.0))

    def __mul__(self, other):
        return Value(self.data * other.data, (self, other), (other.data, self.data))


def sort_values(value, order):
    if value not in order:
        for parent in value.parents:
            sort_values(parent, order)
        order.append(value)
    return order


def look_at_values(attempt, result):  # an expression of values
    last = result()
    attempt(last)
    grads = {f"`{name}.grad`": value.grad for name, value in result.names.items()}
    return {**grads, "`result.grad`": last.grad}


@exercise(
    hints=(
        "Three steps: the result gets the gradient 1.0; the values are visited in the reversed order; each of them "
        "hands gradients to its parents.",
        "`zip(value.parents, value.slopes)` gives pairs of a parent and the slope along the way to it.",
        "Along a path multiply, over all paths add: `parent.grad += slope * value.grad`.",
    ),
    observe=look_at_values,
    further="A dozen operations more, and this is micrograd; with tensors for the numbers, it is the idea of PyTorch.",
)
def backpropagate(result):  # a Value -> None; fills in .grad
    result.grad = 1.0
    for value in reversed(sort_values(result, [])):
        for parent, slope in zip(value.parents, value.slopes, strict=True):
            parent.grad += slope * value.grad


def of_values(text, **numbers):
    """Return an expression of values."""
    return Formula(text, **{name: Value(number) for name, number in numbers.items()})


backpropagate.example(
    of_values("hours * rate + hours", hours=2.0, rate=3.0),
    gives={"`hours.grad`": 4.0, "`rate.grad`": 2.0},  # 3 by way of the product, and 1
)
backpropagate.example(
    of_values("(a * b + a) * b", a=2.0, b=5.0),
    gives={"`a.grad`": 30.0, "`b.grad`": 22.0},  # ab² + ab: b² + b, and 2ab + a
)


@backpropagate.inputs
def expressions():
    yield (of_values("a * b", a=-3.0, b=0.5),)
    yield (of_values("(a + b) * (a + b) * a", a=2.0, b=-0.5),)
    yield case(of_values("(lambda square: square * square)(a * a)", a=1.5), name="for a product times itself")
    yield case(of_values("a", a=7.0), name="for a value that nothing made")
    yield (of_values("a * b * c + (a * b + c) * b", a=1.5, b=-2.0, c=4.0),)


def hand_on(gradient, start=1.0, turn=reversed):
    """Return an attempt that hands `gradient(parent, slope, value)` to each parent, in an order made by `turn`."""

    def attempt(result):
        result.grad = start
        for value in turn(sort_values(result, [])):
            for parent, slope in zip(value.parents, value.slopes, strict=True):
                parent.grad = gradient(parent, slope, value)

    return attempt


def add_to(parent, slope, value):
    return parent.grad + slope * value.grad


backpropagate.mistakes(
    {
        "`=` forgets what came by another path; `+=` adds it up": hand_on(lambda p, slope, v: slope * v.grad),
        "all starts with the gradient 1.0 of the result": hand_on(add_to, start=0.0),
        "only the parents of the result have a gradient. Is the order reversed? Is a `return` in the loop?": hand_on(
            add_to, turn=list
        ),
        "the slope is still to be multiplied by `value.grad`": hand_on(lambda p, slope, v: p.grad + slope),
        "`value.grad` is still to be multiplied by the slope": hand_on(lambda p, slope, v: p.grad + v.grad),
        "along a path multiply, and do not add": hand_on(lambda p, slope, v: p.grad + slope + v.grad),
        "you multiplied by the number of the parent; `value.slopes` has the slope": hand_on(
            lambda p, slope, v: p.grad + p.data * v.grad
        ),
        "you multiplied by the number of the value; `value.slopes` has the slope": hand_on(
            lambda p, slope, v: p.grad + v.data * v.grad
        ),
    }
)


@backpropagate.mistake("a value handed on its gradient before all of it had arrived; go by the order of `sort_values`")
def hand_on_at_once(result):
    def go_back(value):
        for parent, slope in zip(value.parents, value.slopes, strict=True):
            parent.grad += slope * value.grad
            go_back(parent)

    result.grad = 1.0
    go_back(result)


@backpropagate.mistake("a value has several parents, and you went to the first alone")
def first_parent(result):
    result.grad = 1.0
    for value in reversed(sort_values(result, [])):
        for parent, slope in list(zip(value.parents, value.slopes, strict=True))[:1]:
            parent.grad += slope * value.grad


@exercise(
    hints=(
        "The path from the loss to `w[j]` by way of example i: the mean gives 1/N, the square gives 2 · error, the "
        "product gives `x[i, j]`.",
        "Along a path multiply, over all paths add: the paths to `w[j]` go through all N examples.",
        "With `errors = x @ w - y` of shape (N,), the sum over the examples is the product `errors @ x`, of shape "
        "(D,).",
    ),
    rules=(
        without_calls(
            "Here you are autograd: write the formula, and use autograd to compare with.",
            *("backward", "grad", "_make_dual"),
        ),
    ),
)
def mse_gradient(w, x, y):  # (D,), (N, D), (N,) -> (D,)
    errors = x @ w - y  # (N, D) @ (D,) - (N,) -> (N,)
    return 2 * errors @ x / len(x)  # (N,) @ (N, D) -> (D,)


mse_gradient.example(
    *(torch.tensor([1.0, 1.0]), torch.tensor([[1.0, 2.0]]), torch.tensor([1.0])),
    gives=torch.tensor([4.0, 8.0]),  # the error is 3 - 1 = 2, and 2 · 2 · [1, 2]
)
mse_gradient.example(
    *(torch.tensor([1.0, -1.0]), torch.tensor([[1.0, 0.0], [2.0, 1.0], [0.0, 3.0]]), torch.tensor([2.0, -3.0, -1.0])),
    gives=torch.tensor([14.0, -4.0]) / 3,  # the errors are -1, 4, -2; 2 · [-1 + 8, 4 - 6] / 3
)


@mse_gradient.inputs
def weights_and_examples():
    for count, size in (3, 3), (1, 1), (4, 1), (2, 5), (30, 4):
        yield 3 * torch.randn(size), 2 * torch.randn(count, size) + 1, 5 * torch.randn(count)


def by_errors(formula):
    """Return an attempt that computes `formula(e, x, w)` from the errors `e`."""
    return lambda w, x, y: formula(x @ w - y, x, w)


WIDE = "the errors, (N,), line up with columns; `errors.unsqueeze(1)` lines up"
mse_gradient.mistakes(
    {
        "you have the gradient of the sum; the mean divides by N": by_errors(lambda e, x, w: 2 * e @ x),
        "you divided by the number of weights, not by N": by_errors(lambda e, x, w: 2 * e @ x / len(w)),
        "you divided by all entries of `x`; divide by N": by_errors(lambda e, x, w: 2 * e @ x / x.numel()),
        "the derivative of e² is 2e: the 2 is missing": by_errors(lambda e, x, w: e @ x / len(x)),
        "the 2 of 2e and the 1/N of the mean are missing": by_errors(lambda e, x, w: e @ x),
        "the sign is turned: the error is `x @ w - y`": by_errors(lambda e, x, w: -2 * e @ x / len(x)),
        "the sign is turned, and the 2 of 2e is missing": by_errors(lambda e, x, w: -e @ x / len(x)),
        "these are predictions, not errors, `x @ w - y`": lambda w, x, y: 2 * (x @ w) @ x / len(x),
        "you multiplied by e²; the derivative of e² is 2e": by_errors(lambda e, x, w: 2 * e**2 @ x / len(x)),
        "you squared the errors; the derivative of e² is 2e": by_errors(lambda e, x, w: e**2 @ x / len(x)),
        "this is the gradient of |e|; that of e² is 2e": by_errors(lambda e, x, w: e.sign() @ x / len(x)),
        "the path to `w[j]` is multiplied by `x[i, j]`": by_errors(lambda e, x, w: (2 * e.mean()).expand(len(w))),
        "these are parts of single examples; add them up": by_errors(lambda e, x, w: 2 * e[:, None] * x / len(x)),
        "these are parts of single examples; take their mean": by_errors(lambda e, x, w: 2 * e[:, None] * x),
        "the mean is over the examples alone, `dim=0`": by_errors(lambda e, x, w: (2 * e[:, None] * x).mean()),
        "the mean is over the examples, `dim=0`, not 1": by_errors(lambda e, x, w: (2 * e[:, None] * x).mean(1)),
        f"{WIDE} with rows": by_errors(lambda e, x, w: (2 * e * x).mean(0)),
        f"{WIDE} with rows. And add up the parts, down the columns": by_errors(lambda e, x, w: 2 * e * x / len(x)),
        f"{WIDE} with rows. And the mean is over the examples alone": by_errors(lambda e, x, w: (2 * e * x).mean()),
        "multiply for each example, and then take the mean": by_errors(lambda e, x, w: 2 * e.mean() * x.mean(0)),
        "multiply for each example, and then add up": by_errors(lambda e, x, w: 2 * e.sum() * x.sum(0) / len(x)),
        "this is the gradient for `x`; that for `w` has a factor `x`": by_errors(
            lambda e, x, w: 2 * torch.outer(e, w) / len(x)
        ),
        "this is the gradient for the predictions; the paths go on to `w`": by_errors(lambda e, x, w: 2 * e / len(x)),
        "these are the errors; what is the derivative of their squares?": by_errors(lambda e, x, w: e),
        "this is the loss; its gradient was asked for": by_errors(lambda e, x, w: (e**2).mean()),
        "the numbers are right, but (D,) is one dimension": by_errors(lambda e, x, w: 2 * e[None] @ x / len(x)),
    }
)


# --------------------------------------------------------------------------- who keeps a gradient, and for how long


def sort_out(attempt):
    """Observe the first name that is wrong in a set, and if there is none, what is missing."""
    given = attempt()
    advice = 'expected a set of names, such as `{"e", "loss"}`'
    assert isinstance(given, set | frozenset | list | tuple), f"`kept` is {describe_type(given)}, {advice}."
    assert all(isinstance(name, str) for name in given), f"`kept` does not hold names: {advice}, with quotes."
    unknown = sorted(set(given) - {"a", "b", "c", "d", "e", "loss"})
    assert not unknown, f"`kept` names {', '.join(map(repr, unknown))}; the names are a, b, c, d, e and loss."
    wrong = [name for name in ("b", "c", "e", "loss") if name in given]
    if wrong:
        return {"a name in `kept` that has no gradient in its `.grad`": Words(f"`{wrong[0]}`")}
    kinds = {"a": "a leaf that requires gradients", "d": "the result of an operation"}
    missing = [Words(kind) for name, kind in kinds.items() if name not in given]
    return {
        "a name in `kept` that has no gradient in its `.grad`": Words("none"),
        "what is missing in `kept`": (missing or [Words("nothing")])[0],
    }


def describe_type(value):
    return f"the text {value!r}" if isinstance(value, str) else kind_of(value)


@exercise(
    hints=(
        "Which of the six are leaves that require gradients? Look at each line for an operation.",
        "To these add the results for which `retain_grad()` was called before `backward()`.",
    ),
    observe=sort_out,
)
def kept():
    return {"a", "d"}


kept.example(gives={"what is missing in `kept`": Words("nothing")})  # one leaf, and one that was asked for
kept.mistakes(
    {
        "`b` is the result of a multiplication: the leaf is the tensor before `* 2`, which has no name. So `b.grad` is "
        "None, and an optimizer that got `b` would not move it": lambda: {"a", "b", "d"},
        "`c` was not made with `requires_grad=True`": lambda: {"a", "c", "d"},
        "`e` is a result, and nobody asked for its gradient: it was passed on, and thrown away": lambda: set("ade"),
        "`loss` is a result, too; its gradient is the 1.0 that all starts with": lambda: {"a", "d", "loss"},
        "who made it, you or an operation? A leaf that requires gradients keeps its own": lambda: {"d"},
        "`retain_grad()` asks for the gradient of a result": lambda: {"a"},
    }
)


def watch_none(attempt, first, second, x):
    """Observe the result; where it is None, what was called instead, which tells why."""
    with warnings.catch_warnings(action="ignore"), Calls() as calls:  # a forgotten retain_grad is explained here
        result = attempt(first, second, x)
    if result is None:
        return {"your result": None, "calls": [name for name in calls.names if name in ("retain_grad", "backward")]}
    return {"your result": result}


@exercise(
    hints=(
        "Give the output of `first` a name, `z`. It is a result and no leaf: what has to be asked for, and when?",
        "`z.retain_grad()` comes after `z = first(x)` and before `backward()`. Backward needs one number: "
        "`second(z).sum()`.",
    ),
    observe=watch_none,
    further="`torch.autograd.grad(second(z).sum(), z)` returns it at once, and leaves no gradients in the layers.",
)
def hidden_gradient(first, second, x):  # (N, D) -> (N, H)
    z = first(x)  # (N, H)
    z.retain_grad()
    second(z).sum().backward()
    return z.grad


class Square(nn.Module):
    def forward(self, z):
        return z**2


hidden_gradient.example(
    *(fill(nn.Linear(2, 2, bias=False), [[1.0, 0.0], [1.0, 1.0]]), Square(), torch.tensor([[1.0, 2.0]])),
    gives=torch.tensor([[2.0, 6.0]]),  # `z` is [1, 1 + 2], and the derivative of z² is 2z
    name="for a `second` that squares, at z = [[1, 3]]",
)


@hidden_gradient.inputs
def two_parts():
    for count, size, hidden, outputs in (2, 3, 2, 1), (1, 2, 4, 3), (5, 1, 1, 2), (3, 2, 2, 2):
        first = nn.Linear(size, hidden)
        second = nn.Sequential(nn.Linear(hidden, outputs), nn.Sigmoid())
        yield first, second, torch.randn(count, size)
    yield nn.Sequential(nn.Linear(3, 4), nn.Tanh()), Square(), torch.randn(4, 3)


def by_backward(retain="before", total=torch.sum, give=lambda first, z, x: z.grad):
    """Return an attempt that goes back from `total(second(z))`, and returns `give(first, z, x)`."""

    def attempt(first, second, x):
        x = x.clone().requires_grad_()
        z = first(x)
        if retain == "before":
            z.retain_grad()
        total(second(z)).backward()
        if retain == "after":
            z.retain_grad()
        return give(first, z, x)

    return attempt


def of_the_sum_of_z(first, second, x):
    return torch.ones_like(first(x))


hidden_gradient.mistakes(
    {
        "only leaves keep a gradient, unless you call `z.retain_grad()` before `backward()`": by_backward(retain=""),
        "`z.retain_grad()` comes too late: the gradient is thrown away by then": by_backward(retain="after"),
        "this is no gradient of the `z` in the graph. Is a `return` missing? Did `second` get `z`?": by_backward(
            give=lambda first, z, x: None
        ),
        "`backward()` starts from one number: `second(z).sum()`": by_backward(total=lambda output: output),
        "`sum(dim=1)` leaves a number for each row; `sum()` adds up all": by_backward(total=lambda out: out.sum(dim=1)),
        "this is the gradient of the mean; add up, with `sum()`": by_backward(total=torch.mean),
        "this is the gradient of a sum of squares; add up the outputs": by_backward(total=lambda out: (out**2).sum()),
        "this is the gradient for `x`, one layer too far": by_backward(give=lambda first, z, x: x.grad),
        "this is the gradient for a weight; `z` is what `first` returns": by_backward(
            give=lambda first, z, x: next(first.parameters()).grad
        ),
        "this is the gradient of the sum of `z`; pass `z` through `second`": of_the_sum_of_z,
        "this is `z` itself; `z.grad` is its gradient": lambda first, second, x: first(x),
        "this is the output of `second`; go back from its sum": lambda first, second, x: second(first(x)),
        "this is the sum; its gradient for `z` was asked for": lambda first, second, x: second(first(x)).sum(),
    }
)


# ------------------------------------------------------------------------------------------------ gradients accumulate


class Saved:
    """A tensor that a graph has saved for its way back."""

    def __init__(self, tensor):
        self.tensor = tensor.detach()


def watch_memory(attempt, model, loss_fn, batches, earlier):
    """Observe the gradients, and what is in memory; `earlier` is what is in each `.grad` before, or None."""
    for parameter in model.parameters():
        parameter.grad = None if earlier is None else torch.full_like(parameter, earlier)
    before, forward = numbers(model), model.forward
    alive, sizes, graphs = weakref.WeakSet(), [0], [0]

    def keep(tensor):
        saved = Saved(tensor)
        alive.add(saved)
        return saved

    def watched(inputs):
        sizes.append(len(inputs))
        graphs.append(len(alive))
        with ExitStack() as stack:
            with suppress(RuntimeError):  # `torch.func` allows no hooks, and keeps no graph
                stack.enter_context(torch.autograd.graph.saved_tensors_hooks(keep, lambda saved: saved.tensor))
            return forward(inputs)

    model.forward = watched
    result = attempt(model, loss_fn, batches)
    gradients = {f"the gradient of `{name}`": p.grad for name, p in model.named_parameters()}
    changed = list_up(name for name, value in numbers(model).items() if not value.equal(before[name]))
    return {
        **gradients,
        "what else has changed": changed,
        "the largest number of examples in the model at once": max(sizes),
        "what is in memory when a part enters the model": Words("the graph of another" if max(graphs) else "no graph"),
        "what comes back": Words(kind_of(result)),
    }


@exercise(
    hints=(
        "The mean over all examples: a part of 3 out of 6 examples counts one half. How much does a part of 1 count?",
        "Multiply each loss by `len(inputs) / examples`, where `examples` is the sum of all sizes, and call "
        "`backward()` inside the loop.",
        "Before the loop, `model.zero_grad()`. After it nothing is left to do: the gradients have added up in `.grad`.",
    ),
    observe=watch_memory,
)
def accumulate(model, loss_fn, batches):  # [((n, D), (n, 1)), ...], n differs
    examples = sum(len(inputs) for inputs, _ in batches)
    model.zero_grad()
    for inputs, targets in batches:
        loss = loss_fn(model(inputs), targets)  # the mean over n examples
        (loss * len(inputs) / examples).backward()


accumulate.example(
    fill(nn.Linear(1, 1, bias=False), [[2.0]]),
    F.mse_loss,
    [(torch.ones(3, 1), torch.zeros(3, 1)), (torch.tensor([[2.0]]), torch.tensor([[2.0]]))],
    None,
    # the errors are 2, and the gradient of e² is 2 · e · x: 4 for each of the three, and 8 for the last
    gives={"the gradient of `weight`": torch.tensor([[5.0]])},
    name="with parts of 3 and 1 examples",
)


def exponential_loss(predictions, targets):
    """A loss in which predictions and targets cannot change places."""
    return torch.exp((predictions - targets) / 2).mean()


@accumulate.inputs
def parts():
    deep = nn.Sequential(nn.Linear(3, 4), nn.Sequential(nn.Tanh(), nn.Linear(4, 1)))
    for model, loss_fn, sizes, earlier in (
        (nn.Linear(2, 1), F.mse_loss, [3, 1, 2], 10.0),
        (nn.Linear(2, 1), exponential_loss, [4, 4, 1], None),
        (deep, exponential_loss, [1, 4], 5.0),
        (nn.Linear(2, 1), F.l1_loss, [2, 2], 10.0),
        (nn.Linear(2, 1), F.mse_loss, [5], 1.0),
    ):
        size = next(model.parameters()).shape[1]
        batches = [(torch.randn(n, size), 3 * torch.randn(n, 1)) for n in sizes]
        before = "" if earlier is None else f" and `.grad` full of {earlier:g} before"
        yield case(model, loss_fn, batches, earlier, name=f"with parts of {list_up(sizes)} examples{before}")


def leave(model):
    pass


def weigh(
    share=lambda n, total, parts: n / total,
    clear=nn.Module.zero_grad,
    clear_each=leave,
    clear_after=leave,
    call=lambda loss_fn, predictions, targets: loss_fn(predictions, targets),
    back=Tensor.backward,
    chosen=slice(None),
):
    """Return an attempt in which each loss of the `chosen` parts is multiplied by `share(n, total, parts)`."""

    def attempt(model, loss_fn, batches):
        total = sum(len(inputs) for inputs, _ in batches)
        clear(model)
        for inputs, targets in batches[chosen]:
            clear_each(model)
            back(call(loss_fn, model(inputs), targets) * share(len(inputs), total, len(batches)))
        clear_after(model)

    return attempt


def zero_each(model):
    for parameter in model.parameters():
        parameter.grad.zero_()


UNEQUAL = "the parts are unequal, and each mean counts with its share, `len(inputs) / examples`"
OLD = "the gradients of an earlier round are still in it; call `model.zero_grad()` before the loop"
LAST = "only the last part is in it; clear the gradients once, before the loop"
clear_each = {"clear_each": nn.Module.zero_grad}
accumulate.mistakes(
    {
        f"you divided by the number of parts: {UNEQUAL}": weigh(lambda n, total, parts: 1 / parts),
        f"you added up the means: {UNEQUAL}": weigh(lambda n, total, parts: 1),
        "you multiplied by the sizes; dividing by all examples is still to come": weigh(lambda n, total, parts: n),
        "divide by the number of examples, and not by that of parts": weigh(lambda n, total, parts: n / parts),
        f"you divided by the number of all examples: {UNEQUAL}": weigh(lambda n, total, parts: 1 / total),
        f"you divided by the size of the part: {UNEQUAL}": weigh(lambda n, total, parts: 1 / n),
        f"the share is upside down: {UNEQUAL}": weigh(lambda n, total, parts: total / n),
        LAST: weigh(**clear_each),
        f"{LAST}. And {UNEQUAL}": weigh(lambda n, total, parts: 1 / parts, **clear_each),
        f"{LAST}. It counts with its share, `len(inputs) / examples`": weigh(lambda n, total, parts: 1, **clear_each),
        OLD: weigh(clear=leave),
        f"{OLD}. And you divided by the number of parts: {UNEQUAL}": weigh(lambda n, total, parts: 1 / parts, leave),
        f"{OLD}. And you added up the means: {UNEQUAL}": weigh(lambda n, total, parts: 1, leave),
        "predictions and targets have changed places: `loss_fn(model(inputs), targets)`": weigh(
            call=lambda loss_fn, predictions, targets: loss_fn(targets, predictions)
        ),
        "before the first `backward()`, a `.grad` is None; `model.zero_grad()` knows that": weigh(clear=zero_each),
        "only the first part is in it: is there a `return` or `break` in the loop?": weigh(chosen=slice(0, 1)),
        "no `backward()` was called, and the gradients are as they were": weigh(clear=leave, back=lambda loss: None),
        "the gradients were cleared, and no `backward()` was called after that": weigh(clear_after=nn.Module.zero_grad),
        "the loss is `loss_fn`, and you took `mse_loss`": weigh(call=lambda loss_fn, p, t: F.mse_loss(p, t)),
        "the `len` of a pair is 2; count its inputs": weigh(lambda n, total, parts: n / (2 * parts)),
    }
)


@accumulate.mistake("each part has a size of its own, and you took that of the first for all")
def size_of_the_first(model, loss_fn, batches):
    weigh(lambda n, total, parts: len(batches[0][0]) / total)(model, loss_fn, batches)


@accumulate.mistake("they do not fit into memory together: let each part pass through the model alone")
def one_large_batch(model, loss_fn, batches):
    inputs, targets = (torch.cat(parts) for parts in zip(*batches, strict=True))
    model.zero_grad()
    loss_fn(model(inputs), targets).backward()


@accumulate.mistake("a step is not asked for; leave the gradient in `.grad`")
def take_a_step(model, loss_fn, batches):
    accumulate.answer(model, loss_fn, batches)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter -= 0.1 * parameter.grad


def weigh_in_one(each, last):
    """Return an attempt in which the weighed losses are handled by `each(total)`, and after the loop by `last`."""

    def attempt(model, loss_fn, batches):
        examples = sum(len(inputs) for inputs, _ in batches)
        model.zero_grad()
        total = 0
        for inputs, targets in batches:
            loss = loss_fn(model(inputs), targets) * len(inputs) / examples
            total = total + loss
            each(total)
        last(loss, total)

    return attempt


accumulate.mistakes(
    {
        "`backward()` in the loop frees the graph of a part before the next comes, unless `retain_graph=True` is "
        "given": weigh_in_one(leave, lambda loss, total: total.backward()),
        "only the last part is in it: `backward()` belongs inside the loop": weigh_in_one(
            leave, lambda loss, total: loss.backward()
        ),
        "you went back from the sum of all losses so far, each time; go back from the new one": weigh_in_one(
            lambda total: total.backward(retain_graph=True), lambda loss, total: None
        ),
    }
)


# ------------------------------------------------------------------------------ each forward pass builds a new graph


def go_back(attempt, x):
    """Observe the result, and what `backward()` finds on its way to `x`."""
    x.requires_grad_()
    result = attempt(x)
    observed = {"your result": result, "`requires_grad` of your result": getattr(result, "requires_grad", None)}
    if isinstance(result, Tensor) and result.requires_grad and result.ndim == 0:
        try:
            result.backward()
            observed["what `backward()` says"] = Words("nothing")
        except RuntimeError as error:
            observed["what `backward()` says"] = Words(str(error).partition(":")[0])
        observed["`x.grad` after `backward()`"] = x.grad
    return observed


@exercise(
    hints=(
        "A `while` loop, as in `grow`. Its condition compares tensors, and its body makes a new `guess`.",
        "Start with `guess = torch.ones_like(x)`, and go on while `(guess**2 - x).abs() >= 0.01`.",
    ),
    observe=go_back,
)
def square_root(x):  # () -> ()
    guess = torch.ones_like(x)
    while (guess**2 - x).abs() >= 0.01:
        guess = (guess + x / guess) / 2
    return guess


square_root.example(
    torch.tensor(2.0),
    gives={
        "your result": torch.tensor(17 / 12),  # 1, then (1 + 2) / 2 = 3/2, then (3/2 + 4/3) / 2; 289/144 - 2 < 0.01
        "`x.grad` after `backward()`": torch.tensor(13 / 36),  # 3/2 has 1/2; then (1/2 + 2/3 - 2/(9/4) · 1/2) / 2
    },
)


@square_root.inputs
def numbers_with_roots():
    for number in 9.0, 0.04, 1.5, 0.005, 300.0:
        yield (torch.tensor(number),)


def root_with(
    start=torch.ones_like,
    far=lambda guess, x: (guess**2 - x).abs() >= 0.01,
    carry=lambda guess: guess,
    mean=lambda guess, x: (guess + x / guess) / 2,
):
    """Return an attempt that begins with `start(x)`, and while `far(guess, x)`, takes the `mean` of `carry(guess)`."""

    def attempt(x):
        guess = start(x)
        while far(guess, x):
            guess = mean(carry(guess), x)
        return guess

    return attempt


def rounds(count):
    """Return an attempt that makes `count` new guesses; count may depend on `x`."""

    def attempt(x):
        guess, number = torch.ones_like(x), count
        if callable(count):
            number = next(n for n in range(99) if (rounds(n)(x) ** 2 - x).abs() < 0.01)
            number = count(number)
        for _ in range(number):
            guess = (guess + x / guess) / 2
        return guess

    return attempt


def gone_back(result):
    result.backward()
    return result


MANY = "whatever `x` is; how many rounds it takes depends on `x`"
square_root.mistakes(
    {
        "the loop never runs: go on while `guess**2` and `x` are apart": root_with(
            far=lambda guess, x: (guess**2 - x).abs() < 0.01
        ),
        "without `abs()`, a guess that is too small ends the loop": root_with(
            far=lambda guess, x: guess**2 - x >= 0.01
        ),
        "this is one round too many; look at the guess before you make the next one": rounds(lambda n: n + 1),
        "this is one round too few, the guess before the last": rounds(lambda n: max(n - 1, 0)),
        "you stop at 0.001, closer than was asked for": root_with(far=lambda g, x: (g**2 - x).abs() >= 0.001),
        "you stop at 0.1; go on while they are 0.01 or more apart": root_with(far=lambda g, x: (g**2 - x).abs() >= 0.1),
        "compare the square of the guess with `x`": root_with(far=lambda g, x: (g - x.sqrt()).abs() >= 0.01),
        "you compare the difference with a share of `x`": root_with(far=lambda g, x: (g**2 - x).abs() >= 0.01 * x),
        "this is the exact root; stop as soon as the guess is near enough": torch.sqrt,
        "this is the exact root, as a number; the guess was asked for, as a tensor": lambda x: x.item() ** 0.5,
        "begin with the guess 1; you began with `x / 2`": root_with(lambda x: x / 2),
        "begin with the guess 1; you began with `x`": root_with(lambda x: x),
        "this is the guess after one round: is the `return` inside the loop?": rounds(1),
        f"you made two rounds, {MANY}": rounds(2),
        f"you made three rounds, {MANY}": rounds(3),
        f"you made five rounds, {MANY}": rounds(5),
        "`.item()` or `float` makes a Python number, and the record is lost; stay with tensors": lambda x: root_with(
            lambda x: 1.0, lambda guess, x: abs(guess**2 - x) >= 0.01
        )(x.item()),
        "something cut the record: `.item()`, `float(x)`, `.detach()`, `no_grad` or a new tensor of the same number": (
            lambda x: root_with()(x.detach())
        ),
        "the record is cut where `guess` is used again; do not detach it": root_with(carry=lambda g: g.detach()),
        "it was called already; return the guess alone": lambda x: gone_back(square_root.answer(x)),
        "the record leads to another tensor, and not to `x`": lambda x: root_with()(x.detach().requires_grad_()),
        "it needs the earlier guesses on its way back. Make a new `guess` in each round, and do not change the old one "
        "in place": root_with(mean=lambda guess, x: guess.copy_((guess + x / guess) / 2)),
    }
)


# ---------------------------------------------------------------------------------------- computing without a graph


def look_at_x(attempt, f, x, kind):
    """Observe the gradient at an `x` that is of a kind, and what has become of this `x`."""
    leaf = x
    if kind != "plain":
        leaf.requires_grad_()
    if kind == "leaf":
        leaf.grad = torch.ones_like(x)
    if kind == "result":
        x = leaf * 1
    before, asked = x.detach().clone(), [False]

    def watched(x):
        asked.append(isinstance(x, Tensor) and x.requires_grad)
        return f(x)

    with warnings.catch_warnings(action="ignore"):  # `.grad` of a result is explained here
        result = attempt(watched, x)
        result = result.clone() if isinstance(result, Tensor) else result
        again = attempt(watched, x)
    if not any(asked):
        return {"what `f` was called with": Words("tensors that require no gradients")}
    return {
        "what `f` was called with": Words("a tensor that requires gradients"),
        "your result": result,
        "your result the second time": again,
        "`x.requires_grad` afterwards": x.requires_grad,
        "`x.grad` afterwards": x.grad if x.is_leaf or x.retains_grad else None,
        "`x` afterwards": x if x.equal(before) else x.detach(),
        "the `.grad` of a leaf from which `x` was computed": leaf.grad if kind == "result" else None,
    }


@exercise(
    hints=(
        "Whatever `requires_grad` and `.grad` of the caller's tensor are, they should stay. Which of the three ways "
        "gives a new tensor, cut off from the graph?",
        "`x.detach()` is a new leaf with the same numbers. Ask for its gradient, call `f` with it, and `backward()`.",
    ),
    observe=look_at_x,
    further="`torch.func.grad(f)` is this function, made by PyTorch.",
)
def gradient_of(f, x):  # f(x): (); x: any shape -> the same shape
    x = x.detach().requires_grad_()  # the same numbers, with a .grad of its own
    f(x).backward()
    return x.grad


gradient_of.example(
    *(Formula("(x**2).sum()"), torch.tensor([1.0, 3.0]), "plain"),
    gives={"your result": torch.tensor([2.0, 6.0])},  # 2x
    name="for the sum of squares at [1, 3]",
)


@gradient_of.inputs
def kinds_of_tensors():
    kinds = {"plain": "a plain `x`", "leaf": "an `x` with ones in its `.grad`", "result": "an `x` that is a result"}
    weights = torch.tensor([[1.0, -2.0], [3.0, 4.0]])
    for f, x in (
        (Formula("(weights * x**2).sum()", weights=weights), torch.tensor([[2.0, 1.0], [0.5, -1.0]])),
        (Formula("x**3"), torch.tensor(-2.0)),
        (Formula("x.prod()"), torch.tensor([3.0, -1.0, 0.5], dtype=torch.float64)),
    ):
        for kind, words in kinds.items():
            yield case(f, x, kind, name=f"for {f!r} at {show(x)}, {words}")


def from_leaf(leaf_of, give=lambda x: x.grad):
    """Return an attempt that goes back to `leaf_of(x)`."""

    def attempt(f, x):
        x = leaf_of(x)
        f(x).backward()
        return give(x)

    return attempt


def retained(x):
    x.retain_grad()
    return x


def cleared(x):
    x.grad = None
    return x


gradient_of.mistakes(
    {
        "is a `backward()` or a `return` missing? The gradient comes into `.grad` of what `f` got": from_leaf(
            lambda x: x.detach().requires_grad_(), give=lambda x: None
        ),
        "a clone of a leaf is a result, and keeps no gradient; `x.detach()` makes a leaf": from_leaf(
            lambda x: x.clone().requires_grad_()
        ),
        "a clone is recorded as a result of `x`, and `backward()` goes on into it; `x.detach()` is cut off": from_leaf(
            lambda x: retained(x.clone().requires_grad_())
        ),
        "this is the caller's tensor; work on `x.detach()`, with a `.grad` of its own": from_leaf(
            Tensor.requires_grad_
        ),
        "you cleared the `.grad` of the caller's tensor, and used it; work on `x.detach()`": from_leaf(
            lambda x: cleared(x.requires_grad_())
        ),
        "the caller's `requires_grad` was switched on; switch on that of `x.detach()`": lambda f, x: (
            torch.autograd.grad(f(x.requires_grad_()), x)[0]
        ),
        "nothing is recorded here: does `f` get `x.detach().requires_grad_()`, and not under `no_grad`?": from_leaf(
            Tensor.detach
        ),
        "a plain `x` is not recorded; `x.detach().requires_grad_()` is": from_leaf(lambda x: x),
        "you returned `.grad` of the caller's tensor": lambda f, x: (gradient_of.answer(f, x), x.grad)[1],
        "`torch.autograd.grad` returns a tuple; take its first entry": lambda f, x: (gradient_of.answer(f, x),),
        "a plain `x` has no graph; ask for `x.detach().requires_grad_()`": lambda f, x: torch.autograd.grad(f(x), x)[0],
        "autograd has no part in this; give `f` a tensor that requires gradients, and call `backward()`": lambda f, x: (
            numerical_gradient.answer(f, x.detach(), 1e-3)
        ),
        "this is the value of `f`; its gradient was asked for": lambda f, x: f(x.detach().requires_grad_()),
    }
)


def names_that_learn(attempt, model, names):
    attempt(model, names)
    return {"what requires gradients": list_up(learning(model))}


@exercise(
    hints=(
        "`model.named_parameters()` gives pairs of a name and a parameter. Each parameter has a switch of its own.",
        "`requires_grad_` takes True or False, and `name in names` is one of the two.",
    ),
    observe=names_that_learn,
)
def train_only(model, names):  # a model, a list of names such as "0.weight"
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in names)


train_only.example(nn.Linear(2, 1), ["bias"], gives={"what requires gradients": Words("bias")})


@train_only.inputs
def models_and_names():
    def nested():
        return nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.Linear(3, 3), nn.ReLU()), nn.Linear(3, 1))

    frozen = nested()
    frozen[2].bias.requires_grad_(False)
    for model, names, words in (
        (nested(), ["2.weight", "2.bias"], ""),
        (frozen, ["2.weight", "2.bias"], ", where 2.bias was frozen before"),
        (frozen, ["0.bias", "2.bias"], ", where 2.bias was frozen before"),
        (nested().requires_grad_(False), ["2.weight", "1.0.weight"], ", where all were frozen before"),
        (nested(), ["1.0.bias"], ""),
        (nested(), [], ""),
        (nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)), ["1.weight"], ""),
    ):
        yield case(model, names, name=f"for names = {names}{words}")


def switch(decide):
    """Return an attempt that sets each switch to `decide(name, names, on)`; `on` is what it was before."""

    def attempt(model, names):
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(decide(name, names, parameter.requires_grad))

    return attempt


train_only.mistakes(
    {
        "nothing has changed: the switch is `parameter.requires_grad`, of each parameter": switch(
            lambda name, names, on: on
        ),
        "all are frozen; switch those on that are in `names`": switch(lambda name, names, on: False),
        "none is frozen, whatever `names` says": switch(lambda name, names, on: True),
        "it is the other way round: `names` says which ones learn": switch(lambda name, names, on: name not in names),
        "what was frozen before has to be switched on": switch(lambda name, names, on: on and name in names),
        "those that are not in `names` have to be frozen": switch(lambda name, names, on: on or name in names),
        "those in `names` learn, and the others are frozen": switch(lambda name, names, on: on and name not in names),
        "one name is a part of another, such as 0.bias of 1.0.bias; ask for `name in names`": switch(
            lambda name, names, on: any(part in name for part in names)
        ),
        "two layers have a `weight` each; compare whole names": switch(
            lambda name, names, on: name.split(".")[-1] in [given.split(".")[-1] for given in names]
        ),
        "you switched whole layers; each parameter has its own switch": switch(
            lambda name, names, on: name.rpartition(".")[0] in [given.rpartition(".")[0] for given in names]
        ),
        "you switched all that begins with the same number; compare whole names": switch(
            lambda name, names, on: name.split(".")[0] in [given.split(".")[0] for given in names]
        ),
        "you looked at the first of `names` alone": switch(lambda name, names, on: name in names[:1]),
        "you froze each of `names` again, but for the last": switch(
            lambda name, names, on: name in names[-1:] if names else on
        ),
        "only the first parameter was switched: is there a `return` in the loop?": lambda model, names: [
            parameter.requires_grad_(name in names) for name, parameter in [*model.named_parameters()][:1]
        ],
        "the last two learn, whatever `names` says": lambda model, names: [
            parameter.requires_grad_(place < 2) for place, parameter in enumerate([*model.parameters()][::-1])
        ],
    }
)


# ---------------------------------------------------------------------------------------------------- can you trust it?


def forth_and_back(attempt, z, gradient):
    """Observe both methods of a function, and whether they leave what they get as it is."""
    assert issubclass(attempt, torch.autograd.Function), (
        "Your class is no `torch.autograd.Function`. Keep the first line as it was given."
    )
    z.requires_grad_()
    result = attempt.apply(z)
    observed = {"the result of `forward`": result, "`z` after `forward`": z.detach().clone()}
    if isinstance(result, Tensor) and result.shape == gradient.shape and result.requires_grad:
        observed["the result of `forward`"] = result.detach().clone()
        result.backward(gradient)
        observed["what `backward` makes of `gradient`"] = z.grad
        observed["`gradient` after `backward`"] = gradient
    return observed


@exercise(
    hints=(
        "The derivative needs the result alone, so save the result and not `z`: `ctx.save_for_backward(result)`.",
        "In `backward`, `(result,) = ctx.saved_tensors`. Along a path multiply: `gradient` times the derivative.",
    ),
    observe=forth_and_back,
)
class Sigmoid(torch.autograd.Function):  # any shape -> the same shape
    @staticmethod
    def forward(ctx, z):
        result = 1 / (1 + torch.exp(-z))
        ctx.save_for_backward(result)
        return result

    @staticmethod
    def backward(ctx, gradient):
        (result,) = ctx.saved_tensors
        return gradient * result * (1 - result)


Sigmoid.example(
    *(torch.tensor([0.0]), torch.tensor([4.0])),
    gives={"the result of `forward`": torch.tensor([0.5]), "what `backward` makes of `gradient`": torch.tensor([1.0])},
    name="for z = [0] and a gradient of [4]",  # 4 · 0.5 · (1 - 0.5)
)


@Sigmoid.inputs
def logits_and_gradients():
    odds = torch.tensor([[1.0, 3.0], [0.25, 4.0]], dtype=torch.float64)  # the results are 0.5, 0.75, 0.2 and 0.8
    weights = torch.tensor([[1.0, 10.0], [-2.0, 5.0]], dtype=torch.float64)
    yield case(odds.log(), weights, name="for results of [[0.5, 0.75], [0.2, 0.8]] and gradients [[1, 10], [-2, 5]]")
    for z, gradient in (
        (torch.tensor(-1.5), torch.tensor(-3.0)),
        (torch.linspace(-3, 3, 7, dtype=torch.float64), torch.randn(7, dtype=torch.float64)),
        (torch.tensor([1000.0, -1000.0]), torch.tensor([1.0, 2.0])),
        (torch.randn(2, 1, 3), torch.randn(2, 1, 3)),
    ):
        name = f"for z = {show(z)} and a gradient of {show(gradient)}" if z.numel() < 4 else ""
        yield case(z, gradient, name=name or f"for a z of shape {tuple(z.shape)}")


def slope(p, g):
    return g * p * (1 - p)


def sigmoid_with(backward=slope, forward=torch.sigmoid, save=lambda z, result: result):
    """Return a mistaken Sigmoid: `forward(z)`, `save(z, result)` and `backward(saved, gradient)` are its parts."""

    class Mistaken(Sigmoid.answer):
        @staticmethod
        def forward(ctx, z):
            result = forward(z)
            ctx.save_for_backward(save(z, result))
            return result

        @staticmethod
        def backward(ctx, gradient):
            return backward(*ctx.saved_tensors, gradient)

    return Mistaken


DERIVATIVE = "the derivative is `result * (1 - result)`"
Sigmoid.mistakes(
    {
        "the exponent has a minus, `exp(-z)`; these are the probabilities of *no*": sigmoid_with(
            forward=lambda z: 1 / (1 + z.exp())
        ),
        "`exp(z)` is too large for a float here, and infinity / infinity is nan; `1 / (1 + exp(-z))` is safe": (
            sigmoid_with(forward=lambda z: z.exp() / (1 + z.exp()))
        ),
        "`1 + exp(-z)` needs brackets below the `/`": sigmoid_with(forward=lambda z: 1 / 1 + (-z).exp()),
        "this is `tanh`; the sigmoid is `1 / (1 + exp(-z))`": sigmoid_with(forward=torch.tanh),
        "`forward` returns its input; the sigmoid is `1 / (1 + exp(-z))`": sigmoid_with(forward=torch.clone),
        "it was changed in place; compute a new tensor": sigmoid_with(forward=lambda z: 1 / (1 + z.neg_().exp())),
        "multiply by `gradient`, which arrives from the loss": sigmoid_with(lambda p, g: p * (1 - p)),
        "you added `gradient`; along a path multiply": sigmoid_with(lambda p, g: g + p * (1 - p)),
        f"you multiplied by `result`; {DERIVATIVE}": sigmoid_with(lambda p, g: g * p),
        f"you multiplied by `1 - result`; {DERIVATIVE}": sigmoid_with(lambda p, g: g * (1 - p)),
        f"you took `1 + result`; {DERIVATIVE}": sigmoid_with(lambda p, g: g * p * (1 + p)),
        f"you took `result - 1`; {DERIVATIVE}": sigmoid_with(lambda p, g: g * (p - 1)),
        "you divided by the derivative; multiply by it": sigmoid_with(lambda p, g: g / (p * (1 - p))),
        f"`1 - result` needs brackets; {DERIVATIVE}": sigmoid_with(lambda p, g: g * p * 1 - p),
        f"`1 - result**2` is the derivative of `tanh`; {DERIVATIVE}": sigmoid_with(lambda p, g: g * (1 - p**2)),
        "you kept `z` and used it as the result; save the result": sigmoid_with(save=lambda z, result: z),
        "you took the sigmoid of the result": sigmoid_with(lambda p, g: slope(torch.sigmoid(p), g)),
        f"you took `gradient` for the result; {DERIVATIVE}": sigmoid_with(lambda p, g: g * (1 - g)),
        "`ctx.saved_tensors` is a tuple; `(result,) = ...` takes the tensor out": sigmoid_with(
            lambda p, g: slope((p,), g)
        ),
        "the sign is turned": sigmoid_with(lambda p, g: -slope(p, g)),
        "`backward` hands on what comes, as if the derivative were 1": sigmoid_with(lambda p, g: g.clone()),
        "`backward` returns None, as if `z` needed no gradient: is a `return` missing?": sigmoid_with(
            lambda p, g: None
        ),
        "it is the caller's; compute a new tensor": sigmoid_with(lambda p, g: g.mul_(p).mul_(1 - p).clone()),
        "each entry has a gradient of its own; take no mean": sigmoid_with(
            lambda p, g: slope(p, g).mean().expand_as(p)
        ),
        "each entry has a gradient of its own; take no sum": sigmoid_with(lambda p, g: slope(p, g).sum().expand_as(p)),
    }
)


def watch_x(attempt, f, x, lr, steps):
    """Observe the place, whether a graph hangs on it, and what has become of the caller's `x`."""
    before, optimizers = (x.detach().clone(), x.requires_grad, x.grad), []
    handle = register_optimizer_step_pre_hook(lambda optimizer, *_: optimizers.append(optimizer))
    try:
        result = attempt(f, x, lr, steps)
    finally:
        handle.remove()
    changes = {
        "its numbers": not x.equal(before[0]),
        "its `requires_grad`": x.requires_grad != before[1],
        "its `.grad`": find_difference(x.grad, before[2]) is not None,
    }
    return {
        "your result": result,
        "what hangs on your result": Words("a graph" if getattr(result, "grad_fn", None) else "no graph"),
        "`requires_grad` of your result": getattr(result, "requires_grad", False),
        "what has changed in the caller's `x`": list_up(what for what, changed in changes.items() if changed),
        "the number of steps that an optimizer took": len(optimizers),
    }


@exercise(
    hints=(
        "Begin with a leaf of your own: `x.detach().clone().requires_grad_()`. Why is the `clone` needed here?",
        "In each step: clear `x.grad`, compute `f(x)`, `backward()`, and move `x` under `torch.no_grad()`.",
        "The move is `x -= lr * x.grad`. At the end, `x.detach()` gives the numbers without a record.",
    ),
    observe=watch_x,
)
def descend(f, x, lr, steps):  # f(x): (); x: any shape -> the same shape
    x = x.detach().clone().requires_grad_()
    for _ in range(steps):
        x.grad = None
        f(x).backward()
        with torch.no_grad():
            x -= lr * x.grad
    return x.detach()


descend.example(
    *(Formula("(x**2).sum()"), torch.tensor([1.0]), 0.1, 2),
    gives=torch.tensor([0.64]),  # 1 - 0.1 · 2 = 0.8, then 0.8 - 0.1 · 1.6
)


@descend.inputs
def slopes_and_steps():
    place, valley = torch.tensor([[1.0, 1.0], [4.0, 3.0]]), torch.tensor([[1.0, 2.0], [0.5, 4.0]])
    yield Formula("(valley * (x - 2)**2).sum()", valley=valley), place, 0.05, 1
    yield Formula("(x**4).sum() / 4"), torch.tensor([2.0, -1.0, 0.5]), 0.02, 3
    yield Formula("(x - 3)**2"), torch.tensor(-2.0), 0.25, 5
    yield Formula("(x**2).sum()"), torch.tensor([3.0, -1.0], dtype=torch.float64), 0.3, 4
    yield Formula("(x**2).sum()"), torch.tensor([3.0, -1.0]), 0.1, 0
    leaf = torch.tensor([3.0, -1.0], requires_grad=True)
    leaf.grad = torch.tensor([5.0, 7.0])
    for steps in 2, 0:
        name = f"for `(x**2).sum()`, an `x` of [3, -1] that has a `.grad`, and {steps} steps"
        yield case(Formula("(x**2).sum()"), leaf, 0.5, steps, name=name)


def move_by(way):
    """Return a step that adds `way(gradient, lr)` to `x` in place."""

    def move(x, lr):
        with torch.no_grad():
            x += way(x.grad, lr)
        return x

    return move


downhill = move_by(lambda g, lr: -lr * g)


def set_none(x):
    x.grad = None


def descend_with(
    move=downhill,
    clear=set_none,
    own=lambda x: x.detach().clone().requires_grad_(),
    give=lambda f, x: x.detach(),
    count=lambda steps: steps,
):
    """Return an attempt: `own(x)` is the leaf, `move(x, lr)` a step, and `give(f, x)` what comes back."""

    def attempt(f, x, lr, steps):
        x = own(x)
        for _ in range(count(steps)):
            clear(x)
            f(x).backward()
            x = move(x, lr)
        return give(f, x)

    return attempt


descend.mistakes(
    {
        "you went uphill: subtract the gradient": descend_with(move_by(lambda g, lr: lr * g)),
        "the gradients of all steps add up in `x.grad`; set it to None before each": descend_with(clear=leave),
        "you subtracted the whole gradient; a step is `lr` times it": descend_with(move_by(lambda g, lr: -g)),
        "you subtracted `lr`; a step is `lr` times the gradient": descend_with(move_by(lambda g, lr: -lr)),
        "you took the sign of the gradient; take all of it": descend_with(move_by(lambda g, lr: -lr * g.sign())),
        "you divided by `lr`; a step is `lr` times the gradient": descend_with(move_by(lambda g, lr: -g / lr)),
        "your learning rate is 0.1, whatever `lr` is": descend_with(move_by(lambda g, lr: -0.1 * g)),
        "your learning rate is 0.01, whatever `lr` is": descend_with(move_by(lambda g, lr: -0.01 * g)),
        "you took one step too many": descend_with(count=lambda steps: steps + 1),
        "you took one step too few; `range(steps)` has `steps` of them": descend_with(
            count=lambda steps: max(steps - 1, 0)
        ),
        "you took one step: is the `return` inside the loop?": descend_with(count=lambda steps: min(steps, 1)),
        "you took ten steps, whatever `steps` is": descend_with(count=lambda steps: 10),
        "`x` has not moved; `x - lr * x.grad` makes a new tensor, `x -= lr * x.grad` changes `x`": descend_with(
            move_by(lambda g, lr: 0)
        ),
        "this is the last gradient; the place was asked for": descend_with(give=lambda f, x: x.grad),
        "this is the value of `f`; the place was asked for": descend_with(give=lambda f, x: f(x).detach()),
        "what is computed from it would be recorded; return `x.detach()`": descend_with(give=lambda f, x: x),
        "`detach()` shares the memory, and the caller's numbers move, too: take a `clone()`": descend_with(
            own=lambda x: x.detach().requires_grad_()
        ),
        "you moved the caller's tensor; work on one of your own, `x.detach().clone()`": descend_with(
            own=Tensor.requires_grad_
        ),
        "a clone of a leaf is a result, which keeps no gradient: `x.detach().clone()`": descend_with(
            own=lambda x: x.clone().requires_grad_()
        ),
        "at first `x.grad` is None, which has no `zero_()`; set it to None": descend_with(
            clear=lambda x: x.grad.zero_()
        ),
        "a step must not be recorded: move `x` under `torch.no_grad()`": descend_with(
            lambda x, lr: x.sub_(lr * x.grad)
        ),
        "`x = x - ...` under `no_grad` requires no gradients any more; `x -= ...` changes the same `x`": descend_with(
            lambda x, lr: (x - lr * x.grad).detach()
        ),
        "`x = x - ...` makes `x` a result, which keeps no gradient; use `x -= ...` under `no_grad`": descend_with(
            lambda x, lr: x - lr * x.grad
        ),
        "all is measured at the first place; call `f` anew in each step": lambda f, x, lr, steps: (
            x.detach() - steps * lr * gradient_of.answer(f, x)
        ),
    }
)


@descend.mistake("the steps are recorded, and all their graphs hang on the result: take each step under `no_grad`")
def one_graph_of_all_steps(f, x, lr, steps):
    x = x.detach().clone().requires_grad_()
    for _ in range(steps):
        x = x - lr * torch.autograd.grad(f(x), x)[0]
    return x


@descend.mistake("`f(x)` was computed once, before the loop; compute it in each step")
def one_value_for_all_steps(f, x, lr, steps):
    x = x.detach().clone().requires_grad_()
    value = f(x)
    for _ in range(steps):
        x.grad = None
        value.backward(retain_graph=True)
        x = downhill(x, lr)
    return x.detach()
