"""Texts first, then soft prompts, one of which is delivered with its text beside it; all scripted."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from autoprompt_search.backends import BACKENDS
from autoprompt_search.config import SearchConfig
from autoprompt_search.core.measurements import TrialRecord
from autoprompt_search.session import Silent
from autoprompt_search.soft import SOFT
from autoprompt_search.testing.factories import examples
from autoprompt_search.walk import SearchResult, rebuild_report, search

from .conftest import BASE

WHEN = {"when": {"soft.method": ["scripted"]}}
SPACE = {
    **BASE["space"],
    "soft.method": {"kind": "choice", "values": ["none", "scripted"]},
    "soft.start": {"kind": "int", "low": 1, "high": 2, **WHEN},
    "soft.tokens": {"kind": "int", "low": 1, "high": 20, **WHEN},
}


@pytest.fixture(scope="module", autouse=True)
def scripted_soft_prompts() -> Iterator[None]:
    home = "autoprompt_search.testing.tunable"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(BACKENDS._paths, "tunable", f"{home}:TunableBackend")
        patch.setitem(SOFT._paths, "scripted", f"{home}:ScriptedTuning")
        yield


def config(gain: float) -> SearchConfig:
    """Not read from a file: there, soft prompts are for models that can be differentiated."""
    space = {**SPACE, "soft.gain": {"kind": "fixed", "value": gain, **WHEN}}
    return SearchConfig.model_validate({**BASE, "seed": 4, "backend": {"type": "tunable"}, "space": space})


def write_data(folder: Path) -> None:
    """Texts that hold their labels' words, on which the scripted model's skill shows."""
    rows = [{"text": e.inputs["text"], "label": e.target} for e in examples(128)]
    (folder / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


@pytest.fixture(autouse=True)
def data(folder: Path) -> None:
    write_data(folder)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> SearchResult:
    made = tmp_path_factory.mktemp("soft")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(made)
        write_data(made)
        return search(config(0.4), out=made / "result")


@pytest.fixture
def finished(whole: SearchResult, folder: Path) -> SearchResult:
    shutil.copytree(whole.folder, folder / "reports" / "small")
    return replace(whole, folder=folder / "reports" / "small")


def test_the_best_prompt_is_soft_and_its_text_is_known(finished: SearchResult) -> None:
    plain = json.loads((finished.folder / "result.json").read_text())
    kinds = [r.kind for r in finished.records]
    assert "soft" not in kinds[:10]
    assert set(kinds[10:]) == {"soft"}
    text, best = plain["own_text"], plain["best"]
    assert best["kind"] == "soft"
    assert finished.records[text["trial"]].kind != "soft"
    assert text["dev"]["score"] < best["dev"]["score"]
    assert text["dev_gain"]["low"] > 0
    assert text["test_gain"]["score"] == pytest.approx(best["test"]["score"] - text["test"]["score"])
    assert f"Its text by itself: dev {text['dev']['score']:.3f}" in finished.summary


def test_the_report_says_what_the_text_alone_is_worth_and_can_be_made_again(finished: SearchResult) -> None:
    summary, page = (finished.folder / "summary.md").read_text(), (finished.folder / "report.html").read_bytes()
    assert "| its text alone | \\#" in summary
    assert "By itself the text of the best prompt has accuracy" in summary
    assert b"Its text alone" in page
    (finished.folder / "report.html").unlink()
    rebuild_report(finished.folder)
    assert (finished.folder / "report.html").read_bytes() == page


def test_the_text_is_exported_beside_the_soft_prompt(finished: SearchResult) -> None:
    best = finished.folder / "best_prompt"
    golden = [json.loads(line) for line in (best / "text" / "golden.jsonl").read_text().splitlines()]
    assert (best / "adapter").is_dir()
    assert not (best / "text" / "adapter").exists()
    assert len(golden) == 12


def test_a_soft_prompt_that_adds_nothing_is_not_delivered() -> None:
    found = search(config(0.0))
    assert found.best.kind != "soft"
    assert found.data["own_text"] is None
    assert not (found.folder / "best_prompt" / "text").exists()


def test_stopped_in_either_phase_it_ends_as_if_it_had_not_been(finished: SearchResult, folder: Path) -> None:
    class Stops(Silent):
        def __init__(self, at: int) -> None:
            self.at = at

        def finished(self, record: TrialRecord) -> None:
            if record.number == self.at:
                raise KeyboardInterrupt

    for at in (4, 9, 10, 13):
        with pytest.raises(KeyboardInterrupt):
            search(config(0.4), out=folder / "stopped", progress=Stops(at))
    again = search(config(0.4), out=folder / "stopped")
    assert (again.folder / "trials.csv").read_bytes() == (finished.folder / "trials.csv").read_bytes()
    texts = [{**found.data["own_text"], "latency_ms": 0} for found in (again, finished)]  # each was timed by itself
    assert texts[0] == texts[1]
    assert again.data["forward_passes"] == finished.data["forward_passes"]
    once_more = search(config(0.4), out=folder / "stopped")
    assert once_more.data["new_forward_passes"] == 0


def test_the_table_of_trials_holds_nothing_that_depends_on_what_a_process_remembers(finished: SearchResult) -> None:
    with (finished.folder / "trials.csv").open() as file:
        head = next(csv.reader(file))
    assert not {"seconds", "forward_passes", "cost"} & set(head)
