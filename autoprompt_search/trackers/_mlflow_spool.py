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
        self._has_warned = False

    def search_id(self, fingerprint: str) -> str:
        """Tells this search from others with the same configuration; kept as long as the state folder is.

        `OSError` when the folder cannot be written.
        """
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):  # absent or damaged: a new one is made
            known = json.loads(self._marker.read_text(encoding="utf-8"))
            if known["fingerprint"] == fingerprint:
                return str(known["id"])
        self._marker.parent.mkdir(parents=True, exist_ok=True)
        self.clear()
        new_id = uuid.uuid4().hex[:16]
        self._marker.write_text(json.dumps({"fingerprint": fingerprint, "id": new_id}) + "\n", encoding="utf-8")
        return new_id

    def append(self, entry: TrialEntry) -> None:
        """One line, handed to the operating system before this returns; a full disk costs only a warning."""
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(entry.to_json() + "\n")
        except OSError as exc:
            if not self._has_warned:
                self._has_warned = True
                log.warning("trial %d and those that follow are kept in memory only: %s", entry.number, exc)

    def load(self) -> list[TrialEntry]:
        """What an earlier driver may not have sent, by number.

        A last line torn by a crash is left out. Lines that somebody has damaged, or something that is no file, are put
        aside and said: the search sends its finished trials anew, so nothing is lost.
        """
        if not self.path.exists():
            return []
        entries: dict[int, TrialEntry] = {}
        try:
            *lines, torn = self.path.read_text(encoding="utf-8", errors="replace").split("\n")
        except OSError as exc:
            self._put_aside(exc.strerror or str(exc))
            return []
        damaged = 0
        for line in [*lines, torn]:
            try:
                entry = TrialEntry.from_json(line)
                entries[entry.number] = entry
            except ValueError:
                damaged += bool(line.strip()) and line is not torn
        if damaged:
            self._put_aside(f"{damaged} of its lines cannot be read")
        if entries:
            self._mend(entries)
        return list(entries.values())

    def _put_aside(self, reason: str) -> None:
        aside = self.path.with_name(f"{self.path.name}.{uuid.uuid4().hex[:8]}.damaged")
        try:
            self.path.rename(aside)
            log.warning("%s is damaged (%s): it is now %s", self.path, reason, aside.name)
        except OSError as exc:
            log.warning("%s is damaged (%s), and stays where it is: %s", self.path, reason, exc)

    def clear(self) -> None:
        """Delete the file, because everything was sent."""
        with contextlib.suppress(OSError):  # what stays is sent once more, under the same names
            self.path.unlink(missing_ok=True)

    def _mend(self, entries: dict[int, TrialEntry]) -> None:
        """Write whole lines only, so that the next one does not grow onto a torn one."""
        with contextlib.suppress(OSError):  # they are in memory too, and the search sends its finished trials anew
            self.path.write_text("".join(e.to_json() + "\n" for e in entries.values()), encoding="utf-8")
