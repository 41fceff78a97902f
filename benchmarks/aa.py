"""A/A: searches among prompts that are all equally good. Whatever they find is luck, and must not be called a gain.

Every search is whole: the study, its halving, the choice on dev, the sealed test split, intervals and verdict of the
product, over a backend of this file whose answers to an example depend on the example's difficulty and on chance alone.
Chance is drawn anew for every prompt, so that dev scores differ and one is always the highest. Wanted: a false
`promote` in at most 5 % of searches, intervals that cover the truth at least 93 % of the time, and a dev score of the
winner that is unbiased (within 0.3 points) once it is corrected for the choice. There are two ways to correct it:
shrinkage, and cross-fitting on five folds. Both are held against the truth of the dev examples, for the best on dev
(what choosing by the score alone would report) and for what the product chooses, which mostly is the baseline here;
their intervals, plus and minus 1.96 standard errors, against the truth of all examples of that kind.

    python -m benchmarks.aa [--searches 400] [--jobs 2]
"""

from __future__ import annotations

import math
import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from autoprompt_search.backends import BACKENDS
from autoprompt_search.confirm import FinalistEvaluator, Seal, confirm, corrected, rank
from autoprompt_search.confirm.comparison import ScoreComparison, Verdict, judge
from autoprompt_search.confirm.crossfit import cross_fitted
from autoprompt_search.core.arrays import Doubles
from autoprompt_search.core.measurements import Outcome, TrialRecord
from autoprompt_search.core.prompts import Rendered, SoftPrompt
from autoprompt_search.core.protocols.model import Scored
from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.core.rng import derive_rng, derive_seed
from autoprompt_search.ledger import Ledger
from autoprompt_search.metrics import metric_named
from autoprompt_search.runners.local import LocalRunner
from autoprompt_search.testing.factories import LABELS, WORDS, examples, job
from autoprompt_search.testing.runner_contract import drive
from benchmarks.harness import command_line, processes, save
from benchmarks.machine import described, table

DEV, TEST, RUNGS, TRIALS = 240, 300, (30, 80, 240), 24
EASE, SPREAD = 1.2, 1.5
"""Of examples, in log-odds: mean and standard deviation."""
NORMAL = 1.96
NAMES = {
    "raw": "of the best on dev, as it is",
    "shrunk": "the same, shrunk",
    "cross": "the best of the other folds, cross-fitted",
    "raw, chosen": "of what the product chooses, as it is",
    "shrunk, chosen": "the same, shrunk (`corrected`)",
    "cross, chosen": "the product's choice, cross-fitted (`cross_fitted`)",
}


class ChanceBackend:
    """Right with the probability that the example's difficulty says, whatever the prompt."""

    fingerprint = "chance"

    def problems(self, prompts: Sequence[Rendered], answers: Sequence[str], soft: int = 0) -> list[str]:
        """None."""
        return []

    def score(self, prompts: Sequence[Rendered], answers: Sequence[str], soft: SoftPrompt | None = None) -> Scored:
        """Seeded by the whole prompt, so that the same question gets the same answer."""
        rows = []
        for prompt in prompts:
            query = "".join(s.text for s in prompt.query or prompt.segments if s.origin.startswith("field"))
            right = next(i for i, label in enumerate(LABELS) if f"were {WORDS[label][0]}" in query)
            is_right = derive_seed("answer", prompt.text) / 2**32 < chance(query)
            rows.append([math.log(0.8 if (place == right) == is_right else 0.2) for place in range(len(answers))])
        return Scored(np.array(rows, dtype=np.float32).reshape(-1, len(answers)), (10,) * len(prompts))


@lru_cache(maxsize=4096)
def chance(query: str) -> float:
    """Of a right answer."""
    return 1 / (1 + math.exp(-derive_rng("ease", query).gauss(EASE, SPREAD)))


def one(seed: int) -> dict[str, Any]:
    """What one search found."""
    BACKENDS._paths["chance"] = f"{__name__}:ChanceBackend"
    dev, test = examples(DEV, name=f"dev {seed}", seed=seed), examples(TEST, name=f"test {seed}", seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        work = job(Path(folder), backend=ComponentSpec(type="chance"), dev=dev, rungs=RUNGS, seed=seed)
        records = drive(LocalRunner(), work, trials=TRIALS).records
        ledger = Ledger(work.state / "ledger.sqlite")
        scale = ScoreComparison(metric_named(work.metric, work.labels), work.labels, 0.95)
        bench = FinalistEvaluator(work, LocalRunner(), ledger)
        _, ranked = rank(records)
        values = [scale.contributions(bench.trial_on_dev(r)) for r in ranked]
        found = confirm(records, work, Seal(test), runner=LocalRunner(), ledger=ledger, count=3, confidence=0.95)
        ledger.close()
        parted = cross_fitted(
            scale, seed, [e.target for e in dev], partial(highest, values, ranked), said(bench, ranked)
        )
    truth = statistics.fmean(chance(e.inputs["text"]) for e in dev)
    top = ranked[0].measurements[-1]
    shrunk = corrected(records, ranked[0].number, values)
    if parted is None or found.cross_fitted is None:
        raise AssertionError("dev is large enough for folds")
    scores = {
        "raw": (top.score, top.stderr),
        "shrunk": (shrunk, top.stderr),
        "cross": (parted.score, parted.stderr),
        "raw, chosen": (found.best.dev.score, found.best.dev.stderr),
        "shrunk, chosen": (found.corrected, found.best.dev.stderr),
        "cross, chosen": (found.cross_fitted.score, found.cross_fitted.stderr),
    }
    rivals = [f for f in found.finalists if f.record.number != found.baseline.record.number]
    gaps = [scale.difference(f.test, found.baseline.test) for f in rivals]
    return {
        "promoted": found.verdict is Verdict.PROMOTE,
        "promoted_unguarded": any(judge(gap) is Verdict.PROMOTE for gap in gaps[:1]),
        "left": found.best.record.number != found.baseline.record.number,
        "covered": [gap.low <= 0 <= gap.high for gap in gaps],
        "errors": {way: score - truth for way, (score, _) in scores.items()},
        "covers": {way: abs(score - overall()) <= NORMAL * stderr for way, (score, stderr) in scores.items()},
    }


def highest(values: list[Doubles], ranked: list[TrialRecord], rows: Sequence[int]) -> int:
    """The trial with the highest score on these examples; of equal ones that with the higher score on all of dev."""
    return ranked[int(np.argmax(np.array(values)[:, list(rows)].mean(axis=1)))].number


def said(bench: FinalistEvaluator, ranked: list[TrialRecord]) -> Callable[[int], Sequence[Outcome]]:
    """What each trial said on dev."""
    known = {r.number: bench.trial_on_dev(r).outcomes for r in ranked}
    return known.__getitem__


@lru_cache(maxsize=1)
def overall() -> float:
    """Chance of a right answer over all examples, by quadrature."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    return float((weights / (1 + np.exp(-EASE - SPREAD * nodes))).sum() / weights.sum())


def summary(found: list[dict[str, Any]]) -> dict[str, Any]:
    """The figures that are asked for, and what they would be without our doing."""
    covered = [c for f in found for c in f["covered"]]
    ways = {
        way: {
            "bias_points": round(100 * statistics.fmean(f["errors"][way] for f in found), 3),
            "bias_points_stderr": round(100 * statistics.stdev(f["errors"][way] for f in found) / len(found) ** 0.5, 3),
            "error_points": round(100 * statistics.fmean(f["errors"][way] ** 2 for f in found) ** 0.5, 3),
            "coverage": round(statistics.fmean(f["covers"][way] for f in found), 4),
        }
        for way in found[0]["errors"]
    }
    return {
        "false_promote": round(statistics.fmean(f["promoted"] for f in found), 4),
        "coverage": round(statistics.fmean(covered), 4),
        "bias_points": ways["shrunk"]["bias_points"],
        "searches": len(found),
        "intervals": len(covered),
        "bias_points_stderr": ways["shrunk"]["bias_points_stderr"],
        "raw_bias_points": ways["raw"]["bias_points"],
        "baseline_left": round(statistics.fmean(f["left"] for f in found), 4),
        "false_promote_of_the_best_on_dev": round(statistics.fmean(f["promoted_unguarded"] for f in found), 4),
        "ways": ways,
        "remake": f"python -m benchmarks.aa --searches {len(found)}",
    }


def text_of(made: Mapping[str, Any]) -> str:
    """The tables, as Markdown."""
    verdicts = [
        {"searches that": "call their choice better (*promote*)", "share": f"{made['false_promote']:.2%}"},
        {"searches that": "leave the baseline", "share": f"{made['baseline_left']:.2%}"},
        {
            "searches that": "would call it better, had they chosen the best rival on dev whatever its lead",
            "share": f"{made['false_promote_of_the_best_on_dev']:.2%}",
        },
    ]
    least = min(("shrunk", "cross"), key=lambda way: abs(made["ways"][way]["bias_points"]))
    scores = [
        {
            "dev score": NAMES[way],
            "bias in points": f"{row['bias_points']:+.2f} ± {row['bias_points_stderr']:.2f}",
            "error in points": f"{row['error_points']:.2f}",
            "interval covers": f"{row['coverage']:.1%}",
        }
        for way, row in made["ways"].items()
    ]
    return (
        f"# Searches among equally good prompts\n\nMade by `{made['remake']}` on {made['machine']}: {made['searches']} "
        f"searches of {TRIALS} prompts, none better than another, {DEV} dev and {TEST} test examples, rungs "
        f"{list(RUNGS)}. ± is one standard error.\n\n## Verdicts\n\n{table(verdicts)}\n\nWanted: at most 5% *promote*. "
        f"The intervals of differences on test cover the truth, no difference, in {made['coverage']:.1%} of "
        f"{made['intervals']}; wanted: at least 93%.\n\n## What dev says of the winner\n\n{table(scores)}\n\n"
        "Bias and error (root mean square) are against the truth of the dev examples; intervals, of 95%, against that "
        "of all examples. Wanted: a bias within 0.3 points. Of the best on dev the less biased of the two corrections "
        f"is {'shrinkage' if least == 'shrunk' else 'cross-fitting'}. What cross-fitting cannot see is early stopping: "
        "whoever reached the last rung was lucky on the first examples, in every fold. Shrinkage sees the stopped "
        "trials too.\n"
    )


def main() -> None:
    parser = command_line(__doc__, "aa")
    parser.add_argument("--searches", type=int, default=400)
    parser.add_argument("--jobs", type=int, default=2, help="processes side by side, one core each")
    options = parser.parse_args()
    with processes(options.jobs) as pool:
        found = list(pool.map(one, range(options.searches), chunksize=5))
    made = summary(found) | described()
    save(options.out, made, text_of(made))
    print(text_of(made))


if __name__ == "__main__":
    main()
