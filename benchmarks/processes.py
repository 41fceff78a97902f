"""What the kernel says of processes: memory, open files, who is below whom. Linux only."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from pathlib import Path

_ADOPTS = 36
"""PR_SET_CHILD_SUBREAPER of prctl(2)."""
_RUNS_TRIALS = (b"ray::_Trainable", b"ray::ResourceTrainable")


def megabytes(pid: int) -> float:
    """Resident memory; 0 for a process that is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1024**2
    except OSError:
        return 0.0


def peak_megabytes() -> int:
    """Most that this process ever had resident; `getrusage` would count what its parent had when it was forked."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) // 1024


def open_files(pid: int) -> int:
    """File descriptors, sockets and pipes among them; 0 for a process that is gone."""
    try:
        return len(list(Path(f"/proc/{pid}/fd").iterdir()))
    except OSError:
        return 0


def command(pid: int) -> bytes:
    """Its command line, NUL between the words; empty for a process that is gone or dead."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def below(pid: int) -> Iterator[int]:
    """Its children, their children, and so on. A child has a later number, where numbers were not used up."""
    parents = {pid}
    for other in sorted(int(folder.name) for folder in Path("/proc").glob("[0-9]*")):
        try:
            parent = int(Path(f"/proc/{other}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if parent in parents:
            parents.add(other)
            yield other


def workers() -> Iterator[int]:
    """Ray's processes that run trials, among those below this one."""
    return (pid for pid in below(os.getpid()) if command(pid).startswith(_RUNS_TRIALS))


def adopt() -> None:
    """From now on a process below this one whose parent has ended becomes this one's child, and not init's."""
    if ctypes.CDLL(None, use_errno=True).prctl(_ADOPTS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")
