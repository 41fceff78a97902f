"""Encoder-decoder models (T5, BART, ...): the encoder reads the prompt, the decoder scores the answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Unpack

import torch
from pydantic import Field
from transformers.modeling_outputs import BaseModelOutput

from autoprompt_search.backends.hf import heads, kv, loading
from autoprompt_search.backends.hf.answer_tokens import same_tokens, swallowed
from autoprompt_search.backends.hf.bidirectional import mean_pooled
from autoprompt_search.backends.hf.family import Reading
from autoprompt_search.backends.hf.language_model import HfGeneratingModel
from autoprompt_search.backends.hf.loaded_model import LoadedModel, ModelSpec
from autoprompt_search.backends.hf.options import LanguageModelOptions
from autoprompt_search.backends.hf.positions import Base, Soft, embedded, insert, mask_of, padded, vectors_of
from autoprompt_search.backends.hf.scoring import Row, TokenTarget, Unit
from autoprompt_search.backends.hf.tokenizer import Ids, PromptTokenizer
from autoprompt_search.backends.hf.training import TrainingBatch, apart
from autoprompt_search.backends.hf.writers import Seq2SeqWriter
from autoprompt_search.core.prompts import Rendered
from autoprompt_search.core.signatures import complete

_SENTINEL = "<extra_id_0>"
"""T5's mark for a missing span (Raffel et al. 2020, section 3.1.4)."""


def hf_seq2seq(
    model: str,
    *,
    encoder_megabytes: Annotated[int, Field(ge=0)] = 256,
    **options: Unpack[LanguageModelOptions],
) -> HfGeneratingModel:
    """Any sequence-to-sequence LM that transformers can load, frozen.

    The encoder reads a prompt once for all answers. An answer scores by its own tokens, without the closing
    one, as on causal models. A template with `{@answer}` is read as span filling: the slot holds the sentinel
    (or the mask, where the tokenizer has no sentinels), and what follows it is read, too.

    Args:
        model: Hub name, local folder, or `builtin:t5`.
        encoder_megabytes: Memory for what the encoder made of prompts, which soft prompts on the decoder's side share.
        options: See `LanguageModelOptions`.
    """
    given = complete(LanguageModelOptions, options)
    spec = ModelSpec(
        model,
        loading.SEQ2SEQ,
        given,
        state_megabytes=given["state_megabytes"],
        source_megabytes=encoder_megabytes,
    )
    family = Seq2SeqFamily(spec)
    return HfGeneratingModel(spec, family, Seq2SeqWriter(spec, family.bases))


class Seq2SeqFamily:
    """Implements `PredictsTokens`: one encoder row and a few short decoder rows per prompt."""

    form = loading.SEQ2SEQ
    task = "SEQ_2_SEQ_LM"
    extra = 0

    def __init__(self, spec: ModelSpec) -> None:
        self._spec = spec

    def refusal(self) -> str | None:
        """See `ModelFamily.refusal`."""
        return None

    def answer_problems(self, _prompt: str, answers: Sequence[str], /) -> list[str]:
        """See `ModelFamily.answer_problems`."""
        if self._start is None:
            return ["the model's configuration names no decoder_start_token_id"]
        tokens = [tuple(ids) for ids in self._spec.tokenizer.encode(answers)]
        return same_tokens(answers, tokens) + swallowed(answers, tokens)

    def bases(self, prompts: Sequence[Rendered]) -> list[Base]:
        """See `ModelFamily.bases`. Of the encoder's side."""
        tokenizer, slot = self._spec.tokenizer, _slot(self._spec.tokenizer)
        bases = []
        for prompt in prompts:
            left = tokenizer.before + tokenizer.encode([prompt.text])[0]
            right = [*slot, *tokenizer.encode([prompt.rest])[0]] if prompt.has_slot else []
            bases.append(Base(left + right + tokenizer.after, len(left)))
        return bases

    def units(self, prompts: Sequence[Rendered], answers: Sequence[str], soft: Soft | None) -> list[Unit]:
        """See `ModelFamily.units`. The rows of one prompt stay together: they share its encoder states."""
        tokenizer = self._spec.tokenizer
        words, slot = tokenizer.encode(answers), _slot(tokenizer)
        is_inside = soft is not None and soft.place.at == "decoder"
        units: list[Unit] = []
        for number, (prompt, bare) in enumerate(zip(prompts, self.bases(prompts), strict=True)):
            base = bare if is_inside else insert(bare, soft)
            opening = [self._start or 0, *(soft.ids if soft is not None and is_inside else ()), *tokenizer.before]
            opening += slot if prompt.has_slot and _is_sentinel(tokenizer) else []
            units.append(_unit(number, tuple(base.ids), opening, words))
        return units

    def read(self, loaded: LoadedModel, rows: Sequence[Row], reading: Reading) -> torch.Tensor:
        """See `ModelFamily.read`."""
        soft, states = reading.soft, loaded.states if reading.keep else None
        inputs = self._inputs(loaded, rows, soft)
        return heads.token_logprobs(loaded.model, rows, 0, inputs, states=states, soft=soft.key if soft else "")

    def learn(self, loaded: LoadedModel, batches: Sequence[TrainingBatch]) -> list[torch.Tensor]:
        """See `ModelFamily.learn`."""
        return apart(lambda rows, soft: self.read(loaded, rows, Reading(soft)), batches)

    def distribution(self, loaded: LoadedModel, prompts: Sequence[Rendered], answer: str) -> torch.Tensor:
        """See `PredictsTokens.distribution`."""
        rows = [unit[0] for unit in self.units(prompts, [answer], None)]
        return heads.distribution(loaded.model, rows, self._inputs(loaded, rows, None))

    def pooled(self, loaded: LoadedModel, ids: Sequence[Ids]) -> torch.Tensor:
        """See `ModelFamily.pooled`. Mean of the encoder's last hidden states."""
        return mean_pooled(loaded.model.get_encoder(), self._spec.tokenizer.in_frame(ids))

    @property
    def _start(self) -> int | None:
        """The id that decoding begins with."""
        return getattr(self._spec.config, "decoder_start_token_id", None)

    def _inputs(self, loaded: LoadedModel, rows: Sequence[Row], soft: Soft | None) -> dict[str, Any]:
        model = loaded.model
        sources = list(dict.fromkeys(row.source for row in rows))
        which = torch.tensor([sources.index(row.source) for row in rows], device=model.device)
        mask = mask_of([list(source) for source in sources], model.device)
        states = self._encoded(loaded, sources, soft)
        ids = padded([row.ids for row in rows], model.device)
        inputs: dict[str, Any] = {
            "encoder_outputs": BaseModelOutput(last_hidden_state=states[which]),
            "attention_mask": mask[which],
            "use_cache": False,
        }
        if soft is not None and bool((ids < 0).any()):
            inputs["decoder_inputs_embeds"] = vectors_of(model, ids, soft)
        else:
            inputs["decoder_input_ids"] = ids
        if soft is not None and soft.is_prefix:
            inputs |= {"past_key_values": kv.cache_of(model, soft.vectors, len(rows)), "use_cache": True}
        return inputs

    def _encoded(self, loaded: LoadedModel, sources: Sequence[tuple[int, ...]], soft: Soft | None) -> torch.Tensor:
        """[sources, longest, width] states of the encoder; remembered while vectors work behind it."""

        def encode(some: Sequence[tuple[int, ...]]) -> torch.Tensor:
            ids = [list(source) for source in some]
            device = loaded.model.device
            inputs = embedded(loaded.model, padded(ids, device), soft)
            output = loaded.model.get_encoder()(**inputs, attention_mask=mask_of(ids, device))
            return output.last_hidden_state  # type: ignore[no-any-return]

        is_behind = soft is not None and (soft.is_prefix or soft.place.at == "decoder")
        return loaded.sources.read(sources, encode) if is_behind else encode(sources)


def _unit(number: int, source: tuple[int, ...], opening: Ids, words: Sequence[Ids]) -> Unit:
    """Answers of one token share one decoder row, and that of a longer answer with the same beginning."""
    merged: list[tuple[Ids, list[TokenTarget]]] = []
    for answer in sorted(range(len(words)), key=lambda a: (-len(words[a]), a)):
        read = opening + words[answer][:-1]
        wants = [TokenTarget(number, answer, len(opening) - 1 + i, token) for i, token in enumerate(words[answer])]
        row = next((r for r in merged if r[0][: len(read)] == read), None)
        if row is None:
            merged.append((read, wants))
        else:
            row[1].extend(wants)
    return tuple(Row(ids, tuple(wants), source=source) for ids, wants in merged)


def _is_sentinel(tokenizer: PromptTokenizer) -> bool:
    return _SENTINEL in tokenizer.raw.get_vocab()


def _slot(tokenizer: PromptTokenizer) -> Ids:
    """What stands in the answer's place on the encoder's side."""
    if _is_sentinel(tokenizer):
        return [tokenizer.raw.convert_tokens_to_ids(_SENTINEL)]
    return [] if tokenizer.raw.mask_token_id is None else [tokenizer.raw.mask_token_id]
