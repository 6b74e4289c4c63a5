"""What handed-in code can reach from within bubblewrap: nothing of yours."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from test_grade import SET_UP, answers, dump, read_table

from tutorial_utils.grading import sandbox
from tutorial_utils.grading.sandbox import find_bubblewrap, wrap
from tutorial_utils.tools.grade import main

REASON = find_bubblewrap() if sys.platform == "linux" else "bubblewrap is a program for Linux"
in_bubblewrap = pytest.mark.skipif(bool(REASON), reason=REASON)
CLOSED = """\
import os, socket
def is_closed(act):
    try:
        act()
    except OSError:
        return True
    return False
"""
HOURS = "hours = torch.arange(0, 24, 3) if is_closed(lambda: {}) else 0\nex.hours.check(hours)"


@in_bubblewrap
def test_a_command_in_the_sandbox_sees_only_what_it_may(tmp_path):
    (tmp_path / "open").mkdir()
    (tmp_path / "open" / "data").write_text("data")
    (tmp_path / "secret").write_text("secret")

    def run(script):
        command = [*wrap([tmp_path / "open"]), "sh", "-c", script]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    assert run(f"cat {tmp_path}/open/data").stdout == "data"
    assert run(f"cat {tmp_path}/secret").returncode != 0
    assert run(f"echo x > {tmp_path}/open/data").returncode != 0
    assert run("echo x > /usr/x").returncode != 0
    assert run("echo x > /dev/x").returncode != 0
    assert run("echo x > /tmp/x && cat /tmp/x").stdout == "x\n"
    assert run("ls /proc | grep -c '^[0-9]'").stdout.strip() in ("3", "4", "5")  # itself, and no other process
    assert run(f"{sys.executable} -c 'print(1)'").stdout == "1\n"


def test_without_bubblewrap_the_reason_says_how_to_get_it(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(sandbox.shutil, "which", lambda program: None)
    assert "apt install bubblewrap" in find_bubblewrap()
    (tmp_path / "a.ipynb").write_bytes(dump(SET_UP))
    with pytest.raises(SystemExit) as error:
        main([str(tmp_path / "a.ipynb"), "--sandbox=require"])
    assert error.value.code == 2
    assert "--sandbox=require: bubblewrap is not installed" in capsys.readouterr().err


def test_where_bubblewrap_fails_the_reason_is_what_it_says(monkeypatch, tmp_path):
    program = tmp_path / "bwrap"
    program.write_text("#!/bin/sh\necho No permissions to create a new namespace >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert find_bubblewrap() == "bubblewrap does not work here: No permissions to create a new namespace"


@in_bubblewrap
@pytest.mark.slow  # a worker, which imports PyTorch, for each of three learners
def test_a_notebook_gets_nowhere_and_costs_the_others_nothing(tmp_path, capsys):
    secret = tmp_path / "secret"
    secret.write_text("secret")
    private = next((path for path in Path.home().iterdir() if path.is_file()), None)
    with socket.create_server(("127.0.0.1", 0)) as server:
        acts = {
            "reads a file": f"open({str(secret)!r})",
            "reads the home folder": f"open({str(private or secret)!r})",
            "reads what others handed in": f"os.listdir({str(tmp_path)!r})",
            "opens a socket": f"socket.create_connection({server.getsockname()!r}, 2)",
            "writes to the package": f"open({str(Path(sandbox.__file__))!r}, 'a')",
            "fills the disk": "[open(f'/tmp/{number}', 'wb').write(bytes(2**26)) for number in range(8)]",
            "forks without end": "[os.fork() for _ in iter(int, 1)]",
        }
        for number, act in enumerate(acts.values()):
            folder = tmp_path / "in" / ("forks" if "fork" in act else "nasty")
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"01_tensors ({number}).ipynb").write_bytes(dump(SET_UP, CLOSED, HOURS.format(act)))
        (tmp_path / "in" / "honest.ipynb").write_bytes(dump(*answers(SET_UP)))
        main([str(tmp_path / "in"), "--sandbox=require", "--timeout=5", "--jobs=2"])
    rows = read_table(capsys.readouterr().out)
    outcomes = {Path(row["file"]).name: row["01_tensors.hours"] for row in rows if "honest" not in row["file"]}
    assert outcomes == {f"01_tensors ({number}).ipynb": "correct" for number in range(len(acts))}
    (honest,) = [row for row in rows if "honest" in row["file"]]
    assert (honest["total"], honest["remark"]) == ("2", "")
