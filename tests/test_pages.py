"""The pages that are made of the course itself: mistakes, the glossary, the cheat sheet, the error dictionary."""

import copy
import inspect
import os
import re
from pathlib import Path

import pytest
import torch
import torchvision
import torchvision.transforms.v2
from torch import nn
from torch.utils.data import DataLoader

pytest.importorskip("sphinx", reason="the site is not set up here")

from docs import glossary, mistakes, pages
from tutorial_utils import checkpoints
from tutorial_utils.exercises.catalogue import every_exercise

ERRORS = (Path(__file__).parents[1] / "docs" / "errors.md").read_text(encoding="utf-8")
ENTRIES = [entry.partition("\n") for entry in ERRORS.split("\n### ")[1:]]


@pytest.mark.parametrize(
    ("message", "entry"), [(message, entry) for message, _, entry in ENTRIES], ids=lambda text: text[:40]
)
def test_the_program_of_an_entry_raises_its_message_and_the_cure_is_told_in_both_languages(message, entry):
    (program,) = re.findall(r"```python\n(.*?)```", entry, re.DOTALL)
    with pytest.raises(Exception) as caught:  # noqa: PT011  # the message is compared below
        exec(program, {"torch": torch, "nn": nn, "DataLoader": DataLoader})
    others = re.findall(r"\*([^*]{12,})\*", entry)  # as other devices and releases word it
    assert any(" ".join(words.split()) in str(caught.value) for words in [message, *others]), str(caught.value)
    assert re.search(r"^> .*[一-鿿]", entry, re.MULTILINE)


def test_the_errors_that_notebooks_make_on_purpose_and_more_are_in_the_dictionary():
    assert len(ENTRIES) >= 20
    assert len({message for message, _, _ in ENTRIES}) == len(ENTRIES)


# --------------------------------------------------------------------------------------- the glossary, the cheat sheet


def test_every_term_is_bold_in_a_notebook_and_leads_to_the_section_that_explains_it():
    sections = glossary.find_sections()
    assert sorted(glossary.TERMS.keys() - sections.keys()) == []
    page = glossary.glossary()
    for term, chinese in glossary.TERMS.items():
        assert f"| {term} | {chinese} | {sections[term]} |" in page
    assert sections["learning rate"].startswith("[00 Quickstart](/notebooks/00_quickstart.ipynb): ")
    assert sections["chain rule"].startswith("[05 Autograd]")


def test_terms_are_found_in_the_forms_that_sentences_have():
    line = (
        "**Gradients** are in a **state dict**, two **patches**, **`Dataset`**, **mean squared error** and **nothing**."
    )
    assert list(glossary.find_terms(line)) == ["gradient", "state dict", "patch", "Dataset", "mean squared error"]


HOMES = {  # where the names of the closing tables are at home, by what they begin with
    "nn": nn,
    "v2": torchvision.transforms.v2,
    "F": nn.functional,
    "tv_tensors": torchvision.tv_tensors,
    "torch": torch,
    "torchvision": torchvision,
    "copy": copy,
    "optimizer": torch.optim.Optimizer,
    "loss": torch.Tensor,
    "out": torch.Tensor,
    "weights": torchvision.models.WeightsEnum,
    "x": None,  # an example, such as x[0]
}
OTHERS = [torch, torch.Tensor, nn, nn.Module, nn.functional, nn.parallel, torch.utils.data, torch.utils.data.Subset]
OTHERS += [torchvision.datasets, torch.optim.lr_scheduler, torch.autograd.graph.Node, torch.distributed, checkpoints]
ARGUMENTS = {
    name
    for function in (DataLoader, torchvision.datasets.MNIST, torch.autograd.grad, torch.Tensor.backward)
    for name in inspect.signature(function).parameters
} | {"dim", "keepdim"}  # those of torch.sum, which has no signature


def exists(name):
    """Return True if a name such as `nn.Linear`, `.shape` or `batch_size` is one of PyTorch's, or of this course."""
    first, *rest = name.split(".")
    if first not in HOMES:
        return first in ARGUMENTS or first == "torchrun" or any(hasattr(home, first) for home in OTHERS)
    home = HOMES[first]
    for part in rest:
        if not hasattr(home, part):
            return False
        home = getattr(home, part)
    return True


def test_every_name_of_the_cheat_sheet_exists():
    sheet = glossary.cheat_sheet()
    rows = [re.split(r"(?<!\\)\|", line)[2] for line in sheet.splitlines() if line.startswith("| ")]
    names = [
        found[1]
        for row in rows
        for code in re.findall("`(.+?)`", row)
        if (found := re.match(r"\.?([A-Za-z_][\w.]*)", code))
    ]
    assert len(names) > 100
    assert [name for name in names if not exists(name)] == []
    assert not exists("nn.Linnear")
    assert not exists("bin_count")


def test_the_cheat_sheet_has_two_columns_and_every_notebook():
    lines = [line for line in glossary.cheat_sheet().splitlines() if line.startswith("|")]
    assert len(re.findall("^## 0", glossary.cheat_sheet(), re.MULTILINE)) == 8
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {3}
    assert "](" not in "".join(lines)


# ------------------------------------------------------------------------------------------------- mistakes, writing


def test_the_page_tells_the_mistakes_of_every_exercise():
    text = mistakes.page()
    for exercise in every_exercise():
        assert f"### {exercise.title}\n" in text
        for sentence in exercise.known_mistakes:
            assert sentence[1:] in text


def test_pages_are_written_and_left_alone_when_they_are_as_they_should_be(tmp_path, monkeypatch):
    monkeypatch.setattr(pages, "FOLDER", tmp_path)
    monkeypatch.setattr(pages, "PAGES", {"page.md": lambda: "# Page"})
    pages.write(None)
    os.utime(tmp_path / "page.md", (1, 1))
    pages.write(None)
    assert (tmp_path / "page.md").read_text(encoding="utf-8") == "# Page"
    assert (tmp_path / "page.md").stat().st_mtime == 1
    monkeypatch.setattr(pages, "PAGES", {"page.md": lambda: "# Another"})
    pages.write(None)
    assert (tmp_path / "page.md").read_text(encoding="utf-8") == "# Another"
