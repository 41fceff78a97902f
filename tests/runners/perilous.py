"""A third party's backend that goes wrong on demand; tests install a copy of this file as a package."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from autoprompt_search.core.protocols import Scored
from autoprompt_search.core.types import Rendered, SoftPrompt
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
    ) -> None:
        self._model = ScriptedBackend()
        self._marker = Path(marker)
        self._dies_on, self._dies_once_on, self._explodes_on = dies_on, dies_once_on, explodes_on
        self._interrupted_once_on = interrupted_once_on

    def problems(self, prompts: Sequence[Rendered], answers: Sequence[str]) -> list[str]:
        return []

    def score(self, prompts: Sequence[Rendered], answers: Sequence[str], soft: SoftPrompt | None = None) -> Scored:
        text = prompts[-1].text
        if self._explodes_on in text:
            raise RuntimeError("boom")
        if self._dies_on in text or (self._dies_once_on in text and self._is_first_time()):
            os._exit(9)
        if self._interrupted_once_on in text and self._is_first_time():
            raise KeyboardInterrupt
        return self._model.score(prompts, answers, soft)

    def _is_first_time(self) -> bool:
        if self._marker.exists():
            return False
        self._marker.touch()
        return True
