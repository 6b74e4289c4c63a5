"""The slides as a class sees them, in Debian's Chromium: `make browse`, after `make slides`."""

import json
import re
from functools import cache
from pathlib import Path

import pytest

from tutorial_utils.exercises.catalogue import find_exercises, find_modules

pytestmark = pytest.mark.site

ROOT = Path(__file__).parent.parent
SLIDES = ROOT / "build" / "slides"
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
MEGABYTE = 10**6
each_deck = pytest.mark.parametrize("name", [path.stem for path in NOTEBOOKS])

# What sticks out of the slide, of its page between the margins, or of a line of text; a box that scrolls may.
LOOK = """() => {
    const slide = Reveal.getCurrentSlide(), page = slide.querySelector(".page");
    const frame = document.querySelector(".reveal").getBoundingClientRect();
    const outside = [...page.querySelectorAll("*")].filter(element => {
        const box = element.getBoundingClientRect();
        const scrolls = element.closest(".input, .output_wrapper");
        const inside = box.left >= frame.left && box.right <= frame.right && box.bottom <= frame.bottom;
        return !inside && !(scrolls && scrolls !== element);
    });
    const cut = page.scrollWidth > page.clientWidth || page.scrollHeight > page.clientHeight;
    return {
        title: page.querySelector("h1, h2").innerText,
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
    """Go through the open deck as a speaker does, and return what is on each slide."""
    page.wait_for_function("Reveal.isReady()")
    seen = [page.evaluate(LOOK)]
    while not page.evaluate("Reveal.isLastSlide()"):
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


def test_a_page_lists_the_decks_in_their_order(open_page, slides):
    links = open_page(slides).locator("li a").evaluate_all("links => links.map(link => link.getAttribute('href'))")
    assert links == [f"{path.stem}.html" for path in NOTEBOOKS]


@each_deck
def test_the_space_bar_leads_through_all_of_the_notebook_on_slides_that_fit_a_class(open_page, slides, name):
    seen = walk_through(open_page(f"{slides}{name}.html", height=720))
    for number, slide in enumerate(seen, start=1):
        assert slide["size"] == [1280, 720]
        assert slide["fits"], (number, slide["title"], slide["text"])
        assert min(slide["sizes"]) >= 17, (number, slide["title"])  # pixels
        assert all(part > 0.8 for part in slide["figures"]), (number, slide["title"])
        assert "Ask, and wait" not in slide["text"]  # which is in the notes

    sources = read_texts(name)
    titles = [title.replace("`", "") for source in sources for title in re.findall(r"^##+ (.*)", source, re.MULTILINE)]
    assert set(titles) == {slide["title"] for slide in seen[1:]}
    text = re.sub(r"[\s*]", "", "".join(slide["text"] for slide in seen))
    for source in sources:
        for note in re.findall(r"^> ((?:笔记|练习|概要)：(?:.*\n?> ?)*.*)", source, re.MULTILINE):
            assert re.sub(r"\n> ?|[\s`*\\]", "", note) in text
        for first_cell in re.findall(r"^\| ([^|]+)", source, re.MULTILINE):
            assert re.sub(r"\]\(.*?\)|[\s`*[]", "", first_cell) in text


@each_deck
def test_every_section_has_speaker_notes(name):
    columns = read(name).select(".slides > section")
    assert [column.h2.text for column in columns[1:] if not column.select("aside.notes")] == []
    assert any("Ask, and wait" in notes.text for notes in read(name).select("aside.notes"))


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


@each_deck
def test_the_answer_to_a_question_comes_one_slide_later(name):
    slides = read(name).select(".page")
    asking = [number for number, slide in enumerate(slides) if "Predict." in slide.text]
    assert len(asking) == "\n".join(read_texts(name)).count("> **Predict.**") > 0
    with_code = [number for number, slide in enumerate(slides) if slide.select(".input")]
    for number in asking:
        question, answer = [later for later in with_code if later >= number][:2]
        assert question - number <= 1
        assert not slides[question].select(".output_wrapper")
        assert slides[question].select_one(".input").text == slides[answer].select_one(".input").text
        told = slides[answer : answer + 2]
        assert any(slide.select(".output_wrapper, .text p") for slide in told), slides[answer].text


def test_slides_load_nothing_from_elsewhere_and_have_at_most_15_megabytes_each(find_foreign):
    assert find_foreign(SLIDES) == []
    assets = sum(path.stat().st_size for path in (SLIDES / "assets").rglob("*") if path.is_file())
    for path in NOTEBOOKS:
        assert (SLIDES / f"{path.stem}.html").stat().st_size + assets <= 15 * MEGABYTE


@each_deck
def test_every_figure_is_on_a_slide_with_its_alternative_text(find_alts, name):
    shown, written = find_alts(SLIDES / f"{name}.html")
    assert shown == written


@each_deck
def test_a_deck_does_not_name_the_machine_that_made_it(name):
    assert str(ROOT) not in (SLIDES / f"{name}.html").read_text(encoding="utf-8")


def test_the_speaker_view_opens_with_the_notes_of_the_slide(open_page, slides):
    page = open_page(f"{slides}{NOTEBOOKS[0].stem}.html#/1")
    page.wait_for_function("Reveal.isReady()")
    with page.expect_popup() as popup:
        page.keyboard.press("s")
    notes = popup.value.locator(".speaker-controls-notes .value")
    notes.get_by_text("Shift").wait_for()


@each_deck
def test_on_a_phone_a_deck_is_a_page_as_wide_as_the_window(open_page, slides, name):
    page = open_page(f"{slides}{name}.html", width=390)
    width, height = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
    assert width == 390
    assert height > 10_000
    assert page.locator("aside.notes").first.is_hidden()
