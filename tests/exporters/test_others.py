"""The best prompt in other tools' forms: each gives, for the golden items, the prompts that the search measured."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from autoprompt_search import load_prompt
from autoprompt_search.core.chat import Chat
from autoprompt_search.core.prompts import Prompt, Template
from autoprompt_search.core.protocols.output import Exporter, FinalPrompt
from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.core.types import Example
from autoprompt_search.evaluate import render_all
from autoprompt_search.exporters import EXPORTERS
from autoprompt_search.exporters.others import jinja
from autoprompt_search.exporters.portable import portable
from autoprompt_search.prompting.slotted import said_in_turns
from autoprompt_search.testing.factories import label_answers

from .finals import LABELS, ODD, WORDS, final_prompt, fixed, nearest, reviews

PAIR = Template("pair", 'Say {{x}} and {{% or %}} "{text}"{@sep}Sentiment:')


def prompt(template: Template = PAIR, **parts: Any) -> Prompt:
    return Prompt(template, label_answers(WORDS), **parts)


CASES = {
    "plain": prompt,
    "instruction": lambda: prompt(instruction="Decide {this}.\r\nBe {{brief}}."),
    "demonstrations": lambda: prompt(demos=fixed()),
    "per query": lambda: prompt(demos=nearest(reviews(6, "train"))),
    "answer inside": lambda: prompt(Template("inside", "It was {@answer}. {text}")),
    "conversation": lambda: prompt(demos=fixed(), chat=Chat(system="Be {kind}.")),
}


def final(kind: str) -> FinalPrompt:
    made = CASES[kind]()
    one = final_prompt(made)
    rendered = render_all(made, [example for example, _ in one.golden], None)
    told = {e.id: said_in_turns(shown) for (e, _), shown in zip(one.golden, rendered, strict=True)}
    return replace(one, golden_prompts=told, baseline=prompt(Template("first", "{text} was")))


def export(name: str, one: FinalPrompt, folder: Path) -> tuple[Path, list[dict[str, Any]]]:
    exporter: Exporter = EXPORTERS.build(ComponentSpec(type=name))
    place = exporter.export(one, folder)
    golden = place / "golden.jsonl"
    return place, [json.loads(line) for line in golden.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("kind", CASES)
def test_golden_items_are_the_prompts_of_the_search(kind: str, tmp_path: Path) -> None:
    one = final(kind)
    _, golden = export("messages", one, tmp_path)
    assert len(golden) == len(one.golden)
    for row, (asked, answer) in zip(golden, one.golden, strict=True):
        assert row["answer"] == answer
        assert [m["content"] for m in row["messages"]] == [text for _, text in one.golden_prompts[asked.id]]


@pytest.mark.parametrize("kind", CASES)
def test_jinja_gives_the_same_prompts(kind: str, tmp_path: Path) -> None:
    place, golden = export("jinja", final(kind), tmp_path)
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)  # noqa: S701 - no page
    file = place / "messages.json"
    templates = (
        [m["content"] for m in json.loads(file.read_text())] if file.exists() else [_text(place / "prompt.jinja")]
    )
    assert golden
    for row in golden:
        made = [environment.from_string(text).render(row["inputs"]) for text in templates]
        assert made == [m["content"] for m in row["messages"]]


def _text(path: Path) -> str:
    return path.read_bytes().decode()


@example("{\r")
@example("{}}")
@given(st.text(st.sampled_from("{}%# \n\r-ab" + ODD), max_size=12))
def test_any_text_is_itself_in_jinja(text: str) -> None:
    shown = portable(final("plain"))
    piece = replace(shown.turns[0].pieces[0], text=text, is_field=False)
    assert jinja2.Environment(autoescape=False).from_string(jinja(piece, shown)).render() == text  # noqa: S701


@pytest.mark.parametrize("kind", CASES)
def test_langchain_gives_the_same_prompts(kind: str, tmp_path: Path) -> None:
    place, golden = export("langchain", final(kind), tmp_path)
    content = json.loads(_text(place / "prompt.json"))
    parts = [m["kwargs"]["prompt"] for m in content["kwargs"].get("messages", ())] or [content]
    for row in golden:
        said = [part["kwargs"]["template"].format(**row["inputs"]) for part in parts]
        assert said == [m["content"] for m in row["messages"]]
    load = pytest.importorskip("langchain_core.load", reason="langchain-core is not installed")
    template = load.loads(_text(place / "prompt.json"))
    for row in golden:
        shown = template.invoke(row["inputs"]).to_messages()
        assert [one.content for one in shown] == [m["content"] for m in row["messages"]]


@pytest.mark.parametrize("kind", ["plain", "demonstrations"])
def test_dspy_gets_demonstrations_and_labels(kind: str, tmp_path: Path) -> None:
    one = final(kind)
    place, golden = export("dspy", one, tmp_path)
    state = json.loads(_text(place / "program.json"))
    assert [demo["answer"] for demo in state["demos"]] == [d.target for d in one.prompt.demos.examples]
    assert all(label in state["signature"]["instructions"] for label in LABELS)
    assert golden
    dspy = pytest.importorskip("dspy", reason="dspy is not installed")
    program = dspy.Predict("text -> answer")
    program.load(place / "program.json")
    assert [demo["text"] for demo in program.demos] == [d.inputs["text"] for d in one.prompt.demos.examples]
    assert program.signature.instructions == state["signature"]["instructions"]


@pytest.mark.parametrize("kind", CASES)
def test_promptfoo_compares_baseline_and_best(kind: str, tmp_path: Path) -> None:
    place, golden = export("promptfoo", final(kind), tmp_path)
    config = yaml.safe_load(_text(place / "promptfooconfig.yaml"))
    prompts = {one["label"]: one["raw"] for one in config["prompts"]}
    assert prompts["baseline"] == "{{ text }} was"
    environment = jinja2.Environment(autoescape=False)  # noqa: S701 - Nunjucks has the same marks
    for test, row in zip(config["tests"], golden, strict=True):
        assert test["vars"] == row["inputs"]
        assert test["assert"][0]["value"] == row["answer"]
        if kind != "conversation":
            assert environment.from_string(prompts["best"]).render(test["vars"]) == row["messages"][0]["content"]


def test_a_hub_folder_has_a_card_that_hubs_read_and_is_an_export_itself(tmp_path: Path) -> None:
    from huggingface_hub import ModelCard

    one = final("demonstrations")
    place = EXPORTERS.build(ComponentSpec(type="hub")).export(one, tmp_path)
    card = ModelCard.load(place / "README.md")
    assert "autoprompt-search" in card.data.tags
    (result,) = card.data.eval_results
    assert result.metric_value == one.scores["best"]["test"]["score"]
    golden = [json.loads(line) for line in _text(place / "golden.jsonl").splitlines()]
    predicted = load_prompt(place).predict([row["inputs"] for row in golden])
    assert [p.answer for p in predicted] == [row["prediction"] for row in golden]


def test_a_soft_prompt_leaves_as_its_text_and_says_so(tmp_path: Path) -> None:
    whole = final("plain")
    alone = replace(final("demonstrations"))
    soft = replace(whole, prompt=replace(whole.prompt, soft=_vectors()), text_alone=alone)
    place, golden = export("messages", soft, tmp_path)
    assert "trained vectors" in _text(place / "NOTES.md")
    assert len(golden) == len(alone.golden)
    assert golden[0]["messages"][0]["content"] == alone.golden_prompts[alone.golden[0][0].id][0][1]


def _vectors() -> Any:
    from autoprompt_search.core.prompts import SoftPrompt

    return SoftPrompt("prompt-tuning", 4, "f" * 16, b"x", "0" * 64)


def test_fields_get_names_that_every_language_takes(tmp_path: Path) -> None:
    made = prompt(Template("odd", "{评论} and {Review text} and {Review_text}"))
    example = Example("a", {"评论": "一", "Review text": "b", "Review_text": "c"}, LABELS[0])
    one = replace(
        final_prompt(),
        prompt=made,
        fields=tuple(example.inputs),
        golden=((example, LABELS[0]),),
        golden_prompts={"a": said_in_turns(render_all(made, [example], None)[0])},
    )
    place, (row,) = export("jinja", one, tmp_path)
    assert all(name.isascii() and name.isidentifier() for name in row["inputs"])
    assert len(row["inputs"]) == 3
    made_text = jinja2.Environment(autoescape=False).from_string(_text(place / "prompt.jinja")).render(row["inputs"])  # noqa: S701
    assert made_text == "一 and b and c"


@pytest.mark.slow
def test_mlflow_loads_the_model_and_registers_the_text(tmp_path: Path) -> None:
    import mlflow

    one = final("demonstrations")
    place, golden = export("mlflow", one, tmp_path)
    said = json.loads(_text(place / "prompt.json"))
    for row in golden:
        text = said["template"]
        for name, value in row["inputs"].items():
            text = text.replace("{{" + name + "}}", value)
        assert text == row["messages"][0]["content"]
    model = mlflow.pyfunc.load_model(str(place / "model"))
    assert list(model.predict([row["inputs"] for row in golden])) == [row["answer"] for row in golden]
