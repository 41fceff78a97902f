"""The classification task: contract, sources, splits, notes and every mistake a user can make with data."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autoprompt_search.core
from autoprompt_search.core.errors import ConfigError
from autoprompt_search.tasks.examples import shorten
from autoprompt_search.testing.task_contract import TaskContract

from .files import build, make_rows, write_csv, write_jsonl

ROOT = Path(autoprompt_search.core.__file__).parents[2]
SST2 = ROOT.parent / "shared" / "data" / "sst2"
NAMES = ("train", "dev", "test")


def sizes(splits):
    return tuple(len(getattr(splits, name)) for name in NAMES)


def complaint(data, **options):
    with pytest.raises(ConfigError) as caught:
        build(data, **options).load(1)
    return str(caught.value)


class TestReviews(TaskContract):
    def make(self):
        return build("builtin:reviews", labels=["negative", "positive"], splits={"train": 40, "dev": 101, "test": 60})


class TestOneFile(TaskContract):
    @pytest.fixture(autouse=True)
    def _data(self, here):
        labels = ("neg", "pos", "neg", "neutral", "neg")
        write_csv(Path("all.csv"), [{"id": i, **row} for i, row in enumerate(make_rows(203, labels))])

    def make(self):
        return build("all.csv")


class TestThreeFiles(TaskContract):
    @pytest.fixture(autouse=True)
    def _data(self, here):
        for i, name in enumerate(NAMES):
            write_jsonl(Path(f"{name}.jsonl"), make_rows(60, start=1000 * i))

    def make(self):
        return build({name: f"{name}.jsonl" for name in NAMES}, labels=["pos", "neg"], splits={"dev": 33})


class TestSst2(TaskContract):
    @pytest.fixture(autouse=True)
    def _data(self):
        if not (SST2 / "train.jsonl").is_file():
            pytest.skip(f"{SST2} is absent")

    def make(self):
        return build(SST2, labels=["negative", "positive"], splits={"train": 128, "dev": 512})

    def test_sizes_and_balance(self):
        splits = build({name: SST2 / f"{name}.jsonl" for name in NAMES}).load(7)
        assert sizes(splits) == (3500, 872, 1821)
        assert Counter(e.target for e in splits.dev[:32]) == {"negative": 16, "positive": 16}


# Sources


def test_reviews_are_drawn_for_the_seed():
    task = build("builtin:reviews", splits={"train": 10, "dev": 20, "test": 30})
    assert task.labels == ("negative", "positive")
    assert sizes(task.load(1)) == (10, 20, 30)
    assert task.load(1).train != task.load(2).train
    assert sizes(build("builtin:reviews").load(1)) == (128, 512, 1000)


def test_reviews_have_columns_of_their_own():
    assert "no column 'review'; Columns: text, label" in complaint("builtin:reviews", text="review")


def test_fields_are_known_without_the_data():
    assert build("none.csv").fields == ("text",)
    assert build("none.csv", text=["premise", "hypothesis"]).fields == ("premise", "hypothesis")
    assert build("none.csv", text={"body": "text.1"}).fields == ("body",)
    assert build("none.csv", metric="macro_f1").metric == "macro_f1"


def test_labels_are_what_the_data_hold(here):
    write_csv(Path("a.csv"), make_rows(40, ("10", "9", "2")))
    assert build("a.csv").labels == ("2", "9", "10")
    write_csv(Path("b.csv"), make_rows(40, ("b", "c", "a")))
    assert build("b.csv").labels == ("a", "b", "c")


@pytest.mark.parametrize("raw", [(0, 1), ("0", "1"), (0.0, 1.0), (" 0", "1 "), (False, True), ("False", "TRUE")])
def test_labels_name_raw_values(here, raw):
    write_jsonl(Path("a.jsonl"), make_rows(40, raw))
    names = {False: "no", True: "yes"} if str(raw[0]).lower() == "false" else {0: "no", 1: "yes"}
    task = build("a.jsonl", labels=names)
    assert task.labels == ("no", "yes")
    first = next(e for e in task.load(1).train if e.id.endswith(":1") or e.target == "no")
    assert first.target == "no"


def test_columns_become_fields(here):
    rows = [{"t": row["text"], "n": i, "label": row["label"]} for i, row in enumerate(make_rows(40))]
    write_jsonl(Path("a.jsonl"), rows)
    example = build("a.jsonl", text={"body": "t", "number": "n"}).load(1).train[0]
    row = rows[int(example.id.removeprefix("a:")) - 1]
    assert dict(example.inputs) == {"body": row["t"], "number": str(row["n"])}
    assert example.target == row["label"]


def test_very_large_numbers_are_labels_too(here):
    write_jsonl(Path("a.jsonl"), make_rows(40, (10**400, 1.5)))
    assert build("a.jsonl").labels == ("1.5", str(10**400))


def test_one_of_several_fields_may_be_empty(here):
    write_jsonl(Path("a.jsonl"), [{**row, "title": None if i % 2 else "T"} for i, row in enumerate(make_rows(40))])
    titles = {e.inputs["title"] for e in build("a.jsonl", text=["title", "text"]).load(1).test}
    assert titles == {"", "T"}


def test_a_folder_with_files_named_after_splits(here):
    write_jsonl(Path("train.jsonl"), make_rows(40))
    write_csv(Path("validation.csv"), make_rows(20, start=100))
    assert sizes(build(".").load(1)) == (14, 20, 26)


def test_a_missing_part_is_split_off_train(here):
    write_jsonl(Path("a.jsonl"), make_rows(60))
    write_jsonl(Path("b.jsonl"), make_rows(30, start=100))
    splits = build({"train": "a.jsonl", "test": "b.jsonl"}, splits={"dev": 20}).load(1)
    assert sizes(splits) == (40, 20, 30)
    assert {e.id.split(":")[0] for e in splits.dev} == {"train"}
    assert {e.id.split(":")[0] for e in splits.test} == {"test"}


def test_home_and_upper_case_endings(here, monkeypatch):
    monkeypatch.setenv("HOME", str(here.resolve()))
    write_csv(Path("A.CSV"), make_rows(40))
    assert sizes(build("~/A.CSV").load(1)) == (10, 10, 20)


def test_a_saved_data_set(here):
    datasets = pytest.importorskip("datasets")
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["pos", "neg"])})

    def part(number, start, labels=(0, 1)):
        return datasets.Dataset.from_list(make_rows(number, labels, start), features=features)

    hidden = part(10, 300, (-1, -1))
    datasets.DatasetDict(train=part(60, 0), validation=part(20, 100), test=hidden).save_to_disk("saved")
    task = build("saved")
    assert task.labels == ("pos", "neg")
    splits = task.load(1)
    assert sizes(splits) == (20, 20, 40)
    assert splits.notes == ("saved[test] hides its labels and was left out",)
    assert {e.target for e in splits.dev} == {"pos", "neg"}
    assert build("saved", labels={0: "good", 1: "bad"}).load(1).train[0].target in ("good", "bad")
    part(60, 0).save_to_disk("single")
    assert sizes(build("single", labels=["neg", "pos"]).load(1)) == (15, 15, 30)
    datasets.DatasetDict(dev=part(20, 0), test=part(20, 50)).save_to_disk("no_train")
    assert complaint("no_train") == "no_train: has no split 'train', only dev, test"
    assert "saved[train]: row 1: no column 'txt'; did you mean 'text'? Columns: text, label" in complaint(
        "saved", text="txt"
    )


def test_a_hub_name_is_looked_up(here, monkeypatch):
    datasets = pytest.importorskip("datasets")
    asked = []

    def load_dataset(*args):
        asked.append(args)
        if args[0] == "none":
            raise ConnectionError("Couldn't reach 'none' on the Hub\nmore")
        return datasets.DatasetDict(train=datasets.Dataset.from_list(make_rows(40)))

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    assert sizes(build("glue:sst2").load(1)) == (10, 10, 20)
    assert sizes(build("owner/some-set").load(1)) == (10, 10, 20)
    assert asked == [("glue", "sst2"), ("owner/some-set", None)]
    assert complaint("none") == (
        "none: is no file here, and the Hugging Face hub does not give it: "
        "ConnectionError: Couldn't reach 'none' on the Hub"
    )


@pytest.mark.parametrize("path", ["no.csv", "./no", "../no/such", "a/b/c", "/no/where", "~/no", "data/no"])
def test_a_missing_path_is_not_looked_up_on_the_hub(here, path):
    Path("data").mkdir()
    assert complaint(path).startswith(f"{Path(path).expanduser()}: no such file")


def test_ids_name_file_and_line(here):
    write_csv(Path("reviews.csv"), make_rows(40))
    splits = build("reviews.csv").load(3)
    lines = Path("reviews.csv").read_text(encoding="utf-8").splitlines()
    for example in (*splits.train, *splits.dev, *splits.test):
        name, line = example.id.split(":")
        assert name == "reviews"
        assert lines[int(line) - 1].startswith(example.inputs["text"])


def test_splits_are_the_same_in_another_process(here):
    write_jsonl(Path("a.jsonl"), make_rows(60, ("x", "y", "z")))
    code = (
        "import sys; from autoprompt_search.tasks.classification import ClassificationTask;"
        "s = ClassificationTask(sys.argv[1]).load(4); print(*[e.id for e in (*s.train, *s.dev, *s.test)])"
    )
    command = [sys.executable, "-c", code, str(Path("a.jsonl").resolve())]
    environment = {**os.environ, "PYTHONHASHSEED": "123"}
    done = subprocess.run(command, check=True, timeout=60, cwd=ROOT, env=environment, capture_output=True, text=True)
    splits = build("a.jsonl").load(4)
    assert done.stdout.split() == [e.id for e in (*splits.train, *splits.dev, *splits.test)]


# Duplicates and overlaps


def test_repeated_texts_are_left_out_before_splitting(here):
    rows = make_rows(40)
    rows += [{"text": rows[0]["text"].upper() + " ", "label": "neg"}, {"text": rows[1]["text"], "label": "neg"}]
    write_jsonl(Path("a.jsonl"), rows)
    splits = build("a.jsonl").load(1)
    assert sum(sizes(splits)) == 40
    assert splits.notes == (
        "2 rows of a.jsonl repeat the text of an earlier one: left out before splitting",
        "1 of these repeats has another label, e.g. a.jsonl:2 and a.jsonl:42: the first one counts",
    )


def test_given_splits_keep_their_repeated_texts(here):
    for i, name in enumerate(NAMES):
        write_jsonl(Path(f"{name}.jsonl"), make_rows(20, start=100 * i) * 2)
    assert sizes(build(".").load(1)) == (40, 40, 40)


def test_a_few_shared_texts_are_left_out_of_the_earlier_split(here):
    test = make_rows(200, start=5000)
    write_jsonl(Path("train.jsonl"), [*make_rows(200), test[7]])
    write_jsonl(Path("dev.jsonl"), [*make_rows(200, start=1000), test[8]])
    write_jsonl(Path("test.jsonl"), test)
    splits = build(".").load(1)
    assert sizes(splits) == (200, 200, 200)
    assert [note.partition("; ")[::2] for note in splits.notes] == [
        ("1 text of train.jsonl stands in test.jsonl too, e.g. train.jsonl:201 and test.jsonl:8", "left out of train"),
        ("1 text of dev.jsonl stands in test.jsonl too, e.g. dev.jsonl:201 and test.jsonl:9", "left out of dev"),
    ]


def test_many_shared_texts_are_an_error(here):
    write_jsonl(Path("a.jsonl"), make_rows(100))
    write_jsonl(Path("b.jsonl"), make_rows(100, start=90))
    assert complaint({"train": "a.jsonl", "test": "b.jsonl"}) == (
        "train and test: 10 texts of a.jsonl stand in b.jsonl too, e.g. a.jsonl:91 and b.jsonl:1; the parts must be "
        "disjoint: remove them from one of the two, or give one file alone and it is split for you"
    )


def test_near_duplicates_are_noted(here):
    rows = make_rows(40)
    write_jsonl(Path("train.jsonl"), rows)
    write_jsonl(Path("test.jsonl"), [*make_rows(20, start=200), {**rows[3], "text": rows[3]["text"] + " !"}])
    splits = build({"train": "train.jsonl", "dev": "test.jsonl"}).load(1)
    place = "train" if "train:4" in {e.id for e in splits.train} else "test"
    first, second = ("train.jsonl:4", "test.jsonl:21") if place == "train" else ("test.jsonl:21", "train.jsonl:4")
    pair = "train and dev" if place == "train" else "dev and test"
    assert splits.notes == (f"{pair} share 1 near-duplicate (overlap of 70% or more), e.g. {first} and {second}",)


def test_the_same_file_twice_is_an_error(here):
    write_jsonl(Path("a.jsonl"), make_rows(40))
    assert complaint({"train": "a.jsonl", "dev": "./a.jsonl"}) == (
        "a.jsonl: is given for train and for dev; the parts must be disjoint"
    )


# Bad rows and bad options


def test_all_bad_rows_are_named_at_once(here):
    write_jsonl(
        Path("a.jsonl"),
        [
            *make_rows(3),
            {"text": "", "label": "pos"},
            {"text": "x", "label": " "},
            {"text": "x", "label": None},
            {"text": "x", "label": "poss"},
            {"text": ["x"], "label": "pos"},
            {"text": True, "label": "pos"},
            {"text": "x", "label": {"a": 1}},
            {"text": "x"},
            {"txt": "x", "label": "pos"},
            {"text": "half \ud83d", "label": "pos"},
            {"text": None, "label": "pos"},
            {"text": float("nan"), "label": "pos"},
            {"text": 3.5, "label": "pos"},
        ],
    )
    assert complaint("a.jsonl", labels=["neg", "pos"]).splitlines()[1:] == [
        "  - a.jsonl:4: empty text in 'text'",
        "  - a.jsonl:5: no label in 'label'; `leave_out: [missing]` leaves such rows out",
        "  - a.jsonl:6: no label in 'label'; `leave_out: [missing]` leaves such rows out",
        "  - a.jsonl:7: unknown label 'poss'; did you mean 'pos'? Known: neg, pos",
        "  - a.jsonl:8: 'text' is no text but a list",
        "  - a.jsonl:9: 'text' is no text but a bool",
        "  - a.jsonl:10: label 'label' is neither word nor number but a dict",
        "  - a.jsonl:11: no column 'label'; Columns: text",
        "  - a.jsonl:12: no column 'text'; did you mean 'txt'? Columns: txt, label",
        "  - a.jsonl:13: 'text' holds half a character (a lone surrogate at 5)",
        "  - a.jsonl:14: empty text in 'text'",
        "  - a.jsonl:15: empty text in 'text'",
    ]


def test_a_missing_column_is_one_mistake_per_file(here):
    write_csv(Path("a.csv"), make_rows(40))
    assert complaint("a.csv", text="txt", label="lable").splitlines()[1:] == [
        "  - a.csv:2: no column 'txt'; did you mean 'text'? Columns: text, label",
        "  - a.csv:2: no column 'lable'; did you mean 'label'? Columns: text, label",
    ]


def test_numbers_for_labels_get_a_hint(here):
    write_jsonl(Path("a.jsonl"), make_rows(40, (0, 1)))
    assert "unknown label '0'; Known: neg, pos; name the values: `labels: {0: ..., 1: ...}`" in complaint(
        "a.jsonl", labels=["neg", "pos"]
    )


def test_mistakes_of_all_files_come_together(here):
    Path("a.jsonl").write_text("{\n", encoding="utf-8")
    Path("c.xlsx").write_text("x", encoding="utf-8")
    text = complaint({"train": "a.jsonl", "dev": "b.csv", "test": "c.xlsx"})
    assert all(part in text for part in ("a.jsonl:1: broken JSON", "b.csv: no such file", "c.xlsx: is a spreadsheet"))


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        (
            {"train": 20, "dev": 20, "test": 20},
            "20 train + 20 dev + 20 test = 60 examples are wanted, a.csv has 40 (1 more repeated)",
        ),
        ({"train": 20, "dev": 20}, "splits: no example is left for test: a.csv has 40 after 20 train + 20 dev"),
        ({"dev": 1, "test": 4}, "dev: none of the 1 examples has the label 'pos'; a.csv has 20 in all"),
    ],
)
def test_too_few_rows(here, numbers, message):
    write_csv(Path("a.csv"), [*make_rows(40), make_rows(1)[0]])
    assert message in complaint("a.csv", splits=numbers)


def test_a_given_split_that_is_too_small(here):
    write_jsonl(Path("a.jsonl"), make_rows(40))
    write_jsonl(Path("b.jsonl"), make_rows(10, start=90))
    text = complaint({"train": "a.jsonl", "dev": "b.jsonl", "test": "b2.jsonl"})
    assert text == "b2.jsonl: no such file; did you mean 'b.jsonl'?"
    assert complaint({"train": "a.jsonl", "dev": "b.jsonl"}, splits={"dev": 12}) == (
        "splits: 12 dev examples are wanted, b.jsonl has 10"
    )


def test_a_label_without_examples(here):
    write_jsonl(Path("a.jsonl"), make_rows(40))
    assert "test: none of the 20 examples has the label 'mixed'; a.jsonl has 0 in all" in complaint(
        "a.jsonl", labels=["neg", "pos", "mixed"]
    )


def test_a_single_label_is_no_classification(here):
    write_jsonl(Path("a.jsonl"), make_rows(40, ("pos",)))
    assert complaint("a.jsonl") == (
        "a.jsonl: column 'label' holds only the label 'pos'; a classification needs two or more"
    )


def test_too_many_labels_are_a_wrong_column(here):
    write_jsonl(Path("a.jsonl"), [{**row, "n": i} for i, row in enumerate(make_rows(1100))])
    assert complaint("a.jsonl", label="n") == "label: column 'n' holds 1100 different values; is it the label?"


def test_a_folder_without_train(here):
    Path("empty").mkdir()
    assert complaint("empty") == "empty: is a folder without a train file and was not written by save_to_disk"
    write_jsonl(Path("empty/train.jsonl"), make_rows(40))
    write_csv(Path("empty/train.csv"), make_rows(40))
    assert complaint("empty") == "empty: has several files for train: train.csv, train.jsonl"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"splits": {"tain": 3}}, "splits.tain: unknown split 'tain'; did you mean 'train'?"),
        ({"splits": {"dev": 0}}, "splits.dev: must be 1 or more (got 0)"),
        ({"max_chars": 0}, "max_chars: must be 1 or more (got 0)"),
        ({"text": []}, "text: names no column"),
        ({"text": ["label"]}, "text: 'label' is the label"),
        ({"text": "a{b"}, "text: no template could name the field 'a{b'; map a plain name to it: {body: 'a{b'}"),
        ({"labels": ["a"]}, "labels: a classification needs two labels or more (got ['a'])"),
        ({"labels": ["a", "b", "a"]}, "labels: 'a' stands there twice"),
        ({"labels": ["a", ""]}, "labels: '' is blank"),
        ({"labels": {0: "a", "0": "b"}}, "labels: the value '0' stands there twice"),
        ({"data": "builtin:revews"}, "data: unknown data set 'builtin:revews'; did you mean 'builtin:reviews'?"),
        ({"data": ""}, "data: is blank"),
        ({"data": {"train": "a.csv", "tset": "b.csv"}}, "data.tset: unknown split 'tset'; did you mean 'test'?"),
        ({"data": {"dev": "a.csv"}}, "data.train: is required"),
        ({"label_names": ["a"]}, "label_names: unknown classification option 'label_names'"),
    ],
)
def test_wrong_options_are_errors_before_any_data_is_read(options, message):
    with pytest.raises(ConfigError) as caught:
        build(**{"data": "none.csv", **options})
    assert message in str(caught.value)


# Long texts


def test_long_texts_are_cut_and_counted(here):
    write_jsonl(Path("a.jsonl"), [{**row, "text": row["text"] + " end" * 50} for row in make_rows(40)])
    splits = build("a.jsonl", max_chars=60).load(1)
    assert splits.notes[0] == "40 texts of a.jsonl were cut to 60 characters"
    assert all(len(e.inputs["text"]) <= 60 and e.inputs["text"].endswith("end") for e in splits.train)


@given(text=st.text(alphabet="ab \n", max_size=60), limit=st.integers(1, 30))
@settings(max_examples=300, deadline=None)
def test_shortened_texts_are_whole_words_of_the_beginning(text, limit):
    short = shorten(text, limit)
    assert len(short) <= max(limit, 0)
    assert text.startswith(short)
    if len(text) <= limit:
        assert short == text
    elif len(short.split()) > 1:
        assert text[len(short)].isspace()


def test_an_endless_word_is_cut_where_it_must(here):
    assert shorten("x" * 50, 10) == "x" * 10
    assert shorten("one two three", 7) == "one two"
    assert shorten("one two three", 9) == "one two"


def test_examples_survive_json(here):
    write_jsonl(Path("a.jsonl"), make_rows(40))
    example = build("a.jsonl").load(1).train[0]
    assert json.loads(json.dumps(dict(example.inputs))) == example.inputs
