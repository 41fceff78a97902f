"""A YAML file to plain data that remembers its lines. Knows no section and no component."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from autoprompt_search.config.dialect import Loader
from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.yaml_bounds import check_bounds

MAX_BYTES = 1_000_000
MAX_NODES = 50_000
"""Values in one file with all aliases written out: a real file has hundreds, an alias bomb billions."""

Place = tuple[str, ...]
"""The position of a value: the keys (or list positions) that lead to it."""


@dataclass(slots=True)
class Document:
    """The data of one file, open to overrides, and where each value came from."""

    data: dict[str, Any]
    origins: dict[Place, str] = field(default_factory=dict)

    def origin(self, place: Place) -> str:
        """`line 12` or `--set`, of the value or else of the nearest thing around it; `` if nothing is known."""
        while place and place not in self.origins:
            place = place[:-1]
        return self.origins.get(place, "")


def read(path: Path) -> Document:
    """Read one mapping from `path`; `ConfigError` names the line of what cannot be read."""
    return parse(_text_of(path), where=str(path))


def parse(text: str, *, where: str) -> Document:
    """Read one mapping from `text`, found at `where`."""
    try:
        loader = Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                raise ConfigError("the file is empty; `autoprompt-search init` writes a first one", where=where)
            _refuse_bombs(node, where)
            problems: list[str] = []
            origins: dict[Place, str] = {}
            _walk(node, (), origins, problems)
            if problems:
                raise ConfigError(problems, where=where)
            data = loader.construct_document(node)
        finally:
            loader.dispose()
    except yaml.YAMLError as exc:
        raise ConfigError(_syntax(exc), where=where) from exc
    except RecursionError as exc:
        raise ConfigError("values are nested too deeply to be read", where=where) from exc
    if not isinstance(data, dict):
        raise ConfigError(f"must be sections `key: value` (got {type(data).__name__})", where=where)
    return Document(data, origins)


def parse_value(text: str) -> Any:
    """Parse one value as it would stand in the file; `yaml.YAMLError` if it cannot be read or expands to too much."""
    loader = Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _refuse_bombs(node, "")
        return loader.construct_document(node)
    except ConfigError as exc:
        raise yaml.YAMLError(str(exc)) from exc
    finally:
        loader.dispose()


def _text_of(path: Path) -> str:
    where = str(path)
    if path.is_dir():
        raise ConfigError("is a folder; name a YAML file", where=where)
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError as exc:
        raise ConfigError("no such file", where=where) from exc
    except OSError as exc:
        raise ConfigError(f"cannot be read: {exc.strerror}", where=where) from exc
    if len(raw) > MAX_BYTES:
        raise ConfigError(f"is larger than {MAX_BYTES:,} bytes; a search space file never needs that", where=where)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = raw[: exc.start].count(b"\n") + 1
        raise ConfigError(f"line {line}: is not UTF-8 text (got byte 0x{raw[exc.start]:02x})", where=where) from exc


def _refuse_bombs(root: yaml.Node, where: str) -> None:
    try:
        check_bounds(root, MAX_NODES)
    except ValueError as exc:
        raise ConfigError(str(exc), where=where) from exc


def _walk(node: yaml.Node, place: Place, origins: dict[Place, str], problems: list[str]) -> None:
    """Note the line of every value below `node`, and every key that stands twice."""
    if isinstance(node, yaml.SequenceNode):
        pairs = [(str(i), child, child) for i, child in enumerate(node.value)]
    elif isinstance(node, yaml.MappingNode):
        pairs = [(str(key.value), key, value) for key, value in node.value]
    else:
        return
    for name, at, child in pairs:
        inner, line = (*place, name), f"line {at.start_mark.line + 1}"
        if inner in origins and name != "<<":
            problems.append(f"{'.'.join(inner)}: stands twice, on {origins[inner]} and {line}; keep one")
        origins[inner] = line
        _walk(child, inner, origins, problems)


def _syntax(exc: yaml.YAMLError) -> str:
    if isinstance(exc, yaml.MarkedYAMLError) and exc.problem_mark is not None:
        context = f" {exc.context}" if exc.context else ""
        mark = exc.problem_mark
        return f"line {mark.line + 1}, column {mark.column + 1}: not readable as YAML:{context} {exc.problem}".rstrip()
    return f"not readable as YAML: {' '.join(str(exc).split())}"
