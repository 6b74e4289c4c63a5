"""Answers that learners give to the exercises of notebook 07, and what the reply to each must say."""

import copy
import io
import math
import re
import shutil

import torch
from torch import nn
from torch.serialization import get_unsafe_globals_in_checkpoint

from tutorial_utils.checkpoints import write_atomically

WEIGHT = torch.tensor([[2.0, 0.5], [1.5, 0.75], [2.5, 0.25]])
EVERYTHING = "model", "optimizer", "random_state"
BIAS = torch.tensor([3.0, 4.0, 1.0])


def read(path, **options):
    return torch.load(path, weights_only=True, **options)


# ------------------------------------------------------------------------------------------------- load_for_inference


def load(model, path):
    model.load_state_dict(read(path))


def load_without_eval(model, path):
    load(model, path)
    return model


def load_without_return(model, path):
    load(model, path)
    model.eval()


def load_one_layer_eval(model, path):
    load(model, path)
    model.training = False
    return model


def load_and_return_method(model, path):
    load(model, path)
    model.eval()
    return model.eval


def read_only(model, path):
    read(path)
    return model.eval()


def load_into_copy(model, path):
    other = copy.deepcopy(model)
    load(other, path)
    return other.eval()


def load_unsafe(model, path):
    model.load_state_dict(torch.load(path, weights_only=False))
    return model.eval()


# ------------------------------------------------------------------------------------------------- rename_keys


def rename_in_place(state_dict, old, new):
    for name in list(state_dict):
        if name.startswith(old):
            state_dict[new + name.removeprefix(old)] = state_dict.pop(name)
    return state_dict


def rename_with_lstrip(state_dict, old, new):
    return {new + name.lstrip(old) if name.startswith(old) else name: tensor for name, tensor in state_dict.items()}


def rename_all_of_a_match(state_dict, old, new):
    return {name.replace(old, new) if name.startswith(old) else name: tensor for name, tensor in state_dict.items()}


def rename_and_drop(state_dict, old, new):
    return {new + name.removeprefix(old): tensor for name, tensor in state_dict.items() if name.startswith(old)}


# ------------------------------------------------------------------------------------------------- load_matching


def find_matching(model, state_dict):
    own = model.state_dict()
    return {name: tensor for name, tensor in state_dict.items() if name in own and own[name].shape == tensor.shape}


def match(answer, **options):
    """Load what matches, and return what `answer` makes of the model, the state dict, and what was loaded."""

    def attempt(model, state_dict):
        matching = find_matching(model, state_dict)
        result = model.load_state_dict(matching, strict=False, **options)
        return answer(model, state_dict, matching, result)

    return attempt


def left_out(model, state_dict, matching, result):
    return [name for name in state_dict if name not in matching]


def match_and_forget(model, state_dict):
    matching = find_matching(model, state_dict)
    return [name for name in state_dict if name not in matching]


def match_and_pop(model, state_dict):
    matching = find_matching(model, state_dict)
    others = [name for name in state_dict if name not in matching]
    for name in others:
        del state_dict[name]
    model.load_state_dict(state_dict, strict=False)
    return others


def match_parameters(model, state_dict):
    own = dict(model.named_parameters())
    matching = {name: tensor for name, tensor in find_matching(model, state_dict).items() if name in own}
    model.load_state_dict(matching, strict=False)
    return [name for name in state_dict if name not in matching]


def match_broadcast(model, state_dict):
    own, others = model.state_dict(), []
    for name, tensor in state_dict.items():
        try:
            own[name].copy_(tensor)
        except (KeyError, RuntimeError):
            others.append(name)
    return others


# ------------------------------------------------------------------------------------------------- is_safe


def is_loadable(path):
    try:
        torch.load(path, weights_only=False)
    except Exception:
        return False
    return True


# ------------------------------------------------------------------------------------------------- keep_best


def write(path, model):
    with write_atomically(path) as file:
        torch.save(model.state_dict(), file)


def keep_with(writing):
    """Return a right answer that writes with `writing`."""

    def attempt(path, model, loss, best):
        if loss < best:
            writing(path, model)
            return loss
        return best

    return attempt


def write_over(path, model):
    torch.save(model.state_dict(), path)


def write_with_backup(path, model):
    backup = path.with_suffix(".backup")
    if path.exists():
        shutil.copy(path, backup)
    try:
        torch.save(model.state_dict(), path)
    except Exception:
        shutil.copy(backup, path)
        raise
    finally:
        backup.unlink(missing_ok=True)


def write_through_memory(path, model):
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    path.write_bytes(file.getvalue())


def write_and_leave(path, model):
    unfinished = path.with_suffix(".tmp")
    torch.save(model.state_dict(), unfinished)
    unfinished.replace(path)


def write_to_path(path, model):
    with write_atomically(path):
        torch.save(model.state_dict(), path)


def write_checkpoint(path, model):
    with write_atomically(path) as file:
        torch.save({"model": model.state_dict()}, file)


def write_whole_model(path, model):
    with write_atomically(path) as file:
        torch.save(model, file)


def write_and_swallow(path, model):
    try:
        write(path, model)
    except RuntimeError:
        print("not saved")


def keep_every(path, model, loss, best):
    write(path, model)
    return min(loss, best)


def keep_if_equal(path, model, loss, best):
    if loss > best:
        return best
    write(path, model)
    return loss


def keep_minimum(path, model, loss, best):
    if loss < best:
        write(path, model)
    return min(loss, best)


def keep_and_return_loss(path, model, loss, best):
    if loss < best:
        write(path, model)
    return loss


def keep_without_return(path, model, loss, best):
    if loss < best:
        write(path, model)


def keep_without_file(path, model, loss, best):
    return loss if loss < best else best


# ------------------------------------------------------------------------------------------------ restore


def restore_parts(*parts, answer=lambda checkpoint: checkpoint["steps"]):
    """Return an attempt that loads these parts."""

    def attempt(path, model, optimizer):
        checkpoint = read(path)
        if "model" in parts:
            model.load_state_dict(checkpoint["model"])
        if "optimizer" in parts:
            optimizer.load_state_dict(checkpoint["optimizer"])
        if "random_state" in parts:
            torch.set_rng_state(checkpoint["random_state"])
        return answer(checkpoint)

    return attempt


def restore_with_seed(path, model, optimizer):
    torch.manual_seed(0)
    return restore_parts("model", "optimizer")(path, model, optimizer)


def restore_assigned(path, model, optimizer):
    model.load_state_dict(read(path)["model"], assign=True)
    return restore_parts("optimizer", "random_state")(path, model, optimizer)


def restore_for_inference(path, model, optimizer):
    model.eval()
    return restore_parts(*EVERYTHING)(path, model, optimizer)


# ------------------------------------------------------------------------------------------------- file_bytes


def on_meta(count):
    """Return an attempt that makes the model on the meta device, and gives it to `count`."""

    def attempt(build):
        with torch.device("meta"):
            model = build()
        return count(model)

    return attempt


def count_parameters(model):
    return sum(parameter.numel() for parameter in model.parameters())


def count_numbers(model):
    return sum(tensor.numel() for tensor in model.state_dict().values())


def count_bytes(model):
    return sum(tensor.nbytes for tensor in model.state_dict().values())


# ----------------------------------------------------------------------------------------------- average_files


def combine(floats, whole=lambda tensors: tensors[0], is_float=torch.is_floating_point, **options):
    """Return an attempt that combines float tensors with `floats`, the others with `whole`."""

    def attempt(paths):
        states = [torch.load(path, **{"weights_only": True} | options) for path in paths]
        result = {}
        for name in states[0]:
            tensors = [state[name] for state in states]
            result[name] = floats(tensors) if is_float(tensors[0]) else whole(tensors)
        return result

    return attempt


def mean(tensors):
    return sum(tensors) / len(tensors)


def average_floats_only(paths):
    result = combine(mean)(paths)
    del result["count"]
    return result


def mean_in_pairs(tensors):
    result = tensors[0]
    for tensor in tensors[1:]:
        result = (result + tensor) / 2
    return result


WRONG = {
    "fares": {
        "turned": ({"weight": WEIGHT.T, "bias": BIAS}, "a row belongs to an output"),
        "no bias": ({"weight": WEIGHT}, "they are the `bias`"),
        "bias as a column of weight": (
            {"weight": torch.cat([WEIGHT, BIAS[:, None]], 1)},
            "does not depend on the inputs",
        ),
        "bias as a row": ({"weight": WEIGHT, "bias": BIAS[None]}, "one number per output"),
        "minutes first": ({"weight": WEIGHT.flip(1), "bias": BIAS}, "first column is for the kilometres"),
        "whole numbers": ({"weight": WEIGHT, "bias": BIAS.long()}, r"`\.float\(\)` converts"),
        "lists": ({"weight": WEIGHT.tolist(), "bias": BIAS.tolist()}, r"`torch\.tensor"),
        "a module": (nn.Linear(2, 3), "expected its state dict"),
    },
    "snapshot": {
        "the state dict itself": (lambda model: model.state_dict(), "share the memory of the model"),
        "a new dictionary": (lambda model: dict(model.state_dict()), "share the memory of the model"),
        "parameters only": (lambda model: copy.deepcopy(dict(model.named_parameters())), "buffers are missing"),
        "a copy of the model": (copy.deepcopy, "is a whole model"),
        "with a graph": (
            lambda model: {name: tensor.clone() for name, tensor in model.state_dict(keep_vars=True).items()},
            "requires gradients",
        ),
    },
    "load_for_inference": {
        "eval forgotten": (load_without_eval, "still in training mode"),
        "return forgotten": (load_without_return, "is None, expected the model itself"),
        "only the outer module": (load_one_layer_eval, "`eval\\(\\)` reaches them all"),
        "the method eval": (load_and_return_method, "of type method, expected the model itself"),
        "read, but not loaded": (read_only, "have not reached the model"),
        "into a copy": (load_into_copy, "into the one that was passed in"),
        "unsafe": (load_unsafe, "`weights_only=True` refuses it"),
    },
    "rename_keys": {
        "replace everywhere": (
            lambda state_dict, old, new: {name.replace(old, new): tensor for name, tensor in state_dict.items()},
            "in the middle of a name",
        ),
        "replace once": (
            lambda state_dict, old, new: {name.replace(old, new, 1): tensor for name, tensor in state_dict.items()},
            "does not begin with it",
        ),
        "replace after startswith": (rename_all_of_a_match, "the second `net.` stays"),
        "every name": (
            lambda state_dict, old, new: {new + name.removeprefix(old): tensor for name, tensor in state_dict.items()},
            "before every name",
        ),
        "others lost": (rename_and_drop, "that do not begin with the prefix are lost"),
        "in place": (rename_in_place, "changes the dictionary `state_dict`"),
        "lstrip": (rename_with_lstrip, "`lstrip` takes away single letters"),
        "a regular expression": (
            lambda state_dict, old, new: {re.sub(f"^{old}", new, name): tensor for name, tensor in state_dict.items()},
            "a dot for any letter",
        ),
        "nothing": (lambda state_dict, old, new: dict(state_dict), "nothing is renamed"),
    },
    "load_matching": {
        "not loaded": (match_and_forget, "nothing was loaded"),
        "popped from the argument": (match_and_pop, "changes the dictionary `state_dict`"),
        "parameters only": (match_parameters, "buffers were left out"),
        "broadcast": (match_broadcast, "compare the shapes"),
        "what was loaded": (match(lambda model, state, matching, result: list(matching)), "the others are asked for"),
        "missing and unexpected": (match(lambda *things: things[-1]), "what `load_state_dict` returns"),
        "missing keys": (match(lambda *things: things[-1].missing_keys), "that got nothing"),
        "unexpected keys": (match(lambda *things: things[-1].unexpected_keys), "only what you gave it"),
        "unknown names only": (
            match(lambda model, state, *_: [name for name in state if name not in model.state_dict()]),
            "names with another shape",
        ),
        "known names only": (
            match(
                lambda model, state, matching, _: [n for n in model.state_dict() if n in state and n not in matching]
            ),
            "names that the model has not at all",
        ),
        "another order": (match(lambda *things: sorted(left_out(*things))), "another order"),
        "a set": (match(lambda *things: set(left_out(*things))), "is a set, expected a list"),
        "no return": (match(lambda *things: None), "is a `return` missing"),
        "assigned": (match(left_out, assign=True), "share memory"),
    },
    "is_safe": {
        "the list": (get_unsafe_globals_in_checkpoint, "is it empty"),
        "turned": (lambda path: bool(get_unsafe_globals_in_checkpoint(path)), "have changed places"),
        "always": (lambda path: True, "is True, expected False"),
        "by loading": (is_loadable, "got its way"),
        "no return": (lambda path: None, "is a `return` missing"),
    },
    "keep_best": {
        "not saved": (keep_without_file, "There is no file at `path` yet"),
        "saved every time": (keep_every, "only for a lower loss"),
        "saved if equal": (keep_if_equal, "only for a lower loss"),
        "the minimum with nan": (keep_minimum, r"`min\(nan, 0.5\)` is nan"),
        "the loss": (keep_and_return_loss, "the loss is not the best one"),
        "no return": (keep_without_return, "is a `return` missing"),
        "the whole model": (keep_with(write_whole_model), "and not the model"),
        "over the old file": (keep_with(write_over), "the old one is already gone"),
        "with a backup": (keep_with(write_with_backup), "the old one is already gone"),
        "to the path": (keep_with(write_to_path), "save to `file`, and not to `path`"),
        "a dictionary around": (keep_with(write_checkpoint), "nothing around it"),
        "through memory": (keep_with(write_through_memory), "into the old file itself"),
        "error swallowed": (keep_with(write_and_swallow), "Do not catch the error"),
        "unfinished file left": (keep_with(write_and_leave), "leaves 'best.tmp' behind"),
        "the old best": (lambda path, model, loss, best: write(path, model) or best, "that is the old one"),
        "infinity": (lambda path, model, loss, best: math.inf, "that is the old one"),
    },
    "restore": {
        "model only": (restore_parts("model"), "the optimizer and the random state were not loaded"),
        "no optimizer": (restore_parts("model", "random_state"), "the optimizer, with its momentum, was not loaded"),
        "no random state": (restore_parts("model", "optimizer"), "the random state was not loaded"),
        "a seed": (restore_with_seed, "go on from somewhere else"),
        "assigned": (restore_assigned, "parameters of the model any more"),
        "evaluation mode": (restore_for_inference, "in evaluation mode"),
        "no model": (restore_parts("optimizer", "random_state"), "the model was not loaded"),
        "no return": (restore_parts(*EVERYTHING, answer=lambda _: None), "is a `return` missing"),
        "the checkpoint": (restore_parts(*EVERYTHING, answer=lambda checkpoint: checkpoint), "its entry `steps`"),
        "a fixed number": (restore_parts(*EVERYTHING, answer=lambda _: 2), "return the entry `steps`"),
    },
    "file_bytes": {
        "parameters": (on_meta(lambda model: 4 * count_parameters(model)), "the buffers are in the file"),
        "numbers of parameters": (on_meta(count_parameters), "numbers of the parameters, not their bytes"),
        "numbers": (on_meta(count_numbers), "counts the numbers, not their bytes"),
        "four bytes each": (on_meta(lambda model: 4 * count_numbers(model)), "an int64, which has 8 bytes"),
        "MiB": (on_meta(lambda model: count_bytes(model) / 2**20), "these are MiB"),
        "with numbers": (lambda build: count_bytes(build()), "with all its numbers"),
        "meta too late": (lambda build: count_bytes(build().to("meta")), "with all its numbers"),
        "no return": (on_meta(lambda model: None), "is a `return` missing"),
    },
    "outline": {
        "numbers read": (
            lambda path: {name: list(tensor.shape) for name, tensor in read(path).items()},
            "has read all the numbers",
        ),
        "sizes": (
            lambda path: {name: tensor.shape for name, tensor in read(path, map_location="meta").items()},
            r"`list\(tensor\.shape\)` makes a list",
        ),
        "tensors": (lambda path: read(path, map_location="meta"), "their shapes are asked for"),
        "numbers of numbers": (
            lambda path: {name: tensor.numel() for name, tensor in read(path, map_location="meta").items()},
            "`shape` has the sizes",
        ),
        "names": (lambda path: list(read(path, map_location="meta")), "is a list, expected a dictionary"),
    },
    "average_files": {
        "a sum": (combine(sum), "divide it by the number of files"),
        "half": (combine(lambda tensors: sum(tensors) / 2), "more files than two"),
        "in pairs": (combine(mean_in_pairs), "counts as much as all before it"),
        "the first": (combine(lambda tensors: tensors[0]), "that is the first file"),
        "the last": (combine(lambda tensors: tensors[-1]), "that is the last file"),
        "one mean": (combine(lambda tensors: mean(tensors).mean()), "averages over the files alone"),
        "the last left out": (combine(lambda tensors: mean(tensors[:2])), "the last file was left out"),
        "floats only": (average_floats_only, "the whole numbers are missing"),
        "on the meta device": (combine(mean, map_location="meta"), "has no numbers"),
        "everything": (combine(mean, whole=mean), "not to be averaged"),
        "everything, rounded": (combine(mean, whole=lambda tensors: mean(tensors).long()), "not to be averaged"),
        "everything, as float32": (
            combine(lambda tensors: mean([tensor.float() for tensor in tensors]), whole=mean),
            "not to be averaged",
        ),
        "counts of the last": (combine(mean, whole=lambda tensors: tensors[-1]), "not to be averaged"),
        "the first twice": (
            combine(lambda tensors: sum(tensors, start=tensors[0]) / len(tensors)),
            "the first file counts twice",
        ),
        "float32 only": (
            combine(mean, is_float=lambda tensor: tensor.dtype == torch.float32),
            "a float16 is a float, too",
        ),
        "unsafe": (combine(mean, map_location="cpu", weights_only=False), "`weights_only=True` refuses it"),
        "no map_location": (combine(mean), 'with `map_location="cpu"`'),
    },
}

RIGHT = {}
