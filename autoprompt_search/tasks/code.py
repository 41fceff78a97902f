"""Programs that hidden tests judge: completion, writing from a description, translation from another language."""

from __future__ import annotations

import ast
import builtins
import math
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Unpack

from pydantic import Field

from autoprompt_search.core.answers import AnswerForm
from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.metric_names import WrittenMetric
from autoprompt_search.core.programs import Tests
from autoprompt_search.core.protocols.task import Task
from autoprompt_search.core.reading import Reading
from autoprompt_search.core.types import Example
from autoprompt_search.sandbox.verdicts import check_sandbox, verdicts
from autoprompt_search.tasks.dataset import columns_of, fields_of
from autoprompt_search.tasks.examples import BadRowError, Gold, raw_value, text_of, texts_of
from autoprompt_search.tasks.references import gold_of
from autoprompt_search.tasks.table_options import TableOptions
from autoprompt_search.tasks.table_task import RowFormat, table_task
from autoprompt_search.tasks.tables import Row

METRIC = "pass_at_1"
TESTS = "test_list"
ENTRY = "entry_point"
"""The field under which templates show the function that is asked for."""
_LIMITS = {"seconds": (0.1, 60.0), "megabytes": (64, 4096)}
"""Least and most of what a program may take, also where an exported prompt says it."""


def code(
    data: str | dict[str, str],
    text: str | list[str] | dict[str, str] = "text",
    target: str = "code",
    *,
    tests: str = TESTS,
    setup: str | None = None,
    entry_point: str | None = None,
    beginning: str | None = None,
    allow_code_execution: bool = False,
    check_references: bool = True,
    seconds: Annotated[float, Field(ge=0.1, le=60)] = 5.0,
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

    def checked(whole: Reading) -> RowFormat:
        return replace(rows(whole), check=_wrong if check_references else _unchecked)

    return table_task(data, reading, checked, AnswerForm("program"), metric, options, problems)


def rows(reading: Reading) -> RowFormat:
    """Texts beside reference solutions, with tests."""
    fields = {name: column for name, column in reading.columns.items() if name != ENTRY}
    columns = (reading.label, *reading.further)

    def texts(row: Row) -> dict[str, str]:
        found = _tests(row, reading)
        return {**texts_of(row, fields), ENTRY: found.entry_point}

    def queries(row: Row) -> dict[str, str]:
        """A row to answer needs no tests: its function may be named by a column of the field's own name."""
        if _has(row, str(reading.settings.get("tests", TESTS))):
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

    column = str(settings.get("tests", TESTS))
    value = raw_value(row, column)
    cases = [str(case) for case in value] if isinstance(value, (list, tuple)) else [text_of(row, column)]
    cases = [case for case in cases if case.strip()]
    if not cases:
        raise BadRowError(f"no tests in {column!r}", f"no tests in {column!r}")
    for case in (own("setup"), *cases):
        try:
            ast.parse(case)
        except (SyntaxError, ValueError) as exc:
            what = f"a test in {column!r} is no Python: {exc}"
            raise BadRowError(what, f"a test in {column!r} is no Python") from exc
    entry = own("entry_point").strip() or _called(cases)
    if any(re.search(r"^def check\(", case, re.MULTILINE) for case in cases) and entry:
        cases = [*cases, f"check({entry})"]
    whole = tuple(case for case in (own("setup"), *cases) if case.strip())
    return Tests(whole, entry, own("beginning"), _limit(reading, "seconds"), int(_limit(reading, "megabytes")))


def _limit(reading: Reading, name: str) -> float:
    """What a program may take of it; `ConfigError` where that is no number within `_LIMITS`."""
    given, (least, most) = reading.settings.get(name), _LIMITS[name]
    try:
        value = float(given) if given is not None else math.nan
    except ValueError:
        value = math.nan
    if not least <= value <= most:
        raise ConfigError(f"reading.settings.{name}: must be a number from {least:g} to {most:g} (got {given!r})")
    return value


def _called(cases: Sequence[str]) -> str:
    """The function that every test calls and that is not Python's own, the outermost of several; empty for none."""
    called: list[list[str]] = []
    for case in cases:
        calls = (node.func for node in ast.walk(ast.parse(case)) if isinstance(node, ast.Call))
        called.append([name.id for name in calls if isinstance(name, ast.Name) and not hasattr(builtins, name.id)])
    return next((name for name in called[0] if all(name in names for names in called)), "")


def _wrong(examples: Sequence[Example]) -> list[str]:
    """Per example that its reference solution does not pass its own tests; empty where it does."""
    judged = verdicts([(_whole(e), e.tests) for e in examples if e.tests])
    return ["" if said == "passed" else f"its reference solution does not pass its tests ({said})" for said in judged]


def _unchecked(examples: Sequence[Example]) -> list[str]:
    """Nothing is wrong with them; but programs have to be able to run here at all."""
    check_sandbox()
    return [""] * len(examples)


def _whole(example: Example) -> str:
    """The reference solution, behind what the prompt shows of it where it goes on from that."""
    beginning = example.tests.beginning if example.tests else ""
    if beginning and not example.target.startswith(beginning.strip()[:20]):
        return f"{beginning.rstrip()}\n{example.target}"
    return example.target
