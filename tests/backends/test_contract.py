"""`HfCausal` keeps the backend contract on every family, and on a real small model."""

from __future__ import annotations

from pathlib import Path

import pytest

from autoprompt_search.backends.hf_causal import HfCausal
from autoprompt_search.backends.loading import load_model, load_tokenizer, pick_device, pick_dtype
from autoprompt_search.testing.backend_contract import EmbedsContract, LocalModelContract
from autoprompt_search.testing.reference import plain_logliks
from autoprompt_search.testing.tiny import FAMILIES

STORIES = Path(__file__).parents[3] / "shared" / "models" / "stories260K"


class _HfCausalSuite(LocalModelContract, EmbedsContract):
    special_tokens = ("</s>", "<s>")

    @pytest.fixture
    def make(self, folder):
        return lambda **options: HfCausal(str(folder), device="cpu", **options)

    @pytest.fixture
    def backend(self, make):
        return make()

    @pytest.fixture
    def plain(self, folder):
        cpu = pick_device("cpu")
        model, tokenizer = load_model(folder, cpu, pick_dtype("auto", cpu)), load_tokenizer(folder)
        return lambda prompts, answers: plain_logliks(model, tokenizer, prompts, answers)


class TestTinyModels(_HfCausalSuite):
    @pytest.fixture(params=FAMILIES)
    def folder(self, request, tiny):
        return tiny(request.param)


@pytest.mark.skipif(not STORIES.is_dir(), reason="the shared small model stories260K is not on this machine")
class TestStories(_HfCausalSuite):
    """A trained Llama whose tokenizer adds a space and BOS, and merges over word borders."""

    @pytest.fixture
    def folder(self):
        return STORIES
