"""Faults, injected for real: servers that fail, files that are damaged, processes that are killed, disks that are full.

The quick ones run with all the tests; those marked `slow` or `long` run in `make faults`.
"""

import io
import itertools
import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import filelock
import numpy as np
import pytest
import torch
from forked import tell, wait_for_ever

from tutorial_utils import data
from tutorial_utils.checkpoints import load_checkpoint, save_checkpoint
from tutorial_utils.loops import fit, test_loop
from tutorial_utils.storage import download, fashion_mnist, files, sketches

ROOT = Path(__file__).parent.parent
posix = pytest.mark.skipif(os.name == "nt", reason="Windows has no such links, mounts and signals")


def load(mirrors=(), sums=None):
    """Load the data, with a thousandth of the work that drawing is, and print what they are."""
    sketches.draw = draw
    data.FashionMNIST.mirrors, fashion_mnist.SHA256 = mirrors, sums or fashion_mnist.SHA256
    images = data.FashionMNIST()
    print(f"source {images.source} {len(images)}")


def draw(train, report):
    size = 60 if train else 10
    report(size)
    return np.full((size, 28, 28), 7, np.uint8), np.arange(size, dtype=np.uint8) % 10


def finish(process):
    """Return the last line that a process prints, which ends without an error."""
    ended = process.finish()
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.splitlines()[-1]


def kill_at_random(process, latest):
    """Kill the process at a random moment, at most `latest` seconds after it has told that it begins."""
    assert process.wait_until_told() == "go"
    process.process.join(random.uniform(0, latest))
    process.kill()


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
    large = asked.startswith("train-images")
    if fault == "late" and large:
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
    elif fault == "late" and large:
        for begin in range(0, len(content), 4000):
            connection.sendall(content[begin : begin + 4000])
            time.sleep(0.1)
    elif fault == "steady" and large:
        for begin in range(0, len(content), 1000):
            connection.sendall(content[begin : begin + 1000])
            time.sleep(0.08)
    elif fault == "slow":
        for begin in range(0, len(content), 400):
            connection.sendall(content[begin : begin + 400])
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


each_fault = pytest.mark.parametrize(
    ("fault", "patience", "reason"),  # the less patience, the sooner the test is over
    [
        ("silent", 0.2, "no answer for 0.2 seconds"),
        ("stalls", 0.2, "no answer for 0.2 seconds"),
        ("trickles", 1, "sends less than 20 kB per second"),
        ("breaks off", 5, "the connection broke off"),
        ("flips a bit", 5, "what came is not the expected file"),
        ("endless", 5, "sends more than the expected file"),
    ],
)


@each_fault
def test_real_names_the_address_and_the_reason_and_keeps_nothing(
    fault, patience, reason, serve_badly, monkeypatch, own_data_folder
):
    url = serve_badly(fault)
    monkeypatch.setattr(download, "TIMEOUT", patience)
    monkeypatch.setattr(download, "LARGEST", 2**20)
    monkeypatch.setattr(data.FashionMNIST, "mirrors", (url,))
    monkeypatch.setenv("TUTORIAL_SOURCE", "real")
    for _ in range(2):  # nothing partial is taken for data in the next run
        with pytest.raises(download.DownloadError) as caught:
            data.FashionMNIST()
        assert url in str(caught.value)
        assert reason in str(caught.value)
        assert [path.name for path in (own_data_folder / "FashionMNIST").iterdir()] == [".lock"]


@each_fault
def test_auto_ends_on_the_drawn_set_and_says_why(
    fault, patience, reason, serve_badly, monkeypatch, quick_sketches, capsys
):
    monkeypatch.setattr(download, "TIMEOUT", patience)
    monkeypatch.setattr(download, "LARGEST", 2**20)
    monkeypatch.setattr(data.FashionMNIST, "mirrors", (serve_badly(fault), serve_badly(fault)))
    assert data.FashionMNIST().source == "sketch"
    assert capsys.readouterr().out.count(reason) == 2


@pytest.mark.parametrize("fault", ["slow", "redirect", "no length", "none"])
def test_a_server_that_is_slow_or_sends_elsewhere_serves(fault, serve_badly, monkeypatch):
    monkeypatch.setattr(data.FashionMNIST, "mirrors", (serve_badly(fault),))
    assert data.FashionMNIST().source == "real"


def test_the_time_until_a_server_answers_does_not_count_as_slowness(serve_badly, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT", 1)
    monkeypatch.setattr(download, "SLOWEST", 20_000)  # it sends 40 kB per second, but begins after 0.9 of 1 second
    monkeypatch.setattr(data.FashionMNIST, "mirrors", (serve_badly("late"),))
    assert data.FashionMNIST().source == "real"


def test_a_steady_server_serves_for_longer_than_one_look_at_its_pace(serve_badly, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT", 1)
    monkeypatch.setattr(download, "SLOWEST", 5_000)  # it sends some 12 kB per second, 1 kB at a time, for 2 seconds
    monkeypatch.setattr(data.FashionMNIST, "mirrors", (serve_badly("steady"),))
    assert data.FashionMNIST().source == "real"


def test_the_course_gives_two_silent_mirrors_less_time_than_drawing_would_be_worth():
    assert 2 * download.TIMEOUT <= 20  # and drawing takes less than ten seconds


def test_a_name_that_cannot_be_looked_up_is_told(real_files, monkeypatch):
    monkeypatch.setenv("TUTORIAL_SOURCE", "real")
    monkeypatch.setattr(data.FashionMNIST, "mirrors", ("http://no-such-host.invalid/",))
    with pytest.raises(download.DownloadError, match=r"no-such-host\.invalid/: .*(name|Name|service)"):
        data.FashionMNIST()


# --------------------------------------------------------------------------------------------------------- files


@posix
@pytest.mark.parametrize("policy", ["auto", "real", "sketch"])
def test_a_file_that_cannot_be_read_is_replaced_or_told(policy, real_set, monkeypatch, quick_sketches):
    monkeypatch.setenv("TUTORIAL_SOURCE", "sketch" if policy == "sketch" else "offline")
    data.FashionMNIST()
    monkeypatch.setenv("TUTORIAL_SOURCE", policy)
    source = "sketch" if policy == "sketch" else "real"
    broken = fashion_mnist.source_folder(real_set, source) / "t10k-labels-idx1-ubyte.gz"
    broken.unlink()
    broken.symlink_to(broken)  # even the administrator cannot read it
    if policy == "real":
        with pytest.raises(download.DownloadError):
            data.FashionMNIST()
        with pytest.raises(RuntimeError, match="cannot be read"):
            data.FashionMNIST(download=False)
    else:
        assert data.FashionMNIST().source == "sketch"
        assert fashion_mnist.verify(real_set, "sketch") is None


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
    noise = np.random.default_rng(0).integers(0, 256, (200, 28, 28), np.uint8)  # no compression makes it any smaller
    monkeypatch.setattr(sketches, "draw", lambda train, report: (noise, noise[:, 0, 0]))
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


def test_eight_processes_that_start_at_once_get_the_same_bytes(fork, own_data_folder):
    processes = [fork(load, TUTORIAL_SOURCE="sketch") for _ in range(8)]
    assert {finish(process) for process in processes} == {"source sketch 60"}
    assert fashion_mnist.verify(own_data_folder, "sketch") is None
    assert sorted(path.name for path in (own_data_folder / "FashionMNIST").iterdir()) == [
        ".lock",
        fashion_mnist.source_folder(own_data_folder, "sketch").name,
    ]


def hold(lock):
    with filelock.FileLock(lock):
        tell("held")
        wait_for_ever()


class Teller(io.StringIO):
    """A standard output whose lines are told to the test, each as soon as it is printed."""

    def write(self, text):
        if text.strip():
            tell(text)
        return len(text)


def load_and_tell():
    sys.stdout = Teller()
    load()


def test_a_lock_of_a_dead_process_does_not_block(fork, own_data_folder):
    (own_data_folder / "FashionMNIST").mkdir(parents=True)
    holder = fork(hold, own_data_folder / "FashionMNIST" / ".lock")
    assert holder.wait_until_told() == "held"
    waiting = fork(load_and_tell, TUTORIAL_SOURCE="sketch")
    assert waiting.wait_until_told().startswith("Another process is preparing the data")
    holder.kill()
    assert waiting.wait_until_told() == "source sketch 60"


def test_what_a_process_left_that_was_killed_after_its_work_is_removed(real_set):
    rubbish = real_set / "FashionMNIST" / "unfinished"
    rubbish.mkdir()
    assert data.FashionMNIST().source == "real"
    assert not rubbish.exists()


def test_the_work_of_another_process_is_left_alone(real_set):
    with fashion_mnist.workspace(real_set) as scratch:
        (scratch / "half").touch()
        assert fashion_mnist.find_source(real_set) == "real"
        files.remove_leftovers(fashion_mnist.home(real_set))
        assert (scratch / "half").exists()


class Batches(list):
    """Batches that tell, once fit is in its third epoch, that it can be interrupted."""

    def __iter__(self):
        self.passes = getattr(self, "passes", 0) + 1
        for number, batch in enumerate(super().__iter__()):
            if (self.passes, number) == (3, 1):
                tell("go")
            yield batch


def fit_for_ever():
    batches = Batches((torch.rand(8, 4), torch.randint(3, (8,))) for _ in range(200))
    model, loss_fn = torch.nn.Linear(4, 3), torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    history = fit(model, batches, batches[:2], loss_fn, optimizer, epochs=1_000_000, progress=False)
    lengths = {len(values) for values in history.values()}
    print(lengths.pop() >= 2, lengths == set(), test_loop(batches, model, loss_fn).loss > 0)


@posix
def test_an_interrupt_from_outside_ends_fit_and_keeps_the_history(fork):
    process = fork(fit_for_ever)
    assert process.wait_until_told() == "go"
    os.kill(process.process.pid, signal.SIGINT)
    assert finish(process) == "True True True"
    assert "Interrupted in epoch" in process.finish().stdout


# --------------------------------------------------------------------------------------------------- checkpoints


def make_model():
    model = torch.nn.Linear(500, 500)
    return model, torch.optim.SGD(model.parameters(), lr=0.1)


def save_for_ever(path):
    for epoch in itertools.count():
        save_checkpoint(path, *make_model(), epoch)
        if epoch == 0:
            tell("go")


def check_that_it_loads(path):
    model, optimizer = make_model()
    epoch = load_checkpoint(path, model, optimizer)
    save_checkpoint(path, model, optimizer, epoch)
    assert list(path.parent.glob(f"{path.name}*")) == [path]


def test_a_save_that_is_killed_leaves_a_checkpoint_that_loads(fork, tmp_path):
    kill_at_random(fork(save_for_ever, tmp_path / "run.pt"), latest=0.3)
    check_that_it_loads(tmp_path / "run.pt")


def test_a_full_disk_leaves_the_old_checkpoint(small_disk):
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
def test_killed_at_any_moment_of_a_save_the_old_file_loads(time_of_kill, fork, tmp_path):
    kill_at_random(fork(save_for_ever, tmp_path / "run.pt"), latest=1)
    check_that_it_loads(tmp_path / "run.pt")


def load_and_stay(*offer):
    tell("go")
    load(*offer)
    wait_for_ever()


@pytest.mark.long
@pytest.mark.parametrize("time_of_kill", range(20))
@pytest.mark.parametrize("policy", ["sketch", "real"])
def test_killed_at_any_moment_of_getting_data_the_next_run_succeeds(
    policy, time_of_kill, fork, own_data_folder, serve_badly
):
    offer = ([serve_badly("slow")], fashion_mnist.SHA256) if policy == "real" else ()
    kill_at_random(fork(load_and_stay, *offer, TUTORIAL_SOURCE=policy), latest=2 if policy == "real" else 0.05)
    assert finish(fork(load, *offer, TUTORIAL_SOURCE=policy)).startswith(f"source {policy}")
    kept = {path.name for path in (own_data_folder / "FashionMNIST").iterdir()}
    assert kept == {".lock", fashion_mnist.source_folder(own_data_folder, policy).name}


def load_really():
    tell("go")
    print(data.FashionMNIST().source)


@pytest.mark.long
def test_killed_while_really_drawing_the_next_run_succeeds(fork, own_data_folder):
    for _ in range(3):
        kill_at_random(fork(load_really, TUTORIAL_SOURCE="sketch"), latest=6)
    assert finish(fork(load_really, TUTORIAL_SOURCE="sketch")) == "sketch"
    assert fashion_mnist.verify(own_data_folder, "sketch") is None
    assert not (own_data_folder / "FashionMNIST" / "unfinished").exists()


@pytest.fixture
def environment(own_data_folder, tmp_path):
    """The environment of a process that has a data folder and a home of its own."""
    home = tmp_path / "home"
    home.mkdir()
    return os.environ | {"HOME": str(home), "TUTORIAL_DATA": str(own_data_folder), "PYTHONPATH": str(ROOT)}


SWALLOW = """
import signal, socket
server = socket.socket(type=socket.SOCK_DGRAM)
server.bind(("127.0.0.53", 53))
signal.pause()
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
def test_where_no_name_is_ever_answered_auto_waits_for_each_mirror_once_and_draws(environment, tmp_path):
    program = "from tutorial_utils.data import FashionMNIST; print(FashionMNIST().source)"
    alone = ["unshare", "-nm", "sh", "-c", BLACK_HOLE, "sh", tmp_path / "resolv.conf"]
    alone += [sys.executable, SWALLOW, program]
    if not shutil.which("unshare") or subprocess.run(["unshare", "-nm", "true"], capture_output=True).returncode:
        pytest.skip("the network cannot be cut off here")
    environment |= {"TUTORIAL_SOURCE": "auto"}
    done = subprocess.run(alone, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.stdout.count("no answer for 8 seconds") == 2, done.stdout
    assert done.stdout.endswith("sketch\n")


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
    command = [*alone, sys.executable, "-m", "pytest", "-q", "tests", "-m", "not long and not site"]
    result = subprocess.run(command, env=os.environ | world, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-3000:]


@pytest.mark.slow  # a setting of a fresh interpreter alone
def test_every_text_file_is_opened_in_utf_8(tmp_path):
    """On Windows in China, the default is another encoding."""
    program = dedent("""
        import warnings
        warnings.filterwarnings("error", category=EncodingWarning, module="tutorial_utils")  # the libraries are theirs
        import os, pathlib
        from tutorial_utils import data, train
        from tutorial_utils.tools import doctor, grade, lab
        from tutorial_utils.exercises.record import read_record, remember
        remember("01_tensors.standardize", "correct")
        print(len(read_record(pathlib.Path(os.environ["TUTORIAL_PROGRESS"]))))
    """)
    command = [sys.executable, "-X", "warn_default_encoding", "-c", program]
    environment = os.environ | {"TUTORIAL_PROGRESS": str(tmp_path / "progress.json")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"
