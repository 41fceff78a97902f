"""Everything the page and the Markdown show, computed once. Knows no markup, but for the finished figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from autoprompt_search.core.measurements import TrialRecord, TrialState
from autoprompt_search.report import wording
from autoprompt_search.report.alerts import alerts
from autoprompt_search.report.data import ReportData
from autoprompt_search.report.figures import Whisker, history, intervals, rungs
from autoprompt_search.report.importance import FEWEST_TRIALS, Importance, importances, is_tied
from autoprompt_search.report.marking import Run, marked
from autoprompt_search.report.rows import KindCost, cost_by_kind, value_text
from autoprompt_search.report.sections import ShownSection, sections_of
from autoprompt_search.report.styles import StyleRow, style_rows
from autoprompt_search.report.trials import trials_json


@dataclass(frozen=True, slots=True)
class ParamRow:
    """One parameter in the baseline and in the best prompt; a dash where it is inactive."""

    name: str
    baseline: str
    best: str


@dataclass(frozen=True, slots=True)
class View:
    """All values that the template of a report reads."""

    data: ReportData
    alerts: tuple[str, ...]
    """What is said before the verdict."""
    choice_note: str
    best_prompt: tuple[Run, ...]
    baseline_prompt: tuple[Run, ...]
    words: tuple[tuple[str, str, str], ...]
    """Label, what stands for it in the best prompt, and in the baseline."""
    trials: str
    """All trials as JSON."""
    headline: str
    sentence: str
    reason: str
    optimism: str
    dev_note: str
    soft_note: str
    text_note: str
    importance_note: str
    headroom_note: str
    front_note: str
    sides: tuple[tuple[str, Mapping[str, Any]], ...]
    """The prompts whose scores are compared: name and what `result.json` says, best first."""
    is_baseline_best: bool
    confidence: str
    params: tuple[ParamRow, ...]
    test_metrics: tuple[str, ...]
    """Further metrics both prompts were given on the test split."""
    intervals: str
    """SVG, as are the next two; empty where there is nothing to draw."""
    history: str
    rungs: str
    importances: tuple[Importance, ...]
    is_tied: bool
    """Whether most trials have the same score."""
    sections: tuple[ShownSection, ...]
    """What depends on the kind of answer."""
    failed: tuple[TrialRecord, ...]
    pruned: int
    styles: tuple[StyleRow, ...]
    costs: tuple[KindCost, ...]
    config: str
    """The configuration as YAML."""

    @property
    def result(self) -> Mapping[str, Any]:
        return self.data.result


def build_view(data: ReportData) -> View:
    """Compute everything that the report shows."""
    result = data.result
    baseline, best = result["baseline"], result["best"]
    same = wording.is_baseline_best(data)
    after, before = marked(data.best_prompt, data.baseline_prompt)
    return View(
        data=data,
        alerts=alerts(data),
        choice_note=wording.choice_note(data),
        best_prompt=after,
        baseline_prompt=before,
        words=tuple((label, _spelled(pair[1]), _spelled(pair[0])) for label, pair in data.words.items()),
        trials=trials_json(data.records, data.config, best.get("trial")),
        headline=wording.headline(data),
        sentence=wording.sentence(data),
        reason=str(result.get("reason", "")),
        optimism=wording.optimism(data),
        dev_note=wording.dev_note(data),
        soft_note=wording.soft_note(data),
        text_note=wording.text_note(data),
        importance_note=wording.importance_note(data),
        headroom_note=wording.headroom_note(data),
        front_note=wording.front_note(data),
        sides=_sides(result, same),
        is_baseline_best=same,
        confidence=wording.confidence(data),
        params=_param_rows(baseline.get("params", {}), best.get("params", {}), data.idle),
        test_metrics=_test_metrics(result),
        intervals=intervals(whiskers(result)),
        history=history(data.records, baseline.get("dev", {}).get("score")) if data.records else "",
        rungs=rungs(data.records, best.get("trial", -1)),
        is_tied=len(data.records) >= FEWEST_TRIALS and is_tied(data.records),
        importances=tuple(importances(data.records, data.config)),
        sections=sections_of(data),
        failed=tuple(r for r in data.records if r.state is TrialState.FAILED),
        pruned=sum(r.state is TrialState.PRUNED for r in data.records),
        styles=style_rows(data.records, data.config),
        costs=tuple(cost_by_kind(data.records)),
        config=yaml.safe_dump(_plain(data.config), sort_keys=False, allow_unicode=True, width=100),
    )


def _sides(result: Mapping[str, Any], is_baseline_best: bool) -> tuple[tuple[str, Mapping[str, Any]], ...]:
    best = [] if is_baseline_best else [("Best", result["best"])]
    text = [("Its text alone", result["own_text"])] if result.get("own_text") else []
    return (*best, *text, ("Baseline", result["baseline"]))


def _param_rows(baseline: Mapping[str, Any], best: Mapping[str, Any], idle: Sequence[str]) -> tuple[ParamRow, ...]:
    """Those without an effect on the best prompt are left out: there is no change to see."""
    names = [name for name in dict.fromkeys((*baseline, *best)) if name not in idle]
    return tuple(ParamRow(n, *(value_text(p[n]) if n in p else wording.NONE for p in (baseline, best))) for n in names)


def _spelled(words: Sequence[str]) -> str:
    """Answers as people write them: each once, without the blank before it."""
    return ", ".join(dict.fromkeys(word.strip() for word in words)) or wording.NONE


def _test_metrics(result: Mapping[str, Any]) -> tuple[str, ...]:
    before, after = (result[side].get("test", {}).get("metrics", {}) for side in ("baseline", "best"))
    return tuple(sorted((set(before) & set(after)) - {result.get("metric")}))


def whiskers(result: Mapping[str, Any]) -> list[Whisker]:
    """Test scores of the baseline and of the finalists."""
    rows: Sequence[Mapping[str, Any]] = [result["baseline"], *result.get("finalists", ())]
    spans = []
    for i, row in enumerate(rows):
        test = row.get("test", {})
        if i and row.get("trial") == rows[0].get("trial"):
            continue
        if all(isinstance(test.get(key), (int, float)) for key in ("score", "low", "high")):
            label = f"#{row.get('trial')} {row.get('kind')}" if i else "baseline"
            chosen = bool(row.get("chosen"))
            spans.append(Whisker(label, test["score"], test["low"], test["high"], chosen))
    return spans


def _plain(value: object) -> Any:
    """Convert a value to one that `yaml.safe_dump` takes."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    # Subclasses (enumerations of text, NumPy floats) have no representer of their own.
    for plain in (bool, int, float, str):
        if isinstance(value, plain):
            return plain(value)
    return None if value is None else str(value)
