"""`python -m tutorial_utils.doctor`: is this machine ready for the course?

It has to work where the course does not: only the standard library is imported up here, each check imports what it
needs, and what one check meets does not keep the next from running.
"""

import argparse
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from tutorial_utils.command import program

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet

COURSE = "tutorial-utils"
OK, NOTE, BAD = "[OK]", "[--]", "[!!]"  # fine; works, with a limit; the course cannot run
INSTALL = "run `make lab` in the folder of the course, or the commands that the README gives where there is no `make`"
RUNTIME = (
    "Windows lacks the libraries that PyTorch is built with: install the Microsoft Visual C++ Redistributable for "
    "Visual Studio 2015-2022, x64, from https://aka.ms/vs/17/release/vc_redist.x64.exe, and start again"
)

Finding = tuple[str, str]  # one of the marks, and a sentence


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one line for each check; return 0 if the course can run here, else 1."""
    argparse.ArgumentParser(
        prog=program("doctor"),
        description="Look at everything that the course needs, and say what to do where something is wrong.",
        epilog="Exit status: 0, the course can run here; 1, it cannot yet.",
    ).parse_args(arguments)
    findings = []
    for name, check in CHECKS.items():
        mark, sentence = examine(check)
        findings.append(mark)
        print(f"{mark} {name}: {sentence}")
    if BAD in findings:
        print(f"The course cannot run here yet: do what the lines marked {BAD} say.")
        return 1
    print("The course can run here.")
    return 0


def examine(check: Callable[[], Finding]) -> Finding:
    """Return what `check` finds; an exception that it did not expect is a finding, too."""
    try:
        return check()
    except ModuleNotFoundError as error:
        return BAD, f"{error.name} is missing: {INSTALL}."
    except Exception as error:  # any: a report with a gap is of more use than a traceback
        return BAD, f"the check itself failed ({type(error).__name__}: {first_line(error)}): {INSTALL}."


def first_line(error: Exception) -> str:
    """Return the first line of the error's message."""
    return next(iter(str(error).splitlines()), "no message").rstrip(".")


def check_python() -> Finding:
    """Find whether this Python is one of those that the installed course asks for."""
    here = f"{platform.python_version()} at {sys.executable}"
    try:
        wanted = metadata.metadata(COURSE)["Requires-Python"]
    except metadata.PackageNotFoundError:
        return BAD, f"{here}, in which the course is not installed: {INSTALL}."
    from packaging.specifiers import SpecifierSet  # late: where the course is not installed, this is not, either

    if not SpecifierSet(wanted).contains(platform.python_version(), prereleases=True):
        return BAD, f"{here}, but the course needs {wanted}: install such a Python, then {INSTALL}."
    return OK, here


def check_packages() -> Finding:
    """Find whether all packages that the course asks for are there, and in its range."""
    missing = [name for name, version, _ in packages() if version is None]
    if missing:
        return BAD, f"{', '.join(missing)} missing: {INSTALL}."
    strange = [
        f"{name} {version} (not {wanted})" for name, version, wanted in packages() if version and version not in wanted
    ]
    if strange:
        return NOTE, f"the course is not tested with {', '.join(strange)}; for what it is tested with, {INSTALL}."
    return OK, "all there, in the versions that the course needs"


def packages() -> Iterator[tuple[str, str | None, "SpecifierSet"]]:
    """Yield, for each package that the course needs, its name, its version here or None, and the versions wanted."""
    from packaging.requirements import Requirement

    for requirement in map(Requirement, metadata.requires(COURSE) or []):
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            requirement.specifier.prereleases = True  # a nightly build is judged by its number
            yield requirement.name, version_of(requirement.name), requirement.specifier


def version_of(package: str) -> str | None:
    """Return the version of an installed package, or None."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def check_torch() -> Finding:
    """Find whether PyTorch and torchvision can be imported and belong together."""
    pair = f"torch {version_of('torch')} and torchvision {version_of('torchvision')}"
    again = "in the folder of the course, run `make clean` and `make lab`, or the README's commands anew in a new .venv"
    try:
        import torch
    except Exception as error:  # a broken build raises more than ImportError
        cure = RUNTIME if lacks_runtime(error) else again
        return BAD, f"it cannot be imported ({first_line(error)}): {cure}."
    try:
        from torchvision.ops import nms

        nms(torch.tensor([[0.0, 0.0, 1.0, 1.0]]), torch.tensor([1.0]), iou_threshold=0.5)  # torchvision's compiled part
    except Exception as error:
        return BAD, f"{pair} do not work together ({first_line(error)}): {again}."
    return OK, f"{pair} work together"


def lacks_runtime(error: Exception) -> bool:
    """Return whether Windows could not load a library of PyTorch, or one that it needs (126), or not start it (1114).

    pip installs all of them but those of Visual C++, which Microsoft hands out.
    """
    return getattr(error, "winerror", None) in (126, 1114) or any(f"[WinError {n}]" in str(error) for n in (126, 1114))


def check_device() -> Finding:
    """Find the device that the notebooks will compute on, and whether it computes."""
    try:
        import torch

        from tutorial_utils.devices import pick_device
    except Exception:  # the check of PyTorch has said why
        return NOTE, "unknown until PyTorch works"
    try:
        device = pick_device()
    except ValueError as error:
        return BAD, str(error)
    try:
        torch.ones(2, device=device).sum().item()
    except Exception as error:
        return BAD, f"{device} does not compute ({first_line(error)}): set TUTORIAL_DEVICE=cpu to do without it."
    return OK, f"{device}, where the notebooks will compute"


def check_data() -> Finding:
    """Find which data set is there."""
    try:
        from tutorial_utils.storage import fashion_mnist
    except Exception:
        return NOTE, "unknown until PyTorch and the other packages work"
    try:
        policy = fashion_mnist.data_policy()
    except ValueError as error:
        return BAD, str(error)
    folder = fashion_mnist.data_folder()
    source = fashion_mnist.find_source(folder)
    faults = fashion_mnist.explain_faults(folder)
    unused = f"; {faults}" if faults else ""
    if source is None:
        origin = {"auto": "downloaded, or drawn where there is no network", "real": "downloaded"}.get(policy, "drawn")
        return NOTE, f"none in {folder} yet; when the first notebook asks for it, it is {origin}{unused}"
    if unused:
        return NOTE, f"the drawn stand-in, in {folder}{unused}"
    return OK, f"{'the real Fashion-MNIST' if source == 'real' else 'the drawn stand-in'}, in {folder}"


def check_disk() -> Finding:
    """Find whether the data folder has room for the data, where they are not there yet."""
    try:
        from tutorial_utils.storage import fashion_mnist
    except Exception:
        return NOTE, "unknown until PyTorch and the other packages work"
    folder = fashion_mnist.data_folder()
    place = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(place).free / 1e6
    fits = free > 100 and place.is_dir() and os.access(place, os.W_OK)
    if not fits and fashion_mnist.find_source(folder) is None:
        return BAD, f"{folder} is full ({free:,.0f} MB free) or not yours to write: set TUTORIAL_DATA to another."
    return OK, f"{free / 1000:,.1f} GB free in {place}"


def check_kernel() -> Finding:
    """Find whether JupyterLab is there and its kernel `python3` runs this Python."""
    import ipykernel  # noqa: F401 - the kernel needs it
    import jupyterlab
    from jupyter_client.manager import KernelManager

    program = Path(shutil.which(KernelManager(kernel_name="python3").format_kernel_cmd()[0]) or "nothing")
    if program.parent != Path(sys.executable).parent:  # the folder, because one Python has several names there
        return BAD, f"the kernel python3 runs {program}, not this Python: run `jupyter kernelspec remove python3`."
    return OK, f"JupyterLab {jupyterlab.__version__} is there, and its kernel python3 runs this Python"


CHECKS = {
    "Python": check_python,
    "Packages": check_packages,
    "PyTorch": check_torch,
    "Device": check_device,
    "Data": check_data,
    "Disk": check_disk,
    "Jupyter": check_kernel,
}
