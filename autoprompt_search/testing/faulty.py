"""A scripted backend that goes wrong at moments that were fixed beforehand, in whatever process it works.

`install` makes it known as a third party's package would be: as the backend `faulty`, also to processes that are
started later.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from autoprompt_search.core.fingerprint import fingerprint
from autoprompt_search.core.prompts import Rendered, SoftPrompt
from autoprompt_search.core.protocols.model import Scored
from autoprompt_search.testing.scripted import ScriptedBackend

OUT_OF_MEMORY = "out of memory"
"""A planned fault: this process asks for more memory than there is."""
ALONE = "one-"
"""Begins, in the diary, a call about one prompt, such as those that are timed."""
_LINE = 17
"""Bytes of one line of the diary: sixteen digits, or `ALONE` and twelve, and the end of the line."""


class FaultyBackend:
    """Scores as `ScriptedBackend` does, keeps a diary of its calls, and has its faults at planned ones.

    Args:
        folder: Holds the diary (`calls`: one line per call that began, what was asked) and the plan (`plan.json`:
            number of the call, from 0, to the name of a signal that this process then sends itself, or to
            `OUT_OF_MEMORY`). Each fault comes once, whichever process makes the call.
        fails_on: A prompt that contains this text raises.
        nan_on: A prompt that contains this text gets no number.
        poison: A prompt that contains all of these texts raises.
        seconds: Sleep per call.
    """

    def __init__(
        self,
        *,
        folder: str,
        fails_on: str = "\0",
        nan_on: str = "\0",
        poison: Sequence[str] = ("\0",),
        seconds: float = 0.0,
    ) -> None:
        self._model = ScriptedBackend(seconds=seconds, cues={"good": "loved", "bad": "hated"})
        self._folder = Path(folder)
        self._fails_on, self._nan_on, self._poison = fails_on, nan_on, tuple(poison)
        self.fingerprint = self._model.fingerprint

    def problems(self, prompts: Sequence[Rendered], answers: Sequence[str], soft: int = 0) -> list[str]:
        """See `Backend.problems`."""
        return self._model.problems(prompts, answers, soft)

    def score(self, prompts: Sequence[Rendered], answers: Sequence[str], soft: SoftPrompt | None = None) -> Scored:
        """See `Scores.score`, where no fault comes in between."""
        call = self._write_down(prompts)
        fault = planned(self._folder).get(call)
        if fault == OUT_OF_MEMORY:
            np.empty(1 << 60, np.uint8)
        elif fault is not None:
            os.kill(os.getpid(), getattr(signal, fault))
        texts = [prompt.text for prompt in prompts]
        if any(self._fails_on in text for text in texts):
            raise RuntimeError("planned failure")
        if any(all(part in text for part in self._poison) for text in texts):
            raise RuntimeError("planned poison")
        scored = self._model.score(prompts, answers, soft)
        return replace(scored, logliks=scored.logliks * np.nan) if any(self._nan_on in t for t in texts) else scored

    def embed(self, texts: Sequence[str]) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        """See `Embeds.embed`."""
        return self._model.embed(texts)

    def _write_down(self, prompts: Sequence[Rendered]) -> int:
        """Number of this call; the line is whole or absent, whoever else writes."""
        asked = fingerprint([prompt.text for prompt in prompts])
        line = (ALONE * (len(prompts) == 1) + asked)[: _LINE - 1].encode() + b"\n"
        file = os.open(self._folder / "calls", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            os.write(file, line)
            return os.lseek(file, 0, os.SEEK_CUR) // _LINE - 1
        finally:
            os.close(file)


def calls(folder: Path) -> list[str]:
    """What was asked, call by call."""
    path = folder / "calls"
    return path.read_text(encoding="ascii").split() if path.exists() else []


def planned(folder: Path) -> dict[int, str]:
    """Number of a call -> the signal to send."""
    path = folder / "plan.json"
    return {int(k): v for k, v in json.loads(path.read_text()).items()} if path.exists() else {}


def plan(folder: Path, faults: Mapping[int, str]) -> None:
    """Write down what will go wrong."""
    draft = folder / "plan.tmp"
    draft.write_text(json.dumps({str(k): v for k, v in faults.items()}))
    draft.replace(folder / "plan.json")


def install(folder: Path) -> Path:
    """Make the backend known to processes that have the folder on their path; returns the folder."""
    info = folder / "faulty_backend-1.0.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: faulty-backend\nVersion: 1.0\n")
    target = "faulty = autoprompt_search.testing.faulty:FaultyBackend"
    (info / "entry_points.txt").write_text(f"[autoprompt_search.backends]\n{target}\n")
    return folder
