"""What the engine itself costs per trial, beside stock Ray Tune + OptunaSearch + MLflowLoggerCallback.

Both run the same scripted trials (three rungs, no model) two at a time on this machine, both log to MLflow on
SQLite. Time counts from the first trial's start to the last trial's end, so that starting Ray is left out.

    python benchmarks/overhead.py [--trials 200] [--stock-trials 40] [--out reports/benchmarks/overhead.json]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from autoprompt_search.config import SearchConfig
from autoprompt_search.core.types import Measurement, Params, TrialRecord
from autoprompt_search.session import Silent, prepare, session
from autoprompt_search.trial import TrialJob, TrialRun
from autoprompt_search.workspace import Workspace

SPACE = Path(__file__).parents[1] / "search_spaces" / "quickstart.yaml"


class Stopwatch(Silent):
    """First start, last end, and how many trials."""

    def __init__(self) -> None:
        self.first = self.last = 0.0
        self.count = 0

    def started(self, number: int, params: Params) -> None:
        self.first = self.first or time.perf_counter()

    def measured(self, number: int, measurement: Measurement) -> None:
        pass

    def finished(self, record: TrialRecord) -> None:
        self.last = time.perf_counter()
        self.count += 1

    @property
    def per_trial(self) -> float:
        return (self.last - self.first) / self.count


def scripted(trials: int, folder: Path) -> SearchConfig:
    """The quickstart's texts and demonstrations over a backend that needs no model."""
    plain = yaml.safe_load(SPACE.read_text(encoding="utf-8"))
    plain["backend"] = {"type": "scripted"}
    plain["space"]["soft.method"] = "none"
    plain["budget"] = {"trials": trials}
    plain["tracker"] = {"type": "mlflow", "uri": f"sqlite:///{folder}/ours.db"}
    plain["space"]["demos.draw"]["high"] = 999  # enough distinct points for long searches
    return SearchConfig.model_validate(plain)


def ours(trials: int, folder: Path) -> tuple[float, TrialJob]:
    """Seconds per trial of this engine: ask, Ray, ledger, study, MLflow."""
    watch = Stopwatch()
    config = scripted(trials, folder)
    with Workspace(folder / "ours", config) as place:
        plan = prepare(config, place)
        with session(config, place, plan, watch) as parts:
            parts.runner.run(parts.driver, plan.job)
    return watch.per_trial, plan.job


def stock(trials: int, folder: Path, job: TrialJob) -> float:
    """Seconds per trial of what a competent user would write with Tune's own parts."""
    import ray
    from ray import tune
    from ray.air.integrations.mlflow import MLflowLoggerCallback
    from ray.tune.search import ConcurrencyLimiter
    from ray.tune.search.optuna import OptunaSearch

    space = scripted(trials, folder).space

    def trainable(config: dict[str, Any]) -> None:
        run = TrialRun(job, config)
        while isinstance(result := run.step(), Measurement):
            tune.report({"score": result.score, "examples": result.fidelity.examples})

    class Watch(tune.Callback):  # type: ignore[misc]
        first = last = 0.0

        def on_trial_start(self, **info: Any) -> None:
            self.first = self.first or time.perf_counter()

        def on_trial_complete(self, **info: Any) -> None:
            self.last = time.perf_counter()

    watch = Watch()
    ray.init(include_dashboard=False, log_to_driver=False)
    search = ConcurrencyLimiter(OptunaSearch(space.suggest, metric="score", mode="max"), max_concurrent=2)
    mlflow = MLflowLoggerCallback(tracking_uri=f"sqlite:///{folder}/stock.db", experiment_name="stock")
    tune.Tuner(
        tune.with_resources(trainable, {"cpu": 1}),
        run_config=tune.RunConfig(storage_path=str(folder / "tune"), verbose=0, callbacks=[mlflow, watch]),
        tune_config=tune.TuneConfig(search_alg=search, num_samples=trials, metric="score", mode="max"),
    ).fit()
    ray.shutdown()
    return (watch.last - watch.first) / trials


def bare(job: TrialJob, trials: int) -> float:
    """Seconds per trial of the scripted work alone, in one process."""
    params = {"template": "baseline", "demos.strategy": "balanced", "demos.k": 4}
    began = time.perf_counter()
    for draw in range(trials):
        run = TrialRun(job, {**params, "demos.draw": draw})
        while isinstance(run.step(), Measurement):
            pass
    return (time.perf_counter() - began) / trials


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--stock-trials", type=int, default=40)
    parser.add_argument("--out", type=Path, default=Path("reports/benchmarks/overhead.json"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        mine, job = ours(options.trials, Path(name))
        work = bare(job, 20)
        theirs = stock(options.stock_trials, Path(name), job)
    found = {
        "ours_ms_per_trial": round(1000 * mine, 1),
        "stock_ms_per_trial": round(1000 * theirs, 1),
        "ratio": round(theirs / mine, 1),
        "scripted_work_ms_per_trial_full_climb": round(1000 * work, 1),
        "trials": options.trials,
        "stock_trials": options.stock_trials,
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "remake": "python benchmarks/overhead.py",
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
