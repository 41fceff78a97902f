"""A search in a model's own chat template: from the space file to a script that needs no package of ours."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from transformers import AutoTokenizer

from autoprompt_search import load_prompt, search
from autoprompt_search.config import load_config
from autoprompt_search.testing.tiny import tiny_model

TEMPLATE = """\
{{- bos_token }}
{%- if messages[0]['role'] != 'system' %}
{{- '<head>system</head>Be kind. ' + strftime_now('%d %b %Y') + '</s>' }}{% endif %}
{%- for message in messages %}
{{- '<head>' + message['role'] + '</head>' + message['content'] | trim + '</s>' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<head>assistant</head>' }}{% endif %}"""
WORDS = {"bad": ("dull", "awful"), "good": ("lovely", "great")}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tiny_model(tmp_path_factory.mktemp("chat") / "model", "llama", context=256)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)
    return folder


def space(folder: Path, model: Path, **changes: Any) -> Path:
    rows = [
        {"text": f"film {i} was {word}", "label": label}
        for i in range(20)
        for label, words in WORDS.items()
        for word in words
    ]
    (folder / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    content = {
        "name": "turns",
        "task": {
            "type": "classification", "data": str(folder / "data.jsonl"), "text": "text", "label": "label",
            "labels": ["bad", "good"], "splits": {"train": 20, "dev": 20, "test": 30},
        },
        "backend": {"type": "hf-causal", "model": str(model)},
        "templates": {"plain": {"text": "Review {{it}}: {text}", "instruction": "It is good or bad"}},
        "space": {
            "layout.chat": "template",
            "layout.system": {"kind": "choice", "values": ["none", "instruction", "Judge."]},
            "layout.answer_prefix": {"kind": "choice", "values": ["It was", "none"]},
            "demos.strategy": {"kind": "choice", "values": ["random", "none"]},
            "demos.k": {"kind": "int", "low": 2, "high": 2, "when": {"demos.strategy": ["random"]}},
            "layout.chat_demos": {"kind": "choice", "values": ["turns", "message"]},
        },
        "rungs": [20],
        "budget": {"trials": 6},
        "runner": {"type": "local"},
        "tracker": {"type": "none"},
        **changes,
    }  # fmt: skip
    path = folder / "space.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return path


@pytest.mark.slow
@pytest.mark.parametrize(("demos", "prefix"), [("turns", "It was"), ("message", "none")])
def test_what_was_searched_is_what_is_exported_and_what_the_script_reads(
    tmp_path: Path, model: Path, demos: str, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    chosen = [f"space.layout.answer_prefix={prefix}", f"space.layout.chat_demos={demos}"]
    config = load_config(space(tmp_path, model), chosen)
    result = search(config, out=tmp_path / "out")
    folder = result.folder / "best_prompt"
    page = yaml.safe_load((folder / "prompt.yaml").read_text(encoding="utf-8"))
    said = page["rendered"]
    assert said["messages"][-1] == {"role": "user", "content": said["messages"][-1]["content"]}
    assert "Review {{it}}: {text}" in said["messages"][-1]["content"]
    assert said["answer_prefix"] == ("" if prefix == "none" else prefix)
    assert page["chat"]["text"].startswith("<s>")
    assert "<head>user</head>" in page["chat"]["text"]
    golden = [json.loads(line) for line in (folder / "golden.jsonl").read_text(encoding="utf-8").splitlines()]
    bos = AutoTokenizer.from_pretrained(model).bos_token_id
    assert golden
    assert all(row["ids"][0] == bos and row["ids"].count(bos) == 1 for row in golden)

    prompt = load_prompt(folder)
    rows = [row["inputs"] for row in golden]
    assert [one.label for one in prompt.predict(rows)] == [row["prediction"] for row in golden]

    card = (folder / "README.md").read_text(encoding="utf-8")
    script = re.findall(r"```python\n(.*?)```", card, re.DOTALL)[-1]
    (tmp_path / "script.py").write_text(script, encoding="utf-8")
    bare = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    assert 'row["ids"]' in script
    subprocess.run([sys.executable, str(tmp_path / "script.py"), str(model)], cwd=folder, env=bare, check=True)


def test_a_system_message_does_not_age_and_the_same_search_twice_computes_nothing(tmp_path: Path, model: Path) -> None:
    path = space(tmp_path, model, budget={"trials": 4})
    first = search(load_config(path), out=tmp_path / "out")
    own = [r.preview for r in first.records if r.params["layout.system"] == "none"]
    assert own
    assert all("<head>system</head>Be kind. 26 Jul 2024</s>" in preview for preview in own)
    again = search(load_config(path), out=tmp_path / "out")
    assert again.data["new_forward_passes"] == 0
