"""A task over tables whose rows hold their own right answers; what an answer is, the caller says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from autoprompt_search.core.answers import AnswerForm
from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.reading import Reading
from autoprompt_search.core.types import Splits
from autoprompt_search.tasks.dataset import Dataset, field_mistakes, length_mistakes, reading_notes, reason_mistakes
from autoprompt_search.tasks.examples import ReadGold, Texts, is_unlabelled, read_rows
from autoprompt_search.tasks.parts import make_splits
from autoprompt_search.tasks.problems import Problems
from autoprompt_search.tasks.splitting import Stratum, alike
from autoprompt_search.tasks.tables import Table

REASONS = ("missing",)
"""For which a row may be left out: it has no right answer."""
_LEFT_OUT = {"missing": "without an answer"}


@dataclass(frozen=True, slots=True)
class RowFormat:
    """How the rows of a task become examples."""

    fields: Mapping[str, str]
    """Field of templates -> the column that it is read from."""
    texts: Texts
    golds: Callable[[Sequence[Table]], ReadGold]
    """The reader of right answers, chosen once for all tables."""
    answers: Sequence[str]
    """Columns of right answers; of the first one every row needs something."""
    others: Sequence[str] = ()
    """Further columns that are read."""
    max_chars: int | None = None
    leave_out: Sequence[str] = ()
    whole: Sequence[str] = ()
    """Fields that are never cut."""
    stratum: Stratum = alike
    is_shared: bool = False
    """Whether inputs and right answer stand in one column, as the turns of a conversation do."""

    @property
    def columns(self) -> list[str]:
        """Every column that is read, once."""
        return list(dict.fromkeys([*self.fields.values(), *self.others, *self.answers]))

    def mistakes(self) -> list[str]:
        """What is wrong with the options, whatever the data hold."""
        taken = [] if self.is_shared else [column for column in self.fields.values() if column in self.answers]
        return [
            *field_mistakes(self.fields),
            *(f"text: {column!r} holds the right answer" for column in taken),
            *(f"target: {column!r} stands there twice" for column in _twice(self.answers)),
            *([] if self.answers else ["target: names no column"]),
            *length_mistakes(self.max_chars),
            *reason_mistakes(self.leave_out, REASONS),
        ]


class TableTask:
    """Examples with right answers of their own, in three disjoint parts.

    Args:
        dataset: Where the tables are.
        rows: How rows become examples.
        form: What an answer is.
        metric: Name of the metric that trials are ranked by.
        sizes: Wanted number per split.
        problems: What the caller found wrong with its own options.
    """

    def __init__(
        self,
        dataset: Dataset,
        rows: RowFormat,
        form: AnswerForm,
        metric: str,
        sizes: Mapping[str, int],
        problems: Sequence[str] = (),
    ) -> None:
        self._dataset, self._rows, self._form, self._metric, self._sizes = dataset, rows, form, metric, sizes
        found = [*dataset.mistakes(), *rows.mistakes(), *problems]
        if found:
            raise ConfigError(found)

    @property
    def answers(self) -> AnswerForm:
        """As given."""
        return self._form

    @property
    def fields(self) -> tuple[str, ...]:
        """As the rows have them."""
        return tuple(self._rows.fields)

    @property
    def metric(self) -> str:
        """As given."""
        return self._metric

    @property
    def reading(self) -> Reading:
        """As the rows are read."""
        rows = self._rows
        return Reading(dict(rows.fields), rows.answers[0], {}, rows.max_chars, tuple(rows.leave_out))

    def load(self, seed: int) -> Splits:
        """Read, check, split and order the data; all mistakes found in a step come as one `ConfigError`."""
        rows = self._rows
        tables = self._dataset.tables(seed, rows.columns)
        hidden = [name for name, table in tables.items() if is_unlabelled(table, rows.answers[0])]
        notes = [note for table in tables.values() for note in table.notes]
        notes += [f"{tables[name].origin} hides its answers and was left out" for name in hidden if name != "train"]
        read = {name: table for name, table in tables.items() if name == "train" or name not in hidden}
        gold_in = rows.golds(list(read.values()))
        problems = Problems()
        pools = {
            name: read_rows(
                table,
                rows.texts,
                gold_in,
                problems,
                leave_out=rows.leave_out,
                max_chars=rows.max_chars,
                whole=rows.whole,
            )
            for name, table in read.items()
        }
        problems.check()
        notes += reading_notes(pools.values(), rows.max_chars, _LEFT_OUT)
        splits = make_splits(pools, (), self._sizes, seed, rows.stratum)
        return replace(splits, notes=(*notes, *splits.notes))


def _twice(values: Sequence[str]) -> list[str]:
    return [value for value in dict.fromkeys(values) if list(values).count(value) > 1]
