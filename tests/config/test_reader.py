"""Files that cannot be read, or should not be."""

import pytest

from autoprompt_search.config.reader import MAX_BYTES, parse_value, read
from autoprompt_search.core.errors import ConfigError


def problem_of(path):
    with pytest.raises(ConfigError) as caught:
        read(path)
    assert caught.value.where == str(path)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "the file is empty"),
        ("- a\n- b\n", "got list"),
        ("name: x\nseed: [1,\n", "line 3"),
        ("name: x\n\ttabs: 1\n", "line 2"),
        ("name: x\nseed: 1\nname: y\n", "name: stands twice, on line 1 and line 3"),
        ("space:\n  a: 1\n  a: 2\n", "space.a: stands twice, on line 2 and line 3"),
        ("a: &x [*x]\n", "refers to itself"),
        ("a: !!python/object/apply:os.system [id]\n", "line 1"),
        ("a: 1\n---\nb: 2\n", "line 2"),
        ("[" * 1000, "nested too deeply"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_line(tmp_path, text, expected):
    path = tmp_path / "space.yaml"
    path.write_text(text, encoding="utf-8")
    assert expected in problem_of(path)


def test_all_double_keys_are_reported_at_once(tmp_path):
    path = tmp_path / "space.yaml"
    path.write_text("a: 1\nb: 1\na: 2\nb: 2\n", encoding="utf-8")
    text = problem_of(path)
    assert "a: stands twice" in text
    assert "b: stands twice" in text


def test_an_alias_bomb_is_refused_before_it_explodes(tmp_path):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 20)]
    path = tmp_path / "bomb.yaml"
    path.write_text("\n".join(lines), encoding="utf-8")
    assert "aliases" in problem_of(path)


def test_aliases_and_merges_of_a_sane_size_are_fine(tmp_path):
    path = tmp_path / "space.yaml"
    path.write_text("base: &base {kind: int, low: 1}\nx: {<<: *base, high: 2}\n", encoding="utf-8")
    assert read(path).data["x"] == {"kind": "int", "low": 1, "high": 2}


def test_files_that_are_no_text(tmp_path):
    (tmp_path / "big.yaml").write_text("#" * (MAX_BYTES + 1), encoding="utf-8")
    assert "larger than" in problem_of(tmp_path / "big.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"name: x\ntext: caf\xe9\n")
    assert "line 2: is not UTF-8" in problem_of(tmp_path / "latin.yaml")
    assert "no such file" in problem_of(tmp_path / "none.yaml")
    assert "is a folder" in problem_of(tmp_path)


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path):
    (tmp_path / "space.yaml").write_bytes(b"\xef\xbb\xbfname: x\n")
    assert read(tmp_path / "space.yaml").data == {"name": "x"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("true", True),
        ("1e-3", 0.001),
        ("3e5", 3e5),
        ("1:30", "1:30"),
        ("010", "010"),
        ("2024-01-01", "2024-01-01"),
        ("1_000", "1_000"),
        ("none", "none"),
        ("null", None),
        ("~", None),
        ("-3", -3),
        (".5", 0.5),
        ("[a, 1]", ["a", 1]),
    ],
)
def test_plain_scalars_are_what_they_look_like(text, value):
    found = parse_value(text)
    assert found == value
    assert type(found) is type(value)


def test_every_value_knows_its_line(tmp_path):
    path = tmp_path / "space.yaml"
    path.write_text("name: x\nspace:\n  demos.k:\n    low: 1\n", encoding="utf-8")
    document = read(path)
    assert document.origin(("space", "demos.k", "low")) == "line 4"
    assert document.origin(("space", "demos.k", "high")) == "line 3"
    assert document.origin(("nothing",)) == ""
