"""The exercises of notebook 04, build a model."""

import math
import re
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from tutorial_utils.exercises.compare import expect_close
from tutorial_utils.exercises.old import Calls, Exercise, call, expect_no_loop, find_difference  # noqa: F401


def build(attempt, *arguments):
    """Return the module that a learner's class makes, or say what the class lacks."""
    name = attempt.__name__
    assert issubclass(attempt, nn.Module), (
        f"`{name}` is a plain class, so nothing lists its parameters. Begin it with `class {name}(nn.Module):`."
    )
    assert attempt.forward is not nn.Module.forward, f"`{name}` has no method `forward`. Is the name spelt like that?"
    try:
        module = attempt(*arguments)
        ready = hasattr(module, "_parameters")
    except AttributeError as error:
        if "Module.__init__" not in str(error):
            raise
        ready = False
    assert ready, (
        "Your `__init__` does not run that of `nn.Module`, so the lists of parameters, buffers and modules are not "
        "there. Let it begin with `super().__init__()`."
    )
    return module


def call_module(module, x):
    """Return what a module computes from a copy of `x`, and tell the learner if it changes that."""
    return call(lambda x: module(x), x)


def expect_state(module, name, kind):
    """Expect `name` among the parameters or the buffers of `module` itself, and say what it is instead."""
    parameters, buffers = dict(module.named_parameters()), dict(module.named_buffers())
    if name in (parameters if kind == "parameter" else buffers):
        return
    make = "`nn.Parameter(...)`" if kind == "parameter" else f'`register_buffer("{name}", ...)`'
    found = vars(module).get(name)
    if name in parameters or name in buffers:
        what, why = ("parameter", "changes") if name in parameters else ("buffer", "does not change")
        raise AssertionError(f"`{name}` is a {what}, which training {why}; expected a {kind}. {make} makes one.")
    if found is None:
        listed = list(parameters if kind == "parameter" else buffers)
        raise AssertionError(f"The module lists the {kind}s {listed}, expected `{name}` among them. {make} makes one.")
    what = "a plain tensor" if isinstance(found, Tensor) else f"a plain attribute of type {type(found).__name__}"
    raise AssertionError(
        f"`{name}` is {what}, so the module does not list it: `state_dict()` and `.to` leave it out. "
        f"{make} makes a {kind}."
    )


class CallWatcher:
    """Counts the calls of a module, in a `with` block; `module.forward(x)` does not count."""

    def __init__(self, module):
        self.module, self.count = module, 0

    def __enter__(self):
        self.handle = self.module.register_forward_pre_hook(self.add_one)
        return self

    def add_one(self, module, inputs):
        self.count += 1

    def __exit__(self, *_):
        self.handle.remove()


def expect_called(watcher):
    assert watcher.count > 0, (
        "You did not call the model as `model(...)`. `model.forward(...)` computes the same, but leaves out the hooks "
        "of the model."
    )


# ------------------------------------------------------------------------- numbers and a computation in one class


class Scale(nn.Module):  # (N, D) -> (N, D)
    def __init__(self, size):
        super().__init__()
        self.a = nn.Parameter(torch.ones(size))  # (D,)
        self.b = nn.Parameter(torch.zeros(size))  # (D,)

    def forward(self, x):
        return self.a * x + self.b  # (D,) * (N, D) + (D,)


def verify_scale(attempt):
    module = build(attempt, 3)
    for name, first in ("a", torch.ones(3)), ("b", torch.zeros(3)):
        expect_state(module, name, "parameter")
        expect_close(
            getattr(module, name),
            first,
            mistakes={
                "one number serves all columns; each of the `size` columns has its own": first[:1],
                "one number serves all the columns; each of the `size` columns has its own": first[0],
                "a table of weights mixes the columns; here each column has one factor of its own": first.repeat(3, 1),
                "`x` comes as (N, D): for a number per column, the shape is (D,)": first.unsqueeze(1),
                "a table with one row works, too, but `torch.ones(size)` has the shape (D,)": first.unsqueeze(0),
                "`a` begins with ones and `b` with zeros, so that a new module changes nothing": 1 - first,
            },
            name=f"for size=3, the first `{name}`",
        )
    names = sorted(name for name, _ in module.named_parameters())
    assert names == ["a", "b"], f"The module lists the parameters {names}, expected ['a', 'b'] and no others."
    a, b = torch.tensor([2.0, -1.0, 0.5]), torch.tensor([10.0, 0.25, -3.0])
    module.load_state_dict({"a": a, "b": b})
    x = torch.tensor([[1.0, 2.0, -4.0], [0.5, -1.0, 3.0]])
    expect_close(
        call_module(module, x),
        torch.tensor([[12.0, -1.75, -5.0], [11.0, 1.25, -1.5]]),  # by hand
        mistakes={
            "`b` is added before `a` multiplies; first multiply, then add": (x + b) * a,
            "`b` is not added": x * a,
            "`x` is not multiplied by `a`": x + b,
            "this is `x` with the first values of `a` and `b`; use `self.a` and `self.b` in `forward`": x,
            "`a` and `b` have changed places": b * x + a,
        },
        name="for a = [2, -1, 0.5] and b = [10, 0.25, -3], your result",
    )
    wide = build(attempt, 4)
    for name in "a", "b":
        shape = tuple(getattr(wide, name).shape)
        assert shape == (4,), f"For size=4, `{name}` has shape {shape}, expected (4,): make it from `size`."
    expect_close(wide(torch.ones(5, 4)), torch.ones(5, 4), name="for size=4 and x of ones, the result")


Scale = Exercise(
    Scale,
    verify_scale,
    hints=(
        "Look at `Scorer` again: what comes first in `__init__`, and what makes a tensor a parameter?",
        "`a` and `b` have shape (size,): `torch.ones(size)` and `torch.zeros(size)`, each in an `nn.Parameter`.",
        "Broadcasting does the rest: `self.a * x + self.b`, without `@`.",
    ),
)


# --------------------------------------------------------------------------- call the model, not its forward method


def output_of(layer, model, x):  # module in model, model, input -> the output of layer
    outputs = []

    def keep(module, inputs, output):
        outputs.append(output)

    handle = layer.register_forward_hook(keep)
    model(x)
    handle.remove()
    return outputs[0]


class Winding(nn.Module):
    """Computes `last(1 + second(relu(first(x))))`: it cannot be indexed, and only a hook sees what is in between."""

    def __init__(self):
        super().__init__()
        self.last, self.second, self.first = nn.Linear(3, 2), nn.Linear(2, 3), nn.Linear(2, 2)

    def forward(self, x):
        return self.last(1 + self.second(self.first(x).relu()))


WINDING = {
    "first.weight": torch.tensor([[1.0, -1.0], [1.0, 1.0]]),
    "first.bias": torch.tensor([0.0, -12.0]),
    "second.weight": torch.tensor([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]]),
    "second.bias": torch.tensor([0.0, 0.0, 1.0]),
    "last.weight": torch.tensor([[1.0, 1.0, -1.0], [0.5, 0.0, 2.0]]),
    "last.bias": torch.tensor([3.0, 4.0]),
}


def count_hooks(model):
    kinds = "_forward_hooks", "_forward_pre_hooks"
    return sum(len(getattr(module, kind)) for module in model.modules() for kind in kinds)


def verify_output_of(attempt):
    model = Winding()
    model.load_state_dict(WINDING)
    x = torch.tensor([[8.0, 7.0], [18.0, 4.0], [6.0, 5.0]])
    first = torch.tensor([[1.0, 3.0], [14.0, 10.0], [1.0, -1.0]])  # by hand, as the next three
    second = torch.tensor([[1.0, 6.0, 5.0], [14.0, 20.0, 25.0], [1.0, 0.0, 2.0]])
    last = torch.tensor([[6.0, 17.0], [13.0, 63.5], [3.0, 11.0]])
    alone = torch.tensor([[8.0, 14.0, 16.0], [18.0, 8.0, 23.0], [6.0, 10.0, 12.0]])
    for layer, expected, named in (model.second, second, "the second"), (model.first, first, "the first"):
        with CallWatcher(model) as watcher:
            before = count_hooks(model)
            result = attempt(layer, model, x.clone())
            left = count_hooks(model) - before
        entering = first.relu() if layer is model.second else x
        expect_close(
            result,
            expected,
            mistakes={
                "that is the output of the whole model; return what the hook has kept": last,
                "you gave `x` to the layer itself; inside the model it gets what the layers before it made": alone,
                "that is what went into the layer; the third thing that a hook gets is the output": entering,
                "that is the tuple of what went into the layer; the third thing that a hook gets is the output": (
                    entering,
                ),
                "that is the list of all that the hook has kept; return its one entry": [expected],
                "the list is still empty: call `model(x)` while the hook is on, then return what is in it": [],
                "is a `return` missing? Or did the hook say `name = output`? That name ends with the hook; append the "
                "output to a list instead": None,
            },
            name=f"for {named} layer of a model, your result",
        )
        assert left <= 0, (
            "Your result is right, but your hook is still on the layer and runs at every later call. "
            "`register_forward_hook` returns a handle; call its `remove()` once the model has run."
        )
        expect_called(watcher)


output_of = Exercise(
    output_of,
    verify_output_of,
    hints=(
        "A forward hook gets the module, its inputs and its output. How did `write_shapes` keep what it saw?",
        "Inside `output_of`, make an empty list and a hook that appends `output` to it; then run the model.",
        "`handle = layer.register_forward_hook(hook)`, `model(x)`, `handle.remove()`; then return what is in the list.",
    ),
)


# --------------------------------------------------------------------------------------- a classifier for pictures


def predict_probabilities(model, picture):  # (H, W) -> (K,)
    logits = model(picture.unsqueeze(0))  # (1, H, W) -> (1, K)
    return nn.Softmax(dim=1)(logits).squeeze(0)  # (1, K) -> (K,)


class Measure(nn.Module):
    """Four logits per picture, and whatever has two dimensions or more counts as pictures."""

    def forward(self, images):
        rows = images.flatten(1)  # (N, D)
        return torch.stack([rows.sum(1), rows.amax(1), rows.amin(1), rows[:, 0]], dim=1)  # (N, 4)


def verify_predict_probabilities(attempt):
    model, picture = Measure(), torch.tensor([[0.2, 0.9, 0.4], [0.1, 0.5, 0.6]])
    logits = torch.tensor([2.7, 0.9, 0.1, 0.2])  # by hand
    powers = [math.exp(logit) for logit in logits.tolist()]
    expected = torch.tensor([power / sum(powers) for power in powers])
    of_lines = nn.functional.softmax(Measure()(picture), dim=1)
    as_pictures = (
        "the model took the lines of the picture for pictures, as the first dimension is the batch; "
        "`picture.unsqueeze(0)` is a batch of one"
    )
    with CallWatcher(model) as watcher:
        result = call(lambda picture: attempt(model, picture), picture)
    expect_close(
        result,
        expected,
        mistakes={
            as_pictures: of_lines,
            "that is for the first line of the picture alone: without a batch dimension, the model takes lines for "
            "pictures. `picture.unsqueeze(0)` is a batch of one": of_lines[0],
            f"{as_pictures}. And softmax is still to come": Measure()(picture),
            f"{as_pictures}. And `dim=1` is the dimension of the classes": nn.functional.softmax(
                Measure()(picture), dim=0
            ),
            "with `dim=0` softmax runs along the batch, and in a batch of one each number becomes 1. The classes "
            "are dimension 1": torch.ones(4),
            "with `dim=0` softmax runs along the batch, and in a batch of one each number becomes 1. The classes "
            "are dimension 1, and the batch dimension has to go at the end": torch.ones(1, 4),
            "these are the logits; softmax turns them into probabilities": logits,
            "these are the logits; softmax turns them into probabilities, and the batch dimension has to go at the "
            "end": logits.unsqueeze(0),
            "that is still a batch of one; `squeeze(0)`, or the index 0, takes the row out": expected.unsqueeze(0),
            "these are logarithms of probabilities, from log_softmax": expected.log(),
            "that is the predicted class; all probabilities are wanted": torch.tensor(0),
            "that is only the highest probability; all of them are wanted": expected.max(),
            "sigmoid looks at each number alone, so the sum is not 1": logits.sigmoid(),
            "those are powers of e; divide them by their sum, or let `nn.Softmax` do both": logits.exp(),
            "those are logits divided by their sum; softmax first takes e to the power of each": logits / logits.sum(),
        },
        name="for a picture of 2 x 3 pixels and four classes, your result",
    )
    expect_called(watcher)


predict_probabilities = Exercise(
    predict_probabilities,
    verify_predict_probabilities,
    hints=(
        "A model wants a batch. How does one picture, (H, W), become a batch of one, (1, H, W)?",
        "The logits have shape (1, K): softmax runs along the classes, dimension 1. Then take the only row.",
        "`picture.unsqueeze(0)`, then the model, then `nn.Softmax(dim=1)(logits)`, then `squeeze(0)`.",
    ),
)


# ---------------------------------------------------------------------------------------------------- layer by layer


def make_mlp(sizes):  # [D, ..., K] -> a Sequential, (N, D) -> (N, K)
    layers = []
    for i in range(len(sizes) - 1):
        layers += [nn.Linear(sizes[i], sizes[i + 1]), nn.ReLU()]
    return nn.Sequential(*layers[:-1])  # no ReLU after the last


def list_layers(model):
    """Return the layers of a Sequential, in the order in which they run, as PyTorch would print them in short."""
    if isinstance(model, nn.Sequential):
        return [text for part in model for text in list_layers(part)]
    if isinstance(model, nn.Linear):
        bias = "" if model.bias is not None else ", bias=False"
        return [f"Linear({model.in_features}, {model.out_features}{bias})"]
    return [type(model).__name__]


def call_with_list(attempt, sizes):
    given = list(sizes)
    result = attempt(given)
    assert given == list(sizes), (
        f"Your code changes the list `sizes` itself, from {list(sizes)} to {given}: whoever passed it in still needs "
        "it as it was. Read from it by index."
    )
    return result


def turn_layers(layers):
    """Return the same texts with inputs and outputs exchanged."""
    return [re.sub(r"(\d+), (\d+)", r"\2, \1", layer) for layer in layers]


def verify_make_mlp(attempt):
    cases = {
        (6, 5, 4, 3): ["Linear(6, 5)", "ReLU", "Linear(5, 4)", "ReLU", "Linear(4, 3)"],
        (2, 7, 3): ["Linear(2, 7)", "ReLU", "Linear(7, 3)"],
        (4, 2): ["Linear(4, 2)"],
    }
    for sizes, expected in cases.items():
        model = call_with_list(attempt, sizes)
        if isinstance(model, list):
            raise AssertionError(
                "Your result is a list, expected an `nn.Sequential`. `nn.Sequential(*layers)` makes one from a list of "
                "layers; the `*` passes them one by one."
            )
        found = "None (is a `return` missing?)" if model is None else f"of type {type(model).__name__}"
        assert isinstance(model, nn.Sequential), f"Your result is {found}, expected an `nn.Sequential`."
        mistakes = {
            "a ReLU after the last layer would turn every negative logit into 0": [*expected, "ReLU"],
            "without ReLU between them, the linear layers are no more than one": expected[::2],
            "one linear layer is missing; there is one for each two neighbouring sizes": expected[:-2],
            "there is softmax at the end; a model returns logits": [*expected, "Softmax"],
            "the inputs come before the outputs in `nn.Linear(inputs, outputs)`": turn_layers(expected),
            "ReLU comes after a linear layer, and not before the first": ["ReLU", *expected],
            "`x` is (N, D) already, so there is nothing to flatten": ["Flatten", *expected],
        }
        expect_close(
            " → ".join(list_layers(model)),
            " → ".join(expected),
            mistakes={advice: " → ".join(layers) for advice, layers in mistakes.items()},
            name=f"for sizes={list(sizes)}, your network",
        )
        learned = sum(parameter.numel() for parameter in model.parameters())
        assert learned == sum((a + 1) * b for a, b in pairwise(sizes)), (
            "Some of your layers are one and the same module, so they share their weights. Make a new `nn.Linear` for "
            "each."
        )


make_mlp = Exercise(
    make_mlp,
    verify_make_mlp,
    hints=(
        "How many linear layers are there for four sizes? Layer i leads from `sizes[i]` to `sizes[i + 1]`.",
        "Collect the modules in a list, in a loop: a Linear, then a ReLU. Which one is too many at the end?",
        "`nn.Sequential(*layers[:-1])` leaves out the last ReLU.",
    ),
)


# ---------------------------------------------------------------------------------------------------------- why ReLU


def hat():
    return {
        "0.weight": torch.tensor([[1.0], [1.0], [1.0]]),  # (3, 1)
        "0.bias": torch.tensor([0.0, -1.0, -2.0]),  # (3,), the bends at 0, 1 and 2
        "2.weight": torch.tensor([[1.0, -2.0, 1.0]]),  # (1, 3), the changes of slope
        "2.bias": torch.tensor([0.0]),  # (1,)
    }


def verify_hat(attempt):
    shapes = {"0.weight": (3, 1), "0.bias": (3,), "2.weight": (1, 3), "2.bias": (1,)}
    if isinstance(attempt, nn.Module):
        raise AssertionError("`hat` is a module, expected a dictionary; `state_dict()` makes one of a module.")
    assert isinstance(attempt, dict), (
        f"`hat` is of type {type(attempt).__name__}, expected a dictionary from four names to tensors."
    )
    names = list(map(str, attempt))
    assert set(attempt) == set(shapes), (
        f"`hat` has the names {names}, expected {list(shapes)}."
        f"{' The ReLU, module 1, has no numbers.' if any(name.startswith('1.') for name in names) else ''}"
    )
    for name, shape in shapes.items():
        tensor = attempt[name]
        assert isinstance(tensor, Tensor), (
            f"`{name}` is of type {type(tensor).__name__}, expected a tensor of shape {shape}. `torch.tensor(...)` "
            "makes one."
        )
        assert tuple(tensor.shape) == shape, (
            f"`{name}` has shape {tuple(tensor.shape)}, expected {shape}. A weight has one row per output and one "
            "column per input, a bias one number per output."
        )
    network = nn.Sequential(nn.Linear(1, 3), nn.ReLU(), nn.Linear(3, 1))
    network.load_state_dict(attempt)
    x = torch.tensor([-1.0, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0])
    ramps = [x.clamp(min=bend) - bend for bend in (0, 1, 2)]
    drawn = network(x.unsqueeze(1)).squeeze(1)  # (7,)
    expect_close(
        drawn,
        torch.tensor([0.0, 0.0, 0.5, 1.0, 0.5, 0.0, 0.0]),
        mistakes={
            "it rises to 1 and stays there. To fall, the slope has to change from 1 to -1, by -2": ramps[0] - ramps[1],
            "it rises and then stays level for a while. To fall from 1 on, the slope has to change from 1 to -1, by "
            "-2": ramps[0] - ramps[1] - ramps[2],
            "it falls below 0 after x = 2. There the slope has to change from -1 to 0, by 1": ramps[0] - 2 * ramps[1],
            "it bends at -1 and -2. x - 1 is 0 at x = 1, so the bias is -1": sum(
                factor * (x + bend).relu() for factor, bend in ((1, 0), (-2, 1), (1, 2))
            ),
            "it rises ever faster. The weights of the second layer change the slope at each bend: by 1, -2 and 1": sum(
                ramps
            ),
            "all three bend at 0; the biases move the bends to 1 and 2": torch.zeros(7),
        },
        name="for x = [-1, 0, 0.5, 1, 1.5, 2, 3], the output",
    )
    x = torch.linspace(-5, 8, 53)
    wanted = (1 - (x - 1).abs()).clamp(min=0)
    expect_close(network(x.unsqueeze(1)).squeeze(1), wanted, name="for 53 values of x from -5 to 8, the output")


hat = Exercise(
    hat,
    verify_hat,
    hints=(
        "Let the hidden numbers be x, x - 1 and x - 2: which biases make them?",
        "After ReLU, each of them is a line of slope 1 that begins at 0, 1 or 2. The slope of their weighted sum "
        "should be 1, then -1, then 0: by how much does it change at each bend?",
        "The changes of slope are the weights of the second layer: 1, -2, 1.",
    ),
)


# ----------------------------------------------------------------------------- parameters: what training will change


def count_mlp(sizes):  # [D, ..., K] -> int
    total = 0
    for i in range(len(sizes) - 1):
        total += (sizes[i] + 1) * sizes[i + 1]
    return total


def verify_count_mlp(attempt):
    made = []
    handle = register_module_parameter_registration_hook(lambda module, name, parameter: made.append(name))
    try:
        for sizes, expected in ([6, 4, 3], 43), ([784, 512, 512, 10], 669_706), ([5, 3], 18):  # worked by hand
            steps = list(pairwise(sizes))
            expect_close(
                call_with_list(attempt, sizes),
                expected,
                mistakes={
                    "those are the weights alone; each output has a bias, too": sum(a * b for a, b in steps),
                    "there is a bias for each input; each *output* has one": sum(a * (b + 1) for a, b in steps),
                    "there is one bias for each layer; each *output* has one": sum(a * b + 1 for a, b in steps),
                    "that is the first layer alone; add up the layers": (sizes[0] + 1) * sizes[1],
                    "those are the first two layers alone; `sizes` may be longer": sum(
                        (a + 1) * b for a, b in steps[:2]
                    ),
                    "that is the last layer alone; add up the layers": (sizes[-2] + 1) * sizes[-1],
                    "the input has no biases; only the outputs of a layer have": sum(a * b for a, b in steps)
                    + sum(sizes),
                    "inputs and outputs have changed places: it is (inputs + 1) * outputs": sum(
                        (b + 1) * a for a, b in steps
                    ),
                },
                name=f"for sizes={sizes}, your result",
            )
    finally:
        handle.remove()
    assert not made, (
        "The numbers are right, but you built the layers to count in them. The task is the formula: (inputs + 1) * "
        "outputs for each layer."
    )


count_mlp = Exercise(
    count_mlp,
    verify_count_mlp,
    hints=(
        "How many numbers has one layer, from `sizes[i]` to `sizes[i + 1]`?",
        "A layer has (inputs + 1) * outputs numbers; add them up, for i from 0 to len(sizes) - 2.",
    ),
)


def freeze_all_but_last(model):  # a Sequential; changes it, returns nothing
    model[:-1].requires_grad_(False)


def verify_freeze_all_but_last(attempt):
    models = [
        nn.Sequential(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 4)), nn.ReLU(), nn.Linear(4, 2)),
        nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4), nn.Linear(4, 2)),
    ]
    for model in models:
        before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        last = f"{len(model) - 1}."
        attempt(model)
        expect_frozen(model, last)
        for name, tensor in model.state_dict().items():
            assert tensor.equal(before[name]), (
                f"The right parameters train, but values of `{name}` have changed. Freezing leaves them as they are."
            )


def expect_frozen(model, last):
    """Expect that exactly the parameters whose names begin with `last` train, or say what was frozen instead."""
    training = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    expected = [name for name, _ in model.named_parameters() if name.startswith(last)]
    if training == expected:
        return
    advice = ""
    if any("requires_grad" in vars(module) for module in model.modules()):
        advice = (
            "A module has no `requires_grad`, so setting one has no effect; `requires_grad_(False)`, with the `_` and "
            "a call, switches it for each of the parameters in it."
        )
    elif not all(module.training for module in model.modules()):
        advice = "`eval()` changes the mode of a module and freezes nothing; `requires_grad_(False)` freezes."
    elif len(training) == sum(1 for _ in model.parameters()):
        advice = (
            "Nothing is frozen. `requires_grad_(False)` freezes a module; it has to be one of this model, not of a "
            "copy."
        )
    elif not training:
        advice = "The last module is frozen with the others."
    elif training == expected[-1:]:
        advice = "The last *module* has two parameters, its weight and its bias."
    elif len(training) + len(expected) == sum(1 for _ in model.parameters()) and not set(training) & set(expected):
        advice = "It is the wrong way round: the last module is to train, and the others are frozen."
    elif all(name.endswith("bias") or name in expected for name in training):
        advice = "The biases have to be frozen as well."
    elif set(training) > set(expected):
        advice = "All modules before the last have to be frozen, however many there are, and the modules inside them."
    elif not set(training) & set(expected):
        advice = "Which module is the last differs from model to model: it is `model[-1]`."
    raise AssertionError(f"The parameters that train are {training}, expected {expected}. {advice}".rstrip())


freeze_all_but_last = Exercise(
    freeze_all_but_last,
    verify_freeze_all_but_last,
    hints=(
        "A Sequential can be sliced like a list, and the slice shares its parameters with the whole.",
        "`model[:-1]` is all but the last; `requires_grad_` freezes all that is in a module.",
    ),
)


# ------------------------------------------------------------------------------- where the first numbers come from


def zero_biases(model):  # any module; changes it, returns nothing
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(parameter)


def verify_zero_biases(attempt):
    inner = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Sequential(nn.Linear(4, 5)))
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), inner, nn.Linear(5, 2))
    parameters = dict(model.named_parameters())
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    wanted = {name: torch.zeros_like(t) if name.endswith("bias") else t for name, t in before.items()}
    attempt(model)
    after = dict(model.state_dict())
    assert after.keys() == before.keys(), (
        f"The model now has the parameters {list(after)}, before it had {list(before)}. The biases have to stay, with "
        "zeros in them."
    )
    same = [name for name, bias in wanted.items() if name.endswith("bias") and after[name].equal(before[name])]
    nested = [name for name in same if name.startswith("2.")]
    assert len(same) < 4, (
        "No bias has changed. Names are paths such as `2.0.bias`, so ask how they end. And fill in place, with "
        "`nn.init` or a method with a `_`: `bias = 0` only gives a name to something else."
    )
    assert not nested, (
        f"The biases {nested} are as they were. A loop over the model itself sees only the outer modules; "
        "`named_parameters()` and `modules()` also see what is inside them."
    )
    for name in wanted:
        expect_close(
            after[name],
            wanted[name],
            mistakes={
                "the weights are to stay as they are: all zero, they would never change": torch.zeros_like(wanted[name])
            },
            name=f"`{name}`",
        )
    replaced = [name for name, parameter in model.named_parameters() if parameter is not parameters[name]]
    assert not replaced, (
        f"The values are right, but {replaced} are new parameters: an optimizer that has the old ones would go on with "
        "those. Fill the ones that are there, in place."
    )
    frozen = [name for name, parameter in model.named_parameters() if not parameter.requires_grad]
    assert not frozen, f"The values are right, but {frozen} no longer train: leave `requires_grad` as it was."


zero_biases = Exercise(
    zero_biases,
    verify_zero_biases,
    hints=(
        "`named_parameters()` yields every parameter with its name. How do the names of the biases end?",
        '`name.endswith("bias")` picks them; `nn.init.zeros_` fills a tensor in place.',
    ),
)


# -------------------------------------------------------------------------------------- state: buffers, and two modes


class MyDropout(nn.Module):  # any shape -> the same shape
    def __init__(self, p):
        super().__init__()
        self.p = p

    def forward(self, x):
        if not self.training:
            return x
        keep = torch.rand_like(x) >= self.p  # True with probability 1 - p
        return x * keep / (1 - self.p)


def verify_my_dropout(attempt):
    dropout, x = build(attempt, 0.2), torch.full((100, 200), 4.0)
    with Calls() as calls:
        result = call_module(dropout, x)
    assert not (isinstance(result, Tensor) and result.ndim == 1), (
        f"Your result has shape {tuple(result.shape)}, expected (100, 200). A mask as an index takes numbers out and "
        "loses the shape; multiply by the mask instead."
    )
    expect_close(
        torch.zeros_like(result) if isinstance(result, Tensor) else result,
        torch.zeros(100, 200),
        mistakes={"that is the mask of what stays; multiply `x` by it": torch.zeros(100, 200, dtype=torch.bool)},
    )
    expect_share(dropout, x, result == 0)
    expect_close(
        result[result != 0][0],
        torch.tensor(5.0),
        mistakes={
            "what stays has to be divided by 1 - p, so that the mean stays as it was": torch.tensor(4.0),
            "divide by 1 - p, the share that stays, and not by p": torch.tensor(20.0),
            "divide by 1 - p, do not multiply by it": torch.tensor(3.2),
        },
        name="in training mode with p=0.2, what becomes of a 4 that stays",
    )
    x = torch.tensor([[1.0, -2.0, 3.0], [0.5, 8.0, -0.25]]).repeat(20, 1)
    once, again = call_module(dropout, x), call_module(dropout, x)
    known = torch.isclose(once, x / 0.8) | (once == 0)
    assert known.all(), "In training mode, each number should be 0 or itself divided by 1 - p; some are neither."
    assert not once.equal(again), "Two calls in training mode gave the same zeros. Draw random numbers in `forward`."
    expect_modes(dropout, x)
    result = dropout(torch.ones(2, 3, 4, requires_grad=True))
    expect_close(tuple(result.shape), (2, 3, 4), name="for x of shape (2, 3, 4), the shape of your result")
    assert result.requires_grad, (
        "The numbers are right, but the result is cut off from `x`, so the layers before this one could not learn. "
        "Compute with `x` itself; `.tolist()`, `.detach()` and a new `torch.tensor(...)` all cut it off."
    )
    if {"rand", "randn", "empty", "zeros", "ones", "full", "tensor"}.intersection(calls.names):  # they make CPU tensors
        expect_same_device(dropout, x)
    assert not any("dropout" in name for name in calls.names), (
        "The result is right, but PyTorch's own dropout made it. Here you build it: `torch.rand_like`."
    )


def expect_share(dropout, x, dropped):
    """Expect that about one in five places of `dropped` is True, anywhere, and say what the mistake may be."""
    share = dropped.float().mean().item()
    shown = f"In training mode with p=0.2, {share:.0%} of the numbers of your result are 0, expected about 20%"
    if share in (0, 1):
        shares = {(call_module(dropout, x) == 0).float().mean().item() for _ in range(40)}
        assert shares != {0, 1}, (
            "In training mode, all numbers become 0 together, or none. Draw one random number for each place, with "
            "`torch.rand_like(x)`."
        )
        raise AssertionError(f"{shown}. A new module is in training mode: `self.training` is True.")
    whole = dropped.all(dim=0).any() or dropped.all(dim=1).any()
    assert not whole, (
        "In training mode, whole rows or columns become 0. Draw one random number for each place, with "
        "`torch.rand_like(x)`."
    )
    assert not 0.75 < share < 0.85, f"{shown}. p is the probability to become 0, not to stay."
    assert 0.17 < share < 0.23, f"{shown}. A number of `torch.rand_like(x)` is below p with probability p."


def expect_modes(dropout, x):
    """Expect that evaluation mode passes `x` on, also when a module around it is switched, and training drops again."""
    outer = nn.Sequential(dropout)
    outer.eval()
    result = call_module(outer, x)
    assert not (isinstance(result, Tensor) and (result == 0).any()), (
        "In evaluation mode, numbers become 0, too. Then `x` is to come back as it is: ask for `self.training`, in "
        "`forward`, at every call."
    )
    expect_close(
        result,
        x,
        mistakes={"the numbers are divided by 1 - p; only training does that": x / 0.8},
        name="in evaluation mode, where nothing should change, your result",
    )
    outer.train()
    assert (call_module(outer, x) == 0).any(), (
        "After `eval()` and then `train()`, nothing is dropped any more. Ask for `self.training` at every call."
    )


def expect_same_device(dropout, x):
    """Expect that tensors are made where `x` is: on `meta`, a device without numbers that stands for an accelerator."""
    try:
        dropout(x.to("meta"))
    except (RuntimeError, NotImplementedError) as error:
        if re.search("same device|different devices|not on the expected device", str(error)):
            raise AssertionError(
                "The result is right on the CPU, but for an `x` on another device your code fails: a tensor that it "
                "makes is on the CPU. `torch.rand_like(x)` draws where `x` is."
            ) from None


MyDropout = Exercise(
    MyDropout,
    verify_my_dropout,
    hints=(
        "`nn.Module` keeps the mode in `self.training`, True or False. When it is False, return `x`.",
        "`torch.rand_like(x) >= self.p` is True with probability 1 - p, place by place; True counts as 1 in a product.",
        "In training: `x * keep / (1 - self.p)`.",
    ),
)


class ExampleCounter(nn.Module):  # (N, ...) -> the same, unchanged
    def __init__(self):
        super().__init__()
        self.register_buffer("seen", torch.tensor(0))  # (), int64

    def forward(self, x):
        if self.training:
            self.seen += len(x)
        return x


def verify_example_counter(attempt):
    counter = build(attempt)
    expect_state(counter, "seen", "buffer")
    expect_close(counter.seen, torch.tensor(0), name="`seen` of a new module")
    assert "seen" in counter.state_dict(), (
        "`seen` is a buffer that is not saved. Leave out `persistent=False`, so that it is part of the state dict."
    )
    model = nn.Sequential(counter, nn.Identity())
    first, short = torch.arange(8.0).reshape(4, 2), torch.ones(3, 2)
    expect_close(
        call_module(model, first),
        first,
        mistakes={"that is the count, which is kept in `self.seen`; return `x`": torch.tensor(4)},
        name="for a batch of four, what comes back",
    )
    call_module(model, short)
    expect_close(
        counter.seen,
        torch.tensor(7),
        mistakes={
            "that is the number of batches; a batch has `len(x)` examples": torch.tensor(2),
            "that is the size of the last batch; add it to what was there": torch.tensor(3),
            "those are all numbers of all examples; `len(x)` counts along the first dimension": torch.tensor(14),
            "nothing was counted. In training mode, `self.training` is True; and `self.seen += ...` keeps the "
            "sum": torch.tensor(0),
            "the sizes of dimension 1 were added; the examples are counted by dimension 0": torch.tensor(4),
        },
        name="after batches of four and of three examples, `seen`",
    )
    model.eval()
    expect_close(call_module(model, first), first, name="in evaluation mode, what comes back")
    expect_close(
        counter.seen,
        torch.tensor(7),
        mistakes={"in evaluation mode, nothing is counted: ask for `self.training`": torch.tensor(11)},
        name="after training on seven examples and evaluating four, `seen`",
    )
    expect_state(counter, "seen", "buffer")
    resumed = build(attempt)
    resumed.load_state_dict(counter.state_dict())
    call_module(resumed, short)
    expect_close(resumed.seen, torch.tensor(10), name="with `seen` loaded as 7, then a batch of three, `seen`")


ExampleCounter = Exercise(
    ExampleCounter,
    verify_example_counter,
    hints=(
        "A number that belongs to the model and is saved with it, but not learned: what is that called?",
        '`self.register_buffer("seen", torch.tensor(0))` makes it; `self.seen += len(x)` counts.',
        "Count only `if self.training:`, and return `x` in both modes.",
    ),
)


# ------------------------------------------------------------------------- ConvNet: the same task with convolutions


def conv_size(size, kernel_size, padding, stride):  # four ints -> int
    return (size + 2 * padding - kernel_size) // stride + 1


def verify_conv_size(attempt):
    cases = {  # counted by hand: the places where the window fits
        (5, 3, 0, 1): 3,
        (28, 5, 2, 1): 28,
        (10, 4, 0, 3): 3,
        (8, 3, 0, 2): 3,
        (28, 2, 0, 2): 14,
        (11, 5, 2, 2): 6,
        (7, 7, 0, 1): 1,
        (4, 3, 2, 3): 2,
    }
    for (size, kernel_size, padding, stride), expected in cases.items():
        room = size + 2 * padding - kernel_size
        expect_close(
            attempt(size, kernel_size, padding, stride),
            expected,
            mistakes={
                "add the 1 for the first place after the division": (room + 1) // stride,
                "the first place counts as well: add 1 at the end": room // stride,
                "`padding` puts a border on both sides, so it counts twice": (room - padding) // stride + 1,
                "the border of `padding` is not counted": (room - 2 * padding) // stride + 1,
                "the border makes the side longer, so add it": (room - 4 * padding) // stride + 1,
                "the window moves on by `stride`, so divide by it": room + 1,
                "a division with `/` gives a float; `//` gives the whole number below": room / stride + 1,
                "a window that does not fit in whole does not count: round down, with `//`": math.ceil(room / stride)
                + 1,
            },
            name=f"for size={size}, kernel_size={kernel_size}, padding={padding}, stride={stride}, your result",
        )


conv_size = Exercise(
    conv_size,
    verify_conv_size,
    hints=(
        "With its border, the side has size + 2 * padding pixels. How far can the window move before it meets the end?",
        "It can move by size + 2 * padding - kernel_size pixels, in steps of `stride`; the place where it starts "
        "counts, too.",
    ),
)


class ResidualBlock(nn.Module):  # (N, C, H, W) -> (N, C, H, W)
    def __init__(self, channels):
        super().__init__()
        self.first = nn.Conv2d(channels, channels, kernel_size=3, padding=1)
        self.second = nn.Conv2d(channels, channels, kernel_size=3, padding=1)

    def forward(self, x):
        change = self.second(self.first(x).relu())  # (N, C, H, W)
        return (x + change).relu()


def verify_residual_block(attempt):
    block = build(attempt, 2)
    convs = [module for module in block.modules() if isinstance(module, nn.Conv2d)]
    shapes = [tuple(parameter.shape) for parameter in block.parameters()]
    if not convs and any(isinstance(value, list | tuple) for value in vars(block).values()):
        raise AssertionError(
            "The module lists no convolutions: they are in a plain Python list. Assign each to `self`, or use an "
            "`nn.Sequential` or `nn.ModuleList`."
        )
    assert len(convs) == 2, (
        f"The number of convolutions in your block is {len(convs)}, expected 2, made in `__init__`, each with weights "
        "of its own."
    )
    for conv in convs:
        assert conv.kernel_size == (3, 3), f"A convolution has kernels of {conv.kernel_size}, expected (3, 3)."
        assert conv.padding in ((1, 1), "same"), (
            f"A convolution has padding {conv.padding}, so its result has not the size of `x` and cannot be added to "
            "it. With a 3 x 3 kernel, `padding=1` keeps the size."
        )
        assert (conv.in_channels, conv.out_channels) == (2, 2), (
            f"For channels=2, a convolution leads from {conv.in_channels} to {conv.out_channels} channels, expected "
            "from 2 to 2."
        )
        assert conv.bias is not None, "A convolution has no bias, expected one: leave out `bias=False`."
    assert sorted(shapes) == [(2,), (2,), (2, 2, 3, 3), (2, 2, 3, 3)], (
        f"The parameters have the shapes {shapes}, expected two weights (2, 2, 3, 3) and two biases (2,), and no "
        "others."
    )
    x = torch.randn(3, 2, 5, 4)
    order = []
    handles = [conv.register_forward_hook(lambda conv, inputs, output: order.append(conv)) for conv in convs]
    result = call_module(block, x)
    for handle in handles:
        handle.remove()
    expect_close(torch.zeros_like(result) if isinstance(result, Tensor) else result, torch.zeros(3, 2, 5, 4))
    assert len(order) == 2, (
        f"The convolutions were called {len(order)} times in all, expected each once (`self.first(x)` is a call, "
        "`self.first.forward(x)` is none)."
    )
    assert order[0] is not order[1], "The same convolution ran twice, and the other never. Each has weights of its own."
    first, second = order
    expect_close(
        result,
        (x + convolve(second, convolve(first, x).relu())).relu(),
        mistakes={
            "the way around is missing; add `x` to what the convolutions make": convolve(
                second, convolve(first, x).relu()
            ).relu(),
            "the way around and the last ReLU are missing": convolve(second, convolve(first, x).relu()),
            "the ReLU between the two convolutions is missing": (x + convolve(second, convolve(first, x))).relu(),
            "the ReLU between the convolutions is missing, and so is the last": x
            + convolve(second, convolve(first, x)),
            "the last ReLU is missing, after the sum": x + convolve(second, convolve(first, x).relu()),
            "ReLU comes before the sum; first add `x`, then ReLU": x
            + convolve(second, convolve(first, x).relu()).relu(),
            "add `x` itself, and not what the first convolution made of it": (
                convolve(first, x).relu() + convolve(second, convolve(first, x).relu())
            ).relu(),
            "`x` was added twice; there is one way around, over both": (
                x + convolve(second, (x + convolve(first, x)).relu())
            ).relu(),
        },
        name="for x of shape (3, 2, 5, 4), your result",
    )
    wide = build(attempt, 5)(torch.ones(1, 5, 4, 4))
    expect_close(tuple(wide.shape), (1, 5, 4, 4), name="for channels=5 and x of shape (1, 5, 4, 4), the shape")


def convolve(conv, x):
    return nn.functional.conv2d(x, conv.weight, conv.bias, padding=1)


ResidualBlock = Exercise(
    ResidualBlock,
    verify_residual_block,
    hints=(
        "Two convolutions on `self`, each from `channels` to `channels`. What keeps the height and the width?",
        "`self.second(self.first(x).relu())` is what is added to `x`.",
        "ReLU comes twice: between the two convolutions, and after the sum. `.relu()` of a tensor does it.",
    ),
)
