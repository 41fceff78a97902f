"""Mistakes in the proposals section: one line each, with field, value and what would be right."""

from __future__ import annotations

import pytest

TEXTS = {"short": "Judge it.", "long": "Read the review to its end, then judge."}
SPACE = {"kind": "choice", "values": ["none", "short", "long"]}


@pytest.fixture
def growing(space_file):
    space_file.data["instructions"] = dict(TEXTS)
    space_file.data["space"]["instruction"] = {**SPACE, "values": [*SPACE["values"]]}
    space_file.data["proposals"] = {"instruction": {"slots": 5, "proposers": ["phrases", "crossover"]}}
    return space_file


def change(growing, **fields):
    growing.data["proposals"]["instruction"].update(fields)


def test_a_sound_section_is_read_and_written_back(growing):
    config = growing.load()
    wanted = config.proposals["instruction"]
    assert (wanted.slots, [p.type for p in wanted.proposers]) == (5, ["phrases", "crossover"])
    assert growing.load().fingerprint == config.fingerprint
    change(growing, slots=6)
    assert growing.load().differences(config) == ["proposals.instruction.slots: was 5, now 6"]


def test_a_fixed_parameter_does_not_grow_and_is_no_mistake(growing):
    assert growing.load("space.instruction=short").proposals
    assert growing.load("space.instruction=none").proposals


CASES = {
    "no such parameter in the space": (
        lambda d: d["space"].pop("instruction"),
        ["proposals.instruction: the space has no 'instruction'", "add `instruction: {kind: choice"],
    ),
    "a parameter that cannot grow": (
        lambda d: d["proposals"].update(instructon=d["proposals"].pop("instruction")),
        ["proposals.instructon: unknown growing parameter 'instructon'", "did you mean 'instruction'"],
    ),
    "no such proposer": (
        lambda d: d["proposals"]["instruction"].update(proposers=["phrase"]),
        ["proposals.instruction.proposers.0.type: unknown proposer 'phrase'", "did you mean 'phrases'"],
    ),
    "no proposer": (
        lambda d: d["proposals"]["instruction"].update(proposers=[]),
        ["proposals.instruction.proposers", "at least 1"],
    ),
    "the same proposer twice": (
        lambda d: d["proposals"]["instruction"].update(proposers=["phrases", {"type": "phrases", "edits": 2}]),
        ["proposals.instruction.proposers.1: the proposer 'phrases' stands there twice"],
    ),
    "a wrong option": (
        lambda d: d["proposals"]["instruction"].update(proposers=[{"type": "phrases", "edits": 0}]),
        ["proposals.instruction.proposers.0.edits: must be greater than or equal to 1", "got 0"],
    ),
    "an unknown option": (
        lambda d: d["proposals"]["instruction"].update(proposers=[{"type": "phrases", "edit": 1}]),
        ["proposals.instruction.proposers.0.edit: unknown phrases option 'edit'", "did you mean 'edits'"],
    ),
    "a proposer of something else": (
        lambda d: d["proposals"]["instruction"].update(proposers=["formats"]),
        ["proposals.instruction.proposers.0: 'formats' does not write for instruction", "crossover, phrases"],
    ),
    "no slots": (
        lambda d: d["proposals"]["instruction"].update(slots=0),
        ["proposals.instruction.slots: must be greater than or equal to 1 (got 0)"],
    ),
    "no share": (
        lambda d: d["proposals"]["instruction"].update(share=0),
        ["proposals.instruction.share: must be greater than 0 (got 0)"],
    ),
    "an unknown key": (
        lambda d: d["proposals"]["instruction"].update(slot=3),
        ["proposals.instruction.slot: unknown key 'slot'", "did you mean 'slots'"],
    ),
    "too many shares": (
        lambda d: d["proposals"].update(
            instruction={"proposers": ["phrases"], "share": 0.7}, template={"proposers": ["formats"], "share": 0.6}
        ),
        ["proposals: the shares of all must not exceed 1 together (got 0.7 + 0.6)"],
    ),
    "no text to start from": (
        lambda d: d["space"]["instruction"].update(values=["none"]),
        ["proposals.instruction: needs a text to start from, and instruction has none (got values ['none'])"],
    ),
    "a text without phrases": (
        lambda d: (
            d["space"]["instruction"].update(values=["short"]),
            d["instructions"].update(short="Ok"),
            d["proposals"]["instruction"].update(proposers=["phrases"]),
        ),
        ["proposals.instruction.proposers.0: 'phrases' finds neither two phrases to swap nor a word", "got ['Ok']"],
    ),
    "one text to cross": (
        lambda d: (
            d["space"]["instruction"].update(values=["none", "long"]),
            d["proposals"]["instruction"].update(proposers=["crossover"]),
        ),
        ["proposals.instruction.proposers.0: 'crossover' needs two texts to cross, and there is one"],
    ),
    "a name that a slot has": (
        lambda d: (d["instructions"].update({"new-1": "x"}), d["space"]["instruction"]["values"].append("new-1")),
        ["instructions.new-1: this name is taken", "choose another name"],
    ),
    "a grid": (
        lambda d: d.update(study={"type": "optuna", "sampler": "grid"}),
        ["study.sampler: goes through the points of a space that stays as it is", "got 'grid'"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_one_error_says_what_is_wrong(growing, case):
    break_it, expected = CASES[case]
    break_it(growing.data)
    problems = growing.problems()
    assert len(problems) == 1, problems
    assert all(part in problems[0] for part in expected), problems[0]
