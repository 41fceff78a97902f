"""What the edits do to any text."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoprompt_search.core.protocols.prompts import Parent, Proposal, Proposer
from autoprompt_search.prompting import data_fields, field_names, parse
from autoprompt_search.proposers.crossover import Crossover
from autoprompt_search.proposers.formats import Formats
from autoprompt_search.proposers.phrases import Phrases
from autoprompt_search.proposers.pieces import joined, phrases, sentences
from autoprompt_search.proposers.synonyms import Synonyms
from autoprompt_search.testing.proposer_contract import keeps_slots

WORDS = [
    "Read",
    "the",
    "review",
    "to",
    "its",
    "end,",
    "then",
    "judge.",
    "Careful",
    "panel.",
    "and",
    "say",
    "why?",
    "{x}",
]
TEXT = st.lists(st.sampled_from(WORDS), min_size=1, max_size=14).map(" ".join)
ANY = st.text(min_size=1, max_size=60).filter(str.strip)
LITERAL = st.sampled_from(
    ["", " ", "\n", ": ", "All in all it was ", "Is it good? ", '"', "{{x}} ", "{@sep}", "{@Review}: "]
)
TEMPLATE = st.tuples(LITERAL, st.just("{text}"), LITERAL, st.sampled_from(["", "{other}"]), LITERAL,
                     st.sampled_from(["{@Sentiment}:", "{@answer}", "The label is", "", "{@pair}Answer: {@answer}."]),
                     ).map("".join)  # fmt: skip


def propose(proposer: Proposer, texts: list[str], seed: int, ancestors: tuple[str, ...] = ()) -> list[Proposal]:
    parents = [Parent(text, -float(i), ancestors) for i, text in enumerate(dict.fromkeys(texts))]
    return proposer.propose(parents, random.Random(seed), 6)


@given(TEXT | ANY)
def test_phrases_hold_every_word_in_order(text: str) -> None:
    assert " ".join(phrases(text)).split() == " ".join(sentences(text)).split() == text.split()


def test_phrases_are_cut_at_function_words_and_commas() -> None:
    assert phrases("Read the review to its end, then judge.") == ("Read the review", "to its end,", "then judge.")
    assert phrases("You are careful. Judge it.") == ("You are careful.", "Judge it.")


def test_a_moved_piece_takes_on_the_case_and_the_stop_of_its_new_place() -> None:
    assert joined(["then judge.", "Read NASA's review"], "Read it.") == "Then judge. Read NASA's review."
    assert (
        joined(["or negative.", "is positive", "Decide whether"], "Decide it.")
        == "Or negative is positive decide whether."
    )
    assert joined([" ", ","], "A.") == ""


@given(st.lists(TEXT | ANY, min_size=1, max_size=4), st.integers(0, 99), TEXT)
def test_edits_of_any_text_are_new_not_empty_and_repeatable(texts: list[str], seed: int, ancestor: str) -> None:
    for proposer in (Phrases(), Phrases(edits=3), Crossover()):
        found = propose(proposer, texts, seed, (ancestor,))
        assert found == propose(proposer, texts, seed, (ancestor,))
        made = [p.text for p in found]
        assert all(t.strip() for t in made)
        assert len({*made, *texts}) == len(made) + len({*texts})


@given(TEMPLATE, st.integers(0, 99))
def test_any_template_keeps_its_data_and_marks(template: str, seed: int) -> None:
    for proposal in propose(Formats(), [template], seed):
        assert keeps_slots(proposal.text, template), proposal
        assert proposal.text.count("{{x}}") == template.count("{{x}}")


@given(TEXT, TEXT, st.integers(0, 99))
def test_a_cross_takes_its_words_from_its_parents_and_hardly_grows(one: str, two: str, seed: int) -> None:
    for proposal in propose(Crossover(), [one, two], seed):
        words = {w.lower().strip(".,?") for w in proposal.text.split()}
        assert words <= {w.lower().strip(".,?") for w in f"{one} {two}".split()}
        assert len(phrases(proposal.text)) <= len(phrases(one)) + len(phrases(two))


def test_all_four_edits_are_made_and_what_was_deleted_can_come_back() -> None:
    parent = Parent("Read the review to its end.", 1.0, ("Read the review to its end, then judge.",))
    made = Phrases().propose([parent], random.Random(0), 40)
    assert {p.how.split()[0] for p in made} == {"delete", "swap", "add", "say"}
    assert any("then judge" in p.text for p in made)
    never = Phrases().propose([Parent(parent.text, 1.0)], random.Random(0), 40)
    assert not any(p.how.startswith("add") for p in never)


def test_no_phrase_comes_twice() -> None:
    one, two = (
        Parent("Of attentive readers. Weekly notes.", 1.0, ("Weekly notes of attentive readers.",)),
        Parent("weekly notes", 0.9),
    )
    for proposer in (Phrases(), Crossover()):
        for made in proposer.propose([one, two], random.Random(0), 30):
            assert max(made.text.lower().count(p) for p in ("weekly notes", "of attentive readers")) == 1, made


def test_own_words_are_paraphrased_and_keep_their_case() -> None:
    made = Phrases(words=[["Beipackzettel", "Packungsbeilage"]]).propose(
        [Parent("Lies: Beipackzettel", 1.0)], random.Random(0), 9
    )
    assert "Lies: Packungsbeilage" in {p.text for p in made}
    made = Phrases().propose([Parent("An experienced reader", 1.0), Parent("a text", 0.9)], random.Random(0), 9)
    assert {"A skilled reader"} < {p.text for p in made} & {
        "A skilled reader",
        "A trained reader",
        "A certified reader",
    }
    (place,) = Synonyms([["look at", "read"]]).places("LOOK AT it, reader")
    assert (place.start, place.end, place.others) == (0, 7, ("READ",))


def test_a_text_that_nothing_can_be_made_of_is_a_problem() -> None:
    assert Phrases().problems(["Ok"])
    assert "is one" in Crossover().problems(["Ok"])[0]
    assert Phrases().propose([Parent("Ok", 1.0)], random.Random(0), 3) == []


def test_the_best_parent_is_taken_most_often() -> None:
    parents = [Parent(f"Read the {n} to its end.", 0.5) for n in ("first", "second", "third", "fourth")]
    taken = [p.parents[0] for seed in range(200) for p in Phrases().propose(parents, random.Random(seed), 1)]
    assert taken.count(0) > taken.count(1) > taken.count(3) > 0


@pytest.mark.parametrize("word", ["question", "statement", "instruction", "field"])
def test_the_answer_is_asked_for_in_four_forms(word: str) -> None:
    made = Formats().propose([Parent("{text}{@sep}{@Topic}:" if word != "field" else "{text} The topic is", 1.0)],
                             random.Random(1), 60)  # fmt: skip
    (text,) = [p.text for p in made if p.how == f"ask by {word}"]
    expected = {
        "question": "{text}{@sep}{@Question}: What is the topic?{@sep}{@Answer}:",
        "statement": "{text}{@sep}The topic is",
        "instruction": "{text}{@sep}Give the topic.{@sep}{@Answer}:",
        "field": "{text} {@Topic}:",
    }
    assert text == expected[word]


def test_everything_a_format_can_vary_is_varied() -> None:
    made = Formats().propose([Parent("{@Review}: {text}{@sep}{@Label}:", 1.0)], random.Random(2), 80)
    texts = {p.text for p in made}
    assert {
        "{@Text}: {text}{@sep}{@Label}:",
        '{@Review}: "{text}"{@sep}{@Label}:',
        "{@Review} = {text}{@sep}{@Label}:",
    } <= texts
    assert all(data_fields(t) == ("text",) for t in texts)
    assert any(field_names(t) == ("Review", "Verdict") for t in texts)
    assert all(parse(t) for t in texts)
