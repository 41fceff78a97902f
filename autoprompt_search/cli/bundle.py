"""A result folder as lines of text, so that it can come back through a job's log; and back, as untrusted input."""

from __future__ import annotations

import base64
import hashlib
import io
import re
import textwrap
import zipfile
from pathlib import Path, PurePosixPath

from autoprompt_search.core.disk import writing
from autoprompt_search.core.errors import SearchError, TamperedError

MOST_BYTES = 64_000_000
"""Size of an unpacked bundle at most. Larger results belong in a folder that both sides see."""
_STAYS = re.compile(r"state|mlruns|mlflow\.db.*")
"""What the next run goes on from, and a dashboard's own files."""
_BEGIN = re.compile(r"-----BEGIN AUTOPROMPT RESULT ([0-9a-f]{64})-----")
_END = "-----END AUTOPROMPT RESULT-----"


def pack(folder: Path) -> str:
    """What a user keeps of a result folder. Raises `SearchError` when that is too much for a log."""
    places = [p for p in folder.iterdir() if not _STAYS.fullmatch(p.name)]
    files = sorted(p for place in places for p in (place, *place.rglob("*")) if p.is_file())
    size = sum(p.stat().st_size for p in files)
    if size > MOST_BYTES:
        raise SearchError(f"{folder} holds {size:,} bytes, at most {MOST_BYTES:,} are sent back; fetch it from there")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files:
            archive.write(path, path.relative_to(folder).as_posix())
    data = buffer.getvalue()
    body = "\n".join(textwrap.wrap(base64.b64encode(data).decode(), 120))
    return f"-----BEGIN AUTOPROMPT RESULT {hashlib.sha256(data).hexdigest()}-----\n{body}\n{_END}\n"


class Receiver:
    """Takes a bundle out of the lines of a log; the other lines are for people."""

    def __init__(self) -> None:
        self._hash = ""
        self._lines: list[str] | None = None
        self.data: bytes | None = None
        """The bundle, once all of it has arrived."""

    def take(self, line: str) -> bool:
        """Whether the line belongs to the bundle. `TamperedError` when the content differs from what was sent."""
        if self._lines is None:
            match = _BEGIN.fullmatch(line.strip())
            if match:
                self._hash, self._lines = match[1], []
            return match is not None
        if line.strip() != _END:
            self._lines.append(line.strip())
            return True
        try:
            data = base64.b64decode("".join(self._lines), validate=True)
        except ValueError:
            data = b""
        self._lines = None
        if hashlib.sha256(data).hexdigest() != self._hash:
            raise TamperedError("the result did not come back whole; it still lies in the cluster's own folder")
        self.data = data
        return True


def unpack(data: bytes, folder: Path) -> None:
    """Write the files of a bundle into `folder` and nowhere else; `TamperedError` before anything is written."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as bundle:
            entries = [e for e in bundle.infolist() if not e.is_dir()]
            _check(entries)
            files = {e.filename: bundle.read(e) for e in entries}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as exc:
        raise TamperedError(f"the result that came back cannot be read: {exc}") from exc
    for name, content in files.items():
        path = folder.joinpath(*PurePosixPath(name).parts)
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def _check(entries: list[zipfile.ZipInfo]) -> None:
    """Check that names stay inside, entries are plain files and sizes are as agreed; `read` keeps to them."""
    for entry in entries:
        path = PurePosixPath(entry.filename)
        is_plain = entry.external_attr >> 28 in (0, 8)
        if path.is_absolute() or ".." in path.parts or "\\" in entry.filename or ":" in entry.filename or not is_plain:
            raise TamperedError(f"the result that came back holds {entry.filename!r}, which no result does")
    size = sum(e.file_size for e in entries)
    if size > MOST_BYTES:
        raise TamperedError(f"the result that came back would be {size:,} bytes, at most {MOST_BYTES:,} are taken")
