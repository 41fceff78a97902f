"""The report's figures as matplotlib figures in colours of their own: for notebooks and papers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.colors import is_color_like, to_hex
from matplotlib.figure import Figure

from autoprompt_search.core.measurements import TrialRecord
from autoprompt_search.report.figures import (
    ACCENT,
    INK,
    KIND_COLOURS,
    MUTED,
    PAPER,
    RULE,
    STYLE,
    history_figure,
    intervals_figure,
    rungs_figure,
)
from autoprompt_search.report.view import whiskers

_COLOURS = {
    INK: "#1c1e21",
    MUTED: "#5c6168",
    RULE: "#dcd9d3",
    PAPER: "#ffffff",
    ACCENT: "#146c3b",
    **dict(zip(KIND_COLOURS, ("#3f6b94", "#b06a1f", "#7c4a92", "#4d7d59"), strict=True)),
}
"""Stand-ins of the page's variables -> colours."""
_PROPERTIES = ("color", "facecolor", "edgecolor", "markerfacecolor", "markeredgecolor")


def plots(records: Sequence[TrialRecord], result: Mapping[str, Any]) -> dict[str, Figure]:
    """`history`, `rungs` (with more than one rung) and `intervals` (where something was confirmed)."""
    style = {name: _COLOURS.get(value, value) if isinstance(value, str) else value for name, value in STYLE.items()}
    with mpl.rc_context(style):
        drawn = {
            "history": history_figure(records, result["baseline"].get("dev", {}).get("score")) if records else None,
            "rungs": rungs_figure(records, result["best"].get("trial", -1)),
            "intervals": intervals_figure(whiskers(result)),
        }
    figures = {name: figure for name, figure in drawn.items() if figure is not None}
    for figure in figures.values():
        _recolour(figure)
    return figures


def _recolour(figure: Figure) -> None:
    for artist in figure.findobj():
        for name in _PROPERTIES:
            getter, setter = getattr(artist, f"get_{name}", None), getattr(artist, f"set_{name}", None)
            if getter is None or setter is None:
                continue
            value = getter()
            rows = value if hasattr(value, "ndim") and value.ndim == 2 else [value]
            colours = [_COLOURS.get(to_hex(row)) for row in rows if is_color_like(row)]
            if colours and all(colours):
                setter(colours if hasattr(value, "ndim") and value.ndim == 2 else colours[0])
