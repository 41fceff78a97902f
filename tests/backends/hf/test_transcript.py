"""Where an answer ends, whatever tokens its text came in."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models
from transformers import PreTrainedTokenizerFast

from autoprompt_search.backends.hf.transcript import Transcript, decoding_of
from autoprompt_search.core.answers import Limits
from autoprompt_search.testing.tiny import tiny_tokenizer

BYTES = tiny_tokenizer()
TEXTS = st.text(alphabet=st.sampled_from("ab \n#é漢🙂Question:"), max_size=30)


def pieces():
    """A decoder of the sentencepiece kind: words begin with a mark, and what has no piece is written byte by byte."""
    vocabulary = [
        "<unk>",
        "<s>",
        "</s>",
        *(f"<0x{i:02X}>" for i in range(256)),
        *(f"▁{c}" for c in "abQ"),
        *"abQuest:#",
    ]
    inside = Tokenizer(models.BPE({piece: i for i, piece in enumerate(vocabulary)}, [], byte_fallback=True))
    inside.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    special = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    return PreTrainedTokenizerFast(tokenizer_object=inside, **special)


PIECES = pieces()


def written(tokens, *, stop=(), cap=1000, prompt=(), ends=(2,), tokenizer=BYTES):
    script = Transcript(prompt, Limits(cap, stop=stop), frozenset(ends), decoding_of(tokenizer))
    for token in tokens:
        script.add(token)
        if script.finish:
            break
    return script.completion(), script.finish


def single(text):
    """One token per byte: characters and stop strings lie across tokens."""
    table = {bytes([i]): t for i, t in _BYTE_TOKENS.items()}
    return [table[bytes([b])] for b in text.encode()]


def _byte_tokens():
    found = {}
    for token in range(len(BYTES)):
        raw = BYTES.convert_ids_to_tokens(token)
        if len(raw) == 1:
            found[_UNICODE[raw]] = token
    return found


def _unicode():
    """The table of byte-level BPE: printable characters stand for themselves, the others for those from 256 on."""
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table = {chr(b): b for b in kept}
    others = [b for b in range(256) if b not in kept]
    return table | {chr(256 + n): b for n, b in enumerate(others)}


_UNICODE = _unicode()
_BYTE_TOKENS = _byte_tokens()


@example(text=":::", stop=[":::", "::::"])
@example(text=":漢:", stop=["漢", ":漢:"])
@given(text=TEXTS, stop=st.lists(st.text(alphabet="ab \n#é漢🙂Q:", min_size=1, max_size=4), min_size=1, max_size=3))
def test_any_text_ends_before_the_stop_string_that_is_complete_first(text, stop):
    """Byte by byte: every stop string and every character lies across tokens."""
    found, finish = written([*single(text), 2], stop=tuple(stop))
    cuts = ([at for at in map(text[:read].find, stop) if at >= 0] for read in range(1, len(text) + 1))
    cut = next((min(there) for there in cuts if there), None)
    assert found.text == text[:cut]
    assert finish == found.finish == ("end" if cut is None else "stop")


@given(text=TEXTS, stop=st.text(alphabet="ab \n#é漢🙂Q:", min_size=1, max_size=4))
def test_it_ends_with_the_token_that_completes_the_stop_string(text, stop):
    if stop in text:
        tokens = single(text)
        found, _ = written([*tokens, 2], stop=(stop,))
        assert found.tokens == len((text[: text.index(stop)] + stop).encode())


@given(text=TEXTS.filter(bool), cap=st.integers(1, 40))
def test_the_cap_cuts_where_it_says(text, cap):
    tokens = single(text)
    found, _ = written([*tokens, 2], cap=cap)
    assert found.tokens == min(cap, len(tokens) + 1)
    assert found.finish == ("length" if cap <= len(tokens) else "end")
    assert found.text == BYTES.decode(tokens[:cap], clean_up_tokenization_spaces=False)


def test_g8_a_stop_string_over_three_tokens_and_one_of_several_bytes():
    for text, stop in (("good\n\nQuestion: x", "\n\nQ"), ("gut 漢字 x", "漢"), ("fine 🙂 x", "🙂"), ("a##b", "##")):
        found, _ = written([*single(text), 2], stop=(stop,))
        assert (found.text, found.finish) == (text.partition(stop)[0], "stop")


def test_a_token_that_holds_more_than_the_stop_string_is_cut_inside():
    (token,) = BYTES.convert_tokens_to_ids(["Sentiment"])
    found, _ = written([*single("a "), token], stop=("time",))
    assert (found.text, found.finish) == ("a Sen", "stop")


def test_special_tokens_have_no_text_and_end_tokens_need_not_be_special():
    assert written([*single("ab"), 1, *single("c"), 2])[0].text == "abc"
    end = single("!")[0]
    assert written([*single("ab"), end, *single("c")], ends=(2, end))[0].text == "ab"


@pytest.mark.parametrize(("prompt", "text"), [("a", " b"), ("", "b"), (None, " b")])
def test_the_space_in_front_of_an_answer_is_kept_where_something_stands_before_it(prompt, text):
    """None: soft tokens between the prompt's last word and the answer."""
    piece = PIECES.convert_tokens_to_ids
    before = {"a": [1, piece("▁a")], "": [1], None: [1, piece("▁a"), -1, -2]}[prompt]
    assert written([piece("▁b"), 2], prompt=before, tokenizer=PIECES)[0].text == text


@given(text=st.text(alphabet="ab 漢🙂é", max_size=12), stop=st.text(alphabet="ab 漢🙂é", min_size=1, max_size=3))
def test_bytes_of_a_sentencepiece_kind_decoder_make_characters(text, stop):
    tokens = [PIECES.convert_tokens_to_ids(f"<0x{byte:02X}>") for byte in text.encode()]
    prompt = [1, PIECES.convert_tokens_to_ids("▁a")]
    found, _ = written([*tokens, 2], stop=(stop,), prompt=prompt, tokenizer=PIECES)
    assert found.text == text.partition(stop)[0]
