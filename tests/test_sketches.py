"""The drawn stand-in for Fashion-MNIST: its form, its bytes, and that there is something to learn from it."""

import hashlib

import numpy as np
import pytest

from tutorial_utils.storage import sketches

SHIRTS = [0, 2, 4, 6]  # T-shirt, pullover, coat, shirt: the classes that look alike
SHA_256 = {
    True: "1f3cbbe7b41bd7c7e17ee36b028375864fce21f33da64923925a871583560cb1",
    False: "fee1163aae65e78632d01f76ec08bf35ffd2f7950888756cd29d8eafa8b8d6c6",
}  # of the bytes of the images, then of the labels


@pytest.fixture(scope="module")
def drawing():
    """Return both sets and what was reported while drawing, {train: (images, labels, counts)}: drawn once."""
    sets = {}
    for train in (True, False):
        counts = []
        sets[train] = (*sketches.draw(train, counts.append), counts)
    return sets


def class_means(images, labels):
    return np.stack([images[labels == label].mean(0) for label in range(10)])  # (10, 28, 28)


@pytest.mark.parametrize(("train", "n"), [(True, 60_000), (False, 10_000)])
def test_the_sets_have_the_form_of_fashion_mnist(drawing, train, n):
    images, labels, _ = drawing[train]
    assert (images.shape, images.dtype) == ((n, 28, 28), np.uint8)
    assert (labels.shape, labels.dtype) == ((n,), np.uint8)
    assert np.bincount(labels).tolist() == [n // 10] * 10


@pytest.mark.parametrize("train", [True, False])
def test_the_bytes_are_the_same_on_every_machine(drawing, train):
    images, labels, _ = drawing[train]
    assert hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest() == SHA_256[train], (
        "The drawing changed. If you meant it to, raise sketches.VERSION and then pin the new hashes here."
    )


def test_drawing_twice_gives_the_same_bytes(drawing):
    images, labels, _ = drawing[False]
    again_images, again_labels = sketches.draw(False)
    assert np.array_equal(images, again_images)
    assert np.array_equal(labels, again_labels)


@pytest.mark.parametrize("train", [True, False])
def test_the_order_is_shuffled(drawing, train):
    _, labels, _ = drawing[train]
    for hundred in labels[:10_000].reshape(100, 100):
        assert len(set(hundred.tolist())) >= 8, "a class is missing from long stretches of the set"
    repeats = (labels[1:] == labels[:-1]).mean()
    assert 0.08 < repeats < 0.12, "in a shuffled order one label in ten equals the one before it"


def test_no_image_is_drawn_twice(drawing):
    images = np.concatenate([drawing[True][0], drawing[False][0]])
    assert len({image.tobytes() for image in images}) == 70_000


@pytest.mark.parametrize("train", [True, False])
def test_brightness_is_like_that_of_the_real_set(drawing, train):
    pixels = drawing[train][0] / np.float32(255)
    assert 0.2 < pixels.mean() < 0.4
    assert 0.25 < pixels.std() < 0.45


@pytest.mark.parametrize("train", [True, False])
def test_the_background_is_black(drawing, train):
    images, _, _ = drawing[train]
    assert (images == 0).mean() > 0.3
    assert (images.max((1, 2)) > 20).all(), "an image shows nothing"


@pytest.mark.parametrize("train", [True, False])
def test_the_reports_add_up_to_the_number_of_images(drawing, train):
    images, _, counts = drawing[train]
    assert len(counts) >= 10, "too few steps for a progress bar"
    assert sum(counts) == len(images)


@pytest.mark.parametrize("label", range(10))
def test_garments_of_one_class_differ_in_shape_and_brightness(drawing, label):
    images, labels, _ = drawing[False]
    garments = images[labels == label]  # (1000, 28, 28)
    covered = (garments > 0).sum((1, 2))
    brightness = garments.sum((1, 2)) / covered
    assert covered.std() > 0.05 * covered.mean()
    assert brightness.std() > 0.1 * brightness.mean()


def test_the_nearest_class_mean_tells_most_garments_and_confuses_the_shirts(drawing):
    train_images, train_labels, _ = drawing[True]
    images, labels, _ = drawing[False]
    means = class_means(train_images, train_labels).reshape(10, 784)
    # The distance to a mean, less the part that is the same for all ten: |x - m|² = |x|² - 2 x·m + |m|².
    distances = (means**2).sum(1) - 2 * images.reshape(-1, 784).astype(np.float64) @ means.T  # (N, 10)
    confusion = np.zeros((10, 10), int)
    np.add.at(confusion, (labels, distances.argmin(1)), 1)

    assert confusion.trace() / confusion.sum() > 0.5
    mistakes = confusion - np.diag(confusion.diagonal())
    assert mistakes[np.ix_(SHIRTS, SHIRTS)].sum() > 0.4 * mistakes.sum()
    assert min(confusion.diagonal()) > 0.1 * 1000, "a class is taken for others almost always"


def test_every_two_classes_differ(drawing):
    images, labels, _ = drawing[False]
    means = class_means(images, labels)
    for one in range(10):
        for other in range(one):
            assert np.abs(means[one] - means[other]).mean() > 5, f"{one} and {other} are drawn the same"
