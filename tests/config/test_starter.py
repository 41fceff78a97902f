"""`init` writes a file that can be run, whatever the data look like."""

import csv
import json

import pytest

from autoprompt_search.config import check_data, load_config
from autoprompt_search.config.starter import rungs_for, starter
from autoprompt_search.tasks import TASKS


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
