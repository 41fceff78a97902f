"""`--set key.path=value`: change a document before it is checked. Keys may hold dots themselves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import yaml

from autoprompt_search.config.models import PARAM_KEYS, SearchConfig, TemplateSpec
from autoprompt_search.config.reader import Document, Place, parse_value
from autoprompt_search.config.sections import Aim, Budget, Confirm, Section, preset_named
from autoprompt_search.core.registry import ComponentSpec, unknown

COMPONENTS = ("task", "backend", "study", "runner", "tracker")
"""Sections that are one component: `type`, and options that only the component knows."""

_NAMED = ("space", "templates", "instructions", "verbalizers", "baseline")
"""Sections whose keys are the user's own names; `null` takes one out."""


class _OverrideError(ValueError):
    """This override cannot be applied; the message says why."""


def apply(document: Document, overrides: Iterable[str]) -> list[str]:
    """Put every override into `document`; return what is wrong with those that do not fit."""
    problems = []
    for override in overrides:
        key, equals, text = override.partition("=")
        key = key.strip()
        try:
            if not equals or not key:
                raise _OverrideError("write it as key=value, e.g. `budget.trials=8`")
            _set(document, key, _value(text))
        except _OverrideError as exc:
            problems.append(f"--set {override}: {exc}")
    return problems


def _value(text: str) -> Any:
    try:
        return parse_value(text)
    except (yaml.YAMLError, RecursionError) as exc:
        raise _OverrideError(f"the value is not readable as YAML (got {text!r}); quote it?") from exc


def _set(document: Document, key: str, value: Any) -> None:
    section, *rest = key.split(".")
    if section not in SearchConfig.model_fields:
        raise _OverrideError(unknown("key", section, SearchConfig.model_fields))
    if section in COMPONENTS and rest == ["type"]:
        _switch(document, section, value)
    elif value is None and section in _NAMED and rest:
        _remove(document, section, ".".join(rest))
    else:
        _assign(document, document.data, (), [section, *rest], value)


def _switch(document: Document, section: str, value: Any) -> None:
    """Another type: the options that were written for the old one go, unless both know them."""
    from autoprompt_search.config.components import option_names

    old = document.data.get(section)
    old = old if isinstance(old, dict) else {}
    known = option_names(section, str(value))
    kept = {n: v for n, v in old.items() if n == "type" or known is None or n in known}
    document.data[section] = {**kept, "type": value}
    document.origins[(section, "type")] = "--set"


def _remove(document: Document, section: str, name: str) -> None:
    """Take out the entry `name`, or all entries `name.*`; a baseline value goes with its parameter."""
    entries = document.data.get(section) or {}
    gone = [n for n in entries if str(n) == name] or [n for n in entries if str(n).startswith(f"{name}.")]
    if not gone:
        raise _OverrideError(f"nothing to take out: {unknown('name', name, map(str, entries))}")
    document.data[section] = {n: v for n, v in entries.items() if n not in gone}
    if section == "space" and isinstance(document.data.get("baseline"), dict):
        document.data["baseline"] = {n: v for n, v in document.data["baseline"].items() if n not in gone}


def _assign(document: Document, node: Any, place: Place, rest: Sequence[str], value: Any) -> None:
    """Find the longest key that `rest` starts with, at every level, and put `value` there."""
    if isinstance(node, list):
        _assign_item(document, node, place, rest, value)
        return
    closed = _closed_keys(place)
    names = {str(n): n for n in [*(closed or ()), *node]}
    heads = (".".join(rest[:n]) for n in range(len(rest), 0, -1))
    head = next((h for h in heads if h in names), None)
    if head is None:
        head = _new_name(node, place, rest, value, closed)
    tail = rest[head.count(".") + 1 :]
    key, inner = names.get(head, head), (*place, head)
    if not tail:
        node[key] = _fixed(node.get(key), value) if place == ("space",) else value
        document.origins = {p: o for p, o in document.origins.items() if p[: len(inner)] != inner}
        document.origins[inner] = "--set"
        return
    node[key] = _opened(node.get(key), inner)
    if not isinstance(node[key], (dict, list)):
        raise _OverrideError(f"{'.'.join(inner)} is a single value (got {node[key]!r}), it has no {'.'.join(tail)!r}")
    _assign(document, node[key], inner, tail, value)


def _fixed(old: Any, value: Any) -> Any:
    """A parameter set to one value keeps its condition."""
    is_bare = isinstance(value, (str, int, float))
    when = old.get("when") if is_bare and isinstance(old, dict) else None
    return {"kind": "fixed", "value": value, "when": when} if when else value


def _assign_item(document: Document, node: list[Any], place: Place, rest: Sequence[str], value: Any) -> None:
    where = ".".join(place)
    if not rest[0].isdigit() or int(rest[0]) >= len(node):
        raise _OverrideError(f"{where} is a list: name a position from 0 to {len(node) - 1} (got {rest[0]!r})")
    at, inner = int(rest[0]), (*place, rest[0])
    if len(rest) == 1:
        node[at] = value
        document.origins[inner] = "--set"
        return
    node[at] = _opened(node[at], inner)
    if not isinstance(node[at], (dict, list)):
        raise _OverrideError(f"{'.'.join(inner)} is a single value (got {node[at]!r})")
    _assign(document, node[at], inner, rest[1:], value)


def _opened(value: Any, place: Place) -> Any:
    """What can hold keys: short forms written out, absent things begun."""
    if value is None:
        default = SearchConfig.model_fields[place[0]].default if len(place) == 1 else None
        return {"type": default.type} if isinstance(default, ComponentSpec) else {}
    if isinstance(value, str) and (place[0] in COMPONENTS or place[0] == "exports"):
        return {"type": value}
    if place == ("budget",):
        return preset_named(value)
    return {"text": value} if isinstance(value, str) and place[0] == "templates" else value


def _closed_keys(place: Place) -> list[str] | None:
    """All keys that may stand here; None where names are free."""
    if not place:
        return list(SearchConfig.model_fields)
    sections: dict[tuple[str, ...], type[Section]] = {("budget",): Budget, ("objective",): Aim, ("confirm",): Confirm}
    if place in sections:
        return list(sections[place].model_fields)
    if len(place) == 2 and place[0] == "templates":
        return list(TemplateSpec.model_fields)
    return list(PARAM_KEYS) if len(place) == 2 and place[0] == "space" else None


def _new_name(node: Any, place: Place, rest: Sequence[str], value: Any, closed: list[str] | None) -> str:
    """The name of a new entry, where one may be added; else an error with the nearest known name."""
    if closed is not None:
        raise _OverrideError(unknown(f"key of {'.'.join(place)}" if place else "key", rest[0], closed))
    if place in (("space",), ("templates",)):
        inner = PARAM_KEYS if place == ("space",) else tuple(TemplateSpec.model_fields)
        is_whole = isinstance(value, (dict, str) if place == ("templates",) else (dict, str, int, float))
        if rest[-1] in inner or not is_whole:
            name = ".".join(rest[:-1]) if rest[-1] in inner and len(rest) > 1 else ".".join(rest)
            kind = "parameter" if place == ("space",) else "template"
            raise _OverrideError(unknown(kind, name, map(str, node)))
    return rest[0] if place[0] in COMPONENTS or place[0] == "exports" else ".".join(rest)
