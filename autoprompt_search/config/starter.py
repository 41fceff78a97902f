"""A first search space file for the user's own data: commented, runnable, sized to the rows there are."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from autoprompt_search.config.rules_chat import names_chat_template
from autoprompt_search.config.starter_fit import PromptRoom, Starter, fitting
from autoprompt_search.config.starter_rows import rows_to_keep
from autoprompt_search.config.starter_text import CALIBRATION, FILE, NORMALISE, SOFT, chat_lines
from autoprompt_search.config.starter_wording import NOTHING, Told, asking, differ_in_length, templates, verbalizers
from autoprompt_search.config.starter_yaml import columns_option, field, listed, quoted, slug, template_lines
from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.core.types import Example, Splits
from autoprompt_search.tasks import TASKS
from autoprompt_search.tasks.dataset import format_mistakes
from autoprompt_search.tasks.readers import GUESSED, Format

LARGEST = {"train": 512, "dev": 512, "test": 2000}
"""Examples a first search uses at most: enough for a verdict, little enough for a laptop."""

ROOM = PromptRoom()

_LEAST = 12
"""Fewer examples than this tell nothing about a prompt."""

_DRAWN = ("random", "balanced", "hard")
_STRATEGIES = (*_DRAWN, "knn", "diverse")


def starter_for(
    task: str,
    data: str,
    text: Sequence[str],
    label: str | None,
    model: str,
    wanted: Format = GUESSED,
    told: Told = NOTHING,
    timing: bool = False,
) -> Starter:
    """A space file for a task of any type, see `starter` and `answer_starter`, with room that fits the model."""
    if problems := format_mistakes(wanted):
        raise ConfigError([f"--{problem}" for problem in problems])
    if task != "classification":
        if any(told):
            raise ConfigError("--noun and --ask: they word a classification; write those of other tasks into the file")
        from autoprompt_search.config.starter_answers import answer_starter

        return fitting(lambda room: answer_starter(task, data, text, label, model, room, wanted), model, timing)
    needed = {"--text": text, "--label": label}
    missing = [f"{option}: a classification needs it" for option, value in needed.items() if not value]
    if missing or label is None:
        raise ConfigError(missing)
    return fitting(lambda room: starter(data, text, label, model, room, wanted, told), model, timing)


def starter(
    data: str,
    text: Sequence[str],
    label: str,
    model: str,
    room: PromptRoom = ROOM,
    wanted: Format = GUESSED,
    told: Told = NOTHING,
) -> Starter:
    """Read the data and write a space file for them.

    Args:
        data: As in `task.data`.
        text: Columns that the prompt shows.
        label: Column of the gold label.
        model: Hub name or folder of a causal language model.
        room: What a prompt has room for.
        wanted: Encoding and delimiter of the files, where the user names them.
        told: What the user calls a text, and asks about it.

    Raises:
        ConfigError: The data cannot be read, or lack these columns.
    """
    columns = {field(column, text): column for column in text}
    kept = rows_to_keep(data, text, label, wanted)
    task = TASKS.build(_spec(data, columns, label, kept.options))
    splits, labels = task.load(0), task.answers.labels
    sizes = {name: min(len(getattr(splits, name)), most) for name, most in LARGEST.items()}
    longest = max(_length(e) for e in (*splits.train, *splits.dev, *splits.test))
    fit = min(room.demonstrations, room.chars // max(longest, 1) - 1)
    k = _most_demonstrations(splits, labels, fit, sizes["train"])
    about = asking(list(text), label, labels, told.noun, told.ask)
    shown, words = templates(list(columns), labels, about), verbalizers(labels, about)
    values = {
        "name": slug(data),
        "data": quoted(data),
        "text": columns_option(columns),
        "label": quoted(label),
        "labels": listed(labels),
        "rows": kept.lines,
        "splits": ", ".join(f"{name}: {size}" for name, size in sizes.items()),
        "max_chars": f"\n  max_chars: {room.chars}   # longer texts are cut" if longest > room.chars else "",
        "model": quoted(model),
        "templates": template_lines(shown),
        "template_names": ", ".join(template.name for template in shown),
        "answer_name": about.name,
        "answer_names": ", ".join(dict.fromkeys((about.name, "Label", "Category", "Answer"))),
        "verbalizers": _verbalizers(words),
        "verbalizer_names": ", ".join(words),
        "scoring": (NORMALISE if any(map(differ_in_length, words.values())) else "") + CALIBRATION,
        "demonstrations": _demonstrations(k),
        "chat": chat_lines(k > 0, about.prefix) if names_chat_template(model) else "",
        "rungs": ", ".join(map(str, rungs_for(sizes["dev"]))),
        "soft": SOFT,
    }
    return Starter(FILE.format(**values), (*_notes(splits, labels, sizes, longest, room), *kept.notes))


def _spec(data: str, columns: Mapping[str, str], label: str, options: Mapping[str, Any]) -> ComponentSpec:
    return ComponentSpec.model_validate(
        {"type": "classification", "data": data, "text": columns, "label": label, **options}
    )


def rungs_for(dev: int) -> list[int]:
    """Up to three rungs, each about four times the one below, the last all of the dev split."""
    return [n for n in (dev // 16, dev // 4) if n >= _LEAST] + [dev]


def _verbalizers(words: Mapping[str, Mapping[str, str]]) -> str:
    return "\n".join(
        f"  {name}: {{" + ", ".join(f"{quoted(label)}: {quoted(word)}" for label, word in table.items()) + "}"
        for name, table in words.items()
    )


def _demonstrations(k: int) -> str:
    if k == 0:
        return "  # No demonstrations: two of these texts would not fit into one prompt.\n"
    return (
        "  # knn: the most similar examples; diverse: similar ones that differ; hard: what the baseline gets wrong\n"
        f"  demos.strategy: {{kind: choice, values: [none, {', '.join(_STRATEGIES)}]}}\n"
        f"  demos.k: {{kind: int, low: 1, high: {k}, when: {{demos.strategy: [{', '.join(_STRATEGIES)}]}}}}\n"
        f"  demos.draw: {{kind: int, low: 0, high: 9, when: {{demos.strategy: [{', '.join(_DRAWN)}]}}}}"
        "   # which of many choices\n"
    )


def _most_demonstrations(splits: Splits, labels: Sequence[str], fit: int, train: int) -> int:
    """The largest number of demonstrations that fits into a prompt and that a balanced draw can find."""
    counts = Counter(e.target for e in splits.train)
    each = max(1, min(counts[label] for label in labels) * train // max(1, len(splits.train)))
    return max(0, min(fit, each * len(labels), train // 2))


def _length(example: Example) -> int:
    return sum(map(len, example.inputs.values())) + 40


def _notes(
    splits: Splits, labels: Sequence[str], sizes: Mapping[str, int], longest: int, room: PromptRoom
) -> list[str]:
    counts = Counter(e.target for part in (splits.train, splits.dev, splits.test) for e in part)
    shown = ", ".join(f"{label} ({counts[label]})" for label in labels[:12]) + (", ..." if len(labels) > 12 else "")
    notes = [f"{sum(counts.values())} labelled rows, {len(labels)} labels: {shown}", *splits.notes]
    notes.append("splits: " + ", ".join(f"{size} {name}" for name, size in sizes.items()))
    if sizes["test"] < 200:
        notes.append(f"with {sizes['test']} test examples only large differences can be shown; more rows help")
    if all(re.fullmatch(r"[\d.+-]+", label) for label in labels):
        notes.append("the labels are numbers: give them words under `verbalizers`, models understand those better")
    if longest > room.chars:
        notes.append(f"the longest row has {longest} characters: texts are cut, see `max_chars`")
    return notes
