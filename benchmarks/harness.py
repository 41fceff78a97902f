"""What benchmarks share: a command line, the two files of a result, worker processes, and searches of a known world.

A known world gives the score of every point without a model. `play` is the loop of the local runner over such a world,
and `minibatches` is MIPROv2's way of evaluating candidates. Programs that run by their path import this as `harness`,
those that run as modules as `benchmarks.harness`; it therefore imports no other benchmark.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autoprompt_search.core.measurements import Measurement, TrialState
from autoprompt_search.core.types import Params

if TYPE_CHECKING:
    from autoprompt_search.space import SearchSpace
    from autoprompt_search.studies.optuna import OptunaStudy

ROOT = Path(__file__).parents[1]
FULL_EVERY = 5
"""MIPROv2 measures a candidate on everything after so many minibatches."""
Measure = Callable[[int, Params, int], Measurement | None]
"""(trial, point, rung) -> what a worker would hand back; None ends the search there, because its budget is spent."""


def command_line(doc: str | None, name: str) -> argparse.ArgumentParser:
    """A parser whose help is the module's docstring, with `--out`, by default `reports/benchmarks/<name>.json`."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / f"reports/benchmarks/{name}.json")
    return parser


def save(out: Path, figures: Mapping[str, Any], text: str | None = None, *, indent: int = 1) -> None:
    """Write the figures as JSON, and `text` as Markdown beside them."""
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(figures, indent=indent) + "\n", encoding="utf-8")
    if text is not None:
        out.with_suffix(".md").write_text(text, encoding="utf-8")


def processes(jobs: int) -> ProcessPoolExecutor:
    """A pool of so many fresh processes."""
    return ProcessPoolExecutor(jobs, mp_context=get_context("spawn"))


def study_of(
    space: SearchSpace,
    seed: int,
    trials: int,
    baseline: Params,
    name: str,
    *,
    folder: Path | None = None,
    **options: Any,
) -> OptunaStudy:
    """The study of the product over a known world; in memory, unless it has a folder.

    Args:
        space: What may vary.
        seed: Of the sampler.
        trials: Most trials.
        baseline: The point of trial 0.
        name: Of the study.
        folder: Where its journal is.
        **options: As `open_study` takes them: `rungs`, `passes`, `sampler`, `pruner`, ...
    """
    import optuna

    from autoprompt_search.testing.factories import open_study

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    if folder is None:
        options["storage"] = optuna.storages.InMemoryStorage()
    given = {"baseline": baseline, "seed": seed, "name": name, **options}
    return open_study(folder or Path("nowhere"), space, trials, **given)


def play(study: OptunaStudy, rungs: int, measure: Measure) -> None:
    """Ask for one trial after another and take each through the rungs, until the study or `measure` ends it."""
    while (asked := study.ask()) is not None:
        number, params = asked
        state = TrialState.COMPLETE
        for rung in range(rungs):
            measurement = measure(number, params, rung)
            if measurement is None:
                return
            if study.report(number, measurement):
                state = TrialState.PRUNED
                break
        study.tell(number, state)


def chosen(study: OptunaStudy) -> int | None:
    """The trial that the search would choose; None when no trial was measured in full."""
    from autoprompt_search.core.ranking import ranked

    leader = study.leader()
    if leader is not None:
        return leader
    complete = ranked(study.records())
    return complete[0].number if complete else None


def minibatches(
    tried: Callable[[], tuple[int, float]], full: Callable[[int], float], budget: int, *, batch: int, total: int
) -> int:
    """MIPROv2's evaluation: after every fifth minibatch the best mean is measured in full, and the best of those wins.

    Args:
        tried: Draws a candidate and scores it on one minibatch.
        full: The score of a candidate on everything.
        budget: What may be spent, in the unit of the next two.
        batch: What a minibatch costs.
        total: What a full evaluation costs.
    """
    means: dict[int, list[float]] = {}
    whole: dict[int, float] = {}
    left, drawn = budget, 0
    while left >= batch:
        candidate, score = tried()
        means.setdefault(candidate, []).append(score)
        left, drawn = left - batch, drawn + 1
        waiting = [c for c in means if c not in whole]
        if drawn % FULL_EVERY == 0 and waiting and left >= total:
            best = max(waiting, key=lambda c: statistics.fmean(means[c]))
            whole[best] = full(best)
            left -= total
    return max(whole or means, key=lambda c: whole[c] if c in whole else statistics.fmean(means[c]))
