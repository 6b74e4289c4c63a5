"""Whether an optimizer can train the model, and a schedule the epochs."""

import inspect

from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR


def check_optimizer(optimizer: Optimizer, model: nn.Module) -> None:
    """Raise ValueError if the optimizer cannot train the model in a loop that calls `step()`."""
    own = {id(parameter) for parameter in model.parameters()}
    if not any(id(parameter) in own for group in optimizer.param_groups for parameter in group["params"]):
        raise ValueError(
            "The optimizer holds none of this model's parameters, so no step would change the model. It was made for "
            "another one: build it anew, from this model's parameters, after the model."
        )
    closure = inspect.signature(optimizer.step).parameters.get("closure")
    if closure is not None and closure.default is closure.empty:
        raise ValueError(
            f"{type(optimizer).__name__} computes the loss several times in a step, by a function that it is given: "
            "`optimizer.step(closure)`. The loops of the course call `optimizer.step()`. Take another optimizer, or "
            "write a loop with a closure."
        )


def check_schedule(scheduler: LRScheduler | None, optimizer: Optimizer, epochs: int) -> None:
    """Raise ValueError if a scheduler that steps once per epoch cannot do what it was made for."""
    if scheduler is None:
        return
    if scheduler.optimizer is not optimizer:
        raise ValueError(
            "The scheduler was made for another optimizer, so it would change none of this one's learning rates: build "
            "it anew, from this optimizer, after the optimizer."
        )
    if isinstance(scheduler, OneCycleLR) and scheduler.total_steps - scheduler.last_epoch != epochs:
        raise ValueError(
            f"OneCycleLR has {scheduler.total_steps - scheduler.last_epoch} steps to go, and fit takes {epochs}, one "
            f"after each epoch: build it with total_steps={epochs}. To step after every batch, write the loop yourself."
        )
