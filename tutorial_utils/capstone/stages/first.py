"""The first stages: the scripts run, and write and print what the brief says, on a few pictures."""

from pathlib import Path

import tutorial_utils.capstone.tables as tables
from tutorial_utils.capstone.faults import Fault, expect_done, names, reading
from tutorial_utils.capstone.output import (
    read_answers,
    read_metrics,
    read_model,
    read_report,
    read_split,
    tensors_of,
)
from tutorial_utils.capstone.stages.stage import row_of, stage
from tutorial_utils.capstone.tables import Folder
from tutorial_utils.capstone.trials import Trials, lacking


@stage("train.py 能从头跑到尾", needs=("quick",))
def runs(trials: Trials) -> str:
    """train.py runs to its end: two epochs on a few pictures."""
    done = trials.get("quick")
    if not trials.script.exists() or not trials.script.read_text(encoding="utf-8").strip():
        raise Fault(
            f"looked for {trials.script.name}",
            f"{trials.script.name} is empty." if trials.script.exists() else f"There is no {trials.script}.",
            "Begin with the command line (argparse), then read train.csv. The brief has the options.",
            "train.py 还是空的：先写命令行参数，再读 train.csv。",
        )
    expect_done(done, "trained two epochs on a few pictures", "train.py 没有跑完，请先看错误信息的最后一行。")
    return f"two epochs in {done.seconds:.0f} s of processor time"


@stage("输出文件夹里有四个文件，内容符合说明", needs=("quick",), after=("runs",))
def files(trials: Trials) -> str:
    """The four files are there, and hold what the brief says."""
    output, did = trials.get("quick").output, "trained two epochs and read the files in the output folder"
    if missing := lacking(output):
        found = names(sorted(path.name for path in output.glob("*"))) or "nothing"
        raise Fault(
            did,
            f"There is no {names(missing)}; the folder holds {found}.",
            "train.py writes model.pt, metrics.csv, split.csv and report.json into --output.",
            f"缺少文件：{names(missing)}。",
        )
    if elsewhere := sorted(path.name for path in trials.get("quick").started_in.iterdir()):
        raise Fault(
            did,
            f"It wrote {names(elsewhere)} into the folder in which it was started.",
            "Whatever train.py writes belongs in the folder --output.",
            "train.py 写的所有文件都应放在 --output 文件夹里，而不是当前文件夹。",
        )
    with reading(did):
        epochs = [row["epoch"] for row in read_metrics(output)]
        read_split(output)
        report = read_report(output)
    if epochs != [1, 2]:
        raise Fault(
            did,
            f"metrics.csv has the epochs {row_of(epochs)}, expected [1, 2] for --epochs 2.",
            "Write one row for each epoch, counted from 1.",
            "metrics.csv 每个 epoch 一行，从 1 数起，行数等于 --epochs。",
        )
    if sorted(report.classes) != trials.small.classes:
        raise Fault(
            did,
            f"report.json has the classes {names(report.classes)}, but train.csv {names(trials.small.classes)}.",
            "The names of the classes come from the column class of train.csv.",
            "类别名取自 train.csv 的 class 列。",
        )
    return "model.pt, metrics.csv, split.csv and report.json"


@stage("model.pt 可以用 weights_only=True 读取", needs=("quick",), after=("files",))
def safe(trials: Trials) -> str:
    """model.pt is read without running code, and knows the names of the classes."""
    did = "read model.pt with torch.load(..., weights_only=True)"
    with reading(did):
        tensors = tensors_of(read_model(trials.get("quick").output / "model.pt"))
    if not tensors:
        raise Fault(
            did,
            "There is no tensor in it.",
            "Save the state dict, and the names of the classes, in one dictionary.",
            "model.pt 里没有张量。",
        )
    return f"{len(tensors)} tensors"


@stage("predict.py 每张图片打印一行", needs=("quick",), after=("files",))
def predicts(trials: Trials) -> str:
    """predict.py prints file, name and probability for each picture."""
    did = "ran predict.py on three pictures, with the model of two epochs"
    rows = trials.small.test[2::-1]  # not sorted
    paths = [trials.small.path / row.file for row in rows]
    done = trials.predict(trials.get("quick").output / "model.pt", paths, "predicts")
    expect_done(done, did, "predict.py 没有跑完，请先看错误信息的最后一行。")
    with reading(did):
        answers = read_answers(done.stdout)
    if list(answers) != [str(path) for path in paths]:
        raise Fault(
            did,
            f"It printed lines for {names(list(answers)) or 'nothing'}, expected {names([*map(str, paths)])}.",
            "Print a line for each picture, in their order, with the path as it was given.",
            "按给定的顺序，每张图片一行，路径照原样打印。",
        )
    if strange := {answer.name for answer in answers.values()} - set(trials.small.classes):
        raise Fault(
            did,
            f"It printed the name {min(strange)!r}; the classes are {names(trials.small.classes)}.",
            "A model answers with an index. Save the list of names with the model, and look the name up.",
            "要打印类别名，而不是序号：把类别名列表和模型一起保存。",
        )
    return "three lines, with names of classes"


@stage("损坏的图片：报告文件名，其余照常", needs=("damaged",), after=("predicts",))
def damaged(trials: Trials) -> str:
    """A damaged picture is named and left out, and the rest goes on."""
    done, did = trials.get("damaged"), "trained with three damaged pictures in each part"
    chinese = "遇到坏图片：把文件名打印到 stderr，跳过它，继续处理其余图片。"
    expect_done(done, did, chinese)
    for part in tables.PARTS:
        if silent := [name for name in tables.DAMAGED if f"{part}_{name}" not in done.stderr + done.stdout]:
            raise Fault(did, f"Nothing was said about {part}_{silent[0]}.", "Name each file that is left out.", chinese)
    with reading(did):
        split = read_split(done.output)
    if used := [file for file in split if Path(file).name.startswith(("train_empty", "train_half", "train_page"))]:
        raise Fault(did, f"split.csv names {used[0]}, which is damaged.", "It cannot have been trained on.", chinese)
    ask_about_damaged(trials, chinese)
    return "all six were named, and the rest went on"


def ask_about_damaged(trials: Trials, chinese: str) -> None:
    """Raise Fault unless predict.py names damaged pictures and goes on."""
    whole = trials.small.path / trials.small.test[0].file
    bad = tables.damage(Folder(trials.folder / "bad", [], []), "some")
    did = "ran predict.py on three damaged pictures and a whole one"
    said = trials.predict(trials.get("quick").output / "model.pt", [*bad, whole], "damaged-predict")
    with reading(did):
        answers = read_answers(said.stdout)
    if str(whole) not in answers:
        raise Fault(
            did,
            f"The whole picture, which came last, got no line.\n{said.last_words}".rstrip(),
            "Catch the error where the picture is read, name the file, and go on with the next.",
            chinese,
        )
    if silent := [path.name for path in bad if path.name not in said.stderr or str(path) in answers]:
        raise Fault(
            did, f"{silent[0]} was not named on standard error, or got an answer.", "Name it, there alone.", chinese
        )
