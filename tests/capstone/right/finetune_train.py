"""Train the end of a network whose beginning comes from a file beside this script, first alone, then with the rest."""

import argparse
import csv
import json
import os
import sys
from pathlib import Path

import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from torchvision.transforms.v2 import functional

SIZE = 32
COLUMNS = ["epoch", "train_loss", "val_loss", "val_accuracy"]


def read_picture(path):
    with Image.open(path) as image:
        small = image.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    return functional.pil_to_tensor(small)  # (3, H, W) uint8


def read_table(folder, part):
    rows, images = [], []
    with (folder / f"{part}.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            try:
                images.append(read_picture(folder / row["file"]))
                rows.append(row)
            except Exception as error:
                print(f"left out: {row['file']} ({error})", file=sys.stderr)
    return rows, torch.stack(images).float() / 255  # (N, 3, H, W)


def choose_validation(rows, seed):
    """Return for each row whether it validates: of each class one object in five, and all pictures of it."""
    generator = torch.Generator().manual_seed(seed)
    chosen = set()
    for name in sorted({row["class"] for row in rows}):
        objects = sorted({row["object"] for row in rows if row["class"] == name})
        order = torch.randperm(len(objects), generator=generator).tolist()
        chosen |= {objects[place] for place in order[: len(objects) // 5 or len(objects) > 1]}
    return torch.tensor([row["object"] in chosen for row in rows])


def build(classes):
    def block(inputs, outputs):
        return [nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU(), nn.MaxPool2d(2)]

    return nn.Sequential(*block(3, 16), *block(16, 32), *block(32, 64), nn.Flatten(), nn.Linear(64 * 16, classes))


def augment(images):
    """Move each picture a little, and change its light; a mirror would change what it means."""
    down, right = torch.randint(-3, 4, (2, len(images))).tolist()
    moved = torch.stack([image.roll((y, x), (1, 2)) for image, y, x in zip(images, down, right)])
    return moved * torch.empty(len(images), 1, 1, 1).uniform_(0.7, 1.3)


def test_loop(dataloader, model, loss_fn):
    """Return the mean loss, the accuracy, and the predictions (N,)."""
    model.eval()
    loss, predictions, truth = 0.0, [], []
    with torch.no_grad():
        for images, labels in dataloader:
            logits = model(images)
            loss += loss_fn(logits, labels).item() * len(labels)
            predictions.append(logits.argmax(dim=1))
            truth.append(labels)
    predictions, truth = torch.cat(predictions), torch.cat(truth)
    return loss / len(truth), (predictions == truth).float().mean().item(), predictions


def save(content, path):
    torch.save(content, f"{path}.new")
    os.replace(f"{path}.new", path)


def write_csv(path, header, rows):
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--resume", action="store_true")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)

    rows, images = read_table(options.data, "train")
    classes = sorted({row["class"] for row in rows})
    labels = torch.tensor([classes.index(row["class"]) for row in rows])
    validates = choose_validation(rows, options.seed)
    mean, std = images[~validates].mean((0, 2, 3)), images[~validates].std((0, 2, 3))
    images = functional.normalize(images, mean.tolist(), std.tolist())
    parts = [[row["file"], "val" if val else "train"] for row, val in zip(rows, validates.tolist())]
    write_csv(options.output / "split.csv", ["file", "part"], parts)

    torch.manual_seed(options.seed)
    train_data = TensorDataset(images[~validates], labels[~validates])
    train_dataloader = DataLoader(train_data, batch_size=16, shuffle=True)
    val_dataloader = DataLoader(TensorDataset(images[validates], labels[validates]), batch_size=64)
    model = build(len(classes))
    body = torch.load(Path(__file__).with_name("finetune_body.pt"), weights_only=True)
    unexpected = model.load_state_dict(body, strict=False).unexpected_keys
    assert not unexpected, unexpected
    loss_fn = nn.CrossEntropyLoss()
    groups = [{"params": model[:-1].parameters(), "lr": 2e-3}, {"params": model[-1].parameters(), "lr": 4e-3}]
    optimizer = torch.optim.AdamW(groups)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, options.epochs)

    metrics, best = [], None
    checkpoint_file = options.output / "checkpoint.pt"
    if options.resume and checkpoint_file.exists():
        checkpoint = torch.load(checkpoint_file, weights_only=True)
        model.load_state_dict(checkpoint["model"])
        optimizer.load_state_dict(checkpoint["optimizer"])
        scheduler.load_state_dict(checkpoint["scheduler"])
        torch.set_rng_state(checkpoint["random_state"])
        metrics, best = checkpoint["metrics"], checkpoint["best"]

    for epoch in range(len(metrics) + 1, options.epochs + 1):
        model.train()
        for parameter in model[:-1].parameters():
            parameter.requires_grad = epoch > 1  # the new layer first
        total = 0.0
        for batch, targets in train_dataloader:
            loss = loss_fn(model(augment(batch)), targets)

            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(targets)
        scheduler.step()
        val_loss, val_accuracy, _ = test_loop(val_dataloader, model, loss_fn)
        metrics.append([epoch, total / len(train_data), val_loss, val_accuracy])
        print(f"epoch {epoch}/{options.epochs}: val loss {val_loss:.4f}, val accuracy {val_accuracy:.1%}", flush=True)
        if best is None or val_loss < best["val_loss"]:
            state = {name: value.clone() for name, value in model.state_dict().items()}
            best = {"epoch": epoch, "val_loss": val_loss, "model": state}
        save(
            {
                "model": model.state_dict(),
                "optimizer": optimizer.state_dict(),
                "scheduler": scheduler.state_dict(),
                "random_state": torch.get_rng_state(),
                "metrics": metrics,
                "best": best,
            },
            checkpoint_file,
        )
        write_csv(options.output / "metrics.csv", COLUMNS, metrics)

    model.load_state_dict(best["model"])
    content = {"model": best["model"], "classes": classes, "mean": mean, "std": std}
    save(content, options.output / "model.pt")
    report(options, model, classes, mean, std, best["epoch"])


def report(options, model, classes, mean, std, epoch):
    """Look at the test part, once, at the end, and write what it says."""
    rows, images = read_table(options.data, "test")
    labels = torch.tensor([classes.index(row["class"]) for row in rows])
    test_data = TensorDataset(functional.normalize(images, mean.tolist(), std.tolist()), labels)
    _, accuracy, predictions = test_loop(DataLoader(test_data, batch_size=64), model, nn.CrossEntropyLoss())
    confusion = torch.zeros(len(classes), len(classes), dtype=torch.long)
    for label, prediction in zip(labels, predictions):
        confusion[label, prediction] += 1
    by_class = {}
    for name, row, k in zip(classes, confusion, range(len(classes))):
        by_class[name] = row[k].item() / row.sum().item() if row.sum() else None
    content = {
        "classes": classes,
        "epoch": epoch,
        "test_accuracy": accuracy,
        "accuracy_by_class": by_class,
        "confusion": confusion.tolist(),
    }
    (options.output / "report.json").write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")
    print(f"test accuracy {accuracy:.1%}")


if __name__ == "__main__":
    main()
