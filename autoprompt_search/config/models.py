"""What a search space file says, as one frozen value. Knows no file, no line number and no component."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BeforeValidator, Field, field_validator, model_validator

from autoprompt_search.config.deprecated import renewed
from autoprompt_search.config.dialect import Dumper
from autoprompt_search.config.sections import (
    Aim,
    Answer,
    Budget,
    Component,
    Confirm,
    Preset,
    Proposals,
    Section,
    preset_named,
)
from autoprompt_search.core.answers import AnswerForm, Asking, Verbalizer
from autoprompt_search.core.fingerprint import fingerprint
from autoprompt_search.core.prompts import Template
from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.core.types import Scalar
from autoprompt_search.core.uris import HIDDEN, is_uri, public_uri
from autoprompt_search.prompting import PromptBook
from autoprompt_search.space import Choice, Fixed, SearchSpace

UNCOUNTED = ("name", "runner", "tracker", "budget", "exports")
"""Sections that do not change what a trial measures: they may differ when a search continues."""

SPEED = {"backend": ("batch_tokens", "threads", "prefix_megabytes", "state_megabytes"), "study": ("storage",)}
"""Options that change how fast or where, never what."""

PARAM_KEYS = ("kind", "value", "values", "low", "high", "log", "when")
"""What may stand in a parameter of the space, in the order in which it is written."""

_SECRET = re.compile(r"(^|_)(api_?key|token|secret|password|passwd)$", re.IGNORECASE)
_COMPONENTS = ("task", "backend", "study", "runner", "tracker", "exports")
"""Sections whose options name places; a URI in a template is a text for the model."""


def _named(value: Any) -> Any:
    """Whole numbers as names: labels such as star ratings are often written without quotes."""
    if isinstance(value, Mapping):
        return {_text(k): v for k, v in value.items()}
    return value


def _text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _listed(value: Any) -> Any:
    """Read one word as a list of one."""
    return [_text(v) for v in value] if isinstance(value, (list, tuple)) else [_text(value)]


def _worded(value: Any) -> Any:
    """A template without anything beside it may be written as its bare text."""
    return {"text": value} if isinstance(value, str) else value


Words = Annotated[tuple[str, ...], BeforeValidator(_listed, json_schema_input_type=str | int | list[str | int])]
LabelWords = Annotated[dict[str, Words], BeforeValidator(_named)]


class TemplateSpec(Section):
    """A template and what is written with it."""

    text: str = Field(min_length=1)
    """Text with `{field}`, `{@Name}` and `{@sep}` slots."""
    words: LabelWords = Field(default_factory=dict)
    """Label -> the words that stand for it; empty: the search's verbalizer, or the label itself."""
    style: Literal["instruction", "question", "statement"] = "statement"
    instruction: str = ""
    """Stands before the demonstrations, unless the space has an `instruction` parameter."""


Worded = Annotated[TemplateSpec, BeforeValidator(_worded, json_schema_input_type=TemplateSpec | str)]
Spending = Annotated[Budget, BeforeValidator(preset_named, json_schema_input_type=Budget | Preset)]


class SearchConfig(Section):
    """One complete search. Sections stand in the order of the file."""

    name: str = Field(max_length=64)
    """Names the result folder and the MLflow runs."""
    seed: int = Field(default=0, ge=0)
    task: Component
    backend: Component
    templates: dict[str, Worded] = Field(min_length=1)
    instructions: dict[str, str] = Field(default_factory=dict)
    verbalizers: dict[str, LabelWords] = Field(default_factory=dict)
    answer: Answer = Answer()
    space: SearchSpace
    proposals: dict[str, Proposals] = Field(default_factory=dict)
    """Parameter -> how its texts grow. One that is fixed in the space does not grow."""
    baseline: dict[str, Scalar] = Field(default_factory=dict)
    """Values of trial 0 that differ from the first choice and the lowest number of their parameter."""
    rungs: tuple[int, ...] = Field(min_length=1)
    """Dev examples per rung; the last one is the full measurement."""
    budget: Spending = Budget()
    objective: Aim = Aim()
    study: Component = ComponentSpec(type="optuna")
    runner: Component = ComponentSpec(type="ray")
    tracker: Component = ComponentSpec(type="mlflow")
    confirm: Confirm = Confirm()
    exports: tuple[Component, ...] = (ComponentSpec(type="prompt"),)

    @model_validator(mode="before")
    @classmethod
    def _renewed(cls, value: Any) -> Any:
        return renewed(value)

    @field_validator("name")
    @classmethod
    def _slug(cls, value: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", value):
            raise ValueError("must start with a letter or digit and hold only letters, digits, '-', '_' and '.'")
        return value

    @field_validator("rungs")
    @classmethod
    def _increasing(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if value[0] < 1 or any(b <= a for a, b in pairwise(value)):
            raise ValueError("must be whole numbers above 0, each larger than the one before")
        return value

    def book(self, form: AnswerForm) -> PromptBook:
        """All texts of this search, for `PromptBook.compose`."""
        return PromptBook(
            templates={n: Template(n, t.text, t.style) for n, t in self.templates.items()},
            words={n: dict(t.words) for n, t in self.templates.items() if t.words},
            intros={n: t.instruction for n, t in self.templates.items() if t.instruction},
            instructions=dict(self.instructions),
            verbalizers={n: _verbalizer(v) for n, v in self.verbalizers.items()},
            form=form,
            asking=self._asking,
        )

    @property
    def _asking(self) -> Asking:
        searched = self.space.root.get("answer.normalise")
        has_pmi = isinstance(searched, (Choice, Fixed)) and "pmi" in searched.values
        return replace(self.answer.asking, has_pmi=self.answer.asking.has_pmi or has_pmi)

    @property
    def fingerprint(self) -> str:
        """Fingerprint of everything that changes results: without `UNCOUNTED` and without secrets."""
        counted = self._counted()
        ordered = {n: list(counted[n].items()) for n in ("templates", "space")}
        return fingerprint({**counted, **ordered})

    def resolved(self) -> dict[str, Any]:
        """The whole search as plain values, defaults filled in, secrets replaced by `HIDDEN`."""
        whole = self.model_dump()
        plain = {n: _without_secrets(v, hides=n in _COMPONENTS) for n, v in whole.items()}
        plain["space"] = {n: _brief(p) for n, p in plain["space"].items()}
        return plain

    @property
    def has_soft(self) -> bool:
        """Whether the search trains soft prompts."""
        method = self.space.root.get("soft.method")
        return method is not None and any(value != "none" for value in getattr(method, "values", ()))

    def to_yaml(self) -> str:
        """`resolved` as a file that `load_config` reads back to an equal search."""
        return yaml.dump(self.resolved(), Dumper=Dumper, sort_keys=False, allow_unicode=True, width=110)

    def differences(self, old: Self) -> list[str]:
        """What makes this another search than `old`: one line per field, old value first."""
        before, after = (dict(_leaves(c._counted())) for c in (old, self))
        lines = []
        for field in sorted({*before, *after}):
            was, now = (repr(d[field]) if field in d else "absent" for d in (before, after))
            if was != now:
                lines.append(f"{field}: was {was}, now {now}")
        moved = [n for n in ("templates", "space") if not lines and _order(self, n) != _order(old, n)]
        return lines + [f"{n}: was in the order {_order(old, n)}, now {_order(self, n)}" for n in moved]

    def _counted(self) -> dict[str, Any]:
        counted = {n: v for n, v in self.resolved().items() if n not in UNCOUNTED}
        for section, options in SPEED.items():
            counted[section] = {n: v for n, v in counted[section].items() if n not in options}
        return counted


def _verbalizer(words: Mapping[str, tuple[str, ...]]) -> Verbalizer:
    return {label: tuple(w) for label, w in words.items()}


def _brief(param: Mapping[str, Any]) -> Any:
    """A parameter as a person would write it: kind first, `log` and `when` only where they say something."""
    if param["kind"] == "fixed" and not param["when"]:
        return param["value"]
    ordered = {n: param[n] for n in PARAM_KEYS if n in param}
    return {n: v for n, v in ordered.items() if (n, v) not in (("log", False), ("when", {}))}


def _without_secrets(value: Any, key: str = "", *, hides: bool) -> Any:
    if isinstance(value, dict):
        return {n: _without_secrets(v, str(n), hides=hides) for n, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_secrets(v, hides=hides) for v in value]
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, str) and hides:
        return HIDDEN if _SECRET.search(key) else public_uri(value) if is_uri(value) else value
    return value


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _leaves(inner, f"{path}.{name}" if path else str(name))
    else:
        yield path, value


def _order(config: SearchConfig, section: str) -> list[str]:
    return list(config.resolved()[section])
