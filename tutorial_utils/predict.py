"""`python -m tutorial_utils.predict MODEL IMAGE...`: what a trained model sees in pictures.

MODEL is the file `model.pt` that `tutorial_utils.train` writes at the end. It holds all that it takes to ask the model:
its class and the arguments that it was built with, the weights, the names of the classes, and how a picture is
prepared. Each picture gets a line with the likeliest classes::

    $ python -m tutorial_utils.predict runs/pets/model.pt *.jpg
    basket.jpg: cat 97.1%, dog 2.6%, bird 0.3%

Exit status: 0; 1, a picture (or the model) could not be read, which standard error says; 2, the command is wrong.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from tutorial_utils.checkpoints import check_loadable, explain_failed_write, match_names, write_atomically
from tutorial_utils.command import end_with, expand, program
from tutorial_utils.models import MODELS
from tutorial_utils.storage.checkpoint_file import FORMAT as CHECKPOINT
from tutorial_utils.storage.checkpoint_file import MODEL_FORMAT as FORMAT
from tutorial_utils.storage.checkpoint_file import read_tensors
from tutorial_utils.storage.pictures import PictureError, Preparation


@dataclass(frozen=True)
class Classifier:
    """A trained model, and all that it takes to ask it about a picture."""

    name: str  # of its class in `tutorial_utils.models`
    arguments: dict[str, int]  # of its class, when it was built
    model: nn.Module
    classes: Sequence[str]
    preparation: Preparation

    def classify(self, path: str | Path) -> Tensor:
        """Return the probabilities (K,) of the classes for the picture in the file `path`, or raise PictureError."""
        images = self.preparation.normalize(self.preparation.read(path)).unsqueeze(0)  # (1, C, H, W)
        self.model.eval()
        with torch.no_grad():
            probabilities: Tensor = self.model(images).softmax(dim=1)  # (1, K)
        return probabilities.squeeze(0)  # (K,)


def save_classifier(path: str | Path, classifier: Classifier) -> None:
    """Write a classifier to the file `path`, in one step, as plain values and tensors.

    Raises:
        OSError: the file cannot be written.
    """
    preparation = classifier.preparation
    content = {
        "format": FORMAT,
        "model": classifier.name,
        "arguments": dict(classifier.arguments),
        "state": {name: value.cpu() for name, value in classifier.model.state_dict().items()},
        "classes": list(classifier.classes),
        "channels": preparation.channels,
        "size": preparation.size,
        "mean": list(preparation.mean),
        "std": list(preparation.std),
    }
    with explain_failed_write(path), write_atomically(path) as file:
        torch.save(content, file)
        check_loadable(file)


def load_classifier(path: str | Path) -> Classifier:
    """Return the classifier in the file `path`, on the CPU, ready to answer. Nothing in the file is executed.

    Raises:
        OSError: there is no such file, or it cannot be opened.
        ValueError: it is no file of `save_classifier`, or damaged.
    """
    content = read_tensors(path, "model")
    marker = content.get("format") if isinstance(content, dict) else None
    if marker == CHECKPOINT:
        raise ValueError(f"{path} is a checkpoint, from which training goes on: name the model.pt beside it.")
    if marker != FORMAT:
        raise ValueError(f"{path} is no model that this version can read: name a model.pt of tutorial_utils.train.")
    try:
        preparation = Preparation(*(content[part] for part in ("channels", "size", "mean", "std")))
        model = MODELS[content["model"]](**content["arguments"])
        model.load_state_dict(match_names(content["state"], model))
        classifier = Classifier(content["model"], content["arguments"], model.eval(), content["classes"], preparation)
        blank = torch.zeros(1, preparation.channels, preparation.size, preparation.size, dtype=torch.uint8)
        if model(preparation.normalize(blank)).shape != (1, len(classifier.classes)):
            raise ValueError("as many logits as classes were expected")
    except Exception as error:  # what may be wrong in a file of this form is open
        reason = next(iter(str(error).splitlines()), "").rstrip(".:")
        raise ValueError(f"{path} is a damaged model ({type(error).__name__}: {reason}): train it again.") from error
    return classifier


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what the model sees in each picture; return the exit status."""
    options = parse(arguments)
    try:
        classifier = load_classifier(options.model)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    status = 0
    for path in expand(options.images):
        try:
            probabilities, places = classifier.classify(path).topk(min(options.top, len(classifier.classes)))
        except PictureError as error:
            print(error, file=sys.stderr)
            status = 1
            continue
        names = [classifier.classes[place] for place in places.tolist()]
        print(answer(path, names, probabilities.tolist(), options.json))
    return status


def answer(path: Path, names: list[str], probabilities: list[float], as_json: bool) -> str:
    """Return the line of one picture, for people or as JSON, the likeliest class first."""
    if as_json:
        return json.dumps({"file": str(path), "classes": names, "probabilities": probabilities}, ensure_ascii=False)
    return f"{path}: " + ", ".join(f"{name} {share:.1%}" for name, share in zip(names, probabilities, strict=True))


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(
        prog=program("predict"), description="Print what a trained model sees in pictures."
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help="the model.pt in the output folder of train")
    parser.add_argument("images", type=Path, nargs="+", metavar="IMAGE", help="a picture, of any size and format")
    parser.add_argument("--top", type=int, default=3, metavar="K", help="so many of the likeliest classes (default: 3)")
    parser.add_argument("--json", action="store_true", help="a JSON object per line, with all digits")
    options = parser.parse_args(arguments)
    if options.top < 1:
        parser.error(f"argument --top: {options.top} is less than 1")
    return options


if __name__ == "__main__":
    end_with(main)
