"""The diagrams show what they are given: every number, word and arrow."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch, Rectangle
from PIL import Image
from torch import nn

from tutorial_utils import diagrams
from tutorial_utils.diagrams import (
    TINTS,
    draw_batch,
    draw_broadcast,
    draw_joins,
    draw_means,
    draw_memory,
    draw_parts,
    draw_tensors,
    draw_timeline,
)


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def patches(figure, kind):
    return [patch for patch in figure.axes[0].patches if type(patch) is kind]


def test_a_network_has_a_column_for_each_size_and_dots_for_what_is_left_out():
    figure = diagrams.draw_network([784, 4, 2], ["784 pixels", "4", "2 logits"])
    assert texts(figure) == ["⋮", "784 pixels", "4", "2 logits"]
    assert len(patches(figure, Circle)) == 6 + 4 + 2
    assert len(figure.axes[0].lines) == 6 * 4 + 4 * 2
    assert texts(diagrams.draw_network([3, 2])) == ["3", "2"]


def test_a_cycle_has_a_box_for_each_step_and_an_arrow_from_each_to_the_next():
    figure = diagrams.draw_cycle(["forward", "backward", "step"])
    assert texts(figure) == ["forward", "backward", "step"]
    assert len(patches(figure, FancyArrowPatch)) == 3


TABLE = torch.tensor([[60.0, 80.0, 70.0, 90.0], [50.0, 70.0, 60.0, 100.0], [70.0, 90.0, 80.0, 80.0]])
OWN = torch.tensor([[1.0], [2.0], [3.0]])
FIGURES = {
    "draw_tensors": lambda: draw_tensors({"one": torch.tensor(7), "row": OWN[:, 0], "all": TABLE.reshape(2, 2, 3)}),
    "draw_joins": lambda: draw_joins(TABLE, TABLE + 5),
    "draw_memory": lambda: draw_memory({"x": TABLE, "x.T": TABLE.T, "x.reshape(4, 3)": TABLE.reshape(4, 3)}),
    "draw_broadcast": lambda: draw_broadcast(TABLE, OWN, "+"),
    "draw_broadcast in 3-D": lambda: draw_broadcast(TABLE.unsqueeze(1), TABLE[:2], "-"),
    "draw_storages": lambda: diagrams.draw_storages({"x": TABLE, "x[0]": TABLE[0], "copy": TABLE.clone()}),
    "draw_moments": lambda: diagrams.draw_moments({"a.pt": [9, 9], "a.pt.unfinished": [None, 4]}, ["before", "half"]),
    "draw_checkpoint": lambda: diagrams.draw_checkpoint({"epoch": 2, "model": {"weight": TABLE}}),
    "draw_means": lambda: draw_means(TABLE, ["Ada", "Bo", "Chen"], ["maths", "physics", "biology", "music"]),
    "draw_batch": lambda: draw_batch(TABLE[:, :2], torch.tensor([0, 1, 1]), [2, 0]),
    "draw_planes": lambda: diagrams.draw_planes(np.arange(18, dtype=np.uint8).reshape(2, 3, 3)),
    "draw_pipeline": lambda: diagrams.draw_pipeline(
        {"photo": Image.new("RGB", (4, 6)), "ToImage": torch.ones(3, 2, 2)}
    ),
    "draw_parts": lambda: draw_parts({"training": 50_000, "validation": 10_000, "test": 10_000}),
}


@pytest.fixture(params=FIGURES, ids=FIGURES)
def make_figure(request):
    return FIGURES[request.param]


def numbers(figure):
    """Return the numbers in the cells, in their order."""
    return [float(text.replace("−", "-")) for text in texts(figure) if text.replace("−", "").replace(".", "").isdigit()]


def cells(figure):
    """Return for each cell its tint's number, and None for one that broadcasting made."""
    found = [patch for patch in figure.axes[0].patches if isinstance(patch, Rectangle)]
    return [TINTS.index(colour) if (colour := to_hex(cell.get_facecolor())) in TINTS else None for cell in found]


def test_each_returns_a_new_figure_and_changes_nothing_else(make_figure):
    settings, open_figures, state = dict(mpl.rcParams), plt.get_fignums(), torch.get_rng_state()
    figure = make_figure()
    assert isinstance(figure, Figure)
    assert make_figure() is not figure
    assert dict(mpl.rcParams) == settings
    assert plt.get_fignums() == open_figures
    assert torch.equal(torch.get_rng_state(), state)


def test_everything_is_inside_the_picture_which_is_as_wide_as_a_page(make_figure):
    figure = make_figure()
    figure.draw_without_rendering()
    left, bottom, right, top = figure.bbox.extents
    for artist in [*figure.axes[0].texts, *figure.axes[0].patches]:
        box = artist.get_window_extent()
        assert left <= box.x0 <= box.x1 <= right
        assert bottom <= box.y0 <= box.y1 <= top
    assert right <= 800


def test_a_picture_is_the_same_under_a_dark_style_sheet(make_figure):
    expected = make_figure()._repr_png_()
    with plt.style.context("dark_background"):
        assert make_figure()._repr_png_() == expected


def test_tensors_stand_under_their_names_and_shapes_and_the_first_table_of_a_stack_in_front():
    figure = FIGURES["draw_tensors"]()
    assert [text for text in texts(figure) if "(" in text] == ["one\n()", "row\n(3,)", "all\n(2, 2, 3)"]
    assert numbers(figure) == [7, 1, 2, 3, *TABLE.reshape(2, 6)[1].tolist(), *TABLE.reshape(2, 6)[0].tolist()]
    with pytest.raises(ValueError, match="x has 4 dimensions, and at most 3 can be drawn; take a part of it"):
        draw_tensors({"x": torch.zeros(1, 1, 1, 1)})


def test_joins_show_where_each_number_comes_from():
    figure = draw_joins(torch.tensor([[1, 2]]), torch.tensor([[3, 4]]))
    assert numbers(figure) == [1, 2, 3, 4, 1, 2, 3, 4, 3, 4, 1, 2]  # the second table of the stack is behind the first
    assert cells(figure) == [0, 0, 1, 1, 0, 0, 1, 1, 1, 1, 0, 0]
    assert [text for text in texts(figure) if "(" in text] == [
        "cat, dim=0   (2, 2)",
        "cat, dim=1   (1, 4)",
        "stack   (2, 1, 2)",
    ]


def test_memory_shows_how_each_table_reads_one_row_of_numbers():
    x = torch.tensor([[1, 2, 3], [4, 5, 6]])
    figure = draw_memory({"x": x, "x.T": x.T, "rows": x.reshape(3, 2)})
    in_memory, as_it_is, transposed, reshaped = torch.tensor(cells(figure)).split(6)
    assert in_memory.tolist() == as_it_is.tolist() == reshaped.tolist() == [0, 0, 0, 1, 1, 1]
    assert transposed.tolist() == [0, 1, 0, 1, 0, 1]
    strides = [text for text in texts(figure) if "stride" in text]
    assert strides == ["x\nstride (3, 1)", "x.T\nstride (1, 3)", "rows\nstride (2, 1)"]
    with pytest.raises(ValueError, match="do not share their memory: one of them is a copy"):
        draw_memory({"x": x, "x.T": x.T.contiguous()})


def test_what_broadcasting_repeats_is_dashed():
    figure = draw_broadcast(torch.tensor([[1, 2], [3, 4]]), torch.tensor([10, 20]), "+")
    assert numbers(figure) == [1, 2, 3, 4, 10, 20, 10, 20, 11, 22, 13, 24]
    assert cells(figure) == [0, 0, 0, 0, 1, 1, None, None, 2, 2, 2, 2]
    assert [text for text in texts(figure) if "(" in text] == ["(2, 2)", "(2,)", "(2, 2)"]
    column = draw_broadcast(torch.tensor([[1, 2], [3, 4]]), torch.tensor([[10], [20]]), "*")
    assert cells(column)[4:8] == [1, None, 1, None]
    assert numbers(column)[8:] == [10, 20, 60, 80]


def test_three_dimensions_meet_as_tables_below_each_other():
    figure = draw_broadcast(torch.tensor([[[1]], [[5]]]), torch.tensor([[2], [3]]), "-")  # (2, 1, 1), (2, 1)
    assert cells(figure) == [0, None, 0, None, 1, 1, None, None, 2, 2, 2, 2]
    assert numbers(figure)[-4:] == [-1, -2, 3, 2]


def test_means_stand_where_their_arrows_lead():
    figure = FIGURES["draw_means"]()
    assert numbers(figure) == [*TABLE.flatten().tolist(), 60, 80, 70, 90, 75, 70, 80]
    assert cells(figure) == [0] * 12 + [1] * 4 + [2] * 3


def test_a_tree_has_a_line_for_each_module_and_each_parameter_under_its_dotted_name():
    model = nn.Sequential(nn.Sequential(nn.Linear(2, 3)), nn.ReLU())
    names = ["model", "0", "0.0", "0.0.weight", "0.0.bias", "1"]
    kinds = ["Sequential", "Sequential", "Linear", "(3, 2)", "(3,)", "ReLU"]
    found = texts(diagrams.draw_modules(model))
    assert found[::2] == names
    assert found[1::2] == kinds


def test_a_window_stands_at_each_place_over_its_products_and_its_sum():
    picture, kernel = torch.tensor([[0.0, 1.0, 1.0]]), torch.tensor([[-1.0, 1.0]])
    figure = diagrams.draw_window(picture, kernel, [1.0, 0.0])
    assert texts(figure) == ["0 × −1", "1 × 1", "1", "sum 1", "0", "1 × −1", "1 × 1", "sum 0"]
    frames = [patch for patch in patches(figure, Rectangle) if not patch.get_fill()]
    assert [frame.get_x() for frame in frames] == [0, 5]  # a column further on, in the second picture
    assert {frame.get_width() for frame in frames} == {2}


def test_a_stack_has_its_size_below_and_a_step_between_each_two():
    figure = diagrams.draw_volumes([(1, 28), (16, 14)], ["pool"])
    assert texts(figure) == ["1 × 28 × 28", "pool", "16 × 14 × 14"]
    assert len(patches(figure, FancyArrowPatch)) == 1
    assert {square.get_width() for square in patches(figure, Rectangle)} == {2.0, 1.0}


def test_a_row_of_boxes_has_an_arrow_between_each_two_and_the_ways_around():
    figure = diagrams.draw_blocks(["x", "conv", "+"], ways_around=[(0, 2)])
    assert texts(figure) == ["x", "conv", "+"]
    assert len(patches(figure, FancyArrowPatch)) == 2 + 1


def test_names_that_share_memory_meet_in_one_box():
    memory = torch.arange(5.0, 9.0)
    figure = diagrams.draw_storages({"all": memory, "first": memory[:1], "copy": memory[1:2].clone()})
    assert texts(figure) == ["all", "5, …  (16 bytes)", "first", "copy", "6  (4 bytes)"]
    ends = [arrow._posA_posB[1] for arrow in patches(figure, FancyArrowPatch)]
    assert ends[0] == ends[1] != ends[2]


def test_a_file_has_a_box_where_it_is_and_a_part_of_it_a_dashed_one():
    figure = diagrams.draw_moments({"a": [1000, 1000, 2000], "b": [None, 7, None]}, ["before", "half", "after"])
    assert texts(figure) == ["before", "half", "after", "a", "1,000", "1,000", "2,000", "b", "7"]
    boxes = [text.get_bbox_patch() for text in figure.axes[0].texts if text.get_bbox_patch()]
    assert [box.get_linestyle() for box in boxes] == ["-", "-", "-", "--"]


def test_a_checkpoint_shows_its_entries_and_a_bar_as_long_as_their_tensors():
    model, nested = {"weight": torch.zeros(4), "bias": torch.zeros(2)}, {"state": [(torch.zeros(3),)], "lr": 0.1}
    figure = diagrams.draw_checkpoint({"epoch": 2, "model": model, "optimizer": nested, "scheduler": {"last_lr": 1}})
    words = ["2", "2 tensors, 24 bytes", "1 tensor, 12 bytes", "1 plain value"]
    assert texts(figure)[1::2] == words
    assert texts(figure)[::2] == ["epoch", "model", "optimizer", "scheduler"]
    bars = [patch.get_width() for patch in patches(figure, Rectangle)[1::2]]
    assert bars == pytest.approx([0, 1.9, 0.95, 0])


def test_a_batch_has_the_chosen_samples_first_apart_and_then_together():
    figure = draw_batch(torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), torch.tensor([7, 8, 9]), [2, 0])
    data_set, sample_2, sample_0 = [1, 2, 7, 3, 4, 8, 5, 6, 9], [5, 6, 9], [1, 2, 7]
    assert numbers(figure) == [0, 1, 2, *data_set, 2, *sample_2, 0, *sample_0, 5, 6, 1, 2, 9, 7]
    assert cells(figure) == [0, 0, 2] * 3 + [1, 0, 0, 2] * 2 + [0] * 4 + [2] * 2
    assert texts(figure)[-7:] == ["batch (2, 2), (2,)", "data set", "indices", "samples", "choose", "fetch", "collate"]


def test_parts_are_as_long_as_their_numbers_of_samples():
    figure = draw_parts({"training": 3_000, "test": 1_000})
    long, short = patches(figure, Rectangle)
    assert long.get_width() == pytest.approx(3 * short.get_width())
    assert long.get_x() + long.get_width() == pytest.approx(short.get_x())
    assert texts(figure) == ["training\n3,000", "test\n1,000"]


def test_a_timeline_has_a_span_for_each_wait_and_each_training_from_zero_on():
    figure = draw_timeline({"no worker": [5.0, 7.0, 8.0, 10.0, 11.0], "1 worker": [2.0, 2.5, 3.5]})
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["no worker", "1 worker"]
    spans = [[tuple(path.get_extents().intervalx) for path in kind.get_paths()] for kind in axes.collections]
    assert spans == [[(0, 2), (3, 5)], [(2, 3), (5, 6)], [(0, 0.5)], [(0.5, 1.5)]]
    waiting, training, *others = [tuple(kind.get_facecolor()[0]) for kind in axes.collections]
    assert others == [waiting, training]
    assert waiting != training
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["waiting for a batch", "training"]
    assert axes.get_xlabel() == "seconds"


def test_planes_show_each_number_of_a_picture_once_with_its_pixel_and_once_in_the_plane_of_its_colour():
    pixels = np.array([[[1, 2, 3], [4, 5, 6]]], dtype=np.uint8)  # (H, W, C) = (1, 2, 3)
    figure = diagrams.draw_planes(pixels)
    cells = ["1\n2\n3", "4\n5\n6", "1", "4", "[0] red", "2", "5", "[1] green", "3", "6", "[2] blue"]
    assert texts(figure) == [*cells, "picture (1, 2, 3)", "tensor (3, 1, 2)"]
    colours = [patch.get_facecolor()[:3] for patch in patches(figure, Rectangle)]
    assert colours[0] == (1 / 255, 2 / 255, 3 / 255)
    assert colours[2] == (1 / 255, 0, 0)


def test_a_pipeline_says_of_each_stage_what_it_is_its_size_dtype_and_range_with_an_arrow_to_the_next():
    photo = Image.new("RGB", (4, 2), (255, 51, 0))
    tensor = torch.tensor([[[-0.5, 2.0]]])  # (C, H, W) = (1, 1, 2)
    figure = diagrams.draw_pipeline({"photo": photo, "Normalize": tensor})
    assert texts(figure) == [
        *("photo", "PIL image\n(4, 2)\nuint8\n0 to 255"),
        *("Normalize", "tensor\n(1, 1, 2)\nfloat32\n−0.50 to 2.00"),
    ]
    assert len(patches(figure, FancyArrowPatch)) == 1
    wide, narrow = (image.get_extent() for image in figure.axes[0].images)
    assert wide[1] - wide[0] == 2 * (narrow[1] - narrow[0]) == 1  # all pixels have one size
