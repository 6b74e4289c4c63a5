"""The tests use the cores that there are, and say before how long that takes."""

import importlib.util
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def hooks():
    """The `conftest.py` of the whole course."""
    spec = importlib.util.spec_from_file_location("hooks", ROOT / "conftest.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("usable", "workers"), [({3}, 1), ({0, 2, 5}, 3)])
def test_there_is_a_worker_for_each_core_that_may_be_used(usable, workers, monkeypatch, request):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: usable, raising=False)
    assert request.config.hook.pytest_xdist_auto_num_workers(config=request.config) == workers


def test_where_nothing_limits_the_cores_there_is_a_worker_for_each(hooks, monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    assert hooks.pytest_xdist_auto_num_workers() == 8


@pytest.mark.parametrize(
    ("workers", "said"), [(None, "15 minutes on 1 core."), (2, "8 minutes on 2 cores."), (64, "1 minute on 64 cores.")]
)
def test_a_run_of_all_tests_says_how_long_it_takes_and_no_other_does(workers, said, hooks, monkeypatch):
    monkeypatch.setattr(hooks, "CORE_SECONDS", 900)
    sources = pytest.Config.ArgsSource
    options = {"numprocesses": workers, "keyword": ""}
    config = SimpleNamespace(args_source=sources.TESTPATHS, getoption=options.get)
    assert hooks.pytest_report_header(config) == f"About {said}"
    options["keyword"] = "links"
    assert hooks.pytest_report_header(config) is None
    options["keyword"], config.args_source = "", sources.ARGS
    assert hooks.pytest_report_header(config) is None


@pytest.mark.parametrize("workers", [1, 2, 3, 8])
def test_every_worker_begins_with_its_part_of_the_notebooks(workers, hooks):
    names = [*(f"{number}.ipynb" for number in range(8)), *(f"test_{number}.py" for number in range(90))]
    items = [SimpleNamespace(path=Path(name)) for name in names]
    spread = hooks.spread(items, workers)
    assert sorted(item.path for item in spread) == sorted(item.path for item in items)
    kinds = [item.path.suffix for item in spread]
    for worker in range(workers):
        start = round(worker * len(items) / workers)
        assert ".ipynb" in kinds[max(0, start - 1) : start + 2]
    assert hooks.spread(items, 1) == items
