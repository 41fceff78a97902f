"""Constructor parameters of a component, read from its source instead of importing it.

Importing every component of a search to check its options would load torch, Ray and MLflow before
the first typo is reported. `Registry.build` checks again with the real signature when a component is made.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal, Union

from pydantic import Field

from autoprompt_search.core.registry import Registry
from autoprompt_search.core.types import Scalar

_NAMES: dict[str, Any] = {"str": str, "int": int, "float": float, "bool": bool, "Path": Path, "Scalar": Scalar}
_GENERIC: dict[str, Any] = {"list": list, "dict": dict, "tuple": tuple, "Sequence": Sequence, "Mapping": Mapping}
_BOUNDS = ("ge", "gt", "le", "lt", "min_length", "max_length", "pattern")


@dataclass(frozen=True, slots=True)
class Option:
    """One parameter of a constructor."""

    name: str
    annotation: Any
    """A type that pydantic can check; `Any` where the source says something we do not read."""
    is_required: bool
    default: Any = None
    """The default, where it is a plain value."""

    @property
    def is_whole(self) -> bool:
        """Whether it takes whole numbers, within limits or not."""
        return getattr(self.annotation, "__origin__", self.annotation) is int


@dataclass(frozen=True, slots=True)
class Signature:
    """What a component's source says about it."""

    options: Mapping[str, Option]
    methods: frozenset[str]
    """Everything its class defines (for a function: the class it returns), so that capabilities can be told without
    importing it."""


def signature_of(registry: Registry[Any], name: str) -> Signature:
    """Signature of a registered component; imports it only where its source does not say enough."""
    signature = _from_source(*registry.target(name).split(":"))
    if signature is not None:
        return signature
    parameters = registry.options(name).values()
    options = {p.name: Option(p.name, p.annotation, p.default is p.empty, p.default) for p in parameters}
    return Signature(options, frozenset(dir(registry.load(name))))


@lru_cache(maxsize=64)
def _from_source(module: str, attribute: str) -> Signature | None:
    tree = _tree(module)
    types = _types(module)
    for node in tree.body if tree else ():
        if isinstance(node, ast.ClassDef) and node.name == attribute and not (node.bases or node.decorator_list):
            functions = {n.name: n for n in node.body if isinstance(n, ast.FunctionDef)}
            init = functions.get("__init__")
            return Signature(_options(init.args, types) if init else {}, frozenset(functions))
        if isinstance(node, ast.FunctionDef) and node.name == attribute and not node.decorator_list:
            returned = node.returns.id if isinstance(node.returns, ast.Name) else ""
            return Signature(_options(node.args, types), _methods(module, returned))
    return None


@lru_cache(maxsize=64)
def _methods(module: str, name: str) -> frozenset[str]:
    """What the class that a function makes can do, its bases included; read from source, wherever it comes from."""
    tree = _tree(module)
    for node in tree.body if tree else ():
        if isinstance(node, ast.ImportFrom) and node.module and name in [a.name for a in node.names]:
            return _methods(node.module, name)
        if isinstance(node, ast.ClassDef) and node.name == name:
            own = frozenset(n.name for n in node.body if isinstance(n, ast.FunctionDef))
            return own.union(*(_methods(module, base.id) for base in node.bases if isinstance(base, ast.Name)))
    return frozenset()


@lru_cache(maxsize=64)
def _tree(module: str) -> ast.Module | None:
    """A module's source; None where it has none in Python."""
    spec = find_spec(module)
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    return ast.parse(Path(spec.origin).read_text(encoding="utf-8"))


@lru_cache(maxsize=64)
def _types(module: str) -> _Types:
    return _Types(module, _tree(module) or ast.Module([], []))


def _options(args: ast.arguments, types: _Types) -> dict[str, Option]:
    plain = [*args.posonlyargs, *args.args]
    defaults: list[ast.expr | None] = [None] * (len(plain) - len(args.defaults))
    pairs = list(zip(plain, [*defaults, *args.defaults], strict=True))
    pairs += zip(args.kwonlyargs, args.kw_defaults, strict=True)
    parameters = (Option(a.arg, types.read(a.annotation), d is None, _literal(d)) for a, d in pairs if a.arg != "self")
    return {option.name: option for option in parameters}


def _literal(node: ast.expr | None) -> Any:
    return node.value if isinstance(node, ast.Constant) else None


class _Types:
    """Reads annotations of one module, aliases (`Order = Literal[...]`) included: its own, and its package's."""

    def __init__(self, module: str, tree: ast.Module) -> None:
        assigned = [
            n for n in tree.body if isinstance(n, ast.Assign) and isinstance(n.value, (ast.Subscript, ast.BinOp))
        ]
        self._aliases = {t.id: n.value for n in assigned for t in n.targets if isinstance(t, ast.Name)}
        package = module.partition(".")[0]  # what others offer would have to be imported to be found
        near = [n for n in tree.body if isinstance(n, ast.ImportFrom) and f"{n.module}.".startswith(f"{package}.")]
        self._imported = {a.asname or a.name: (str(n.module), a.name) for n in near for a in n.names}

    def read(self, node: ast.expr | None) -> Any:
        """The type an annotation stands for; `Any` for everything but plain types and their combinations."""
        if isinstance(node, ast.Name):
            return _NAMES.get(node.id) or _GENERIC.get(node.id) or self._alias(node.id)
        if isinstance(node, ast.Constant):
            return None if node.value is None else Any
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            left, right = self.read(node.left), self.read(node.right)
            return Any if Any in (left, right) else Union[left, right]  # noqa: UP007
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
            return self._subscript(node.value.id, node.slice)
        return Any

    def _alias(self, name: str) -> Any:
        if name in self._imported:
            module, original = self._imported[name]
            return _types(module).read(ast.Name(original))
        return self.read(self._aliases[name]) if name in self._aliases else Any

    def _subscript(self, name: str, inner: ast.expr) -> Any:
        parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
        if name == "Literal" and all(isinstance(p, ast.Constant) for p in parts):
            return Literal[tuple(p.value for p in parts if isinstance(p, ast.Constant))]
        if name == "Annotated":
            bounds, plain = _bounds(parts[1:]), self.read(parts[0])
            return Annotated[plain, Field(**bounds)] if bounds else plain
        if name not in _GENERIC:
            return Any
        types = tuple(... if isinstance(p, ast.Constant) and p.value is ... else self.read(p) for p in parts)
        return _GENERIC[name][types[0] if len(types) == 1 else types]


def _bounds(marks: Sequence[ast.expr]) -> dict[str, Any]:
    """The limits of `Field(ge=1, ...)`."""
    calls = (m for m in marks if isinstance(m, ast.Call) and isinstance(m.func, ast.Name) and m.func.id == "Field")
    keywords = (k for call in calls for k in call.keywords if k.arg in _BOUNDS)
    return {str(k.arg): k.value.value for k in keywords if isinstance(k.value, ast.Constant)}
