"""How fast a real language model is scored as it comes, beside a loop that a careful user writes and lm_eval.

The loop sorts prompts by length and puts them through `model(**inputs)` in batches; its batch size is the best of
several, tried on the same prompts. Ours has no option set. Behind demonstrations all prompts of a cell show the same
ones.

    python benchmarks/real_speed.py --model FOLDER --data FOLDER [--out reports/benchmarks/real_speed.json]

A cell is one number format, thread count, number of demonstrations and kind of label words. Cells that are in the file
are left alone, and each is written when it is measured: the command may be stopped, and goes on. Figures only.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import machine
import measuring
import numpy as np
import roofline
import scoring
import torch
from harness import command_line, save

from autoprompt_search.backends.hf.causal import hf_causal
from autoprompt_search.backends.hf.tokenizer import common_run
from autoprompt_search.core.prompts import Rendered, Segment

LABELS = {"one token": (" negative", " positive"), "several tokens": (" not worth seeing", " well worth seeing")}
SWEPT = (1, 2, 4, 8, 16, 32, 64)
"""Batch sizes of the loop."""
BARS = {0: 1.3, 8: 8.0}
"""Demonstrations -> times as fast as the loop at its best batch size; label words of one token."""
PEAK_BAR = 0.7
"""Of the matrix-product peak, zero-shot."""


def prompts_of(rows: Sequence[dict[str, Any]], shown: Sequence[dict[str, Any]]) -> list[Rendered]:
    """Prompts that differ in their text only."""
    words = ("negative", "positive")
    demos = "".join(f"Text: {one['text']}\nSentiment: {words[int(one['label'] == 'positive')]}\n\n" for one in shown)
    front = Segment(f"Say whether the author of the text likes the film.\n\n{demos}")
    return [
        Rendered((front, Segment("Text: "), Segment(row["text"], "field:text"), Segment("\nSentiment:")))
        for row in rows
    ]


def read(path: Path, most: int) -> list[dict[str, Any]]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines[:most]]


def sorted_loop(bench: scoring.Bench, batch: int) -> scoring.Side:
    def score(rows: Sequence[Rendered], answers: Sequence[str]) -> np.ndarray:
        asked = sorted(
            scoring.plain_rows(bench.tokenizer, [row.text for row in rows], answers), key=lambda row: -len(row[1])
        )
        out = np.zeros((len(rows), len(answers)), dtype=np.float32)
        for start in range(0, len(asked), batch):
            scoring.read_plain(bench, asked[start : start + batch], out)
        return out

    return score


@contextmanager
def positions_of(model: Any) -> Iterator[list[int]]:
    """The positions of every forward pass, padding included."""
    seen: list[int] = []
    hook = model.get_input_embeddings().register_forward_pre_hook(lambda _module, args: seen.append(args[0].numel()))
    try:
        yield seen
    finally:
        hook.remove()


def measured(cell: dict[str, Any], options: argparse.Namespace) -> dict[str, Any]:
    torch.set_num_threads(cell["threads"])
    options.device, options.dtype, options.batch_tokens = "cpu", cell["dtype"], None
    bench = scoring.opened(options.model, options)
    answers = LABELS[cell["labels"]]
    shown = read(options.data / "sst2" / "train.jsonl", cell["demonstrations"])
    rows = prompts_of(read(options.data / "sst2" / "dev.jsonl", options.examples), shown)
    few = rows[: max(8, options.examples // (1 + cell["demonstrations"]))]
    mine = scoring.ours(bench)
    loops = {batch: sorted_loop(bench, batch) for batch in SWEPT if batch <= len(few)}
    device = torch.device("cpu")
    swept = {
        batch: times[0]
        for batch, times in measuring.in_turn(
            {b: (lambda side=side: side(few, answers)) for b, side in loops.items()}, 1, device
        ).items()
    }
    best = min(swept, key=lambda batch: swept[batch])
    sides: dict[str, Callable[[], object]] = {
        "ours": lambda: mine(rows, answers),
        "sorted loop": lambda: loops[best](few, answers),
    }
    harness = scoring.harness(bench)
    if harness is not None:
        sides["lm_eval"] = lambda: harness(few, answers)
    model = hf_causal(str(options.model), device="cpu", dtype=cell["dtype"])._loaded.model
    sides["peak"], peak_flops = roofline.peak(model, device)
    sides["ours"]()
    seconds = {
        name: statistics.median(times) for name, times in measuring.in_turn(sides, options.repeats, device).items()
    }
    each = {name: seconds[name] / len(rows if name == "ours" else few) for name in sides if name != "peak"}
    ids = [bench.tokenizer(row.text)["input_ids"] for row in rows]
    shared = min(common_run(ids[0], one) for one in ids)
    tokens = shared + sum(len(one) - shared for one in ids)
    with positions_of(model) as positions:
        mine(rows, answers)
    flops = roofline.needed(roofline.work_of(model), [len(one) for one in ids], shared, len(rows))
    return {
        **cell,
        "prompts": len(rows),
        "tokens_per_prompt": round(statistics.mean(map(len, ids)), 1),
        "shared_tokens": shared,
        "prompts_per_second": {name: round(1 / value, 2) for name, value in each.items()},
        "loop_batch": best,
        "times_the_loop": round(each["sorted loop"] / each["ours"], 2),
        **({"times_lm_eval": round(each["lm_eval"] / each["ours"], 2)} if "lm_eval" in each else {}),
        "forward_passes": len(positions),
        "positions": sum(positions),
        "padding": round(1 - tokens / sum(positions), 3) if cell["labels"] == "one token" else None,
        "share_of_peak": round(flops / seconds["ours"] / (peak_flops / seconds["peak"]), 3)
        if cell["labels"] == "one token"
        else None,
        "max_difference": float(np.abs(mine(few, answers) - loops[best](few, answers)).max()),
    }


def worker(folder: str, ready: Any, go: Any, told: Any) -> None:
    """Load, read once, and say the memory of this process while the others hold theirs."""
    backend = hf_causal(folder, device="cpu", dtype="float32", threads=1)
    backend.score([Rendered((Segment("A text"),))], (" yes", " no"))
    ready.put(1)
    go.wait()
    lines = Path("/proc/self/smaps_rollup").read_text(encoding="utf-8").splitlines()
    told.put(1024 * int(next(line.split()[1] for line in lines if line.startswith("Pss:"))))


def memory_of(folder: Path, workers: int) -> int:
    """Bytes that so many processes with the model hold together, shared pages counted once."""
    context = multiprocessing.get_context("spawn")
    ready, told, go = context.Queue(), context.Queue(), context.Event()
    running = [context.Process(target=worker, args=(str(folder), ready, go, told)) for _ in range(workers)]
    for process in running:
        process.start()
    for _ in running:
        ready.get(timeout=300)
    go.set()
    whole = sum(told.get(timeout=300) for _ in running)
    for process in running:
        process.join()
    return whole


def cells(options: argparse.Namespace) -> list[dict[str, Any]]:
    names = ("dtype", "threads", "demonstrations", "labels")
    formats = dict.fromkeys(("float32", machine.fast_format()))
    return [
        dict(zip(names, values, strict=True))
        for values in product(formats, options.threads, options.demonstrations, LABELS)
    ]


def table(found: dict[str, Any]) -> str:
    """For people."""
    rows = [
        {
            "format": row["dtype"],
            "threads": row["threads"],
            "demonstrations": row["demonstrations"],
            "labels": row["labels"],
            "tokens": row["tokens_per_prompt"],
            **{name: row["prompts_per_second"].get(name, "-") for name in ("ours", "sorted loop", "lm_eval")},
            "ours / loop": row["times_the_loop"],
            "padding": "-" if row["padding"] is None else f"{row['padding']:.1%}",
            "of the peak": "-" if row["share_of_peak"] is None else f"{row['share_of_peak']:.0%}",
            "difference": f"{row['max_difference']:.0e}",
        }
        for row in found["rows"]
    ]
    lines = [
        "# Scoring a real language model",
        "",
        f"Prompts per second of CPU time, {found['model']}; the loop at its best batch size.",
        f"Made by `{found['remake']}`.",
        f"Machine: {found['machine']['cpu']}.",
        "",
        machine.table(rows),
        "",
    ]
    for row in found["rows"]:
        bar = BARS.get(row["demonstrations"])
        if bar and row["labels"] == "one token":
            said = "reached" if row["times_the_loop"] >= bar else "NOT reached"
            shape = f"{row['dtype']}, {row['threads']} thread(s), {row['demonstrations']} demonstrations"
            lines.append(f"- {shape}: {row['times_the_loop']} times the loop, bar {bar:g}: {said}.")
            if not row["demonstrations"]:
                said = "reached" if row["share_of_peak"] >= PEAK_BAR else "NOT reached"
                lines.append(f"- {shape}: {row['share_of_peak']:.0%} of the peak, bar {PEAK_BAR:.0%}: {said}.")
    for workers, size in found.get("memory", {}).items():
        lines.append(
            f"- Memory of {workers} worker(s): {size / 2**20:,.0f} MB; the weights in float32 take "
            f"{found['weights'] / 2**20:,.0f} MB."
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = command_line(__doc__, "real_speed")
    parser.add_argument("--model", type=Path, required=True, help="folder of a causal language model")
    parser.add_argument("--data", type=Path, required=True, help="folder with sst2/{train,dev}.jsonl")
    parser.add_argument("--examples", type=int, default=120)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--demonstrations", type=int, nargs="+", default=[0, 8, 32])
    options = parser.parse_args()
    found: dict[str, Any] = json.loads(options.out.read_text()) if options.out.exists() else {"rows": []}
    found |= {
        "machine": machine.timed_on(torch.device("cpu")),
        "versions": machine.versions("torch", "transformers", "tokenizers", "lm_eval"),
        "model": options.model.name,
        "remake": "python benchmarks/real_speed.py --model FOLDER --data FOLDER",
    }
    known = [{name: row[name] for name in ("dtype", "threads", "demonstrations", "labels")} for row in found["rows"]]
    for cell in cells(options):
        if cell not in known:
            found["rows"].append(measured(cell, options))
            print(json.dumps(found["rows"][-1]), flush=True)
            save(options.out, found, table(found))
    if "memory" not in found:
        found["memory"] = {str(n): memory_of(options.model, n) for n in (1, 2)}
        weights = hf_causal(str(options.model), device="cpu", dtype="float32")._loaded.model.parameters()
        found["weights"] = sum(4 * w.numel() for w in weights)
    save(options.out, found, table(found))
    print(table(found))


if __name__ == "__main__":
    main()
