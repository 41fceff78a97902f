"""Rules between the space and the backend: what is asked of a model has to be among what it can do."""

from __future__ import annotations

from collections.abc import Iterator

from autoprompt_search.config.components import choices, has_methods
from autoprompt_search.config.components import names as component_names
from autoprompt_search.config.rules_space import is_active, misplaced, possible
from autoprompt_search.config.rules_text import NONE
from autoprompt_search.config.validation import Draft, Problem
from autoprompt_search.core.families import EMBEDDINGS, FAMILIES, PREFIXES
from autoprompt_search.core.protocols.model import Embeds, ProposesWords
from autoprompt_search.core.protocols.tuning import Tunes
from autoprompt_search.prompting import AUTO
from autoprompt_search.soft.fits import misfit

PLACEMENT = "soft.placement"


def backend_rules(draft: Draft) -> Iterator[Problem]:
    """What the space asks for and the backend cannot do."""
    if not draft.is_sound("backend", "space"):
        return
    yield from _capabilities(draft)
    yield from _fits(draft)


def _capabilities(draft: Draft) -> Iterator[Problem]:
    space, backend = draft.config.space, draft.config.backend.type
    methods = [m for m in possible(space, "soft.method") if m != NONE]
    if methods and not _offers(backend, Tunes):
        yield misplaced(
            "soft.method",
            f"{methods[0]!r} trains vectors, which backend {backend!r} cannot; "
            f"leave only {NONE} or use a backend that can ({_able(Tunes)})",
            "values",
        )
    if "embedding" in possible(space, "demos.by") and not _offers(backend, Embeds):
        yield misplaced(
            "demos.by",
            f"'embedding' needs vectors of texts, which backend {backend!r} does not give; "
            f"use tfidf or a backend that does ({_able(Embeds)})",
            "values",
        )
    if AUTO in possible(space, "verbalizer") and not _offers(backend, ProposesWords):
        yield misplaced(
            "verbalizer",
            f"{AUTO!r} takes words that the model proposes, which backend {backend!r} cannot; "
            f"name a verbalizer or use a backend that can ({_able(ProposesWords)})",
            "values",
        )


def _fits(draft: Draft) -> Iterator[Problem]:
    """Methods and places of soft prompts that this family of models cannot hold (see `soft.fits`)."""
    space, backend = draft.config.space, draft.config.backend.type
    for method in (m for m in possible(space, "soft.method") if m != NONE):
        wrong = misfit(backend, str(method))
        if wrong:
            yield misplaced("soft.method", wrong, "values")
            continue
        takes_a_place = "placement" in choices("soft").get(str(method), {})
        for placement in possible(space, PLACEMENT) if takes_a_place else ():
            wrong = misfit(backend, str(method), str(placement))
            if wrong and is_active(space, PLACEMENT, "soft.method", method):
                yield misplaced(PLACEMENT, wrong, "values")


def architecture_problem(backend: str, architecture: str | None, methods: list[str]) -> str | None:
    """Why soft prompts of these methods do not fit the model at hand, naming those that do; None where all do.

    Args:
        backend: By name.
        architecture: The model's own type, e.g. `distilbert`; None where it is not known.
        methods: Those that the space can choose.
    """
    wrong = [m for m in methods if m in PREFIXES]
    if backend not in FAMILIES or architecture not in FAMILIES[backend].without_prefixes or not wrong:
        return None
    return (
        f"space.soft.method: {wrong[0]!r} does not fit the architecture {architecture!r}, whose attention takes no "
        f"keys and values from outside: choose among {', '.join(EMBEDDINGS)}"
    )


def _offers(backend: str, capability: type) -> bool:
    return has_methods("backend", backend, *_methods(capability))


def _methods(capability: type) -> list[str]:
    """What a protocol asks for, and those that it extends."""
    return [name for kind in capability.__mro__ for name in vars(kind) if not name.startswith("_")]


def _able(capability: type) -> str:
    return ", ".join(n for n in component_names("backend") if _offers(n, capability)) or "none is installed"
