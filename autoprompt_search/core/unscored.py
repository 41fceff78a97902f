"""An answer in words that cannot be judged, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Reason = Literal["cut", "empty", "not-parsed", "refused"]
"""`cut` at the token cap, `empty`, `not-parsed`, or `refused` by the model or a filter of its server."""


@dataclass(frozen=True, slots=True)
class Unscored:
    """Stands in the place of an answer. It is counted, and never taken for a wrong answer or for a label."""

    reason: Reason
