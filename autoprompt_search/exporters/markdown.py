"""Any text into Markdown without becoming Markdown. Knows nothing of prompts."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

_RUN = re.compile(r"`+")


def inline(text: str) -> str:
    """A code span on one line; control and direction characters are shown as escapes."""
    shown = visible(text).replace("\n", "\\n").replace("\t", "\\t")
    ticks = "`" * (_longest_run(shown) + 1)
    pad = " " if not shown or shown[0] in "` " or shown[-1] in "` " else ""
    return f"{ticks}{pad}{shown}{pad}{ticks}"


def block(text: str, language: str = "text") -> str:
    """A fenced block that no fence inside the text can end."""
    shown = visible(text)
    fence = "`" * max(3, _longest_run(shown) + 1)
    return f"{fence}{language}\n{shown}\n{fence}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A pipe table; cells are Markdown already and must be of one line."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def visible(text: str) -> str:
    """The text with everything a reader cannot see, or that would reorder the page, written as escapes."""
    return "".join(c if c in "\n\t" or _is_seen(c) else c.encode("unicode_escape").decode() for c in text)


def _is_seen(char: str) -> bool:
    return unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def _longest_run(text: str) -> int:
    return max((len(run) for run in _RUN.findall(text)), default=0)
