"""How often each label got each answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from autoprompt_search.core.measurements import Outcome


@dataclass(frozen=True, slots=True)
class Confusion:
    """Counts of gold labels (rows) by predictions (columns)."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    """The labels in their order, then answers that are no labels."""
    counts: tuple[tuple[int, ...], ...]
    recalls: tuple[float | None, ...]
    """The share on the diagonal of each row; None for a label without examples."""

    @property
    def square(self) -> tuple[tuple[int, ...], ...]:
        """The counts of labels by labels, and behind them what was no label, in one column, where anything was."""
        known = len(self.rows)
        strays = [sum(line[known:]) for line in self.counts]
        extra = any(strays)
        return tuple((*line[:known], *([n] if extra else [])) for line, n in zip(self.counts, strays, strict=True))


def confusion(outcomes: Sequence[Outcome], labels: Sequence[str]) -> Confusion:
    """The confusion matrix; an answer that is no label gets a column of its own."""
    counted = Counter((o.target, o.prediction) for o in outcomes)
    rows = _with_strays(labels, (t for t, _ in counted))
    columns = _with_strays(labels, (p for _, p in counted))
    counts = tuple(tuple(counted[row, column] for column in columns) for row in rows)
    totals = [sum(line) for line in counts]
    recalls = tuple(counted[row, row] / n if n else None for row, n in zip(rows, totals, strict=True))
    return Confusion(rows, columns, counts, recalls)


def _with_strays(labels: Sequence[str], found: Iterable[str]) -> tuple[str, ...]:
    return (*labels, *sorted(set(found) - set(labels)))
