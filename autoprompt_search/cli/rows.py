"""Rows in and out of `predict`: one at a time, so that a pipe of any length passes through."""

from __future__ import annotations

import io
import json
import math
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, time
from pathlib import Path
from typing import Any, TextIO

from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.registry import unknown
from autoprompt_search.core.visible import visible_line
from autoprompt_search.tasks.dataset import format_mistakes
from autoprompt_search.tasks.problems import Problems
from autoprompt_search.tasks.readers import GUESSED, Format, read_table

STDIO = "-"


@dataclass(frozen=True, slots=True)
class InputRow:
    """One record and its position in the input."""

    where: str
    values: Mapping[str, Any] | str
    """Columns; or the bare text of a line that is no JSON object."""


def read_rows(source: str, wanted: Format = GUESSED) -> Iterator[InputRow]:
    """Rows of a file by its ending, or of stdin: JSON objects, or one plain text per line."""
    encoding = wanted.encoding or "utf-8"
    if source == STDIO:
        yield from _lines(
            io.TextIOWrapper(sys.stdin.buffer, encoding=encoding, errors="strict"), "stdin", encoding, is_plain=True
        )
        return
    path = Path(source)
    if path.suffix.lower() == ".txt":
        try:
            with path.open(encoding="utf-8-sig" if encoding == "utf-8" else encoding, newline="") as file:
                yield from _lines(file, source, encoding, is_plain=True)
        except OSError as exc:
            raise ConfigError(f"--input: {source}: {exc.strerror or exc}") from exc
        return
    problems = Problems()
    table = read_table(path, problems, wanted=wanted)
    problems.check()
    for note in table.notes:
        sys.stderr.write(f"{visible_line(note)}\n")
    yield from (InputRow(row.where, row.values) for row in table.rows)


def format_of(encoding: str | None, delimiter: str | None) -> Format:
    """What the user says of a file; `ConfigError` for what no file can be."""
    wanted = Format(encoding, delimiter)
    if problems := format_mistakes(wanted):
        raise ConfigError([f"--{problem}" for problem in problems])
    return wanted


def batched(rows: Iterable[InputRow], size: int) -> Iterator[list[InputRow]]:
    """Lists of up to `size` rows."""
    batch: list[InputRow] = []
    for row in rows:
        batch.append(row)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


@contextmanager
def writer(target: str) -> Iterator[TextIO]:
    """Open the target of output lines: stdout, or a file that appears whole or not at all."""
    if target == STDIO:
        yield sys.stdout
        return
    path = Path(target)
    draft = path.with_name(f".{path.name}.part")
    try:
        with draft.open("w", encoding="utf-8") as file:
            yield file
        draft.replace(path)
    except OSError as exc:
        raise ConfigError(f"--output: cannot write {target}: {exc.strerror or exc}") from exc
    finally:
        draft.unlink(missing_ok=True)


def columns_for(
    fields: Sequence[str], given: Sequence[str], known: Mapping[str, str], present: Collection[str]
) -> dict[str, str]:
    """Field -> column, from `COLUMN` (where there is one field) or `FIELD=COLUMN`.

    Where nothing is given it is the search's own column (`known`), or the one of the field's name where only that is
    among the columns `present`.
    """
    columns = {field: own_column(known.get(field, field), field, present) for field in fields}
    for item in given:
        field, equals, column = item.partition("=")
        if not equals:
            if len(fields) != 1:
                raise ConfigError(
                    f"--text: the prompt has {len(fields)} fields ({', '.join(fields)}): write FIELD=COLUMN"
                )
            field, column = fields[0], item
        if field not in columns:
            raise ConfigError(f"--text: {unknown('field', field, fields)}")
        columns[field] = column
    return columns


def own_column(known: str, name: str, present: Collection[str]) -> str:
    """The column that the search read, unless only the one called `name` is there."""
    return name if name in present and known not in present else known


def plain(value: Any) -> Any:
    """What JSON can hold: dates, decimals and bytes as texts, what is no number as null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(name): plain(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).decode("utf-8", "backslashreplace")
    if isinstance(value, (date, time)):
        return value.isoformat()
    return value if value is None or isinstance(value, (str, int)) else str(value)


def _lines(file: TextIO, name: str, encoding: str, *, is_plain: bool) -> Iterator[InputRow]:
    number = 0
    try:
        for number, line in enumerate(file, start=1):
            text = line.rstrip("\r\n")
            if text.strip():
                yield InputRow(f"{name}:{number}", _json(text, f"{name}:{number}", is_plain=is_plain))
    except UnicodeDecodeError as exc:
        raise ConfigError(f"{name}: after line {number}: is not {encoding} text; --encoding names another") from exc


def _json(text: str, where: str, *, is_plain: bool) -> Mapping[str, Any] | str:
    if is_plain and not text.lstrip().startswith("{"):
        return text
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise ConfigError(f"{where}: is not JSON: {exc}") from exc
    if not isinstance(value, (dict, str)):
        raise ConfigError(f"{where}: must be an object or a text (got {type(value).__name__})")
    return value
