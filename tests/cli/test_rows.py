"""`predict` reads what a search reads, and writes every column back or says that it cannot."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from autoprompt_search.cli.predict import predict_rows
from autoprompt_search.cli.rows import format_of, plain, read_rows
from autoprompt_search.core.errors import ConfigError
from autoprompt_search.exporters.prompt import PromptFolder

from ..exporters.finals import final_prompt  # noqa: TID252


@pytest.fixture
def prompt(tmp_path: Path) -> Path:
    return PromptFolder().export(final_prompt(), tmp_path)


def predicted(prompt: Path, source: Path) -> list[dict[str, object]]:
    predict_rows(prompt, str(source), str(source.with_suffix(".out")), text=(), backend=(), batch=2)
    return [json.loads(line) for line in source.with_suffix(".out").read_text(encoding="utf-8").splitlines()]


def test_dates_decimals_and_bytes_are_written_as_texts_and_no_number_as_null(prompt: Path, tmp_path: Path) -> None:
    odd = {"day": dt.date(2024, 1, 2), "price": Decimal("1.50"), "raw": b"a\xff", "n": float("nan")}
    pq.write_table(pa.Table.from_pylist([{"text": "it was good", **odd}] * 3), tmp_path / "a.parquet")
    (row, *_) = predicted(prompt, tmp_path / "a.parquet")
    assert {name: row[name] for name in odd} == {"day": "2024-01-02", "price": "1.50", "raw": "a\\xff", "n": None}
    assert plain({"a": [float("inf"), {"b": dt.time(1, 2)}]}) == {"a": [None, {"b": "01:02:00"}]}


def test_an_array_and_a_table_of_a_spreadsheet_are_read(prompt: Path, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('[{"text": "it was good"},\n {"text": "it was bad"}]', encoding="utf-8")
    (tmp_path / "a.csv").write_bytes("id;text\n1;it was good, café\n2;it was bad\n".encode("cp1252"))
    assert len(predicted(prompt, tmp_path / "a.json")) == 2
    assert [row["text"] for row in predicted(prompt, tmp_path / "a.csv")] == ["it was good, café", "it was bad"]


@pytest.mark.parametrize("name", ["prediction", "probabilities"])
def test_a_column_that_would_be_overwritten_is_refused(name: str, prompt: Path, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": "it was good", name: 1}), encoding="utf-8")
    with pytest.raises(ConfigError, match=rf"a\.jsonl:1: has a column '{name}' of its own"):
        predicted(prompt, tmp_path / "a.jsonl")


def test_what_a_search_refuses_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,label\na,b,c\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"a\.csv:2: 3 cells under a header of 2"):
        list(read_rows(str(tmp_path / "a.csv")))


def test_a_file_is_read_as_its_user_says(prompt: Path, tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_bytes("n¦text\n1¦I loved it, café\n".encode("windows-1252"))
    out = tmp_path / "out.jsonl"
    wanted = format_of("windows-1252", "¦")
    predict_rows(prompt, str(source), str(out), text=(), backend=(), batch=2, wanted=wanted)
    assert json.loads(out.read_text(encoding="utf-8"))["text"] == "I loved it, café"


@pytest.mark.parametrize(("encoding", "delimiter"), [("no-such", None), (None, "ab"), (None, "")])
def test_what_no_file_can_be_is_refused_by_the_options_name(encoding: str | None, delimiter: str | None) -> None:
    with pytest.raises(ConfigError, match=r"--(encoding|delimiter)"):
        format_of(encoding, delimiter)
