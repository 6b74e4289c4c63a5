"""The mistakes of a training loop, each told in a sentence where PyTorch would give a riddle, or nothing.

A sentence states what was seen. It names a cause only where that is certain: because a rule of the loss is broken, or
because the very same call works once the cause is taken away, which is tried on a copy.
"""

from torch import nn
from torch.optim import Optimizer

from tutorial_utils.checks.batches import Batches, Seen, check_iterable, look_at
from tutorial_utils.checks.loss import CheckedLoss, check_loss_function
from tutorial_utils.checks.model import CheckedModel
from tutorial_utils.checks.optimizer import check_callable, check_made, check_optimizer, check_schedule
from tutorial_utils.metrics import LossFunction

__all__ = ["Batches", "check_schedule", "checked"]


def checked(
    dataloader: Batches, model: nn.Module, loss_fn: LossFunction | None = None, optimizer: Optimizer | None = None
) -> tuple[Batches, nn.Module, CheckedLoss]:
    """Return the same batches, model and loss function, each looked at on its way into and out of a loop.

    What the loop computes stays the same, but that a loss is computed in float32 from outputs in half precision, and
    that the loss of a batch in which no label counts is 0, and not nan.

    Raises:
        ValueError: (as soon as it can be seen) the optimizer has no parameter that learns, or needs a closure; the loss
            is no mean, or has no gradient; a batch is no pair of tensors; outputs do not fit the labels; there is no
            batch, or no label that counts.
        FloatingPointError: a loss is not finite (on an accelerator, told at the end of the epoch: it need not wait).
    """
    for name, thing in {"model": model, "loss function": loss_fn, "optimizer": optimizer}.items():
        check_made(name, thing)
    check_callable("model", model)
    check_iterable(dataloader)
    check_callable("loss function", loss_fn)
    check_loss_function(loss_fn)
    if optimizer is not None:
        check_optimizer(optimizer, model, loss_fn)
    seen = Seen()
    loss_fn = CheckedLoss(loss_fn, seen, learning=optimizer is not None)
    return look_at(dataloader, seen), CheckedModel(model), loss_fn
