"""What a family of Hugging Face models has to say for itself: how it reads prompts and answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch

from autoprompt_search.backends.learning import Lesson
from autoprompt_search.backends.loading import Form
from autoprompt_search.backends.placing import Base, Soft
from autoprompt_search.backends.scoring import Row, Unit
from autoprompt_search.backends.source import Loaded
from autoprompt_search.backends.tokens import Encoder, Ids
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


class Reader(Protocol):
    """How one family of models reads prompts and answers."""

    form: Form
    task: str
    """PEFT's name for it."""
    extra: int
    """Positions a row needs beyond its ids."""

    def refuses(self, config: Any) -> str | None:
        """What stands against this configuration, as in "holds a ..."; None when nothing does."""
        ...

    def answer_problems(self, texts: Encoder, config: Any, prompt: str, answers: Sequence[str]) -> list[str]:
        """Answers that leave nothing to score after `prompt`, and pairs that cannot be told apart."""
        ...

    def bases(self, texts: Encoder, prompts: Sequence[Rendered]) -> list[Base]:
        """Each prompt as the ids that soft tokens are put among, without an answer."""
        ...

    def units(
        self, texts: Encoder, config: Any, prompts: Sequence[Rendered], answers: Sequence[str], soft: Soft | None
    ) -> list[Unit]:
        """The fewest rows that hold every answer of every prompt, in the prompts' order."""
        ...

    def groups(self, units: Sequence[Unit], least: int) -> list[list[Unit]]:
        """Units that share more than all do, where that saves at least `least` tokens; one group where nothing does."""
        ...

    def front(
        self,
        loaded: Loaded,
        texts: Encoder,
        prompts: Sequence[Rendered],
        answers: Sequence[str],
        units: Sequence[Unit],
        soft: Soft | None,
    ) -> Front | None:
        """What can be computed once for all of them, without gradient."""
        ...

    def packed(self, loaded: Loaded, units: Sequence[Unit]) -> list[Unit]:
        """The same wants in fewer tokens, where this model can read them so."""
        ...

    def read(self, loaded: Loaded, rows: Sequence[Row], soft: Soft | None, front: Any, *, keep: bool) -> torch.Tensor:
        """[wants of all rows] float32; one forward pass, differentiable in soft vectors. `keep` remembers states."""
        ...

    def learn(self, loaded: Loaded, texts: Encoder, lessons: Sequence[Lesson]) -> list[torch.Tensor]:
        """Per lesson [wants of its rows] float32, differentiable in its own soft vectors and in no other's."""
        ...

    def pooled(self, loaded: Loaded, texts: Encoder, ids: Sequence[Ids]) -> torch.Tensor:
        """[texts, width] float32: one vector per text."""
        ...
