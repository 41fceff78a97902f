"""What a study is told of a search: the space, the budget, and where it starts. Knows no Optuna."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from autoprompt_search.core.objective import Objective
from autoprompt_search.core.protocols.metric import Metric
from autoprompt_search.core.types import Params
from autoprompt_search.space import SearchSpace
from autoprompt_search.studies.proposal_slots import GrowingParameter


@dataclass(frozen=True, slots=True)
class HardLimits:
    """Limits on what is asked of the model, in the units of `Cost`: no step is begun that might pass one of them."""

    most: Mapping[str, float] = field(default_factory=dict)
    """Unit (`tokens`) -> the most of it that the whole search may take, baseline and final test included."""
    planned: int = 0
    """Forward passes that it is expected to pay for; read before anything was measured."""
    held: int = 0
    """Forward passes that are held back for the final test."""
    spent: Mapping[str, float] = field(default_factory=dict)
    """Unit -> what was spent of it beside trials: by the final tests of a search that is continued."""
    soft_look: int = 0
    """Forward passes of a soft prompt's first rung, at most; read before one was measured."""


@dataclass(frozen=True, slots=True)
class SearchBudget:
    """Limits of all runs on a folder together; whichever is reached first ends the search."""

    trials: int
    """Most trials, whatever their end; duplicates are not counted."""
    minutes: float | None = None
    """Most minutes of wall clock; None for no limit."""
    passes: int | None = None
    """Most forward passes of all trials but the baseline; None for no limit. Once they are spent no trial begins, and
    those that run are finished."""
    hard_limits: HardLimits = field(default_factory=HardLimits)
    """Limits in other units, which are never passed."""

    @property
    def is_by_passes(self) -> bool:
        """Whether forward passes, or what they cost, are limited."""
        return self.passes is not None or bool(self.hard_limits.most)


@dataclass(frozen=True, slots=True)
class ProbePlan:
    """The probe before the search proper, see `studies.probe`."""

    points: int = 0
    """So many first trials are points that differ as much as can be; 0 for no probe."""
    least_gain: float | None = None
    """The search ends behind the probe where this gain is out of reach; None: never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchTerms:
    """One search, as its study needs to know it."""

    space: SearchSpace
    """What may vary."""
    seed: int
    """Seed of all that the study draws."""
    budget: SearchBudget
    baseline: Params
    """Parameters of trial 0, which is never stopped early."""
    folder: Path
    """Folder of the journal, where the study has no other storage."""
    name: str
    """Name of the study within its storage."""
    rungs: tuple[int, ...] = ()
    """Dev examples per rung, lowest first; the last is all of dev. Pruners that look ahead need them."""
    objective: Objective = field(default_factory=Objective)
    """What prompts cost, and may cost at most. Pruners and the sampler see `score - weight * cost`; a trial that breaks
    a limit ends there, is no one's rival, and Optuna is told by how much (`trial.constraints`)."""
    metric: Metric | None = None
    """The metric that made the scores. Without one no example is compared with another prompt's: pruners that do never
    stop a trial, and the probe goes by standard errors."""
    texts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Parameter -> value -> the text that the value stands for."""
    growing: Sequence[GrowingParameter] = ()
    """Parameters to which texts are added during the search, see `studies.proposal_slots`."""
    probe: ProbePlan = field(default_factory=ProbePlan)
    first_points: Sequence[Params] = ()
    """Points to try right after the baseline and the probe."""
