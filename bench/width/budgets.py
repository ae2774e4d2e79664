#!/usr/bin/env python3
"""What width methods make of a budget: the table in bench/README.md and its figure.

    for turn in 1 2 3; do for model in lenet5 cifar-cnn resnet20 char-lstm-every; do
      chrt -f 50 taskset -c 1 build/muster bench budgets --models $model --repeats 5 --format json >runs/budgets-$model-$turn.json
    done; done
    python3 bench/width/budgets.py runs/budgets-*.json --figure bench/width/budgets.svg

Prints a table for each network: measured time, held memory and upload over those of the whole network, by rule and budget. Of a network that was measured
several times, times and their ratios are medians.
"""
import argparse
import json
import statistics

PARTS = ["heterofl", "fedrolex", "federated-dropout", "afd", "fluid"]  # one part for the whole task
COLOURS = {"heterofl": "#7b8794", "fedrolex": "#7b8794", "federated-dropout": "#7b8794", "afd": "#7b8794", "fluid": "#7b8794",
           "fjord": "#1f77b4", "fjord, distilled": "#9467bd", "distreal": "#d62728"}
SHOWN = [("a part for the task (five rules)", "#7b8794"), ("fjord", "#1f77b4"), ("fjord, distilled", "#9467bd"), ("distreal", "#d62728")]
QUANTITIES = [("time_ratio", "time"), ("memory_ratio", "peak memory"), ("up_ratio", "upload")]
PANEL, GAP, LEFT, TOP, TALLEST = 150, 34, 56, 56, 1.4


def read(paths):
    """Rows by network, in the order in which they come."""
    measured = {}
    for path in paths:
        with open(path) as file:
            for row in json.load(file)["rows"]:
                measured.setdefault((row["model"], row["rule"], row["budget"]), []).append(row)
    results = {}
    for (model, _, _), rows in measured.items():
        times = {key: statistics.median(row[key] for row in rows) for key in ("median_s", "time_ratio")}
        results.setdefault(model, []).append({**rows[0], **times})
    return results


def print_table(model, rows):
    budgets = list(dict.fromkeys(row["budget"] for row in rows))
    rules = list(dict.fromkeys(row["rule"] for row in rows if row["rule"] != "fedavg"))
    cell = {(row["rule"], row["budget"]): row for row in rows}
    whole = next(row for row in rows if row["rule"] == "fedavg")
    print("\n`%s`: the whole takes %.2f ms a mini-batch and %.1f MiB, and is %.2f MB\n" % (
        model, 1e3 * whole["median_s"], whole["held_memory_bytes"] / 2**20, whole["bytes_up"] / 1e6))
    print("| MACs / time / memory / upload | " + " | ".join(budgets) + " |")
    print("|---" * (1 + len(budgets)) + "|")
    for rule in rules:
        print("| %s | %s |" % (rule, " | ".join("%.2f / %.2f / %.2f / %.2f" % tuple(
            cell[rule, budget][key] for key in ("macs_ratio", "time_ratio", "memory_ratio", "up_ratio")) for budget in budgets)))


def panel(rows, key, x, y):
    top = TALLEST  # of the axis upwards
    out = ['<rect x="%d" y="%d" width="%d" height="%d" fill="none" stroke="#c5ccd3"/>' % (x, y, PANEL, PANEL)]
    place = lambda across, up: (x + PANEL * across, y + PANEL * (1 - up / top))
    (x0, y0), (x1, y1) = place(0, 0), place(1, 1)
    out.append('<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="#c5ccd3" stroke-dasharray="3 3"/>' % (x0, y0, x1, y1))
    for rule in COLOURS:
        points = [place(row["macs_ratio"], row[key]) for row in rows if row["rule"] == rule]
        small = rule in PARTS
        out.append('<polyline points="%s" fill="none" stroke="%s" stroke-width="%s"/>' % (
            " ".join("%.1f,%.1f" % point for point in points), COLOURS[rule], "0.7" if small else "1.2"))
        out += ['<circle cx="%.1f" cy="%.1f" r="%s" fill="%s"/>' % (*point, "1.8" if small else "2.6", COLOURS[rule]) for point in points]
    return out


def figure(results):
    width, height = LEFT + len(results) * (PANEL + GAP), TOP + len(QUANTITIES) * (PANEL + GAP) + 20
    out = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="11" fill="#25303b">' % (width, height),
           '<rect width="%d" height="%d" fill="white"/>' % (width, height)]
    for i, (name, colour) in enumerate(SHOWN):
        x = LEFT + i * 190
        out.append('<circle cx="%d" cy="16" r="4" fill="%s"/><text x="%d" y="20">%s</text>' % (x + 4, colour, x + 14, name))
    for column, (model, rows) in enumerate(results.items()):
        x = LEFT + column * (PANEL + GAP)
        out.append('<text x="%d" y="%d" text-anchor="middle" font-weight="bold">%s</text>' % (x + PANEL / 2, TOP - 8, model))
        for line, (key, name) in enumerate(QUANTITIES):
            y = TOP + line * (PANEL + GAP)
            out += panel(rows, key, x, y)
            for tick in (0, 0.5, 1):
                up = y + PANEL * (1 - tick / TALLEST)
                if column == 0:
                    out.append('<text x="%d" y="%.1f" text-anchor="end">%g</text>' % (x - 5, up + 4, tick))
                out.append('<text x="%.1f" y="%d" text-anchor="middle">%g</text>' % (x + PANEL * tick, y + PANEL + 13, tick))
            if column == 0:
                out.append('<text transform="translate(%d %d) rotate(-90)" text-anchor="middle">%s, of the whole\'s</text>' % (16, y + PANEL / 2, name))
    out.append('<text x="%d" y="%d" text-anchor="middle">counted multiply-accumulates, of the whole\'s</text>' % (width / 2, height - 8))
    return "\n".join(out + ["</svg>", ""])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="+", help="JSON by muster bench budgets")
    parser.add_argument("--figure", help="an SVG to write")
    options = parser.parse_args()
    results = read(options.results)
    for model, rows in results.items():
        print_table(model, rows)
    if options.figure:
        with open(options.figure, "w") as file:
            file.write(figure(results))


if __name__ == "__main__":
    main()
