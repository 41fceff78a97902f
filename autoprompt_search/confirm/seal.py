"""The test split, sealed: whoever opens it is written down before it is handed out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from autoprompt_search.core.disk import append_line
from autoprompt_search.core.fingerprint import fingerprint
from autoprompt_search.core.types import Example


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
        self._before: int | None = None

    @property
    def openings_before(self) -> int:
        """How many other choices this split had judged before. Raises `RuntimeError` while it is sealed."""
        if self._before is None:
            raise RuntimeError("the test split is sealed")
        return self._before

    def open(self, choice: object) -> tuple[Example, ...]:
        """The examples, for the prompts that `choice` names; the same ones again, as after a crash, count once."""
        split, wanted = fingerprint(self._examples), fingerprint(choice)
        others = self._others(split)
        self._before = len(others - {wanted})
        if self._log is not None and wanted not in others:
            append_line(self._log, json.dumps({"test": split, "choice": wanted}))
        return self._examples

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
