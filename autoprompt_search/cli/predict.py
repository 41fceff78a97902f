"""`predict` and `evaluate`: an exported prompt on the user's files."""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from autoprompt_search.cli.labelled import input_of, labelled, named_fields
from autoprompt_search.cli.rows import (
    STDIO,
    InputRow,
    batched,
    columns_for,
    plain,
    read_rows,
    writer,
)
from autoprompt_search.config.reader import parse_value
from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.visible import visible_json, visible_line
from autoprompt_search.exported import Evaluation, ExportedPrompt, Prediction, load_prompt
from autoprompt_search.tasks.problems import Problems
from autoprompt_search.tasks.readers import GUESSED, Format, read_table

_ROW = re.compile(r"^row (\d+)\b")


def predict_rows(
    folder: Path,
    source: str,
    target: str,
    *,
    text: Sequence[str],
    backend: Sequence[str],
    batch: int,
    wanted: Format = GUESSED,
) -> None:
    """Read rows, write each with what the prompt says beside its own columns, in the same order.

    That is `prediction` and `probabilities`, or, where the model writes, `prediction` (null where no answer could be
    read), the whole `completion`, `finish` (why it ended) and `unscored` (why there is no answer, or null).
    """
    if STDIO not in (source, target) and Path(source).resolve() == Path(target).resolve():
        raise ConfigError(f"--output: {target} is the input itself; choose another file")
    prompt = load_prompt(folder, backend=options_of(backend))
    counter = _Counter()
    columns: dict[str, str] = {}
    with writer(target) as out:
        for rows in batched(read_rows(source, wanted), batch):
            columns = columns or columns_for(named_fields(prompt), text, prompt.reading.columns, _names(rows[0]))
            for row, prediction in zip(rows, _predict(prompt, rows, columns), strict=True):
                out.write(visible_json(_output(row, columns, prediction)) + "\n")
            out.flush()
            counter.add(len(rows))
    counter.end()


def evaluate_file(
    folder: Path,
    data: Path,
    *,
    text: Sequence[str],
    label: str | None,
    metric: str | None,
    backend: Sequence[str],
    wanted: Format = GUESSED,
    runs_programs: bool = False,
) -> Evaluation:
    """Measure the prompt on a labelled file; every bad row is named, none is left out.

    A prompt whose answers are programs is refused unless `runs_programs`: to judge them is to run them.
    """
    prompt = load_prompt(folder, backend=options_of(backend))
    if prompt.reading.task == "code" and not runs_programs:
        raise ConfigError(
            "--allow-code-execution: this prompt's answers are programs, and to judge them is to run them, in a "
            "sandbox without network and files: give the option to allow that"
        )
    problems = Problems()
    table = read_table(data, problems, wanted=wanted)
    columns = columns_for(named_fields(prompt), text, prompt.reading.columns, table.columns)
    pool = labelled(prompt, table, columns, label, problems)
    problems.check()
    for note in table.notes:
        sys.stderr.write(f"{visible_line(note)}\n")
    if left := sum(pool.left_out.values()):
        sys.stderr.write(f"{left} of {len(table.rows)} rows left out, as in the search: no label, or an unknown one\n")
    return prompt.evaluate(pool.examples, metric)


def options_of(given: Sequence[str]) -> dict[str, Any]:
    """`key=value` pairs, values read as YAML."""
    options = {}
    for item in given:
        name, equals, value = item.partition("=")
        if not equals or not name:
            raise ConfigError(f"--backend: write KEY=VALUE, e.g. device=cpu (got {item!r})")
        try:
            options[name] = parse_value(value)
        except yaml.YAMLError as exc:
            raise ConfigError(f"--backend: {name}: not readable as YAML (got {value!r})") from exc
    return options


def _names(row: InputRow) -> Collection[str]:
    return () if isinstance(row.values, str) else row.values.keys()


def _predict(prompt: ExportedPrompt, rows: Sequence[InputRow], columns: Mapping[str, str]) -> list[Prediction]:
    try:
        return prompt.predict([input_of(prompt, row, columns) for row in rows])
    except ConfigError as exc:
        raise ConfigError([_placed(line, rows) for line in exc.problems]) from exc


def _placed(line: str, rows: Sequence[InputRow]) -> str:
    """Rows are counted from the start of their batch; the user wants file and line."""
    match = _ROW.match(line)
    return rows[int(match[1]) - 1].where + line[match.end() :] if match else line


def _output(row: InputRow, columns: Mapping[str, str], prediction: Prediction) -> dict[str, Any]:
    own = {next(iter(columns)): row.values} if isinstance(row.values, str) else plain(row.values)
    if taken := [name for name in _written(prediction) if name in own]:
        raise ConfigError(f"{row.where}: has a column {taken[0]!r} of its own, which would be lost: rename it")
    return {**own, **_written(prediction)}


def _written(prediction: Prediction) -> dict[str, Any]:
    """The columns that `predict` adds."""
    read = {"prediction": prediction.answer or None}
    if prediction.finish:
        end = {"finish": prediction.finish, "unscored": prediction.unscored or None}
        return {**read, "completion": prediction.text, **end}
    probabilities = {label: round(p, 6) for label, p in prediction.probabilities.items()}
    return {**read, "probabilities": probabilities} if probabilities else read


@dataclass(slots=True)
class _Counter:
    """How far we are, on stderr; silent where nobody looks."""

    done: int = 0

    def add(self, rows: int) -> None:
        """So many more rows are written."""
        self.done += rows
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{self.done:,} rows")
            sys.stderr.flush()

    def end(self) -> None:
        """Print the final count once all rows are written."""
        sys.stderr.write(f"\r{self.done:,} rows\n" if sys.stderr.isatty() else f"{self.done} rows answered\n")
