"""Rules that need the real examples or the real tokenizer. Given splits and backend, they build neither."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path

from autoprompt_search.config.components import signature
from autoprompt_search.config.models import SearchConfig
from autoprompt_search.config.rules import most, task_problems
from autoprompt_search.config.rules_backend import architecture_problem
from autoprompt_search.config.rules_chat import chat_points
from autoprompt_search.config.rules_generation import stop_problems
from autoprompt_search.config.rules_space import is_active, possible
from autoprompt_search.config.rules_style import usable_templates
from autoprompt_search.config.validation import Draft
from autoprompt_search.core.answers import AnswerForm, LabelAnswers, OptionAnswers, TextAnswers, members
from autoprompt_search.core.disk import is_there
from autoprompt_search.core.errors import ConfigError, MissingExtraError
from autoprompt_search.core.prompts import Prompt, Rendered
from autoprompt_search.core.protocols.model import Backend, Generates
from autoprompt_search.core.types import Example, Scalar, Splits
from autoprompt_search.prompting import AUTO, LAYOUT_PARAMS, PromptBook, answer_words, as_answer, render

LONGEST = 4
"""So many of the longest examples are rendered: the longest in characters need not be the longest in tokens."""


def check_data(config: SearchConfig, splits: Splits, form: AnswerForm) -> list[str]:
    """What the examples at hand forbid: rungs beyond the dev split, labels nobody has, too many demonstrations."""
    labels = _labels(config, splits, form) if form.kind in ("label", "labels") else ()
    stops = stop_problems(config, splits, form)
    return [*_numbers(config, splits), *labels, *_demonstrations(config, splits), *stops]


def check_model(config: SearchConfig, book: PromptBook, splits: Splits, backend: Backend) -> list[str]:
    """What model and tokenizer forbid, over every template and verbalizer on the longest examples.

    Rendered without demonstrations, and with the most and longest that the space allows, each with the room of the
    longest soft prompt it may get.
    """
    about_model = backend.problems([], [])
    if about_model:
        return [f"backend: {line}" for line in about_model]
    misfit = architecture_problem(config.backend.type, getattr(backend, "architecture", None), soft_methods(config))
    if misfit:
        return [misfit]
    queries = _queries(config, splits)
    demos = _longest(splits.train, most_demonstrations(config))
    problems_of: dict[str, list[str]] = {}
    fitting: dict[int, str] = {}
    most_soft, soft_beside = most_tokens(config), most_tokens(config, beside_demonstrations=True)
    for where, prompt, answers in _prompts(config, book):
        bare = _unfit(backend, prompt, [(q, render(prompt, q)) for q in queries], answers, most_soft)
        for line in bare:
            problems_of.setdefault(line, []).append(where)
        for k in range(len(demos), 0, -1) if not bare else ():
            prompts = [(q, render(prompt, q, demos[:k])) for q in queries]
            lines = _unfit(backend, prompt, prompts, answers, soft_beside)
            if not lines:
                break
            fitting[k - 1] = f"{where} with {k} of them: {lines[0]}"
    problems = [f"{', '.join(dict.fromkeys(places))}: {line}" for line, places in problems_of.items()]
    return problems + ([_too_many(len(demos), *min(fitting.items()))] if fitting else [])


def _unfit(
    backend: Backend, prompt: Prompt, asked: Sequence[tuple[Example, Rendered]], answers: Sequence[str], soft: int
) -> list[str]:
    """What stands in the way of these renderings of a prompt, with room for its answers and for soft tokens."""
    prompts = [shown for _, shown in asked]
    if isinstance(prompt.answers, OptionAnswers):
        found = (backend.problems([r], [as_answer(prompt, o) for o in e.options], soft=soft) for e, r in asked)
        return list(dict.fromkeys(problem for problems in found for problem in problems))
    problems = backend.problems(prompts, answers, soft=soft)
    if problems or not isinstance(prompt.answers, TextAnswers) or not isinstance(backend, Generates):
        return problems
    line = backend.no_room(prompts, prompt.answers.limits, soft)
    return [] if line is None else [line]


def _too_many(k: int, fit: int, example: str) -> str:
    """The advice for demonstrations that do not fit, with the number that does in the worst case."""
    advice = f"at most {fit} do: set space.demos.k.high={fit}" if fit else "not even one does: search without any"
    return f"space.demos.k: {k} of the longest demonstrations do not fit, {advice} ({example})"


def longest_prompts(config: SearchConfig, prompt: Prompt, splits: Splits) -> list[Rendered]:
    """The prompt on the longest examples, bare, and with as many and as long demonstrations as can occur."""
    queries = _queries(config, splits)
    demos = _longest(splits.train, most_demonstrations(config))
    bare = [render(prompt, query) for query in queries]
    return bare + [render(prompt, query, demos) for query in queries if demos]


def most_demonstrations(config: SearchConfig) -> int:
    """The largest `demos.k` of the space; 0 without demonstrations."""
    strategies = [v for v in possible(config.space, "demos.strategy") if v != "none"]
    k = config.space.root.get("demos.k")
    return most(k) if strategies and k is not None else 0


def soft_methods(config: SearchConfig) -> list[str]:
    """Methods of soft prompts that the space can choose."""
    return [str(m) for m in possible(config.space, "soft.method") if m != "none"]


def most_tokens(config: SearchConfig, *, beside_demonstrations: bool = False) -> int:
    """The longest soft prompt of the space; 0 without any, or where none stands beside demonstrations and it should."""
    space, methods = config.space, soft_methods(config)
    if beside_demonstrations:
        demos = [s for s in possible(space, "demos.strategy") if s != "none"]
        methods = [m for m in methods if any(_meet(config, m, strategy) for strategy in demos)]
    return max((largest(config, method, "tokens") for method in methods), default=0)


def _meet(config: SearchConfig, method: str, strategy: Scalar) -> bool:
    space = config.space
    return is_active(space, "soft.method", "demos.strategy", strategy) and is_active(
        space, "demos.strategy", "soft.method", method
    )


def largest(config: SearchConfig, method: str, option: str) -> int:
    """The most that an option of a soft-prompt method can be: in the space, or by default."""
    param = config.space.root.get(f"soft.{option}")
    if param is not None:
        return most(param)
    described = signature("soft", method).options.get(option)
    return int(described.default) if described is not None and isinstance(described.default, int) else 0


def local_data_problems(draft: Draft) -> list[str]:
    """Mistakes in data files on this machine, to complete a list of mistakes; nothing is downloaded for it."""
    if draft.task is None or not draft.is_sound("data"):
        return []
    data = draft.config.task.options.get("data")
    paths = list(data.values()) if isinstance(data, dict) else [data]
    if not all(isinstance(p, str) and (is_there(Path(p)) or Path(p).suffix or ":" in p) for p in paths):
        return []
    try:
        splits = draft.task.load(draft.config.seed)
    except (ConfigError, MissingExtraError) as exc:
        return [p.text for p in task_problems(draft.config.task, exc)]
    sound = draft.is_sound("rungs", "space", "templates") and not any("." in name for name in draft.broken)
    return check_data(draft.config, splits, draft.task.answers) if sound else []


def _numbers(config: SearchConfig, splits: Splits) -> Iterator[str]:
    last = config.rungs[-1]
    if last > len(splits.dev):
        yield f"rungs: the last rung needs {last} dev examples, the dev split has {len(splits.dev)}"
    for name, part in (("train", splits.train), ("dev", splits.dev), ("test", splits.test)):
        if not part:
            yield f"task.data: the {name} split has no examples"


def _of(example: Example, form: AnswerForm) -> tuple[str, ...]:
    return members(example.target) if form.kind == "labels" else (example.target,)


def _labels(config: SearchConfig, splits: Splits, form: AnswerForm) -> Iterator[str]:
    """Labels that cannot be learned from, or never be right."""
    words = [t.words for t in config.templates.values()] + list(config.verbalizers.values())
    named = {label for w in words for label in w}
    parts = (("train", splits.train), ("dev", splits.dev), ("test", splits.test))
    labels = named.union(label for _, part in parts for e in part for label in _of(e, form))
    for name, part in parts:
        missing = sorted(labels.difference(label for e in part for label in _of(e, form)))
        if part and missing:
            yield f"task.data: the {name} split has no example of {', '.join(map(repr, missing))}"


def _demonstrations(config: SearchConfig, splits: Splits) -> Iterator[str]:
    k = most_demonstrations(config)
    if k > len(splits.train):
        yield f"space.demos.k: {k} demonstrations are more than the {len(splits.train)} examples of the train split"
        return
    counts = Counter(e.target for e in splits.train)
    if "balanced" not in possible(config.space, "demos.strategy") or not counts or k == 0:
        return
    if not is_active(config.space, "demos.k", "demos.strategy", "balanced"):
        return
    each = -(-k // len(counts))
    for label, count in sorted(counts.items()):
        if count < each:
            yield (
                f"space.demos.k: {k} balanced demonstrations take up to {each} of label {label!r}, "
                f"the train split has {count}"
            )


def _prompts(config: SearchConfig, book: PromptBook) -> Iterator[tuple[str, Prompt, tuple[str, ...]]]:
    """Every template with every verbalizer, answer gap and chat, in the longest layout, with the longest instruction.

    With the answers to look at: of words that are not known yet only the first label's name, as a stand-in.
    """
    space = config.space
    layout = {n: max(map(str, possible(space, n)), key=len) for n in LAYOUT_PARAMS if possible(space, n)}
    intros = [i for i in map(str, possible(space, "instruction")) if i != "none"]
    for template in usable_templates(config):
        fixed: dict[str, Scalar] = {"template": template, **layout}
        if possible(space, "instruction"):
            fixed["instruction"] = max(intros, key=lambda i: len(book.instructions[i]), default="none")
        verbalizers = [{"verbalizer": v} for v in possible(space, "verbalizer")] or [{}]
        gaps = [{"layout.answer_gap": g} for g in possible(space, "layout.answer_gap")] or [{}]
        for words, gap, chat in product(verbalizers, gaps, chat_points(space)):
            where = f"templates.{template}" + "".join(f" with verbalizers.{v}" for v in words.values())
            where += " in the chat template" if chat else ""
            prompt = book.compose({**fixed, **words, **gap, **chat})
            answers = answer_words(prompt, book.form.labels)[0] if isinstance(prompt.answers, LabelAnswers) else ()
            yield where, prompt, answers[:1] if AUTO in words.values() else answers


def _queries(config: SearchConfig, splits: Splits) -> list[Example]:
    """The longest examples that are ever asked about; those of the train split only where vectors are trained on it."""
    return _longest((*splits.dev, *splits.test, *(splits.train if soft_methods(config) else ())), LONGEST)


def _longest(examples: Sequence[Example], count: int) -> list[Example]:
    return sorted(examples, key=lambda e: -sum(map(len, e.inputs.values())))[:count]
