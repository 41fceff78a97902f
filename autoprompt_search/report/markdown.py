"""The report in short, for a terminal, a pull request or a chat. Foreign text cannot act as markup in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from autoprompt_search.core.visible import visible
from autoprompt_search.report.rows import front_note, params_line, standing, written
from autoprompt_search.report.view import View
from autoprompt_search.report.wording import NONE, count, duration, number, p_value, percent, signed


def to_markdown(view: View) -> str:
    """Verdict, prompts, scores, finalists, costs in use, importance, changes, failures, cost, the rest."""
    parts = [
        f"# {escape(view.data.name)}: {escape(view.headline)}",
        f"**{escape(view.sentence)}**",
        escape(view.reason),
        *_prompts(view),
        *_scores(view),
        *_finalists(view),
        *_written(view),
        *_front(view),
        *_styles(view),
        *_importances(view),
        *(block for section in view.sections for block in section.markdown),
        *_failures(view),
        *_cost(view),
        *_reproduce(view),
        *_notes(view),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def escape(value: object) -> str:
    """One line of text that Markdown shows as it is, also in a table cell."""
    text = visible(" ".join(str(value).split()))
    return re.sub(r"([\\`*_{}\[\]<>#|~&!])", r"\\\1", text)


def fenced(text: str) -> str:
    """A code block that no run of backticks in `text` can end."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{visible(text)}\n{fence}"


def table(head: Sequence[str], rows: Iterable[Sequence[object]], left: int = 1) -> str:
    """The first `left` columns to the left, numbers to the right."""
    rule = [":--" if i < left else "--:" for i in range(len(head))]
    lines = [head, rule, *([escape(cell) for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _prompts(view: View) -> Iterator[str]:
    if view.is_baseline_best:
        yield "## The baseline prompt, which stays"
        yield fenced(view.data.baseline_prompt)
        return
    yield "## Best prompt"
    yield escape(view.soft_note)
    yield fenced(view.data.best_prompt)
    yield "Baseline prompt:"
    yield fenced(view.data.baseline_prompt)


def _styles(view: View) -> Iterator[str]:
    if view.styles:
        yield "## Styles of templates"
        rows = [[one.style, one.trials, number(one.best), number(one.mean)] for one in view.styles]
        yield table(["style", "trials on all of dev", "best", "mean"], rows)


def _scores(view: View) -> Iterator[str]:
    result, gap = view.result, view.result.get("difference", {})
    yield "## Scores"
    head = ["prompt", "trial", f"dev {escape(result.get('metric', 'score'))}", "test", "interval", "tokens"]
    yield table(head, [[name.lower(), *_row(side)] for name, side in reversed(view.sides)])
    if not view.is_baseline_best:
        bounds = f"{signed(gap.get('low'))} to {signed(gap.get('high'))}"
        yield escape(
            f"Difference on test {signed(gap.get('score'))} ({view.confidence} interval {bounds}; "
            f"{p_value(gap.get('p'))}; {gap.get('method', '')}). {view.optimism}"
        )
        yield escape(view.dev_note)
    yield from _further(view)
    yield escape(view.text_note)
    yield escape(view.headroom_note)


def _further(view: View) -> Iterator[str]:
    """The task's further metrics on test, each with its interval."""
    gaps: Mapping[str, Any] = view.result.get("further", {})
    sides = [view.result[side].get("test", {}).get("intervals", {}) for side in ("baseline", "best")]
    rows = [[name, *(span(side.get(name, {}), number) for side in sides), span(gaps[name], signed)] for name in gaps]
    if rows:
        yield table(["test metric", "baseline", "best", "difference"], rows)


def span(found: Mapping[str, Any], spelled: Callable[[Any], str]) -> str:
    """`0.512 (0.430 to 0.590)`."""
    return f"{spelled(found.get('score'))} ({spelled(found.get('low'))} to {spelled(found.get('high'))})"


def _row(side: Mapping[str, Any]) -> list[str]:
    dev, test = side.get("dev", {}), side.get("test", {})
    return [
        NONE if side.get("trial") is None else f"#{side['trial']}",
        number(dev.get("score")),
        number(test.get("score")),
        f"{number(test.get('low'))} to {number(test.get('high'))}",
        number(side.get("prompt_tokens"), 1),
    ]


def _finalists(view: View) -> Iterator[str]:
    finalists = view.result.get("finalists", ())
    if finalists:
        yield "## Finalists"
        head = ["kind", "parameters", "trial", "dev", "test", "interval", "tokens", ""]
        yield table(
            head,
            [[f["kind"], params_line(f.get("params", {})), *_row(f), standing(f)] for f in finalists],
            left=2,
        )


def _written(view: View) -> Iterator[str]:
    rows = written(view.result)
    if rows:
        yield "## Texts written during the search"
        counted = [[t["proposer"], t["address"], t["tried"], t["wins"]] for t in view.result["proposers"]]
        yield table(["proposer", "writes", "tried", "better than the text it was made from"], counted, left=2)
        yield table(["value", "text", "by", "trial", "better"], rows, left=3)


def _front(view: View) -> Iterator[str]:
    points = view.result.get("pareto", ())
    if points:
        yield "## Score against cost"
        head = ["kind", "parameters", "trial", "tokens", "ms", "dev", "interval", ""]
        yield table(head, map(_point, points), left=2)
        yield escape(view.front_note)


def _point(point: Mapping[str, Any]) -> list[str]:
    dev = point.get("dev", {})
    return [
        point["kind"],
        params_line(point.get("params", {})),
        f"#{point['trial']}",
        number(point.get("prompt_tokens"), 1),
        number(point.get("latency_ms"), 2),
        number(dev.get("score")),
        f"{number(dev.get('low'))} to {number(dev.get('high'))}",
        front_note(point),
    ]


def _importances(view: View) -> Iterator[str]:
    if view.importances:
        yield "## Importance of each parameter"
        rows = [[one.group, name, percent(share)] for one in view.importances for name, share in one.shares]
        yield table(["among", "parameter", "share"], rows, left=2)
        yield "Functional ANOVA over the trials that were run. The sampler chose them, which biases the shares."
        yield escape(view.importance_note)


def _failures(view: View) -> Iterator[str]:
    if view.failed:
        yield "## Failures"
        yield table(["kind", "reason", "trial"], [[r.kind, r.error, f"#{r.number}"] for r in view.failed], left=2)


def _cost(view: View) -> Iterator[str]:
    result, trials = view.result, view.result.get("trials", {})
    yield "## Cost"
    states = ", ".join(f"{count(trials.get(s, 0))} {s}" for s in ("complete", "pruned", "failed"))
    yield (
        f"Trials: {states}. Forward passes: {count(result.get('forward_passes'))} "
        f"({count(result.get('new_forward_passes'))} in the last run). "
        f"Prompt tokens: {count(result.get('prompt_tokens'))}. Time: {duration(result.get('seconds'))}."
    )


def _reproduce(view: View) -> Iterator[str]:
    result = view.result
    yield "## Reproduce"
    yield "Run `autoprompt-search run config.yaml` with the `config.yaml` beside this file."
    rows = [["configuration", result.get("config_fingerprint")]]
    rows.append([f"model {result.get('model', '')}", result.get("model_fingerprint")])
    rows += [[f"data, {split}", mark] for split, mark in result.get("data_fingerprints", {}).items()]
    rows += [[name, version] for name, version in result.get("versions", {}).items()]
    yield table(["what", "fingerprint or version"], rows, left=2)


def _notes(view: View) -> Iterator[str]:
    notes = view.result.get("notes", ())
    if notes:
        yield "## Notes"
        yield "\n".join(f"- {escape(note)}" for note in notes)
