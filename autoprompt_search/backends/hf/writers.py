"""How each family of models writes: what an answer is the continuation of, and which rows go side by side."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from itertools import groupby
from typing import Any

import torch

from autoprompt_search.backends.hf import cascade, ragged_attention
from autoprompt_search.backends.hf.batch_sizer import out_of_memory
from autoprompt_search.backends.hf.decoders import Decoder, EvenDecoder, Opening, RaggedDecoder, SourceDecoder
from autoprompt_search.backends.hf.generating import Portion
from autoprompt_search.backends.hf.grouping import grouped
from autoprompt_search.backends.hf.loaded_model import LoadedModel, ModelSpec
from autoprompt_search.backends.hf.positions import Base, Soft, embedded, insert, mask_of, padded
from autoprompt_search.backends.hf.prefix_cache import Prefix
from autoprompt_search.backends.hf.selfcheck_generating import writes_ragged, writes_remembered
from autoprompt_search.backends.hf.tokenizer import common_run
from autoprompt_search.core.answers import Limits
from autoprompt_search.core.errors import TrialError
from autoprompt_search.core.prompts import Rendered

Bases = Callable[[Sequence[Rendered]], list[Base]]
"""See `ModelFamily.bases`."""

logger = logging.getLogger(__name__)

_WORTH = 16
"""Rows are written apart from the others where that saves this part of a batch's budget."""
_SHORTEST_SHARED, _SHORTEST_ALONE = 8, 64
"""Beginnings below this many tokens are not worth a forward pass of their own; nor is a prompt that comes alone."""


def end_tokens(model: Any, tokenizer: Any) -> frozenset[int]:
    """All that the model's generation settings name; its tokenizer's where they name none."""
    settings = getattr(model, "generation_config", None)
    for named in (getattr(settings, "eos_token_id", None), model.config.eos_token_id, tokenizer.eos_token_id):
        if named is not None:
            return frozenset(named if isinstance(named, list | tuple) else [named])
    return frozenset()


class CausalWriter:
    """Implements `Writer`: an answer is what follows the prompt.

    Args:
        spec: The model.
        bases: Prompts as the model reads them.
    """

    def __init__(self, spec: ModelSpec, bases: Bases) -> None:
        self._spec, self._bases = spec, bases

    def openings(self, prompts: Sequence[Rendered], soft: Soft | None) -> list[Opening]:
        """See `Writer.openings`."""
        return [Opening(insert(base, soft).ids) for base in self._bases(prompts)]

    def ends(self, loaded: LoadedModel) -> frozenset[int]:
        """See `Writer.ends`."""
        return end_tokens(loaded.model, self._spec.tokenizer.raw)

    def portions(
        self, loaded: LoadedModel, openings: Sequence[Opening], limits: Limits, soft: Soft | None, budget: int
    ) -> list[Portion]:
        """See `Writer.portions`: by what they begin with, and by length where the model needs that."""
        is_ragged = cascade.refusal(loaded.model.config, type(loaded.model)) is None and loaded.can(
            "ragged", lambda: writes_ragged(loaded.model)
        )
        if not is_ragged and not loaded.can("remembered", lambda: writes_remembered(loaded.model)):
            return _reread(loaded, openings, soft)
        portions: list[Portion] = []
        for group in grouped([one.ids for one in openings], budget // _WORTH):
            front = _front(loaded, [openings[i] for i in group], soft)
            if is_ragged:
                portions.append(_ragged(loaded, group, limits, soft, front))
            else:
                portions += _even(loaded, openings, group, soft, front)
        return portions


def _front(loaded: LoadedModel, openings: Sequence[Opening], soft: Soft | None) -> Prefix | None:
    """What all of them begin with, read once; each has something left to read."""
    run = min(common_run(openings[0].ids, one.ids) for one in openings)
    shared = min(run, *(len(one.ids) - 1 for one in openings))
    has_vectors = soft is not None and (soft.is_prefix or any(i < 0 for i in openings[0].ids[:shared]))
    least = _SHORTEST_SHARED if len(openings) > 1 else _SHORTEST_ALONE
    if not has_vectors and (shared < least or (len(openings) == 1 and not loaded.prefixes.limit)):
        return None
    try:
        return loaded.prefixes.get(loaded.model, openings[0].ids[:shared], soft if has_vectors else None)
    except RuntimeError as exc:
        if out_of_memory(exc):
            raise TrialError("out of memory while reading what the prompts share") from exc
        raise


def _ragged(
    loaded: LoadedModel, group: Sequence[int], limits: Limits, soft: Soft | None, front: Prefix | None
) -> Portion:
    covered = front.tokens if front is not None else 0

    def decoder(openings: Sequence[Opening], most: int) -> Decoder:
        longest = max(len(one.ids) for one in openings) - covered
        return RaggedDecoder(loaded.model, soft, front, most, longest + limits.tokens)

    return Portion(tuple(group), -covered, decoder, partial(ragged_attention.installed, loaded.model))


def _even(
    loaded: LoadedModel, openings: Sequence[Opening], group: Sequence[int], soft: Soft | None, front: Prefix | None
) -> list[Portion]:
    """One portion per length: the model holds the beginning for every row."""
    before = soft.length if soft is not None and soft.is_prefix else 0

    def decoder(_openings: Sequence[Opening], _most: int) -> Decoder:
        return EvenDecoder(loaded.model, soft, front)

    return [Portion(rows, before, decoder) for rows in _by_length(openings, group)]


def _reread(loaded: LoadedModel, openings: Sequence[Opening], soft: Soft | None) -> list[Portion]:
    """Remember nothing: for models whose cache holds rows of a batch otherwise than rows alone."""

    def decoder(_openings: Sequence[Opening], _most: int) -> Decoder:
        return EvenDecoder(loaded.model, soft, None, remembers=False)

    if "said" not in loaded.tried:
        kind = loaded.model.config.model_type
        logger.warning("Generation on this %r model reads every answer again for each token: with its cache it would "
                       "give other texts.", kind)  # fmt: skip
        loaded.tried["said"] = True
    return [Portion(rows, 0, decoder) for rows in _by_length(openings, range(len(openings)))]


def _by_length(openings: Sequence[Opening], group: Sequence[int]) -> list[tuple[int, ...]]:
    order = sorted(group, key=lambda i: -len(openings[i].ids))
    return [tuple(rows) for _, rows in groupby(order, key=lambda i: len(openings[i].ids))]


_SPANS = ("<extra_id_0>", "<extra_id_1>")
"""T5's marks for missing spans (Raffel et al. 2020, section 3.1.4): the first one begins an answer in a slot, the
second one what would follow it."""


class Seq2SeqWriter:
    """Implements `Writer`: the encoder reads the prompt, and the decoder writes the answer.

    Args:
        spec: The model.
        bases: Prompts as the encoder reads them.
    """

    def __init__(self, spec: ModelSpec, bases: Bases) -> None:
        self._spec, self._bases = spec, bases

    def openings(self, prompts: Sequence[Rendered], soft: Soft | None) -> list[Opening]:
        """See `Writer.openings`. Where the template has a slot, the decoder begins with the slot's mark."""
        tokenizer, start = self._spec.tokenizer, self._spec.config.decoder_start_token_id
        if start is None:
            raise TrialError("the model's configuration names no decoder_start_token_id")
        vectors = [*soft.ids, *tokenizer.before] if soft is not None and soft.place.at == "decoder" else []
        mark = tokenizer.raw.get_vocab().get(_SPANS[0])
        openings = []
        for prompt, base in zip(prompts, self._bases(prompts), strict=True):
            slot = [mark] if prompt.has_slot and mark is not None else []
            openings.append(Opening([start, *vectors, *slot], tuple(insert(base, soft).ids)))
        return openings

    def ends(self, loaded: LoadedModel) -> frozenset[int]:
        """See `Writer.ends`. The mark of a next span ends the first one."""
        mark = self._spec.tokenizer.raw.get_vocab().get(_SPANS[1])
        return end_tokens(loaded.model, self._spec.tokenizer.raw) | (frozenset() if mark is None else {mark})

    def portions(
        self,
        loaded: LoadedModel,
        openings: Sequence[Opening],
        limits: Limits,  # noqa: ARG002
        soft: Soft | None,
        budget: int,  # noqa: ARG002
    ) -> list[Portion]:
        """See `Writer.portions`: by what the decoder begins with."""
        before = soft.length if soft is not None and soft.is_prefix else 0

        def decoder(some: Sequence[Opening], _most: int) -> Decoder:
            sources = [list(one.source) for one in some]
            return SourceDecoder(loaded.model, soft, _encoded(loaded, sources, soft), mask_of(sources, device))

        device = loaded.model.device
        return [Portion(rows, before, decoder) for rows in _by_length(openings, range(len(openings)))]


def _encoded(loaded: LoadedModel, sources: Sequence[list[int]], soft: Soft | None) -> torch.Tensor:
    """[sources, longest, width] states of the encoder."""
    device = loaded.model.device
    inputs = embedded(loaded.model, padded(sources, device), soft)
    output = loaded.model.get_encoder()(**inputs, attention_mask=mask_of(sources, device))
    return output.last_hidden_state  # type: ignore[no-any-return]
