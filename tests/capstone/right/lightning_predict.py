"""Name what is on pictures, with the network that Lightning has trained."""

import sys

import torch
from train import build, read_picture

content = torch.load(sys.argv[1], weights_only=True)
model = build(len(content["classes"]))
model.load_state_dict(content["model"])
model.eval()
for path in sys.argv[2:]:
    try:
        image = (read_picture(path).float() / 255 - 0.45) / 0.25
    except Exception as error:
        print(f"{path} is left out: {error}", file=sys.stderr)
        continue
    with torch.no_grad():
        probability, place = model(image.unsqueeze(0)).softmax(dim=1)[0].max(dim=0)
    print(f"{path}\t{content['classes'][place]}\t{probability:.4f}")
