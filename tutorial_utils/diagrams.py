"""Diagrams that explain a structure: boxes, arrows and columns of numbers, in the style of the course."""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise, product
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.patches import Circle, FancyArrowPatch, Rectangle
from torch import Tensor

from tutorial_utils.style import BLUE, ORANGE, Figure, course_style

GREY = "#555555"
SHOWN = 6  # circles of a layer that are drawn, at most; dots stand for the others

# Of tensors, drawn as cells with numbers; inches, which are the units of all places there:
WIDE, HIGH = 0.44, 0.3  # a cell
TITLE, GAP = 0.48, 0.4  # the room above a table, and beside it
SHIFT_X, SHIFT_Y = 0.5, 0.36  # how far to the right and up the next table of a stack stands
INK = (BLUE, ORANGE, "#00785a", "#a04d7d")  # dark enough for words
TINTS = ("#d6e8f5", "#fbe0d0", "#d3eee5", "#f5e3ee")  # the same, light enough for black numbers
SIGNS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"+": torch.add, "-": torch.sub, "*": torch.mul}


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


def draw_tensors(tensors: Mapping[str, Tensor]) -> Figure:
    """Return a figure of tensors of 0 to 3 dimensions side by side, each under its name and shape.

    The tables of a tensor of three dimensions stand one behind the other, the first in front.

    Raises:
        ValueError: a tensor has more dimensions than that.
    """
    sizes = {name: _measure(name, tensor) for name, tensor in tensors.items()}
    bottom = TITLE + max(high for _, high in sizes.values())
    left = 0.1
    with course_style():
        figure, axes = _make_canvas(1, 1)
        for name, tensor in tensors.items():
            wide, high = sizes[name]
            room = max(wide, 0.085 * len(name), 0.085 * len(_shape(tensor)))
            _write(axes, (left + room / 2, 0.2), f"{name}\n{_shape(tensor)}", BLUE)
            lift = SHIFT_Y * (len(_tables(tensor)) - 1)
            _draw_stack(axes, tensor, left + (room - wide) / 2, (TITLE + bottom - high) / 2 + lift)
            left += room + GAP
        return _close(figure, axes, left - GAP + 0.1, bottom + 0.1)


def draw_joins(first: Tensor, second: Tensor) -> Figure:
    """Return a figure of what `cat` along dimension 0, `cat` along dimension 1 and `stack` make of two tables (R, C).

    What came from the first is blue, what came from the second orange.
    """
    parts, marks = [first, second], [torch.zeros_like(first), torch.ones_like(second)]
    rows, columns = first.shape
    right = 0.1 + WIDE * columns + GAP
    below = TITLE + HIGH * rows + TITLE + SHIFT_Y
    places = {"cat, dim=0": (0.1, TITLE), "cat, dim=1": (right, TITLE), "stack": (right, below)}
    joins: dict[str, Callable[[list[Tensor]], Tensor]] = {
        "cat, dim=0": lambda tables: torch.cat(tables, dim=0),
        "cat, dim=1": lambda tables: torch.cat(tables, dim=1),
        "stack": lambda tables: torch.stack(tables),
    }
    with course_style():
        figure, axes = _make_canvas(1, 1)
        for name, (left, top) in places.items():
            joined, origin = joins[name](parts), joins[name](marks)
            _draw_stack(axes, joined, left, top, origin)
            lift = SHIFT_Y if joined.ndim == 3 else 0
            _write(axes, (left, top - lift - 0.13), f"{name}   {_shape(joined)}", "black", ha="left")
        return _close(figure, axes, right + 2 * WIDE * columns + 0.1, below + HIGH * rows + 0.1)


def draw_memory(tensors: Mapping[str, Tensor]) -> Figure:
    """Return a figure of the memory that several tables share, in one row, and below it how each of them reads it.

    Every table stands under its name and its stride. The first one holds all numbers, line by line; each of its lines
    has a colour.

    Raises:
        ValueError: a table does not use the memory of the first.
    """
    base, *others = tensors.values()
    if any(other.untyped_storage().data_ptr() != base.untyped_storage().data_ptr() for other in others):
        raise ValueError("The tables do not share their memory: one of them is a copy.")
    count, columns = base.numel(), base.shape[1]
    left, top = 0.1, 0.75 + HIGH + 0.75
    with course_style():
        figure, axes = _make_canvas(1, 1)
        _write(axes, (0.1, 0.15), "in memory: one row of numbers", "black", ha="left")
        _draw_table(axes, base.reshape(1, -1), 0.1, 0.75, torch.arange(count).reshape(1, -1) // columns)
        for step in {1, columns}:
            _draw_step(axes, step)
        for name, table in tensors.items():
            places = torch.arange(count).as_strided(table.shape, table.stride())
            _draw_table(axes, table, left, top, places // columns)
            _write(axes, (left, top - 0.25), f"{name}\nstride {table.stride()}", "black", ha="left")
            left += max(WIDE * table.shape[1], 0.085 * len(name)) + GAP
        wide = max(left - GAP, 0.1 + WIDE * count)
        return _close(figure, axes, wide + 0.1, top + HIGH * max(map(len, tensors.values())) + 0.1)


def draw_broadcast(left: Tensor, right: Tensor, sign: str) -> Figure:
    """Return a figure of an operation on two tensors of up to three dimensions: what broadcasting repeats is dashed.

    Args:
        left: a tensor of 1 to 3 dimensions; of three, the tables stand below each other.
        right: another one, whose shape fits.
        sign: the operation: "+", "-" or "*".
    """
    result = SIGNS[sign](left, right)
    *_, rows, columns = torch.atleast_2d(result).shape
    step, top = WIDE * columns + GAP, TITLE + 0.05
    with course_style():
        figure, axes = _make_canvas(1, 1)
        for place, (tensor, before) in enumerate([(left, ""), (right, sign.replace("-", "−")), (result, "=")]):
            repeated = tensor.expand(result.shape)
            fits = [slice(0, size) for size in (1,) * (result.ndim - tensor.ndim) + tuple(tensor.shape)]
            real = torch.zeros(result.shape, dtype=torch.bool)
            real[tuple(fits)] = True
            x = 0.1 + step * place
            _write(axes, (x + WIDE * columns / 2, 0.25), _shape(tensor), INK[place])
            for number, (table, own) in enumerate(zip(_tables(repeated), _tables(real), strict=True)):
                y = top + (HIGH * rows + 0.25) * number
                _draw_table(axes, table, x, y, torch.full(table.shape, place), real=own)
                if before:
                    _write(axes, (x - GAP / 2, y + HIGH * rows / 2), before, "black", fontsize=14)
        tables = len(_tables(result))
        return _close(figure, axes, 3 * step - GAP + 0.2, top + (HIGH * rows + 0.25) * tables - 0.15)


def draw_means(table: Tensor, rows: Sequence[str], columns: Sequence[str]) -> Figure:
    """Return a figure of a table (R, C) with the names of its rows and columns, and its means along both dimensions."""
    high, wide = HIGH * len(rows), WIDE * 1.5 * len(columns)
    left, top, cell = 0.75, 0.45, WIDE * 1.5
    right, below = left + wide + 0.75, top + high + 0.6
    with course_style():
        figure, axes = _make_canvas(1, 1)
        for number, name in enumerate(columns):
            x = left + cell * (number + 0.5)
            _write(axes, (x, top - 0.15), name, "black")
            _draw_arrow(axes, (x, top + high + 0.03), (x, below - 0.03), ORANGE)
        for number, name in enumerate(rows):
            y = top + HIGH * (number + 0.5)
            _write(axes, (left - 0.08, y), name, "black", ha="right")
            _draw_arrow(axes, (left + wide + 0.03, y), (right - 0.03, y), INK[2])
        _draw_table(axes, table, left, top, torch.zeros(table.shape), cell=cell)
        _draw_table(axes, table.mean(dim=0, keepdim=True), left, below, torch.ones(1, len(columns)), cell=cell)
        _draw_table(axes, table.mean(dim=1, keepdim=True), right, top, torch.full((len(rows), 1), 2), cell=cell)
        _write(axes, (left + wide / 2, below + HIGH + 0.2), "mean(dim=0): the rows disappear", ORANGE)
        _write(axes, (right + cell + 0.1, top + high / 2), "mean(dim=1):\nthe columns\ndisappear", INK[2], ha="left")
        return _close(figure, axes, right + cell + 1.2, below + HIGH + 0.4)


def _close(figure: Figure, axes: Axes, right: float, bottom: float) -> Figure:
    """Return the figure, now as large as what was drawn in it: from (0, 0), top left, to (right, bottom)."""
    axes.set(xlim=(0, right), ylim=(bottom, 0))
    figure.set_size_inches(right, bottom)
    return figure


def _shape(tensor: Tensor) -> str:
    """Return the shape as Python writes a tuple."""
    return f"{tuple(tensor.shape)}"


def _tables(tensor: Tensor) -> list[Tensor]:
    """Return the tables of a tensor of up to three dimensions: its own, or one for each entry of the first."""
    return list(tensor) if tensor.ndim == 3 else [torch.atleast_2d(tensor)]


def _measure(name: str, tensor: Tensor) -> tuple[float, float]:
    """Return how wide and high a tensor is when it is drawn."""
    if tensor.ndim > 3:
        raise ValueError(f"{name} has {tensor.ndim} dimensions, and at most 3 can be drawn; take a part of it.")
    tables = _tables(tensor)
    rows, columns = tables[0].shape
    return WIDE * columns + SHIFT_X * (len(tables) - 1), HIGH * rows + SHIFT_Y * (len(tables) - 1)


def _draw_stack(axes: Axes, tensor: Tensor, left: float, top: float, tints: Tensor | None = None) -> None:
    """Draw a tensor of up to three dimensions; `top` is that of the first table, in front of the others."""
    tables = _tables(tensor)
    colours = _tables(torch.zeros(tensor.shape) if tints is None else tints)
    for number in reversed(range(len(tables))):  # from the back to the front
        _draw_table(axes, tables[number], left + SHIFT_X * number, top - SHIFT_Y * number, colours[number])


def _draw_table(
    axes: Axes,
    table: Tensor,
    left: float,
    top: float,
    tints: Tensor,
    *,
    real: Tensor | None = None,
    cell: float = WIDE,
) -> None:
    """Draw a table (R, C), each number in the tint whose number `tints` (R, C) holds, dashed where it is not `real`."""
    for row, column in product(*map(range, table.shape)):
        here = real is None or bool(real[row, column])
        tint, ink = (colours[int(tints[row, column])] for colours in (TINTS, INK))
        look: dict[str, Any] = (
            {"facecolor": tint, "edgecolor": "white"} if here else {"facecolor": "white", "edgecolor": ink}
        )
        line: dict[str, Any] = {"linewidth": 1.2} if here else {"linewidth": 0.8, "linestyle": (0, (2, 2))}
        corner = (left + cell * column, top + HIGH * row)
        axes.add_patch(Rectangle(corner, cell, HIGH, **look, **line))
        number = f"{table[row, column].item():g}".replace("-", "−")
        _write(axes, (corner[0] + cell / 2, corner[1] + HIGH / 2), number, "black" if here else GREY, fontsize=9)


def _draw_step(axes: Axes, step: int) -> None:
    """Draw over the row of memory how far the next entry of one dimension is away."""
    start, end = 0.1 + WIDE / 2, 0.1 + WIDE * (step + 0.5)
    bend: dict[str, Any] = {"connectionstyle": f"arc3,rad={-0.7 if step == 1 else -0.27}", "shrinkA": 0, "shrinkB": 0}
    axes.add_patch(FancyArrowPatch((start, 0.73), (end, 0.73), arrowstyle="-|>", mutation_scale=9, color=GREY, **bend))
    _write(axes, ((start + end) / 2, 0.48 if step == 1 else 0.36), f"{step}", GREY, fontsize=9)


def _draw_arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], colour: str) -> None:
    """Draw a straight arrow."""
    axes.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=11, color=colour, shrinkA=0, shrinkB=0))


def _write(
    axes: Axes, place: tuple[float, float], text: str, colour: str, *, ha: str = "center", fontsize: float = 10
) -> None:
    """Write a text whose middle, or whose left or right end, is at `place`."""
    look: dict[str, Any] = {"ha": ha, "va": "center", "color": colour, "fontsize": fontsize}
    axes.text(*place, text, **look, zorder=1)  # as the cells have it: what is drawn later is in front
