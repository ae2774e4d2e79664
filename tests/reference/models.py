#!/usr/bin/env python3
"""What PyTorch computes for the built-in models: the figures that src/nn/models_reference_test.c holds Muster against.

Every model is written down here once more, with torch.nn and the names that Muster saves. Weights and inputs are not stored: both
sides make them by one rule (`unit` below), in PyTorch's order of elements. Stored are the names and shapes of the state_dict in its
order, the logits in inference and in training, the loss, and of the gradient of every parameter and every statistic after the pass its
length and its products with three fixed directions. Dropout is off. Everything is computed in double precision.

    python -m venv build/reference && build/reference/bin/pip install torch numpy
    build/reference/bin/python tests/reference/models.py                  makes models.json anew
    build/reference/bin/python tests/reference/models.py --torchvision    is MobileNetV2 torchvision's? (pip install torchvision)
"""

import argparse
import json
import math
import pathlib
import sys

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

FOLDER = pathlib.Path(__file__).parent
DIRECTIONS = 2
INPUT_STREAM, FIRST_DIRECTION_STREAM = 1000, 2000      # tensor number t of the state has stream t
AGREEMENT, MOST_DRAWS = 2e-5, 10


def unit(stream, count):
    """`count` numbers in [-1, 1), all of them whole multiples of 2^-23: the same in every language."""
    h = np.arange(count, dtype=np.uint32) * np.uint32(0x9E3779B1) + np.uint32((stream + 1) * 0x85EBCA77 & 0xFFFFFFFF)
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        h = (h ^ (h >> np.uint32(shift))) * np.uint32(factor)
    h ^= h >> np.uint32(16)
    return (h >> np.uint32(8)).astype(np.float64) / 2**23 - 1


def first_values(name, shape, stream, shift):
    """Weights that keep the signal's size (He's bound), norms that are not the identity, and no zeros. With a shift, what comes out of a
    norm lies around it, well between the two kinks of a ReLU6."""
    values = unit(stream, math.prod(shape))
    if len(shape) > 1:
        values *= math.sqrt(6 / math.prod(shape[1:]))
    elif name.endswith("running_var"):
        values = 1 + values / 2
    elif name.endswith("weight"):
        values = (1 + values / 4) / (2 if shift else 1)
    else:
        values = shift + values / 10
    return values.astype(np.float32).reshape(shape)


# ---- the models ----

def norm_layer(kind, channels):
    return nn.GroupNorm(2, channels) if kind == "group" else nn.BatchNorm2d(channels)


class Plain(nn.Module):
    """Layers in a row; those with parameters under their own names."""

    def __init__(self, **layers):
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)

    def forward(self, x):
        for layer in self.children():
            x = layer(x)
        return x


def softmax_regression(shape, classes, _):
    return Plain(flatten=nn.Flatten(), fc=nn.Linear(math.prod(shape), classes))


def mlp(shape, classes, _):
    return Plain(flatten=nn.Flatten(), fc1=nn.Linear(math.prod(shape), 128), relu=nn.ReLU(), fc2=nn.Linear(128, classes))


def lenet5(shape, classes, _):
    padding, channels = (2 if shape[0] == 28 else 0), shape[2]
    return Plain(conv1=nn.Conv2d(channels, 6, 5, padding=padding), relu1=nn.ReLU(), pool1=nn.MaxPool2d(2),
                 conv2=nn.Conv2d(6, 16, 5), relu2=nn.ReLU(), pool2=nn.MaxPool2d(2), flatten=nn.Flatten(),
                 fc1=nn.Linear(400, 120), relu3=nn.ReLU(), fc2=nn.Linear(120, 84), relu4=nn.ReLU(), fc3=nn.Linear(84, classes))


def fedavg_cnn(shape, classes, _):
    return Plain(conv1=nn.Conv2d(shape[2], 32, 5, padding="same"), relu1=nn.ReLU(), pool1=nn.MaxPool2d(2),
                 conv2=nn.Conv2d(32, 64, 5, padding="same"), relu2=nn.ReLU(), pool2=nn.MaxPool2d(2), flatten=nn.Flatten(),
                 fc1=nn.Linear(64 * (shape[0] // 4) * (shape[1] // 4), 512), relu3=nn.ReLU(), fc2=nn.Linear(512, classes))


def pfl_cnn(shape, classes, _):
    return Plain(conv1=nn.Conv2d(shape[2], 32, 3), relu1=nn.ReLU(), conv2=nn.Conv2d(32, 64, 3), relu2=nn.ReLU(),
                 pool1=nn.MaxPool2d(2), dropout1=nn.Dropout(0.25), flatten=nn.Flatten(),
                 fc1=nn.Linear(64 * (shape[0] // 2 - 2) * (shape[1] // 2 - 2), 128), relu3=nn.ReLU(), dropout2=nn.Dropout(0.5),
                 fc2=nn.Linear(128, classes))


def cifar_cnn(shape, classes, _):
    return Plain(conv1=nn.Conv2d(shape[2], 32, 3, padding="same"), relu1=nn.ReLU(),
                 conv2=nn.Conv2d(32, 64, 3, padding="same"), relu2=nn.ReLU(), pool1=nn.MaxPool2d(2),
                 conv3=nn.Conv2d(64, 64, 3, padding="same"), relu3=nn.ReLU(), flatten=nn.Flatten(),
                 fc1=nn.Linear(64 * (shape[0] // 2) * (shape[1] // 2), 64), relu4=nn.ReLU(), fc2=nn.Linear(64, classes))


def femnist_cnn(shape, classes, _):
    return Plain(conv2d_1=nn.Conv2d(shape[2], 32, 3), relu1=nn.ReLU(), conv2d_2=nn.Conv2d(32, 64, 3), relu2=nn.ReLU(),
                 max_pooling=nn.MaxPool2d(2), dropout_1=nn.Dropout(0.25), flatten=nn.Flatten(),
                 linear_1=nn.Linear(64 * (shape[0] // 2 - 2) * (shape[1] // 2 - 2), 128), relu3=nn.ReLU(), dropout_2=nn.Dropout(0.5),
                 linear_2=nn.Linear(128, classes))


class MotionCnn(nn.Module):
    """On nn.Conv1d: an example is [axes, moments]."""

    def __init__(self, shape, classes, _):
        super().__init__()
        self.conv1 = nn.Conv1d(shape[2], 64, 3)
        self.conv2 = nn.Conv1d(64, 64, 3)
        self.fc1 = nn.Linear(64 * ((shape[1] - 4) // 2), 100)
        self.fc2 = nn.Linear(100, classes)

    def forward(self, x):
        x = F.relu(self.conv2(F.relu(self.conv1(x.squeeze(2)))))
        x = F.max_pool1d(F.dropout(x, 0.5, False), 2).flatten(1)
        return self.fc2(F.relu(self.fc1(x)))


class Block(nn.Module):
    def __init__(self, in_channels, channels, stride, norm):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, 1, bias=False)
        self.bn1 = norm_layer(norm, channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = norm_layer(norm, channels)
        self.downsample = nn.Identity()
        if stride != 1 or in_channels != channels:
            self.downsample = nn.Sequential(nn.Conv2d(in_channels, channels, 1, stride, bias=False), norm_layer(norm, channels))

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + self.downsample(x))


class ResNet(nn.Module):
    def __init__(self, shape, classes, norm, stages, blocks, first_channels):
        super().__init__()
        self.conv1 = nn.Conv2d(shape[2], first_channels, 3, 1, 1, bias=False)
        self.bn1 = norm_layer(norm, first_channels)
        in_channels = first_channels
        self.stages = []
        for stage in range(stages):
            channels = first_channels << stage
            row = [Block(channels if i else in_channels, channels, 2 if stage and not i else 1, norm) for i in range(blocks)]
            self.add_module(f"layer{stage + 1}", nn.Sequential(*row))
            self.stages.append(f"layer{stage + 1}")
            in_channels = channels
        self.fc = nn.Linear(in_channels, classes)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        for stage in self.stages:
            x = getattr(self, stage)(x)
        return self.fc(x.mean((2, 3)))


def conv_norm_relu6(in_channels, channels, kernel, stride, groups, norm):
    return nn.Sequential(nn.Conv2d(in_channels, channels, kernel, stride, kernel // 2, groups=groups, bias=False),
                         norm_layer(norm, channels), nn.ReLU6())


class InvertedResidual(nn.Module):
    def __init__(self, in_channels, channels, expansion, stride, norm):
        super().__init__()
        wide = in_channels * expansion
        layers = [conv_norm_relu6(in_channels, wide, 1, 1, 1, norm)] if expansion > 1 else []
        layers += [conv_norm_relu6(wide, wide, 3, stride, wide, norm), nn.Conv2d(wide, channels, 1, bias=False),
                   norm_layer(norm, channels)]
        self.conv = nn.Sequential(*layers)
        self.has_way_around = stride == 1 and in_channels == channels

    def forward(self, x):
        return x + self.conv(x) if self.has_way_around else self.conv(x)


class MobileNetV2(nn.Module):
    STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))

    def __init__(self, shape, classes, norm):
        super().__init__()
        small = min(shape[:2]) < 64
        layers, in_channels = [conv_norm_relu6(shape[2], 32, 3, 1 if small else 2, 1, norm)], 32
        for stage, (expansion, channels, blocks, stride) in enumerate(self.STAGES):
            for i in range(blocks):
                first_stride = 1 if stage == 1 and small else stride
                layers.append(InvertedResidual(in_channels, channels, expansion, 1 if i else first_stride, norm))
                in_channels = channels
        layers.append(conv_norm_relu6(in_channels, 1280, 1, 1, 1, norm))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, classes))

    def forward(self, x):
        return self.classifier(self.features(x).mean((2, 3)))


class DsCnn(nn.Module):
    """The first convolution pads as TensorFlow does: what cannot be shared evenly goes below and to the right."""

    def __init__(self, shape, classes, norm):
        super().__init__()
        self.pad = nn.ZeroPad2d(self.same(shape[1], 4, 2) + self.same(shape[0], 10, 2))
        self.conv1 = nn.Conv2d(shape[2], 64, (10, 4), 2)
        self.bn1 = norm_layer(norm, 64)
        self.blocks = nn.Sequential()
        for _ in range(4):
            block = nn.Module()
            block.depthwise = nn.Conv2d(64, 64, 3, padding=1, groups=64)
            block.bn1 = norm_layer(norm, 64)
            block.pointwise = nn.Conv2d(64, 64, 1)
            block.bn2 = norm_layer(norm, 64)
            self.blocks.append(block)
        self.fc = nn.Linear(64, classes)

    @staticmethod
    def same(size, kernel, stride):
        zeros = max(0, (-(-size // stride) - 1) * stride + kernel - size)
        return zeros // 2, zeros - zeros // 2

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(self.pad(x))))
        for block in self.blocks:
            x = F.relu(block.bn1(block.depthwise(x)))
            x = F.relu(block.bn2(block.pointwise(x)))
        return self.fc(x.mean((2, 3)))


def resnet20(shape, classes, norm):
    return ResNet(shape, classes, norm, 3, 3, 16)


def resnet18(shape, classes, norm):
    return ResNet(shape, classes, norm, 4, 2, 64)


# model, norm, input (height, width, channels), classes, batch, maker, shift
class CharModel(nn.Module):
    """Characters in, the next character out: after the last of them, or after every one."""

    def __init__(self, name, layer, every, shape, classes):
        super().__init__()
        self.symbols, self.every = classes, every
        self.embeddings = nn.Embedding(classes, 8)
        self.add_module(name, layer(8, 256, num_layers=2, batch_first=True))
        self.fc = nn.Linear(256, classes)
        self.name = name

    def forward(self, x):
        y = getattr(self, self.name)(self.embeddings(x.flatten(1).long()))[0]
        return self.fc(y if self.every else y[:, -1])


def char_model(name, layer, every):
    return lambda shape, classes, _: CharModel(name, layer, every, shape, classes)


CASES = (
    ("softmax-regression", None, (28, 28, 1), 10, 4, softmax_regression, 0),
    ("mlp", None, (28, 28, 1), 10, 4, mlp, 0),
    ("lenet5", None, (28, 28, 1), 10, 4, lenet5, 0),
    ("lenet5", None, (32, 32, 3), 10, 4, lenet5, 0),
    ("fedavg-cnn", None, (28, 28, 1), 10, 4, fedavg_cnn, 0),
    ("pfl-cnn", None, (32, 32, 3), 10, 4, pfl_cnn, 0),
    ("cifar-cnn", None, (32, 32, 3), 10, 4, cifar_cnn, 0),
    ("femnist-cnn", None, (28, 28, 1), 62, 4, femnist_cnn, 0),
    ("resnet20", "batch", (32, 32, 3), 10, 4, resnet20, 0),
    ("resnet20", "group", (32, 32, 3), 10, 4, resnet20, 0),
    ("resnet18", "batch", (32, 32, 3), 10, 4, resnet18, 0),
    ("mobilenetv2", "batch", (32, 32, 3), 10, 4, MobileNetV2, 3),
    ("mobilenetv2", "group", (32, 32, 3), 10, 4, MobileNetV2, 0),
    ("mobilenetv2", "batch", (96, 96, 3), 10, 4, MobileNetV2, 3),
    ("ds-cnn", "batch", (49, 10, 1), 12, 4, DsCnn, 0),
    ("ds-cnn", "group", (49, 10, 1), 12, 4, DsCnn, 0),
    ("motion-cnn", None, (1, 128, 9), 6, 4, MotionCnn, 0),
    ("char-lstm", None, (1, 1, 9), 20, 3, char_model("lstm", nn.LSTM, False), 0),
    ("char-lstm-every", None, (1, 1, 9), 20, 3, char_model("lstm", nn.LSTM, True), 0),
    ("char-gru", None, (1, 1, 9), 20, 3, char_model("gru", nn.GRU, False), 0),
    ("char-gru-every", None, (1, 9, 1), 20, 3, char_model("gru", nn.GRU, True), 0),
)


# ---- the figures ----

def without_counters(state):
    return {name: tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")}


@torch.no_grad()
def fill(network, shift):
    for stream, (name, tensor) in enumerate(without_counters(network.state_dict()).items()):
        tensor.copy_(torch.from_numpy(first_values(name, tensor.shape, stream, shift)))


def off(network):
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return network


def rounded(values):
    return [float(f"{value:.7g}") for value in values]


def summary(tensor, stream):
    """The length of a tensor, and its products with fixed directions: an error anywhere shows in them."""
    values = tensor.detach().double().numpy().ravel()
    directions = (unit(FIRST_DIRECTION_STREAM + DIRECTIONS * stream + k, values.size) for k in range(DIRECTIONS))
    return rounded([float(np.linalg.norm(values)), *(float(values @ direction) for direction in directions)])


def compute(model, norm, shape, classes, batch, make, shift, draw, dtype, memory_format):
    network = off(make(shape, classes, norm))
    fill(network, shift)
    network.to(dtype=dtype, memory_format=memory_format)
    height, width, channels = shape
    values = unit(INPUT_STREAM + draw, batch * math.prod(shape))
    symbols = getattr(network, "symbols", 0)
    x = torch.from_numpy(np.floor((values + 1) / 2 * symbols) if symbols else 2 * values).float().to(dtype)
    x = x.reshape(batch, height, width, channels).permute(0, 3, 1, 2).contiguous(memory_format=memory_format)
    case = {"model": model, "norm": norm, "input": shape, "classes": classes, "batch": batch, "shift": shift, "draw": draw,
            "parameters": sum(parameter.numel() for parameter in network.parameters())}
    network.eval()
    case["infer"] = rounded(network(x).detach().ravel().tolist())
    network.train()
    logits = network(x)
    labels = torch.arange(logits.numel() // classes) * 7 % classes
    loss = F.cross_entropy(logits.flatten(0, -2), labels)
    loss.backward()
    case["train"] = rounded(logits.detach().ravel().tolist())
    case["loss"] = rounded([loss.item()])[0]
    gradient_of = {name: parameter.grad for name, parameter in network.named_parameters()}
    case["tensors"] = [{"name": name, "shape": list(tensor.shape), "trained": name in gradient_of,
                        "figures": summary(gradient_of.get(name, tensor), stream)}
                       for stream, (name, tensor) in enumerate(without_counters(network.state_dict()).items())]
    return case


def distance(case, other):
    """The largest difference of a tensor's figures, as a share of its length, or of a hundredth of the longest's where it is short."""
    lengths = [tensor["figures"][0] for tensor in case["tensors"]]
    return max(np.abs(np.subtract(a["figures"], b["figures"])).max() / max(length, max(lengths) / 100)
               for a, b, length in zip(case["tensors"], other["tensors"], lengths))


def figures(*description):
    """From the first draw of the input at which PyTorch's own single precision agrees, in both of its memory layouts. At the others some
    ReLU near the end of the network stands so near to its kink that rounding decides, and its whole gradient with it."""
    for draw in range(MOST_DRAWS):
        case = compute(*description, draw, torch.double, torch.contiguous_format)
        errors = [distance(case, compute(*description, draw, torch.float, layout))
                  for layout in (torch.contiguous_format, torch.channels_last)]
        print(*description[:3], "draw", draw, *(f"{error:.1e}" for error in errors))
        if max(errors) < AGREEMENT:
            return case
    sys.exit("models: every draw hangs on rounding")


def write(cases):
    """A line a tensor, so that a change can be read."""
    lines = []
    for case in cases:
        tensors = ",\n  ".join(json.dumps(tensor, separators=(",", ":")) for tensor in case.pop("tensors"))
        lines.append(json.dumps(case, separators=(",", ":"))[:-1] + ',"tensors":[\n  ' + tensors + "]}")
    text = '{"torch":' + json.dumps(torch.__version__) + ',"cases":[\n' + ",\n".join(lines) + "]}\n"
    (FOLDER / "models.json").write_text(text)
    print(f"{len(cases)} cases, {len(text)} bytes")


@torch.no_grad()
def compare_with_torchvision():
    import torchvision
    theirs, ours = torchvision.models.mobilenet_v2(num_classes=10), MobileNetV2((96, 96, 3), 10, "batch")
    fill(theirs, 0)
    if [(n, t.shape) for n, t in theirs.state_dict().items()] != [(n, t.shape) for n, t in ours.state_dict().items()]:
        sys.exit("models: torchvision has other names or shapes")
    print(ours.load_state_dict(theirs.state_dict()))
    x = torch.from_numpy(unit(INPUT_STREAM, 2 * 3 * 96 * 96)).float().reshape(2, 3, 96, 96)
    error = (theirs.eval()(x) - ours.eval()(x)).abs().max().item()
    print(f"torchvision {torchvision.__version__}: {sum(p.numel() for p in theirs.parameters())} parameters, logits differ by {error:.2g}")
    if error > 1e-5:
        sys.exit("models: torchvision computes something else")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--torchvision", action="store_true", help="compare with torchvision's MobileNetV2")
    if parser.parse_args().torchvision:
        compare_with_torchvision()
    else:
        write([figures(*case) for case in CASES])


if __name__ == "__main__":
    main()
