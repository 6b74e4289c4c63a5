"""Diagrams that explain a structure: boxes, arrows and columns of numbers, in the style of the course."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise, product
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.patches import Circle, FancyArrowPatch, Rectangle
from PIL import Image
from torch import Tensor, nn

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


def draw_modules(model: nn.Module) -> Figure:
    """Return the tree of the modules in `model`: dotted names, and beside them the kinds and the parameters' shapes."""
    rows = list(model.named_modules())
    lines = [(name, type(module).__name__) for name, module in rows]
    for name, module in rows[::-1]:
        here = [row for row, _ in lines].index(name)
        own = [(f"{name}.{key}".lstrip("."), f"{tuple(p.shape)}") for key, p in module.named_parameters(recurse=False)]
        lines[here + 1 : here + 1] = own
    learned = {name for name, _ in model.named_parameters()}
    with course_style():
        figure, axes = _make_canvas(6.0, 0.4 * len(lines))
        depths = {name: name.count(".") + bool(name) for name, _ in lines}
        for row, (name, kind) in enumerate(lines):
            x, colour = 0.6 * depths[name], ORANGE if name in learned else BLUE
            if name:
                parent = name.rpartition(".")[0]
                above = next(place for place, (other, _) in enumerate(lines) if other == parent)
                axes.plot([x - 0.4, x - 0.4, x - 0.1], [-above - 0.3, -row, -row], color=GREY, linewidth=1)
            axes.text(x, -row, name or "model", va="center", color=colour, family="monospace", weight="bold")
            axes.text(4.2, -row, kind, va="center", color=colour)
        axes.set(xlim=(-0.2, 6), ylim=(-len(lines) + 0.4, 0.6))
        return figure


def draw_window(picture: Tensor, kernel: Tensor, results: Sequence[float]) -> Figure:
    """Return a picture (H, W) once for each place of a window of the size of `kernel` (H, k), with its result below.

    Args:
        picture: numbers from 0, dark, to 1, bright.
        kernel: the number by which each pixel in the window is multiplied.
        results: W - k + 1 numbers, from left to right.
    """
    height, width = picture.shape
    reach = kernel.shape[1]
    with course_style():
        figure, axes = _make_canvas(8.0, 2.2)
        for place, result in enumerate(results):
            left = place * (width + 1)
            for row in range(height):
                for column in range(width):
                    pixel = float(picture[row, column])
                    shade = Rectangle((left + column, -row), 1, 1, facecolor=f"{0.3 + 0.6 * pixel}", edgecolor="white")
                    axes.add_patch(shade)
                    inside = place <= column < place + reach
                    words = f"{pixel:g} × {float(kernel[row, column - place]):g}" if inside else f"{pixel:g}"
                    colour = "black" if pixel > 0.5 else "white"
                    middle = (left + column + 0.5, 0.5 - row)
                    axes.text(*middle, words.replace("-", "−"), ha="center", va="center", fontsize=7, color=colour)
            window = Rectangle((left + place, 1 - height), reach, height, fill=False, edgecolor=ORANGE, linewidth=3)
            axes.add_patch(window)
            below = (left + place + reach / 2, 0.8 - height)
            axes.text(*below, f"sum {float(result):g}", ha="center", va="top", color=ORANGE, weight="bold")
        axes.set(xlim=(-0.2, len(results) * (width + 1) - 0.8), ylim=(-height, 1.2), aspect="equal")
        return figure


def draw_volumes(sizes: Sequence[tuple[int, int]], steps: Sequence[str]) -> Figure:
    """Return a diagram of pictures on their way through layers: a stack of squares for each size.

    Args:
        sizes: channels and side, in pixels, before the first step and after each.
        steps: the names of the steps, one fewer than sizes; each stands over its arrow.
    """
    with course_style():
        figure, axes = _make_canvas(8.0, 2.6)
        left = 0.0
        for number, (channels, side) in enumerate(sizes):
            edge, sheets = side / 14, min(channels, 2 + channels // 8)
            for sheet in reversed(range(sheets)):
                shift = 0.1 * sheet
                place = (left + shift, -edge / 2 + shift)
                axes.add_patch(Rectangle(place, edge, edge, facecolor="white", edgecolor=BLUE, linewidth=1.2))
            axes.text(left + edge / 2, -1.25, f"{channels} × {side} × {side}", ha="center", va="top")
            right = left + edge + 0.1 * sheets
            if number < len(steps):
                axes.add_patch(
                    FancyArrowPatch((right, 0), (right + 0.9, 0), arrowstyle="-|>", mutation_scale=14, color=GREY)
                )
                axes.text(right + 0.45, 0.12, steps[number], ha="center", va="bottom", fontsize=9)
            left = right + 1.0
        axes.set(xlim=(-0.5, right + 0.6), ylim=(-1.7, 1.7), aspect="equal")
        return figure


def draw_blocks(names: Sequence[str], ways_around: Sequence[tuple[int, int]] = ()) -> Figure:
    """Return a row of boxes, joined by arrows, and further arrows that lead around: (from, to), as positions."""
    with course_style():
        figure, axes = _make_canvas(1.1 * len(names), 1.6)
        for position, name in enumerate(names):
            box = {"boxstyle": "round,pad=0.4", "facecolor": "white", "edgecolor": BLUE, "linewidth": 1.6}
            colour = ORANGE if name == "+" else BLUE
            axes.text(
                position, 0, name, ha="center", va="center", fontsize=10, bbox=box | {"edgecolor": colour}, zorder=2
            )
        arrow: dict[str, Any] = {"arrowstyle": "-|>", "mutation_scale": 14, "zorder": 1}
        for position in range(len(names) - 1):
            axes.add_patch(
                FancyArrowPatch(
                    (position, 0),
                    (position + 1, 0),
                    shrinkA=20,
                    shrinkB=14 if names[position + 1] == "+" else 30,
                    color=GREY,
                    **arrow,
                )
            )
        for start, end in ways_around:
            bend = f"arc3,rad={-0.9 / (end - start):.2f}"
            axes.add_patch(
                FancyArrowPatch(
                    (start, 0.15),
                    (end, 0.15),
                    connectionstyle=bend,
                    shrinkA=10,
                    shrinkB=10,
                    color=ORANGE,
                    linewidth=1.8,
                    **arrow,
                )
            )
        axes.set(xlim=(-0.6, len(names) - 0.4), ylim=(-0.5, 0.8))
        return figure


def draw_storages(tensors: Mapping[str, Tensor]) -> Figure:
    """Return a figure of tensors and the memory behind them: a box for each storage, an arrow to it from each name.

    A box says what the first number in the storage is, and how many bytes it has. Names that share memory meet in one
    box.

    Args:
        tensors: the tensors by their names, drawn from top to bottom; those with the same memory next to each other.
    """
    rows: dict[int, list[int]] = {}
    for row, tensor in enumerate(tensors.values()):
        rows.setdefault(tensor.untyped_storage().data_ptr(), []).append(row)
    with course_style():
        figure, axes = _make_canvas(7.0, 0.35 + 0.65 * len(tensors))
        for row, (name, tensor) in enumerate(tensors.items()):
            own = rows[tensor.untyped_storage().data_ptr()]
            middle = sum(own) / len(own)
            colour = ORANGE if len(own) > 1 else BLUE
            axes.text(2.9, row, name, ha="right", va="center", family="monospace")
            style: dict[str, Any] = {"arrowstyle": "-|>", "mutation_scale": 16, "color": GREY}
            axes.add_patch(FancyArrowPatch((3.0, row), (4.2, middle), shrinkA=0, shrinkB=0, **style))
            box: dict[str, Any] = {"boxstyle": "round,pad=0.5", "facecolor": "white", "edgecolor": colour}
            numbers = tensor.new_empty(0).set_(tensor.untyped_storage())
            label = f"{numbers[0].item():g}{', …' * (len(numbers) > 1)}  ({numbers.nbytes:,} bytes)"
            if row == own[0]:
                axes.text(4.35, middle, label, va="center", bbox=box | {"linewidth": 1.8})
        axes.set(xlim=(0, 7), ylim=(len(tensors) - 0.4, -0.6))
        return figure


def draw_moments(files: Mapping[str, Sequence[int | None]], moments: Sequence[str]) -> Figure:
    """Return a figure of files over time: a row for each name, a column for each moment, a box with the size.

    Args:
        files: for each name the size of its file at each moment, in bytes; None where there is no such file. A
            size that the first file never has is that of a part, and its box is dashed.
        moments: what happens, from left to right; each has one line or two.
    """
    whole_sizes = next(iter(files.values()))
    with course_style():
        figure, axes = _make_canvas(7.0, 0.9 + 0.8 * len(files))
        for column, moment in enumerate(moments):
            axes.text(column, -0.6, moment, ha="center", va="baseline", linespacing=1.4)
        for row, (name, sizes) in enumerate(files.items()):
            axes.text(-0.6, row, name, ha="right", va="center", family="monospace")
            axes.plot((-0.5, len(moments) - 0.5), (row, row), color="#bbbbbb", linewidth=1, zorder=0)
            for column, size in enumerate(sizes):
                whole = size in whole_sizes
                box: dict[str, Any] = {"boxstyle": "round,pad=0.4", "linewidth": 1.8, "facecolor": "white"}
                if size is not None:
                    edge: dict[str, Any] = {"edgecolor": BLUE if whole else ORANGE, "linestyle": "-" if whole else "--"}
                    axes.text(column, row, f"{size:,}", ha="center", va="center", bbox=box | edge)
        axes.set(xlim=(-2.5, len(moments) - 0.4), ylim=(len(files) - 0.4, -1.1))
        return figure


def draw_checkpoint(checkpoint: Mapping[str, object]) -> Figure:
    """Return a figure of what a checkpoint holds: a box for each entry, its content in words, and a bar for its bytes.

    Of an entry with tensors, in dictionaries and lists too, it says how many there are and how many bytes they have.
    """
    tensors = {name: list(_find_tensors(entry)) for name, entry in checkpoint.items()}
    sizes = {name: sum(tensor.nbytes for tensor in found) for name, found in tensors.items()}
    largest = max(1, *sizes.values())
    with course_style():
        figure, axes = _make_canvas(7.0, 0.3 + 0.45 * len(checkpoint))
        for row, (name, entry) in enumerate(checkpoint.items()):
            count = len(tensors[name])
            words = f"{count} tensor{'s' * (count > 1)}, {sizes[name]:,} bytes" if count else _shorten(entry)
            axes.add_patch(Rectangle((0.1, row - 0.42), 1.7, 0.84, facecolor="white", edgecolor=BLUE, linewidth=1.6))
            axes.text(0.2, row, name, va="center", family="monospace")
            axes.text(1.95, row, words, va="center")
            axes.add_patch(Rectangle((4.9, row - 0.3), 1.9 * sizes[name] / largest, 0.6, facecolor=ORANGE))
        axes.set(xlim=(0, 7), ylim=(len(checkpoint) - 0.3, -0.7))
        return figure


def _find_tensors(entry: object) -> Iterator[Tensor]:
    """Yield the tensors in an entry, which may be one, or a dictionary, list or tuple."""
    if isinstance(entry, Tensor):
        yield entry
    elif isinstance(entry, Mapping | list | tuple):
        for part in entry.values() if isinstance(entry, Mapping) else entry:
            yield from _find_tensors(part)


def _shorten(entry: object) -> str:
    """Return an entry without tensors in a few words."""
    return f"{len(entry)} plain value{'s' * (len(entry) != 1)}" if isinstance(entry, Mapping) else repr(entry)


def draw_batch(features: Tensor, labels: Tensor, chosen: Sequence[int]) -> Figure:
    """Return a figure of how a batch is made: from a data set, samples are chosen, fetched and put together.

    Args:
        features: the data set's features (N, D), N >= 1.
        labels: its labels (N,).
        chosen: the indices of the batch.
    """
    table = torch.cat([features, labels.unsqueeze(1)], dim=1)  # (N, D + 1)
    tints = torch.tensor([0] * features.shape[1] + [2]).expand(table.shape)
    wide, gap, top, left = WIDE * table.shape[1], 0.65, 0.45, 0.4
    middle, high = (top + HIGH * (len(table) - count) / 2 for count in (0, len(chosen)))
    picked, fetched, batch = left + wide + gap, left + wide + 2 * gap + WIDE, left + 2 * wide + 3 * gap + WIDE
    right = batch + wide + 0.15
    with course_style():
        figure, axes = _make_canvas(1, 1)
        _number_rows(axes, (left - 0.1, top), len(table), chosen)
        _draw_table(axes, table, left, top, tints)
        for number, index in enumerate(chosen):
            y = middle + (HIGH + 0.14) * (number - len(chosen) / 2) + 0.07
            _draw_table(axes, torch.tensor([[index]]), picked, y, torch.ones(1, 1))
            _draw_table(axes, table[[index]], fetched, y, tints[[index]])
        _draw_table(axes, table[chosen, :-1], batch, high, tints[chosen])
        _draw_table(axes, table[chosen, -1:], right - WIDE, high, tints[chosen, -1:])
        _write(
            axes,
            ((batch + right) / 2, high - 0.2),
            f"batch {_shape(features[chosen])}, {_shape(labels[chosen])}",
            "black",
        )
        centres = (left + wide / 2, picked + WIDE / 2, fetched + wide / 2)
        for title, x in zip(("data set", "indices", "samples"), centres, strict=True):
            _write(axes, (x, 0.2), title, "black")
        for step, end in {"choose": picked, "fetch": fetched, "collate": batch}.items():
            _draw_step_to(axes, (end, middle), step, gap)
        return _close(figure, axes, right + 0.25, top + HIGH * len(table) + 0.1)


def _number_rows(axes: Axes, place: tuple[float, float], count: int, chosen: Sequence[int]) -> None:
    """Write the indices of a table's rows beside them, the chosen ones in another colour."""
    for index in range(count):
        colour = ORANGE if index in chosen else GREY
        _write(axes, (place[0], place[1] + HIGH * (index + 0.5)), f"{index}", colour, ha="right", fontsize=9)


def _draw_step_to(axes: Axes, end: tuple[float, float], name: str, gap: float) -> None:
    """Draw an arrow with a name above it through the gap before a place."""
    x, y = end
    _draw_arrow(axes, (x - gap + 0.08, y), (x - 0.08, y), GREY)
    _write(axes, (x - gap / 2, y - 0.17), name, "black")


def draw_parts(parts: Mapping[str, int]) -> Figure:
    """Return a figure of one bar, cut into parts: each as long as its number of samples, which it shows."""
    total, left, wide = sum(parts.values()), 0.1, 6.6
    with course_style():
        figure, axes = _make_canvas(1, 1)
        for number, (name, count) in enumerate(parts.items()):
            length = wide * count / total
            look: dict[str, Any] = {"facecolor": TINTS[number], "edgecolor": "white", "linewidth": 2}
            axes.add_patch(Rectangle((left, 0.1), length, 0.7, **look))
            _write(axes, (left + length / 2, 0.45), f"{name}\n{count:,}", INK[number])
            left += length
        return _close(figure, axes, wide + 0.2, 0.9)


def draw_timeline(runs: Mapping[str, Sequence[float]]) -> Figure:
    """Return a figure of how long a loop waits for batches and how long it trains, on one line of time for each run.

    Args:
        runs: for each run the moments, in seconds, at which something else begins: waiting from the first to the
            second, training from there to the third, waiting again, and so on.
    """
    with course_style():
        figure = Figure(figsize=(7.0, 0.55 * len(runs) + 1.1), layout="constrained")
        axes = figure.subplots()
        for row, moments in enumerate(runs.values()):
            spans = [(start - moments[0], end - start) for start, end in pairwise(moments)]
            for kind, colour, where in [("waiting for a batch", ORANGE, 0), ("training", BLUE, 1)]:
                label = kind if row == 0 else None
                look: dict[str, Any] = {"facecolors": colour, "edgecolor": "white", "label": label}
                axes.broken_barh(spans[where::2], (row - 0.35, 0.7), **look)
        axes.set_yticks(range(len(runs)), list(runs))
        axes.set(xlabel="seconds", ylim=(len(runs) - 0.5, -0.5))
        axes.grid(visible=False, axis="y")
        figure.legend(loc="outside upper center", ncols=2, frameon=False)
        return figure


def draw_planes(pixels: "np.ndarray[Any, Any]") -> Figure:
    """Return a diagram of a small picture in colour, (H, W, 3) bytes, and of its three planes, (3, H, W).

    Each pixel is a square of its colour, with its three numbers; each plane has one number of every pixel.
    """
    high, wide, _ = pixels.shape
    gap = 0.9
    with course_style():
        figure, axes = _make_canvas(7.2, 0.5 * high + 1.1)
        for (row, column), pixel in zip(np.ndindex(high, wide), pixels.reshape(-1, 3), strict=True):
            text = "\n".join(f"{number}" for number in pixel)
            _draw_cell(axes, column, high - 1 - row, text, tuple(pixel / 255))
        for plane, name in enumerate(("red", "green", "blue")):
            left = (plane + 1) * (wide + gap) + 1.1
            for row, column in np.ndindex(high, wide):
                number = pixels[row, column, plane]
                shade = [0.0, 0.0, 0.0]
                shade[plane] = number / 255
                _draw_cell(axes, left + column, high - 1 - row, f"{number}", tuple(shade))
            axes.text(left + wide / 2, -0.2, f"[{plane}] {name}", ha="center", va="top")
        axes.text(wide / 2, high + 0.2, f"picture {pixels.shape}", ha="center", va="bottom")
        middle = 2 * (wide + gap) + 1.1 + wide / 2
        axes.text(middle, high + 0.2, f"tensor (3, {high}, {wide})", ha="center", va="bottom")
        _draw_arrow(axes, (wide + 0.3, high / 2), (wide + gap + 0.8, high / 2), GREY)
        axes.set(xlim=(-0.3, 4 * wide + 3 * gap + 1.5), ylim=(-0.9, high + 0.9), aspect="equal")
        return figure


def draw_pipeline(stages: Mapping[str, "Image.Image | Tensor"]) -> Figure:
    """Return a diagram of what each step of a pipeline makes: the picture to scale, its size or shape, dtype and range.

    Args:
        stages: the name of each step and its result, a PIL image or a tensor (C, H, W), in their order.
    """
    with course_style():
        figure, axes = _make_canvas(1.2 * len(stages), 2.4)
        images = [_read_stage(stage) for stage in stages.values()]
        unit = 1 / max(max(image.shape[:2]) for image in images)
        for x, (name, stage, image) in enumerate(zip(stages, stages.values(), images, strict=True)):
            high, wide = image.shape[0] * unit, image.shape[1] * unit
            low, top = image.min(), image.max()
            shown = (image - low) / max(top - low, 1e-9)
            place = (1.3 * x - wide / 2, 1.3 * x + wide / 2, -high / 2, high / 2)
            axes.imshow(shown, extent=place, cmap="gray", vmin=0, vmax=1)
            axes.text(1.3 * x, 0.75, name, ha="center", weight="bold", fontsize=9)
            kind, size = ("tensor", f"{tuple(stage.shape)}") if isinstance(stage, Tensor) else ("PIL image", stage.size)
            dtype = f"{stage.dtype}".removeprefix("torch.") if isinstance(stage, Tensor) else f"{image.dtype}"
            extent = f"{low} to {top}" if "int" in dtype else f"{low:.2f} to {top:.2f}".replace("-", "−")
            lines = f"{kind}\n{size}\n{dtype}\n{extent}"
            axes.text(1.3 * x, -0.65, lines, ha="center", va="top", fontsize=9, linespacing=1.4)
            if x:
                _draw_arrow(axes, (1.3 * x - 0.8, 0.62), (1.3 * x - 0.5, 0.62), GREY)
        axes.set(xlim=(-0.65, 1.3 * len(stages) - 0.65), ylim=(-1.6, 1.0), aspect="equal")
        return figure


def _read_stage(stage: "Image.Image | Tensor") -> "np.ndarray[Any, Any]":
    """Return the pixels of a PIL image or of a tensor (C, H, W) as an array (H, W, C)."""
    if isinstance(stage, Tensor):
        return stage.detach().movedim(0, -1).numpy(force=True)
    pixels = np.asarray(stage)
    return pixels if pixels.ndim == 3 else pixels[..., np.newaxis]


def _draw_cell(axes: Axes, x: float, y: float, text: str, colour: tuple[float, ...]) -> None:
    """Draw a square of side 1, whose lower left corner is at (x, y), with a text that stands out from its colour."""
    ink = "black" if np.dot(colour, (0.299, 0.587, 0.114)) > 0.5 else "white"
    axes.add_patch(Rectangle((x, y), 1, 1, facecolor=colour, edgecolor="white", linewidth=1.5))
    axes.text(x + 0.5, y + 0.5, text, ha="center", va="center", color=ink, fontsize=8)
