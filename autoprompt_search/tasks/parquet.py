"""Parquet files to rows; the one module that needs pyarrow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from autoprompt_search.core.errors import first_line
from autoprompt_search.tasks.problems import Problems
from autoprompt_search.tasks.tables import Row


def class_names(path: Path) -> dict[str, tuple[str, ...]]:
    """Column of class numbers -> names, from what the `datasets` library writes beside the data; {} without it."""
    try:
        features = json.loads((pq.read_schema(path).metadata or {})[b"huggingface"])["info"]["features"]
        classes = {name: feature["names"] for name, feature in features.items() if feature.get("_type") == "ClassLabel"}
    except (pa.ArrowException, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return {}
    return {name: tuple(names) for name, names in classes.items() if all(isinstance(one, str) for one in names)}


def read_parquet(path: Path, problems: Problems) -> Iterator[Row]:
    """All rows, counted from 1."""
    try:
        records = pq.read_table(path).to_pylist()
    except (pa.ArrowException, ValueError) as exc:
        problems.add(str(path), f"no readable Parquet file: {first_line(exc)}")
        return
    for number, record in enumerate(records, 1):
        yield Row(number, f"{path}: row {number}", record)
