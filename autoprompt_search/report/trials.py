"""All trials as one JSON value, for the table and the drawings of the page. Knows no markup but JSON's."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from autoprompt_search.core.measurements import TrialRecord
from autoprompt_search.report.rows import kinds, param_names, spent, value_text

MOST_BYTES = 2_500_000
"""Of prompts: with more, each is cut."""
_SHORTEST = 400
"""Characters of a prompt that are kept at least."""
_DIGITS = 5
_HIDDEN = (".text", ".like")
"""Endings of parameters that repeat what another one says."""


def trials_json(records: Sequence[TrialRecord], config: Mapping[str, Any], chosen: object) -> str:
    """One object: `params`, the names that occur; `texts`, every prompt once; `trials`, one row for each.

    It can stand in a `<script>`: no `<` is left in it.
    """
    names = [name for name in param_names(records, config) if not name.endswith(_HIDDEN)]
    texts = list(dict.fromkeys(r.preview for r in records))
    places = {text: i for i, text in enumerate(texts)}
    start = min((r.started for r in records if r.started), default=0.0)
    value = {
        "params": names,
        "varying": [n for n in names if len({str(r.params.get(n, "")) for r in records}) > 1],
        "kinds": kinds(records),
        "chosen": chosen,
        "texts": _cut(texts),
        "trials": [_row(r, names, places, start) for r in sorted(records, key=lambda r: r.number)],
    }
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def _row(record: TrialRecord, names: Sequence[str], places: Mapping[str, int], start: float) -> dict[str, Any]:
    last, params = record.last, record.params
    row: dict[str, Any] = {
        "n": record.number,
        "k": record.kind,
        "s": record.state.value,
        "p": [value_text(params[name]) if name in params else None for name in names],
        "v": [_number(params.get(name)) for name in names],
        "t": places[record.preview],
    }
    if last is not None:
        row |= {
            "y": round(last.score, _DIGITS),
            "e": round(last.stderr, _DIGITS),
            "x": last.fidelity.examples,
            "f": last.fidelity.is_full,
            "w": round(last.prompt_tokens, 1),
            "c": [_point(m) for m in record.measurements],
        }
    if record.started and record.ended:
        row["d"] = [round(record.started - start, 2), round(record.ended - start, 2)]
    row["q"] = spent(record).forward_passes
    if record.error:
        row["r"] = record.error[:500]
    return row


def _point(measurement: Any) -> list[float | int | None]:
    """Steps of training, score and loss."""
    loss = measurement.metrics.get("loss")
    kept = round(loss, _DIGITS) if isinstance(loss, (int, float)) else None
    return [measurement.fidelity.steps, round(measurement.score, _DIGITS), kept]


def _number(value: object) -> float | None:
    """The value for an axis of numbers; None where the value is a word."""
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _cut(texts: Sequence[str]) -> list[str]:
    """All texts, each so long that together they stay below `MOST_BYTES`."""
    if sum(map(len, texts)) <= MOST_BYTES:
        return list(texts)
    room = max(_SHORTEST, MOST_BYTES // len(texts))
    half = room // 2
    return [t if len(t) <= room else f"{t[:half]}\n[…]\n{t[-half:]}" for t in texts]
