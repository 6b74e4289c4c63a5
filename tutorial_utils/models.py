"""The two networks that the course trains on 28 x 28 grey images in ten classes."""

from torch import Tensor, nn


class NeuralNetwork(nn.Module):
    """A multilayer perceptron, 784 -> 512 -> 512 -> 10: images (N, 1, 28, 28) float32 to logits (N, 10).

    Source: the network of https://docs.pytorch.org/tutorials/beginner/basics/quickstart_tutorial.html
    """

    def __init__(self) -> None:
        super().__init__()
        self.flatten = nn.Flatten()
        self.linear_relu_stack = nn.Sequential(
            nn.Linear(28 * 28, 512),
            nn.ReLU(),
            nn.Linear(512, 512),
            nn.ReLU(),
            nn.Linear(512, 10),
        )

    def forward(self, images: Tensor) -> Tensor:
        x = self.flatten(images)  # (N, 1, 28, 28) -> (N, 784)
        return self.linear_relu_stack(x)  # (N, 784) -> (N, 10)


class ConvNet(nn.Module):
    """A small convolutional network: images (N, 1, 28, 28) float32 to logits (N, 10).

    Two blocks of convolution, ReLU and max pooling, then one linear layer. It has 20,490 parameters, 33 times fewer
    than `NeuralNetwork`, and classifies better: a convolution looks for the same pattern everywhere in the image.
    """

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.classifier = nn.Linear(32 * 7 * 7, 10)

    def forward(self, images: Tensor) -> Tensor:
        x = self.features(images)  # (N, 1, 28, 28) -> (N, 32, 7, 7)
        return self.classifier(x.flatten(1))  # (N, 1568) -> (N, 10)


def count_parameters(model: nn.Module) -> int:
    """Return how many numbers in `model` training changes: the elements of all parameters that require gradients.

    >>> count_parameters(nn.Linear(3, 2))  # 3 * 2 weights and 2 biases
    8
    """
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
