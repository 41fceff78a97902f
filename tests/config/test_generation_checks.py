"""What `check` says of references, caps, stop strings, rungs and chat templates before any work: a sentence each."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from autoprompt_search.cli.check import inspect
from autoprompt_search.core.errors import ConfigError
from tests.tiny_models import TinyModels, one_thread, tiny

__all__ = ["one_thread", "tiny"]


def space_of(folder: Path, **sections: Any) -> Path:
    """A search for short texts on the scripted model."""
    rows = [{"text": f"report {i} on part {i * 7}", "target": f"part {i} broke, " + "badly " * (i % 12)}
            for i in range(120)]  # fmt: skip
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    plain: dict[str, Any] = {
        "name": "notes",
        "task": {"type": "generation", "data": str(folder / "rows.jsonl"), "metric": "rouge1",
                 "splits": {"train": 20, "dev": 40, "test": 60}},
        "backend": {"type": "scripted"},
        "templates": {"plain": "{text} So:"},
        "answer": {"tokens": 40, "stop": ["\n"]},
        "space": {"template": "plain", "layout.answer_gap": {"kind": "choice", "values": [" ", "\n"]}},
        "rungs": [8, 40],
        "budget": {"trials": 2}, "runner": "local", "tracker": "none",
    }  # fmt: skip
    path = folder / "space.yaml"
    path.write_text(yaml.safe_dump({**plain, **sections}, sort_keys=False), encoding="utf-8")
    return path


def advice(folder: Path, *overrides: str) -> str:
    return "\n".join(inspect(space_of(folder), overrides).advice)


def test_nothing_is_said_of_a_search_that_fits(tmp_path: Path) -> None:
    assert "answer.tokens" not in advice(tmp_path)
    assert "rungs" not in advice(tmp_path)


def test_a_cap_below_most_references(tmp_path: Path) -> None:
    said = advice(tmp_path, "answer.tokens=5")
    assert "answer.tokens: 5 is below 14, the 95th percentile of the references' tokens" in said
    assert "answer.tokens" not in advice(tmp_path, "answer.tokens=14")
    searched = "space.answer.tokens={kind: choice, values: [5, 9]}"
    assert "answer.tokens: 9 is below 14" in advice(tmp_path, searched)


def test_a_stop_string_that_occurs_in_references(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        advice(tmp_path, "answer.stop=['broke,']")
    (line,) = caught.value.problems
    assert line.startswith("answer.stop: 'broke,' occurs in 120 of 120 references, such as ")


@pytest.mark.parametrize("metric", ["bleu", "chrf", "{type: bleu, tokenize: char}"])
def test_rungs_too_small_for_a_corpus_metric(metric: str, tmp_path: Path) -> None:
    said = advice(tmp_path, f"task.metric={metric}")
    assert "rungs: 8 examples are too few to compare prompts by" in said
    assert "from 32 on" in said
    assert "rungs" not in advice(tmp_path, f"task.metric={metric}", "rungs=[32, 40]")


def test_rungs_too_small_for_rare_labels(tmp_path: Path) -> None:
    rows = [{"text": f"note {i} of {i * 3}", "label": "abc"[(i % 40 < 20) + (i % 40 < 1)]} for i in range(400)]
    (tmp_path / "labels.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    task = {"type": "classification", "data": str(tmp_path / "labels.jsonl"), "metric": "macro_f1",
            "splits": {"train": 60, "dev": 140, "test": 200}}  # fmt: skip
    path = space_of(tmp_path, task=task, answer={}, space={"template": "plain"}, rungs=[32, 140])
    (said,) = [line for line in inspect(path, []).advice if line.startswith("rungs")]
    assert "32 examples say little of the label 'c', which 2.9% of dev have" in said
    assert "macro_f1 hold from 128 on" in said
    assert not [line for line in inspect(path, ["rungs=[128, 140]"]).advice if line.startswith("rungs")]
    assert not [line for line in inspect(path, ["task.metric=accuracy"]).advice if line.startswith("rungs")]


@pytest.mark.parametrize(
    ("template", "said"),
    [
        (None, "the model has no chat template"),
        ("{% for m in messages %}{{ m['content'] }", "the model's chat template, line 1 cannot be used"),
    ],
)
def test_chat_templates_that_cannot_be_used(template: str | None, said: str, tiny: TinyModels, tmp_path: Path) -> None:
    model = shutil.copytree(tiny("gpt2"), tmp_path / "model")
    if template is not None:
        (model / "chat_template.jinja").write_text(template, encoding="utf-8")
    backend = {"type": "hf-causal", "model": str(model)}
    space = {"template": "plain", "layout.chat": {"kind": "choice", "values": ["none", "template"]}}
    with pytest.raises(ConfigError, match=said) as caught:
        inspect(space_of(tmp_path, backend=backend, space=space, answer={"tokens": 4}), [])
    assert len(caught.value.problems) == 1


def test_a_model_that_does_not_answer_in_turns(tmp_path: Path) -> None:
    backend = {"type": "hf-seq2seq", "model": "x"}
    with pytest.raises(ConfigError, match=r"needs a model that answers in turns, which backend 'hf-seq2seq' has not"):
        inspect(space_of(tmp_path, backend=backend, space={"template": "plain", "layout.chat": "template"}), [])
