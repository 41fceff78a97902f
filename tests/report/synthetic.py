"""A search that never ran, of any size and nature."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence
from typing import Any

from autoprompt_search.core.answers import LabelLogprobs
from autoprompt_search.core.measurements import Cost, Fidelity, Measurement, Outcome, TrialRecord, TrialState
from autoprompt_search.report import ReportData

RUNGS = (32, 128, 512)
TEXTS = (
    "The soup was cold and the waiter forgot us twice, though the view is lovely.",
    "I would come back any day: warm bread, honest prices, and a cook who cares.",
    "Battery lasts a morning. The screen is fine, the speakers are not.",
    "Not bad at all, if you do not mind the noise from the street.",
)


def record(number: int, rng: random.Random) -> TrialRecord:
    kind = "text" if number == 0 else rng.choice(("text", "demos", "soft"))
    template = "baseline" if number == 0 else rng.choice(("baseline", "cloze", "question"))
    params: dict[str, Any] = {"template": template, "demos.strategy": "none", "soft.method": "none"}
    if kind == "demos":
        params |= {"demos.strategy": rng.choice(("random", "knn")), "demos.k": rng.randint(1, 8)}
    if kind == "soft":
        params |= {
            "soft.method": "prompt-tuning",
            "soft.tokens": rng.choice((4, 8, 16, 32)),
            "soft.lr": rng.uniform(0.03, 3),
        }
    if number and rng.random() < 0.06:
        error = "TrialError: prompt of 1180 tokens exceeds the context of 1024"
        return TrialRecord(number, params, TrialState.FAILED, (), error, kind, started=1e9, ended=1e9 + 1)
    true = 0.6 + 0.1 * (template == "cloze") + 0.07 * (kind == "demos") + 0.12 * (kind == "soft")
    reached = 3 if number == 0 or true + rng.gauss(0, 0.05) > 0.72 else rng.choice((1, 2))
    state = TrialState.COMPLETE if reached == 3 else TrialState.PRUNED
    measured = tuple(_measurement(true, n, kind, rng) for n in RUNGS[:reached])
    return TrialRecord(number, params, state, measured, "", kind, started=1e9, ended=1e9 + 2)


def _measurement(true: float, examples: int, kind: str, rng: random.Random) -> Measurement:
    stderr = (true * (1 - true) / examples) ** 0.5
    score = round(min(1.0, max(0.0, rng.gauss(true, stderr))), 4)
    cost = Cost(examples, examples * 30, 0, examples / 400)
    tokens = {"text": 24.5, "demos": 140.0, "soft": 36.0}.get(kind, 20.0)
    steps = 100 if kind == "soft" else 0
    metrics = {"accuracy": score, "loss": round(1 - score, 4)}
    return Measurement(score, stderr, metrics, Fidelity(examples, steps, examples == RUNGS[-1]), cost, "", tokens, "p")


def outcomes(labels: Sequence[str], rate: float, count: int, seed: int) -> list[Outcome]:
    gold, rng = random.Random(1), random.Random(seed)
    made = []
    for i in range(count):
        target = gold.choice(labels)
        prediction = target if rng.random() < rate else rng.choice(labels)
        made.append(Outcome(f"test/{i}", target, prediction, LabelLogprobs(()), 30))
    return made


def side(record: TrialRecord, found: Sequence[Outcome]) -> dict[str, Any]:
    score = sum(o.is_right for o in found) / max(1, len(found))
    last = record.last
    dev = {"score": last.score, "stderr": last.stderr, "examples": last.fidelity.examples} if last else {}
    test = {"score": score, "low": score - 0.028, "high": score + 0.027, "examples": len(found)}
    test["metrics"] = {"accuracy": score, "macro-f1": score - 0.01}
    return {
        "trial": record.number,
        "kind": record.kind,
        "params": dict(record.params),
        "prompt_tokens": last.prompt_tokens if last else 0.0,
        "dev": dev,
        "test": test,
    }


def point(record: TrialRecord) -> dict[str, Any]:
    last = record.last
    if last is None:
        return {"trial": record.number, "kind": record.kind, "params": dict(record.params)}
    dev = {"score": last.score, "low": last.score - 0.04, "high": last.score + 0.04, "examples": 512}
    made = {"trial": record.number, "kind": record.kind, "params": dict(record.params), "dev": dev}
    return {**made, "prompt_tokens": last.prompt_tokens, "latency_ms": None if record.number % 2 else 4.25}


def search(
    trials: int = 48, labels: Sequence[str] = ("negative", "positive"), seed: int = 3, **other: Any
) -> ReportData:
    rng = random.Random(seed)
    records = [record(n, rng) for n in range(trials)]
    return report(records, labels, **other)


def report(records: Sequence[TrialRecord], labels: Sequence[str], verdict: str = "promote", **other: Any) -> ReportData:
    full = [r for r in records if r.last and r.last.fidelity.is_full] or [records[0]]
    ranked = sorted(full, key=lambda r: -(r.last.score if r.last else 0))
    best = ranked[0]
    before = outcomes(labels, 0.25 if len(labels) > 2 else 0.35, 1000, 5)
    after = before if best is records[0] else outcomes(labels, 0.75, 1000, 6)
    a, b = side(records[0], before), side(best, after)
    gap = b["test"]["score"] - a["test"]["score"]
    finalists = [{**side(r, after), "tied": i < 3, "chosen": r is best} for i, r in enumerate(ranked[:5])]
    result = {
        "name": "quickstart",
        "verdict": verdict,
        "reason": "The best prompt is better than the baseline on examples the search never saw.",
        "metric": "accuracy",
        "confidence": 0.95,
        "baseline": a,
        "best": b,
        "difference": {"score": gap, "low": gap - 0.03, "high": gap + 0.03, "p": 1.2e-9, "method": "exact McNemar"},
        "optimism": (b["dev"].get("score", 0.0)) - b["test"]["score"],
        "corrected": round(b["dev"].get("score", 0.0) - 0.012, 6),
        "cross_fitted": {"score": 0.7654, "stderr": 0.0178, "folds": 5, "winners": [*[b["trial"]] * 4, 0]},
        "finalists": finalists,
        "pareto": [{**point(r), "chosen": r is best, "keeps_constraints": i != 1} for i, r in enumerate(ranked[:4])],
        "constraints": ["prompt_tokens <= 200"],
        "trials": {s.value: sum(r.state is s for r in records) for s in TrialState},
        "forward_passes": 31234,
        "new_forward_passes": 31234,
        "prompt_tokens": 934_120,
        "seconds": 141.2,
        "labels": list(labels),
        "splits": {"train": 128, "dev": 512, "test": 1000},
        "notes": ["2 near-duplicates between train and test were found and removed from train."],
        "config_fingerprint": "9f3a1c2b4d5e6f70",
        "model": "builtin:gpt",
        "model_fingerprint": "0123456789abcdef",
        "data_fingerprints": {"train": "aa11", "dev": "bb22", "test": "cc33"},
        "versions": {"autoprompt-search": "0.1.0", "torch": "2.9.0"},
    }
    config = {
        "name": "quickstart",
        "seed": 7,
        "task": {"type": "classification", "data": "builtin:reviews", "labels": list(labels)},
        "space": {
            "template": {"kind": "choice", "values": ["baseline", "cloze", "question"]},
            "demos.strategy": {"kind": "choice", "values": ["none", "random", "knn"]},
            "demos.k": {"kind": "int", "low": 1, "high": 8, "when": {"demos.strategy": ["random", "knn"]}},
            "soft.method": {"kind": "choice", "values": ["none", "prompt-tuning"]},
            "soft.tokens": {"kind": "int", "low": 4, "high": 32, "log": True},
            "soft.lr": {"kind": "float", "low": 0.03, "high": 3.0, "log": True},
        },
        "rungs": list(RUNGS),
    }
    data = ReportData(
        name="quickstart",
        config=config,
        result=result,
        records=records,
        labels=labels,
        baseline_outcomes=before,
        best_outcomes=after,
        texts={f"test/{i}": f"{TEXTS[i % 4]} ({i})" for i in range(1000)},
        baseline_prompt="Review: The soup was cold and the waiter forgot us twice. Sentiment:",
        best_prompt="[8 soft tokens]\nWarm bread, honest prices. All in all it was great\n\n"
        "The soup was cold and the waiter forgot us twice. All in all it was",
    )
    return dataclasses.replace(data, **other)
