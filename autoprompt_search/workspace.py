"""The folder of a search: who may use it, for which configuration, and what is kept between runs."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import uuid
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from autoprompt_search.config import SearchConfig
from autoprompt_search.config.reader import read
from autoprompt_search.core.bounded import loads
from autoprompt_search.core.disk import append_line, reading, writing
from autoprompt_search.core.errors import ConfigError, StateError

_KEPT = ("lock", "test_openings.jsonl")
"""Files of the state folder that survive a fresh start: forgetting a search does not make its test split unseen."""
_OUTPUTS = ("report.html", "summary.md", "trials.csv", "config.yaml", "result.json", "best_prompt")


class Workspace:
    """The result folder, locked while a driver uses it.

    Args:
        folder: Where results go; `state/` below it holds what the next run continues from.
        config: Of this run. A folder with another search's state is refused.
        fresh: Forget what is there and start anew.
    """

    def __init__(self, folder: Path, config: SearchConfig, *, fresh: bool = False) -> None:
        self.folder, self.state = folder, folder / "state"
        self._config, self._fresh = config, fresh
        self._lock: IO[str] | None = None
        self._folder_lock: int | None = None
        """Of the folder itself: somebody may remove the file, whose lock then keeps nobody out."""
        self.identity = ""
        """Identity of this search since its fresh start; names its study and its dashboard run."""

    def __enter__(self) -> Self:
        try:
            self.state.mkdir(parents=True, exist_ok=True)
            self._lock = self._take_lock()
        except OSError as exc:
            raise ConfigError(f"out: cannot write to {self.folder}: {exc.strerror or exc}") from exc
        with ExitStack() as undo:  # a `with` that was never entered is never left
            undo.callback(self._unlock)
            self._open()
            undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            self._lock.close()
        if self._folder_lock is not None:
            os.close(self._folder_lock)
            self._folder_lock = None

    @property
    def openings(self) -> Path:
        """The file that lists what the test split has judged."""
        return self.state / _KEPT[1]

    @property
    def is_finished(self) -> bool:
        """Whether the last run on this folder came to its end: there may be nothing left to do."""
        runs = self._runs()
        return bool(runs) and runs[-1].get("status") == "finished"

    def check_data(self, fingerprints: Mapping[str, str]) -> None:
        """Refuse to go on when the data are not what the search began with.

        From here on the folder holds this search: what was refused before may be mended and run again.
        """
        with reading(self.state / "data.json"):
            began = loads(self._remembered("data.json", json.dumps(dict(fingerprints))))
            changed = [split for split, value in fingerprints.items() if began.get(split) != value]
        if changed:
            raise StateError(
                f"{self.folder} holds a search on other data: the {', '.join(changed)} split changed since it began. "
                "Use --fresh to start anew, or --out for another folder."
            )
        write_text(self.state / "config.yaml", self._config.to_yaml())

    def remember(self, name: str, value: Any) -> Any:
        """What the first run on this folder said under `name`, which is `value` if there was none."""
        with reading(self.state / name):
            return loads(self._remembered(name, json.dumps(value)))

    def log_run(self, entry: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Remember one run of the driver; all runs so far come back."""
        path = self.state / "runs.jsonl"
        append_line(path, json.dumps(entry))
        return self._runs()

    def _runs(self) -> list[dict[str, Any]]:
        path = self.state / "runs.jsonl"
        with reading(path):
            lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
            runs = [loads(line) for line in lines if line.endswith("}")]  # a kill may tear the last line
            return [{**run, "seconds": max(0.0, float(run["seconds"]))} for run in runs]

    def _open(self) -> None:
        if self._fresh:
            self._wipe()
        self._check_same_search()
        write_text(self.folder / "config.yaml", self._config.to_yaml())
        with reading(self.state / "identity"):
            self.identity = self._remembered("identity", uuid.uuid4().hex[:12])
            if not re.fullmatch(r"[0-9a-f]{12}", self.identity):
                raise ValueError(f"not a name that we gave: {self.identity[:40]!r}")

    def _take_lock(self) -> IO[str]:
        file = (self.state / "lock").open("a+", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            file.close()
            raise StateError(f"{self.folder} is in use by another run (process {holder})") from None
        self._folder_lock = _hold(self.state)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        return file

    def _wipe(self) -> None:
        for path in (*(self.folder / name for name in _OUTPUTS), *self.state.iterdir()):
            if path.name in _KEPT:
                continue
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)

    def _check_same_search(self) -> None:
        path = self.state / "config.yaml"
        if not path.exists():
            return
        changed = self._config.differences(read_config(path))
        if changed:
            raise StateError(
                f"{self.folder} holds another search. What changed:\n"
                + "\n".join(f"  - {line}" for line in changed)
                + "\nUse --fresh to forget it and start anew, or --out for another folder."
            )

    def _remembered(self, name: str, value: str) -> str:
        path = self.state / name
        if not path.exists():
            write_text(path, value)
        return path.read_text(encoding="utf-8")


def _hold(folder: Path) -> int | None:
    """Lock a folder, where its file system can; `StateError` where another process holds it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise StateError(f"{folder.parent} is in use by another run, whose lock file was removed") from None
    except OSError:  # a network's file system locks files only
        os.close(descriptor)
        return None
    return descriptor


def read_config(path: Path) -> SearchConfig:
    """A configuration that this product wrote. Raises `StateError` when it cannot be read back."""
    with reading(path, ConfigError):
        return SearchConfig.model_validate(read(path).data)


def write_text(path: Path, text: str) -> None:
    """Write a whole file or nothing."""
    draft = path.with_name(path.name + ".tmp")
    with writing(path):
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
