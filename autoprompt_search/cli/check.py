"""Everything `check` can find out about a space file: the file, the data, the model. Knows no screen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from autoprompt_search.backends import BACKENDS
from autoprompt_search.config import SearchConfig, check_data, check_model
from autoprompt_search.config.answer_lengths import length_advice
from autoprompt_search.config.costs import ExpectedCost, expected_cost
from autoprompt_search.config.data import largest, longest_prompts, most_demonstrations, most_tokens, soft_methods
from autoprompt_search.config.load import examine
from autoprompt_search.config.prices import budget_problems, final_passes, part_passes, prompt_prices
from autoprompt_search.config.rules import task_problems
from autoprompt_search.config.rules_answer import normalisations
from autoprompt_search.config.rules_chat import chat_advice, chat_points
from autoprompt_search.config.rules_generation import answer_advice
from autoprompt_search.config.rules_space import possible
from autoprompt_search.config.rules_style import usable_templates
from autoprompt_search.config.validation import Draft
from autoprompt_search.core.answers import LabelAnswers, TextAnswers
from autoprompt_search.core.errors import ConfigError, MissingExtraError
from autoprompt_search.core.prompts import Prompt, Rendered
from autoprompt_search.core.protocols.model import Backend
from autoprompt_search.core.types import Splits
from autoprompt_search.evaluate import as_read
from autoprompt_search.prompting import AUTO, STYLE, PromptBook, answer_words, render
from autoprompt_search.session import growing_parameters
from autoprompt_search.studies.proposal_slots import ProposalSlots
from autoprompt_search.trial import SAMPLE
from autoprompt_search.warm import OPTION, WarmStart, remember

_NEW = 3
"""Soft prompts that the training of one rung leaves, at most: its start among them."""
_SNAPSHOTS = _NEW + 1
"""Soft prompts measured per rung: with the best so far."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One rendered prompt as a person reads it."""

    title: str
    text: str
    answers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Checked:
    """What a sound space file would do."""

    config: SearchConfig
    splits: Splits
    size: float
    """Distinct points; infinite with a continuous parameter."""
    kinds: tuple[str, ...]
    """Kinds of trial, each with its own ladder of rungs."""
    passes: Mapping[str, int]
    """Most forward passes, by purpose."""
    prices: Mapping[str, float]
    """Unit of `Cost` -> what the baseline's prompt takes of it on one example."""
    expected: ExpectedCost | None
    """What an endpoint is expected to cost; None for models that run here."""
    samples: tuple[Sample, ...]
    longest: int
    """Length of the longest prompt, in `unit`."""
    unit: str
    advice: tuple[str, ...]
    """What is allowed and probably not meant."""
    memory: WarmStart
    """The points that earlier searches found."""


def inspect(path: Path, overrides: Sequence[str]) -> Checked:
    """Look at the file, the data and the model; `ConfigError` with all that is wrong, else what would happen."""
    draft, problems = examine(path, overrides)
    splits = _splits(draft, problems)
    if splits is not None and draft.task is not None and _is_whole(draft):
        problems += check_data(draft.config, splits, draft.task.answers)
    memory = _warm(draft.config, splits, problems) if splits and _is_whole(draft) and not problems else None
    backend = _backend(draft, problems)
    book = draft.config.book(draft.task.answers) if draft.task and splits is not None else None
    if backend is not None and book is not None and splits is not None and _is_whole(draft) and not problems:
        problems += check_model(draft.config, book, splits, backend)
        if not problems:
            problems += budget_problems(draft.config, splits, prompt_prices(draft.config, book, splits, backend))
    elif backend is not None:
        problems += [f"backend: {line}" for line in backend.problems([], [])]
    if problems or splits is None or book is None or backend is None or memory is None:
        raise ConfigError(list(dict.fromkeys(problems)), where=str(path))
    metric = draft.task.metric if draft.task else ""
    checked = _checked(draft.config, splits, book, backend, memory, metric)
    return replace(checked, advice=(*draft.notes, *checked.advice))


def _warm(config: SearchConfig, splits: Splits, problems: list[str]) -> WarmStart | None:
    """What earlier searches give this one to begin with."""
    try:
        return remember(config, splits)
    except ConfigError as exc:
        problems += exc.problems
        return None


def _is_whole(draft: Draft) -> bool:
    return not draft.broken


def _splits(draft: Draft, problems: list[str]) -> Splits | None:
    if draft.task is None or not draft.is_sound("data"):
        return None
    try:
        return draft.task.load(draft.config.seed)
    except (ConfigError, MissingExtraError) as exc:
        problems += [p.text for p in task_problems(draft.config.task, exc)]
        return None


def _backend(draft: Draft, problems: list[str]) -> Backend | None:
    if not draft.is_sound("backend"):
        return None
    try:
        return BACKENDS.build(draft.config.backend)
    except (ConfigError, MissingExtraError) as exc:
        lines = exc.problems if isinstance(exc, ConfigError) else (str(exc),)
        problems += [f"backend.{line}" for line in lines]
        return None


def _checked(
    config: SearchConfig, splits: Splits, book: PromptBook, backend: Backend, memory: WarmStart, metric: str
) -> Checked:
    prompts = [r for _, prompt in _prompts(config, book) for r in longest_prompts(config, prompt, splits)]
    longest, unit = length_of_longest(config, prompts, backend)
    prices = prompt_prices(config, book, splits, backend)
    return Checked(
        config=config,
        splits=splits,
        size=grown_size(config),
        kinds=tuple(_kinds(config)),
        passes=forward_passes(config, splits, prices),
        prices=prices,
        expected=expected_cost(config, book, splits, backend),
        samples=tuple(_samples(config, splits, book, backend)),
        longest=longest,
        unit=unit,
        advice=(
            *(f"study.{OPTION}: {line}" for line in memory.left_out),
            *_advice(config, prices),
            *chat_advice(config, backend),
            *answer_advice(config, splits, book.form, metric, backend),
            *dict.fromkeys(_nested_words(config, book, splits, backend)),
            *dict.fromkeys(length_advice(config, book, splits, backend)),
        ),
        memory=memory,
    )


def grown_size(config: SearchConfig) -> float:
    """Points of the space, with all texts that may be added."""
    return ProposalSlots(growing_parameters(config), config.seed).with_slots(config.space).size


def length_of_longest(config: SearchConfig, prompts: Sequence[Rendered], backend: Backend) -> tuple[int, str]:
    """The length and its unit: tokens with the longest soft prompt where the backend counts them, else characters."""
    count = getattr(backend, "count_tokens", None)
    if count is None:
        return max(len(p.text + p.rest) for p in prompts), "characters"
    return max(count(prompts)) + most_tokens(config), "tokens"


def forward_passes(config: SearchConfig, splits: Splits, prices: Mapping[str, float]) -> dict[str, int]:
    """Most forward passes by purpose, as if no trial were stopped early and nothing were known already.

    A budget of passes is one purpose: what comes on top of it stands beside it. Nothing comes on top of what a budget
    in other units pays for, at these prices.
    """
    finalists, budget = config.confirm.finalists + 1, config.budget
    passes = _of_trials(config, splits, budget.most_trials(config.rungs, prices), finalists)
    parts = part_passes(config)
    ends = {"the final test": final_passes(config, splits), **({"what its parts add": parts} if parts else {})}
    last = sum(ends.values())
    paid = min((int(most / prices[unit]) for unit, most in budget.limits.items() if prices.get(unit)), default=None)
    if paid is not None and paid < sum(passes.values()) + last:
        return {"the baseline and the trials": max(0, paid - last), **ends}
    if budget.most_passes is not None and budget.most_passes < sum(passes.values()):
        running = int(config.runner.options.get("concurrency", 1))
        passes = {
            "the trials": budget.most_passes,
            "finishing the last of them": sum(_of_trials(config, splits, running, 0).values()),
            "baseline and finalists on dev": sum(_of_trials(config, splits, 1, finalists).values()),
        }
    return {**passes, **ends}


def _of_trials(config: SearchConfig, splits: Splits, trials: int, finalists: int) -> dict[str, int]:
    """The worst-case passes of so many trials by purpose; the prompts of finalists are built again for the test."""
    last, space, methods, prompts = config.rungs[-1], config.space, soft_methods(config), trials + finalists
    passes = {"scoring dev examples": trials * last}
    if methods:
        training = max(largest(config, m, "steps") * largest(config, m, "batch_size") * 3 for m in methods)
        passes["scoring dev examples"] = trials * _SNAPSHOTS * sum(config.rungs)
        passes["training soft prompts"] = trials * training
    if set(possible(space, "calibration")) - {"none"}:
        passes["calibrating"] = prompts * SAMPLE * (_NEW * len(config.rungs) if methods else 1)
    if "pmi" in normalisations(config):
        passes["answers without the question"] = prompts * last
    if AUTO in possible(space, "verbalizer"):
        passes["proposing words"] = prompts * SAMPLE
    if "hard" in possible(space, "demos.strategy"):
        passes["finding hard examples"] = prompts * len(splits.train)
    return passes


def _kinds(config: SearchConfig) -> Iterator[str]:
    strategies = possible(config.space, "demos.strategy") or ["none"]
    methods = possible(config.space, "soft.method") or ["none"]
    if "none" in methods:
        yield from ("text",) if "none" in strategies else ()
        yield from ("demos",) if set(strategies) - {"none"} else ()
    yield from ("soft",) if set(methods) - {"none"} else ()


def _prompts(config: SearchConfig, book: PromptBook) -> Iterator[tuple[str, Prompt]]:
    """The baseline's prompt with each of the templates."""
    base = config.space.baseline(config.baseline)
    templates = usable_templates(config)
    first = base.get("template", book.compose(base).template.name)
    for name in sorted(templates, key=lambda t: t != first):
        yield str(name), book.compose({**base, "template": name})


def _samples(config: SearchConfig, splits: Splits, book: PromptBook, backend: Backend) -> Iterator[Sample]:
    """A few rendered prompts: up to three templates, and the first with demonstrations."""
    example, k = splits.dev[0], min(2, most_demonstrations(config))
    is_auto = config.space.baseline(config.baseline).get("verbalizer") == AUTO
    for number, (name, prompt) in enumerate(_prompts(config, book)):
        answers = ("label words: proposed by the model",) if is_auto else tuple(_answers(prompt, book.form.labels))
        if number < 3:
            yield _sample(f"template {name}", as_read(render(prompt, example), backend), answers)
        chats = [point for point in chat_points(config.space) if point] if number == 0 and prompt.chat is None else []
        for chat in chats[:1]:
            turns = book.compose({**config.space.baseline(config.baseline), **chat})
            shown = as_read(render(turns, example), backend)
            yield _sample(f"template {name} in the chat template", shown, tuple(_answers(turns, book.form.labels)))
        if number == 0 and k:
            title = f"template {name} with {k} demonstration{'s' if k > 1 else ''}"
            yield _sample(title, as_read(render(prompt, example, splits.train[:k]), backend), answers)


def _sample(title: str, rendered: Rendered, answers: tuple[str, ...]) -> Sample:
    """A line stands for an answer that is not at the prompt's end."""
    return Sample(title, f"{rendered.text}____{rendered.rest}" if rendered.rest else rendered.text, answers)


def _answers(prompt: Prompt, labels: Sequence[str]) -> Iterator[str]:
    if isinstance(prompt.answers, TextAnswers):
        limits = prompt.answers.limits
        ends = f", ended by {' or '.join(map(repr, limits.stop))}" if limits.stop else ""
        yield f"at most {limits.tokens} tokens{ends}, read by the parser {prompt.answers.parser}"
    if not isinstance(prompt.answers, LabelAnswers):
        return
    answers, groups = answer_words(prompt, labels)
    for index, label in enumerate(labels):
        yield f"{label}: {' | '.join(repr(a) for a, g in zip(answers, groups, strict=True) if g == index)}"


def _advice(config: SearchConfig, prices: Mapping[str, float]) -> Iterator[str]:
    gaps = possible(config.space, "layout.answer_gap") or [" "]
    for name, template in config.templates.items():
        if template.text[-1:].isspace() and any(str(g)[:1].isspace() for g in gaps):
            yield f"templates.{name}: ends with a blank, and layout.answer_gap puts another before the answer"
    for where, words in _all_words(config):
        padded = [w for alternatives in words.values() for w in alternatives if w != w.strip()]
        if padded:
            yield f"{where}: {padded[0]!r} has a blank at an end, which layout.answer_gap already provides"
    if len(config.templates) > 1 and not {"template", STYLE} & {*config.space.root}:
        yield f"templates: only {next(iter(config.templates))!r} is used: the space has no `template`"
    unused = sorted(set(config.templates) - set(map(str, possible(config.space, "template"))))
    if "template" in config.space.root and unused:
        yield f"templates: not in the space: {', '.join(unused)}"
    names = [n for n, p in config.space.root.items() if p.size > 1 and n not in config.space.numbers]
    if config.study.options.get("sampler") == "cma" and names:
        yield f"study.sampler: cma moves numbers; chance alone draws {', '.join(names)}"
    size = grown_size(config)
    if size < config.budget.most_trials(config.rungs, prices):
        yield f"budget: the space has only {size:.0f} points; the search ends when all are tried"


def _nested_words(config: SearchConfig, book: PromptBook, splits: Splits, backend: Backend) -> Iterator[str]:
    """Answers of different labels of which one begins the other, as this model's tokenizer has it."""
    pairs_of = getattr(backend, "nested_answers", None)
    if pairs_of is None:
        return
    base = config.space.baseline(config.baseline)
    verbalizers = [{"verbalizer": name} for name in possible(config.space, "verbalizer") if name != AUTO]
    for template, _ in _prompts(config, book):
        for chosen in verbalizers or [{}]:
            prompt = book.compose({**base, "template": template, **chosen})
            if not isinstance(prompt.answers, LabelAnswers):
                continue
            answers, groups = answer_words(prompt, book.form.labels)
            for short, long in pairs_of([render(prompt, splits.dev[0])], answers):
                if groups[short] != groups[long]:
                    yield (
                        f"the answer {answers[short]!r} ({book.form.labels[groups[short]]}) begins {answers[long]!r} "
                        f"({book.form.labels[groups[long]]}): it is scored without what goes on to the longer one"
                    )


def _all_words(config: SearchConfig) -> Iterator[tuple[str, Mapping[str, tuple[str, ...]]]]:
    yield from ((f"templates.{n}.words", t.words) for n, t in config.templates.items())
    yield from ((f"verbalizers.{n}", words) for n, words in config.verbalizers.items())
