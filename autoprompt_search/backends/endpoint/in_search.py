"""The endpoint of a search, built by name from plain values: they travel to workers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autoprompt_search.backends.endpoint.backend import OpenAIBackend
from autoprompt_search.backends.endpoint.journal import Caps
from autoprompt_search.backends.endpoint.surroundings import Surroundings


def in_search(
    *, of: Mapping[str, Any], journal: str, concurrency: int, caps: Mapping[str, Any], longest: int
) -> OpenAIBackend:
    """The endpoint of a search, for its workers: `of` are the options that the file names."""
    around = Surroundings(Path(journal) if journal else None, concurrency, Caps(**caps), longest)
    return OpenAIBackend(**of, surroundings=around)
