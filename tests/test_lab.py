"""The learner's copies of the notebooks, and JupyterLab on top of them."""

import errno
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest
from jupyterlab.labapp import LabApp

from tutorial_utils.tools import copies, lab


@pytest.fixture
def course(tmp_path, monkeypatch) -> Path:
    """A course of two notebooks and a picture, on a machine with a screen."""
    course = tmp_path / "course"
    (course / "notebooks" / "images").mkdir(parents=True)
    (course / "notebooks" / "00_quickstart.ipynb").write_text("first", encoding="utf-8")
    (course / "notebooks" / "01_tensors.ipynb").write_text("second", encoding="utf-8")
    (course / "notebooks" / "images" / "shirt.png").write_bytes(b"picture")
    monkeypatch.setattr(lab, "COURSE", course)
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    return course


@pytest.fixture
def launches(monkeypatch) -> list[list[str]]:
    """What JupyterLab is started with; it is not started."""
    launches = []
    monkeypatch.setattr(LabApp, "launch_instance", launches.append)
    return launches


def copy(course: Path) -> list[str]:
    return copies.copy_notebooks(course / "notebooks", course / "work")


def write(course: Path, name: str, text: str) -> None:
    (course / name).write_text(text, encoding="utf-8")


def read(course: Path, name: str) -> str:
    return (course / name).read_text(encoding="utf-8")


# ------------------------------------------------------------------------------------------- the copies


def test_what_is_absent_is_copied_with_the_pictures_that_it_shows(course):
    assert copy(course) == []
    assert read(course, "work/00_quickstart.ipynb") == "first"
    assert read(course, "work/01_tensors.ipynb") == "second"
    assert read(course, "work/images/shirt.png") == "picture"


def test_what_lies_about_in_the_notebooks_folder_is_not_copied(course):
    (course / "notebooks" / ".ipynb_checkpoints").mkdir()
    write(course, "notebooks/.ipynb_checkpoints/00_quickstart-checkpoint.ipynb", "old")
    write(course, "notebooks/model.pt", "trained")
    copy(course)
    copies = {path.name for path in (course / "work").iterdir()}
    assert copies == {".originals.json", "00_quickstart.ipynb", "01_tensors.ipynb", "images"}


def test_a_copy_is_never_overwritten_and_own_files_stay(course):
    copy(course)
    write(course, "work/00_quickstart.ipynb", "my answers")
    write(course, "work/notes.txt", "mine")
    write(course, "notebooks/00_quickstart.ipynb", "first, better")
    copy(course)
    assert read(course, "work/00_quickstart.ipynb") == "my answers"
    assert read(course, "work/notes.txt") == "mine"


def test_answers_in_a_copy_do_not_make_its_original_newer(course):
    copy(course)
    write(course, "work/00_quickstart.ipynb", "my answers")
    assert copy(course) == []


def test_an_original_with_another_content_than_when_it_was_copied_is_newer_until_the_copy_is_replaced(course):
    copy(course)
    write(course, "notebooks/01_tensors.ipynb", "second, better")
    assert copy(course) == ["01_tensors.ipynb"]
    assert copy(course) == ["01_tensors.ipynb"]
    (course / "work" / "01_tensors.ipynb").unlink()
    assert copy(course) == []
    assert read(course, "work/01_tensors.ipynb") == "second, better"


def test_an_original_whose_date_alone_changed_is_not_newer(course):
    copy(course)
    os.utime(course / "notebooks" / "00_quickstart.ipynb", (4e9, 4e9))
    assert copy(course) == []


def test_a_copy_that_the_learner_renewed_by_hand_is_up_to_date_from_then_on(course):
    copy(course)
    write(course, "notebooks/00_quickstart.ipynb", "first, better")
    write(course, "work/00_quickstart.ipynb", "first, better")
    assert copy(course) == []
    write(course, "work/00_quickstart.ipynb", "my answers")
    assert copy(course) == []


@pytest.mark.parametrize("record", [None, b"", b'{"00_qui', b"[]", b"\xff\xfe"])
def test_a_lost_or_damaged_record_starts_anew_with_todays_originals(course, record):
    copy(course)
    write(course, "work/00_quickstart.ipynb", "my answers")
    write(course, "notebooks/00_quickstart.ipynb", "first, better")
    path = course / "work" / ".originals.json"
    path.unlink() if record is None else path.write_bytes(record)
    assert copy(course) == []
    write(course, "notebooks/00_quickstart.ipynb", "first, better still")
    assert copy(course) == ["00_quickstart.ipynb"]


def test_a_disk_that_fills_up_while_copying_leaves_no_half_copy(course, monkeypatch):
    def write_half(path, content):
        path.open("wb").write(content[:2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", write_half)
    with pytest.raises(OSError, match="No space"), pytest.warns(ResourceWarning):
        copy(course)
    assert list((course / "work").iterdir()) == []


def test_the_notebooks_in_a_wheel_are_copied_into_the_folder_where_you_are(course, launches, tmp_path, monkeypatch):
    (course / "tutorial_utils").mkdir()
    (course / "notebooks").rename(course / "tutorial_utils" / "notebooks")
    monkeypatch.chdir(tmp_path)
    lab.main([])
    assert read(tmp_path, "pytorch-course/01_tensors.ipynb") == "second"
    assert f"--ServerApp.root_dir={tmp_path / 'pytorch-course'}" in launches[0]
    assert not (course / "work").exists()


def test_the_copies_go_to_the_folder_that_is_named(course, launches, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lab.main(["--folder", "my/copies"])
    assert read(tmp_path, "my/copies/01_tensors.ipynb") == "second"
    assert f"--ServerApp.root_dir={tmp_path / 'my' / 'copies'}" in launches[0]
    assert not (course / "work").exists()


def test_for_an_editor_the_copies_are_made_and_jupyterlab_is_not_started(course, launches, capsys):
    lab.main(["--copy"])
    assert read(course, "work/00_quickstart.ipynb") == "first"
    assert capsys.readouterr().out == f"Your notebooks are in {course / 'work'}.\n"
    assert launches == []


# ------------------------------------------------------------------------------------------- what is printed


def test_one_line_says_which_originals_are_newer_and_what_to_do(course, launches, capsys):
    lab.main([])
    assert "Newer" not in capsys.readouterr().out
    write(course, "notebooks/00_quickstart.ipynb", "first, better")
    write(course, "notebooks/01_tensors.ipynb", "second, better")
    lab.main([])
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "Newer" in line]
    assert "00_quickstart.ipynb, 01_tensors.ipynb" in line
    assert "rename or delete" in line
    assert "--reset" in line


def the_sentence(caught: pytest.ExceptionInfo[SystemExit]) -> str:
    (sentence,) = str(caught.value).splitlines()
    return sentence


@pytest.mark.parametrize(
    ("number", "told"),
    [(errno.ENOSPC, "the disk is full"), (errno.EROFS, "make that folder writable"), (errno.EACCES, "writable")],
)
def test_a_folder_that_takes_no_copies_ends_in_one_sentence(course, launches, monkeypatch, number, told):
    def refuse(path, content):
        raise OSError(number, os.strerror(number), str(path))

    for module in copies, lab:
        monkeypatch.setattr(module, "write_whole", refuse)
    with pytest.raises(SystemExit) as caught:
        lab.main([])
    assert told in the_sentence(caught)
    assert str(course / "work") in the_sentence(caught)
    assert launches == []


def test_a_file_in_the_place_of_the_work_folder_ends_in_one_sentence(course, launches):
    write(course, "work", "a file")
    with pytest.raises(SystemExit) as caught:
        lab.main([])
    assert str(course / "work") in the_sentence(caught)


def test_a_package_that_was_installed_without_the_notebooks_says_so(tmp_path, launches, monkeypatch):
    monkeypatch.setattr(lab, "COURSE", tmp_path)
    with pytest.raises(SystemExit) as caught:
        lab.main([])
    assert "no notebooks" in the_sentence(caught)
    assert not (tmp_path / "work").exists()


def test_without_jupyterlab_the_sentence_says_how_to_get_it(course, monkeypatch):
    monkeypatch.setitem(sys.modules, "jupyterlab.labapp", None)
    with pytest.raises(SystemExit) as caught:
        lab.main([])
    assert "make lab" in the_sentence(caught)


# ------------------------------------------------------------------------------------------- JupyterLab


def test_jupyterlab_opens_the_first_notebook_in_the_work_folder(course, launches):
    lab.main([])
    (options,) = launches
    assert f"--ServerApp.root_dir={course / 'work'}" in options
    assert "--LabApp.default_url=/lab/tree/00_quickstart.ipynb" in options
    assert (course / "work" / "00_quickstart.ipynb").exists()


def test_jupyterlab_asks_nothing_about_news_and_updates(course, launches):
    lab.main([])
    (options,) = launches
    assert f"--LabApp.app_settings_dir={course / 'work' / '.lab'}" in options
    settings = json.loads(read(course, "work/.lab/overrides.json"))["@jupyterlab/apputils-extension:notification"]
    assert settings == {"fetchNews": "false", "checkForUpdates": False}


def test_other_options_come_last_so_that_they_win(course, launches):
    lab.main(["--no-browser", "--ServerApp.log_level=INFO"])
    assert launches[0][-2:] == ["--no-browser", "--ServerApp.log_level=INFO"]


@pytest.fixture
def busy_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_port_in_use_is_told_and_another_one_taken(course, launches, busy_port, capsys):
    lab.main([f"--port={busy_port}", "--ip=127.0.0.1"])
    (option,) = [option for option in launches[0] if option.startswith("--port=")]
    port = int(option.removeprefix("--port="))
    assert busy_port < port < busy_port + 50
    assert f"Port {busy_port} is in use" in capsys.readouterr().out
    assert "--ip=127.0.0.1" in launches[0]


def test_a_free_port_is_taken_without_a_word(course, launches, busy_port, capsys):
    free = lab.free_port(busy_port, "127.0.0.1")
    capsys.readouterr()
    lab.main([f"--port={free}", "--ip=127.0.0.1"])
    assert f"--port={free}" in launches[0]
    assert "in use" not in capsys.readouterr().out


def test_where_all_ports_are_taken_the_sentence_says_so(course, launches, monkeypatch):
    def refuse(address):
        raise OSError(errno.EADDRINUSE, "Address already in use")

    monkeypatch.setattr(socket, "create_server", refuse)
    with pytest.raises(SystemExit) as caught:
        lab.main(["--port=9000"])
    assert "9000 to 9049" in the_sentence(caught)


@pytest.mark.parametrize(("user", "allowed"), [(0, True), (1000, False)])
def test_only_root_is_allowed_to_be_root(course, launches, monkeypatch, user, allowed):
    monkeypatch.setattr(os, "geteuid", lambda: user, raising=False)
    lab.main([])
    assert ("--allow-root" in launches[0]) is allowed


@pytest.mark.parametrize(
    ("platform", "environment", "opens"),
    [
        ("linux", {}, False),
        ("linux", {"DISPLAY": ":0"}, True),
        ("linux", {"WAYLAND_DISPLAY": "wayland-0"}, True),
        ("linux", {"DISPLAY": "localhost:10.0", "SSH_CONNECTION": "1 2 3 4"}, False),
        ("darwin", {}, True),
        ("darwin", {"SSH_CONNECTION": "1 2 3 4"}, False),
        ("win32", {}, True),
    ],
)
def test_a_browser_opens_only_where_it_can_be_seen(course, launches, monkeypatch, platform, environment, opens):
    monkeypatch.setattr(sys, "platform", platform)
    for name in "DISPLAY", "WAYLAND_DISPLAY", "SSH_CONNECTION":
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    lab.main([])
    assert ("--no-browser" not in launches[0]) is opens


def test_over_ssh_the_tunnel_to_the_port_is_told(course, launches, monkeypatch, capsys):
    monkeypatch.setenv("SSH_CONNECTION", "1 2 3 4")
    lab.main([])
    port = next(option for option in launches[0] if option.startswith("--port=")).removeprefix("--port=")
    assert f"ssh -N -L {port}:localhost:{port}" in capsys.readouterr().out


def test_an_interrupt_ends_it_without_a_traceback(course, monkeypatch):
    def interrupt(options):
        raise KeyboardInterrupt

    monkeypatch.setattr(LabApp, "launch_instance", interrupt)
    lab.main([])


def status_of(request: urllib.request.Request, server: subprocess.Popen) -> int:
    """The status of the answer; JupyterLab prints its address a moment before it listens, so ask until it does."""
    while server.poll() is None:
        with suppress(urllib.error.URLError), urllib.request.urlopen(request) as answer:
            return answer.status
    raise AssertionError("JupyterLab ended before it answered")


@pytest.mark.slow  # a whole JupyterLab
def test_jupyterlab_answers_at_the_address_that_is_printed_and_ends_when_told_to(course, busy_port, tmp_path):
    environment = os.environ | {f"JUPYTER_{kind}_DIR": str(tmp_path / kind) for kind in ("CONFIG", "DATA", "RUNTIME")}
    script = f"from pathlib import Path; from tutorial_utils.tools import lab; lab.COURSE = Path({str(course)!r})"
    script += "; lab.main()"
    process = subprocess.Popen(
        [sys.executable, "-c", script, f"--port={busy_port}", "--ip=127.0.0.1", "--no-browser"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    watchdog = threading.Timer(120, process.kill)  # so that a server that prints nothing ends the test, not the day
    watchdog.start()
    with process:
        address = next((line.strip() for line in process.stdout if "token=" in line), None)
        try:
            page, token = address.split("?token=")
            listing = page.replace("/lab/tree/00_quickstart.ipynb", "/api/contents/00_quickstart.ipynb?content=0")
            request = urllib.request.Request(listing, headers={"Authorization": f"token {token}"})
            assert status_of(request, process) == 200
        finally:
            process.send_signal(signal.SIGTERM)
            rest = process.stdout.read()
            watchdog.cancel()
    assert "Traceback" not in rest
    assert process.returncode == 0 or sys.platform == "win32"
