"""The site as its readers get it, in Debian's Chromium: `make browse`, after `make site`."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest

pytestmark = pytest.mark.site

ROOT = Path(__file__).parent.parent
SITE = ROOT / "build" / "site"
NOTEBOOKS = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
LESSONS = [f"notebooks/{name}.html" for name in NOTEBOOKS]
MEGABYTE = 10**6


def pages():
    """Return the address of each page, relative to the site."""
    assert SITE.exists(), "There is no site: run `make site` first."
    return sorted(str(path.relative_to(SITE)) for path in SITE.rglob("*.html") if "_static" not in path.parts)


@pytest.fixture(autouse=True)
def own_data_folder():
    """The notebook that is run here uses the data that a learner's notebooks use, unlike the other tests."""


@pytest.fixture(scope="module")
def site(serve):
    assert pages()
    return serve(SITE)


@pytest.fixture
def visit(open_page, site):
    """Return a function that opens a page of the site as `open_page` does, by its name."""
    return lambda name, **settings: open_page(site + name, **settings)


# ----------------------------------------------------------------------------------- the notebook, which takes longest


@contextmanager
def lab(course):
    """Start JupyterLab as `make lab` does, on a copy of the course, and yield its address."""
    for part in "notebooks", "tutorial_utils":
        shutil.copytree(ROOT / part, course / part)
    command = [sys.executable, "-m", "tutorial_utils.lab", "--no-browser", "--ip=127.0.0.1"]
    environment = os.environ | {"PYTHONPATH": str(course), "PYTHONUNBUFFERED": "1"}
    environment["JUPYTER_CONFIG_DIR"] = str(course / "config")  # not what you have set in your own JupyterLab
    server = subprocess.Popen(
        command, cwd=course, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        addresses = (re.search(r"http://127\.0\.0\.1:\S+", line) for line in server.stdout)
        yield next(address[0] for address in addresses if address)
    finally:
        server.terminate()
        server.communicate()


def test_jupyterlab_opened_as_make_lab_does_runs_notebook_00_to_the_end(browser, tmp_path):
    from playwright.sync_api import expect  # of the extra `site`

    copy = tmp_path / "work" / f"{NOTEBOOKS[0]}.ipynb"
    with lab(tmp_path) as address:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(address)
        page.locator(".jp-Notebook .jp-CodeCell").first.wait_for(timeout=120_000)
        page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=120_000)  # before, nothing would run
        page.locator(".lm-MenuBar-itemLabel", has_text=re.compile("^Run$")).click()
        page.locator(".lm-Menu-itemLabel", has_text=re.compile("^Run All Cells$")).click()
        prompt = page.locator(".jp-CodeCell .jp-InputPrompt").last
        expect(prompt).to_have_text(re.compile(r"\[\d+\]:"), timeout=300_000)
        page.keyboard.press("Control+s")
        expect(page.locator(".jp-NotebookPanel.jp-mod-dirty, .lm-TabBar-tab.jp-mod-dirty")).to_have_count(0)
        page.close()

    cells = [cell for cell in json.loads(copy.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    assert all(cell["execution_count"] for cell in cells)
    for cell in cells:
        failed = any(output["output_type"] == "error" for output in cell["outputs"])
        assert failed == ("raises-exception" in cell["metadata"].get("tags", [])), cell["source"]


# ------------------------------------------------------------------------------------------------- what was built


def test_the_site_has_a_page_for_every_notebook_every_module_and_each_language():
    modules = {path.stem for path in (ROOT / "tutorial_utils").glob("*.py")} - {"__init__"}
    expected = {*LESSONS, "index.html", "docs/index.html", "docs/zh.html", "docs/api.html"}
    assert {*expected, *(f"docs/api/tutorial_utils.{name}.html" for name in modules)} <= set(pages())


def test_the_site_has_at_most_40_megabytes():
    assert sum(path.stat().st_size for path in SITE.rglob("*") if path.is_file()) <= 40 * MEGABYTE


def test_no_page_loads_anything_from_elsewhere(find_foreign):
    assert find_foreign(SITE) == []


def test_every_figure_is_there_with_its_alternative_text(find_alts):
    for name in LESSONS:
        shown, written = find_alts(SITE / name)
        assert shown == written, name


def test_the_reference_has_every_public_function_and_class_with_its_docstring():
    for path in sorted((ROOT / "tutorial_utils").glob("[a-z]*.py")):
        page = (SITE / "docs" / "api" / f"tutorial_utils.{path.stem}.html").read_text(encoding="utf-8")
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name[0] != "_" and ast.get_docstring(node):
                text = page.partition(f'id="tutorial_utils.{path.stem}.{node.name}"')[2]
                assert ast.get_docstring(node).split()[0].strip("`") in text, (path.stem, node.name)


def test_no_page_names_the_machine_that_made_it_or_what_was_not_filled_in():
    for name in pages():
        text = (SITE / name).read_text(encoding="utf-8")
        assert str(ROOT) not in text, name
        assert "not set" not in text, name
        assert "Alias for field" not in text, name


def test_code_in_docstrings_is_shown_as_code():
    for path in (SITE / "docs" / "api").glob("*.html"):
        assert "<blockquote" not in path.read_text(encoding="utf-8"), path.name


# --------------------------------------------------------------------------------------------- what a reader meets


CUT_CODE = "[...document.querySelectorAll('.cell_input pre')].filter(x => x.scrollWidth > x.clientWidth).length"


def test_every_page_loads_without_a_complaint_and_is_no_wider_than_a_desktop_or_a_phone(visit):
    for name in pages():
        page = visit(name)
        if name == "index.html":
            page.wait_for_url("**/docs/index.html")  # where it leads
        for width in (1280, 390):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth") <= width, name
            assert width < 1280 or page.evaluate(CUT_CODE) == 0, name


TERMS = {  # what readers look for, and a page that they should find
    "autograd": "05_autograd",
    "gradients": "05_autograd",
    "DataLoader": "02_datasets",
    "梯度": "05_autograd",
    "学习率": "06_optimization",
    "优化器": "06_optimization",
    "数据集": "02_datasets",
    "训练集": "00_quickstart",
    "测试集": "00_quickstart",
    "验证集": "06_optimization",
    "损失函数": "zh",
    "张量": "01_tensors",
    "广播": "01_tensors",
    "批次": "00_quickstart",
    "加速器": "00_quickstart",
    "状态字典": "00_quickstart",
    "检查点": "cluster.zh",
    "计算图": "05_autograd",
    "早停": "06_optimization",
    "准确率": "00_quickstart",
    "动量": "06_optimization",
}


def test_the_search_finds_what_readers_look_for_in_both_languages(visit):
    page = visit("search.html")
    missing = []
    for word, lesson in TERMS.items():
        page.evaluate("word => Search.performSearch(word)", word)
        try:
            page.wait_for_selector(f"#search-results a[href*='{lesson}']", timeout=5_000)
        except Exception:
            missing.append((word, page.locator("#search-results a").evaluate_all("links => links.map(l => l.href)")))
    assert missing == []


def test_questions_and_notes_are_told_apart_and_hints_unfold(visit):
    page = visit(LESSONS[0])
    colours = [
        page.locator(f"blockquote.{name}").first.evaluate("box => getComputedStyle(box).borderLeftColor")
        for name in ("predict", "note-zh", "exercise-zh")
    ]
    assert len(set(colours)) == 3
    hint = page.locator("details.hint").first
    assert not hint.evaluate("hint => hint.open")
    hint.locator("summary").click()
    assert hint.evaluate("hint => hint.open")
    assert page.get_by_text(".hint()", exact=False).count() <= 2  # told of in the first exercise


def test_a_chinese_page_says_that_it_is_chinese(visit):
    assert visit("docs/zh.html").evaluate("document.documentElement.lang") == "zh-CN"
    assert visit("docs/index.html").evaluate("document.documentElement.lang") == "en"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_on_a_page_keeps_a_reader_with_other_eyes_or_hands_out(visit, scheme):
    """axe-core finds no serious fault: contrast, names of buttons, headings, what a keyboard reaches."""
    from axe_playwright_python.sync_playwright import Axe  # of the extra `site`

    found = {}
    for name in (
        "docs/index.html",
        "docs/zh.html",
        "docs/errors.html",
        LESSONS[0],
    ):  # whose kinds of things all pages have
        result = Axe().run(visit(name, scheme=scheme), options={"resultTypes": ["violations"], "preload": False})
        for fault in result.response["violations"]:
            if fault["impact"] in ("serious", "critical"):
                found[name, fault["id"]] = [node["html"][:200] for node in fault["nodes"][:3]]
    assert found == {}


def test_the_course_can_be_downloaded_from_the_pages_where_readers_arrive(visit):
    for name in "docs/index.html", "docs/zh.html":
        page = visit(name)
        with page.expect_download() as download:
            page.locator("a[download]", has_text=re.compile("download the course|下载课程")).click()
        with zipfile.ZipFile(download.value.path()) as course:
            assert {"pytorch-course/Makefile", "pytorch-course/notebooks/00_quickstart.ipynb"} <= set(course.namelist())


def test_one_entry_of_the_menu_is_lit_and_after_07_comes_no_page_in_another_language(visit):
    for name in LESSONS:
        page = visit(name)
        assert page.locator("nav.bd-links li.current.active > a").count() == 1, name
    assert visit(LESSONS[-1]).locator("a.right-next").get_attribute("href") == "../docs/capstone.html"


def test_the_navigation_lists_the_lessons_in_english_and_in_chinese(visit):
    page = visit(LESSONS[0])
    captions = page.locator("nav .caption-text").all_inner_texts()
    assert {"Lessons", "中文目录"} <= set(captions)
    lessons = page.locator("nav.bd-links a", has_text=re.compile(r"^0\d \w.*[一-鿿]")).all_inner_texts()
    assert [lesson[:2] for lesson in lessons] == [name[:2] for name in NOTEBOOKS]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_follows_the_reader_into_light_and_dark(visit, scheme):
    page = visit(LESSONS[0], scheme=scheme)
    color = page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(int(number) for number in re.findall(r"\d+", color)[:3]) / 3
    assert (brightness > 128) == (scheme == "light")


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_the_notebook_of_a_page_can_be_downloaded_and_its_code_copied(visit, name):
    page = visit(f"notebooks/{name}.html")
    link = page.locator("a.btn-download-source-button, a[download][href$='.ipynb'], a[href$='.ipynb'][title*='source']")
    address = page.evaluate("link => link.href", link.first.element_handle())
    downloaded = page.request.get(address).body()
    assert downloaded == (ROOT / "notebooks" / f"{name}.ipynb").read_bytes()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    cell = page.locator(".cell_input").nth(1)
    cell.hover()
    cell.locator("button.copybtn").click()
    code = cell.locator("pre").inner_text().strip()
    page.wait_for_function("code => navigator.clipboard.readText().then(text => text === code)", arg=code)


def test_a_deliberate_error_is_marked_as_one_and_there_is_no_other(visit):
    from bs4 import BeautifulSoup  # of the extra `site`

    for name in LESSONS:
        page = BeautifulSoup((SITE / name).read_text(encoding="utf-8"), "html.parser")
        assert len(page.select(".cell.tag_raises-exception .output.traceback")) == 1, name
        assert len(page.select(".output.traceback")) == 1, name
    output = visit(LESSONS[0]).locator(".cell.tag_raises-exception .cell_output")
    label = output.evaluate("output => getComputedStyle(output, '::before').content")
    assert "made on purpose" in label
    assert "故意" in label


# ---------------------------------------------------------------------------------------------------- what is run


@pytest.fixture
def one_notebook(tmp_path, monkeypatch):
    """Return a function that executes a notebook with one cell, as `make site` does all, in a cache of its own."""
    from docs import execute  # whose libraries are those of the extra `site`

    path = tmp_path / "one.ipynb"
    monkeypatch.setattr(execute, "NOTEBOOKS", [path])
    monkeypatch.setattr(execute, "cache_folder", lambda: tmp_path / "cache")

    def run(source):
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source, id="cell")])
        notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(notebook, path)
        return execute.executed_notebooks()["one"].cells[0].outputs[0].text

    return run


def test_a_notebook_is_executed_once_and_again_when_it_changes(one_notebook):
    source = "import uuid; print(uuid.uuid4())"
    first = one_notebook(source)
    assert one_notebook(source) == first
    assert one_notebook(f"{source}  # changed") != first


def test_a_cell_that_fails_ends_the_build_with_its_notebook_and_error(one_notebook):
    with pytest.raises(SystemExit, match=r"(?s)one\.ipynb failed.*1 / 0.*ZeroDivisionError"):
        one_notebook("1 / 0")
