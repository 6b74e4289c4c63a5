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
    flat, slopes = x.flatten().clone(), []
    for i in range(len(flat)):
        old = flat[i].item()
        flat[i] = old + nudge
        above = f(flat.reshape(x.shape))
        flat[i] = old - nudge
        slopes.append((above - f(flat.reshape(x.shape))) / nudge / 2)
        flat[i] = old
    return torch.stack(slopes).reshape(x.shape)


def slopes_in_a_view(f, x, nudge):
    slopes, x = torch.empty_like(x), x.clone()
    for i in range(x.numel()):
        x.view(-1)[i] += nudge
        above = f(x)
        x.view(-1)[i] -= 2 * nudge
        slopes.view(-1)[i] = (above - f(x)) / (2 * nudge)
        x.view(-1)[i] += nudge
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


# ------------------------------------------------------------------------------ forward does two things, backward three


def sort_by_visits(value, order):
    """Return the values that lead to this one, the parents first, as `sort_values` of the notebook does."""
    if value not in order:
        for parent in value.parents:
            sort_by_visits(parent, order)
        order.append(value)
    return order


def backwards_by_numbers(result):
    order = sort_by_visits(result, [])
    order[-1].grad += 1
    for i in range(len(order) - 1, -1, -1):
        value = order[i]
        for j in range(len(value.parents)):
            value.parents[j].grad = value.parents[j].grad + value.grad * value.slopes[j]


def along_each_path(result, gradient=1.0):
    result.grad += gradient
    for parent, slope in zip(result.parents, result.slopes, strict=True):
        along_each_path(parent, gradient * slope)


def by_popping(result):
    order, result.grad = sort_by_visits(result, []), 1.0
    while order:
        value = order.pop()
        for pair in zip(value.parents, value.slopes, strict=True):
            pair[0].grad += pair[1] * value.grad


def for_one_expression(result):
    result.grad = 1.0
    for parent, slope in zip(result.parents, result.slopes, strict=True):
        parent.grad += slope
        for other, factor in zip(parent.parents, parent.slopes, strict=True):
            other.grad += slope * factor


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


# ---------------------------------------------------------------------------------------- computing without a graph


def gradient_of_data(f, x):
    leaf = torch.tensor(x.tolist(), dtype=x.dtype, requires_grad=True)
    f(leaf).backward()
    return leaf.grad


@torch.no_grad()
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
    "backpropagate": {"by numbers": backwards_by_numbers, "each path": along_each_path, "popping": by_popping},
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
    "gradient_of": {
        "grad": lambda f, x: (lambda leaf: torch.autograd.grad(f(leaf), leaf)[0])(x.detach().requires_grad_()),
        "new data": gradient_of_data,
        "torch.func": lambda f, x: torch.func.grad(f)(x).detach(),
    },
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
        "a view": (slopes_in_a_view, "view size is not compatible[^\\0]*was tried for a transposed `x`"),
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
    "backpropagate": {
        "nothing": (lambda result: None, "`hours.grad` is 0, expected 4"),
        "one expression": (for_one_expression, "`a.grad` is .*expected "),
        "an operation": (lambda result: result.backward(), "has no attribute 'backward'"),
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
    "gradient_of": {
        "a factor": (lambda f, x: 3 * gradient_of_data(f, x), "each number is 3 times what it should be"),
        "of what was sent": (
            lambda f, x: gradient_of_data(lambda leaf: leaf.sum(), x),
            "expected a tensor that requires",
        ),
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
