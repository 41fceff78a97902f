"""Cascade attention: what all rows begin with is attended once for the whole batch. Knows tensors, no prompts.

The rows' own positions and the shared ones are attended apart, and the two results are weighted by what the
softmax would have given each, which their log-sums of exponentials tell: exact up to rounding (Ye et al. 2024,
"Cascade inference", FlashInfer; Juravsky et al. 2024, "Hydragen", arXiv 2402.05099). No row holds a
copy of the shared keys and values. There is no gradient through it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

from autoprompt_search.backends.hf.prefix_cache import Layers, sees_all

NAME = "autoprompt_search_cascade"
"""Name of this attention in transformers' `AttentionInterface`."""

_SHARED: ContextVar[Layers | None] = ContextVar("shared", default=None)


def install(model: Any) -> None:
    """Let the model attend in this way; outside of `shared` it attends as with `sdpa`."""
    AttentionInterface.register(NAME, _attention)
    AttentionMaskInterface.register(NAME, _mask)
    model.set_attn_implementation(NAME)


def refusal(config: Any, model_class: Any) -> str | None:
    """Why models of this configuration cannot attend in this way; None when nothing is known against it."""
    kind = config.model_type
    if not getattr(model_class, "_supports_attention_backend", False):
        return f"holds a {kind!r} model, whose attention cannot be exchanged: use attention: expand"
    if not sees_all(config):
        return f"holds a {kind!r} model with layers that do not see all positions: use attention: expand"
    if getattr(config.get_text_config(), "attn_logit_softcapping", None):
        return f"holds a {kind!r} model that caps its attention: use attention: expand"
    return None


@contextmanager
def shared(layers: Layers) -> Iterator[None]:
    """Forward passes in here have these keys and values in front of every row. Rows are filled up on the right."""
    token = _SHARED.set(layers)
    try:
        yield
    finally:
        _SHARED.reset(token)


def _mask(*args: Any, **options: Any) -> Any:
    """None where rows attend to themselves causally, which hides what fills them up."""
    return sdpa_mask(*args, **options) if _SHARED.get() is None else None


def _attention(
    module: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, attention_mask: Any, **options: Any
) -> tuple[torch.Tensor, None]:
    """One of transformers' attention functions: [rows, heads, tokens, width] to [rows, tokens, heads, width]."""
    layers = _SHARED.get()
    if layers is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **options)  # type: ignore[no-any-return]
    scale = options.get("scaling")
    groups = query.shape[1] // key.shape[1]
    own_keys, own_values = (t.repeat_interleave(groups, dim=1) for t in (key, value)) if groups > 1 else (key, value)
    own, own_sum = attend(query, own_keys, own_values, attention_mask, scale, is_causal=attention_mask is None)
    keys, values = layers[module.layer_idx]
    front, front_sum = attend_shared(query, keys, values, scale)
    share = torch.sigmoid(front_sum - own_sum)[..., None].to(own.dtype)
    return torch.lerp(own, front, share).transpose(1, 2).contiguous(), None


def attend_shared(
    query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, scale: float | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """All rows, and all heads that share keys, as one long row."""
    rows, heads, tokens, width = query.shape
    groups = keys.shape[1]
    split = (rows, groups, heads // groups, tokens)
    flat = query.view(*split, width).permute(1, 2, 0, 3, 4).reshape(1, groups, -1, width)
    attended, sums = attend(flat, keys, values, None, scale, is_causal=False)
    parts = (groups, heads // groups, rows, tokens)
    attended = attended.view(*parts, width).permute(2, 0, 1, 3, 4).reshape(rows, heads, tokens, width)
    return attended, sums.view(*parts).permute(2, 0, 1, 3).reshape(rows, heads, tokens)


def attend(
    query: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    mask: torch.Tensor | None,
    scale: float | None,
    *,
    is_causal: bool,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Attention and the log-sum of exponentials per query, float32 [rows, heads, tokens]."""
    ops = torch.ops.aten
    if query.device.type == "cpu":
        attended, sums = ops._scaled_dot_product_flash_attention_for_cpu(
            query, keys, values, 0.0, is_causal, attn_mask=mask, scale=scale
        )
        return attended, sums
    if query.device.type == "cuda" and mask is None and query.dtype.itemsize == 2 and query.shape[-1] % 8 == 0:
        attended, sums, *_ = ops._scaled_dot_product_flash_attention(query, keys, values, 0.0, is_causal, scale=scale)
        return attended, sums[..., : query.shape[2]]
    return _by_hand(query, keys, values, mask, scale, is_causal=is_causal)


def _by_hand(
    query: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    mask: torch.Tensor | None,
    scale: float | None,
    *,
    is_causal: bool,
) -> tuple[torch.Tensor, torch.Tensor]:
    """See `attend`; on devices and with masks that no kernel takes."""
    scores = (query @ keys.mT).float() * (query.shape[-1] ** -0.5 if scale is None else scale)
    if mask is not None:
        scores = scores + mask
    if is_causal:
        tokens = query.shape[2]
        later = torch.ones(tokens, tokens, dtype=torch.bool, device=query.device).triu(1)
        scores = scores.masked_fill(later, -torch.inf)
    sums = scores.logsumexp(-1)
    return (scores - sums[..., None]).exp().to(values.dtype) @ values, sums
