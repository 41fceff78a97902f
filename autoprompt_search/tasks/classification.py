"""Text classification from the user's files, a data set or the built-in reviews; knows no prompt and no model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Unpack

from autoprompt_search.core.answers import AnswerForm, members
from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.metric_names import WrittenMetric, metric_name
from autoprompt_search.core.reading import Reading
from autoprompt_search.core.signatures import complete
from autoprompt_search.core.types import Splits
from autoprompt_search.tasks.dataset import (
    Dataset,
    field_mistakes,
    fields_of,
    length_mistakes,
    reading_notes,
    reason_mistakes,
)
from autoprompt_search.tasks.examples import REASONS, Columns, is_unlabelled, read_examples
from autoprompt_search.tasks.labels import Labels, doubts, mistakes, raw_values, several_names
from autoprompt_search.tasks.parts import make_splits
from autoprompt_search.tasks.problems import Problems
from autoprompt_search.tasks.readers import Format
from autoprompt_search.tasks.sources import REVIEWS_LABELS
from autoprompt_search.tasks.splitting import alike, by_target
from autoprompt_search.tasks.table_options import TableOptions
from autoprompt_search.tasks.tables import Table


class ClassificationTask:
    """Labelled texts in three disjoint parts.

    Args:
        data: `builtin:reviews`; a .jsonl, .json, .csv, .tsv or .parquet file; split -> file; a folder
            with files named after splits or written by `save_to_disk`; a hub name or `name:config`.
        text: Column, columns, or field -> column; the fields of templates.
        label: Column of the gold label.
        labels: Names in order, or raw value -> name; None takes what the data hold.
        multi_label: Whether a text may have any number of the labels: a list, or a text with `,`, `;` or `|` between
            them. Answers are then generated and read by the parser `all-labels`.
        metric: The metric that trials are ranked by: its name, or `{type: bleu, tokenize: zh}` for one with options.
        options: See `TableOptions`.
    """

    def __init__(
        self,
        data: str | dict[str, str],
        text: str | list[str] | dict[str, str] = "text",
        label: str = "label",
        *,
        labels: list[str] | dict[str | int | float | bool, str] | None = None,
        multi_label: bool = False,
        metric: WrittenMetric | None = None,
        **options: Unpack[TableOptions],
    ) -> None:
        given = complete(TableOptions, options)
        self._columns = Columns(fields_of(text), label, given["max_chars"])
        self._option = labels
        self._is_several = multi_label
        usual = "micro_f1" if multi_label else "accuracy"
        self._metric, self._metrics = metric_name(metric or usual), tuple(map(metric_name, given["metrics"] or ()))
        self._known: Labels | None = None
        self._sizes = dict(given["splits"] or {})
        self._leave_out = tuple(given["leave_out"] or ())
        self._dataset = Dataset(data, self._sizes, Format(given["encoding"], given["delimiter"]))
        fields = self._columns.fields
        problems = [
            *self._dataset.mistakes(),
            *field_mistakes(fields),
            *(f"text: {column!r} is the label" for column in fields.values() if column == label),
            *length_mistakes(given["max_chars"]),
            *mistakes(labels),
            *reason_mistakes(self._leave_out, REASONS),
        ]
        if problems:
            raise ConfigError(problems)

    @property
    def labels(self) -> tuple[str, ...]:
        """All label names; reads the data where `labels` was not given."""
        if self._option is None and self._dataset.is_drawn:
            return REVIEWS_LABELS
        if self._known is None:
            self._known = self._labels({} if self._option else self._read(seed=0))
        return self._known.names

    @property
    def answers(self) -> AnswerForm:
        """One of `labels`, or any of them."""
        return AnswerForm("labels" if self._is_several else "label", self.labels)

    @property
    def fields(self) -> tuple[str, ...]:
        """The names given by `text`."""
        return tuple(self._columns.fields)

    @property
    def metric(self) -> str:
        """The metric as given."""
        return self._metric

    @property
    def metrics(self) -> tuple[str, ...]:
        """The further metrics as given."""
        return self._metrics

    @property
    def reading(self) -> Reading:
        """How rows become examples, as the options say."""
        columns = self._columns
        return Reading(
            dict(columns.fields), columns.label, raw_values(self._option), columns.max_chars, self._leave_out
        )

    def load(self, seed: int) -> Splits:
        """Read, check, split and order the data; all mistakes found in a step come as one `ConfigError`."""
        tables = self._read(seed)
        labels = self._known = self._labels(tables)
        hidden = [name for name, table in tables.items() if is_unlabelled(table, self._columns.label)]
        notes = [note for table in tables.values() for note in table.notes]
        is_open = self._option is None and not self._is_several
        notes += doubts(self._columns.label, list(tables.values())) if is_open else []
        notes += [f"{tables[name].origin} hides its labels and was left out" for name in hidden if name != "train"]
        problems = Problems()
        pools = {
            name: read_examples(table, self._columns, labels, problems, self._leave_out, are_several=self._is_several)
            for name, table in tables.items()
            if name == "train" or name not in hidden
        }
        problems.check()
        notes += reading_notes(pools.values(), self._columns.max_chars, _LEFT_OUT)
        names = () if self._is_several else labels.names
        splits = make_splits(pools, names, self._sizes, seed, alike if self._is_several else by_target)
        return replace(splits, notes=(*notes, *splits.notes))

    def _read(self, seed: int) -> Mapping[str, Table]:
        """The tables, with all columns."""
        return self._dataset.tables(seed, [*self._columns.fields.values(), self._columns.label])

    def _labels(self, tables: Mapping[str, Table]) -> Labels:
        option = self._option
        if self._is_several and option is None:
            option = several_names(self._columns.label, tables.values())
        labels = Labels(option, self._columns.label, tables.values())
        if self._is_several and (bad := [name for name in labels.names if members(name) != (name,)]):
            raise ConfigError(f"labels: {bad[0]!r} cannot be one of several: it is a list, or says that there is none")
        return labels


_LEFT_OUT = {"missing": "without a label", "unknown": "with a label that is not among `labels`"}
