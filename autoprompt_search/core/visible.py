"""Text from data, names and servers for people to see: what a terminal would obey is written as an escape."""

from __future__ import annotations

import json
import re
import unicodedata

_JOINERS = "\u200c\u200d"
"""They belong to the spelling of Persian words and of emoji."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_OBEYED = re.compile(r"[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
"""What JSON leaves as it is and a terminal, an editor or a line reader gives a meaning."""


def visible(text: str) -> str:
    """The text with everything a reader cannot see, or that would reorder the page, written as escapes.

    Line ends and tabs stay: carriage returns, which go back over what was written, do not.
    """
    return text if text.isascii() and text.isprintable() else "".join(map(_seen, text))


def visible_line(text: str) -> str:
    """The text as `visible` gives it, on one line."""
    return visible(text).replace("\n", "\\n").replace("\t", "\\t")


def visible_json(value: object) -> str:
    """`value` as one line of JSON that says the same and that no terminal obeys."""
    return _OBEYED.sub(lambda match: f"\\u{ord(match[0]):04x}", json.dumps(value, ensure_ascii=False))


def cell(value: object) -> object:
    """A value of a CSV file that no spreadsheet takes for a formula: a text that would be one begins with `'`."""
    return "'" + value if isinstance(value, str) and value.startswith(_FORMULA) else value


def _seen(char: str) -> str:
    if char in "\n\t" or char in _JOINERS or unicodedata.category(char) not in _UNSEEN:
        return char
    return char.encode("unicode_escape").decode()


_UNSEEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
