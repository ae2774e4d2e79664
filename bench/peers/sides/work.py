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


class LeNet(nn.Module):
    """The network of PyTorch's tutorial, which BlazeFL takes: 62,006 parameters."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 6, 5), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
            nn.Linear(16 * 5 * 5, 120), nn.ReLU(),
            nn.Linear(120, 84), nn.ReLU(),
            nn.Linear(84, 10))

    def forward(self, x):
        return self.layers(x)


class FemnistCnn(nn.Module):
    """FLUTE's CNN_DropOut: 1,206,590 parameters."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 32, 3), nn.ReLU(),
            nn.Conv2d(32, 64, 3), nn.ReLU(),
            nn.MaxPool2d(2), nn.Dropout(0.25), nn.Flatten(),
            nn.Linear(64 * 12 * 12, 128), nn.ReLU(), nn.Dropout(0.5),
            nn.Linear(128, 62))

    def forward(self, x):
        return self.layers(x)


@dataclasses.dataclass(frozen=True)
class Task:
    name: str
    devices: int
    cohort: int                 # devices a round
    rounds: int
    batch: int
    learning_rate: float
    evaluate_every: int         # rounds
    model: Callable
    read: Callable              # "train" or "test" -> (images float32, labels int64)
    deal: Callable              # (task, train labels, random) -> the examples' numbers of each device
    local_epochs: int = 1

    def evaluates_after(self, round_number):
        """Rounds count from 1; the last one is always looked at."""
        return round_number % self.evaluate_every == 0 or round_number == self.rounds


def dataset(*parts):
    if "MUSTER_DATA" not in os.environ:
        sys.exit("peers: set MUSTER_DATA to the folder that holds mnist/, cifar10/ and femnist/")
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


def femnist_rows(part):
    """A fifth of the 1,761 rows are the test: LEAF's own is not at hand."""
    order = np.random.default_rng(1).permutation(len(np.load(dataset("femnist", "y.npy"))))
    test_count = len(order) // 5
    return np.sort(order[:test_count] if part == "test" else order[test_count:])


def read_femnist(part):
    rows = femnist_rows(part)
    pixels = np.load(dataset("femnist", "x.npy"))[rows].reshape(-1, 1, 28, 28).astype(np.float32) / 255
    return (pixels - 0.9633) / 0.1610, np.load(dataset("femnist", "y.npy"))[rows].astype(np.int64)


def deal_evenly(task, labels, random):
    return np.array_split(random.permutation(len(labels)), task.devices)


def deal_shards(task, labels, random):
    """Two pieces of the examples sorted by label for each device."""
    shards = np.array_split(np.argsort(labels, kind="stable"), 2 * task.devices)
    dealt = random.permutation(len(shards)).reshape(task.devices, 2)
    return [np.concatenate([shards[a], shards[b]]) for a, b in dealt]


def deal_by_writer(task, labels, random):
    writers = np.load(dataset("femnist", "writer.npy"))[femnist_rows("train")]
    return [np.flatnonzero(writers == writer) for writer in range(task.devices)]


TASKS = {task.name: task for task in (
    Task("lr-mnist", devices=1000, cohort=10, rounds=100, batch=10, learning_rate=0.03, evaluate_every=20,
         model=LogisticRegression, read=read_mnist, deal=deal_evenly),
    Task("lenet-cifar", devices=100, cohort=100, rounds=5, batch=50, learning_rate=0.1, evaluate_every=5, local_epochs=5,
         model=LeNet, read=read_cifar10, deal=deal_shards),
    Task("task-a", devices=500, cohort=50, rounds=20, batch=10, learning_rate=0.1, evaluate_every=10,
         model=PflCnn, read=read_cifar10, deal=deal_evenly),
    Task("cnn-femnist", devices=28, cohort=10, rounds=100, batch=20, learning_rate=0.1, evaluate_every=50,
         model=FemnistCnn, read=read_femnist, deal=deal_by_writer),
)}


def prepare(task):
    """Read, standardise and deal the data: the devices' examples lie one device behind the other."""
    folder = PREPARED / task.name
    if (folder / "sizes.npy").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    images, labels = task.read("train")
    devices = task.deal(task, labels, np.random.default_rng(1))
    order = np.concatenate(devices)
    np.save(folder / "train_images.npy", images[order])
    np.save(folder / "train_labels.npy", labels[order])
    images, labels = task.read("test")
    np.save(folder / "test_images.npy", images)
    np.save(folder / "test_labels.npy", labels)
    np.save(folder / "sizes.npy", [len(device) for device in devices])      # the last: now everything is there


@functools.lru_cache
def load(task_name):
    """(each device's images, each device's labels, test images, test labels), mapped from what `prepare` wrote."""
    prepare(TASKS[task_name])
    folder = PREPARED / task_name
    names = ("train_images", "train_labels", "test_images", "test_labels")
    images, labels, *test = (torch.from_numpy(np.load(folder / f"{name}.npy", mmap_mode="c")) for name in names)
    sizes = np.load(folder / "sizes.npy").tolist()
    return images.split(sizes), labels.split(sizes), *test


def draw_cohort(task, random):
    """Different devices, the largest first: dealt out in turn, they keep every worker busy for about as long."""
    _, labels, _, _ = load(task.name)
    return sorted(random.choice(task.devices, task.cohort, replace=False), key=lambda device: -len(labels[device]))


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
    """One device's visit: epochs of SGD, each in an order drawn anew."""
    network.train()
    optimiser = torch.optim.SGD(network.parameters(), lr=task.learning_rate)
    for _ in range(task.local_epochs):
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
