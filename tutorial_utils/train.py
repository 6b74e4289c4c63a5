"""`python -m tutorial_utils.train`: notebook 06 as a script, on one process or on several.

Here on one, and then on two::

    python -m tutorial_utils.train --epochs 5 --optimizer Adam --lr 1e-3
    torchrun --standalone --nproc-per-node=2 -m tutorial_utils.train --epochs 5

And on a folder of your own pictures, with a folder for each class in it (`tutorial_utils.predict` then names others)::

    python -m tutorial_utils.train --images pets --output runs/pets

(Where a machine does not know its own name, `--local-addr=127.0.0.1` keeps torchrun from asking for it.)

`torchrun` starts the same script several times, on one machine or on many, and tells each process in environment
variables which one it is (`RANK`), and of how many (`WORLD_SIZE`). Every process holds the whole model and computes the
gradients of its own part of each batch; `DistributedDataParallel` averages them before the step, so that all models
stay equal. `--batch-size` counts the images of all processes together, so several processes learn what one learns from
the same batches, with the same learning rate. (Where the training images cannot be shared out evenly, the first ones
of an epoch come twice; the metrics count every image that was seen. Validation and test see each image once. What
depends on a batch as a whole, BatchNorm in `SmallResNet`, is each process' own, and so is how pictures are varied.)

The process of rank 0 writes to the folder `--output`, each file in one step: `options.json`, how the run was begun;
`checkpoint.pt`, `metrics.csv` and `history.png`, the finished epochs; `model.pt` and `test.json`, the trained model and
the test metrics at the end. One run at a time writes to a folder. SIGTERM and Ctrl-C end a run after the current step:
the epoch is given up, and `--resume` goes on from the last finished one.

Exit status: 0, finished; 1, it failed, and a sentence says why; 2, the command is wrong; 143 and 130, stopped by
SIGTERM and by Ctrl-C; 141, nobody reads its output any more. (`torchrun` has its own: 0, or 1 for all the rest.)

Source: https://docs.pytorch.org/tutorials/beginner/ddp_series_multigpu.html
"""

import signal
import sys
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler, Subset

from tutorial_utils.command import end_with
from tutorial_utils.loops import Metrics, report_epoch, test_loop, train_loop
from tutorial_utils.storage.download import DownloadError
from tutorial_utils.training import processes
from tutorial_utils.training.images import Part, load
from tutorial_utils.training.options import OPTIMIZERS, Options, parse
from tutorial_utils.training.output import begin, curves_of, finish, own, save
from tutorial_utils.training.processes import Process, print_once, reduce_mean
from tutorial_utils.training.signals import Stopped, catch_signals, until_stopped


def main(arguments: Sequence[str] | None = None) -> int:
    """Train as the command line says; return the exit status."""
    options = parse(arguments)
    try:
        run(options)
    except Stopped as stop:
        print_once(
            f"Stopped by {signal.Signals(stop.number).name} in epoch {stop.epoch}, which is given up; {options.output} "
            f"holds the {stop.epoch - 1} before it. The same command with --resume goes on from there, to the very "
            "same end."
        )
        return 128 + stop.number
    except KeyboardInterrupt:
        print_once("Stopped before training began.")
        return 128 + signal.SIGINT
    except BrokenPipeError:
        raise  # nobody reads the output any more
    except (OSError, ValueError, FloatingPointError, DownloadError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


def run(options: Options) -> None:
    """Train together with the processes that torchrun has started, if it has, and part from them."""
    process = processes.init_process_group()
    try:
        with own(options.output):
            train(options, process)
    except Stopped:
        processes.destroy_process_group()
        raise
    processes.destroy_process_group()  # not after a failure: a process that failed must not wait for the others


def train(options: Options, process: Process) -> None:
    """Train one model on all processes together; the process of rank 0 prints how it goes and writes the files."""
    images = load(options)
    train_data, val_data, test_data = images.parts
    sampler = DistributedSampler[Any](train_data, process.world_size, process.rank, seed=options.seed)
    train_dataloader = DataLoader(train_data, batch_size=options.batch_size // process.world_size, sampler=sampler)

    torch.manual_seed(options.seed)
    model = images.build(options.model).to(process.device)
    loss_fn = nn.CrossEntropyLoss()
    optimizer = OPTIMIZERS[options.optimizer](model.parameters(), lr=options.lr)
    print_once(f"{options.model}, {images}, processes: {process.world_size}, device: {process.device}")
    history = begin(options, images.source, model, optimizer)  # of the epochs that are finished already
    trained = DistributedDataParallel(model) if process.world_size > 1 else model  # the same parameters

    with catch_signals() as signals:
        for epoch in range(len(history) + 1, options.epochs + 1):
            sampler.set_epoch(epoch)  # another order in every epoch
            train_loss = train_loop(until_stopped(train_dataloader, signals, epoch), trained, loss_fn, optimizer)
            (train_loss,) = reduce_mean([train_loss], len(sampler), process.device)
            history.loc[epoch] = train_loss, *measure(val_data, model, loss_fn, process)
            save(options.output, history, model, optimizer)
            report_epoch(f"epoch {epoch}/{options.epochs}", curves_of(history), show=process.rank == 0)
        finish(options, images, model, len(history), measure(test_data, model, loss_fn, process))


def measure(dataset: Part, model: nn.Module, loss_fn: nn.Module, process: Process) -> Metrics:
    """Return the mean loss per example and the accuracy over the whole dataset; each process measures a part of it."""
    processes.share_buffers(model)
    part = Subset(dataset, range(process.rank, len(dataset), process.world_size))  # parts may differ in length
    metrics = test_loop(DataLoader(part, batch_size=1000), model, loss_fn) if len(part) else Metrics(0.0, 0.0)
    return Metrics(*reduce_mean(metrics, len(part), process.device))


if __name__ == "__main__":
    end_with(main)
