"""How many requests are under way at a time: more while they succeed, fewer when the server says that it is busy."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_LESS = 0.5
_COOL = 1.0
"""Seconds in which several refusals count as one."""
_LOOK = 0.5
"""Seconds after which one who waits looks again, whatever happens."""


class Gate:
    """Additive increase, multiplicative decrease (Chiu and Jain 1989), between one request and `most` at a time.

    Args:
        most: Requests at a time at most.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._limit = float(most)
        self._running = 0
        self._shrunk = -_COOL
        self._closed_until = 0.0
        self._changed = threading.Condition()

    @property
    def limit(self) -> int:
        """Requests that may be under way now."""
        return max(1, int(self._limit))

    @contextmanager
    def place(self) -> Iterator[None]:
        """Wait for a place, and give it back."""
        with self._changed:
            while self._running >= self.limit or time.monotonic() < self._closed_until:
                left = self._closed_until - time.monotonic()
                self._changed.wait(left if left > 0 else _LOOK)
            self._running += 1
        try:
            yield
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()

    def succeeded(self) -> None:
        """A request was answered: a whole round of them makes room for one more."""
        with self._changed:
            self._limit = min(float(self.most), self._limit + 1 / self._limit)
            self._changed.notify_all()

    def refused(self, seconds: float) -> None:
        """The server is busy: fewer at a time, and none for so many seconds."""
        now = time.monotonic()
        with self._changed:
            if now - self._shrunk >= _COOL:
                self._limit, self._shrunk = max(1.0, self._limit * _LESS), now
            self._closed_until = max(self._closed_until, now + seconds)
            self._changed.notify_all()
