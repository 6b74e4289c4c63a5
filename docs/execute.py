"""The notebooks with their outputs, for the site and the slides: each is executed once and then kept in build/."""

import hashlib
import logging
import os
import platform
import re
import sys
from pathlib import Path

import nbformat
from jupyter_cache import get_cache
from jupyter_cache.base import JupyterCacheAbstract
from jupyter_cache.executors import load_executor
from nbformat import NotebookNode

from tutorial_utils.data import FashionMNIST

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
TIMEOUT = 300  # seconds for a cell


def executed_notebooks() -> dict[str, NotebookNode]:
    """Return the notebooks with their outputs, by the stem of their file name; those that changed are executed first.

    Raises:
        SystemExit: a cell failed that was not meant to; the message names the notebook, the cell and its error.
    """
    cache = get_cache(cache_folder())
    execute_changed(cache)
    notebooks = {path.stem: nbformat.read(path, as_version=4) for path in NOTEBOOKS}
    return {name: cache.merge_match_into_notebook(notebook)[1] for name, notebook in notebooks.items()}


def cache_folder() -> Path:
    """Return the folder of the outputs; there is one for each state of what they depend on beside the notebooks."""
    prepare_environment()
    code = [*sorted((ROOT / "tutorial_utils").rglob("*.py")), ROOT / "requirements.lock"]
    state = [path.read_bytes() for path in code]
    state += [platform.python_version().encode(), FashionMNIST(train=False).source.encode()]
    return ROOT / "build" / "executed" / hashlib.sha256(b"\0".join(state)).hexdigest()[:16]


def prepare_environment() -> None:
    """Set what the notebooks' kernels take over: no network, unless you allow it, and nothing that is your own."""
    os.environ.setdefault("TUTORIAL_SOURCE", "offline")
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # notebooks that run side by side must not fight over the cores
    os.environ["TUTORIAL_PROGRESS"] = str(ROOT / "build" / "progress.json")
    os.environ["IPYTHONDIR"] = str(ROOT / "build" / "ipython")  # not what you have set in your own
    settings = ROOT / "build" / "ipython" / "profile_default" / "ipython_kernel_config.py"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text('c.IPKernelApp.log_level = "ERROR"\n', encoding="utf-8")


def execute_changed(cache: JupyterCacheAbstract) -> None:
    """Execute, several at once, the notebooks that `cache` has no outputs of."""
    for path in NOTEBOOKS:
        cache.add_nb_to_project(path)
    changed = [record.uri for record in cache.list_unexecuted()]
    if not changed:
        return
    logger = logging.getLogger("executed")
    logger.setLevel(logging.INFO)  # a line when a notebook begins, and when it is done
    result = load_executor("temp-parallel", cache, logger).run_and_cache(filter_uris=changed, timeout=TIMEOUT)
    failed = result.excepted + result.errored
    if failed:
        sys.exit("\n\n".join(explain(cache, uri) for uri in failed))


def explain(cache: JupyterCacheAbstract, uri: str) -> str:
    """Return which notebook failed, in which cell, and with which error."""
    said = cache.get_project_record(uri).traceback or "It could not be run at all: see above."
    said = said.partition("nbclient.exceptions.")[2] or said  # without nbclient's own frames
    return f"notebooks/{Path(uri).name} failed:\n" + re.sub(r"\x1b\[[\d;]*m", "", said)


if __name__ == "__main__":
    executed_notebooks()
