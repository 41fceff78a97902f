"""A folder in place of an earlier one: whole or not at all, whoever is killed in between."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NEW, _OLD, _LOCK = "new", "replaced", "lock"
_END = ".draft"


@contextmanager
def replacing(place: Path) -> Iterator[Path]:
    """A path at which the block makes a file or folder, which is then moved to `place`.

    What stands at `place` stays until the new one is whole; it comes back where the move fails. A link there is
    replaced, not followed. Drafts that killed processes have left are removed, and what they had already taken away
    comes back. Raises `OSError`.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    _tidy(place)
    draft = Path(tempfile.mkdtemp(prefix=_start(place), suffix=_END, dir=place.parent))
    try:
        with _held(draft / _LOCK):
            yield draft / _NEW
            _move(draft / _NEW, place, draft / _OLD)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def sync(path: Path, data: bytes) -> None:
    """Write a file and force it onto the disk: a move may be there after a power failure where content is not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _start(place: Path) -> str:
    return f".{place.name}-"


def _move(new: Path, place: Path, old: Path) -> None:
    is_link = place.is_symlink()
    steps_aside = (is_link or place.exists()) and (new.is_dir() or (place.is_dir() and not is_link))
    if steps_aside:
        place.rename(old)
    try:
        new.rename(place)
    except OSError:
        if steps_aside:
            old.rename(place)
        raise


def _tidy(place: Path) -> None:
    """Remove drafts that nobody holds; one that was killed between its two moves gives back what it took away."""
    for draft in place.parent.glob(_pattern(place)):
        with contextlib.suppress(OSError), _held(draft / _LOCK):
            old = draft / _OLD
            if (old.exists() or old.is_symlink()) and not (place.exists() or place.is_symlink()):
                old.rename(place)
            shutil.rmtree(draft, ignore_errors=True)


def _pattern(place: Path) -> str:
    name = "".join(f"[{c}]" if c in "[*?" else c for c in _start(place))
    return f"{name}*{_END}"


@contextmanager
def _held(lock: Path) -> Iterator[None]:
    """Hold the lock of a draft; `OSError` where its maker is alive."""
    descriptor = os.open(lock, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)
