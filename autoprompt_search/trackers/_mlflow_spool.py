"""Trials on their way to MLflow, on disk, so that neither a dead server nor a dead driver loses one."""

from __future__ import annotations

import contextlib
import json
import logging
import uuid
from pathlib import Path

from autoprompt_search.trackers._mlflow_entry import TrialEntry

log = logging.getLogger(__name__)


class Spool:
    """A write-ahead log in the search's state folder: written before a trial is sent, removed when all are there."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "mlflow-spool.jsonl"
        self._marker = folder / "mlflow-search.json"

    def search_id(self, fingerprint: str) -> str:
        """Tells this search from others with the same configuration; kept as long as the state folder is.

        `OSError` when the folder cannot be written.
        """
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            known = json.loads(self._marker.read_text(encoding="utf-8"))
            if known["fingerprint"] == fingerprint:
                return str(known["id"])
        self._marker.parent.mkdir(parents=True, exist_ok=True)
        self.clear()
        made = uuid.uuid4().hex[:16]
        self._marker.write_text(json.dumps({"fingerprint": fingerprint, "id": made}) + "\n", encoding="utf-8")
        return made

    def append(self, entry: TrialEntry) -> None:
        """One line, handed to the operating system before this returns; a full disk costs only a warning."""
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(entry.to_json() + "\n")
        except OSError as exc:
            log.warning("trial %d is kept in memory only: %s", entry.number, exc)

    def load(self) -> list[TrialEntry]:
        """What an earlier driver may not have sent, by number; a line torn by a crash is left out."""
        entries: dict[int, TrialEntry] = {}
        with contextlib.suppress(FileNotFoundError):
            for line in self.path.read_text(encoding="utf-8", errors="replace").splitlines():
                with contextlib.suppress(ValueError):
                    entry = TrialEntry.from_json(line)
                    entries[entry.number] = entry
        if entries:
            self._mend(entries)
        return list(entries.values())

    def clear(self) -> None:
        """Delete the file, because everything was sent."""
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)

    def _mend(self, entries: dict[int, TrialEntry]) -> None:
        """Write whole lines only, so that the next one does not grow onto a torn one."""
        with contextlib.suppress(OSError):
            self.path.write_text("".join(e.to_json() + "\n" for e in entries.values()), encoding="utf-8")
