#!/usr/bin/env python3
"""A federation on Fashion-MNIST in plain PyTorch: the yardstick for Muster's own.

FedAvg (McMahan et al. 2017, arXiv:1602.05629): 100 devices, 10 a round, one local epoch of SGD, the mean of their
weights weighted by their numbers of examples. It shares no line with Muster, so that a mistake is not made twice.

    MUSTER_DATA=... python tests/reference/federation.py --distribution iid dirichlet:0.1 --seeds 1 2 3 \\
        --out tests/reference/federation_fashion_mnist.json

With --partition, --cohorts and --weights it repeats one federation of Muster's: the same examples on the same devices,
the same devices in each round, the same first weights; only the order of the examples within a device is its own. Under dirichlet:0.1 that is the way to compare: the
accuracy of one round there depends on who took part (seed 1 has 0.8441 after round 49 and 0.7567 after round 50), so the
figures hold the mean of the last ten rounds too.
"""

import argparse
import gzip
import json
import os
import pathlib
import sys
import time

import numpy as np
import torch
from torch import nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

PIXEL_MEAN, PIXEL_SD = 0.2860, 0.3530       # of pixel/255 over the training images
CLASSES = 10
PARTITION, COHORTS, ORDER = 1, 2, 3         # what a random stream is for


class FedAvgCnn(nn.Module):
    """The CNN of McMahan et al.: 1,663,370 parameters."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 5, padding=2)
        self.conv2 = nn.Conv2d(32, 64, 5, padding=2)
        self.fc1 = nn.Linear(64 * 7 * 7, 512)
        self.fc2 = nn.Linear(512, CLASSES)
        self.pool = nn.MaxPool2d(2)

    def forward(self, x):
        x = self.pool(torch.relu(self.conv1(x)))
        x = self.pool(torch.relu(self.conv2(x)))
        return self.fc2(torch.relu(self.fc1(x.flatten(1))))


def read_idx(path):
    with gzip.open(path) as file:
        content = file.read()
    dimensions = content[3]
    shape = np.frombuffer(content, ">u4", dimensions, 4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(shape)


def load(part):
    if "MUSTER_DATA" not in os.environ:
        sys.exit("federation: set MUSTER_DATA to the folder that holds fashion-mnist/")
    folder = pathlib.Path(os.environ["MUSTER_DATA"]) / "fashion-mnist"
    images = read_idx(folder / f"{part}-images-idx3-ubyte.gz").astype(np.float32) / 255
    labels = read_idx(folder / f"{part}-labels-idx1-ubyte.gz").astype(np.int64)
    images = (images - PIXEL_MEAN) / PIXEL_SD
    return torch.from_numpy(images)[:, None], torch.from_numpy(labels)


def stream(seed, *key):
    return np.random.default_rng([seed, *key])


def partition(labels, device_count, distribution, seed):
    """The examples of each device, as a list of index arrays."""
    random = stream(seed, PARTITION)
    if distribution == "iid":
        return np.array_split(random.permutation(len(labels)), device_count)
    if not distribution.startswith("dirichlet:"):
        sys.exit(f"federation: distribution '{distribution}': expected iid or dirichlet:ALPHA")
    alpha = float(distribution.removeprefix("dirichlet:"))
    devices = []
    while not devices or min(map(len, devices)) == 0:      # a thin draw can leave a device with nothing: draw again
        devices = [[] for _ in range(device_count)]
        for label in range(CLASSES):
            examples = random.permutation(np.flatnonzero(labels == label))
            shares = random.dirichlet(np.full(device_count, alpha))
            cuts = (np.cumsum(shares)[:-1] * len(examples)).astype(int)
            for device, piece in zip(devices, np.split(examples, cuts)):
                device.extend(piece)
    return [np.array(device, dtype=np.int64) for device in devices]


def read_safetensors(path):
    """Tensors by name; all of them 32-bit floats, as a model's weights are."""
    content = pathlib.Path(path).read_bytes()
    header_bytes = int.from_bytes(content[:8], "little")
    header = json.loads(content[8:8 + header_bytes])
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        if entry["dtype"] != "F32":
            sys.exit(f"federation: {path}: {name} is {entry['dtype']}, expected F32")
        begin, end = (8 + header_bytes + offset for offset in entry["data_offsets"])
        values = np.frombuffer(content[begin:end], "<f4").reshape(entry["shape"])
        tensors[name] = torch.from_numpy(values.copy())
    return tensors


def train(model, images, labels, order, options):
    """One device's visit: plain SGD over its examples in the given orders, the last batch as short as it comes."""
    optimiser = torch.optim.SGD(model.parameters(), lr=options.learning_rate)
    for epoch in order:
        for begin in range(0, len(epoch), options.batch):
            rows = torch.from_numpy(epoch[begin:begin + options.batch])
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(images[rows]), labels[rows]).backward()
            optimiser.step()


@torch.no_grad()
def accuracy(model, images, labels):
    right = sum((model(x).argmax(1) == y).sum().item() for x, y in zip(images.split(250), labels.split(250)))
    return right / len(labels)


def federation(distribution, seed, data, options):
    """Run one; returns its figures."""
    (images, labels), test = data
    if options.partition:
        devices = json.loads(pathlib.Path(options.partition).read_text())["devices"]
        devices = [np.array(device, dtype=np.int64) for device in devices]
        distribution = f"from {pathlib.Path(options.partition).name}"
    else:
        devices = partition(labels.numpy(), options.devices, distribution, seed)
    if options.cohorts:
        cohorts = json.loads(pathlib.Path(options.cohorts).read_text())["cohorts"][:options.rounds]
    else:
        random = stream(seed, COHORTS)
        cohorts = [random.choice(len(devices), options.cohort, replace=False) for _ in range(options.rounds)]

    torch.manual_seed(seed)
    model = FedAvgCnn()
    if options.weights:
        model.load_state_dict(read_safetensors(options.weights))

    weights = parameters_to_vector(model.parameters()).detach().clone()
    accuracies = []
    begin_s = time.process_time()
    for round_number, cohort in enumerate(cohorts, 1):
        total, mean = 0, torch.zeros_like(weights)
        for device in map(int, cohort):
            examples = devices[device]
            if len(examples) == 0:      # a partition from outside may have such devices: they have no say
                continue
            random = stream(seed, ORDER, round_number, device)
            vector_to_parameters(weights.clone(), model.parameters())
            train(model, images, labels, [random.permutation(examples) for _ in range(options.epochs)], options)
            total += len(examples)
            mean += (parameters_to_vector(model.parameters()).detach() - mean) * (len(examples) / total)
        if total:
            weights = mean
        vector_to_parameters(weights.clone(), model.parameters())
        accuracies.append(round(accuracy(model, *test), 4))
        print(f"{distribution} seed {seed} round {round_number}/{len(cohorts)}: accuracy {accuracies[-1]:.4f} "
              f"({time.process_time() - begin_s:.0f} s of CPU)", flush=True)
    return {
        "distribution": distribution,
        "seed": seed,
        "examples_smallest_device": min(map(len, devices)),
        "examples_largest_device": max(map(len, devices)),
        "final_accuracy": accuracies[-1],
        "mean_accuracy_last_10_rounds": round(float(np.mean(accuracies[-10:])), 4),
        "best_accuracy": max(accuracies),
        "cpu_time_s": round(time.process_time() - begin_s, 1),
        "accuracy_by_round": accuracies,
    }


def figures_of(runs, options):
    return {
        "what": "FedAvg on Fashion-MNIST, fedavg-cnn, in plain PyTorch",
        "command": "python tests/reference/federation.py " + " ".join(sys.argv[1:]),
        "torch": torch.__version__,
        "settings": {name: getattr(options, name) for name in
                     ("devices", "cohort", "rounds", "epochs", "batch", "learning_rate", "threads")},
        "runs": runs,
    }


def read_runs(path, options):
    """The runs that a disturbed call of the same command has left, so that it goes on where it was."""
    if not pathlib.Path(path).exists():
        return []
    figures = json.loads(pathlib.Path(path).read_text())
    return figures["runs"] if dict(figures, runs=[]) == figures_of([], options) else []


def write_figures(path, runs, options):
    text = json.dumps(figures_of(runs, options), indent=1)
    # One line for a run's curve: fifty lines of one number each help nobody.
    head, *curves = text.split('"accuracy_by_round": [')
    for curve in curves:
        numbers, rest = curve.split("]", 1)
        head += '"accuracy_by_round": [' + " ".join(numbers.split()) + "]" + rest
    pathlib.Path(path).write_text(head + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--distribution", nargs="+", default=["iid"], metavar="iid|dirichlet:ALPHA")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1])
    parser.add_argument("--partition", help='JSON: {"devices": [[example, ...], ...]}')
    parser.add_argument("--cohorts", help='JSON: {"cohorts": [[device, ...], ...]}, one list a round')
    parser.add_argument("--weights", help="safetensors file with the first weights (conv1.weight, ..., fc2.bias)")
    parser.add_argument("--devices", type=int, default=100)
    parser.add_argument("--cohort", type=int, default=10, help="devices a round")
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--epochs", type=int, default=1, help="local epochs")
    parser.add_argument("--batch", type=int, default=10)
    parser.add_argument("--learning-rate", type=float, default=0.05)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", help="write the figures here after every run; runs of the same command that are there are kept")
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    data = load("train"), load("t10k")
    runs = read_runs(options.out, options) if options.out else []
    done = [(run["distribution"], run["seed"]) for run in runs]
    for seed in options.seeds:
        for distribution in options.distribution:
            if (distribution, seed) in done:
                continue
            runs.append(federation(distribution, seed, data, options))
            if options.out:
                write_figures(options.out, runs, options)


if __name__ == "__main__":
    main()
