"""A search over multiple choice by likelihood, from the data to the exported prompt."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from autoprompt_search import load_config, load_prompt, search
from autoprompt_search.cli.predict import evaluate_file, predict_rows
from autoprompt_search.core.answers import NORMALISATIONS

from .conftest import BASE

WEATHER = {"was wet": "rain", "was warm": "sun", "was so very cold": "snow"}


def rows(count: int, start: int) -> list[dict[str, object]]:
    made = []
    for i in range(start, start + count):
        right = list(WEATHER)[i % 3]
        others = [text for text in WEATHER if text != right]
        options = [*others[: 1 + i % 2], right]
        made.append(
            {
                "question": f"day {i} had {WEATHER[right]}{' and clouds' * (i % 4)}",
                "options": options[i % 2 :] + options[: i % 2],
                "answer": right,
            }
        )
    return made


@pytest.mark.parametrize("by", ["likelihood", "text"])
def test_evaluate_says_what_the_search_said(folder: Path, by: str) -> None:
    sizes, start = {"train": 16, "dev": 24, "test": 30}, 0
    for split, size in sizes.items():
        text = "".join(json.dumps(row) + "\n" for row in rows(size, start))
        (folder / f"{split}.jsonl").write_text(text, encoding="utf-8")
        start += size
    demos = {
        "demos.strategy": {"kind": "choice", "values": ["none", "random"]},
        "demos.k": {"kind": "int", "low": 1, "high": 2, "when": {"demos.strategy": ["random"]}},
    }
    by_likelihood = {"answer.normalise": {"kind": "choice", "values": list(NORMALISATIONS)}}
    replies = {"rain": "A", "sun": "(B)", "snow": "C. since"}
    backend = {"type": "scripted", "cues": WEATHER} if by == "likelihood" else {"type": "scripted", "replies": replies}
    config = {
        **BASE,
        "task": {
            "type": "multiple-choice",
            "data": {split: f"{split}.jsonl" for split in sizes},
            "text": ["question"],
            "gold": "text",
        },
        "answer": {"by": by, **({"tokens": 4} if by == "text" else {})},
        "backend": backend,
        "templates": {"baseline": {"text": "{@Question}: {question}{@sep}{@Answer}:"}, "cloze": "{question}, and it"},
        "space": {
            "template": {"kind": "choice", "values": ["baseline", "cloze"]},
            **demos,
            **(by_likelihood if by == "likelihood" else {}),
        },
        "rungs": [12, 24],
        "budget": {"trials": 6},
    }
    (folder / "space.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    result = search(load_config(folder / "space.yaml"))
    best, measured = result.folder / "best_prompt", result.data["best"]["test"]
    found = evaluate_file(best, folder / "test.jsonl", text=(), label=None, metric=None, backend=())
    assert found.examples == measured["examples"] == 30
    assert found.scores["accuracy"].score == measured["score"]
    predict_rows(best, "test.jsonl", "out.jsonl", text=(), backend=(), batch=7)
    said = [json.loads(line) for line in (folder / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["prediction"] for row in said] == [p.answer or None for p in found.predictions]
    assert {row["prediction"] for row in said} <= {*WEATHER, None}
    assert load_prompt(best).has_options
    if by == "likelihood":
        assert measured["score"] > 0.4
        assert (result.folder / "report.html").stat().st_size > 1000
        assert (
            yaml.safe_load((best / "prompt.yaml").read_text(encoding="utf-8"))["decoding"]["normalise"]
            in NORMALISATIONS
        )
