"""The steps of a search that shares out its budget trial by trial, and what decides between them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Phase(StrEnum):
    """What is searched: texts, or soft prompts that start from the best of them."""

    TEXT = "text"
    SOFT = "soft"

    @classmethod
    def of(cls, kind: str) -> Phase:
        """The phase of a kind of trial; demonstrations are text."""
        return cls.SOFT if kind == "soft" else cls.TEXT


@dataclass(frozen=True, slots=True)
class Begin:
    """The next step is a new trial."""

    phase: Phase = Phase.TEXT
    """What the trial should be, where soft prompts come after texts; elsewhere it says nothing."""


@dataclass(frozen=True, slots=True)
class GoOn:
    """The next step is the next rung of a trial."""

    number: int


class Allocator(Protocol):
    """Shares out the budget between new trials and further rungs of those that wait.

    Beside a `Pruner`, which ends trials for good, it is the other way to save passes: no trial ends before the search
    does. It reads what was measured in the `ScoreModel` that it was made with.
    """

    def choose(
        self,
        waiting: Collection[int],
        *,
        may_begin: bool,
        may_begin_text: bool = True,
        is_text_over: bool = False,
        is_over: bool = False,
    ) -> Begin | GoOn | None:
        """The next step; None when there is none.

        Args:
            waiting: Trials that could go on at once.
            may_begin: Whether there is another point to try.
            may_begin_text: Whether it may be a text, where soft prompts come after them.
            is_text_over: Whether texts end there, whatever is left of their share.
            is_over: Whether the search ends here, whatever passes are left.
        """
        ...

    def drop(self, number: int) -> None:
        """The trial failed or broke a limit: it is nobody's rival any more."""
        ...

    def leader(self) -> int | None:
        """The trial that is expected to do best on all of dev; None when nothing was measured."""
        ...
