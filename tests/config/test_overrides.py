"""`--set`: dotted keys, new entries, ablations, and what names nothing."""

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from autoprompt_search.config.dialect import Dumper
from autoprompt_search.config.overrides import apply
from autoprompt_search.config.reader import Document


def changed(data, *overrides):
    document = Document(data)
    assert apply(document, overrides) == []
    return document.data


def test_keys_with_dots_are_found(space_file):
    assert space_file.load("space.demos.k.high=3").space.root["demos.k"].high == 3
    assert space_file.load("space.layout.name.Review.values=[A, B]").space.root["layout.name.Review"].values == [
        "A",
        "B",
    ]
    assert space_file.load("baseline.layout.casing=upper").baseline == {"layout.casing": "upper"}


def test_new_entries_can_be_added(space_file):
    config = space_file.load(
        "task.splits.test=15",
        "study.reduction=2",
        "space.layout.separator={kind: choice, values: [x, y]}",
        "space.layout.answer_gap=''",
        "templates.third='{text}!'",
        "templates.plain.words.neg=[poor, weak]",
        "confirm.finalists=2",
    )
    assert config.task.options["splits"]["test"] == 15
    assert config.study.options == {"reduction": 2}
    assert config.space.root["layout.separator"].values == ["x", "y"]
    assert config.space.root["layout.answer_gap"].first == ""
    assert config.templates["plain"].words["neg"] == ("poor", "weak")
    assert config.confirm.finalists == 2


def test_a_parameter_set_to_one_value_keeps_its_condition(space_file):
    param = space_file.load("space.demos.k=2").space.root["demos.k"]
    assert (param.first, param.size, param.when) == (2, 1, {"demos.strategy": ["random", "knn"]})


def test_null_takes_parameters_out_with_their_baseline(space_file):
    space_file.data["baseline"] = {"demos.strategy": "knn", "template": "cloze"}
    config = space_file.load("space.demos=null")
    assert [n for n in config.space.root if n.startswith("demos.")] == []
    assert config.baseline == {"template": "cloze"}


def test_another_type_leaves_the_options_of_the_old_one_behind(space_file):
    space_file.data["tracker"] = {"type": "mlflow", "uri": "sqlite:///x.db"}
    space_file.data["runner"] = {"type": "ray", "concurrency": 2}
    config = space_file.load("tracker.type=none", "runner=local")
    assert config.tracker.options == {}
    assert config.runner.options == {}


def test_short_forms_can_be_opened(space_file):
    space_file.data["tracker"] = "mlflow"
    space_file.data["templates"]["third"] = "{text} so"
    space_file.data["budget"] = "standard"
    config = space_file.load(
        "tracker.uri=sqlite:///x.db", "templates.third.style=question", "exports=[prompt]", "budget.minutes=5"
    )
    assert (config.budget.preset, config.budget.minutes) == ("standard", 5)
    assert config.tracker.options == {"uri": "sqlite:///x.db"}
    assert config.templates["third"].style == "question"


def test_positions_of_lists(space_file):
    assert space_file.load("rungs.0=6").rungs == (6, 12)
    assert any("from 0 to 1" in p for p in space_file.problems("rungs.7=6"))


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("budgt.trials=3", "did you mean 'budget'"),
        ("budget.trails=3", "did you mean 'trials'"),
        ("space.demos.q.high=3", "did you mean 'demos.k'"),
        ("space.demos.k.hgh=3", "did you mean 'high'"),
        ("templates.clze.text=x", "did you mean 'cloze'"),
        ("space.dmos.k=null", "did you mean 'demos.k'"),
        ("budget", "write it as key=value"),
        ("=3", "write it as key=value"),
        ("seed=[1", "not readable as YAML"),
        ("name.x=3", "single value"),
    ],
)
def test_what_names_nothing_is_an_error_with_the_nearest_name(space_file, override, expected):
    problems = space_file.problems(override)
    assert any(override in p and expected in p for p in problems), problems


def test_values_that_came_from_set_say_so(space_file):
    assert any(p.endswith("[--set]") and "got 'x'" in p for p in space_file.problems("budget.trials=x"))


def test_every_value_of_a_resolved_search_can_be_set_to_itself(space_file):
    config = space_file.load()
    for path, value in leaves(config.resolved()):
        if value not in ({}, None):
            text = yaml.dump(value, Dumper=Dumper, default_flow_style=True, width=10_000).removesuffix("...\n").strip()
            assert space_file.load(f"{'.'.join(path)}={text}") == config


def leaves(value, path=()):
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    else:
        yield path, value


scalars = st.one_of(
    st.text(max_size=20), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.booleans()
)


@settings(deadline=None)
@given(scalars)
def test_any_scalar_arrives_as_it_was_written(value):
    text = yaml.dump(value, Dumper=Dumper, default_flow_style=True, width=10_000).removesuffix("...\n")
    assert changed({"backend": {"type": "x"}}, f"backend.option={text}")["backend"]["option"] == value


@settings(deadline=None)
@given(
    st.lists(st.from_regex(r"[a-z]{1,3}(\.[a-z]{1,3}){0,2}", fullmatch=True), min_size=1, max_size=5, unique=True),
    st.data(),
)
def test_the_longest_existing_key_wins(names, data):
    name = data.draw(st.sampled_from(names))
    space = {n: {"kind": "int", "low": 0, "high": 1} for n in names}
    found = changed({"space": space}, f"space.{name}.high=7")["space"]
    assert found[name]["high"] == 7
    assert [n for n in names if found[n]["high"] == 7] == [name]
