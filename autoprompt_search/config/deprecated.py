"""Spellings of the last version: they are still read, as what they are called now, and `check` names them.

An entry stays for one version.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_KEYS: Mapping[tuple[str, str], str] = {("budget", "stop_if_hopeless"): "stop_for_futility"}
"""(section, key) -> what the key is called now."""
_VALUES: Mapping[tuple[str, str], Mapping[str, str]] = {("study", "pruner"): {"gradient": "knowledge-gradient"}}
"""(section, key) -> value -> what the value is called now."""


def renewed(data: Any) -> Any:
    """The same document in today's spelling. Where an old and a new key stand side by side, the old one is left."""
    if not isinstance(data, Mapping):
        return data
    new = dict(data)
    for (section, old), key in _KEYS.items():
        part = new.get(section)
        if isinstance(part, Mapping) and old in part and key not in part:
            new[section] = {key if name == old else name: value for name, value in part.items()}
    for (section, key), names in _VALUES.items():
        part = new.get(section)
        if isinstance(part, Mapping) and isinstance(part.get(key), str) and part[key] in names:
            new[section] = {**part, key: names[part[key]]}
    return new


def notes(data: Any) -> Iterator[str]:
    """One line for people per old spelling in a document."""
    sections = data if isinstance(data, Mapping) else {}
    for (section, old), key in _KEYS.items():
        if old in _section(sections, section):
            yield f"{section}.{old}: is called {key} now; the next version will not know the old name"
    for (section, key), names in _VALUES.items():
        value = _section(sections, section).get(key)
        if isinstance(value, str) and value in names:
            yield f"{section}.{key}: {value} is called {names[value]} now; the next version will not know the old name"


def _section(data: Mapping[Any, Any], name: str) -> Mapping[Any, Any]:
    part = data.get(name)
    return part if isinstance(part, Mapping) else {}
