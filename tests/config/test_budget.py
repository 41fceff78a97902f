"""How much to spend: presets, numbers, and what follows from them."""

import pytest

from autoprompt_search.config.sections import PRESETS, Budget


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_is_a_number_of_passes_by_name(space_file, preset):
    space_file.data["budget"] = {"trials": 6}
    budget = space_file.load(f"budget={preset}").budget
    assert budget == Budget(preset=preset)
    assert budget.most_passes == PRESETS[preset]
    assert budget.goes_by_passes
    assert budget.most_trials((4, 12)) == 1 + PRESETS[preset] // 4


def test_what_is_written_out_goes_before_the_preset():
    budget = Budget(preset="quick", passes=900, trials=7)
    assert (budget.most_passes, budget.most_trials((32,)), budget.goes_by_passes) == (900, 7, False)


def test_without_a_word_there_is_a_number_of_trials():
    assert (Budget().most_trials((32,)), Budget().most_passes) == (48, None)
    assert Budget(minutes=3).most_trials((32,)) == 48


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        (Budget(), "48 trials"),
        (Budget(preset="standard"), "5,000 forward passes"),
        (Budget(passes=900, trials=7, minutes=1.5), "7 trials or 900 forward passes or 1.5 minutes"),
    ],
)
def test_it_can_be_said(budget, said):
    assert budget.spelled((32, 128)) == said


def test_both_forms_are_one_search_and_are_read_back(space_file):
    short = space_file.load("budget=quick")
    assert space_file.load("budget={preset: quick}") == short
    assert type(short).model_validate(short.resolved()) == short


@pytest.mark.parametrize(
    ("budget", "anchors"),
    [
        (Budget(), 0),
        (Budget(trials=48, probe="always"), 12),
        (Budget(trials=48, stop_for_futility=True), 12),
        (Budget(trials=24, probe="always"), 6),
        (Budget(trials=12, probe="always"), 0),
        (Budget(preset="quick"), 4),
        (Budget(preset="standard"), 12),
        (Budget(preset="standard", probe="never"), 0),
        (Budget(passes=900), 0),
        (Budget(passes=9000, trials=20), 0),
    ],
)
def test_a_probe_takes_a_tenth_of_the_budget_at_most(budget, anchors):
    """And none is made of fewer prompts than can show how prompts differ."""
    rungs = (32, 128, 512)
    assert budget.anchors(rungs) == anchors
    whole = budget.most_passes or budget.most_trials(rungs) * rungs[-1]
    assert anchors * rungs[0] <= whole / 10
