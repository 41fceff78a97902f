"""Optuna's journal file, written by one process: no lock to wait for, and no wait for the disk at every entry."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from optuna.storages.journal import BaseJournalBackend

from autoprompt_search.core.bounded import loads
from autoprompt_search.core.disk import is_there, reading, writing
from autoprompt_search.core.errors import StateError

_SYNC_SECONDS = 1.0


class Journal(BaseJournalBackend):
    """The same lines as Optuna's own `JournalFileBackend`, so that its tools can read them.

    An entry is handed to the operating system at once, so that a killed driver loses nothing. It is forced onto
    the disk once a second: what a power failure takes with it is run again, from the ledger. The workspace sees
    to it that nobody else is writing. Entries are kept in memory until they have been read: what they say is then
    in Optuna's trials, and both together would be most of what a long search takes.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._unread = self._read() if is_there(path) else []
        self._first = 0
        """Number of the first unread entry."""
        self._synced = 0.0

    def read_logs(self, log_number_from: int) -> Sequence[dict[str, Any]]:
        """The entries that Optuna has not seen; they are read from memory, since nobody else writes."""
        if log_number_from < self._first:
            return self._read()[log_number_from:]
        del self._unread[: log_number_from - self._first]
        self._first = log_number_from
        return list(self._unread)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Write whole lines."""
        lines = [json.dumps(log, separators=(",", ":")) + "\n" for log in logs]
        with writing(self._path), self._path.open("ab") as file:
            file.write("".join(lines).encode())
            if time.monotonic() > self._synced + _SYNC_SECONDS:
                file.flush()
                os.fsync(file.fileno())
                self._synced = time.monotonic()
        self._unread.extend(json.loads(line) for line in lines)  # as the next driver will read them

    def _read(self) -> list[dict[str, Any]]:
        """What an earlier driver wrote. A last line torn by a kill is cut off: the next entry would be glued to it."""
        with reading(self._path), self._path.open("rb+") as file:
            data = file.read()
            whole = data.rfind(b"\n") + 1
            if whole != len(data):
                file.truncate(whole)
        try:
            return [loads(line) for line in data[:whole].splitlines()]
        except ValueError as exc:
            raise StateError(f"{self._path} is not a readable journal ({exc}); start again with --fresh") from exc
