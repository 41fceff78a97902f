"""`dashboard`: MLflow's own pages in a process of their own, on this machine only."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

from autoprompt_search.core.errors import ConfigError, SearchError

HOST = "127.0.0.1"
_SQLITE = "sqlite:///"
_SETTINGS = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}


def serve(uri: str, port: int) -> None:
    """Run until Ctrl-C. `ConfigError` for a store that is not there or a port in use."""
    if urlsplit(uri).scheme in ("http", "https"):
        raise ConfigError(f"--uri: {uri} is a server that already shows its runs: open it in a browser")
    if uri.startswith(_SQLITE) and not Path(uri.removeprefix(_SQLITE)).is_file():
        raise ConfigError(
            f"--uri: there is no {uri.removeprefix(_SQLITE)} here. A search makes it: "
            "`autoprompt-search run SPACE.yaml` (or say where it is: --uri sqlite:///path/to/mlflow.db)"
        )
    _refuse_taken(port)
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", uri]
    command += ["--host", HOST, "--port", str(port), "--workers", "1"]
    sys.stdout.write(f"MLflow is at http://{HOST}:{port} in a moment; Ctrl-C ends it.\n")
    sys.stdout.flush()
    with subprocess.Popen(command, env={**os.environ, **_SETTINGS}) as process:  # noqa: S603
        try:
            code = process.wait()
        finally:
            process.terminate()
    if code != 0:
        raise SearchError(f"MLflow ended with exit code {code}; its own messages are above")


def _refuse_taken(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as exc:
            raise ConfigError(f"--port: {port} cannot be used ({exc.strerror}); choose another") from exc
