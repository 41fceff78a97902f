"""What is written comes back, and says what the model reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from autoprompt_search.core.answers import Calibration
from autoprompt_search.core.errors import TamperedError
from autoprompt_search.core.prompts import Demonstrations, Prompt, SoftPosition, Template
from autoprompt_search.core.reading import Reading
from autoprompt_search.core.types import Example
from autoprompt_search.evaluate import render_all
from autoprompt_search.exporters.document import DOCUMENT, golden_lines, read
from autoprompt_search.exporters.formats import from_yaml, to_yaml
from autoprompt_search.exporters.manifest import check_folder
from autoprompt_search.exporters.prompt import files_of
from autoprompt_search.exporters.written import pool_lines, readable, rendered
from autoprompt_search.testing.factories import label_answers

from .drawn import backends, prompts, texts
from .finals import LABELS, SCRIPTED, WORDS, final_prompt, fixed, nearest, reviews

OLD = Path(__file__).parent / "version_1.json"
"""A folder as the first version wrote it: path -> content, bytes as Latin-1."""
ENCODER = {"type": "hf-encoder"}


@pytest.mark.slow
@settings(deadline=None, max_examples=100)
@given(prompts(), texts, backends)
def test_any_prompt_comes_back_whole(prompt: Prompt, name: str, backend: str) -> None:
    final = replace(final_prompt(golden=()), prompt=prompt, name=name, backend={"type": backend})
    found = read(files_of(final))
    assert found.prompt == prompt
    assert found.prompt.fingerprint == prompt.fingerprint
    assert (found.name, found.labels, found.fields) == (name, final.labels, final.fields)
    assert dict(found.backend) == final.backend
    assert dict(found.data_fingerprints) == final.data_fingerprints
    assert dict(found.scores) == final.scores


@settings(deadline=None)
@given(prompts(), backends)
def test_rendered_texts_are_what_a_model_reads(prompt: Prompt, kind: str) -> None:
    query, backend = Example("query", {"text": "{any} `text`"}, LABELS[0]), {"type": kind}
    shown = rendered(prompt, LABELS, backend)
    left, right = (_filled(shown.get(part, ""), query.inputs) for part in ("query", "rest"))
    full = replace(prompt, demos=Demonstrations("random", prompt.demos.examples), soft=None)
    made = render_all(full, [query], None)[0]
    if kind == "hf-encoder":  # demonstrations are not read
        assert shown["prefix"] + "".join(left) == "".join(s.text for s in made.query or made.segments)
        assert right == [""]
    else:
        demos = "".join(row["text"] for row in pool_lines(prompt, backend)) if prompt.demos.per_query else ""
        assert shown["prefix"] + demos + "".join(left) == made.text
        assert "".join(right) == ("" if kind == "hf-causal" else made.rest)
    if "{@pair}" in prompt.template.text and kind != "hf-causal":
        marks = [i for i, s in enumerate(made.segments) if s.origin == "pair"]
        second = "".join(s.text for s in made.segments[marks[-1] + 1 :])
        assert "".join([*left, *right]).endswith(second)
        assert second in (right[-1], left[-1] + "".join(right))


def _filled(part: str | list[str], inputs: Mapping[str, str]) -> list[str]:
    return [piece.format_map(inputs) for piece in ([part] if isinstance(part, str) else part)]


def test_a_prompt_of_the_first_version_can_be_read(tmp_path: Path) -> None:
    for path, content in json.loads(OLD.read_text()).items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(content.encode("latin-1"))
    found = read({path: (tmp_path / path).read_bytes() for path in check_folder(tmp_path)})
    assert found.prompt.template.text == "Review: {text}{@sep}Sentiment:"
    assert found.prompt.answers.verbalizer == {"negative": ("bad",), "positive": ("good", "fine")}
    assert found.prompt.demos == fixed()
    assert found.prompt.soft is not None
    assert (found.prompt.soft.place, found.prompt.soft.tokens, found.prompt.answers.calibration) == (
        SoftPosition(),
        2,
        None,
    )
    assert read(files_of(replace(final_prompt(), prompt=found.prompt, backend=found.backend))).prompt == found.prompt


def test_a_prompt_of_the_second_version_reads_rows_as_they_are() -> None:
    files = files_of(final_prompt())
    content = from_yaml(files[DOCUMENT], DOCUMENT)
    del content["reading"]
    content["format"] = 2
    assert read({**files, DOCUMENT: to_yaml(content)}).reading == Reading()


def test_how_rows_are_read_comes_back() -> None:
    reading = Reading({"text": "Review text"}, "stars", {"0": "negative", "1": "positive"}, 80)
    assert read(files_of(replace(final_prompt(), reading=reading))).reading == reading


def test_marks_second_texts_and_calibration_are_written_for_people() -> None:
    prompt = Prompt(
        Template("t", "{text} is{@answer}.{@pair}So?"), label_answers(WORDS, Calibration("batch", (-0.5, -2)))
    )
    written = from_yaml(files_of(replace(final_prompt(golden=()), prompt=prompt))[DOCUMENT], "x")
    assert written["rendered"]["query"] == "{text} is"
    assert written["rendered"]["rest"] == [".", "So?"]
    assert written["calibration"] == {"method": "batch", "offsets": {"negative": -0.5, "positive": -2.0}}
    assert "a label's offset under `calibration` is taken off" in written["decoding"]["rule"]
    assert readable(prompt, LABELS, SCRIPTED) == "{text} is{@answer}.{@pair}So?"


def test_demonstrations_of_an_encoder_are_prototypes() -> None:
    prompt = Prompt(
        Template("t", "About {text}{@answer}!"), label_answers({**WORDS, "positive": ("good", "fine")}), demos=fixed(2)
    )
    assert rendered(prompt, LABELS, ENCODER) == {
        "prefix": "",
        "query": "About {text}!",
        "answers": {"negative": [" bad"], "positive": [" good", " fine"]},
        "prototypes": {
            " bad": ["About train film 0 was bad, dull!"],
            " good": ["About train film 1 was good, lovely!"],
        },
    }
    (row, *_) = pool_lines(replace(prompt, demos=nearest(reviews(2, "train"))), ENCODER)
    assert (row["text"], row["answer"]) == ("About train film 0 was bad, dull!", " bad")


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
    prompt = Prompt(
        Template("t", "{text} ="), label_answers(WORDS), instruction="Judge.", demos=nearest(reviews(2, "train"))
    )
    assert [row["text"] for row in pool_lines(prompt, SCRIPTED)] == [
        "train film 0 was bad, dull = bad\n\n",
        "train film 1 was good, lovely = good\n\n",
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(format=5), "reads up to 4"),
        (lambda c: c.pop("format"), "names no format"),
        (lambda c: c.pop("reading"), "no 'reading'"),
        (lambda c: c["parts"]["verbalizer"].update(positive=[]), "the label 'positive' has no word"),
        (
            lambda c: c.update(calibration={"method": "batch", "offsets": {"negative": 1.0, "positive": float("nan")}}),
            "nan is not a finite number",
        ),
        (lambda c: c["reading"].update(max_chars=0), "max_chars: must be 1 or more"),
        (lambda c: c["reading"].update(labels={"0": "neutral"}), "'neutral' is none of the labels"),
        (lambda c: c["parts"].pop("template"), "no 'template'"),
        (lambda c: c["parts"].update(verbalizer="bad"), "incomplete or malformed"),
        (lambda c: c["parts"]["template"].pop("text"), "text: Field required"),
        (lambda c: c["parts"]["verbalizer"].pop("positive"), "no 'positive'"),
        (lambda c: c["rendered"].update(prefix="Judge kindly."), "not what its `parts` give"),
        (lambda c: c["parts"]["template"].update(text="{"), "incomplete or malformed"),
        (lambda c: c.update(calibration={"method": "batch", "offsets": {"negative": 1.0}}), "no 'positive'"),
        (lambda c: c["model"]["backend"].update(type="hf-encoder"), "not what its `parts` give"),
    ],
)
def test_a_document_that_does_not_hold_together_is_refused(change: Any, message: str) -> None:
    files = files_of(final_prompt())
    content = from_yaml(files[DOCUMENT], DOCUMENT)
    change(content)
    with pytest.raises(TamperedError, match=message):
        read({**files, DOCUMENT: to_yaml(content)})


def test_aliases_that_stand_for_billions_of_values_are_refused_unread() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 20)]
    with pytest.raises(TamperedError, match="aliases stand for"):
        from_yaml("\n".join(lines).encode(), DOCUMENT)
    with pytest.raises(TamperedError, match="refers to itself"):
        from_yaml(b"a: &a [*a]", DOCUMENT)
    with pytest.raises(TamperedError, match=DOCUMENT):
        from_yaml(b"[" * 100_000, DOCUMENT)


@pytest.mark.parametrize("data", [b"", b"[1]", b"\xff", b"name: x"])
def test_what_is_no_document_is_refused(data: bytes) -> None:
    with pytest.raises(TamperedError, match=DOCUMENT):
        read({DOCUMENT: data})
