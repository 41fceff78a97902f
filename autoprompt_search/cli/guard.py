"""The door between commands and the shell: every error becomes one message and one exit code."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import traceback
from pathlib import Path
from types import TracebackType
from typing import Self

import typer

from autoprompt_search.core.errors import ConfigError, SearchError, StateError

USER_MISTAKE, FAILURE, INTERRUPTED = 2, 1, 130
"""Exit codes: mend what you wrote; something broke; stopped by Ctrl-C (128 + SIGINT)."""


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
        self._handler: logging.Handler | None = None

    def __enter__(self) -> Self:
        return self

    def log_to(self, path: Path) -> None:
        """Keep this package's own messages in a file, made when the first one comes."""
        self._log = path
        handler = logging.FileHandler(path, delay=True, encoding="utf-8")
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        logger = logging.getLogger("autoprompt_search")
        logger.setLevel(logging.INFO)
        logger.propagate = False
        logger.addHandler(handler)
        self._handler = handler

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
            # Whoever read our output has gone, as `head` does; stdout must not be flushed again at exit.
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
        if self._handler is not None:
            logger = logging.getLogger("autoprompt_search")
            logger.removeHandler(self._handler)
            logger.setLevel(logging.NOTSET)
            logger.propagate = True
            self._handler.close()

    def _unexpected(self, error: Exception) -> None:
        if Guard.debug:
            traceback.print_exception(error)
            return
        kept = _keep(error, self._log)
        _say(f"Error: {self._command} failed unexpectedly: {type(error).__name__}: {error}\nThe details are in {kept}")


def _keep(error: Exception, log: Path | None) -> Path:
    """Append the traceback to the search's log, or else to a file of its own."""
    if log is None or not log.parent.is_dir():
        handle, name = tempfile.mkstemp(prefix="autoprompt-search-", suffix=".log")
        os.close(handle)
        log = Path(name)
    with log.open("a", encoding="utf-8") as file:
        file.write("".join(traceback.format_exception(error)))
    return log


def _say(text: str) -> None:
    print(text, file=sys.stderr)  # noqa: T201
