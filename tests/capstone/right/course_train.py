"""Train on a folder of pictures with what the course's package has."""

import argparse
import json
import sys
from collections import defaultdict
from pathlib import Path

import pandas as pd
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from tutorial_utils.checkpoints import load_checkpoint, save_checkpoint, write_atomically
from tutorial_utils.loops import test_loop, train_loop
from tutorial_utils.models import SmallResNet
from tutorial_utils.predict import Classifier, load_classifier, save_classifier
from tutorial_utils.storage.pictures import PictureError, Preparation, read_picture

SIZE = 32


def read(folder, part):
    table, images, keep = pd.read_csv(folder / f"{part}.csv"), [], []
    for file in table["file"]:
        try:
            images.append(read_picture(folder / file, SIZE))
            keep.append(True)
        except PictureError as error:
            print(error, file=sys.stderr)
            keep.append(False)
    return table[keep].reset_index(drop=True), torch.stack(images)


def share_out(table, seed):
    generator, chosen = torch.Generator().manual_seed(seed), set()
    objects = defaultdict(dict)
    for name, place in zip(table["class"], table["object"]):
        objects[name][place] = None
    for name in sorted(objects):
        places = sorted(objects[name])
        order = torch.randperm(len(places), generator=generator)
        chosen |= {places[i] for i in order[: max(1, len(places) // 6)]} if len(places) > 1 else set()
    return torch.tensor([place in chosen for place in table["object"]])


def write(path, text):
    with write_atomically(path) as file:
        file.write(text.encode())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--resume", action="store_true")
    options = parser.parse_args()
    output = options.output
    output.mkdir(parents=True, exist_ok=True)

    table, images = read(options.data, "train")
    classes = sorted(set(table["class"]))
    labels = torch.tensor([classes.index(name) for name in table["class"]])
    val = share_out(table, options.seed)
    table.assign(part=["val" if v else "train" for v in val])[["file", "part"]].to_csv(
        output / "split.csv", index=False
    )
    scaled = images[~val].float() / 255
    preparation = Preparation(3, SIZE, scaled.mean((0, 2, 3)).tolist(), scaled.std((0, 2, 3)).tolist())

    torch.manual_seed(options.seed)
    model, loss_fn = SmallResNet(channels=3, classes=len(classes)), nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    images = preparation.normalize(images)
    train_dataloader = DataLoader(TensorDataset(images[~val], labels[~val]), batch_size=16, shuffle=True)
    val_dataloader = DataLoader(TensorDataset(images[val], labels[val]), batch_size=100)

    columns, metrics = ["epoch", "train_loss", "val_loss", "val_accuracy"], []
    if options.resume and (output / "checkpoint.pt").exists():
        epochs = load_checkpoint(output / "checkpoint.pt", model, optimizer)
        metrics = json.loads((output / "metrics.json").read_text())[:epochs]
    for epoch in range(len(metrics) + 1, options.epochs + 1):
        train_loss = train_loop(train_dataloader, model, loss_fn, optimizer)
        val_loss, val_accuracy = test_loop(val_dataloader, model, loss_fn)
        metrics.append([epoch, float(train_loss), float(val_loss), float(val_accuracy)])
        if metrics[-1][2] <= min(row[2] for row in metrics):
            arguments = {"channels": 3, "classes": len(classes)}
            save_classifier(output / "model.pt", Classifier("SmallResNet", arguments, model, classes, preparation))
        write(output / "metrics.json", json.dumps(metrics))
        save_checkpoint(output / "checkpoint.pt", model, optimizer, epoch)
        write(output / "metrics.csv", pd.DataFrame(metrics, columns=columns).to_csv(index=False))

    report(options, load_classifier(output / "model.pt"), min(metrics, key=lambda row: row[2])[0])


def report(options, classifier, epoch):
    table, images = read(options.data, "test")
    with torch.no_grad():
        predictions = classifier.model(classifier.preparation.normalize(images)).argmax(dim=1).tolist()
    names = list(classifier.classes)
    confusion = [[0] * len(names) for _ in names]
    for name, prediction in zip(table["class"], predictions):
        confusion[names.index(name)][prediction] += 1
    right = [row[k] for k, row in enumerate(confusion)]
    content = {
        "classes": names,
        "epoch": epoch,
        "test_accuracy": sum(right) / len(table),
        "accuracy_by_class": {n: r / sum(row) if sum(row) else None for n, r, row in zip(names, right, confusion)},
        "confusion": confusion,
    }
    write(options.output / "report.json", json.dumps(content, indent=1))


if __name__ == "__main__":
    main()
