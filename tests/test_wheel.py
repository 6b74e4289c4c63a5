"""The course as a wheel: built from what a source distribution holds, installed where nothing else is, and run."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import nbformat
import pytest

from tutorial_utils.tools.copies import course_files

COURSE = Path(__file__).parent.parent
NOTEBOOKS = COURSE / "notebooks"

pytestmark = pytest.mark.slow  # setuptools twice, a virtual environment, and a kernel that imports PyTorch


def run(*command: str | Path, folder: Path) -> str:
    """Return what a command prints, which is run in a folder, away from this checkout."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    result = subprocess.run([*command], cwd=folder, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def build(kind: str, folder: Path) -> Path:
    """Build a `sdist` or a `wheel` of the course in `folder`, as pip does without a network; return the file."""
    script = f"from setuptools import build_meta; print(build_meta.build_{kind}('dist'))"
    return folder / "dist" / run(sys.executable, "-c", script, folder=folder).splitlines()[-1]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Path:
    """A copy of the course's folder, so that building leaves nothing in this one."""
    checkout = tmp_path_factory.mktemp("checkout")
    for folder in "tutorial_utils", "notebooks", "tests":
        shutil.copytree(COURSE / folder, checkout / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in COURSE.glob("[!.]*.*"):
        if file.is_file():
            shutil.copy(file, checkout)
    return checkout


@pytest.fixture(scope="module")
def wheel(checkout, tmp_path_factory) -> Path:
    """A wheel that was built from a source distribution of the course."""
    unpacked = tmp_path_factory.mktemp("unpacked")
    shutil.unpack_archive(build("sdist", checkout), unpacked, filter="data")
    (source,) = unpacked.iterdir()
    return build("wheel", source)


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """The programs of a virtual environment with that wheel and, by reference, all that the course needs."""
    home = tmp_path_factory.mktemp("installed")
    venv.create(home / "venv", symlinks=os.name != "nt")
    scheme = sysconfig.get_paths("venv", vars={"base": str(home / "venv"), "platbase": str(home / "venv")})
    Path(scheme["purelib"], "others.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    programs = Path(scheme["scripts"])
    pip = [sys.executable, "-m", "pip", "--python", programs / "python", "install", "-q", "--no-index", "--no-deps"]
    run(*pip, wheel, folder=home)
    return programs


def test_a_wheel_has_all_that_learners_copy_and_no_tests(wheel):
    packed = "tutorial_utils/notebooks/"
    names = zipfile.ZipFile(wheel).namelist()
    wanted = {packed + path.relative_to(NOTEBOOKS).as_posix() for path in course_files(NOTEBOOKS)}
    assert {name for name in names if name.startswith(packed)} == wanted
    assert {name.split("/")[0].partition("-")[0] for name in names} == {"tutorial_utils"}


def test_a_wheel_has_every_module(wheel):
    names = {name for name in zipfile.ZipFile(wheel).namelist() if name.endswith(".py")}
    assert names == {path.relative_to(COURSE).as_posix() for path in (COURSE / "tutorial_utils").rglob("*.py")}


def test_what_is_installed_from_the_folder_of_the_course_holds_no_second_copy_of_the_notebooks(checkout):
    assert "ipynb" not in " ".join(zipfile.ZipFile(build("editable", checkout)).namelist())
    assert not (checkout / "tutorial_utils" / "notebooks").exists()


def test_the_installed_course_copies_its_notebooks_into_the_folder_where_you_are(installed, tmp_path):
    said = run(installed / "pytorch-course", "lab", "--copy", folder=tmp_path)
    assert said == f"Your notebooks are in {tmp_path / 'pytorch-course'}.\n"
    run(installed / "python", "-m", "tutorial_utils.lab", "--copy", "--folder", "mine", folder=tmp_path)
    originals = {path.name: path.read_bytes() for path in NOTEBOOKS.glob("*.ipynb")}
    for folder in "pytorch-course", "mine":
        assert {path.name: path.read_bytes() for path in (tmp_path / folder).glob("*.ipynb")} == originals


def test_a_notebook_runs_in_the_installed_course(installed, tmp_path):
    """Its first cells: the imports, the settings, and what says that the set-up works."""
    run(installed / "pytorch-course", "lab", "--copy", folder=tmp_path)
    path = tmp_path / "pytorch-course" / "05_autograd.ipynb"
    notebook = nbformat.read(path, as_version=4)
    last = next(number for number, cell in enumerate(notebook.cells) if "Set-up works" in cell.source)
    where = nbformat.v4.new_code_cell("import tutorial_utils; print(tutorial_utils.__file__)", id="where")
    notebook.cells = [*notebook.cells[: last + 1], where]
    nbformat.write(notebook, path)
    script = "import nbclient, nbformat, sys; notebook = nbformat.read(sys.argv[1], 4)\n"
    script += "nbclient.execute(notebook, kernel_name='python3')\n"
    script += "print(*(output.text for cell in notebook.cells for output in cell.get('outputs', [])))"
    said = run(installed / "python", "-c", script, path, folder=tmp_path)
    assert "Set-up works" in said
    assert str(installed.parent) in said.split()[-1]
