"""Hints for each stage, from gentle to telling; they name the notebook and its section."""

import json
from pathlib import Path

from tutorial_utils.exercises.record import record_file
from tutorial_utils.storage.files import write_atomically

HINTS: dict[str, tuple[str, ...]] = {
    "runs": (
        "Begin with the command line alone: print what argparse has read. Then read train.csv and print how many rows.",
        "The parts of a script are those of notebook 00, from “Data” to “Five epochs”, in one function each.",
        "parser.add_argument('--data', type=Path), '--output', '--epochs' and '--seed' with type=int, and '--resume' "
        "with action='store_true'. options.output.mkdir(parents=True, exist_ok=True).",
    ),
    "files": (
        "Write the simplest file first: split.csv. Open it with newline='' and csv.writer.",
        "The brief shows an example of each file. The state dict is in 07, “A state dict: names and tensors”.",
        "json.dumps writes report.json. A tensor is no number for it: .item() and .tolist() make plain Python of one.",
    ),
    "safe": (
        "What does weights_only=True allow in a file? 07, “A file can run code”.",
        "Tensors, numbers, strings, lists, dictionaries. No model object, no Path, no NumPy array.",
        "torch.save({'model': model.state_dict(), 'classes': classes, 'mean': mean.tolist()}, path)",
    ),
    "predicts": (
        "predict.py gets the model file, then the pictures: sys.argv[1] and sys.argv[2:]. 00, “Use it on one image”.",
        "Build the network with the number of classes from the file, load the state dict, model.eval(), softmax.",
        "print(path, classes[place], f'{probability:.4f}', sep='\\t'). The function that builds the network can be "
        "imported from train, if train.py ends in if __name__ == '__main__': main().",
    ),
    "damaged": (
        "Which line raises the error? Only that one belongs inside try, in both scripts.",
        "except Exception as error: print(f'{path}: {error}', file=sys.stderr), then continue with the next picture.",
        "Image.open reads the header alone; the error may come later. Convert and resize inside of try.",
    ),
    "learns": (
        "Print the shape, the mean and the deviation of one batch, and look at eight pictures with their labels.",
        "Convolutions (04, “ConvNet”), normalisation (03, “Normalize”), a learning rate that is neither too small nor "
        "too large (06, “Epochs, batch size, learning rate”). A mirrored arrow is another class: 03, “Augmentation”.",
        "32 × 32 pixels; three times Conv2d, BatchNorm2d, ReLU, MaxPool2d, with 16, 32, 64 channels; Linear. Adam with "
        "lr=3e-3, batches of 16; shift the pictures a little, and change their brightness.",
    ),
    "groups": (
        "Why are two photographs of one sign not two independent examples? 02, “Train, validation, test”.",
        "Choose objects for the validation part, then take all rows with such an object.",
        "For each class: objects = sorted({row['object'] for row in rows if row['class'] == name}); shuffle them with "
        "the seed; the first fifth, and at least one if there are two, validates.",
    ),
    "best": (
        "What does a variable hold after best = model.state_dict(), when training goes on? 07, “The old file or the "
        "new one”.",
        "Keep a copy of each tensor (clone), or write the file at once. The mode for validation is in 07, “The mode is "
        "not in the file”.",
        "if val_loss < best_loss: best = {name: value.clone() for name, value in model.state_dict().items()}; in the "
        "end model.load_state_dict(best), save, and test. No random transform on the validation part.",
    ),
    "report": (
        "Count by hand for ten pictures. 00, “Exercise: a mean per example” and “What the average hides”.",
        "Right ones in all batches, divided by the number of pictures; test the model that is saved.",
        "confusion[label, prediction] += 1 for each picture (06, “Where it is wrong”); accuracy_by_class is the "
        "diagonal divided by the sum of each row, and None where that sum is 0.",
    ),
    "same": (
        "Which layers behave otherwise in training? 04, “State: buffers, and two modes”.",
        "model.eval() after loading, and no random transform in predict.py.",
        "Each picture goes alone: image.unsqueeze(0), and softmax(dim=1), not over the batch.",
    ),
    "kinds": (
        "What is the shape of a grey picture, and of one with transparency? 03, “From a picture to a tensor”.",
        "Bring every picture to RGB and one size before it becomes a tensor, by one function that both scripts use.",
        "image.convert('RGB').resize((32, 32)): a tuple resizes both sides.",
    ),
    "seed": (
        "List all that is drawn by lot: the split, the first weights, the order, the transforms, dropout.",
        "torch.manual_seed(options.seed) before the model is built; sort what comes from a set.",
        "random.seed and numpy's generator too, if you use them; hash('text') is another number in each process.",
    ),
    "untouched": (
        "Where in train.py does test.csv occur? 02, “Why the test set is not the validation set”.",
        "Choose the epoch, stop and set the learning rate by the validation part; mean and deviation are those of the "
        "training part (03, “Normalize”).",
        "Read test.csv in the last function only, after the model is saved.",
    ),
    "order": (
        "How does a name become a number, in train.csv and in test.csv?",
        "classes = sorted({row['class'] for row in train_rows}), once; the same list for the test part.",
        "Shuffle the training part (DataLoader(shuffle=True)) and sort the objects before you share them out.",
    ),
    "renamed": (
        "Where does predict.py have the names from?",
        "They belong in model.pt, beside the state dict: the list, in the order of the numbers.",
        "content = torch.load(path, weights_only=True); content['classes'][place]",
    ),
    "odd": (
        "How many pictures has the last batch of an epoch? 02, “Exercise: how many batches”.",
        "squeeze() removes every dimension of size 1, the batch, too; BatchNorm1d needs two examples.",
        "squeeze(1) or flatten(1) instead of squeeze(); drop_last=True in training, or no BatchNorm1d.",
    ),
    "rare": (
        "Which of your divisions can be by 0?",
        "A class with one object trains or validates, it cannot do both; the test part may lack a class.",
        "None (in JSON null) for a class without test pictures; a list of length K, for all classes.",
    ),
    "resume": (
        "What would be other if you went on by hand? 07, “Stop, and go on as if nothing had happened”.",
        "The checkpoint, after each epoch: model, optimizer, scheduler, torch.get_rng_state(), the metrics, the best "
        "model so far and its epoch.",
        "Load it before the loop, and begin the loop at len(metrics) + 1. Restore the random numbers last. random and "
        "numpy have states of their own.",
    ),
    "saving": (
        "What is on the disk when the power fails in torch.save? 07, “Killed at any moment”.",
        "Write under another name, then give the file its name in one step.",
        "torch.save(content, 'checkpoint.pt.new'); os.replace('checkpoint.pt.new', 'checkpoint.pt')",
    ),
    "offline": (
        "Which call downloads something? Often it is weights=… of a model of torchvision.",
        "weights=None, or a file beside train.py: torch.load with weights_only=True.",
    ),
    "limits": (
        "Where does memory grow from step to step? 05, “Each forward pass builds a new graph”.",
        "total += loss.item(); read each picture once, as uint8, small.",
    ),
    "together": (
        "What is the same in both processes, and what differs? 06, “From notebook to script”.",
        "Where WORLD_SIZE is in os.environ: init_process_group('gloo'), DistributedSampler with set_epoch, "
        "DistributedDataParallel around the model.",
        "Rank 0 writes all files, and the others wait at dist.barrier(). Save model.module.state_dict().",
    ),
}


def next_hint(stage: str) -> str:
    """Return the next hint for a stage, and after the last one the last again; which were given is kept."""
    path = record_file().with_name("capstone-hints.json")
    given = read_given(path)
    place = min(given.get(stage, 0), len(HINTS[stage]) - 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_atomically(path) as file:
        file.write(json.dumps(given | {stage: place + 1}).encode())
    return f"Hint {place + 1} of {len(HINTS[stage])} for {stage}: {HINTS[stage][place]}"


def read_given(path: Path) -> dict[str, int]:
    """Return how many hints were given for each stage; nothing without a file that can be understood."""
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): int(count) for name, count in given.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}
