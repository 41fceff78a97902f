"""Options that soft-prompt methods share, each with its default. Knows no tensors."""

from __future__ import annotations

from typing import Annotated, Literal, TypedDict

from pydantic import Field

from autoprompt_search.core.signatures import Default

Init = Literal["text", "demos", "vocabulary", "labels", "random"]


class TrainingOptions(TypedDict, total=False):
    """Options of every method."""

    tokens: Annotated[int, Field(ge=1), Default(16)]
    """Length of the soft prompt; with `init: text` at most so many."""
    init: Annotated[Init, Default("text")]
    """Where the vectors start, see `inits.start`. `text` takes the place of the prompt's own tokens, so that step 0
    equals the hard prompt."""
    optimizer: Annotated[Literal["adamw", "adafactor"], Default("adamw")]
    """`adafactor` as Lester et al. use it: constant rate, no scaling by parameters."""
    steps: Annotated[int, Field(ge=1), Default(100)]
    """Steps of the whole training."""
    batch_size: Annotated[int, Field(ge=1), Default(16)]
    """Prompts per step."""
    weight_decay: Annotated[float, Field(ge=0), Default(0.0)]
    """Decoupled, as in AdamW."""


class EmbeddingOptions(TrainingOptions, total=False):
    """Options of methods whose vectors stand among the embeddings of the prompt's tokens."""

    placement: Annotated[Literal["start", "after-cls", "before-answer", "decoder"], Default("start")]
    """`start`, `after-cls`, `before-answer` (right before it), or `decoder` (behind its first token)."""
    lr: Annotated[float, Field(gt=0), Default(0.3)]
    """Step size in units of the RMS of the embedding table: one range serves all model families."""
