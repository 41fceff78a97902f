"""Every backend keeps the contract on every architecture, and on a real small model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from autoprompt_search.backends.hf import loading
from autoprompt_search.backends.hf.causal import hf_causal
from autoprompt_search.backends.hf.classifier import hf_classifier
from autoprompt_search.backends.hf.encoder import hf_encoder
from autoprompt_search.backends.hf.masked import hf_masked
from autoprompt_search.backends.hf.seq2seq import hf_seq2seq
from autoprompt_search.testing.backend_contract import EmbedsContract, LocalModelContract
from autoprompt_search.testing.compare_contract import LocalComparesContract
from autoprompt_search.testing.reference import plain_logliks, plain_masked_logliks, plain_seq2seq_logliks
from autoprompt_search.testing.tiny import CAUSAL, MASKED, SEQ2SEQ

STORIES = Path(__file__).parents[3] / "shared" / "models" / "stories260K"
CPU = torch.device("cpu")


def opened(folder, form):
    return loading.load_model(folder, CPU, torch.float32, form), loading.load_tokenizer(folder)


class _Suite(LocalModelContract, EmbedsContract):
    """One backend on every architecture of its family. Nothing is remembered between calls: each is computed."""

    merges = False
    special_tokens = ("<mask>", "</s>", "<s>")
    options: Mapping[str, Any] = {"state_megabytes": 0}

    @pytest.fixture
    def make(self, folder):
        return lambda **options: self.maker(str(folder), device="cpu", **{**self.options, **options})

    @pytest.fixture
    def backend(self, make):
        return make()


class _CausalSuite(_Suite, LocalComparesContract):
    merges = True
    special_tokens = ("</s>", "<s>")
    maker = staticmethod(hf_causal)

    @pytest.fixture
    def plain(self, folder):
        model, tokenizer = opened(folder, loading.CAUSAL)
        return lambda prompts, answers: plain_logliks(model, tokenizer, prompts, answers)


class TestCausal(_CausalSuite):
    @pytest.fixture(params=CAUSAL)
    def folder(self, request, tiny):
        return tiny(request.param)


@pytest.mark.skipif(not STORIES.is_dir(), reason="the shared small model stories260K is not on this machine")
class TestStories(_CausalSuite):
    """A trained Llama whose tokenizer adds a space and BOS, and merges over word borders."""

    @pytest.fixture
    def folder(self):
        return STORIES


class TestMasked(_Suite, LocalComparesContract):
    maker = staticmethod(hf_masked)

    @pytest.fixture(params=MASKED)
    def folder(self, request, tiny):
        return tiny(request.param)

    @pytest.fixture
    def plain(self, folder):
        model, tokenizer = opened(folder, loading.MASKED)
        return lambda prompts, answers: plain_masked_logliks(model, tokenizer, prompts, answers)


class TestSeq2Seq(_Suite, LocalComparesContract):
    special_tokens = ("</s>", "<s>")
    maker = staticmethod(hf_seq2seq)

    @pytest.fixture(params=SEQ2SEQ)
    def folder(self, request, tiny):
        return tiny(request.param)

    @pytest.fixture
    def plain(self, folder):
        model, tokenizer = opened(folder, loading.SEQ2SEQ)
        return lambda prompts, answers: plain_seq2seq_logliks(model, tokenizer, prompts, answers)


class TestEncoder(_Suite):
    maker = staticmethod(hf_encoder)
    options: Mapping[str, Any] = {}

    @pytest.fixture(params=MASKED)
    def folder(self, request, tiny):
        return tiny(request.param)

    @pytest.fixture
    def plain(self, folder):
        model, tokenizer = opened(folder, loading.ENCODER)

        @torch.no_grad()
        def vector(text):
            ids = torch.tensor([tokenizer(text, split_special_tokens=True)["input_ids"]])
            hidden = model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state[0].mean(0)
            return torch.nn.functional.normalize(hidden, dim=0)

        def score(prompts, answers):
            labels = torch.stack([vector(a.strip()) for a in answers])
            return np.stack([(20 * labels @ vector(p)).log_softmax(0).numpy() for p in prompts])

        return score


class TestClassifier(_Suite):
    maker = staticmethod(hf_classifier)
    options: Mapping[str, Any] = {}
    long_answers = (" good", " bad", " FINE", "dull")

    @pytest.fixture(params=MASKED)
    def folder(self, request, tiny):
        return tiny(request.param, classes=4)

    @pytest.fixture
    def plain(self, folder):
        model, tokenizer = opened(folder, loading.CLASSIFIER)
        order = {name: i for i, name in model.config.id2label.items()}

        @torch.no_grad()
        def score(prompts, answers):
            columns = [order[a.strip().lower()] for a in answers]
            rows = []
            for prompt in prompts:
                ids = torch.tensor([tokenizer(prompt, split_special_tokens=True)["input_ids"]])
                logits = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0]
                rows.append(logits.log_softmax(-1)[columns].numpy())
            return np.stack(rows)

        return score
