"""What a loss function does with outputs and labels: which of PyTorch's losses it calls, and what it pairs."""

import inspect
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from tutorial_utils.checks.outputs import explain_broadcast
from tutorial_utils.metrics import KNOWN, NUMBER_LOSSES, Rules, Task, rules_of

BROADCASTING = (*NUMBER_LOSSES, F.multilabel_soft_margin_loss)  # losses that take shapes which are not equal


class Mismatch(Exception):  # noqa: N818
    """Outputs and labels of different shapes were about to be combined, each with each."""


class Call(NamedTuple):
    """A call of one of PyTorch's losses: the function with its settings, what it was given and what it gave."""

    loss_fn: "partial[Any]"
    logits: Tensor
    labels: Tensor
    result: Any


class Found(NamedTuple):
    """The loss of PyTorch that a function of your own computes, and its rules for the function's own arguments."""

    loss_fn: Any
    rules: Rules


class Watch(TorchFunctionMode):
    """Watches the computation of a loss, in which nothing changes, but that it raises Mismatch.

    That is where an operation on outputs and labels, or on what has been made of one of them number by number, gives
    more numbers than either of them has.
    """

    def __init__(self, logits: Tensor, labels: Tensor):
        super().__init__()
        self.logits, self.labels = logits, labels
        self.calls: list[Call] = []
        self.sources = {id(logits): (logits, "logits"), id(labels): (labels, "labels")}  # (the tensor: id needs it)

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        known = func in KNOWN
        sources = {self.sources[id(argument)][1] for argument in args[:2] if id(argument) in self.sources}
        if func in BROADCASTING and len(sources) == 2:
            self.check_pairing(None)
        result = func(*args, **(kwargs or {}))
        if known:
            self.calls.append(as_call(func, args, kwargs or {}, result))
        elif len(sources) == 2:
            self.check_pairing(result)
        elif sources and isinstance(result, Tensor) and result.shape == args[0].shape:
            self.sources[id(result)] = (result, sources.pop())
        return result

    def check_pairing(self, result: Any) -> None:
        """Raise Mismatch if outputs and labels have been broadcast to `result`, or would be if that is None."""
        try:
            shape = torch.broadcast_shapes(self.logits.shape, self.labels.shape)
        except RuntimeError:
            return
        pairs = math.prod(shape) > max(self.logits.numel(), self.labels.numel())
        if pairs and (result is None or (isinstance(result, Tensor) and result.shape == shape)):
            raise Mismatch(explain_broadcast(self.logits, self.labels))

    def find_loss(self, loss: Tensor) -> Found | None:
        """Return the only one of PyTorch's losses that was called, if every call was with the labels."""
        if len({call.loss_fn.func for call in self.calls}) != 1:
            return None
        if not all(same_numbers(call.labels, self.labels) for call in self.calls):
            return None
        call = next((call for call in self.calls if call.result is loss), self.calls[0])
        rules, returned = rules_of(call.loss_fn), call.result is loss
        as_they_are = same_numbers(call.logits, self.logits)
        if rules.task is Task.YES_OR_NO and not as_they_are:
            if rules.threshold != 0.5 or not same_numbers(call.logits, self.logits.sigmoid()):
                return None
            rules = replace(rules, threshold=0.0)
        rules = replace(
            rules,
            takes_classes=rules.takes_classes and as_they_are and call.logits.shape == self.logits.shape,
            weights=rules.weights if returned else None,
        )
        return Found(call.loss_fn if returned else None, rules)


def as_call(func: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any], result: Any) -> Call:
    """Return the call of one of PyTorch's losses, whose first two arguments are `input` and `target`."""
    settings = inspect.signature(func).bind(*args, **kwargs).arguments
    return Call(partial(func, **settings), settings.pop("input"), settings.pop("target"), result)


def same_numbers(some: Tensor, others: Tensor) -> bool:
    """Return whether two tensors hold the same numbers in the same order, in whatever shape and dtype."""
    return some.numel() == others.numel() and bool((some.flatten() == others.flatten()).all())
