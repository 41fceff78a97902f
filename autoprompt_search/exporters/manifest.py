"""Which files an exported folder has, and their hashes: written once, checked before every use.

The manifest shows damage and edits. It is no signature: whoever can write the folder can write a new manifest.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from autoprompt_search.core.bounded import loads
from autoprompt_search.core.errors import ConfigError, TamperedError
from autoprompt_search.core.fingerprint import sha256_bytes, sha256_file
from autoprompt_search.exporters.document import ADAPTER_CONFIG, ADAPTER_WEIGHTS, DOCUMENT, FORMAT, GOLDEN, POOL

MANIFEST = "manifest.json"
CARD = "README.md"
TEXT = "text"
"""An exported prompt of its own inside another one: the same prompt without its soft prompt."""
TEXT_MANIFEST = f"{TEXT}/{MANIFEST}"
"""All that the outer manifest lists of it; this one lists the rest."""

MIB = 1024**2
_MOST_VALUES = 200
LIMITS = {
    DOCUMENT: 64 * MIB,
    CARD: 64 * MIB,
    GOLDEN: 64 * MIB,
    POOL: 1024 * MIB,
    ADAPTER_CONFIG: MIB,
    ADAPTER_WEIGHTS: 4096 * MIB,
    TEXT_MANIFEST: MIB,
}
"""Every file a folder may hold, by its path in it, and the largest size read, in bytes."""

_REQUIRED = (DOCUMENT, CARD, GOLDEN)


@dataclass(frozen=True, slots=True)
class _Entry:
    """What the manifest says of one file."""

    sha256: str
    size: int
    """Bytes."""


def manifest_of(files: Mapping[str, bytes]) -> bytes:
    """The `manifest.json` of these files (path in the folder -> content)."""
    for path, data in files.items():
        if len(data) > LIMITS[path]:
            raise ConfigError(f"{path} would have {len(data)} bytes, and exported prompts hold at most {LIMITS[path]}")
    entries = {path: {"sha256": sha256_bytes(data), "bytes": len(data)} for path, data in sorted(files.items())}
    return (json.dumps({"format": FORMAT, "files": entries}, indent=2) + "\n").encode()


def check_folder(folder: Path) -> list[str]:
    """Compare a folder with its manifest and return the files it lists; the prompt inside it is checked with it.

    Raises:
        ConfigError: This is no exported prompt at all.
        TamperedError: A file differs, is missing, was added, is a link or is larger than any export.
    """
    present, entries = _present(folder), _entries(folder / MANIFEST)
    missing = sorted(set(entries) - set(present))
    added = sorted(path for path in set(present) - set(entries) - {MANIFEST} if not _is_inner(path, entries))
    if missing or added:
        told = [*(f"{path} is missing" for path in missing), *(f"{path} was not exported" for path in added)]
        raise TamperedError(f"{folder} is not as it was exported: {'; '.join(told)}")
    for path, entry in entries.items():
        size = (folder / path).stat().st_size
        if size != entry.size:
            raise _changed(folder, path, f"it has {size} bytes instead of {entry.size}")
        if sha256_file(folder / path) != entry.sha256:
            raise _changed(folder, path, "its hash differs")
    if TEXT_MANIFEST in entries:
        check_folder(folder / TEXT)
    return list(entries)


def _is_inner(path: str, entries: Mapping[str, _Entry]) -> bool:
    """Whether the file is the business of the prompt inside."""
    return TEXT_MANIFEST in entries and path.startswith(f"{TEXT}/")


def _changed(folder: Path, path: str, why: str) -> TamperedError:
    return TamperedError(f"{path} in {folder} was changed after the export ({why}): export the prompt again")


def _present(folder: Path) -> list[str]:
    """Paths of all files, `/` between parts; links and special files are refused, never followed."""
    if not folder.is_dir():
        raise ConfigError(f"there is no exported prompt at {folder}: no such folder")
    present = []
    for base, folders, names in os.walk(folder):
        for name in (*folders, *names):
            path = Path(base, name)
            relative = path.relative_to(folder).as_posix()
            if path.is_symlink() or not (path.is_dir() or path.is_file()):
                raise TamperedError(
                    f"{relative} in {folder} is a link or a special file: exports hold plain files only"
                )
            if name in names:
                present.append(relative)
    if MANIFEST not in present:
        if DOCUMENT in present:
            raise TamperedError(f"{MANIFEST} in {folder} is missing: nothing says what was exported")
        raise ConfigError(f"{folder} is not an exported prompt: it holds no {DOCUMENT}")
    return present


def _entries(file: Path) -> dict[str, _Entry]:
    if file.stat().st_size > LIMITS[TEXT_MANIFEST]:
        raise TamperedError(f"{file} is too large to be a manifest")
    try:
        content = loads(file.read_bytes(), most=_MOST_VALUES)
        if content["format"] > FORMAT:
            message = f"{file} has format {content['format']}, this version reads up to {FORMAT}: update the package"
            raise TamperedError(message)
        entries = {str(path): _Entry(str(e["sha256"]), int(e["bytes"])) for path, e in content["files"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise TamperedError(f"{file} cannot be read as a manifest") from exc
    for path, entry in entries.items():
        if path not in LIMITS:
            raise TamperedError(f"{file} lists {path!r}, which is no part of an exported prompt")
        if entry.size > LIMITS[path]:
            raise TamperedError(f"{path} in {file.parent} is larger than any export: {entry.size} bytes")
    missing = [path for path in _REQUIRED if path not in entries]
    if missing:
        raise TamperedError(f"{file} does not list {', '.join(missing)}")
    return entries
