"""Train on a folder of pictures with Lightning, which has the loop and the checkpoints."""

import argparse
import csv
import json
import logging
import os
import sys
import warnings
from pathlib import Path

import pytorch_lightning as pl
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

    warnings.filterwarnings("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    pl.seed_everything(options.seed, verbose=False)
    train_data = TensorDataset(images[~validates], labels[~validates])
    val_data = TensorDataset(images[validates], labels[validates])
    module = Module(len(classes), options.output, {"classes": classes, "mean": mean, "std": std})
    loaders = DataLoader(train_data, batch_size=16, shuffle=True), DataLoader(val_data, batch_size=64)
    silent = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = pl.Trainer(
        max_epochs=options.epochs,
        accelerator="cpu",
        devices=1,
        enable_checkpointing=False,
        num_sanity_val_steps=0,
        **silent,
    )
    last = options.output / "last.ckpt"
    trainer.fit(module, *loaders, ckpt_path=last if options.resume and last.exists() else None, weights_only=False)

    best = torch.load(options.output / "best.pt", weights_only=True)
    module.network.load_state_dict(best["model"])
    save({"model": best["model"], "classes": classes, "mean": mean, "std": std}, options.output / "model.pt")
    report(options, module.network, classes, mean, std, best["epoch"])


class Module(pl.LightningModule):
    def __init__(self, classes, output, content):
        super().__init__()
        self.network, self.output, self.content = build(classes), output, content
        self.rows, self.lowest, self.parts, self.val = [], float("inf"), [], []
        self.random_state = None

    def training_step(self, batch, index):
        images, labels = batch
        loss = nn.functional.cross_entropy(self.network(augment(images)), labels)
        self.parts.append(loss.item() * len(labels))
        return loss

    def validation_step(self, batch, index):
        images, labels = batch
        logits = self.network(images)
        loss = nn.functional.cross_entropy(logits, labels, reduction="sum").item()
        self.val.append([loss, (logits.argmax(dim=1) == labels).sum().item(), len(labels)])

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=2e-3)

    def on_train_epoch_end(self):
        loss, right, count = map(sum, zip(*self.val))
        size = len(self.trainer.train_dataloader.dataset)
        epoch = self.current_epoch + 1
        self.rows.append([epoch, sum(self.parts) / size, loss / count, right / count])
        self.parts, self.val = [], []
        write_csv(self.output / "metrics.csv", COLUMNS, self.rows)
        if loss < self.lowest:
            self.lowest = loss
            save({"model": self.network.state_dict(), "epoch": epoch}, self.output / "best.pt")
        self.trainer.save_checkpoint(self.output / "last.new")
        os.replace(self.output / "last.new", self.output / "last.ckpt")

    def on_save_checkpoint(self, checkpoint):
        checkpoint["own"] = [self.rows, self.lowest, torch.get_rng_state()]

    def on_load_checkpoint(self, checkpoint):
        self.rows, self.lowest, self.random_state = checkpoint["own"]

    def on_train_epoch_start(self):
        if self.random_state is not None:
            torch.set_rng_state(self.random_state)
            self.random_state = None


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
