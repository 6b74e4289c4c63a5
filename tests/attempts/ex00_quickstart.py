"""Answers that learners give to the exercises of notebook 00, and what the reply to each must say."""

from itertools import pairwise

import torch
from torch import nn

from tutorial_utils.models import NeuralNetwork

SHARED_MODEL = NeuralNetwork()


def unweighted(losses, sizes):
    return float(losses.mean())


def count_without_biases(sizes):
    return sum(sizes[i] * sizes[i + 1] for i in range(len(sizes) - 1))


def count_biases_of_inputs(sizes):
    return sum(sizes[i] * sizes[i + 1] + sizes[i] for i in range(len(sizes) - 1))


def count_one_bias_per_layer(sizes):
    return sum(sizes[i] * sizes[i + 1] + 1 for i in range(len(sizes) - 1))


def count_and_return_in_the_loop(sizes):
    total = 0
    for i in range(len(sizes) - 1):
        total += sizes[i] * sizes[i + 1] + sizes[i + 1]
        return total


def count_by_position(sizes):
    return (sizes[0] * sizes[1] + sizes[1]) + (sizes[1] * sizes[-1] + sizes[-1])


def repeat(step, before=lambda optimizer: None):
    """Return an attempt that makes `steps` times what `step` does; it returns the loss to write down."""

    def repeat_batch(model, optimizer, images, labels, steps):
        before(optimizer)
        return [step(model, optimizer, images, labels) for _ in range(steps)]

    return repeat_batch


def find_loss(model, images, labels):
    return nn.CrossEntropyLoss()(model(images), labels)


def never_clear(model, optimizer, images, labels):
    loss = find_loss(model, images, labels)
    loss.backward()
    optimizer.step()
    return loss.item()


def clear_last(model, optimizer, images, labels):
    loss = never_clear(model, optimizer, images, labels)
    optimizer.zero_grad()
    return loss


def clear_between(model, optimizer, images, labels):
    loss = find_loss(model, images, labels)
    loss.backward()
    optimizer.zero_grad()
    optimizer.step()
    return loss.item()


def never_step(model, optimizer, images, labels):
    loss = find_loss(model, images, labels)
    optimizer.zero_grad()
    loss.backward()
    return loss.item()


def never_backward(model, optimizer, images, labels):
    loss = find_loss(model, images, labels)
    optimizer.step()
    return loss.item()


def softmax_first(model, optimizer, images, labels):
    loss = nn.CrossEntropyLoss()(model(images).softmax(dim=1), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def keep_tensors(model, optimizer, images, labels):
    loss = find_loss(model, images, labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss


def measure_after(model, optimizer, images, labels):
    keep_tensors(model, optimizer, images, labels)
    return find_loss(model, images, labels).item()


def return_in_the_loop(model, optimizer, images, labels, steps):
    losses = []
    for _ in range(steps):
        losses.append(keep_tensors(model, optimizer, images, labels).item())
        return losses


def return_the_last(model, optimizer, images, labels, steps):
    return repeat(keep_tensors)(model, optimizer, images, labels, steps)[-1].item()


def return_nothing(model, optimizer, images, labels, steps):
    repeat(keep_tensors)(model, optimizer, images, labels, steps)


def start(learning_rate, model=None, owner=None, order=1):
    model = model or NeuralNetwork()
    return (model, torch.optim.SGD((owner or model).parameters(), lr=learning_rate))[::order]


def start_with_seed(learning_rate):
    torch.manual_seed(0)
    return start(learning_rate)


def precision_of(choose, reduce=torch.mean, classes=None, join=torch.stack):
    """Return an attempt that reduces `correct` where `choose(predictions, labels)` is k."""

    def precision(predictions, labels, classes_count):
        correct = (predictions == labels).float()
        chosen = choose(predictions, labels)
        return join([reduce(correct[chosen == k]) for k in range(classes or classes_count)])

    return precision


def save_the_model(trained, fresh, file):
    torch.save(trained, file)
    fresh.load_state_dict(trained.state_dict())


def save_the_model_and_read_it(trained, fresh, file):
    torch.save(trained, file)
    fresh.load_state_dict(torch.load(file, weights_only=True))


def save_the_method(trained, fresh, file):
    torch.save(trained.state_dict, file)
    fresh.load_state_dict(torch.load(file, weights_only=True))


def save_the_wrong_one(trained, fresh, file):
    torch.save(fresh.state_dict(), file)
    fresh.load_state_dict(torch.load(file, weights_only=True))


def load_into_the_wrong_one(trained, fresh, file):
    torch.save(fresh.state_dict(), file)
    trained.load_state_dict(torch.load(file, weights_only=True))


def load_into_a_name(trained, fresh, file):
    torch.save(trained.state_dict(), file)
    fresh = torch.load(file, weights_only=True)  # noqa: F841


def trust_the_file(trained, fresh, file):
    torch.save(trained.state_dict(), file)
    fresh.load_state_dict(torch.load(file, weights_only=False))


def never_save(trained, fresh, file):
    fresh.load_state_dict(trained.state_dict())


def predict_as(finish, batch=lambda image: image.unsqueeze(0), evaluate=True, gradients=False):
    """Return an attempt: `finish(logits, probabilities, classes)` returns what it returns."""

    def predict_one(model, image, classes):
        if evaluate:
            model.eval()
        with torch.set_grad_enabled(gradients):
            logits = model(batch(image))
        return finish(logits, logits.softmax(dim=1)[0], classes)

    return predict_one


def name_and_probability(logits, probabilities, classes):
    return classes[int(probabilities.argmax())], probabilities.max().item()


WRONG = {
    "batch_shape": {
        "one image": ((1, 28, 28), "That is one image"),
        "no channel": ((32, 28, 28), "C is missing"),
        "the channel last, as matplotlib has it": ((32, 28, 28, 1), "channels come last"),
        "a list of the batch size above": ([64, 1, 28, 28], "How many are there in yours"),
        "a product": ((32 * 28 * 28,), "which of its four numbers belongs to the batch"),
        "one number": (32, "of type int, expected a tuple"),
        "the batch itself": (torch.zeros(32, 1, 28, 28), "The shape alone is asked for"),
    },
    "count_by_formula": {
        "no biases": (count_without_biases, "one bias per output as well"),
        "a bias per input": (count_biases_of_inputs, "you counted one per input"),
        "a bias per layer": (count_one_bias_per_layer, "you counted one for the whole layer"),
        "a return in the loop": (count_and_return_in_the_loop, "that is the first layer"),
        "the same for every network": (lambda sizes: 669_706, "use the argument `sizes`"),
        "no return": (lambda sizes: None, "is a `return` missing"),
        "one number per layer": (lambda sizes: [a * b + b for a, b in pairwise(sizes)], "add them up"),
        "always two layers": (count_by_position, r"(?i)for \[6, 2\], your result is 20"),
    },
    "loss_by_hand": {
        "no minus": (lambda p: p.log().mean(), "the minus is missing"),
        "the sum": (lambda p: -p.log().sum(), "you added them up"),
        "the logarithm of the mean": (lambda p: -p.mean().log(), "First the logarithm of each p"),
        "base 10": (lambda p: -p.log10().mean(), "to base 10"),
        "one number per image": (lambda p: -p.log(), "the costs of the single images"),
        "a Python number": (lambda p: -p.log().mean().item(), "Leave it a tensor"),
        "always three": (lambda p: -p.log().sum() / 3, "you divided by 3"),
    },
    "mean_per_example": {
        "the mean of the batch means": (unweighted, "the mean of the batch means"),
        "the mean of the sums": (lambda losses, sizes: float((losses * sizes).mean()), "by the number of batches"),
        "the sum": (lambda losses, sizes: float((losses * sizes).sum()), "divide it by their number"),
        "not multiplied": (lambda losses, sizes: float(losses.sum() / sizes.sum()), "multiply by `sizes`"),
        "a tensor": (lambda losses, sizes: (losses * sizes).sum() / sizes.sum(), "takes it out of the tensor"),
        "rounded down": (lambda losses, sizes: float((losses * sizes).sum() // sizes.sum()), "round down"),
        "in place": (lambda losses, sizes: float(losses.mul_(sizes).sum() / sizes.sum()), "`losses` in place"),
    },
    "repeat_batch": {
        "gradients never cleared": (repeat(never_clear), "nothing clears the gradients"),
        "gradients cleared once": (repeat(never_clear, before=lambda o: o.zero_grad()), "cleared once only"),
        "gradients cleared after the step": (repeat(clear_last), "belongs before `loss.backward"),
        "gradients cleared before the step": (repeat(clear_between), "have not moved"),
        "no step": (repeat(never_step), "have not moved"),
        "no backward": (repeat(never_backward), "without `backward`"),
        "softmax before the loss": (repeat(softmax_first), "softmax is already in it"),
        "a return in the loop": (return_in_the_loop, "as many as `steps` says"),
        "a list of tensors": (repeat(keep_tensors), "your list holds tensors"),
        "the losses after the steps": (repeat(measure_after), "computed before it"),
        "always three steps": (
            lambda model, optimizer, images, labels, steps: repeat(keep_tensors)(model, optimizer, images, labels, 3),
            "one step too few",
        ),
        "the last loss alone": (return_the_last, "the last loss alone"),
        "no return": (return_nothing, "expected a list of length 4: is a `return` missing"),
    },
    "accuracy_of": {
        "down the columns": (lambda x, labels: float((x.argmax(dim=0) == labels).float().mean()), "of each class"),
        "no dim": (lambda x, labels: float((x.argmax() == labels).float().mean()), "one place in the whole table"),
        "the number of right ones": (lambda x, labels: int((x.argmax(dim=1) == labels).sum()), "divide by the number"),
        "the number, as a tensor": (lambda x, labels: (x.argmax(dim=1) == labels).sum(), "as a tensor; divide"),
        "a tensor": (lambda x, labels: (x.argmax(dim=1) == labels).float().mean(), "takes it out of the tensor"),
        "percent": (lambda x, labels: 100 * float((x.argmax(dim=1) == labels).float().mean()), "in percent"),
        "one answer per image": (lambda x, labels: x.argmax(dim=1) == labels, "makes a share of it"),
        "rounded down": (
            lambda x, labels: float((x.argmax(dim=1) == labels).sum() // len(x)),
            "`//` and `int` round down",
        ),
        "scores for classes": (lambda x, labels: float((x.max(dim=1).values == labels).float().mean()), "of `max`"),
        "divided by the classes": (
            lambda x, labels: float((x.argmax(dim=1) == labels).sum() / x.shape[1]),
            "by the number of classes",
        ),
    },
    "fresh_start": {
        "an optimizer for another model": (lambda rate: start(rate, owner=NeuralNetwork()), "of another model"),
        "an optimizer for one layer": (
            lambda rate: (
                (model := NeuralNetwork()),
                torch.optim.SGD(model.linear_relu_stack[4].parameters(), lr=rate),
            ),
            "only some of the parameters",
        ),
        "a constant learning rate": (lambda rate: start(1e-3), "the argument is lost"),
        "the same model each time": (lambda rate: start(rate, model=SHARED_MODEL), "the same model"),
        "on an accelerator": (lambda rate: start(rate, model=NeuralNetwork().to("meta")), "leave it on the CPU"),
        "a seed inside": (start_with_seed, "Leave the seed out"),
        "the other order": (lambda rate: start(rate, order=-1), "The optimizer comes first"),
        "the class": (lambda rate: (NeuralNetwork, start(rate)[1]), "Parentheses make a model"),
        "the model alone": (lambda rate: NeuralNetwork(), "returns both"),
        "no return": (lambda rate: None, "Is a `return` missing"),
    },
    "precision": {
        "the accuracy of each class": (precision_of(lambda predictions, labels: labels), r"\*predicted\* as class k"),
        "the numbers of right ones": (
            precision_of(lambda predictions, labels: predictions, reduce=torch.sum),
            "divide each by how often",
        ),
        "out of all images": (
            precision_of(lambda predictions, labels: predictions, reduce=lambda correct: correct.sum() / 9),
            "by the number of all images",
        ),
        "how many are right": (
            lambda predictions, labels, count: (predictions[predictions == labels]).bincount(minlength=count),
            "you counted the right guesses",
        ),
        "a return in the loop": (lambda p, labels, count: (labels[p == 0] == 0).float().mean(), "class 0 alone"),
        "only classes with labels": (
            lambda p, labels, count: torch.stack([(labels[p == k] == k).float().mean() for k in labels.unique()]),
            "leaves no class out",
        ),
        "always ten classes": (precision_of(lambda predictions, labels: predictions, classes=10), "not always ten"),
        "classes from 1 to K": (
            lambda predictions, labels, count: precision_of(lambda p, _: p - 1)(predictions, labels, count),
            "counted from 0",
        ),
        "a list": (precision_of(lambda predictions, labels: predictions, join=list), r"torch\.stack"),
        "one number for all": (lambda p, labels, count: (p == labels).float().mean(), "one accuracy for all classes"),
    },
    "save_and_load": {
        "the whole model saved and read": (save_the_model_and_read_it, "as it does for a whole model"),
        "the method saved": (save_the_method, "with its parentheses"),
        "the whole model saved": (save_the_model, "as it does for a whole model"),
        "the wrong model saved": (save_the_wrong_one, "holds the numbers of `fresh`"),
        "the wrong way round": (load_into_the_wrong_one, "all that it had learned is gone"),
        "loaded into a name": (load_into_a_name, "giving the name `fresh` to something else"),
        "weights_only=False": (trust_the_file, "code that hides in a file"),
        "nothing saved": (never_save, "There is no file"),
        "not loaded": (lambda trained, fresh, file: torch.save(trained.state_dict(), file), "`fresh` have not changed"),
    },
    "predict_one": {
        "no batch dimension": (predict_as(name_and_probability, batch=lambda image: image), "adds the dimension"),
        "the batch dimension in the wrong place": (
            predict_as(name_and_probability, batch=lambda image: image.unsqueeze(1)),
            "adds the dimension",
        ),
        "training mode": (predict_as(name_and_probability, evaluate=False), r"`model\.eval\(\)` first"),
        "gradients on": (predict_as(name_and_probability, gradients=True), r"torch\.no_grad"),
        "a logit": (predict_as(lambda x, p, classes: (classes[p.argmax()], float(x.max()))), "is the logit"),
        "the number of the class": (predict_as(lambda x, p, classes: (int(p.argmax()), float(p.max()))), "its name"),
        "the other order": (
            predict_as(lambda x, p, classes: (float(p.max()), classes[p.argmax()])),
            "have changed places",
        ),
        "a tensor": (predict_as(lambda x, p, classes: (classes[p.argmax()], p.max())), "still a tensor"),
        "softmax over the batch": (
            predict_as(lambda x, p, classes: name_and_probability(x, x.softmax(dim=0)[0], classes)),
            "`dim=1` runs over the classes",
        ),
        "the name alone": (predict_as(lambda x, p, classes: classes[p.argmax()]), "return the probability as well"),
    },
}

RIGHT = {}
