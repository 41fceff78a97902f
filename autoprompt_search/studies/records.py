"""Measurements and errors as user attributes of Optuna trials, so that the study alone can tell its story again."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, astuple
from typing import Any

from optuna.trial import FrozenTrial
from optuna.trial import TrialState as OptunaState

from autoprompt_search.core.measurements import Cost, Fidelity, Measurement, Origin, TrialRecord, TrialState
from autoprompt_search.core.prompts import SoftPosition, SoftPrompt
from autoprompt_search.core.types import Params, kind_of

NUMBER = "number"
"""The trial's number in this product: consecutive, from 0 for the baseline."""
RUNG = "rung:"
ERROR = "error"
ORIGIN = "origin"
"""User attribute: the origin of the text that was written for a trial."""
STATES = {
    OptunaState.COMPLETE: TrialState.COMPLETE,
    OptunaState.PRUNED: TrialState.PRUNED,
    OptunaState.FAIL: TrialState.FAILED,
}


def to_attribute(measurement: Measurement) -> dict[str, Any]:
    """A measurement without outcomes and weights, as plain JSON."""
    m, soft = measurement, measurement.soft
    return {
        "score": m.score,
        "stderr": m.stderr,
        "metrics": dict(m.metrics),
        "examples": m.fidelity.examples,
        "steps": m.fidelity.steps,
        "is_full": m.fidelity.is_full,
        "cost": list(astuple(m.cost)),
        "prompt": m.prompt,
        "prompt_tokens": m.prompt_tokens,
        "latency_ms": m.latency_ms,
        **({} if m.price is None else {"price": m.price}),
        "preview": m.preview,
        "soft": None if soft is None else {**_soft_fields(soft), "adapter": dict(soft.adapter)},
    }


def _soft_fields(soft: SoftPrompt) -> dict[str, Any]:
    fields = {"method": soft.method, "tokens": soft.tokens, "base_model": soft.base_model, "sha256": soft.sha256}
    return {**fields, "place": asdict(soft.place)}


def from_attribute(stored: Mapping[str, Any]) -> Measurement:
    """The inverse of `to_attribute`; a soft prompt comes back without its weights. Rungs share their equal texts."""
    soft = stored["soft"]
    return Measurement(
        score=stored["score"],
        stderr=stored["stderr"],
        metrics={sys.intern(name): value for name, value in stored["metrics"].items()},
        fidelity=Fidelity(stored["examples"], stored["steps"], stored["is_full"]),
        cost=Cost(*stored["cost"]),
        prompt=stored["prompt"],
        prompt_tokens=stored["prompt_tokens"],
        latency_ms=stored.get("latency_ms"),
        price=stored.get("price"),
        preview=sys.intern(stored["preview"]),
        soft=None if soft is None else SoftPrompt(**{**soft, "weights": b"", "place": SoftPosition(**soft["place"])}),
    )


def measurements_of(trial: FrozenTrial) -> tuple[Measurement, ...]:
    """The measurement of every rung reached, lowest first."""
    stored = [json.loads(v) for k, v in trial.user_attrs.items() if k.startswith(RUNG)]
    return tuple(from_attribute(s) for s in sorted(stored, key=lambda s: int(s["examples"])))


def origin_of(trial: FrozenTrial) -> Origin | None:
    """Where the text comes from that was written for a trial; None where none was."""
    stored = trial.user_attrs.get(ORIGIN)
    if stored is None:
        return None
    return Origin(**{**stored, **{name: tuple(stored[name]) for name in ("parents", "ancestors")}})


def to_record(trial: FrozenTrial) -> TrialRecord:
    """The final word on an Optuna trial; one that waits counts as stopped where it is."""
    params: Params = dict(trial.params)
    started, ended = trial.datetime_start, trial.datetime_complete
    return TrialRecord(
        number=trial.user_attrs[NUMBER],
        params=params,
        state=STATES.get(trial.state, TrialState.PRUNED),
        measurements=measurements_of(trial),
        error=trial.user_attrs.get(ERROR, "") if trial.state is OptunaState.FAIL else "",
        kind=kind_of(params),
        started=started.timestamp() if started else 0.0,
        ended=ended.timestamp() if ended else 0.0,
        origin=origin_of(trial),
    )


def forget(trial: FrozenTrial) -> None:
    """Drop, from a trial that Optuna has in memory, what stands in its record; what is on disk stays there."""
    trial.user_attrs = {name: value for name, value in trial.user_attrs.items() if name == NUMBER}
