"""How the tests use the machine that they run on: all of them, and the notebooks alone (`pytest notebooks`)."""

import os

import pytest

CPU_SECONDS = 480  # of all tests, notebooks included: user and sys of `time make test`


def pytest_xdist_auto_num_workers() -> int:
    """Return how many cores the tests may use, which may be fewer than there are: in a container, or with taskset."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def pytest_report_header(config: pytest.Config) -> str | None:
    """Return how long the tests will take, before a run of all of them."""
    if config.args_source is not pytest.Config.ArgsSource.TESTPATHS or config.getoption("keyword"):
        return None
    cores = config.getoption("numprocesses") or 1
    minutes = max(1, round(CPU_SECONDS / 60 / cores))
    return f"About {minutes} minute{'s' * (minutes > 1)} on {cores} core{'s' * (cores > 1)}."
