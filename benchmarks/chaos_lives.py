"""The searches of `chaos.py`, and the processes they are run in."""

from __future__ import annotations

import os
import resource
import signal
import time
from pathlib import Path

from autoprompt_search.cli.signals import sigterm_as_ctrl_c
from autoprompt_search.config import SearchConfig
from autoprompt_search.core.errors import SearchError
from autoprompt_search.report.rows import trials_csv
from autoprompt_search.runners.local import LocalRunner
from autoprompt_search.session import prepare, session
from autoprompt_search.walk import search
from autoprompt_search.workspace import Workspace

TABLE = "trials.csv"
LONGEST_LIFE = 900.0
"""Seconds after which a driver counts as hung."""
FINISHED, UNEXPECTED, REFUSED, STOPPED = 0, 70, 2, 130
"""Exit codes of a life."""


def space_of(seed: int, folder: Path, storage: str | None) -> SearchConfig:
    """20 trials over texts, demonstrations and layout; one template fails, one gives no number."""
    words = {"negative": "bad", "positive": "good"}
    texts = {"baseline": "{@Review}: {text} {@Sentiment}:", "cloze": "{text} All in all it was", "ask": "{text} So?"}
    texts |= {"broken": "{text} BROKEN", "no number": "{text} NAN"}
    strategies = ["none", "random", "balanced"]
    drawn = {"when": {"demos.strategy": strategies[1:]}}
    return SearchConfig.model_validate(
        {
            "name": "chaos",
            "seed": seed,
            "task": {
                "type": "classification", "data": str(folder / "data.jsonl"), "text": "text", "label": "label",
                "labels": list(words), "splits": {"train": 20, "dev": 48, "test": 60},
            },
            "backend": {"type": "faulty", "folder": str(folder), "fails_on": "BROKEN", "nan_on": "NAN"},
            "templates": {name: {"text": text, "words": words} for name, text in texts.items()},
            "space": {
                "template": {"kind": "choice", "values": list(texts)},
                "layout.casing": {"kind": "choice", "values": ["as-is", "upper", "lower"]},
                "demos.strategy": {"kind": "choice", "values": strategies},
                "demos.k": {"kind": "int", "low": 1, "high": 6, **drawn},
                "demos.draw": {"kind": "int", "low": 0, "high": 9, **drawn},
            },
            "rungs": [12, 24, 48],
            "budget": {"trials": 20},
            "study": {"type": "optuna", "reduction": 2, **({"storage": storage} if storage else {})},
            "runner": {"type": "local"},
            "tracker": {"type": "none"},
        }
    )  # fmt: skip


def run(config: SearchConfig, out: Path) -> None:
    """The search, or as much of it as its table of trials takes."""
    if config.seed % 10 == 0:
        search(config, out=out)
        return
    runner = LocalRunner()
    with Workspace(out, config) as place:
        plan = prepare(config, place, runner)
        with session(config, place, plan, runner, None) as parts:
            runner.run(parts.driver, plan.job)
            (out / TABLE).write_text(trials_csv(parts.study.records(), config.resolved()))


class Life:
    """One driver process, forked from this one: everything is imported, so it lives within milliseconds."""

    def __init__(self, config: SearchConfig, out: Path, *, most_bytes: int | None = None) -> None:
        self._errors = out.parent / "errors.txt"
        self._pid = os.fork()
        if self._pid == 0:
            code = UNEXPECTED
            try:
                code = self._live(config, out, most_bytes)
            finally:
                os._exit(code)

    def _live(self, config: SearchConfig, out: Path, most_bytes: int | None) -> int:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if most_bytes is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, resource.RLIM_INFINITY))
        try:
            with sigterm_as_ctrl_c():
                run(config, out)
        except KeyboardInterrupt:
            return STOPPED
        except SearchError as exc:
            return self._say(exc, REFUSED)
        except BaseException as exc:  # noqa: BLE001 - whatever it is, it is counted
            return self._say(exc, UNEXPECTED)
        return FINISHED

    def _say(self, exc: BaseException, code: int) -> int:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        self._errors.write_text(f"{type(exc).__name__}: {exc}")
        return code

    def kill(self) -> None:
        os.kill(self._pid, signal.SIGKILL)

    def is_over(self) -> bool:
        return os.waitid(os.P_PID, self._pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def end(self, seconds: float = LONGEST_LIFE) -> int | None:
        """Exit code, negative for a signal; None for a process that hung (and is killed)."""
        last = time.monotonic() + seconds
        while not self.is_over():
            if time.monotonic() > last:
                self.kill()
                os.waitpid(self._pid, 0)
                return None
            time.sleep(0.005)
        _, status = os.waitpid(self._pid, 0)
        return os.waitstatus_to_exitcode(status)
