"""What a model is called with, and what it returns: one tensor each."""

import copy
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from tutorial_utils.checks.words import describe, name_of, range_of, shape_of


class CheckedModel(nn.Module):
    """The model inside of it, but that an error says what it was called with, and why if that is certain."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        torch.clear_autocast_cache()  # or one `autocast` block around a loop computes with the weights before its steps
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
    if works(model, lambda: images):
        return None  # then it is none of the following
    wanted = next((p.dtype for p in model.parameters() if p.is_floating_point()), images.dtype)
    scale = ", scale=True" if images.dtype == torch.uint8 else ""
    shape = f"The images have the shape {shape_of(images)}, and the model takes"
    repairs: dict[str, Callable[[], Tensor]] = {
        f"The images are {name_of(images.dtype)}, and the model's weights are {name_of(wanted)}. Convert the images in "
        f"the transform: v2.ToDtype({wanted}{scale}).": lambda: images.to(wanted),
        f"{shape} the channels first, (N, C, ...): `images.movedim(-1, 1)`.": lambda: images.movedim(-1, 1),
        f"{shape} a dimension of channels, too, (N, C, ...): `images.unsqueeze(1)`.": lambda: images.unsqueeze(1),
    }
    for size in {module.num_embeddings for module in model.modules() if isinstance(module, nn.Embedding)}:
        high = range_of(images)[1]
        sentence = f"nn.Embedding has rows for 0 ... {size - 1}, and the images of this batch go up to {high:g}."
        repairs[sentence] = partial(images.clamp, 0, size - 1)
    return next((sentence for sentence, repair in repairs.items() if works(model, repair)), None)


def works(model: nn.Module, make_images: Callable[[], Tensor]) -> bool:
    """Return whether a copy of `model` can be called with these images; nothing else changes."""
    try:
        with torch.no_grad(), torch.random.fork_rng([]):
            copy.deepcopy(model).eval()(make_images())
    except Exception:
        return False
    return True
