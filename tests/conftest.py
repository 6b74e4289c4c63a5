"""What several test files share: a tiny Fashion-MNIST, a switch-off for the network, processes, and a browser.

PyTorch is imported in the fixtures alone: the process that only hands out the tests to its workers does without it.
"""

import hashlib
import json
import os
import re
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from forked import FORKS, Forked, ForkedKernel, run_kernel
from jupyter_client.provisioning import local_provisioner

from tutorial_utils.storage import sketches

ROOT = Path(__file__).parent.parent
SIZES = {"train": 40, "t10k": 20}
collect_ignore = ["capstone/right"]  # learners' scripts, which are run, and not imported


def pytest_configure(config):
    """Keep what tests, and the notebooks that they run, solve out of the progress of whoever runs them."""
    folder = tempfile.TemporaryDirectory(prefix="tutorial_progress_")
    config.add_cleanup(folder.cleanup)
    os.environ["TUTORIAL_PROGRESS"] = str(Path(folder.name) / "progress.json")


@pytest.fixture(autouse=True)
def own_data_folder(tmp_path, monkeypatch) -> Path:
    """Every test starts without data, in a data folder of its own, and with no settings but those of the tests."""
    for name in "TUTORIAL_SOURCE", "TUTORIAL_DEVICE":
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("tutorial_utils.storage.fashion_mnist._given_up", set())
    folder = tmp_path / "data"
    monkeypatch.setenv("TUTORIAL_DATA", str(folder))
    monkeypatch.setattr("tutorial_utils.data.FashionMNIST.mirrors", ())  # a test run never touches the network
    return folder


@pytest.fixture
def real_files(tmp_path, monkeypatch) -> Path:
    """A folder with a tiny set of four files, whose hashes count as those of the real set."""
    from tutorial_utils.storage import fashion_mnist, idx

    files = tmp_path / "server"
    files.mkdir()
    rng = np.random.default_rng(0)
    for split, size in SIZES.items():
        images = rng.integers(0, 256, (size, 28, 28), np.uint8)
        idx.write_idx(files / f"{split}-images-idx3-ubyte.gz", images)
        idx.write_idx(files / f"{split}-labels-idx1-ubyte.gz", np.arange(size, dtype=np.uint8) % 10)
    sums = {name: hashlib.sha256((files / name).read_bytes()).hexdigest() for name in fashion_mnist.SHA256}
    monkeypatch.setattr(fashion_mnist, "SHA256", sums)
    return files


@pytest.fixture
def real_set(real_files, own_data_folder) -> Path:
    """A data folder that holds the tiny set as the real one."""
    (own_data_folder / "FashionMNIST").mkdir(parents=True)
    real_files.rename(own_data_folder / "FashionMNIST" / "raw")
    return own_data_folder


@pytest.fixture
def fork(tmp_path_factory) -> Iterator[Callable[..., Forked]]:
    """A function that starts a process, as `Forked` says; those that have not ended end with the test."""
    begun = []

    def begin(function: Callable, *arguments: object, **environment: str) -> Forked:
        begun.append(Forked(tmp_path_factory.mktemp("process"), function, *arguments, **environment))
        return begun[-1]

    yield begin
    for process in begun:
        process.kill()


@pytest.fixture
def quick_kernels(fork, monkeypatch) -> None:
    """Jupyter forks its kernels, where processes are forked; PyTorch is imported in them already."""

    def launch(command, cwd=None, env=None, **pipes):
        return ForkedKernel(fork(run_kernel, command, cwd, **env))

    if FORKS:
        monkeypatch.setattr(local_provisioner, "launch_kernel", launch)


@pytest.fixture
def quick_sketches(monkeypatch) -> list[bool]:
    """Makes drawing take no time; returns the list of the drawings made, True for a training set."""
    drawn = []

    def draw(train, report):
        drawn.append(train)
        size = SIZES["train" if train else "t10k"]
        report(size)
        return np.full((size, 28, 28), 7, np.uint8), np.arange(size, dtype=np.uint8) % 10

    monkeypatch.setattr(sketches, "draw", draw)
    return drawn


@pytest.fixture(scope="session")
def browser():
    """Debian's Chromium, driven by Playwright. Where it is missing, tests that need it are skipped, but not in CI."""
    program = shutil.which("chromium")
    if program is None:
        explain = pytest.fail if os.environ.get("CI") else pytest.skip
        explain("There is no Chromium: install Debian's package with `apt install chromium fonts-noto-cjk`.")
    from playwright.sync_api import sync_playwright  # of the extra `site`

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        yield chromium
        chromium.close()


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        """Say nothing: pytest shows what a test prints."""


class QuietServer(ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        """Say nothing either when a browser goes on before it has all of a page."""


@pytest.fixture(scope="session")
def serve() -> Iterator[Callable[[Path], str]]:
    """A function that serves a folder as a web server does, and returns its address."""
    servers = []

    def start(folder: Path) -> str:
        server = QuietServer(("127.0.0.1", 0), partial(QuietHandler, directory=folder))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def open_page(browser):
    """A function that opens an address; the test fails if the page complains, or loads what is missing or foreign."""
    opened = []

    def open_address(address: str, width: int = 1280, height: int = 800, scheme: str = "light"):
        server = "/".join(address.split("/")[:3])
        page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
        complaints = []
        page.on("console", lambda said: said.type == "error" and complaints.append(said.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("requestfailed", lambda request: "ABORTED" in request.failure or complaints.append(request.url))
        page.on("request", lambda request: request.url.startswith((server, "data:")) or complaints.append(request.url))
        page.on("response", lambda response: response.ok or complaints.append(f"{response.status}: {response.url}"))
        page.goto(address, wait_until="load")
        opened.append((page, complaints))
        return page

    yield open_address
    for page, complaints in opened:
        assert complaints == [], page.url
        page.close()


@pytest.fixture
def find_foreign() -> Callable[[Path], list[tuple[str, str]]]:
    """A function that returns what the pages and style sheets in a folder load from elsewhere, each with its file."""
    from bs4 import BeautifulSoup  # of the extra `site`

    loads = "[src], [srcset], object[data], link:is([rel~=stylesheet], [rel~=icon], [rel~=preload], [rel~=prefetch])"

    def find(folder: Path) -> list[tuple[str, str]]:
        found = []
        for path in [*folder.rglob("*.html"), *folder.rglob("*.css")]:
            text = path.read_text(encoding="utf-8")
            addresses = re.findall(r"""(?:url\(\s*|@import\s+)["']?((?:https?:)?//[^"')\s]+)""", text)
            if path.suffix == ".html":
                elements = BeautifulSoup(text, "html.parser").select(loads)
                addresses += [tag.get(name, "") for tag in elements for name in ("src", "srcset", "data", "href")]
            found += [(path.name, address) for address in addresses if re.match(r"(https?:)?//", address)]
        return found

    return find


@pytest.fixture
def find_alts() -> Callable[[Path], tuple[list[str], list[str]]]:
    """A function that returns the alternative texts of a notebook's figures that are in a page, and in the notebook."""
    from bs4 import BeautifulSoup  # of the extra `site`

    def find(page: Path) -> tuple[list[str], list[str]]:
        notebook = json.loads((ROOT / "notebooks" / f"{page.stem}.ipynb").read_text(encoding="utf-8"))
        metadata = [cell["metadata"].get("mystnb") for cell in notebook["cells"]]
        soup = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
        images = soup.select(":is(.cell_output, .output_wrapper) img")
        return [image.get("alt") for image in images], [data["image"]["alt"] for data in metadata if data]

    return find
