"""A state folder that somebody, or a dying disk, has changed: one clear error, and what could be kept is kept."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from autoprompt_search.config import load_config
from autoprompt_search.core.errors import ConfigError, StateError
from autoprompt_search.ledger import Ledger
from autoprompt_search.testing.factories import examples, measurement, open_study
from autoprompt_search.testing.study_contract import play
from autoprompt_search.workspace import Workspace, read_config

from .test_lock import SPACE


@pytest.fixture
def opened(tmp_path: Path) -> Workspace:
    (tmp_path / "space.yaml").write_text(SPACE, encoding="utf-8")
    made = Workspace(tmp_path / "out", load_config(tmp_path / "space.yaml"))
    with made:
        made.check_data({"train": "a"})
        made.log_run({"seconds": 1.0})
    return made


@pytest.mark.parametrize("text", ["", "../other", "\u2028", "x" * 5000])
def test_a_name_that_we_did_not_give_is_refused(opened: Workspace, text: str) -> None:
    (opened.state / "identity").write_text(text, encoding="utf-8")
    with pytest.raises(StateError, match=r"identity is damaged.*--fresh"):
        opened.__enter__()


@pytest.mark.parametrize("text", ["{", "[]", "null", "[" * 100_000])
def test_damaged_fingerprints_and_runs_are_named(opened: Workspace, text: str) -> None:
    (opened.state / "data.json").write_text(text, encoding="utf-8")
    with pytest.raises(StateError, match=r"data\.json is damaged"):
        opened.check_data({"train": "a"})
    (opened.state / "runs.jsonl").write_text('{"seconds": {}}\n', encoding="utf-8")
    with pytest.raises(StateError, match=r"runs\.jsonl is damaged"):
        opened.log_run({"seconds": 1.0})


@pytest.mark.parametrize(
    "text", ["", "name: [", "name: 5\nname: 6", "a: &a [*a]", "- " * 5000, "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"b{n}: &b{n} [{', '.join([f'*b{n - 1}' if n else '*a'] * 9)}]\n" for n in range(9))],
)  # fmt: skip
def test_a_configuration_that_cannot_be_read_back_is_named(opened: Workspace, text: str) -> None:
    """An alias bomb among them."""
    (opened.state / "config.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(StateError, match=r"config\.yaml is damaged"):
        read_config(opened.state / "config.yaml")


def test_a_journal_of_good_lines_that_make_no_study_is_named(tmp_path: Path) -> None:
    play(open_study(tmp_path, trials=4))
    journal = tmp_path / "study.journal"
    lines = journal.read_text().splitlines()
    changed = [json.loads(line) for line in lines]
    for number, line in enumerate(changed):
        if "user_attr" in line and any(key.startswith("rung:") for key in line["user_attr"]):
            changed[number] = {**line, "user_attr": dict.fromkeys(line["user_attr"], "{}")}
    for broken in ([*lines[:4], "{}"], [json.dumps(line) for line in changed]):
        journal.write_text("".join(f"{line}\n" for line in broken))
        with pytest.raises(StateError, match=r"study\.journal is damaged"):
            open_study(tmp_path, trials=4)


def test_a_ledger_of_wrong_rows_is_named(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    [example] = examples(1)
    ledger.add(measurement(0.5, prompt="p"), {example.id: example}, "x")
    with sqlite3.connect(tmp_path / "ledger.sqlite") as other:
        other.execute("INSERT INTO predictions VALUES ('p', 'e', 'not json', 3)")
    other.close()
    with pytest.raises(StateError, match=r"ledger\.sqlite is damaged"):
        ledger.get("p", [example])
    ledger.close()


@pytest.mark.parametrize(
    "name", ["identity", "config.yaml", "data.json", "runs.jsonl", "ledger.sqlite", "study.journal"]
)
def test_a_folder_in_the_place_of_a_file_is_one_error(name: str, opened: Workspace) -> None:
    (opened.state / name).unlink(missing_ok=True)
    (opened.state / name).mkdir()
    with pytest.raises((StateError, ConfigError), match=name.partition(".")[0]):
        use(opened)


def use(opened: Workspace) -> None:
    with opened:
        opened.check_data({"train": "a"})
        opened.log_run({"seconds": 1.0})
        Ledger(opened.state / "ledger.sqlite")
        open_study(opened.state)


def test_numbers_that_are_none_are_named(opened: Workspace) -> None:
    (opened.state / "runs.jsonl").write_text('{"seconds": NaN}\n', encoding="utf-8")
    with pytest.raises(StateError, match=r"runs\.jsonl is damaged .*finite"):
        opened.log_run({"seconds": 1.0})


def test_a_clock_that_went_back_takes_no_time_off(opened: Workspace) -> None:
    assert [run["seconds"] for run in opened.log_run({"seconds": -3600.0})] == [1.0, 0.0]


def test_a_journal_that_stands_there_twice_is_named(tmp_path: Path) -> None:
    play(open_study(tmp_path, trials=4))
    journal = tmp_path / "study.journal"
    journal.write_bytes(journal.read_bytes() * 2)
    with pytest.raises(StateError, match=r"trial 0 twice.*--fresh"):
        open_study(tmp_path, trials=4)


def test_a_lock_whose_file_was_removed_keeps_others_out(opened: Workspace) -> None:
    config = load_config(opened.folder.parent / "space.yaml")
    with opened:
        (opened.state / "lock").unlink()
        with pytest.raises(StateError, match="in use by another run"):
            Workspace(opened.folder, config).__enter__()
    with Workspace(opened.folder, config):
        pass
