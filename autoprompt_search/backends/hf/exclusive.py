"""Scores of answers that begin one another, made exclusive. Knows rows and tables, no model and no text.

A model that reads from left to right gives P(a), the probability that the continuation begins with the tokens of
the answer a. Two such events exclude each other unless the tokens of one answer begin those of the other: what begins
with "10" begins with "1", so that "10" could never score more. What is compared is therefore the probability that the
continuation begins with a and goes on to no longer answer:

    P(only a) = P(a) - sum of P(b) over the answers b that begin with a, and with no other answer between a and b
    log P(only a) = log P(a) + log(1 - sum of exp(log P(b) - log P(a)))

With "1", "10" and "100" only "10" is taken off "1", because it holds "100". The probabilities of all answers then add
up to at most one, and every other answer keeps its score.

Scoring what ends the short answer (a new line, the end of the text) was the other way. It makes the short answer pay
for an end that the longer ones are not charged for, and which end a model expects depends on the prompt: a separator
behind demonstrations, a full stop, anything without them. P(only a) needs no such mark. Where demonstrations end their
answers with a separator, a model that has learnt it puts P(a) there instead of into the longer answer.

A masked answer of k tokens fills k masks and is no beginning of a longer one; encoders and classifiers read no tokens
of answers. Their scores stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch

from autoprompt_search.backends.hf.scoring import Row

Cell = tuple[int, int, int]
"""A prompt, an answer, and a longer answer that goes on from it with no other answer between them."""

_LEAST = 2.0**-20
"""What is left of a probability at least: float32 log-probabilities cannot tell less from nothing."""


def nested_cells(rows: Iterable[Row], pairs: Sequence[tuple[int, int]]) -> list[Cell]:
    """Which of `pairs` (answers whose texts begin one another) are nested in their tokens, prompt by prompt.

    How an answer is tokenised may depend on the prompt's last word.

    Args:
        rows: As a family lays them out, branches not yet packed.
        pairs: Of answers, the shorter first.
    """
    wanted = {answer for pair in pairs for answer in pair}
    tokens: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for want in (want for row in rows for want in row.wants if want.answer in wanted):
        tokens.setdefault((want.prompt, want.answer), []).append((want.place, want.token))
    cells = []
    for prompt in dict.fromkeys(prompt for prompt, _ in tokens):
        spelled = {answer: tuple(sorted(tokens.get((prompt, answer), ()))) for answer in wanted}
        inside = {(short, long) for short, long in pairs if _begins(spelled[short], spelled[long])}
        cells += [
            (prompt, short, long)
            for short, long in sorted(inside)
            if not any((short, other) in inside and (other, long) in inside for other in wanted)
        ]
    return cells


def _begins(short: tuple[tuple[int, int], ...], long: tuple[tuple[int, int], ...]) -> bool:
    return 0 < len(short) < len(long) and long[: len(short)] == short


def exclusive(logliks: torch.Tensor, cells: Sequence[Cell]) -> torch.Tensor:
    """[prompts, answers] with P(only a) in place of P(a) for the shorter answers of `cells`; differentiable.

    At least 2**-20 of P(a) is left. An answer that is impossible, or not a number, stays what it is.
    """
    if not cells:
        return logliks
    device = logliks.device
    places = list(dict.fromkeys((prompt, short) for prompt, short, _ in cells))
    number = {cell: i for i, cell in enumerate(places)}
    prompts, shorts, longs = torch.tensor(cells, device=device).T
    which = torch.tensor([number[prompt, short] for prompt, short, _ in cells], device=device)
    gaps = logliks[prompts, longs].double() - logliks[prompts, shorts].double()
    parts = torch.where(gaps.isfinite(), gaps, -torch.inf).exp()
    taken = parts.new_zeros(len(places)).index_add(0, which, parts).clamp(max=1 - _LEAST)
    rows, columns = torch.tensor(places, device=device).T
    only = logliks[rows, columns] + torch.log1p(-taken).to(logliks.dtype)
    return logliks.index_put((rows, columns), only)
