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
    plot_bends,
    plot_change,
    plot_confusion,
    plot_contours,
    plot_curves,
    plot_descent,
    plot_errors,
    plot_grid,
    plot_histograms,
    plot_history,
    plot_layers,
    plot_path,
    plot_softmax,
    plot_stacks,
    plot_steps,
    plot_sweep,
    plot_tangent,
    show_images,
)
from tutorial_utils.style import BLUE, ORANGE

HISTORY = {"train_loss": [2.0, 1.0, 0.5], "val_loss": [2.1, 1.2, 0.9], "val_accuracy": [0.3, 0.6, 0.7]}
FIGURES = {
    "show_images": lambda: show_images(torch.ones(5, 1, 28, 28), list("abcde")),
    "plot_history": lambda: plot_history(HISTORY),
    "plot_layers": lambda: plot_layers({"default": [1.0, 0.1], "He": [1.0, 0.9]}, "standard deviation"),
    "plot_bends": lambda: plot_bends(torch.arange(3), {"bent": torch.tensor([0, 1, 1])}, torch.ones(1), torch.ones(1)),
    "plot_softmax": lambda: plot_softmax(torch.tensor([0.0, 2.0]), ["cat", "dog"]),
    "plot_steps": lambda: plot_steps({"first": [0.0, 2.8, 2.9], "second": torch.zeros(60)}, "w", target=3),
    "plot_descent": lambda: plot_descent(torch.square, {"lr 1": [3.0, -3.0, 3.0], "lr 0.5": [3.0, 0.0]}, "w"),
    "plot_contours": lambda: plot_contours(lambda x, y: x**2 + y**2, {"SGD": torch.tensor([[3.0, 1.0], [0.0, 0.0]])}),
    "plot_sweep": lambda: plot_sweep({"SGD": {0.1: [2.0, 1.0], 1.0: [3.0, float("inf")]}}, "loss", 2.3),
    "plot_grid": lambda: plot_grid({name: [3.0, 1.0] for name in "abcde"}, "step", "loss", baseline=2.3),
    "plot_bars": lambda: plot_bars([0.1, 0.9], ["cat", "dog"], "accuracy", highlight=0),
    "plot_change": lambda: plot_change([0.1, 0.9], [0.4, 0.6], ["cat", "dog"], "share"),
    "plot_confusion": lambda: plot_confusion(torch.eye(10, dtype=torch.long), CLASSES),
    "plot_stacks": lambda: plot_stacks({"seconds": {"a": [1, 2], "b": [3, 0]}}, ["load", "answer"]),
    "plot_histograms": lambda: plot_histograms({"raw": torch.arange(10.0), "scaled": torch.arange(10.0) / 9}),
    "plot_curves": lambda: plot_curves({"raw": {0.1: 0.2, 1: 0.4}}, "learning rate", "accuracy", log=True),
    "draw_graph": lambda: draw_graph(torch.ones(2, requires_grad=True).sum(), numbers=True),
    "plot_tangent": lambda: plot_tangent(torch.square, 1.0, 2.0, "x", "loss"),
    "plot_errors": lambda: plot_errors({"one side": {0.1: 1e-3, 0.01: 1e-4}}, "nudge", "error"),
    "plot_path": lambda: plot_path(lambda x: (x**2).sum(), torch.tensor([[1.0, 2.0], [0.5, 1.0]]), "x[0]", "x[1]"),
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


@pytest.mark.parametrize(
    "name", ["plot_history", "plot_bars", "plot_confusion", "plot_tangent", "plot_errors", "plot_path"]
)
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


def test_steps_are_drawn_from_the_start_with_their_target():
    figure = FIGURES["plot_steps"]()
    target, first, second = figure.axes[0].lines
    assert target.get_ydata() == [3, 3]
    assert first.get_xydata().tolist() == [[0, 0], [1, 2.8], [2, 2.9]]
    assert len(second.get_xdata()) == 60
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["first", "second"]


def test_a_descent_lies_on_the_curve_of_the_loss():
    for axes, title, path in zip(FIGURES["plot_descent"]().axes, ["lr 1", "lr 0.5"], [[3, -3, 3], [3, 0]], strict=True):
        curve, steps, start = axes.lines
        assert axes.get_title() == title
        assert curve.get_ydata().tolist() == pytest.approx((curve.get_xdata() ** 2).tolist())
        assert steps.get_xydata().tolist() == [[w, w**2] for w in path]
        assert start.get_xydata().tolist() == [[3, 9]]


def test_a_path_of_two_weights_lies_within_its_contours():
    (axes,) = FIGURES["plot_contours"]().axes
    path, start = axes.lines
    assert path.get_xydata().tolist() == [[3, 1], [0, 0]]
    assert start.get_xydata().tolist() == [[3, 1]]
    assert axes.get_xlim() == (-0.5, 3.5)
    assert axes.get_ylim() == (-0.5, 1.5)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("x", "y")


def test_a_sweep_has_means_and_every_seed_on_a_logarithmic_axis():
    axes = drawn(FIGURES["plot_sweep"]())
    baseline, means, *seeds = axes.lines
    assert baseline.get_ydata() == [2.3, 2.3]
    assert means.get_ydata().tolist() == [1.5, float("inf")]
    assert [line.get_ydata().tolist() for line in seeds] == [[2.0, 1.0], [3.0, float("inf")]]
    assert axes.get_xscale() == "log"


@pytest.mark.parametrize("bars", [False, True])
def test_a_grid_has_a_panel_for_each_name_with_shared_axes(bars):
    figure = plot_grid({name: [3.0, 1.0] for name in "abcde"}, "step", "loss", bars=bars)
    shown = [axes for axes in figure.axes if axes.get_title()]
    assert [axes.get_title() for axes in shown] == [*"abcde"]
    for axes in shown:
        assert [patch.get_height() for patch in axes.patches] == ([3.0, 1.0] if bars else [])
        assert [line.get_ydata().tolist() for line in axes.lines] == ([] if bars else [[3.0, 1.0]])
        assert axes.get_ylim() == shown[0].get_ylim()
    assert (figure.get_supxlabel(), figure.get_supylabel()) == ("step", "loss")
    assert plot_grid({"a": [9.0], "b": [1.0]}, "step", "loss", top=2).axes[1].get_ylim() == (0, 2)


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


def test_a_change_has_two_bars_for_each_name_in_two_colours():
    figure = plot_change(torch.tensor([0.75, 0.25]), torch.tensor([0.5, 0.5]), ["a", "b"], "share")
    axes = drawn(figure)
    assert [bar.get_width() for bar in axes.patches] == [0.75, 0.25, 0.5, 0.5]
    assert len({bar.get_facecolor() for bar in axes.patches[:2]}) == 1
    assert axes.patches[0].get_facecolor() != axes.patches[2].get_facecolor()
    assert [text.get_text() for text in axes.texts] == ["75.0%", "25.0%", "50.0%", "50.0%"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["before", "after"]


def test_a_confusion_matrix_shows_counts_and_colours_mistakes_by_their_share_of_the_row():
    matrix = torch.tensor([[3, 1, 0], [0, 0, 0], [0, 4, 4]])
    axes = drawn(plot_confusion(matrix, ["a", "b", "c"]))
    assert [int(text.get_text()) for text in axes.texts] == matrix.flatten().tolist()
    assert axes.images[0].get_array().tolist() == [[None, 0.25, 0], [0, None, 0], [0, 0.5, None]]
    assert axes.images[0].get_clim() == (0, 0.5)
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
    assert labels == {"MseLossBackward0", add, "MmBackward0", "w (5, 3)\nAccumulateGrad", "b (3,)\nAccumulateGrad"}
    assert edges == {
        ("MseLossBackward0", add): 1,
        (add, "MmBackward0"): 1,
        (add, "b (3,)\nAccumulateGrad"): 1,
        ("MmBackward0", "w (5, 3)\nAccumulateGrad"): 1,
    }


def test_a_tensor_that_is_used_more_than_once_is_one_box_with_an_arrow_for_each_use():
    w = torch.tensor(3.0, requires_grad=True)
    square = w * w
    cube = square * w
    sum_of_all = cube + square + w  # an addition above another, so that arrows pass several rows

    names = {"w": w, "square": square, "cube": cube, "sum": sum_of_all}
    labels, edges = graph_of(draw_graph(sum_of_all, names))
    s2, s3, partial, total = (f"{name}Backward0" for name in ("square ()\nMul", "cube ()\nMul", "Add", "sum ()\nAdd"))
    leaf = "w ()\nAccumulateGrad"
    assert labels == {s2, s3, partial, total, leaf}
    assert edges == {
        (total, partial): 1,
        (total, leaf): 1,
        (partial, s3): 1,
        (partial, s2): 1,
        (s3, s2): 1,
        (s3, leaf): 1,
        (s2, leaf): 2,
    }


def test_the_graph_of_a_model_names_each_of_its_parameters_once_and_no_boxes_overlap():
    model = NeuralNetwork()
    loss = torch.nn.functional.cross_entropy(model(torch.rand(2, 1, 28, 28)), torch.tensor([1, 2]))
    axes = drawn(draw_graph(loss, dict(model.named_parameters())))
    *boxes, _ = axes.texts

    leaves = {f"{name} {tuple(parameter.shape)}\nAccumulateGrad" for name, parameter in model.named_parameters()}
    assert {box.get_text() for box in boxes if box.get_color() == ORANGE} == leaves
    assert len(boxes) == len(leaves) + 2 + 3 + 3 + 2  # the loss takes two, each layer two, each ReLU one
    corners = [box.get_bbox_patch().get_window_extent() for box in boxes]
    assert not any(one.overlaps(other) for one, other in combinations(corners, 2))
    assert all(axes.bbox.containsx(x) for corner in corners for x in (corner.x0, corner.x1))


def test_backward_runs_down_the_graph():
    w = torch.ones(2, requires_grad=True)
    *boxes, legend = drawn(draw_graph((w * 2).sum())).texts
    heights = {box.get_text(): box.get_position()[1] for box in boxes}
    assert heights["SumBackward0"] > heights["MulBackward0"] > heights["leaf (2,)\nAccumulateGrad"]
    assert "arrows: the way backward() runs" in legend.get_text()


def test_drawing_a_graph_leaves_it_as_it_was():
    w = torch.ones(2, requires_grad=True)
    loss = (w * w).sum()
    draw_graph(loss, {"w": w})
    loss.backward()
    assert w.grad.tolist() == [2, 2]
    assert draw_graph(loss, {"w": w})  # and after backward, the shape of the graph is still there


def make_wage():
    hours, rate = torch.tensor(2.0, requires_grad=True), torch.tensor(3.0, requires_grad=True)
    wage = hours * rate
    return {"hours": hours, "rate": rate, "wage": wage, "total": wage + hours}


def test_a_graph_with_numbers_has_values_in_its_boxes_and_gradients_at_its_arrows():
    names = make_wage()
    axes = drawn(draw_graph(names["total"], names, numbers=True))
    *texts, _ = [text.get_text() for text in axes.texts]
    assert sorted(texts) == sorted(
        [
            "total = 8\nAddBackward0",
            "wage = 6\nMulBackward0",
            "rate = 3\ngradient 2\nAccumulateGrad",
            "hours = 2\ngradient 4\nAccumulateGrad",  # which arrives as 3 and 1
            *("1", "1", "2", "3"),
        ]
    )
    assert all(tensor.grad is None for tensor in names.values() if tensor.is_leaf)
    names["total"].backward()  # no hook of the drawing is left, and the graph is as it was
    assert names["hours"].grad == 4


def test_long_tensors_have_their_shape_where_short_ones_have_numbers():
    w, b = torch.ones(4, requires_grad=True), torch.tensor([0.25, -1.0], requires_grad=True)
    axes = drawn(draw_graph(w.sum() + (b**2).sum(), {"w": w, "b": b}, numbers=True))
    texts = {text.get_text() for text in axes.texts}
    assert {"w (4,)\nAccumulateGrad", "b = [0.25, -1]\ngradient [0.5, -2]\nAccumulateGrad", "[0.5, -2]", ""} < texts


def test_numbers_of_a_graph_that_was_freed_are_refused_with_pytorchs_words():
    names = make_wage()
    names["total"].backward()
    with pytest.raises(RuntimeError, match="a second time"):
        draw_graph(names["total"], names, numbers=True)


def test_arrows_to_one_box_end_side_by_side():
    factor = torch.tensor(3.0, requires_grad=True)
    power = factor
    for _ in range(4):
        power = power * factor
    axes = drawn(draw_graph(power, {"factor": factor}))
    height = min(patch._path_original.vertices[-1][1] for patch in axes.patches)
    heads = sorted(x for x, y in (patch._path_original.vertices[-1] for patch in axes.patches) if y == height)
    assert len(heads) == 5
    assert min(np.diff(heads)) > 0.15  # inches
    (corner,) = [text.get_bbox_patch().get_window_extent() for text in axes.texts if "factor" in text.get_text()]
    assert all(corner.containsx(axes.transData.transform((x, 0))[0]) for x in heads)


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
        plot_steps({name: [1.0]}, name),
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
        (lambda: plot_change([0.5, 0.5], [1.0], ["a", "b"], "share"), "1 values and 2 names"),
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


def test_logits_stand_beside_probabilities_that_add_up_to_1_with_the_highest_in_orange():
    figure = plot_softmax(torch.tensor([0.0, 2.0, -1.0], requires_grad=True), ["a", "b", "c"])
    left, right = figure.axes
    assert [bar.get_width() for bar in left.patches] == [0, 2, -1]
    assert sum(bar.get_width() for bar in right.patches) == pytest.approx(1)
    assert [mpl.colors.to_hex(bar.get_facecolor()) for bar in right.patches] == [style.BLUE, style.ORANGE, style.BLUE]


def test_each_curve_over_the_layers_ends_in_its_name():
    figure = plot_layers({"default": [1.0, 0.1], "He": [1.0, 0.9]}, "standard deviation")
    assert [list(line.get_ydata()) for line in figure.axes[0].lines] == [[1.0, 0.1], [1.0, 0.9]]
    assert [(text.get_text(), text.xy) for text in figure.axes[0].texts] == [("default", (2, 0.1)), ("He", (2, 0.9))]


def test_the_parts_of_a_bar_follow_each_other_in_every_panel():
    figure = plot_stacks({"s": {"a": [1, 2], "b": [3, 0.5]}, "MiB": {"a": [10, 0], "b": [4, 6]}}, ["load", "answer"])
    for axes, label, lefts, widths in zip(
        figure.axes, ["s", "MiB"], [[0, 0, 1, 3], [0, 0, 10, 4]], [[1, 3, 2, 0.5], [10, 4, 0, 6]], strict=True
    ):
        assert axes.get_xlabel() == label
        assert [bar.get_x() for bar in axes.patches] == lefts
        assert [bar.get_width() for bar in axes.patches] == widths
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["a", "b"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["load", "answer"]


def test_a_tangent_has_the_slope_at_the_place_and_a_secant_that_of_the_way():
    axes = drawn(plot_tangent(torch.square, 1.0, -2.5, "x", "loss"))
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "secant to a nudge of -2.5: slope -0.500",  # from 1 down to (-1.5)² = 2.25: 1.25 in -2.5
        "tangent: slope 2.000",
    ]
    curve, secant, tangent, ends = axes.lines
    assert curve.get_ydata()[0] == pytest.approx(curve.get_xdata()[0] ** 2)
    assert (secant.get_slope(), tangent.get_slope()) == pytest.approx((-0.5, 2))
    assert ends.get_xydata().tolist() == [[1, 1], [-1.5, 2.25]]


def test_errors_are_drawn_over_what_they_depend_on():
    axes = drawn(plot_errors({"one": {0.1: 1e-3, 0.01: 1e-4}, "two": {0.1: 1e-6}}, "nudge", "error"))
    assert [line.get_label() for line in axes.lines] == ["one", "two"]
    assert axes.lines[0].get_xydata().tolist() == [[0.1, 1e-3], [0.01, 1e-4]]
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert "1e\N{MINUS SIGN}02" in {label.get_text() for label in axes.get_xticklabels()}


def test_a_path_lies_over_the_contours_of_its_function():
    places = torch.tensor([[2.0, 1.0], [1.0, 0.5], [0.5, 0.25]], requires_grad=True)
    axes = drawn(plot_path(lambda x: x[0] ** 2 + x[1], list(places), "x[0]", "x[1]"))
    (path,) = axes.lines
    assert path.get_xydata().tolist() == places.tolist()
    (contours,) = [made for made in axes.collections if hasattr(made, "levels")]
    level, points = next(
        (level, line) for level, line in zip(contours.levels, contours.get_paths(), strict=True) if len(line)
    )
    assert np.allclose(points.vertices[:, 0] ** 2 + points.vertices[:, 1], level, atol=0.01)


def test_rows_of_images_have_their_names_once_each():
    figure = show_images(torch.ones(4, 1, 28, 28), columns=2, rows=["flip", "shift"])
    assert [axes.get_ylabel() for axes in figure.axes] == ["flip", "", "shift", ""]
    titled = show_images(torch.ones(4, 1, 28, 28), ["original"], columns=2, side=2.0)
    assert tuple(titled.get_size_inches()) == pytest.approx((4.0, 4.3))  # one row has a title


def test_histograms_count_every_value_on_a_scale_of_its_own_and_mark_mean_and_deviation():
    values = torch.tensor([[0.0, 0.0], [1.0, 3.0]])
    figure = plot_histograms({"raw": values, "larger": 100 * values})
    assert [axes.get_title() for axes in figure.axes] == [
        "raw\nmean 1.00, deviation 1.41",
        "larger\nmean 100.00, deviation 141.42",
    ]
    for axes, mean in zip(figure.axes, (1, 100), strict=True):
        heights = [bar.get_height() for bar in axes.patches[1:]]  # after the band
        assert heights[0] == 0.5
        assert sum(heights) == pytest.approx(1)
        assert list(axes.lines[0].get_xdata()) == [mean, mean]


def test_curves_run_through_their_points_and_a_dashed_one_has_the_colour_of_its_pair():
    points = {0.01: 0.25, 0.1: 0.75}
    curves = {"training, plain": points, "plain": points, "training, augmented": points, "augmented": points}
    figure = plot_curves(curves, "epoch", "accuracy", dashed=["training, plain", "training, augmented"])
    lines = figure.axes[0].lines
    assert [line.get_label() for line in lines] == list(curves)
    assert [line.get_linestyle() for line in lines] == ["--", "-", "--", "-"]
    assert [line.get_color() for line in lines] == [BLUE, BLUE, ORANGE, ORANGE]
    assert list(lines[0].get_xdata()) == [0.01, 0.1]
    assert list(lines[0].get_ydata()) == [0.25, 0.75]
    assert figure.axes[0].get_xscale() == "linear"
    assert plot_curves({"a": points}, "learning rate", "accuracy", log=True).axes[0].get_xscale() == "log"


def test_lines_have_the_colours_of_the_course_and_a_dot_at_each_bend():
    x = torch.tensor([[0.0], [1.0], [2.0]])
    figure = plot_bends(x, {"straight": x, "bent": (x - 1).relu()}, torch.tensor([[1.0]]), torch.tensor([[0.0]]))
    straight, bent, dots = figure.axes[0].lines
    assert [straight.get_color(), bent.get_color(), dots.get_color()] == [BLUE, ORANGE, "black"]
    assert list(bent.get_ydata()) == [0, 0, 1]
    assert (list(dots.get_xdata()), list(dots.get_ydata())) == ([1], [0])
