"""Names that MLflow takes: keys of parameters and metrics, names of prompts. Two names never become one."""

from __future__ import annotations

import posixpath
import re

from autoprompt_search.core.fingerprint import sha256_bytes

_LONGEST = 250
_DIGEST = 8
"""Hexadecimal digits that tell apart what was written with characters that MLflow does not take."""


def safe_key(name: str) -> str:
    """`name` itself if MLflow takes it as a key; else what it takes of it, and a digest of the whole.

    MLflow takes letters of any script, digits, `_`, `-`, `.`, blanks, `:` and `/`, and no path that could be shorter.
    """
    kept = re.sub(r"[^\w\-. :/]", "_", name)
    if kept == name and len(name) <= _LONGEST and _is_plain_path(name):
        return name
    kept = kept if _is_plain_path(kept) else kept.replace("/", "_").strip(".")
    return f"{kept[: _LONGEST - _DIGEST - 1]}-{_digest(name)}"


def prompt_name(*parts: str) -> str:
    """A name in the Prompt Registry, which takes ASCII letters, digits, `_`, `-` and `.` only."""
    name = ".".join(parts)
    kept = re.sub(r"[^A-Za-z0-9_.\-]", "-", name)
    return kept if kept == name else f"{kept}-{_digest(name)}"


def _digest(name: str) -> str:
    return sha256_bytes(name.encode("utf-8", "surrogatepass"))[:_DIGEST]


def _is_plain_path(name: str) -> bool:
    return posixpath.normpath(name) == name and not name.startswith(("/", "..")) and name != "."
