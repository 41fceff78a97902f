"""What text metrics look at in an outcome."""

from __future__ import annotations

from autoprompt_search.core.measurements import Outcome


def answer(outcome: Outcome) -> str | None:
    """The answer that was read; None where there was none to read."""
    return None if outcome.unscored else outcome.prediction


def references(outcome: Outcome) -> tuple[str, ...]:
    """All right answers."""
    return outcome.targets
