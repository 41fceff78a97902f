"""Data files to rows that know their line. JSON and CSV need the standard library only."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from autoprompt_search.core.disk import is_folder, is_there
from autoprompt_search.tasks.decoding import decode
from autoprompt_search.tasks.problems import Problems
from autoprompt_search.tasks.separated import read_separated
from autoprompt_search.tasks.tables import Row, Table, columns_of

SPREADSHEETS = (".xlsx", ".xls", ".xlsm", ".xlsb", ".ods", ".numbers")


@dataclass(frozen=True, slots=True)
class Format:
    """What the user says of a file; None is guessed."""

    encoding: str | None = None
    delimiter: str | None = None


GUESSED = Format()


@dataclass(frozen=True, slots=True)
class Content:
    """What a reader finds in a file."""

    rows: list[Row] = field(default_factory=list)
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def read_table(path: Path, problems: Problems, *, name: str = "", wanted: Format = GUESSED) -> Table:
    """A data file as a table: the one way in which files are read, whoever asks.

    What is wrong with it goes to `problems`, and the rest is still read.
    """
    path = path.expanduser()
    content = _content(path, wanted, problems)
    rows = content.rows
    return Table(name or path.stem, str(path), rows, columns_of(rows), content.classes, notes=content.notes)


def _content(path: Path, wanted: Format, problems: Problems) -> Content:
    reader = READERS.get(path.suffix.lower())
    if not is_there(path):
        problems.add(str(path), f"no such file{_nearest(path)}" if path.suffix else "no such file or folder")
    elif path.suffix.lower() in SPREADSHEETS:
        what = "is a spreadsheet: save the sheet with the examples as CSV (in Excel: Save As, CSV UTF-8), and give that"
        problems.add(str(path), what)
    elif reader is None:
        problems.add(str(path), f"unknown kind of file; known are {', '.join(READERS)}")
    else:
        before = problems.count
        try:
            if not path.is_file():
                problems.add(str(path), "is a folder, not a file")
                return Content()
            content = reader(path, wanted, problems)
        except OSError as exc:
            problems.add(str(path), f"cannot be read: {exc.strerror or exc}")
            return Content()
        if not content.rows and problems.count == before:
            problems.add(str(path), "is empty")
        return content
    return Content()


def _nearest(path: Path) -> str:
    if not is_folder(path.parent):
        return ""
    names = [file.name for file in path.parent.iterdir() if file.suffix.lower() in READERS]
    close = difflib.get_close_matches(path.name, names, n=1)
    return f"; did you mean {str(path.parent / close[0])!r}?" if close else ""


def _json_lines(path: Path, wanted: Format, problems: Problems) -> Content:
    decoded = decode(path.read_bytes(), path, wanted.encoding, problems, guesses=False)
    return Content(list(_lines(decoded.text, path, problems)), notes=(decoded.note,) if decoded.note else ())


def _json(path: Path, wanted: Format, problems: Problems) -> Content:
    """JSON lines, or one array of objects."""
    decoded = decode(path.read_bytes(), path, wanted.encoding, problems, guesses=False)
    is_array = decoded.text.lstrip().startswith("[")
    rows = _array(decoded.text, path, problems) if is_array else _lines(decoded.text, path, problems)
    return Content(list(rows), notes=(decoded.note,) if decoded.note else ())


def _array(text: str, path: Path, problems: Problems) -> Iterator[Row]:
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


def _separated(path: Path, wanted: Format, problems: Problems) -> Content:
    decoded = decode(path.read_bytes(), path, wanted.encoding, problems, guesses=True)
    table = read_separated(decoded.text, path, wanted.delimiter, problems)
    return Content(table.rows, notes=(*([decoded.note] if decoded.note else []), *table.notes))


def _parquet(path: Path, _: Format, problems: Problems) -> Content:
    from autoprompt_search.tasks.parquet import class_names, read_parquet

    return Content(list(read_parquet(path, problems)), class_names(path))


READERS: dict[str, Callable[[Path, Format, Problems], Content]] = {
    ".jsonl": _json_lines,
    ".json": _json,
    ".csv": _separated,
    ".tsv": _separated,
    ".parquet": _parquet,
}
"""File name ending -> reader."""
