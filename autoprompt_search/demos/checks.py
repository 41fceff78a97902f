"""What every strategy refuses: impossible numbers, and the query as its own demonstration."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.types import Example


class SameInputs:
    """Tells whether an example is the query, or reads like it."""

    def __init__(self, query: Example) -> None:
        self._id = query.id
        self._inputs = dict(query.inputs)

    def __call__(self, example: Example) -> bool:
        """True for the query's id and for identical inputs."""
        return example.id == self._id or dict(example.inputs) == self._inputs


def check_k(k: int, pool: Sequence[Example]) -> None:
    """`ConfigError` unless 1 <= k <= size of the pool."""
    if k < 1:
        raise ConfigError(f"k: must be 1 or more (got {k}); write `demos.strategy: none` for no demonstrations")
    if k > len(pool):
        raise ConfigError(f"k: {k} demonstrations are wanted, the train split has {len(pool)} examples")


def check_labels(k: int, wanted: Mapping[str, int], pool: Sequence[Example]) -> None:
    """`ConfigError` where a label has fewer examples than it should give."""
    counts = Counter(example.target for example in pool)
    short = [
        f"k: {k} balanced demonstrations take {number} of label {label!r}, the train split has {counts[label]}"
        for label, number in wanted.items()
        if number > counts[label]
    ]
    if short:
        raise ConfigError(short)
