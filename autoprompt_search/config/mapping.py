"""A search space as a mapping of Python: data that are no file become one."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autoprompt_search.config.reader import Document
from autoprompt_search.core.disk import cache_folder
from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.fingerprint import sha256_file


def of_mapping(source: Mapping[str, Any]) -> Document:
    """The sections, tables in `task.data` replaced by the files that hold them. Lines are not known."""
    task = source.get("task")
    if not isinstance(task, Mapping) or "data" not in task:
        return Document(copy.deepcopy(dict(source)))
    data = task["data"]
    rest = copy.deepcopy({name: value for name, value in source.items() if name != "task"})
    options = copy.deepcopy({name: value for name, value in task.items() if name != "data"})
    kept = {k: _kept(v) for k, v in data.items()} if isinstance(data, Mapping) else _kept(data)
    return Document({**rest, "task": {**options, "data": kept}})


def _kept(data: Any) -> Any:
    """The path of a table that was kept; anything else as it is."""
    if not hasattr(data, "to_parquet"):
        return str(data) if isinstance(data, Path) else data
    folder = cache_folder("data")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as draft:
            file = Path(draft) / "data.parquet"
            # a data frame has an index, which is no column of the task; a data set has none
            data.to_parquet(file, index=False) if hasattr(data, "iloc") else data.to_parquet(str(file))
            path = folder / f"{sha256_file(file)[:16]}.parquet"
            file.replace(path)
    except OSError as exc:
        raise ConfigError(f"task.data: the table cannot be kept in {folder}: {exc.strerror or exc}") from exc
    return str(path)
