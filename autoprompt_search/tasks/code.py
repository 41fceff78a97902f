"""Programs that hidden tests judge: completion, writing from a description, translation from another language."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, Unpack

from pydantic import Field

from autoprompt_search.core.answers import AnswerForm
from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.metric_names import WrittenMetric
from autoprompt_search.core.programs import Tests
from autoprompt_search.core.protocols.task import Task
from autoprompt_search.core.reading import Reading
from autoprompt_search.core.types import Example, Splits
from autoprompt_search.tasks.dataset import columns_of, fields_of
from autoprompt_search.tasks.examples import BadRowError, Gold, raw_value, text_of, texts_of
from autoprompt_search.tasks.references import gold_of
from autoprompt_search.tasks.table_options import TableOptions
from autoprompt_search.tasks.table_task import RowFormat, table_task
from autoprompt_search.tasks.tables import Row

METRIC = "pass_at_1"
_NAMED = 5
"""Rows that are named one by one."""
ENTRY = "entry_point"
"""The field under which templates show the function that is asked for."""
_CALLED = re.compile(r"\bassert\b[^\n]*?\b([A-Za-z_]\w*)\s*\(")
_BUILT_IN = ("set", "sorted", "list", "tuple", "abs", "round", "str", "len", "math", "isclose", "dict", "not", "sum")


def code(
    data: str | dict[str, str],
    text: str | list[str] | dict[str, str] = "text",
    target: str = "code",
    *,
    tests: str = "test_list",
    setup: str | None = None,
    entry_point: str | None = None,
    beginning: str | None = None,
    allow_code_execution: bool = False,
    check_references: bool = True,
    seconds: Annotated[float, Field(gt=0, le=60)] = 5.0,
    megabytes: Annotated[int, Field(ge=64, le=4096)] = 512,
    metric: WrittenMetric = METRIC,
    **options: Unpack[TableOptions],
) -> Task:
    """Descriptions, signatures or programs, each with hidden tests, in three disjoint parts. Answers are Python.

    What a model writes runs in a sandbox (bubblewrap) and nowhere else, and only with `allow_code_execution`. Templates
    may show the name of the function that the tests call as the field `entry_point`.

    Args:
        data: A .jsonl, .json, .csv, .tsv or .parquet file; split -> file; a folder with files named after splits or
            written by `save_to_disk`; a hub name or `name:config`.
        text: Column, columns, or field -> column; the fields of templates.
        target: Column of a reference solution, which demonstrations show.
        tests: Column of the tests: a list of statements such as `assert f(1) == 2`, or one text; a text that defines
            `check(candidate)` is called with the entry point, as HumanEval's are.
        setup: Column of statements that run before the tests.
        entry_point: Column of the name of the function that the tests call; None takes the name from the tests.
        beginning: Column of what the prompt shows of the program, such as a signature, which answers may go on from.
        allow_code_execution: Whether programs that a model wrote may run on this machine, in the sandbox.
        check_references: Whether every reference solution has to pass its own tests before the search.
        seconds: Wall time of one program and its tests.
        megabytes: Memory of one program.
        metric: The metric that trials are ranked by.
        options: See `TableOptions`.
    """
    if not allow_code_execution:
        raise ConfigError(
            "allow_code_execution: programs that a model wrote are run to be judged, in a sandbox without network and "
            "files: set it to true to allow that (got false)"
        )
    settings: dict[str, str | int] = {"tests": tests, "seconds": str(seconds), "megabytes": megabytes}
    named = {"setup": setup, "entry_point": entry_point, "beginning": beginning}
    settings |= {name: column for name, column in named.items() if column is not None}
    first, further = columns_of(target)
    fields = fields_of(text)
    taken = f"text: the field {ENTRY!r} is made of the tests; give the column another name"
    problems = [taken] if ENTRY in fields else []
    reading = Reading({**fields, ENTRY: tests}, first, task="code", further=further, settings=settings)
    task = table_task(data, reading, rows, AnswerForm("program"), metric, options, problems)
    return CodeTask(task) if check_references else task


class CodeTask:
    """A task whose reference solutions pass their tests, which is looked at when it is loaded.

    Args:
        task: The task as its tables give it.
    """

    def __init__(self, task: Task) -> None:
        self._task = task

    def __getattr__(self, name: str) -> Any:
        return getattr(self._task, name)

    def load(self, seed: int) -> Splits:
        """See `Task.load`. `ConfigError` names the examples whose reference solution fails, and why."""
        from autoprompt_search.sandbox import verdicts

        splits = self._task.load(seed)
        examples = [e for part in (splits.train, splits.dev, splits.test) for e in part if e.tests]
        found = verdicts([(_whole(e), e.tests) for e in examples if e.tests])
        wrong = [(e, said) for e, said in zip(examples, found, strict=True) if said != "passed"]
        if wrong:
            named = wrong[:_NAMED]
            lines = [f"task.data: {e.id}: its reference solution does not pass its tests ({v})" for e, v in named]
            more = [f"task.data: and {len(wrong) - _NAMED} more"] if len(wrong) > _NAMED else []
            hint = "task.check_references: false takes such rows as they are; better is to leave them out"
            raise ConfigError([*lines, *more, hint])
        return splits


def rows(reading: Reading) -> RowFormat:
    """Texts beside reference solutions, with tests."""
    fields = {name: column for name, column in reading.columns.items() if name != ENTRY}
    columns = (reading.label, *reading.further)

    def texts(row: Row) -> dict[str, str]:
        found = _tests(row, reading)
        return {**texts_of(row, fields), ENTRY: found.entry_point}

    def queries(row: Row) -> dict[str, str]:
        """A row to answer needs no tests: its function may be named by a column of the field's own name."""
        if _has(row, str(reading.settings["tests"])):
            return texts(row)
        return {**texts_of(row, fields), ENTRY: text_of(row, ENTRY) if _has(row, ENTRY) else ""}

    return RowFormat(
        reading,
        texts=texts,
        gold=lambda row: _gold(row, columns, reading),
        queries=queries,
        whole=(ENTRY,),
    )


def _has(row: Row, column: str) -> bool:
    return row.values.get(column) is not None


def _gold(row: Row, columns: Sequence[str], reading: Reading) -> Gold:
    """The reference solution with its indentation, which a body behind a signature needs."""
    found = gold_of(row, columns)
    whole = text_of(row, columns[0]).rstrip().lstrip("\r\n")
    return replace(found, target=whole, tests=_tests(row, reading))


def _tests(row: Row, reading: Reading) -> Tests:
    """The tests of a row, with what its own columns say of them."""
    settings = reading.settings

    def own(name: str) -> str:
        return text_of(row, str(settings[name])) if name in settings else ""

    column = str(settings["tests"])
    value = raw_value(row, column)
    cases = [str(case) for case in value] if isinstance(value, (list, tuple)) else [text_of(row, column)]
    cases = [case for case in cases if case.strip()]
    if not cases:
        raise BadRowError(f"no tests in {column!r}", f"no tests in {column!r}")
    entry = own("entry_point").strip() or _called(cases)
    if any(re.search(r"^def check\(", case, re.MULTILINE) for case in cases) and entry:
        cases = [*cases, f"check({entry})"]
    for case in (own("setup"), *cases):
        try:
            ast.parse(case)
        except (SyntaxError, ValueError) as exc:
            what = f"a test in {column!r} is no Python: {exc}"
            raise BadRowError(what, f"a test in {column!r} is no Python") from exc
    whole = tuple(case for case in (own("setup"), *cases) if case.strip())
    seconds, megabytes = float(settings["seconds"]), int(settings["megabytes"])
    return Tests(whole, entry, own("beginning"), seconds, megabytes)


def _called(cases: Sequence[str]) -> str:
    """The function that all asserts call and that is not Python's own; empty where that is not one."""
    called = [[name for name in _CALLED.findall(case) if name not in _BUILT_IN] for case in cases]
    names = {names[0] for names in called if names}
    return names.pop() if len(names) == 1 else ""


def _whole(example: Example) -> str:
    """The reference solution, behind what the prompt shows of it where it goes on from that."""
    beginning = example.tests.beginning if example.tests else ""
    if beginning and not example.target.startswith(beginning.strip()[:20]):
        return f"{beginning.rstrip()}\n{example.target}"
    return example.target
