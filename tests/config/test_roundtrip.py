"""A configuration, written and read again, is the same search."""

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autoprompt_search.config import SearchConfig, load_config
from autoprompt_search.core.answers import AnswerForm

words = st.text(min_size=1, max_size=12).filter(lambda t: t.strip() and t != "none")
tricky = st.sampled_from(
    [
        "yes",
        "no",
        "1",
        "1e5",
        "null",
        "~",
        "true",
        "2024-01-01",
        "- a",
        "a: b",
        "#x",
        "é",
        "01",
        "1:30",
        "0\x85",
        "a\u2028b\r",
    ]
)
texts = st.one_of(words, tricky)


@st.composite
def files(draw):
    """Sound space files with difficult texts in them."""
    labels = draw(st.lists(texts, min_size=2, max_size=4, unique_by=lambda t: t.strip().lower()))
    names = draw(st.lists(st.one_of(texts, st.just("a.b")), min_size=1, max_size=3, unique=True))
    literal = draw(st.text(max_size=20)).replace("{", "{{").replace("}", "}}")

    def verbalizer():
        flat = draw(st.lists(texts, min_size=len(labels), max_size=len(labels) + 2, unique=True))
        return {label: [flat[i], *(flat[len(labels) :] if i == 0 else [])] for i, label in enumerate(labels)}

    return {
        "name": draw(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,20}", fullmatch=True)),
        "seed": draw(st.integers(0, 2**31)),
        "task": {"type": "classification", "data": "nowhere.csv", "labels": labels, "metric": "macro_f1"},
        "backend": {"type": "scripted", "skill": draw(st.floats(0, 1))},
        "templates": {
            n: {"text": literal + "{text}", "words": verbalizer(), "instruction": draw(texts)} for n in names
        },
        "space": {
            "template": {"kind": "choice", "values": names},
            "layout.separator": {
                "kind": "choice",
                "values": draw(st.lists(st.text(max_size=5), min_size=1, max_size=3, unique=True)),
            },
            "demos.strategy": draw(st.sampled_from(["none", "random", "knn"])),
            "demos.k": {
                "kind": "int",
                "low": 1,
                "high": draw(st.integers(1, 9)),
                "when": {"demos.strategy": ["random", "knn"]},
            },
        },
        "rungs": sorted(draw(st.sets(st.integers(1, 999), min_size=1, max_size=4))),
        "budget": {"trials": draw(st.integers(1, 99)), "minutes": draw(st.none() | st.floats(0.1, 1e6))},
    }


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(files())
def test_what_is_written_is_read_back(tmp_path, data):
    config = SearchConfig.model_validate(data)
    path = tmp_path / "space.yaml"
    path.write_text(config.to_yaml(), encoding="utf-8")
    again = load_config(path)
    assert again == config
    assert again.fingerprint == config.fingerprint
    assert config.differences(again) == []
    assert SearchConfig.model_validate(yaml.safe_load(config.to_yaml())) == config, "other YAML readers see the same"


def test_short_forms_and_long_forms_are_one_search(space_file):
    long = space_file.load()
    space_file.data["tracker"] = "none"
    space_file.data["templates"]["plain"]["words"] = {"neg": ["bad"], "pos": ["good", "fine"]}
    assert space_file.load() == long


def test_what_does_not_change_results_is_not_in_the_fingerprint(space_file):
    config = space_file.load()
    same = space_file.load("name=other", "budget.trials=99", "runner=ray", "tracker=mlflow", "exports=[]")
    assert same.fingerprint == config.fingerprint
    assert same.differences(config) == []


@pytest.mark.parametrize(
    "change",
    [
        "seed=4",
        "rungs=[4, 8]",
        "backend.skill=0.7",
        "space.demos.k.high=3",
        "templates.cloze.text='{text}!'",
        "confirm.finalists=2",
    ],
)
def test_everything_else_is(space_file, change):
    config, other = space_file.load(), space_file.load(change)
    assert other.fingerprint != config.fingerprint
    [line] = other.differences(config)
    assert line.startswith(change.split("=")[0])
    assert "was " in line
    assert "now " in line


def test_the_order_of_parameters_counts(space_file):
    config = space_file.load()
    space_file.data["space"] = dict(reversed([(n, p) for n, p in space_file.data["space"].items() if "demos" not in n]))
    reordered = space_file.load()
    space_file.data["space"] = dict(reversed(space_file.data["space"].items()))
    assert space_file.load().fingerprint != reordered.fingerprint != config.fingerprint
    assert "order" in space_file.load().differences(reordered)[0]


def test_secrets_are_never_written(space_file):
    space_file.data["tracker"] = {"type": "mlflow", "uri": "https://joe:geheim@host/x"}
    config = space_file.load().model_copy(
        update={"backend": space_file.load().backend.model_copy(update={"api_key": "geheim"})}
    )
    assert "geheim" not in config.to_yaml()
    assert "https://***@host/x" in config.to_yaml()
    rotated = config.model_copy(update={"backend": config.backend.model_copy(update={"api_key": "neu"})})
    assert rotated.fingerprint == config.fingerprint


def test_a_configuration_cannot_be_changed(space_file):
    config = space_file.load()
    with pytest.raises(ValueError, match="frozen"):
        config.seed = 1


def test_numbers_as_labels_are_names():
    data = {
        "name": "stars",
        "task": {"type": "classification", "data": "x.csv", "labels": ["1", "2"]},
        "backend": "scripted",
        "templates": {"a": {"text": "{text}", "words": {1: "one", 2: 2}}},
        "space": {"template": "a"},
        "rungs": [4],
    }
    assert SearchConfig.model_validate(data).templates["a"].words == {"1": ("one",), "2": ("2",)}


def test_the_book_holds_every_text(space_file):
    space_file.data["instructions"] = {"short": "Judge."}
    space_file.data["verbalizers"] = {"v": {"neg": "no", "pos": "yes"}}
    book = space_file.load().book(AnswerForm("label", ("neg", "pos")))
    prompt = book.compose({"template": "cloze", "instruction": "short", "verbalizer": "v"})
    assert (prompt.template.style, prompt.instruction, prompt.answers.verbalizer) == (
        "question",
        "Judge.",
        {"neg": ("no",), "pos": ("yes",)},
    )
    assert book.compose({"template": "plain"}).answers.verbalizer == {"neg": ("bad",), "pos": ("good", "fine")}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text("ab/@:?# é", min_size=4, max_size=9).map(lambda text: f"Zq{text}qZ"), st.booleans())
def test_no_secret_of_a_uri_is_in_what_is_written_of_a_search(space_file, secret, is_study):
    uri = f"postgresql+psycopg://joe:{secret}@host/db?token={secret}"
    section = {"study": {"type": "optuna", "storage": uri}} if is_study else {"tracker": {"type": "mlflow", "uri": uri}}
    config = space_file.load()
    config = config.model_copy(update={n: getattr(config, n).model_copy(update=v) for n, v in section.items()})
    assert secret not in config.to_yaml()
    assert secret not in str(config.resolved())
    assert "postgresql+psycopg://***@" in config.to_yaml()
