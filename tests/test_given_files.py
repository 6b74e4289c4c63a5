"""Files of Fashion-MNIST that somebody put into the data folder by hand: unpacked, damaged, of another data set."""

import gzip
import hashlib
import shutil

import numpy as np
import pytest
import torch

from tutorial_utils.data import FashionMNIST
from tutorial_utils.storage import download, fashion_mnist, idx
from tutorial_utils.tools import doctor

NAMES = list(fashion_mnist.SHA256)
IMAGES, LABELS = "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"


@pytest.fixture
def raw(real_set, monkeypatch):
    """The folder of a tiny set that counts as the real one, packed or not."""
    folder = real_set / "FashionMNIST" / "raw"
    contents = {name.removesuffix(".gz"): gzip.decompress((folder / name).read_bytes()) for name in NAMES}
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    monkeypatch.setattr(fashion_mnist, "UNPACKED_SHA256", sums)
    monkeypatch.setattr(fashion_mnist, "_told", set())
    return folder


def unpack(folder, *names, rename=lambda name: name.removesuffix(".gz")) -> None:
    """Unpack files, and leave only what was in them, under another name."""
    for name in names:
        content = gzip.decompress((folder / name).read_bytes())
        (folder / name).unlink()
        (folder / rename(name)).write_bytes(content)


def tree(folder) -> dict:
    """The content of each file in a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def server(raw, tmp_path, monkeypatch):
    """Takes the place of the mirrors: a list of the files that it was asked for; it has the four packed ones."""
    asked = []
    shutil.copytree(raw, tmp_path / "mirror")

    def deliver(url, path, sha256):
        asked.append(path.name)
        shutil.copy(tmp_path / "mirror" / path.name, path)

    monkeypatch.setattr(download, "download", deliver)
    monkeypatch.setattr(FashionMNIST, "mirrors", ("http://mirror/",))
    return asked


# ------------------------------------------------------------------------------------------------ what is good


@pytest.mark.parametrize("names", [NAMES, NAMES[:1], NAMES[1:]], ids=["all", "one", "three"])
def test_unpacked_files_are_as_good_as_packed_ones(raw, names, capsys):
    expected = FashionMNIST()
    unpack(raw, *names)
    before = tree(raw)
    for allowed in True, False:
        dataset = FashionMNIST(download=allowed)
        assert dataset.source == "real"
        assert torch.equal(dataset.data, expected.data)
        assert torch.equal(dataset.targets, expected.targets)
    assert tree(raw) == before
    assert capsys.readouterr() == ("", "")
    assert doctor.check_data()[0] == doctor.OK


@pytest.mark.parametrize(
    "rename",
    [lambda name: name, lambda name: name.removesuffix(".gz").replace("-idx", ".idx")],
    ids=["unpacked by a browser, with the ending .gz", "with the name that is in the packed file"],
)
def test_other_programs_give_what_they_unpack_other_names(raw, rename):
    unpack(raw, *NAMES, rename=rename)
    dataset = FashionMNIST()
    assert dataset.source == "real"
    assert len(dataset) == 40


def test_a_file_that_was_packed_anew_is_good(raw):
    content = gzip.decompress((raw / IMAGES).read_bytes())
    (raw / IMAGES).write_bytes(gzip.compress(content, compresslevel=9, mtime=1))
    assert FashionMNIST().source == "real"


def test_an_unpacked_file_serves_beside_a_damaged_packed_one(raw):
    (raw / IMAGES.removesuffix(".gz")).write_bytes(gzip.decompress((raw / IMAGES).read_bytes()))
    (raw / IMAGES).write_bytes(b"half")
    dataset = FashionMNIST()
    assert dataset.source == "real"
    assert dataset.files[IMAGES] == raw / IMAGES.removesuffix(".gz")
    assert (raw / IMAGES).read_bytes() == b"half"


def test_the_table_of_unpacked_files_belongs_to_the_table_of_packed_ones():
    assert [f"{name}.gz" for name in fashion_mnist.UNPACKED_SHA256] == NAMES
    assert len({*fashion_mnist.UNPACKED_SHA256.values(), *fashion_mnist.SHA256.values()}) == 8


# ------------------------------------------------------------------------------------------- what is not, and why


def test_only_what_is_missing_is_fetched_and_what_was_wrong_is_said_once(raw, server, capsys):
    good = tree(raw)
    unpack(raw, LABELS)
    (raw / IMAGES).write_bytes(good[IMAGES][:-5])
    assert [FashionMNIST().source, FashionMNIST(train=False).source] == ["real", "real"]
    assert server == [IMAGES]
    (line,) = capsys.readouterr().out.splitlines()
    assert line == f"In {raw}, 3 of the four files of Fashion-MNIST can be used; {raw / IMAGES} is damaged."
    assert (raw / IMAGES).read_bytes() == good[IMAGES]


def test_a_file_stays_as_it_is_as_long_as_no_better_one_has_come(raw, server, quick_sketches, monkeypatch):
    def fail(url, path, sha256):
        path.write_bytes(b"a part")
        raise ValueError("the server went away")

    (raw / IMAGES).write_bytes(b"mine")
    before = tree(raw)
    monkeypatch.setattr(download, "download", fail)
    assert FashionMNIST().source == "sketch"
    assert tree(raw) == before


def other_set(raw) -> None:
    """Put files of the same names and shapes there, as MNIST has them."""
    for name in NAMES:
        array = idx.read_idx(raw / name).numpy()
        idx.write_idx(raw / name, np.flip(array).copy())


def test_files_of_another_set_with_the_same_names_are_told_from_damaged_ones(raw, quick_sketches, capsys):
    other_set(raw)
    assert FashionMNIST().source == "sketch"
    line, *_ = capsys.readouterr().out.splitlines()
    assert line.startswith(
        f"In {raw}, none of the four files of Fashion-MNIST can be used; {raw / IMAGES} is a file of"
    )
    assert line.count("another data set (those of MNIST have the same names)") == 4
    assert "damaged" not in line


def test_of_an_unpacked_file_with_other_bytes_nobody_can_say_which_of_both_it_is(raw):
    other_set(raw)
    unpack(raw, *NAMES)
    fault = fashion_mnist.verify(raw.parent.parent, "real")
    assert fault.endswith("is a file of another data set (those of MNIST have the same names), or damaged")


@pytest.mark.parametrize("size", [0, 3, 10, 200])
def test_an_unpacked_file_that_is_cut_off_is_damaged(raw, size):
    unpack(raw, *NAMES)
    path = raw / IMAGES.removesuffix(".gz")
    path.write_bytes(path.read_bytes()[:size])
    assert fashion_mnist.verify(raw.parent.parent, "real") == f"{path} is damaged"


@pytest.mark.parametrize("policy", ["auto", "offline"])
def test_the_stand_in_is_not_used_without_a_word_on_the_files_that_are_there(
    raw, quick_sketches, monkeypatch, capsys, policy
):
    monkeypatch.setenv("TUTORIAL_SOURCE", policy)
    (raw / IMAGES).unlink()
    assert [FashionMNIST().source, FashionMNIST().source] == ["sketch", "sketch"]
    said = capsys.readouterr().out
    assert said.count(f"3 of the four files of Fashion-MNIST can be used; {raw / IMAGES} is missing.") == 1
    assert (f"put {IMAGES} into {raw}" in said) == (policy == "auto")
    fashion_mnist._told.clear()  # as a new kernel has it; the stand-in has been drawn
    FashionMNIST()
    assert f"{raw / IMAGES} is missing" in capsys.readouterr().out


def test_who_asks_for_the_stand_in_hears_nothing_of_other_files(raw, quick_sketches, monkeypatch, capsys):
    monkeypatch.setenv("TUTORIAL_SOURCE", "sketch")
    (raw / IMAGES).unlink()
    assert FashionMNIST().source == "sketch"
    assert capsys.readouterr().out == ""


def test_without_download_the_real_files_that_cannot_be_used_are_named(raw):
    (raw / LABELS).write_bytes(b"half")
    with pytest.raises(RuntimeError, match=r"3 of the four files .*train-labels-idx1-ubyte\.gz is damaged\. Pass down"):
        FashionMNIST(download=False)


def test_what_cannot_be_read_is_named_with_the_reason(raw, real_set):
    (raw / IMAGES).unlink()
    (raw / IMAGES).mkdir()
    assert fashion_mnist.verify(real_set, "real") == f"{raw / IMAGES} cannot be read (Is a directory)"


@pytest.mark.parametrize("drawn", [True, False])
def test_the_doctor_says_which_files_cannot_be_used(raw, real_set, quick_sketches, drawn):
    (raw / IMAGES).write_bytes(b"half")
    if drawn:
        fashion_mnist.draw(real_set)
    mark, sentence = doctor.check_data()
    assert mark == doctor.NOTE
    assert ("the drawn stand-in" in sentence) is drawn
    assert sentence.endswith(f"; 3 of the four files of Fashion-MNIST can be used; {raw / IMAGES} is damaged")
