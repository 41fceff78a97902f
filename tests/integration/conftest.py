"""A small search that needs no model: 60 rows of text, the scripted backend, one process."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from autoprompt_search import SearchResult, load_config, search
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
    write_data(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_data(folder: Path) -> None:
    """The rows of the small search."""
    rows = [{"text": r.text, "label": r.label} for r in reviews(5, 128, split="train")]
    (folder / "data.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")


@pytest.fixture(scope="session")
def _small(tmp_path_factory: pytest.TempPathFactory) -> SearchResult:
    """The small search, run once for all tests of a process."""
    made = tmp_path_factory.mktemp("small")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(made)
        write_data(made)
        return search(load_config(space_file(made)), out=made / "result")


@pytest.fixture
def finished(folder: Path, _small: SearchResult) -> SearchResult:
    """The small search as it left `reports/small` in the working folder, open to change."""
    copy = Path("reports/small")
    shutil.copytree(_small.folder, copy)
    return replace(_small, folder=copy)


def space_file(folder: Path, **changes: Any) -> Path:
    """The small search as a file, sections replaced by `changes`."""
    path = folder / "space.yaml"
    path.write_text(yaml.safe_dump({**BASE, **changes}, sort_keys=False), encoding="utf-8")
    return path
