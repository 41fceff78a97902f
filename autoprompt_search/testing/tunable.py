"""Soft prompts without a model: the scripted backend with vectors that hold one number, what they add to its skill."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field

from autoprompt_search.core.arrays import Floats
from autoprompt_search.core.fingerprint import sha256_bytes
from autoprompt_search.core.prompts import Rendered, SoftPrompt
from autoprompt_search.core.protocols.model import Scored
from autoprompt_search.core.protocols.tuning import Fitted, TuneData, Tunes
from autoprompt_search.core.rng import derive_rng
from autoprompt_search.testing.scripted import ScriptedBackend


class TunableBackend:
    """`ScriptedBackend`, better by what a soft prompt of `ScriptedTuning` holds.

    Args:
        skill: As there.
        cues: As there.
    """

    def __init__(
        self, *, skill: Annotated[float, Field(ge=0, le=1)] = 0.6, cues: Mapping[str, str] | None = None
    ) -> None:
        self._skill, self._cues = skill, cues
        self._plain = self._model(0)
        self.fingerprint = f"tunable {self._plain.fingerprint}"

    def problems(self, prompts: Sequence[Rendered], answers: Sequence[str], soft: int = 0) -> list[str]:
        """See `Backend.problems`."""
        return self._plain.problems(prompts, answers, soft)

    def score(self, prompts: Sequence[Rendered], answers: Sequence[str], soft: SoftPrompt | None = None) -> Scored:
        """See `Scores.score`."""
        if soft is None:
            return self._plain.score(prompts, answers)
        scored = self._model(float(soft.weights)).score(prompts, answers)
        return Scored(scored.logliks, tuple(count + soft.tokens for count in scored.prompt_tokens))

    def embed(self, texts: Sequence[str]) -> Floats:
        """See `Embeds.embed`."""
        return self._plain.embed(texts)

    def _model(self, gain: float) -> ScriptedBackend:
        return ScriptedBackend(skill=min(1.0, self._skill + gain), cues=self._cues)


class ScriptedTuning:
    """A soft method that trains nothing: its vectors are a share of `gain`, as large as the share of its steps.

    Args:
        gain: What the fully trained vectors add to the model's skill.
        luck: Standard deviation of what the seed adds to that.
        tokens: How many vectors there are.
        steps: Of the whole training.
        seed: Of the luck.
    """

    def __init__(
        self, *, gain: float = 0.2, luck: float = 0.0, tokens: int = 4, steps: int = 10, seed: int = 0
    ) -> None:
        lucky = gain + luck * derive_rng(seed, "scripted-luck", tokens).gauss(0, 1)
        self._gain, self._tokens, self.steps = min(1.0, max(0.0, lucky)), tokens, steps

    def fit(self, model: Tunes, data: TuneData, *, until: int, folder: Path | None) -> Fitted:  # noqa: ARG002
        """See `SoftMethod.fit`."""
        gain = self._gain * until / self.steps
        weights = repr(gain).encode()
        soft = SoftPrompt("scripted", self._tokens, model.fingerprint, weights, sha256_bytes(weights))
        return Fitted((soft,), 3 * until, 1 - gain)
