"""P-tuning: vectors made by a small network over all positions. Knows no model class and no search."""

from __future__ import annotations

from typing import Annotated, Literal, Unpack

from pydantic import Field

from autoprompt_search.soft.options import EmbeddingOptions
from autoprompt_search.soft.parameters import encoded
from autoprompt_search.soft.training import Training, embedding_training


def p_tuning(
    *,
    seed: int,
    encoder: Literal["mlp", "lstm"] = "mlp",
    hidden: Annotated[int, Field(ge=1)] = 64,
    **options: Unpack[EmbeddingOptions],
) -> Training:
    """P-tuning (Liu et al. 2021, arXiv 2103.10385).

    The network learns the difference from the initial vectors and starts at zero.

    Args:
        seed: Of batches, drawn initial vectors and networks; injected, not an option of the user.
        encoder: `lstm` (bidirectional, as in the paper) or `mlp`.
        hidden: Width of the encoder.
        options: See `EmbeddingOptions`.
    """
    return embedding_training("p-tuning", seed, options, encoded(encoder, hidden), (encoder, hidden))
