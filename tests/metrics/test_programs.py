"""Shares of verdicts, and pass@k as its authors estimate it."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoprompt_search.core.answers import Completion
from autoprompt_search.core.measurements import Outcome
from autoprompt_search.core.rng import derive_rng
from autoprompt_search.core.statistics.scores import Scorecard
from autoprompt_search.metrics import metric_named
from autoprompt_search.metrics.programs import pass_at_k
from autoprompt_search.testing.metric_contract import MetricContract

VERDICTS = ("passed", "failed", "error", "timeout", "no-program", "")


def outcomes(verdicts):
    return [Outcome(f"{n}", "x = 1", "x = 1", Completion("x = 1"), verdict=v) for n, v in enumerate(verdicts)]


class _Programs(MetricContract):
    name = ""

    def make(self, labels):
        return metric_named(self.name, labels)

    def samples(self):
        for number in (1, 2, 7, 60):
            rng = derive_rng("verdicts", number)
            yield outcomes([rng.choice(VERDICTS) for _ in range(number)])

    def perfect(self):
        yield outcomes(["passed"] * 5)

    def flawed(self):
        return outcomes(["timeout", "no-program", *["passed"] * 5])


class TestPassAt1(_Programs):
    name = "pass_at_1"


class TestCompileRate(_Programs):
    name = "compile_rate"


class TestEndedRate(_Programs):
    name = "ended_rate"


@pytest.mark.parametrize(("name", "wanted"), [("pass_at_1", 1 / 6), ("compile_rate", 4 / 6), ("ended_rate", 5 / 6)])
def test_each_counts_its_verdicts(name, wanted):
    assert Scorecard.of(outcomes(VERDICTS), metric_named(name, ())).score == pytest.approx(wanted)


def test_a_verdict_survives_its_way_through_json():
    [one] = outcomes(["timeout"])
    assert Outcome.from_plain(one.to_plain()) == one
    plain = {k: v for k, v in one.to_plain().items() if k != "verdict"}
    assert Outcome.from_plain(plain) == replace(one, verdict="")  # as an earlier version wrote it


@given(st.integers(1, 7).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n))))
def test_pass_at_k_is_the_share_of_all_choices_with_one_that_passes(drawn):
    programs, passed, k = drawn
    choices = list(combinations([True] * passed + [False] * (programs - passed), k))
    assert pass_at_k(programs, passed, k) == pytest.approx(sum(map(any, choices)) / len(choices))


def test_pass_at_k_refuses_more_tries_than_programs():
    with pytest.raises(ValueError, match="programs=2"):
        pass_at_k(2, 1, 3)
