"""URIs for people to see: scheme, host, port and path. Whatever else one holds may be a secret, and is hidden."""

from __future__ import annotations

import re
from urllib.parse import quote, quote_plus, unquote, unquote_plus

HIDDEN = "***"
"""Stands for a secret in everything that is written down."""

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S*")
_PARTS = re.compile(r"[:/@?#&=;,\s]+")
_LONG = 8
"""Secrets of so many characters are hidden within words too; `joe` is hidden as a word alone."""
_SHORTEST = 3
"""Pieces of a secret that are shorter tell nothing, and stand in every sentence."""


def public_uri(uri: str) -> str:
    """`uri` without user, password, query and fragment, also where a password holds `/`, `@`, `?`, `#` or blanks.

    What stands before the last `@` counts as user and password, unless there is no host, as in `sqlite:///a@b.db`.
    """
    scheme, mark, rest = uri.partition("://")
    if not mark:
        return uri
    if rest.startswith("/"):
        path, end = _until(rest, "?#")
        return f"{scheme}://{path}{_hidden(end)}"
    user, at, host = rest.rpartition("@")
    path, end = _until(host, "?#")
    return f"{scheme}://{HIDDEN + at if user else ''}{path}{_hidden(end)}"


def is_uri(text: str) -> bool:
    """Whether the whole text is one URI."""
    return bool(re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text))


def has_secret(uri: str) -> bool:
    """Whether there is something in it that is not for everybody: a password, a token, a query."""
    return bool(_secrets(uri))


def public(text: str, *known: str) -> str:
    """`text` without the secrets of the URIs in it.

    `known` are the URIs that it may speak of: their secrets are hidden in every spelling, and in pieces, as libraries
    quote them that have taken a URI apart.
    """
    for uri in sorted(known, key=len, reverse=True):
        for spelled in {uri, repr(uri)[1:-1], unquote(uri)}:
            text = text.replace(spelled, public_uri(uri))
        for secret in _spellings(uri):
            text = text.replace(secret, HIDDEN) if len(secret) >= _LONG else _without_word(text, secret)
    return _URI.sub(lambda match: public_uri(match[0]), text)


def _without_word(text: str, word: str) -> str:
    start, end = (r"(?<!\w)" if word[0].isalnum() else ""), (r"(?!\w)" if word[-1].isalnum() else "")
    return re.sub(start + re.escape(word) + end, HIDDEN, text)


def _until(text: str, marks: str) -> tuple[str, str]:
    end = next((i for i, c in enumerate(text) if c in marks), len(text))
    return text[:end], text[end:]


def _hidden(end: str) -> str:
    return end[0] + HIDDEN if len(end) > 1 else end


def _secrets(uri: str) -> list[str]:
    """User, password, and the values of query and fragment, as they stand in the URI."""
    _, mark, rest = uri.partition("://")
    user, at, host = rest.rpartition("@") if mark and not rest.startswith("/") else ("", "", rest)
    end = _until(host, "?#")[1] if mark else ""
    secrets = [user] if at and user else []
    secrets += [part for i, c in enumerate(user) if c == ":" for part in (user[:i], user[i + 1 :])]
    secrets += [part for pair in re.split("[?#&;]", end) if (part := pair.partition("=")[2] or pair)]
    return [part for part in secrets if part]


def _spellings(uri: str) -> list[str]:
    """The secrets of a URI, quoted and not, whole and in pieces, the longest first."""
    spellings: set[str] = set()
    for secret in _secrets(uri):
        plain = {secret, unquote(secret), unquote_plus(secret)}
        whole = plain | {quote(p, safe="") for p in plain} | {quote_plus(p) for p in plain}
        whole |= {repr(p)[1:-1] for p in whole}
        spellings |= {p for p in whole if len(p) >= _SHORTEST}
        spellings |= {piece for p in whole for piece in _PARTS.split(p) if len(piece) >= _SHORTEST}
    return sorted(spellings, key=lambda secret: (-len(secret), secret))
