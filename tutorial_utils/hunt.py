"""The training runs of the hunt in notebook 06: one without a fault, and ten with one planted fault each.

**It holds the answers.** Nothing that is wrong here raises an error: find it by measuring, and read this file later.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

Images = tuple[Tensor, Tensor]  # images (N, 28, 28) float32, and labels (N,) int64


class Run:
    """A small network that learns Fashion-MNIST from tensors, without a fault.

    Args:
        train: the images (N, 28, 28) float32 and labels (N,) int64 to learn from.
        val: those to measure with.
        seed: for the first weights, and all random numbers after them.
    """

    lr = 0.1

    def __init__(self, train: Images, val: Images, seed: int = 0) -> None:
        torch.manual_seed(seed)
        self.train, self.val = self.prepare(train, val)
        layers = nn.Linear(784, 64), nn.ReLU(), nn.Dropout(), nn.Linear(64, 10)
        self.model = nn.Sequential(nn.Flatten(), *layers).to(train[0].device)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=self.lr)

    def prepare(self, train: Images, val: Images) -> tuple[Images, Images]:
        """Return both parts normalised by the mean and standard deviation of the training images."""
        mean, std = train[0].mean(), train[0].std()
        return ((train[0] - mean) / std, train[1]), ((val[0] - mean) / std, val[1])

    def batches(self) -> Iterator[Images]:
        """Yield the training part once, in a new order, in batches of 64."""
        images, labels = self.train
        for rows in torch.randperm(len(labels), device=labels.device).split(64):
            yield images[rows], labels[rows]

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the loss () of logits (N, 10) and labels (N,)."""
        return functional.cross_entropy(logits, labels)

    def step(self, images: Tensor, labels: Tensor) -> float:
        """Learn from a batch; return its loss before the step."""
        loss = self.loss(self.model(images), labels)

        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def predict(self, images: Tensor) -> Tensor:
        """Return the predicted classes (N,) of images (N, 28, 28) that are prepared."""
        self.model.eval()
        with torch.no_grad():
            predictions: Tensor = self.model(images).argmax(dim=1)  # (N,)
        self.model.train()
        return predictions


class NoZeroGrad(Run):
    """`zero_grad` is forgotten, so each gradient is added to all those before it."""

    def step(self, images: Tensor, labels: Tensor) -> float:
        """Learn from a batch; return its loss before the step."""
        loss = self.loss(self.model(images), labels)

        loss.backward()
        self.optimizer.step()
        return loss.item()


class SoftmaxTwice(Run):
    """The loss gets probabilities, and applies its own softmax to them."""

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the loss () of logits (N, 10) and labels (N,)."""
        return functional.cross_entropy(logits.softmax(dim=1), labels)


class WrongDim(Run):
    """The softmax runs down the batch instead of over the classes."""

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the loss () of logits (N, 10) and labels (N,)."""
        return functional.nll_loss(logits.log_softmax(dim=0), labels)


class Summed(Run):
    """The loss is the sum over the batch instead of the mean, so a step is 64 times as long."""

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the loss () of logits (N, 10) and labels (N,)."""
        return functional.cross_entropy(logits, labels, reduction="sum")


class NoEval(Run):
    """The model stays in training mode when it predicts, so dropout is at work."""

    def predict(self, images: Tensor) -> Tensor:
        """Return the predicted classes (N,) of images (N, 28, 28) that are prepared."""
        with torch.no_grad():
            predictions: Tensor = self.model(images).argmax(dim=1)  # (N,)
        return predictions


class LabelsShifted(Run):
    """The training labels are shifted by one class."""

    def prepare(self, train: Images, val: Images) -> tuple[Images, Images]:
        """Return both parts normalised by the mean and standard deviation of the training images."""
        (images, labels), val = super().prepare(train, val)
        return (images, (labels + 1) % 10), val


class ValStatistics(Run):
    """Both parts are normalised by what was measured on the validation images."""

    def prepare(self, train: Images, val: Images) -> tuple[Images, Images]:
        """Return both parts normalised by the mean and standard deviation of the validation images."""
        val, train = super().prepare(val, train)
        return train, val


class Frozen(Run):
    """The first layer does not learn."""

    def __init__(self, train: Images, val: Images, seed: int = 0) -> None:
        super().__init__(train, val, seed)
        self.model[1].requires_grad_(False)


class NotShuffled(Run):
    """The training images come class by class."""

    def batches(self) -> Iterator[Images]:
        """Yield the training part once, sorted by its labels, in batches of 64."""
        images, labels = self.train
        for rows in labels.argsort().split(64):
            yield images[rows], labels[rows]


class RateTooHigh(Run):
    """The learning rate is 100 times too high."""

    lr = 10.0


RUNS = {
    "A": WrongDim,
    "B": Frozen,
    "C": LabelsShifted,
    "D": RateTooHigh,
    "E": NoEval,
    "F": SoftmaxTwice,
    "G": NotShuffled,
    "H": NoZeroGrad,
    "I": ValStatistics,
    "J": Summed,
}
SUSPECTS = {  # as the notebook numbers them
    1: NoZeroGrad,
    2: SoftmaxTwice,
    3: WrongDim,
    4: Summed,
    5: NoEval,
    6: LabelsShifted,
    7: ValStatistics,
    8: Frozen,
    9: NotShuffled,
    10: RateTooHigh,
}


def planted_runs() -> dict[str, type[Run]]:
    """Return the ten runs with a fault, by the letter that the notebook gives them."""
    return dict(RUNS)


def repair(kind: type[Run], part: str) -> type[Run]:
    """Return a run like `kind` whose part, such as "loss" or "lr", is that of `Run`, which has no fault.

    >>> repair(Summed, "loss").loss is Run.loss
    True
    """
    return type(f"{kind.__name__}Repaired", (kind,), {part: vars(Run)[part]})
