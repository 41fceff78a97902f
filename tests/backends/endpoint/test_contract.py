"""The contracts of backends, kept by an endpoint that gives whole probabilities and counts tokens."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from autoprompt_search.backends.endpoint.label_tokens import from_tops, named
from autoprompt_search.testing.backend_contract import Make, ScoresContract
from autoprompt_search.testing.endpoint_server import EndpointServer
from autoprompt_search.testing.generation_contract import GeneratesContract
from tests.backends.endpoint.conftest import opened

Serve = Callable[..., EndpointServer]


class TestContract(ScoresContract, GeneratesContract):
    too_long = "word " * 5000
    long_answers = (" good", " bad", " the")

    @pytest.fixture
    def make(self, serve: Serve) -> Make:
        server = serve("sglang-like")
        return lambda **options: opened(server, context=4096, **options)

    @pytest.fixture
    def serve(self, serve: Serve) -> Serve:
        """vLLM's dialect on a day on which a warm cache changes nothing."""
        from dataclasses import replace

        from autoprompt_search.testing.endpoint_dialects import DIALECTS

        return lambda _: serve(replace(DIALECTS["vllm"], warm_flips=0.0))


def test_tokens_that_spell_one_label_add_up_and_ambiguous_ones_say_nothing() -> None:
    tops = {" good": np.log(0.3), "good": np.log(0.1), "Y": np.log(0.2), " b": np.log(0.1)}
    values, censored = from_tops(tops, [" good", " bad", " best", " Yes", " Yet"])
    assert np.exp(values[0]) == pytest.approx(0.4)
    assert censored == [False, True, True, True, True]
    assert np.exp(values[1]) == pytest.approx(0.1)  # as the last of the list: more would be on it


def test_a_missing_label_has_at_most_what_is_left() -> None:
    values, censored = from_tops({" good": np.log(0.9), " fine": np.log(0.08)}, [" good", " bad"])
    assert np.exp(values[1]) == pytest.approx(0.02)
    assert censored == [False, True]


def test_a_label_is_found_as_a_word() -> None:
    answers = [" positive", " negative", " no"]
    assert [named(t, answers) for t in ("Positive.", "It is negative", "**No**", "nothing", "")] == [
        0,
        1,
        2,
        None,
        None,
    ]
