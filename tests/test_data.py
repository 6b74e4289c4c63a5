import copy
import gzip
import http.server
import os
import pickle
import re
import shutil
import threading
from contextlib import contextmanager
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Subset, default_collate
from torchvision import datasets
from torchvision.transforms import Compose, ToTensor, v2

from tutorial_utils import data
from tutorial_utils.data import CustomImageDataset, FashionMNIST, train_val_split
from tutorial_utils.loops import train_loop
from tutorial_utils.models import NeuralNetwork
from tutorial_utils.storage import batches, download, fashion_mnist, idx, sketches

V2 = v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])


def torchvision_set(files, tmp_path, **kwargs) -> datasets.FashionMNIST:
    """Torchvision's own class on the same four files, which it wants extracted."""
    raw = tmp_path / "torchvision" / "FashionMNIST" / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    for name in fashion_mnist.SHA256:
        (raw / name.removesuffix(".gz")).write_bytes(gzip.decompress((files / name).read_bytes()))
    return datasets.FashionMNIST(tmp_path / "torchvision", **kwargs)


# ------------------------------------------------------------------------------ a drop-in for torchvision's class


@pytest.mark.parametrize("train", [True, False])
def test_data_targets_and_samples_are_torchvisions(real_set, tmp_path, train):
    ours = FashionMNIST(train=train)
    theirs = torchvision_set(real_set / "FashionMNIST" / "raw", tmp_path, train=train)

    assert torch.equal(ours.data, theirs.data)
    assert ours.data.dtype == theirs.data.dtype == torch.uint8
    assert torch.equal(ours.targets, theirs.targets)
    assert ours.targets.dtype == theirs.targets.dtype == torch.int64
    assert ours.classes == theirs.classes == list(data.CLASSES)
    assert ours.class_to_idx == theirs.class_to_idx
    assert len(ours) == len(theirs)
    for (image, label), (their_image, their_label) in zip(ours, theirs, strict=True):
        assert image == their_image
        assert type(label) is type(their_label) is int
        assert label == their_label


@pytest.mark.parametrize("transform", [ToTensor(), V2], ids=["ToTensor", "v2"])
@pytest.mark.parametrize("workers", [0, 1])
def test_batches_from_memory_equal_torchvisions_bit_for_bit(real_set, tmp_path, transform, workers):
    ours = FashionMNIST(transform=transform)
    theirs = torchvision_set(real_set / "FashionMNIST" / "raw", tmp_path, transform=transform)
    loaders = [DataLoader(dataset, batch_size=16, num_workers=workers) for dataset in (ours, theirs)]

    for (images, labels), (their_images, their_labels) in zip(*loaders, strict=True):
        assert type(images) is type(their_images)
        assert images.dtype == their_images.dtype
        assert torch.equal(images, their_images)
        assert labels.dtype == their_labels.dtype
        assert torch.equal(labels, their_labels)


@pytest.mark.parametrize("transform", [ToTensor(), V2], ids=["ToTensor", "v2"])
def test_training_from_memory_gives_the_losses_of_the_usual_loop_on_torchvisions_set_bit_for_bit(
    real_set, tmp_path, transform
):
    theirs = torchvision_set(real_set / "FashionMNIST" / "raw", tmp_path, transform=transform)
    models = []
    for dataset in FashionMNIST(transform=transform), theirs:
        torch.manual_seed(0)
        model = NeuralNetwork()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        dataloader = DataLoader(dataset, batch_size=16, shuffle=True)
        losses = []
        for _ in range(2):
            if dataset is theirs:
                for images, labels in dataloader:
                    losses.append(nn.functional.cross_entropy(model(images), labels))
                    optimizer.zero_grad()
                    losses[-1].backward()
                    optimizer.step()
            else:

                def kept(logits, labels, losses=losses):
                    losses.append(nn.functional.cross_entropy(logits, labels))
                    return losses[-1]

                train_loop(dataloader, model, kept, optimizer)
        models.append((model.state_dict(), torch.stack(losses).detach()))

    assert len(models[0][1]) == 6  # two epochs of 40 images, 16 at a time
    torch.testing.assert_close(*models, rtol=0, atol=0)


@pytest.mark.parametrize("transform", [ToTensor(), V2], ids=["ToTensor", "v2"])
def test_a_dataloader_takes_a_batch_as_it_is_and_does_not_take_it_apart(real_set, transform, monkeypatch):
    monkeypatch.setattr(batches.Batch, "fill", lambda self: pytest.fail("it was taken apart"))
    for subset in FashionMNIST(transform=transform), Subset(FashionMNIST(transform=transform), range(20)):
        list(DataLoader(subset, batch_size=20))


USES = {
    "sorted": lambda samples: sorted(samples, key=lambda sample: sample[1]),
    "sort": lambda samples: samples.sort(key=lambda sample: -sample[1]) or samples,
    "a slice": lambda samples: samples[1:3],
    "the last": lambda samples: [samples[-1]],
    "changed": lambda samples: [samples.pop(0), samples.pop(), *samples],
    "assigned": lambda samples: samples.__setitem__(0, samples[2]) or samples,
    "added": lambda samples: samples + samples[:1],
    "reversed": lambda samples: list(reversed(samples)),
    "zipped": lambda samples: list(zip(*zip(*samples, strict=True), strict=True)),
    "unpacked": lambda samples: [*samples],
    "copied": copy.copy,
    "pickled": lambda samples: pickle.loads(pickle.dumps(samples)),
    "compared": lambda samples: [samples[0]] * (samples == list(samples)) * len(samples),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
@pytest.mark.parametrize("transform", [ToTensor(), V2], ids=["ToTensor", "v2"])
def test_a_collate_function_finds_the_list_that_torchvision_gives_it(real_set, tmp_path, transform, use):
    def collate(samples):
        assert isinstance(samples, list)
        return use(samples)

    ours = FashionMNIST(transform=transform)
    theirs = torchvision_set(real_set / "FashionMNIST" / "raw", tmp_path, transform=transform)
    (found, *_), (expected, *_) = (DataLoader(dataset, 5, collate_fn=collate) for dataset in (ours, theirs))
    assert len(found) == len(expected) > 0
    for (image, label), (their_image, their_label) in zip(found, expected, strict=True):
        assert type(image) is type(their_image)
        assert torch.equal(image, their_image)
        assert label == their_label
        assert type(label) is int


@pytest.mark.parametrize("transform", [ToTensor(), V2], ids=["ToTensor", "v2"])
def test_a_batch_that_was_changed_is_collated_as_changed(real_set, transform):
    dataset = FashionMNIST(transform=transform)
    samples = dataset.__getitems__([3, 4, 5])
    assert samples[0][1] == 3  # the first sample can be seen without filling the list
    samples.reverse()
    images, labels = default_collate(samples)
    assert labels.tolist() == [5, 4, 3]
    assert torch.equal(images[2], dataset[3][0])


@pytest.mark.parametrize("transform", [ToTensor(), V2], ids=["ToTensor", "v2"])
def test_samples_of_batches_can_be_put_together_anew(real_set, transform):
    dataset = FashionMNIST(transform=transform)
    samples = [*dataset.__getitems__([4, 5]), *dataset.__getitems__([6])]
    images, labels = default_collate(samples)
    expected_images, expected_labels = default_collate([dataset[4], dataset[5], dataset[6]])
    assert torch.equal(images, expected_images)
    assert torch.equal(labels, expected_labels)


@pytest.mark.parametrize("transform", [ToTensor(), V2], ids=["ToTensor", "v2"])
def test_samples_of_a_batch_equal_the_single_samples_in_value_and_type(real_set, transform):
    dataset = FashionMNIST(transform=transform, target_transform=lambda label: label + 100)

    for index, (image, label) in zip([5, 3, 3], dataset.__getitems__([5, 3, 3]), strict=True):
        single_image, single_label = dataset[index]
        assert type(image) is type(single_image)
        assert torch.equal(image, single_image)
        assert label == single_label == index % 10 + 100


def test_to_tensor_follows_the_default_dtype_in_batches_as_it_does_for_samples(real_set):
    dataset = FashionMNIST(transform=ToTensor())
    torch.set_default_dtype(torch.float64)
    try:
        image, _ = dataset.__getitems__([0])[0]
        assert image.dtype == torch.float64
        assert torch.equal(image, dataset[0][0])
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("transform", [ToTensor(), V2], ids=["ToTensor", "v2"])
def test_known_transforms_do_not_run_image_by_image(real_set, transform, monkeypatch):
    dataset = FashionMNIST(transform=transform)
    monkeypatch.setattr(datasets.mnist, "_Image_fromarray", None)  # what each single sample goes through

    assert len(dataset.__getitems__([0, 1, 2])) == 3


@pytest.mark.parametrize(
    "transform",
    [
        None,
        np.asarray,
        Compose([ToTensor()]),
        v2.Compose([v2.ToImage(), v2.ToDtype(torch.float64, scale=True)]),
        v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32)]),
        v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True), torch.Tensor.neg]),
        type("Inverted", (ToTensor,), {"__call__": lambda self, image: 1 - ToTensor()(image)})(),
    ],
    ids=["none", "numpy", "Compose", "float64", "unscaled", "longer", "subclass"],
)
def test_any_other_transform_sees_image_by_image_what_torchvision_gives_it(real_set, tmp_path, transform):
    ours = FashionMNIST(transform=transform)
    theirs = torchvision_set(real_set / "FashionMNIST" / "raw", tmp_path, transform=transform)

    for index, (image, label) in enumerate(ours.__getitems__(list(range(len(ours))))):
        their_image, their_label = theirs[index]
        assert type(image) is type(their_image)
        assert np.array_equal(np.asarray(image), np.asarray(their_image))
        assert label == their_label


def test_a_subclass_with_its_own_getitem_is_heard_in_batches_too(real_set):
    class Darker(FashionMNIST):
        def __getitem__(self, index):
            image, label = super().__getitem__(index)
            return image / 2, label

    images, _ = next(iter(DataLoader(Darker(transform=ToTensor()), batch_size=40)))
    assert images.max() <= 0.5


def test_batches_show_changes_made_to_data_and_targets(real_set):
    dataset = FashionMNIST(transform=ToTensor())
    dataset.data, dataset.targets = dataset.data[:3] * 0, dataset.targets[:3] * 0

    images, labels = next(iter(DataLoader(dataset, batch_size=64)))
    assert images.shape == (3, 1, 28, 28)
    assert not images.any()
    assert not labels.any()


def test_it_says_where_its_images_come_from(real_set):
    dataset = FashionMNIST()
    assert dataset.source == "real"
    assert "Source: real" in repr(dataset)
    assert dataset.raw_folder == str(real_set / "FashionMNIST" / "raw")


def test_it_survives_pickling_as_data_loader_workers_need(real_set):
    copy = pickle.loads(pickle.dumps(FashionMNIST(transform=ToTensor())))
    assert copy.source == "real"
    assert torch.equal(copy[3][0], FashionMNIST(transform=ToTensor())[3][0])


# -------------------------------------------------------------------------------------- image files, and splitting


@pytest.fixture
def image_files(tmp_path) -> tuple[np.ndarray, list[int]]:
    """Five grey images (5, 4, 6) and their labels, which `tmp_path` holds as the folder images and as labels.csv."""
    images = np.random.default_rng(0).integers(0, 256, (5, 4, 6), np.uint8)
    labels = [3, 1, 4, 1, 5]
    (tmp_path / "images").mkdir()
    for i, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / "images" / f"{i}.png")
    rows = [f"{i}.png,{label}\n" for i, label in enumerate(labels)]
    (tmp_path / "labels.csv").write_text("".join(rows), encoding="utf-8")
    return images, labels


def test_every_image_file_comes_back_with_its_pixels_and_its_label(image_files, tmp_path):
    images, labels = image_files
    dataset = CustomImageDataset(tmp_path / "labels.csv", tmp_path / "images")

    assert len(dataset) == 5  # no row was taken for a header
    for (image, label), expected, expected_label in zip(dataset, images, labels, strict=True):
        assert image.dtype == torch.uint8
        assert image.shape == (1, 4, 6)
        assert np.array_equal(image[0].numpy(), expected)
        assert type(label) is int
        assert label == expected_label


def test_file_and_folder_may_be_given_as_strings(image_files, tmp_path):
    dataset = CustomImageDataset(str(tmp_path / "labels.csv"), str(tmp_path / "images"))
    assert np.array_equal(dataset[4][0][0].numpy(), image_files[0][4])


def test_a_colour_image_has_three_channels(tmp_path):
    colours = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)  # (H, W, C)
    Image.fromarray(colours).save(tmp_path / "a.png")
    (tmp_path / "labels.csv").write_text("a.png,0\n", encoding="utf-8")
    image, _ = CustomImageDataset(tmp_path / "labels.csv", tmp_path)[0]
    assert np.array_equal(image.numpy(), colours.transpose(2, 0, 1))


def test_transforms_change_what_is_read_and_not_what_is_listed(image_files, tmp_path):
    images, labels = image_files
    dataset = CustomImageDataset(
        tmp_path / "labels.csv", tmp_path / "images", transform=lambda image: image / 255, target_transform=str
    )
    image, label = dataset[2]
    assert np.allclose(image[0].numpy(), images[2] / 255)
    assert label == "4"
    assert dataset.labels == labels
    assert dataset.names == [f"{i}.png" for i in range(5)]


@pytest.mark.parametrize("workers", [0, 1])
def test_image_files_make_batches_also_in_a_worker(image_files, tmp_path, workers):
    dataset = CustomImageDataset(tmp_path / "labels.csv", tmp_path / "images")
    batches = list(DataLoader(dataset, batch_size=3, num_workers=workers))
    assert torch.equal(torch.cat([images for images, _ in batches]), torch.from_numpy(image_files[0]).unsqueeze(1))
    assert torch.cat([labels for _, labels in batches]).tolist() == image_files[1]
    assert batches[0][1].dtype == torch.int64


def test_a_missing_csv_and_a_missing_image_are_named(image_files, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing\.csv"):
        CustomImageDataset(tmp_path / "nothing.csv", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"wrong folder.*0\.png"):
        CustomImageDataset(tmp_path / "labels.csv", tmp_path / "wrong folder")


def test_the_two_parts_of_a_split_share_nothing_and_miss_nothing():
    train_part, val_part = train_val_split(range(100, 130), val_size=7, seed=0)
    assert (len(train_part), len(val_part)) == (23, 7)
    assert sorted([*train_part, *val_part]) == list(range(100, 130))


def test_a_split_is_random_and_its_seed_alone_decides():
    parts = []
    for seed, global_seed in (0, 1), (0, 2), (1, 1):
        torch.manual_seed(global_seed)
        parts.append(list(train_val_split(range(1000), val_size=500, seed=seed)[1]))
    assert parts[0] == parts[1]
    assert parts[0] != parts[2]
    assert parts[0] != sorted(parts[0])
    # a mean of 500 out of 0 ... 999 has a standard deviation of 9.1
    assert abs(np.mean(parts[0]) - 499.5) < 46


def test_splitting_leaves_the_global_random_state_alone():
    before = torch.get_rng_state()
    train_val_split(range(10), val_size=2, seed=0)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("val_size", [-1, 0, 10, 11, 0.2])
def test_a_split_with_an_empty_part_is_refused_with_the_range(val_size):
    with pytest.raises(ValueError, match=rf"val_size is {val_size}: .* from 1 to 9"):
        train_val_split(range(10), val_size=val_size, seed=0)


# ------------------------------------------------------------------------------------------- folders and policies


def test_the_data_folder_is_root_then_the_environment_then_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("TUTORIAL_DATA", str(tmp_path / "environment"))
    assert fashion_mnist.data_folder(tmp_path / "root") == tmp_path / "root"
    assert fashion_mnist.data_folder() == tmp_path / "environment"
    monkeypatch.delenv("TUTORIAL_DATA")
    assert fashion_mnist.data_folder().name == "tutorial_utils"
    assert fashion_mnist.data_folder("~/x").is_absolute()
    assert "~" not in str(fashion_mnist.data_folder("~/x"))


def test_an_unknown_policy_is_refused_with_the_known_ones(monkeypatch):
    monkeypatch.setenv("TUTORIAL_SOURCE", "internet")
    with pytest.raises(ValueError, match=r"'internet'.*auto, offline, real, sketch"):
        FashionMNIST()


def test_offline_takes_the_real_set_where_it_is(real_set, monkeypatch, quick_sketches):
    monkeypatch.setenv("TUTORIAL_SOURCE", "offline")
    assert FashionMNIST().source == "real"
    assert quick_sketches == []


def test_offline_draws_once_and_never_calls_a_server(monkeypatch, quick_sketches, real_files):
    monkeypatch.setenv("TUTORIAL_SOURCE", "offline")
    with serve(real_files) as server:
        monkeypatch.setattr(FashionMNIST, "mirrors", (server.url,))
        assert [FashionMNIST().source, FashionMNIST(train=False).source] == ["sketch", "sketch"]
    assert quick_sketches == [True, False]
    assert server.paths == []


def test_sketch_draws_even_where_the_real_set_is(real_set, monkeypatch, quick_sketches):
    monkeypatch.setenv("TUTORIAL_SOURCE", "sketch")
    dataset = FashionMNIST()
    assert dataset.source == "sketch"
    assert dataset.data.unique().tolist() == [7]
    assert dataset.targets[:12].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]


def test_without_download_nothing_is_fetched_or_drawn(quick_sketches, own_data_folder):
    with pytest.raises(RuntimeError, match=r"Pass download=True"):
        FashionMNIST(download=False)
    assert quick_sketches == []
    assert not own_data_folder.exists()


def test_without_download_what_is_there_is_used(monkeypatch, quick_sketches):
    monkeypatch.setenv("TUTORIAL_SOURCE", "offline")
    FashionMNIST()
    assert FashionMNIST(download=False).source == "sketch"


@pytest.mark.parametrize("policy", ["auto", "offline", "sketch"])
def test_a_root_that_is_a_file_is_named_with_what_to_do(monkeypatch, quick_sketches, tmp_path, policy):
    monkeypatch.setenv("TUTORIAL_SOURCE", policy)
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(OSError, match=r"set TUTORIAL_DATA to one.*file"):
        FashionMNIST(tmp_path / "file")


@pytest.mark.skipif(os.name == "nt", reason="on Windows, the mode of a folder does not protect it")
def test_a_folder_that_cannot_be_written_is_named_with_what_to_do(monkeypatch, quick_sketches, tmp_path):
    monkeypatch.setenv("TUTORIAL_SOURCE", "offline")
    (tmp_path / "closed").mkdir(mode=0o500)
    with as_a_plain_user(), pytest.raises(PermissionError, match=r"set TUTORIAL_DATA to one.*closed"):
        FashionMNIST(tmp_path / "closed")


@contextmanager
def as_a_plain_user():
    """Nothing is forbidden to root, so a root user becomes nobody for a moment."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


def test_reading_a_whole_set_writes_nothing(real_set):
    before = sorted((path, path.stat().st_mtime_ns) for path in real_set.rglob("*"))
    FashionMNIST(real_set)
    assert sorted((path, path.stat().st_mtime_ns) for path in real_set.rglob("*")) == before


# ------------------------------------------------------------------------------------------------------ downloads


class Server(http.server.ThreadingHTTPServer):
    """A server on the loopback that remembers which paths it was asked for."""

    daemon_threads = True

    def __init__(self, handler):
        super().__init__(("127.0.0.1", 0), handler)
        self.url, self.paths = f"http://127.0.0.1:{self.server_port}/", []


class Handler(http.server.SimpleHTTPRequestHandler):
    """Gives the files of a folder; with a status, only that."""

    def __init__(self, *args, status=None, content=None, **kwargs):
        self.status, self.content = status, content
        super().__init__(*args, **kwargs)

    def do_GET(self):
        self.server.paths.append(self.path)
        if self.status:
            self.send_error(self.status)
        elif self.content:
            self.send_response(200)
            self.send_header("Content-Length", str(len(self.content)))
            self.end_headers()
            self.wfile.write(self.content)
        else:
            super().do_GET()

    def log_message(self, *args):
        pass


@contextmanager
def serve(folder, **kwargs):
    with Server(partial(Handler, directory=folder, **kwargs)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_auto_downloads_once_and_says_nothing(monkeypatch, real_files, own_data_folder, capsys):
    with serve(real_files) as server:
        monkeypatch.setattr(FashionMNIST, "mirrors", (server.url,))
        train, test = FashionMNIST(), FashionMNIST(train=False)

    assert (train.source, test.source) == ("real", "real")
    assert (len(train), len(test)) == (40, 20)
    assert sorted(server.paths) == sorted(f"/{name}" for name in fashion_mnist.SHA256)
    assert capsys.readouterr() == ("", "")
    names = {path.name for path in (own_data_folder / "FashionMNIST").rglob("*") if path.is_file()}
    assert names == {".lock", *fashion_mnist.SHA256}


@pytest.mark.parametrize("fault", [{"status": 404}, {"status": 500}, {"content": b"<html>Please log in</html>"}])
def test_the_second_mirror_serves_when_the_first_does_not(monkeypatch, real_files, fault):
    with serve(real_files, **fault) as broken, serve(real_files) as server:
        monkeypatch.setattr(FashionMNIST, "mirrors", (broken.url, server.url))
        assert FashionMNIST().source == "real"
    assert len(broken.paths) == 1


def test_what_a_mirror_delivered_before_it_failed_is_not_fetched_again(monkeypatch, real_files, tmp_path):
    name = next(iter(fashion_mnist.SHA256))
    (tmp_path / "half").mkdir()
    shutil.copy(real_files / name, tmp_path / "half")
    with serve(tmp_path / "half") as half, serve(real_files) as server:
        monkeypatch.setattr(FashionMNIST, "mirrors", (half.url, server.url))
        assert FashionMNIST().source == "real"
    assert sorted(server.paths) == sorted(f"/{other}" for other in fashion_mnist.SHA256 if other != name)


def test_auto_draws_when_no_mirror_serves_and_says_so_once(
    monkeypatch, real_files, quick_sketches, own_data_folder, capsys
):
    with serve(real_files, status=404) as server:
        monkeypatch.setattr(FashionMNIST, "mirrors", (server.url,))
        assert [FashionMNIST().source, FashionMNIST(train=False).source] == ["sketch", "sketch"]

    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1
    assert f"{server.url}: HTTP status 404" in lines[0]
    assert str(own_data_folder / "FashionMNIST" / "raw") in lines[0]
    assert "drawn" in lines[0]
    assert len(server.paths) == 1
    assert quick_sketches == [True, False]


def test_the_real_set_replaces_the_drawn_one_in_the_next_run_with_a_network(monkeypatch, real_files, quick_sketches):
    assert FashionMNIST().source == "sketch"
    fashion_mnist._given_up.clear()  # as a new kernel has it
    with serve(real_files) as server:
        monkeypatch.setattr(FashionMNIST, "mirrors", (server.url,))
        assert FashionMNIST().source == "real"


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"status": 403}, "HTTP status 403"),
        ({"content": b"<html>Please log in</html>"}, "what came is not the expected file"),
    ],
)
def test_real_fails_rather_than_draws_and_names_address_and_reason(
    monkeypatch, real_files, quick_sketches, fault, reason
):
    monkeypatch.setenv("TUTORIAL_SOURCE", "real")
    with serve(real_files, **fault) as server:
        monkeypatch.setattr(FashionMNIST, "mirrors", (server.url,))
        with pytest.raises(download.DownloadError, match=re.escape(f"{server.url}: {reason}")):
            FashionMNIST()
    assert quick_sketches == []


def test_a_refused_connection_is_told_in_plain_words(monkeypatch, real_files):
    monkeypatch.setenv("TUTORIAL_SOURCE", "real")
    with serve(real_files) as server:
        pass
    monkeypatch.setattr(FashionMNIST, "mirrors", (server.url,))
    with pytest.raises(download.DownloadError, match=rf"{server.url}: Connection refused"):
        FashionMNIST()


def test_both_official_sources_are_tried_and_one_is_encrypted():
    mirrors = vars(FashionMNIST)["mirrors"] or OFFICIAL_MIRRORS
    assert mirrors[0] == datasets.FashionMNIST.mirrors[0]
    assert any(mirror.startswith("https://") and "zalandoresearch/fashion-mnist" in mirror for mirror in mirrors)


OFFICIAL_MIRRORS = FashionMNIST.mirrors  # before a fixture empties them


# ----------------------------------------------------------------------------------------------------- damaged files


def damage(path, how):
    if how == "missing":
        path.unlink()
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "truncated":
        path.write_bytes(path.read_bytes()[:-2])
    elif how == "a bit flipped":
        content = bytearray(path.read_bytes())
        content[len(content) // 3] ^= 1
        path.write_bytes(content)
    elif how == "a folder":
        path.unlink()
        path.mkdir()


DAMAGES = ["missing", "empty", "truncated", "a bit flipped", "a folder"]


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_real_file_is_fetched_again(monkeypatch, real_files, real_set, tmp_path, how):
    shutil.copytree(real_set / "FashionMNIST" / "raw", real_files)
    damage(real_set / "FashionMNIST" / "raw" / "train-images-idx3-ubyte.gz", how)
    with serve(real_files) as server:
        monkeypatch.setattr(FashionMNIST, "mirrors", (server.url,))
        assert len(FashionMNIST()) == 40
    assert fashion_mnist.find_source(real_set) == "real"
    assert server.paths


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("name", ["t10k-labels-idx1-ubyte.gz", "SHA256SUMS"])
def test_a_damaged_drawn_file_is_drawn_again(monkeypatch, quick_sketches, own_data_folder, how, name):
    monkeypatch.setenv("TUTORIAL_SOURCE", "sketch")
    FashionMNIST()
    damage(fashion_mnist.source_folder(own_data_folder, "sketch") / name, how)
    assert fashion_mnist.find_source(own_data_folder) is None
    assert len(FashionMNIST()) == 40
    assert fashion_mnist.find_source(own_data_folder) == "sketch"
    assert quick_sketches == [True, False] * 2


def test_damage_is_named_when_nothing_may_be_done_about_it(real_set, monkeypatch):
    monkeypatch.setenv("TUTORIAL_SOURCE", "real")
    file = real_set / "FashionMNIST" / "raw" / "t10k-images-idx3-ubyte.gz"
    damage(file, "a bit flipped")
    with pytest.raises(RuntimeError, match=rf"{re.escape(str(file))} is damaged"):
        FashionMNIST(download=False)


def test_what_a_killed_process_left_is_removed(monkeypatch, quick_sketches, own_data_folder):
    monkeypatch.setenv("TUTORIAL_SOURCE", "sketch")
    rubbish = own_data_folder / "FashionMNIST" / "unfinished" / "half.gz"
    rubbish.parent.mkdir(parents=True)
    rubbish.write_bytes(b"half")
    FashionMNIST()
    assert not rubbish.parent.exists()


def test_nothing_is_left_when_drawing_fails(monkeypatch, own_data_folder):
    def fail(*args):
        raise MemoryError

    monkeypatch.setenv("TUTORIAL_SOURCE", "sketch")
    monkeypatch.setattr(sketches, "draw", fail)
    with pytest.raises(MemoryError):
        FashionMNIST()
    assert [path.name for path in (own_data_folder / "FashionMNIST").iterdir()] == [".lock"]


# --------------------------------------------------------------------------------------------------------- progress


@pytest.fixture
def bars(monkeypatch):
    """Records the bars that are shown: their settings, and the steps that they were told of."""
    shown = []

    @contextmanager
    def record(**settings):
        bar = SimpleNamespace(steps=[], total=settings.get("total"), settings=settings)
        bar.update = bar.steps.append
        shown.append(bar)
        yield bar

    for module in download, fashion_mnist:
        monkeypatch.setattr(module, "progress_bar", record)
    return shown


def test_a_bar_counts_the_images_that_are_drawn(bars, quick_sketches):
    FashionMNIST()
    (bar,) = bars
    assert bar.settings == {"title": "drawing garments", "unit": " images", "total": 70_000}
    assert bar.steps == [40, 20]


def test_a_bar_counts_the_bytes_of_each_file_that_comes(bars, monkeypatch, real_files):
    sizes = {name: (real_files / name).stat().st_size for name in fashion_mnist.SHA256}
    with serve(real_files) as server:
        monkeypatch.setattr(FashionMNIST, "mirrors", (server.url,))
        FashionMNIST()
    assert [bar.settings for bar in bars] == [{"title": name, "unit": "B", "unit_scale": True} for name in sizes]
    assert [bar.total for bar in bars] == list(sizes.values())
    assert [sum(bar.steps) for bar in bars] == list(sizes.values())


def test_every_mirror_that_failed_is_named_with_its_reason(monkeypatch, real_files):
    monkeypatch.setenv("TUTORIAL_SOURCE", "real")
    with serve(real_files, status=403) as first, serve(real_files, status=500) as second:
        monkeypatch.setattr(FashionMNIST, "mirrors", (first.url, second.url))
        reasons = f"({first.url}: HTTP status 403; {second.url}: HTTP status 500)"
        with pytest.raises(download.DownloadError, match=re.escape(f"could not be downloaded {reasons}. Try again")):
            FashionMNIST()


@pytest.mark.parametrize(("policy", "missing"), [("real", "raw/train-images"), ("sketch", "sketch-")])
def test_without_download_what_is_missing_is_named(monkeypatch, own_data_folder, policy, missing):
    monkeypatch.setenv("TUTORIAL_SOURCE", policy)
    with pytest.raises(RuntimeError, match=rf"FashionMNIST/{missing}\S+ is missing\. Pass download=True to get it\.$"):
        FashionMNIST(download=False)


# -------------------------------------------------------------------------------------------------------- IDX files


@pytest.mark.parametrize("shape", [(3,), (2, 4), (5, 28, 28)])
def test_an_idx_file_gives_back_the_array_that_was_written(tmp_path, shape):
    array = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    idx.write_idx(tmp_path / "a.gz", array)
    idx.write_idx(tmp_path / "b.gz", array)

    tensor = idx.read_idx(tmp_path / "a.gz")
    assert tensor.dtype == torch.uint8
    assert tensor.shape == shape
    assert np.array_equal(tensor.numpy(), array)
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()


def test_idx_headers_are_those_of_the_format(tmp_path):
    idx.write_idx(tmp_path / "a.gz", np.zeros((60_000, 2), np.uint8))
    content = gzip.decompress((tmp_path / "a.gz").read_bytes())
    assert content[:12] == bytes([0, 0, 8, 2, 0, 0, 0xEA, 0x60, 0, 0, 0, 2])
    assert len(content) == 12 + 120_000
