"""Tasks with right answers of their own: contract, shapes of data, and every mistake that a user can make with them."""

import json
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.tasks import TASKS
from autoprompt_search.tasks.references import gold_of
from autoprompt_search.tasks.tables import Row
from autoprompt_search.tasks.turns import Turn, rendered, turns_of
from autoprompt_search.testing.task_contract import TaskContract

from .files import WORDS, write_csv, write_jsonl

DATA = Path(__file__).parents[3] / "shared" / "data"


def say(i):
    return f"{WORDS[i % 12]}{i} {WORDS[i // 12 % 12]}{i} text{i} end{i}"


def build(kind, data, **options):
    return TASKS.build(ComponentSpec(type=kind, data=str(data), **options))


def load(kind, rows, **options):
    return build(kind, write_jsonl(Path("a.jsonl"), rows), **options).load(1)


def everyone(splits):
    return {example.id: example for example in (*splits.train, *splits.dev, *splits.test)}


def complaint(kind, rows=None, **options):
    data = write_jsonl(Path("a.jsonl"), rows) if rows else "none.jsonl"
    with pytest.raises(ConfigError) as caught:
        build(kind, data, **options).load(1)
    return "\n".join(caught.value.problems)


def texts(number=90):
    return [{"text": say(i), "target": f"answer {i}"} for i in range(number)]


def questions(number=90):
    return [{"context": say(i), "question": "who?", "answers": [f"x {i}", f"the x {i}"]} for i in range(number)]


def choices(number=90):
    return [{"question": say(i), "options": [f"a{i}", f"b{i}", f"c{i}"], "answer": i % 3} for i in range(number)]


def talks(number=90):
    return [
        {"turns": [{"role": "user", "content": say(i)}, {"role": "assistant", "content": f"yes {i}"}], "sum": f"s {i}"}
        for i in range(number)
    ]


class TestGeneration(TaskContract):
    @pytest.fixture(autouse=True)
    def _data(self, here):
        write_csv(Path("all.csv"), texts(203))

    def make(self):
        return build("generation", "all.csv")


class TestQuestionAnswering(TaskContract):
    @pytest.fixture(autouse=True)
    def _data(self, here):
        none = [{**row, "answers": {"text": [], "answer_start": []}} for row in questions(240)[200:]]
        write_jsonl(Path("all.jsonl"), [*questions(200), *none])

    def make(self):
        return build("question-answering", "all.jsonl", version="2.0")


class TestMultipleChoice(TaskContract):
    @pytest.fixture(autouse=True)
    def _data(self, here):
        write_jsonl(Path("all.jsonl"), choices(120))

    def make(self):
        return build("multiple-choice", "all.jsonl")

    def test_every_part_holds_the_places_of_right_options_alike(self):
        splits = self.make().load(3)
        for part in (splits.train, splits.dev, splits.test):
            places = [example.options.index(example.target) for example in part]
            assert max(map(places.count, range(3))) - min(map(places.count, range(3))) <= 1


class TestNextResponse(TaskContract):
    @pytest.fixture(autouse=True)
    def _data(self, here):
        write_jsonl(Path("all.jsonl"), talks(120))

    def make(self):
        return build("dialogue", "all.jsonl")


class TestDialogueSummary(TaskContract):
    @pytest.fixture(autouse=True)
    def _data(self, here):
        write_jsonl(Path("all.jsonl"), talks(120))

    def make(self):
        return build("dialogue", "all.jsonl", target="sum")


class RealSet(TaskContract):
    """The contract on a real set of the machine, where it is there."""

    name = ""
    kind = "generation"
    options: ClassVar[dict[str, object]] = {}

    @pytest.fixture(autouse=True)
    def _data(self):
        if not (DATA / self.name / "train.jsonl").is_file():
            pytest.skip(f"{DATA / self.name} is absent")

    def make(self):
        splits = {"train": 100, "dev": 100, "test": 200}
        return build(self.kind, DATA / self.name, splits=splits, **self.options)


class TestSquad(RealSet):
    name, kind = "squad_v1", "question-answering"

    def test_all_answers_are_kept(self):
        rows = [json.loads(line) for line in (DATA / "squad_v1" / "test.jsonl").open(encoding="utf-8")]
        test = build("question-answering", DATA / "squad_v1").load(0).test
        assert len(test) == len(rows)
        by_id = {example.id: example for example in test}
        for number, row in enumerate(rows, 1):
            assert by_id[f"test:{number}"].targets == tuple(dict.fromkeys(text.strip() for text in row["answers"]))


class TestMulti30k(RealSet):
    name, options = "multi30k_en_de", {"text": "source"}


class TestSamsum(RealSet):
    name, kind, options = "samsum", "dialogue", {"turns": "source", "target": "target"}


class TestInstructionInduction(RealSet):
    name, options = "instruction_induction", {"text": ["task", "input"], "target": ["target", "references"]}


class TestGsm8k(RealSet):
    name, kind = "gsm8k", "question-answering"
    options: ClassVar[dict[str, object]] = {
        "text": "question",
        "target": ["rationale", "answer"],
        "metric": "numeric_equality",
    }

    def test_both_references_name_one_number(self):
        from autoprompt_search.core.numbers import last_number

        for example in self.make().load(0).dev:
            assert {last_number(text) for text in example.targets} == {last_number(example.alternatives[0])}


class TestRte(RealSet):
    name, kind, options = "rte", "classification", {"text": ["text", "text_pair"]}


class TestBanking77(RealSet):
    name, kind = "banking77", "classification"

    def make(self):
        return build(self.kind, DATA / self.name)


del RealSet


# References


def test_lists_and_further_columns_are_alternatives(here):
    rows = [{**row, "target": ["one ", "two", "one"], "more": 7, "none": None} for row in texts()]
    example = next(iter(everyone(load("generation", rows, target=["target", "more", "none"])).values()))
    assert example.targets == ("one", "two", "7")


@pytest.mark.parametrize(
    ("cell", "targets"),
    [
        ("x", ("x",)),
        (42, ("42",)),
        (42.0, ("42",)),
        (2.5, ("2.5",)),
        (["x", "y"], ("x", "y")),
        ({"text": ["x", "x"], "answer_start": [1, 2]}, ("x",)),
        ([{"text": "x", "answer_start": 1}, {"text": "y"}], ("x", "y")),
    ],
)
def test_shapes_of_references(cell, targets):
    gold = gold_of(Row(1, "a:1", {"answers": cell}), ["answers"])
    assert (gold.target, *gold.alternatives) == targets


@pytest.mark.parametrize("cell", [[], {"text": []}, None, " "])
def test_no_answer_is_an_answer_of_its_own(here, cell):
    rows = [{**row, "answers": cell} if i % 3 else row for i, row in enumerate(questions())]
    found = everyone(load("question-answering", rows, version="2.0"))
    assert found["a:2"].targets == ("unanswerable",)
    assert found["a:1"].targets == ("x 0", "the x 0")
    lines = complaint("question-answering", rows)
    assert "a.jsonl:2: no answer in 'answers'; `version: \"2.0\"` allows questions without one" in lines
    left = load("question-answering", rows, leave_out=["missing"])
    assert len(everyone(left)) == 30
    assert "60 rows of a.jsonl left out: without an answer" in left.notes


def test_the_metric_follows_the_version():
    assert build("question-answering", "none.jsonl").metric == "squad_f1"
    assert build("question-answering", "none.jsonl", version="2.0").metric == "squad2_f1"
    assert build("question-answering", "none.jsonl", metric="squad_em").metric == "squad_em"
    assert build("generation", "none.jsonl").metric == "chrf"
    assert build("multiple-choice", "none.jsonl").metric == "accuracy"


def test_texts_that_occur_twice_with_another_answer_are_noted(here):
    rows = [*texts(), {**texts()[0], "target": "other"}]
    notes = "\n".join(load("generation", rows).notes)
    assert "1 row of a.jsonl repeats the text of an earlier one" in notes
    assert "another answer, e.g. a.jsonl:1 and a.jsonl:91" in notes


@given(st.lists(st.text(min_size=1).filter(str.strip), min_size=1, max_size=6))
@settings(max_examples=60, deadline=None)
def test_every_reference_is_kept_once_and_in_order(references):
    gold = gold_of(Row(1, "a:1", {"r": references}), ["r"])
    stripped = [text.strip() for text in references]
    assert [gold.target, *gold.alternatives] == list(dict.fromkeys(stripped))


# Options


@pytest.mark.parametrize(
    ("gold", "options"),
    [
        (lambda i: i % 3, ["x", "y", "z"]),
        (lambda i: str(i % 3), ["x", "y", "z"]),
        (lambda i: i % 3 + 1, ["x", "y", "z"]),
        (lambda i: "ABC"[i % 3], ["x", "y", "z"]),
        (lambda i: "abc"[i % 3] + ")", ["x", "y", "z"]),
        (lambda i: "xyz"[i % 3], ["x", "y", "z"]),
        (lambda i: str(i % 3 + 1), {"text": ["x", "y", "z"], "label": ["1", "2", "3"]}),
        (lambda i: i % 3 + 1, [{"label": n + 1, "text": "xyz"[n]} for n in range(3)]),
    ],
)
def test_ways_of_naming_the_right_option(here, gold, options):
    rows = [{"question": say(i), "options": options, "answer": gold(i)} for i in range(90)]
    for identity, example in everyone(load("multiple-choice", rows)).items():
        assert example.target == "xyz"[(int(identity.removeprefix("a:")) - 1) % 3]
        assert example.options == ("x", "y", "z")
        assert example.inputs["options"] == "A. x\nB. y\nC. z"


def test_options_in_columns_of_their_own(here):
    rows = [{"q": say(i), "one": f"x{i}", "two": f"y{i}", "answer": i % 2} for i in range(90)]
    task = build("multiple-choice", write_csv(Path("a.csv"), rows), text="q", options=["one", "two"])
    assert task.fields == ("q", "options")
    assert {e.target[0] for e in task.load(1).dev} == {"x", "y"}


def test_a_way_that_could_be_two_is_asked_for(here):
    rows = [{**row, "answer": 1 + i % 2} for i, row in enumerate(choices())]
    assert "gold: 'answer' can be read as index and as number" in complaint("multiple-choice", rows)
    assert everyone(load("multiple-choice", rows, gold="number"))["a:1"].target == "a0"
    assert everyone(load("multiple-choice", rows, gold="index"))["a:1"].target == "b0"


# Turns


def test_turns_become_lines(here):
    found = everyone(load("dialogue", talks()))["a:1"]
    assert dict(found.inputs) == {"dialogue": f"User: {say(0)}", "speaker": "Assistant"}
    assert found.target == "yes 0"


def test_the_latest_turns_are_shown(here):
    rows = [{"turns": [f"{n} of {say(i)}" for n in range(5)]} for i in range(90)]
    found = everyone(load("dialogue", rows, max_turns=2))["a:1"]
    assert found.inputs["dialogue"] == f"A: 2 of {say(0)}\nB: 3 of {say(0)}"
    assert (found.inputs["speaker"], found.target) == ("A", f"4 of {say(0)}")


def test_named_texts_keep_their_names():
    assert turns_of(["Ann: hi", "Bob Ray: so: yes"], "t") == (Turn("Ann", "hi"), Turn("Bob Ray", "so: yes"))
    assert turns_of([{"from": "human", "value": "hi"}], "t") == (Turn("User", "hi"),)
    assert rendered([Turn("A", "one\ntwo")]) == "A: one two"


@given(st.lists(st.text(min_size=1).filter(str.strip), min_size=1, max_size=6))
@settings(max_examples=60, deadline=None)
def test_every_turn_is_one_line(said):
    turns = turns_of([{"role": "user", "content": text} for text in said], "t")
    assert len(turns) == len(said)
    assert len(rendered(turns).split("\n")) == len(said)


# Mistakes

BAD_ROWS = {
    "no reference": ("generation", texts, {"target": " "}, {}, "a.jsonl:4: empty reference in 'target'"),
    "an empty one in a list": (
        "generation",
        texts,
        {"target": ["x", ""]},
        {},
        "a.jsonl:4: empty reference in 'target': number 2 of 2",
    ),
    "reference of another type": ("generation", texts, {"target": {"a": 1}}, {}, "a.jsonl:4: 'target' is no text but"),
    "list in a list": ("generation", texts, {"target": [["x"]]}, {}, "a.jsonl:4: 'target', number 1, is no text but a"),
    "a truth value": ("generation", texts, {"target": True}, {}, "a.jsonl:4: 'target' is no text but a bool"),
    "field of another type": ("generation", texts, {"text": [1]}, {}, "a.jsonl:4: 'text' is no text but a list"),
    "an image": (
        "generation",
        texts,
        {"text": {"bytes": None, "path": "cat.png"}},
        {},
        "a.jsonl:4: 'text' is an image, and images as input come later: name a column of text",
    ),
    "no text": ("generation", texts, {"text": ""}, {}, "a.jsonl:4: empty text in 'text'"),
    "gold beyond the options": (
        "multiple-choice",
        choices,
        {"answer": 3},
        {"gold": "index"},
        "a.jsonl:4: 'answer' is none of the options (got 3): A: a3; B: b3; C: c3",
    ),
    "gold by text that is none": (
        "multiple-choice",
        lambda: [{**row, "answer": row["options"][1]} for row in choices()],
        {"answer": "other"},
        {},
        "a.jsonl:4: 'answer' is none of the options (got 'other')",
    ),
    "one option": (
        "multiple-choice",
        choices,
        {"options": ["x"]},
        {},
        "a.jsonl:4: 'options': 1 option; a choice needs",
    ),
    "an option twice": ("multiple-choice", choices, {"options": ["x", "x"]}, {}, "the option 'x' stands there twice"),
    "an empty option": ("multiple-choice", choices, {"options": ["x", " "]}, {}, "a.jsonl:4: empty"),
    "no gold": ("multiple-choice", choices, {"answer": None}, {}, "a.jsonl:4: no right option in 'answer'"),
    "turns that are none": ("dialogue", talks, {"turns": 3}, {"target": "sum"}, "a.jsonl:4: 'turns' is no list of"),
    "a turn without a role": ("dialogue", talks, {"turns": [{"content": "x"}]}, {}, "a.jsonl:4: 'turns' holds a turn"),
    "an empty turn": ("dialogue", talks, {"turns": ["x", ""]}, {}, "a.jsonl:4: empty turn in 'turns': number 2"),
    "one turn": ("dialogue", talks, {"turns": ["x"]}, {}, "a.jsonl:4: fewer than two turns in 'turns'"),
    "one text": ("dialogue", talks, {"turns": "A: x"}, {}, "a.jsonl:4: 'turns' is one text, where a list of turns"),
    "no such column": ("dialogue", talks, {}, {"target": "summ"}, "no column 'summ'; did you mean 'sum'?"),
}


@pytest.mark.parametrize("case", BAD_ROWS)
def test_bad_rows_are_named(here, case):
    kind, make, change, options, wanted = BAD_ROWS[case]
    rows = make()
    rows[3] = {**rows[3], **change}
    lines = complaint(kind, rows, **options)
    assert wanted in lines
    assert len(lines.splitlines()) == 1, lines


@pytest.mark.parametrize(
    ("kind", "options", "wanted"),
    [
        ("generation", {"text": "target"}, "text: 'target' holds the right answer"),
        ("generation", {"target": []}, "target: names no column"),
        ("generation", {"target": ["a", "a"]}, "target: 'a' stands there twice"),
        ("generation", {"text": "a.b"}, "text: no template could name the field 'a.b'"),
        ("generation", {"leave_out": ["unknown"]}, "leave_out: unknown reason 'unknown'"),
        ("generation", {"splits": {"val": 3}}, "splits.val: unknown split 'val'"),
        ("generation", {"max_chars": 0}, "max_chars: must be 1 or more"),
        ("question-answering", {"no_answer": " "}, "no_answer: is blank"),
        ("multiple-choice", {"text": "options"}, "text: the field 'options' holds the options"),
        ("multiple-choice", {"options": ["answer", "b"]}, "options: 'answer' holds the right answer"),
        ("multiple-choice", {"options": []}, "options: names no column"),
        ("dialogue", {"max_chars": 9}, "max_chars: would cut the latest turns"),
        ("dialogue", {"text": "speaker"}, "text: the field 'speaker' is made of the turns"),
        ("dialogue", {"target": "turns"}, "target: 'turns' holds the turns"),
    ],
)
def test_bad_options_are_named_before_the_data_are_read(kind, options, wanted):
    assert wanted in complaint(kind, **options)
