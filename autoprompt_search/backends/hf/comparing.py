"""Prompts of which each has options or a text of its own, as rows. Knows rows and texts, no model, no tokenizer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from autoprompt_search.backends.hf.scoring import Row, TokenTarget, Unit
from autoprompt_search.core.errors import TrialError


def alike(options: Sequence[Sequence[str]]) -> dict[tuple[str, ...], list[int]]:
    """Options -> the numbers of the prompts that have these. Raises `TrialError` for a prompt without any."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for number, own in enumerate(options):
        if not own:
            raise TrialError(f"prompt {number + 1} has no options to compare")
        groups.setdefault(tuple(own), []).append(number)
    return groups


def renumbered(units: Sequence[Unit], numbers: Sequence[int]) -> list[Unit]:
    """The units of prompts 0, 1, ... as those of the prompts with these numbers."""
    return [tuple(row.of(numbers[row.wants[0].prompt]) for row in unit) for unit in units]


def token_counts(units: Sequence[Unit], options: Sequence[Sequence[str]]) -> tuple[tuple[int, ...], ...]:
    """Per prompt and option the tokens that are read. Raises `TrialError` for an option that has none."""
    counts = Counter((want.prompt, want.answer) for unit in units for row in unit for want in row.wants)
    lengths = tuple(tuple(counts[number, answer] for answer in range(len(own))) for number, own in enumerate(options))
    for own, tokens in zip(options, lengths, strict=True):
        if 0 in tokens:
            raise TrialError(f"the option {own[tokens.index(0)]!r} has no tokens")
    return lengths


def ended(row: Row, end: int) -> Row:
    """The row of one text with its last token read and the token `end` asked for behind it."""
    last = max(row.wants, key=lambda want: want.place)
    closing = TokenTarget(last.prompt, last.answer, last.place + 1, end)
    return replace(row, ids=[*row.ids, last.token], wants=(*row.wants, closing))
