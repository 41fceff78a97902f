"""`dashboard`: MLflow's own pages in a process of their own, on this machine only."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import webbrowser
from pathlib import Path
from urllib.parse import urlsplit

from autoprompt_search.core.errors import ConfigError, SearchError
from autoprompt_search.core.uris import public_uri

HOST = "127.0.0.1"
PORT = 5000
_TRIED = 50
"""So many ports from `PORT` on are tried before the system is asked for any free one."""
_SQLITE = "sqlite:///"
_STORE = "MLFLOW_BACKEND_STORE_URI"
"""The environment of a process is for its owner; its command line is for everybody on the machine."""
_SETTINGS = {
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
}
_READY_SECONDS = 180.0
_GRACE_SECONDS = 5.0
"""Time in which the server may end by itself."""


def serve(uri: str, port: int | None, *, opens: bool = False) -> None:
    """Run until Ctrl-C or SIGTERM, and leave no process behind.

    Args:
        uri: The MLflow store.
        port: None takes 5000, or the next one that is free.
        opens: Whether the page is opened in the user's browser.

    Raises:
        ConfigError: The store is not there, or the port that was asked for is in use.
        SearchError: MLflow ended by itself.
    """
    if urlsplit(uri).scheme in ("http", "https"):
        raise ConfigError(f"--uri: {public_uri(uri)} is a server that already shows its runs: open it in a browser")
    if uri.startswith(_SQLITE) and not Path(uri.removeprefix(_SQLITE)).is_file():
        raise ConfigError(
            f"--uri: there is no {uri.removeprefix(_SQLITE)} here. A search makes it: "
            "`autoprompt-search run SPACE.yaml` (or say where it is: --uri sqlite:///path/to/mlflow.db)"
        )
    port = _free_port() if port is None else port
    _refuse_taken(port)
    command = [sys.executable, "-m", "mlflow", "server"]
    command += ["--host", HOST, "--port", str(port), "--workers", "1"]
    _say(f"MLflow starts on port {port} ...")
    # A session of its own: the server starts processes too, and all are to end together.
    # Its messages go where ours do not: what this command prints is the address.
    with subprocess.Popen(  # noqa: S603
        command, env={**os.environ, **_SETTINGS, _STORE: uri}, start_new_session=True, stdout=sys.stderr.fileno()
    ) as process:
        try:
            _show(process, uri, port, opens=opens)
            code = process.wait()
        finally:
            _end(process)
    if code != 0:
        raise SearchError(f"MLflow ended with exit code {code}; its own messages are above")


def _show(process: subprocess.Popen[bytes], uri: str, port: int, *, opens: bool) -> None:
    """Say where the searches are, as soon as the page is there."""
    base = f"http://{HOST}:{port}"
    os.environ.update({name: value for name, value in _SETTINGS.items() if name not in os.environ})
    page = _page(base, uri)
    if _is_ready(process, f"{base}/health"):
        _say(f"Searches: {page}\nCtrl-C ends it.")
        if opens:
            webbrowser.open(page)


def _page(base: str, uri: str) -> str:
    from autoprompt_search.trackers.mlflow_pages import KIND, address

    try:
        return address(base, uri)
    except Exception:  # noqa: BLE001 - MLflow and SQLAlchemy each raise their own; the server will say what is wrong
        return f"{base}/#/experiments?{KIND}"


def _is_ready(process: subprocess.Popen[bytes], address: str) -> bool:
    """Wait until the server answers; False where it ended, or takes too long."""
    end = time.monotonic() + _READY_SECONDS
    while process.poll() is None and time.monotonic() < end:
        with contextlib.suppress(urllib.error.URLError, OSError), urllib.request.urlopen(address, timeout=2):  # noqa: S310
            return True
        time.sleep(0.2)
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the server and what it started."""
    for ending, seconds in ((signal.SIGTERM, _GRACE_SECONDS), (signal.SIGKILL, _GRACE_SECONDS)):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, ending)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
            if not _has_members(process.pid):
                return


def _has_members(group: int) -> bool:
    """Whether a process of the group is left, after a moment to end."""
    for _ in range(20):
        try:
            os.killpg(group, 0)
        except (ProcessLookupError, PermissionError):
            return False
        time.sleep(0.1)
    return True


def _free_port() -> int:
    for port in range(PORT, PORT + _TRIED):
        if _problem(port) is None:
            return port
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _refuse_taken(port: int) -> None:
    if problem := _problem(port):
        raise ConfigError(f"--port: {port} cannot be used ({problem}); choose another, or name none")


def _problem(port: int) -> str | None:
    """Why nothing can listen there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as exc:
            return exc.strerror or str(exc)
    return None


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
