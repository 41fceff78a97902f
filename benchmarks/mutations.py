"""Damaged input: bytes that are edited, and plain values of which one is swapped for a nasty one. Knows no target."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any

NASTY = [
    b"\0", b"\xff\xfe", b"\xed\xa0\x80", b"\n", b"\r", b"\t", b": ", b"- ", b"{", b"}", b"[", b"]", b'"', b"'",
    b"&a ", b"*a", b"!!python/object/apply:os.system [x]", b"!!binary x", b"<<: *a", b"? ", b"| ", b"---\n",
    b"%YAML 9.9\n", b"#", b",", b"1e999", b".nan", b"-0", b"9" * 400, b"0x10", b"2024-01-01", b"true", b"null",
    b"~", b"../../etc/passwd", b"/", b"\\", b"{" * 300, b"[" * 3000, b"A" * 70_000,
    "\u202e\u2028é\U0001f600".encode(), b"<script>", b"$(x)", b"%s", b"{0.__class__}",
]  # fmt: skip
VALUES: list[Any] = [
    None, True, False, 0, -1, 1, 2**63, -(2**70), 10**400, 0.5, 1e308, float("inf"), float("nan"), "", " ",
    "none", "auto", "\0", "\ud800", "x" * 5000, "{text}", "{", "}", "{@answer}{@answer}", "{text[0]}", "../x",
    "/dev/zero", "/dev/stdin", "builtin:reviews", "builtin:nothing", [], [[]], [None], ["a", "a"], {},
    {"": None}, {"type": "scripted"}, {"kind": "int"}, {"kind": "choice", "values": [1, "1", True]},
    {"kind": "float", "low": float("nan"), "high": 1}, {"a": {"b": {"c": 1}}},
]  # fmt: skip
KEYS = [
    "type",
    "kind",
    "values",
    "low",
    "high",
    "when",
    "text",
    "words",
    "trials",
    "space",
    "soft.method",
    "demos.k",
    "",
    "x",
    "0",
]


def edited(data: bytes, rng: random.Random) -> bytes:
    """`data` with one to four edits."""
    for _ in range(rng.randint(1, 4)):
        at, end = sorted(rng.randrange(len(data) + 1) for _ in range(2))
        end = min(end, at + rng.choice([0, 1, 5, 40, 1000]))
        piece = data[at:end]
        new = rng.choice([b"", piece * 2, rng.choice(NASTY), rng.choice(NASTY) + piece, rng.randbytes(4), piece[::-1]])
        data = data[:at] + new + data[end:]
    return data


def swapped(value: Any, rng: random.Random) -> Any:
    """A document with one value, or one key, replaced."""
    value = copy.deepcopy(value)
    places = list(_places(value))
    home, key = rng.choice(places)
    what = rng.random()
    if what < 0.6:
        home[key] = copy.deepcopy(rng.choice(VALUES))
    elif what < 0.75 and isinstance(home, dict):
        home[rng.choice(KEYS)] = home.pop(key)
    elif what < 0.9:
        other, name = rng.choice(places)
        home[key] = (
            copy.deepcopy(other[name]) if name in (other if isinstance(other, dict) else range(len(other))) else None
        )
    else:
        del home[key]
    return value


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(pairs):
        yield value, key
        yield from _places(inner)
