"""What every backend that writes has to keep: subclass a suite in a test module, override its fixtures.

class TestMine(GeneratesContract):
    @pytest.fixture
    def make(self):
        return lambda **options: MyBackend("some-model", **options)
"""

# ruff: noqa: S101 (these are tests)
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from autoprompt_search.core.answers import Completion, Limits
from autoprompt_search.core.errors import ConfigError, TrialError
from autoprompt_search.core.prompts import SoftPrompt
from autoprompt_search.core.protocols.model import Generates
from autoprompt_search.testing.backend_contract import PROMPTS, BackendSuite, Make, rendered

ASKED = (*PROMPTS, "Review: it was good", "a film", PROMPTS[0])
"""Prompts that share a beginning and others, of many lengths, one of them twice."""
FREE = Limits(8)
WARM = Limits(8, temperature=1.5, seed=1)

PlainGenerate = Callable[[Sequence[str], int], list[Completion]]
"""Greedy answers of at most so many tokens, by the slow and certain way."""


class GeneratesContract(BackendSuite):
    """The contract of `Generates`, for any model or endpoint. The model writes something on every prompt of `ASKED`."""

    def test_it_writes_one_completion_per_prompt(self, backend: Any) -> None:
        assert isinstance(backend, Generates) is True
        generated = backend.generate([rendered(p) for p in ASKED], FREE)
        assert len(generated.completions) == len(generated.prompt_tokens) == len(ASKED)
        assert generated.prompt_tokens == tuple(backend.count_tokens([rendered(p) for p in ASKED]))
        for one in generated.completions:
            assert one.finish in ("end", "length")
            assert 1 <= one.tokens <= FREE.tokens
            assert one.finish == "end" or one.tokens == FREE.tokens
        assert any(one.text for one in generated.completions)

    def test_no_prompts_give_no_completions(self, backend: Any) -> None:
        generated = backend.generate([], FREE)
        assert (generated.completions, generated.prompt_tokens) == ((), ())

    @pytest.mark.parametrize("limits", [FREE, WARM, replace(WARM, top_p=0.8)], ids=["greedy", "drawn", "top-p"])
    def test_company_and_order_change_nothing(self, backend: Any, limits: Limits) -> None:
        together = backend.generate([rendered(p) for p in ASKED], limits).completions
        turned = backend.generate([rendered(p) for p in reversed(ASKED)], limits).completions
        alone = [backend.generate([rendered(p)], limits).completions[0] for p in ASKED]
        assert list(together) == list(turned[::-1]) == alone
        assert together[0] == together[-1]

    def test_greedy_answers_know_no_seed_and_drawn_ones_follow_it(self, backend: Any) -> None:
        prompts = [rendered(p) for p in ASKED]
        greedy = backend.generate(prompts, FREE).completions
        assert backend.generate(prompts, replace(FREE, seed=7)).completions == greedy
        drawn = [backend.generate(prompts, replace(WARM, seed=seed)).completions for seed in range(4)]
        assert drawn[0] == backend.generate(prompts, replace(WARM, seed=0)).completions
        assert any(other != drawn[0] for other in drawn[1:])

    def test_the_cap_cuts_and_says_so(self, backend: Any) -> None:
        prompts = [rendered(p) for p in ASKED]
        whole = backend.generate(prompts, FREE).completions
        for cap in (1, 5):
            for short, long in zip(backend.generate(prompts, Limits(cap)).completions, whole, strict=True):
                assert long.text.startswith(short.text.rstrip("\ufffd"))
                if long.tokens > cap:
                    assert (short.finish, short.tokens) == ("length", cap)

    def test_an_answer_ends_before_the_first_stop_string(self, backend: Any) -> None:
        prompts = [rendered(p) for p in ASKED]
        whole = [one.text for one in backend.generate(prompts, FREE).completions]
        for stop in _stops(whole):
            for text, one in zip(whole, backend.generate(prompts, replace(FREE, stop=stop)).completions, strict=True):
                places = [text.find(s) for s in stop if s in text]
                assert one.text == (text[: min(places)] if places else text)
                assert (one.finish == "stop") == bool(places)

    def test_an_over_long_prompt_fails_its_trial_with_both_lengths(self, backend: Any) -> None:
        with pytest.raises(TrialError, match=r"too long: \d+ .* context is \d+"):
            backend.generate([rendered(PROMPTS[0]), rendered(self.too_long)], FREE)
        with pytest.raises(TrialError, match="too long"):
            backend.generate([rendered(PROMPTS[0])], Limits(100_000))

    def test_a_soft_prompt_of_another_model_is_refused(self, backend: Any) -> None:
        with pytest.raises(ConfigError, match="another model"):
            backend.generate([rendered(PROMPTS[0])], FREE, SoftPrompt("prompt-tuning", 1, "another model", b"", ""))


class LocalGenerationContract(GeneratesContract):
    """The contract of backends that run a model here. Options of `make` are `batch_tokens` at least."""

    @pytest.fixture
    def plain(self) -> PlainGenerate:
        """Override: the slow reference, `testing.reference.plain_completions` on the same model."""
        raise NotImplementedError

    def test_greedy_answers_are_those_of_the_model_alone(self, backend: Any, plain: PlainGenerate) -> None:
        for cap in (1, FREE.tokens):
            completions = backend.generate([rendered(p) for p in ASKED], Limits(cap)).completions
            assert list(completions) == plain(ASKED, cap)

    def test_the_batch_budget_changes_nothing(self, make: Make) -> None:
        prompts = [rendered(p) for p in ASKED]
        for limits in (FREE, WARM):
            wide = make(batch_tokens=100_000).generate(prompts, limits)
            for budget in (1, 90, 300):
                assert make(batch_tokens=budget).generate(prompts, limits) == wide

    def test_equal_prompts_are_computed_once(self, backend: Any) -> None:
        assert backend.generate([rendered(p) for p in ASKED], FREE).computed == len(set(ASKED))


def _stops(texts: Sequence[str]) -> list[tuple[str, ...]]:
    """Parts of answers as stop strings: of one character and of several, of the middle, and two at a time."""
    stops: list[tuple[str, ...]] = [("\n\n never written \n\n",)]
    for text in texts[:2]:
        half = len(text) // 2
        parts = [part for part in (text[half : half + 1], text[half : half + 5], text[-2:]) if part]
        stops += [(part,) for part in parts] + [tuple(parts)]
    return [stop for stop in stops if stop and not any("\ufffd" in part for part in stop)]
