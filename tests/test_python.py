"""What a person has in a notebook: data from memory, a table, figures, the study, and a view that is redrawn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import datasets
import optuna
import pandas as pd
import pytest
from matplotlib.figure import Figure

from autoprompt_search import SearchResult, load_config, search
from autoprompt_search.core.errors import ConfigError
from autoprompt_search.progress.notebook import NotebookView

from .test_docstrings import example_config


@pytest.fixture(scope="module")
def shown() -> list[str]:
    """What a notebook's one output held, drawing after drawing."""
    return []


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory, shown: list[str]) -> SearchResult:
    folder = tmp_path_factory.mktemp("python")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))

        def display(text: str) -> Any:
            shown.append(text)
            return shown.append

        return search(load_config(example_config()), out=folder / "out", progress=NotebookView(display, every=0.0))


def test_a_notebook_shows_notes_counts_and_the_best(shown: list[str], result: SearchResult) -> None:
    assert len(shown) > 10
    assert "reading" in shown[0]
    assert all(text.startswith("<pre>") for text in shown)
    assert f"0.958 (trial {result.best.number}, text)" in shown[-1]


def test_the_result_is_a_few_lines_a_table_figures_and_a_study(result: SearchResult) -> None:
    assert len(repr(result).splitlines()) < 10
    assert repr(result).startswith("Verdict: PROMOTE")
    table = result.trials()
    assert isinstance(table, pd.DataFrame)
    assert list(table["number"]) == [r.number for r in result.records]
    assert table["score"].dtype == float
    assert table.loc[table["number"] == result.best.number, "prompt"].item() == result.best.preview
    figures = result.plot()
    assert set(figures) == {"history", "rungs", "intervals"}
    assert all(isinstance(figure, Figure) for figure in figures.values())
    figures["history"].savefig(result.folder / "history.png")
    assert isinstance(result.study, optuna.Study)
    assert len(result.study.trials) == len(result.records)


def test_the_same_table_is_the_same_data_whatever_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    plain = example_config()
    frame = plain["task"]["data"]
    made = [load_config({**plain, "task": {**plain["task"], "data": frame}}) for _ in range(2)]
    assert made[0].task.options["data"] == made[1].task.options["data"]
    table = datasets.Dataset.from_pandas(frame)
    other = load_config({**plain, "task": {**plain["task"], "data": table}})
    assert pd.read_parquet(other.task.options["data"])["text"].tolist() == frame["text"].tolist()
    assert plain["task"]["data"] is frame


def test_a_result_on_an_object_store_is_whole_and_goes_on_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fsspec

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    store = fsspec.filesystem("memory")
    store.pipe("/bucket/small/exports/old.txt", b"of an earlier result")
    config = load_config(example_config(), ["tracker.type=none"])
    for place in ("here", "there"):
        (tmp_path / place).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    first = search(config, out="memory://bucket/small", fresh=True)
    stored = {path.removeprefix("/bucket/small/") for path in store.find("/bucket/small")}
    assert {"report.html", "result.json", "best_prompt/prompt.yaml", "state/study.journal"} <= stored
    assert "exports/old.txt" not in stored
    monkeypatch.chdir(tmp_path / "there")
    again = search(config, out="memory://bucket/small")
    assert again.data["new_forward_passes"] == 0
    assert again.data["best"] == first.data["best"]


def test_a_store_that_cannot_be_used_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"--out: nosuch://bucket/x"):
        search(load_config(example_config()), out="nosuch://bucket/x")


def test_a_mapping_is_checked_as_a_file_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(ConfigError, match="budget"):
        load_config({**example_config(), "budget": {"trails": 3}})
