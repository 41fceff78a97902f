"""What every backend that compares options has to keep: subclass a suite in a test module, override its fixtures.

class TestMine(ComparesContract):
    @pytest.fixture
    def make(self):
        return lambda **options: MyBackend("some-model", **options)
"""

# ruff: noqa: S101 (these are tests)
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from autoprompt_search.core.errors import ConfigError, TrialError
from autoprompt_search.core.prompts import SoftPosition, SoftPrompt
from autoprompt_search.core.protocols.model import Compares, Scores
from autoprompt_search.testing.backend_contract import (
    ANSWERS,
    PROMPTS,
    BackendSuite,
    Make,
    Plain,
    close,
    packed_soft,
    rendered,
)

OPTIONS = (
    (" good", " not very good at all"),
    (" bad", " positively awful", " dull", " a film I liked"),
    (" not very good at all", " good"),
    (" fine", " never more", " good"),
)
"""Options of each of `PROMPTS`: of one token and of several, none the beginning of another."""
NESTED = ((" good", " good film", " good film plot", " bad"),) * len(PROMPTS)
"""Options of which one begins another."""


class ComparesContract(BackendSuite):
    """The contract of `Compares`, for any model or endpoint."""

    def test_every_option_has_a_number_and_tokens(self, backend: Any) -> None:
        assert isinstance(backend, Compares) is True
        compared = backend.compare([rendered(p) for p in PROMPTS], OPTIONS)
        assert (
            [len(row) for row in compared.logliks] == [len(row) for row in compared.tokens] == list(map(len, OPTIONS))
        )
        assert all(value <= 0 for row in compared.logliks for value in row)
        assert all(count >= 1 for row in compared.tokens for count in row)
        assert compared.tokens[0][1] > compared.tokens[0][0]
        assert len(compared.prompt_tokens) == len(PROMPTS)

    def test_no_prompts_give_nothing(self, backend: Any) -> None:
        compared = backend.compare([], [])
        assert (compared.logliks, compared.tokens, compared.prompt_tokens) == ((), (), ())

    def test_company_and_order_of_prompts_change_nothing(self, backend: Any) -> None:
        prompts = [rendered(p) for p in PROMPTS]
        together = backend.compare(prompts, OPTIONS)
        turned = backend.compare(prompts[::-1], OPTIONS[::-1])
        for number, (prompt, own) in enumerate(zip(prompts, OPTIONS, strict=True)):
            alone = backend.compare([prompt], [own])
            assert close(alone.logliks[0], together.logliks[number])
            assert close(turned.logliks[-1 - number], together.logliks[number])
            assert alone.tokens[0] == turned.tokens[-1 - number] == together.tokens[number]
            assert alone.prompt_tokens[0] == together.prompt_tokens[number]

    @pytest.mark.parametrize("options", [OPTIONS, NESTED], ids=["apart", "nested"])
    def test_the_order_of_options_changes_nothing(self, backend: Any, options: Sequence[Sequence[str]]) -> None:
        prompts = [rendered(p) for p in PROMPTS]
        there, back = backend.compare(prompts, options), backend.compare(prompts, [own[::-1] for own in options])
        for one, other in zip(there.logliks, back.logliks, strict=True):
            assert close(other[::-1], one)
        assert [row[::-1] for row in back.tokens] == list(there.tokens)

    @pytest.mark.parametrize("answers", [ANSWERS, NESTED[0]], ids=["apart", "nested"])
    def test_options_that_all_share_score_as_answers(self, backend: Any, answers: Sequence[str]) -> None:
        assert isinstance(backend, Scores) is True
        prompts = [rendered(p) for p in PROMPTS]
        scored, compared = backend.score(prompts, answers), backend.compare(prompts, [answers] * len(prompts))
        assert close(compared.logliks, scored.logliks)
        assert compared.prompt_tokens == scored.prompt_tokens

    def test_what_cannot_be_compared_fails_its_trial(self, backend: Any) -> None:
        prompts = [rendered(PROMPTS[0]), rendered(PROMPTS[1])]
        with pytest.raises(TrialError, match="no options"):
            backend.compare(prompts, [ANSWERS, ()])
        with pytest.raises(TrialError, match="no tokens"):
            backend.compare(prompts, [ANSWERS, (" good", "")])
        with pytest.raises(TrialError, match="too long"):
            backend.compare([prompts[0], rendered(self.too_long)], [ANSWERS, ANSWERS])

    def test_a_soft_prompt_of_another_model_is_refused(self, backend: Any) -> None:
        foreign = SoftPrompt("prompt-tuning", 1, "another model", b"", "")
        with pytest.raises(ConfigError, match="another model"):
            backend.compare([rendered(PROMPTS[0])], [ANSWERS], foreign)


class LocalComparesContract(ComparesContract):
    """The contract of backends that run a model here. `make` takes at least `batch_tokens`."""

    @pytest.fixture
    def plain(self) -> Plain:
        """Override: the slow reference on the same model, `testing.reference.plain_logliks` or its like."""
        raise NotImplementedError

    def test_options_equal_the_plain_loop(self, backend: Any, plain: Plain) -> None:
        compared = backend.compare([rendered(p) for p in PROMPTS], OPTIONS)
        for prompt, own, row in zip(PROMPTS, OPTIONS, compared.logliks, strict=True):
            assert close(row, plain([prompt], own)[0])

    def test_the_batch_budget_changes_nothing(self, make: Make) -> None:
        prompts = [rendered(p) for p in PROMPTS]
        wide = make(batch_tokens=100_000).compare(prompts, OPTIONS)
        for budget in (1, 90):
            compared = make(batch_tokens=budget).compare(prompts, OPTIONS)
            assert compared.tokens == wide.tokens
            assert all(close(a, b) for a, b in zip(compared.logliks, wide.logliks, strict=True))

    def test_a_soft_prompt_works_as_it_does_on_answers(self, backend: Any) -> None:
        packed = packed_soft(backend, backend.embed_tokens("a good film about nothing"), SoftPosition())
        prompts = [rendered(p) for p in PROMPTS]
        scored = backend.score(prompts, ANSWERS, packed)
        compared = backend.compare(prompts, [ANSWERS] * len(prompts), packed)
        assert close(compared.logliks, scored.logliks)
        assert compared.prompt_tokens == scored.prompt_tokens
