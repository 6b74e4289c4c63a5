"""The figures of the course, in one style. Each function returns a new figure and changes nothing else."""

import re
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import networkx as nx
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch
from matplotlib.path import Path
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, NullLocator, PercentFormatter
from torch import Tensor
from torch.autograd.graph import Node
from torch.utils.hooks import RemovableHandle

from tutorial_utils.style import BLUE, ORANGE, STYLE, Figure, course_style

NO_ACCURACY = "none: the labels are numbers,\nwhich can be close, not right or wrong"

Edge = tuple[Node, Node, int]  # from, to, and the number among the edges between these two
Stop = Node | tuple[Node, Node, int, int]  # a node, or where an edge passes a row
Place = tuple[float, float]  # x and y, in inches


def show_images(
    images: Tensor,
    titles: Sequence[object] | None = None,
    columns: int | None = None,
    rows: Iterable[object] | None = None,
    side: float | None = None,
) -> Figure:
    """Return a figure of images, N >= 1, each under its title, in rows of `columns`; `rows` names these rows.

    An image is `side` inches wide, if that is given.

    Grey images are (N, H, W) or (N, 1, H, W), colour images (N, 3, H, W). 0 is drawn black, 1.0 white (255 for
    integers); where an image has brighter pixels, the brightest of all is white.

    Raises:
        ValueError: the images have another shape, or there is none.
    """
    pixels = _read_pixels(images)  # (N, H, W) or (N, H, W, 3)
    white = np.max(pixels, where=np.isfinite(pixels), initial=1 if pixels.dtype.kind == "f" else 255)
    pixels = (pixels / white).clip(0, 1) if pixels.ndim == 4 else pixels  # colours need it done
    titles = [f"{title}" for title in ([] if titles is None else titles)]
    columns = columns or min(len(pixels), 8)
    count = -(-len(pixels) // columns)
    titled = min(-(-len(titles) // columns), count)  # rows that have a title
    side = side or max(1.25, 2.5 / columns)  # inches
    with course_style():
        figure = Figure(figsize=(side * columns, side * count + 0.3 * titled), layout="constrained")
        grid = figure.subplots(count, columns, squeeze=False)
        for axes in grid.flat:
            axes.set_axis_off()
        for axes, image in zip(grid.flat, pixels, strict=False):
            axes.imshow(image, cmap="gray", vmin=0, vmax=white)
            axes.set_axis_on()
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set(visible=True, color="0.7", linewidth=0.8)  # where a white pixel ends on white paper
        for axes, title in zip(grid.flat, titles, strict=False):
            axes.set_title(title, fontsize=9)
        for axes, row in zip(grid[:, 0], [] if rows is None else rows, strict=False):
            axes.set_ylabel(f"{row}", rotation=0, ha="right", va="center", labelpad=8)
    return figure


def _read_pixels(images: Tensor) -> "np.ndarray[Any, Any]":
    """Return grey images as an array (N, H, W), and images in colour as (N, H, W, 3)."""
    if images.ndim == 4 and images.shape[1] in (1, 3):
        images = images.squeeze(1) if images.shape[1] == 1 else images.movedim(1, -1)
    if images.ndim != 3 and images.shape[3:] != (3,):
        raise ValueError(
            f"The images have the shape {tuple(images.shape)}, expected (N, H, W) or (N, 1, H, W) for grey ones, or "
            "(N, 3, H, W) for colour. Of a single image, `image.unsqueeze(0)` makes one of N = 1."
        )
    if not len(images):
        raise ValueError("There is no image to show: N is 0.")
    return (images.float() if images.dtype in (torch.bfloat16, torch.bool) else images).numpy(force=True)


def plot_history(history: Mapping[str, Sequence[float]]) -> Figure:
    """Return a figure of a training history, one value per epoch: losses on the left, accuracies (0 to 1) on the right.

    Names that end in "loss" are drawn on the left, names that end in "accuracy" on the right. Where every accuracy is
    nan, a line on the right says why.

    Raises:
        ValueError: no name ends in either.
    """
    kinds = [kind for kind in ("loss", "accuracy") if any(name.endswith(kind) for name in history)]
    if not kinds:
        raise ValueError(
            f'None of the names {list(history)} ends in "loss" or "accuracy", so there is no curve to draw.'
        )
    with course_style():
        figure = Figure(figsize=(4.5 * len(kinds), 3.2), layout="constrained")
        for axes, kind in zip(figure.subplots(1, len(kinds), squeeze=False).flat, kinds, strict=True):
            for name, values in history.items():
                if name.endswith(kind):
                    numbers = _read_numbers(values)
                    axes.plot(range(1, len(numbers) + 1), numbers, marker="o", label=name.replace("_", " "))
            axes.set(xlabel="epoch", ylabel="mean loss per example" if kind == "loss" else kind)
            axes.xaxis.get_major_locator().set_params(integer=True)
            if kind == "accuracy":
                _label_percent(axes, "y")
            accuracies = [value for line in axes.lines for value in line.get_ydata() if kind == "accuracy"]
            if accuracies and np.isnan(accuracies).all():
                axes.text(0.5, 0.5, NO_ACCURACY, ha="center", va="center", transform=axes.transAxes, color="0.3")
            axes.legend(frameon=False)
    return figure


def plot_steps(paths: Mapping[str, Sequence[float] | Tensor], ylabel: str, target: float | None = None) -> Figure:
    """Return a figure of numbers over the steps of training: a line for each path, which begins at step 0.

    `target` is a dashed line, where the paths should lead.
    """
    with course_style():
        figure = Figure(figsize=(7.0, 3.2), layout="constrained")
        axes = figure.subplots()
        if target is not None:
            axes.axhline(target, color="black", linestyle="--", linewidth=1)
        for number, (name, path) in enumerate(paths.items()):
            numbers = _read_numbers(path)
            marker: dict[str, Any] = {"marker": "osD^vP"[number % 6], "markersize": 4} if len(numbers) <= 50 else {}
            axes.plot(numbers, label=name, linestyle=["-", "--", "-.", ":"][number % 4], **marker)
        axes.set(xlabel="step", ylabel=ylabel)
        figure.legend(loc="outside right center", frameon=False)
    return figure


def plot_descent(
    loss: Callable[[Tensor], Tensor], paths: Mapping[str, Sequence[float] | Tensor], xlabel: str
) -> Figure:
    """Return a figure with a panel for each path of one weight: its steps on the curve of the loss.

    Args:
        loss: gives the losses (N,) of the weights (N,).
        paths: the weight before the first step, after it, and so on, by the title of the panel.
        xlabel: what the weight is called.
    """
    ends = torch.tensor([number for path in paths.values() for number in _read_numbers(path)])
    weights = torch.linspace(float(ends.min()) - 1, float(ends.max()) + 1, 200)
    with course_style():
        figure = Figure(figsize=(2.5 * len(paths), 3.0), layout="constrained")
        panels = figure.subplots(1, len(paths), sharex=True, sharey=True, squeeze=False)[0]
        for axes, (title, path) in zip(panels, paths.items(), strict=True):
            steps = torch.tensor(_read_numbers(path))
            axes.plot(weights, loss(weights), color="#999999")
            axes.plot(steps, loss(steps), color=BLUE, linewidth=1, marker="o", markersize=4)
            axes.plot(steps[:1], loss(steps[:1]), color=ORANGE, marker="o", linestyle="none")
            axes.set(title=title, xlabel=xlabel)
        panels[0].set_ylabel("loss")
    return figure


def plot_contours(
    loss: Callable[[Tensor, Tensor], Tensor], paths: Mapping[str, Tensor], names: tuple[str, str] = ("x", "y")
) -> Figure:
    """Return a figure with a panel for each path (steps, 2) of two weights, on the lines of equal loss.

    Args:
        loss: gives the losses of two tensors of weights, of any one shape.
        paths: both weights before the first step, after it, and so on, by the title of the panel.
        names: what the two weights are called.
    """
    ends = torch.cat(list(paths.values())).detach()  # (all steps, 2)
    low, high = ends.amin(dim=0) - 0.5, ends.amax(dim=0) + 0.5  # (2,), (2,)
    sides = [torch.linspace(float(low[i]), float(high[i]), 120) for i in range(2)]
    x, y = torch.meshgrid(*sides, indexing="xy")
    with course_style({"axes.grid": False}):
        figure = Figure(figsize=(2.9 * len(paths), 3.0), layout="constrained")
        panels = figure.subplots(1, len(paths), sharex=True, sharey=True, squeeze=False)[0]
        for axes, (title, path) in zip(panels, paths.items(), strict=True):
            heights = loss(x, y).sqrt()  # evenly spaced lines for a bowl
            axes.contour(x, y, heights, levels=12, colors="#bbbbbb", linewidths=0.8)
            axes.plot(*path.detach().T, color=BLUE, linewidth=1.2, marker="o", markersize=3)
            axes.plot(*path.detach()[0], color=ORANGE, marker="o", linestyle="none")
            axes.set(title=title, xlabel=names[0])
        panels[0].set_ylabel(names[1])
    return figure


def plot_sweep(losses: Mapping[str, Mapping[float, Sequence[float]]], ylabel: str, baseline: float) -> Figure:
    """Return a figure of losses over learning rates: for each name a line of means, and a dash for each seed.

    The axis of the rates is logarithmic; `baseline` is a dashed line. Losses that are not finite are left out.
    """
    with course_style():
        figure = Figure(figsize=(7.0, 3.6), layout="constrained")
        axes = figure.subplots()
        axes.axhline(baseline, color="black", linestyle="--", linewidth=1)
        for number, (name, by_rate) in enumerate(losses.items()):
            means = [float(np.mean(values)) for values in by_rate.values()]
            (line,) = axes.plot(list(by_rate), means, marker="osD^vP"[number % 6], label=name)
            for rate, values in by_rate.items():
                axes.plot([rate] * len(values), values, "_", markersize=9, color=line.get_color())
        axes.set(xscale="log", xlabel="learning rate", ylabel=ylabel)
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.legend(frameon=False)
    return figure


def plot_grid(
    panels: Mapping[str, Sequence[float] | Tensor],
    xlabel: str,
    ylabel: str,
    *,
    baseline: float | None = None,
    bars: bool = False,
    top: float | None = None,
) -> Figure:
    """Return a figure of small panels with shared axes, four in a row: a line, or bars, for each list of numbers.

    `baseline` is a dashed line in each panel. What is above `top` leaves a panel; numbers that are not finite are left
    out.
    """
    rows = -(-len(panels) // 4)
    with course_style({"font.size": 9}):
        figure = Figure(figsize=(7.0, 1.3 * rows + 0.5), layout="constrained")
        grid = figure.subplots(rows, 4, sharex=True, sharey=True, squeeze=False)
        for axes in grid.flat[len(panels) :]:
            axes.set_axis_off()
        for axes, (title, values) in zip(grid.flat, panels.items(), strict=False):
            numbers = _read_numbers(values)
            if baseline is not None:
                axes.axhline(baseline, color="black", linestyle="--", linewidth=1)
            if bars:
                axes.bar(range(len(numbers)), numbers, color=BLUE)
            else:
                axes.plot(numbers, color=BLUE)
            axes.set_title(title, fontsize=9)
        if top is not None:
            grid.flat[0].set_ylim(0, top)  # and that of all others
        figure.supxlabel(xlabel, fontsize=10)
        figure.supylabel(ylabel, fontsize=10)
    return figure


def plot_bars(
    values: Sequence[float] | Tensor,
    names: Sequence[str],
    xlabel: str,
    highlight: int | None = None,
    average: float | None = None,
) -> Figure:
    """Return a figure with a bar for each of the `values`, shares from 0 to 1, one highlighted, the average dashed.

    Raises:
        ValueError: there is not one name for each value, there is no value, or a value is no share.
    """
    values = _read_shares(values, names)
    colours = [ORANGE if i == highlight else BLUE for i in range(len(values))]
    with course_style():
        figure = Figure(figsize=(6, 0.34 * len(values) + 0.8), layout="constrained")
        axes = figure.subplots()
        bars = axes.barh(range(len(values)), values, color=colours)
        axes.set_yticks(range(len(values)), [f"{name}" for name in names])
        labels = axes.bar_label(bars, [f"{value:.1%}" for value in values], padding=3, fontsize=9)
        for label, name, colour in zip(labels, axes.get_yticklabels(), colours, strict=True):
            label.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 0.8})  # over the dashed line
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


def plot_stacks(panels: Mapping[str, Mapping[str, Sequence[float]]], parts: Sequence[str]) -> Figure:
    """Return a figure with a panel for each quantity: a bar for each name, its parts one after the other.

    Args:
        panels: the label of each axis, with its unit, and its bars: the parts of each, all at least 0.
        parts: what the parts are, in their order; the same in all panels.
    """
    colours = STYLE["axes.prop_cycle"].by_key()["color"]
    bars = max(map(len, panels.values()))
    with course_style():
        figure = Figure(figsize=(7.5, 0.42 * bars + 1.3), layout="constrained")
        areas = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for axes, (label, values) in zip(areas, panels.items(), strict=True):
            lefts = [0.0] * len(values)
            for part, colour, sizes in zip(parts, colours, zip(*values.values(), strict=True), strict=False):
                axes.barh(range(len(values)), sizes, left=lefts, color=colour, label=part)
                lefts = [left + size for left, size in zip(lefts, sizes, strict=True)]
            axes.set(xlabel=label, yticks=range(len(values)), yticklabels=list(values), ylim=(len(values) - 0.4, -0.6))
            axes.grid(visible=False, axis="y")
        figure.legend(*areas[0].get_legend_handles_labels(), loc="outside upper center", ncols=len(parts))
    return figure


def plot_change(
    before: Sequence[float] | Tensor, after: Sequence[float] | Tensor, names: Sequence[str], xlabel: str
) -> Figure:
    """Return a figure with two bars for each name, its share before and after a change; shares are from 0 to 1.

    Raises:
        ValueError: there is not one name for each value, there is no value, or a value is no share.
    """
    with course_style():
        figure = Figure(figsize=(6, 0.7 * len(names) + 1.1), layout="constrained")
        axes = figure.subplots()
        for label, values, shift in [("before", before, -0.19), ("after", after, 0.19)]:
            shares = _read_shares(values, names)
            bars = axes.barh([place + shift for place in range(len(names))], shares, height=0.36, label=label)
            axes.bar_label(bars, [f"{share:.1%}" for share in shares], padding=3, fontsize=9)
        axes.set_yticks(range(len(names)), list(names))
        axes.set(xlabel=xlabel, xlim=(0, 1.12), ylim=(len(names) - 0.4, -0.6))  # the first name on top
        axes.grid(visible=False, axis="y")
        axes.set_xticks(np.linspace(0, 1, 6))
        _label_percent(axes, "x")
        figure.legend(loc="outside upper center", ncols=2, frameon=False)
    return figure


def _read_numbers(values: Sequence[float] | Tensor) -> list[float]:
    """Return the values as numbers, also if some are tensors of one number that still have a gradient."""
    return [float(value.detach() if isinstance(value, Tensor) else value) for value in values]


def _read_shares(values: Sequence[float] | Tensor, names: Sequence[str]) -> list[float]:
    """Return the values as numbers, each a share from 0 to 1 with a name."""
    if not len(values) or len(values) != len(names):
        raise ValueError(f"There are {len(values)} values and {len(names)} names, expected one name for each value.")
    shares = _read_numbers(values)
    if wrong := [share for share in shares if not -1e-3 < share < 1 + 1e-3 and not np.isnan(share)]:
        raise ValueError(f"{wrong[0]:g} is no share from 0 to 1: divide counts by their sum, and per cent by 100.")
    return shares


def plot_confusion(matrix: Tensor, classes: Sequence[str]) -> Figure:
    """Return a figure of a confusion matrix of counts (K, K): row, the actual class; column, the predicted one.

    The colour of a mistake is its share of its row, dark for the largest of all; right answers, on the diagonal, are
    grey, as they would outshine the mistakes.

    Raises:
        ValueError: the matrix has not one row and one column for each class, or holds no counts.
    """
    counts = matrix.numpy(force=True)
    if not len(classes) or counts.shape != (len(classes), len(classes)):
        raise ValueError(
            f"The matrix has the shape {counts.shape}, expected a row and a column per class: {len(classes)}."
        )
    if (counts != np.round(counts)).any():
        raise ValueError("The matrix does not hold counts, which are whole numbers; the shares of a row are made here.")
    shares = counts / counts.sum(axis=1, keepdims=True).clip(min=1)  # (K, K), each row sums to 1
    with course_style({"axes.grid": False}):
        figure = Figure(figsize=(0.62 * len(classes) + 1.6, 0.55 * len(classes) + 1.4), layout="constrained")
        axes = figure.subplots()
        mistakes = np.ma.masked_array(shares, mask=np.eye(len(classes), dtype=bool))
        most = float(mistakes.max()) if len(classes) > 1 and mistakes.max() else 1.0
        axes.set_facecolor("#dddddd")  # where the right answers are
        image = axes.imshow(mistakes, cmap="Blues", vmin=0, vmax=most)
        figure.colorbar(image, label="share of the actual class", format="{x:.0%}", shrink=0.8)
        axes.set_xticks(range(len(classes)), classes, rotation=45, ha="right")
        axes.set_yticks(range(len(classes)), classes)
        axes.set(xlabel="predicted class", ylabel="actual class")
        for (row, column), share in np.ndenumerate(shares):
            colour = "white" if row != column and share > 0.6 * most else "black"
            axes.text(column, row, str(int(counts[row, column])), ha="center", va="center", color=colour, fontsize=8)
    return figure


def draw_graph(output: Tensor, names: Mapping[str, Tensor] | None = None, numbers: bool = False) -> Figure:
    """Return a figure of the autograd graph of `output`: a box for each operation and leaf, an arrow for each edge.

    The output is on top, and the arrows point the way backward() runs. An operation has the name that PyTorch gives
    it. A leaf, which gets a `.grad`, is orange. A tensor of `names` (which may be `dict(model.named_parameters())`) is
    written into its box, with its shape; one that needs no gradient is not in the graph.

    With `numbers`, a box has the value of its tensor instead of the shape, an arrow the gradient that goes along it,
    and a leaf their sum, if there are three numbers at most. No `.grad` changes.

    Raises:
        ValueError: `output` has no grad_fn.
        RuntimeError: PyTorch's, if the numbers are asked for and backward() has freed what it needs.
    """
    graph = _trace(output)
    flows = _trace_gradients(output, graph) if numbers else {}
    labels = {node: _label_node(node, names or {}, flows) for node in graph}
    widths: dict[Stop, float] = {node: _box_size(label)[0] for node, label in labels.items()}
    routes = _route_edges(graph)
    places = _arrange(graph, routes, widths)
    heads = _spread_heads(routes, places, widths)
    left, right, bottom, top = _find_limits(places, widths)
    with course_style():
        figure = Figure(figsize=(right - left, top - bottom))
        axes = figure.add_axes((0, 0, 1, 1), xlim=(left, right), ylim=(bottom, top))  # one unit is one inch
        axes.set_axis_off()
        for edge, route in routes.items():
            end = heads[edge], places[edge[1]][1] + _box_size(labels[edge[1]])[1] / 2
            axes.add_patch(_make_arrow([*(places[stop] for stop in route[:-1]), end]))
            if edge in flows:
                _write_flow(axes, end, flows[edge])
        for node, label in labels.items():
            _write_box(axes, places[node], label, ORANGE if _is_leaf(node) else BLUE)
        legend = "arrows: the way backward() runs" + (", with gradients" if flows else "") + "; orange: leaves"
        axes.text((left + right) / 2, bottom, legend, ha="center", va="bottom", fontsize=9)
    return figure


def _trace(output: Tensor) -> "nx.MultiDiGraph[Node]":
    """Return the autograd graph of `output`: its nodes, and each edge as often as there is one."""
    if output.grad_fn is None:
        raise ValueError(
            "This tensor has no grad_fn, so there is no graph to draw. Either it is a leaf: pass the result of a "
            "computation, such as the loss. Or nothing was recorded: no input had requires_grad=True, or it was "
            "computed under no_grad()."
        )
    found = [output.grad_fn]
    graph: nx.MultiDiGraph[Node] = nx.MultiDiGraph()
    graph.add_nodes_from(found)
    for node in found:  # which grows on the way
        for following, _ in node.next_functions:
            if following is not None:  # None stands for an input that needs no gradient
                found += [] if following in graph else [following]
                graph.add_edge(node, following)
    return graph


def _trace_gradients(output: Tensor, graph: "nx.MultiDiGraph[Node]") -> dict[Edge, Tensor]:
    """Return the gradient that goes along each edge on the way back from `output`, whose own gradient is 1."""
    flows: dict[Edge, Tensor] = {}

    def watch(node: Node) -> None:
        def keep(gradients: Sequence[Tensor | None], _: object) -> None:
            ends = [following for following, _ in node.next_functions]
            for place, (end, gradient) in enumerate(zip(ends, gradients, strict=True)):
                if end is not None and gradient is not None:
                    flows[node, end, ends[:place].count(end)] = gradient.detach()

        hooks.append(node.register_hook(keep))

    hooks: list[RemovableHandle] = []
    for node in graph:
        if not _is_leaf(node):
            watch(node)
    leaves = [node.variable for node in graph if _is_leaf(node)]  # type: ignore[attr-defined]
    torch.autograd.grad(output, leaves, torch.ones_like(output), retain_graph=True, allow_unused=True)
    for hook in hooks:
        hook.remove()
    return flows


def _is_leaf(node: Node) -> bool:
    """Return whether `node` is no operation, but the place where the gradient of a leaf arrives."""
    return type(node).__name__ == "AccumulateGrad"


def _label_node(node: Node, names: Mapping[str, Tensor], flows: Mapping[Edge, Tensor]) -> str:
    """Return the lines to write into a box: the tensors of `names` that belong to it, and the operation."""

    def describe(name: str, tensor: Tensor) -> str:
        value = _write_numbers(tensor) if flows else ""
        return f"{name} = {value}" if value else f"{name} {tuple(tensor.shape)}"

    if _is_leaf(node):
        leaf: Tensor = node.variable  # type: ignore[attr-defined]  # PyTorch's types leave out what a leaf's node has
        own = [name for name, tensor in names.items() if tensor is leaf]
        arriving = [gradient for (_, end, _), gradient in flows.items() if end is node]
        total = _write_numbers(sum(arriving, torch.zeros_like(leaf))) if arriving else ""
        lines = [describe(" = ".join(own) or "leaf", leaf), f"gradient {total}" if total else ""]
        return "\n".join([*filter(None, lines), "AccumulateGrad"])
    lines = [describe(name, tensor) for name, tensor in names.items() if tensor.grad_fn is node]
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", type(node).__name__)  # so that a long name breaks between words
    return "\n".join(lines + [line.replace(" ", "") for line in textwrap.wrap(words, 22)])


def _write_numbers(tensor: Tensor) -> str:
    """Return the numbers of a tensor, shortly; of more than three, nothing."""
    numbers = [f"{number:.3g}" for number in tensor.detach().flatten().tolist()] if tensor.numel() <= 3 else []
    return f"[{', '.join(numbers)}]" if tensor.ndim and numbers else ", ".join(numbers)


def _box_size(label: str) -> tuple[float, float]:
    """Return about how wide and high the box around `label` is, in inches."""
    lines = label.split("\n")
    return 0.25 + 0.075 * max(map(len, lines)), 0.12 + 0.15 * len(lines)


def _route_edges(graph: "nx.MultiDiGraph[Node]") -> dict[Edge, list[Stop]]:
    """Return for each edge the stops on its way: its two nodes, and between them one in each row that it passes."""
    rows = {node: row for row, nodes in enumerate(nx.topological_generations(graph)) for node in nodes}
    return {
        edge: [edge[0], *((*edge, row) for row in range(rows[edge[0]] + 1, rows[edge[1]])), edge[1]]
        for edge in graph.edges
    }


def _arrange(
    graph: "nx.MultiDiGraph[Node]", routes: Mapping[Edge, Sequence[Stop]], widths: Mapping[Stop, float]
) -> dict[Stop, Place]:
    """Return the place (x, y) of each node and stop, in inches: in rows, under what leads to it, without overlap."""
    stops: nx.DiGraph[Stop] = nx.DiGraph()
    stops.add_nodes_from(graph)
    for route in routes.values():
        nx.add_path(stops, route)
    places: dict[Stop, Place] = {}
    for row, nodes in enumerate(nx.topological_generations(stops)):
        wanted = {node: np.mean([places[above][0] for above in stops.predecessors(node)] or [0.0]) for node in nodes}
        order = sorted(nodes, key=lambda node: wanted[node])
        x = np.array([wanted[node] for node in order])
        for i in range(1, len(order)):
            gap = 0.2 + (widths.get(order[i - 1], 0) + widths.get(order[i], 0)) / 2
            x[i] = max(x[i], x[i - 1] + gap)
        x += np.mean(list(wanted.values())) - x.mean()
        places |= {node: (float(column), -0.85 * row) for node, column in zip(order, x, strict=True)}
    return places


def _find_limits(places: Mapping[Stop, Place], widths: Mapping[Stop, float]) -> tuple[float, float, float, float]:
    """Return left, right, bottom and top of the area that holds all boxes, in inches."""
    left = min(-2.4, *(x - widths.get(stop, 0) / 2 - 0.1 for stop, (x, _) in places.items()))
    right = max(2.4, *(x + widths.get(stop, 0) / 2 + 0.1 for stop, (x, _) in places.items()))
    return left, right, min(y for _, y in places.values()) - 0.6, 0.45


def _spread_heads(
    routes: Mapping[Edge, Sequence[Stop]], places: Mapping[Stop, Place], widths: Mapping[Stop, float]
) -> dict[Edge, float]:
    """Return where on a box each arrow ends, as x in inches: side by side, in the order in which they come."""
    heads = {}
    for node in {edge[1] for edge in routes}:
        edges = sorted((edge for edge in routes if edge[1] is node), key=lambda edge: places[routes[edge][-2]][0])
        space = min(0.3, (widths[node] - 0.12) / len(edges))
        for place, edge in enumerate(edges):
            heads[edge] = places[node][0] + space * (place - (len(edges) - 1) / 2)
    return heads


def _make_arrow(points: Sequence[Place]) -> FancyArrowPatch:
    """Return the arrow through `points`."""
    curve, codes = [points[0]], [Path.MOVETO]
    for start, end in pairwise(points):
        middle = (start[1] + end[1]) / 2
        curve += [(start[0], middle), (end[0], middle), end]
        codes += [Path.CURVE4] * 3
    return FancyArrowPatch(path=Path(curve, codes), arrowstyle="-|>", mutation_scale=10, color="#777777", zorder=1)


def _write_flow(axes: Axes, head: Place, gradient: Tensor) -> None:
    """Write a gradient above the head of its arrow, if it is short."""
    box = {"boxstyle": "round,pad=0.1", "facecolor": "white", "edgecolor": "none"}
    axes.text(
        head[0], head[1] + 0.2, _write_numbers(gradient), ha="center", va="center", fontsize=9, color=ORANGE, bbox=box
    )


def _write_box(axes: Axes, place: Place, label: str, colour: str) -> None:
    """Write `label` into a box around `place`."""
    box = {"boxstyle": "round,pad=0.3", "facecolor": "white", "edgecolor": colour, "linewidth": 1.5}
    axes.text(*place, label, ha="center", va="center", fontsize=9, color=colour, bbox=box)


def _label_percent(axes: Axes, which: str) -> None:
    """Write the ticks of the axis `which`, "x" or "y", as per cent."""
    getattr(axes, f"{which}axis").set_major_formatter(PercentFormatter(xmax=1))


def plot_softmax(logits: Tensor, names: Sequence[str]) -> Figure:
    """Return a figure of one row of logits (K,) beside their probabilities after softmax; the highest is orange."""
    logits = logits.detach().float().cpu()
    sides = {"logit": logits, "probability after softmax": logits.softmax(dim=0)}
    colours = [ORANGE if k == logits.argmax() else BLUE for k in range(len(logits))]
    with course_style():
        figure = Figure(figsize=(7, 0.28 * len(logits) + 0.8), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        for axes, (label, values) in zip((left, right), sides.items(), strict=True):
            axes.barh(range(len(values)), values.numpy(), color=colours)
            axes.set(xlabel=label, ylim=(len(values) - 0.4, -0.6))
            axes.grid(visible=False, axis="y")
        left.axvline(0, color="black", linewidth=1)
        left.set_yticks(range(len(logits)), [f"{name}" for name in names])
        right.set_xlim(0, None)
        right.xaxis.set_major_formatter(PercentFormatter(xmax=1, decimals=0))
        left.xaxis.set_major_locator(MaxNLocator(4))
    return figure


def plot_layers(curves: Mapping[str, Sequence[float]], ylabel: str) -> Figure:
    """Return a figure with a curve for each name: one positive number per layer, on a logarithmic axis."""
    with course_style():
        figure = Figure(figsize=(5.5, 3), layout="constrained")
        axes = figure.subplots()
        for name, values in curves.items():
            axes.plot(range(1, len(values) + 1), list(values), marker="o")
            axes.annotate(name, (len(values), list(values)[-1]), xytext=(8, 0), textcoords="offset points", va="center")
        axes.set(xlabel="layer", ylabel=ylabel, yscale="log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.margins(x=0.15)
    return figure


def plot_bends(x: Tensor, lines: Mapping[str, Tensor], bends: Tensor, heights: Tensor) -> Figure:
    """Return a figure of lines over `x`, and a black dot at each of the `bends`, at its height."""
    with course_style():
        figure = Figure(figsize=(5.5, 3), layout="constrained")
        axes = figure.subplots()
        for name, y in lines.items():
            axes.plot(x.flatten(), y.flatten(), linewidth=2, label=name)
        axes.plot(bends.flatten(), heights.flatten(), "o", color="black", markersize=4, label="bends")
        axes.set(xlabel="input", ylabel="output")
        figure.legend(loc="outside right center", frameon=False)
    return figure


def plot_tangent(f: Callable[[Tensor], Tensor], x: float, nudge: float, xlabel: str, ylabel: str) -> Figure:
    """Return a figure of `f` around `x`: the curve, the secant from `x` to `x + nudge`, and the tangent at `x`.

    `f` takes a tensor of shape () and returns one; the slope of the tangent is its gradient at `x`.
    """
    place = torch.tensor(x, requires_grad=True)
    (gradient,) = torch.autograd.grad(f(place), place)
    low, high = sorted([x, x + nudge])
    ends = torch.linspace(low - abs(nudge) / 2, high + abs(nudge) / 2, 60)
    start, end = f(torch.tensor(x)).item(), f(torch.tensor(x + nudge)).item()
    lines = {
        f"secant to a nudge of {nudge:g}: slope {(end - start) / nudge:.3f}": (end - start) / nudge,
        f"tangent: slope {gradient:.3f}": gradient.item(),
    }
    with course_style():
        figure = Figure(figsize=(6.2, 3.6), layout="constrained")
        axes = figure.subplots()
        axes.plot(ends, [f(number).item() for number in ends], color="0.3", linewidth=2.5)
        for (label, slope), style in zip(lines.items(), ("--", "-"), strict=True):
            axes.axline((x, start), slope=slope, label=label, linestyle=style, color=ORANGE if style == "-" else BLUE)
        axes.plot([x, x + nudge], [start, end], "o", color=BLUE)
        axes.set(xlabel=xlabel, ylabel=ylabel, xlim=(float(ends[0]), float(ends[-1])))
        axes.legend(frameon=False)
    return figure


def plot_errors(errors: Mapping[str, Mapping[float, float]], xlabel: str, ylabel: str) -> Figure:
    """Return a figure of errors, each over what it depends on, all positive; both axes are logarithmic."""
    with course_style():
        figure = Figure(figsize=(6.2, 3.6), layout="constrained")
        axes = figure.subplots()
        for (name, values), marker in zip(errors.items(), "osD^vP", strict=False):
            axes.plot([*values], [*values.values()], marker=marker, markersize=5, label=name)
        axes.set(xlabel=xlabel, ylabel=ylabel, xscale="log", yscale="log")
        for axis in axes.xaxis, axes.yaxis:
            axis.set_major_formatter("{x:.0e}")
            axis.set_minor_locator(NullLocator())
        axes.legend(frameon=False)
    return figure


def plot_path(f: Callable[[Tensor], Tensor], places: Sequence[Tensor], xlabel: str, ylabel: str) -> Figure:
    """Return a figure of a path from place to place, each (2,), over contours of `f`, (2,) -> ()."""
    path = torch.stack([place.detach() for place in places])  # (steps + 1, 2)
    margin = 0.25 * (path.amax(0) - path.amin(0)).max()
    low, high = path.amin(0) - margin, path.amax(0) + margin
    across, up = torch.linspace(low[0], high[0], 30), torch.linspace(low[1], high[1], 30)
    heights = [[f(torch.stack([first, second])).item() for first in across] for second in up]
    with course_style({"axes.grid": False}):
        figure = Figure(figsize=(6.2, 4.2), layout="constrained")
        axes = figure.subplots()
        contours = axes.contour(across, up, heights, levels=12, colors="#6a9cc4", linewidths=1)
        axes.clabel(contours, fontsize=8)
        axes.plot(*path.T, "o-", color=ORANGE, markersize=4)
        axes.annotate(
            "start",
            (path[0, 0].item(), path[0, 1].item()),
            (0, 8),
            textcoords="offset points",
            ha="center",
            color=ORANGE,
            bbox={"boxstyle": "round,pad=0.1", "facecolor": "white", "edgecolor": "none"},
        )
        axes.set(xlabel=xlabel, ylabel=ylabel, aspect="equal")  # or right angles look slanted
    return figure


def plot_histograms(values: Mapping[str, Tensor]) -> Figure:
    """Return a figure with a histogram for each of the `values`, each on its own scale, and their mean and deviation.

    The dashed line is the mean; the orange band reaches one standard deviation to either side.
    """
    with course_style():
        figure = Figure(figsize=(2.5 * len(values), 2.7), layout="constrained")
        panels = figure.subplots(1, len(values), sharey=True, squeeze=False)[0]
        for axes, (name, numbers) in zip(panels, values.items(), strict=True):
            flat = numbers.detach().cpu().float().flatten()
            mean, deviation = flat.mean().item(), flat.std().item()
            shares, edges = (flat.histc(32) / len(flat)).numpy(), np.linspace(float(flat.min()), float(flat.max()), 33)
            axes.axvspan(mean - deviation, mean + deviation, color=ORANGE, alpha=0.15)
            axes.bar(edges[:-1], shares, width=edges[1] - edges[0], align="edge", color=BLUE)
            axes.axvline(mean, color=ORANGE, linestyle="--")
            axes.set_title(f"{name}\nmean {mean:z.2f}, deviation {deviation:.2f}", fontsize=10)
            axes.set_xlabel("pixel value")
        panels[0].set_ylabel("share of pixels")
        _label_percent(panels[0], "y")
    return figure


def plot_curves(
    curves: Mapping[str, Mapping[float, float]], xlabel: str, ylabel: str, dashed: Sequence[str] = (), log: bool = False
) -> Figure:
    """Return a figure with a curve for each name, from x to a share from 0 to 1; x is logarithmic with `log`.

    The curves of `dashed` get the colours in turn, and so do the others, so that a pair has one colour.
    """
    colours = STYLE["axes.prop_cycle"].by_key()["color"]
    solid = [name for name in curves if name not in dashed]
    with course_style():
        figure = Figure(figsize=(7, 3.2), layout="constrained")
        axes = figure.subplots()
        for name, points in curves.items():
            place = (list(dashed) if name in dashed else solid).index(name)
            look = {"color": colours[place % len(colours)], "marker": "os^DvP"[place % 6]}
            axes.plot(list(points), list(points.values()), "--" if name in dashed else "-", label=name, **look)
        axes.set(xlabel=xlabel, ylabel=ylabel, ylim=(0, 1.02), xscale="log" if log else "linear")
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter("{x:g}")
        marks = sorted({x for points in curves.values() for x in points})
        axes.set_xticks(marks[:: max(1, -(-len(marks) // 8))])  # where points are, if they are few
        _label_percent(axes, "y")
        figure.legend(loc="outside right center", frameon=False)
    return figure
