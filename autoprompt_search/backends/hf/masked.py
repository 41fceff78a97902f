"""Masked language models (BERT, RoBERTa, ...): an answer is what fills the masks in its place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import torch
from pydantic import Field

from autoprompt_search.backends.hf import heads, kv, loading
from autoprompt_search.backends.hf.backend import HfLanguageModel
from autoprompt_search.backends.hf.causal import same_tokens
from autoprompt_search.backends.hf.loaded_model import LoadedModel, ModelSpec
from autoprompt_search.backends.hf.positions import Base, Soft, embedded, insert, mask_of, padded
from autoprompt_search.backends.hf.scoring import Row, TokenTarget, Unit
from autoprompt_search.backends.hf.tokenizer import Ids, PromptTokenizer
from autoprompt_search.backends.hf.training import TrainingBatch, apart
from autoprompt_search.core.types import Rendered


def hf_masked(
    model: str,
    *,
    revision: str | None = None,
    device: str = "auto",
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto",
    batch_tokens: Annotated[int, Field(ge=1)] = 8192,
    threads: Annotated[int, Field(ge=1)] | None = None,
    state_megabytes: Annotated[int, Field(ge=0)] = 64,
    truncate: str | None = None,
) -> HfLanguageModel:
    """Any masked LM that transformers can load, frozen. A template says by `{@answer}` where the masks stand.

    An answer of k tokens is scored in k steps, from left to right: token i is predicted by its mask with the
    tokens before it filled in and the masks after it in place. For each k that is a probability over all
    sequences of k tokens, which one look at k masks is not: that takes the tokens for independent (compared by
    Schick & Schuetze 2021, arXiv 2009.07118, section 3.1; left to right within a word also Kauf & Ivanova 2023,
    arXiv 2305.10588).

    Args:
        model: Hub name, local folder, or `builtin:bert`.
        revision: Branch, tag or commit of a hub repository.
        device: `auto` (CUDA, else MPS, else CPU) or a torch device.
        dtype: `auto` is bfloat16 on CUDA where supported, else float32.
        batch_tokens: Budget of one forward pass: rows x longest row.
        threads: Threads of torch in this process; None leaves them alone.
        state_megabytes: Memory for states at answer places, which make other verbalizers nearly free.
        truncate: Field that is cut where a prompt is longer than the context; None refuses such prompts.
    """
    source = ModelSpec(model, loading.MASKED, revision, device, dtype, threads, 0, state_megabytes)
    return HfLanguageModel(source, MaskedFamily(), batch_tokens=batch_tokens, truncate=truncate)


class MaskedFamily:
    """Implements `ModelFamily`: right padding with an attention mask, the head only at the masks."""

    form = loading.MASKED
    task = "FEATURE_EXTRACTION"
    """PEFT has no type for masked LMs; this one leaves their output alone."""
    extra = 0

    def refuses(self, config: Any) -> str | None:  # noqa: ARG002
        """See `ModelFamily.refuses`."""
        return None

    def answer_problems(self, texts: PromptTokenizer, config: Any, prompt: str, answers: Sequence[str]) -> list[str]:  # noqa: ARG002
        """See `ModelFamily.answer_problems`."""
        if texts.tokenizer.mask_token_id is None:
            return ["the tokenizer has no mask token"]
        return same_tokens(answers, [tuple(ids) for ids in texts.texts(answers)])

    def bases(self, texts: PromptTokenizer, prompts: Sequence[Rendered]) -> list[Base]:
        """See `ModelFamily.bases`."""
        return [base for base, _ in framed(texts, prompts)]

    def units(
        self,
        texts: PromptTokenizer,
        config: Any,  # noqa: ARG002
        prompts: Sequence[Rendered],
        answers: Sequence[str],
        soft: Soft | None,
    ) -> list[Unit]:
        """See `ModelFamily.units`."""
        words, mask = texts.texts(answers), texts.tokenizer.mask_token_id
        made: list[Unit] = []
        for number, (bare, border) in enumerate(framed(texts, prompts)):
            base = insert(bare, soft)
            is_behind = soft is not None and soft.place.at == "before-answer" and bare.answer >= border
            moved = border + len(base.ids) - len(bare.ids) if border and not is_behind else border
            made += [(row,) for row in _rows(number, base, words, mask, moved)]
        return made

    def groups(self, units: Sequence[Unit], least: int) -> list[list[Unit]]:  # noqa: ARG002
        """See `ModelFamily.groups`."""
        return [list(units)]

    def front(self, *_parts: Any) -> None:
        """See `ModelFamily.front`: what is read both ways shares nothing."""

    def packed(self, loaded: LoadedModel, units: Sequence[Unit]) -> list[Unit]:  # noqa: ARG002
        """See `ModelFamily.packed`."""
        return list(units)

    def read(
        self,
        loaded: LoadedModel,
        rows: Sequence[Row],
        soft: Soft | None,
        front: None,  # noqa: ARG002
        *,
        keep: bool,
    ) -> torch.Tensor:
        """See `ModelFamily.read`."""
        inputs = both_ways(loaded.model, rows, soft)
        key = soft.key if soft else ""
        return heads.token_logprobs(loaded.model, rows, 0, inputs, states=loaded.states if keep else None, soft=key)

    def learn(
        self,
        loaded: LoadedModel,
        texts: PromptTokenizer,  # noqa: ARG002
        lessons: Sequence[TrainingBatch],
    ) -> list[torch.Tensor]:
        """See `ModelFamily.learn`."""
        return apart(self, loaded, lessons)

    def distribution(
        self, loaded: LoadedModel, texts: PromptTokenizer, config: Any, prompts: Sequence[Rendered], answer: str
    ) -> torch.Tensor:
        """[prompts, vocabulary] natural log-probabilities of one mask in the answer's place."""
        rows = [unit[0] for unit in self.units(texts, config, prompts, [answer], None)]
        rows = [Row(row.ids, row.wants[:1], border=row.border) for row in rows]
        return heads.distribution(loaded.model, rows, both_ways(loaded.model, rows, None))

    def pooled(self, loaded: LoadedModel, texts: PromptTokenizer, ids: Sequence[Ids]) -> torch.Tensor:
        """See `ModelFamily.pooled`. Mean of the last hidden states, the tokens of the frame included."""
        return mean_pooled(loaded.model.base_model, [texts.before + row + texts.after for row in ids])


def framed(texts: PromptTokenizer, prompts: Sequence[Rendered]) -> list[tuple[Base, int]]:
    """Each prompt in the tokenizer's frame, without its answer; and where its second text begins, 0 for one text.

    The parts on both sides of the answer are tokenised as the tokenizer does around a mask: apart.
    """
    made = []
    for prompt in prompts:
        first, second = _parts(prompt)
        between, has_types = texts.between if second is not None else ([], False)
        ids, answer, border = list(texts.before), -1, 0
        for number, (left, right) in enumerate(part for part in (first, second) if part is not None):
            if number:
                ids += between
                border = len(ids) if has_types else 0
            ids += texts.texts([left])[0]
            if right is not None:
                answer = len(ids)
                ids += texts.texts([right])[0]
        if answer < 0:
            answer = len(ids)
        made.append((Base(ids + texts.after, answer), border))
    return made


Part = tuple[str, str | None]
"""One of a pair of texts: what stands before the answer, and what after it; None where the answer is not in it."""


def _parts(prompt: Rendered) -> tuple[Part, Part | None]:
    marks = [i for i, s in enumerate(prompt.segments) if s.origin == "pair"]
    segments = [prompt.segments] if not marks else [prompt.segments[: marks[-1]], prompt.segments[marks[-1] + 1 :]]
    parts: list[Part] = []
    for one in segments:
        places = [i for i, s in enumerate(one) if s.origin == "answer"]
        at = places[-1] if places else len(one)
        left, right = ("".join(s.text for s in run) for run in (one[:at], one[at:]))
        parts.append((left, right if places else None))
    return parts[0], parts[1] if len(parts) > 1 else None


def _rows(number: int, base: Base, words: Sequence[Ids], mask: int, border: int) -> list[Row]:
    """One row per distinct filling; answers of one length share the one whose masks are all empty."""
    found: dict[tuple[int, ...], list[TokenTarget]] = {}
    for answer, word in enumerate(words):
        for step, token in enumerate(word):
            filled = (*word[:step], *[mask] * (len(word) - step))
            found.setdefault(filled, []).append(TokenTarget(number, answer, base.answer + step, token))
    head, tail = base.ids[: base.answer], base.ids[base.answer :]
    return [
        Row([*head, *filled, *tail], tuple(wants), border=border + len(filled) if border > base.answer else border)
        for filled, wants in found.items()
    ]


def both_ways(model: Any, rows: Sequence[Row], soft: Soft | None) -> dict[str, Any]:
    """Arguments of a forward pass over rows that are read both ways, filled up on the right and masked."""
    ids = padded([row.ids for row in rows], model.device)
    before = soft.length if soft is not None and soft.is_prefix else 0
    inputs: dict[str, Any] = {
        **embedded(model, ids, soft),
        "attention_mask": mask_of([row.ids for row in rows], model.device, before),
    }
    if any(row.border for row in rows):
        places = torch.arange(ids.shape[1], device=model.device)
        borders = torch.tensor([row.border or ids.shape[1] for row in rows], device=model.device)
        inputs["token_type_ids"] = (places >= borders[:, None]).long()
    if before and soft is not None:
        inputs["past_key_values"] = kv.cache_of(model, soft.vectors, len(rows))
    return inputs


def mean_pooled(model: Any, rows: Sequence[Ids]) -> torch.Tensor:
    """[rows, width] float32: mean of the last hidden states over each row."""
    inputs = {"input_ids": padded(rows, model.device), "attention_mask": mask_of(rows, model.device)}
    hidden = model(**inputs).last_hidden_state
    return torch.stack([h[: len(row)].float().mean(0) for h, row in zip(hidden, rows, strict=True)])
