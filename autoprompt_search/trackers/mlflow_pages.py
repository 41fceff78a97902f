"""Addresses of MLflow's pages: where a person should land who looks for searches."""

from __future__ import annotations

from typing import Any

KIND = "workflowType=machine_learning"
"""Without it MLflow 3 shows its pages for traces, where no search is."""


def address(base: str, uri: str) -> str:
    """The runs of the experiment in which a search was last started; the list of experiments where there is none.

    Args:
        base: The server: `http://127.0.0.1:5000`.
        uri: Its store. Raises what MLflow raises where it cannot be read.
    """
    from mlflow.tracking import MlflowClient

    client: Any = MlflowClient(uri)
    experiments = [e.experiment_id for e in client.search_experiments(max_results=1000)]
    latest = client.search_runs(
        experiments, "tags.search_fingerprint != ''", max_results=1, order_by=["attributes.start_time DESC"]
    )
    if not latest:
        return f"{base}/#/experiments?{KIND}"
    return f"{base}/#/experiments/{latest[0].info.experiment_id}/runs?{KIND}"
