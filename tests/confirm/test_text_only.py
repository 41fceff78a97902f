"""A soft prompt is chosen where it is better than its own text, and its text goes with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pytest

from autoprompt_search.backends import BACKENDS
from autoprompt_search.confirm import Confirmation, Seal, confirm
from autoprompt_search.core.measurements import TrialRecord, TrialState
from autoprompt_search.core.ranking import text_of
from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.ledger import Ledger
from autoprompt_search.runners.local import LocalRunner
from autoprompt_search.soft import SOFT
from autoprompt_search.space import SearchSpace
from autoprompt_search.testing.factories import examples, job
from autoprompt_search.testing.runner_contract import drive
from autoprompt_search.trial import TrialJob

UNSEEN = examples(200, name="test")


@pytest.fixture(autouse=True)
def scripted_soft_prompts(monkeypatch: pytest.MonkeyPatch) -> None:
    home = "autoprompt_search.testing.tunable"
    monkeypatch.setitem(BACKENDS._paths, "tunable", f"{home}:TunableBackend")
    monkeypatch.setitem(SOFT._paths, "scripted", f"{home}:ScriptedTuning")


def over(gain: float, methods: Any = ("none", "scripted")) -> SearchSpace:
    soft = {"kind": "choice", "values": list(methods)}
    return SearchSpace.model_validate(
        {
            "template": {"kind": "choice", "values": ["plain", "cloze", "ask"]},
            "soft.method": soft if len(methods) > 1 else methods[0],
            "soft.tokens": {"kind": "int", "low": 1, "high": 6, "when": {"soft.method": ["scripted"]}},
            "soft.gain": {"kind": "fixed", "value": gain, "when": {"soft.method": ["scripted"]}},
        }
    )


def work(folder: Path) -> TrialJob:
    return job(folder, backend=ComponentSpec(type="tunable"), dev=examples(120), rungs=(40, 120))


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    (tmp_path / "search").mkdir()
    made = Ledger(tmp_path / "search" / "ledger.sqlite")
    yield made
    made.close()


def searched(folder: Path, gain: float, **options: Any) -> tuple[Sequence[TrialRecord], TrialJob]:
    made = work(folder / "search")
    return drive(LocalRunner(), made, trials=9, over=over(gain, **options)).records, made


def confirmed(records: Sequence[TrialRecord], made: TrialJob, ledger: Ledger) -> Confirmation:
    return confirm(records, made, Seal(UNSEEN), runner=LocalRunner(), ledger=ledger, count=3, confidence=0.95)


def test_a_soft_prompt_that_helps_is_chosen_and_its_text_is_measured_beside_it(tmp_path: Path, ledger: Ledger) -> None:
    records, made = searched(tmp_path, 0.3)
    before = ledger.total()
    found = confirmed(records, made, ledger)
    text = found.text_only
    assert found.best.record.kind == "soft"
    assert text is not None
    assert text_of(text.params) == text_of(found.best.record.params)
    tried = records[text.number or 0]
    assert tried.kind != "soft"
    assert text.dev.score == tried.measurements[-1].score
    assert text.dev_gain.score == pytest.approx(found.best.dev.score - text.dev.score)
    assert text.test_gain.score == pytest.approx(found.best.test.score - text.test.score)
    assert text.test.fidelity.examples == 200
    assert found.best.gain == text.dev_gain
    assert text.dev_gain.low > 0
    assert found.cross_fitted is not None
    assert {records[number].kind for number in found.cross_fitted.winners} == {"soft"}
    distinct = {f.record.number for f in (found.baseline, *found.finalists)} | {text.number}
    assert ledger.total().forward_passes - before.forward_passes == 200 * len(distinct)


@pytest.mark.parametrize("gain", [0.0, 0.04])
def test_a_soft_prompt_that_adds_nothing_beyond_doubt_is_not_chosen(
    gain: float, tmp_path: Path, ledger: Ledger
) -> None:
    """With 0.04 it leads on dev; the paired test does not clear it of luck."""
    records, made = searched(tmp_path, gain)
    found = confirmed(records, made, ledger)
    assert found.best.record.kind == "text"
    assert found.text_only is None
    if gain:
        leader = found.finalists[0]
        assert leader.record.kind == "soft"
        assert leader.gain is not None
        assert leader.gain.score > 0 > leader.gain.low
        assert not leader.is_tied


def test_of_soft_prompts_that_were_trained_again_only_the_steadiest_settings_are_chosen(
    tmp_path: Path, ledger: Ledger
) -> None:
    """Draws differ by so much here that the luckiest is not of the settings with the best mean minus spread."""
    space = over(0.3).model_dump()
    when = {"soft.method": ["scripted"]}
    space |= {
        "soft.luck": {"kind": "fixed", "value": 0.08, "when": when},
        "soft.draw": {"kind": "int", "low": 0, "high": 2, "when": when},
    }
    made = work(tmp_path / "search")
    records = drive(LocalRunner(), made, trials=14, over=SearchSpace.model_validate(space)).records
    soft = [r for r in records if r.kind == "soft"]
    assert [r.params["soft.draw"] for r in soft[-4:]] == [1, 1, 2, 2]
    found = confirmed(records, made, ledger)
    families: dict[Any, list[float]] = {}
    for record in soft:
        families.setdefault(record.params["soft.tokens"], []).append(record.measurements[-1].score)
    standings = {n: fmean(scores) - stdev(scores) for n, scores in families.items() if len(scores) > 1}
    assert len(standings) == 2
    assert found.best.record.params["soft.tokens"] == max(standings, key=lambda n: standings[n])


def test_a_text_that_no_trial_tried_is_measured_on_dev_and_paid_for_once(tmp_path: Path, ledger: Ledger) -> None:
    records, made = searched(tmp_path, 0.3, methods=["scripted"])
    spent = ledger.total().forward_passes
    found = confirmed(records, made, ledger)
    text = found.text_only
    assert text is not None
    assert text.number is None
    assert text.dev_gain.low > 0
    assert len(text.dev.outcomes) == 120
    tests = 200 * (1 + len({f.record.number for f in (found.baseline, *found.finalists)}))
    distinct_texts = 3
    paid = ledger.total()
    assert 120 + tests <= paid.forward_passes - spent <= 120 * distinct_texts + tests
    again = confirmed(records, made, ledger).text_only
    assert again is not None
    assert (again.dev_gain, again.test_gain) == (text.dev_gain, text.test_gain)
    assert ledger.total() == paid


def test_where_every_trial_is_soft_the_baseline_may_stay(tmp_path: Path, ledger: Ledger) -> None:
    """No soft prompt beats its text: the baseline, soft as it is, is what there is, and its text is shown."""
    records, made = searched(tmp_path, 0.0, methods=["scripted"])
    assert {r.kind for r in records} == {"soft"}
    found = confirmed(records, made, ledger)
    assert found.best.record.number == 0
    assert found.text_only is not None
    assert found.text_only.number is None
    assert found.text_only.dev_gain.score == 0
    assert "soft.method" not in found.text_only.params


def test_a_soft_finalist_has_seen_all_of_dev(tmp_path: Path, ledger: Ledger) -> None:
    records, made = searched(tmp_path, 0.3)
    found = confirmed(records, made, ledger)
    assert all(f.record.state is TrialState.COMPLETE for f in found.finalists)
    assert all(len(f.dev.outcomes) == 120 for f in found.finalists)
    assert all(f.test.soft is not None for f in found.finalists if f.record.kind == "soft")
