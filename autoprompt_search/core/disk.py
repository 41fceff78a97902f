"""Files that cannot be written, found or understood are one clear error, wherever it happens."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from autoprompt_search.core.errors import StateError

DAMAGE = (ValueError, LookupError, TypeError, AttributeError, AssertionError, ArithmeticError, RecursionError)
"""What reading a file of our own raises that somebody, or a dying disk, has changed."""


def is_there(path: Path) -> bool:
    """Whether there is a file or folder, as far as can be told: what may not be looked at is for its reader to refuse.

    A name that is too long for any file system is that of no file.
    """
    try:
        return path.exists()
    except OSError as exc:
        return exc.errno != errno.ENAMETOOLONG


def is_folder(path: Path) -> bool:
    """Whether there is a folder; one that may not be looked at counts as none."""
    try:
        return path.is_dir()
    except OSError:
        return False


def cache_folder(what: str) -> Path:
    """Where something of this kind is kept: in the user's cache."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "autoprompt-search" / what


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the operating system or SQLite say of a failed write (full, read-only, gone) into a `StateError`."""
    try:
        yield
    except (OSError, sqlite3.DatabaseError) as exc:
        raise unwritable(path, exc) from exc


def append_line(path: Path, line: str) -> None:
    """Add a line to a log. It begins a line of its own even where a kill has torn the last one."""
    with writing(path), path.open("a+b") as file:
        end = file.seek(0, 2)
        if end:
            file.seek(end - 1)
        is_torn = bool(end) and file.read(1) != b"\n"
        file.write((("\n" if is_torn else "") + line + "\n").encode())


def unwritable(path: Path, exc: OSError | sqlite3.DatabaseError) -> StateError:
    """The error for a path that could not be written."""
    reason = (exc.strerror if isinstance(exc, OSError) else None) or exc
    return StateError(
        f"{path} cannot be written: {reason}. What was measured before is kept: make room, or mend it, and run the "
        "same command again to go on"
    )


@contextmanager
def reading(path: Path, *more: type[Exception]) -> Iterator[None]:
    """Turn what comes of a damaged file of the state folder, or of a folder in its place, into a `StateError`.

    `more` are further exceptions to be turned.
    """
    kinds: tuple[type[Exception], ...] = (*DAMAGE, OSError, *more)
    try:
        yield
    except kinds as exc:
        reason = " ".join(str((isinstance(exc, OSError) and exc.strerror) or exc).split())[:200]
        raise StateError(
            f"{path} is damaged ({type(exc).__name__}: {reason}): bring back a copy of it, or use --fresh to start anew"
        ) from exc
