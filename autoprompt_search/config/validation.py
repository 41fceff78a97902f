"""A document to a `SearchConfig`, mistake by mistake: what is wrong is set aside, so that the rest is checked too."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ValidationError

from autoprompt_search.config.deprecated import notes, renewed
from autoprompt_search.config.models import PARAM_KEYS, SearchConfig, TemplateSpec
from autoprompt_search.config.sections import Aim, Answer, Budget, Confirm, Proposals
from autoprompt_search.core.answers import AnswerForm
from autoprompt_search.core.protocols.task import Task
from autoprompt_search.core.registry import unknown

_PLACEHOLDERS: dict[str, Any] = {
    "name": "unnamed",
    "task": {"type": "?"},
    "backend": {"type": "?"},
    "templates": {"?": {"text": "?"}},
    "space": {"template": {"kind": "choice", "values": ["?"]}},
    "rungs": [1],
}
"""Stand in for required sections that are missing or wrong; never checked any further."""

_ENTRIES = ("templates", "instructions", "verbalizers", "space", "proposals", "baseline")
_MODELS: Mapping[str, type[BaseModel]] = {
    "templates": TemplateSpec,
    "proposals": Proposals,
    "answer": Answer,
    "budget": Budget,
    "objective": Aim,
    "confirm": Confirm,
}
_TAGS = ("choice", "int", "float", "fixed")
_NEXT_RULE = re.compile(r"; (?=[^\s:]+: `when`|the space is empty)")


@dataclass(slots=True)
class Draft:
    """The valid part of a configuration, and the mistakes in the rest."""

    config: SearchConfig
    problems: list[Problem] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    """Sections (`task`) and entries (`space.demos.k`) that were set aside: rules about them are silent."""
    notes: list[str] = field(default_factory=list)
    """What is no mistake and should be written otherwise."""
    task: Task | None = None
    """The task, once it could be built."""
    form: AnswerForm | None = None
    """What its answers are, once that could be found out."""

    def is_sound(self, *names: str) -> bool:
        """Whether all these sections and entries are as the user wrote them."""
        return not self.broken.intersection(names)


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake and its place in the file."""

    place: tuple[str, ...]
    text: str


def validate(data: Mapping[str, Any]) -> Draft:
    """Check the form of every section; rules between sections come later."""
    left: dict[Any, Any] = copy.deepcopy(renewed(dict(data)))
    draft = Draft(SearchConfig.model_validate(_PLACEHOLDERS), notes=list(notes(data)))
    for section, value in _PLACEHOLDERS.items():
        if left.get(section) is None:
            draft.problems.append(Problem((section,), f"{section}: is required"))
            draft.broken.add(section)
            left[section] = copy.deepcopy(value)
    for _ in range(50):
        try:
            draft.config = SearchConfig.model_validate(left)
        except ValidationError as exc:
            for error in exc.errors():
                _note(error, left, draft)
        else:
            break
    return draft


def _note(error: Mapping[str, Any], left: dict[Any, Any], draft: Draft) -> None:
    """Keep what the error says, and take what it is about out of `left`."""
    for problem in _problems(error):
        if problem not in draft.problems:
            draft.problems.append(problem)
        if not _drop_detail(left, problem.place, is_extra=error["type"] == "extra_forbidden"):
            _set_aside(left, problem.place, draft.broken)


def _problems(error: Mapping[str, Any]) -> list[Problem]:
    path = _place(error)
    where, got = ".".join(path), shown(error["input"])
    kind, message = error["type"], str(error["msg"]).removeprefix("Value error, ")
    if kind == "missing":
        return [Problem(path, f"{where}: is required")]
    if kind == "extra_forbidden":
        return [Problem(path, f"{where}: {unknown('key', path[-1], _known_keys(path))} (got {got})")]
    if kind == "union_tag_not_found":
        return [Problem((*path, "kind"), f"{where}.kind: is required: choice, int, float or fixed (got {got})")]
    if kind == "union_tag_invalid":
        text = unknown("kind", str(error["ctx"]["tag"]), _TAGS)
        return [Problem((*path, "kind"), f"{where}.kind: {text}")]
    if path == ("space",) and kind == "value_error":
        return _space_problems(message)
    if "[key]" in map(str, error["loc"]):
        return [Problem(path[:-1], f"{where}: this name must be a text: put it in quotes (got {got})")]
    if _is_scalar_union(error["loc"]):
        return [Problem(path, f"{where}: must be a text, a number, true or false (got {got}){_null_hint(error)}")]
    if isinstance(error["input"], (bool, int, float)) and kind == "string_type":
        message += ": put it in quotes"
    message = message.replace("Input should be", "must be", 1)
    return [Problem(path, f"{where}: {message} (got {got})")]


def _space_problems(message: str) -> list[Problem]:
    """`SearchSpace` finds all its broken conditions at once and says them in one sentence."""
    problems = []
    for part in _NEXT_RULE.split(message):
        name = part.partition(": `when`")[0]
        is_named = name != part
        path = ("space", name, "when") if is_named else ("space",)
        problems.append(Problem(path, f"space.{part}" if is_named else f"space: {part}"))
    return problems


def _place(error: Mapping[str, Any]) -> tuple[str, ...]:
    """Pydantic's location without the marks of its unions."""
    parts = [str(p) for p in error["loc"]]
    if parts[0] == "space" and len(parts) > 2 and parts[2] in _TAGS:
        del parts[2]
    if _is_scalar_union(error["loc"]):
        parts.pop()
    return tuple(p for p in parts if p != "[key]")


def _is_scalar_union(loc: tuple[Any, ...]) -> bool:
    """Whether the last part only says which member of text, number or boolean did not fit."""
    inner = {"space": 5, "baseline": 3}.get(str(loc[0]))
    return inner is not None and len(loc) >= inner and loc[-1] in ("str", "int", "float", "bool")


def _null_hint(error: Mapping[str, Any]) -> str:
    return "; without quotes `null` is no value: write none" if error["input"] is None else ""


def _known_keys(place: tuple[str, ...]) -> list[str]:
    if len(place) == 1:
        return list(SearchConfig.model_fields)
    if place[0] == "space":
        return list(PARAM_KEYS)
    return list(_MODELS[place[0]].model_fields)


def _drop_detail(data: dict[Any, Any], place: tuple[str, ...], *, is_extra: bool) -> bool:
    """Take out only the wrong key where what is left still makes sense; False where it does not."""
    if len(place) == 1 and is_extra:
        return _delete(data, place[0])
    inner = data.get(place[0])
    if len(place) == 2 and place[0] in ("budget", "objective", "confirm") and isinstance(inner, dict):
        return _delete(inner, place[1])
    entry = inner.get(place[1]) if len(place) > 2 and isinstance(inner, dict) else None
    is_detail = is_extra or (place[0] == "templates" and place[2:] != ("text",))
    return _delete(entry, place[2]) if is_detail and isinstance(entry, dict) else False


def _delete(mapping: dict[Any, Any], name: str) -> bool:
    keys = [k for k in mapping if str(k) == name]
    for key in keys:
        del mapping[key]
    return bool(keys)


def _set_aside(data: dict[Any, Any], place: tuple[str, ...], broken: set[str]) -> None:
    """Take the smallest unit around a mistake out of `data`."""
    section = place[0]
    inner = data.get(section)
    if len(place) == 1 or section not in _ENTRIES or not isinstance(inner, dict):
        _replace(data, section, broken)
        return
    entry = place[1]
    broken.add(f"{section}.{entry}")
    _delete(inner, entry)
    if section == "space":
        _forget_condition(inner, entry)
    if not inner and section in _PLACEHOLDERS:
        _replace(data, section, broken)


def _replace(data: dict[Any, Any], section: str, broken: set[str]) -> None:
    broken.add(section)
    if section in _PLACEHOLDERS:
        data[section] = copy.deepcopy(_PLACEHOLDERS[section])
    else:
        _delete(data, section)


def _forget_condition(space: dict[Any, Any], parent: str) -> None:
    """A parameter that was set aside must not make those that depend on it look wrong."""
    for param in space.values():
        if isinstance(param, dict) and isinstance(param.get("when"), dict):
            param["when"] = {n: v for n, v in param["when"].items() if n != parent}


def shown(value: object, limit: int = 80) -> str:
    """A value in a message: short."""
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"
