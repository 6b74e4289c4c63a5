"""The stages about what comes from outside: a kill, a half-written file, no network, limits, a second process."""

import os
from pathlib import Path

from tutorial_utils.capstone.faults import Fault, expect_done, names, percent, reading
from tutorial_utils.capstone.output import (
    differences,
    read_metrics,
    read_model,
    read_report,
)
from tutorial_utils.capstone.stages.learning import bar_for
from tutorial_utils.capstone.stages.stage import row_of, stage
from tutorial_utils.capstone.trials import EPOCHS, Trials

MEMORY = 3 * 2**30  # bytes


@stage("中断后 --resume，结果一模一样", needs=("killed", "resumed"), after=("learns", "seed"))
def resume(trials: Trials) -> str:
    """Killed in the middle of an epoch, --resume ends as if nothing had happened."""
    did = "killed train.py in the middle of the fourth epoch, and went on with --resume"
    before, done = trials.get("killed"), trials.get("resumed")
    if before.status == 0:
        raise Fault(
            did,
            "It ended before it was killed: until then, metrics.csv was never seen to have three rows.",
            "Write metrics.csv, and a checkpoint, after each epoch: what is only in memory is lost. (With so few "
            "pictures that an epoch takes no tenth of a second, the judge may come too late.)",
            "每个 epoch 结束都要写 metrics.csv 和检查点。",
        )
    expect_done(done, did, "用 --resume 继续训练时失败。")
    compare_end(trials, done.output, did)
    if done.began_anew:
        raise Fault(
            did,
            "On the way, metrics.csv had one epoch, fewer than the three when it was killed.",
            "It may have begun anew. Load the checkpoint, and go on with the epoch after it.",
            "--resume 可能是从头再来的：要读取检查点，从下一个 epoch 继续。",
        )
    return "the same end, to the last bit"


def compare_end(trials: Trials, output: Path, did: str) -> None:
    """Raise Fault unless a run that went on ended as the one that was left in peace."""
    chinese = "继续训练的结果不同：检查点要包含模型、优化器、调度器、随机数状态、指标和目前最好的模型。"
    first = trials.get("base").output
    with reading(did):
        rows, expected = read_metrics(output), read_metrics(first)
        changed = differences(first / "model.pt", output / "model.pt")
    if [row["epoch"] for row in rows] != [row["epoch"] for row in expected]:
        raise Fault(
            did,
            f"metrics.csv has the epochs {row_of([row['epoch'] for row in rows])}.",
            "Keep the rows of the finished epochs, and go on with the next.",
            chinese,
        )
    wrong = [row["epoch"] for row, other in zip(rows, expected, strict=True) if row != other]
    if wrong or changed:
        what = f"metrics.csv differs from epoch {wrong[0]:g} on" if wrong else f"{changed[0]} in model.pt differs"
        raise Fault(
            did,
            f"{what}, from the same run left in peace.",
            "Is one of these missing in the checkpoint: the model, the optimizer, the scheduler, the state of the "
            "random numbers, the metrics, the best model so far?",
            chinese,
        )
    if read_report(output) != read_report(first):
        raise Fault(did, "report.json differs.", "The best epoch so far belongs in the checkpoint.", chinese)


@stage("保存途中被杀死，文件仍然完整", needs=("killed", "cut", "mended"), after=("resume",))
def saving(trials: Trials) -> str:
    """Killed while it saves, it leaves whole files behind, and --resume goes on."""
    did = "killed train.py while it wrote a file, and went on with --resume"
    chinese = "先写临时文件，再用 os.replace 一步改名：旧文件始终完整。"
    means = "Write to another name first, then os.replace: the old file stays until the new one is whole."
    if os.name == "nt":
        return "not judged: Windows has no limit on files"
    done = trials.get("cut")
    if done.status == 0:
        return "not judged: no file grew as large as half of the model"
    model = done.output / "model.pt"
    if model.exists():
        with reading(did, means, chinese):
            read_model(model)
    expect_done(trials.get("mended"), did, chinese, means)
    compare_end(trials, trials.get("mended").output, did)
    return "a whole file, and the same end"


@stage("不需要网络", needs=("quick",), after=("runs",))
def offline(trials: Trials) -> str:
    """Nothing asks for the network."""
    trials.get("quick")
    if hosts := sorted({host for done in trials.runs for host in done.hosts}):
        raise Fault(
            "refused the network to all runs, and noted who asked for it",
            f"There were calls to {names(hosts)}.",
            "All that train.py and predict.py need is in --data and beside the scripts.",
            "脚本请求了网络：所需的一切都应在本地。",
        )
    return f"in {len(trials.runs)} runs"


@stage("内存和时间在限度之内", needs=("quick",), after=("runs",))
def limits(trials: Trials) -> str:
    """Memory and time stay within limits."""
    did = "noted what each run takes"
    trials.get("quick")
    worst = max(trials.runs, key=lambda done: done.memory)
    if worst.memory > MEMORY:
        raise Fault(
            did,
            f"A run took {worst.memory / 2**30:.1f} GB of memory; the limit is {MEMORY / 2**30:.0f}.",
            "What often grows: tensors with their graphs (add loss.item()), and pictures in the files' own size.",
            "内存过大：常见的原因是累加 loss 时没有用 loss.item()，或图片读入后没有缩小。",
        )
    slowest = max(trials.runs, key=lambda done: done.seconds)
    if any(done.late for done in trials.runs):
        raise Fault(
            did,
            "A run did not end in its time, and was stopped.",
            "Read each picture once, and keep it small.",
            "运行时间过长：图片只读一次，并缩小保存。",
        )
    return f"at most {worst.memory / 2**30:.1f} GB and {slowest.seconds:.0f} s of processor time"


@stage("附加：torchrun 两个进程一起学", needs=("together",), after=("learns",), bonus=True)
def together(trials: Trials) -> str:
    """Bonus: two processes of torchrun learn together."""
    did = "trained with torchrun --nproc-per-node=2, and let the second process stand still for a while"
    chinese = "两个进程要用 DistributedDataParallel 同步梯度，并且只由 rank 0 写文件。"
    done = trials.get("together")
    expect_done(done, did, chinese)
    with reading(did):
        epochs = [row["epoch"] for row in read_metrics(done.output)]
        answers = trials.answers("together", trials.data, trials.data.test)
    if epochs != list(range(1, EPOCHS + 1)):
        raise Fault(did, f"metrics.csv has the epochs {row_of(epochs)}.", "Only rank 0 writes files.", chinese)
    if done.rows_while_halted is None:
        raise Fault(
            did,
            "It could not be halted: until its end, metrics.csv was never seen to have two rows.",
            "Rank 0 writes metrics.csv after each epoch.",
            chinese,
        )
    if done.rows_while_halted > 1:
        raise Fault(
            did,
            "The first process went on without it.",
            "Each may train a model of its own. init_process_group, DistributedSampler, DistributedDataParallel.",
            chinese,
        )
    right = sum(answers[row.file].name == row.label for row in trials.data.test) / len(trials.data.test)
    if right < bar_for(trials):
        raise Fault(did, f"{percent(right)} are right.", "Average gradients, share out every epoch anew.", chinese)
    return f"{percent(right)} are right"
