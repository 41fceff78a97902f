"""Options that all tasks share, each with its default: how rows become examples, and what is reported beside."""

from __future__ import annotations

from typing import Annotated, TypedDict

from autoprompt_search.core.metric_names import WrittenMetric
from autoprompt_search.core.signatures import Default


class TableOptions(TypedDict, total=False):
    """Options of every task that reads rows."""

    metrics: Annotated[list[WrittenMetric] | None, Default(None)]
    """Further metrics that are reported beside `metric`; each is a name, or `{type: bleu, tokenize: zh}` for one with
    options."""
    splits: Annotated[dict[str, int] | None, Default(None)]
    """Wanted number per split. Without: all of a split that the data give; of what is split here, a quarter each for
    train and dev and half for test."""
    max_chars: Annotated[int | None, Default(None)]
    """Longest text of a field; longer ones are cut where a word ends. Right answers and options stay whole."""
    leave_out: Annotated[list[str] | None, Default(None)]
    """Rows that are left out and counted instead of refused: `missing`, without a right answer; `unknown`, of a
    classification, with a label that is not among `labels`."""
    encoding: Annotated[str | None, Default(None)]
    """Of text files, such as `windows-1252`; None guesses and says what."""
    delimiter: Annotated[str | None, Default(None)]
    """Between the columns of .csv and .tsv files; None guesses and says what."""
