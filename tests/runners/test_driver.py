from __future__ import annotations

from pathlib import Path

import pytest

from autoprompt_search.core.fingerprint import sha256_bytes
from autoprompt_search.core.measurements import TrialState
from autoprompt_search.core.prompts import SoftPrompt
from autoprompt_search.ledger import Ledger
from autoprompt_search.runners.driver import Driver, restore, store
from autoprompt_search.space import SearchSpace
from autoprompt_search.testing.factories import examples, job, measurement, open_study, space
from autoprompt_search.testing.runner_contract import Watch
from autoprompt_search.trackers.memory import MemoryTracker
from autoprompt_search.trial import Failure, TrialRun

WEIGHTS = b"some vectors"
SOFT = SoftPrompt("prompt-tuning", 4, "model", WEIGHTS, sha256_bytes(WEIGHTS), {"peft_type": "PROMPT_TUNING"})


def driver(folder: Path, trials: int = 3) -> tuple[Driver, Ledger, MemoryTracker]:
    texts = SearchSpace({"template": space().root["template"]})
    study = open_study(folder, texts, trials)
    ledger, tracker = Ledger(folder / "ledger.sqlite"), MemoryTracker()
    dev = {e.id: e for e in examples(24)}
    return Driver(study, ledger, tracker, Watch(), examples=dev, weights=folder / "weights"), ledger, tracker


def test_asking_whether_there_is_work_takes_none_away(tmp_path: Path) -> None:
    passes, ledger, _ = driver(tmp_path)
    assert passes.has_work()
    assert passes.has_work()
    assert [(passes.ask() or (None,))[0] for _ in range(4)] == [0, 1, 2, None]
    assert not passes.has_work()
    assert passes.live == {0, 1, 2}
    ledger.close()


def test_what_was_computed_is_kept_before_it_is_judged(tmp_path: Path) -> None:
    """A study that cannot write loses no prediction."""
    passes, ledger, _ = driver(tmp_path)
    _, (number, params) = passes.ask(), passes.ask() or pytest.fail("no trial")
    made = TrialRun(job(tmp_path), params).step()
    assert made is not None
    assert not isinstance(made, Failure)
    passes.ended(number, TrialState.FAILED, error="gone")
    with pytest.raises(KeyError):
        passes.measured(number, made)
    assert len(ledger.get(made.prompt, examples(24))) == 8
    ledger.close()


def test_a_stopped_trial_is_ended_as_pruned(tmp_path: Path) -> None:
    passes, ledger, tracker = driver(tmp_path)
    assert [(passes.ask() or (None,))[0] for _ in range(2)] == [0, 1]
    assert not passes.measured(0, measurement(0.9, 8, prompt="a"))
    assert passes.measured(1, measurement(0.1, 8, prompt="b", soft=SOFT))
    assert passes.live == {0}
    assert tracker.records[1].state is TrialState.PRUNED
    assert restore(SOFT, tmp_path / "weights") == SOFT
    ledger.close()


def test_trained_vectors_are_kept_under_their_hash(tmp_path: Path) -> None:
    path = store(SOFT, tmp_path / "weights")
    assert path.name == f"{SOFT.sha256}.safetensors"
    assert store(SOFT, tmp_path / "weights") == path
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    without = SoftPrompt(SOFT.method, SOFT.tokens, SOFT.base_model, b"", SOFT.sha256, SOFT.adapter)
    assert restore(without, tmp_path / "weights") == SOFT


def test_vectors_that_are_gone_or_changed_are_refused(tmp_path: Path) -> None:
    path = store(SOFT, tmp_path)
    path.write_bytes(b"other vectors")
    with pytest.raises(ValueError, match="is not what was stored"):
        restore(SOFT, tmp_path)
    path.unlink()
    with pytest.raises(FileNotFoundError):
        restore(SOFT, tmp_path)
