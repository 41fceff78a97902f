"""The one thread that talks to MLflow: in order, with back-off, and never in the way of the search."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future

from autoprompt_search.core.retry import Patience
from autoprompt_search.core.rng import derive_rng
from autoprompt_search.trackers._mlflow_entry import TrialEntry
from autoprompt_search.trackers._mlflow_spool import Spool
from autoprompt_search.trackers._mlflow_store import Ending, MlflowStore, is_busy, is_refusal

log = logging.getLogger(__name__)

FIRST_WAIT = 0.5
PATIENCE = Patience(tries=0, first=FIRST_WAIT, longest=30.0)
"""While the search runs a store that is away is tried for ever, ever more rarely: nobody waits for it."""
BUSY_LIMIT = 60.0
"""Seconds for which a file that others write to is tried at the start."""
CLOSING_PATIENCE = 10.0
"""Seconds for which a store that is away is still tried after `close`."""
CLOSING_LIMIT = 120.0
"""Seconds `close` waits at most, even for a store that answers."""


class Sender:
    """Takes entries at once, sends them when it can.

    Args:
        store: Where they go.
        spool: Where they wait.
        name: Of the store, in messages.
        hide: Takes what is secret out of a message.
    """

    def __init__(self, store: MlflowStore, spool: Spool, *, name: str, hide: Callable[[str], str] = str) -> None:
        self._store, self._spool, self._name, self._hide = store, spool, name, hide
        self._queue: queue.SimpleQueue[TrialEntry | Ending] = queue.SimpleQueue()
        self._waiting: deque[TrialEntry] = deque()
        self._ending: Ending | None = None
        self._give_up_at = float("inf")
        self._is_closing = threading.Event()
        self._is_finished = False
        self._is_away = False
        self._refused: Counter[int] = Counter()
        self._opened: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, name="mlflow-sender", daemon=True)

    def start(self, timeout: float) -> None:
        """Connect; raises what the store raised, or `TimeoutError`."""
        self._thread.start()
        self._opened.result(timeout)

    def send(self, entry: TrialEntry) -> None:
        """Put on disk and in the queue."""
        self._spool.append(entry)
        self._queue.put(entry)

    def finish(self, ending: Ending) -> None:
        """Send what is left and end the parent run; gives up, and says so, when the store stays away."""
        self._give_up_at = time.monotonic() + CLOSING_PATIENCE
        self._queue.put(ending)
        self._is_closing.set()
        self._thread.join(CLOSING_LIMIT)
        if not self._is_finished:
            log.warning(
                "%s does not answer: what it lacks is kept in %s and sent when the same search is run again",
                self._name,
                self._spool.path,
            )

    def _run(self) -> None:
        try:
            self._attach()
        except Exception as exc:  # noqa: BLE001 - handed to the thread that waits in `start`
            self._opened.set_exception(exc)
            return
        self._waiting.extend(self._spool.load())
        self._opened.set_result(None)
        waits: Iterator[float] | None = None
        while not self._is_finished:
            self._take(block=not self._waiting and self._ending is None)
            try:
                if waits is not None:
                    self._store.attach()
                self._send_waiting()
                self._say_back()
                waits = None
            except Exception as exc:  # noqa: BLE001 - a dashboard must not end a search, whatever it raises
                self._judge(exc)
                waits = waits or PATIENCE.waits(derive_rng("mlflow", self._name))
                if not self._pause(next(waits)):
                    return

    def _attach(self) -> None:
        """Attach for the first time; others may be at the same file, each for a moment."""
        end = time.monotonic() + BUSY_LIMIT
        while True:
            try:
                self._store.attach()
            except Exception as exc:
                if not is_busy(exc) or time.monotonic() > end:
                    raise
                time.sleep(FIRST_WAIT)
            else:
                return

    def _take(self, *, block: bool) -> None:
        """Move what has come in to `_waiting`."""
        while block or not self._queue.empty():
            item = self._queue.get()
            block = False
            if isinstance(item, Ending):
                self._ending = item
            else:
                self._waiting.append(item)

    def _send_waiting(self) -> None:
        while self._waiting:
            self._store.write_trial(self._waiting[0])
            self._waiting.popleft()
            self._take(block=False)
        if self._ending is not None:
            self._store.finish(self._ending)
            self._spool.clear()
            self._is_finished = True

    def _judge(self, problem: Exception) -> None:
        """Say once that the store is away; put a trial aside that it refuses twice, or it would hold up all others."""
        if is_refusal(problem) and self._waiting:
            number = self._waiting[0].number
            self._refused[number] += 1
            if self._refused[number] > 1:
                self._waiting.popleft()
                log.warning("%s refuses trial %d: %s", self._name, number, self._hide(str(problem)))
        elif not self._is_away:
            self._is_away = True
            log.warning(
                "%s does not answer, trials are kept in %s: %s", self._name, self._spool.path, self._hide(str(problem))
            )

    def _say_back(self) -> None:
        if self._is_away:
            self._is_away = False
            log.warning("%s answers again", self._name)

    def _pause(self, seconds: float) -> bool:
        """Wait before the next try; False when it is time to give up."""
        if self._is_closing.is_set():
            if time.monotonic() + FIRST_WAIT > self._give_up_at:
                return False
            time.sleep(min(seconds, 2.0))
        else:
            self._is_closing.wait(seconds)
        return True
