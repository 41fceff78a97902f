"""Verdicts on programs: a few sandboxes side by side, and every program once, kept on disk across processes."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import get_args

from autoprompt_search.core.disk import cache_folder
from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.fingerprint import fingerprint
from autoprompt_search.core.programs import Tests
from autoprompt_search.sandbox import bubblewrap
from autoprompt_search.sandbox.grader import Start, Verdict, judge

_RULES = 1
"""Version of how programs are judged; part of what a verdict is kept under."""
_SIDE_BY_SIDE = max(1, min(8, os.cpu_count() or 1))
_KNOWN: dict[str, Verdict] = {}
"""Of this process, in front of the file."""


def verdict(program: str, tests: Tests) -> Verdict:
    """The verdict on one program, see `verdicts`."""
    return verdicts([(program, tests)])[0]


def verdicts(jobs: Sequence[tuple[str, Tests]]) -> list[Verdict]:
    """The verdict on every program, in order; those that were judged before, by any process, are not run again.

    Raises:
        ConfigError: There is no sandbox on this machine.
    """
    start = check_sandbox()
    keys = [fingerprint([_RULES, program, tests]) for program, tests in jobs]
    new = {key: job for key, job in zip(keys, jobs, strict=True) if key not in _KNOWN}
    if new:
        _KNOWN.update(_kept(list(new)))
    todo = {key: job for key, job in new.items() if key not in _KNOWN}
    if todo:
        with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
            judged = dict(zip(todo, pool.map(lambda job: judge(job[0], job[1], start), todo.values()), strict=True))
        _KNOWN.update(judged)
        _keep(judged)
    return [_KNOWN[key] for key in keys]


@cache
def sandbox() -> Start | None:
    """The way to make a sandbox here, found by running a program in it; None where none works. Asked once a process."""
    if bubblewrap.executable() is None:
        return None
    works = (way for way in bubblewrap.ways() if judge("x = 1", Tests(("assert x == 1",)), way) == "passed")
    return next(works, None)


def check_sandbox() -> Start:
    """The way to make a sandbox here; `ConfigError` where programs cannot be run."""
    if way := sandbox():
        return way
    why = (
        "needs bubblewrap (`bwrap`), which is not installed here; on Debian: apt install bubblewrap"
        if bubblewrap.executable() is None
        else "bubblewrap cannot make a sandbox here: user namespaces are switched off, or root's Python is unreadable"
    )
    raise ConfigError(f"task.allow_code_execution: {why}")


def _file() -> Path:
    folder = cache_folder("programs")
    folder.mkdir(parents=True, exist_ok=True)
    return folder / "verdicts.sqlite"


def _kept(keys: Sequence[str]) -> dict[str, Verdict]:
    """Those that some process has kept; a file that cannot be used keeps nothing."""
    found: dict[str, Verdict] = {}
    try:
        with closing(_opened()) as database:
            for key in keys:
                row = database.execute("SELECT verdict FROM verdicts WHERE program = ?", (key,)).fetchone()
                if row and row[0] in get_args(Verdict):
                    found[key] = row[0]
    except (sqlite3.Error, OSError):
        return {}  # programs are run again
    return found


def _keep(judged: dict[str, Verdict]) -> None:
    try:
        with closing(_opened()) as database, database:
            database.executemany("INSERT OR REPLACE INTO verdicts VALUES (?, ?)", list(judged.items()))
    except (sqlite3.Error, OSError):
        return  # a full or read-only disk costs time in the next process, and no verdict


def _opened() -> sqlite3.Connection:
    database = sqlite3.connect(_file(), timeout=30)
    database.execute("CREATE TABLE IF NOT EXISTS verdicts (program TEXT PRIMARY KEY, verdict TEXT NOT NULL)")
    return database
