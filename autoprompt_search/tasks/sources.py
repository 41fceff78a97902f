"""The `data` option to tables: files, folders, data sets and the built-in reviews; knows no labels."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from autoprompt_search.core.disk import is_folder, is_there
from autoprompt_search.core.types import SPLITS
from autoprompt_search.tasks.problems import Problems
from autoprompt_search.tasks.readers import GUESSED, READERS, SPREADSHEETS, Format, read_table
from autoprompt_search.tasks.tables import Row, Table

BUILTIN = "builtin:"
REVIEWS = "builtin:reviews"
REVIEWS_LABELS = ("negative", "positive")
_REVIEWS_SIZES = {"train": 128, "dev": 512, "test": 1000}
_HUB_NAME = re.compile(r"(?P<name>[\w-][\w.-]*(/[\w-][\w.-]*)?)(:(?P<config>[\w.-]+))?")
_STEMS = {"train": "train", "dev": "dev", "valid": "dev", "val": "dev", "validation": "dev", "test": "test"}


def read_tables(
    data: str | Mapping[str, str], columns: Sequence[str], problems: Problems, wanted: Format = GUESSED
) -> dict[str, Table]:
    """Split name -> table, always with `train` unless there are problems.

    A single file or a data set without splits is `train`, and everything else is split off it.
    """
    if not isinstance(data, str):
        return _files({split: Path(path) for split, path in data.items()}, problems, wanted)
    path = Path(data).expanduser()
    if is_folder(path):
        return _folder(path, columns, problems, wanted)
    if not _is_path(data):
        return _hub(data, columns, problems)
    table = read_table(path, problems, wanted=wanted)
    return {"train": table} if table.rows else {}


def review_tables(seed: int, sizes: Mapping[str, int]) -> dict[str, Table]:
    """`builtin:reviews`, drawn for this seed, as many as wanted."""
    from autoprompt_search.embedded.reviews import reviews

    tables = {}
    for split in SPLITS:
        drawn = reviews(seed, sizes.get(split, _REVIEWS_SIZES[split]), split=split)
        origin = f"{REVIEWS}[{split}]"
        rows = [
            Row(number, f"{origin}: row {number}", {"text": review.text, "label": review.label})
            for number, review in enumerate(drawn, 1)
        ]
        tables[split] = Table(split, origin, rows, ("text", "label"), is_editable=False)
    return tables


def _is_path(data: str) -> bool:
    """Whether a missing `data` was meant as a file or folder here, not as a name on the hub."""
    path = Path(data)
    first = Path(path.parts[0]) if path.parts else path
    return (
        is_there(path)
        or path.suffix.lower() in (*READERS, *SPREADSHEETS)
        or not _HUB_NAME.fullmatch(data)
        or (len(path.parts) > 1 and is_folder(first))
    )


def _hub(data: str, columns: Sequence[str], problems: Problems) -> dict[str, Table]:
    match = _HUB_NAME.fullmatch(data)
    if match is None:
        problems.add(data, "is neither a file nor the name of a data set")
        return {}
    from autoprompt_search.tasks.hub import hub_tables

    return hub_tables(match["name"], match["config"], columns, problems)


def _folder(folder: Path, columns: Sequence[str], problems: Problems, wanted: Format) -> dict[str, Table]:
    """What `save_to_disk` wrote, or files named after splits."""
    if any((folder / name).is_file() for name in ("dataset_dict.json", "dataset_info.json", "state.json")):
        from autoprompt_search.tasks.hub import saved_tables

        return saved_tables(folder, columns, problems)
    files: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in READERS and path.stem in _STEMS:
            files.setdefault(_STEMS[path.stem], []).append(path)
    for split, paths in files.items():
        if len(paths) > 1:
            problems.add(str(folder), f"has several files for {split}: {', '.join(p.name for p in paths)}")
    if "train" not in files:
        problems.add(str(folder), "is a folder without a train file and was not written by save_to_disk")
        return {}
    return _files({split: paths[0] for split, paths in files.items()}, problems, wanted)


def _files(paths: Mapping[str, Path], problems: Problems, wanted: Format) -> dict[str, Table]:
    tables: dict[str, Table] = {}
    owners: dict[Path, str] = {}
    for split in (name for name in SPLITS if name in paths):
        path = paths[split].expanduser()
        other = owners.setdefault(path.resolve(), split)
        if other != split:
            problems.add(str(path), f"is given for {other} and for {split}; the parts must be disjoint")
            continue
        table = read_table(path, problems, name=split, wanted=wanted)
        if table.rows:
            tables[split] = table
    return tables


def suggest(name: str, names: Sequence[str]) -> str:
    """`; did you mean 'text'? Columns: text, label`"""
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ";"
    return f"{hint} Columns: {', '.join(names)}"
