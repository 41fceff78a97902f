"""Answers out of a set: the confusion matrix, and the examples that the best prompt won and lost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from autoprompt_search.core.answers import Completion
from autoprompt_search.core.measurements import Outcome
from autoprompt_search.metrics.confusion import Confusion, confusion
from autoprompt_search.report import wording
from autoprompt_search.report.data import ReportData

CHANGED_SHOWN = 10
MATRIX_LABELS = 10
"""With more labels a matrix is wider than a screen: each label gets a row, and the commonest confusions are listed."""
CONFUSED_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Change:
    """One test example on which baseline and best prompt differ in being right."""

    id: str
    text: str
    target: str
    baseline: str
    best: str


@dataclass(frozen=True, slots=True)
class Changes:
    """Examples won and lost by the best prompt: how many, and the first few."""

    won: int
    lost: int
    both_wrong: int
    """Number of examples that both get wrong with different answers."""
    shown_won: tuple[Change, ...]
    shown_lost: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class ClassRow:
    """One label on the test split."""

    label: str
    examples: int
    found: tuple[float | None, ...]
    """Recall for each prompt; None without examples."""
    right: tuple[float | None, ...]
    """Precision for each prompt; None where it never gave this answer."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """A label that was taken for another one."""

    gold: str
    predicted: str
    counts: tuple[int, ...]
    """For each prompt."""


@dataclass(frozen=True, slots=True)
class LabelView:
    """What the sections show."""

    confusions: tuple[tuple[str, Confusion], ...] | None
    """Title and matrix; None where answers are no labels, () where there are too many for a matrix."""
    sides: tuple[str, ...]
    """The prompts of `classes` and `mistakes`."""
    classes: tuple[ClassRow, ...]
    """Every label, where there are too many for a matrix."""
    mistakes: tuple[Mistake, ...]
    """The commonest, by the last of `sides`."""
    changes: Changes
    has_outcomes: bool
    is_baseline_best: bool


class LabelSection:
    """Implements `Section`."""

    template = "sections/labels.html.j2"

    def view(self, data: ReportData) -> LabelView | None:
        """None where the model writes answers that are no labels: no text is right letter by letter."""
        outcomes = (*data.baseline_outcomes[:1], *data.best_outcomes[:1])
        if not data.labels and any(isinstance(o.response, Completion) for o in outcomes):
            return None
        same = wording.is_baseline_best(data)
        answered = [("Baseline", data.baseline_outcomes)] + ([] if same else [("Best", data.best_outcomes)])
        matrices = tuple((title, confusion(outcomes, data.labels)) for title, outcomes in answered if outcomes)
        is_large = len(data.labels) > MATRIX_LABELS
        shown = [matrix for _, matrix in matrices]
        return LabelView(
            confusions=(() if is_large else matrices) if data.labels else None,
            sides=tuple(title for title, _ in matrices),
            classes=tuple(class_rows(shown)) if is_large else (),
            mistakes=tuple(mistakes(shown)) if is_large else (),
            changes=changes(data.baseline_outcomes, data.best_outcomes, data.texts),
            has_outcomes=bool(data.best_outcomes),
            is_baseline_best=same,
        )

    def links(self, view: LabelView) -> tuple[tuple[str, str], ...]:
        """Id and title of each section."""
        matrix = () if view.confusions is None else (("confusion", "Confusion"),)
        return (*matrix, ("changed", "Examples"))

    def markdown(self, view: LabelView) -> Iterator[str]:
        """The numbers alone."""
        if not view.is_baseline_best and view.has_outcomes:
            won, lost = wording.count(view.changes.won), wording.count(view.changes.lost)
            yield "## Examples that changed"
            yield f"{won} won, {lost} lost on the test split."


def class_rows(found: Sequence[Confusion]) -> Iterator[ClassRow]:
    """Every label, in the order of the task."""
    tables = [_cells(one) for one in found]
    for label in dict.fromkeys(row for one in found for row in one.rows):
        totals = [sum(n for (gold, _), n in cells.items() if gold == label) for cells in tables]
        given = [sum(n for (_, said), n in cells.items() if said == label) for cells in tables]
        hits = [cells.get((label, label), 0) for cells in tables]
        yield ClassRow(
            label,
            max(totals),
            tuple(hit / n if n else None for hit, n in zip(hits, totals, strict=True)),
            tuple(hit / n if n else None for hit, n in zip(hits, given, strict=True)),
        )


def mistakes(found: Sequence[Confusion]) -> list[Mistake]:
    """What the last prompt takes for what, the commonest first."""
    tables = [_cells(one) for one in found]
    last = sorted(tables[-1].items(), key=lambda item: (-item[1], item[0])) if tables else []
    wrong = [pair for pair, n in last if n and pair[0] != pair[1]][:CONFUSED_SHOWN]
    return [Mistake(*pair, tuple(cells.get(pair, 0) for cells in tables)) for pair in wrong]


def _cells(one: Confusion) -> dict[tuple[str, str], int]:
    """(right label, answer) -> how often."""
    return {
        (row, column): n
        for row, line in zip(one.rows, one.counts, strict=True)
        for column, n in zip(one.columns, line, strict=True)
    }


def changes(data_baseline: Sequence[Outcome], data_best: Sequence[Outcome], texts: Mapping[str, str]) -> Changes:
    """Compare two prompts example by example."""
    won: list[Change] = []
    lost: list[Change] = []
    both_wrong = 0
    for before, after in zip(data_baseline, data_best, strict=True):
        if before.is_right == after.is_right:
            both_wrong += before.prediction != after.prediction
            continue
        text = texts.get(before.example, "(text not kept)")
        change = Change(before.example, text, before.target, before.prediction, after.prediction)
        (won if after.is_right else lost).append(change)
    return Changes(len(won), len(lost), both_wrong, tuple(won[:CHANGED_SHOWN]), tuple(lost[:CHANGED_SHOWN]))
