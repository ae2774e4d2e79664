"""Whole fp32 training steps in PyTorch, on one thread, of the networks that `muster bench step` and `muster bench widths` measure.

PyTorch takes seconds to start, so this is a server: it reads requests, one a line, and answers each with a line of JSON.

    step CASE default|channels-last SECONDS
    widths default|channels-last SECONDS
"""

import json
import math
import pathlib
import statistics
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "tests" / "reference"))
import models       # the built-in models once more, with torch.nn, as the tests know them

WIDTHS = 17
LEARNING_RATE = 0.01
WARM_UP_CALLS, SHORT_CALLS = 2, 3


class DsCnn(models.DsCnn):
    """With the dropout that training has, and that the tests leave out."""

    def forward(self, x):
        x = F.dropout(F.relu(self.bn1(self.conv1(self.pad(x)))), 0.2, self.training)
        for block in self.blocks:
            x = F.relu(block.bn1(block.depthwise(x)))
            x = F.relu(block.bn2(block.pointwise(x)))
        return self.fc(F.dropout(x, 0.4, self.training).mean((2, 3)))


class CharLstm(nn.Module):
    """Embedding of 8, two LSTMs of 256, a guess at every position."""

    def __init__(self, shape, classes, _):
        super().__init__()
        self.embeddings = nn.Embedding(classes, 8)
        self.lstm = nn.LSTM(8, 256, 2, batch_first=True)
        self.fc = nn.Linear(256, classes)

    def forward(self, x):
        return self.fc(self.lstm(self.embeddings(x))[0]).flatten(0, 1)


def width_cnn(part):
    """fedavg-cnn with part/WIDTHS of the channels and units of each layer, rounded up."""
    a, b, c = (math.ceil(whole * part / WIDTHS) for whole in (32, 64, 512))
    return nn.Sequential(nn.Conv2d(1, a, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(a, b, 5, padding=2), nn.ReLU(),
                         nn.MaxPool2d(2), nn.Flatten(), nn.Linear(49 * b, c), nn.ReLU(), nn.Linear(c, 10))


# input (height, width, channels) or (positions,), classes, batch, maker
CASES = {
    "fedavg-cnn-b32": ((28, 28, 1), 10, 32, models.fedavg_cnn),
    "cifar-cnn-b10": ((32, 32, 3), 10, 10, models.cifar_cnn),
    "cifar-cnn-b32": ((32, 32, 3), 10, 32, models.cifar_cnn),
    "resnet20-b32": ((32, 32, 3), 10, 32, models.resnet20),
    "resnet18-b32": ((32, 32, 3), 10, 32, models.resnet18),
    "char-lstm-b10": ((80,), 80, 10, CharLstm),
    "mlp-b16": ((1, 1, 64), 10, 16, models.mlp),
    "mobilenetv2-32-b32": ((32, 32, 3), 10, 32, models.MobileNetV2),
    "mobilenetv2-96-b8": ((96, 96, 3), 10, 8, models.MobileNetV2),
    "ds-cnn-b32": ((49, 10, 1), 12, 32, DsCnn),
    "femnist-cnn-b20": ((28, 28, 1), 62, 20, models.femnist_cnn),
    "pfl-cnn-b10": ((32, 32, 3), 10, 10, models.pfl_cnn),
}


class Step:
    """A network with a batch, ready to be trained."""

    def __init__(self, network, shape, classes, batch, layout):
        memory_format = torch.channels_last if layout == "channels-last" else torch.contiguous_format
        if len(shape) == 3:
            height, width, channels = shape
            self.x = torch.randn(batch, channels, height, width).contiguous(memory_format=memory_format)
            self.labels = torch.randint(classes, (batch,))
        else:
            self.x = torch.randint(classes, (batch, *shape))
            self.labels = torch.randint(classes, (batch * shape[0],))
        self.network = network.to(memory_format=memory_format).train()
        self.optimiser = torch.optim.SGD(self.network.parameters(), lr=LEARNING_RATE)

    def __call__(self):
        self.optimiser.zero_grad(set_to_none=True)
        self.loss = F.cross_entropy(self.network(self.x), self.labels)
        self.loss.backward()
        self.optimiser.step()

    def parameters(self):
        return sum(parameter.numel() for parameter in self.network.parameters())


def timed(call):
    began_s = time.perf_counter()
    call()
    return time.perf_counter() - began_s


def take_turn(step, seconds):
    """As muster's: a tenth of the seconds to warm up, then until they are over, three calls at least where they are short."""
    began_s, calls = time.perf_counter(), 0
    while calls < WARM_UP_CALLS or time.perf_counter() - began_s < 0.1 * seconds:
        step()
        calls += 1
    began_s, times = time.perf_counter(), []
    while not times or time.perf_counter() - began_s < seconds or (len(times) < SHORT_CALLS and times[-1] < seconds):
        times.append(timed(step))
    return {"median_s": statistics.median(times), "best_s": min(times)}


steps = {}      # of the cases, kept from turn to turn


def answer_step(name, layout, seconds):
    if (name, layout) not in steps:
        shape, classes, batch, make = CASES[name]
        steps[name, layout] = Step(make(shape, classes, "batch"), shape, classes, batch, layout)
    step = steps[name, layout]
    times = take_turn(step, float(seconds))
    return [{"case": name, "parameters": step.parameters(), **times, "loss": step.loss.item()}]


def answer_widths(layout, seconds):
    rows = []
    for part in range(1, WIDTHS + 1):
        step = Step(width_cnn(part), (28, 28, 1), 10, 32, layout)
        first_step_s = timed(step)
        rows.append({"case": f"{part}/{WIDTHS}", "parameters": step.parameters(), "first_step_s": first_step_s,
                     **take_turn(step, float(seconds)), "loss": step.loss.item()})
    return rows


def main():
    torch.set_num_threads(1)
    torch.manual_seed(1)
    answers = {"step": answer_step, "widths": answer_widths}
    for line in sys.stdin:
        bench, *words = line.split()
        print(json.dumps({"bench": bench, "torch": torch.__version__, "cases": answers[bench](*words)}), flush=True)


if __name__ == "__main__":
    main()
