"""Whether a file is a whole checkpoint that fits, and if not, in a sentence why."""

import os
import pickle
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.serialization import get_unsafe_globals_in_checkpoint

from tutorial_utils.devices import device_of

FORMAT = "tutorial_utils checkpoint, version 1"
MODEL_FORMAT = "tutorial_utils model, version 1"  # what tutorial_utils.predict reads
WRAPPERS = {"_orig_mod", "module"}  # what torch.compile and DataParallel put between the names of a model
PARTS = {"epoch": int, "model": dict, "optimizer": dict, "scheduler": dict | None, "random_state": dict}


def check_loadable(file: BinaryIO) -> None:
    """Raise ValueError if `file`, which `torch.save` has written, holds what `weights_only=True` refuses to load."""
    file.flush()
    file.seek(0)
    refused = get_unsafe_globals_in_checkpoint(file)
    if any("Uninitialized" in name for name in refused):
        raise ValueError(
            "Nothing was saved: a lazy layer of the model has no shape yet, because it has seen no batch. Call the "
            "model once, model(images), before you make the optimizer and save."
        )
    if refused:
        raise ValueError(
            f"Nothing was saved: the checkpoint would hold {', '.join(sorted(refused))}, and only tensors and plain "
            "values can be loaded again safely. Give the optimizer and the scheduler plain numbers, such as float(lr)."
        )


@contextmanager
def explain_failed_write(path: str | Path) -> Iterator[None]:
    """Raise OSError with a sentence where the block cannot write the file `path`, as on a disk that is full.

    `torch.save` raises RuntimeError then; what the system said is the context in which it did.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        cause = next((link for link in _contexts(error) if isinstance(link, OSError)), None)
        if cause is None:
            raise
        said = cause.strerror or str(cause)
        home = Path(path).parent
        advice = "Make room, or choose another folder" if home.is_dir() else f"There is no folder {home}: make it first"
        raise OSError(cause.errno, f"{said}: {path} could not be written, and is as it was. {advice}.") from error


def _contexts(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, the one that it came from, and so on."""
    while error is not None:
        yield error
        error = error.__context__


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Return the dictionary that `save_checkpoint` wrote to the file `path`, with its tensors on the CPU.

    Raises:
        OSError: there is no such file, or it cannot be opened.
        ValueError: it is something else, or damaged. Nothing in it was executed.
    """
    checkpoint = read_tensors(path, "checkpoint")
    if not isinstance(checkpoint, dict):
        raise ValueError(f"{path} is no checkpoint: found a {type(checkpoint).__name__}, expected a dictionary.")
    if checkpoint.get("format") == MODEL_FORMAT:
        raise ValueError(f"{path} is a model, which can be asked: training goes on from the checkpoint.pt beside it.")
    if checkpoint.get("format") != FORMAT:
        marker = repr(checkpoint["format"]) if "format" in checkpoint else f"no marker, but {_preview(checkpoint)}"
        raise ValueError(
            f"{path} is no checkpoint that this version can read: found {marker}, expected the marker {FORMAT!r}. If "
            "it is a state dict, use model.load_state_dict(torch.load(path, weights_only=True))."
        )
    for name, kind in PARTS.items():
        if not isinstance(checkpoint.get(name, ...), kind):
            found = type(checkpoint[name]).__name__ if name in checkpoint else "nothing"
            raise ValueError(f"{path} is a damaged checkpoint: found {found} as its {name!r}, expected {kind}.")
    return checkpoint


def read_tensors(path: str | Path, kind: str) -> Any:
    """Return what `torch.save` wrote to the file `path`, with its tensors on the CPU; `kind` says what it should be.

    Raises:
        OSError: there is no such file, or it cannot be opened.
        ValueError: it is no file of `torch.save`, or damaged, or holds more than plain values. Nothing was executed.
    """
    if Path(path).is_dir():
        raise IsADirectoryError(f"{path} is a folder: name the file in it.")
    with Path(path).open("rb") as file:
        try:
            archive = zipfile.ZipFile(file)
            if damaged := archive.testzip():
                raise ValueError(f"the bytes of {damaged} have changed")
            parts = {name.rpartition("/")[2] for name in archive.namelist()}
            if "data.pkl" not in parts or "constants.pkl" in parts:  # which TorchScript has
                raise ValueError("its parts are those of another program")
            file.seek(0)
            return torch.load(file, map_location="cpu", weights_only=True)
        except Exception as error:  # what a damaged file leads to is not documented
            raise ValueError(f"{path} is no {kind}: {_explain_unreadable(file, error)}") from error


def match_names(state: dict[str, Any], model: nn.Module) -> dict[str, Any]:
    """Return a state dict under the names that `model` has for it, where only the wrappers of one of them differ.

    `torch.compile` puts `_orig_mod.` before the names in what it wraps, `DataParallel` and `DistributedDataParallel`
    put `module.` there. Where two names differ in nothing else, all stay as they are.
    """
    ours = list(model.state_dict())
    names = {_without_wrappers(name): name for name in ours}
    if ours == list(state) or len(names) < len(ours) or len(set(map(_without_wrappers, state))) < len(state):
        return state
    return {names.get(_without_wrappers(name), name): value for name, value in state.items()}


def _without_wrappers(name: str) -> str:
    """Return the name of a parameter without the parts that stand for wrappers."""
    return ".".join(part for part in name.split(".") if part not in WRAPPERS)


def check_fit(
    path: str | Path,
    checkpoint: dict[str, Any],
    model: nn.Module,
    optimizer: Optimizer | None,
    scheduler: LRScheduler | None,
) -> None:
    """Raise ValueError if the checkpoint in the file `path` does not fit what it is to be loaded into."""
    misfits = {"model": _compare(*_outline_models(checkpoint["model"], model.state_dict()))}
    if optimizer:
        saved = _outline_groups(checkpoint["optimizer"].get("param_groups"), optimizer.defaults)
        misfits["optimizer"] = _compare(saved, _outline_groups(optimizer.param_groups, optimizer.defaults))
        misfits["random state"] = _check_random_state(checkpoint["random_state"], device_of(model))
    if scheduler or optimizer:
        expected = scheduler.state_dict() if scheduler else None
        misfits["scheduler"] = _compare(*map(_outline_scheduler, (checkpoint["scheduler"], expected)))
    for part, differences in misfits.items():
        if differences:
            raise ValueError(
                f"{path} does not fit the {part}: {_preview(differences, '; ')}. Build the model, the optimizer and "
                "the scheduler as they were built when the file was saved. Nothing was loaded."
            )


def _explain_unreadable(file: BinaryIO, error: Exception) -> str:
    """Return why `file` could not be read, after that raised `error`."""
    if isinstance(error, zipfile.BadZipFile):
        return f"its {file.seek(0, os.SEEK_END)} bytes are no whole file of torch.save; was it cut off?"
    if isinstance(error, pickle.UnpicklingError):
        file.seek(0)
        return (
            f"found {', '.join(sorted(get_unsafe_globals_in_checkpoint(file))) or 'unknown contents'}, expected "
            "tensors and plain values only. Nothing in it was executed."
        )
    reason = next(iter(str(error).splitlines()), type(error).__name__).rstrip(".")
    return f"it is damaged ({reason})"


def _compare(found: dict[str, Any], expected: dict[str, Any]) -> list[str]:
    """Return for each name under which the two differ what is found and what is expected."""
    return [
        f"{name}: found {found.get(name, 'nothing')}, expected {expected.get(name, 'nothing')}"
        for name in [*expected, *(name for name in found if name not in expected)]
        if found.get(name) != expected.get(name)
    ]


def _outline_models(saved: dict[str, Any], state: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the outlines of two state dicts; a lazy layer without a shape, in the second, takes any tensor's."""
    found = _outline_model(saved)
    expected = _outline_model({name: value for name, value in state.items() if not is_lazy(value)})
    lazy = {
        name: found[name] if isinstance(saved.get(name), Tensor) else "a tensor" for name in state.keys() - expected
    }
    return found, {name: {**expected, **lazy}[name] for name in state}


def _outline_model(state: dict[str, Any]) -> dict[str, Any]:
    """Return the shape of each tensor of a state dict by name, or the type of what is no tensor."""
    return {
        name: list(value.shape) if isinstance(value, Tensor) else type(value).__name__ for name, value in state.items()
    }


def _outline_groups(groups: Any, settings: dict[str, Any]) -> dict[str, Any]:
    """Return the size of each parameter group of an optimizer, and which of the `settings` it lacks."""
    try:
        outline = {f"group {i}": f"{len(group['params'])} parameters" for i, group in enumerate(groups)}
        for (name, size), group in zip(outline.items(), groups, strict=True):
            if missing := sorted(settings.keys() - group.keys()):
                outline[name] = f"{size} without {', '.join(missing)}"
    except (AttributeError, KeyError, TypeError):
        return {"groups": "none that can be read"}
    return outline


def _outline_scheduler(state: dict[str, Any] | None) -> dict[str, Any]:
    """Return the names of a scheduler's settings, which differ from class to class."""
    return {"settings": "no scheduler" if state is None else f"a scheduler with {', '.join(sorted(state))}"}


def _check_random_state(state: dict[str, Any], device: torch.device) -> list[str]:
    """Return what is wrong with a saved random state that is to be set on the CPU and on `device`."""
    try:
        torch.Generator().set_state(state["cpu"])
        if device.type in state:
            torch.Generator(device).set_state(state[device.type])
    except (KeyError, TypeError, RuntimeError) as error:
        return [f"found what PyTorch {torch.__version__} cannot use ({error})"]
    return []


def _preview(names: Any, separator: str = ", ") -> str:
    """Return the first three of some names in a row, with the number of the others."""
    names = sorted(map(str, names)) if not isinstance(names, list) else names
    more = f"{separator}and {len(names) - 3} more" if len(names) > 3 else ""
    return separator.join(names[:3]) + more
