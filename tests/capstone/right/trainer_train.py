"""Train on a folder of pictures: a Dataset that reads lazily, transforms, and a Trainer that owns all of the state."""

import argparse
import json
import sys
from pathlib import Path

import pandas as pd
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

SIZE = 32
TO_TENSOR = v2.Compose([v2.ToImage(), v2.Resize((SIZE, SIZE), antialias=True), v2.ToDtype(torch.float32, scale=True)])


def load_image(path):
    with Image.open(path) as image:
        return image.convert("RGB")


class Signs(Dataset):
    def __init__(self, table, folder, classes, transform=None):
        self.labels = torch.tensor([classes.index(name) for name in table["class"]])
        self.images = [TO_TENSOR(load_image(folder / file)) for file in table["file"]]
        self.transform = transform

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        image = self.images[index]
        return (self.transform(image) if self.transform else image), self.labels[index]


class Network(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 24, 3, padding=1)
        self.norm1 = nn.BatchNorm2d(24)
        self.conv2 = nn.Conv2d(24, 48, 3, padding=1)
        self.norm2 = nn.BatchNorm2d(48)
        self.conv3 = nn.Conv2d(48, 64, 3, padding=1)
        self.norm3 = nn.BatchNorm2d(64)
        self.dropout = nn.Dropout(0.1)
        self.output = nn.Linear(64 * 16, classes)

    def forward(self, x):
        x = (x - 0.5) / 0.25
        x = F.max_pool2d(F.relu(self.norm1(self.conv1(x))), 2)
        x = F.max_pool2d(F.relu(self.norm2(self.conv2(x))), 2)
        x = F.max_pool2d(F.relu(self.norm3(self.conv3(x))), 2)
        return self.output(self.dropout(x.flatten(1)))


def whole(table, folder):
    """Return the rows whose pictures can be read; the others are named."""
    keep = []
    for file in table["file"]:
        try:
            load_image(folder / file)
            keep.append(True)
        except OSError as error:
            print(f"skipping {file}: {error}", file=sys.stderr)
            keep.append(False)
    return table[keep].reset_index(drop=True)


def split(table, seed):
    objects = table.drop_duplicates("object").sample(frac=1, random_state=seed)
    rank = objects.groupby("class").cumcount()
    size = objects.groupby("class")["object"].transform("size")
    val = set(objects[(rank < (size * 0.2).clip(lower=1)) & (size > 1)]["object"])
    return table["object"].isin(val)


class Trainer:
    def __init__(self, options, classes):
        self.output, self.classes = options.output, classes
        self.model = Network(len(classes))
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=2e-3, weight_decay=0.01)
        self.history, self.best = [], (0, -1.0)

    def save(self, name, content):
        torch.save(content, self.output / (name + ".tmp"))
        (self.output / (name + ".tmp")).replace(self.output / name)

    def state(self):
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "rng": torch.get_rng_state(),
            "history": self.history,
            "best": self.best,
        }

    def restore(self):
        state = torch.load(self.output / "last.pt", weights_only=True)
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.history, self.best = state["history"], tuple(state["best"])
        torch.set_rng_state(state["rng"])

    def train_epoch(self, dataloader):
        self.model.train()
        total = 0.0
        for images, labels in dataloader:
            loss = F.cross_entropy(self.model(images), labels)

            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            total += loss.item() * len(labels)
        return total / len(dataloader.dataset)

    @torch.no_grad()
    def measure(self, dataset):
        self.model.eval()
        logits = torch.cat([self.model(images) for images, _ in DataLoader(dataset, 50)])
        predicted = logits.argmax(dim=1)
        return (
            F.cross_entropy(logits, dataset.labels).item(),
            (predicted == dataset.labels).double().mean().item(),
            predicted,
        )

    def fit(self, train, val, epochs):
        dataloader = DataLoader(train, 16, shuffle=True)
        for epoch in range(len(self.history) + 1, epochs + 1):
            train_loss = self.train_epoch(dataloader)
            val_loss, val_accuracy, _ = self.measure(val)
            row = {"epoch": epoch, "train_loss": train_loss, "val_loss": val_loss, "val_accuracy": val_accuracy}
            self.history.append(row)
            if val_accuracy > self.best[1]:
                self.best = (epoch, val_accuracy)
                self.save("model.pt", {"weights": self.model.state_dict(), "names": self.classes})
            self.save("last.pt", self.state())
            pd.DataFrame(self.history).to_csv(self.output / "metrics.csv", index=False)

    def test(self, dataset):
        self.model.load_state_dict(torch.load(self.output / "model.pt", weights_only=True)["weights"])
        _, accuracy, predicted = self.measure(dataset)
        k = len(self.classes)
        confusion = torch.bincount(dataset.labels * k + predicted, minlength=k * k).reshape(k, k)
        shares = confusion.diag() / confusion.sum(dim=1)
        by_class = {n: None if s.isnan() else s.item() for n, s in zip(self.classes, shares)}
        report = {"classes": self.classes, "epoch": self.best[0], "test_accuracy": accuracy}
        report |= {"accuracy_by_class": by_class, "confusion": confusion.tolist()}
        (self.output / "report.json").write_text(json.dumps(report))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--resume", action="store_true")
    options = parser.parse_args()
    options.output.mkdir(exist_ok=True, parents=True)
    torch.manual_seed(options.seed)

    table = whole(pd.read_csv(options.data / "train.csv"), options.data)
    classes = sorted(table["class"].unique().tolist())
    val = split(table, options.seed)
    parts = table[["file"]].assign(part=val.map({True: "val", False: "train"}))
    parts.to_csv(options.output / "split.csv", index=False)
    vary = v2.Compose([v2.RandomAffine(0, translate=(0.08, 0.08)), v2.ColorJitter(brightness=0.3)])
    trainer = Trainer(options, classes)
    if options.resume and (options.output / "last.pt").exists():
        trainer.restore()
    train_data = Signs(table[~val], options.data, classes, vary)
    trainer.fit(train_data, Signs(table[val], options.data, classes), options.epochs)
    trainer.test(Signs(whole(pd.read_csv(options.data / "test.csv"), options.data), options.data, classes))


if __name__ == "__main__":
    main()
