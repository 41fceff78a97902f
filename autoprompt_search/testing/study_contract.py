"""What every study must do, as functions that any test runner can call. Knows no study.

@pytest.mark.parametrize("case", STUDY_CASES, ids=lambda case: case.__name__)
def test_my_study(case, tmp_path):
    case(make_my_study, tmp_path)
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from autoprompt_search.core.errors import SystemicError
from autoprompt_search.core.fingerprint import fingerprint
from autoprompt_search.core.measurements import TrialRecord, TrialState
from autoprompt_search.core.protocols.study import Study
from autoprompt_search.core.rng import derive_seed
from autoprompt_search.core.types import Params
from autoprompt_search.space import SearchSpace
from autoprompt_search.testing.factories import RUNGS, ladder, measurement, space

BASELINE: Params = {"template": "cloze", "demos.strategy": "random", "demos.k": 3, "demos.draw": 1}
"""A point of `factories.space()`, and not the one that its first values make."""

Asked = tuple[int, dict[str, object]]


class MakesStudy(Protocol):
    """How the suite opens a study; opening another one on the same folder is what a new driver process does."""

    def __call__(
        self, folder: Path, space: SearchSpace, *, trials: int, baseline: Params, minutes: float | None = None
    ) -> Study: ...


def point_score(params: Params) -> float:
    """A score between 0.5 and 1 that the point alone decides."""
    return 0.5 + derive_seed("score", fingerprint(params)) / 2**33


def finish(study: Study, number: int, params: Params) -> TrialRecord:
    """Climb the rungs as a runner would, with `point_score` and a little less on the lower rung."""
    record = climb(study, number, params)
    if record is None:
        raise AssertionError(f"trial {number} was paused, wanted its end")
    return record


def climb(study: Study, number: int, params: Params) -> TrialRecord | None:
    """Finish a trial as `finish` does; None where it was paused."""
    best = point_score(params)
    for measured in ladder([best - 0.1, best]):
        if study.report(number, measured):
            return study.tell(number, TrialState.PRUNED)
    return study.tell(number, TrialState.COMPLETE)


def play(study: Study, most: float = math.inf) -> list[Asked]:
    """Run trials one after the other until the study ends or `most` were begun; what was asked, each trial once."""
    asked: dict[int, dict[str, object]] = {}
    while len(asked) < most and (point := study.ask()) is not None:
        _same("parameters of a trial taken up again", dict(point[1]), asked.setdefault(point[0], dict(point[1])))
        climb(study, *point)
    return list(asked.items())


def facts(records: Sequence[TrialRecord]) -> list[tuple[object, ...]]:
    """What two runs of one search must agree on: all but the time of day."""
    return [(r.number, dict(r.params), r.state, r.measurements, r.error, r.kind) for r in records]


def the_baseline_comes_first_and_is_never_stopped(make: MakesStudy, folder: Path) -> None:
    """The study never stops the baseline, however badly it scores."""
    study = make(folder, space(), trials=8, baseline=BASELINE)
    number, params = _asked(study)
    _same("first", (number, dict(params)), (0, dict(BASELINE)))
    others = [_asked(study) for _ in range(4)]
    for other, _ in others:
        study.report(other, measurement(0.9, RUNGS[0]))
    _same("stopped", study.report(0, measurement(0.1, RUNGS[0])), False)


def numbers_are_consecutive_and_points_are_new(make: MakesStudy, folder: Path) -> None:
    """Every point is in the space and none comes twice."""
    asked = play(make(folder, space(), trials=30, baseline=BASELINE))
    _same("numbers", [number for number, _ in asked], list(range(30)))
    _same("distinct points", len({fingerprint(params) for _, params in asked}), 30)
    _same("points of the space", [space().contains(params) for _, params in asked], [True] * 30)  # type: ignore[arg-type]


def a_small_space_ends(make: MakesStudy, folder: Path) -> None:
    """It ends when every point was tried, whatever the budget."""
    small = SearchSpace.model_validate(
        {"a": {"kind": "choice", "values": ["x", "y"]}, "b": {"kind": "int", "low": 1, "high": 3, "when": {"a": ["y"]}}}
    )
    study = make(folder, small, trials=50, baseline={"a": "x"})
    _same("points", len({fingerprint(params) for _, params in play(study)}), 4)
    _same("after the end", study.ask(), None)


def trials_are_a_budget_of_all_runs_together(make: MakesStudy, folder: Path) -> None:
    """Failed and stopped trials count; a larger budget goes on."""
    play(make(folder, space(), trials=3, baseline=BASELINE))
    _same("asked again", play(make(folder, space(), trials=3, baseline=BASELINE)), [])
    study = make(folder, space(), trials=5, baseline=BASELINE)
    study.tell(_asked(study)[0], TrialState.FAILED, error="NaN")
    _same("numbers after more budget", [number for number, _ in play(study)], [4])


def minutes_are_a_budget_of_all_runs_together(make: MakesStudy, folder: Path) -> None:
    """Time is over: nothing new, now and after opening again."""
    study = make(folder, space(), trials=9, baseline=BASELINE, minutes=0.1 / 60)
    number, params = _asked(study)
    time.sleep(0.12)
    finish(study, number, params)
    _same("late", study.ask(), None)
    _same("late after opening again", make(folder, space(), trials=9, baseline=BASELINE, minutes=0.1 / 60).ask(), None)
    _same("with more time", _asked(make(folder, space(), trials=9, baseline=BASELINE, minutes=9))[0], 1)


def unfinished_trials_come_first(make: MakesStudy, folder: Path) -> None:
    """Under their old numbers, with their old parameters, then new ones; also when the budget is used up."""
    study = make(folder, space(), trials=6, baseline=BASELINE)
    play(study, 2)
    left = [_asked(study) for _ in range(3)]
    study.report(left[0][0], measurement(0.7, RUNGS[0]))
    study.tell(left[1][0], TrialState.FAILED, error="NaN")
    again = make(folder, space(), trials=5, baseline=BASELINE)
    asked = play(again)
    _same("unfinished", [(n, dict(p)) for n, p in (left[0], left[2])], asked[:2])
    _same("new", [n for n, _ in asked if n > left[2][0]], [])
    _same("finished", [r.number for r in again.records()], [0, 1, 2, 3, 4])


def records_survive_opening_again(make: MakesStudy, folder: Path) -> None:
    """Every record, with its measurements, error and times, in the order of numbers."""
    study = make(folder, space(), trials=12, baseline=BASELINE)
    first, second, third = (_asked(study) for _ in range(3))
    climb(study, *third)
    study.tell(second[0], TrialState.FAILED, error="RuntimeError: loss is nan")
    climb(study, *first)
    play(study)
    records = list(study.records())
    _same("numbers", [r.number for r in records], list(range(12)))
    _same("states", {TrialState.COMPLETE, TrialState.FAILED} - {r.state for r in records}, set())
    _same("error", records[1].error, "RuntimeError: loss is nan")
    _same("times", all(0 < r.started <= r.ended for r in records), True)
    _same("reopened", list(make(folder, space(), trials=12, baseline=BASELINE).records()), records)


def a_rung_reported_again_changes_nothing(make: MakesStudy, folder: Path) -> None:
    """Neither the record nor the answer, in this process or the next; the first word stands."""
    study = make(folder, space(), trials=5, baseline=BASELINE)
    numbers = [_asked(study)[0] for _ in range(5)]
    for number in numbers[:4]:
        study.report(number, measurement(0.8, RUNGS[0]))
    answer = study.report(4, measurement(0.6, RUNGS[0]))
    _same("stopped again", study.report(4, measurement(0.99, RUNGS[0])), answer)
    again = make(folder, space(), trials=5, baseline=BASELINE)
    for _ in numbers:
        again.ask()
    _same("stopped again by the next driver", again.report(4, measurement(0.99, RUNGS[0])), answer)
    again.tell(4, TrialState.FAILED, error="NaN")
    _same("scores", [m.score for r in again.records() if r.number == 4 for m in r.measurements], [0.6])


def the_last_rung_stops_nobody(make: MakesStudy, folder: Path) -> None:
    """A trial that has seen everything is complete."""
    study = make(folder, space(), trials=6, baseline=BASELINE)
    for score in (0.5, 0.9, 0.9, 0.9, 0.1):
        number, _ = _asked(study)
        _same("stopped", study.report(number, measurement(score, RUNGS[1], is_full=True)), False)
        record = study.tell(number, TrialState.COMPLETE)
        _same("state", record.state if record else "paused", TrialState.COMPLETE)


def one_reason_for_every_failure_ends_the_search(make: MakesStudy, folder: Path) -> None:
    """Also where the reasons differ in a number; not where one trial did well or failed for another reason.

    A baseline that fails ends it alone, since nothing can be compared with it.
    """

    def fails(name: str, *errors: str | None) -> bool:
        """The outcome of trials in order: their errors, empty where one does well, None where it goes on."""
        study = make(folder / name, space(), trials=20, baseline=BASELINE)
        try:
            for error in errors:
                number, params = _asked(study)
                if error is None:
                    continue
                if error:
                    study.tell(number, TrialState.FAILED, error=error)
                else:
                    finish(study, number, params)
        except SystemicError as exc:
            _same("the reason is told", next(filter(None, errors)) in str(exc), True)
            return True
        return False

    _same("the baseline", fails("baseline", "OSError: no such model"), True)
    _same("always one reason", fails("one", None, *["OSError: no such model"] * 4), True)
    _same("numbers do not count", fails("numbers", None, *[f"needs {n} GB" for n in range(4)]), True)
    _same("two reasons", fails("two", None, "a", "b", *["a"] * 4), False)
    _same("one success", fails("success", "", *["a"] * 6), False)


STUDY_CASES: tuple[Callable[[MakesStudy, Path], None], ...] = (
    the_baseline_comes_first_and_is_never_stopped,
    numbers_are_consecutive_and_points_are_new,
    a_small_space_ends,
    trials_are_a_budget_of_all_runs_together,
    minutes_are_a_budget_of_all_runs_together,
    unfinished_trials_come_first,
    records_survive_opening_again,
    a_rung_reported_again_changes_nothing,
    the_last_rung_stops_nobody,
    one_reason_for_every_failure_ends_the_search,
)


def _asked(study: Study) -> tuple[int, Params]:
    point = study.ask()
    if point is None:
        raise AssertionError("the study has ended, wanted another trial")
    return point


def _same(what: str, actual: object, wanted: object) -> None:
    if actual != wanted:
        raise AssertionError(f"{what}: found {actual!r}, wanted {wanted!r}")
