"""Whether answers can be told apart by their tokens. Knows ids, no model and no tokenizer."""

from __future__ import annotations

from collections.abc import Sequence

from autoprompt_search.core.nesting import nested


def same_tokens(answers: Sequence[str], tokens: Sequence[tuple[int, ...]]) -> list[str]:
    """Answers that leave no tokens, and pairs that cannot be told apart."""
    problems: list[str] = []
    seen: dict[tuple[int, ...], str] = {}
    for answer, ids in zip(answers, tokens, strict=True):
        if not ids:
            problems.append(f"the answer {answer!r} has no tokens")
        elif ids in seen:
            problems.append(f"the answers {seen[ids]!r} and {answer!r} have the same tokens")
        seen.setdefault(ids, answer)
    return problems


def swallowed(answers: Sequence[str], tokens: Sequence[tuple[int, ...]]) -> list[str]:
    """Pairs of which one's tokens begin the other's though its text does not: signs that the tokenizer cannot spell."""
    known = set(nested(answers))
    return [
        f"the tokens of {short!r} begin those of {long!r}, though its text does not: no model tells these answers apart"
        for i, short in enumerate(answers)
        for j, long in enumerate(answers)
        if (i, j) not in known and 0 < len(tokens[i]) < len(tokens[j]) and tokens[j][: len(tokens[i])] == tokens[i]
    ]
