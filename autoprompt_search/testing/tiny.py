"""Tiny random models on disk, made in code: real architectures, real tokenizer files, no download.

Weights are drawn with range 0.25, so that a mistake in positions, masks or padding moves logits by
whole numbers and cannot pass for rounding.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
    PreTrainedTokenizerFast,
)

CAUSAL = ("gpt2", "llama", "opt", "gpt_neox", "gemma3", "qwen3")
"""Learned positions, rotary, offset learned positions, parallel rotary, sliding windows with scaled embeddings, and
head widths of their own."""
MASKED = ("bert", "roberta", "albert", "electra", "distilbert", "modernbert", "deberta-v2")
"""Absolute and offset positions, factorised embeddings (twice), no token types, rotary windows, relative positions."""
SEQ2SEQ = ("t5", "bart")
"""Relative positions, and learned ones with scaled embeddings."""
_FORMS: dict[str, Any] = {
    **dict.fromkeys(CAUSAL, AutoModelForCausalLM),
    **dict.fromkeys(MASKED, AutoModelForMaskedLM),
    **dict.fromkeys(SEQ2SEQ, AutoModelForSeq2SeqLM),
}

_RANGE = 0.25
_WIDTH = 32
_SPECIAL = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>"}
_FRAMED = {**_SPECIAL, "cls_token": "<s>", "sep_token": "</s>", "mask_token": "<mask>"}
_WITH_BOS = ("llama", "gemma3")
_WORDS = (
    "a the film movie plot music actor story ending was is good bad great poor fine dull lovely awful long short "
    "and but not very quite so It This The Review Sentiment Text Label positive negative review sentiment "
    "I liked loved hated it would watch again never more 1 2 3 0 yes no Question Answer question answer"
)


def tiny_model(folder: Path, family: str = "gpt2", *, seed: int = 0, context: int = 128, classes: int = 0) -> Path:
    """Write a model of some thousand weights with a byte-level BPE tokenizer; return its folder.

    Args:
        folder: Made if absent; what is in it is overwritten.
        family: Architecture. `llama` and `gemma3` tokenizers put BOS before each text, those of masked models a
            frame around it, those of encoder-decoders EOS behind it.
        seed: Other seeds give other weights.
        context: Positions of the model.
        classes: Above 0: with a classification head of so many classes instead of the language-model head.
    """
    tokenizer = tiny_tokenizer(_frame(family))
    config = AutoConfig.for_model(**_options(family, len(tokenizer), context))
    form = _FORMS[family]
    if classes:
        config.id2label = dict(enumerate(("bad", "good", "fine", "dull")[:classes]))
        config.label2id = {name: i for i, name in config.id2label.items()}
        form = AutoModelForSequenceClassification
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = form.from_config(config)
        for name, weights in model.named_parameters():  # some architectures draw some weights in ranges of their own
            if weights.dim() > 1 and "norm" not in name.lower():
                torch.nn.init.normal_(weights, std=_RANGE)
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _frame(family: str) -> str:
    """What the tokenizer puts around a text."""
    if family in MASKED or family == "bart":
        return "<s> $A </s>"
    if family == "t5":
        return "$A </s>"
    return "<s> $A" if family in _WITH_BOS else "$A"


def tiny_tokenizer(frame: str = "$A") -> Any:
    """A byte-level BPE of at most 512 tokens with specials `<pad>`, `<s>`, `</s>`, and `<mask>` where both frame."""
    named = _FRAMED if frame == "<s> $A </s>" else _SPECIAL
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=512,
        special_tokens=list(dict.fromkeys(named.values())),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator([_WORDS, f" {_WORDS}"] * 2, trainer)
    if frame != "$A":
        second = frame.replace("$A", "$B:1").replace("</s>", "</s>:1").replace("<s> ", "")
        if not frame.endswith("</s>"):
            second = f"<s> {second}"
        tokenizer.post_processor = processors.TemplateProcessing(
            single=frame, pair=f"{frame} {second}", special_tokens=[("<s>", 1), ("</s>", 2)]
        )
    inputs = ["input_ids", "token_type_ids", "attention_mask"]
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_input_names=inputs, **named)


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
    families = {**_decoders(usual, context), **_encoders(usual, context), **_encoder_decoders(context)}
    kind = "gemma3_text" if family == "gemma3" else family
    return {"model_type": kind, **special, **families[family]}


def _decoders(usual: Mapping[str, Any], context: int) -> dict[str, Mapping[str, Any]]:
    return {
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
        "qwen3": {**usual, "num_key_value_heads": 2, "head_dim": 16},
    }


def _encoders(usual: Mapping[str, Any], context: int) -> dict[str, Mapping[str, Any]]:
    return {
        "bert": usual,
        "roberta": {**usual, "max_position_embeddings": context + 1},
        "albert": {**usual, "embedding_size": 16},
        "electra": {**usual, "embedding_size": 16},
        "distilbert": {
            "dim": _WIDTH,
            "n_layers": 2,
            "n_heads": 4,
            "hidden_dim": 64,
            "max_position_embeddings": context,
            "initializer_range": _RANGE,
        },
        "modernbert": {**usual, "local_attention": 16, "cls_token_id": 1, "sep_token_id": 2},
        "deberta-v2": {
            **usual,
            "relative_attention": True,
            "pos_att_type": ["p2c", "c2p"],
            "position_buckets": 16,
            "max_relative_positions": context,
            "position_biased_input": False,
        },
    }


def _encoder_decoders(context: int) -> dict[str, Mapping[str, Any]]:
    return {
        "t5": {
            "d_model": _WIDTH,
            "d_kv": 8,
            "d_ff": 64,
            "num_layers": 2,
            "num_heads": 4,
            "decoder_start_token_id": 0,
            "n_positions": context,
        },
        "bart": {
            "d_model": _WIDTH,
            "encoder_layers": 2,
            "decoder_layers": 2,
            "encoder_attention_heads": 4,
            "decoder_attention_heads": 4,
            "encoder_ffn_dim": 64,
            "decoder_ffn_dim": 64,
            "max_position_embeddings": context,
            "init_std": _RANGE,
            "scale_embedding": True,
            "decoder_start_token_id": 2,
            "forced_eos_token_id": None,
        },
    }
