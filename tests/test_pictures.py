"""What a folder of pictures becomes: which files, in which parts, and what is said of the others."""

import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from tutorial_utils.models import SmallResNet
from tutorial_utils.storage.pictures import PictureError, Preparation, read_picture
from tutorial_utils.training.picture_files import find_pictures
from tutorial_utils.training.pictures import load_pictures, split


def write(path, value=0, mode="RGB", size=(20, 24)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value).save(path)


@pytest.fixture
def folder(tmp_path):
    """Two classes of six and ten pictures, each of another colour."""
    for name, count in (("cat", 6), ("dog", 10)):
        for i in range(count):
            write(tmp_path / name / f"{i}.png", (10 * i, 0, 200 if name == "dog" else 0))
    return tmp_path


# ---------------------------------------------------------------------------------------------------- reading a picture


@pytest.mark.parametrize(
    ("mode", "value", "expected"),
    [
        ("RGB", (10, 20, 30), (10, 20, 30)),
        ("RGBA", (10, 20, 30, 255), (10, 20, 30)),
        ("RGBA", (10, 20, 30, 0), (255, 255, 255)),
        ("LA", (7, 0), (255, 255, 255)),
        ("L", 7, (7, 7, 7)),
        ("1", 1, (255, 255, 255)),
        ("I;16", 7 * 256, (7, 7, 7)),
        ("P", 0, (0, 0, 0)),
    ],
)
def test_every_mode_becomes_three_channels_of_eight_bits_on_white(tmp_path, mode, value, expected):
    write(tmp_path / "a.png", value, mode)
    image = read_picture(tmp_path / "a.png", 8)
    assert image.dtype == torch.uint8
    assert image.shape == (3, 8, 8)
    assert torch.equal(image, torch.tensor(expected, dtype=torch.uint8)[:, None, None].expand(3, 8, 8))


def test_a_transparent_colour_of_a_palette_is_white(tmp_path):
    picture = Image.new("P", (9, 9), 0)
    picture.putpalette([200, 0, 0, 0, 0, 200])
    picture.save(tmp_path / "a.png", transparency=b"\0")
    assert bool((read_picture(tmp_path / "a.png", 8) == 255).all())


def test_the_longer_side_is_cut_at_both_ends_and_a_camera_is_held_upright(tmp_path):
    pixels = np.zeros((16, 32, 3), np.uint8)
    pixels[:, 8:24] = 255  # the middle of a wide picture
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    assert bool((read_picture(tmp_path / "wide.png", 16) == 255).all())
    turned = Image.new("L", (16, 16), 0)
    turned.paste(255, (0, 0, 16, 8))  # white above
    exif = Image.Exif()
    exif[0x0112] = 3  # held upside down
    turned.save(tmp_path / "turned.png", exif=exif)
    image = read_picture(tmp_path / "turned.png", 16, channels=1)
    assert image[0, 0, 0] == 0
    assert image[0, -1, 0] == 255


@pytest.mark.parametrize("mode", ["F", "I", "LAB"])
def test_pixels_whose_range_is_unknown_are_refused_with_a_sentence(tmp_path, mode):
    Image.new(mode, (4, 4)).save(tmp_path / "a.tif")
    with pytest.raises(PictureError, match=rf"a\.tif: the picture cannot be read \(its pixels, of the kind {mode},"):
        read_picture(tmp_path / "a.tif", 4)


def test_normalised_pixels_are_worked_out_by_hand():
    images = torch.tensor([0, 255], dtype=torch.uint8).reshape(1, 1, 2)
    found = Preparation(1, 2, [0.5], [0.25]).normalize(images)
    torch.testing.assert_close(found, torch.tensor([[[-2.0, 2.0]]]))


# --------------------------------------------------------------------------------------------------- folders and tables


def test_each_part_has_every_class_and_no_picture_is_in_two(folder):
    parts, classes, _ = load_pictures(folder, 8, seed=0)
    assert classes == ["cat", "dog"]
    assert {name: torch.bincount(part.labels).tolist() for name, part in parts.items()} == {
        "train": [4, 6], "val": [1, 2], "test": [1, 2]
    }  # fmt: skip
    pixels = [tuple(image[:, 0, 0].tolist()) for part in parts.values() for image in part.images]
    assert len(set(pixels)) == len(pixels) == 16


def test_the_split_follows_the_seed_and_the_training_part_is_shuffled():
    labels = torch.arange(200) % 2
    first, again, other = (split(labels, 2, "ab", seed) for seed in (0, 0, 1))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])
    assert [len(part) for part in first] == [30, 30, 140]
    assert torch.cat(first).sort().values.tolist() == list(range(200))
    assert 0 < labels[first[2][:10]].sum() < 10


def test_the_numbers_of_the_normalisation_come_from_the_training_part_alone(folder):
    parts, _, _ = load_pictures(folder, 8, seed=0)
    pixels = parts["train"].images / 255
    preparation = parts["test"].preparation
    assert preparation is parts["train"].preparation
    assert preparation.mean == pytest.approx(pixels.mean(dim=(0, 2, 3)).tolist())
    assert preparation.std[0] == pytest.approx(pixels[:, 0].std(correction=0).item())
    assert preparation.std[1] == 1  # a channel that never changes


def test_only_the_training_part_is_varied_and_each_time_in_another_way(folder):
    for i in range(6):
        Image.effect_noise((20, 24), 90).save(folder / "cat" / f"{i}.png")
    parts, _, _ = load_pictures(folder, 8, seed=0)
    cats = {name: part.labels.tolist().index(0) for name, part in parts.items()}
    same = {name: torch.equal(part[cats[name]][0], part[cats[name]][0]) for name, part in parts.items()}
    assert same == {"train": False, "val": True, "test": True}


def test_grey_pictures_of_any_mode_keep_one_channel(folder):
    for i, path in enumerate(sorted(folder.rglob("*.png"))):
        write(path, 5 * i if i % 2 else (5 * i,) * 3, "L" if i % 2 else "RGB")
    parts, _, _ = load_pictures(folder, 8, seed=0)
    assert parts["train"].images.shape == (10, 1, 8, 8)


def test_files_of_the_system_are_passed_over_and_those_that_cannot_be_read_are_named(folder, capsys):
    for name in ".DS_Store", "Thumbs.db", "desktop.ini", "._0.png":
        (folder / "cat" / name).write_bytes(b"x")
    (folder / "__MACOSX" / "cat").mkdir(parents=True)
    (folder / ".hidden").mkdir()
    (folder / "dog" / "note.txt").write_text("x")
    (folder / "cat" / "phone.heic").write_text("x")
    write(folder / "cat" / "more" / "UPPER.JPG")
    _, classes, source = load_pictures(folder, 8, seed=0)
    assert classes == ["cat", "dog"]
    assert "(17 pictures, " in source
    said = capsys.readouterr().out
    assert said.startswith("2 of 19 files are left out:\n")
    assert "phone.heic: Pillow cannot read HEIC" in said
    assert "note.txt: this is no picture" in said


def test_many_bad_files_are_counted(folder, capsys):
    for i in range(30):
        (folder / "cat" / f"{i}.txt").touch()
    load_pictures(folder, 8, seed=0)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "30 of 46 files are left out:"
    assert lines[-1] == "  and 20 more"
    assert len(lines) == 12


@pytest.mark.parametrize("table", ["{0},cat\n{1},dog\n", "file,label\n{0}, cat\n{1}, dog\n", "{0};cat\n{1};dog\n"])
def test_a_table_lists_files_and_classes_with_or_without_a_header(tmp_path, table):
    for name in "1.png", "007.png":
        write(tmp_path / "images" / name)
    (tmp_path / "labels.csv").write_text(table.format("images/1.png", "images/007.png"), encoding="utf-8")
    found = [(path.relative_to(tmp_path).as_posix(), label) for path, label in find_pictures(tmp_path)]
    assert found == [("images/1.png", "cat"), ("images/007.png", "dog")]


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("", "is empty"),
        ("a.png\nb.png\n", "line 1: 'a.png' is not a file name and a label"),
        ("a.png,cat\nb.png,\n", "line 2: 'b.png,' is not a file name and a label"),
    ],
)
def test_a_table_that_is_none_is_told(tmp_path, table, words):
    (tmp_path / "labels.csv").write_text(table, encoding="utf-8")
    write(tmp_path / "a.png")
    with pytest.raises(ValueError, match=words):
        find_pictures(tmp_path)


def test_parts_that_are_there_stay_and_the_missing_one_is_taken_from_the_training_part(folder, tmp_path_factory):
    root = tmp_path_factory.mktemp("parted")
    folder.rename(root / "train")
    for name in "cat", "dog":
        write(root / "test" / name / "a.png", (1, 2, 3))
    parts, classes, _ = load_pictures(root, 8, seed=0)
    assert classes == ["cat", "dog"]
    assert {name: len(part) for name, part in parts.items()} == {"train": 13, "val": 3, "test": 2}
    assert parts["test"].images[0, :, 0, 0].tolist() == [1, 2, 3]
    write(root / "test" / "fox" / "a.png")
    with pytest.raises(ValueError, match="test holds fox, of which there is no picture to train on"):
        load_pictures(root, 8, seed=0)


@pytest.mark.parametrize(
    ("names", "sizes"),
    [
        (("train", "validation"), (13, 16, 3)),
        (("Training", "Testing"), (13, 3, 16)),
        (("train", "valid", "test"), (16, 16, 16)),
        (("train",), (10, 3, 3)),
    ],
)
def test_a_part_is_known_by_the_names_that_people_give_it(folder, tmp_path_factory, names, sizes):
    root = tmp_path_factory.mktemp("parted")
    for name in names:
        shutil.copytree(folder, root / name)
    parts, classes, _ = load_pictures(root, 8, seed=0)
    assert classes == ["cat", "dog"]
    assert tuple(len(parts[name]) for name in ("train", "val", "test")) == sizes


def test_a_class_may_be_called_train(folder):
    (folder / "cat").rename(folder / "train")
    assert load_pictures(folder, 8, seed=0)[1] == ["dog", "train"]


def test_what_stands_beside_the_parts_and_a_class_without_files_are_named(folder, tmp_path_factory, capsys):
    root = tmp_path_factory.mktemp("parted")
    for name in "train", "val", "old":
        shutil.copytree(folder, root / name)
    (root / "train" / "fox").mkdir()
    assert load_pictures(root, 8, seed=0)[1] == ["cat", "dog"]
    said = capsys.readouterr().out
    assert "old among them is no part, and left out" in said
    assert "has no file in fox: that is no class" in said


def test_a_link_to_a_folder_around_it_leads_to_nothing_new_and_a_link_to_a_class_is_one(folder, tmp_path_factory):
    (folder / "cat" / "up").symlink_to(folder, target_is_directory=True)
    assert len(find_pictures(folder)) == 16
    root = tmp_path_factory.mktemp("links")
    for name in "cat", "dog":
        (root / name).symlink_to(folder / name, target_is_directory=True)
    assert len(find_pictures(root)) == 16


def test_a_table_may_name_files_elsewhere_and_one_that_comes_twice_counts_once(folder, tmp_path_factory):
    root = tmp_path_factory.mktemp("table")
    rows = [f"{path},{path.parent.name}\n" for path in sorted(folder.rglob("*.png"))]
    (root / "labels.csv").write_text("".join(rows * 2), encoding="utf-8")
    parts, _, _ = load_pictures(root, 8, seed=0)
    assert sum(map(len, parts.values())) == 16


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ([], "holds no picture to train on"),
        (["a.png", "b.png"], "holds no picture to train on, in folders named for the classes or in labels.csv"),
        (["cat/a.png", "cat/b.png", "cat/c.png"], "holds pictures of cat; two classes are the least"),
        (["pets/cat/a.png", "pets/dog/a.png"], r"\(Are the folders in .*pets the classes\? Then name that\.\)"),
        (["cat/a.png", "dog/a.png"], r"Too few pictures of cat \(1\), dog \(1\): each class needs 3 at least"),
    ],
)
def test_a_folder_that_nothing_can_be_learned_from_is_told(tmp_path, files, words):
    for file in files:
        write(tmp_path / file)
    with pytest.raises(ValueError, match=words):
        load_pictures(tmp_path, 8, seed=0)


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no folder"):
        load_pictures(tmp_path / "nowhere", 8, seed=0)


# ------------------------------------------------------------------------------------------------------------ the model


@pytest.mark.parametrize("size", [16, 17, 40])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_model_takes_images_of_any_size_and_a_batch_of_one_in_training(size, channels):
    model = SmallResNet(channels, classes=4).train()
    assert model(torch.rand(1, channels, size, size)).shape == (1, 4)


def test_the_size_of_the_model_is_what_its_docstring_says():
    assert f"{sum(p.numel() for p in SmallResNet().parameters()):,} parameters" in SmallResNet.__doc__
