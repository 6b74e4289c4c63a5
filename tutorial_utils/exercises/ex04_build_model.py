"""The exercises of notebook 04, build a model."""

import copy
import math
import re
from collections import OrderedDict
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from tutorial_utils.exercises.cases import case
from tutorial_utils.exercises.compare import Words, find_difference, name_type, show
from tutorial_utils.exercises.exercise import exercise
from tutorial_utils.exercises.observe import hooks, in_training, kind_of, learning, numbers
from tutorial_utils.exercises.rules import keeps_arguments, without_calls


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
        "The `__init__` of `nn.Module` has not run when it is needed; it makes the lists of parameters, buffers and "
        "modules. Let yours begin with `super().__init__()`."
    )
    return module


def find_kind(module, name):
    """Return what the attribute `name` is to a module, in words."""
    found = getattr(module, name, None)
    if found is None:
        return Words("missing")
    if name in module._parameters:
        return Words("a parameter" if found.requires_grad else "a frozen parameter")
    if name in module._buffers:
        return Words("a buffer")
    if isinstance(found, Tensor):
        return Words("a plain tensor")
    return Words("a module" if isinstance(found, nn.Module) else f"{name_type(found)}, a plain attribute")


def words(names):
    """Return a list of names as it is shown, without quotes."""
    return Words(f"[{', '.join(names)}]")


def leads_back(result, tensors):
    """Return the names of the tensors, in words, that get a gradient when a result is differentiated."""
    if isinstance(result, Tensor) and result.requires_grad:
        gradients = torch.autograd.grad(result.sum(), list(tensors.values()), allow_unused=True)
        tensors = [name for name, gradient in zip(tensors, gradients, strict=True) if gradient is not None]
        return words(tensors)
    return words([])


def seeded(make):
    """Return what `make` returns, with random numbers that are the same every time and touch no others."""
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        return make()


def change(exercise, **methods):
    """Return the answer to an exercise, a class, with some of its methods exchanged for wrong ones."""
    return type("Wrong", (exercise.answer,), methods)


# ------------------------------------------------------------------------- numbers and a computation in one class


def use_scale(attempt, size, a, b, x):
    layer = build(attempt, size)
    kinds = {f"`{name}`": find_kind(layer, name) for name in ("a", "b")}
    seen = kinds | {"the list of all its parameters": words(sorted(name for name, _ in layer.named_parameters()))}
    if set(kinds.values()) != {"a parameter"}:
        return seen
    seen |= {f"the first `{name}`": getattr(layer, name).detach().clone() for name in ("a", "b")}
    if not layer.a.shape == layer.b.shape == (size,):
        return seen
    with torch.no_grad():
        layer.a.copy_(a), layer.b.copy_(b)
    given = x.clone()
    result = layer(given)
    seen[f"with a = {show(a)} and b = {show(b)}, your result"] = result
    seen["`x` after the call"] = given
    seen["the list of what training can change"] = leads_back(result, {"a": layer.a, "b": layer.b})
    return seen


@exercise(
    hints=(
        "Look at `Scorer` again: what comes first in `__init__`, and what makes a tensor a parameter?",
        "`a` and `b` have shape (size,): `torch.ones(size)` and `torch.zeros(size)`, each in an `nn.Parameter`.",
        "Broadcasting does the rest: `self.a * x + self.b`, without `@`.",
    ),
    observe=use_scale,
    further="`nn.LayerNorm` and `nn.BatchNorm1d` end with such a scale and shift, called `weight` and `bias`.",
)
class Scale(nn.Module):  # (N, D) -> (N, D)
    def __init__(self, size):
        super().__init__()
        self.a = nn.Parameter(torch.ones(size))  # (D,)
        self.b = nn.Parameter(torch.zeros(size))  # (D,)

    def forward(self, x):
        return self.a * x + self.b  # (D,) * (N, D) + (D,)


Scale.example(
    *(2, torch.tensor([2.0, -1.0]), torch.tensor([10.0, 0.0]), torch.tensor([[3.0, 4.0]])),
    gives={"with a = [2, -1] and b = [10, 0], your result": torch.tensor([[16.0, -4.0]])},  # 2 * 3 + 10, -1 * 4 + 0
    name="for size=2 and x = [[3, 4]]",
)


@Scale.inputs
def scales():
    for rows, size in (1, 1), (3, 3), (2, 3), (4, 5):
        x, a, b = 3 * torch.randn(rows, size), torch.randn(size), torch.randn(size) - 2
        yield case(size, a, b, x, name=f"for size={size} and an x of shape ({rows}, {size})")


def begin(a, b):
    """Return the answer with other first values, each made from `size`."""

    class Begun(Scale.answer):
        def __init__(self, size):
            nn.Module.__init__(self)
            self.a, self.b = a(size), b(size)

    return Begun


def parameter(make):
    return lambda *sizes: nn.Parameter(make(*sizes))


ONES, ZEROS = parameter(torch.ones), parameter(torch.zeros)


@Scale.mistake(
    "a buffer is saved with the module, but no training changes it. `nn.Parameter(...)`, assigned to `self`, makes a "
    "parameter"
)
class Buffers(Scale.answer):
    def __init__(self, size):
        nn.Module.__init__(self)
        self.register_buffer("a", torch.ones(size))
        self.register_buffer("b", torch.zeros(size))


@Scale.mistake("the two are one and the same parameter, under two names; each needs an `nn.Parameter` of its own")
class OneForBoth(Scale.answer):
    def __init__(self, size):
        nn.Module.__init__(self)
        self.a = self.b = nn.Parameter(torch.ones(size))


@Scale.mistake("the task calls the two `a` and `b`, and the check looks for these names")
class OtherNames(Scale.answer):
    def __init__(self, size):
        nn.Module.__init__(self)
        self.weight, self.bias = ONES(size), ZEROS(size)


@Scale.mistake("is it assigned to `self`, in `__init__`? A name without `self.` ends with the function")
class OwnNames(Scale.answer):
    def __init__(self, size):
        nn.Module.__init__(self)


Scale.mistakes(
    {
        "the module does not list a plain tensor: `state_dict()` and `.to` leave it out, and no training changes it. "
        "`nn.Parameter(...)` makes a parameter": begin(torch.ones, torch.zeros),
        "one number serves all the columns; each of the `size` columns has its own": (
            begin(lambda _: ONES(1), lambda _: ZEROS(1))
        ),
        "one number, of shape (), serves all the columns; each of the `size` columns has its own": (
            begin(lambda _: ONES(()), lambda _: ZEROS(()))
        ),
        "a table of weights mixes the columns; here each column has one factor of its own": (
            begin(lambda size: ONES(size, size), ZEROS)
        ),
        "this is one number per row; for one number per column, the shape is (D,)": (
            begin(lambda size: ONES(size, 1), lambda size: ZEROS(size, 1))
        ),
        "a table with one row works, too, but the task asks for the shape (D,), as of `torch.ones(size)`": (
            begin(lambda size: ONES(1, size), lambda size: ZEROS(1, size))
        ),
        "`a` begins with ones, so that a new layer changes nothing": begin(ZEROS, ZEROS),
        "`b` begins with zeros, so that a new layer changes nothing": begin(ONES, ONES),
        "`a` begins with ones and `b` with zeros; the two have changed places": begin(ZEROS, ONES),
        "random first values would change `x`; `a` begins with ones": begin(parameter(torch.randn), ZEROS),
        "random first values would change `x`; `a` begins with ones and `b` with zeros": (
            begin(parameter(torch.randn), parameter(torch.randn))
        ),
        "`requires_grad=False` takes the two out of training": begin(
            lambda size: nn.Parameter(torch.ones(size), requires_grad=False),
            lambda size: nn.Parameter(torch.zeros(size), requires_grad=False),
        ),
        "`b` is added before `a` multiplies; first multiply, then add": (
            change(Scale, forward=lambda self, x: self.a * (x + self.b))
        ),
        "`b` is not added": change(Scale, forward=lambda self, x: self.a * x),
        "`b` is subtracted; the task adds it": change(Scale, forward=lambda self, x: self.a * x - self.b),
        "`x` is not multiplied by `a`": change(Scale, forward=lambda self, x: x + self.b),
        "`x` comes back as it was; use `self.a` and `self.b` in `forward`": change(Scale, forward=lambda self, x: x),
        "`a` and `b` have changed places": change(Scale, forward=lambda self, x: self.b * x + self.a),
        "`@` multiplies and adds up each row, and one number is left of it; `*` keeps the columns apart": (
            change(Scale, forward=lambda self, x: x @ self.a + self.b)
        ),
        "`.data` and `.detach()` give the numbers without their way back, so training cannot change them; compute with "
        "`self.a` and `self.b`": change(Scale, forward=lambda self, x: self.a.detach() * x + self.b.detach()),
        "`self.a.data` gives the numbers without their way back, so training cannot change `a`": (
            change(Scale, forward=lambda self, x: self.a.detach() * x + self.b)
        ),
        "the numbers are right, but the `x` that was passed in is changed, too: compute a new tensor, `self.a * x`": (
            change(Scale, forward=lambda self, x: x.mul_(self.a.detach()).add_(self.b.detach()) + 0 * (self.a + self.b))
        ),
    }
)


# --------------------------------------------------------------------------- call the model, not its forward method


def look_inside(attempt, layer, model, x):
    calls, hooked, compute = [], [], layer.forward
    handle = model.register_forward_pre_hook(lambda *_: calls.append(1))
    before = hooks(model)

    def forward(*inputs):
        hooked.append(hooks(model) > before)
        return compute(*inputs)

    layer.forward = forward
    result = attempt(layer, model, x)
    handle.remove()
    return {
        "your result": result,
        "the number of hooks on the model afterwards": hooks(model),
        "the number of calls `model(...)`": len(calls),
        "how often the layer runs": len(hooked),
        "what looks on": Words("a hook" if any(hooked) else "no hook"),
    }


@exercise(
    hints=(
        "A forward hook gets the module, its inputs and its output. How did `write_shapes` keep what it saw?",
        "Inside `output_of`, make an empty list and a hook that appends `output` to it; then run the model.",
        "`handle = layer.register_forward_hook(hook)`, `model(x)`, `handle.remove()`; then return what is in the list.",
    ),
    observe=look_inside,
)
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


def make_nested():
    nested = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1))
    numbers = {"weight": torch.tensor([[1.0, -1.0], [1.0, 1.0]]), "bias": torch.tensor([0.0, -10.0])}
    nested[0].load_state_dict(numbers)
    return nested


NESTED = seeded(make_nested)
output_of.example(
    *(NESTED[1], NESTED, torch.tensor([[8.0, 7.0], [18.0, 4.0], [6.0, 5.0]])),
    gives=torch.tensor([[1.0, 5.0], [14.0, 12.0], [1.0, 1.0]]),  # length - width, length + width - 10: all positive
    name="for the ReLU in `nested` and the three fruits",
)


@output_of.inputs
def layers_in_models():
    model, x = Winding(), torch.randn(3, 2)
    for name in "second", "first", "last":
        yield case(getattr(model, name), model, x, name=f"for the layer `{name}` of a model of three linear layers")
    inner = nn.Sequential(nn.Linear(2, 3), nn.Tanh())
    model = nn.Sequential(OrderedDict(body=nn.Sequential(inner, nn.Linear(3, 3)), head=nn.Linear(3, 1)))
    yield case(inner, model, x[:1], name="for a Sequential inside a Sequential inside the model")
    inner[0].register_forward_hook(lambda module, inputs, output: None)
    yield case(inner[0], model, x, name="for a layer with a hook of somebody else's")


def hook(run=lambda layer, model, x: model(x), keep=lambda inputs, output: output, back=lambda kept, result: kept[0]):
    """Return an answer that runs the model, keeps something in a hook, and returns something in its own way."""

    def look(layer, model, x):
        kept = []
        handle = layer.register_forward_hook(lambda module, inputs, output: kept.append(keep(inputs, output)))
        result = run(layer, model, x)
        handle.remove()
        return back(kept, result)

    return look


@output_of.mistake(
    "your hook is still on the layer and runs at every later call. `register_forward_hook` returns a handle; call its "
    "`remove()` once the model has run"
)
def leave_hook(layer, model, x):
    kept = []
    layer.register_forward_hook(lambda module, inputs, output: kept.append(output))
    model(x)
    return kept[0]


@output_of.mistake("`handle.remove()` also takes only your own hook off; there was one of somebody else's on the layer")
def remove_all_hooks(layer, model, x):
    result = output_of.answer(layer, model, x)
    layer._forward_hooks.clear()
    return result


@output_of.mistake(
    "the list is empty there: the hook has to be on the layer while `model(x)` runs, from before it until after it"
)
def remove_early(layer, model, x):
    kept = []
    layer.register_forward_hook(lambda module, inputs, output: kept.append(output)).remove()
    model(x)
    return kept[0]


@output_of.mistake(
    "a loop over the parts of a model runs them one after another, which not every model does; call `model(x)`"
)
def run_parts(layer, model, x):
    for part in model.children():
        x = part(x)
        if part is layer:
            return x


output_of.mistakes(
    {
        "the list is still empty. Did the hook say `name = output`? That name ends with the hook; append to the list": (
            hook(back=lambda kept, result: [])
        ),
        "that is the output of the whole model; return what the hook has kept": hook(back=lambda kept, result: result),
        "you gave `x` to the layer itself; inside the model it gets what the layers before it made": (
            lambda layer, model, x: layer(x)
        ),
        "that is the tuple of what went into the layer; the third thing that a hook gets is the output": (
            hook(keep=lambda inputs, output: inputs)
        ),
        "that is what went into the layer; the third thing that a hook gets is the output": (
            hook(keep=lambda inputs, output: inputs[0])
        ),
        "that is the shape of the output; keep the output itself": (
            hook(keep=lambda inputs, output: list(output.shape))
        ),
        "that is the list of all that the hook has kept; return its one entry": hook(back=lambda kept, result: kept),
        "the list is empty: `model(x)` has not run while the hook was on": (
            hook(run=lambda layer, model, x: None, back=lambda kept, result: kept)
        ),
        "is a `return` missing? Or did the hook say `name = output`? That name ends with the hook; append the output "
        "to a list instead": hook(back=lambda kept, result: None),
        "`model.forward(...)` computes the same, but leaves out the hooks of the model; write `model(x)`": (
            hook(run=lambda layer, model, x: model.forward(x))
        ),
        "the hook has the output of the layer as its third argument; nothing has to be computed again": (
            lambda layer, model, x: layer(hook(keep=lambda inputs, output: inputs[0])(layer, model, x))
        ),
        "one call of the model is enough": (
            hook(run=lambda layer, model, x: (model(x), model(x)), back=lambda kept, result: kept[-1])
        ),
    }
)


# --------------------------------------------------------------------------------------- a classifier for pictures


def classify(attempt, model, picture):
    calls = []
    handle = model.register_forward_pre_hook(lambda *_: calls.append(1))
    result = attempt(model, picture)
    handle.remove()
    assert not isinstance(result, nn.Module), (
        f"Your result is the module {result} itself. First make it, then call it: `nn.Softmax(dim=1)(logits)`."
    )
    return {"your result": result, "the number of calls `model(...)`": len(calls)}


@exercise(
    hints=(
        "A model wants a batch. How does one picture, (H, W), become a batch of one, (1, H, W)?",
        "The logits have shape (1, K): softmax runs along the classes, dimension 1. Then take the only row.",
        "`picture.unsqueeze(0)`, then the model, then `nn.Softmax(dim=1)(logits)`, then `squeeze(0)`.",
    ),
    observe=classify,
    rules=(keeps_arguments,),
)
def predict_probabilities(model, picture):  # (H, W) -> (K,)
    logits = model(picture.unsqueeze(0))  # (1, H, W) -> (1, K)
    return nn.Softmax(dim=1)(logits).squeeze(0)  # (1, K) -> (K,)


predict_probabilities.example(
    *(nn.Flatten(), torch.tensor([[0.0], [0.0], [math.log(2)]])),
    gives=torch.tensor([0.25, 0.25, 0.5]),  # e to the power of each is 1, 1 and 2; their sum is 4
    name="for the logits [0, 0, 0.6931], from a picture of 3 x 1 pixels",
)


class Measure(nn.Module):
    """Four logits per picture, one for its first line; what has two dimensions or more counts as pictures."""

    def forward(self, images):
        rows = images.flatten(1)  # (N, D)
        return torch.stack([rows.sum(1), rows.amax(1), rows.mean(1), images[:, 0].reshape(len(rows), -1).sum(1)], dim=1)


@predict_probabilities.inputs
def pictures():
    for height, width in (2, 3), (4, 4), (1, 5), (6, 1):
        yield case(Measure(), torch.rand(height, width), name=f"for a picture of {height} x {width} pixels")
    for height, width, classes in (5, 4, 10), (3, 3, 2):
        model = nn.Sequential(nn.Flatten(), nn.Linear(height * width, classes))
        yield case(model, torch.randn(height, width), name=f"for {height} x {width} pixels and {classes} classes")


def without_batch(after):
    return lambda model, picture: after(model(picture))


def with_batch(after):
    return lambda model, picture: after(model(picture.unsqueeze(0)))


AS_PICTURES = (
    "the model takes the first dimension for the batch, here the lines of the picture; `picture.unsqueeze(0)` is a "
    "batch of one"
)
ALL_ONES = "with `dim=0` softmax runs along the batch, and in a batch of one each number becomes 1; the classes are"
predict_probabilities.mistakes(
    {
        AS_PICTURES: without_batch(lambda logits: logits.softmax(1)),
        f"{AS_PICTURES}. That is for the first line alone": without_batch(lambda logits: logits.softmax(1)[0]),
        f"{AS_PICTURES}, and `squeeze(0)` does nothing where there are several": (
            without_batch(lambda logits: logits.softmax(1).squeeze(0))
        ),
        f"{AS_PICTURES}. And softmax is still to come": without_batch(lambda logits: logits),
        f"{AS_PICTURES}. And `dim=1` is the dimension of the classes": without_batch(lambda logits: logits.softmax(0)),
        f"{ALL_ONES} dimension 1": with_batch(lambda logits: logits.softmax(0).squeeze(0)),
        f"{ALL_ONES} dimension 1. And the batch dimension has to go at the end": with_batch(
            lambda logits: logits.softmax(0)
        ),
        "these are the logits; softmax turns them into probabilities": with_batch(lambda logits: logits.squeeze(0)),
        "these are the logits; softmax turns them into probabilities, and the batch dimension has to go at the end": (
            with_batch(lambda logits: logits)
        ),
        "that is still a batch of one; `squeeze(0)`, or the index 0, takes the row out": (
            with_batch(lambda logits: logits.softmax(1))
        ),
        "softmax is there twice; once is enough": with_batch(lambda logits: logits.softmax(1).softmax(1)[0]),
        "these are logarithms of probabilities, from log_softmax": with_batch(lambda logits: logits.log_softmax(1)[0]),
        "that is the predicted class; all probabilities are wanted": with_batch(lambda logits: logits.argmax()),
        "that is the predicted class alone; all probabilities are wanted": with_batch(lambda logits: logits.argmax(1)),
        "that is the predicted class, as a number; all probabilities are wanted": (
            with_batch(lambda logits: logits.argmax().item())
        ),
        "that is the highest probability; all of them are wanted": with_batch(lambda logits: logits.softmax(1).max()),
        "that is the highest probability alone; all of them are wanted": (
            with_batch(lambda logits: logits.softmax(1).amax(1))
        ),
        "that is the highest probability, as a number; all of them are wanted": (
            with_batch(lambda logits: logits.softmax(1).max().item())
        ),
        "the lines of the picture are lost; `unsqueeze(0)` keeps them, (1, H, W)": (
            lambda model, picture: model(picture.reshape(1, -1)).softmax(1)[0]
        ),
        "that is one dimension too many: a batch of pictures is (N, H, W)": (
            lambda model, picture: model(picture[None, None]).softmax(1)[0]
        ),
        "sigmoid looks at each number alone, so the sum is not 1": with_batch(lambda logits: logits.sigmoid()[0]),
        "these are powers of e; divide them by their sum, or let `nn.Softmax` do both": (
            with_batch(lambda logits: logits.exp()[0])
        ),
        "these are the logits divided by their sum; softmax first takes e to the power of each": (
            with_batch(lambda logits: (logits / logits.sum())[0])
        ),
        "this is a list; leave the result a tensor": with_batch(lambda logits: logits.softmax(1)[0].tolist()),
        "`model.forward(...)` computes the same, but leaves out the hooks of the model; write `model(...)`": (
            lambda model, picture: model.forward(picture.unsqueeze(0)).softmax(1)[0]
        ),
    }
)


# ---------------------------------------------------------------------------------------------------- layer by layer


def list_layers(model):
    """Return the layers of a Sequential, in the order in which they run, as PyTorch would print them in short."""
    if isinstance(model, nn.Sequential):
        return [text for part in model for text in list_layers(part)]
    if isinstance(model, nn.Linear):
        bias = "" if model.bias is not None else ", bias=False"
        return [f"Linear({model.in_features}, {model.out_features}{bias})"]
    return [type(model).__name__]


def look_at_layers(attempt, sizes):
    model = attempt(sizes)
    kind = "an `nn.Sequential`" if isinstance(model, nn.Sequential) else name_type(model)
    seen = {"your result": None if model is None else Words(kind)}
    if isinstance(model, nn.Sequential):
        seen["your network"] = Words(" → ".join(list_layers(model)) or "empty")
        seen["the number of its parameters"] = sum(p.numel() for p in model.parameters())
    return seen


@exercise(
    hints=(
        "How many linear layers are there for four sizes? Layer i leads from `sizes[i]` to `sizes[i + 1]`.",
        "Collect the modules in a list, in a loop: a Linear, then a ReLU. Which one is too many at the end?",
        "`nn.Sequential(*layers[:-1])` leaves out the last ReLU.",
    ),
    observe=look_at_layers,
    rules=(keeps_arguments,),
)
def make_mlp(sizes):  # [D, ..., K] -> a Sequential, (N, D) -> (N, K)
    layers = []
    for i in range(len(sizes) - 1):
        layers += [nn.Linear(sizes[i], sizes[i + 1]), nn.ReLU()]
    return nn.Sequential(*layers[:-1])  # no ReLU after the last


make_mlp.example([784, 20, 10], gives={"your network": Words("Linear(784, 20) → ReLU → Linear(20, 10)")})
make_mlp.example([4, 2], gives={"your network": Words("Linear(4, 2)")})


@make_mlp.inputs
def sizes_of_layers():
    return [([6, 5, 4, 3],), ([2, 7, 3],), ([3, 3, 3],), ([1, 4, 1],), ([5, 4, 4, 6, 2],), ([1, 1],)]


def make_parts(sizes, linear=nn.Linear, between=nn.ReLU):
    """Return a list: a linear layer and another module for each two neighbouring sizes."""
    return [part for inputs, outputs in pairwise(sizes) for part in (linear(inputs, outputs), between())]


def shared_layers(sizes):
    made = {}
    for step in pairwise(sizes):
        made.setdefault(step, nn.Linear(*step))
    parts = [part for step in pairwise(sizes) for part in (made[step], nn.ReLU())]
    return nn.Sequential(*parts[:-1])


make_mlp.mistakes(
    {
        "`nn.Sequential(*layers)` makes one from a list of layers; the `*` passes them one by one": (
            lambda sizes: make_parts(sizes)[:-1]
        ),
        "an `nn.ModuleList` holds modules, but it cannot be called; `nn.Sequential(*layers)` runs one after another": (
            lambda sizes: nn.ModuleList(make_parts(sizes)[:-1])
        ),
        "`nn.Sequential` takes its modules one by one, so put a `*` before a list: `nn.Sequential(*layers)`": (
            lambda sizes: nn.Sequential(make_parts(sizes)[:-1])
        ),
        "a ReLU after the last layer would turn every negative logit into 0": (
            lambda sizes: nn.Sequential(*make_parts(sizes))
        ),
        "without ReLU between them, the linear layers can do no more than one": (
            lambda sizes: nn.Sequential(*make_parts(sizes)[::2])
        ),
        "one linear layer is missing; there is one for each two neighbouring sizes": (
            lambda sizes: nn.Sequential(*make_parts(sizes)[:-3])
        ),
        "the last linear layer is missing, and a ReLU is at the end; there is a layer for each two neighbours": (
            lambda sizes: nn.Sequential(*make_parts(sizes)[:-2])
        ),
        "that is the first layer alone: a `return` inside the loop ends it": (
            lambda sizes: nn.Sequential(*make_parts(sizes)[:1])
        ),
        "that is the first layer and its ReLU alone: a `return` inside the loop ends it": (
            lambda sizes: nn.Sequential(*make_parts(sizes)[:2])
        ),
        "that is the last layer alone: make the empty list before the loop, not inside": (
            lambda sizes: nn.Sequential(*make_parts(sizes)[-2:-1])
        ),
        "the outputs of a layer are the inputs of the next one, so go through `sizes` in steps of 1, not 2": (
            lambda sizes: nn.Sequential(
                *[part for i in range(0, len(sizes) - 1, 2) for part in make_parts(sizes[i : i + 2])][:-1]
            )
        ),
        "there is one layer fewer than there are sizes: `for i in range(len(sizes) - 1)`": (
            lambda sizes: [sizes[i + 1] for i in range(len(sizes))]
        ),
        "that leads from the inputs to the logits at once; the sizes in between are layers, too": (
            lambda sizes: nn.Sequential(nn.Linear(sizes[0], sizes[-1]))
        ),
        "your code makes two layers, whatever the length of `sizes` is": (
            lambda sizes: nn.Sequential(nn.Linear(*sizes[:2]), nn.ReLU(), nn.Linear(sizes[1], sizes[2]))
        ),
        "there is softmax at the end; a model returns logits": (
            lambda sizes: nn.Sequential(*make_parts(sizes)[:-1], nn.Softmax(dim=1))
        ),
        "the inputs come before the outputs in `nn.Linear(inputs, outputs)`": (
            lambda sizes: nn.Sequential(*make_parts(sizes, lambda i, o: nn.Linear(o, i))[:-1])
        ),
        "ReLU comes after a linear layer, and not before the first": (
            lambda sizes: nn.Sequential(nn.ReLU(), *make_parts(sizes)[:-1])
        ),
        "`x` is (N, D) already, so there is nothing to flatten": (
            lambda sizes: nn.Sequential(nn.Flatten(), *make_parts(sizes)[:-1])
        ),
        "`bias=False` leaves the biases out; the task has no such exception": (
            lambda sizes: nn.Sequential(*make_parts(sizes, lambda i, o: nn.Linear(i, o, bias=False))[:-1])
        ),
        "`nn.ReLU` is the class; `nn.ReLU()` makes a module of it": (
            lambda sizes: nn.Sequential(*make_parts(sizes, between=lambda: nn.ReLU)[:-1])
        ),
        "layers of equal sizes are one and the same module, so they share their weights; make a new `nn.Linear` for "
        "each": shared_layers,
    }
)


# ---------------------------------------------------------------------------------------------------------- why ReLU

HAT_SHAPES = {"0.weight": (3, 1), "0.bias": (3,), "2.weight": (1, 3), "2.bias": (1,)}


def draw(attempt):
    hat = attempt()
    seen = {"`hat`": Words("a dictionary" if isinstance(hat, dict) else name_type(hat))}
    if not isinstance(hat, dict):
        return seen
    seen["the list of its names"] = words(sorted(map(str, hat)))
    for name, shape in HAT_SHAPES.items():
        seen[f"`{name}`"] = Words(kind_of(hat.get(name)))
        if not isinstance(hat.get(name), Tensor) or hat[name].shape != shape:
            return seen
    network = nn.Sequential(nn.Linear(1, 3), nn.ReLU(), nn.Linear(3, 1))
    network.load_state_dict(hat, strict=False)
    x = torch.tensor([-1.0, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0])
    seen[f"for x = {show(x)}, the output"] = network(x.unsqueeze(1)).squeeze(1)
    x = torch.linspace(-50, 50, 401)
    seen["for 401 values of x from -50 to 50, the output"] = network(x.unsqueeze(1)).squeeze(1)
    return seen


@exercise(
    hints=(
        "Let the hidden numbers be x, x - 1 and x - 2: which biases make them?",
        "After ReLU, each of them is a line of slope 1 that begins at 0, 1 or 2. The slope of their weighted sum "
        "should be 1, then -1, then 0: by how much does it change at each bend?",
        "The changes of slope are the weights of the second layer: 1, -2, 1.",
    ),
    observe=draw,
)
def hat():
    return {
        "0.weight": torch.tensor([[1.0], [1.0], [1.0]]),  # (3, 1)
        "0.bias": torch.tensor([0.0, -1.0, -2.0]),  # (3,), the bends at 0, 1 and 2
        "2.weight": torch.tensor([[1.0, -2.0, 1.0]]),  # (1, 3), the changes of slope
        "2.bias": torch.tensor([0.0]),  # (1,)
    }


hat.example(
    gives={
        "for x = [-1, 0, 0.5, 1, 1.5, 2, 3], the output": torch.tensor([0.0, 0.0, 0.5, 1.0, 0.5, 0.0, 0.0]),
        "for 401 values of x from -50 to 50, the output": (1 - (torch.linspace(-50, 50, 401) - 1).abs()).clamp(min=0),
    }
)


def wrong_hat(slopes=(1.0, -2.0, 1.0), bends=(0.0, -1.0, -2.0), **other):
    return lambda: hat.answer() | {"0.bias": torch.tensor(bends), "2.weight": torch.tensor([slopes])} | other


hat.mistakes(
    {
        "it rises to 1 and stays there. To fall, the slope has to change from 1 to -1, by -2": (
            wrong_hat(slopes=(1.0, -1.0, 0.0))
        ),
        "it rises to 1, stays there, and falls without an end. The slope has to change from 1 to -1, by -2, and then "
        "to 0": wrong_hat(slopes=(1.0, -1.0, -1.0)),
        "it rises, is level for a while, and rises again. At x = 1 the slope has to change from 1 to -1, by -2": (
            wrong_hat(slopes=(1.0, -1.0, 1.0))
        ),
        "it falls below 0 after x = 2. There the slope has to change from -1 to 0, by 1": (
            wrong_hat(slopes=(1.0, -2.0, 0.0))
        ),
        "these are heights at the bends: 0, 1, 0. The weights of the second layer change the slope: by 1, -2 and 1": (
            wrong_hat(slopes=(0.0, 1.0, 0.0))
        ),
        "it bends at 0, -1 and -2. x - 1 is 0 at x = 1, so the bias is -1": wrong_hat(bends=(0.0, 1.0, 2.0)),
        "it rises ever faster. The weights of the second layer change the slope at each bend: by 1, -2 and 1": (
            wrong_hat(slopes=(1.0, 1.0, 1.0))
        ),
        "all three bend at 0; the biases move the bends to 1 and 2": wrong_hat(bends=(0.0, 0.0, 0.0)),
        "it stands one step too far to the right: the bends are at 0, 1 and 2": wrong_hat(bends=(-1.0, -2.0, -3.0)),
        "it stands one step too far to the left: the bends are at 0, 1 and 2": wrong_hat(bends=(1.0, 0.0, -1.0)),
        "all is moved up by 1: the last bias is added everywhere": wrong_hat(**{"2.bias": torch.ones(1)}),
        "a weight has one row per output and one column per input: `2.weight` is one row of three": (
            wrong_hat(**{"2.weight": torch.tensor([[1.0], [-2.0], [1.0]])})
        ),
        "a weight has one row per output and one column per input: write `[[1.0, -2.0, 1.0]]`, with two brackets": (
            wrong_hat(**{"2.weight": torch.tensor([1.0, -2.0, 1.0])})
        ),
        "a weight has one row per output and one column per input: `0.weight` is a column of three": (
            wrong_hat(**{"0.weight": torch.ones(1, 3)})
        ),
        "a weight has one row per output and one column per input: `0.weight` has three rows of one number": (
            wrong_hat(**{"0.weight": torch.ones(3)})
        ),
        "a bias has one number per output, also where it is one: shape (1,)": wrong_hat(
            **{"2.bias": torch.tensor(0.0)}
        ),
        "the ReLU, module 1, has no numbers": wrong_hat(**{"1.weight": torch.ones(1)}),
        "the second linear layer is module 2 of the Sequential; module 1 is the ReLU": (
            lambda: {name.replace("2", "1"): value for name, value in hat.answer().items()}
        ),
    }
)


# ----------------------------------------------------------------------------- parameters: what training will change


def freeze(attempt, model):
    attempt(model)
    seen = {"the list of parameters that train": words(learning(model))}
    if len(learning(model)) == len(list(model.parameters())):
        attributes = [name for name, module in model.named_modules() if "requires_grad" in vars(module)]
        seen["modules with an attribute `requires_grad`"] = words(attributes)
    seen["the list of modules in training mode"] = words(in_training(model))
    return seen | {f"`{name}` afterwards": tensor for name, tensor in numbers(model).items()}


@exercise(
    hints=(
        "A Sequential can be sliced like a list, and the slice shares its parameters with the whole.",
        "`model[:-1]` is all but the last; `requires_grad_` freezes all that is in a module.",
    ),
    observe=freeze,
)
def freeze_all_but_last(model):  # a Sequential; changes it, returns nothing
    model[:-1].requires_grad_(False)


freeze_all_but_last.example(
    seeded(lambda: nn.Sequential(nn.Linear(784, 20), nn.ReLU(), nn.Linear(20, 10))),
    gives={"the list of parameters that train": Words("[2.weight, 2.bias]")},
    name="for `nn.Sequential(nn.Linear(784, 20), nn.ReLU(), nn.Linear(20, 10))`",
)


@freeze_all_but_last.inputs
def models_to_freeze():
    inner = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 4))
    yield case(nn.Sequential(inner, nn.ReLU(), nn.Linear(4, 2)), name="for a Sequential in a Sequential")
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4), nn.Linear(4, 2))
    yield case(model, name="for a Sequential of six modules")
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 2, bias=False))
    yield case(model, name="for a last layer without a bias")
    model = nn.Sequential(OrderedDict(body=copy.deepcopy(inner), head=nn.Linear(4, 2)))
    yield case(model, name="for a Sequential whose modules are called `body` and `head`")
    yield case(nn.Sequential(*[nn.Linear(2, 2) for _ in range(12)]), name="for twelve linear layers")
    yield case(nn.Sequential(nn.Linear(3, 2)), name="for a single layer")


def freeze_where(wanted):
    """Return an answer that freezes the parameters for which `wanted(name, model)` is true."""

    def wrong(model):
        for name, parameter in list(model.named_parameters()):
            if wanted(name, model):
                parameter.requires_grad_(False)

    return wrong


def all_but(count):
    return freeze_where(lambda name, model: name in [name for name, _ in model.named_parameters()][:-count])


@freeze_all_but_last.mistake(
    "a module has no `requires_grad`, so setting one has no effect; `requires_grad_(False)`, with the `_` and a call, "
    "switches it for each of the parameters in it"
)
def freeze_by_attribute(model):
    for module in model[:-1]:
        module.requires_grad = False


@freeze_all_but_last.mistake("the last module was replaced by a new one; keep it, with its numbers")
def freeze_and_replace(model):
    model.requires_grad_(False)
    name = list(model._modules)[-1]
    last = getattr(model, name)
    setattr(model, name, nn.Linear(last.in_features, last.out_features))


@freeze_all_but_last.mistake("a loop over the model itself does not look into modules inside modules")
def freeze_outer(model):
    for module in model[:-1]:
        if isinstance(module, nn.Linear):
            module.requires_grad_(False)


freeze_all_but_last.mistakes(
    {
        "nothing is frozen. `requires_grad_(False)`, with the `_` and a call, freezes a module of this model itself, "
        "not of a copy; `p.requires_grad = False` freezes one parameter": lambda model: None,
        "`eval()` changes the mode of a module and freezes nothing; `requires_grad_(False)` freezes": (
            lambda model: model[:-1].eval()
        ),
        "`eval()` changes the mode of the model and freezes nothing; `requires_grad_(False)` freezes": (
            lambda model: model.eval()
        ),
        "the last module is frozen with the others": lambda model: model.requires_grad_(False),
        "it is the wrong way round: the last module is to train, and the others are to be frozen": (
            lambda model: model[-1].requires_grad_(False)
        ),
        "the last *module* is to train; you counted one *parameter*, but a module may have two, weight and bias": (
            all_but(1)
        ),
        "the last *module* is to train; you counted two *parameters*, but it need not have a bias": all_but(2),
        "the biases have to be frozen as well": freeze_where(
            lambda name, model: name.endswith("weight") and not name.startswith(list(model._modules)[-1])
        ),
        "the biases have to be frozen as well, as all parameters of other modules": freeze_where(
            lambda name, model: (
                name.endswith("weight")
                and isinstance(model.get_submodule(name[:-7]), nn.Linear)
                and not name.startswith(list(model._modules)[-1])
            )
        ),
        "names are paths, which need not begin with a number of one digit; the last module is `model[-1]`": (
            freeze_where(lambda name, model: name[0] != str(len(model) - 1))
        ),
        "which number the last module has differs from model to model; it is `model[-1]`": (
            freeze_where(lambda name, model: not name.startswith("2"))
        ),
        "all modules before the last have to be frozen, not the first alone": lambda model: model[0].requires_grad_(
            False
        ),
        "`model[:-2]` leaves out two modules; `model[:-1]` is all but the last": (
            lambda model: model[:-2].requires_grad_(False)
        ),
        "`model[1:]` is all but the first; `model[:-1]` is all but the last": (
            lambda model: model[1:].requires_grad_(False)
        ),
        "the right parameters train, but `eval()` also changed the mode; freezing does not need it": (
            lambda model: model.eval()[:-1].requires_grad_(False)
        ),
    }
)


# ------------------------------------------------------------------------------- where the first numbers come from


def look_at_biases(attempt, model):
    before, parameters = numbers(model), dict(model.named_parameters())
    attempt(model)
    after = dict(model.named_parameters())
    seen = {"the list of parameters": words(after)}
    if after.keys() != parameters.keys():
        return seen
    biases = [name for name in after if name.endswith("bias")]
    changed = [name for name in after if name not in biases and not after[name].equal(before[name])]
    return seen | {
        "the list of biases that are not 0": words(name for name in biases if after[name].any()),
        "the list of weights that have changed": words(changed),
        "the list of parameters that are new ones": words(
            name for name in after if after[name] is not parameters[name]
        ),
        "the list of parameters that train": words(learning(model)),
    }


@exercise(
    hints=(
        "`named_parameters()` yields every parameter with its name. How do the names of the biases end?",
        '`name.endswith("bias")` picks them; `nn.init.zeros_` fills a tensor in place.',
    ),
    observe=look_at_biases,
)
def zero_biases(model):  # any module; changes it, returns nothing
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(parameter)


zero_biases.example(
    seeded(lambda: nn.Linear(2, 3)),
    gives={"the list of biases that are not 0": Words("[]"), "the list of weights that have changed": Words("[]")},
    name="for `nn.Linear(2, 3)`",
)


@zero_biases.inputs
def models_with_biases():
    yield case(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1)), name="for two layers in a Sequential")
    inner = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Sequential(nn.Linear(4, 5)))
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), inner, nn.Linear(5, 2))
    yield case(model, name="for layers inside layers")
    yield case(Winding(), name="for a model that is no Sequential")


def for_each_bias(what):
    def wrong(model):
        for name, parameter in list(model.named_parameters()):
            if name.endswith("bias"):
                what(parameter, model, name)

    return wrong


def for_each_linear(what, find=nn.Module.modules):
    def wrong(model):
        for module in list(find(model)):
            if isinstance(module, nn.Linear):
                what(module)

    return wrong


@zero_biases.mistake("layers inside other modules are left out; `modules()` and `named_parameters()` reach them, too")
def zero_outer_biases(model):
    for module in model if isinstance(model, nn.Sequential) else [model]:
        if isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)


@zero_biases.mistake("only the last bias is 0 now; fill each one inside the loop")
def zero_last_bias(model):
    biases = [parameter for name, parameter in model.named_parameters() if name.endswith("bias")]
    nn.init.zeros_(biases[-1])


@zero_biases.mistake("only the first bias is 0 now; a `return` inside the loop ends it")
def zero_first_bias(model):
    biases = [parameter for name, parameter in model.named_parameters() if name.endswith("bias")]
    nn.init.zeros_(biases[0])


zero_biases.mistakes(
    {
        "no bias of this model has changed. Fill its parameters in place, with `nn.init.zeros_` or the like; "
        "`bias = 0` only gives a name to something else, and a copy is another model": lambda model: None,
        "names are paths such as `2.0.bias`, so ask how they end, with `name.endswith(...)`": (
            lambda model: nn.init.zeros_(model.bias) if isinstance(model, nn.Linear) else None
        ),
        "only the layers right inside the model were reached; a layer may lie deeper, or be the model itself": (
            for_each_linear(lambda module: nn.init.zeros_(module.bias), nn.Module.children)
        ),
        "only the biases are to be filled; weights that are all zero would never change": (
            lambda model: [nn.init.zeros_(parameter) for parameter in model.parameters()]
        ),
        "the weights are 0 now, and the biases as they were; it is to be the other way round": (
            lambda model: [nn.init.zeros_(p) for name, p in model.named_parameters() if name.endswith("weight")]
        ),
        "the biases have to stay, with zeros in them": (for_each_linear(lambda module: setattr(module, "bias", None))),
        "the values are right, but an optimizer that has the old parameters would go on with those; fill the ones that "
        "are there, in place": (
            for_each_linear(lambda module: setattr(module, "bias", nn.Parameter(torch.zeros_like(module.bias))))
        ),
        "the values are right, but the biases no longer train; leave `requires_grad` as it was": (
            for_each_bias(lambda parameter, model, name: parameter.requires_grad_(False).zero_())
        ),
        "gradients would be prepared for this change, which PyTorch refuses for a parameter. `nn.init.zeros_`, or a "
        "`with torch.no_grad():` block, does without": for_each_bias(lambda parameter, model, name: parameter.zero_()),
        "only a parameter can take the place of a parameter. Fill the one that is there, with `nn.init.zeros_`": (
            for_each_linear(lambda module: setattr(module, "bias", torch.zeros_like(module.bias)))
        ),
        "a number cannot take the place of a parameter. Fill the one that is there, with `nn.init.zeros_`": (
            for_each_linear(lambda module: setattr(module, "bias", 0))
        ),
        "a model may be a single layer, whose bias is called `bias`, without a dot": (
            lambda model: None if isinstance(model, nn.Linear) else zero_biases.answer(model)
        ),
    }
)


# -------------------------------------------------------------------------------------- state: buffers, and two modes


def use_dropout(attempt, p, x):
    """Observe properties of what is random: on a table of 400 numbers, none of which is 0, in ten calls."""
    dropout = build(attempt, p)
    model = nn.Sequential(dropout)  # its mode is that of what it holds
    given, table = x.clone(), (torch.arange(400.0) % 7 - 3.25).reshape(20, 20)
    with Placeless() as placeless:
        result = model(given)
    seen = {"in training mode, your result": torch.zeros_like(result) if isinstance(result, Tensor) else result}
    if find_difference(seen["in training mode, your result"], torch.zeros_like(x)) is not None:
        return seen
    seen["`x` after the call"] = given
    results = torch.stack([model(table.clone()) for _ in range(10)]).detach()  # (10, 20, 20)
    dropped = results == 0
    seen["in training mode, what becomes 0"] = name_pattern(dropped)
    if not torch.equal(given, x) or seen["in training mode, what becomes 0"].startswith("whole"):
        return seen
    factors = (results / table)[~dropped]
    same = factors.numel() and bool(torch.isclose(factors, factors[0]).all())
    share = round(dropped.float().mean().item(), 2)
    seen |= {
        "in training mode, the factor of a number that stays": factors[0].item() if same else Words("always another"),
        "in training mode, the share of the numbers that become 0": p if abs(share - p) < 0.04 else share,
        "in training mode, the number of different values": results[0].unique().numel(),
    }
    same_places, same_count = dropped.eq(dropped[0]).all(), dropped.sum((1, 2)).unique().numel() == 1
    seen["from call to call, what becomes 0"] = Words(
        "the same" if same_places else "another choice of exactly as many" if same_count else "another choice"
    )
    model.eval()
    seen["in evaluation mode, your result"] = model(table.clone())
    model.train()
    seen["back in training mode, what becomes 0"] = name_pattern(torch.stack([model(table.clone()) == 0]))
    leaf = table.clone().requires_grad_()
    seen["the list of what gets a gradient"] = leads_back(model(leaf * 1), {"x": leaf})
    seen["for an `x` on another device, the outcome"] = Words("a result")
    if placeless.found:  # the first sum on `meta` takes seconds, and most attempts need none
        seen["for an `x` on another device, the outcome"] = try_on_meta(model, x)
    return seen


class Placeless(TorchFunctionMode):
    """Notes whether, in the block, tensors are made without saying on which device."""

    found = False

    def __torch_function__(self, function, types, args=(), kwargs=None):
        makes = function.__name__ in (
            "rand",
            "randn",
            "randint",
            "randperm",
            "empty",
            "zeros",
            "ones",
            "full",
            "tensor",
        )
        self.found |= makes and "device" not in (kwargs or {})
        return function(*args, **(kwargs or {}))


def name_pattern(dropped):
    """Return in words which of some tables of numbers (calls, rows, columns) are True: what is True together."""
    if not dropped.any():
        return Words("nothing")
    for together, dims in ("whole tables", (1, 2)), ("whole rows", (2,)), ("whole columns", (1,)):
        if torch.equal(dropped.float().amax(dims), dropped.float().amin(dims)):
            return Words(together if not dropped.all() else "everything")
    return Words("single numbers")


def try_on_meta(module, x):
    """Run a module on `meta`, a device without numbers that stands for an accelerator."""
    try:
        module(x.to("meta"))
    except (RuntimeError, NotImplementedError) as error:
        if re.search("same device|different devices|not on the expected device", str(error)):
            return Words("an error, as two devices meet")
    return Words("a result")  # or an error that only `meta` raises, as it has no numbers to look at


@exercise(
    hints=(
        "`nn.Module` keeps the mode in `self.training`, True or False. When it is False, return `x`.",
        "`torch.rand_like(x) >= self.p` is True with probability 1 - p, place by place; True counts as 1 in a product.",
        "In training: `x * keep / (1 - self.p)`.",
    ),
    observe=use_dropout,
    rules=(
        without_calls(
            "Here you build dropout yourself, with `torch.rand_like`.",
            *("dropout", "dropout_", "native_dropout", "feature_dropout", "alpha_dropout"),
        ),
    ),
)
class MyDropout(nn.Module):  # any shape -> the same shape
    def __init__(self, p):
        super().__init__()
        self.p = p

    def forward(self, x):
        if not self.training:
            return x
        keep = torch.rand_like(x) >= self.p  # True with probability 1 - p
        return x * keep / (1 - self.p)


MyDropout.example(
    *(0.2, torch.full((5,), 4.0)),
    gives={
        "in training mode, the factor of a number that stays": 1.25,  # 4 becomes 5
        "in training mode, the share of the numbers that become 0": 0.2,
    },
    name="for p=0.2",
)


@MyDropout.inputs
def dropouts():
    for p, shape in (0.5, (2, 3, 4)), (0.7, (3, 1)), (0.0, (4,)), (0.2, ()):
        yield case(p, torch.randn(shape), name=f"for p={p} and an x of shape {shape}")


def drop(
    keep=lambda self, x: torch.rand_like(x) >= self.p,
    train=lambda self, x, keep: x * keep / (1 - self.p),
    evaluate=lambda self, x: x,
):
    """Return the answer with another mask, or with another result in one of the modes."""
    return change(
        MyDropout,
        forward=lambda self, x: train(self, x, keep(self, x)) if self.training else evaluate(self, x),
    )


def always(self, x):
    return x * (torch.rand_like(x) >= self.p) / (1 - self.p)


def exactly(self, x):
    """Return a mask of exactly as many places as p says."""
    places = torch.randperm(x.numel()).reshape(x.shape)
    return places >= round(self.p * x.numel())


def with_seed(self, x):
    torch.manual_seed(0)
    return torch.rand_like(x) >= self.p


MyDropout.mistakes(
    {
        "that is the mask of what stays; multiply `x` by it": drop(train=lambda self, x, keep: keep),
        "a mask as an index takes numbers out, and the shape is lost; multiply by the mask instead": (
            drop(train=lambda self, x, keep: x[keep] / (1 - self.p))
        ),
        "what stays has to be divided by 1 - p, so that the mean stays as it was": (
            drop(train=lambda self, x, keep: x * keep)
        ),
        "divide by 1 - p, the share that stays, and not by p": drop(train=lambda self, x, keep: x * keep / self.p),
        "divide by 1 - p, do not multiply by it": drop(train=lambda self, x, keep: x * keep * (1 - self.p)),
        "multiply by 1 / (1 - p) in training mode, and leave `x` alone in evaluation mode": (
            drop(train=lambda self, x, keep: x * keep, evaluate=lambda self, x: x * (1 - self.p))
        ),
        "`/ 1 - p` divides by 1 and then subtracts p; put 1 - p in parentheses": (
            drop(train=lambda self, x, keep: x * keep / 1 - self.p)
        ),
        "p is the probability to become 0, not to stay": drop(keep=lambda self, x: torch.rand_like(x) < self.p),
        "p is the probability to become 0, not to stay; so what stays is to be divided by 1 - p": (
            drop(keep=lambda self, x: torch.rand_like(x) < self.p, train=lambda self, x, keep: x * keep / self.p)
        ),
        "each row has one random number; draw one for each place, with `torch.rand_like(x)`": (
            drop(keep=lambda self, x: torch.rand(len(x), 1) >= self.p)
        ),
        "all rows have the same random numbers; draw one for each place, with `torch.rand_like(x)`": (
            drop(keep=lambda self, x: torch.rand_like(x[0]) >= self.p)
        ),
        "there is one random number for all places; draw one for each, with `torch.rand_like(x)`": (
            drop(keep=lambda self, x: torch.rand(()) >= self.p)
        ),
        "`randn` draws from a bell curve; a number of `torch.rand_like(x)` is below p with probability p": (
            drop(keep=lambda self, x: torch.randn_like(x) >= self.p)
        ),
        "your mask does not depend on p; a number of `torch.rand_like(x)` is below p with probability p": (
            drop(keep=lambda self, x: torch.rand_like(x) >= 0.5)
        ),
        "p is an argument; your code has 0.5 in its place": (
            drop(keep=lambda self, x: torch.rand_like(x) >= 0.5, train=lambda self, x, keep: x * keep / 0.5)
        ),
        "each place is drawn on its own, so how many become 0 is random, too": drop(keep=exactly),
        "draw in `forward`, anew at every call, and set no seed there": drop(keep=with_seed),
        "in evaluation mode, `x` comes back as it is: ask for `self.training`, in `forward`, at every call "
        "(`self.train` is something else, a method)": change(MyDropout, forward=always),
        "the numbers are divided by 1 - p in both modes; only training does that": (
            drop(evaluate=lambda self, x: x / (1 - self.p))
        ),
        "the modes are exchanged: a new module is in training mode, and `self.training` is True": (
            change(MyDropout, forward=lambda self, x: x if self.training else always(self, x))
        ),
        "`x` comes back as it is in training mode, too": change(MyDropout, forward=lambda self, x: x),
        "is a `return x` missing there?": drop(evaluate=lambda self, x: None),
        "a tensor that your code makes is on the CPU; `torch.rand_like(x)` draws where `x` is": (
            drop(keep=lambda self, x: torch.rand(x.shape) >= self.p)
        ),
        "the numbers are right, but the result is cut off from `x`, so the layers before this one could not learn. "
        "Compute with `x` itself; `.tolist()`, `.detach()` and `torch.tensor(...)` cut it off": (
            drop(train=lambda self, x, keep: x.detach() * keep / (1 - self.p))
        ),
        "the tensor that was passed in is changed, too: compute a new one, such as `x * keep`": (
            drop(train=lambda self, x, keep: x.mul_(keep).div_(1 - self.p))
        ),
        "the tensor that was passed in is changed, too: `x[mask] = 0` works on `x` itself; multiply instead": (
            drop(train=lambda self, x, keep: x.mul_(keep) / (1 - self.p))
        ),
    }
)


def count_examples(attempt, batches, evaluated):
    counter = build(attempt)
    seen = {"`seen`": find_kind(counter, "seen")}
    if seen["`seen`"] != "a buffer":
        return seen
    seen["`seen` of a new module"] = counter.seen.clone()
    seen["`seen` in the state dict"] = Words("there" if "seen" in counter.state_dict() else "missing")
    model = nn.Sequential(counter)  # its mode is that of what it holds
    for number, batch in enumerate(batches):
        seen[f"what comes back for batch {number}"] = model(batch.clone())
        seen[f"after batch {number}, `seen`"] = counter.seen.clone()
    model.eval()
    seen["in evaluation mode, what comes back"] = model(evaluated.clone())
    seen["after evaluation, `seen`"] = counter.seen.clone()
    resumed = build(attempt)
    seen["`seen` of another new module"] = resumed.seen.clone()
    resumed.load_state_dict(counter.state_dict())
    resumed(batches[0].clone())
    seen["with this `seen` loaded, after batch 0 again, `seen`"] = resumed.seen.clone()
    return seen


@exercise(
    hints=(
        "A number that belongs to the model and is saved with it, but not learned: what is that called?",
        '`self.register_buffer("seen", torch.tensor(0))` makes it; `self.seen += len(x)` counts.',
        "Count only `if self.training:`, and return `x` in both modes.",
    ),
    observe=count_examples,
    further="`nn.BatchNorm1d` counts in the same way: its buffer `num_batches_tracked` is the number of batches.",
)
class ExampleCounter(nn.Module):  # (N, ...) -> the same, unchanged
    def __init__(self):
        super().__init__()
        self.register_buffer("seen", torch.tensor(0))  # (), int64

    def forward(self, x):
        if self.training:
            self.seen += len(x)
        return x


ExampleCounter.example(
    *([torch.arange(8.0).reshape(4, 2), torch.ones(3, 2)], torch.zeros(4, 2)),
    gives={"after batch 0, `seen`": torch.tensor(4), "after evaluation, `seen`": torch.tensor(7)},  # 4 + 3
    name="for batches of 4 and 3 examples, and then 4 in evaluation mode",
)


@ExampleCounter.inputs
def batches_to_count():
    images = torch.rand(5, 1, 2, 3)
    yield case([images, images[:1]], images, name="for batches of 5 images and 1 image")
    yield case([torch.arange(6), torch.arange(2), torch.arange(6)], torch.arange(3), name="for batches of 6, 2 and 6")


def keep_seen(make):
    """Return the answer with another `seen`, made by `make(module)`."""

    def begin_with(self):
        nn.Module.__init__(self)
        make(self)

    return change(ExampleCounter, __init__=begin_with)


def counting(how, back=lambda self, x: x):
    """Return the answer with another way to count."""

    def forward(self, x):
        how(self, x)
        return back(self, x)

    return change(ExampleCounter, forward=forward)


def add(self, x):
    if self.training:
        self.seen += len(x)


def if_training(what):
    return lambda self, x: what(self, x) if self.training else None


def put(self, value):
    self.seen = torch.tensor(value)


PLAIN = '`state_dict()` and `.to` leave it out. `register_buffer("seen", ...)` puts it on the list'
ExampleCounter.mistakes(
    {
        "`__init__` registers it, under the name `seen`": keep_seen(lambda self: None),
        f"the module does not list a plain number: {PLAIN}": keep_seen(lambda self: setattr(self, "seen", 0)),
        f"the module does not list a plain tensor: {PLAIN}": keep_seen(
            lambda self: setattr(self, "seen", torch.tensor(0))
        ),
        "training changes a parameter, and nobody learns this number; `register_buffer` makes a buffer": (
            keep_seen(lambda self: setattr(self, "seen", nn.Parameter(torch.tensor(0.0))))
        ),
        "`persistent=False` leaves the buffer out of what is saved": (
            keep_seen(lambda self: self.register_buffer("seen", torch.tensor(0), persistent=False))
        ),
        "a count is a whole number; `torch.tensor(0)`, without a point, is one": (
            keep_seen(lambda self: self.register_buffer("seen", torch.zeros(())))
        ),
        "that is a row with one number; `torch.tensor(0)` is a single number, of shape ()": (
            keep_seen(lambda self: self.register_buffer("seen", torch.tensor([0])))
        ),
        "`torch.zeros(1)` is a row with one float; `torch.tensor(0)` is a single whole number": (
            keep_seen(lambda self: self.register_buffer("seen", torch.zeros(1)))
        ),
        "a buffer is a tensor: `torch.tensor(0)`": keep_seen(lambda self: self.register_buffer("seen", 0)),
        "that is the number of batches; a batch has `len(x)` examples": (
            counting(if_training(lambda self, x: self.seen.add_(1)))
        ),
        "that is the size of the last batch; add it to what was there": (
            counting(if_training(lambda self, x: put(self, len(x))))
        ),
        "that is the size of the last batch, in whatever mode; add it to what was there, in training mode": (
            counting(lambda self, x: put(self, len(x)))
        ),
        "those are all the numbers of all examples; `len(x)` counts along the first dimension": (
            counting(if_training(lambda self, x: self.seen.add_(x.numel())))
        ),
        "the sizes of dimension 1 were added; the examples are counted by dimension 0": (
            counting(if_training(lambda self, x: self.seen.add_(x.shape[1])))
        ),
        "nothing was counted. `self.seen += ...` keeps the sum; `self.seen + ...` alone does not": (
            counting(lambda self, x: None)
        ),
        "in evaluation mode, nothing is counted: ask for `self.training`, in `forward` (`self.train` is something "
        "else, a method)": counting(lambda self, x: self.seen.add_(len(x))),
        "the modes are exchanged: in training mode, `self.training` is True": (
            counting(lambda self, x: None if self.training else self.seen.add_(len(x)))
        ),
        "that is the count, which is kept in `self.seen`; return `x`": counting(add, back=lambda self, x: self.seen),
        "that is the count, which is kept in `self.seen`; return `x`. And in evaluation mode, nothing is counted": (
            counting(lambda self, x: self.seen.add_(len(x)), back=lambda self, x: self.seen)
        ),
        "`forward` has to return `x`: what comes after this module needs it": (
            counting(add, back=lambda self, x: None)
        ),
        "in evaluation mode, `x` has to come back, too: put `return x` after the `if`, not inside": (
            counting(add, back=lambda self, x: x if self.training else None)
        ),
        "only a tensor can take the place of a buffer; `self.seen += len(x)` adds to the one that is there": (
            counting(if_training(lambda self, x: setattr(self, "seen", len(x))))
        ),
    }
)


# ------------------------------------------------------------------------- ConvNet: the same task with convolutions


@exercise(
    hints=(
        "With its border, the side has size + 2 * padding pixels. How far can the window move before it meets the end?",
        "It can move by size + 2 * padding - kernel_size pixels, in steps of `stride`; the place where it starts "
        "counts, too.",
    ),
)
def conv_size(size, kernel_size, padding, stride):  # four ints -> int
    return (size + 2 * padding - kernel_size) // stride + 1


conv_size.example(10, 4, 0, 3, gives=3)  # the window starts at 0, 3 and 6


@conv_size.inputs
def windows():
    yield from [(5, 3, 0, 1), (28, 5, 2, 1), (8, 3, 0, 2), (28, 2, 0, 2), (11, 5, 2, 2), (7, 7, 0, 1), (4, 3, 2, 3)]
    yield from [(1, 1, 0, 1), (1, 3, 1, 1), (32, 3, 1, 2), (224, 7, 3, 2), (6, 3, 1, 3), (9, 2, 1, 4), (3, 5, 1, 7)]


conv_size.mistakes(
    {
        "the first place counts as well: add 1 at the end": lambda s, k, p, t: (s + 2 * p - k) // t,
        "the 1 for the first place comes after the division": lambda s, k, p, t: (s + 2 * p - k + 1) // t,
        "the first place counts as well, and a division with `/` gives a float: `//`, and 1 at the end": (
            lambda s, k, p, t: (s + 2 * p - k) / t
        ),
        "`padding` puts a border on both sides, so it counts twice": lambda s, k, p, t: (s + p - k) // t + 1,
        "the border of `padding` is not counted": lambda s, k, p, t: (s - k) // t + 1,
        "the border of `padding` is not counted, nor is the first place": lambda s, k, p, t: (s - k) // t,
        "the border makes the side longer, so add it": lambda s, k, p, t: (s - 2 * p - k) // t + 1,
        "the window moves on by `stride`, so divide by it": lambda s, k, p, t: s + 2 * p - k + 1,
        "without parentheses, only `kernel_size` is divided": lambda s, k, p, t: s + 2 * p - k // t + 1,
        "the window takes room, so subtract `kernel_size`": (lambda s, k, p, t: (s + 2 * p) // t + 1),
        "the window takes room, and the first place counts: subtract `kernel_size`, add 1": lambda s, k, p, t: (
            (s + 2 * p) // t
        ),
        "a division with `/` gives a float; `//` gives the whole number below": (
            lambda s, k, p, t: (s + 2 * p - k) / t + 1
        ),
        "a window that does not fit in whole does not count: round down, with `//`": (
            lambda s, k, p, t: math.ceil((s + 2 * p - k) / t) + 1
        ),
        "`round` may round up, but a window that does not fit in whole does not count: `//`": (
            lambda s, k, p, t: round((s + 2 * p - k) / t) + 1
        ),
    }
)


def run_block(attempt, channels, x, kernels):
    block = build(attempt, channels)
    convs = [module for module in block.modules() if isinstance(module, nn.Conv2d)]
    seen = {
        "the number of convolutions that the block lists": len(convs),
        "the list of their kernels": Words([list(conv.weight.shape) for conv in convs]),
        "the number of its parameters": sum(parameter.numel() for parameter in block.parameters()),
    }
    if not convs:
        seen["the number of plain lists"] = sum(isinstance(value, list) for value in vars(block).values())
    if len(convs) != 2 or seen["the number of its parameters"] != sum(tensor.numel() for tensor in kernels):
        return seen
    order, sizes = find_order(block, convs, x)
    seen["the order in which the two convolutions run"] = [order.index(conv) + 1 for conv in order]
    seen["the list of heights and widths after them"] = Words(sizes)
    if len(set(order)) != 2 or sizes != 2 * [list(x.shape[2:])]:
        return seen
    with torch.no_grad():
        for parameter, value in zip([p for conv in order for p in (conv.weight, conv.bias)], kernels, strict=True):
            parameter.copy_(value)
    given = x.clone()
    seen["your result"] = block(given)
    seen["`x` after the call"] = given
    if find_difference(given, x) is None:
        leaf = x.clone().requires_grad_()
        result = block(leaf)
        if isinstance(result, Tensor) and result.requires_grad:
            result.square().sum().backward()
        seen["the gradient of `x`"] = leaf.grad
        learned = [name for name, parameter in block.named_parameters() if parameter.grad is not None]
        seen["the number of parameters that get a gradient"] = len(learned)
    return seen


def find_order(block, convs, x):
    """Return the convolutions in the order in which they run, and the heights and widths of what they return."""
    order, sizes = [], []

    def note(conv, inputs, output):
        order.append(conv)
        sizes.append(list(output.shape[2:]))

    handles = [conv.register_forward_hook(note) for conv in convs]
    try:
        block(x.clone())
    except RuntimeError:
        if all(size == list(x.shape[2:]) for size in sizes):
            raise
    for handle in handles:
        handle.remove()
    return (order, sizes) if order else (convs, 2 * [list(x.shape[2:])])  # their weights may be used without a call


@exercise(
    hints=(
        "Two convolutions on `self`, each from `channels` to `channels`. What keeps the height and the width?",
        "`self.second(self.first(x).relu())` is what is added to `x`.",
        "ReLU comes twice: between the two convolutions, and after the sum. `.relu()` of a tensor does it.",
    ),
    observe=run_block,
    further="The blocks of a ResNet also have batch normalisation, after each convolution.",
)
class ResidualBlock(nn.Module):  # (N, C, H, W) -> (N, C, H, W)
    def __init__(self, channels):
        super().__init__()
        self.first = nn.Conv2d(channels, channels, kernel_size=3, padding=1)
        self.second = nn.Conv2d(channels, channels, kernel_size=3, padding=1)

    def forward(self, x):
        change = self.second(self.first(x).relu())  # (N, C, H, W)
        return (x + change).relu()


def middle(weight, bias):
    """Return the weight and the bias of a convolution of one channel that takes each place alone."""
    kernel = torch.zeros(1, 1, 3, 3)
    kernel[0, 0, 1, 1] = weight
    return [kernel, torch.tensor([bias])]


ResidualBlock.example(
    *(1, torch.tensor([[[[0.5, 3.0, -2.0]]]]), middle(1.0, -1.0) + middle(2.0, 0.0)),
    # minus 1: -0.5, 2, -3; ReLU: 0, 2, 0; times 2: 0, 4, 0; plus x: 0.5, 7, -2; ReLU: 0.5, 7, 0
    gives={"your result": torch.tensor([[[[0.5, 7.0, 0.0]]]])},
    name="for x = [0.5, 3, -2], where the first convolution subtracts 1 and the second doubles",
)
ZERO_KERNELS = [torch.zeros(16, 16, 3, 3), torch.zeros(16)] * 2
ResidualBlock.example(
    *(16, torch.linspace(-1, 1, 64).reshape(1, 16, 2, 2), ZERO_KERNELS),
    gives={
        "the number of its parameters": 4640,
        "your result": torch.linspace(-1, 1, 64).clamp(min=0).reshape(1, 16, 2, 2),
    },
    name="for channels=16 and parameters that are all 0",
)


@ResidualBlock.inputs
def blocks():
    for shape in (3, 2, 6, 4), (1, 1, 5, 5), (2, 3, 1, 1), (2, 5, 3, 7):
        channels = shape[1]
        kernels = [torch.randn(channels, channels, 3, 3), torch.randn(channels)]
        kernels += [torch.randn(channels, channels, 3, 3), torch.randn(channels)]
        yield case(channels, torch.randn(shape), kernels, name=f"for channels={channels} and an x of shape {shape}")


def compute(forward):
    """Return the answer with another `forward`, made of its two convolutions and x."""
    return change(ResidualBlock, forward=lambda self, x: forward(self.first, self.second, x))


def make_convs(first, second=lambda channels: nn.Conv2d(channels, channels, 3, padding=1)):
    """Return the answer with other convolutions, each made from the number of channels."""

    class Made(ResidualBlock.answer):
        def __init__(self, channels):
            nn.Module.__init__(self)
            self.first, self.second = first(channels), second(channels)

    return Made


def add_first(first, second, x):
    x = first(x).relu()
    return (x + second(x)).relu()


def add_in_place(first, second, x):
    change = second(first(x).relu())
    x += change
    return x.relu()


@ResidualBlock.mistake(
    "the block lists no convolutions: a plain Python list hides them. Assign each to `self`, or use `nn.Sequential` or "
    "`nn.ModuleList`"
)
class HiddenInList(ResidualBlock.answer):
    def __init__(self, channels):
        nn.Module.__init__(self)
        self.convs = [nn.Conv2d(channels, channels, kernel_size=3, padding=1) for _ in range(2)]


@ResidualBlock.mistake(
    "the block lists what `__init__` assigns to `self`, and neither what `forward` makes nor names without `self.`"
)
class NewInForward(ResidualBlock.answer):
    def __init__(self, channels):
        nn.Module.__init__(self)

    def forward(self, x):
        return ResidualBlock.answer(x.shape[1])(x)


@ResidualBlock.mistake("there is one convolution, and it runs twice; each of the two has weights of its own")
class OneForTwo(ResidualBlock.answer):
    def __init__(self, channels):
        nn.Module.__init__(self)
        self.first = self.second = nn.Conv2d(channels, channels, kernel_size=3, padding=1)


ResidualBlock.mistakes(
    {
        "one of the two is never used: the same convolution runs twice": (
            compute(lambda first, second, x: (x + first(first(x).relu())).relu())
        ),
        "with a 3 x 3 kernel, `padding=1` keeps height and width; without it, the sum with `x` has no meaning": (
            make_convs(*2 * [lambda channels: nn.Conv2d(channels, channels, 3)])
        ),
        "with a 3 x 3 kernel, `padding=1` keeps height and width; the first convolution has none": (
            make_convs(lambda channels: nn.Conv2d(channels, channels, 3))
        ),
        "with a 3 x 3 kernel, `padding=1` keeps height and width; the second convolution has none": (
            make_convs(
                lambda channels: nn.Conv2d(channels, channels, 3, padding=1),
                lambda channels: nn.Conv2d(channels, channels, 3),
            )
        ),
        "both convolutions lead from `channels` to `channels`; the first of yours takes one channel": (
            make_convs(lambda channels: nn.Conv2d(1, channels, 3, padding=1))
        ),
        "the kernels are to be 3 x 3; with 1 x 1 a place does not see its neighbours": (
            make_convs(*2 * [lambda channels: nn.Conv2d(channels, channels, 1)])
        ),
        "make the convolutions from the argument `channels`; yours have 16": (
            make_convs(*2 * [lambda channels: nn.Conv2d(16, 16, 3, padding=1)])
        ),
        "`bias=False` leaves the biases out; each convolution has one": (
            make_convs(*2 * [lambda channels: nn.Conv2d(channels, channels, 3, padding=1, bias=False)])
        ),
        "the way around is missing; add `x` to what the convolutions make": (
            compute(lambda first, second, x: second(first(x).relu()).relu())
        ),
        "the way around and the last ReLU are missing": compute(lambda first, second, x: second(first(x).relu())),
        "the ReLU between the two convolutions is missing": (
            compute(lambda first, second, x: (x + second(first(x))).relu())
        ),
        "the ReLU between the convolutions is missing, and so is the last": (
            compute(lambda first, second, x: x + second(first(x)))
        ),
        "the last ReLU is missing, after the sum": compute(lambda first, second, x: x + second(first(x).relu())),
        "the second ReLU comes before the sum; first add `x`, then ReLU": (
            compute(lambda first, second, x: x + second(first(x).relu()).relu())
        ),
        "there is a third ReLU, right after the second convolution, which removes what is negative there": (
            compute(lambda first, second, x: (x + second(first(x).relu()).relu()).relu())
        ),
        "add `x` itself, and not what the first convolution made of it": compute(add_first),
        "the result of the convolutions is added to itself: keep `x` under its name, and give the result another": (
            compute(lambda first, second, x: (2 * second(first(x).relu())).relu())
        ),
        "add `x` as it came, not `x.relu()`": compute(
            lambda first, second, x: (x.relu() + second(first(x).relu())).relu()
        ),
        "`x` is added after each convolution; there is one way around, over both": (
            compute(lambda first, second, x: (x + second((x + first(x)).relu())).relu())
        ),
        "ReLU comes after a convolution, and not before the first": (
            compute(lambda first, second, x: x + second(first(x.relu()).relu()))
        ),
        "what the convolutions make is added to `x`, not multiplied by it": (
            compute(lambda first, second, x: (x * second(first(x).relu())).relu())
        ),
        "what the convolutions make is added to `x`, not put beside it": (
            compute(lambda first, second, x: torch.cat([x, second(first(x).relu())], dim=1).relu())
        ),
        "`detach` cuts the way around off from the layers before; add `x` itself": (
            compute(lambda first, second, x: (x.detach() + second(first(x).relu())).relu())
        ),
        "`x += ...` changes the tensor that was passed in; `x + ...` makes a new one": compute(add_in_place),
        "`no_grad` and `detach` cut the result off, so nothing before it could learn": (
            compute(lambda first, second, x: (x + second(first(x).relu())).relu().detach())
        ),
        "is a `return` missing? `forward` has to return the sum after ReLU": compute(lambda first, second, x: None),
    }
)


@exercise(
    hints=(
        "`keys.transpose(1, 2)` has shape (N, D, L), so `queries @ keys.transpose(1, 2)` has a score for each pair.",
        "Divide the scores, (N, L, L), by the root of D, `queries.shape[2] ** 0.5`. Softmax runs along the keys, the "
        "last dimension.",
        "`weights @ values`: (N, L, L) @ (N, L, D).",
    ),
    rules=(
        keeps_arguments,
        without_calls("Write it out: two products and a softmax.", "scaled_dot_product_attention"),
    ),
    further="On an accelerator, PyTorch's `scaled_dot_product_attention` need not even store the (L, L) weights.",
)
def attention(queries, keys, values):  # three times (N, L, D) -> (N, L, D)
    scores = queries @ keys.transpose(1, 2) / queries.shape[2] ** 0.5  # (N, L, D) @ (N, D, L) -> (N, L, L)
    return nn.Softmax(dim=2)(scores) @ values  # (N, L, L) @ (N, L, D)


attention.example(
    torch.tensor([[[0.0], [math.log(3)]]]),
    torch.tensor([[[1.0], [0.0]]]),
    torch.tensor([[[8.0], [4.0]]]),
    gives=torch.tensor([[[6.0], [7.0]]]),  # the weights are 1/2 and 1/2, then 3/4 and 1/4
    name="for the queries [[0], [1.0986]], the keys [[1], [0]] and the values [[8], [4]]",
)


@attention.inputs
def sequences():
    for shape in (1, 1, 1), (1, 3, 3), (2, 4, 3), (3, 2, 5), (2, 2, 2), (4, 3, 1):
        queries, keys, values = 2 * torch.randn(shape), torch.randn(shape), 5 * torch.randn(shape) - 1
        yield case(queries, keys, values, name=f"for three tensors of shape {shape}")


def attend(scores=lambda q, k: q @ k.mT, scale=lambda q: q.shape[2] ** 0.5, weigh=lambda s: s.softmax(2)):
    """Return the answer with other scores, another divisor, or another way from scores to weights."""
    return lambda queries, keys, values: weigh(scores(queries, keys) / scale(queries)) @ values


attention.mistakes(
    {
        "softmax has to run along the keys, the last dimension; yours runs along the queries": (
            attend(weigh=lambda s: s.softmax(1))
        ),
        "softmax has to run along the keys, the last dimension; yours runs along the batch": (
            attend(weigh=lambda s: s.softmax(0))
        ),
        "the division by the root of D is missing": attend(scale=lambda q: 1),
        "divide by the root of D, not by D": attend(scale=lambda q: q.shape[2]),
        "the scores are multiplied by the root of D; divide by it": attend(scale=lambda q: q.shape[2] ** -0.5),
        "that is the root of L, the number of places; D is the last dimension": (
            attend(scale=lambda q: q.shape[1] ** 0.5)
        ),
        "that is the root of N; D is the last dimension": attend(scale=lambda q: q.shape[0] ** 0.5),
        "D is 2 only in the example of one query; ask for `queries.shape[2]`": attend(scale=lambda q: 2**0.5),
        "`** 1/2` takes the power of 1, then divides by 2; the root is `** 0.5`": attend(
            scale=lambda q: q.shape[2] * 2
        ),
        "softmax is missing: the scores have to become weights that add up to 1": attend(weigh=lambda s: s),
        "softmax comes before the division; divide the scores, then take softmax": (
            lambda q, k, v: (q @ k.mT).softmax(2) / q.shape[2] ** 0.5 @ v
        ),
        "softmax comes last in your code; it turns the scores into weights, before they meet the values": (
            lambda q, k, v: (q @ k.mT / q.shape[2] ** 0.5 @ v).softmax(2)
        ),
        "queries and keys have changed places: each row of scores belongs to a query": (
            attend(scores=lambda q, k: k @ q.mT)
        ),
        "the keys have to be turned, (N, D, L), for a score of each query with each key": (
            attend(scores=lambda q, k: q @ k)
        ),
        "`reshape` and `view` cut the row of numbers into other pieces; `transpose(1, 2)` turns each table": (
            attend(scores=lambda q, k: q @ k.reshape(len(k), k.shape[2], k.shape[1]))
        ),
        "`.T` turns all three dimensions round; `transpose(1, 2)` exchanges the last two": (
            attend(scores=lambda q, k: q @ k.permute(2, 1, 0))
        ),
        "`transpose(0, 1)` exchanges the batch and the places; `transpose(1, 2)` turns each table of keys": (
            attend(scores=lambda q, k: q @ k.transpose(0, 1))
        ),
        "each query met only the key at its own place; `queries @ keys.transpose(1, 2)` lets it meet all": (
            lambda q, k, v: (q * k / q.shape[2] ** 0.5).softmax(2) * v
        ),
        "these are the weights; their product with the values is still to come": (
            lambda q, k, v: (q @ k.mT / q.shape[2] ** 0.5).softmax(2)
        ),
        "these are the scores; softmax and the product with the values are still to come": (
            lambda q, k, v: q @ k.mT / q.shape[2] ** 0.5
        ),
        "the keys are averaged; the weights belong to the values": lambda q, k, v: attend()(q, k, k),
        "the scores are of queries and values; they compare queries and keys": lambda q, k, v: attend()(q, v, v),
        "the weights are turned: the row of weights of a query is to meet the values": (
            attend(weigh=lambda s: s.softmax(2).mT)
        ),
        "that is the first sequence of the batch alone": lambda q, k, v: attend()(q, k, v)[0],
        "the later places are masked; here each place looks at all of them": (
            attend(weigh=lambda s: (s + torch.full_like(s, -math.inf).triu(1)).softmax(2))
        ),
        "sigmoid looks at each score alone, so the weights do not add up to 1": attend(weigh=lambda s: s.sigmoid()),
    }
)
