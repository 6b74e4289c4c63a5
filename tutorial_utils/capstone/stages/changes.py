"""The stages in which something changes: the seed, the test part, the rows, the names, or how many there are."""

import tutorial_utils.capstone.tables as tables
from tutorial_utils.capstone.faults import Fault, expect_done, names, percent, reading
from tutorial_utils.capstone.output import (
    differences,
    read_metrics,
    read_report,
)
from tutorial_utils.capstone.stages.learning import CLOSE, accuracy_of
from tutorial_utils.capstone.stages.stage import stage
from tutorial_utils.capstone.trials import ODD, Trials

OTHER_ORDER = 0.7  # of its accuracy, below which a model that saw the rows in another order has mixed up its classes


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
