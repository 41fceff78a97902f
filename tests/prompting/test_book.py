from __future__ import annotations

from autoprompt_search.core.answers import AnswerForm
from autoprompt_search.core.prompts import Layout, Template
from autoprompt_search.core.types import Params
from autoprompt_search.prompting import AUTO, LAYOUT_PARAMS, PromptBook
from autoprompt_search.testing.factories import LABELS

OWN, NAMED, OTHER = ({label: (f"{kind}-{label}",) for label in LABELS} for kind in ("own", "named", "other"))
TEMPLATES = {name: Template(name, f"{name} {{text}}") for name in ("first", "second")}
BOOK = PromptBook(
    TEMPLATES,
    words={"first": OWN},
    intros={"first": "Written with it."},
    instructions={"short": "Judge."},
    verbalizers={"named": NAMED, "other": OTHER},
    form=AnswerForm("label", LABELS),
)


def test_without_a_parameter_the_first_template_speaks() -> None:
    made = BOOK.compose({})
    assert made.template == TEMPLATES["first"]
    assert made.answers.verbalizer == OWN
    assert made.instruction == "Written with it."
    assert made.layout == Layout()
    assert made.demos.strategy == "none"
    assert made.soft is None


def test_a_parameter_wins_over_what_is_written_with_the_template() -> None:
    made = BOOK.compose({"template": "first", "verbalizer": "other", "instruction": "short"})
    assert (made.answers.verbalizer, made.instruction) == (OTHER, "Judge.")
    assert BOOK.compose({"template": "first", "instruction": "none"}).instruction == ""


def test_what_belongs_to_one_template_is_not_lent_to_another() -> None:
    made = BOOK.compose({"template": "second"})
    assert made.instruction == ""
    assert made.answers.verbalizer == {label: (label,) for label in LABELS}


def test_a_single_verbalizer_serves_all_templates_without_words() -> None:
    book = PromptBook(TEMPLATES, words={"first": OWN}, verbalizers={"named": NAMED}, form=AnswerForm("label", LABELS))
    assert book.compose({"template": "second"}).answers.verbalizer == NAMED
    assert book.compose({"template": "first"}).answers.verbalizer == OWN


def test_labels_stand_for_themselves_until_the_model_has_proposed_words() -> None:
    made = BOOK.compose({"template": "first", "verbalizer": AUTO})
    assert made.answers.verbalizer == {label: (label,) for label in LABELS}


def test_every_layout_parameter_arrives() -> None:
    params: Params = {name: f"<{name}>" for name in LAYOUT_PARAMS}
    found = BOOK.compose({**params, "layout.name.Review": "Text", "demos.k": 3}).layout
    assert found == Layout(
        "<layout.separator>",
        "<layout.demo_separator>",
        "<layout.casing>",
        {"Review": "Text"},
        "<layout.answer_gap>",
        "<layout.answer>",
    )


def test_what_names_stand_for_is_told_with_what_is_written_beside_them() -> None:
    """All names of the book, and those that are built in; a template says its words and its instruction too."""
    texts = BOOK.texts
    assert set(texts["template"]) == set(BOOK.templates)
    assert all(BOOK.templates[name].text in text for name, text in texts["template"].items())
    assert texts["instruction"] == {"none": "", **BOOK.instructions}
    assert set(texts["verbalizer"]) == {AUTO, *BOOK.verbalizers}
    for name, words in BOOK.words.items():
        assert all(word in texts["template"][name] for said in words.values() for word in said)


def test_a_written_text_stands_for_its_value_and_keeps_the_words_it_descends_from() -> None:
    params: Params = {"template": "new-1", "template.text": "{text}!", "template.like": "first"}
    made = BOOK.compose(params)
    assert (made.template.name, made.template.text) == ("new-1", "{text}!")
    assert (made.answers.verbalizer, made.instruction) == (OWN, "Written with it.")
    told: Params = {**params, "instruction": "new-4", "instruction.text": "Tell me."}
    assert BOOK.compose(told).instruction == "Tell me."
    assert BOOK.compose({"template": "second", "instruction": "new-4", "instruction.text": "Tell me."}).fingerprint == (
        PromptBook(TEMPLATES, instructions={"named": "Tell me."}, form=AnswerForm("label", LABELS))
        .compose({"template": "second", "instruction": "named"})
        .fingerprint
    )
