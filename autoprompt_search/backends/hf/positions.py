"""Trained vectors among a prompt's tokens: a soft token is a negative id, so that layouts stay lists of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from autoprompt_search.backends.hf.tokenizer import Ids, common_run
from autoprompt_search.core.errors import TrialError
from autoprompt_search.core.prompts import Rendered, Segment, SoftPosition


@dataclass(frozen=True, slots=True)
class Soft:
    """The vectors of a soft prompt while it is used or trained."""

    vectors: torch.Tensor
    """[tokens, width] on the model's device."""
    place: SoftPosition
    key: str = ""
    """Digest of the vectors; empty while they are trained."""

    @property
    def length(self) -> int:
        """Number of soft tokens."""
        return len(self.vectors)

    @property
    def ids(self) -> Ids:
        """The negative ids that stand for the vectors; none for a prefix, which is no part of the sequence."""
        return [] if self.is_prefix else [-1 - i for i in range(self.length)]

    @property
    def is_prefix(self) -> bool:
        """Keys and values instead of embeddings."""
        return self.place.kind == "prefix"


@dataclass(frozen=True, slots=True)
class Base:
    """A prompt as ids, and where in it the answer stands."""

    ids: Ids
    answer: int
    """The answer's first token goes before `ids[answer]`."""


def insert(base: Base, soft: Soft | None) -> Base:
    """The same prompt with the soft tokens in their place; `TrialError` where it lacks the tokens they replace."""
    if soft is None or soft.place.at == "decoder":
        return base
    ids, answer, replaces = base.ids, base.answer, soft.place.replaces
    start = _start(base, soft.place)
    if not 0 <= start <= answer - replaces:
        raise TrialError(f"a prompt has {answer} tokens before its answer, and the soft prompt replaces {replaces}")
    inserted = ids[:start] + soft.ids + ids[start + replaces :]
    return Base(inserted, answer + len(soft.ids) - replaces)


def _start(base: Base, place: SoftPosition) -> int:
    if place.at == "before-answer":
        return base.answer - place.replaces
    return 1 if place.at == "after-cls" else 0


def wordings(prompts: Sequence[Rendered], place: SoftPosition) -> list[Rendered]:
    """What is left of each prompt at `place` when its data are taken away: the words that every example will have.

    Vectors may replace only these. Data that the prompts at hand happen to share are not among them;
    demonstrations are, where all prompts have the same.
    """
    keeps_demos = all(prompt.shots == prompts[0].shots for prompt in prompts)
    return [_wording(prompt, place, keeps_demos) for prompt in prompts]


def _wording(prompt: Rendered, place: SoftPosition, keeps_demos: bool) -> Rendered:
    segments, query = prompt.segments, prompt.query or prompt.segments
    if place.at == "before-answer":
        places = [i for i, s in enumerate(segments) if s.origin == "answer"]
        before = segments[: places[-1]] if places else segments
        data = [i for i, s in enumerate(before) if _is_data(s)]
        return Rendered(before[data[-1] + 1 :] if data else before)
    asked = common_run(segments[::-1], query[::-1])  # the query stands at the end of the whole prompt
    begin = len(segments) - asked if keeps_demos else 0
    return Rendered(_before_data(segments, begin), _before_data(query, 0) if prompt.query else ())


def _before_data(segments: tuple[Segment, ...], begin: int) -> tuple[Segment, ...]:
    end = next((i for i in range(begin, len(segments)) if _is_data(segments[i])), len(segments))
    return segments[:end]


def _is_data(segment: Segment) -> bool:
    return segment.origin.startswith("field:")


def shared_at(bases: Sequence[Base], place: SoftPosition, limit: int) -> Ids:
    """The ids that all prompts share at `place`, at most `limit`, the answer's own place left alone."""
    if not bases or place.at == "decoder":
        return []
    if place.at == "before-answer":
        ends = [base.ids[: base.answer][::-1] for base in bases]
        run = min(common_run(ends[0], other) for other in ends)
        return ends[0][: min(run, limit)][::-1]
    skip = 1 if place.at == "after-cls" else 0
    heads = [base.ids[skip : base.answer] for base in bases]
    run = min(common_run(heads[0], other) for other in heads)
    return heads[0][: min(run, limit)]


def embedded(model: Any, ids: torch.Tensor, soft: Soft | None) -> dict[str, torch.Tensor]:
    """`input_ids`, or `inputs_embeds` where soft tokens are among `ids` [rows, tokens]."""
    if soft is None or soft.is_prefix or not bool((ids < 0).any()):
        return {"input_ids": ids}
    return {"inputs_embeds": vectors_of(model, ids, soft)}


def vectors_of(model: Any, ids: torch.Tensor, soft: Soft) -> torch.Tensor:
    """[rows, tokens, width]: those of `ids`, soft vectors where they are negative; differentiable in the latter."""
    embeds = model.get_input_embeddings()(ids.clamp(min=0))
    rows = soft.vectors.to(device=embeds.device, dtype=embeds.dtype)[(-1 - ids).clamp(min=0)]
    return torch.where((ids < 0)[..., None], rows, embeds)


def padded(rows: Sequence[Ids], device: torch.device, pad: int = 0) -> torch.Tensor:
    """[rows, longest] ids, filled up on the right."""
    width = max(map(len, rows))
    return torch.tensor([row + [pad] * (width - len(row)) for row in rows], dtype=torch.long, device=device)


def mask_of(rows: Sequence[Ids], device: torch.device, before: int = 0) -> torch.Tensor:
    """[rows, before + longest] ones where a token is, zeros on padding."""
    width = max(map(len, rows))
    return torch.tensor([[1] * (before + len(row)) + [0] * (width - len(row)) for row in rows], device=device)
