"""Files as spreadsheets, libraries and people write them: each kind is read as it was meant, and guesses are said."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from autoprompt_search.core.errors import ConfigError
from autoprompt_search.tasks.problems import Problems
from autoprompt_search.tasks.readers import Format, read_table
from autoprompt_search.tasks.tables import Table

from .files import build, make_rows, write_jsonl

WESTERN = "text;label\ncafé crème;good\nnaïve idea;bad\n"


def read(path: Path, **wanted: str) -> Table:
    problems = Problems()
    table = read_table(path, problems, wanted=Format(**wanted))
    problems.check()
    return table


def values(table: Table) -> list[dict[str, object]]:
    return [dict(row.values) for row in table.rows]


@pytest.mark.parametrize(
    ("content", "note"),
    [
        (WESTERN.encode(), "separated by semicolons"),
        (WESTERN.encode("utf-8-sig"), "separated by semicolons"),
        (WESTERN.encode("cp1252"), "is no UTF-8 and is read as Windows-1252"),
        (WESTERN.encode("utf-16"), "is read as UTF-16"),
        (WESTERN.encode("utf-16-le"), "is read as UTF-16-LE"),
        (b"\xef\xbb\xbfsep=;\r\n" + WESTERN.replace("\n", "\r\n").encode(), "separated by semicolons"),
        (WESTERN.replace(";", "\t").encode(), "separated by tabs"),
        (WESTERN.replace(";", "|").encode("cp1252"), "separated by bars"),
    ],
)
def test_what_spreadsheets_write_is_read_and_said(content: bytes, note: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    table = read(path)
    assert values(table) == [{"text": "café crème", "label": "good"}, {"text": "naïve idea", "label": "bad"}]
    assert any(note in said for said in table.notes)


def test_an_encoding_and_a_delimiter_can_be_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("text~label\nкафе или чайная~good\n".encode("cp1251"))
    table = read(tmp_path / "a.csv", encoding="cp1251", delimiter="~")
    assert values(table) == [{"text": "кафе или чайная", "label": "good"}]
    assert table.notes == ()
    with pytest.raises(ConfigError, match=r"set task\.encoding"):
        read(tmp_path / "a.csv")
    with pytest.raises(ConfigError, match=r"encoding: no text encoding is called 'cp9'.*\n.*delimiter: must be one"):
        build(tmp_path / "a.csv", encoding="cp9", delimiter="::")


def test_damaged_utf_8_is_no_other_encoding(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("text,label\ncafé,1\nna".encode() + b"\xc3" + b"ve,0\n")
    with pytest.raises(ConfigError, match=r"a\.csv:3: broken UTF-8 \(byte 0xc3 at column 3\)"):
        read(tmp_path / "a.csv")


def test_quotes_in_a_table_with_tabs_are_letters_unless_every_one_encloses_a_cell(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text('text\tlabel\n"so it began\tx\nand ended"\ty\n"Great" phone\tx\n', encoding="utf-8")
    table = read(path)
    assert [row.values["text"] for row in table.rows] == ['"so it began', 'and ended"', '"Great" phone']
    assert [row.number for row in table.rows] == [2, 3, 4]
    assert "read as they stand" in table.notes[0]
    path.write_text('text\tlabel\n"a ""b"""\tx\n"one\nthree\tfour"\ty\n', encoding="utf-8")
    assert [row.values["text"] for row in read(path).rows] == ['a "b"', "one\nthree\tfour"]


def test_columns_without_a_name_and_doubled_ones_do_no_harm_unless_they_are_used(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(",text,label,x,x,\n0,one,good,1,2,\n1,two,bad,3,4,\n,,,,,\n", encoding="utf-8")
    assert read(path).columns == ("column 1", "text", "label", "x (column 4)", "x (column 5)", "column 6")
    assert len(read(path).rows) == 2
    with pytest.raises(ConfigError, match=r"no column 'x'.*x \(column 4\)"):
        build(path, text={"body": "x"}).load(0)


def test_a_spreadsheet_is_told_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "a.xlsx").write_bytes(b"PK\x03\x04")
    with pytest.raises(ConfigError, match="save the sheet with the examples as CSV"):
        build(tmp_path / "a.xlsx").load(0)


def test_whole_numbers_are_one_label_however_they_are_written(tmp_path: Path) -> None:
    rows = make_rows(48, labels=(0, 1))
    (tmp_path / "a.csv").write_text(
        "text,label\n" + "".join(f"{row['text']},{row['label']:.1f}\n" for row in rows), encoding="utf-8"
    )
    write_jsonl(tmp_path / "a.jsonl", [{**row, "label": (row["label"], float(row["label"]), str(row["label"]))[i % 3]}
                                       for i, row in enumerate(rows)])  # fmt: skip
    for name in ("a.csv", "a.jsonl"):
        assert build(tmp_path / name).labels == ("0", "1")
        for option in (
            {0: "negative", 1: "positive"},
            {0.0: "negative", 1.0: "positive"},
            {"0": "negative", "1.0": "positive"},
        ):
            task = build(tmp_path / name, labels=option)
            assert {e.target for e in task.load(0).train} == {"negative", "positive"}


def test_parquet_keeps_the_names_of_classes_and_minus_one_is_no_label(tmp_path: Path) -> None:
    rows = make_rows(40, labels=(0, 1))
    features = {"label": {"names": ["negative", "positive"], "_type": "ClassLabel"}, "text": {"dtype": "string"}}
    for row in rows[:3]:
        row["label"] = -1
    table = pa.Table.from_pylist(rows)
    pq.write_table(
        table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})}),
        tmp_path / "a.parquet",
    )
    task = build(tmp_path / "a.parquet", leave_out=["missing"])
    assert task.labels == ("negative", "positive")
    assert any("3 rows of" in note and "without a label" in note for note in task.load(0).notes)
    with pytest.raises(ConfigError, match=r"no label in 'label'.*leave_out: \[missing\]"):
        build(tmp_path / "a.parquet").load(0)


def test_dates_decimals_and_bytes_beside_the_text(tmp_path: Path) -> None:
    odd = {
        "day": dt.date(2024, 1, 2),
        "price": Decimal("1.50"),
        "raw": b"\xff",
        "seen": dt.datetime.now(dt.UTC),
    }
    pq.write_table(pa.Table.from_pylist([{**row, **odd} for row in make_rows(40)]), tmp_path / "a.parquet")
    assert len(build(tmp_path / "a.parquet").load(0).train) == 10


def test_a_path_into_nested_objects_names_a_column(tmp_path: Path) -> None:
    rows = [{"meta": {"title": row["text"]}, "gold": {"label": row["label"]}} for row in make_rows(40)]
    path = write_jsonl(tmp_path / "a.jsonl", rows)
    splits = build(path, text={"title": "meta.title"}, label="gold.label").load(0)
    assert splits.train[0].inputs["title"]
    with pytest.raises(ConfigError, match=r"no column 'meta\.name'"):
        build(path, text={"title": "meta.name"}, label="gold.label").load(0)


def test_rows_without_a_label_and_with_a_rare_one_can_be_left_out(tmp_path: Path) -> None:
    rows = make_rows(40)
    path = write_jsonl(tmp_path / "a.jsonl", [*rows, {"text": "alone", "label": "rare"}, {"text": "none", "label": ""}])
    with pytest.raises(ConfigError, match=r"leave_out: \[missing\]"):
        build(path).load(0)
    with pytest.raises(ConfigError, match=r"leave_out: \[unknown\]"):
        build(path, leave_out=["missing"]).load(0)
    splits = build(path, labels=["neg", "pos"], leave_out=["missing", "unknown"]).load(0)
    assert sum(map(len, (splits.train, splits.dev, splits.test))) == 40
    assert [note for note in splits.notes if "left out" in note] == [
        f"1 row of {path} left out: without a label",
        f"1 row of {path} left out: with a label that is not among `labels`",
    ]


def test_labels_that_are_nearly_one_are_named(tmp_path: Path) -> None:
    rows = make_rows(60, labels=("café", "cafe\u0301", "Bar", "bar", "nan", "Bar "))
    task = build(write_jsonl(tmp_path / "a.jsonl", rows))
    assert task.labels == ("Bar", "bar", "café", "nan")
    notes = "\n".join(task.load(0).notes)
    assert "differ in their Unicode form only" in notes
    assert "'Bar' and 'bar' differ in case only" in notes
    assert "'nan' is searched as a label" in notes
