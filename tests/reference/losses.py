#!/usr/bin/env python3
"""What PyTorch computes for the losses and factors of mu_step_manner: the figures that src/nn/reference_test.c holds Muster's against.

    python -m venv build/reference && build/reference/bin/pip install torch safetensors numpy pyyaml
    build/reference/bin/python tests/reference/losses.py                  makes losses.safetensors anew

Networks are made as in layers.py. Classes left out are HeteroFL's: `masked_fill` of their logits with 0 before F.cross_entropy. The teacher's logits
are random numbers; its cross-entropy is F.cross_entropy with probabilities. Factors multiply what a module gives, in front of the activation.
Stored are the logits, the loss, the gradient of every parameter and the norms' statistics after the pass.
"""

import pathlib

import numpy as np
import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from layers import BATCH, Network, classes_last, shake, symbols_of, to_nhwc, weights_of

DENSE = ((1, 1, 7), 5, """
layers:
  - {dense: fc1, units: 9}
  - relu
  - {dense: fc2}
""")
IMAGE = ((6, 5, 2), 4, """
layers:
  - {conv: conv1, channels: 6, kernel: 3, padding: 1}
  - {batch_norm: norm1}
  - {relu: relu1}
  - {conv: conv2, channels: 6, kernel: 3, padding: 1}
  - {relu: relu2}
  - {add: [relu2, relu1], name: sum}
  - flatten
  - {dense: fc1, units: 8}
  - tanh
  - {dense: fc2}
""")
TEXT = ((1, 6, 1), 7, """
layers:
  - {embedding: embedding, channels: 4}
  - {lstm: lstm, units: 5}
  - {dense: fc, each: true}
""")

# name: network, classes held, (label weight, teacher weight, temperature), factors
CASES = {
    "held": (DENSE, [0, 2, 3], None, {}),
    "soft": (DENSE, None, (0.25, 0.75, 2.5), {}),
    "soft_alone": (DENSE, None, (0, 1, 1), {}),
    "hinton": (IMAGE, None, (0.5, 8, 4), {}),
    "held_soft": (IMAGE, [1, 3], (0.5, 0.5, 1), {}),
    "text": (TEXT, [0, 1, 4, 6], (0.75, 0.25, 2), {}),
    "factors": (IMAGE, None, None, {"conv1": 4.0, "conv2": 1.5, "fc1": 0.5}),
    "all": (IMAGE, [0, 1, 3], (0.25, 0.75, 2), {"conv1": 2.0, "fc1": 1.25}),
}


def loss_of(logits, labels, teacher, held, weights):
    if held is not None:
        absent = torch.ones(logits.shape[-1], dtype=torch.bool)
        absent[held] = False
        logits, teacher = logits.masked_fill(absent, 0), teacher.masked_fill(absent, 0)
    by_label = F.cross_entropy(logits, labels)
    if weights is None:
        return by_label
    label_weight, teacher_weight, temperature = weights
    return label_weight * by_label + teacher_weight * F.cross_entropy(logits / temperature, (teacher / temperature).softmax(-1))


def make_case(name, case, random, out):
    ((height, width, channels), classes, text), held, weights, factors = case
    with torch.no_grad():
        network = Network(text, (height, width, channels), classes)
        shake(network, random)
    if symbols := symbols_of(network):
        x = torch.from_numpy(random.integers(0, symbols, (BATCH, channels, height, width)).astype(np.float32))
    else:
        x = torch.from_numpy(random.normal(0, 1, (BATCH, channels, height, width)).astype(np.float32))
    for tensor, values in weights_of(network).items():
        out[f"{name}/state/{tensor}"] = values
    out[f"{name}/input"] = to_nhwc(x)
    for module, factor in factors.items():
        out[f"{name}/factor/{module}"] = torch.tensor([factor])
        network.get_submodule(module).register_forward_hook(lambda module, inputs, y, factor=factor: y * factor)

    network.double().train()        # the figures of exact arithmetic, near enough
    logits = classes_last(network(x.double()))
    rows = logits.reshape(-1, classes)
    labels = torch.from_numpy(random.integers(0, classes, len(rows)))      # now and then of a class that is not held
    teacher = torch.from_numpy(random.normal(0, 2, tuple(rows.shape)).astype(np.float32))
    loss = loss_of(rows, labels, teacher.double(), held, weights)
    loss.backward()
    out[f"{name}/labels"] = labels.float().reshape(BATCH, -1)
    out[f"{name}/train"] = logits.detach().float()
    out[f"{name}/loss"] = loss.detach().float().reshape(1)
    if held is not None:
        out[f"{name}/held"] = torch.tensor([float(k in held) for k in range(classes)])
    if weights is not None:
        out[f"{name}/teacher"] = teacher
        out[f"{name}/weights"] = torch.tensor(weights, dtype=torch.float32)
    for tensor, parameter in network.named_parameters():
        out[f"{name}/gradient/{tensor}"] = parameter.grad.float()
    for tensor, values in weights_of(network).items():
        if "running" in tensor:
            out[f"{name}/after/{tensor}"] = values.float()


def main():
    random = np.random.default_rng(2)
    tensors, metadata = {}, {"torch": torch.__version__}
    for name, case in CASES.items():
        make_case(name, case, random, tensors)
        metadata[name] = case[0][2]
    save_file(tensors, pathlib.Path(__file__).parent / "losses.safetensors", metadata)
    print(f"{len(CASES)} cases, {sum(t.numel() for t in tensors.values()) * 4} bytes of figures")


if __name__ == "__main__":
    main()
