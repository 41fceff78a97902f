"""A small model with gradients that needs no files: for tests of soft-prompt methods, ours and others'."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from pydantic import Field
from safetensors.torch import load, save

from autoprompt_search.backends.hf.positions import Base, Soft, insert, padded, shared_at, wordings
from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.fingerprint import fingerprint
from autoprompt_search.core.prompts import Rendered, SoftPosition, SoftPrompt
from autoprompt_search.core.protocols.model import Scored
from autoprompt_search.core.protocols.tuning import Adapter
from autoprompt_search.core.rng import derive_seed

_VOCABULARY = 1009
_LAYERS = 2
_VECTORS = "prompt_embeddings"


class TunableModel:
    """A random transformer over words that reads from left to right; implements `Scores.score` and `Tunes`.

    Two layers of one head without positions. A word is the row of the table that its hash names; row 0 stands before
    every prompt, so that `after-cls` is a place of its own; vectors of `decoder` stand behind the prompt and replace
    nothing. The words of an answer are all read from the prompt's last state, each by itself.

    Args:
        width: Of the embeddings, keys and values.
        scale: RMS of the embeddings: models differ in it by a factor of a hundred.
        seed: Other seeds give other weights.
    """

    def __init__(self, *, width: Annotated[int, Field(ge=1)] = 16, scale: float = 1.0, seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(derive_seed(seed, "tunable"))
        self._scale = scale
        self._table = scale * torch.randn(_VOCABULARY, width, generator=generator)
        self._layers = torch.randn(_LAYERS, 4, width, width, generator=generator) * (2 / width**0.5)
        self._head = torch.randn(width, _VOCABULARY, generator=generator)
        self.fingerprint = fingerprint(("tunable", width, scale, seed))

    def score(self, prompts: Sequence[Rendered], answers: Sequence[str], soft: SoftPrompt | None = None) -> Scored:
        """See `Scores.score`."""
        if soft is not None and soft.base_model != self.fingerprint:
            raise ConfigError(f"the soft prompt was trained on model {soft.base_model}, not on {self.fingerprint}")
        vectors = load(soft.weights)[_VECTORS] if soft else self._table[:0]
        place = soft.place if soft else SoftPosition()
        with torch.no_grad():
            logliks = self.answer_logliks(vectors, place, prompts, answers).numpy()
        before = len(vectors) - place.replaces
        return Scored(logliks, tuple(len(_base(prompt).ids) + before for prompt in prompts))

    def adapter(self, vectors: torch.Tensor, place: SoftPosition) -> Adapter:
        """See `Tunes.adapter`; the configuration is PEFT's in outline only."""
        kind = "PREFIX_TUNING" if place.kind == "prefix" else "PROMPT_TUNING"
        rows = vectors.detach().float().contiguous()
        return Adapter(save({_VECTORS: rows}), {"peft_type": kind, "num_virtual_tokens": len(rows)})

    def width(self, place: SoftPosition) -> int:
        """See `Tunes.width`."""
        return self._table.shape[1] * (2 * _LAYERS if place.kind == "prefix" else 1)

    def embedding_table(self) -> torch.Tensor:
        """See `Tunes.embedding_table`."""
        return self._table

    def embed_tokens(self, text: str) -> torch.Tensor:
        """See `Tunes.embed_tokens`."""
        return self._table[_ids(text)]

    def own_vectors(self, prompts: Sequence[Rendered], place: SoftPosition, limit: int) -> torch.Tensor:
        """See `Tunes.own_vectors`."""
        bases = [_base(prompt) for prompt in [*prompts, *wordings(prompts, place)]]
        return self._vectors(shared_at(bases, place, limit), place)

    def text_vectors(self, text: str, place: SoftPosition) -> torch.Tensor:
        """See `Tunes.text_vectors`."""
        return self._vectors(_ids(text), place)

    def answer_logliks(
        self, soft: torch.Tensor, place: SoftPosition, prompts: Sequence[Rendered], answers: Sequence[str]
    ) -> torch.Tensor:
        """See `Tunes.answer_logliks`."""
        if not prompts:
            return torch.empty(0, len(answers))
        at = SoftPosition(at="before-answer") if place.at == "decoder" else place
        rows = [insert(_base(prompt), Soft(soft, at)).ids for prompt in prompts]
        is_prefix = place.kind == "prefix"
        # A soft token's id is negative, which counts from the end of the table.
        table = self._table if is_prefix else torch.cat([self._table, soft.flip(0)])
        states, _ = self._read(table[padded(rows, soft.device)], soft if is_prefix else soft.new_empty(0, 0))
        last = states[range(len(rows)), [len(row) - 1 for row in rows]]
        logprobs = (_normed(last) @ self._head).log_softmax(-1)
        return torch.stack([logprobs[:, _ids(answer)].sum(1) for answer in answers], 1)

    def _vectors(self, ids: list[int], place: SoftPosition) -> torch.Tensor:
        rows = self._table[ids]
        if place.kind != "prefix" or not ids:
            return rows.new_empty(len(ids), self.width(place)) if place.kind == "prefix" else rows
        return self._read(rows[None], rows.new_empty(0, 0))[1][0]

    def _read(self, x: torch.Tensor, prefix: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """States [rows, tokens, width] of embedded `x`, and the tokens' own keys and values [rows, tokens, ...]."""
        rows, tokens, width = x.shape
        past = prefix.view(-1, 2 * _LAYERS, width).expand(rows, -1, -1, -1)
        seen = torch.ones(tokens, past.shape[1] + tokens, dtype=torch.bool).tril(past.shape[1])
        own = []
        for layer, (query, key, value, out) in enumerate(self._layers):
            y = _normed(x)
            own += [y @ key, y @ value]
            keys, values = (torch.cat([past[:, :, 2 * layer + i], own[2 * layer + i]], 1) for i in (0, 1))
            weights = (y @ query @ keys.mT / width).masked_fill(~seen, -torch.inf).softmax(-1)
            x = x + self._scale * torch.tanh(weights @ values @ out)
        return x, torch.cat(own, -1)


def _ids(text: str) -> list[int]:
    return [1 + derive_seed(word) % (_VOCABULARY - 1) for word in text.split()]


def _base(prompt: Rendered) -> Base:
    ids = [0, *_ids(prompt.text)]
    return Base(ids, len(ids))


def _normed(x: torch.Tensor) -> torch.Tensor:
    return x * x.pow(2).mean(-1, keepdim=True).add(1e-12).rsqrt()
