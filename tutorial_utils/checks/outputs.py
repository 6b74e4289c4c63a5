"""Whether outputs fit the labels, by the rules of the loss."""

import torch.nn.functional as F
from torch import Tensor, nn

from tutorial_utils.checks.words import describe, name_of, range_of, shape_of, shape_of_classes
from tutorial_utils.metrics import Rules, Task

SIGNED = (nn.SoftMarginLoss, F.soft_margin_loss)  # losses whose no is -1
LOGARITHMS = (nn.NLLLoss, F.nll_loss, nn.KLDivLoss, F.kl_div)  # losses of logarithms of probabilities


def check_outputs(rules: Rules, logits: Tensor, labels: Tensor) -> None:
    """Raise ValueError if outputs do not fit the labels of their batch, as far as the rules of the loss are known."""
    if rules.task is Task.NUMBER and logits.shape != labels.shape:
        raise ValueError(explain_broadcast(logits, labels))
    if rules.task is Task.YES_OR_NO and logits.ndim < labels.ndim == 1:
        raise ValueError(explain_broadcast(logits, labels))
    if rules.task is Task.YES_OR_NO:
        check_yes_or_no(rules, labels)
    elif rules.takes_classes and not labels.is_floating_point():
        check_classes(rules, logits, labels)
    elif rules.takes_classes and logits.shape != labels.shape:
        raise ValueError(
            f"The labels are {describe(labels)}. As classes they must be whole numbers, `.long()`, of shape "
            f"{shape_of_classes(logits)}; as shares of the classes, of the logits' shape, {shape_of(logits)}."
        )


def check_yes_or_no(rules: Rules, labels: Tensor) -> None:
    """Raise ValueError unless all labels are between no, 0, and yes, 1."""
    if labels.device.type != "cpu":
        return  # a look at labels on an accelerator would make it wait
    low, high = range_of(labels)
    no = -1 if rules.kind in SIGNED else 0
    if low < no or high > 1:
        raise ValueError(
            f"The labels of this batch run from {low:g} to {high:g}; {name_of(rules.kind)} takes {no} for no and 1 for "
            "yes. For one of several classes, use nn.CrossEntropyLoss with one logit for each class."
        )


def check_classes(rules: Rules, logits: Tensor, labels: Tensor) -> None:
    """Raise ValueError unless class labels (N, ...) fit the logits (N, K, ...)."""
    if logits.ndim != labels.ndim + 1 or logits.shape[:1] + logits.shape[2:] != labels.shape:
        raise ValueError(explain_classes(logits, labels))
    if labels.device.type != "cpu":
        return  # as above
    classes = logits.shape[1]
    low, high = range_of(labels)
    if rules.ignored is not None and not 0 <= low <= high < classes:  # only then: it would cost every batch time
        low, high = range_of(labels[labels != rules.ignored])
    if low < 0 or high >= classes:
        raise ValueError(
            f"The model returns {classes} numbers per image, for the classes 0 ... {classes - 1}, but the labels of "
            f"this batch run from {low} to {high}. Either the model's last layer has the wrong size, or the labels are "
            "wrong."
        )


def explain_classes(logits: Tensor, labels: Tensor) -> str:
    """Return which shape the logits should have for class labels, and how they or the labels can get it."""
    if labels.shape[1:2] == (1,) and labels.squeeze(1).shape == logits.shape[:1] + logits.shape[2:]:
        return (
            f"The labels have the shape {shape_of(labels)}, expected {shape_of_classes(logits)} for logits of "
            f"shape {shape_of(logits)}: `.squeeze(1)` takes the 1 away."
        )
    wanted = ", ".join(map(str, [len(labels), "K", *labels.shape[1:]]))
    if labels.shape == logits.shape and labels.ndim > 1:
        return (
            f"The labels are {describe(labels)}, of the logits' shape, as one-hot labels are. These must be numbers, "
            f"`.float()`; as classes, `.argmax(dim=1)`, they have the shape {shape_of_classes(logits)}."
        )
    sentence = (
        f"For labels of shape {shape_of(labels)} the model must return logits of shape ({wanted}), one number per "
        f"class; it returned {shape_of(logits)}."
    )
    if logits.ndim > 2 and logits.shape[:-1] == labels.shape:
        sentence += " The classes are last: `logits.movedim(-1, 1)` puts them where they belong."
    return sentence


def explain_broadcast(logits: Tensor, labels: Tensor) -> str:
    """Return why numbers of different shapes cannot be compared one by one."""
    sentence = (
        f"The model returned {shape_of(logits)}, and the labels have the shape {shape_of(labels)}. A loss of numbers "
        "compares each with its own, so the shapes must be equal; otherwise PyTorch pairs each number with many."
    )
    if logits.ndim == 0:
        sentence += " `.squeeze()` takes away the dimension of a batch of one example, too; `.squeeze(1)` does not."
    elif logits.numel() == labels.numel():
        shape = tuple(-1 if size == len(labels) and not i else size for i, size in enumerate(logits.shape))
        sentence += f" `labels.reshape({shape})` makes them so."
    return sentence


def check_logarithms(rules: Rules, logits: Tensor) -> None:
    """Raise ValueError if a loss of logarithms of probabilities is given numbers above 0, which can be none."""
    if rules.kind not in LOGARITHMS:
        return
    _, high = range_of(logits)
    if high > 1e-3:
        raise ValueError(
            f"{name_of(rules.kind)} takes logarithms of probabilities, which are never above 0; the model returned "
            f"numbers up to {high:.4g}. Take `log_softmax(dim=1)` of the logits first, or for class labels "
            "nn.CrossEntropyLoss, which does both."
        )
