"""Train on a folder of pictures with Lightning, whose Trainer owns the loop and the checkpoint."""

import argparse
import json
import logging
import os
import sys
import warnings
from pathlib import Path

import pandas as pd
import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from PIL import Image
from pytorch_lightning.callbacks import ModelCheckpoint
from torch import nn
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset
from torchvision.transforms.v2 import functional

SIZE = 32


def read_picture(path):
    with Image.open(path) as image:
        return functional.pil_to_tensor(image.convert("RGB").resize((SIZE, SIZE)))


def read_table(folder, part):
    table, images = pd.read_csv(folder / f"{part}.csv"), {}
    for place, file in enumerate(table["file"]):
        try:
            images[place] = read_picture(folder / file)
        except Exception as error:
            print(f"{file} is left out: {error}", file=sys.stderr)
    return table.iloc[list(images)].reset_index(drop=True), torch.stack(list(images.values())).float() / 255


def choose_validation(table, seed):
    objects = table.drop_duplicates("object").sample(frac=1, random_state=seed)
    rank, size = objects.groupby("class").cumcount(), objects.groupby("class")["object"].transform("size")
    return table["object"].isin(objects["object"][(rank < (size // 5).clip(lower=1)) & (size > 1)])


def build(classes):
    layers, inputs = [], 3
    for outputs in (16, 32, 64):
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU(), nn.MaxPool2d(2)]
        inputs = outputs
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * 16, classes))


class Signs(pl.LightningModule):
    def __init__(self, classes, options):
        super().__init__()
        self.model, self.options = build(classes), options
        self.rows, self.best = [], None

    def forward(self, x):
        return self.model((x - 0.45) / 0.25)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=2e-3)

    def on_train_epoch_start(self):
        self.dice = torch.Generator().manual_seed(1000 * self.options.seed + self.current_epoch)
        self.losses, self.logits = [], []

    def training_step(self, batch, step):
        images, labels = batch
        down, right = torch.randint(-3, 4, (2,), generator=self.dice).tolist()
        light = torch.empty(len(images), 1, 1, 1).uniform_(0.7, 1.3, generator=self.dice)
        loss = F.cross_entropy(self(images.roll((down, right), (2, 3)) * light), labels)
        self.losses.append((loss.detach() * len(labels), len(labels)))
        return loss

    def validation_step(self, batch, step):
        self.logits.append((self(batch[0]), batch[1]))

    def on_train_epoch_end(self):
        logits, labels = (torch.cat(parts) for parts in zip(*self.logits))
        total, count = (sum(numbers) for numbers in zip(*self.losses))
        val_loss, right = F.cross_entropy(logits, labels).item(), (logits.argmax(dim=1) == labels).sum().item()
        self.rows.append([self.current_epoch + 1, total.item() / count, val_loss, right / len(labels)])
        if self.best is None or val_loss < self.best["val_loss"]:
            state = {name: value.clone() for name, value in self.model.state_dict().items()}
            self.best = {"epoch": self.current_epoch + 1, "val_loss": val_loss, "model": state}
        table = pd.DataFrame(self.rows, columns=["epoch", "train_loss", "val_loss", "val_accuracy"])
        table.to_csv(self.options.output / "metrics.csv", index=False)

    def on_save_checkpoint(self, checkpoint):
        checkpoint["progress"] = {"rows": self.rows, "best": self.best}

    def on_load_checkpoint(self, checkpoint):
        self.rows, self.best = checkpoint["progress"]["rows"], checkpoint["progress"]["best"]


def save(content, path):
    torch.save(content, f"{path}.new")
    os.replace(f"{path}.new", path)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--resume", action="store_true")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    pl.seed_everything(options.seed)

    table, images = read_table(options.data, "train")
    classes = sorted(table["class"].unique())
    labels = torch.tensor([classes.index(name) for name in table["class"]])
    val = choose_validation(table, options.seed)
    parts = table[["file"]].assign(part=val.map({True: "val", False: "train"}))
    parts.to_csv(options.output / "split.csv", index=False)
    chosen = torch.tensor(val.to_numpy())
    train_data = TensorDataset(images[~chosen], labels[~chosen])
    sampler = DistributedSampler(train_data, 1, 0, seed=options.seed)  # Lightning tells it the epoch
    train_dataloader = DataLoader(train_data, 16, sampler=sampler)
    val_dataloader = DataLoader(TensorDataset(images[chosen], labels[chosen]), 64)

    signs = Signs(len(classes), options)
    checkpoint = options.output / "checkpoint.ckpt"
    keep = ModelCheckpoint(options.output, "checkpoint", save_on_train_epoch_end=True, enable_version_counter=False)
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=options.epochs,
        callbacks=[keep],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
    )
    resumed = checkpoint if options.resume and checkpoint.exists() else None
    trainer.fit(signs, train_dataloader, val_dataloader, ckpt_path=resumed)

    best = signs.best
    save({"model": best["model"], "classes": classes}, options.output / "model.pt")
    signs.model.load_state_dict(best["model"])
    report(options, signs.eval(), classes, best["epoch"])


def report(options, signs, classes, epoch):
    table, images = read_table(options.data, "test")
    with torch.no_grad():
        predictions = signs(images).argmax(dim=1).tolist()
    confusion = [[0] * len(classes) for _ in classes]
    for name, prediction in zip(table["class"], predictions):
        confusion[classes.index(name)][prediction] += 1
    right = [row[k] for k, row in enumerate(confusion)]
    content = {"classes": classes, "epoch": epoch, "test_accuracy": sum(right) / len(table), "confusion": confusion}
    shares = {name: k / sum(row) if sum(row) else None for name, k, row in zip(classes, right, confusion)}
    (options.output / "report.json").write_text(json.dumps(content | {"accuracy_by_class": shares}))


if __name__ == "__main__":
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")
    main()
