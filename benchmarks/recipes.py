"""Does the drawn set teach what the real one teaches? The same recipes on both: `make recipes`, some 6 minutes.

Exits with status 1 if a number leaves its range. The real set is compared where it is on disk.
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision.transforms import ToTensor

from tutorial_utils.data import CLASSES, FashionMNIST
from tutorial_utils.devices import pick_device
from tutorial_utils.loops import predict, test_loop, train_loop
from tutorial_utils.models import ConvNet, NeuralNetwork
from tutorial_utils.progress import progress_bar
from tutorial_utils.storage.fashion_mnist import data_folder, find_source

Example = tuple[torch.Tensor, int]
Range = tuple[float, float]


class Recipe(NamedTuple):
    """How a model is trained, and the lowest and the highest accuracy that is allowed on each set."""

    make_model: type[nn.Module]
    make_optimizer: Callable[..., torch.optim.Optimizer]
    lr: float
    epochs: int
    allowed: dict[str, Range]


RECIPES = {
    "NeuralNetwork, SGD 1e-3": Recipe(
        NeuralNetwork, torch.optim.SGD, 1e-3, epochs=5, allowed={"real": (0.63, 0.67), "sketch": (0.55, 0.75)}
    ),
    "NeuralNetwork, SGD 1e-1": Recipe(
        NeuralNetwork, torch.optim.SGD, 1e-1, epochs=5, allowed={"real": (0.84, 0.90), "sketch": (0.80, 0.93)}
    ),
    "NeuralNetwork, Adam 1e-3": Recipe(
        NeuralNetwork, torch.optim.Adam, 1e-3, epochs=5, allowed={"real": (0.86, 0.90), "sketch": (0.82, 0.93)}
    ),
    "ConvNet, Adam 1e-3": Recipe(
        ConvNet, torch.optim.Adam, 1e-3, epochs=3, allowed={"real": (0.87, 0.91), "sketch": (0.82, 0.95)}
    ),
}
PIXELS = {"mean": (0.2, 0.4), "std": (0.25, 0.45)}
ALIKE = torch.tensor([CLASSES.index(name) for name in ("T-shirt/top", "Pullover", "Coat", "Shirt")])


def train(recipe: Recipe) -> tuple[float, torch.Tensor]:
    """Return the test accuracy of a recipe (batch 64, seed 0), and the confusion matrix (K, K) of its model."""
    torch.manual_seed(0)
    device = pick_device()
    model, loss_fn = recipe.make_model().to(device), nn.CrossEntropyLoss()
    optimizer = recipe.make_optimizer(model.parameters(), lr=recipe.lr)
    train_dataloader: DataLoader[Example] = DataLoader(FashionMNIST(transform=ToTensor()), batch_size=64, shuffle=True)
    test_dataloader: DataLoader[Example] = DataLoader(FashionMNIST(train=False, transform=ToTensor()), batch_size=64)
    for epoch in range(1, recipe.epochs + 1):
        title = f"{recipe.make_model.__name__} {epoch}/{recipe.epochs}"
        train_loop(progress_bar(train_dataloader, title=title, unit=" batches"), model, loss_fn, optimizer)
    logits, labels = predict(test_dataloader, model)
    matrix = (labels * 10 + logits.argmax(dim=1)).bincount(minlength=100).reshape(10, 10)  # (K, K)
    return test_loop(test_dataloader, model, loss_fn).accuracy, matrix


def measure(source: str) -> Iterator[tuple[str, float, Range]]:
    """Yield each number measured on one set: its name, its value, and the range that it has to be in."""
    os.environ["TUTORIAL_SOURCE"] = source
    pixels = FashionMNIST().data / 255
    for name, allowed in PIXELS.items():
        yield f"{name} of the pixels", float(getattr(pixels, name)()), allowed
    accuracies = {}
    for name, recipe in RECIPES.items():
        accuracies[name], matrix = train(recipe)
        yield f"accuracy of {name}", accuracies[name], recipe.allowed[source]
        mistakes = matrix.float().fill_diagonal_(0)
    yield "mistakes of that model among T-shirt, pullover, coat, shirt", share(mistakes), (0.5, 1.0)
    lead = accuracies["ConvNet, Adam 1e-3"] - accuracies["NeuralNetwork, Adam 1e-3"]
    yield "its lead over the NeuralNetwork with Adam", lead, (0.0, 0.1)


def share(mistakes: torch.Tensor) -> float:
    """Return which share of the mistakes (K, K) is among the four garments that look alike."""
    return float(mistakes[ALIKE][:, ALIKE].sum() / mistakes.sum())


def main() -> int:
    """Print one table for each set; return 1 if a number is out of its range, else 0."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    sources = ["real", "sketch"] if find_source(data_folder()) == "real" else ["sketch"]
    print(
        f"PyTorch {torch.__version__} on {pick_device()}, {torch.get_num_threads()} threads; sets: {', '.join(sources)}"
    )
    failures = 0
    for source in sources:
        print(f"\n{source:<62}{'measured':>9}  must be")
        for name, value, (low, high) in measure(source):
            failures += not low <= value <= high
            print(f"{name:<62}{value:9.3f}  {low} to {high}{'' if low <= value <= high else '   <-- OUT OF RANGE'}")
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main())
