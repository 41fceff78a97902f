"""The test split, sealed: whoever opens it is written down before it is handed out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from autoprompt_search.core.bounded import loads
from autoprompt_search.core.disk import append_line, is_there, reading
from autoprompt_search.core.fingerprint import fingerprint
from autoprompt_search.core.types import Example


@dataclass(frozen=True, slots=True)
class Opened:
    """The test split, handed out."""

    examples: tuple[Example, ...]
    openings_before: int
    """How many other choices this split had judged before."""


class Seal:
    """Hands the test split out, once per choice made on dev.

    A second look at the same split for another choice is no longer a look at unseen data: it can be had, after a
    larger budget or a fresh start in the same folder, and the result then says how many there were before.

    Args:
        examples: The split.
        log: Where openings are written down; None: nowhere, for one search in memory.
    """

    def __init__(self, examples: Sequence[Example], log: Path | None = None) -> None:
        self._examples, self._log = tuple(examples), log

    def open(self, choice: object) -> Opened:
        """The examples, for the prompts that `choice` names; the same ones again, as after a crash, count once."""
        split, wanted = fingerprint(self._examples), fingerprint(choice)
        mine = json.dumps({"test": split, "choice": wanted})
        others = self._others(split, mine)
        if self._log is not None and wanted not in others:
            append_line(self._log, mine)
        return Opened(self._examples, len(others - {wanted}))

    def _others(self, split: str, mine: str) -> set[str]:
        """Choices that opened this split. A line that cannot be read was some opening, and counts as one.

        A kill may have torn the line of this very choice, `mine`, which then counts as what it is.
        """
        if self._log is None or not is_there(self._log):
            return set()
        with reading(self._log):
            lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        choices = set()
        for line in lines:
            try:
                entry = loads(line)
                if str(entry["test"]) == split:
                    choices.add(str(entry["choice"]))
            except (ValueError, LookupError, TypeError):
                if line.strip() and not mine.startswith(line):
                    choices.add(f"unreadable: {line}")
        return choices
