"""What the site makes of a lesson: boxes that are told apart, and hints that unfold."""

import html
import re
from importlib import import_module

from docutils import nodes
from sphinx.application import Sphinx

BOXES = {"Predict.": "predict", "笔记": "note-zh", "概要": "note-zh", "练习": "exercise-zh"}
HELP = re.compile(r"# ex\.(\w+)\.hint\(\)\n# ex\.\1\.solution\(\)\s*")


def mark_boxes(app: Sphinx, doctree: nodes.document) -> None:
    """Give each quotation the class of what it is: a question, a note in Chinese, a task in Chinese."""
    for quote in doctree.findall(nodes.block_quote):
        for start, name in BOXES.items():
            if quote.astext().startswith(start):
                quote["classes"].append(name)


def fold_hints(app: Sphinx, doctree: nodes.document) -> None:
    """Show the hints of an exercise, one by one, in the place of the two lines that print them in a notebook."""
    notebook = app.env.docname.rpartition("/")[2]
    for block in list(doctree.findall(nodes.literal_block)):
        if found := HELP.fullmatch(block.astext()):
            exercise = getattr(import_module(f"tutorial_utils.exercises.ex{notebook}"), found.group(1))
            folded = [fold(f"Hint {number}", hint) for number, hint in enumerate(exercise.hints, start=1)]
            block.replace_self(nodes.raw("", "\n".join(folded), format="html"))


def fold(title: str, hint: str) -> str:
    """Return HTML that shows its title, and the hint once a reader clicks."""
    text = re.sub(r"`(.+?)`", r"<code>\1</code>", html.escape(hint, quote=False))
    return f'<details class="hint"><summary>{title}</summary>{text}</details>'


def set_language(app: Sphinx, page: str, template: str, context: dict[str, object], doctree: object) -> None:
    """Say in a Chinese page that it is Chinese, for screen readers, fonts and translators."""
    if page == "docs/zh" or page.endswith(".zh"):
        context["language"] = "zh-CN"
