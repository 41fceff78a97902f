"""Whose turn is it? Every step goes to the trial of which the next examples are worth most.

A budget of forward passes is spent block by block. First as many prompts as `BREADTH` of it pays for get a first look;
then the trial is measured further whose next blocks promise most per pass: the knowledge gradient, with several blocks
at once where one alone could change nothing (KG*: Frazier and Powell 2010, Decis. Anal. 7:378). Trials are paused and
taken up again; nothing that was measured is lost.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.types import Measurement
from autoprompt_search.studies.additive import Board, Fit
from autoprompt_search.studies.gains import expected_gain

Floats = NDArray[np.float64]
BREADTH = 0.4
"""Share of the passes for first looks. From a third to a half, more prompts and better known ones weigh the same."""


@dataclass(frozen=True, slots=True)
class Begin:
    """The next step is a new trial."""


@dataclass(frozen=True, slots=True)
class GoOn:
    """The next step is the next rung of a trial."""

    number: int


class Gradient:
    """Decides between new trials and further rungs of those at hand. One race per kind of trial, one budget for all.

    Promise: passes are never spent beyond the budget, but for the baseline's and for what the best trial lacks of all
    of dev in the end. No share of lost winners is promised: a trial that is left behind is only waiting.

    Args:
        rungs: Dev examples per rung.
        passes: Budget in forward passes, the baseline's not counted; None for what as many first looks as there are
            trials leave room for.
        trials: Most trials.
    """

    evidence = None

    def __init__(self, rungs: Sequence[int], passes: int | None, trials: int) -> None:
        if not rungs:
            raise ConfigError("study.pruner: gradient needs the rungs of the search")
        self._rungs = tuple(rungs)
        self._passes = passes if passes is not None else round(trials * rungs[0] / BREADTH)
        self._board = Board(rungs)
        self._gone: set[int] = set()
        self._costs: dict[int, int] = {}
        self._looked = 0
        """Passes for first looks."""
        self._fit: Fit | None = None
        self._ahead: tuple[Floats, Floats, dict[int, int]] | None = None

    def add(self, number: int, kind: str, measurement: Measurement, evidence: None = None) -> None:  # noqa: ARG002
        """As `Pruner.add`."""
        if self._board.add(number, kind, measurement):
            self._fit = self._ahead = None
            spent = measurement.cost.forward_passes
            self._looked += spent if number and number not in self._costs else 0
            self._costs[number] = self._costs.get(number, 0) + spent

    def drop(self, number: int) -> None:
        """The trial failed: it is nobody's rival any more."""
        self._gone.add(number)
        self._ahead = None

    def reached(self, number: int) -> int:
        """Examples of the highest rung of a trial."""
        return self._board.reached(number)

    def stops(self, number: int, kind: str, examples: int) -> bool:  # noqa: ARG002
        """As `Pruner.stops`, for a trial on its own: whether it is not worth its next rung."""
        return self.choose([number], may_begin=False) is None

    def choose(self, waiting: Collection[int], *, may_begin: bool, is_over: bool = False) -> Begin | GoOn | None:
        """The next step; None when there is none. When the passes are spent the leader is measured on all of dev.

        Args:
            waiting: Trials that could go on at once.
            may_begin: Whether there is another point to try.
            is_over: Whether the search ends here, whatever passes are left.
        """
        left = 0 if is_over else self._passes - self.spent
        if may_begin and self._rungs[0] <= left and self._looked + self._rungs[0] <= BREADTH * self._passes:
            return Begin()
        best = self._most_worth([n for n in waiting if not self._is_full(n)], left)
        if best is not None:
            return GoOn(best)
        if may_begin and self._rungs[0] <= left:
            return Begin()
        leader = self.leader()
        return GoOn(leader) if leader is not None and leader in waiting and not self._is_full(leader) else None

    def leader(self) -> int | None:
        """The trial with the highest expected score on all of dev, of any kind; None when nothing was measured."""
        fit = self._fitted()
        scores = zip(fit.score, fit.numbers, strict=True) if fit else ()
        alive = [(score, -number) for score, number in scores if number not in self._gone]
        return -max(alive)[1] if alive else None

    @property
    def looked(self) -> float:
        """Share of the passes for first looks that was spent on them."""
        return self._looked / (BREADTH * self._passes)

    @property
    def spent(self) -> int:
        """Passes so far."""
        return sum(cost for number, cost in self._costs.items() if number)

    def _fitted(self) -> Fit | None:
        if self._fit is None and len(self._board):
            self._fit = self._board.fit()
        return self._fit

    def _is_full(self, number: int) -> bool:
        return self._board.reached(number) >= self._rungs[-1]

    def _most_worth(self, waiting: Sequence[int], left: int) -> int | None:
        """The waiting trial whose next rungs are worth most per pass; None where no next rung is paid for."""
        fit = self._fitted()
        if not waiting or fit is None:
            return None
        gain, cost, row = self._ahead = self._ahead or self._prospects(fit)
        rows = [row[number] for number in waiting]
        worth = np.where(cost <= left, gain / cost, -np.inf)[:, rows].max(axis=0)
        best = int(np.lexsort((np.array(waiting), -worth))[0])
        return waiting[best] if np.isfinite(worth[best]) else None

    def _prospects(self, fit: Fit) -> tuple[Floats, Floats, dict[int, int]]:
        """[rungs, trials] what getting there is worth and what it costs, infinity where it has been; rows of trials."""
        rungs = np.array(self._rungs, dtype=float)[:, None]
        price = np.maximum(np.array([self._costs[n] for n in fit.numbers]) / fit.examples, 1.0)
        lead = -np.abs(fit.score - self._rivals(fit))
        step = np.sqrt(np.maximum(fit.variance - fit.variance_after(rungs), 0.0))
        cost = np.where(rungs > fit.examples, price * (rungs - fit.examples), np.inf)
        return expected_gain(lead, step), cost, {n: row for row, n in enumerate(fit.numbers)}

    def _rivals(self, fit: Fit) -> Floats:
        """Per trial the highest expected score of the others of its kind; its own where there are none."""
        alive = np.array([n not in self._gone for n in fit.numbers])
        rival = fit.score.copy()
        for kind in set(fit.kinds):
            member = np.array([k == kind for k in fit.kinds])
            order = np.flatnonzero(member & alive)
            if len(order) > 1:
                second, first = order[np.argsort(fit.score[order])][-2:]
                rival[member] = fit.score[first]
                rival[first] = fit.score[second]
        return rival
