"""A/A: searches among prompts that are all equally good. Whatever they find is luck, and must not be called a gain.

Every search is whole: the study, its halving, the choice on dev, the sealed test split, intervals and verdict of the
product, over a backend of this file whose answers to an example depend on the example's difficulty and on chance alone.
Chance is drawn anew for every prompt, so that dev scores differ and one is always the highest. Wanted: a false
`promote` in at most 5 % of searches, intervals that cover the truth at least 93 % of the time, and a dev score of the
winner that is unbiased (within 0.3 points) once it is corrected for the choice.

    python benchmarks/aa.py [--searches 400] [--jobs 2]
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from autoprompt_search.backends import BACKENDS
from autoprompt_search.confirm import Bench, Seal, confirm, corrected, rank
from autoprompt_search.confirm.judging import Scale, Verdict, judge
from autoprompt_search.core.protocols import Scored
from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.core.rng import derive_rng, derive_seed
from autoprompt_search.core.types import Rendered, SoftPrompt
from autoprompt_search.ledger import Ledger
from autoprompt_search.runners.local import LocalRunner
from autoprompt_search.testing.factories import LABELS, WORDS, examples, job
from autoprompt_search.testing.runner_contract import drive

ROOT = Path(__file__).parents[1]
DEV, TEST, RUNGS, TRIALS = 240, 300, (30, 80, 240), 24
EASE, SPREAD = 1.2, 1.5
"""Of examples, in log-odds: mean and standard deviation."""


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
        scale, bench = Scale(work.metric, work.labels, 0.95), Bench(work, LocalRunner(), ledger)
        _, ranked = rank(records)
        values = [scale.contributions(bench.trial_on_dev(r)) for r in ranked]
        found = confirm(records, work, Seal(test), runner=LocalRunner(), ledger=ledger, count=3, confidence=0.95)
        ledger.close()
    truth = statistics.fmean(chance(e.inputs["text"]) for e in dev)
    rivals = [f for f in found.finalists if f.record.number != found.baseline.record.number]
    gaps = [scale.difference(f.test, found.baseline.test) for f in rivals]
    return {
        "promoted": found.verdict is Verdict.PROMOTE,
        "promoted_unguarded": any(judge(gap) is Verdict.PROMOTE for gap in gaps[:1]),
        "left": found.best.record.number != found.baseline.record.number,
        "covered": [gap.low <= 0 <= gap.high for gap in gaps],
        "raw": ranked[0].measurements[-1].score - truth,
        "corrected": corrected(records, ranked[0].number, values) - truth,
    }


def summary(found: list[dict[str, Any]]) -> dict[str, Any]:
    """The figures that are asked for, and what they would be without our doing."""
    covered = [c for f in found for c in f["covered"]]
    return {
        "false_promote": round(statistics.fmean(f["promoted"] for f in found), 4),
        "coverage": round(statistics.fmean(covered), 4),
        "bias_points": round(100 * statistics.fmean(f["corrected"] for f in found), 3),
        "searches": len(found),
        "intervals": len(covered),
        "bias_points_stderr": round(100 * statistics.stdev(f["corrected"] for f in found) / math.sqrt(len(found)), 3),
        "raw_bias_points": round(100 * statistics.fmean(f["raw"] for f in found), 3),
        "baseline_left": round(statistics.fmean(f["left"] for f in found), 4),
        "false_promote_of_the_best_on_dev": round(statistics.fmean(f["promoted_unguarded"] for f in found), 4),
        "remake": "python benchmarks/aa.py",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--searches", type=int, default=400)
    parser.add_argument("--jobs", type=int, default=2, help="processes side by side, one core each")
    parser.add_argument("--out", type=Path, default=ROOT / "reports/benchmarks/aa.json")
    options = parser.parse_args()
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
        found = list(pool.map(one, range(options.searches), chunksize=5))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(summary(found), indent=1) + "\n", encoding="utf-8")
    print(options.out.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
