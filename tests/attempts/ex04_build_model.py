"""Answers to the exercises of notebook 04: right ones in other styles, and wrong ones that are no mistakes as code."""

import copy
import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn

from tutorial_utils.exercises import ex04_build_model as ex

# -------------------------------------------------------------------------------------------------------------- Scale


class RegisteredScale(nn.Module):
    def __init__(self, n):
        nn.Module.__init__(self)
        self.register_parameter("b", nn.Parameter(torch.full((n,), 0.0)))
        self.register_parameter("a", nn.Parameter(torch.ones((n,))))

    def forward(self, inputs):
        return torch.addcmul(self.b, inputs, self.a)


class EmptyScale(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.a, self.b = nn.Parameter(torch.empty(size)), nn.Parameter(torch.empty(size))
        nn.init.ones_(self.a)
        nn.init.zeros_(self.b)

    def forward(self, x):
        return torch.einsum("nd,d->nd", x, self.a) + self.b


class LoopScale(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.a, self.b = nn.Parameter(torch.tensor([1.0] * size)), nn.Parameter(torch.tensor([0.0] * size))

    def forward(self, x):
        return torch.stack([a * column + b for a, column, b in zip(self.a, x.T, self.b, strict=True)], dim=1)


class NoSuper(nn.Module):
    def __init__(self, size):
        super().__init__  # noqa: B018 the call is forgotten
        self.a, self.b = nn.Parameter(torch.ones(size)), nn.Parameter(torch.zeros(size))

    def forward(self, x):
        return self.a * x + self.b


class LateSuper(NoSuper):
    def __init__(self, size):
        self.a = torch.ones(size)
        self.b = nn.Parameter(torch.zeros(size))
        nn.Module.__init__(self)


class NoModule:
    def __init__(self, size):
        self.a, self.b = torch.ones(size), torch.zeros(size)


class Misspelt(nn.Module):
    def __init__(self, size):
        super().__init__()

    def foward(self, x):
        return x


class WholeNumbers(NoSuper):
    def __init__(self, size):
        nn.Module.__init__(self)
        self.a = nn.Parameter(torch.tensor([1] * size))


class Two(NoSuper):
    def __init__(self, size):
        nn.Module.__init__(self)
        self.a, self.b = nn.Parameter(torch.ones(2)), nn.Parameter(torch.zeros(2))


class Layer(NoSuper):
    def __init__(self, size):
        nn.Module.__init__(self)
        self.a, self.b = nn.Linear(size, size), nn.Parameter(torch.zeros(size))


class OneMore(Two):
    def __init__(self, size):
        nn.Module.__init__(self)
        self.a, self.b = nn.Parameter(torch.ones(size)), nn.Parameter(torch.zeros(size))
        self.linear = nn.Linear(size, size)


class Printed(OneMore):
    def __init__(self, size):
        super().__init__(size)
        del self.linear

    def forward(self, x):
        print(self.a * x + self.b)


# ---------------------------------------------------------------------------------------------------------- output_of


def keep_in_a_dictionary(layer, model, x):
    kept = {}
    with layer.register_forward_hook(lambda module, args, output: kept.update(out=output)):
        model(x)
    return kept["out"]


def keep_nonlocal(layer, model, x):
    result = None

    def hook(module, args, output):
        nonlocal result
        result = output.detach().clone()
        return output

    handle = layer.register_forward_hook(hook)
    try:
        model(x)
    finally:
        handle.remove()
    return result


def hook_all(layer, model, x):
    kept = []
    handles = [part.register_forward_hook(lambda *given: kept.append(given)) for part in model.modules()]
    with torch.no_grad():
        model(x)
    for handle in handles:
        handle.remove()
    return next(output for part, _, output in kept if part is layer)


SEEN = []


def keep_for_all_calls(layer, model, x):
    with layer.register_forward_hook(lambda module, args, output: SEEN.append(output)):
        model(x)
    return SEEN[0]


def hook_with_two_arguments(layer, model, x):
    kept = []
    with layer.register_forward_hook(lambda args, output: kept.append(output)):
        model(x)
    return kept[0]


def hook_all_of_a_type(layer, model, x):
    kept = []
    parts = [part for part in model.modules() if type(part) is type(layer)]
    handles = [part.register_forward_hook(lambda module, args, output: kept.append(output)) for part in parts]
    model(x)
    for handle in handles:
        handle.remove()
    return kept[0]


def exchange_forward(layer, model, x):
    kept, compute = [], layer.forward
    layer.forward = lambda x: kept.append(compute(x)) or kept[0]
    model(x)
    layer.forward = compute
    return kept[0]


# ----------------------------------------------------------------------------------------------- predict_probabilities


def by_formula(model, picture):
    with torch.no_grad():
        powers = model(picture.reshape(1, *picture.shape)).exp()  # (1, K)
    return (powers / powers.sum(dim=1, keepdim=True)).flatten()


# ----------------------------------------------------------------------------------------------------------- make_mlp


def zip_sizes(sizes):
    layers = []
    for inputs, outputs in pairwise(sizes):
        layers.append(nn.Linear(inputs, outputs))
        layers.append(nn.ReLU(inplace=True))
    layers.pop()
    return nn.Sequential(*layers)


def append_modules(sizes):
    model = nn.Sequential()
    for i in range(1, len(sizes)):
        model.append(nn.Linear(in_features=sizes[i - 1], out_features=sizes[i]))
        if i < len(sizes) - 1:
            model.append(nn.ReLU())
    return model


def nest_blocks(sizes):
    relu = nn.ReLU()
    blocks = [nn.Sequential(nn.Linear(sizes[i], sizes[i + 1]), relu) for i in range(len(sizes) - 2)]
    return nn.Sequential(*blocks, nn.Linear(sizes[-2], sizes[-1]))


def pop_sizes(sizes):
    layers = []
    while len(sizes) > 1:
        layers += [nn.Linear(sizes.pop(0), sizes[0]), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def assign_append(sizes):
    layers = []
    for i in range(len(sizes) - 1):
        layers = layers.append(nn.Linear(sizes[i], sizes[i + 1]))
    return nn.Sequential(*layers)


# --------------------------------------------------------------------------------------------------------------- hat


HAT = ex.hat.answer()


# --------------------------------------------------------------------------------- freeze_all_but_last, zero_biases


def freeze_one_by_one(model):
    for parameter in model[:-1].parameters():
        parameter.requires_grad = False


def freeze_and_thaw(model):
    model.requires_grad_(False)
    model[-1].requires_grad_(True)
    return model


def freeze_by_identity(model):
    last = {id(parameter) for parameter in model[-1].parameters()}
    for parameter in model.parameters():
        parameter.requires_grad = id(parameter) in last


def freeze_by_a_typo(model):
    for parameter in model[:-1].parameters():
        parameter.requires_grad_ = False


def zero_modules(model):
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.constant_(module.bias, 0.0)


def zero_without_gradients(model):
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "bias" in name:
                parameter.zero_()


def zero_in_the_state(model):
    state = model.state_dict()
    model.load_state_dict({name: t * 0 if name.split(".")[-1] == "bias" else t for name, t in state.items()})


def zero_rows(model):
    for parameter in model.parameters():
        if parameter.ndim == 1:
            parameter.data = torch.zeros_like(parameter)


def zero_for_good(model):
    torch.set_grad_enabled(False)
    zero_without_gradients(model)


# ----------------------------------------------------------------------------------------------------------- MyDropout


class MyDropout(nn.Module):
    def __init__(self, p):
        super().__init__()
        self.p = p

    def forward(self, x):
        return self.drop(x) if self.training else x

    def drop(self, x):
        return x * (torch.rand_like(x) >= self.p) / (1 - self.p)


def dropping(drop):
    """Return a module that does this in training mode, and nothing else."""
    return type("MyDropout", (MyDropout,), {"drop": drop})


def drop_in_a_copy(self, x):
    x = x.clone()
    x[torch.rand(x.shape, device=x.device) < self.p] = 0
    return x / (1 - self.p)


class NoP(MyDropout):
    def __init__(self, p):
        nn.Module.__init__(self)


# ------------------------------------------------------------------------------------------------------ ExampleCounter


class AddsANewTensor(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

    def forward(self, x):
        if self.training:
            self.seen = self.seen + x.shape[0]
        return x


class CountsOneByOne(nn.Module):
    def __init__(self):
        super().__init__()
        self.seen = nn.Buffer(torch.tensor(0))

    def forward(self, batch):
        if self.training:
            for _ in batch:
                self.seen += 1
        return batch.clone()


class AddsInPlace(AddsANewTensor):
    def forward(self, x):
        self.seen.add_(x.size(0) * int(self.training))
        return x


GLOBAL = torch.tensor(0)


class SharesOneTensor(AddsInPlace):
    def __init__(self):
        nn.Module.__init__(self)
        self.register_buffer("seen", GLOBAL)


class CountsFours(AddsANewTensor):
    def forward(self, x):
        if self.training:
            self.seen += 4
        return x


class NoSelf(AddsANewTensor):
    def forward(self, x):
        if self.training:
            seen += len(x)  # noqa: F821, F841
        return x


# ----------------------------------------------------------------------------------------------------------- conv_size


def count_places(size, kernel_size, padding, stride):
    places, start = 0, 0
    while start + kernel_size <= size + 2 * padding:
        places += 1
        start += stride
    return places


# ------------------------------------------------------------------------------------------------------- ResidualBlock


class OneSequential(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(channels, channels, (3, 3), padding="same"),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, 1, 1),
        )

    def forward(self, x):
        return F.relu(self.net(x) + x)


class ListedLast(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.convs = nn.ModuleList([nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2)])

    def forward(self, x):
        y = torch.relu(self.convs[1](x))
        y = self.convs[0](y)
        y += x
        return torch.clamp(y, min=0)


class PadsItself(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.second, self.first = nn.Conv2d(channels, channels, 3), nn.Conv2d(channels, channels, 3)

    def forward(self, x):
        change = self.first(F.pad(x, (1, 1, 1, 1))).relu()
        return (x + self.second(F.pad(change, (1, 1, 1, 1)))).relu()


class ThreeConvolutions(ex.ResidualBlock.answer):
    def __init__(self, channels):
        super().__init__(channels)
        self.third = nn.Conv2d(channels, channels, 1)


class Dilated(ex.ResidualBlock.answer):
    def __init__(self, channels):
        nn.Module.__init__(self)
        self.first = nn.Conv2d(channels, channels, 3, padding=2, dilation=2)
        self.second = nn.Conv2d(channels, channels, 3, padding=2, dilation=2)


class Halved(ex.ResidualBlock.answer):
    def __init__(self, channels):
        nn.Module.__init__(self)
        self.first = nn.Conv2d(channels, channels, 3, padding=1, stride=2)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)


# ----------------------------------------------------------------------------------------------------------- attention


def attend_by_einsum(queries, keys, values):
    scores = torch.einsum("nid,njd->nij", queries, keys) / math.sqrt(queries.size(-1))
    return torch.einsum("nij,njd->nid", torch.softmax(scores, -1), values)


def attend_one_by_one(queries, keys, values):
    result = torch.zeros_like(values)
    for n in range(len(queries)):
        for i, query in enumerate(queries[n]):
            result[n, i] = nn.Softmax(dim=0)(keys[n] @ query / len(query) ** 0.5) @ values[n]
    return result


def attend_by_formula(q, k, v):
    powers = (q / torch.sqrt(torch.tensor(q.shape[-1])) @ k.mT).exp()
    return torch.bmm(powers / powers.sum(dim=-1, keepdim=True), v)


RIGHT = {
    "Scale": {"registered": RegisteredScale, "filled later": EmptyScale, "column by column": LoopScale},
    "output_of": {"a dictionary": keep_in_a_dictionary, "nonlocal": keep_nonlocal, "all layers": hook_all},
    "predict_probabilities": {
        "an index": lambda model, picture: torch.softmax(model(picture[None]), dim=-1)[0],
        "the formula": by_formula,
        "softmax of the row": lambda model, image: F.softmax(model(image.unsqueeze(dim=0)).squeeze(0), dim=0),
    },
    "make_mlp": {"zip": zip_sizes, "append": append_modules, "blocks": nest_blocks},
    "hat": {
        "whole numbers": {name: tensor.long() for name, tensor in HAT.items()},
        "twice and half": HAT
        | {"0.weight": HAT["0.weight"] * 2, "0.bias": HAT["0.bias"] * 2, "2.weight": HAT["2.weight"] / 2},
        "another order": HAT | {"0.bias": HAT["0.bias"].flip(0), "2.weight": HAT["2.weight"].flip(1)},
        "mirrored": HAT | {"0.weight": -HAT["0.weight"], "0.bias": -HAT["0.bias"]},
    },
    "freeze_all_but_last": {
        "one by one": freeze_one_by_one,
        "all, then the last": freeze_and_thaw,
        "by identity": freeze_by_identity,
    },
    "zero_biases": {
        "modules": zero_modules,
        "no_grad": zero_without_gradients,
        "the state dict": zero_in_the_state,
        "what has one dimension": zero_rows,
    },
    "MyDropout": {
        "bernoulli": dropping(lambda self, x: x * torch.bernoulli(torch.full_like(x, 1 - self.p)) / (1 - self.p)),
        "where": dropping(lambda self, x: torch.where(torch.rand_like(x) < self.p, 0.0, x / (1 - self.p))),
        "a copy": dropping(drop_in_a_copy),
        "masked_fill": dropping(lambda self, x: x.masked_fill(torch.rand_like(x) < self.p, 0) * (1 / (1 - self.p))),
    },
    "ExampleCounter": {"a new sum": AddsANewTensor, "one by one": CountsOneByOne, "times the mode": AddsInPlace},
    "conv_size": {
        "floor": lambda s, k, p, t: math.floor((s + 2 * p - k) / t) + 1,
        "a range": lambda s, k, p, t: len(range(0, s + 2 * p - k + 1, t)),
        "place by place": count_places,
        "a convolution": lambda s, k, p, t: nn.Conv1d(1, 1, k, t, p)(torch.zeros(1, 1, s)).shape[-1],
    },
    "ResidualBlock": {"a Sequential": OneSequential, "another order": ListedLast, "padding by hand": PadsItself},
    "attention": {"einsum": attend_by_einsum, "loops": attend_one_by_one, "the formula": attend_by_formula},
}
WRONG = {
    "Scale": {
        "super().__init__ not called": (NoSuper, r"begin with `super\(\).__init__\(\)`"),
        "super().__init__() too late": (LateSuper, r"begin with `super\(\).__init__\(\)`"),
        "no nn.Module": (NoModule, r"class NoModule\(nn.Module\)"),
        "forward misspelt": (Misspelt, "no method `forward`"),
        "whole numbers": (WholeNumbers, "Only Tensors of floating point.*\n.*for size=2"),
        "two, whatever the size": (Two, r"size=1.*`a` has shape \(2,\), expected \(1,\)"),
        "a layer": (Layer, "`a` is a module, expected a parameter"),
        "a layer too many": (OneMore, r"\[a, b, linear.bias, linear.weight\], expected \[a, b\]"),
        "printed": (Printed, "is None.*is a `return` missing"),
        "an object": (RegisteredScale(2), "pass the class itself"),
    },
    "output_of": {
        "a list for all calls": (keep_for_all_calls, r"layer `second`.*\(3, 2\), expected \(3, 3\)"),
        "a hook with two arguments": (hook_with_two_arguments, "takes 2 positional arguments but 3"),
        "forward exchanged": (exchange_forward, "what looks on is no hook, expected a hook"),
        "the first of its type": (hook_all_of_a_type, "layer `second`"),
    },
    "predict_probabilities": {
        "the module": (lambda model, picture: nn.Softmax(dim=1), "First make it, then call it"),
        "a percentage": (lambda model, picture: 100 * by_formula(model, picture), "100 times what it should be"),
        "28 x 28": (lambda model, picture: model(picture.reshape(1, 28, 28)), "invalid for input of size 3"),
        "x in place": (lambda model, picture: by_formula(model, picture.mul_(1).unsqueeze_(0)[0]), "in place"),
    },
    "make_mlp": {
        "sizes used up": (pop_sizes, "changes its argument `sizes` in place"),
        "append assigned": (assign_append, "'NoneType' object has no attribute 'append'"),
        "a class": (lambda sizes: ex.Scale.answer(2), "is a Scale, expected an `nn.Sequential`"),
    },
    "hat": {
        "a module": (nn.Linear(1, 3), "is a Linear, expected a dictionary"),
        "a list of numbers": (HAT | {"0.bias": [0.0, -1.0, -2.0]}, "is of type list, expected a tensor"),
        "a name missing": ({name: HAT[name] for name in list(HAT)[:3]}, "expected .*2.bias, 2.weight"),
        "half as high": (HAT | {"2.weight": HAT["2.weight"] / 2}, "divided by 2"),
    },
    "freeze_all_but_last": {
        "a typo": (freeze_by_a_typo, "nothing is frozen"),
        "gradients off for good": (lambda model: torch.set_grad_enabled(False), "whether gradients are recorded"),
        "a list": (lambda model: model[:-1].parameters().requires_grad_(False), "'generator' object"),
    },
    "zero_biases": {
        "gradients off for good": (zero_for_good, "whether gradients are recorded"),
        "parameters as pairs": (lambda model: [p for name, p in model.parameters()], "unpack"),
        "a copy": (lambda model: zero_modules(copy.deepcopy(model)), "no bias of this model has changed"),
    },
    "MyDropout": {
        "PyTorch's own": (dropping(lambda self, x: F.dropout(x, self.p)), "`dropout` of PyTorch has made it"),
        "PyTorch's own layer": (nn.Dropout, "`dropout` of PyTorch has made it"),
        "p not kept": (NoP, "has no attribute 'p'"),
        "times a random number": (dropping(lambda self, x: x * torch.rand_like(x)), "what becomes 0 is nothing"),
        "1 minus a mask": (dropping(lambda self, x: x * (1 - (torch.rand_like(x) < self.p))), "with a bool tensor"),
    },
    "ExampleCounter": {
        "one tensor for all": (SharesOneTensor, "another new module is 7, expected 0"),
        "always four": (CountsFours, "is 8, expected 7"),
        "self forgotten": (NoSelf, "cannot access local variable 'seen'"),
    },
    "conv_size": {
        "a tensor": (
            lambda s, k, p, t: torch.tensor((s + 2 * p - k) // t + 1),
            "is a Tensor, expected a Python number",
        ),
        "a picture of 28": (lambda s, k, p, t: (28 + 2 * p - k) // t + 1, "is 9, expected 3"),
        "one too many": (lambda s, k, p, t: (s + 2 * p - k) // t + 2, "1 too large"),
    },
    "ResidualBlock": {
        "a third convolution": (ThreeConvolutions, "lists is 3, expected 2"),
        "dilated": (Dilated, "your result differs"),
        "a stride": (Halved, r"heights and widths after them is \[\[1, 2\], \[1, 2\]\]"),
    },
    "attention": {
        "PyTorch's own": (F.scaled_dot_product_attention, "of PyTorch has made it"),
        "a root of a whole number": (lambda q, k, v: q @ k.mT / torch.sqrt(q.shape[2]) @ v, "must be Tensor, not int"),
        "queries in place": (
            lambda q, k, v: attend_by_einsum(q.mul_(1.5).div_(1.5 / 2), k / 2, v),
            "`queries` in place",
        ),
    },
}
