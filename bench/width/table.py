#!/usr/bin/env python3
"""All width methods on one federation: the tables in docs/width.md.

    MUSTER_DATA=... python3 bench/width/table.py shakespeare --muster build/muster [--seeds 1 2 3] [--rows heterofl fjord] [--out runs/width]
    python3 bench/width/table.py mixed --muster build/muster

shakespeare: an LSTM on text by speaking role (bench/width/shakespeare.yaml), where each device trains what it can afford, in synchronous rounds.
mixed: handwriting on phones (examples/width-mixed.yaml), the same methods in rounds, without rounds (FedBuff), with late updates (REFL) and in rings
(FedHiSyn). Finished runs below --out are not run again. Prints a table in Markdown: means over the seeds, and the standard deviation of the accuracy.
"""
import argparse
import json
import os
import statistics
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))

# Every row: its name, the recipe, and what it is set to beside it.
SHAKESPEARE = [
    ("fedavg, all devices", "fedavg", []),
    ("drop-weak", "drop-weak", []),
    ("small", "small", ["what.width=0.25"]),
    ("heterofl", "heterofl", []),
    ("fedrolex", "fedrolex", []),
    ("federated-dropout", "federated-dropout", []),
    ("afd", "afd", []),
    ("fjord", "fjord", ["what.widths=[0.25, 0.5, 1]"]),
    ("fjord, distilled", "fjord", ["what.widths=[0.25, 0.5, 1]", "what.distillation=true"]),
    # a mini-batch may take as long as one of the whole network does on the fastest class
    ("distreal", "distreal", ["what.pace=0.2625", "what.table=shakespeare-rates.csv"]),
    ("fluid", "fluid", ["what.calibration=shakespeare"]),
]

EXPERIMENTS = {"shakespeare": (os.path.join(HERE, "shakespeare.yaml"), SHAKESPEARE)}


def run(options, experiment, name, recipe, settings, seed):
    out = os.path.join(options.out, options.experiment, name.replace(", ", "-").replace(" ", "-"), str(seed))
    summary = os.path.join(out, "summary.json")
    if not os.path.exists(summary):
        flags = [word for setting in settings + ["seed=%d" % seed] for word in ("--set", setting)]
        command = [options.muster, "run", experiment, "--recipe", recipe, *flags, "--workers", "1", "--quiet", "--out", out, "--replace"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    with open(summary) as file:
        return json.load(file)


def mean(runs, key):
    return statistics.mean(one[key] for one in runs)


def row_of(name, runs):
    accuracies = [100 * one["final_accuracy"] for one in runs]
    spread = statistics.stdev(accuracies) if len(accuracies) > 1 else 0.0
    return "| %s | %s | %.1f +- %.1f | %.0f s | %.0f G | %.1f MB | %.1f MB | %.0f J | %.1f MiB |" % (
        name, " / ".join("%.1f" % accuracy for accuracy in accuracies), statistics.mean(accuracies), spread, mean(runs, "virtual_time_s"),
        mean(runs, "macs") / 1e9, mean(runs, "bytes_up") / 1e6, mean(runs, "bytes_down") / 1e6, mean(runs, "energy_j"),
        mean(runs, "peak_memory_bytes") / 2**20)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiment", choices=sorted(EXPERIMENTS))
    parser.add_argument("--muster", default="build/muster")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--rows", nargs="+", help="only these")
    parser.add_argument("--out", default="runs/width")
    options = parser.parse_args()
    experiment, rows = EXPERIMENTS[options.experiment]
    rows = [row for row in rows if not options.rows or row[0] in options.rows]
    results = {name: [] for name, _, _ in rows}
    for seed in options.seeds:
        for name, recipe, settings in rows:
            results[name].append(run(options, experiment, name, recipe, settings, seed))
    print("| | accuracy, %%, seeds %s | mean | virtual time | trained | up | down | energy | peak memory |" % " / ".join(map(str, options.seeds)))
    print("|---|---|---|---|---|---|---|---|---|")
    for name, runs in results.items():
        print(row_of(name, runs))


if __name__ == "__main__":
    main()
