"""The space file of every task passes `check` on rows as the data it names have them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autoprompt_search.cli.check import inspect
from autoprompt_search.embedded import GPT_FOLDER
from autoprompt_search.sandbox.verdicts import sandbox

SPACES = Path(__file__).parents[2] / "search_spaces"
TEMPLATE = (
    "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)
Row = Callable[[int], dict[str, Any]]
ROWS: dict[str, Row] = {
    "translation": lambda n: {"en": f"Two dogs run over {n} fields.", "de": f"Zwei Hunde laufen über {n} Felder."},
    "summarisation": lambda n: {
        "article": f"The town of number {n} has opened a bridge. " * 3,
        "highlights": f"Bridge {n} opened.\nThe town is glad.",
        "id": str(n),
    },
    "instruction_induction": lambda n: {"input": f"The cat saw {n} mice.", "output": f"{n} mice were seen by the cat."},
    "extractive_qa": lambda n: {
        "id": str(n),
        "title": "Bridges",
        "context": f"The bridge of town {n} was built by {n} men.",
        "question": f"Who built bridge {n}?",
        "answers": {"text": [f"{n} men", f"by {n} men"], "answer_start": [31, 28]},
    },
    "arithmetic": lambda n: {
        "question": f"Ann has {n} pears and buys 2. How many has she?",
        "answer": f"She has {n} + 2 = <<{n}+2={n + 2}>>{n + 2} pears.\n#### {n + 2}",
    },
    "dialogue": lambda n: {
        "dialogue": f"Ann: see you at {n}?\r\nBob: fine\r\nAnn: good",
        "summary": f"Ann and Bob meet at {n}.",
        "id": str(n),
    },
    "multiple_choice": lambda n: {
        "question": f"Which of these is thing {n}?",
        "choices": {"text": [f"stone {n}", "water", "air", "fire"], "label": ["A", "B", "C", "D"]},
        "answerKey": "ABCD"[n % 4],
    },
    "code": lambda n: {
        "text": f"Write a function that adds {n}.",
        "code": f"def add_{n}(x):\n    return x + {n}",
        "test_list": [f"assert add_{n}(1) == {n + 1}"],
        "test_setup_code": "",
    },
    "chat_classification": lambda n: {"text": f"Team {n} has won the game.", "label": n % 4},
    "pairs": lambda n: {"sentence1": f"Ann bought {n} pears.", "sentence2": "Ann bought fruit.", "label": n % 2},
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model with a chat template."""
    folder = tmp_path_factory.mktemp("models") / "chat"
    shutil.copytree(GPT_FOLDER, folder)
    (folder / "chat_template.jinja").write_text(TEMPLATE, encoding="utf-8")
    return folder


@pytest.mark.parametrize("name", ROWS)
def test_the_space_of_a_task_fits_data_of_its_format(name: str, model: Path, tmp_path: Path) -> None:
    if name == "code" and sandbox() is None:
        pytest.skip("bubblewrap cannot make a sandbox on this machine")
    lines = (json.dumps(ROWS[name](number)) + "\n" for number in range(80))
    (tmp_path / "rows.jsonl").write_text("".join(lines), encoding="utf-8")
    small = [f"task.data={tmp_path / 'rows.jsonl'}", "task.splits={train: 20, dev: 20, test: 40}", "rungs=[20]"]
    few = ["space.demos.k.high=2", f"backend.model={model}"]
    checked = inspect(SPACES / f"{name}.yaml", [*small, *few])
    assert checked.samples
    assert checked.longest <= 512
    assert len(checked.splits.dev) == 20
