"""Data sets of the `datasets` library, from the hub or from `save_to_disk`; the one module that needs it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import datasets
from huggingface_hub.errors import HfHubHTTPError

from autoprompt_search.core.errors import first_line
from autoprompt_search.core.types import SPLITS
from autoprompt_search.tasks.problems import Problems
from autoprompt_search.tasks.tables import Row, Table

_ALIASES = {"validation": "dev", "valid": "dev", "val": "dev"}


def saved_tables(folder: Path, columns: Sequence[str], problems: Problems) -> dict[str, Table]:
    """What `save_to_disk` wrote."""
    try:
        loaded = datasets.load_from_disk(str(folder))
    except (OSError, ValueError, KeyError, TypeError) as exc:
        problems.add(str(folder), f"no readable data set: {_line(exc)}")
        return {}
    return _tables(loaded, str(folder), columns, problems)


def hub_tables(name: str, config: str | None, columns: Sequence[str], problems: Problems) -> dict[str, Table]:
    """A data set of the Hugging Face hub, or of its local cache. No code of the data set is ever run."""
    shown = f"{name}:{config}" if config else name
    try:
        loaded = datasets.load_dataset(name, config)
    except (OSError, ValueError, RuntimeError, HfHubHTTPError) as exc:
        problems.add(shown, f"is no file here, and the Hugging Face hub does not give it: {_line(exc)}")
        return {}
    return _tables(loaded, shown, columns, problems)


def _line(exc: Exception) -> str:
    return f"{type(exc).__name__}: {first_line(exc)}"


def _tables(loaded: Any, shown: str, columns: Sequence[str], problems: Problems) -> dict[str, Table]:
    """The known splits; a lone split of any name is the one to split."""
    parts = dict(loaded.items()) if isinstance(loaded, dict) else {"train": loaded}
    named = {_ALIASES.get(split, split): part for split, part in parts.items()}
    if len(named) == 1:
        named = {"train": next(iter(named.values()))}
    if "train" not in named:
        problems.add(shown, f"has no split 'train', only {', '.join(parts)}")
        return {}
    for split, part in named.items():
        if not len(part):
            problems.add(f"{shown}[{split}]", "is empty")
    return {split: _table(split, named[split], shown, columns) for split in SPLITS if split in named}


def _table(split: str, part: Any, shown: str, columns: Sequence[str]) -> Table:
    wanted = [name for name in dict.fromkeys(columns) if name in part.column_names]
    classes = {
        name: tuple(part.features[name].names)
        for name in wanted
        if isinstance(part.features[name], datasets.ClassLabel)
    }
    rows = tuple(_rows(part.select_columns(wanted), f"{shown}[{split}]")) if wanted else ()
    return Table(split, f"{shown}[{split}]", rows, tuple(part.column_names), classes, is_editable=False)


def _rows(part: Any, origin: str) -> Iterator[Row]:
    for number, record in enumerate(part, 1):
        yield Row(number, f"{origin}: row {number}", record)
