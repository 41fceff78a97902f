from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoprompt_search.core.errors import TamperedError
from autoprompt_search.core.types import Demonstrations, Example, Layout, Prompt, Template
from autoprompt_search.exporters.document import (
    DOCUMENT,
    from_jsonl,
    from_yaml,
    golden_lines,
    plain,
    pool_lines,
    read,
    rendered,
    to_jsonl,
    to_yaml,
)
from autoprompt_search.exporters.prompt import files_of

from .finals import LABELS, WORDS, final_prompt, fixed, nearest, reviews

ODD = "\n\t \r:#-'\"|>`{}[]&*!%@~?,\\\x00\x1b\x85\xa0\u2028\u2029\u202e\ufeff😀"
"""Characters that YAML, JSON, Markdown or a terminal give a meaning."""
texts = st.text(alphabet=st.one_of(st.characters(), st.sampled_from(ODD)))
words = st.text(alphabet=st.one_of(st.characters(), st.sampled_from(ODD)), min_size=1)


def with_lone_surrogates() -> st.SearchStrategy[str]:
    return st.text(alphabet=st.one_of(st.characters(codec=None), st.sampled_from(ODD)))


@settings(deadline=None)
@given(with_lone_surrogates(), with_lone_surrogates())
def test_any_text_comes_back_from_yaml(one: str, other: str) -> None:
    content = {"format": 1, "text": one, "map": {other: [one, {"deep": other}]}, "last": one}
    assert from_yaml(to_yaml(content)) == content


@settings(deadline=None)
@given(with_lone_surrogates(), with_lone_surrogates())
def test_any_text_comes_back_from_jsonl(one: str, other: str) -> None:
    rows = [{"id": one, "inputs": {other: one}}, {"id": other}]
    assert from_jsonl(to_jsonl(rows), "x") == rows


@st.composite
def prompts(draw: st.DrawFn) -> Prompt:
    def braced(text: str) -> str:
        return text.replace("{", "{{").replace("}", "}}")

    examples = tuple(
        Example(f"train-{i}-{draw(texts)}", {"text": draw(texts)}, draw(st.sampled_from(LABELS)))
        for i in range(draw(st.integers(0, 3)))
    )
    per_query = bool(examples) and draw(st.booleans())
    options: dict[str, Any] = {"k": 1, "by": "tfidf"} if per_query else {}
    demos = Demonstrations("knn" if per_query else "random", examples, per_query, options)
    return Prompt(
        Template(draw(texts), braced(draw(texts)) + "{text}{@sep}{@Name of it}" + braced(draw(texts))),
        {label: tuple(draw(st.lists(words, min_size=1, max_size=2))) for label in LABELS},
        instruction=draw(texts),
        layout=Layout(draw(texts), draw(texts), draw(st.sampled_from(["lower", "as-is"])), {"Name of it": draw(texts)}),
        demos=demos if examples else Demonstrations(),
    )


@settings(deadline=None, max_examples=50)
@given(prompts(), texts)
def test_any_prompt_comes_back_whole(prompt: Prompt, name: str) -> None:
    final = replace(final_prompt(golden=()), prompt=prompt, name=name)
    found = read(files_of(final))
    assert found.prompt == prompt
    assert found.prompt.fingerprint == prompt.fingerprint
    assert (found.name, found.labels, found.fields) == (name, final.labels, final.fields)
    assert dict(found.backend) == final.backend
    assert dict(found.data) == final.data_fingerprints
    assert dict(found.scores) == final.scores


@settings(deadline=None)
@given(prompts())
def test_rendered_texts_are_what_a_model_reads(prompt: Prompt) -> None:
    from autoprompt_search.evaluate import render_all

    query = Example("query", {"text": "{any} `text`"}, LABELS[0])
    shown = rendered(prompt, LABELS)
    demos = "".join(row["text"] for row in pool_lines(prompt)) if prompt.demos.per_query else ""
    everything = Prompt(prompt.template, prompt.verbalizer, prompt.instruction, prompt.layout)
    full = replace(everything, demos=Demonstrations("random", prompt.demos.examples))
    assert (
        shown["prefix"] + demos + shown["query"].format_map(query.inputs)
        == render_all(full, [query], LABELS, None)[0].text
    )


def test_a_person_can_read_it() -> None:
    written = files_of(final_prompt())[DOCUMENT].decode()
    assert (
        "rendered:\n  prefix: |+\n    Judge.\n\n    Review: train film 0 was bad, dull\n    Sentiment: bad\n\n"
        in written
    )
    assert "  query: |-\n    Review: {text}\n    Sentiment:\n" in written
    assert "  answers:\n    negative:\n    - ' bad'\n    positive:\n    - ' good'\n" in written
    assert "verdict: promote\n" in written
    assert "data:\n  train: '1e5'\n  dev: '0123456789abcdef'\n  test: 'no'\n" in written


def test_same_prompt_same_bytes() -> None:
    assert files_of(final_prompt()) == files_of(final_prompt())


def test_golden_items_that_are_demonstrations_are_left_out() -> None:
    final = final_prompt(golden=(*reviews(3), fixed().examples[0]))
    assert [row["id"] for row in golden_lines(final)] == ["test-0", "test-1", "test-2"]


def test_pool_lines_hold_their_text_as_a_demonstration() -> None:
    prompt = Prompt(Template("t", "{text} ="), WORDS, instruction="Judge.", demos=nearest(reviews(2, "train")))
    assert [row["text"] for row in pool_lines(prompt)] == [
        "train film 0 was bad, dull = bad\n\n",
        "train film 1 was good, lovely = good\n\n",
    ]


def test_numbers_of_numpy_are_written_as_numbers() -> None:
    assert plain({"a": np.float64(0.5), "b": (np.int64(2),), 3: None}) == {"a": 0.5, "b": [2], "3": None}
    with pytest.raises(TypeError, match="cannot write a set"):
        plain({1})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(format=2), "reads up to 1"),
        (lambda c: c.pop("format"), "names no format"),
        (lambda c: c["parts"].pop("template"), "no 'template'"),
        (lambda c: c["parts"].update(verbalizer="bad"), "incomplete or malformed"),
        (lambda c: c["parts"]["template"].pop("text"), "text: Field required"),
        (lambda c: c["parts"]["verbalizer"].pop("positive"), "no 'positive'"),
        (lambda c: c["rendered"].update(prefix="Judge kindly."), "not what its `parts` give"),
        (lambda c: c["parts"]["template"].update(text="{"), "incomplete or malformed"),
    ],
)
def test_a_document_that_does_not_hold_together_is_refused(change: Any, message: str) -> None:
    files = files_of(final_prompt())
    content = from_yaml(files[DOCUMENT])
    change(content)
    with pytest.raises(TamperedError, match=message):
        read({**files, DOCUMENT: to_yaml(content)})


@pytest.mark.parametrize("data", [b"", b"[1]", b"\xff", b"a: [", b"!!python/object/apply:os.getcwd []"])
def test_what_is_no_document_is_refused(data: bytes) -> None:
    with pytest.raises(TamperedError, match=DOCUMENT):
        from_yaml(data)
