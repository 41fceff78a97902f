"""What the speed benchmarks share: models built in code, texts, and medians over turns."""

from __future__ import annotations

import os

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # their threads would not be those of torch

import argparse
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

from autoprompt_search.core.prompts import Rendered, Segment
from autoprompt_search.embedded.reviews import reviews

VOCABULARY = 32_000
CONTEXT = 4096
_SENTENCES = 2
"""Reviews of the generator that make one text."""


@dataclass(frozen=True, slots=True)
class Size:
    """Of a model."""

    layers: int = 6
    width: int = 384

    @property
    def heads(self) -> int:
        return max(1, self.width // 64)


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """The options that say which models are timed, and how."""
    parser.add_argument("--only", nargs="+", choices=("gpt2", "llama"), default=("gpt2", "llama"))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--width", type=int, default=384)
    parser.add_argument("--batch-tokens", type=int)
    parser.add_argument("--threads", type=int, default=1)


def config_of(shape: str, size: Size) -> Any:
    """`gpt2` or `llama`: learned positions and full attention, or rotary ones and grouped attention."""
    if shape == "gpt2":
        options = {"n_embd": size.width, "n_layer": size.layers, "n_head": size.heads, "n_positions": CONTEXT}
    else:
        options = {
            "hidden_size": size.width,
            "num_hidden_layers": size.layers,
            "num_attention_heads": size.heads,
            "num_key_value_heads": max(1, size.heads // 3),
            "intermediate_size": 64 * round(size.width * 8 / 3 / 64),
            "max_position_embeddings": CONTEXT,
        }
    special = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    return AutoConfig.for_model(shape, vocab_size=VOCABULARY, **options, **special)


def built(folder: Path, shape: str, size: Size) -> Path:
    """Random weights and a byte-level BPE tokenizer, saved as any model is; the same ones for the same arguments."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(config_of(shape, size))
        with torch.no_grad():  # labels a random model tells apart: its usual draw leaves all logits near zero
            model.get_output_embeddings().weight.mul_(4)
    model.save_pretrained(folder)
    _tokenizer().save_pretrained(folder)
    return folder


def _tokenizer() -> Any:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<pad>", "<s>", "</s>"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    words = "Review: Sentiment: good bad fine poor very not at all really quite good bad\n"
    tokenizer.train_from_iterator([words] * 4 + [t for t, _ in texts(400, "pretrain")], trainer)
    special = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>"}
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_input_names=["input_ids", "attention_mask"], **special
    )


def texts(number: int, split: str) -> list[tuple[str, str]]:
    """So many (text, label) of the generator, two reviews to a text."""
    drawn = reviews(0, number * _SENTENCES, split=split)
    groups = [drawn[i : i + _SENTENCES] for i in range(0, len(drawn), _SENTENCES)]
    return [(" ".join(r.text for r in group), group[0].label) for group in groups]


def prompts(demonstrations: int, number: int) -> list[Rendered]:
    """So many few-shot prompts that share instruction and demonstrations."""
    word = {"negative": "bad", "positive": "good"}
    shown = [f"Review: {text}\nSentiment: {word[label]}\n\n" for text, label in texts(demonstrations, "train")]
    front = Segment("Say whether the author of each review liked the product.\n\n" + "".join(shown))
    rest = (Segment("\nSentiment:"),)
    return [
        Rendered((front, Segment("Review: "), Segment(text, "field:text"), *rest)) for text, _ in texts(number, "dev")
    ]


def in_turn(sides: Mapping[str, Callable[[], object]], repeats: int, device: torch.device) -> dict[str, list[float]]:
    """Seconds of every side, `repeats` times, the sides in turn, so that the machine's moods meet all alike."""
    found: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(repeats):
        for name, side in sides.items():
            found[name].append(_seconds(side, device))
    return found


def _seconds(side: Callable[[], object], device: torch.device) -> float:
    now = time.process_time if device.type == "cpu" else time.perf_counter
    wait(device)
    began = now()
    side()
    wait(device)
    return now() - began


def clock(device: torch.device) -> str:
    """What `in_turn` counts: on a CPU the time that this process had one, because the machine may be shared."""
    return "CPU time of the process" if device.type == "cpu" else "wall time"


def wait(device: torch.device) -> None:
    """Until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def summary(seconds: Sequence[float]) -> dict[str, float]:
    """Median and range, in seconds."""
    return {
        "median": statistics.median(seconds),
        "fastest": min(seconds),
        "slowest": max(seconds),
    }
