"""Diagrams that explain a structure: boxes, arrows and columns of numbers, in the style of the course."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import Circle, FancyArrowPatch

from tutorial_utils.style import BLUE, ORANGE, Figure, course_style

GREY = "#555555"
SHOWN = 6  # circles of a layer that are drawn, at most; dots stand for the others


def draw_network(sizes: Sequence[int], labels: Sequence[str] | None = None) -> Figure:
    """Return a diagram of fully connected layers: a column of circles for each size, and a line for each weight.

    Args:
        sizes: how many numbers there are before the first layer, and after each; a column shows six of them at most.
        labels: what to write below each column (default: its size).
    """
    with course_style():
        figure, axes = _make_canvas(7.0, 3.2)
        columns = [_place_column(2.2 * x, size) for x, size in enumerate(sizes)]
        for left, right in pairwise(columns):
            for start in left:
                for end in right:
                    axes.plot(*zip(start, end, strict=True), color="#bbbbbb", linewidth=0.6, zorder=1)
        for x, (places, size) in enumerate(zip(columns, sizes, strict=True)):
            colour = ORANGE if x == len(sizes) - 1 else BLUE
            for place in places:
                axes.add_patch(Circle(place, 0.12, facecolor="white", edgecolor=colour, linewidth=1.8, zorder=2))
            if size > SHOWN:
                axes.text(2.2 * x, 0, "⋮", ha="center", va="center", fontsize=15, color=GREY)
            axes.text(2.2 * x, -1.65, labels[x] if labels else f"{size}", ha="center", va="top", linespacing=1.4)
        axes.set(xlim=(-0.9, 2.2 * (len(sizes) - 1) + 0.9), ylim=(-2.6, 1.5), aspect="equal")
        return figure


def draw_cycle(steps: Sequence[str]) -> Figure:
    """Return a diagram of steps that follow each other in a circle; a step has one line or two."""
    with course_style():
        figure, axes = _make_canvas(6.0, 3.4)
        angles = [math.pi / 2 - 2 * math.pi * number / len(steps) for number in range(len(steps))]
        places = [(2.6 * math.cos(angle), 1.3 * math.sin(angle)) for angle in angles]
        for place, step, after in zip(places, steps, [*places[1:], places[0]], strict=True):
            box: dict[str, Any] = {
                "boxstyle": "round,pad=0.5",
                "facecolor": "white",
                "edgecolor": BLUE,
                "linewidth": 1.6,
            }
            axes.text(*place, step, ha="center", va="center", bbox=box, linespacing=1.5, zorder=2)
            arrow: dict[str, Any] = {
                "arrowstyle": "-|>",
                "mutation_scale": 16,
                "shrinkA": 42,
                "shrinkB": 42,
                "color": GREY,
            }
            axes.add_patch(FancyArrowPatch(place, after, connectionstyle="arc3,rad=-0.25", zorder=1, **arrow))
        axes.set(xlim=(-4, 4), ylim=(-2.1, 2.1), aspect="equal")
        return figure


def _make_canvas(width: float, height: float) -> tuple[Figure, Axes]:
    """Return a figure of a size in inches, and its one area to draw on, without axes."""
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    return figure, axes


def _place_column(x: float, size: int) -> list[tuple[float, float]]:
    """Return the places of the circles of one layer, from top to bottom, with a gap where some are left out."""
    count = min(size, SHOWN)
    heights = [0.42 * ((count - 1) / 2 - number) for number in range(count)]
    if size > SHOWN:
        heights = [height + (0.28 if height > 0 else -0.28) for height in heights]
    return [(x, height) for height in heights]
