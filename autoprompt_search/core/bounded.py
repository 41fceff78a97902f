"""JSON from files that somebody may have changed: bounded in depth and number of values, and every number finite."""

from __future__ import annotations

import json
import math
from typing import Any

MOST_VALUES = 2_000_000
DEEPEST = 100
_LONGEST_NUMBER = 400
"""Characters; Python takes quadratic time for longer ones."""


def loads(text: str | bytes, *, most: int = MOST_VALUES) -> Any:
    """What the JSON says. `ValueError` says what is not JSON, or is beyond the bounds."""
    try:
        value = json.loads(text, parse_constant=_no_number, parse_float=_finite, parse_int=_whole)
    except RecursionError:
        raise ValueError(f"it is nested more than {DEEPEST} deep") from None
    return checked(value, most=most)


def checked(value: Any, *, most: int = MOST_VALUES) -> Any:
    """`value`, which holds nothing but mappings with texts as keys, lists, texts, truth values and finite numbers.

    `ValueError` says what else it holds.
    """
    layer, count = [value], 0
    for _ in range(DEEPEST):
        count += len(layer)
        if count > most:
            raise ValueError(f"it holds more than {most:,} values")
        layer = [inner for outer in layer for inner in _inside(outer)]
        if not layer:
            return value
    raise ValueError(f"it is nested more than {DEEPEST} deep")


def _inside(value: Any) -> list[Any]:
    if isinstance(value, dict):
        if odd := [key for key in value if not isinstance(key, str)]:
            raise ValueError(f"the key {str(odd[0])[:40]!r} is no text but a {type(odd[0]).__name__}")
        return list(value.values())
    if isinstance(value, list):
        return value
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is not a finite number")
    if value is None or isinstance(value, (str, int, float)):
        return []
    raise ValueError(f"it holds a {type(value).__name__}, which is neither text nor number")


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is not a finite number")


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"{digits[:40]} is not a finite number")
    return value


def _whole(digits: str) -> int:
    if len(digits) > _LONGEST_NUMBER:
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)
