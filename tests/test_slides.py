"""The slides: what goes where, and what a class sees in Debian's Chromium: `make browse`, after `make slides`."""

import json
import re
from functools import cache
from pathlib import Path

import nbformat
import pytest

from tutorial_utils.exercises.catalogue import find_exercises, find_modules

site = pytest.mark.site

ROOT = Path(__file__).parent.parent
SLIDES = ROOT / "build" / "slides"
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
MEGABYTE = 10**6
each_deck = pytest.mark.parametrize("name", [path.stem for path in NOTEBOOKS])

# What sticks out of the slide, of its page between the margins, or of a box with code or its output.
LOOK = """() => {
    const slide = Reveal.getCurrentSlide(), page = slide.querySelector(".page");
    const frame = document.querySelector(".reveal").getBoundingClientRect();
    const outside = [...page.querySelectorAll("*")].filter(element => {
        const box = element.getBoundingClientRect();
        return box.left < frame.left || box.right > frame.right || box.bottom > frame.bottom;
    });
    const boxes = [page, ...page.querySelectorAll(".input, .output_wrapper")];
    const cut = boxes.some(box => box.scrollWidth > box.clientWidth + 1 || box.scrollHeight > box.clientHeight + 1);
    return {
        titles: [...page.querySelectorAll("h1, h2, h3")].map(title => [...title.childNodes].filter(
            node => node.nodeName !== "SMALL").map(node => node.textContent).join("").trim()),
        text: page.innerText,
        sizes: [...page.querySelectorAll("p, li, td, pre")].map(e => parseFloat(getComputedStyle(e).fontSize)),
        fits: !cut && outside.length === 0,
        figures: [...page.querySelectorAll("img")].map(e => e.clientHeight / Math.min(e.getAttribute("height"), 380)),
        size: [frame.width, frame.height],
    };
}"""


@pytest.fixture(scope="module")
def slides(serve):
    assert SLIDES.exists(), "There are no slides: run `make slides` first."
    return serve(SLIDES)


def walk_through(page):
    """Go through the open deck as a speaker does, and return what is on each slide once all of it is shown."""
    page.wait_for_function("Reveal.isReady()")
    seen = []
    while not seen or not page.evaluate("Reveal.isLastSlide()"):
        if seen:
            page.keyboard.press("Space")
        while page.evaluate("Reveal.availableFragments().next"):
            page.keyboard.press("Space")
        seen.append(page.evaluate(LOOK))
    assert len(seen) == page.evaluate("Reveal.getTotalSlides()")
    return seen


@cache
def read(name):
    """Return the deck as a tree of elements, for all tests, in which each section has a page and may have notes."""
    from bs4 import BeautifulSoup  # of the extra `site`

    deck = BeautifulSoup((SLIDES / f"{name}.html").read_text(encoding="utf-8"), "html.parser")
    for notes in deck.select(".page > aside.notes"):
        notes.find_parent("section").append(notes)  # beside the page, whose text is what a class sees
    return deck


def read_texts(name):
    """Return the texts of the notebook's Markdown cells."""
    cells = json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]


OPENING = "# 09 · Small\n\n**You will** see.\n\n**Time:** 30 minutes to read, 16 for the exercises.\n\n> 概要：小。"
TASK = "### Exercise: {}\n\nWrite it.\n\n> 练习：写。"
STUB = "def {0}(x):\n    raise NotImplementedError  # your code here\n\n\nex.{0}.check({0})"
DOT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="


def code(source, text="", figure="", **metadata):
    """Return a cell of code that has run, and printed a text or drawn a figure."""
    outputs = [nbformat.v4.new_output("stream", text=text)] if text else []
    outputs += [nbformat.v4.new_output("display_data", data={"image/png": figure})] if figure else []
    return nbformat.v4.new_code_cell(source, outputs=outputs, metadata=metadata)


@pytest.fixture
def make_deck():
    """A function that makes a deck of the cells of a small notebook, and returns its slides as trees of elements."""
    for library in "bs4", "jupyter_cache", "nbconvert", "sphinx_revealjs":
        pytest.importorskip(library, reason="what makes slides is not set up here")
    from bs4 import BeautifulSoup

    from docs import slides

    def make(*cells, chinese=False):
        cells = [cell if isinstance(cell, dict) else nbformat.v4.new_markdown_cell(cell) for cell in (OPENING, *cells)]
        hints = {"first": ["Look."], "second": ["Think."]}
        deck = slides.arrange(nbformat.v4.new_notebook(cells=cells), hints, chinese)
        page, _ = slides.make_exporter().from_notebook_node(deck)
        return BeautifulSoup(page, "html.parser").select("section > .page")

    return make


def test_a_slide_has_whole_paragraphs_however_long(make_deck):
    long = "The sigmoid turns a logit into a probability. " + "It is the same for all of them. " * 9 + "This is **it**."
    page = make_deck("## The loss\n\n" + long, code("loss"))[2]
    assert long.replace("**", "") in page.text
    assert page.select("aside.notes") == []


def test_a_question_and_its_code_come_first_and_a_click_later_the_output_with_its_figure_and_the_answer(make_deck):
    question = "## Noise\n\nA lead.\n\n> **Predict.** What comes out?"
    cells = (
        question,
        code("draw()\nassert 1 == 1", "three\n", DOT),
        "It is three.\n\n> 笔记：三。",
        code("assert 3 == 3"),
    )
    (page,) = make_deck(*cells)[2:]
    later = page.select(".fragment")
    assert [part["data-fragment-index"] for part in later] == ["1", "1", "1"]
    shown = "".join(part.text for part in later)
    assert all(word in shown for word in ("three", "It is three.", "三"))
    assert later[0].img
    assert not any(word in shown for word in ("A lead", "draw"))
    assert "draw()" in page.select_one(".input").text
    assert "assert" not in page.text


def test_two_questions_on_a_slide_come_one_after_the_other(make_deck):
    first, second = "## Noise\n\n> **Predict.** One?", "Yes.\n\n> **Predict.** Two?"
    (page,) = make_deck(first, code("a", "1"), second, code("b", "2"), "No.")[2:]
    clicks = {text: find_clicks(page.find(string=re.compile(text))) for text in (r"One", "Yes", r"Two", "No\\.")}
    assert clicks == {"One": 0, "Yes": 1, "Two": 2, "No\\.": 3}


def test_where_a_slide_has_no_room_for_the_answer_it_comes_on_the_next_one_without_the_code(make_deck):
    source = "\n".join(f"print({number})" for number in range(20))
    printed = "\n".join(f"printed {number}" + "." * 90 for number in range(20))
    question, answer = make_deck("## Much\n\n> **Predict.** What?", code(source, printed), "That.")[2:]
    assert "print(19)" in question.text
    assert not question.select(".output_wrapper")
    assert "printed 19" in answer.text
    assert not answer.select(".input, .fragment")


def test_code_is_large_where_there_is_room_and_goes_on_on_another_slide_where_there_is_none(make_deck):
    few = make_deck("## Few", code("a = 1", "1"))[2]
    assert few.select_one(".code_cell")["class"][-2:] == ["celltag_code24", "celltag_beside"]
    lines = [f"line_{number} = {number}" + "\n" * (number % 10 == 9) for number in range(50)]
    pages = make_deck("## Many", code("\n".join(lines), "done"))[2:]
    assert len(pages) == 2
    assert [line in "".join(page.text for page in pages) for line in ("line_0 = 0", "line_49 = 49")] == [True, True]
    assert [len(page.select(".output_wrapper")) for page in pages] == [0, 1]


def test_what_only_checks_and_what_a_class_need_not_see_is_left_out(make_deck):
    skip = {"slideshow": {"slide_type": "skip"}}
    checks = "names = [1]\nassert names\nfor name in names:\n    assert name\ntorch.testing.assert_close(1, 1)"
    aside = nbformat.v4.new_markdown_cell("An aside.", metadata=skip)
    page = make_deck("## Set-up\n\nIt is imported:", code("import torch", **skip), code("a", "1"), code(checks), aside)[
        2
    ]
    assert [cell.text.strip() for cell in page.select(".input pre")] == ["a"]
    assert "aside" not in "".join(cell.text for cell in page.find_all(class_="text") if not cell.find_parent("aside"))
    assert "imported" in page.select_one("aside.notes").text


def test_headings_count_the_slides_of_a_section_and_an_exercise_tells_its_minutes(make_deck):
    tasks = [TASK.format("one"), code(STUB.format("first")), TASK.format("two"), code(STUB.format("second"))]
    pages = make_deck("## A\n\nIt is long. " + "Word " * 80, code("a"), *tasks, "More.", "## B\n\nShort.")
    titles = [page.select_one("h1, h2").text for page in pages]
    assert titles == ["09 · Small", "Agenda", "A 1/2", "Exercise: one 8 min", "Exercise: two 8 min", "A 2/2", "B"]
    assert "Look." in pages[3].select_one("aside.notes").text
    rows = [[cell.text for cell in row.select("th, td")] for row in pages[1].select("tr")]
    assert rows == [["", "30 min", "16 min"], ["A", "29 min", "2 × 8 min"], ["B", "1 min", ""]]


def test_a_chinese_deck_has_the_chinese_notes_and_the_same_code_with_the_english_text_for_the_speaker(make_deck):
    cells = "## Noise\n\nA lead.\n\n> **Predict.** What?", code("draw()", "three"), "It is three.\n\n> 笔记：三。"
    title, agenda, page = make_deck(*cells, TASK.format("one"), code(STUB.format("first")), chinese=True)[:3]
    assert "概要" in title.text
    assert "分钟" in agenda.text
    notes = page.aside.extract()
    assert [text in page.text for text in ("draw()", "three", "笔记：三。", "It is", "lead")] == [
        True,
        True,
        True,
        False,
        False,
    ]
    assert "A lead." in notes.text


@site
def test_a_page_lists_the_decks_in_their_order(open_page, slides):
    links = open_page(slides).locator("li a").evaluate_all("links => links.map(link => link.getAttribute('href'))")
    assert links == [f"{path.stem}.html" for path in NOTEBOOKS]


@site
@each_deck
def test_the_space_bar_leads_through_all_of_the_notebook_on_slides_that_fit_a_class(open_page, slides, name):
    seen = walk_through(open_page(f"{slides}{name}.html", height=720))
    for number, slide in enumerate(seen, start=1):
        assert slide["size"] == [1280, 720]
        assert slide["fits"], (number, slide["text"])
        assert min(slide["sizes"]) >= 17, (number, slide["titles"])  # pixels
        assert all(part > 0.8 for part in slide["figures"]), (number, slide["titles"])
        assert "Ask, and wait" not in slide["text"]  # which is in the notes

    sources = read_texts(name)
    titles = [title.replace("`", "") for source in sources for title in re.findall(r"^##+ (.*)", source, re.MULTILINE)]
    assert seen[1]["titles"] == ["Agenda"]
    assert set(titles) == {title for slide in seen[2:] for title in slide["titles"]}
    text = re.sub(r"[\s*]", "", "".join(slide["text"] for slide in seen))
    for source in sources:
        for note in re.findall(r"^> ((?:笔记|练习|概要)：(?:.*\n?> ?)*.*)", source, re.MULTILINE):
            assert re.sub(r"\n> ?|[\s`*\\]", "", note) in text
        for first_cell in re.findall(r"^\| ([^|]+)", source, re.MULTILINE):
            assert re.sub(r"\]\(.*?\)|[\s`*[]", "", first_cell) in text


@site
@site
@each_deck
def test_every_section_has_speaker_notes(name):
    columns = read(name).select(".slides > section")
    assert [column.h2.text for column in columns[1:] if not column.select("aside.notes")] == []
    assert any("Ask, and wait" in notes.text for notes in read(name).select("aside.notes"))


@site
@pytest.mark.parametrize("module", find_modules(), ids=lambda module: module.__name__.rpartition(".ex")[2])
def test_each_exercise_has_its_task_on_a_slide_and_its_hints_in_the_notes_but_no_answer(module):
    pages = read(module.__name__.rpartition(".ex")[2]).select("section > .page")
    for name, exercise in find_exercises(module).items():
        (page,) = [page for page in pages if f"ex.{name}.check" in page.text]
        title = page.h2.text
        task = [other for other in pages if other.select_one("h1, h2").text == title]
        assert title.startswith("Exercise")
        assert "练习：" in "".join(other.text for other in task)
        notes = "".join(other.parent.select_one("aside.notes").text for other in task if other.parent.aside)
        for hint in exercise.hints:
            assert re.sub(r"[`*\s]", "", hint) in re.sub(r"[`*\s]", "", notes)
        code = "".join(cell.text for other in task for cell in other.select(".input"))
        assert "your code here" in code or "..." in code
        assert not all(line in code for line in exercise.source.splitlines())
        assert not page.select(".output_wrapper")


@site
@each_deck
def test_a_click_below_the_question_and_its_code_shows_the_output_and_the_answer(name):
    pages = read(name).select(".page")
    questions = [(page, block) for page in pages for block in page.select("blockquote") if "Predict." in block.text]
    assert len(questions) == "\n".join(read_texts(name)).count("> **Predict.**") > 0
    with_code = 0
    for page, question in questions:
        assert not any(re.search(r"^assert ", code.text, re.MULTILINE) for code in page.select(".input pre"))
        clicks = find_clicks(question)
        cell = question.find_next(class_="code_cell")
        while cell.find_parent(class_="page") is page and not cell.select(".output_wrapper"):
            assert find_clicks(cell) == clicks
            cell = cell.find_next(class_="code_cell")
        if cell.find_parent(class_="page") is page:
            with_code += 1
            assert cell.select_one(".input")
            assert find_clicks(cell.select_one(".output_wrapper")) == clicks + 1
            for later in cell.find_next_siblings(class_=["text", "code_cell"]):
                assert find_clicks(later) > clicks
        else:  # there was no room: the output is on a slide after this one, without the code
            assert cell.find_parent(class_="page") in pages[pages.index(page) + 1 : pages.index(page) + 3]
            assert not {code.text for code in cell.select(".input")} & {code.text for code in page.select(".input")}
    assert with_code > len(questions) / 2


def find_clicks(element):
    """Return how many clicks it takes until the slide shows the element."""
    return max([int(part["data-fragment-index"]) for part in element.find_parents(class_="fragment")], default=0)


@site
@each_deck
def test_the_set_up_with_its_versions_takes_one_slide(name):
    assert [page.h2.text for page in read(name).select(".page") if page.h2 and "Set-up" in page.text].count(
        "Set-up"
    ) == 1
    assert sum("{torch.__version__}" in page.text for page in read(name).select(".page")) == 1


@site
def test_a_class_gets_through_all_decks_with_at_most_450_slides():
    assert sum(len(read(path.stem).select(".page")) for path in NOTEBOOKS) <= 450


@site
def test_slides_load_nothing_from_elsewhere_and_have_at_most_15_megabytes_each(find_foreign):
    assert find_foreign(SLIDES) == []
    assets = sum(path.stat().st_size for path in (SLIDES / "assets").rglob("*") if path.is_file())
    for path in NOTEBOOKS:
        assert (SLIDES / f"{path.stem}.html").stat().st_size + assets <= 15 * MEGABYTE


@site
@each_deck
def test_every_figure_is_on_a_slide_with_its_alternative_text(find_alts, name):
    shown, written = find_alts(SLIDES / f"{name}.html")
    assert shown == written


@site
@each_deck
def test_a_deck_does_not_name_the_machine_that_made_it(name):
    assert str(ROOT) not in (SLIDES / f"{name}.html").read_text(encoding="utf-8")


@site
def test_the_speaker_view_shows_the_notes_the_slide_and_the_next_one_as_slides(open_page, slides):
    page = open_page(f"{slides}{NOTEBOOKS[0].stem}.html#/2")
    page.wait_for_function("Reveal.isReady()")
    with page.expect_popup() as popup:
        page.keyboard.press("s")
    popup.value.set_viewport_size({"width": 1000, "height": 700})
    popup.value.locator(".speaker-controls-notes .value").get_by_text("Ask, and wait").wait_for()
    frames = popup.value.frames[1:]
    for frame in frames:
        frame.wait_for_function("Reveal.isReady() && Reveal.getIndices().h >= 2")
    assert min(frame.evaluate("innerWidth") for frame in frames) < 600
    present, upcoming = [frame.evaluate("[Reveal.getIndices().v, Reveal.getIndices().f]") for frame in frames]
    assert present != upcoming
    assert [frame.evaluate("Reveal.getConfig().width") for frame in frames] == [1280, 1280]
    assert all(frame.locator("section.present .page:visible").count() == 1 for frame in frames)


@site
def test_the_decks_print_a_slide_on_a_page_with_all_that_clicks_show(open_page, slides):
    page = open_page(f"{slides}{NOTEBOOKS[0].stem}.html?print-pdf")
    page.wait_for_function("Reveal.isReady()")
    page.locator(".pdf-page").last.wait_for()
    assert page.locator(".fragment:not(.visible)").count() == 0
    paper = page.pdf(prefer_css_page_size=True, print_background=True)
    total = page.locator(".page").count()
    assert len(re.findall(rb"/Type\s*/Page\b", paper)) == page.locator(".pdf-page").count() == total > 40


@site
@each_deck
def test_on_a_phone_a_deck_is_a_page_as_wide_as_the_window(open_page, slides, name):
    page = open_page(f"{slides}{name}.html", width=390, scheme="dark")
    width, height = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
    assert width == 390
    assert height > 10_000
    boxes = page.locator(".input, .output_wrapper")
    assert boxes.evaluate_all("boxes => boxes.filter(box => box.scrollWidth > box.clientWidth + 1).length") == 0
    assert page.locator("aside.notes").first.is_hidden()
