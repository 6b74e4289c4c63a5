from collections import Counter
from itertools import combinations
from types import SimpleNamespace

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from IPython.core.formatters import DisplayFormatter
from matplotlib.figure import Figure

from tutorial_utils import style
from tutorial_utils.data import CLASSES
from tutorial_utils.models import NeuralNetwork
from tutorial_utils.plots import (
    draw_graph,
    plot_bars,
    plot_confusion,
    plot_history,
    plot_panels,
    show_images,
)
from tutorial_utils.style import BLUE, ORANGE

HISTORY = {"train_loss": [2.0, 1.0, 0.5], "val_loss": [2.1, 1.2, 0.9], "val_accuracy": [0.3, 0.6, 0.7]}
FIGURES = {
    "show_images": lambda: show_images(torch.ones(5, 1, 28, 28), list("abcde")),
    "plot_history": lambda: plot_history(HISTORY),
    "plot_panels": lambda: plot_panels({"SGD": {"lr 1": [2.0, 1.0]}, "Adam": {"lr 1": [1.0, 9.0]}}, "loss", 2.3),
    "plot_bars": lambda: plot_bars([0.1, 0.9], ["cat", "dog"], "accuracy", highlight=0),
    "plot_confusion": lambda: plot_confusion(torch.eye(10, dtype=torch.long), CLASSES),
    "draw_graph": lambda: draw_graph(torch.ones(2, requires_grad=True).sum()),
}


@pytest.fixture(params=FIGURES, ids=FIGURES)
def make_figure(request):
    return FIGURES[request.param]


def drawn(figure, axes=0):
    figure.draw_without_rendering()
    return figure.axes[axes]


def test_each_returns_a_new_figure_and_changes_nothing_else(make_figure):
    settings, open_figures = dict(mpl.rcParams), plt.get_fignums()
    state = torch.get_rng_state()

    figure = make_figure()
    figure.draw_without_rendering()

    assert isinstance(figure, Figure)
    assert make_figure() is not figure
    assert dict(mpl.rcParams) == settings
    assert plt.get_fignums() == open_figures
    assert torch.equal(torch.get_rng_state(), state)


def test_a_notebook_shows_the_picture(make_figure):
    content, _ = DisplayFormatter().format(make_figure())
    assert content["image/png"].startswith(b"\x89PNG")


def test_a_picture_is_the_same_under_a_dark_style_sheet(make_figure):
    expected = make_figure()._repr_png_()
    with plt.style.context("dark_background"):
        figure = make_figure()
    assert figure._repr_png_() == expected


@pytest.mark.parametrize("sheet", ["dark_background", "ggplot", "grayscale", "seaborn-v0_8-talk"])
def test_no_style_sheet_changes_how_a_figure_is_written(sheet):
    figure = plot_bars([0.1, 0.9], ["cat", "dog"], "accuracy", average=0.5)
    expected = figure._repr_png_()
    with plt.style.context(sheet):
        assert figure._repr_png_() == expected


@pytest.fixture
def installed(monkeypatch):
    """A function that makes matplotlib find these fonts, and no others, next to its own."""

    def install(*names):
        fonts = [SimpleNamespace(name=name) for name in ("DejaVu Sans", *names)]
        monkeypatch.setattr(style, "fontManager", SimpleNamespace(ttflist=fonts))

    yield install
    style.find_chinese_fonts.cache_clear()
    style.tell_of_missing_font.cache_clear()


def test_chinese_is_written_in_the_best_font_that_is_installed(installed):
    style.find_chinese_fonts.cache_clear()
    installed("SimHei", "Noto Sans CJK JP", "Other")
    with style.course_style():
        assert mpl.rcParams["font.sans-serif"][-2:] == ["Noto Sans CJK JP", "SimHei"]
    with mpl.rc_context({"font.sans-serif": ["Mine"]}), style.course_style():
        assert mpl.rcParams["font.sans-serif"] == ["Mine", "Noto Sans CJK JP", "SimHei"]


def test_without_a_chinese_font_one_line_says_which_package_has_one(installed, capsys):
    style.find_chinese_fonts.cache_clear()
    installed()
    for _ in range(2):  # warnings are errors: there is none for each character
        plot_bars([0.5, 0.25], ["外套", "衬衫"], "准确率")._repr_png_()
    assert capsys.readouterr().out.count("fonts-noto-cjk") == 1


def test_a_history_of_numbers_says_that_they_have_no_accuracy():
    nothing = float("nan")
    losses, accuracy = plot_history({"val_loss": [2.0, 1.0], "val_accuracy": [nothing, nothing]}).axes
    assert [text.get_text() for text in accuracy.texts] == [
        "none: the labels are numbers,\nwhich can be close, not right or wrong"
    ]
    assert not list(losses.texts)
    assert not list(plot_history({"val_accuracy": [nothing, 0.5]}).axes[0].texts)


@pytest.mark.parametrize("name", ["plot_history", "plot_bars", "plot_confusion"])
def test_every_diagram_says_what_its_axes_are(name):
    for axes in FIGURES[name]().axes:
        assert axes.get_xlabel() or axes.get_label() == "<colorbar>"
        assert axes.get_ylabel() or name == "plot_bars"  # whose bars have names


@pytest.mark.parametrize("shape", [(5, 28, 28), (5, 1, 28, 28)])
def test_images_stand_in_rows_under_their_titles(shape):
    images = torch.rand(shape)
    figure = show_images(images, ["a", "b", "c", "d", "e"], columns=3)

    shown = [axes for axes in figure.axes if axes.images]
    assert len(figure.axes) == 6
    assert [axes.get_title() for axes in shown] == ["a", "b", "c", "d", "e"]
    assert np.array_equal(shown[4].images[0].get_array(), images[4].squeeze())
    for axes in figure.axes:
        assert axes.axison == bool(axes.images)  # a frame, since a white pixel would get lost on white paper
        assert not (axes.images and [*axes.get_xticks(), *axes.get_yticks()])


@pytest.mark.parametrize(
    ("images", "white"),
    [(torch.zeros(1, 2, 2), 1), (torch.zeros(1, 2, 2).byte(), 255), (torch.full((1, 2, 2), 3.0), 3)],
)
def test_black_is_zero_and_white_the_same_for_all_images(images, white):
    figure = show_images(images)
    assert figure.axes[0].images[0].get_clim() == (0, white)


def test_the_curves_are_the_history_with_epochs_from_one():
    losses, accuracy = plot_history(HISTORY).axes
    assert [line.get_label() for line in losses.lines] == ["train loss", "val loss"]
    assert losses.lines[1].get_xydata().tolist() == [[1, 2.1], [2, 1.2], [3, 0.9]]
    assert [line.get_label() for line in accuracy.lines] == ["val accuracy"]
    assert losses.lines[0].get_color() != losses.lines[1].get_color()


def test_a_history_without_accuracies_is_one_diagram():
    assert len(plot_history({"train_loss": [1.0]}).axes) == 1


def test_a_history_without_a_curve_is_told():
    with pytest.raises(ValueError, match=r"\['epochs'\] ends in \"loss\" or \"accuracy\""):
        plot_history({"epochs": [1, 2]})


def test_panels_share_their_axis_their_colours_and_one_legend():
    figure = plot_panels(
        {"SGD": {"a": [2.0, 1.0], "b": [5.0, 50.0]}, "Adam": {"c": [3.0], "b": [1.0, 9.0, 8.0]}}, "loss", 2.3
    )

    left, right = drawn(figure), drawn(figure, 1)
    assert (left.get_title(), right.get_title()) == ("SGD", "Adam")
    (baseline, a, b), (same_baseline, c, same_b) = left.lines, right.lines
    assert list(a.get_xdata()) == [1, 2]
    assert list(b.get_ydata()) == [5.0, 50.0]
    assert list(same_b.get_ydata()) == [1.0, 9.0, 8.0]
    assert b.get_color() == same_b.get_color()
    assert [line.get_color() for line in (a, b, c)] == [BLUE, ORANGE, "#009e73"]  # the course's colours, when drawn too
    assert left.get_ylim() == right.get_ylim()
    assert left.get_yscale() == right.get_yscale() == "log"
    assert {"1", "2", "5", "10", "20", "50"} <= {label.get_text() for label in left.get_yticklabels()}
    assert [line.get_ydata()[0] for line in (baseline, same_baseline)] == [2.3, 2.3]  # behind the curves
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["a", "b", "c"]
    assert left.get_ylabel() == "loss"


def test_bars_have_their_values_and_one_stands_out():
    axes = drawn(plot_bars(torch.tensor([0.25, 0.5, 1.0]), ["a", "b", "c"], "share", highlight=1))
    assert [bar.get_width() for bar in axes.patches] == [0.25, 0.5, 1.0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b", "c"]
    assert [text.get_text() for text in axes.texts] == ["25.0%", "50.0%", "100.0%"]
    colours = [bar.get_facecolor() for bar in axes.patches]
    assert colours[0] == colours[2] != colours[1]
    names = [label.get_color() for label in axes.get_yticklabels()]
    assert names[0] == names[2] != names[1]  # a bar of no length is seen as well
    assert not axes.lines


def test_the_average_of_bars_is_a_labelled_line():
    axes = drawn(plot_bars([0.2, 0.6], ["a", "b"], "share", average=0.4))
    assert axes.lines[0].get_xdata() == [0.4, 0.4]
    assert axes.texts[-1].get_text() == "average 40.0%"


def test_a_confusion_matrix_shows_counts_coloured_by_the_share_of_their_row():
    matrix = torch.tensor([[3, 1, 0], [0, 0, 0], [0, 4, 4]])
    axes = drawn(plot_confusion(matrix, ["a", "b", "c"]))
    assert [int(text.get_text()) for text in axes.texts] == matrix.flatten().tolist()
    assert axes.images[0].get_array().tolist() == [[0.75, 0.25, 0], [0, 0, 0], [0, 0.5, 0.5]]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted class", "actual class")


def graph_of(figure):
    """Return what a figure of a graph shows: how often an arrow leads from one box to another, by their labels."""
    axes = drawn(figure)
    *boxes, _ = axes.texts
    corners = {box.get_text(): box.get_bbox_patch().get_window_extent().padded(6) for box in boxes}

    def at(point):
        (label,) = [label for label, corner in corners.items() if corner.contains(*axes.transData.transform(point))]
        return label

    arrows = [patch._path_original.vertices for patch in axes.patches]
    return corners.keys(), Counter((at(path[0]), at(path[-1])) for path in arrows)


def test_a_graph_has_the_operations_and_leaves_and_the_edges_between_them():
    x, y = torch.ones(2, 5), torch.zeros(2, 3)
    w, b = torch.ones(5, 3, requires_grad=True), torch.ones(3, requires_grad=True)
    z = x @ w + b
    loss = torch.nn.functional.mse_loss(z, y)

    labels, edges = graph_of(draw_graph(loss, {"x": x, "w": w, "b": b, "z": z}))
    add = "z (2, 3)\nAddBackward0"
    assert labels == {"MseLossBackward0", add, "MmBackward0", "w (5, 3)", "b (3,)"}
    assert edges == {
        ("MseLossBackward0", add): 1,
        (add, "MmBackward0"): 1,
        (add, "b (3,)"): 1,
        ("MmBackward0", "w (5, 3)"): 1,
    }


def test_a_tensor_that_is_used_more_than_once_is_one_box_with_an_arrow_for_each_use():
    w = torch.tensor(3.0, requires_grad=True)
    square = w * w
    cube = square * w
    sum_of_all = cube + square + w  # an addition above another, so that arrows pass several rows

    names = {"w": w, "square": square, "cube": cube, "sum": sum_of_all}
    labels, edges = graph_of(draw_graph(sum_of_all, names))
    s2, s3, partial, total = (f"{name}Backward0" for name in ("square ()\nMul", "cube ()\nMul", "Add", "sum ()\nAdd"))
    assert labels == {s2, s3, partial, total, "w ()"}
    assert edges == {
        (total, partial): 1,
        (total, "w ()"): 1,
        (partial, s3): 1,
        (partial, s2): 1,
        (s3, s2): 1,
        (s3, "w ()"): 1,
        (s2, "w ()"): 2,
    }


def test_the_graph_of_a_model_names_each_of_its_parameters_once_and_no_boxes_overlap():
    model = NeuralNetwork()
    loss = torch.nn.functional.cross_entropy(model(torch.rand(2, 1, 28, 28)), torch.tensor([1, 2]))
    axes = drawn(draw_graph(loss, dict(model.named_parameters())))
    *boxes, _ = axes.texts

    leaves = {f"{name} {tuple(parameter.shape)}" for name, parameter in model.named_parameters()}
    assert {box.get_text() for box in boxes if box.get_color() == ORANGE} == leaves
    assert len(boxes) == len(leaves) + 2 + 3 + 3 + 2  # the loss takes two, each layer two, each ReLU one
    corners = [box.get_bbox_patch().get_window_extent() for box in boxes]
    assert not any(one.overlaps(other) for one, other in combinations(corners, 2))
    assert all(axes.bbox.containsx(x) for corner in corners for x in (corner.x0, corner.x1))


def test_backward_runs_down_the_graph():
    w = torch.ones(2, requires_grad=True)
    *boxes, legend = drawn(draw_graph((w * 2).sum())).texts
    heights = {box.get_text(): box.get_position()[1] for box in boxes}
    assert heights["SumBackward0"] > heights["MulBackward0"] > heights["leaf (2,)"]
    assert "arrows: the way backward() runs" in legend.get_text()


def test_drawing_a_graph_leaves_it_as_it_was():
    w = torch.ones(2, requires_grad=True)
    loss = (w * w).sum()
    draw_graph(loss, {"w": w})
    loss.backward()
    assert w.grad.tolist() == [2, 2]
    assert draw_graph(loss, {"w": w})  # and after backward, the shape of the graph is still there


@pytest.mark.parametrize("make", [lambda w: w, lambda w: (w * 2).detach(), lambda w: torch.ones(2)])
def test_a_tensor_without_a_graph_is_told(make):
    with pytest.raises(ValueError, match="no grad_fn, so there is no graph to draw"):
        draw_graph(make(torch.ones(2, requires_grad=True)))


# ------------------------------------------------------------------------------ images, names and numbers of your own


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (2, 4, 5, 3)])
def test_images_in_colour_are_shown_in_colour(shape):
    images = torch.randint(256, shape, dtype=torch.uint8)
    last = images.movedim(1, -1) if shape[1] == 3 else images
    figure = show_images(images)
    assert np.allclose(figure.axes[1].images[0].get_array() * 255, last[1])
    figure = show_images(last.movedim(-1, 1) / 100)  # brighter than 1, and sometimes negative: scaled, not wrapped
    assert np.allclose(figure.axes[1].images[0].get_array(), last[1] / last.max())


@pytest.mark.parametrize("shape", [(2, 2, 4, 4), (2, 4, 4, 4), (8, 8), (2, 1, 1, 8, 8), (5,)])
def test_images_of_another_shape_are_told(shape):
    with pytest.raises(ValueError, match=r"images have the shape .*expected \(N, H, W\).*\(N, 3, H, W\) for colour"):
        show_images(torch.zeros(shape))


def test_no_image_is_told():
    with pytest.raises(ValueError, match="no image to show"):
        show_images(torch.zeros(0, 28, 28))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_pixel_that_is_no_number_does_not_hide_the_others(value, channels):
    images = torch.zeros(1, channels, 2, 2)
    images[0, :, 0, 0], images[0, :, 1, 1] = value, 0.5
    (image,) = show_images(images).axes[0].images
    assert image.get_clim() == (0, 1) or channels == 3
    assert np.allclose(image.get_array()[1, 1], 0.5)


def test_masks_are_black_and_white_and_half_precision_is_shown():
    mask = torch.eye(2, dtype=torch.bool).unsqueeze(0)
    assert show_images(mask).axes[0].images[0].get_clim() == (0, 1)
    assert show_images(mask.bfloat16()).axes[0].images[0].get_array().tolist() == mask[0].tolist()


@pytest.mark.parametrize("titles", [torch.tensor([3, 4]), np.array([3, 4]), [3, 4], ("3", "4")])
def test_titles_may_be_labels(titles):
    assert [axes.get_title() for axes in show_images(torch.rand(2, 4, 4), titles).axes] == ["3", "4"]


def test_a_dollar_in_a_name_is_no_formula():
    name = r"$\price$"
    for figure in (
        show_images(torch.rand(1, 4, 4), [name]),
        plot_bars([0.5], [name], name),
        plot_confusion(torch.eye(1), [name]),
        plot_history({"$x$ loss": [1.0]}),
        plot_panels({name: {name: [1.0]}}, name),
    ):
        figure._repr_png_()


def test_a_history_without_an_epoch_or_of_a_loss_that_is_nan_tells_nothing_of_labels():
    for history in {"val_loss": [], "val_accuracy": []}, {"val_loss": [float("nan")]}:
        assert not [text for axes in plot_history(history).axes for text in axes.texts]


def test_losses_that_are_still_tensors_are_drawn():
    loss = torch.tensor(2.0, requires_grad=True)
    assert plot_history({"loss": [loss, loss * 2]}).axes[0].lines[0].get_ydata().tolist() == [2.0, 4.0]
    assert plot_bars((loss / 4).unsqueeze(0), ["a"], "share").axes[0].patches[0].get_width() == 0.5


def test_bars_of_one_name_or_of_numbers_stay_apart():
    axes = drawn(plot_bars([0.2, 0.4, float("nan")], ["a", "a", 7], "share"))
    assert [bar.get_y() + bar.get_height() / 2 for bar in axes.patches] == pytest.approx([0, 1, 2])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "a", "7"]


@pytest.mark.parametrize(
    ("draw", "told"),
    [
        (lambda: plot_bars([], [], "share"), "0 values and 0 names"),
        (lambda: plot_bars([0.5, 0.5], ["a"], "share"), "2 values and 1 names"),
        (lambda: plot_bars([12, 30], ["a", "b"], "share"), "12 is no share from 0 to 1: divide counts by their sum"),
        (lambda: plot_bars([-0.5], ["a"], "share"), "-0.5 is no share"),
        (lambda: plot_confusion(torch.eye(3), ["a", "b"]), r"shape \(3, 3\), expected a row and a column per class: 2"),
        (lambda: plot_confusion(torch.zeros(0, 0), []), "per class: 0"),
        (lambda: plot_confusion(torch.eye(2) * 0.9, ["a", "b"]), "does not hold counts"),
        (lambda: plot_confusion(torch.full((1, 1), float("nan")), ["a"]), "does not hold counts"),
    ],
)
def test_what_cannot_be_drawn_is_told(draw, told):
    with pytest.raises(ValueError, match=told):
        draw()


def test_fifty_classes_have_a_cell_each():
    axes = drawn(plot_confusion(torch.eye(50, dtype=torch.long), [f"class {i}" for i in range(50)]))
    assert len(axes.texts) == 2500
