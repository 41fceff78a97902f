"""One model for the trials of several threads: one of them at a time uses it, and those that train are trained at once.

Trials and methods see a backend like any other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any

from autoprompt_search.backends import BACKENDS
from autoprompt_search.backends.hf.step_batcher import StepBatcher
from autoprompt_search.core.arrays import Tensor
from autoprompt_search.core.prompts import Rendered, SoftPosition
from autoprompt_search.core.protocols.tuning import Asked, TunesTogether
from autoprompt_search.core.registry import ComponentSpec


class SharedBackend:
    """Any backend, for any number of threads; it can what the other one can, and answers as that does.

    Args:
        of: The backend: its type and options, as in a space file.
    """

    def __init__(self, *, of: Mapping[str, Any]) -> None:
        self._backend = BACKENDS.build(ComponentSpec.model_validate(dict(of)))
        self._device = threading.Lock()
        tunes = isinstance(self._backend, TunesTogether)
        self.rendezvous = StepBatcher(self._backend, self._device) if tunes else None  # type: ignore[arg-type]

    def __getattr__(self, name: str) -> Any:
        """What the backend has; `AttributeError` for what it has not, so that capabilities show."""
        if name.startswith("_"):
            raise AttributeError(name)
        if name == "answer_logliks" and self.rendezvous is not None:
            return self._answer_logliks
        attribute = getattr(self._backend, name)
        if name == "text_logliks" and self.rendezvous is not None:
            return self._text_logliks
        return self._in_turn(attribute) if callable(attribute) else attribute

    def _answer_logliks(
        self, soft: Tensor, place: SoftPosition, prompts: Sequence[Rendered], answers: Sequence[str]
    ) -> Tensor:
        meeting = self.rendezvous
        return meeting.ask(Asked(soft, place, prompts, answers)) if meeting else None

    def _text_logliks(
        self, soft: Tensor, place: SoftPosition, prompts: Sequence[Rendered], texts: Sequence[str], *, ends: bool
    ) -> Tensor:
        meeting = self.rendezvous
        return meeting.ask(Asked(soft, place, prompts, texts, True, ends)) if meeting else None

    def _in_turn(self, method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method)
        def held(*args: Any, **kwargs: Any) -> Any:
            if self.rendezvous is not None:
                self.rendezvous.leave()
            with self._device:
                return method(*args, **kwargs)

        return held
