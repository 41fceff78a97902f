"""What kind of answer a prompt has is written and read back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from autoprompt_search.core.answers import Answers, LabelAnswers, Limits, OptionAnswers, TextAnswers
from autoprompt_search.core.errors import TamperedError
from autoprompt_search.core.prompts import Prompt
from autoprompt_search.exporters.card import card
from autoprompt_search.exporters.decoding import OF_LABELS
from autoprompt_search.exporters.document import FORMAT, document, read
from autoprompt_search.exporters.prompt import files_of

from .finals import LABELS, WORDS, final_prompt
from .written_text import TEMPLATE, reports, text_final, text_prompt

texts = st.text(min_size=1, max_size=9)
limits = st.builds(
    Limits,
    tokens=st.integers(1, 999),
    stop=st.lists(texts, max_size=3).map(tuple),
    temperature=st.floats(0, 2),
    top_p=st.floats(0.1, 1),
    seed=st.integers(0, 99),
)
options = st.dictionaries(st.sampled_from(["marker", "which"]), st.one_of(texts, st.integers(), st.booleans()))
answers = st.one_of(
    st.builds(TextAnswers, limits, st.sampled_from(["verbatim", "after-marker"]), options),
    st.builds(TextAnswers, limits, st.just("first-label"), st.just({}), st.just(LABELS), st.just(WORDS)),
    st.builds(OptionAnswers, st.sampled_from(["none", "byte", "token"])),
    st.builds(OptionAnswers, st.just("pmi"), texts),
    st.builds(LabelAnswers, st.just(LABELS), st.just(WORDS), st.none(), st.sampled_from(["byte", "token"])),
    st.builds(LabelAnswers, st.just(LABELS), st.just(WORDS), st.none(), st.just("pmi"), texts),
)


@pytest.mark.slow
@given(answers)
def test_answers_of_any_kind_come_back(kind: Answers) -> None:
    final = final_prompt(golden=())
    final = replace(final, prompt=Prompt(TEMPLATE, kind), labels=kind.labels)
    files = files_of(final)
    assert read(files).prompt == final.prompt
    assert document(final)["format"] == FORMAT
    assert card(final)


def test_a_prompt_of_labels_is_written_as_before() -> None:
    assert document(final_prompt())["format"] == OF_LABELS
    assert document(final_prompt())["decoding"]["mode"] == "label log-likelihood"


def test_how_the_text_ends_and_is_read_is_said() -> None:
    final = text_final(text_prompt(Limits(8, ("\n", "##")), "after-marker", marker="it was"))
    said = document(final)["decoding"]
    assert said["mode"] == "generated text"
    assert said["limits"]["tokens"] == 8
    assert list(said["limits"]["stop"]) == ["\n", "##"]
    assert said["parser"] == {"type": "after-marker", "marker": "it was"}
    page = card(final).decode()
    assert "writes text of 8 tokens at most" in page
    assert "marker: it was" in page
    assert "label" not in page.lower().replace("labelled", "")


def test_golden_items_hold_answer_text_and_options() -> None:
    examples = [replace(e, options=("wet", "dry")) for e in reports(1)]
    (line,) = yaml.safe_load_all(files_of(text_final(golden=examples))["golden.jsonl"])
    assert line["prediction"] == line["text"].strip() != line["text"]
    assert line["options"] == ["wet", "dry"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(mode="mind reading"), "decoding.mode: 'mind reading' is none of"),
        (lambda d: d.pop("limits"), "no 'limits'"),
        (lambda d: d["limits"].update(tokens=0), "must be 1 or more"),
        (lambda d: d["parser"].pop("type"), "no 'type'"),
    ],
)
def test_a_decoding_that_cannot_be_is_refused(change: Any, message: str) -> None:
    files = files_of(text_final())
    content = yaml.safe_load(files["prompt.yaml"])
    change(content["decoding"])
    with pytest.raises(TamperedError, match=message):
        read({**files, "prompt.yaml": yaml.safe_dump(content).encode()})
