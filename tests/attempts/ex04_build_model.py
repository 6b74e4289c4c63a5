"""Answers that learners give to the exercises of notebook 04, and what the reply to each must say."""

import copy

import torch
from torch import nn

# -------------------------------------------------------------------------------------------------------------- Scale


class Scale(nn.Module):
    """A right answer, to be spoilt in one place by each of the classes below."""

    def __init__(self, size):
        super().__init__()
        self.a = nn.Parameter(torch.ones(size))
        self.b = nn.Parameter(torch.zeros(size))

    def forward(self, x):
        return self.a * x + self.b


class NoSuper(Scale):
    def __init__(self, size):
        self.a = nn.Parameter(torch.ones(size))


class NoSuperPlain(Scale):
    def __init__(self, size):
        self.a = torch.ones(size)


class NoModule:
    def __init__(self, size):
        self.a, self.b = torch.ones(size), torch.zeros(size)


class Misspelt(nn.Module):
    def __init__(self, size):
        super().__init__()

    def foward(self, x):
        return x


class PlainTensors(Scale):
    def __init__(self, size):
        nn.Module.__init__(self)
        self.a, self.b = torch.ones(size), torch.zeros(size)


class Buffers(Scale):
    def __init__(self, size):
        nn.Module.__init__(self)
        self.register_buffer("a", torch.ones(size))
        self.register_buffer("b", torch.zeros(size))


class OtherNames(Scale):
    def __init__(self, size):
        nn.Module.__init__(self)
        self.weight, self.bias = nn.Parameter(torch.ones(size)), nn.Parameter(torch.zeros(size))


class OneNumber(Scale):
    def __init__(self, size):
        nn.Module.__init__(self)
        self.a, self.b = nn.Parameter(torch.ones(1)), nn.Parameter(torch.zeros(1))


class Table(Scale):
    def __init__(self, size):
        nn.Module.__init__(self)
        self.a, self.b = nn.Parameter(torch.ones(size, size)), nn.Parameter(torch.zeros(size))


class Column(Scale):
    def __init__(self, size):
        nn.Module.__init__(self)
        self.a, self.b = nn.Parameter(torch.ones(size, 1)), nn.Parameter(torch.zeros(size, 1))


class Zeros(Scale):
    def __init__(self, size):
        nn.Module.__init__(self)
        self.a, self.b = nn.Parameter(torch.zeros(size)), nn.Parameter(torch.zeros(size))


class Three(Scale):
    def __init__(self, size):
        super().__init__(3)


class Extra(Scale):
    def __init__(self, size):
        super().__init__(size)
        self.linear = nn.Linear(size, size)


class AddsFirst(Scale):
    def forward(self, x):
        return self.a * (x + self.b)


class WithoutB(Scale):
    def forward(self, x):
        return self.a * x


class ReturnsNothing(Scale):
    def forward(self, x):
        self.a * x + self.b


class InPlace(Scale):
    def forward(self, x):
        x *= self.a
        return x + self.b


# ---------------------------------------------------------------------------------------------------------- output_of


def leave_hook(layer, model, x):
    outputs = []
    layer.register_forward_hook(lambda module, inputs, output: outputs.append(output))
    model(x)
    return outputs[0]


def hook(layer, run, keep):
    kept = []
    handle = layer.register_forward_hook(lambda module, inputs, output: kept.append(keep(inputs, output)))
    result = run()
    handle.remove()
    return kept, result


def keep_inputs(layer, model, x):
    return hook(layer, lambda: model(x), lambda inputs, output: inputs)[0][0]


def keep_input(layer, model, x):
    return hook(layer, lambda: model(x), lambda inputs, output: inputs[0])[0][0]


def return_list(layer, model, x):
    return hook(layer, lambda: model(x), lambda inputs, output: output)[0]


def return_models(layer, model, x):
    return hook(layer, lambda: model(x), lambda inputs, output: output)[1]


def name_of_the_hook(layer, model, x):
    kept = None

    def keep(module, inputs, output):
        kept = output  # noqa: F841 a name of its own

    with layer.register_forward_hook(keep):
        model(x)
    return kept


def call_forward(layer, model, x):
    return hook(layer, lambda: model.forward(x), lambda inputs, output: output)[0][0]


# ----------------------------------------------------------------------------------------------- predict_probabilities


def softmax(dim):
    return nn.Softmax(dim=dim)


# ----------------------------------------------------------------------------------------------------------- make_mlp


def relu_last(sizes):
    return nn.Sequential(*(part for i, o in steps(sizes) for part in (nn.Linear(i, o), nn.ReLU())))


def relu_first(sizes):
    parts = [part for i, o in steps(sizes) for part in (nn.Linear(i, o), nn.ReLU())]
    return nn.Sequential(nn.ReLU(), *parts[:-1])


def steps(sizes):
    return [(sizes[i], sizes[i + 1]) for i in range(len(sizes) - 1)]


def list_of_layers(sizes):
    return list(relu_last(sizes))[:-1]


def linear_only(sizes):
    return nn.Sequential(*(nn.Linear(i, o) for i, o in steps(sizes)))


def one_too_few(sizes):
    return relu_last(sizes)[:-3]


def turned_layers(sizes):
    parts = [part for i, o in steps(sizes) for part in (nn.Linear(o, i), nn.ReLU())]
    return nn.Sequential(*parts[:-1])


def pop_sizes(sizes):
    parts = []
    while len(sizes) > 1:
        parts += [nn.Linear(sizes.pop(0), sizes[0]), nn.ReLU()]
    return nn.Sequential(*parts[:-1])


# ---------------------------------------------------------------------------------------------------------------- hat


def make_hat(slopes=(1.0, -2.0, 1.0), bends=(0.0, -1.0, -2.0), **other):
    hat = {
        "0.weight": torch.ones(3, 1),
        "0.bias": torch.tensor(bends),
        "2.weight": torch.tensor([slopes]),
        "2.bias": torch.zeros(1),
    }
    return hat | other


# ------------------------------------------------------------------------------------ count_mlp, freeze_all_but_last


def freeze_by_attribute(model):
    for module in model[:-1]:
        module.requires_grad = False


def freeze_copy(model):
    model = copy.deepcopy(model)
    model[:-1].requires_grad_(False)
    return model


def freeze_all(model):
    model.requires_grad_(False)


def freeze_last(model):
    model[-1].requires_grad_(False)


def freeze_all_but_one_parameter(model):
    for parameter in list(model.parameters())[:-1]:
        parameter.requires_grad = False


def freeze_weights(model):
    for module in model[:-1].modules():
        if isinstance(module, nn.Linear):
            module.weight.requires_grad_(False)


def freeze_by_name(model):
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith("2"))


def freeze_and_replace(model):
    model[:-1].requires_grad_(False)
    model[-1] = nn.Linear(4, 2)


def freeze_first(model):
    model[0].requires_grad_(False)


# --------------------------------------------------------------------------------------------------------- zero_biases


def zero_outer_biases(model):
    for module in model:
        if isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)


def zero_everything(model):
    for parameter in model.parameters():
        nn.init.zeros_(parameter)


def zero_names_only(model):
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            parameter = torch.zeros_like(parameter)


def remove_biases(model):
    for module in model.modules():
        if isinstance(module, nn.Linear):
            module.bias = None


def replace_biases(model):
    for module in model.modules():
        if isinstance(module, nn.Linear):
            module.bias = nn.Parameter(torch.zeros_like(module.bias))


def zero_exact_names(model):
    for name, parameter in model.named_parameters():
        if name == "bias":
            nn.init.zeros_(parameter)


def freeze_zeros(model):
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            parameter.requires_grad_(False).zero_()


# ----------------------------------------------------------------------------------------------------------- MyDropout


class MyDropout(nn.Module):
    """A right answer, to be spoilt in one place by each of the classes below."""

    def __init__(self, p):
        super().__init__()
        self.p = p

    def keep(self, x):
        return torch.rand_like(x) >= self.p

    def scale(self, x):
        return x / (1 - self.p)

    def forward(self, x):
        return self.scale(x * self.keep(x)) if self.training else x


class NoScale(MyDropout):
    def scale(self, x):
        return x


class ScaleByP(MyDropout):
    def scale(self, x):
        return x / self.p


class ScaleDown(MyDropout):
    def scale(self, x):
        return x * (1 - self.p)


class DropsTheOthers(MyDropout):
    def keep(self, x):
        return torch.rand_like(x) < self.p


class DropsRows(MyDropout):
    def keep(self, x):
        return torch.rand(len(x), 1) >= self.p


class DropsAll(MyDropout):
    def keep(self, x):
        return torch.rand(1) >= self.p


class DropsOnTheCpu(MyDropout):
    def keep(self, x):
        return torch.rand(x.shape) >= self.p


class BellCurve(MyDropout):
    def keep(self, x):
        return torch.randn_like(x) >= self.p


class SameZeros(MyDropout):
    def keep(self, x):
        torch.manual_seed(0)
        return torch.rand_like(x) >= self.p


class DropsAlways(MyDropout):
    def forward(self, x):
        return self.scale(x * self.keep(x))


class ScalesAlways(MyDropout):
    def forward(self, x):
        return self.scale(x * self.keep(x)) if self.training else self.scale(x)


class ModesTurned(MyDropout):
    def forward(self, x):
        return x if self.training else self.scale(x * self.keep(x))


class TrainingOnly(MyDropout):
    def forward(self, x):
        if self.training:
            return self.scale(x * self.keep(x))


class Borrowed(MyDropout):
    def forward(self, x):
        return nn.functional.dropout(x, self.p, self.training)


class NoSuperDropout(MyDropout):
    def __init__(self, p):
        self.p = p


class CutsOff(MyDropout):
    def forward(self, x):
        return super().forward(x.detach())


class ReturnsMask(MyDropout):
    def forward(self, x):
        return self.keep(x) if self.training else x


class IndexesWithMask(MyDropout):
    def forward(self, x):
        return self.scale(x[self.keep(x)]) if self.training else x


class DropsInPlace(MyDropout):
    def forward(self, x):
        if self.training:
            x *= self.keep(x)
            x /= 1 - self.p
        return x


# ------------------------------------------------------------------------------------------------------ ExampleCounter


class ExampleCounter(nn.Module):
    """A right answer, to be spoilt in one place by each of the classes below."""

    def __init__(self):
        super().__init__()
        self.register_buffer("seen", torch.tensor(0))

    def forward(self, x):
        if self.training:
            self.seen += len(x)
        return x


class PlainNumber(ExampleCounter):
    def __init__(self):
        nn.Module.__init__(self)
        self.seen = 0


class PlainTensor(ExampleCounter):
    def __init__(self):
        nn.Module.__init__(self)
        self.seen = torch.tensor(0)


class LearnedNumber(ExampleCounter):
    def __init__(self):
        nn.Module.__init__(self)
        self.seen = nn.Parameter(torch.tensor(0.0))


class NotSaved(ExampleCounter):
    def __init__(self):
        nn.Module.__init__(self)
        self.register_buffer("seen", torch.tensor(0), persistent=False)


class FloatCounter(ExampleCounter):
    def __init__(self):
        nn.Module.__init__(self)
        self.register_buffer("seen", torch.zeros(()))


class CountsBatches(ExampleCounter):
    def forward(self, x):
        if self.training:
            self.seen += 1
        return x


class CountsNumbers(ExampleCounter):
    def forward(self, x):
        if self.training:
            self.seen += x.numel()
        return x


class CountsAlways(ExampleCounter):
    def forward(self, x):
        self.seen += len(x)
        return x


class CountsLast(ExampleCounter):
    def forward(self, x):
        self.seen = torch.tensor(len(x))
        return x


class ReturnsCount(ExampleCounter):
    def forward(self, x):
        self.seen += len(x)
        return self.seen


class SumNotKept(ExampleCounter):
    def forward(self, x):
        self.seen + len(x)
        return x


class CountsSilently(ExampleCounter):
    def forward(self, x):
        if self.training:
            self.seen += len(x)


# ------------------------------------------------------------------------------------------------------- ResidualBlock


class ResidualBlock(nn.Module):
    """A right answer, to be spoilt in one place by each of the classes below."""

    def __init__(self, channels):
        super().__init__()
        self.first = nn.Conv2d(channels, channels, kernel_size=3, padding=1)
        self.second = nn.Conv2d(channels, channels, kernel_size=3, padding=1)

    def forward(self, x):
        return (x + self.second(self.first(x).relu())).relu()


class NoPadding(ResidualBlock):
    def __init__(self, channels):
        super().__init__(channels)
        self.first = nn.Conv2d(channels, channels, kernel_size=3)


class OneConvolution(ResidualBlock):
    def __init__(self, channels):
        nn.Module.__init__(self)
        self.first = self.second = nn.Conv2d(channels, channels, kernel_size=3, padding=1)


class FirstTwice(ResidualBlock):
    def forward(self, x):
        return (x + self.first(self.first(x).relu())).relu()


class NewInForward(ResidualBlock):
    def __init__(self, channels):
        nn.Module.__init__(self)

    def forward(self, x):
        return ResidualBlock(x.shape[1])(x)


class HiddenInList(ResidualBlock):
    def __init__(self, channels):
        nn.Module.__init__(self)
        self.convs = [nn.Conv2d(channels, channels, kernel_size=3, padding=1) for _ in range(2)]


class OneChannel(ResidualBlock):
    def __init__(self, channels):
        super().__init__(channels)
        self.first = nn.Conv2d(1, channels, kernel_size=3, padding=1)


class NoWayAround(ResidualBlock):
    def forward(self, x):
        return self.second(self.first(x).relu()).relu()


class AddsAfterFirst(ResidualBlock):
    def forward(self, x):
        x = self.first(x).relu()
        return (x + self.second(x)).relu()


class NoInnerRelu(ResidualBlock):
    def forward(self, x):
        return (x + self.second(self.first(x))).relu()


class NoLastRelu(ResidualBlock):
    def forward(self, x):
        return x + self.second(self.first(x).relu())


class ReluBeforeSum(ResidualBlock):
    def forward(self, x):
        return x + self.second(self.first(x).relu()).relu()


class AddsInPlace(ResidualBlock):
    def forward(self, x):
        change = self.second(self.first(x).relu())
        x += change
        return x.relu()


class SumNotReturned(ResidualBlock):
    def forward(self, x):
        (x + self.second(self.first(x).relu())).relu()


WRONG = {
    "Scale": {
        "super().__init__() forgotten": (NoSuper, r"begin with `super\(\).__init__\(\)`"),
        "super().__init__() forgotten, with plain tensors": (NoSuperPlain, r"begin with `super\(\).__init__\(\)`"),
        "no nn.Module": (NoModule, r"class NoModule\(nn.Module\)"),
        "forward misspelt": (Misspelt, "no method `forward`"),
        "plain tensors": (PlainTensors, "is a plain tensor.*nn.Parameter"),
        "buffers": (Buffers, "a buffer, which training does not change; expected a parameter"),
        "other names": (OtherNames, r"\['weight', 'bias'\], expected `a`"),
        "one number for all columns": (OneNumber, "one number serves all columns"),
        "a table of weights": (Table, "mixes the columns"),
        "columns": (Column, r"the shape is \(D,\)"),
        "zeros at the start": (Zeros, "begins with ones"),
        "three, whatever the size": (Three, "make it from `size`"),
        "a layer too many": (Extra, "and no others"),
        "adds before it multiplies": (AddsFirst, "first multiply, then add"),
        "b forgotten": (WithoutB, "`b` is not added"),
        "return forgotten": (ReturnsNothing, "is a `return` missing"),
        "x changed in place": (InPlace, "changes its argument `x` in place"),
    },
    "output_of": {
        "hook left on the layer": (leave_hook, "still on the layer.*remove"),
        "inputs kept": (keep_inputs, "the tuple of what went into"),
        "input kept": (keep_input, "what went into the layer"),
        "the model not run": (lambda layer, model, x: hook(layer, lambda: None, None)[0], "list is still empty"),
        "the list returned": (return_list, "return its one entry"),
        "the output of the model": (return_models, "the output of the whole model"),
        "the layer called itself": (lambda layer, model, x: layer(x), "what the layers before it made"),
        "a name of the hook's own": (name_of_the_hook, "That name ends with the hook"),
        "forward called": (call_forward, "leaves out the hooks"),
    },
    "predict_probabilities": {
        "no batch": (lambda model, picture: softmax(1)(model(picture)), "lines of the picture for pictures"),
        "no batch, first row": (
            lambda model, picture: softmax(1)(model(picture))[0],
            "first line of the picture alone",
        ),
        "no batch, other dim": (lambda model, picture: softmax(0)(model(picture)), "And `dim=1`"),
        "batch at the wrong place": (
            lambda model, picture: softmax(1)(model(picture.unsqueeze(1))).squeeze(0),
            "lines of the picture for pictures",
        ),
        "dim=0": (
            lambda model, picture: softmax(0)(model(picture[None]))[0],
            "in a batch of one each number becomes 1",
        ),
        "logits": (lambda model, picture: model(picture[None])[0], "these are the logits"),
        "still a batch": (lambda model, picture: softmax(1)(model(picture[None])), "still a batch of one"),
        "logarithms": (lambda model, picture: model(picture[None]).log_softmax(1)[0], "logarithms"),
        "the class": (lambda model, picture: model(picture[None]).argmax(), "predicted class"),
        "powers of e": (lambda model, picture: model(picture[None])[0].exp(), "divide them by their sum"),
        "sigmoid": (lambda model, picture: model(picture[None])[0].sigmoid(), "sum is not 1"),
        "forward": (lambda model, picture: softmax(1)(model.forward(picture[None]))[0], "leaves out the hooks"),
    },
    "make_mlp": {
        "ReLU after the last": (relu_last, "every negative logit into 0"),
        "ReLU first": (relu_first, "not before the first"),
        "no ReLU": (linear_only, "no more than one"),
        "a list": (list_of_layers, "is a list, expected an `nn.Sequential`"),
        "a ModuleList": (lambda sizes: nn.ModuleList(list_of_layers(sizes)), "of type ModuleList"),
        "the last layer missing": (one_too_few, "one linear layer is missing"),
        "inputs and outputs exchanged": (turned_layers, "the inputs come before the outputs"),
        "sizes used up": (pop_sizes, "changes the list `sizes` itself"),
        "softmax at the end": (lambda sizes: nn.Sequential(*list_of_layers(sizes), softmax(1)), "returns logits"),
    },
    "hat": {
        "rises and stays": (make_hat(slopes=(1.0, -1.0, 0.0)), "rises to 1 and stays"),
        "slopes instead of changes": (make_hat(slopes=(1.0, -1.0, -1.0)), "change from 1 to -1, by -2"),
        "falls on": (make_hat(slopes=(1.0, -2.0, 0.0)), "falls below 0"),
        "bends on the wrong side": (make_hat(bends=(0.0, 1.0, 2.0)), "bends at -1 and -2"),
        "no bends": (make_hat(bends=(0.0, 0.0, 0.0)), "all three bend at 0"),
        "all weights 1": (make_hat(slopes=(1.0, 1.0, 1.0)), "rises ever faster"),
        "weight turned": (make_hat(**{"2.weight": torch.tensor([[1.0], [-2.0], [1.0]])}), "one row per output"),
        "a list of numbers": (make_hat(**{"0.bias": [0.0, -1.0, -2.0]}), "is of type list, expected a tensor"),
        "one name too many": (make_hat(**{"1.weight": torch.ones(1)}), "ReLU, module 1, has no numbers"),
        "a module": (nn.Linear(1, 3), "is a module"),
    },
    "count_mlp": {
        "no biases": (lambda sizes: sum(i * o for i, o in steps(sizes)), "weights alone"),
        "a bias per input": (lambda sizes: sum(i * o + i for i, o in steps(sizes)), "each \\*output\\* has one"),
        "a bias per layer": (lambda sizes: sum(i * o + 1 for i, o in steps(sizes)), "one bias for each layer"),
        "the first layer": (lambda sizes: (sizes[0] + 1) * sizes[1], "first layer alone"),
        "two layers": (
            lambda sizes: (sizes[0] + 1) * sizes[1] + (sizes[1] + 1) * sizes[2],
            "the first two layers alone",
        ),
        "the last layer": (lambda sizes: (sizes[-2] + 1) * sizes[-1], "last layer alone"),
        "built": (lambda sizes: sum(p.numel() for p in linear_only(sizes).parameters()), "you built the layers"),
    },
    "freeze_all_but_last": {
        "an attribute of modules": (freeze_by_attribute, "A module has no `requires_grad`"),
        "a copy": (freeze_copy, "Nothing is frozen.*copy"),
        "everything": (freeze_all, "frozen with the others"),
        "the wrong way round": (freeze_last, "wrong way round"),
        "all but one parameter": (freeze_all_but_one_parameter, "its weight and its bias"),
        "weights only": (freeze_weights, "biases have to be frozen"),
        "eval instead": (lambda model: model[:-1].eval(), "freezes nothing"),
        "one module by name": (freeze_by_name, r"it is `model\[-1\]`"),
        "the last one replaced": (freeze_and_replace, "have changed"),
        "the first only": (freeze_first, "All modules before the last"),
    },
    "zero_biases": {
        "outer modules only": (zero_outer_biases, "sees only the outer modules"),
        "weights too": (zero_everything, "weights are to stay"),
        "a name given": (zero_names_only, "No bias has changed"),
        "biases removed": (remove_biases, "biases have to stay"),
        "new parameters": (replace_biases, "are new parameters"),
        "a name compared": (zero_exact_names, "Names are paths"),
        "biases frozen": (freeze_zeros, "no longer train"),
    },
    "MyDropout": {
        "the mask": (ReturnsMask, "that is the mask"),
        "a mask as an index": (IndexesWithMask, "loses the shape"),
        "not scaled": (NoScale, "has to be divided by 1 - p"),
        "scaled by p": (ScaleByP, "and not by p"),
        "scaled down": (ScaleDown, "do not multiply"),
        "the others dropped": (DropsTheOthers, "not to stay"),
        "rows dropped": (DropsRows, "whole rows"),
        "all or nothing": (DropsAll, "all numbers become 0 together"),
        "random numbers on the CPU": (DropsOnTheCpu, "draws where `x` is"),
        "randn": (BellCurve, "is below p with probability p"),
        "a seed inside": (SameZeros, "gave the same zeros"),
        "mode ignored": (DropsAlways, "In evaluation mode, numbers become 0.*self.training"),
        "scaled in both modes": (ScalesAlways, "only training does that"),
        "modes exchanged": (ModesTurned, "new module is in training mode"),
        "nothing returned in evaluation": (TrainingOnly, "evaluation mode.*`return` missing"),
        "cut off from x": (CutsOff, "could not learn"),
        "PyTorch's own": (Borrowed, "PyTorch's own dropout made it"),
        "super().__init__() forgotten": (NoSuperDropout, r"begin with `super\(\).__init__\(\)`"),
        "x changed in place": (DropsInPlace, "changes its argument `x` in place"),
    },
    "ExampleCounter": {
        "a plain number": (PlainNumber, "plain attribute of type int.*register_buffer"),
        "a plain tensor": (PlainTensor, "is a plain tensor.*register_buffer"),
        "a parameter": (LearnedNumber, "a parameter, which training changes; expected a buffer"),
        "not saved": (NotSaved, "persistent"),
        "a float": (FloatCounter, "dtype torch.float32"),
        "counts batches": (CountsBatches, "number of batches"),
        "counts numbers": (CountsNumbers, "counts along the first dimension"),
        "counts in evaluation": (CountsAlways, "in evaluation mode, nothing is counted"),
        "counts the last batch": (CountsLast, "add it to what was there"),
        "returns the count": (ReturnsCount, "return `x`"),
        "the sum not kept": (SumNotKept, "keeps the sum"),
        "returns nothing": (CountsSilently, "is a `return` missing"),
    },
    "conv_size": {
        "the first place forgotten": (lambda s, k, p, t: (s + 2 * p - k) // t, "first place counts"),
        "padding once": (lambda s, k, p, t: (s + p - k) // t + 1, "counts twice"),
        "padding forgotten": (lambda s, k, p, t: (s - k) // t + 1, "border of `padding` is not counted"),
        "stride forgotten": (lambda s, k, p, t: s + 2 * p - k + 1, "divide by it"),
        "a float": (lambda s, k, p, t: (s + 2 * p - k) / t + 1, "`//` gives the whole number"),
        "rounded up": (lambda s, k, p, t: -(-(s + 2 * p - k) // t) + 1, "round down"),
        "padding taken away": (lambda s, k, p, t: (s - 2 * p - k) // t + 1, "makes the side longer"),
        "1 added too early": (lambda s, k, p, t: (s + 2 * p - k + 1) // t, "after the division"),
    },
    "ResidualBlock": {
        "no padding": (NoPadding, r"padding \(0, 0\), so its result has not the size"),
        "one convolution": (OneConvolution, "convolutions in your block is 1, expected 2"),
        "one runs twice": (FirstTwice, "same convolution ran twice"),
        "made in forward": (NewInForward, "is 0, expected 2, made in `__init__`"),
        "in a list": (HiddenInList, "plain Python list"),
        "one channel": (OneChannel, "leads from 1 to 2 channels"),
        "no way around": (NoWayAround, "way around is missing"),
        "the first result added": (AddsAfterFirst, "add `x` itself"),
        "no ReLU between": (NoInnerRelu, "between the two convolutions is missing"),
        "no ReLU at the end": (NoLastRelu, "last ReLU is missing"),
        "ReLU before the sum": (ReluBeforeSum, "first add `x`"),
        "x changed in place": (AddsInPlace, "changes its argument `x` in place"),
        "nothing returned": (SumNotReturned, "`return` missing"),
    },
}

RIGHT = {}
