"""What a report says of answers that the model wrote."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from autoprompt_search.core.answers import Completion, LabelLogprobs
from autoprompt_search.core.measurements import Outcome
from autoprompt_search.core.statistics.scores import Scorecard
from autoprompt_search.metrics import metric_named
from autoprompt_search.report import ReportData
from autoprompt_search.report.sections import sections_of
from autoprompt_search.report.sections.labels import LabelView
from autoprompt_search.report.sections.text import TextView, cut_note

from ..synthetic import search  # noqa: TID252
from ..test_report import EVIL, write  # noqa: TID252
from ..texts import text_search, written  # noqa: TID252


def text_view(data: ReportData) -> TextView:
    (view,) = [s.view for s in sections_of(data) if isinstance(s.view, TextView)]
    return view


def test_labels_and_text_have_sections_of_their_own() -> None:
    assert [type(s.view) for s in sections_of(search(trials=4))] == [LabelView]
    assert [type(s.view) for s in sections_of(text_search())] == [TextView]
    by_text = dataclasses.replace(text_search(metric="accuracy"), labels=("a", "b"))
    assert [type(s.view) for s in sections_of(by_text)] == [LabelView, TextView]
    assert text_view(by_text).changed is None


def test_the_page_has_what_it_links_to(tmp_path: Path) -> None:
    page, markdown, _ = write(tmp_path, text_search())
    assert {"answers", "side-by-side"} < set(page.ids)
    assert not {"confusion", "changed"} & set(page.ids)
    assert "Baseline: 66 of 200 answers were cut at 32 tokens" in page.text
    assert "Raise answer.tokens" in page.text
    assert "Best: " not in page.text
    assert "Unscored: empty" in page.text
    assert "| Cut at the cap | 66 (33" in markdown
    assert "test examples are better with the best prompt" in markdown


def test_the_examples_that_changed_most_come_first() -> None:
    data = text_search()
    view = text_view(data)
    metric = metric_named("squad_f1", ())
    before, after = (
        [float(v) for v in Scorecard.of(o, metric).values[:, 0]] for o in (data.baseline_outcomes, data.best_outcomes)
    )
    change = {o.example: b - a for o, a, b in zip(data.best_outcomes, before, after, strict=True)}
    assert view.changed is not None
    shown = [change[c.id] for c in view.changed]
    ranked = sorted(change.values())
    assert shown == [*ranked[::-1][:6], *ranked[:6]]
    assert (view.better, view.worse) == (sum(v > 0 for v in change.values()), sum(v < 0 for v in change.values()))
    assert all(round(c.best_score - c.baseline_score, 6) == round(change[c.id], 6) for c in view.changed)
    cut = next(c for c in view.changed if "cut" in c.baseline_note)
    assert cut.baseline.strip()


def test_metrics_of_a_whole_corpus_rank_examples_too() -> None:
    pytest.importorskip("sacrebleu")
    view = text_view(text_search(metric="chrf"))
    assert view.changed
    assert view.better > view.worse


def test_ends_and_reasons_are_counted() -> None:
    outcomes = [
        Outcome("a", "x", "x", Completion("x", "end", 2)),
        Outcome("b", "x", "", Completion("", "end", 1), unscored="empty"),
        Outcome("c", "x", "", Completion("I cannot help", "stop", 4), unscored="refused"),
        Outcome("d", "x y z", "x", Completion("x\n", "length", 8)),
    ]
    facts = dict(text_view(text_search(outcomes, outcomes)).facts)
    assert facts["Ended by the model"][0].startswith("2 (50")
    assert facts["Ended at a stop string"][0].startswith("1 (25")
    assert facts["Cut at the cap"][0].startswith("1 (25")
    assert facts["Unscored: empty"][0].startswith("1 ")
    assert facts["Unscored: refused"][0].startswith("1 ")
    assert "Unscored: no answer found" not in facts
    assert facts["Tokens of the longest answer"] == ("8", "8")
    assert facts["Words of a read answer, mean"][0] == "1.0"
    assert facts["Words of a reference, mean"][0] == "1.5"


@pytest.mark.parametrize(("cut", "is_said"), [(0, False), (10, False), (11, True), (100, True)])
def test_a_tenth_may_be_cut(cut: int, is_said: bool) -> None:
    outcomes = [Outcome(str(i), "x", "", Completion("x", "length" if i < cut else "end", 16)) for i in range(100)]
    note = cut_note("Best", outcomes)
    assert bool(note) == is_said
    assert not is_said or f"{cut} of 100 answers were cut at 16 tokens" in note


def test_a_baseline_that_compares_labels_beside_a_best_prompt_that_writes() -> None:
    before = [Outcome("a", "x", "y", LabelLogprobs((0.0,)))]
    after = [Outcome("a", "x", "x", Completion("x", "end", 2))]
    data = dataclasses.replace(text_search(before, after, metric="accuracy"), labels=("x", "y"))
    assert text_view(data).sides == ("Best",)


def test_a_baseline_that_stays_is_shown_alone(tmp_path: Path) -> None:
    data = text_search()
    result = {**data.result, "best": data.result["baseline"]}
    page, _, _ = write(tmp_path, dataclasses.replace(data, result=result, best_outcomes=data.baseline_outcomes))
    assert text_view(dataclasses.replace(data, result=result)).sides == ("Baseline",)
    assert "side-by-side" not in page.ids


def test_foreign_text_stays_text(tmp_path: Path) -> None:
    outcomes = [dataclasses.replace(o, target=EVIL, prediction=EVIL) for o in written(0.1, 0.5, 3)]
    data = text_search(written(0.9, 0.1, 4), outcomes)
    page, _, _ = write(tmp_path, dataclasses.replace(data, texts=dict.fromkeys(data.texts, EVIL + "</td>")))
    assert page.text.count("<script>alert(1)</script>") >= 20
