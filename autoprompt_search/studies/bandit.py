"""Which proposer is asked next: Thompson sampling over how often its texts beat the ones they were made from.

A child is tried at its parent's point, in its parent's place, and both are measured on prefixes of one order of dev: so
the comparison is paired, and about the text alone. Knows no sampler and no text.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from autoprompt_search.core.measurements import Measurement, TrialRecord


@dataclass(frozen=True, slots=True)
class ProposerScore:
    """How the texts of one proposer did."""

    address: str
    proposer: str
    tried: int
    """Texts that were measured, and whose parent was."""
    wins: int
    """Those with the higher score on the highest rung that both saw; where scores are equal, the lower loss."""


def proposer_scores(records: Sequence[TrialRecord], address: str, proposers: Iterable[str]) -> list[ProposerScore]:
    """The score of each proposer of texts for `address`, in the given order."""
    by_number = {record.number: record for record in records}
    ends: dict[str, list[bool]] = {name: [] for name in proposers}
    for record in records:
        origin = record.origin
        if origin is None or origin.address != address or origin.proposer not in ends:
            continue
        end = beats(record, by_number.get(origin.parents[0]))
        ends[origin.proposer] += [] if end is None else [end]
    return [ProposerScore(address, name, len(won), sum(won)) for name, won in ends.items()]


def all_proposer_scores(records: Sequence[TrialRecord]) -> list[ProposerScore]:
    """The score of every proposer whose texts were tried, for each parameter."""
    asked: dict[str, dict[str, None]] = {}
    for origin in (record.origin for record in records if record.origin is not None):
        asked.setdefault(origin.address, {})[origin.proposer] = None
    return [one for address, proposers in asked.items() for one in proposer_scores(records, address, proposers)]


def beats(child: TrialRecord, parent: TrialRecord | None) -> bool | None:
    """Whether a text did better than the one it was made from; None where they were not measured on the same rung."""
    ours = {m.fidelity.examples: m for m in child.measurements}
    both = [m for m in (parent.measurements if parent else ()) if m.fidelity.examples in ours]
    if not both:
        return None
    theirs = both[-1]
    return _standing(ours[theirs.fidelity.examples]) < _standing(theirs)


def in_turn(scores: Sequence[ProposerScore], rng: random.Random) -> list[str]:
    """Proposers, the one to ask first at the front: by a draw from Beta(1 + wins, 1 + losses) each.

    Thompson 1933 (Biometrika 25:285); with equal scores each comes first equally often.
    """
    drawn = {s.proposer: rng.betavariate(1 + s.wins, 1 + s.tried - s.wins) for s in scores}
    return sorted(drawn, key=lambda name: -drawn[name])


def best_first(records: Iterable[TrialRecord], scores: Mapping[int, float] | None) -> list[TrialRecord]:
    """Measured trials by how good they are expected to be on all of dev, or where nobody knows that: by the rung they
    reached, then by their score there."""
    measured = [r for r in records if r.last is not None and not r.error]
    if scores is not None:
        return sorted(measured, key=lambda r: (-scores.get(r.number, -math.inf), r.number))
    return sorted(
        measured, key=lambda r: (-r.measurements[-1].fidelity.examples, *_standing(r.measurements[-1]), r.number)
    )


def _standing(measurement: Measurement) -> tuple[float, float]:
    """Key by which measurements on one rung are ranked; smaller is better."""
    return -measurement.score, measurement.metrics.get("loss", math.inf)
