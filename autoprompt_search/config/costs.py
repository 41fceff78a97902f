"""What a search through an endpoint is expected to cost. Given splits and backend, it builds neither."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from autoprompt_search.config.models import SearchConfig
from autoprompt_search.config.prices import final_passes
from autoprompt_search.config.serving import longest_text
from autoprompt_search.core.answers import LabelAnswers, TextAnswers
from autoprompt_search.core.protocols.model import Estimates
from autoprompt_search.core.rng import derive_rng
from autoprompt_search.core.types import Splits
from autoprompt_search.prompting import PromptBook, render
from autoprompt_search.studies.pruner_names import PrunerName
from autoprompt_search.studies.pruning import passes_per_trial

_POINTS, _EXAMPLES = 48, 8


@dataclass(frozen=True, slots=True)
class ExpectedCost:
    """Amounts in the units of `Cost`: `requests`, `tokens`, and `usd` where the file has prices."""

    prediction: Mapping[str, float]
    """Of one prompt on one example, on average over the space."""
    probe: Mapping[str, float]
    trial: Mapping[str, float]
    final: Mapping[str, float]
    """Of the final test."""
    trials: int

    @property
    def whole(self) -> dict[str, float]:
        """The amounts of the search with all its trials."""
        return {u: self.probe[u] + self.trials * self.trial[u] + self.final[u] for u in self.prediction}

    def candidates(self, unit: str, most: float) -> int:
        """So many trials does a budget of this unit buy, beside probe and final test."""
        return max(0, int((most - self.probe[unit] - self.final[unit]) / self.trial[unit]))


def expected_cost(config: SearchConfig, book: PromptBook, splits: Splits, backend: object) -> ExpectedCost | None:
    """None for models that run here."""
    if not isinstance(backend, Estimates):
        return None
    prediction = _per_prediction(config, book, splits, backend)
    options: Mapping[str, Any] = config.study.options
    pruner: PrunerName = options.get("pruner") or ("knowledge-gradient" if config.budget.goes_by_passes else "halving")
    passes = config.rungs[0] * passes_per_trial(pruner, config.rungs, int(options.get("reduction", 3)))
    return ExpectedCost(
        prediction,
        backend.estimate_probe(longest_text(config, book, splits)),
        {unit: price * passes for unit, price in prediction.items()},
        {unit: price * final_passes(config, splits) for unit, price in prediction.items()},
        int(min(config.budget.most_trials(config.rungs, prediction), config.space.size)),
    )


def _per_prediction(config: SearchConfig, book: PromptBook, splits: Splits, backend: Estimates) -> dict[str, float]:
    """The mean over points of the space, drawn as blindly as a search begins."""
    rng, examples = derive_rng(config.seed, "expected cost"), splits.dev[:_EXAMPLES]
    estimates: list[Mapping[str, float]] = []
    for _ in range(_POINTS):
        point = config.space.point(lambda _, param: param.random(rng))
        if point.get("verbalizer") == "auto":
            continue
        prompt = book.compose(point)
        k = int(point.get("demos.k", 0)) if point.get("demos.strategy", "none") != "none" else 0
        demos = rng.sample(splits.train, min(k, len(splits.train)))
        answers = sum(map(len, prompt.answers.verbalizer.values())) if isinstance(prompt.answers, LabelAnswers) else 0
        written = prompt.answers.limits.tokens if isinstance(prompt.answers, TextAnswers) else 0
        estimates.append(backend.estimate([render(prompt, e, demos) for e in examples], written, answers))
    return {unit: sum(one[unit] for one in estimates) / len(estimates) for unit in estimates[0]} if estimates else {}
