"""Bytes of a text file to text: which encoding they are in, by its mark, by what fits, or by the user's word."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from pathlib import Path

from autoprompt_search.tasks.problems import Problems

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""UTF-32 before UTF-16: its mark begins with the other's."""
_FEW = 0.3
"""Letters beyond ASCII are fewer than this among the letters of the languages that Windows-1252 is for."""
_HINT = "set task.encoding (`windows-1251`, `gb18030`, `shift_jis`, ...), or save it as UTF-8"


@dataclass(frozen=True, slots=True)
class Decoded:
    """The text of a file."""

    text: str
    note: str = ""
    """What was guessed, for people; empty where nothing had to be."""


def mistake_in(encoding: str) -> str | None:
    """What is wrong with the name of an encoding, in one sentence."""
    try:
        codecs.lookup(encoding)
        "a".encode(encoding)
    except (LookupError, ValueError, TypeError):
        return f"encoding: no text encoding is called {encoding!r}; some are utf-8, utf-16, windows-1252, shift_jis"
    return None


def decode(data: bytes, path: Path, encoding: str | None, problems: Problems, *, guesses: bool) -> Decoded:
    """The text; every line that is no text is a problem of its own.

    `guesses` says whether the kind of file may be in Windows-1252: JSON is UTF-8 by definition.
    """
    named = encoding or next((name for mark, name in _MARKS if data.startswith(mark)), None) or _without_mark(data)
    if named:
        try:
            text = data.decode(named).removeprefix("\ufeff")
        except UnicodeDecodeError as exc:
            if named != "utf-8":
                problems.add(str(path), f"is not {named}: {exc.reason} at byte {exc.start + 1}")
                return Decoded("")
        else:
            return Decoded(text, "" if encoding or named == "utf-8" else f"{path} is read as {named.upper()}")
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        return Decoded(data.decode())
    except UnicodeDecodeError:
        pass  # Windows-1252 is tried below, or every broken line is named
    if guesses and _is_western(data):
        note = f"{path} is no UTF-8 and is read as Windows-1252; if it is another encoding, set task.encoding"
        return Decoded(data.decode("cp1252"), note)
    _name_broken_lines(data, path, problems)
    return Decoded(data.decode("utf-8", "replace"))


def _without_mark(data: bytes) -> str | None:
    """UTF-16 without a mark: every second byte of text that is mostly ASCII is zero."""
    head = data[: 1 << 12]
    pairs = len(head) // 2
    if not pairs:
        return None
    if head[1::2].count(0) > _FEW * pairs and not head[::2].count(0):
        return "utf-16-le"
    return "utf-16-be" if head[::2].count(0) > _FEW * pairs and not head[1::2].count(0) else None


def _is_western(data: bytes) -> bool:
    """Whether it reads as Windows-1252: nothing in it is UTF-8 that was damaged, and most letters are ASCII."""
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError:
        return False
    half_read = data.decode("utf-8", "replace")
    if any(character > "\x7f" and character != "\ufffd" for character in half_read):
        return False
    letters: list[str] = re.findall(r"[^\W\d_]", text)
    return sum(letter > "\x7f" for letter in letters) <= _FEW * len(letters)


def _name_broken_lines(data: bytes, path: Path, problems: Problems) -> None:
    for number, line in enumerate(data.split(b"\n"), 1):
        try:
            line.decode("utf-8")
        except UnicodeDecodeError as exc:
            byte = f"byte 0x{line[exc.start]:02x} at column {exc.start + 1}"
            problems.add(f"{path}:{number}", f"broken UTF-8 ({byte}); if it is another encoding, {_HINT}",
                         kind=f"broken UTF-8 in {path}")  # fmt: skip
