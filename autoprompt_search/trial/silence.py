"""A prompt to which a model has nothing to say: found on the first rung, and no more is spent on it."""

from __future__ import annotations

from collections.abc import Sequence

from autoprompt_search.core.answers import Completion
from autoprompt_search.core.errors import TrialError
from autoprompt_search.core.measurements import Outcome

_LOOKED_AT, _MOST = 8, 0.5
"""Answers that are looked at, and the share of them that may be blank."""


def check_answers(outcomes: Sequence[Outcome]) -> None:
    """Raise `TrialError` where most of the first generated answers are blank: the model ended at once.

    That is how an instruct model takes a prompt that is not in its chat template. It is no property of the examples,
    and a search over such prompts would compare nothing.
    """
    said = [o.response for o in outcomes if isinstance(o.response, Completion)][:_LOOKED_AT]
    blank = [one for one in said if not one.text.strip()]
    if len(blank) > _MOST * len(said):
        stops = sorted({one.stop for one in blank if one.stop})
        why = f", ended by the stop string {stops[0]!r}" if stops else ""
        hint = (
            "take it out of answer.stop, or end the prompt as it does"
            if stops
            else "an instruct model needs its chat template (space: layout.chat: template); otherwise look at how the "
            "prompt ends"
        )
        raise TrialError(f"{len(blank)} of the first {len(said)} answers are empty{why}: {hint}")
