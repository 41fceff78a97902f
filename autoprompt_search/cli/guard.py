"""The door between commands and the shell: every error becomes one message and one exit code."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import typer

from autoprompt_search.core.errors import ConfigError, SearchError, StateError
from autoprompt_search.core.uris import public
from autoprompt_search.core.visible import visible

USER_MISTAKE, FAILURE, INTERRUPTED = 2, 1, 130
"""Exit codes: mend what you wrote; something broke; stopped by Ctrl-C or SIGTERM (128 + SIGINT)."""


class Guard:
    """Context of one command: `with Guard("run"): ...`.

    What the user wrote (`ConfigError`, `StateError`) exits 2, other known errors 1, both without a
    traceback. Anything else is a fault of ours: it is logged with its traceback, and exits 1.
    """

    debug = False
    """Set by `--debug`: unexpected errors show their traceback."""

    def __init__(self, command: str, *, stopped: str = "Nothing was changed.") -> None:
        self._command, self._stopped = command, stopped
        self._log: Path | None = None
        self._handlers: list[logging.Handler] = []

    def __enter__(self) -> Self:
        return self

    def log_to(self, path: Path, show: Callable[[str], None]) -> None:
        """Keep this package's own messages in a file, made when the first one comes; `show` the warnings among them."""
        self._log = path
        kept = _Kept(path, delay=True, encoding="utf-8")
        kept.setFormatter(_Told("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        logger = logging.getLogger("autoprompt_search")
        logger.setLevel(logging.INFO)
        logger.propagate = False
        self._handlers = [kept, _Shown(show)]
        for handler in self._handlers:
            logger.addHandler(handler)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop_logging()
        if error is None or isinstance(error, (SystemExit, typer.Exit)):
            return
        if isinstance(error, KeyboardInterrupt):
            _say(f"\nStopped. {self._stopped}".rstrip())
            raise typer.Exit(INTERRUPTED) from None
        if isinstance(error, BrokenPipeError):
            # The reader of our output has gone, as `head` does; stdout must not be flushed again at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(FAILURE) from None
        if isinstance(error, SearchError):
            _say(f"Error: {error}")
            raise typer.Exit(USER_MISTAKE if isinstance(error, (ConfigError, StateError)) else FAILURE) from None
        if isinstance(error, Exception):
            self._unexpected(error)
            raise typer.Exit(FAILURE) from None

    def _stop_logging(self) -> None:
        """Leave the logger as it was: in one process another command may follow, and the folder may be gone."""
        logger = logging.getLogger("autoprompt_search")
        for handler in self._handlers:
            logger.removeHandler(handler)
            handler.close()
        if self._handlers:
            logger.setLevel(logging.NOTSET)
            logger.propagate = True

    def _unexpected(self, error: Exception) -> None:
        if Guard.debug:
            _say("".join(traceback.format_exception(error)).rstrip())
            return
        kept = _keep(error, self._log)
        _say(f"Error: {self._command} failed unexpectedly: {type(error).__name__}: {error}\n{kept}")


class _Told(logging.Formatter):
    """Lines of the log as they may be shown: it is read in a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """See `Formatter.format`."""
        return _told(super().format(record))


class _Kept(logging.FileHandler):
    """The search's log. A full disk, or a folder that is gone, costs lines of it and nothing else."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line if it can be written."""
        with contextlib.suppress(OSError):
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's own name
        """Do nothing: logging would print a traceback."""


class _Shown(logging.Handler):
    """Warnings for the person at the terminal: a server that is away, a worker that died."""

    def __init__(self, show: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._show = show

    def emit(self, record: logging.LogRecord) -> None:
        """Whatever thread it comes from."""
        self._show(_told(f"Warning: {record.getMessage()}"))


def _keep(error: Exception, log: Path | None) -> str:
    """Keep the traceback in the search's log or in a file of its own, and name the place; a full disk keeps nothing."""
    try:
        return f"The details are in {_written(error, log)}"
    except OSError as exc:
        return f"The details could not be kept ({exc.strerror or exc}); --debug shows them"


def _written(error: Exception, log: Path | None) -> Path:
    if log is None or not log.parent.is_dir():
        handle, name = tempfile.mkstemp(prefix="autoprompt-search-", suffix=".log")
        os.close(handle)
        log = Path(name)
    with log.open("a", encoding="utf-8") as file:
        file.write(_told("".join(traceback.format_exception(error))))
    return log


def _told(text: str) -> str:
    """What may be shown and kept: no secret of a URI, nothing that a terminal obeys."""
    return visible(public(text))


def _say(text: str) -> None:
    print(_told(text), file=sys.stderr)  # noqa: T201
