"""Prompt tuning: trained vectors among the tokens of a frozen model. Knows no model class and no search."""

from __future__ import annotations

from typing import Unpack

from autoprompt_search.soft.options import EmbeddingOptions
from autoprompt_search.soft.parameters import Plain
from autoprompt_search.soft.training import Training, embedding_training


def prompt_tuning(*, seed: int, **options: Unpack[EmbeddingOptions]) -> Training:
    """Prompt tuning (Lester et al. 2021, arXiv 2104.08691).

    Args:
        seed: Of batches, drawn initial vectors and networks; injected, not an option of the user.
        options: See `EmbeddingOptions`.
    """
    return embedding_training("prompt-tuning", seed, options, Plain)
