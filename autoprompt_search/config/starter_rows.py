"""Which rows a first space file leaves out: those without a label, and labels that too few have. Said, not silent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from autoprompt_search.config.starter_yaml import quoted
from autoprompt_search.tasks.dataset import Dataset
from autoprompt_search.tasks.examples import is_unlabelled
from autoprompt_search.tasks.labels import Labels, is_missing
from autoprompt_search.tasks.readers import GUESSED, Format
from autoprompt_search.tasks.tables import value_of

_FEWEST = 4
"""Examples of a label by which each of three parts can get one."""


_FORMAT = ("encoding", "delimiter")


@dataclass(frozen=True, slots=True)
class Kept:
    """Options of the task for rows that can be used, and what to say of the others."""

    options: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def lines(self) -> str:
        """The options that a space file shows beside `labels`."""
        reasons = self.options.get("leave_out")
        lines = [f"leave_out: [{', '.join(reasons)}]   # such rows are counted in a note"] if reasons else []
        lines += [f"{name}: {quoted(self.options[name])}" for name in _FORMAT if name in self.options]
        return "".join(f"\n  {line}" for line in lines)


def given(wanted: Format) -> dict[str, str]:
    """What the user says of the files, as options of a task."""
    return {name: value for name in _FORMAT if (value := getattr(wanted, name)) is not None}


def rows_to_keep(data: str, text: Sequence[str], label: str, wanted: Format = GUESSED) -> Kept:
    """Look at the labels of all rows. What else is wrong with the data is left to whoever reads them."""
    dataset = Dataset(data, {}, wanted)
    if dataset.is_drawn or dataset.mistakes():
        return Kept(given(wanted))
    tables = dataset.tables(0, [*text, label])
    labelled = [table for table in tables.values() if not is_unlabelled(table, label)]
    labels = Labels(None, label, labelled)
    counts: Counter[str] = Counter()
    missing = 0
    for table in labelled:
        classes = table.classes.get(label, ())
        values = [value_of(row.values, label) for row in table.rows]
        missing += sum(is_missing(value, classes) for value in values)
        counts.update(name for v in values if not is_missing(v, classes) and (name := labels.name(v, classes)))
    rare = [name for name in labels.names if counts[name] < _FEWEST]
    kept = [name for name in labels.names if name not in rare]
    if len(kept) < 2:
        rare = []
    reasons = (["missing"] if missing else []) + (["unknown"] if rare else [])
    options: dict[str, Any] = {**given(wanted), **({"leave_out": reasons} if reasons else {})}
    if not rare:
        return Kept(options)
    names = ", ".join(f"{name!r} ({counts[name]})" for name in rare[:_FEWEST])
    return Kept({**options, "labels": kept}, (f"labels of fewer than {_FEWEST} rows are left out: {names}",))
