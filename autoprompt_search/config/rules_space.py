"""Rules of the space: addresses that exist, names that are declared, options that the chosen component takes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from autoprompt_search.config.components import has_methods, option_problems, signature
from autoprompt_search.config.components import names as component_names
from autoprompt_search.config.rules_text import NONE
from autoprompt_search.config.signatures import Option
from autoprompt_search.config.validation import Draft, Problem
from autoprompt_search.core.registry import unknown
from autoprompt_search.core.types import Scalar
from autoprompt_search.prompting import CASINGS, LAYOUT_PARAMS, NAME, SlotError, field_names
from autoprompt_search.space import AnyParam, Choice, Fixed, Float, SearchSpace

FAMILIES = {"demos": "demos.strategy", "soft": "soft.method"}
"""Kind of component -> the parameter that names it; the others of the family are its options."""

_KEY = {"choice": "values", "fixed": "value"}
_TUNES = ("adapter_config", "embedding_table", "embed_tokens", "answer_logliks")


def space_rules(draft: Draft) -> Iterator[Problem]:
    """Broken rules of the space section."""
    if not draft.is_sound("space"):
        return
    space = draft.config.space
    names = _declared(draft)
    for name, param in space.root.items():
        yield from _finite(name, param)
        family = name.split(".")[0]
        if name in names:
            yield from _named(name, param, names[name])
        elif name in LAYOUT_PARAMS or name.startswith(NAME):
            yield from _layout(draft, name, param)
        elif family in FAMILIES and "." in name:
            yield from _option(draft, family, name, param)
        else:
            yield _problem(name, unknown("parameter", name, _addresses(draft)))
    for family, selector in FAMILIES.items():
        yield from _missing_options(draft, family, selector)
    yield from _capabilities(draft)


def possible(space: SearchSpace, name: str) -> list[Scalar]:
    """The values a parameter can take; [] where the space has no such choice."""
    param = space.root.get(name)
    return list(param.values) if isinstance(param, (Choice, Fixed)) else []


def is_active(space: SearchSpace, name: str, selector: str, value: Scalar) -> bool:
    """Whether the parameter `name` can be active while `selector` holds `value`."""
    if name == selector:
        return True
    when = space.root[name].when
    if selector in when and value not in when[selector]:
        return False
    return all(is_active(space, parent, selector, value) for parent in when if parent != selector)


def _problem(name: str, text: str, *inner: str) -> Problem:
    return Problem(("space", name, *inner), f"space.{'.'.join((name, *inner))}: {text}")


def _declared(draft: Draft) -> dict[str, tuple[str, list[str]]]:
    """Address -> (what its values are names of, the names that exist)."""
    config, broken = draft.config, draft.broken

    def with_broken(section: str, names: Mapping[str, object]) -> list[str]:
        return [*names, *(b.removeprefix(f"{section}.") for b in broken if b.startswith(f"{section}."))]

    found = {
        "template": ("template", with_broken("templates", config.templates)),
        "instruction": ("instruction", [NONE, *with_broken("instructions", config.instructions)]),
        "verbalizer": ("verbalizer", with_broken("verbalizers", config.verbalizers)),
    }
    for section, selector in FAMILIES.items():
        found[selector] = (selector.split(".")[1], [NONE, *component_names(section)])
    return {n: f for n, f in found.items() if draft.is_sound(f"{n}s")}


def _named(name: str, param: AnyParam, known: tuple[str, list[str]]) -> Iterator[Problem]:
    kind, names = known
    if not isinstance(param, (Choice, Fixed)):
        yield _problem(name, f"must be a choice of names (got kind {param.kind!r}); known: {', '.join(names)}", "kind")
        return
    for value in param.values:
        if str(value) not in names or not isinstance(value, str):
            yield _problem(name, unknown(kind, str(value), names), "values")


def _layout(draft: Draft, name: str, param: AnyParam) -> Iterator[Problem]:
    if name.startswith(NAME) and draft.is_sound("templates"):
        slots, inner = _name_slots(draft), name.removeprefix(NAME)
        if inner not in slots:
            yield _problem(name, f"no template has the slot {{@{inner}}}: {unknown('field name', inner, slots)}")
    if not isinstance(param, (Choice, Fixed)) or not all(isinstance(v, str) for v in param.values):
        got = param.values if isinstance(param, (Choice, Fixed)) else f"kind {param.kind!r}"
        yield _problem(name, f"must be a choice of texts (got {got})")
    elif name == "layout.casing":
        yield from (
            _problem(name, unknown("casing", str(v), CASINGS), "values") for v in param.values if v not in CASINGS
        )


def _name_slots(draft: Draft) -> list[str]:
    found: dict[str, None] = {}
    for template in draft.config.templates.values():
        try:
            found.update(dict.fromkeys(field_names(template.text)))
        except SlotError:
            continue
    return list(found)


def _option(draft: Draft, family: str, name: str, param: AnyParam) -> Iterator[Problem]:
    """A parameter `demos.x` or `soft.x`: some possible component takes it, and only where it takes it it is active."""
    space, selector = draft.config.space, FAMILIES[family]
    if not draft.is_sound(f"space.{selector}"):
        return
    option, chosen = name.split(".", 1)[1], _components(space, family)
    if selector not in space.root:
        yield _problem(name, f"means nothing without {selector}: add it to the space above")
        return
    # A parameter that is switched off everywhere still has a name that can be wrong.
    is_on = any(is_active(space, name, selector, c) for c in chosen)
    known = chosen if is_on else {c: signature(family, c).options for c in component_names(family)}
    takers = {c: o[option] for c, o in known.items() if option in o}
    if not takers:
        names = sorted({n for o in known.values() for n in o})
        yield _problem(name, unknown(f"option of {', '.join(known)}", option, names))
        return
    others = [v for v in possible(space, selector) if v not in takers and is_active(space, name, selector, v)]
    if others:
        wanted = [c for c in takers if is_active(space, name, selector, c)] or list(takers)
        yield _problem(
            name,
            f"is active while {selector} is {' or '.join(map(repr, others))}, which does not take it: "
            f"add `when: {{{selector}: [{', '.join(wanted)}]}}`",
        )
    found: dict[Problem, list[str]] = {}
    for component, described in takers.items():
        if component in chosen and is_active(space, name, selector, component):
            for problem in _values(name, param, described):
                found.setdefault(problem, []).append(component)
    yield from (Problem(p.place, f"{p.text}, for {' and '.join(names)}") for p, names in found.items())


def _values(name: str, param: AnyParam, option: Option) -> Iterator[Problem]:
    places = (
        [(_KEY[param.kind], v) for v in param.values]
        if isinstance(param, (Choice, Fixed))
        else [("low", param.low), ("high", param.high)]
    )
    if isinstance(param, Float) and option.annotation is int:
        yield _problem(name, "must be whole numbers (got kind 'float'): use kind int", "kind")
        return
    for place, value in places:
        for line in option_problems(option, value):
            yield _problem(name, f"{line.partition(': ')[2]}", place)


def _missing_options(draft: Draft, family: str, selector: str) -> Iterator[Problem]:
    space = draft.config.space
    for component, options in _components(space, family).items():
        for option in options.values():
            name = f"{family}.{option.name}"
            has_it = name in space.root and is_active(space, name, selector, component)
            if option.is_required and not has_it and draft.is_sound(f"space.{name}"):
                yield _problem(selector, f"{component!r} needs {name}: add it to the space", "values")


def _components(space: SearchSpace, family: str) -> dict[str, Mapping[str, Option]]:
    """Every component of a family that the space can choose, with its options."""
    names = [v for v in possible(space, FAMILIES[family]) if v in component_names(family)]
    return {str(n): signature(family, str(n)).options for n in names}


def _capabilities(draft: Draft) -> Iterator[Problem]:
    if not draft.is_sound("backend"):
        return
    space, backend = draft.config.space, draft.config.backend.type
    if not has_methods("backend", backend, "score"):
        yield Problem(
            ("backend", "type"), f"backend.type: {backend!r} cannot score answers, which a classification needs"
        )
    methods = [m for m in possible(space, "soft.method") if m != NONE]
    if methods and not has_methods("backend", backend, *_TUNES):
        yield _problem(
            "soft.method",
            f"{methods[0]!r} trains vectors, which backend {backend!r} cannot; "
            f"leave only {NONE} or use a backend that can ({_able(*_TUNES)})",
            "values",
        )
    if "embedding" in possible(space, "demos.by") and not has_methods("backend", backend, "embed"):
        yield _problem(
            "demos.by",
            f"'embedding' needs vectors of texts, which backend {backend!r} does not give; "
            f"use tfidf or a backend that does ({_able('embed')})",
            "values",
        )


def _able(*methods: str) -> str:
    names: Sequence[str] = [n for n in component_names("backend") if has_methods("backend", n, *methods)]
    return ", ".join(names) or "none is installed"


def _finite(name: str, param: AnyParam) -> Iterator[Problem]:
    values = [*param.values] if isinstance(param, (Choice, Fixed)) else [param.low, param.high]
    if any(isinstance(v, float) and not math.isfinite(v) for v in values):
        yield _problem(name, f"must be finite numbers (got {values})")


def _addresses(draft: Draft) -> list[str]:
    """Every address a space may use here, for suggestions."""
    options = {
        f"{family}.{option}"
        for family in FAMILIES
        for component in component_names(family)
        for option in signature(family, component).options
    }
    names = {f"{NAME}{slot}" for slot in _name_slots(draft)}
    return [*("template", "instruction", "verbalizer"), *LAYOUT_PARAMS, *FAMILIES.values(), *options, *names]
