"""The work that every side does: the tasks, their data, their models, and what plain PyTorch does with them.

    python work.py lr-mnist task-a        prepare the data of these tasks, so that no side is timed doing it

The prepared arrays are .npy files that a side maps: processes of one side share them, as threads would.
"""

import dataclasses
import functools
import gzip
import json
import lzma
import os
import pathlib
import sys
from typing import Callable

import numpy as np
import torch
from torch import nn

PREPARED = pathlib.Path(__file__).resolve().parents[3] / "build" / "peers-data"
EVALUATION_BATCH = 500      # fits a core's cache; the accuracy is the same for every batch


class LogisticRegression(nn.Module):
    """FLUTE's LR-MNIST: a sigmoid on the outputs and a softmax on top of it, as published. 7,850 parameters."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(784, 10)

    def forward(self, x):
        return torch.sigmoid(self.linear(x))


class PflCnn(nn.Module):
    """pfl-research's CIFAR-10 network, Glorot-initialised: 1,626,442 parameters."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 32, 3), nn.ReLU(),
            nn.Conv2d(32, 64, 3), nn.ReLU(),
            nn.MaxPool2d(2), nn.Dropout(0.25), nn.Flatten(),
            nn.Linear(64 * 14 * 14, 128), nn.ReLU(), nn.Dropout(0.5),
            nn.Linear(128, 10))
        for layer in self.layers:
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)

    def forward(self, x):
        return self.layers(x)


@dataclasses.dataclass(frozen=True)
class Task:
    name: str
    devices: int
    samples: int                # of each device
    cohort: int                 # devices a round
    rounds: int
    batch: int
    learning_rate: float
    evaluate_every: int         # rounds
    model: Callable
    read: Callable              # "train" or "test" -> (images float32, labels int64)

    def evaluates_after(self, round_number):
        """Rounds count from 1; the last one is always looked at."""
        return round_number % self.evaluate_every == 0 or round_number == self.rounds


def dataset(*parts):
    if "MUSTER_DATA" not in os.environ:
        sys.exit("peers: set MUSTER_DATA to the folder that holds mnist/ and cifar10/")
    path = pathlib.Path(os.environ["MUSTER_DATA"], *parts)
    if not path.exists():
        sys.exit(f"peers: {path} is missing (MUSTER_DATA is {os.environ['MUSTER_DATA']})")
    return path


def read_mnist(part):
    prefix = {"train": "train", "test": "t10k"}[part]
    with gzip.open(dataset("mnist", f"{prefix}-images-idx3-ubyte.gz")) as file:
        pixels = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 784)
    with gzip.open(dataset("mnist", f"{prefix}-labels-idx1-ubyte.gz")) as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8)
    return (pixels.astype(np.float32) / 255 - 0.1307) / 0.3081, labels.astype(np.int64)


def read_cifar10(part):
    name = {"train": "train_first25000.bin.xz", "test": "test_batch.bin.xz"}[part]
    with lzma.open(dataset("cifar10", name)) as file:
        rows = np.frombuffer(file.read(), np.uint8).reshape(-1, 3073)
    pixels = rows[:, 1:].reshape(-1, 3, 32, 32).astype(np.float32) / 255
    mean = np.array([0.4922, 0.4824, 0.4463], np.float32).reshape(1, 3, 1, 1)       # of the 25,000 rows
    sd = np.array([0.2475, 0.2441, 0.2620], np.float32).reshape(1, 3, 1, 1)
    return (pixels - mean) / sd, rows[:, 0].astype(np.int64)


TASKS = {task.name: task for task in (
    Task("lr-mnist", devices=1000, samples=60, cohort=10, rounds=100, batch=10, learning_rate=0.03,
         evaluate_every=20, model=LogisticRegression, read=read_mnist),
    Task("task-a", devices=500, samples=50, cohort=50, rounds=20, batch=10, learning_rate=0.1,
         evaluate_every=10, model=PflCnn, read=read_cifar10),
)}


def prepare(task):
    """Read, standardise and split the data evenly at random: train arrays are [device, sample, ...]."""
    folder = PREPARED / task.name
    if (folder / "done").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    images, labels = task.read("train")
    order = np.random.default_rng(1).permutation(len(labels))[:task.devices * task.samples]
    split = (task.devices, task.samples)
    np.save(folder / "train_images.npy", images[order].reshape(*split, *images.shape[1:]))
    np.save(folder / "train_labels.npy", labels[order].reshape(split))
    images, labels = task.read("test")
    np.save(folder / "test_images.npy", images)
    np.save(folder / "test_labels.npy", labels)
    (folder / "done").touch()


@functools.lru_cache
def load(task_name):
    """(train images, train labels, test images, test labels), mapped from what `prepare` wrote."""
    prepare(TASKS[task_name])
    names = ("train_images", "train_labels", "test_images", "test_labels")
    return tuple(torch.from_numpy(np.load(PREPARED / task_name / f"{name}.npy", mmap_mode="c")) for name in names)


@functools.lru_cache
def model(task_name):
    """This process's one model of the task, whose weights come and go."""
    torch.set_num_threads(1)
    task = TASKS[task_name]
    images, labels, _, _ = load(task_name)
    # The first optimiser of a process imports half of PyTorch, seconds that belong to the start-up.
    train(task.model(), images[0][:task.batch], labels[0][:task.batch], task)
    return task.model()


def train(network, images, labels, task):
    """One device's visit: one epoch of SGD in an order drawn anew."""
    network.train()
    optimiser = torch.optim.SGD(network.parameters(), lr=task.learning_rate)
    order = torch.randperm(len(labels))
    for x, y in zip(images[order].split(task.batch), labels[order].split(task.batch)):
        optimiser.zero_grad()
        nn.functional.cross_entropy(network(x), y).backward()
        optimiser.step()


@torch.no_grad()
def count_right(network, images, labels):
    network.eval()
    batches = zip(images.split(EVALUATION_BATCH), labels.split(EVALUATION_BATCH))
    return sum((network(x).argmax(1) == y).sum().item() for x, y in batches)


def arguments():
    """What `compare` tells a side: (task, workers, seed)."""
    if len(sys.argv) != 5 or sys.argv[1] not in TASKS:
        sys.exit(f"usage: {sys.argv[0]} {'|'.join(TASKS)} ROUNDS WORKERS SEED")
    rounds, workers, seed = map(int, sys.argv[2:])
    return dataclasses.replace(TASKS[sys.argv[1]], rounds=rounds), workers, seed


def report(task, workers, wall_time_s, accuracy):
    """A side's last line: the simulation alone, without start-up and without preparing data."""
    print(json.dumps({"task": task.name, "wall_time_s": wall_time_s, "final_accuracy": accuracy,
                      "rounds": task.rounds, "workers": workers}), flush=True)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        if name not in TASKS:
            sys.exit(f"peers: no task '{name}'; there are {', '.join(TASKS)}")
        prepare(TASKS[name])
