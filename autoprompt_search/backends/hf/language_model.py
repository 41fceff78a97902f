"""Backends whose model has a language-model head: they propose words of the vocabulary, and some of them write."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from autoprompt_search.backends.hf.backend import HfBackend, outside
from autoprompt_search.backends.hf.comparing import alike, renumbered, token_counts
from autoprompt_search.backends.hf.exclusive import Cell, exclusive
from autoprompt_search.backends.hf.family import PredictsTokens
from autoprompt_search.backends.hf.generating import Writer, generated, no_room
from autoprompt_search.backends.hf.loaded_model import ModelSpec
from autoprompt_search.backends.hf.scoring import Unit
from autoprompt_search.backends.hf.words import distinctive_words
from autoprompt_search.core.answers import Limits
from autoprompt_search.core.prompts import Rendered, SoftPrompt
from autoprompt_search.core.protocols.model import Compared, Generated


class HfLanguageModel(HfBackend):
    """A backend with a language-model head: it also compares options and proposes words; implements `Compares`."""

    def __init__(self, spec: ModelSpec, family: PredictsTokens) -> None:
        super().__init__(spec, family)
        self._language = family

    def compare(
        self, prompts: Sequence[Rendered], options: Sequence[Sequence[str]], soft: SoftPrompt | None = None
    ) -> Compared:
        """See `Compares.compare`. Prompts with the same options are laid out together."""
        placed, offset = self._placed(soft), soft.tokens if soft else 0
        fitted, units, cells = list(self.set_chats(prompts)), list[Unit](), list[Cell]()
        for own, numbers in alike(options).items():
            for number, prompt in zip(numbers, self._fitting([fitted[n] for n in numbers], own, offset), strict=True):
                fitted[number] = prompt
            found = renumbered(self._language.units([fitted[n] for n in numbers], own, placed), numbers)
            cells += self._nested_cells(found, own)
            units += found
        tokens = token_counts(units, options)
        self._check_lengths(units, offset, outside(placed))
        shape = (len(prompts), max(map(len, options), default=0))
        out, computed = self._values(units, (fitted, ()), placed, shape)
        rows = exclusive(out, cells).tolist()
        logliks = tuple(tuple(row[: len(own)]) for row, own in zip(rows, options, strict=True))
        return Compared(logliks, tokens, self._prompt_tokens(fitted, placed), computed)

    def answer_tokens(self, prompt: Rendered, answers: Sequence[str]) -> tuple[int, ...]:
        """How many tokens each answer has behind this prompt. Reads the tokenizer, never weights."""
        units = self._language.units(self._fitting(self.set_chats([prompt]), answers, 0), answers, None)
        return token_counts(units, [answers])[0]

    def propose_words(
        self, prompts: Sequence[Rendered], targets: Sequence[int], labels: int, count: int, gap: str
    ) -> list[tuple[str, ...]]:
        """See `ProposesWords.propose_words`. Words are single tokens behind `gap`."""
        prompts = self.set_chats(prompts)
        logprobs = torch.cat(
            [
                self._language.distribution(self._loaded, prompts[start : start + 16], f"{gap}a")
                for start in range(0, len(prompts), 16)
            ]
        )
        return distinctive_words(logprobs, targets, labels, count, self._spec.tokenizer, gap)


class HfGeneratingModel(HfLanguageModel):
    """A backend whose model also writes; implements `Generates`.

    Args:
        spec: The model, and how it is loaded and read.
        family: How it reads.
        writer: How it writes.
    """

    def __init__(self, spec: ModelSpec, family: PredictsTokens, writer: Writer) -> None:
        super().__init__(spec, family)
        self._writer = writer

    def generate(self, prompts: Sequence[Rendered], limits: Limits, soft: SoftPrompt | None = None) -> Generated:
        """See `Generates.generate`."""
        return generated(
            self._loaded,
            self._writer,
            self._spec,
            self.set_chats(prompts),
            limits,
            soft=self._placed(soft),
            budget=self.batch_tokens,
            truncate=self._truncate,
        )

    def no_room(self, prompts: Sequence[Rendered], limits: Limits, soft: int = 0) -> str | None:
        """See `Generates.no_room`."""
        if self._truncate is not None:
            return None
        lengths = [one.longest + soft for one in self._writer.openings(self.set_chats(prompts), None)]
        return no_room(lengths, soft, limits.tokens, self._spec.context)
