#!/usr/bin/env python3
"""Write pareto_reference.h: fronts and hypervolumes of some points, and how far NSGA-II gets on ZDT1 and ZDT2, by pymoo. The tests of
src/search hold ours to them.

    python3 tests/search/make_pareto_reference.py      needs numpy and pymoo (0.6.2 made the stored file); a few minutes
"""
import os

import numpy as np
import pymoo
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.indicators.hv import HV
from pymoo.operators.crossover.sbx import SBX
from pymoo.operators.mutation.pm import PM
from pymoo.optimize import minimize
from pymoo.problems import get_problem
from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting

SEEDS = 11


def c_array(kind, name, values):
    text = ", ".join(repr(float(v)) if kind == "double" else str(int(v)) for v in np.ravel(values))
    lines, line = [], "   "
    for word in text.split(" "):
        if len(line) + len(word) > 150:
            lines.append(line)
            line = "   "
        line += " " + word
    return f"static const {kind} {name}[] = {{\n" + "\n".join(lines + [line]) + "\n};\n"


def hypervolume(points, reference):
    return float(HV(ref_point=np.array(reference))(points))


def converged(problem):
    """Hypervolumes below (1.1, 1.1) with the settings of nsga2_test.c, sorted. Children that equal another member are kept, as in the
    paper; pymoo draws them anew if it is not told otherwise."""
    volumes = []
    for seed in range(SEEDS):
        algorithm = NSGA2(pop_size=100, crossover=SBX(eta=15, prob=0.9), mutation=PM(eta=20), eliminate_duplicates=False)
        volumes.append(hypervolume(minimize(get_problem(problem), algorithm, ("n_gen", 250), seed=seed).F, (1.1, 1.1)))
    return sorted(volumes)


random = np.random.default_rng(11)
out = [f"/* Made by tests/search/make_pareto_reference.py with pymoo {pymoo.__version__}. */\n", "enum { REFERENCE_POINTS = 80 };\n"]
for dimensions in (2, 3):
    # on a grid of a hundredth, so that there are equal values and a few equal points
    points = random.uniform(0, 1, (80, dimensions)).round(2)
    points[70:] = points[:10]
    ranks = np.empty(80, int)
    for rank, front in enumerate(NonDominatedSorting().do(points)):
        ranks[front] = rank
    out += [c_array("double", f"points_{dimensions}d", points), c_array("uint32_t", f"points_{dimensions}d_ranks", ranks)]
    for share, reference in (("all", 1.0), ("some", 0.6)):
        out.append(f"static const double points_{dimensions}d_volume_{share} = {hypervolume(points, [reference] * dimensions)!r};\n")
    # a front of its own: nobody dominates anybody on a sphere
    sphere = np.abs(random.normal(0, 1, (80, dimensions)))
    sphere = (1 - sphere / np.linalg.norm(sphere, axis=1, keepdims=True)).round(6)
    out.append(c_array("double", f"sphere_{dimensions}d", sphere))
    out.append(f"static const double sphere_{dimensions}d_volume = {hypervolume(sphere, [1.1] * dimensions)!r};\n")
for problem in ("zdt1", "zdt2"):
    volumes = converged(problem)
    out.append(f"/* over {SEEDS} seeds: lowest, median, highest */\n")
    out.append(c_array("double", f"{problem}_volumes", [volumes[0], volumes[SEEDS // 2], volumes[-1]]))
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "pareto_reference.h"), "w") as file:
    file.write("\n".join(out))
