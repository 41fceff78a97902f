from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest

from autoprompt_search.core.answers import LabelLogprobs
from autoprompt_search.core.measurements import Cost, Outcome, TrialRecord, TrialState
from autoprompt_search.core.prompts import Demonstrations, Layout, Rendered, Segment, SoftPrompt, Template
from autoprompt_search.core.types import Params, kind_of
from autoprompt_search.testing.factories import examples, label_answers, ladder, prompt

SOFT = SoftPrompt("prompt-tuning", 4, "model", b"weights", "a" * 64)


def test_costs_add_up() -> None:
    assert Cost(1, 2, 3, 0.5) + Cost(10, 20, 30, 0.25) == Cost(11, 22, 33, 0.75)
    assert Cost() + Cost(1) == Cost(1)


@pytest.mark.parametrize(
    "change",
    [
        {"template": Template("plain", "{text} It was")},
        {"answers": label_answers({"negative": ("poor",), "positive": ("good",)})},
        {"instruction": "Judge."},
        {"layout": Layout(answer_gap="")},
        {"demos": Demonstrations("random", examples(2))},
        {"soft": SOFT},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_part_of_a_prompt_counts_in_its_fingerprint(change: dict[str, Any]) -> None:
    assert prompt(**change).fingerprint != prompt().fingerprint


def test_only_content_counts_in_a_prompts_fingerprint() -> None:
    plain = prompt()
    assert prompt(template=replace(plain.template, name="other")).fingerprint == plain.fingerprint
    other = replace(SOFT, adapter={"peft_type": "PROMPT_TUNING"}, method="p-tuning")
    assert prompt(soft=SOFT).fingerprint == prompt(soft=other).fingerprint
    assert prompt(soft=SOFT).fingerprint != prompt(soft=replace(SOFT, sha256="b" * 64)).fingerprint


@pytest.mark.parametrize(
    ("params", "kind"),
    [
        ({}, "text"),
        ({"demos.strategy": "none", "soft.method": "none"}, "text"),
        ({"demos.strategy": "knn"}, "demos"),
        ({"demos.strategy": "knn", "soft.method": "prompt-tuning"}, "soft"),
    ],
)
def test_kinds_of_points_and_of_their_prompts_agree(params: Params, kind: str) -> None:
    assert kind_of(params) == kind
    made = prompt(
        demos=Demonstrations(str(params.get("demos.strategy", "none"))),
        soft=SOFT if params.get("soft.method", "none") != "none" else None,
    )
    assert made.kind == kind


def test_a_record_shows_its_highest_rung() -> None:
    low, high = (replace(m, preview=f"seen at {m.score}") for m in ladder([0.5, 0.6]))
    record = TrialRecord(0, {}, TrialState.COMPLETE, (low, high))
    assert record.last is high
    assert record.preview == "seen at 0.6"
    nothing = TrialRecord(0, {}, TrialState.FAILED)
    assert nothing.last is None
    assert nothing.preview == ""


def test_an_outcome_knows_whether_it_is_right() -> None:
    assert Outcome("1", "good", "good", LabelLogprobs((0.0,))).is_right
    assert not Outcome("1", "good", "bad", LabelLogprobs((0.0,))).is_right


def test_a_rendering_joins_its_segments_without_a_gap() -> None:
    assert Rendered((Segment("a"), Segment("b ", "field:text"), Segment("c"))).text == "ab c"


def test_values_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        prompt().template.text = "other"  # type: ignore[misc]
