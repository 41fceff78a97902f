"""A whole search beside the script a competent user would write: the same trials, two at a time, on this machine.

Ours is the search of `whole_search.yaml` as the command line runs it: 60 trials over texts, demonstrations and soft
prompts of the embedded GPT, each trained and measured to its end (one rung), MLflow on SQLite. Theirs is
`whole_search_stock.py` at the very points that ours tried: Ray Tune, OptunaSearch, a function that loads the model,
trains with PEFT and evaluates in a plain loop, MLflowLoggerCallback. Time counts from the first trial's start to the
last one's end, so that starting Ray is left out on both sides.

Theirs may be run at every n-th of the points alone (`--every`): what a trial takes there does not depend on the
others. Both sides draw demonstrations and initial vectors by generators of their own: scores agree within noise.
Where our time goes is seen by a profile of some of our trials in one process, without Ray; and what is left to gain
by the arithmetic that both sides ask for, counted by torch at a few of the points (`needed`).

    python -m benchmarks.whole_search [--every 4] [--out reports/benchmarks/whole_search.json]
"""

from __future__ import annotations

import argparse
import cProfile
import json
import os
import pstats
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import torch
import yaml
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

from autoprompt_search import SearchResult
from autoprompt_search.config import load_config
from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.core.types import Example, Params, TrialRecord
from autoprompt_search.runners import RUNNERS
from autoprompt_search.session import Silent, prepare
from autoprompt_search.tasks import TASKS
from autoprompt_search.trial import TrialRun
from autoprompt_search.walk import search
from autoprompt_search.workspace import Workspace
from benchmarks.machine import described, table
from benchmarks.whole_search_stock import train_and_evaluate

HERE = Path(__file__).parent
SPACE = HERE / "whole_search.yaml"
MODEL = HERE.parent / "autoprompt_search" / "embedded" / "gpt"


PROFILED = 24
"""Trials of the profile: the first texts, and soft prompts on them."""
PARTS = {
    "training steps, backward": ("torch/autograd/graph.py", "_engine_run_backward"),
    "training steps, all": ("soft/training.py", "_backward"),
    "examples measured, all": ("evaluate.py", "_ask"),
    "examples measured, rendering": ("evaluate.py", "render_all"),
    "examples measured, rows and tokens": ("backends/causal.py", "units"),
}
"""What is shown of the profile: part -> end of the file, and the function."""


ON_CPU = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: lambda query, key, value, *_, **__: sdpa_flop_count(
        query, key, value
    ),
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: (
        lambda out, query, key, value, *_, **__: sdpa_backward_flop_count(out, query, key, value)
    ),
}
"""What torch's counter does not know of: shapes -> operations of attention on a CPU."""
BAR = 10
COUNTED = 4
"""Points, spread over the search, at which operations are counted."""


class Watch(Silent):
    """First start, last end."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def started(self, number: int, params: Params) -> None:
        self.times.append(time.perf_counter())

    def finished(self, record: TrialRecord) -> None:
        self.times.append(time.perf_counter())


def ours(folder: Path, trials: int) -> tuple[SearchResult, float]:
    """The product's own search; and seconds from the first trial's start to the last one's end."""
    watch = Watch()
    plain = yaml.safe_load(SPACE.read_text(encoding="utf-8"))
    plain["budget"] = {"trials": trials}
    plain["tracker"]["uri"] = f"sqlite:///{folder}/mlflow.db"
    space = folder / "space.yaml"
    space.write_text(yaml.safe_dump(plain, sort_keys=False), encoding="utf-8")
    result = search(load_config(space), out=folder / "out", progress=watch)
    return result, max(watch.times) - min(watch.times)


def profiled(folder: Path) -> dict[str, float]:
    """Part -> share of the time of some of our trials, in percent; parts named `all` hold those beside them."""
    plain = yaml.safe_load(SPACE.read_text(encoding="utf-8"))
    plain |= {"budget": {"trials": PROFILED}, "runner": "local", "tracker": "none"}
    space = folder / "profiled.yaml"
    space.write_text(yaml.safe_dump(plain, sort_keys=False), encoding="utf-8")
    profile = cProfile.Profile()
    profile.enable()
    search(load_config(space), out=folder / "profiled")
    profile.disable()
    found = pstats.Stats(profile).stats  # type: ignore[attr-defined]

    def seconds(file: str, function: str) -> float:
        return sum(row[3] for (where, _, name), row in found.items() if where.endswith(file) and name == function)

    whole = seconds("trial/climbing.py", "step") + seconds("trial/climbing.py", "run_test")
    return {part: round(100 * seconds(*at) / whole, 1) for part, at in PARTS.items()}


def needed(folder: Path, points: list[Params]) -> list[dict[str, float]]:
    """GFLOP of the matrix products and the attention of one trial at each of these points, ours and theirs."""
    config = load_config(SPACE).model_copy(update={"runner": ComponentSpec(type="local")})
    given = handed_over(folder, points, [])
    rows = []
    with Workspace(folder / "counted", config) as place, closing(RUNNERS.build(config.runner)) as runner:
        job = prepare(config, place, runner).job
        for point in points:
            made = {}
            for side, trial in (
                ("ours", TrialRun(job, point).step),
                ("theirs", partial(train_and_evaluate, dict(point), given, "dev")),
            ):
                with FlopCounterMode(display=False, custom_mapping=ON_CPU) as counter:
                    trial()
                made[side] = round(counter.get_total_flops() / 1e9, 1)
            rows.append({"soft tokens": point.get("soft.tokens", 0), "demonstrations": point.get("demos.k", 0), **made})
    return rows


def handed_over(folder: Path, points: list[Params], run: list[int]) -> dict[str, Any]:
    """What the other script is told."""
    plain = yaml.safe_load(SPACE.read_text(encoding="utf-8"))
    splits = TASKS.build(load_config(SPACE).task).load(plain["seed"])
    return {
        "folder": str(folder),
        "model": str(MODEL),
        "templates": plain["templates"],
        "points": [dict(point) for point in points],
        "run": run,
        **{name: [_flat(e) for e in getattr(splits, name)] for name in ("train", "dev", "test")},
    }


def theirs(folder: Path, points: list[Params], run: list[int]) -> dict[str, Any]:
    """The other script, in a process of its own, at the points of these numbers."""
    source, out = folder / "given.json", folder / "found.json"
    source.write_text(json.dumps(handed_over(folder, points, run)), encoding="utf-8")
    command = [sys.executable, str(HERE / "whole_search_stock.py"), str(source), str(out)]
    subprocess.run(command, check=True, cwd=folder)
    found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return found


def _flat(example: Example) -> dict[str, str]:
    return {"text": example.inputs["text"], "label": example.target}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--every", type=int, default=1, help="theirs at every n-th point, the best one added")
    parser.add_argument("--out", type=Path, default=Path("reports/benchmarks/whole_search.json"))
    options = parser.parse_args()
    # Ray makes workers yield to every other program; on a machine in use that would be measured too.
    os.environ |= {"OMP_NUM_THREADS": "1", "RAY_worker_niceness": "0"}
    with tempfile.TemporaryDirectory() as name:
        result, seconds = ours(Path(name), options.trials)
        records = sorted(result.records, key=lambda r: r.number)
        scores = {r.number: r.measurements[-1].score for r in records if r.measurements}
        best = max(scores, key=lambda n: (scores[n], -n))
        run = sorted({*range(0, len(records), options.every), best})
        found = theirs(Path(name), [r.params for r in records], run)
        # Counted before the profile: answers that were read once in a process are remembered there.
        asked = needed(Path(name), [records[n].params for n in run][:: max(1, len(run) // COUNTED)])
        shares = profiled(Path(name))
        tested = {result.best.number: result.data["best"]["test"], 0: result.data["baseline"]["test"]}
    per_minute = {"ours": 60 * len(records) / seconds, "theirs": 60 * len(run) / found["seconds"]}
    known = {int(n): score for n, score in found["scores"].items()}
    gaps = [abs(known[n] - scores[n]) for n in run if n in scores and records[n].kind == "text"]
    made = {
        **described("peft", "ray", "optuna", "mlflow"),
        "repeats": 1,
        "trials": {"ours": len(records), "stock Tune + Optuna + PEFT + MLflow": len(run)},
        "ours": {"trials_per_minute": round(per_minute["ours"], 1), "seconds": round(seconds, 1)},
        "stock Tune + Optuna + PEFT + MLflow": {
            "trials_per_minute": round(per_minute["theirs"], 2),
            "seconds": round(found["seconds"], 1),
        },
        "ratio": round(per_minute["ours"] / per_minute["theirs"], 1),
        "max_difference": {"dev accuracy of trials with the same text and nothing drawn": round(max(gaps), 4)},
        "best": {
            "ours": {"trial": result.best.number, "test": tested[result.best.number]},
            "theirs": {"trial": found["best"], "dev": known[found["best"]], "test": found["test"]},
            "ours at the highest dev score": {"trial": best, "dev": scores[best], "theirs, dev": known[best]},
        },
        "profile_percent": shares,
        "gflop": {"points": asked, "ratio": round(sum(r["theirs"] for r in asked) / sum(r["ours"] for r in asked), 1)},
        "remake": f"python -m benchmarks.whole_search --every {options.every}",
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")
    rows = [
        {
            "side": side,
            "trials": made["trials"][side],
            "seconds": made[side]["seconds"],
            "trials a minute": made[side]["trials_per_minute"],
        }
        for side in made["trials"]
    ]
    parts = table([{"part": part, "% of our trials' time": share} for part, share in shares.items()])
    verdict = "reached" if made["ratio"] >= BAR else "not reached"
    text = (
        f"# A whole search, the same trials\n\n{table(rows)}\n\nRatio {made['ratio']} (bar {BAR}: {verdict}). "
        f"{made['machine']}. Made by `{made['remake']}`.\n\n"
        f"Where our trials' time goes ({PROFILED} trials in one process):\n\n{parts}\n\n"
        f"GFLOP that a trial asks for, counted by torch:\n\n{table(asked)}\n\nTheirs ask for "
        f"{made['gflop']['ratio']} times as much: what is beyond that ratio is loading, waiting and passes "
        f"that are too small to be fast. Ours counts its looks at dev between training steps and its timing of single "
        f"prompts too, which theirs does not do.\n"
    )
    options.out.with_suffix(".md").write_text(text, encoding="utf-8")
    print(json.dumps(made, indent=2))


if __name__ == "__main__":
    main()
