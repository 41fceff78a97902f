"""The product as it is used: Ray runs, Optuna decides, MLflow records."""

from __future__ import annotations

from pathlib import Path

import pytest

from autoprompt_search import SearchResult, load_config, search

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
    says_what_happened(result)
    again = search(load_config(path))
    assert again.data["new_forward_passes"] == 0
    assert len(client.search_runs([experiment.experiment_id], max_results=100)) == 17


def says_what_happened(result: SearchResult) -> None:
    """Optuna's own record: complete is what saw all of dev and nothing else, and every rung's score is there."""
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    storage = JournalStorage(JournalFileBackend(str(result.folder / "state" / "study.journal")))
    (name,) = optuna.get_all_study_names(storage)
    trials = optuna.load_study(study_name=name, storage=storage).get_trials()
    assert {t.state.name for t in trials} == {"COMPLETE", "PRUNED"}
    records = {r.number: r for r in result.records}
    for trial in trials:
        made = records[trial.user_attrs["number"]].measurements
        assert trial.intermediate_values == {m.fidelity.examples: m.score for m in made}
        assert (trial.state.name == "COMPLETE") == made[-1].fidelity.is_full
        assert trial.value == made[-1].score


def test_an_address_where_no_ray_answers_is_named(folder: Path) -> None:
    from autoprompt_search.core.errors import ConfigError

    path = space_file(folder, runner={"type": "ray", "address": "127.0.0.1:9"})
    with pytest.raises(ConfigError, match=r"runner.address.*127.0.0.1:9"):
        search(load_config(path))


@pytest.mark.parametrize(("address", "variable"), [("ray://127.0.0.1:10001", ""), ("auto", "ray://127.0.0.1:10001")])
def test_ray_client_is_refused_before_any_work(
    folder: Path, address: str, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was tried: Tune's loop moves to the head, and takes neither study nor ledger along."""
    from autoprompt_search.core.errors import ConfigError

    monkeypatch.setenv("RAY_ADDRESS", variable)
    with pytest.raises(ConfigError, match=r"runner.address: .*'ray://127.0.0.1:10001'.*auto or HOST:PORT.*submit"):
        search(load_config(space_file(folder, runner={"type": "ray", "address": address})))
    assert not list(folder.glob("reports/*/state/*.sqlite"))
    assert not list(folder.glob("reports/*/state/study.journal"))
