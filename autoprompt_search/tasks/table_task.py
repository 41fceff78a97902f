"""A task over tables whose rows hold their own right answers; what an answer is, the caller says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from autoprompt_search.core.answers import AnswerForm
from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.metric_names import WrittenMetric, metric_name
from autoprompt_search.core.protocols.task import Task
from autoprompt_search.core.reading import Reading
from autoprompt_search.core.signatures import complete
from autoprompt_search.core.types import Example, Splits
from autoprompt_search.tasks.dataset import Dataset, field_mistakes, length_mistakes, reading_notes, reason_mistakes
from autoprompt_search.tasks.examples import Pool, ReadGold, Texts, is_unlabelled, read_rows
from autoprompt_search.tasks.parts import make_splits
from autoprompt_search.tasks.problems import Problems
from autoprompt_search.tasks.readers import Format
from autoprompt_search.tasks.splitting import Stratum, alike
from autoprompt_search.tasks.table_options import TableOptions
from autoprompt_search.tasks.tables import Row, Table

REASONS = ("missing",)
"""For which a row may be left out: it has no right answer."""
_LEFT_OUT = {"missing": "without an answer"}


@dataclass(frozen=True, slots=True)
class RowFormat:
    """How the rows of a task become examples."""

    reading: Reading
    """What goes with an exported prompt, so that it reads rows in the same way."""
    texts: Texts
    """Of a row that holds its right answer."""
    gold: ReadGold
    queries: Texts | None = None
    """Of a row that need not hold a right answer; None: as `texts`."""
    options: Callable[[Row], tuple[str, ...]] | None = None
    """What may be answered to a row, where every row brings options of its own."""
    settled: Callable[[Sequence[Table]], RowFormat] | None = None
    """The format once the data have decided what the options of the task leave open; None: nothing is open."""
    check: Callable[[Sequence[Example]], Sequence[str]] | None = None
    """What is wrong with each of the examples that the splits hold, empty where nothing is; None: nothing more is
    looked at than single rows."""
    whole: Sequence[str] = ()
    """Fields that are never cut."""
    stratum: Stratum = alike
    is_shared: bool = False
    """Whether inputs and right answer stand in one column, as the turns of a conversation do."""

    @property
    def answers(self) -> tuple[str, ...]:
        """Columns of right answers; of the first one every row needs something."""
        return tuple(name for name in (self.reading.label, *self.reading.further) if name)

    @property
    def columns(self) -> list[str]:
        """Every column that is read, once."""
        return list(dict.fromkeys([*self.reading.columns.values(), *self.reading.options, *self.answers]))

    def mistakes(self) -> list[str]:
        """What is wrong with the options, whatever the data hold."""
        reading = self.reading
        taken = [] if self.is_shared else [name for name in reading.columns.values() if name in self.answers]
        return [
            *field_mistakes(reading.columns),
            *(f"text: {column!r} holds the right answer" for column in taken),
            *(f"target: {column!r} stands there twice" for column in _twice(self.answers)),
            *([] if self.answers else ["target: names no column"]),
            *length_mistakes(reading.max_chars),
            *reason_mistakes(reading.leave_out, REASONS),
        ]

    def pool(self, table: Table, problems: Problems) -> Pool:
        """Every good row of a table as an example; every bad one as a problem, unless it is to be left out."""
        reading = self.reading
        return read_rows(
            table,
            self.texts,
            self.gold,
            problems,
            leave_out=reading.leave_out,
            max_chars=reading.max_chars,
            whole=self.whole,
        )


class TableTask:
    """Examples with right answers of their own, in three disjoint parts.

    Args:
        dataset: Where the tables are.
        rows: How rows become examples.
        form: What an answer is.
        metrics: As a file writes them: the one that trials are ranked by, then those that are reported beside it.
        sizes: Wanted number per split.
        problems: What the caller found wrong with its own options.
    """

    def __init__(
        self,
        dataset: Dataset,
        rows: RowFormat,
        form: AnswerForm,
        metrics: Sequence[WrittenMetric],
        sizes: Mapping[str, int],
        problems: Sequence[str] = (),
    ) -> None:
        self._dataset, self._rows, self._form, self._sizes = dataset, rows, form, sizes
        self._metric, *self._metrics = map(metric_name, metrics)
        mistakes = [*dataset.mistakes(), *rows.mistakes(), *problems]
        if mistakes:
            raise ConfigError(mistakes)

    @property
    def answers(self) -> AnswerForm:
        """The value that was given."""
        return self._form

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that rows have."""
        return tuple(self._rows.reading.columns)

    @property
    def metric(self) -> str:
        """The value that was given."""
        return self._metric

    @property
    def metrics(self) -> tuple[str, ...]:
        """The value that was given."""
        return tuple(self._metrics)

    @property
    def reading(self) -> Reading:
        """How rows are read; what the data decide is known once they are loaded."""
        return self._rows.reading

    def load(self, seed: int) -> Splits:
        """Read, check, split and order the data; all mistakes found in a step come as one `ConfigError`."""
        rows = self._rows
        tables = self._dataset.tables(seed, rows.columns)
        hidden = [name for name, table in tables.items() if is_unlabelled(table, rows.answers[0])]
        notes = [note for table in tables.values() for note in table.notes]
        notes += [f"{tables[name].origin} hides its answers and was left out" for name in hidden if name != "train"]
        read = {name: table for name, table in tables.items() if name == "train" or name not in hidden}
        rows = self._rows = rows.settled(list(read.values())) if rows.settled else rows
        problems = Problems()
        pools = {name: rows.pool(table, problems) for name, table in read.items()}
        problems.check()
        notes += reading_notes(pools.values(), rows.reading.max_chars, _LEFT_OUT)
        splits = make_splits(pools, (), self._sizes, seed, rows.stratum)
        if rows.check is not None:
            examples = (*splits.train, *splits.dev, *splits.test)
            places = {identity: place for pool in pools.values() for identity, place in pool.places.items()}
            for example, wrong in zip(examples, rows.check(examples), strict=True):
                if wrong:
                    problems.add(places[example.id], wrong)
            problems.check()
        return replace(splits, notes=(*notes, *splits.notes))


def _twice(values: Sequence[str]) -> list[str]:
    return [value for value in dict.fromkeys(values) if list(values).count(value) > 1]


def table_task(
    data: str | dict[str, str],
    reading: Reading,
    rows: Callable[[Reading], RowFormat],
    form: AnswerForm,
    metric: WrittenMetric,
    options: TableOptions,
    problems: Sequence[str] = (),
) -> Task:
    """A task of the options that all tasks share and of what is its own.

    Args:
        data: As a file writes it.
        reading: How rows become examples, without what `options` say.
        rows: What the task makes of a reading.
        form: What an answer is.
        metric: The metric that trials are ranked by.
        options: Those that are given.
        problems: What the caller found wrong with its own options.
    """
    given = complete(TableOptions, options)
    sizes = dict(given["splits"] or {})
    whole = replace(reading, max_chars=given["max_chars"], leave_out=tuple(given["leave_out"] or ()))
    dataset = Dataset(data, sizes, Format(given["encoding"], given["delimiter"]))
    return TableTask(dataset, rows(whole), form, (metric, *(given["metrics"] or ())), sizes, problems)
