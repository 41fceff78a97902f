"""Where soft prompts start, as embeddings and as keys and values."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from autoprompt_search.core.prompts import Rendered, Segment, SoftPosition
from autoprompt_search.soft.inits import rms, start
from autoprompt_search.testing.differentiable import TunableModel
from autoprompt_search.testing.soft_contract import DATA

EMBEDDINGS, PREFIX = SoftPosition(), SoftPosition(kind="prefix")
MODEL = TunableModel(scale=0.1)
both = pytest.mark.parametrize("place", [EMBEDDINGS, PREFIX], ids=["embeddings", "prefix"])
APART = replace(DATA, prompts=tuple(Rendered((Segment(word),)) for word in ("good", "great", "fine")))
"""Prompts that share nothing behind what stands before every prompt."""
AFTER = SoftPosition(at="after-cls")


def begin(init, place=EMBEDDINGS, tokens=5, data=DATA, seed=1):
    return start(init, MODEL, data, place, tokens, seed)


def is_among(rows, pool):
    return all((pool == row).all(1).any() for row in rows)


@both
def test_text_takes_the_place_of_what_the_prompts_share(place):
    begun = begin("text", place, 4)
    assert torch.equal(begun.vectors, MODEL.own_vectors(DATA.prompts, place, 4))
    assert begun.place == replace(place, replaces=4)
    everything = begin("text", place, 100)
    assert len(everything.vectors) == everything.place.replaces == 5  # and no more: "Review: the plot was" and a mark


def test_where_prompts_share_nothing_the_templates_words_stand_there():
    begun = begin("text", AFTER, 5, APART)
    own = MODEL.embed_tokens(DATA.init_text)
    assert begun.place == AFTER
    assert torch.equal(begun.vectors, own[torch.arange(5) % len(own)])
    bare = replace(APART, init_text="")
    assert torch.equal(begin("text", AFTER, 4, bare).vectors, begin("vocabulary", AFTER, 4, bare).vectors)


@both
def test_demonstrations_give_their_own_tokens_from_first_to_last(place):
    rows = torch.cat([MODEL.text_vectors(text, place) for text in DATA.demo_texts])
    found = begin("demos", place, 6).vectors
    assert is_among(found, rows)
    assert torch.equal(found[0], rows[0])
    assert torch.equal(found[-1], rows[-1])
    none = replace(DATA, demo_texts=())
    assert torch.equal(begin("demos", place, 4, none).vectors, begin("vocabulary", place, 4, none).vectors)


@both
def test_vocabulary_draws_tokens_of_the_training_prompts_by_seed(place):
    pool = torch.cat([MODEL.text_vectors(prompt.text, place) for prompt in DATA.prompts])
    drawn = begin("vocabulary", place, 8).vectors
    assert is_among(drawn, pool)
    assert torch.equal(drawn, begin("vocabulary", place, 8).vectors)
    assert not torch.equal(drawn, begin("vocabulary", place, 8, seed=2).vectors)


def test_vocabulary_draws_no_word_twice_while_there_are_others():
    assert len(torch.unique(begin("vocabulary", tokens=8).vectors, dim=0)) == 8


@both
def test_labels_come_first_then_vocabulary(place):
    found = begin("labels", place, 5).vectors
    for row, word in enumerate(DATA.label_words):
        assert torch.equal(found[row], MODEL.text_vectors(word, place).mean(0))
    assert torch.equal(found[2:], begin("vocabulary", place, 5).vectors[:3])


@both
def test_random_has_the_size_of_what_is_there(place):
    sample = MODEL.text_vectors(DATA.init_text, place) if place.kind == "prefix" else MODEL.embedding_table()
    assert rms(begin("random", place, 500).vectors) == pytest.approx(rms(sample), rel=0.05)


@both
@pytest.mark.parametrize("init", ["text", "demos", "vocabulary", "labels", "random"])
def test_every_start_has_its_shape_even_where_texts_have_no_words(init, place):
    bare = replace(DATA, init_text="", label_words=("", ""), demo_texts=("",))
    for data in (DATA, bare):
        found = begin(init, place, 7, data).vectors
        assert found.shape == (7 if init != "text" else 5, MODEL.width(place))
        assert found.dtype == torch.float32
        assert bool(found.isfinite().all())
