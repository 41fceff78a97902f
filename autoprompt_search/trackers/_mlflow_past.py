"""What earlier searches have recorded in an MLflow experiment, for a search that starts where they ended.

Of a trial its parameters, its score on all of dev and its loss there are read; no metric of a search itself, where
those of its test split are.
"""

from __future__ import annotations

import contextlib
import json
import math
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from autoprompt_search.core.earlier import EarlierSearch, EarlierTrial, listed
from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.registry import unknown
from autoprompt_search.trackers._mlflow_entry import EXACT, FULL_SCORE
from autoprompt_search.trackers._mlflow_store import FINGERPRINT, PARENT

_PAGE = 1000
_MEGABYTES = 64
"""An artifact larger than that is none of ours."""


def earlier(uri: str, experiment: str) -> list[EarlierSearch]:
    """The searches of `experiment` with complete trials, the latest first. Raises what MLflow raises."""
    client = MlflowClient(uri)
    known = client.get_experiment_by_name(experiment)
    if known is None or known.lifecycle_stage != "active":
        names = [e.name for e in client.search_experiments(max_results=_PAGE)]
        raise ConfigError(unknown("MLflow experiment", experiment, names))
    trials: dict[str, list[EarlierTrial]] = {}
    for run in _complete(client, str(known.experiment_id)):
        if (trial := _trial(run)) is not None:
            trials.setdefault(run.data.tags.get(PARENT, ""), []).append(trial)
    parents = []
    for run_id in trials:
        with contextlib.suppress(MlflowException):  # deleted for good: its trials have no search any more
            parents.append(client.get_run(run_id))
    alive = [run for run in parents if run.info.lifecycle_stage == "active"]
    latest = sorted(alive, key=lambda run: (-run.info.start_time, run.info.run_id))
    return [_search(client, run, trials[run.info.run_id]) for run in latest]


def _complete(client: Any, experiment_id: str) -> Iterator[Any]:
    """Runs of trials that saw all of dev, page by page."""
    token = None
    while True:
        page = client.search_runs(
            [experiment_id],
            f"attributes.status = 'FINISHED' and tags.`{FINGERPRINT}` != '' and metrics.`{FULL_SCORE}` > -1e9",
            max_results=_PAGE,
            page_token=token,
        )
        yield from page
        token = page.token
        if not token:
            return


def _trial(run: Any) -> EarlierTrial | None:
    """None for a run that is no trial of ours, or was recorded by a version that did not keep exact parameters."""
    tags, metrics = run.data.tags, run.data.metrics
    try:
        params = json.loads(tags[EXACT])
        return EarlierTrial(int(tags["trial"]), dict(params), metrics[FULL_SCORE], metrics.get("dev/loss", math.inf))
    except (KeyError, ValueError, TypeError):
        return None


def _search(client: Any, run: Any, trials: Sequence[EarlierTrial]) -> EarlierSearch:
    tags = run.data.tags
    seen = _artifact(client, run.info.run_id, "examples.json")
    try:
        prints = listed(seen) if seen else None
    except (ValueError, TypeError, LookupError):
        prints = None
    return EarlierSearch(
        name=f"{run.info.run_name} ({run.info.run_id[:8]})",
        config=_artifact(client, run.info.run_id, "config.yaml"),
        test=tags.get("data_test", ""),
        seen=prints,
        trials=tuple(trials),
    )


def _artifact(client: Any, run_id: str, name: str) -> str:
    """The text of a file of a run; empty where it has none that could be read."""
    try:
        sizes = {file.path: file.file_size or 0 for file in client.list_artifacts(run_id)}
        if sizes.get(name, math.inf) > _MEGABYTES * 2**20:
            return ""
        with tempfile.TemporaryDirectory() as folder:
            return Path(client.download_artifacts(run_id, name, folder)).read_text(encoding="utf-8")
    except Exception:  # noqa: BLE001 - whatever an artifact store raises; the search is then one without that file
        return ""
