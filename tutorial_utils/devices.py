"""Which device to compute on."""

import os
from itertools import chain

import torch
from torch import nn


def pick_device() -> torch.device:
    """Return the device that models and batches are moved to: an accelerator if there is one, else the CPU.

    `TUTORIAL_DEVICE` (for example `cpu`, `cuda`, `cuda:1`, `mps`) overrules the choice.

    Raises:
        ValueError: `TUTORIAL_DEVICE` names no device of PyTorch, or one that this machine does not have.

    Source: https://docs.pytorch.org/docs/stable/accelerator.html
    """
    wanted = os.environ.get("TUTORIAL_DEVICE")
    if not wanted:
        return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    try:
        number = torch.zeros(1, device=wanted)
        number.item()  # fails on the device meta, whose tensors have no numbers
        return number.device
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ValueError(
            f"TUTORIAL_DEVICE is {wanted!r}, which cannot be used here: {str(error).splitlines()[0].rstrip('.')}. "
            "Set it to a device of this machine, such as 'cpu', or unset it and let PyTorch choose."
        ) from error


def device_of(model: nn.Module) -> torch.device:
    """Return the device of the model's first parameter or buffer; of a model that has neither, the CPU.

    >>> device_of(nn.Linear(2, 1))
    device(type='cpu')
    """
    tensors = chain(model.parameters(), model.buffers())
    return next((tensor.device for tensor in tensors), torch.device("cpu"))
