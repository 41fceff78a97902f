"""Texts that are added during a search: when, from which, under which name, and the same again after a restart."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from autoprompt_search.core.fingerprint import fingerprint
from autoprompt_search.core.measurements import Fidelity, Measurement, TrialRecord, TrialState
from autoprompt_search.core.protocols.prompts import Parent, Proposal
from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.core.rng import derive_rng
from autoprompt_search.core.types import Params
from autoprompt_search.proposers import PROPOSERS
from autoprompt_search.space import SearchSpace
from autoprompt_search.studies.bandit import ProposerScore, beats, best_first, in_turn, proposer_scores
from autoprompt_search.studies.optuna import OptunaStudy
from autoprompt_search.studies.proposal_slots import GrowingParameter, slots
from autoprompt_search.testing.factories import RUNGS, measurement, open_study

TEXTS = {"short": "Judge the review.", "long": "Read the review to its end, then judge.", "who": "You are an expert."}
SPACE = SearchSpace.model_validate(
    {
        "template": {"kind": "choice", "values": ["plain", "cloze"]},
        "instruction": {"kind": "choice", "values": ["none", *TEXTS]},
        "demos.strategy": {"kind": "choice", "values": ["none", "random"]},
        "demos.k": {"kind": "int", "low": 1, "high": 8, "when": {"demos.strategy": ["random"]}},
    }
)
SOFT = SearchSpace.model_validate(
    {**SPACE.model_dump(), "soft.method": {"kind": "choice", "values": ["none", "prompt-tuning"]}}
)


def growth(**changes: Any) -> GrowingParameter:
    proposers = {name: PROPOSERS.build(ComponentSpec(type=name)) for name in ("phrases", "crossover")}
    options = {"address": "instruction", "texts": TEXTS, "slots": 12, "share": 0.5, "proposers": proposers}
    return GrowingParameter(**{**options, **changes})


def make(
    folder: Path, *, over: SearchSpace = SPACE, trials: int = 40, grown: GrowingParameter | None = None, **options: Any
) -> OptunaStudy:
    folder.mkdir(exist_ok=True)
    return open_study(folder, over, trials, seed=3, **{"rungs": RUNGS, "growing": [grown or growth()], **options})


def score_of(params: Params) -> float:
    """Shorter instructions are better, and every text has a score of its own."""
    text = str(params.get("instruction.text", TEXTS.get(str(params.get("instruction")), "")))
    return 0.4 + 3 / (len(text) or 99) + 0.01 * derive_rng("score", text, params["template"]).random()


def play(study: OptunaStudy, *, most: int = 10**6) -> list[tuple[int, dict[str, Any]]]:
    """Runs trials to the end, or so many."""
    asked: list[tuple[int, dict[str, Any]]] = []
    while len(asked) < most and (next_one := study.ask()) is not None:
        number, params = next_one
        asked.append((number, dict(params)))
        for examples in RUNGS:
            if study.report(number, measurement(score_of(params), examples)):
                study.tell(number, TrialState.PRUNED)
                break
        else:
            study.tell(number, TrialState.COMPLETE)
    return asked


def new_ones(records: Sequence[TrialRecord]) -> list[TrialRecord]:
    return [record for record in records if record.origin is not None]


def test_after_the_first_trials_a_share_of_them_tries_new_texts(tmp_path: Path) -> None:
    study = make(tmp_path)
    play(study)
    written = new_ones(study.records())
    assert [r.origin.value for r in written if r.origin] == list(slots(12))[: len(written)]
    assert 8 <= len(written) <= 12
    assert written[0].number >= 8
    texts = [r.origin.text for r in written if r.origin]
    assert len({*texts, *TEXTS.values()}) == len(texts) + len(TEXTS)


def test_a_text_is_tried_at_the_point_of_the_one_it_was_made_from(tmp_path: Path) -> None:
    study = make(tmp_path)
    play(study)
    records = study.records()
    for child in new_ones(records):
        assert child.origin is not None
        parent = records[child.origin.parents[0]]

        def point(record: TrialRecord) -> dict[str, Any]:
            return {n: v for n, v in record.params.items() if not n.startswith("instruction")}

        assert parent.number < child.number
        assert point(child) == point(parent)
        assert child.params["instruction.text"] == child.origin.text


def test_known_slots_are_drawn_again_with_their_text_and_others_never(tmp_path: Path) -> None:
    study = make(tmp_path, trials=60, grown=growth(slots=3))
    play(study)
    known: dict[str, str] = {}
    again = 0
    for record in study.records():
        value = str(record.params["instruction"])
        if record.origin is not None:
            known[value] = record.origin.text
        if value.startswith("new-"):
            again += record.origin is None
            assert record.params["instruction.text"] == known[value]
        else:
            assert "instruction.text" not in record.params
    assert len(known) == 3
    assert again


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"pruner": "knowledge-gradient", "passes": 4000},
        {"over": SOFT},
        {"sampler": "random"},
        {"sampler": "surrogate", "scores": "modelled", "texts": {"instruction": TEXTS, "template": {}}},
    ],
)
def test_a_killed_driver_s_search_goes_on_as_if_nothing_had_happened(tmp_path: Path, options: dict[str, Any]) -> None:
    whole = make(tmp_path / "whole", **options)
    expected = play(whole)
    asked: list[tuple[int, dict[str, Any]]] = []
    while part := play(make(tmp_path / "killed", **options), most=11):
        asked += part
    again = make(tmp_path / "killed", **options).records()
    assert asked == expected
    assert [(r.number, r.params, r.state, r.origin) for r in again] == [
        (r.number, r.params, r.state, r.origin) for r in whole.records()
    ]
    assert new_ones(again)


def test_a_trial_that_was_begun_keeps_its_text(tmp_path: Path) -> None:
    study = make(tmp_path)
    while True:
        number, params = study.ask() or pytest.fail("no new text")
        if params.get("instruction") == "new-1":
            break
        study.report(number, measurement(score_of(params), RUNGS[0]))
        study.tell(number, TrialState.PRUNED)
    assert make(tmp_path).ask() == (number, params)


def test_soft_prompts_start_from_written_texts_too(tmp_path: Path) -> None:
    study = make(tmp_path, over=SOFT, text_share=0.75)
    asked = play(study)
    softs = [p for _, p in asked if p["soft.method"] != "none"]
    assert softs
    assert any("instruction.text" in p for p in softs)
    assert all(r.kind != "soft" for r in new_ones(study.records()))


def test_a_space_that_is_used_up_goes_on_with_new_texts(tmp_path: Path) -> None:
    tiny = SearchSpace.model_validate(
        {"template": {"kind": "fixed", "value": "plain"}, "instruction": {"kind": "choice", "values": ["long"]}}
    )
    study = make(tmp_path, over=tiny, trials=6)
    asked = play(study)
    assert [p["instruction"] for _, p in asked] == ["long", *slots(5)]


def test_templates_keep_the_words_of_the_one_they_descend_from(tmp_path: Path) -> None:
    texts = {"plain": "{@Review}: {text}{@sep}{@Mood}:", "cloze": "{text} All in all it was"}
    formats = {"formats": PROPOSERS.build(ComponentSpec(type="formats"))}
    study = make(tmp_path, grown=growth(address="template", texts=texts, proposers=formats))
    play(study)
    written = new_ones(study.records())
    assert {str(r.params["template.like"]) for r in written} <= set(texts)
    grandchildren = [r for r in written if r.origin and len(r.origin.ancestors) > 1]
    assert grandchildren
    for record in grandchildren:
        assert record.origin is not None
        assert record.origin.ancestors[0] == texts[record.origin.like]


def test_a_sampler_that_reads_texts_is_given_the_new_ones(tmp_path: Path) -> None:
    study = make(tmp_path, sampler="surrogate", scores="modelled", texts={"instruction": {**TEXTS, "none": ""}})
    play(study)
    written = [r.origin for r in new_ones(study.records()) if r.origin]
    read = study._phases._texts._texts["instruction"]
    assert written
    assert read == {**TEXTS, "none": "", **dict.fromkeys(slots(12), ""), **{o.value: o.text for o in written}}


def test_a_proposer_that_only_repeats_is_passed_over(tmp_path: Path) -> None:
    class Repeats:
        of = ("instruction",)

        def problems(self, texts: Sequence[str]) -> list[str]:
            return []

        def propose(self, parents: Sequence[Parent], rng: random.Random, count: int) -> list[Proposal]:
            return [Proposal(TEXTS["who"] + " ", (0,), "nothing")]

    study = make(tmp_path, grown=growth(proposers={"repeats": Repeats()}))
    assert len(play(study)) == 40
    assert not new_ones(study.records())


def rung(score: float, examples: int, loss: float = 1.0) -> Measurement:
    return Measurement(score, 0.0, {"loss": loss}, Fidelity(examples))


def record(number: int, *made: Measurement, **fields: Any) -> TrialRecord:
    return TrialRecord(number, {}, TrialState.PRUNED, made, **fields)


def test_a_win_is_a_better_score_on_the_highest_common_rung() -> None:
    parent = record(0, rung(0.5, 10), rung(0.6, 20))
    assert beats(record(1, rung(0.4, 10), rung(0.7, 20)), parent) is True
    assert beats(record(1, rung(0.6, 10)), parent) is True
    assert beats(record(1, rung(0.5, 10)), parent) is False, "equal in all"
    assert beats(record(1, rung(0.5, 10, loss=0.9)), parent) is True
    assert beats(record(1, rung(0.9, 5)), parent) is None
    assert beats(record(1), parent) is None
    assert beats(record(1, rung(0.9, 10)), None) is None


def test_the_proposer_that_wins_is_asked_more_often() -> None:
    scores = [
        ProposerScore("instruction", "good", 20, 15),
        ProposerScore("instruction", "bad", 20, 3),
        ProposerScore("instruction", "new", 0, 0),
    ]
    first = [in_turn(scores, random.Random(seed))[0] for seed in range(300)]
    assert first.count("good") > first.count("new") > first.count("bad")
    assert in_turn(scores, random.Random(1)) == in_turn(scores, random.Random(1))


def test_scores_count_what_was_recorded(tmp_path: Path) -> None:
    study = make(tmp_path)
    play(study)
    records = study.records()
    counted = proposer_scores(records, "instruction", ["phrases", "crossover"])
    assert sum(t.tried for t in counted) == len(new_ones(records))
    won = [
        beats(r, records[r.origin.parents[0]]) for r in new_ones(records) if r.origin and r.origin.proposer == "phrases"
    ]
    assert counted[0] == ProposerScore("instruction", "phrases", len(won), sum(map(bool, won)))


def test_trials_are_ranked_by_rung_first_and_by_what_is_expected_where_that_is_known() -> None:
    low, high, failed = record(0, rung(0.9, 10)), record(1, rung(0.4, 20)), record(2, rung(1.0, 20), error="no")
    assert best_first([low, high, failed, record(3)], None) == [high, low]
    assert best_first([low, high, failed], {0: 0.8, 1: 0.5}) == [low, high]


def test_the_text_is_written_with_its_trial(tmp_path: Path) -> None:
    """One entry of the journal makes the trial; what is known of it then includes the text."""
    study = make(tmp_path)
    play(study)
    created = [json.loads(line) for line in (tmp_path / "study.journal").read_text().splitlines() if '"origin"' in line]
    assert len(created) == len(new_ones(study.records()))
    assert all(entry["op_code"] == 4 for entry in created), "4 is: create a trial"
    assert len({fingerprint(entry["user_attrs"]["origin"]) for entry in created}) == len(created)
