"""The product as it is used: Ray runs, Optuna decides, MLflow records."""

from __future__ import annotations

from pathlib import Path

import pytest

from autoprompt_search import load_config, search

from .conftest import space_file

pytestmark = pytest.mark.ray


def test_ray_and_mlflow_from_file_to_verdict(folder: Path) -> None:
    path = space_file(folder, runner={"type": "ray", "concurrency": 2}, tracker={"type": "mlflow"})
    result = search(load_config(path))
    assert len(result.records) == 16
    assert (folder / "mlflow.db").exists()

    from mlflow import MlflowClient

    client = MlflowClient("sqlite:///mlflow.db")
    (experiment,) = [e for e in client.search_experiments() if e.name != "Default"]
    runs = client.search_runs([experiment.experiment_id], max_results=100)
    children = [r for r in runs if "mlflow.parentRunId" in r.data.tags]
    assert len(children) == 16
    (parent,) = [r for r in runs if "mlflow.parentRunId" not in r.data.tags]
    assert parent.info.status == "FINISHED"
    assert "best/test" in parent.data.metrics
    again = search(load_config(path))
    assert again.data["new_forward_passes"] == 0
    assert len(client.search_runs([experiment.experiment_id], max_results=100)) == 17


def test_an_address_where_no_ray_answers_is_named(folder: Path) -> None:
    from autoprompt_search.core.errors import ConfigError

    path = space_file(folder, runner={"type": "ray", "address": "127.0.0.1:9"})
    with pytest.raises(ConfigError, match=r"runner.address.*127.0.0.1:9"):
        search(load_config(path))
