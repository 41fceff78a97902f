"""The content of a report as plain values. Nothing is computed here, and nothing is trusted as markup."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from autoprompt_search.core.measurements import Outcome, TrialRecord


@dataclass(frozen=True, slots=True)
class ReportData:
    """A finished search, as a report shows it."""

    name: str
    config: Mapping[str, Any]
    """The resolved configuration."""
    result: Mapping[str, Any]
    """Content of `result.json`."""
    records: Sequence[TrialRecord]
    """Finished trials by number; their measurements need no outcomes."""
    labels: Sequence[str]
    baseline_outcomes: Sequence[Outcome] = ()
    """Outcomes of the baseline on the test split."""
    best_outcomes: Sequence[Outcome] = ()
    """Outcomes of the best prompt on the test split, in the order of `baseline_outcomes`."""
    texts: Mapping[str, str] = field(default_factory=dict)
    """Example id -> input text, at least for the examples the two prompts disagree about."""
    baseline_prompt: str = ""
    """The baseline prompt as the model sees it on one example."""
    best_prompt: str = ""
    words: Mapping[str, Sequence[Sequence[str]]] = field(default_factory=dict)
    """Label -> what the model says for it in the baseline, and in the best prompt."""
    idle: Sequence[str] = ()
    """Parameters that differ between the two without any effect on the best prompt."""
