"""The stages about what was learned, and how it is split, chosen, reported and asked."""

from collections import Counter

from tutorial_utils.capstone.faults import Fault, expect_done, names, percent, reading
from tutorial_utils.capstone.output import (
    OutputError,
    read_answers,
    read_metrics,
    read_report,
    read_split,
)
from tutorial_utils.capstone.pictures import other_kinds
from tutorial_utils.capstone.stages.stage import stage
from tutorial_utils.capstone.tables import Folder
from tutorial_utils.capstone.trials import EPOCHS, Trials

BAR = 0.7  # of the test pictures: linear models reach 0.46, mirrored training 0.63, small ConvNets 0.77 to 0.96
CLOSE = 6e-4  # what rounding to three digits leaves of a share


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
