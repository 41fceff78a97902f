"""The shipped model: small, loadable, and as good in each format as the format is reliable."""

from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from autoprompt_search.embedded import GPT_FOLDER
from autoprompt_search.embedded.documents import EXPERT_GROUPS, EXPERT_WORDS
from autoprompt_search.embedded.families import Pupil, load
from autoprompt_search.embedded.formats import FORMATS, WORD_CARE
from autoprompt_search.embedded.reviews import reviews
from autoprompt_search.embedded.scoring import agreement, demonstrations, word_id

BASELINE, BEST = "sentiment/good/Review/title/space", "cloze/great//title/newline"


@lru_cache(maxsize=1)
def pupil() -> Pupil:
    return load("gpt", GPT_FOLDER)


def tokenizer() -> Any:
    return pupil().tokenizer


def model() -> Any:
    return pupil().model


def accuracy(name: str, *, demos: int = 0, header: str = "") -> float:
    form = next(form for form in FORMATS if form.name == name)
    prefix = header + demonstrations(form, reviews(4, demos, split="train"))
    asked = reviews(21, 300, split="test")
    return agreement(pupil(), form, asked, prefix=prefix)["careful"]


def test_weights_are_small_and_are_safetensors_only() -> None:
    files = {path.name: path.stat().st_size for path in Path(GPT_FOLDER).iterdir()}
    assert files["model.safetensors"] < 4_000_000
    assert sum(files.values()) < 5_000_000
    assert not [name for name in files if name.endswith((".bin", ".pt", ".pkl"))]


def test_loads_in_full_precision_with_tied_embeddings_and_room_for_lists() -> None:
    assert model().lm_head.weight is model().model.embed_tokens.weight
    assert model().dtype is torch.float32
    assert model().config.max_position_embeddings >= 512
    assert len(tokenizer()) == model().config.vocab_size


@given(text=st.text())
@settings(deadline=None)
def test_any_text_comes_back_from_its_tokens(text: str) -> None:
    ids = tokenizer()(text)["input_ids"]
    assert tokenizer().decode(ids) == text


def test_nothing_is_added_to_a_text() -> None:
    assert tokenizer()("")["input_ids"] == []
    assert tokenizer().pad_token_id is not None
    assert tokenizer().eos_token_id is not None
    ids = tokenizer()("Review: fine Sentiment:")["input_ids"]
    assert not {tokenizer().pad_token_id, tokenizer().eos_token_id} & set(ids)


def test_answer_words_are_single_distinct_tokens() -> None:
    words = [word for pair in WORD_CARE for word in pair]
    assert len({word_id(tokenizer(), word) for word in words}) == len(words) == 10


def test_longest_list_of_demonstrations_fits_the_context() -> None:
    for form in FORMATS:
        prompt = demonstrations(form, reviews(1, 8, split="train")) + form.full_template
        assert len(tokenizer()(prompt)["input_ids"]) < model().config.max_position_embeddings


@pytest.mark.slow
def test_obvious_prompt_is_mediocre_and_template_demonstrations_and_experts_each_add() -> None:
    header = f"{EXPERT_WORDS[0]} {EXPERT_GROUPS[0]}.\n"
    baseline, best = accuracy(BASELINE), accuracy(BEST)
    with_demos, known_best = accuracy(BEST, demos=6), accuracy(BEST, header=header)
    assert 0.60 <= baseline <= 0.75
    assert baseline + 0.04 <= best <= 0.86
    assert best + 0.03 <= with_demos
    assert with_demos + 0.02 <= known_best
    assert known_best >= 0.92


@pytest.mark.parametrize("name", ["verdict/positive/Review/title/newline", "feeling/happy//title/newline"])
def test_other_careful_formats_beat_the_baseline(name: str) -> None:
    assert accuracy(name) >= accuracy(BASELINE) + 0.04
