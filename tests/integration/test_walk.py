"""From a space file to a proven, exported prompt, in one process."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from autoprompt_search import SearchResult, load_config, load_prompt, search
from autoprompt_search.core.errors import ConfigError, StateError
from autoprompt_search.walk import rebuild_report

from .conftest import BASE, space_file

KEYS = {
    "verdict", "baseline", "best", "difference", "trials", "forward_passes", "new_forward_passes", "seconds",
    "config_fingerprint",
}  # fmt: skip


def test_a_search_leaves_everything_a_user_needs(finished: SearchResult) -> None:
    result = finished
    plain = json.loads((result.folder / "result.json").read_text())
    assert plain.keys() >= KEYS
    assert plain["baseline"].keys() >= {"params", "dev", "test"}
    assert plain["baseline"]["dev"].keys() >= {"score", "examples"}
    assert plain["best"]["test"].keys() >= {"score", "low", "high", "examples"}
    assert plain["difference"].keys() >= {"score", "low", "high", "p"}
    assert sum(plain["trials"].values()) == 16
    if plain["parts"]:
        assert plain["parts"][0]["part"] == "text"
        assert plain["parts"][-1]["dev"]["score"] == plain["best"]["dev"]["score"]
        gains = sum(part["gain"]["score"] for part in plain["parts"])
        assert plain["baseline"]["dev"]["score"] + gains == pytest.approx(plain["best"]["dev"]["score"])
    assert plain["best"]["test"]["examples"] == 60
    for name in ("report.html", "summary.md", "trials.csv", "config.yaml", "best_prompt/prompt.yaml"):
        assert (result.folder / name).exists(), name
    assert load_config(result.folder / "config.yaml").fingerprint == plain["config_fingerprint"]


def test_the_exported_prompt_says_what_the_search_measured(finished: SearchResult) -> None:
    prompt = load_prompt(finished.folder / "best_prompt")
    golden = [json.loads(line) for line in (finished.folder / "best_prompt/golden.jsonl").read_text().splitlines()]
    predicted = [p.label for p in prompt.predict([g["inputs"] for g in golden])]
    assert predicted == [g["prediction"] for g in golden]


def test_a_finished_search_computes_nothing_when_run_again(folder: Path, finished: SearchResult) -> None:
    first, before = finished, (finished.folder / "trials.csv").read_bytes()
    again = search(load_config(space_file(folder)))
    assert again.folder == first.folder
    assert first.data["new_forward_passes"] == first.data["forward_passes"] > 0
    assert again.data["new_forward_passes"] == 0
    assert again.data["forward_passes"] == first.data["forward_passes"]
    assert (again.folder / "trials.csv").read_bytes() == before
    assert again.verdict == first.verdict


def test_a_larger_budget_continues(folder: Path, finished: SearchResult) -> None:
    more = search(load_config(space_file(folder), ["budget.trials=20"]))
    assert len(more.records) == 20
    assert [r.params for r in more.records[:16]] == [r.params for r in finished.records]


@pytest.mark.slow
@pytest.mark.parametrize("pruner", ["knowledge-gradient", "halving"])
def test_tokens_of_the_whole_search_stay_within_the_budget_also_when_it_is_continued(folder: Path, pruner: str) -> None:
    """A hundred thousand words in all, the final test among them; then more."""
    sections: dict[str, Any] = {"study": {"type": "optuna", "pruner": pruner}}
    for most in (100_000, 160_000):
        result = search(load_config(space_file(folder, budget={"tokens": most}, **sections)))
        assert 0.5 * most < result.data["tokens"] <= most
        assert result.data["tokens"] == result.data["prompt_tokens"] + result.data["completion_tokens"]
    assert len(result.records) > 3


@pytest.mark.slow
def test_a_test_split_that_judged_another_choice_before_is_said_to_have(folder: Path) -> None:
    first = search(load_config(space_file(folder, budget={"trials": 2})))
    assert first.data["test_openings"] == 1
    assert search(load_config(space_file(folder, budget={"trials": 2}))).data["test_openings"] == 1
    more = search(load_config(space_file(folder, budget={"trials": 8})))
    finalists = [[f["params"] for f in result.data["finalists"]] for result in (first, more)]
    assert finalists[0] != finalists[1], "the larger budget was to bring other finalists"
    assert more.data["test_openings"] == 2
    assert "opened once before" in more.data["reason"]
    assert "opened once before" in (more.folder / "summary.md").read_text(encoding="utf-8")
    forgotten = search(load_config(space_file(folder, budget={"trials": 4})), fresh=True)
    assert forgotten.data["test_openings"] == 2, "a fresh start does not make the split unseen"
    elsewhere = search(load_config(space_file(folder, budget={"trials": 2})), out=folder / "elsewhere")
    assert elsewhere.data["test_openings"] == 1


def test_another_search_in_the_folder_is_refused_until_fresh(folder: Path, finished: SearchResult) -> None:
    other = load_config(space_file(folder), ["seed=4", "budget.trials=3"])
    with pytest.raises(StateError, match=r"(?s)seed.*--fresh") as caught:
        search(other)
    assert "was 3, now 4" in str(caught.value)
    assert search(other, fresh=True).data["new_forward_passes"] > 0


def test_changed_data_are_refused(folder: Path, finished: SearchResult) -> None:
    config = load_config(space_file(folder))
    lines = (folder / "data.jsonl").read_text().splitlines()
    (folder / "data.jsonl").write_text("\n".join([lines[-1].replace("the", "this"), *lines[:-1]]) + "\n")
    with pytest.raises(StateError, match="other data"):
        search(config)


def test_the_report_can_be_made_again(finished: SearchResult) -> None:
    page = (finished.folder / "report.html").read_bytes()
    (finished.folder / "report.html").unlink()
    rebuild_report(finished.folder)
    assert (finished.folder / "report.html").read_bytes() == page


def test_an_output_folder_that_cannot_be_made_is_named(folder: Path) -> None:
    (folder / "taken").write_text("a file")
    with pytest.raises(ConfigError, match=r"out: cannot write to .*taken"):
        search(load_config(space_file(folder)), out=folder / "taken" / "inside")


def test_two_runs_on_one_folder_are_refused(folder: Path) -> None:
    from autoprompt_search.workspace import Workspace

    config = load_config(space_file(folder))
    with Workspace(Path("reports/small"), config), pytest.raises(StateError, match="in use by another run"):
        search(config)


def test_failing_trials_are_records_and_the_search_goes_on(folder: Path) -> None:
    path = space_file(folder, backend={"type": "scripted", "fail_on": "All in all"})
    result = search(load_config(path))
    failed = [r for r in result.records if r.error]
    assert failed
    assert all(r.params["template"] == "cloze" for r in failed)
    with (result.folder / "trials.csv").open() as file:
        assert {row["state"] for row in csv.DictReader(file)} >= {"failed", "complete"}


@pytest.mark.parametrize(
    ("pruner", "metric"),
    [
        ("racing", "accuracy"),
        ("racing", "mcc"),
        pytest.param("wilcoxon", "accuracy", marks=pytest.mark.slow),
        ("knowledge-gradient", "accuracy"),
        ("none", "macro_f1"),
    ],
)
def test_every_pruner_takes_a_search_to_its_verdict_and_is_continued(folder: Path, pruner: str, metric: str) -> None:
    """Stopped in the middle by its budget, and gone on with: as one that was never stopped, at no cost twice."""
    study: dict[str, Any] = {"study": {"type": "optuna", "pruner": pruner}, "task": {**BASE["task"], "metric": metric}}
    budget = {"trials": 10, "passes": 320} if pruner == "knowledge-gradient" else {"trials": 10}
    whole = search(load_config(space_file(folder, **study, budget=budget)))
    assert whole.best.measurements[-1].fidelity.is_full
    assert sorted(r.number for r in whole.records) == list(range(len(whole.records)))
    again = search(load_config(space_file(folder, **study, budget=budget)))
    assert again.data["new_forward_passes"] == 0
    assert again.records == whole.records
    if pruner != "knowledge-gradient":
        search(load_config(space_file(folder, **study, budget={"trials": 5})), out=folder / "parts")
        parts = search(load_config(space_file(folder, **study, budget=budget)), out=folder / "parts")
        assert [r.state for r in parts.records] == [r.state for r in whole.records]
        assert [r.params for r in parts.records] == [r.params for r in whole.records]


def test_a_search_that_always_fails_ends_with_the_reason(folder: Path) -> None:
    from autoprompt_search.core.errors import SystemicError

    path = space_file(folder, backend={"type": "scripted", "fail_on": "a"})
    with pytest.raises(SystemicError, match="the baseline failed, and nothing can be compared with it"):
        search(load_config(path))


def test_the_probe_says_what_there_is_to_gain_and_ends_a_hopeless_search(folder: Path) -> None:
    """The model is hardly ever wrong, so that no prompt can be much better."""
    easy = [json.loads(line) for line in (folder / "data.jsonl").read_text(encoding="utf-8").splitlines()]
    words = {"negative": "hated", "positive": "loved"}
    lines = [json.dumps({**row, "text": f"{row['text']} I {words[row['label']]} it."}) + "\n" for row in easy]
    (folder / "easy.jsonl").write_text("".join(lines), encoding="utf-8")
    task = {**BASE["task"], "data": "easy.jsonl"}
    budget = {"trials": 16, "stop_for_futility": True, "least_gain": 0.1}
    changes = {"budget": budget, "rungs": [12, 48]}
    always = {"type": "scripted", "cues": {"good": "loved", "bad": "hated"}, "skill": 1.0}
    hopeless = search(load_config(space_file(folder, backend=always, task=task, **changes, name="hopeless")))
    assert hopeless.data["baseline"]["dev"]["score"] > 0.9
    assert hopeless.data["headroom"]["is_futile"]
    assert len(hopeless.records) == 5
    assert (hopeless.verdict, hopeless.best.number) == ("tie", 0)
    assert "ended behind its probe" in hopeless.data["reason"]
    assert "It ended the search." in (hopeless.folder / "summary.md").read_text(encoding="utf-8")
    assert "It ended the search." in (hopeless.folder / "report.html").read_text(encoding="utf-8")
    went_on = search(load_config(space_file(folder, **changes)))
    assert not went_on.data["headroom"]["is_futile"]
    assert went_on.data["headroom"]["gain"]["high"] > 0.1
    assert len(went_on.records) == 16
    assert "diverse prompts" in (went_on.folder / "summary.md").read_text(encoding="utf-8")
