"""A whole search by a metric that somebody has registered, which declares that it is a mean."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from autoprompt_search import load_config, search
from autoprompt_search.core.arrays import Doubles
from autoprompt_search.core.measurements import Outcome
from autoprompt_search.metrics import METRICS

from .conftest import BASE, space_file


@dataclass(frozen=True)
class ExactMatch:
    is_mean: bool = True
    answers: tuple[str, ...] = ("label", "text")

    def statistics(self, outcome: Outcome) -> tuple[float]:
        return (float(outcome.prediction.casefold() == outcome.target.casefold()),)

    def score(self, sums: Doubles, n: Doubles | int) -> Doubles:
        scores: Doubles = sums[..., 0] / n
        return scores


@pytest.mark.slow
@pytest.mark.parametrize("pruner", ["knowledge-gradient", "wilcoxon"])
def test_pruners_for_means_search_by_it_as_by_accuracy(
    pruner: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(METRICS, "_paths", {**METRICS._paths, "exact_match": f"{__name__}:ExactMatch"})
    study: dict[str, Any] = {"study": {"type": "optuna", "pruner": pruner}, "budget": {"trials": 8, "passes": 260}}
    found = []
    for metric in ("exact_match", "accuracy"):
        config = load_config(space_file(folder, **study, task={**BASE["task"], "metric": metric}))
        result = search(config, out=folder / metric)
        trials = [(r.params, r.state, [(m.score, m.stderr) for m in r.measurements]) for r in result.records]
        found.append((trials, result.verdict, result.data["difference"], result.data["best"]["test"]["low"]))
    assert found[0] == found[1]
