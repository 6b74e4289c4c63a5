"""What an attempt leaves behind, beside what it returns: things to observe, for the `observe` of an exercise."""

from typing import Any

from torch import Tensor, nn

from tutorial_utils.exercises.compare import Words


def numbers(model: nn.Module) -> dict[str, Tensor]:
    """Return copies of all parameters and buffers, by name."""
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def gradients(model: nn.Module) -> dict[str, Tensor | Words]:
    """Return copies of the gradients of all parameters, by name, or the word None: nobody forgot to return it."""
    return {name: Words("None") if p.grad is None else p.grad.clone() for name, p in model.named_parameters()}


def learning(model: nn.Module) -> list[str]:
    """Return the names of the parameters that require gradients."""
    return [name for name, parameter in model.named_parameters() if parameter.requires_grad]


def in_training(model: nn.Module) -> list[str]:
    """Return the names of the modules in training mode; the model itself is called "model"."""
    return [name or "model" for name, module in model.named_modules() if module.training]


def hooks(model: nn.Module) -> int:
    """Return how many forward hooks there are on the modules of a model."""
    kinds = "_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks"
    return sum(len(getattr(module, kind)) for module in model.modules() for kind in kinds)


def kind_of(value: Any) -> str:
    """Return what a value is, in words: "None", "a tensor of shape (2, 3)", or its type."""
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    return "None" if value is None else f"of type {type(value).__name__}"


def take_apart(result: Any, whole: str, wanted: str, *names: str) -> dict[str, Any]:
    """Observe several results, each by its name, in a tuple or a list; or what there is in their place.

    >>> take_apart((1, 2), "your result", "a pair", "its first entry", "its second entry")
    {'your result': 'a pair', 'its first entry': 1, 'its second entry': 2}
    >>> take_apart((1, 2, 3), "your result", "a pair", "its first entry", "its second entry")
    {'your result': 'a tuple of length 3'}
    """
    several = isinstance(result, tuple | list)
    if several and len(result) == len(names):
        return {whole: Words(wanted), **dict(zip(names, result, strict=True))}
    found = f"a {type(result).__name__} of length {len(result)}" if several else kind_of(result)
    return {whole: None if result is None else Words(found)}


def changed(answer: Any, **methods: Any) -> Any:
    """Return a class like `answer` with other methods, for a mistake in one of them."""
    return type(answer.__name__, (answer,), methods)
