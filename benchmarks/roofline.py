"""How much of the machine scoring and tuning use: needed FLOP/s as a share of the matrix-product peak at their shapes.

Needed operations are counted by formula, for what has to be computed and no more: two per weight and token that is not
shared, four per head width and pair of positions that see each other, two per vocabulary word and answer place;
backward again as much for weights (they are frozen), twice as much for attention. Padding, copies, norms, activations,
tokenising and Python count as time without work. The peak is that of the model's own matrix products, timed on as many
tokens as a batch has, in turn with the rest.

    python benchmarks/roofline.py [--repeats 5] [--out reports/benchmarks/roofline.json]
    python benchmarks/roofline.py --device cuda --dtype bfloat16 --layers 24 --width 1536 --batch-tokens 131072
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import machine
import measuring
import numpy as np
import torch
from harness import command_line, save

from autoprompt_search.backends.hf.backend import HfBackend
from autoprompt_search.backends.hf.causal import hf_causal
from autoprompt_search.backends.hf.tokenizer import common_run
from autoprompt_search.core.prompts import Rendered, SoftPosition

ANSWERS = (" good", " bad", " fine", " poor")
BAR = 0.5
"""Of the peak, for scoring with long prefixes."""
_LONG = 32
"""Demonstrations of a long prefix."""
_TRAINED, _BATCH = 16, 8
_BATCH_TOKENS = 1024
"""Tokens that the peak is measured with: about what a batch of scoring computes."""
_SHOWN = 8
"""Operations of the profile."""


@dataclass(frozen=True, slots=True)
class Work:
    """Needed operations of a model, by what they are counted in."""

    weights: int
    """Per token: weights that it meets in the layers."""
    pair: int
    """Per pair of positions: heads x head width x layers."""
    head: int
    """Per answer place: weights of the head."""

    def flops(self, tokens: int, pairs: int, places: int) -> int:
        return 2 * self.weights * tokens + 4 * self.pair * pairs + 2 * self.head * places


def work_of(model: Any) -> Work:
    config = model.config
    layers, heads = config.num_hidden_layers, config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // heads
    return Work(
        sum(w.numel() for w in matrices(model)), layers * heads * width, model.get_output_embeddings().weight.numel()
    )


def matrices(model: Any) -> list[torch.Tensor]:
    """Weights of the layers' matrix products."""
    embeddings = {id(p) for m in model.modules() if isinstance(m, torch.nn.Embedding) for p in m.parameters()}
    return [w for w in model.base_model.parameters() if w.dim() == 2 and id(w) not in embeddings]


def needed(work: Work, lengths: Sequence[int], shared: int, places: int) -> int:
    """Of `lengths` sequences that begin with `shared` tokens computed once."""
    pairs = shared * (shared + 1) // 2 + sum(n * (n + 1) // 2 - shared * (shared + 1) // 2 for n in lengths)
    return work.flops(shared + sum(n - shared for n in lengths), pairs, places)


def needed_for_step(work: Work, lengths: Sequence[int], shared: int, place: SoftPosition) -> int:
    """Forward behind what is shared; backward from the answer to the vectors and no further."""
    forward = backward = 0
    for length in (n + _TRAINED for n in lengths):
        behind = length if place.at == "start" else _TRAINED
        pairs, back = (sum(range(length - tokens + 1, length + 1)) for tokens in (length - shared, behind))
        forward += work.flops(length - shared, pairs, 1)
        backward += work.flops(behind, 2 * back, 1)
    return forward + backward


def scoring(backend: HfBackend, rows: Sequence[Rendered]) -> Callable[[], object]:
    def side() -> None:
        backend._loaded.prefixes.clear()
        backend._loaded.states.clear()
        backend.score(rows, ANSWERS)

    return side


def tuning(backend: HfBackend, rows: Sequence[Rendered], place: SoftPosition) -> Callable[[], object]:
    vectors = (torch.randn(_TRAINED, backend.width(place)) * 0.02).to(backend._loaded.model.device)

    def side() -> None:
        soft = vectors.clone().requires_grad_()
        backend.answer_logliks(soft, place, rows, ANSWERS).sum().backward()

    return side


def peak(model: Any, device: torch.device) -> tuple[Callable[[], object], int]:
    """The model's matrix products on a batch of tokens, and their operations."""
    weights = [
        w if type(m).__name__ == "Conv1D" else w.T
        for m in model.base_model.modules()
        for w in [getattr(m, "weight", None)]
        if w is not None and w.dim() == 2 and not isinstance(m, torch.nn.Embedding)
    ]
    inputs = {w.shape[0]: torch.randn(_BATCH_TOKENS, w.shape[0], dtype=w.dtype, device=device) for w in weights}

    def side() -> None:
        with torch.no_grad():
            for w in weights:
                inputs[w.shape[0]] @ w

    return side, sum(2 * _BATCH_TOKENS * w.numel() for w in weights)


def measured(shape: str, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    device = torch.device(options.device)
    made = {"device": options.device, "dtype": options.dtype, "batch_tokens": options.batch_tokens}
    backends = {a: hf_causal(str(folder), attention=a, **made) for a in ("expand", "cascade")}
    backend = backends["expand"]
    work = work_of(backend._loaded.model)
    sides, flops, heads = {}, {}, {}
    for demonstrations in options.demonstrations:
        rows = measuring.prompts(demonstrations, options.examples)
        ids = [base.ids for base in backend._family.bases(rows)]
        shared = min(common_run(ids[0], other) for other in ids)
        for attention, one in backends.items():
            name = f"scoring, {demonstrations} demonstrations, {attention}"
            sides[name] = scoring(one, rows)
            flops[name] = needed(work, [len(i) for i in ids], shared, len(rows))
            heads[name] = work.flops(0, 0, len(rows))
    for demonstrations, place in ((0, SoftPosition()), (8, SoftPosition("before-answer"))):
        rows = measuring.prompts(demonstrations, _BATCH)
        ids = [base.ids for base in backend._family.bases(rows)]
        shared = min(common_run(ids[0], other) for other in ids) if demonstrations else 0
        name = f"tuning step, {demonstrations} demonstrations"
        sides[name] = tuning(backend, rows, place)
        flops[name] = needed_for_step(work, [len(i) for i in ids], shared, place)
        heads[name] = 2 * work.flops(0, 0, len(rows))
    sides["peak"], flops["peak"] = peak(backend._loaded.model, device)
    for side in sides.values():
        side()
    seconds = measuring.in_turn(sides, options.repeats, device)
    speed = {name: flops[name] / statistics.median(taken) for name, taken in seconds.items()}
    long = measuring.prompts(max(options.demonstrations), options.examples)
    logliks = [one.score(long, ANSWERS).logliks for one in backends.values()]
    return {
        "model": shape,
        "max_difference": float(np.abs(logliks[0] - logliks[1]).max()),
        "peak_gflops": round(speed["peak"] / 1e9, 1),
        "peak_tokens": _BATCH_TOKENS,
        "rows": [
            {
                "what": name,
                "needed_gflop": round(flops[name] / 1e9, 2),
                "seconds": measuring.summary(seconds[name]),
                "achieved_gflops": round(speed[name] / 1e9, 1),
                "share_of_peak": round(speed[name] / speed["peak"], 3),
                "head_share": round(heads[name] / flops[name], 3),
            }
            for name in sides
            if name != "peak"
        ],
        "profile": profile(sides[f"scoring, {max(options.demonstrations)} demonstrations, expand"]),
    }


def profile(side: Callable[[], object]) -> dict[str, float]:
    """Share of each of the dearest operations in the time of all of them."""
    activities = [torch.profiler.ProfilerActivity.CPU]
    if torch.cuda.is_available():
        activities.append(torch.profiler.ProfilerActivity.CUDA)
    with torch.profiler.profile(activities=activities) as found:
        side()
    on_gpu = torch.cuda.is_available()
    times = {e.key: e.self_device_time_total if on_gpu else e.self_cpu_time_total for e in found.key_averages()}
    whole = sum(times.values()) or 1
    dearest = sorted(times, key=lambda key: -times[key])[:_SHOWN]
    return {key: round(times[key] / whole, 3) for key in dearest}


def bars(models: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of scoring with long prefixes: the better of both ways to attend."""
    found = []
    for one in models:
        long = [row for row in one["rows"] if row["what"].startswith(f"scoring, {_LONG} ")]
        if long:
            best = max(long, key=lambda row: row["share_of_peak"])
            found.append(
                {
                    "model": one["model"],
                    "bar": BAR,
                    "share": best["share_of_peak"],
                    "by": best["what"],
                    "ours": best["seconds"]["median"],
                    "at_the_peak": round(best["needed_gflop"] / one["peak_gflops"], 4),
                    "reached": best["share_of_peak"] >= BAR,
                }
            )
    return found


def table(found: dict[str, Any]) -> str:
    """For people."""
    lines = [
        "# Share of the machine's matrix-product peak",
        "",
        f"Needed operations by formula over {found['clock']}, medians of {found['repeats']} turns; "
        f"made by `{found['remake']}`.",
        f"Machine: {found['machine']['cpu']}, {found['machine']['threads']} thread(s), {found['machine']['device']}. "
        f"{found['gpu']}",
        "",
        "| model | what | needed GFLOP | of them the head's | GFLOP/s | share of the peak |",
        "|---|---|---|---|---|---|",
    ]
    for one in found["models"]:
        lines.append(
            f"| {one['model']} | its matrix products, {one['peak_tokens']} tokens | - | - | {one['peak_gflops']} | 1 |"
        )
        lines += [
            f"| {one['model']} | {row['what']} | {row['needed_gflop']} | {row['head_share']:.0%} "
            f"| {row['achieved_gflops']} | {row['share_of_peak']:.0%} |"
            for row in one["rows"]
        ]
    lines.append("")
    for bar in found["bars"]:
        came = "reached" if bar["reached"] else "NOT reached"
        lines.append(f"- {bar['model']}: {bar['share']:.0%} of the peak ({bar['by']}), bar {bar['bar']:.0%}: {came}.")
    lines.append(f"- Both ways to attend give the same log-probabilities, within {found['max_difference']:.1e}.")
    lines.append(
        "- Behind 8 demonstrations the vectors stand before the answer: what a step does backward for the query before "
        "them counts as time without work."
    )
    for one in found["models"]:
        shown = ", ".join(f"{name} {share:.0%}" for name, share in one["profile"].items())
        lines.append(f"- Where the time of scoring behind the longest prefix goes, {one['model']}: {shown}.")
    return "\n".join(lines) + "\n"


def main() -> None:
    options = arguments()
    torch.set_num_threads(options.threads)
    models = []
    for shape in options.only:
        with tempfile.TemporaryDirectory() as name:
            folder = measuring.built(Path(name), shape, measuring.Size(options.layers, options.width))
            models.append(measured(shape, folder, options))
    device = torch.device(options.device)
    reached = bars(models)
    found = {
        "machine": machine.timed_on(device),
        "versions": machine.versions("torch", "transformers"),
        "model": f"{options.layers} layers, {options.width} wide, vocabulary {measuring.VOCABULARY}, {options.dtype}",
        "gpu": "GPU figures are missing: no GPU was at hand." if device.type == "cpu" else "Taken on a GPU.",
        "clock": measuring.clock(device),
        "repeats": options.repeats,
        # Seconds of scoring behind the longest prefix by model; the smallest share of the peak; both ways to attend.
        "ours": {bar["model"]: bar["ours"] for bar in reached},
        "theirs": {"matrix products at their peak": {bar["model"]: bar["at_the_peak"] for bar in reached}},
        "ratio": min((bar["share"] for bar in reached), default=None),
        "max_difference": max(one["max_difference"] for one in models),
        "models": models,
        "bars": reached,
        "remake": "python benchmarks/roofline.py",
    }
    save(options.out, found, table(found), indent=2)
    print(table(found))


def arguments() -> argparse.Namespace:
    parser = command_line(__doc__, "roofline")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--examples", type=int, default=48)
    parser.add_argument("--demonstrations", type=int, nargs="+", default=[8, _LONG])
    measuring.add_model_options(parser)
    return parser.parse_args()


if __name__ == "__main__":
    main()
