from __future__ import annotations

from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from autoprompt_search.core.errors import StateError
from autoprompt_search.studies.journal import Journal

ENTRIES = [{"op_code": 0, "text": "a\nb ü", "number": 0.1}, {"op_code": 1, "nothing": None}]


def test_what_is_written_is_read_by_this_driver_the_next_and_optuna(tmp_path: Path) -> None:
    path = tmp_path / "state" / "study.journal"
    journal = Journal(path)
    journal.append_logs(ENTRIES[:1])
    journal.append_logs(ENTRIES[1:])
    for reader in (journal, Journal(path), JournalFileBackend(str(path))):
        assert list(reader.read_logs(0)) == ENTRIES
        assert list(reader.read_logs(1)) == ENTRIES[1:]
        assert list(reader.read_logs(2)) == []


def test_what_was_read_before_is_read_again(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "study.journal")
    journal.append_logs(ENTRIES)
    assert list(journal.read_logs(2)) == []
    journal.append_logs(ENTRIES[:1])
    assert list(journal.read_logs(1)) == [ENTRIES[1], ENTRIES[0]]
    assert list(journal.read_logs(2)) == ENTRIES[:1]


def test_the_lines_are_those_of_optunas_own_file(tmp_path: Path) -> None:
    theirs = JournalFileBackend(str(tmp_path / "theirs"))
    theirs.append_logs(ENTRIES)
    Journal(tmp_path / "ours").append_logs(ENTRIES)
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()


def test_a_study_made_by_optuna_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "study.journal"
    theirs = optuna.create_study(study_name="s", storage=JournalStorage(JournalFileBackend(str(path))))
    theirs.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    ours = optuna.load_study(study_name="s", storage=JournalStorage(Journal(path)))
    ours.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
    again = optuna.load_study(study_name="s", storage=JournalStorage(JournalFileBackend(str(path))))
    assert [t.params for t in again.trials] == [t.params for t in ours.trials]
    assert len(again.trials) == 3


def test_a_torn_last_line_is_cut_and_the_next_entry_stands_alone(tmp_path: Path) -> None:
    path = tmp_path / "study.journal"
    Journal(path).append_logs(ENTRIES)
    with path.open("ab") as file:
        file.write(b'{"op_code": 8, "worker_id": "torn')
    Journal(path).append_logs(ENTRIES[:1])
    assert list(Journal(path).read_logs(0)) == [*ENTRIES, ENTRIES[0]]


def test_a_damaged_file_is_said_to_be_one_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "study.journal"
    path.write_bytes(b"words\n" * 10)
    with pytest.raises(StateError, match=r"study\.journal is not a readable journal .* --fresh"):
        Journal(path)
    assert path.read_bytes() == b"words\n" * 10
