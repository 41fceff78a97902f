"""Answers that the model wrote: how they ended, what could not be read, and where two prompts differ most."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median

import numpy as np

from autoprompt_search.core.answers import Completion
from autoprompt_search.core.measurements import Outcome
from autoprompt_search.core.statistics.scores import Scorecard, contributions
from autoprompt_search.metrics import metric_named
from autoprompt_search.report import wording
from autoprompt_search.report.data import ReportData

SHOWN = 12
"""Examples that are shown side by side."""
MANY = 0.1
"""Share of cut answers from which on the report says what to do about them."""
_ENDS = {"end": "Ended by the model", "stop": "Ended at a stop string", "length": "Cut at the cap"}
_REASONS = {
    "cut": "Unscored: cut before an answer",
    "empty": "Unscored: empty",
    "not-parsed": "Unscored: no answer found",
    "refused": "Unscored: refused",
}
_VERDICTS = {
    "passed": "Program: passed its tests",
    "failed": "Program: failed a test",
    "error": "Program: raised an error or ended early",
    "timeout": "Program: took too long",
    "no-program": "Program: is no Python",
}


@dataclass(frozen=True, slots=True)
class SideBySide:
    """One test example and what both prompts made of it."""

    id: str
    text: str
    references: tuple[str, ...]
    baseline: str
    best: str
    baseline_note: str
    """Why the baseline has no answer; empty where it has one."""
    best_note: str
    baseline_score: float
    best_score: float


@dataclass(frozen=True, slots=True)
class TextView:
    """What the sections show."""

    sides: tuple[str, ...]
    """The prompts that are compared."""
    facts: tuple[tuple[str, tuple[str, ...]], ...]
    """What is counted, and its value for each of `sides`."""
    notes: tuple[str, ...]
    """What to do about answers that were cut."""
    metric: str
    changed: tuple[SideBySide, ...] | None
    """Those that changed most, gains before losses; None where won and lost ones are listed, or nothing is compared."""
    better: int
    worse: int


class TextSection:
    """Implements `Section`."""

    template = "sections/text.html.j2"

    def view(self, data: ReportData) -> TextView | None:
        """None where neither prompt makes the model write."""
        same = wording.is_baseline_best(data)
        sides = [("Baseline", data.baseline_outcomes)] + ([] if same else [("Best", data.best_outcomes)])
        sides = [(name, outcomes) for name, outcomes in sides if _completions(outcomes)]
        if not sides:
            return None
        pairs = [] if same or data.labels else _compared(data)
        gains = sorted((pair for pair in pairs if pair[0] > 0), key=lambda pair: -pair[0])
        losses = sorted((pair for pair in pairs if pair[0] < 0), key=lambda pair: pair[0])
        most = min(len(gains), SHOWN - min(len(losses), SHOWN // 2))
        return TextView(
            sides=tuple(name for name, _ in sides),
            facts=_facts([outcomes for _, outcomes in sides]),
            notes=tuple(note for name, outcomes in sides if (note := cut_note(name, outcomes))),
            metric=str(data.result.get("metric", "score")),
            changed=tuple(shown for _, shown in [*gains[:most], *losses[: SHOWN - len(gains[:most])]])
            if pairs
            else None,
            better=len(gains),
            worse=len(losses),
        )

    def links(self, view: TextView) -> tuple[tuple[str, str], ...]:
        """Id and title of each section."""
        return (("answers", "Answers"), *(() if view.changed is None else (("side-by-side", "Examples"),)))

    def markdown(self, view: TextView) -> Iterator[str]:
        """The table and the notes, without texts of the data."""
        yield "## Answers"
        head = ["on the test split", *(name.lower() for name in view.sides)]
        rule = [":--", *("--:" for _ in view.sides)]
        yield "\n".join("| " + " | ".join(line) + " |" for line in [head, rule, *([n, *v] for n, v in view.facts)])
        yield from view.notes
        if view.changed is not None:
            yield f"{wording.count(view.better)} test examples are better with the best prompt, {view.worse:,} worse."


def cut_note(name: str, outcomes: Sequence[Outcome]) -> str:
    """What to do where many answers ended at the cap; empty where few did."""
    said = _completions(outcomes)
    cut = [one for one in said if one.finish == "length"]
    if len(cut) <= MANY * len(said):
        return ""
    most = max(one.tokens for one in cut)
    return (
        f"{name}: {len(cut):,} of {len(said):,} answers were cut at {most:,} tokens, before they had ended. Raise "
        "answer.tokens, or name in answer.stop what an answer ends with."
    )


def _completions(outcomes: Sequence[Outcome]) -> list[Completion]:
    return [o.response for o in outcomes if isinstance(o.response, Completion)]


def _facts(sides: Sequence[Sequence[Outcome]]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """How answers ended, what was unreadable, and how long they are; what occurs nowhere is left out."""
    said = [_completions(outcomes) for outcomes in sides]
    ends = [Counter(one.finish for one in side) for side in said]
    reasons = [Counter(o.unscored for o in outcomes if o.unscored) for outcomes in sides]
    rows = [(title, tuple(_share(c[end], c.total()) for c in ends)) for end, title in _ENDS.items() if _any(ends, end)]
    rows += _of_stops(said)
    for why in dict.fromkeys((*_REASONS, *sorted(set().union(*reasons)))):
        if _any(reasons, why):
            counts = tuple(_share(count[why], len(side)) for count, side in zip(reasons, sides, strict=True))
            rows.append((_REASONS.get(why, f"Unscored: {why}"), counts))
    tokens = [[one.tokens for one in side] for side in said]
    read = [[o.prediction for o in side if not o.unscored] for side in sides]
    judged = [Counter(o.verdict for o in outcomes if o.verdict) for outcomes in sides]
    rows += [
        (title, tuple(_share(count[verdict], len(side)) for count, side in zip(judged, sides, strict=True)))
        for verdict, title in _VERDICTS.items()
        if _any(judged, verdict)
    ]
    return (
        *rows,
        ("Tokens of an answer, median", tuple(wording.number(float(median(n)), 0) for n in tokens)),
        ("Tokens of the longest answer", tuple(wording.count(max(n)) for n in tokens)),
        ("Words of a read answer, mean", tuple(map(_words, read))),
        ("Words of a reference, mean", tuple(_words([o.target for o in side]) for side in sides)),
    )


def _of_stops(said: Sequence[Sequence[Completion]]) -> list[tuple[str, tuple[str, ...]]]:
    """How many answers each stop string ended, where there are several: one may stand where no answer ends."""
    counts = [Counter(one.stop for one in side if one.stop) for side in said]
    stops = sorted(set().union(*counts))
    sizes = [len(side) for side in said]
    rows = [(stop, tuple(_share(c[stop], n) for c, n in zip(counts, sizes, strict=True))) for stop in stops]
    return [(f"Ended by {stop!r}", shares) for stop, shares in rows] if len(stops) > 1 else []


def _any(counts: Sequence[Mapping[str, int]], name: str) -> bool:
    return any(count.get(name) for count in counts)


def _share(part: int, whole: int) -> str:
    return f"{wording.count(part)} ({wording.percent(part / whole)})"


def _words(texts: Sequence[str]) -> str:
    counts = [len(text.split()) for text in texts]
    return wording.number(fmean(counts), 1) if counts else wording.NONE


def _compared(data: ReportData) -> list[tuple[float, SideBySide]]:
    """Every test example with how much more it gives to the best prompt's score than to the baseline's."""
    before, after = data.baseline_outcomes, data.best_outcomes
    if not before or len(before) != len(after):
        return []
    metric = metric_named(str(data.result["metric"]), data.labels)
    cards = [Scorecard.of(outcomes, metric) for outcomes in (before, after)]
    change = contributions(cards[1]) - contributions(cards[0])
    alone = [np.asarray(metric.score(card.values, np.ones(len(card)))).tolist() for card in cards]
    return [
        (
            round(float(change[i]), 9),
            SideBySide(
                id=a.example,
                text=data.texts.get(a.example, "(text not kept)"),
                references=a.targets,
                baseline=_shown(a),
                best=_shown(b),
                baseline_note=_note(a),
                best_note=_note(b),
                baseline_score=alone[0][i],
                best_score=alone[1][i],
            ),
        )
        for i, (a, b) in enumerate(zip(before, after, strict=True))
    ]


def _shown(outcome: Outcome) -> str:
    """The answer, or, where none could be read, all that was written."""
    said = outcome.response
    return said.text if outcome.unscored and isinstance(said, Completion) else outcome.prediction


def _note(outcome: Outcome) -> str:
    return _REASONS.get(outcome.unscored, f"Unscored: {outcome.unscored}") if outcome.unscored else ""
