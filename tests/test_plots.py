import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from IPython.core.formatters import DisplayFormatter
from matplotlib.figure import Figure

from tutorial_utils.data import CLASSES
from tutorial_utils.plots import plot_bars, plot_confusion, plot_history, show_images

HISTORY = {"train_loss": [2.0, 1.0, 0.5], "val_loss": [2.1, 1.2, 0.9], "val_accuracy": [0.3, 0.6, 0.7]}
FIGURES = {
    "show_images": lambda: show_images(torch.ones(5, 1, 28, 28), list("abcde")),
    "plot_history": lambda: plot_history(HISTORY),
    "plot_bars": lambda: plot_bars([0.1, 0.9], ["cat", "dog"], "accuracy", highlight=0),
    "plot_confusion": lambda: plot_confusion(torch.eye(10, dtype=torch.long), CLASSES),
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
    assert not any(axes.axison for axes in figure.axes)


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
