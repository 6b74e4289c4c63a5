"""The notebooks as slides for a class: `make slides` writes a reveal.js deck of each, with outputs, to build/slides.

What goes where is a rule, not a second text. Each section is a column of slides. A **Predict** gets one slide with the
question and the code, and one below it with the output and the answer. An exercise gets a slide without its help. Of a
long paragraph the slide shows what leads on and the new terms; the speaker notes have all of it.
"""

import re
import shutil
from base64 import b64decode
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from importlib.resources import files
from io import BytesIO
from itertools import zip_longest
from math import ceil
from pathlib import Path

from nbconvert import SlidesExporter
from nbconvert.preprocessors import CoalesceStreamsPreprocessor
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell, new_notebook
from PIL import Image
from traitlets.config import Config

from docs.execute import ROOT, executed_notebooks
from tutorial_utils.exercises.catalogue import find_exercises, find_modules

OUTPUT = ROOT / "build" / "slides"
DECKS = ROOT / "docs" / "_decks"
ROOM = 585  # pixels below a slide's heading, out of 720
LINE, CODE_LINE, LONG_CODE_LINE, ROW, GAP = 33, 25, 22, 34, 14  # heights in pixels; docs/_decks/deck.css sets the same
CHARACTERS = 92  # Latin letters in a line of text; a Chinese character takes the room of two
WIDE, CODE_WIDTH = 1168, 11.5  # pixels: a slide between its margins, a letter of code
FIGURE = 380  # the height that a figure has at least, or its own if that is less
ZOOM = 1.3  # figures are drawn for a page; a class sits farther away
LONG = 45  # words: a paragraph with more is shortened
RECALL = "**Hide the right columns,** and ask for what stands there."
WAIT = "**Ask, and wait.** Everybody writes down a guess before you go on."


@dataclass
class Step:
    """What stands around a piece of code: the text that leads to it, the code, and what is said about its output."""

    heading: str  # with its Markdown: "## The loss"
    lead: list[str] = field(default_factory=list)
    code: list[NotebookNode] = field(default_factory=list)
    answer: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def asks(self) -> bool:
        """True if the class is to predict what comes out."""
        return any(is_question(block) for block in self.lead)

    @property
    def is_exercise(self) -> bool:
        """True if it is a task for the learners."""
        return self.heading.startswith("### Exercise")


@dataclass
class Slide:
    """A heading, the cells below it, and the speaker notes."""

    heading: str
    cells: list[NotebookNode]
    notes: list[str]


# ------------------------------------------------------------------------------------------- from a notebook to steps


def find_steps(notebook: NotebookNode) -> list[Step]:
    """Return the notebook's steps in their order, without what only a learner at a keyboard needs."""
    cells = [cell for cell in notebook.cells if not is_help(cell)]
    steps: list[Step] = []
    for above, cell, below in zip([None, *cells], cells, [*cells[1:], None], strict=False):
        if is_skipped(cell):
            if is_code(cell) and not is_code(above) and not is_skipped(above) and not steps[-1].code:
                steps[-1].notes, steps[-1].lead = steps[-1].notes + steps[-1].lead, []  # for the speaker
        elif is_code(cell):
            add_code(steps, cell)
        else:
            leads = below is not None and is_code(below) and not is_skipped(below)
            add_text(steps, cell.source.split("\n\n"), leads)
    return steps


def add_code(steps: list[Step], cell: NotebookNode) -> None:
    """Add a cell of code to the last of the steps, or to a new one if that has its answer."""
    if steps[-1].answer:
        steps.append(Step(steps[-1].heading))
    steps[-1].code.append(cell)


def add_text(steps: list[Step], blocks: list[str], leads: bool) -> None:
    """Add the paragraphs of a text: what belongs to the code above to the last of the steps, the rest as a new one."""
    cut = 0
    if steps and steps[-1].code and not steps[-1].is_exercise:
        cut = find_lead(blocks, steps[-1].asks and not steps[-1].answer, leads)
        steps[-1].answer += blocks[:cut]
    if cut == len(blocks):
        return
    if blocks[cut].startswith("#"):
        steps.append(Step(blocks[cut], blocks[cut + 1 :]))
    else:
        steps.append(Step(find_heading(steps), blocks[cut:]))


def find_heading(steps: list[Step]) -> str:
    """Return the heading that holds for what comes after `steps`: the last one, or after an exercise the section's."""
    if steps and not steps[-1].is_exercise:
        return steps[-1].heading
    return next((step.heading for step in reversed(steps) if not step.heading.startswith("### ")), "")


def find_lead(blocks: list[str], asked: bool, leads: bool) -> int:
    """Return where, in a text below code, the part begins that belongs to what comes next.

    Args:
        blocks: the paragraphs of the text.
        asked: the class was to predict what the code above does, so at least the first paragraph is the answer.
        leads: there is code right below.
    """
    for position, block in enumerate(blocks):
        if block.startswith("#"):
            return position
        if is_question(block):
            return max(position - 1, asked) if position and is_prose(blocks[position - 1]) else position
    if leads and is_prose(blocks[-1]) and (len(blocks) > 1 or blocks[-1].endswith(":")):
        return len(blocks) - 1
    return len(blocks)


def is_code(cell: NotebookNode) -> bool:
    """Return True for a cell of code."""
    return cell.cell_type == "code"


def is_skipped(cell: NotebookNode) -> bool:
    """Return True for what a learner needs and a class need not see; its metadata say so, as other tools know it."""
    return cell.metadata.get("slideshow", {}).get("slide_type") == "skip"


def is_help(cell: NotebookNode) -> bool:
    """Return True for the two lines below an exercise that give a hint and the solution."""
    return is_code(cell) and all(line.startswith("# ex.") for line in cell.source.splitlines())


def is_question(block: str) -> bool:
    """Return True for a paragraph that lets you predict something."""
    return block.startswith("> **Predict.**")


def is_prose(block: str) -> bool:
    """Return True for a paragraph that is no list, table, heading, quotation or block of code."""
    return re.match(r"[#>|]|[-*] |\d+\. |```|    ", block) is None


# ---------------------------------------------------------------------------------------------- from steps to slides


def find_slides(steps: list[Step], hints: Mapping[str, Sequence[str]]) -> list[Slide]:
    """Return the slides of all steps; `hints` are those of each exercise, which its speaker notes list."""
    slides, notes = [], []
    for step in steps:
        if not (step.lead or step.code or step.answer):
            notes += step.notes  # to the next slide
            continue
        new = step_slides(step, hints)
        new[0].notes = notes + step.notes + new[0].notes
        notes = []
        slides += new
    return slides


def step_slides(step: Step, hints: Mapping[str, Sequence[str]]) -> list[Slide]:
    """Return the slides of one step, at least one."""
    if step.is_exercise:
        tips = [f"- {tip}" for cell in step.code for name in find_checks(cell) for tip in hints[name]]
        notes = ["**Hints**, from gentle to telling:", "\n".join(tips)]
        return pack(step.heading, [*map(as_text, step.lead), *map(without_outputs, step.code)], notes)
    lead, answer = [as_text(shorten(block)) for block in step.lead], [as_text(shorten(block)) for block in step.answer]
    said = [block for block in step.lead if shorten(block) != block]
    said += [RECALL for block in step.lead if block.startswith("|") and not step.code]  # what was learned, at the end
    said_after = [block for block in step.answer if shorten(block) != block]
    if not step.asks:
        return pack(step.heading, [*lead, *step.code, *answer], said + said_after)
    told = [block for block in step.answer if not block.startswith("> ")] or ["The output on the next slide."]
    question = pack(step.heading, [*lead, *map(without_outputs, step.code)], [*said, WAIT, "**The answer:**", *told])
    with_code = next(i for i, slide in enumerate(question) if is_code(slide.cells[-1]))
    return question[: with_code + 1] + pack(step.heading, [*step.code, *answer], said_after)


def pack(heading: str, cells: list[NotebookNode], notes: list[str]) -> list[Slide]:
    """Return the cells on as many slides as they need; the first one has the notes."""
    pages: list[list[NotebookNode]] = []
    room = 0
    for cell, following in zip_longest(cells, cells[1:]):
        needed = height(cell) + GAP
        leads = following is not None and cell.source.endswith(":")
        if not pages or needed + (height(following) if leads else 0) > room:
            pages.append([])
            room = ROOM
        pages[-1].append(cell)
        room -= needed
    if pages[-1] == cells[-1:] and len(pages) > 1 and len(pages[-2]) > 1 and pages[-2][-1].cell_type == "markdown":
        pages[-1].insert(0, pages[-2].pop())  # so that the Chinese note is not alone
    slides = [Slide(heading, page, []) for page in pages]
    slides[0].notes = notes
    return slides


def shorten(block: str) -> str:
    """Return a paragraph as a slide shows it: whole if short, else its first and last sentence, and new terms."""
    if not is_prose(block) or len(block.split()) <= LONG:
        return block
    first, *others = re.split(r"(?<=[.?!])\s+(?=[A-Z`*])", block)
    return " ".join([first, *(text for text in others if "**" in text or text == others[-1])])


def height(cell: NotebookNode) -> int:
    """Return about how many pixels high the cell is on a slide."""
    if cell.cell_type == "markdown":
        return text_height(cell.source)
    tags = cell.metadata.get("tags", [])
    line = LONG_CODE_LINE if "long" in tags else CODE_LINE
    code = line * len(cell.source.splitlines()) + 16
    outputs = sum(output_height(output, line) + 8 for output in cell.outputs)
    return max(code, outputs) if "beside" in tags else code + outputs


def output_height(output: NotebookNode, line: int) -> int:
    """Return about how many pixels high an output of a cell is on a slide, with lines of text of that height."""
    data = output.get("data", {})
    if "image/png" in data:
        return min(FIGURE, output.metadata["image/png"]["height"])
    if "text/html" in data:
        return ROW * data["text/html"].count("<tr")
    text = output.get("text") or data.get("text/plain") or "\n".join(output.get("traceback", []))
    return line * sum(ceil(max(1, len(part)) / CHARACTERS) for part in text.splitlines())


def text_height(block: str) -> int:
    """Return about how many pixels high a paragraph, a list or a table is on a slide."""
    lines = [line for line in block.splitlines() if not line.startswith("|--")]
    if block.startswith("|"):
        return ROW * sum(ceil(width(line) / CHARACTERS) for line in lines)
    if block.startswith("```"):
        return CODE_LINE * (len(lines) - 2) + 16
    lines = lines if re.match(r"> |[-*] |\d+\. ", block) else [" ".join(lines)]
    return LINE * sum(ceil(width(line) / CHARACTERS) for line in lines) + (16 if block.startswith(">") else 0)


def width(line: str) -> int:
    """Return how much room a line takes, in Latin letters; a link takes that of its text."""
    shown = re.sub(r"\]\([^)]*\)", "", line)
    return max(1, sum(2 if ord(character) > 0x2E00 else 1 for character in shown))


# ---------------------------------------------------------------------------------------------------------- the cells


def as_text(block: str) -> NotebookNode:
    """Return a Markdown cell; a link to another notebook leads to its deck."""
    return new_markdown_cell(re.sub(r"(\]\(\w+)\.ipynb\)", r"\1.html)", block))


def without_outputs(cell: NotebookNode) -> NotebookNode:
    """Return the cell as it is before it was run."""
    return NotebookNode(cell, outputs=[], metadata=NotebookNode())


def find_checks(cell: NotebookNode) -> list[str]:
    """Return the names of the exercises that the cell checks."""
    return re.findall(r"^ex\.(\w+)\.check", cell.source, re.MULTILINE)


def prepare(notebook: NotebookNode) -> NotebookNode:
    """Return the notebook with outputs as slides show them: progress bars at their end, errors without their frames."""
    notebook, _ = CoalesceStreamsPreprocessor(enabled=True).preprocess(deepcopy(notebook), {})
    for cell in notebook.cells:
        if not is_code(cell):
            continue
        tags = []
        for output in cell.outputs:
            if output.output_type == "error":
                message = "\n".join(output.traceback).rpartition("\n\n")[2]
                output.traceback = [message.replace(f"{ROOT}/", "")]
            if "image/png" in output.get("data", {}):
                wide, high = figure_size(output.data["image/png"])
                output.metadata["image/png"] = {"width": round(wide), "height": round(high)}
                beside = max(map(len, cell.source.splitlines())) * CODE_WIDTH < WIDE - wide - 60
                tags += ["figure", "beside"] if beside else ["figure"]
        alternative = cell.metadata.get("mystnb", {}).get("image", {}).get("alt")
        cell.metadata = NotebookNode(cell.metadata, tags=cell.metadata.get("tags", []) + tags)
        if height(cell) > ROOM:
            cell.metadata.tags.append("long")  # in smaller letters
        if alternative:
            cell.metadata.alt = alternative
    return notebook


def figure_size(png: str) -> tuple[float, float]:
    """Return how many pixels wide and high a figure, a PNG in base64, is on a slide."""
    wide, high = Image.open(BytesIO(b64decode(png))).size
    scale = min(ZOOM, WIDE / wide)
    return scale * wide, scale * high


# ----------------------------------------------------------------------------------------------------------- the deck


def arrange(notebook: NotebookNode, hints: Mapping[str, Sequence[str]]) -> NotebookNode:
    """Return a notebook whose cells say where they stand in the slides, as nbconvert wants it."""
    arranged: list[NotebookNode] = []
    column = None
    for slide in find_slides(find_steps(prepare(notebook)), hints):
        new_column = not slide.heading.startswith("### ") and slide.heading != column
        column = column if slide.heading.startswith("### ") else slide.heading
        title = slide.heading.replace("### ", "## ")
        cells = [(as_text(title), "slide" if new_column else "subslide"), *((cell, "-") for cell in slide.cells)]
        if slide.notes:
            cells.append((as_text("\n\n".join(slide.notes)), "notes"))
        for cell, kind in cells:
            metadata = {**cell.metadata, "slideshow": {"slide_type": kind}}
            arranged.append(NotebookNode(cell, metadata=NotebookNode(metadata), id=f"cell-{len(arranged)}"))
    title = notebook.cells[0].source.splitlines()[0].removeprefix("# ")
    return new_notebook(cells=arranged, metadata={"title": title, "language_info": {"name": "python"}})


def make_exporter() -> SlidesExporter:
    """Return nbconvert's exporter of slides, with the template in docs/_decks."""
    config = Config()
    config.HTMLExporter.exclude_anchor_links = True
    config.CSSHTMLHeaderPreprocessor.style = "a11y-high-contrast-light"
    return SlidesExporter(config=config, template_name="deck", extra_template_basedirs=[str(DECKS)])


def copy_assets(folder: Path) -> None:
    """Copy reveal.js, which sphinx-revealjs brings, and what the decks look like to `folder`."""
    reveal = files("sphinx_revealjs") / "_static" / "revealjs"
    for name in "LICENSE", "dist/reset.css", "dist/reveal.css", "dist/reveal.js", "plugin/notes/notes.js":
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes((reveal / name).read_bytes())
    shutil.copy(DECKS / "deck.css", folder)
    shutil.copy(ROOT / "docs" / "_static" / "favicon.svg", folder)


def main() -> None:
    """Write a deck of every notebook, and a page that lists them."""
    shutil.rmtree(OUTPUT, ignore_errors=True)
    OUTPUT.mkdir(parents=True)
    copy_assets(OUTPUT / "assets")
    exporter, items = make_exporter(), []
    for (name, notebook), module in zip(executed_notebooks().items(), find_modules(), strict=True):
        deck = arrange(notebook, {key: exercise.hints for key, exercise in find_exercises(module).items()})
        page, _ = exporter.from_notebook_node(deck)
        (OUTPUT / f"{name}.html").write_text(page, encoding="utf-8")
        items.append(f'<li><a href="{name}.html">{deck.metadata.title}</a></li>')
    index = (DECKS / "index.html").read_text(encoding="utf-8")
    (OUTPUT / "index.html").write_text(index.replace("<!-- decks -->", "\n".join(items)), encoding="utf-8")
    print(f"The slides are in build/slides: open {OUTPUT / 'index.html'}")


if __name__ == "__main__":
    main()
