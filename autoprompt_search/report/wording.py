"""Numbers and verdicts in words, the same in HTML and Markdown. Knows no markup."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from autoprompt_search.report.data import ReportData

NONE = "–"
"""Stands where there is no number."""
NBSP = "\u00a0"
HEADLINES = {"promote": "Promote", "tie": "Tie", "reject": "Reject"}


def number(value: object, digits: int = 3) -> str:
    """`0.842`; a true minus sign, and a dash for what is absent."""
    if not _is_number(value):
        return NONE
    return f"{value:.{digits}f}".replace("-", "−")


def signed(value: object, digits: int = 3) -> str:
    """`+0.190`"""
    return f"{value:+.{digits}f}".replace("-", "−") if _is_number(value) else NONE


def count(value: object) -> str:
    """`31,234`"""
    return f"{value:,.0f}" if _is_number(value) else NONE


def p_value(value: object) -> str:
    """`p = 0.031`, never `p = 0.000`."""
    if not _is_number(value):
        return NONE
    return f"p{NBSP}<{NBSP}0.001" if float(str(value)) < 0.001 else f"p{NBSP}={NBSP}{value:.3f}"


def duration(seconds: object) -> str:
    """`2 min 21 s`"""
    if not _is_number(seconds):
        return NONE
    exact = float(str(seconds))
    if exact < 10:
        return f"{exact:.1f} s"
    hours, rest = divmod(round(exact), 3600)
    minutes, left = divmod(rest, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {left} s" if minutes else f"{left} s"


def percent(value: object) -> str:
    """`34 %`"""
    return f"{100 * float(str(value)):.0f}{NBSP}%" if _is_number(value) else NONE


def confidence(data: ReportData) -> str:
    """`95 %`"""
    return percent(data.result.get("confidence", 0.95))


def headline(data: ReportData) -> str:
    """The verdict in one or two words."""
    verdict = str(data.result.get("verdict", ""))
    return HEADLINES.get(verdict, verdict.capitalize())


def sentence(data: ReportData) -> str:
    """The verdict in one sentence with its numbers."""
    result = data.result
    metric, level = result.get("metric", "score"), confidence(data)
    before, after, gap = _test(result, "baseline"), _test(result, "best"), _mapping(result.get("difference"))
    seen = f"{count(after.get('examples'))} unseen examples"
    if is_baseline_best(data):
        interval = f"{level} interval {number(before.get('low'))} to {number(before.get('high'))}"
        stays = f"The baseline prompt stays: its {metric} on {seen} is {number(before.get('score'))} ({interval})."
        return f"{stays} {_beaten(result, before)}".rstrip()
    change = f"{signed(gap.get('score'))}, {level} interval {signed(gap.get('low'))} to {signed(gap.get('high'))}"
    pair = f"{metric} {number(after.get('score'))} on {seen} against {number(before.get('score'))} for the baseline"
    if result.get("verdict") == "promote":
        return f"The best prompt holds: {pair} ({change})."
    if result.get("verdict") == "tie":
        return f"The best prompt cannot be told from the baseline: {pair} ({change})."
    return f"The best prompt does not hold: {pair} ({change})."


def _beaten(result: Mapping[str, Any], before: Mapping[str, Any]) -> str:
    """What has to be said where a finalist scores higher on test than the baseline that stays."""
    tested = [(_mapping(f.get("test")).get("score"), f.get("trial")) for f in result.get("finalists", [])]
    better = [(float(str(score)), trial) for score, trial in tested if _is_number(score)]
    score, trial = max(better, key=lambda one: one[0], default=(-math.inf, None))
    if score <= float(str(before.get("score"))):
        return ""
    return (
        f"Trial {trial} scores {number(score)} there; that could not count, since the choice is made on dev, "
        "where no lead was likely enough to be real."
    )


def optimism(data: ReportData) -> str:
    """Why the dev score of a winner is not to be believed, with the amount."""
    value = data.result.get("optimism")
    if not _is_number(value):
        return ""
    gap = float(str(value))
    if gap >= 0.0005:
        return (
            f"Optimism {signed(gap)}: on dev, where it was chosen as the best of many, the best prompt scored "
            f"{number(gap)} higher than on the sealed test split. Believe the test score."
        )
    return (
        f"Optimism {signed(gap)}: the best prompt scored no lower on the sealed test split than on dev, where it "
        "was chosen. That is luck of the split; believe the interval."
    )


def dev_note(data: ReportData) -> str:
    """The dev score of the best prompt, as it is and without the luck of having been chosen; empty where unknown."""
    dev = _mapping(_mapping(data.result.get("best")).get("dev"))
    corrected, folds = data.result.get("corrected"), _mapping(data.result.get("cross_fitted"))
    if not _is_number(corrected):
        return ""
    said = (
        f"Dev says {number(dev.get('score'))} of the best prompt as it is, and {number(corrected)} without the luck of "
        "having been chosen, which is the number to quote."
    )
    if not _is_number(folds.get("score")):
        return said
    winners = folds.get("winners")
    trial = _mapping(data.result.get("best")).get("trial")
    agreed = sum(winner == trial for winner in winners) if isinstance(winners, list) else None
    return (
        f"{said} The same choice made without a part of dev, and scored on that part, gives "
        f"{number(folds.get('score'))} ± {number(folds.get('stderr'))} (cross-fitting: {count(agreed)} of "
        f"{count(folds.get('folds'))} parts chose this prompt)."
    )


def is_baseline_best(data: ReportData) -> bool:
    """Whether the search ended where it began."""
    before, after = _mapping(data.result.get("baseline")), _mapping(data.result.get("best"))
    return before.get("trial") is not None and before.get("trial") == after.get("trial")


def soft_note(data: ReportData) -> str:
    """What the text of a soft prompt does not show; empty for prompts of words only."""
    best = _mapping(data.result.get("best"))
    if best.get("kind") != "soft":
        return ""
    tokens = _mapping(best.get("params")).get("soft.tokens")
    many = f"{tokens} trained vectors belong" if tokens else "Trained vectors belong"
    return f"{many} to this prompt. They have no words; they are in the exported prompt's adapter folder."


def front_note(data: ReportData) -> str:
    """How to read the table of score against cost."""
    limits = data.result.get("constraints")
    kept = f" The choice had to keep {' and '.join(map(str, limits))}." if limits else ""
    return (
        "No other prompt has as high a dev score for as few tokens and as short a time. Time is the median of a few "
        f"prompts asked one at a time on the machine of the search, while other trials ran.{kept} These scores were "
        "picked for being high: the intervals hold for each alone."
    )


def text_note(data: ReportData) -> str:
    """What the text of a soft prompt is worth by itself; empty for prompts of words only."""
    text = _mapping(data.result.get("own_text"))
    if not text:
        return ""
    on_dev, on_test = _mapping(text.get("dev_gain")), _mapping(text.get("test_gain"))
    metric, score = data.result.get("metric", "score"), number(_mapping(text.get("test")).get("score"))
    return (
        f"By itself the text of the best prompt has {metric} {score} on the test split. The soft prompt adds "
        f"{signed(on_test.get('score'))} there ({confidence(data)} interval {signed(on_test.get('low'))} to "
        f"{signed(on_test.get('high'))}), and {signed(on_dev.get('score'))} on dev, where it had to beat its text. "
        "The text alone is exported too."
    )


def headroom_note(data: ReportData) -> str:
    """What the probe promised, and what the search found; empty where nothing was probed."""
    headroom = _mapping(data.result.get("headroom"))
    if not headroom:
        return ""
    gain, got = _mapping(headroom.get("gain")), _mapping(data.result.get("difference")).get("score")
    soft = " without soft prompts" if headroom.get("has_soft") else ""
    is_futile = headroom.get("is_futile", headroom.get("is_hopeless"))  # earlier results say the latter
    end = "It ended the search." if is_futile else f"The best prompt gains {signed(got)} on test."
    return (
        f"The probe of {count(headroom.get('anchors'))} diverse prompts on {count(headroom.get('examples'))} dev "
        f"examples found {signed(gain.get('expected'))} to gain on the baseline{soft} (90 % interval "
        f"{signed(gain.get('low'))} to {signed(gain.get('high'))}: the expected maximum of a shrunken normal). {end}"
    )


def choice_note(data: ReportData) -> str:
    """Why the chosen prompt is that one, which need not be the one with the highest dev score; empty where unknown."""
    result = data.result
    because = str(result.get("chosen_because") or "")
    if is_baseline_best(data) or not because:
        return ""
    best, leader = _mapping(result.get("best")), _mapping(result.get("leader"))
    full = [r for r in data.records if r.last is not None and r.last.fidelity.is_full]
    top = max(full, key=lambda r: (r.last.score if r.last else 0.0, -r.number), default=None)
    chosen = _mapping(best.get("dev")).get("score")
    if top is None or top.last is None or not _is_number(chosen) or top.last.score <= float(str(chosen)) + 1e-9:
        return because
    if leader.get("trial") == top.number:
        return because
    finalist: Mapping[str, Any] = next((f for f in result.get("finalists", ()) if f.get("trial") == top.number), {})
    gain, limits = _mapping(finalist.get("gain")), result.get("constraints")
    why = "its settings were less steady over several draws"
    if gain and float(gain.get("low", 0)) <= 0:
        why = "its soft prompt was not shown to be better than its own text"
    elif limits and not finalist:
        why = f"it does not keep {' and '.join(map(str, limits))}"
    return f"{because} Trial {top.number} scores {number(top.last.score)} on dev and could not be chosen: {why}."


def importance_note(data: ReportData) -> str:
    """What the choice of soft prompts has to do with their share; empty where there were no others."""
    if not data.records:
        return ""
    if {"soft"} < {record.kind for record in data.records}:
        return "Soft prompts start from the best texts, so that part of the share of soft.method is theirs."
    return ""


def _test(result: Mapping[str, Any], side: str) -> Mapping[str, Any]:
    return _mapping(_mapping(result.get(side)).get("test"))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
