#!/usr/bin/env python3
"""FjORD beside a training for each width: the tables in docs/recipes/fjord.md.

    MUSTER_DATA=... python3 bench/width/fjord.py --muster build/muster [--data writers cifar10] [--rounds 500] [--seeds 1 2 3] [--out runs/fjord]

100 devices, of which a fifth each can train 0.2, 0.4, 0.6, 0.8 and all of the width (drawn once for a seed, the same in all runs). FjORD's rows are
one run: all widths come out of it. "each alone" is five runs, one a width, of a network that has this width at most: who can train it
does, who cannot leaves out units at random, down to what it can (the paper's eFD, extended Federated Dropout). The layers have multiples of five
units, so that both count the same at every width. Finished runs below --out are not run again. Prints tables in Markdown.
"""
import argparse
import json
import os
import statistics
import subprocess

WIDTHS = [0.2, 0.4, 0.6, 0.8, 1]

WRITERS = """
model:
  layers:
    - {conv: conv1, channels: %d, kernel: 5, padding: 2}
    - relu
    - {max_pool: pool1, size: 2}
    - {conv: conv2, channels: %d, kernel: 5}
    - relu
    - {max_pool: pool2, size: 2}
    - flatten
    - {dense: fc1, units: %d}
    - relu
    - {dense: fc2}
data: {name: writers, devices: 100, hand_spread: 0.6}
rounds: 60
train: {local_epochs: 1, batch_size: 10, learning_rate: 0.05}
evaluate: {every_rounds: 60, tier_examples: 0, devices: 0}
"""

CIFAR = """
model:
  layers:
    - {conv: conv1, channels: %d, kernel: 3, padding: 1, bias: false}
    - {batch_norm: bn1}
    - relu
    - {max_pool: pool1, size: 2}
    - {conv: conv2, channels: %d, kernel: 3, padding: 1, bias: false}
    - {batch_norm: bn2}
    - relu
    - {max_pool: pool2, size: 2}
    - {conv: conv3, channels: %d, kernel: 3, padding: 1, bias: false}
    - {batch_norm: bn3}
    - relu
    - global_average_pool
    - flatten
    - {dense: fc}
data: {name: cifar10, devices: 100, partition: {name: iid}}
rounds: 100
train: {local_epochs: 1, batch_size: 32, learning_rate: 0.1, weight_decay: 0.0001}
evaluate: {every_rounds: 100, tier_examples: 0, devices: 0}
"""

TASKS = {"writers": (WRITERS, (10, 20, 100)), "cifar10": (CIFAR, (10, 20, 40))}


def run(arguments, data, name, recipe, width, what, seed):
    """The summary of one run; `width` of the network is all that there is."""
    folder = os.path.join(arguments.out, data, "%s%s-%d" % (name, "-%d-rounds" % arguments.rounds if arguments.rounds else "", seed))
    summary = os.path.join(folder, "summary.json")
    if not os.path.exists(summary):
        os.makedirs(os.path.dirname(folder), exist_ok=True)
        text, units = TASKS[data]
        with open(folder + ".yaml", "w") as file:
            file.write("name: %s\nrecipe: %s\nseed: %d\nfleet: mixed\nwhen: {cohort: 10}\n" % (name, recipe, seed))
            file.write(text % tuple(round(width * all_units) for all_units in units))
            file.write("what: {width_by: fixed, %s}\n" % what)
        longer = ["--set", "rounds=%d" % arguments.rounds, "--set", "evaluate.every_rounds=%d" % arguments.rounds] if arguments.rounds else []
        subprocess.run([arguments.muster, "run", folder + ".yaml", "--out", folder, "--replace", "--workers", "1", "--quiet"] + longer, check=True)
    with open(summary) as file:
        return json.load(file)


def of_all_widths(arguments, data, seed, name, distillation):
    summary = run(arguments, data, name, "fjord", 1, "widths: %s, distillation: %s" % (WIDTHS, distillation), seed)
    return [row["accuracy"] for row in reversed(summary["widths"])]


def each_alone(arguments, data, seed):
    accuracies = []
    for width in WIDTHS:
        kept = [min(1.0, most / width) for most in WIDTHS]
        summary = run(arguments, data, "alone-%g" % width, "federated-dropout", width, "widths: [%s]" % ", ".join("%.15g" % k for k in kept), seed)
        accuracies.append(summary["final_accuracy"])
    return accuracies


ROWS = [
    ("each width alone", each_alone),
    ("fjord", lambda arguments, data, seed: of_all_widths(arguments, data, seed, "plain", "false")),
    ("fjord, `distillation: true`", lambda arguments, data, seed: of_all_widths(arguments, data, seed, "taught", "true")),
]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--muster", default="build/muster")
    parser.add_argument("--data", nargs="+", choices=TASKS, default=["writers"])
    parser.add_argument("--rounds", type=int, help="other than the task's own")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--out", default="runs/fjord")
    arguments = parser.parse_args()
    for data in arguments.data:
        print("| %s | %s |\n|---|%s" % (data, " | ".join("%g" % width for width in WIDTHS), "---|" * len(WIDTHS)), flush=True)
        for name, accuracies_of in ROWS:
            by_seed = [accuracies_of(arguments, data, seed) for seed in arguments.seeds]
            cells = ["%.1f (%s)" % (100 * statistics.mean(column), ", ".join("%.1f" % (100 * a) for a in column)) for column in zip(*by_seed)]
            print("| %s | %s |" % (name, " | ".join(cells)), flush=True)


if __name__ == "__main__":
    main()
