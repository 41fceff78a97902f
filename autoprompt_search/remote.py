"""A result folder on an object store: worked on here, brought there whole. Whatever fsspec reaches will do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from autoprompt_search.core.errors import ConfigError, MissingExtraError, StateError
from autoprompt_search.core.uris import is_uri, public_uri

_LOCK = "lock"


def is_remote(place: Path | str | None) -> bool:
    """Whether this is an address such as `s3://bucket/folder`."""
    return isinstance(place, str) and is_uri(place)


def bring(address: str, folder: Path) -> None:
    """Get what an earlier run left at `address`, where `folder` holds nothing yet; the search then goes on from it.

    Raises `ConfigError` where the store cannot be reached, `MissingExtraError` where its package is missing.
    """
    system, root = _opened(address)
    try:
        if any(folder.glob("*")) or not system.exists(root):
            return
        for path in system.find(root):
            target = folder / Path(path).relative_to(root) if Path(path).is_relative_to(root) else None
            if target is not None and ".." not in target.parts:
                target.parent.mkdir(parents=True, exist_ok=True)
                system.get_file(path, str(target))
    except Exception as exc:  # each store of fsspec raises its own
        raise ConfigError(f"--out: {public_uri(address)} cannot be read: {_said(exc)}") from exc


def send(folder: Path, address: str) -> None:
    """Put everything in `folder` at `address`, and take away what an earlier result left there beside it.

    Raises `StateError` where that fails: the result is still in `folder`.
    """
    system, root = _opened(address)
    try:
        before = set(system.find(root)) if system.exists(root) else set()
        sent = set()
        for file in sorted(path for path in folder.rglob("*") if path.is_file() and path.name != _LOCK):
            target = f"{root.rstrip('/')}/{file.relative_to(folder).as_posix()}"
            system.makedirs(target.rpartition("/")[0], exist_ok=True)
            system.put_file(str(file), target)
            sent.add(target.strip("/"))
        for path in before:
            if path.strip("/") not in sent:
                system.rm_file(path)
    except Exception as exc:  # as above
        raise StateError(
            f"{public_uri(address)} cannot be written: {_said(exc)}. The result is in {folder}; run again to send it"
        ) from exc


def _opened(address: str) -> tuple[Any, str]:
    import fsspec

    try:
        system, root = fsspec.core.url_to_fs(address)
    except ImportError as exc:
        raise MissingExtraError(f"--out: {public_uri(address)} needs another package: {exc}") from exc
    except Exception as exc:  # as above
        raise ConfigError(f"--out: {public_uri(address)} cannot be used: {_said(exc)}") from exc
    return system, str(root)


def _said(exc: Exception) -> str:
    return " ".join(str(exc).split())[:300] or type(exc).__name__
