"""The tracker of a search that shows itself nowhere: keeps what it is told in memory. Writes no file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from autoprompt_search.core.measurements import TrialRecord
from autoprompt_search.core.protocols.output import SearchCard, Winner


class MemoryTracker:
    """A tracker for `tracker: {type: none}`, and for tests that ask what a tracker was told."""

    def __init__(self) -> None:
        self.card: SearchCard | None = None
        self.records: dict[int, TrialRecord] = {}
        """By trial number: the same trial twice is one entry."""
        self.description = ""
        self.metrics: dict[str, float] = {}
        self.files: tuple[Path, ...] = ()
        self.winner: Winner | None = None
        self.status = ""
        """`running` after `open`, then what `close` was given."""

    def open(self, card: SearchCard) -> None:
        """Start or continue; records of an earlier part of the same search stay."""
        if self.card is not None and self.card.fingerprint != card.fingerprint:
            self.records.clear()
        self.card, self.description, self.status = card, card.description, "running"

    def log_trial(self, record: TrialRecord) -> None:
        """Keep the record."""
        self.records[record.number] = record

    def crown(self, winner: Winner) -> None:
        """Keep the winner."""
        self.winner = winner

    def close(self, description: str, metrics: Mapping[str, float], files: Sequence[Path], *, status: str) -> None:
        """Keep description (unless empty), numbers and paths."""
        self.description = description or self.description
        self.metrics, self.files, self.status = dict(metrics), tuple(files), status
