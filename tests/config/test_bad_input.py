"""Every mistake that can be seen without a model: one line with field, value and the nearest right name."""

import copy
from pathlib import Path

import pytest

from autoprompt_search.config import load_config, validation
from autoprompt_search.core.errors import ConfigError

from .conftest import put

WHEN = {"demos.strategy": ["random", "knn"]}

CASES = {
    "unknown section": (put("rung", [4]), ["rung: unknown key 'rung'", "did you mean 'rungs'", "got [4]"]),
    "unknown key in a section": (
        put("budget", "trails", 3),
        ["budget.trails: unknown key 'trails'", "'trials'", "got 3"],
    ),
    "unknown key of a template": (put("templates", "cloze", "txt", "x"), ["templates.cloze.txt", "mean 'text'"]),
    "unknown key of a parameter": (put("space", "demos.k", "hgh", 3), ["space.demos.k.hgh", "'hgh'", "got 3"]),
    "wrong type": (put("seed", "three"), ["seed: must be a valid integer", "got 'three'"]),
    "wrong type of a rung": (put("rungs", [4, "x"]), ["rungs.1: must be a valid integer", "got 'x'"]),
    "rungs that fall": (put("rungs", [12, 4]), ["rungs: must be whole numbers above 0, each larger", "got [12, 4]"]),
    "no trials": (put("budget", "trials", 0), ["budget.trials: must be greater than or equal to 1", "got 0"]),
    "passes that buy nothing": (
        put("budget", "passes", 3),
        ["budget.passes: must pay for one prompt on the first rung, 4", "got 3"],
    ),
    "unknown preset": (put("budget", "quik"), ["budget.preset: must be 'quick', 'standard' or 'thorough'", "'quik'"]),
    "a pruner of means where the score is none": (
        lambda plain: (
            plain["task"].update(metric="macro_f1") or plain.update(study={"type": "optuna", "pruner": "wilcoxon"})
        ),
        ["study.pruner: takes a score for the mean", "macro_f1", "got wilcoxon", "racing, halving and none fit"],
    ),
    "cma without numbers": (
        lambda data: (data["space"].pop("demos.draw"), data.update(study={"type": "optuna", "sampler": "cma"})),
        ["study.sampler: cma adapts numbers", "the space has demos.k open", "use tpe"],
    ),
    "a surrogate told of ends alone": (
        put("study", {"type": "optuna", "sampler": "surrogate", "scores": "told"}),
        ["study.scores: surrogate weighs", "got told"],
    ),
    "a limit of something else": (
        put("objective", {"constraints": ["tokens <= 200"]}),
        ["objective.constraints: must limit one of prompt_tokens, latency_ms: 'tokens <= 200'"],
    ),
    "a limit that is none": (
        put("objective", {"constraints": "prompt_tokens < 200"}),
        ["objective.constraints: must read COST <= NUMBER", "'prompt_tokens < 200'"],
    ),
    "unknown cost": (
        put("objective", {"cost": "tokens"}),
        ["objective.cost: must be 'prompt_tokens' or 'latency_ms'", "got 'tokens'"],
    ),
    "unknown key of the objective": (
        put("objective", {"constraint": []}),
        ["objective.constraint: unknown key", "did you mean 'constraints'"],
    ),
    "a cost that the pruner cannot see": (
        lambda data: data.update(objective={"weight": 0.01}, study={"type": "optuna", "pruner": "racing"}),
        ["objective.weight: study.pruner: racing compares answers", "halving, knowledge-gradient or none (got 0.01)"],
    ),
    "wrong pruner": (put("study", {"type": "optuna", "pruner": "racin"}), ["study.pruner", "got 'racin'"]),
    "wrong error": (put("study", {"type": "optuna", "error": 1}), ["study.error: must be less than 1", "got 1"]),
    "bad name": (put("name", "my search/1"), ["name: must start with", "got 'my search/1'"]),
    "missing section": (put("backend", ...), ["backend: is required"]),
    "empty space": (put("space", {}), ["space: the space is empty"]),
    "no templates": (put("templates", {}), ["templates: ", "at least 1"]),
    "unknown kind": (put("space", "demos.k", "kind", "itn"), ["space.demos.k.kind: unknown kind 'itn'", "mean 'int'"]),
    "no kind": (put("space", "demos.k", {"low": 1}), ["space.demos.k.kind: is required", "got {'low': 1}"]),
    "null as a value": (
        put("space", "template", "values", [None]),
        ["space.template.values.0", "got None", "write none"],
    ),
    "low above high": (put("space", "demos.k", "low", 9), ["space.demos.k: low must not exceed high: low is 9"]),
    "when never holds": (
        put("space", "demos.k", "when", {"demos.strategy": ["randm"]}),
        ["space.demos.k: `when` can never hold", "'randm'"],
    ),
    "when names nothing": (put("space", "demos.k", "when", {"demo": ["x"]}), ["space.demos.k: `when` names 'demo'"]),
    "unknown component": (
        put("backend", "type", "hf-causl"),
        ["backend.type: unknown backend 'hf-causl'", "'hf-causal'"],
    ),
    "unknown option": (
        put("backend", "skil", 0.5),
        ["backend.skil: unknown scripted option 'skil'", "mean 'skill'", "got 0.5"],
    ),
    "wrong type of an option": (
        put("backend", "skill", "high"),
        ["backend.skill: must be a valid number", "got 'high'"],
    ),
    "option out of range": (put("backend", "skill", 3), ["backend.skill: must be less than or equal to 1", "got 3"]),
    "wrong option of the study": (put("study", {"type": "optuna", "sampler": "tpee"}), ["study.sampler", "got 'tpee'"]),
    "unknown runner": (put("runner", "rya"), ["runner.type: unknown runner 'rya'", "mean 'ray'"]),
    "an address for clients": (
        put("runner", {"type": "ray", "address": "ray://head:10001"}),
        [
            "runner.address: a search cannot join a cluster from outside",
            "'ray://head:10001'",
            "write auto or HOST:PORT",
        ],
    ),
    "the job server's address": (
        put("runner", {"type": "ray", "address": "http://head:8265"}),
        [
            "runner.address: ",
            "got 'http://head:8265'",
            "autoprompt-search submit SPACE.yaml --address http://HEAD:8265",
        ],
    ),
    "unknown tracker": (put("tracker", "mlflo"), ["tracker.type: unknown tracker 'mlflo'", "mean 'mlflow'"]),
    "unknown exporter": (put("exports", ["promt"]), ["exports.0.type: unknown exporter 'promt'", "mean 'prompt'"]),
    "unknown metric": (put("task", "metric", "acuracy"), ["task.metric: unknown metric 'acuracy'", "mean 'accuracy'"]),
    "unknown further metric": (put("task", "metrics", ["acuracy"]), ["task.metrics: unknown metric 'acuracy'"]),
    "unknown option of a metric": (
        put("task", "metric", {"type": "accuracy", "smooth": 1}),
        ["task.metric: smooth: unknown accuracy option 'smooth'", "got 1"],
    ),
    "a metric without a type": (put("task", "metric", {"name": "bleu"}), ["task.metric: needs a `type`", "'bleu'"]),
    "a further metric of other answers": (
        put("task", "metrics", ["bleu"]),
        ["task.metrics: 'bleu' does not judge answers that are a label"],
    ),
    "unknown task option": (put("task", "labls", []), ["task.labls: unknown classification option", "mean 'labels'"]),
    "required option": (put("task", "data", ...), ["task.data: is required"]),
    "slot without a field": (
        put("templates", "cloze", "text", "{txt} It was"),
        ["templates.cloze.text: unknown field 'txt'", "mean 'text'", "got '{txt} It was'"],
    ),
    "a brace that is no slot": (put("templates", "cloze", "text", "{text} {"), ["templates.cloze.text: '{'", "{{"]),
    "no slot at all": (put("templates", "cloze", "text", "It was"), ["templates.cloze.text", "put {text} into it"]),
    "unknown style": (put("templates", "cloze", "style", "essay"), ["templates.cloze.style: must be", "got 'essay'"]),
    "label without a word": (
        put("templates", "cloze", "words", {"neg": ["awful"]}),
        ["templates.cloze.words: has no word for label 'pos'", "got words for neg"],
    ),
    "words for an unknown label": (
        put("templates", "cloze", "words", {"neg": ["a"], "pos": ["b"], "posi": ["c"]}),
        ["templates.cloze.words.posi: unknown label 'posi'", "mean 'pos'"],
    ),
    "no words": (put("templates", "cloze", "words", "neg", []), ["templates.cloze.words.neg: needs at least one word"]),
    "an empty word": (put("templates", "cloze", "words", "neg", [" "]), ["templates.cloze.words.neg", "got ' '"]),
    "one word for two labels": (
        put("templates", "cloze", "words", {"neg": ["so"], "pos": ["so"]}),
        ["templates.cloze.words.pos: 'so' is already a word of label 'neg'"],
    ),
    "a boolean as a word": (
        put("templates", "cloze", "words", {"neg": [False], "pos": ["true"]}),
        ["templates.cloze.words.neg.0", "put it in quotes", "got False"],
    ),
    "two verbalizers and no choice": (
        lambda data: data.update(
            templates={"plain": "{text} is"},
            space={"template": "plain"},
            verbalizers={"a": {"neg": "x", "pos": "y"}, "b": {"neg": "u", "pos": "v"}},
        ),
        ["verbalizers: nothing chooses among ['a', 'b']", "template 'plain'"],
    ),
    "an instruction called none": (put("instructions", {"none": "x"}), ["instructions.none: this name is taken"]),
    "unknown parameter": (
        put("space", "layot.casing", "upper"),
        ["space.layot.casing", "did you mean 'layout.casing'"],
    ),
    "unknown template": (
        put("space", "template", "values", ["clze"]),
        ["space.template.values: unknown template 'clze'"],
    ),
    "template of another kind": (
        put("space", "template", {"kind": "int", "low": 0, "high": 1}),
        ["space.template.kind: must be a choice of names", "got kind 'int'"],
    ),
    "unknown verbalizer": (put("space", "verbalizer", "x"), ["space.verbalizer.values: unknown verbalizer 'x'"]),
    "unknown instruction": (put("space", "instruction", "x"), ["space.instruction.values: unknown instruction 'x'"]),
    "unknown strategy": (
        put("space", "demos.strategy", "values", ["none", "random", "knnn", "knn"]),
        ["space.demos.strategy.values: unknown strategy 'knnn'", "mean 'knn'"],
    ),
    "unknown method": (put("space", "soft.method", "prompt-tunning"), ["space.soft.method", "mean 'prompt-tuning'"]),
    "unknown casing": (put("space", "layout.casing", "values", ["uper"]), ["unknown casing 'uper'", "mean 'upper'"]),
    "a separator that is no text": (
        put("space", "layout.separator", 3),
        ["space.layout.separator: must be a choice of texts"],
    ),
    "a field name nobody shows": (put("space", "layout.name.Revew", "X"), ["{@Revew}", "did you mean 'Review'"]),
    "unknown option of a strategy": (
        put("space", "demos.drw", {"kind": "int", "low": 0, "high": 1, "when": WHEN}),
        ["space.demos.drw: unknown option of random, knn 'drw'", "mean 'draw'"],
    ),
    "an option without when": (
        put("space", "demos.k", {"kind": "int", "low": 1, "high": 4}),
        ["space.demos.k: is active while demos.strategy is 'none'", "add `when: {demos.strategy: [random, knn]}`"],
    ),
    "an option of another strategy": (
        put("space", "demos.draw", "when", WHEN),
        ["space.demos.draw: is active while demos.strategy is 'knn'", "[random]"],
    ),
    "an option without its selector": (
        put("space", "soft.tokens", 8),
        ["space.soft.tokens: means nothing without soft.method"],
    ),
    "an option that is needed": (put("space", "demos.k", ...), ["space.demos.strategy.values: 'random' needs demos.k"]),
    "a value of the wrong type": (
        put("space", "demos.k", {"kind": "choice", "values": [1, "two"], "when": WHEN}),
        ["space.demos.k.values: must be a valid integer", "got 'two'"],
    ),
    "a float for a whole number": (
        put("space", "demos.k", {"kind": "float", "low": 1, "high": 4, "when": WHEN}),
        ["space.demos.k.kind: must be whole numbers", "got kind 'float'"],
    ),
    "a value the strategy refuses": (
        put("space", "demos.order", {"kind": "choice", "values": ["by-lable"], "when": {"demos.strategy": ["random"]}}),
        ["space.demos.order.values", "'by-label'", "got 'by-lable'"],
    ),
    "not a number": (
        put("space", "demos.k", {"kind": "float", "low": float("nan"), "high": 4.0, "when": WHEN}),
        ["space.demos.k", "nan"],
    ),
    "soft prompts on a backend without gradients": (
        put("space", "soft.method", {"kind": "choice", "values": ["none", "prompt-tuning"]}),
        ["space.soft.method.values: 'prompt-tuning' trains vectors, which backend 'scripted' cannot", "hf-causal"],
    ),
    "baseline of no parameter": (
        put("baseline", {"tmplate": "plain"}),
        ["baseline.tmplate", "mean 'template'", "'plain'"],
    ),
    "baseline of no value": (
        put("baseline", {"template": "bare"}),
        ["baseline.template: is not a possible value (got 'bare')", "'plain', 'cloze'"],
    ),
    "baseline that is switched off": (
        put("baseline", {"demos.k": 2}),
        ["baseline.demos.k: is not active at the baseline (got 2)", "demos.strategy"],
    ),
    "rungs beyond dev": (put("rungs", [4, 13]), ["rungs: the last rung needs 13 dev examples", "asks for 12"]),
    "demonstrations beyond train": (
        put("space", "demos.k", "high", 9),
        ["space.demos.k: 9 demonstrations are more than the train split has", "8"],
    ),
    "one label": (put("task", "labels", ["neg"]), ["task.labels: a classification needs two labels", "'neg'"]),
}


@pytest.mark.parametrize("case", CASES)
def test_one_mistake_is_one_clear_line_with_its_origin(case, space_file):
    change, expected = CASES[case]
    change(space_file.data)
    problems = space_file.problems()
    found = [p for p in problems if all(part in p for part in expected)]
    assert len(found) == 1, f"\n{problems}"


def test_the_base_of_all_cases_is_sound(space_file):
    assert space_file.load().name == "tiny"


def test_a_broken_section_does_not_make_its_parameter_look_unknown(space_file):
    space_file.data["verbalizers"] = 3
    space_file.data["space"]["verbalizer"] = "names"
    assert [p.split(":")[0] for p in space_file.problems()] == ["verbalizers"]


def test_many_mistakes_are_reported_at_once_in_the_order_of_the_file(space_file):
    mistakes = [
        "rungs that fall",
        "unknown section",
        "slot without a field",
        "unknown kind",
        "unknown casing",
        "unknown metric",
    ]
    for case in mistakes:
        CASES[case][0](space_file.data)
    problems = space_file.problems()
    for case in mistakes:
        assert any(all(part in p for part in CASES[case][1]) for p in problems), case
    assert len(problems) == len(mistakes)
    lines = [int(p.rpartition("[line ")[2].rstrip("]")) for p in problems]
    assert lines == sorted(lines)


def test_a_wrong_parameter_does_not_make_those_that_depend_on_it_look_wrong(space_file):
    space_file.data["space"]["demos.strategy"] = {"kind": "choic", "values": ["none"]}
    assert [p.split(":")[0] for p in space_file.problems()] == ["space.demos.strategy.kind"]


def test_every_problem_of_the_data_joins_the_list(space_file):
    space_file.data["task"]["data"] = "reviws.jsonl"
    space_file.data["seed"] = "x"
    problems = space_file.problems()
    assert any("reviws.jsonl: no such file" in p and "reviews.jsonl" in p for p in problems)
    assert any(p.startswith("seed:") for p in problems)


def test_labels_come_from_the_data_where_the_file_names_none(space_file):
    del space_file.data["task"]["labels"]
    assert space_file.load()
    space_file.data["templates"]["cloze"]["words"] = {"neg": "a", "poss": "b"}
    problems = space_file.problems()
    assert any("unknown label 'poss'" in p and "'pos'" in p for p in problems)


def test_parameters_switched_off_by_a_fixed_value_are_no_mistake(space_file):
    assert space_file.load("space.demos.strategy=none").space.baseline() == {
        "template": "plain",
        "layout.casing": "as-is",
        "layout.name.Review": "Review",
        "demos.strategy": "none",
    }
    assert space_file.load("space.demos.strategy=knn")


def test_their_names_are_checked_all_the_same(space_file):
    space_file.data["space"]["demos.strategy"] = "none"
    space_file.data["space"]["demos.drow"] = {
        "kind": "int",
        "low": 1,
        "high": 2,
        "when": {"demos.strategy": ["random"]},
    }
    assert any("space.demos.drow" in p and "'draw'" in p for p in space_file.problems())


def test_one_bad_file_leaves_nothing_behind_for_the_next(tmp_path: Path) -> None:
    """What stands in for a broken section may be set aside in its turn, and must be there again afterwards."""
    path = tmp_path / "space.yaml"
    before = copy.deepcopy(validation._PLACEHOLDERS)
    path.write_text("name: x\nspace: {template: {kind: choice, wrong: 2}}\n", encoding="utf-8")
    for _ in range(2):
        with pytest.raises(ConfigError):
            load_config(path)
    assert before == validation._PLACEHOLDERS
