"""SQuAD's metrics against their published definition, written out a second time."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.metrics import METRICS
from tests.metrics.said import corpora, said, score

PUNCTUATION = set("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
piece = st.sampled_from(
    ["the", "The", "a", "an", "cat", "Cat", "cats", "12", ".", ",", "'s", "-", " ", "\u00a0", "\u2014", "the-cat"]
)
text = st.lists(piece, max_size=7).map(" ".join)


def make(name: str, **options: Any) -> Any:
    return METRICS.build(ComponentSpec(type=name, **options))


def words(given_text: str) -> list[str]:
    """Lower case, no ASCII punctuation, no articles, split at blanks; by characters, where the metric has patterns."""
    kept = "".join(c for c in given_text.lower() if c not in PUNCTUATION)
    runs: list[str] = [""]
    for c in kept:
        if (c.isalnum() or c == "_") == (runs[-1][-1:].isalnum() or runs[-1][-1:] == "_"):
            runs[-1] += c
        else:
            runs.append(c)
    return "".join(" " if run in ("a", "an", "the") else run for run in runs).split()


def f1(ours: list[str], theirs: list[str], version: str) -> float:
    if version == "2.0" and not (ours and theirs):
        return float(ours == theirs)
    left, shared = list(theirs), 0
    for word in ours:
        if word in left:
            left.remove(word)
            shared += 1
    if shared == 0:
        return 0.0
    precision, recall = shared / len(ours), shared / len(theirs)
    return 2 * precision * recall / (precision + recall)


def reference(outcomes: list[Any], version: str) -> tuple[float, float]:
    """EM and F1."""
    exact = total = 0.0
    for outcome in outcomes:
        golds = [words(t) for t in outcome.targets]
        if version == "2.0":
            golds = [g for g in golds if g] or [[]]
        ours = words(outcome.prediction)
        exact += max(float(g == ours) for g in golds)
        total += max(f1(ours, g, version) for g in golds)
    return exact / len(outcomes), total / len(outcomes)


@pytest.mark.parametrize(("version", "prefix"), [("1.1", "squad"), ("2.0", "squad2")])
def test_equal_to_the_definition_on_corpora(version: str, prefix: str) -> None:
    for outcomes in corpora():
        exact, total = reference(outcomes, version)
        assert score(make(f"{prefix}_em"), outcomes) == pytest.approx(exact, rel=0, abs=1e-9)
        assert score(make(f"{prefix}_f1"), outcomes) == pytest.approx(total, rel=0, abs=1e-9)


@pytest.mark.parametrize(("version", "prefix"), [("1.1", "squad"), ("2.0", "squad2")])
@given(prediction=text, targets=st.lists(text, min_size=1, max_size=3))
def test_equal_to_the_definition_on_any_texts(version: str, prefix: str, prediction: str, targets: list[str]) -> None:
    outcome = said(prediction, *targets)
    assert (score(make(f"{prefix}_em"), [outcome]), score(make(f"{prefix}_f1"), [outcome])) == pytest.approx(
        reference([outcome], version), rel=0, abs=1e-9
    )


@pytest.mark.parametrize(
    ("prediction", "targets", "em", "value"),
    [
        ("The Cat.", ("cat",), 1, 1.0),
        ("the cat cat", ("cat dog",), 0, 0.5),
        ("Denver Broncos", ("Broncos", "The Denver Broncos!"), 1, 1.0),
        ("well-known", ("wellknown",), 1, 1.0),
        ("x", ("y",), 0, 0.0),
    ],
)
def test_known_values(prediction: str, targets: tuple[str, ...], em: float, value: float) -> None:
    for prefix in ("squad", "squad2"):
        assert score(make(f"{prefix}_em"), [said(prediction, *targets)]) == em
        assert score(make(f"{prefix}_f1"), [said(prediction, *targets)]) == pytest.approx(value)


def test_the_versions_differ_where_no_word_is_left() -> None:
    nothing = [said("the", "a")]
    assert score(make("squad_f1"), nothing) == 0.0
    assert score(make("squad2_f1"), nothing) == 1.0


def test_no_answer_may_have_a_word() -> None:
    f1_2, em_2 = make("squad2_f1"), make("squad2_em")
    for outcome, value in [
        (said("Unanswerable.", ""), 1.0), (said("unanswerable", "unanswerable"), 1.0), (said("", "unanswerable"), 1.0),
        (said("Paris", "unanswerable"), 0.0), (said("unanswerable", "Paris"), 0.0),
        (said("Paris", "unanswerable", "Paris"), 1.0),
    ]:  # fmt: skip
        assert score(f1_2, [outcome]) == score(em_2, [outcome]) == value
    assert score(make("squad2_em", no_answer="none"), [said("none", "")]) == 1.0
