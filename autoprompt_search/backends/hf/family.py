"""What a family of Hugging Face models has to say for itself: how it reads prompts and answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch

from autoprompt_search.backends.hf.loaded_model import LoadedModel
from autoprompt_search.backends.hf.loading import Form
from autoprompt_search.backends.hf.positions import Base, Soft
from autoprompt_search.backends.hf.scoring import Row, Unit
from autoprompt_search.backends.hf.tokenizer import Ids, PromptTokenizer
from autoprompt_search.backends.hf.training import TrainingBatch
from autoprompt_search.core.types import Rendered


class Front(Protocol):
    """What all rows of one group share, computed before them."""

    @property
    def length(self) -> int:
        """Positions in front of every row that are attended but not computed again."""
        ...

    @property
    def tokens(self) -> int:
        """Ids at the beginning of every row that are among them."""
        ...


class ModelFamily(Protocol):
    """How one family of models reads prompts and answers."""

    form: Form
    task: str
    """PEFT's name for it."""
    extra: int
    """Positions a row needs beyond its ids."""

    def refuses(self, config: Any) -> str | None:
        """What stands against this configuration, as in "holds a ..."; None when nothing does."""
        ...

    def answer_problems(self, texts: PromptTokenizer, config: Any, prompt: str, answers: Sequence[str]) -> list[str]:
        """Answers that leave nothing to score after `prompt`, and pairs that cannot be told apart."""
        ...

    def bases(self, texts: PromptTokenizer, prompts: Sequence[Rendered]) -> list[Base]:
        """Each prompt as the ids that soft tokens are put among, without an answer."""
        ...

    def units(
        self,
        texts: PromptTokenizer,
        config: Any,
        prompts: Sequence[Rendered],
        answers: Sequence[str],
        soft: Soft | None,
    ) -> list[Unit]:
        """The fewest rows that hold every answer of every prompt, in the prompts' order."""
        ...

    def groups(self, units: Sequence[Unit], least: int) -> list[list[Unit]]:
        """Units that share more than all do, where that saves at least `least` tokens; one group where nothing does."""
        ...

    def front(
        self,
        loaded: LoadedModel,
        texts: PromptTokenizer,
        prompts: Sequence[Rendered],
        answers: Sequence[str],
        units: Sequence[Unit],
        soft: Soft | None,
    ) -> Front | None:
        """What can be computed once for all of them, without gradient."""
        ...

    def packed(self, loaded: LoadedModel, units: Sequence[Unit]) -> list[Unit]:
        """The same wants in fewer tokens, where this model can read them so."""
        ...

    def read(
        self, loaded: LoadedModel, rows: Sequence[Row], soft: Soft | None, front: Any, *, keep: bool
    ) -> torch.Tensor:
        """[wants of all rows] float32; one forward pass, differentiable in soft vectors. `keep` remembers states."""
        ...

    def learn(
        self, loaded: LoadedModel, texts: PromptTokenizer, lessons: Sequence[TrainingBatch]
    ) -> list[torch.Tensor]:
        """Per lesson [wants of its rows] float32, differentiable in its own soft vectors and in no other's."""
        ...

    def pooled(self, loaded: LoadedModel, texts: PromptTokenizer, ids: Sequence[Ids]) -> torch.Tensor:
        """[texts, width] float32: one vector per text."""
        ...
