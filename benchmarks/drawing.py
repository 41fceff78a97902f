"""What a draw of `sampler: surrogate` takes after so many trials, and how good it is: learned from all, or from some.

The trials are texts of the simulated world (`simulated.py`), measured on the first rung. They get better as they do
in a search: the first are drawn by chance, the last are the best of five. Then the same 300 new points are offered to
a Gaussian process that learns from all trials, and to the one of the product, which learns from `MOST` of them at most
and fits its length scales to `FITTED`. What counts is the time, and by how many points of true accuracy the point that
is chosen lies behind the best of those offered. Both take one thread of linear algebra.

    python -m benchmarks.drawing [--worlds 12]
"""

from __future__ import annotations

import statistics
import time
from typing import Any

from autoprompt_search.core.fingerprint import fingerprint
from autoprompt_search.core.rng import derive_rng
from autoprompt_search.core.statistics.additive import Estimate, ScoreModel
from autoprompt_search.core.types import Params
from autoprompt_search.studies.point_sampler import CANDIDATES
from autoprompt_search.studies.surrogate import FITTED, MOST, most_promising
from benchmarks.harness import command_line, save
from benchmarks.machine import described, table
from benchmarks.simulated import RUNGS, World, space

TRIALS = (100, 300, 1000, 2000)
FEW = 2
"""Worlds of the longest search: a draw from all of its trials takes a minute."""
WAYS = {"all": {"most": 10**6, "fitted": 10**6}, "some": {"most": MOST, "fitted": FITTED}}
OVER = space()


def history(world: World, trials: int) -> list[tuple[Params, Estimate]]:
    """So many points, each with what is known of it."""
    rng, board, points = derive_rng(world.seed, "history", trials), ScoreModel(RUNGS), dict[str, Params]()
    while len(points) < trials:
        tried = [OVER.random_point(rng) for _ in range(1 + 4 * len(points) // trials)]
        best = max(tried, key=world.skill)
        if fingerprint(best) not in points:
            board.add(len(points), "text", world.measured(best, 0, paired=False))
            points[fingerprint(best)] = best
    known = board.estimates()
    return [(point, known[number]) for number, point in enumerate(points.values())]


def draws(trials: int, seed: int) -> list[dict[str, Any]]:
    """One draw in each way."""
    world = World(seed)
    seen, rng = history(world, trials), derive_rng(seed, "offered")
    offered = [OVER.random_point(rng) for _ in range(CANDIDATES)]
    truth = [world.truth(world.skill(point)) for point in offered]
    made = []
    for way, options in WAYS.items():
        before, worked = time.perf_counter(), time.process_time()
        chosen = most_promising(OVER, world.texts, seen, [], offered, **options)
        took, cpu = time.perf_counter() - before, time.process_time() - worked
        made.append({"trials": trials, "way": way, "seconds": took, "cpu": cpu, "behind": max(truth) - truth[chosen]})
    return made


def summary(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row per number of trials and way."""
    rows = []
    for trials in TRIALS:
        for way in WAYS:
            made = [f for f in found if (f["trials"], f["way"]) == (trials, way)]
            rows.append(
                {
                    "trials": trials,
                    "learned from": "all" if way == "all" else f"at most {MOST}",
                    "draws": len(made),
                    "seconds": round(statistics.median(f["seconds"] for f in made), 3),
                    "processor seconds": round(statistics.median(f["cpu"] for f in made), 3),
                    "points behind the best offered": round(statistics.fmean(f["behind"] for f in made), 2),
                }
            )
    return rows


def main() -> None:
    parser = command_line(__doc__, "drawing")
    parser.add_argument("--worlds", type=int, default=12)
    options = parser.parse_args()
    for seed in range(options.worlds):
        draws(20, seed)  # what is made once per process, or once per world
    found: list[dict[str, Any]] = []
    for trials in TRIALS:
        for seed in range(min(options.worlds, FEW) if trials == TRIALS[-1] else options.worlds):
            found += draws(trials, seed)
            print(found[-2:], flush=True)
    rows, remake = summary(found), f"python -m benchmarks.drawing --worlds {options.worlds}"
    made = {**described("scikit-learn"), "most": MOST, "fitted": FITTED, "rows": rows, "remake": remake}
    text = f"# A draw of the surrogate\n\nMade by `{remake}` on {made['machine']}.\n\n{table(rows)}\n"
    save(options.out, made, text)
    print(text)


if __name__ == "__main__":
    main()
