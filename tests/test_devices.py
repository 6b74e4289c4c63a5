import pytest
import torch
from torch import nn

from tutorial_utils.devices import device_of, pick_device


def test_without_an_accelerator_it_is_the_cpu(monkeypatch):
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available: None)
    assert pick_device() == torch.device("cpu")


def test_an_accelerator_is_taken_if_it_is_there(monkeypatch):
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available: torch.device("mps"))
    assert pick_device() == torch.device("mps")


def test_the_environment_overrules_the_choice(monkeypatch):
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available: torch.device("mps"))
    monkeypatch.setenv("TUTORIAL_DEVICE", "cpu")
    assert pick_device() == torch.device("cpu")


@pytest.mark.parametrize("wanted", ["graphics", "cuda:99", "cpu:x", "meta"])
def test_a_device_that_is_not_there_is_refused_with_what_to_do(monkeypatch, wanted):
    monkeypatch.setenv("TUTORIAL_DEVICE", wanted)
    with pytest.raises(ValueError, match=rf"TUTORIAL_DEVICE is '{wanted}'.*such as 'cpu', or unset it"):
        pick_device()


def test_a_model_can_be_moved_to_the_device_and_used_there():
    device = pick_device()
    assert torch.ones(2, device=device).sum().item() == 2


def test_the_device_of_a_model_is_that_of_its_first_parameter_or_buffer_or_else_the_cpu():
    only_buffers = nn.BatchNorm1d(2, affine=False, device="meta")
    models = nn.Linear(1, 1, device="meta"), only_buffers, nn.Flatten(), nn.LazyLinear(1)
    assert [device_of(model).type for model in models] == ["meta", "meta", "cpu", "cpu"]
