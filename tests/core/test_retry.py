from __future__ import annotations

import random
from itertools import islice

import pytest

from autoprompt_search.core.retry import Patience, retry


class Away:
    """Fails so many times, then answers."""

    def __init__(self, times: int, problem: Exception) -> None:
        self.times, self.problem, self.calls = times, problem, 0

    def __call__(self) -> str:
        self.calls += 1
        if self.calls <= self.times:
            raise self.problem
        return "answer"


def test_waits_double_up_to_the_longest_and_are_spread() -> None:
    found = list(islice(Patience(9, first=1.0, longest=8.0).waits(random.Random(3)), 6))
    whole = [1.0, 2.0, 4.0, 8.0, 8.0, 8.0]
    assert all(w / 2 <= f <= w for f, w in zip(found, whole, strict=True))
    assert len({f / w for f, w in zip(found, whole, strict=True)}) == 6
    other = list(islice(Patience(9, first=1.0, longest=8.0).waits(random.Random(4)), 6))
    assert found != other


def test_all_waits_together_are_bounded() -> None:
    patience = Patience(5, first=1.0, longest=3.0)
    assert patience.most_seconds == 1 + 2 + 3 + 3


def test_it_is_tried_until_it_answers() -> None:
    action, slept, told = Away(2, OSError("gone")), [], []
    answer = retry(
        action,
        Patience(5),
        passes=lambda exc: isinstance(exc, OSError),
        rng=random.Random(0),
        told=lambda exc, failed: told.append((str(exc), failed)),
        sleep=slept.append,
    )
    assert answer == "answer"
    assert told == [("gone", 1), ("gone", 2)]
    assert len(slept) == 2


def test_the_last_failure_is_raised_as_it_came() -> None:
    problem = OSError("gone")
    action = Away(99, problem)
    with pytest.raises(OSError, match="gone") as caught:
        retry(action, Patience(4), passes=lambda _: True, rng=random.Random(0), sleep=lambda _: None)
    assert caught.value is problem
    assert action.calls == 4


def test_what_will_not_pass_is_raised_at_once() -> None:
    action = Away(99, ValueError("wrong"))
    with pytest.raises(ValueError, match="wrong"):
        retry(action, Patience(4), passes=lambda exc: isinstance(exc, OSError), rng=random.Random(0))
    assert action.calls == 1


def test_ctrl_c_ends_the_waiting() -> None:
    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        retry(Away(9, OSError()), Patience(4), passes=lambda _: True, rng=random.Random(0), sleep=interrupted)
