"""Masked language models (BERT, RoBERTa, ...): an answer is what fills the masks in its place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

import torch

from autoprompt_search.backends.hf import heads, loading
from autoprompt_search.backends.hf.answer_tokens import same_tokens
from autoprompt_search.backends.hf.bidirectional import both_ways, framed, mean_pooled
from autoprompt_search.backends.hf.family import Reading
from autoprompt_search.backends.hf.language_model import HfLanguageModel
from autoprompt_search.backends.hf.loaded_model import LoadedModel, ModelSpec
from autoprompt_search.backends.hf.options import LanguageModelOptions
from autoprompt_search.backends.hf.positions import Base, Soft, insert
from autoprompt_search.backends.hf.scoring import Row, TokenTarget, Unit
from autoprompt_search.backends.hf.tokenizer import Ids
from autoprompt_search.backends.hf.training import TrainingBatch, apart
from autoprompt_search.core.prompts import Rendered
from autoprompt_search.core.signatures import complete


def hf_masked(model: str, **options: Unpack[LanguageModelOptions]) -> HfLanguageModel:
    """Any masked LM that transformers can load, frozen. A template says by `{@answer}` where the masks stand.

    An answer of k tokens is scored in k steps, from left to right: token i is predicted by its mask with the
    tokens before it filled in and the masks after it in place. For each k that is a probability over all
    sequences of k tokens, which one look at k masks is not: that takes the tokens for independent (compared by
    Schick & Schuetze 2021, arXiv 2009.07118, section 3.1; left to right within a word also Kauf & Ivanova 2023,
    arXiv 2305.10588).

    Args:
        model: Hub name, local folder, or `builtin:bert`.
        options: See `LanguageModelOptions`.
    """
    given = complete(LanguageModelOptions, options)
    spec = ModelSpec(model, loading.MASKED, given, state_megabytes=given["state_megabytes"])
    return HfLanguageModel(spec, MaskedFamily(spec))


class MaskedFamily:
    """Implements `PredictsTokens`: right padding with an attention mask, the head only at the masks."""

    form = loading.MASKED
    task = "FEATURE_EXTRACTION"
    """PEFT has no type for masked LMs; this one leaves their output alone."""
    extra = 0

    def __init__(self, spec: ModelSpec) -> None:
        self._spec = spec

    def refusal(self) -> str | None:
        """See `ModelFamily.refusal`."""
        return None

    def answer_problems(self, _prompt: str, answers: Sequence[str], /) -> list[str]:
        """See `ModelFamily.answer_problems`."""
        tokenizer = self._spec.tokenizer
        if tokenizer.raw.mask_token_id is None:
            return ["the tokenizer has no mask token"]
        return same_tokens(answers, [tuple(ids) for ids in tokenizer.encode(answers)])

    def bases(self, prompts: Sequence[Rendered]) -> list[Base]:
        """See `ModelFamily.bases`."""
        return [base for base, _ in framed(self._spec.tokenizer, prompts)]

    def units(self, prompts: Sequence[Rendered], answers: Sequence[str], soft: Soft | None) -> list[Unit]:
        """See `ModelFamily.units`."""
        tokenizer = self._spec.tokenizer
        words, mask = tokenizer.encode(answers), tokenizer.raw.mask_token_id
        units: list[Unit] = []
        for number, (bare, border) in enumerate(framed(tokenizer, prompts)):
            base = insert(bare, soft)
            is_behind = soft is not None and soft.place.at == "before-answer" and bare.answer >= border
            moved = border + len(base.ids) - len(bare.ids) if border and not is_behind else border
            units += [(row,) for row in _rows(number, base, words, mask, moved)]
        return units

    def read(self, loaded: LoadedModel, rows: Sequence[Row], reading: Reading) -> torch.Tensor:
        """See `ModelFamily.read`."""
        soft, states = reading.soft, loaded.states if reading.keep else None
        inputs = both_ways(loaded.model, rows, soft)
        return heads.token_logprobs(loaded.model, rows, 0, inputs, states=states, soft=soft.key if soft else "")

    def learn(self, loaded: LoadedModel, batches: Sequence[TrainingBatch]) -> list[torch.Tensor]:
        """See `ModelFamily.learn`."""
        return apart(lambda rows, soft: self.read(loaded, rows, Reading(soft)), batches)

    def distribution(self, loaded: LoadedModel, prompts: Sequence[Rendered], answer: str) -> torch.Tensor:
        """See `PredictsTokens.distribution`; of one mask in the answer's place."""
        rows = [unit[0] for unit in self.units(prompts, [answer], None)]
        rows = [Row(row.ids, row.wants[:1], border=row.border) for row in rows]
        return heads.distribution(loaded.model, rows, both_ways(loaded.model, rows, None))

    def pooled(self, loaded: LoadedModel, ids: Sequence[Ids]) -> torch.Tensor:
        """See `ModelFamily.pooled`. Mean of the last hidden states, the tokens of the frame included."""
        return mean_pooled(loaded.model.base_model, self._spec.tokenizer.in_frame(ids))


def _rows(number: int, base: Base, words: Sequence[Ids], mask: int, border: int) -> list[Row]:
    """One row per distinct filling; answers of one length share the one whose masks are all empty."""
    targets: dict[tuple[int, ...], list[TokenTarget]] = {}
    for answer, word in enumerate(words):
        for step, token in enumerate(word):
            filled = (*word[:step], *[mask] * (len(word) - step))
            targets.setdefault(filled, []).append(TokenTarget(number, answer, base.answer + step, token))
    head, tail = base.ids[: base.answer], base.ids[base.answer :]
    return [
        Row([*head, *filled, *tail], tuple(wants), border=border + len(filled) if border > base.answer else border)
        for filled, wants in targets.items()
    ]
