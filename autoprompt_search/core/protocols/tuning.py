"""What training a soft prompt takes: gradients from a model, and a method that uses them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from autoprompt_search.core.arrays import Tensor
from autoprompt_search.core.prompts import Rendered, SoftPosition, SoftPrompt
from autoprompt_search.core.types import Plain


@dataclass(frozen=True, slots=True)
class Adapter:
    """Trained vectors as PEFT's two files."""

    weights: bytes
    """`adapter_model.safetensors`."""
    config: Mapping[str, Plain]
    """`adapter_config.json`."""


@runtime_checkable
class GivesVectors(Protocol):
    """Capability: vectors of texts, which a soft prompt can start from.

    A vector at a `SoftPosition` of kind `embeddings` is one row as the first layer receives it; of kind `prefix`
    it holds one token's keys and values of all layers: k0, v0, k1, v1, ..., each [heads x head width].
    """

    def embedding_table(self) -> Tensor:
        """[vocabulary, embedding width] float32: input vectors as the first layer receives them."""
        ...

    def embed_tokens(self, text: str) -> Tensor:
        """[tokens of text, embedding width] float32: the vectors of the text's own tokens."""
        ...

    def own_vectors(self, prompts: Sequence[Rendered], place: SoftPosition, limit: int) -> Tensor:
        """[at most `limit`, width(place)] float32: vectors of the words, not data, that all prompts share at `place`.

        Put there with `replaces` = their number, they leave every score as it is. [0, width] where the prompts share
        nothing there, or where the model cannot say (`decoder`, and `prefix` on models that read both ways).
        """
        ...

    def text_vectors(self, text: str, place: SoftPosition) -> Tensor:
        """[tokens of text, width(place)] float32: what the text alone gives at `place`; for `prefix` its keys and
        values."""
        ...


@runtime_checkable
class TrainsVectors(Protocol):
    """Capability: gradients with respect to vectors among the prompt's tokens, shaped as in `GivesVectors`."""

    @property
    def fingerprint(self) -> str: ...

    def adapter(self, vectors: Tensor, place: SoftPosition) -> Adapter:
        """The files of a PEFT adapter that holds these vectors: what `Scores.score` takes back as `soft`."""
        ...

    def width(self, place: SoftPosition) -> int:
        """Numbers per vector at `place`."""
        ...

    def answer_logliks(
        self, soft: Tensor, place: SoftPosition, prompts: Sequence[Rendered], answers: Sequence[str]
    ) -> Tensor:
        """[prompts, answers] float32, differentiable with respect to `soft` [tokens, width(place)]; weights frozen.

        What stands before the vectors is computed without gradient, and remembered where the model reads from
        left to right.
        """
        ...


@runtime_checkable
class Tunes(GivesVectors, TrainsVectors, Protocol):
    """Capability: all that a `SoftMethod` needs of a model."""


@runtime_checkable
class TrainsTexts(Protocol):
    """Capability: gradients of texts that a prompt should be answered with, every prompt with one of its own."""

    def text_logliks(
        self, soft: Tensor, place: SoftPosition, prompts: Sequence[Rendered], texts: Sequence[str], *, ends: bool
    ) -> Tensor:
        """[prompts] float32, differentiable as `TrainsVectors.answer_logliks` is: log-likelihood of each prompt's own
        text, each token with those before it given (teacher forcing).

        `texts` are exact continuations. With `ends` the token with which the model ends a text counts too, where it
        has one.
        """
        ...

    def text_tokens(self, prompts: Sequence[Rendered], texts: Sequence[str], *, ends: bool) -> tuple[int, ...]:
        """How many tokens each of these log-likelihoods is the sum of."""
        ...


@dataclass(frozen=True, slots=True)
class Asked:
    """What one training asks in one step: the arguments of `Tunes.answer_logliks`, or of `TrainsTexts.text_logliks`."""

    soft: Tensor
    place: SoftPosition
    prompts: Sequence[Rendered]
    answers: Sequence[str]
    """Of all prompts; the text of each prompt where they `are_texts`."""
    are_texts: bool = False
    ends: bool = False


@runtime_checkable
class TunesTogether(Protocol):
    """Capability: steps of several trainings on one model in as few forward passes as one of them takes."""

    def answer_logliks_together(self, asked: Sequence[Asked]) -> list[Tensor]:
        """`Tunes.answer_logliks` of each, in order, up to float rounding; `TrainsTexts.text_logliks` of texts.

        No result depends on another's vectors, not even where those are not finite. Raises what any of them would
        raise by itself, `torch.OutOfMemoryError` among it.
        """
        ...


@dataclass(frozen=True, slots=True)
class TuneData:
    """What a soft prompt is fitted to: the labels of prompts that share one list of answers, or a text per prompt."""

    prompts: tuple[Rendered, ...]
    targets: tuple[int, ...]
    """The index of the right label of each prompt; empty where answers are texts."""
    answers: tuple[str, ...]
    groups: tuple[int, ...]
    """The index of the label of each answer; several answers of one label add their probabilities."""
    init_text: str
    """The template's own words, for text initialisation."""
    label_words: tuple[str, ...]
    """Texts for label-word initialisation, each with the gap before it."""
    demo_texts: tuple[str, ...] = ()
    """Demonstrations with their answers, for initialisation from them; training examples where the prompt has none."""
    texts: tuple[str, ...] = ()
    """The right text of each prompt, as an exact continuation; empty where answers are labels."""
    ends: bool = False
    """Whether the model should end behind a text."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """What `SoftMethod.fit` returns."""

    snapshots: tuple[SoftPrompt, ...]
    """Candidates in order of training; the caller keeps the best on dev."""
    forward_passes: int
    """Forward equivalents spent in this call (three per example of a step)."""
    loss: float
    """Mean training loss of the last steps."""


@runtime_checkable
class SoftMethod(Protocol):
    """One way to parameterise and train a soft prompt. Its constructor takes the `soft.*` parameters."""

    @property
    def steps(self) -> int:
        """Steps of the whole training, at the last rung."""
        ...

    def fit(self, model: Tunes, data: TuneData, *, until: int, folder: Path | None) -> Fitted:
        """Train up to step `until` in all, going on from the checkpoint in `folder` if there is one.

        Same arguments, same result, whether trained at once or in several calls, in one process or
        two. Raises `TrialError` when the loss is not finite.
        """
        ...
