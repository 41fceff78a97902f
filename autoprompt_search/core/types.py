"""Immutable values that travel between layers: points of the space and data. One word per idea."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from autoprompt_search.core.programs import Tests

Scalar = str | int | float | bool
Plain = Scalar | Sequence["Plain"] | Mapping[str, "Plain"] | None
"""What JSON can hold."""
Params = Mapping[str, Scalar]
"""One point of the space: parameter address -> value. Inactive parameters are absent."""


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled row of a task."""

    id: str
    """Unique within its data set and stable between runs."""
    inputs: Mapping[str, str]
    """Field name -> text, as templates name them."""
    target: str
    """The gold answer that a demonstration shows: a label name, the right option or a text."""
    alternatives: tuple[str, ...] = ()
    """Further right answers."""
    options: tuple[str, ...] = ()
    """What may be answered, where every example has options of its own."""
    tests: Tests | None = None
    """What has to hold of the answer, where that is a program; no prompt shows it."""

    @property
    def targets(self) -> tuple[str, ...]:
        """Every right answer, the one that demonstrations show first."""
        return (self.target, *self.alternatives)


SPLITS = ("train", "dev", "test")


@dataclass(frozen=True, slots=True)
class Splits:
    """Three disjoint parts of the data. `dev` is already in rung order: rung n is its first n examples."""

    train: tuple[Example, ...]
    dev: tuple[Example, ...]
    test: tuple[Example, ...]
    notes: tuple[str, ...] = ()
    """What a reader of the report must know: near-duplicates across splits, rows left out, and so on."""


def kind_of(params: Params) -> str:
    """`text`, `demos` or `soft`: the ladder of rungs a trial climbs on, and its family in reports."""
    if params.get("soft.method", "none") != "none":
        return "soft"
    return "text" if params.get("demos.strategy", "none") == "none" else "demos"
