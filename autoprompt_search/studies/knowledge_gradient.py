"""Whose turn is it? Every step goes to the trial of which the next examples are worth most.

A budget of forward passes is spent block by block. First as many prompts as `BREADTH` of it pays for get a first look;
then the trial is measured further whose next blocks promise most per pass: the knowledge gradient, with several blocks
at once where one alone could change nothing (KG*: Frazier and Powell 2010, Decis. Anal. 7:378). Trials are paused and
taken up again; nothing that was measured is lost.

Where soft prompts come after the texts, texts have their share of the passes first and soft prompts the rest: what a
soft prompt is worth shows when it is trained, and by the pass no look at one could ever compete with a look at a text.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.statistics.additive import ScoreFit, ScoreModel
from autoprompt_search.core.types import Measurement
from autoprompt_search.studies.expected_improvement import expected_improvement

Floats = NDArray[np.float64]
BREADTH = 0.4
"""Share of the passes for first looks. From a third to a half, more prompts and better known ones weigh the same."""


@dataclass(frozen=True, slots=True)
class Begin:
    """The next step is a new trial."""

    is_soft: bool = False
    """Whether texts have had their share, where soft prompts come after them."""


@dataclass(frozen=True, slots=True)
class GoOn:
    """The next step is the next rung of a trial."""

    number: int


class KnowledgeGradient:
    """Decides between new trials and further rungs of those at hand. One race per kind of trial, one budget for all.

    Promise: passes are never spent beyond the budget, but for the baseline's and for what the best trial lacks of all
    of dev in the end. No share of lost winners is promised: a trial that is left behind is only waiting.

    Args:
        rungs: Dev examples per rung.
        passes: Budget in forward passes, the baseline's not counted; None for what as many first looks as there are
            trials leave room for.
        trials: Most trials.
        text_share: Of the passes, for texts, where soft prompts come after them; 1 where all kinds are tried at once.
    """

    evidence = None

    def __init__(self, rungs: Sequence[int], passes: int | None, trials: int, text_share: float = 1.0) -> None:
        if not rungs:
            raise ConfigError("study.pruner: gradient needs the rungs of the search")
        self._rungs = tuple(rungs)
        self._passes = passes if passes is not None else round(trials * rungs[0] / BREADTH)
        self._for_texts = text_share * self._passes
        self._board = ScoreModel(rungs)
        self._gone: set[int] = set()
        self._looks: dict[int, int] = {}
        """Trial -> passes of its first look."""
        self._costs: dict[int, int] = {}
        """Trial -> passes of all its rungs."""
        self._last: dict[int, int] = {}
        """Trial -> passes of its highest rung."""
        self._soft: set[int] = set()
        """Trials with soft prompts."""
        self._fit: ScoreFit | None = None
        self._ahead: tuple[Floats, Floats, dict[int, int]] | None = None

    def add(self, number: int, kind: str, measurement: Measurement, evidence: None = None) -> None:  # noqa: ARG002
        """As `Pruner.add`."""
        if self._board.add(number, kind, measurement):
            self._fit = self._ahead = None
            spent = measurement.cost.forward_passes
            self._looks.setdefault(number, spent)
            self._costs[number] = self._costs.get(number, 0) + spent
            self._last[number] = spent
            if kind == "soft":
                self._soft.add(number)

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

    def choose(
        self,
        waiting: Collection[int],
        *,
        may_begin: bool,
        may_begin_text: bool = True,
        is_text_over: bool = False,
        is_over: bool = False,
    ) -> Begin | GoOn | None:
        """The next step; None when there is none. When the passes are spent the leader is measured on all of dev.

        Args:
            waiting: Trials that could go on at once.
            may_begin: Whether there is another point to try.
            may_begin_text: Whether it may be a text, where soft prompts come after them.
            is_text_over: Whether texts end there, whatever is left of their share.
            is_over: Whether the search ends here, whatever passes are left.
        """
        unfinished = [n for n in waiting if not self._is_full(n)]
        left = 0 if is_over else self._passes - self.spent
        if self._for_texts == self._passes:
            step = self._step(unfinished, left, None, may_begin=may_begin)
        else:
            due = 0 if is_text_over else left
            texts = self._step(unfinished, due, False, may_begin=may_begin and may_begin_text)
            texts = texts or (None if is_over else self._finish(unfinished, self._leader(is_soft=False)))
            step = texts or self._step(unfinished, left, True, may_begin=may_begin)
        return step or self._finish(unfinished, self.leader())

    def _finish(self, unfinished: Sequence[int], leader: int | None) -> GoOn | None:
        """The next rung of the leader, if it waits for one: what comes next goes by what it scores on all of dev."""
        return GoOn(leader) if leader is not None and leader in unfinished else None

    def _step(self, waiting: Sequence[int], left: int, is_soft: bool | None, *, may_begin: bool) -> Begin | GoOn | None:
        """The next step of one purse: that of texts, that of soft prompts, or (None) the only one there is."""
        purse: float = self._passes
        if is_soft is not None:
            purse = self._passes - self._for_texts if is_soft else self._for_texts
        if is_soft is False:  # what texts leave is added to what soft prompts have
            spent = sum(cost for n, cost in self._costs.items() if n and self._is_of(n, is_soft=False))
            left = min(left, round(purse) - spent)
        waiting = [n for n in waiting if self._is_of(n, is_soft=is_soft)]
        looks = [cost for n, cost in self._looks.items() if n and self._is_of(n, is_soft=is_soft)]
        price = max(self._rungs[0], round(sum(looks) / len(looks))) if looks and is_soft else self._rungs[0]
        may_begin = may_begin and price <= left
        if may_begin and sum(looks) + price <= BREADTH * purse:
            return Begin(bool(is_soft))
        best = self._most_worth(waiting, left)
        if best is not None:
            return GoOn(best)
        return Begin(bool(is_soft)) if may_begin else None

    def leader(self) -> int | None:
        """The trial with the highest expected score on all of dev, of any kind; None when nothing was measured."""
        return self._leader()

    def _leader(self, *, is_soft: bool | None = None) -> int | None:
        fit = self._fitted()
        scores = zip(fit.score, fit.numbers, strict=True) if fit else ()
        alive = [
            (score, -number)
            for score, number in scores
            if number not in self._gone and self._is_of(number, is_soft=is_soft)
        ]
        return -max(alive)[1] if alive else None

    def _is_of(self, number: int, *, is_soft: bool | None) -> bool:
        """Whether the trial has a soft prompt, or has none; all trials are of the only purse there is (None)."""
        return is_soft is None or (number in self._soft) is is_soft

    @property
    def spent(self) -> int:
        """Passes so far."""
        return sum(cost for number, cost in self._costs.items() if number)

    def _fitted(self) -> ScoreFit | None:
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

    def _prospects(self, fit: ScoreFit) -> tuple[Floats, Floats, dict[int, int]]:
        """[rungs, trials] what getting there is worth and what it costs, infinity where it has been; rows of trials."""
        rungs = np.array(self._rungs, dtype=float)[:, None]
        lead = -np.abs(fit.score - self._rivals(fit))
        step = np.sqrt(np.maximum(fit.variance - fit.variance_after(rungs), 0.0))
        cost = np.array([self._prices(n, seen) for n, seen in zip(fit.numbers, fit.examples, strict=True)]).T
        return expected_improvement(lead, step), cost, {n: row for row, n in enumerate(fit.numbers)}

    def _prices(self, number: int, seen: float) -> list[float]:
        """Passes to every rung, infinity where the trial has been.

        A text costs by the example. A soft prompt is trained further for every rung, about as long as for the last
        one, and another prompt then, so that every example is read again.
        """
        if number not in self._soft:
            each = max(self._costs[number] / seen, 1.0)
            return [each * (rung - seen) if rung > seen else np.inf for rung in self._rungs]
        training, price = max(0.0, self._last[number] - seen), 0.0
        prices: list[float] = []
        for rung in self._rungs:
            price += training + rung if rung > seen else 0.0
            prices.append(price if rung > seen else np.inf)
        return prices

    def _rivals(self, fit: ScoreFit) -> Floats:
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
