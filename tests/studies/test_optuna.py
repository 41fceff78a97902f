from __future__ import annotations

import functools
import gc
import itertools
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState as OptunaState

from autoprompt_search.confirm import rank
from autoprompt_search.core.errors import ConfigError, StateError
from autoprompt_search.core.measurements import TrialState
from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.core.types import Params
from autoprompt_search.space import SearchSpace
from autoprompt_search.studies import STUDIES
from autoprompt_search.studies.optuna import OptunaStudy
from autoprompt_search.studies.storage import VERSION
from autoprompt_search.testing.factories import RUNGS, measurement, open_study, space
from autoprompt_search.testing.study_contract import BASELINE, STUDY_CASES, MakesStudy, facts, finish, play

TRIALS = 16


def make(
    folder: Path,
    space: SearchSpace,
    *,
    trials: int = TRIALS,
    baseline: Params = BASELINE,
    minutes: float | None = None,
    **options: Any,
) -> OptunaStudy:
    return open_study(folder, space, trials, baseline=baseline, minutes=minutes, name="contract", **options)


def make_in_database(
    folder: Path, space: SearchSpace, *, trials: int, baseline: Params, minutes: float | None = None
) -> OptunaStudy:
    folder.mkdir(exist_ok=True)
    url = f"sqlite:///{folder}/study.db"
    return make(folder, space, trials=trials, baseline=baseline, minutes=minutes, storage=url)


def stored(folder: Path) -> optuna.Study:
    """The study as Optuna's own tools see it."""
    backend = JournalFileBackend(str(folder / "study.journal"))
    return optuna.load_study(study_name="contract", storage=JournalStorage(backend))


@pytest.mark.parametrize("case", STUDY_CASES, ids=lambda case: case.__name__)
def test_contract(case: Callable[[MakesStudy, Path], None], tmp_path: Path) -> None:
    case(make, tmp_path)


@pytest.mark.slow
def test_contract_in_a_database(tmp_path: Path) -> None:
    """One case that touches every call; the others differ in the journal alone."""
    case = next(case for case in STUDY_CASES if case.__name__ == "unfinished_trials_come_first")
    case(make_in_database, tmp_path)


@functools.cache
def undisturbed() -> tuple[bytes, list[tuple[object, ...]]]:
    """The journal of a search that nobody killed, and its records."""
    with tempfile.TemporaryDirectory() as name:
        study = make(Path(name), space())
        play(study)
        return (Path(name) / "study.journal").read_bytes(), facts(study.records())


def goes_on(folder: Path, journal: bytes) -> list[tuple[object, ...]]:
    """What a driver finds at the end that starts from this journal."""
    (folder / "study.journal").write_bytes(journal)
    study = make(folder, space())
    play(study)
    assert [t.intermediate_values for t in stored(folder).trials if t.state is OptunaState.PRUNED]
    return facts(study.records())


@settings(max_examples=8)
@given(st.data())
def test_a_search_killed_at_any_byte_ends_as_one_never_killed(data: st.DataObject) -> None:
    journal, wanted = undisturbed()
    cut = data.draw(st.integers(0, len(journal)), label="cut")
    with tempfile.TemporaryDirectory() as name:
        assert goes_on(Path(name), journal[:cut]) == wanted


def test_a_search_killed_at_every_write_of_a_trial_ends_as_one_never_killed(tmp_path: Path) -> None:
    journal, wanted = undisturbed()
    ends = list(itertools.accumulate(map(len, journal.splitlines(keepends=True))))
    for place, end in enumerate(ends[-14:]):
        folder = tmp_path / str(place)
        folder.mkdir()
        assert goes_on(folder, journal[:end]) == wanted


def test_intermediate_values_are_not_lost_between_two_writes(tmp_path: Path) -> None:
    """A rung is two writes: what it was, and its value for the sampler. A kill between them loses neither."""
    journal, _ = undisturbed()
    ends = list(itertools.accumulate(map(len, journal.splitlines(keepends=True))))
    trials = []
    for place, end in enumerate(ends[-14:]):
        folder = tmp_path / str(place)
        folder.mkdir()
        goes_on(folder, journal[:end])
        done = [t for t in stored(folder).trials if "number" in t.user_attrs]
        trials.append([(t.user_attrs["number"], t.state, t.intermediate_values) for t in done])
    assert trials == [trials[-1]] * 14
    assert all(values for _, _, values in trials[-1])


def test_the_same_seed_asks_the_same_and_another_does_not(tmp_path: Path) -> None:
    _, wanted = undisturbed()
    study = open_study(tmp_path, trials=TRIALS, baseline=BASELINE, seed=1)
    play(study)
    other = facts(study.records())
    assert other[0] == wanted[0]
    assert other[1:] != wanted[1:]


def test_optuna_is_told_how_every_trial_ended(tmp_path: Path) -> None:
    study = make(tmp_path, space(), trials=5)
    for _ in range(4):
        study.ask()
    low, full = measurement(0.6, RUNGS[0]), measurement(0.7, RUNGS[1], is_full=True)
    assert not study.report(0, low)
    assert not study.report(0, full)
    study.tell(0, TrialState.COMPLETE)
    study.report(1, measurement(0.5, RUNGS[0]))
    study.tell(1, TrialState.PRUNED)
    study.tell(2, TrialState.FAILED, error="loss is nan")
    complete, pruned, failed, running = stored(tmp_path).trials
    assert (complete.state, complete.value, complete.intermediate_values) == (
        OptunaState.COMPLETE,
        0.7,
        {8: 0.6, 24: 0.7},
    )
    assert (pruned.state, pruned.intermediate_values) == (OptunaState.PRUNED, {8: 0.5})
    assert (failed.state, failed.user_attrs["error"]) == (OptunaState.FAIL, "loss is nan")
    assert running.state is OptunaState.RUNNING


def test_a_lucky_low_rung_never_wins(tmp_path: Path) -> None:
    study = make(tmp_path, space(), trials=9)
    finish(study, *(study.ask() or pytest.fail("no trial")))
    for state in (TrialState.PRUNED, TrialState.FAILED):
        number, _ = study.ask() or pytest.fail("no trial")
        study.report(number, measurement(1.0, RUNGS[0]))
        study.tell(number, state, error="out of memory" if state is TrialState.FAILED else "")
    best = stored(tmp_path).best_trial
    assert best.user_attrs["number"] == 0
    baseline, ranked = rank(study.records())
    assert [r.number for r in ranked] == [0] == [baseline.number]


def test_duplicates_are_never_stored(tmp_path: Path) -> None:
    """A space of six points, drawn at random until all were seen."""
    small = SearchSpace.model_validate({"a": {"kind": "int", "low": 1, "high": 6}})
    study = make(tmp_path, small, trials=50, baseline={"a": 1}, sampler="random")
    assert sorted(str(params["a"]) for _, params in play(study)) == list("123456")
    assert sorted(t.params["a"] for t in stored(tmp_path).trials) == [1, 2, 3, 4, 5, 6]


def test_a_torn_last_line_is_cut_and_nothing_else(tmp_path: Path) -> None:
    study = make(tmp_path, space())
    play(study, 5)
    before = facts(study.records())
    journal = tmp_path / "study.journal"
    whole = journal.read_bytes()
    journal.write_bytes(whole + b'{"op_code": 8, "worker_id": "torn')
    again = make(tmp_path, space())
    assert facts(again.records()) == before
    assert journal.read_bytes()[: len(whole)] == whole
    assert len(play(again)) == TRIALS - 5
    assert len(facts(make(tmp_path, space()).records())) == TRIALS


def test_a_lock_that_a_killed_driver_left_holds_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    play(make(tmp_path, space()), 2)
    (tmp_path / "study.journal.lock").symlink_to(tmp_path / "study.journal")
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    play(make(tmp_path, space()), 1)
    assert waits == []


def test_the_error_of_a_kill_is_forgotten_when_the_trial_ends_well(tmp_path: Path) -> None:
    """The reason was written, the end was not; run again, the trial did well."""
    study = make(tmp_path, space(), trials=1)
    number, params = study.ask() or pytest.fail("no trial")
    stored(tmp_path)._storage.set_trial_user_attr(stored(tmp_path).trials[0]._trial_id, "error", "out of memory")
    again = make(tmp_path, space(), trials=1)
    again.ask()
    assert finish(again, number, params).error == ""


def test_several_trials_at_a_time_are_different_points(tmp_path: Path) -> None:
    study = make(tmp_path, space())
    play(study, 10)
    live = [study.ask() for _ in range(6)]
    assert len({str(sorted(params.items())) for _, params in filter(None, live)}) == 6
    for number, params in reversed([found for found in live if found]):
        finish(study, number, params)
    assert [r.number for r in study.records()] == list(range(TRIALS))


def test_a_whole_number_for_a_float_is_one_point_before_and_after_opening_again(tmp_path: Path) -> None:
    floats = SearchSpace.model_validate({"lr": {"kind": "float", "low": 0.5, "high": 2}})
    study = make(tmp_path, floats, trials=3, baseline=floats.baseline({"lr": 1}))
    _, params = study.ask() or pytest.fail("no trial")
    _, again = make(tmp_path, floats, trials=3, baseline={"lr": 1}).ask() or pytest.fail("no trial")
    assert repr(dict(params)) == repr(dict(again)) == "{'lr': 1.0}"


def test_options_are_checked() -> None:
    spec = ComponentSpec.model_validate({"type": "optuna", "sampler": "tpee", "reductoin": 3, "reduction": 1})
    with pytest.raises(ConfigError) as caught:
        STUDIES.build(spec, terms=None)
    assert [p.partition(":")[0] for p in caught.value.problems] == ["reductoin", "sampler", "reduction"]


@pytest.mark.slow
@pytest.mark.parametrize("is_again", [False, True])
def test_a_long_prompt_is_in_memory_once_however_many_rungs_it_climbed(tmp_path: Path, is_again: bool) -> None:
    size, trials = 20_000, 20

    def play_long(study: OptunaStudy) -> None:
        while (asked := study.ask()) is not None:
            for examples in RUNGS:
                prompt = str(asked[0]).zfill(size)
                study.report(asked[0], measurement(0.9, examples, is_full=examples == RUNGS[-1], preview=prompt))
            study.tell(asked[0], TrialState.COMPLETE)

    play_long(make(tmp_path if is_again else tmp_path / "other", space(), trials=trials, sampler="random"))
    gc.collect()
    tracemalloc.start()
    try:
        study = make(tmp_path, space(), trials=trials, sampler="random")
        play_long(study)
        gc.collect()
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert [len(r.measurements[-1].preview) for r in study.records()] == [size] * trials
    assert used < 1.7 * trials * size


def test_a_study_of_the_last_version_is_read_and_marked(tmp_path: Path) -> None:
    """It had no mark; here the mark of a new one is taken out of the journal."""
    play(make(tmp_path, space(), trials=3))
    journal = tmp_path / "study.journal"
    lines = [line for line in journal.read_text().splitlines(keepends=True) if '"format"' not in line]
    journal.write_text("".join(lines))
    assert len(play(make(tmp_path, space(), trials=5))) == 2
    assert stored(tmp_path).user_attrs["format"] == VERSION


def test_a_study_of_an_unknown_version_is_refused_in_one_sentence(tmp_path: Path) -> None:
    play(make(tmp_path, space(), trials=3))
    stored(tmp_path).set_user_attr("format", 99)
    with pytest.raises(StateError, match=r"study\.journal was written by another version .*format 99.*--fresh"):
        make(tmp_path, space(), trials=5)


def test_optuna_writes_nothing_into_the_terminal(tmp_path: Path) -> None:
    """In a process of its own, because any earlier study of this one has quieted Optuna already."""
    script = (
        "from pathlib import Path; from autoprompt_search.testing.factories import open_study; "
        f"open_study(Path({str(tmp_path)!r})).ask()"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
