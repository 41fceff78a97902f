"""The test split, sealed: whoever opens it is written down before it is handed out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from autoprompt_search.core.disk import append_line
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
        others = self._others(split)
        if self._log is not None and wanted not in others:
            append_line(self._log, json.dumps({"test": split, "choice": wanted}))
        return Opened(self._examples, len(others - {wanted}))

    def _others(self, split: str) -> set[str]:
        """Choices that opened this split, as far as the log can be read: a kill may tear its last line."""
        if self._log is None or not self._log.exists():
            return set()
        found = set()
        for line in self._log.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                entry = json.loads(line)
                if entry["test"] == split:
                    found.add(str(entry["choice"]))
            except (ValueError, LookupError, TypeError):
                continue
        return found
