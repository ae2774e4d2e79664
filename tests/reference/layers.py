#!/usr/bin/env python3
"""What PyTorch computes for small networks: the figures that src/nn/reference_test.c holds Muster's layers against.

Every case is a model in Muster's YAML, rebuilt here from torch.nn, with random weights, inputs and labels. Stored are the logits in
inference and in training, the loss, the gradient of every parameter, the statistics of batch norms after the pass, for the case
`optimisers` the parameters after three steps of each optimiser, and for sequences those after three steps of SGD. All in one safetensors
file, made by the safetensors package itself.

    python -m venv build/reference && build/reference/bin/pip install torch safetensors numpy pyyaml
    build/reference/bin/python tests/reference/layers.py                  makes layers.safetensors and exchange.safetensors anew

The other direction: Muster saves, PyTorch loads. The test writes its file where MUSTER_EXCHANGE_OUT says:

    MUSTER_EXCHANGE_OUT=build/exchange.safetensors build/tests/nn_reference_test
    build/reference/bin/python tests/reference/layers.py --check build/exchange.safetensors

The check loads the file's weights strictly and compares the logits that Muster noted down in it.
"""

import argparse
import json
import pathlib
import re
import sys

import numpy as np
import safetensors
import torch
import yaml
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional as F

FOLDER = pathlib.Path(__file__).parent
BATCH = 3

# name: (input height, width, channels), classes, model
CASES = {
    "dense": ((1, 1, 7), 4, """
layers:
  - {dense: fc1, units: 9}
  - relu
  - {dense: fc2, bias: false}
"""),
    "conv_stride": ((7, 6, 3), 3, """
layers:
  - {conv: conv1, channels: 5, kernel: 3, stride: 2, padding: 1}
  - leaky_relu
  - flatten
  - {dense: fc}
"""),
    "conv_same": ((6, 5, 2), 3, """
layers:
  - {conv: conv1, channels: 4, kernel: 4, kernel_width: 3, padding: same}
  - relu
  - {conv: conv2, channels: 3, kernel: 2, padding: same, bias: false}
  - tanh
  - flatten
  - {dense: fc}
"""),
    "conv_oblong": ((7, 8, 2), 3, """
layers:
  - {conv: conv1, channels: 3, kernel: 3, kernel_width: 2, stride: 1, stride_width: 3, padding: 1}
  - sigmoid
  - {conv: conv2, channels: 2, kernel: 1, stride: 2}
  - flatten
  - {dense: fc}
"""),
    "groups": ((6, 6, 4), 3, """
layers:
  - {conv: conv1, channels: 6, kernel: 3, padding: 1, groups: 2}
  - relu6
  - {depthwise_conv: conv2, kernel: 3, stride: 2, padding: 1, multiplier: 2}
  - relu
  - {depthwise_conv: conv3, kernel: 2, bias: false}
  - global_average_pool
  - {dense: fc}
"""),
    "max_pool": ((8, 7, 2), 3, """
layers:
  - {conv: conv1, channels: 3, kernel: 3, padding: 1}
  - {max_pool: pool1, size: 3, stride: 2, padding: 1}
  - tanh
  - {max_pool: pool2, size: 2}
  - flatten
  - {dense: fc}
"""),
    "average_pool": ((8, 7, 2), 3, """
layers:
  - {conv: conv1, channels: 3, kernel: 3, padding: 1}
  - {average_pool: pool1, size: 3, stride: 2, padding: 1}
  - sigmoid
  - {average_pool: pool2, size: 2, size_width: 3, stride: 1}
  - flatten
  - {dense: fc}
"""),
    "batch_norm": ((5, 5, 2), 3, """
layers:
  - {batch_norm: bn0, epsilon: 0.01, momentum: 0.3}
  - {conv: conv1, channels: 4, kernel: 3, padding: 1, bias: false}
  - {batch_norm: bn1}
  - {relu: relu1}
  - {conv: conv2, channels: 4, kernel: 3, padding: 1, bias: false}
  - {batch_norm: bn2}
  - {add: [bn2, relu1], name: sum}
  - relu
  - global_average_pool
  - {dense: fc}
"""),
    "batch_norm_flat": ((3, 4, 2), 3, """
layers:
  - flatten
  - {batch_norm: bn1}
  - tanh
  - {dense: fc1, units: 5}
  - {batch_norm: bn2}
  - relu
  - {dense: fc2}
"""),
    "group_norm": ((5, 4, 3), 3, """
layers:
  - {conv: conv1, channels: 6, kernel: 3, padding: 1, bias: false}
  - {group_norm: gn1, groups: 3}
  - {relu: relu1}
  - {conv: left, channels: 4, kernel: 1, input: relu1}
  - {conv: right, channels: 2, kernel: 3, padding: 1, input: relu1}
  - {concat: [left, relu1, right], name: joined}
  - {group_norm: gn2, groups: 2, epsilon: 0.001}
  - tanh
  - {conv: conv2, channels: 2, kernel: 3}
  - flatten
  - {dense: fc}
"""),
    "residual": ((6, 6, 3), 3, """
layers:
  - {conv: conv1, channels: 4, kernel: 3, padding: 1}
  - {relu: relu1}
  - {conv: conv2, channels: 4, kernel: 3, padding: 1}
  - {add: [relu1, conv2, conv1], name: sum1}
  - {sigmoid: gate}
  - {conv: conv3, channels: 6, kernel: 3, stride: 2, padding: 1, input: sum1}
  - {relu: relu3}
  - {conv: shortcut, channels: 6, kernel: 1, stride: 2, input: gate}
  - {add: [shortcut, relu3], name: sum2}
  - {flatten: vector}
  - {dense: fc1, units: 8}
  - {relu: relu4}
  - {dense: fc2, units: 8, input: vector}
  - {add: [relu4, fc2], name: sum3}
  - {dense: fc3}
"""),
    "optimisers": ((1, 1, 6), 3, """
layers:
  - {dense: fc1, units: 5}
  - tanh
  - {dense: fc2}
"""),
}

# The same for sequences, whose inputs are symbols where there is an embedding. Layers X, X_l1, X_l2, ... are one module with so many layers.
SEQUENCES = {
    "lstm": ((1, 6, 3), 3, """
layers:
  - {lstm: rnn, units: 5}
  - {dense: fc, each: true}
"""),
    "lstm_last": ((1, 1, 7), 11, """
layers:
  - {embedding: embeddings, channels: 4}
  - {lstm: net.lstm, units: 6}
  - {lstm: net.lstm_l1, units: 6, output: last}
  - {dense: fc}
"""),
    "gru": ((1, 6, 3), 3, """
layers:
  - {gru: rnn, units: 5}
  - {layer_norm: norm}
  - {dense: fc, each: true}
"""),
    "gru_last": ((1, 7, 1), 4, """
layers:
  - {embedding: embeddings, channels: 4, symbols: 9}
  - {gru: gru, units: 6}
  - {gru: gru_l1, units: 6}
  - {gru: gru_l2, units: 6, output: last}
  - {dense: fc}
"""),
    "layer_norm": ((3, 4, 5), 3, """
layers:
  - {layer_norm: ln1, epsilon: 0.01}
  - {conv: conv1, channels: 6, kernel: 3}
  - {layer_norm: ln2}
  - {tanh: tanh1}
  - {dense: fc1, units: 7, each: true}
  - relu
  - flatten
  - {layer_norm: ln3}
  - {dense: fc2}
"""),
}

OPTIMISERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1),
    "sgd_decay": lambda p: torch.optim.SGD(p, lr=0.1, weight_decay=0.05),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, dampening=0.2, weight_decay=0.05),
    "nesterov": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "adam": lambda p: torch.optim.Adam(p, lr=0.02),
    "adam_decay": lambda p: torch.optim.Adam(p, lr=0.02, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.05),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.02, weight_decay=0.05),
}

# Saved by PyTorch as it is, with the counters of its batch norms, for the test of loading.
EXCHANGE = ((4, 5, 2), 3, """
layers:
  - {conv: features.conv, channels: 4, kernel: 3, padding: 1, bias: false}
  - {batch_norm: features.norm}
  - relu
  - {depthwise_conv: features.depthwise, kernel: 3}
  - flatten
  - {dense: head.fc1, units: 6}
  - relu
  - {dense: head.fc2}
""")

ACTIVATIONS = {"relu": torch.relu, "relu6": F.relu6, "sigmoid": torch.sigmoid, "tanh": torch.tanh,
               "leaky_relu": F.leaky_relu, "global_average_pool": lambda x: x.mean((2, 3), keepdim=True)}
RECURRENT = {"lstm": nn.LSTM, "gru": nn.GRU}
KINDS = {*ACTIVATIONS, "dense", "conv", "depthwise_conv", "max_pool", "average_pool", "batch_norm", "group_norm", "flatten", "add",
         "concat", "layer_norm", "embedding", *RECURRENT}


def make_conv(kind, item, channels):
    kernel = (item.get("kernel", 3), item.get("kernel_width", item.get("kernel", 3)))
    stride = (item.get("stride", 1), item.get("stride_width", item.get("stride", 1)))
    groups = channels if kind == "depthwise_conv" else item.get("groups", 1)
    outputs = channels * item.get("multiplier", 1) if kind == "depthwise_conv" else item["channels"]
    return nn.Conv2d(channels, outputs, kernel, stride, item.get("padding", 0), groups=groups, bias=item.get("bias", True))


def make_pool(kind, item):
    size = (item["size"], item.get("size_width", item["size"]))
    stride = item.get("stride")
    if kind == "max_pool":
        return nn.MaxPool2d(size, stride, item.get("padding", 0))
    return nn.AvgPool2d(size, stride, item.get("padding", 0), count_include_pad=False)


def split_layer(name):
    """"lstm_l1" is layer 1 of the module "lstm", "lstm" its layer 0."""
    found = re.fullmatch(r"(.+)_l(\d+)", name)
    return (found[1], int(found[2])) if found else (name, 0)


def make_module(kind, item, x, classes):
    channels = x.shape[1]
    if kind == "embedding":
        return nn.Embedding(item.get("symbols", classes), item["channels"])
    if kind in RECURRENT:
        return RECURRENT[kind](channels, item["units"], num_layers=item["layers"], batch_first=True) if item["layers"] else None
    if kind == "layer_norm":
        return nn.LayerNorm(channels, item.get("epsilon", 1e-5))
    if kind == "dense" and item.get("each"):
        return nn.Linear(channels, item.get("units", classes))
    if kind in ("conv", "depthwise_conv"):
        return make_conv(kind, item, channels)
    if kind in ("max_pool", "average_pool"):
        return make_pool(kind, item)
    if kind == "dense":
        return nn.Linear(x.flatten(1).shape[1], item.get("units", classes), bias=item.get("bias", True))
    if kind == "batch_norm":
        norm = nn.BatchNorm2d if x.dim() == 4 else nn.BatchNorm1d
        return norm(channels, item.get("epsilon", 1e-5), item.get("momentum", 0.1))
    if kind == "group_norm":
        return nn.GroupNorm(item["groups"], channels, item.get("epsilon", 1e-5))
    return None


def run_module(kind, item, module, x):
    """Between tensors of (n, channels, height, width), as everything here; a sequence has height 1."""
    if kind == "embedding":
        return module(x.flatten(1).long()).transpose(1, 2).unsqueeze(2)
    if kind in RECURRENT:
        y = module(x.squeeze(2).transpose(1, 2))[0]
        return (y[:, -1:] if item.get("output") == "last" else y).transpose(1, 2).unsqueeze(2)
    if (kind == "layer_norm" and x.dim() == 4) or item.get("each"):
        return module(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    return module(x.flatten(1) if kind == "dense" else x)


def mark_layers(layers):
    """Recurrent layers of one module: its first gets their number, the last runs them all."""
    modules = {}
    for layer in layers:
        kind = next((key for key in layer if key in RECURRENT), None)
        if kind:
            modules.setdefault(split_layer(layer[kind])[0], []).append(layer)
    for parts in modules.values():
        for layer in parts:
            layer["layers"] = len(parts) if layer is parts[0] else 0
            layer["runs"] = layer is parts[-1]


class Network(nn.Module):
    """A model of Muster's YAML out of PyTorch's parts."""

    def __init__(self, text, shape, classes):
        super().__init__()
        self.steps = []
        height, width, channels = shape
        x = torch.zeros(2, channels, height, width)
        layers = [{item: None} if isinstance(item, str) else item for item in yaml.safe_load(text)["layers"]]
        mark_layers(layers)
        for number, item in enumerate(layers):
            kind = next(key for key in item if key in KINDS)
            value = item[kind]
            joins = value if isinstance(value, list) else None
            name = item.get("name") if joins else value
            name = name or f"step{number}"
            self.steps.append([kind, name, joins, item.get("input"), item])
            values, x = self.inputs_and_last(x, number)
            module = make_module(kind, item, values[0], classes)
            if module is not None:
                parent = self
                *path, leaf = name.split(".")
                for part in path:
                    if not hasattr(parent, part):
                        parent.add_module(part, nn.Module())
                    parent = getattr(parent, part)
                parent.add_module(leaf, module)
            x = self.run(number, values)
            self.values[name] = x

    def inputs_and_last(self, last, number):
        if number == 0:
            self.values = {"input": last}
        _, _, joins, source, _ = self.steps[number]
        if joins:
            return [self.values[name] for name in joins], last
        return [self.values[source] if source else last], last

    def run(self, number, values):
        kind, name, _, _, item = self.steps[number]
        if kind in ACTIVATIONS:
            return ACTIVATIONS[kind](values[0])
        if kind == "flatten":
            return values[0].flatten(1)
        if kind == "add":
            return sum(values[1:], values[0])
        if kind == "concat":
            return torch.cat(values, 1)
        if kind in RECURRENT and not item["runs"]:
            return values[0]
        module = self.get_submodule(split_layer(name)[0] if kind in RECURRENT else name)
        return run_module(kind, item, module, values[0])

    def forward(self, x):
        for number, (_, name, _, _, _) in enumerate(self.steps):
            values, _ = self.inputs_and_last(x, number)
            x = self.run(number, values)
            self.values[name] = x
        return x


def shake(network, random):
    """Weights and statistics that no layer would start with: a norm whose scale is 1 everywhere could be wrong unseen."""
    for name, tensor in network.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        values = random.normal(0, 0.5, tensor.shape)
        if name.endswith("running_var") or (tensor.dim() == 1 and name.endswith("weight")):
            values = 0.5 + np.abs(values)
        tensor.copy_(torch.from_numpy(values.astype(np.float32)))


def weights_of(network):
    return {name: tensor.clone() for name, tensor in network.state_dict().items() if not name.endswith("num_batches_tracked")}


def to_nhwc(x):
    return x.permute(0, 2, 3, 1).contiguous()


def classes_last(logits):
    return to_nhwc(logits) if logits.dim() == 4 else logits


def symbols_of(network):
    """How many symbols the input may have; 0: it is no symbols."""
    return min((module.num_embeddings for module in network.modules() if isinstance(module, nn.Embedding)), default=0)


def make_case(name, shape, classes, text, random, out):
    network = Network(text, shape, classes)
    shake(network, random)
    height, width, channels = shape
    if symbols := symbols_of(network):
        x = torch.from_numpy(random.integers(0, symbols, (BATCH, channels, height, width)).astype(np.float32))
    else:
        x = torch.from_numpy(random.normal(0, 1, (BATCH, channels, height, width)).astype(np.float32))
    positions = network.eval()(x).shape[2:]
    labels = torch.from_numpy(random.integers(0, classes, (BATCH, *(positions if np.prod(positions) > 1 else ()))))
    for tensor, values in weights_of(network).items():
        out[f"{name}/state/{tensor}"] = values
    out[f"{name}/input"] = to_nhwc(x)
    out[f"{name}/labels"] = labels.float()
    start = weights_of(network)

    network.double()        # the figures of exact arithmetic, near enough
    wide = x.double()
    network.eval()
    out[f"{name}/infer"] = classes_last(network(wide)).detach().float()
    network.train()
    logits = network(wide)
    loss = F.cross_entropy(logits.reshape(BATCH, classes, *labels.shape[1:]), labels)
    loss.backward()
    out[f"{name}/train"] = classes_last(logits).detach().float()
    out[f"{name}/loss"] = loss.detach().float().reshape(1)
    for tensor, parameter in network.named_parameters():
        out[f"{name}/gradient/{tensor}"] = parameter.grad.float()
    for tensor, values in weights_of(network).items():
        if "running" in tensor:
            out[f"{name}/after/{tensor}"] = values.float()
    if name == "optimisers" or name in SEQUENCES:
        for optimiser, make in OPTIMISERS.items() if name == "optimisers" else [("sgd", OPTIMISERS["sgd"])]:
            network.load_state_dict({k: v.double() for k, v in start.items()}, strict=False)
            stepper = make(network.parameters())
            for _ in range(3):
                stepper.zero_grad()
                F.cross_entropy(network(wide).reshape(BATCH, classes, *labels.shape[1:]), labels).backward()
                stepper.step()
            for tensor, values in weights_of(network).items():
                out[f"{name}/{optimiser}/{tensor}"] = values.float()


def exchange_input(shape):
    height, width, channels = shape
    count = height * width * channels
    x = torch.tensor([(i * 37 % 101) / 50 - 1 for i in range(count)], dtype=torch.float32)
    return x.reshape(1, height, width, channels).permute(0, 3, 1, 2).contiguous()


@torch.no_grad()
def make_exchange(path, random):
    shape, classes, text = EXCHANGE
    network = Network(text, shape, classes)
    shake(network, random)
    network.eval()
    logits = network(exchange_input(shape))[0].tolist()
    save_file(network.state_dict(), path, {"model": text, "logits": json.dumps(logits), "torch": torch.__version__})


@torch.no_grad()
def check(path):
    """Load what Muster saved; compare the logits."""
    shape, classes, text = EXCHANGE
    with safetensors.safe_open(path, "pt") as file:
        metadata = file.metadata()
    network = Network(text, shape, classes)
    missing = network.load_state_dict(load_file(path))
    network.eval()
    logits = network(exchange_input(shape))[0]
    told = torch.tensor([float(word) for word in metadata["logits"].split()])
    error = (logits - told).abs().max().item()
    print(f"{path}: {missing}; logits {logits.tolist()}, Muster's differ by at most {error:.2g}")
    if error > 1e-5:
        sys.exit("layers: PyTorch computes something else with these weights")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", metavar="FILE", help="load a file that Muster saved")
    options = parser.parse_args()
    if options.check:
        return check(options.check)
    torch.manual_seed(1)
    random = np.random.default_rng(1)
    tensors, metadata = {}, {"torch": torch.__version__}
    for name, (shape, classes, text) in CASES.items():
        with torch.no_grad():
            Network(text, shape, classes)
        make_case(name, shape, classes, text, random, tensors)
        metadata[name] = text
    make_exchange(FOLDER / "exchange.safetensors", random)
    for name, (shape, classes, text) in SEQUENCES.items():
        make_case(name, shape, classes, text, random, tensors)
        metadata[name] = text
    save_file(tensors, FOLDER / "layers.safetensors", metadata)
    print(f"{len(CASES) + len(SEQUENCES)} cases, {sum(t.numel() for t in tensors.values()) * 4} bytes of figures")


if __name__ == "__main__":
    main()
