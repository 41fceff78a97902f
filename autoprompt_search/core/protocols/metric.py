"""What a metric must offer: a row of numbers per example that adds up, and the score of such a sum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from autoprompt_search.core.arrays import Doubles
from autoprompt_search.core.measurements import Outcome


class Metric(Protocol):
    """Higher is better, and 1 is perfect.

    A metric is split into statistics of single examples and a score of their sum, so that intervals, tests, and
    races can score any part of the examples, or any resample, without looking at answers again. `statistics` is the
    only code that looks at targets and predictions. Builders take no options unless the metric has some; one with a
    parameter `labels` is given the task's label names, or none where only the properties will be asked.
    """

    @property
    def answers(self) -> tuple[str, ...]:
        """The kinds of answers that it can judge: `label`, `labels`, `option`, `text`, `program` or `ranking`."""
        ...

    @property
    def is_mean(self) -> bool:
        """Whether the score is the mean of `statistics[0]`, which then lies in [0, 1].

        Tests and intervals for means apply to such a metric: Wilson's, McNemar's, Wilcoxon's, the knowledge gradient.
        """
        ...

    def statistics(self, outcome: Outcome) -> Sequence[float]:
        """k numbers of one example; those of several examples add. k is the same for all examples."""
        ...

    def score(self, sums: Doubles, n: Doubles | int) -> Doubles:
        """Scores of sets of examples, without warnings.

        Args:
            sums: [..., k]: the summed statistics of each set.
            n: [...] or one number: the examples of each set, at least one.
        """
        ...
