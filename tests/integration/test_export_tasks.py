"""`evaluate` of the exported prompt on the test rows says what the search said, whatever the task's rows look like."""

from __future__ import annotations

import contextlib
import io
import json
import math
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from autoprompt_search import load_config, search
from autoprompt_search.cli.predict import evaluate_file, predict_rows

from .conftest import BASE

WEATHER = {"rain": "it was wet", "sun": "it was warm", "snow": "it was so very cold"}
SIZES = {"train": 16, "dev": 24, "test": 30}
Record = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """A task over weather reports."""

    task: Record
    """Its options beside the data."""
    write: Callable[[int, str, str], Record]
    """A row, of its number, of what is told about the weather and of the right answer."""
    shown: str
    """The fields, as templates name them."""
    answer: Record
    ask: Callable[[Record], Record] = lambda row: row
    """The row as one writes it who does not know the answer."""


def _told(number: int, cue: str) -> str:
    return f"day {number} had {cue} {'and clouds ' * (number % 4)}over {number * 7}"


TEXT = {"by": "text", "tokens": 6, "stop": ["\n"]}


def several(draw: st.DrawFn) -> Case:
    """References in two columns, of which the second may be empty."""
    metric = draw(st.sampled_from(["exact_match", "squad_f1", "chrf"]))
    return Case(
        {"type": "generation", "text": {"body": "report"}, "target": ["said", "also"], "metric": metric},
        lambda n, told, right: {"report": told, "said": [["so so"], right][n % 2], "also": [right, ""][n % 2]},
        "{body}",
        TEXT,
    )


def squad(draw: st.DrawFn) -> Case:
    """Contexts and questions with answers as SQuAD writes them, in version 2.0 some without one."""
    version = draw(st.sampled_from(["1.1", "2.0"]))
    metric = draw(st.sampled_from({"1.1": ["squad_f1", "squad_em"], "2.0": ["squad2_f1", "squad2_em"]}[version]))
    unanswered = [0] if version == "2.0" else []
    return Case(
        {"type": "question-answering", "version": version, "no_answer": "it was wet", "metric": metric},
        lambda n, told, right: {
            "context": told,
            "question": f"how was day {n}?",
            "answers": {"text": [] if n % 5 in unanswered else [right, "so so"], "answer_start": [0, 0]},
        },
        "{context} {question}",
        TEXT,
    )


def choice(draw: st.DrawFn) -> Case:
    """Options in a list, in columns, or with labels of their own; the right one by text, place or letter."""
    gold = draw(st.sampled_from(["text", "index", "letter"]))
    way = draw(st.sampled_from(["list", "columns", "labelled"]))
    replies = [*WEATHER.values()]

    def write(number: int, told: str, right: str) -> Record:
        options = replies[number % 3 :] + replies[: number % 3]
        if right == "something else":
            options[0] = right
        place = options.index(right)
        named = {"text": right, "index": place, "letter": "ABC"[place]}[gold]
        own = {
            "list": {"choices": options},
            "columns": dict(zip(["a", "b", "c"], options, strict=True)),
            "labelled": {"choices": {"text": options, "label": ["A", "B", "C"]}},
        }[way]
        return {"question": told, **own, "key": named}

    task = {
        "type": "multiple-choice",
        "options": ["a", "b", "c"] if way == "columns" else "choices",
        "target": "key",
        "gold": gold if way != "labelled" else draw(st.sampled_from([gold, "auto"])) if gold != "index" else gold,
    }
    shown = draw(st.sampled_from(["{question}", "{question} {options}"]))
    return Case(task, write, shown, {**TEXT, "parser": "verbatim"})


def response(draw: st.DrawFn) -> Case:
    """Turns of which the last is the answer."""
    kind = draw(st.sampled_from(["objects", "named", "bare"]))

    def turn(speaker: str, text: str) -> Any:
        return {
            "objects": {"role": speaker.lower(), "content": text},
            "named": f"{speaker}: {text}",
            "bare": text,
        }[kind]

    def write(number: int, told: str, right: str) -> Record:
        before = [turn("Ann", "hello"), turn("Bob", "hi")] * (number % 3)
        return {"talk": [*before, turn("Ann", told), turn("Bob", right)]}

    most = draw(st.sampled_from([None, 1, 3]))
    task = {"type": "dialogue", "turns": "talk", "metric": "exact_match", **({"max_turns": most} if most else {})}

    def ask(row: Record) -> Record:
        said = row["talk"][:-1]
        return {**row, "talk": said, **({"speaker": "Bob"} if len(said) == 1 and kind != "bare" else {})}

    return Case(task, write, "{dialogue} {speaker}:", TEXT, ask)


def summary(draw: st.DrawFn) -> Case:
    """Turns, or one text, with a summary."""
    is_text = draw(st.booleans())
    task = {"type": "dialogue", "turns": "talk", "target": "short", "text": ["place"], "metric": "rouge1"}
    cut = draw(st.sampled_from([None, 40]))
    return Case(
        {**task, **({"max_chars": cut} if cut else {})},
        lambda n, told, right: {
            "talk": f"Ann: {told}\nBob: I see" if is_text else [f"Ann: {told}", "Bob: I see"],
            "place": f"town {n}",
            "short": right if n % 2 else [right, "so so"],
        },
        "{place} {dialogue}",
        TEXT,
    )


CASES = {"several": several, "squad": squad, "choice": choice, "response": response, "summary": summary}


@st.composite
def searches(draw: st.DrawFn) -> tuple[Record, Mapping[str, list[Record]], Case]:
    """A configuration, its rows by split, and the case."""
    case = CASES[draw(st.sampled_from(sorted(CASES)))](draw)
    cues = draw(st.permutations(sorted(WEATHER)))
    rows = []
    for number in range(sum(SIZES.values())):
        cue = cues[number * number % 3]
        right = "something else" if number % 7 == 3 else WEATHER[cue]
        rows.append({**case.write(number, _told(number, cue), right), "id": number})
    parts, start = {}, 0
    for split, size in SIZES.items():
        parts[split], start = rows[start : start + size], start + size
    strategy = draw(st.sampled_from(["none", "random", "knn"]))
    points = {
        "template": "baseline",
        "layout.casing": draw(st.sampled_from(["as-is", "upper"])),
        "demos.strategy": strategy,
        **({} if strategy == "none" else {"demos.k": draw(st.integers(2, 3))}),
    }
    config = {
        **BASE,
        "task": {**case.task, "data": {split: f"{split}.jsonl" for split in SIZES}},
        "answer": case.answer,
        "backend": {"type": "scripted", "skill": 0.7, "replies": WEATHER, "cues": {v: k for k, v in WEATHER.items()}},
        "templates": {"baseline": {"text": f"{case.shown} {{@Said}}:"}},
        "space": {name: {"kind": "choice", "values": [value]} for name, value in points.items()},
        "rungs": [12, 24],
        "budget": {"trials": 1},
    }
    return config, parts, case


@pytest.mark.slow
@settings(deadline=None, max_examples=20)
@given(searches())
def test_evaluate_says_what_a_search_of_any_task_said(
    drawn: tuple[Record, Mapping[str, list[Record]], Case],
) -> None:
    config, parts, case = drawn
    with tempfile.TemporaryDirectory() as made, contextlib.chdir(made):
        for split, rows in parts.items():
            _save(f"{split}.jsonl", rows)
        Path("space.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
        result = search(load_config(Path("space.yaml")))
        best, measured = result.folder / "best_prompt", result.data["best"]["test"]
        found = evaluate_file(best, Path("test.jsonl"), text=(), label=None, metric=None, backend=())
        assert found.examples == measured["examples"] == SIZES["test"]
        # The rows come in another order than in the search, which rounds a sum of fractions otherwise.
        assert math.isclose(found.scores[found.metric].score, measured["score"], rel_tol=1e-14)
        assert 0 < measured["score"] < 1
        _save("asked.jsonl", [case.ask(row) for row in parts["test"]])
        with contextlib.redirect_stderr(io.StringIO()):
            predict_rows(best, "asked.jsonl", "out.jsonl", text=(), backend=(), batch=7)
        said = [json.loads(line) for line in Path("out.jsonl").read_text(encoding="utf-8").splitlines()]
        assert [row["prediction"] or "" for row in said] == [p.answer for p in found.predictions]
        assert [row["id"] for row in said] == [row["id"] for row in parts["test"]]


def _save(name: str, rows: list[Record]) -> None:
    Path(name).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
