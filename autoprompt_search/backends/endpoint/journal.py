"""The one meter of an endpoint: every answer, what it cost and what for, in a file that a kill cannot tear.

What was answered once is never asked, nor paid for, again. Holds no key and no address with secrets. Knows no HTTP.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from autoprompt_search.core.disk import writing
from autoprompt_search.core.errors import BudgetError
from autoprompt_search.core.purpose import current_purpose

_SCHEMA = """
CREATE TABLE IF NOT EXISTS calls (
    number INTEGER PRIMARY KEY, purpose TEXT NOT NULL, at REAL NOT NULL, prompt INTEGER NOT NULL,
    cached INTEGER NOT NULL, completion INTEGER NOT NULL, usd REAL NOT NULL, is_assumed INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, answer TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""
_TALLY: ContextVar[list[Usage] | None] = ContextVar("tally", default=None)


@contextmanager
def tallied() -> Iterator[list[Usage]]:
    """Collects what requests took that are booked inside, in threads that were given this context too."""
    tally: list[Usage] = []
    token = _TALLY.set(tally)
    try:
        yield tally
    finally:
        _TALLY.reset(token)


_SUMS = (
    "COUNT(*), COALESCE(SUM(prompt), 0), COALESCE(SUM(cached), 0), COALESCE(SUM(completion), 0), "
    "COALESCE(SUM(usd), 0.0), COALESCE(SUM(is_assumed), 0)"
)


@dataclass(frozen=True, slots=True)
class Tariff:
    """Money per million tokens."""

    prompt: float = 0.0
    cached: float = 0.0
    """Of a beginning that the server has read before."""
    completion: float = 0.0

    def usd(self, usage: Usage) -> float:
        """What this usage costs."""
        fresh = usage.prompt - usage.cached
        return (fresh * self.prompt + usage.cached * self.cached + usage.completion * self.completion) / 1e6


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one request."""

    prompt: int
    cached: int = 0
    """Those of the prompt that the server had read before."""
    completion: int = 0
    """New ones, those that nobody sees included."""


@dataclass(frozen=True, slots=True)
class Spent:
    """Sums over requests."""

    requests: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    usd: float = 0.0
    assumed: int = 0
    """Requests whose answer was lost on its way; they count as what the same request cost when it was answered."""

    @classmethod
    def of(cls, usages: Sequence[Usage], tariff: Tariff) -> Self:
        """The sums over these requests."""
        return cls(
            len(usages),
            sum(one.prompt for one in usages),
            sum(one.cached for one in usages),
            sum(one.completion for one in usages),
            sum(tariff.usd(one) for one in usages),
        )

    @property
    def tokens(self) -> int:
        """Prompt and completion together."""
        return self.prompt_tokens + self.completion_tokens

    def plain(self) -> dict[str, Any]:
        """The counts as JSON can hold them."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass(frozen=True, slots=True)
class Caps:
    """What may be spent, all purposes together; None for no limit."""

    requests: int | None = None
    tokens: int | None = None
    usd: float | None = None

    def passed(self, spent: Spent, more: Usage, usd: float) -> str | None:
        """Which limit this request could pass, in words; None for none."""
        after = {
            "requests": spent.requests + 1,
            "tokens": spent.tokens + more.prompt + more.completion,
            "usd": spent.usd + usd,
        }
        for name, value in after.items():
            most = getattr(self, name)
            if most is not None and value > most:
                return f"budget.{name}: {_amount(name, most)} do not pay for another request"
        return None


class Journal:
    """The file, shared by all threads and processes of a search on one machine.

    Args:
        path: Where it lies; None keeps everything in memory.
        tariff: What tokens cost.
        caps: What may be spent.
    """

    def __init__(self, path: Path | None = None, *, tariff: Tariff | None = None, caps: Caps | None = None) -> None:
        self.path, self.tariff, self.caps = path, tariff or Tariff(), caps or Caps()
        self._lock = threading.RLock()
        self._reserved: dict[int, tuple[Usage, float]] = {}
        with writing(path or Path("memory")):
            if path:
                path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path or ":memory:", timeout=30, check_same_thread=False, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.executescript(_SCHEMA)

    def answer(self, key: str) -> Any:
        """What was answered under this key; None where it was never asked."""
        with self._lock:
            row = self._db.execute("SELECT answer FROM answers WHERE key = ?", (key,)).fetchone()
        return json.loads(row[0]) if row else None

    def fact(self, name: str) -> Any:
        """Something found out about the endpoint; None where it was not."""
        with self._lock:
            row = self._db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return json.loads(row[0]) if row else None

    def remember(self, name: str, value: Any) -> None:
        """Keep something found out."""
        with self._lock, self._writing():
            self._db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, json.dumps(value)))

    def reserve(self, most: Usage) -> int:
        """Set aside what a request may cost at most; the number of the reservation.

        Raises `BudgetError` where that could pass the budget, what is under way included.
        """
        with self._lock:
            usd, spent = self.tariff.usd(most), self.spent()
            for other, money in self._reserved.values():
                spent = _plus(spent, other, money)
            if problem := self.caps.passed(spent, most, usd):
                raise BudgetError(problem)
            number = max(self._reserved, default=0) + 1
            self._reserved[number] = (most, usd)
            return number

    def release(self, number: int) -> None:
        """The request is over, whatever became of it."""
        with self._lock:
            self._reserved.pop(number, None)

    def book(self, usage: Usage, key: str, answer: Any, lost: Sequence[Usage] = ()) -> None:
        """Keep an answer with what it cost, in one transaction, and what those before it cost that were lost."""
        rows = [self._row(usage, is_assumed=False), *(self._row(one, is_assumed=True) for one in lost)]
        if (tally := _TALLY.get()) is not None:
            tally += [usage, *lost]
        with self._lock, self._writing():
            self._db.execute("BEGIN IMMEDIATE")
            self._insert(rows)
            self._db.execute("INSERT OR REPLACE INTO answers VALUES (?, ?)", (key, json.dumps(answer)))
            self._db.execute("COMMIT")

    def book_lost(self, lost: Sequence[Usage]) -> None:
        """Count requests whose answers were lost for good, as what each may have cost."""
        with self._lock, self._writing():
            self._insert([self._row(one, is_assumed=True) for one in lost])

    def _row(self, usage: Usage, *, is_assumed: bool) -> tuple[Any, ...]:
        tokens = (usage.prompt, usage.cached, usage.completion)
        return (current_purpose(), time.time(), *tokens, self.tariff.usd(usage), int(is_assumed))

    def spent(self, purpose: str | None = None) -> Spent:
        """The sums of one purpose, or of all."""
        where, values = ("WHERE purpose = ?", (purpose,)) if purpose else ("", ())
        with self._lock:
            return Spent(*self._db.execute(f"SELECT {_SUMS} FROM calls {where}", values).fetchone())  # noqa: S608

    def by_purpose(self) -> dict[str, Spent]:
        """The sums of every purpose that cost anything."""
        with self._lock:
            names = [row[0] for row in self._db.execute("SELECT DISTINCT purpose FROM calls ORDER BY purpose")]
        return {name: self.spent(name) for name in names}

    def _insert(self, rows: list[tuple[Any, ...]]) -> None:
        columns = "purpose, at, prompt, cached, completion, usd, is_assumed"
        self._db.executemany(f"INSERT INTO calls ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)", rows)  # noqa: S608

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with writing(self.path or Path("memory")):
            yield


def _plus(spent: Spent, usage: Usage, usd: float) -> Spent:
    return Spent(
        spent.requests + 1,
        spent.prompt_tokens + usage.prompt,
        spent.cached_tokens + usage.cached,
        spent.completion_tokens + usage.completion,
        spent.usd + usd,
        spent.assumed,
    )


def _amount(name: str, value: float) -> str:
    return f"{value:.2f} USD" if name == "usd" else f"{value:,.0f} {name}"
