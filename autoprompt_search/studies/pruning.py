"""Ways to stop a trial early, by name. What each of them promises stands at its class."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, Protocol

from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.protocols.metric import Metric
from autoprompt_search.core.types import Measurement
from autoprompt_search.studies.corpus import CorpusRacing
from autoprompt_search.studies.knowledge_gradient import KnowledgeGradient
from autoprompt_search.studies.paired import Evidence
from autoprompt_search.studies.racing import Racing
from autoprompt_search.studies.successive_halving import SuccessiveHalving
from autoprompt_search.studies.wilcoxon import Wilcoxon

PrunerName = Literal["halving", "racing", "wilcoxon", "gradient", "none"]


@dataclass(frozen=True, slots=True)
class Terms:
    """What pruners go by."""

    trials: int
    """Most trials of the search."""
    rungs: tuple[int, ...]
    """Dev examples per rung; empty where nobody said."""
    passes: int | None
    """Budget in forward passes, without the baseline's."""
    reduction: int
    """Reduction factor of successive halving."""
    error: float
    """How often a test may be wrong."""
    metric: Metric | None = None
    """Of the scores; None where examples are not compared."""
    text_share: float = 1.0
    """Of the budget, for texts before soft prompts; 1 where there are not both."""

    @property
    def is_mean(self) -> bool:
        """Whether a score is the mean of its examples."""
        return self.metric is None or self.metric.is_mean


class Pruner(Protocol):
    """Sees every rung of every trial, and says which trials end early. Trials of one kind compete with each other."""

    @property
    def evidence(self) -> type[Evidence] | None:
        """What it compares example by example, if it does; the study then keeps that in its storage."""
        ...

    def add(self, number: int, kind: str, measurement: Measurement, evidence: Any) -> None:
        """Enter a trial on a rung; entering it again changes nothing.

        `evidence` is that of the measurement, None where it has none that could be compared.
        """
        ...

    def stops(self, number: int, kind: str, examples: int) -> bool:
        """Whether the trial, which has just been entered on this rung and has more to come, ends here."""
        ...


class Never:
    """Every trial is measured on all of dev: no prompt is lost, at the price of measuring all."""

    evidence = None

    def add(self, number: int, kind: str, measurement: Measurement, evidence: None) -> None:
        """Nothing."""

    def stops(self, number: int, kind: str, examples: int) -> bool:  # noqa: ARG002
        """No."""
        return False


def _racing(terms: Terms) -> Pruner:
    if terms.is_mean or terms.metric is None:
        return Racing(terms.error, terms.trials, terms.rungs)
    return CorpusRacing(terms.error, terms.rungs, terms.metric)


def _for_means(name: str, make: Callable[[Terms], Pruner]) -> Callable[[Terms], Pruner]:
    """A pruner that takes a score for the mean of its examples, refused where it is none."""

    def made(terms: Terms) -> Pruner:
        if not terms.is_mean:
            raise ConfigError(f"study.pruner: {name} needs a score that is the mean of its examples (task.metric)")
        return make(terms)

    return made


PRUNERS: Mapping[PrunerName, Callable[[Terms], Pruner]] = {
    "halving": lambda terms: SuccessiveHalving(terms.reduction),
    "racing": _racing,
    "wilcoxon": _for_means("wilcoxon", lambda terms: Wilcoxon(terms.error)),
    "gradient": _for_means(
        "gradient", lambda terms: KnowledgeGradient(terms.rungs, terms.passes, terms.trials, terms.text_share)
    ),
    "none": lambda terms: Never(),  # noqa: ARG005
}


def usual(terms: Terms) -> PrunerName:
    """Where nobody chose: `gradient`, which shares out passes best, where passes are what is to be shared out."""
    return "gradient" if terms.passes is not None and terms.rungs and terms.is_mean else "halving"


def climb(name: PrunerName, rungs: Sequence[int], reduction: int) -> float:
    """What a trial takes on average, in first rungs: of halving as its ladder says, else what it takes at most."""
    share = 1 / reduction if name == "halving" else 1.0
    return sum((rung - before) * share**step for step, (before, rung) in enumerate(pairwise([0, *rungs]))) / (
        rungs[0] if rungs else 1
    )
