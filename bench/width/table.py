#!/usr/bin/env python3
"""All width methods on one federation: the tables in docs/width.md.

    MUSTER_DATA=... python3 bench/width/table.py shakespeare --muster build/muster [--seeds 1 2 3] [--rows heterofl fjord] [--out runs/width]
    python3 bench/width/table.py mixed --muster build/muster

shakespeare: an LSTM on text by speaking role (bench/width/shakespeare.yaml), where each device trains what it can afford, in synchronous rounds.
mixed: handwriting on phones (examples/width-mixed.yaml), the same methods in rounds, without rounds (FedBuff), with late updates (REFL) and in rings
(FedHiSyn). Finished runs below --out are not run again. Prints a table in Markdown: means over the seeds, and the accuracy's
standard deviation.
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

# Versions are made faster without rounds, so there are more of them in the same time. In rings, 30 devices make a version, and train more than once each, so that there are fewer versions.
SCHEDULES = [  # name, settings, merge of those methods that leave it open
    ("rounds", [], []),
    ("fedbuff", ["when={method: fedbuff, concurrency: 30, goal: 10}"], ["merge.method=fedbuff"]),
    ("fedbuff 140", ["when={method: fedbuff, concurrency: 30, goal: 10}", "rounds=140"], ["merge.method=fedbuff"]),
    ("late", ["who.method=refl", "when.late=accept"], ["merge.method=refl"]),
    ("rings", ["when={method: fedhisyn, cohort: 30, classes: 3, interval: 2}", "rounds=7"], ["merge.method=fedhisyn"]),
]
MIXED_METHODS = [  # name, settings, whether it has a merge of its own
    ("fedavg", [], False),
    ("distreal", ["what.pace=0.35"], False),
    ("heterofl", [], True),
    ("fedrolex", [], True),
    ("fjord", ["what.widths=[0.25, 0.5, 1]"], True),
]
MIXED = [("%s, %s" % (method, schedule), method, own + when + ([] if merges else merge))
         for method, own, merges in MIXED_METHODS for schedule, when, merge in SCHEDULES]

EXPERIMENTS = {
    "shakespeare": (os.path.join(HERE, "shakespeare.yaml"), SHAKESPEARE),
    "mixed": (os.path.join(HERE, "..", "..", "examples", "width-mixed.yaml"), MIXED),
}


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


def accuracy_of(runs):
    accuracies = [100 * one["final_accuracy"] for one in runs]
    return "%.1f +- %.1f" % (statistics.mean(accuracies), statistics.stdev(accuracies) if len(accuracies) > 1 else 0.0)


def print_rows(results):
    print("| | accuracy, % | virtual time | MACs | up | down | energy | peak memory |")
    print("|---|---|---|---|---|---|---|---|")
    for name, runs in results.items():
        print("| %s | %s | %.0f s | %.0f G | %.1f MB | %.1f MB | %.0f J | %.1f MiB |" % (
            name, accuracy_of(runs), mean(runs, "virtual_time_s"), mean(runs, "macs") / 1e9, mean(runs, "bytes_up") / 1e6,
            mean(runs, "bytes_down") / 1e6, mean(runs, "energy_j"), mean(runs, "peak_memory_bytes") / 2**20))


def print_matrix(results):
    """A row for each method, a column for each schedule."""
    print("| | " + " | ".join(schedule for schedule, _, _ in SCHEDULES) + " |")
    print("|---" * (1 + len(SCHEDULES)) + "|")
    for method, _, _ in MIXED_METHODS:
        cells = []
        for schedule, _, _ in SCHEDULES:
            runs = results.get("%s, %s" % (method, schedule))
            cells.append("%s, %.1f min, %.0f kJ" % (accuracy_of(runs), mean(runs, "virtual_time_s") / 60, mean(runs, "energy_j") / 1e3) if runs else "")
        print("| %s | %s |" % (method, " | ".join(cells)))


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
    (print_matrix if options.experiment == "mixed" else print_rows)(results)


if __name__ == "__main__":
    main()
