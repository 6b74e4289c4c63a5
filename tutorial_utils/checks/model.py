"""What a model is called with, and what it returns: one tensor each."""

import copy

import torch
from torch import Tensor, nn

from tutorial_utils.checks.words import describe, name_of


class CheckedModel(nn.Module):
    """The model inside of it, but that an error says what it was called with, and why if that is certain."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        try:
            outputs = self.model(images)
        except Exception as error:
            if sentence := explain_forward(error, images, self.model):
                raise ValueError(sentence) from error
            error.add_note(f"The model was called with images: {describe(images)}.")
            raise
        if not isinstance(outputs, Tensor):
            raise ValueError(
                f"The model returned {describe(outputs)}, expected one tensor, the logits. Return that one alone, or "
                "put a small module around the model whose forward picks it."
            )
        return outputs


def explain_forward(error: Exception, images: Tensor, model: nn.Module) -> str | None:
    """Return why the model could not be called with these images, or None if that is not certain."""
    if "Expected more than 1 value per channel" in str(error) and len(images) == 1:
        return (
            "This batch has one example only, and BatchNorm in training needs at least two values to take a mean of. "
            "Build the DataLoader with drop_last=True, or with another batch_size."
        )
    wanted = next((p.dtype for p in model.parameters() if p.is_floating_point()), None)
    if wanted is not None and images.dtype != wanted and works(model, images.to(wanted)):
        scale = ", scale=True" if not images.is_floating_point() else ""
        return (
            f"The images are {name_of(images.dtype)}, and the model's weights are {name_of(wanted)}. Convert the "
            f"images in the transform: v2.ToDtype({wanted}{scale})."
        )
    return None


def works(model: nn.Module, images: Tensor) -> bool:
    """Return whether a copy of `model` can be called with `images`; nothing else changes."""
    try:
        with torch.no_grad(), torch.random.fork_rng([]):
            copy.deepcopy(model).eval()(images)
    except Exception:
        return False
    return True
