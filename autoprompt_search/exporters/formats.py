"""Values to bytes and back: YAML that a person can read, and JSON lines. Knows nothing of prompts."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import asdict, is_dataclass
from enum import Enum
from pathlib import PurePath
from typing import Any

import yaml

from autoprompt_search.core.bounded import checked, loads
from autoprompt_search.core.errors import TamperedError
from autoprompt_search.core.yaml_bounds import check_bounds

_MOST_VALUES = 200_000
"""Most values of one file: a prompt of hundreds of labels has some thousands."""
_MOST_IN_LINE = 20_000
"""Most values of one line: token ids of a prompt in turns are among them."""

IDS = "ids"
"""Key of a golden item: the token ids of a prompt in turns. Of `FinalPrompt.chat`: item -> these ids."""


def to_yaml(content: Mapping[str, Any], head: str = "") -> bytes:
    """UTF-8 YAML under the comment `head`, texts of several lines as blocks; any text comes back as it was."""
    text = yaml.dump(dict(content), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10**9)
    return (head + text).encode()


def from_yaml(data: bytes, name: str) -> Any:
    """What the YAML holds; `TamperedError` names the file."""
    try:
        loader = yaml.SafeLoader(data.decode())
        try:
            node = loader.get_single_node()
            if node is None:
                return None
            check_bounds(node, _MOST_VALUES)
            return checked(loader.construct_document(node), most=_MOST_VALUES)
        finally:
            loader.dispose()
    except (yaml.YAMLError, ValueError, RecursionError) as exc:
        raise TamperedError(f"{name} cannot be read: {first_line(exc)}") from exc


def to_jsonl(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """One JSON object a line, UTF-8."""
    return b"".join(_json_line(row) + b"\n" for row in rows)


def from_jsonl(data: bytes, name: str) -> list[dict[str, Any]]:
    """The objects in a JSONL file; `TamperedError` names file and line."""
    rows = []
    for number, line in enumerate(data.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            row = loads(line, most=_MOST_IN_LINE)
        except ValueError as exc:
            raise TamperedError(f"{name}, line {number}: not JSON that can be read: {first_line(exc)[:200]}") from exc
        if not isinstance(row, dict):
            raise TamperedError(f"{name}, line {number}: not an object")
        rows.append(row)
    return rows


def plain(value: Any) -> Any:
    """Mappings, lists and scalars only, as any reader of YAML or JSON understands them; what is no number is None."""
    if isinstance(value, Enum):
        return plain(value.value)
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, PurePath):
        return value.as_posix()
    if hasattr(value, "item"):  # a NumPy number
        return plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"cannot write a {type(value).__name__} into an exported prompt: {value!r}")


def first_line(exc: BaseException) -> str:
    """First line of what it says; its type where it says nothing."""
    return (str(exc).strip().splitlines() or [type(exc).__name__])[0]


def _json_line(row: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # half of a surrogate pair has no UTF-8 form
        return json.dumps(row).encode()


_LIKE_A_SCALAR = re.compile(r"[-+.]?\d|[yn]$", re.IGNORECASE)
"""Texts that readers of other YAML versions take for a number or a truth value: quoted, so that all agree."""


class _Dumper(yaml.SafeDumper):
    """`SafeDumper` that writes texts of several lines as blocks and never uses anchors."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    if "\n" in text and _is_block(text):
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|")
    style = ("'" if _LIKE_A_SCALAR.match(text) else None) if text.isprintable() else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _is_block(text: str) -> bool:
    """Whether a block scalar holds the text exactly: YAML gives other line ends and control characters a meaning."""
    return (
        all(c == "\n" or unicodedata.category(c)[0] not in "CZ" or c == " " for c in text) and text.strip("\n ") != ""
    )


_Dumper.add_representer(str, _represent_text)
