"""Rules of the space: addresses that exist, names that are declared, options that the chosen component takes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from autoprompt_search.config.components import choices
from autoprompt_search.config.rules_chat import chat_param_problems
from autoprompt_search.config.rules_style import style_problems
from autoprompt_search.config.rules_text import NONE
from autoprompt_search.config.validation import Draft, Problem
from autoprompt_search.core.registry import unknown, value_problems
from autoprompt_search.core.signatures import Option
from autoprompt_search.core.types import Scalar
from autoprompt_search.prompting import (
    ANSWER_PARAMS,
    AUTO,
    CASINGS,
    CHAT_PARAMS,
    LAYOUT_PARAMS,
    NAME,
    STYLE,
    STYLE_PICK,
    SlotError,
    field_names,
)
from autoprompt_search.space import AnyParam, Choice, Fixed, Float, SearchSpace
from autoprompt_search.trial import CALIBRATIONS

FAMILIES = {"demos": "demos.strategy", "soft": "soft.method", "verbalizer": "verbalizer"}
"""Beginning of an address -> the parameter that chooses; the family's other parameters are options of the choice."""

_KEY = {"choice": "values", "fixed": "value"}


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
            yield from _named(name, param, names[name]) if draft.is_sound(f"{name}s") else ()
        elif name in LAYOUT_PARAMS or name.startswith(NAME):
            yield from _layout(draft, name, param)
        elif name in (STYLE, STYLE_PICK):
            yield from style_problems(draft, name, param)
        elif name in CHAT_PARAMS:
            yield from chat_param_problems(draft, name, param)
        elif family == "answer":
            continue  # see `rules_answer`
        elif family in FAMILIES and "." in name:
            yield from _option(draft, family, name, param)
        else:
            yield misplaced(name, unknown("parameter", name, _addresses(draft)))
    for family, selector in FAMILIES.items():
        yield from _missing_options(draft, family, selector)


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


def misplaced(name: str, text: str, *inner: str) -> Problem:
    """A mistake in the parameter `name`, or in a part of it."""
    return Problem(("space", name, *inner), f"space.{'.'.join((name, *inner))}: {text}")


def _declared(draft: Draft) -> dict[str, tuple[str, list[str]]]:
    """Address -> (what its values are names of, the names that exist)."""
    config, broken = draft.config, draft.broken

    def with_broken(section: str, names: Mapping[str, object]) -> list[str]:
        return [*names, *(b.removeprefix(f"{section}.") for b in broken if b.startswith(f"{section}."))]

    return {
        "template": ("template", with_broken("templates", config.templates)),
        "instruction": ("instruction", [NONE, *with_broken("instructions", config.instructions)]),
        "verbalizer": ("verbalizer", [AUTO, *with_broken("verbalizers", config.verbalizers)]),
        "calibration": ("calibration", [NONE, *CALIBRATIONS]),
        "demos.strategy": ("strategy", [NONE, *choices("demos")]),
        "soft.method": ("method", [NONE, *choices("soft")]),
    }


def _named(name: str, param: AnyParam, known: tuple[str, list[str]]) -> Iterator[Problem]:
    kind, names = known
    if not isinstance(param, (Choice, Fixed)):
        yield misplaced(name, f"must be a choice of names (got kind {param.kind!r}); known: {', '.join(names)}", "kind")
        return
    for value in param.values:
        if str(value) not in names or not isinstance(value, str):
            yield misplaced(name, unknown(kind, str(value), names), "values")


def _layout(draft: Draft, name: str, param: AnyParam) -> Iterator[Problem]:
    if name.startswith(NAME) and draft.is_sound("templates"):
        slots, inner = _name_slots(draft), name.removeprefix(NAME)
        if inner not in slots:
            yield misplaced(name, f"no template has the slot {{@{inner}}}: {unknown('field name', inner, slots)}")
    if not isinstance(param, (Choice, Fixed)) or not all(isinstance(v, str) for v in param.values):
        got = param.values if isinstance(param, (Choice, Fixed)) else f"kind {param.kind!r}"
        yield misplaced(name, f"must be a choice of texts (got {got})")
    elif name == "layout.casing":
        yield from (
            misplaced(name, unknown("casing", str(v), CASINGS), "values") for v in param.values if v not in CASINGS
        )
    elif name == "layout.answer":
        for value in (str(v) for v in param.values if str(v).count("{}") != 1):
            yield misplaced(name, f"must hold {{}} exactly once, where the word stands (got {value!r})", "values")


def _name_slots(draft: Draft) -> list[str]:
    names: dict[str, None] = {}
    for template in draft.config.templates.values():
        try:
            names.update(dict.fromkeys(field_names(template.text)))
        except SlotError:
            continue
    return list(names)


def _option(draft: Draft, family: str, name: str, param: AnyParam) -> Iterator[Problem]:
    """A parameter such as `demos.x`: some possible choice takes it, and only where it takes it it is active."""
    space, selector = draft.config.space, FAMILIES[family]
    if not draft.is_sound(f"space.{selector}"):
        return
    option, chosen = name.split(".", 1)[1], _components(space, family)
    if selector not in space.root:
        yield misplaced(name, f"means nothing without {selector}: add it to the space above")
        return
    # A parameter that is switched off everywhere still has a name that can be wrong.
    is_on = any(is_active(space, name, selector, c) for c in chosen)
    known = chosen if is_on else choices(family)
    takers = {c: o[option] for c, o in known.items() if option in o}
    if not takers:
        names = sorted({n for o in known.values() for n in o})
        yield misplaced(name, unknown(f"option of {', '.join(known)}", option, names))
        return
    others = [v for v in possible(space, selector) if v not in takers and is_active(space, name, selector, v)]
    if others:
        wanted = [c for c in takers if is_active(space, name, selector, c)] or list(takers)
        yield misplaced(
            name,
            f"is active while {selector} is {' or '.join(map(repr, others))}, which does not take it: "
            f"add `when: {{{selector}: [{', '.join(wanted)}]}}`",
        )
    problems: dict[Problem, list[str]] = {}
    for component, described in takers.items():
        if component in chosen and is_active(space, name, selector, component):
            for problem in _values(name, param, described):
                problems.setdefault(problem, []).append(component)
    yield from (Problem(p.place, f"{p.text}, for {' and '.join(names)}") for p, names in problems.items())


def _values(name: str, param: AnyParam, option: Option) -> Iterator[Problem]:
    places = (
        [(_KEY[param.kind], v) for v in param.values]
        if isinstance(param, (Choice, Fixed))
        else [("low", param.low), ("high", param.high)]
    )
    if isinstance(param, Float) and option.is_whole:
        yield misplaced(name, "must be whole numbers (got kind 'float'): use kind int", "kind")
        return
    for path, value in places:
        for line in value_problems(option, value):
            yield misplaced(name, f"{line.partition(': ')[2]}", path)


def _missing_options(draft: Draft, family: str, selector: str) -> Iterator[Problem]:
    space = draft.config.space
    for component, options in _components(space, family).items():
        for option in options.values():
            name = f"{family}.{option.name}"
            has_it = name in space.root and is_active(space, name, selector, component)
            if option.is_required and not has_it and draft.is_sound(f"space.{name}"):
                yield misplaced(selector, f"{component!r} needs {name}: add it to the space", "values")


def _components(space: SearchSpace, family: str) -> dict[str, Mapping[str, Option]]:
    """Every choice of a family that the space can make and that has options, with them."""
    known = choices(family)
    return {str(n): known[str(n)] for n in possible(space, FAMILIES[family]) if n in known}


def _finite(name: str, param: AnyParam) -> Iterator[Problem]:
    values = [*param.values] if isinstance(param, (Choice, Fixed)) else [param.low, param.high]
    if any(isinstance(v, float) and not math.isfinite(v) for v in values):
        yield misplaced(name, f"must be finite numbers (got {values})")


def _addresses(draft: Draft) -> list[str]:
    """Every address a space may use here, for suggestions."""
    return [*addresses(), *(f"{NAME}{slot}" for slot in _name_slots(draft))]


def addresses() -> list[str]:
    """Every address a space may use whatever its templates are."""
    options = {f"{family}.{o}": None for family in FAMILIES for known in choices(family).values() for o in known}
    return [
        "template",
        "instruction",
        *FAMILIES.values(),
        "calibration",
        STYLE,
        STYLE_PICK,
        *LAYOUT_PARAMS,
        *CHAT_PARAMS,
        *ANSWER_PARAMS,
        *options,
    ]
