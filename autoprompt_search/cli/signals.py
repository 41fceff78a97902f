"""SIGTERM as Ctrl-C: a preempted machine, a container or a time limit ends a search as a person would."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def sigterm_as_ctrl_c() -> Iterator[None]:
    """While this lasts, SIGTERM does what SIGINT would do at that moment.

    Whoever handles Ctrl-C then (Ray Tune does while trials run) handles SIGTERM too; where nobody does, because
    the shell starts background jobs with SIGINT ignored, it is raised as `KeyboardInterrupt`. Signals can be
    handled in the main thread only; in another one nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _as_ctrl_c)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _as_ctrl_c(_: int, frame: FrameType | None) -> None:
    handler = signal.getsignal(signal.SIGINT)
    if not callable(handler):
        raise KeyboardInterrupt
    handler(signal.SIGINT, frame)
