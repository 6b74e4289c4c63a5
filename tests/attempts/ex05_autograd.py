"""Answers that learners give to the exercises of notebook 05, and what the reply to each must say."""

import torch
import torch.nn.functional as F

# ------------------------------------------------------------------------------------- a gradient answers "what if?"


def to_one_side(f, x, nudge):
    slopes = torch.zeros_like(x)
    for i in range(x.numel()):
        step = torch.zeros_like(x)
        step.view(-1)[i] = nudge
        slopes.view(-1)[i] = (f(x + step) - f(x)) / nudge
    return slopes


def to_the_lower_side(f, x, nudge):
    return to_one_side(f, x, -nudge)


def half_of_the_way(f, x, nudge):
    return to_one_side(f, x, nudge) / 2


def divided_by(factor):
    def measure(f, x, nudge):
        slopes = torch.zeros_like(x)
        for i in range(x.numel()):
            step = torch.zeros_like(x)
            step.view(-1)[i] = nudge
            slopes.view(-1)[i] = (f(x + step) - f(x - step)) / factor(nudge)
        return slopes

    return measure


def all_at_once(f, x, nudge):
    return (f(x + nudge) - f(x - nudge)) / (2 * nudge)


def nudges_that_stay(f, x, nudge):
    slopes, above, below = torch.zeros_like(x), x.clone(), x.clone()
    for i in range(x.numel()):
        above.view(-1)[i] += nudge
        below.view(-1)[i] -= nudge
        slopes.view(-1)[i] = (f(above) - f(below)) / (2 * nudge)
    return slopes


def nudged_in_place(f, x, nudge):
    slopes = torch.zeros_like(x)
    for i in range(x.numel()):
        x.view(-1)[i] += nudge
        above = f(x)
        x.view(-1)[i] -= 2 * nudge
        slopes.view(-1)[i] = (above - f(x)) / (2 * nudge)
    return slopes


def one_tensor(f, x, nudge):
    slopes = torch.zeros_like(x)
    for i in range(x.numel()):
        above = below = x.clone()
        above.view(-1)[i] += nudge
        below.view(-1)[i] -= nudge
        slopes.view(-1)[i] = (f(above) - f(below)) / (2 * nudge)
    return slopes


def not_put_back(f, x, nudge):
    return nudged_in_place(f, x.clone(), nudge)


def row_by_row(f, x, nudge):
    slopes = torch.zeros_like(x)
    for i in range(len(x)):
        step = torch.zeros_like(x)
        step[i] = nudge
        slopes[i] = (f(x + step) - f(x - step)) / (2 * nudge)
    return slopes


def by_autograd(f, x, nudge):
    x = x.clone().requires_grad_()
    f(x).backward()
    return x.grad


# ------------------------------------------------------------------------------------------- the graph of a computation


def walk(function):
    """Return every function that lies on a path from `function`, once for each path."""
    if function is None:
        return []
    return [function, *(other for following, _ in function.next_functions for other in walk(following))]


def first_ones_only(result):
    function, count = result.grad_fn, 0
    while function is not None:
        count += 1
        function = next((following for following, _ in function.next_functions), None)
    return count


def pairs_of_function_and_number(result):
    found, waiting = set(), [(result.grad_fn, 0)]
    while waiting:
        pair = waiting.pop()
        if pair[0] is not None and pair not in found:
            found.add(pair)
            waiting += pair[0].next_functions
    return len(found)


def with_none(result):
    found, waiting = set(), [result.grad_fn]
    while waiting:
        function = waiting.pop()
        if function not in found:
            found.add(function)
            waiting += [following for following, _ in function.next_functions] if function else []
    return len(found)


# --------------------------------------------------------------------------- who keeps a gradient, and for how long


def without_retain(first, second, x):
    z = first(x)
    second(z).sum().backward()
    return z.grad


def without_return(first, second, x):
    z = first(x)
    z.retain_grad()
    second(z).sum().backward()


def of_the_mean(first, second, x):
    z = first(x)
    z.retain_grad()
    second(z).mean().backward()
    return z.grad


def of_the_sum_of_z(first, second, x):
    z = first(x)
    z.retain_grad()
    z.sum().backward()
    return z.grad


def of_the_weight(first, second, x):
    second(first(x)).sum().backward()
    return first.weight.grad


def of_the_input(first, second, x):
    x = x.clone().requires_grad_()
    second(first(x)).sum().backward()
    return x.grad


# -------------------------------------------------------------------------------------------------- accumulation


def accumulate_with(weigh, clear=True):
    def attempt(model, loss_fn, batches):
        examples = sum(len(inputs) for inputs, _ in batches)
        if clear:
            model.zero_grad()
        for inputs, targets in batches:
            loss = loss_fn(model(inputs), targets)
            weigh(loss, len(inputs), examples, len(batches)).backward()

    return attempt


def cleared_in_the_loop(model, loss_fn, batches):
    examples = sum(len(inputs) for inputs, _ in batches)
    for inputs, targets in batches:
        model.zero_grad()
        (loss_fn(model(inputs), targets) * len(inputs) / examples).backward()


def one_backward_at_the_end(model, loss_fn, batches):
    examples = sum(len(inputs) for inputs, _ in batches)
    model.zero_grad()
    sum(loss_fn(model(inputs), targets) * len(inputs) / examples for inputs, targets in batches).backward()


def one_large_batch(model, loss_fn, batches):
    inputs, targets = (torch.cat(parts) for parts in zip(*batches, strict=True))
    model.zero_grad()
    loss_fn(model(inputs), targets).backward()


def with_a_step(model, loss_fn, batches):
    accumulate_with(lambda loss, n, examples, parts: loss * n / examples)(model, loss_fn, batches)
    torch.optim.SGD(model.parameters(), lr=0.1).step()


def without_backward(model, loss_fn, batches):
    model.zero_grad()
    for inputs, targets in batches:
        loss_fn(model(inputs), targets)


# ------------------------------------------------------------------------------ each forward pass builds a new graph


def root_with(start=torch.ones_like, far=lambda guess, x: (guess**2 - x).abs() >= 0.01, carry=lambda guess: guess):
    def attempt(x):
        guess = start(x)
        while far(guess, x):
            guess = carry(guess)
            guess = (guess + x / guess) / 2
        return guess

    return attempt


def root_in_place(x):
    guess = torch.ones_like(x)
    while (guess**2 - x).abs() >= 0.01:
        guess.copy_((guess + x / guess) / 2)
    return guess


# ------------------------------------------------------------------------------------------------ more than one output


def rows_with(clear, keep, rows_of=torch.stack):
    def attempt(f, x):
        x = x.clone().requires_grad_()
        out, rows = f(x), []
        for v in torch.eye(len(out)):
            clear(x)
            out.backward(v, retain_graph=True)
            rows.append(keep(x.grad))
        return rows_of(rows)

    return attempt


def never(x):
    pass


def set_none(x):
    x.grad = None


def zero(x):
    if x.grad is not None:
        x.grad.zero_()


def all_outputs_at_once(f, x):
    x = x.clone().requires_grad_()
    out = f(x)
    out.backward(torch.ones_like(out))
    return x.grad


def by_jacrev(f, x):
    return torch.func.jacrev(f)(x)


# ---------------------------------------------------------------------------------------- computing without a graph


def of_the_callers_tensor(f, x):
    if x.is_leaf:
        x.requires_grad_()
    x.retain_grad()
    f(x).backward()
    return x.grad


def of_a_clone(f, x):
    x = x.clone().requires_grad_()
    f(x).backward()
    return x.grad


def of_a_clone_with_retain(f, x):
    x = x.clone().requires_grad_()
    x.retain_grad()
    f(x).backward()
    return x.grad


def cleared_first(f, x):
    x = x if x.requires_grad else x.clone().requires_grad_()
    x.retain_grad()
    x.grad = None
    f(x).backward()
    return x.grad


def not_returned(f, x):
    f(x.detach().requires_grad_()).backward()


def measured(f, x):
    return divided_by(lambda nudge: 2 * nudge)(f, x.detach(), 0.5)


def average_with(update):
    def attempt(average, model, keep):
        with torch.no_grad():
            for mean, parameter in zip(average.parameters(), model.parameters(), strict=True):
                update(mean, parameter, keep)

    return attempt


def average_by_name(average, model, keep):
    mean = keep * average.weight + (1 - keep) * model.weight
    return mean


def average_of_new_parameters(average, model, keep):
    average.weight = torch.nn.Parameter(keep * average.weight + (1 - keep) * model.weight)
    average.bias = torch.nn.Parameter(keep * average.bias + (1 - keep) * model.bias)


def average_switched_off(average, model, keep):
    average.requires_grad_(False)
    for mean, parameter in zip(average.parameters(), model.parameters(), strict=True):
        mean.copy_(keep * mean + (1 - keep) * parameter.detach())


def frozen_model(model, names):
    model.requires_grad_(False)


def attribute_of_the_model(model, names):
    model.requires_grad = False
    for name in names:
        setattr(model, f"{name} requires_grad", True)


def never_switched_on(model, names):
    for name, parameter in model.named_parameters():
        if name not in names:
            parameter.requires_grad_(False)


def never_switched_off(model, names):
    for name, parameter in model.named_parameters():
        if name in names:
            parameter.requires_grad_(True)


def parts_of_names(model, names):
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(any(part in name for part in names))


def the_other_way_round(model, names):
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name not in names)


# ---------------------------------------------------------------------------------------------------- can you trust it?


def sigmoid_with(backward, forward=torch.sigmoid, save=lambda z, result: result):
    class Sigmoid(torch.autograd.Function):
        @staticmethod
        def forward(ctx, z):
            result = forward(z)
            ctx.save_for_backward(save(z, result))
            return result

        @staticmethod
        def backward(ctx, gradient):
            (saved,) = ctx.saved_tensors
            return backward(saved, gradient)

    return Sigmoid


def slope_of(result, gradient):
    return gradient * result * (1 - result)


class NoFunction:
    def __init__(self, *args, **kwargs):
        pass


def descend_with(sign=-1, clear=set_none, more=0, own=lambda x: x.detach().clone(), back=lambda x: x.detach()):
    def attempt(f, x, lr, steps):
        x = own(x).requires_grad_()
        for _ in range(steps + more):
            clear(x)
            f(x).backward()
            with torch.no_grad():
                x += sign * lr * x.grad
        return back(x)

    return attempt


def return_in_the_loop(f, x, lr, steps):
    x = x.clone().requires_grad_()
    for _ in range(steps):
        f(x).backward()
        return (x - lr * x.grad).detach()
    return x.detach()


def one_graph_of_all_steps(f, x, lr, steps):
    x = x.clone().requires_grad_()
    for _ in range(steps):
        (gradient,) = torch.autograd.grad(f(x), x)
        x = x - lr * gradient
    return x


def on_the_callers_tensor(f, x, lr, steps):
    for _ in range(steps):
        x.requires_grad_()
        x.grad = None
        f(x).backward()
        with torch.no_grad():
            x = x - lr * x.grad
    return x.detach()


def by_an_optimizer(f, x, lr, steps):
    x = x.clone().requires_grad_()
    optimizer = torch.optim.SGD([x], lr=lr)
    for _ in range(steps):
        optimizer.zero_grad()
        f(x).backward()
        optimizer.step()
    return x.detach()


def name_on_a_new_tensor(f, x, lr, steps):
    x = x.detach().clone().requires_grad_()
    for _ in range(steps):
        x.grad = None
        f(x).backward()
        x - lr * x.grad
    return x.detach()


WRONG = {
    "numerical_gradient": {
        "to one side": (to_one_side, "go to both sides"),
        "to the lower side": (to_the_lower_side, "from one side to `x`"),
        "one side, divided by both": (half_of_the_way, "the other half is below"),
        "divided by the nudge": (divided_by(lambda nudge: nudge), "`2 \\* nudge` apart, and you divided by `nudge`"),
        "divided by 2": (divided_by(lambda nudge: 2), "you divided by 2;"),
        "brackets forgotten": (divided_by(lambda nudge: 2 / nudge), "brackets around"),
        "not copied": (one_tensor, "makes no copy"),
        "another dtype": (lambda f, x, nudge: divided_by(lambda n: 2 * n)(f, x, nudge).float(), "dtype torch.float32"),
        "not divided": (divided_by(lambda nudge: 1), "still to come"),
        "all numbers at once": (all_at_once, "nudged all numbers at once"),
        "nudges that stay": (nudges_that_stay, "still there when"),
        "not put back": (not_put_back, "not back in its place"),
        "row by row": (row_by_row, "you nudged whole rows"),
        "the argument in place": (nudged_in_place, "changes its argument `x` in place"),
        "upside down": (lambda f, x, nudge: -to_one_side(f, x, nudge), "f above minus f below"),
        "by autograd": (by_autograd, "this is the exact gradient"),
    },
    "count_functions": {
        "once for each path": (lambda result: len(walk(result.grad_fn)), "was counted twice; keep a set"),
        "the first ones only": (first_ones_only, "not the first alone"),
        "operations only": (
            lambda result: len({f for f in walk(result.grad_fn) if f.next_functions}),
            "`AccumulateGrad` count, too",
        ),
        "names": (lambda result: len({f.name() for f in walk(result.grad_fn)}), "you counted names"),
        "without the start": (lambda result: len(set(walk(result.grad_fn))) - 1, "that you start from"),
        "None, too": (with_none, "is no function: do not count it"),
        "pairs": (pairs_of_function_and_number, "the function is the same"),
        "a tensor": (lambda result: torch.tensor(len(set(walk(result.grad_fn)))), "`.item\\(\\)` takes it out"),
    },
    "mse_gradient": {
        "of the sum": (lambda w, x, y: 2 * (x @ w - y) @ x, "the gradient of their sum"),
        "mean over the weights": (lambda w, x, y: 2 * (x @ w - y) @ x / len(w), "by the number of weights"),
        "without the 2": (lambda w, x, y: (x @ w - y) @ x / len(x), "the 2 is missing"),
        "without both": (lambda w, x, y: (x @ w - y) @ x, "1/N of the mean are missing"),
        "sign": (lambda w, x, y: 2 * (y - x @ w) @ x / len(x), "the sign is turned"),
        "not added up": (lambda w, x, y: 2 * (x @ w - y).unsqueeze(1) * x / len(x), "over all paths add"),
        "the wrong way to the mean": (
            lambda w, x, y: (2 * (x @ w - y).unsqueeze(1) * x).mean(dim=1),
            "the mean is over the examples",
        ),
        "the mean over all": (lambda w, x, y: (2 * (x @ w - y).unsqueeze(1) * x).mean(), "a number for each weight"),
        "of the predictions": (lambda w, x, y: 2 * (x @ w - y) / len(x), "with respect to the predictions"),
        "the errors": (lambda w, x, y: x @ w - y, "these are the errors"),
        "the loss": (lambda w, x, y: F.mse_loss(x @ w, y), "this is the loss"),
        "by autograd": (
            lambda w, x, y: by_autograd(lambda w: F.mse_loss(x @ w, y), w, 0),
            "write the formula",
        ),
        "by torch.func": (
            lambda w, x, y: torch.func.grad(lambda w: F.mse_loss(x @ w, y))(w),
            "write the formula",
        ),
    },
    "kept": {
        "a result of a leaf": ({"a", "b", "d"}, "the leaf is the tensor before"),
        "all leaves": ({"a", "c", "d"}, "not made with `requires_grad=True`"),
        "all on the way": ({"a", "d", "e"}, "passed on, and thrown away"),
        "the loss": ({"a", "d", "loss"}, "`loss` is a result, too"),
        "leaves only": ({"a"}, "asks for the gradient of a result"),
        "the asked one only": (["d"], "a leaf that requires gradients keeps its own"),
        "one text": ("a, d", "is the text 'a, d', expected a set"),
        "another name": ({"a", "x"}, "the names are a, b, c"),
        "tensors": ([torch.ones(1)], "does not hold names"),
    },
    "hidden_gradient": {
        "without retain_grad": (without_retain, "only leaves keep their gradients"),
        "without return": (without_return, "`return z.grad`"),
        "of the mean": (of_the_mean, "gradient of the mean"),
        "of the input": (of_the_input, "one layer too far"),
        "of the weight": (of_the_weight, "the weight of `first`"),
        "without second": (of_the_sum_of_z, "pass `z` through `second`"),
        "z": (lambda first, second, x: first(x), "the output of `first` itself"),
        "the output": (lambda first, second, x: second(first(x)), "the output of `second`"),
    },
    "accumulate": {
        "equal parts": (
            accumulate_with(lambda loss, n, examples, parts: loss / parts),
            "divided by the number of parts",
        ),
        "sum of the means": (accumulate_with(lambda loss, n, examples, parts: loss), "added up the means"),
        "not divided": (accumulate_with(lambda loss, n, examples, parts: loss * n), "still has to divide"),
        "not multiplied": (accumulate_with(lambda loss, n, examples, parts: loss / examples), "divided each mean by"),
        "divided by the parts": (
            accumulate_with(lambda loss, n, examples, parts: loss * n / parts),
            "divide by the number of all examples",
        ),
        "a number that fits one batch": (
            accumulate_with(lambda loss, n, examples, parts: loss * n / 6),
            "With parts of 1 and 4 examples",
        ),
        "divided by the size": (accumulate_with(lambda loss, n, examples, parts: loss / n), "once more; multiply"),
        "not cleared": (
            accumulate_with(lambda loss, n, examples, parts: loss * n / examples, clear=False),
            "earlier round are still in it",
        ),
        "not cleared, equal parts": (
            accumulate_with(lambda loss, n, examples, parts: loss / parts, clear=False),
            "do not count by their sizes",
        ),
        "cleared in the loop": (cleared_in_the_loop, "only the last part is in it"),
        "one backward": (one_backward_at_the_end, "in memory together"),
        "one large batch": (one_large_batch, "for 6 examples at once"),
        "a step": (with_a_step, "A step is not asked for"),
        "without backward": (without_backward, "called no `backward\\(\\)`"),
        "nothing": (lambda model, loss_fn, batches: None, "calls no `backward\\(\\)`"),
    },
    "square_root": {
        "too early": (
            lambda x: root_with(far=lambda guess, x: (guess**2 - x).abs() >= 0.3)(x),
            "one round too early",
        ),
        "too long": (
            root_with(far=lambda guess, x: (guess**2 - x).abs() >= 0.001),
            "closer to the root than was asked for",
        ),
        "the roots compared": (
            root_with(far=lambda guess, x: (guess - x.sqrt()).abs() >= 0.01),
            "For x = 0.04.*closer to the root",
        ),
        "another start": (root_with(lambda x: x / 2), "begin with the guess 1"),
        "the condition turned": (
            root_with(far=lambda guess, x: (guess**2 - x).abs() < 0.01),
            "never runs: go on while",
        ),
        "no abs": (root_with(far=lambda guess, x: guess**2 - x >= 0.01), "never runs"),
        "no abs, from 1": (root_with(lambda x: 1.0, far=lambda guess, x: guess**2 - x >= 0.01), "never runs"),
        "the exact root": (torch.sqrt, "closer to the root than was asked for"),
        "a number": (
            lambda x: root_with(lambda x: 1.0, lambda g, x: abs(g**2 - x) >= 0.01)(x.item()),
            "record is lost",
        ),
        "a new tensor": (lambda x: root_with()(torch.tensor(x.item())), "the record was cut"),
        "a guess without its past": (root_with(carry=lambda guess: guess.detach()), "`guess` is used again"),
        "a guess in place": (root_in_place, "do not change the old one in place"),
        "an x without its past": (lambda x: root_with()(x.detach().requires_grad_()), "no record leads"),
    },
    "jacobian_by_rows": {
        "not cleared, clones": (rows_with(never, torch.clone), "holds the rows above it"),
        "not cleared, not cloned": (rows_with(never, lambda row: row), "sum of all"),
        "zeroed, not cloned": (rows_with(zero, lambda row: row), "all rows are the last one"),
        "all outputs at once": (all_outputs_at_once, "the rows are added up"),
        "one row": (rows_with(set_none, lambda row: row, lambda rows: rows[-1]), "the last row alone"),
        "transposed": (
            rows_with(set_none, lambda row: row, lambda rows: torch.stack(rows, dim=1)),
            "changed places: a row for each output",
        ),
        "in one line": (rows_with(set_none, lambda row: row, torch.cat), "in a long line"),
        "a list": (rows_with(set_none, lambda row: row, list), "`torch.stack\\(...\\)` from tensors"),
        "by jacrev": (by_jacrev, "there to compare with"),
    },
    "gradient_of": {
        "of the caller's tensor": (of_the_callers_tensor, "the tensor is not yours"),
        "of a clone": (of_a_clone, "a clone of a leaf is a result"),
        "of a clone, with retain_grad": (of_a_clone_with_retain, "The caller had ones in `x.grad`"),
        "cleared first": (cleared_first, "The caller had ones in `x.grad`"),
        "measured": (measured, "autograd had no part"),
        "without return": (not_returned, "is in `.grad` of the tensor"),
    },
    "update_average": {
        "a name for a new tensor": (average_by_name, "gives the name to a new tensor"),
        "shares exchanged": (
            average_with(lambda mean, parameter, keep: mean.copy_((1 - keep) * mean + keep * parameter)),
            "the shares have changed places",
        ),
        "the whole model added": (
            average_with(lambda mean, parameter, keep: mean.mul_(keep).add_(parameter)),
            "they count with `1 - keep`",
        ),
        "never shrunk": (
            average_with(lambda mean, parameter, keep: mean.add_((1 - keep) * parameter)),
            "have to shrink by `keep`",
        ),
        "only shrunk": (average_with(lambda mean, parameter, keep: mean.mul_(keep)), "the part of `model` is missing"),
        "copied": (average_with(lambda mean, parameter, keep: mean.copy_(parameter)), "nothing of its own past"),
        "shrunk twice": (
            average_with(lambda mean, p, keep: mean.mul_(keep).copy_(keep * mean + (1 - keep) * p)),
            "for the second time",
        ),
        "the model": (average_with(lambda mean, p, keep: p.mul_(1 - keep).add_(keep * mean)), "parameters of `model`"),
        "new parameters": (average_of_new_parameters, "is a new tensor"),
        "gradients switched off": (average_switched_off, "no longer a leaf that requires gradients"),
    },
    "train_only": {
        "all frozen": (frozen_model, "all are frozen"),
        "an attribute of the model": (attribute_of_the_model, "a new attribute that nobody reads"),
        "never switched on": (never_switched_on, "frozen before, and has to be switched on"),
        "never switched off": (never_switched_off, "have to be frozen"),
        "the other way round": (the_other_way_round, "`names` says which ones learn"),
        "parts of names": (parts_of_names, "not the same name"),
        "nothing": (lambda model, names: None, "nothing has changed"),
    },
    "Sigmoid": {
        "without the gradient": (sigmoid_with(lambda p, gradient: p * (1 - p)), "multiplied by `gradient`"),
        "the result alone": (sigmoid_with(lambda p, gradient: gradient * p), "you multiplied by `result`;"),
        "the rest alone": (sigmoid_with(lambda p, gradient: gradient * (1 - p)), "you multiplied by `1 - result`"),
        "plus": (sigmoid_with(lambda p, gradient: gradient * p * (1 + p)), "you added 1"),
        "z for the result": (sigmoid_with(slope_of, save=lambda z, result: z), "you kept `z`"),
        "sign": (sigmoid_with(lambda p, gradient: -slope_of(p, gradient)), "the sign is turned"),
        "handed on": (sigmoid_with(lambda p, gradient: gradient), "as if the derivative were 1"),
        "without return": (sigmoid_with(lambda p, gradient: None), "is a `return` missing"),
        "no minus": (sigmoid_with(slope_of, forward=lambda z: 1 / (1 + z.exp())), "the exponent has a minus"),
        "in place": (
            sigmoid_with(slope_of, forward=lambda z: 1 / (1 + z.neg_().exp_())),
            "changed its input in place",
        ),
        "right at four numbers": (
            sigmoid_with(lambda p, gradient: slope_of(p, gradient) * (1 + (p * 20).frac().round())),
            "gradcheck` finds a difference",
        ),
        "no Function": (NoFunction, "no `torch.autograd.Function`"),
    },
    "descend": {
        "uphill": (descend_with(sign=1), "you went uphill"),
        "not cleared": (descend_with(clear=never), "add up in `x.grad`"),
        "one step too many": (descend_with(more=1), "these are two steps"),
        "no clone": (descend_with(own=lambda x: x.detach()), "changes its argument `x` in place"),
        "not detached": (descend_with(back=lambda x: x), "still requires gradients"),
        "the value": (descend_with(back=lambda x: (x**2).sum().detach()), "has shape \\(\\), expected \\(2, 2\\)"),
        "the gradient": (descend_with(back=lambda x: x.grad), "this is the gradient"),
        "return in the loop": (return_in_the_loop, "is the `return` inside the loop"),
        "one graph of all steps": (one_graph_of_all_steps, "drags a graph along"),
        "on the caller's tensor": (on_the_callers_tensor, "of the caller's `x`"),
        "by an optimizer": (by_an_optimizer, "Take the step by hand"),
        "a step without effect": (name_on_a_new_tensor, "has not moved"),
    },
}

RIGHT = {}
