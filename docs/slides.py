"""The notebooks as slides for a class: `make slides` writes a reveal.js deck of each, with outputs, to build/slides.

What goes where is a rule, not a second text: each section is a column of slides, which have all that it says. Of a
**Predict**, the first click shows the question and the code, the next one the output and the answer. An exercise has a
slide of its own, without its help. What a cell's metadata skip, and what it only checks, is left out.
"""

import ast
import re
import shutil
import sys
from base64 import b64decode
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
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

DECKS = ROOT / "docs" / "_decks"
ROOM = 660  # pixels below a slide's heading, out of 720
# By the size of a slide's code: the heights of a line of text and of code, and the Latin letters in a line of text, of
# which a Chinese character takes the room of two. docs/_decks/deck.css sets the same.
SIZES = {24: (31, 28, 92), 21: (29, 25, 100), 19: (26, 23, 110), 17: (26, 20, 110)}
ROW, GAP = 30, 8  # pixels: the height of a table's row, and what is between two cells
WIDE, LETTER = 1168, 0.603  # pixels: a slide between its margins; the width of a letter of code, by its size
FIGURE = 340  # the height that a figure has at least, or its own if that is less
LONG = 32  # lines of code: a cell with more goes on on another slide
ZOOM = 1.2  # figures are drawn for a page; a class sits farther away
RECALL = "**Hide the right columns,** and ask for what stands there."
WAIT = "**Ask, and wait.** Everybody writes down a guess before you go on."


@dataclass
class Part:
    """A heading with its Markdown, such as "## The loss", the cells below it, and what only the speaker sees."""

    heading: str
    cells: list[NotebookNode] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def is_exercise(self) -> bool:
        """True if it is a task for the learners."""
        return self.heading.startswith("### Exercise")


# ------------------------------------------------------------------------------------------- from a notebook to parts


def find_parts(notebook: NotebookNode, chinese: bool) -> list[Part]:
    """Return what stands below each heading, in order, text cut into paragraphs; `chinese`: without English ones."""
    cells = [cell for cell in notebook.cells if not is_help(cell) and not is_check(cell)]
    parts: list[Part] = []
    for cell, below in zip_longest(cells, cells[1:]):
        if is_code(cell):
            parts[-1].cells += [] if is_skipped(cell) else find_steps(cell, parts[-1])
            continue
        spoken = is_skipped(cell) or (below is not None and is_skipped(below))
        for block in cell.source.split("\n\n"):
            if re.match("##? |### Exercise", block):
                parts.append(Part(block))
                continue
            if parts[-1].is_exercise and any(map(is_code, parts[-1].cells)):
                parts.append(Part(next(part.heading for part in reversed(parts) if not part.is_exercise)))
            if (spoken or chinese) and not re.match(r"[#|]|> [\u3000-\uffff]", block):
                parts[-1].notes.append(block)
            else:
                parts[-1].cells.append(as_text(block))
    return parts


def find_steps(cell: NotebookNode, part: Part) -> Iterator[NotebookNode]:
    """Yield what a class sees of a cell of code; below a question, what it sees later comes in a cell of its own."""
    source = cell.source if part.is_exercise else without_checks(cell.source)
    above = [other for other in part.cells if not is_code(other) or other.outputs]  # a question may ask about two cells
    asked = above and is_question(above[-1])
    while source.count("\n") >= LONG:
        cut = source.rindex("\n\n", 0, source.replace("\n", " ", LONG).index("\n"))
        yield NotebookNode(cell, source=source[:cut], outputs=[])
        source = source[cut:].strip("\n")
    yield NotebookNode(cell, source=source, outputs=[] if asked or part.is_exercise else cell.outputs)
    if asked and cell.outputs:
        yield NotebookNode(cell, source="", metadata=NotebookNode(cell.metadata, asked=source))


def without_checks(source: str) -> str:
    """Return the code without what checks the text, which would tell the answer to a question."""
    lines = source.splitlines()
    for statement in reversed(ast.parse(source).body if "assert" in source else []):
        if checks(statement):
            del lines[statement.lineno - 1 : statement.end_lineno]
    return "\n".join(lines).rstrip()


def checks(statement: ast.stmt) -> bool:
    """Return True for an assert, a call such as `assert_close(…)`, and a loop over those."""
    body = getattr(statement, "body", [])
    asserts = isinstance(statement, ast.Expr) and "assert" in ast.unparse(statement).partition("(")[0]
    return isinstance(statement, ast.Assert) or asserts or (isinstance(statement, ast.For) and all(map(checks, body)))


def is_code(cell: NotebookNode) -> bool:
    """Return True for a cell of code."""
    return cell.cell_type == "code"


def is_skipped(cell: NotebookNode) -> bool:
    """Return True for what a class need not see; its metadata say so, as other tools know it."""
    return cell.metadata.get("slideshow", {}).get("slide_type") == "skip"


def is_help(cell: NotebookNode) -> bool:
    """Return True for the two lines below an exercise that give a hint and the solution."""
    return is_code(cell) and all(line.startswith("# ex.") for line in cell.source.splitlines())


def is_check(cell: NotebookNode) -> bool:
    """Return True for code that checks what the text says and shows nothing; half of it may lead to that."""
    if not is_code(cell) or "assert" not in cell.source or cell.outputs:
        return False
    checking = [checks(statement) for statement in ast.parse(cell.source).body]
    return is_skipped(cell) or 2 * sum(checking) >= len(checking)


def is_question(cell: NotebookNode) -> bool:
    """Return True for a paragraph that lets you predict something."""
    return cell.source.startswith("> **Predict.**")


# ---------------------------------------------------------------------------------------------- from parts to slides


def find_slides(parts: Sequence[Part], hints: Mapping[str, Sequence[str]]) -> list[Part]:
    """Return the slides of all parts; `hints` are those of each exercise, which its speaker notes list."""
    slides, notes = [], []
    for part in parts:
        notes += part.notes  # without a cell, they come with the next slide
        if part.is_exercise:
            names = re.findall(r"^ex\.(\w+)\.check", "\n".join(cell.source for cell in part.cells), re.MULTILINE)
            notes += ["**Hints**, from gentle to telling:", *(f"- {tip}" for name in names for tip in hints[name])]
        for page in paginate(part.cells):
            notes += [WAIT] if any(map(is_question, page)) else []
            notes += [RECALL for cell in page if cell.source.startswith("|") and not any(map(is_code, page))]
            slides.append(Part(part.heading, page, notes))
            notes = []
    return slides


def number(slides: Sequence[Part], minutes: str) -> Iterator[str]:
    """Yield the headings of the slides, with "2/3" where there are several of one, and the minutes of an exercise."""
    total, seen = Counter(slide.heading for slide in slides), Counter[str]()
    for slide in slides:
        seen[slide.heading] += 1
        said = [minutes] if slide.is_exercise else []
        said += [f"{seen[slide.heading]}/{total[slide.heading]}"] if total[slide.heading] > 1 else []
        yield slide.heading.replace("### ", "## ") + (f" <small>{' · '.join(said)}</small>" if said else "")


def paginate(cells: Sequence[NotebookNode]) -> list[list[NotebookNode]]:
    """Return the cells on as few slides as can be, with few breaks where things belong together, in large letters."""
    best: list[tuple[float, list[list[NotebookNode]]]] = [(0, [])]  # of the first so many cells: what they cost, slides
    for end in range(1, len(cells) + 1):
        found: list[tuple[float, list[list[NotebookNode]]]] = []
        for start in range(end - 1, -1, -1):
            page, size, free = arrange_page(cells[start:end])
            if free < 0 and found:
                break
            cost = best[start][0] + 1 + list(SIZES).index(size) / 50 + (free / ROOM) ** 2 / 20
            cost += belong(cells[start - 1], cells[start]) if start else 0
            found.append((cost, [*best[start][1], page]))
        best.append(min(found, key=lambda option: option[0]))
    return best[-1][1]


def belong(above: NotebookNode, below: NotebookNode) -> float:
    """Return how much is lost, in slides, where a slide ends between the two cells."""
    if above.source.endswith(":") or above.source.startswith("#") or is_question(above):
        return 0.75
    if "asked" in below.metadata or "asked" in above.metadata:
        return 0.3  # the question's output and answer
    return 0.1 if below.source.startswith("> ") and not is_code(above) else 0


def arrange_page(cells: Sequence[NotebookNode]) -> tuple[list[NotebookNode], int, int]:
    """Return the cells of a slide as `mark` does, the size of its code, and how many pixels remain free."""
    for size in SIZES:
        page = mark(cells, size)
        free = ROOM - sum(GAP + height(cell, size) for cell in page)
        if free >= 0 and all(code_size(cell.source, size)[0] <= WIDE for cell in page if is_code(cell)):
            break
    return page, size, free


def mark(cells: Sequence[NotebookNode], size: int) -> list[NotebookNode]:
    """Return the cells of a slide with tags for their looks and with the click that shows them or their outputs."""
    page: list[NotebookNode] = []
    click = 0
    for cell in cells:
        source, metadata = cell.source, {**cell.metadata, "tags": [*cell.metadata.get("tags", []), f"code{size}"]}
        click += click > 0 and is_question(cell)
        metadata["click"] = click
        if "asked" in cell.metadata and page and page[-1].source == cell.metadata.asked:
            source, metadata["click"], metadata["answer"] = page.pop().source, click, click + 1
            click += 1
        elif "asked" in cell.metadata:
            metadata["transient"] = {"remove_source": True}  # it stands on the slide before
        outputs = max([output_size(output, size)[0] for output in cell.get("outputs", [])], default=WIDE)
        metadata["tags"] += ["beside"] if source and code_size(source, size)[0] + outputs + 24 <= WIDE else []
        page.append(NotebookNode(cell, source=source, metadata=NotebookNode(metadata)))
    return page


def code_size(source: str, size: int) -> tuple[int, int]:
    """Return about how many pixels wide and high code or text is in its box; what is too long for a line goes on."""
    widths = [ceil(len(line) * size * LETTER) + 34 for line in source.splitlines()]
    return max(widths, default=0), SIZES[size][1] * sum(ceil(wide / WIDE) for wide in widths) + 10


def output_size(output: NotebookNode, size: int) -> tuple[int, int]:
    """Return about how many pixels wide and high an output of a cell is."""
    data = output.get("data", {"text/plain": output.get("text") or "\n".join(output.get("traceback", []))})
    if "image/png" in data:
        return output.metadata["image/png"]["width"], min(FIGURE, output.metadata["image/png"]["height"])
    if "text/html" in data:
        return WIDE, ROW * data["text/html"].count("<tr")
    return code_size(data["text/plain"], size)


def height(cell: NotebookNode, size: int) -> int:
    """Return about how many pixels high the cell is on a slide whose code has that size."""
    if not is_code(cell):
        return text_height(cell.source, size)
    code = code_size(cell.source, size)[1] if cell.source else 0
    outputs = sum(output_size(output, size)[1] + 4 for output in cell.outputs)
    return max(code, outputs) if "beside" in cell.metadata.tags else code + outputs


def text_height(block: str, size: int) -> int:
    """Return about how many pixels high a paragraph, a list or a table is."""
    high, code, room = SIZES[size]
    lines = [line for line in block.splitlines() if not line.startswith("|--")]
    if block.startswith("```"):
        return code * (len(lines) - 2) + 10
    if block.startswith("|"):
        rows = [[width(cell) for cell in line.strip("| ").split("|")] for line in lines]
        most = [max(column) for column in zip(*rows, strict=False)]
        fit = min(1, room / sum(most))  # what is too wide for its column goes on on another line
        return ROW * sum(max(ceil(cell / wide / fit) for cell, wide in zip(row, most, strict=False)) for row in rows)
    lines = lines if re.match(r"> |[-*] |\d+\. ", block) else [" ".join(lines)]
    return high * sum(ceil(width(line) / room) for line in lines) + (10 if block.startswith(">") else 0)


def width(line: str) -> int:
    """Return how much room a line takes, in Latin letters; a link takes that of its text."""
    shown = re.sub(r"\]\([^)]*\)", "", line)
    return max(1, sum(2 if ord(character) > 0x2E00 else 1 for character in shown))


def as_text(block: str) -> NotebookNode:
    """Return a Markdown cell; a link to another notebook leads to its deck."""
    return new_markdown_cell(re.sub(r"(\]\(\w+)\.ipynb\)", r"\1.html)", block))


def prepare(notebook: NotebookNode) -> NotebookNode:
    """Return the notebook with outputs as slides show them: progress bars at their end, errors without their frames."""
    notebook, _ = CoalesceStreamsPreprocessor(enabled=True).preprocess(deepcopy(notebook), {})
    for cell in filter(is_code, notebook.cells):
        if "mystnb" in cell.metadata:
            cell.metadata.alt = cell.metadata.mystnb.image.alt
            cell.metadata.tags = [*cell.metadata.get("tags", []), "figure"]
        for output in cell.outputs:
            if output.output_type == "error":
                message = "\n".join(output.traceback).rpartition("\n\n")[2]
                output.traceback = [message.replace(f"{ROOT}/", "")]
            elif "image/png" in output.get("data", {}):
                wide, high = Image.open(BytesIO(b64decode(output.data["image/png"]))).size
                scale = min(ZOOM, WIDE / wide)
                output.metadata["image/png"] = {"width": round(scale * wide), "height": round(scale * high)}
    return notebook


def arrange(notebook: NotebookNode, hints: Mapping[str, Sequence[str]], chinese: bool = False) -> NotebookNode:
    """Return a notebook whose cells say where they stand in the slides, as nbconvert wants it."""
    arranged: list[NotebookNode] = []
    column = None
    first, *parts = find_parts(prepare(notebook), chinese)
    agenda, minutes = find_agenda(notebook, "分钟" if chinese else "min")
    slides = find_slides([first, Part("## 安排" if chinese else "## Agenda", [as_text(agenda)]), *parts], hints)
    for slide, title in zip(slides, number(slides, minutes), strict=True):
        new_column = not slide.heading.startswith("### ") and slide.heading != column
        column = column if slide.heading.startswith("### ") else slide.heading
        cells = [(as_text(title), "slide" if new_column else "subslide"), *((cell, "-") for cell in slide.cells)]
        if slide.notes:
            cells.append((as_text("\n\n".join(slide.notes)), "notes"))
        for cell, kind in cells:
            metadata = {**cell.metadata, "slideshow": {"slide_type": kind}}
            arranged.append(NotebookNode(cell, metadata=NotebookNode(metadata), id=f"cell-{len(arranged)}"))
    metadata = {"title": first.heading[2:], "language_info": {"name": "python"}, "lang": "zh" if chinese else "en"}
    return new_notebook(cells=arranged, metadata=metadata)


def find_agenda(notebook: NotebookNode, unit: str) -> tuple[str, str]:
    """Return a table of the sections with their shares of the notebook's minutes, and the minutes of an exercise."""
    text = "\n\n".join(cell.source for cell in notebook.cells if not is_code(cell))
    opening, *sections = re.split(r"^## ", text, flags=re.MULTILINE)
    reading, exercising = map(int, re.findall(r"(\d+) minutes to read, (\d+)", opening.replace("an hour", "60"))[0])
    each = f"{round(exercising / max(1, text.count('### Exercise')))} {unit}"
    words = [len(section.partition("### Exercise")[0].split()) for section in sections]
    rows = [f"| | {reading} {unit} | {exercising} {unit} |", "|---|---|---|"]
    for section, count in zip(sections, words, strict=True):
        tasks = section.count("### Exercise")
        share = max(1, round(reading * count / sum(words)))
        rows.append(f"| {section.splitlines()[0]} | {share} {unit} | {f'{tasks} × {each}' if tasks else ''} |")
    return "\n".join(rows), each


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
    for path in [*DECKS.glob("*.css"), ROOT / "docs" / "_static" / "favicon.svg"]:
        shutil.copy(path, folder)


def main() -> None:
    """Write a deck of every notebook, and a page that lists them; in Chinese with the argument `zh`."""
    chinese = "zh" in sys.argv[1:]
    output = ROOT / "build" / ("slides-zh" if chinese else "slides")
    shutil.rmtree(output, ignore_errors=True)
    copy_assets(output / "assets")
    exporter, items = make_exporter(), []
    for (name, notebook), module in zip(executed_notebooks().items(), find_modules(), strict=True):
        hints = {key: exercise.hints for key, exercise in find_exercises(module).items()}
        deck = arrange(notebook, hints, chinese)
        page, _ = exporter.from_notebook_node(deck)
        (output / f"{name}.html").write_text(page, encoding="utf-8")
        items.append(f'<li><a href="{name}.html">{deck.metadata.title}</a></li>')
        print(f"{name}:", page.count('class="page"'), "slides")
    index = (DECKS / "index.html").read_text(encoding="utf-8")
    (output / "index.html").write_text(index.replace("<!-- decks -->", "\n".join(items)), encoding="utf-8")
    print(f"The slides are in {output.relative_to(ROOT)}: open {output / 'index.html'}")


if __name__ == "__main__":
    main()
