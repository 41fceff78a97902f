"""Models that read from left to right (GPT, Llama, ...): an answer scores as the prompt's continuation."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Annotated, Any, Literal, Unpack

import torch
from pydantic import Field

from autoprompt_search.backends.hf import cascade, heads, kv, loading, tree_attention
from autoprompt_search.backends.hf.answer_tokens import same_tokens, swallowed
from autoprompt_search.backends.hf.family import Reading
from autoprompt_search.backends.hf.grouping import grouped
from autoprompt_search.backends.hf.language_model import HfGeneratingModel
from autoprompt_search.backends.hf.loaded_model import LoadedModel, ModelSpec
from autoprompt_search.backends.hf.options import LanguageModelOptions
from autoprompt_search.backends.hf.positions import Base, Soft, embedded, insert, padded
from autoprompt_search.backends.hf.prefix_cache import Prefix
from autoprompt_search.backends.hf.scoring import Row, TokenTarget, Unit, shared_length
from autoprompt_search.backends.hf.selfcheck import ReadRows, takes_branches, takes_cascade
from autoprompt_search.backends.hf.tokenizer import Ids, Joined
from autoprompt_search.backends.hf.training import KVCache, TrainingBatch, from_left_to_right
from autoprompt_search.backends.hf.writers import CausalWriter
from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.prompts import Rendered
from autoprompt_search.core.signatures import complete

_SHORTEST_PREFIX = 8
"""Shared beginnings below this many tokens are not worth a forward pass of their own."""
_SHORTEST_ALONE = 64
"""Nor is a prompt that comes alone below this many."""
_READS_BOTH_WAYS = ("xlnet",)
"""Architectures that transformers lists as causal, and whose states depend on what follows."""


def hf_causal(
    model: str,
    *,
    prefix_megabytes: Annotated[int, Field(ge=0)] = 256,
    attention: Literal["expand", "cascade"] = "expand",
    **options: Unpack[LanguageModelOptions],
) -> HfGeneratingModel:
    """Any causal LM that transformers can load, frozen.

    Args:
        model: Hub name, local folder, or `builtin:gpt`.
        prefix_megabytes: Memory for keys and values of shared prompt beginnings.
        attention: How a shared beginning is attended: `expand` as if each prompt of a batch had its own, or
            `cascade`, once for the whole batch; not on models with sliding windows. The sums differ in rounding only.
        options: See `LanguageModelOptions`.
    """
    named, given = "" if attention == "expand" else attention, complete(LanguageModelOptions, options)
    spec = ModelSpec(
        model,
        loading.CAUSAL,
        given,
        prefix_megabytes=prefix_megabytes,
        state_megabytes=given["state_megabytes"],
        attention=named,
    )
    family = CausalFamily(spec, named)
    return HfGeneratingModel(spec, family, CausalWriter(spec, family.bases))


class CausalFamily:
    """Implements `PredictsTokens` and `SharesPrefixes`: the head is computed only where an answer is read.

    Args:
        spec: The model.
        attention: `cascade`, or empty for the model's own.
    """

    form = loading.CAUSAL
    task = "CAUSAL_LM"
    extra = 1
    """An answer's last token is predicted and never read."""

    def __init__(self, spec: ModelSpec, attention: str = "") -> None:
        self._spec, self._attention = spec, attention
        self._memory = KVCache()

    def refusal(self) -> str | None:
        """See `ModelFamily.refusal`."""
        config = self._spec.config
        kind = config.model_type
        if kind in loading.MASKED.mapping and not getattr(config, "is_decoder", False):
            return f"holds a {kind!r} encoder, which does not read from left to right: use hf-masked"
        if kind in _READS_BOTH_WAYS:
            return f"holds a {kind!r} model, which reads both ways, padding too, without a mask that is made for it"
        return cascade.refusal(config, loading.class_of(config, self.form)) if self._attention else None

    def answer_problems(self, prompt: str, answers: Sequence[str], /) -> list[str]:
        """See `ModelFamily.answer_problems`."""
        (one,) = self._spec.tokenizer.join([prompt], answers)
        pairs = zip(one.whole, one.starts, strict=True)
        tokens = [tuple(whole) if start < len(whole) else () for whole, start in pairs]
        return same_tokens(answers, tokens) + swallowed(answers, tokens)

    def bases(self, prompts: Sequence[Rendered]) -> list[Base]:
        """See `ModelFamily.bases`."""
        tokenizer = self._spec.tokenizer
        return [Base(ids, len(ids)) for ids in tokenizer.encode_prompts([tokenizer.text_of(p) for p in prompts])]

    def units(self, prompts: Sequence[Rendered], answers: Sequence[str], soft: Soft | None) -> list[Unit]:
        """See `ModelFamily.units`."""
        tokenizer = self._spec.tokenizer
        joined = tokenizer.join([tokenizer.text_of(p) for p in prompts], answers)
        return [(row,) for number, one in enumerate(joined) for row in _rows(number, one, soft)]

    def groups(self, units: Sequence[Unit], least: int) -> list[list[Unit]]:
        """See `SharesPrefixes.groups`: by what they begin with."""
        return [[units[i] for i in group] for group in grouped([unit[0].ids for unit in units], least)]

    def prefix(self, loaded: LoadedModel, units: Sequence[Unit], soft: Soft | None) -> Prefix | None:
        """See `SharesPrefixes.prefix`. A prompt that comes alone is remembered: the next one may begin as it does."""
        rows = [row for unit in units for row in unit]
        shared = shared_length(rows)
        has_vectors = soft is not None and (soft.is_prefix or -1 in rows[0].ids[:shared])
        least = _SHORTEST_PREFIX if len(rows) > 1 else _SHORTEST_ALONE
        if not rows or (not has_vectors and (shared < least or (len(rows) == 1 and not loaded.prefixes.limit))):
            return None
        prefix = loaded.prefixes.get(loaded.model, rows[0].ids[:shared], soft if has_vectors else None)
        return _cascaded(loaded, prefix) if self._attention and prefix is not None else prefix

    def packed(self, loaded: LoadedModel, units: Sequence[Unit]) -> list[Unit]:
        """See `SharesPrefixes.packed`: the answers of a prompt as branches of one row."""
        prompts = {unit[0].wants[0].prompt for unit in units}
        if len(prompts) == len(units) or not loaded.can(
            "branches", lambda: takes_branches(loaded.model, _behind_prefix(loaded))
        ):
            return list(units)
        return tree_attention.packed(units)

    def read(self, loaded: LoadedModel, rows: Sequence[Row], reading: Reading) -> torch.Tensor:
        """See `ModelFamily.read`."""
        return _read(loaded, rows, reading)

    def learn(self, loaded: LoadedModel, batches: Sequence[TrainingBatch]) -> list[torch.Tensor]:
        """See `ModelFamily.learn`."""
        return from_left_to_right(loaded, batches, self._memory)

    def distribution(self, loaded: LoadedModel, prompts: Sequence[Rendered], answer: str) -> torch.Tensor:
        """See `PredictsTokens.distribution`."""
        rows = [unit[0] for unit in self.units(prompts, [answer], None)]
        _, inputs = _inputs(loaded.model, rows, None, None)
        return heads.distribution(loaded.model, rows, inputs)

    def pooled(self, loaded: LoadedModel, ids: Sequence[Ids]) -> torch.Tensor:
        """See `ModelFamily.pooled`. Mean of the last hidden states over the text's tokens, BOS included."""
        rows = [self._spec.tokenizer.before + row for row in ids]
        output = loaded.model.base_model(input_ids=padded(rows, loaded.model.device), use_cache=False)
        return torch.stack(
            [h[: len(row)].float().mean(0) for h, row in zip(output.last_hidden_state, rows, strict=True)]
        )


def _cascaded(loaded: LoadedModel, prefix: Prefix) -> Prefix:
    """The same prefix, attended once for all rows; `ConfigError` where that gives other scores."""

    def cascaded(rows: Sequence[Row], start: Prefix | None) -> torch.Tensor:
        return _behind_prefix(loaded)(rows, start and replace(start, is_cascaded=True))

    if not loaded.can("cascade", lambda: takes_cascade(loaded.model, _behind_prefix(loaded), cascaded)):
        kind = loaded.model.config.model_type
        raise ConfigError(f"backend.attention: 'cascade' gives other scores on this {kind!r} model: use 'expand'")
    return replace(prefix, is_cascaded=True)


def _behind_prefix(loaded: LoadedModel) -> ReadRows:
    """Reads rows behind a prefix and remembers nothing."""
    return lambda rows, prefix: _read(loaded, rows, Reading(prefix=prefix))


def _read(loaded: LoadedModel, rows: Sequence[Row], reading: Reading) -> torch.Tensor:
    """[wants of all rows]; rows are filled up on the right, because causality hides what follows."""
    soft, prefix = reading.soft, reading.prefix
    covered, inputs = _inputs(loaded.model, rows, soft, prefix)
    states, key = loaded.states if reading.keep else None, soft.key if soft else ""
    with cascade.shared(prefix.layers) if prefix is not None and prefix.is_cascaded else nullcontext():
        return heads.token_logprobs(loaded.model, rows, -covered, inputs, states=states, soft=key)


def _inputs(model: Any, rows: Sequence[Row], soft: Soft | None, front: Prefix | None) -> tuple[int, dict[str, Any]]:
    """Ids that are covered, and arguments of the forward pass."""
    covered, before = (front.tokens, front.length) if front else (0, 0)
    ids = padded([row.ids[covered:] for row in rows], model.device)
    inputs: dict[str, Any] = {**embedded(model, ids, soft), "use_cache": False}
    is_cascaded = front is not None and front.is_cascaded
    if front is not None and not is_cascaded:
        inputs |= {"past_key_values": front.expanded(len(rows)), "use_cache": True}
    elif front is None and soft is not None and soft.is_prefix:
        before = soft.length
        inputs |= {"past_key_values": kv.cache_of(model, soft.vectors, len(rows)), "use_cache": True}
    if any(row.branches for row in rows):
        inputs |= tree_attention.inputs_of(rows, covered, 0 if is_cascaded else before, model)
        inputs["position_ids"] += before if is_cascaded else 0
    elif is_cascaded:
        inputs["position_ids"] = torch.arange(before, before + ids.shape[1], device=model.device).expand(len(rows), -1)
    return covered, inputs


def _rows(number: int, one: Joined, soft: Soft | None) -> list[Row]:
    """The fewest sequences that hold every answer's positions.

    All answers of one token share the prompt's own row, and they share the row of a longer answer that goes
    on from the same prompt.
    """
    placed = [insert(Base(whole, start), soft) for whole, start in zip(one.whole, one.starts, strict=True)]
    merged: list[tuple[Ids, list[TokenTarget]]] = []
    for answer in sorted(range(len(placed)), key=lambda a: (-len(placed[a].ids), a)):
        whole, start = placed[answer].ids, placed[answer].answer
        wants = [TokenTarget(number, answer, i - 1, whole[i]) for i in range(start, len(whole))]
        if not wants:
            continue
        read = whole[:-1]
        row = next((r for r in merged if r[0][: len(read)] == read), None)
        if row is None:
            merged.append((read, wants))
        else:
            row[1].extend(wants)
    return [Row(ids, tuple(wants)) for ids, wants in merged]
