"""Data files to rows that know their line. JSON and CSV need the standard library only."""

from __future__ import annotations

import csv
import difflib
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path

from autoprompt_search.core.disk import is_folder, is_there
from autoprompt_search.tasks.problems import Problems
from autoprompt_search.tasks.tables import Row

_CELL_LIMIT = 1 << 27
"""Longest CSV cell in characters; the library's own limit of 131072 cuts off long documents."""


def read_file(path: Path, problems: Problems) -> list[Row]:
    """All rows of a data file; what is wrong with it goes to `problems` and the rest is still read."""
    reader = READERS.get(path.suffix.lower())
    if not is_there(path):
        problems.add(str(path), f"no such file{_nearest(path)}" if path.suffix else "no such file or folder")
    elif reader is None:
        problems.add(str(path), f"unknown kind of file; known are {', '.join(READERS)}")
    else:
        return _read(path, reader, problems)
    return []


def _read(path: Path, reader: Callable[[Path, Problems], Iterator[Row]], problems: Problems) -> list[Row]:
    before = problems.count
    try:
        if not path.is_file():
            problems.add(str(path), "is a folder, not a file")
            return []
        rows = list(reader(path, problems))
    except OSError as exc:
        problems.add(str(path), f"cannot be read: {exc.strerror or exc}")
        return []
    if not rows and problems.count == before:
        problems.add(str(path), "is empty")
    return rows


def _nearest(path: Path) -> str:
    if not is_folder(path.parent):
        return ""
    names = [file.name for file in path.parent.iterdir() if file.suffix.lower() in READERS]
    close = difflib.get_close_matches(path.name, names, n=1)
    return f"; did you mean {str(path.parent / close[0])!r}?" if close else ""


def _text(path: Path, problems: Problems) -> str:
    """The file as text; every line that is no UTF-8 is a problem of its own."""
    data = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
            problems.add(f"{path}:1", "is UTF-16; save it as UTF-8")
            return ""
    for number, line in enumerate(data.split(b"\n"), 1):
        try:
            line.decode("utf-8")
        except UnicodeDecodeError as exc:
            byte = f"byte 0x{line[exc.start]:02x} at column {exc.start + 1}"
            problems.add(f"{path}:{number}", f"broken UTF-8 ({byte})", kind=f"broken UTF-8 in {path}")
    return data.decode("utf-8", "replace")


def _json_lines(path: Path, problems: Problems) -> Iterator[Row]:
    yield from _lines(_text(path, problems), path, problems)


def _json(path: Path, problems: Problems) -> Iterator[Row]:
    """JSON lines, or one array of objects."""
    text = _text(path, problems)
    if not text.lstrip().startswith("["):
        yield from _lines(text, path, problems)
        return
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as exc:
        line = getattr(exc, "lineno", 1)
        problems.add(f"{path}:{line}", f"broken JSON: {_reason(exc)}")
        return
    for number, value in enumerate(values, 1):
        yield from _object(value, number, f"{path}: row {number}", problems)


def _lines(text: str, path: Path, problems: Problems) -> Iterator[Row]:
    # Not splitlines(): JSON strings may hold U+2028 and its like.
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield from _json_row(line, number, f"{path}:{number}", problems)


def _json_row(line: str, number: int, where: str, problems: Problems) -> Iterator[Row]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as exc:
        problems.add(where, f"broken JSON: {_reason(exc)}", kind="broken JSON")
        return
    yield from _object(value, number, where, problems)


def _reason(exc: Exception) -> str:
    if isinstance(exc, json.JSONDecodeError):
        return f"{exc.msg} at column {exc.colno}"
    return "nested too deeply" if isinstance(exc, RecursionError) else str(exc)


def _object(value: object, number: int, where: str, problems: Problems) -> Iterator[Row]:
    if isinstance(value, dict):
        yield Row(number, where, value)
    else:
        kind = "a row must be an object with columns"
        problems.add(where, f"{kind}, not a {type(value).__name__}", kind=kind)


def _csv(path: Path, problems: Problems) -> Iterator[Row]:
    yield from _separated(path, ",", problems)


def _tsv(path: Path, problems: Problems) -> Iterator[Row]:
    yield from _separated(path, "\t", problems)


def _separated(path: Path, delimiter: str, problems: Problems) -> Iterator[Row]:
    records = _records(path, delimiter, problems)
    first = next(records, None)
    if first is None:
        return
    start, header = first
    header = [name.strip() for name in header]
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        problems.add(f"{path}:{start}", f"the header names {', '.join(map(repr, twice))} twice")
        return
    for start, cells in records:
        if len(cells) == len(header):
            yield Row(start, f"{path}:{start}", dict(zip(header, cells, strict=True)))
        else:
            what = f"{len(cells)} cells under a header of {len(header)}"
            problems.add(f"{path}:{start}", what, kind=f"rows of {path} as long as no header")


def _records(path: Path, delimiter: str, problems: Problems) -> Iterator[tuple[int, list[str]]]:
    """First line and cells of each record that is not blank."""
    limit = csv.field_size_limit(_CELL_LIMIT)
    reader = csv.reader(io.StringIO(_text(path, problems), newline=""), delimiter=delimiter, strict=True)
    start = 1
    try:
        for cells in reader:
            if cells:
                yield start, cells
            start = reader.line_num + 1
    except csv.Error as exc:
        reason = "a quote is never closed" if "end of data" in str(exc) else str(exc)
        problems.add(f"{path}:{start}", f"broken CSV: {reason}")
    finally:
        csv.field_size_limit(limit)


def _parquet(path: Path, problems: Problems) -> Iterator[Row]:
    from autoprompt_search.tasks.parquet import read_parquet

    yield from read_parquet(path, problems)


READERS: dict[str, Callable[[Path, Problems], Iterator[Row]]] = {
    ".jsonl": _json_lines,
    ".json": _json,
    ".csv": _csv,
    ".tsv": _tsv,
    ".parquet": _parquet,
}
"""File name ending -> reader."""
