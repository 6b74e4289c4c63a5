"""What the doctor finds, on this machine and on machines that lack something."""

import platform
import shutil
import subprocess
import sys
from collections import namedtuple
from importlib import metadata
from pathlib import Path

import pytest
import torchvision.ops
from jupyter_client.manager import KernelManager

from tutorial_utils.storage import fashion_mnist
from tutorial_utils.tools import doctor
from tutorial_utils.tools.doctor import BAD, NOTE, OK

Usage = namedtuple("Usage", ["total", "used", "free"])


def run_without(*modules: str) -> subprocess.CompletedProcess:
    """The doctor in a fresh Python in which these modules cannot be imported."""
    script = (
        f"import sys; sys.modules |= dict.fromkeys({modules!r})\n"
        "from tutorial_utils.tools import doctor\n"
        "sys.exit(doctor.main())"
    )
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)


# ------------------------------------------------------------------------------------------- the report


def test_each_check_has_one_line_with_a_mark(capsys):
    doctor.main([])
    *lines, _ = capsys.readouterr().out.splitlines()
    assert [line[:4] in (OK, NOTE, BAD) for line in lines] == [True] * len(doctor.CHECKS)
    assert [line[5:].split(":")[0] for line in lines] == list(doctor.CHECKS)


@pytest.mark.parametrize(("marks", "status"), [([OK, OK], 0), ([OK, NOTE], 0), ([BAD, OK], 1), ([NOTE, BAD], 1)])
def test_the_exit_status_is_1_only_if_the_course_cannot_run(monkeypatch, capsys, marks, status):
    checks = {f"check {number}": lambda mark=mark: (mark, "found") for number, mark in enumerate(marks)}
    monkeypatch.setattr(doctor, "CHECKS", checks)
    assert doctor.main([]) == status
    assert ("cannot run here yet" in capsys.readouterr().out) is bool(status)


def test_a_check_that_fails_in_an_unknown_way_is_a_finding_and_the_next_one_runs(monkeypatch, capsys):
    def explode():
        raise RuntimeError("sparks\nand smoke")

    monkeypatch.setattr(doctor, "CHECKS", {"first": explode, "second": lambda: (OK, "fine")})
    assert doctor.main([]) == 1
    first, second, _ = capsys.readouterr().out.splitlines()
    assert first.startswith("[!!] first:")
    assert "RuntimeError: sparks)" in first
    assert second == "[OK] second: fine"


def test_without_pytorch_it_says_so_and_looks_at_the_rest():
    result = run_without("torch")
    lines = result.stdout.splitlines()
    assert result.returncode == 1
    assert result.stderr == ""
    assert [line[:4] for line in lines if line[5:].startswith(("PyTorch", "Device", "Jupyter"))] == [BAD, NOTE, OK]


def test_without_any_package_there_is_still_a_report_and_no_traceback():
    packages = "torch", "torchvision", "numpy", "packaging", "platformdirs", "jupyterlab", "jupyter_client", "ipykernel"
    result = run_without(*packages)
    assert result.returncode == 1
    assert result.stderr == ""
    assert len(result.stdout.splitlines()) == len(doctor.CHECKS) + 1


# ------------------------------------------------------------------------------------------- Python and packages


@pytest.mark.parametrize(("version", "mark"), [("3.10.9", BAD), ("3.11.0", OK), ("3.14.1", BAD), ("3.15.0a1", BAD)])
def test_a_python_is_fine_if_the_course_is_made_for_it(monkeypatch, version, mark):
    monkeypatch.setattr(platform, "python_version", lambda: version)
    found, sentence = doctor.check_python()
    assert found == mark
    assert version in sentence
    if mark == BAD:
        assert metadata.metadata(doctor.COURSE)["Requires-Python"] in sentence


def test_a_python_without_the_course_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(doctor, "COURSE", "no-such-course")
    mark, sentence = doctor.check_python()
    assert mark == BAD
    assert "make lab" in sentence


def with_version(monkeypatch, package: str, version: str | None) -> None:
    known = doctor.version_of
    monkeypatch.setattr(doctor, "version_of", lambda name: version if name == package else known(name))


def test_a_package_that_is_missing_is_named(monkeypatch):
    with_version(monkeypatch, "matplotlib", None)
    mark, sentence = doctor.check_packages()
    assert mark == BAD
    assert sentence.startswith("matplotlib missing")


def test_a_package_outside_its_range_limits_and_is_named_with_its_version(monkeypatch):
    with_version(monkeypatch, "torch", "2.8.0")
    mark, sentence = doctor.check_packages()
    assert mark == NOTE
    assert "torch 2.8.0" in sentence


def test_a_build_for_another_device_and_a_nightly_build_are_in_range(monkeypatch):
    for version in "2.15.0+cpu", "2.16.0.dev20261101":
        with_version(monkeypatch, "torch", version)
        assert doctor.check_packages()[0] == OK


def test_packages_that_only_developers_need_are_not_asked_for():
    assert not {"pytest", "ruff"} & {name for name, _, _ in doctor.packages()}


def test_a_torchvision_for_another_pytorch_is_told_with_what_to_install(monkeypatch):
    def fail(*arguments, **options):
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(torchvision.ops, "nms", fail)
    mark, sentence = doctor.check_torch()
    assert mark == BAD
    assert "operator torchvision::nms does not exist" in sentence
    assert "run `make clean` and `make lab`" in sentence


def test_a_torchvision_that_cannot_be_imported_is_told_apart_from_a_missing_pytorch(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision.ops", None)
    mark, sentence = doctor.check_torch()
    assert mark == BAD
    assert "do not work together" in sentence


# ------------------------------------------------------------------------------------------- the device


def test_the_device_is_the_one_that_the_notebooks_pick(monkeypatch):
    monkeypatch.setenv("TUTORIAL_DEVICE", "cpu")
    assert doctor.check_device() == (OK, "cpu, where the notebooks will compute")


def test_a_device_that_is_not_there_is_told_in_its_own_words(monkeypatch):
    monkeypatch.setenv("TUTORIAL_DEVICE", "toaster")
    mark, sentence = doctor.check_device()
    assert mark == BAD
    assert "TUTORIAL_DEVICE is 'toaster'" in sentence


def test_a_device_that_is_there_and_does_not_compute_is_told(monkeypatch):
    monkeypatch.setattr("tutorial_utils.devices.pick_device", lambda: "meta")  # no number can be read from it
    mark, sentence = doctor.check_device()
    assert mark == BAD
    assert "TUTORIAL_DEVICE=cpu" in sentence


# ------------------------------------------------------------------------------------------- the data


def test_the_real_data_are_found(real_set):
    assert doctor.check_data() == (OK, f"the real Fashion-MNIST, in {real_set}")


def test_the_drawn_data_are_found(own_data_folder, quick_sketches):
    fashion_mnist.draw(own_data_folder)
    assert doctor.check_data() == (OK, f"the drawn stand-in, in {own_data_folder}")


@pytest.mark.parametrize(
    ("policy", "origin"), [("auto", "downloaded, or drawn"), ("real", "downloaded"), ("offline", "drawn")]
)
def test_without_data_it_says_where_they_will_come_from(own_data_folder, monkeypatch, policy, origin):
    monkeypatch.setenv("TUTORIAL_SOURCE", policy)
    mark, sentence = doctor.check_data()
    assert mark == NOTE
    assert str(own_data_folder) in sentence
    assert f"it is {origin}" in sentence


def test_a_policy_that_does_not_exist_is_told(monkeypatch):
    monkeypatch.setenv("TUTORIAL_SOURCE", "rael")
    mark, sentence = doctor.check_data()
    assert mark == BAD
    assert "TUTORIAL_SOURCE is 'rael'" in sentence


def test_a_full_disk_matters_only_while_the_data_are_not_there(own_data_folder, quick_sketches, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**9, 0, 50_000_000))
    mark, sentence = doctor.check_disk()
    assert mark == BAD
    assert "50 MB free" in sentence
    assert "TUTORIAL_DATA" in sentence
    fashion_mnist.draw(own_data_folder)
    assert doctor.check_disk()[0] == OK


def test_a_data_folder_that_cannot_be_made_is_told(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("TUTORIAL_DATA", str(tmp_path / "file" / "data"))
    assert doctor.check_disk()[0] == BAD


def test_there_is_room_in_a_folder_that_does_not_exist_yet(own_data_folder, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**10, 0, 2.5e9))
    assert doctor.check_disk() == (OK, f"2.5 GB free in {own_data_folder.parent}")


# ------------------------------------------------------------------------------------------- Jupyter


def test_the_kernel_of_this_python_is_fine():
    assert doctor.check_kernel()[0] == OK


def test_a_kernel_that_runs_another_python_is_named(tmp_path, monkeypatch):
    other = tmp_path / Path(sys.executable).name
    other.write_text("", encoding="utf-8")
    other.chmod(0o755)
    monkeypatch.setattr(KernelManager, "format_kernel_cmd", lambda manager: [str(other)])
    mark, sentence = doctor.check_kernel()
    assert mark == BAD
    assert str(other) in sentence


def test_without_the_kernel_package_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ipykernel", None)
    mark, sentence = doctor.examine(doctor.check_kernel)
    assert mark == BAD
    assert sentence.startswith("ipykernel is missing")
