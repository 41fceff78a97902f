"""The chat template in a space: what is wrong, what is advised, and what a first file says about it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from autoprompt_search.config.rules_chat import chat_advice, chat_points, names_chat_template, uses_chat
from autoprompt_search.config.starter_text import chat_lines
from autoprompt_search.core.answers import AnswerForm

CHAT: dict[str, Any] = {
    "layout.chat": {"kind": "choice", "values": ["none", "template"]},
    "layout.system": {
        "kind": "choice", "values": ["none", "instruction", "Judge."], "when": {"layout.chat": ["template"]},
    },
    "layout.answer_prefix": {"kind": "choice", "values": ["none", "It is"], "when": {"layout.chat": ["template"]}},
    "layout.chat_demos": {"kind": "choice", "values": ["turns", "message"], "when": {"layout.chat": ["template"]}},
}  # fmt: skip


@pytest.fixture
def chatting(space_file):
    space_file.data["backend"] = {"type": "hf-causal", "model": "builtin:gpt"}
    space_file.data["space"] |= {name: {**param} for name, param in CHAT.items()}
    return space_file


class Model:
    has_chat_template = True
    special_tokens = ("<|im_start|>", "<|im_end|>")


def test_a_sound_space_composes_every_chat(chatting):
    config = chatting.load()
    assert uses_chat(config.space)
    points = chat_points(config.space)
    assert points[0] == {}
    assert len(points) == 1 + 3 * 2 * 2
    book = config.book(AnswerForm(labels=("neg", "pos")))
    chats = [book.compose(point).chat for point in points]
    assert chats[0] is None
    assert {(c.system, c.has_system_instruction) for c in chats if c} == {("", False), ("", True), ("Judge.", False)}
    assert {(c.demos, c.prefix) for c in chats if c} == {(d, p) for d in ("turns", "message") for p in ("", "It is")}
    assert len({book.compose(point).fingerprint for point in points}) == len(points)


CASES = {
    "a backend without turns": (
        lambda d: d.update(backend={"type": "hf-seq2seq", "model": "builtin:t5"}),
        ["space.layout.chat.values: 'template' needs a model that answers in turns", "'hf-seq2seq'", "use hf-causal"],
    ),
    "a backend of others": (
        lambda d: d.update(backend={"type": "scripted"}),
        ["space.layout.chat.values: 'template' needs a model that answers in turns", "'scripted'"],
    ),
    "an unknown value": (
        lambda d: d["space"]["layout.chat"].update(values=["none", "templat"]),
        ["space.layout.chat.values: unknown value 'templat'; did you mean 'template'?"],
    ),
    "demonstrations in no known way": (
        lambda d: d["space"]["layout.chat_demos"].update(values=["turn"]),
        ["space.layout.chat_demos.values: unknown value 'turn'; did you mean 'turns'?"],
    ),
    "active in plain text": (
        lambda d: d["space"]["layout.system"].pop("when"),
        ["space.layout.system: is active while layout.chat is 'none'", "add `when: {layout.chat: [template]}`"],
    ),
    "no chat at all": (
        lambda d: [d["space"].pop("layout.chat"), [p.pop("when") for n, p in d["space"].items() if n in CHAT]],
        ["space.layout.system: means nothing without layout.chat", "space.layout.answer_prefix: means nothing"],
    ),
    "a blank prefix": (
        lambda d: d["space"]["layout.answer_prefix"].update(values=["none", " "]),
        ["space.layout.answer_prefix.values: must not be blank (got ' '): write none"],
    ),
    "numbers": (
        lambda d: d["space"].update({"layout.system": {"kind": "int", "low": 1, "high": 2}}),
        ["space.layout.system: must be a choice of texts (got kind 'int')"],
    ),
    "a name that is nearly right": (
        lambda d: d["space"].update({"layout.sytem": "x"}),
        ["space.layout.sytem: unknown parameter 'layout.sytem'; did you mean 'layout.system'?"],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_mistakes(chatting, name):
    change, messages = CASES[name]
    change(chatting.data)
    problems = "\n".join(chatting.problems())
    for message in messages:
        assert message in problems


def test_a_fixed_chat_needs_no_conditions(chatting):
    for name in CHAT:
        chatting.data["space"][name].pop("when", None)
    chatting.data["space"]["layout.chat"] = "template"
    config = chatting.load()
    assert {} not in chat_points(config.space)


def test_check_tells_what_may_have_been_overlooked(space_file):
    space_file.data["templates"]["plain"]["text"] = "<|im_start|>user\n{@Review}: {text}<|im_end|>"
    config = space_file.load()
    first, second = chat_advice(config, Model())
    assert "templates.plain: '<|im_start|>' is a special token of the model, and is read as plain characters" in first
    assert "backend.model: has a chat template, which the space does not use" in second
    assert list(chat_advice(config, object())) == []


def test_nothing_is_advised_where_the_space_uses_it(chatting):
    assert list(chat_advice(chatting.load(), Model())) == []


@pytest.mark.parametrize(
    ("file", "text", "found"),
    [
        ("chat_template.jinja", "{{ messages }}", True),
        ("tokenizer_config.json", '{"chat_template": "{{ messages }}"}', True),
        ("tokenizer_config.json", '{"model_max_length": 8}', False),
        ("tokenizer_config.json", "[]", False),
        ("tokenizer_config.json", "{", False),
        ("config.json", "{}", False),
    ],
)
def test_a_folder_names_a_template_or_not(tmp_path: Path, file: str, text: str, found: bool) -> None:
    (tmp_path / file).write_text(text, encoding="utf-8")
    assert names_chat_template(str(tmp_path)) is found
    assert not names_chat_template("some/hub-name")


def test_the_lines_of_a_first_file_are_sound(chatting):
    import yaml

    for has_demonstrations in (True, False):
        for name in CHAT:
            chatting.data["space"].pop(name, None)
        chatting.data["space"] |= yaml.safe_load(chat_lines(has_demonstrations))
        assert uses_chat(chatting.load().space)
