"""PromptTokenizer-decoder models (T5, BART, ...): the encoder reads the prompt, the decoder scores the answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from transformers.modeling_outputs import BaseModelOutput

from autoprompt_search.backends.hf import heads, kv, loading
from autoprompt_search.backends.hf.backend import HfLanguageModel
from autoprompt_search.backends.hf.causal import same_tokens
from autoprompt_search.backends.hf.loaded_model import LoadedModel, ModelSpec
from autoprompt_search.backends.hf.masked import mean_pooled
from autoprompt_search.backends.hf.positions import Base, Soft, embedded, insert, mask_of, padded, vectors_of
from autoprompt_search.backends.hf.scoring import Row, TokenTarget, Unit
from autoprompt_search.backends.hf.tokenizer import Ids, PromptTokenizer
from autoprompt_search.backends.hf.training import TrainingBatch, apart
from autoprompt_search.core.types import Rendered

_SENTINEL = "<extra_id_0>"
"""T5's mark for a missing span (Raffel et al. 2020, section 3.1.4)."""


def hf_seq2seq(
    model: str,
    *,
    revision: str | None = None,
    device: str = "auto",
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto",
    batch_tokens: Annotated[int, Field(ge=1)] = 8192,
    threads: Annotated[int, Field(ge=1)] | None = None,
    state_megabytes: Annotated[int, Field(ge=0)] = 64,
    encoder_megabytes: Annotated[int, Field(ge=0)] = 256,
    truncate: str | None = None,
) -> HfLanguageModel:
    """Any sequence-to-sequence LM that transformers can load, frozen.

    The encoder reads a prompt once for all answers. An answer scores by its own tokens, without the closing
    one, as on causal models. A template with `{@answer}` is read as span filling: the slot holds the sentinel
    (or the mask, where the tokenizer has no sentinels), and what follows it is read, too.

    Args:
        model: Hub name, local folder, or `builtin:t5`.
        revision: Branch, tag or commit of a hub repository.
        device: `auto` (CUDA, else MPS, else CPU) or a torch device.
        dtype: `auto` is bfloat16 on CUDA where supported, else float32.
        batch_tokens: Budget of one forward pass: prompts x (longest prompt + its answers).
        threads: Threads of torch in this process; None leaves them alone.
        state_megabytes: Memory for states at answer places, which make other verbalizers nearly free.
        encoder_megabytes: Memory for what the encoder made of prompts, which soft prompts on the decoder's side share.
        truncate: Field that is cut where a prompt is longer than the context; None refuses such prompts.
    """
    source = ModelSpec(
        model, loading.SEQ2SEQ, revision, device, dtype, threads, 0, state_megabytes, source_megabytes=encoder_megabytes
    )
    return HfLanguageModel(source, Seq2SeqFamily(), batch_tokens=batch_tokens, truncate=truncate)


class Seq2SeqFamily:
    """Implements `ModelFamily`: one encoder row and a few short decoder rows per prompt."""

    form = loading.SEQ2SEQ
    task = "SEQ_2_SEQ_LM"
    extra = 0

    def refuses(self, config: Any) -> str | None:  # noqa: ARG002
        """See `ModelFamily.refuses`."""
        return None

    def answer_problems(self, texts: PromptTokenizer, config: Any, prompt: str, answers: Sequence[str]) -> list[str]:  # noqa: ARG002
        """See `ModelFamily.answer_problems`."""
        if _start(config) is None:
            return ["the model's configuration names no decoder_start_token_id"]
        return same_tokens(answers, [tuple(ids) for ids in texts.texts(answers)])

    def bases(self, texts: PromptTokenizer, prompts: Sequence[Rendered]) -> list[Base]:
        """See `ModelFamily.bases`. Of the encoder's side."""
        slot = _slot(texts)
        made = []
        for prompt in prompts:
            left = texts.before + texts.texts([prompt.text])[0]
            right = [*slot, *texts.texts([prompt.rest])[0]] if prompt.has_slot else []
            made.append(Base(left + right + texts.after, len(left)))
        return made

    def units(
        self,
        texts: PromptTokenizer,
        config: Any,
        prompts: Sequence[Rendered],
        answers: Sequence[str],
        soft: Soft | None,
    ) -> list[Unit]:
        """See `ModelFamily.units`. The rows of one prompt stay together: they share its encoder states."""
        words, slot = texts.texts(answers), _slot(texts)
        is_inside = soft is not None and soft.place.at == "decoder"
        made: list[Unit] = []
        for number, (prompt, bare) in enumerate(zip(prompts, self.bases(texts, prompts), strict=True)):
            base = bare if is_inside else insert(bare, soft)
            opening = [_start(config) or 0, *(soft.ids if soft is not None and is_inside else ()), *texts.before]
            opening += slot if prompt.has_slot and _is_sentinel(texts) else []
            made.append(_unit(number, tuple(base.ids), opening, words))
        return made

    def groups(self, units: Sequence[Unit], least: int) -> list[list[Unit]]:  # noqa: ARG002
        """See `ModelFamily.groups`."""
        return [list(units)]

    def front(self, *_parts: Any) -> None:
        """See `ModelFamily.front`: what the encoder reads is shared within a unit."""

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
        inputs = self._inputs(loaded, rows, soft)
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
        """[prompts, vocabulary] natural log-probabilities of an answer's first token."""
        rows = [unit[0] for unit in self.units(texts, config, prompts, [answer], None)]
        return heads.distribution(loaded.model, rows, self._inputs(loaded, rows, None))

    def pooled(self, loaded: LoadedModel, texts: PromptTokenizer, ids: Sequence[Ids]) -> torch.Tensor:
        """See `ModelFamily.pooled`. Mean of the encoder's last hidden states."""
        return mean_pooled(loaded.model.get_encoder(), [texts.before + row + texts.after for row in ids])

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
            found = loaded.model.get_encoder()(**inputs, attention_mask=mask_of(ids, device))
            return found.last_hidden_state  # type: ignore[no-any-return]

        is_behind = soft is not None and (soft.is_prefix or soft.place.at == "decoder")
        return loaded.sources.read(sources, encode) if is_behind else encode(sources)


def _unit(number: int, source: tuple[int, ...], opening: Ids, words: Sequence[Ids]) -> Unit:
    """Answers of one token share one decoder row, and that of a longer answer with the same beginning."""
    found: list[tuple[Ids, list[TokenTarget]]] = []
    for answer in sorted(range(len(words)), key=lambda a: (-len(words[a]), a)):
        read = opening + words[answer][:-1]
        wants = [TokenTarget(number, answer, len(opening) - 1 + i, token) for i, token in enumerate(words[answer])]
        row = next((r for r in found if r[0][: len(read)] == read), None)
        if row is None:
            found.append((read, wants))
        else:
            row[1].extend(wants)
    return tuple(Row(ids, tuple(wants), source=source) for ids, wants in found)


def _start(config: Any) -> int | None:
    return getattr(config, "decoder_start_token_id", None)


def _is_sentinel(texts: PromptTokenizer) -> bool:
    return _SENTINEL in texts.tokenizer.get_vocab()


def _slot(texts: PromptTokenizer) -> Ids:
    """What stands in the answer's place on the encoder's side."""
    tokenizer = texts.tokenizer
    if _is_sentinel(texts):
        return [tokenizer.convert_tokens_to_ids(_SENTINEL)]
    return [] if tokenizer.mask_token_id is None else [tokenizer.mask_token_id]
