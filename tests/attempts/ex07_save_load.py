"""Answers to the exercises of notebook 07: right ones in other styles, and wrong ones that are no known mistakes."""

import copy
import io
import pickle
import shutil
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.serialization import get_unsafe_globals_in_checkpoint

from tutorial_utils.checkpoints import write_atomically


def make_model():
    model = nn.Linear(2, 3)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[2, 0.5], [1.5, 0.75], [2.5, 0.25]]))
        model.bias.copy_(torch.tensor([3, 4, 1]))
    return model


def read(path, **options):
    return torch.load(path, weights_only=True, **options)


# ------------------------------------------------------------------------------------------------- snapshot


def snapshot_through_a_file(model):
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    return read(file)


def snapshot_in_a_loop(model):
    best = OrderedDict()
    for name, tensor in model.state_dict().items():
        best[name] = torch.zeros_like(tensor).copy_(tensor)
    return best


def snapshot_parameters_and_share_buffers(model):
    copies = {name: p.detach().clone() for name, p in model.named_parameters()}
    return dict(model.state_dict()) | copies


def snapshot_and_zero(model):
    best = copy.deepcopy(model.state_dict())
    for p in model.parameters():
        p.data.zero_()
    return best


def snapshot_by_name(model):
    return {"weight": model.weight.detach().clone(), "bias": model.bias.detach().clone()}


# ------------------------------------------------------------------------------------------- load_for_inference


def load_before_eval(model, path):
    model.train(False)
    state = torch.load(str(path), map_location="cpu", weights_only=True)
    model.load_state_dict(state, strict=True)
    return model


def load_by_copying(model, path):
    own = model.state_dict()
    for name, tensor in read(path).items():
        own[name].copy_(tensor)
    for module in model.modules():
        module.training = False
    return model


def load_assigned(model, path):
    model.load_state_dict(read(path, mmap=True), assign=True)
    model.eval()
    return model


def load_with(*modes, answer=lambda model: model.eval(), **options):
    def attempt(model, path):
        model.load_state_dict(torch.load(path, **options))
        return answer(model)

    return attempt


def load_over_the_file(model, path):
    torch.save(model.state_dict(), path)
    return model.eval()


def load_into_a_name(model, path):
    model = torch.load(path, weights_only=True)
    return model.eval()


def load_without_gradients(model, path):
    torch.set_grad_enabled(False)
    model.load_state_dict(read(path))
    return model.eval()


# ------------------------------------------------------------------------------------------------- rename_keys


def rename_by_length(state_dict, old, new):
    return {new + key[len(old) :] if key[: len(old)] == old else key: value for key, value in state_dict.items()}


def rename_a_copy(state_dict, old, new):
    result = OrderedDict(state_dict)
    for key in list(result):
        if key.startswith(old):
            result[new + key.removeprefix(old)] = result.pop(key)
    return result


def rename_with_replace(state_dict, old, new):
    names = [name.replace(old, new, 1) if name.startswith(old) else name for name in state_dict]
    return dict(zip(names, state_dict.values(), strict=True))


def rename_in_place(state_dict, old, new):
    for name in list(state_dict):
        if name.startswith(old):
            state_dict[new + name.removeprefix(old)] = state_dict.pop(name)
    return state_dict


def rename_while_looping(state_dict, old, new):
    for name in state_dict:
        if name.startswith(old):
            state_dict[new + name.removeprefix(old)] = state_dict.pop(name)
    return state_dict


# ------------------------------------------------------------------------------------------------- load_matching


def match_by_copying(model, state_dict):
    own, left = model.state_dict(), []
    for name in state_dict:
        if name not in own or own[name].size() != state_dict[name].size():
            left.append(name)
            continue
        own[name].copy_(state_dict[name])
    return left


def match_by_merging(model, state_dict):
    own = model.state_dict()
    fits = {n: t for n, t in state_dict.items() if n in own and list(t.shape) == list(own[n].shape)}
    model.load_state_dict({**own, **fits})
    return [n for n in state_dict if n not in fits]


def match_with_parameters_and_buffers(model, state_dict):
    own = dict(model.named_parameters()) | dict(model.named_buffers())
    left = list(filter(lambda name: name not in own or own[name].shape != state_dict[name].shape, state_dict))
    model.load_state_dict({name: t for name, t in state_dict.items() if name not in left}, strict=False)
    return left


def match_and_delete(model, state_dict):
    left = [n for n, t in state_dict.items() if n not in model.state_dict() or model.state_dict()[n].shape != t.shape]
    for name in left:
        del state_dict[name]
    model.load_state_dict(state_dict, strict=False)
    return left


def match_and_evaluate(model, state_dict):
    left = match_by_copying(model, state_dict)
    model.eval()
    return left


def match_by_data(model, state_dict):
    own, left = dict(model.named_parameters()) | dict(model.named_buffers()), []
    for name, tensor in state_dict.items():
        if name in own and own[name].shape == tensor.shape:
            own[name].data = tensor
        else:
            left.append(name)
    return left


def match_by_ndim(model, state_dict):
    own = model.state_dict()
    fits = {n: t for n, t in state_dict.items() if n in own and own[n].ndim == t.ndim}
    model.load_state_dict(fits, strict=False)
    return [n for n in state_dict if n not in fits]


def match_by_shape(model, state_dict):
    for tensor in model.state_dict().values():
        for other in state_dict.values():
            if other.shape == tensor.shape:
                tensor.copy_(other)
    return [n for n in state_dict if n not in model.state_dict()]


# ------------------------------------------------------------------------------------------------- is_safe


def is_safe_by_loading(path):
    try:
        torch.load(path, weights_only=True)
    except Exception:
        return False
    else:
        return True


def is_safe_on_meta(path):
    safe = True
    try:
        torch.load(path, weights_only=True, map_location="meta")
    except pickle.UnpicklingError:
        safe = False
    return safe


def is_safe_in_todays_format(path):
    try:
        return not get_unsafe_globals_in_checkpoint(path)
    except ValueError:
        return False


def is_safe_if_it_loads(path):
    try:
        torch.load(path, weights_only=True)
        return True
    except RuntimeError:
        return False


# ------------------------------------------------------------------------------------------------- keep_best


def write(path, model):
    with write_atomically(path) as file:
        torch.save(model.state_dict(), file)


def keep_by_renaming(path, model, loss, best):
    if loss < best:
        other = path.with_suffix(".tmp")
        try:
            torch.save({name: tensor.cpu() for name, tensor in model.state_dict().items()}, other)
            other.replace(path)
        finally:
            other.unlink(missing_ok=True)
    return min(best, loss)


def keep_through_memory(path, model, loss, best):
    if best > loss:
        buffer = io.BytesIO()
        torch.save(copy.deepcopy(model.state_dict()), buffer)
        with write_atomically(path) as file:
            file.write(buffer.getvalue())
        best = loss
    return best


def keep_with_if_and_else(path, model, loss, best):
    if loss < best:
        write(path, model)
        return loss
    else:
        return best


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


def write_from_memory(path, model):
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    path.write_bytes(file.getvalue())


def write_and_leave(path, model):
    unfinished = path.with_suffix(".tmp")
    torch.save(model.state_dict(), unfinished)
    unfinished.replace(path)


def write_and_keep_a_copy(path, model):
    write(path, model)
    shutil.copy(path, path.with_suffix(".copy"))


def write_after_deleting(path, model):
    path.unlink(missing_ok=True)
    write(path, model)


def write_and_swallow(path, model):
    try:
        write(path, model)
    except Exception as error:
        print("not saved", error)


def write_parameters(path, model):
    with write_atomically(path) as file:
        torch.save(list(model.parameters()), file)


# ------------------------------------------------------------------------------------------------- restore


def restore_in_another_order(path, model, optimizer):
    file = torch.load(path, map_location="cpu", weights_only=True)
    torch.random.set_rng_state(file["random_state"])
    optimizer.load_state_dict(file["optimizer"])
    model.load_state_dict(file["model"], strict=True)
    return int(file["steps"])


def restore_by_popping(path, model, optimizer):
    file = read(path)
    steps = file.pop("steps")
    for name, part in ("model", model), ("optimizer", optimizer):
        part.load_state_dict(file[name])
    torch.default_generator.set_state(file["random_state"])
    return steps


def restore_by_reading_often(path, model, optimizer):
    model.load_state_dict(read(path)["model"])
    model.train()
    optimizer.load_state_dict(read(path)["optimizer"])
    torch.set_rng_state(read(path)["random_state"])
    return read(path)["steps"]


def restore_with(answer, **options):
    def attempt(path, model, optimizer):
        file = torch.load(path, **options)
        model.load_state_dict(file["model"])
        optimizer.load_state_dict(file["optimizer"])
        torch.set_rng_state(file["random_state"])
        return answer(file)

    return attempt


def restore_wrong_entries(path, model, optimizer):
    model.load_state_dict(read(path)["optimizer"])


def restore_into_names(path, model, optimizer):
    file = read(path)
    model = file["model"]  # noqa: F841
    optimizer = file["optimizer"]  # noqa: F841
    torch.set_rng_state(file["random_state"])
    return file["steps"]


def restore_seed(path, model, optimizer):
    file = read(path)
    model.load_state_dict(file["model"])
    optimizer.load_state_dict(file["optimizer"])
    torch.manual_seed(file["steps"])
    return file["steps"]


# ------------------------------------------------------------------------------------------------- file_bytes


def count_with_nbytes(build):
    with torch.device("meta"):
        return sum(tensor.nbytes for tensor in build().state_dict().values())


def count_under_fake_tensors(build):
    total = 0
    with FakeTensorMode():
        for tensor in build().state_dict().values():
            total += tensor.untyped_storage().nbytes()
    return total


def count_in_a_loop(build):
    total = 0
    before = torch.get_default_device()
    torch.set_default_device("meta")
    try:
        model = build()
    finally:
        torch.set_default_device(before)
    for name in model.state_dict():
        tensor = model.state_dict()[name]
        total += int(np.prod(tensor.shape)) * tensor.dtype.itemsize
    return total


def count_saved_bytes(build):
    file = io.BytesIO()
    torch.save(build().state_dict(), file)
    return len(file.getvalue())


def count_with_numbers(build):
    return sum(tensor.nbytes for tensor in build().state_dict().values())


def count_after_moving(build):
    return sum(tensor.nbytes for tensor in build().to("meta").state_dict().values())


def count_and_leave_the_device(build):
    torch.set_default_device("meta")
    return sum(tensor.nbytes for tensor in build().state_dict().values())


# ------------------------------------------------------------------------------------------------- outline


def outline_in_a_loop(path):
    result = {}
    for name, tensor in torch.load(str(path), mmap=True, map_location=torch.device("meta"), weights_only=True).items():
        result[name] = [size for size in tensor.size()]  # noqa: C416
    return result


def outline_under_fake_tensors(path):
    with FakeTensorMode():
        return {name: list(tensor.shape) for name, tensor in read(path).items()}


def outline_of(path, **options):
    return {name: list(tensor.shape) for name, tensor in torch.load(path, **options).items()}


# ----------------------------------------------------------------------------------------------- average_files


def average_step_by_step(paths):
    result = {}
    for number, path in enumerate(paths, start=1):
        for name, tensor in read(path, map_location="cpu").items():
            if number == 1:
                result[name] = tensor.clone()
            elif tensor.is_floating_point():
                result[name] += (tensor - result[name]) / number
    return result


def average_as_double(paths):
    states = [read(path, map_location=torch.device("cpu")) for path in paths]
    return {
        name: (sum(state[name].double() for state in states) / len(states)).to(tensor.dtype)
        if torch.is_floating_point(tensor)
        else tensor
        for name, tensor in states[0].items()
    }


def average_by_stacking(paths):
    states = [read(path, map_location={"cuda:0": "cpu"}) for path in paths]
    stacked = {name: torch.stack([state[name] for state in states]) for name in states[0]}
    return {name: t.mean(0) if t.dtype.is_floating_point else t[0] for name, t in stacked.items()}


def average_with(**options):
    def attempt(paths):
        states = [torch.load(path, **options) for path in paths]
        result = dict(states[0])
        for name, tensor in states[0].items():
            if tensor.is_floating_point():
                result[name] = sum(state[name] for state in states) / len(states)
        return result

    return attempt


def average_in_the_loop(paths):
    states = [read(path, map_location="cpu") for path in paths]
    for name in states[0]:
        return {name: torch.stack([state[name] for state in states]).float().mean(0)}


def average_and_print(paths):
    print(average_as_double(paths))


def average_as_list(paths):
    return list(average_as_double(paths).values())


def average_everything(paths):
    states = [read(path, map_location="cpu") for path in paths]
    return {name: torch.stack([state[name] for state in states]).mean(dim=0) for name in states[0]}


RIGHT = {
    "fares": {
        "of a model": make_model().state_dict(),
        "parameters": {"weight": make_model().weight, "bias": make_model().bias},
        "in another order": {"bias": torch.Tensor([3, 4, 1]), "weight": make_model().weight.data},
    },
    "snapshot": {
        "clones": lambda model: {name: tensor.clone() for name, tensor in model.state_dict().items()},
        "of a copied model": lambda model: copy.deepcopy(model).state_dict(),
        "through a file": snapshot_through_a_file,
        "in a loop": snapshot_in_a_loop,
    },
    "load_for_inference": {
        "eval before": load_before_eval,
        "by copying": load_by_copying,
        "assigned": load_assigned,
    },
    "rename_keys": {"by length": rename_by_length, "a copy": rename_a_copy, "with replace": rename_with_replace},
    "load_matching": {
        "by copying": match_by_copying,
        "merged": match_by_merging,
        "parameters and buffers": match_with_parameters_and_buffers,
    },
    "is_safe": {
        "any error": is_safe_by_loading,
        "on meta": is_safe_on_meta,
    },
    "keep_best": {
        "by renaming": keep_by_renaming,
        "through memory": keep_through_memory,
        "if and else": keep_with_if_and_else,
        "a helper": keep_with(write),
    },
    "restore": {
        "another order": restore_in_another_order,
        "by popping": restore_by_popping,
        "read often": restore_by_reading_often,
    },
    "file_bytes": {"nbytes": count_with_nbytes, "fake tensors": count_under_fake_tensors, "a loop": count_in_a_loop},
    "outline": {
        "a loop": outline_in_a_loop,
        "fake tensors": outline_under_fake_tensors,
        "mapped": lambda path: outline_of(path, weights_only=True, mmap=True),
    },
    "average_files": {
        "step by step": average_step_by_step,
        "as double": average_as_double,
        "stacked": average_by_stacking,
    },
}

WRONG = {
    "fares": {
        "lists": ({"weight": [[2.0, 0.5]], "bias": [3.0, 4.0, 1.0]}, r"`torch\.tensor"),
        "other names": ({"weights": torch.ones(3, 2), "bias": torch.ones(3)}, r"has the keys \['weights', 'bias'\]"),
        "a list": ([torch.ones(3, 2), torch.ones(3)], "is a list, expected a dictionary"),
    },
    "snapshot": {
        "buffers shared": (snapshot_parameters_and_share_buffers, r"after more training, your result\['1\.1\.running"),
        "set to zero": (snapshot_and_zero, r"after your code, `model\.state_dict\(\)`"),
        "two names": (snapshot_by_name, "has no attribute 'weight'"),
        "nothing": (lambda model: print(model.state_dict()), "is None, expected a dictionary"),
        "NumPy": (lambda m: {n: t.numpy().copy() for n, t in m.state_dict().items()}, "is a NumPy array"),
    },
    "load_for_inference": {
        "weights_only=False": (load_with(weights_only=False), "your code ran what somebody had put into a file"),
        "no weights_only": (load_with(map_location="cpu"), "`weights_only=True` is not written"),
        "saved": (load_over_the_file, "is no model, expected `model` itself"),
        "into a name": (load_into_a_name, "'collections.OrderedDict' object has no attribute 'eval'"),
        "gradients off": (load_without_gradients, "whether gradients are recorded"),
        "the state dict": (lambda model, path: read(path), "is no model, expected `model` itself"),
    },
    "rename_keys": {
        "in place": (rename_in_place, "changes its argument `state_dict` in place"),
        "in the loop": (rename_while_looping, "dictionary"),
        "no return": (lambda state_dict, old, new: None, "is a `return` missing"),
        "of the text": (
            lambda state_dict, old, new: {n.replace("output", "classifier"): t for n, t in state_dict.items()},
            r"your result has the keys \['net.net.bias', 'subnet.bias'\]",
        ),
    },
    "load_matching": {
        "deleted": (match_and_delete, "changes its argument `state_dict` in place"),
        "evaluated": (match_and_evaluate, "what is in training mode after your code is nothing"),
        "shared": (match_by_data, "what changes in `state_dict`"),
        "ndim": (match_by_ndim, "size mismatch"),
        "shapes alone": (match_by_shape, r"after your code, `model\.state_dict\(\)`"),
        "strict": (lambda model, state_dict: model.load_state_dict(state_dict), "Error.* in loading state_dict"),
    },
    "is_safe": {
        "wrong error": (is_safe_if_it_loads, "Weights only load failed"),
        "a look": (lambda path: not get_unsafe_globals_in_checkpoint(path), "cannot look into a file of before ZIP"),
        "a look, or no": (is_safe_in_todays_format, "in the format before ZIP, your result is False"),
        "the suffix": (lambda path: path.suffix == ".pt", "that is True whatever the file is"),
        "no return": (lambda path: None, "is a `return` missing"),
        "by size": (lambda path: Path(path).stat().st_size > 1500, "your result is"),
    },
    "keep_best": {
        "over the old file": (keep_with(write_over), "the old one is already gone"),
        "with a backup": (keep_with(write_with_backup), "the old one is already gone"),
        "deleted first": (keep_with(write_after_deleting), "the old one is already gone"),
        "through memory": (keep_with(write_from_memory), "into the old file itself"),
        "error swallowed": (keep_with(write_and_swallow), "Do not catch the error"),
        "unfinished file left": (keep_with(write_and_leave), "leaves 'best.tmp' behind"),
        "a copy left": (keep_with(write_and_keep_a_copy), "what is left beside the file is best.copy"),
        "a list of parameters": (keep_with(write_parameters), "the file is a list, expected a dictionary"),
        "nothing": (lambda path, model, loss, best: write(path, model), "is a `return` missing"),
    },
    "restore": {
        "weights_only=False": (restore_with(lambda file: file["steps"], weights_only=False), "ran what somebody"),
        "no weights_only": (restore_with(lambda file: file["steps"]), "`weights_only=True` is not written"),
        "no return": (restore_with(lambda file: None, weights_only=True), "is a `return` missing"),
        "a fixed number": (restore_with(lambda file: 2, weights_only=True), "For a run of 3 steps .* your result is 2"),
        "wrong entries": (restore_wrong_entries, "Error.* in loading state_dict"),
        "into names": (restore_into_names, "the model was not loaded"),
        "a seed": (restore_seed, r"`torch\.rand\(3\)` is"),
    },
    "file_bytes": {
        "with numbers": (count_with_numbers, "with all its numbers"),
        "meta too late": (count_after_moving, "with all its numbers"),
        "of a file": (count_saved_bytes, "expected 168"),
        "the device left": (count_and_leave_the_device, "Your code changes the default device"),
        "VGG16": (lambda build: 553_430_176, "is 553430176, expected 168"),
    },
    "outline": {
        "numbers read": (lambda path: outline_of(path, weights_only=True), "has read all the numbers"),
        "bytes read": (
            lambda path: outline_of(io.BytesIO(path.read_bytes()), weights_only=True, map_location="meta"),
            "has read all the numbers",
        ),
        "no weights_only": (
            lambda path: outline_of(path, mmap=True, map_location="meta"),
            "`weights_only=True` is not written",
        ),
        "weights_only=False": (
            lambda path: outline_of(path, mmap=True, map_location="meta", weights_only=False),
            "ran what somebody",
        ),
        "the file's text": (lambda path: path.read_text(), "codec|invalid"),
    },
    "average_files": {
        "weights_only=False": (average_with(map_location="cpu", weights_only=False), "ran what somebody"),
        "no weights_only": (average_with(map_location="cpu"), "`weights_only=True` is not written"),
        "a return in the loop": (average_in_the_loop, r"has the keys \['bias'\]"),
        "no return": (average_and_print, "is None, expected a dictionary"),
        "a list": (average_as_list, "is a list, expected a dictionary"),
        "everything": (average_everything, "Long|dtype"),
    },
}
