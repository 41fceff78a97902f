"""A search whose answers are text, which never ran."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence
from typing import Any

from autoprompt_search.core.answers import Completion
from autoprompt_search.core.measurements import Outcome
from autoprompt_search.report import ReportData

from .synthetic import TEXTS, search

REFERENCES = ("cold soup, fine view", "warm bread and honest prices", "weak battery", "quiet is not to be had")


def written(cut: float, right: float, seed: int, count: int = 200) -> list[Outcome]:
    """Answers of which a share is cut, and a share of the others right."""
    rng, made = random.Random(seed), []
    for i in range(count):
        target = REFERENCES[i % 4]
        if rng.random() < cut:
            said = Completion(" The guest says that the place was, all in all", "length", 32)
            made.append(Outcome(f"test/{i}", target, "", said, 40, unscored="cut"))
        elif rng.random() < 0.05:
            made.append(Outcome(f"test/{i}", target, "", Completion("", "end", 1), 40, unscored="empty"))
        else:
            text = target if rng.random() < right else f"{target.split()[0]} {rng.choice(('rooms', 'and little else'))}"
            said = Completion(f" {text}\n", "stop" if i % 2 else "end", len(text.split()) + 1)
            made.append(Outcome(f"test/{i}", target, text, said, 40, ("so so",)))
    return made


def text_search(
    baseline: Sequence[Outcome] | None = None, best: Sequence[Outcome] | None = None, **result: Any
) -> ReportData:
    """Like `synthetic.search`, with these answers."""
    data = search(trials=20, labels=("a", "b"))
    return dataclasses.replace(
        data,
        result={**data.result, "metric": "squad_f1", "labels": [], **result},
        labels=(),
        baseline_outcomes=written(0.3, 0.3, 1) if baseline is None else baseline,
        best_outcomes=written(0.02, 0.7, 2) if best is None else best,
        texts={f"test/{i}": TEXTS[i % 4] for i in range(200)},
    )
