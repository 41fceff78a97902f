"""One process at a time: a lock that is a file, and that dies with the process that holds it."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LOOK_SECONDS = 0.05


@contextmanager
def file_lock(path: Path, *, seconds: float) -> Iterator[None]:
    """Hold `path`, which is made for it and removed after it.

    A killed holder leaves the file, which holds nobody up. Raises `TimeoutError`, an `OSError`, when another process
    holds it for more than `seconds`, and whatever other `OSError` comes of a folder that cannot be written.
    """
    descriptor = _taken(path, time.monotonic() + seconds)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def _taken(path: Path, end: float) -> int:
    while True:
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_still_there(path, descriptor):
                return descriptor
        except BlockingIOError:
            pass  # another process holds it: look again below
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        if time.monotonic() > end:
            raise TimeoutError(f"{path} is held by another process")
        time.sleep(_LOOK_SECONDS)


def _is_still_there(path: Path, descriptor: int) -> bool:
    """Whether the file is the one that everybody else will try: its last holder may have removed it meanwhile."""
    mine = os.fstat(descriptor)
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    return (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino)
