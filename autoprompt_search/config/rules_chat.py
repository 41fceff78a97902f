"""The model's chat template in a space: addresses, values, conditions, and what `check` has to say about it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autoprompt_search.config.components import has_methods
from autoprompt_search.config.validation import Draft, Problem
from autoprompt_search.core.disk import is_there
from autoprompt_search.core.families import FAMILIES
from autoprompt_search.core.registry import unknown
from autoprompt_search.core.types import Scalar
from autoprompt_search.prompting import CHAT_PARAMS, CHAT_VALUES
from autoprompt_search.space import AnyParam, Choice, Fixed, SearchSpace

if TYPE_CHECKING:
    from autoprompt_search.config.models import SearchConfig

CHAT, TEMPLATE, NONE = "layout.chat", "template", "none"


def uses_chat(space: SearchSpace) -> bool:
    """Whether the space can choose the chat template."""
    return TEMPLATE in _values(space, CHAT)


def chat_points(space: SearchSpace) -> list[dict[str, Scalar]]:
    """Every way in which the space sets a prompt: as plain text, and in the chat template by all its parameters."""
    points: list[dict[str, Scalar]] = [{}] if set(_values(space, CHAT)) != {TEMPLATE} else []
    if uses_chat(space):
        names = [name for name in CHAT_PARAMS[1:] if _values(space, name)]
        values = [_values(space, name) for name in names]
        points += [{CHAT: TEMPLATE, **dict(zip(names, point, strict=True))} for point in product(*values)]
    return points


def chat_param_problems(draft: Draft, name: str, param: AnyParam) -> Iterator[Problem]:
    """What is wrong with one parameter of the chat."""
    if not isinstance(param, (Choice, Fixed)) or not all(isinstance(v, str) for v in param.values):
        got = param.values if isinstance(param, (Choice, Fixed)) else f"kind {param.kind!r}"
        yield _misplaced(name, f"must be a choice of texts (got {got})")
        return
    if name in CHAT_VALUES:
        known = CHAT_VALUES[name]
        yield from (_misplaced(name, unknown("value", str(v), known), "values") for v in param.values if v not in known)
    for value in (v for v in param.values if name not in CHAT_VALUES and not str(v).strip()):
        yield _misplaced(name, f"must not be blank (got {value!r}): write {NONE}", "values")
    if name != CHAT:
        yield from _condition(draft.config.space, name, param)
    elif TEMPLATE in param.values and draft.is_sound("backend"):
        yield from _backend(draft.config.backend.type)


def chat_advice(config: SearchConfig, backend: object) -> Iterator[str]:
    """What a person may have overlooked: a chat template that is not used, and its tokens written out as text."""
    specials: tuple[str, ...] = getattr(backend, "special_tokens", ())
    for name, template in config.templates.items():
        written = [token for token in specials if token in template.text or token in template.instruction]
        if written:
            yield (
                f"templates.{name}: {written[0]!r} is a special token of the model, and is read as plain characters "
                f"here; write the template without it, and `{CHAT}: {TEMPLATE}` into the space"
            )
    if getattr(backend, "has_chat_template", False) and not uses_chat(config.space):
        yield (
            f"backend.model: has a chat template, which the space does not use: add "
            f"`{CHAT}: {{kind: choice, values: [{NONE}, {TEMPLATE}]}}` to search its own format too"
        )


def names_chat_template(model: str) -> bool:
    """Whether the files of a model in a local folder name a chat template; no file is fetched for it."""
    folder = Path(model).expanduser()
    if is_there(folder / "chat_template.jinja") or is_there(folder / "chat_template.json"):
        return True
    try:
        settings: Mapping[str, Any] = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
        return bool(settings.get("chat_template"))
    except (OSError, ValueError, AttributeError):
        return False


def _condition(space: SearchSpace, name: str, param: AnyParam) -> Iterator[Problem]:
    if CHAT not in space.root:
        yield _misplaced(name, f"means nothing without {CHAT}: add it to the space above")
        return
    others = [v for v in _values(space, CHAT) if v != TEMPLATE]
    if (others and not set(param.when.get(CHAT, [])) <= {TEMPLATE}) or (others and CHAT not in param.when):
        yield _misplaced(
            name,
            f"is active while {CHAT} is {others[0]!r}, where it means nothing: add `when: {{{CHAT}: [{TEMPLATE}]}}`",
        )


def _backend(kind: str) -> Iterator[Problem]:
    if not (FAMILIES[kind].chats if kind in FAMILIES else has_methods("backend", kind, "set_chats")):
        yield _misplaced(
            CHAT,
            f"{TEMPLATE!r} needs a model that answers in turns, which backend {kind!r} has not; leave only {NONE}, "
            "or use hf-causal",
            "values",
        )


def _values(space: SearchSpace, name: str) -> list[Scalar]:
    param = space.root.get(name)
    return list(param.values) if isinstance(param, (Choice, Fixed)) else []


def _misplaced(name: str, text: str, *inner: str) -> Problem:
    return Problem(("space", name, *inner), f"space.{'.'.join((name, *inner))}: {text}")
