"""What rows ask for, read by a model: what is remembered first, then in batches behind shared beginnings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import torch

from autoprompt_search.backends.hf import scoring
from autoprompt_search.backends.hf.batch_sizer import within_memory
from autoprompt_search.backends.hf.family import ComparesTexts, ModelFamily, Reading, SharesPrefixes
from autoprompt_search.backends.hf.loaded_model import LoadedModel
from autoprompt_search.backends.hf.positions import Soft
from autoprompt_search.backends.hf.scoring import Unit
from autoprompt_search.core.prompts import Rendered

_WORTH = 16
"""A group of prompts is read apart from the others where that saves this part of a forward pass's budget."""


def read_units(
    loaded: LoadedModel,
    family: ModelFamily,
    units: Sequence[Unit],
    *,
    asked: tuple[Sequence[Rendered], Sequence[str]],
    soft: Soft | None,
    shape: tuple[int, int],
    budget: int,
    remembers: bool,
) -> tuple[torch.Tensor, int]:
    """[prompts, answers] sums of what `units` want, and how many prompts went through the model for them.

    Args:
        loaded: The model.
        family: How it reads.
        units: What to read.
        asked: Prompts and answers, for a family that compares texts.
        soft: The soft prompt at work.
        shape: Prompts and answers.
        budget: Positions of one forward pass.
        remembers: Whether hidden states at answer places are kept, and looked up first.
    """
    out, todo = torch.zeros(shape), []
    for unit in units:
        known = loaded.states.values(loaded.model, unit, soft.key if soft else "") if remembers else None
        if known is None:
            todo.append(unit)
        else:
            out += scoring.table(unit, known, shape)
    groups, reading = [todo] if todo else [], Reading(soft, keep=remembers)
    if todo and isinstance(family, ComparesTexts):
        reading = replace(reading, labels=within_memory(partial(family.labels, loaded, *asked)))
    if todo and isinstance(family, SharesPrefixes):
        groups = family.groups(family.packed(loaded, todo), budget // _WORTH)
    for group in groups:
        if isinstance(family, SharesPrefixes):
            reading = replace(reading, prefix=within_memory(partial(family.prefix, loaded, group, soft)))
        out += scoring.score_units(
            group,
            shape,
            partial(family.read, loaded, reading=reading),
            sizer=loaded.sizer,
            budget=budget,
            front=(reading.prefix.length, reading.prefix.tokens) if reading.prefix else (0, 0),
        )
    return out, len({row.wants[0].prompt for unit in todo for row in unit})
