"""Trained vectors in PEFT's file formats, and back. Knows file layouts and module names, no prompts.

Which type of adapter holds them is decided by their place: at the start PROMPT_TUNING, as keys and values
PREFIX_TUNING, anywhere else TRAINABLE_TOKENS, whose new token ids stand behind the vocabulary.
"""

from __future__ import annotations

from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from autoprompt_search.backends.hf.kv import shape_of
from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.prompts import SoftPosition, SoftPrompt
from autoprompt_search.core.protocols.tuning import Adapter
from autoprompt_search.core.types import Plain

_VECTORS = "prompt_embeddings"
_ROWS = ".trainable_tokens_delta"


def to_peft(
    model: Any, vectors: torch.Tensor, place: SoftPosition, *, task: str, name: str, revision: str | None
) -> Adapter:
    """The adapter's two files.

    Args:
        model: The model they were trained on.
        vectors: [tokens, width], as the first layer receives them, or keys and values.
        place: Where they stand.
        task: PEFT's task type.
        name: The model as the user wrote it.
        revision: Of a hub repository.
    """
    rows = vectors.detach().float().cpu().contiguous()
    common: dict[str, Plain] = {
        "task_type": task,
        "inference_mode": True,
        "base_model_name_or_path": name,
        "revision": revision,
    }
    if place.kind == "embeddings" and place.at != "start":
        size = model.get_input_embeddings().num_embeddings
        stored = (rows / embedding_scale(model)).contiguous()
        weights = {f"base_model.model.{path}{_ROWS}": stored.clone() for path in _tied(model)}
        config: dict[str, Plain] = {
            "peft_type": "TRAINABLE_TOKENS",
            **common,
            "target_modules": _tied(model)[0],
            "token_indices": list(range(size, size + len(rows))),
            "init_weights": True,
        }
    else:
        config = {**_prompt_learning(model, rows, place), **common}
        weights = {_VECTORS: _spread(model, rows) if place.kind == "prefix" else rows}
    return Adapter(save(weights, metadata={"format": "pt"}), config)


def _prompt_learning(model: Any, rows: torch.Tensor, place: SoftPosition) -> dict[str, Plain]:
    shape = shape_of(model)
    shared: dict[str, Plain] = {
        "num_virtual_tokens": len(rows),
        "num_transformer_submodules": 1,
        "num_attention_heads": shape.heads,
        "num_layers": shape.layers,
    }
    if place.kind == "prefix":
        width = shape.heads * shape.head_width
        sizes: dict[str, Plain] = {"token_dim": width, "encoder_hidden_size": width, "prefix_projection": False}
        parts = 2 if model.config.is_encoder_decoder else 1  # 2 makes PEFT build an encoder-decoder's cache
        layers: dict[str, Plain] = {"num_transformer_submodules": parts, "num_layers": parts * shape.layers}
        return {"peft_type": "PREFIX_TUNING", **shared, **sizes, **layers}
    # RANDOM, because PEFT's text initialisation would load a tokenizer by the name in this file.
    start: dict[str, Plain] = {
        "token_dim": rows.shape[1],
        "prompt_tuning_init": "RANDOM",
        "prompt_tuning_init_text": None,
        "tokenizer_name_or_path": None,
    }
    return {"peft_type": "PROMPT_TUNING", **shared, **start}


def _spread(model: Any, rows: torch.Tensor) -> torch.Tensor:
    """Prefixes of an encoder-decoder as PEFT reads them back.

    Of the keys and values in the file it gives every second layer's to the decoder's self-attention, the others
    to a cross-attention cache that it throws away. So ours stand at the even places, and zeros between them.
    """
    if not model.config.is_encoder_decoder:
        return rows
    blocks = rows.view(len(rows), shape_of(model).layers, -1)
    return torch.stack([blocks, torch.zeros_like(blocks)], 2).flatten(1)


def from_peft(model: Any, soft: SoftPrompt, width: int) -> torch.Tensor:
    """[tokens, width] float32 on the model's device; `ConfigError` when the file holds something else."""
    try:
        tensors = load(soft.weights)
    except SafetensorError as exc:
        raise ConfigError(f"the soft prompt is no safetensors file: {exc}") from exc
    rows = next((t for n, t in sorted(tensors.items()) if n.endswith(_ROWS)), None)
    vectors = tensors.get(_VECTORS) if rows is None else rows * embedding_scale(model)
    if vectors is None:
        raise ConfigError(f"the soft prompt holds no {_VECTORS} (it holds {', '.join(sorted(tensors)) or 'nothing'})")
    if soft.place.kind == "prefix" and model.config.is_encoder_decoder and vectors.shape[1] == 2 * width:
        vectors = vectors.view(len(vectors), shape_of(model).layers, 2, -1)[:, :, 0].flatten(1)
    if tuple(vectors.shape) != (soft.tokens, width):
        raise ConfigError(f"the soft prompt is {list(vectors.shape)}, not [{soft.tokens}, {width}]")
    return vectors.float().to(model.device)  # type: ignore[no-any-return]


def embedding_scale(model: Any) -> float:
    """What the embedding module multiplies its rows with (Gemma, BART); 1 for most."""
    embeddings = model.get_input_embeddings()
    return float(getattr(embeddings, "embed_scale", getattr(embeddings, "scalar_embed_scale", 1.0)))


def _tied(model: Any) -> list[str]:
    """Names of the modules that share the input embeddings' rows, the embeddings first."""
    embeddings = model.get_input_embeddings()
    name = next(n for n, module in model.named_modules() if module is embeddings)
    tied = getattr(model, "all_tied_weights_keys", None) or {}
    others = sorted(k.removesuffix(".weight") for k, source in tied.items() if source == f"{name}.weight")
    return [name, *others]
