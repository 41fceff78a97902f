"""Whether answers can be told apart by their tokens. Knows ids, no model and no tokenizer."""

from __future__ import annotations

from collections.abc import Sequence


def same_tokens(answers: Sequence[str], tokens: Sequence[tuple[int, ...]]) -> list[str]:
    """Answers that leave no tokens, and pairs that cannot be told apart."""
    found: list[str] = []
    seen: dict[tuple[int, ...], str] = {}
    for answer, ids in zip(answers, tokens, strict=True):
        if not ids:
            found.append(f"the answer {answer!r} has no tokens")
        elif ids in seen:
            found.append(f"the answers {seen[ids]!r} and {answer!r} have the same tokens")
        seen.setdefault(ids, answer)
    return found
