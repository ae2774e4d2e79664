"""Comparisons of single training steps: sides take turns of a fraction of a second, pinned to one core, round after round.

Muster and oneDNN are started for every turn; PyTorch, which takes seconds to start, is a server that waits for its next turn.
"""

import json
import os
import statistics
import subprocess
import sys
import time

from shared import BUSY_MACHINE, HERE, ONE_THREAD, PYTHON, ROOT, TICKS_PER_S, machine_busy_s, names, peer_line

ONEDNN = ROOT / "build" / "peers-onednn" / "onednn_step"
TORCH_STEP = HERE / "sides" / "torch_step.py"
IMAGE_CASES = ("fedavg-cnn-b32", "cifar-cnn-b10", "cifar-cnn-b32", "resnet20-b32", "resnet18-b32", "mobilenetv2-32-b32",
               "mobilenetv2-96-b8", "ds-cnn-b32", "femnist-cnn-b20", "pfl-cnn-b10")
ONEDNN_CASES = ("fedavg-cnn-b32", "cifar-cnn-b10", "cifar-cnn-b32", "resnet20-b32", "resnet18-b32", "char-lstm-b10", "mlp-b16")
CASES = (*ONEDNN_CASES, *(case for case in IMAGE_CASES if case not in ONEDNN_CASES))
SAME_PARAMETERS = 0.005         # oneDNN's LSTM has one bias where PyTorch's has two
QUIET_ROUNDS = 3                # that many are enough to leave the others out


class Muster:
    cases = CASES

    def __init__(self, options):
        self.program = str(options.muster)

    def turn(self, bench, case, seconds):
        which = ["--cases", case] if case else []
        return run([self.program, "bench", bench, *which, "--repeats", "1", "--seconds", str(seconds), "--format", "json"])


class OneDnn:
    cases = ONEDNN_CASES

    def __init__(self, algorithm):
        self.algorithm = algorithm

    def turn(self, bench, case, seconds):
        return run([str(ONEDNN), bench, *([case] if case else []), self.algorithm, str(seconds)])


class Torch:
    servers = []        # one for all layouts

    def __init__(self, layout):
        self.layout = layout
        self.cases = IMAGE_CASES if layout == "channels-last" else CASES
        if not self.servers:
            self.servers.append(subprocess.Popen([PYTHON, str(TORCH_STEP)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                                 env=environment()))

    def turn(self, bench, case, seconds):
        server = self.servers[0]
        print(bench, *([case] if case else []), self.layout, seconds, file=server.stdin, flush=True)
        line = server.stdout.readline()
        if not line:
            sys.exit(f"compare: {TORCH_STEP} ended with {server.wait()} and no result")
        return json.loads(line)

    def end(self):
        while self.servers:
            self.servers.pop().communicate()


SIDES = {
    "muster": Muster,
    "onednn": lambda options: OneDnn("direct"),
    "onednn-auto": lambda options: OneDnn("auto"),
    "torch": lambda options: Torch("default"),
    "torch-channels-last": lambda options: Torch("channels-last"),
}


def environment():
    return dict(os.environ, **ONE_THREAD)


def run(command):
    process = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())
    if process.returncode != 0:
        sys.exit(f"compare: {' '.join(command)}\n  ended with {process.returncode}; its last words:\n{process.stderr[-2000:]}")
    return json.loads(process.stdout)


def others_share(began_s, busy_before_s):
    """Of the machine, since then. We have used one core all the time."""
    wall_s = time.perf_counter() - began_s
    others_s = machine_busy_s() - busy_before_s - wall_s - 1 / TICKS_PER_S
    return min(1.0, max(0.0, others_s) / (wall_s * os.cpu_count()))


def measure(options):
    """All turns, as results[case][side] = [one a round]."""
    sides = {name: SIDES[name](options) for name in options.sides}
    results = {}
    requests = options.cases if options.bench == "step" else [None]
    for round_number in range(options.rounds):
        for case in requests:
            for name, side in sides.items():
                if case and case not in side.cases:
                    continue
                began_s, busy_before_s = time.perf_counter(), machine_busy_s()
                rows = side.turn(options.bench, case, options.seconds)["cases"]
                share = others_share(began_s, busy_before_s)
                for row in rows:
                    results.setdefault(row["case"], {}).setdefault(name, []).append(dict(row, others_share=share))
                print(f"{round_number + 1}/{options.rounds} {case or options.bench} {name}: "
                      f"{sum(row['median_s'] for row in rows) * 1e3:.3f} ms; others used {share:.0%}", file=sys.stderr)
    for side in sides.values():
        if isinstance(side, Torch):
            side.end()
    return results


def quiet(rounds, *turns_of_sides):
    """The rounds in which the machine had little else to do while these sides had their turns, if there are enough of them; else all."""
    undisturbed = [i for i in rounds if all(turns[i]["others_share"] <= BUSY_MACHINE for turns in turns_of_sides)]
    return undisturbed if len(undisturbed) >= QUIET_ROUNDS else rounds


def time_s(turns):
    return statistics.median(turns[i]["median_s"] for i in quiet(range(len(turns)), turns))


def ratio(own, theirs):
    """The median over the rounds of one side's time by the other's in the same round: what disturbs the machine for a while strikes both."""
    return statistics.median(own[i]["median_s"] / theirs[i]["median_s"] for i in quiet(range(len(own)), own, theirs))


def check_same_work(case, sides):
    """Networks of one name have as many parameters everywhere."""
    counts = {name: turns[0]["parameters"] for name, turns in sides.items()}
    if max(counts.values()) > min(counts.values()) * (1 + SAME_PARAMETERS):
        sys.exit(f"compare: {case} is not the same network everywhere; parameters: {counts}")


def print_table(results, options):
    peers = [name for name in options.sides if name != "muster"]
    row = "{:<20} {:>11}" + " {:>21}" * len(peers)
    print("\n" + row.format("case", "muster", *peers), file=sys.stderr)
    for case, sides in results.items():
        own_s = time_s(sides["muster"]) if "muster" in sides else None
        cells = []
        for peer in peers:
            their_s = time_s(sides[peer]) if peer in sides else None
            bracket = f" ({ratio(sides['muster'], sides[peer]):.3f})" if their_s and own_s else ""
            cells.append(f"{their_s * 1e3:.3f}{bracket}" if their_s else "-")
        print(row.format(case, f"{own_s * 1e3:.3f}" if own_s else "-", *cells), file=sys.stderr)
    print("Milliseconds, medians over the rounds, one thread; in brackets Muster's time by theirs in the same round: below 1, Muster is "
          "faster.\n", file=sys.stderr)
    all_turns = [turn for sides in results.values() for turns in sides.values() for turn in turns]
    disturbed = [turn for turn in all_turns if turn["others_share"] > BUSY_MACHINE]
    if disturbed:
        print(f"compare: in {len(disturbed)} of {len(all_turns)} turns the machine was busy with other work; they were left out where "
              f"{QUIET_ROUNDS} others remained", file=sys.stderr)


def sum_ratio(both, peer):
    """All widths together, round by round."""
    def sum_of(side, i):
        return sum(sides[side][i]["median_s"] for sides in both.values())
    first = next(iter(both.values()))
    rounds = quiet(range(len(first["muster"])), first["muster"], first[peer])
    return statistics.median(sum_of("muster", i) / sum_of(peer, i) for i in rounds)


def line_of(bench, peer, results):
    """A peer's line. Of the widths it also says what all of them take together, and how slow a width of Muster's is beside the next."""
    both = {case: sides for case, sides in results.items() if peer in sides and "muster" in sides}
    if not both:
        return {"bench": bench, "peer": peer, "median_s": {case: time_s(sides[peer]) for case, sides in results.items() if peer in sides}}
    line = peer_line(bench, peer, {case: ratio(sides["muster"], sides[peer]) for case, sides in both.items()})
    if bench == "widths":
        line["sum_ratio"] = sum_ratio(both, peer)
        own = [sides["muster"] for sides in both.values()]
        line["worst_by_next"] = max(ratio(narrow, wide) for narrow, wide in zip(own, own[1:]))
    return line


def check(options):
    """What is missing, said before the first minute is spent."""
    if "muster" in options.sides and not os.access(options.muster, os.X_OK):
        sys.exit(f"compare: no {options.muster}; build it, or leave it out: --sides onednn,torch")
    if any(name.startswith("onednn") for name in options.sides) and not os.access(ONEDNN, os.X_OK):
        sys.exit(f"compare: no {ONEDNN}; with oneDNN there (Debian: apt-get install libdnnl-dev) bench/peers/install builds it")
    if any(name.startswith("torch") for name in options.sides) and not os.access(PYTHON, os.X_OK):
        sys.exit(f"compare: no {PYTHON}; run bench/peers/install")
    if options.core not in os.sched_getaffinity(0):
        sys.exit(f"compare: no core {options.core}; there are {sorted(os.sched_getaffinity(0))}")


def compare(options):
    check(options)
    os.sched_setaffinity(0, {options.core})     # and whatever is started from here
    results = measure(options)
    for case, sides in results.items():
        check_same_work(case, sides)
    print_table(results, options)
    return results, [line_of(options.bench, peer, results) for peer in options.sides if peer != "muster"]


def add_arguments(parser, bench):
    if bench == "step":
        parser.add_argument("--cases", type=names(CASES), default=list(CASES), help=",".join(CASES))
    parser.add_argument("--rounds", type=int, default=7, help="turns of every side")
    parser.add_argument("--seconds", type=float, default=0.3 if bench == "step" else 0.03, help="of a turn of one network")
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)), help="the processor that everything is pinned to")
