"""Answers that learners give to the exercises of notebook 06, and what the reply to each must say."""

import math

import torch
from torch import nn
from torch.nn import functional


def split(order, val_size, test_size):
    """Return train, val, test, cut from the front."""
    first, second = val_size, val_size + test_size
    return order[second:], order[:first], order[first:second]


def seeded(count, seed):
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed))


def split_from_the_end(count, val_size, test_size, seed):
    order = seeded(count, seed)
    return order[: -val_size - test_size], order[-val_size - test_size : -test_size], order[-test_size:]


def draw_three_times(count, val_size, test_size, seed):
    torch.manual_seed(seed)
    train_size = count - val_size - test_size
    return tuple(torch.randperm(count)[:size] for size in (train_size, val_size, test_size))


def shuffle_each_block(count, val_size, test_size, seed):
    torch.manual_seed(seed)
    return tuple(part[torch.randperm(len(part))] for part in split(torch.arange(count), val_size, test_size))


def step_new_tensor(parameters, lr):
    for w in parameters:
        if w.grad is not None:
            w = w - lr * w.grad


def step(parameters, change, clear=False):
    """Change each parameter by what `change` says of its gradient."""
    with torch.no_grad():
        for w in parameters:
            if w.grad is not None:
                w += change(w.grad)
                if clear:
                    w.grad.zero_()


def step_first_alone(parameters, lr):
    step([next(iter(parameters))], lambda grad: -lr * grad)


def train_in_order(order, result=lambda loss, after: loss.item()):
    """Return a training step that calls these, in this order."""

    def train_step(model, loss_fn, optimizer, images, labels):
        loss = loss_fn(model(images), labels)
        for name in order.split():
            getattr(loss if name == "backward" else optimizer, name)()
        return result(loss, lambda: loss_fn(model(images), labels).item())

    return train_step


def train_labels_first(model, loss_fn, *others):
    return train_in_order("zero_grad backward step")(model, lambda x, y: loss_fn(y, x), *others)


def train_in_evaluation_mode(model, *others):
    return train_in_order("zero_grad backward step")(model.eval(), *others)


def entropy_of_pairs(logits, labels):
    return -logits.log_softmax(dim=1)[:, labels].mean()


def pick(table, labels):
    return table[range(len(labels)), labels]


def measure(dataloader, model, loss_fn, finish, evaluate=True, grad=False):
    """Return what `finish` makes of the lists of batch means and batch sizes."""
    model.train(not evaluate)
    with torch.set_grad_enabled(grad):
        batches = [(loss_fn(model(images), labels).item(), len(labels)) for images, labels in dataloader]
    return finish(*zip(*batches, strict=True))


def total(means, sizes):
    return sum(mean * size for mean, size in zip(means, sizes, strict=True))


def weighted(means, sizes):
    return total(means, sizes) / sum(sizes)


def first_batch(dataloader, model, loss_fn):
    model.eval()
    with torch.no_grad():
        for images, labels in dataloader:
            return loss_fn(model(images), labels).item()


def change_velocity_in_place(w, gradient, velocity, lr, momentum):
    velocity *= momentum
    velocity += gradient
    return w - lr * velocity, velocity


class Stopper:
    """Right, but for what the classes below change."""

    def __init__(self, patience):
        self.patience, self.lowest, self.previous = patience, float("inf"), float("inf")
        self.epoch = self.best_epoch = self.waited = 0

    def is_better(self, loss):
        return loss < self.lowest

    def should_stop(self, loss):
        self.epoch += 1
        if self.is_better(loss):
            self.lowest, self.best_epoch, self.waited = loss, self.epoch, 0
        else:
            self.waited += 1
        self.previous = loss
        return self.waited >= self.patience


class NeverBeginsAgain(Stopper):
    def should_stop(self, loss):
        waited = self.waited
        super().should_stop(loss)
        self.waited = waited + (loss > self.lowest)
        return self.waited >= self.patience


class OneTooLong(Stopper):
    def should_stop(self, loss):
        return super().should_stop(loss) and self.waited > self.patience


class ForgetsTheEpoch(Stopper):
    def should_stop(self, loss):
        if loss < self.lowest:
            self.lowest, self.best_epoch = loss, self.epoch
        return self.epoch - self.best_epoch >= self.patience


class ForgetsTheLowest(Stopper):
    def should_stop(self, loss):
        self.epoch += 1
        if loss < self.lowest:
            self.best_epoch = self.epoch
        return self.epoch - self.best_epoch >= self.patience


class ForgetsPatience(Stopper):
    def should_stop(self, loss):
        super().should_stop(loss)
        return self.waited > 0


class LooksOneEpochBack(Stopper):
    def is_better(self, loss):
        return loss < self.previous


class TakesEqualForBetter(Stopper):
    def is_better(self, loss):
        return loss <= self.lowest


class ReturnsNothing(Stopper):
    def should_stop(self, loss):
        super().should_stop(loss)


class CountsFromZero(Stopper):
    def should_stop(self, loss):
        stop = super().should_stop(loss)
        self.best_epoch = self.epoch - self.waited - 1
        return stop


class NamesNoEpoch(Stopper):
    def should_stop(self, loss):
        stop = super().should_stop(loss)
        self.best_epoch = 0
        return stop


class CountsEveryEpoch(Stopper):
    def should_stop(self, loss):
        super().should_stop(loss)
        return self.epoch >= self.patience


class SharesItsLosses(Stopper):
    losses = []  # noqa: RUF012 (this is the mistake)

    def should_stop(self, loss):
        self.losses.append(loss)
        self.best_epoch = 1 + self.losses.index(min(self.losses))
        return len(self.losses) - self.best_epoch >= self.patience


class StopsWhenBetter(Stopper):
    def should_stop(self, loss):
        super().should_stop(loss)
        return self.waited == 0


def count_pairs(predictions, labels, size):
    return (size * labels + predictions).bincount(minlength=size**2).reshape(size, size)


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


def add_once(predictions, labels, size):
    matrix = torch.zeros(size, size, dtype=torch.long)
    matrix[labels, predictions] += 1
    return matrix


def clear_in_place(matrix):
    matrix.fill_diagonal_(0)
    return divmod(int(matrix.argmax()), len(matrix))


def off_diagonal(matrix):
    return matrix.clone().fill_diagonal_(0)


def combine_gradients(models, combine):
    for copies in zip(*(model.parameters() for model in models), strict=True):
        combined = combine(torch.stack([p.grad for p in copies]))
        for p in copies:
            p.grad = combined.clone()


def share_one_gradient(models):
    for copies in zip(*(model.parameters() for model in models), strict=True):
        mean = torch.stack([p.grad for p in copies]).mean(dim=0)
        for p in copies:
            p.grad = mean


def read_what_is_written(models):
    for copies in zip(*(model.parameters() for model in models), strict=True):
        for p in copies:
            p.grad = torch.stack([q.grad for q in copies]).mean(dim=0)


def average_weights_too(models):
    combine_gradients(models, lambda grads: grads.mean(dim=0))
    with torch.no_grad():
        mean = torch.stack([model.weight for model in models]).mean(dim=0)
        for model in models:
            model.weight.copy_(mean)


def write_the_first_alone(models):
    for copies in zip(*(model.parameters() for model in models), strict=True):
        copies[0].grad = torch.stack([p.grad for p in copies]).mean(dim=0)


def divide_alone(models):
    for model in models:
        for p in model.parameters():
            p.grad = p.grad / len(models)


def only_the_weight(models):
    mean = torch.stack([model.weight.grad for model in models]).mean(dim=0)
    for model in models:
        model.weight.grad = mean.clone()


def choose(rates, train, val, steps, *, by=None, clear=True, start=None, pick=min, finish=lambda lr, w, last: (lr, w)):
    """Choose by the lowest loss on `by`, the validation part unless said otherwise."""
    losses, weights = {}, {}
    x_by, y_by = by or val
    for lr in rates:
        w = torch.tensor(0.0, requires_grad=True) if start is None else start
        for _ in range(steps):
            if clear:
                w.grad = None
            nn.functional.mse_loss(w * train[0], train[1]).backward()
            with torch.no_grad():
                w -= lr * w.grad
        losses[lr], weights[lr] = functional.mse_loss(w.detach() * x_by, y_by).item(), w.item()
    lr = pick(losses, key=losses.get)
    return finish(lr, weights[lr], weights[rates[-1]])


def choose_by_sum(rates, train, val, steps):
    size = len(train[0])
    lr, w = choose([size * lr for lr in rates], train, val, steps)
    return lr / size, w


def choose_unless_higher(rates, train, val, steps):
    lowest = float("inf")
    for lr in rates:
        _, w = choose([lr], train, val, steps)
        loss = functional.mse_loss(w * val[0], val[1]).item()
        if loss >= lowest:
            continue
        lowest, best = loss, (lr, w)
    return best


WRONG = {
    "three_way_split": {
        "val first": (
            lambda c, v, t, s: split(seeded(c, s), v, t)[1:] + split(seeded(c, s), v, t)[:1],
            "order is train",
        ),
        "cut from the end": (split_from_the_end, r"`x\[-0:\]` is all of x"),
        "three times drawn": (draw_three_times, "the sets overlap"),
        "not shuffled": (lambda c, v, t, s: split(torch.arange(c), v, t), "unbroken blocks"),
        "shuffled within the blocks": (shuffle_each_block, "unbroken blocks"),
        "no seed": (lambda c, v, t, s: split(torch.randperm(c), v, t), "same seed give different sets"),
        "a fixed seed": (lambda c, v, t, s: split(seeded(c, 0), v, t), "not from a fixed number"),
        "lists": (lambda c, v, t, s: [part.tolist() for part in split(seeded(c, s), v, t)], "is a list, .* of indices"),
        "from 1": (lambda c, v, t, s: split(seeded(c, s) + 1, v, t), "0 to 19"),
        "two sets": (lambda c, v, t, s: split(seeded(c, s), v, t)[:2], "2 entries, expected three"),
        "masks": (
            lambda c, v, t, s: tuple(seeded(c, s) < n for n in (v, t, c)),
            "expected one dimension of torch.int64",
        ),
    },
    "sgd_step": {
        "a new tensor": (step_new_tensor, "`w -= ...` changes the parameter itself"),
        "up the slope": (lambda ws, lr: step(ws, lambda grad: lr * grad), "subtract"),
        "no learning rate": (lambda ws, lr: step(ws, lambda grad: -grad), "lr times as long"),
        "cleared": (lambda ws, lr: step(ws, lambda grad: -lr * grad, clear=True), "job of `zero_grad`"),
        "the first alone": (step_first_alone, "only the first parameter has moved"),
    },
    "train_step": {
        "no zero_grad": (train_in_order("backward step"), "Call `optimizer.zero_grad"),
        "step before backward": (train_in_order("zero_grad step backward"), "comes before `loss.backward"),
        "zero_grad between": (train_in_order("backward zero_grad step"), "between `backward` and `step`"),
        "no backward": (train_in_order("zero_grad step"), "`loss.backward\\(\\)` is not called"),
        "no step": (train_in_order("zero_grad backward"), "`optimizer.step\\(\\)` is not called"),
        "a tensor": (train_in_order("zero_grad backward step", lambda loss, after: loss), "`.item\\(\\)` takes it out"),
        "the loss after": (
            train_in_order("zero_grad backward step", lambda loss, after: after()),
            "loss after the step",
        ),
        "no return": (train_in_order("zero_grad backward step", lambda loss, after: None), "is a `return` missing"),
        "labels first": (train_labels_first, "first what the model says"),
        "evaluation mode": (train_in_evaluation_mode, "in evaluation mode"),
        "times N": (
            train_in_order("zero_grad backward step", lambda loss, after: loss.item() * 3),
            "number of examples",
        ),
    },
    "cross_entropy": {
        "no mean": (lambda x, y: -pick(x.log_softmax(dim=1), y), "their mean is still to come"),
        "the sum": (lambda x, y: -pick(x.log_softmax(dim=1), y).sum(), "sum over the images"),
        "the mean of all": (
            lambda x, y: -(x.log_softmax(dim=1) * functional.one_hot(y, x.shape[1])).mean(),
            "over all N × K numbers",
        ),
        "the sign": (lambda x, y: pick(x.log_softmax(dim=1), y).mean(), "the loss is minus that"),
        "the logits": (lambda x, y: -pick(x, y).mean(), "`log_softmax` is still to come"),
        "no logarithm": (lambda x, y: -pick(x.softmax(dim=1), y).mean(), "logarithm is still to come"),
        "down the columns": (lambda x, y: -pick(x.log_softmax(dim=0), y).mean(), "`dim=1`"),
        "twice": (lambda x, y: -pick(x.softmax(dim=1).log_softmax(dim=1), y).mean(), "a softmax too many"),
        "all pairs": (entropy_of_pairs, "row 0 with label 0"),
        "overflow": (lambda x, y: -pick(x.softmax(dim=1).log(), y).mean(), "never takes the exponential"),
        "exp by hand": (lambda x, y: (x.exp().sum(dim=1).log() - pick(x, y)).mean(), "never takes the exponential"),
        "ready-made": (lambda x, y: functional.cross_entropy(x, y), "PyTorch's own loss"),
        "half-made": (lambda x, y: nn.NLLLoss()(x.log_softmax(dim=1), y), "PyTorch's own loss"),
        "a float": (lambda x, y: -pick(x.log_softmax(dim=1), y).mean().item(), "Leave out `.item"),
        "detached": (lambda x, y: -pick(x.detach().log_softmax(dim=1), y).mean(), "no graph"),
    },
    "mean_loss": {
        "a mean of means": (
            lambda d, m, f: measure(d, m, f, lambda ms, ns: sum(ms) / len(ms)),
            "must not count as two",
        ),
        "batch means added": (lambda d, m, f: measure(d, m, f, lambda ms, ns: sum(ms)), "weigh each by its size"),
        "the sum": (lambda d, m, f: measure(d, m, f, total), "divide it by their number"),
        "by batches": (lambda d, m, f: measure(d, m, f, lambda ms, ns: total(ms, ns) / len(ms)), "not of examples"),
        "by examples": (lambda d, m, f: measure(d, m, f, lambda ms, ns: sum(ms) / sum(ns)), "weigh each mean"),
        "times batch_size": (lambda d, m, f: measure(d, m, f, lambda ms, ns: sum(ms) * 2 / 5), "and so its loss twice"),
        "the last batch": (lambda d, m, f: measure(d, m, f, lambda ms, ns: ms[-1]), "the last batch alone"),
        "return in the loop": (first_batch, "inside the loop"),
        "in training mode": (lambda d, m, f: measure(d, m, f, weighted, evaluate=False), "dropout is still on"),
        "with a graph": (lambda d, m, f: measure(d, m, f, weighted, grad=True), "torch.no_grad"),
        "a tensor": (lambda d, m, f: torch.tensor(measure(d, m, f, weighted)), "`.item\\(\\)` takes it out"),
    },
    "steps_and_rate": {
        "rounded down": ((19, 0.16), "272 images over"),
        "with a fraction": ((10_000 / 512, 0.16), "takes a whole step"),
        "the old batch size": ((157, 0.16), "batches of 64"),
        "a float": ((20.0, 0.16), "`math.ceil` gives one"),
        "the same rate": ((20, 0.02), "is kept"),
        "divided": ((20, 0.02 * 64 / 512), "you divided"),
        "times the batch size": ((20, 0.02 * 512), "512 / 64 times"),
        "one number": (20, "a pair of numbers"),
        "the wrong way round": ((0.16, 20), "the steps come first"),
    },
    "momentum_step": {
        "w alone": (lambda w, g, v, lr, m: w - lr * (m * v + g), "`return w, velocity`"),
        "velocity first": (lambda w, g, v, lr, m: (m * v + g, w - lr * (m * v + g)), "changed places"),
        "the old velocity moves w": (lambda w, g, v, lr, m: (w - lr * v, m * v + g), "with the old velocity"),
        "the old velocity returned": (lambda w, g, v, lr, m: (w - lr * (m * v + g), v), "next step needs the new"),
        "plain SGD": (lambda w, g, v, lr, m: (w - lr * g, m * v + g), "by the gradient alone"),
        "up the slope": (lambda w, g, v, lr, m: (w + lr * (m * v + g), m * v + g), "subtract"),
        "no learning rate": (lambda w, g, v, lr, m: (w - (m * v + g), m * v + g), "lr times as long"),
        "rate in the velocity": (lambda w, g, v, lr, m: (w - (m * v + lr * g), m * v + lr * g), "belongs to the step"),
        "a running mean": (
            lambda w, g, v, lr, m: (w - lr * (m * v + (1 - m) * g), m * v + (1 - m) * g),
            "as a running mean",
        ),
        "as some books write it": (
            lambda w, g, v, lr, m: (w + (m * v - lr * g), m * v - lr * g),
            "as some books write it",
        ),
        "no brake": (lambda w, g, v, lr, m: (w - lr * (v + g), v + g), "was not slowed down"),
        "all slowed": (lambda w, g, v, lr, m: (w - lr * m * (v + g), m * (v + g)), "slows down the old velocity alone"),
        "in place": (change_velocity_in_place, "changes its argument `velocity` in place"),
        "always 0.9": (lambda w, g, v, lr, m: (w - lr * (0.9 * v + g), 0.9 * v + g), "argument `momentum`"),
    },
    "halved_rate": {
        "a fraction": (lambda lr, epoch, every: lr * 0.5 ** (epoch / every), "`//` rounds down"),
        "too early": (lambda lr, epoch, every: lr * 0.5 ** ((epoch + 1) // every), "one epoch too early"),
        "every epoch": (lambda lr, epoch, every: lr * 0.5**epoch, "halved in every epoch"),
        "once": (lambda lr, epoch, every: lr if epoch < every else lr / 2, "halved once"),
        "the rest": (lambda lr, epoch, every: lr * 0.5 ** (epoch % every), "what is left over"),
        "times": (lambda lr, epoch, every: lr * 0.5 * (epoch // every), "to the power"),
        "2 times": (lambda lr, epoch, every: lr / max(1, 2 * (epoch // every)), "you divided by 2 times"),
        "nothing": (lambda lr, epoch, every: None, "is a `return` missing"),
        "always 3": (lambda lr, epoch, every: lr * 0.5 ** (epoch // 3), "every 1, the rate of epoch 4"),
    },
    "EarlyStopping": {
        "never begins again": (NeverBeginsAgain, "begins the count again"),
        "one too long": (OneTooLong, "one epoch too long"),
        "epoch not counted": (ForgetsTheEpoch, "count its epoch"),
        "lowest not kept": (ForgetsTheLowest, "keep a new lowest loss"),
        "no patience": (ForgetsPatience, "how many in a row"),
        "one epoch back": (LooksOneEpochBack, "lowest loss of all"),
        "equal is better": (TakesEqualForBetter, "compare with `<`"),
        "nothing": (ReturnsNothing, "is a `return` missing"),
        "from zero": (CountsFromZero, "the first epoch is 1"),
        "no best epoch": (NamesNoEpoch, "set it where"),
        "every epoch": (CountsEveryEpoch, "do not count every epoch"),
        "one list for all": (SharesItsLosses, "An earlier object has left something behind"),
        "stops when better": (StopsWhenBetter, "True means stop"),
    },
    "confusion_matrix": {
        "the other way round": (lambda p, y, size: count_pairs(y, p, size), "changed places"),
        "counted once": (add_once, "it does not add up"),
        "flat": (lambda p, y, size: count_pairs(p, y, size).flatten(), "K rows of K"),
        "flat and short": (lambda p, y, size: (size * y + p).bincount(), "`minlength` keeps"),
        "floats": (lambda p, y, size: count_pairs(p, y, size).float(), "as floats"),
        "shares": (lambda p, y, size: count_pairs(p, y, size) / len(y), "these are shares"),
        "a loop": (count_in_a_loop, "Without a loop"),
        "a loop over lists": (count_in_lists, "one by one"),
        "always three classes": (lambda p, y, size: count_pairs(p, y, 3), "For four classes"),
        "classes that occur": (
            lambda p, y, size: count_pairs(p, y, 1 + int(torch.maximum(p, y).max())),
            "does not tell how many classes",
        ),
    },
    "most_confused": {
        "the diagonal": (lambda m: divmod(int(m.argmax()), len(m)), "on the diagonal"),
        "in place": (clear_in_place, "changes its argument `matrix` in place"),
        "column first": (lambda m: divmod(int(off_diagonal(m).T.argmax()), len(m)), "changed places"),
        "both ways": (
            lambda m: divmod(int((off_diagonal(m) + off_diagonal(m).T).argmax()), len(m)),
            "both directions together",
        ),
        "flat": (lambda m: int(off_diagonal(m).argmax()), "divmod"),
        "ten classes": (lambda m: divmod(int(off_diagonal(m).argmax()), 10), "3 columns, not 10"),
        "the count": (lambda m: int(off_diagonal(m).max()), "its row and column"),
        "tensors": (lambda m: tuple(off_diagonal(m).eq(9).nonzero()[0]), "`.item\\(\\)` takes it out"),
        "floats": (lambda m: (int(off_diagonal(m).argmax()) / len(m), 0), "`//` divides"),
        "row and column apart": (
            lambda m: (int(off_diagonal(m).sum(dim=1).argmax()), int(off_diagonal(m).sum(dim=0).argmax())),
            "in all; one cell is asked for",
        ),
        "always three classes": (lambda m: divmod(int(off_diagonal(m).argmax()), 3), "of four classes"),
    },
    "average_gradients": {
        "nothing": (
            lambda models: [p.grad.mean() for model in models for p in model.parameters()],
            "nothing has changed",
        ),
        "the sum": (lambda models: combine_gradients(models, lambda grads: grads.sum(dim=0)), "three times as long"),
        "half the sum": (lambda models: combine_gradients(models, lambda grads: grads.sum(dim=0) / 2), "three copies"),
        "divided alone": (divide_alone, "first add those of all"),
        "the first copy alone": (write_the_first_alone, "still its own"),
        "one number": (
            lambda models: combine_gradients(models, lambda grads: torch.full_like(grads[0], float(grads.mean()))),
            "one number for the whole",
        ),
        "one after the other": (read_what_is_written, "overwritten before"),
        "one tensor for all": (share_one_gradient, "`mean.clone"),
        "the weights too": (average_weights_too, "you averaged the weights"),
        "no bias": (only_the_weight, "the bias has a gradient"),
    },
    "choose_rate": {
        "by the training part": (lambda r, t, v, n: choose(r, t, v, n, by=t), "Choose by the validation part"),
        "the last weight": (
            lambda r, t, v, n: choose(r, t, v, n, finish=lambda lr, w, last: (lr, last)),
            "weight is that of the last rate",
        ),
        "no new start": (
            lambda r, t, v, n: choose(r, t, v, n, start=torch.tensor(0.0, requires_grad=True)),
            "Begin at 0 for each",
        ),
        "no zero_grad": (lambda r, t, v, n: choose(r, t, v, n, clear=False), "Which line clears"),
        "learned from val": (lambda r, t, v, n: choose(r, v, v, n), "learned from the validation part"),
        "the last rate": (lambda r, t, v, n: choose(r[-1:], t, v, n), "this is the last rate"),
        "the wrong way round": (lambda r, t, v, n: choose(r, t, v, n)[::-1], "changed places"),
        "the loss": (
            lambda r, t, v, n: choose(r, t, v, n, finish=lambda lr, w, last: (lr, 2.5 * (w - 2) ** 2)),
            "return the weight",
        ),
        "one step less": (lambda r, t, v, n: choose(r, t, v, n - 1), "one step too few"),
        "the sum": (choose_by_sum, "take the mean"),
        "nan is lower": (choose_unless_higher, "with 2e6 the loss becomes nan"),
        "the rate alone": (lambda r, t, v, n: choose(r, t, v, n)[0], "return both"),
        "nan is the lowest": (choose, "with nan is always False"),
        "a guess": (lambda r, t, v, n: (math.inf, 0.0), "expected \\(0.01"),
    },
}

RIGHT = {}
