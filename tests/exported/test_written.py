"""Exported prompts whose answers are text."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from autoprompt_search.core.answers import Limits, TextAnswers
from autoprompt_search.core.errors import ConfigError, TamperedError
from autoprompt_search.core.prompts import Prompt, Template
from autoprompt_search.core.protocols.output import FinalPrompt
from autoprompt_search.exported import ExportedPrompt, load_prompt
from autoprompt_search.exporters.prompt import PromptFolder

from ..exporters.written_text import REPLIES, SCRIPTED, reports, text_final, text_prompt  # noqa: TID252


def exported(folder: Path, final: FinalPrompt | None = None) -> ExportedPrompt:
    return load_prompt(PromptFolder().export(final or text_final(), folder))


def test_predictions_are_those_of_the_search(tmp_path: Path) -> None:
    final = text_final(text_prompt(parser="after-marker", marker="it was"))
    found = exported(tmp_path, final).predict(e.inputs for e, _ in final.golden)
    assert [p.answer for p in found] == [answer for _, answer in final.golden]
    assert {p.answer for p in found} <= {"wet", "warm", "cold"}
    assert [p.text for p in found] == [final.golden_texts[e.id] for e, _ in final.golden]
    assert {p.finish for p in found} == {"end"}
    assert not any(p.unscored or p.probabilities for p in found)


def test_what_cannot_be_read_says_why(tmp_path: Path) -> None:
    (cut,) = exported(tmp_path / "a", text_final(text_prompt(Limits(2)))).predict(["rain"])
    assert (cut.answer, cut.text, cut.finish, cut.unscored) == ("", " it was", "length", "cut")
    lost = text_final(text_prompt(parser="last-number"))
    (found,) = exported(tmp_path / "b", lost).predict(["rain"])
    assert (found.answer, found.finish, found.unscored) == ("", "end", "not-parsed")


def test_evaluation_counts_what_could_not_be_read(tmp_path: Path) -> None:
    backend = {**SCRIPTED, "replies": {**REPLIES, "snow": "it was so very cold"}}
    final = text_final(text_prompt(Limits(5)), backend=backend)
    examples = reports(30)
    found = exported(tmp_path, final).evaluate(examples)
    said = [p.answer for p in found.predictions]
    right = sum(answer in e.targets for answer, e in zip(said, examples, strict=True))
    assert found.metric == "exact_match"
    assert list(found.scores) == ["exact_match"]
    assert 0 < found.scores["exact_match"].score == right / 30 < 1
    assert found.scores["exact_match"].low < right / 30 < found.scores["exact_match"].high
    cut = sum(p.unscored == "cut" for p in found.predictions)
    assert found.shares == {"unscored": cut / 30, "cut": cut / 30}
    assert found.reasons == {"cut": cut}
    assert cut > 3
    assert (found.loss, found.labels, found.confusion) == (None, (), ())


def test_any_reference_is_right(tmp_path: Path) -> None:
    prompt = exported(tmp_path)
    (said,) = prompt.predict(["rain"])
    (example,) = reports(1)
    other = replace(example, inputs={"text": "rain"}, target="no such thing", alternatives=(said.answer,))
    assert prompt.evaluate([other]).scores["exact_match"].score == 1
    assert prompt.evaluate([replace(other, alternatives=())]).scores["exact_match"].score == 0


def test_labels_in_text(tmp_path: Path) -> None:
    words = {"bad": ("wet", "cold"), "good": ("warm",)}
    answers = TextAnswers(Limits(8), "first-label", {}, ("bad", "good"), words)
    prompt = Prompt(Template("t", "{text}:"), answers)
    examples = [replace(e, target="good" if "sun" in e.inputs["text"] else "bad", alternatives=()) for e in reports(20)]
    final = text_final(prompt, golden=examples, labels=("bad", "good"))
    found = exported(tmp_path, replace(final, scores={"metric": "accuracy"})).evaluate(examples)
    assert {p.label for p in found.predictions} == {"bad", "good"}
    assert sum(map(sum, found.confusion)) == 20
    assert found.confusion[0][0] + found.confusion[1][1] == round(20 * found.scores["accuracy"].score)
    assert found.loss is None


def test_a_golden_item_is_compared_exactly(tmp_path: Path) -> None:
    final = text_final()
    example, answer = final.golden[0]
    lying = replace(final, golden=((example, answer + "."), *final.golden[1:]))
    with pytest.raises(TamperedError, match=r"item 1: 'it was \w+' instead of 'it was \w+\.'"):
        exported(tmp_path, lying).predict(["rain"])


def test_the_row_that_leaves_no_room_is_named(tmp_path: Path) -> None:
    prompt = exported(tmp_path, text_final(backend={**SCRIPTED, "context": 30}))
    with pytest.raises(ConfigError, match=r"^row 2: a prompt is too long"):
        prompt.predict(["rain", "rain " * 80, "sun"])
