"""A small search that needs no model: 60 rows of text, the scripted backend, one process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from autoprompt_search.embedded.reviews import reviews

BASE: dict[str, Any] = {
    "name": "small",
    "seed": 3,
    "task": {
        "type": "classification",
        "data": "data.jsonl",
        "text": "text",
        "label": "label",
        "labels": ["negative", "positive"],
        "splits": {"train": 20, "dev": 48, "test": 60},
    },
    "backend": {"type": "scripted", "cues": {"good": "loved", "bad": "hated"}},
    "templates": {
        "baseline": {"text": "{@Review}: {text} {@Sentiment}:", "words": {"negative": "bad", "positive": "good"}},
        "cloze": {"text": "{text} All in all it was", "words": {"negative": "bad", "positive": "good"}},
    },
    "space": {
        "template": {"kind": "choice", "values": ["baseline", "cloze"]},
        "layout.casing": {"kind": "choice", "values": ["as-is", "upper", "lower"]},
        "demos.strategy": {"kind": "choice", "values": ["none", "random", "balanced"]},
        "demos.k": {"kind": "int", "low": 1, "high": 6, "when": {"demos.strategy": ["random", "balanced"]}},
        "demos.draw": {"kind": "int", "low": 0, "high": 9, "when": {"demos.strategy": ["random", "balanced"]}},
    },
    "rungs": [12, 24, 48],
    "budget": {"trials": 16},
    "study": {"type": "optuna", "reduction": 2},
    "runner": {"type": "local"},
    "tracker": {"type": "none"},
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with data in it."""
    rows = [{"text": r.text, "label": r.label} for r in reviews(5, 128, split="train")]
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def space_file(folder: Path, **changes: Any) -> Path:
    """The small search as a file, sections replaced by `changes`."""
    path = folder / "space.yaml"
    path.write_text(yaml.safe_dump({**BASE, **changes}, sort_keys=False), encoding="utf-8")
    return path
