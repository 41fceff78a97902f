"""MLflow as the search's dashboard. Only the driver uses it; importing this module does not import MLflow."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import TimeoutError as WaitTimeoutError
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from autoprompt_search.core.disk import is_there
from autoprompt_search.core.earlier import EarlierSearch
from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.measurements import TrialRecord
from autoprompt_search.core.protocols.output import SearchCard, Winner
from autoprompt_search.core.types import Scalar
from autoprompt_search.core.uris import public, public_uri
from autoprompt_search.trackers._mlflow_entry import TrialEntry
from autoprompt_search.trackers._mlflow_making import ensure_made
from autoprompt_search.trackers._mlflow_spool import Spool
from autoprompt_search.trackers._mlflow_sqlite import artifacts_beside, check, database_of, hasten, settle

log = logging.getLogger(__name__)

if TYPE_CHECKING:
    from autoprompt_search.trackers._mlflow_sender import Sender

OPEN_SECONDS = 15.0
"""A store that has not answered by then counts as away."""
OPEN_SECONDS_SQLITE = 180.0
"""The file is known to be writable; MLflow makes its tables in it, which takes long on a busy machine."""
SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",  # 7 by default: a dead server would hold one call for four minutes
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "6",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
}
"""Set before MLflow is imported, unless the user has set them."""


class MlflowTracker:
    """One parent run per search, one child run per trial.

    Trials are written to a spool in `folder` first and sent by one background thread, so that a server
    that is slow, down or restarted neither slows the search nor costs a record. What could not be sent
    by `close` is sent by the next `open` of the same search. A trial is known by the search (its folder
    and configuration) and its number, and is logged once.

    Args:
        folder: The search's state folder; given by our code.
        uri: Of the tracking store: `sqlite:///file.db`, a server's `http://` address, or any other MLflow takes.
        experiment: Name of the MLflow experiment; made if it is not there.
        registry: The alias that the best prompt gets in the Prompt Registry: `candidate`, always; `champion`, that one
            too on the verdict *promote*; `none`: it is not registered.
        log_model: Whether the exported prompt is logged as a pyfunc model too, which takes seconds and megabytes.
        system_metrics: Whether the load of the driver's machine is recorded on the parent run.
    """

    def __init__(
        self,
        folder: Path,
        *,
        uri: str = "sqlite:///mlflow.db",
        experiment: str = "autoprompt-search",
        registry: Literal["none", "candidate", "champion"] = "candidate",
        log_model: bool = False,
        system_metrics: bool = False,
    ) -> None:
        if urlsplit(uri).scheme in {"", "file"}:
            raise ConfigError(
                f"uri: MLflow no longer writes to plain folders (got {public_uri(uri)!r}); "
                "use a database file such as 'sqlite:///mlflow.db', or a server such as 'http://localhost:5000'"
            )
        self._folder, self._uri, self._experiment = folder, uri, experiment
        self._registry, self._log_model, self._system_metrics = registry, log_model, system_metrics
        self._varying: Mapping[str, tuple[Scalar, ...]] | None = None
        self._winner: Winner | None = None
        self._sender: Sender | None = None
        self._monitor: Any = None

    def open(self, card: SearchCard) -> None:
        """Connect, and start or continue the parent run. `ConfigError` names the store and why it does not answer."""
        database = self._approach()
        from autoprompt_search.trackers._mlflow_sender import Sender
        from autoprompt_search.trackers._mlflow_store import MlflowStore
        from autoprompt_search.trackers._mlflow_winner import Shown, monitored

        spool = Spool(self._folder)
        try:
            search_id = spool.search_id(card.fingerprint)
        except OSError as exc:
            raise ConfigError(f"the search's state folder cannot be written: {exc}") from exc
        beside = artifacts_beside(database, self._experiment) if database else None
        shown = Shown(self._registry, self._log_model)
        store = MlflowStore(self._uri, self._experiment, beside, card, search_id, shown)
        name = f"MLflow at {public_uri(self._uri)}"
        sender = Sender(store, spool, hide=lambda text: public(text, self._uri), name=name)
        try:
            sender.start(OPEN_SECONDS_SQLITE if database else OPEN_SECONDS)
        except WaitTimeoutError as exc:
            raise self._no_answer(f"nothing came back within {OPEN_SECONDS:.0f} s") from exc
        except Exception as exc:  # MLflow, SQLAlchemy and requests each raise their own
            raise self._no_answer(str(exc)) from exc
        self._sender, self._varying, self._winner = sender, card.varying or None, None
        self._monitor = monitored(self._uri, store.parent) if self._system_metrics else None

    def crown(self, winner: Winner) -> None:
        """See `ShowsWinner.crown`."""
        self._winner = winner

    def log_trial(self, record: TrialRecord) -> None:
        """Put the trial on its way; returns at once."""
        if self._sender is not None:
            self._sender.send(TrialEntry.of(record, self._varying))

    def close(self, description: str, metrics: Mapping[str, float], files: Sequence[Path], *, status: str) -> None:
        """Send what is left and end the parent run; a store that is away is given up after some seconds.

        An empty description leaves the one that is there.
        """
        if self._sender is None:
            return
        from autoprompt_search.trackers._mlflow_store import Ending

        existing = tuple(path for path in files if path.exists())
        if self._monitor is not None:
            self._monitor.finish()
        self._sender.finish(Ending(description, dict(metrics), existing, status, self._winner))
        self._sender = self._monitor = None
        if database := database_of(self._uri):
            if is_there(database):
                settle(database)
            else:
                log.warning(
                    "the MLflow database %s was removed while the search ran: run the search again to record it anew",
                    database,
                )

    def earlier(self, experiment: str) -> Sequence[EarlierSearch]:
        """See `Recalls.earlier`."""
        database = database_of(self._uri)
        if database and not database.exists():
            raise ConfigError(f"there is no MLflow database {database}, see tracker.uri")
        self._approach()
        from autoprompt_search.trackers._mlflow_past import earlier

        try:
            return earlier(self._uri, experiment)
        except ConfigError as exc:
            raise ConfigError(f"{exc.problems[0]}, in the MLflow store at {public_uri(self._uri)}") from exc
        except Exception as exc:  # MLflow, SQLAlchemy and requests each raise their own
            raise self._no_answer(str(exc)) from exc

    def _approach(self) -> Path | None:
        """Settings for MLflow, and a database file that is whole and can be written, where the store is one."""
        for name, value in SETTINGS.items():
            os.environ.setdefault(name, value)
        database = database_of(self._uri)
        try:
            if database:
                check(database)
                ensure_made(database)
                hasten(database)
        except Exception as exc:  # SQLite, MLflow and SQLAlchemy each raise their own
            raise self._no_answer(str(exc)) from exc
        return database

    def _no_answer(self, reason: str) -> ConfigError:
        short = " ".join(public(reason, self._uri).split())[:300]
        return ConfigError(f"tracker.uri: the MLflow store at {public_uri(self._uri)} does not answer: {short}")
