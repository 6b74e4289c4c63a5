"""`pytorch-course`: the commands of the course under one name, for those who have it from a wheel."""

import argparse
import sys
from importlib import import_module, metadata
from typing import NoReturn

from tutorial_utils.command import end_with

COMMANDS = {  # in which module its `main` is, and what it does
    "lab": ("tutorial_utils.tools.lab", "open your own copies of the notebooks in JupyterLab"),
    "doctor": ("tutorial_utils.tools.doctor", "look whether this machine is ready for the course"),
    "train": ("tutorial_utils.train", "train a model, on Fashion-MNIST or on your own pictures"),
    "predict": ("tutorial_utils.predict", "tell what a trained model sees in pictures"),
    "capstone": ("tutorial_utils.capstone.cli", "write a training script from an empty file, and have it judged"),
    "grade": ("tutorial_utils.tools.grade", "tell which exercises are solved in notebooks that were handed in"),
}


def main() -> NoReturn:
    """Run the command that the first word names, with the words after it; end with its exit status."""
    name = parse(sys.argv[1:2])
    sys.argv = [f"pytorch-course {name}", *sys.argv[2:]]
    module, _ = COMMANDS[name]
    end_with(import_module(module).main)  # late: most of them need PyTorch, which takes seconds


def parse(words: list[str]) -> str:
    """Return the name of the command, the first word of the command line; help and version end here."""
    commands = [f"  {name:<9} {what}" for name, (_, what) in COMMANDS.items()]
    parser = argparse.ArgumentParser(
        prog="pytorch-course",
        usage="pytorch-course COMMAND ...",
        description="A PyTorch course in eight notebooks.",
        epilog="\n".join(["commands:", *commands, "", "pytorch-course COMMAND --help tells more."]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=metadata.version("tutorial-utils"))
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND", help="one of those below")
    return str(parser.parse_args(words).command)
