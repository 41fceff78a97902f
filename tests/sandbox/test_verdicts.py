"""Programs are judged once, side by side, and what was judged stays."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.programs import Tests
from autoprompt_search.sandbox import bubblewrap, verdict, verdicts
from autoprompt_search.sandbox.verdicts import _KNOWN, sandbox

needs_sandbox = pytest.mark.skipif(sandbox() is None, reason="bubblewrap cannot make a sandbox on this machine")
TESTS = Tests(("assert f(1) == 2",), "f")
PROGRAMS = {
    "passed": "def f(x):\n    return x + 1",
    "failed": "def f(x):\n    return x",
    "error": "raise ValueError('no')",
    "no-program": "def f(x) return x",
}


@pytest.fixture(autouse=True)
def _fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    _KNOWN.clear()


@needs_sandbox
def test_every_kind_of_program_gets_its_verdict() -> None:
    assert verdicts([(program, TESTS) for program in PROGRAMS.values()]) == list(PROGRAMS)


@needs_sandbox
def test_what_was_judged_is_not_run_again_by_any_process(tmp_path: Path) -> None:
    assert verdict(PROGRAMS["passed"], TESTS) == "passed"
    _KNOWN.clear()  # as in another process
    [file] = tmp_path.rglob("verdicts.sqlite")
    with sqlite3.connect(file) as database:
        database.execute("UPDATE verdicts SET verdict = 'timeout'")
    assert verdict(PROGRAMS["passed"], TESTS) == "timeout"
    assert verdict(PROGRAMS["passed"], Tests(("assert f(1) == 2",), "f", seconds=4.0)) == "passed"


@needs_sandbox
def test_a_cache_that_cannot_be_used_costs_time_only(tmp_path: Path) -> None:
    folder = tmp_path / "autoprompt-search" / "programs"
    folder.mkdir(parents=True)
    (folder / "verdicts.sqlite").write_text("no database")
    assert verdict(PROGRAMS["failed"], TESTS) == "failed"


def test_without_bubblewrap_nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bubblewrap, "executable", lambda: None)
    sandbox.cache_clear()
    try:
        with pytest.raises(ConfigError, match="needs bubblewrap"):
            verdicts([(PROGRAMS["passed"], TESTS)])
    finally:
        sandbox.cache_clear()
