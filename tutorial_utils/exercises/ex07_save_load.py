"""The exercises of notebook 07, save and load."""

import copy
import io
import math
import os
import pickle
import re
import sys
import tempfile
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from unittest import mock

import torch
from torch import Tensor, nn
from torch.serialization import get_unsafe_globals_in_checkpoint

from tutorial_utils.checkpoints import write_atomically
from tutorial_utils.exercises.cases import case
from tutorial_utils.exercises.compare import Words, find_difference
from tutorial_utils.exercises.exercise import exercise
from tutorial_utils.exercises.observe import in_training, kind_of, learning, numbers
from tutorial_utils.exercises.rules import keeps_arguments


@contextmanager
def make_folder() -> Iterator[Path]:
    """Yield a folder of its own, which is removed again with all that is in it."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:  # on Windows, a mapped file cannot go
        yield Path(folder)


class Attack:
    """Calls a function of this module when it is loaded without `weights_only=True`. The function is harmless."""

    def __reduce__(self):
        return note_call, ()

    def __deepcopy__(self, memo):
        return self


CALLS: list[bool] = []


def note_call():
    CALLS.append(True)


def runs_code(attempt, *inputs):
    """Return whether `attempt`, which may fail, calls the function of an `Attack` in a file among its inputs."""
    CALLS.clear()
    with suppress(Exception), warnings.catch_warnings(action="ignore"):
        attempt(*inputs)
    return bool(CALLS)


def refuses_code(arrange):
    """Expect that a call in a file is refused, by an older PyTorch, too; `arrange` makes the inputs from a path."""

    def rule(attempt, problem):
        with make_folder() as folder:
            path = folder / "attack.pt"
            torch.save({"weight": Attack()}, path)
            assert not runs_code(attempt, *arrange(path)), (
                "The result is right, but a file that calls a function when it is loaded was executed: your code ran "
                "what somebody had put into a file. `weights_only=True` refuses it."
            )
            with mock.patch.dict(os.environ, TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD="1"):  # as before PyTorch 2.6
                assert not runs_code(attempt, *arrange(path)), (
                    "The result is right, but `weights_only=True` is not written, and PyTorch before 2.6 then runs "
                    "what somebody had put into a file. The task asks for it."
                )

    return rule


def listed(names):
    """Return names as words."""
    return Words(", ".join(names) or "nothing")


def read(path, **options):
    return torch.load(path, weights_only=True, **options)


# -------------------------------------------------------------------------------- a state dict: names and tensors


def see_fares(attempt):
    fares = attempt()
    return {"`fares`": Words(f"a model, {kind_of(fares)}") if isinstance(fares, nn.Module) else fares}


@exercise(
    hints=(
        "Which two names does the state dict of an `nn.Linear` have? `fare.state_dict()` shows them.",
        "Each firm is one output, and so one row of `weight`: kilometres first, then minutes.",
        "`weight` has shape (3, 2), `bias` has shape (3,), and both are float32.",
    ),
    observe=see_fares,
)
def fares():
    weight = torch.tensor([[2.0, 0.5], [1.5, 0.75], [2.5, 0.25]])  # (3, 2)
    return {"weight": weight, "bias": torch.tensor([3.0, 4.0, 1.0])}


WEIGHT, BIAS = torch.tensor([[2.0, 0.5], [1.5, 0.75], [2.5, 0.25]]), torch.tensor([3.0, 4.0, 1.0])
WHOLE_TABLE = torch.tensor([[2.0, 0.5, 3.0], [1.5, 0.75, 4.0], [2.5, 0.25, 1.0]])
fares.example(gives={"`fares`": {"weight": WEIGHT, "bias": BIAS}})  # row by row as in the table

fares.mistakes(
    {
        "`weight` is turned: a row belongs to an output, here a firm, and a column to an input": lambda: {
            "weight": WEIGHT.T,
            "bias": BIAS,
        },
        "the base fares are missing; they are the `bias`": lambda: {"weight": WEIGHT},
        "a column of `weight` belongs to one input, and there are two: the base fare is the `bias`": (
            lambda: {"weight": WHOLE_TABLE, "bias": BIAS}
        ),
        "what does not depend on the inputs, the base fare, is the `bias`": lambda: {"weight": WHOLE_TABLE},
        "`bias` has one number for each output, in one dimension: one pair of brackets": lambda: {
            "weight": WEIGHT,
            "bias": BIAS.unsqueeze(0),
        },
        "`bias` has one number for each output, and no second dimension": lambda: {
            "weight": WEIGHT,
            "bias": BIAS.unsqueeze(1),
        },
        "the first column is for the kilometres, the second for the minutes": lambda: {
            "weight": WEIGHT.flip(1),
            "bias": BIAS,
        },
        "`weight` is turned, a row belongs to an output; and `bias` is whole numbers, where a decimal point, as in "
        "`3.0`, makes floats": lambda: {"weight": WEIGHT.T, "bias": BIAS.long()},
        "from numbers without a decimal point `torch.tensor` makes whole numbers; write `3.0`": lambda: {
            "weight": WEIGHT,
            "bias": BIAS.long(),
        },
        "this is one firm alone; each of the three is a row of `weight`, and a number of `bias`": lambda: {
            "weight": WEIGHT[:1],
            "bias": BIAS[:1],
        },
        "a state dict is a dictionary from names to tensors; the model has it, `.state_dict()`": lambda: nn.Linear(
            2, 3
        ),
        "`weight` and `bias` have changed places": lambda: {"weight": BIAS, "bias": WEIGHT},
        "the rows belong to the firms in the order of the table, Ada first": lambda: {
            "weight": WEIGHT.flip(0),
            "bias": BIAS.flip(0),
        },
        "the model does not know of firms; the two names are `weight` and `bias`": lambda: {
            "Ada": WHOLE_TABLE[0],
            "Bo": WHOLE_TABLE[1],
            "Chen": WHOLE_TABLE[2],
        },
        "`weight` is a table: a pair of brackets for each firm, and one around them": lambda: {
            "weight": WEIGHT.flatten(),
            "bias": BIAS,
        },
        "float64 was asked for; `torch.tensor` of floats gives float32": lambda: {
            "weight": WEIGHT.double(),
            "bias": BIAS.double(),
        },
    }
)


def take_and_train(attempt, model):
    """Observe the snapshot, the model that it was taken of, and the snapshot when the model has changed."""
    names = model.state_dict().keys()
    result = attempt(model)
    if isinstance(result, nn.Module):
        return {"your result": Words("a whole model")}
    if callable(result):
        return {"your result": Words("a method that was not called")}
    if not isinstance(result, dict) or result.keys() != names:
        return {"your result": result}
    observed = {
        "your result": dict(result),
        "after your code, `model.state_dict()`": numbers(model),
        "what is in training mode after your code": listed(in_training(model)),
        "what requires gradients in the model after your code": listed(learning(model)),
    }
    if not all(isinstance(tensor, Tensor) for tensor in result.values()):
        return observed
    observed["your result"] = {name: tensor.detach().clone() for name, tensor in result.items()}
    recorded = listed([name for name, tensor in result.items() if tensor.requires_grad])
    observed["what requires gradients in your result"] = recorded
    with torch.no_grad():
        for tensor in model.state_dict().values():
            tensor.copy_(tensor + 1)
    return observed | {"after more training, your result": {n: t.detach().clone() for n, t in result.items()}}


@exercise(
    hints=(
        "`state_dict()` has all the names. Whose memory do its tensors use?",
        "`copy.deepcopy` copies a dictionary with all that is in it.",
    ),
    observe=take_and_train,
)
def snapshot(model):  # -> {name: tensor}
    return copy.deepcopy(model.state_dict())


def make_fare():
    model = nn.Linear(2, 1)
    model.load_state_dict({"weight": torch.tensor([[2.0, 0.5]]), "bias": torch.tensor([3.0])})
    return model


snapshot.example(
    make_fare(),
    gives={"after more training, your result": {"weight": torch.tensor([[2.0, 0.5]]), "bias": torch.tensor([3.0])}},
    name="for the model of a taxi",
)


def normalise(*shape, dtype=torch.float32):
    """Return a model with buffers, nested, two of its layers equal, that has seen a batch."""
    size = shape[-1]
    inner = nn.Sequential(nn.Linear(size, size), nn.BatchNorm1d(size), nn.Dropout(0.5))
    model = nn.Sequential(nn.Linear(shape[0], size), inner, nn.BatchNorm1d(size)).to(dtype)
    model(torch.randn(4, shape[0], dtype=dtype))
    return model


@snapshot.inputs
def models():
    yield case(normalise(2, 3), name="for a model with batch normalisation")
    yield case(normalise(4, 1, dtype=torch.float64).eval(), name="for a model of float64 in evaluation mode")
    frozen = nn.Sequential(nn.Linear(3, 2, bias=False), nn.Linear(2, 2))
    frozen[0].requires_grad_(False)
    yield case(frozen, name="for a model whose first layer is frozen")
    shared = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2))
    shared[2].weight = shared[0].weight
    shared.register_buffer("scratch", torch.ones(2), persistent=False)
    yield case(shared, name="for a model with a shared weight, and a buffer that is not for files")
    yield case(nn.ReLU(), name="for a model without parameters")


snapshot.mistakes(
    {
        "a state dict, and a new dictionary with the same tensors, share the memory of the model; the tensors need "
        "copies, too": lambda model: model.state_dict(),
        "buffers are missing: `named_parameters()` leaves out what batch normalisation has counted, `state_dict()` has "
        "it": lambda model: {name: p.detach().clone() for name, p in model.named_parameters()},
        "`named_parameters()` gives the model's own tensors, no copies, and leaves out the buffers": lambda model: dict(
            model.named_parameters()
        ),
        "`named_parameters()` gives tensors that require gradients, and leaves out the buffers": lambda model: (
            copy.deepcopy(dict(model.named_parameters()))
        ),
        "a snapshot needs no gradients. The tensors of `state_dict()` do not require any": lambda model: copy.deepcopy(
            model.state_dict(keep_vars=True)
        ),
        "`eval()` changes the model; leave it as it is, since it is trained on": lambda model: copy.deepcopy(
            model.eval().state_dict()
        ),
        "that is the model with all its layers; `state_dict()` has the names and tensors": lambda model: model,
        "`state_dict` needs its parentheses": lambda model: model.state_dict,
        "the first name alone is there. Is the `return` inside the loop?": lambda model: next(
            ({name: tensor.clone()} for name, tensor in model.state_dict().items()), None
        ),
        "these are the names alone; a snapshot has a tensor for each": lambda model: list(model.state_dict()),
        "`requires_grad_(False)` freezes the model; leave it as it is, since it is trained on": lambda model: (
            copy.deepcopy(model.requires_grad_(False).state_dict())
        ),
        "the parameters require gradients, and a snapshot does not: `.detach()`, or the tensors of `state_dict()`": (
            lambda model: {name: t.clone() for name, t in (*model.named_parameters(), *model.named_buffers())}
        ),
        "these are the tensors without their names; a dictionary has both": lambda model: list(
            copy.deepcopy(model.state_dict()).values()
        ),
    }
)


# ------------------------------------------------------------------------------------- the mode is not in the file


def load_into_fresh(attempt, trained, model):
    """Observe a fresh model after the state dict of a trained one was put into a file; step by step."""
    with make_folder() as folder:
        torch.save(trained.state_dict(), folder / "model.pt")
        result = attempt(model, folder / "model.pt")
    where = {"`model` itself": model, "another model": result}
    right = (name for name, module in where.items() if has_numbers(module, trained))
    observed = {"what has the numbers in the file after your code": Words(next(right, "no model"))}
    if has_numbers(model, trained):
        others = "another model" if isinstance(result, nn.Module) else kind_of(result)
        observed["your result"] = Words("`model` itself" if result is model else others)
    if has_numbers(model, trained) and result is model:
        observed["what is in training mode after your code"] = listed(in_training(model))
    return observed


def has_numbers(model, trained):
    """Return whether a model has the numbers of another, in every bit."""
    if not isinstance(model, nn.Module):
        return False
    expected, found = numbers(trained), numbers(model)
    return found.keys() == expected.keys() and all(found[name].equal(tensor) for name, tensor in expected.items())


@exercise(
    hints=(
        "Three steps: read the file, load it into the model, choose the mode.",
        "`torch.load(path, weights_only=True)` gives the state dict, and `load_state_dict` copies it into the model.",
        "`model.eval()` changes the mode and returns the model.",
    ),
    observe=load_into_fresh,
    rules=(refuses_code(lambda path: (nn.Linear(2, 3), path)),),
)
def load_for_inference(model, path):  # a state dict in a file -> the model itself
    model.load_state_dict(torch.load(path, weights_only=True))
    return model.eval()


load_for_inference.example(
    make_fare(),
    nn.Linear(2, 1),
    gives={"your result": Words("`model` itself"), "what is in training mode after your code": Words("nothing")},
    name="for the model of a taxi",
)


@load_for_inference.inputs
def trained_and_fresh():
    yield case(normalise(2, 3), normalise(2, 3), name="for a model with dropout and batch normalisation")
    double = torch.float64
    yield case(
        normalise(4, 1, dtype=double),
        normalise(4, 1, dtype=double).eval(),
        name="for a model of float64, in no training",
    )
    bare, fresh = (nn.Sequential(nn.Linear(3, 3, bias=False), nn.Dropout(0.2)) for _ in range(2))
    yield case(bare, fresh, name="for a layer without bias, and dropout")


def load(model, path):
    model.load_state_dict(read(path))
    return model


def load_into_copy(model, path):
    return load(copy.deepcopy(model), path).eval()


def load_and_set_one(model, path):
    load(model, path).training = False
    return model


def load_and_set_children(model, path):
    for module in load(model, path).children():
        module.eval()
    return model


def load_and_return_nothing(model, path):
    load(model, path).eval()


def load_and_return_report(model, path):
    model.eval()
    return model.load_state_dict(read(path))


def load_and_freeze_dropout(model, path):
    for module in load(model, path).modules():
        if isinstance(module, nn.Dropout):
            module.eval()
    return model


load_for_inference.mistakes(
    {
        "the numbers in the file have not reached the model; `load_state_dict` takes them over": lambda model, path: (
            model.eval()
        ),
        "the numbers went into a copy of the model; load them into the one that was passed in": load_into_copy,
        "the model is still in training mode, so dropout would be at work. `model.eval()`, with its parentheses, "
        "belongs after loading": load,
        "`model.training = False` reaches one module; `eval()` reaches those inside it, too": load_and_set_one,
        "`eval()` of the dropout layers alone leaves the other modules in training mode, such as batch normalisation; "
        "`model.eval()` reaches all": load_and_freeze_dropout,
        "the layers inside are in evaluation mode, and the model itself is not; `model.eval()` reaches all": (
            load_and_set_children
        ),
        "that is the state dict; the model itself is asked for": lambda model, path: (
            load(model, path).eval().state_dict()
        ),
        "`return model` is missing at the end; `return model.eval()` does it, too": load_and_return_nothing,
        "`load_state_dict` returns a report on the names; the model itself is asked for": load_and_return_report,
        "`eval` needs its parentheses": lambda model, path: load(model, path).eval().eval,
        "`load_state_dict` returns a report and not the model, so `.eval()` cannot follow it": lambda model, path: (
            model.load_state_dict(read(path)).eval()
        ),
        "`load_state_dict` takes a dictionary; `torch.load` makes it from the file": lambda model, path: (
            model.load_state_dict(path)
        ),
    }
)


# ---------------------------------------------------------------------------------------- the wrong architecture


@exercise(
    hints=(
        "Begin with an empty dictionary, and give it each tensor under its new name.",
        "`name.startswith(old)` says whether a name is to change.",
        "`name.removeprefix(old)` is the rest of the name; `new` belongs before it.",
    ),
    rules=(keeps_arguments,),
)
def rename_keys(state_dict, old, new):  # {name: tensor} -> {name: tensor}
    renamed = {}
    for name, tensor in state_dict.items():
        if name.startswith(old):
            name = new + name.removeprefix(old)
        renamed[name] = tensor
    return renamed


def give(*names):
    """Return a state dict with these names, and tensors of different shapes."""
    return {name: torch.arange(1.0, number + 2) for number, name in enumerate(names)}


rename_keys.example(
    give("net.net.bias", "subnet.bias"),
    "net.",
    "body.",
    gives=give("body.net.bias", "subnet.bias"),
    name='for the names "net.net.bias" and "subnet.bias", with old="net." and new="body."',
)


@rename_keys.inputs
def names_and_prefixes():
    for names, old, new in (
        (("net.0.weight", "subnet.weight", "net.net.bias", "network", "net.a.net.bias"), "net.", "body."),
        (("output.weight", "extra.output.bias", "extra.bias"), "output", "classifier"),
        (("module.output.weight", "module.module.bias", "extra.bias"), "module.", ""),
        (("model.encoder.0.bias", "model.encoder.model.encoder.bias", "model.head.bias"), "model.encoder.", "net."),
        (("net.a.weight", "net.net.weight", "other.net.bias"), "net.", "net.net."),
        (("_orig_mod.a", "b", "a_orig_mod.b"), "_orig_mod.", "m."),
        (("net.weight", "weight.net", "net"), "net", "body"),
        (("weight", "bias"), "net.", "body."),
        ((), "net.", "body."),
    ):
        listed = ", ".join(f'"{name}"' for name in names) or "none"
        yield case(give(*names), old, new, name=f'for the names {listed}, with old="{old}" and new="{new}"')


def rename(change):
    """Return an answer that changes each name by `change(name, old, new)`, and leaves out where that gives None."""

    def rename_keys(state_dict, old, new):
        names = {name: change(name, old, new) for name in state_dict}
        return {names[name]: tensor for name, tensor in state_dict.items() if names[name] is not None}

    return rename_keys


def where_it_begins(change):
    """Return a change of names for those that begin with the old prefix."""
    return rename(lambda name, old, new: change(name, old, new) if name.startswith(old) else name)


def rename_first(state_dict, old, new):
    for name, tensor in rename_keys.answer(state_dict, old, new).items():
        return {name: tensor}


def rename_up_to_dot(name, old, new):
    first, dot, rest = name.partition(".")
    return new + rest if first + dot == old else name


def rename_until_the_first_other(state_dict, old, new):
    renamed = {}
    for name, tensor in state_dict.items():
        if not name.startswith(old):
            break
        renamed[new + name.removeprefix(old)] = tensor
    return renamed


def remove_all(name, old, new):
    while name.startswith(old):
        name = name.removeprefix(old)
    return new + name


rename_keys.mistakes(
    {
        "`replace` found the old beginning in the middle of a name, too. Does the name begin with it (`startswith`)?": (
            rename(lambda name, old, new: name.replace(old, new))
        ),
        "some names have the prefix in them, and do not begin with it; `replace` with a count of 1 takes the first, "
        "wherever it stands (`startswith`)": rename(lambda name, old, new: name.replace(old, new, 1)),
        "`if old in name` finds the prefix in the middle, too; ask `startswith`": rename(
            lambda name, old, new: new + name.removeprefix(old) if old in name else name
        ),
        "only the beginning is the prefix, and the same word further on stays; `name.removeprefix(old)` takes away the "
        "first alone": where_it_begins(lambda name, old, new: name.replace(old, new)),
        "`lstrip` takes away single letters, as many as are among those of the prefix; `name.removeprefix(old)` takes "
        "away the whole word, once": where_it_begins(lambda name, old, new: new + name.lstrip(old)),
        "names that do not begin with the prefix are lost; they stay as they are": rename(
            lambda name, old, new: new + name.removeprefix(old) if name.startswith(old) else None
        ),
        "the new prefix is missing": where_it_begins(lambda name, old, new: name.removeprefix(old)),
        "the new prefix stands before the old one, which should go": where_it_begins(lambda name, old, new: new + name),
        "the new prefix was put before every name; it belongs only where the old one stood": rename(
            lambda name, old, new: new + name.removeprefix(old)
        ),
        "the first name alone is there. Is the `return` inside the loop?": rename_first,
        "nothing is renamed": lambda state_dict, old, new: dict(state_dict),
        "a regular expression takes a dot for any letter; `startswith` takes it for a dot": rename(
            lambda name, old, new: re.sub(f"^{old}", new, name)
        ),
        "`net.` and `body.` are written into your code; use the arguments `old` and `new`": rename(
            lambda name, old, new: "body." + name.removeprefix("net.") if name.startswith("net.") else name
        ),
        "a prefix may have two dots, or none; you compare it with what stands before the first dot": rename(
            rename_up_to_dot
        ),
        "`old` and `new` have changed places": rename(
            lambda name, old, new: old + name.removeprefix(new) if name.startswith(new) else name
        ),
        "a name begins with the prefix, and is seldom equal to it; ask `startswith`": rename(
            lambda name, old, new: new if name == old else name
        ),
        "as many letters were cut off as `new` has; cut off those of `old`": where_it_begins(
            lambda name, old, new: new + name[len(new) :]
        ),
        "there is a dot too many: the prefixes have their own": where_it_begins(
            lambda name, old, new: f"{new}.{name.removeprefix(old)}"
        ),
        "these are the new names alone; each has its tensor": lambda state_dict, old, new: list(
            rename_keys.answer(state_dict, old, new)
        ),
        "`split` cuts at every place where the prefix stands, and the part after the first is not the whole rest": (
            where_it_begins(lambda name, old, new: new + name.split(old)[1])
        ),
        "the prefix was taken away wherever it stands; `name.removeprefix(old)` takes away the beginning, once": (
            where_it_begins(lambda name, old, new: new + name.replace(old, ""))
        ),
        "the prefix was taken away again and again; once is enough": where_it_begins(remove_all),
        "`strip` takes away single letters, at both ends; `name.removeprefix(old)` takes away the whole word, once": (
            where_it_begins(lambda name, old, new: new + name.strip(old))
        ),
        "the old names are there beside the new ones": lambda state_dict, old, new: (
            state_dict | rename_keys.answer(state_dict, old, new)
        ),
        "`new` was put behind the name; it belongs before it": where_it_begins(
            lambda name, old, new: name.removeprefix(old) + new
        ),
        "your code stops at the first name that does not begin with the prefix; it stays, and the next come after it": (
            rename_until_the_first_other
        ),
        "`endswith` looks at the end of a name; `startswith` looks at its beginning": rename(
            lambda name, old, new: new + name.removeprefix(old) if name.endswith(old) else name
        ),
    }
)


def load_and_train(attempt, model, state_dict):
    """Observe a model that a state dict fits in part, and that dictionary when the model has changed."""
    result = attempt(model, state_dict)
    observed = {"after your code, `model.state_dict()`": numbers(model)}
    expected = load_matching.answer(copy.deepcopy(model), state_dict)
    if any(name not in expected and not model.state_dict()[name].equal(state_dict[name]) for name in state_dict):
        return observed  # what fits has not arrived, so the list says little
    observed["your result"] = Words("what `load_state_dict` returns") if hasattr(result, "missing_keys") else result
    if isinstance(result, list) and result != expected and sorted(map(str, result)) == sorted(expected):
        observed["your result"] = Words("a list of the right names in another order")
    observed["what is in training mode after your code"] = listed(in_training(model))
    kept = copy.deepcopy(state_dict)
    with torch.no_grad():
        for tensor in model.state_dict().values():
            tensor.zero_()
    changed = listed([name for name, tensor in state_dict.items() if not tensor.equal(kept[name])])
    return observed | {"what changes in `state_dict` when the model is trained on": changed}


@exercise(
    hints=(
        "Collect what fits in a new dictionary: the name is in `model.state_dict()`, and the shapes there are equal.",
        "`strict=False` lets you load a part. It does not forgive other shapes, so leave those out before.",
        "What is left out: the names in `state_dict` that are not in your new dictionary.",
    ),
    observe=load_and_train,
    rules=(keeps_arguments,),
)
def load_matching(model, state_dict):  # -> the names left out, a list
    own = model.state_dict()
    matching = {}
    for name, tensor in state_dict.items():
        if name in own and own[name].shape == tensor.shape:
            matching[name] = tensor
    model.load_state_dict(matching, strict=False)
    return [name for name in state_dict if name not in matching]


def make_two_layers():
    return nn.Sequential(OrderedDict(hidden=nn.Linear(2, 3), norm=nn.BatchNorm1d(3), output=nn.Linear(3, 2)))


load_matching.example(
    make_fare(),
    {"weight": torch.ones(2, 1), "bias": torch.tensor([7.0]), "extra": torch.ones(1)},
    gives={
        "your result": ["weight", "extra"],  # (2, 1) is not (1, 2); the model has no `extra`
        "after your code, `model.state_dict()`": {"weight": torch.tensor([[2.0, 0.5]]), "bias": torch.tensor([7.0])},
    },
    name="for the model of a taxi, and tensors `weight` (2, 1), `bias` (1,) and `extra`",
)


@load_matching.inputs
def models_and_states():
    parts = {
        "classifier.bias": torch.tensor([8.0, 9.0]),  # its shape fits output.bias, its name does not
        "hidden.weight": torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]),
        "output.weight": torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]),  # (3, 2), and (2, 3) in the model
        "norm.num_batches_tracked": torch.tensor(12),
        "output.bias": torch.tensor([7.0]),  # (1,), and (2,) in the model
        "hidden.bias": torch.tensor([1.5, 2.5, 3.5]),
        "norm.running_var": torch.tensor([[1.5], [2.5], [3.5]]),  # (3, 1), and (3,) in the model
        "norm.running_mean": torch.tensor([1.0, -2.0, 0.5]),
    }
    yield case(make_two_layers(), parts, name="for a state dict that fits in part")
    wider = {"hidden.weight": torch.ones(3, 4), "hidden.bias": torch.ones(3), "output.bias": torch.tensor(5.0)}
    yield case(make_two_layers().eval(), wider, name="for a model in evaluation mode, and layers of other sizes")
    whole = {name: tensor + 1 for name, tensor in make_two_layers().state_dict().items()}
    yield case(make_two_layers(), whole, name="for a state dict that fits as a whole")
    turned = dict(reversed(list(whole.items())))
    yield case(make_two_layers(), turned, name="for a state dict that fits, in another order")
    yield case(make_two_layers(), {"weight": torch.ones(3, 2)}, name="for a state dict of which nothing fits")
    yield case(make_two_layers(), {}, name="for an empty state dict")
    yield case(nn.Linear(2, 1), {"bias": torch.ones(1), "weight": torch.ones(2)}, name="for a `weight` of shape (2,)")


def find_matching(model, state_dict):
    own = model.state_dict()
    return {name: tensor for name, tensor in state_dict.items() if name in own and own[name].shape == tensor.shape}


def match(answer, choose=find_matching, **options):
    """Load what `choose` finds, and return what `answer` makes of the model, the state dict, and what was loaded."""

    def load_matching(model, state_dict):
        matching = choose(model, state_dict)
        report = model.load_state_dict(matching, strict=False, **options)
        return answer(model, state_dict, matching, report)

    return load_matching


def left_out(model, state_dict, matching, report):
    return [name for name in state_dict if name not in matching]


def match_without_loading(model, state_dict):
    return left_out(model, state_dict, find_matching(model, state_dict), None)


def match_parameters(model, state_dict):
    own = dict(model.named_parameters())
    return {name: tensor for name, tensor in find_matching(model, state_dict).items() if name in own}


def match_by_broadcasting(model, state_dict):
    own, others = model.state_dict(), []
    for name, tensor in state_dict.items():
        try:
            own[name].copy_(tensor)
        except (KeyError, RuntimeError):
            others.append(name)
    return others


def match_numel(model, state_dict):
    own = model.state_dict()
    return {
        name: tensor.reshape(own[name].shape)
        for name, tensor in state_dict.items()
        if name in own and own[name].numel() == tensor.numel()
    }


def match_until_the_first_that_fails(model, state_dict):
    matching = find_matching(model, state_dict)
    whole = list(state_dict)
    return {name: matching[name] for place, name in enumerate(whole) if set(whole[: place + 1]) <= matching.keys()}


load_matching.mistakes(
    {
        "nothing was loaded. A new dictionary does not reach the model until `load_state_dict` takes it": (
            match_without_loading
        ),
        "buffers were left out; they are in `model.state_dict()`, and not in `model.named_parameters()`": match(
            left_out, match_parameters
        ),
        "a tensor was spread over more numbers than it has (broadcasting); compare the shapes": match_by_broadcasting,
        "it has as many numbers, but in another shape they would mean something else; leave it out": match(
            left_out, match_numel
        ),
        "your code stops at the first tensor that does not fit; those after it may fit again": match(
            left_out, match_until_the_first_that_fails
        ),
        "`strict=False` forgives names that are missing or too many, and no other shapes; leave those out before": (
            match(left_out, lambda model, state_dict: state_dict)
        ),
        "these names are in the model, too, but with other shapes; compare the shapes before loading": match(
            left_out,
            lambda model, state_dict: {name: t for name, t in state_dict.items() if name in model.state_dict()},
        ),
        "`load_state_dict` does not know of tensors that you left out before; return a list of the names in "
        "`state_dict` that were not loaded": match(lambda *things: things[-1]),
        "these are the names that were loaded; the others are asked for": match(
            lambda model, state_dict, matching, report: list(matching)
        ),
        "names that the model does not have are left out, too": match(
            lambda model, state_dict, matching, report: [
                name for name in state_dict if name in model.state_dict() and name not in matching
            ]
        ),
        "names with another shape are left out, too": match(
            lambda model, state_dict, *_: [name for name in state_dict if name not in model.state_dict()]
        ),
        "these are names of the model that got nothing; go through the names in `state_dict`": match(
            lambda *things: things[-1].missing_keys
        ),
        "`unexpected_keys` knows only what you gave to `load_state_dict`. Go through the names in `state_dict`": match(
            lambda *things: things[-1].unexpected_keys
        ),
        "these are all names in `state_dict`": match(lambda model, state_dict, *_: list(state_dict)),
        "these are all names of the model": match(lambda model, *_: list(model.state_dict())),
        "that is how many were left out; their names are asked for": match(lambda *things: len(left_out(*things))),
        "keep the order of `state_dict`; a comprehension over it does": match(lambda *t: left_out(*t)[::-1]),
        "a set has no order; return a list, in the order of `state_dict`": match(
            lambda *things: set(left_out(*things))
        ),
        "these are tensors; their names are asked for": match(
            lambda model, state_dict, matching, _: {n: t for n, t in state_dict.items() if n not in matching}
        ),
        "with `assign=True` the model takes these tensors for its own; without it, it copies": match(
            left_out, assign=True
        ),
        "a tuple cannot grow; a list is asked for, in brackets": match(lambda *things: tuple(left_out(*things))),
    }
)


# ------------------------------------------------------------------------------------------ a file can run code


def look_into(attempt, content, older=False):
    """Observe the answer for a file with this content, and whether something in it was executed."""
    with make_folder() as folder:
        torch.save(content, folder / "file.pt", _use_new_zipfile_serialization=not older)
        CALLS.clear()
        result = attempt(folder / "file.pt")
    return {"the call in the file": Words("made" if CALLS else "not made"), "your result": result}


@exercise(
    hints=(
        "Ask `torch.load` itself: what happens with `weights_only=True` if it refuses something?",
        "It raises `pickle.UnpicklingError`: `try`, and return False in `except`.",
        "Where no error comes, the file is accepted, and the result is True.",
    ),
    observe=look_into,
)
def is_safe(path):  # a file -> True or False
    try:
        torch.load(path, weights_only=True)
    except pickle.UnpicklingError:
        return False
    return True


is_safe.example(make_fare().state_dict(), gives=True, name="for a state dict")  # names and tensors alone


@is_safe.inputs
def contents():
    model = make_fare()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    yield case({"weight": Attack()}, name="for a file that calls a function when it is loaded")
    yield case({"weight": print}, name="for a file that names `print`")
    yield case(model, name="for a whole model, saved with its class")
    checkpoint = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3, "best": None}
    yield case(checkpoint, name="for a dictionary with the states of a model and of an optimizer")
    yield case(checkpoint | {"more": [Attack(), re.compile("a")]}, name="for a checkpoint with two things to refuse")
    yield case({"weight": torch.ones(2), "path": Path("a")}, name="for a state dict with a `Path` in it")
    yield case(model.weight, name="for a single parameter")
    yield case([1, "print", (2.5, True)], name="for a list of plain values")
    yield case({}, name="for an empty dictionary")
    yield case(model.state_dict(), True, name="for a state dict in the format before ZIP")
    yield case({"weight": Attack()}, True, name="for a file in the format before ZIP that calls a function")


def can_load(**options):
    """Return an answer that tries to load the file, with these options."""

    def is_safe(path):
        try:
            torch.load(path, **options)
        except Exception:
            return False
        return True

    return is_safe


is_safe.mistakes(
    {
        "`get_unsafe_globals_in_checkpoint` cannot look into a file of before ZIP; `torch.load` with "
        "`weights_only=True` reads both formats, and raises an error where it refuses": lambda path: (
            get_unsafe_globals_in_checkpoint(path) == []
        ),
        "that is the list of what would be refused. Is it empty?": get_unsafe_globals_in_checkpoint,
        "yes and no have changed places; an empty list means that nothing in the file would be refused": lambda path: (
            get_unsafe_globals_in_checkpoint(path) != []
        ),
        "that is True for a single thing to refuse; there may be none": lambda path: (
            len(get_unsafe_globals_in_checkpoint(path)) == 1
        ),
        "with `weights_only=False`, loading executes what is in the file, before you know; `True` refuses it": (
            can_load(weights_only=False)
        ),
        "that is how many things would be refused; True or False is asked for": lambda path: len(
            get_unsafe_globals_in_checkpoint(path)
        ),
        "that is True whatever the file is": lambda path: True,
        "`print` is not the only thing to refuse; no other name of Python may be in the list either": lambda path: (
            "builtins.print" not in get_unsafe_globals_in_checkpoint(path)
        ),
        "yes and no have changed places; an error means that something in the file is refused": lambda path: (
            not can_load(weights_only=True)(path)
        ),
        "`weights_only=True` raises an error where it refuses; catch it, and return False": lambda path: (
            [read(path)] != []
        ),
        "that is False whatever the file is. Is the list compared with an empty one, by `==`?": lambda path: (
            get_unsafe_globals_in_checkpoint(path) is None
        ),
        "these are words; True or False is asked for": lambda path: (
            "safe" if get_unsafe_globals_in_checkpoint(path) == [] else "unsafe"
        ),
        "that is what the file holds; True or False is asked for": read,
    }
)


# -------------------------------------------------------------------------------------- the old file or the new one


def keep_once(attempt, model, loss, best, old):
    """Observe one call of `keep_best`; `old` is the state dict in the file before it, or None."""
    with make_folder() as folder:
        path = folder / "best.pt"
        if old is not None:
            torch.save(old, path)
        observed = {"your result": attempt(path, model, loss, best)}
        observed["the file"] = read_state(path)
        others = [file.name for file in folder.iterdir() if file != path]
    return observed | {"what is left beside the file": listed(others)}


def read_state(path):
    """Return what a file holds, or in words what is wrong with it."""
    if not path.exists():
        return Words("not there")
    if not path.stat().st_size:
        return Words("empty")
    if not zipfile.is_zipfile(path):
        return Words("not one of `torch.save`")
    try:
        content = read(path)
    except Exception:
        return Words("one that `weights_only=True` refuses")
    return dict(content) if isinstance(content, dict) else content


def make_watched(at_save):
    """Return a model with a buffer that calls `at_save` while it is saved."""

    class Watched(Tensor):
        def __deepcopy__(self, memo):
            return self.clone()

        def __reduce_ex__(self, protocol):
            at_save()
            return self.as_subclass(Tensor).__reduce_ex__(protocol)

    model = nn.Linear(2, 1)
    model.register_buffer("scale", torch.ones(1).as_subclass(Watched))
    return model


def is_atomic(attempt, problem):
    """Expect that the old file is whole while the new one is written, for whoever looks."""
    seen = []
    with make_folder() as folder, make_folder() as elsewhere:
        path, second_name = folder / "best.pt", elsewhere / "second_name"
        torch.save(nn.Linear(2, 1).state_dict(), path)
        old = path.read_bytes()
        with suppress(OSError):  # not every disk has second names
            os.link(path, second_name)
        attempt(path, make_watched(lambda: seen.append(path.read_bytes() if path.exists() else b"")), 0.25, 0.5)
        in_place = second_name.exists() and second_name.read_bytes() != old
    assert all(content == old for content in seen), (
        "The right file is there in the end, but while your code saves it, the old one is already gone. Write to "
        "another file first, as `write_atomically` does, and let that one take the name at the end."
    )
    assert not in_place, (
        "The right file is there in the end, but your code writes into the old file itself, so there is a moment in "
        "which neither is whole. Let a second, finished file take its name, as `write_atomically` does."
    )


def survives_a_failure(attempt, problem):
    """Expect that after a failure the old file is whole and alone, and that the caller hears of it."""

    def fail():
        raise OSError("the disk is full")

    with make_folder() as folder:
        path = folder / "best.pt"
        torch.save(nn.Linear(2, 1).state_dict(), path)
        old = path.read_bytes()
        try:
            result = attempt(path, make_watched(fail), 0.25, 0.5)
        except Exception:
            result = fail
        assert path.exists(), (
            "The right file is there in the end, but after a save that fails the old one is gone. It should stay until "
            "the new one is whole."
        )
        assert path.read_bytes() == old, "After a save that fails, the old file has changed: it should stay as it was."
        others = [file.name for file in folder.iterdir() if file != path]
        assert result is fail, (
            f"Saving failed, and your function returned {result} as if nothing had happened. Do not catch the error; "
            "whoever calls has to know."
        )
        assert not others, (
            f"After a save that fails, your code leaves {others[0]!r} behind; `write_atomically` tidies up."
        )


@exercise(
    hints=(
        "First decide. If the loss is not lower, there is nothing to write, and `best` is the answer.",
        "A comparison with nan is always False, so `if loss < best:` is right for it, too; `min` is not.",
        "`with write_atomically(path) as file:`, and in that block `torch.save(model.state_dict(), file)`.",
    ),
    observe=keep_once,
    rules=(is_atomic, survives_a_failure),
)
def keep_best(path, model, loss, best):  # file, model, float, float -> float
    if not loss < best:  # nan is not below anything
        return best
    with write_atomically(path) as file:
        torch.save(model.state_dict(), file)
    return loss


keep_best.example(
    make_fare(),
    0.5,
    math.inf,
    None,
    gives={
        "your result": 0.5,  # any number is below infinity
        "the file": {"weight": torch.tensor([[2.0, 0.5]]), "bias": torch.tensor([3.0])},
    },
    name="for a loss of 0.5, infinity as the best so far, and no file yet",
)


@keep_best.inputs
def losses():
    old = nn.Linear(2, 1).state_dict()
    for loss, best in (0.75, 0.5), (math.nan, 0.5), (0.25, 0.5), (0.5, 0.5), (-2.0, -1.5), (-1.5, -2.0):
        yield case(make_fare(), loss, best, old, name=f"for a loss of {loss} and {best} as the best so far")
    yield case(normalise(2, 3), 3.25, 40.0, None, name="for a model with buffers, and a loss of 3.25 after 40")
    yield case(make_fare(), math.nan, math.inf, None, name="for a loss of nan at the very beginning")


def write(path, model):
    with write_atomically(path) as file:
        torch.save(model.state_dict(), file)


def save_with(content):
    """Return an answer that saves `content(model)` if the loss is lower."""

    def keep_best(path, model, loss, best):
        if loss < best:
            with write_atomically(path) as file:
                torch.save(content(model), file)
            return loss
        return best

    return keep_best


def keep_with(decide, answer):
    """Return an answer that saves if `decide(loss, best)`, and returns `answer(loss, best)`."""

    def keep_best(path, model, loss, best):
        if decide(loss, best):
            write(path, model)
        return answer(loss, best)

    return keep_best


def lower(loss, best):
    return loss if loss < best else best


@keep_best.mistake("inside `with write_atomically(path) as file:`, save to `file`, and not to `path`")
def write_to_path(path, model, loss, best):
    if loss < best:
        with write_atomically(path):
            torch.save(model.state_dict(), path)
        return loss
    return best


keep_best.mistakes(
    {
        "nothing was saved; the state dict belongs in the file if the loss is lower": keep_with(
            lambda loss, best: False, lower
        ),
        "your code has written the file every time; it should do so only for a lower loss": keep_with(
            lambda loss, best: True, lower
        ),
        "an equal loss is not lower, so the file should stay (`<`, not `<=`)": keep_with(
            lambda loss, best: loss <= best, lower
        ),
        "nan is not lower than any number, and `not loss >= best` is true for it; `loss < best` is not": keep_with(
            lambda loss, best: not loss >= best, lower
        ),
        "nan is not lower than any number: `loss > best` is false for it, and then the file is written. Ask "
        "`loss < best`": keep_with(
            lambda loss, best: not loss > best, lambda loss, best: best if loss > best else loss
        ),
        "it is saved for a higher loss; a lower one is better": keep_with(
            lambda loss, best: loss > best, lambda loss, best: max(loss, best)
        ),
        "nan is never the lower one, though `min` may give it; without `loss < best`, return `best`": keep_with(
            lambda loss, best: loss < best, min
        ),
        "the newest loss is not always the lowest; without a save, return `best`": keep_with(
            lambda loss, best: loss < best, lambda loss, best: loss
        ),
        "that is the old best, and the new loss is lower": keep_with(
            lambda loss, best: loss < best, lambda loss, best: best
        ),
        "the new loss comes back after a save, and nothing without one; then return `best`": keep_with(
            lambda loss, best: loss < best, lambda loss, best: loss if loss < best else None
        ),
        "True says that it was saved; the lower loss is asked for": keep_with(
            lambda loss, best: loss < best, lambda loss, best: loss < best
        ),
        "save `model.state_dict()`, with its parentheses, and not the model": save_with(lambda model: model),
        "the file should hold the state dict itself, and nothing around it": save_with(
            lambda model: {"model": model.state_dict()}
        ),
        "buffers are missing in the file; `state_dict()` has them": save_with(
            lambda model: {name: p.detach() for name, p in model.named_parameters()}
        ),
        "these are both losses; the lower one is asked for": keep_with(
            lambda loss, best: loss < best, lambda loss, best: (loss, best)
        ),
    }
)


# ------------------------------------------------------------------- stop, and go on as if nothing had happened


def momentum(parameters):
    return torch.optim.SGD(parameters, lr=0.1, momentum=0.9)


def start(optimize):
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Dropout(0.5), nn.Linear(2, 1))
    return model, optimize(model.parameters())


def train(model, optimizer, steps):
    x = torch.tensor([[1.0, -2.0], [0.0, 1.0], [3.0, 1.0], [-1.0, 0.5]])
    for _ in range(steps):
        loss = nn.functional.mse_loss(model(x), x.sum(dim=1, keepdim=True))

        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def save_run(path, optimize, steps, seed=1):
    """Train for some steps, put the checkpoint into a file, and return it."""
    torch.manual_seed(seed)
    model, optimizer = start(optimize)
    train(model, optimizer, steps)
    parts = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "random_state": torch.get_rng_state()}
    torch.save(parts | {"steps": steps}, path)
    return parts


def go_on(attempt, optimize, steps):
    """Observe a fresh run that goes on from the checkpoint of another; of a wrong model or optimizer only that."""
    with make_folder() as folder:
        checkpoint = save_run(folder / "run.pt", optimize, steps)
        torch.manual_seed(2)
        model, optimizer = start(optimize)
        for group in optimizer.param_groups:
            group["lr"] = 0.75  # a fresh optimizer may have another one
        result = attempt(folder / "run.pt", model, optimizer)
    observed = {"after your code, `model.state_dict()`": numbers(model)}
    if find_difference(observed["after your code, `model.state_dict()`"], dict(checkpoint["model"])):
        return observed
    theirs = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    same = all(a is b for a, b in zip(theirs, model.parameters(), strict=True))
    observed["what the optimizer changes"] = Words("the parameters of `model`" if same else "no parameters of `model`")
    observed["after your code, `optimizer.state_dict()`"] = optimizer.state_dict()
    if find_difference(optimizer.state_dict(), checkpoint["optimizer"]) or not same:
        return observed
    observed["after your code, `torch.rand(3)`"] = torch.rand(3)
    observed["what is in training mode after your code"] = listed(in_training(model))
    return observed | {"your result": Words(kind_of(result)) if isinstance(result, dict | tuple) else result}


@exercise(
    hints=(
        "Read the file once; then each of its four entries has a place to go.",
        "The model and the optimizer each have a `load_state_dict`.",
        "`torch.set_rng_state` sets the random numbers, and `steps` is what you return.",
    ),
    observe=go_on,
    rules=(refuses_code(lambda path: (path, *start(momentum))),),
)
def restore(path, model, optimizer):  # -> the number of finished steps
    checkpoint = torch.load(path, weights_only=True)
    model.load_state_dict(checkpoint["model"])
    optimizer.load_state_dict(checkpoint["optimizer"])
    torch.set_rng_state(checkpoint["random_state"])
    return checkpoint["steps"]


restore.example(momentum, 2, gives={"your result": 2}, name="for a run of 2 steps with momentum")


@restore.inputs
def runs():
    yield case(torch.optim.Adam, 3, name="for a run of 3 steps with Adam")
    yield case(torch.optim.SGD, 1, name="for a run of 1 step without momentum")
    yield case(momentum, 0, name="for a run that has not made a step yet")


def restore_parts(*parts, answer=lambda checkpoint: checkpoint["steps"], **options):
    """Return an answer that loads these parts."""

    def restore(path, model, optimizer):
        checkpoint = read(path)
        if "model" in parts:
            model.load_state_dict(checkpoint["model"], **options)
        if "optimizer" in parts:
            optimizer.load_state_dict(checkpoint["optimizer"])
        if "random_state" in parts:
            torch.set_rng_state(checkpoint["random_state"])
        return answer(checkpoint)

    return restore


EVERYTHING = "model", "optimizer", "random_state"
restore_all = restore_parts(*EVERYTHING)


def restore_with_seed(path, model, optimizer):
    torch.manual_seed(0)
    return restore_parts("model", "optimizer")(path, model, optimizer)


def restore_parameters(path, model, optimizer):
    own = {name: tensor for name, tensor in read(path)["model"].items() if name in dict(model.named_parameters())}
    steps = restore_parts("optimizer", "random_state")(path, model, optimizer)
    model.load_state_dict(own, strict=False)
    return steps


def restore_settings(path, model, optimizer):
    optimizer.param_groups[0]["lr"] = read(path)["optimizer"]["param_groups"][0]["lr"]
    return restore_parts("model", "random_state")(path, model, optimizer)


restore.mistakes(
    {
        "the model was not loaded": restore_parts("optimizer", "random_state"),
        "buffers were left out, here those of the batch normalisation; `model.load_state_dict` takes all": (
            restore_parameters
        ),
        "the optimizer was not loaded: its learning rate, and what it has gathered, such as momentum": restore_parts(
            "model", "random_state"
        ),
        "the learning rate alone was taken over; `optimizer.load_state_dict` takes the momentum and the like, too": (
            restore_settings
        ),
        "the random state was not loaded; hand `random_state` to `torch.set_rng_state`": restore_parts(
            "model", "optimizer"
        ),
        "a seed begins the random numbers anew; hand `random_state` to `torch.set_rng_state`, which goes on": (
            restore_with_seed
        ),
        "the optimizer trains parameters that the model had before; leave out `assign=True`, and it keeps them": (
            restore_parts(*EVERYTHING, assign=True)
        ),
        "the training is to go on, so the model stays in training mode; leave out `eval()`": (
            lambda path, model, optimizer: restore_all(path, model.eval(), optimizer)
        ),
        "that is all of the file; its entry `steps` is asked for": restore_parts(*EVERYTHING, answer=lambda file: file),
        "the finished steps are asked for, and the next one is not finished": restore_parts(
            *EVERYTHING, answer=lambda file: file["steps"] + 1
        ),
        "the entry `steps` is the number of finished steps; return it": restore_parts(
            *EVERYTHING, answer=lambda file: len(file)
        ),
        "the model and the optimizer are in the arguments already; the number of finished steps is asked for": (
            lambda path, model, optimizer: restore_all(path, model, optimizer) >= 0 and (model, optimizer)
        ),
        "that is a text; the number is asked for": lambda *inputs: str(restore_all(*inputs)),
    }
)


# ------------------------------------------------------------------------- a large file, without a second copy


def makes_no_numbers(attempt, problem):
    """Expect a model on a device without numbers, so that one of any size fits."""
    made: list[str] = []

    def build():
        model = nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5))
        made.extend(tensor.untyped_storage().device.type for tensor in model.state_dict().values())
        return model

    attempt(build)
    assert set(made) == {"meta"}, (
        f"The number is right, but your code makes the model on the device {made[0]}, with all its numbers. Under "
        '`with torch.device("meta"):` there are none, and the largest model takes no memory.'
    )
    size = attempt(lambda: nn.Linear(1_000_000, 1_000_000, bias=False))
    assert size == 4 * 10**12, f"For a layer of 1,000,000 x 1,000,000, your result is {size}, expected 4000000000000."


@exercise(
    hints=(
        "How did the section make VGG16 in milliseconds? `build` is to be called in the same way.",
        "`model.state_dict().values()` are all the tensors of the file, buffers included.",
        "A tensor has `numel()` numbers of `element_size()` bytes each.",
    ),
    rules=(makes_no_numbers,),
)
def file_bytes(build):  # a function that returns a model -> a whole number
    with torch.device("meta"):
        model = build()
    tensors = model.state_dict().values()
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


file_bytes.example(
    lambda: nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5)),
    gives=168,  # 15 + 5 weights, 4 * 5 for the normalisation, 4 bytes each; and one whole number of 8 bytes
    name="for a linear layer from 3 to 5 and a batch normalisation",
)


class Scaled(nn.Module):
    """A layer with buffers of several dtypes, one of which is not for files."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 3, bias=False, dtype=torch.float64)
        self.register_buffer("mask", torch.ones(7, dtype=torch.bool))
        self.register_buffer("step", torch.tensor(3, dtype=torch.int16))
        self.register_buffer("scratch", torch.ones(9), persistent=False)


@file_bytes.inputs
def builders():
    yield case(lambda: nn.Linear(3, 5, dtype=torch.float16), name="for a linear layer of float16 from 3 to 5")
    yield case(Scaled, name="for a layer of float64 with buffers of several dtypes, one of them not for files")
    yield case(nn.ReLU, name="for a ReLU")
    yield case(lambda: nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Linear(2, 2))), name="for two equal layers")
    yield case(lambda: nn.Conv2d(3, 4, 5, bias=False), name="for a convolution without bias")


def on_meta(count):
    """Return an answer that makes the model on the meta device, and counts with `count(tensors, model)`."""

    def file_bytes(build):
        with torch.device("meta"):
            model = build()
        return count(list(model.state_dict().values()), model)

    return file_bytes


def add_numels(tensors):
    return sum(tensor.numel() for tensor in tensors)


def add_bytes(tensors):
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


file_bytes.mistakes(
    {
        "that is the parameters alone; the buffers are in the file, too, and `state_dict()` has them": on_meta(
            lambda _, model: add_bytes(model.parameters())
        ),
        "that is the parameters alone, each number with 4 bytes; `state_dict()` has the buffers, too, and "
        "`element_size()` is the number of bytes": on_meta(lambda _, model: 4 * add_numels(model.parameters())),
        "that counts the numbers of the parameters, not their bytes": on_meta(
            lambda _, model: add_numels(model.parameters())
        ),
        "that counts the numbers, not their bytes": on_meta(lambda tensors, _: add_numels(tensors)),
        "not every number has 4 bytes: a float16 has 2, an int64 has 8. Ask each tensor for its `element_size()`": (
            on_meta(lambda tensors, _: 4 * add_numels(tensors))
        ),
        "the number of tensors is not their size": on_meta(lambda tensors, _: len(tensors)),
        "these are MiB; bytes are asked for": on_meta(lambda tensors, _: add_bytes(tensors) / 2**20),
        "these are KiB; bytes are asked for": on_meta(lambda tensors, _: add_bytes(tensors) / 2**10),
        "these are bits; a byte has 8": on_meta(lambda tensors, _: 8 * add_bytes(tensors)),
        "a buffer made with `persistent=False` is in `buffers()`, and not in the state dict, nor in the file": on_meta(
            lambda _, model: add_bytes([*model.parameters(), *model.buffers()])
        ),
        "each dtype has its own size; you took that of the first tensor for all": on_meta(
            lambda tensors, _: add_numels(tensors) * (tensors[0].element_size() if tensors else 4)
        ),
        "these are the sizes one by one; add them up": on_meta(lambda tensors, _: [t.nbytes for t in tensors]),
        "that is the first tensor alone. Is the `return` inside the loop?": on_meta(
            lambda tensors, _: tensors[0].nbytes if tensors else None
        ),
        "`element_size()` is the size of a single number; times `numel()`, it is that of the tensor": on_meta(
            lambda tensors, _: sum(tensor.element_size() for tensor in tensors)
        ),
        "`len` of a tensor counts along its first dimension; `numel()` counts all numbers": on_meta(
            lambda tensors, _: sum(len(tensor) * tensor.element_size() for tensor in tensors)
        ),
        "`build` is a function; with parentheses, `build()`, it returns the model": lambda build: add_bytes(
            build.state_dict().values()
        ),
        "that is the last tensor alone; add them all up": on_meta(
            lambda tensors, _: tensors[-1].nbytes if tensors else 0
        ),
        "not every number has 8 bytes: a float32 has 4. Ask each tensor for its `element_size()`": on_meta(
            lambda tensors, _: 8 * add_numels(tensors)
        ),
        "the sizes of a shape are multiplied, as `numel()` does, and not added": on_meta(
            lambda tensors, _: sum(sum(tensor.shape) * tensor.element_size() for tensor in tensors)
        ),
        "`sys.getsizeof` measures the Python object, not the numbers of the tensor": on_meta(
            lambda tensors, _: sum(map(sys.getsizeof, tensors))
        ),
    }
)


# ---------------------------------------------------------------------------- to another device, to another program


def in_words(value):
    """Return words for a tensor, whatever its numbers and its device are."""
    if callable(value):
        return Words("a method")
    return Words("a tensor") if isinstance(value, Tensor) else value


NO_NUMBERS = {"mmap": True, "map_location": "meta"}  # without mmap, PyTorch 2.9 reads the numbers, and forgets them


def look_at_outline(attempt, state_dict):
    with make_folder() as folder:
        torch.save(state_dict, folder / "model.pt")
        result = attempt(folder / "model.pt")
    if isinstance(result, dict):
        result = {in_words(name): in_words(value) for name, value in result.items()}
    return {"your result": result}


class CountedFile(io.FileIO):
    """A file that adds up how many bytes are read from any such file."""

    bytes_read = 0

    def readinto(self, buffer):
        count = super().readinto(buffer)
        CountedFile.bytes_read += count
        return count

    def readall(self):
        content = super().readall()
        CountedFile.bytes_read += len(content)
        return content


def open_counted(path, mode="r", *args, plainly=open, **kwargs):
    return io.BufferedReader(CountedFile(path)) if mode == "rb" else plainly(path, mode, *args, **kwargs)


def reads_no_numbers(attempt, problem):
    """Expect that few bytes of a file are read; what is mapped into memory is not."""
    CountedFile.bytes_read = 0
    with make_folder() as folder:
        torch.save({"weight": torch.zeros(500, 500)}, folder / "model.pt")
        with mock.patch("builtins.open", open_counted), mock.patch("io.open", open_counted):
            attempt(folder / "model.pt")
    assert CountedFile.bytes_read < 500_000, (
        "Names and shapes are right, but your code has read all the numbers, too; from a large file that takes seconds "
        'and gigabytes. `mmap=True, map_location="meta"` reads none.'
    )


@exercise(
    hints=(
        "The section has shown how to read the names and shapes of a file, and no numbers.",
        '`torch.load(path, weights_only=True, mmap=True, map_location="meta")` gives a dictionary of tensors.',
        "`list(tensor.shape)` is the list of sizes.",
    ),
    observe=look_at_outline,
    rules=(reads_no_numbers, refuses_code(lambda path: (path,))),
)
def outline(path):  # a state dict in a file -> {name: list of sizes}
    state_dict = torch.load(path, weights_only=True, mmap=True, map_location="meta")
    return {name: list(tensor.shape) for name, tensor in state_dict.items()}


outline.example(
    make_fare().state_dict(),
    gives={"weight": [1, 2], "bias": [1]},  # one output, two inputs
    name="for the file of `fare`",
)


@outline.inputs
def state_dicts():
    convolution = {"conv.weight": torch.zeros(4, 1, 3, 2), "conv.bias": torch.zeros(4), "batches": torch.tensor(3)}
    yield case(convolution, name="for a file with a convolution and a single number")
    yield case(normalise(2, 3, dtype=torch.float64).state_dict(), name="for a model of float64 with buffers")
    yield case({"rows": torch.zeros(0, 3), "flags": torch.tensor([True])}, name="for tensors without numbers, and bool")
    yield case({}, name="for an empty state dict")


def outline_as(change):
    """Return an answer that gives `change(tensor)` for each name."""
    return lambda path: {name: change(tensor) for name, tensor in read(path, **NO_NUMBERS).items()}


outline.mistakes(
    {
        "a shape is a `torch.Size`, a kind of tuple; `list(tensor.shape)` makes a list of it": outline_as(
            lambda tensor: tensor.shape
        ),
        "these are the tensors; their shapes are asked for, `list(tensor.shape)`": outline_as(lambda tensor: tensor),
        "these are element counts; `shape` has the sizes": outline_as(lambda tensor: tensor.numel()),
        "these are the numbers of dimensions; `shape` has the sizes": outline_as(lambda tensor: tensor.ndim),
        "these are texts; `list(tensor.shape)` makes a list of whole numbers": outline_as(
            lambda tensor: str(list(tensor.shape))
        ),
        "these are the dtypes; `shape` has the sizes": outline_as(lambda tensor: tensor.dtype),
        "that is the first size of each; `list(tensor.shape)` has all": outline_as(
            lambda tensor: list(tensor.shape[:1])
        ),
        "`shape` is put into a list; `list(...)` makes it one": outline_as(lambda tensor: [tensor.shape]),
        "a tensor with a single number has no dimension, and the shape `[]`; leave nothing out": lambda path: {
            name: list(tensor.shape) for name, tensor in read(path, **NO_NUMBERS).items() if tensor.ndim
        },
        "a tensor with a single number has no dimension, and the shape `[]`, not `[1]`": outline_as(
            lambda tensor: list(tensor.shape) or [1]
        ),
        "these are the names alone; each has its shape": lambda path: list(read(path, **NO_NUMBERS)),
        "these are the shapes alone; each has its name": lambda path: [
            list(tensor.shape) for tensor in read(path, **NO_NUMBERS).values()
        ],
        "the first name alone is there. Is the `return` inside the loop?": lambda path: next(
            ({name: list(tensor.shape)} for name, tensor in read(path, **NO_NUMBERS).items()), None
        ),
        "these are pairs in a list; a dictionary is asked for": lambda path: [
            (name, list(tensor.shape)) for name, tensor in read(path, **NO_NUMBERS).items()
        ],
        "the sizes are in the opposite order": outline_as(lambda tensor: list(tensor.shape)[::-1]),
        "that is how many numbers there are in all; the shape has a size for each dimension": outline_as(
            lambda tensor: [tensor.numel()]
        ),
        "a dimension of size 1 is part of the shape": outline_as(lambda tensor: list(tensor.squeeze().shape)),
        "`size` is a method, and needs its parentheses; `shape` needs none": outline_as(lambda tensor: tensor.size),
    }
)


def average_saved(attempt, states, from_cuda=False):
    """Observe the average of these state dicts in files, the last of which may say that it was saved on CUDA."""
    with make_folder() as folder:
        paths = [folder / f"{number}.pt" for number in range(len(states))]
        for path, state_dict in zip(paths, states, strict=True):
            torch.save(state_dict, path)
        if from_cuda:
            say_cuda(paths[-1])
        return {"your result": attempt(paths)}


def say_cuda(path):
    """Change a file so that its tensors say that they were on a CUDA device."""
    with zipfile.ZipFile(path) as archive:
        records = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in records.items():
            archive.writestr(name, content.replace(b"X\3\0\0\0cpu", b"X\6\0\0\0cuda:0"))  # the pickle of a text


@exercise(
    hints=(
        'Load each file with `weights_only=True` and `map_location="cpu"`; then go through the names of the first.',
        "`tensor.is_floating_point()` is False for whole numbers: those you take from the first file.",
        "`torch.stack` puts the tensors of one name behind each other, and `mean(dim=0)` averages over the files.",
    ),
    observe=average_saved,
    rules=(refuses_code(lambda path: ([path],)),),
)
def average_files(paths):  # files with state dicts -> {name: tensor}
    states = [torch.load(path, weights_only=True, map_location="cpu") for path in paths]
    result = dict(states[0])
    for name, tensor in states[0].items():
        if tensor.is_floating_point():
            tensors = torch.stack([state[name] for state in states])  # (files, ...)
            result[name] = tensors.mean(dim=0)  # (files, ...) -> (...)
    return result


def biases(*numbers):
    """Return state dicts with a bias, and a count that grows by 3."""
    return [{"bias": torch.tensor([number]), "count": torch.tensor(10 + 3 * i)} for i, number in enumerate(numbers)]


average_files.example(
    biases(3.0, -3.0, 1.5),
    gives={"bias": torch.tensor([0.5]), "count": torch.tensor(10)},  # 1.5 / 3, and the count of the first file
    name="for biases of 3, -3 and 1.5, and counts of 10, 13 and 16",
)


def make_states(count):
    """Return state dicts with tensors of many shapes and dtypes, those of halves with exact means."""
    return [
        {
            "weight": torch.randn(2, 3, 4),
            "count": torch.tensor(7 + 5 * i),
            "half": torch.tensor([[3.0 * i], [6.0 - 12.0 * i]]).half(),
            "scale": torch.tensor(0.5 - i),
            "double": torch.randn(3, 1, dtype=torch.float64),
            "brain": torch.tensor([12.0 * i, 24.0]).bfloat16(),
            "mask": torch.tensor([i == 0, i == 1]),
            "byte": torch.tensor([200 + i], dtype=torch.uint8),
            "short": torch.tensor([[-3, 4 + i]], dtype=torch.int32),
            "none": torch.zeros(0, 3),
        }
        for i in range(count)
    ]


@average_files.inputs
def several_files():
    first, second, third = make_states(3)
    turned = dict(reversed(list(second.items())))
    yield case([first, turned, third], name="for three files, with many dtypes, and in one the names in another order")
    yield case(make_states(2), name="for two files")
    yield case(make_states(1), name="for one file")
    yield case(biases(2.0, 5.0), True, name="for two files, one of them saved on a machine with CUDA")


def combine(floats, whole=lambda tensors: tensors[0], is_float=torch.is_floating_point, **options):
    """Return an answer that combines float tensors with `floats`, the others with `whole`."""

    def average_files(paths):
        states = [read(path, **{"map_location": "cpu"} | options) for path in paths]
        result = {}
        for name in states[0]:
            tensors = [state[name] for state in states]
            result[name] = floats(tensors) if is_float(tensors[0]) else whole(tensors)
        return {name: tensor for name, tensor in result.items() if tensor is not None}

    return average_files


def mean(tensors):
    return sum(tensors) / len(tensors)


def mean_in_pairs(tensors):
    result = tensors[0]
    for tensor in tensors[1:]:
        result = (result + tensor) / 2
    return result


def mean_by_place(paths):
    states = [read(path, map_location="cpu") for path in paths]
    columns = zip(*(state.values() for state in states), strict=True)
    return {
        name: mean(tensors) if tensors[0].is_floating_point() else tensors[0]
        for name, tensors in zip(states[0], columns, strict=True)
    }


average_files.mistakes(
    {
        "that is a sum; divide it by the number of files": combine(sum),
        "the sum was divided by 2; there may be any number of files": combine(lambda tensors: sum(tensors) / 2),
        "the sum was divided by 3; there may be any number of files": combine(lambda tensors: sum(tensors) / 3),
        "the last file counts as much as all before it; add them all up first": combine(mean_in_pairs),
        "that is the first file; the others should count as much": combine(lambda tensors: tensors[0]),
        "that is the last file; each should count as much as the others": combine(lambda tensors: tensors[-1]),
        "that is the last file, its whole numbers included; each file should count as much as the others": combine(
            lambda tensors: tensors[-1], whole=lambda tensors: tensors[-1]
        ),
        "that is one mean over everything; `mean(dim=0)` averages over the files alone": combine(
            lambda tensors: torch.stack(tensors).mean()
        ),
        "the last file was left out": combine(lambda tensors: mean(tensors[:-1] or tensors)),
        "the first file counts twice; begin at 0, or with the second": combine(
            lambda tensors: (sum(tensors) + tensors[0]) / len(tensors)
        ),
        "the first file was not added": combine(lambda tensors: sum(tensors[1:], 0 * tensors[0]) / len(tensors)),
        "that is the median; the mean is asked for": combine(lambda tensors: torch.stack(tensors).median(0).values),
        "a float16, a bfloat16 and a float64 are floats, too, and to be averaged; `is_floating_point()` is True for "
        "them": combine(mean, is_float=lambda tensor: tensor.dtype == torch.float32),
        "the means have become float32; each tensor keeps its dtype": combine(
            lambda tensors: mean([tensor.float() for tensor in tensors])
        ),
        "an int64 is not the only dtype of whole numbers; `is_floating_point()` is False for all": combine(
            mean, is_float=lambda tensor: tensor.dtype != torch.int64
        ),
        "whole numbers, such as a count of batches, are not to be averaged; take those of the first file": combine(
            mean, whole=mean
        ),
        "whole numbers are not to be averaged, and cut off; take those of the first file": combine(
            mean, whole=lambda tensors: mean(tensors).to(tensors[0].dtype)
        ),
        "all numbers were made float32 and averaged; whole numbers are those of the first file, and each tensor keeps "
        "its dtype": combine(lambda t: mean([x.float() for x in t]), whole=lambda t: mean([x.float() for x in t])),
        "the whole numbers are those of the last file; take those of the first": combine(
            mean, whole=lambda tensors: tensors[-1]
        ),
        "the whole numbers are missing; take those of the first file as they are": combine(
            mean, whole=lambda tensors: None
        ),
        "your result is on the meta device, which has no numbers; here they are needed, on the CPU": combine(
            mean, map_location="meta"
        ),
        'a file that was saved on a machine with CUDA cannot be loaded on one without; with `map_location="cpu"` it '
        "can": combine(mean, map_location=None),
        "tensors belong together by their names; in the files, these may stand in another order": mean_by_place,
        "`cat` joins the rows of the files to one long tensor; `stack` gives each file a place of its own, and "
        "`mean(dim=0)` averages over them": combine(lambda tensors: torch.cat(tensors).mean(dim=0)),
        "`//` rounds down; `/` does not": combine(lambda tensors: sum(tensors) // len(tensors)),
        "`//` rounds down, and whole numbers are not to be averaged": combine(
            lambda tensors: sum(tensors) // len(tensors), whole=lambda tensors: sum(tensors) // len(tensors)
        ),
        "the whole numbers are the largest of all files; take those of the first": combine(
            mean, whole=lambda tensors: torch.stack(tensors).max(0).values
        ),
        "`dim=0` of the stack counts the files; you averaged over dimension 1": combine(
            lambda tensors: torch.stack(tensors).mean(dim=1)
        ),
    }
)
