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
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.statistics.additive import ScoreFit, ScoreModel
from autoprompt_search.studies.allocation import Begin, GoOn, Phase
from autoprompt_search.studies.expected_improvement import expected_improvement
from autoprompt_search.studies.spending import Spending

Floats = NDArray[np.float64]
BREADTH = 0.4
"""Share of the passes for first looks. From a third to a half, more prompts and better known ones weigh the same."""


@dataclass(frozen=True, slots=True)
class PhaseBudget:
    """The forward passes of one phase, or of the whole search where all kinds are tried at once."""

    phases: frozenset[Phase]
    """Phases whose trials share it."""
    passes: float
    left: int
    begins: Phase
    """What a new trial is."""


class _Prospects(NamedTuple):
    """What further rungs promise, as of one fit of the score model."""

    fit: ScoreFit
    gain: Floats
    """[rungs, trials]: what getting there is worth."""
    cost: Floats
    """[rungs, trials]: what getting there costs; infinity where the trial has been."""
    column: dict[int, int]
    """Trial -> its column."""


class KnowledgeGradient:
    """An `Allocator`: decides between new trials and further rungs of those at hand. Trials of one kind compete with
    each other; all kinds share the budget.

    Promise: passes are never spent beyond the budget, but for the baseline's and for what the best trial lacks of all
    of dev in the end. No share of lost winners is promised: a trial that is left behind is only waiting.

    Args:
        model: What was measured. Whoever measures enters it there and books it as spent.
        spending: What was spent, and the budget. Without a limit in passes the budget is what as many first looks as
            there are trials leave room for.
        text_share: Share of the passes for texts, where soft prompts come after them; 1 where all kinds are tried at
            once.
    """

    def __init__(self, model: ScoreModel, spending: Spending, text_share: float = 1.0) -> None:
        if not model.rungs:
            raise ConfigError("study.pruner: knowledge-gradient needs the rungs of the search")
        self._model, self._spending, self._rungs = model, spending, model.rungs
        self._text_share = text_share
        self._gone: set[int] = set()
        self._known: _Prospects | None = None

    @property
    def _passes(self) -> int:
        """Forward passes of the whole search."""
        most = self._spending.most_passes
        return most if most is not None else round(self._spending.budget.trials * self._rungs[0] / BREADTH)

    @property
    def _for_texts(self) -> float:
        return self._text_share * self._passes

    def drop(self, number: int) -> None:
        """See `Allocator.drop`."""
        self._gone.add(number)
        self._known = None

    def choose(
        self,
        waiting: Collection[int],
        *,
        may_begin: bool,
        may_begin_text: bool = True,
        is_text_over: bool = False,
        is_over: bool = False,
    ) -> Begin | GoOn | None:
        """See `Allocator.choose`. When the passes are spent the leader is measured on all of dev."""
        unfinished = [n for n in waiting if self._model.reached(n) < self._rungs[-1]]
        left = 0 if is_over else self._passes - self._spending.passes
        if self._text_share == 1.0:
            whole = PhaseBudget(frozenset(Phase), self._passes, left, Phase.TEXT)
            step = self._step(unfinished, whole, may_begin=may_begin)
        else:
            texts = self._step(
                unfinished, self._text_budget(0 if is_text_over else left), may_begin=may_begin and may_begin_text
            )
            texts = texts or (None if is_over else self._finish(unfinished, self._leader(Phase.TEXT)))
            soft = PhaseBudget(frozenset({Phase.SOFT}), self._passes - self._for_texts, left, Phase.SOFT)
            step = texts or self._step(unfinished, soft, may_begin=may_begin)
        return step or self._finish(unfinished, self.leader())

    def _text_budget(self, left: int) -> PhaseBudget:
        """What texts leave of theirs is added to what soft prompts have; they take nothing of it."""
        spent = sum(map(sum, self._costs(frozenset({Phase.TEXT}))))
        left = min(left, round(self._for_texts) - spent)
        return PhaseBudget(frozenset({Phase.TEXT}), self._for_texts, left, Phase.TEXT)

    def _finish(self, unfinished: Sequence[int], leader: int | None) -> GoOn | None:
        """The next rung of the leader, if it waits for one: what comes next goes by what it scores on all of dev."""
        return GoOn(leader) if leader is not None and leader in unfinished else None

    def _step(self, waiting: Sequence[int], budget: PhaseBudget, *, may_begin: bool) -> Begin | GoOn | None:
        """The next step of the trials that share a budget."""
        waiting = [n for n in waiting if self._phase(n) in budget.phases]
        looks = [rungs[0] for rungs in self._costs(budget.phases)]
        price = self._rungs[0]
        if looks and budget.begins is Phase.SOFT:
            price = max(price, round(sum(looks) / len(looks)))
        may_begin = may_begin and price <= budget.left
        if may_begin and sum(looks) + price <= BREADTH * budget.passes:
            return Begin(budget.begins)
        best = self._most_worth(waiting, budget.left)
        if best is not None:
            return GoOn(best)
        return Begin(budget.begins) if may_begin else None

    def leader(self) -> int | None:
        """The trial with the highest expected score on all of dev, of any kind; None when nothing was measured."""
        return self._leader(*Phase)

    def _leader(self, *phases: Phase) -> int | None:
        if not len(self._model):
            return None
        fit = self._model.fit()
        alive = [
            (score, -number)
            for score, number in zip(fit.score, fit.numbers, strict=True)
            if number not in self._gone and self._phase(number) in phases
        ]
        return -max(alive)[1] if alive else None

    def _phase(self, number: int) -> Phase:
        return Phase.of(self._model.kind(number))

    def _costs(self, phases: frozenset[Phase]) -> list[list[int]]:
        """Passes of each rung of each trial, the baseline's not among them."""
        return [rungs for n, rungs in self._spending.rungs.items() if n and self._phase(n) in phases]

    def _most_worth(self, waiting: Sequence[int], left: int) -> int | None:
        """The waiting trial whose next rungs are worth most per pass; None where no next rung is paid for."""
        if not waiting:
            return None
        known = self._prospects(self._model.fit())
        columns = [known.column[number] for number in waiting]
        worth = np.where(known.cost <= left, known.gain / known.cost, -np.inf)[:, columns].max(axis=0)
        best = int(np.lexsort((np.array(waiting), -worth))[0])
        return waiting[best] if np.isfinite(worth[best]) else None

    def _prospects(self, fit: ScoreFit) -> _Prospects:
        if self._known is not None and self._known.fit is fit:
            return self._known
        rungs = np.array(self._rungs, dtype=float)[:, None]
        lead = -np.abs(fit.score - self._rivals(fit))
        step = np.sqrt(np.maximum(fit.variance - fit.variance_after(rungs), 0.0))
        cost = np.array([self._prices(n, seen) for n, seen in zip(fit.numbers, fit.examples, strict=True)]).T
        column = {number: index for index, number in enumerate(fit.numbers)}
        self._known = _Prospects(fit, expected_improvement(lead, step), cost, column)
        return self._known

    def _prices(self, number: int, seen: float) -> list[float]:
        """Passes to every rung, infinity where the trial has been.

        A text costs by the example. A soft prompt is trained further for every rung, about as long as for the last
        one, and another prompt then, so that every example is read again.
        """
        spent = self._spending.rungs[number]
        if self._phase(number) is Phase.TEXT:
            each = max(sum(spent) / seen, 1.0)
            return [each * (rung - seen) if rung > seen else np.inf for rung in self._rungs]
        training, price = max(0.0, spent[-1] - seen), 0.0
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
