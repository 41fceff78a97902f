"""Starting Ray in the background: what it leaves behind, and that trials run in the workers it started."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import ray
from ray.tune.execution import class_cache

from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.runners import RUNNERS, Runner
from autoprompt_search.runners.early import EarlyStart
from autoprompt_search.testing.factories import job
from autoprompt_search.testing.runner_contract import drive

PRELOAD = "RAY_preload_python_modules"


def settings() -> tuple[object, ...]:
    return (
        sys.getswitchinterval(),
        os.environ.get(PRELOAD),
        dict(class_cache.DEFAULT_ENV_VARS),
        set(class_cache.ENV_VARS_TO_PROPAGATE),
    )


def test_a_start_runs_in_a_thread_that_lives_until_it_is_closed() -> None:
    before, seen, stopped = settings(), [], []

    def start() -> None:
        seen.append((threading.current_thread(), os.environ[PRELOAD], sys.getswitchinterval()))

    early = EarlyStart(start, ["one", "two"])
    early.wait()
    [(thread, modules, turn)] = seen
    assert modules == "one,two"
    assert turn < before[0]
    assert thread is not threading.main_thread()
    assert thread.is_alive()
    assert not class_cache.DEFAULT_ENV_VARS
    early.close(lambda: stopped.append(True))
    assert stopped
    assert not thread.is_alive()
    assert settings() == before


def test_a_start_that_fails_is_told_to_who_waits_and_not_stopped() -> None:
    def start() -> None:
        raise OSError("no room")

    before, stopped = settings(), []
    early = EarlyStart(start, ["one"])
    with pytest.raises(OSError, match="no room"):
        early.wait()
    early.close(lambda: stopped.append(True))
    assert not stopped
    assert settings() == before


def test_what_the_user_preloads_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PRELOAD, "theirs")
    seen = []
    early = EarlyStart(lambda: seen.append(os.environ[PRELOAD]), ["ours"])
    early.close(lambda: None)
    assert seen == ["theirs"]
    assert os.environ[PRELOAD] == "theirs"


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> Iterator[Runner]:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    runner = RUNNERS.build(ComponentSpec.model_validate({"type": "ray", "concurrency": 1}))
    runner.begin(["torch"])
    yield runner
    runner.close()


def _torch_threads() -> int:
    import torch

    return torch.get_num_threads()


def workers(title: str) -> set[str]:
    """Processes below this one that call themselves so."""
    below = {str(os.getpid())}
    names: dict[str, str] = {}
    for folder in sorted(Path("/proc").glob("[0-9]*"), key=lambda f: int(f.name)):
        try:
            if (folder / "stat").read_text().rpartition(")")[2].split()[1] in below:
                below.add(folder.name)
                names[folder.name] = (folder / "cmdline").read_text().replace("\0", " ").strip()
        except OSError:
            continue
    return {pid for pid, name in names.items() if name.startswith(title)}


@pytest.mark.ray
@pytest.mark.skipif(sys.platform != "linux", reason="processes are looked up in /proc")
def test_trials_run_in_a_worker_that_was_started_beforehand(begun: Runner, tmp_path: Path) -> None:
    idle: set[str] = set()
    at_work: set[str] = set()
    libraries: list[str] = []
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.05):
            idle.update(workers("ray::IDLE"))
            for pid in workers("ray::_Trainable") | workers("ray::ResourceTrainable"):
                at_work.add(pid)
                with suppress(OSError):
                    libraries.append(Path(f"/proc/{pid}/maps").read_text())

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        work = job(tmp_path, backend=ComponentSpec.model_validate({"type": "scripted", "seconds": 0.3}))
        done = drive(begun, work, trials=4)
    finally:
        over.set()
        watcher.join()
    assert ray.get(ray.remote(_torch_threads).remote()) == 1, "torch was loaded before it was told so"
    assert len(done.records) == 4
    assert len(at_work) == 1
    assert idle == at_work, "another worker than the one that waited"
    assert "libtorch" in libraries[-1], "which the scripted backend does not need"
