"""The ways into the course that need no set-up by hand: links to services, a container, an editor."""

import json
import re
from pathlib import Path

import pytest

from docs import launch

ROOT = launch.ROOT
ADDRESS = "https://github.com/someone/a.course"
each_readme = pytest.mark.parametrize("name", launch.INTRODUCTIONS)


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def load(name: str) -> dict:
    return json.loads(read(name))


@each_readme
def test_the_links_in_a_readme_are_those_of_the_address_in_pyproject(name):
    """If this fails: `make launch`."""
    assert launch.with_links(read(name), launch.INTRODUCTIONS[name], launch.find_address()) == read(name)


@each_readme
def test_without_an_address_there_is_no_link(name):
    text = launch.with_links(read(name), launch.INTRODUCTIONS[name], None)
    assert f"{launch.BEGIN}{launch.END}" in text
    assert re.search(r"colab\.|kaggle\.|mybinder\.|codespaces\.", text) is None


@each_readme
def test_with_an_address_there_are_four_links_and_all_else_stays(name):
    text = launch.with_links(read(name), launch.INTRODUCTIONS[name], ADDRESS)
    line = text.partition(launch.BEGIN)[2].partition(launch.END)[0]
    assert re.findall(r"\[(\w+)\]\((\S+)\)", line) == list(launch.links(ADDRESS).items())
    assert launch.with_links(text, launch.INTRODUCTIONS[name], launch.find_address()) == read(name)


def test_the_links_have_the_forms_that_the_services_document():
    assert launch.links(ADDRESS) == {
        "Colab": "https://colab.research.google.com/github/someone/a.course/blob/main/notebooks/00_quickstart.ipynb",
        "Kaggle": "https://kaggle.com/kernels/welcome?src=https://github.com/someone/a.course/blob/main/"
        "notebooks/00_quickstart.ipynb",
        "Binder": "https://mybinder.org/v2/gh/someone/a.course/main?urlpath=lab/tree/notebooks/00_quickstart.ipynb",
        "Codespaces": "https://codespaces.new/someone/a.course?quickstart=1",
    }
    assert (ROOT / launch.FIRST).exists()


@pytest.mark.parametrize("address", [f"{ADDRESS}/", f"{ADDRESS}.git"])
def test_an_address_may_be_written_as_git_or_a_browser_shows_it(address):
    assert launch.links(address) == launch.links(ADDRESS)


@pytest.mark.parametrize("address", ["https://github.com/someone", "https://elsewhere.org/a/b", "git@github.com:a/b"])
def test_another_address_is_refused_with_a_sentence(address):
    with pytest.raises(ValueError, match="launch links need one"):
        launch.links(address)


@pytest.mark.parametrize(("page", "readme"), [("docs/index.md", "README.md"), ("docs/zh.md", "README.zh-CN.md")])
def test_the_site_shows_the_links_of_the_readme(page, readme):
    marks = f":start-after: {launch.BEGIN.strip()}\n:end-before: {launch.END}\n"
    assert f"```{{include}} ../{readme}\n{marks}```" in read(page)


def test_pyproject_has_one_place_for_the_address():
    assert len(re.findall(r"^(?:# )?Repository = ", read("pyproject.toml"), re.MULTILINE)) == 1


def test_the_container_has_a_python_in_which_the_course_is_tested_and_sets_it_up_without_a_browser():
    container = load(".devcontainer/devcontainer.json")
    version = container["image"].removeprefix("python:")
    assert f'python: ["3.11", "{version}"]' in read(".github/workflows/ci.yml")
    assert container["postCreateCommand"] == "make lab ARGS=--copy"
    assert container["customizations"]["codespaces"]["openFiles"] == [f"work/{Path(launch.FIRST).name}"]


def test_the_editor_finds_the_set_up_python_and_has_the_same_extensions_in_the_container():
    assert load(".vscode/settings.json") == {"python.defaultInterpreterPath": "${workspaceFolder}/.venv"}
    recommended = load(".vscode/extensions.json")["recommendations"]
    assert load(".devcontainer/devcontainer.json")["customizations"]["vscode"]["extensions"] == recommended
