#!/usr/bin/env python3
"""DISTREAL beside methods that stay at what is always affordable: the table in docs/recipes/distreal.md.

    MUSTER_DATA=... python3 bench/width/distreal.py --muster build/muster [--seeds 1 2 3] [--rows distreal small] [--target 0.58] [--out runs/distreal]

All runs are examples/distreal.yaml. Of its speed a device has between a quarter and all, so a strong one can always afford a quarter of the whole
network's multiply-accumulates and a weak one an eighth: widths 0.5 (26 %) and 0.34 (13 %). Finished runs below --out are not run again. Prints a table in
Markdown: rounds and virtual time to the target accuracy, and the accuracy in the end, seed by seed.
"""
import argparse
import csv
import json
import os
import statistics
import subprocess

WIDTHS = ["--set", "what.widths=[0.34, 0.5]"]
ROWS = {
    "full": ("fedavg, all devices strong and undisturbed", ["--recipe", "fedavg", "--set", "fleet.mix={strong: 1}", "--set", "fleet.compute_share={min: 1}"]),
    "fedavg": ("fedavg", ["--recipe", "fedavg"]),
    "distreal": ("distreal, the searched table", []),
    "uniform": ("distreal, uniform rates", ["--set", "what.table=''"]),
    "task": ("distreal, the searched table, `redraw: task`", ["--set", "what.redraw=task"]),
    "heterofl": ("heterofl, widths 0.34 and 0.5", ["--recipe", "heterofl"] + WIDTHS),
    "dropout": ("federated-dropout, widths 0.34 and 0.5", ["--recipe", "federated-dropout"] + WIDTHS),
    "small": ("small, width 0.34", ["--recipe", "small", "--set", "what.width=0.34"]),
}


def run(arguments, row, seed):
    """The folder of one run."""
    folder = os.path.join(arguments.out, "%s-%d" % (row, seed))
    if not os.path.exists(os.path.join(folder, "summary.json")):
        subprocess.run([arguments.muster, "run", "examples/distreal.yaml", "--out", folder, "--replace", "--workers", "1", "--quiet",
                        "--set", "seed=%d" % seed] + ROWS[row][1], check=True)
    return folder


def reached(folder, target):
    """Round and virtual time of the first version that is looked at and has that accuracy; None: there is none."""
    with open(os.path.join(folder, "rounds.csv")) as file:
        for line in csv.DictReader(file):
            if line["accuracy"] and float(line["accuracy"]) >= target:
                return int(line["round"]), float(line["time_s"])
    return None


def cells(values, form):
    return ", ".join("never" if value is None else form % value for value in values)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--muster", default="build/muster")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--target", type=float, default=0.58)
    parser.add_argument("--out", default="runs/distreal")
    arguments = parser.parse_args()
    print("| | rounds to %g | virtual time to it, s | accuracy in the end | budget used | a round takes, s | sent by devices, MB |\n|---|---|---|---|---|---|---|"
          % arguments.target)
    for row in arguments.rows:
        folders = [run(arguments, row, seed) for seed in arguments.seeds]
        summaries = [json.load(open(os.path.join(folder, "summary.json"))) for folder in folders]
        times = [reached(folder, arguments.target) for folder in folders]
        accuracies = [summary["final_accuracy"] for summary in summaries]
        used = [summary.get("budget_used") for summary in summaries]
        print("| %s | %s | %s | %.3f (%s) | %s | %.2f | %.1f |" % (
            ROWS[row][0], cells([at and at[0] for at in times], "%d"), cells([at and at[1] for at in times], "%.0f"),
            statistics.mean(accuracies), cells(accuracies, "%.3f"), "" if None in used else "%.2f" % statistics.mean(used),
            statistics.mean(summary["virtual_time_s"] / summary["rounds"] for summary in summaries),
            statistics.mean(summary["bytes_up"] / 1e6 for summary in summaries)), flush=True)


if __name__ == "__main__":
    main()
