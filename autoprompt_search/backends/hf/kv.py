"""Prefix tuning's vectors as a model's keys and values, in PEFT's order. Knows shapes and caches, no prompts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from transformers import DynamicCache, EncoderDecoderCache

from autoprompt_search.backends.hf.tokenizer import Ids


@dataclass(frozen=True, slots=True)
class Shape:
    """Shape of one token's keys and values, in all layers that a prefix reaches."""

    layers: int
    heads: int
    """Heads of keys and values, fewer than those of queries in grouped attention."""
    head_width: int

    @property
    def width(self) -> int:
        """Numbers per token."""
        return 2 * self.layers * self.heads * self.head_width


def shape_of(model: Any) -> Shape:
    """Shape of the model, or of its decoder where it has one."""
    config = model.config if model.config.is_encoder_decoder else model.config.get_text_config()
    heads = _first(config, "decoder_attention_heads", "num_attention_heads", "num_heads", "n_head", "n_heads")
    hidden = _first(config, "d_model", "hidden_size", "n_embd", "dim")
    return Shape(
        layers=_first(config, "num_decoder_layers", "decoder_layers", "num_hidden_layers", "num_layers", "n_layer"),
        heads=_first(config, "num_key_value_heads", default=heads),
        head_width=_first(config, "head_dim", "d_kv", default=hidden // heads),
    )


def _first(config: Any, *names: str, default: int | None = None) -> int:
    values = (getattr(config, name, None) for name in names)
    value = next((v for v in values if isinstance(v, int)), default)
    if value is None:
        raise ValueError(f"the model's configuration names none of {', '.join(names)}")
    return value


def cache_of(model: Any, vectors: torch.Tensor, rows: int = 1) -> Any:
    """The vectors [tokens, width] as a cache of the model's own kind, for so many rows; differentiable."""
    cache = _empty(model)
    for layer, (keys, values) in enumerate(layers_of(model, vectors)):
        cache.update(keys.expand(rows, -1, -1, -1), values.expand(rows, -1, -1, -1), layer)
    return EncoderDecoderCache(cache, DynamicCache()) if model.config.is_encoder_decoder else cache


def _empty(model: Any) -> Any:
    """An empty cache of a decoder; the configuration says which of its layers have windows."""
    return DynamicCache() if model.config.is_encoder_decoder else DynamicCache(config=model.config.get_text_config())


def layers_of(model: Any, vectors: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Per layer keys and values [1, heads, tokens, head width] of the vectors [tokens, width]; differentiable."""
    shape, vectors = shape_of(model), vectors.to(model.dtype)
    blocks = vectors.view(len(vectors), 2 * shape.layers, shape.heads, shape.head_width).permute(1, 2, 0, 3)
    return [(blocks[2 * i][None], blocks[2 * i + 1][None]) for i in range(shape.layers)]


@torch.no_grad()
def text_prefix(model: Any, ids: Ids) -> torch.Tensor:
    """[tokens, width] float32: what the model itself remembers of these ids; rotary keys come out rotated.

    An encoder-decoder reads them on both sides: a prefix of its decoder begins as activations of real words
    (Li & Liang 2021, section 7.4), without standing for exactly that text.
    """
    inputs = torch.tensor([ids], device=model.device)
    cache = _empty(model)
    if model.config.is_encoder_decoder:
        both = EncoderDecoderCache(cache, DynamicCache())
        model(input_ids=inputs, decoder_input_ids=inputs, past_key_values=both, use_cache=True)
    else:
        model.base_model(input_ids=inputs, past_key_values=cache, use_cache=True)
    layers = [t[0] for layer in cache.layers for t in (layer.keys, layer.values)]
    return torch.stack(layers).permute(2, 0, 1, 3).reshape(len(ids), -1).float()
