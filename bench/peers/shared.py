"""What every comparison needs: where things are, what else the machine does meanwhile, and the line that a peer gets."""

import argparse
import math
import os
import pathlib
import statistics

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
VENV = pathlib.Path(os.environ.get("MUSTER_PEERS_VENV", ROOT / "build" / "peers-venv"))
PYTHON = str(VENV / "bin" / "python")
BUSY_MACHINE = 0.1          # of its processor time spent on others: the times are not to be trusted
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}


def machine_busy_s():
    """Processor time that all processors have spent on anything, or had taken away by a hypervisor."""
    user, nice, system, _idle, _waiting, *rest = map(int, pathlib.Path("/proc/stat").read_text().split("\n")[0].split()[1:9])
    return (user + nice + system + sum(rest)) / TICKS_PER_S


def names(known):
    """The type of an argument that is a list "A,B" of known names."""
    def parse(text):
        for name in text.split(","):
            if name not in known:
                raise argparse.ArgumentTypeError(f"no '{name}'; there are {', '.join(known)}")
        return text.split(",")
    return parse


def peer_line(bench, peer, ratios):
    """A peer's line: Muster's time by the peer's, for each case."""
    return {"bench": bench, "peer": peer, "geomean_ratio": math.exp(statistics.fmean(map(math.log, ratios.values()))),
            "worst_ratio": max(ratios.values()), "cases": ratios}
