"""Scripts with one fault each: a change of the right plain one, the stages that find it, and a word of the reply."""

from dataclasses import dataclass, field

TRAIN, PREDICT = "train", "predict"


@dataclass(frozen=True)
class Flaw:
    fails: tuple[str, ...]
    word: str  # of the reply of the first of those stages
    changes: tuple[tuple[str, str, str], ...]  # file, old text, new text
    passes: tuple[str, ...] = field(default=())  # stages that it does not concern, which have to pass
    style: str = "plain"


def train(fails: str, word: str, *pairs: tuple[str, str], passes: str = "") -> Flaw:
    return Flaw(tuple(fails.split()), word, tuple((TRAIN, *pair) for pair in pairs), tuple(passes.split()))


def predict(fails: str, word: str, *pairs: tuple[str, str], passes: str = "") -> Flaw:
    return Flaw(tuple(fails.split()), word, tuple((PREDICT, *pair) for pair in pairs), tuple(passes.split()))


SEED = "    torch.manual_seed(options.seed)\n"
RNG = '        torch.set_rng_state(checkpoint["random_state"])\n'
LAST_IS_WORSE = (  # than the best, so that it shows which of the two is saved
    "        scheduler.step()\n",
    "        scheduler.step()\n        if epoch == options.epochs - 1:\n"
    '            optimizer.param_groups[0]["lr"] = 0.05\n',
)
FLAWS = {
    # ---- the first stages
    "a name that does not exist": train(
        "runs", "NameError", ("    labels = torch.tensor([classes", "    labels = torch.tensor([names")
    ),
    "waits for input": train("runs", "EOFError", ("    options.output.mkdir", "    input()\n    options.output.mkdir")),
    "the folder is not made": train(
        "runs", "No such file", ("    options.output.mkdir(parents=True, exist_ok=True)\n", "")
    ),
    "other column names": train("files", "val_accuracy", ('"val_loss", "val_accuracy"]', '"val_loss", "accuracy"]')),
    "epochs from 0": train("files", "[0, 1]", ("metrics.append([epoch, ", "metrics.append([epoch - 1, ")),
    "no split file": train(
        "files", "split.csv", ('write_csv(options.output / "split.csv", ["file", "part"], parts)', "pass")
    ),
    "the report lacks the confusion": train("files", "confusion", ('        "confusion": confusion.tolist(),\n', "")),
    "the whole model is pickled": train(
        "safe", "weights_only", ("save(content, options.output", "save(model, options.output"), passes="files"
    ),
    "a Path in the model file": train(
        "safe", "weights_only", ('"mean": mean, "std": std}', '"mean": mean, "std": std, "data": options.data}')
    ),
    "numbers for names": predict(
        "predicts", "index", ('content["classes"][place]', "place.item()"), passes="runs files"
    ),
    "a colon for a tab": predict("predicts", "tab", ('sep="\\t"', 'sep=": "')),
    "percent for probability": predict("predicts", "between 0 and 1", ("{probability:.4f}", "{100 * probability:.1f}")),
    "the name of the file without its folder": predict(
        "predicts", "expected", ("print(path, content", 'print(path.rpartition("/")[2], content')
    ),
    "no try in train": train(
        "damaged",
        "cannot identify",
        ("            try:\n", "            if True:\n"),
        ("            except Exception as error:\n", "            else:\n                error = None\n"),
        passes="runs",
    ),
    "damaged ones are left out without a word": train(
        "damaged",
        "Nothing was said",
        ("""                print(f"left out: {row['file']} ({error})", file=sys.stderr)""", "                pass"),
    ),
    "no try in predict": predict(
        "damaged",
        "cannot identify",
        ("        try:\n", "        if True:\n"),
        ("        except Exception as error:\n", "        else:\n            error = None\n"),
    ),
    "predict stops at a damaged one": predict("damaged", "no line", ("            continue\n", "            break\n")),
    # ---- learning
    "a linear model": train(
        "learns",
        "the bar",
        (
            "nn.Sequential(*block(3, 16), *block(16, 32), *block(32, 64), nn.Flatten(), nn.Linear(64 * 16, classes))",
            "nn.Sequential(nn.Flatten(), nn.Linear(3 * SIZE * SIZE, classes))",
        ),
    ),
    "signs in a mirror": train(
        "learns",
        "mirrored",
        (
            "    return moved *",
            "    flipped = torch.rand(len(moved), 1, 1, 1) < 0.5\n"
            "    moved = torch.where(flipped, moved.flip(3), moved)\n    return moved *",
        ),
    ),
    "a learning rate that is too large": train("learns", "the bar", ("lr=3e-3", "lr=30.0")),
    "no step": train("learns", "the bar", ("            optimizer.step()\n", "")),
    "objects are torn apart": train(
        "groups",
        "share out objects".replace("s", "S", 1),
        (
            'return torch.tensor([row["object"] in chosen for row in rows])',
            "return torch.rand(len(rows), generator=generator) < 0.2",
        ),
        passes="learns",
    ),
    "the last class validates": train(
        "groups",
        "No picture of bend left",
        (
            'return torch.tensor([row["object"] in chosen for row in rows])',
            'last = max(row["class"] for row in rows)\n    return torch.tensor([row["class"] == last for row in rows])',
        ),
    ),
    "the last rows validate": train(
        "groups",
        "in both parts",
        (
            'return torch.tensor([row["object"] in chosen for row in rows])',
            "return torch.arange(len(rows)) > 0.85 * len(rows)",
        ),
    ),
    "the test part validates": train(
        "groups untouched",
        "not in train.csv",
        (
            "    parts = [[",
            '    test_rows, test_images = read_table(options.data, "test")\n'
            "    test_images = functional.normalize(test_images, mean.tolist(), std.tolist())\n"
            "    rows = [row for row, val in zip(rows, validates.tolist()) if not val] + test_rows\n"
            "    images, labels = torch.cat([images[~validates], test_images]), "
            'torch.tensor([classes.index(r["class"]) for r in rows])\n'
            "    validates = torch.arange(len(rows)) >= len(rows) - len(test_rows)\n    parts = [[",
        ),
    ),
    "the best weights are not copied": train(
        "best",
        "shares its memory",
        ("value.clone() for", "value for"),
        LAST_IS_WORSE,
    ),
    "the last model is saved": train(
        "best",
        "another epoch",
        (
            '    model.load_state_dict(best["model"])\n    content = {"model": best["model"],',
            '    content = {"model": model.state_dict(),',
        ),
        LAST_IS_WORSE,
    ),
    "the worst epoch is chosen": train(
        "best", "lowest", ("if best is None or val_loss < best", "if best is None or val_loss > best")
    ),
    "validation in the training mode": train(
        "best", "eval", ("    model.eval()\n    loss, predictions", "    loss, predictions")
    ),
    "a mean over batches": train(
        "report",
        "mean over batches",
        (
            "return loss / len(truth), (predictions == truth).float().mean().item(), predictions",
            "right = [part.float().mean() for part in (predictions == truth).split(64)]\n"
            "    return loss / len(truth), (sum(right) / len(right)).item(), predictions",
        ),
        passes="learns",
    ),
    "confusion the other way round": train(
        "report",
        "the other way round",
        ("confusion[label, prediction] += 1", "confusion[prediction, label] += 1"),
        passes="learns",
    ),
    "the share of a class among all": train(
        "report", "accuracy_by_class", ("/ row.sum().item() if", "/ confusion.sum().item() if")
    ),
    "the training mode in predict, one by one": predict(
        "best report", "eval", ("    model.eval()\n", "    model.train()\n")
    ),
    "the training mode in predict, all at once": Flaw(
        ("same",), "eval", ((PREDICT, "model.eval()", "model.train()"),), style="trainer"
    ),
    "softmax over the batch": Flaw(
        ("same",), "depends", ((PREDICT, "softmax(dim=1)", "softmax(dim=0)"),), style="trainer"
    ),
    "chance in predict": predict(
        "same", "chance", ("(image.unsqueeze(0))", "(image.unsqueeze(0) * (1 + torch.rand(1)))")
    ),
    "names in another order in predict": predict(
        "learns", "predict.py ask", ('content["classes"][place]', 'content["classes"][::-1][place]')
    ),
    "no conversion to RGB": Flaw(
        ("kinds",),
        "RGB",
        (
            (
                TRAIN,
                'image.convert("RGB").resize',
                'image.convert("RGB" if image.mode in ("L", "RGB", "RGBA") else image.mode).resize',
            ),
        ),
    ),
    "only pictures of the sizes in the folder": train(
        "kinds",
        "large",
        ("        small = image.convert", "        assert image.width <= 96\n        small = image.convert"),
        passes="predicts",
    ),
    # ---- reproducible
    "a seed from the clock": train(
        "seed", "same seed", ("torch.manual_seed(options.seed)", "torch.manual_seed(__import__('time').time_ns())")
    ),
    "a fixed seed": train(
        "seed",
        "another seed",
        ("torch.manual_seed(options.seed)", "torch.manual_seed(0)"),
        ("choose_validation(rows, options.seed)", "choose_validation(rows, 0)"),
    ),
    "a seed from the number of the process": train(
        "seed", "differ", ("torch.manual_seed(options.seed)", "torch.manual_seed(__import__('os').getpid())")
    ),
    "chosen by the test part": train(
        "untouched",
        "labels",
        (
            "        val_loss, val_accuracy, _ = test_loop(val_dataloader, model, loss_fn)\n",
            "        val_loss, val_accuracy, _ = test_loop(val_dataloader, model, loss_fn)\n"
            '        test_rows, test_images = read_table(options.data, "test")\n'
            "        test_images = functional.normalize(test_images, mean.tolist(), std.tolist())\n"
            '        test_labels = torch.tensor([classes.index(row["class"]) for row in test_rows])\n'
            "        score, *_ = test_loop(DataLoader(TensorDataset(test_images, test_labels), 64), model, loss_fn)\n",
        ),
        ('if best is None or val_loss < best["val_loss"]', 'if best is None or score < best["val_loss"]'),
        ('"val_loss": val_loss, "model"', '"val_loss": score, "model"'),
    ),
    "mean and deviation of all pictures": train(
        "untouched",
        "pictures",
        (
            "images[~validates].mean((0, 2, 3)), images[~validates].std((0, 2, 3))",
            'torch.cat([images, read_table(options.data, "test")[1]]).mean((0, 2, 3)), '
            "images[~validates].std((0, 2, 3))",
        ),
    ),
    "classes in the order of the rows": train(
        "order",
        "two ways",
        (
            '    labels = torch.tensor([classes.index(row["class"]) for row in rows])\n    test_data',
            '    numbers = list(dict.fromkeys(row["class"] for row in rows))\n'
            '    labels = torch.tensor([numbers.index(row["class"]) for row in rows])\n    test_data',
        ),
        passes="report renamed",
    ),
    "names in the script": predict(
        "renamed",
        "stand in the script",
        (
            'content["classes"][place]',
            '["bend left", "bend right", "left", "no entry", "priority", "right", "stop", "yield"][place]',
        ),
        passes="predicts learns",
    ),
    "squeeze in the loss": train(
        "odd", "squeeze", ("model(augment(batch))", "model(augment(batch)).squeeze()"), passes="runs"
    ),
    "BatchNorm1d": train(
        "odd",
        "BatchNorm1d",
        ("nn.Flatten(), nn.Linear(64 * 16", "nn.Flatten(), nn.BatchNorm1d(64 * 16), nn.Linear(64 * 16"),
    ),
    "a division by the pictures of a class": train(
        "rare",
        "ZeroDivisionError",
        ("row[k].item() / row.sum().item() if row.sum() else None", "row[k].item() / row.sum().item()"),
        passes="runs",
    ),
    # ---- interrupted
    "no checkpoint": train(
        "resume", "begun anew", ("    if options.resume and checkpoint_file.exists():", "    if False:")
    ),
    "the random numbers are not in the checkpoint": train("resume", "differs", (RNG, "")),
    "the optimizer is not in the checkpoint": train(
        "resume", "optimizer", ('        optimizer.load_state_dict(checkpoint["optimizer"])\n', "")
    ),
    "the best model is not in the checkpoint": train(
        "resume",
        "in model.pt differs",
        ('metrics, best = checkpoint["metrics"], checkpoint["best"]', 'metrics, best = checkpoint["metrics"], None'),
        (  # the third epoch is the best
            "        scheduler.step()\n",
            '        scheduler.step()\n        optimizer.param_groups[0]["lr"] = 3e-3 if epoch < 3 else 0.3\n',
        ),
    ),
    "metrics are written at the end": train(
        "resume",
        "three rows",
        (
            '        write_csv(options.output / "metrics.csv", COLUMNS, metrics)\n\n',
            '\n    write_csv(options.output / "metrics.csv", COLUMNS, metrics)\n',
        ),
    ),
    "saved in place": train(
        "saving",
        "another name",
        (
            '    torch.save(content, f"{path}.new")\n    os.replace(f"{path}.new", path)',
            "    torch.save(content, path)",
        ),
    ),
    # ---- limits
    "weights from the network": train(
        "offline",
        "example.org",
        (
            SEED,
            SEED + "    try:\n"
            "        __import__('urllib.request').request.urlopen('http://example.org/weights.pt')\n"
            "    except OSError:\n        pass\n",
        ),
        passes="runs",
    ),
    "four gigabytes": train(
        "limits",
        "GB of memory",
        (
            "    torch.manual_seed(options.seed)\n",
            "    ballast = torch.ones(2**30)\n    torch.manual_seed(options.seed)\n",
        ),
        passes="runs",
    ),
    # ---- together
    "each process for itself": Flaw(("together",), "went on without it", ()),
}
QUICK = [
    "a name that does not exist",
    "epochs from 0",
    "a Path in the model file",
    "numbers for names",
    "damaged ones are left out without a word",
    "predict stops at a damaged one",
    "a fixed seed",
    "a division by the pictures of a class",
    "weights from the network",
]
