"""Backends whose model has a language-model head: they propose words of the vocabulary, and some of them write."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from autoprompt_search.backends.hf.backend import HfBackend, outside
from autoprompt_search.backends.hf.comparing import alike, ended, renumbered, token_counts
from autoprompt_search.backends.hf.exclusive import Cell, exclusive
from autoprompt_search.backends.hf.family import PredictsTokens
from autoprompt_search.backends.hf.generating import Writer, generated, no_room
from autoprompt_search.backends.hf.loaded_model import ModelSpec
from autoprompt_search.backends.hf.positions import Soft
from autoprompt_search.backends.hf.scoring import Row, Unit
from autoprompt_search.backends.hf.training import TrainingBatch
from autoprompt_search.backends.hf.words import distinctive_words
from autoprompt_search.core.answers import Limits
from autoprompt_search.core.prompts import Rendered, SoftPosition, SoftPrompt
from autoprompt_search.core.protocols.model import Compared, Generated
from autoprompt_search.core.protocols.tuning import Asked


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
            own_units = renumbered(self._language.units([fitted[n] for n in numbers], own, placed), numbers)
            cells += self._nested_cells(own_units, own)
            units += own_units
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
    """A backend whose model also writes; implements `Generates` and `TrainsTexts`.

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
            budget=self._spec.batch_tokens,
            truncate=self._truncate,
        )

    def text_logliks(
        self,
        soft: torch.Tensor,
        place: SoftPosition,
        prompts: Sequence[Rendered],
        texts: Sequence[str],
        *,
        ends: bool,
    ) -> torch.Tensor:
        """See `TrainsTexts.text_logliks`."""
        return self.answer_logliks_together([Asked(soft, place, prompts, texts, True, ends)])[0]

    def text_tokens(self, prompts: Sequence[Rendered], texts: Sequence[str], *, ends: bool) -> tuple[int, ...]:
        """See `TrainsTexts.text_tokens`."""
        fitted, options = self.set_chats(prompts), [(text,) for text in texts]
        units: list[Unit] = []
        for own, numbers in alike(options).items():
            some = self._fitting([fitted[n] for n in numbers], own, 0)
            units += renumbered(self._language.units(some, own, None), numbers)
        closing = ends and self._end is not None
        return tuple(counts[0] + closing for counts in token_counts(units, options))

    def answer_logliks_together(self, asked: Sequence[Asked]) -> list[torch.Tensor]:
        """See `TunesTogether.answer_logliks_together`."""
        logliks = super().answer_logliks_together(asked)
        return [values[:, 0] if one.are_texts else values for one, values in zip(asked, logliks, strict=True)]

    def _training_batch(self, asked: Asked) -> TrainingBatch:
        """The rows of one step; texts are laid out once each, as prompts are."""
        if not asked.are_texts:
            return super()._training_batch(asked)
        soft, end = Soft(asked.soft, asked.place), self._end if asked.ends else None
        rows: list[Row] = []
        for number, (prompt, text) in enumerate(zip(asked.prompts, asked.answers, strict=True)):
            layout = (asked.place, soft.length, text, asked.ends)
            if (layout, prompt) not in self._laid_out:
                laid_out = self._rows([prompt], [text], soft)[prompt]
                self._lay_out(layout, {prompt: [row if end is None else ended(row, end) for row in laid_out]})
            rows += [row.of(number) for row in self._laid_out[layout, prompt]]
        return TrainingBatch(rows, soft, asked.prompts, ("",))

    @property
    def _end(self) -> int | None:
        """The token with which the model ends a text: of several the tokenizer's own, else the lowest."""
        ends, own = self._writer.ends(self._loaded), self._spec.tokenizer.raw.eos_token_id
        return own if own in ends else min(ends, default=None)

    def no_room(self, prompts: Sequence[Rendered], limits: Limits, soft: int = 0) -> str | None:
        """See `Generates.no_room`."""
        if self._truncate is not None:
            return None
        lengths = [one.longest + soft for one in self._writer.openings(self.set_chats(prompts), None)]
        return no_room(lengths, soft, limits.tokens, self._spec.context)
