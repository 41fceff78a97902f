"""A small sound search space file with its data, and ways to break it."""

import copy
import json

import pytest
import yaml

from autoprompt_search.config import load_config
from autoprompt_search.core.errors import ConfigError

BASE = {
    "name": "tiny",
    "seed": 3,
    "task": {
        "type": "classification",
        "data": "reviews.jsonl",
        "text": "text",
        "label": "label",
        "labels": ["neg", "pos"],
        "splits": {"train": 8, "dev": 12, "test": 20},
    },
    "backend": {"type": "scripted"},
    "templates": {
        "plain": {"text": "{@Review}: {text}{@sep}Mood:", "words": {"neg": "bad", "pos": ["good", "fine"]}},
        "cloze": {"text": "{text} It was", "words": {"neg": ["awful"], "pos": ["great"]}, "style": "question"},
    },
    "space": {
        "template": {"kind": "choice", "values": ["plain", "cloze"]},
        "layout.casing": {"kind": "choice", "values": ["as-is", "upper"]},
        "layout.name.Review": {"kind": "choice", "values": ["Review", "Text"]},
        "demos.strategy": {"kind": "choice", "values": ["none", "random", "knn"]},
        "demos.k": {"kind": "int", "low": 1, "high": 4, "when": {"demos.strategy": ["random", "knn"]}},
        "demos.draw": {"kind": "int", "low": 0, "high": 3, "when": {"demos.strategy": ["random"]}},
    },
    "rungs": [4, 12],
    "budget": {"trials": 6},
    "runner": {"type": "local"},
    "tracker": {"type": "none"},
}


class SpaceFile:
    """A file that can be changed and loaded."""

    def __init__(self, folder):
        self.path = folder / "space.yaml"
        self.data = copy.deepcopy(BASE)

    def load(self, *overrides):
        self.path.write_text(yaml.safe_dump(self.data, sort_keys=False), encoding="utf-8")
        return load_config(self.path, overrides)

    def problems(self, *overrides):
        with pytest.raises(ConfigError) as caught:
            self.load(*overrides)
        return caught.value.problems


@pytest.fixture
def space_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [
        {"text": f"review number {i} is {'good' if i % 2 else 'bad'}", "label": ["neg", "pos"][i % 2]}
        for i in range(40)
    ]
    (tmp_path / "reviews.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    return SpaceFile(tmp_path)


def put(*path_and_value):
    """A change: the value at the path, or its removal where the value is `...`."""
    *path, value = path_and_value

    def change(data):
        for key in path[:-1]:
            data = data[key]
        if value is ...:
            del data[path[-1]]
        else:
            data[path[-1]] = value

    return change
