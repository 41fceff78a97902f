"""What a report says first, and what its own script is given."""

from __future__ import annotations

import dataclasses
import json
import random
import re
from pathlib import Path
from typing import Any

from autoprompt_search.core.answers import LabelLogprobs
from autoprompt_search.core.measurements import Outcome
from autoprompt_search.report.alerts import alerts
from autoprompt_search.report.importance import importances, is_tied
from autoprompt_search.report.marking import marked
from autoprompt_search.report.sections.labels import LabelSection
from autoprompt_search.report.trials import MOST_BYTES, trials_json
from autoprompt_search.report.view import build_view
from autoprompt_search.report.wording import choice_note

from .synthetic import record, search


def said(pairs: list[tuple[str, str]]) -> list[Outcome]:
    return [Outcome(f"test/{i}", gold, answer, LabelLogprobs(()), 9) for i, (gold, answer) in enumerate(pairs)]


def test_a_search_that_always_answers_the_same_says_so_first_with_what_to_do() -> None:
    found = said([("a", "a"), ("b", "a")] * 50)
    data = dataclasses.replace(search(trials=12), best_outcomes=found, labels=("a", "b"))
    first, second, advice = alerts(data)
    assert "answers “a” to 100 of 100 test examples" in first
    assert "chance level" in second
    assert advice.startswith("What to do")


def test_a_search_that_only_guesses_says_so() -> None:
    rng = random.Random(1)
    found = said([(rng.choice("ab"), rng.choice("ab")) for _ in range(200)])
    chance, _ = alerts(dataclasses.replace(search(trials=12), best_outcomes=found, labels=("a", "b")))
    assert "chance level" in chance


def test_a_good_search_is_not_warned_of_even_where_one_label_is_nearly_everything() -> None:
    assert alerts(search(trials=12)) == ()
    rare = said([("a", "a")] * 900 + [("b", "b")] * 100)
    assert alerts(dataclasses.replace(search(trials=12), best_outcomes=rare, labels=("a", "b"))) == ()


def test_nothing_is_important_among_ties() -> None:
    data = search(trials=30)
    tied = [
        dataclasses.replace(r, measurements=tuple(dataclasses.replace(m, score=0.5) for m in r.measurements))
        if r.number % 3
        else r
        for r in data.records
    ]
    assert importances(data.records, data.config)
    assert is_tied(tied)
    assert [one for one in importances(tied, data.config) if one.group == "all trials"] == []


def test_what_differs_between_the_prompts_is_marked_word_by_word() -> None:
    left, right = marked("Review: good stuff\nIt was", "Review: good stuff. Sentiment:")
    assert "".join(run.text for run in left) == "Review: good stuff\nIt was"
    assert [run.text for run in right if run.differs] == [". Sentiment:"] or "".join(
        run.text for run in right if run.differs
    ).replace(" ", "") == ".Sentiment:"
    assert not left[0].differs


def test_the_script_is_given_every_trial_with_its_prompt_once() -> None:
    data = search(trials=40)
    records = [
        dataclasses.replace(
            r, measurements=tuple(dataclasses.replace(m, preview=f"</script> {r.number % 4}") for m in r.measurements)
        )
        for r in data.records
    ]
    text = trials_json(records, data.config, 7)
    assert "<" not in text
    told = json.loads(text)
    assert [t["n"] for t in told["trials"]] == list(range(40))
    assert len(told["texts"]) <= 5
    for row, one in zip(told["trials"], records, strict=True):
        assert told["texts"][row["t"]] == one.preview
        assert row.get("y") == (round(one.last.score, 5) if one.last else None)
    assert "soft.lr" in told["varying"]


def test_a_thousand_long_prompts_stay_a_light_page() -> None:
    rng = random.Random(2)
    made = [record(n, rng) for n in range(1000)]
    long = []
    for one in made:
        seen = tuple(dataclasses.replace(m, preview=f"{one.number} " + "x " * 20_000) for m in one.measurements)
        long.append(dataclasses.replace(one, measurements=seen))
    text = trials_json(long, {}, 0)
    assert len(text) < MOST_BYTES + 1_500_000
    assert "[…]" in text


def test_many_labels_get_a_row_each_and_the_commonest_confusions() -> None:
    labels = [f"intent {n}" for n in range(150)]
    data = search(trials=12, labels=labels)
    view: Any = LabelSection().view(data)
    assert view.confusions == ()
    assert [row.label for row in view.classes][:150] == labels
    assert sum(row.examples for row in view.classes) == 1000
    counts = [one.counts[-1] for one in view.mistakes]
    assert counts == sorted(counts, reverse=True)
    assert all(one.gold != one.predicted for one in view.mistakes)
    best = {row.label: row for row in view.classes}["intent 3"]
    mine = [o for o in data.best_outcomes if o.target == "intent 3"]
    assert best.found[-1] == sum(o.is_right for o in mine) / len(mine)


def test_a_higher_dev_score_that_was_not_chosen_is_explained() -> None:
    data = search(trials=24)
    assert choice_note(data) == ""
    told = {**data.result, "chosen_because": "It is the best.", "leader": {"trial": data.result["best"]["trial"]}}
    data = dataclasses.replace(data, result=told)
    assert choice_note(data) == "It is the best."
    ranked = [f["trial"] for f in data.result["finalists"]]
    second = next(f for f in data.result["finalists"] if f["trial"] == ranked[1])
    result = {**told, "best": second, "leader": {"trial": ranked[1]}, "constraints": []}
    refused = [{**f, "gain": {"low": -0.01}} if f["trial"] == ranked[0] else f for f in told["finalists"]]
    note = choice_note(dataclasses.replace(data, result={**result, "finalists": refused}))
    assert note.startswith(f"It is the best. Trial {ranked[0]} scores")
    assert "was not shown to be better than its own text" in note
    beyond = [f for f in told["finalists"] if f["trial"] != ranked[0]]
    limited = {**result, "finalists": beyond, "constraints": ["prompt_tokens <= 9"]}
    assert "does not keep prompt_tokens <= 9" in choice_note(dataclasses.replace(data, result=limited))


def test_a_parameter_without_effect_is_no_change(tmp_path: Path) -> None:
    data = dataclasses.replace(search(trials=12), idle=("template",))
    assert "template" not in [row.name for row in build_view(data).params]
    assert "template" in [row.name for row in build_view(dataclasses.replace(data, idle=())).params]


def test_words_for_labels_stand_on_the_first_screen(tmp_path: Path) -> None:
    from autoprompt_search.report.html import to_html

    data = dataclasses.replace(search(trials=12), words={"negative": [[" bad"], [" terrible", " terrible"]]})
    page = to_html(build_view(data))
    assert re.search(r">negative</th><td class=.changed.>terrible</td><td>bad</td>", page)
    assert page.index("Words that stand") < page.index('aria-label="Sections"')
