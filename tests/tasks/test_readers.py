"""Files to rows: every format, and every way a file can be broken, with file and line."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import autoprompt_search.core
from autoprompt_search.core.errors import ConfigError
from autoprompt_search.tasks.problems import Problems
from autoprompt_search.tasks.readers import read_table


def read(path):
    problems = Problems()
    rows = read_table(Path(path), problems).rows
    problems.check()
    return rows


def complaint(path):
    with pytest.raises(ConfigError) as caught:
        read(path)
    return str(caught.value)


def test_json_lines_know_their_line(here):
    Path("a.jsonl").write_text('\ufeff{"text": "a\u2028b", "n": 1}\r\n\n{"text": "c"}', encoding="utf-8")
    rows = read("a.jsonl")
    assert [(row.where, row.number, dict(row.values)) for row in rows] == [
        ("a.jsonl:1", 1, {"text": "a\u2028b", "n": 1}),
        ("a.jsonl:3", 3, {"text": "c"}),
    ]


def test_json_may_be_lines_or_an_array(here):
    Path("lines.json").write_text('{"text": "a"}\n{"text": "b"}\n', encoding="utf-8")
    Path("array.json").write_text('[{"text": "a"},\n {"text": "b"}]', encoding="utf-8")
    assert [row.values for row in read("lines.json")] == [row.values for row in read("array.json")]
    assert [row.where for row in read("array.json")] == ["array.json: row 1", "array.json: row 2"]


def test_csv_cells_may_hold_lines_and_quotes(here):
    Path("a.csv").write_text('text,label\n"one\ntwo ""x""",pos\n\nthree,neg\n', encoding="utf-8-sig")
    rows = read("a.csv")
    assert [(row.where, dict(row.values)) for row in rows] == [
        ("a.csv:2", {"text": 'one\ntwo "x"', "label": "pos"}),
        ("a.csv:5", {"text": "three", "label": "neg"}),
    ]


def test_csv_cells_may_be_long(here):
    Path("a.csv").write_text(f"text,label\n{'x' * 300_000},pos\n", encoding="utf-8")
    assert len(read("a.csv")[0].values["text"]) == 300_000


def test_tsv_and_parquet(here):
    Path("a.tsv").write_text("text\tlabel\na, b\tpos\n", encoding="utf-8")
    assert dict(read("a.tsv")[0].values) == {"text": "a, b", "label": "pos"}
    pq = pytest.importorskip("pyarrow.parquet")
    table = pytest.importorskip("pyarrow").table({"text": ["a", "b"], "label": [0, 1]})
    pq.write_table(table, "a.parquet")
    rows = read("a.parquet")
    assert [(row.where, dict(row.values)) for row in rows] == [
        ("a.parquet: row 1", {"text": "a", "label": 0}),
        ("a.parquet: row 2", {"text": "b", "label": 1}),
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b"", "a.jsonl: is empty"),
        ("a.jsonl", b"\n \n", "a.jsonl: is empty"),
        ("a.json", b"", "a.json: is empty"),
        ("a.json", b"[]", "a.json: is empty"),
        ("a.csv", b"", "a.csv: is empty"),
        ("a.csv", b"text,label\n", "a.csv: is empty"),
        ("a.jsonl", b'{"text": "ok"}\n{"text": "caf\xe9"}\n', "a.jsonl:2: broken UTF-8 (byte 0xe9 at column 14)"),
        ("a.jsonl", b'{"text": "ok"}\n{"text": \n', "a.jsonl:2: broken JSON: Expecting value at column 10"),
        ("a.json", b'[{"text": "a"},\n{"text" "b"}]', "a.json:2: broken JSON: Expecting ':' delimiter at column 9"),
        ("a.jsonl", b"[" * 100_000, "a.jsonl:1: broken JSON: nested too deeply"),
        ("a.jsonl", b'["text"]\n', "a.jsonl:1: a row must be an object with columns, not a list"),
        ("a.json", b'[{"a": 1}, 3]', "a.json: row 2: a row must be an object with columns, not a int"),
        ("a.csv", b"text,label\na,1\nb,c,0\nd\n", "a.csv:3: 3 cells under a header of 2"),
        ("a.csv", b"text,label\na,1\nb,c,0\nd\n", "a.csv:4: 1 cells under a header of 2"),
        ("a.csv", b'text,label\nok,1\n"never closed,0\nmore,1\n', "a.csv:3: broken CSV: a quote is never closed"),
        ("a.csv", b'text,label\n"a"b,0\n', "a.csv:2: broken CSV: "),
        ("a.parquet", b"PAR1 not at all", "a.parquet: no readable Parquet file: "),
        ("a.txt", b"hello", "a.txt: unknown kind of file; known are .jsonl, .json, .csv, .tsv, .parquet"),
    ],
)
def test_what_is_wrong_is_named(here, name, content, message):
    Path(name).write_bytes(content)
    assert message in complaint(name)


def test_a_missing_file_suggests_its_neighbour(here):
    Path("reviews.jsonl").write_text("{}", encoding="utf-8")
    assert complaint("revews.jsonl") == "revews.jsonl: no such file; did you mean 'reviews.jsonl'?"
    assert complaint("no/such.csv") == "no/such.csv: no such file"


def test_a_folder_is_no_file(here):
    Path("a.csv").mkdir()
    assert complaint("a.csv") == "a.csv: is a folder, not a file"


def test_all_mistakes_come_at_once_and_one_kind_does_not_hide_another(here):
    lines = ["{" for _ in range(50)] + ["3", json.dumps({"text": "a"})]
    Path("a.jsonl").write_text("\n".join(lines), encoding="utf-8")
    text = complaint("a.jsonl")
    assert text.count("broken JSON: Expecting") == 5
    assert "and 45 more: broken JSON" in text
    assert "a.jsonl:51: a row must be an object" in text


def test_at_most_twenty_mistakes_are_shown():
    problems = Problems()
    for i in range(30):
        problems.add(f"a:{i}", f"mistake {i}")
    with pytest.raises(ConfigError) as caught:
        problems.check()
    assert [p for p in caught.value.problems if p.startswith("a:")] == [f"a:{i}: mistake {i}" for i in range(20)]
    assert caught.value.problems[-1] == "and 10 more mistakes"


def test_reading_text_files_needs_no_heavy_library(here):
    Path("a.jsonl").write_text('{"text": "a"}\n', encoding="utf-8")
    Path("a.csv").write_text("text\na\n", encoding="utf-8")
    code = (
        "import sys; from pathlib import Path; import autoprompt_search.tasks.classification;"
        "from autoprompt_search.tasks.readers import read_table; from autoprompt_search.tasks.problems import Problems;"
        "[read_table(Path(name), Problems()) for name in sys.argv[1:]];"
        "heavy = {'pandas', 'datasets', 'pyarrow', 'sklearn', 'scipy', 'torch'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    files = [str(Path(name).resolve()) for name in ("a.jsonl", "a.csv")]
    root = Path(autoprompt_search.core.__file__).parents[2]
    subprocess.run([sys.executable, "-c", code, *files], check=True, timeout=60, cwd=root)


def test_a_name_that_no_file_system_takes_is_no_such_file(here):
    assert "no such file" in complaint("x" * 300 + ".csv")
