from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from autoprompt_search.core.errors import ConfigError, MissingExtraError
from autoprompt_search.core.registry import ComponentSpec, Registry, unknown

Install = Callable[..., None]


class Circle:
    def __init__(
        self,
        canvas: list[str],
        *,
        radius: Annotated[float, Field(gt=0)],
        colour: Literal["red", "blue"] = "red",
        tags: tuple[str, ...] = (),
    ) -> None:
        self.canvas, self.radius, self.colour, self.tags = canvas, radius, colour, tags


class Point:
    pass


BUILTIN = {"circle": f"{__name__}:Circle", "point": f"{__name__}:Point"}


@pytest.fixture
def shapes() -> Registry[Any]:
    return Registry("shapes", BUILTIN)


def spec(**written: Any) -> ComponentSpec:
    return ComponentSpec.model_validate(written)


def test_a_component_gets_its_options_and_what_our_code_gives(shapes: Registry[Any]) -> None:
    canvas: list[str] = []
    made = shapes.build(spec(type="circle", radius="2", tags=["a", "b"]), canvas=canvas, seed=3)
    assert type(made).__name__ == "Circle"
    assert made.canvas is canvas
    assert (made.radius, made.colour, made.tags) == (2.0, "red", ("a", "b"))


def problems(registry: Registry[Any], wrong: ComponentSpec, **given: Any) -> list[str]:
    """Everything that a build says is wrong."""
    with pytest.raises(ConfigError) as caught:
        registry.build(wrong, **given)
    return list(caught.value.problems)


def test_a_name_is_not_imported_before_it_is_used() -> None:
    code = (
        "import sys; from autoprompt_search.core.registry import Registry;"
        "r = Registry('x', {'wave': 'wave:Wave_read'}); r.names(); assert 'wave' not in sys.modules;"
        "r.load('wave'); assert 'wave' in sys.modules"
    )
    env = {"PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_an_unknown_name_suggests_the_nearest(shapes: Registry[Any]) -> None:
    wanted = "unknown shapes 'circel'; did you mean 'circle'? Known: circle, point"
    with pytest.raises(ConfigError) as caught:
        shapes.build(spec(type="circel"))
    assert str(caught.value) == wanted


def test_nothing_near_is_not_suggested() -> None:
    assert unknown("shape", "zzz", ["circle"]) == "unknown shape 'zzz'; Known: circle"
    assert unknown("shape", "zzz", []) == "unknown shape 'zzz'; Known: none"


def test_all_mistakes_in_options_come_at_once(shapes: Registry[Any]) -> None:
    wrong = spec(type="circle", radius=-1, color="red", colour="green", tags="a")
    assert problems(shapes, wrong, canvas=[]) == [
        "color: unknown circle option 'color'; did you mean 'colour'? Known: colour, radius, tags (got 'red')",
        "radius: must be greater than 0 (got -1)",
        "colour: must be 'red' or 'blue' (got 'green')",
        "tags: must be a valid tuple (got 'a')",
    ]


def test_a_required_option_is_missed_by_name(shapes: Registry[Any]) -> None:
    assert problems(shapes, spec(type="circle"), canvas=[]) == ["radius: is required"]


def test_what_our_code_gives_cannot_be_written_in_a_file(shapes: Registry[Any]) -> None:
    with pytest.raises(ConfigError, match="unknown circle option 'canvas'"):
        shapes.build(spec(type="circle", radius=1, canvas=["x"]), canvas=[])


def test_a_component_without_options_takes_none(shapes: Registry[Any]) -> None:
    assert type(shapes.build(spec(type="point"), canvas=[])).__name__ == "Point"
    wanted = "size: unknown point option 'size'; Known: none (got 3)"
    assert problems(shapes, spec(type="point", size=3)) == [wanted]


def test_options_without_annotation_take_anything(install: Install) -> None:
    install("plain_plugin", {"star": "plain_plugin:Star"}, "class Star:\n    def __init__(self, n=5): self.n = n\n")
    assert Registry[Any]("shapes", {}).build(spec(type="star", n=6)).n == 6


def test_an_installed_package_adds_a_name(shapes: Registry[Any], install: Install) -> None:
    source = "class Square:\n    def __init__(self, *, side: int = 1) -> None: self.side = side\n"
    install("square_plugin", {"square": "square_plugin:Square"}, source)
    assert shapes.names() == ["circle", "point", "square"]
    assert "square_plugin" not in sys.modules
    assert shapes.build(spec(type="square", side=3)).side == 3
    wanted = "sid: unknown square option 'sid'; did you mean 'side'? Known: side (got 3)"
    assert problems(shapes, spec(type="square", sid=3)) == [wanted]
    assert "square" not in Registry[Any]("colours", {}).names()


def test_a_built_in_name_cannot_be_taken(shapes: Registry[Any], install: Install) -> None:
    install("thief_plugin", {"circle": "thief_plugin:Fake"}, "Fake = 1\n")
    assert shapes.load("circle").__name__ == "Circle"
    assert shapes.names() == ["circle", "point"]


def test_two_packages_with_one_name_are_an_error(shapes: Registry[Any], install: Install) -> None:
    install("one_plugin", {"oval": "one_plugin:Oval"}, "class Oval: pass\n")
    assert shapes.load("oval").__module__ == "one_plugin"
    install("two_plugin", {"oval": "two_plugin:Oval"}, "class Oval: pass\n")
    with pytest.raises(ConfigError, match=r"shapes 'oval'.*one_plugin:Oval.*two_plugin:Oval"):
        shapes.load("oval")


def test_a_target_that_is_not_there_is_named(shapes: Registry[Any], install: Install) -> None:
    install("gone_plugin", {"lost": "no_such_module_at_all:Lost", "empty": "gone_plugin:Missing"})
    with pytest.raises(ConfigError, match="'lost' points at no module 'no_such_module_at_all'"):
        shapes.load("lost")
    with pytest.raises(ConfigError, match="'empty' points at nothing: 'gone_plugin' has no 'Missing'"):
        shapes.load("empty")


def test_a_missing_dependency_is_told_from_a_missing_component(shapes: Registry[Any], install: Install) -> None:
    """Also where the dependency's name begins like the plugin's own."""
    install("depends_plugin", {"needy": "depends_plugin:Needy"}, "import depends\n")
    with pytest.raises(MissingExtraError, match="needs the package 'depends'"):
        shapes.load("needy")


def test_a_bug_inside_a_component_is_not_called_a_missing_name(shapes: Registry[Any], install: Install) -> None:
    install("buggy_plugin", {"buggy": "buggy_plugin:Buggy"}, "import json\njson.no_such_function\n")
    with pytest.raises(AttributeError, match="no_such_function"):
        shapes.load("buggy")


def test_a_spec_keeps_type_and_options_apart() -> None:
    written = spec(type="circle", radius=2, colour="red")
    assert written.options == {"radius": 2, "colour": "red"}
    assert ComponentSpec.model_validate_json(written.model_dump_json()) == written


def test_what_our_own_code_names_is_built_and_is_no_name_for_users() -> None:
    registry: Registry[Any] = Registry(
        "things", {"a": f"{__name__}:Circle"}, internal={"wrapped": f"{__name__}:Circle"}
    )
    assert registry.names() == ["a"]
    assert isinstance(registry.build(ComponentSpec(type="wrapped", radius=1), canvas=[]), Circle)
    with pytest.raises(ConfigError, match=r"Known: a$"):
        registry.load("wrap")
