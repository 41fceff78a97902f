"""`predict` and `evaluate` of an exported prompt that writes text."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from autoprompt_search.cli.predict import evaluate_file, predict_rows
from autoprompt_search.cli.screens import show_evaluation
from autoprompt_search.core.answers import Limits
from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.reading import Reading
from autoprompt_search.exporters.prompt import PromptFolder

from ..exporters.written_text import REPLIES, SCRIPTED, reports, text_final, text_prompt  # noqa: TID252


def folder_of(tmp_path: Path) -> Path:
    backend = {**SCRIPTED, "replies": {**REPLIES, "snow": "it was so very cold"}}
    final = text_final(text_prompt(Limits(5)), backend=backend)
    return PromptFolder().export(replace(final, reading=Reading(label="reference")), tmp_path)


def test_rows_get_the_answer_the_text_and_why_it_ended(tmp_path: Path) -> None:
    rows = [{"text": e.inputs["text"], "n": i} for i, e in enumerate(reports(9))]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    out = tmp_path / "out.jsonl"
    predict_rows(folder_of(tmp_path), str(tmp_path / "in.jsonl"), str(out), text=(), backend=(), batch=4)
    said = [json.loads(line) for line in out.read_text().splitlines()]
    assert [{k: row[k] for k in ("text", "n")} for row in said] == rows
    assert {tuple(row) for row in said} == {("text", "n", "prediction", "completion", "finish", "unscored")}
    cut = [row for row in said if row["finish"] == "length"]
    assert 0 < len(cut) < 9
    assert {(row["prediction"], row["unscored"]) for row in cut} == {(None, "cut")}
    assert all(row["prediction"] == row["completion"].strip() for row in said if row not in cut)


def test_references_are_a_text_or_several(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [{"text": e.inputs["text"], "reference": e.target} for e in reports(20)]
    lines[1] |= {"reference": ["no", "it was warm"]}
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(r) + "\n" for r in lines))
    found = evaluate_file(folder_of(tmp_path), tmp_path / "data.jsonl", text=(), label=None, metric=None, backend=())
    wanted = [{r["reference"]} if isinstance(r["reference"], str) else set(r["reference"]) for r in lines]
    right = sum(p.answer in w for p, w in zip(found.predictions, wanted, strict=True))
    assert found.scores["exact_match"].score == right / 20
    show_evaluation(found)
    shown = capsys.readouterr().out
    assert f"exact_match  {right / 20:.4f}" in shown
    assert f"unscored {found.shares['cut']:.1%} ({found.reasons['cut']} cut)" in shown
    assert "cut at the cap" in shown
    assert "predicted label" not in shown
    assert "loss" not in shown


def test_a_row_without_a_reference_is_named(tmp_path: Path) -> None:
    lines = [{"text": "rain", "reference": "it was wet"}, {"text": "sun", "reference": " "}]
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(r) + "\n" for r in lines))
    with pytest.raises(ConfigError, match=r"data\.jsonl:2: empty reference in 'reference'"):
        evaluate_file(folder_of(tmp_path), tmp_path / "data.jsonl", text=(), label=None, metric=None, backend=())
