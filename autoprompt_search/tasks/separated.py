"""Text with separated columns to rows: which delimiter, whether quotes mean anything, and what the header is worth."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from autoprompt_search.tasks.problems import Problems
from autoprompt_search.tasks.tables import Row

_CELL_LIMIT = 1 << 27
"""Longest cell in characters; the library's own limit of 131072 cuts off long documents."""
_OTHERS = (";", "\t", "|")
"""What spreadsheets write where they write no commas."""
_SAID = {"\t": "tabs", ";": "semicolons", "|": "bars", ",": "commas"}
_Record = tuple[int, list[str]]
"""First line, and cells."""


@dataclass(frozen=True, slots=True)
class Separated:
    """The rows of a file, and what was guessed of it."""

    rows: list[Row]
    notes: tuple[str, ...] = ()


def read_separated(text: str, path: Path, delimiter: str | None, problems: Problems) -> Separated:
    """All rows below the header. `delimiter` is the user's word; without it the file's kind and header decide."""
    notes: list[str] = []
    named = re.match(r"sep=(.)\r?\n", text)
    start = 1
    if named:
        text, start = text[named.end() :], 2
    mark = delimiter or (named[1] if named else None) or _guessed(text, path)
    usual = "\t" if path.suffix.lower() == ".tsv" else ","
    if mark != usual and not delimiter:
        notes.append(f"the columns of {path} are separated by {_SAID.get(mark, repr(mark))}")
    unquoted = _unquoted(text, start) if mark == "\t" and '"' in text else None
    if unquoted is not None:
        notes.append(f"quotes in {path} are read as they stand: they do not enclose its cells")
    records = iter(unquoted) if unquoted is not None else _quoted(text, mark, start, path, problems)
    first = next(records, None)
    if first is None:
        return Separated([], tuple(notes))
    header = _header(first[1])
    return Separated(list(_rows(header, records, path, problems)), tuple(notes))


def _rows(header: list[str], records: Iterator[_Record], path: Path, problems: Problems) -> Iterator[Row]:
    """A record with nothing in any of several cells is what a spreadsheet leaves of an empty line."""
    for start, cells in records:
        if len(cells) == len(header):
            if len(cells) == 1 or any(cells):
                yield Row(start, f"{path}:{start}", dict(zip(header, cells, strict=True)))
        else:
            what = f"{len(cells)} cells under a header of {len(header)}"
            problems.add(f"{path}:{start}", what, kind=f"rows of {path} as long as no header")


def _header(cells: list[str]) -> list[str]:
    """Names by which every column can be told: without one it is `column 3`, and of one name `text (column 3)`."""
    names = [name.strip() for name in cells]
    counts = Counter(names)
    return [
        f"column {column}" if not name else f"{name} (column {column})" if counts[name] > 1 else name
        for column, name in enumerate(names, 1)
    ]


def _guessed(text: str, path: Path) -> str:
    """The usual delimiter, unless the header has none of it and some of another."""
    usual = "\t" if path.suffix.lower() == ".tsv" else ","
    line = text.lstrip("\r\n").partition("\n")[0].rstrip("\r")
    bare = re.sub(r'"[^"]*"', "", line)
    if usual in bare:
        others = [mark for mark in _OTHERS if bare.count(mark) and mark != usual]
        lines = [re.sub(r'"[^"]*"', "", one) for one in text.splitlines()[:50] if one]
        fits = [mark for mark in others if len({one.count(mark) for one in lines}) == 1]
        return fits[0] if fits and len({one.count(usual) for one in lines}) > 1 else usual
    counts = {mark: bare.count(mark) for mark in (",", *_OTHERS) if mark in bare}
    return max(counts, key=lambda mark: counts[mark]) if counts else usual


def _unquoted(text: str, start: int) -> list[_Record] | None:
    """Records of a tab-separated text in which quotes are letters; None where they may well enclose cells."""
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    records = [(number, line.split("\t")) for number, line in enumerate(lines, start) if line]
    if len({len(cells) for _, cells in records}) > 1:
        return None
    limit = csv.field_size_limit(_CELL_LIMIT)
    try:
        return None if all(_is_quoted(line) for line in lines if '"' in line) else records
    finally:
        csv.field_size_limit(limit)


def _is_quoted(line: str) -> bool:
    """Whether the quotes of this line enclose cells of this line, or stand inside a cell where they mean nothing."""
    if not re.search(r'(^|\t)"', line):
        return True
    try:
        cells = next(csv.reader([line], delimiter="\t", strict=True))
    except csv.Error:
        return False
    return len(cells) == line.count("\t") + 1


def _quoted(text: str, delimiter: str, start: int, path: Path, problems: Problems) -> Iterator[_Record]:
    """First line and cells of each record that is not blank."""
    limit = csv.field_size_limit(_CELL_LIMIT)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    skipped, line = start - 1, start
    try:
        for cells in reader:
            if cells:
                yield line, cells
            line = skipped + reader.line_num + 1
    except csv.Error as exc:
        reason = "a quote is never closed" if "end of data" in str(exc) else str(exc)
        problems.add(f"{path}:{line}", f"broken CSV: {reason}")
    finally:
        csv.field_size_limit(limit)
