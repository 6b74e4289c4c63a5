"""A drawn stand-in for Fashion-MNIST: the same ten classes as small grey garments, for machines without a network.

Every garment is a few shapes whose sizes are rolled like dice. The classes overlap, as the real ones do: a shirt whose
buttons do not show is a pullover to anyone who has only the picture.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

# Every machine must draw the same bytes. So every operation here is one whose result IEEE 754 fixes to the last bit:
# + - * / sqrt, comparisons, rounding. The last bits of sin, exp, a sum or a matrix product differ between processors.
# That is why edges are straight lines and ellipses, and noise is uniform.

VERSION = 1  # changes when the drawing changes, so that an old cache is not taken for the new set
CHUNK = 250  # images of one class that are drawn at once: few enough for the processor's cache
ROWS = np.arange(28, dtype=np.float32).reshape(1, 28, 1)  # 0 is the top row
COLUMNS = np.arange(28, dtype=np.float32).reshape(1, 1, 28) - 13.5  # 0 is the middle

Array = NDArray[np.floating]  # float32, all of them
Number = float | Array  # one for all sheets, or one for each: (N, 1, 1)
Point = tuple[Number, Number]


class Paper:
    """N sheets of 28 x 28 squared paper that are drawn on all at once, each with its own dice.

    `x` (N, 28, 28) and `y` (N, 28, 1) are the coordinates of each square; every sheet is shifted and slanted a little.
    `cloth` (N, 28, 28) is the grey that it paints with, `image` (N, 28, 28) the drawing: 0 is black, 1 is white.
    """

    def __init__(self, rng: np.random.Generator, n: int):
        self.rng, self.n = rng, n
        self.y = ROWS - self.vary(-0.7, 0.7)
        self.x = COLUMNS - self.vary(-1.3, 1.3) - self.vary(-0.06, 0.06) * (self.y - 14)
        self.cloth: Array = np.ones((n, 28, 28), np.float32)
        self.image: Array = np.zeros((n, 28, 28), np.float32)

    def vary(self, low: Number, high: Number) -> Array:
        """Return one number for each sheet, (N, 1, 1), uniform between `low` and `high`."""
        return low + (high - low) * self.rng.random((self.n, 1, 1), np.float32)

    def pick(self, share: float, this: Number, that: Number) -> Array:
        """Return `this` for about this `share` of the sheets and `that` for the others, (N, 1, 1)."""
        return np.where(self.vary(0, 1) < share, this, that).astype(np.float32)

    def paint(self, cover: Array, tone: Number = 1.0, share: float = 1.0) -> None:
        """Paint where `cover` is 1, `tone` times as bright as the cloth, on about this `share` of the sheets."""
        self.image += self.pick(share, 1, 0) * cover * (tone * self.cloth - self.image)


def curve(t: Array, *points: Point) -> Array:
    """Return the height at `t` of the line through `points`, pairs (t, height), that goes on level at both ends.

    >>> curve(np.array([0.0, 5.0, 7.5, 20.0]), (5, 1), (10, 3))
    array([1., 1., 2., 3.])
    """
    height = points[0][1] + np.zeros_like(t)
    for (start, low), (stop, high) in pairwise(points):
        height = height + (high - low) * ((t - start) / (stop - start)).clip(0, 1)
    return height


def inside(distance: Array) -> Array:
    """Return how much of a square is covered, from 0 to 1, whose middle is so far outside (negative: inside)."""
    return (0.5 - distance).clip(0, 1)


def between(t: Array, low: Number, high: Number) -> Array:
    """Return how much of the square around `t` lies between `low` and `high`, from 0 to 1.

    >>> between(np.array([0.0, 1.0, 2.0, 3.0]), 1, 2.75)
    array([0.  , 0.5 , 1.  , 0.25])
    """
    length: Array = np.minimum(t + 0.5, high) - np.maximum(t - 0.5, low)
    return length.clip(0, 1)


def every(t: Array, period: Number, width: Number) -> Array:
    """Return the cover, from 0 to 1, of lines `width` wide, one in each `period`.

    >>> every(np.arange(6.0), period=3, width=1)
    array([1., 0., 0., 1., 0., 0.])
    """
    return inside(np.abs(t - period * np.floor(t / period + 0.5)) - width / 2)


def stroke(x: Array, y: Array, start: Point, stop: Point, width: Number) -> Array:
    """Return the cover, from 0 to 1, of a pen stroke from point `start` to point `stop`."""
    (x0, y0), (x1, y1) = start, stop
    dx, dy = x1 - x0, y1 - y0
    along = (((x - x0) * dx + (y - y0) * dy) / (dx * dx + dy * dy)).clip(0, 1)
    x, y = x - x0 - along * dx, y - y0 - along * dy
    return inside(np.sqrt(x * x + y * y) - width / 2)


def ellipse(x: Array, y: Array, width: Number, height: Number) -> Array:
    """Return about how far (x, y) is outside the ellipse around (0, 0) with these half axes: negative inside."""
    x, y = x / width, y / height
    return (np.sqrt(x * x + y * y) - 1) * np.minimum(width, height)


def weave(paper: Paper, *, folds: float = 0.0, stripes: float = 0.0, checks: float = 0.0, prints: float = 0.0) -> None:
    """Give each sheet its cloth, light or dark; these shares of them get folds, stripes, checks and prints."""
    x, y, striped, checked = paper.x, paper.y, paper.pick(stripes, 1, 0), paper.pick(checks, 1, 0)
    pleats = every(x + paper.vary(-0.15, 0.15) * y, paper.vary(3, 9), 1.5)
    period, start = paper.vary(2.5, 7), paper.vary(0, 7)
    lines = np.maximum(striped, checked) * every(y - start, period, period / 2) + checked * every(x, period, period / 2)
    dots: Array = paper.rng.random((paper.n, 29, 29), np.float32)
    dots = (dots[:, 1:, 1:] + dots[:, :-1, 1:] + dots[:, 1:, :-1] + dots[:, :-1, :-1]) / 4  # the mean of neighbours
    blots = ((dots - paper.vary(0.4, 0.55)) * 6).clip(0, 1)
    paper.cloth = (1 - 0.85 * paper.vary(0, 1) * paper.vary(0, 1)) * (1 - paper.vary(0, 0.002) * x * x)
    paper.cloth *= 1 - paper.pick(folds, paper.vary(0, 0.2), 0) * pleats
    paper.cloth *= 1 + paper.vary(-0.5, 0.5) * lines
    paper.cloth *= 1 - paper.pick(prints, paper.vary(0.2, 0.8), 0) * blots


def body(paper: Paper, chest: Number, *, hem: Number, sleeve: Number, flare: Number) -> None:
    """Paint a garment, `chest` and `hem` half widths, with arms that end at row `sleeve` and stand out by `flare`."""
    x, y, waist = np.abs(paper.x), paper.y, chest - paper.vary(0, 1.5)
    shoulder = (2, chest - paper.vary(0, 1.5))
    side = curve(y, (-1, 2.5), shoulder, (8, chest), (15, waist), (27, hem))
    arm = curve(y, (-1, 3), shoulder, (5, chest + 1.5 + flare), (12, chest + 2.5 + flare), (27, chest + 3.5 + flare))
    gap = curve(y, (9, chest - 1), (14, waist + 0.5), (27, np.maximum(waist, hem) + 1))
    cuff = y + 0.4 * (x - chest) - sleeve
    paper.paint(between(x, gap, arm) * inside(cuff), paper.vary(0.75, 1.15))
    paper.paint(inside(x - side))
    paper.paint(between(x, side - 0.9, side + 0.2) * between(y, 4, sleeve), paper.vary(0.4, 0.9))  # the armhole's seam


def neckline(paper: Paper, depth: float) -> None:
    """Paint the hole for the head, up to `depth` squares deep, and the seam around it."""
    hole = ellipse(paper.x, paper.y, paper.vary(2, 4), paper.vary(0.8, depth))
    paper.paint(between(hole, 0, 1.2) * (paper.image > 0), paper.vary(0.7, 1.2))
    paper.paint(inside(hole), paper.vary(0, 1) * paper.vary(0, 1))


def badge(paper: Paper, share: float) -> None:
    """Paint a badge on the chest."""
    x, y = paper.x - paper.vary(-1, 1), paper.y - paper.vary(8, 13)
    paper.paint(inside(ellipse(x, y, paper.vary(1, 4.5), paper.vary(1, 4))), paper.vary(0, 2), share)


def opening(paper: Paper, share: float, contrast: float) -> None:
    """Paint a collar, an opening from top to bottom and perhaps its buttons; a low `contrast` hides them."""
    x, y, middle, shown = np.abs(paper.x), paper.y, paper.x - paper.vary(-0.7, 0.7), paper.pick(share, 1, 0)
    collar = stroke(x, y, (0.6, paper.vary(2.5, 8)), (paper.vary(2, 4), 0), paper.vary(1, 2))
    edge = between(middle, -0.5, 0.5) * between(y, 3, 28)
    buttons = between(middle, -0.6, 0.6) * every(y, paper.vary(3, 5), 1.2) * between(y, 4, 26)
    paper.paint(shown * collar, 1 + paper.vary(-contrast, contrast))
    paper.paint(shown * edge, 1 + paper.vary(-contrast, contrast))
    paper.paint(shown * buttons, 1 + paper.vary(-contrast, contrast), share=0.5)


def shoe(paper: Paper, ground: Number, heel: Number, height: Number, back: Number) -> None:
    """Paint a shoe seen from the side, toe at row `ground`, heel `heel` rows higher, `back` the last column."""
    x, y = paper.x, paper.y
    sole = ground - curve(x, (-6, 0), (5, heel))
    instep, ankle, dip = (-4, 3.5 + 0.22 * height), (0.5, height), (6, height - paper.vary(0, 2.5))
    upper = sole - curve(x, (-13.5, 0.5), (-11, 3.5), instep, ankle, dip, (back, height))
    laces = every(x + y, 2.5, 1) * between(y, upper, upper + 3) * between(x, -4, 2)
    paper.paint(between(y, upper, sole) * between(x, -13, back))
    paper.paint(laces, paper.vary(0.3, 1.5), share=0.5)
    paper.paint(between(y, sole - paper.vary(1, 2.5), sole) * between(x, -13, back), paper.vary(0.1, 2))


def t_shirt(paper: Paper) -> None:
    """Paint a T-shirt: most have short sleeves, some none, a few long ones."""
    weave(paper, folds=0.4, stripes=0.15, checks=0.01, prints=0.15)
    chest, sleeve = paper.vary(5, 8), paper.pick(0.75, paper.vary(8, 12), paper.pick(0.6, 0, paper.vary(12, 26)))
    body(paper, chest, hem=chest + paper.vary(-1, 1), sleeve=sleeve, flare=paper.vary(0.3, 2.3))
    opening(paper, share=0.04, contrast=0.3)
    neckline(paper, depth=6)
    badge(paper, share=0.35)


def trouser(paper: Paper) -> None:
    """Paint trousers: the gap between the legs can be wide or nearly closed."""
    weave(paper, folds=0.3, stripes=0.02, checks=0.02, prints=0.08)
    x, y, foot = np.abs(paper.x), paper.y, paper.vary(3, 7)
    leg = curve(y, (0, paper.vary(3, 4.5)), (7, paper.vary(4.5, 5.5)), (27, foot))
    gap = curve(y, (paper.vary(7, 11), -0.5), (13, 0.3), (27, foot - paper.vary(2, 4.5)))
    length = paper.pick(0.85, 28, paper.vary(19, 27))
    paper.paint(between(x, gap, leg) * inside(y - length))
    paper.paint(inside(x - leg) * between(y, 1.5, 2.3), paper.vary(0.5, 0.9))  # the waistband
    paper.paint(between(x, -0.5, 0.5) * between(y, 1, 8), paper.vary(0.6, 1))  # the fly


def pullover(paper: Paper) -> None:
    """Paint a pullover: long sleeves, half of them ribbed at hem and cuffs, a few with a zip."""
    weave(paper, folds=0.4, stripes=0.2, checks=0.03, prints=0.15)
    chest, sleeve = paper.vary(6, 8), paper.pick(0.95, paper.vary(22, 29), paper.vary(9, 20))
    body(paper, chest, hem=chest - paper.vary(0, 1), sleeve=sleeve, flare=paper.vary(-0.5, 1))
    opening(paper, share=0.08, contrast=0.5)
    ribs = between(paper.y, paper.vary(23, 26), 28) * (paper.image > 0)
    paper.paint(ribs, paper.vary(0.5, 1.1), share=0.5)
    neckline(paper, depth=4)
    badge(paper, share=0.2)


def dress(paper: Paper) -> None:
    """Paint a dress: narrow above and mostly wider below, half of them on straps."""
    weave(paper, folds=0.5, stripes=0.08, checks=0.03, prints=0.2)
    chest = paper.pick(0.75, paper.vary(3.5, 5.5), paper.vary(5, 7.5))
    sleeve = paper.pick(0.5, paper.vary(0, 4), paper.pick(0.6, paper.vary(6, 11), paper.vary(14, 26)))
    body(paper, chest, hem=chest + paper.vary(-1, 4), sleeve=sleeve, flare=paper.vary(-1, 0.7))
    opening(paper, share=0.1, contrast=0.3)
    neckline(paper, depth=6)


def coat(paper: Paper) -> None:
    """Paint a coat: long sleeves and an opening that most of them show clearly."""
    weave(paper, folds=0.4, stripes=0.03, checks=0.05, prints=0.1)
    chest = paper.vary(5, 8)
    body(paper, chest, hem=chest + paper.vary(-0.7, 1), sleeve=paper.vary(20, 29), flare=paper.vary(-0.5, 1))
    neckline(paper, depth=5)
    opening(paper, share=0.9, contrast=0.9)


def sandal(paper: Paper) -> None:
    """Paint a sandal: a sole, a band over the toes and straps around the ankle; half of them on high heels."""
    weave(paper)
    x, y, heel = paper.x, paper.y, paper.pick(0.5, paper.vary(3, 13), paper.vary(0, 3))
    toe, tip, thick, width = 19.5 + heel / 5, paper.vary(-8, -5), paper.vary(1, 2.5), paper.vary(0.7, 2.5)
    sole, level = toe - curve(x, (-6, 0), (8, heel)), toe - heel
    back, ankle, front = (11, level), (10.5, level - paper.vary(5, 9)), (paper.vary(2, 6), level - paper.vary(3, 7))
    paper.paint(between(y, sole, sole + thick) * between(x, -13, 12))
    paper.paint(between(y, sole, toe + thick) * between(x, paper.vary(-13, 5), 12), 0.8, share=0.3)  # a wedge
    paper.paint((heel > 3) * stroke(x, y, back, (paper.vary(10, 12), toe + thick), paper.vary(0.8, 3)))
    band = ellipse(x - tip, y - toe, paper.vary(3.5, 6), paper.vary(3, 6))
    paper.paint(between(band, -paper.vary(0.7, 3), 0) * inside(y - sole), paper.vary(0.7, 1.2))
    upper = sole - curve(x, (-13, 1), (-9, 4), (5, paper.vary(3, 8)))
    paper.paint(between(y, upper, sole) * between(x, -13, 12), share=0.1)  # closed, like a sneaker
    strapped = paper.pick(0.8, 1, 0)
    paper.paint(strapped * stroke(x, y, back, ankle, width))
    paper.paint(strapped * stroke(x, y, ankle, front, width))
    paper.paint(strapped * stroke(x, y, front, (tip + 2, toe - 4), width), share=0.5)
    paper.paint(strapped * stroke(x, y, front, (paper.vary(3, 7), level), width), share=0.5)


def shirt(paper: Paper) -> None:
    """Paint a shirt: between T-shirt, pullover and coat in all its sizes, with an opening that may not show."""
    weave(paper, folds=0.4, stripes=0.1, checks=0.15, prints=0.25)
    chest, sleeve = paper.vary(5.5, 8), paper.pick(0.55, paper.vary(18, 28), paper.pick(0.8, paper.vary(8, 15), 0))
    body(paper, chest, hem=chest + paper.vary(-1, 1), sleeve=sleeve, flare=paper.vary(-0.5, 1.5))
    neckline(paper, depth=5)
    opening(paper, share=0.8, contrast=0.55)
    badge(paper, share=0.05)


def sneaker(paper: Paper) -> None:
    """Paint a sneaker: flat, low, one in ten as high as a boot; half of them with a stripe on the side."""
    weave(paper, prints=0.1)
    ground, height = paper.vary(19, 22.5), paper.pick(0.9, paper.vary(5.5, 10), paper.vary(9, 15))
    shoe(paper, ground, heel=0, height=height, back=12.5)
    start, stop = (paper.vary(-4, 4), ground - 2), (paper.vary(-1, 6), ground - height * 0.7)
    paper.paint(stroke(paper.x, paper.y, start, stop, paper.vary(0.8, 2)), paper.vary(0.2, 1.5), share=0.5)


def bag(paper: Paper) -> None:
    """Paint a bag: wider above or below, with a flap and a clasp; some without a handle."""
    weave(paper, stripes=0.05, checks=0.05, prints=0.2)
    x, y, lid, end = np.abs(paper.x), paper.y, paper.vary(5, 13), paper.vary(22, 27)
    handle = ellipse(x, y - lid, paper.vary(2.5, 10), lid - paper.vary(0, 3))
    paper.paint(between(handle, -0.6, 0.6) * inside(y - lid), paper.vary(0.6, 1.2), share=0.85)
    wide, low, flap = paper.vary(8, 13.5), paper.vary(8, 13.5), lid + paper.vary(1, 8)
    side = curve(y, (lid, wide - paper.vary(0, 3)), (lid + 3, wide), (end - 2, low), (end, low - paper.vary(0, 2)))
    paper.paint(inside(x - side) * between(y, lid, end))
    paper.paint(inside(x - side) * between(y, flap, flap + 1), paper.vary(0.3, 1.2), share=0.75)
    paper.paint(inside(ellipse(x, y - flap, paper.vary(0.5, 2), 1)), paper.vary(0, 2), share=0.5)


def ankle_boot(paper: Paper) -> None:
    """Paint an ankle boot: a shaft, four in ten on high heels, half with a seam; one in ten as low as a sneaker."""
    weave(paper, prints=0.05)
    heel, ground, back = paper.pick(0.6, paper.vary(0, 3), paper.vary(3, 9)), paper.vary(20.5, 25), paper.vary(9, 12)
    height = paper.pick(0.9, paper.vary(10, 17), paper.vary(7, 11)) - heel / 3
    shoe(paper, ground, heel, height, back)
    block = between(paper.x, back - paper.vary(2, 7), back) * between(paper.y, ground - heel - 1, ground)
    paper.paint(block, paper.vary(0.5, 1))
    bottom, seam_top = (paper.vary(2, 8), ground - heel - 2), (paper.vary(2, 8), ground - heel - height + 1)
    paper.paint(stroke(paper.x, paper.y, bottom, seam_top, paper.vary(0.8, 3)), paper.vary(0.3, 1.2), share=0.5)


GARMENTS = (t_shirt, trouser, pullover, dress, coat, sandal, shirt, sneaker, bag, ankle_boot)  # torchvision's order


def draw_chunk(label: int, seed: np.random.SeedSequence) -> NDArray[np.uint8]:
    """Return CHUNK images of one class, (CHUNK, 28, 28) uint8, that depend on nothing but `label` and `seed`."""
    paper = Paper(np.random.default_rng(seed), CHUNK)
    GARMENTS[label](paper)
    grain = paper.rng.random((CHUNK, 28, 28), np.float32) - paper.rng.random((CHUNK, 28, 28), np.float32)
    image: Array = paper.image * (1 + 0.3 * paper.vary(0, 1) * paper.vary(0, 1) * grain)
    return (255 * image.clip(0, 1) + 0.5).astype(np.uint8)


def draw(
    train: bool, report: Callable[[int], object] = lambda count: None
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return images (N, 28, 28) uint8 and labels (N,) uint8, 0 to 9 equally often, in a shuffled order.

    N is 60,000 for the training set and 10,000 for the test set. `report(k)` is called when k more images are done.
    """
    per_class = 6_000 if train else 1_000
    chunk_labels = [label for label in range(10) for _ in range(per_class // CHUNK)]
    order_seed, *seeds = np.random.SeedSequence([VERSION, train]).spawn(1 + len(chunk_labels))
    n = 10 * per_class
    order = np.random.default_rng(order_seed).permutation(n).reshape(-1, CHUNK)
    images, labels = np.empty((n, 28, 28), np.uint8), np.empty(n, np.uint8)
    with ThreadPoolExecutor(2) as pool:  # each chunk has its own seed, so it does not matter which is done first
        drawings = pool.map(draw_chunk, chunk_labels, seeds)
        for label, places, drawing in zip(chunk_labels, order, drawings, strict=True):
            images[places], labels[places] = drawing, label
            report(CHUNK)
    return images, labels
