"""Names and texts of a first search space file, as YAML reads them back."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from autoprompt_search.core.visible import visible_json


@dataclass(frozen=True, slots=True)
class Written:
    """A template of a first space file."""

    name: str
    text: str
    style: str
    instruction: str = ""
    """As it is read; empty for none."""


def template_lines(templates: Sequence[Written]) -> str:
    """The section `templates`."""
    lines = []
    for one in templates:
        lines += [f"  {one.name}:", f"    text: {visible_json(one.text)}", f"    style: {one.style}"]
        lines += [f"    instruction: {visible_json(one.instruction)}"] if one.instruction else []
    return "\n".join(lines)


def field(column: str, columns: Sequence[str]) -> str:
    """The column's name as a template slot can spell it."""
    name = re.sub(r"[^\w -]", "_", column).strip()
    name = name if re.match(r"[^\W\d]", name) else f"field_{name}"
    return name if name == column or name not in columns else f"{name}_{columns.index(column)}"


def slug(data: str) -> str:
    """A name for the search, made of that of its data."""
    stem = Path(data.rpartition(":")[2]).stem
    return re.sub(r"[^A-Za-z0-9_-]+", "-", stem).strip("-_")[:48] or "search"


def quoted(text: str) -> str:
    """A text as YAML reads it back, whatever is in it; plain where that is enough."""
    return (
        text
        if re.fullmatch(r"[A-Za-z][\w/-]*[A-Za-z0-9]", text) and text.lower() not in _RESERVED
        else visible_json(text)
    )


_RESERVED = ("true", "false", "null", "yes", "no", "on", "off")


def listed(values: Sequence[str]) -> str:
    """A list in one line of YAML."""
    return "[" + ", ".join(map(quoted, values)) + "]"


def columns_option(columns: Mapping[str, str]) -> str:
    """The option `text` of these fields, as short as it can be."""
    if all(field == column for field, column in columns.items()):
        return quoted(next(iter(columns))) if len(columns) == 1 else listed(list(columns))
    return "{" + ", ".join(f"{quoted(f)}: {quoted(c)}" for f, c in columns.items()) + "}"
