"""Answers that learners give to the exercises of notebook 06, and what the reply to each must say."""

import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional


def step_by_data(parameters, lr):
    for p in parameters:
        if p.grad is None:
            continue
        p.data -= lr * p.grad


@torch.no_grad()
def step_by_methods(parameters, lr):
    for w in [w for w in parameters if w.grad is not None]:
        w.sub_(w.grad, alpha=lr)


def step_by_copy(params, learning_rate):
    for p in params:
        if p.grad is not None:
            new = p.detach() - learning_rate * p.grad
            with torch.no_grad():
                p.copy_(new)


def step_new_data(parameters, lr):
    for p in list(parameters):
        if isinstance(p.grad, torch.Tensor):
            p.data = p.data - p.grad * lr


def train_cleared_last(model, loss_fn, optimizer, images, labels):
    model.train()
    predictions = model(images)
    loss = loss_fn(predictions, labels)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    return float(loss.detach())


def train_cleared_by_hand(model, loss_fn, optimizer, x, y):
    for p in model.parameters():
        p.grad = None
    loss = loss_fn(model(x), y)
    value = loss.detach().numpy().item()
    loss.backward()
    optimizer.step()
    return value


def train_with_functions_of_autograd(model, loss_fn, optimizer, images, labels):
    parameters = list(model.parameters())
    loss = loss_fn(model(images), labels)
    for p, grad in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
        p.grad = grad
    optimizer.step()
    return loss.item()


def train_by_closure(model, loss_fn, optimizer, images, labels):
    def closure():
        model.zero_grad()
        loss = loss_fn(model(images), labels)
        loss.backward()
        return loss

    return optimizer.step(closure).item()


def entropy_in_a_loop(logits, labels):
    losses = []
    for row, label in zip(logits, labels, strict=True):
        losses.append(row.logsumexp(0) - row[label])
    return sum(losses) / len(losses)


def entropy_by_hand(logits, labels):
    shifted = logits - logits.max(dim=1, keepdim=True).values
    log_sums = torch.log(torch.exp(shifted).sum(dim=1))
    right = shifted[torch.arange(len(labels)), labels]
    return (log_sums - right).mean()


def entropy_by_distribution(logits, labels):
    return -torch.distributions.Categorical(logits=logits).log_prob(labels).mean()


def mean_loss_of_all_at_once(dataloader, model, loss_fn):
    batches = list(dataloader)
    images = torch.cat([images for images, _ in batches])
    labels = torch.cat([labels for _, labels in batches])
    with torch.inference_mode():
        return float(loss_fn(model.eval()(images), labels))


def mean_loss_by_lists(dataloader, model, loss_fn):
    was_training = model.training
    model.eval()
    losses, sizes = [], []
    with torch.no_grad():
        for x, y in dataloader:
            losses.append(loss_fn(model(x), y))
            sizes.append(x.shape[0])
    model.train(was_training)
    return float(np.average([loss.item() for loss in losses], weights=sizes))


@torch.no_grad()
def mean_loss_over_the_dataset(dataloader, model, loss_fn):
    model.train(False)
    total = torch.tensor(0.0)
    for x, y in dataloader:
        total += y.size(0) * loss_fn(model(x), y)
    return total.item() / len(dataloader.dataset)


def momentum_by_einsum(w, gradient, velocity, lr, momentum):
    scale = torch.tensor([momentum, 1.0])
    velocity = torch.einsum("k,kd->d", scale, torch.stack([velocity, gradient]))
    return [torch.add(w, velocity, alpha=-lr), velocity]


def momentum_by_optimizer(w, gradient, velocity, lr, momentum):
    p = w.clone().requires_grad_()
    optimizer = torch.optim.SGD([p], lr=lr, momentum=momentum)
    p.grad = gradient.clone()
    optimizer.state[p]["momentum_buffer"] = velocity.clone()
    optimizer.step()
    return p.detach(), optimizer.state[p]["momentum_buffer"]


def momentum_in_place_on_copies(w, gradient, velocity, lr, momentum):
    v = velocity.clone()
    v.mul_(momentum).add_(gradient)
    w = w - lr * v
    return w, v


def adamw_by_optimizer(w, gradient, state, lr, weight_decay):
    p = w.clone().requires_grad_()
    optimizer = torch.optim.AdamW([p], lr=lr, weight_decay=weight_decay)
    p.grad = gradient.clone()
    kept = {"step": torch.tensor(float(state[0])), "exp_avg": state[1].clone(), "exp_avg_sq": state[2].clone()}
    optimizer.state[p].update(kept)
    optimizer.step()
    return p.detach(), (state[0] + 1, kept["exp_avg"], kept["exp_avg_sq"])


def adamw_by_lerp(w, gradient, state, lr, weight_decay):
    steps, mean, square = state
    mean = torch.lerp(mean, gradient, 0.1)
    square = torch.lerp(square, gradient * gradient, 0.001)
    root = torch.sqrt(square / (1 - 0.999 ** (steps + 1)))
    w = w - lr * weight_decay * w - lr * (mean / (1 - 0.9 ** (steps + 1))) / (root + 1e-8)
    return [w, [steps + 1, mean, square]]


def adamw_in_place(w, gradient, *others):
    new = adamw_by_lerp(w, gradient, *others)
    w.copy_(new[0])
    return new


def clip_by_vector(parameters, max_norm):
    grads = [p.grad for p in parameters if p.grad is not None]
    norm = torch.cat([grad.flatten() for grad in grads]).norm().item()
    for grad in grads:
        grad.mul_(min(1.0, max_norm / max(norm, 1e-12)))
    return norm


def clip_by_norms(parameters, limit):
    parameters = list(parameters)
    norms = [p.grad.norm() for p in parameters if p.grad is not None]
    total = float(torch.stack(norms).norm())
    for p in parameters:
        if p.grad is not None and total > limit:
            p.grad.mul_(limit).div_(total)
    return total


def clip_into_new(parameters, max_norm):
    parameters = [p for p in parameters if p.grad is not None]
    norm = math.sqrt(sum((p.grad**2).sum().item() for p in parameters))
    for p in parameters:
        p.grad = p.grad * (max_norm / norm) if norm > max_norm else p.grad
    return norm


def clip_read_twice(parameters, max_norm):
    norm = sum(p.grad.square().sum().item() for p in parameters if p.grad is not None) ** 0.5
    for p in parameters:
        p.grad *= max_norm / norm
    return norm


def clip_without_skipping(parameters, max_norm):
    parameters = list(parameters)
    norm = sum(p.grad.square().sum().item() for p in parameters) ** 0.5
    for p in parameters:
        p.grad *= min(1.0, max_norm / max(norm, 1e-12))
    return norm


FOUND = dict(zip("ABCDEFGHIJ", (3, 8, 6, 10, 5, 2, 9, 1, 7, 4), strict=True))


def warm_up_by_min(step, warm_up, steps):
    rest = max(0.0, step - warm_up) / (steps - warm_up)
    rise = min(1.0, (step + 1) / warm_up) if warm_up else 1.0
    return rise * 0.5 * (1 + math.cos(rest * math.pi))


def warm_up_by_tensors(step, warm_up, steps):
    if step >= warm_up:
        return (torch.tensor((step - warm_up) / (steps - warm_up)) * torch.pi).cos().add(1).div(2).item()
    return torch.linspace(1 / warm_up, 1, warm_up)[step].item()


def warm_up_by_schedulers(step, warm_up, steps):
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    kinds = torch.optim.lr_scheduler
    cosine = kinds.CosineAnnealingLR(optimizer, steps - warm_up)
    if warm_up:
        line = kinds.LinearLR(optimizer, 1 / warm_up, total_iters=warm_up - 1)
        cosine = kinds.SequentialLR(optimizer, [line, cosine], [warm_up])
    for _ in range(step):
        optimizer.step()
        cosine.step()
    return cosine.get_last_lr()[0]


class StopsByLists:
    def __init__(self, patience):
        self.patience = patience
        self.losses = []

    @property
    def best_epoch(self):
        return 1 + self.losses.index(min(self.losses))

    def should_stop(self, val_loss):
        self.losses.append(val_loss)
        return len(self.losses) >= self.best_epoch + self.patience


class StopsByCountdown:
    def __init__(self, patience):
        self.patience, self.left, self.best_loss, self.epoch, self.best_epoch = patience, patience, None, 0, None

    def should_stop(self, loss):
        self.epoch += 1
        if self.best_loss is None or self.best_loss > loss:
            self.best_loss, self.best_epoch, self.left = loss, self.epoch, self.patience
            return False
        self.left -= 1
        return not self.left > 0


class StopsByNumPy:
    def __init__(self, patience):
        self.patience, self.losses, self.best_epoch = patience, np.array([]), 0

    def should_stop(self, val_loss):
        self.losses = np.append(self.losses, val_loss)
        self.best_epoch = int(self.losses.argmin()) + 1
        return np.greater_equal(len(self.losses) - self.best_epoch, self.patience)


def confusion_by_numpy(predictions, labels, classes_count):
    matrix = np.zeros((classes_count, classes_count), dtype=np.int64)
    np.add.at(matrix, (labels.numpy(), predictions.numpy()), 1)
    return torch.from_numpy(matrix)


def confusion_by_one_hot(predictions, labels, classes_count):
    actual = functional.one_hot(labels, classes_count)
    predicted = functional.one_hot(predictions, num_classes=classes_count)
    return torch.einsum("nk,nl->kl", actual, predicted)


def confusion_by_index_put(predictions, labels, classes_count):
    matrix = torch.zeros(classes_count, classes_count, dtype=torch.long)
    return matrix.index_put_((labels, predictions), torch.tensor(1), accumulate=True)


def average_in_loops(models):
    for name, _ in models[0].named_parameters():
        grads = [dict(model.named_parameters())[name].grad for model in models]
        mean = sum(grads) / len(grads)
        for model in models:
            model.get_parameter(name).grad = mean.clone()


def average_in_place(models):
    parameters = [list(model.parameters()) for model in models]
    for i in range(len(parameters[0])):
        total = torch.zeros_like(parameters[0][i])
        for copy in parameters:
            total += copy[i].grad
        for copy in parameters:
            copy[i].grad.copy_(total / len(models))


def average_by_vectors(models):
    flat = [nn.utils.parameters_to_vector(p.grad for p in model.parameters()) for model in models]
    mean = torch.stack(flat).mean(0)
    for model in models:
        parts = mean.clone().split([p.numel() for p in model.parameters()])
        for p, part in zip(model.parameters(), parts, strict=True):
            p.grad = part.view_as(p)


def train_in_order(order, finish=lambda loss: loss.item()):
    """Return a training step that calls these, in this order."""

    def train_step(model, loss_fn, optimizer, images, labels):
        loss = loss_fn(model(images), labels)
        for name in order.split():
            getattr(loss if name == "backward" else optimizer, name)()
        return finish(loss)

    return train_step


RIGHT_ORDER = "zero_grad backward step"


def train_without_labels(model, loss_fn, optimizer, images, labels):
    loss = loss_fn(model(images))
    loss.backward()


def measure_without_pairs(dataloader, model, loss_fn):
    for batch in dataloader:
        return loss_fn(model(batch), batch)


def entropy_in_place(logits, labels):
    logits -= logits.max(dim=1, keepdim=True).values
    return -(logits - logits.exp().sum(dim=1, keepdim=True).log())[range(len(labels)), labels].mean()


def momentum_in_place(w, gradient, velocity, lr, momentum):
    velocity *= momentum
    velocity += gradient
    return w - lr * velocity, velocity


class SharesItsLosses(StopsByLists):
    losses = []  # noqa: RUF012 (this is the mistake)

    def __init__(self, patience):
        self.patience = patience


def stops(answer):
    """Return a class that gives one answer, or calls it."""

    class Stops(StopsByCountdown):
        def should_stop(self, val_loss):
            return answer(val_loss) if callable(answer) else answer

    return Stops


def count_in_a_loop(predictions, labels, size):
    matrix = torch.zeros(size, size, dtype=torch.long)
    for prediction, label in zip(predictions, labels, strict=True):
        matrix[label, prediction] += 1
    return matrix


def count_in_lists(predictions, labels, size):
    matrix = [[0] * size for _ in range(size)]
    for prediction, label in zip(predictions.tolist(), labels.tolist(), strict=True):
        matrix[label][prediction] += 1
    return torch.tensor(matrix)


def count_by_rows(predictions, labels, size):
    return torch.stack([predictions[labels == row].bincount(minlength=size) for row in range(size)])


def count_in_place(predictions, labels, size):
    labels *= size
    labels += predictions
    return labels.bincount(minlength=size**2).reshape(size, size)


def average_and_step(models):
    average_in_place(models)
    for model in models:
        for p in model.parameters():
            p.data -= 0.1 * p.grad


def average_and_share_the_last(models):
    average_in_place(models)
    for p, last in zip(models[0].parameters(), models[-1].parameters(), strict=True):
        p.grad = last.grad


RIGHT = {
    "sgd_step": {
        "data": step_by_data,
        "methods": step_by_methods,
        "a copy": step_by_copy,
        "new data": step_new_data,
    },
    "train_step": {
        "cleared last": train_cleared_last,
        "cleared by hand": train_cleared_by_hand,
        "torch.autograd.grad": train_with_functions_of_autograd,
        "a closure": train_by_closure,
    },
    "cross_entropy": {
        "a loop": entropy_in_a_loop,
        "by hand": entropy_by_hand,
        "a distribution": entropy_by_distribution,
        "one-hot": lambda x, y: -(functional.one_hot(y, x.shape[1]) * x.log_softmax(-1)).sum(1).mean(),
        "einsum": lambda x, y: -torch.einsum("nn->", nn.LogSoftmax(dim=1)(x)[:, y]) / len(y),
    },
    "mean_loss": {
        "all at once": mean_loss_of_all_at_once,
        "lists": mean_loss_by_lists,
        "the length of the dataset": mean_loss_over_the_dataset,
    },
    "momentum_step": {
        "einsum": momentum_by_einsum,
        "the optimizer": momentum_by_optimizer,
        "in place on copies": momentum_in_place_on_copies,
    },
    "adamw_step": {"the optimizer": adamw_by_optimizer, "lerp": adamw_by_lerp},
    "clip_by_norm": {
        "PyTorch's vector": clip_by_vector,
        "norms of norms": clip_by_norms,
        "new gradients": clip_into_new,
        "ready-made": lambda parameters, most: float(nn.utils.clip_grad_norm_(parameters, most)),
    },
    "warm_up_cosine": {
        "min and max": warm_up_by_min,
        "tensors": warm_up_by_tensors,
        "schedulers": warm_up_by_schedulers,
    },
    "EarlyStopping": {"lists": StopsByLists, "a countdown": StopsByCountdown, "NumPy": StopsByNumPy},
    "confusion_matrix": {
        "NumPy": confusion_by_numpy,
        "one-hot": confusion_by_one_hot,
        "index_put_": confusion_by_index_put,
    },
    "found": {"in another order": dict(reversed(FOUND.items())), "floats": {run: float(n) for run, n in FOUND.items()}},
    "average_gradients": {"names": average_in_loops, "in place": average_in_place, "vectors": average_by_vectors},
}

WRONG = {
    "sgd_step": {
        "None is not skipped": (
            lambda parameters, lr: [p.data.sub_(lr * p.grad) for p in parameters].clear(),
            "'NoneType'.*\n.*tried for .* a frozen one",
        ),
        "a list is expected": (lambda parameters, lr: len(parameters), "no len.*\n.*tried for the parameter"),
        "something comes back": (lambda *inputs: step_by_data(*inputs) or 3, "comes back is 3, expected None"),
        "no gradients any more": (lambda *inputs: torch.set_grad_enabled(False), "for the rest of the notebook"),
    },
    "train_step": {
        "zero_grad between": (train_in_order("backward zero_grad step"), "between `backward` and `step`"),
        "step before backward": (train_in_order("zero_grad step backward"), "comes before `loss.backward"),
        "no backward": (train_in_order("zero_grad step"), r"`loss.backward\(\)` is not called"),
        "no step": (train_in_order("zero_grad backward"), r"`optimizer.step\(\)` is not called"),
        "a tensor": (train_in_order(RIGHT_ORDER, lambda loss: loss), r"`.item\(\)` takes it out"),
        "no return": (train_in_order(RIGHT_ORDER, lambda loss: None), "is a `return` missing"),
        "rounded": (train_in_order(RIGHT_ORDER, lambda loss: round(loss.item(), 1)), "0.2, expected 0.1867"),
        "no labels": (train_without_labels, "missing 1 required.*\n.*tried for the three students"),
    },
    "cross_entropy": {
        "ready-made": (lambda x, y: functional.cross_entropy(x, y), "`cross_entropy` of PyTorch has made it"),
        "half-made": (lambda x, y: nn.NLLLoss()(x.log_softmax(dim=1), y), "`nll_loss` of PyTorch has made it"),
        "in place": (entropy_in_place, "`logits` afterwards is .*, expected as before"),
        "a flat index": (
            lambda x, y: -x.log_softmax(1).gather(1, y).mean(),
            "same number of dimensions.*\n.*tried for",
        ),
        "one dimension": (lambda x, y: entropy_by_hand(x, y).reshape(1), "dimension of size 1"),
        "logarithms to 10": (lambda x, y: entropy_by_hand(x, y) / math.log(10), "0.4343 times"),
    },
    "mean_loss": {
        "no pairs": (measure_without_pairs, "must be Tensor, not list.*\n.*tried for batches of 2, 2 and 1"),
        "no return": (lambda *inputs: None, "is a `return` missing"),
        "five examples": (lambda d, m, f: mean_loss_by_lists(d, m, f) * len(d.dataset) / 5, "For 7 examples"),
    },
    "momentum_step": {
        "in place": (momentum_in_place, "changes its argument `velocity` in place"),
        "numbers": (lambda *inputs: [x.tolist() for x in momentum_by_einsum(*inputs)], "is a list, expected a tensor"),
        "one tensor": (lambda *inputs: torch.stack(momentum_by_einsum(*inputs)), "is a Tensor, expected a tuple"),
    },
    "adamw_step": {
        "in place": (adamw_in_place, "changes its argument `w` in place"),
        "w alone": (lambda *inputs: adamw_by_lerp(*inputs)[0], "expected a pair"),
        "nothing": (lambda *inputs: None, "is a `return` missing"),
    },
    "clip_by_norm": {
        "read twice": (clip_read_twice, "the gradients are as they were"),
        "a tensor": (lambda *inputs: torch.tensor(clip_by_norms(*inputs)), r"`.item\(\)` takes it out"),
        "None is not skipped": (clip_without_skipping, "'NoneType'.*\n.*tried for .* without a gradient"),
    },
    "warm_up_cosine": {
        "a tensor": (lambda *inputs: torch.tensor(warm_up_by_min(*inputs)), r"`.item\(\)` takes it out"),
        "fixed numbers": (lambda step, *others: warm_up_by_min(step, 4, 12), "`warm_up` = 1 and `steps` = 5"),
        "half of it": (
            lambda step, warm_up, steps: (step + 1) / warm_up if step < warm_up else None,
            "`return` missing",
        ),
    },
    "EarlyStopping": {
        "one list for all": (SharesItsLosses, "is set on `self`"),
        "an object": (StopsByLists(2), "without parentheses"),
        "an error": (stops(lambda loss: loss.item()), "no attribute 'item'.*\n.*tried for patience 2"),
        "a text": (stops("stop"), "'stop', expected True or False"),
        "nothing": (stops(None), "is a `return` missing"),
    },
    "confusion_matrix": {
        "a loop": (count_in_a_loop, "as a loop does. Give each pair one number"),
        "a loop over lists": (count_in_lists, "as a loop does"),
        "a loop over classes": (count_by_rows, "as a loop does"),
        "in place": (count_in_place, "changes its argument `labels` in place"),
        "an array": (lambda *inputs: confusion_by_numpy(*inputs).numpy(), "is a NumPy array"),
    },
    "found": {
        "a list": ([3, 8], r"What you wrote is \[3, 8\], expected a dictionary"),
        "some": ({"A": 3, "B": 8}, "The runs that it names"),
        "no number": ({"A": "3"}, "Run A is said to be '3', expected a number from 1 to 10"),
        "one twice": (dict.fromkeys("ABCDEFGHIJ", 3), "Run B is not number 3: the gradient of one of its layers is 0"),
        "another name": ({**FOUND, "Z": 1}, "The runs that it names"),
    },
    "average_gradients": {
        "a step": (average_and_step, "`weight` itself is"),
        "two share": (average_and_share_the_last, "shared with another copy"),
        "none": (
            lambda models: [model.zero_grad() for model in models],
            r"is None, expected a tensor of shape \(1, 2\).$",
        ),
        "a number": (lambda models: setattr(models[0].weight, "grad", torch.tensor(1.0)), "size.*\n.*tried for two"),
    },
}
