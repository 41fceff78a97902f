"""`dashboard` refuses what cannot work before it starts anything."""

import re
import shutil
import signal
import socket
import subprocess
import sys

import psutil
import pytest

from autoprompt_search.cli.dashboard import HOST, PORT, serve
from autoprompt_search.core.errors import ConfigError
from tests.trackers.harness import database


def test_a_missing_store_says_what_makes_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"there is no mlflow\.db here.*autoprompt-search run"):
        serve("sqlite:///mlflow.db", 5000)


def test_a_server_shows_its_runs_itself():
    with pytest.raises(ConfigError, match="open it in a browser"):
        serve("http://localhost:5000", 5000)


def test_a_port_in_use(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mlflow.db").touch()
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        with pytest.raises(ConfigError, match="choose another"):
            serve("sqlite:///mlflow.db", taken.getsockname()[1])


@pytest.mark.slow
def test_the_dashboard_takes_a_free_port_opens_the_searches_and_ends_whole(tmp_path):
    shutil.copy(database(), tmp_path / "mlflow.db")
    with socket.socket() as taken:
        try:
            taken.bind((HOST, PORT))
            taken.listen()
        except OSError:
            pass  # somebody else has it, which is the case too
        command = [sys.executable, "-m", "autoprompt_search", "dashboard"]
        with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
            said = [process.stdout.readline(), process.stdout.readline()]
            children = psutil.Process(process.pid).children(recursive=True)
            process.send_signal(signal.SIGTERM)
            process.wait(30)
    assert f"port {PORT} " not in said[0]
    address = re.search(r"http://127\.0\.0\.1:(\d+)/#/experiments/\d+/runs\?workflowType=machine_learning", said[1])
    assert address
    assert children
    assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
