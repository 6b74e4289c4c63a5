"""What is said about a proxy, the server between this machine and the network, that makes a download fail."""

import http.server
import os
import socket
import sys
import threading

import pytest

from tutorial_utils.storage import download, fashion_mnist


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch):
    """Nothing but the tests names a proxy."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture
def asking():
    """The address of a proxy that asks for a password."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_error(407)

        do_CONNECT = do_GET  # noqa: N815

        def log_message(self, *arguments):
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def reason(folder, scheme="https") -> str:
    """What is said after a download from one mirror that cannot be reached directly."""
    with pytest.raises(download.DownloadError) as caught:
        fashion_mnist.fetch(folder, [f"{scheme}://198.51.100.1/"])
    return str(caught.value).partition("198.51.100.1/: ")[2].partition("). Try again")[0]


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1", "socks5h://host:1080", "socks4://127.0.0.1"])
def test_a_socks_proxy_without_its_package_is_told_with_what_to_install_or_to_set(
    monkeypatch, own_data_folder, proxy, scheme
):
    monkeypatch.setitem(sys.modules, "socks", None)
    monkeypatch.setenv("ALL_PROXY", proxy)
    monkeypatch.setenv("FTP_PROXY", "http://host:1")
    said = reason(own_data_folder, scheme)
    assert said.startswith("ALL_PROXY leads to a SOCKS proxy")
    assert 'pip install "requests[socks]"' in said
    assert "HTTPS_PROXY=http://" in said


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_asks_for_a_password_is_told(monkeypatch, own_data_folder, asking, scheme):
    monkeypatch.setenv(f"{scheme}_proxy", asking)
    said = reason(own_data_folder, scheme)
    assert said == (
        f"the proxy asks for your name and password: put them into {scheme}_proxy, as http://NAME:PASSWORD@HOST:PORT"
    )


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_is_not_there_is_told_with_its_setting_and_no_password(monkeypatch, own_data_folder, scheme):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setenv("ALL_PROXY", f"http://me:secret@127.0.0.1:{unused.getsockname()[1]}")
        said = reason(own_data_folder, scheme)
    assert said == "the proxy cannot be reached (Connection refused): correct ALL_PROXY, or unset it"


@pytest.mark.parametrize("proxy", ["ftp://host:1", "http:///", "127.0.0.1:99999"])
def test_an_address_that_is_none_is_told_with_how_to_write_it(monkeypatch, own_data_folder, proxy):
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    assert reason(own_data_folder) == "HTTPS_PROXY cannot be understood: write http://HOST:PORT, or unset it"
