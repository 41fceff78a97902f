"""What each part of the chosen prompt adds on dev: its text, demonstrations, calibration and soft prompt, in turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from autoprompt_search.confirm.comparison import ScoreComparison
from autoprompt_search.confirm.evaluator import Candidate, FinalistEvaluator
from autoprompt_search.core.errors import SearchError
from autoprompt_search.core.fingerprint import fingerprint
from autoprompt_search.core.measurements import Measurement, TrialRecord
from autoprompt_search.core.statistics.scores import Difference
from autoprompt_search.core.types import Params, Scalar

_SWITCHES = (("demos", "demos.strategy"), ("calibration", "calibration"), ("soft", "soft.method"))
"""Part -> the parameter that switches it off with `none`; in the order in which they are added to the text."""
_NAMES = {"demos": "demonstrations", "calibration": "calibration", "soft": "soft prompt"}


@dataclass(frozen=True, slots=True)
class PartGain:
    """The chosen prompt up to one of its parts."""

    part: str
    """`text`, `demonstrations`, `calibration` or `soft prompt`."""
    dev: Measurement
    gain: Difference
    """Against the prompt without this part; of the text, against the baseline."""


def part_gains(
    best: TrialRecord,
    baseline: TrialRecord,
    complete: Sequence[TrialRecord],
    evaluator: FinalistEvaluator,
    comparison: ScoreComparison,
) -> tuple[PartGain, ...]:
    """The parts one after the other, each with what comes before it; () where the baseline is the best prompt.

    A prompt on the way that no trial of `complete` has measured is measured on all of dev; where that fails, there
    are no parts.
    """
    if best.number == baseline.number:
        return ()
    known = {fingerprint(dict(r.params)): r for r in complete}
    present = [part for part, switch in _SWITCHES if best.params.get(switch, "none") != "none"]
    gains: list[PartGain] = []
    before = evaluator.trial_on_dev(baseline)
    for count in range(len(present) + 1):
        point = _without(best.params, present[count:])
        name = _NAMES[present[count - 1]] if count else "text"
        try:
            dev = _measured(point, name, best, known, evaluator)
        except SearchError:  # a text may be impossible without its demonstrations
            return ()
        gains.append(PartGain(name, dev, comparison.difference(dev, before)))
        before = dev
    return tuple(gains)


def _measured(
    point: Params, name: str, best: TrialRecord, known: Mapping[str, TrialRecord], evaluator: FinalistEvaluator
) -> Measurement:
    if point == dict(best.params):
        return evaluator.trial_on_dev(best)
    tried = known.get(fingerprint(dict(point)))
    if tried is not None:
        return evaluator.trial_on_dev(tried)
    return evaluator.on_dev(Candidate(f"trial {best.number} up to its {name}", best.number, point))


def _without(params: Params, parts: Sequence[str]) -> dict[str, Scalar]:
    """The point with these parts switched off."""
    kept = {n: v for n, v in params.items() if n.partition(".")[0] not in parts}
    switches = {switch for part, switch in _SWITCHES if part in parts and part != "soft"}
    return {n: "none" if n in switches else v for n, v in params.items() if n in kept or n in switches}
