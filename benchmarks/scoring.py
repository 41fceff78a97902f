"""Scoring label words after few-shot prompts, beside what people use, on the same model, data and threads.

500 examples behind 8 and 32 demonstrations, labels of one and of several tokens, on a GPT-2-shaped and a Llama-shaped
model of random weights built in code. Sides, in turn, each as often as `--repeats` says:

    ours              `backend.score`, its remembered beginnings and states forgotten before every turn
    lm_eval           lm-evaluation-harness, `HFLM.loglikelihood`
    plain loop        transformers in padded batches of 8: a row per prompt, or per prompt and label of several tokens
    one at a time     the same without batches

Ours is timed on all examples with labels of one token, else on a tenth of them; the slow sides are timed on a few and
scaled per example; the JSON says on how many. Before anything is timed, the token ids of every prompt and label are
compared with those of the plain loop; so are log-probabilities and predictions, on `--checked` examples, and those of
all sides on the few. On a CPU what counts is the CPU time of this process: wall time on a shared machine is the
neighbours'.

    pip install lm_eval==0.4.13        # beside this package; without it that side is left out, and the table says so
    python benchmarks/scoring.py [--repeats 5] [--out reports/benchmarks/scoring.json]
    python benchmarks/scoring.py --device cuda --dtype bfloat16 --layers 24 --width 1536 --batch-tokens 131072
    python benchmarks/scoring.py --only llama --part llama.json       # one model at a time
    python benchmarks/scoring.py --join gpt2.json llama.json
"""

from __future__ import annotations

import argparse
import json
import logging
import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import machine
import measuring
import numpy as np
import torch
from harness import command_line, save
from transformers import AutoModelForCausalLM, AutoTokenizer

from autoprompt_search.backends.hf.causal import hf_causal
from autoprompt_search.core.prompts import Rendered

LABELS = {
    "single": (" good", " bad", " fine", " poor"),
    "multi": (" good", " not good at all", " very good", " really quite poor"),
}
BARS = {8: 15.0, 32: 30.0}
"""Demonstrations -> how many times lm_eval's time, with labels of one token."""
_BATCH = 8
_PART = 10
"""One in so many examples is timed where all are too many; what they share weighs the more."""
LM_EVAL = "lm_eval HFLM.loglikelihood"
_LOOP = "plain padded loop"
HARNESS_MISSING = "lm_eval is not installed: pip install lm_eval==0.4.13"


Side = Callable[[Sequence[Rendered], Sequence[str]], np.ndarray]
"""Log-probabilities [prompts, answers]."""


@dataclass(frozen=True, slots=True)
class Bench:
    """One model with its prompts."""

    folder: Path
    device: torch.device
    dtype: str
    batch_tokens: int | None
    model: Any
    """As transformers loads it, for the other sides."""
    tokenizer: Any


def opened(folder: Path, options: argparse.Namespace) -> Bench:
    device = torch.device(options.device)
    dtype = getattr(torch, options.dtype)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).to(device).eval()
    return Bench(folder, device, options.dtype, options.batch_tokens, model, AutoTokenizer.from_pretrained(folder))


# The sides


def ours(bench: Bench) -> Side:
    made = hf_causal(
        str(bench.folder),
        device=str(bench.device),
        dtype=bench.dtype,
        batch_tokens=bench.batch_tokens,
    )

    def score(rows: Sequence[Rendered], answers: Sequence[str]) -> np.ndarray:
        made._loaded.prefixes.clear()
        made._loaded.states.clear()
        return made.score(rows, answers).logliks

    return score


def harness(bench: Bench) -> Side | None:
    try:
        from lm_eval.api.instance import Instance
        from lm_eval.models.huggingface import HFLM
    except ImportError:
        return None
    logging.disable(logging.WARNING)
    lm = HFLM(
        pretrained=bench.model,
        tokenizer=bench.tokenizer,
        batch_size=_BATCH,
        max_length=measuring.CONTEXT,
        device=str(bench.device),
    )

    def score(rows: Sequence[Rendered], answers: Sequence[str]) -> np.ndarray:
        asked = [
            Instance(request_type="loglikelihood", doc={}, arguments=(row.text, answer), idx=i)
            for row in rows
            for i, answer in enumerate(answers)
        ]
        found = [value for value, _ in lm.loglikelihood(asked, disable_tqdm=True)]
        return np.array(found, dtype=np.float32).reshape(len(rows), len(answers))

    return score


def plain(bench: Bench, batch: int) -> Side:
    def score(rows: Sequence[Rendered], answers: Sequence[str]) -> np.ndarray:
        asked = plain_rows(bench.tokenizer, [row.text for row in rows], answers)
        out = np.zeros((len(rows), len(answers)), dtype=np.float32)
        for start in range(0, len(asked), batch):
            read_plain(bench, asked[start : start + batch], out)
        return out

    return score


PlainRow = tuple[int, list[int], list[tuple[int, int, list[int]]]]
"""Prompt, ids, and per answer its number, where it starts and its tokens."""


def plain_rows(tokenizer: Any, texts: Sequence[str], answers: Sequence[str]) -> list[PlainRow]:
    """One row per prompt where all answers are one token behind it, else one per prompt and answer."""
    rows: list[PlainRow] = []
    for number, text in enumerate(texts):
        prompt = tokenizer(text)["input_ids"]
        wholes = [tokenizer(text + answer)["input_ids"] for answer in answers]
        wanted = [(i, len(prompt), whole[len(prompt) :]) for i, whole in enumerate(wholes)]
        if all(len(tokens) == 1 for _, _, tokens in wanted):
            rows.append((number, prompt, wanted))
        else:
            rows += [(number, whole[:-1], [want]) for whole, want in zip(wholes, wanted, strict=True)]
    return rows


@torch.no_grad()
def read_plain(bench: Bench, rows: Sequence[PlainRow], out: np.ndarray) -> None:
    inputs = bench.tokenizer.pad({"input_ids": [ids for _, ids, _ in rows]}, padding_side="right", return_tensors="pt")
    logprobs = bench.model(**inputs.to(bench.device)).logits.float().log_softmax(-1)
    for place, (number, _, wanted) in enumerate(rows):
        for answer, start, tokens in wanted:
            out[number, answer] = sum(float(logprobs[place, start - 1 + i, t]) for i, t in enumerate(tokens))


# What is compared and measured


def tokens_are_identical(bench: Bench, rows: Sequence[Rendered], answers: Sequence[str]) -> bool:
    """Whether every prompt with every answer has the ids that tokenising the joined text gives."""
    made = hf_causal(str(bench.folder), device="cpu")
    joined = made._spec.tokenizer.join([row.text for row in rows], answers)
    texts = [row.text for row in rows]
    wholes = bench.tokenizer([text + answer for text in texts for answer in answers])["input_ids"]
    return [ids for one in joined for ids in one.whole] == wholes


def measured(bench: Bench, demonstrations: int, labels: str, options: argparse.Namespace) -> dict[str, Any]:
    answers = LABELS[labels]
    rows = measuring.prompts(demonstrations, options.examples)
    part = options.examples // _PART
    taken = {"ours": rows if labels == "single" else rows[:part]}
    few = rows[: max(1, options.slow // (1 if labels == "single" else len(answers)))]
    fast = {"ours": ours(bench)}
    slow = {LM_EVAL: harness(bench), _LOOP: plain(bench, _BATCH), "one prompt at a time": plain(bench, 1)}
    there = {name: side for name, side in slow.items() if side is not None}
    taken |= dict.fromkeys(there, few)
    checked = rows[: max(len(few), options.checked)]
    agreement = [
        compared(fast | there, "one prompt at a time", few, answers),
        compared({**fast, _LOOP: there[_LOOP]}, _LOOP, checked, answers),
    ]
    sides = {name: (lambda side=side, n=name: side(taken[n], answers)) for name, side in (fast | there).items()}
    seconds = measuring.in_turn(sides, options.repeats, bench.device)
    each = {name: [s / len(taken[name]) for s in found] for name, found in seconds.items()}
    return {
        "demonstrations": demonstrations,
        "labels": labels,
        "tokens_per_prompt": round(statistics.mean(len(ids) for ids in tokens_of(bench, rows[:50])), 1),
        "examples": {name: len(some) for name, some in taken.items()},
        "ours": per_example(each["ours"]),
        "theirs": {name: per_example(each[name]) if name in each else HARNESS_MISSING for name in slow},
        "ratio": {name: ratios(each["ours"], each[name]) for name in there},
        "tokens_identical": tokens_are_identical(bench, rows, answers),
        "compared_examples": len(checked),
        "max_difference": max(difference for difference, _ in agreement),
        "same_predictions": all(same for _, same in agreement),
    }


def tokens_of(bench: Bench, rows: Sequence[Rendered]) -> list[list[int]]:
    found: list[list[int]] = bench.tokenizer([row.text for row in rows])["input_ids"]
    return found


def compared(
    sides: Mapping[str, Side], right: str, rows: Sequence[Rendered], answers: Sequence[str]
) -> tuple[float, bool]:
    """Largest difference of log-probabilities from the side `right`, and whether all predict the same."""
    found = {name: side(rows, answers) for name, side in sides.items()}
    wanted = found[right]
    largest = max(float(np.abs(values - wanted).max()) for values in found.values())
    return largest, all(bool((v.argmax(1) == wanted.argmax(1)).all()) for v in found.values())


def per_example(seconds: Sequence[float]) -> dict[str, float]:
    """Milliseconds."""
    return {name: round(1000 * value, 3) for name, value in measuring.summary(seconds).items()}


def ratios(mine: Sequence[float], theirs: Sequence[float]) -> float:
    """Of the medians."""
    return round(statistics.median(theirs) / statistics.median(mine), 1)


def bars(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What was asked for, and what came out."""
    found = []
    for row in rows:
        if row["labels"] == "single" and row["demonstrations"] in BARS and LM_EVAL in row["ratio"]:
            bar, came = BARS[row["demonstrations"]], row["ratio"][LM_EVAL]
            found.append(
                {
                    "model": row["model"],
                    "demonstrations": row["demonstrations"],
                    "bar": bar,
                    "ratio": came,
                    "reached": came >= bar,
                }
            )
    return found


def table(found: dict[str, Any]) -> str:
    """For people."""
    lines = [
        "# Scoring beside what people use",
        "",
        f"Milliseconds of {found['clock']} per example, medians of {found['repeats']} turns; "
        f"made by `{found['remake']}`.",
        f"Machine: {found['machine']['cpu']}, {found['machine']['threads']} thread(s), {found['machine']['device']}. "
        f"{found['gpu']}",
        "",
        "| model | demonstrations | labels | tokens | ours | lm_eval | plain loop | one at a time "
        "| lm_eval / ours | largest difference |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in found["rows"]:
        times = [row["ours"], *row["theirs"].values()]
        shown = [f"{t['median']:.1f}" if isinstance(t, dict) else "-" for t in times]
        cells = [
            row["model"],
            row["demonstrations"],
            row["labels"],
            row["tokens_per_prompt"],
            *shown,
            row["ratio"].get(LM_EVAL, "-"),
        ]
        lines.append("| " + " | ".join(map(str, [*cells, f"{row['max_difference']:.1e}"])) + " |")
    lines += [
        "",
        "Token ids identical to those of the plain loop on all examples, predictions the same on "
        f"{min(r['compared_examples'] for r in found['rows'])}: "
        f"{'yes' if all(r['tokens_identical'] and r['same_predictions'] for r in found['rows']) else 'NO'}.",
    ]
    for bar in found["bars"]:
        lines.append(
            f"- {bar['model']}, {bar['demonstrations']} demonstrations: {bar['ratio']} times lm_eval, "
            f"bar {bar['bar']:g}: {'reached' if bar['reached'] else 'NOT reached'}."
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    options = arguments()
    if options.join:
        parts = [json.loads(path.read_text(encoding="utf-8")) for path in options.join]
        found = {**parts[0], "rows": [row for part in parts for row in part["rows"]]}
    else:
        found = run(options)
    found["bars"] = bars(found["rows"])
    found["ratio"] = min((bar["ratio"] for bar in found["bars"]), default=None)  # the smallest one that a bar is about
    found["max_difference"] = max(row["max_difference"] for row in found["rows"])
    save(options.part or options.out, found, None if options.part else table(found), indent=2)
    print(table(found))


def run(options: argparse.Namespace) -> dict[str, Any]:
    torch.set_num_threads(options.threads)
    device, rows = torch.device(options.device), []
    for shape in options.only:
        with tempfile.TemporaryDirectory() as name:
            size = measuring.Size(options.layers, options.width)
            bench = opened(measuring.built(Path(name), shape, size), options)
            for demonstrations in options.demonstrations:
                for labels in LABELS:
                    row = {"model": shape, **measured(bench, demonstrations, labels, options)}
                    print(json.dumps(row), flush=True)
                    rows.append(row)
    return {
        "machine": machine.timed_on(device),
        "versions": machine.versions("torch", "transformers", "tokenizers", "lm_eval"),
        "model": f"{options.layers} layers, {options.width} wide, vocabulary {measuring.VOCABULARY}, {options.dtype}",
        "gpu": "GPU figures are missing: no GPU was at hand." if device.type == "cpu" else "Taken on a GPU.",
        "clock": measuring.clock(device),
        "repeats": options.repeats,
        "rows": rows,
        "remake": f"python benchmarks/scoring.py --slow {options.slow} --checked {options.checked}",
    }


def arguments() -> argparse.Namespace:
    parser = command_line(__doc__, "scoring")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--examples", type=int, default=500)
    parser.add_argument("--slow", type=int, default=8, help="examples that the slow sides are timed on")
    parser.add_argument("--checked", type=int, default=24, help="examples that ours and the plain loop are compared on")
    parser.add_argument("--demonstrations", type=int, nargs="+", default=[8, 32])
    measuring.add_model_options(parser)
    parser.add_argument("--part", type=Path, help="write the rows of --only here, to be joined later")
    parser.add_argument("--join", type=Path, nargs="+", help="make the table of such parts")
    return parser.parse_args()


if __name__ == "__main__":
    main()
