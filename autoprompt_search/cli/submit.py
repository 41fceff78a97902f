"""`submit`: a search as a job on a Ray cluster, followed from here, its result brought back."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import autoprompt_search
from autoprompt_search.cli.bundle import Receiver, new_mark, unpack
from autoprompt_search.config import SearchConfig, load_config
from autoprompt_search.core.errors import ConfigError, MissingExtraError, SearchError
from autoprompt_search.core.uris import has_secret, public_uri
from autoprompt_search.core.visible import visible

LEFT_OUT = ("/reports/", "/mlruns/", "/mlflow.db*", ".git/", ".venv/", "__pycache__/", "*.pyc")
"""Files of the working folder that are not sent: results, and what every machine makes for itself."""
_SECRET = re.compile(r"(key|token|secret|passw(or)?d|credential)", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Order:
    """What the user asked for."""

    space: Path
    changes: tuple[str, ...]
    address: str
    remote: str | None
    """Folder on the cluster; None for one named after the search in the home folder there."""
    requirements: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    """Environment of the job as `NAME=VALUE`."""
    is_shipped: bool = True
    """Whether this package travels with the job."""
    is_fresh: bool = False
    """Whether what the folder there holds is forgotten."""


def submit(order: Order, out: Path | None) -> None:
    """Check, hand in, follow, and bring the result to `out`.

    Ctrl-C stops the job, which keeps what it has measured and goes on when the same is submitted again.
    """
    config = load_config(order.space, order.changes)
    out = out or Path("reports") / config.name
    _refuse(order, out)
    jobs, there, mark = _jobs(), folder_there(config.name, order.remote), new_mark()
    spec = jobs.JobSpec(
        command=command(order, mark),
        folder=Path.cwd(),
        left_out=LEFT_OUT,
        package=Path(autoprompt_search.__file__).parent if order.is_shipped else None,
        requirements=order.requirements,
        environment=_environment(order.environment),
    )
    job = jobs.Job.submit(order.address, spec)
    _say(f"{config.name} is the job {job.name} at {public_uri(order.address)}; Ctrl-C stops it")
    receiver = Receiver(mark)
    try:
        status = job.follow(lambda line: None if receiver.take(line) else sys.stdout.write(visible(line) + "\n"))
    except KeyboardInterrupt:
        _say("Stopping the job ...")
        ended = "It has stopped." if job.stop() else f"It has not ended yet: look at {public_uri(order.address)}."
        _say(f"{ended} Finished trials are kept on the cluster, in {there}.")
        raise
    if status != "SUCCEEDED":
        raise SearchError(f"the job {job.name} ended as {status}: {job.reason()}; its own words are above")
    if receiver.data is None:
        raise SearchError(f"the job ended well and sent no result; it lies on the cluster, in {there}")
    unpack(receiver.data, out)
    _say(f"The result is in {out}, the best prompt in {out / 'best_prompt'}")


def command(order: Order, mark: str) -> str:
    """What the head node's shell runs: the hidden command `job`; `mark` begins the lines that bring the result."""
    words = ["python", "-m", "autoprompt_search", "job", order.space.as_posix(), "--mark", mark]
    words += [part for change in order.changes for part in ("--set", change)]
    words += ["--there", order.remote] if order.remote else []
    words += ["--fresh"] if order.is_fresh else []
    return shlex.join(words)


def folder_there(name: str, remote: str | None) -> Path:
    """The folder in which a search keeps results and state on the cluster."""
    return Path(remote or f"~/autoprompt-search/{name}")


def changes_there(config: SearchConfig, folder: Path) -> list[str]:
    """What is different on the cluster: trials run on the Ray that the job runs on, and an SQLite store of MLflow,
    which would be thrown away with the job's working folder, stands beside the result."""
    changes = ["runner.address=auto"] if config.runner.type == "ray" else []
    uri = str(config.tracker.options.get("uri", "sqlite:///mlflow.db"))
    if config.tracker.type == "mlflow" and uri.startswith("sqlite"):
        changes.append(f"tracker.uri=sqlite:///{folder}/mlflow.db")
    return changes


def _refuse(order: Order, out: Path) -> None:
    problems, shown = [], public_uri(order.address)
    if not re.match(r"https?://", order.address):
        problems.append(f"--address: write http://HEAD:8265, the address of Ray's job server (got {shown!r})")
    if order.remote is not None and not order.remote.startswith("/"):
        problems.append(f"--there: must be an absolute folder on the cluster (got {order.remote!r})")
    if order.space.is_absolute() or ".." in order.space.parts:
        problems.append(f"SPACE: must lie in the working folder, which is what is sent (got {str(order.space)!r})")
    if (out / "state").exists():
        problems.append(f"--out: {out} holds a search of this machine; choose another folder")
    problems += [
        f"--set: {change.partition('=')[0]} holds a secret, and Ray shows a job's command to everybody who sees its "
        "dashboard: write it into the space file, which is sent to the cluster's own storage"
        for change in order.changes
        if has_secret(change.partition("=")[2])
    ]
    if problems:
        raise ConfigError(problems)


def _environment(given: Sequence[str]) -> Mapping[str, str]:
    environment = {}
    for item in given:
        name, equals, value = item.partition("=")
        if not (equals and _NAME.fullmatch(name)):
            raise ConfigError(f"--env: write NAME=VALUE (got {item!r})")
        if _SECRET.search(name):
            raise ConfigError(
                f"--env: {name} looks like a secret, and Ray shows a job's environment to everybody who sees its "
                "dashboard. Set it on the head node, or in the cluster's own secrets"
            )
        environment[name] = value
    return environment


def _jobs() -> ModuleType:
    try:
        from autoprompt_search.runners import jobs
    except ImportError as exc:
        raise MissingExtraError(
            f"submit needs the package {exc.name!r}: pip install 'autoprompt-search[cluster]'"
        ) from exc
    return jobs


def _say(text: str) -> None:
    print(visible(text), file=sys.stderr)  # noqa: T201
