"""Mistakes in the user's data, collected so that one run shows them all; knows no file format."""

from __future__ import annotations

from collections import Counter

from autoprompt_search.core.errors import ConfigError

LINES = 20
"""Mistakes shown; more would scroll the first ones away."""
ALIKE = 5
"""Most mistakes of one kind that are shown, so that one repeated mistake does not hide the others."""


class Problems:
    """Lines of `file:line: what is wrong`, and the one error made of them."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._seen: Counter[str] = Counter()
        self._alike: Counter[str] = Counter()
        self._others = 0

    @property
    def count(self) -> int:
        """How many mistakes so far, hidden ones included."""
        return sum(self._seen.values())

    def add(self, where: str, what: str, *, kind: str = "") -> None:
        """Note one mistake; mistakes of one `kind` are summed up when they become many."""
        kind = kind or what
        self._seen[kind] += 1
        if self._seen[kind] > ALIKE:
            self._alike[kind] += 1
        elif len(self._lines) < LINES:
            self._lines.append(f"{where}: {what}")
        else:
            self._others += 1

    def check(self) -> None:
        """Raise `ConfigError` with all that was found, or return when all is well."""
        if not self._seen:
            return
        more = [f"and {number} more: {kind}" for kind, number in self._alike.items()]
        others = [f"and {self._others} more mistakes"] if self._others else []
        raise ConfigError(self._lines + more + others)
