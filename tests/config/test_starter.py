"""`init` writes a file that can be run, whatever the data look like."""

import csv
import json

import pytest

from autoprompt_search.config import check_data, load_config
from autoprompt_search.config.starter import Told, rungs_for, starter, starter_for
from autoprompt_search.core.errors import ConfigError
from autoprompt_search.tasks import TASKS
from autoprompt_search.testing.tiny import tiny_model


def write(path, rows):
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return str(path)


def rows(number, labels, **more):
    return [
        {"text": f"row {i} about item {i * 7} and so on {i * 13}", "label": labels[i % len(labels)], **more}
        for i in range(number)
    ]


def load(tmp_path, made, *overrides):
    path = tmp_path / "space.yaml"
    path.write_text(made.text, encoding="utf-8")
    config = load_config(path, overrides)
    task = TASKS.build(config.task)
    assert check_data(config, task.load(config.seed), task.answers) == []
    return config


@pytest.mark.parametrize(
    "labels",
    [
        ["positive", "negative"],
        ["yes", "no"],
        ["0", "1"],
        ["true", "false"],
        ["Card_Arrival", "card arrival", "x"],
        ["a: b", "#c", "{d}", "'e'", '"f"'],
        [f"label {i}" for i in range(20)],
    ],
)
def test_the_file_is_sound_for_any_labels(tmp_path, labels):
    data = write(tmp_path / "my data.csv", rows(max(60, 12 * len(labels)), labels))
    config = load(tmp_path, starter(data, ["text"], "label", "gpt2"))
    assert config.name == "my-data"
    assert {t.style for t in config.templates.values()} == {"statement", "question", "instruction"}
    assert sorted(config.task.options["labels"]) == sorted(labels)
    assert config.rungs[-1] == config.task.options["splits"]["dev"]


def test_columns_with_odd_names_and_several_of_them(tmp_path):
    data = write(tmp_path / "pairs.csv", [{**r, "2nd/text": "more", "Über uns": "noch"} for r in rows(60, ["a", "b"])])
    config = load(tmp_path, starter(data, ["text", "2nd/text", "Über uns"], "label", "gpt2"))
    assert list(config.task.options["text"].values()) == ["text", "2nd/text", "Über uns"]
    for template in config.templates.values():
        assert template.text.count("{") >= 3


def test_long_texts_are_cut_and_get_no_demonstrations(tmp_path):
    path = tmp_path / "long.jsonl"
    path.write_text(
        "".join(json.dumps({**r, "text": r["text"] + " word" * 2000}) + "\n" for r in rows(60, ["a", "b"])),
        encoding="utf-8",
    )
    made = starter(str(path), ["text"], "label", "gpt2")
    config = load(tmp_path, made)
    assert "demos.strategy" not in config.space.root
    assert config.task.options["max_chars"]
    assert any("cut" in note for note in made.notes)


def test_the_soft_prompt_lines_work_when_the_hash_is_taken_away(tmp_path):
    made = starter(write(tmp_path / "d.csv", rows(60, ["a", "b"])), ["text"], "label", "gpt2")
    text = made.text.replace("  # soft.", "  soft.")
    (tmp_path / "space.yaml").write_text(text, encoding="utf-8")
    assert {"soft.method", "soft.tokens", "soft.lr"} <= set(load_config(tmp_path / "space.yaml").space.root)


def test_rungs_grow_and_end_at_the_dev_split():
    assert rungs_for(512) == [32, 128, 512]
    assert rungs_for(60) == [15, 60]
    assert rungs_for(10) == [10]


def test_a_model_with_a_chat_template_gets_a_space_that_can_use_it(tmp_path):
    data = write(tmp_path / "d.csv", rows(60, ["a", "b"]))
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "chat_template.jinja").write_text("{{ messages }}", encoding="utf-8")
    space = load(tmp_path, starter(data, ["text"], "label", str(tmp_path / "model"))).space
    assert space.root["layout.chat"].values == ["none", "template"]
    assert space.root["layout.chat_demos"].when == {"layout.chat": ["template"]}
    assert "layout.chat" not in load(tmp_path, starter(data, ["text"], "label", "gpt2")).space.root


def made(tmp_path, some, text=("text",), label="label", **more):
    return starter(write(tmp_path / "d.csv", some), list(text), label, "gpt2", **more)


def test_templates_speak_of_texts_and_labels_as_the_user_does(tmp_path):
    told = Told("review", "Did the buyer like it")
    config = load(tmp_path, made(tmp_path, rows(60, ["positive", "negative"]), told=told))
    assert config.templates["instruction"].instruction == (
        "Read the review. Did the buyer like it? Answer with negative or positive."
    )
    assert "Question: Did the buyer like it: negative or positive?" in config.templates["question"].text
    assert config.templates["cloze"].text == "{text}{@sep}The sentiment of this review is"


@pytest.mark.parametrize(
    ("column", "label", "labels", "wanted"),
    [
        ("review", "label", ["positive", "negative"], "What is the sentiment of the review: negative or positive?"),
        ("tweets", "emotion", ["glad", "sad"], "What is the emotion of the tweet: glad or sad?"),
        ("text", "target", ["a", "b"], "Which label fits the text: a or b?"),
        ("text", "intent", [f"intent {i}" for i in range(12)], "What is the intent of the text?"),
    ],
)
def test_names_of_columns_and_labels_say_what_to_ask(tmp_path, column, label, labels, wanted):
    some = [{column: r["text"], label: r["label"]} for r in rows(12 * len(labels), labels)]
    config = load(tmp_path, made(tmp_path, some, [column], label))
    assert f"Question: {wanted}" in config.templates["question"].text


def test_pairs_with_labels_of_a_relation_are_asked_about_it(tmp_path):
    some = [{**r, "text_pair": "more"} for r in rows(60, ["entailment", "not_entailment"])]
    config = load(tmp_path, made(tmp_path, some, ["text", "text_pair"]))
    assert config.templates["baseline"].text == ("{@Premise}: {text}{@sep}{@Hypothesis}: {text_pair}{@sep}{@Label}:")
    assert "Does it follow that {text_pair}" in config.templates["question"].text
    assert config.verbalizers["answers"] == {"entailment": ("yes",), "not_entailment": ("no",)}
    assert config.space.root["answer.normalise"].values == ["none", "token", "pmi"]


def test_the_users_own_question_stands_before_that_of_a_relation(tmp_path):
    some = [{**r, "text_pair": "more"} for r in rows(60, ["entailment", "not_entailment"])]
    config = load(tmp_path, made(tmp_path, some, ["text", "text_pair"], told=Told(ask="Is it so?")))
    assert "Question: Is it so: entailment or not entailment?" in config.templates["question"].text


def test_braces_of_labels_are_braces_for_the_model(tmp_path):
    config = load(tmp_path, made(tmp_path, rows(60, ["{a}", "b"])))
    assert "Answer with b or {a}." in config.templates["instruction"].instruction
    assert "b or {{a}}?" in config.templates["question"].text


def test_the_field_names_of_other_pairs_are_words(tmp_path):
    some = [{**r, "text_pair": "more"} for r in rows(60, ["a", "b"])]
    assert load(tmp_path, made(tmp_path, some, ["text", "text_pair"])).templates["baseline"].text == (
        "{@Text}: {text}{@sep}{@Text pair}: {text_pair}{@sep}{@Label}:"
    )


def test_room_and_time_are_those_of_the_model_at_hand(tmp_path):
    data = write(tmp_path / "d.csv", [{**r, "text": r["text"] + " good" * 560} for r in rows(36, ["a", "b"])])
    model = str(tiny_model(tmp_path / "model", "llama", context=4096))
    path = tmp_path / "space.yaml"
    made = starter_for("classification", data, ["text"], "label", model, timing=True)
    path.write_text(made.text, encoding="utf-8")
    assert load_config(path).task.options.get("max_chars") is None
    assert made.notes[-1].startswith("one prompt takes ")
    assert "5,000 forward passes" in made.notes[-1]
    untimed = starter_for("classification", data, ["text"], "label", model)
    assert (untimed.text, untimed.notes) == (made.text, made.notes[:-1])


def test_words_for_a_classification_are_refused_for_other_tasks(tmp_path):
    with pytest.raises(ConfigError, match="--noun and --ask"):
        starter_for("generation", "d.csv", [], None, "gpt2", told=Told("review"))
