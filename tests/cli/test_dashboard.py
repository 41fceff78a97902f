"""`dashboard` refuses what cannot work before it starts anything."""

import socket

import pytest

from autoprompt_search.cli.dashboard import HOST, serve
from autoprompt_search.core.errors import ConfigError


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
