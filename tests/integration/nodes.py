"""Ray nodes as a cluster has them, on this machine: processes of their own, known and ended by their ids."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.request import urlopen


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Node:
    """`ray start`, in a process group of its own; its workers end with it."""

    def __init__(self, folder: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._log = folder / "node.log"
        command = [sys.executable, "-c", "from ray.scripts.scripts import main; main()", "start", "--block"]
        binaries = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
        environment = {
            "RAY_USAGE_STATS_ENABLED": "0",
            "PATH": binaries,
            **(environment or {}),
        }
        with self._log.open("wb") as out:
            self._process = subprocess.Popen(
                [*command, *arguments, "--num-gpus", "0", "--object-store-memory", "100000000"],
                env={**os.environ, **environment}, stdout=out, stderr=out, start_new_session=True,
            )  # fmt: skip

    def await_line(self, text: str, seconds: float = 120) -> None:
        """Until the node says so."""
        end = time.monotonic() + seconds
        while text not in self._log.read_text(errors="replace"):
            if self._process.poll() is not None or time.monotonic() > end:
                raise TimeoutError(self._log.read_text(errors="replace")[-2000:])
            time.sleep(0.1)

    def kill(self) -> None:
        """As a machine goes whose power is cut: all its processes at once."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        """End it whatever state it is in."""
        if self._process.poll() is None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(20)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


class Cluster:
    """A head that computes nothing unless it is told to, and nodes that come and go."""

    def __init__(self, folder: Path, *, cpus: int = 0, dashboard: bool = False) -> None:
        self._folder, self._nodes = folder, 0
        self.port, self.dashboard_port = free_port(), free_port()
        shown = ["--include-dashboard", str(dashboard).lower(), "--dashboard-host", "127.0.0.1"]
        self.head = Node(
            folder / "head", "--head", "--port", str(self.port), "--num-cpus", str(cpus),
            *shown, "--dashboard-port", str(self.dashboard_port), "--temp-dir", str(folder / "ray"),
        )  # fmt: skip
        self._all = [self.head]

    @property
    def address(self) -> str:
        """For `runner.address`."""
        return f"127.0.0.1:{self.port}"

    @property
    def jobs(self) -> str:
        """For `submit --address`."""
        return f"http://127.0.0.1:{self.dashboard_port}"

    def ready(self) -> None:
        """Until the head, and its job server if it has one, answer."""
        self.head.await_line("Ray runtime started")

    def await_jobs(self, seconds: float = 120) -> None:
        end = time.monotonic() + seconds
        while True:
            try:
                with urlopen(f"{self.jobs}/api/version", timeout=5):  # noqa: S310
                    return
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.3)

    def add(self, cpus: int, **environment: str) -> Node:
        """Another node; it joins while the caller goes on."""
        self._nodes += 1
        node = Node(
            self._folder / f"node {self._nodes}", "--address", self.address, "--num-cpus", str(cpus),
            environment=environment,
        )  # fmt: skip
        self._all.append(node)
        return node

    def stop(self) -> None:
        """Nodes first, the head last."""
        for node in reversed(self._all):
            node.stop()


@contextlib.contextmanager
def running(*, cpus: int = 0, dashboard: bool = False) -> Iterator[Cluster]:
    """A cluster whose head answers; it ends with the block."""
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as short:  # sockets have short names
        made = Cluster(Path(short), cpus=cpus, dashboard=dashboard)
        try:
            made.ready()
            yield made
        finally:
            made.stop()
