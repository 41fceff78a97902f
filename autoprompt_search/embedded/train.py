"""Makes an embedded model: tokenizer and weights from the seeded corpus.

    python -m autoprompt_search.embedded.train --out DIR [--family gpt|bert|t5] [--minutes M | --steps N] [--seed S]

The answers carry most of the loss: with a plain language-model loss the few answer tokens drown
among the words of the reviews. Ends with a table of what was learned in each format.
"""

import argparse
import math
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from autoprompt_search.embedded.batches import Item, batches
from autoprompt_search.embedded.families import FAMILIES, Pupil, load, new
from autoprompt_search.embedded.table import format_table

_FINAL_RATE, _WARMUP = 0.02, 0.02
_LM_WEIGHT = 0.2
_SAVE_EVERY = 500


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--family", choices=tuple(FAMILIES), default="gpt")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--minutes", type=float, help="wall-clock time instead of --steps")
    length.add_argument("--steps", type=int, help="by default those of the shipped model")
    parser.add_argument("--start", type=Path, help="folder of a model to go on from")
    parser.add_argument("--rate", type=float, help="peak learning rate; by default that of the shipped model")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    pupil = load(options.family, options.start) if options.start else new(options.family, options.seed)
    family = pupil.family
    source = batches(pupil.tokenizer, options.seed, family.course, lessons=options.start is None)
    rate, steps = options.rate or family.rate, options.steps or family.steps
    for done in fit(pupil, source, rate=rate, steps=steps, minutes=options.minutes):
        save(pupil, options.out)
        _say(done)
    _say(format_table(pupil))


def fit(
    pupil: Pupil, source: Iterator[Sequence[Item]], *, rate: float, steps: int, minutes: float | None
) -> Iterator[str]:
    """Train with AdamW under a warm-up and a cosine, for so many steps or minutes.

    Yields now and then, and at the end, with a line on how it goes.
    """
    model = pupil.model
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.98), weight_decay=0.05)
    model.train()
    start, step, done, recent = time.monotonic(), 0, 0.0, 1.0
    while done < 1:
        for group in optimizer.param_groups:
            group["lr"] = rate * _share(done)
        answer, language = pupil.family.losses(model, pupil.tokenizer, next(source))
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


def save(pupil: Pupil, folder: Path) -> None:
    """Write what `from_pretrained` reads; half precision on disk."""
    folder.mkdir(parents=True, exist_ok=True)
    pupil.tokenizer.save_pretrained(folder)
    kept = pupil.model.state_dict()
    for tied in pupil.model.all_tied_weights_keys:
        del kept[tied]
    pupil.model.save_pretrained(folder, state_dict={name: value.half() for name, value in kept.items()})


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
