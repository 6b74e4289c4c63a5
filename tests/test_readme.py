"""What a page shares with its Chinese sister: facts. The Chinese words are written for their readers."""

import re
from importlib import import_module
from pathlib import Path

import mistune
import nbformat
import pytest

from tutorial_utils.exercises.catalogue import find_exercises

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
ENGLISH, CHINESE = "README.md", "README.zh-CN.md"
PROGRAMS = r"(\S*/)?(make|python|pip|conda|mamba|torchrun|sbatch) "
FOR_SLOW_NETWORKS = {"HTTPS_PROXY", "PIP_INDEX_URL"}  # what only the Chinese README has to explain

parse = mistune.create_markdown(renderer=None, plugins=["table"])
GUIDES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").glob("*.zh.md"))
PAIRS = [(ENGLISH, CHINESE), *((name.replace(".zh.md", ".md"), name) for name in GUIDES)]
each_pair = pytest.mark.parametrize(("english", "chinese"), PAIRS)
each_page = pytest.mark.parametrize("name", [name for pair in PAIRS for name in pair])
each_readme = pytest.mark.parametrize("name", [ENGLISH, CHINESE])


def find(kind, tokens):
    """Yield the tokens of one kind, in order, wherever they are nested."""
    for token in tokens:
        if token["type"] == kind:
            yield token
        yield from find(kind, token.get("children", []))


def parts(name, kind):
    """Return the parts of one kind of the README called `name`, in order, as mistune's tokens."""
    return list(find(kind, parse((ROOT / name).read_text(encoding="utf-8"))))


def compare(english, chinese):
    """Fail, and say which page lacks what, unless both lists are equal."""
    missing = [f"the Chinese page lacks: {fact}" for fact in english if fact not in chinese]
    missing += [f"the English page lacks: {fact}" for fact in chinese if fact not in english]
    assert not missing, "\n".join(missing)
    assert chinese == english, "Both have the same, but not in the same order."


def blocks(name):
    """Return the code blocks, without comments: what follows a `#` and a space may be in any language."""
    return [re.sub(r"[ \t]*(?<!\S)# .*", "", block["raw"]) for block in parts(name, "block_code")]


def inline_code(name):
    return sorted({span["raw"] for span in parts(name, "codespan")})


def variables(name):
    return sorted(set(re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", "\n".join(blocks(name) + inline_code(name)))))


def links(name):
    return [link["attrs"]["url"] for kind in ("link", "image") for link in parts(name, kind)]


@each_pair
def test_both_pages_show_the_same_code_blocks(english, chinese):
    compare(blocks(english), blocks(chinese))


@each_pair
def test_both_pages_name_the_same_commands_in_their_text(english, chinese):
    compare(*([code for code in inline_code(name) if re.match(PROGRAMS, code)] for name in (english, chinese)))


@each_pair
def test_both_pages_name_the_same_environment_variables_and_a_chinese_one_those_for_slow_networks_as_well(
    english, chinese
):
    assert set(variables(english)) <= set(variables(chinese)) <= set(variables(english)) | FOR_SLOW_NETWORKS


def test_a_readme_is_short_and_the_pages_it_leads_to_are_all_that_there_are():
    for name, pages in zip((ENGLISH, CHINESE), zip(*PAIRS[1:], strict=True), strict=True):
        assert len((ROOT / name).read_text(encoding="utf-8").splitlines()) <= 90
        assert {url for url in links(name) if url.startswith("docs/")} == {*pages, "docs/errors.md"}


def test_the_navigation_of_the_site_has_the_titles_of_the_table_in_both_languages():
    listed = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    english, chinese = (
        re.findall(r"^\| \[(\d\d) (.*?)\]\(notebooks/(\w+)\.ipynb\)", (ROOT / name).read_text(encoding="utf-8"), re.M)
        for name in (ENGLISH, CHINESE)
    )
    both = [
        (f"{number} {title} {translated}", notebook)
        for (number, title, notebook), (_, translated, _) in zip(english, chinese, strict=True)
    ]
    assert re.findall(r"^(.*) </notebooks/(\w+)>$", listed, re.M) == both != []


@each_readme
def test_the_table_lists_the_notebooks_there_are(name):
    rows = [link for table in parts(name, "table") for link in find("link", [table])]
    listed = [(row["children"][0]["raw"][:3], row["attrs"]["url"]) for row in rows if ".ipynb" in row["attrs"]["url"]]
    notebooks = sorted((ROOT / "notebooks").glob("*.ipynb"))
    assert listed == [(f"{path.name[:2]} ", f"notebooks/{path.name}") for path in notebooks]


@each_readme
def test_the_table_counts_the_exercises_and_repeats_the_minutes_of_the_notebooks(name):
    rows = re.findall(
        r"\(notebooks/(\w+)\.ipynb\).*\| (\d+) \+ (\d+) \| (\d+) \|", (ROOT / name).read_text(encoding="utf-8")
    )
    assert [row[0] for row in rows] == [path.stem for path in sorted((ROOT / "notebooks").glob("*.ipynb"))]
    for notebook, reading, exercising, count in rows:
        assert int(count) == len(find_exercises(import_module(f"tutorial_utils.exercises.ex{notebook}")))
        said = nbformat.read(ROOT / "notebooks" / f"{notebook}.ipynb", as_version=4).cells[0].source
        said = re.search(r"\*\*Time:\*\* (\d+) minutes to read, (\d+) for the exercises", said.replace("an hour", "60"))
        assert said.groups() == (reading, exercising)


@each_readme
def test_the_hours_that_it_asks_for_are_those_of_its_table(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    minutes = re.findall(r"\| (\d+) \+ (\d+) \| \d+ \|", text)
    read, exercised = (sum(map(int, column)) / 60 for column in zip(*minutes, strict=True))
    assert 6 <= read <= 7
    assert 8 <= exercised <= 9
    assert (
        "six to seven hours" in text and "eight to nine" in " ".join(text.split())
    ) or "六到七小时，练习八到九小时" in text


def test_the_plan_for_teachers_names_exercises_that_there_are():
    rows = re.findall(r"^\| \d \| (\d\d) .*? \| \d+ min \| (.*?) \|", (ROOT / "docs/teaching.md").read_text(), re.M)
    assert len(rows) == 8
    for number, names in rows:
        module = next(stem for stem in (path.stem for path in NOTEBOOKS) if stem.startswith(number))
        assert set(names.split(", ")) <= find_exercises(import_module(f"tutorial_utils.exercises.ex{module}")).keys()


@each_pair
def test_the_tables_of_both_pages_hold_the_same_numbers(english, chinese):
    compare(
        *(
            [sorted(re.findall(r"\d+(?:[.,]\d+)*", str(row["children"]))) for row in parts(name, "table_row")]
            for name in (english, chinese)
        )
    )


@each_readme
def test_each_readme_links_to_the_other_in_its_first_lines(name):
    other = {ENGLISH: CHINESE, CHINESE: ENGLISH}[name]
    assert f"]({other})" in "\n".join((ROOT / name).read_text(encoding="utf-8").splitlines()[:8])


@each_page
def test_no_link_of_a_page_leads_to_a_missing_file(name):
    files = [url.partition("#")[0] for url in links(name) if "://" not in url]
    assert [file for file in files if not (ROOT / name).parent.joinpath(file).exists()] == []


@pytest.mark.parametrize("name", ["docs/speed.md", "docs/speed.zh.md"])
def test_every_number_in_the_table_of_speeds_is_within_its_limit(name):
    rows = re.findall(r"\| ≤ ([\d.]+) (\S+) \| ([\d.]+) (\S+) \|", (ROOT / name).read_text(encoding="utf-8"))
    assert len(rows) >= 12
    for limit, unit, value, its_unit in rows:
        assert unit == its_unit
        assert float(value) <= float(limit)
