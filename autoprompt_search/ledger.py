"""Every prediction ever made in this search, on disk: nothing measured is computed twice.

One SQLite file, written by the driver alone, readable by workers that can see it. A commit is one
measurement, so that a kill at any moment keeps whole measurements; a power failure may take the last seconds
with it, which is then measured again. Knows no study and no prompt.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from autoprompt_search.core.answers import response_from_plain, response_to_plain
from autoprompt_search.core.disk import reading, unwritable, writing
from autoprompt_search.core.errors import StateError
from autoprompt_search.core.fingerprint import fingerprint
from autoprompt_search.core.measurements import Answered, Cost, Measurement
from autoprompt_search.core.types import Example

VERSION = 2
"""Version of the columns below, kept in the file as `PRAGMA user_version`. The first version of them had no number, and
log-probabilities of labels in place of `response`."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS predictions (
    prompt TEXT NOT NULL, example TEXT NOT NULL, response TEXT NOT NULL, prompt_tokens INTEGER NOT NULL,
    PRIMARY KEY (prompt, example)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS costs (
    purpose TEXT PRIMARY KEY, forward_passes INTEGER NOT NULL, prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL, seconds REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS endpoint_costs (
    purpose TEXT PRIMARY KEY, requests INTEGER NOT NULL, cached_tokens INTEGER NOT NULL, usd REAL NOT NULL)
    WITHOUT ROWID;
"""
_SUMS = (
    "COALESCE(SUM(forward_passes), 0), COALESCE(SUM(prompt_tokens), 0), COALESCE(SUM(completion_tokens), 0), "
    "COALESCE(SUM(seconds), 0.0), COALESCE(SUM(requests), 0), COALESCE(SUM(cached_tokens), 0), COALESCE(SUM(usd), 0.0)"
)


class Ledger:
    """Predictions by (prompt key, example content), and what they cost by purpose.

    Args:
        path: Of the file.
        is_shared: Workers on other machines read it. SQLite's fast way of writing (WAL) is for one machine.
    """

    def __init__(self, path: Path, *, is_shared: bool = False) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=30, check_same_thread=False)
            self._db.execute(f"PRAGMA journal_mode={'DELETE' if is_shared else 'WAL'}")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._check_version()
            self._db.executescript(f"{_SCHEMA}PRAGMA user_version = {VERSION};")
        except (OSError, sqlite3.OperationalError) as exc:
            raise unwritable(path, exc) from exc
        except sqlite3.DatabaseError as exc:
            raise StateError(f"{path} is not a readable ledger ({exc}); remove it or start with --fresh") from exc

    def _check_version(self) -> None:
        """Refuse a file whose columns are not these; one without tables is new."""
        [version] = self._db.execute("PRAGMA user_version").fetchone()
        is_new = not self._db.execute("SELECT 1 FROM sqlite_master WHERE name = 'predictions'").fetchone()
        if version != VERSION and not is_new:
            self._db.close()
            raise StateError(
                f"{self._path} was written by another version of autoprompt-search (ledger format {version or 1}, this "
                f"one reads {VERSION}): go on with that version, or start again with --fresh"
            )

    def get(self, key: str, examples: Sequence[Example]) -> Mapping[str, Answered]:
        """Example id -> prediction, for those examples that are known under `key`."""
        with reading(self._path, sqlite3.DatabaseError):
            return _lookup(self._db, key, examples)

    def add(self, measurement: Measurement, examples: Mapping[str, Example], purpose: str) -> None:
        """Keep a measurement's outcomes, and its cost under `purpose` (once), in one transaction."""
        rows = [
            (
                measurement.prompt,
                address(examples[o.example]),
                json.dumps(response_to_plain(o.response), ensure_ascii=False),
                o.prompt_tokens,
            )
            for o in measurement.outcomes
        ]
        cost = measurement.cost
        with writing(self._path), self._db:
            self._db.executemany("INSERT OR IGNORE INTO predictions VALUES (?, ?, ?, ?)", rows)
            self._db.execute(
                "INSERT OR IGNORE INTO costs VALUES (?, ?, ?, ?, ?)",
                (purpose, cost.forward_passes, cost.prompt_tokens, cost.completion_tokens, cost.seconds),
            )
            if cost.requests:
                row = (purpose, cost.requests, cost.cached_tokens, cost.usd)
                self._db.execute("INSERT OR IGNORE INTO endpoint_costs VALUES (?, ?, ?, ?)", row)

    def total(self, *, beside_trials: bool = False) -> Cost:
        """What the whole search has cost so far, all its runs together; or all but its trials."""
        with reading(self._path, sqlite3.DatabaseError):
            row = self._db.execute(
                f"SELECT {_SUMS} FROM costs LEFT JOIN endpoint_costs USING (purpose)"  # noqa: S608 - our own words
                " WHERE NOT ? OR purpose NOT LIKE 'trial %'",
                (beside_trials,),
            ).fetchone()
        return Cost(*row)

    def close(self) -> None:
        """Release the file."""
        self._db.close()


class LedgerReader:
    """A worker's view of the ledger. Where it cannot be read nothing is known, and is computed instead."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, key: str, examples: Sequence[Example]) -> Mapping[str, Answered]:
        """See `Ledger.get`."""
        if not self._path.exists():
            return {}
        try:
            db = sqlite3.connect(f"{self._path.absolute().as_uri()}?mode=ro", uri=True, timeout=30)
            try:
                return _lookup(db, key, examples)
            finally:
                db.close()
        except sqlite3.DatabaseError:
            return {}


def address(example: Example) -> str:
    """An example by id and content: edited data never meets old predictions."""
    return _address(example.id, tuple(example.inputs.items()))


@lru_cache(maxsize=65536)
def _address(name: str, inputs: tuple[tuple[str, str], ...]) -> str:
    return fingerprint([name, dict(inputs)])


def _lookup(db: sqlite3.Connection, key: str, examples: Sequence[Example]) -> dict[str, Answered]:
    rows = db.execute("SELECT example, response, prompt_tokens FROM predictions WHERE prompt = ?", (key,)).fetchall()
    if not rows:
        return {}
    known = {example: Answered(response_from_plain(json.loads(response)), tokens) for example, response, tokens in rows}
    pairs = ((e.id, known.get(address(e))) for e in examples)
    return {name: prediction for name, prediction in pairs if prediction is not None}
