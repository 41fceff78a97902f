"""What each style of template gave: a summary of trials, not an effect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autoprompt_search.core.measurements import TrialRecord


@dataclass(frozen=True, slots=True)
class StyleRow:
    """The trials of one style that were measured on all dev examples."""

    style: str
    trials: int
    mean: float
    """Mean of their scores on dev."""
    best: float


def style_rows(records: Sequence[TrialRecord], config: Mapping[str, Any]) -> tuple[StyleRow, ...]:
    """One row per style, the best first; () where all trials have one style."""
    scores: dict[str, list[float]] = {}
    for record in records:
        if record.last is not None and record.last.fidelity.is_full:
            scores.setdefault(_style(record.params, config.get("templates", {})), []).append(record.last.score)
    rows = [StyleRow(style, len(scored), sum(scored) / len(scored), max(scored)) for style, scored in scores.items()]
    return tuple(sorted(rows, key=lambda row: (-row.best, row.style))) if len(rows) > 1 else ()


def _style(params: Mapping[str, Any], templates: Mapping[str, Any]) -> str:
    """A written template has the style of the one it descends from."""
    if "style" in params:
        return str(params["style"])
    first = next(iter(templates), "")
    name = params.get("template.like", params.get("template", first))
    return str(templates.get(name, {}).get("style", "written by the search"))
