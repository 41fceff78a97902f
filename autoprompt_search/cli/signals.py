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

    The handler of Ctrl-C (Ray Tune's while trials run) handles SIGTERM too. Where there is none, because the shell
    starts background jobs with SIGINT ignored, SIGTERM is raised as `KeyboardInterrupt`. Only the main thread can
    handle signals; in another thread nothing changes.
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
