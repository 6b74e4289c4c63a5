"""A file from a server, whole and checked by its hash, or in a few words why not."""

import hashlib
import os
import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import requests
import urllib3

from tutorial_utils.progress import progress_bar

TIMEOUT = 8  # seconds of silence after which a server counts as out of reach
SLOWEST = 20_000  # bytes per second: with less, drawing is the better choice
LARGEST = 2**26  # bytes: more than any of the files has
ERRORS = (requests.RequestException, urllib3.exceptions.HTTPError, ValueError)  # what a download can fail with


class DownloadError(RuntimeError):
    """No mirror delivered the files; the message gives each address and its reason."""


def download(url: str, path: Path, sha256: str) -> None:
    """Write what `url` delivers to `path`, unless it is there; raise one of `ERRORS` if it is not the expected file."""
    if path.exists():  # from a mirror that failed at a later file
        return
    content = bytearray()
    for part in receive(url, title=path.name):
        content += part
        if len(content) > LARGEST:
            raise ValueError("it sends more than the expected file")
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ValueError("what came is not the expected file")
    path.write_bytes(content)


def receive(url: str, title: str) -> Iterator[bytes]:
    """Yield what `url` delivers, part by part, with a bar; raise ValueError as soon as it comes too slowly."""
    with connect(url) as response, progress_bar(title=title, unit="B", unit_scale=True) as bar:
        response.raise_for_status()
        bar.total = int(response.headers.get("Content-Length", 0))
        start, received = time.monotonic(), 0
        while part := response.raw.read1(2**16):  # what is there; `read` would wait for all of it
            yield part
            bar.update(len(part))
            received += len(part)
            if time.monotonic() > start + TIMEOUT:
                if received < SLOWEST * TIMEOUT:
                    raise ValueError(f"it sends less than {SLOWEST // 1000} kB per second")
                start, received = time.monotonic(), 0


def connect(url: str) -> requests.Response:
    """Return the answer of `url`, whose body is still to come; raise ValueError if there is none in time.

    A thread does the waiting: a lookup of a name, or a connection that is tried at many addresses, may take a minute,
    and nothing else would end it sooner.
    """
    answer: Future[requests.Response] = Future()
    threading.Thread(target=_request, args=(url, answer), daemon=True).start()
    try:
        return answer.result(TIMEOUT)
    except TimeoutError:
        raise ValueError(f"no answer for {TIMEOUT} seconds") from None


def _request(url: str, answer: "Future[requests.Response]") -> None:
    """Give `answer` what `url` answers, or the error."""
    try:
        headers = {"Accept-Encoding": "identity"}
        answer.set_result(requests.get(url, stream=True, timeout=TIMEOUT, headers=headers))
    except Exception as error:
        answer.set_exception(error)


def explain(error: Exception) -> str:
    """Return in a few words why a download failed with one of `ERRORS`."""
    if problem := explain_proxy(error):
        return problem
    if isinstance(error, requests.HTTPError):
        return f"HTTP status {error.response.status_code}"
    if isinstance(error, urllib3.exceptions.ReadTimeoutError | requests.Timeout):
        return f"no answer for {TIMEOUT} seconds"
    if isinstance(error, urllib3.exceptions.ProtocolError):
        return "the connection broke off"
    return innermost_reason(error)


def innermost_reason(error: BaseException) -> str:
    """Return what the first of the errors that led to `error` says."""
    while error.__cause__ or (error.__context__ and not error.__suppress_context__):
        error = error.__cause__ or error.__context__ or error
    return getattr(error, "strerror", None) or str(error)


def explain_proxy(error: Exception) -> str | None:
    """Return what to do where a proxy, the server between here and the network, made a download fail; else None."""
    names = [name for name in os.environ if name.upper() in ("ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY")]
    socks = isinstance(error, requests.exceptions.InvalidSchema) and "SOCKS" in str(error)
    if socks:
        names = [name for name in names if os.environ[name].lower().startswith("socks")]
    settings = " and ".join(sorted(names)) or "the setting of your system"
    if socks:
        return (
            f'{settings} leads to a SOCKS proxy, which needs one more package: run `pip install "requests[socks]"`, or '
            "unset it, or set HTTPS_PROXY=http://… if you have such a proxy"
        )
    if re.search(r"^407 |failed: 407 ", str(error)):
        return f"the proxy asks for your name and password: put them into {settings}, as http://NAME:PASSWORD@HOST:PORT"
    if isinstance(error, requests.exceptions.InvalidURL) and names:
        return f"{settings} cannot be understood: write http://HOST:PORT, or unset it"
    if isinstance(error, requests.exceptions.ProxyError):
        return f"the proxy cannot be reached ({innermost_reason(error)}): correct {settings}, or unset it"
    return None
