"""A search that starts from what earlier ones have recorded in an MLflow experiment."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from autoprompt_search import load_config, search
from autoprompt_search.cli.check import inspect
from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.tasks import TASKS
from autoprompt_search.warm import MOST, WarmStart, remember

from .conftest import space_file, write_data

NAMES = ["mlflow:earlier ones"]


def study(*names: str) -> dict[str, Any]:
    return {"type": "optuna", "reduction": 2, "warm_start": list(names)}


def tracker(folder: Path) -> dict[str, Any]:
    return {"type": "mlflow", "uri": f"sqlite:///{folder}/mlflow.db", "experiment": "earlier ones"}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two searches in one experiment, on two splits of the same rows."""
    folder = tmp_path_factory.mktemp("recorded")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_data(folder)
        for seed in (3, 4):
            changes = {"seed": seed, "tracker": tracker(folder), "name": f"seed-{seed}", "budget": {"trials": 10}}
            config = load_config(space_file(folder, **changes))
            search(config, out=folder / f"old {seed}")
    return folder


@pytest.fixture
def work(folder: Path, recorded: Path) -> Path:
    """A working folder with the database of the two searches, open to damage; their files stay where they are."""
    shutil.copy(recorded / "mlflow.db", folder / "mlflow.db")
    return folder


def remembered(folder: Path, *names: str, **changes: Any) -> WarmStart:
    config = load_config(space_file(folder, study=study(*(names or NAMES)), **{"tracker": tracker(folder), **changes}))
    return remember(config, TASKS.build(config.task).load(config.seed))


def execute(folder: Path, statement: str) -> None:
    with contextlib.closing(sqlite3.connect(folder / "mlflow.db")) as connection:
        assert connection.execute(statement).rowcount > 0
        connection.commit()


def test_an_experiment_gives_what_the_folder_of_its_search_gives(work: Path, recorded: Path) -> None:
    """Of the search on this split; the one on another split has chosen its prompts on this test split."""
    there, here = remembered(work, str(recorded / "old 3")), remembered(work)
    assert 0 < len(here.points) <= MOST
    assert here.points == there.points
    (line,) = here.left_out
    assert line.startswith("mlflow:earlier ones: seed-4 (")
    assert "examples of this search's test split" in line
    assert [dict(p) for p in remembered(work, seed=4).points] == [
        dict(p) for p in remembered(work, str(recorded / "old 4"), seed=4).points
    ]


@pytest.mark.slow
def test_a_search_begins_with_the_points_and_check_counts_them(work: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = space_file(work, study=study(*NAMES), tracker=tracker(work), budget={"trials": 5, "probe": "never"})
    memory = inspect(path, []).memory
    (source,) = memory.sources
    complete = int(source.split(" of ")[1].split()[0])
    assert complete >= len(memory.points) > 0
    files = {p: p.read_bytes() for p in work.rglob("*") if p.is_file()}
    inspect(path, [])
    assert {p: p.read_bytes() for p in work.rglob("*") if p.is_file()} == files, "looking changes nothing"
    result = search(load_config(path, ["tracker.type=none", "study.warm_start=[]"]), out=work / "cold")
    warm = search(load_config(path, [f"tracker.uri=sqlite:///{work}/mlflow.db"]), out=work / "warm")
    assert [dict(r.params) for r in warm.records[1:5]] == [dict(p) for p in memory.points[:4]]
    assert [r.params for r in result.records] != [r.params for r in warm.records]
    assert "study.warm_start: mlflow:earlier ones: seed-4" in caplog.text


def test_no_test_score_is_read(work: Path) -> None:
    before = remembered(work)
    execute(work, "DELETE FROM metrics WHERE key NOT IN ('dev/full_score', 'dev/loss')")
    execute(work, "DELETE FROM latest_metrics WHERE key NOT IN ('dev/full_score', 'dev/loss')")
    assert remembered(work) == before


def test_of_another_family_only_texts_are_taken_and_that_is_said(work: Path) -> None:
    config = load_config(space_file(work, study=study(*NAMES), tracker=tracker(work)))
    other = config.model_copy(update={"backend": ComponentSpec(type="hf-masked", model="some/bert")})
    found = remember(other, TASKS.build(config.task).load(config.seed))
    assert found.points
    assert any("another kind of model (scripted) only texts" in line for line in found.left_out)


def test_an_experiment_that_is_not_there(work: Path) -> None:
    with pytest.raises(ConfigError, match="unknown MLflow experiment 'earlier one'; did you mean 'earlier ones'"):
        remembered(work, "mlflow:earlier one")
    with pytest.raises(ConfigError, match="unknown MLflow experiment ''"):
        remembered(work, "mlflow:")
    with pytest.raises(ConfigError, match="there is no MLflow database"):
        remembered(work, tracker={"type": "mlflow", "uri": f"sqlite:///{work}/absent.db"})
    assert not (work / "absent.db").exists()
    with pytest.raises(ConfigError, match="'none' has none"):
        remembered(work, tracker={"type": "none"})
    with pytest.raises(ConfigError, match="an MLflow experiment is written mlflow:NAME"):
        remembered(work, "earlier ones")


def test_no_usable_trial_is_an_error_that_says_why(work: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        remembered(work, seed=5)
    (line,) = caught.value.problems
    assert line.count("examples of this search's test split") == 2
    with pytest.raises(ConfigError, match=r"\d+ complete trials.*seed-4.*; the others are no points of this space"):
        remembered(work, space={"template": {"kind": "choice", "values": ["baseline", "cloze"]}})
    execute(work, "DELETE FROM tags WHERE key = 'params'")
    with pytest.raises(ConfigError, match="holds 0 complete trials"):
        remembered(work)


@pytest.mark.parametrize("name", ["config.yaml", "examples.json"])
def test_a_search_whose_files_are_gone_or_damaged_is_left_out(work: Path, recorded: Path, name: str) -> None:
    files = [path for path in (recorded / "mlruns").rglob(name) if "name: seed-3" in _config_beside(path)]
    (path,) = files
    kept = path.read_bytes()
    try:
        for damage in (lambda: path.write_text("{["), path.unlink):
            damage()
            if name == "examples.json":
                assert remembered(work).points, "its test split is this one: whatever it chose on is not in it"
                continue
            with pytest.raises(ConfigError, match="of which none can be used"):
                remembered(work)
    finally:
        path.write_bytes(kept)


def _config_beside(path: Path) -> str:
    return (path.parent / "config.yaml").read_text(encoding="utf-8")


def test_remembering_a_folder_and_an_experiment_goes_in_turn(work: Path, recorded: Path) -> None:
    both = space_file(work, study=study(str(recorded / "old 3"), *NAMES), tracker=tracker(work))
    config = load_config(both)
    points = remember(config, TASKS.build(config.task).load(config.seed)).points
    assert points == remembered(work).points
