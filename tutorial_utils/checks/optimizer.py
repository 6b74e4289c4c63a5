"""Whether an optimizer can train the model, and a schedule the epochs."""

import inspect
from itertools import chain
from typing import Any

from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR, ReduceLROnPlateau

from tutorial_utils.checks.words import ORDER, describe


def check_made(name: str, thing: Any) -> None:
    """Raise ValueError if `thing` is a class, and no object of it."""
    if isinstance(thing, type):
        raise ValueError(
            f"The {name} is the class {thing.__name__}, expected an object of it: call the class, as in "
            f"`{thing.__name__}(...)`, and pass what it returns."
        )


def check_callable(name: str, thing: Any) -> None:
    """Raise ValueError if `thing` is given, and cannot be called."""
    if thing is not None and not callable(thing):
        raise ValueError(f"The {name} is {describe(thing)}, expected one that can be called. {ORDER}")


def check_optimizer(optimizer: Optimizer, model: nn.Module, loss_fn: Any = None) -> None:
    """Raise ValueError if the optimizer cannot train the model, or the loss, in a loop that calls `step()`."""
    if not hasattr(optimizer, "step"):
        raise ValueError(
            f"The optimizer is {describe(optimizer)}, expected one object with `step()` and `zero_grad()`. One "
            "optimizer can hold several groups of parameters; to train with several, write the loop yourself."
        )
    if hasattr(optimizer, "param_groups"):  # one of your own may keep its parameters elsewhere
        check_parameters(optimizer, model, loss_fn)
    closure = inspect.signature(optimizer.step).parameters.get("closure")
    if closure is not None and closure.default is closure.empty:
        raise ValueError(
            f"{type(optimizer).__name__} computes the loss several times in a step, by a function that it is given: "
            "`optimizer.step(closure)`. The loops of the course call `optimizer.step()`. Take another optimizer, or "
            "write a loop with a closure."
        )


def check_parameters(optimizer: Optimizer, model: nn.Module, loss_fn: Any) -> None:
    """Raise ValueError unless the optimizer holds a parameter, of the model or of the loss, that learns."""
    of_loss = loss_fn.parameters() if isinstance(loss_fn, nn.Module) else ()
    own = {id(parameter): parameter for parameter in chain(model.parameters(), of_loss)}
    held = [parameter for group in optimizer.param_groups for parameter in group["params"] if id(parameter) in own]
    if not held:
        raise ValueError(
            "The optimizer holds none of this model's parameters, so no step would change the model. It was made for "
            "another one: build it anew, from this model's parameters, after the model."
        )
    if not any(parameter.requires_grad for parameter in held):
        raise ValueError(
            "All of the model's parameters that the optimizer holds are frozen, requires_grad=False, so no step would "
            "change the model: set requires_grad=True for those that shall learn, or build the optimizer from those "
            "that do."
        )


def check_schedule(scheduler: LRScheduler | None, optimizer: Optimizer, epochs: int) -> None:
    """Raise ValueError if a scheduler that steps once per epoch cannot do what it was made for."""
    if scheduler is None:
        return
    check_made("scheduler", scheduler)
    if not hasattr(scheduler, "step"):
        raise ValueError(
            f"The scheduler is {describe(scheduler)}, expected one object with `step()`: ChainedScheduler makes one of "
            "several that act together, SequentialLR of several that follow each other."
        )
    if getattr(scheduler, "optimizer", optimizer) is not optimizer:
        raise ValueError(
            "The scheduler was made for another optimizer, so it would change none of this one's learning rates: build "
            "it anew, from this optimizer, after the optimizer."
        )
    if isinstance(scheduler, ReduceLROnPlateau) and scheduler.mode == "max":
        raise ValueError(
            "ReduceLROnPlateau has mode='max', for a number that should grow, and fit gives it the validation loss, "
            "which should fall: build it with mode='min'."
        )
    if isinstance(scheduler, OneCycleLR) and scheduler.total_steps - scheduler.last_epoch != epochs:
        raise ValueError(
            f"OneCycleLR has {scheduler.total_steps - scheduler.last_epoch} steps to go, and fit takes {epochs}, one "
            f"after each epoch: build it with total_steps={epochs}. To step after every batch, write the loop yourself."
        )
