"""How much of the data a first space file lets into a prompt, held against the model that is to read it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from autoprompt_search.backends import BACKENDS
from autoprompt_search.config.data import check_data, check_model
from autoprompt_search.config.models import SearchConfig
from autoprompt_search.config.starter_time import seconds_per_prompt, time_note
from autoprompt_search.core.disk import is_there
from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.protocols.model import Backend
from autoprompt_search.tasks import TASKS

_SPARE = 124
"""Tokens of the context that a prompt leaves free: for its answer, and because characters tell tokens roughly."""
CONTEXT = 1024 - _SPARE
"""Tokens a prompt may have where the model is not here: GPT-2 has the smallest context in wide use."""
_LONGEST = 4096
"""Tokens of a context that a first search uses at most: longer prompts are slow."""

CHARS_PER_TOKEN = 3
"""Characters per token: conservative for English, about right for most other languages."""

_LEAST_CHARS = 40
_SHARE = 0.8
"""Share of the characters that were too many which is tried next."""


@dataclass(frozen=True, slots=True)
class PromptRoom:
    """What a prompt has room for."""

    chars: int = CONTEXT * CHARS_PER_TOKEN
    """Characters of a text and of what stands around it."""
    demonstrations: int = 8
    """At most so many."""


@dataclass(frozen=True, slots=True)
class Starter:
    """A file to save, and what to tell the person about it."""

    text: str
    notes: tuple[str, ...]


def fitting(build: Callable[[PromptRoom], Starter], model: str, timing: bool = False) -> Starter:
    """The space file with the most room that `check` finds sound for this model.

    The room is that of the model's own context. A model that is not on this machine is not fetched: its file has room
    for the smallest context in wide use.

    Args:
        build: Writes the file for the room that it is given.
        model: As in `backend.model`.
        timing: Whether to try a model that is here, and to say how long the search will take.

    Raises:
        ConfigError: The model cannot be used, or does not read even one short text.
    """
    room = PromptRoom()
    starter = build(room)
    if not _is_here(model):
        return starter
    backend = BACKENDS.build(_config(starter).backend)
    if problems := backend.problems([], []):
        raise ConfigError([f"--model: {line}" for line in problems])
    tokens = min(getattr(backend, "context", None) or _LONGEST, _LONGEST) - _SPARE
    if tokens > CONTEXT:
        room = PromptRoom(tokens * CHARS_PER_TOKEN)
        starter = build(room)
    while problems := _misfits(_config(starter), backend):
        smaller = _smaller(room, problems)
        if smaller is None:
            raise ConfigError([f"--model: {line}" for line in problems])
        room, starter = smaller, build(smaller)
    return replace(starter, notes=(*starter.notes, *_time(starter, backend))) if timing else starter


def _time(starter: Starter, backend: Backend) -> list[str]:
    """How long the search will take, where the model could be tried."""
    config = _config(starter)
    task = TASKS.build(config.task)
    splits = task.load(config.seed)
    seconds = seconds_per_prompt(config, splits, task.answers, backend)
    return [] if seconds is None else [time_note(config, splits, seconds)]


def _is_here(model: str) -> bool:
    return model.startswith("builtin:") or model[:1] in "./~" or is_there(Path(model))


def _config(starter: Starter) -> SearchConfig:
    return SearchConfig.model_validate(yaml.safe_load(starter.text))


def _misfits(config: SearchConfig, backend: Backend) -> list[str]:
    task = TASKS.build(config.task)
    splits = task.load(config.seed)
    form = task.answers
    return check_data(config, splits, form) or check_model(config, config.book(form), splits, backend)


def _smaller(room: PromptRoom, problems: list[str]) -> PromptRoom | None:
    """The next room to try, for problems that are about length; None where less room does not help."""
    if all("demos.k" in line for line in problems):
        named = [int(n) for line in problems for n in re.findall(r"demos\.k\.high=(\d+)", line)]
        fewer = min([*named, room.demonstrations - 1])
        return replace(room, demonstrations=fewer) if fewer >= 0 else None
    is_length = any(" tokens" in line for line in problems)
    return replace(room, chars=int(room.chars * _SHARE)) if is_length and room.chars > _LEAST_CHARS else None
