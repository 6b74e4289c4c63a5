"""The stages of the capstone, in order. Each looks at runs of the learner's scripts and says what it saw.

A stage is a function that returns what was seen, or raises `Fault`. Its first sentence is what the stage asks for.
"""

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import tutorial_utils.capstone.tables as tables
from tutorial_utils.capstone.faults import Fault, expect_done, names, percent, reading
from tutorial_utils.capstone.output import (
    OutputError,
    differences,
    read_answers,
    read_metrics,
    read_model,
    read_report,
    read_split,
    tensors_of,
)
from tutorial_utils.capstone.pictures import other_kinds
from tutorial_utils.capstone.tables import Folder
from tutorial_utils.capstone.trials import EPOCHS, LONG, ODD, SHORT, Trials, lacking

BAR = 0.7  # of the test pictures: linear models reach 0.46, mirrored training 0.63, small ConvNets 0.77 to 0.96
MEMORY = 3 * 2**30  # bytes
OTHER_ORDER = 0.7  # of its accuracy, below which a model that saw the rows in another order has mixed up its classes
CLOSE = 6e-4  # what rounding to three digits leaves of a share

Judge = Callable[[Trials], str]


@dataclass(frozen=True)
class Stage:
    """One stage: its name, what it asks for, in English and Chinese, and how to look.

    Args:
        needs: the runs it looks at.
        after: the stages that must have passed, or there is nothing to look at.
        limit: seconds of processor time for each of its runs.
    """

    name: str
    title: str
    chinese: str
    needs: tuple[str, ...]
    after: tuple[str, ...]
    limit: int
    bonus: bool
    judge: Judge


STAGES: dict[str, Stage] = {}


def stage(
    chinese: str, *, needs: tuple[str, ...] = (), after: tuple[str, ...] = (), bonus: bool = False
) -> Callable[[Judge], Judge]:
    """Return a decorator that adds a function to the stages, under its name."""

    def add(judge: Judge) -> Judge:
        name = judge.__name__.rstrip("_")
        title = (judge.__doc__ or "").splitlines()[0].rstrip(".")
        limit = SHORT if set(needs) <= {"quick", "again", "other_seed", "damaged", "rare"} else LONG
        STAGES[name] = Stage(name, title, chinese, needs, after, limit, bonus, judge)
        return judge

    return add


def row_of(epochs: list[float]) -> str:
    """Return the numbers of epochs as they are read.

    >>> row_of([1.0, 2.0])
    '[1, 2]'
    """
    return f"[{', '.join(f'{epoch:g}' for epoch in epochs)}]"


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


@stage("学到了东西：测试准确率达到标准", needs=("base",), after=("predicts",))
def learns(trials: Trials) -> str:
    """The model learns: on the test pictures it is better than any linear model."""
    done, did = trials.get("base"), f"trained {EPOCHS} epochs, and asked predict.py about every test picture"
    expect_done(done, did, "在完整数据上训练失败，请看错误信息的最后一行。")
    accuracy, bar = accuracy_of(trials, did), bar_for(trials)
    if accuracy < bar:
        raise Fault(
            did,
            f"{percent(accuracy)} are right; the bar is {percent(bar)}.{mirror(trials)}",
            *why_low(trials, bar),
        )
    return f"{percent(accuracy)} are right; the bar is {percent(bar)}"


def accuracy_of(trials: Trials, did: str) -> float:
    """Return the share of test pictures that predict.py names right."""
    rows = trials.data.test
    with reading(did):
        answers = trials.answers("base", trials.data, rows)
    return sum(answers[row.file].name == row.label for row in rows) / len(rows)


def bar_for(trials: Trials) -> float:
    """Return the share to reach: of the drawn signs a fixed one, of other pictures more than the commonest class."""
    if set(trials.data.classes) >= {"bend left", "bend right", "priority"}:
        return BAR
    most = Counter(row.label for row in trials.data.test).most_common(1)[0][1] / len(trials.data.test)
    return most + 0.1 * (1 - most)


def why_low(trials: Trials, bar: float) -> tuple[str, str]:
    """Return what an accuracy below the bar may mean, in English and Chinese: by what report.json says of the model."""
    try:
        said = read_report(trials.get("base").output).test_accuracy
    except OutputError:
        said = 0.0
    if said >= bar:
        return (
            f"report.json says {percent(said)}, so the model may be good, and predict.py ask it otherwise: are the "
            "pictures made ready as in train.py, is it model.eval(), are the names in the same order?",
            "report.json 里的准确率更高：predict.py 的预处理、model.eval() 或类别顺序可能与训练时不同。",
        )
    return (
        "Look at training and validation in metrics.csv: if both are low, it may not have learned yet (learning rate, "
        "batch size, normalisation, a network with convolutions); if only validation is, vary the pictures, but never "
        "so that they mean something else.",
        "准确率不够：先看 metrics.csv 是欠拟合还是过拟合；增强图片时注意，翻转会改变路标的意思。",
    )


def mirror(trials: Trials) -> str:
    """Return a sentence where many errors are between a sign and its mirror image."""
    answers = trials.answers("base", trials.data, trials.data.test)
    wrong = [(row.label, answers[row.file].name) for row in trials.data.test if answers[row.file].name != row.label]
    twins = [pair for pair in wrong if {word for name in pair for word in name.split()} >= {"left", "right"}]
    if 2 * len(twins) < len(wrong):
        return ""
    return (
        f" {len(twins)} of {len(wrong)} errors take left for right: is a picture mirrored, or too little learned yet?"
    )


@stage("同一物体的图片不能分到两边", needs=("base",), after=("learns",))
def groups(trials: Trials) -> str:
    """The split is whole: each picture in one part, and all pictures of an object in the same."""
    did = "joined split.csv with the column object of train.csv"
    with reading(did):
        split = read_split(trials.get("base").output)
    rows = {row.file: row for row in trials.data.train}
    if strange := [file for file in split if file not in rows]:
        raise Fault(
            did,
            f"split.csv names {strange[0]}, which is not in train.csv.",
            "Training and validation share out train.csv. The test pictures are for the end.",
            "训练和验证都只能来自 train.csv。",
        )
    if missing := [file for file in rows if file not in split]:
        raise Fault(
            did,
            f"{len(missing)} pictures of train.csv are not in split.csv, such as {missing[0]}.",
            "Every whole picture trains or validates.",
            "train.csv 里每张完好的图片都应出现在 split.csv 中。",
        )
    share = sum(part == "val" for part in split.values()) / len(split)
    parts = {part: {rows[file].object for file in split if split[file] == part} for part in ("train", "val")}
    if torn := sorted(parts["train"] & parts["val"]):
        raise Fault(
            did,
            f"Of {len(torn)} objects, there are pictures in both parts, such as {torn[0]!r}.",
            "Your model is validated on things that it has trained on, so the validation looks too good. "
            "Share out objects, not pictures.",
            "同一物体的照片很像，分到两边就等于泄题：按 object 划分，而不是按图片。",
        )
    if not 0.05 <= share <= 0.5:
        raise Fault(
            did,
            f"{percent(share)} of the pictures validate.",
            "Take between 5 % and 50 %: enough to choose by, and enough to learn from.",
            "验证集的比例应在 5% 到 50% 之间。",
        )
    for part, verb in (("val", "validates"), ("train", "trains")):
        if lost := sorted(shareable(trials.data) - {rows[file].label for file in split if split[file] == part}):
            raise Fault(
                did,
                f"No picture of {names(lost)} {verb}.",
                "Share out the objects of each class; those of the whole table may leave a class out.",
                f"划分后有一部分缺少类别：{names(lost)}。应在每个类别内部分别划分物体。",
            )
    return f"{percent(share)} of the pictures validate, and no object is torn apart"


def shareable(data: Folder) -> set[str]:
    """Return the classes with two objects at least, of which each part can have one."""
    objects = {(row.label, row.object) for row in data.train}
    counts = Counter(label for label, _ in objects)
    return {label for label, count in counts.items() if count > 1}


@stage("保存的是验证集上最好的那个 epoch", needs=("base",), after=("groups",))
def best(trials: Trials) -> str:
    """The model in model.pt is that of the best epoch, by the validation part."""
    output, did = trials.get("base").output, "asked predict.py about every validation picture"
    chinese = "model.pt 应是验证最好的 epoch 的权重：state_dict() 只是引用，要 clone 或马上保存。"
    with reading(did):
        metrics, report, split = read_metrics(output), read_report(output), read_split(output)
        rows = [row for row in trials.data.train if split.get(row.file) == "val"]
        answers = trials.answers("base", trials.data, rows)
    if [row["epoch"] for row in metrics] != list(range(1, EPOCHS + 1)):
        raise Fault(did, f"metrics.csv has {len(metrics)} rows for {EPOCHS} epochs.", "Write one for each.", chinese)
    if not 1 <= report.epoch <= EPOCHS:
        raise Fault(did, f"report.json has the epoch {report.epoch}.", "Count the epochs from 1.", chinese)
    chosen = metrics[report.epoch - 1]
    lowest, highest = min(row["val_loss"] for row in metrics), max(row["val_accuracy"] for row in metrics)
    if chosen["val_loss"] > lowest + CLOSE and chosen["val_accuracy"] < highest - CLOSE:
        raise Fault(
            did,
            f"report.json names epoch {report.epoch}: validation loss {chosen['val_loss']:.4f}, lowest {lowest:.4f}; "
            f"accuracy {percent(chosen['val_accuracy'])}, highest {percent(highest)}.",
            "Choose the epoch with the lowest loss, or the highest accuracy, on the validation part, and count from 1, "
            "as metrics.csv does.",
            chinese,
        )
    accuracy = sum(answers[row.file].name == row.label for row in rows) / len(rows)
    if abs(accuracy - chosen["val_accuracy"]) > CLOSE:  # less than one picture
        raise Fault(
            did,
            f"{percent(accuracy)} are right, but metrics.csv says {percent(chosen['val_accuracy'])} for epoch "
            f"{report.epoch}, which report.json names.",
            "The weights in model.pt may be those of another epoch (a state dict shares its memory with the model: "
            "copy it), or validation may be measured otherwise than predict.py answers (model.eval(), no random "
            "changes to the pictures, a mean over all of them).",
            chinese,
        )
    return f"epoch {report.epoch}, {percent(accuracy)} of the validation pictures, as metrics.csv says"


@stage("报告的准确率与重新计算的一致", needs=("base",), after=("learns",))
def report(trials: Trials) -> str:
    """report.json says what predict.py does: accuracy, and the confusion of each class with each."""
    did = "counted again what predict.py says about every test picture"
    with reading(did):
        said = read_report(trials.get("base").output)
    accuracy = accuracy_of(trials, did)
    if abs(said.test_accuracy - accuracy) > CLOSE:
        raise Fault(
            did,
            f"{percent(accuracy)} are right; report.json says {percent(said.test_accuracy)}.",
            "Measure the model that you save, after model.eval(), and count every picture once: the mean over batches "
            "may be another number if the last batch is smaller.",
            "准确率 = 答对的张数 ÷ 总张数；不要对各个 batch 的准确率取平均。",
        )
    answers = trials.answers("base", trials.data, trials.data.test)
    place = {name: number for number, name in enumerate(said.classes)}
    counted = [[0] * len(place) for _ in place]
    for row in trials.data.test:
        counted[place[row.label]][place[answers[row.file].name]] += 1
    if said.confusion != counted:
        turned = [list(column) for column in zip(*counted, strict=True)]
        raise Fault(
            did,
            f"confusion is {said.confusion}, expected {counted}.",
            "A row for each true class, a column for each predicted one"
            + (": yours is the other way round." * (said.confusion == turned) or ", of the model that is saved."),
            "混淆矩阵：行是真实类别，列是预测类别。",
        )
    for name, counts in zip(said.classes, counted, strict=True):
        share = counts[place[name]] / sum(counts) if sum(counts) else None
        found = said.accuracy_by_class.get(name)
        if share is not None and (not isinstance(found, int | float) or abs(found - share) > CLOSE):
            raise Fault(
                did,
                f"accuracy_by_class has {found} for {name!r}, expected {counts[place[name]]} of {sum(counts)}.",
                "Of the pictures of a class, count those that are named right.",
                "每一类的准确率 = 该类答对的张数 ÷ 该类的张数。",
            )
    return "accuracy, each class, and the confusion agree"


@stage("同一张图片，答案始终一样", needs=("base",), after=("learns",))
def same(trials: Trials) -> str:
    """predict.py gives a picture the same answer each time, alone or among others."""
    did = "asked predict.py about three pictures together, and then about each alone"
    output, rows = trials.get("base").output, trials.data.test[:: max(1, len(trials.data.test) // 3)][:3]
    paths = [trials.data.path / row.file for row in rows]
    with reading(did):
        together = read_answers(trials.predict(output / "model.pt", paths, "same").stdout)
        alone = read_answers(trials.predict(output / "model.pt", paths[:1], "same").stdout)
        alone |= read_answers(trials.predict(output / "model.pt", paths[1:2], "same").stdout)
        among = trials.answers("base", trials.data, trials.data.test)
    for row, path in zip(rows, map(str, paths), strict=True):
        for answer in filter(None, (alone.get(path), together.get(path))):
            if answer.name != among[row.file].name or abs(answer.probability - among[row.file].probability) > 2e-3:
                raise Fault(
                    did,
                    f"{row.file} is {answer.name} {answer.probability:.4f} now, and among all "
                    f"{among[row.file].name} {among[row.file].probability:.4f}.",
                    "Something in the answer depends on chance or on the other pictures. Perhaps model.eval() is "
                    "missing, or there is a random transform, a softmax or a scaling over the batch.",
                    "同一张图片答案不同：可能缺少 model.eval()，或在做随机增强，或在 batch 维上做了 softmax。",
                )
    if set(alone) != set(map(str, paths[:2])):
        raise Fault(
            did, "Not each picture got a line.", "One picture is a batch, too: (1, C, H, W).", "一张图片也要能预测。"
        )
    return "alone and among others, to three digits"


@stage("灰度、RGBA、调色板、其他尺寸都能读", needs=("base",), after=("learns",))
def kinds(trials: Trials) -> str:
    """predict.py takes pictures of any size and mode, and knows them again."""
    did = "saved a test picture in other ways, and asked predict.py about each"
    answers = trials.answers("base", trials.data, trials.data.test)
    right = [row for row in trials.data.test if answers[row.file].name == row.label]
    row = max(right, key=lambda row: answers[row.file].probability)
    made = other_kinds(trials.data.path / row.file, trials.folder / "kinds")
    done = trials.predict(trials.get("base").output / "model.pt", list(made.values()), "kinds-predict")
    chinese = '先 image.convert("RGB") 再缩放到统一尺寸，任何图片就都一样了。'
    means = 'Bring every picture to one mode and size first: image.convert("RGB"), then resize.'
    with reading(did):
        said = read_answers(done.stdout)
    for kind, path in made.items():
        if str(path) not in said:
            raise Fault(
                did, f"It says nothing about the one that is {kind}.\n{done.last_words}".rstrip(), means, chinese
            )
        if kind.endswith("exactly") and said[str(path)].name != row.label:
            raise Fault(
                did,
                f"{row.file} is {row.label}, but {said[str(path)].name} when it is {kind.removesuffix(', exactly')}.",
                means,
                chinese,
            )
    return names([kind.removesuffix(", exactly") for kind in made])


@stage("同一个种子结果相同，不同种子结果不同", needs=("quick", "again", "other_seed"), after=("safe",))
def seed(trials: Trials) -> str:
    """The same seed gives the same model, and another seed another one."""
    did = "trained twice with --seed 1, and once with --seed 2"
    one, same_, other = (trials.get(name) for name in ("quick", "again", "other_seed"))
    for done in (same_, other):
        expect_done(done, did, "第二次训练失败了。")
    if changed := differences(one.output / "model.pt", same_.output / "model.pt"):
        raise Fault(
            did,
            f"With the same seed, {len(changed)} tensors differ, such as {changed[0]}.",
            "Something may be drawn before the seed is set, or by another source of chance (random, numpy, the hash of "
            "a string, a set's order, the clock).",
            "同一个种子应得到完全相同的模型：先设种子再建模型；random、numpy、集合的顺序也会带来随机性。",
        )
    if read_metrics(one.output) != read_metrics(same_.output):
        raise Fault(did, "With the same seed, metrics.csv differs.", "Use no chance but the seed's.", "指标应当相同。")
    if not differences(one.output / "model.pt", other.output / "model.pt"):
        raise Fault(
            did,
            "With another seed, the model is the same to the last bit.",
            "--seed may not be used: torch.manual_seed(options.seed), before the model is built.",
            "换了种子结果却一样：--seed 可能没有用上。",
        )
    return "equal to the last bit, and with another seed not"


@stage("测试集不影响训练和选择", needs=("tested",), after=("learns", "seed"))
def untouched(trials: Trials) -> str:
    """The test part changes nothing in the model: it is looked at once, at the end."""
    did = "trained once more with other labels and other pictures in the test part"
    done, first = trials.get("tested"), trials.get("base").output
    expect_done(done, did, "换了测试集后训练失败。")
    chinese = "改动测试集后模型变了：训练或选择时用到了 test.csv。请只用验证集做选择。"
    if changed := differences(first / "model.pt", done.output / "model.pt"):
        labels = differences(first / "model.pt", trials.get("relabelled").output / "model.pt")
        what = "labels" if labels else "pictures (with the labels alone, it does not)"
        raise Fault(
            did,
            f"Your model changes with the test {what}: {len(changed)} tensors differ, such as {changed[0]}.",
            "Something in train.py looks at the test part before the model is saved, "
            + (
                "perhaps to choose the epoch, to stop, or to set the learning rate. Choose by the validation part."
                if labels
                else "perhaps for a mean and a deviation over all pictures. Measure them on the training part."
            ),
            chinese,
        )
    if read_metrics(first) != read_metrics(done.output):
        raise Fault(did, "metrics.csv changes with the test part.", "It is for training and validation.", chinese)
    return "the model is the same to the last bit"


@stage("表格行序不影响名字的对应", needs=("renamed",), after=("learns",))
def order(trials: Trials) -> str:
    """The rows of the tables may come in any order."""
    did = "trained with the rows of both tables in another order, and asked predict.py about the test pictures"
    done, new = trials.get("renamed"), tables.renamed(trials.data)[1]
    expect_done(done, did, "打乱表格的行序后训练失败。")
    with reading(did):
        answers, said = (
            trials.answers("renamed", trials.data_of("other-names"), trials.data.test),
            read_report(done.output),
        )
    back = {name: old for old, name in new.items()}
    answered = [(row.label, back.get(answers[row.file].name, answers[row.file].name)) for row in trials.data.test]
    right = sum(label == name for label, name in answered) / len(answered)
    known = [name for _, name in answered if name in new]
    if known and right < OTHER_ORDER * accuracy_of(trials, did):
        raise Fault(
            did,
            f"{percent(right)} are right, and {percent(accuracy_of(trials, did))} in the order as given.",
            "The number of a class may depend on the order of the rows: sort the names, once, from train.csv.",
            "类别序号可能由行的先后决定：应由排好序的类别名决定。",
        )
    if known and abs(said.test_accuracy - right) > CLOSE:
        raise Fault(
            did,
            f"{percent(right)} are right, but report.json says {percent(said.test_accuracy)}.",
            "Training and test may number the classes in two ways: number them once, from train.csv, sorted.",
            "训练和测试的类别编号可能不一致：只编一次号，从 train.csv 排序得到。",
        )
    return f"{percent(right)} are right"


@stage("类别名跟着模型走", needs=("renamed",), after=("learns",))
def renamed(trials: Trials) -> str:
    """The names of the classes travel with the model."""
    did = "trained with other names for the classes, and asked predict.py about the test pictures"
    done, new = trials.get("renamed"), set(tables.renamed(trials.data)[1].values())
    expect_done(done, did, "改了类别名后训练失败。")
    with reading(did):
        answers = trials.answers("renamed", trials.data_of("other-names"), trials.data.test)
    if strange := sorted({answer.name for answer in answers.values()} - new):
        raise Fault(
            did,
            f"predict.py says {strange[0]!r}; the classes are now {names(sorted(new))}.",
            "The names may stand in the script, or in a file beside it. Save them in model.pt.",
            "类别名可能写死在脚本里了：应与模型一起保存在 model.pt 中。",
        )
    return "predict.py says the new names"


@stage("最后一个 batch 只有一张图片也能训练", needs=("odd",), after=("files",))
def odd(trials: Trials) -> str:
    """A last batch of one picture does no harm."""
    done, did = trials.get("odd"), f"trained with about {ODD} pictures, so that the last batch of an epoch may hold one"
    chinese = "最后一个 batch 可能只有 1 张图片：squeeze() 会去掉 batch 维；BatchNorm1d 训练时至少要 2 个样本。"
    expect_done(
        done,
        did,
        chinese,
        "The last line names the mistake. In a batch of one, squeeze() removes the batch, too, and BatchNorm1d has "
        "nothing to compare it with.",
    )
    with reading(did):
        losses = [row["train_loss"] for row in read_metrics(done.output)]
        count = tables.trained_on(done.output)
    if not all(loss < float("inf") for loss in losses):
        raise Fault(
            did, f"The training loss is {losses[-1]}.", "A deviation over one number, such as std(), is nan.", chinese
        )
    return f"{count} pictures trained"


@stage("某类只有一张图片，或测试集缺一类，也能运行", needs=("rare",), after=("files",))
def rare(trials: Trials) -> str:
    """A class of one picture, and one that the test part lacks, do no harm."""
    did = "trained with one picture of the first class, and without the last class in the test part"
    chinese = "某一类可能只有一张图片，也可能在测试集中一张都没有：注意不要除以 0。"
    expect_done(trials.get("rare"), did, chinese, "Mind divisions by zero, and parts that lack a class.")
    with reading(did):
        said = read_report(trials.get("rare").output)
    size = len(trials.small.classes)
    if [len(row) for row in said.confusion] != [size] * size:
        raise Fault(did, f"confusion has {len(said.confusion)} rows.", f"{size} classes, {size} rows.", chinese)
    if (share := said.accuracy_by_class.get(trials.small.classes[-1])) is not None:
        raise Fault(
            did,
            f"accuracy_by_class has {share} for {trials.small.classes[-1]!r}.",
            "Of no pictures, no share is right: None, which is null in JSON.",
            "没有测试图片的类别，准确率应为 null。",
        )
    return "it went on"


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
