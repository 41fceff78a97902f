"""Two prompts side by side: which words differ. Knows no markup."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

_LONGEST = 6000
"""Words beyond that are not compared: it would take seconds."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run of text that both prompts have, or that only this one has."""

    text: str
    differs: bool


def marked(one: str, other: str) -> tuple[tuple[Run, ...], tuple[Run, ...]]:
    """Both texts in runs; words and blanks are compared one by one."""
    left, right = (re.findall(r"\s+|\w+|[^\w\s]", text) for text in (one, other))
    if max(len(left), len(right)) > _LONGEST or not one or not other:
        return (Run(one, differs=False),), (Run(other, differs=False),)
    runs: tuple[list[Run], list[Run]] = ([], [])
    matcher = difflib.SequenceMatcher(None, left, right, autojunk=False)
    for tag, a, b, c, d in matcher.get_opcodes():
        for side, text in zip(runs, ("".join(left[a:b]), "".join(right[c:d])), strict=True):
            if text:
                side.append(Run(text, differs=tag != "equal"))
    return tuple(runs[0]), tuple(runs[1])
