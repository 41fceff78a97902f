"""`evaluate` of the exported prompt on the test rows says what the search said, whatever was configured."""

from __future__ import annotations

import contextlib
import io
import json
import math
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from autoprompt_search import load_config, search
from autoprompt_search.cli.predict import evaluate_file, predict_rows
from autoprompt_search.embedded.reviews import reviews

from .conftest import BASE

RAW = {
    "names": ({"negative": "negative", "positive": "positive"}, ["negative", "positive"]),
    "order of its own": ({"negative": "negative", "positive": "positive"}, ["positive", "negative"]),
    "numbers": ({"negative": 0, "positive": 1}, {0: "negative", 1: "positive"}),
    "whole floats": ({"negative": 0.0, "positive": 1.0}, {0: "negative", 1: "positive"}),
    "truths": ({"negative": False, "positive": True}, {False: "negative", True: "positive"}),
    "words": ({"negative": " NO ", "positive": "yes"}, {"NO": "negative", "yes": "positive"}),
    "several of one": ({"negative": 2, "positive": 4}, {1: "negative", 2: "negative", 4: "positive"}),
}
SPLITS = {"train": 16, "dev": 24, "test": 30}
DRAWN = {"kind": "choice", "values": ["accuracy", "macro_f1"]}


@st.composite
def searches(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, list[dict[str, Any]]]]:
    """A configuration, and its rows by split."""
    raw, labels = RAW[draw(st.sampled_from(sorted(RAW)))]
    column, label = draw(st.sampled_from([("text", "label"), ("Review: text", "stars"), ("body", "label")]))
    found = reviews(draw(st.integers(0, 99)), 90, split="train")
    rows = [
        {column: f"{i}: {r.text} {'So it was. ' * (i % 5)}", label: raw[r.label], "id": i} for i, r in enumerate(found)
    ]
    parts, start = {}, 0
    for split, size in SPLITS.items():
        parts[split], start = rows[start : start + size], start + size
    strategy = draw(st.sampled_from(["none", "random", "balanced", "knn", "diverse"]))
    demos = {"demos.strategy": strategy, **({} if strategy == "none" else {"demos.k": draw(st.integers(2, 4))})}
    if strategy in ("knn", "diverse"):
        demos["demos.by"] = draw(st.sampled_from(["tfidf", "embedding"]))
        demos["demos.order"] = draw(st.sampled_from(["similar-last", "shuffled", "interleaved"]))
    points = {"template": draw(st.sampled_from(["baseline", "cloze"])), **demos}
    space = {name: {"kind": "choice", "values": [value]} for name, value in points.items()}
    space["layout.casing"] = {"kind": "choice", "values": ["as-is", "upper"]}
    if draw(st.booleans()):
        space["calibration"] = {"kind": "choice", "values": ["batch"]}
    task = {
        "data": {split: f"{split}.jsonl" for split in SPLITS},
        "text": {"text": column},
        "label": label,
        "labels": labels,
        "metric": draw(st.sampled_from(["accuracy", "macro_f1"])),
        "max_chars": draw(st.one_of(st.none(), st.integers(28, 60))),
    }
    config = {**BASE, "task": {"type": "classification", **task}, "space": space, "rungs": [12, 24]}
    return {**config, "budget": {"trials": 2}}, parts


@pytest.mark.slow
@settings(deadline=None, max_examples=8)
@given(searches())
def test_evaluate_says_what_the_search_said(drawn: tuple[dict[str, Any], dict[str, list[dict[str, Any]]]]) -> None:
    config, parts = drawn
    with tempfile.TemporaryDirectory() as made, contextlib.chdir(made):
        folder = Path(made)
        for split, rows in parts.items():
            (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        (folder / "space.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
        result = search(load_config(folder / "space.yaml"))
        best = result.folder / "best_prompt"
        measured = result.data["best"]["test"]
        found = evaluate_file(best, folder / "test.jsonl", text=(), label=None, metric=None, backend=())
        assert found.metric == config["task"]["metric"]
        assert found.examples == measured["examples"] == SPLITS["test"]
        assert found.scores[found.metric].score == measured["score"]
        with contextlib.redirect_stderr(io.StringIO()):
            predict_rows(best, "test.jsonl", "out.jsonl", text=(), backend=(), batch=7)
        said = [json.loads(line) for line in (folder / "out.jsonl").read_text(encoding="utf-8").splitlines()]
        assert [row["prediction"] for row in said] == [p.label for p in found.predictions]
        assert [row["id"] for row in said] == [row["id"] for row in parts["test"]]


WEATHER = {"rain": "it was wet", "sun": "it was warm", "snow": "it was so very cold"}


@st.composite
def text_searches(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, list[dict[str, Any]]]]:
    """A search for text whose replies are cut, stopped, unreadable and right, and its rows by split."""
    cues = draw(st.permutations(sorted(WEATHER)))
    rows = [
        {
            "body": f"day {i} had {draw(st.sampled_from(cues))} {'and clouds ' * (i % 4)}over {i * 7}",
            "said": "",
            "id": i,
        }
        for i in range(70)
    ]
    for row in rows:
        right = next(reply for cue, reply in WEATHER.items() if cue in row["body"]).replace(" very", "")
        row["said"] = draw(st.sampled_from([right, ["so so", right], "something else"]))
    sizes, parts, start = {"train": 16, "dev": 24, "test": 30}, {}, 0
    for split, size in sizes.items():
        parts[split], start = rows[start : start + size], start + size
    strategy = draw(st.sampled_from(["none", "random", "knn"]))
    points = {
        "template": draw(st.sampled_from(["baseline", "cloze"])),
        "answer.parser": draw(st.sampled_from(["verbatim", "first-line", "was", "last-number"])),
        "demos.strategy": strategy,
        **({} if strategy == "none" else {"demos.k": draw(st.integers(2, 4))}),
    }
    space: dict[str, Any] = {name: {"kind": "choice", "values": [value]} for name, value in points.items()}
    space["layout.casing"] = {"kind": "choice", "values": ["as-is", "upper"]}
    config = {
        **BASE,
        "task": {
            "type": "generation",
            "data": {split: f"{split}.jsonl" for split in sizes},
            "text": {"text": "body"},
            "target": "said",
            "metric": draw(st.sampled_from(["exact_match", "squad_f1", "length"])),
            "max_chars": draw(st.one_of(st.none(), st.integers(28, 60))),
        },
        "answer": {
            "tokens": draw(st.integers(3, 8)),
            "stop": draw(st.sampled_from([[], [" very"], ["\n"]])),
            "parsers": {"was": {"type": "after-marker", "marker": "it was"}},
        },
        "backend": {"type": "scripted", "skill": 0.7, "replies": WEATHER},
        "templates": {"baseline": {"text": "{@Body}: {text} {@Said}:"}, "cloze": {"text": "{text} In short,"}},
        "space": space,
        "rungs": [12, 24],
        "budget": {"trials": 2},
    }
    return config, parts


@pytest.mark.slow
@settings(deadline=None, max_examples=8)
@given(text_searches())
def test_evaluate_says_what_a_search_for_text_said(
    drawn: tuple[dict[str, Any], dict[str, list[dict[str, Any]]]],
) -> None:
    config, parts = drawn
    with tempfile.TemporaryDirectory() as made, contextlib.chdir(made):
        folder = Path(made)
        for split, rows in parts.items():
            (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        (folder / "space.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
        result = search(load_config(folder / "space.yaml"))
        best, measured = result.folder / "best_prompt", result.data["best"]["test"]
        found = evaluate_file(best, folder / "test.jsonl", text=(), label=None, metric=None, backend=())
        assert found.metric == config["task"]["metric"]
        assert found.examples == measured["examples"] == 30
        # The rows come in another order than in the search, which rounds a sum of fractions otherwise.
        assert math.isclose(found.scores[found.metric].score, measured["score"], rel_tol=1e-14)
        assert {name: round(share, 6) for name, share in found.shares.items()} == {
            name: measured["metrics"][name] for name in ("unscored", "cut")
        }
        with contextlib.redirect_stderr(io.StringIO()):
            predict_rows(best, "test.jsonl", "out.jsonl", text=(), backend=(), batch=7)
        said = [json.loads(line) for line in (folder / "out.jsonl").read_text(encoding="utf-8").splitlines()]
        assert [row["prediction"] or "" for row in said] == [p.answer for p in found.predictions]
        assert [row["completion"] for row in said] == [p.text for p in found.predictions]
        assert [row["unscored"] or "" for row in said] == [p.unscored for p in found.predictions]
        assert "Answers" in (result.folder / "report.html").read_text(encoding="utf-8")
