"""What is said of trials as they come and go."""

import io
import json
import threading

import pytest
from rich.console import Console

from autoprompt_search.core.measurements import Allowance, Cost, Fidelity, Measurement, TrialRecord, TrialState
from autoprompt_search.progress.json_lines import JsonLines
from autoprompt_search.progress.tally import Tally
from autoprompt_search.progress.views import LiveView, PlainLines, Quiet, progress_for


def measured(score, full=True):
    return Measurement(score, 0.01, {}, Fidelity(20 if full else 5, is_full=full), cost=Cost(forward_passes=20))


def record(number, state=TrialState.COMPLETE, score=0.5, error="", full=True):
    measurements = () if state is TrialState.FAILED else (measured(score, full),)
    return TrialRecord(number, {}, state, measurements, error=error, kind="demos")


def drawn(view, width):
    """The view as it stands, on a console of its own."""
    console = Console(file=io.StringIO(), width=width)
    console.print(view)
    return console.file.getvalue()


def play(view):
    view.note("begin")
    view.begin("tiny", 5, [record(0, score=0.6)])
    view.started(1, {"demos.strategy": "knn"})
    view.measured(1, measured(0.9, full=False))
    view.finished(record(1, TrialState.PRUNED, 0.9, full=False))
    view.started(2, {"soft.method": "prompt-tuning"})
    view.finished(record(2, TrialState.FAILED, error="loss is [not] finite\nat step 3"))
    view.started(3, {})
    view.measured(3, measured(0.7))
    view.finished(record(3, score=0.7))
    view.note("end")
    view.end()


def test_without_a_terminal_there_is_a_line_per_trial_and_no_control_code():
    stream = io.StringIO()
    play(PlainLines(stream))
    lines = stream.getvalue().splitlines()
    assert lines[0] == "begin"
    assert lines[1] == "tiny: 5 trials, 1 of them finished before"
    assert lines[2].startswith("[2/5] trial 1 demos pruned 0.900 on 5 | best 0.600 (trial 0, demos) | 20 passes")
    assert "[3/5] trial 2 demos failed: loss is [not] finite |" in lines[3]
    assert "best 0.700 (trial 3, demos) | 40 passes" in lines[4]
    assert "to go" in lines[4]
    assert "\x1b" not in stream.getvalue()


def test_only_full_measurements_can_be_the_best():
    stream = io.StringIO()
    view = PlainLines(stream)
    view.begin("tiny", 2, [])
    view.finished(record(0, TrialState.PRUNED, 0.99, full=False))
    assert "best none yet" in stream.getvalue()


def test_in_a_terminal_the_view_shows_counts_best_and_what_runs():
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    view = LiveView(console)
    view.begin("tiny", 4, [])
    for number in range(9):
        view.started(number, {"soft.method": "prompt-tuning"})
    view.measured(0, measured(0.75, full=False))
    view.finished(record(8, score=0.8))
    with console.capture() as shown:
        console.print(view)
    view.end()
    text = shown.get()
    for part in (
        "1/4",
        "0.800 (trial 8, demos)",
        "1 complete, 8 running",
        "#0 soft 0.750 on 5",
        "and 2 more",
        "passes  20",
    ):
        assert part in text, part


@pytest.mark.parametrize("width", [40, 60, 80, 140])
def test_no_line_of_the_view_is_broken_in_any_width(width):
    view = LiveView(Console(file=io.StringIO(), force_terminal=True, width=width))
    view.begin("a-search-with-a-name-that-is-longer-than-most", 4, [record(7)])
    view.started(0, {"soft.method": "prompt-tuning"})
    view.finished(record(1, score=0.8))
    lines = drawn(view, width).splitlines()
    view.end()
    assert [line.split()[0] for line in lines[1:]] == ["best", "trials", "passes", "time", "running"]
    assert lines[0].rstrip().endswith("2/4")
    assert "━" in lines[0]
    assert max(map(len, lines)) <= width


def test_a_search_of_so_many_passes_counts_passes():
    """The baseline's come on top."""
    tally = Tally()
    tally.begin("tiny", 99, [record(0), record(1)], Allowance("forward_passes", 100, has_baseline=False))
    first = tally.booked
    assert first == sum(m.cost.forward_passes for m in record(1).measurements)
    tally.measured(2, measured(0.75, full=False))
    assert tally.place == f"2 trials, {first + 20:.0f}/100 passes"
    tally.finished(record(2))
    tally.finished(record(3))
    assert tally.remaining is not None
    tally.measured(4, measured(0.75, full=False))
    tally.booked = 100
    assert tally.remaining is None


def test_the_time_to_go_follows_the_trials_that_ended_last(monkeypatch):
    """A hundred texts of a second each, then soft prompts of a minute each."""
    now = [0.0]
    monkeypatch.setattr("autoprompt_search.progress.views.time.monotonic", lambda: now[0])
    tally = Tally()
    tally.begin("tiny", 200, [])
    assert tally.remaining is None
    for number in range(100):
        now[0] += 1
        tally.finished(record(number))
    assert tally.remaining == 100
    for number in range(100, 120):
        now[0] += 60
        tally.finished(record(number))
    assert tally.remaining == 80 * 60
    tally.end()
    assert tally.remaining is None


def test_what_is_left_standing_says_nothing_of_what_runs():
    view = LiveView(Console(file=io.StringIO(), force_terminal=True))
    view.begin("tiny", 4, [record(0)])
    view.started(1, {})
    view.end()
    left = drawn(view, 80)
    assert "trials  1 complete\n" in left
    assert "running" not in left
    assert "to go" not in left


def test_a_terminal_that_cannot_redraw_gets_plain_lines(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("TERM", "xterm")
    assert isinstance(progress_for(stream=Terminal()), LiveView)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(progress_for(stream=Terminal()), PlainLines)


def test_the_live_view_plays_through():
    stream = io.StringIO()
    play(LiveView(Console(file=stream, force_terminal=True)))
    assert "loss is [not] finite" in stream.getvalue()


@pytest.mark.parametrize(("quiet", "kind"), [(True, Quiet), (False, PlainLines)])
def test_the_view_fits_the_stream(quiet, kind):
    assert isinstance(progress_for(quiet=quiet, stream=io.StringIO()), kind)


def test_a_view_that_never_began_can_end():
    play(Quiet())
    for view in (LiveView(Console(file=io.StringIO())), PlainLines(io.StringIO())):
        view.end()


def test_a_machine_is_told_everything_as_json_lines():
    stream = io.StringIO()
    play(JsonLines(stream))
    events = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [e["event"] for e in events] == [
        "note", "begin", "started", "measured", "finished", "started", "finished", "started", "measured", "finished",
        "note", "end",
    ]  # fmt: skip
    assert events[4]["state"] == "pruned"
    assert (events[4]["score"], events[4]["examples"]) == (0.9, 5)
    assert events[6]["error"] == "loss is [not] finite\nat step 3"
    assert all(isinstance(e["seconds"], float) for e in events)


class Told(io.StringIO):
    """A stream that tells when a text has been written."""

    def __init__(self, awaited):
        super().__init__()
        self.awaited, self.came = awaited, threading.Event()

    def write(self, text):
        if self.awaited in text:
            self.came.set()
        return super().write(text)


def test_a_line_says_what_goes_on_whenever_nothing_was_said_for_a_while():
    stream = Told("... looking at the model: ")
    view = PlainLines(stream, silence=0.02)
    view.note("looking at the model")
    assert stream.came.wait(30)
    stream.awaited, stream.came = "running #1 soft", threading.Event()
    view.begin("tiny", 5, [])
    view.started(1, {"soft.method": "prompt-tuning"})
    assert stream.came.wait(30)
    view.end()


def test_no_time_to_go_is_told_before_a_trial_of_each_expected_kind_has_ended():
    tally = Tally(expected=frozenset({"soft"}))
    tally.begin("tiny", 9, [])
    for number in range(4):
        tally.finished(record(number))
    assert tally.remaining is None
    for number in (4, 5):
        tally.finished(TrialRecord(number, {}, TrialState.COMPLETE, (measured(0.5),), kind="soft"))
    assert tally.remaining is not None
