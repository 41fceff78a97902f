"""Random models of the shapes that benchmarks of soft prompts are timed on, and a task made of their words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

from autoprompt_search.core.prompts import Rendered, Segment
from autoprompt_search.core.protocols.tuning import TuneData
from autoprompt_search.core.rng import derive_rng

SHAPES = ("gpt2", "llama")
LAYERS, WIDTH, VOCABULARY, CONTEXT = 6, 384, 32_000, 1024
_SPECIAL = ("<unk>", "<pad>", "review:", "verdict:", "good", "bad", ".")


def model_folder(shape: str, folder: Path, *, layers: int = LAYERS, width: int = WIDTH) -> Path:
    """Weights and tokenizer of a GPT-2- or Llama-shaped model; a word is one token."""
    heads = width // 64 if width % 64 == 0 else width // 32
    shared: dict[str, Any] = {"vocab_size": VOCABULARY, "pad_token_id": 1, "bos_token_id": None, "eos_token_id": None}
    shapes: dict[str, dict[str, Any]] = {
        "gpt2": {"n_embd": width, "n_layer": layers, "n_head": heads, "n_positions": CONTEXT},
        "llama": {
            "hidden_size": width,
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "num_key_value_heads": heads // 3 if heads % 3 == 0 else max(1, heads // 2),
            "intermediate_size": 8 * width // 3,
            "max_position_embeddings": CONTEXT,
            "tie_word_embeddings": True,
        },
    }
    config = AutoConfig.for_model(shape, **shared, **shapes[shape])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(config)
    model.save_pretrained(folder)
    words = [*_SPECIAL, *(f"w{i}" for i in range(VOCABULARY - len(_SPECIAL)))]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", pad_token="<pad>").save_pretrained(folder)
    return folder


def made_up_task(demonstrations: int, *, examples: int = 64) -> TuneData:
    """Reviews of 36 to 44 random words with random labels; all prompts show the same demonstrations."""
    rng = derive_rng(0, "soft-benchmark")

    def review() -> str:
        return " ".join(f"w{rng.randrange(20_000)}" for _ in range(rng.randint(36, 44)))

    def word() -> str:
        return rng.choice((" good", " bad"))

    shown = [f"review: {review()} verdict:{word()} . " for _ in range(demonstrations)]
    prompts = tuple(
        Rendered((*map(Segment, shown), Segment("review: "), Segment(review(), "field:text"), Segment(" verdict:")))
        for _ in range(examples)
    )
    targets = tuple(rng.randrange(2) for _ in prompts)
    return TuneData(prompts, targets, (" good", " bad"), (0, 1), "review: verdict:", (" good", " bad"), tuple(shown))
