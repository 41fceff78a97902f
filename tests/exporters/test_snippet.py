"""The card's script, taken from README.md and run where autoprompt_search cannot be imported, says what we say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from autoprompt_search.core import families
from autoprompt_search.core.answers import Calibration, LabelAnswers, Verbalizer
from autoprompt_search.core.prompts import Demonstrations, Layout, Prompt, SoftPosition, Template
from autoprompt_search.core.reading import Reading
from autoprompt_search.core.types import Example

from .finals import LABELS, diverse, nearest, reviews
from .scripts import ODD, Case, Played, normalised, play, soft, with_other

WORDS: Verbalizer = {"negative": ("bad",), "positive": ("good",)}
SEVERAL: Verbalizer = {"negative": ("so so", "bad"), "positive": ("great!", "lovely", "good")}
NESTED: Verbalizer = {"negative": ("not good", "bad"), "positive": ("not", "not good at all", "not good again")}
CLASSES: Verbalizer = {"negative": ("Bad", "dull"), "positive": ("good",)}
PLAIN = "Review: {text}{@sep}Sentiment:"
SLOT = "Review: {text} It was{@answer}, {other} so"
PAIR = "Review: {text}{@pair}So {other} is"
SECOND_AFTER = "Review: {text} It was{@answer}.{@pair}So {other} is"
SECOND_BEFORE = "Review: {text}{@pair}It was{@answer}, {other} so"
SHIFTED = Calibration("batch", (-0.25, -3.5))
PREFIX = SoftPosition(kind="prefix")


def case(kind: str, family: str, text: str = PLAIN, place: SoftPosition | None = None, **parts: Any) -> Case:
    """A prompt on a model; `parts` are fields of `Prompt` or `Case`."""
    words = parts.pop("words", CLASSES if kind == "hf-classifier" else WORDS)
    labels, calibration = parts.get("labels", tuple(words)), parts.pop("calibration", None)
    own = {name: parts.pop(name) for name in ("labels", "inputs", "options", "argument", "reading") if name in parts}

    def prompt(backend: Any) -> Prompt:
        return Prompt(
            Template("t", text),
            LabelAnswers(labels, words, calibration),
            soft=soft(backend, place) if place else None,
            **parts,
        )

    return Case(kind, prompt, family, **own)


def solved(count: int) -> Demonstrations:
    return Demonstrations(
        "random", tuple(Example(e.id, with_other(e.inputs), e.target) for e in reviews(count, "train"))
    )


def pool(change: Callable[[Mapping[str, str]], Mapping[str, str]] = with_other) -> tuple[Example, ...]:
    odd = tuple(Example(f"odd-{i}", row, LABELS[i % 2]) for i, row in enumerate(ODD[1:3]))
    return tuple(Example(e.id, change(e.inputs), e.target) for e in (*reviews(6, "train"), *odd))


def two_fields(inputs: Mapping[str, str]) -> Mapping[str, str]:
    return {"review-text": inputs["text"], "kind of it": inputs["text"][:9]}


TEXT = {
    "causal, vectors that replace tokens": case("hf-causal", "llama", place=SoftPosition(replaces=2), words=SEVERAL),
    "masked, vectors after the first token, calibrated": case(
        "hf-masked", "bert", SLOT, SoftPosition("after-cls"), words=SEVERAL, calibration=SHIFTED
    ),
    "seq2seq, prefix in the decoder": case("hf-seq2seq", "t5", place=PREFIX, words=SEVERAL),
    "encoder, prototypes": case("hf-encoder", "bert", place=SoftPosition(), demos=solved(3), words=SEVERAL),
    "causal, diverse demonstrations": case(
        "hf-causal", "gpt2", demos=diverse(pool(), k=4, trade=0.2, by="embedding"), reading=Reading(max_chars=22)
    ),
    "classifier, a pair": case("hf-classifier", "bert", PAIR, SoftPosition()),
    "causal, answers that begin others": case("hf-causal", "llama", words=NESTED, calibration=SHIFTED),
    "seq2seq, answers that begin others": case("hf-seq2seq", "t5", words=NESTED),
    "causal, words of one token": case("hf-causal", "gpt2"),
    "causal, several words of several tokens, BOS": case(
        "hf-causal",
        "llama",
        words={"mixed": ("so so", "meh"), **SEVERAL},
        labels=("mixed", "negative", "positive"),
        instruction="Judge the film.",
        calibration=Calibration("contextual", (-0.5, -2.0, 1.0)),
    ),
    "causal, demonstrations, answers that merge with the prompt": case(
        "hf-causal", "gpt2", "Review: {text}\nSentiment: ", words=SEVERAL, layout=Layout(answer_gap=""), demos=solved(3)
    ),
    "causal, a tokenizer that closes texts": case("hf-causal", "closing", demos=solved(1)),
    "causal, nearest by TF-IDF, two fields with odd names": case(
        "hf-causal",
        "gpt2",
        "{{so}} {kind of it}: {review-text}\nSo:",
        instruction="Judge.",
        demos=nearest(pool(two_fields), k=3),
        inputs=two_fields,
    ),
    "causal, nearest by embeddings, BOS": case(
        "hf-causal",
        "llama",
        place=SoftPosition(),
        words=SEVERAL,
        demos=nearest(pool(), by="embedding", order="similar-first"),
    ),
    "causal, nearest by label": case("hf-causal", "gpt2", demos=nearest(pool(), k=4, order="by-label")),
    "causal, diverse by TF-IDF": case("hf-causal", "gpt2", demos=diverse(pool(), k=3)),
    "causal, diverse by embeddings, mostly unlike each other": case(
        "hf-causal", "gpt2", demos=diverse(pool(), k=5, trade=0.1, by="embedding", order="by-label")
    ),
    "encoder, diverse prototypes": case("hf-encoder", "bert", demos=diverse(pool(), k=3), words=SEVERAL),
    "causal, nearest in turn": case("hf-causal", "gpt2", demos=nearest(pool(), k=5, order="interleaved")),
    "causal, nearest, shuffled": case("hf-causal", "gpt2", demos=nearest(pool(), k=4, order="shuffled")),
    "causal, what a pair and a rest are to it": case("hf-causal", "gpt2", SECOND_BEFORE, demos=solved(2)),
    "causal, bfloat16, given as an argument": case("hf-causal", "gpt2", options={"dtype": "bfloat16"}, argument=True),
    "masked, no slot, demonstrations": case("hf-masked", "roberta", words=SEVERAL, demos=solved(2)),
    "masked, answers with words around them": case("hf-masked", "bert", SLOT, layout=Layout(answer=" quite {}!")),
    "masked, a second text after the answer": case("hf-masked", "bert", SECOND_AFTER, words=SEVERAL),
    "masked, the answer in the second text": case("hf-masked", "bert", SECOND_BEFORE, words=SEVERAL, demos=solved(2)),
    "masked, a pair on a model without token types": case("hf-masked", "roberta", SECOND_AFTER),
    "masked, nearest by embeddings": case("hf-masked", "bert", SLOT, demos=nearest(pool(), by="embedding")),
    "seq2seq, no slot, demonstrations": case("hf-seq2seq", "bart", words=SEVERAL, demos=solved(2), calibration=SHIFTED),
    "seq2seq, slots": case("hf-seq2seq", "span", SLOT, words=SEVERAL),
    "seq2seq, masks as slots": case("hf-seq2seq", "bart", SLOT, words=SEVERAL),
    "seq2seq, neither": case("hf-seq2seq", "t5", SLOT),
    "seq2seq, what a pair is to it": case("hf-seq2seq", "t5", SECOND_AFTER),
    "seq2seq, nearest by embeddings": case("hf-seq2seq", "t5", demos=nearest(pool(), by="embedding")),
    "encoder, answers alone": case("hf-encoder", "bert", words=SEVERAL, layout=Layout(answer="It was {}.")),
    "encoder, first token, calibrated": case(
        "hf-encoder", "roberta", options={"pooling": "cls"}, instruction="Judge.", calibration=SHIFTED
    ),
    "encoder, a pair and a slot": case("hf-encoder", "bert", SECOND_BEFORE, options={"pooling": "mean"}),
    "encoder, prototypes per query": case("hf-encoder", "bert", demos=nearest(pool(), k=3), words=SEVERAL),
    "encoder, prototypes by embeddings": case(
        "hf-encoder", "bert", place=SoftPosition(), demos=nearest(pool(), by="embedding")
    ),
    "classifier, demonstrations": case("hf-classifier", "roberta", demos=solved(2), instruction="Judge."),
    "classifier, a slot": case("hf-classifier", "bert", SLOT, calibration=SHIFTED),
    "classifier, nearest by embeddings, a pair": case(
        "hf-classifier", "bert", PAIR, demos=nearest(pool(), by="embedding")
    ),
}
FAMILIES = {
    "hf-causal": ("gpt2", "gemma3"),
    "hf-masked": ("bert", "albert"),
    "hf-seq2seq": ("t5", "bart"),
    "hf-encoder": ("bert", "electra"),
    "hf-classifier": ("bert", "modernbert"),
}
TRAINED = {kind: fit for kind, fit in families.FAMILIES.items() if fit.methods}
"""Backends on which soft prompts are trained."""


def places() -> dict[str, Case]:
    """Every kind of adapter on every backend, alone and in the place of tokens, and beside a second text."""
    found = {}
    for kind, fit in TRAINED.items():
        for family in FAMILIES[kind]:
            with_prefix = "prefix-tuning" in fit.methods and family not in fit.without_prefixes
            for at, form in [
                *((at, "embeddings") for at in fit.places),
                *([("start", "prefix")] if with_prefix else []),
            ]:
                where = f"{kind}, {family}, {form} at {at}"
                found[where] = case(kind, family, place=SoftPosition(at, form))
                if at != "decoder":
                    found[f"{where}, instead of tokens"] = case(
                        kind,
                        family,
                        SLOT,
                        SoftPosition(at, form, 2),
                        words=SEVERAL if kind != "hf-classifier" else CLASSES,
                    )
                if kind not in ("hf-causal", "hf-seq2seq") and family == "bert":
                    found[f"{where}, a pair"] = case(kind, family, SECOND_AFTER, SoftPosition(at, form, 1))
                    if at != "before-answer":
                        found[f"{where}, the answer in the second text"] = case(
                            kind, family, SECOND_BEFORE, SoftPosition(at, form, 1)
                        )
    return found


SOFT = places()


@pytest.fixture(scope="module")
def thorough(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Played]:
    return play({**TEXT, **SOFT}, tmp_path_factory.mktemp("thorough"))


def check(played: Played, tolerance: float = 1e-4) -> None:
    """Twelve items, all labels' scores."""
    assert "error" not in played.script, played.script
    theirs = normalised(np.array(played.script["scores"]))
    assert theirs.shape == (12, np.shape(played.ours)[1])
    np.testing.assert_allclose(theirs, played.ours, rtol=tolerance, atol=tolerance)
    assert played.script["labels"] == played.labels


@pytest.mark.model
@pytest.mark.parametrize("name", [*TEXT, *SOFT])
def test_every_script_says_what_we_say(name: str, thorough: Mapping[str, Played]) -> None:
    check(thorough[name], 0.2 if "bfloat16" in name else 1e-4)


@pytest.mark.model
def test_soft_prompts_matter(thorough: Mapping[str, Played]) -> None:
    """Every place gives scores of its own."""
    for kind in TRAINED:
        family = FAMILIES[kind][0]
        seen = [np.round(thorough[n].ours, 3).tolist() for n in SOFT if n.startswith(f"{kind}, {family}")]
        assert all(one not in seen[:i] for i, one in enumerate(seen))
