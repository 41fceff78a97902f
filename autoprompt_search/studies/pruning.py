"""Ways to stop a trial early, by name. What each of them promises stands at its class."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from autoprompt_search.core.types import Measurement
from autoprompt_search.studies.gradient import Gradient
from autoprompt_search.studies.halving import Ladders
from autoprompt_search.studies.items import Items
from autoprompt_search.studies.racing import Racing
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
    """Of halving."""
    error: float
    """How often a test may be wrong."""


class Pruner(Protocol):
    """Sees every rung of every trial, and says which trials end early. Trials of one kind compete with each other."""

    needs_items: bool
    """Whether it compares example by example; the study then keeps items in its storage."""

    def add(self, number: int, kind: str, measurement: Measurement, items: Items | None) -> None:
        """Enter a trial on a rung; entering it again changes nothing.

        `items` are those of the measurement, None where it has none that could be compared.
        """
        ...

    def stops(self, number: int, kind: str, examples: int) -> bool:
        """Whether the trial, which has just been entered on this rung and has more to come, ends here."""
        ...


class Never:
    """Every trial is measured on all of dev: no prompt is lost, at the price of measuring all."""

    needs_items = False

    def add(self, number: int, kind: str, measurement: Measurement, items: Items | None) -> None:
        """Nothing."""

    def stops(self, number: int, kind: str, examples: int) -> bool:  # noqa: ARG002
        """No."""
        return False


PRUNERS: Mapping[PrunerName, Callable[[Terms], Pruner]] = {
    "halving": lambda terms: Ladders(terms.reduction),
    "racing": lambda terms: Racing(terms.error, terms.trials, terms.rungs),
    "wilcoxon": lambda terms: Wilcoxon(terms.error),
    "gradient": lambda terms: Gradient(terms.rungs, terms.passes, terms.trials),
    "none": lambda terms: Never(),  # noqa: ARG005
}
