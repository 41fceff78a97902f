"""A disk that cannot be written is one clear error, wherever it happens."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from autoprompt_search.core.errors import StateError

_ADVICE = "What was measured before is kept: make room, or mend it, and run the same command again to go on"


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the operating system or SQLite say of a failed write (full, read-only, gone) into a `StateError`."""
    try:
        yield
    except sqlite3.OperationalError as exc:
        raise StateError(f"{path} cannot be written: {exc}. {_ADVICE}") from exc
    except OSError as exc:
        raise StateError(f"{path} cannot be written: {exc.strerror or exc}. {_ADVICE}") from exc
