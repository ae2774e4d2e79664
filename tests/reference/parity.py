#!/usr/bin/env python3
"""One federation, twice: by Muster and by the plain PyTorch loop of federation.py, on the same devices' examples, with the same cohorts and
the same first weights. Only the order of the examples within a device is each program's own.

    MUSTER_DATA=... python tests/reference/parity.py --out tests/reference/parity_fashion_mnist.json

with the program of build/, or the one that MUSTER_PROGRAM names.

Runs examples/fashion-mnist.yaml evenly spread and under Dirichlet(0.1), some minutes each, and writes both accuracies, round by round.
"""

import argparse
import csv
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXPERIMENT = ROOT / "examples" / "fashion-mnist.yaml"
PARTITIONS = {"iid": "data.partition={name: iid}", "dirichlet:0.1": "data.partition={name: dirichlet, alpha: 0.1}"}


def muster(*words):
    program = os.environ.get("MUSTER_PROGRAM", ROOT / "build" / "muster")
    subprocess.run([program, *map(str, words)], check=True)


def cohorts_of(run):
    """Who was merged in each round, from the run's events."""
    rounds = {}
    for line in (run / "events.jsonl").read_text().splitlines():
        event = json.loads(line)
        if event["event"] == "merged":
            rounds.setdefault(event["round"], []).append(event["device"])
    return [rounds[number] for number in sorted(rounds)]


def accuracies_of(run):
    with open(run / "rounds.csv", newline="") as file:
        return [float(row["accuracy"]) for row in csv.DictReader(file)][1:]


def figures(accuracies):
    return {"final_accuracy": accuracies[-1], "mean_accuracy_last_10_rounds": round(sum(accuracies[-10:]) / 10, 4),
            "accuracy_by_round": accuracies}


def compare(distribution, rounds, folder):
    setting = ["--set", PARTITIONS[distribution], "--set", "fleet={mix: {workstation: 1}}"]
    muster("run", EXPERIMENT, *setting, "--set", f"rounds={rounds}", "--out", folder / "run")
    muster("run", EXPERIMENT, *setting, "--set", "rounds=0", "--out", folder / "start")
    muster("data", EXPERIMENT, *setting, "--export", folder / "partition.json")
    (folder / "cohorts.json").write_text(json.dumps({"cohorts": cohorts_of(folder / "run")}))
    subprocess.run([sys.executable, ROOT / "tests" / "reference" / "federation.py", "--rounds", str(rounds), "--distribution", distribution,
                    "--partition", folder / "partition.json", "--cohorts", folder / "cohorts.json",
                    "--weights", folder / "start" / "model.safetensors", "--out", folder / "torch.json"], check=True)
    reference = json.loads((folder / "torch.json").read_text())
    ours, theirs = figures(accuracies_of(folder / "run")), figures(reference["runs"][0]["accuracy_by_round"])
    print(f"{distribution}: final accuracy {ours['final_accuracy']:.4f} by muster, {theirs['final_accuracy']:.4f} by PyTorch; mean of the "
          f"last ten rounds {ours['mean_accuracy_last_10_rounds']:.4f} and {theirs['mean_accuracy_last_10_rounds']:.4f}", flush=True)
    return {"distribution": distribution, "muster": ours, "torch": theirs, "torch_version": reference["torch"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--distribution", nargs="+", default=list(PARTITIONS), choices=list(PARTITIONS))
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--out", help="write the figures here")
    options = parser.parse_args()
    results = {"what": "examples/fashion-mnist.yaml by Muster and by PyTorch: same examples on the same devices, same cohorts, same first weights",
               "command": "python tests/reference/parity.py --out tests/reference/parity_fashion_mnist.json", "runs": []}
    for distribution in options.distribution:
        with tempfile.TemporaryDirectory() as folder:
            results["runs"].append(compare(distribution, options.rounds, pathlib.Path(folder)))
        if options.out:
            text = json.dumps(results, indent=1)
            # A curve on one line: fifty lines of one number each help nobody.
            text = re.sub(r"\[\s+([-0-9.,\s]+?)\s+\]", lambda match: "[" + " ".join(match.group(1).split()) + "]", text)
            pathlib.Path(options.out).write_text(text + "\n")


if __name__ == "__main__":
    main()
