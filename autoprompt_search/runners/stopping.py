"""Ctrl-C while Tune runs trials: a word at once, and afterwards the handlers that were there before."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any, Self

from ray import tune

STOPPING = "Stopping: finished trials are kept, those at work are given up. Press Ctrl-C again not to wait for them"
_HANDLED = (signal.SIGINT, signal.SIGUSR1)
"""Signals that Tune puts handlers of its own on."""
_Handler = Callable[[int, FrameType | None], Any]


class CtrlC(tune.Callback):  # type: ignore[misc]
    """Context of one `fit`, and one of its callbacks.

    At the first Ctrl-C Tune has its workers stop and then returns, which takes seconds, without a word where its
    messages are off; at the next one its caller's handler is back, so that it ends at once. Where none came it leaves
    its handler behind, which would swallow the first Ctrl-C of what follows.

    Args:
        say: Told once; in a thread of its own, because a handler may interrupt somebody who is writing.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._teller: threading.Thread | None = None
        self._before: dict[signal.Signals, Any] = {}

    @property
    def was_pressed(self) -> bool:
        """Whether the user has asked to stop."""
        return self._teller is not None

    def __enter__(self) -> Self:
        self._before = {each: signal.getsignal(each) for each in _HANDLED}
        return self

    def __exit__(self, *_: object) -> None:
        if _is_main():
            for each, handler in self._before.items():
                if handler is not None:  # None: it was not set from Python, and cannot be set from there
                    signal.signal(each, handler)
        if self._teller:
            self._teller.join()

    def __getstate__(self) -> dict[str, Any]:
        """Tune writes down its callbacks for a `restore` that is never done."""
        return {}

    def setup(self, *_: Any, **info: Any) -> None:
        """Called in `fit`, when Tune's own handler is in its place."""
        theirs = signal.getsignal(signal.SIGINT)
        if _is_main() and callable(theirs):
            signal.signal(signal.SIGINT, partial(self._pressed, theirs))

    def _pressed(self, theirs: _Handler, number: int, frame: FrameType | None) -> None:
        if self._teller is None:
            self._teller = threading.Thread(target=self._say, args=(STOPPING,), name="ctrl-c")
            self._teller.start()
        theirs(number, frame)


def _is_main() -> bool:
    """Handlers can be set in the main thread only; in another one Tune sets none."""
    return threading.current_thread() is threading.main_thread()
