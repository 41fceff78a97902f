"""Ray on this machine, started while the driver still reads data and model, with workers that have imported theirs.

Knows how Ray starts, not what for. Each piece mends something that was measured; `benchmarks/startup.py` shows what
they are worth together.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from ray.tune.execution import class_cache

_PRELOAD = "RAY_preload_python_modules"
"""Names what workers import as they start."""
_TURN = 0.0002
"""Seconds that a thread keeps Python's lock while Ray starts."""
_PASSED_ON = ("DEFAULT_ENV_VARS", "ENV_VARS_TO_PROPAGATE")
"""Attributes in which Tune keeps the environment variables that its actors get."""


class EarlyStart:
    """A start of Ray in the background.

    Args:
        start: Starts Ray; is called in a thread of its own.
        modules: What workers import as they start. Ray starts one for each CPU beforehand, and these are the very
            ones that trials run in. Empty where they would be many more than the trials at a time. Importing must
            touch no GPU: which one a worker may use is said when it gets its first trial.
    """

    def __init__(self, start: Callable[[], None], modules: Sequence[str]) -> None:
        self._passed_on = {name: _emptied(name) for name in _PASSED_ON if modules}
        # The thread lives on until `close`: Ray has Linux kill its processes when the thread that started them ends.
        self._thread = ThreadPoolExecutor(1, "ray-start")
        self._started = self._thread.submit(_beside_imports, start, ",".join(modules))

    def wait(self) -> None:
        """Return when Ray is up; raises what starting it raised.

        Ray's own handler of SIGTERM, which ends the process without a word, is put away: the thread that started Ray
        may not set handlers.
        """
        self._started.result()
        ours = signal.getsignal(signal.SIGTERM)
        if callable(ours) and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, ours)

    def close(self, stop: Callable[[], None]) -> None:
        """Stop Ray by `stop` where it was started."""
        if self._started.exception() is None:
            stop()
        self._thread.shutdown()
        for name, values in self._passed_on.items():
            getattr(class_cache, name).update(values)


def _beside_imports(start: Callable[[], None], modules: str) -> None:
    """Start Ray while another thread imports large libraries.

    Starting gives Python's lock away hundreds of times, and would wait a whole turn of the other thread each time.
    """
    turn, is_ours = sys.getswitchinterval(), bool(modules) and _PRELOAD not in os.environ
    sys.setswitchinterval(_TURN)
    if is_ours:
        os.environ[_PRELOAD] = modules
    try:
        start()
    finally:
        sys.setswitchinterval(turn)
        if is_ours:
            del os.environ[_PRELOAD]


def _emptied(name: str) -> dict[str, str] | set[str]:
    """Take out what Tune would put into a runtime environment of its actors, and return it.

    Workers of this machine's own Ray inherit the driver's variables. Given once more as a runtime environment, they
    would make Ray start other workers and throw those away that it started beforehand.
    """
    values: dict[str, str] | set[str] = getattr(class_cache, name, set())
    kept = values.copy()
    values.clear()
    return kept
