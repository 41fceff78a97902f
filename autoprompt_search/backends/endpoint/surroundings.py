"""What a search decides about its endpoint, and how the search counts what was asked of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from autoprompt_search.backends.endpoint.journal import Caps, Spent
from autoprompt_search.core.measurements import Cost


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the search around an endpoint decides; a file cannot."""

    journal: Path | None = None
    """File of answers and costs; None keeps them in memory."""
    concurrency: int = 8
    """Requests at a time."""
    caps: Caps = field(default_factory=Caps)
    longest: int = 0
    """Characters of the longest prompt; 0 where it is not known."""


def cost_of(spent: Spent) -> Cost:
    """The same in the search's own terms."""
    return Cost(
        prompt_tokens=spent.prompt_tokens,
        completion_tokens=spent.completion_tokens,
        requests=spent.requests,
        cached_tokens=spent.cached_tokens,
        usd=spent.usd,
    )
