"""What every tracker must do, as functions that any test runner can call. Knows no tracker.

@pytest.mark.parametrize("case", TRACKER_CASES, ids=lambda case: case.__name__)
def test_my_tracker(case, tmp_path):
    case(MyHarness(tmp_path))
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from autoprompt_search.core.measurements import Cost, Fidelity, Measurement, TrialRecord, TrialState
from autoprompt_search.core.protocols.output import SearchCard, Tracker
from autoprompt_search.core.types import Params


@dataclass(frozen=True, slots=True)
class SeenTrial:
    """One trial as the dashboard shows it."""

    state: TrialState
    params: dict[str, str]
    score: float | None
    """Score at the highest rung."""
    prompt: str


@dataclass(frozen=True, slots=True)
class SeenSearch:
    """One search as the dashboard shows it."""

    description: str
    status: str
    """`running`, `finished`, `stopped` or `failed`."""
    metrics: dict[str, float]
    files: frozenset[str]
    """Names of what was attached, folders by their own name."""
    trials: Sequence[tuple[int, SeenTrial]]
    """All entries; a trial that is shown twice occurs twice."""


class TrackerHarness(Protocol):
    """How the suite builds a tracker and looks at what it recorded."""

    def tracker(self) -> Tracker:
        """What a new driver process would build for the same search."""
        ...

    def searches(self, fingerprint: str) -> list[SeenSearch]:
        """All searches of that configuration that are shown."""
        ...

    @property
    def folder(self) -> Path:
        """A folder in which the suite may write files to attach."""
        ...


def search_card(folder: Path, fingerprint: str = "f" * 16, name: str = "contract") -> SearchCard:
    """A search of no particular kind."""
    config = folder / "space.yaml"
    config.write_text("name: contract\n", encoding="utf-8")
    return SearchCard(name, fingerprint, folder, config, "A search **begins**.", {"model": "scripted"}, {"seed": "7"})


def trial_record(
    number: int,
    state: TrialState = TrialState.COMPLETE,
    *,
    scores: Sequence[float] = (0.5, 0.6),
    kind: str = "text",
    params: Params | None = None,
) -> TrialRecord:
    """A trial that reached one rung per score; the second rung is the last one."""
    rungs = [
        Measurement(
            score=score,
            stderr=0.05,
            metrics={"accuracy": score, "loss": 1 - score},
            fidelity=Fidelity(examples=32 * 4**i, is_full=i == 1),
            cost=Cost(forward_passes=32 * 4**i, prompt_tokens=640 * 4**i, seconds=0.1),
            prompt_tokens=20.0,
            preview=f"Review {number}: all in all it was",
        )
        for i, score in enumerate(scores)
    ]
    return TrialRecord(
        number,
        params or {"template": "cloze", "demos.k": number},
        state,
        tuple(rungs),
        error="RuntimeError: loss is nan" if state is TrialState.FAILED else "",
        kind=kind,
        started=1_700_000_000.0 + number,
        ended=1_700_000_001.0 + number,
    )


def records_every_trial(harness: TrackerHarness) -> None:
    """Parameters, last score, prompt and state of each trial are there."""
    states = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAILED)
    records = [trial_record(n, s, scores=(0.5, 0.6)[: 2 - n]) for n, s in enumerate(states)]
    seen = _one(_run(harness, records))
    _same("states", [t.state for _, t in sorted(seen.trials, key=lambda t: t[0])], list(states))
    shown = dict(seen.trials)
    _same("params", shown[1].params, {"template": "cloze", "demos.k": "1"})
    _same("scores", [shown[n].score for n in range(3)], [0.6, 0.5, None])
    _same("prompt", shown[1].prompt, records[1].preview)


def shows_a_trial_once(harness: TrackerHarness) -> None:
    """A trial is shown once, however often this driver or the next logs it."""
    records = [trial_record(n) for n in range(3)]
    _run(harness, [*records, records[1]])
    seen = _one(_run(harness, [*records, trial_record(3)]))
    _same("trials", sorted(n for n, _ in seen.trials), [0, 1, 2, 3])


def continues_the_same_search(harness: TrackerHarness) -> None:
    """A second driver adds to what the first one left, closed or not."""
    tracker = harness.tracker()
    tracker.open(search_card(harness.folder))
    tracker.log_trial(trial_record(0))
    tracker.close("stopped early", {}, (), status="stopped")
    _same("status", _one(harness.searches("f" * 16)).status, "stopped")
    seen = _one(_run(harness, [trial_record(1)]))
    _same("trials", sorted(n for n, _ in seen.trials), [0, 1])
    _same("status", seen.status, "finished")


def shows_description_numbers_and_files(harness: TrackerHarness) -> None:
    """What `close` is given replaces what `open` said; an empty description replaces nothing."""
    report, best = harness.folder / "report.html", harness.folder / "best_prompt"
    report.write_text("<p>done</p>", encoding="utf-8")
    best.mkdir()
    (best / "prompt.yaml").write_text("a: 1\n", encoding="utf-8")
    tracker = harness.tracker()
    tracker.open(search_card(harness.folder))
    _same("before", _one(harness.searches("f" * 16)).description, "A search **begins**.")
    tracker.close("", {}, (), status="stopped")
    _same("stopped", _one(harness.searches("f" * 16)).description, "A search **begins**.")
    tracker = harness.tracker()
    tracker.open(search_card(harness.folder))
    tracker.close("Verdict: **promote**", {"test/best": 0.9}, (report, best), status="finished")
    seen = _one(harness.searches("f" * 16))
    _same("description", seen.description, "Verdict: **promote**")
    _same("metric", seen.metrics.get("test/best"), 0.9)
    _same("files", seen.files >= {"report.html", "best_prompt"}, True)


def bears_odd_values(harness: TrackerHarness) -> None:
    """Names, texts and numbers no dashboard expects cost at most their own entry."""
    odd: Params = {"demos.k": 3, "a b|c$ü": "x\ny", "layout.separator": "\n", "empty": ""}
    records = [trial_record(0), trial_record(1, params=odd, scores=(float("nan"), float("inf"))), trial_record(2)]
    seen = _one(_run(harness, records))
    _same("trials", sorted(n for n, _ in seen.trials), [0, 1, 2])


def answers_at_once(harness: TrackerHarness) -> None:
    """Logging thirty trials takes less than a trial would."""
    tracker = harness.tracker()
    tracker.open(search_card(harness.folder))
    begun = time.perf_counter()
    for number in range(30):
        tracker.log_trial(trial_record(number))
    took = time.perf_counter() - begun
    tracker.close("", {}, (), status="finished")
    _same("fast enough", took < 0.5, True)
    _same("trials", len(_one(harness.searches("f" * 16)).trials), 30)


TRACKER_CASES: tuple[Callable[[TrackerHarness], None], ...] = (
    records_every_trial,
    shows_a_trial_once,
    continues_the_same_search,
    shows_description_numbers_and_files,
    bears_odd_values,
    answers_at_once,
)


def _run(harness: TrackerHarness, records: Sequence[TrialRecord]) -> list[SeenSearch]:
    tracker = harness.tracker()
    tracker.open(search_card(harness.folder))
    for record in records:
        tracker.log_trial(record)
    tracker.close("done", {}, (), status="finished")
    return harness.searches("f" * 16)


def _one(searches: Sequence[SeenSearch]) -> SeenSearch:
    _same("number of searches shown", len(searches), 1)
    return searches[0]


def _same(what: str, actual: object, wanted: object) -> None:
    if actual != wanted:
        raise AssertionError(f"{what}: found {actual!r}, wanted {wanted!r}")
