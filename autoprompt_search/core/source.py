"""Signatures of components, read from their source instead of importing them.

Importing every component of a search to check its options would load torch, Ray and MLflow before the first typo is
reported. A component has to be imported only where its source does not say enough: it is made by a decorator, inherits
its constructor, or has an annotation that is no plain type.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Annotated, Any, Literal, Union

from pydantic import Field

from autoprompt_search.core.signatures import Option, Signature
from autoprompt_search.core.types import Scalar

_NAMES: dict[str, Any] = {"str": str, "int": int, "float": float, "bool": bool}
_NAMES |= {"Path": Path, "Scalar": Scalar, "Any": Any}
_GENERIC: dict[str, Any] = {"list": list, "dict": dict, "tuple": tuple, "Sequence": Sequence, "Mapping": Mapping}
_BOUNDS = ("ge", "gt", "le", "lt", "min_length", "max_length", "pattern")
_OURS = __name__.partition(".")[0]


@cache
def from_source(module: str, attribute: str, given: frozenset[str]) -> Signature | None:
    """Signature of a class or function as its source says it; None where the source does not say enough.

    Args:
        module: Where it lives.
        attribute: Its name there.
        given: Parameters that our own code gives; they may be of any type.
    """
    tree = _tree(module)
    for node in tree.body if tree else ():
        if not isinstance(node, (ast.ClassDef, ast.FunctionDef)) or node.name != attribute or node.decorator_list:
            continue
        try:
            if isinstance(node, ast.FunctionDef):
                returned = node.returns.id if isinstance(node.returns, ast.Name) else ""
                return _signature(node.args, module, given, _methods(module, returned))
            if not node.bases:
                functions = {n.name: n for n in node.body if isinstance(n, ast.FunctionDef)}
                init = functions.get("__init__")
                return _signature(init.args if init else None, module, given, frozenset(functions))
        except _UnreadableError:
            return None
    return None


class _UnreadableError(Exception):
    """Source that says something we do not read."""


@cache
def _tree(module: str) -> ast.Module | None:
    """A module's source; None where it has none in Python."""
    try:
        spec = find_spec(module)
    except (ModuleNotFoundError, ValueError):  # its package is not there, or it was made without a file
        return None
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    with _PARSING:
        return ast.parse(Path(spec.origin).read_text(encoding="utf-8"))


_PARSING = Lock()
"""Trials in threads build components side by side, and some versions of CPython count the depth of a tree for all
threads together: where one is interrupted, another fails with a `SystemError` (python/cpython issue 106905)."""


@cache
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


def _signature(args: ast.arguments | None, module: str, given: frozenset[str], methods: frozenset[str]) -> Signature:
    if args is None:
        return Signature({}, frozenset(), methods)
    types = _types(module)
    plain = [*args.posonlyargs, *args.args]
    defaults: list[ast.expr | None] = [None] * (len(plain) - len(args.defaults))
    pairs = list(zip(plain, [*defaults, *args.defaults], strict=True))
    pairs += zip(args.kwonlyargs, args.kw_defaults, strict=True)
    parameters = {a.arg: (a.annotation, default) for a, default in pairs if a.arg != "self"}
    options = {
        name: Option(name, types.read(annotation), default is None, types.value(default))
        for name, (annotation, default) in parameters.items()
        if name not in given
    }
    if args.kwarg is not None and args.kwarg.annotation is not None:
        options |= types.unpacked(args.kwarg.annotation)
    return Signature(options, given & parameters.keys(), methods)


def _literal(node: ast.expr | None) -> Any:
    return node.value if isinstance(node, ast.Constant) else None


@cache
def _types(module: str) -> _Types:
    return _Types(module, _tree(module) or ast.Module([], []))


class _Types:
    """Reads annotations of one module, and what they name: there, in its own package, or in ours."""

    def __init__(self, module: str, tree: ast.Module) -> None:
        assigned = [n for n in tree.body if isinstance(n, ast.Assign)]
        self._assigned = {t.id: n.value for n in assigned for t in n.targets if isinstance(t, ast.Name)}
        self._classes = {n.name: n for n in tree.body if isinstance(n, ast.ClassDef)}
        near = (f"{module.partition('.')[0]}.", f"{_OURS}.")  # what others offer has to be imported to be found
        imports = [n for n in tree.body if isinstance(n, ast.ImportFrom) and f"{n.module}.".startswith(near)]
        self._imported = {a.asname or a.name: (str(n.module), a.name) for n in imports for a in n.names}

    def read(self, node: ast.expr | None) -> Any:
        """The type that an annotation stands for: a plain type, or a combination of such."""
        if node is None:
            return Any
        if isinstance(node, ast.Name):
            return _NAMES.get(node.id) or _GENERIC.get(node.id) or self._alias(node.id)
        if isinstance(node, ast.Constant) and node.value is None:
            return None
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            return Union[self.read(node.left), self.read(node.right)]  # noqa: UP007
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
            return self._subscript(node.value.id, node.slice)
        raise _UnreadableError

    def value(self, node: ast.expr | None) -> Any:
        """The plain value that a default stands for, by itself or by the name of a constant; None where it is none."""
        if isinstance(node, ast.Name) and node.id in self._imported:
            module, original = self._imported[node.id]
            return _types(module).value(ast.Name(original))
        return _literal(self._assigned.get(node.id) if isinstance(node, ast.Name) else node)

    def unpacked(self, node: ast.expr) -> dict[str, Option]:
        """Options of `**options: Unpack[SharedOptions]`; none where the annotation is another."""
        if not (isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id == "Unpack"):
            return {}
        return self._shared(node.slice)

    def _shared(self, node: ast.expr) -> dict[str, Option]:
        """The keys of a typed dict, those of its bases first."""
        name = node.id if isinstance(node, ast.Name) else ""
        if name == "TypedDict":
            return {}
        if name in self._imported:
            module, original = self._imported[name]
            return _types(module)._shared(ast.Name(original))
        if name not in self._classes:
            raise _UnreadableError
        kind, options = self._classes[name], dict[str, Option]()
        for base in kind.bases:
            options |= self._shared(base)
        is_total = all(_literal(k.value) for k in kind.keywords if k.arg == "total")
        for key in kind.body:
            if isinstance(key, ast.AnnAssign) and isinstance(key.target, ast.Name):
                own, default = key.target.id, self.value(_default(key.annotation))
                options[own] = Option(own, self.read(key.annotation), is_total, default)
        return options

    def _alias(self, name: str) -> Any:
        if name in self._imported:
            module, original = self._imported[name]
            return _types(module).read(ast.Name(original))
        if isinstance(self._assigned.get(name), (ast.Subscript, ast.BinOp)):
            return self.read(self._assigned[name])
        raise _UnreadableError

    def _subscript(self, name: str, inner: ast.expr) -> Any:
        parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
        if name == "Literal" and all(isinstance(p, ast.Constant) for p in parts):
            return Literal[tuple(p.value for p in parts if isinstance(p, ast.Constant))]
        if name == "Annotated":
            bounds, plain = _bounds(parts[1:]), self.read(parts[0])
            return Annotated[plain, Field(**bounds)] if bounds else plain
        if name not in _GENERIC:
            raise _UnreadableError
        types = tuple(... if isinstance(p, ast.Constant) and p.value is ... else self.read(p) for p in parts)
        return _GENERIC[name][types[0] if len(types) == 1 else types]


def _bounds(marks: Sequence[ast.expr]) -> dict[str, Any]:
    """The limits of `Field(ge=1, ...)`."""
    keywords = (k for call in _calls(marks, "Field") for k in call.keywords if k.arg in _BOUNDS)
    return {str(k.arg): k.value.value for k in keywords if isinstance(k.value, ast.Constant)}


def _default(annotation: ast.expr) -> ast.expr | None:
    """What `Default(...)` holds among the marks of an `Annotated`."""
    inner = annotation.slice if isinstance(annotation, ast.Subscript) else None
    marks = inner.elts if isinstance(inner, ast.Tuple) else []
    return next((argument for call in _calls(marks, "Default") for argument in call.args), None)


def _calls(marks: Sequence[ast.expr], name: str) -> list[ast.Call]:
    return [m for m in marks if isinstance(m, ast.Call) and isinstance(m.func, ast.Name) and m.func.id == name]
