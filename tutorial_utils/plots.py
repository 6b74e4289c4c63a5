"""The figures of the course, in one style. Each function returns a new figure and changes nothing else."""

import io
from collections.abc import Mapping, Sequence

import matplotlib as mpl
import matplotlib.figure
import numpy as np
from matplotlib.axes import Axes
from torch import Tensor

# Blue and orange are told apart by colour-blind readers too (Okabe and Ito, https://jfly.uni-koeln.de/color/).
BLUE, ORANGE = "#0072b2", "#d55e00"
STYLE = {
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.prop_cycle": mpl.cycler(color=[BLUE, ORANGE, "#009e73", "#cc79a7", "#56b4e9", "#e69f00"]),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.dpi": 110,
    "font.size": 11,
    "grid.color": "#dddddd",
}


class Figure(matplotlib.figure.Figure):
    """A figure that a notebook shows when a cell ends in it, without pyplot, which would keep it and show it again."""

    def _repr_png_(self) -> bytes:
        image = io.BytesIO()
        self.savefig(image, format="png", bbox_inches="tight")
        return image.getvalue()


def show_images(images: Tensor, titles: Sequence[str] | None = None, columns: int | None = None) -> Figure:
    """Return a figure of grey images (N, H, W) or (N, 1, H, W), N >= 1, each under its title, in rows of `columns`.

    0 is drawn black, 1.0 white (255 for integers); where an image has brighter pixels, the brightest of all is white.
    """
    images = images.squeeze(1) if images.ndim == 4 else images  # (N, H, W)
    images = images.numpy(force=True)
    columns = columns or min(len(images), 8)
    rows = -(-len(images) // columns)
    side = max(1.25, 2.5 / columns)  # inches
    white = max(images.max(), 1 if images.dtype.kind == "f" else 255)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(side * columns, (side + 0.3 * bool(titles)) * rows), layout="constrained")
        grid = figure.subplots(rows, columns, squeeze=False)
        for axes in grid.flat:
            axes.set_axis_off()
        for axes, image in zip(grid.flat, images, strict=False):
            axes.imshow(image, cmap="gray", vmin=0, vmax=white)
        for axes, title in zip(grid.flat, titles or (), strict=False):
            axes.set_title(title, fontsize=9)
    return figure


def plot_history(history: Mapping[str, Sequence[float]]) -> Figure:
    """Return a figure of a training history, one value per epoch: losses on the left, accuracies (0 to 1) on the right.

    Names that end in "loss" are drawn on the left, names that end in "accuracy" on the right.

    Raises:
        ValueError: no name ends in either.
    """
    kinds = [kind for kind in ("loss", "accuracy") if any(name.endswith(kind) for name in history)]
    if not kinds:
        raise ValueError(
            f'None of the names {list(history)} ends in "loss" or "accuracy", so there is no curve to draw.'
        )
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.5 * len(kinds), 3.2), layout="constrained")
        for axes, kind in zip(figure.subplots(1, len(kinds), squeeze=False).flat, kinds, strict=True):
            for name, values in history.items():
                if name.endswith(kind):
                    axes.plot(range(1, len(values) + 1), values, marker="o", label=name.replace("_", " "))
            axes.set(xlabel="epoch", ylabel="mean loss per example" if kind == "loss" else kind)
            axes.xaxis.get_major_locator().set_params(integer=True)
            if kind == "accuracy":
                _label_percent(axes, "y")
            axes.legend(frameon=False)
    return figure


def plot_bars(
    values: Sequence[float] | Tensor,
    names: Sequence[str],
    xlabel: str,
    highlight: int | None = None,
    average: float | None = None,
) -> Figure:
    """Return a figure with a bar for each of the `values`, shares from 0 to 1, one highlighted, the average dashed."""
    values = [float(value) for value in values]
    colours = [ORANGE if i == highlight else BLUE for i in range(len(values))]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6, 0.34 * len(values) + 0.8), layout="constrained")
        axes = figure.subplots()
        bars = axes.barh(names, values, color=colours)
        labels = axes.bar_label(bars, [f"{value:.1%}" for value in values], padding=3, fontsize=9)
        for label, name, colour in zip(labels, axes.get_yticklabels(), colours, strict=True):
            if colour == ORANGE:
                label.set(color=colour, weight="bold")
                name.set(color=colour, weight="bold")
        if average is not None:
            axes.axvline(average, color="black", linestyle="--", linewidth=1)
            axes.text(average, -0.6, f"average {average:.1%}", ha="center", va="bottom", fontsize=9)
        axes.set(xlabel=xlabel, xlim=(0, 1.12), ylim=(len(values) - 0.4, -0.6))  # the first name on top
        axes.grid(visible=False, axis="y")
        axes.set_xticks(np.linspace(0, 1, 6))
        _label_percent(axes, "x")
    return figure


def plot_confusion(matrix: Tensor, classes: Sequence[str]) -> Figure:
    """Return a figure of a confusion matrix of counts (K, K): row, the actual class; column, the predicted one.

    The colour of a cell is its share of its row: 0, light, to 1, dark.
    """
    matrix = matrix.numpy(force=True)
    shares = matrix / matrix.sum(axis=1, keepdims=True).clip(min=1)  # (K, K), each row sums to 1
    with mpl.rc_context(STYLE | {"axes.grid": False}):
        figure = Figure(figsize=(0.62 * len(classes) + 1.6, 0.55 * len(classes) + 1.4), layout="constrained")
        axes = figure.subplots()
        image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        figure.colorbar(image, label="share of the actual class", format="{x:.0%}", shrink=0.8)
        axes.set_xticks(range(len(classes)), classes, rotation=45, ha="right")
        axes.set_yticks(range(len(classes)), classes)
        axes.set(xlabel="predicted class", ylabel="actual class")
        for (row, column), share in np.ndenumerate(shares):
            colour = "white" if share > 0.5 else "black"
            axes.text(column, row, int(matrix[row, column]), ha="center", va="center", color=colour, fontsize=8)
    return figure


def _label_percent(axes: Axes, which: str) -> None:
    """Write the ticks of the axis `which`, "x" or "y", as per cent."""
    getattr(axes, f"{which}axis").set_major_formatter("{x:.0%}")
