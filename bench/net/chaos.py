#!/usr/bin/env python3
"""Federations that are served, disturbed again and again.

    bench/net/chaos.py build/muster                          100 kills of the coordinator, and as many of devices
    bench/net/chaos.py build/muster --kills 20 --seed 5
    bench/net/chaos.py build/muster --modes "checkpoints; all files" --recipes fjord,fedbuff

In turn, federation by federation: the coordinator killed (SIGKILL); devices killed; the network cut; all of it, with TLS and without; answers swallowed; all of it with an
asynchronous method; the coordinator killed in the middle of writing checkpoints; it and devices in the middle of their work on any file. Whoever is killed is started again at once. After each federation its books are checked and its model is compared with the simulator's
(tests/net/served.py). Ends with status 1 at the first thing that does not hold, whose folder is kept. A table goes to standard output."""

import argparse
import collections
import pathlib
import sys
import tempfile
import time

sys.dont_write_bytecode = True      # beside the sources
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests" / "net"))

from chaos import ASYNCHRONOUS, EXPERIMENT, KEEP_EVERY_S, WORK_ON_FILES, once
from cutting_proxy import CuttingProxy, DeafProxy
from served import Broken, Served, build_crash_points, free_port, simulate

RECIPES = ("fedavg", "scaffold", "heterofl", "fedadam", "fjord")
# Coordinator kills and device kills of one federation, at most; the network; TLS; asynchronous. Those of WORK_ON_FILES come after them.
MODES = {
    "coordinator": (8, 0, None, True, False),
    "devices": (0, 8, None, True, False),
    "network": (0, 0, CuttingProxy, True, False),
    "all": (8, 8, CuttingProxy, True, False),
    "all, without TLS": (8, 8, CuttingProxy, False, False),
    "answers swallowed": (0, 0, DeafProxy, False, False),
    "all, asynchronous": (8, 8, CuttingProxy, True, True),
}
COLUMNS = ("federations", "coordinator", "starting", "enrolment", "rounds", "finishing", "checkpoint", "device", "training", "files", "connections", "cuts", "passed_kb",
           "merged", "acknowledged", "unheard", "swallowed", "after the end", "seconds")


class Bench:
    def __init__(self, muster, work, seed, recipes):
        self.muster, self.work, self.seed, self.recipes = muster, work, seed, recipes
        self.library = build_crash_points(work)
        self.crashes = collections.Counter()
        self.synchronous, self.asynchronous = work / "synchronous.yaml", work / "asynchronous.yaml"
        self.synchronous.write_text(EXPERIMENT)
        self.asynchronous.write_text(ASYNCHRONOUS)
        self.wanted = {}
        self.length_s = 4           # what a federation takes when nobody disturbs it: as long as the quickest of those that were not
        self.table = {mode: collections.Counter() for mode in [*MODES, *WORK_ON_FILES]}

    def prepare(self, recipe, experiment, synchronous):
        """The simulator's model, and an undisturbed federation that ends with it."""
        folder = self.work / recipe
        folder.mkdir()
        self.wanted[recipe] = simulate(self.muster, folder, experiment, recipe) if synchronous else None
        served = Served(self.muster, folder / "undisturbed", experiment, recipe, free_port(), keep_every_s=KEEP_EVERY_S)
        try:
            seconds = served.run()
            self.length_s = min(self.length_s, seconds)
            served.check_books(synchronous)
            if synchronous:
                served.expect_model(self.wanted[recipe])
        finally:
            served.close()
        print("%s: %.1f s undisturbed" % (recipe, seconds), file=sys.stderr)

    def one(self, mode):
        coordinator_kills, device_kills, network, tls, asynchronous = MODES.get(mode, (0, 0, None, True, False))
        crashes = WORK_ON_FILES[mode](self.library) if mode in WORK_ON_FILES else None
        row = self.table[mode]
        recipe = "fedbuff" if asynchronous else self.recipes[row["federations"] % len(self.recipes)]
        if network is DeafProxy:
            recipe = "scaffold"     # whose devices must know what was merged
        asynchronous = recipe in ("fedbuff", "fedasync")
        experiment = self.asynchronous if asynchronous else self.synchronous
        if recipe not in self.wanted:
            self.prepare(recipe, experiment, not asynchronous)
        self.seed += 1
        began_s = time.monotonic()
        served, proxy, counts = once(self.muster, self.work / ("%s-%d" % (recipe, self.seed)), experiment, recipe, self.length_s, coordinator_kills,
                                     device_kills, network, tls, self.seed, self.wanted[recipe], crashes)
        self.crashes.update(served.crashes)
        row.update(counts)
        row.update(served.kills)
        row["seconds"] += time.monotonic() - began_s
        row["federations"] += 1
        if proxy:
            row.update({"connections": proxy.connections, "cuts": proxy.cuts, "passed_kb": proxy.passed_bytes // 1000,
                        "swallowed": getattr(proxy, "swallowed", 0)})
        print("%-18s %-10s seed %d: %d and %d kills, %.1f s" % (mode, recipe, self.seed, served.kills["coordinator"], served.kills["device"],
                                                               time.monotonic() - began_s), file=sys.stderr, flush=True)

    def kills(self):
        return sum(row["coordinator"] for row in self.table.values())

    def print_table(self):
        table = {mode: row for mode, row in self.table.items() if row["federations"]}
        print("| | " + " | ".join(table) + " | together |")
        print("|---|" + "---|" * (len(table) + 1))
        for column in COLUMNS:
            values = [row[column] for row in table.values()]
            print("| %s | %s |" % (column, " | ".join("%.0f" % value for value in values + [sum(values)])))
        for point, count in self.crashes.most_common():
            print("%5d %s" % (count, point))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("muster", type=pathlib.Path)
    parser.add_argument("--kills", type=int, default=100, help="of the coordinator, at least")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--modes", default="", help="some of: " + "; ".join([*MODES, *WORK_ON_FILES]))
    parser.add_argument("--recipes", default=",".join(RECIPES), help="that modes which are not of one recipe take in turn")
    parser.add_argument("--work", type=pathlib.Path, help="where to work; otherwise a folder in /tmp")
    arguments = parser.parse_args()
    work = arguments.work or pathlib.Path(tempfile.mkdtemp(prefix="muster-chaos-"))
    work.mkdir(exist_ok=True)
    bench = Bench(arguments.muster.resolve(), work, arguments.seed, arguments.recipes.split(","))
    modes = [mode.strip() for mode in arguments.modes.split(";")] if arguments.modes else list(bench.table)
    try:
        turn = 0
        while turn < len(modes) or bench.kills() < arguments.kills:
            bench.one(modes[turn % len(modes)])
            turn += 1
    except Broken as broken:
        bench.print_table()
        print("FAILED: %s" % broken, file=sys.stderr)
        return 1
    bench.print_table()
    return 0


if __name__ == "__main__":
    sys.exit(main())
