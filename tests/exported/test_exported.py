from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autoprompt_search.core.answers import Calibration
from autoprompt_search.core.errors import ConfigError, TamperedError
from autoprompt_search.core.prompts import Prompt, Template
from autoprompt_search.core.protocols.output import FinalPrompt
from autoprompt_search.core.statistics import scores
from autoprompt_search.core.statistics.scores import interval
from autoprompt_search.core.types import Example
from autoprompt_search.exported import ExportedPrompt, Prediction, load_prompt
from autoprompt_search.exporters.prompt import PromptFolder
from autoprompt_search.testing.factories import label_answers, label_card

from ..exporters.finals import LABELS, SCRIPTED, TEMPLATE, WORDS, final_prompt, fixed, nearest, reviews  # noqa: TID252


def exported(folder: Path, final: FinalPrompt | None = None, **options: Any) -> ExportedPrompt:
    return load_prompt(PromptFolder().export(final or final_prompt(), folder), **options)


def test_predictions_are_those_of_the_search(tmp_path: Path) -> None:
    final = final_prompt()
    found = exported(tmp_path, final).predict(e.inputs for e, _ in final.golden)
    assert [p.label for p in found] == [label for _, label in final.golden]
    for prediction in found:
        assert list(prediction.probabilities) == list(LABELS)
        assert math.isclose(sum(prediction.probabilities.values()), 1)
        assert prediction.label == max(prediction.probabilities, key=lambda k: prediction.probabilities[k])


@pytest.mark.parametrize("by", ["tfidf", "embedding"])
def test_demonstrations_per_query(tmp_path: Path, by: str) -> None:
    final = final_prompt(Prompt(TEMPLATE, label_answers(WORDS), demos=nearest(reviews(8, "train"), by=by)))
    found = exported(tmp_path, final).predict(e.inputs for e, _ in final.golden)
    assert [p.label for p in found] == [label for _, label in final.golden]


def test_a_calibrated_prompt_is_calibrated_after_the_export(tmp_path: Path) -> None:
    plain = Prompt(TEMPLATE, label_answers(WORDS))
    final = final_prompt(replace(plain, answers=replace(plain.answers, calibration=Calibration("batch", (-0.1, -2.5)))))
    prompt = exported(tmp_path, final)
    rows = [e.inputs for e, _ in final.golden]
    found = [p.label for p in prompt.predict(rows)]
    assert found == [label for _, label in final.golden]
    assert found != [p.label for p in exported(tmp_path / "plain", final_prompt(plain)).predict(rows)]


def test_one_text_is_as_good_as_one_field_and_more_fields_do_no_harm(tmp_path: Path) -> None:
    prompt = exported(tmp_path)
    assert prompt.fields == ("text",)
    assert prompt.predict(["it was good"]) == prompt.predict([{"text": "it was good", "id": 7}])  # type: ignore[dict-item]
    assert prompt.predict([]) == []


def test_what_was_asked_before_changes_nothing(tmp_path: Path) -> None:
    prompt = exported(tmp_path)
    texts = [f"{i} it was {'good' if i % 3 else 'bad'}" for i in range(20)]
    assert prompt.predict(texts) == [prompt.predict([t])[0] for t in texts]
    assert prompt.predict([texts[0], texts[0]]) == prompt.predict(texts[:1]) * 2


def test_every_bad_row_is_named(tmp_path: Path) -> None:
    template = Template("t", "{title}: {text} =")
    golden = [Example("a", {"title": "x", "text": "good"}, "positive")]
    prompt = exported(tmp_path, final_prompt(Prompt(template, label_answers(WORDS)), golden=golden))
    assert prompt.fields == ("title", "text")
    with pytest.raises(ConfigError) as caught:
        prompt.predict([{"title": "x", "text": "y"}, {"text": "y"}, "z", {"title": 3, "text": "y"}, 5])  # type: ignore[list-item, dict-item]
    assert caught.value.problems == (
        "row 2: the field 'title' is missing",
        "row 3: is one text, and the prompt reads 2 fields: 'title', 'text'",
        "row 4: the field 'title' is not a text (got 3)",
        "row 5: is neither a text nor a mapping of fields (got 5)",
    )
    with pytest.raises(ConfigError, match=r"row 1: the field 'text' is not a text \(got '\\ud800'\)"):
        prompt.predict([{"title": "x", "text": "\ud800"}])
    with pytest.raises(ConfigError) as caught:
        prompt.predict([{}] * 30)
    assert len(caught.value.problems) == 11
    assert caught.value.problems[-1] == "and 50 more"


def test_fields_that_only_choose_demonstrations_are_needed_too(tmp_path: Path) -> None:
    pool = [Example(e.id, {"aspect": "plot", **e.inputs}, e.target) for e in reviews(4, "train")]
    golden = [Example(e.id, {"aspect": "plot", **e.inputs}, e.target) for e in reviews(4)]
    final = final_prompt(Prompt(TEMPLATE, label_answers(WORDS), demos=nearest(pool)), golden=golden)
    prompt = exported(tmp_path, final)
    assert prompt.fields == ("text", "aspect")
    assert len(prompt.predict(e.inputs for e in golden)) == 4
    with pytest.raises(ConfigError, match="row 1: is one text"):
        prompt.predict(["good"])


def test_an_input_beyond_the_context_is_named(tmp_path: Path) -> None:
    prompt = exported(tmp_path, final_prompt(backend={**SCRIPTED, "context": 60}))
    with pytest.raises(ConfigError, match=r"^row 2: a prompt is too long: \d+ words"):
        prompt.predict(["good", "good " * 80])


def test_ids_of_demonstrations_mean_nothing_outside(tmp_path: Path) -> None:
    examples = tuple(replace(e, id=f"input-{i}") for i, e in enumerate(fixed(3).examples))
    demos = replace(fixed(3), examples=examples)
    one = exported(tmp_path / "a", final_prompt(Prompt(TEMPLATE, label_answers(WORDS), demos=demos)))
    other = exported(tmp_path / "b", final_prompt(Prompt(TEMPLATE, label_answers(WORDS), demos=fixed(3))))
    texts = [e.inputs for e in reviews(40)]
    assert one.predict(texts) == other.predict(texts)
    clashing = [replace(e, id="train-0") for e in reviews(40)]
    assert one.evaluate(clashing).predictions == tuple(other.predict(texts))


def test_another_model_is_refused_by_name(tmp_path: Path) -> None:
    final = final_prompt()
    with pytest.raises(ConfigError) as caught:
        exported(tmp_path, final, backend={"skill": 0.1})
    assert final.model_fingerprint in str(caught.value)
    assert "'scripted'" in str(caught.value)


def test_backend_options_can_be_replaced(tmp_path: Path) -> None:
    final = final_prompt()
    wanted = exported(tmp_path, final).predict(["good"])
    assert exported(tmp_path, final, backend={"seconds": 0.0}).predict(["good"]) == wanted
    assert exported(tmp_path, final, backend={"type": "scripted", "skill": 0.9}).predict(["good"]) == wanted
    with pytest.raises(ConfigError, match=r"sedonds.*did you mean 'seconds'"):
        exported(tmp_path, final, backend={"sedonds": 1})
    with pytest.raises(ConfigError, match="unknown backends"):
        exported(tmp_path, final, backend={"type": "scriptd"})


def test_golden_items_are_checked_once_and_can_be_waived(tmp_path: Path) -> None:
    final = final_prompt()
    example, label = final.golden[1]
    other = LABELS[1 - LABELS.index(label)]
    lying = replace(final, golden=(final.golden[0], (example, other)))
    prompt = exported(tmp_path, lying)
    for _ in range(2):
        with pytest.raises(TamperedError, match=rf"1 of 2 golden items .*item 2: '{label}' instead of '{other}'"):
            prompt.predict(["good"])
    with pytest.raises(TamperedError, match="golden"):
        exported(tmp_path, lying).evaluate(reviews(2))
    assert exported(tmp_path, lying, check=False).predict(["good"])


def test_a_golden_item_without_the_fields_is_tampering(tmp_path: Path) -> None:
    final = final_prompt()
    broken = replace(final, golden=((Example("x", {"other": "y"}, LABELS[0]), LABELS[0]),))
    with pytest.raises(TamperedError, match="'text' is missing"):
        exported(tmp_path / "a", broken).predict(["good"])
    unknown = replace(final, golden=((final.golden[0][0], "maybe"),))
    with pytest.raises(TamperedError, match=r"golden\.jsonl, line 1"):
        exported(tmp_path / "b", unknown)


def test_evaluation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scores, "RESAMPLES", 50)
    prompt = exported(tmp_path)
    examples = reviews(60)
    found = prompt.evaluate(iter(examples), "balanced_accuracy")
    labels = [p.label for p in found.predictions]
    targets = [e.target for e in examples]
    assert labels == [p.label for p in prompt.predict(e.inputs for e in examples)]
    assert found.metric == "balanced_accuracy"
    assert list(found.scores) == ["balanced_accuracy", "accuracy"]
    for name, score in found.scores.items():
        assert score == interval(label_card(name, targets, labels, LABELS))
        assert score.low < score.score < score.high
    assert sum(map(sum, found.confusion)) == found.examples == 60
    assert found.confusion[0][0] + found.confusion[1][1] == round(60 * found.scores["accuracy"].score)
    assert found.confusion[0][1] == sum(
        t == "negative" and p == "positive" for t, p in zip(targets, labels, strict=True)
    )
    assert found.loss > 0
    assert found.notes == ()
    assert prompt.evaluate(examples).metric == "accuracy"


def test_evaluation_says_when_it_is_flattered(tmp_path: Path) -> None:
    examples = (*reviews(4), *(replace(e, id=f"new-{e.id}") for e in fixed().examples))
    assert exported(tmp_path).evaluate(examples).notes == (
        "2 of 6 examples are training examples that this prompt holds: they flatter it",
    )


def test_evaluation_refuses_what_it_cannot_judge(tmp_path: Path) -> None:
    prompt = exported(tmp_path)
    with pytest.raises(
        ConfigError, match=r"row 2: the label 'neutral' is none of this prompt's: 'negative', 'positive'"
    ):
        prompt.evaluate([reviews(1)[0], replace(reviews(1)[0], target="neutral")])
    with pytest.raises(ConfigError, match="no examples"):
        prompt.evaluate([])
    with pytest.raises(ConfigError, match="did you mean 'accuracy'"):
        prompt.evaluate(reviews(2), "acuracy")


def test_a_prediction_is_a_value() -> None:
    assert Prediction("a", {"a": 1.0}) == Prediction("a", {"a": 1.0})


def test_importing_stays_light() -> None:
    heavy = ("torch", "transformers", "sklearn", "scipy", "peft", "ray", "mlflow", "optuna", "datasets")
    code = f"import sys, autoprompt_search.exported; print([m for m in {heavy!r} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@pytest.mark.model
def test_on_a_real_architecture(tmp_path: Path) -> None:
    from autoprompt_search.testing.tiny import tiny_model

    here = tiny_model(tmp_path / "model", "gpt2", context=256)
    backend: Mapping[str, Any] = {"type": "hf-causal", "model": str(here), "device": "cpu"}
    folder = PromptFolder().export(final_prompt(backend=backend), tmp_path)
    wanted = load_prompt(folder).predict(["it was good"])
    there = here.rename(tmp_path / "moved")
    with pytest.raises(ConfigError, match="say where it is now by the backend option `model`"):
        load_prompt(folder)
    assert load_prompt(folder, backend={"model": str(there)}).predict(["it was good"]) == wanted
    other = tiny_model(tmp_path / "other", "gpt2", context=256, seed=1)
    with pytest.raises(ConfigError, match=r"has fingerprint \w{16}, and this prompt was made for"):
        load_prompt(folder, backend={"model": str(other)})
