"""What a task must offer: labelled examples and the metric that judges answers."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from autoprompt_search.core.answers import AnswerForm
from autoprompt_search.core.reading import Reading
from autoprompt_search.core.types import Splits


@runtime_checkable
class Task(Protocol):
    """Reads labelled examples and says what a right answer is."""

    @property
    def answers(self) -> AnswerForm:
        """What an answer is; of a classification with all label names."""
        ...

    @property
    def fields(self) -> tuple[str, ...]:
        """Names a template may use as `{slots}`. Known without reading the data."""
        ...

    @property
    def metric(self) -> str:
        """Name of the metric that trials are ranked by."""
        ...

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of further metrics, which are reported beside it."""
        ...

    def load(self, seed: int) -> Splits:
        """Read and split the data. Same seed, same splits; `ConfigError` names file, line and mistake."""
        ...


@runtime_checkable
class Reads(Protocol):
    """A task whose way of reading rows can go with an exported prompt."""

    @property
    def reading(self) -> Reading:
        """The same for all of its data. Known without reading them."""
        ...
