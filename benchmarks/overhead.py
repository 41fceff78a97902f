"""What the engine itself costs per trial, beside stock Ray Tune + OptunaSearch + ASHA + MLflowLoggerCallback.

Both run scripted trials (three rungs, no model) two at a time on this machine and log to MLflow on SQLite, each in a
process of its own, in turn. Wall time counts from the first trial's start to the last trial's end, so that starting Ray
is left out. The scripted work is what the workers themselves measured around scoring, in the very trials that ran. Two
trials share the wall time, so

    overhead per trial = wall time / trials - scripted work / trials / 2

Everything else is overhead: asking, Ray, building prompts, ledger, study, MLflow, and waiting. The driver's processor
time is split by `meter.py`. A long search of ours, run once, shows how cost and memory grow; its wall time is not used.
Which points are drawn differs between the two, so there are no results to compare. Linux only.

    python -m benchmarks.overhead [--repeats 5] [--trials 200] [--stock-trials 40] [--long 2000]
        [--prefix "chrt -r 1"] [--note TEXT] [--out reports/benchmarks/overhead.json]
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import yaml

from autoprompt_search.config import SearchConfig
from autoprompt_search.core.measurements import Measurement, TrialRecord
from autoprompt_search.core.types import Params
from autoprompt_search.runners import RUNNERS
from autoprompt_search.runners.local import LocalRunner
from autoprompt_search.session import Silent, prepare, session
from autoprompt_search.trial import TrialRun
from autoprompt_search.workspace import Workspace
from benchmarks.harness import command_line, save
from benchmarks.machine import host
from benchmarks.meter import Meter, growth, per_trial, slope
from benchmarks.overhead_table import STOCK, table

SPACE = Path(__file__).parents[1] / "search_spaces" / "quickstart.yaml"
CONCURRENCY = 2


@dataclass
class Stopwatch:
    """First start, last end, and what lay between."""

    first: float = 0.0
    last: float = 0.0
    trials: int = 0
    rungs: int = 0
    work: float = 0.0
    """Seconds of scoring, as the workers measured them."""
    cpu: float = 0.0
    """Processor seconds of this process at the first start."""

    def start(self) -> None:
        if not self.first:
            self.first, self.cpu = time.perf_counter(), time.process_time()

    def rung(self, seconds: float) -> None:
        self.rungs += 1
        self.work += seconds

    def end(self) -> None:
        self.last = time.perf_counter()
        self.trials += 1

    def found(self) -> dict[str, float]:
        wall, work = 1000 * (self.last - self.first) / self.trials, 1000 * self.work / self.trials
        return {
            "overhead_ms_per_trial": round(wall - work / CONCURRENCY, 1),
            "wall_ms_per_trial": round(wall, 1),
            "scripted_work_ms_per_trial": round(work, 1),
            "driver_cpu_ms_per_trial": round(1000 * (time.process_time() - self.cpu) / self.trials, 1),
            "rungs_per_trial": round(self.rungs / self.trials, 2),
            "trials": self.trials,
        }


class Watching(Silent):
    """The stopwatch as the driver's progress."""

    def __init__(self, watch: Stopwatch, meter: Meter) -> None:
        self.watch, self.meter = watch, meter

    def started(self, number: int, params: Params) -> None:
        self.watch.start()

    def measured(self, number: int, measurement: Measurement) -> None:
        self.watch.rung(measurement.cost.seconds)

    def finished(self, record: TrialRecord) -> None:
        self.watch.end()
        self.meter.note()


def scripted(trials: int, folder: Path) -> SearchConfig:
    """The quickstart's texts and demonstrations over a backend that needs no model."""
    plain = yaml.safe_load(SPACE.read_text(encoding="utf-8"))
    plain["backend"] = {"type": "scripted"}
    plain["space"]["soft.method"] = "none"
    plain["space"]["demos.draw"]["high"] = 999  # enough distinct points for long searches
    plain["budget"] = {"trials": trials}
    plain["runner"] = {"type": "ray", "concurrency": CONCURRENCY}
    plain["tracker"] = {"type": "mlflow", "uri": f"sqlite:///{folder}/mlflow.db"}
    return SearchConfig.model_validate(plain)


def ours(trials: int, folder: Path) -> dict[str, Any]:
    """This engine."""
    watch, meter, config = Stopwatch(), Meter(), scripted(trials, folder)
    meter.install()
    with Workspace(folder / "search", config) as place, closing(RUNNERS.build(config.runner)) as runner:
        plan = prepare(config, place, runner)
        with session(config, place, plan, runner, Watching(watch, meter)) as parts:
            runner.run(parts.driver, plan.job)
    return {
        **watch.found(),
        "driver_cpu_ms_by_part": per_trial(meter.rows, 1, len(meter.rows)),
        "growth": growth(meter.rows, 10),
        "driver_megabytes": round(meter.memory[-1][1]),
        "workers_megabytes": round(meter.memory[-1][2]),
        "driver_megabytes_per_1000_trials": round(slope(meter.memory, 1), 1),
        "workers_megabytes_per_1000_trials": round(slope(meter.memory, 2), 1),
    }


def stock(trials: int, folder: Path) -> dict[str, Any]:
    """What a competent user would write with Tune's own parts."""
    import ray
    from ray import tune
    from ray.air.integrations.mlflow import MLflowLoggerCallback
    from ray.tune.schedulers import ASHAScheduler
    from ray.tune.search import ConcurrencyLimiter
    from ray.tune.search.optuna import OptunaSearch

    config = scripted(trials, folder)
    with Workspace(folder / "search", config) as place:
        job = prepare(config, place, LocalRunner()).job
    watch = Stopwatch()

    def trainable(point: dict[str, Any]) -> None:
        run = TrialRun(job, point)
        while isinstance(made := run.step(), Measurement):
            tune.report({"score": made.score, "examples": made.fidelity.examples, "seconds": made.cost.seconds})

    class Watch(tune.Callback):  # type: ignore[misc]
        def on_trial_start(self, **info: Any) -> None:
            watch.start()

        def on_trial_result(self, result: dict[str, Any], **info: Any) -> None:
            watch.rung(result["seconds"])

        def on_trial_complete(self, **info: Any) -> None:
            watch.end()

    ray.init(include_dashboard=False, log_to_driver=False)
    asha = ASHAScheduler(
        time_attr="examples", grace_period=job.rungs[0], max_t=job.rungs[-1], reduction_factor=4, brackets=1
    )
    search = ConcurrencyLimiter(
        OptunaSearch(config.space.suggest, metric="score", mode="max"), max_concurrent=CONCURRENCY
    )
    mlflow = MLflowLoggerCallback(tracking_uri=f"sqlite:///{folder}/mlflow.db", experiment_name="stock")
    tune.Tuner(
        tune.with_resources(trainable, {"cpu": 1}),
        run_config=tune.RunConfig(storage_path=str(folder / "tune"), verbose=0, callbacks=[mlflow, Watch()]),
        tune_config=tune.TuneConfig(search_alg=search, scheduler=asha, num_samples=trials, metric="score", mode="max"),
    ).fit()
    ray.shutdown()
    return watch.found()


SIDES = {"ours": ours, "stock": stock}


def alone(side: str, trials: int, prefix: Sequence[str] = ()) -> dict[str, Any]:
    """One side in a process of its own: environment variables and loaded libraries of the other do not count."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "found.json"
        command = [
            *prefix,
            sys.executable,
            "-m",
            "benchmarks.overhead",
            "--side",
            side,
            "--trials",
            str(trials),
            "--out",
            str(out),
        ]
        # Ray makes workers yield to every other program; on a machine in use that would be measured too.
        subprocess.run(command, check=True, env={**os.environ, "RAY_worker_niceness": "0"})
        found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
        return found


def middle(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The median of every figure."""
    first = runs[0]
    return {
        name: middle([run[name] for run in runs]) if isinstance(value, dict) else median(run[name] for run in runs)
        for name, value in first.items()
        if not isinstance(value, list)
    }


def main() -> None:
    parser = command_line(__doc__, "overhead")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--stock-trials", type=int, default=40)
    parser.add_argument("--long", type=int, default=2000)
    parser.add_argument("--prefix", type=shlex.split, default=[], help="put before what is timed, e.g. 'chrt -r 1'")
    parser.add_argument("--note", default="", help="how the machine was, for the record")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        options.out.write_text(json.dumps(SIDES[options.side](options.trials, options.out.parent)))
        return
    pairs = [
        (alone("ours", options.trials, options.prefix), alone("stock", options.stock_trials, options.prefix))
        for _ in range(options.repeats)
    ]
    ratios = [theirs["overhead_ms_per_trial"] / mine["overhead_ms_per_trial"] for mine, theirs in pairs]
    long = alone("ours", options.long)
    found = {
        "ours": middle([mine for mine, _ in pairs]),
        "theirs": {STOCK: middle([theirs for _, theirs in pairs])},
        "ratio": round(median(ratios), 1),
        "max_difference": None,  # the two draw different points: there are no results to compare
        "ratios": [round(ratio, 1) for ratio in ratios],
        "long": {name: value for name, value in long.items() if "wall" not in name and "overhead" not in name},
        "repeats": options.repeats,
        "concurrency": CONCURRENCY,
        "machine": host(),
        "note": options.note,
        "versions": {name: version(name) for name in ("ray", "optuna", "mlflow")},
        "remake": "python -m benchmarks.overhead",
    }
    save(options.out, found, table(found), indent=2)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
