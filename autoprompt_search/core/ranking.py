"""Which finished trials are the better ones, and what the text of a soft trial is. Knows no sampler."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence

from autoprompt_search.core.fingerprint import fingerprint
from autoprompt_search.core.measurements import TrialRecord, TrialState
from autoprompt_search.core.types import Params, Scalar

DRAW = "soft.draw"
"""The parameter that seeds a training: soft prompts that differ in it alone are draws of the same settings."""


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


def steadiest(records: Iterable[TrialRecord]) -> frozenset[int] | None:
    """Numbers of the soft trials with the settings of the highest mean minus standard deviation over draws.

    Settings with one draw have no spread and are not compared; None where there are no others. A draw that
    was stopped early counts with what it scored last.
    """
    families: dict[str, list[TrialRecord]] = defaultdict(list)
    for record in records:
        if record.kind == "soft" and DRAW in record.params and record.last is not None:
            families[fingerprint(_without_draw(record.params))].append(record)
    replicated = [family for family in families.values() if len(family) > 1]
    if not replicated:
        return None

    def steadiness(family: Sequence[TrialRecord]) -> tuple[float, int]:
        scores = [record.measurements[-1].score for record in family]
        return statistics.fmean(scores) - statistics.stdev(scores), -family[0].number

    return frozenset(record.number for record in max(replicated, key=steadiness))


def _without_draw(params: Params) -> dict[str, Scalar]:
    return {name: value for name, value in params.items() if name != DRAW}
