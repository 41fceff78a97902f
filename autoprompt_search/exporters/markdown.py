"""Any text into Markdown without becoming Markdown. Knows nothing of prompts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from autoprompt_search.core.visible import visible, visible_line

_RUN = re.compile(r"`+")


def inline(text: str) -> str:
    """A code span on one line; control and direction characters are shown as escapes."""
    shown = visible_line(text)
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


def _longest_run(text: str) -> int:
    return max((len(run) for run in _RUN.findall(text)), default=0)
