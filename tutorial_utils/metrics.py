"""What a batch counts for: how many labels its mean loss is over, and how many of its predictions are right.

For the losses and labels of the lessons, `weigh` and `count_labels` are `len(labels)`, and `count_correct` is
`(logits.argmax(dim=1) == labels).sum()`. The rest is for tasks that the lessons do not have.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

Amount = Any  # a number; on an accelerator a tensor of one, so that nobody has to wait for it
LossFunction = Callable[[Tensor, Tensor], Any]  # logits (N, K) and labels (N,) to one number, the mean over N

CLASS_LOSSES: tuple[Any, ...] = (
    *(nn.CrossEntropyLoss, nn.NLLLoss, nn.MultiMarginLoss, nn.KLDivLoss),
    *(F.cross_entropy, F.nll_loss, F.multi_margin_loss, F.kl_div),
)
NUMBER_LOSSES: tuple[Any, ...] = (
    *(nn.MSELoss, nn.L1Loss, nn.SmoothL1Loss, nn.HuberLoss, nn.PoissonNLLLoss),
    *(F.mse_loss, F.l1_loss, F.smooth_l1_loss, F.huber_loss, F.poisson_nll_loss),
)
THRESHOLDS: dict[Any, float] = {  # losses of yes or no, each with the output above which it is a yes
    **{
        nn.BCEWithLogitsLoss: 0.0,
        F.binary_cross_entropy_with_logits: 0.0,
        nn.BCELoss: 0.5,
        F.binary_cross_entropy: 0.5,
    },
    **{nn.MultiLabelSoftMarginLoss: 0.0, F.multilabel_soft_margin_loss: 0.0},
    **{nn.SoftMarginLoss: 0.0, F.soft_margin_loss: 0.0},  # whose no is -1
}
WEIGHTED: tuple[Any, ...] = (nn.CrossEntropyLoss, nn.NLLLoss, F.cross_entropy, F.nll_loss)  # means over class weights
DIVERGENCES: tuple[Any, ...] = (nn.KLDivLoss, F.kl_div)
KNOWN = frozenset((*CLASS_LOSSES, *NUMBER_LOSSES, *THRESHOLDS))


class Task(Enum):
    """What the labels of a batch say."""

    CLASS = "one of K classes: whole numbers (N, ...) for logits (N, K, ...)"
    SHARES = "the share of each of K classes, one-hot or soft: (N, K, ...) for logits (N, K, ...)"
    YES_OR_NO = "yes, 1, or no, 0, for each of the model's outputs"
    NUMBER = "a number for each of the model's outputs, which can be close, and neither right nor wrong"


@dataclass(frozen=True)
class Rules:
    """What a loss function is known to do; of one of your own, nothing."""

    kind: Any  # the class of a module, or the function itself
    task: Task | None = None  # None: the labels tell
    takes_classes: bool = False  # whole numbers or shares
    threshold: float = 0.0  # the output above which it is a yes
    ignored: int | None = None  # a label that the mean leaves out
    weights: Tensor | None = None  # of the classes, (K,)


def rules_of(loss_fn: Any) -> Rules:
    """Return what a loss function is known to do, also if compiled, or where `functools.partial` has set something.

    >>> rules_of(nn.CrossEntropyLoss()).ignored
    -100
    """
    if isinstance(found := getattr(loss_fn, "rules", None), Rules):
        return found
    loss_fn = uncompiled(loss_fn)
    kind, takes_classes = kind_of(loss_fn), kind_of(loss_fn) in CLASS_LOSSES
    ignored = setting_of(loss_fn, "ignore_index")
    return Rules(
        kind=kind,
        task=Task.YES_OR_NO if kind in THRESHOLDS else Task.NUMBER if kind in NUMBER_LOSSES else None,
        takes_classes=takes_classes,
        threshold=THRESHOLDS.get(kind, 0.0),
        ignored=-100 if ignored is None and kind in (F.cross_entropy, F.nll_loss) else ignored,
        weights=setting_of(loss_fn, "weight") if kind in WEIGHTED and computes_as(loss_fn, kind) else None,
    )


def kind_of(loss_fn: Any) -> Any:
    """Return the class of a loss object, or of the known one that it inherits from; or the function itself."""
    if isinstance(loss_fn, partial):
        return kind_of(loss_fn.func)
    if inspect.isroutine(loss_fn):
        return loss_fn
    return next((base for base in type(loss_fn).__mro__ if base in KNOWN), type(loss_fn))


def computes_as(loss_fn: Any, kind: Any) -> bool:
    """Return whether a loss of this kind computes what the kind does, and has no `forward` of its own."""
    return not isinstance(loss_fn, nn.Module) or type(uncompiled(loss_fn)).forward is getattr(kind, "forward", None)


def uncompiled(loss_fn: Any) -> Any:
    """Return what `torch.compile` was given to make `loss_fn`, or `loss_fn` itself if it was not compiled."""
    return getattr(loss_fn, "_orig_mod", None) or getattr(loss_fn, "_torchdynamo_orig_callable", loss_fn)


def setting_of(loss_fn: Any, name: str) -> Any:
    """Return the setting `name` of a loss function, or None if it has none; `partial` holds those of a function."""
    return loss_fn.keywords.get(name) if isinstance(loss_fn, partial) else getattr(loss_fn, name, None)


def task_of(loss_fn: Any, labels: Tensor) -> Task:
    """Return what the labels of a batch say; of a loss function of your own, the labels alone must tell.

    >>> import torch
    >>> task_of(nn.CrossEntropyLoss(), torch.tensor([2, 0])).name
    'CLASS'
    """
    rules = rules_of(loss_fn)
    if rules.task is not None:
        return rules.task
    if labels.is_complex():
        return Task.NUMBER
    if not labels.is_floating_point():
        return Task.CLASS
    return Task.SHARES if rules.takes_classes or _are_shares(labels) else Task.NUMBER


def weigh(loss_fn: Any, labels: Tensor) -> Amount:
    """Return what the mean loss of a batch is over: its labels that count, or the weights of their classes.

    >>> import torch
    >>> weigh(nn.CrossEntropyLoss(), torch.tensor([1, 0, -100]))
    2
    """
    rules = rules_of(loss_fn)
    if rules.weights is None or task_of(loss_fn, labels) is not Task.CLASS:
        return count_labels(loss_fn, labels)
    counted = labels != rules.ignored
    total = (rules.weights.to(labels.device)[labels.long() * counted] * counted).sum()
    return float(total) if labels.device.type == "cpu" else total


def count_labels(loss_fn: Any, labels: Tensor) -> Amount:
    """Return how many labels of a batch count, which is all of them but ignored ones."""
    task, ignored = task_of(loss_fn, labels), rules_of(loss_fn).ignored
    if task is Task.SHARES:
        return labels.numel() // labels.shape[1]
    if task is not Task.CLASS or ignored is None:
        return labels.numel()
    counted = (labels != ignored).sum()
    return int(counted) if labels.device.type == "cpu" else counted


def count_correct(loss_fn: Any, logits: Tensor, labels: Tensor) -> Amount:
    """Return how many predictions of a batch are right, of those that `count_labels` counts; nan if none can be.

    >>> import torch
    >>> count_correct(nn.CrossEntropyLoss(), torch.tensor([[0.1, 2.0], [3.0, 0.0]]), torch.tensor([1, 1]))
    tensor(1)
    >>> count_correct(nn.MSELoss(), torch.tensor([0.5]), torch.tensor([0.4]))
    nan
    """
    task, rules = task_of(loss_fn, labels), rules_of(loss_fn)
    if task is Task.YES_OR_NO:
        return ((logits > rules.threshold) == (labels > 0.5).reshape(logits.shape)).sum()
    if rules.kind in DIVERGENCES and logits.ndim > 2:
        return float("nan")  # these losses do not say which dimension the classes are
    if task is Task.SHARES:
        labels = labels.argmax(dim=1)  # (N, K, ...) -> (N, ...)
    dim = None if task is Task.NUMBER else dimension_of_classes(rules, logits, labels)
    if dim is None:
        return float("nan")
    right = logits.argmax(dim=dim) == labels  # (N, ...)
    counts_all = rules.ignored is None or task is Task.SHARES
    return right.sum() if counts_all else (right & (labels != rules.ignored)).sum()


def dimension_of_classes(rules: Rules, logits: Tensor, labels: Tensor) -> int | None:
    """Return along which dimension the logits have a number for each class, or None if the shapes do not tell.

    PyTorch's own losses take logits (N, K, ...). A loss of your own may take sequences (N, T, K), too.
    """
    if rules.takes_classes:
        return 1
    fits = {
        dim
        for dim in (1, logits.ndim - 1)
        if 0 < dim < logits.ndim and logits.shape[dim] > 1
        if logits.shape[:dim] + logits.shape[dim + 1 :] == labels.shape
    }
    return fits.pop() if len(fits) == 1 else None


def _are_shares(labels: Tensor) -> bool:
    """Return whether numbers (N, K, ...) can be the shares of K classes: none is negative, and K of them sum to 1."""
    if labels.ndim < 2 or labels.shape[1] < 2:
        return False
    return bool((labels >= 0).all() and (labels.sum(dim=1) - 1).abs().max() < 1e-3)
