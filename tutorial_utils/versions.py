"""A notebook of another version than the package, such as an old copy: below its error stands what to do."""

import sys
from types import ModuleType
from typing import Any


def explain_missing_names() -> None:
    """Have Jupyter call `explain` after each cell; elsewhere, do nothing."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if shell:
        shell.events.register("post_run_cell", explain)


def explain(result: Any) -> None:
    """Print what to do if a cell, of which IPython passes the result, did not find something in the package."""
    if find_module(result.error_in_exec).partition(".")[0] == "tutorial_utils":
        print(
            "If the name is spelt right, this notebook and the course have different versions.\n"
            "An older notebook: rename it, and `make lab` brings the new one. A newer one: update the course."
        )


def find_module(error: BaseException | None) -> str:
    """Return the name of the module in which an import or `module.name` found nothing, or an empty string."""
    if isinstance(error, ImportError):
        return error.name or ""
    module = getattr(error, "obj", None)
    return module.__name__ if isinstance(module, ModuleType) else ""
