"""The outcome of a search as plain values: what `result.json` holds and what a caller gets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from autoprompt_search.confirm import Confirmation, Finalist, Verdict
from autoprompt_search.core.types import Cost, TrialRecord, TrialState

_VERSIONS = ("autoprompt-search", "optuna", "ray", "mlflow", "transformers", "torch", "peft")


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What a finished search found."""

    folder: Path
    """Where report, result.json and best_prompt/ are."""
    verdict: Verdict
    baseline: TrialRecord
    best: TrialRecord
    records: tuple[TrialRecord, ...]
    """Every trial, by number."""
    data: Mapping[str, Any]
    """The content of `result.json`."""

    @property
    def summary(self) -> str:
        """A few lines for a terminal."""
        best, base = self.data["best"], self.data["baseline"]
        spent = f"{self.data['forward_passes']:,} forward passes, {self.data['new_forward_passes']:,} of them new"
        return "\n".join(
            (
                f"Verdict: {self.verdict.upper()}. {self.data['reason']}",
                f"Baseline (trial {base['trial']}): dev {base['dev']['score']:.3f}, test {_span(base['test'])}",
                f"Best     (trial {best['trial']}): dev {best['dev']['score']:.3f}, test {_span(best['test'])}",
                f"Spent: {spent}, {self.data['seconds']:.0f} s. Results: {self.folder}",
            )
        )


def _span(test: Mapping[str, Any]) -> str:
    return f"{test['score']:.3f} [{test['low']:.3f}, {test['high']:.3f}]"


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a result comes from."""

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
) -> dict[str, Any]:
    """Everything a reader or a program may want to know, as JSON values."""
    ends = Counter(r.state for r in records)
    gap = confirmation.difference
    return {
        "name": origin.name,
        "verdict": confirmation.verdict.value,
        "reason": reason(confirmation, origin),
        "metric": origin.metric,
        "confidence": origin.confidence,
        "baseline": _describe(confirmation.baseline),
        "best": _describe(confirmation.best),
        "difference": {"score": gap.score, "low": gap.low, "high": gap.high, "p": gap.p, "method": gap.method},
        "optimism": _dev(confirmation.best)["score"] - confirmation.best.test.score,
        "finalists": [{**_describe(f), "tied": f.is_tied, "chosen": f.is_chosen} for f in confirmation.finalists],
        "trials": {state.value: ends[state] for state in TrialState},
        "forward_passes": cost.forward_passes,
        "new_forward_passes": new_forward_passes,
        "prompt_tokens": cost.prompt_tokens,
        "seconds": round(seconds, 1),
        "labels": list(origin.labels),
        "splits": dict(origin.splits),
        "notes": list(origin.notes),
        "config_fingerprint": origin.config_fingerprint,
        "model": origin.model,
        "model_fingerprint": origin.model_fingerprint,
        "data_fingerprints": dict(origin.data_fingerprints),
        "versions": _versions(),
    }


def reason(confirmation: Confirmation, origin: Provenance) -> str:
    """The verdict in one sentence, with its numbers."""
    gap, name = confirmation.difference, origin.metric
    if confirmation.best.record.number == confirmation.baseline.record.number:
        return "No prompt did better on dev than the baseline, within noise; the baseline stays."
    span = f"{gap.score:+.3f} [{gap.low:+.3f}, {gap.high:+.3f}] {name} on {_count(confirmation)} unseen examples"
    says = {
        Verdict.PROMOTE: f"The best prompt beats the baseline by {span} (p = {gap.p:.2g}).",
        Verdict.TIE: f"No difference was shown: best minus baseline is {span} (p = {gap.p:.2g}).",
        Verdict.REJECT: f"The prompt that won on dev is worse than the baseline: {span} (p = {gap.p:.2g}).",
    }
    return says[confirmation.verdict]


def _count(confirmation: Confirmation) -> int:
    return confirmation.best.test.fidelity.examples


def _describe(finalist: Finalist) -> dict[str, Any]:
    record, test, span = finalist.record, finalist.test, finalist.test_interval
    return {
        "trial": record.number,
        "kind": record.kind,
        "params": dict(record.params),
        "prompt_tokens": round(record.measurements[-1].prompt_tokens, 2),
        "dev": _dev(finalist),
        "test": {
            "score": span.score,
            "low": span.low,
            "high": span.high,
            "examples": test.fidelity.examples,
            "metrics": {name: round(value, 6) for name, value in test.metrics.items()},
        },
    }


def _dev(finalist: Finalist) -> dict[str, Any]:
    last = finalist.record.measurements[-1]
    return {"score": last.score, "stderr": last.stderr, "examples": last.fidelity.examples}


def _versions() -> dict[str, str]:
    found = {}
    for package in _VERSIONS:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found
