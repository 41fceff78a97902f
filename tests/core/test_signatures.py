"""What a constructor takes: the same from its source as from the imported object, shared options included."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Annotated, Any, Literal, NotRequired, TypedDict, Unpack

import pytest
from pydantic import Field, TypeAdapter

from autoprompt_search.core import source
from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.registry import ComponentSpec, Registry
from autoprompt_search.core.signatures import Default, Signature, complete, from_object
from autoprompt_search.core.source import from_source
from autoprompt_search.core.types import Scalar

Colour = Literal["red", "blue"]
SIDES = 4


class Pen(TypedDict, total=False):
    width: Annotated[float, Field(gt=0), Default(0.5)]
    colour: Annotated[Colour, Default("red")]
    dashes: list[int]


class Brush(Pen):
    hairs: int


class Circle:
    def __init__(self, canvas: partial[Any], *, radius: int, **options: Unpack[Pen]) -> None:
        self.canvas, self.radius, self.options = canvas, radius, options

    def draw(self) -> Pen:
        return complete(Pen, self.options)


class Square:
    def __init__(self, side: Scalar | None = None, sides: int = SIDES, *args: int, anything=3, **rest: int) -> None:  # type: ignore[no-untyped-def]
        self.side = side


def line(length: Annotated[int, Field(ge=1)] = 1, **options: Unpack[Brush]) -> Circle:
    return Circle(partial(print), radius=length, **complete(Pen, options))


class Loose(TypedDict):
    must: int
    may: NotRequired[int]


def loose(**options: Unpack[Loose]) -> None: ...


def read(name: str) -> Signature:
    return from_source(__name__, name, frozenset({"canvas"})) or pytest.fail("its source does not say enough")


@pytest.mark.parametrize("component", [Circle, Square, line])
def test_source_and_object_say_the_same(component: Any) -> None:
    source, real = read(component.__name__), from_object(component, {"canvas"})
    assert source.given == real.given
    assert source.methods <= real.methods
    assert source.options.keys() == real.options.keys()
    for name, option in real.options.items():
        found = source.options[name]
        assert (found.is_required, found.default) == (option.is_required, option.default)
        assert TypeAdapter(found.annotation).json_schema() == TypeAdapter(option.annotation).json_schema()


def test_shared_options_stand_beside_a_components_own() -> None:
    found = read("line").options
    assert list(found) == ["length", "width", "colour", "dashes", "hairs"]
    assert {name: option.default for name, option in found.items()} == {
        "length": 1,
        "width": 0.5,
        "colour": "red",
        "dashes": None,
        "hairs": None,
    }
    assert [name for name, option in found.items() if option.is_required] == ["hairs"]
    assert read("Circle").given == {"canvas"}
    assert "draw" in read("line").methods


def test_what_is_not_given_is_completed_by_the_defaults() -> None:
    assert complete(Pen, {"colour": "blue", "hairs": 3}) == {"width": 0.5, "colour": "blue", "dashes": None}


def test_the_registry_checks_and_converts_shared_options() -> None:
    registry: Registry[Any] = Registry("shapes", {"circle": f"{__name__}:Circle"})
    built = registry.build(ComponentSpec(type="circle", radius="2", width="0.25"), canvas=partial(print))
    assert built.options == {"width": 0.25}
    with pytest.raises(ConfigError) as caught:
        registry.build(ComponentSpec(type="circle", radius=1, width=0, hairs=1), canvas=partial(print))
    known = "Known: colour, dashes, radius, width"
    assert list(caught.value.problems) == [
        f"hairs: unknown circle option 'hairs'; {known} (got 1)",
        "width: must be greater than 0 (got 0)",
    ]


@pytest.mark.parametrize(
    ("kind", "source"),
    [
        ("decorated", "import functools\n@functools.cache\ndef make(size: int = 1): return size\n"),
        ("inherits", "class Base:\n    def __init__(self, size: int = 1): self.size = size\nclass make(Base): pass\n"),
        ("foreign", "from decimal import Decimal as D\ndef make(size: int | D = 1): return size\n"),
        (
            "new_type",
            "from typing import NewType\nN = NewType('N', int)\ndef make(size: N = 1): return size\n",
        ),
    ],
)
def test_a_component_is_imported_where_its_source_does_not_say_enough(
    kind: str, source: str, install: Callable[..., None]
) -> None:
    module = f"{kind}_plugin"
    install(module, {"vague": f"{module}:make"}, source)
    registry: Registry[Any] = Registry("shapes", {})
    assert from_source(module, "make", frozenset()) is None
    assert module not in sys.modules
    assert list(registry.signature("vague").options) == ["size"]
    assert module in sys.modules
    with pytest.raises(ConfigError, match="size: must be"):
        registry.build(ComponentSpec(type="vague", size="many"))


def test_another_package_takes_our_shared_options(install: Callable[..., None]) -> None:
    source = (
        "from typing import Unpack\n"
        f"from {__name__} import Pen\n"
        "def make(side: int = 2, **options: Unpack[Pen]): return options\n"
    )
    install("pen_plugin", {"pen": "pen_plugin:make"}, source)
    registry: Registry[Any] = Registry("shapes", {})
    assert list(registry.signature("pen").options) == ["side", "width", "colour", "dashes"]
    assert registry.build(ComponentSpec(type="pen", width=2)) == {"width": 2.0}


def test_a_key_that_may_be_left_out_by_its_own_word_is_not_required() -> None:
    found = from_object(loose, ()).options
    assert {name: (option.annotation, option.is_required) for name, option in found.items()} == {
        "must": (int, True),
        "may": (int, False),
    }
    assert from_source(__name__, "loose", frozenset()) is None


def test_source_is_read_by_several_threads_at_once():
    """Code that runs while the garbage is collected lets threads change in the middle of a tree."""
    interval, threshold = sys.getswitchinterval(), gc.get_threshold()

    def busy(*_):
        sum(range(50))

    gc.callbacks.append(busy)
    sys.setswitchinterval(1e-6)
    gc.set_threshold(50, 2, 2)
    try:
        modules = ["training", "inits", "parameters", "options"] * 30
        with ThreadPoolExecutor(4) as pool:
            trees = list(pool.map(lambda name: source._tree.__wrapped__(f"autoprompt_search.soft.{name}"), modules))
    finally:
        gc.callbacks.remove(busy)
        sys.setswitchinterval(interval)
        gc.set_threshold(*threshold)
    assert all(trees)
