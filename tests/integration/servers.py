"""Debian's PostgreSQL on loopback, started and stopped by a test; `tests/trackers/harness.py` has MLflow's server."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from .nodes import free_port


def missing() -> str:
    """What is not on this machine of what `Postgres` needs; empty where all is there."""
    return "" if _programs() else "Debian's package postgresql is not installed"


def _programs() -> Path | None:
    """Folder of `initdb` and `postgres`. Debian keeps them off the search path."""
    found = shutil.which("initdb")
    places = [Path(found).resolve().parent] if found else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((p for p in places if (p / "postgres").exists() and (p / "initdb").exists()), None)


class Postgres:
    """One database server that can crash and be started again.

    Args:
        folder: Empty, and readable by everybody where this runs as root: PostgreSQL refuses to be root and is
            started as `nobody`.
    """

    def __init__(self, folder: Path) -> None:
        programs = _programs()
        assert programs is not None, missing()
        self._programs, self._folder, self._port = programs, folder, free_port()
        self._who: dict[str, Any] = {}
        if os.geteuid() == 0:
            self._who = {"user": "nobody", "group": "nogroup", "extra_groups": []}
            shutil.chown(folder, "nobody", "nogroup")
        self._process: subprocess.Popen[bytes] | None = None
        made = [str(programs / "initdb"), "-D", str(folder / "data"), "-U", "search", "-A", "trust", "--no-sync"]
        subprocess.run(made, check=True, capture_output=True, cwd=folder, **self._who)

    @property
    def url(self) -> str:
        """For `study.storage`."""
        return f"postgresql+psycopg://search@127.0.0.1:{self._port}/postgres"

    def start(self) -> None:
        """Until it answers."""
        command = [str(self._programs / "postgres"), "-D", str(self._folder / "data"), "-p", str(self._port)]
        command += ["-k", str(self._folder), "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self._folder, **self._who)
        end = time.monotonic() + 60
        ready = [str(self._programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self._port)]
        while subprocess.run(ready, check=False).returncode != 0:
            if time.monotonic() > end or self._process.poll() is not None:
                raise TimeoutError((self._folder / "server.log").read_text()[-2000:])
            time.sleep(0.05)

    def crash(self) -> None:
        """Break every connection at once, and recover at the next start (PostgreSQL's immediate shutdown)."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(30)
            self._process = None
