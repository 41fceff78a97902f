"""Prefix tuning: trained keys and values of every layer. Knows no model class and no search."""

from __future__ import annotations

from typing import Annotated, Unpack

from pydantic import Field

from autoprompt_search.core.prompts import SoftPosition
from autoprompt_search.core.signatures import complete
from autoprompt_search.soft.options import TrainingOptions
from autoprompt_search.soft.parameters import Plain, projected
from autoprompt_search.soft.training import Training


def prefix_tuning(
    *,
    seed: int,
    projection: bool = False,
    hidden: Annotated[int, Field(ge=1)] = 64,
    lr: Annotated[float, Field(gt=0)] = 0.1,
    **options: Unpack[TrainingOptions],
) -> Training:
    """Prefix tuning (Li & Liang 2021, arXiv 2101.00190). On encoder-decoders the prefix belongs to the decoder.

    Args:
        seed: Of batches, drawn initial vectors and networks; injected, not an option of the user.
        projection: Make keys and values by a small network, which learns the difference from the initial ones.
        hidden: Width of the network.
        lr: Step size in units of the RMS of the initial keys and values. They act on every layer: beyond a third of
            the rates that suit embeddings, training is unstable.
        options: See `TrainingOptions`.
    """
    form = projected(hidden) if projection else Plain
    place, shared = SoftPosition(kind="prefix"), complete(TrainingOptions, options)
    return Training("prefix-tuning", seed, lr, shared, place, form, (projection, hidden))
