"""Say what the model of train.py sees in pictures: a line for each."""

import sys

import torch
from torchvision.transforms.v2 import functional
from train import build, read_picture


def main():
    model_file, *paths = sys.argv[1:]
    content = torch.load(model_file, weights_only=True, map_location="cpu")
    model = build(len(content["classes"]))
    model.load_state_dict(content["model"])
    model.eval()
    for path in paths:
        try:
            image = read_picture(path).float() / 255
        except Exception as error:
            print(f"{path} cannot be read: {error}", file=sys.stderr)
            continue
        image = functional.normalize(image, content["mean"].tolist(), content["std"].tolist())
        with torch.no_grad():
            probabilities = model(image.unsqueeze(0)).softmax(dim=1)[0]
        probability, place = probabilities.max(dim=0)
        print(path, content["classes"][place], f"{probability:.4f}", sep="\t")


if __name__ == "__main__":
    main()
