from __future__ import annotations

import dataclasses

import optuna

from autoprompt_search.core.measurements import TrialRecord
from autoprompt_search.report.importance import importances

from .synthetic import search


def scored(record: TrialRecord, score: float) -> TrialRecord:
    return dataclasses.replace(
        record, measurements=tuple(dataclasses.replace(m, score=score) for m in record.measurements)
    )


def test_the_parameter_that_makes_the_score_has_the_largest_share() -> None:
    data = search(trials=40)
    records = [scored(r, 0.9 if r.params["template"] == "cloze" else 0.5 + r.number / 1000) for r in data.records]
    found = importances(records, data.config)
    assert [one.group for one in found] == ["all trials", "demos trials", "soft trials"]
    for one in found:
        assert one.shares[0][0] == "template"
        assert one.shares[0][1] > 0.5
        assert abs(sum(share for _, share in one.shares) - 1) < 1e-6
    assert {name for name, _ in found[0].shares} == {"template", "demos.strategy", "soft.method"}
    assert {name for name, _ in found[2].shares} == {"template", "soft.tokens", "soft.lr"}


def test_nothing_is_said_where_nothing_can_be() -> None:
    data = search(trials=40)
    assert importances(data.records[:9], data.config) == []
    assert importances([scored(r, 0.5) for r in data.records], data.config) == []
    assert importances([], {}) == []


def test_a_baseline_outside_the_declared_space_is_no_error() -> None:
    data = search(trials=30)
    first = dataclasses.replace(data.records[0], params={**data.records[0].params, "template": "mine", "demos.k": 99})
    assert importances([first, *data.records[1:]], data.config)


def test_the_users_log_level_of_optuna_is_left_alone() -> None:
    before = optuna.logging.get_verbosity()
    data = search(trials=20)
    importances(data.records, data.config)
    assert optuna.logging.get_verbosity() == before
