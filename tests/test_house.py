"""Files, functions and parameter lists stay as small as CONTRIBUTING says."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autoprompt_search.answering import ANSWERING, PARSERS
from autoprompt_search.backends import BACKENDS
from autoprompt_search.core.registry import Registry
from autoprompt_search.demos import DEMOS
from autoprompt_search.exporters import EXPORTERS
from autoprompt_search.metrics import METRICS
from autoprompt_search.proposers import PROPOSERS
from autoprompt_search.runners import RUNNERS
from autoprompt_search.soft import SOFT
from autoprompt_search.studies import STUDIES
from autoprompt_search.tasks import TASKS
from autoprompt_search.trackers import TRACKERS

ROOT = Path(__file__).parents[1] / "autoprompt_search"
FILE, FUNCTION, PARAMETERS = 350, 60, 8
REGISTRIES: tuple[Registry[Any], ...] = (
    ANSWERING, PARSERS, BACKENDS, DEMOS, EXPORTERS, METRICS, PROPOSERS, RUNNERS, SOFT, STUDIES, TASKS, TRACKERS
)  # fmt: skip
COMPONENTS = {path for registry in REGISTRIES for path in registry._paths.values()}
"""`module:name` of what a configuration builds: its parameters are options, as those of a command are."""
Function = ast.FunctionDef | ast.AsyncFunctionDef


@pytest.fixture(scope="module")
def trees() -> dict[Path, ast.Module]:
    return {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(ROOT.rglob("*.py"))}


def functions(tree: ast.Module) -> Iterator[tuple[str, Function]]:
    """Every function, by its own name; the constructor of a class by that of the class."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            yield from ((node.name, f) for f in node.body if isinstance(f, Function) and f.name == "__init__")
        if isinstance(node, Function) and node.name != "__init__":
            yield node.name, node


def test_no_file_is_longer_than_three_screens() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in ROOT.rglob("*.py")}
    assert {path.name: length for path, length in lengths.items() if length > FILE} == {}


def test_no_function_is_longer_than_a_screen(trees: dict[Path, ast.Module]) -> None:
    lengths = {
        f"{path.name}:{name}": (node.end_lineno or 0) - node.lineno + 1
        for path, tree in trees.items()
        for name, node in functions(tree)
    }
    assert {name: length for name, length in lengths.items() if length > FUNCTION} == {}


def test_only_what_a_user_configures_takes_many_parameters(trees: dict[Path, ast.Module]) -> None:
    many = {}
    for path, tree in trees.items():
        module = ".".join(path.relative_to(ROOT.parent).with_suffix("").parts)
        for name, node in functions(tree):
            given = [a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
            count = sum(name not in ("self", "cls") for name in given)
            is_command = module == "autoprompt_search.cli.app" and bool(node.decorator_list)
            if count > PARAMETERS and f"{module}:{name}" not in COMPONENTS and not is_command:
                many[f"{module}:{name}"] = count
    assert many == {}
