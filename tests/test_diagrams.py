"""The diagrams show what they are given: every number, word and arrow."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest
import torch
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch, Rectangle

from tutorial_utils import diagrams
from tutorial_utils.diagrams import TINTS, draw_broadcast, draw_joins, draw_means, draw_memory, draw_tensors


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
    "draw_means": lambda: draw_means(TABLE, ["Ada", "Bo", "Chen"], ["maths", "physics", "biology", "music"]),
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
