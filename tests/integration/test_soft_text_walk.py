"""A soft prompt for answers in words climbs the rungs of a search, wins, and writes the same from its export."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from autoprompt_search import load_config, search
from autoprompt_search.cli.predict import evaluate_file
from autoprompt_search.core.measurements import TrialState
from autoprompt_search.testing.tiny import tiny_model

from .conftest import BASE

WORDS = ("plot", "music", "story", "actor", "film", "ending")
pytestmark = pytest.mark.model


@pytest.mark.parametrize(("kind", "family"), [("hf-causal", "gpt2"), ("hf-seq2seq", "t5")])
def test_a_soft_prompt_learns_to_write(folder: Path, kind: str, family: str) -> None:
    model = tiny_model(folder / "model", family)
    for split, size, start in (("train", 8, 0), ("dev", 8, 8), ("test", 8, 16)):
        rows = [{"text": f"the {WORDS[i % 6]} was {i}", "said": "very good"} for i in range(start, start + size)]
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    when = {"when": {"soft.method": ["prompt-tuning"]}}
    options = {"tokens": 6, "steps": 60, "batch_size": 4, "lr": 1.0, "init": "vocabulary"}
    config = {
        **BASE,
        "task": {
            "type": "generation",
            "data": {split: f"{split}.jsonl" for split in ("train", "dev", "test")},
            "text": ["text"],
            "target": "said",
            "metric": "exact_match",
        },
        "answer": {"tokens": 4},
        "backend": {"type": kind, "model": str(model), "device": "cpu", "threads": 1},
        "templates": {"baseline": "Review: {text}{@sep}Answer:"},
        "space": {
            "soft.method": {"kind": "choice", "values": ["none", "prompt-tuning"]},
            **{f"soft.{name}": {"kind": "fixed", "value": value, **when} for name, value in options.items()},
        },
        "rungs": [4, 8],
        "budget": {"trials": 2},
    }
    (folder / "space.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    result = search(load_config(folder / "space.yaml"))
    (soft,) = [record for record in result.records if record.kind == "soft"]
    assert soft.state is TrialState.COMPLETE
    assert [m.fidelity.steps for m in soft.measurements] == [30, 60]
    assert all(m.cost.forward_passes >= 3 * 4 * 30 for m in soft.measurements)
    assert result.records[0].measurements[-1].score == 0
    best, measured = result.folder / "best_prompt", result.data["best"]["test"]
    found = evaluate_file(best, folder / "test.jsonl", text=(), label=None, metric=None, backend=())
    assert found.scores["exact_match"].score == measured["score"]
    if family == "gpt2":  # random weights of this size learn it at once; those of an encoder-decoder do not
        assert soft.measurements[-1].score > 0.8
        assert measured["score"] > 0.8
        assert found.predictions[0].answer == "very good"
        assert (best / "adapter" / "adapter_model.safetensors").is_file()
        assert (best / "text" / "prompt.yaml").is_file()
