"""The pictures of the capstone: road signs, drawn and seeded, so that nobody downloads anything.

A sign stands somewhere in a street (an *object*), and was photographed a few times: nearer, darker, from the side. So
pictures of one object resemble each other more than those of two. Some signs mean something else in a mirror. Files
are PNG and JPEG, grey, RGB and RGBA, of 32 to 96 pixels, and a few are damaged, as in any folder that grew.

    folder/train.csv, folder/test.csv    a header (file, class, object) and a row for each picture
    folder/images/                       the files
"""

import random
import shutil
from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageDraw, ImageEnhance

from tutorial_utils.capstone.tables import Row, write_rows
from tutorial_utils.storage.files import scratch_folder

CANVAS = 128  # pixels that a sign is drawn with, before it is made as small as its picture
BLUE, RED, YELLOW, WHITE, BLACK = "#1d4fa3", "#c1272d", "#f4c20d", "#f4f4f0", "#1c1c1c"
OBJECTS = {  # how many signs of each class stand in the streets of train.csv and of test.csv
    "left": (72, 22),
    "right": (72, 22),
    "bend left": (54, 20),
    "bend right": (54, 20),
    "stop": (36, 8),
    "yield": (36, 8),
    "no entry": (24, 5),
    "priority": (15, 5),
}
Pen = ImageDraw.ImageDraw


def arrow(pen: Pen, colour: str) -> None:
    """Draw an arrow to the left."""
    pen.polygon([(26, 64), (62, 34), (62, 54), (100, 54), (100, 74), (62, 74), (62, 94)], fill=colour)


def left(pen: Pen) -> None:
    """Draw the sign that tells to drive to the left: an arrow on a blue disc."""
    pen.ellipse((8, 8, 120, 120), fill=BLUE, outline=WHITE, width=4)
    arrow(pen, WHITE)


def bend_left(pen: Pen) -> None:
    """Draw the warning of a bend to the left: a red triangle, and a line that bends."""
    pen.polygon([(64, 6), (124, 114), (4, 114)], fill=RED)
    pen.polygon([(64, 30), (104, 102), (24, 102)], fill=WHITE)
    pen.line([(76, 98), (76, 76), (52, 60)], fill=BLACK, width=12, joint="curve")
    pen.polygon([(40, 52), (62, 50), (52, 72)], fill=BLACK)


def stop(pen: Pen) -> None:
    """Draw the red sign with eight corners, and a bar for the word on it."""
    pen.regular_polygon((64, 64, 60), 8, rotation=22.5, fill=RED, outline=WHITE, width=3)
    for x in (28, 47, 66, 85):
        pen.rectangle((x, 50, x + 13, 78), outline=WHITE, width=5)


def yield_(pen: Pen) -> None:
    """Draw the triangle that stands on its tip."""
    pen.polygon([(64, 122), (4, 14), (124, 14)], fill=RED)
    pen.polygon([(64, 96), (28, 30), (100, 30)], fill=WHITE)


def no_entry(pen: Pen) -> None:
    """Draw the red disc with a white bar."""
    pen.ellipse((8, 8, 120, 120), fill=RED, outline=WHITE, width=4)
    pen.rectangle((28, 54, 100, 74), fill=WHITE)


def priority(pen: Pen) -> None:
    """Draw the yellow square that stands on a corner."""
    pen.polygon([(64, 4), (124, 64), (64, 124), (4, 64)], fill=WHITE)
    pen.polygon([(64, 22), (106, 64), (64, 106), (22, 64)], fill=YELLOW)


SIGNS: dict[str, Callable[[Pen], None]] = {
    "left": left,
    "right": left,  # in a mirror
    "bend left": bend_left,
    "bend right": bend_left,
    "stop": stop,
    "yield": yield_,
    "no entry": no_entry,
    "priority": priority,
}
MIRRORED = {"right", "bend right"}


def draw(name: str) -> Image.Image:
    """Return the sign of a class as an RGBA picture of 128 x 128 pixels, with nothing around it."""
    image = Image.new("RGBA", (CANVAS, CANVAS), (0, 0, 0, 0))
    SIGNS[name](ImageDraw.Draw(image))
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if name in MIRRORED else image


def scene(dice: random.Random) -> Image.Image:
    """Return the street behind a sign, RGB, 128 x 128: sky, ground, and some houses."""
    sky, ground = (tuple(dice.randint(60, 190) for _ in range(3)) for _ in range(2))
    image = Image.new("RGB", (CANVAS, CANVAS), sky)
    pen = ImageDraw.Draw(image)
    horizon = dice.randint(40, 100)
    pen.rectangle((0, horizon, CANVAS, CANVAS), fill=ground)
    for _ in range(dice.randint(1, 3)):
        x, width = dice.randint(-20, 120), dice.randint(10, 50)
        colour = tuple(dice.randint(40, 210) for _ in range(3))
        pen.rectangle((x, dice.randint(0, horizon), x + width, horizon + dice.randint(0, 20)), fill=colour)
    return image


def hide(image: Image.Image, dice: random.Random) -> None:
    """Let a trunk stand before a sign, so that sometimes nobody can say what it is."""
    x, width = dice.randint(20, 60), dice.randint(40, 70)
    colour = tuple(dice.randint(30, 90) for _ in range(3))
    ImageDraw.Draw(image).rectangle((x, 0, x + width, CANVAS), fill=colour)


def photograph(sign: Image.Image, street: Image.Image, dice: random.Random) -> Image.Image:
    """Return one picture of a sign in its street, RGB: from this distance and side, in this light."""
    size = dice.randint(70, 108)
    worn = sign.resize((size, size), Image.Resampling.BILINEAR).rotate(dice.uniform(-9, 9), Image.Resampling.BILINEAR)
    image = street.copy()
    room = CANVAS - size
    image.paste(worn, (dice.randint(0, room), dice.randint(0, room)), worn)
    if dice.random() < 0.1:
        hide(image, dice)
    image = ImageEnhance.Brightness(image).enhance(dice.uniform(0.6, 1.25))
    image = ImageEnhance.Contrast(image).enhance(dice.uniform(0.7, 1.2))
    side = dice.randint(32, 96)
    return image.resize((side, dice.randint(max(32, side - 12), min(96, side + 12))), Image.Resampling.BILINEAR)


def save(image: Image.Image, path: Path, dice: random.Random) -> Path:
    """Write a picture as PNG or JPEG, in grey, RGB or RGBA; return the file."""
    if dice.random() < 0.1:
        image = image.convert("L")
    if dice.random() < 0.5:
        path = path.with_suffix(".jpg")
        image.save(path, quality=90)
        return path
    if dice.random() < 0.3:
        image = image.convert("RGBA")
        image.putalpha(255)
    path = path.with_suffix(".png")
    image.save(path)
    return path


def draw_part(folder: Path, part: str, dice: random.Random) -> list[Row]:
    """Draw the pictures of `train` or `test` into `folder / "images"`; return their rows, sorted by class."""
    rows, signs = [], {name: draw(name) for name in OBJECTS}
    number = 0
    for name in sorted(OBJECTS):
        for place in range(OBJECTS[name][part == "test"]):
            street, sign = scene(dice), ImageEnhance.Color(signs[name]).enhance(dice.uniform(0.5, 1.3))
            for _ in range(dice.randint(2, 4)):
                number += 1
                file = save(photograph(sign, street, dice), folder / "images" / f"{part}_{number:03}", dice)
                rows.append(Row(f"images/{file.name}", name, f"{part} {name} {place + 1}"))
    return rows


def damage(folder: Path, rows: list[Row]) -> None:
    """Damage three files of a part as it happens: nothing in it, only the first half, something else."""
    empty, half, other = (folder / rows[len(rows) * k // 4].file for k in (1, 2, 3))
    empty.write_bytes(b"")
    half.write_bytes(half.read_bytes()[: half.stat().st_size // 2])
    other.write_bytes(b"<html><body>404 Not Found</body></html>")


def draw_signs(folder: Path, seed: int = 7) -> Path:
    """Draw all pictures and their tables into `folder`, which is whole or absent, and return it.

    Raises:
        OSError: `folder` is there already, or cannot be written.
    """
    if folder.exists():
        raise FileExistsError(f"{folder} is there already: remove it, and it is drawn anew.")
    dice = random.Random(seed)
    with scratch_folder(folder.parent / ".drawing") as scratch:
        (scratch / "images").mkdir()
        for part in ("train", "test"):
            rows = draw_part(scratch, part, dice)
            damage(scratch, rows)
            write_rows(scratch / f"{part}.csv", rows)
        scratch.rename(folder)
    shutil.rmtree(folder.parent / ".drawing", ignore_errors=True)
    return folder
