"""Several metrics of one task: each equals its reference scorer on the same answers, with an interval of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics import BLEU

from autoprompt_search import load_config, search

from .conftest import space_file

FAULTS = {"hinge": "the hinge broke", "paint": "the paint peels off", "motor": "its motor is loud"}


def rows(number: int) -> list[dict[str, str]]:
    words = sorted(FAULTS)
    return [{"text": f"report {i} about the {words[i % 3]}", "target": FAULTS[words[i % 3]]} for i in range(number)]


def test_each_metric_is_the_reference_scorers_with_an_interval(folder: Path) -> None:
    (folder / "faults.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows(120)), encoding="utf-8")
    sections: dict[str, Any] = {
        "task": {
            "type": "generation", "data": "faults.jsonl", "metric": {"type": "bleu", "tokenize": "char"},
            "metrics": ["rouge1", "length"], "splits": {"train": 10, "dev": 48, "test": 60},
        },
        "backend": {"type": "scripted", "replies": {**FAULTS, "report": "the hinge peels"}},
        "templates": {"plain": {"text": "{text} Fault:"}, "ask": {"text": "{text} What broke?"}},
        "answer": {"tokens": 8},
        "space": {"template": {"kind": "choice", "values": ["plain", "ask"]}},
        "budget": {"trials": 2},
    }  # fmt: skip
    result = search(load_config(space_file(folder, **sections)))
    assert result.data["metric"] == "bleu(tokenize=char)"
    test = result.data["best"]["test"]
    report = json.loads((result.folder / "state/report.json").read_text(encoding="utf-8"))
    said = [(o["prediction"], o["target"]) for o in report["best_outcomes"]]
    bleu = BLEU(tokenize="char", force=True).corpus_score([a for a, _ in said], [[t for _, t in said]])
    assert test["score"] == pytest.approx(bleu.score / 100, abs=1e-9)
    rouge = RougeScorer(["rouge1"], use_stemmer=True)
    mean = sum(rouge.score(t, a)["rouge1"].fmeasure for a, t in said) / len(said)
    assert test["intervals"]["rouge1"]["score"] == pytest.approx(mean, abs=1e-9)
    assert test["metrics"]["rouge1"] == pytest.approx(mean, abs=1e-6)
    for name, found in test["intervals"].items():
        assert found["low"] <= found["score"] <= found["high"], name
    assert set(test["intervals"]) == set(result.data["further"]) == {"rouge1", "length"}
    assert "| rouge1 |" in (result.folder / "summary.md").read_text(encoding="utf-8")
    assert "Test rouge1" in (result.folder / "report.html").read_text(encoding="utf-8")
