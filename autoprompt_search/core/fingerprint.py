"""Content addresses: equal content, equal fingerprint, whatever the process or machine."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

LENGTH = 16
"""Hex digits kept: 64 bits, far beyond the number of prompts any search renders."""
_LATER = frozenset({"tests"})
"""Fields that values have got later: what does not use them keeps its fingerprint."""
_SCALARS = frozenset((str, int, float, bool, type(None)))
"""What most values are, asked about first."""


def fingerprint(value: object) -> str:
    """Digest of a plain value: dataclasses, mappings (order does not matter), sequences, scalars, bytes."""
    text = json.dumps(_plain(value), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=LENGTH // 2).hexdigest()


def sha256_bytes(data: bytes) -> str:
    """Full SHA-256 of `data`, in hex."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """Full SHA-256 of a file, in hex, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@cache
def _names(kind: type) -> tuple[str, ...]:
    return tuple(f.name for f in dataclasses.fields(kind))


def _plain(value: object) -> Any:
    if type(value) in _SCALARS:
        return value
    if isinstance(value, Enum):
        return value.value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        values = {name: getattr(value, name) for name in _names(type(value))}
        return {name: _plain(v) for name, v in values.items() if name not in _LATER or v is not None}
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, bytes):
        return sha256_bytes(value)
    if isinstance(value, (str, int, float)):
        return value
    raise TypeError(f"cannot fingerprint a {type(value).__name__}: {value!r}")
