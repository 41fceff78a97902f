"""A database that is away for a while, for every verb of a study: locked by somebody else, or gone for good."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from optuna.distributions import FloatDistribution
from optuna.storages import BaseStorage, InMemoryStorage, get_storage
from optuna.study import StudyDirection
from optuna.study._frozen import FrozenStudy
from optuna.trial import FrozenTrial
from optuna.trial import TrialState as OptunaState
from sqlalchemy.exc import OperationalError, ProgrammingError

from autoprompt_search.core import retry as retrying
from autoprompt_search.core.errors import ConfigError, MissingExtraError, StateError
from autoprompt_search.core.measurements import TrialState
from autoprompt_search.core.retry import Patience
from autoprompt_search.studies import storage as storing
from autoprompt_search.studies.optuna import OptunaStudy
from autoprompt_search.studies.storage import PatientStorage
from autoprompt_search.testing.factories import measurement, open_study
from autoprompt_search.testing.study_contract import BASELINE, facts, finish, play
from autoprompt_search.testing.unavailable import UnavailableClient

Verb = Callable[[OptunaStudy, Path], object]


class Clock:
    """Instead of sleeping: counts the waits, and lets the database come back after so many."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.waits = 0
        self.comes_back_after: tuple[int, Callable[[], None]] | None = None
        monkeypatch.setattr(retrying.time, "sleep", self.sleep)

    def sleep(self, seconds: float) -> None:
        self.waits += 1
        if self.comes_back_after and self.waits == self.comes_back_after[0]:
            self.comes_back_after[1]()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def locker(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(tmp_path / "study.db", isolation_level=None, check_same_thread=False)
    yield connection
    connection.close()


def make(folder: Path) -> OptunaStudy:
    url = f"sqlite:///{folder}/study.db?timeout=0"
    return open_study(folder, trials=6, baseline=BASELINE, name="contract", storage=url)


VERBS: dict[str, Verb] = {
    "open": lambda _, folder: make(folder).records(),
    "ask": lambda study, _: study.ask(),
    "report": lambda study, _: study.report(2, measurement(0.7, 8)),
    "tell": lambda study, _: study.tell(2, TrialState.FAILED, error="NaN"),
}


def prepared(folder: Path) -> OptunaStudy:
    """Two finished trials and a running one."""
    study = make(folder)
    play(study, 2)
    assert study.ask() is not None
    return study


@pytest.mark.slow
@pytest.mark.parametrize("verb", VERBS)
def test_a_database_that_comes_back_costs_nothing(
    verb: str, tmp_path: Path, locker: sqlite3.Connection, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    study = prepared(tmp_path)
    locker.execute("BEGIN EXCLUSIVE")
    after = 2 if verb == "open" else 8  # Optuna itself waits 5 times to add a trial
    clock.comes_back_after = (after, lambda: locker.execute("ROLLBACK") and None)
    with caplog.at_level(logging.WARNING):
        VERBS[verb](study, tmp_path)
    assert clock.waits >= after
    if verb != "open":
        assert "does not answer" in caplog.text
        assert "answers again" in caplog.text
    again = make(tmp_path)
    rest = play(again)
    assert [number for number, _ in rest][-1] == 5
    assert [r.number for r in again.records()] == list(range(6))


@pytest.mark.slow
@pytest.mark.parametrize("verb", VERBS)
def test_a_database_that_stays_away_ends_the_search_with_one_error_and_loses_nothing(
    verb: str, tmp_path: Path, locker: sqlite3.Connection, clock: Clock
) -> None:
    study = prepared(tmp_path)
    before = facts(study.records())
    locker.execute("BEGIN EXCLUSIVE")
    wanted = (ConfigError, "does not answer") if verb == "open" else (StateError, "run the same command again")
    with pytest.raises(wanted[0], match=wanted[1]):
        VERBS[verb](study, tmp_path)
    patience = storing.AT_START if verb == "open" else storing.AT_WORK
    assert clock.waits >= patience.tries - 1
    locker.execute("ROLLBACK")
    again = make(tmp_path)
    assert facts(again.records())[:2] == before
    play(again)
    assert [r.number for r in again.records()] == list(range(6))


class LosesAnswers:
    """A storage whose connection breaks after it has done what it was asked."""

    def __init__(self, url: str) -> None:
        self.inner = get_storage(url)
        self.lost: list[str] = []

    def __getattr__(self, name: str) -> Any:
        verb = getattr(self.inner, name)
        if name.startswith("_") or not callable(verb):
            return verb

        def call(*args: Any, **options: Any) -> Any:
            answer = verb(*args, **options)
            if name in ("create_new_trial", "set_trial_state_values", "set_trial_user_attr") and name not in self.lost:
                self.lost.append(name)
                raise OperationalError("COMMIT", {}, Exception("server closed the connection unexpectedly"))
            return answer

        return call


def test_an_answer_that_got_lost_makes_no_trial_twice(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[LosesAnswers] = []

    def lossy(url: str) -> PatientStorage:
        made.append(LosesAnswers(url))
        return PatientStorage(made[-1], "there")  # type: ignore[arg-type]

    monkeypatch.setattr("autoprompt_search.studies.storage.database", lossy)
    study = make(tmp_path)
    while (asked := study.ask()) is not None:
        finish(study, *asked)
    assert sorted(made[0].lost) == ["create_new_trial", "set_trial_state_values", "set_trial_user_attr"]
    assert clock.waits == 3
    monkeypatch.undo()
    again = make(tmp_path)
    assert [r.number for r in again.records()] == list(range(6))
    assert facts(again.records()) == facts(study.records())


def test_a_wrong_address_is_told_soon_and_without_its_password(tmp_path: Path, clock: Clock) -> None:
    url = f"sqlite:////{tmp_path}/no/such/folder/study.db"
    with pytest.raises(ConfigError, match=r"study\.storage: .*no/such/folder.* does not answer: unable to open"):
        open_study(tmp_path, storage=url)
    assert clock.waits == storing.AT_START.tries - 1
    with pytest.raises(ConfigError, match=r"nonsense://\*\*\*@host/x.*load plugin") as caught:
        open_study(tmp_path, storage="nonsense://me:secret@host/x")
    assert "secret" not in str(caught.value)
    with pytest.raises(MissingExtraError, match="needs a package"):
        open_study(tmp_path, storage="oracle://host/x")


STUDY, TRIAL = 0, 0
STORAGE_VERBS: dict[str, tuple[Any, ...]] = {
    "create_new_study": ([StudyDirection.MAXIMIZE], "another"),
    "get_study_id_from_name": ("small",),
    "get_study_name_from_id": (STUDY,),
    "get_study_directions": (STUDY,),
    "get_study_user_attrs": (STUDY,),
    "get_study_system_attrs": (STUDY,),
    "get_all_studies": (),
    "set_study_user_attr": (STUDY, "name", 1),
    "set_study_system_attr": (STUDY, "name", 1),
    "create_new_trial": (STUDY,),
    "set_trial_param": (TRIAL, "k", 1.0, FloatDistribution(0, 2)),
    "set_trial_intermediate_value": (TRIAL, 8, 0.5),
    "set_trial_user_attr": (TRIAL, "name", 1),
    "set_trial_system_attr": (TRIAL, "name", 1),
    "set_trial_state_values": (TRIAL, OptunaState.COMPLETE, [0.5]),
    "get_trial": (TRIAL,),
    "get_all_trials": (STUDY,),
    "get_n_trials": (STUDY,),
    "delete_study": (STUDY,),
}
"""Every verb of a storage, and what it can be asked of a study with one running trial."""


def lost(text: str) -> OperationalError:
    return OperationalError("SELECT 1", {}, Exception(text))


def standing_before(verb: str, problem: Exception, times: float) -> tuple[Any, UnavailableClient]:
    inner = InMemoryStorage()
    inner.create_new_study([StudyDirection.MAXIMIZE], "small")
    inner.create_new_trial(STUDY)
    away: Any = UnavailableClient(inner, problem, {verb: times})
    return PatientStorage(away, "sqlite:///there", Patience(5)), away


def test_no_verb_is_forgotten() -> None:
    verbs = {name for name in BaseStorage.__abstractmethods__ if not name.startswith("_")}
    assert verbs <= STORAGE_VERBS.keys()


@pytest.mark.parametrize("verb", STORAGE_VERBS)
def test_each_verb_is_tried_until_the_database_answers(verb: str, clock: Clock) -> None:
    calm, _ = standing_before(verb, lost(""), 0)
    storage, away = standing_before(verb, lost("server closed the connection"), 3)
    answers = [getattr(each, verb)(*STORAGE_VERBS[verb]) for each in (calm, storage)]
    assert _timeless(answers[1]) == _timeless(answers[0])
    assert (away.calls[verb], clock.waits) == (4, 3)


@pytest.mark.parametrize("verb", STORAGE_VERBS)
def test_each_verb_gives_up_with_one_error_that_says_how_to_go_on(verb: str, clock: Clock) -> None:
    storage, away = standing_before(verb, lost("server closed the connection"), float("inf"))
    with pytest.raises(StateError, match=r"at sqlite:///there has been away for 5 tries: server closed.*same command"):
        getattr(storage, verb)(*STORAGE_VERBS[verb])
    assert (away.calls[verb], clock.waits) == (5, 4)


@pytest.mark.parametrize(
    ("problem", "expected"),
    [
        (lost("database or disk is full"), (StateError, "cannot be written: .*make room")),
        (ProgrammingError("SELECT", {}, Exception("no such column")), (ProgrammingError, "no such column")),
        (KeyError("no such trial"), (KeyError, "no such trial")),
    ],
    ids=("full", "wrong question", "wrong trial"),
)
@pytest.mark.parametrize("verb", STORAGE_VERBS)
def test_no_verb_is_tried_again_where_the_answer_would_be_the_same(
    verb: str, problem: Exception, expected: tuple[type[Exception], str], clock: Clock
) -> None:
    storage, away = standing_before(verb, problem, float("inf"))
    with pytest.raises(expected[0], match=expected[1]):
        getattr(storage, verb)(*STORAGE_VERBS[verb])
    assert (away.calls[verb], clock.waits) == (1, 0)


def _timeless(answer: Any) -> Any:
    trials = answer if isinstance(answer, list) else [answer]
    made = [(t.number, t.state, t.params) if isinstance(t, FrozenTrial) else t for t in trials]
    return [s.study_name if isinstance(s, FrozenStudy) else s for s in made]


def test_a_database_whose_maker_was_killed_between_table_and_index_holds_one_study(tmp_path: Path) -> None:
    get_storage(f"sqlite:///{tmp_path}/study.db")
    with sqlite3.connect(tmp_path / "study.db") as db:
        db.execute("DROP INDEX ix_studies_study_name")
    play(make(tmp_path), 2)
    assert [record.number for record in make(tmp_path).records()] == [0, 1]
    make(tmp_path)
    with sqlite3.connect(tmp_path / "study.db") as db:
        assert db.execute("SELECT count(*) FROM studies").fetchone() == (1,)
