"""The YAML we read and write: safe, and with the plain scalars of YAML 1.2.

PyYAML follows YAML 1.1, where the labels `yes`, `no`, `on` and `off` are booleans, `1e-3` is a
text, `1:30` is ninety and `2024-01-01` is a date object. Labels and learning rates are what these
files are full of, so only `true` and `false` are booleans here, and numbers are numbers.
"""

from __future__ import annotations

import re

import yaml

_SCALARS = (
    ("tag:yaml.org,2002:bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("tag:yaml.org,2002:int", r"[-+]?(0|[1-9][0-9]*)", "-+0123456789"),
    ("tag:yaml.org,2002:float", r"[-+]?(\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("tag:yaml.org,2002:null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("tag:yaml.org,2002:merge", r"<<", "<"),
)


class Loader(yaml.SafeLoader):
    """Reads plain values only; no tag can name code."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012


class Dumper(yaml.SafeDumper):
    """Quotes whatever `Loader`, or a reader of YAML 1.1, would take for something else."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002
        """Write equal lists out in full: the file is for people."""
        return True


def _on_one_line(dumper: Dumper, data: list[object]) -> yaml.Node:
    """Lists of plain values are written on one line."""
    is_flat = all(v is None or isinstance(v, (str, int, float, bool)) for v in data)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=is_flat)


def _as_it_is(dumper: Dumper, text: str) -> yaml.Node:
    """Texts with signs that cannot be seen are written with escapes: YAML folds some of them into blanks."""
    is_plain = text.replace("\n", "").isprintable()
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if is_plain else '"')


Dumper.add_representer(list, _on_one_line)
Dumper.add_representer(str, _as_it_is)
for _tag, _pattern, _first in _SCALARS:
    Loader.add_implicit_resolver(_tag, re.compile(rf"^(?:{_pattern})$"), list(_first))
    Dumper.add_implicit_resolver(_tag, re.compile(rf"^(?:{_pattern})$"), list(_first))
