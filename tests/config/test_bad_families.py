"""Mistakes about what a model or a strategy can do: one line each, naming what would be right."""

import pytest

from .conftest import put

CASES = {
    "a verbalizer called auto": (
        put("verbalizers", {"auto": {"neg": "x", "pos": "y"}}),
        ["verbalizers.auto: this name is taken: it means words that the model proposes"],
    ),
    "unknown calibration": (
        put("space", "calibration", "contxtual"),
        ["space.calibration.values: unknown calibration 'contxtual'", "mean 'contextual'", "batch"],
    ),
    "words of no proposed verbalizer": (
        lambda data: data.update(
            verbalizers={"names": {"neg": "x", "pos": "y"}},
            space={
                "verbalizer": {"kind": "choice", "values": ["names", "auto"]},
                "verbalizer.words": {"kind": "int", "low": 1, "high": 3},
            },
        ),
        ["space.verbalizer.words: is active while verbalizer is 'names'", "add `when: {verbalizer: [auto]}`"],
    ),
    "no proposed words": (
        lambda data: data.update(space={"verbalizer": "auto", "verbalizer.words": 0}),
        ["space.verbalizer.words.value: must be greater than or equal to 1", "got 0"],
    ),
    "an unknown option of proposed words": (
        lambda data: data.update(space={"verbalizer": "auto", "verbalizer.word": 2}),
        ["space.verbalizer.word: unknown option of auto 'word'", "mean 'words'"],
    ),
    "proposed words of a backend that has none": (
        lambda data: data.update(
            backend={"type": "hf-encoder", "model": "x"}, space={"template": "plain", "verbalizer": "auto"}
        ),
        [
            "space.verbalizer.values: 'auto' takes words that the model proposes, which backend 'hf-encoder' cannot",
            "(hf-causal, hf-masked, hf-seq2seq, scripted)",
        ],
    ),
    "an answer without a place for the word": (
        put("space", "layout.answer", {"kind": "choice", "values": ["{}", "It was"]}),
        ["space.layout.answer.values: must hold {} exactly once", "got 'It was'"],
    ),
    "an answer with two places for the word": (
        put("space", "layout.answer", "{} {}"),
        ["space.layout.answer.values: must hold {} exactly once", "got '{} {}'"],
    ),
    "two answers": (
        put("templates", "cloze", "text", "{text} {@answer} {@answer}"),
        ["templates.cloze.text: has {@answer} 2 times, where once is right", "got '{text} {@answer} {@answer}'"],
    ),
    "text after the answer for a model that reads on": (
        put("templates", "cloze", "text", "{text} It was {@answer}."),
        [
            "templates.cloze.text: has text after {@answer}, which backend 'scripted' cannot read",
            "hf-masked, hf-seq2seq",
        ],
    ),
    "a pair for a model of one text": (
        put("templates", "cloze", "text", "{text}{@pair}{text}"),
        ["templates.cloze.text: has {@pair}, which backend 'scripted'", "hf-masked, hf-classifier, hf-encoder"],
    ),
    "no demonstration": (
        put("space", "demos.k", "low", 0),
        ["space.demos.k.low: must be greater than or equal to 1", "got 0"],
    ),
    "a trade beyond its range": (
        lambda data: data["space"].update(
            {"demos.strategy": "diverse", "demos.k": 2, "demos.draw": {**data["space"]["demos.draw"]}, "demos.trade": 2}
        ),
        ["space.demos.trade.value: must be less than or equal to 1", "got 2"],
    ),
    "an order of another strategy": (
        put(
            "space",
            "demos.order",
            {"kind": "choice", "values": ["similar-last"], "when": {"demos.strategy": ["random"]}},
        ),
        ["space.demos.order.values: must be 'shuffled', 'by-label' or 'interleaved'", "got 'similar-last'"],
    ),
    "a fraction of a soft token": (
        lambda data: data.update(
            backend={"type": "hf-causal", "model": "x"},
            space={"soft.method": "prompt-tuning", "soft.tokens": {"kind": "float", "low": 1, "high": 4}},
        ),
        ["space.soft.tokens.kind: must be whole numbers", "got kind 'float'"],
    ),
    "an unknown start of vectors": (
        lambda data: data.update(
            backend={"type": "hf-causal", "model": "x"}, space={"soft.method": "prompt-tuning", "soft.init": "txt"}
        ),
        ["space.soft.init.value", "'text'", "got 'txt'"],
    ),
    "a start from no text": (
        lambda data: data.update(
            backend={"type": "hf-causal", "model": "x"},
            space={"soft.method": "prompt-tuning", "soft.start": {"kind": "int", "low": 0, "high": 2}},
        ),
        ["space.soft.start.low: must be greater than or equal to 1", "got 0"],
    ),
    "a start without soft prompts": (
        lambda data: data.update(
            backend={"type": "hf-causal", "model": "x"},
            space={"soft.method": {"kind": "choice", "values": ["none", "prompt-tuning"]}, "soft.start": 2},
        ),
        ["space.soft.start: is active while soft.method is 'none'", "add `when: {soft.method: [prompt-tuning]}`"],
    ),
    "a method that the family cannot hold": (
        lambda data: data.update(
            backend={"type": "hf-encoder", "model": "x"},
            space={"soft.method": {"kind": "choice", "values": ["none", "prefix-tuning", "p-tuning"]}},
        ),
        [
            "space.soft.method.values: 'prefix-tuning' does not fit hf-encoder",
            "choose among prompt-tuning, p-tuning, residual-prompt-tuning",
        ],
    ),
    "a place that the family does not have": (
        lambda data: data.update(
            backend={"type": "hf-causal", "model": "x"},
            space={"soft.method": "p-tuning", "soft.placement": {"kind": "choice", "values": ["start", "after-cls"]}},
        ),
        [
            "space.soft.placement.values: 'after-cls' is no place for p-tuning on hf-causal",
            "choose among start, before-answer",
        ],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_one_mistake_is_one_clear_line_with_its_origin(case, space_file):
    change, expected = CASES[case]
    change(space_file.data)
    problems = space_file.problems()
    found = [p for p in problems if all(part in p for part in expected)]
    assert len(found) == 1, f"\n{problems}"


def test_a_file_with_everything_new_is_sound(space_file):
    """The right neighbours of the wrong cases above."""
    space_file.data.update(
        backend={"type": "hf-masked", "model": "x"},
        verbalizers={"names": {"neg": "x", "pos": "y"}},
        templates={"gap": {"text": "{text} It was {@answer}."}, "pair": {"text": "{text}{@pair}So {@answer}"}},
        space={
            "template": {"kind": "choice", "values": ["gap", "pair"]},
            "verbalizer": {"kind": "choice", "values": ["names", "auto"]},
            "verbalizer.words": {"kind": "int", "low": 1, "high": 3, "when": {"verbalizer": ["auto"]}},
            "calibration": {"kind": "choice", "values": ["none", "contextual", "batch"]},
            "layout.answer": {"kind": "choice", "values": ["{}", "really {}"]},
            "demos.strategy": {"kind": "choice", "values": ["none", "hard", "diverse"]},
            "demos.k": {"kind": "int", "low": 1, "high": 4, "when": {"demos.strategy": ["hard", "diverse"]}},
            "demos.trade": {"kind": "float", "low": 0.2, "high": 1, "when": {"demos.strategy": ["diverse"]}},
            "soft.method": {"kind": "choice", "values": ["none", "p-tuning", "prefix-tuning"]},
            "soft.start": {"kind": "int", "low": 1, "high": 3, "when": {"soft.method": ["p-tuning", "prefix-tuning"]}},
            "soft.placement": {
                "kind": "choice",
                "values": ["start", "after-cls", "before-answer"],
                "when": {"soft.method": ["p-tuning"]},
            },
        },
    )
    assert "soft.start" in space_file.load().space.root
    assert space_file.load("space.soft.method=none", "space.verbalizer=names").space.baseline()["calibration"] == "none"
    wrong = space_file.problems("backend.type=hf-classifier")
    assert any("text after {@answer}" in p for p in wrong)
    assert not any("{@pair}" in p for p in wrong)


def test_blanks_after_the_answer_are_no_text(space_file):
    space_file.data["templates"]["cloze"]["text"] = "{text} It was {@answer}{@sep} \n"
    assert space_file.load()


def test_a_place_that_is_switched_off_is_no_mistake(space_file):
    space_file.data["backend"] = {"type": "hf-causal", "model": "x"}
    space_file.data["space"]["soft.method"] = {"kind": "choice", "values": ["prompt-tuning", "p-tuning"]}
    space_file.data["space"]["soft.placement"] = {
        "kind": "fixed",
        "value": "decoder",
        "when": {"soft.method": ["p-tuning"]},
    }
    assert space_file.load("space.soft.method=prompt-tuning")
    assert any("'decoder' is no place for p-tuning" in p for p in space_file.problems())
