from __future__ import annotations

import json
from dataclasses import replace

from autoprompt_search.core.measurements import Cost, Fidelity
from autoprompt_search.core.prompts import SoftPosition, SoftPrompt
from autoprompt_search.studies.records import from_attribute, to_attribute
from autoprompt_search.testing.factories import measurement


def test_a_measurement_survives_as_json_without_its_weights() -> None:
    soft = SoftPrompt("prompt-tuning", 4, "model", b"\x00weights", "a" * 64, {"peft_type": "PROMPT_TUNING", "x": None})
    soft = replace(soft, place=SoftPosition("before-answer", "embeddings", 3))
    made = measurement(
        0.75,
        32,
        fidelity=Fidelity(32, 60, is_full=True),
        cost=Cost(1, 2, 3, 0.5),
        prompt="key",
        preview="ü\n",
        soft=soft,
    )
    stored = json.dumps(to_attribute(made))
    assert "weights" not in stored
    assert from_attribute(json.loads(stored)) == replace(made, soft=replace(soft, weights=b""))
    plain = measurement(0.5)
    assert from_attribute(json.loads(json.dumps(to_attribute(plain)))) == plain
