"""`init --task` writes a file that can be run, with columns, tokens and stop strings guessed from the data."""

import json

import pytest

from autoprompt_search.config import check_data, load_config
from autoprompt_search.config.starter import starter_for
from autoprompt_search.core.errors import ConfigError
from autoprompt_search.prompting import data_fields
from autoprompt_search.sandbox.verdicts import sandbox
from autoprompt_search.tasks import TASKS

ROWS = {
    "generation": lambda i: {"id": i, "source": f"one {i} two {i * 7} three", "target": f"uno {i} dos"},
    "question-answering": lambda i: {"context": f"it is {i * 7} o", "question": f"what {i}?", "answers": [f"it {i}"]},
    "multiple-choice": lambda i: {"question": f"which {i} of {i * 7}?", "options": [f"a{i}", f"b{i}"], "answer": i % 2},
    "dialogue": lambda i: {"turns": [f"hello {i} and {i * 7} too", f"good {i}"]},
}


def make(tmp_path, task, row, text=(), label=None):
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(row(i)) + "\n" for i in range(90)), encoding="utf-8")
    made = starter_for(task, str(data), text, label, "gpt2")
    (tmp_path / "space.yaml").write_text(made.text, encoding="utf-8")
    config = load_config(tmp_path / "space.yaml", ())
    built = TASKS.build(config.task)
    assert check_data(config, built.load(config.seed), built.answers) == []
    assert {t.style for t in config.templates.values()} == {"statement", "question", "instruction"}
    for template in config.templates.values():
        assert set(data_fields(template.text)) == set(built.fields)
    return config


@pytest.mark.parametrize("task", ROWS)
def test_the_file_is_sound_for_every_task(tmp_path, task):
    config = make(tmp_path, task, ROWS[task])
    assert config.task.type == task
    assert (config.answer.by, config.answer.stop, config.answer.parser) == ("text", ("\n",), "first-line")


def test_tokens_cover_95_of_100_references(tmp_path):
    def length(i, long):
        return 300 if i < long else 30

    config = make(tmp_path, "generation", lambda i: {"text": f"a {i} b {i * 7}", "target": "x" * length(i, 9)})
    assert config.answer.tokens == 300 // 3 + 4
    config = make(tmp_path, "generation", lambda i: {"text": f"a {i} b {i * 7}", "target": "x" * length(i, 3)})
    assert config.answer.tokens == 30 // 3 + 4


@pytest.mark.parametrize(("end", "stop"), [("\n", ("\n\n",)), ("\n\n", ())])
def test_references_of_several_lines_are_read_whole(tmp_path, end, stop):
    config = make(tmp_path, "generation", lambda i: {"text": f"a {i} b {i * 7}", "target": f"x{end}y"})
    assert (config.answer.stop, config.answer.parser) == (stop, "verbatim")


def test_arithmetic_with_a_rationale(tmp_path):
    row = {"rationale": "1 + 1 = 2", "answer": "2"}
    config = make(tmp_path, "question-answering", lambda i: {"question": f"how {i} many {i * 7}?", **row})
    assert config.task.options["target"] == ["rationale", "answer"]
    assert (config.task.options["metric"], config.answer.parser) == ("numeric_equality", "last-number")


def test_dialogues_with_a_summary(tmp_path):
    config = make(tmp_path, "dialogue", lambda i: {**ROWS["dialogue"](i), "summary": f"s {i}"})
    assert config.task.options["target"] == "summary"
    assert "Summary" in config.templates["baseline"].text


def test_columns_that_are_named_win(tmp_path):
    row = {"source": "same", "target": "same", "out": "o"}
    config = make(tmp_path, "generation", lambda i: {**row, "in/put": f"a {i} b {i * 7}"}, ["in/put"], "out")
    assert config.task.options["target"] == "out"
    assert config.task.options["text"] == {"in_put": "in/put"}


def test_options_in_columns_of_their_own(tmp_path):
    row = {"sol1": "left", "sol2": "right"}
    config = make(tmp_path, "multiple-choice", lambda i: {"goal": f"a {i} b {i * 7}", **row, "label": i % 2})
    assert config.task.options["options"] == ["sol1", "sol2"]


def test_long_texts_are_cut_and_long_conversations_lose_their_first_turns(tmp_path):
    config = make(tmp_path, "generation", lambda i: {"text": f"a {i} b {i * 7}" + " word" * 900, "target": "x"})
    assert config.task.options["max_chars"] == 2700
    assert "demos.strategy" not in config.space.root
    config = make(tmp_path, "dialogue", lambda i: {"turns": [f"a {i} b {i * 7}" + " word" * 900, "yes"]})
    assert config.task.options["max_turns"] == 8


@pytest.mark.parametrize(
    ("task", "row", "message"),
    [
        ("generation", {"text": "a"}, "--label: no column looks like the right answer: name it; the data have text"),
        ("generation", {"x": "a", "target": "b"}, "--text: no column looks like the text: name it"),
        (
            "multiple-choice",
            {"question": "a", "answer": "b"},
            "--data: no column looks like the options",
        ),
        ("dialogue", {"x": "a"}, "--text: no column looks like the turns"),
        ("ranking", {"x": "a"}, "--task: no starter for 'ranking'; there is one for classification, generation"),
        ("classification", {"x": "a"}, "--text: a classification needs it"),
    ],
)
def test_what_cannot_be_guessed_is_asked_for(tmp_path, task, row, message):
    with pytest.raises(ConfigError) as caught:
        make(tmp_path, task, lambda _: row)
    assert message in str(caught.value)


@pytest.mark.skipif(sandbox() is None, reason="bubblewrap cannot make a sandbox on this machine")
def test_rows_with_tests_get_a_space_for_programs(tmp_path):
    rows = [
        {"text": f"Add {n}.", "code": f"def f(x):\n    return x + {n}", "test_list": [f"assert f(1) == {n + 1}"]}
        for n in range(60)
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    made = starter_for("code", str(path), (), None, "gpt2")
    (tmp_path / "space.yaml").write_text(made.text, encoding="utf-8")
    config = load_config(tmp_path / "space.yaml")
    assert config.task.options["tests"] == "test_list"
    assert config.task.options["allow_code_execution"] is True
    assert config.answer.parser == "program"
    assert "{entry_point}" in config.templates["baseline"].text
