"""How the tests use the machine that they run on: all of them, and the notebooks alone (`pytest notebooks`)."""

import os

import pytest

CORE_SECONDS = 390  # of all tests, notebooks included: `time make test` says so many in real time, times the cores


def pytest_xdist_auto_num_workers() -> int:
    """Return how many cores the tests may use, which may be fewer than there are: in a container, or with taskset."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def pytest_report_header(config: pytest.Config) -> str | None:
    """Return how long the tests will take, before a run of all of them."""
    if config.args_source is not pytest.Config.ArgsSource.TESTPATHS or config.getoption("keyword"):
        return None
    cores = config.getoption("numprocesses") or 1
    minutes = max(1, round(CORE_SECONDS / 60 / cores))
    return f"About {minutes} minute{'s' * (minutes > 1)} on {cores} core{'s' * (cores > 1)}."


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let every worker of xdist begin with its part of the notebooks, which take longest and cannot be stolen late."""
    items[:] = spread(items, getattr(config, "workerinput", {}).get("workercount", 1))


def spread(items: list[pytest.Item], workers: int) -> list[pytest.Item]:
    """Return the items in as many parts of one size as there are workers, the notebooks first in each."""
    notebooks = [item for item in items if item.path.suffix == ".ipynb"]
    others = [item for item in items if item.path.suffix != ".ipynb"]
    ends = [round(part * len(others) / workers) for part in range(workers + 1)]
    parts = [notebooks[part::workers] + others[ends[part] : ends[part + 1]] for part in range(workers)]
    return [item for part in parts for item in part]
