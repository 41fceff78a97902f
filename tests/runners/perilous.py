"""A third party's backend that goes wrong on demand; tests install a copy of this file as a package."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from autoprompt_search.core.prompts import Rendered, SoftPrompt
from autoprompt_search.core.protocols.model import Scored
from autoprompt_search.testing.scripted import ScriptedBackend


class Perilous:
    """Scores as `ScriptedBackend` does, but for prompts that hold one of these texts."""

    fingerprint = "perilous"

    def __init__(
        self,
        *,
        marker: str,
        dies_on: str = "\0",
        dies_once_on: str = "\0",
        explodes_on: str = "\0",
        interrupted_once_on: str = "\0",
        hangs_once_on: str = "\0",
        short_once_on: str = "\0",
        nan_on: str = "\0",
        only_in: int = 0,
    ) -> None:
        if only_in and os.getpid() != only_in:
            raise OSError("model: there is no folder /models/story")
        self._model = ScriptedBackend()
        self._marker = Path(marker)
        self._dies_on, self._dies_once_on, self._explodes_on = dies_on, dies_once_on, explodes_on
        self._interrupted_once_on, self._hangs_once_on, self._nan_on = interrupted_once_on, hangs_once_on, nan_on
        self._short_once_on = short_once_on

    def problems(self, prompts: Sequence[Rendered], answers: Sequence[str]) -> list[str]:
        return []

    def score(self, prompts: Sequence[Rendered], answers: Sequence[str], soft: SoftPrompt | None = None) -> Scored:
        text = prompts[-1].text
        if self._explodes_on in text:
            raise RuntimeError("boom")
        if self._dies_on in text or (self._dies_once_on in text and self._is_first_time("death")):
            os._exit(9)
        if self._interrupted_once_on in text and self._is_first_time("interrupt"):
            raise KeyboardInterrupt
        if self._hangs_once_on in text and self._is_first_time("hang"):
            os.kill(os.getpid(), signal.SIGSTOP)  # no thread of this process does anything any more
        if self._short_once_on in text and self._is_first_time("shortage"):
            np.empty(1 << 60, np.uint8)  # more memory than there is
        made = self._model.score(prompts, answers, soft)
        return replace(made, logliks=made.logliks * np.nan) if self._nan_on in text else made

    def _is_first_time(self, what: str) -> bool:
        marker = self._marker.with_suffix(f".{what}")
        if marker.exists():
            return False
        marker.touch()
        return True
