"""Soft prompts of N trials trained side by side on one model, in one batch a step, beside one after the other.

Every trial is a prompt tuning of its own (seed, learning rate, length) and runs in a thread of its own, as with
`runner.share`; the model is shared. Gradients are those of each trial alone: the largest difference of the final
losses is in the file. On a GPU this is what makes small models worth it; on a CPU it saves memory, not time.

    python -m benchmarks.fused [--device cuda --layers 24 --width 1024 --dtype bfloat16] [--trials 1 4 8 16 32]
"""

from __future__ import annotations

import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch

from autoprompt_search.backends.hf.shared import SharedBackend
from autoprompt_search.core.protocols.tuning import Fitted, TuneData
from autoprompt_search.soft.prompt_tuning import prompt_tuning
from autoprompt_search.soft.training import Training
from benchmarks.harness import command_line, save
from benchmarks.machine import described, table
from benchmarks.soft_models import made_up_task, model_folder


def trial(number: int, steps: int) -> Training:
    """One point of a search."""
    tokens, lr = 8 + 2 * (number % 5), 0.1 * (1 + number % 7)
    return prompt_tuning(seed=number, tokens=tokens, lr=lr, init="vocabulary", steps=steps, batch_size=8)


def timed(backend: Any, data: TuneData, trials: int, steps: int, *, at_once: bool) -> tuple[float, float, list[float]]:
    """Wall and CPU seconds of all trials, and the loss each ended at."""

    def fit(number: int) -> Fitted:
        return trial(number, steps).fit(backend, data, until=steps, folder=None)

    walls, cpus = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(trials if at_once else 1) as pool:
        losses = [fitted.loss for fitted in pool.map(fit, range(trials))]
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - walls, time.process_time() - cpus, losses


def compared(backend: Any, data: TuneData, trials: int, steps: int, repeats: int) -> dict[str, Any]:
    """One row: medians, one after the other and at once in turn."""
    pairs, sizes = [], []
    for _ in range(repeats):
        one = timed(backend, data, trials, steps, at_once=False)
        backend.rendezvous.sizes = []
        pairs.append((one, timed(backend, data, trials, steps, at_once=True)))
        sizes += backend.rendezvous.sizes
    gaps = [abs(a - b) for one, other in pairs for a, b in zip(one[2], other[2], strict=True)]
    wall = [statistics.median(pair[side][0] for pair in pairs) for side in (0, 1)]
    cpu = [statistics.median(pair[side][1] for pair in pairs) for side in (0, 1)]
    return {
        "trials": trials,
        "one after the other, s": round(wall[0], 2),
        "at once, s": round(wall[1], 2),
        "ratio": round(wall[0] / wall[1], 2),
        "ratio of CPU seconds": round(cpu[0] / cpu[1], 2),
        "trainings in a step": round(statistics.mean(sizes), 1),
        "max_difference": float(f"{max(gaps):.1e}"),
    }


def main() -> None:
    parser = command_line(__doc__, "fused")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="auto", choices=["auto", "float32", "bfloat16", "float16"])
    parser.add_argument("--shape", default="llama", choices=["gpt2", "llama"])
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--width", type=int, default=96)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--trials", type=int, nargs="+", default=[1, 4, 8, 16, 32])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = model_folder(options.shape, Path(name), layers=options.layers, width=options.width)
        spec = {"type": "hf-causal", "model": str(folder), "device": options.device, "dtype": options.dtype}
        backend, data = SharedBackend(of=spec), made_up_task(0)
        timed(backend, data, 2, 2, at_once=True)
        rows = [compared(backend, data, n, options.steps, options.repeats) for n in options.trials]
    settings = {name: getattr(options, name) for name in ("shape", "layers", "width", "dtype", "steps", "repeats")}
    made = {**described(), **settings, "rows": rows, "remake": "python -m benchmarks.fused"}
    head = f"# Soft prompts trained at once\n\n{made['machine']}; GPU: {made['gpu']}. {settings}."
    save(options.out, made, f"{head}\n\n{table(rows)}\n", indent=2)
    print(table(rows))


if __name__ == "__main__":
    main()
