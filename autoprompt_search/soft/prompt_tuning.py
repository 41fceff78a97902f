"""Prompt tuning: trained vectors among the tokens of a frozen model. Knows no model class and no search."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from autoprompt_search.core.protocols.tuning import Fitted, TuneData, Tunes
from autoprompt_search.core.types import SoftPosition
from autoprompt_search.soft.parameters import Plain
from autoprompt_search.soft.training import Schedule, Training


class PromptTuning:
    """Prompt tuning (Lester et al. 2021, arXiv 2104.08691); implements `SoftMethod`.

    Args:
        seed: Of batches, drawn initial vectors and networks; injected, not an option of the user.
        tokens: Length of the soft prompt; with `init: text` at most so many.
        init: Where the vectors start, see `inits.start`. `text` takes the place of the prompt's own tokens, so that
            step 0 equals the hard prompt.
        placement: `start`, `after-cls`, `before-answer` (right before it), or `decoder` (behind its first token).
        optimizer: `adafactor` as Lester et al. use it: constant rate, no scaling by parameters.
        lr: Step size in units of the RMS of the embedding table: one range serves all model families.
        steps: Of the whole training.
        batch_size: Prompts per step.
        weight_decay: Decoupled, as in AdamW.
    """

    def __init__(
        self,
        *,
        seed: int,
        tokens: Annotated[int, Field(ge=1)] = 16,
        init: Literal["text", "demos", "vocabulary", "labels", "random"] = "text",
        placement: Literal["start", "after-cls", "before-answer", "decoder"] = "start",
        optimizer: Literal["adamw", "adafactor"] = "adamw",
        lr: Annotated[float, Field(gt=0)] = 0.3,
        steps: Annotated[int, Field(ge=1)] = 100,
        batch_size: Annotated[int, Field(ge=1)] = 16,
        weight_decay: Annotated[float, Field(ge=0)] = 0.0,
    ) -> None:
        schedule = Schedule(seed, tokens, init, optimizer, lr, steps, batch_size, weight_decay)
        place = SoftPosition(placement)
        self._training = Training("prompt-tuning", schedule, place, Plain)

    @property
    def steps(self) -> int:
        """See `SoftMethod.steps`."""
        return self._training.schedule.steps

    def fit(self, model: Tunes, data: TuneData, *, until: int, folder: Path | None) -> Fitted:
        """See `SoftMethod.fit` and `Training.fit`."""
        return self._training.fit(model, data, until=until, folder=folder)
