"""What MLflow shows of a whole search: the winner, its prompt in the registry, its model, the data."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from mlflow.tracking import MlflowClient
from mlflow.utils.validation import _validate_metric_name, _validate_param_name

from autoprompt_search import load_config, load_prompt, search
from autoprompt_search.core.protocols.output import Winner
from autoprompt_search.core.slotted import Piece, SlottedTurn
from autoprompt_search.testing.tracker_contract import trial_record
from autoprompt_search.trackers._mlflow_entry import run_name
from autoprompt_search.trackers._mlflow_keys import prompt_name, safe_key
from autoprompt_search.trackers._mlflow_store import NOTE_LENGTH, cut_at_a_line
from autoprompt_search.trackers._mlflow_winner import template_of
from autoprompt_search.trackers.mlflow_pages import address

from .harness import database

SPACE: dict[str, Any] = {
    "name": "small",
    "seed": 3,
    "task": {
        "type": "classification",
        "data": "data.jsonl",
        "text": "text",
        "label": "label",
        "labels": ["negative", "positive"],
        "splits": {"train": 20, "dev": 48, "test": 60},
    },
    "backend": {"type": "scripted", "skill": 0.95, "cues": {"good": "loved", "bad": "hated"}},
    "templates": {
        "baseline": {"text": "{@评论}: {text} {@Sentiment}:", "words": {"negative": "good", "positive": "bad"}},
        "cloze": {"text": "{text} All in {{all}} it was", "words": {"negative": "bad", "positive": "good"}},
    },
    "space": {
        "template": {"kind": "choice", "values": ["baseline", "cloze"]},
        "layout.name.评论": {"kind": "choice", "values": ["评论", "Text"]},
        "layout.name.Sentiment": {"kind": "choice", "values": ["Sentiment", "Mood"]},
        "layout.casing": "as-is",
    },
    "rungs": [12, 48],
    "budget": {"trials": 6},
    "runner": {"type": "local"},
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any, str]:
    """A folder with the result of a search, the result, and the address of its store."""
    folder = tmp_path_factory.mktemp("search")
    shutil.copy(database(), folder / "mlflow.db")
    uri = f"sqlite:///{folder}/mlflow.db"
    rows = [
        {"text": f"I {verb} number {n} of them", "label": label}
        for n in range(64)
        for verb, label in (("loved", "positive"), ("hated", "negative"))
    ]
    (folder / "data.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    tracker = {"type": "mlflow", "uri": uri, "registry": "champion", "log_model": True, "system_metrics": True}
    task = {**SPACE["task"], "data": str(folder / "data.jsonl")}
    (folder / "space.yaml").write_text(yaml.safe_dump({**SPACE, "task": task, "tracker": tracker}))
    return folder, search(load_config(folder / "space.yaml"), out=folder / "out"), uri


def _runs(uri: str) -> tuple[Any, list[Any]]:
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("autoprompt-search")
    found = client.search_runs([experiment.experiment_id], "tags.search_fingerprint != ''")
    found = [run for run in found if run.data.tags.get("search_fingerprint") != "0" * 16]
    (parent,) = [run for run in found if "trial" not in run.data.tags]
    return parent, [run for run in found if run is not parent]


def test_the_winner_is_tagged_on_parent_and_child(finished: tuple[Path, Any, str]) -> None:
    _, result, uri = finished
    parent, children = _runs(uri)
    best = result.data["best"]
    assert parent.data.tags["verdict"] == result.verdict
    assert parent.data.tags["chosen_trial"] == str(best["trial"])
    assert float(parent.data.tags["chosen_score"]) == pytest.approx(best["test"]["score"], abs=1e-6)
    (chosen,) = [run for run in children if run.data.tags.get("chosen")]
    assert chosen.data.tags["trial"] == str(best["trial"])
    assert chosen.info.run_name.startswith(f"★ best #{best['trial']} ")
    assert chosen.info.status == "FINISHED"
    assert len(children) == 6
    assert "casing" not in chosen.info.run_name  # it never varies


def test_the_data_are_inputs_with_a_digest_for_each_split(finished: tuple[Path, Any, str]) -> None:
    _, result, uri = finished
    parent, _ = _runs(uri)
    seen = {}
    for one in parent.inputs.dataset_inputs:
        (context,) = [tag.value for tag in one.tags if tag.key == "mlflow.data.context"]
        seen[context] = (one.dataset.digest, json.loads(one.dataset.profile)["num_rows"])
    prints = result.data["data_fingerprints"]
    assert seen == {"train": (prints["train"], 20), "dev": (prints["dev"], 48), "test": (prints["test"], 60)}


def test_parameters_in_any_script_keep_their_names(finished: tuple[Path, Any, str]) -> None:
    _, children = _runs(finished[2])
    assert {"layout.name.评论", "layout.name.Sentiment"} <= children[0].data.params.keys()


def test_the_prompt_is_registered_under_its_aliases(finished: tuple[Path, Any, str]) -> None:
    folder, result, uri = finished
    client = MlflowClient(uri)
    parent, _ = _runs(uri)
    name, _, number = parent.data.tags["prompt_version"].rpartition("/")
    assert name == "small"
    aliased = client.get_prompt_version_by_alias(name, "candidate")
    assert str(aliased.version) == number
    assert result.verdict == "promote"
    assert str(client.get_prompt_version_by_alias(name, "champion").version) == number
    golden = [json.loads(line) for line in (folder / "out/best_prompt/golden.jsonl").read_text().splitlines()]
    shown = next(r for r in result.records if r.number == result.best.number).preview
    texts = [aliased.format(**item["inputs"]) for item in golden]
    frames = {text.replace(item["inputs"]["text"], "…") for text, item in zip(texts, golden, strict=True)}
    rows = [json.loads(line)["text"] for line in (folder / "data.jsonl").read_text().splitlines()]
    assert frames == {shown.replace(text, "…") for text in rows if text in shown}


@pytest.mark.slow
def test_the_model_predicts_without_this_package_installed(finished: tuple[Path, Any, str]) -> None:
    folder, _, uri = finished
    parent, _ = _runs(uri)
    code = f"""
import json, sys
sys.path = [p for p in sys.path if p and not p.endswith({str(Path.cwd())!r})]
sys.meta_path = [f for f in sys.meta_path if "editable" not in repr(f)]
import mlflow
mlflow.set_tracking_uri({uri!r})
model = mlflow.pyfunc.load_model({parent.data.tags["model_uri"]!r})
import autoprompt_search
rows = [json.loads(line) for line in open({str(folder / "out/best_prompt/golden.jsonl")!r})]
answers = list(model.predict([row["inputs"] for row in rows]))
print(json.dumps([autoprompt_search.__file__, answers == [row["prediction"] for row in rows], len(rows)]))
"""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([sys.executable, "-c", code], cwd="/", env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    place, is_same, count = json.loads(done.stdout.splitlines()[-1])
    assert is_same
    assert count
    assert "prompt_model" in place
    assert load_prompt(folder / "out/best_prompt").fields == ("text",)


def test_the_dashboard_lands_where_the_search_is(finished: tuple[Path, Any, str]) -> None:
    parent, _ = _runs(finished[2])
    expected = f"http://here/#/experiments/{parent.info.experiment_id}/runs?workflowType=machine_learning"
    assert address("http://here", finished[2]) == expected


NAMES = st.text(st.sampled_from("aA_-. :/评é#$%\n\\"), min_size=1, max_size=6)


@given(st.lists(NAMES | st.text(min_size=240, max_size=260), unique=True, max_size=8))
def test_mlflow_takes_every_key_and_no_two_become_one(names: list[str]) -> None:
    keys = [safe_key(name) for name in names]
    assert len(set(keys)) == len(keys)
    for key in keys:
        _validate_param_name(key)
        _validate_metric_name(key)


def test_names_for_the_registry_differ_where_searches_do() -> None:
    assert prompt_name("a-b_c.1") == "a-b_c.1"
    assert len({prompt_name("a b"), prompt_name("a-b"), prompt_name("a/b")}) == 3


def test_runs_are_named_by_what_tells_their_long_values_apart() -> None:
    texts = ("Decide whether the review is good. Answer briefly.", "Decide whether the review is good. Think first.")
    names = [
        run_name(trial_record(n, params={"instruction": text, "instruction.text": "x" * 500}), {"instruction": texts})
        for n, text in enumerate(texts)
    ]
    assert names == ["#0 text instruction=1/2 …Answer briefly.", "#1 text instruction=2/2 …Think first."]


def test_a_prompt_that_holds_slots_of_mlflow_is_refused() -> None:
    def winner(*pieces: Piece) -> Winner:
        return Winner(1, "tie", "", "accuracy", 0.5, 0.5, (SlottedTurn("", pieces),), Path())

    assert template_of(winner(Piece("Say {it}: "), Piece("text", is_field=True))) == "Say {it}: {{text}}"
    with pytest.raises(ValueError, match="take for a slot"):
        template_of(winner(Piece("{{other}} "), Piece("text", is_field=True)))


def test_a_long_note_ends_with_a_whole_line() -> None:
    cut = cut_at_a_line("| a row |\n" * 1000)
    assert len(cut) <= NOTE_LENGTH
    assert cut.splitlines()[-3] == "| a row |"
    assert cut_at_a_line("short") == "short"
