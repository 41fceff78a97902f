"""What the engine itself costs per trial, beside stock Ray Tune + OptunaSearch + ASHA + MLflowLoggerCallback.

Both run scripted trials (three rungs, no model) two at a time on this machine and log to MLflow on SQLite, each in a
process of its own. Wall time counts from the first trial's start to the last trial's end, so that starting Ray is
left out. The scripted work is what the workers themselves measured around scoring, in the very trials that ran. Two
trials share the wall time, so

    overhead per trial = wall time / trials - scripted work / trials / 2

Everything else is overhead: asking, Ray, building prompts, ledger, study, MLflow, and waiting.

    python benchmarks/overhead.py [--trials 200] [--stock-trials 40] [--out reports/benchmarks/overhead.json]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from autoprompt_search.config import SearchConfig
from autoprompt_search.core.types import Measurement, Params, TrialRecord
from autoprompt_search.runners import RUNNERS
from autoprompt_search.runners.local import LocalRunner
from autoprompt_search.session import Silent, prepare, session
from autoprompt_search.trial import TrialRun
from autoprompt_search.workspace import Workspace

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

    def start(self) -> None:
        self.first = self.first or time.perf_counter()

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
            "rungs_per_trial": round(self.rungs / self.trials, 2),
            "trials": self.trials,
        }


class Watching(Silent):
    """The stopwatch as the driver's progress."""

    def __init__(self, watch: Stopwatch) -> None:
        self.watch = watch

    def started(self, number: int, params: Params) -> None:
        self.watch.start()

    def measured(self, number: int, measurement: Measurement) -> None:
        self.watch.rung(measurement.cost.seconds)

    def finished(self, record: TrialRecord) -> None:
        self.watch.end()


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


def ours(trials: int, folder: Path) -> Stopwatch:
    """This engine."""
    watch, config = Stopwatch(), scripted(trials, folder)
    with Workspace(folder / "search", config) as place, closing(RUNNERS.build(config.runner)) as runner:
        plan = prepare(config, place, runner)
        with session(config, place, plan, runner, Watching(watch)) as parts:
            runner.run(parts.driver, plan.job)
    return watch


def stock(trials: int, folder: Path) -> Stopwatch:
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
    return watch


SIDES = {"ours": ours, "stock": stock}


def alone(side: str, trials: int) -> dict[str, float]:
    """One side in a process of its own: environment variables and loaded libraries of the other do not count."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "found.json"
        command = [sys.executable, __file__, "--side", side, "--trials", str(trials), "--out", str(out)]
        # Ray makes workers yield to every other program; on a machine in use that would be measured too.
        subprocess.run(command, check=True, env={**os.environ, "RAY_worker_niceness": "0"})
        found: dict[str, float] = json.loads(out.read_text(encoding="utf-8"))
        return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--stock-trials", type=int, default=40)
    parser.add_argument("--out", type=Path, default=Path("reports/benchmarks/overhead.json"))
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        options.out.write_text(json.dumps(SIDES[options.side](options.trials, options.out.parent).found()))
        return
    mine, theirs = alone("ours", options.trials), alone("stock", options.stock_trials)
    found = {
        "ours": mine,
        "stock": theirs,
        "ratio_of_overheads": round(theirs["overhead_ms_per_trial"] / mine["overhead_ms_per_trial"], 1),
        "concurrency": CONCURRENCY,
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "remake": "python benchmarks/overhead.py",
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
