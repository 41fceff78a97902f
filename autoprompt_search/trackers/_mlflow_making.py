"""An SQLite file for MLflow, made whole: one process makes it beside its place and moves it there when it is complete.

MLflow makes its tables in a second or more, in some two hundred steps, and cannot go on where it was ended in between,
nor make them twice at once. With this module nobody sees a file that is made in part.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import time
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any
from urllib.parse import quote

from autoprompt_search.core.file_lock import file_lock
from autoprompt_search.trackers._mlflow_sqlite import BUSY_SECONDS

log = logging.getLogger(__name__)

MAKING_SECONDS = 180.0
"""Time that another process may take to make it; it takes seconds, and longer only on a machine that is very busy."""
QUIET_SECONDS = 3.0
"""A half-made file that was written to more recently may be in the making by someone else, such as MLflow's server."""
_COMPANIONS = ("-journal", "-wal", "-shm")
_VERSION = "alembic_version"
_FIRST_TABLES = {"experiments", "runs", "metrics", "params", "tags"}
"""What MLflow makes before all else."""


class _State(Enum):
    EMPTY = "there is no file, or nothing in it"
    HALF_MADE = "some of MLflow's tables, and not one experiment or run"
    UNUSED = "all of MLflow's tables, and not one experiment or run"
    IN_USE = "an experiment, or something that is not MLflow's, of which MLflow will say what is wrong"


def ensure_made(database: Path) -> None:
    """Let there be a complete MLflow database; one that a killed process has left half-made is set aside.

    Raises `OSError`, `sqlite3.Error`, or what MLflow raises.
    """
    database = database.resolve()
    if _state_of(database) is _State.IN_USE:
        return
    with file_lock(_beside(database, ".lock"), seconds=MAKING_SECONDS):
        while (state := _state_of(database)) is not _State.IN_USE:
            if state is _State.EMPTY:
                _make(database)
            elif state is _State.UNUSED:
                _open_store(database)
                return
            elif time.time() < _written_at(database) + QUIET_SECONDS:
                time.sleep(0.1)
            else:
                aside = _set_aside(database)
                log.warning("%s was left half-made and held no run: it is now %s, and is made again", database, aside)


def _state_of(database: Path) -> _State:
    if not database.exists() or not database.stat().st_size:
        return _State.EMPTY
    with contextlib.closing(sqlite3.connect(database, timeout=BUSY_SECONDS)) as connection:
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not tables:
            return _State.EMPTY
        if not tables & _FIRST_TABLES or _has_rows(connection, tables) or not _are_all_mlflows(tables):
            return _State.IN_USE
        if _VERSION not in tables:
            return _State.HALF_MADE
        versions = connection.execute(f"SELECT version_num FROM {_VERSION}").fetchall()  # noqa: S608 - our own name
        return _State.UNUSED if versions == [(_latest_version(),)] else _State.HALF_MADE


def _has_rows(connection: sqlite3.Connection, tables: set[str]) -> bool:
    """Whether something was recorded, also where a table is just being remade by a newer MLflow."""
    holding = [name for name in tables if name in {"experiments", "runs"} or name.startswith("_alembic_tmp_")]
    answers = [connection.execute(f'SELECT EXISTS (SELECT 1 FROM "{name}")').fetchone() for name in holding]  # noqa: S608
    return any(row[0] for row in answers)


def _are_all_mlflows(tables: set[str]) -> bool:
    from mlflow.store.db.base_sql_model import Base
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore  # noqa: F401 - names the tables to `Base`

    others = tables - _FIRST_TABLES - set(Base.metadata.tables) - {_VERSION}
    return all(name.startswith(("_alembic_tmp_", "sqlite_")) for name in others)


def _latest_version() -> str | None:
    import mlflow
    from alembic.script import ScriptDirectory

    folder = Path(mlflow.__file__).parent / "store" / "db_migrations"
    return ScriptDirectory(str(folder)).get_current_head()


def _make(database: Path) -> None:
    draft = _beside(database, ".draft")
    _remove(draft)
    try:
        with _without_waiting_for_the_disk(draft):
            _open_store(draft)
        with contextlib.closing(sqlite3.connect(draft)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
        descriptor = os.open(draft, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        for stale in _companions(database):
            stale.unlink()  # a journal of another file would be played into this one
        draft.replace(database)
    finally:
        _remove(draft)


def _open_store(database: Path) -> None:
    """MLflow makes what is missing when a store is opened."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    store = SqlAlchemyStore(f"sqlite:///{quote(str(database))}", (database.parent / "mlruns").as_uri())
    store.engine.dispose()


@contextlib.contextmanager
def _without_waiting_for_the_disk(draft: Path) -> Iterator[None]:
    """Write without waiting for the disk, which suits a file that counts only when it is complete."""
    from sqlalchemy import Engine, event

    def relax(connection: Any, _: Any) -> None:
        if isinstance(connection, sqlite3.Connection):
            files = [row[2] for row in connection.execute("PRAGMA database_list")]
            if files == [str(draft)]:
                connection.execute("PRAGMA synchronous=OFF")
                connection.execute("PRAGMA journal_mode=MEMORY")

    event.listen(Engine, "connect", relax)
    try:
        yield
    finally:
        event.remove(Engine, "connect", relax)


def _set_aside(database: Path) -> Path:
    number = 1
    while (aside := _beside(database, f".half-made-{number}")).exists():
        number += 1
    for file in (*_companions(database), database):
        file.replace(file.with_name(file.name.replace(database.name, aside.name, 1)))
    return aside


def _beside(database: Path, ending: str) -> Path:
    return database.with_name(database.name + ending)


def _companions(database: Path) -> list[Path]:
    return [file for ending in _COMPANIONS if (file := _beside(database, ending)).exists()]


def _written_at(database: Path) -> float:
    return max(file.stat().st_mtime for file in (database, *_companions(database)))


def _remove(draft: Path) -> None:
    for file in (*_companions(draft), draft):
        file.unlink(missing_ok=True)
