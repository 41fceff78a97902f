"""A small search through a scripted endpoint, and the data it reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from autoprompt_search.config import SearchConfig
from autoprompt_search.core.rng import derive_rng
from autoprompt_search.testing.endpoint_server import EndpointServer
from autoprompt_search.testing.endpoint_wire import MODEL

NOUNS = ("film", "book", "meal", "play", "song", "game", "walk", "room", "shop", "boat")


def write_reviews(path: Path, count: int = 240) -> Path:
    """Reviews whose verb says the label."""
    rng, rows = derive_rng("endpoint", "reviews"), []
    for number in range(count):
        label = ("negative", "positive")[number % 2]
        verb = "loved" if label == "positive" else "hated"
        words = " ".join(rng.choice(NOUNS) for _ in range(rng.randint(3, 9)))
        rows.append({"text": f"We {verb} it, number {number}: {words}", "label": label})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def space(server: EndpointServer, folder: Path, **changes: Any) -> SearchConfig:
    """A search over two templates and demonstrations."""
    data = folder / "reviews.jsonl"
    if not data.exists():
        write_reviews(data)
    given: dict[str, Any] = {
        "name": "endpoint",
        "seed": 3,
        "task": {
            "type": "classification",
            "data": str(data),
            "text": "text",
            "label": "label",
            "labels": ["negative", "positive"],
            "splits": {"train": 40, "dev": 64, "test": 64},
        },
        "backend": {
            "type": "openai",
            "model": MODEL,
            "base_url": server.url,
            "patience": 3,
            "prices": {"prompt": 1.0, "cached": 0.1, "completion": 4.0},
        },
        "templates": {
            "plain": {"text": "{text}\n\nIt was", "words": {"negative": ["bad"], "positive": ["good"]}},
            "asked": {"text": "{text} How was it?", "words": {"negative": ["bad"], "positive": ["good"]}},
        },
        "space": {
            "template": {"kind": "choice", "values": ["asked", "plain"]},
            "demos.strategy": {"kind": "choice", "values": ["none", "random"]},
            "demos.k": {"kind": "int", "low": 1, "high": 2, "when": {"demos.strategy": ["random"]}},
        },
        "rungs": [16, 64],
        "budget": {"trials": 5},
        "runner": {"type": "local", "concurrency": 4},
        "tracker": {"type": "none"},
        "exports": [{"type": "prompt"}],
    }
    return SearchConfig.model_validate({**given, **changes})
