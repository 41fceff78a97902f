"""Makes `builtin:gpt`: tokenizer and weights from the seeded corpus.

    python -m autoprompt_search.embedded.train --out DIR [--minutes M | --steps N] [--seed S]

The answers carry most of the loss: with the plain language-model loss the few answer tokens drown
among the words of the reviews. Ends with a table of what was learned in each format.
"""

import argparse
import math
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from torch.nn import functional
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from autoprompt_search.embedded.batches import CONTEXT, Batch, batches
from autoprompt_search.embedded.table import format_table
from autoprompt_search.embedded.tokens import train_tokenizer

_FINAL_RATE, _WARMUP = 0.02, 0.02
_LM_WEIGHT, _LM_SHARE = 0.2, 0.15
_SAVE_EVERY = 500


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--minutes", type=float, help="wall-clock time instead of --steps")
    length.add_argument("--steps", type=int, default=5500)
    parser.add_argument("--start", type=Path, help="folder of a model to go on from")
    parser.add_argument("--rate", type=float, default=3e-3, help="peak learning rate")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    if options.start:
        tokenizer = PreTrainedTokenizerFast.from_pretrained(options.start)
        model = LlamaForCausalLM.from_pretrained(options.start, dtype=torch.float32)
    else:
        tokenizer = train_tokenizer(options.seed)
        model = new_model(tokenizer)
    source = batches(tokenizer, options.seed, lessons=options.start is None)
    for done in fit(model, source, rate=options.rate, steps=options.steps, minutes=options.minutes):
        save(model, tokenizer, options.out)
        _say(done)
    _say(format_table(model, tokenizer))


def new_model(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """A small Llama: rotary positions and tied embeddings."""
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=128,
            intermediate_size=256,
            num_hidden_layers=4,
            num_attention_heads=4,
            num_key_value_heads=4,
            max_position_embeddings=CONTEXT,
            tie_word_embeddings=True,
            initializer_range=0.08,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
            bos_token_id=None,
        )
    )


def fit(
    model: LlamaForCausalLM, source: Iterator[Batch], *, rate: float, steps: int, minutes: float | None
) -> Iterator[str]:
    """Train with AdamW under a warm-up and a cosine, for so many steps or minutes.

    Yields now and then, and at the end, with a line on how it goes.
    """
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.98), weight_decay=0.05)
    model.train()
    start, step, done, recent = time.monotonic(), 0, 0.0, 1.0
    while done < 1:
        for group in optimizer.param_groups:
            group["lr"] = rate * _share(done)
        answer, language = _losses(model, next(source))
        torch.autograd.backward(answer + _LM_WEIGHT * language)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        step += 1
        recent += 0.01 * (answer.item() - recent)
        seconds = time.monotonic() - start
        done = seconds / (60 * minutes) if minutes else step / steps
        if step % _SAVE_EVERY == 0 or done >= 1:
            words = f"loss on words {language.item():.3f}"
            yield f"step {step} {seconds:.0f}s loss on answers {recent:.4f} {words}"
    model.eval()


def _share(done: float) -> float:
    """Share of the peak learning rate, by the share of the work done."""
    if done < _WARMUP:
        return (done + 1e-3) / (_WARMUP + 1e-3)
    angle = math.pi * (done - _WARMUP) / (1 - _WARMUP)
    return _FINAL_RATE + (1 - _FINAL_RATE) * (1 + math.cos(angle)) / 2


def _losses(model: LlamaForCausalLM, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Loss on the answers, and on a sample of all tokens."""
    hidden = model.model(input_ids=batch.ids, use_cache=False).last_hidden_state
    head = model.lm_head.weight
    answer = functional.cross_entropy(
        hidden[batch.rows, batch.places - 1] @ head.T,
        batch.ids[batch.rows, batch.places],
        reduction="none",
    )
    sampled = batch.is_text[:, 1:] & (torch.rand(batch.ids[:, 1:].shape) < _LM_SHARE)
    language = functional.cross_entropy(hidden[:, :-1][sampled] @ head.T, batch.ids[:, 1:][sampled])
    return (answer * batch.weights).sum() / batch.weights.sum(), language


def save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write what `from_pretrained` reads; half precision on disk."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(folder)
    weights = {name: value.half() for name, value in model.state_dict().items()}
    del weights["lm_head.weight"]  # tied
    model.save_pretrained(folder, state_dict=weights)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
