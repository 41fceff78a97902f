"""All answers of a prompt in one row: the prompt once, and behind it a branch for each answer. Knows ids and masks."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import torch

from autoprompt_search.backends.hf.scoring import Row, TokenTarget, Unit
from autoprompt_search.backends.hf.tokenizer import common_run


def packed(units: Sequence[Unit]) -> list[Unit]:
    """Units of one row each, those of one prompt made into one; prompts keep their order."""
    rows = [row for unit in units for row in unit]
    return [(_tree(list(group)),) for _, group in groupby(rows, key=lambda row: row.wants[0].prompt)]


def _tree(rows: Sequence[Row]) -> Row:
    """One row of all: what they begin with, then what each goes on with."""
    if len(rows) == 1:
        return rows[0]
    trunk = min(common_run(rows[0].ids, row.ids) for row in rows)
    ids, branches, wants = list(rows[0].ids[:trunk]), [], []
    for row in rows:
        shift = len(ids) - trunk
        wants += [_moved(want, shift if want.place >= trunk else 0) for want in row.wants]
        if len(row.ids) > trunk:
            branches.append(len(ids))
            ids += row.ids[trunk:]
    return Row(ids, tuple(wants), branches=tuple(branches))


def _moved(want: TokenTarget, shift: int) -> TokenTarget:
    return TokenTarget(want.prompt, want.answer, want.place + shift, want.token)


def inputs_of(rows: Sequence[Row], covered: int, before: int, model: Any) -> dict[str, torch.Tensor]:
    """Mask and position ids under which the branches of a row do not see one another.

    As in the tree attention of speculative decoding (SpecInfer, Miao et al. 2024, arXiv 2305.09781): a token
    sees what stands before the row, the trunk, and its own branch, and its position counts along that path.

    Args:
        rows: Filled up on the right to the longest.
        covered: Ids at the beginning of every row that are not computed.
        before: Positions that stand before what is computed.
        model: Whose number format the mask is in: zero where a token is seen, else the lowest number.
    """
    width = max(len(row.ids) for row in rows) - covered
    device = model.device
    branch = torch.tensor([_branches(row, covered, width) for row in rows], device=device)
    places = torch.tensor([_places(row, covered, width) for row in rows], device=device)
    order = torch.arange(width, device=device)
    is_seen = (branch[:, None, :] == 0) | (branch[:, None, :] == branch[:, :, None])
    is_seen &= order[None, :] <= order[:, None]
    mask = torch.zeros((len(rows), 1, width, before + width), dtype=model.dtype, device=device)
    mask[:, 0, :, before:].masked_fill_(~is_seen, torch.finfo(model.dtype).min)
    return {"attention_mask": mask, "position_ids": places + before}


def _branches(row: Row, covered: int, width: int) -> list[int]:
    """Per computed position the number of its branch; 0 for the trunk and for padding."""
    starts = [*row.branches, len(row.ids)]
    numbers = [0] * ((row.branches[0] if row.branches else len(row.ids)) - covered)
    for number, (start, stop) in enumerate(zip(row.branches, starts[1:], strict=True), 1):
        numbers += [number] * (stop - start)
    return numbers + [0] * (width - len(numbers))


def _places(row: Row, covered: int, width: int) -> list[int]:
    """Per computed position how many computed ones stand before it on its path."""
    trunk = (row.branches[0] if row.branches else len(row.ids)) - covered
    starts = [*row.branches, len(row.ids)]
    places = list(range(trunk))
    for start, stop in zip(row.branches, starts[1:], strict=True):
        places += range(trunk, trunk + stop - start)
    return places + [0] * (width - len(places))
