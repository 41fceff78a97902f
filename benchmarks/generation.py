"""Writing answers after few-shot prompts, beside what people use, on the same model, data and threads.

500 prompts behind 8 demonstrations, 32 new tokens each, greedy. Sides, in turn, each as often as `--repeats` says:

    ours              `backend.generate`, its remembered beginnings forgotten before every turn
    model.generate    transformers, as a careful user calls it: sorted by length, filled up on the left with a mask, the
                      best of several batch sizes
    lm_eval           lm-evaluation-harness, `HFLM.generate_until`

The slow sides are timed on `--slow` prompts and scaled per prompt; the JSON says on how many. Texts are compared on
those; where a batch of `model.generate` gives another text, the prompt is asked alone, and the table says who is
right. On a CPU what counts is the CPU time of this process: wall time on a shared machine is the neighbours'.

    pip install lm_eval==0.4.13        # beside this package; without it that side is left out, and the table says so
    python benchmarks/generation.py [--model builtin:gpt] [--examples 500] [--out reports/benchmarks/generation.json]
    python benchmarks/generation.py --model SmolLM2-135M-Instruct --name "SmolLM2-135M-Instruct (from 4-bit weights)"
    python benchmarks/generation.py --stop $'\n'         # answers end at a line's end
"""

from __future__ import annotations

import json
import logging
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import machine
import measuring
import torch
from harness import command_line, save
from transformers import AutoModelForCausalLM, AutoTokenizer

from autoprompt_search.backends.hf.causal import hf_causal
from autoprompt_search.backends.hf.loading import resolve_folder
from autoprompt_search.core.answers import Limits
from autoprompt_search.core.prompts import Rendered

NEW = 32
BARS = {"model.generate": 3.0, "lm_eval HFLM.generate_until": 5.0}
HARNESS_MISSING = "lm_eval is not installed: pip install lm_eval==0.4.13"

Side = Callable[[Sequence[Rendered]], list[str]]


@dataclass(frozen=True, slots=True)
class Bench:
    """One model, and how answers end."""

    folder: str
    model: Any
    tokenizer: Any
    stop: tuple[str, ...]
    device: torch.device
    batch_tokens: int | None


def opened(options: Any) -> Bench:
    folder = str(resolve_folder(options.model))
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, options.dtype)).to(options.device).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    stop = (options.stop,) if options.stop else ()
    return Bench(folder, model, tokenizer, stop, torch.device(options.device), options.batch_tokens)


# The sides


def ours(bench: Bench) -> Side:
    dtype = str(bench.model.dtype).removeprefix("torch.")
    made = hf_causal(bench.folder, device=str(bench.device), dtype=dtype, batch_tokens=bench.batch_tokens)

    def write(rows: Sequence[Rendered]) -> list[str]:
        made._loaded.prefixes.clear()
        return [one.text for one in made.generate(rows, Limits(NEW, stop=bench.stop)).completions]

    return write


def theirs(bench: Bench, batch: int) -> Side:
    @torch.inference_mode()
    def write(rows: Sequence[Rendered]) -> list[str]:
        texts = [row.text for row in rows]
        order = sorted(range(len(texts)), key=lambda i: -len(texts[i]))
        found = [""] * len(texts)
        for start in range(0, len(order), batch):
            part = order[start : start + batch]
            inputs = bench.tokenizer([texts[i] for i in part], return_tensors="pt", padding=True).to(bench.device)
            inputs.pop("token_type_ids", None)
            options: dict[str, Any] = {"max_new_tokens": NEW, "do_sample": False, "num_beams": 1}
            if bench.stop:
                options |= {"stop_strings": list(bench.stop), "tokenizer": bench.tokenizer}
            whole = bench.model.generate(**inputs, **options, pad_token_id=bench.tokenizer.pad_token_id)
            for i, ids in zip(part, whole[:, inputs["input_ids"].shape[1] :], strict=True):
                found[i] = cut(bench.tokenizer.decode(ids, skip_special_tokens=True), bench.stop)
        return found

    return write


def cut(text: str, stop: Sequence[str]) -> str:
    """The text before the first stop string."""
    return text[: min((text.index(s) for s in stop if s in text), default=len(text))]


def harness(bench: Bench, batch: int) -> Side | None:
    try:
        from lm_eval.api.instance import Instance
        from lm_eval.models.huggingface import HFLM
    except ImportError:
        return None
    logging.disable(logging.WARNING)
    lm = HFLM(pretrained=bench.model, tokenizer=bench.tokenizer, batch_size=batch, device=str(bench.device))

    def write(rows: Sequence[Rendered]) -> list[str]:
        settings = {"until": list(bench.stop), "max_gen_toks": NEW, "do_sample": False}
        asked = [Instance(request_type="generate_until", doc={}, arguments=(row.text, settings), idx=0) for row in rows]
        found: list[str] = lm.generate_until(asked, disable_tqdm=True)
        return found

    return write


# What is measured and compared


def measured(bench: Bench, options: Any) -> dict[str, Any]:
    rows = measuring.prompts(options.demonstrations, options.examples)
    few = rows[: options.slow]
    slow: dict[str, Side] = {f"model.generate, batches of {size}": theirs(bench, size) for size in options.batches}
    lm_eval = harness(bench, options.batches[-1])
    if lm_eval is not None:
        slow["lm_eval HFLM.generate_until"] = lm_eval
    fast = ours(bench)
    wanted = fast(rows[:2])  # what is found out about a model once is no part of the time
    texts: dict[str, list[str]] = {}

    def kept(name: str, side: Side, some: Sequence[Rendered]) -> Callable[[], None]:
        return lambda: texts.__setitem__(name, side(some))

    sides = {"ours": kept("ours", fast, rows)} | {name: kept(name, side, few) for name, side in slow.items()}
    seconds = measuring.in_turn(sides, options.repeats, bench.device)
    each = {name: statistics.median(s) / len(rows if name == "ours" else few) for name, s in seconds.items()}
    best = min((name for name in each if name.startswith("model")), key=lambda name: each[name])
    rates = {"model.generate": each[best], "lm_eval HFLM.generate_until": each.get("lm_eval HFLM.generate_until")}
    return {
        "tokens_per_prompt": round(statistics.mean(len(bench.tokenizer(row.text)["input_ids"]) for row in few), 1),
        "new_tokens": NEW,
        "stop": list(bench.stop),
        "examples": {"ours": len(rows), "others": len(few)},
        "milliseconds": {name: round(1000 * value, 1) for name, value in each.items()},
        "best_batch": best,
        "ratio": {name: round(rate / each["ours"], 2) if rate else None for name, rate in rates.items()},
        "same_texts": {name: agreement(bench, few, texts["ours"], texts[name]) for name in slow},
        "repeatable": fast(rows[:2]) == wanted,
    }


def agreement(bench: Bench, rows: Sequence[Rendered], mine: Sequence[str], other: Sequence[str]) -> dict[str, int]:
    """How many texts are the same; of the others, how many are those of the model asked alone.

    lm_eval hands its texts on without the spaces around them.
    """
    differ = [i for i in range(len(rows)) if mine[i].strip() != other[i].strip()]
    alone = dict(zip(differ, theirs(bench, 1)([rows[i] for i in differ]), strict=True))
    return {
        "same": len(rows) - len(differ),
        "of": len(rows),
        "ours_as_alone": sum(alone[i].strip() == mine[i].strip() for i in differ),
        "theirs_as_alone": sum(alone[i].strip() == other[i].strip() for i in differ),
    }


def bars(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What was asked for, and what came out."""
    return [
        {
            "model": row["model"],
            "beside": name,
            "bar": bar,
            "ratio": row["ratio"][name],
            "reached": row["ratio"][name] >= bar,
        }
        for row in rows
        for name, bar in BARS.items()
        if row["ratio"][name] is not None and not row["stop"]
    ]


def table(found: dict[str, Any]) -> str:
    """For people."""
    lines = [
        "# Writing answers beside what people use",
        "",
        f"Milliseconds of {found['clock']} per prompt, medians of {found['repeats']} turn(s), {NEW} new tokens; "
        f"made by `{found['remake']}`.",
        f"Machine: {found['machine']['cpu']}, {found['machine']['threads']} thread(s), {found['machine']['device']}.",
        "",
        "| model | demonstrations | tokens | ends at | prompts (ours, others) | ours | model.generate | lm_eval "
        "| model.generate / ours | lm_eval / ours | same texts |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in found["rows"]:
        times, same = row["milliseconds"], row["same_texts"][row["best_batch"]]
        lm_eval = times.get("lm_eval HFLM.generate_until", HARNESS_MISSING)
        cells = [
            row["model"],
            row["demonstrations"],
            row["tokens_per_prompt"],
            repr(row["stop"][0]) if row["stop"] else "the cap",
            f"{row['examples']['ours']}, {row['examples']['others']}",
            times["ours"],
            f"{times[row['best_batch']]} ({row['best_batch'].split(', ')[1]})",
            lm_eval,
            *(ratio if ratio is not None else "-" for ratio in row["ratio"].values()),
            f"{same['same']} of {same['of']}",
        ]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    lines.append("")
    for bar in found["bars"]:
        reached = "reached" if bar["reached"] else "NOT reached"
        lines.append(f"- {bar['model']}: {bar['ratio']} times {bar['beside']}, bar {bar['bar']:g}: {reached}.")
    for row in found["rows"]:
        lines += [
            f"- {row['model']}: of {same['of'] - same['same']} texts that differ from {name}, ours are those of the "
            f"model asked alone {same['ours_as_alone']} times, its {same['theirs_as_alone']} times."
            for name, same in row["same_texts"].items()
            if same["same"] < same["of"]
        ]
    return "\n".join(lines) + "\n"


def main() -> None:
    options = arguments().parse_args()
    torch.set_num_threads(options.threads)
    bench = opened(options)
    named = {"model": options.name or options.model, "demonstrations": options.demonstrations}
    row = {**named, **measured(bench, options)}
    known = json.loads(options.out.read_text(encoding="utf-8"))["rows"] if options.add and options.out.exists() else []
    found: dict[str, Any] = {
        "machine": machine.timed_on(bench.device),
        "versions": machine.versions("torch", "transformers", "tokenizers", "lm_eval"),
        "clock": measuring.clock(bench.device),
        "repeats": options.repeats,
        "rows": [*known, row],
        "remake": "python benchmarks/generation.py, then with --add for each further model",
    }
    found["bars"] = bars(found["rows"])
    found["ratio"] = min((bar["ratio"] for bar in found["bars"]), default=None)
    save(options.out, found, table(found), indent=2)
    print(table(found))


def arguments() -> Any:
    parser = command_line(__doc__, "generation")
    parser.add_argument("--model", default="builtin:gpt", help="folder, hub name or built-in model")
    parser.add_argument("--name", help="what tables call it")
    parser.add_argument("--examples", type=int, default=500)
    parser.add_argument("--slow", type=int, default=64, help="prompts that the other sides are timed on")
    parser.add_argument("--batches", type=int, nargs="+", default=[8, 32])
    parser.add_argument("--demonstrations", type=int, default=8)
    parser.add_argument("--stop", default="", help="answers end before this text")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--batch-tokens", type=int, default=8192)
    parser.add_argument("--add", action="store_true", help="keep the rows that --out has")
    return parser


if __name__ == "__main__":
    main()
