"""What torch's settings are worth in one search: number format and compilation.

On the random model of `soft_trial.py`: a training step (batch of 8, no demonstrations), and 64 prompts scored; costs in
CPU seconds of one thread, as a worker has for each of its CPUs.
Differences are those of the log-probabilities from float32. A compiled model must win back what compiling cost.

    python -m benchmarks.torch_settings [--out reports/benchmarks/torch_settings.json]
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from autoprompt_search.backends.hf import loaded_model
from autoprompt_search.backends.hf.causal import hf_causal
from autoprompt_search.core.prompts import SoftPosition
from benchmarks.harness import command_line, save
from benchmarks.machine import described, table
from benchmarks.soft_models import made_up_task, model_folder

STEPS = 5


def cpu(work: Callable[[], object]) -> float:
    """Seconds of all threads."""
    began = time.process_time()
    work()
    return time.process_time() - began


def measured(folder: Path, *, dtype: str, threads: int, compiled: bool) -> tuple[dict[str, Any], np.ndarray[Any, Any]]:
    """One row without its differences, and log-probabilities."""
    loaded_model._LOADED.clear()
    torch.set_num_threads(threads)
    backend = hf_causal(str(folder), device="cpu", dtype=dtype, state_megabytes=0)  # type: ignore[arg-type]
    data, place = made_up_task(0), SoftPosition()
    soft = backend.embed_tokens("w1 w2 w3 w4 w5 w6 w7 w8").clone().requires_grad_()
    if compiled:
        backend._loaded.model.forward = torch.compile(backend._loaded.model.forward, dynamic=True)

    def step(number: int) -> None:
        prompts = [data.prompts[(8 * number + i) % 64] for i in range(8)]
        backend.answer_logliks(soft, place, prompts, data.answers).sum().backward()

    def score() -> None:
        backend.score(data.prompts, data.answers)

    first = cpu(lambda: (step(0), score()))
    steps = [cpu(lambda number=number: step(number)) for number in range(1, STEPS + 1)]  # type: ignore[misc]
    scores = [cpu(score) for _ in range(3)]
    row = {
        "format": dtype,
        "threads": threads,
        "compiled": compiled,
        "first step and scores, s": round(first, 2),
        "step, s": round(statistics.median(steps), 3),
        "64 scores, s": round(statistics.median(scores), 3),
    }
    return row, backend.score(data.prompts, data.answers).logliks


def main() -> None:
    parser = command_line(__doc__, "torch_settings")
    parser.add_argument("--compile", action="store_true", help="needs a C++ compiler")
    options = parser.parse_args()
    rows, wanted = [], None
    with tempfile.TemporaryDirectory() as name:
        folder = model_folder("gpt2", Path(name))
        kinds = [("float32", 1, False), ("bfloat16", 1, False)]
        kinds += [("float32", 1, True)] if options.compile else []
        for dtype, threads, compiled in kinds:
            row, found = measured(folder, dtype=dtype, threads=threads, compiled=compiled)
            wanted = found if wanted is None else wanted
            rows.append(row | {"max_difference": float(f"{np.abs(found - wanted).max():.1e}")})
            print(rows[-1], flush=True)
    made = {**described(), "repeats": STEPS, "rows": rows, "remake": "python -m benchmarks.torch_settings"}
    text = f"# Settings of torch\n\nCPU seconds. {made['machine']}.\n\n{table(rows)}\n"
    save(options.out, made, text, indent=2)


if __name__ == "__main__":
    main()
