"""A whole search beside the script a competent user would write: the same trials, two at a time, on this machine.

Ours is the search of `whole_search.yaml` as the command line runs it: 60 trials over texts, demonstrations and soft
prompts of the embedded GPT, each trained and measured to its end (one rung), MLflow on SQLite. Theirs is
`whole_search_stock.py` at the very points that ours tried: Ray Tune, OptunaSearch, a function that loads the model,
trains with PEFT and evaluates in a plain loop, MLflowLoggerCallback. Time counts from the first trial's start to the
last one's end, so that starting Ray is left out on both sides.

Both are run in turn, `--repeats` times. Theirs may be run at every n-th of the points alone (`--every`), from another
one on in every turn: what a trial takes there does not depend on the others. Both sides draw demonstrations and initial
vectors by generators of their own: scores agree within noise.
Where our time goes is seen by a profile of some of our trials in one process, without Ray; and what is left to gain
by the arithmetic that both sides ask for, counted by torch at a few of the points (`needed`).

    python -m benchmarks.whole_search [--repeats 5] [--every 6] [--out reports/benchmarks/whole_search.json]
"""

from __future__ import annotations

import cProfile
import json
import os
import pstats
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
import yaml
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

from autoprompt_search import SearchResult
from autoprompt_search.config import load_config
from autoprompt_search.core.measurements import TrialRecord
from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.core.types import Example, Params
from autoprompt_search.runners import RUNNERS
from autoprompt_search.session import Silent, prepare
from autoprompt_search.tasks import TASKS
from autoprompt_search.trial import TrialRun
from autoprompt_search.walk import search
from autoprompt_search.workspace import Workspace
from benchmarks.harness import command_line, save
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
    "examples measured, rows and tokens": ("backends/hf/causal.py", "units"),
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
STOCK = "stock Tune + Optuna + PEFT + MLflow"
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

    whole = seconds("trial/run.py", "step") + seconds("trial/run.py", "run_test")
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


@dataclass(frozen=True, slots=True)
class Turn:
    """Ours, and theirs at points of ours."""

    result: SearchResult
    seconds: float
    run: list[int]
    """Trials of ours whose points theirs ran."""
    found: Mapping[str, Any]

    @property
    def scores(self) -> dict[int, float]:
        """Trial -> our dev score."""
        return scores_of(self.result)

    @property
    def theirs(self) -> dict[int, float]:
        """Trial -> their dev score."""
        return {int(n): score for n, score in self.found["scores"].items()}

    @property
    def best(self) -> int:
        """The trial with our highest dev score, the first of them."""
        return highest(self.scores)

    @property
    def ratio(self) -> float:
        """Trials per second, ours by theirs."""
        return (len(self.result.records) / self.seconds) / (len(self.run) / self.found["seconds"])

    @property
    def gap(self) -> float:
        """Largest difference of dev accuracy at points where both sides say the same: no demonstrations, no vectors."""
        same = [r.number for r in self.result.records if r.params.get("demos.strategy") == "none" and r.kind == "text"]
        return max((abs(self.theirs[n] - self.scores[n]) for n in same if n in self.theirs), default=0.0)

    @property
    def outcome(self) -> dict[str, Any]:
        """What both sides would hand in, and what became of our best point there."""
        data, chosen, best = self.result.data, self.result.best.number, self.best
        return {
            "ours": {"trial": chosen, "test": data["baseline" if chosen == 0 else "best"]["test"]["score"]},
            "theirs": {"trial": self.found["best"], "test": self.found["test"]},
            "ours at the highest dev score": {
                "trial": best,
                "dev": self.scores[best],
                "theirs, dev": self.theirs[best],
            },
        }


def scores_of(result: SearchResult) -> dict[int, float]:
    """Trial -> dev score."""
    return {r.number: r.measurements[-1].score for r in result.records if r.measurements}


def highest(scores: Mapping[int, float]) -> int:
    """The first trial with the highest score."""
    return max(scores, key=lambda n: (scores[n], -n))


def turn(folder: Path, trials: int, every: int, first: int) -> Turn:
    """Both sides once; theirs at every n-th point from the `first` on, and at our best one."""
    folder.mkdir()
    result, seconds = ours(folder, trials)
    points = {r.number: r.params for r in result.records}
    best = highest(scores_of(result))
    run = sorted({*range(first % every, len(points), every), best})
    return Turn(result, seconds, run, theirs(folder, [points[n] for n in sorted(points)], run))


def collected(turns: Sequence[Turn]) -> dict[str, Any]:
    """The figures of all turns."""
    rates: dict[str, list[float]] = {"ours": [], STOCK: []}
    for one in turns:
        rates["ours"].append(60 * len(one.result.records) / one.seconds)
        rates[STOCK].append(60 * len(one.run) / one.found["seconds"])
    mine, other = (
        {"trials_per_minute": round(statistics.median(rate), 2), "turns": [round(r, 2) for r in rate]}
        for rate in rates.values()
    )
    return {
        "repeats": len(turns),
        "trials": {"ours": len(turns[0].result.records), STOCK: [len(one.run) for one in turns]},
        "ours": mine,
        "theirs": {STOCK: other},
        "ratio": round(statistics.median(one.ratio for one in turns), 1),
        "ratios": [round(one.ratio, 1) for one in turns],
        "max_difference": round(max(one.gap for one in turns), 4),
        "best": [one.outcome for one in turns],
    }


def report(made: Mapping[str, Any]) -> str:
    """For people."""
    rows = [
        {
            "side": side,
            "trials a minute, median": one["trials_per_minute"],
            "by turn": ", ".join(map(str, one["turns"])),
        }
        for side, one in {"ours": made["ours"], **made["theirs"]}.items()
    ]
    ends = [
        {
            "turn": number,
            "ours, test": one["ours"]["test"],
            "theirs, test": one["theirs"]["test"],
            "our highest dev score": one["ours at the highest dev score"]["dev"],
            "theirs at that point": one["ours at the highest dev score"]["theirs, dev"],
        }
        for number, one in enumerate(made["best"], 1)
    ]
    parts = table([{"part": part, "% of our trials' time": share} for part, share in made["profile_percent"].items()])
    verdict = "reached" if made["ratio"] >= BAR else "not reached"
    return (
        f"# A whole search, the same trials\n\n{table(rows)}\n\nRatio {made['ratio']}, the median of "
        f"{', '.join(map(str, made['ratios']))} (bar {BAR}: {verdict}). Ours ran {made['trials']['ours']} trials a "
        f"turn, theirs {', '.join(map(str, made['trials'][STOCK]))} of them. {made['machine']}. "
        f"Made by `{made['remake']}`.\n\n"
        "What came of it (theirs chooses among the points that it ran); where a point draws nothing, dev accuracy "
        f"differs by {made['max_difference']} at most:\n\n{table(ends)}\n\n"
        f"Where our trials' time goes ({PROFILED} trials in one process):\n\n{parts}\n\n"
        f"GFLOP that a trial asks for, counted by torch:\n\n{table(made['gflop']['points'])}\n\nTheirs ask for "
        f"{made['gflop']['ratio']} times as much: what is beyond that ratio is loading, waiting and passes "
        f"that are too small to be fast. Ours counts its looks at dev between training steps and its timing of single "
        f"prompts too, which theirs does not do.\n"
    )


def main() -> None:
    parser = command_line(__doc__, "whole_search")
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--every", type=int, default=6, help="theirs at every n-th point, the best one added")
    options = parser.parse_args()
    # Ray makes workers yield to every other program; on a machine in use that would be measured too.
    os.environ |= {"OMP_NUM_THREADS": "1", "RAY_worker_niceness": "0"}
    turns: list[Turn] = []
    with tempfile.TemporaryDirectory() as name:
        for number in range(options.repeats):
            turns.append(turn(Path(name) / str(number), options.trials, options.every, number))
            print(json.dumps(collected(turns)["ratios"]), flush=True, file=sys.stderr)
        # Counted before the profile: answers that were read once in a process are remembered there.
        points = {r.number: r.params for r in turns[-1].result.records}
        asked = needed(Path(name), [points[n] for n in turns[-1].run][:: max(1, len(turns[-1].run) // COUNTED)])
        shares = profiled(Path(name))
    made = {
        **described("peft", "ray", "optuna", "mlflow"),
        **collected(turns),
        "profile_percent": shares,
        "gflop": {"points": asked, "ratio": round(sum(r["theirs"] for r in asked) / sum(r["ours"] for r in asked), 1)},
        "remake": f"python -m benchmarks.whole_search --repeats {options.repeats} --every {options.every}",
    }
    save(options.out, made, report(made), indent=2)
    print(json.dumps(made, indent=2))


if __name__ == "__main__":
    main()
