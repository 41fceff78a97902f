from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from markdown_it import MarkdownIt
from markdown_it.token import Token

from autoprompt_search.core.protocols import FinalPrompt
from autoprompt_search.core.types import Prompt
from autoprompt_search.demos.knn import _WORDS
from autoprompt_search.exporters.card import card
from autoprompt_search.exporters.snippet import snippet

from .finals import WORDS, final_prompt, nearest, reviews
from .test_document import prompts, texts

HEADINGS = ["Scores", "Prompt", "Use", "Limits", "Files"]


def parsed(final: FinalPrompt) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(card(final).decode())


def blocks(final: FinalPrompt, language: str) -> list[str]:
    return [t.content for t in parsed(final) if t.type == "fence" and t.info == language]


def on_a_model(final: FinalPrompt) -> FinalPrompt:
    return replace(final, backend={"type": "hf-causal", "model": "gpt2"}, model="gpt2")


@settings(deadline=None, max_examples=50)
@given(prompts(), texts)
def test_no_text_of_a_prompt_breaks_the_card(prompt: Prompt, text: str) -> None:
    final = replace(on_a_model(final_prompt(golden=())), prompt=prompt, name=text, fields=(text, "text"), model=text)
    tokens = parsed(final)
    titles = [tokens[i + 1].content for i, t in enumerate(tokens) if t.type == "heading_open"]
    assert [t.split(" ")[0] for t in titles[1:]] == HEADINGS
    assert titles[0].startswith("Prompt card: ")
    assert not any(t.type.startswith("html") for t in tokens)
    assert blocks(final, "python") == [f"{snippet(final)}\n"]
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
    final = final_prompt(Prompt(final_prompt().prompt.template, WORDS, instruction="w " + "o" * 25000))
    text = card(final).decode()
    assert "characters more, see prompt.yaml" in text
    assert len(text) < 15_000


def test_without_a_plain_way_the_card_says_so() -> None:
    final = final_prompt()
    assert snippet(final) is None
    assert "there is no plain script" in card(final).decode()


def test_a_strategy_of_someone_else_has_no_plain_way() -> None:
    demos = replace(nearest(reviews(4, "train")), strategy="mmr")
    final = on_a_model(final_prompt())
    assert snippet(replace(final, prompt=replace(final.prompt, demos=demos))) is None


def test_the_common_case_is_short_and_nothing_else_is_needed() -> None:
    source = snippet(on_a_model(final_prompt()))
    assert source is not None
    assert source.startswith("import json, sys, torch, yaml\nfrom transformers import")
    assert len([line for line in source.splitlines() if line.strip()]) <= 20
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
