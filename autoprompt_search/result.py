"""The outcome of a search as plain values: what `result.json` holds and what a caller gets."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from autoprompt_search.config import SearchConfig
from autoprompt_search.confirm import Confirmation, CrossFit, Finalist, FrontPoint, TextOnly, Verdict
from autoprompt_search.core.errors import StateError
from autoprompt_search.core.measurements import Cost, Measurement, Origin, TrialRecord, TrialState
from autoprompt_search.core.objective import cost_of
from autoprompt_search.core.statistics.headroom import Headroom
from autoprompt_search.core.statistics.scores import Interval
from autoprompt_search.core.uris import HIDDEN
from autoprompt_search.studies.bandit import all_proposer_scores, beats
from autoprompt_search.workspace import read_config

_VERSIONS = ("autoprompt-search", "optuna", "ray", "mlflow", "transformers", "torch", "peft")


@dataclass(frozen=True, slots=True, repr=False)
class SearchResult:
    """What a finished search found.

    >>> from autoprompt_search import load_config, search
    >>> result = search(load_config(example_config()), out="example")
    >>> print(result.verdict.value, result.best.number)
    promote 1
    >>> result.trials()[["number", "state", "score"]].head(2)
       number     state     score
    0       0  complete  0.041667
    1       1  complete  0.958333
    """

    folder: Path
    """The folder of report, result.json and best_prompt/."""
    verdict: Verdict
    baseline: TrialRecord
    best: TrialRecord
    records: tuple[TrialRecord, ...]
    """Every trial, by number."""
    data: Mapping[str, Any]
    """The content of `result.json`."""

    def __repr__(self) -> str:
        """The summary: everything else is in `data` and `records`."""
        return self.summary

    def trials(self) -> Any:
        """Every trial as a row of a pandas `DataFrame`: what `trials.csv` holds, times and costs beside it."""
        import io

        import pandas as pd

        from autoprompt_search.report.rows import trials_csv

        table = pd.read_csv(io.StringIO(trials_csv(self.records, self.config.resolved())), keep_default_na=False)
        numbers = ["score", "stderr", "examples", "steps", "prompt_tokens", "loss"]
        table[numbers] = table[numbers].apply(pd.to_numeric)
        table["seconds"] = [sum(m.cost.seconds for m in r.measurements) for r in self.records]
        table["forward_passes"] = [sum(m.cost.forward_passes for m in r.measurements) for r in self.records]
        table["prompt"] = [r.preview for r in self.records]
        return table

    def plot(self) -> Mapping[str, Any]:
        """The figures of the report as matplotlib figures: `history`, `rungs` and `intervals`, where there are some."""
        from autoprompt_search.report.plots import plots

        return plots(self.records, self.data)

    @property
    def config(self) -> SearchConfig:
        """The configuration of the search."""
        return read_config(self.folder / "state" / "config.yaml")

    @property
    def study(self) -> Any:
        """The trials as an Optuna study, for Optuna's own plots. Raises `StateError` where its database is not told."""
        from autoprompt_search.studies.storage import stored_study

        state, url = self.folder / "state", self.config.study.options.get("storage")
        if url and HIDDEN in str(url):
            raise StateError("the study is in a database whose address holds a secret, which is kept nowhere")
        identity = (state / "identity").read_text(encoding="utf-8").strip()
        return stored_study(identity, state / "study.journal", str(url) if url else None)

    @property
    def summary(self) -> str:
        """A few lines for a terminal."""
        best, base = self.data["best"], self.data["baseline"]
        text = self.data["own_text"]
        spent = f"{self.data['forward_passes']:,} forward passes, {self.data['new_forward_passes']:,} of them new"
        return "\n".join(
            (
                f"Verdict: {self.verdict.upper()}. {self.data['reason']}",
                *([self.data["chosen_because"]] if best["trial"] != base["trial"] else []),
                f"Baseline (trial {base['trial']}): dev {base['dev']['score']:.3f}, test {_span(base['test'])}",
                f"Best     (trial {best['trial']}): dev {best['dev']['score']:.3f}, test {_span(best['test'])}",
                *([f"Its text by itself: dev {text['dev']['score']:.3f}, test {_span(text['test'])}"] if text else []),
                *([_endpoint_line(self.data["endpoint"])] if "endpoint" in self.data else []),
                f"Spent: {spent}, {self.data['seconds']:.0f} s. Results: {self.folder}",
            )
        )


def endpoint_of(description: Mapping[str, Any], metered: Mapping[str, Cost]) -> dict[str, Any]:
    """What is known of an endpoint, and everything that was asked of it, by purpose."""
    units = ("requests", "prompt_tokens", "cached_tokens", "completion_tokens", "usd")
    spent = {name: {unit: getattr(cost, unit) for unit in units} for name, cost in metered.items()}
    whole = sum(metered.values(), Cost())
    return {"certificate": dict(description), "spent": spent, "total": {unit: getattr(whole, unit) for unit in units}}


def _endpoint_line(endpoint: Mapping[str, Any]) -> str:
    total, way = endpoint["total"], endpoint["certificate"]["ways"][0]
    money = f", {total['usd']:.4f} USD" if total["usd"] else ""
    tokens = total["prompt_tokens"] + total["completion_tokens"]
    return f"Endpoint: {total['requests']:,} requests, {tokens:,} tokens{money}; labels scored by: {way}"


def _span(test: Mapping[str, Any]) -> str:
    return f"{test['score']:.3f} [{test['low']:.3f}, {test['high']:.3f}]"


@dataclass(frozen=True, slots=True)
class Provenance:
    """What a result was made from: data, model, configuration."""

    name: str
    metric: str
    confidence: float
    labels: tuple[str, ...]
    splits: Mapping[str, int]
    notes: tuple[str, ...]
    config_fingerprint: str
    model: str
    model_fingerprint: str
    data_fingerprints: Mapping[str, str]


def to_plain(
    confirmation: Confirmation,
    records: Sequence[TrialRecord],
    origin: Provenance,
    *,
    cost: Cost,
    new_forward_passes: int,
    seconds: float,
    headroom: Headroom | None = None,
    is_futile: bool = False,
) -> dict[str, Any]:
    """Everything a reader or a program may want to know, as JSON values."""
    ends, openings = Counter(r.state for r in records), reopened(confirmation.test_openings)
    futile = [FUTILE] if is_futile else []
    return {
        "name": origin.name,
        "verdict": confirmation.verdict.value,
        "reason": " ".join([*futile, reason(confirmation, origin), *unfit(confirmation), *openings]),
        "metric": origin.metric,
        "confidence": origin.confidence,
        "baseline": _describe(confirmation.baseline),
        "best": _describe(confirmation.best),
        "own_text": _describe_text(confirmation.text_only) if confirmation.text_only else None,
        "difference": asdict(confirmation.difference),
        "parts": _describe_parts(confirmation),
        "chosen_because": chosen_because(confirmation),
        "leader": _describe_leader(confirmation.leader),
        "lead": {name: round(value, 6) for name, value in asdict(confirmation.lead).items()},
        "further": {name: asdict(gap) for name, gap in confirmation.further.items()},
        "corrected": round(confirmation.corrected, 6),
        "cross_fitted": _describe_cross_fit(confirmation.cross_fitted) if confirmation.cross_fitted else None,
        "headroom": {**asdict(headroom), "is_futile": is_futile} if headroom else None,
        "test_openings": confirmation.test_openings,
        "optimism": confirmation.best.dev.score - confirmation.best.test.score,
        "finalists": [
            {**_describe(f), "tied": f.is_tied, "chosen": f.is_chosen, "gain": asdict(f.gain) if f.gain else None}
            for f in confirmation.finalists
        ],
        "proposers": [asdict(one) for one in all_proposer_scores(records)],
        "proposals": [_describe_origin(r.origin, r, records) for r in records if r.origin is not None],
        "pareto": [_describe_point(p) for p in confirmation.front],
        "constraints": [str(limit) for limit in confirmation.limits],
        "trials": {state.value: ends[state] for state in TrialState},
        **{name: getattr(cost, name) for name in ("forward_passes", "prompt_tokens", "completion_tokens", "tokens")},
        "new_forward_passes": new_forward_passes,
        "seconds": round(seconds, 1),
        "labels": list(origin.labels),
        "splits": dict(origin.splits),
        "notes": [*origin.notes, *openings],
        **{name: getattr(origin, name) for name in ("config_fingerprint", "model", "model_fingerprint")},
        "data_fingerprints": dict(origin.data_fingerprints),
        "versions": _versions(),
    }


FUTILE = "The search ended behind its probe, which found the smallest gain that is worth a search out of reach."


def reason(confirmation: Confirmation, origin: Provenance) -> str:
    """The verdict in one sentence, with its numbers."""
    gap, name = confirmation.difference, origin.metric
    if confirmation.best.record.number == confirmation.baseline.record.number:
        return _why_baseline(confirmation, name)
    p = "p < 0.0001" if gap.p < 1e-4 else f"p = {gap.p:.2g}"
    span = f"{gap.score:+.3f} [{gap.low:+.3f}, {gap.high:+.3f}] {name} on {_count(confirmation)} unseen examples"
    says = {
        Verdict.PROMOTE: f"The best prompt beats the baseline by {span} ({p}).",
        Verdict.TIE: f"No difference was shown: best minus baseline is {span} ({p}).",
        Verdict.REJECT: f"The prompt that won on dev is worse than the baseline: {span} ({p}).",
    }
    return says[confirmation.verdict]


def _why_baseline(confirmation: Confirmation, metric: str) -> str:
    lead, leader, baseline = confirmation.lead, confirmation.leader, confirmation.baseline.record
    if leader.number == baseline.number:
        return "No prompt scored higher on dev than the baseline; the baseline stays."
    gap = leader.measurements[-1].score - baseline.measurements[-1].score
    if gap <= 0:
        return "No prompt that may be chosen scored higher on dev than the baseline; the baseline stays."
    left = f"{lead.expected:+.3f} \N{PLUS-MINUS SIGN} {lead.stderr:.3f}"
    return (
        f"Trial {leader.number} leads the baseline by {gap:+.3f} {metric} on dev. Without the luck of the best of many "
        f"that is {left}, with a chance of {lead.chance:.0%} to be better at all: too little to leave the baseline."
    )


def chosen_because(confirmation: Confirmation) -> str:
    """Why this prompt and no other, in one sentence."""
    chosen, leader = confirmation.best.record, confirmation.leader
    if chosen.number == confirmation.baseline.record.number:
        return "No lead over the baseline on dev is likely enough to be real."
    if chosen.number == leader.number:
        return f"Trial {chosen.number} has the highest dev score of the prompts that may be chosen."
    tokens, most = (r.measurements[-1].prompt_tokens for r in (chosen, leader))
    return (
        f"Trial {chosen.number} is expected to score next to nothing less than trial {leader.number}, which has the "
        f"highest dev score, and needs {tokens:.0f} tokens instead of {most:.0f}."
    )


def unfit(confirmation: Confirmation) -> list[str]:
    """What has to be said where the baseline itself may not be used: nothing, or a sentence."""
    dev = confirmation.baseline.dev
    said = [f"{limit} (it has {cost_of(dev, limit.cost) or math.nan:.4g})" for limit in confirmation.broken]
    return [f"The baseline breaks {' and '.join(said)}, so it could not stay."] if said else []


def reopened(openings: int) -> list[str]:
    """What has to be said where the test split had judged other choices before: nothing, or a sentence."""
    times = "once" if openings == 2 else f"{openings - 1} times"
    said = f"The test split had been opened {times} before in this folder, for other choices: it is no longer unseen."
    return [said] if openings > 1 else []


def _describe_parts(confirmation: Confirmation) -> list[dict[str, Any]]:
    return [
        {"part": p.part, "dev": {"score": p.dev.score, "stderr": p.dev.stderr}, "gain": asdict(p.gain)}
        for p in confirmation.parts
    ]


def _describe_leader(leader: TrialRecord) -> dict[str, Any]:
    last = leader.measurements[-1]
    return {"trial": leader.number, "score": round(last.score, 6), "prompt_tokens": last.prompt_tokens}


def _count(confirmation: Confirmation) -> int:
    return confirmation.best.test.fidelity.examples


def _describe_cross_fit(cross_fit: CrossFit) -> dict[str, Any]:
    return {
        "score": round(cross_fit.score, 6),
        "stderr": round(cross_fit.stderr, 6),
        "folds": len(cross_fit.winners),
        "winners": list(cross_fit.winners),
    }


def _describe_origin(origin: Origin, record: TrialRecord, records: Sequence[TrialRecord]) -> dict[str, Any]:
    """A text that the search has written, and how it did in its first trial."""
    parent = next((r for r in records if r.number == origin.parents[0]), None)
    last = record.last
    return {
        "trial": record.number,
        **{name: value for name, value in asdict(origin).items() if name not in ("ancestors", "like")},
        "dev": {"score": last.score, "examples": last.fidelity.examples} if last else None,
        "beats_parent": beats(record, parent),
    }


def _describe(finalist: Finalist) -> dict[str, Any]:
    record = finalist.record
    scores = _scores(finalist.dev, finalist.test, finalist.test_interval)
    scores["test"]["intervals"] = {name: asdict(span) for name, span in finalist.further.items()}
    return {"trial": record.number, "kind": record.kind, "params": dict(record.params), **scores}


def _describe_point(point: FrontPoint) -> dict[str, Any]:
    record, last = point.record, point.record.measurements[-1]
    return {
        "trial": record.number,
        "kind": record.kind,
        "params": dict(record.params),
        "prompt_tokens": round(last.prompt_tokens, 2),
        "latency_ms": last.latency_ms,
        "dev": {**asdict(point.dev), "examples": last.fidelity.examples},
        "keeps_constraints": point.keeps_limits,
        "chosen": point.is_chosen,
    }


def _describe_text(text: TextOnly) -> dict[str, Any]:
    gains = {"dev_gain": asdict(text.dev_gain), "test_gain": asdict(text.test_gain)}
    return {
        "trial": text.number,
        "params": dict(text.params),
        **_scores(text.dev, text.test, text.test_interval),
        **gains,
    }


def _scores(dev: Measurement, test: Measurement, span: Interval) -> dict[str, Any]:
    return {
        "prompt_tokens": round(dev.prompt_tokens, 2),
        "latency_ms": dev.latency_ms,
        "dev": {"score": dev.score, "stderr": dev.stderr, "examples": dev.fidelity.examples},
        "test": {
            **asdict(span),
            "examples": test.fidelity.examples,
            "metrics": {name: round(value, 6) for name, value in test.metrics.items()},
        },
    }


def _versions() -> dict[str, str]:
    versions = {}
    for package in _VERSIONS:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    return versions
