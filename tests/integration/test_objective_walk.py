"""Whole searches that mind what prompts cost."""

from __future__ import annotations

from pathlib import Path

import pytest

from autoprompt_search import load_config, search
from autoprompt_search.core.errors import SearchError

from .conftest import space_file


def test_what_is_over_the_limit_is_stopped_and_the_table_says_what_score_costs(folder: Path) -> None:
    free = search(load_config(space_file(folder)), out=folder / "free")
    assert any(len(r.measurements) == 3 and r.measurements[0].prompt_tokens > 40 for r in free.records)
    limit = "prompt_tokens <= 40"
    short = search(load_config(space_file(folder, objective={"constraints": [limit]})), out=folder / "short")
    long = [r for r in short.records if r.measurements[0].prompt_tokens > 40]
    assert long
    assert all(len(r.measurements) == 1 for r in long)
    assert all(p["prompt_tokens"] <= 40 for p in (*short.data["finalists"], *short.data["pareto"]))
    assert short.data["constraints"] == [limit]
    for result in (free, short):
        points = result.data["pareto"]
        assert [p["prompt_tokens"] for p in points] == sorted(p["prompt_tokens"] for p in points)
        assert points
        assert all(p["latency_ms"] > 0 and p["dev"]["low"] <= p["dev"]["score"] <= p["dev"]["high"] for p in points)
        for name in ("summary.md", "report.html"):
            text = (result.folder / name).read_text(encoding="utf-8")
            assert "Score against cost" in text
            assert all(f"#{p['trial']}" in text for p in points)
    assert "had to keep prompt" in (short.folder / "summary.md").read_text(encoding="utf-8")


def test_a_baseline_that_breaks_a_limit_cannot_stay(folder: Path) -> None:
    config = load_config(space_file(folder, baseline={"demos.strategy": "random", "demos.k": 6}))
    most = search(config, out=folder / "long").data["baseline"]["prompt_tokens"]
    limited = space_file(
        folder,
        baseline={"demos.strategy": "random", "demos.k": 6},
        objective={"constraints": f"prompt_tokens <= {most - 5:.0f}"},
    )
    result = search(load_config(limited))
    assert result.best.number != 0
    assert result.data["best"]["prompt_tokens"] <= most - 5
    assert "The baseline breaks prompt_tokens <=" in result.data["reason"]


def test_where_no_prompt_keeps_the_limit_the_search_says_how_near_the_nearest_came(folder: Path) -> None:
    path = space_file(folder, objective={"constraints": ["prompt_tokens <= 2"]}, budget={"trials": 4})
    with pytest.raises(SearchError, match=r"keeps objective.constraints: prompt_tokens <= 2 \(the lowest was \d"):
        search(load_config(path))


def test_latency_is_measured_and_limits_the_choice(folder: Path) -> None:
    """Every call of this model takes two milliseconds at least."""
    backend = {"type": "scripted", "cues": {"good": "loved", "bad": "hated"}, "seconds": 0.002}
    budget = {"trials": 4}
    quick = {"constraints": ["latency_ms <= 10000"]}
    result = search(load_config(space_file(folder, backend=backend, objective=quick, budget=budget)))
    assert all(m.latency_ms and m.latency_ms >= 2 for r in result.records for m in r.measurements)
    strict = {"constraints": ["latency_ms <= 1"]}
    with pytest.raises(SearchError, match="latency_ms <= 1"):
        search(load_config(space_file(folder, backend=backend, objective=strict, budget=budget)), out=folder / "strict")
