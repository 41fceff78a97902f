"""Whole searches through a scripted endpoint: continued, free the second time, in their budget, priced beforehand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from autoprompt_search.core.errors import SystemicError
from autoprompt_search.exported import load_prompt
from autoprompt_search.testing.endpoint_model import EndpointModel
from autoprompt_search.testing.endpoint_server import EndpointServer
from autoprompt_search.testing.endpoint_wire import Fault
from autoprompt_search.walk import search
from tests.integration.endpoint_space import space


@pytest.fixture
def server() -> Iterator[EndpointServer]:
    with EndpointServer("openai", EndpointModel(skill=0.8)) as running:
        yield running


def forget_processes() -> None:
    """As if the next search were another process: no backend is kept."""
    from autoprompt_search.trial import job

    job._backend.cache_clear()


@pytest.mark.slow
def test_a_search_is_paid_once_and_its_prompt_works(server: EndpointServer, tmp_path: Path) -> None:
    result = search(space(server, tmp_path), out=tmp_path / "out")
    kept = result.data["endpoint"]
    assert kept["certificate"]["ways"][0] == "top-k"
    assert set(kept["spent"]) == {"probe", "trials", "final test"}
    assert kept["total"]["usd"] == pytest.approx(server.bill.usd)
    assert kept["total"]["requests"] == server.bill.requests
    first, paid = (tmp_path / "out" / "result.json").read_text(), server.bill.requests
    forget_processes()
    again = search(space(server, tmp_path), out=tmp_path / "out")
    assert server.bill.requests == paid
    assert again.data["best"] == json.loads(first)["best"]
    forget_processes()
    prompt = load_prompt(tmp_path / "out" / "best_prompt")
    (answer,) = prompt.predict([{"text": "We loved it, all of it"}])
    assert answer.answer in ("negative", "positive")
    assert server.bill.requests - paid <= 13  # golden items and one text: no probe


@pytest.mark.slow
def test_what_ended_in_the_middle_goes_on_without_losing_or_paying_twice(
    server: EndpointServer, tmp_path: Path
) -> None:
    whole = search(space(server, tmp_path), out=tmp_path / "whole").data
    bill = server.bill.requests
    forget_processes()
    with EndpointServer("openai", EndpointModel(skill=0.8)) as other:
        config = space(other, tmp_path)
        other.faults = [Fault("slow", after=0.0, times=150), Fault("quota", times=99)]
        with pytest.raises(SystemicError, match="quota is used up"):
            search(config, out=tmp_path / "out")
        other.faults = []
        forget_processes()
        found = search(config, out=tmp_path / "out").data
        assert other.bill.requests == bill
        assert found["endpoint"]["total"]["usd"] == pytest.approx(other.bill.usd)
    for name in ("verdict", "baseline", "best", "trials"):
        assert found[name] == whole[name]


@pytest.mark.slow
@pytest.mark.parametrize("budget", [{"usd": 0.05}, {"requests": 700}, {"tokens": 40_000}])
def test_a_budget_is_kept_with_probe_and_final_test(server: EndpointServer, tmp_path: Path, budget: dict) -> None:
    found = search(space(server, tmp_path, budget=budget), out=tmp_path / "out").data
    total = found["endpoint"]["total"]
    spent = {**total, "tokens": total["prompt_tokens"] + total["completion_tokens"]}
    ((unit, most),) = budget.items()
    assert 0.35 * most < spent[unit] <= most
    assert server.bill.usd == pytest.approx(total["usd"])


def test_labels_without_probabilities_are_chosen(tmp_path: Path) -> None:
    with EndpointServer("openai-reasoning") as server:
        found = search(space(server, tmp_path, budget={"trials": 2}), out=tmp_path / "out").data
    assert found["endpoint"]["certificate"]["ways"][0] == "constrained"
    assert found["baseline"]["dev"]["score"] > 0.6
    assert "loss" not in found["baseline"]["test"]["metrics"]


@pytest.mark.slow
def test_the_price_is_predicted_within_a_tenth(server: EndpointServer, tmp_path: Path) -> None:
    from autoprompt_search.cli.check import inspect

    names = {"kind": "choice", "values": ["asked", "plain"]}
    config = space(
        server,
        tmp_path,
        space={
            "template": names,
            "demos.strategy": {"kind": "fixed", "value": "random"},
            "demos.k": {"kind": "fixed", "value": 2},
            "demos.draw": {"kind": "int", "low": 0, "high": 9},
        },
        budget={"trials": 24},
        confirm={"finalists": 1},
        study={"type": "optuna", "sampler": "random", "pruner": "none"},
    )
    (tmp_path / "space.yaml").write_text(config.to_yaml(), encoding="utf-8")
    expected = inspect(tmp_path / "space.yaml", ()).expected
    assert expected is not None
    asked_before = server.bill.requests
    assert asked_before <= 2  # how the server counts tokens
    usd = server.bill.usd
    total = search(config, out=tmp_path / "out").data["endpoint"]["total"]
    assert total["usd"] == pytest.approx(server.bill.usd - usd)
    for unit, found in (("usd", total["usd"]), ("requests", total["requests"])):
        assert expected.whole[unit] == pytest.approx(found, rel=0.1)
