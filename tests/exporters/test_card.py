from __future__ import annotations

import ast
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from markdown_it import MarkdownIt
from markdown_it.token import Token

from autoprompt_search.core.answers import Calibration
from autoprompt_search.core.families import FAMILIES
from autoprompt_search.core.prompts import Prompt, SoftPosition, SoftPrompt, Template
from autoprompt_search.core.protocols.output import FinalPrompt
from autoprompt_search.demos.similarity import _WORDS
from autoprompt_search.exporters.card import card
from autoprompt_search.exporters.snippet import snippet
from autoprompt_search.testing.factories import label_answers

from .drawn import backends, prompts, texts
from .finals import WORDS, final_prompt, nearest, reviews

HEADINGS = ["Scores", "Prompt", "Use", "Limits", "Files"]


def parsed(final: FinalPrompt) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(card(final).decode())


def blocks(final: FinalPrompt, language: str) -> list[str]:
    return [t.content for t in parsed(final) if t.type == "fence" and t.info == language]


def on_a_model(final: FinalPrompt) -> FinalPrompt:
    return replace(final, backend={"type": "hf-causal", "model": "gpt2"}, model="gpt2")


@settings(deadline=None, max_examples=50)
@given(prompts(), texts, backends)
def test_no_text_of_a_prompt_breaks_the_card(prompt: Prompt, text: str, kind: str) -> None:
    final = replace(final_prompt(golden=()), prompt=prompt, name=text, fields=(text, "text"), model=text)
    final = replace(final, backend={"type": kind, "truncate": text})
    tokens = parsed(final)
    titles = [tokens[i + 1].content for i, t in enumerate(tokens) if t.type == "heading_open"]
    assert [t.split(" ")[0] for t in titles[1:]] == HEADINGS
    assert titles[0].startswith("Prompt card: ")
    assert not any(t.type.startswith("html") for t in tokens)
    source = snippet(final)
    assert blocks(final, "python") == ([f"{source}\n"] if source else [])
    assert source is None or ast.parse(source)
    assert len(blocks(final, "text")) == 1


def test_the_card_says_what_matters() -> None:
    text = card(on_a_model(final_prompt())).decode()
    assert "Verdict: **promote**: better than the baseline prompt" in text
    assert "| `best test` | 0.8765 | 0.84 to 0.9 | 300 |  |" in text
    assert "| `difference` | 0.17 | 0.1 to 0.24 |  | 0.0001 |" in text
    assert "- `positive` is answered by ` good`" in text.replace("`  good `", "` good`")
    assert "- Demonstrations: `random`, the same for every query: 2 examples" in text
    assert "examples of the training data, in full" in text


def test_a_long_prompt_is_cut_in_the_card_only() -> None:
    final = final_prompt(Prompt(final_prompt().prompt.template, label_answers(WORDS), instruction="w " + "o" * 25000))
    text = card(final).decode()
    assert "characters more, see prompt.yaml" in text
    assert len(text) < 15_000


def test_without_a_plain_way_the_card_says_so() -> None:
    final = final_prompt()
    assert snippet(final) is None
    assert "there is no plain script" in card(final).decode()


@pytest.mark.parametrize("change", [{"strategy": "farthest"}, {"options": {"k": 2, "order": "by-length"}}])
def test_a_choice_of_demonstrations_without_a_plain_way_is_named(change: dict[str, Any]) -> None:
    demos = replace(nearest(reviews(4, "train")), **change)
    final = on_a_model(final_prompt())
    final = replace(final, prompt=replace(final.prompt, demos=demos))
    assert snippet(final) is None
    assert "there is no plain script" in (text := card(final).decode())
    assert "'farthest'" in text or "'by-length'" in text


@pytest.mark.parametrize(
    ("place", "adapter", "told"),
    [
        (SoftPosition(), "PROMPT_TUNING", "3 vectors in front of the text, before its first token, in `adapter/`"),
        (
            SoftPosition(kind="prefix"),
            "PREFIX_TUNING",
            "3 vectors as keys and values in front of every layer's own, in",
        ),
        (
            SoftPosition("after-cls", replaces=2),
            "TRAINABLE_TOKENS",
            "behind the text's first token, instead of 2 of the",
        ),
        (SoftPosition("before-answer"), "TRAINABLE_TOKENS", "tokens 512 to 514 of a vocabulary resized for them"),
        (SoftPosition("decoder"), "TRAINABLE_TOKENS", "in the decoder, behind its first token, in"),
    ],
)
def test_the_card_says_where_the_vectors_stand(place: SoftPosition, adapter: str, told: str) -> None:
    config = {"peft_type": adapter, **({"token_indices": [512, 513, 514]} if "TOKENS" in adapter else {})}
    soft = SoftPrompt("p-tuning", 3, "base", b"", "", config, place)
    final = on_a_model(final_prompt())
    text = card(replace(final, prompt=replace(final.prompt, soft=soft))).decode()
    assert told in text
    assert f"(PEFT, `{adapter}`)" in text
    assert "torch, transformers, peft and PyYAML" in text


def test_the_card_says_what_is_special_about_a_family() -> None:
    final = final_prompt()
    told = {
        "hf-causal": "tokenise prompt + answer as one text",
        "hf-masked": "from left to right each token is predicted by its mask",
        "hf-seq2seq": "without a closing one",
        "hf-encoder": "averaged into the answers' vectors instead of being put into the text",
        "hf-classifier": "it can be asked for no other ones",
        "openai": "it may change or go, and its scores with it",
    }
    assert set(told) == set(FAMILIES)
    for kind, sentence in told.items():
        assert sentence in card(replace(final, backend={"type": kind})).decode()
    assert "cut it yourself" in card(replace(final, backend={"type": "hf-masked", "truncate": "text"})).decode()
    assert "cut it yourself" not in card(replace(final, backend={"type": "hf-masked"})).decode()


def test_marks_and_calibration_are_explained() -> None:
    prompt = Prompt(
        Template("t", "{text} is{@answer}.{@pair}So?"), label_answers(WORDS, Calibration("batch", (-0.5, -2)))
    )
    text = card(replace(final_prompt(golden=()), prompt=prompt, backend={"type": "hf-masked"})).decode()
    assert "- `{@answer}` is the answer's place" in text
    assert "- `{@pair}` is where the second of two texts begins" in text
    assert "- Calibrated (`batch`): offsets `negative` -0.5, `positive` -2" in text
    assert "it does not make them hit rates" in text


def test_the_text_alone_is_named_with_its_scores() -> None:
    final = on_a_model(final_prompt())
    soft = SoftPrompt("p-tuning", 3, "base", b"", "", {"peft_type": "PROMPT_TUNING"})
    inner = replace(final, scores={"metric": "accuracy", "test": {"score": 0.8125, "examples": 300}})
    text = card(replace(final, prompt=replace(final.prompt, soft=soft), text_alone=inner)).decode()
    assert "| `text alone test` | 0.8125 |  | 300 |  |" in text
    assert "`FOLDER/text` is used the same way" in text
    assert "| `text/` | the same prompt without its soft prompt" in text
    assert "text alone" not in card(final).decode()
    assert "Verdict: none, for it was not held against the baseline" in card(inner).decode()


def test_the_common_case_is_short_and_nothing_else_is_needed() -> None:
    source = snippet(on_a_model(final_prompt()))
    assert source is not None
    assert source.startswith("import json, sys, torch, yaml\nfrom transformers import")
    assert len([line for line in source.splitlines() if line.strip()]) <= 22
    assert "peft" not in source
    assert "autoprompt_search" not in source


def test_a_builtin_model_is_named_by_its_place() -> None:
    source = snippet(replace(on_a_model(final_prompt()), model="builtin:gpt"))
    assert source is not None
    assert "MODEL = sys.argv[1]  # builtin:gpt is the folder autoprompt_search/embedded/gpt of the package" in source


def test_the_script_takes_texts_apart_as_our_strategy_does() -> None:
    final = on_a_model(final_prompt(golden=()))
    source = snippet(replace(final, prompt=replace(final.prompt, demos=nearest(reviews(4, "train")))))
    assert source is not None
    assert f'token_pattern=r"{_WORDS}", sublinear_tf=True' in source
