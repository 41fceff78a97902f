"""The command that runs an interpreter in bubblewrap (https://github.com/containers/bubblewrap): no network, no files
of the host but a read-only interpreter, no environment, and process numbers of its own."""

from __future__ import annotations

import os
import secrets
import shutil
import sys
import sysconfig
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_FIRST, _USERS = 1_900_000_000, 90_000_000
"""Numbers of users that nobody has. Each run has one of its own: the kernel limits the processes of a user, and not
those of root."""
_DISK = 16 * 2**20
"""Bytes of the only place where a program may write."""
HARNESS = "/tmp/harness.py"  # noqa: S108 - inside the sandbox


@cache
def executable() -> str | None:
    """Where bubblewrap is; None where it is not installed."""
    return shutil.which("bwrap")


@dataclass(frozen=True, slots=True)
class Launch:
    """How one run of the harness is started."""

    command: list[str]
    user: int | None = None
    """The user that starts it; None for this process' own."""


def as_root(harness: Path, arguments: Sequence[str]) -> Launch:
    """The host's root makes the sandbox, and the harness gives root up before anything runs."""
    kept = ("--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID")
    apart = ("--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try")
    return Launch(_command(harness, [*apart, *kept], [*arguments, str(_user())]))


def as_user(harness: Path, arguments: Sequence[str]) -> Launch:
    """A user makes the sandbox in a user namespace; root becomes a user first, who has to be able to read Python."""
    user = _user() if os.geteuid() == 0 else None
    apart = ("--unshare-all", "--cap-drop", "ALL", "--uid", "65534", "--gid", "65534")
    return Launch(_command(harness, apart, arguments), user)


def ways() -> list[Callable[[Path, Sequence[str]], Launch]]:
    """How a sandbox may be made here, the best first."""
    return [as_root, as_user] if os.geteuid() == 0 else [as_user]


def _user() -> int:
    return _FIRST + secrets.randbelow(_USERS)


def _command(harness: Path, apart: Sequence[str], arguments: Sequence[str]) -> list[str]:
    python = os.path.realpath(sys.executable)
    shown = [arg for path in _read_only() for arg in (*_open_parents(path), "--ro-bind", path, path)]
    return [
        str(executable()),
        *apart,
        *("--die-with-parent", "--new-session", "--clearenv", "--hostname", "sandbox"),
        *shown,
        *_links(),
        *("--proc", "/proc", "--dev", "/dev", "--size", str(_DISK), "--perms", "1777", "--tmpfs", "/tmp"),  # noqa: S108
        *("--ro-bind", str(harness), HARNESS, "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/tmp"),  # noqa: S108
        *("--setenv", "PATH", "/usr/bin:/bin", "--setenv", "LC_ALL", "C.UTF-8", "--setenv", "PYTHONHASHSEED", "0"),
        *(python, "-I", "-S", "-B", HARNESS, *arguments),
    ]


def _read_only() -> list[str]:
    """Folders that an interpreter needs: the system's libraries, and its own installation."""
    own = [
        os.path.realpath(sys.base_prefix),
        sysconfig.get_path("stdlib"),
        str(Path(sys.executable).resolve().parent),
    ]
    folders = ["/usr", *(path for path in own if not path.startswith("/usr/"))]
    return [path for path in dict.fromkeys(folders) if Path(path).is_dir()]


def _open_parents(path: str) -> list[str]:
    """Empty folders above `path`, through which anybody may go: those of the host may be root's alone."""
    above = [str(parent) for parent in reversed(Path(path).parents) if str(parent) != "/"]
    return [arg for parent in above for arg in ("--perms", "0755", "--dir", parent)]


def _links() -> list[str]:
    """`/lib` and its like as this system has them: links into `/usr`, or folders of their own."""
    arguments: list[str] = []
    for name in ("bin", "lib", "lib32", "lib64"):
        path = Path("/", name)
        if path.is_symlink():
            arguments += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            arguments += ["--ro-bind", str(path), str(path)]
    return arguments
