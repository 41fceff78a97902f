"""Which soft-prompt methods and places fit which model family: the table that configurations are checked against.

Knows names only; loads nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

EMBEDDINGS = ("prompt-tuning", "p-tuning", "residual-prompt-tuning")
"""Methods whose vectors are rows beside the tokens' embeddings."""
PREFIXES = ("prefix-tuning",)
"""Methods whose vectors are keys and values of every layer."""


@dataclass(frozen=True, slots=True)
class Fit:
    """What one backend can hold."""

    methods: tuple[str, ...]
    places: tuple[str, ...]
    """Values of `soft.placement`; the first is where vectors stand when nothing is said. Prefixes take `start`."""
    without_prefixes: tuple[str, ...] = ()
    """Architectures (`model_type`) whose attention takes no keys and values from outside."""


FITS: Mapping[str, Fit] = {
    "hf-causal": Fit((*EMBEDDINGS, *PREFIXES), ("start", "before-answer")),
    "hf-masked": Fit(
        (*EMBEDDINGS, *PREFIXES),
        ("start", "after-cls", "before-answer"),
        without_prefixes=("albert", "deberta", "deberta-v2", "distilbert", "modernbert"),
    ),
    "hf-seq2seq": Fit((*EMBEDDINGS, *PREFIXES), ("start", "decoder")),
    "hf-encoder": Fit(EMBEDDINGS, ("start", "after-cls")),
    "hf-classifier": Fit(EMBEDDINGS, ("start", "after-cls")),
}
"""By backend name. A backend that is not listed here takes what its own capabilities allow."""


def misfit(backend: str, method: str, place: str | None = None) -> str | None:
    """Why this backend cannot train this method at this place, naming what it can; None where it can."""
    fit = FITS.get(backend)
    if fit is None:
        return None
    if method not in fit.methods and method in (*EMBEDDINGS, *PREFIXES):
        return f"{method!r} does not fit {backend}: choose among {', '.join(fit.methods)}"
    allowed = ("start",) if method in PREFIXES else fit.places
    if place is not None and place not in allowed:
        return f"{place!r} is no place for {method} on {backend}: choose among {', '.join(allowed)}"
    return None
