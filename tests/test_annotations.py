"""Tables and image files as people have them: what is clear is read right, the rest is named with its line."""

import re
import warnings

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from tutorial_utils.data import CustomImageDataset
from tutorial_utils.storage import annotations, image_files


@pytest.fixture
def folder(tmp_path):
    """Three grey images of 2 x 3 pixels, each of one shade: 10, 20 and 30."""
    for number, name in enumerate(["a.png", "b.png", "c.png"], start=1):
        Image.new("L", (3, 2), 10 * number).save(tmp_path / name)
    return tmp_path


def read(folder, table: str | bytes) -> CustomImageDataset:
    content = table.encode() if isinstance(table, str) else table
    (folder / "labels.csv").write_bytes(content)
    return CustomImageDataset(folder / "labels.csv", folder)


# ------------------------------------------------------------------------------------------- tables that are clear

CLEAR = {
    "plain": "a.png,3\nb.png,1\nc.png,4\n",
    "no newline at the end": "a.png,3\nb.png,1\nc.png,4",
    "spaces": "a.png, 3\n b.png ,1 \nc.png,\t4\n",
    "tabs": "a.png\t3\nb.png\t1\nc.png\t4\n",
    "semicolons": "a.png;3\nb.png;1\nc.png;4\n",
    "Chinese commas": "a.png，3\nb.png，1\nc.png，4\n",
    "a line for Excel": "sep=;\nfile;label\na.png;3\nb.png;1\nc.png;4\n",
    "quotes": '"a.png","3"\n"b.png", "1"\n"c.png",4\n',
    "Windows": "a.png,3\r\nb.png,1\r\nc.png,4\r\n",
    "old Mac": "a.png,3\rb.png,1\rc.png,4\r",
    "empty lines": "\n\na.png,3\n\n  \nb.png,1\n,\nc.png,4\n\n",
    "Excel's UTF-8": "\ufeffa.png,3\nb.png,1\nc.png,4\n",
    "Excel's Unicode text": "a.png\t3\r\nb.png\t1\r\nc.png\t4\r\n".encode("utf-16"),
    "trailing separators": "a.png,3,\nb.png,1,,\nc.png,4\n",
    "a third column": "a.png,3,x\nb.png,1,\nc.png,4,z\n",
    "a header": "filename,label\na.png,3\nb.png,1\nc.png,4\n",
    "a header with a mark": '\ufeff"image";"class"\r\n"a.png";"3"\r\n"b.png";"1"\r\n"c.png";"4"\r\n',
    "a header without a name for labels": "image,\na.png,3\nb.png,1\nc.png,4\n",
    "signs and zeros": "a.png,+3\nb.png,01\nc.png,4\n",
}


@pytest.mark.parametrize("table", CLEAR.values(), ids=CLEAR)
def test_a_table_that_is_clear_is_read_right(folder, table):
    dataset = read(folder, table)
    assert dataset.names == ["a.png", "b.png", "c.png"]
    assert dataset.labels == [3, 1, 4]
    assert [type(label) for label in dataset.labels] == [int] * 3
    assert dataset.classes == []
    assert [int(image.max()) for image, _ in dataset] == [10, 20, 30]


@pytest.mark.parametrize("header", ["", "file,label\n", "id,breed\n"])
def test_labels_that_are_words_are_numbered_in_alphabetical_order_and_listed(folder, header):
    dataset = read(folder, f"{header}a.png, dog\nb.png,cat\nc.png,dog\n")
    assert len(dataset) == 3
    assert dataset.classes == ["cat", "dog"]
    assert dataset.labels == [1, 0, 1]
    _, labels = next(iter(DataLoader(dataset, batch_size=3)))
    assert labels.tolist() == [1, 0, 1]
    assert labels.dtype == torch.int64


def test_labels_with_a_point_are_floats(folder):
    assert read(folder, "a.png,0.5\nb.png,-1e-3\nc.png,2\n").labels == [0.5, -0.001, 2.0]


@pytest.mark.parametrize("header", ["", "id,label\n"])
@pytest.mark.parametrize("labels", [("3", "1"), ("cat", "dog")])
def test_a_name_that_is_a_number_stays_as_it_is(tmp_path, header, labels):
    for name in "007", "008":
        Image.new("L", (3, 2)).save(tmp_path / name, "PNG")
    dataset = read(tmp_path, f"{header}007,{labels[0]}\n008,{labels[1]}\n")
    assert dataset.names == ["007", "008"]
    assert len(list(dataset)) == 2


def test_a_name_may_hold_the_separator_between_quotes_or_another_one_without(tmp_path):
    for name in "a, b.png", "c;d.png":
        Image.new("L", (3, 2)).save(tmp_path / name)
    assert read(tmp_path, '"a, b.png",1\nc;d.png,2\n').names == ["a, b.png", "c;d.png"]


def test_a_row_may_come_twice_and_a_class_once(folder):
    assert read(folder, "a.png,x\na.png,x\nb.png,rare\n").labels == [1, 1, 0]


def test_the_first_row_is_no_header_just_because_its_label_is_the_only_one_of_its_kind(folder):
    assert read(folder, "a.png,rare\nb.png,x\nc.png,x\n").names == ["a.png", "b.png", "c.png"]


def test_a_first_row_whose_name_has_no_ending_is_a_sample_where_its_file_is_there(folder):
    (folder / "a.png").rename(folder / "first")
    assert read(folder, "first,rare\nb.png,x\nc.png,x\n").names == ["first", "b.png", "c.png"]


def test_the_folders_of_windows_are_folders_everywhere(folder):
    (folder / "more").mkdir()
    (folder / "a.png").rename(folder / "more" / "a.png")
    assert read(folder, "more\\a.png,1\nb.png,2\n").names == ["more/a.png", "b.png"]


def test_a_backslash_may_be_a_part_of_a_name(folder):
    (folder / "a.png").rename(folder / "more\\a.png")
    assert read(folder, "more\\a.png,1\nb.png,2\n").names == ["more\\a.png", "b.png"]


# ------------------------------------------------------------------------------------- tables that are not clear

UNCLEAR = {
    "empty": ("", ValueError, r"labels\.csv is empty"),
    "only empty lines": ("\n \n,\n", ValueError, r"labels\.csv is empty"),
    "no separator": ("a.png 3\n", ValueError, r"line 1: 'a\.png 3' is not a file name and a label"),
    "no label": ("a.png,3\n\nb.png,\n", ValueError, r"line 3: 'b\.png,' is not a file name and a label"),
    "no first label": ("a.png,\nb.png,3\n", ValueError, r"line 1: 'a\.png,' is not a file name and a label"),
    "no name": ("a.png,3\n,1\n", ValueError, r"line 2: ',1' is not a file name and a label"),
    "one value": ("a.png,3\nb.png\n", ValueError, r"line 2: 'b\.png' is not a file name and a label"),
    "a row too long": (
        "a.png,3\nb,c.png,1\n",
        ValueError,
        r"line 2: there are 3 values, but 2 .*quotes",
    ),
    "a row too short": ("a.png,3,x\nb.png,1\n", ValueError, r"line 2: there are 2 values, but 3"),
    "a quote not closed": ('a.png,3\n"b.png,1\n', ValueError, r"line 2: this row cannot be understood"),
    "mixed labels": ("a.png,3\nb.png,1\nc.png,cat\n", ValueError, r"line 3: the label 'cat' is of another kind"),
    "a typing error first": ("a.png,l\nb.png,1\nc.png,2\n", ValueError, r"line 1: the label 'l' is of another kind"),
    "a number among words": ("a.png,x\nb.png,y\nc.png,1\n", ValueError, r"line 3: the label '1' is of another kind"),
    "nan": ("a.png,0.5\nb.png,nan\n", ValueError, r"line 2: the label 'nan'"),
    "Latin-1": ("a.png,3\ncaf\xe9.png,1\n".encode("latin-1"), ValueError, r"line 2: this is no text in UTF-8"),
    "a workbook": (b"PK\x03\x04\x14\x00\x06\x00", ValueError, r"labels\.csv.* this is no text in UTF-8"),
    "a missing image": (
        "a.png,3\ngone.png,1\n",
        FileNotFoundError,
        r"labels\.csv, line 2: .* no file .*gone\.png",
    ),
    "a missing first image": ("gone.png,3\na.png,1\n", FileNotFoundError, r"line 1: there is no file .*gone\.png"),
    "a missing first image and words": ("gone.png,x\na.png,y\n", FileNotFoundError, r"line 1: there is no file"),
    "another ending": ("gone.webp,x\na.png,y\nb.png,z\n", FileNotFoundError, r"line 1: there is no file"),
    "a number": ("007,x\na.png,y\nb.png,z\n", FileNotFoundError, r"line 1: there is no file"),
    "a known label": ("a,y\nb.png,y\n", FileNotFoundError, r"line 1: there is no file .*; is it a\.png\?"),
    "a format's ending": (
        "a.jpg,3\n",
        FileNotFoundError,
        r"line 1: there is no file .*a\.jpg; is it a\.png\?",
    ),
    "small letters": ("A.PNG,3\n", FileNotFoundError, r"line 1: there is no file .*A\.PNG; is it a\.png\?"),
    "the label first": ("cat,a.png\n", FileNotFoundError, r"no file .*cat, but there .*: write the file first"),
    "two labels": ("a.png,x\nb.png,y\na.png,y\n", ValueError, r"line 3: a\.png is 'y' here, but 'x' in line 1\.$"),
    "labels in the third column": (
        "file,split,label\na.png,train,x\nb.png,test,y\n",
        ValueError,
        r"header: the second column is 'split', and 'label' stands after it: make it the second\.$",
    ),
    "an index of pandas": (",file,label\n0,a.png,x\n", ValueError, r"header: the second column is 'file', and 'label'"),
    "one-hot": ("file,cat,dog\na.png,1,0\nb.png,0,1\n", ValueError, r"header: a 1 marks the class of each row"),
    "a lost ending": ("a,3\nb,1\n", FileNotFoundError, r"line 1: there is no file .*; is it a\.png\?"),
    "a folder": ("a.png,3\n.,1\n", ValueError, r"line 2: .* cannot be read \(Is a directory\)"),
    "a text as an image": ("a.png,3\nlabels.csv,1\n", ValueError, r"line 2: .*labels\.csv is no image"),
}


@pytest.mark.parametrize(("table", "kind", "sentence"), UNCLEAR.values(), ids=UNCLEAR)
def test_what_is_not_clear_is_named_with_its_line_when_the_data_set_is_made(folder, table, kind, sentence):
    with pytest.raises(kind, match=sentence):
        read(folder, table)


def test_decimal_commas_are_not_taken_for_words(folder):
    with pytest.raises(ValueError, match=r"line 1: .*0,5.* with a point"):
        read(folder, "a.png;0,5\nb.png;0,25\n")


# ------------------------------------------------------------------------------------------- images of all kinds


def save(folder, **images) -> CustomImageDataset:
    """Save each image as a PNG file, and return the data set of them all."""
    for name, image in images.items():
        image.save(folder / f"{name}.png")
    return read(folder, "".join(f"{name}.png,0\n" for name in images))


SHADES = np.array([[0, 100, 200], [50, 150, 255]], np.uint8)
COLOURS = np.arange(18, dtype=np.uint8).reshape(2, 3, 3) * 14  # (H, W, C)


def test_if_all_images_are_grey_they_have_one_channel(tmp_path):
    dataset = save(
        tmp_path,
        grey=Image.fromarray(SHADES),
        deep=Image.fromarray(SHADES.astype(np.uint16) * 257),
        alpha=Image.merge("LA", [Image.fromarray(SHADES), Image.new("L", (3, 2), 255)]),
    )
    for image, _ in dataset:
        assert image.dtype == torch.uint8
        assert np.array_equal(image.numpy(), SHADES[None])


def test_if_one_image_is_in_colour_all_have_three_channels_and_their_own_colours(tmp_path):
    palette = Image.new("P", (3, 2), 1)
    palette.putpalette([0, 0, 0, 9, 8, 7])
    dataset = save(
        tmp_path,
        grey=Image.fromarray(SHADES),
        colour=Image.fromarray(COLOURS),
        alpha=Image.fromarray(np.dstack([COLOURS, np.full((2, 3), 255, np.uint8)])),
        palette=palette,
        deep=Image.fromarray(SHADES.astype(np.uint16) * 257),
        black_and_white=Image.new("1", (3, 2), 1),
    )
    images, _ = next(iter(DataLoader(dataset, batch_size=6)))
    assert images.shape == (6, 3, 2, 3)
    assert images.dtype == torch.uint8
    grey, colour, alpha, palette, deep, white = (image.permute(1, 2, 0).numpy() for image in images)
    assert np.array_equal(grey, np.dstack([SHADES] * 3))
    assert np.array_equal(colour, COLOURS)
    assert np.array_equal(alpha, COLOURS)
    assert (palette == [9, 8, 7]).all()
    assert np.array_equal(deep, grey)
    assert (white == 255).all()


@pytest.mark.parametrize("opacity", [0, 51, 255])
@pytest.mark.parametrize("mode", ["LA", "RGBA", "P"])
def test_what_is_transparent_shows_white(tmp_path, mode, opacity):
    if mode == "P":
        image = Image.new("P", (3, 2))
        image.putpalette([100, 100, 100])
        image.save(tmp_path / "a.png", transparency=bytes([opacity]))
    else:
        Image.new(mode, (3, 2), (*[100] * (len(mode) - 1), opacity)).save(tmp_path / "a.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        image = image_files.read_image(tmp_path / "a.png")
    expected = (100 * opacity + 255 * (255 - opacity)) / 255
    assert image.shape == (3, 2, 3)
    assert (image.float() - expected).abs().max() <= 1


def test_of_16_bits_the_upper_8_are_kept(tmp_path):
    values = np.array([[0, 255, 256], [32_768, 65_279, 65_535]], np.uint16)
    Image.fromarray(values).save(tmp_path / "a.png")
    assert image_files.read_image(tmp_path / "a.png", "L").tolist() == [[[0, 0, 1], [128, 254, 255]]]


@pytest.mark.parametrize("mode", ["L", "RGB", "I;16"])
def test_a_photograph_is_turned_as_the_camera_noted(tmp_path, mode):
    image = Image.fromarray(SHADES.astype(np.uint16) * 257) if mode == "I;16" else Image.fromarray(SHADES).convert(mode)
    exif = Image.Exif()
    exif[0x0112] = 6  # the orientation: to be turned clockwise by a quarter
    image.save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(image_files.read_image(tmp_path / "a.png", "L")[0].numpy(), np.rot90(SHADES, -1))


def test_inks_become_colours(tmp_path):
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "a.jpg", quality=95)
    image, _ = read(tmp_path, "a.jpg,0\n")[0]
    assert image[:, 0, 0].tolist() == pytest.approx([255, 0, 0], abs=6)


def test_pixels_of_unknown_range_are_refused_with_what_to_do(tmp_path):
    Image.fromarray(np.ones((2, 3), np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(ValueError, match=r"line 1: .*a\.tif.* kind F.* 8 or 16 bits"):
        read(tmp_path, "a.tif,0\n")


# ------------------------------------------------------------------------------------------------- damaged images


@pytest.fixture
def noise(tmp_path):
    """A data set of an image that is whole, and a function that replaces the bytes of the second, in each format."""

    def make(ending: str, change) -> None:
        pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
        for name in "whole", "other":
            Image.fromarray(pixels).save(tmp_path / f"{name}.{ending}")
        content = bytearray((tmp_path / f"other.{ending}").read_bytes())
        (tmp_path / f"other.{ending}").write_bytes(change(content))
        return f"whole.{ending},0\nother.{ending},1\n"

    return make


@pytest.mark.parametrize("ending", ["png", "jpg", "gif", "bmp"])
@pytest.mark.parametrize("size", [0, 1, 20])
def test_a_file_whose_beginning_is_damaged_is_named_when_the_data_set_is_made(noise, tmp_path, ending, size):
    with pytest.raises(ValueError, match=rf"labels\.csv, line 2: .*other\.{ending}"):
        read(tmp_path, noise(ending, lambda content: content[:size]))


@pytest.mark.parametrize("ending", ["png", "jpg"])
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_file_that_is_cut_off_is_named_when_the_data_set_is_made(noise, tmp_path, ending, share):
    with pytest.raises(ValueError, match=rf"labels\.csv, line 2: .*other\.{ending} cannot be read"):
        read(tmp_path, noise(ending, lambda content: content[: int(share * len(content))]))


@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_bytes_behind_the_end_of_an_image_do_no_harm(noise, tmp_path, ending):
    dataset = read(tmp_path, noise(ending, lambda content: content + bytes(100)))
    assert torch.equal(dataset[0][0], dataset[1][0])


def test_pixels_that_are_damaged_are_named_with_file_and_line_when_they_are_read(noise, tmp_path):
    def spoil(content):
        content[len(content) // 2 : len(content) // 2 + 100] = bytes(100)
        return content

    dataset = read(tmp_path, noise("png", spoil))
    dataset[0]
    with pytest.raises(ValueError, match=r"labels\.csv, line 2: .*other\.png cannot be read"):
        dataset[1]


def test_a_file_that_has_gone_is_named_with_its_line_when_it_is_read(folder):
    dataset = read(folder, "file,label\na.png,1\nb.png,1\nb.png,1\n")
    (folder / "b.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"labels\.csv, line 3: there is no file .*b\.png"):
        dataset[1]


def test_a_bar_counts_the_files_of_a_long_table_and_not_those_of_a_short_one(folder, monkeypatch):
    shown = []
    monkeypatch.setattr(annotations, "progress_bar", lambda rows, show, **_: shown.append(show) or rows)
    read(folder, "a.png,1\n" * 1000)
    read(folder, "a.png,1\n" * 1001)
    assert shown == [False, True]


def test_names_that_were_picked_out_still_lead_to_their_images(folder):
    dataset = read(folder, "a.png,1\nb.png,2\nc.png,3\n")
    dataset.names, dataset.labels = dataset.names[1:], dataset.labels[1:]
    assert [(int(image.max()), label) for image, label in dataset] == [(20, 2), (30, 3)]


def test_a_name_with_the_signs_of_a_pattern_is_no_trouble(tmp_path):
    Image.new("L", (3, 2)).save(tmp_path / "[1]*.png")
    assert read(tmp_path, "[1]*.png,1\n").names == ["[1]*.png"]
    with pytest.raises(FileNotFoundError, match=re.escape("[1]?.png")):
        read(tmp_path, "[1]?.png,1\n")
