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
from autoprompt_search.core.protocols import Scored
from autoprompt_search.core.types import Rendered, SoftPrompt
from autoprompt_search.testing.scripted import ScriptedBackend

_LINE = 17
"""Bytes of one line of the diary: sixteen digits and the end of the line."""


class FaultyBackend:
    """Scores as `ScriptedBackend` does, keeps a diary of its calls, and has its faults at planned ones.

    Args:
        folder: Holds the diary (`calls`: one line per call that began, what was asked) and the plan (`plan.json`:
            number of the call, from 0, to the name of a signal that this process then sends itself). Each fault
            comes once, whichever process makes the call.
        fails_on: A prompt that contains this text raises.
        nan_on: A prompt that contains this text gets no number.
        seconds: Sleep per call.
    """

    def __init__(self, *, folder: str, fails_on: str = "\0", nan_on: str = "\0", seconds: float = 0.0) -> None:
        self._model = ScriptedBackend(seconds=seconds, cues={"good": "loved", "bad": "hated"})
        self._folder = Path(folder)
        self._fails_on, self._nan_on = fails_on, nan_on
        self.fingerprint = self._model.fingerprint

    def problems(self, prompts: Sequence[Rendered], answers: Sequence[str], soft: int = 0) -> list[str]:
        """As `Backend.problems`."""
        return self._model.problems(prompts, answers, soft)

    def score(self, prompts: Sequence[Rendered], answers: Sequence[str], soft: SoftPrompt | None = None) -> Scored:
        """As `Scores.score`, where no fault comes in between."""
        call = self._write_down(prompts)
        fault = planned(self._folder).get(call)
        if fault is not None:
            os.kill(os.getpid(), getattr(signal, fault))
        texts = [prompt.text for prompt in prompts]
        if any(self._fails_on in text for text in texts):
            raise RuntimeError("planned failure")
        made = self._model.score(prompts, answers, soft)
        return replace(made, logliks=made.logliks * np.nan) if any(self._nan_on in t for t in texts) else made

    def embed(self, texts: Sequence[str]) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        """As `Embeds.embed`."""
        return self._model.embed(texts)

    def _write_down(self, prompts: Sequence[Rendered]) -> int:
        """Number of this call; the line is whole or absent, whoever else writes."""
        line = fingerprint([prompt.text for prompt in prompts])[: _LINE - 1].encode() + b"\n"
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
    """Call -> signal."""
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
