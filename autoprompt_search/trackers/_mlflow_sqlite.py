"""An SQLite file as MLflow's store: found in the URI, checked before MLflow waits on it, and made cheap to write.

With SQLite's defaults a trial costs MLflow some twenty waits for the disk. In WAL mode with `synchronous=NORMAL`
it costs none: a power failure can take the last trials with it but never harm the file, and the next run of the
search sends every trial that is not there.
"""

from __future__ import annotations

import contextlib
import re
import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import unquote

BUSY_SECONDS = 20.0
"""A file that others write to is waited for as long as MLflow waits for it."""


def database_of(uri: str) -> Path | None:
    """The file behind `sqlite:///relative.db` or `sqlite:////absolute.db`."""
    match = re.fullmatch(r"sqlite(?:\+\w+)?:///([^?]+)(?:\?.*)?", uri)
    is_file = match and match[1] != ":memory:" and not match[1].startswith("file:")
    return Path(unquote(match[1])).absolute() if match and is_file else None


def check(database: Path) -> None:
    """Raise `OSError` or `sqlite3.Error` now where MLflow would try again for minutes."""
    database.parent.mkdir(parents=True, exist_ok=True)
    if not database.exists():
        return  # it is made later, by one process at a time
    with contextlib.closing(sqlite3.connect(database, timeout=BUSY_SECONDS)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("SELECT count(*) FROM sqlite_master")
        connection.rollback()


def hasten(database: Path) -> None:
    """Let commits of this process wait for no disk. A file that is in use keeps the mode it has."""
    from sqlalchemy import Engine, event

    database = database.resolve()
    # a file in use, or one on a disk that knows no such log, keeps its mode: slower, and as safe
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")

    @event.listens_for(Engine, "connect")
    def relax(connection: Any, _: Any) -> None:
        if isinstance(connection, sqlite3.Connection):
            files = [Path(row[2]) for row in connection.execute("PRAGMA database_list") if row[2]]
            if files == [database]:
                connection.execute("PRAGMA synchronous=NORMAL")


def settle(database: Path) -> None:
    """Bring everything into the one file, and onto the disk."""
    # where another process reads it, the log stays beside the file, and whoever opens it next reads both
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def artifacts_beside(database: Path, experiment: str) -> str:
    """Files of a search stay with its database, wherever the driver was started."""
    return (database.parent / "mlruns" / re.sub(r"[^\w.-]", "-", experiment)).as_uri()
