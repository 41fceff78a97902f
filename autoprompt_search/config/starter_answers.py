"""A first search space file for tasks whose answers are texts or options; `starter` writes that of a classification."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from autoprompt_search.config.rules_chat import names_chat_template
from autoprompt_search.config.starter import LARGEST, ROOM, rungs_for
from autoprompt_search.config.starter_fit import CHARS_PER_TOKEN, PromptRoom, Starter
from autoprompt_search.config.starter_rows import given
from autoprompt_search.config.starter_templates import COLUMNS, FILE, WORDINGS, Wording
from autoprompt_search.config.starter_text import chat_lines
from autoprompt_search.config.starter_wording import titled
from autoprompt_search.config.starter_yaml import Written, columns_option, field, listed, quoted, slug, template_lines
from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.core.types import Example
from autoprompt_search.core.visible import visible_json
from autoprompt_search.tasks import TASKS
from autoprompt_search.tasks.problems import Problems
from autoprompt_search.tasks.readers import GUESSED, Format
from autoprompt_search.tasks.sources import read_tables

_CHARS_PER_TURN = 150
"""What a turn of a conversation takes, as a rule."""
_SPARE = 4
"""Tokens beside those of a usual answer."""
_NUMBERED = re.compile(r"(option|choice|ending|sol|answer)[_ ]?([0-9]|[A-Ea-e])")
"""A column that holds one of the options."""
_STRATEGIES = "random, knn, diverse"


def answer_starter(
    task: str,
    data: str,
    text: Sequence[str],
    target: str | None,
    model: str,
    room: PromptRoom = ROOM,
    wanted: Format = GUESSED,
) -> Starter:
    """Read the data and write a space file for them.

    Args:
        task: A name of `COLUMNS`.
        data: As in `task.data`.
        text: Columns that the prompt shows; empty guesses them.
        target: Column of the right answer; None guesses it.
        model: Hub name or folder of a causal language model.
        room: What a prompt has room for.
        wanted: Encoding and delimiter of the files, where the user names them.

    Raises:
        ConfigError: The data cannot be read, or no column looks like what the task needs.
    """
    options = {**_options(task, _columns(data, wanted), list(text), target), **given(wanted)}
    built = TASKS.build(ComponentSpec.model_validate({"type": task, "data": data, **options}))
    splits = built.load(0)
    examples = (*splits.train, *splits.dev, *splits.test)
    longest = max(map(_length, examples))
    cut = longest > room.chars
    if cut:
        turns = {"max_turns": max(1, min(8, room.chars // _CHARS_PER_TURN))}
        options |= turns if _is_response(task, options) else {"max_chars": room.chars}
    sizes = {name: min(len(getattr(splits, name)), most) for name, most in LARGEST.items()}
    k = max(0, min(room.demonstrations, room.chars // longest - 1, sizes["train"] // 2))
    stop = [] if task == "code" else _stop(examples)
    values = {
        "name": slug(data),
        "task": task,
        "data": quoted(data),
        "options": "\n".join(f"  {name}: {_written(value)}" for name, value in options.items() if name != "metric"),
        "splits": ", ".join(f"{name}: {size}" for name, size in sizes.items()),
        "metric": built.metric,
        "model": quoted(model),
        "tokens": _tokens(examples),
        "stop": visible_json(stop),
        "parser": _parser(task, built.metric, stop),
        "templates": _templates(_wording(task, options), built.fields),
        "demonstrations": _demonstrations(k),
        "chat": chat_lines(k > 0) if names_chat_template(model) else "",
        "rungs": ", ".join(map(str, rungs_for(sizes["dev"]))),
    }
    notes = [f"{len(examples)} rows with right answers", *splits.notes]
    notes += [f"the longest row has {longest} characters: texts are cut, see `max_chars`, `max_turns`"] if cut else []
    shown = ", ".join(f"{name}: {_written(value)}" for name, value in options.items())
    return Starter(FILE.format(**values), (*notes, f"columns: {shown}; --text and --label choose others"))


def _parser(task: str, metric: str, stop: Sequence[str]) -> str:
    if task == "code":
        return "program"
    return "last-number" if metric == "numeric_equality" else "first-line" if list(stop) == ["\n"] else "verbatim"


def _columns(data: str, wanted: Format) -> tuple[str, ...]:
    problems = Problems()
    tables = read_tables(data, (), problems, wanted)
    problems.check()
    return tables["train"].columns


def _options(task: str, columns: Sequence[str], text: list[str], target: str | None) -> dict[str, Any]:
    """The options of the task that name columns."""
    if task not in COLUMNS:
        raise ConfigError(f"--task: no starter for {task!r}; there is one for classification, {', '.join(COLUMNS)}")
    guessed = {role: next((n for n in usual if n in columns), None) for role, usual in COLUMNS[task].items()}
    target = target or guessed["target"]
    if task == "dialogue":
        turns = text[0] if text else _needed("--text", "the turns", guessed["turns"], columns)
        return {"turns": turns, **({"target": target} if target and target != turns else {})}
    right: str | list[str] = _needed("--label", "the right answer", target, columns)
    shown = text or [n for n in (guessed.get("context"), guessed["text"]) if n and n != right]
    options: dict[str, Any] = {"text": {field(n, shown): n for n in shown}}
    if not shown:
        _needed("--text", "the text", None, columns)
    if task == "multiple-choice":
        several = [name for name in columns if _NUMBERED.fullmatch(name)]
        options["options"] = guessed["options"] or several or _needed("--data", "the options", None, columns)
    if task == "code":
        tests = _needed("--data", "the tests", guessed["tests"], columns)
        named = {name: column for name in ("setup", "entry_point") if (column := guessed[name]) is not None}
        if shown == ["prompt"]:
            named["beginning"] = "prompt"
        return {**options, "target": right, "tests": tests, **named, "allow_code_execution": True}
    if guessed.get("rationale") and guessed.get("context") is None:
        return {**options, "target": [guessed["rationale"], right], "metric": "numeric_equality"}
    return {**options, "target": right}


def _needed(option: str, what: str, column: str | None, columns: Sequence[str]) -> str:
    if column is None:
        name = "test_list" if "tests" in what else "options"
        mend = f"call it `{name}`" if option == "--data" else "name it"
        raise ConfigError(f"{option}: no column looks like {what}: {mend}; the data have {', '.join(columns)}")
    return column


def _wording(task: str, options: Mapping[str, Any]) -> Wording:
    if task == "dialogue":
        return WORDINGS["response" if _is_response(task, options) else "summary"]
    return WORDINGS["arithmetic" if options.get("metric") == "numeric_equality" else task]


def _is_response(task: str, options: Mapping[str, Any]) -> bool:
    return task == "dialogue" and "target" not in options


def _templates(wording: Wording, fields: Sequence[str]) -> str:
    """One template per style, over all fields but that of the speaker, whom the wording names."""
    shown = [name for name in fields if "{" + name + "}" not in wording.answer]
    named = "{@sep}".join(f"{{@{titled(name)}}}: {{{name}}}" for name in shown)
    if wording.is_asked:
        *before, last = shown
        bare = "{@sep}".join([*(f"{{{name}}}" for name in before), f"Question: {{{last}}}"])
    else:
        bare = "{@sep}".join([*(f"{{{name}}}" for name in shown), f"Question: {wording.question}"])
    statement = f"{named}{{@sep}}{wording.answer}"
    return template_lines(
        [
            Written("baseline", statement, "statement"),
            Written("question", f"{bare}{{@sep}}Answer:", "question"),
            Written("instruction", statement, "instruction", wording.instruction),
        ]
    )


def _tokens(examples: Sequence[Example]) -> int:
    """Tokens that 95 of 100 references have at most, as far as characters tell."""
    lengths = sorted(len(example.target) for example in examples)
    return lengths[min(len(lengths) - 1, len(lengths) * 95 // 100)] // CHARS_PER_TOKEN + _SPARE


def _stop(examples: Sequence[Example]) -> list[str]:
    """The first of a line end and a blank line that no reference holds."""
    texts = [text for example in examples for text in example.targets]
    return next(([end] for end in ("\n", "\n\n") if not any(end in text for text in texts)), [])


def _length(example: Example) -> int:
    return sum(map(len, (*example.inputs.values(), example.target))) + 40


def _demonstrations(k: int) -> str:
    if k == 0:
        return "  # No demonstrations: two of these texts would not fit into one prompt.\n"
    return (
        "  # knn: the most similar examples; diverse: similar ones that differ\n"
        f"  demos.strategy: {{kind: choice, values: [none, {_STRATEGIES}]}}\n"
        f"  demos.k: {{kind: int, low: 1, high: {k}, when: {{demos.strategy: [{_STRATEGIES}]}}}}\n"
        "  demos.draw: {kind: int, low: 0, high: 9, when: {demos.strategy: [random]}}   # which of many choices\n"
    )


def _written(value: object) -> str:
    if isinstance(value, Mapping):
        return columns_option(value)
    if isinstance(value, list):
        return listed(value)
    return str(value).lower() if isinstance(value, int) else quoted(str(value))
