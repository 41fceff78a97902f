"""Read a file into a checked `SearchConfig`: form, components and the rules between sections, all mistakes at once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from autoprompt_search.config import overrides as overriding
from autoprompt_search.config.data import local_data_problems
from autoprompt_search.config.mapping import of_mapping
from autoprompt_search.config.models import SearchConfig
from autoprompt_search.config.reader import Document, read
from autoprompt_search.config.rules import rule_problems
from autoprompt_search.config.validation import Draft, Problem, validate
from autoprompt_search.core.errors import ConfigError


def load_config(source: str | Path | Mapping[str, Any], overrides: Sequence[str] = ()) -> SearchConfig:
    """Read and check a search space, changed by `key.path=value` overrides.

    Args:
        source: A file, or a mapping with the sections of one. There `task.data` may be a pandas `DataFrame`, a
            `datasets.Dataset`, or a mapping of splits to these: they are kept as Parquet files in the user's cache,
            named by their content.
        overrides: As `--set` on the command line.

    >>> from autoprompt_search import load_config
    >>> load_config(example_config(), ["budget.trials=3"]).budget.trials
    3

    Raises `ConfigError` with every mistake found, each as `field: what is wrong (got value)` with
    its line. Data are read only where they are needed to know the labels, or to complete the list of mistakes.
    """
    where = "the mapping" if isinstance(source, Mapping) else str(source)
    draft, problems = _examined(of_mapping(source) if isinstance(source, Mapping) else read(Path(source)), overrides)
    if problems:
        problems += [p for p in local_data_problems(draft) if p not in problems]
        raise ConfigError(problems, where=where)
    return draft.config


def check_config(config: SearchConfig) -> list[str]:
    """The rules between sections, for a configuration that was made in Python."""
    return [p.text for p in rule_problems(Draft(config))]


def examine(path: Path, overrides: Sequence[str] = ()) -> tuple[Draft, list[str]]:
    """The valid part of the configuration, and every mistake with its line."""
    return _examined(read(path), overrides)


def _examined(document: Document, overrides: Sequence[str]) -> tuple[Draft, list[str]]:
    first = overriding.apply(document, overrides)
    draft = validate(document.data)
    problems = [*draft.problems, *rule_problems(draft)]
    problems.sort(key=lambda p: _line(document.origin(p.place)))
    return draft, first + [_with_origin(p, document) for p in problems]


def _line(origin: str) -> float:
    """Order of mistakes: as in the file, then those that have no line."""
    return int(origin.removeprefix("line ")) if origin.startswith("line ") else math.inf


def _with_origin(problem: Problem, document: Document) -> str:
    origin = document.origin(problem.place)
    return f"{problem.text} [{origin}]" if origin else problem.text
