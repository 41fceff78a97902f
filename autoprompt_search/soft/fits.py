"""Whether a soft-prompt method and a place fit a model family. Knows names only; loads nothing."""

from __future__ import annotations

from autoprompt_search.core.families import EMBEDDINGS, FAMILIES, PREFIXES


def misfit(backend: str, method: str, place: str | None = None) -> str | None:
    """Why this backend cannot train this method at this place, naming what it can; None where it can."""
    family = FAMILIES.get(backend)
    if family is None:
        return None
    if method not in family.methods and method in (*EMBEDDINGS, *PREFIXES):
        return f"{method!r} does not fit {backend}: choose among {', '.join(family.methods)}"
    allowed = ("start",) if method in PREFIXES else family.places
    if place is not None and place not in allowed:
        return f"{place!r} is no place for {method} on {backend}: choose among {', '.join(allowed)}"
    return None
