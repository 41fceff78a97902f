"""The small language inside templates: `{field}`, `{@Name}`, `{@sep}` and marks; `{{` and `}}` are literal braces."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

CASINGS: Mapping[str, Callable[[str], str]] = {"as-is": str, "lower": str.lower, "upper": str.upper, "title": str.title}
"""Layout casings of field names."""

MARKS = ("answer", "pair")
"""Slots without text: where the answer stands (at the end without one), where a second text begins."""

_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_NAME = re.compile(r"@[^\W\d][\w .-]*|[^\W\d][\w -]*")  # a dot in a field would be an attribute to `str.format`


class SlotError(ValueError):
    """The template cannot be read; the message says what would be right."""


@dataclass(frozen=True, slots=True)
class Part:
    """A literal, a data field, a field name, the separator or a mark."""

    kind: str
    """`text`, `field`, `name`, `sep`, `answer` or `pair`."""
    value: str = ""


@lru_cache(maxsize=4096)
def parse(text: str) -> tuple[Part, ...]:
    """Split a template into parts; raise `SlotError` for braces that are not slots."""
    parts: list[Part] = []
    literal, end = "", 0
    for match in _TOKEN.finditer(text):
        literal += text[end : match.start()]
        end = match.end()
        if match.group() in ("{{", "}}"):
            literal += match.group()[0]
            continue
        slot = _slot(match, text)
        if slot.kind == "answer":
            literal = literal.rstrip()  # the layout's gap stands there
        parts += [Part("text", literal)] if literal else []
        literal = ""
        parts.append(slot)
    literal += text[end:]
    return (*parts, Part("text", literal)) if literal else tuple(parts)


def _slot(match: re.Match[str], text: str) -> Part:
    name = match.group(1)
    if name is None or not _NAME.fullmatch(name):
        raise SlotError(f"{match.group()!r} in {text!r} is not a slot: write {{field}}, or {{{{ and }}}} for braces")
    if name in ("@sep", *(f"@{mark}" for mark in MARKS)):
        return Part(name[1:])
    return Part("name", name[1:]) if name.startswith("@") else Part("field", name)


def data_fields(text: str) -> tuple[str, ...]:
    """Names of the `{field}` slots, in order of first use."""
    return tuple(dict.fromkeys(p.value for p in parse(text) if p.kind == "field"))


def field_names(text: str) -> tuple[str, ...]:
    """Names of the `{@Name}` slots, in order of first use."""
    return tuple(dict.fromkeys(p.value for p in parse(text) if p.kind == "name"))
