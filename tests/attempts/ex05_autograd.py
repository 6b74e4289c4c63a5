"""Answers to the exercises of notebook 05: right ones in other styles, and wrong ones that are no known mistake."""

import torch
import torch.nn.functional as F

# ------------------------------------------------------------------------------------- a gradient answers "what if?"


def slopes_in_a_list(f, x, nudge):
    flat, slopes = x.flatten(), []
    for step in nudge * torch.eye(len(flat), dtype=x.dtype):
        slopes.append((f((flat + step).reshape(x.shape)) - f((flat - step).reshape(x.shape))) / (2 * nudge))
    return torch.stack(slopes).reshape(x.shape) if slopes else torch.zeros_like(x)


def slopes_in_place(f, x, nudge):
    slopes, x = torch.empty_like(x), x.clone()
    for i in range(x.numel()):
        old = x.view(-1)[i].item()
        x.view(-1)[i] = old + nudge
        above = f(x)
        x.view(-1)[i] = old - nudge
        slopes.view(-1)[i] = (above - f(x)) / nudge / 2
        x.view(-1)[i] = old
    return slopes


def slopes_by_masks(f, x, nudge):
    places = torch.arange(x.numel()).reshape(x.shape)
    steps = [torch.where(places == i, nudge, 0.0).to(x.dtype) for i in range(x.numel())]
    slopes = [float(f(x + step) - f(x - step)) / (2 * nudge) for step in steps]
    return torch.tensor(slopes, dtype=x.dtype).reshape(x.shape)


def nothing_written(f, x, nudge):
    slopes = torch.empty_like(x)
    for i in range(x.numel()):
        step = torch.zeros_like(x)
        step.view(-1)[i] = nudge
        return slopes
    return slopes


# ------------------------------------------------------------------------------------------- the graph of a computation


def count_by_recursion(result):
    seen = set()

    def visit(function):
        if function and function not in seen:
            seen.add(function)
            for following, _ in function.next_functions:
                visit(following)

    visit(result.grad_fn)
    return len(seen)


def count_level_by_level(result):
    level, everything = {result.grad_fn} - {None}, set()
    while level:
        everything |= level
        level = {following for function in level for following, _ in function.next_functions} - everything - {None}
    return len(everything)


def count_in_a_list(result):
    found = [result.grad_fn] if result.grad_fn is not None else []
    for function in found:
        for following, _ in function.next_functions:
            if following is not None and following not in found:
                found.append(following)
    return len(found)


def no_look_at_none(result):
    found, waiting = set(), [result.grad_fn]
    while waiting:
        function = waiting.pop()
        found.add(function)
        waiting += [following for following, _ in function.next_functions]
    return len(found)


# --------------------------------------------------------------------------- who keeps a gradient, and for how long


def hidden_by_grad(first, second, x):
    z = first(x)
    return torch.autograd.grad(second(z).sum(), z)[0]


def hidden_by_a_leaf(first, second, x):
    z = first(x).detach().requires_grad_()
    second(z).sum().backward()
    return z.grad


def hidden_by_a_hook(first, second, x):
    z, kept = first(x), []
    z.register_hook(kept.append)
    second(z).sum().backward()
    return kept[0]


def hidden_of_a_second_pass(first, second, x):
    z = first(x)
    z.retain_grad()
    second(first(x)).sum().backward()
    return z.grad


# ---------------------------------------------------------------------------------------------- gradients accumulate


def accumulate_by_sums(model, loss_fn, batches):
    for parameter in model.parameters():
        parameter.grad = None
    for inputs, targets in batches:
        (loss_fn(model(inputs), targets) * len(inputs)).backward()
    for parameter in model.parameters():
        if parameter.grad is not None:
            parameter.grad /= sum(len(targets) for _, targets in batches)


def accumulate_by_an_optimizer(model, loss_fn, batches):
    torch.optim.SGD(model.parameters(), lr=0.1).zero_grad()
    total = torch.cat([inputs for inputs, _ in batches]).shape[0]
    for batch in batches:
        loss = loss_fn(model(batch[0]), batch[1]) * (batch[0].size(0) / total)
        loss.backward()


def accumulate_by_grad(model, loss_fn, batches):
    model.zero_grad()
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    for inputs, targets in batches:
        share = inputs.shape[0] / sum(map(len, next(zip(*batches, strict=True))))
        gradients = torch.autograd.grad(share * loss_fn(model(inputs), targets), learning)
        for parameter, gradient in zip(learning, gradients, strict=True):
            parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient


def accumulate_and_keep(model, loss_fn, batches):
    examples = sum(len(inputs) for inputs, _ in batches)
    model.zero_grad()
    for inputs, targets in batches:
        loss = loss_fn(model(inputs), targets)
        (loss * len(inputs) / examples).backward(retain_graph=True)


def accumulate_a_batch(model, loss_fn, batches):
    model.zero_grad()
    for batch in batches:
        loss_fn(model(batch), batch[1]).backward()


# ------------------------------------------------------------------------------ each forward pass builds a new graph


def root_by_break(x):
    guess = torch.tensor(1.0)
    while True:
        if torch.abs(guess * guess - x) < 0.01:
            break
        guess = 0.5 * (guess + x / guess)
    return guess


def root_by_recursion(x, guess=None):
    guess = torch.ones(()) if guess is None else guess
    return guess if abs(guess**2 - x) < 0.01 else root_by_recursion(x, (guess + x / guess) / 2)


def root_by_mean(x):
    guess = torch.ones_like(x, requires_grad=True)
    while abs(guess.item() ** 2 - x.item()) >= 0.01:
        guess = torch.stack([guess, x / guess]).mean()
    return guess


# ------------------------------------------------------------------------------------------------ more than one output


def rows_by_grad(f, x):
    x = x.detach().clone().requires_grad_()
    out = f(x)
    return torch.stack([torch.autograd.grad(out, x, v, retain_graph=True)[0] for v in torch.eye(len(out))])


def rows_written(f, x):
    x = x.clone().requires_grad_()
    out = f(x)
    jacobian = torch.empty(out.shape[0], x.shape[0])
    for k in range(out.shape[0]):
        v = torch.zeros_like(out)
        v[k] = 1
        if x.grad is not None:
            x.grad.zero_()
        out.backward(v, retain_graph=True)
        jacobian[k] = x.grad
    return jacobian


def rows_of_new_graphs(f, x):
    rows, count = [], len(f(x))
    for k in range(count):
        leaf = x.clone().requires_grad_()
        f(leaf)[k].backward()
        rows.append(leaf.grad)
    return torch.stack(rows)


# ---------------------------------------------------------------------------------------- computing without a graph


def gradient_of_data(f, x):
    leaf = torch.tensor(x.tolist(), dtype=x.dtype, requires_grad=True)
    f(leaf).backward()
    return leaf.grad


def average_by_copy(average, model, keep):
    pairs = zip(average.parameters(), model.parameters(), strict=True)
    with torch.no_grad():
        for mean, parameter in pairs:
            mean.copy_(keep * mean + (1 - keep) * parameter)


def average_by_lerp(average, model, keep):
    learned = dict(model.named_parameters())
    for name, mean in average.named_parameters():
        mean.detach().lerp_(learned[name].detach(), 1 - keep)


@torch.no_grad()
def average_by_assignment(average, model, keep):
    for mean, parameter in zip(list(average.parameters()), list(model.parameters()), strict=True):
        mean[...] = mean * keep + parameter * (1 - keep)


def average_of_two_names(average, model, keep):
    with torch.no_grad():
        average.weight.mul_(keep).add_((1 - keep) * model.weight)
        if average.bias is not None:
            average.bias.mul_(keep).add_((1 - keep) * model.bias)


def freeze_first(model, names):
    model.requires_grad_(False)
    for name in names:
        model.get_parameter(name).requires_grad = True


def switch_by_a_dictionary(model, names):
    parameters = dict(model.named_parameters())
    for name in parameters:
        if name in set(names):
            parameters[name].requires_grad = True
        else:
            parameters[name].requires_grad = False


# ---------------------------------------------------------------------------------------------------- can you trust it?


class SigmoidOfZ(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z):
        ctx.save_for_backward(z)
        return torch.sigmoid(z)

    @staticmethod
    def backward(ctx, grad_output):
        p = torch.sigmoid(ctx.saved_tensors[0])
        return grad_output * (p - p * p)


class SigmoidByReciprocal(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z):
        ctx.p = torch.reciprocal(1 + torch.exp(-z))
        return ctx.p

    @staticmethod
    def backward(ctx, gradient):
        return (gradient * ctx.p * (1.0 - ctx.p),)


class SigmoidWithSetup(torch.autograd.Function):
    @staticmethod
    def forward(z):
        return (1 + (-z).exp()) ** -1

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx, gradient):
        (p,) = ctx.saved_tensors
        return torch.mul(gradient, p).mul(1 - p)


class NoFunction:
    def __init__(self, *args, **kwargs):
        pass


class SavesNothing(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z):
        return 1 / (1 + torch.exp(-z))

    @staticmethod
    def backward(ctx, gradient):
        (result,) = ctx.saved_tensors
        return gradient * result * (1 - result)


def descend_by_grad(f, x, lr, steps):
    place = x.detach()
    for _ in range(steps):
        leaf = place.clone().requires_grad_(True)
        place = place - lr * torch.autograd.grad(f(leaf), leaf)[0]
    return place


def descend_by_data(f, x, lr, steps):
    w = torch.empty_like(x).copy_(x).detach().requires_grad_()
    while steps > 0:
        f(w).backward()
        w.data -= lr * w.grad
        w.grad.zero_()
        steps -= 1
    return w.data


def descend_by_recursion(f, x, lr, steps):
    x = x.detach().clone()
    if steps == 0:
        return x
    f(x.requires_grad_()).backward()
    return descend_by_recursion(f, x.detach() - lr * x.grad, lr, steps - 1)


def by_an_optimizer(f, x, lr, steps):
    x = x.detach().clone().requires_grad_()
    optimizer = torch.optim.SGD([x], lr=lr)
    for _ in range(steps):
        optimizer.zero_grad()
        f(x).backward()
        optimizer.step()
    return x.detach()


RIGHT = {
    "numerical_gradient": {"a list": slopes_in_a_list, "put back": slopes_in_place, "masks": slopes_by_masks},
    "count_functions": {
        "recursion": count_by_recursion,
        "level by level": count_level_by_level,
        "a list that grows": count_in_a_list,
    },
    "mse_gradient": {
        "transposed": lambda w, x, y: (2 / len(x)) * x.T @ (x @ w - y),
        "a mean of parts": lambda w, x, y: (2 * (x @ w - y).unsqueeze(1) * x).mean(dim=0),
        "einsum": lambda w, x, y: 2 * torch.einsum("n,nd->d", torch.mv(x, w) - y, x) / x.shape[0],
        "a loop": lambda w, x, y: sum(2 * (row @ w - truth) * row for row, truth in zip(x, y, strict=True)) / len(y),
    },
    "kept": {"a list": ["d", "a"], "a tuple": ("a", "d"), "a frozen set": frozenset("ad")},
    "hidden_gradient": {
        "grad": hidden_by_grad,
        "a leaf": hidden_by_a_leaf,
        "a hook": hidden_by_a_hook,
        "torch.func": lambda first, second, x: torch.func.grad(lambda z: second(z).sum())(first(x)).detach(),
    },
    "accumulate": {
        "divided at the end": accumulate_by_sums,
        "an optimizer": accumulate_by_an_optimizer,
        "grad": accumulate_by_grad,
    },
    "square_root": {"break": root_by_break, "recursion": root_by_recursion, "the mean of a stack": root_by_mean},
    "jacobian_by_rows": {"grad": rows_by_grad, "written into a table": rows_written, "new graphs": rows_of_new_graphs},
    "gradient_of": {
        "grad": lambda f, x: (lambda leaf: torch.autograd.grad(f(leaf), leaf)[0])(x.detach().requires_grad_()),
        "new data": gradient_of_data,
        "torch.func": lambda f, x: torch.func.grad(f)(x).detach(),
    },
    "update_average": {"copy_": average_by_copy, "lerp_": average_by_lerp, "assignment": average_by_assignment},
    "train_only": {
        "frozen first": freeze_first,
        "a dictionary": switch_by_a_dictionary,
        "a comprehension": lambda model, names: [p.requires_grad_(n in names) for n, p in model.named_parameters()],
    },
    "Sigmoid": {"z is kept": SigmoidOfZ, "an attribute": SigmoidByReciprocal, "setup_context": SigmoidWithSetup},
    "descend": {"grad": descend_by_grad, "data": descend_by_data, "recursion": descend_by_recursion},
}

WRONG = {
    "numerical_gradient": {
        "the argument in place": (
            lambda f, x, nudge: slopes_in_place(f, x, nudge) * (x.add_(nudge).numel() > -1),
            "changes its argument `x` in place",
        ),
        "another dtype": (lambda f, x, nudge: slopes_in_a_list(f, x, nudge).float(), "right, in another dtype"),
        "in one dimension": (lambda f, x, nudge: slopes_in_a_list(f, x, nudge).flatten(), "right, in one dimension"),
        "nothing written": (nothing_written, "your result is \\[nan\\], expected \\[12.25\\]"),
        "a row for a number": (
            lambda f, x, nudge: [f(x + nudge * row) for row in torch.eye(len(x))],
            "is a list, expected a tensor",
        ),
    },
    "count_functions": {
        "a tensor": (lambda result: torch.tensor(count_in_a_list(result)), "`.item\\(\\)` takes it out"),
        "no look at None": (
            no_look_at_none,
            "has no attribute 'next_functions'[^\\0]*was tried for `b \\* c`",
        ),
        "the set": (lambda result: {result.grad_fn}, "expected the number 2"),
        "printed": (lambda result: print(count_in_a_list(result)), "is a `return` missing\\?"),
        "two for all": (lambda result: 2, "For `formula` = `a \\* b \\* d \\* a`, your result is 2, expected 6\\.$"),
    },
    "mse_gradient": {
        "by autograd": (
            lambda w, x, y: hidden_by_a_leaf(torch.nn.Identity(), lambda w: F.mse_loss(x @ w, y), w),
            "`backward` of PyTorch has made it. Here you are autograd",
        ),
        "by torch.func": (
            lambda w, x, y: torch.func.grad(lambda w: F.mse_loss(x @ w, y))(w).detach(),
            "`grad` of PyTorch has made it",
        ),
        "a number of its own": (
            lambda w, x, y: 2 * (x @ w - y) @ x / 3,
            "For `w` = \\[1, 1\\].*your result is \\[1.3333, 2.6667\\], expected \\[4, 8\\]\\.$",
        ),
    },
    "kept": {
        "one text": ("a, d", "is the text 'a, d', expected a set"),
        "another name": ({"a", "x"}, "the names are a, b, c"),
        "tensors": ([torch.ones(1)], "does not hold names"),
        "two at once": ({"b", "c"}, "is `b`, expected none: `b` is the result of a multiplication"),
        "nothing": (set(), "missing in `kept` is a leaf that requires gradients, expected nothing"),
    },
    "hidden_gradient": {
        "of a second pass": (hidden_of_a_second_pass, "Did `second` get `z`\\?"),
    },
    "accumulate": {
        "the graph kept": (accumulate_and_keep, "is the graph of another, expected no graph.*`retain_graph=True`"),
        "a batch for its inputs": (accumulate_a_batch, "in `.*loss_fn\\(model\\(batch\\).*cannot be used there"),
        "the model returned": (
            lambda model, loss_fn, batches: accumulate_by_sums(model, loss_fn, batches) or model,
            "what comes back is of type Linear, expected None",
        ),
    },
    "square_root": {
        "a new tensor": (lambda x: root_by_break(torch.tensor(x.item())), "something cut the record"),
        "a number": (lambda x: root_by_break(x).item(), "is a float, expected a tensor"),
    },
    "jacobian_by_rows": {
        "by jacrev": (
            lambda f, x: torch.func.jacrev(f)(x).detach(),
            "the number of backward passes through `f` is 1, expected 2",
        ),
        "v of the wrong length": (
            lambda f, x: torch.autograd.grad(f(x.requires_grad_()), x, torch.ones(len(x) + 1)),
            "shape[^\\0]*was tried for `measure_rectangle`",
        ),
    },
    "gradient_of": {
        "a factor": (lambda f, x: 3 * gradient_of_data(f, x), "each number is 3 times what it should be"),
        "of what was sent": (
            lambda f, x: gradient_of_data(lambda leaf: leaf.sum(), x),
            "expected a tensor that requires",
        ),
    },
    "update_average": {
        "weight and bias by name": (average_of_two_names, "has no attribute 'weight'[^\\0]*nested models"),
        "a new tensor": (lambda average, model, keep: setattr(average, "weight", 3), "cannot assign"),
    },
    "train_only": {
        "an attribute of the model": (
            lambda model, names: setattr(model, "requires_grad", False),
            "nothing has changed: the switch is",
        ),
        "a name that is no attribute": (
            lambda model, names: [getattr(model, name).requires_grad_() for name in names],
            "what requires gradients is weight and bias, expected bias\\.$",
        ),
    },
    "Sigmoid": {
        "no Function": (NoFunction, "no `torch.autograd.Function`"),
        "nothing saved": (SavesNothing, "not enough values to unpack[^\\0]*was tried for z = \\[0\\]"),
    },
    "descend": {
        "by an optimizer": (by_an_optimizer, "steps that an optimizer took is 2, expected 0"),
    },
}
