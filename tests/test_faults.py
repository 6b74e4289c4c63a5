"""Faults, injected for real: servers that fail, files that are damaged, processes that are killed, disks that are full.

The quick ones run with all the tests; those marked `long` run in `make faults`.
"""

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from textwrap import dedent

import pytest

from tutorial_utils import data

ROOT = Path(__file__).parent.parent
posix = pytest.mark.skipif(os.name == "nt", reason="Windows has no such links, mounts and signals")
SET_UP = """
import os, sys, time
from tutorial_utils import data, sketches
import numpy as np

def draw(train, report):  # as the real drawing, but a thousandth of the work
    size = 60 if train else 10
    report(size)
    return np.full((size, 28, 28), 7, np.uint8), np.arange(size, dtype=np.uint8) % 10

sketches.draw = draw
data.SHA256 = json.loads(os.environ["SUMS"]) if "SUMS" in os.environ else data.SHA256
data.FashionMNIST.mirrors = tuple(os.environ.get("MIRRORS", "").split())
""".replace("import os,", "import json, os,")
LOAD = f"{SET_UP}\nset = data.FashionMNIST()\nprint('source', set.source, len(set))"


@pytest.fixture
def environment(own_data_folder, tmp_path):
    """The environment of a process that has a data folder and a home of its own."""
    home = tmp_path / "home"
    home.mkdir()
    return os.environ | {"HOME": str(home), "TUTORIAL_DATA": str(own_data_folder), "PYTHONPATH": str(ROOT)}


def start(program, environment, **settings):
    command = [sys.executable, "-c", program]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, env=environment, **pipes, **settings)


def finish(process):
    try:
        out, err = process.communicate(timeout=120)
    finally:
        process.kill()  # one that never ends must not outlive its test
    assert process.returncode == 0, err
    return out


def contents(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def kill_at_random(program, environment, moment):
    """Start `program`, and kill it `moment` seconds after it says "go"."""
    process = start(program, environment)
    assert process.stdout.readline() == "go\n", process.stderr.read()
    time.sleep(moment)
    process.kill()
    process.communicate()


# ------------------------------------------------------------------------------------------------------- servers


RAW_SERVER = """
import socket, sys, threading, time
from pathlib import Path

fault, folder, server = sys.argv[1], Path(sys.argv[2]), socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)

def answer(connection):
    asked = connection.recv(65536).split()[1].decode().strip("/")
    if fault == "silent":
        time.sleep(600)
    if fault == "redirect" and not asked.startswith("moved"):
        head = f"HTTP/1.1 302 Found\\r\\nLocation: /moved/{asked}\\r\\nContent-Length: 0\\r\\n"
        connection.sendall(f"{head}Connection: close\\r\\n\\r\\n".encode())
        return connection.close()
    if fault == "late":
        time.sleep(0.9)
    content = (folder / asked.split("/")[-1]).read_bytes()
    half = len(content) // 2
    size = len(content) * (2**20 if fault == "endless" else 1)
    length = "" if fault == "no length" else f"Content-Length: {size}\\r\\n"
    connection.sendall(f"HTTP/1.1 200 OK\\r\\n{length}Connection: close\\r\\n\\r\\n".encode())
    if fault == "stalls":
        connection.sendall(content[:half])
        time.sleep(600)
    elif fault == "trickles":
        for byte in content * 1000:
            connection.sendall(bytes([byte]))
            time.sleep(0.1)
    elif fault == "breaks off":
        connection.sendall(content[:half])
    elif fault == "flips a bit":
        connection.sendall(content[:half] + bytes([content[half] ^ 1]) + content[half + 1 :])
    elif fault == "endless":
        while True:
            connection.sendall(content * 1000)
    elif fault == "late":
        for begin in range(0, len(content), 4000):
            connection.sendall(content[begin : begin + 4000])
            time.sleep(0.1)
    elif fault == "steady":
        for begin in range(0, len(content), 1000):
            connection.sendall(content[begin : begin + 1000])
            time.sleep(0.08)
    elif fault == "slow":
        for begin in range(0, len(content), 200):
            connection.sendall(content[begin : begin + 200])
            time.sleep(0.02)
    else:
        connection.sendall(content)
    connection.close()

while True:
    threading.Thread(target=answer, args=server.accept()[:1], daemon=True).start()
"""


@pytest.fixture
def serve_badly(real_files):
    """Returns a function that starts a server with a fault and returns its address."""
    servers = []

    def begin(fault):
        command = [sys.executable, "-c", RAW_SERVER, fault, str(real_files)]
        servers.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        return f"http://127.0.0.1:{servers[-1].stdout.readline().strip()}/"

    yield begin
    for server in servers:
        server.kill()
        server.communicate()


FAULTS = {
    "silent": "no answer for 1 seconds",
    "stalls": "no answer for 1 seconds",
    "trickles": "sends less than 20 kB per second",
    "breaks off": "the connection broke off",
    "flips a bit": "what came is not the expected file",
    "endless": "sends more than the expected file",
}


@pytest.fixture
def short_patience(monkeypatch):
    monkeypatch.setattr(data, "TIMEOUT", 1)
    monkeypatch.setattr(data, "LARGEST", 2**20)


@pytest.mark.parametrize("fault", FAULTS)
def test_real_names_the_address_and_the_reason_and_keeps_nothing(
    fault, serve_badly, short_patience, monkeypatch, own_data_folder
):
    url = serve_badly(fault)
    monkeypatch.setattr(data.FashionMNIST, "mirrors", (url,))
    monkeypatch.setenv("TUTORIAL_SOURCE", "real")
    for _ in range(2):  # nothing partial is taken for data in the next run
        with pytest.raises(data.DownloadError) as caught:
            data.FashionMNIST()
        assert url in str(caught.value)
        assert FAULTS[fault] in str(caught.value)
        assert [path.name for path in (own_data_folder / "FashionMNIST").iterdir()] == [".lock"]


@pytest.mark.parametrize("fault", FAULTS)
def test_auto_ends_on_the_drawn_set_and_says_why(
    fault, serve_badly, short_patience, monkeypatch, quick_sketches, capsys
):
    monkeypatch.setattr(data.FashionMNIST, "mirrors", (serve_badly(fault), serve_badly(fault)))
    assert data.FashionMNIST().source == "sketch"
    assert capsys.readouterr().out.count(FAULTS[fault]) == 2


@pytest.mark.parametrize("fault", ["slow", "redirect", "no length", "none"])
def test_a_server_that_is_slow_or_sends_elsewhere_serves(fault, serve_badly, monkeypatch):
    monkeypatch.setattr(data.FashionMNIST, "mirrors", (serve_badly(fault),))
    assert data.FashionMNIST().source == "real"


def test_the_time_until_a_server_answers_does_not_count_as_slowness(serve_badly, short_patience, monkeypatch):
    monkeypatch.setattr(data, "SLOWEST", 20_000)  # it sends about 40 kB per second, but begins after 0.9 of 1 second
    monkeypatch.setattr(data.FashionMNIST, "mirrors", (serve_badly("late"),))
    assert data.FashionMNIST().source == "real"


def test_a_steady_server_serves_for_longer_than_one_look_at_its_pace(serve_badly, short_patience, monkeypatch):
    monkeypatch.setattr(data, "SLOWEST", 5_000)  # it sends some 12 kB per second, 1 kB at a time, for 2 seconds
    monkeypatch.setattr(data.FashionMNIST, "mirrors", (serve_badly("steady"),))
    assert data.FashionMNIST().source == "real"


def test_the_course_gives_two_silent_mirrors_less_time_than_drawing_would_be_worth():
    assert 2 * data.TIMEOUT <= 20  # and drawing takes less than ten seconds


def test_a_name_that_cannot_be_looked_up_is_told(real_files, monkeypatch):
    monkeypatch.setenv("TUTORIAL_SOURCE", "real")
    monkeypatch.setattr(data.FashionMNIST, "mirrors", ("http://no-such-host.invalid/",))
    with pytest.raises(data.DownloadError, match=r"no-such-host\.invalid/: .*(name|Name|service)"):
        data.FashionMNIST()


# --------------------------------------------------------------------------------------------------------- files


@posix
@pytest.mark.parametrize("policy", ["auto", "real", "sketch"])
def test_a_file_that_cannot_be_read_is_replaced_or_told(policy, real_set, monkeypatch, quick_sketches):
    monkeypatch.setenv("TUTORIAL_SOURCE", "sketch" if policy == "sketch" else "offline")
    data.FashionMNIST()
    monkeypatch.setenv("TUTORIAL_SOURCE", policy)
    source = "sketch" if policy == "sketch" else "real"
    broken = data.source_folder(real_set, source) / "t10k-labels-idx1-ubyte.gz"
    broken.unlink()
    broken.symlink_to(broken)  # even the administrator cannot read it
    if policy == "real":
        with pytest.raises(data.DownloadError):
            data.FashionMNIST()
        with pytest.raises(RuntimeError, match="cannot be read"):
            data.FashionMNIST(download=False)
    else:
        assert data.FashionMNIST().source == "sketch"
        assert data.find_damage(real_set, "sketch") is None


@pytest.fixture
def small_disk(tmp_path):
    """A file system with room for 64 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if not shutil.which("mount"):
        pytest.skip("no file system can be mounted here")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.decode().strip()}")
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_a_full_disk_is_told_and_the_unfinished_file_is_gone(small_disk, monkeypatch):
    monkeypatch.setenv("TUTORIAL_SOURCE", "sketch")
    with pytest.raises(OSError, match=r"No space left on device\. The data need 100 MB.*set TUTORIAL_DATA"):
        data.FashionMNIST(small_disk)
    assert [path.name for path in (small_disk / "FashionMNIST").iterdir()] == [".lock"]


@posix
def test_a_read_only_folder_with_the_data_serves_a_class(real_set, tmp_path):
    folder = tmp_path / "shared"
    folder.mkdir()
    if subprocess.run(["mount", "--bind", "-o", "ro", real_set, folder], capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        assert data.FashionMNIST(folder).source == "real"
    finally:
        subprocess.run(["umount", folder], check=True)


# ----------------------------------------------------------------------------------------------------- processes


def test_eight_processes_that_start_at_once_get_the_same_bytes(environment, own_data_folder):
    processes = [start(LOAD, environment | {"TUTORIAL_SOURCE": "sketch"}) for _ in range(8)]
    assert {finish(process).splitlines()[-1] for process in processes} == {"source sketch 60"}
    assert data.find_damage(own_data_folder, "sketch") is None
    assert sorted(path.name for path in (own_data_folder / "FashionMNIST").iterdir()) == [
        ".lock",
        data.source_folder(own_data_folder, "sketch").name,
    ]


HOLDING = """
import filelock, sys, time
with filelock.FileLock(sys.argv[1]):
    print("go", flush=True)
    time.sleep(600)
"""


def test_a_lock_of_a_dead_process_does_not_block(environment, own_data_folder):
    (own_data_folder / "FashionMNIST").mkdir(parents=True)
    command = [sys.executable, "-c", HOLDING, str(own_data_folder / "FashionMNIST" / ".lock")]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "go\n"
    waiting = start(LOAD, environment | {"TUTORIAL_SOURCE": "sketch"})
    time.sleep(0.2)
    holder.kill()
    holder.communicate()
    assert finish(waiting).endswith("source sketch 60\n")


def test_what_a_process_left_that_was_killed_after_its_work_is_removed(real_set):
    rubbish = real_set / "FashionMNIST" / "unfinished"
    rubbish.mkdir()
    assert data.FashionMNIST().source == "real"
    assert not rubbish.exists()


def test_the_work_of_another_process_is_left_alone(real_set):
    with data._workplace(real_set) as scratch:
        (scratch / "half").touch()
        assert data.find_source(real_set) == "real"
        data._tidy(real_set)
        assert (scratch / "half").exists()


FITTING = """
import torch
from torch import nn
from tutorial_utils.loops import fit, test_loop
batches = [(torch.rand(8, 4), torch.randint(3, (8,))) for _ in range(200)]
model = nn.Linear(4, 3)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
print("go", flush=True)
history = fit(model, batches, batches[:2], nn.CrossEntropyLoss(), optimizer, epochs=1_000_000, progress=False)
lengths = {len(values) for values in history.values()}
print(lengths.pop() >= 1, lengths == set(), test_loop(batches, model, nn.CrossEntropyLoss()).loss > 0)
"""


@posix
def test_an_interrupt_from_outside_ends_fit_and_keeps_the_history(environment):
    process = start(FITTING, environment)
    assert process.stdout.readline() == "go\n", process.stderr.read()
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    said = finish(process)
    assert "Interrupted in epoch" in said
    assert said.endswith("True True True\n")


# --------------------------------------------------------------------------------------------------- checkpoints


SAVING = """
import itertools, sys, torch
from tutorial_utils.checkpoints import save_checkpoint
model = torch.nn.Linear(500, 500)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
save_checkpoint(sys.argv[1], model, optimizer, 0)
print("go", flush=True)
for epoch in itertools.count(1):
    save_checkpoint(sys.argv[1], model, optimizer, epoch)
"""


def kill_while_saving(path, environment, moment):
    program = SAVING.replace("sys.argv[1]", repr(str(path)))
    kill_at_random(program, environment, moment)


def check_that_it_loads(path):
    import torch

    from tutorial_utils.checkpoints import load_checkpoint, save_checkpoint

    model = torch.nn.Linear(500, 500)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    epoch = load_checkpoint(path, model, optimizer)
    save_checkpoint(path, model, optimizer, epoch)
    assert list(path.parent.glob(f"{path.name}*")) == [path]


def test_a_save_that_is_killed_leaves_a_checkpoint_that_loads(environment, tmp_path):
    kill_while_saving(tmp_path / "run.pt", environment, random.uniform(0, 0.3))
    check_that_it_loads(tmp_path / "run.pt")


def test_a_full_disk_leaves_the_old_checkpoint(small_disk):
    import torch

    from tutorial_utils.checkpoints import load_checkpoint, save_checkpoint

    small, large = torch.nn.Linear(2, 2), torch.nn.Linear(200, 200)
    path, optimizer = small_disk / "run.pt", torch.optim.SGD(small.parameters(), lr=0.1)
    save_checkpoint(path, small, optimizer, epoch=3)
    with pytest.raises((OSError, RuntimeError)):
        save_checkpoint(path, large, torch.optim.SGD(large.parameters(), lr=0.1), epoch=4)
    assert load_checkpoint(path, small, optimizer) == 3
    assert list(small_disk.iterdir()) == [path]


# ------------------------------------------------------------------------------------------------- the long ones


@pytest.mark.long
@pytest.mark.parametrize("time_of_kill", range(20))
def test_killed_at_any_moment_of_a_save_the_old_file_loads(time_of_kill, environment, tmp_path):
    kill_while_saving(tmp_path / "run.pt", environment, random.uniform(0, 1))
    check_that_it_loads(tmp_path / "run.pt")


GETTING = f"{SET_UP}\nprint('go', flush=True)\ndata.FashionMNIST()\nprint('done', flush=True)\ntime.sleep(600)"


@pytest.mark.long
@pytest.mark.parametrize("time_of_kill", range(20))
@pytest.mark.parametrize("policy", ["sketch", "real"])
def test_killed_at_any_moment_of_getting_data_the_next_run_succeeds(
    policy, time_of_kill, environment, own_data_folder, serve_badly
):
    mirrors = {"MIRRORS": serve_badly("slow"), "SUMS": json.dumps(data.SHA256)} if policy == "real" else {}
    environment |= {"TUTORIAL_SOURCE": policy} | mirrors
    kill_at_random(GETTING, environment, random.uniform(0, 2 if policy == "real" else 0.05))
    assert finish(start(LOAD, environment)).splitlines()[-1].startswith(f"source {policy}")
    kept = {path.name for path in (own_data_folder / "FashionMNIST").iterdir()}
    assert kept == {".lock", data.source_folder(own_data_folder, policy).name}


@pytest.mark.long
def test_killed_while_really_drawing_the_next_run_succeeds(environment, own_data_folder):
    program = "from tutorial_utils.data import FashionMNIST\nprint('go', flush=True)\nFashionMNIST()"
    environment |= {"TUTORIAL_SOURCE": "sketch"}
    for _ in range(3):
        kill_at_random(program, environment, random.uniform(0.5, 6))
    assert finish(start(f"{program}\nprint('done')", environment)).endswith("done\n")
    assert data.find_damage(own_data_folder, "sketch") is None
    assert not (own_data_folder / "FashionMNIST" / "unfinished").exists()


SWALLOW = """
import socket, time
server = socket.socket(type=socket.SOCK_DGRAM)
server.bind(("127.0.0.53", 53))
time.sleep(90)
"""
BLACK_HOLE = """
ip link set lo up
echo nameserver 127.0.0.53 >"$1"
mount --bind "$1" /etc/resolv.conf
"$2" -c "$3" &
"$2" -c "$4"
kill $!
"""


@pytest.mark.long
def test_where_no_name_is_ever_answered_auto_draws_within_30_seconds(environment, tmp_path):
    program = """
import time
start = time.monotonic()
from tutorial_utils.data import FashionMNIST
print(FashionMNIST().source, time.monotonic() - start < 30)
"""
    alone = ["unshare", "-nm", "sh", "-c", BLACK_HOLE, "sh", tmp_path / "resolv.conf"]
    alone += [sys.executable, SWALLOW, program]
    if not shutil.which("unshare") or subprocess.run(["unshare", "-nm", "true"], capture_output=True).returncode:
        pytest.skip("the network cannot be cut off here")
    environment |= {"TUTORIAL_SOURCE": "auto"}
    said = subprocess.run(alone, env=environment, cwd=ROOT, capture_output=True, text=True).stdout
    assert said.count("no answer for 8 seconds") == 2, said
    assert said.endswith("sketch True\n")


def run_all_notebooks_at_once(environment, folder):
    notebooks = sorted((ROOT / "notebooks").glob("*.ipynb"))
    random.shuffle(notebooks)
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "jupyter", "execute", str(path), "--output", str(folder / path.name)],
            env=environment | {"OMP_NUM_THREADS": "1"},
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for path in notebooks
    ]
    for process in running:
        said, _ = process.communicate(timeout=900)
        assert process.returncode == 0, said


@pytest.mark.long
def test_all_notebooks_run_at_once_in_random_order_in_an_empty_home(environment, tmp_path):
    run_all_notebooks_at_once(environment | {"TUTORIAL_SOURCE": "sketch"}, tmp_path)


@pytest.mark.long
@posix
def test_all_notebooks_run_in_a_home_that_is_read_only_once_the_data_folder_is_given(environment, tmp_path):
    home = environment["HOME"]
    if subprocess.run(["mount", "--bind", "-o", "ro", home, home], capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    del environment["TUTORIAL_PROGRESS"]
    try:
        assert not os.access(home, os.W_OK)
        run_all_notebooks_at_once(environment | {"TUTORIAL_SOURCE": "sketch"}, tmp_path)
    finally:
        subprocess.run(["umount", home], check=True)


@pytest.mark.long
@pytest.mark.parametrize(
    "world",
    [
        {"LC_ALL": "C", "TZ": "Asia/Shanghai", "PYTHONHASHSEED": "1"},
        {"LC_ALL": "zh_CN.UTF-8", "LANG": "zh_CN.UTF-8", "TZ": "Pacific/Kiritimati", "PYTHONHASHSEED": "2"},
    ],
    ids=["C", "zh_CN"],
)
def test_the_tests_pass_without_a_network_wherever_they_run(world):
    """The loopback stays: Jupyter needs it to talk to its kernels."""
    alone = ["unshare", "-n", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    if not shutil.which("unshare") or subprocess.run([*alone, "true"], capture_output=True).returncode:
        pytest.skip("the network cannot be cut off here")
    command = [*alone, sys.executable, "-m", "pytest", "-q", "tests", "-m", "not long"]
    result = subprocess.run(command, env=os.environ | world, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-3000:]


def test_every_text_file_is_opened_in_utf_8():
    """On Windows in China, the default is another encoding."""
    program = dedent("""
        import warnings
        warnings.filterwarnings("error", category=EncodingWarning, module="tutorial_utils")  # the libraries are theirs
        import os, pathlib
        from tutorial_utils import data, doctor, grade, lab, train
        from tutorial_utils.exercises.record import read_record, remember
        remember("01_tensors.standardize", "correct")
        print(len(read_record(pathlib.Path(os.environ["TUTORIAL_PROGRESS"]))))
    """)
    command = [sys.executable, "-X", "warn_default_encoding", "-c", program]
    assert "1" in subprocess.run(command, capture_output=True, text=True, check=True).stdout
