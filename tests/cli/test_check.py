"""`check` and `init`: all that is wrong, or what would happen."""

import json
import re

import pytest

from autoprompt_search.cli.check import forward_passes, inspect, length_of_longest
from autoprompt_search.config import load_config
from autoprompt_search.core.prompts import Rendered, Segment
from autoprompt_search.core.types import Example, Splits
from autoprompt_search.testing.scripted import ScriptedBackend


def test_a_sound_file_shows_size_rungs_cost_and_prompts(work, cli):
    out = cli("check", "space.yaml").stdout
    for part in (
        "8 points",
        "10 -> 20",
        "text, demos",
        "10 train, 20 dev, 40 test",
        "at most 260",
        "Review: ",
        "' good'",
    ):
        assert part in out, part
    assert "with 2 demonstrations" in out
    assert not (work / "reports").exists()


def test_mistakes_of_file_data_and_model_come_together(work, cli):
    (work / "reviews.jsonl").write_text('{"text": "x", "label": "pos"}\n{broken\n', encoding="utf-8")
    changes = ["--set", "budgt.trials=3", "--set", "templates.cloze.text='{txt}'"]
    message = cli("check", "space.yaml", *changes, code=2).stderr
    for part in ("did you mean 'budget'", "unknown field 'txt'", "reviews.jsonl:2: broken JSON"):
        assert part in message, part


def test_a_prompt_beyond_the_context(work, cli):
    message = cli("check", "space.yaml", "--set", "backend.context=4", code=2).stderr
    assert "templates.plain" in message
    assert "too long" in message


def test_what_is_probably_not_meant_is_said(work, cli):
    out = cli(
        "check", "space.yaml", "--set", "space.template=plain", "--set", "templates.plain.text='{text} is '"
    ).stdout
    assert "ends with a blank" in out
    assert "not in the space: cloze" in out


def test_markup_in_texts_is_text(work, cli):
    assert "[bold]" in cli("check", "space.yaml", "--set", "templates.plain.text='[bold]{text}[/nope]'").stdout


def test_forward_passes_count_soft_prompts(work):
    config = load_config(
        "space.yaml",
        ["backend={type: hf-causal, model: x}", "space.soft.method={kind: choice, values: [none, prompt-tuning]}"],
    )
    passes = forward_passes(config, Splits((), (), ()), {})
    assert passes["training soft prompts"] == 4 * 3 * 100 * 16
    assert passes["scoring dev examples"] == 4 * 4 * (10 + 20)


def test_a_budget_of_tokens_is_said_in_prompts_or_refused(work, cli):
    out = " ".join(cli("check", "space.yaml", "--set", "budget={tokens: 30000}").stdout.split())
    assert "budget 30,000 tokens, at most" in out
    assert re.search(r"tokens pay for about [\d,]+ prompts of \d+ each", out)
    refused = cli("check", "space.yaml", "--set", "budget={tokens: 100}", code=2).stderr
    assert "budget.tokens: pays for about" in refused
    assert "(got 100)" in refused


def test_a_budget_of_passes_is_said_as_what_it_means_for_the_space(work, cli):
    out = " ".join(cli("check", "space.yaml", "--set", "budget={passes: 35, minutes: 2}").stdout.split())
    assert "35 forward passes or 2 minutes, at most 4 trials" in out
    found = forward_passes(load_config("space.yaml", ["budget.passes=35"]), Splits((), (), ()), {})
    assert found["the trials"] == 35
    assert found["finishing the last of them"] == 20
    out = " ".join(cli("check", "space.yaml", "--set", "budget=quick").stdout.split())
    assert "quick: 1,500 forward passes, at most 151 trials" in out
    assert "budget: the space has only 8 points" in out
    assert "probe first up to 12 diverse prompts on 10 examples" in out


def test_forward_passes_count_what_makes_prompts(work):
    train, test = (Example("a", {}, "pos"),) * 10, (Example("b", {}, "pos"),) * 40
    changes = [
        "space.verbalizer={kind: choice, values: [auto]}",
        "space.calibration={kind: choice, values: [none, batch]}",
        "space.demos.strategy={kind: choice, values: [none, hard]}",
        "space.demos.k.when={demos.strategy: [hard]}",
    ]
    passes = forward_passes(load_config("space.yaml", changes), Splits(train, (), test), {})
    assert passes["calibrating"] == passes["proposing words"] == (4 + 3 + 1) * 64
    assert passes["finding hard examples"] == (4 + 3 + 1) * 10
    assert passes["the final test"] == (3 + 1) * 40


def test_soft_tokens_count_where_tokens_are_counted(work):
    changes = ["backend={type: hf-causal, model: x}", "space.soft.method=p-tuning", "space.soft.tokens=9"]
    config, prompts = load_config("space.yaml", changes), [Rendered((Segment("so very"), Segment("long")))]
    assert length_of_longest(config, prompts, ScriptedBackend()) == (2 + 9, "tokens")
    assert length_of_longest(config, prompts, object()) == (len("so verylong"), "characters")


def test_the_longest_prompt_is_counted_in_tokens_where_the_model_can_say(work):
    found = inspect(work / "space.yaml", ["space.demos.strategy=none"])
    assert found.unit == "tokens"
    texts = [json.loads(line)["text"] for line in (work / "reviews.jsonl").read_text(encoding="utf-8").splitlines()]
    assert found.longest == 2 + max(len(text.split()) for text in texts)


def test_answers_are_shown_as_the_model_is_asked_for_them(work, cli):
    out = cli("check", "space.yaml", "--set", "space.layout.answer='so {}'").stdout
    assert "neg: ' so bad'" in out
    out = cli("check", "space.yaml", "--set", "space.verbalizer=auto").stdout
    assert "proposed by the model" in out


def test_kinds_follow_the_space(work):
    assert inspect(work / "space.yaml", ["space.demos.strategy=none"]).kinds == ("text",)
    assert inspect(work / "space.yaml", ["space.demos.strategy=random"]).kinds == ("demos",)


@pytest.mark.parametrize("name", ["data.csv", "data.jsonl"])
def test_init_writes_a_file_that_check_accepts(work, cli, name):
    lines = (work / "reviews.jsonl").read_text(encoding="utf-8").splitlines()
    if name.endswith("csv"):
        from json import loads

        rows = [loads(line) for line in lines]
        text = "text,label\n" + "".join(f"{r['text']},{r['label']}\n" for r in rows)
    else:
        text = "\n".join(lines)
    (work / name).write_text(text, encoding="utf-8")
    made = cli("init", "--data", name, "--text", "text", "--label", "label", "--model", "gpt2")
    assert "# 70 labelled rows, 2 labels: neg (35), pos (35)" in made.stderr
    (work / "own.yaml").write_text(made.stdout, encoding="utf-8")
    assert "data is sound" in cli("check", "own.yaml", "--set", "backend=scripted").stdout


def test_init_writes_a_file_for_answers_in_words_that_check_accepts(work, cli):
    rows = "".join(f"say {i} and {i * 7},{i} said\n" for i in range(60))
    (work / "data.csv").write_text("source,target\n" + rows, encoding="utf-8")
    made = cli("init", "--task", "generation", "--data", "data.csv", "--model", "gpt2")
    assert "# columns: text: source, target: target; --text and --label choose others" in made.stderr
    (work / "own.yaml").write_text(made.stdout, encoding="utf-8")
    assert "data is sound" in cli("check", "own.yaml", "--set", "backend=scripted").stdout


def test_what_cma_leaves_to_chance_is_said(work, cli):
    draws = "space.demos.draw={kind: int, low: 0, high: 2, when: {demos.strategy: [random]}}"
    out = cli("check", "space.yaml", "--set", "study.sampler=cma", "--set", draws).stdout
    assert "study.sampler: cma moves numbers; chance alone draws template" in out


def test_a_label_whose_answer_begins_anothers_is_named(work, cli):
    model = "backend={type: hf-causal, model: 'builtin:gpt'}"
    words = "{neg: [good], pos: [good new]}"
    changes = ["--set", f"templates.plain.words={words}", "--set", f"templates.cloze.words={words}"]
    out = cli("check", "space.yaml", "--set", model, *changes).stdout
    assert "the answer ' good' (neg) begins ' good new' (pos)" in " ".join(out.split())
    assert "begins" not in cli("check", "space.yaml", "--set", model).stdout


def test_what_a_terminal_would_obey_is_shown(work, cli):
    evil = "\x1b]0;owned\x07\x9b2J\u202e"
    rows = [{"text": f"{evil} row {i}", "label": f"{evil}{i % 2}"} for i in range(60)]
    (work / "evil.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    made = cli("init", "--data", "evil.jsonl", "--text", "text", "--label", "label", "--model", "gpt2")
    (work / "evil.yaml").write_text(made.stdout, encoding="utf-8")
    scripted = ("--set", "backend={type: scripted}", "--set", "runner=local", "--set", "tracker=none")
    checked = cli("check", "evil.yaml", *scripted)
    failed = cli("check", "evil.yaml", *scripted, "--set", f"task.label={evil}", code=2)
    for said in (made.stdout, made.stderr, checked.stdout, failed.stderr):
        assert not set(said) & set(evil) - set("0;owned2J]")
        assert said.strip()


def test_label_words_of_unequal_length_are_named(work, cli):
    change = ("--set", "templates.plain.words={neg: bad, pos: so very good}")
    said = " ".join(cli("check", "space.yaml", *change).stdout.split())
    assert "label words differ in length: 'neg' has 1 token, 'pos' 3 tokens" in said
    assert "space.answer.normalise" in said
    searched = ("--set", "space.answer.normalise={kind: choice, values: [none, token]}")
    assert "differ in length" not in cli("check", "space.yaml", *change, *searched).stdout
