"""What a request to a model is made for: said once by whoever begins a piece of work, read where costs are booked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

TRIALS = "trials"
PROBE = "probe"
LATENCY = "latency"
FINAL = "final test"

_PURPOSE: ContextVar[str] = ContextVar("purpose", default=TRIALS)


@contextmanager
def purpose(name: str) -> Iterator[None]:
    """What is asked of a model inside is booked under this name."""
    token = _PURPOSE.set(name)
    try:
        yield
    finally:
        _PURPOSE.reset(token)


def current_purpose() -> str:
    """The name that the innermost `purpose` around the caller gives."""
    return _PURPOSE.get()
