"""How a row of data becomes what a prompt reads and how its answer is called: a part of every exported prompt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Reading:
    """What a task does to rows on their way to examples, as far as it is the same for every row."""

    columns: Mapping[str, str] = field(default_factory=dict)
    """Field -> column of the search's data; a field that is not named here stands in the column of its own name."""
    label: str = "label"
    """Column of the right answer."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Raw value as it is spelled in a table -> label; empty where the labels are the values."""
    max_chars: int | None = None
    """Longest text of a field; longer ones are cut where a word ends. None for any length."""
    leave_out: tuple[str, ...] = ()
    """Reasons for which labelled rows are left out instead of refused: `missing`, `unknown`."""
    task: str = ""
    """Name of the task whose rows these are, where they are more than columns of texts beside a label."""
    further: tuple[str, ...] = ()
    """Further columns of right answers."""
    options: tuple[str, ...] = ()
    """Columns of an example's own options."""
    settings: Mapping[str, str | int] = field(default_factory=dict)
    """Options of the task that say how its cells are read."""


AS_IT_IS = Reading()
"""Fields by their own names, whole, and labels by theirs."""
