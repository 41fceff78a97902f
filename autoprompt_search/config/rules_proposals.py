"""Rules of the proposals section: a parameter that can grow, proposers that can write for it, texts to start from."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from autoprompt_search.config.components import component_problems, names
from autoprompt_search.config.models import SearchConfig
from autoprompt_search.config.rules_text import NONE
from autoprompt_search.config.sections import Proposals
from autoprompt_search.config.validation import Draft, Problem
from autoprompt_search.core.registry import ComponentSpec, unknown
from autoprompt_search.prompting import SLOT
from autoprompt_search.proposers import PROPOSERS
from autoprompt_search.space import Choice

GROWING = ("instruction", "template")
"""Parameters whose values are texts."""
_SECTION = "proposals"


def proposal_rules(draft: Draft) -> Iterator[Problem]:
    """Broken rules of the proposals section."""
    config = draft.config
    if not config.proposals or not draft.is_sound(_SECTION):
        return
    for address, wanted in config.proposals.items():
        if address in GROWING:
            yield from _place(draft, address)
            yield from _proposers(draft, address, wanted)
        else:
            text = unknown("growing parameter", address, GROWING)
            yield Problem((_SECTION, address), f"{_SECTION}.{address}: {text}")
    yield from _shares(config)
    yield from _taken(draft)
    if draft.is_sound("study") and config.study.options.get("sampler") == "grid":
        text = "goes through the points of a space that stays as it is, and proposals add to it: use another sampler"
        yield Problem(("study", "sampler"), f"study.sampler: {text} (got 'grid')")


def known_texts(config: SearchConfig, address: str) -> dict[str, str]:
    """Value -> text, of the values of a parameter that have one; {} where it does not vary, and so does not grow."""
    param = config.space.root.get(address)
    if not isinstance(param, Choice):
        return {}
    written: Mapping[str, str] = config.instructions
    if address == "template":
        written = {name: template.text for name, template in config.templates.items()}
    return {str(value): written[str(value)] for value in param.values if str(value) in written}


def _place(draft: Draft, address: str) -> Iterator[Problem]:
    if not draft.is_sound("space", f"space.{address}"):
        return
    where, param = f"{_SECTION}.{address}", draft.config.space.root.get(address)
    if param is None:
        declared = f"`{address}: {{kind: choice, values: [...]}}`"
        yield Problem((_SECTION, address), f"{where}: the space has no {address!r} to add values to: add {declared}")
    elif isinstance(param, Choice) and not known_texts(draft.config, address) and _all_named(draft, address, param):
        text = f"needs a text to start from, and {address} has none (got values {param.values})"
        yield Problem((_SECTION, address), f"{where}: {text}")


def _all_named(draft: Draft, address: str, param: Choice) -> bool:
    """Whether the values are free of mistakes that other rules report."""
    return draft.is_sound(f"{address}s") and (address == "template" or set(param.values) == {NONE})


def _proposers(draft: Draft, address: str, wanted: Proposals) -> Iterator[Problem]:
    seen: list[str] = []
    for i, spec in enumerate(wanted.proposers):
        path = (_SECTION, address, "proposers", str(i))
        where = ".".join(path)
        problems = component_problems("proposers", spec)
        yield from (Problem((*path, *line.split(":")[0].split(".")), f"{where}.{line}") for line in problems)
        if problems:
            continue
        if spec.type in seen:
            yield Problem(path, f"{where}: the proposer {spec.type!r} stands there twice")
            continue
        seen.append(spec.type)
        yield from (Problem(path, f"{where}: {text}") for text in _cannot(draft, address, spec))


def _cannot(draft: Draft, address: str, spec: ComponentSpec) -> Iterator[str]:
    """Why a proposer is of no use here."""
    if address not in PROPOSERS.load(spec.type).of:
        able = [name for name in names("proposers") if address in PROPOSERS.load(name).of]
        yield f"{spec.type!r} does not write for {address}; these do: {', '.join(able)}"
    elif texts := list(known_texts(draft.config, address).values()):
        yield from (f"{spec.type!r} {text} (got {texts})" for text in PROPOSERS.build(spec).problems(texts))


def _shares(config: SearchConfig) -> Iterator[Problem]:
    shares = [wanted.share for wanted in config.proposals.values()]
    if sum(shares) > 1:
        text = f"the shares of all must not exceed 1 together (got {' + '.join(map(str, shares))})"
        yield Problem((_SECTION,), f"{_SECTION}: {text}")


def _taken(draft: Draft) -> Iterator[Problem]:
    """Names that belong to slots of proposed texts."""
    for address in (a for a in GROWING if a in draft.config.proposals):
        section = f"{address}s"
        for name in getattr(draft.config, section) if draft.is_sound(section) else ():
            if re.fullmatch(rf"{SLOT}\d+", name):
                text = f"this name is taken: it is that of a proposed {address}; choose another name"
                yield Problem((section, name), f"{section}.{name}: {text}")
