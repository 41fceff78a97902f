"""Handlers around Tune's own; that a search stops by them shows in tests/integration/test_ctrl_c.py."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest
from ray.tune.tune import _setup_signal_catching

from autoprompt_search.runners.stopping import STOPPING, CtrlC


def handlers() -> list[object]:
    return [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGUSR1)]


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    """A shell's background job ignores Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_the_first_one_is_told_at_once_and_tune_stops_and_the_next_one_ends_it() -> None:
    said: list[str] = []
    before = handlers()
    with CtrlC(said.append) as ctrl_c:
        stops = _setup_signal_catching()
        ctrl_c.setup(stop=None, num_samples=-1)
        signal.raise_signal(signal.SIGINT)
        assert stops.is_set()
        assert ctrl_c.was_pressed
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert said == [STOPPING]
    assert handlers() == before


def test_tunes_handlers_do_not_stay_where_nobody_pressed() -> None:
    before = handlers()
    with CtrlC(print) as ctrl_c:
        _setup_signal_catching()
        ctrl_c.setup()
        assert not set(map(id, handlers())) & set(map(id, before))
    assert handlers() == before
    assert not ctrl_c.was_pressed
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_in_another_thread_nothing_is_handled() -> None:
    before, seen = handlers(), []

    def elsewhere() -> None:
        with CtrlC(print) as ctrl_c:
            _setup_signal_catching()
            ctrl_c.setup()
            seen.append(handlers())

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert [*seen, handlers()] == [before, before]
