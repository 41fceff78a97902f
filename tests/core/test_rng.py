from __future__ import annotations

import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from autoprompt_search.core.rng import derive_rng, derive_seed


def test_seeds_are_what_they_were_when_this_was_written() -> None:
    """A change here would change every search that was ever run."""
    assert derive_seed(7, "demos", 3) == 2_016_454_615
    assert derive_rng(7, "demos").sample(range(100), 3) == [14, 93, 70]


def test_another_process_gets_the_same() -> None:
    code = "from autoprompt_search.core.rng import derive_seed; print(derive_seed('a', 1))"
    for salt in ("1", "2"):
        env = {"PYTHONHASHSEED": salt, "PYTHONPATH": ":".join(sys.path)}
        done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
        assert int(done.stdout) == derive_seed("a", 1)


@given(st.lists(st.integers(0, 99), min_size=1), st.integers(0, 99))
def test_every_part_counts_and_so_does_their_place(parts: list[int], extra: int) -> None:
    assert derive_seed(*parts) == derive_seed(*parts)
    assert derive_seed(*parts) != derive_seed(*parts, extra)
    assert derive_seed(*parts, "a", "b") != derive_seed(*parts, "b", "a")
    assert derive_seed(*parts, "a", "b") != derive_seed(*parts, "ab")
    assert 0 <= derive_seed(*parts) < 2**32


@given(st.text())
def test_any_text_can_be_a_part(text: str) -> None:
    assert derive_seed(text) == derive_seed(text)


def test_a_lone_surrogate_from_json_can_be_a_part() -> None:
    assert derive_seed("\ud800") != derive_seed("\ud801")


def test_streams_of_two_purposes_are_unrelated() -> None:
    one, two = (derive_rng(0, purpose) for purpose in ("demos", "sampler"))
    agree = sum((one.random() < 0.5) == (two.random() < 0.5) for _ in range(2000))
    assert 900 < agree < 1100
