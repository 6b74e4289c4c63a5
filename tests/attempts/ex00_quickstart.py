"""Answers that learners give to the exercises of notebook 00: right ones in other styles, and wrong ones."""

import math
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F

from tutorial_utils.models import NeuralNetwork


def count_while(sizes):
    total, sizes = 0, list(sizes)
    while len(sizes) > 1:
        inputs = sizes.pop(0)
        total += (inputs + 1) * sizes[0]
    return total


def count_in_layers(sizes):
    model = nn.Sequential(*[nn.Linear(a, b) for a, b in pairwise(sizes)])
    return sum(p.numel() for p in model.parameters())


def pop_from_sizes(sizes):
    total = 0
    while len(sizes) > 1:
        inputs = sizes.pop(0)
        total += inputs * sizes[0] + sizes[0]
    return total


def loss_in_a_loop(p):
    total = 0.0
    for x in p:
        total = total - torch.log(x)
    return total / p.shape[0]


def mean_in_a_loop(losses, sizes):
    total = count = 0
    for loss, size in zip(losses.tolist(), sizes.tolist(), strict=True):
        total += loss * size
        count += size
    return total / count


def clear_last(model, optimizer, images, labels, steps):
    optimizer.zero_grad()
    losses = []
    for _ in range(steps):
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses += [loss.item()]
    return losses


def clear_first(model, optimizer, images, labels, steps):
    losses, step = [], 0
    while step < steps:
        model.train()
        model.zero_grad()
        loss = torch.nn.CrossEntropyLoss()(model(images), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.detach().item())
        step += 1
    return losses


def always_four(model, optimizer, images, labels, steps):
    return clear_last(model, optimizer, images, labels, 4)


def sum_of_losses(model, optimizer, images, labels, steps):
    losses = []
    for _ in range(steps):
        loss = F.cross_entropy(model(images), labels, reduction="sum")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def accuracy_in_a_loop(logits, labels):
    right = 0
    for scores, label in zip(logits, labels, strict=True):
        if scores.argmax() == label:
            right += 1
    return right / len(labels)


def accuracy_with_a_return_in_the_loop(logits, labels):
    right = 0
    for scores, label in zip(logits, labels, strict=True):
        right += int(scores.argmax() == label)
        return right / len(labels)


def start_at_once(learning_rate):
    return (m := NeuralNetwork()), torch.optim.SGD(list(m.parameters()), learning_rate)


def start_in_a_list(learning_rate):
    net = NeuralNetwork()
    return [net, torch.optim.SGD(params=net.parameters(), lr=learning_rate)]


def precision_by_counting(predictions, labels, classes_count):
    guessed = torch.bincount(predictions, minlength=classes_count)
    right = torch.bincount(predictions[predictions == labels], minlength=classes_count)
    return right / guessed


def precision_by_one_hot(predictions, labels, classes_count):
    table = F.one_hot(predictions, classes_count).float()
    return (table * (predictions == labels).float()[:, None]).sum(0) / table.sum(0)


def precision_into_zeros(predictions, labels, classes_count):
    result = torch.empty(classes_count)
    for k in range(classes_count):
        mask = predictions == k
        result[k] = (labels[mask] == k).sum() / mask.sum()
    return result


def precision_in_unset_memory(predictions, labels, classes_count):
    result = torch.empty(classes_count)
    for k in labels.unique():
        result[k] = (labels[predictions == k] == k).float().mean()
    return result


def save_and_load_in_one_line(trained, fresh, file):
    torch.save(obj=trained.state_dict(), f=str(file))
    fresh.load_state_dict(torch.load(str(file)))


def save_by_open(trained, fresh, file):
    with open(file, "wb") as stream:  # noqa: PTH123
        torch.save(trained.state_dict(), stream)
    with open(file, "rb") as stream:  # noqa: PTH123
        fresh.load_state_dict(torch.load(stream, weights_only=True))


@torch.no_grad()
def predict_with_a_decorator(model, image, classes):
    model.eval()
    p = F.softmax(model(image[None]), dim=1)
    best, place = p.max(dim=1)
    return classes[place.item()], best.item()


def predict_in_inference_mode(model, image, classes):
    model.train(False)
    with torch.inference_mode():
        p = model(torch.stack([image])).squeeze(0).softmax(-1)
    return [classes[p.argmax()], p.max().item()]


def predict_and_leave_gradients_off(model, image, classes):
    model.eval()
    torch.set_grad_enabled(False)
    p = model(image.unsqueeze(0)).softmax(1)[0]
    return classes[int(p.argmax())], float(p.max())


RIGHT = {
    "batch_shape": {
        "a list": [32, 1, 28, 28],
        "a size": torch.Size([32, 1, 28, 28]),
        "computed": (64 // 2, 1, 28, 28),
    },
    "count_by_formula": {
        "a sum": lambda sizes: sum((a + 1) * b for a, b in pairwise(sizes)),
        "a copy that shrinks": count_while,
        "layers that are made": count_in_layers,
    },
    "loss_by_hand": {
        "other names": lambda p: torch.mean(-torch.log(p)),
        "a loop": loss_in_a_loop,
        "a sum": lambda p: -torch.log(p).sum() / p.numel(),
        "the reciprocal": lambda p: (1 / p).log().mean(),
        "PyTorch's own": lambda p: F.nll_loss(p.log()[:, None], torch.zeros(len(p), dtype=torch.long)),
    },
    "mean_per_example": {
        "a dot product": lambda losses, sizes: (losses @ sizes.float() / sizes.sum()).item(),
        "a loop": mean_in_a_loop,
        "repeated": lambda losses, sizes: losses.repeat_interleave(sizes).mean().item(),
        "NumPy": lambda losses, sizes: float((losses.numpy() * sizes.numpy()).sum() / sizes.numpy().sum()),
    },
    "repeat_batch": {"cleared last": clear_last, "cleared first": clear_first},
    "accuracy_of": {
        "a count": lambda logits, labels: (logits.argmax(1) == labels).sum().item() / len(labels),
        "max": lambda logits, labels: torch.mean((logits.max(1)[1] == labels).double()).item(),
        "softmax": lambda logits, labels: float((F.softmax(logits, 1).argmax(-1) == labels).float().mean()),
        "a loop": accuracy_in_a_loop,
        "sorted": lambda logits, labels: float((logits.argsort(1)[:, -1] == labels).float().mean()),
    },
    "fresh_start": {"at once": start_at_once, "a list": start_in_a_list},
    "precision": {
        "counted": precision_by_counting,
        "one-hot": precision_by_one_hot,
        "filled in": precision_into_zeros,
        "a list of numbers": lambda p, y, count: torch.tensor([(y[p == k] == k).float().mean() for k in range(count)]),
    },
    "save_and_load": {"in one line": save_and_load_in_one_line, "opened": save_by_open},
    "predict_one": {"a decorator": predict_with_a_decorator, "inference mode": predict_in_inference_mode},
}


WRONG = {
    "batch_shape": {
        "a text": ("32, 1, 28, 28", "of type str"),
        "a guess": ((28, 28, 1, 32), r"is \(28, 28, 1, 32\), expected the shape of a batch of 32 images\.$"),
    },
    "count_by_formula": {
        "changed in place": (pop_from_sizes, "changes its argument `sizes`"),
        "no return": (lambda sizes: print(sum(sizes)), r"is a `return` missing\?"),
        "a name that is not there": (lambda sizes: size[0] * sizes[1], r"called with sizes: \[3, 2, 1\]"),  # noqa: F821
    },
    "loss_by_hand": {
        "Python's math": (lambda p: -math.log(p), "called with p: .2,., float32"),
        "in place": (lambda p: -p.log_().mean(), "changes its argument `p` in place"),
    },
    "mean_per_example": {
        "in place": (lambda losses, sizes: float(losses.mul_(sizes).sum() / sizes.sum()), "`losses` in place"),
        "two batches": (
            lambda losses, sizes: float((losses[0] * sizes[0] + losses[1] * sizes[1]) / (sizes[0] + sizes[1])),
            r"for `losses` = \[0.5, 2, 3.5\]|For `losses` = \[0.5, 2, 3.5\]",
        ),
    },
    "repeat_batch": {
        "always four steps": (always_four, r"(?i)after 1 step on one image"),
        "the sum of the losses": (sum_of_losses, r"(?i)after 4 steps on a batch of 4.*weight"),
    },
    "accuracy_of": {
        "a return in the loop": (accuracy_with_a_return_in_the_loop, "inside the loop"),
        "zipped with numbers": (lambda logits, labels: logits == labels, "called with logits"),
    },
    "fresh_start": {
        "another constant": (lambda rate: start_at_once(0.1), "learning rate of the optimizer is 0.1, expected 0.03"),
    },
    "precision": {"memory that nobody set": (precision_in_unset_memory, "nan")},
    "save_and_load": {
        "a name without quotes": (lambda trained, fresh, file: torch.save(model, file), "save_and_load was tried"),  # noqa: F821
    },
    "predict_one": {
        "gradients left off": (predict_and_leave_gradients_off, "changes whether gradients are recorded"),
    },
}
