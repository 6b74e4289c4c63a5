"""`pytorch-course`: the commands of the course under one name."""

import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from tutorial_utils.tools import cli

PROJECT = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def run(monkeypatch, *words: str) -> int | str | None:
    """Call `pytorch-course` with these words; return its exit status."""
    monkeypatch.setattr(sys, "argv", ["/somewhere/bin/pytorch-course", *words])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    return caught.value.code


def test_the_console_script_calls_it():
    module, _, function = PROJECT["scripts"]["pytorch-course"].partition(":")
    assert getattr(import_module(module), function) is cli.main


def test_help_names_every_command_and_imports_next_to_nothing():
    """A learner who asks for help does not wait seconds for PyTorch."""
    script = "import sys; from tutorial_utils.tools import cli; sys.argv = ['pytorch-course', '--help']\n"
    script += "try: cli.main()\nexcept SystemExit: print(*sys.modules)"
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    *help_lines, modules = said.splitlines()
    assert {"torch", "numpy", "jupyterlab", "nbformat"}.isdisjoint(modules.split())
    assert [name for name in cli.COMMANDS if f"  {name} " not in "\n".join(help_lines)] == []


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_each_command_has_a_help_that_calls_it_by_this_name(monkeypatch, capsys, name):
    assert run(monkeypatch, name, "--help") == 0
    assert capsys.readouterr().out.startswith(f"usage: pytorch-course {name} [-h]")


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_each_command_can_be_called_by_the_name_of_its_module_as_well(monkeypatch, capsys, name):
    monkeypatch.setattr(sys, "argv", [f"/somewhere/tutorial_utils/{name}.py"])
    with pytest.raises(SystemExit):
        import_module(cli.COMMANDS[name][0]).main(["--help"])
    assert capsys.readouterr().out.startswith(f"usage: python -m tutorial_utils.{name} [-h]")
    assert import_module(f"tutorial_utils.{name}").main is import_module(cli.COMMANDS[name][0]).main


@pytest.mark.parametrize("words", [(), ("lap",), ("--lab",)])
def test_a_wrong_command_ends_with_2_and_names_the_right_ones(monkeypatch, capsys, words):
    assert run(monkeypatch, *words) == 2
    assert "usage: pytorch-course COMMAND" in capsys.readouterr().err


def test_the_words_after_the_command_and_its_exit_status_are_passed_on(monkeypatch, capsys):
    assert run(monkeypatch, "predict", "nowhere.pt", "photo.jpg") == 1
    assert "nowhere.pt" in capsys.readouterr().err
    assert run(monkeypatch, "train", "--epochs", "-1") == 2
    assert "-1 is less than 0" in capsys.readouterr().err


def test_the_version_is_that_of_the_package(monkeypatch, capsys):
    assert run(monkeypatch, "--version") == 0
    assert capsys.readouterr().out.strip() == PROJECT["version"]
