"""Ways to stop a trial early, by name. What each of them promises stands at its class."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.protocols.metric import Metric
from autoprompt_search.core.statistics.additive import ScoreModel
from autoprompt_search.studies.allocation import Allocator
from autoprompt_search.studies.corpus import CorpusRacing
from autoprompt_search.studies.knowledge_gradient import KnowledgeGradient
from autoprompt_search.studies.measured import MeasuredTrials
from autoprompt_search.studies.pruner_names import FOR_MEANS, PrunerName
from autoprompt_search.studies.racing import Racing
from autoprompt_search.studies.spending import Spending
from autoprompt_search.studies.successive_halving import SuccessiveHalving
from autoprompt_search.studies.terms import SearchBudget
from autoprompt_search.studies.wilcoxon import Wilcoxon


@dataclass(frozen=True, slots=True)
class PrunerTerms:
    """What pruners and allocators go by."""

    budget: SearchBudget
    rungs: tuple[int, ...]
    """Dev examples per rung; empty where nobody said."""
    reduction: int
    """Reduction factor of successive halving."""
    error: float
    """How often a test may be wrong."""
    metric: Metric | None = None
    """Metric of the scores; None where examples are not compared."""
    text_share: float = 1.0
    """Share of the budget for texts before soft prompts; 1 where there are not both."""

    @property
    def is_mean(self) -> bool:
        """Whether a score is the mean of its examples."""
        return self.metric is None or self.metric.is_mean


class Pruner(Protocol):
    """Says which trials end early. Trials of one kind compete with each other.

    It reads what was measured in the `MeasuredTrials` that it was made with. What it stops has ended; an `Allocator`
    only lets trials wait.
    """

    @property
    def reads_examples(self) -> bool:
        """Whether it compares trials example by example; the study then keeps `Evidence` in its storage."""
        ...

    def stops(self, number: int, examples: int) -> bool:
        """Whether a trial that was just entered on this rung, keeps all limits and has more to come, ends here."""
        ...


class NoPruning:
    """Every trial is measured on all of dev: no prompt is lost, at the price of measuring all."""

    reads_examples = False

    def stops(self, number: int, examples: int) -> bool:  # noqa: ARG002
        """Never stop a trial."""
        return False


def _racing(terms: PrunerTerms, measured: MeasuredTrials) -> Pruner:
    if terms.is_mean or terms.metric is None:
        return Racing(measured, terms.error, terms.budget.trials, terms.rungs)
    return CorpusRacing(measured, terms.error, terms.rungs, terms.metric)


PRUNERS: Mapping[PrunerName, Callable[[PrunerTerms, MeasuredTrials], Pruner]] = {
    "halving": lambda terms, measured: SuccessiveHalving(measured, terms.reduction),
    "racing": _racing,
    "wilcoxon": lambda terms, measured: Wilcoxon(measured, terms.error),
    "none": lambda terms, measured: NoPruning(),  # noqa: ARG005
}
ALLOCATORS: Mapping[PrunerName, Callable[[PrunerTerms, ScoreModel, Spending], Allocator]] = {
    "knowledge-gradient": lambda terms, model, spending: KnowledgeGradient(model, spending, terms.text_share),
}


def chosen(
    name: PrunerName, terms: PrunerTerms, measured: MeasuredTrials, model: ScoreModel, spending: Spending
) -> tuple[Pruner, Allocator | None]:
    """The pruner of this name; or the allocator, beside which nothing is pruned.

    Raises `ConfigError` where it does not fit the metric.
    """
    if name in FOR_MEANS and not terms.is_mean:
        raise ConfigError(f"study.pruner: {name} needs a score that is the mean of its examples (task.metric)")
    if name in ALLOCATORS:
        return NoPruning(), ALLOCATORS[name](terms, model, spending)
    return PRUNERS[name](terms, measured), None


def usual(terms: PrunerTerms) -> PrunerName:
    """The pruner where nobody chose: `knowledge-gradient` shares out a budget of passes, or of what they cost."""
    is_by_passes = terms.budget.is_by_passes and bool(terms.rungs)
    return "knowledge-gradient" if is_by_passes and terms.is_mean else "halving"


def passes_per_trial(name: PrunerName, rungs: Sequence[int], reduction: int) -> float:
    """What a trial takes on average, in units of the first rung: with halving its expected share of every rung, with
    any other pruner the whole of dev, which is the most."""
    share = 1 / reduction if name == "halving" else 1.0
    return sum((rung - before) * share**step for step, (before, rung) in enumerate(pairwise([0, *rungs]))) / (
        rungs[0] if rungs else 1
    )
