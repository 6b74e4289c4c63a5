"""Puts the notebooks, whose one source is `notebooks/`, into a wheel that is built. The rest is in pyproject.toml."""

from pathlib import Path
from shutil import rmtree

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithNotebooks(build_py):
    """Builds the package as a wheel holds it. What is installed with `-e` reads `notebooks/` where it is."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        packed = Path(self.build_lib) / "tutorial_utils" / "notebooks"
        rmtree(packed, ignore_errors=True)  # of an earlier build
        packed.mkdir(parents=True)
        for notebook in Path("notebooks").glob("*.ipynb"):
            self.copy_file(str(notebook), str(packed))


setup(cmdclass={"build_py": BuildWithNotebooks})
