"""What every backend has to keep: subclass a suite in a test module, override its fixtures, and pytest runs it.

class TestMine(ScoresContract):
    @pytest.fixture
    def make(self):
        return lambda **options: MyBackend("some-model", **options)
"""

# ruff: noqa: S101 (these are tests)
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from autoprompt_search.core.arrays import Floats
from autoprompt_search.core.errors import ConfigError, TrialError
from autoprompt_search.core.fingerprint import sha256_bytes
from autoprompt_search.core.prompts import Rendered, Segment, SoftPosition, SoftPrompt
from autoprompt_search.core.protocols.model import Backend, Embeds, Scores
from autoprompt_search.core.protocols.tuning import Tunes

TOLERANCE = 1e-5
"""Largest difference between float32 log-probabilities, relative to their size where that is above one."""

Make = Callable[..., Any]
Plain = Callable[[Sequence[str], Sequence[str]], Floats]

_SHARED = "The review was long. Review: a film I liked Sentiment: good\n\nReview: "
PROMPTS = (
    _SHARED + "it was good Sentiment:",
    _SHARED + "the plot was awful and dull, and I never would watch it again Sentiment:",
    _SHARED + "fine Sentiment:",
    _SHARED + "a poor ending, bad music Sentiment:",
)
ANSWERS = (" good", " bad")
LONG_ANSWERS = (" good", " bad", " positively awful", "ly", " not very good at all")
"""Answers of one token and of several, with and without a gap; none is the beginning of another."""


def rendered(text: str) -> Rendered:
    """A prompt of one data segment."""
    return Rendered((Segment(text, "field:text"),))


def close(a: Any, b: Any) -> bool:
    """Equal up to float rounding."""
    return bool(np.allclose(np.asarray(a), np.asarray(b), rtol=TOLERANCE, atol=TOLERANCE))


def packed_soft(backend: Any, vectors: Any, place: SoftPosition, method: str = "prompt-tuning") -> SoftPrompt:
    """Vectors as a soft prompt of this backend."""
    adapter = backend.adapter(vectors, place)
    digest = sha256_bytes(adapter.weights)
    return SoftPrompt(method, len(vectors), backend.fingerprint, adapter.weights, digest, adapter.config, place)


class BackendSuite:
    """What the contracts of all capabilities of a backend have in common: how the backend is made."""

    too_long = "word " * 5000
    """A prompt beyond the context."""

    @pytest.fixture
    def make(self) -> Make:
        """Override: builds the backend from options (none for the usual one)."""
        raise NotImplementedError

    @pytest.fixture
    def backend(self, make: Make) -> Any:
        """The backend with its usual options."""
        return make()


class ScoresContract(BackendSuite):
    """The contract of `Backend` and `Scores`, for any model or endpoint."""

    long_answers: Sequence[str] = LONG_ANSWERS
    """Answers of one token and of several, where the model takes them."""

    def test_it_has_the_capability(self, backend: Any) -> None:
        assert isinstance(backend, Backend)
        assert isinstance(backend, Scores)

    def test_the_fingerprint_is_that_of_the_model(self, make: Make) -> None:
        first = make().fingerprint
        assert first
        assert make().fingerprint == first

    def test_a_sound_use_has_no_problems(self, backend: Any) -> None:
        assert backend.problems([rendered(p) for p in PROMPTS], ANSWERS) == []

    def test_answers_that_cannot_be_told_apart_are_problems(self, backend: Any) -> None:
        prompts = [rendered(PROMPTS[0])]
        assert any("same tokens" in p for p in backend.problems(prompts, [" good", " bad", " good"]))
        assert any("no tokens" in p for p in backend.problems(prompts, [" good", ""]))

    def test_an_over_long_prompt_is_a_problem_and_fails_its_trial(self, backend: Any) -> None:
        prompts = [rendered(PROMPTS[0]), rendered(self.too_long)]
        assert any("too long" in p and any(c.isdigit() for c in p) for p in backend.problems(prompts, ANSWERS))
        with pytest.raises(TrialError, match="too long"):
            backend.score(prompts, ANSWERS)

    def test_shape_and_range(self, backend: Any) -> None:
        scored = backend.score([rendered(p) for p in PROMPTS], self.long_answers)
        assert scored.logliks.shape == (len(PROMPTS), len(self.long_answers))
        assert scored.logliks.dtype == np.float32
        assert np.isfinite(scored.logliks).all()
        assert (scored.logliks <= 0).all()
        assert len(scored.prompt_tokens) == len(PROMPTS)
        assert all(count > 0 for count in scored.prompt_tokens)

    def test_empty_input(self, backend: Any) -> None:
        scored = backend.score([], ANSWERS)
        assert scored.logliks.shape == (0, len(ANSWERS))
        assert scored.prompt_tokens == ()

    def test_the_order_of_prompts_is_kept(self, backend: Any) -> None:
        there = backend.score([rendered(p) for p in PROMPTS], ANSWERS)
        back = backend.score([rendered(p) for p in reversed(PROMPTS)], ANSWERS)
        assert close(back.logliks[::-1], there.logliks)
        assert back.prompt_tokens[::-1] == there.prompt_tokens

    def test_the_order_of_answers_is_kept(self, backend: Any) -> None:
        prompts = [rendered(p) for p in PROMPTS]
        there = backend.score(prompts, ANSWERS).logliks
        assert close(backend.score(prompts, ANSWERS[::-1]).logliks[:, ::-1], there)

    def test_a_prompt_scores_alone_as_among_others(self, backend: Any) -> None:
        together = backend.score([rendered(p) for p in PROMPTS], ANSWERS)
        for row, prompt in enumerate(PROMPTS):
            alone = backend.score([rendered(prompt)], ANSWERS)
            assert close(alone.logliks[0], together.logliks[row])
            assert alone.prompt_tokens[0] == together.prompt_tokens[row]

    def test_the_same_call_gives_the_same_numbers(self, make: Make) -> None:
        prompts = [rendered(p) for p in PROMPTS]
        first, second = make().score(prompts, ANSWERS).logliks, make().score(prompts, ANSWERS).logliks
        assert close(first, second)

    def test_a_soft_prompt_of_another_model_is_refused(self, backend: Any) -> None:
        foreign = SoftPrompt("prompt-tuning", 1, "another model", b"", "")
        with pytest.raises(ConfigError, match="another model"):
            backend.score([rendered(PROMPTS[0])], ANSWERS, foreign)


class EmbedsContract:
    """The contract of `Embeds`."""

    @pytest.fixture
    def backend(self) -> Any:
        """Override this: return the backend."""
        raise NotImplementedError

    def test_rows_have_unit_length_and_keep_their_order(self, backend: Any) -> None:
        assert isinstance(backend, Embeds)
        texts = ["a good film", "the plot was awful and I never would watch it again", "", "fine"]
        vectors = backend.embed(texts)
        assert vectors.shape[0] == len(texts)
        assert vectors.dtype == np.float32
        assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
        for row, text in enumerate(texts):
            assert np.allclose(backend.embed([text])[0], vectors[row], atol=1e-5)
        assert backend.embed([]).shape[0] == 0


class LocalModelContract(ScoresContract):
    """The contract of backends that run a model here, with exact numbers. `make` takes at least `batch_tokens`."""

    special_tokens: tuple[str, ...] = ()
    """Texts that the tokenizer would read as special tokens."""
    merges = True
    """Whether prompt and answer are tokenised as one text."""

    @pytest.fixture
    def plain(self) -> Plain:
        """Override: the slow reference, `testing.reference.plain_logliks` on the same model."""
        raise NotImplementedError

    def test_answers_equal_the_plain_loop(self, backend: Any, plain: Plain) -> None:
        scored = backend.score([rendered(p) for p in PROMPTS], self.long_answers)
        assert close(scored.logliks, plain(PROMPTS, self.long_answers))

    def test_answers_that_merge_with_the_prompt_equal_the_plain_loop(self, backend: Any, plain: Plain) -> None:
        if not self.merges:
            pytest.skip("this backend tokenises answers apart from the prompt, so that nothing merges")
        prompts = ("Review: the fil", "a lov", "It was ver", "I liked it \n", "1 2 ")
        answers = ("m", "ely", "y good", "\n", " ", "3")
        scored = backend.score([rendered(p) for p in prompts], answers)
        assert close(scored.logliks, plain(prompts, answers))

    def test_batch_budget_and_padding_change_nothing(self, make: Make) -> None:
        prompts = [rendered(p) for p in PROMPTS]
        wide = make(batch_tokens=100_000).score(prompts, self.long_answers).logliks
        for budget in (1, 90, 300):
            assert close(make(batch_tokens=budget).score(prompts, self.long_answers).logliks, wide)

    def test_special_tokens_in_data_stay_text(self, backend: Any, plain: Plain) -> None:
        for token in self.special_tokens:
            text = f"a film {token} I liked"
            scored = backend.score([rendered(text), rendered("a film I liked")], ANSWERS)
            assert scored.prompt_tokens[0] > scored.prompt_tokens[1] + 1
            assert close(scored.logliks[:1], plain([text], ANSWERS))

    def test_scores_and_gradients_see_the_same_model(self, backend: Any) -> None:
        """`Tunes.answer_logliks` equals `Scores.score` with the same vectors."""
        import torch

        assert isinstance(backend, Tunes) is True
        place = SoftPosition()
        vectors = backend.embed_tokens("a good film about nothing")
        packed = packed_soft(backend, vectors, place)
        prompts = [rendered(p) for p in PROMPTS]
        soft = vectors.clone().requires_grad_()
        tuned = backend.answer_logliks(soft, place, prompts, self.long_answers)
        scored = backend.score(prompts, self.long_answers, packed)
        assert close(tuned.detach().cpu().numpy(), scored.logliks)
        (gradient,) = torch.autograd.grad(tuned.sum(), soft)
        assert bool(gradient.isfinite().all())
        assert float(gradient.abs().max()) > 0
        plain = backend.score(prompts, self.long_answers)
        assert not close(plain.logliks, scored.logliks)
        assert scored.prompt_tokens == tuple(count + len(vectors) for count in plain.prompt_tokens)
