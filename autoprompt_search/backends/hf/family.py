"""What one family of Hugging Face models has to do: all of them, and those that can do more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch

from autoprompt_search.backends.hf.loaded_model import LoadedModel
from autoprompt_search.backends.hf.loading import Form
from autoprompt_search.backends.hf.positions import Base, Soft
from autoprompt_search.backends.hf.prefix_cache import Prefix
from autoprompt_search.backends.hf.scoring import Row, Unit
from autoprompt_search.backends.hf.tokenizer import Ids
from autoprompt_search.backends.hf.training import TrainingBatch
from autoprompt_search.core.prompts import Rendered


@dataclass(frozen=True, slots=True)
class Reading:
    """Under what rows are read."""

    soft: Soft | None = None
    prefix: Prefix | None = None
    """What all rows begin with, where the family shares prefixes and this was computed before."""
    labels: torch.Tensor | None = None
    """[prompts or 1, answers, width], unit length: what rows are compared with, where the family compares texts."""
    keep: bool = False
    """Whether hidden states at answer places are remembered."""


class ModelFamily(Protocol):
    """How one family of models reads prompts and answers. A family belongs to one `ModelSpec`."""

    form: Form
    task: str
    """The family's task type in PEFT."""
    extra: int
    """Positions a row needs beyond its ids."""

    def refusal(self) -> str | None:
        """What stands against the model's configuration, as in "holds a ..."; None when nothing does."""
        ...

    def answer_problems(self, prompt: str, answers: Sequence[str], /) -> list[str]:
        """Answers that leave nothing to score after `prompt`, and pairs that cannot be told apart."""
        ...

    def bases(self, prompts: Sequence[Rendered]) -> list[Base]:
        """Each prompt as the ids that soft tokens are put among, without an answer."""
        ...

    def units(self, prompts: Sequence[Rendered], answers: Sequence[str], soft: Soft | None) -> list[Unit]:
        """The fewest rows that hold every answer of every prompt, in the prompts' order."""
        ...

    def read(self, loaded: LoadedModel, rows: Sequence[Row], reading: Reading) -> torch.Tensor:
        """[wants of all rows] float32; one forward pass, differentiable in the soft vectors of `reading`."""
        ...

    def learn(self, loaded: LoadedModel, batches: Sequence[TrainingBatch]) -> list[torch.Tensor]:
        """Per batch [wants of its rows] float32, differentiable in its own soft vectors and in no other's."""
        ...

    def pooled(self, loaded: LoadedModel, ids: Sequence[Ids]) -> torch.Tensor:
        """[texts, width] float32: one vector per text."""
        ...


@runtime_checkable
class SharesPrefixes(Protocol):
    """Capability of a family: what prompts begin with is computed once."""

    def groups(self, units: Sequence[Unit], least: int) -> list[list[Unit]]:
        """Units that share more than all do, where that saves at least `least` tokens; one group where nothing does."""
        ...

    def prefix(self, loaded: LoadedModel, units: Sequence[Unit], soft: Soft | None) -> Prefix | None:
        """What all of them begin with, without gradient; None where it is not worth a forward pass of its own."""
        ...

    def packed(self, loaded: LoadedModel, units: Sequence[Unit]) -> list[Unit]:
        """The same wants in fewer tokens, where this model can read them so."""
        ...


@runtime_checkable
class ComparesTexts(Protocol):
    """Capability of a family: an answer scores by how near it is to the prompt."""

    def labels(self, loaded: LoadedModel, prompts: Sequence[Rendered], answers: Sequence[str]) -> torch.Tensor:
        """[prompts or 1, answers, width], unit length; for each prompt its own where its demonstrations are."""
        ...


class PredictsTokens(ModelFamily, Protocol):
    """Capability of a family: a distribution over the vocabulary where an answer begins."""

    def distribution(self, loaded: LoadedModel, prompts: Sequence[Rendered], answer: str) -> torch.Tensor:
        """[prompts, vocabulary] natural log-probabilities, on the CPU, where `answer` would begin."""
        ...
