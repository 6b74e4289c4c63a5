"""Names for pictures, by the model of train.py; all in one batch."""

import argparse
import sys

import torch
from train import TO_TENSOR, Network, load_image

parser = argparse.ArgumentParser()
parser.add_argument("model")
parser.add_argument("images", nargs="+")
options = parser.parse_args()

saved = torch.load(options.model, weights_only=True)
model = Network(len(saved["names"]))
model.load_state_dict(saved["weights"])
model.eval()

paths, images, failed = [], [], False
for path in options.images:
    try:
        images.append(TO_TENSOR(load_image(path)))
        paths.append(path)
    except OSError as error:
        print(f"{path}: {error}", file=sys.stderr)
        failed = True
if images:
    with torch.inference_mode():
        shares, places = model(torch.stack(images)).softmax(dim=1).max(dim=1)
    for path, share, place in zip(paths, shares.tolist(), places.tolist()):
        print(f"{path}\t{saved['names'][place]}\t{share:.6f}")
sys.exit(failed)
