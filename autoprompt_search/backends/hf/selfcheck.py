"""What a loaded model can do, found out by doing it both ways on a few ids. Knows rows, no prompts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch

from autoprompt_search.backends.hf.prefix_cache import Prefix, PrefixCache, sees_all
from autoprompt_search.backends.hf.scoring import Row, TokenTarget, table
from autoprompt_search.backends.hf.tree_attention import packed

ReadRows = Callable[[Sequence[Row], Prefix | None], torch.Tensor]
"""Rows behind a prefix to [all their wants] log-probabilities."""

_FRONT, _TRUNK, _LONGEST, _ROWS = 6, 11, 16, 3
"""Ids of the prefix, and of what all probes begin with; more than the longest probe has; how many there are."""
_CLOSE, _CLOSE_ON_AVERAGE = 1e-3, 0.1
"""Largest difference of log-probabilities, relative above one; the mean one where numbers are of fewer than `_FULL`
bytes, whose rounding is coarse."""
_FULL = 4


def takes_branches(model: Any, read: ReadRows) -> bool:
    """Whether several answers in one row score as in rows of their own: not under every attention and position."""
    if not sees_all(model.config) or _is_alibi(model.config):
        return False  # a window would count the other branches, and so do distances that no position id tells
    rows = _probes(model)
    tree = [row for unit in packed([(row,) for row in rows]) for row in unit]
    fronts = (None, _front(model, rows))
    return all(_agree(partial(_read, read, rows, f), partial(_read, read, tree, f), model.dtype) for f in fronts)


def _is_alibi(config: Any) -> bool:
    """Whether attention is biased by how far apart tokens stand in the row (ALiBi, Press et al. 2022)."""
    text = config.get_text_config()
    inner = getattr(text, "attn_config", None)
    return text.model_type in ("mpt", "bloom") or bool(getattr(text, "alibi", False) or getattr(inner, "alibi", False))


def takes_cascade(model: Any, read: ReadRows, cascaded: ReadRows) -> bool:
    """Whether rows score behind a prefix that is attended once as behind one of their own."""
    rows = _probes(model)
    front = _front(model, rows)
    if front is None:
        return False
    return _agree(partial(_read, read, rows, front), partial(_read, cascaded, rows, front), model.dtype)


def _agree(plain: Callable[[], torch.Tensor], other: Callable[[], torch.Tensor], dtype: torch.dtype) -> bool:
    """Whether `other` gives what `plain` gives; a model that refuses its inputs does not."""
    wanted = plain()
    try:
        given = other()
    except (RuntimeError, ValueError, TypeError, IndexError, AttributeError):
        return False
    off = (given - wanted).abs() / wanted.abs().clamp(min=1)
    return bool(off.max() < _CLOSE if dtype.itemsize >= _FULL else off.mean() < _CLOSE_ON_AVERAGE)


@torch.no_grad()
def _read(read: ReadRows, rows: Sequence[Row], front: Prefix | None) -> torch.Tensor:
    return table(rows, read(rows, front), (1, _ROWS * _LONGEST)).cpu()


def _front(model: Any, rows: Sequence[Row]) -> Prefix | None:
    return PrefixCache(0).get(model, rows[0].ids[:_FRONT], None)


def _probes(model: Any) -> list[Row]:
    """Three sequences of one beginning and different lengths, read from all over their ends."""
    vocabulary = model.config.get_text_config().vocab_size
    rows = []
    for number in range(_ROWS):
        length = 4 - number
        ids = [(7 * i * i + 11 * i + 3) % vocabulary for i in range(_TRUNK)]
        ids += [(5 * i * i + 13 * i + 17 * number + 1) % vocabulary for i in range(length)]
        ends = range(_TRUNK - 1, len(ids))
        wants = [
            TokenTarget(0, number * _LONGEST + position, position, (31 * position + number) % vocabulary)
            for position in ends
        ]
        rows.append(Row(ids, tuple(wants)))
    return rows
