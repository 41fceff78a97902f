"""What a machine is told of a running search: JSON lines."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from typing import TextIO

from autoprompt_search.core.measurements import Allowance, Measurement, TrialRecord
from autoprompt_search.core.types import Params


class JsonLines:
    """A `Progress` for machines: one JSON object a line, each with its `event` and the seconds since the start."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._began, self._lock = stream, time.monotonic(), threading.Lock()

    def begin(self, name: str, trials: int, done: Sequence[TrialRecord], limit: Allowance | None = None) -> None:
        known = None if limit is None else {"unit": limit.unit, "most": limit.most}
        self.say("begin", name=name, trials=trials, done=len(done), limit=known)

    def started(self, number: int, params: Params) -> None:
        self.say("started", trial=number, params=dict(params))

    def measured(self, number: int, measurement: Measurement) -> None:
        seen = measurement.fidelity
        passes = measurement.cost.forward_passes
        self.say("measured", trial=number, score=measurement.score, examples=seen.examples, forward_passes=passes)

    def finished(self, record: TrialRecord) -> None:
        last = record.last
        self.say(
            "finished",
            trial=record.number,
            state=record.state.value,
            kind=record.kind,
            score=last.score if last else None,
            examples=last.fidelity.examples if last else None,
            error=record.error or None,
        )

    def note(self, text: str) -> None:
        self.say("note", text=text)

    def end(self) -> None:
        self.say("end")

    def say(self, event: str, **values: object) -> None:
        """Write one event."""
        line = json.dumps({"event": event, "seconds": round(time.monotonic() - self._began, 3), **values}, default=str)
        with self._lock:
            self._stream.write(line + "\n")
            self._stream.flush()
