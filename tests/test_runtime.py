"""What the doctor says where Windows cannot load the libraries of PyTorch."""

import builtins

import pytest

from tutorial_utils.tools import doctor

RUNTIME = "https://aka.ms/vs/17/release/vc_redist.x64.exe"


def find_without_torch(monkeypatch, error):
    """What the doctor finds if `import torch` raises this error."""

    def fail(name, *rest):
        if name == "torch":
            raise error
        return real(name, *rest)

    real = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", fail)
    return doctor.check_torch()


def windows_error(number, message):
    error = OSError(message)
    error.winerror = number  # as on Windows, where Python sets it
    return error


@pytest.mark.parametrize(
    "error",
    [
        OSError("[WinError 126] The specified module could not be found. Error loading fbgemm.dll or one of its"),
        OSError("[WinError 1114] A dynamic link library (DLL) initialization routine failed. Error loading c10.dll"),
        windows_error(126, "Das angegebene Modul wurde nicht gefunden"),
        windows_error(1114, "c10.dll"),
    ],
)
def test_a_library_that_windows_cannot_load_names_the_runtime_and_not_pip(monkeypatch, error):
    mark, sentence = find_without_torch(monkeypatch, error)
    assert mark == doctor.BAD
    assert "Microsoft Visual C++ Redistributable" in sentence
    assert RUNTIME in sentence
    assert "pip" not in sentence


@pytest.mark.parametrize("error", [OSError("[WinError 5] Access is denied"), ImportError("c10.so: undefined symbol")])
def test_another_reason_why_pytorch_cannot_be_imported_keeps_its_advice(monkeypatch, error):
    mark, sentence = find_without_torch(monkeypatch, error)
    assert mark == doctor.BAD
    assert "run `make clean` and `make lab`" in sentence
    assert RUNTIME not in sentence
