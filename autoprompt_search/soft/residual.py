"""Residual prompt tuning: vectors plus a small network over each of them. Knows no model class and no search."""

from __future__ import annotations

from typing import Annotated, Unpack

from pydantic import Field

from autoprompt_search.soft.options import EmbeddingOptions
from autoprompt_search.soft.parameters import residual
from autoprompt_search.soft.training import Training, embedding_training


def residual_prompt_tuning(
    *, seed: int, hidden: Annotated[int, Field(ge=1)] = 64, **options: Unpack[EmbeddingOptions]
) -> Training:
    """Residual prompt tuning (Razdaibiedina et al. 2023, arXiv 2305.03937).

    The network is shared by all positions; its layer norm's scale starts at zero.

    Args:
        seed: Of batches, drawn initial vectors and networks; injected, not an option of the user.
        hidden: Width of the bottleneck.
        options: See `EmbeddingOptions`.
    """
    return embedding_training("residual-prompt-tuning", seed, options, residual(hidden), (hidden,))
