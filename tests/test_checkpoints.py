"""What `save_checkpoint` keeps, that `load_checkpoint` gives it back exactly, and that it refuses everything else."""

import contextlib
import copy
import errno
import io
import os
import pickle
import re
import signal
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler
from torch.utils.data import DataLoader, TensorDataset

from tutorial_utils import checkpoints
from tutorial_utils.checkpoints import (
    explain_failed_write,
    get_random_state,
    load_checkpoint,
    save_checkpoint,
    set_random_state,
    write_atomically,
)
from tutorial_utils.devices import pick_device
from tutorial_utils.loops import train_loop

loss_fn = nn.CrossEntropyLoss()
CPU = torch.device("cpu")


def new_run(seed=0, device=CPU, hidden=6, optimizer_class=torch.optim.Adam):
    """A model with dropout and batch normalisation, its optimizer, and a schedule."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Linear(4, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Dropout(0.5), nn.Linear(hidden, 3)
    ).to(device)
    optimizer = optimizer_class(model.parameters(), lr=0.1)
    return model, optimizer, lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)


def train(model, optimizer, scheduler, epochs):
    """Train with a shuffling DataLoader; return the loss of each epoch."""
    images = torch.linspace(-1, 1, 80).reshape(20, 4)
    dataloader = DataLoader(TensorDataset(images, torch.arange(20) % 3), batch_size=8, shuffle=True)
    losses = []
    for _ in range(epochs):
        losses.append(train_loop(dataloader, model, loss_fn, optimizer))
        scheduler.step()
    return losses


def everything(model, optimizer, scheduler=None):
    states = model.state_dict(), optimizer.state_dict(), scheduler.state_dict() if scheduler else {}
    return copy.deepcopy(states)


def assert_same(found, expected):
    """Compare bit for bit, dictionaries and lists of tensors and plain values included."""
    assert type(found) is type(expected)
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for name in expected:
            assert_same(found[name], expected[name])
    elif isinstance(expected, list | tuple):
        assert len(found) == len(expected)
        for pair in zip(found, expected, strict=True):
            assert_same(*pair)
    elif isinstance(expected, torch.Tensor):
        torch.testing.assert_close(found, expected, rtol=0, atol=0)
    else:
        assert found == expected


@pytest.fixture
def saved(tmp_path):
    """A checkpoint of a run of two epochs, with momentum, a schedule and used random numbers."""
    path = tmp_path / "run.pt"
    model, optimizer, scheduler = new_run()
    train(model, optimizer, scheduler, epochs=2)
    save_checkpoint(path, model, optimizer, 2, scheduler)
    return path


def rewritten(path, **parts):
    """The checkpoint with some of its parts replaced; ... leaves a part out."""
    checkpoint = torch.load(path, weights_only=True) | parts
    torch.save({name: part for name, part in checkpoint.items() if part is not ...}, path)
    return path


def assert_refused(path, match, run=None):
    """Loading `path` raises ValueError, names the file, and leaves model, optimizer, schedule and dice as they were."""
    model, optimizer, scheduler = run or new_run(seed=1)
    train(model, optimizer, scheduler, epochs=1) if run is None else None
    before, dice = everything(model, optimizer, scheduler), torch.get_rng_state()
    with pytest.raises(ValueError, match=match) as error:
        load_checkpoint(path, model, optimizer, scheduler)
    assert str(path) in str(error.value)
    assert_same(everything(model, optimizer, scheduler), before)
    assert_same(torch.get_rng_state(), dice)


# --------------------------------------------------------------------------------------------------- what is given back


def test_everything_comes_back_bit_for_bit(tmp_path):
    path = tmp_path / "run.pt"
    model, optimizer, scheduler = new_run()
    train(model, optimizer, scheduler, epochs=2)
    save_checkpoint(path, model, optimizer, 2, scheduler)
    before = everything(model, optimizer, scheduler)
    expected = torch.rand(5)

    fresh = new_run(seed=1)
    assert load_checkpoint(path, *fresh) == 2
    assert_same(everything(*fresh), before)
    assert_same(torch.rand(5), expected)


@pytest.mark.parametrize("optimizer_class", [torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW, torch.optim.RMSprop])
def test_two_and_two_epochs_are_four_epochs_bit_for_bit(tmp_path, optimizer_class):
    straight = new_run(optimizer_class=optimizer_class)
    losses = train(*straight, epochs=4)

    model, optimizer, scheduler = new_run(optimizer_class=optimizer_class)
    first = train(model, optimizer, scheduler, epochs=2)
    save_checkpoint(tmp_path / "run.pt", model, optimizer, 2, scheduler)
    resumed = new_run(seed=1, optimizer_class=optimizer_class)
    epoch = load_checkpoint(tmp_path / "run.pt", *resumed)

    assert first + train(*resumed, epochs=4 - epoch) == losses
    assert_same(everything(*resumed), everything(*straight))


def test_on_the_device_of_this_machine_the_dice_and_the_states_come_back_too(tmp_path):
    device = pick_device()
    model, optimizer, scheduler = new_run(device=device)
    train(model, optimizer, scheduler, epochs=1)
    save_checkpoint(tmp_path / "run.pt", model, optimizer, 1, scheduler)
    expected = torch.rand(5, device=device)

    fresh = new_run(seed=1, device=device)
    load_checkpoint(tmp_path / "run.pt", *fresh)
    assert_same(torch.rand(5, device=device), expected)
    assert next(fresh[0].parameters()).device.type == device.type
    assert_same(everything(*fresh), everything(model, optimizer, scheduler))
    on_the_cpu = new_run(seed=1)
    load_checkpoint(tmp_path / "run.pt", *on_the_cpu)
    assert next(on_the_cpu[0].parameters()).device.type == "cpu"


def test_the_random_state_of_an_accelerator_is_asked_and_set_by_its_type(monkeypatch):
    class Module:
        state = torch.arange(3, dtype=torch.uint8)

        @classmethod
        def get_rng_state(cls, device):
            return cls.state

        @classmethod
        def set_rng_state(cls, state, device):
            cls.state = state

    monkeypatch.setattr(torch, "get_device_module", lambda device: Module)
    device = torch.device("cuda:0")
    state = get_random_state(device)
    assert state.keys() == {"cpu", "cuda"}
    set_random_state({"cpu": state["cpu"], "cuda": torch.zeros(3)}, device)
    assert_same(Module.state, torch.zeros(3))
    set_random_state({"cpu": state["cpu"]}, device)  # saved on a machine without an accelerator
    assert_same(Module.state, torch.zeros(3))


def test_without_an_optimizer_only_the_model_is_loaded(saved):
    model, _, _ = new_run(seed=1)
    dice = torch.get_rng_state()
    assert load_checkpoint(saved, model) == 2
    assert_same(model.state_dict(), torch.load(saved, weights_only=True)["model"])
    assert_same(torch.get_rng_state(), dice)


def test_a_path_may_be_a_string_and_an_epoch_a_tensor(tmp_path):
    model, optimizer, _ = new_run()
    save_checkpoint(str(tmp_path / "run.pt"), model, optimizer, torch.tensor(3))
    epoch = load_checkpoint(str(tmp_path / "run.pt"), model, optimizer)
    assert epoch == 3
    assert type(epoch) is int


@pytest.mark.parametrize(
    "make",
    [
        lambda optimizer: lr_scheduler.MultiStepLR(optimizer, [2, 3]),
        lambda optimizer: lr_scheduler.CosineAnnealingLR(optimizer, T_max=4),
        lambda optimizer: lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=4),
        lambda optimizer: lr_scheduler.ReduceLROnPlateau(optimizer),
        lambda optimizer: lr_scheduler.LambdaLR(optimizer, lambda epoch: 0.9**epoch),
        lambda optimizer: lr_scheduler.SequentialLR(
            optimizer, [lr_scheduler.ConstantLR(optimizer), lr_scheduler.ExponentialLR(optimizer, 0.9)], [2]
        ),
    ],
)
def test_the_usual_schedules_can_be_saved_and_loaded(tmp_path, make):
    model, optimizer, _ = new_run(optimizer_class=torch.optim.SGD)
    scheduler = make(optimizer)
    save_checkpoint(tmp_path / "run.pt", model, optimizer, 0, scheduler)
    before = everything(model, optimizer, scheduler)
    load_checkpoint(tmp_path / "run.pt", model, optimizer, scheduler)
    assert_same(everything(model, optimizer, scheduler), before)


# ------------------------------------------------------------------------------------------------------- all or nothing


class FullDisk:
    """Fails when it is pickled, in the middle of a save."""

    def __reduce__(self):
        raise OSError("No space left on device")


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path, error):
    path = tmp_path / "run.pt"
    path.write_bytes(b"old")
    with pytest.raises(error), write_atomically(path) as file:  # noqa: PT012
        file.write(b"new")
        raise error
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_save_that_fails_half_way_leaves_the_old_checkpoint(saved):
    old = saved.read_bytes()
    model, optimizer, _ = new_run()
    optimizer.param_groups[0]["note"] = FullDisk()
    with pytest.raises(OSError, match=r"No space left on device: .*run\.pt could not be written, and is as it was"):
        save_checkpoint(saved, model, optimizer, 3)
    assert saved.read_bytes() == old
    assert list(saved.parent.iterdir()) == [saved]


def test_the_new_file_is_on_the_disk_before_it_takes_the_name(tmp_path, monkeypatch):
    path = tmp_path / "run.pt"
    path.write_bytes(b"old")
    synced = []

    def fsync(number):
        assert path.read_bytes() == b"old"
        synced.append((tmp_path / "run.pt.unfinished").read_bytes())

    monkeypatch.setattr(os, "fsync", fsync)
    with write_atomically(path) as file:
        file.write(b"new")
    assert synced == [b"new"]
    assert path.read_bytes() == b"new"


def write_half_and_die(path):
    with write_atomically(path) as file:
        file.write(b"half")
        file.flush()
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a signal that cannot be caught")
def test_a_process_killed_half_way_leaves_the_old_file_and_the_next_save_tidies_up(saved, fork):
    old = saved.read_bytes()
    assert fork(write_half_and_die, saved).finish().returncode == -signal.SIGKILL
    assert saved.read_bytes() == old
    model, optimizer, _ = new_run()
    save_checkpoint(saved, model, optimizer, 7)
    assert load_checkpoint(saved, model, optimizer) == 7
    assert list(saved.parent.iterdir()) == [saved]


def test_what_could_not_be_loaded_again_is_not_saved(saved):
    old = saved.read_bytes()
    model, optimizer, _ = new_run()
    optimizer.param_groups[0]["lr"] = np.logspace(-2, -1, 2)[0]  # looks like a float
    with pytest.raises(ValueError, match=r"Nothing was saved: .*numpy\..*float\(lr\)"):
        save_checkpoint(saved, model, optimizer, 3)
    assert saved.read_bytes() == old
    assert list(saved.parent.iterdir()) == [saved]


# ------------------------------------------------------------------------------------------------------------ bad files


def test_a_missing_file_is_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.pt"):
        load_checkpoint(tmp_path / "nowhere.pt", nn.Linear(1, 1))


JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF"


@pytest.mark.parametrize(
    "content", [b"", b"not a checkpoint at all", JPEG, pickle.dumps({"epoch": 1}), b"PK\x03\x04rubbish"]
)
def test_a_file_of_another_kind_is_refused(tmp_path, content):
    path = tmp_path / "run.pt"
    path.write_bytes(content)
    assert_refused(path, f"no checkpoint: its {len(content)} bytes are no whole file of torch.save")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_file_that_was_cut_off_is_refused(saved, share):
    content = saved.read_bytes()
    saved.write_bytes(content[: int(len(content) * share)])
    assert_refused(saved, "was it cut off?")


def test_a_file_with_a_flipped_bit_is_refused(saved):
    content = bytearray(saved.read_bytes())
    weight = new_run()[0]
    load_checkpoint(saved, weight)
    position = content.index(weight[0].weight.detach().numpy().tobytes())
    content[position] ^= 1
    saved.write_bytes(content)
    assert_refused(saved, "it is damaged")


def test_an_archive_of_something_else_is_refused(tmp_path):
    path = tmp_path / "run.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    assert_refused(path, "it is damaged")


def test_a_folder_is_told_and_a_save_into_none_says_that_it_is_missing(saved, tmp_path):
    with pytest.raises(IsADirectoryError, match=r"is a folder: name the file in it\.$"):
        load_checkpoint(tmp_path, new_run(seed=1)[0])
    model, optimizer, _ = new_run(seed=1)
    with pytest.raises(FileNotFoundError, match=r"There is no folder .*nowhere: make it first\.$"):
        save_checkpoint(tmp_path / "nowhere" / "run.pt", model, optimizer, epoch=1)


class Attack:
    """A pickle of it runs code when it is loaded the unsafe way."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return open, (str(self.marker), "w")


@pytest.mark.parametrize("legacy", [False, True])
def test_a_file_that_carries_code_is_refused_and_nothing_in_it_runs(tmp_path, legacy):
    path, marker = tmp_path / "run.pt", tmp_path / "marker"
    torch.save({"model": Attack(marker)}, path, _use_new_zipfile_serialization=not legacy)
    assert_refused(path, "no checkpoint: its" if legacy else r"found \w+\.open, expected tensors and plain values")
    assert not marker.exists()
    torch.load(path, weights_only=False)["model"].close()
    assert marker.exists()  # so it was an attack


class Call:
    """A pickle of it calls `function` when it is loaded the unsafe way."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    ("attack", "name"),
    [
        (lambda marker: Call(os.system, f"touch {marker}"), r"\w+\.system"),
        (lambda marker: Call(eval, f"open({str(marker)!r}, 'w')"), r"builtins\.eval"),
        (lambda marker: [{"layer": (torch.ones(2), Call(exec, f"open({str(marker)!r}, 'w')"))}], r"builtins\.exec"),
        (lambda marker: Attack(marker), r"\w+\.open"),
        (lambda marker: np.float64(1), r"numpy\._core\.multiarray\.scalar, numpy\.dtype"),
    ],
)
def test_whatever_calls_a_function_on_loading_is_refused_and_not_called(saved, tmp_path, attack, name):
    marker = tmp_path / "marker"
    rewritten(saved, epoch=attack(marker))
    assert_refused(saved, rf"found {name}, expected tensors and plain values only\. Nothing in it was executed\.$")
    assert not marker.exists()


def test_every_sentence_says_what_to_do(saved, tmp_path):
    model, optimizer, scheduler = new_run(seed=1, hidden=5)
    with pytest.raises(ValueError) as misfit:  # noqa: PT011
        load_checkpoint(saved, model, optimizer, scheduler)
    assert str(misfit.value) == (
        f"{saved} does not fit the model: 0.weight: found [6, 4], expected [5, 4]; 0.bias: found [6], expected [5]; "
        "1.weight: found [6], expected [5]; and 4 more. Build the model, the optimizer and the scheduler as they were "
        "built when the file was saved. Nothing was loaded."
    )
    torch.save({"weight": torch.ones(1), "bias": torch.ones(1), "scale": torch.ones(1)}, tmp_path / "weights.pt")
    with pytest.raises(ValueError) as foreign:  # noqa: PT011
        load_checkpoint(tmp_path / "weights.pt", model)
    assert str(foreign.value) == (
        f"{tmp_path / 'weights.pt'} is no checkpoint that this version can read: found no marker, but bias, scale, "
        "weight, expected the marker 'tutorial_utils checkpoint, version 1'. If it is a state dict, use "
        "model.load_state_dict(torch.load(path, weights_only=True))."
    )
    optimizer.param_groups[0]["lr"] = np.float64(0.1)
    with pytest.raises(ValueError) as unsafe:  # noqa: PT011
        save_checkpoint(tmp_path / "new.pt", model, optimizer, 1)
    assert str(unsafe.value).endswith(
        "numpy._core.multiarray.scalar, numpy.dtype, and only tensors and plain values can "
        "be loaded again safely. Give the optimizer and the scheduler plain numbers, such as float(lr)."
    )


def test_damaged_bytes_are_named(saved):
    content = bytearray(saved.read_bytes())
    content[content.index(b"tutorial_utils checkpoint")] ^= 1
    saved.write_bytes(content)
    assert_refused(saved, r"it is damaged \(the bytes of archive/data\.pkl have changed\)$")


def test_a_pickled_model_is_refused(tmp_path):
    torch.save(nn.Linear(1, 1), tmp_path / "run.pt")
    assert_refused(tmp_path / "run.pt", r"found .*torch\.nn\.modules\.linear\.Linear")


def test_a_state_dict_alone_is_refused_with_a_word_on_how_to_load_it(tmp_path):
    torch.save(new_run()[0].state_dict(), tmp_path / "run.pt")
    assert_refused(tmp_path / "run.pt", r"found no marker, but 0\.bias, 0\.weight, .* and \d more, expected the marker")


def test_a_checkpoint_from_a_device_that_is_not_here_loads_where_the_model_is(tmp_path, monkeypatch):
    path, run = tmp_path / "run.pt", new_run()
    train(*run, epochs=1)
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(torch.serialization, "location_tag", lambda storage: "cuda:7")  # what the file says of it
        save_checkpoint(path, *run[:2], 1, run[2])
    with pytest.raises(RuntimeError, match="CUDA device"):
        torch.load(path, weights_only=True)  # so the file says so

    other = new_run(seed=1)
    assert load_checkpoint(path, *other) == 1
    assert_same(everything(*other), everything(*run))


def test_a_tensor_is_refused(tmp_path):
    torch.save(torch.ones(2), tmp_path / "run.pt")
    assert_refused(tmp_path / "run.pt", "found a Tensor, expected a dictionary")


def test_a_checkpoint_of_another_version_is_refused(saved):
    rewritten(saved, format="tutorial_utils checkpoint, version 2")
    assert_refused(saved, "found 'tutorial_utils checkpoint, version 2', expected the marker .* version 1'")


@pytest.mark.parametrize("part", ["epoch", "model", "optimizer", "scheduler", "random_state"])
@pytest.mark.parametrize(("value", "found"), [(..., "nothing"), ("text", "str")])
def test_a_checkpoint_with_a_missing_or_wrong_part_is_refused(saved, part, value, found):
    rewritten(saved, **{part: value})
    assert_refused(saved, f"found {found} as its '{part}'")


# ------------------------------------------------------------------------------------------------ files that do not fit


def test_another_width_is_refused_with_both_shapes(saved):
    assert_refused(saved, r"model: 0\.weight: found \[6, 4\], expected \[5, 4\].*more", new_run(seed=1, hidden=5))


def test_a_missing_layer_and_one_too_many_are_named(saved):
    checkpoint = torch.load(saved, weights_only=True)
    checkpoint["model"]["other.bias"] = checkpoint["model"].pop("4.bias")
    rewritten(saved, model=checkpoint["model"])
    assert_refused(saved, r"4\.bias: found nothing, expected \[3\]; other\.bias: found \[3\], expected nothing")


def test_a_number_in_place_of_a_tensor_is_refused(saved):
    checkpoint = torch.load(saved, weights_only=True)
    rewritten(saved, model=checkpoint["model"] | {"4.bias": 1})
    assert_refused(saved, r"4\.bias: found int, expected \[3\]")


def test_an_optimizer_of_another_kind_is_refused(saved):
    assert_refused(
        saved,
        "optimizer: group 0: found 6 parameters without dampening, momentum, nesterov, expected 6 parameters",
        new_run(seed=1, optimizer_class=torch.optim.SGD),
    )


def test_an_optimizer_of_other_parameters_is_refused(saved):
    model, optimizer, scheduler = new_run(seed=1)
    del optimizer.param_groups[0]["params"][-1]
    assert_refused(saved, "optimizer: group 0: found 6 parameters, expected 5", (model, optimizer, scheduler))


@pytest.mark.parametrize("groups", [..., None, 3, [1], [{}]])
def test_parameter_groups_that_cannot_be_read_are_refused(saved, groups):
    optimizer = torch.load(saved, weights_only=True)["optimizer"] | {"param_groups": groups}
    rewritten(saved, optimizer={name: part for name, part in optimizer.items() if part is not ...})
    assert_refused(saved, "optimizer: groups: found none that can be read, exp|optimizer: group 0: found nothing")


def test_another_schedule_is_refused(saved):
    model, optimizer, _ = new_run(seed=1)
    other = lr_scheduler.CosineAnnealingLR(optimizer, T_max=3)
    assert_refused(
        saved, "scheduler: settings: found .*, gamma, .*step_size.*expected .*T_max, ", (model, optimizer, other)
    )


def test_going_on_without_the_schedule_is_refused(saved):
    model, optimizer, _ = new_run(seed=1)
    assert_refused(saved, "scheduler: settings: found a scheduler with .*expected no sch", (model, optimizer, None))


def test_a_schedule_that_was_not_saved_is_refused(tmp_path):
    model, optimizer, _ = new_run()
    save_checkpoint(tmp_path / "run.pt", model, optimizer, 1)
    assert_refused(tmp_path / "run.pt", "scheduler: settings: found no scheduler", new_run(seed=1))


@pytest.mark.parametrize("state", [{}, {"cpu": torch.zeros(3)}, {"cpu": torch.zeros(3, dtype=torch.uint8)}, {"cpu": 1}])
def test_random_numbers_that_cannot_go_on_are_refused(saved, state):
    rewritten(saved, random_state=state)
    assert_refused(saved, "random state: found what PyTorch .* cannot use")


# ------------------------------------------------------------------------------------------------------- wrapped models


def save_model(path, model):
    save_checkpoint(path, model, torch.optim.SGD(model.parameters(), lr=0.1), 1)
    return path


def half_wrapped(model):
    model[1] = torch.compile(model[1])
    return nn.DataParallel(model)


WRAPPERS = {
    "plain": lambda model: model,
    "compiled": torch.compile,
    "parallel": nn.DataParallel,
    "compiled and parallel": lambda model: nn.DataParallel(torch.compile(model)),
    "parallel and compiled": lambda model: torch.compile(nn.DataParallel(model)),
    "a layer of its own": half_wrapped,
}


@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS)
@pytest.mark.parametrize("wrap_other", WRAPPERS.values(), ids=WRAPPERS)
def test_a_file_of_a_wrapped_model_loads_into_the_plain_one_and_back(tmp_path, wrap, wrap_other):
    saved, fresh = new_run()[0], new_run(seed=1)[0]
    expected = copy.deepcopy(list(saved.state_dict().values()))
    path = save_model(tmp_path / "run.pt", wrap(saved))
    model = wrap_other(fresh)
    assert load_checkpoint(path, model, torch.optim.SGD(model.parameters(), lr=0.1)) == 1
    assert_same(list(model.state_dict().values()), expected)


class Holder(nn.Module):
    """A model with a part that is really called `module`, and perhaps one beside it that differs in nothing else."""

    def __init__(self, twin=False):
        super().__init__()
        self.module = nn.Linear(2, 2)
        if twin:
            self.weight = nn.Parameter(torch.rand(2, 2))


@pytest.mark.parametrize("twin", [False, True])
def test_a_part_that_is_really_called_module_is_none_of_the_wrappers(tmp_path, twin):
    saved, fresh = Holder(twin), Holder(twin)
    load_checkpoint(save_model(tmp_path / "run.pt", saved), fresh)
    assert_same(fresh.state_dict(), saved.state_dict())


def test_a_wrapped_model_that_does_not_fit_is_told_by_the_layer_and_not_by_every_name(tmp_path):
    path = save_model(tmp_path / "run.pt", torch.compile(nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))))
    with pytest.raises(ValueError, match=r"model: 1\.weight: found \[1, 3\], expected \[2, 3\]; 1\.bias: [^;]*\. B"):
        load_checkpoint(path, nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 2)))


# -------------------------------------------------------------------------------- lazy layers, and no parameters at all


def lazy():
    return nn.Sequential(nn.LazyConv2d(3, 2), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(2))


def test_a_lazy_layer_that_has_seen_no_batch_is_not_saved_and_the_sentence_says_what_to_do(tmp_path):
    model = lazy()
    with pytest.raises(ValueError, match=r"lazy layer of the model has no shape yet.* Call the model once, model\(im"):
        save_checkpoint(tmp_path / "run.pt", model, torch.optim.SGD(model.parameters(), lr=0.1), 0)
    assert list(tmp_path.iterdir()) == []


def test_a_lazy_layer_that_has_seen_a_batch_loads_into_a_fresh_one(tmp_path):
    model, images = lazy(), torch.rand(4, 1, 5, 5)
    model(images)
    optimizer = torch.optim.Adam(model.parameters())
    model(images).sum().backward()
    optimizer.step()
    save_checkpoint(tmp_path / "run.pt", model, optimizer, 3)

    fresh = lazy()
    fresh_optimizer = torch.optim.Adam(fresh.parameters())
    assert load_checkpoint(tmp_path / "run.pt", fresh, fresh_optimizer) == 3
    assert_same(everything(fresh, fresh_optimizer), everything(model, optimizer))
    assert_same(fresh.eval()(images), model.eval()(images))


def test_a_file_that_lacks_a_lazy_layer_does_not_fit(tmp_path):
    path = save_model(tmp_path / "run.pt", nn.Sequential(nn.Linear(3, 2)))
    with pytest.raises(ValueError, match=r"1\.weight: found nothing, expected a tensor"):
        load_checkpoint(path, nn.Sequential(nn.LazyLinear(2), nn.LazyLinear(2)))


def test_a_model_without_parameters_is_saved_and_loaded_on_the_cpu(tmp_path):
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.5)
    save_checkpoint(tmp_path / "run.pt", nn.Flatten(), optimizer, 2)
    expected = torch.rand(3)
    assert load_checkpoint(tmp_path / "run.pt", nn.Flatten(), torch.optim.SGD([torch.zeros(1)], lr=0.1)) == 2
    assert_same(torch.rand(3), expected)


# ---------------------------------------------------------------------------------------------------- a disk that fills


class FillingDisk(io.BytesIO):
    """A file on a disk with room for so many bytes."""

    def __init__(self, room):
        super().__init__()
        self.room = room

    def write(self, content):
        self.room -= len(content)
        if self.room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(content)


@pytest.mark.parametrize("room", [0, 100, 900, 2000])
def test_a_disk_that_fills_is_a_sentence_and_the_old_checkpoint_stays(saved, monkeypatch, room):
    @contextlib.contextmanager
    def write(path):
        yield FillingDisk(room)

    monkeypatch.setattr(checkpoints, "write_atomically", write)
    old = saved.read_bytes()
    with pytest.raises(OSError, match=rf"No space left on device: {re.escape(str(saved))} .* is as it was.*") as error:
        save_checkpoint(saved, *new_run()[:2], 3)
    assert error.value.errno == errno.ENOSPC
    assert saved.read_bytes() == old


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a file that is always full is Linux's")
def test_a_disk_that_is_full_when_the_bytes_reach_it_is_a_sentence_too(tmp_path, monkeypatch):
    (tmp_path / "run.pt.unfinished").symlink_to("/dev/full")
    with pytest.raises(OSError, match=r"No space left on device: .*run\.pt could not be written"):
        save_checkpoint(tmp_path / "run.pt", *new_run()[:2], 3)


def test_what_is_no_trouble_with_the_disk_keeps_its_own_words(saved):
    with pytest.raises(RuntimeError, match=r"^sparks$"), explain_failed_write(saved):
        raise RuntimeError("sparks")
