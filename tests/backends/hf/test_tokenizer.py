"""Joining a prompt and its answers costs little and gives what the joined text gives."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from autoprompt_search.backends.hf import tokenizer as tokenizer_module
from autoprompt_search.backends.hf.tokenizer import PromptTokenizer, common_run
from autoprompt_search.testing.tiny import tiny_tokenizer

MODELS = Path(__file__).parents[4] / "shared" / "models"
REAL = {"gpt2": MODELS / "tokenizers" / "gpt2", "stories260K": MODELS / "stories260K"}

PIECES = st.sampled_from(
    [
        "good",
        "bad",
        " good",
        " ",
        "\n",
        "\n\n",
        "  ",
        "Sentiment",
        ":",
        "It was",
        "'s",
        "n't",
        "12",
        "345",
        "é",
        "日本",
        ".",
    ]
)
TEXTS = st.lists(PIECES, max_size=9).map("".join)


def tokenizer_named(name):
    if name in REAL:
        if not REAL[name].is_dir():
            pytest.skip(f"the shared tokenizer {name} is not on this machine")
        return AutoTokenizer.from_pretrained(REAL[name])
    return tiny_tokenizer("<s> $A" if name == "tiny-bos" else "$A")


NAMES = ["tiny", "tiny-bos", *REAL]


def whole(tokenizer, text):
    return tokenizer(text, split_special_tokens=True)["input_ids"]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_joined_ids_are_those_of_the_joined_text(name):
    tokenizer = tokenizer_named(name)
    encoder = PromptTokenizer(tokenizer)

    @settings(max_examples=150, deadline=None, database=None, derandomize=True)
    @given(texts=st.lists(TEXTS, min_size=1, max_size=3), answers=st.lists(TEXTS, min_size=1, max_size=3))
    def check(texts, answers):
        for text, joined in zip(texts, encoder.join(texts, answers), strict=True):
            assert joined.prompt == whole(tokenizer, text)
            assert list(joined.whole) == [whole(tokenizer, text + answer) for answer in answers]
            assert joined.starts == tuple(common_run(joined.prompt, ids) for ids in joined.whole)

    check()


def test_an_answer_that_moves_a_border_far_to_its_left_is_seen():
    """BPE over whole texts: "q" pulls both y together, which frees the space for the x on its left."""
    merges = [("y", "q"), ("y", "yq"), (" ", "y"), ("x", " ")]
    parts = ["x", " ", "y", "q", *(a + b for a, b in merges)]
    bpe = models.BPE(vocab={part: i for i, part in enumerate(parts)}, merges=merges)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(bpe))
    assert tokenizer.tokenize("x yy") == ["x", " y", "y"]
    assert tokenizer.tokenize("x yyq") == ["x ", "yyq"]
    (joined,) = PromptTokenizer(tokenizer).join(["x yy"], ["q"])
    assert list(joined.whole) == [whole(tokenizer, "x yyq")]
    assert joined.starts == (0,)


class Counting:
    """A tokenizer that counts the characters it is given."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer
        self.characters = 0

    def __call__(self, texts, **options):
        self.characters += sum(map(len, texts)) if isinstance(texts, list) else len(texts)
        return self.tokenizer(texts, **options)


def test_a_stable_border_costs_no_tokenisation_per_pair():
    counting = Counting(tiny_tokenizer())
    encoder = PromptTokenizer(counting)
    counting.characters = 0
    texts = [f"Review: {'a long film and a very good story ' * 20} {i} Sentiment:" for i in range(50)]
    encoder.join(texts, [" good", " bad", " fine", " awful"])
    assert counting.characters < 1.05 * sum(map(len, texts))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_prompts_behind_a_long_shared_beginning_have_the_ids_they_have_alone(name, monkeypatch):
    tokenizer = tokenizer_named(name)
    monkeypatch.setattr(tokenizer_module, "_LONG", 3)
    monkeypatch.setattr(tokenizer_module, "_MANY", 2)
    encoder, cut = PromptTokenizer(tokenizer), []
    behind = encoder._behind_shared
    monkeypatch.setattr(encoder, "_behind_shared", lambda texts: cut.append(behind(texts)) or cut[-1])

    @settings(max_examples=150, deadline=None, database=None, derandomize=True)
    @given(shared=st.lists(PIECES, min_size=6, max_size=16).map("".join), rests=st.lists(TEXTS, min_size=2, max_size=4))
    def check(shared, rests):
        texts = [shared + rest for rest in rests]
        assert encoder.encode_prompts(texts) == [whole(tokenizer, text) for text in texts]
        found = behind(tuple(texts))
        assert found is None or found == encoder._encode(texts, special=True)

    check()
    assert sum(one is not None for one in cut) > 20


def test_what_all_prompts_begin_with_is_tokenised_once():
    counting = Counting(tiny_tokenizer())
    encoder = PromptTokenizer(counting)
    counting.characters = 0
    shared = "Review: a long film and a very good story Sentiment: good\n" * 40
    texts = [f"{shared}Review: {'very ' * i}good Sentiment:" for i in range(50)]
    encoder.join(texts, [" good", " bad"])
    encoder.encode_prompts(texts)
    assert counting.characters < sum(map(len, texts)) / 5


@pytest.mark.parametrize("name", NAMES)
def test_what_the_tokenizer_adds_itself_is_kept(name):
    tokenizer = tokenizer_named(name)
    assert PromptTokenizer(tokenizer).encode_prompts(["a good film"]) == [tokenizer("a good film")["input_ids"]]
    bare = tokenizer("a good film", add_special_tokens=False)["input_ids"]
    assert PromptTokenizer(tokenizer).encode(["a good film"]) == [bare]


def test_an_end_token_added_by_the_tokenizer_is_left_out():
    if not (MODELS / "tokenizers" / "t5").is_dir():
        pytest.skip("the shared tokenizer t5 is not on this machine")
    tokenizer = AutoTokenizer.from_pretrained(MODELS / "tokenizers" / "t5")
    assert tokenizer("a good film")["input_ids"][-1] == tokenizer.eos_token_id
    (ids,) = PromptTokenizer(tokenizer).encode_prompts(["a good film"])
    assert ids == tokenizer("a good film")["input_ids"][:-1]
