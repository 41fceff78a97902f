"""Names to components: the built-in table first, then installed entry points; nothing is imported before it is used."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from autoprompt_search.core.errors import ConfigError, MissingExtraError
from autoprompt_search.core.signatures import Option, Signature, from_object
from autoprompt_search.core.source import from_source

T = TypeVar("T")


class ComponentSpec(BaseModel):
    """A component as written in YAML: its `type`, and its options beside it."""

    model_config = ConfigDict(frozen=True, extra="allow")

    type: str

    @property
    def options(self) -> dict[str, Any]:
        """The options, without `type`."""
        return dict(self.model_extra or {})


class Registry(Generic[T]):
    """Components of one kind, imported only when first used.

    Built-ins are `name -> "module:attribute"`; third parties add theirs through the entry point group
    `autoprompt_search.<kind>`. A built-in name cannot be taken by an entry point, and a name that two
    packages offer is an error when it is used. `internal` components are made by our own code: they are built by name,
    and are no names that a user can write or read.
    """

    def __init__(self, kind: str, builtin: Mapping[str, str], internal: Mapping[str, str] | None = None) -> None:
        self.kind = kind
        self._paths = dict(builtin)
        self._internal = dict(internal or {})

    def names(self) -> list[str]:
        """Every name that can be used, sorted."""
        return sorted({*self._paths, *(e.name for e in self._entry_points())})

    def load(self, name: str) -> Any:
        """The class or function behind `name`; `ConfigError` suggests the nearest name."""
        path = self.target(name)
        module, _, attribute = path.partition(":")
        try:
            home = import_module(module)
        except ModuleNotFoundError as exc:
            if exc.name and f"{module}.".startswith(f"{exc.name}."):
                raise ConfigError(f"{self.kind} {name!r} points at no module {module!r}") from exc
            raise MissingExtraError(f"{self.kind} {name!r} needs the package {exc.name!r}: install it") from exc
        if not hasattr(home, attribute):
            raise ConfigError(f"{self.kind} {name!r} points at nothing: {module!r} has no {attribute!r}")
        return getattr(home, attribute)

    def build(self, spec: ComponentSpec, **injected: Any) -> T:
        """The component, its YAML options checked against its signature; `injected` are given by our code."""
        factory = self.load(spec.type)
        signature = self.signature(spec.type, injected)
        problems = option_problems(spec.type, spec.options, signature.options)
        if problems:
            raise ConfigError(problems)
        written = {name: signature.options[name].convert(value) for name, value in spec.options.items()}
        return factory(**written, **{n: v for n, v in injected.items() if n in signature.given})  # type: ignore[no-any-return]

    def signature(self, name: str, given: Iterable[str] = ()) -> Signature:
        """What the component takes beside what our code gives; imports it only where its source says too little."""
        module, _, attribute = self.target(name).partition(":")
        hidden = frozenset(given)
        return from_source(module, attribute, hidden) or from_object(self.load(name), hidden)

    def target(self, name: str) -> str:
        """`module:attribute` behind `name`, without importing it; `ConfigError` suggests the nearest name."""
        if name in self._paths or name in self._internal:
            return self._paths.get(name) or self._internal[name]
        offered = sorted({e.value for e in self._entry_points() if e.name == name})
        if not offered:
            raise ConfigError(unknown(self.kind, name, self.names()))
        if len(offered) > 1:
            raise ConfigError(f"{self.kind} {name!r} is offered by several packages: {', '.join(offered)}")
        return offered[0]

    def module(self, name: str) -> str:
        """The module that `name` lives in, without importing it."""
        return self.target(name).partition(":")[0]

    def _entry_points(self) -> Iterable[EntryPoint]:
        return _installed(f"autoprompt_search.{self.kind}", tuple(sys.path))


@lru_cache(maxsize=64)
def _installed(group: str, path: tuple[str, ...]) -> tuple[EntryPoint, ...]:  # noqa: ARG001 - part of the key
    """Entry points of `group` on `path`; reading them costs tens of milliseconds."""
    return tuple(entry_points(group=group))


def unknown(kind: str, name: str, names: Iterable[str]) -> str:
    """`unknown task 'x'; did you mean 'y'? Known: ...`"""
    known = sorted(names)
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ";"
    return f"unknown {kind} {name!r}{hint} Known: {', '.join(known) or 'none'}"


def explain(error: Mapping[str, Any]) -> str:
    """One pydantic error as `field: what is wrong (got value)`."""
    where = ".".join(str(part) for part in error["loc"])
    if error["type"] == "missing":
        return f"{where}: is required"
    return f"{where}: {error['msg'].removeprefix('Value error, ')} (got {error['input']!r})"


def option_problems(component: str, written: Mapping[str, Any], known: Mapping[str, Option]) -> list[str]:
    """Everything wrong with the options of a component, one line each, every line starting with the option's name."""
    kind = f"{component} option"
    problems = [f"{n}: {unknown(kind, n, known)} (got {v!r})" for n, v in written.items() if n not in known]
    problems += [f"{n}: is required" for n, o in known.items() if o.is_required and n not in written]
    for name, value in written.items():
        if name in known:
            problems += value_problems(known[name], value)
    return problems


def value_problems(option: Option, value: object) -> list[str]:
    """What is wrong with one value of an option; [] when it fits."""
    try:
        option.convert(value)
    except ValidationError as exc:
        errors = exc.errors()
        if len(errors) > 1:  # the members of a union: one sentence says it better
            return [f"{option.name}: must be {_spelled(option.annotation)} (got {value!r})"]
        (error,) = errors
        line = explain({**error, "loc": (option.name, *error["loc"][1:])})
        return [line.replace("Input should be", "must be", 1)]
    return []


def _spelled(annotation: Any) -> str:
    return str(annotation).replace("typing.", "").replace("NoneType", "None")
