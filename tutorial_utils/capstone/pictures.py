"""One picture in all the ways in which a picture may come."""

from pathlib import Path

from PIL import Image


def other_kinds(path: Path, folder: Path) -> dict[str, Path]:
    """Return new files with the picture in the file `path`, by what is other in them.

    Where the pixels stay the same, the name ends in "exactly".
    """
    folder.mkdir(parents=True, exist_ok=True)
    with Image.open(path) as stored:
        image = stored.convert("RGB")
    opaque = image.copy()
    opaque.putalpha(255)
    made = {
        "RGBA, exactly": (opaque, "rgba.png"),
        "of another format (BMP), exactly": (image, "bitmap.bmp"),
        "grey": (image.convert("L"), "grey.png"),
        "grey with transparency": (opaque.convert("LA"), "grey_alpha.png"),
        "one with a palette": (image.convert("P"), "palette.png"),
        "large": (image.resize((image.width * 8, image.height * 8)), "large.jpg"),
        "flat": (image.resize((90, 20)), "flat.png"),
    }
    for picture, name in made.values():
        picture.save(folder / name)
    return {kind: folder / name for kind, (_, name) in made.items()}
