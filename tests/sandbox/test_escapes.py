"""What a hostile program tries, each attempt by its name: nothing of it works in the sandbox, and all of it without."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from autoprompt_search.core.programs import Tests
from autoprompt_search.sandbox.bubblewrap import Launch
from autoprompt_search.sandbox.grader import judge
from autoprompt_search.sandbox.verdicts import sandbox

pytestmark = pytest.mark.skipif(sandbox() is None, reason="bubblewrap cannot make a sandbox on this machine")

SECONDS = 1.0


def bare(harness: Path, arguments: list[str]) -> Launch:
    """The harness without a sandbox around it."""
    return Launch([sys.executable, "-I", "-S", "-B", str(harness), *arguments])


def with_key(launch: Launch) -> Launch:
    """The same in an environment that holds a secret."""
    return replace(launch, command=["/usr/bin/env", "AUTOPROMPT_KEY=hidden", *launch.command])


@dataclass
class Attempt:
    """One way out."""

    program: str
    test: str = "assert won"
    """Holds where the attempt has worked, as far as the program can tell."""
    seen: Callable[[Path], bool] | None = None
    """Whether it has worked, looked at from outside."""
    limits: bool = True
    """Whether the limits of the harness are in force in the bare run: switched off where they alone would hold."""


def _is_running(mark: str) -> bool:
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                if mark.encode() in (folder / "cmdline").read_bytes():
                    return True
    return False


def attempts(home: Path, port: int, mark: str) -> dict[str, Attempt]:
    """By name. `home` stands for the user's folder with a ledger in it; `mark` names processes of this test."""
    here, us = str(home), os.getpid()
    return {
        "read the home folder": Attempt(f"won = 'secret' in open({here!r} + '/notes.txt').read()"),
        "read the ledger": Attempt(f"won = bool(open({here!r} + '/ledger.sqlite', 'rb').read())"),
        "write into the home folder": Attempt(
            f"open({here!r} + '/planted.txt', 'w').write('x')\nwon = True", seen=lambda h: (h / "planted.txt").exists()
        ),
        "read the environment": Attempt("import os\nwon = os.environ.get('AUTOPROMPT_KEY') == 'hidden'"),
        "open a socket": Attempt(f"import socket\nsocket.create_connection(('127.0.0.1', {port}), 1)\nwon = True"),
        "see the grader": Attempt(f"won = len(open('/proc/{us}/cmdline').read()) > 0"),
        "send the grader a signal": Attempt(f"import os\nos.kill({us}, 0)\nwon = True"),
        "trace the grader": Attempt(f"won = len(open('/proc/{us}/maps').read()) > 0"),
        "fork bomb": Attempt(
            "import os, time\nborn = 0\n"
            "for _ in range(40):\n"
            "    try:\n        pid = os.fork()\n    except OSError:\n        break\n"
            "    if pid == 0:\n        time.sleep(2)\n        os._exit(0)\n"
            "    born += 1\n"
            "won = born == 40",
            limits=False,
        ),
        "fill the memory": Attempt("block = bytearray(700 * 2**20)\nwon = True", limits=False),
        "fill the disk": Attempt(
            f"import os\nwhere = {here!r} if os.path.isdir({here!r}) else '/tmp'\n"
            "for n in range(40):\n    open(where + f'/fill-{n}', 'wb').write(b'x' * 2**20)\nwon = True",
            seen=lambda h: len(list(h.glob("fill-*"))) == 40,
            limits=False,
        ),
        "leave a process behind": Attempt(
            "import os, time, sys\nif os.fork() == 0:\n    os.setsid()\n"
            f"    os.execv(sys.executable, [sys.executable, '-c', 'import time; time.sleep(6)  # {mark}'])\n"
            "time.sleep(0.4)\nwon = True",
            seen=lambda _: _is_running(mark),
        ),
        "write to the interpreter's folder": Attempt(
            "import os, sys\nwhere = os.path.dirname(os.__file__) + '/planted_by_a_test.py'\n"
            "open(where, 'w').close()\nos.remove(where)\nwon = True"
        ),
        "become root": Attempt("import os\nos.setresuid(0, 0, 0)\nwon = os.getuid() == 0"),
    }


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / "notes.txt").write_text("a secret")
    (folder / "ledger.sqlite").write_bytes(b"rows")
    return folder


@pytest.fixture
def port() -> Iterator[int]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


NAMES = list(attempts(Path("/nowhere"), 1, ""))


def worked(attempt: Attempt, home: Path, start: Callable[..., Launch], *, limits: bool) -> bool:
    tests = Tests((attempt.test,), seconds=SECONDS if limits else 20.0, megabytes=512 if limits else 65536)
    said = judge(attempt.program, tests, start)
    return attempt.seen(home) if attempt.seen else said == "passed"


@pytest.mark.parametrize("name", NAMES)
def test_it_does_not_work_in_the_sandbox(name: str, home: Path, port: int) -> None:
    way = sandbox()
    assert way is not None
    attempt = attempts(home, port, f"left behind {os.getpid()} inside {name}")[name]
    assert not worked(attempt, home, lambda harness, arguments: with_key(way(harness, arguments)), limits=True)


BARE = [name for name in NAMES if name not in ("fork bomb", "fill the disk")]
"""Those two are held by limits of the harness too; without any they are tried below, in a small way."""


@pytest.mark.parametrize("name", BARE)
def test_it_works_without_the_sandbox(name: str, home: Path, port: int) -> None:
    if name == "become root" and os.geteuid() != 0:
        pytest.skip("only root's own process can become root again")
    attempt = attempts(home, port, f"left behind {os.getpid()} outside {name}")[name]
    assert worked(attempt, home, lambda h, arguments: with_key(bare(h, arguments)), limits=attempt.limits)


@pytest.mark.parametrize("name", ["fork bomb", "fill the disk"])
def test_it_works_in_a_process_of_its_own(name: str, home: Path) -> None:
    attempt = attempts(home, 1, "")[name]
    code = f"{attempt.program}\n{attempt.test}"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, timeout=30, check=False)
    assert done.returncode == 0
    assert attempt.seen is None or attempt.seen(home)


CHEATS = {
    "exit early with 0": "import os\nos._exit(0)",
    "exit early by an exception": "import sys\nsys.exit(0)",
    "print the word's place": (
        "import gc, os, sys\n"
        "frames, frame = [], sys._getframe()\n"
        "while frame:\n    frames.append(dict(frame.f_locals))\n    frame = frame.f_back\n"
        "texts = [str(o) for f in frames for o in f.values()] + [str(o) for o in gc.get_objects()[:2000]]\n"
        "for fd in OPEN:\n"
        "    for text in (b'compiled\\nran\\ndone\\n', *[t.encode('utf-8', 'replace')[:200] for t in texts[:50]]):\n"
        "        try:\n            os.write(fd, text)\n        except OSError:\n            pass\n"
        "os._exit(0)"
    ),
    "claim the protocol's words": (
        "import os\nfor fd in OPEN:\n    try:\n        os.write(fd, b'ran\\ndone\\n' + b'0' * 32 + b'\\n')\n"
        "    except OSError:\n        pass\nos._exit(0)"
    ),
    "say that it is done and close the other pipe": (
        "import os, time\n"
        "def give(fd, text):\n    try:\n        return os.write(fd, text)\n    except OSError:\n        return -1\n"
        "mine = [fd for fd in OPEN if give(fd, b'ran\\n') > 0]\n"
        "for fd in set(OPEN) - set(mine):\n    try:\n        os.close(fd)\n    except OSError:\n        pass\n"
        "for fd in mine:\n    give(fd, b'done\\n')\n"
        "time.sleep(0.5)\nf = lambda x: 0"
    ),
    "swallow asserts by a trace": "import sys\nsys.settrace(lambda *a: sys.exit(0))\ndef f(x):\n    return 0",
    "replace the test module": "import builtins\nbuiltins.compile = lambda *a, **k: (lambda: None).__code__\nf = len",
    "raise the exit of tests": "import os\ndef f(x):\n    raise SystemExit(0)",
}


OPEN = "import os\nOPEN = [int(n) for n in os.listdir('/proc/self/fd') if int(n) > 2]\n"
"""What all of them know: the files and pipes that are open, those of the harness among them."""


@pytest.mark.parametrize("name", CHEATS)
def test_a_program_that_cheats_has_not_passed(name: str) -> None:
    start = sandbox()
    assert start is not None
    assert judge(OPEN + CHEATS[name], Tests(("assert f(1) == 2",), seconds=SECONDS), start) != "passed"


@pytest.mark.parametrize(
    ("name", "program", "wanted"),
    [
        ("sleep for ever", "import time\ntime.sleep(1000)", "timeout"),
        ("loop for ever", "while True:\n    pass", "timeout"),
        ("huge output", "print('x' * 50_000_000)\nf = lambda x: 2", "passed"),
        ("huge message", "raise ValueError('x' * 10_000_000)", "error"),
    ],
)
def test_it_ends_in_time_and_in_bounds(name: str, program: str, wanted: str) -> None:
    start = sandbox()
    assert start is not None
    ended = threading.Event()

    def run() -> None:
        said.append(judge(program, Tests(("assert f(1) == 2",), seconds=SECONDS), start))
        ended.set()

    said: list[str] = []
    threading.Thread(target=run, daemon=True).start()
    assert ended.wait(30), f"{name}: the grader waits"
    assert said == [wanted]


def test_what_sleeps_for_ever_does_so_without_the_grader() -> None:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
    time.sleep(SECONDS)
    assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
