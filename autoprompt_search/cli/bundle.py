"""A result folder as lines of text, so that it can come back through a job's log; and back, as untrusted input."""

from __future__ import annotations

import base64
import hashlib
import io
import re
import secrets
import struct
import textwrap
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from autoprompt_search.core.disk import DAMAGE, writing
from autoprompt_search.core.errors import SearchError, TamperedError
from autoprompt_search.core.replacing import replacing, sync

MOST_BYTES = 64_000_000
"""Size of an unpacked bundle at most. Larger results belong in a folder that both sides see."""
MOST_FILES = 500
NAMES = ("report.html", "summary.md", "trials.csv", "config.yaml", "result.json", "best_prompt")
"""What a user keeps of a search. State and databases stay where the search goes on."""
_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_DEEPEST = 6
_MARK = re.compile(r"[0-9a-f]{16}")
_BROKEN = (*DAMAGE, zipfile.BadZipFile, zlib.error, struct.error, OSError, EOFError, RuntimeError, MemoryError)
"""What `zipfile` raises on archives that somebody has changed: it has no common class."""


def new_mark() -> str:
    """A word for one job, by which its result is known in its log: nobody else can have printed it before."""
    return secrets.token_hex(8)


def is_mark(text: str) -> bool:
    """Whether `new_mark` could have made it."""
    return _MARK.fullmatch(text) is not None


def pack(folder: Path, mark: str) -> str:
    """What a user keeps of a result folder, every line behind the job's mark.

    Raises `SearchError` when that is too much for a log.
    """
    places = [folder / name for name in NAMES if (folder / name).exists()]
    files = sorted(p for root in places for p in (root, *root.rglob("*")) if p.is_file())
    size = sum(p.stat().st_size for p in files)
    if size > MOST_BYTES or len(files) > MOST_FILES:
        raise SearchError(
            f"{folder} holds {size:,} bytes in {len(files):,} files, at most {MOST_BYTES:,} in {MOST_FILES:,} are sent "
            "back; fetch it from there"
        )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files:
            archive.write(path, path.relative_to(folder).as_posix())
    data = buffer.getvalue()
    body = textwrap.wrap(base64.b64encode(data).decode(), 120)
    lines = [f"begin {hashlib.sha256(data).hexdigest()}", *body, "end"]
    return "".join(f"{mark}:{line}\n" for line in lines)


class Receiver:
    """Takes a bundle out of the lines of a job's log; the other lines are for people, also those between its own.

    Args:
        mark: Of the job; lines without it change nothing.
    """

    def __init__(self, mark: str) -> None:
        self._start = f"{mark}:"
        self._hash = ""
        self._lines: list[str] | None = None
        self._size = 0
        self.data: bytes | None = None
        """The bundle, once all of it has arrived."""

    def take(self, line: str) -> bool:
        """Whether the line belongs to the bundle. `TamperedError` when the content differs from what was sent."""
        text = line.strip()
        if not text.startswith(self._start):
            return False
        text = text.removeprefix(self._start)
        if text.startswith("begin "):
            self._hash, self._lines, self._size = text.removeprefix("begin "), [], 0
        elif text == "end":
            self._end()
        elif self._lines is not None:
            self._size += len(text)
            if self._size > 2 * MOST_BYTES:
                raise TamperedError(f"the result that comes back is larger than {MOST_BYTES:,} bytes")
            self._lines.append(text)
        return True

    def _end(self) -> None:
        lines, self._lines = self._lines, None
        try:
            data = base64.b64decode("".join(lines or ()), validate=True)
        except ValueError:
            data = b""
        if lines is None or hashlib.sha256(data).hexdigest() != self._hash:
            raise TamperedError("the result did not come back whole; it still lies in the cluster's own folder")
        self.data = data


def unpack(data: bytes, folder: Path) -> None:
    """Write the files of a bundle into `folder` and nowhere else: all of them are read before any is written.

    Each of `NAMES` is replaced whole. Raises `TamperedError` before anything is written for whatever no result is,
    and `StateError` where `folder` cannot be written.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as bundle:
            entries = [e for e in bundle.infolist() if not e.is_dir()]
            _check(entries)
            files = {e.filename: bundle.read(e) for e in entries}
    except _BROKEN as exc:
        reason = " ".join(str(exc).split()) or type(exc).__name__
        raise TamperedError(f"the result that came back cannot be read: {reason[:200]}") from exc
    for name in NAMES:
        inner = {PurePosixPath(n): content for n, content in files.items() if n.split("/")[0] == name}
        if inner:
            with writing(folder / name), replacing(folder / name) as draft:
                for path, content in inner.items():
                    sync(draft.joinpath(*path.parts[1:]), content)


def _check(entries: list[zipfile.ZipInfo]) -> None:
    """Check that names are those of results, entries are plain files and sizes are as agreed; `read` keeps to them."""
    if len(entries) > MOST_FILES:
        raise TamperedError(f"the result that came back holds {len(entries):,} files, at most {MOST_FILES:,} are taken")
    names = [entry.filename for entry in entries]
    folders = {parent.as_posix() for name in names for parent in PurePosixPath(name).parents}
    for entry, name in zip(entries, names, strict=True):
        is_plain = entry.external_attr >> 28 in (0, 8) and entry.compress_type in (
            zipfile.ZIP_STORED,
            zipfile.ZIP_DEFLATED,
        )
        if not (is_plain and _is_of_a_result(name) and names.count(name) == 1 and name not in folders):
            raise TamperedError(f"the result that came back holds {name[:200]!r}, which no result does")
    size = sum(e.file_size for e in entries)
    if size > MOST_BYTES:
        raise TamperedError(f"the result that came back would be {size:,} bytes, at most {MOST_BYTES:,} are taken")


def _is_of_a_result(name: str) -> bool:
    parts = name.split("/")
    is_inside = len(parts) > 1 if parts[0] == "best_prompt" else len(parts) == 1
    return parts[0] in NAMES and is_inside and len(parts) <= _DEEPEST and all(map(_PART.fullmatch, parts))
