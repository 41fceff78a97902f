"""A server's client whose calls do not come through for a while, or never."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any


class UnavailableClient:
    """Stands before a client and passes everything on, but for the first calls of some verbs, which fail.

    Args:
        inner: The client.
        problem: What such a call raises.
        times: Verb -> how many of its calls fail.
    """

    def __init__(self, inner: object, problem: Exception, times: Mapping[str, float]) -> None:
        self._inner, self._problem = inner, problem
        self._times = dict(times)
        self.calls: Counter[str] = Counter()
        """Verb -> how often it was called."""

    def __getattr__(self, name: str) -> Any:
        verb = getattr(self._inner, name)
        if name.startswith("_") or not callable(verb):
            return verb

        def call(*args: Any, **options: Any) -> Any:
            self.calls[name] += 1
            if self.calls[name] <= self._times.get(name, 0):
                raise self._problem
            return verb(*args, **options)

        return call
