"""Figures as inline SVG: same data, same bytes; colours are the page's, so that they follow light and dark."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator

from autoprompt_search.core.measurements import TrialRecord, TrialState
from autoprompt_search.report.rows import full_score, kinds

WIDTH = 7.6
"""Inches; 72 units of the SVG each."""
INK, MUTED, RULE, PAPER, ACCENT = "#010101", "#020202", "#030303", "#040404", "#050505"
KIND_COLOURS = ("#060606", "#070707", "#080808", "#090909")
VARIABLES = {
    INK: "--ink",
    MUTED: "--muted",
    RULE: "--rule",
    PAPER: "--paper",
    ACCENT: "--accent",
    **{colour: f"--kind-{i}" for i, colour in enumerate(KIND_COLOURS)},
}
"""Stand-in colours that no one would draw with -> the page's CSS variables."""
MARKERS = ("o", "s", "^", "D")
"""Kinds differ in shape too: colour alone is not for everyone."""
STYLE = {
    "svg.fonttype": "none",  # text stays text: small, sharp, read aloud, in the page's font
    "text.parse_math": False,  # a `$` in a name is a dollar
    "font.size": 9.5,
    "font.family": "sans-serif",
    "text.color": INK,
    "axes.edgecolor": RULE,
    "axes.labelcolor": MUTED,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "grid.color": RULE,
    "grid.linewidth": 0.5,
    "legend.frameon": False,
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
}


@dataclass(frozen=True, slots=True)
class Whisker:
    """A score with its interval, in `intervals`."""

    label: str
    score: float
    low: float
    high: float
    is_chosen: bool = False


def history(records: Sequence[TrialRecord], baseline: float | None) -> str:
    """The figure of `history_figure`, for the page."""
    with mpl.rc_context(_style("history")):
        figure = history_figure(records, baseline)
        return _svg(figure, "history", "Score of every trial at its last rung, in the order of the search")


def history_figure(records: Sequence[TrialRecord], baseline: float | None) -> Figure:
    """Score of every trial at its last rung, best full-fidelity score so far, and the baseline's."""
    figure = Figure(figsize=(WIDTH, 3.5), layout="constrained")
    axes = figure.add_subplot()
    for i, kind in enumerate(kinds(records)):
        for state, label in ((TrialState.COMPLETE, kind), (TrialState.PRUNED, f"{kind}, stopped early")):
            mine = [r for r in records if r.kind == kind and r.state is state and r.last]
            xs, ys = [r.number for r in mine], [r.last.score for r in mine if r.last]
            if mine:
                hollow = state is TrialState.PRUNED
                colour = KIND_COLOURS[i % len(KIND_COLOURS)]
                axes.scatter(
                    xs,
                    ys,
                    s=20 if hollow else 34,
                    marker=MARKERS[i % len(MARKERS)],
                    facecolors=PAPER if hollow else colour,
                    edgecolors=colour,
                    linewidths=0.9,
                    label=label,
                    zorder=3,
                )
    _best_line(axes, records)
    if baseline is not None:
        axes.axhline(baseline, color=MUTED, linewidth=1, linestyle=(0, (1, 2)), label="baseline")
    failed = [r.number for r in records if r.state is TrialState.FAILED]
    if failed:
        low = axes.get_ylim()[0]
        axes.scatter(failed, [low] * len(failed), marker="x", s=26, color=INK, label="failed", clip_on=False)
    axes.set_xlabel("trial")
    axes.set_ylabel("dev score at the last rung")
    last = max(r.number for r in records)
    axes.set_xlim(-0.5 - 0.02 * last, 0.5 + 1.02 * last)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(axis="y")
    figure.legend(loc="outside upper left", ncols=4, fontsize=9, handletextpad=0.3, columnspacing=1.2)
    return figure


def rungs(records: Sequence[TrialRecord], best: int) -> str:
    """The figure of `rungs_figure`, for the page; empty where there is none."""
    with mpl.rc_context(_style("rungs")):
        figure = rungs_figure(records, best)
        return (
            ""
            if figure is None
            else _svg(figure, "rungs", "Score of every trial at each rung, one panel per kind of trial")
        )


def rungs_figure(records: Sequence[TrialRecord], best: int) -> Figure | None:
    """Learning curves: one panel per kind, one line per trial, the chosen trial thick. None with one rung only."""
    measured = [r for r in records if r.measurements]
    sizes = sorted({m.fidelity.examples for r in measured for m in r.measurements})
    if len(sizes) < 2:
        return None
    shown = kinds(measured)
    figure = Figure(figsize=(WIDTH, 3.2), layout="constrained")
    panels = figure.subplots(1, len(shown), sharey=True, squeeze=False)[0]
    for i, (kind, axes) in enumerate(zip(shown, panels, strict=True)):
        for record in (r for r in measured if r.kind == kind):
            _curve(axes, record, KIND_COLOURS[i % len(KIND_COLOURS)], is_best=record.number == best)
        axes.set_xscale("log", base=2)
        axes.set_xticks(sizes, [str(size) for size in sizes])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlim(sizes[0] / 1.25, sizes[-1] * 1.25)
        axes.set_title(kind, loc="left", fontsize=10, color=INK)
        axes.grid(axis="y")
    panels[0].set_ylabel("dev score")
    figure.supxlabel("dev examples", fontsize=9.5, color=MUTED)
    return figure


def intervals(whiskers: Sequence[Whisker]) -> str:
    """The figure of `intervals_figure`, for the page; empty where there is none."""
    with mpl.rc_context(_style("intervals")):
        figure = intervals_figure(whiskers)
        return (
            ""
            if figure is None
            else _svg(figure, "intervals", "Test scores of baseline and finalists with their intervals")
        )


def intervals_figure(whiskers: Sequence[Whisker]) -> Figure | None:
    """Scores on the test split as points with intervals, first one on top."""
    if not whiskers:
        return None
    figure = Figure(figsize=(WIDTH, 0.75 + 0.27 * len(whiskers)), layout="constrained")
    axes = figure.add_subplot()
    for y, w in enumerate(whiskers):
        colour = ACCENT if w.is_chosen else MUTED
        axes.plot([w.low, w.high], [y, y], color=colour, linewidth=2.4 if w.is_chosen else 1.4)
        axes.plot([w.score], [y], marker="o", color=colour, markersize=7 if w.is_chosen else 5)
    axes.axvline(whiskers[0].score, color=MUTED, linewidth=1, linestyle=(0, (1, 2)), zorder=0)
    axes.set_yticks(range(len(whiskers)), [w.label for w in whiskers])
    axes.set_ylim(len(whiskers) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("test score with interval")
    axes.grid(axis="x")
    return figure


def _best_line(axes: Any, records: Sequence[TrialRecord]) -> None:
    xs: list[int] = []
    ys: list[float] = []
    for record in sorted(records, key=lambda r: r.number):
        score = full_score(record)
        if score is not None and (not ys or score > ys[-1]):
            xs.append(record.number)
            ys.append(score)
    if ys:
        xs.append(max(r.number for r in records))
        axes.step(xs, [*ys, ys[-1]], where="post", color=ACCENT, linewidth=1.6, label="best so far", zorder=2)


def _curve(axes: Any, record: TrialRecord, colour: str, *, is_best: bool) -> None:
    xs = [m.fidelity.examples for m in record.measurements]
    ys = [m.score for m in record.measurements]
    pruned = record.state is TrialState.PRUNED
    line = ACCENT if is_best else colour
    axes.plot(xs, ys, color=line, linewidth=2.4 if is_best else 0.9, alpha=1 if is_best else 0.55, zorder=2 + is_best)
    axes.plot(
        xs[-1:],
        ys[-1:],
        marker="o",
        markersize=6 if is_best else 3.5,
        markerfacecolor=PAPER if pruned else line,
        markeredgecolor=line,
        markeredgewidth=0.9,
        zorder=4 + is_best,
    )


def _style(name: str) -> dict[str, Any]:
    return {**STYLE, "svg.hashsalt": name}


def _svg(figure: Figure, name: str, title: str) -> str:
    """The figure as an `<svg>` element to stand in a page beside others."""
    out = io.StringIO()
    metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    FigureCanvasSVG(figure).print_svg(out, metadata=metadata)
    text = out.getvalue()
    text = text[text.index("<svg") :].strip()
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'(href="|url\()#', rf"\1#{name}-", text)
    text = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", text)
    for colour, variable in VARIABLES.items():
        text = text.replace(colour, f"var({variable})")
    head, _, rest = text.partition(">")
    head = re.sub(r' (width|height)="[^"]*"', "", head)
    return f'{head} role="img" aria-label="{title}"><title>{title}</title>{rest}'
