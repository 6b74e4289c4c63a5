"""The exercises of notebook 05, autograd."""

import warnings

import torch
import torch.nn.functional as F
from torch import nn
from torch.optim.optimizer import register_optimizer_step_pre_hook

from tutorial_utils.exercises.compare import expect_close
from tutorial_utils.exercises.old import Calls, Exercise, call, expect_no_loop, find_difference  # noqa: F401

# ------------------------------------------------------------------------------------- a gradient answers "what if?"


def numerical_gradient(f, x, nudge):  # f(x): (); x: any shape -> the same shape
    slopes = torch.zeros_like(x)
    for i in range(x.numel()):
        step = torch.zeros_like(x)
        step.view(-1)[i] = nudge
        slopes.view(-1)[i] = (f(x + step) - f(x - step)) / (2 * nudge)
    return slopes


def verify_numerical_gradient(attempt):
    once = "you nudged all numbers at once; nudge one at a time, and leave the others as they are"
    expect_close(
        call(attempt, lambda x: 3 * x[0] * x[1], torch.tensor([2.0, 5.0]), 0.125),
        torch.tensor([15.0, 6.0]),  # by hand: 3 · 5 and 3 · 2
        mistakes={
            once: torch.tensor(21.0),
            f"{once}, for one slope each": torch.tensor([21.0, 21.0]),
            "the nudge of `x[0]` is still there when `x[1]` is nudged; start each time from `x` itself": torch.tensor(
                [15.0, 21.0]
            ),
            "`x[0]` is not back in its place when `x[1]` is nudged; start each time from `x` itself": torch.tensor(
                [15.0, 5.625]
            ),
            "the two places are `2 * nudge` apart, and you divided by `nudge`": torch.tensor([30.0, 12.0]),
            "you divided by 2; the two places are `2 * nudge` apart": torch.tensor([1.875, 0.75]),
            "the brackets around `2 * nudge` are missing: without them, you divide by 2 and multiply by "
            "`nudge`": torch.tensor([0.234375, 0.09375]),
            "no slope was written into the result, or both nudges met in one tensor: `above = x` makes no copy, "
            "`x.clone()` does": torch.zeros(2),
            "these are the differences; dividing them by `2 * nudge` is still to come": torch.tensor([3.75, 1.5]),
            "`f(x + step) - f(x)` is half of the way; the other half is below `x`": torch.tensor([7.5, 3.0]),
            "the sign is turned: it is f above minus f below": torch.tensor([-15.0, -6.0]),
        },
        name="for `3 * x[0] * x[1]` at [2, 5], your result",
    )
    x = torch.tensor([[1.0, 2.0, -1.0], [3.0, 0.5, -2.0]], dtype=torch.float64)
    weights = torch.tensor([[1.0, 2.0, 4.0], [-1.0, 3.0, 0.5]], dtype=torch.float64)
    exact, square = 3 * weights * x**2, weights * 0.5**2  # of (x ± n)³: 3x² + n² to both sides, ± 3xn to one side
    expect_close(
        call(attempt, lambda x: (weights * x**3).sum(), x, 0.5),
        exact + square,
        mistakes={
            "you measured from `x` to one side; go to both sides, `x + nudge` and `x - nudge`": exact
            + square
            + 1.5 * weights * x,
            "you measured from one side to `x`; go to both sides, `x + nudge` and `x - nudge`": exact
            + square
            - 1.5 * weights * x,
            "you nudged whole rows; nudge one number at a time, in a flat view, `step.view(-1)[i]`": (exact + square)
            .sum(dim=1, keepdim=True)
            .expand(2, 3),
            "this is the exact gradient, as from autograd; measure it with the nudge that is given": exact,
        },
        name="for `(weights * x**3).sum()`, a float64 table of (2, 3) and the nudge 0.5, your result",
    )


numerical_gradient = Exercise(
    numerical_gradient,
    verify_numerical_gradient,
    hints=(
        "Begin with `measure_slopes` above. Where does it call the function for the second time, and where should it?",
        "For each number make a `step`: zeros in the shape of `x`, and the nudge at that one place.",
        "The slope is `(f(x + step) - f(x - step)) / (2 * nudge)`.",
    ),
)


# ------------------------------------------------------------------------------------------- the graph of a computation


def count_functions(result):  # a tensor -> int
    found, waiting = set(), [result.grad_fn]
    while waiting:
        function = waiting.pop()
        if function is not None and function not in found:
            found.add(function)
            waiting += [following for following, _ in function.next_functions]
    return len(found)


def verify_count_functions(attempt):
    a, b, d = (torch.tensor([2.0, 3.0], requires_grad=True) for _ in range(3))
    c = torch.tensor(4.0)
    expect_close(
        attempt(a * b * d * a),
        6,
        mistakes={
            "the functions called `AccumulateGrad` count, too": 3,
            "a function has several `next_functions`; follow all of them, not the first alone": 4,
            "you counted names; three products are three functions, though they are all called `MulBackward0`": 2,
            "`a` is used twice, and its function was counted twice; keep a set of those that you have seen": 7,
            "the function that you start from, `result.grad_fn`, counts, too": 5,
        },
        name="for `a * b * d * a`, three products and three leaves, your result",
    )
    expect_close(
        attempt(b * c),
        2,
        mistakes={"a `None` among the `next_functions` is no function: do not count it": 3},
        name="for `b * c`, where `c` needs no gradient, your result",
    )
    square = a * a
    fourth = square * square
    expect_close(
        attempt(fourth * fourth),
        4,
        mistakes={
            "you counted a function once for each arrow that leads to it, and here two lead from each to the next; "
            "keep a set of those that you have seen": 15,
            "you counted the arrows, and two lead from each function to the next": 6,
        },
        name="for a product squared three times, a chain of three products and one leaf, your result",
    )
    first, second = a.unbind()
    expect_close(
        attempt(first * second),
        3,
        mistakes={
            "one function, `UnbindBackward0`, has two outputs, and you counted it for each. The number beside a "
            "function says which output was used; the function is the same": 4,
        },
        name="for the product of the two entries of `a`, taken out with one `unbind`, your result",
    )
    for leaf, kind in (a, "a leaf"), (c, "a tensor that needs no gradient"):
        expect_close(
            attempt(leaf),
            0,
            mistakes={"its `grad_fn` is None, which is no function": 1},
            name=f"for {kind}, your result",
        )


count_functions = Exercise(
    count_functions,
    verify_count_functions,
    hints=(
        "Keep two things: a set of the functions found so far, and a list of those still to visit, at first "
        "`[result.grad_fn]`.",
        "`waiting.pop()` takes a function off the list. If it is None or in the set, there is nothing to do.",
        "Otherwise put it into the set, and add `[following for following, _ in function.next_functions]` to the list.",
    ),
)


# ------------------------------------------------------------------------------ forward does two things, backward three


def mse_gradient(w, x, y):  # (D,), (N, D), (N,) -> (D,)
    errors = x @ w - y  # (N, D) @ (D,) - (N,) -> (N,)
    return 2 * errors @ x / len(x)  # (N,) @ (N, D) -> (D,)


def verify_mse_gradient(attempt):
    x = torch.tensor([[1.0, 2.0, 0.0], [0.0, 1.0, 1.0], [3.0, -1.0, 2.0], [1.0, 0.0, -1.0]])
    inputs = torch.tensor([1.0, 2.0, -1.0]), x, torch.tensor([4.0, 3.0, -4.0, 3.0])
    errors = torch.tensor([1.0, -2.0, 3.0, -1.0])  # by hand: the predictions are 5, 1, -1, 2
    expected = torch.tensor([9.0, -3.0, 5.0]) / 2
    products = errors.unsqueeze(1) * x
    expect_close(
        call(attempt, *inputs),
        expected,
        mistakes={
            "the loss is a mean over N examples, so each counts 1/N; you have the gradient of their sum": 4 * expected,
            "you divided by the number of weights, D; the mean is over the N examples": expected * 4 / 3,
            "the derivative of e² is 2e: the 2 is missing": expected / 2,
            "the 2 of 2e and the 1/N of the mean are missing": 2 * expected,
            "the sign is turned: the error is the prediction minus the truth, `x @ w - y`": -expected,
            "the sign is turned, and the 2 of 2e is missing": -expected / 2,
            "these are the parts of the single examples; over all paths add": products / 2,
            "these are the parts of the single examples; over all paths add, and the mean counts each 1/N": 2
            * products,
            "you took the mean over rows and columns; the mean is over the examples, `dim=0`, and leaves a number for "
            "each weight": 2 * products.mean(),
            "you took the mean over the columns; the mean is over the examples, `dim=0`": 2 * products.mean(dim=1),
            "this is the gradient with respect to the predictions; the paths go on to `w`, and on the way they are "
            "multiplied by `x`": errors / 2,
            "these are the errors; what is the derivative of their squares?": errors,
            "this is the loss; its gradient was asked for": torch.tensor(3.75),
        },
    )
    two = torch.tensor([[1.0, 0.0, 2.0], [0.0, 1.0, 1.0]])
    expect_close(
        call(attempt, torch.tensor([1.0, 1.0, 1.0]), two, torch.tensor([1.0, 4.0])),
        torch.tensor([2.0, -2.0, 2.0]),  # by hand: the errors are 2, -2
        name="for two examples with three numbers each, your result",
    )
    with Calls() as calls:
        attempt(*inputs)
    assert not {"backward", "grad"}.intersection(calls.names), (
        "The numbers are right, but they come from autograd. Here you are autograd: write the formula, and use "
        "autograd to compare with."
    )


mse_gradient = Exercise(
    mse_gradient,
    verify_mse_gradient,
    hints=(
        "The path from the loss to `w[j]` by way of example i: the mean gives 1/N, the square gives 2 · error, the "
        "product gives `x[i, j]`.",
        "Along a path multiply, over all paths add: the paths to `w[j]` go through all N examples.",
        "With `errors = x @ w - y` of shape (N,), the sum over the examples is the product `errors @ x`, of shape "
        "(D,).",
    ),
)


# --------------------------------------------------------------------------- who keeps a gradient, and for how long


def kept():
    return {"a", "d"}


def verify_kept(attempt):
    names = {"a", "b", "c", "d", "e", "loss"}
    advice = 'expected a set of names, such as `{"e", "loss"}`'
    assert isinstance(attempt, set | frozenset | list | tuple), f"`kept` is {_describe(attempt)}, {advice}."
    assert all(isinstance(name, str) for name in attempt), f"`kept` does not hold names: {advice}, with quotes."
    given = set(attempt)
    assert given <= names, (
        f"`kept` names {', '.join(map(repr, sorted(given - names)))}; the names are a, b, c, d, e and loss."
    )
    facts = {
        "b": "`b` is the result of a multiplication: the leaf is the tensor before `* 2`, which has no name. So "
        "`b.grad` is None, and an optimizer that got `b` would not move it.",
        "c": "`c` was not made with `requires_grad=True`, so no gradient is computed for it.",
        "e": "`e` is a result, and nobody asked for its gradient: it was passed on, and thrown away.",
        "loss": "`loss` is a result, too. Its gradient is the 1.0 that everything starts with, and it is not kept.",
    }
    for name, fact in facts.items():
        assert name not in given, f"`{name}` does not have a gradient in `.grad`. {fact}"
    assert "a" in given, "One is missing: a leaf that requires gradients keeps its own."
    assert "d" in given, "One is missing: `retain_grad()` asks for the gradient of a result."


def _describe(value):
    if isinstance(value, str):
        return f"the text {value!r}"
    return "None" if value is None else f"of type {type(value).__name__}"


kept = Exercise(
    kept,
    verify_kept,
    hints=(
        "Which of the six are leaves that require gradients? Look at each line for an operation.",
        "To these add the results for which `retain_grad()` was called before `backward()`.",
    ),
)


def hidden_gradient(first, second, x):  # (N, D) -> (N, H)
    z = first(x)  # (N, H)
    z.retain_grad()
    second(z).sum().backward()
    return z.grad


def verify_hidden_gradient(attempt):
    warnings.simplefilter("ignore")  # a forgotten retain_grad is explained here
    first, last = nn.Linear(3, 2), nn.Linear(2, 1)
    second = nn.Sequential(last, nn.Sigmoid())
    with torch.no_grad():
        first.weight.copy_(torch.tensor([[1.0, 0.0, -1.0], [0.5, 1.0, 0.0]]))
        first.bias.copy_(torch.tensor([0.0, 1.0]))
        last.weight.copy_(torch.tensor([[2.0, -1.0]]))
        last.bias.zero_()
    x = torch.tensor([[1.0, 0.0, 1.0], [2.0, 1.0, 0.0]])
    z = torch.tensor([[0.0, 1.5], [2.0, 3.0]])  # by hand
    p = torch.sigmoid(torch.tensor([[-1.5], [1.0]]))  # of 2 · 0 - 1.5 and 2 · 2 - 3
    expected = p * (1 - p) * torch.tensor([2.0, -1.0])
    expect_close(
        call(attempt, first, second, x),
        expected,
        mistakes={
            "only leaves keep their gradients, unless you call `z.retain_grad()` before `backward()`. Pass this "
            "same `z` to `second`, and `return z.grad`": None,
            "this is the output of `first` itself; `z.grad` is its gradient": z,
            "this is the gradient of the mean; add the outputs up, with `sum()`": expected / 2,
            "this is the gradient of the sum of `z`; pass `z` through `second`, and add up what comes out": torch.ones(
                2, 2
            ),
            "this is the gradient with respect to `x`, one layer too far": expected @ first.weight.detach(),
            "this is the gradient with respect to the weight of `first`; `z` is its output": expected.T @ x,
            "this is the output of `second`; the gradient of its sum with respect to `z` was asked for": p,
        },
    )
    again = call(attempt, first, second, x[:1])
    expect_close(again, expected[:1], name="for the first row of `x` alone, your result")


hidden_gradient = Exercise(
    hidden_gradient,
    verify_hidden_gradient,
    hints=(
        "Give the output of `first` a name, `z`. It is a result and no leaf: what has to be asked for, and when?",
        "`z.retain_grad()` comes after `z = first(x)` and before `backward()`. Backward needs one number: "
        "`second(z).sum()`.",
    ),
)


# ------------------------------------------------------------------------------------------------ gradients accumulate


def accumulate(model, loss_fn, batches):  # [((n, D), (n, 1)), ...], n differs
    examples = sum(len(inputs) for inputs, _ in batches)
    model.zero_grad()
    for inputs, targets in batches:
        loss = loss_fn(model(inputs), targets)  # the mean over n examples
        (loss * len(inputs) / examples).backward()


class LossRecorder:
    """A loss function that keeps the size of each batch, and how many had been through backward() by then."""

    def __init__(self):
        self.sizes, self.passed, self.finished = [], [], 0

    def __call__(self, predictions, targets):
        self.sizes.append(len(predictions))
        self.passed.append(self.finished)
        loss = F.mse_loss(predictions, targets)
        if loss.requires_grad:
            loss.register_hook(self.finish)
        return loss

    def finish(self, gradient):
        self.finished += 1


def verify_accumulate(attempt):
    inputs = torch.tensor([[1.0, 0.0], [2.0, 1.0], [0.0, 3.0], [1.0, 1.0], [-1.0, 2.0], [4.0, 0.0]])
    targets = torch.tensor([[0.0], [6.0], [5.0], [2.0], [9.0], [1.0]])
    weight, bias = torch.tensor([[1.0, 2.0]]), torch.tensor([0.5])
    for sizes in [3, 1, 2], [1, 4]:
        model, loss_fn = nn.Linear(2, 1), LossRecorder()
        with torch.no_grad():
            model.weight.copy_(weight)
            model.bias.copy_(bias)
        model.weight.grad, model.bias.grad = torch.tensor([[10.0, 20.0]]), torch.tensor([30.0])  # of an earlier round
        examples = sum(sizes)
        parts = list(zip(inputs[:examples].split(sizes), targets[:examples].split(sizes), strict=True))
        attempt(model, loss_fn, [(x.clone(), y.clone()) for x, y in parts])
        unchanged = model.weight.equal(weight) and model.bias.equal(bias)
        assert unchanged, (
            "The parameters of the model have changed. A step is not asked for: leave the gradient in `.grad`."
        )
        _expect_accumulated(model, parts, sizes)
        _expect_one_graph_at_a_time(loss_fn, sizes)


def _expect_accumulated(model, parts, sizes):
    weight, bias, examples = model.weight.detach(), model.bias.detach(), sum(sizes)
    by_part = []  # by hand: the gradient of a mean of squares is 2/n · errors @ x
    for x, y in parts:
        errors = (x @ weight.T + bias - y).T  # (1, n)
        by_part.append((2 * errors @ x / len(x), 2 * errors.mean().reshape(1)))
    weighted = [n / examples for n in sizes]
    earlier = torch.tensor([[10.0, 20.0]]), torch.tensor([30.0])

    def add_up(factors, start=(0, 0)):
        return [
            sum((part[i] * factor for part, factor in zip(by_part, factors, strict=True)), start[i]) for i in (0, 1)
        ]

    expected = add_up(weighted)
    equal = [1 / len(sizes)] * len(sizes)
    once = "as the parts are unequal, each mean counts with its share, `len(inputs) / examples`"
    old = "the gradients of an earlier round are still in it; clear them first, with `model.zero_grad()`"
    mistakes = {
        f"you divided by the number of parts, which is right for equal parts; {once}": add_up(equal),
        f"you added up the means of the parts; {once}": add_up([1] * len(sizes)),
        "you multiplied by the sizes of the parts; the number of all examples still has to divide": add_up(sizes),
        "you multiplied by the sizes and divided by the number of parts; divide by the number of all examples": add_up(
            [n / len(sizes) for n in sizes]
        ),
        f"you divided each mean by the number of all examples; {once}": add_up([1 / examples] * len(sizes)),
        "each mean is divided by the size of its part once more; multiply by the size, and divide by the number of all "
        "examples": add_up([1 / n for n in sizes]),
        "only the last part is in it; clear the gradients once, before the loop": add_up(
            [0] * (len(sizes) - 1) + weighted[-1:]
        ),
        "only the last part is in it; clear the gradients once, before the loop. And it counts too much": add_up(
            [0] * (len(sizes) - 1) + [1]
        ),
        old: add_up(weighted, earlier),
        f"{old}. And your parts do not count by their sizes": add_up(equal, earlier),
        "it is as it was before: your code calls no `backward()`": earlier,
        "you cleared the gradients after the last `backward()`, or called no `backward()`": (None, None),
    }
    found = model.weight.grad, model.bias.grad
    for i, name in enumerate(("weight", "bias")):
        expect_close(
            found[i],
            expected[i],
            mistakes={text: wrong[i] for text, wrong in mistakes.items()},
            name=f"with parts of {_join(sizes)} examples, `model.{name}.grad`",
        )


def _join(numbers):
    *first, last = map(str, numbers)
    return f"{', '.join(first)} and {last}"


def _expect_one_graph_at_a_time(loss_fn, sizes):
    assert max(loss_fn.sizes, default=0) <= max(sizes), (
        f"The gradient is right, but the loss was computed for {max(loss_fn.sizes)} examples at once. They do not fit "
        "into memory together: let each part pass through the model alone."
    )
    assert loss_fn.passed[-1:] != [0], (
        "The gradient is right, but the first `backward()` comes after the last forward pass, so the graphs of all "
        "parts are in memory together. Call `backward()` inside the loop: it frees each graph before the next."
    )


accumulate = Exercise(
    accumulate,
    verify_accumulate,
    hints=(
        "The mean over all examples: a part of 3 out of 6 examples counts one half. How much does a part of 1 count?",
        "Multiply each loss by `len(inputs) / examples`, where `examples` is the sum of all sizes, and call "
        "`backward()` inside the loop.",
        "Before the loop, `model.zero_grad()`. After it nothing is left to do: the gradients have added up in `.grad`.",
    ),
)


# ------------------------------------------------------------------------------ each forward pass builds a new graph


def square_root(x):  # () -> ()
    guess = torch.ones_like(x)
    while (guess**2 - x).abs() >= 0.01:
        guess = (guess + x / guess) / 2
    return guess


def verify_square_root(attempt):
    cases = {  # by hand, with fractions: the last guess and its derivative, and the guesses before and after it
        2.0: (17 / 12, 13 / 36, [3 / 2, 577 / 408]),
        9.0: (3.00009155, 0.16673279, [257 / 85, 3.0]),
        0.04: (0.21624108, 1.99882556, [97 / 325, 0.20060990]),
    }
    for number, (root, slope, (before, after)) in cases.items():
        x = torch.tensor(number, requires_grad=True)
        result = attempt(x)
        what = f"for x = {number:g}"
        expect_close(
            result,
            torch.tensor(root),
            mistakes={
                "the loop ends one round too early; go on while `guess**2` and `x` are 0.01 or more "
                "apart": torch.tensor(before),
                "this is closer to the root than was asked for; stop as soon as `guess**2` and `x` are less than 0.01 "
                "apart": torch.tensor(after),
                "the loop never runs: go on while `abs(guess**2 - x)` is 0.01 or more. Without `abs()`, a guess that "
                "is too small would end it": torch.tensor(1.0),
                "the loop never runs: go on while `abs(guess**2 - x)` is 0.01 or more; without `abs()`, a guess that "
                "is too small would end it": 1.0,
                "`.item()` or `float` makes a Python number, and the record is lost; stay with tensors": root,
            },
            name=f"{what}, your result",
        )
        assert result.requires_grad, (
            f"The guess is right, but your result {what} does not require gradients: the record was cut. `.item()`, "
            "`float(x)`, `.detach()`, `no_grad` and a new `torch.tensor(...)` all cut it; compute with `x` itself."
        )
        _expect_backward(result)
        expect_close(
            x.grad,
            torch.tensor(slope),
            mistakes={
                "that part of the record is lost in which `guess` is used again; do not detach it": torch.tensor(
                    0.5 / before
                ),
                "begin with the guess 1, whatever `x` is; `x / 2` is 1 for 2 alone": torch.tensor(25 / 72),
                "no record leads from your result to `x`": None,
            },
            name=f"the guess {what} is right, but `x.grad`, after `backward()`,",
        )


def _expect_backward(result):
    try:
        result.backward()
    except RuntimeError as error:
        raise AssertionError(
            f"The guess is right, but `backward()` fails ({str(error).partition(':')[0]}): PyTorch needs the earlier "
            "guesses on its way back. Make a new `guess` in each round, and do not change the old one in place."
        ) from None


square_root = Exercise(
    square_root,
    verify_square_root,
    hints=(
        "A `while` loop, as in `grow`. Its condition compares tensors, and its body makes a new `guess`.",
        "Start with `guess = torch.ones_like(x)`, and go on while `(guess**2 - x).abs() >= 0.01`.",
    ),
)


# ------------------------------------------------------------------------------------------------ more than one output


def jacobian_by_rows(f, x):  # f: (D,) -> (K,); x (D,) -> (K, D)
    x = x.clone().requires_grad_()
    out = f(x)  # (K,)
    rows = []
    for v in torch.eye(len(out)):  # (K,), 1 for one output and 0 for the others
        x.grad = None
        out.backward(v, retain_graph=True)
        rows.append(x.grad)
    return torch.stack(rows)


def verify_jacobian_by_rows(attempt):
    calls: list[torch.Tensor] = []

    def measure_box(sides):  # area, perimeter, square on the length
        length, width = sides
        out = torch.stack([length * width, 2 * (length + width), length**2])
        if out.requires_grad:
            out.register_hook(calls.append)
        return out

    expected = torch.tensor([[3.0, 2.0], [2.0, 2.0], [4.0, 0.0]])
    last, total = expected[2], expected.sum(dim=0)
    expect_close(
        call(attempt, measure_box, torch.tensor([2.0, 3.0])),
        expected,
        mistakes={
            "each row holds the rows above it, too: `x.grad` adds up. Clear it before each `backward`": expected.cumsum(
                dim=0
            ),
            "all rows are the last one: `x.grad` is one tensor, and `zero_()` and `backward` write over it. Set it to "
            "None, or keep a `clone()`": last.expand(3, 2),
            "all rows are the sum of all: `x.grad` is one tensor, and each `backward` adds to it. Keep a `clone()`, "
            "and clear it before each `backward`": total.expand(3, 2),
            "the rows are zero: `x.grad` is one tensor, and it was cleared after you kept it. Keep a "
            "`clone()`": torch.zeros(3, 2),
            "the rows are added up, as `v` has a 1 for every output; one call for each output, with a single 1 in "
            "`v`": total,
            "this is the last row alone; keep each, and `torch.stack` them": last,
            "rows and columns have changed places: a row for each output, a column for each input": expected.T,
            "these are the rows, in a long line; `torch.stack` keeps them apart": expected.flatten(),
        },
        name="for area, perimeter and square, your result",
    )
    assert len(calls) >= 3, (
        "The numbers are right, but they do not come from one `backward` for each output. Build the matrix row by row; "
        "`jacrev` is there to compare with."
    )
    table = torch.tensor([[1.0, 0.0, 2.0, -1.0], [0.5, 3.0, 0.0, 4.0]])
    expect_close(
        call(attempt, lambda x: table @ x, torch.tensor([1.0, 2.0, 3.0, 4.0])),
        table,
        name="for four inputs and two outputs, your result",
    )


jacobian_by_rows = Exercise(
    jacobian_by_rows,
    verify_jacobian_by_rows,
    hints=(
        "What does `backward(v)` compute if `v` has a 1 for one output, and a 0 for every other?",
        "Work on `x.clone().requires_grad_()`. Call `f` once, and `backward(v, retain_graph=True)` for each `v` of "
        "`torch.eye(len(out))`.",
        "`x.grad` adds up: set it to None before each call, and keep the rows in a list for `torch.stack`.",
    ),
)


# ---------------------------------------------------------------------------------------- computing without a graph


def gradient_of(f, x):  # f(x): (); x: any shape -> the same shape
    x = x.detach().requires_grad_()  # the same numbers, with a .grad of its own
    f(x).backward()
    return x.grad


def verify_gradient_of(attempt):
    warnings.simplefilter("ignore")  # `.grad` of a result is explained here
    factors, numbers = torch.tensor([[1.0, -2.0], [3.0, 4.0]]), torch.tensor([[2.0, 1.0], [0.5, -1.0]])
    expected = 2 * factors * numbers  # of factors · x²
    recorded = []

    def f(x):
        recorded.append(x.requires_grad)
        return (factors * x**2).sum()

    x = numbers.clone()
    expect_close(
        attempt(f, x),
        expected,
        mistakes={"the gradient is in `.grad` of the tensor that `f` was called with": None},
        name="for a plain `x`, your result",
    )
    assert any(recorded), (
        "The numbers are right, but autograd had no part in them: `f` got no tensor that requires gradients. Call it "
        "with one that does, and then `backward()`."
    )
    assert not x.requires_grad, (
        "The numbers are right, but your code has switched `x.requires_grad` on, and the tensor is not yours: whatever "
        "is computed from it afterwards is recorded. Switch it on for `x.detach()`."
    )
    parameter = numbers.clone().requires_grad_()
    parameter.grad = torch.ones(2, 2)
    result = attempt(f, parameter)
    expect_close(
        result,
        expected,
        mistakes={
            "it was added to what was in `x.grad` before. Start from a tensor without a past, `x.detach()`": expected
            + 1,
            "a clone of a leaf is a result, and a result keeps no gradient; `x.detach()` makes a new leaf": None,
        },
        name="for an `x` that has a `.grad` already, your result",
    )
    kept_ones = parameter.grad is not None and parameter.grad.equal(torch.ones(2, 2))
    assert kept_ones, (
        f"The caller had ones in `x.grad`, and after your code it is {_describe_grad(parameter.grad)}. Work on "
        "`x.detach()`, which has a `.grad` of its own."
    )
    leaf = numbers.clone().requires_grad_()
    result = attempt(f, leaf * 1)
    expect_close(
        result,
        expected,
        mistakes={"`x` is the result of a recorded computation here and keeps no gradient; `x.detach()` does": None},
        name="for an `x` that is itself a result, your result",
    )
    assert leaf.grad is None, (
        "The numbers are right, but your `backward()` went on through the graph of `x`, to a leaf that the caller has. "
        "`x.detach()` cuts that off."
    )


def _describe_grad(grad):
    return "None" if grad is None else str(grad.tolist())


gradient_of = Exercise(
    gradient_of,
    verify_gradient_of,
    hints=(
        "Whatever `requires_grad` and `.grad` of the caller's tensor are, they should stay. Which of the three ways "
        "gives a new tensor, cut off from the graph?",
        "`x.detach()` is a new leaf with the same numbers. Ask for its gradient, call `f` with it, and `backward()`.",
    ),
)


def update_average(average, model, keep):  # two models of one kind, a number
    with torch.no_grad():
        for mean, parameter in zip(average.parameters(), model.parameters(), strict=True):
            mean *= keep
            mean += (1 - keep) * parameter


def verify_update_average(attempt):
    average, model = nn.Linear(2, 1), nn.Linear(2, 1)
    numbers = {average: ([[10.0, 20.0]], [30.0]), model: ([[2.0, -4.0]], [6.0])}
    with torch.no_grad():
        for layer, (weight, bias) in numbers.items():
            layer.weight.copy_(torch.tensor(weight))
            layer.bias.copy_(torch.tensor(bias))
    before = list(average.parameters())
    old, new = ([tensor.detach().clone() for tensor in layer.parameters()] for layer in (average, model))
    attempt(average, model, 0.75)
    for found, wanted in zip(model.parameters(), new, strict=True):
        assert found.equal(wanted), "The parameters of `model` have changed; only those of `average` should."
    for i, name in enumerate(("weight", "bias")):
        found = getattr(average, name)
        expect_close(
            found,
            [torch.tensor([[8.0, 14.0]]), torch.tensor([24.0])][i],
            mistakes={
                "it has not changed. `mean = ...` gives the name to a new tensor; `mean *= ...`, `mean += ...` or "
                "`mean.copy_(...)` change the parameter itself": old[i],
                "the shares have changed places: `keep` is the share of `average`": 0.25 * old[i] + 0.75 * new[i],
                "you added the parameters of `model` as they are; they count with `1 - keep`": 0.75 * old[i] + new[i],
                "the part of `model` is missing": 0.75 * old[i],
                "it is now the parameter of `model`, and nothing of its own past": new[i],
                "the numbers of `average` still count whole; they have to shrink by `keep`": old[i] + 0.25 * new[i],
                "`mean` had changed already when it was used for the second time": 0.75 * 0.75 * old[i] + 0.25 * new[i],
            },
            name=f"with keep=0.75, `average.{name}` ({old[i].tolist()} before, {new[i].tolist()} in `model`)",
        )
        assert found is before[i], (
            f"The numbers are right, but `average.{name}` is a new tensor. Whoever holds the old one, such as an "
            "optimizer, does not see it: change it in place."
        )
        is_parameter = found.requires_grad and found.is_leaf
        assert is_parameter, (
            f"The numbers are right, but `average.{name}` is no longer a leaf that requires gradients. Leave "
            "`requires_grad` as it is, and change the numbers under `torch.no_grad()`."
        )


update_average = Exercise(
    update_average,
    verify_update_average,
    hints=(
        "A parameter is changed in place. What does PyTorch say to that, unless it is told not to record?",
        "Under `torch.no_grad()`, go through `zip(average.parameters(), model.parameters())`.",
        "For each pair, `mean *= keep`, and then `mean += (1 - keep) * parameter`.",
    ),
)


def train_only(model, names):  # a model, a list of names such as "0.weight"
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in names)


def verify_train_only(attempt):
    for names in ["2.weight", "2.bias"], ["0.bias", "2.bias"]:
        model = nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.Linear(3, 3), nn.ReLU()), nn.Linear(3, 1))
        model[2].bias.requires_grad_(False)  # frozen before
        attempt(model, list(names))
        found = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
        start = f"After `train_only(model, {names})`, {_say(found)} gradients, expected {' and '.join(names)}"
        assert found, f"{start}: all are frozen. Switch those on whose names are in `names`."
        assert found != ["0.weight", "0.bias", "1.0.weight", "1.0.bias", "2.weight"], (
            f"{start}: nothing has changed. Call `parameter.requires_grad_(...)` for each parameter; "
            "`model.requires_grad = ...` makes a new attribute that nobody reads."
        )
        opposite = {name for name, _ in model.named_parameters()} - set(names)
        assert set(found) != opposite, f"{start}: it is the other way round. `names` says which ones learn."
        assert "2.bias" in found, (
            f"{start}: 2.bias was frozen before, and has to be switched on again: `requires_grad_(True)`."
        )
        assert set(found) >= set(names), f"{start}: one that is in `names` is frozen."
        assert set(found) != {*names, "1.0.bias"}, (
            f"{start}: 0.bias is a part of the name 1.0.bias, but not the same name. Ask for `name in names`."
        )
        assert set(found) <= set(names), f"{start}: those that are not in `names` have to be frozen."


def _say(names):
    if not names:
        return "no parameter requires"
    return f"{' and '.join(names)} {'requires' if len(names) == 1 else 'require'}"


train_only = Exercise(
    train_only,
    verify_train_only,
    hints=(
        "`model.named_parameters()` gives pairs of a name and a parameter. Each parameter has a switch of its own.",
        "`requires_grad_` takes True or False, and `name in names` is one of the two.",
    ),
)


# ---------------------------------------------------------------------------------------------------- can you trust it?


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


def verify_sigmoid(attempt):
    assert issubclass(attempt, torch.autograd.Function), (
        "Your class is no `torch.autograd.Function`. Keep the first line as it was given."
    )
    powers = torch.tensor([[1.0, 3.0], [0.25, 4.0]], dtype=torch.float64)  # e to the z
    p = torch.tensor([[0.5, 0.75], [0.2, 0.8]], dtype=torch.float64)  # by hand: powers / (powers + 1)
    z = powers.log().requires_grad_()
    result = attempt.apply(z)
    expect_close(
        result,
        p,
        mistakes={
            "these are the probabilities of *no*; the exponent has a minus, `exp(-z)`": 1 - p,
            "`forward` returns its input; the sigmoid is `1 / (1 + exp(-z))`": powers.log(),
        },
        name="the result of `forward`",
    )
    assert z.equal(powers.log()), "`forward` has changed its input in place; compute a new tensor."
    weights = torch.tensor([[1.0, 10.0], [-2.0, 5.0]], dtype=torch.float64)
    result.backward(weights)
    slopes, logits = p * (1 - p), powers.log()
    expect_close(
        z.grad,
        weights * slopes,
        mistakes={
            "it has to be multiplied by `gradient`, which arrives from the loss": slopes,
            "you multiplied by `result`; the derivative of the sigmoid is `result * (1 - result)`": weights * p,
            "you multiplied by `1 - result`; the derivative of the sigmoid is `result * (1 - result)`": weights
            * (1 - p),
            "you kept `z`, and used it as if it were the result; save the result": weights * logits * (1 - logits),
            "you added 1 where it should be `1 - result`": weights * p * (1 + p),
            "the sign is turned": -weights * slopes,
            "`backward` hands on what comes, as if the derivative were 1": weights,
            "`backward` returns None, which says that `z` needs no gradient: is a `return` missing?": None,
        },
        name="what `backward` makes of the gradients [[1, 10], [-2, 5]] at the results [[0.5, 0.75], [0.2, 0.8]]",
    )
    row = torch.linspace(-3, 3, 7, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(attempt.apply, row, raise_exception=False), (
        "At four numbers all is right, but `torch.autograd.gradcheck` finds a difference at seven others, from -3 to 3."
    )


Sigmoid = Exercise(
    Sigmoid,
    verify_sigmoid,
    hints=(
        "The derivative needs the result alone, so save the result and not `z`: `ctx.save_for_backward(result)`.",
        "In `backward`, `(result,) = ctx.saved_tensors`. Along a path multiply: `gradient` times the derivative.",
    ),
)


def descend(f, x, lr, steps):  # f(x): (); x: any shape -> the same shape
    x = x.detach().clone().requires_grad_()
    for _ in range(steps):
        x.grad = None
        f(x).backward()
        with torch.no_grad():
            x -= lr * x.grad
    return x.detach()


def verify_descend(attempt):
    steepness, lowest = torch.tensor([[1.0, 2.0], [0.5, 4.0]]), torch.tensor([[3.0, -1.0], [0.0, 2.0]])
    start = torch.tensor([[1.0, 1.0], [4.0, 3.0]])

    def f(x):  # with the gradient steepness · (x - lowest)
        return (steepness * (x - lowest) ** 2).sum() / 2

    def place(steps, lr=0.1):  # by hand: each step shrinks the way that is left by lr · steepness
        return lowest + (1 - lr * steepness) ** steps * (start - lowest)

    optimizers = []
    handle = register_optimizer_step_pre_hook(lambda optimizer, *_: optimizers.append(optimizer))
    try:
        result = call(attempt, f, start, 0.1, 1)
    finally:
        handle.remove()
    expect_close(
        result,
        place(1),
        mistakes={
            "you went uphill: the gradient points to where `f` grows, so subtract it": place(1, -0.1),
            "this is the gradient; a step subtracts `lr` times the gradient from `x`": steepness * (start - lowest),
            "this is the value of `f`; return the place, `x`": f(start),
            "you subtracted the whole gradient; a step is `lr` times the gradient": place(1, 1.0),
            "`x` has not moved; `x - lr * x.grad` makes a new tensor, and `x -= lr * x.grad` under `no_grad` moves "
            "`x`": start,
            "these are two steps": place(2),
        },
        name="after one step of lr=0.1, your result",
    )
    assert not optimizers, (
        "The place is right, but an optimizer has moved `x`. Take the step by hand: `x -= lr * x.grad`, under "
        "`torch.no_grad()`."
    )
    carried, total = start, torch.zeros_like(start)
    for _ in range(3):
        total = total + steepness * (carried - lowest)
        carried = carried - 0.1 * total
    result = call(attempt, f, start, 0.1, 3)
    expect_close(
        result,
        place(3),
        mistakes={
            "the gradients of all steps add up in `x.grad`. Set it to None before each `backward()`": carried,
            "the gradient is that of the first place, three times; call `f` anew in each step": start
            - 0.3 * steepness * (start - lowest),
            "this is the place after one step: is the `return` inside the loop?": place(1),
            "this is the place after two steps, one too few": place(2),
            "this is the place after four steps, one too many": place(4),
        },
        name="after three steps, your result",
    )
    assert result.grad_fn is None, (
        "The numbers are right, but your result drags a graph along, in which the steps are recorded. Take each step "
        "under `torch.no_grad()`, and return `x.detach()`."
    )
    assert not result.requires_grad, (
        "The numbers are right, but your result still requires gradients, and whatever the caller computes from it "
        "would be recorded. Return `x.detach()`."
    )
    x = start.clone()
    expect_close(attempt(f, x, 0.1, 0), start, name="after no step at all, your result")
    attempt(f, x, 0.1, 2)
    untouched = not x.requires_grad and x.grad is None
    assert untouched, (
        "The numbers are right, but your code has set `requires_grad` or `.grad` of the caller's `x`. Work on a tensor "
        "of your own, `x.detach().clone()`."
    )


descend = Exercise(
    descend,
    verify_descend,
    hints=(
        "Begin with a leaf of your own: `x.detach().clone().requires_grad_()`. Why is the `clone` needed here?",
        "In each step: clear `x.grad`, compute `f(x)`, `backward()`, and move `x` under `torch.no_grad()`.",
        "The move is `x -= lr * x.grad`. At the end, `x.detach()` gives the numbers without a record.",
    ),
)
