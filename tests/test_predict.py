"""Training on a folder of pictures, and asking the one file that it leaves about others, as a learner does it."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from torch.utils.data import DataLoader

from tutorial_utils import predict, train
from tutorial_utils.checkpoints import load_checkpoint, read_checkpoint
from tutorial_utils.data import CLASSES
from tutorial_utils.loops import test_loop
from tutorial_utils.models import NeuralNetwork, SmallResNet
from tutorial_utils.predict import FORMAT, Classifier, load_classifier, main, save_classifier
from tutorial_utils.storage.pictures import Preparation
from tutorial_utils.training.images import load
from tutorial_utils.training.options import parse

COLOURS = {"blue": (40, 60, 220), "green": (30, 180, 60), "red": (220, 50, 40)}
SMALL = ["--size=16", "--epochs=2", "--batch-size=11"]


def draw_shape(colour, seed, size):
    """A disc of about this colour, on white, somewhere in a picture of this size."""
    rng = np.random.default_rng(seed)
    picture = Image.new("RGB", size, "white")
    x, y = rng.integers(8, 14, 2)
    fill = tuple(int(c) for c in np.clip(np.array(colour) + rng.integers(-20, 20, 3), 0, 255))
    ImageDraw.Draw(picture).ellipse([x - 8, y - 8, x + 8, y + 8], fill)
    return picture


@pytest.fixture(scope="session")
def shapes(tmp_path_factory):
    """A folder with a folder of pictures for each colour, in many sizes and modes."""
    root = tmp_path_factory.mktemp("shapes")
    for name, colour in COLOURS.items():
        (root / name).mkdir()
        for seed in range(15):
            picture = draw_shape(colour, seed, (22 + seed % 5, 22 + seed % 3))
            if seed % 3 == 0:
                picture = picture.convert("RGBA" if seed % 2 else "P")
            picture.save(root / name / f"{seed}.{'png' if seed % 3 == 0 else 'JPG'}")
    return root


@pytest.fixture(scope="session")
def trained(shapes, tmp_path_factory):
    """The output of a run on the shapes."""
    output = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUTORIAL_DEVICE", "cpu")
        assert train.main([f"--images={shapes}", *SMALL, "--epochs=5", "--batch-size=6", f"--output={output}"]) == 0
    return output


@pytest.fixture(autouse=True)
def settings(monkeypatch, tmp_path):
    monkeypatch.setenv("TUTORIAL_DEVICE", "cpu")
    monkeypatch.chdir(tmp_path)


def run(output, shapes, *options):
    return train.main([f"--images={shapes}", *SMALL, f"--output={output}", *options])


# ------------------------------------------------------------------------------------------------ one file that answers


def test_it_learns_the_colours_and_the_one_file_names_them(trained, shapes, capsys):
    assert json.loads((trained / "test.json").read_text())["test_accuracy"] > 0.8
    assert main([str(trained / "model.pt"), str(shapes / "red" / "1.JPG"), str(shapes / "blue" / "3.png")]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{shapes / 'red' / '1.JPG'}: red ")
    assert second.startswith(f"{shapes / 'blue' / '3.png'}: blue ")
    assert first.count("%") == 3


def test_what_it_says_of_the_files_of_the_test_part_is_what_the_evaluation_measured(trained, shapes):
    classifier = load_classifier(trained / "model.pt")
    images = load(parse([f"--images={shapes}", *SMALL]))
    files = {name: classifier.classify(shapes / name) for name in listed(shapes)}
    model = SmallResNet(channels=3, classes=3)
    load_checkpoint(trained / "checkpoint.pt", model)
    inputs = torch.stack([image for image, _ in images.test])
    expected = model.eval()(inputs).softmax(dim=1)
    for row, (_, label) in zip(expected, images.test, strict=True):
        near = [name for name, found in files.items() if torch.allclose(found, row, atol=1e-5)]
        assert list(COLOURS)[label] in {name.split("/")[0] for name in near}
    labels = torch.tensor([label for _, label in images.test])
    losses = -expected[range(len(labels)), labels].log()
    measured = json.loads((trained / "test.json").read_text())
    assert measured["test_loss"] == pytest.approx(losses.mean().item(), rel=1e-4)
    assert measured["test_accuracy"] == pytest.approx((expected.argmax(dim=1) == labels).float().mean().item())


def listed(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*"))


def test_a_picture_gets_the_same_answer_in_any_mode_and_company(trained, shapes, tmp_path, capsys):
    picture = Image.open(shapes / "green" / "6.png").convert("RGB")
    picture.save(tmp_path / "rgb.png")
    picture.convert("RGBA").save(tmp_path / "rgba.png")
    picture.save(tmp_path / "upper.BMP")
    picture.quantize(256).save(tmp_path / "palette.png")
    names = ["rgb.png", "rgba.png", "upper.BMP", "palette.png"]
    assert main([str(trained / "model.pt"), "--json", *names]) == 0
    together = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [answer["file"] for answer in together] == names
    for answer in together:
        assert answer["classes"] == together[0]["classes"]
        assert answer["probabilities"] == pytest.approx(together[0]["probabilities"], abs=0.05)
    assert together[0]["probabilities"] == together[1]["probabilities"] == together[2]["probabilities"]
    main([str(trained / "model.pt"), "--json", names[2]])
    assert json.loads(capsys.readouterr().out) == together[2]  # alone as with others


@pytest.mark.parametrize("mode", ["L", "LA", "1", "CMYK", "I;16"])
def test_a_picture_in_another_mode_is_answered(trained, shapes, tmp_path, mode, capsys):
    grey = Image.open(shapes / "green" / "6.png").convert("L")
    sixteen_bits = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    other = sixteen_bits if mode == "I;16" else grey.convert(mode)
    other.save(tmp_path / "other.tif")
    assert main([str(trained / "model.pt"), "other.tif", "--top=1"]) == 0
    assert capsys.readouterr().out.count("%") == 1


def test_a_bad_picture_is_named_and_the_rest_goes_on(trained, shapes, tmp_path, capsys):
    (tmp_path / "torn.jpg").write_bytes((shapes / "red" / "1.JPG").read_bytes()[:300])
    (tmp_path / "note.png").write_text("hello")
    (tmp_path / "none.png").touch()
    (tmp_path / "phone.HEIC").write_bytes(b"ftypheic")
    bad = ["torn.jpg", "note.png", "none.png", "phone.HEIC", "nowhere.png", str(tmp_path)]
    assert main([str(trained / "model.pt"), *bad, str(shapes / "red" / "1.JPG")]) == 1
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 1
    lines = said.err.splitlines()
    assert [line.partition(": ")[0] for line in lines] == bad
    words = ["cannot be read", "no picture in a format", "is empty", "export it as JPEG", "no such file", "a folder"]
    assert all(word in line for word, line in zip(words, lines, strict=True))


def test_a_pattern_that_no_shell_has_expanded_means_the_files_that_fit_and_the_rest_is_taken_by_its_name(
    trained, shapes, tmp_path, capsys
):
    for name in "b.png", "a.png", "[c].png":
        shutil.copy(shapes / "green" / "6.png", tmp_path / name)
    assert main([str(trained / "model.pt"), "[c].png", "?.png", "*.gif"]) == 1
    said = capsys.readouterr()
    assert [line.partition(": ")[0] for line in said.out.splitlines()] == ["[c].png", "a.png", "b.png"]
    assert said.err.startswith("*.gif: ")


def test_the_file_holds_plain_values_only_and_says_what_the_model_needs(trained):
    content = torch.load(trained / "model.pt", weights_only=True)
    assert content["format"] == FORMAT
    assert content["classes"] == ["blue", "green", "red"]
    assert (content["model"], content["arguments"]) == ("SmallResNet", {"channels": 3, "classes": 3})
    assert (content["channels"], content["size"]) == (3, 16)
    assert len(content["mean"]) == len(content["std"]) == 3
    assert not load_classifier(trained / "model.pt").model.training


def test_a_run_on_fashion_mnist_leaves_such_a_file_too(real_set, tmp_path, capsys):
    assert train.main(["--epochs=0", "--output=run"]) == 0
    classifier = load_classifier(tmp_path / "run" / "model.pt")
    assert list(classifier.classes) == list(CLASSES)
    image = np.random.default_rng(0).integers(0, 256, (28, 28), np.uint8)
    Image.fromarray(image).save("shirt.png")
    expected = classifier.model(torch.from_numpy(image).reshape(1, 1, 28, 28) / 255).softmax(dim=1)[0]
    torch.testing.assert_close(classifier.classify("shirt.png"), expected.detach())


# ------------------------------------------------------------------------------------------------ files that do not fit


def test_a_checkpoint_in_place_of_the_model_is_told_and_the_other_way_round(trained, capsys):
    assert main([str(trained / "checkpoint.pt"), "a.png"]) == 1
    assert capsys.readouterr().err.endswith("from which training goes on: name the model.pt beside it.\n")
    with pytest.raises(ValueError, match=r"is a model, .* training goes on from the checkpoint\.pt beside it"):
        load_checkpoint(trained / "model.pt", SmallResNet())


def test_the_folder_of_the_model_is_told(trained, capsys):
    assert main([str(trained), "a.png"]) == 1
    assert capsys.readouterr().err.endswith("is a folder: name the file in it.\n")


def test_a_pattern_that_the_shell_has_left_alone_names_all_that_fit(tmp_path):
    for name in "b.png", "a.png", "c.jpg":
        (tmp_path / name).touch()
    found = predict.expand([tmp_path / "*.png", tmp_path / "c.jpg", tmp_path / "*.gif"])
    assert [path.name for path in found] == ["a.png", "b.png", "c.jpg", "*.gif"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"nothing", "is no model: its 7 bytes are no whole file"),
        ({"weights": torch.ones(1)}, "is no model that this version can read"),
        (torch.ones(2), "is no model that this version can read"),
        ({"format": FORMAT, "model": "SmallResNet"}, "is a damaged model"),
    ],
)
def test_another_file_in_place_of_the_model_is_told(content, words, tmp_path, capsys):
    path = tmp_path / "model.pt"
    path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
    assert main([str(path), "a.png"]) == 1
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("part", ["model", "arguments", "state", "classes", "channels", "size", "mean", "std"])
def test_a_model_with_a_part_that_does_not_fit_is_damaged(trained, part, tmp_path):
    content = torch.load(trained / "model.pt", weights_only=True)
    torch.save(content | {part: [1.0, "x"]}, tmp_path / "model.pt")
    with pytest.raises(ValueError, match=r"is a damaged model \(.*\): train it again"):
        load_classifier(tmp_path / "model.pt")


def test_a_wrapped_model_is_saved_and_comes_back_plain(tmp_path):
    model = NeuralNetwork()
    preparation = Preparation(1, 28, [0.0], [1.0])
    wrapped = torch.nn.DataParallel(model)
    save_classifier(tmp_path / "model.pt", Classifier("NeuralNetwork", {}, wrapped, CLASSES, preparation))
    loaded = load_classifier(tmp_path / "model.pt").model
    torch.testing.assert_close(loaded.state_dict(), model.state_dict(), rtol=0, atol=0)


def test_a_missing_model_and_a_top_of_nothing_are_told(capsys):
    assert main(["nowhere.pt", "a.png"]) == 1
    assert "No such file" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["model.pt", "a.png", "--top=0"])


# ---------------------------------------------------------------------------------------------------- going on, options


def test_a_run_on_pictures_goes_on_bit_for_bit_after_a_stop(shapes, tmp_path, monkeypatch):
    straight, stopped = tmp_path / "straight", tmp_path / "stopped"
    assert run(straight, shapes) == 0
    loop = train.train_loop

    def stop_in_the_second_epoch(batches, *rest):
        if read_checkpoint(stopped / "checkpoint.pt")["epoch"] == 1:
            next(iter(batches))
            raise train.Stopped(15, 2)
        return loop(batches, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(train, "train_loop", stop_in_the_second_epoch)
        assert run(stopped, shapes) == 143
    assert run(stopped, shapes, "--resume") == 0
    assert (stopped / "metrics.csv").read_text() == (straight / "metrics.csv").read_text()
    ours, theirs = (torch.load(folder / "model.pt", weights_only=True) for folder in (stopped, straight))
    torch.testing.assert_close(ours["state"], theirs["state"], rtol=0, atol=0)


def test_a_run_is_not_resumed_with_another_folder_or_other_pictures(shapes, tmp_path, capsys):
    copy = shutil.copytree(shapes, tmp_path / "copy")
    assert run("run", copy, "--epochs=0") == 0
    assert run("run", copy, "--epochs=0", "--resume") == 0
    assert run("run", shapes, "--epochs=0", "--resume") == 1
    assert "was begun with images" in capsys.readouterr().err
    (copy / "red" / "1.JPG").rename(copy / "blue" / "100.JPG")
    assert run("run", copy, "--epochs=0", "--resume") == 1
    assert "was begun with images" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--images=x", "--model=ConvNet"], "--model ConvNet is made for Fashion-MNIST"),
        (["--images=x", "--data=y"], "--data is the folder of Fashion-MNIST"),
        (["--images=x", "--size=15"], "15 is less than 16"),
        (["--size=32"], "--size goes with --images"),
    ],
)
def test_options_that_do_not_go_together_are_usage_errors(options, words, capsys):
    with pytest.raises(SystemExit, match="2"):
        parse(options)
    assert words in capsys.readouterr().err


def test_the_defaults_depend_on_what_is_trained_on():
    ours, fashion = parse(["--images=x"]), parse([])
    assert (ours.model, ours.optimizer, ours.size) == ("SmallResNet", "Adam", 64)
    assert (fashion.model, fashion.epochs, fashion.batch_size, fashion.lr) == ("NeuralNetwork", 5, 64, 0.1)
    assert parse(["--images=x", "--lr=0.5"]).lr == 0.5


@pytest.mark.long
@pytest.mark.skipif(os.name == "nt", reason="PyTorch has no torchrun there")
def test_two_processes_train_on_pictures_and_measure_the_model_that_they_leave(shapes, tmp_path):
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--local-addr=127.0.0.1"]
    command = [*torchrun, "--nproc-per-node=2", "-m", "tutorial_utils.train", f"--images={shapes}", "--size=16"]
    done = subprocess.run([*command, "--epochs=2", "--batch-size=10", "--output=run"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    test = load(parse([f"--images={shapes}", "--size=16"])).test
    model = load_classifier(tmp_path / "run" / "model.pt").model
    loss = test_loop(DataLoader(test, batch_size=100), model, torch.nn.CrossEntropyLoss()).loss
    measured = json.loads((tmp_path / "run" / "test.json").read_text())["test_loss"]
    assert measured == pytest.approx(loss, rel=1e-5)
