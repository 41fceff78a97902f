"""What commands print. Values in, text out; decides nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from autoprompt_search.cli.check import Checked
from autoprompt_search.cli.probe import Probed
from autoprompt_search.config import SearchConfig
from autoprompt_search.config.costs import ExpectedCost
from autoprompt_search.config.sections import amount_in_words
from autoprompt_search.core.visible import visible
from autoprompt_search.exported import Evaluation
from autoprompt_search.session import growing_parameters

_SHOWN = 1500
"""Characters of a sample prompt that are shown."""


def show_result(summary: str, report: str) -> None:
    """How a search ended: broken between words in a terminal, line by line as it is in a pipe or a file.

    The address of the report stands last, whole, so that a terminal makes a link of it.
    """
    console = Console(highlight=False)
    console.print(Text(visible(summary)), soft_wrap=not console.is_terminal)
    console.print(Text(f"Report: {visible(report)}"), soft_wrap=True)


def show_check(check: Checked) -> None:
    """What the search would do, and a few of its prompts."""
    console = Console(highlight=False)
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column()
    for name, value in _facts(check):
        table.add_row(name, Text(visible(value)))
    console.print(table)
    for sample in check.samples:
        shown = sample.text if len(sample.text) <= _SHOWN else f"{sample.text[:_SHOWN]} ..."
        body = Text(visible(f"{shown}\n\n")).append(visible("\n".join(sample.answers)), style="dim")
        console.print(Panel(body, title=Text(visible(sample.title)), title_align="left"))
    for line in (*check.splits.notes, *check.advice):
        console.print(Text(visible(f"Note: {line}"), style="yellow"), soft_wrap=True)
    console.print(Text(f"{check.config.name} is sound. Nothing was run.", style="green"))


def show_probe(probed: Probed) -> None:
    """The certificate of an endpoint as a table, and what it took."""
    console = Console(highlight=False)
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for name, value in probed.rows:
        table.add_row(visible(name), Text(visible(value)))
    console.print(table)
    console.print(f"The probe took {probed.cost.requests} requests and {probed.cost.tokens:,} tokens.", style="dim")


def _facts(check: Checked) -> Iterator[tuple[str, str]]:
    config, splits = check.config, check.splits
    yield "search", f"{config.name}  (fingerprint {config.fingerprint})"
    yield "examples", f"{len(splits.train)} train, {len(splits.dev)} dev, {len(splits.test)} test (sealed)"
    size = "without end (a continuous parameter)" if math.isinf(check.size) else f"{check.size:,.0f} points"
    yield "space", f"{size}, {len(config.space.root)} parameters"
    for growth in growing_parameters(config):
        share, by = f"{growth.share:.0%} of the trials on texts", ", ".join(growth.proposers)
        yield "proposals", f"up to {growth.slots} new values of {growth.address}, in {share}, by {by}"
    yield (
        "rungs",
        f"{' -> '.join(map(str, config.rungs))} dev examples, one ladder for each of: {', '.join(check.kinds)}",
    )
    budget = config.budget
    preset = f"{budget.preset}: " if budget.preset and budget.passes is None else ""
    room = f", at most {budget.most_trials(config.rungs, check.prices):,} trials" if budget.goes_by_passes else ""
    yield "budget", f"{preset}{budget.spelled(config.rungs)}{room}"
    for unit, most in budget.limits.items():
        if price := check.prices.get(unit):
            yield unit, f"pay for about {most / price:,.0f} prompts of {price:,.4g} each, those of the final test too"
    if check.expected:
        yield "expected cost", _costs(check.expected, config)
    if count := budget.anchors(config.rungs, check.prices):
        end = (
            f"; ends the search where no gain of {budget.least_gain:g} is in reach" if budget.stop_for_futility else ""
        )
        yield "probe", f"first up to {count} diverse prompts on {config.rungs[0]} examples{end}"
    if check.memory.sources:
        count = len(check.memory.points)
        yield "warm start", f"{count} points of earlier searches ({'; '.join(check.memory.sources)})"
    parts = " + ".join(f"{count:,} {purpose}" for purpose, count in check.passes.items())
    yield "forward passes", f"at most {sum(check.passes.values()):,} ({parts}); early stopping saves most of it"
    yield "longest prompt", f"{check.longest:,} {check.unit}"


def _costs(expected: ExpectedCost, config: SearchConfig) -> str:
    """What a search through an endpoint costs, and how many candidates a budget buys."""
    parts = [amount_in_words(unit, amount) for unit, amount in expected.whole.items()]
    bought = [
        f"; {amount_in_words(unit, most)} buy {expected.candidates(unit, most):,} candidates beside probe and test"
        for unit, most in config.budget.limits.items()
        if expected.trial.get(unit)
    ]
    return f"about {', '.join(parts)} for {expected.trials:,} candidates" + "".join(bought)


def show_evaluation(evaluation: Evaluation) -> None:
    """Metrics with intervals, and who was taken for whom."""
    console = Console(highlight=False)
    scores = Table(box=None, pad_edge=False)
    for column in ("metric", "value", "95 % interval"):
        scores.add_column(column, justify="left" if column == "metric" else "right")
    for name, span in evaluation.scores.items():
        mark = " (the search's)" if name == evaluation.metric and len(evaluation.scores) > 1 else ""
        scores.add_row(f"{name}{mark}", f"{span.score:.4f}", f"{span.low:.4f} to {span.high:.4f}")
    console.print(scores)
    loss = "" if evaluation.loss is None else f"loss {evaluation.loss:.4f} "
    console.print(f"{loss}on {evaluation.examples:,} examples")
    for line in _of_text(evaluation):
        console.print(Text(visible(line)), soft_wrap=True)
    if evaluation.labels:
        console.print("right label (rows), predicted label (columns):")
        console.print(_confusion(evaluation))
    for note in evaluation.notes:
        console.print(Text(visible(f"Note: {note}"), style="yellow"), soft_wrap=True)


def _of_text(evaluation: Evaluation) -> Iterator[str]:
    """What became of generated answers, in lines."""
    if not evaluation.shares:
        return
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in evaluation.reasons.items())
    yield f"unscored {evaluation.shares['unscored']:.1%}" + (f" ({reasons})" if reasons else "")
    yield f"cut at the cap {evaluation.shares['cut']:.1%}"


def _confusion(evaluation: Evaluation) -> Table:
    """Who was taken for whom; answers that are no label stand in a column behind the labels."""
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    has_strays = any(len(counts) > len(evaluation.labels) for counts in evaluation.confusion)
    for column in (*evaluation.labels, *(("(none)",) if has_strays else ())):
        table.add_column(Text(visible(column)), justify="right")
    for label, counts in zip(evaluation.labels, evaluation.confusion, strict=True):
        table.add_row(Text(visible(label)), *map(str, counts))
    return table
