"""The two networks that the course trains on 28 x 28 grey images in ten classes, and one for pictures of your own."""

import torch
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


class MixedNorm(nn.Module):
    """Half of the channels normalised within each picture, the others over the batch: (N, C, H, W) to the same shape.

    Within its picture, a shape looks alike in any colour and light; over the batch, the colour itself is kept.

    Source: Pan et al., "Two at Once: Enhancing Learning and Generalization Capacities via IBN-Net", 2018,
    https://arxiv.org/abs/1807.09441
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.within = nn.InstanceNorm2d(channels // 2, affine=True)
        self.over = nn.BatchNorm2d(channels - channels // 2)

    def forward(self, x: Tensor) -> Tensor:
        first, second = x.split([self.within.num_features, self.over.num_features], dim=1)  # (N, C / 2, H, W) each
        return torch.cat([self.within(first), self.over(second)], dim=1)


class ResidualConvBlock(nn.Module):
    """Two convolutions, added to what goes in: (N, C_in, H, W) to (N, C_out, H / stride, W / stride).

    A convolution of 1 x 1 gives what goes in the shape of what comes out.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, kernel_size=3, stride=stride, padding=1, bias=False),
            MixedNorm(out_channels),
            nn.ReLU(),
            nn.Conv2d(out_channels, out_channels, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
        )
        self.shortcut = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, kernel_size=1, stride=stride, bias=False),
            nn.BatchNorm2d(out_channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return (self.convolutions(x) + self.shortcut(x)).relu()


class SmallResNet(nn.Module):
    """A small residual network for images of any size from 16 x 16: (N, C, H, W) float32 to logits (N, K).

    The average over all places, before the last layer, is what leaves the size open. For 3 channels and 10 classes it
    has 309,738 parameters.

    Source: He et al., "Deep Residual Learning for Image Recognition", 2015, https://arxiv.org/abs/1512.03385
    """

    def __init__(self, channels: int = 3, classes: int = 10) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(channels, 32, kernel_size=3, stride=2, padding=1, bias=False),
            MixedNorm(32),
            nn.ReLU(),
            ResidualConvBlock(32, 32),
            ResidualConvBlock(32, 64, stride=2),
            ResidualConvBlock(64, 128, stride=2),
        )
        self.classifier = nn.Linear(128, classes)

    def forward(self, images: Tensor) -> Tensor:
        x = self.features(images)  # (N, C, H, W) -> (N, 128, H / 8, W / 8)
        x = x.mean(dim=(2, 3))  # (N, 128)
        return self.classifier(x)  # (N, K)


MODELS = {model.__name__: model for model in (NeuralNetwork, ConvNet, SmallResNet)}


def count_parameters(model: nn.Module) -> int:
    """Return how many numbers in `model` training changes: the elements of all parameters that require gradients.

    >>> count_parameters(nn.Linear(3, 2))  # 3 * 2 weights and 2 biases
    8
    """
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
