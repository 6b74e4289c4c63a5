"""The style of the course's figures, the same on any page: no style sheet, theme or language changes it."""

import io
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

import matplotlib as mpl
import matplotlib.figure
import matplotlib.style
from matplotlib.font_manager import fontManager
from matplotlib.rcsetup import cycler

# Blue and orange are told apart by colour-blind readers too (Okabe and Ito, https://jfly.uni-koeln.de/color/).
BLUE, ORANGE = "#0072b2", "#d55e00"
STYLE: dict[str, Any] = {
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.prop_cycle": cycler(color=[BLUE, ORANGE, "#009e73", "#cc79a7", "#56b4e9", "#e69f00"]),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.dpi": 110,
    "font.size": 11,
    "grid.color": "#dddddd",
    "savefig.facecolor": "white",
    "text.parse_math": False,  # a dollar in the name of a class is a dollar
}
CHINESE_FONTS = (  # where they come from: Linux packages, Windows, macOS
    *("Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans SC", "Source Han Sans SC", "Source Han Sans CN"),
    *("WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "Droid Sans Fallback"),
    *("Microsoft YaHei", "SimHei", "DengXian", "PingFang SC", "Hiragino Sans GB", "Heiti TC", "Arial Unicode MS"),
)


class Figure(matplotlib.figure.Figure):
    """A figure that a notebook shows when a cell ends in it, without pyplot, which would keep it and show it again."""

    def savefig(self, *args: Any, **kwargs: Any) -> None:
        """Write the figure as matplotlib does, in the style of the course."""
        with course_style(), warnings.catch_warnings(record=True, action="always") as caught:
            super().savefig(*args, **kwargs)
        for warning in caught:
            if not str(warning.message).startswith("Glyph "):
                warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
        if any(str(warning.message).startswith("Glyph ") for warning in caught):
            tell_of_missing_font()

    def _repr_png_(self) -> bytes:
        image = io.BytesIO()
        self.savefig(image, format="png", bbox_inches="tight")
        return image.getvalue()


@contextmanager
def course_style(changes: Mapping[str, Any] | None = None) -> Iterator[None]:
    """Draw in the style of the course, with `changes` to it, whatever style is set; afterwards that one is back."""
    fonts = [*mpl.rcParams["font.sans-serif"], *find_chinese_fonts()]  # those of the reader come first
    family = {"font.family": ["sans-serif"], "font.sans-serif": list(dict.fromkeys(fonts))}
    with matplotlib.style.context(["default", STYLE | family | dict(changes or {})]):
        yield


@cache
def find_chinese_fonts() -> list[str]:
    """Return the fonts with Chinese characters that matplotlib finds on this machine, the best first."""
    installed = {font.name for font in fontManager.ttflist}
    return [name for name in CHINESE_FONTS if name in installed]


@cache
def tell_of_missing_font() -> None:
    """Say, once in a kernel, why some characters are boxes."""
    print(
        "Some characters are boxes, because no installed font has them. For Chinese on Linux, install the package "
        "fonts-noto-cjk (Debian, Ubuntu) or google-noto-sans-cjk-fonts (Fedora), and restart the kernel."
    )
