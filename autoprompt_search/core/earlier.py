"""What a search leaves behind for later ones to start from: configuration, parameters and dev scores, and no more."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from autoprompt_search.core.types import Scalar


@dataclass(frozen=True, slots=True)
class EarlierTrial:
    """A trial that saw all of dev."""

    number: int
    params: Mapping[str, Scalar]
    """The point as it was recorded; a record without types holds numbers as texts."""
    score: float
    loss: float
    """Infinite where it was not recorded."""


@dataclass(frozen=True, slots=True)
class EarlierSearch:
    """One search as it was recorded, not yet checked."""

    name: str
    """The search's name as a person reads it."""
    config: str
    """Its space file, as YAML; empty where that was not recorded."""
    test: str
    """Fingerprint of its test split."""
    seen: frozenset[str] | None
    """Fingerprints of the examples that it chose prompts on; None where they were not recorded."""
    trials: tuple[EarlierTrial, ...]


@runtime_checkable
class Recalls(Protocol):
    """A tracker that can be asked what earlier searches have recorded. Never reads a score of a test split."""

    def earlier(self, experiment: str) -> Sequence[EarlierSearch]:
        """The searches of an experiment that have complete trials, the latest first.

        `ConfigError` where the store does not answer or has no such experiment; it is left as it was.
        """
        ...


def listed(text: str) -> frozenset[str]:
    """Fingerprints of a recorded list of train and dev examples; raises where the text is no such list."""
    seen = json.loads(text)
    return frozenset([*seen["train"], *seen["dev"]])
