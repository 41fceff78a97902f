"""One running trial, in the storage and in the sampler's memory at once."""

from __future__ import annotations

import json
from dataclasses import dataclass

import optuna
from optuna.trial import FrozenTrial
from optuna.trial import TrialState as OptunaState

from autoprompt_search.core.measurements import Measurement, TrialState
from autoprompt_search.core.objective import Objective
from autoprompt_search.core.types import Params, kind_of
from autoprompt_search.studies.evidence import ITEMS, Evidence
from autoprompt_search.studies.records import RUNG, measurements_of, to_attribute

_PAUSED = "paused"
"""User attribute: examples of the rung on which a trial waits to be taken up again."""
_TOLD = {TrialState.PRUNED: OptunaState.PRUNED, TrialState.FAILED: OptunaState.FAIL}


@dataclass(frozen=True, slots=True)
class RunningTrial:
    """A trial that has not ended."""

    stored: optuna.Trial
    mirror: optuna.Trial
    """The same trial in the sampler's memory."""

    @property
    def params(self) -> Params:
        return dict(self.stored.params)

    @property
    def kind(self) -> str:
        return kind_of(self.stored.params)

    @property
    def frozen(self) -> FrozenTrial:
        """The trial as the storage has it now."""
        return self.stored.storage.get_trial(self.stored._trial_id)

    def record(self, measurement: Measurement, evidence: Evidence | None, value: float) -> None:
        """Keep a rung, of which Optuna sees `value`.

        The measurement comes last: a driver that dies before it is told the rung again.
        """
        examples = measurement.fidelity.examples
        for trial in (self.stored, self.mirror):
            if examples not in trial.storage.get_trial(trial._trial_id).intermediate_values:
                trial.report(value, examples)
        if evidence is not None:
            self.stored.set_user_attr(ITEMS, evidence.to_text())
        self.stored.set_user_attr(f"{RUNG}{examples}", json.dumps(to_attribute(measurement), sort_keys=True))

    def pause(self, examples: int) -> None:
        """Mark it as waiting on its highest rung."""
        self.stored.set_user_attr(_PAUSED, examples)

    def end(self, state: TrialState, last: Measurement | None, objective: Objective) -> FrozenTrial:
        """Tell Optuna, also by how much the trial, whose last rung was `last`, is above its limits; what Optuna now
        holds."""
        value = None
        if last is not None:
            for trial in (self.stored, self.mirror):
                for limit in objective.limits:
                    if str(limit) not in trial.constraints:
                        trial.set_constraint(str(limit), limit.excess(last))
        if last is not None and state is TrialState.COMPLETE:
            value = objective.weighed(last).score
        told = None if state is TrialState.COMPLETE else _TOLD[state]
        self.mirror.study.tell(self.mirror, value, state=told)
        return self.stored.study.tell(self.stored, value, state=told)


def is_waiting(trial: FrozenTrial) -> bool:
    """Whether a trial was paused and not measured further since."""
    measurements = measurements_of(trial)
    return bool(measurements) and trial.user_attrs.get(_PAUSED) == measurements[-1].fidelity.examples
