"""Searches that write instructions of their own: what they leave, and the same again however they were run."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from autoprompt_search import SearchResult, load_config, load_prompt, search

from .conftest import BASE, space_file
from .test_kill import _is_finished_and_repeats, _kill

GROWING = Path(__file__).parents[2] / "search_spaces" / "growing.yaml"
TEXTS = {"decide": "Decide whether the review is positive or negative.", "read": "Read the review, then judge."}
CHANGES: Mapping[str, Any] = {
    "instructions": TEXTS,
    "space": {**BASE["space"], "instruction": {"kind": "choice", "values": ["none", *TEXTS]}},
    "proposals": {"instruction": {"slots": 9, "share": 0.6, "proposers": ["phrases", "crossover"]}},
    "budget": {"trials": 24},
}


def rows(result: SearchResult) -> list[dict[str, str]]:
    with (result.folder / "trials.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_written_texts_are_in_everything_a_search_leaves(folder: Path) -> None:
    path = space_file(folder, **CHANGES)
    result = search(load_config(path))
    written = [r.origin for r in result.records if r.origin]
    assert len(written) > 5
    by_trial = {int(row["number"]): row for row in rows(result)}
    plain = json.loads((result.folder / "result.json").read_text())
    summary = (result.folder / "summary.md").read_text()
    page = (result.folder / "report.html").read_text()
    assert [made["text"] for made in plain["proposals"]] == [origin.text for origin in written]
    assert sum(t["tried"] for t in plain["proposers"]) == len(written)
    for record in result.records:
        text = record.params.get("instruction.text", "")
        assert by_trial[record.number]["instruction.text"] == text
        assert str(text) in record.preview, "the model has read the text"
        if record.origin:
            assert record.origin.how in by_trial[record.number]["origin"]
    assert "Texts written during the search" in summary
    assert "Texts written during the search" in page

    again = search(load_config(path))
    assert again.data["new_forward_passes"] == 0
    assert rows(again) == rows(result)


def test_without_the_section_nothing_of_it_is_said(folder: Path) -> None:
    result = search(load_config(space_file(folder, **{**CHANGES, "proposals": {}})))
    assert not any("origin" in row or "instruction.text" in row for row in rows(result))
    assert "Texts written" not in (result.folder / "summary.md").read_text()


@pytest.mark.slow
def test_five_kills_and_the_same_leaderboard(folder: Path) -> None:
    backend = {**BASE["backend"], "seconds": 0.15}
    path = space_file(folder, **{**CHANGES, "backend": backend, "budget": {"trials": 30}})
    undisturbed = search(load_config(path), out=folder / "whole")
    rng = random.Random(3)
    for _ in range(5):
        assert _kill(folder, rng.uniform(0.3, 1.5)), "it ended before it was killed five times: give it more to do"
    again = _is_finished_and_repeats(folder)
    assert (again.folder / "trials.csv").read_bytes() == (undisturbed.folder / "trials.csv").read_bytes()
    assert again.data["proposals"] == undisturbed.data["proposals"]
    assert again.data["proposals"]


@pytest.mark.ray
def test_ray_one_at_a_time_asks_what_one_process_asks(folder: Path) -> None:
    path = space_file(folder, **CHANGES)
    local = search(load_config(path), out=folder / "local")
    on_ray = search(load_config(path, ["runner={type: ray, concurrency: 1}"]), out=folder / "ray")
    assert rows(on_ray) == rows(local)
    assert on_ray.data["proposals"] == local.data["proposals"]


@pytest.mark.slow
@pytest.mark.model
def test_a_written_instruction_wins_and_is_exported(folder: Path) -> None:
    """On the embedded model: small, and still enough for the verdict."""
    plain = yaml.safe_load(GROWING.read_text(encoding="utf-8"))
    plain["task"]["splits"] = {"train": 16, "dev": 192, "test": 400}
    small = {"rungs": [32, 192], "budget": {"trials": 32}, "runner": {"type": "local"}, "tracker": {"type": "none"}}
    (folder / "space.yaml").write_text(yaml.safe_dump({**plain, **small}, sort_keys=False), encoding="utf-8")
    result = search(load_config(folder / "space.yaml"))
    assert result.verdict == "promote"
    text = str(result.best.params["instruction.text"])
    assert text not in plain["instructions"].values()
    place = result.folder / "best_prompt"
    exported = yaml.safe_load((place / "prompt.yaml").read_text(encoding="utf-8"))
    assert exported["parts"]["instruction"] == text
    prompt = load_prompt(place)
    golden = [json.loads(line) for line in (place / "golden.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [p.label for p in prompt.predict([g["inputs"] for g in golden])] == [g["prediction"] for g in golden]
