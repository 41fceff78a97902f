from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from autoprompt_search.core.answers import LabelLogprobs
from autoprompt_search.core.errors import StateError
from autoprompt_search.core.measurements import Answered, Cost, Measurement
from autoprompt_search.core.types import Example
from autoprompt_search.evaluate import measure
from autoprompt_search.ledger import VERSION, Ledger, LedgerReader, address
from autoprompt_search.testing.factories import examples, prompt
from autoprompt_search.testing.scripted import ScriptedBackend

DEV = examples(12)
BY_ID = {e.id: e for e in DEV}


def measured(examples: tuple[Example, ...] = DEV, text: str = "{text} It was") -> Measurement:
    return measure(prompt(text), examples, ScriptedBackend())


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(tmp_path / "state" / "ledger.sqlite")
    yield made
    made.close()


def test_what_is_added_is_found_by_writer_and_reader(ledger: Ledger, tmp_path: Path) -> None:
    made = measured()
    ledger.add(made, BY_ID, "trial 0 rung 12")
    wanted = {o.example: Answered(o.response, o.prompt_tokens) for o in made.outcomes}
    for known in (ledger, LedgerReader(tmp_path / "state" / "ledger.sqlite")):
        assert known.get(made.prompt, DEV) == wanted
        assert known.get(made.prompt, DEV[:1]) == {DEV[0].id: wanted[DEV[0].id]}
        assert known.get("another prompt", DEV) == {}


def test_a_measurement_again_costs_nothing_and_is_the_same(ledger: Ledger) -> None:
    made = measured()
    ledger.add(made, BY_ID, "trial 0 rung 12")
    backend = ScriptedBackend()
    again = measure(prompt("{text} It was"), DEV, backend, known=ledger)
    assert backend.scored == 0
    assert again == replace(made, cost=Cost())


def test_the_first_word_stands(ledger: Ledger) -> None:
    made = measured(DEV[:1])
    ledger.add(made, BY_ID, "one")
    changed = replace(made.outcomes[0], response=LabelLogprobs((-9.0, -0.1)), prompt_tokens=99)
    ledger.add(replace(made, outcomes=(changed,)), BY_ID, "two")
    assert ledger.get(made.prompt, DEV[:1]) == {
        DEV[0].id: Answered(made.outcomes[0].response, made.outcomes[0].prompt_tokens)
    }


def test_edited_data_never_meets_old_predictions(ledger: Ledger) -> None:
    made = measured()
    ledger.add(made, BY_ID, "one")
    edited = replace(DEV[0], inputs={"text": "something else"})
    assert ledger.get(made.prompt, (edited, DEV[1])).keys() == {DEV[1].id}
    assert address(edited) != address(DEV[0]) != address(replace(DEV[0], id="another"))
    assert address(replace(DEV[0], target="corrected")) == address(DEV[0])


def test_costs_count_once_per_purpose_and_over_all_runs(ledger: Ledger, tmp_path: Path) -> None:
    assert ledger.total() == Cost()
    low, high = measured(DEV[:4]), measured()
    ledger.add(low, BY_ID, "trial 0 rung 4")
    ledger.add(high, BY_ID, "trial 0 rung 12")
    ledger.add(replace(high, cost=Cost(1000)), BY_ID, "trial 0 rung 12")
    ledger.close()
    again = Ledger(tmp_path / "state" / "ledger.sqlite")
    total = again.total()
    again.close()
    wanted = low.cost + high.cost
    assert (total.forward_passes, total.prompt_tokens) == (16, wanted.prompt_tokens)
    assert total.seconds == pytest.approx(wanted.seconds)


def test_an_impossible_label_survives_the_round_trip(ledger: Ledger) -> None:
    made = measured(DEV[:1])
    odd = replace(made.outcomes[0], response=LabelLogprobs((float("-inf"), 0.0)))
    ledger.add(replace(made, outcomes=(odd,)), BY_ID, "one")
    assert ledger.get(made.prompt, DEV[:1])[DEV[0].id].response == LabelLogprobs((float("-inf"), 0.0))


def test_a_measurement_that_cannot_be_kept_whole_is_not_kept_at_all(ledger: Ledger) -> None:
    made = measured()
    broken = replace(made.outcomes[5], prompt_tokens=2**80)
    with pytest.raises(OverflowError):
        ledger.add(replace(made, outcomes=(*made.outcomes[:5], broken, *made.outcomes[6:])), BY_ID, "one")
    assert ledger.get(made.prompt, DEV) == {}
    assert ledger.total() == Cost()


@pytest.mark.parametrize("content", [b"", b"words " * 1000, b"SQLite format 3\x00" + b"\xff" * 4096])
def test_a_reader_of_a_broken_file_knows_nothing(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(content)
    assert LedgerReader(path).get("key", DEV) == {}
    assert path.read_bytes() == content


def test_a_reader_of_nothing_knows_nothing_and_makes_nothing(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.sqlite", tmp_path / "no folder" / "x", tmp_path):
        assert LedgerReader(path).get("key", DEV) == {}
    assert list(tmp_path.iterdir()) == []


def test_a_reader_sees_odd_folder_names(tmp_path: Path) -> None:
    path = tmp_path / "50% done? #1" / "ledger.sqlite"
    ledger = Ledger(path)
    made = measured(DEV[:1])
    ledger.add(made, BY_ID, "one")
    assert len(LedgerReader(path).get(made.prompt, DEV)) == 1
    ledger.close()


@pytest.mark.parametrize("is_shared", [False, True])
def test_a_ledger_may_go_over_to_a_cluster_and_back(is_shared: bool, tmp_path: Path) -> None:
    """SQLite's fast way of writing keeps files beside the database, which only one machine can use."""
    path, made = tmp_path / "ledger.sqlite", measured()
    first = Ledger(path, is_shared=is_shared)
    first.add(made, BY_ID, "one")
    assert path.with_name("ledger.sqlite-wal").exists() != is_shared
    assert len(LedgerReader(path).get(made.prompt, DEV)) == len(DEV)
    first.close()
    assert len(LedgerReader(path).get(made.prompt, DEV)) == len(DEV)
    second = Ledger(path, is_shared=not is_shared)
    assert len(second.get(made.prompt, DEV)) == len(DEV)
    second.close()
    assert [file.name for file in tmp_path.iterdir()] == ["ledger.sqlite"]


def test_a_driver_does_not_write_over_a_broken_file(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(b"words " * 1000)
    with pytest.raises(StateError, match=r"ledger\.sqlite is not a readable ledger .* --fresh"):
        Ledger(path)
    assert path.read_bytes() == b"words " * 1000


WRITER = """
import sys
from autoprompt_search.core.answers import LabelLogprobs
from dataclasses import replace
from pathlib import Path
from autoprompt_search.core.measurements import Answered, Cost, Fidelity, Measurement, Outcome
from autoprompt_search.core.types import Example
from autoprompt_search.ledger import Ledger
dev = {f"dev:{i}": Example(f"dev:{i}", {"text": str(i)}, "a") for i in range(12)}
outcomes = tuple(Outcome(i, "a", "a", LabelLogprobs((-0.1, -2.0)), 7) for i in dev)
ledger = Ledger(Path(sys.argv[1]))
print("ready", flush=True)
for i in range(int(sys.argv[2]), 10**6):
    made = Measurement(1.0, 0.0, {}, Fidelity(12), Cost(12), prompt=f"prompt {i}", outcomes=outcomes)
    ledger.add(made, dev, f"trial {i}")
    print(i, flush=True)
"""


def test_a_kill_at_any_moment_keeps_whole_measurements(tmp_path: Path) -> None:
    """What the writer said it had kept is there; nothing is there in part; the next writer goes on."""
    path, rng, kept = tmp_path / "ledger.sqlite", random.Random(3), 0
    dev = tuple(Example(f"dev:{i}", {"text": str(i)}, "a") for i in range(12))
    for _ in range(4):
        command = [sys.executable, "-c", WRITER, str(path), str(kept)]
        env = {"PYTHONPATH": ":".join(p for p in sys.path if p)}
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
            time.sleep(rng.uniform(0.01, 0.1))
            writer.send_signal(signal.SIGKILL)
            said = [int(line) for line in writer.stdout.read().splitlines()[:-1]]
        ledger = Ledger(path)
        database = sqlite3.connect(path)
        rows = dict(database.execute("SELECT prompt, COUNT(*) FROM predictions GROUP BY prompt").fetchall())
        purposes = database.execute("SELECT COUNT(*) FROM costs").fetchone()[0]
        database.close()
        assert set(rows.values()) <= {12}
        assert purposes == len(rows) >= max(said, default=kept - 1) + 1
        assert all(len(ledger.get(f"prompt {i}", dev)) == 12 for i in said)
        assert ledger.total().forward_passes == 12 * purposes
        ledger.close()
        kept = purposes
    assert kept > 4


def old_file(path: Path, version: int) -> None:
    """A ledger as version 0.1 wrote it, with one prediction, marked with a format."""
    [example] = examples(1)
    with closing(sqlite3.connect(path)) as db, db:
        db.executescript(
            "CREATE TABLE predictions (prompt TEXT NOT NULL, example TEXT NOT NULL, logprobs TEXT NOT NULL,"
            " prompt_tokens INTEGER NOT NULL, PRIMARY KEY (prompt, example)) WITHOUT ROWID;"
            "CREATE TABLE costs (purpose TEXT PRIMARY KEY, forward_passes INTEGER NOT NULL, prompt_tokens INTEGER"
            " NOT NULL, completion_tokens INTEGER NOT NULL, seconds REAL NOT NULL) WITHOUT ROWID;"
            f"PRAGMA user_version = {version};"
        )
        db.execute("INSERT INTO predictions VALUES ('p', ?, '[-0.5, -1.0]', 7)", (address(example),))


@pytest.mark.parametrize(("version", "said"), [(0, 1), (99, 99)])
def test_a_ledger_of_another_version_is_refused_in_one_sentence(tmp_path: Path, version: int, said: int) -> None:
    path = tmp_path / "ledger.sqlite"
    old_file(path, version)
    with pytest.raises(StateError, match=rf"ledger\.sqlite was written by another version .*format {said},.*--fresh"):
        Ledger(path)


def test_a_new_ledger_is_marked_and_opens_again(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    for _ in range(2):
        Ledger(path).close()
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (VERSION,)
