"""Who may reach what a command starts: the listening sockets of all its processes, as the system knows them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from urllib.request import urlopen

import psutil
import pytest

from tests.trackers.harness import database

from .conftest import space_file
from .nodes import free_port

pytestmark = pytest.mark.slow


@contextmanager
def started(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A command of ours, ended with all it started."""
    process = subprocess.Popen(
        [sys.executable, "-m", "autoprompt_search", *arguments], cwd=folder,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background job ignores it
    )  # fmt: skip
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.communicate(timeout=60)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def listening(pid: int) -> set[tuple[str, int]]:
    """Address and port of everything that this process and those below it listen on."""
    top = psutil.Process(pid)
    found = set()
    for each in [top, *top.children(recursive=True)]:
        try:
            sockets = each.net_connections(kind="inet")
        except psutil.NoSuchProcess:
            continue
        found |= {(s.laddr.ip, s.laddr.port) for s in sockets if s.status == psutil.CONN_LISTEN}
    return found


def outside(sockets: set[tuple[str, int]]) -> set[tuple[str, int]]:
    """Those of them that other machines can reach; `::ffff:127.0.0.1` is 127.0.0.1 on a socket of both families."""
    return {(ip, port) for ip, port in sockets if not ip_address(ip.removeprefix("::ffff:")).is_loopback}


def test_the_dashboard_listens_on_this_machine_only(tmp_path: Path) -> None:
    shutil.copy(database(), tmp_path / "mlflow.db")
    port = free_port()
    with started(tmp_path, "dashboard", "--port", str(port)) as process:
        for _ in range(600):
            try:
                with urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
                    assert answer.status == 200
                break
            except OSError:
                assert process.poll() is None
                time.sleep(0.2)
        else:
            pytest.fail("it did not start")
        sockets = listening(process.pid)
    assert ("127.0.0.1", port) in sockets
    assert not outside(sockets)


@pytest.mark.ray
def test_the_ray_that_a_search_starts_listens_on_this_machine_only(folder: Path) -> None:
    backend = {"type": "scripted", "cues": {"good": "loved", "bad": "hated"}, "seconds": 0.2}
    space_file(folder, backend=backend, runner={"type": "ray"}, tracker={"type": "mlflow"})
    with started(folder, "run", "space.yaml") as process:
        assert process.stderr is not None
        heard = [""]
        while not heard[-1].startswith("[2/16]"):
            heard.append(process.stderr.readline())
            assert heard[-1], "".join(heard)
        sockets = listening(process.pid)
    assert len(sockets) >= 3, "the head's own servers at least"
    assert not outside(sockets)
