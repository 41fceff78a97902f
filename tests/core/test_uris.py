"""Of a URI people see scheme, host, port and path; no message holds more, however a library has quoted it."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoprompt_search.core.uris import has_secret, is_uri, public, public_uri

ODD = "s3cr3t /@:?#&=+%ü\"'"
SECRETS = st.text(ODD + "QZ", min_size=4, max_size=12).map(lambda text: f"Zq{text}qZ")
"""Secrets that begin and end with what no host, path or sentence holds."""


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("http://localhost:5000", "http://localhost:5000"),
        ("sqlite:///mlflow.db", "sqlite:///mlflow.db"),
        ("sqlite:////home/a@b/mlflow.db", "sqlite:////home/a@b/mlflow.db"),
        ("http://TOKEN@host/x", "http://***@host/x"),
        ("https://joe:p/a@s s@host:1/x", "https://***@host:1/x"),
        ("https://host/x?token=T&a=b", "https://host/x?***"),
        ("https://host/x#T", "https://host/x#***"),
        ("postgresql+psycopg://joe@host/db?password=T", "postgresql+psycopg://***@host/db?***"),
        ("no URI: a@b", "no URI: a@b"),
    ],
)
def test_scheme_host_port_and_path_are_shown(uri: str, shown: str) -> None:
    assert public_uri(uri) == shown
    assert has_secret(uri) == (shown != uri)


@given(SECRETS, SECRETS, st.sampled_from(["http", "https", "postgresql+psycopg", "mysql"]), st.booleans())
def test_no_secret_gets_into_a_message(user: str, password: str, scheme: str, is_quoted: bool) -> None:
    spell = (lambda text: quote(text, safe="")) if is_quoted else str
    for uri, secrets in (
        (f"{scheme}://{spell(user)}:{spell(password)}@host.org:8080/a/b", (user, password)),
        (f"{scheme}://{spell(user)}@host.org/a", (user,)),
        (f"{scheme}://host.org/a?token={quote(password, safe='')}", (password,)),
    ):
        messages = [f"store at {uri} is away", f"cannot reach {uri!r}."]
        messages += [f"bad port {s!r}, {spell(s)}" for s in secrets]
        messages += [f"could not be cast to integer value as {piece!r}" for s in secrets for piece in s.split("/")]
        for message in (public_uri(uri), *(public(m, uri) for m in messages)):
            for secret in secrets:
                for form in (secret, quote(secret, safe=""), repr(secret)[1:-1]):
                    assert form not in message, (uri, message)
        assert "host.org" in public_uri(uri)
        assert is_uri(uri)


def test_uris_that_nobody_named_are_found_in_prose() -> None:
    said = public("no answer from http://T0KEN@host/x, nor from https://h/y?key=K1 (see https://example.org/help)")
    assert said == "no answer from http://***@host/x, nor from https://h/y?*** (see https://example.org/help)"
