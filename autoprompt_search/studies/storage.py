"""Where a study is stored: in a journal file, or in a database that is waited for while it is away.

A server that restarts, a connection that breaks, a file that somebody else has locked: each is over after a while,
and a search that has run for hours should not end on it. Nothing is measured or decided meanwhile; workers finish
the rung they are at.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

import optuna
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.samplers import RandomSampler
from optuna.storages import BaseStorage, JournalStorage, get_storage
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError

from autoprompt_search.core.errors import ConfigError, MissingExtraError, StateError
from autoprompt_search.core.retry import Patience, retry
from autoprompt_search.core.rng import derive_rng
from autoprompt_search.core.uris import public, public_uri
from autoprompt_search.studies.journal import Journal
from autoprompt_search.studies.records import NUMBER

T = TypeVar("T")
logger = logging.getLogger(__name__)

AT_START = Patience(tries=4, first=0.5, longest=2.0)
"""A wrong address should be told soon: three seconds."""
AT_WORK = Patience(tries=40, first=0.5, longest=10.0)
"""Between three and six minutes."""
_SAY_EVERY = 6


VERSION = 1
"""Version of what stands in the storage, kept there as an attribute of the study. Studies of version 0.1 of the package
have none and are alike: they are read, and marked."""
_VERSION = "format"


def stored_study(name: str, place: Path, url: str | None) -> optuna.Study:
    """The study of this name, made where there is none; its own sampler is never asked.

    Raises `StateError` where it was written in a format that this version cannot read.

    Args:
        name: Name of the study within its storage.
        place: The journal file, for a study without another storage; stands in messages.
        url: Optuna RDB URL of another storage.
    """
    study = optuna.create_study(
        study_name=name,
        storage=database(url) if url else JournalStorage(Journal(place)),
        direction="maximize",
        load_if_exists=True,
        sampler=RandomSampler(),
    )
    version = study.user_attrs.get(_VERSION)
    if version not in (None, VERSION):
        raise StateError(
            f"{place} was written by another version of autoprompt-search (study format {version}, this one reads "
            f"{VERSION}): go on with that version, or start again with --fresh"
        )
    if version is None:
        study.set_user_attr(_VERSION, VERSION)
    return study


def database(url: str | BaseStorage) -> BaseStorage:
    """The storage behind an Optuna RDB URL, patient from now on. One that is open already is taken as it is.

    Raises `ConfigError` when it does not answer now, and `MissingExtraError` when its driver is not installed.
    """
    if isinstance(url, BaseStorage):
        return url
    shown = public_uri(url)
    try:
        with _logging_left_alone():
            opened = retry(lambda: _opened(url), AT_START, passes=is_away, rng=derive_rng("storage", url))
    except ImportError as exc:
        raise MissingExtraError(f"study.storage: {shown} needs a package: {_reason(exc, url)}") from exc
    except (SQLAlchemyError, StorageInternalError) as exc:
        raise ConfigError(f"study.storage: the database at {shown} does not answer: {_reason(exc, url)}") from exc
    except (ValueError, RuntimeError) as exc:
        raise ConfigError(f"study.storage: {shown} cannot be used: {_reason(exc, url)}") from exc
    return cast("BaseStorage", PatientStorage(opened, url))


def _opened(url: str) -> BaseStorage:
    """The storage, with every index that its tables should have.

    Optuna makes tables and indexes one by one where there are none, and looks for tables only. One whose maker was
    killed in between would stay without: a study's name would then not be its own, and every driver make another.
    """
    storage = get_storage(url)
    engine = getattr(getattr(storage, "_backend", storage), "engine", None)
    if engine is not None:
        from optuna.storages._rdb.models import BaseModel  # a journal needs no tables

        for table in BaseModel.metadata.sorted_tables:
            for index in table.indexes:
                index.create(engine, checkfirst=True)
    return storage


def is_away(exc: Exception) -> bool:
    """Whether the database did not answer, as opposed to having answered something bad."""
    problem = exc.__cause__ if isinstance(exc, StorageInternalError) else exc
    is_lost = isinstance(problem, DBAPIError) and problem.connection_invalidated
    return is_lost or (isinstance(problem, (OperationalError, InterfaceError)) and not _is_full(exc))


def _is_full(exc: Exception) -> bool:
    """Whether it is the disk of an SQLite file that is at fault: nobody waits for that."""
    return bool(re.search(r"disk is full|disk I/O error|readonly database", _reason(exc)))


class PatientStorage:
    """An Optuna storage each of whose verbs is tried again while the database is away.

    Optuna reads a storage by its methods alone. The two of them that may not be done twice look first whether the
    try whose answer got lost has done its work.
    """

    def __init__(self, storage: BaseStorage, url: str, patience: Patience = AT_WORK) -> None:
        self._storage, self._url, self._name, self._patience = storage, url, public_uri(url), patience
        self._rng = derive_rng("storage", url)

    def __getattr__(self, name: str) -> Any:
        verb = getattr(self._storage, name)
        if name.startswith("_") or not callable(verb):
            return verb
        return lambda *args, **options: self._patiently(lambda: verb(*args, **options))

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """See `BaseStorage.create_new_trial`; a trial of ours that is there already is not made again."""
        number = None if template_trial is None else template_trial.user_attrs.get(NUMBER)

        def create(is_again: bool) -> int:
            there = self._storage.get_all_trials(study_id, deepcopy=False) if is_again and number is not None else []
            known = next((t._trial_id for t in there if t.user_attrs.get(NUMBER) == number), None)
            return self._storage.create_new_trial(study_id, template_trial) if known is None else known

        return self._patiently(_twice(create))

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        """See `BaseStorage.set_trial_state_values`; a trial that is in that state already is left alone."""

        def change(is_again: bool) -> bool:
            try:
                return self._storage.set_trial_state_values(trial_id, state, values)
            except UpdateFinishedTrialError:
                if is_again and self._storage.get_trial(trial_id).state is state:
                    return True
                raise

        return self._patiently(_twice(change))

    def _patiently(self, action: Callable[[], T]) -> T:
        has_failed = False

        def told(exc: Exception, failed: int) -> None:
            nonlocal has_failed
            has_failed = True
            if failed % _SAY_EVERY == 1:
                logger.warning(
                    "The study's database at %s does not answer; it is tried again for up to %.0f minutes, and nothing "
                    "is lost: %s", self._name, self._patience.most_seconds / 60,
                    _reason(exc, self._url),
                )  # fmt: skip

        try:
            done = retry(action, self._patience, passes=is_away, rng=self._rng, told=told)
        except (StorageInternalError, SQLAlchemyError) as exc:
            if _is_full(exc):
                raise StateError(
                    f"the study's database at {self._name} cannot be written: {_reason(exc, self._url)}. What was "
                    "measured before is kept: make room, or mend it, and run the same command again to go on"
                ) from exc
            if not is_away(exc):
                raise
            raise StateError(
                f"the study's database at {self._name} has been away for {self._patience.tries} tries: "
                f"{_reason(exc, self._url)}. What was measured is kept: run the same command again when it is back"
            ) from exc
        if has_failed:
            logger.warning("The study's database answers again")
        return done


def _twice(action: Callable[[bool], T]) -> Callable[[], T]:
    """`action`, told whether it has been run before."""
    runs = 0

    def run() -> T:
        nonlocal runs
        runs += 1
        return action(runs > 1)

    return run


@contextmanager
def _logging_left_alone() -> Iterator[None]:
    """Optuna's migration script sets up logging where nobody has, and switches every known logger off by that."""
    root, somebody = logging.getLogger(), logging.NullHandler()
    root.addHandler(somebody)
    try:
        yield
    finally:
        root.removeHandler(somebody)


def _reason(exc: BaseException, url: str = "") -> str:
    """One line, without the secrets of `url`; the driver's own words rather than the wrappers around them."""
    cause = exc.__cause__ if isinstance(exc, StorageInternalError) and exc.__cause__ else exc
    inner = getattr(cause, "orig", None) or cause
    text = " ".join(public(str(inner), url).split())
    return (text or type(inner).__name__)[:300]
