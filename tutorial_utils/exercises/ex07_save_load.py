"""The exercises of notebook 07, save and load."""

import copy
import math
import os
import tempfile
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
from tutorial_utils.exercises.compare import expect_close
from tutorial_utils.exercises.old import Calls, Exercise, call, expect_no_loop, find_difference  # noqa: F401


@contextmanager
def _make_folder() -> Iterator[Path]:
    """Yield a folder of its own, which is removed again with all that is in it."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:  # on Windows, a mapped file cannot go
        yield Path(folder)


def _expect_unchanged(state_dict, before):
    changed = (
        "Your code changes the dictionary `state_dict`; whoever passed it in still needs it. Make a new dictionary."
    )
    assert state_dict.keys() == before.keys(), changed
    assert all(state_dict[name].equal(tensor) for name, tensor in before.items()), changed


class _Attack:
    """Calls a function of this module when it is loaded without `weights_only=True`. The function is harmless."""

    def __reduce__(self):
        return _note_that_code_ran, ()


_code_ran: list[bool] = []


def _note_that_code_ran():
    _code_ran.append(True)


def _expect_no_code_to_run(attempt, *inputs):
    """Call `attempt`, which may fail or not, with a file among its inputs that calls a function if it is let."""
    _code_ran.clear()
    with suppress(Exception):
        attempt(*inputs)
    assert not _code_ran, (
        "A file that calls a function when it is loaded got its way: your code ran what somebody had put into a file. "
        "`weights_only=True` refuses it."
    )


# -------------------------------------------------------------------------------- a state dict: names and tensors


def fares():
    weight = torch.tensor([[2.0, 0.5], [1.5, 0.75], [2.5, 0.25]])  # (3, 2)
    return {"weight": weight, "bias": torch.tensor([3.0, 4.0, 1.0])}


def verify_fares(attempt):
    weight, bias = torch.tensor([[2.0, 0.5], [1.5, 0.75], [2.5, 0.25]]), torch.tensor([3.0, 4.0, 1.0])
    whole = torch.cat([weight, bias.unsqueeze(1)], dim=1)  # (3, 3)
    turned = "`weight` is turned: a row belongs to an output, here a firm, and a column to an input"
    assert not isinstance(attempt, nn.Module), (
        f"`fares` is a {type(attempt).__name__}, expected its state dict: a dictionary with a tensor for each name."
    )
    expect_close(
        attempt,
        {"weight": weight, "bias": bias},
        mistakes={
            turned: {"weight": weight.T, "bias": bias},
            "the beginning prices are missing; they are the `bias`": {"weight": weight},
            "a column of `weight` belongs to one input, and there are two: the price to begin with is the `bias`": {
                "weight": whole,
                "bias": bias,
            },
            "what does not depend on the inputs, the price to begin with, is the `bias`": {"weight": whole},
            "`bias` has one number per output, in one dimension": {"weight": weight, "bias": bias.unsqueeze(0)},
            "`bias` has one number for each output, and no second dimension": {
                "weight": weight,
                "bias": bias.unsqueeze(1),
            },
            "the first column is for the kilometres, the second for the minutes": {
                "weight": weight.flip(1),
                "bias": bias,
            },
        },
        name="`fares`",
    )


fares = Exercise(
    fares,
    verify_fares,
    hints=(
        "Which two names does the state dict of an `nn.Linear` have? `fare.state_dict()` shows them.",
        "Each firm is one output, and so one row of `weight`: kilometres first, then minutes.",
        "`weight` has shape (3, 2), `bias` has shape (3,), and both are float32.",
    ),
)


def snapshot(model):  # -> {name: tensor}
    return copy.deepcopy(model.state_dict())


def verify_snapshot(attempt):
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    model(torch.rand(4, 2))
    expected = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    result = attempt(model)
    assert not isinstance(result, nn.Module), (
        f"Your result is a whole model, a {type(result).__name__}, expected a state dict: names and tensors."
    )
    expect_close(
        result,
        expected,
        mistakes={
            "buffers are missing: `named_parameters()` leaves out the means and variances of the batch normalisation, "
            "`state_dict()` has them": dict(model.named_parameters()),
        },
    )
    expect_close(dict(model.state_dict()), expected, name="after your code, model.state_dict()")
    assert model.training, "Your code leaves the model in evaluation mode; leave it as it is, since it is trained on."
    with torch.no_grad():
        for tensor in model.state_dict().values():
            tensor.add_(1)
    moved = [name for name in expected if not result[name].equal(expected[name])]
    assert not moved, (
        f"The model was trained on, and your snapshot changed with it ({', '.join(moved[:3])}). A state dict, and a "
        "new dictionary with the same tensors, share the memory of the model; the tensors need copies, too."
    )
    recorded = [name for name in expected if result[name].requires_grad]
    assert not recorded, (
        f"The numbers are right, but {recorded[0]} in your snapshot still requires gradients. The tensors of "
        "`state_dict()` do not."
    )


snapshot = Exercise(
    snapshot,
    verify_snapshot,
    hints=(
        "`state_dict()` has all the names. Whose memory do its tensors use?",
        "`copy.deepcopy` copies a dictionary with all that is in it.",
    ),
)


# ------------------------------------------------------------------------------------- the mode is not in the file


def load_for_inference(model, path):  # a state dict in a file -> the model itself
    model.load_state_dict(torch.load(path, weights_only=True))
    return model.eval()


def verify_load_for_inference(attempt):
    trained = nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.5)))
    trained(torch.rand(4, 2))  # gives the batch normalisation a mean of its own
    expected = {name: tensor.clone() for name, tensor in trained.state_dict().items()}
    model = nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.5)))
    at_first = copy.deepcopy(model.state_dict())
    with _make_folder() as folder:
        torch.save(trained.state_dict(), folder / "model.pt")
        result = attempt(model, folder / "model.pt")
    advice = "`load_state_dict` takes them over"
    if isinstance(result, nn.Module) and result is not model:
        advice = "load them into the one that was passed in, and not into another"
    expect_close(
        dict(model.state_dict()),
        expected,
        mistakes={f"the numbers from the file have not reached the model; {advice}": at_first},
        name="after your code, model.state_dict()",
    )
    assert result is model, (
        f"The model has the numbers from the file, but your result is {_describe(result)}, expected the model itself. "
        "`return model` at the end does that; so does `return model.eval()`."
    )
    assert not model.training, (
        "The model is still in training mode, so dropout would be at work. `model.eval()` belongs after loading."
    )
    assert not any(module.training for module in model.modules()), (
        "The model says that it is not training, but the layers inside it are. `eval()` reaches them all, "
        "`training = False` reaches one."
    )
    with _make_folder() as folder:
        torch.save({"weight": _Attack()}, folder / "attack.pt")
        _expect_no_code_to_run(attempt, nn.Linear(2, 3), folder / "attack.pt")


def _describe(result):
    if result is None:
        return "None"
    if isinstance(result, nn.Module):
        return "another model"
    return f"of type {type(result).__name__}"


load_for_inference = Exercise(
    load_for_inference,
    verify_load_for_inference,
    hints=(
        "Three steps: read the file, load it into the model, choose the mode.",
        "`torch.load(path, weights_only=True)` gives the state dict, and `load_state_dict` copies it into the model.",
        "`model.eval()` changes the mode and returns the model.",
    ),
)


# ---------------------------------------------------------------------------------------- the wrong architecture


def rename_keys(state_dict, old, new):  # {name: tensor} -> {name: tensor}
    renamed = {}
    for name, tensor in state_dict.items():
        if name.startswith(old):
            name = new + name.removeprefix(old)
        renamed[name] = tensor
    return renamed


def verify_rename_keys(attempt):
    numbers = [torch.tensor([float(number), 0.5]) for number in range(4)]

    def name_them(*names):
        return dict(zip(names, numbers, strict=False))

    _expect_renamed(
        attempt,
        (name_them("net.0.weight", "subnet.weight", "net.net.bias", "network"), "net.", "body."),
        name_them("body.0.weight", "subnet.weight", "body.net.bias", "network"),
        {
            "`replace` found the prefix in the middle of a name, too. Does the name begin with it (`startswith`)?": (
                name_them("body.0.weight", "subbody.weight", "body.body.bias", "network")
            ),
            "`subnet.weight` has `net.` in it, but does not begin with it (`startswith`)": (
                name_them("body.0.weight", "subbody.weight", "body.net.bias", "network")
            ),
            "in `net.net.bias`, only the beginning is the prefix, and the second `net.` stays; "
            "`name.removeprefix(old)` takes away the first alone": (
                name_them("body.0.weight", "subnet.weight", "body.body.bias", "network")
            ),
            "`lstrip` takes away single letters, as many as are among those of the prefix; "
            "`name.removeprefix(old)` takes away the whole word, once": name_them(
                "body.0.weight", "subnet.weight", "body.bias", "network"
            ),
            "names that do not begin with the prefix are lost; they stay as they are": {
                "body.0.weight": numbers[0],
                "body.net.bias": numbers[2],
            },
            "the new prefix is missing": name_them("0.weight", "subnet.weight", "net.bias", "network"),
            "the new prefix stands before the old one, which should go": (
                name_them("body.net.0.weight", "subnet.weight", "body.net.net.bias", "network")
            ),
            "the prefix was put before every name; only where the old one stood, it belongs": (
                name_them("body.0.weight", "body.subnet.weight", "body.net.bias", "body.network")
            ),
            "the first name alone is there. Is the `return` inside the loop?": name_them("body.0.weight"),
            "nothing is renamed": name_them("net.0.weight", "subnet.weight", "net.net.bias", "network"),
            "the prefix is `net.` with its dot; a regular expression takes a dot for any letter": (
                name_them("body.0.weight", "subnet.weight", "body.net.bias", "body.ork")
            ),
        },
        "your result",
    )
    _expect_renamed(
        attempt,
        (name_them("module.output.weight", "module.module.bias", "extra.bias"), "module.", ""),
        name_them("output.weight", "module.bias", "extra.bias"),
        {},
        "with an empty new prefix, your result",
    )


def _expect_renamed(attempt, inputs, expected, mistakes, name):
    state_dict, old, new = inputs
    passed = dict(state_dict)
    result = attempt(passed, old, new)
    _expect_unchanged(passed, state_dict)
    expect_close(result, expected, mistakes=mistakes, name=name)


rename_keys = Exercise(
    rename_keys,
    verify_rename_keys,
    hints=(
        "Begin with an empty dictionary, and give it each tensor under its new name.",
        "`name.startswith(old)` says whether a name is to change.",
        "`name.removeprefix(old)` is the rest of the name; `new` belongs before it.",
    ),
)


def load_matching(model, state_dict):  # -> the names left out, a list
    own = model.state_dict()
    matching = {}
    for name, tensor in state_dict.items():
        if name in own and own[name].shape == tensor.shape:
            matching[name] = tensor
    model.load_state_dict(matching, strict=False)
    return [name for name in state_dict if name not in matching]


def verify_load_matching(attempt):
    model = _make_two_layers()
    at_first = copy.deepcopy(model.state_dict())
    state_dict = {
        "classifier.bias": torch.tensor([8.0, 9.0]),  # its shape fits output.bias, its name does not
        "hidden.weight": torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]),
        "output.weight": torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]),  # (3, 2), and (2, 3) in the model
        "output.bias": torch.tensor([7.0]),  # (1,), and (2,) in the model
        "norm.num_batches_tracked": torch.tensor(12),
        "hidden.bias": torch.tensor([1.5, 2.5, 3.5]),
    }
    passed = copy.deepcopy(state_dict)
    result = attempt(model, passed)
    _expect_unchanged(passed, state_dict)
    taken = {name: state_dict[name] for name in ("hidden.weight", "norm.num_batches_tracked", "hidden.bias")}
    expect_close(
        dict(model.state_dict()),
        dict(at_first) | taken,
        mistakes={
            "nothing was loaded. A new dictionary, and a tensor put into `model.state_dict()`, do not reach the model "
            "until `load_state_dict` takes them": at_first,
            "buffers were left out; they are in `model.state_dict()`, and not in `model.named_parameters()`": (
                dict(at_first) | {name: taken[name] for name in ("hidden.weight", "hidden.bias")}
            ),
            "a tensor of one number was spread over two; compare the shapes": dict(at_first)
            | taken
            | {"output.bias": torch.tensor([7.0, 7.0])},
            "it has as many numbers, but another shape, and its numbers would mean something else; leave it out": (
                dict(at_first) | taken | {"output.weight": state_dict["output.weight"].reshape(2, 3)}
            ),
        },
        name="after your code, model.state_dict()",
    )
    _expect_left_out(result, state_dict, at_first)
    model.hidden.bias.data.fill_(0)
    assert passed["hidden.bias"].equal(state_dict["hidden.bias"]), (
        "The model was changed afterwards, and your argument `state_dict` changed with it: they share memory. "
        "`load_state_dict` copies, unless you tell it `assign=True`."
    )
    whole = {name: tensor + 1 for name, tensor in at_first.items()}
    expect_close(attempt(_make_two_layers(), whole), [], name="for a state dict that fits as a whole, your result")


def _make_two_layers():
    return nn.Sequential(OrderedDict(hidden=nn.Linear(2, 3), norm=nn.BatchNorm1d(3), output=nn.Linear(3, 2)))


def _expect_left_out(result, state_dict, own):
    assert not hasattr(result, "missing_keys"), (
        "The model is right, but your result is what `load_state_dict` returns. It does not know of tensors that you "
        "left out before; return a list of the names in `state_dict` that were not loaded."
    )
    expected = ["classifier.bias", "output.weight", "output.bias"]
    in_order = not isinstance(result, list | tuple) or set(result) != set(expected) or list(result) == expected
    assert in_order, f"Your list has the right names in another order; keep the order of `state_dict`, {expected}."
    expect_close(
        result,
        expected,
        mistakes={
            "these are the names that were loaded; the others are asked for": [
                name for name in state_dict if name not in expected
            ],
            "names that the model has not at all are left out, too": ["output.weight", "output.bias"],
            "these are names of the model that got nothing; go through the names in `state_dict`": [
                name for name in own if name not in state_dict or name in expected
            ],
            "names with another shape are left out, too": ["classifier.bias"],
            "`load_state_dict` knows only what you gave it. Compare with the names in the argument `state_dict`": [],
            "these are all names in `state_dict`": list(state_dict),
            "these are all names of the model": list(own),
        },
        name="the model is right, but your list of the names left out",
    )


load_matching = Exercise(
    load_matching,
    verify_load_matching,
    hints=(
        "Collect what fits in a new dictionary: the name is in `model.state_dict()`, and the shapes there are equal.",
        "`strict=False` lets you load a part. It does not forgive other shapes, so leave those out before.",
        "What is left out: the names in `state_dict` that are not in your new dictionary.",
    ),
)


# ------------------------------------------------------------------------------------------ a file can run code


def is_safe(path):  # a file -> True or False
    return get_unsafe_globals_in_checkpoint(path) == []


def verify_is_safe(attempt):
    model = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    cases = {
        "a state dict": (model.state_dict(), True),
        "a file that calls a function when it is loaded": ({"weight": _Attack()}, False),
        "a whole model, saved with its class": (model, False),
        "a dictionary with the states of a model and of an optimizer": (
            {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3},
            True,
        ),
    }
    with _make_folder() as folder:
        path = folder / "file.pt"
        for name, (content, expected) in cases.items():
            torch.save(content, path)
            if not expected:
                _expect_no_code_to_run(attempt, path)
            result = attempt(path)
            assert not isinstance(result, list | set), (
                f"For {name} your result is {result}, expected {expected}. That is the list of what would be refused: "
                "is it empty?"
            )
            assert result is None or isinstance(result, bool), (
                f"For {name} your result is of type {type(result).__name__}, expected {expected}: a comparison gives "
                "True or False."
            )
            turned = "yes and no have changed places; an empty list means that nothing in the file would be refused"
            expect_close(
                result,
                expected,
                mistakes={turned: not expected} if name == "a state dict" else None,
                name=f"for {name}, your result",
            )


is_safe = Exercise(
    is_safe,
    verify_is_safe,
    hints=(
        "One of the functions above looks into a file and loads nothing.",
        "`get_unsafe_globals_in_checkpoint(path)` is a list of what `weights_only=True` would refuse.",
        "Compare that list with an empty one, `[]`.",
    ),
)


# -------------------------------------------------------------------------------------- the old file or the new one


def keep_best(path, model, loss, best):  # file, model, float, float -> float
    if not loss < best:  # nan is not below anything
        return best
    with write_atomically(path) as file:
        torch.save(model.state_dict(), file)
    return loss


class _WithExtra(nn.Linear):
    """A linear layer with one more thing to save."""

    def __init__(self, extra):
        super().__init__(2, 1)
        self.extra = extra

    def get_extra_state(self):
        return self.extra


class _Witness:
    """Looks, while it is saved, at what is in the file `path` at this moment."""

    def __init__(self, path):
        self.path, self.seen = path, []

    def __reduce__(self):
        self.seen.append(self.path.read_bytes() if self.path.exists() else b"")
        return OrderedDict, ()


class _PowerCut:
    def __reduce__(self):
        raise RuntimeError("the power is cut")


def verify_keep_best(attempt):
    with _make_folder() as folder:
        path, model = folder / "best.pt", nn.Linear(2, 1)
        _expect_kept(
            attempt(path, model, 0.5, math.inf),
            0.5,
            {"that is the old one, and the new one is lower": math.inf},
            "a loss of 0.5 and infinity as the best so far",
        )
        _expect_saved(path, model.state_dict())
        whole = path.read_bytes()
        model.bias.data.add_(1)
        for loss in 0.75, 0.5, math.nan:
            result = attempt(path, model, loss, 0.5)
            assert path.read_bytes() == whole, (
                f"With a loss of {loss} and 0.5 as the best so far, your code has written the file. It should do so "
                "only for a lower loss, and nan is not lower than any number."
            )
            assert not (isinstance(result, float) and math.isnan(result)), (
                "For a loss of nan and 0.5 as the best so far, your result is nan, expected 0.5: `min(nan, 0.5)` is "
                "nan. Decide with `loss < best`, and return `best` if that is false."
            )
            known = {"the file is right, but the loss is not the best one": loss}
            _expect_kept(result, 0.5, known, f"a loss of {loss} and 0.5 as the best so far")
        _expect_kept(
            attempt(path, model, 0.25, 0.5),
            0.25,
            {"that is the old best": 0.5},
            "a loss of 0.25 and 0.5 as the best so far",
        )
        _expect_saved(path, model.state_dict())
        _expect_atomic(attempt, path)


def _expect_kept(result, expected, mistakes, losses):
    expect_close(result, expected, mistakes=mistakes, name=f"for {losses}, your result")


def _expect_saved(path, expected):
    assert path.exists(), (
        "There is no file at `path` yet: save the state dict if the loss is lower than the best so far."
    )
    assert path.stat().st_size, (
        "The file is empty: in the block of `with write_atomically(path) as file:`, save to `file`, and not to `path`."
    )
    try:
        content = torch.load(path, weights_only=True)
    except Exception as error:
        raise AssertionError(
            f"Your file cannot be loaded with `weights_only=True` ({type(error).__name__}). Save `model.state_dict()`, "
            "with its parentheses, and not the model."
        ) from error
    known = {"the file should hold the state dict itself, and nothing around it": {"model": dict(expected)}}
    expect_close(content, dict(expected), mistakes=known, name="what is in your file")


def _expect_atomic(attempt, path):
    """Save over a file while somebody looks, then while the power is cut."""
    old = path.read_bytes()
    with _make_folder() as elsewhere:
        second_name = elsewhere / "second_name"
        with suppress(OSError):  # not every disk has second names
            os.link(path, second_name)
        witness = _Witness(path)
        attempt(path, _WithExtra(witness), 0.125, 0.25)
        in_place = second_name.exists() and second_name.read_bytes() != old
    assert all(seen == old for seen in witness.seen), (
        "While your code saves the new file, the old one is already gone. Write to another file first, as "
        "`write_atomically` does, and let that one take the name at the end."
    )
    assert not in_place, (
        "Your code writes into the old file itself, so there is a moment in which neither is whole. Let a second, "
        "finished file take its name, as `write_atomically` does."
    )
    old = path.read_bytes()
    try:
        result = attempt(path, _WithExtra(_PowerCut()), 0.0625, 0.125)
    except Exception:
        result = None
    else:
        raise AssertionError(
            f"Saving failed, and your function returned {result} as if nothing had happened. Do not catch the error; "
            "whoever calls has to know."
        )
    assert path.exists(), "Saving failed, and the old file is gone with it. It should stay until the new one is whole."
    assert path.read_bytes() == old, "Saving failed, and the old file has changed: it should stay as it was."
    others = [file.name for file in path.parent.iterdir() if file != path]
    assert not others, f"After a failure, your code leaves {others[0]!r} behind; `write_atomically` tidies up."


keep_best = Exercise(
    keep_best,
    verify_keep_best,
    hints=(
        "First decide. If the loss is not lower, there is nothing to write, and `best` is the answer.",
        "A comparison with nan is always False, so `if loss < best:` is right for it, too; `min` is not.",
        "`with write_atomically(path) as file:`, and in that block `torch.save(model.state_dict(), file)`.",
    ),
)


# ------------------------------------------------------------------- stop, and go on as if nothing had happened


def restore(path, model, optimizer):  # -> the number of finished steps
    checkpoint = torch.load(path, weights_only=True)
    model.load_state_dict(checkpoint["model"])
    optimizer.load_state_dict(checkpoint["optimizer"])
    torch.set_rng_state(checkpoint["random_state"])
    return checkpoint["steps"]


def _start(seed):
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(3, 6), nn.Dropout(0.5), nn.Linear(6, 1))
    return model, torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)


def _train(model, optimizer, steps):
    x = torch.tensor([[1.0, -2.0, 0.5], [0.0, 1.0, 2.0], [3.0, 1.0, -1.0], [-1.0, 0.5, 1.5]])
    for _ in range(steps):
        loss = nn.functional.mse_loss(model(x), x.sum(dim=1, keepdim=True))

        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def _go_on(checkpoint, parts):
    """Return the parameters after a fresh run has loaded `parts` of a checkpoint, and trained for two steps."""
    model, optimizer = _start(seed=2)
    if "model" in parts:
        model.load_state_dict(checkpoint["model"])
    if "optimizer" in parts:
        optimizer.load_state_dict(copy.deepcopy(checkpoint["optimizer"]))
    if "random_state" in parts:
        torch.set_rng_state(checkpoint["random_state"])
    _train(model, optimizer, 2)
    return dict(model.state_dict())


def verify_restore(attempt):
    for steps in 2, 3:
        straight, optimizer = _start(seed=1)
        _train(straight, optimizer, steps)
        checkpoint = {
            "steps": steps,
            "model": copy.deepcopy(straight.state_dict()),
            "optimizer": copy.deepcopy(optimizer.state_dict()),
            "random_state": torch.get_rng_state(),
        }
        _train(straight, optimizer, 2)
        mistakes = {
            f"{what} not loaded": _go_on(checkpoint, parts)
            for what, parts in {
                "the model was": ("optimizer", "random_state"),
                "the optimizer, with its momentum, was": ("model", "random_state"),
                "the random state was": ("model", "optimizer"),
                "the optimizer and the random state were": ("model",),
                "the model and the random state were": ("optimizer",),
                "the model and the optimizer were": ("random_state",),
                "model, optimizer and random state were": (),
            }.items()
        }
        model, optimizer = _start(seed=2)
        with _make_folder() as folder:
            torch.save(checkpoint, folder / "run.pt")
            result = attempt(folder / "run.pt", model, optimizer)
        assert model.training, "Your code leaves the model in evaluation mode; the training is to go on."
        assert optimizer.param_groups[0]["params"][0] is model[0].weight, (
            "The optimizer does not have the parameters of the model any more, so it trains something else. "
            "`load_state_dict` without `assign=True` keeps them."
        )
        random_state = torch.get_rng_state()
        _train(model, optimizer, 2)
        mistakes["the random numbers go on from somewhere else; hand `random_state` to `torch.set_rng_state`, last"] = (
            _go_on(checkpoint | {"random_state": random_state}, checkpoint.keys())
        )
        expect_close(
            dict(model.state_dict()),
            dict(straight.state_dict()),
            mistakes=mistakes,
            name=f"after {steps} steps, your code and 2 more steps, model.state_dict()",
        )
        _expect_steps(result, steps)


def _expect_steps(result, steps):
    assert not isinstance(result, dict), (
        f"The run goes on as it should, but your result is a whole dictionary, expected {steps}, its entry `steps`."
    )
    expect_close(
        result,
        steps,
        mistakes={"return the entry `steps` of the file": 2, "that is one step too many": steps + 1},
        name="the run goes on as it should, but your result",
    )


restore = Exercise(
    restore,
    verify_restore,
    hints=(
        "Read the file once; then each of its four entries has a place to go.",
        "The model and the optimizer each have a `load_state_dict`.",
        "`torch.set_rng_state` sets the random numbers, and `steps` is what you return.",
    ),
)


# ------------------------------------------------------------------------- a large file, without a second copy


def file_bytes(build):  # a function that returns a model -> a whole number
    with torch.device("meta"):
        model = build()
    tensors = model.state_dict().values()
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def verify_file_bytes(attempt):
    devices = []

    def build_normalised():
        model = nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5))
        devices.append(model[0].weight.device.type)
        return model

    def build_half():
        return nn.Linear(3, 5, dtype=torch.float16)

    def build_huge():
        return nn.Linear(1_000_000, 1_000_000, bias=False)

    expect_close(
        call(attempt, build_normalised),
        168,  # by hand: 15 + 5 weights, 4 * 5 for the normalisation, 4 bytes each; and one whole number of 8 bytes
        mistakes={
            "that is the parameters alone; the buffers are in the file, too, and `state_dict()` has them": 120,
            "that counts the numbers of the parameters, not their bytes": 30,
            "that counts the numbers, not their bytes": 41,
            "the batch normalisation counts its batches in an int64, which has 8 bytes; ask each tensor for its "
            "`element_size()`": 164,
            "the number of tensors is not their size": 7,
            "these are MiB; bytes are asked for": 168 / 2**20,
        },
        name="for a linear layer and a batch normalisation, your result",
    )
    assert set(devices) == {"meta"}, (
        f"The number is right, but your code makes the model on the device {devices[0]}, with all its numbers. Under "
        '`with torch.device("meta"):` there are none, and the largest model takes no memory.'
    )
    expect_close(
        call(attempt, build_half),
        40,
        mistakes={"a float16 has 2 bytes, not 4; ask each tensor for its `element_size()`": 80},
        name="for a linear layer of float16, your result",
    )
    expect_close(call(attempt, build_huge), 4 * 10**12, name="for a layer of 1,000,000 x 1,000,000, your result")


file_bytes = Exercise(
    file_bytes,
    verify_file_bytes,
    hints=(
        "How did the section make VGG16 in milliseconds? `build` is to be called in the same way.",
        "`model.state_dict().values()` are all the tensors of the file, buffers included.",
        "A tensor has `numel()` numbers of `element_size()` bytes each.",
    ),
)


# ---------------------------------------------------------------------------- to another device, to another program


def outline(path):  # a state dict in a file -> {name: list of sizes}
    state_dict = torch.load(path, weights_only=True, map_location="meta")
    return {name: list(tensor.shape) for name, tensor in state_dict.items()}


def verify_outline(attempt):
    state_dict = {
        "conv.weight": torch.zeros(4, 1, 3, 2),
        "conv.bias": torch.zeros(4),
        "batches": torch.tensor(3),
    }
    expected = {"conv.weight": [4, 1, 3, 2], "conv.bias": [4], "batches": []}
    load = torch.load
    read: list[bool] = []

    def record(*args, **kwargs):
        content = load(*args, **kwargs)
        if isinstance(content, dict) and not kwargs.get("mmap"):
            read.extend(tensor for tensor in content.values() if not tensor.is_meta)
        return content

    with _make_folder() as folder, mock.patch.object(torch, "load", record):
        torch.save(state_dict, folder / "model.pt")
        result = attempt(folder / "model.pt")
    assert not (isinstance(result, dict) and any(isinstance(value, Tensor) for value in result.values())), (
        "Your result has tensors in it; their shapes are asked for, `list(tensor.shape)`."
    )
    expect_close(
        result,
        expected,
        mistakes={
            "a shape is a `torch.Size`; `list(tensor.shape)` makes a list of it": {
                name: tuple(sizes) for name, sizes in expected.items()
            },
            "these are the numbers of numbers; `shape` has the sizes": {
                name: tensor.numel() for name, tensor in state_dict.items()
            },
            "these are the numbers of dimensions; `shape` has the sizes": {
                name: tensor.ndim for name, tensor in state_dict.items()
            },
        },
    )
    assert not read, (
        "Names and shapes are right, but your code has read all the numbers, too; from a large file that takes seconds "
        'and gigabytes. `map_location="meta"` reads none.'
    )


outline = Exercise(
    outline,
    verify_outline,
    hints=(
        "The section has shown how to read the names and shapes of a file, and no numbers.",
        '`torch.load(path, weights_only=True, map_location="meta")` gives a dictionary of tensors.',
        "`list(tensor.shape)` is the list of sizes.",
    ),
)


def average_files(paths):  # files with state dicts -> {name: tensor}
    states = [torch.load(path, weights_only=True, map_location="cpu") for path in paths]
    result = dict(states[0])
    for name, tensor in states[0].items():
        if tensor.is_floating_point():
            tensors = torch.stack([state[name] for state in states])  # (files, ...)
            result[name] = tensors.mean(dim=0)  # (files, ...) -> (...)
    return result


def verify_average_files(attempt):
    first = {"weight": torch.tensor([[1.0, 8.0]]), "count": torch.tensor(10), "bias": torch.tensor([3.0]).half()}
    second = {"weight": torch.tensor([[2.0, 4.0]]), "count": torch.tensor(13), "bias": torch.tensor([-3.0]).half()}
    third = {"weight": torch.tensor([[6.0, 0.0]]), "count": torch.tensor(16), "bias": torch.tensor([1.5]).half()}
    expected = {"weight": torch.tensor([[3.0, 4.0]]), "count": torch.tensor(10), "bias": torch.tensor([0.5]).half()}
    state_dicts = [first, second, third]

    with _make_folder() as folder:
        paths = [folder / f"{name}.pt" for name in ("first", "second", "third")]
        for path, state_dict in zip(paths, state_dicts, strict=True):
            torch.save(state_dict, path)
        result = call(attempt, paths)
        values = result.values() if isinstance(result, dict) else []
        assert not any(isinstance(value, Tensor) and value.is_meta for value in values), (
            "Your result is on the meta device, which has no numbers; here they are needed, on the CPU."
        )
        if isinstance(result, dict) and "count" in result:
            advice = "whole numbers, such as a count of batches, are not to be averaged; take those of the first file"
            name = "for three files, your result['count']"
            expect_close(result["count"], expected["count"], mistakes={advice: result["count"]}, name=name)
        mistakes = _find_wrong_averages(state_dicts, expected)
        expect_close(result, expected, mistakes=mistakes, name="for three files, your result")
        expect_close(call(attempt, paths[2:]), third, name="for one file, your result")
        _expect_from_cuda(attempt, paths, expected)
        torch.save({"weight": _Attack()}, folder / "attack.pt")
        _expect_no_code_to_run(attempt, [folder / "attack.pt"])


def _find_wrong_averages(state_dicts, expected):
    """Return what known mistakes make of the floats, by the sentence that explains them."""
    first, second, third = (
        {name: tensor for name, tensor in state_dict.items() if name != "count"} for state_dict in state_dicts
    )
    two = {name: (first[name] + second[name]) / 2 for name in first}
    total = {name: first[name] + second[name] + third[name] for name in first}
    in_pairs = {name: ((first[name] + second[name]) / 2 + third[name]) / 2 for name in first}
    floats = {
        "that is one mean over everything; `mean(dim=0)` averages over the files alone": {
            name: expected[name].mean() for name in first
        },
        "the last file was left out": two,
        "that is the first file; the others should count as much": first,
        "that is the last file; each should count as much as the others": third,
        "that is a sum; divide it by the number of files": total,
        "the sum was divided by 2; there may be more files than two": {name: total[name] / 2 for name in total},
        "the first file counts twice; begin at 0, or with the second": {
            name: (total[name] + first[name]) / 3 for name in total
        },
        "a float16 is a float, too, and to be averaged; `is_floating_point()` is True for it": (
            first | {"weight": expected["weight"]}
        ),
        "the last file counts as much as all before it; add them all up first": in_pairs,
    }
    return {sentence: wrong | {"count": expected["count"]} for sentence, wrong in floats.items()} | {
        "the whole numbers are missing; take those of the first file as they are": {
            name: expected[name] for name in first
        }
    }


def _expect_from_cuda(attempt, paths, expected):
    """Let the last file say that its tensors were on a CUDA device, and expect a result on the CPU."""
    with zipfile.ZipFile(paths[-1]) as archive:
        records = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(paths[-1], "w") as archive:
        for name, content in records.items():
            archive.writestr(name, content.replace(b"X\3\0\0\0cpu", b"X\6\0\0\0cuda:0"))  # the pickle of a text
    advice = 'with `map_location="cpu"` every machine can load it.'
    try:
        result = call(attempt, paths)
    except RuntimeError as error:
        if "deserialize" not in str(error) and "same device" not in str(error):
            raise
        raise AssertionError(
            f"One of the files was saved on a machine with CUDA, and your code fails: {advice}"
        ) from error
    found = next((tensor for tensor in result.values() if isinstance(tensor, Tensor) and not tensor.is_cpu), None)
    assert found is None, f"One of the files was saved on CUDA, and your result is there: {advice}"
    expect_close(result, expected, name="for a file that was saved on CUDA, your result")


average_files = Exercise(
    average_files,
    verify_average_files,
    hints=(
        'Load each file with `weights_only=True` and `map_location="cpu"`; then go through the names of the first.',
        "`tensor.is_floating_point()` is False for whole numbers: those you take from the first file.",
        "`torch.stack` puts the tensors of one name behind each other, and `mean(dim=0)` averages over the files.",
    ),
)
