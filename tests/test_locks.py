"""Locks, and file systems that have none."""

import errno
import os
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import filelock
import pytest

from tutorial_utils.data import FashionMNIST
from tutorial_utils.exercises import record
from tutorial_utils.storage import fashion_mnist, files

fcntl = pytest.importorskip("fcntl", reason="Windows always has locks")
ROOT = Path(__file__).parent.parent


@pytest.fixture(params=["ENOSYS", "ENOTSUP", "ENOLCK"])
def no_locks(request, monkeypatch):
    """A file system that answers as some do that have no locks."""

    def refuse(*arguments):
        raise OSError(getattr(errno, request.param), "no locks here")

    monkeypatch.setattr(fcntl, "flock", refuse)


def test_a_lock_is_held_by_one_at_a_time(tmp_path):
    with files.lock(tmp_path / ".lock") as locked:
        assert locked
        with pytest.raises(filelock.Timeout), files.lock(tmp_path / ".lock", patience=0):
            pytest.fail("both hold it")
    with files.lock(tmp_path / ".lock", patience=0) as locked:
        assert locked


def test_who_waits_for_a_lock_says_so_and_gets_it(tmp_path, monkeypatch):
    held, release, said = threading.Event(), threading.Event(), []

    def hold():
        with files.lock(tmp_path / ".lock"):
            held.set()
            release.wait()

    def say(line):
        said.append(line)
        release.set()

    monkeypatch.setattr(files, "print", say, raising=False)
    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    with files.lock(tmp_path / ".lock") as locked:
        assert locked
    thread.join()
    assert said == ["Another process is preparing the data; waiting until it is done."]


def test_without_locks_the_data_are_prepared_all_the_same(no_locks, quick_sketches, own_data_folder, capfd):
    with warnings.catch_warnings(record=True) as warned:
        assert FashionMNIST().source == "sketch"
    home = own_data_folder / "FashionMNIST"
    assert warned == []
    assert not [line for line in capfd.readouterr().err.splitlines() if "lock" in line]
    assert {path.name for path in home.iterdir()} == {".lock", fashion_mnist.source_folder(home, "sketch").name}


def test_without_locks_two_prepare_side_by_side_and_neither_disturbs_the_other(no_locks, tmp_path):
    with files.scratch_folder(tmp_path) as mine:
        (mine / "half").touch()
        theirs = []

        def prepare():
            with files.scratch_folder(tmp_path) as scratch:
                files.remove_leftovers(tmp_path)
                theirs.append(scratch)

        thread = threading.Thread(target=prepare)
        thread.start()
        thread.join()
        assert theirs != [mine]
        assert (mine / "half").exists()
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_without_locks_what_a_dead_process_left_blocks_nobody_and_goes_after_a_day(no_locks, tmp_path):
    (tmp_path / ".lock").write_text("999999\nhere\n")  # what some versions of filelock write into it
    new, old = tmp_path / "unfinished-there-1-1", tmp_path / "unfinished"
    new.mkdir()
    old.mkdir()
    (old / "half").touch()
    os.utime(old, (time.time() - 90_000,) * 2)
    with files.scratch_folder(tmp_path):
        pass
    files.remove_leftovers(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {".lock", new.name}


def test_without_locks_progress_is_kept(no_locks, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TUTORIAL_PROGRESS", str(tmp_path / "progress.json"))
    with warnings.catch_warnings(record=True) as warned:
        record.remember("01.a", "correct")
        record.remember("01.b", "not yet")
    assert record.read_record(tmp_path / "progress.json") == {"01.a": "correct", "01.b": "not yet"}
    assert warned == []
    assert capsys.readouterr() == ("", "")


HOLDING = """
import os, signal, sys, time
from pathlib import Path
from tutorial_utils.storage import files
with files.scratch_folder(Path(sys.argv[1])) as scratch:
    (scratch / "half").touch()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_lock_of_a_killed_process_blocks_nobody_and_its_folder_is_removed(tmp_path):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    result = subprocess.run([sys.executable, "-c", HOLDING, str(tmp_path)], env=environment)
    assert result.returncode < 0
    assert (tmp_path / "unfinished" / "half").exists()
    files.remove_leftovers(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]
    with files.lock(tmp_path / ".lock", patience=0) as locked:
        assert locked
