"""Which finished trials are the better ones, and what the text of a soft trial is. Knows no sampler."""

from __future__ import annotations

import math
from collections.abc import Iterable

from autoprompt_search.core.fingerprint import fingerprint
from autoprompt_search.core.types import Params, Scalar, TrialRecord, TrialState


def ranked(records: Iterable[TrialRecord]) -> list[TrialRecord]:
    """Trials that saw all of dev, best first."""
    return sorted((r for r in records if r.state is TrialState.COMPLETE), key=standing)


def standing(record: TrialRecord) -> tuple[float, float, int]:
    """Smaller is better: by score, then by loss, then the older."""
    last = record.measurements[-1]
    return -last.score, last.metrics.get("loss", math.inf), record.number


def text_of(params: Params) -> dict[str, Scalar]:
    """The point without its soft prompt."""
    return {name: value for name, value in params.items() if not name.startswith("soft.")}


def best_texts(records: Iterable[TrialRecord]) -> list[dict[str, Scalar]]:
    """Texts of complete trials without a soft prompt, best first; of those that read alike only the best."""
    distinct: dict[str, dict[str, Scalar]] = {}
    for record in ranked(r for r in records if r.kind != "soft"):
        text = text_of(record.params)
        distinct.setdefault(record.measurements[-1].prompt or fingerprint(text), text)
    return list(distinct.values())
