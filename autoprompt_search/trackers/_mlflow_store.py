"""The MLflow calls of one search: parent run, child runs, `best_so_far`. Knows no thread, spool or back-off."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from autoprompt_search.core.protocols.output import SearchCard, Winner
from autoprompt_search.core.uris import public
from autoprompt_search.trackers._mlflow_entry import FULL_SCORE, NOTE_PROMPT_LENGTH, TrialEntry
from autoprompt_search.trackers._mlflow_keys import safe_key
from autoprompt_search.trackers._mlflow_winner import SHOWN, Shown, inputs_of, show_winner

log = logging.getLogger(__name__)

NOTE, PARENT, SOURCE = "mlflow.note.content", "mlflow.parentRunId", "mlflow.source.name"
KIND = {"mlflow.experimentKind": "custom_model_development"}
"""Tags that MLflow's own pages read."""
SEARCH_ID = "search_id"
FINGERPRINT = "search_fingerprint"
BEST = "best_so_far"
BEST_SECONDS = 5.0
"""Between two updates of `best_so_far`; a point per trial at once would cost as much as the trial's own run."""
NOTE_LENGTH = 8000
"""MLflow cuts longer tags."""
PARENT_STATUS = {"finished": "FINISHED", "stopped": "KILLED", "failed": "FAILED"}
REFUSALS = {"INVALID_PARAMETER_VALUE", "BAD_REQUEST", "INVALID_STATE", "MALFORMED_REQUEST"}
"""Error codes that say: asked again, the answer will be the same."""


@dataclass(frozen=True, slots=True)
class Ending:
    """What `Tracker.close` was given."""

    description: str
    metrics: Mapping[str, float]
    files: tuple[Path, ...]
    status: str
    winner: Winner | None = None


def is_refusal(problem: Exception) -> bool:
    """True when the store answered and said no; False when it did not answer."""
    return isinstance(problem, MlflowException) and problem.error_code in REFUSALS


def is_busy(problem: Exception) -> bool:
    """True when an SQLite file is there and somebody else is writing to it, as where searches begin together."""
    return "database is locked" in str(problem)


def cut_at_a_line(text: str) -> str:
    """What fits into a tag, and no half of a table's row."""
    if len(text) <= NOTE_LENGTH:
        return text
    more = "\n\n(The rest is in the artifact summary.md.)"
    return text[: NOTE_LENGTH - len(more)].rpartition("\n")[0] + more


class MlflowStore:
    """One search in one MLflow store. Every call may raise whatever MLflow raises when the store is away."""

    def __init__(
        self, uri: str, experiment: str, artifacts: str | None, card: SearchCard, search_id: str, shown: Shown = SHOWN
    ) -> None:
        self._uri, self._experiment, self._artifacts = uri, experiment, artifacts
        self._card, self._id, self._shown = card, search_id, shown
        self._client: Any = None
        self._experiment_id = ""
        self._parent = ""
        self._runs: dict[int, str] = {}
        """Trial number -> its run."""
        self._done: set[int] = set()
        self._scores: dict[int, float | None] = {}
        """Full-fidelity scores of the trials in `_done`."""
        self._plotted: set[int] = set()
        """Steps of `best_so_far` that are there."""
        self._plotted_at = -BEST_SECONDS
        self._has_warned = False

    def attach(self) -> None:
        """Find or make experiment and parent run, and learn which trials are there.

        Done again after every failure: an answer that got lost may have been a success.
        """
        self._client = MlflowClient(self._uri)
        self._experiment_id = self._find_experiment()
        self._runs.clear()
        self._done.clear()
        self._scores.clear()
        self._parent = ""
        for run in self._search_runs():
            trial = run.data.tags.get("trial")
            if trial is None:
                self._parent = run.info.run_id
                continue
            self._runs[int(trial)] = run.info.run_id
            if run.info.status != "RUNNING":
                self._done.add(int(trial))
                self._scores[int(trial)] = run.data.metrics.get(FULL_SCORE)
        if self._parent:
            self._client.update_run(self._parent, status="RUNNING")
        else:
            self._start_parent()
            self._adopt()
        self._plotted = {point.step for point in self._client.get_metric_history(self._parent, BEST)}

    def write_trial(self, entry: TrialEntry) -> None:
        """Make the trial's child run complete; a run that is already complete is left alone."""
        if entry.number in self._done:
            return
        client = self._client
        run_id = self._runs.get(entry.number)
        if run_id is None:
            tags = {**self._identity(), PARENT: self._parent, **entry.tags, NOTE: entry.note}
            run = client.create_run(self._experiment_id, start_time=entry.started_ms, tags=tags, run_name=entry.name)
            run_id = self._runs[entry.number] = run.info.run_id
        client.log_batch(
            run_id,
            params=[Param(name, value[:6000]) for name, value in entry.params.items()],
            metrics=[Metric(name, value, entry.ended_ms, step) for name, value, step in entry.metrics],
        )
        if len(entry.prompt) > NOTE_PROMPT_LENGTH:
            try:
                client.log_text(run_id, entry.prompt, "prompt.txt")
            except Exception as exc:  # noqa: BLE001 - whatever an artifact store raises; see _without_artifact
                self._without_artifact(run_id, exc)
        client.set_terminated(run_id, entry.status, end_time=entry.ended_ms)
        self._done.add(entry.number)
        self._scores[entry.number] = entry.full_score
        if time.monotonic() >= self._plotted_at + BEST_SECONDS:
            self._plot_best(entry.ended_ms, gaps=False)
            self._plotted_at = time.monotonic()

    def finish(self, ending: Ending) -> None:
        """End the parent run."""
        client, now = self._client, int(time.time() * 1000)
        self._plot_best(now, gaps=ending.status == "finished")
        known = client.get_run(self._parent).data.metrics
        news = [Metric(safe_key(k), v, now, 0) for k, v in ending.metrics.items() if known.get(safe_key(k)) != v]
        note = [RunTag(NOTE, cut_at_a_line(ending.description))] if ending.description else []
        client.log_batch(self._parent, metrics=news, tags=note)
        for path in ending.files:
            self._attach_file(path)
        if ending.winner is not None:
            self._crown(ending.winner)
        client.set_terminated(self._parent, PARENT_STATUS.get(ending.status, "FAILED"))

    def _crown(self, winner: Winner) -> None:
        """Mark the chosen trial; whatever the registry or an artifact store cannot take is said, and left out."""
        chosen = self._runs.get(winner.trial, "")
        for problem in show_winner(self._client, self._parent, chosen, winner, self._shown):
            log.warning("MLflow: %s", public(problem, self._uri))

    @property
    def parent(self) -> str:
        """Id of the parent run, after `attach`."""
        return self._parent

    def _attach_file(self, path: Path) -> None:
        try:
            if path.is_dir():
                self._client.log_artifacts(self._parent, str(path), path.name)
            else:
                self._client.log_artifact(self._parent, str(path))
        except Exception as exc:  # noqa: BLE001 - whatever an artifact store raises; see _without_artifact
            self._without_artifact(self._parent, exc)

    def _without_artifact(self, run_id: str, problem: Exception) -> None:
        """Go on without an artifact, but only if the server itself is there: else this raises, and all is retried."""
        reason = public(str(problem), self._uri)
        self._client.set_tag(run_id, "artifacts_missing", reason[:500])
        if not self._has_warned:
            log.warning("MLflow takes no artifacts, the rest is recorded without them: %s", reason)
            self._has_warned = True

    def _plot_best(self, now: int, *, gaps: bool) -> None:
        """Bring `best_so_far` up to date, in trial order, up to the first trial that is still running.

        `gaps` goes on beyond unfinished trials: at the end of a search no more will come.
        """
        best: float | None = None
        points = []
        expected = 0
        for number in sorted(self._scores):
            if number != expected and not gaps:
                break
            expected = number + 1
            score = self._scores[number]
            if score is not None and (best is None or score > best):
                best = score
            if best is not None and number not in self._plotted:
                points.append(Metric(BEST, best, now, number))
        for start in range(0, len(points), 1000):
            self._client.log_batch(self._parent, metrics=points[start : start + 1000])
        self._plotted.update(point.step for point in points)

    def _find_experiment(self) -> str:
        experiment = self._client.get_experiment_by_name(self._experiment)
        if experiment is None:
            try:
                experiment_id = self._client.create_experiment(
                    self._experiment, artifact_location=self._artifacts, tags=KIND
                )
                return str(experiment_id)
            except MlflowException:
                experiment = self._client.get_experiment_by_name(self._experiment)
                if experiment is None:
                    raise
        if experiment.lifecycle_stage != "active":
            raise MlflowException(f"its experiment {self._experiment!r} is deleted: restore it or name another")
        return str(experiment.experiment_id)

    def _search_runs(self) -> Sequence[Any]:
        runs: list[Any] = []
        token = None
        while True:
            page = self._client.search_runs(
                [self._experiment_id],
                f"tags.`{SEARCH_ID}` = '{self._id}' and tags.`{FINGERPRINT}` = '{self._card.fingerprint}'",
                max_results=1000,
                order_by=["attributes.start_time DESC"],
                page_token=token,
            )
            runs.extend(page)
            token = page.token
            if not token:
                return runs

    def _start_parent(self) -> None:
        card = self._card
        tags = {**{safe_key(k): v for k, v in card.tags.items()}, **self._identity(), NOTE: card.description}
        run = self._client.create_run(self._experiment_id, tags=tags, run_name=card.name)
        self._parent = str(run.info.run_id)
        self._client.log_batch(self._parent, params=[Param(safe_key(k), v[:6000]) for k, v in card.params.items()])
        if card.data:
            self._client.log_inputs(self._parent, inputs_of(card.data))
        for path in (card.config_file, *card.files):
            if path.is_file():
                self._attach_file(path)

    def _adopt(self) -> None:
        """Hang trials that are there under the new parent run: somebody has deleted the one they had."""
        if self._runs:
            log.warning(
                "the run of this search in MLflow was deleted: there is a new one, with the trials that are left"
            )
        for run_id in self._runs.values():
            self._client.set_tag(run_id, PARENT, self._parent)

    def _identity(self) -> dict[str, str]:
        return {SEARCH_ID: self._id, FINGERPRINT: self._card.fingerprint, SOURCE: "autoprompt-search"}
