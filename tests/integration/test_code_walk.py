"""A search for programs from file to verdict: the tests decide, and the export says what the search said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from autoprompt_search import load_config, search
from autoprompt_search.cli.predict import evaluate_file, predict_rows
from autoprompt_search.core.errors import ConfigError
from autoprompt_search.sandbox.verdicts import sandbox

from .conftest import BASE

pytestmark = [
    pytest.mark.skipif(sandbox() is None, reason="bubblewrap cannot make a sandbox on this machine"),
    pytest.mark.slow,
]
PROGRAMS = {
    "double": "def f(x):\n    return 2 * x",
    "square": "def f(x):\n    return x * x",
    "negate": "def f(x):\n    return -x",
}
"""Word of a description -> the right program, which is wrong for the others."""


def test_from_rows_with_tests_to_a_verdict_and_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    words = list(PROGRAMS)
    rows = [
        {
            "text": f"number {n}: {words[n % 3]} it, please, {n * 7}",
            "code": PROGRAMS[words[n % 3]],
            "test_list": [
                f"assert f({k}) == {({'double': 2 * k, 'square': k * k, 'negate': -k})[words[n % 3]]}" for k in (3, 5)
            ],
        }
        for n in range(90)
    ]
    Path("rows.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows))
    space = {
        **BASE,
        "task": {
            "type": "code",
            "data": "rows.jsonl",
            "allow_code_execution": True,
            "metrics": ["compile_rate"],
            "splits": {"train": 20, "dev": 24, "test": 46},
        },
        "backend": {
            "type": "scripted",
            "replies": {word: f"```python\n{code}\n```" for word, code in PROGRAMS.items()},
        },
        "templates": {"baseline": {"text": "{text} {entry_point}:"}, "other": {"text": "Please: {text}"}},
        "answer": {"tokens": 64},
        "space": {
            "template": {"kind": "choice", "values": ["baseline", "other"]},
            "layout.casing": {"kind": "choice", "values": ["as-is", "upper"]},
            "demos.strategy": {"kind": "choice", "values": ["none", "random"]},
            "demos.k": {"kind": "int", "low": 1, "high": 3, "when": {"demos.strategy": ["random"]}},
        },
        "rungs": [12, 24],
        "budget": {"trials": 8},
    }
    Path("space.yaml").write_text(yaml.safe_dump(space, sort_keys=False))
    result = search(load_config("space.yaml"), progress=False)
    best = result.data["best"]["test"]
    assert 0 < best["score"] <= 1
    report = (result.folder / "report.html").read_text()
    assert "Program: passed its tests" in report

    sealed = {e.id for e in load_task_test(space)}
    held_out = [row for number, row in enumerate(rows, 1) if any(i.endswith(f":{number}") for i in sealed)]
    Path("test.jsonl").write_text("".join(json.dumps(one) + "\n" for one in held_out))
    prompt = result.folder / "best_prompt"
    common = {"text": (), "label": None, "metric": None, "backend": ()}
    with pytest.raises(ConfigError, match="--allow-code-execution"):
        evaluate_file(prompt, Path("test.jsonl"), **common)
    measured = evaluate_file(prompt, Path("test.jsonl"), **common, runs_programs=True)
    assert measured.scores["pass_at_1"].score == pytest.approx(best["score"])
    Path("new.jsonl").write_text(json.dumps({"text": "number 5: double it, please", "entry_point": "f"}) + "\n")
    predict_rows(prompt, "new.jsonl", "out.jsonl", text=(), backend=(), batch=4)
    assert json.loads(Path("out.jsonl").read_text())["prediction"] in PROGRAMS.values()


def load_task_test(space: dict) -> tuple:
    from autoprompt_search.core.registry import ComponentSpec
    from autoprompt_search.tasks import TASKS

    return TASKS.build(ComponentSpec(**space["task"])).load(space["seed"]).test
