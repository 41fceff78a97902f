"""One program against its tests, judged from outside the sandbox."""

from __future__ import annotations

import json
import os
import secrets
import select
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Literal, cast

from autoprompt_search.core.programs import Tests
from autoprompt_search.sandbox import bubblewrap

Verdict = Literal["passed", "failed", "error", "timeout", "no-program"]
"""`passed` all tests; `failed` one of them; `error` in the program itself, or an end before the tests; `timeout`;
`no-program` where a text is no Python at all."""
Start = Callable[[Path, Sequence[str]], bubblewrap.Launch]

HARNESS = Path(__file__).with_name("harness.py")
_MEGABYTE = 2**20
_PROCESSES = 8
_FILES = 32
_SAID = 4096
"""Bytes that a program may say to the grader."""
_GRACE = 2.0
"""Seconds for the interpreter's start, beside those of the program."""


def judge(program: str, tests: Tests, start: Start) -> Verdict:
    """Run the program and its tests; nothing of it is left when this returns.

    Args:
        program: Python source.
        tests: What has to hold, and the limits of time and memory.
        start: How the harness is started: one of `bubblewrap.ways`, or another one in tests of the sandbox itself.
    """
    word = secrets.token_hex(16).encode()
    job = json.dumps({"program": program, "tests": tests.cases, "limits": _limits(tests)}).encode()
    said_read, said_write = os.pipe()
    word_read, word_write = os.pipe()
    launch = start(HARNESS, [str(said_write), str(word_read)])
    process = subprocess.Popen(  # noqa: S603 - the command is ours
        launch.command,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={},
        cwd="/",
        pass_fds=(said_write, word_read),
        start_new_session=True,
        user=launch.user,
        group=launch.user,
        extra_groups=None if launch.user is None else [],
    )
    os.close(said_write)
    os.close(word_read)
    try:
        said, is_late = _conversation(process, job, said_read, word_write, word, tests.seconds)
    finally:
        _end(process)
        os.close(said_read)
        os.close(word_write)
    return _verdict(said, is_late, word)


def _limits(tests: Tests) -> dict[str, int]:
    """Names of `resource` and their values."""
    return {
        "RLIMIT_AS": tests.megabytes * _MEGABYTE,
        "RLIMIT_CPU": int(tests.seconds + _GRACE) + 1,
        "RLIMIT_FSIZE": _MEGABYTE,
        "RLIMIT_NOFILE": _FILES,
        "RLIMIT_NPROC": _PROCESSES,
        "RLIMIT_CORE": 0,
    }


def _conversation(
    process: subprocess.Popen[bytes], job: bytes, hear: int, answer: int, word: bytes, seconds: float
) -> tuple[bytes, bool]:
    """What the harness said, and whether it took too long. The word is sent once it says that it is done."""
    try:
        with cast("IO[bytes]", process.stdin) as stdin:
            stdin.write(job)
    except BrokenPipeError:
        return b"", False  # the sandbox did not start
    end, said, is_told = time.monotonic() + seconds + _GRACE, b"", False
    while len(said) < _SAID:
        left = end - time.monotonic()
        if left <= 0 or not select.select([hear], [], [], left)[0]:
            return said, True
        part = os.read(hear, _SAID)
        if not part:
            break
        said += part
        if not is_told and said.endswith(b"\ndone\n"):
            with suppress(BrokenPipeError):  # a program may have closed its end: it will not repeat the word
                os.write(answer, word)
            is_told = True
    return said, False


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the sandbox: with its first process all others of its process namespace end."""
    with suppress(ProcessLookupError):  # it has ended by itself
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _verdict(said: bytes, is_late: bool, word: bytes) -> Verdict:
    lines = said.split(b"\n")
    if is_late:
        return "timeout"
    if lines[:1] != [b"compiled"]:
        return "no-program"
    if lines[1:2] != [b"ran"]:
        return "error"
    return "passed" if lines[2:] == [b"done", word, b""] else "failed"
