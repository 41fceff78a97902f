"""Rules of answers: what the task's answers are, how they are asked for, and what fits that."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from autoprompt_search.config.components import component_problems, has_methods, names
from autoprompt_search.config.rules_space import misplaced, possible
from autoprompt_search.config.rules_text import NONE
from autoprompt_search.config.validation import Draft, Problem
from autoprompt_search.core.answers import NORMALISATIONS
from autoprompt_search.core.protocols.model import Compares, Generates, Scores
from autoprompt_search.core.protocols.tuning import TrainsTexts
from autoprompt_search.core.registry import ComponentSpec, unknown
from autoprompt_search.metrics import METRICS, is_metric, metric_named
from autoprompt_search.prompting import ANSWER_PARAMS
from autoprompt_search.space import Int

if TYPE_CHECKING:
    from autoprompt_search.config.models import SearchConfig

LIKELIHOOD, TEXT = "likelihood", "text"
NORMALISE = "answer.normalise"
_WRITTEN = ("text", "labels", "program")
"""Kinds of answers that have no fixed set to compare."""
_PLURAL = {"text": "texts", "labels": "sets of labels", "program": "programs"}
_OF_LABELS = ("balanced", "hard")
"""Strategies of demonstrations that look at labels, or at the probability of the right one."""


def answer_rules(draft: Draft) -> Iterator[Problem]:
    """Broken rules of `answer`, of the parameters beside it, and of what answers of this kind do not take."""
    if draft.is_sound("answer"):
        yield from _parsers(draft)
    if not draft.is_sound("answer", "task", "space") or draft.form is None:
        return
    kind, ways = draft.form.kind, ways_of(draft)
    yield from _way(draft, kind)
    yield from _normalise(draft, ways)
    yield from _metric(draft, kind)
    yield from _backend(draft, ways)
    if TEXT not in ways:
        for name in ("answer.parser", "answer.tokens"):
            if name in draft.config.space.root:
                yield misplaced(name, "means nothing where no answer is generated: add `answer: {by: text}`")
    if LIKELIHOOD not in ways or kind != "label":
        yield from _of_labels(draft, kind)
    if TEXT in ways or kind == "option":
        yield from _trained_on_texts(draft)


def ways_of(draft: Draft) -> set[str]:
    """`likelihood` and `text`, as far as the search may use them."""
    config, form = draft.config, draft.form
    usual = TEXT if form is not None and form.kind in _WRITTEN else LIKELIHOOD
    return {str(v) for v in possible(config.space, "answer.by")} or {config.answer.by or usual}


def normalisations(config: SearchConfig) -> set[str]:
    """Every value of `answer.normalise` that the search may use."""
    return {str(v) for v in possible(config.space, NORMALISE)} or {config.answer.normalise}


def _normalise(draft: Draft, ways: set[str]) -> Iterator[Problem]:
    config = draft.config
    for value in possible(config.space, NORMALISE):
        if value not in NORMALISATIONS:
            yield misplaced(NORMALISE, unknown("normalisation", str(value), NORMALISATIONS), "values")
    if NORMALISE in config.space.root and not possible(config.space, NORMALISE):
        yield misplaced(NORMALISE, f"must be a choice among {', '.join(NORMALISATIONS)}")
    if LIKELIHOOD not in ways and normalisations(config) - {NONE}:
        text = "means nothing where no answers are compared: leave it out, or ask by likelihood"
        is_searched = NORMALISE in config.space.root
        path = ("space", NORMALISE) if is_searched else ("answer", "normalise")
        yield Problem(path, f"{'space.' if is_searched else ''}{NORMALISE}: {text}")
    if config.answer.premise is not None and "pmi" not in normalisations(config):
        text = "is read where answer.normalise is pmi alone: add pmi, or leave the premise out"
        yield Problem(("answer", "premise"), f"answer.premise: {text} (got {config.answer.premise!r})")


def _parsers(draft: Draft) -> Iterator[Problem]:
    answer = draft.config.answer
    for name, spec in answer.parsers.items():
        for line in component_problems("parsers", spec):
            yield Problem(("answer", "parsers", name), f"answer.parsers.{name}.{line}")
    if answer.parser is not None:
        yield from (Problem(("answer", "parser"), f"answer.parser: {line}") for line in _named(draft, answer.parser))
    for value in possible(draft.config.space, "answer.parser") if draft.is_sound("space") else ():
        yield from (misplaced("answer.parser", line, "values") for line in _named(draft, str(value)))


def _named(draft: Draft, name: str) -> Iterator[str]:
    """What is wrong with a parser's name."""
    own = draft.config.answer.parsers
    if name in own:
        return
    if name not in names("parsers"):
        yield unknown("parser", name, [*own, *names("parsers")])
        return
    for line in component_problems("parsers", ComponentSpec(type=name)):
        yield f"{name!r} needs an option ({line}): name it under answer.parsers, {{mine: {{type: {name}, ...}}}}"


def _way(draft: Draft, kind: str) -> Iterator[Problem]:
    space, wrong = (
        draft.config.space,
        f"{_PLURAL.get(kind, kind)} have no fixed set that a model could compare; leave it at text",
    )
    for name in (n for n in space.root if n.startswith("answer.") and n not in ANSWER_PARAMS):
        yield misplaced(name, unknown("parameter", name, ANSWER_PARAMS))
    for value in map(str, possible(space, "answer.by")):
        if value not in (LIKELIHOOD, TEXT):
            yield misplaced("answer.by", unknown("way to ask", value, (LIKELIHOOD, TEXT)), "values")
        elif kind in _WRITTEN and value == LIKELIHOOD:
            yield misplaced("answer.by", f"{wrong} (got {value!r})", "values")
    if kind in _WRITTEN and draft.config.answer.by == LIKELIHOOD:
        yield Problem(("answer", "by"), f"answer.by: {wrong} (got {LIKELIHOOD!r})")
    tokens = space.root.get("answer.tokens")
    if tokens is not None:
        sizes = [tokens.low] if isinstance(tokens, Int) else possible(space, "answer.tokens")
        if not sizes or any(not isinstance(v, int) or isinstance(v, bool) or v < 1 for v in sizes):
            yield misplaced("answer.tokens", f"must be whole numbers of 1 or more (got {sizes or tokens.kind!r})")


def _metric(draft: Draft, kind: str) -> Iterator[Problem]:
    task = draft.task
    for option, name in (("metric", task.metric), *(("metrics", m) for m in task.metrics)) if task else ():
        if is_metric(name) and kind not in metric_named(name, ()).answers:
            one = kind if kind == "labels" else f"a {kind}"
            fitting = [other for other in METRICS.names() if kind in metric_named(other, ()).answers]
            text = f"{name!r} does not judge answers that are {one}; metrics that do: {', '.join(fitting)}"
            yield Problem(("task", option), f"task.{option}: {text}")


def _backend(draft: Draft, ways: set[str]) -> Iterator[Problem]:
    if not draft.is_sound("backend"):
        return
    backend = draft.config.backend.type
    has_options = draft.form is not None and draft.form.kind == "option"
    compares = LIKELIHOOD in ways and (has_options or bool(normalisations(draft.config) - {NONE}))
    what = "an example's own options" if has_options else "answers of unequal length by answer.normalise"
    for is_asked, capability, cannot in (
        (LIKELIHOOD in ways and not has_options, Scores, "cannot score answers, which answers by likelihood need"),
        (compares, Compares, f"cannot compare {what}"),
        (TEXT in ways, Generates, "cannot generate text, which these answers need"),
    ):
        methods = [name for name in vars(capability) if not name.startswith("_")]
        if is_asked and not has_methods("backend", backend, *methods):
            able = [n for n in names("backend") if has_methods("backend", n, *methods)]
            text = f"backend.type: {backend!r} {cannot}; backends that can: {', '.join(able)}"
            yield Problem(("backend", "type"), text)


def _trained_on_texts(draft: Draft) -> Iterator[Problem]:
    """Soft prompts for answers in words, on a backend that gives no gradients of texts."""
    backend = draft.config.backend.type
    methods = [m for m in possible(draft.config.space, "soft.method") if m != NONE]
    wanted = [name for name in vars(TrainsTexts) if not name.startswith("_")]
    if not methods or not draft.is_sound("backend") or has_methods("backend", backend, *wanted):
        return
    able = ", ".join(n for n in names("backend") if has_methods("backend", n, *wanted))
    text = f"{methods[0]!r} is trained on the text of answers here, which backend {backend!r} cannot"
    yield misplaced("soft.method", f"{text}; leave only {NONE} or use a backend that can ({able})", "values")


def _of_labels(draft: Draft, kind: str) -> Iterator[Problem]:
    """What only labels by likelihood take."""
    space = draft.config.space
    why = "needs labels that the model compares"
    for value in (v for v in possible(space, "calibration") if v != NONE):
        yield misplaced("calibration", f"{value!r} {why}, which these answers are not; leave only {NONE}", "values")
    if kind == "label":
        return
    for value in (v for v in possible(space, "demos.strategy") if v in _OF_LABELS):
        yield misplaced("demos.strategy", f"{value!r} needs labels; use random, knn or diverse", "values")
    for value in (v for v in possible(space, "demos.order") if v == "by-label"):
        yield misplaced("demos.order", f"{value!r} needs labels", "values")
    if "verbalizer" in space.root and kind != "labels":
        yield misplaced("verbalizer", "has no meaning where answers are no labels")
