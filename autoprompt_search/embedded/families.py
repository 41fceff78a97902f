"""The kinds of embedded models: how each is made, taught and asked. One module each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from autoprompt_search.embedded.batches import Course, Item
from autoprompt_search.embedded.causal import Causal
from autoprompt_search.embedded.masked import Masked
from autoprompt_search.embedded.seq2seq import Seq2Seq


class Family(Protocol):
    """How a kind of model is made, taught and asked; what is drawn at random comes from torch's own generator."""

    loader: Any
    """The class whose `from_pretrained` reads its models."""
    steps: int
    """How long the shipped model was trained."""
    rate: float
    """Peak learning rate."""
    course: Course
    """The course of its training."""

    def new_tokenizer(self, seed: int) -> PreTrainedTokenizerFast:
        """A tokenizer of the shared merges, with the family's special tokens."""
        ...

    def new_model(self, tokenizer: PreTrainedTokenizerFast) -> Any:
        """An untrained model."""
        ...

    def losses(
        self, model: Any, tokenizer: PreTrainedTokenizerFast, items: Sequence[Item]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean loss on the answers, and on other tokens."""
        ...

    def logits(self, model: Any, tokenizer: PreTrainedTokenizerFast, prompts: Sequence[str]) -> torch.Tensor:
        """Logits of the answer to each prompt (prompts, vocabulary)."""
        ...


FAMILIES: Mapping[str, Family] = {"gpt": Causal(), "bert": Masked(), "t5": Seq2Seq()}
"""The families by the name of their model."""


@dataclass(frozen=True, slots=True)
class Pupil:
    """A model of a family with its tokenizer."""

    family: Family
    model: Any
    tokenizer: PreTrainedTokenizerFast


def new(name: str, seed: int) -> Pupil:
    """An untrained pupil of this family; the tokenizer alone depends on the seed."""
    family = FAMILIES[name]
    tokenizer = family.new_tokenizer(seed)
    return Pupil(family, family.new_model(tokenizer), tokenizer)


def load(name: str, folder: Path) -> Pupil:
    """A pupil from its folder, in full precision."""
    family = FAMILIES[name]
    model = family.loader.from_pretrained(folder, dtype=torch.float32).eval()
    return Pupil(family, model, AutoTokenizer.from_pretrained(folder))
