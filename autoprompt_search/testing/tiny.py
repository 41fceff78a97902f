"""Tiny random causal models on disk, made in code: real architectures, real tokenizer files, no download.

Weights are drawn with range 0.25, so that a mistake in positions, masks or padding moves logits by
whole numbers and cannot pass for rounding.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

Family = Literal["gpt2", "llama", "opt", "gpt_neox", "gemma3"]
FAMILIES: tuple[str, ...] = get_args(Family)
"""Learned positions, rotary, offset learned positions, parallel rotary, and sliding windows with scaled embeddings."""

_RANGE = 0.25
_WIDTH = 32
_SPECIAL = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>"}
_WITH_BOS = ("llama", "gemma3")
_WORDS = (
    "a the film movie plot music actor story ending was is good bad great poor fine dull lovely awful long short "
    "and but not very quite so It This The Review Sentiment Text Label positive negative review sentiment "
    "I liked loved hated it would watch again never more 1 2 3 0 yes no Question Answer question answer"
)


def tiny_causal(folder: Path, family: Family = "gpt2", *, seed: int = 0, context: int = 128) -> Path:
    """Write a model of some thousand weights with a byte-level BPE tokenizer; return its folder.

    Args:
        folder: Made if absent; what is in it is overwritten.
        family: Architecture. `llama` and `gemma3` tokenizers put BOS before each text.
        seed: Other seeds give other weights.
        context: Positions of the model.
    """
    tokenizer = tiny_tokenizer(bos=family in _WITH_BOS)
    config = AutoConfig.for_model(**_options(family, len(tokenizer), context))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(config)
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def tiny_tokenizer(*, bos: bool = False) -> Any:
    """A byte-level BPE of at most 512 tokens with specials `<pad>`, `<s>`, `</s>`."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=512,
        special_tokens=list(_SPECIAL.values()),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator([_WORDS, f" {_WORDS}"] * 2, trainer)
    if bos:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)]
        )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **_SPECIAL)


def _options(family: str, vocabulary: int, context: int) -> Mapping[str, Any]:
    special = {"vocab_size": vocabulary, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    usual = {
        "hidden_size": _WIDTH,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "max_position_embeddings": context,
        "initializer_range": _RANGE,
    }
    families: dict[str, dict[str, Any]] = {
        "gpt2": {"n_embd": _WIDTH, "n_layer": 2, "n_head": 4, "n_positions": context, "initializer_range": _RANGE},
        "llama": {**usual, "num_key_value_heads": 2},
        "opt": {
            "hidden_size": _WIDTH,
            "word_embed_proj_dim": _WIDTH,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "ffn_dim": 64,
            "max_position_embeddings": context,
            "init_std": _RANGE,
        },
        "gpt_neox": usual,
        "gemma3": {
            **usual,
            "num_hidden_layers": 4,
            "num_key_value_heads": 2,
            "head_dim": 16,
            "sliding_window": 8,
            "layer_types": ["sliding_attention", "full_attention"] * 2,
        },
    }
    kind = "gemma3_text" if family == "gemma3" else family
    return {"model_type": kind, **special, **families[family]}
