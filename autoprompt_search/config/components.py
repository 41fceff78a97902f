"""Which registry belongs to which section, and what our own code hands to each kind of component."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any

from pydantic import Field

from autoprompt_search.answering import PARSERS
from autoprompt_search.backends import BACKENDS
from autoprompt_search.core.errors import ConfigError, MissingExtraError
from autoprompt_search.core.registry import ComponentSpec, Registry, option_problems, unknown
from autoprompt_search.core.signatures import Option, Signature
from autoprompt_search.demos import DEMOS
from autoprompt_search.exporters import EXPORTERS
from autoprompt_search.prompting import AUTO
from autoprompt_search.proposers import PROPOSERS
from autoprompt_search.runners import RUNNERS
from autoprompt_search.soft import SOFT
from autoprompt_search.studies import STUDIES
from autoprompt_search.tasks import TASKS
from autoprompt_search.trackers import TRACKERS

REGISTRIES: Mapping[str, Registry[Any]] = {
    "task": TASKS,
    "backend": BACKENDS,
    "study": STUDIES,
    "runner": RUNNERS,
    "tracker": TRACKERS,
    "exports": EXPORTERS,
    "demos": DEMOS,
    "soft": SOFT,
    "proposers": PROPOSERS,
    "parsers": PARSERS,
}

INJECTED: Mapping[str, tuple[str, ...]] = {
    "task": (),
    "backend": ("surroundings",),
    "study": ("terms",),
    "runner": (),
    "tracker": ("folder",),
    "exports": (),
    "demos": ("pool", "labels", "seed", "embed", "losses"),
    "soft": ("seed",),
    "proposers": (),
    "parsers": ("labels",),
}
"""Constructor parameters that are ours to give, by section; a file may not set them."""

_SINGULAR = {"exports": "exporter", "proposers": "proposer", "parsers": "parser"}
_COUNT = Annotated[int, Field(ge=1)]
_SEARCHED: Mapping[str, Mapping[str, Option]] = {
    "study": {"warm_start": Option("warm_start", list[str], is_required=False, default=())},
    "soft": {
        "start": Option("start", _COUNT, is_required=False, default=1),
        "draw": Option("draw", Annotated[int, Field(ge=0)], is_required=False, default=0),
    },
}
"""Options that the search itself takes with a component: `soft.start`, the n-th best text that training starts from,
`soft.draw`, what the training's seed is made of, and
`study.warm_start`, result folders and MLflow experiments of earlier searches."""


@cache
def names(section: str) -> tuple[str, ...]:
    """Every component of a section. Remembered: looking through all installed packages takes a while."""
    return tuple(REGISTRIES[section].names())


@cache
def signature(section: str, name: str) -> Signature:
    """Signature of the component `name` of a section, without what is injected."""
    return REGISTRIES[section].signature(name, INJECTED[section])


def option_names(section: str, name: str) -> frozenset[str] | None:
    """Options a file may set; None for a component that does not exist or cannot be read."""
    try:
        return frozenset(written(section, name))
    except (ConfigError, MissingExtraError):
        return None


def written(section: str, name: str) -> dict[str, Option]:
    """What a file may write beside `type`: options of the component, and of the search itself for a study."""
    return {**signature(section, name).options, **(_SEARCHED["study"] if section == "study" else {})}


def choices(family: str) -> dict[str, Mapping[str, Option]]:
    """What the parameter of a family can name -> the options that a space then has.

    Families are the sections whose components a space chooses, and `verbalizer`, where `auto` has an option.
    """
    if family not in REGISTRIES:
        return {AUTO: {"words": Option("words", _COUNT, is_required=False, default=1)}}
    own = _SEARCHED.get(family, {})
    return {name: {**signature(family, name).options, **own} for name in names(family)}


def has_methods(section: str, name: str, *methods: str) -> bool:
    """Whether the component's class has all these methods: how a capability shows."""
    return signature(section, name).methods.issuperset(methods)


def component_problems(section: str, spec: ComponentSpec) -> list[str]:
    """Type and options of one component, one line per mistake, each starting with the option's name."""
    if spec.type not in names(section):
        return [f"type: {unknown(_SINGULAR.get(section, section), spec.type, names(section))}"]
    try:
        known = written(section, spec.type)
    except (ConfigError, MissingExtraError) as exc:
        return [f"type: {exc}"]
    return option_problems(spec.type, spec.options, known)
