"""Processes that do nothing but open the tracker, forked from one that has imported MLflow already; run as a script.

`kills N`: N of them, one after the other on each of two lanes, each ended by a signal while the database is made.
`groups N`: N of them in fresh folders, ten begun together. Prints one line of JSON.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import sqlite3
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from autoprompt_search.trackers.mlflow import SETTINGS, MlflowTracker

os.environ.update(SETTINGS)

from autoprompt_search.testing.tracker_contract import search_card
from autoprompt_search.trackers import _mlflow_sender, _mlflow_store  # noqa: F401 - imported before the forks

SIGNALS = (signal.SIGKILL, signal.SIGINT, signal.SIGTERM)
LANES, TOGETHER = 2, 10


def open_store(folder: Path, number: int) -> None:
    tracker = MlflowTracker(folder / f"state-{number}", uri=f"sqlite:///{folder}/mlflow.db")
    tracker.open(search_card(folder, f"{number:016x}"))


def fork(act: Callable[[], None]) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        act()
        os._exit(0)
    except KeyboardInterrupt:
        os._exit(130)
    except Exception:  # noqa: BLE001 - a fork must never return into its parent's code
        traceback.print_exc()
        os._exit(1)


def ended(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def searches_of(database: Path) -> int:
    """Of a whole database; -1 for any other."""
    with closing(sqlite3.connect(database)) as connection:
        try:
            (has_experiment,) = connection.execute("SELECT count(*) FROM experiments").fetchone()
            (searches,) = connection.execute("SELECT count(*) FROM runs").fetchone()
        except sqlite3.Error:
            return -1
        return int(searches) if has_experiment else -1


def lane(folder: Path, count: int) -> None:
    """Kills spread over the time that the opening takes; the database is taken away where one was complete."""
    folder.mkdir()
    database = folder / "mlflow.db"
    begun = time.monotonic()
    codes = [ended(fork(functools.partial(open_store, folder, 0)))]
    seconds = time.monotonic() - begun
    for number in range(1, count + 1):
        for file in folder.glob("mlflow.db*"):
            if not file.name.endswith((".draft", ".lock")):
                file.unlink()
        pid = fork(functools.partial(open_store, folder, number))
        time.sleep(seconds * (number / count) ** 2.5)
        os.kill(pid, SIGNALS[number % len(SIGNALS)])
        codes.append(ended(pid))
        if database.exists() and searches_of(database) < 0:
            codes.append(1)
    database.unlink(missing_ok=True)
    codes.append(ended(fork(functools.partial(open_store, folder, count + 1))))
    left = sorted(file.name for file in folder.glob("mlflow.db?*") if not file.name.endswith(("-wal", "-shm")))
    seen = {"codes": codes, "searches": searches_of(database), "left": left}
    (folder / "seen.json").write_text(json.dumps(seen), encoding="utf-8")


def kills(folder: Path, count: int) -> list[object]:
    places = [folder / str(number) for number in range(LANES)]
    for pid in [fork(functools.partial(lane, place, count // LANES)) for place in places]:
        ended(pid)
    return [json.loads((place / "seen.json").read_text(encoding="utf-8")) for place in places]


def groups(folder: Path, count: int) -> list[object]:
    seen: list[object] = []
    for group in range(count // TOGETHER):
        place = folder / str(group)
        place.mkdir()
        pids = [fork(functools.partial(open_store, place, number)) for number in range(TOGETHER)]
        codes = [ended(pid) for pid in pids]
        seen.append({"codes": codes, "searches": searches_of(place / "mlflow.db")})
    return seen


if __name__ == "__main__":
    made = {"kills": kills, "groups": groups}[sys.argv[1]](Path(sys.argv[2]), int(sys.argv[3]))
    sys.stdout.write(json.dumps(made) + "\n")
