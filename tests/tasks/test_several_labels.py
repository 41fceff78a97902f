"""A classification in which a text may have any number of labels: from rows to a search that reads lists of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from autoprompt_search import load_config, load_prompt, search
from autoprompt_search.core.answers import Completion, TextAnswers, members
from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.types import Example
from autoprompt_search.evaluate import answering_of
from autoprompt_search.tasks.classification import ClassificationTask
from autoprompt_search.testing.factories import prompt

PARTS = {"hinge": "hinge", "paint": "paint", "motor": "motor"}


def rows(cell: Any) -> list[dict[str, Any]]:
    names = sorted(PARTS)
    sets = [[n for j, n in enumerate(names) if (i >> j) & 1] for i in range(8)]
    return [
        {"text": f"report {i}: {' and '.join(sets[i % 8]) or 'fine'}", "label": cell(sets[i % 8])} for i in range(96)
    ]


def written(folder: Path, cell: Any) -> str:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows(cell)), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("cell", [list, ", ".join, "|".join], ids=["list", "commas", "bars"])
def test_cells_hold_several_labels(cell: Any, tmp_path: Path) -> None:
    task = ClassificationTask(written(tmp_path, cell), multi_label=True)
    assert task.answers.labels == ("hinge", "motor", "paint")
    found = {e.target for e in task.load(0).test}
    assert {"none", "hinge", "hinge, motor, paint"} <= found


def test_what_cannot_be_one_of_several_is_refused(tmp_path: Path) -> None:
    task = ClassificationTask(written(tmp_path, list), multi_label=True, labels=["hinge", "none"])
    with pytest.raises(ConfigError, match="'none' cannot be one of several"):
        _ = task.answers
    unknown = ClassificationTask(written(tmp_path, list), multi_label=True, labels=["hinge", "paint"])
    with pytest.raises(ConfigError, match="unknown label 'motor'"):
        unknown.load(0)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("paint, HINGE", "hinge, paint"),
        ("None.", "none"),
        ("hinge\nmotor", "hinge"),
        ("the motor!", "motor"),
        ("?", ""),
    ],
)
def test_lists_are_read_in_any_order(said: str, meant: str) -> None:
    words = {"hinge": ("hinge",), "motor": ("motor",), "paint": ("paint",)}
    asked = prompt(answers=TextAnswers(None, "all-labels", {}, tuple(words), words))  # type: ignore[arg-type]
    found = answering_of(asked).read(asked, Example("1", {"text": "x"}, "hinge"), Completion(said, "end", 3), 5)
    assert (found.prediction, found.unscored) == (meant, "" if meant else "not-parsed")


def test_a_search_over_sets_of_labels_ends_and_its_prompt_answers_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    task = {"type": "classification", "data": written(tmp_path, list), "multi_label": True,
            "metrics": ["subset_accuracy", "samples_f1", "macro_f1"],
            "splits": {"train": 16, "dev": 32, "test": 48}}  # fmt: skip
    plain = {
        "name": "sets", "task": task, "backend": {"type": "scripted", "replies": PARTS, "skill": 0.9},
        "templates": {"plain": "{text} Parts:", "ask": "{text} Which parts?"}, "answer": {"tokens": 8},
        "space": {"template": {"kind": "choice", "values": ["plain", "ask"]},
                  "demos.strategy": {"kind": "choice", "values": ["none", "random"]},
                  "demos.k": {"kind": "int", "low": 1, "high": 3, "when": {"demos.strategy": ["random"]}}},
        "rungs": [16, 32], "budget": {"trials": 4}, "runner": "local", "tracker": "none",
    }  # fmt: skip
    (tmp_path / "space.yaml").write_text(yaml.safe_dump(plain, sort_keys=False), encoding="utf-8")
    result = search(load_config(tmp_path / "space.yaml"))
    test = result.data["best"]["test"]
    assert result.data["metric"] == "micro_f1"
    assert 0 < test["score"] < 1
    assert set(test["intervals"]) == {"subset_accuracy", "samples_f1", "macro_f1"}
    golden = [json.loads(line) for line in (result.folder / "best_prompt/golden.jsonl").read_text().splitlines()]
    predicted = [p.answer for p in load_prompt(result.folder / "best_prompt").predict([g["inputs"] for g in golden])]
    assert predicted == [g["prediction"] for g in golden]
    assert all({*members(answer)} <= {*PARTS} for answer in predicted)


@pytest.mark.slow
def test_a_hundred_and_fifty_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By likelihood and by text: the search ends, and its report can be read."""
    monkeypatch.chdir(tmp_path)
    names = [f"intent {number:03}" for number in range(150)]
    data = [{"text": f"request {i} about word{i % 150:03}", "label": names[i % 150]} for i in range(1800)]
    (tmp_path / "many.jsonl").write_text("".join(json.dumps(row) + "\n" for row in data), encoding="utf-8")
    cues = {name: f"word{number:03}" for number, name in enumerate(names)}
    plain = {
        "name": "many", "task": {"type": "classification", "data": "many.jsonl", "metric": "macro_f1"},
        "backend": {"type": "scripted", "cues": cues}, "templates": {"plain": "{text} Intent:"},
        "space": {"template": "plain", "answer.by": {"kind": "choice", "values": ["likelihood", "text"]}},
        "answer": {"tokens": 8}, "rungs": [150, 300], "budget": {"trials": 2}, "runner": "local", "tracker": "none",
    }  # fmt: skip
    (tmp_path / "space.yaml").write_text(yaml.safe_dump(plain, sort_keys=False), encoding="utf-8")
    result = search(load_config(tmp_path / "space.yaml"))
    assert {r.params["answer.by"] for r in result.records} == {"likelihood", "text"}
    assert result.data["best"]["test"]["score"] > 0.5
    assert len(result.data["labels"]) == 150
    assert (result.folder / "report.html").stat().st_size < 3_000_000
