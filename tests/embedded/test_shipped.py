"""The other two shipped models: small, loadable by the backends, better than chance, and helped by demonstrations."""

from functools import lru_cache

import pytest

from autoprompt_search.embedded import BUILTIN
from autoprompt_search.embedded.families import Pupil, load
from autoprompt_search.embedded.formats import FORMATS
from autoprompt_search.embedded.reviews import reviews
from autoprompt_search.embedded.scoring import agreement, demonstrations

NAMES = pytest.mark.parametrize("name", ["bert", "t5"])
BASELINE = next(form for form in FORMATS if form.name == "sentiment/good/Review/title/newline")


@lru_cache
def pupil(name: str) -> Pupil:
    return load(name, BUILTIN[f"builtin:{name}"])


@NAMES
def test_each_is_under_four_megabytes(name: str) -> None:
    assert sum(path.stat().st_size for path in BUILTIN[f"builtin:{name}"].iterdir()) < 4_000_000


@pytest.mark.slow
@NAMES
def test_the_obvious_prompt_is_mediocre_and_demonstrations_add_to_it(name: str) -> None:
    asked = reviews(21, 200, split="test")
    shots = demonstrations(BASELINE, reviews(4, 4, split="train"))
    alone = agreement(pupil(name), BASELINE, asked)["careful"]
    shown = agreement(pupil(name), BASELINE, asked, prefix=shots)["careful"]
    assert 0.65 <= alone <= 0.8
    assert shown > alone
