from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoprompt_search.prompting import SlotError, data_fields, field_names, parse
from autoprompt_search.prompting.slots import Part


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ()),
        ("plain", (Part("text", "plain"),)),
        ("{text}", (Part("field", "text"),)),
        ("{@Review}: {text}", (Part("name", "Review"), Part("text", ": "), Part("field", "text"))),
        ("{@sep}", (Part("sep"),)),
        ("{text} {@answer}{@pair}.", (Part("field", "text"), Part("answer"), Part("pair"), Part("text", "."))),
        ("a{{b}}c", (Part("text", "a{b}c"),)),
        ("{{{text}}}", (Part("text", "{"), Part("field", "text"), Part("text", "}"))),
        ("{second field}{äß_1}", (Part("field", "second field"), Part("field", "äß_1"))),
    ],
)
def test_templates_are_read_as_written(text: str, parts: tuple[Part, ...]) -> None:
    assert parse(text) == parts


@pytest.mark.parametrize(
    "text", ["{", "}", "{}", "a {text", "text}", "{0}", "{ text}", "{a!r}", "{a:>3}", "{@}", "{a[0]}"]
)
def test_braces_that_are_no_slot_are_refused_with_the_text(text: str) -> None:
    with pytest.raises(SlotError, match="is not a slot") as caught:
        parse(text)
    assert str(caught.value).endswith(f"in {text!r} is not a slot: write {{field}}, or {{{{ and }}}} for braces")


def test_a_field_name_that_would_not_survive_str_format_is_refused() -> None:
    """The exported prompt is filled by `str.format`, to which a dot is an attribute."""
    with pytest.raises(SlotError, match=r"\{review\.text\}"):
        parse("{review.text}")
    assert field_names("{@No. 1}") == ("No. 1",)


@given(st.text())
def test_any_text_can_be_written_with_doubled_braces(text: str) -> None:
    escaped = text.replace("{", "{{").replace("}", "}}")
    assert "".join(p.value for p in parse(escaped)) == text
    assert all(p.kind == "text" for p in parse(escaped))


def test_names_are_listed_once_in_order_of_use() -> None:
    text = "{b}{a}{@Y}{b}{@sep}{@X}{@Y}"
    assert data_fields(text) == ("b", "a")
    assert field_names(text) == ("Y", "X")
