"""Tune's questions and the driver's answers: the searcher and the scheduler that it gets decide nothing themselves."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from autoprompt_search.core.measurements import Measurement, TrialState
from autoprompt_search.core.types import Params
from autoprompt_search.runners.driver import Driver
from autoprompt_search.trial import Failure

logger = logging.getLogger(__name__)
RESULT = "result"
"""Key of a trial's measurement, failure or end in the results that Tune passes on."""


class Bridge:
    """Tune's trial ids on one side, the driver's numbers on the other; lives in the driver process."""

    def __init__(self, driver: Driver, concurrency: int, retries: int) -> None:
        self._driver, self._concurrency, self._retries = driver, concurrency, retries
        self._asked: dict[str, tuple[int, Params]] = {}
        self._again: list[tuple[int, Params]] = []
        """Trials whose workers were lost."""
        self._deaths: Counter[int] = Counter()
        self.error: Exception | None = None
        """What ended the search early, raised again once Tune has stopped."""

    def ask(self, trial_id: str) -> dict[str, Any] | str | None:
        """Parameters of the next trial; None for "later", `Searcher.FINISHED` at the end."""
        if self.error is not None:
            return str(Searcher.FINISHED)
        if not self._again and len(self._driver.live) >= self._concurrency:
            return None
        try:
            asked = self._again.pop(0) if self._again else self._driver.ask()
        except Exception as exc:  # noqa: BLE001 - Tune would log it and go on; it is raised again after `fit`
            self.error = exc
            return str(Searcher.FINISHED)
        if asked is None:
            return None if self._driver.live else str(Searcher.FINISHED)
        self._asked[trial_id] = asked
        return {"params": dict(asked[1])}

    def stops(self, trial_id: str, result: Measurement | Failure | None) -> bool:
        """Take a trial's result in; True when the trial has ended."""
        number, _ = self._asked[trial_id]
        if number not in self._driver.live or self.error is not None:
            return True
        try:
            if isinstance(result, Failure):
                self._driver.failed(number, result)
            elif result is None:
                self._driver.ended(number, TrialState.COMPLETE)
            elif not self._driver.measured(number, result):
                if not result.fidelity.is_full:
                    return False
                self._driver.ended(number, TrialState.COMPLETE)
        except Exception as exc:  # noqa: BLE001 - as above
            self.error = exc
        return True

    def lost(self, trial_id: str, reason: str) -> None:
        """A trial's worker is gone: the trial is asked for again, or has failed when that was done too often.

        Tune's own retries pass over a trial whose worker dies while it turns to it.
        """
        number, params = self._asked[trial_id]
        if number not in self._driver.live or self.error is not None:
            return
        self._deaths[number] += 1
        if self._deaths[number] > self._retries:
            self.stops(trial_id, Failure(reason))
            return
        logger.warning(
            "Trial %d is run again (%d of at most %d times): %s", number, self._deaths[number], self._retries, reason
        )
        self._again.append((number, params))


class Asks(Searcher):  # type: ignore[misc]
    """Tune's question for a next trial, passed to the study."""

    def __init__(self, bridge: Bridge | None) -> None:
        super().__init__(metric=RESULT, mode="max")
        self._bridge = bridge

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        return self._bridge.ask(trial_id) if self._bridge else str(Searcher.FINISHED)

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Do nothing: the scheduler reports how trials end, and `Watch` knows why."""

    def save(self, checkpoint_path: str) -> None:
        """Write an empty file: the state is in the study."""
        Path(checkpoint_path).touch()

    def restore(self, checkpoint_path: str) -> None:
        raise RuntimeError("a search is continued by running it again, never by restoring a Tune experiment")

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_bridge": None}


class Decides(FIFOScheduler):  # type: ignore[misc]
    """Tune's question whether a trial goes on, passed to the study."""

    def __init__(self, bridge: Bridge | None) -> None:
        super().__init__()
        self._bridge = bridge

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        stop = self._bridge is None or self._bridge.stops(trial.trial_id, result[RESULT])
        return str(TrialScheduler.STOP if stop else TrialScheduler.CONTINUE)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_bridge": None}


class Forget(tune.Callback):  # type: ignore[misc]
    """Tune keeps every trial's last result for ever, and the history of each number in it. Ours is large and recorded
    already, its own numbers are for loggers that there are not; what it goes by itself is text, and whether it is done.
    """

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        for name in [name for name, value in result.items() if not (isinstance(value, str) or value is True)]:
            del result[name]
