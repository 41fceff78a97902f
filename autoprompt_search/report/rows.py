"""Turns records and outcomes into rows of tables, in words and numbers. Knows no markup."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autoprompt_search.core.measurements import Cost, TrialRecord, TrialState
from autoprompt_search.core.types import Params
from autoprompt_search.core.visible import cell

KIND_ORDER = ("text", "demos", "soft")


@dataclass(frozen=True, slots=True)
class KindCost:
    """What the trials of one kind took."""

    kind: str
    trials: int
    pruned: int
    failed: int
    best: float | None
    """Highest full-fidelity dev score."""
    cost: Cost


def kinds(records: Iterable[TrialRecord]) -> list[str]:
    """The kinds there are: the known ones in their order, then others by name."""
    present = {r.kind for r in records}
    return [k for k in KIND_ORDER if k in present] + sorted(present - set(KIND_ORDER))


def cost_by_kind(records: Sequence[TrialRecord]) -> list[KindCost]:
    """Trials, scores and cost of every kind."""
    return [_kind_cost(kind, [r for r in records if r.kind == kind]) for kind in kinds(records)]


def spent(record: TrialRecord) -> Cost:
    """Over all rungs of a trial."""
    return sum((m.cost for m in record.measurements), Cost())


def full_score(record: TrialRecord) -> float | None:
    """The dev score at full fidelity, if the trial got there."""
    last = record.last
    return last.score if last and last.fidelity.is_full else None


def param_names(records: Iterable[TrialRecord], config: Mapping[str, Any]) -> list[str]:
    """Every parameter that occurs, in the order of the space file."""
    space = config.get("space")
    declared = list(space) if isinstance(space, Mapping) else []
    used = {name for r in records for name in r.params}
    return [n for n in declared if n in used] + sorted(used - set(declared))


def params_line(params: Params) -> str:
    """`template=cloze, demos.k=4`; what is switched off is left out."""
    return ", ".join(f"{name}={value_text(value)}" for name, value in params.items() if value != "none")


def origin_line(record: TrialRecord) -> str:
    """`phrases of #12: delete 'of our shop'`; empty where no text was written for the trial."""
    origin = record.origin
    if origin is None:
        return ""
    return f"{origin.proposer} of {' and '.join(f'#{number}' for number in origin.parents)}: {origin.how}"


def written(result: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """A row for each written text: value, text, proposer, parents, trial, whether it beat its parent."""
    says = {True: "yes", False: "no", None: "not compared"}
    return [
        (
            f"{proposal['address']} {proposal['value']}",
            proposal["text"],
            f"{proposal['proposer']} of {' and '.join(f'#{n}' for n in proposal['parents'])}",
            f"#{proposal['trial']}",
            says[proposal["beats_parent"]],
        )
        for proposal in result.get("proposals", ())
    ]


def standing(finalist: Mapping[str, Any]) -> str:
    """Why a finalist is the best prompt, or is not."""
    if finalist.get("chosen"):
        return "chosen"
    gain = finalist.get("gain")
    if gain and gain["low"] <= 0:
        return "no better than its own text"
    return "tied with the top" if finalist.get("tied") else ""


def front_note(point: Mapping[str, Any]) -> str:
    """What else there is to say of a prompt of the front."""
    if point.get("chosen"):
        return "chosen"
    return "" if point.get("keeps_constraints", True) else "breaks a constraint"


def value_text(value: object) -> str:
    """A parameter's value for people: four digits, and blanks one can see."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.4g}"
    text = str(value)
    return repr(text) if text != text.strip() or text == "" or "\n" in text else text


def trials_csv(records: Sequence[TrialRecord], config: Mapping[str, Any]) -> str:
    """One row per trial, without times and costs: the same search gives the same bytes."""
    names = param_names(records, config)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    fixed = ["number", "state", "kind", "score", "stderr", "examples", "steps", "prompt_tokens", "loss"]
    grew = ["origin"] if any(r.origin for r in records) else []
    writer.writerow([*fixed, *map(cell, names), *grew, "error"])
    for record in sorted(records, key=lambda r: r.number):
        row: list[object] = [record.number, record.state.value, record.kind]
        last = record.last
        if last is None:
            row += [""] * 6
        else:
            loss = last.metrics.get("loss", "")
            row += [last.score, last.stderr, last.fidelity.examples, last.fidelity.steps, last.prompt_tokens, loss]
        row += [record.params.get(name, "") for name in names]
        writer.writerow(map(cell, [*row, *(origin_line(record) for _ in grew), record.error]))
    return out.getvalue()


def _kind_cost(kind: str, mine: Sequence[TrialRecord]) -> KindCost:
    scores = [score for r in mine if (score := full_score(r)) is not None]
    return KindCost(
        kind,
        len(mine),
        sum(r.state is TrialState.PRUNED for r in mine),
        sum(r.state is TrialState.FAILED for r in mine),
        max(scores, default=None),
        sum((spent(r) for r in mine), Cost()),
    )
