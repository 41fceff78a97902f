"""What a component's constructor takes: its parameters are the options that a user may write.

Options that several components share stand once, in a typed dict whose keys carry their defaults:

    class SharedOptions(TypedDict, total=False):
        rate: Annotated[float, Field(gt=0), Default(0.3)]

    def component(*, own: int = 1, **options: Unpack[SharedOptions]) -> Component:
        rate = complete(SharedOptions, options)["rate"]
"""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import (
    Annotated,
    Any,
    NotRequired,
    Required,
    TypeVar,
    Unpack,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

from pydantic import BaseModel, ConfigDict, create_model

Options = TypeVar("Options", bound=Mapping[str, Any])


@dataclass(frozen=True, slots=True)
class Default:
    """The value of a shared option that is not given; stands in the `Annotated` of its key."""

    value: Any


def complete(kind: type[Options], given: Mapping[str, Any]) -> Options:
    """Every option of the typed dict `kind`: as given, else by its `Default`. What `kind` does not name is left out."""
    known = _shared(kind)
    return cast("Options", {name: given.get(name, option.default) for name, option in known.items()})


@dataclass(frozen=True)
class Option:
    """One parameter of a constructor."""

    name: str
    annotation: Any
    """A type that pydantic can check."""
    is_required: bool
    default: Any = None
    """The default, where it is a plain value."""

    @property
    def is_whole(self) -> bool:
        """Whether it takes whole numbers, within limits or not."""
        return getattr(self.annotation, "__origin__", self.annotation) is int

    def convert(self, value: object) -> Any:
        """The value as the annotation says, as in `"2"` for a number; pydantic's `ValidationError` where it is none."""
        return self._model(value=value).value  # type: ignore[attr-defined]

    @cached_property
    def _model(self) -> type[BaseModel]:
        return create_model("Option", __config__=ConfigDict(arbitrary_types_allowed=True), value=(self.annotation, ...))


@dataclass(frozen=True, slots=True)
class Signature:
    """What is known of a component without making it."""

    options: Mapping[str, Option]
    """What a user may write."""
    given: frozenset[str]
    """What it takes of that which our own code gives."""
    methods: frozenset[str]
    """Everything its class defines (for a function: the class it returns), so that capabilities can be told without
    importing it."""


def from_object(component: Any, given: Collection[str]) -> Signature:
    """Signature of an imported class or function."""
    read, taken = inspect.signature(component, eval_str=True), dict[str, Option]()
    for p in read.parameters.values():
        if p.kind is p.VAR_KEYWORD and get_origin(p.annotation) is Unpack:
            taken |= _shared(get_args(p.annotation)[0])
        elif p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL):
            annotation, is_required = (Any if p.annotation is p.empty else p.annotation), p.default is p.empty
            taken[p.name] = Option(p.name, annotation, is_required, None if is_required else p.default)
    options = {name: option for name, option in taken.items() if name not in given}
    provider = component if inspect.isclass(component) else read.return_annotation
    return Signature(options, frozenset(taken.keys() - options.keys()), frozenset(dir(provider)))


@cache
def _shared(kind: Any) -> dict[str, Option]:
    """The keys of a typed dict as options."""
    options = {}
    for name, whole in get_type_hints(kind, include_extras=True).items():
        word = get_origin(whole)
        annotation = get_args(whole)[0] if word in (Required, NotRequired) else whole
        is_required = word is Required or (name in kind.__required_keys__ and word is not NotRequired)
        marks = getattr(annotation, "__metadata__", ())
        default = next((mark.value for mark in marks if isinstance(mark, Default)), None)
        rest = tuple(mark for mark in marks if not isinstance(mark, Default))
        plain = annotation.__origin__ if marks else annotation
        bare = Annotated[(plain, *rest)] if rest else plain
        options[name] = Option(name, bare, is_required, default)
    return options
